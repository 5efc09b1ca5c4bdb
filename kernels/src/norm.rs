//! Normalisation with scale, shift and leaky ReLU as one operation: batch, instance and layer norm.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Backend, Dispatch, Flex, TensorMetadata};
use burn::tensor::{Shape, Tensor};
use burn_autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};
use burn_flex::FlexTensor;

use crate::cpu::norm::{self as cpu, Affine, Groups, Moments};
use crate::flex::{all_f32, contiguous, in_place, values, wrapped};

/// Which values of `[n, c, h, w]` share a mean and a variance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// A channel in all pictures (Ioffe and Szegedy 2015): c groups.
    Batch,
    /// A channel of one picture (Ulyanov et al. 2016): n·c groups.
    Instance,
    /// All channels of one picture (Ba et al. 2016): n groups.
    Layer,
}

/// How to normalise, and what follows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Norm {
    /// Which values share a mean and a variance.
    pub over: Over,
    /// ε, added to the variance.
    pub epsilon: f64,
    /// Leaky ReLU's slope for negative values; 1 means no activation.
    pub slope: f64,
}

/// What [`norm`] returns.
#[derive(Clone, Debug)]
pub struct Normalized {
    /// The result, of x's shape.
    pub y: Tensor<4>,
    /// The mean of each group, `[c]`, `[n·c]` or `[n]`: for running statistics, so no gradient flows through it.
    pub mean: Tensor<1>,
    /// The biased variance of each group, without a gradient, too. PyTorch's running statistics take the unbiased one:
    /// times m/(m - 1), with m values to a group.
    pub variance: Tensor<1>,
}

/// leaky_relu((x - mean) / sqrt(variance + ε)·γ + β): x `[n, c, h, w]`; γ and β `[c]`, or `[n·c]`, a scale and a shift for each
/// channel of each sample (conditional norms).
///
/// Leaky ReLU's derivative at 0 is the slope, as in PyTorch. Nothing of x's size is kept for the backward pass but x
/// itself. Panics with the shapes when they do not fit.
pub fn norm(x: Tensor<4>, gamma: Tensor<1>, beta: Tensor<1>, norm: Norm) -> Normalized {
    fitting(&x, &[], [&gamma, &beta]);
    let (x, gamma, beta) = (x.into_dispatch(), gamma.into_dispatch(), beta.into_dispatch());
    let (y, mean, variance) = Dispatch::fused_norm(x, gamma, beta, norm);
    Normalized {
        y: Tensor::from_dispatch(y),
        mean: Tensor::from_dispatch(mean),
        variance: Tensor::from_dispatch(variance),
    }
}

/// Batch norm in use, after training: as [`norm`], by a mean and a variance `[c]` that are given (γ and β `[c]` or `[n·c]`). Both are constants to
/// the gradient; `norm.over` has no say.
pub fn norm_by(
    x: Tensor<4>,
    mean: Tensor<1>,
    variance: Tensor<1>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    norm: Norm,
) -> Tensor<4> {
    fitting(&x, &[("mean", &mean), ("variance", &variance)], [&gamma, &beta]);
    Tensor::from_dispatch(Dispatch::fused_norm_by(
        x.into_dispatch(),
        mean.detach().into_dispatch(),
        variance.detach().into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        norm,
    ))
}

fn fitting(x: &Tensor<4>, moments: &[(&str, &Tensor<1>)], [gamma, beta]: [&Tensor<1>; 2]) {
    let [n, channels, ..] = x.dims();
    for (name, vector) in moments {
        assert_eq!(vector.dims()[0], channels, "x is {:?}, {name} is {:?}", x.dims(), vector.dims());
    }
    let ([scales], shifts) = (gamma.dims(), beta.dims());
    let fits = [channels, n * channels].contains(&scales) && shifts == [scales];
    assert!(fits, "x is {:?}, gamma is [{scales}], beta is {shifts:?}", x.dims());
}

on_every_backend! {
    /// The operation on every backend. The default bodies are the plain twins.
    pub(crate) trait NormOps: Backend {
        /// The result, and each group's mean and variance.
        fn fused_norm(
            x: FloatTensor<Self>,
            gamma: FloatTensor<Self>,
            beta: FloatTensor<Self>,
            norm: Norm,
        ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
            plain::norm::<Self>(x, gamma, beta, norm)
        }

        fn fused_norm_by(
            x: FloatTensor<Self>,
            mean: FloatTensor<Self>,
            variance: FloatTensor<Self>,
            gamma: FloatTensor<Self>,
            beta: FloatTensor<Self>,
            norm: Norm,
        ) -> FloatTensor<Self> {
            plain::norm_by::<Self>(x, [mean, variance, gamma, beta], norm)
        }
    }
}

