//! Resampling of pictures: filtered up- and downsampling, average pooling, and pixel shuffle.
//!
//! All are linear, so the pullback of each is another of them, which can be differentiated again.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata};
use burn::tensor::{Shape, Tensor, TensorData};
use burn_autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};
use burn_flex::FlexTensor;

use crate::cpu::resample::{self as cpu, Axis};
use crate::flex::{all_f32, contiguous, values, wrapped};

/// A filter between upsampling and downsampling: what StyleGAN2 (Karras et al. 2020) calls upfirdn2d.
#[derive(Clone, Debug, PartialEq)]
pub struct Fir {
    /// The filter along one axis; the picture is convolved with the outer product of the taps with themselves.
    pub taps: Vec<f32>,
    /// Before the filter each pixel becomes up × up of them, itself at the top left and zeros; at least 1.
    pub up: usize,
    /// After the filter, of down × down pixels the one at the top left is kept; at least 1.
    pub down: usize,
    /// Zeros around the upsampled picture: `[[top, bottom], [left, right]]`. Below 0, pixels to cut off.
    pub padding: [[isize; 2]; 2],
    /// The factor of the result, as a whole.
    pub gain: f64,
}

impl Fir {
    /// The picture's sides `[h, w]` afterwards. Panics where nothing would be left.
    pub fn output(&self, input: [usize; 2]) -> [usize; 2] {
        assert!(self.up > 0 && self.down > 0 && !self.taps.is_empty(), "{self:?} has no step or no taps");
        [0, 1].map(|axis| {
            let padded = (input[axis] * self.up) as isize + self.padding[axis].iter().sum::<isize>();
            let positions = padded - self.taps.len() as isize + 1;
            assert!(positions > 0 && input[axis] > 0, "a picture of {input:?} is too small for {self:?}");
            (positions as usize).div_ceil(self.down)
        })
    }

    /// The adjoint for a picture of sides `[h, w]`: what takes the gradient of the result to that of the picture.
    pub fn transpose(&self, input: [usize; 2]) -> Self {
        let output = self.output(input);
        let padding = [0, 1].map(|axis| {
            let before = self.padding[axis][0];
            let after = (input[axis] * self.up) as isize - (output[axis] * self.down) as isize + before + 1;
            [self.taps.len() as isize - 1 - before, after - self.up as isize]
        });
        let taps = self.taps.iter().rev().copied().collect();
        Self { taps, up: self.down, down: self.up, padding, gain: self.gain }
    }

    /// The axes of a picture of sides `[h, w]`.
    fn axes(&self, input: [usize; 2]) -> [Axis; 2] {
        let output = self.output(input);
        [0, 1].map(|axis| Axis {
            weights: self.taps.iter().rev().copied().collect(),
            up: self.up,
            down: self.down,
            before: self.padding[axis][0],
            input: input[axis],
            output: output[axis],
        })
    }
}

/// x `[n, c, h, w]` upsampled, filtered and downsampled, each channel for itself: `[n, c, h', w']` with
/// h' = ceil((h·up + top + bottom - taps + 1) / down). Panics where nothing would be left.
pub fn upfirdn2d(x: Tensor<4>, fir: &Fir) -> Tensor<4> {
    resampled(x, Resample::Fir(fir.clone()))
}

/// The mean of each 2 × 2 pixels: x `[n, c, h, w]` with even sides, the result `[n, c, h/2, w/2]`.
pub fn avg_pool2(x: Tensor<4>) -> Tensor<4> {
    let [_, _, h, w] = x.dims();
    assert!(h % 2 == 0 && w % 2 == 0, "the sides of {:?} are not even", x.dims());
    resampled(x, Resample::Fir(mean_of_two()))
}

/// A quarter of each pixel to 2 × 2 of them: x `[n, c, h, w]`, the result `[n, c, 2h, 2w]`. The adjoint of [`avg_pool2`].
pub fn spread2(x: Tensor<4>) -> Tensor<4> {
    let [_, _, h, w] = x.dims();
    resampled(x, Resample::Fir(mean_of_two().transpose([2 * h, 2 * w])))
}

fn mean_of_two() -> Fir {
    Fir { taps: vec![0.5, 0.5], up: 1, down: 2, padding: [[0, 0]; 2], gain: 1.0 }
}

