//! Sums over what a number for each channel of each sample scales.

use rayon::prelude::*;

use super::{LANES, TASK, total, wide};

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
                    let mut lanes = [0.0_f32; LANES];
                    for (a, b) in a.chunks(LANES).zip(b.chunks(LANES)) {
                        for ((a, b), lane) in a.iter().zip(b).zip(&mut lanes) {
                            *lane += a * b;
                        }
                    }
                    sums.push(total(lanes) as f32);
                }
            },
        );
        sums
    });
    sums.collect()
}