/// What the backward pass needs of the backend below autodiff.
pub(crate) trait NormBackward: NormOps {
    /// The gradients of x, γ and β; `given` is mean, variance, γ and β.
    fn norm_backward(
        g: FloatTensor<Self>,
        x: FloatTensor<Self>,
        given: [FloatTensor<Self>; 4],
        norm: Norm,
    ) -> [FloatTensor<Self>; 3] {
        plain::norm_backward::<Self>(g, x, given, norm)
    }
}

plain_twins!(NormOps, NormBackward);

mod plain {
    use super::*;

    /// The axes whose values share a mean.
    fn axes(over: Over) -> &'static [usize] {
        match over {
            Over::Batch => &[0, 2, 3],
            Over::Instance => &[2, 3],
            Over::Layer => &[1, 2, 3],
        }
    }

    /// The mean of each group, its axes kept at length 1.
    fn mean_over<B: Backend>(x: FloatTensor<B>, over: Over) -> FloatTensor<B> {
        axes(over).iter().fold(x, |mean, &axis| B::float_mean_dim(mean, axis))
    }

    /// `[c]` as `[1, c, 1, 1]`, or `[n·c]` as `[n, c, 1, 1]`.
    fn channels<B: Backend>(vector: FloatTensor<B>, channels: usize) -> FloatTensor<B> {
        let length = vector.shape()[0];
        B::float_reshape(vector, Shape::from(vec![length / channels.max(1), channels, 1, 1]))
    }

    fn vector<B: Backend>(tensor: FloatTensor<B>) -> FloatTensor<B> {
        let length = tensor.shape().num_elements();
        B::float_reshape(tensor, Shape::from(vec![length]))
    }

    fn inverse_deviation<B: Backend>(variance: FloatTensor<B>, epsilon: f64) -> FloatTensor<B> {
        B::float_recip(B::float_sqrt(B::float_add_scalar(variance, epsilon.into())))
    }

    fn activated<B: Backend>(u: FloatTensor<B>, slope: f64) -> FloatTensor<B> {
        if slope == 1.0 { u } else { B::leaky_relu(u, slope.into()) }
    }

    pub fn norm<B: Backend>(
        x: FloatTensor<B>,
        gamma: FloatTensor<B>,
        beta: FloatTensor<B>,
        norm: Norm,
    ) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
        let mean = mean_over::<B>(x.clone(), norm.over);
        let apart = B::float_sub(x, mean.clone());
        let variance = mean_over::<B>(B::float_mul(apart.clone(), apart.clone()), norm.over);
        let c = apart.shape()[1];
        let normalised = B::float_mul(apart, inverse_deviation::<B>(variance.clone(), norm.epsilon));
        let u = B::float_add(B::float_mul(normalised, channels::<B>(gamma, c)), channels::<B>(beta, c));
        (activated::<B>(u, norm.slope), vector::<B>(mean), vector::<B>(variance))
    }

    pub fn norm_by<B: Backend>(x: FloatTensor<B>, given: [FloatTensor<B>; 4], norm: Norm) -> FloatTensor<B> {
        let c = x.shape()[1];
        let [mean, variance, gamma, beta] = given.map(|vector| channels::<B>(vector, c));
        let normalised = B::float_mul(B::float_sub(x, mean), inverse_deviation::<B>(variance, norm.epsilon));
        activated::<B>(B::float_add(B::float_mul(normalised, gamma), beta), norm.slope)
    }

    /// The formula is in `cpu::norm`.
    pub fn norm_backward<B: Backend>(
        g: FloatTensor<B>,
        x: FloatTensor<B>,
        [mean, variance, gamma, beta]: [FloatTensor<B>; 4],
        norm: Norm,
    ) -> [FloatTensor<B>; 3] {
        let mut kept = x.shape();
        axes(norm.over).iter().for_each(|&axis| kept[axis] = 1);
        let inverse = inverse_deviation::<B>(B::float_reshape(variance, kept.clone()), norm.epsilon);
        let normalised = B::float_mul(B::float_sub(x, B::float_reshape(mean, kept)), inverse.clone());
        let c = normalised.shape()[1];
        // One scale for all samples gets the gradients of all.
        let axes: &[usize] = if gamma.shape()[0] == c { &[0, 2, 3] } else { &[2, 3] };
        let gamma = channels::<B>(gamma, c);
        let u = B::float_add(B::float_mul(normalised.clone(), gamma.clone()), channels::<B>(beta, c));
        // 1 where u > 0, else the slope.
        let positive = B::float_clamp_min(B::float_sign(u), 0.0.into());
        let factor = B::float_add_scalar(B::float_mul_scalar(positive, (1.0 - norm.slope).into()), norm.slope.into());
        let g = B::float_mul(g, factor);
        let over_channel = |t| vector::<B>(B::float_sum_dims(t, axes));
        let to_gamma = over_channel(B::float_mul(g.clone(), normalised.clone()));
        let to_beta = over_channel(g.clone());
        let h = B::float_mul(g, gamma);
        let along = mean_over::<B>(B::float_mul(h.clone(), normalised.clone()), norm.over);
        let mean = mean_over::<B>(h.clone(), norm.over);
        let rest = B::float_sub(B::float_sub(h, mean), B::float_mul(normalised, along));
        [B::float_mul(rest, inverse), to_gamma, to_beta]
    }
}

