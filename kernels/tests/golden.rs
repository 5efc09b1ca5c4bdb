//! Meets what PyTorch says these operations compute; `tests/golden/kernels.py` made the numbers and holds their formulas.

use burn::tensor::{DType, Device, Tensor, TensorData};
use ganvas_kernels::{
    Act, Fir, Norm, Over, avg_pool2, bce_with_logits, bias_act, norm, pixel_shuffle, pixel_unshuffle, upfirdn2d,
};
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("../../tests/golden/kernels.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

/// The script's wave times `scale` plus `shift`.
fn wave(shape: [usize; 4], rate: f64, [scale, shift]: [f64; 2], dtype: DType) -> Tensor<4> {
    let value = |i: usize| (rate * (i + 1) as f64 + 0.3 * (0.01 * (i * i) as f64).sin()).sin() as f32;
    let values = (0..shape.iter().product()).map(|i| f64::from(value(i)) * scale + shift).collect::<Vec<_>>();
    Tensor::from_data(TensorData::new(values, shape).convert_dtype(dtype), (&Device::flex().autodiff(), dtype))
}

/// Holds the operation, in f32 (fused) and in f64 (the plain twin), to the golden result and gradients.
fn meets(
    what: &str,
    golden: &Value,
    leaves: impl Fn(DType) -> Vec<Tensor<4>>,
    operation: impl Fn(&[Tensor<4>]) -> Tensor<4>,
) {
    for (dtype, tolerance) in [(DType::F32, 2e-6), (DType::F64, 1e-7)] {
        let leaves = leaves(dtype).into_iter().map(Tensor::require_grad).collect::<Vec<_>>();
        let y = operation(&leaves);
        let gradients = (y.clone() * wave(y.dims(), 0.71, [1.0, 0.0], dtype)).sum().backward();
        let gradients = leaves.iter().map(|leaf| leaf.grad(&gradients).unwrap());
        let wanted = std::iter::once(&golden["y"]).chain(golden["gradients"].as_array().unwrap());
        for (place, (found, wanted)) in std::iter::once(y).chain(gradients).zip(wanted).enumerate() {
            let (found, wanted) = (found.into_data().iter::<f64>().collect::<Vec<_>>(), numbers(wanted));
            assert_eq!(found.len(), wanted.len(), "{what}, {dtype:?}, place {place}");
            let scale = wanted.iter().fold(1.0, |most: f64, v| most.max(v.abs()));
            for (a, b) in found.iter().zip(&wanted) {
                assert!((a - b).abs() < tolerance * scale, "{what}, {dtype:?}, place {place}: {a}, not {b}");
            }
        }
    }
}

#[test]
fn normalisation_is_that_of_pytorch() {
    for (name, over) in [("batch", Over::Batch), ("instance", Over::Instance), ("layer", Over::Layer)] {
        let leaves = |dtype| {
            let vector = |rate, shift| wave([1, 1, 1, 3], rate, [1.0, shift], dtype);
            vec![wave([2, 3, 3, 5], 0.37, [2.0, 0.5], dtype), vector(0.91, 1.2), vector(0.53, 0.0)]
        };
        let how = Norm { over, epsilon: 1e-3, slope: 0.2 };
        meets(name, &golden()["norm"][name], leaves, |leaves| {
            norm(leaves[0].clone(), leaves[1].clone().flatten(0, 3), leaves[2].clone().flatten(0, 3), how).y
        });
    }
}

#[test]
fn filters_are_those_of_conv2d_between_zero_insertion_and_thinning() {
    let golden = golden();
    let cases = golden["upfirdn2d"].as_array().unwrap();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let fir = &case["fir"];
        let count = |name: &str| fir[name].as_u64().unwrap() as usize;
        let side = |axis: usize, end: usize| fir["padding"][axis][end].as_i64().unwrap() as isize;
        let fir = Fir {
            taps: numbers(&fir["taps"]).iter().map(|&tap| tap as f32).collect(),
            up: count("up"),
            down: count("down"),
            padding: [[side(0, 0), side(0, 1)], [side(1, 0), side(1, 1)]],
            gain: fir["gain"].as_f64().unwrap(),
        };
        let leaves = |dtype| vec![wave([1, 2, 5, 6], 0.37, [1.0, 0.0], dtype)];
        meets(&format!("{fir:?}"), case, leaves, |leaves| upfirdn2d(leaves[0].clone(), &fir));
    }
}

#[test]
fn shuffles_pools_and_activations_are_those_of_pytorch() {
    type Operation = fn(Tensor<4>) -> Tensor<4>;
    let cases: [(&str, [usize; 4], f64, Operation); 5] = [
        ("pixel_shuffle", [2, 8, 2, 3], 1.0, |x| pixel_shuffle(x, 2)),
        ("pixel_unshuffle", [1, 2, 6, 3], 1.0, |x| pixel_unshuffle(x, 3)),
        ("avg_pool2", [2, 2, 4, 6], 1.0, avg_pool2),
        ("tanh", [1, 2, 3, 4], 6.0, |x| bias_act(x, None, Act::Tanh)),
        ("sigmoid", [1, 2, 3, 4], 6.0, |x| bias_act(x, None, Act::Sigmoid)),
    ];
    for (name, shape, scale, operation) in cases {
        let leaves = |dtype| vec![wave(shape, 0.37, [scale, 0.0], dtype)];
        meets(name, &golden()[name], leaves, |leaves| operation(leaves[0].clone()));
    }
}

#[test]
fn binary_cross_entropy_is_that_of_pytorch() {
    let golden = golden();
    let cases = golden["bce_with_logits"].as_array().unwrap();
    assert_eq!(cases.len(), 3);
    for case in cases {
        let (target, x) = (case["target"].as_f64().unwrap(), numbers(&case["x"]));
        let leaves = |dtype| {
            let data = TensorData::new(x.clone(), [1, 1, 1, x.len()]).convert_dtype(dtype);
            vec![Tensor::from_data(data, (&Device::flex().autodiff(), dtype))]
        };
        meets(&format!("target {target}"), case, leaves, |leaves| {
            bce_with_logits(leaves[0].clone(), target).reshape([1, 1, 1, 1])
        });
    }
}
