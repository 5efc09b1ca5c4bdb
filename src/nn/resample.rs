//! Filtered up- and downsampling, with the way back; and pictures brought to any sides.

use burn::tensor::Tensor;
use burn::tensor::module::{adaptive_avg_pool2d, interpolate};
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use ganvas_kernels::{Fir, upfirdn2d};

use super::Pullback;

/// The filter of StyleGAN2 (Karras et al. 2020, appendix B). R3GAN's [1, 2, 1], convolved with the pair [1, 1] of the
/// pixels that nearest neighbour makes of one, is the same.
const TAPS: [f32; 4] = [0.125, 0.375, 0.375, 0.125];

/// x `[n, c, h, w]` to `[n, c, 2h, 2w]`, smooth.
pub fn double() -> Fir {
    Fir { taps: TAPS.to_vec(), up: 2, down: 1, padding: [[2, 1]; 2], gain: 4.0 }
}

/// x `[n, c, h, w]` with even sides to `[n, c, h/2, w/2]`, without aliases.
pub fn halve() -> Fir {
    Fir { taps: TAPS.to_vec(), up: 1, down: 2, padding: [[1, 1]; 2], gain: 1.0 }
}

/// The filter alone, with `before` and `after` zeros around the picture: the sides grow by `before + after - 3`.
pub fn blur(before: isize, after: isize, gain: f64) -> Fir {
    Fir { taps: TAPS.to_vec(), up: 1, down: 1, padding: [[before, after]; 2], gain }
}

/// A resampling and its way back.
pub fn resample_vjp(x: Tensor<4>, fir: &Fir) -> (Tensor<4>, Pullback<4, 4>) {
    let [_, _, h, w] = x.dims();
    let back = fir.transpose([h, w]);
    (upfirdn2d(x, fir), Box::new(move |gradient| upfirdn2d(gradient, &back)))
}

/// Pictures `[n, c, h, w]` brought to other sides, height and width: by the mean of what a pixel covers where that is more than one, and
/// between neighbours where it is less.
pub fn brought(x: Tensor<4>, [height, width]: [usize; 2]) -> Tensor<4> {
    let [_, _, h, w] = x.dims();
    if [h, w] == [height, width] {
        return x;
    }
    let smaller = adaptive_avg_pool2d(x, [height.min(h), width.min(w)]);
    let way = InterpolateOptions::new(InterpolateMode::Bilinear).with_align_corners(false); // pixels' centres, as joints have it
    interpolate(smaller, way.with_output_size([height, width]))
}
