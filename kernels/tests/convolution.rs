//! Holds convolution and its transpose, on random shapes, to their plain twins in f64, to their slopes and to a naive sum.

#[path = "../src/agreement.rs"]
#[allow(dead_code, reason = "the library's own tests use the rest")]
mod agreement;

use agreement::{Leaf, flat, floats, leaf, vector};
use burn::tensor::{DType, Device, Tensor, TensorData};
use ganvas_kernels::{Conv, conv_transpose2d_grouped, conv2d, conv2d_grouped};
use proptest::prelude::*;
use proptest::sample::select;

/// A convolution of a picture, or the transposed one of what that convolution makes.
#[derive(Clone, Copy, Debug)]
struct Case {
    images: usize,
    /// Channels and sides of the picture.
    picture: [usize; 3],
    /// Channels of what the convolution makes.
    made: usize,
    kernel: [usize; 2],
    conv: Conv,
    /// They divide both numbers of channels.
    groups: usize,
    transposed: bool,
}

impl Case {
    /// Rows and columns of what the convolution makes; None where the kernel is larger than the picture.
    fn sides(&self) -> Option<[usize; 2]> {
        let Conv { stride, padding, .. } = self.conv;
        let side = |i: usize| Some((self.picture[i + 1] + 2 * padding).checked_sub(self.kernel[i])? / stride + 1);
        Some([side(0)?, side(1)?])
    }

    /// Whether there is a result.
    fn fits(&self) -> bool {
        let Conv { stride, padding, .. } = self.conv;
        let left =
            |[h, w]: [usize; 2]| [h, w].iter().zip(self.kernel).all(|(side, k)| (side - 1) * stride + k > 2 * padding);
        self.sides().is_some_and(|sides| !self.transposed || left(sides))
    }

    /// x, W and the bias.
    fn leaves(&self) -> [Leaf; 3] {
        let ([channels, h, w], [kh, kw]) = (self.picture, self.kernel);
        let weight = leaf([self.made, channels / self.groups, kh, kw]);
        let [oh, ow] = self.sides().unwrap();
        match self.transposed {
            false => [leaf([self.images, channels, h, w]), weight, vector(self.made)],
            true => [leaf([self.images, self.made, oh, ow]), weight, vector(channels)],
        }
    }

    fn operation(self) -> impl Fn(&[Tensor<4>]) -> Tensor<4> + Sync {
        let layer = if self.transposed { conv_transpose2d_grouped } else { conv2d_grouped };
        move |leaves| layer(leaves[0].clone(), leaves[1].clone(), flat(&leaves[2]), self.conv, self.groups)
    }

    /// The same, for leaky ReLU with the leaves rounded: x and W to eighths, so that every result lies between multiples
    /// of 1/64, far from the kink at 0 as f32 goes. The gradients pass through the rounding.
    fn off_the_kink(self) -> impl Fn(&[Tensor<4>]) -> Tensor<4> {
        let rounded = |t: &Tensor<4>, steps: f64| {
            let rounded = (t.clone() * steps).round() / steps;
            t.clone() + (rounded - t.clone()).detach()
        };
        move |leaves| {
            if self.conv.slope == 1.0 {
                return self.operation()(leaves);
            }
            let bias = rounded(&leaves[2], 64.0) + 1.0 / 128.0;
            self.operation()(&[rounded(&leaves[0], 8.0), rounded(&leaves[1], 8.0), bias])
        }
    }
}

/// Three times the worst of 3000 cases of any kind (2.7e-6) and 800 of the minimal algorithms (3.0e-6).
const TOLERANCE: f64 = 1e-5;

fn channels() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 1_usize..40, 2 => select(vec![1_usize, 16, 17, 33]), 1 => 64_usize..80]
}

fn slopes() -> impl Strategy<Value = f64> {
    select(vec![1.0, 0.2, 0.0])
}

fn any_case() -> impl Strategy<Value = Case> {
    let kernels = vec![[1, 1], [3, 3], [4, 4], [5, 3], [2, 2]];
    let place = (1_usize..5, channels(), 1_usize..20, 1_usize..20, channels());
    let cases = (place, select(kernels), 1_usize..4, 0_usize..3, slopes(), any::<bool>()).prop_map(
        |((images, channels, h, w, made), kernel, stride, padding, slope, transposed)| {
            let conv = Conv { stride, padding, slope };
            Case { images, picture: [channels, h, w], made, kernel, conv, groups: 1, transposed }
        },
    );
    cases.prop_filter("the kernel fits", Case::fits)
}

