//! Adam in one pass over weights, gradient, moments and average.

use rayon::prelude::*;

use crate::cpu::{TASK, wide};

/// The constants of one update.
#[derive(Clone, Copy, Debug)]
pub struct AdamConstants {
    /// β1, the decay of the first moment.
    pub beta1: f64,
    /// β2, the decay of the second moment.
    pub beta2: f64,
    /// ε, added to the root of the second moment.
    pub epsilon: f64,
    /// Learning rate over the first moment's bias correction, lr / (1 - β1ᵗ).
    pub rate: f64,
    /// 1/sqrt of the second moment's bias correction, 1 / sqrt(1 - β2ᵗ).
    pub second_scale: f64,
    /// The share of the old average to keep.
    pub average_decay: f64,
}

/// One update in place (Kingma and Ba 2015, algorithm 1): m = β1·m + (1 - β1)·g, v = β2·v + (1 - β2)·g²,
/// w = w - rate·m / (sqrt(v)·second_scale + ε), and, where one is kept, average = decay·average + (1 - decay)·w.
///
/// All slices have one length. Returns the sums of squares of the old weights and of the gradient.
pub fn adam(
    weight: &mut [f32],
    gradient: &[f32],
    first: &mut [f32],
    second: &mut [f32],
    average: Option<&mut [f32]>,
    constants: &AdamConstants,
) -> [f64; 2] {
    let lengths = [gradient.len(), first.len(), second.len(), average.as_ref().map_or(weight.len(), |a| a.len())];
    assert!(lengths.iter().all(|length| *length == weight.len()), "{} weights, others {lengths:?}", weight.len());
    let averages = averages(average, weight.len());
    let sums = weight
        .par_chunks_mut(TASK)
        .zip(gradient.par_chunks(TASK))
        .zip(first.par_chunks_mut(TASK))
        .zip(second.par_chunks_mut(TASK))
        .zip(averages)
        .map(|((((w, g), m), v), average)| {
            wide(
                #[inline(always)]
                || task(w, g, m, v, average, constants),
            )
        })
        .collect::<Vec<_>>();
    sums.iter().fold([0.0, 0.0], |[a, b], [w, g]| [a + w, b + g]) // in order: the same sum with any threads
}

#[inline(always)]
fn task(
    weight: &mut [f32],
    gradient: &[f32],
    first: &mut [f32],
    second: &mut [f32],
    average: Option<&mut [f32]>,
    c: &AdamConstants,
) -> [f64; 2] {
    let (b1, b2, epsilon) = (c.beta1 as f32, c.beta2 as f32, c.epsilon as f32);
    let (rest1, rest2) = ((1.0 - c.beta1) as f32, (1.0 - c.beta2) as f32);
    let (rate, second_scale) = (c.rate as f32, c.second_scale as f32);
    let sums = [squares(weight), squares(gradient)];
    for (((w, &g), m), v) in weight.iter_mut().zip(gradient).zip(first).zip(second) {
        *m = *m * b1 + g * rest1;
        *v = *v * b2 + g * g * rest2;
        *w -= *m * rate / (v.sqrt() * second_scale + epsilon);
    }
    if let Some(average) = average {
        follow(average, weight, c.average_decay);
    }
    sums
}

/// The average moves on: decay·average + (1 - decay)·weight.
#[inline(always)]
pub(crate) fn follow(average: &mut [f32], weight: &[f32], decay: f64) {
    let (decay, rest) = (decay as f32, (1.0 - decay) as f32);
    for (a, &w) in average.iter_mut().zip(weight) {
        *a = *a * decay + w * rest;
    }
}

/// One task of the average's slice for each task of `length` weights, or nothing for each.
pub(crate) fn averages(average: Option<&mut [f32]>, length: usize) -> Vec<Option<&mut [f32]>> {
    match average {
        Some(average) => average.chunks_mut(TASK).map(Some).collect(),
        None => (0..length.div_ceil(TASK)).map(|_| None).collect(),
    }
}

/// The sum of squares of a task's values, in lanes, so that the processor adds many at a time.
#[inline(always)]
pub(crate) fn squares(values: &[f32]) -> f64 {
    const LANES: usize = 32;
    let (whole, rest) = values.as_chunks::<LANES>();
    let mut lanes = [0.0_f32; LANES];
    for values in whole {
        lanes.iter_mut().zip(values).for_each(|(lane, value)| *lane += value * value);
    }
    lanes.iter().map(|&lane| f64::from(lane)).sum::<f64>() + rest.iter().map(|&x| f64::from(x * x)).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_tasks_and_a_ragged_end_are_the_definition() {
        let n = 2 * TASK + 77;
        let wave = |rate: f64| (0..n).map(|i| (rate * i as f64).sin() as f32).collect::<Vec<f32>>();
        let c = AdamConstants {
            beta1: 0.5,
            beta2: 0.999,
            epsilon: 1e-8,
            rate: 1e-3,
            second_scale: 3.0,
            average_decay: 0.9,
        };
        let (mut w, g, mut m, mut average) = (wave(0.1), wave(0.2), wave(0.3), wave(0.5));
        let mut v = wave(0.4).iter().map(|v| v * v).collect::<Vec<f32>>();
        let expected = (0..n)
            .map(|i| {
                let [w, g, m, v, average] = [w[i], g[i], m[i], v[i], average[i]].map(f64::from);
                let (m, v) = (0.5 * m + 0.5 * g, 0.999 * v + 0.001 * g * g);
                let w = w - 1e-3 * m / (v.sqrt() * 3.0 + 1e-8);
                [w, m, v, 0.9 * average + 0.1 * w]
            })
            .collect::<Vec<_>>();
        let sums = [&w, &g].map(|values| values.iter().map(|&x| f64::from(x * x)).sum::<f64>());
        let found = adam(&mut w, &g, &mut m, &mut v, Some(&mut average), &c);
        for (i, expected) in expected.iter().enumerate() {
            let found = [w[i], m[i], v[i], average[i]].map(f64::from);
            let near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= 2e-6 * b.abs().max(1.0));
            assert!(near, "element {i}: {found:?}, not {expected:?}");
        }
        assert!(found.iter().zip(sums).all(|(a, b)| (a / b - 1.0).abs() < 1e-5), "{found:?}, not {sums:?}");
    }
}
