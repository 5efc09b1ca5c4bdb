//! Holds the linear layer and Adam, on random sizes, to their plain twins in f64 and to their slopes.

#[path = "../src/agreement.rs"]
#[allow(dead_code, reason = "the library's own tests use the rest")]
mod agreement;

use agreement::{Leaf, flat, leaf, vector};
use burn::tensor::Tensor;
use ganvas_kernels::{AdamConstants, Dropout, adam, linear};
use proptest::prelude::*;
use proptest::sample::select;

fn operation(slope: f64, dropout: Option<Dropout>) -> impl Fn(&[Tensor<4>]) -> Tensor<4> {
    let matrix = |tensor: &Tensor<4>| {
        let [.., rows, columns] = tensor.dims();
        tensor.clone().reshape([rows, columns])
    };
    move |leaves| {
        let y = linear(matrix(&leaves[0]), matrix(&leaves[1]), flat(&leaves[2]), slope, dropout);
        let [rows, columns] = y.dims();
        y.reshape([1, 1, rows, columns])
    }
}

/// The same, for leaky ReLU with the leaves rounded: x and W to eighths, so that every result lies between multiples of
/// 1/64, far from the kink at 0 as f32 goes. The gradients pass through the rounding.
fn off_the_kink(slope: f64, dropout: Option<Dropout>) -> impl Fn(&[Tensor<4>]) -> Tensor<4> {
    let rounded = |t: &Tensor<4>, steps: f64| {
        let rounded = (t.clone() * steps).round() / steps;
        t.clone() + (rounded - t.clone()).detach()
    };
    move |leaves| {
        if slope == 1.0 {
            return operation(slope, dropout)(leaves);
        }
        let bias = rounded(&leaves[2], 64.0) + 1.0 / 128.0;
        operation(slope, dropout)(&[rounded(&leaves[0], 8.0), rounded(&leaves[1], 8.0), bias])
    }
}

/// x, W and the bias.
fn leaves([n, inputs, outputs]: [usize; 3]) -> [Leaf; 3] {
    [leaf([1, 1, n, inputs]), leaf([1, 1, inputs, outputs]), vector(outputs)]
}

fn size() -> impl Strategy<Value = usize> {
    prop_oneof![1 => Just(1_usize), 4 => 1_usize..70, 1 => 100_usize..400]
}

fn dropouts() -> impl Strategy<Value = Option<Dropout>> {
    prop::option::of((any::<u64>(), 0.0..0.6).prop_map(|(key, share)| Dropout { key, share }))
}

fn constants() -> impl Strategy<Value = AdamConstants> {
    (select(vec![0.0, 0.5, 0.9]), 0.9..0.9999, select(vec![1e-8, 1e-3, 0.1]), 1e-5..1e-2, 1.0..30.0, 0.0..0.9999)
        .prop_map(|(beta1, beta2, epsilon, rate, second_scale, average_decay)| AdamConstants {
            beta1,
            beta2,
            epsilon,
            rate,
            second_scale,
            average_decay,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_fused_layer_and_its_gradients_are_those_of_the_plain_operations(
        shape in [size(), size(), size()],
        slope in select(vec![1.0, 0.2, 0.0]),
        dropout in dropouts(),
    ) {
        // Three times the worst of 4000 cases (1.9e-6, of a bias of 400 rows).
        let what = format!("{shape:?}, slope {slope}, {dropout:?}");
        agreement::twins(&what, &off_the_kink(slope, dropout), &leaves(shape), 6e-6);
    }

    #[test]
    fn an_update_of_any_length_is_the_definition(
        length in prop_oneof![1 => 1_usize..100, 3 => 1_usize..40_000],
        seed in 0.0..100.0,
        c in constants(),
        averaged in any::<bool>(),
    ) {
        let wave = |rate: f64| (0..length).map(|i| f64::sin(seed + rate * (i + 1) as f64) as f32).collect::<Vec<_>>();
        let (mut w, g, mut m, mut average) = (wave(1.1), wave(1.2), wave(1.3), wave(1.5));
        let mut v = wave(1.4).iter().map(|v| 0.01 + v * v).collect::<Vec<_>>();
        let expected = (0..length).map(|i| {
            let [w, g, m, v, average] = [w[i], g[i], m[i], v[i], average[i]].map(f64::from);
            let (m, v) = (c.beta1 * m + (1.0 - c.beta1) * g, c.beta2 * v + (1.0 - c.beta2) * g * g);
            let w = w - c.rate * m / (v.sqrt() * c.second_scale + c.epsilon);
            let average = if averaged { c.average_decay * average + (1.0 - c.average_decay) * w } else { average };
            [w, m, v, average]
        });
        let expected = expected.collect::<Vec<_>>();
        let squares = [&w, &g].map(|values| values.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>());
        let found = adam(&mut w, &g, &mut m, &mut v, averaged.then_some(&mut average[..]), &c);
        // Three times the worst of 4000 updates: 1.7e-7, and 1.9e-7 of the sums of squares.
        for (i, expected) in expected.iter().enumerate() {
            for (found, expected) in [w[i], m[i], v[i], average[i]].map(f64::from).iter().zip(expected) {
                let off = (found - expected).abs();
                prop_assert!(off < 5e-7, "{length} values, {i}: {found}, not {expected}: off by {off}; {c:?}");
            }
        }
        for (found, expected) in found.iter().zip(squares) {
            prop_assert!((found / expected - 1.0).abs() < 6e-7, "{length} values: {found}, not {expected}");
        }
    }
}

#[test]
fn the_gradients_are_the_slopes_of_the_result() {
    for shape in [[3, 4, 5], [1, 1, 1], [1, 6, 2], [7, 1, 3]] {
        for (slope, dropout) in [(1.0, None), (0.3, None), (0.3, Some(Dropout { key: 3, share: 0.4 }))] {
            let what = format!("{shape:?}, slope {slope}, {dropout:?}");
            agreement::differences(&what, &operation(slope, dropout), &leaves(shape), 1e-6);
        }
    }
}
