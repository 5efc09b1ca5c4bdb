//! Gradient descent with momentum in one pass over weights, gradient, velocity and average.

use rayon::prelude::*;

use crate::adam::{averages, follow, squares};
use crate::cpu::{TASK, wide};

/// The constants of one update.
#[derive(Clone, Copy, Debug)]
pub struct MomentumConstants {
    /// The share of the old velocity to keep.
    pub momentum: f64,
    /// The learning rate.
    pub rate: f64,
    /// The share of the old average to keep.
    pub average_decay: f64,
}

/// One update in place: v = momentum·v - rate·g, w = w + v, and, where one is kept, average = decay·average +
/// (1 - decay)·w.
///
/// All slices have one length. Returns the sums of squares of the old weights and of the gradient.
pub fn momentum(
    weight: &mut [f32],
    gradient: &[f32],
    velocity: &mut [f32],
    average: Option<&mut [f32]>,
    constants: &MomentumConstants,
) -> [f64; 2] {
    let lengths = [gradient.len(), velocity.len(), average.as_ref().map_or(weight.len(), |a| a.len())];
    assert!(lengths.iter().all(|length| *length == weight.len()), "{} weights, others {lengths:?}", weight.len());
    let averages = averages(average, weight.len());
    let sums = weight
        .par_chunks_mut(TASK)
        .zip(gradient.par_chunks(TASK))
        .zip(velocity.par_chunks_mut(TASK))
        .zip(averages)
        .map(|(((w, g), v), average)| {
            wide(
                #[inline(always)]
                || task(w, g, v, average, constants),
            )
        })
        .collect::<Vec<_>>();
    sums.iter().fold([0.0, 0.0], |[a, b], [w, g]| [a + w, b + g]) // in order: the same sum with any threads
}

#[inline(always)]
fn task(
    weight: &mut [f32],
    gradient: &[f32],
    velocity: &mut [f32],
    average: Option<&mut [f32]>,
    c: &MomentumConstants,
) -> [f64; 2] {
    let (share, rate) = (c.momentum as f32, c.rate as f32);
    let sums = [squares(weight), squares(gradient)];
    for ((w, &g), v) in weight.iter_mut().zip(gradient).zip(velocity) {
        *v = *v * share - g * rate;
        *w += *v;
    }
    if let Some(average) = average {
        follow(average, weight, c.average_decay);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_tasks_and_a_ragged_end_are_the_definition() {
        let n = 2 * TASK + 77;
        let wave = |rate: f64| (0..n).map(|i| (rate * i as f64).sin() as f32).collect::<Vec<f32>>();
        let c = MomentumConstants { momentum: 0.6, rate: 0.05, average_decay: 0.9 };
        let (mut w, g, mut v, mut average) = (wave(0.1), wave(0.2), wave(0.3), wave(0.5));
        let expected = (0..n)
            .map(|i| {
                let [w, g, v, average] = [w[i], g[i], v[i], average[i]].map(f64::from);
                let v = 0.6 * v - 0.05 * g;
                [w + v, v, 0.9 * average + 0.1 * (w + v)]
            })
            .collect::<Vec<_>>();
        let sums = [&w, &g].map(|values| values.iter().map(|&x| f64::from(x * x)).sum::<f64>());
        let found = momentum(&mut w, &g, &mut v, Some(&mut average), &c);
        for (i, expected) in expected.iter().enumerate() {
            let found = [w[i], v[i], average[i]].map(f64::from);
            let near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= 1e-6);
            assert!(near, "element {i}: {found:?}, not {expected:?}");
        }
        assert!(found.iter().zip(sums).all(|(a, b)| (a / b - 1.0).abs() < 1e-5), "{found:?}, not {sums:?}");
    }
}
