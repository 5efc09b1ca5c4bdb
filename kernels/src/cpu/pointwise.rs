//! Bias, leaky ReLU and dropout in one pass over a matrix, and the same backwards.

use rayon::prelude::*;

use super::{TASK, sum_in_order, wide};
use crate::dropout::{Dropout, bits};

/// What follows the product in a linear layer.
#[derive(Clone, Copy, Debug)]
pub struct After {
    /// Leaky ReLU's slope for negative values; 1 leaves values as they are.
    pub slope: f32,
    /// Dropout after that.
    pub dropout: Option<Dropout>,
}

/// y becomes dropout(leaky_relu(y + bias)), in place; y is `[n, bias.len()]`.
pub fn forward(y: &mut [f32], bias: &[f32], after: After) {
    let width = bias.len().max(1);
    let rows = (TASK / width).max(1);
    let (key, threshold, scale) = match after.dropout {
        Some(dropout) => (dropout.key, dropout.threshold(), dropout.scale()),
        None => (0, 0, 1.0),
    };
    y.par_chunks_mut(rows * width).enumerate().for_each(|(task, rows_of_task)| {
        wide(
            #[inline(always)]
            || {
                for (row, values) in rows_of_task.chunks_mut(width).enumerate() {
                    let first = ((task * rows + row) * width) as u32;
                    if threshold == 0 {
                        for (v, b) in values.iter_mut().zip(bias) {
                            let u = *v + b;
                            *v = if u > 0.0 { u } else { u * after.slope };
                        }
                    } else {
                        for (i, (v, b)) in values.iter_mut().zip(bias).enumerate() {
                            let u = *v + b;
                            let kept = if u > 0.0 { u } else { u * after.slope } * scale;
                            *v = if bits(first.wrapping_add(i as u32), key) < threshold { 0.0 } else { kept };
                        }
                    }
                }
            },
        );
    });
}

/// The gradient before bias and activation, from the gradient after them and the result `y`: the derivative shows in
/// the sign of the result, where 0 is a dropped element. Also the sum over rows, the bias's gradient `[width]`.
pub fn backward(gradient: &mut [f32], y: &[f32], width: usize, after: After) -> Vec<f32> {
    let rows = (TASK / width.max(1)).max(1);
    let scale = after.dropout.map_or(1.0, |dropout| dropout.scale());
    // Without dropout an exact 0 came from u = 0, where leaky ReLU's derivative is the slope.
    let (up, down, at_zero) = match after.dropout {
        Some(_) => (scale, after.slope * scale, 0.0),
        None => (1.0, after.slope, after.slope),
    };
    let sums = gradient
        .par_chunks_mut(rows * width)
        .zip(y.par_chunks(rows * width))
        .map(|(gradient, y)| {
            let mut sums = vec![0.0_f32; width];
            wide(
                #[inline(always)]
                || {
                    for (gradient, y) in gradient.chunks_mut(width).zip(y.chunks(width)) {
                        for ((g, y), sum) in gradient.iter_mut().zip(y).zip(&mut sums) {
                            let factor = if *y > 0.0 { up } else { at_zero };
                            *g *= if *y < 0.0 { down } else { factor };
                            *sum += *g;
                        }
                    }
                },
            );
            sums
        })
        .collect::<Vec<_>>();
    sum_in_order(width, sums)
}