fn groups(x: &FlexTensor, over: Over) -> Groups {
    let shape = x.layout().shape();
    let (n, channels, inner) = (shape[0], shape[1], shape[2] * shape[3]);
    let (groups, planes, step) = match over {
        Over::Batch => (channels, n, channels),
        Over::Instance => (n * channels, 1, 1),
        Over::Layer => (n, channels, 1),
    };
    Groups { groups, planes, step, inner }
}

fn moments(mean: &FlexTensor, variance: &FlexTensor) -> Vec<Moments> {
    values(mean).iter().zip(values(variance)).map(|(&mean, &variance)| Moments { mean, variance }).collect()
}

fn affine<'a>(gamma: &'a FlexTensor, beta: &'a FlexTensor, norm: Norm) -> Affine<'a> {
    Affine { gamma: values(gamma), beta: values(beta), epsilon: norm.epsilon, slope: norm.slope as f32 }
}

impl NormOps for Flex {
    fn fused_norm(
        x: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        norm: Norm,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        if !all_f32(&[&x, &gamma, &beta]) {
            return plain::norm::<Self>(x, gamma, beta, norm);
        }
        let [x, gamma, beta] = [x, gamma, beta].map(contiguous);
        let (y, moments) = cpu::forward(values(&x), groups(&x, norm.over), affine(&gamma, &beta, norm));
        let (mean, variance) = moments.iter().map(|moments| (moments.mean, moments.variance)).unzip();
        let length = Shape::from(vec![moments.len()]);
        (wrapped(y, x.layout().shape().clone()), wrapped(mean, length.clone()), wrapped(variance, length))
    }

    fn fused_norm_by(
        x: FlexTensor,
        mean: FlexTensor,
        variance: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        norm: Norm,
    ) -> FlexTensor {
        if !all_f32(&[&x, &mean, &variance, &gamma, &beta]) {
            return plain::norm_by::<Self>(x, [mean, variance, gamma, beta], norm);
        }
        let [x, mean, variance, gamma, beta] = [x, mean, variance, gamma, beta].map(contiguous);
        let (groups, moments) = (groups(&x, Over::Batch), moments(&mean, &variance));
        let y = cpu::forward_by(values(&x), groups, &moments, affine(&gamma, &beta, norm));
        wrapped(y, x.layout().shape().clone())
    }
}

impl NormBackward for Flex {
    fn norm_backward(g: FlexTensor, x: FlexTensor, given: [FlexTensor; 4], norm: Norm) -> [FlexTensor; 3] {
        let [mean, variance, gamma, beta] = &given;
        if !all_f32(&[&g, &x, mean, variance, gamma, beta]) {
            return plain::norm_backward::<Self>(g, x, given, norm);
        }
        let (x, [mean, variance, gamma, beta]) = (contiguous(x), given.map(contiguous));
        let (groups, moments) = (groups(&x, norm.over), moments(&mean, &variance));
        let affine = affine(&gamma, &beta, norm);
        let (g, sums) = in_place(g, |g| cpu::backward(g, values(&x), groups, &moments, affine));
        let [to_gamma, to_beta] = sums.map(|sums| {
            let length = Shape::from(vec![sums.len()]);
            wrapped(sums, length)
        });
        [g, to_gamma, to_beta]
    }
}

