//! One number for each channel of each sample: products with it, and sums over what it scales.

use rayon::prelude::*;

use super::{TASK, wide};

/// A run of values, of which the first has this index, times the scales of their planes of `inner` values.
#[inline(always)]
pub fn scale(first: usize, mut run: &mut [f32], scales: &[f32], inner: usize) {
    let (mut plane, mut length) = (first / inner, inner - first % inner);
    while !run.is_empty() {
        let (now, later) = run.split_at_mut(length.min(run.len()));
        let scale = scales[plane];
        for value in now {
            *value *= scale;
        }
        (run, plane, length) = (later, plane + 1, inner);
    }
}

/// The sum of a·b over each plane of `inner` values.
pub fn plane_products(a: &[f32], b: &[f32], inner: usize) -> Vec<f32> {
    let (inner, planes) = (inner.max(1), (TASK / inner.max(1)).max(1));
    let tasks = a.par_chunks(planes * inner).zip(b.par_chunks(planes * inner));
    let sums = tasks.flat_map_iter(|(a, b)| {
        let mut sums = Vec::with_capacity(planes);
        wide(
            #[inline(always)]
            || {
                for (a, b) in a.chunks_exact(inner).zip(b.chunks_exact(inner)) {
                    const LANES: usize = 32;
                    let mut lanes = [0.0_f32; LANES];
                    for (a, b) in a.chunks(LANES).zip(b.chunks(LANES)) {
                        for ((a, b), lane) in a.iter().zip(b).zip(&mut lanes) {
                            *lane += a * b;
                        }
                    }
                    sums.push(lanes.iter().sum::<f32>());
                }
            },
        );
        sums
    });
    sums.collect()
}