/// Cases of the minimal algorithms, forwards and for both gradients: 3 x 3 with stride 1 and 4 x 4 with stride 2, at
/// least 16 channels on both sides, and tiles of 4 x 4 results that are many enough and well filled.
fn minimal_case() -> impl Strategy<Value = Case> {
    let sides = (7_usize..18, 7_usize..18, [0_usize..2, 0..2]);
    let channels = || prop_oneof![3 => 16_usize..40, 1 => 64_usize..70];
    (sides, [channels(), channels()], 0_usize..3, any::<bool>(), 0_usize..3, slopes(), any::<bool>()).prop_map(
        |((oh, ow, odd), [channels, made], extra, strided, padding, slope, transposed)| {
            let (stride, k, enough) = if strided { (2, 4, 128) } else { (1, 3, 16) };
            // With a stride of 2 a last row or column may be left over.
            let odd = odd.map(|odd| odd * (stride - 1));
            let [h, w] = [0, 1].map(|i| ([oh, ow][i] - 1) * stride + k - 2 * padding + odd[i]);
            let tiles = (oh.div_ceil(4) * ow.div_ceil(4)).min(h.div_ceil(4) * w.div_ceil(4));
            let images = usize::div_ceil(enough, tiles) + extra;
            let conv = Conv { stride, padding, slope };
            Case { images, picture: [channels, h, w], made, kernel: [k, k], conv, groups: 1, transposed }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fused_convolutions_and_their_gradients_are_those_of_the_plain_operations(case in any_case()) {
        agreement::twins(&format!("{case:?}"), &case.off_the_kink(), &case.leaves(), TOLERANCE);
    }
}

/// Convolutions by 1 x 1 on pictures smaller and larger than a block of pixels, and those of groups of channels of every kind.
fn block_case() -> impl Strategy<Value = Case> {
    let sides = prop_oneof![3 => [1_usize..7, 1_usize..7], 1 => [9_usize..24, 9_usize..24]];
    let channels = prop_oneof![3 => [1_usize..40, 1_usize..40], 1 => select(vec![[16_usize, 16], [3, 70], [70, 3]])];
    let groups = prop_oneof![Just(1_usize), 2_usize..4];
    (1_usize..20, sides, channels, groups, select(vec![0_usize, 1]), slopes(), any::<bool>()).prop_map(
        |(images, [h, w], channels, groups, padding, slope, transposed)| {
            let (k, conv) = (1 + 2 * padding, Conv { stride: 1, padding, slope });
            let [channels, made] = channels.map(|channels| channels * groups);
            Case { images, picture: [channels, h, w], made, kernel: [k, k], conv, groups, transposed }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mixed_channels_and_groups_and_their_gradients_are_those_of_the_plain_operations(case in block_case()) {
        agreement::twins(&format!("{case:?}"), &case.off_the_kink(), &case.leaves(), TOLERANCE);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn minimal_algorithms_and_their_gradients_are_those_of_the_plain_operations(case in minimal_case()) {
        agreement::twins(&format!("{case:?}"), &case.off_the_kink(), &case.leaves(), TOLERANCE);
    }
}

#[test]
fn the_gradients_are_the_slopes_of_the_result() {
    for (kernel, stride, padding) in [([3, 3], 1, 1), ([4, 4], 2, 1), ([5, 3], 3, 2), ([1, 1], 1, 0), ([2, 2], 2, 0)] {
        for transposed in [false, true] {
            let conv = Conv { stride, padding, slope: 0.3 };
            for (channels, made, groups) in [(2, 3, 1), (4, 6, 2)] {
                let case = Case { images: 2, picture: [channels, 6, 5], made, kernel, conv, groups, transposed };
                agreement::differences(&format!("{case:?}"), &case.operation(), &case.leaves(), 1e-6);
            }
        }
    }
}

/// Cases that take each path, forwards and for both gradients: the minimal algorithms and the direct sums.
fn every_path() -> Vec<Case> {
    let shapes = [
        ([2, 16, 33], [31, 33], [3, 3], 1, 1),
        ([9, 17, 16], [33, 31], [4, 4], 2, 1),
        ([5, 40, 24], [17, 19], [1, 1], 1, 0),
        ([5, 24, 40], [17, 19], [5, 3], 2, 2),
        ([17, 3, 8], [32, 32], [4, 4], 2, 1),
        ([3, 5, 3], [31, 32], [3, 3], 1, 1),
        ([40, 36, 12], [9, 11], [1, 1], 1, 0),
    ];
    let cases = shapes.into_iter().flat_map(|([images, channels, made], [h, w], kernel, stride, padding)| {
        let conv = Conv { stride, padding, slope: 0.2 };
        [(false, 1), (true, 1), (false, 3)].map(|(transposed, groups)| {
            let (picture, made) = ([channels * groups, h, w], made * groups);
            Case { images, picture, made, kernel, conv, groups, transposed }
        })
    });
    cases.collect()
}

#[test]
fn results_are_the_same_bits_with_one_thread_and_with_many() {
    for case in every_path() {
        agreement::threads_do_not_show(case.operation(), &case.leaves());
    }
}

/// Random numbers in [-1, 1): the upper bits of a linear congruential generator (Knuth's MMIX).
fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// The convolution y of x and W and, for a gradient g of y, those of x and W: every sum term by term in f32.
fn naive(case: &Case, x: &[f32], weight: &[f32], g: &[f32]) -> [Vec<f32>; 3] {
    let ([channels, h, w], [kh, kw], [oh, ow]) = (case.picture, case.kernel, case.sides().unwrap());
    let Conv { stride, padding, .. } = case.conv;
    let [mut y, mut gx, mut gw] = [g.len(), x.len(), weight.len()].map(|count| vec![0.0; count]);
    for (image, o, c) in triples([case.images, case.made, channels]) {
        for (ky, kx) in (0..kh * kw).map(|tap| (tap / kw, tap % kw)) {
            let at_w = ((o * channels + c) * kh + ky) * kw + kx;
            for (row, column) in (0..oh * ow).map(|i| (i / ow, i % ow)) {
                let (iy, ix) = (row * stride + ky, column * stride + kx);
                if (padding..h + padding).contains(&iy) && (padding..w + padding).contains(&ix) {
                    let at_x = ((image * channels + c) * h + iy - padding) * w + ix - padding;
                    let at_y = ((image * case.made + o) * oh + row) * ow + column;
                    y[at_y] += x[at_x] * weight[at_w];
                    gx[at_x] += g[at_y] * weight[at_w];
                    gw[at_w] += g[at_y] * x[at_x];
                }
            }
        }
    }
    [y, gx, gw]
}

fn triples([a, b, c]: [usize; 3]) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..a * b * c).map(move |i| (i / (b * c), i / c % b, i % c))
}

/// The same three by the library.
fn library(case: &Case, x: &[f32], weight: &[f32], g: &[f32], dtype: DType) -> [Vec<f64>; 3] {
    let device = Device::flex().autodiff();
    let tensor = |values: &[f32], shape: [usize; 4]| {
        Tensor::<4>::from_data(TensorData::new(values.to_vec(), shape).convert_dtype(dtype), (&device, dtype))
    };
    let ([channels, h, w], [kh, kw], [oh, ow]) = (case.picture, case.kernel, case.sides().unwrap());
    let x = tensor(x, [case.images, channels, h, w]).require_grad();
    let weight = tensor(weight, [case.made, channels, kh, kw]).require_grad();
    let bias = Tensor::zeros([case.made], (&device, dtype));
    let y = conv2d(x.clone(), weight.clone(), bias, case.conv);
    let gradients = (y.clone() * tensor(g, [case.images, case.made, oh, ow])).sum().backward();
    [floats(y), floats(x.grad(&gradients).unwrap()), floats(weight.grad(&gradients).unwrap())]
}

/// The worst is 1.9 times: 3 x 3 forwards, and both gradients of x.
#[test]
fn minimal_algorithms_are_within_three_times_the_error_of_a_naive_sum() {
    for (images, side, kernel, stride) in [(2, 16, [3, 3], 1), (8, 32, [4, 4], 2)] {
        let conv = Conv { stride, padding: 1, slope: 1.0 };
        let case = Case { images, picture: [64, side, side], made: 64, kernel, conv, groups: 1, transposed: false };
        let results = case.sides().unwrap().iter().product::<usize>();
        let x = noise(images * 64 * side * side, 1);
        let weight = noise(64 * 64 * kernel[0] * kernel[1], 2);
        let g = noise(images * 64 * results, 3);
        let exact = library(&case, &x, &weight, &g, DType::F64);
        let (fused, naive) = (library(&case, &x, &weight, &g, DType::F32), naive(&case, &x, &weight, &g));
        for (place, what) in ["the result", "the gradient of x", "the gradient of W"].iter().enumerate() {
            let error = |found: &[f64]| {
                let squares = found.iter().zip(&exact[place]).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
                (squares / found.len() as f64).sqrt()
            };
            let naive = naive[place].iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
            let (fused, naive) = (error(&fused[place]), error(&naive));
            assert!(fused < 3.0 * naive, "{case:?}: {what} is off by {fused}, a naive sum by {naive}");
        }
    }
}

/// The gradient of a column that the kernel never reads is 0. Where the tiles before it are full and there is no padding,
/// the minimal algorithm left it as it was in memory.
#[test]
fn a_column_that_the_kernel_never_reads_has_a_gradient_of_zero() {
    for (picture, padding) in [([16, 16, 27], 0), ([16, 27, 16], 0), ([16, 25, 25], 1)] {
        let conv = Conv { stride: 2, padding, slope: 1.0 };
        let case = Case { images: 22, picture, made: 16, kernel: [4, 4], conv, groups: 1, transposed: false };
        agreement::twins(&format!("{case:?}"), &case.operation(), &case.leaves(), TOLERANCE);
    }
}