impl<B: NormBackward, C: CheckpointStrategy> NormOps for Autodiff<B, C> {
    fn fused_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        norm: Norm,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        #[derive(Debug)]
        struct NormStep;

        impl<B: NormBackward> Backward<B, 3> for NormStep {
            type State = (FloatTensor<B>, [FloatTensor<B>; 4], Norm);

            fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
                let (x, given, norm) = ops.state;
                let to = B::norm_backward(grads.consume::<B>(&ops.node), x, given, norm);
                for (node, gradient) in ops.parents.into_iter().zip(to) {
                    if let Some(node) = node {
                        grads.register::<B>(node.id, gradient);
                    }
                }
            }
        }

        let ((x, x_node), (gamma, gamma_node), (beta, beta_node)) =
            (x.into_parts(), gamma.into_parts(), beta.into_parts());
        let (y, mean, variance) =
            match NormStep.prepare::<C>([x_node, gamma_node, beta_node]).compute_bound().stateful() {
                OpsKind::Tracked(prep) => {
                    let (y, mean, variance) = B::fused_norm(x.clone(), gamma.clone(), beta.clone(), norm);
                    let given = [mean.clone(), variance.clone(), gamma, beta];
                    (prep.finish((x, given, norm), y), mean, variance)
                }
                OpsKind::UnTracked(prep) => {
                    let (y, mean, variance) = B::fused_norm(x, gamma, beta, norm);
                    (prep.finish(y), mean, variance)
                }
            };
        (y, Self::from_inner(mean), Self::from_inner(variance))
    }

    fn fused_norm_by(
        x: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        norm: Norm,
    ) -> FloatTensor<Self> {
        if [&x, &gamma, &beta].iter().any(|tensor| tensor.is_tracked()) {
            // Seldom asked for: the plain twin brings its own gradients.
            return plain::norm_by::<Self>(x, [mean, variance, gamma, beta], norm);
        }
        let [x, mean, variance, gamma, beta] = [x, mean, variance, gamma, beta].map(Self::inner);
        Self::from_inner(B::fused_norm_by(x, mean, variance, gamma, beta, norm))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agreement::{self, Leaf, flat, floats, leaf, vector};
    use burn::tensor::{DType, Device, TensorData};
    use proptest::prelude::*;

    const OVER: [Over; 3] = [Over::Batch, Over::Instance, Over::Layer];

    fn operation(how: Norm) -> impl Fn(&[Tensor<4>]) -> Tensor<4> {
        move |leaves| norm(leaves[0].clone(), flat(&leaves[1]), flat(&leaves[2]), how).y
    }

    fn leaves(x: Leaf) -> [Leaf; 3] {
        let channels = x.shape[1];
        [x, Leaf { shift: 0.7, ..vector(channels) }, vector(channels)]
    }

    /// Likewise, with a scale and a shift for each channel of each sample.
    fn conditional(x: Leaf) -> [Leaf; 3] {
        let count = x.shape[0] * x.shape[1];
        [x, Leaf { shift: 0.7, ..vector(count) }, vector(count)]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn fused_norm_and_its_gradients_are_those_of_the_plain_operations(
            (n, c, h, w) in (1_usize..5, 1_usize..8, 1_usize..20, 1_usize..20),
            over in prop::sample::select(&OVER[..]),
            slope in prop::sample::select(vec![1.0, 0.2, 0.0]),
            shift in -3.0..3.0,
            is_conditional: bool,
        ) {
            let how = Norm { over, epsilon: 1e-3, slope };
            let x = Leaf { shift, ..leaf([n, c, h, w]) };
            let leaves = if is_conditional { conditional(x) } else { leaves(x) };
            agreement::twins(&format!("{leaves:?}, {how:?}"), &operation(how), &leaves, 1e-4);
        }
    }

    #[test]
    fn planes_of_several_pieces_agree_too() {
        for over in OVER {
            let how = Norm { over, epsilon: 1e-5, slope: 0.2 };
            for shape in [[2, 3, 101, 97], [70, 5, 4, 4], [130, 9, 1, 1]] {
                if over != Over::Instance || shape[2] > 1 {
                    agreement::twins(&format!("{shape:?}, {how:?}"), &operation(how), &leaves(leaf(shape)), 1e-4);
                }
            }
        }
    }

    #[test]
    fn the_gradients_are_the_slopes_of_the_result() {
        for over in OVER {
            let how = Norm { over, epsilon: 1e-2, slope: 0.3 };
            agreement::differences(&format!("{how:?}"), &operation(how), &leaves(leaf([2, 3, 3, 2])), 1e-6);
            agreement::differences(&format!("{how:?}"), &operation(how), &conditional(leaf([2, 3, 3, 2])), 1e-6);
        }
    }

    #[test]
    fn results_are_the_same_bits_with_one_thread_and_with_many() {
        for over in OVER {
            let how = Norm { over, epsilon: 1e-5, slope: 0.2 };
            agreement::threads_do_not_show(operation(how), &leaves(leaf([9, 16, 31, 33])));
        }
    }

    #[test]
    fn a_mean_of_a_thousand_deviations_leaves_the_variance_its_digits() {
        let count = 4 * 2 * 64 * 64;
        let values = (0..count).map(|i| 1000.0 + 2.0_f32.sqrt() * (0.7 * i as f32).sin()).collect::<Vec<_>>();
        let x = Tensor::from_data(TensorData::new(values.clone(), [4, 2, 64, 64]), &Device::flex());
        let gamma = Tensor::ones([2], &Device::flex());
        for over in OVER {
            let how = Norm { over, epsilon: 0.0, slope: 1.0 };
            let found = norm(x.clone(), gamma.clone(), gamma.zeros_like(), how);
            let shape = groups(&FlexTensor::from_data(x.clone().into_data()), over);
            for (group, (mean, variance)) in floats(found.mean).iter().zip(floats(found.variance)).enumerate() {
                // Two passes in f64.
                let own = (0..count).filter(|i| match over {
                    Over::Batch => i / 4096 % 2 == group,
                    Over::Instance => i / 4096 == group,
                    Over::Layer => i / 8192 == group,
                });
                let size = (shape.planes * shape.inner) as f64;
                let true_mean = own.clone().map(|i| f64::from(values[i])).sum::<f64>() / size;
                let true_variance = own.map(|i| (f64::from(values[i]) - true_mean).powi(2)).sum::<f64>() / size;
                assert!((mean - true_mean).abs() < 4e-5, "{over:?}: {mean}, not {true_mean}"); // half a digit of f32
                assert!((variance / true_variance - 1.0).abs() < 1e-6, "{over:?}: {variance}, not {true_variance}");
            }
        }
    }

    #[test]
    fn norm_by_the_batch_own_moments_is_batch_norm_and_has_gradients() {
        let how = Norm { over: Over::Batch, epsilon: 1e-5, slope: 0.2 };
        let by = |leaves: &[Tensor<4>]| {
            let (x, gamma, beta) = (leaves[0].clone(), flat(&leaves[1]), flat(&leaves[2]));
            let first = norm(x.clone(), gamma.clone(), beta.clone(), how);
            norm_by(x, first.mean, first.variance, gamma, beta, how)
        };
        let shape = leaves(leaf([3, 4, 5, 7]));
        let (one, other) =
            (agreement::outcome(&operation(how), &shape, DType::F32), agreement::outcome(&by, &shape, DType::F32));
        for place in [0, 2, 3] {
            let near = one[place].iter().zip(&other[place]).all(|(a, b)| (a - b).abs() < 1e-4);
            assert!(near, "place {place}: {:?}, not {:?}", other[place], one[place]);
        }
        let device = Device::flex();
        let plain = Tensor::<4>::from_data(TensorData::new(vec![3.0_f32, -5.0], [1, 1, 1, 2]), &device);
        let given = |value: f32| Tensor::<1>::full([1], value, &device);
        let y = norm_by(plain, given(1.0), given(4.0), given(2.0), given(0.5), Norm { epsilon: 0.0, ..how });
        assert_eq!(floats(y), [2.5, f64::from(-5.5_f32 * 0.2)]);
    }

    #[test]
    #[should_panic(expected = "x is [2, 3, 4, 4], gamma is [3], beta is [2]")]
    fn channels_that_do_not_fit_are_named() {
        let device = Device::flex();
        let how = Norm { over: Over::Batch, epsilon: 1e-5, slope: 1.0 };
        norm(Tensor::zeros([2, 3, 4, 4], &device), Tensor::zeros([3], &device), Tensor::zeros([2], &device), how);
    }
}
