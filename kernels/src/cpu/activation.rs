//! Activations with a bias for each channel, dropout, and binary cross-entropy: one pass each way.

use rayon::prelude::*;

use super::exponential::{ln_1p_exp_neg_abs, sigmoid, tanh};
use super::{LANES, TASK, changed_copy, sum_in_order, total, wide};
use crate::dropout::{Dropout, bits};

/// An activation, whose derivative its result tells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Act {
    /// x where x > 0, else this slope times x. The slope is at least 0, so that the result shows the sign; at 0 it is
    /// the derivative.
    Leaky(f64),
    /// tanh x.
    Tanh,
    /// 1 / (1 + e^-x).
    Sigmoid,
}

/// 1 where x > 0, else the slope, without a choice. With an `if` the compiler may fetch the factor from memory for each value:
/// a loop over a gradient took seven times as long.
#[inline(always)]
pub fn one_or(slope: f32, x: f32) -> f32 {
    let positive = f32::from(u8::from(x > 0.0));
    positive + (1.0 - positive) * slope
}

/// A run of x, from index `first` on, becomes act(x + bias of its channel); x is `[n, bias.len(), inner]`.
#[inline(always)]
pub fn bias_act(first: usize, run: &mut [f32], bias: &[f32], inner: usize, act: Act) {
    match act {
        Act::Leaky(slope) => {
            let slope = slope as f32;
            by_plane(first, run, bias, inner, |x, b| if x + b > 0.0 { x + b } else { (x + b) * slope });
        }
        Act::Tanh => by_plane(first, run, bias, inner, |x, b| tanh(x + b)),
        Act::Sigmoid => by_plane(first, run, bias, inner, |x, b| sigmoid(x + b)),
    }
}

/// A run of x, from index `first` on, becomes change(x, number of its plane); planes have `inner` values, and the numbers begin
/// again where they are fewer than the planes.
#[inline(always)]
pub fn by_plane(first: usize, mut run: &mut [f32], numbers: &[f32], inner: usize, change: impl Fn(f32, f32) -> f32) {
    let mut index = first;
    while !run.is_empty() {
        let rest = (inner - index % inner).min(run.len()); // of this plane
        let (values, following) = run.split_at_mut(rest);
        let number = numbers[index / inner % numbers.len()];
        for v in values {
            *v = change(*v, number);
        }
        (run, index) = (following, index + rest);
    }
}

/// The gradient before bias and activation, in place, from the one after and the result `y` (both `[n, channels,
/// inner]`); also the bias's gradient `[channels]`.
pub fn bias_act_backward(gradient: &mut [f32], y: &[f32], channels: usize, inner: usize, act: Act) -> Vec<f32> {
    match act {
        Act::Leaky(slope) => {
            let slope = slope as f32;
            by_channel_backward(gradient, y, channels, inner, move |y| one_or(slope, y))
        }
        Act::Tanh => by_channel_backward(gradient, y, channels, inner, |y| 1.0 - y * y),
        Act::Sigmoid => by_channel_backward(gradient, y, channels, inner, |y| y * (1.0 - y)),
    }
}

fn by_channel_backward(
    gradient: &mut [f32],
    y: &[f32],
    channels: usize,
    inner: usize,
    derivative: impl Fn(f32) -> f32 + Sync,
) -> Vec<f32> {
    let (inner, planes) = (inner.max(1), (TASK / inner.max(1)).max(1));
    let mut sums = vec![0.0_f32; y.len() / inner]; // [n, channels]
    let tasks = gradient.par_chunks_mut(planes * inner).zip(y.par_chunks(planes * inner));
    tasks.zip(sums.par_chunks_mut(planes)).for_each(|((gradient, y), sums)| {
        // Plain loops: what an iterator collects is compiled as a function of its own, without the wide vectors.
        wide(
            #[inline(always)]
            || {
                for ((gradient, y), sum) in gradient.chunks_mut(inner).zip(y.chunks(inner)).zip(sums) {
                    let mut lanes = [0.0_f32; LANES];
                    for (gradient, y) in gradient.chunks_mut(LANES).zip(y.chunks(LANES)) {
                        for ((g, y), lane) in gradient.iter_mut().zip(y).zip(&mut lanes) {
                            *g *= derivative(*y);
                            *lane += *g;
                        }
                    }
                    *sum = total(lanes) as f32;
                }
            },
        );
    });
    sum_in_order(channels, sums.chunks(channels.max(1)))
}

/// A run of a gradient, from index `first` on, times 1 where y > 0, else times the slope.
#[inline(always)]
pub fn leaky_mask(first: usize, run: &mut [f32], y: &[f32], slope: f32) {
    for (g, y) in run.iter_mut().zip(&y[first..]) {
        *g *= if *y > 0.0 { 1.0 } else { slope };
    }
}

/// A run of x, from index `first` on, with some dropped and the others scaled.
#[inline(always)]
pub fn dropout(first: usize, run: &mut [f32], dropout: Dropout) {
    let (threshold, scale) = (dropout.threshold(), dropout.scale());
    for (i, v) in run.iter_mut().enumerate() {
        let dropped = bits((first as u32).wrapping_add(i as u32), dropout.key) < threshold;
        *v = if dropped { 0.0 } else { *v * scale };
    }
}

/// The mean of max(x, 0) - x·t + ln(1 + e^-|x|), which is -t·ln σ(x) - (1 - t)·ln(1 - σ(x)) without its infinities.
pub fn bce_with_logits(logits: &[f32], target: f32) -> f32 {
    let sums = logits.par_chunks(TASK).map(|logits| {
        wide(
            #[inline(always)]
            || {
                let mut lanes = [0.0_f32; LANES];
                for values in logits.chunks(LANES) {
                    for (lane, &x) in lanes.iter_mut().zip(values) {
                        let positive = if x < 0.0 { 0.0 } else { x };
                        *lane += positive - x * target + ln_1p_exp_neg_abs(x);
                    }
                }
                total(lanes)
            },
        )
    });
    let sums = sums.collect::<Vec<f64>>(); // in order: the same sum with any threads
    (sums.iter().sum::<f64>() / logits.len() as f64) as f32
}

/// (σ(x) - t)/n for each logit, times the gradient of the mean.
pub fn bce_with_logits_backward(logits: &[f32], target: f32, gradient: f32) -> Vec<f32> {
    let factor = gradient / logits.len() as f32;
    changed_copy(
        logits,
        #[inline(always)]
        |_, run| {
            for x in run {
                *x = (sigmoid(*x) - target) * factor;
            }
        },
    )
}
