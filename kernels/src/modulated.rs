//! The modulated convolution of StyleGAN2: Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN".

use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata};
use burn::tensor::{Shape, Tensor};
use burn_autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};
use burn_flex::FlexTensor;

use crate::conv::{Conv, conv2d};
use crate::cpu::activation::by_plane;
use crate::cpu::scale as cpu;
use crate::flex::{all_f32, changed, contiguous, values, wrapped};

/// The convolution of x `[n, ic, h, w]` with a weight `[oc, ic, kh, kw]` whose input channels a style `[n, ic]` scales for each
/// sample (equation 1), and, with `demodulate`, whose output channels are brought back to unit norm (equation 3, with ε = 1e-8
/// below the root). No bias and no activation. The result is `[n, oc, oh, ow]`.
///
/// Instead of a weight for each sample, the style scales x and the norm divides the result: the same by linearity, and one
/// convolution for all samples. Panics with the shapes when they do not fit.
pub fn modulated_conv2d(
    x: Tensor<4>,
    style: Tensor<2>,
    weight: Tensor<4>,
    demodulate: bool,
    stride: usize,
    padding: usize,
) -> Tensor<4> {
    let [oc, ic, ..] = weight.dims();
    let none = Tensor::zeros([oc], (&weight.clone().without_autodiff().device(), weight.dtype()));
    let y = conv2d(scale(x, style.clone()), weight.clone(), none, Conv { stride, padding, slope: 1.0 });
    if !demodulate {
        return y;
    }
    let energy: Tensor<2> = weight.square().sum_dim(3).sum_dim(2).reshape([oc, ic]);
    let norms = (style.square().matmul(energy.transpose()) + 1e-8).sqrt(); // [n, oc]
    scale(y, norms.recip())
}

/// x·s: x `[n, c, h, w]`, s `[n, c]`, one number for each channel of each sample. Panics with both shapes when they do not fit.
pub fn scale(x: Tensor<4>, s: Tensor<2>) -> Tensor<4> {
    assert_eq!(x.dims()[..2], s.dims(), "x is {:?}, the scales are {:?}", x.dims(), s.dims());
    Tensor::from_dispatch(Dispatch::fused_scale(x.into_dispatch(), s.into_dispatch()))
}

on_every_backend! {
    /// The operation on every backend. The default body is the plain twin.
    pub(crate) trait ScaleOps: Backend {
        fn fused_scale(x: FloatTensor<Self>, s: FloatTensor<Self>) -> FloatTensor<Self> {
            plain::scale::<Self>(x, s)
        }
    }
}

/// What the backward pass needs of the backend below autodiff.
pub(crate) trait ScaleBackward: ScaleOps {
    /// The sums of a·b over every channel of every sample, `[n, c]`.
    fn plane_products(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        plain::plane_products::<Self>(a, b)
    }
}

plain_twins!(ScaleOps, ScaleBackward);

mod plain {
    use super::*;

    pub fn scale<B: Backend>(x: FloatTensor<B>, s: FloatTensor<B>) -> FloatTensor<B> {
        let [n, c] = [s.shape()[0], s.shape()[1]];
        B::float_mul(x, B::float_reshape(s, Shape::from(vec![n, c, 1, 1])))
    }

    pub fn plane_products<B: Backend>(a: FloatTensor<B>, b: FloatTensor<B>) -> FloatTensor<B> {
        let [n, c] = [a.shape()[0], a.shape()[1]];
        B::float_reshape(B::float_sum_dims(B::float_mul(a, b), &[2, 3]), Shape::from(vec![n, c]))
    }
}

/// Samples, channels, and values of a channel.
fn planes(x: &FlexTensor) -> [usize; 3] {
    let shape = x.layout().shape();
    [shape[0], shape[1], shape[2] * shape[3]]
}

impl ScaleOps for Flex {
    fn fused_scale(x: FlexTensor, s: FlexTensor) -> FlexTensor {
        if !all_f32(&[&x, &s]) {
            return plain::scale::<Self>(x, s);
        }
        let (s, [.., inner]) = (contiguous(s), planes(&x));
        let s = values(&s);
        changed(
            x,
            #[inline(always)]
            |first, run| by_plane(first, run, s, inner, |x, s| x * s),
        )
    }
}

impl ScaleBackward for Flex {
    fn plane_products(a: FlexTensor, b: FlexTensor) -> FlexTensor {
        if !all_f32(&[&a, &b]) {
            return plain::plane_products::<Self>(a, b);
        }
        let ([n, c, inner], a, b) = (planes(&a), contiguous(a), contiguous(b));
        wrapped(cpu::plane_products(values(&a), values(&b), inner), Shape::from(vec![n, c]))
    }
}