/// Channels to pixels (Shi et al. 2016): x `[n, c·r², h, w]`, the result `[n, c, h·r, w·r]`, whose pixel (i·r + a, j·r + b)
/// of channel k is pixel (i, j) of channel k·r² + a·r + b, as in PyTorch. The adjoint of [`pixel_unshuffle`].
pub fn pixel_shuffle(x: Tensor<4>, r: usize) -> Tensor<4> {
    assert!(r > 0 && x.dims()[1].is_multiple_of(r * r), "{:?} has channels that {r}² does not divide", x.dims());
    resampled(x, Resample::Shuffle(r))
}

/// Pixels to channels: x `[n, c, h·r, w·r]`, the result `[n, c·r², h, w]`. The adjoint of [`pixel_shuffle`].
pub fn pixel_unshuffle(x: Tensor<4>, r: usize) -> Tensor<4> {
    let [_, _, h, w] = x.dims();
    assert!(r > 0 && h.is_multiple_of(r) && w.is_multiple_of(r), "{:?} has sides that {r} does not divide", x.dims());
    resampled(x, Resample::Unshuffle(r))
}

fn resampled(x: Tensor<4>, way: Resample) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::fused_resample(x.into_dispatch(), way))
}

/// A linear map of pictures.
#[derive(Clone, Debug)]
pub(crate) enum Resample {
    Fir(Fir),
    Shuffle(usize),
    Unshuffle(usize),
}

impl Resample {
    /// The map that takes the gradient of the result to that of a picture of sides `[h, w]`.
    fn transpose(&self, input: [usize; 2]) -> Self {
        match self {
            Self::Fir(fir) => Self::Fir(fir.transpose(input)),
            Self::Shuffle(r) => Self::Unshuffle(*r),
            Self::Unshuffle(r) => Self::Shuffle(*r),
        }
    }
}

on_every_backend! {
    /// The operation on every backend. The default body is the plain twin.
    pub(crate) trait ResampleOps: Backend {
        fn fused_resample(x: FloatTensor<Self>, way: Resample) -> FloatTensor<Self> {
            plain::resample::<Self>(x, way)
        }
    }
}

plain_twins!(ResampleOps);

mod plain {
    use super::*;

    pub fn resample<B: Backend>(x: FloatTensor<B>, way: Resample) -> FloatTensor<B> {
        let shape = x.shape();
        let [n, c, h, w] = [shape[0], shape[1], shape[2], shape[3]];
        match way {
            Resample::Fir(fir) => {
                let [columns, rows] = fir.axes([h, w]);
                let gained = B::float_mul_scalar(x, fir.gain.into());
                let (columns, rows) = (matrix::<B>(&columns, &gained), matrix::<B>(&rows, &gained));
                B::float_matmul(B::float_matmul(columns, gained), B::float_swap_dims(rows, 2, 3))
            }
            Resample::Shuffle(r) => {
                let c = c / r / r;
                let apart = B::float_reshape(x, Shape::from(vec![n, c, r, r, h, w]));
                let ordered = B::float_permute(apart, &[0, 1, 4, 2, 5, 3]);
                B::float_reshape(ordered, Shape::from(vec![n, c, h * r, w * r]))
            }
            Resample::Unshuffle(r) => {
                let (h, w) = (h / r, w / r);
                let apart = B::float_reshape(x, Shape::from(vec![n, c, h, r, w, r]));
                let ordered = B::float_permute(apart, &[0, 1, 3, 5, 2, 4]);
                B::float_reshape(ordered, Shape::from(vec![n, c * r * r, h, w]))
            }
        }
    }

    /// An axis as the matrix it is, `[n, c, output, input]`: for each result, the weights of the input.
    fn matrix<B: Backend>(axis: &Axis, like: &FloatTensor<B>) -> FloatTensor<B> {
        let mut entries = vec![0.0_f64; axis.output * axis.input];
        for (i, row) in entries.chunks_mut(axis.input).enumerate() {
            for (place, weight) in axis.terms(i) {
                if let Some(entry) = usize::try_from(place).ok().and_then(|place| row.get_mut(place)) {
                    *entry += f64::from(weight);
                }
            }
        }
        let data = TensorData::new(entries, [1, 1, axis.output, axis.input]).convert_dtype(like.dtype());
        let (n, c) = (like.shape()[0], like.shape()[1]);
        let one = B::float_from_data(data, &like.device());
        B::float_expand(one, Shape::from(vec![n, c, axis.output, axis.input]))
    }
}

