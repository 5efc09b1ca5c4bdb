//! A picture under a kernel, mirrored beyond its border without repeating the edge.

use super::Planes;
use super::kernel::Kernel;

/// Weights that move no value by a thousandth of a level, all of them together.
const NOTHING: f64 = 1e-9;

/// The picture, each value the sum of those around it times the kernel's weights. Values may leave 0..1 when weights are
/// negative.
pub(super) fn filtered(picture: &Planes, kernel: &Kernel) -> Planes {
    match &kernel.factor {
        Some(factor) => by_axes(picture, factor),
        None => by_definition(picture, kernel),
    }
}

/// A kernel that is the product of one line by itself.
fn by_axes(picture: &Planes, factor: &[f64]) -> Planes {
    let (width, height, reach) = (picture.width, picture.height, factor.len() / 2);
    let line = taps(factor);
    let mut out = picture.clone();
    let mut padded = vec![0.0; width + 2 * reach];
    let mut across = vec![0.0; width * height];
    for plane in out.planes_mut() {
        for (row, sum) in plane.chunks_exact(width).zip(across.chunks_exact_mut(width)) {
            padded.iter_mut().enumerate().for_each(|(x, value)| *value = row[mirrored(x, reach, width)]);
            sum.fill(0.0);
            line.iter().for_each(|&(at, weight)| add(sum, &padded[at..], weight));
        }
        for (y, sum) in plane.chunks_exact_mut(width).enumerate() {
            sum.fill(0.0);
            line.iter().for_each(|&(at, weight)| {
                add(sum, &across[mirrored(y + at, reach, height) * width..], weight);
            });
        }
    }
    out
}

/// Any kernel.
fn by_definition(picture: &Planes, kernel: &Kernel) -> Planes {
    let (width, height, reach) = (picture.width, picture.height, kernel.side / 2);
    let rows = kernel.weights.chunks_exact(kernel.side).map(taps).collect::<Vec<_>>();
    let wide = width + 2 * reach;
    let mut out = picture.clone();
    let mut padded = vec![0.0; wide * (height + 2 * reach)];
    for plane in out.planes_mut() {
        for (y, row) in padded.chunks_exact_mut(wide).enumerate() {
            let old = &plane[mirrored(y, reach, height) * width..][..width];
            row.iter_mut().enumerate().for_each(|(x, value)| *value = old[mirrored(x, reach, width)]);
        }
        for (y, sum) in plane.chunks_exact_mut(width).enumerate() {
            sum.fill(0.0);
            for (row, padded) in rows.iter().zip(padded.chunks_exact(wide).skip(y)) {
                // Four weights at a time: the sums are read and written less often.
                let (fours, rest) = row.as_chunks::<4>();
                for four in fours {
                    let [a, b, c, d] = four.map(|(at, _)| &padded[at..][..width]);
                    let [wa, wb, wc, wd] = four.map(|(_, weight)| weight);
                    for (x, sum) in sum.iter_mut().enumerate() {
                        *sum += (wa * a[x] + wb * b[x]) + (wc * c[x] + wd * d[x]);
                    }
                }
                rest.iter().for_each(|&(at, weight)| add(sum, &padded[at..], weight));
            }
        }
    }
    out
}

fn add(sum: &mut [f32], values: &[f32], weight: f32) {
    sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += weight * value);
}

/// The weights of a line that count, and where they are.
fn taps(line: &[f64]) -> Vec<(usize, f32)> {
    let all = line.iter().enumerate().filter(|(_, weight)| weight.abs() > NOTHING);
    all.map(|(at, &weight)| (at, weight as f32)).collect()
}

/// The pixel at `place - reach`, or the one that stands for it: 2 1 | 0 1 2 | 1 0.
fn mirrored(place: usize, reach: usize, side: usize) -> usize {
    let period = (2 * side).saturating_sub(2).max(1) as isize;
    let folded = (place as isize - reach as isize).rem_euclid(period) as usize;
    folded.min(period as usize - folded)
}

#[cfg(test)]
mod tests {
    use super::super::kernel::Bell;
    use super::super::tests::{farthest, golden, wave_picture};
    use super::*;
    use crate::golden::numbers;

    #[test]
    fn a_blurred_picture_is_that_of_numpy() {
        for case in golden("blur").as_array().unwrap() {
            let kernel = match case["kind"].as_str().unwrap() {
                "sinc" => Kernel::sinc(11, 1.2),
                _ => Kernel::bell(9, Bell::Gaussian, [2.0, 0.7], 0.6),
            };
            let error = farthest(&filtered(&wave_picture(8, 6, 1), &kernel).values, &numbers(&case["values"]));
            assert!(error < 1e-5, "{}: {error}", case["kind"]);
        }
    }

    #[test]
    fn blurring_by_axes_is_blurring_by_the_definition() {
        for (width, height) in [(1, 1), (1, 5), (3, 2), (40, 30)] {
            let (picture, kernel) = (wave_picture(width, height, 3), Kernel::gaussian(21, 2.3));
            let theirs = by_definition(&picture, &kernel).values.into_iter().map(f64::from).collect::<Vec<f64>>();
            let error = farthest(&filtered(&picture, &kernel).values, &theirs);
            assert!(error < 1e-6, "{width}x{height}: {error}");
        }
    }

    #[test]
    fn a_point_for_a_kernel_leaves_the_picture_and_a_flat_one_stays_flat() {
        let picture = wave_picture(12, 9, 3);
        assert_eq!(filtered(&picture, &Kernel::gaussian(7, 1e-3)), picture);
        let flat = Planes::new(12, 9, 1, vec![0.7; 108]);
        let blurred = filtered(&flat, &Kernel::sinc(21, 1.1));
        assert!(blurred.values.iter().all(|v| (v - 0.7).abs() < 1e-5), "{blurred:?}");
    }
}