impl<B: ScaleBackward, C: CheckpointStrategy> ScaleOps for Autodiff<B, C> {
    fn fused_scale(x: FloatTensor<Self>, s: FloatTensor<Self>) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct ScaleStep;

        impl<B: ScaleBackward> Backward<B, 2> for ScaleStep {
            type State = [FloatTensor<B>; 2];

            fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
                let ([x, s], [to_x, to_s]) = (ops.state, ops.parents);
                let g = grads.consume::<B>(&ops.node);
                if let Some(node) = to_s {
                    grads.register::<B>(node.id, B::plane_products(g.clone(), x));
                }
                if let Some(node) = to_x {
                    grads.register::<B>(node.id, B::fused_scale(g, s));
                }
            }
        }

        let ((x, x_node), (s, s_node)) = (x.into_parts(), s.into_parts());
        match ScaleStep.prepare::<C>([x_node, s_node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let y = B::fused_scale(x.clone(), s.clone());
                prep.finish([x, s], y)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::fused_scale(x, s)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agreement::{Leaf, Operation, differences, flat, leaf, outcome, threads_do_not_show, twins};
    use burn::tensor::DType;
    use burn::tensor::module;
    use burn::tensor::ops::ConvOptions;
    use proptest::prelude::*;

    /// The definition: a weight for each sample, one group of a convolution each.
    fn by_weights(x: Tensor<4>, style: Tensor<2>, weight: Tensor<4>, demodulate: bool) -> Tensor<4> {
        let ([n, ic, h, w], [oc, _, k, _]) = (x.dims(), weight.dims());
        let own: Tensor<5> = weight.unsqueeze_dim::<5>(0) * style.reshape([n, 1, ic, 1, 1]); // [n, oc, ic, k, k]
        let own = match demodulate {
            true => own.clone() / (own.square().sum_dim(4).sum_dim(3).sum_dim(2) + 1e-8).sqrt(),
            false => own,
        };
        let groups = ConvOptions::new([1, 1], [k / 2, k / 2], [1, 1], n);
        let y = module::conv2d(x.reshape([1, n * ic, h, w]), own.reshape([n * oc, ic, k, k]), None, groups);
        y.reshape([n, oc, h, w])
    }

    fn leaves([n, ic, oc, k]: [usize; 4], side: usize) -> [Leaf; 3] {
        let styles = Leaf { shape: [1, 1, n, ic], scale: 0.4, shift: 1.0 };
        [leaf([n, ic, side, side + 1]), styles, leaf([oc, ic, k, k])]
    }

    fn style(tensors: &[Tensor<4>]) -> Tensor<2> {
        flat(&tensors[1]).reshape([tensors[0].dims()[0] as i32, -1])
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_modulated_convolution_is_that_with_a_weight_for_each_sample(
            n in 1..4_usize, ic in 1..20_usize, oc in 1..20_usize, k in prop::sample::select(vec![1_usize, 3]),
            side in 1..10_usize, demodulate: bool,
        ) {
            // Demodulated, a single input's style divides itself away: its gradient is 0, and in f32 what is left of terms
            // that may be large.
            let ic = if demodulate { ic.max(2) } else { ic };
            let leaves = leaves([n, ic, oc, k], side);
            let ours = |t: &[Tensor<4>]| modulated_conv2d(t[0].clone(), style(t), t[2].clone(), demodulate, 1, k / 2);
            let theirs = |t: &[Tensor<4>]| by_weights(t[0].clone(), style(t), t[2].clone(), demodulate);
            twins("modulated convolution", &ours, &leaves, 2e-5);
            let (ours, theirs) = (outcome(&ours, &leaves, DType::F64), outcome(&theirs, &leaves, DType::F64));
            for (ours, theirs) in ours.iter().zip(&theirs) {
                prop_assert!(ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() < 1e-9 * b.abs().max(1.0)));
            }
        }
    }

    #[test]
    fn its_gradients_are_the_slopes_in_f64() {
        let operation: Operation = &|t| modulated_conv2d(t[0].clone(), style(t), t[2].clone(), true, 1, 1);
        differences("modulated convolution", operation, &leaves([2, 3, 4, 3], 4), 1e-6);
    }

    #[test]
    fn a_scale_is_the_same_bits_with_one_thread_and_with_many() {
        threads_do_not_show(|t| scale(t[0].clone(), style(t)), &leaves([5, 33, 1, 1], 40)[..2]);
    }

    #[test]
    #[should_panic(expected = "x is [2, 3, 4, 4], the scales are [2, 4]")]
    fn scales_that_do_not_fit_are_named() {
        let device = burn::tensor::Device::flex();
        scale(Tensor::zeros([2, 3, 4, 4], &device), Tensor::zeros([2, 4], &device));
    }
}