impl ResampleOps for Flex {
    fn fused_resample(x: FlexTensor, way: Resample) -> FlexTensor {
        if !all_f32(&[&x]) {
            return plain::resample::<Self>(x, way);
        }
        let x = contiguous(x);
        let shape = x.layout().shape();
        let [n, c, h, w] = [shape[0], shape[1], shape[2], shape[3]];
        let (y, shape) = match way {
            Resample::Fir(fir) => {
                let ([columns, rows], [oh, ow]) = (fir.axes([h, w]), fir.output([h, w]));
                let y = cpu::resample(values(&x), n * c, &columns, &rows, fir.gain as f32);
                (y, [n, c, oh, ow])
            }
            Resample::Shuffle(r) => {
                let c = c / r / r;
                (cpu::pixel_shuffle(values(&x), n * c, [h, w], r), [n, c, h * r, w * r])
            }
            Resample::Unshuffle(r) => {
                let (h, w) = (h / r, w / r);
                (cpu::pixel_unshuffle(values(&x), n * c, [h, w], r), [n, c * r * r, h, w])
            }
        };
        wrapped(y, Shape::from(shape.to_vec()))
    }
}

impl<B: ResampleOps, C: CheckpointStrategy> ResampleOps for Autodiff<B, C> {
    fn fused_resample(x: FloatTensor<Self>, way: Resample) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct ResampleStep;

        impl<B: ResampleOps> Backward<B, 1> for ResampleStep {
            type State = Resample; // the adjoint

            fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
                let (adjoint, [node]) = (ops.state, ops.parents);
                let gradient = grads.consume::<B>(&ops.node);
                if let Some(node) = node {
                    grads.register::<B>(node.id, B::fused_resample(gradient, adjoint));
                }
            }
        }

        let (x, node) = x.into_parts();
        let adjoint = way.transpose([x.shape()[2], x.shape()[3]]);
        let y = B::fused_resample(x, way);
        match ResampleStep.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(adjoint, y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agreement::{self, floats, leaf};
    use burn::tensor::{DType, Device};
    use proptest::prelude::*;

    fn filtering(fir: Fir) -> impl Fn(&[Tensor<4>]) -> Tensor<4> {
        move |leaves| upfirdn2d(leaves[0].clone(), &fir)
    }

    fn shuffling(r: usize) -> impl Fn(&[Tensor<4>]) -> Tensor<4> {
        move |leaves| pixel_shuffle(leaves[0].clone(), r)
    }

    fn unshuffling(r: usize) -> impl Fn(&[Tensor<4>]) -> Tensor<4> {
        move |leaves| pixel_unshuffle(leaves[0].clone(), r)
    }

    fn pooling(leaves: &[Tensor<4>]) -> Tensor<4> {
        avg_pool2(leaves[0].clone())
    }

    fn spreading(leaves: &[Tensor<4>]) -> Tensor<4> {
        spread2(leaves[0].clone())
    }

    prop_compose! {
        /// A filter, and a picture that is large enough for it.
        fn cases()(
            taps in prop::collection::vec(-1.0_f32..1.0, 1..9),
            (up, down) in (1_usize..5, 1_usize..5),
            padding in prop::array::uniform2(prop::array::uniform2(-2_isize..5)),
            gain in 0.5..4.0,
            (n, c, h, w) in (1_usize..3, 1_usize..4, 1_usize..24, 1_usize..80),
        ) -> (Fir, [usize; 4]) {
            let least = |axis: usize, side: usize| {
                let wanted = taps.len() as isize - padding[axis].iter().sum::<isize>();
                side.max((wanted.max(1) as usize).div_ceil(up))
            };
            let shape = [n, c, least(0, h), least(1, w)];
            (Fir { taps, up, down, padding, gain }, shape)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn fused_filters_and_their_gradients_are_those_of_the_plain_operations((fir, shape) in cases()) {
            agreement::twins(&format!("{fir:?} of {shape:?}"), &filtering(fir), &[leaf(shape)], 1e-5);
        }

        #[test]
        fn the_transpose_is_the_adjoint((fir, shape) in cases()) {
            let (sides, device) = ([shape[2], shape[3]], Device::flex());
            let [oh, ow] = fir.output(sides);
            let transpose = fir.transpose(sides);
            prop_assert_eq!(transpose.output([oh, ow]), sides);
            prop_assert_eq!(transpose.transpose([oh, ow]).output(sides), [oh, ow]);
            let wave = |rate: f64, shape: [usize; 4]| {
                let values = (0..shape.iter().product::<usize>()).map(|i| (rate * (i + 1) as f64).sin());
                let data = TensorData::new(values.collect::<Vec<_>>(), shape);
                Tensor::<4>::from_data(data, (&device, DType::F64))
            };
            let (x, g) = (wave(1.3, shape), wave(2.9, [shape[0], shape[1], oh, ow]));
            let one = floats((upfirdn2d(x.clone(), &fir) * g.clone()).sum())[0];
            let other = floats((x * upfirdn2d(g, &transpose)).sum())[0];
            prop_assert!((one - other).abs() < 1e-9 * one.abs().max(1.0), "{} and {}", one, other);
        }

        #[test]
        fn fused_shuffles_and_pools_are_those_of_the_plain_operations(
            (n, c, h, w) in (1_usize..4, 1_usize..5, 1_usize..12, 1_usize..40),
            r in 1_usize..5,
        ) {
            agreement::twins("shuffle", &shuffling(r), &[leaf([n, c * r * r, h, w])], 1e-6);
            agreement::twins("unshuffle", &unshuffling(r), &[leaf([n, c, h * r, w * r])], 1e-6);
            agreement::twins("pool", &pooling, &[leaf([n, c, h * 2, w * 2])], 1e-6);
            agreement::twins("spread", &spreading, &[leaf([n, c, h, w])], 1e-6);
        }
    }

    fn blur(up: usize, down: usize, padding: [isize; 2]) -> Fir {
        Fir { taps: vec![0.1, 0.4, 0.3, 0.2], up, down, padding: [padding; 2], gain: 1.5 }
    }

    #[test]
    fn planes_of_several_bands_agree_too() {
        for (up, down) in [(1, 1), (2, 1), (1, 2), (2, 3)] {
            let fir = blur(up, down, [2, 1]);
            agreement::twins(&format!("{fir:?}"), &filtering(fir), &[leaf([1, 1, 301, 257])], 1e-5);
        }
    }

    #[test]
    fn the_gradients_are_the_slopes_of_the_result() {
        for (up, down) in [(1, 1), (2, 1), (1, 2), (3, 2)] {
            let fir = blur(up, down, [2, -1]);
            agreement::differences(&format!("{fir:?}"), &filtering(fir), &[leaf([2, 2, 5, 7])], 1e-7);
        }
        agreement::differences("pool", &pooling, &[leaf([2, 1, 4, 6])], 1e-7);
        agreement::differences("spread", &spreading, &[leaf([2, 1, 3, 2])], 1e-7);
        agreement::differences("shuffle", &shuffling(2), &[leaf([1, 8, 3, 2])], 1e-7);
        agreement::differences("unshuffle", &unshuffling(3), &[leaf([1, 2, 6, 3])], 1e-7);
    }

    #[test]
    fn results_are_the_same_bits_with_one_thread_and_with_many() {
        for (up, down) in [(1, 1), (2, 1), (1, 2)] {
            agreement::threads_do_not_show(filtering(blur(up, down, [2, 1])), &[leaf([5, 7, 65, 63])]);
        }
    }

    #[test]
    fn a_convolution_turns_the_taps_round_and_a_pool_takes_the_mean() {
        let device = Device::flex();
        let row =
            |values: &[f32]| Tensor::<4>::from_data(TensorData::new(values.to_vec(), [1, 1, 1, values.len()]), &device);
        let fir = Fir { taps: vec![1.0, 10.0], up: 1, down: 1, padding: [[1, 0]; 2], gain: 1.0 };
        // Rows: above the picture's one row are zeros, so that it takes the first tap.
        assert_eq!(floats(upfirdn2d(row(&[1.0, 2.0, 3.0]), &fir)), [1.0, 12.0, 23.0]);
        let square = Tensor::<4>::from_data(TensorData::new(vec![1.0_f32, 2.0, 3.0, 6.0], [1, 1, 2, 2]), &device);
        assert_eq!(floats(avg_pool2(square)), [3.0]);
        assert_eq!(floats(spread2(row(&[4.0]))), [1.0; 4]);
    }

    #[test]
    #[should_panic(expected = "the sides of [1, 1, 3, 4] are not even")]
    fn an_odd_side_cannot_be_pooled() {
        avg_pool2(Tensor::zeros([1, 1, 3, 4], &Device::flex()));
    }

    #[test]
    #[should_panic(expected = "a picture of [2, 9] is too small for")]
    fn a_picture_smaller_than_its_filter_is_named() {
        upfirdn2d(Tensor::zeros([1, 1, 2, 9], &Device::flex()), &blur(1, 1, [0, 0]));
    }
}
