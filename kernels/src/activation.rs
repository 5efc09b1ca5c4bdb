//! Activations with a bias for each channel, the mask that differentiates leaky ReLU again, dropout, and binary
//! cross-entropy on logits.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata};
use burn::tensor::{Shape, Tensor, TensorData};
use burn_autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};
use burn_flex::FlexTensor;

use crate::cpu::activation::{self as cpu, Act};
use crate::dropout::Dropout;
use crate::flex::{all_f32, changed, contiguous, in_place, values, wrapped};

/// act(x + b): x `[n, c, h, w]`, b `[c]`, the result of x's shape. The result is all that is kept for the backward pass.
///
/// In f32 on the CPU tanh and sigmoid are own series, off by at most 1e-7 and by 1.6·2^-23 of the value (tested in
/// `cpu::exponential`). Panics with both shapes when they do not fit, and when a leaky ReLU's slope is below 0.
pub fn bias_act(x: Tensor<4>, bias: Option<Tensor<1>>, act: Act) -> Tensor<4> {
    let bias = bias.unwrap_or_else(|| Tensor::zeros([x.dims()[1]], (&x.device(), x.dtype())));
    assert_eq!(x.dims()[1], bias.dims()[0], "x is {:?}, the bias is {:?}", x.dims(), bias.dims());
    if let Act::Leaky(slope) = act {
        assert!(slope >= 0.0, "leaky ReLU's slope is {slope}: its result would not show the sign of x");
    }
    Tensor::from_dispatch(Dispatch::fused_bias_act(x.into_dispatch(), bias.into_dispatch(), act))
}

/// The gradient times 1 where y > 0, else times the slope: leaky ReLU's pullback, with y its result.
///
/// It can be differentiated in `gradient`, as often as one likes, for penalties on a critic's input gradient; y is a
/// constant to it, as leaky ReLU's second derivative is 0. Panics with both shapes when they differ.
pub fn leaky_mask(gradient: Tensor<4>, y: Tensor<4>, slope: f64) -> Tensor<4> {
    assert_eq!(gradient.dims(), y.dims(), "the gradient is {:?}, y is {:?}", gradient.dims(), y.dims());
    let (gradient, y) = (gradient.into_dispatch(), y.detach().into_dispatch());
    Tensor::from_dispatch(Dispatch::fused_leaky_mask(gradient, y, slope))
}

/// The mean binary cross-entropy of σ(x) to one target in [0, 1] for all logits x, a tensor `[1]`:
/// max(x, 0) - x·t + ln(1 + e^-|x|), finite for every finite x.
pub fn bce_with_logits<const D: usize>(logits: Tensor<D>, target: f64) -> Tensor<1> {
    let logits = logits.reshape([-1]);
    Tensor::from_dispatch(Dispatch::fused_bce_with_logits(logits.into_dispatch(), target))
}

/// x with the elements dropped that `dropout` drops, by their flat index, and the others scaled. The backward pass makes
/// the mask anew from the key, so none is kept; it can be differentiated as often as one likes.
pub fn dropout<const D: usize>(x: Tensor<D>, dropout: Dropout) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::fused_dropout(x.into_dispatch(), dropout))
}

on_every_backend! {
    /// The operations on every backend. The default bodies are the plain twins.
    pub(crate) trait ActivationOps: Backend {
        fn fused_bias_act(x: FloatTensor<Self>, bias: FloatTensor<Self>, act: Act) -> FloatTensor<Self> {
            plain::bias_act::<Self>(x, bias, act)
        }

        fn fused_leaky_mask(gradient: FloatTensor<Self>, y: FloatTensor<Self>, slope: f64) -> FloatTensor<Self> {
            plain::leaky_mask::<Self>(gradient, y, slope)
        }

        fn fused_bce_with_logits(logits: FloatTensor<Self>, target: f64) -> FloatTensor<Self> {
            plain::bce_with_logits::<Self>(logits, target)
        }

        fn fused_dropout(x: FloatTensor<Self>, dropout: Dropout) -> FloatTensor<Self> {
            plain::dropout::<Self>(x, dropout)
        }
    }
}

/// What the backward passes need of the backend below autodiff.
pub(crate) trait ActivationBackward: ActivationOps {
    /// The gradients before bias and activation, and of the bias.
    fn bias_act_backward(g: FloatTensor<Self>, y: FloatTensor<Self>, act: Act) -> [FloatTensor<Self>; 2] {
        plain::bias_act_backward::<Self>(g, y, act)
    }
    /// The gradient of the logits.
    fn bce_backward(g: FloatTensor<Self>, logits: FloatTensor<Self>, target: f64) -> FloatTensor<Self> {
        plain::bce_backward::<Self>(g, logits, target)
    }
}

plain_twins!(ActivationOps, ActivationBackward);

pub(crate) mod plain {
    use super::*;

    pub fn bias_act<B: Backend>(x: FloatTensor<B>, bias: FloatTensor<B>, act: Act) -> FloatTensor<B> {
        let channels = bias.shape()[0];
        let u = B::float_add(x, B::float_reshape(bias, Shape::from(vec![1, channels, 1, 1])));
        match act {
            Act::Leaky(1.0) => u,
            Act::Leaky(slope) => B::leaky_relu(u, slope.into()),
            Act::Tanh => B::float_tanh(u),
            Act::Sigmoid => B::sigmoid(u),
        }
    }

    pub fn leaky_mask<B: Backend>(gradient: FloatTensor<B>, y: FloatTensor<B>, slope: f64) -> FloatTensor<B> {
        let positive = B::float_clamp_min(B::float_sign(y), 0.0.into());
        let factor = B::float_add_scalar(B::float_mul_scalar(positive, (1.0 - slope).into()), slope.into());
        B::float_mul(gradient, factor)
    }

    pub fn bias_act_backward<B: Backend>(g: FloatTensor<B>, y: FloatTensor<B>, act: Act) -> [FloatTensor<B>; 2] {
        let less = |y: FloatTensor<B>| B::float_add_scalar(B::float_neg(y), 1.0.into()); // 1 - y
        let g = match act {
            Act::Leaky(slope) => leaky_mask::<B>(g, y, slope),
            Act::Tanh => B::float_mul(g, less(B::float_mul(y.clone(), y))),
            Act::Sigmoid => B::float_mul(g, B::float_mul(y.clone(), less(y))),
        };
        let channels = g.shape()[1];
        let sums = B::float_sum_dims(g.clone(), &[0, 2, 3]);
        [g, B::float_reshape(sums, Shape::from(vec![channels]))]
    }

    pub fn bce_with_logits<B: Backend>(x: FloatTensor<B>, target: f64) -> FloatTensor<B> {
        let count = x.shape().num_elements();
        let tail = B::float_log1p(B::float_exp(B::float_neg(B::float_abs(x.clone()))));
        let line = B::float_sub(B::float_clamp_min(x.clone(), 0.0.into()), B::float_mul_scalar(x, target.into()));
        B::float_div_scalar(B::float_sum(B::float_add(line, tail)), (count as f64).into())
    }

    pub fn bce_backward<B: Backend>(g: FloatTensor<B>, x: FloatTensor<B>, target: f64) -> FloatTensor<B> {
        let count = x.shape().num_elements();
        let apart = B::float_sub_scalar(B::sigmoid(x), target.into());
        B::float_mul(B::float_div_scalar(apart, (count as f64).into()), g)
    }

    pub fn dropout<B: Backend>(x: FloatTensor<B>, dropout: Dropout) -> FloatTensor<B> {
        let (shape, device, dtype) = (x.shape(), x.device(), x.dtype());
        let factors = (0..shape.num_elements()).map(|i| dropout.factor(i as u32)).collect::<Vec<f32>>();
        let mask = TensorData::new(factors, shape).convert_dtype(dtype);
        B::float_mul(x, B::float_from_data(mask, &device))
    }
}

/// Channels of `[n, c, h, w]`, and values of a plane.
fn planes(x: &FlexTensor) -> [usize; 2] {
    let shape = x.layout().shape();
    [shape[1], shape[2] * shape[3]]
}

impl ActivationOps for Flex {
    fn fused_bias_act(x: FlexTensor, bias: FlexTensor, act: Act) -> FlexTensor {
        if !all_f32(&[&x, &bias]) {
            return plain::bias_act::<Self>(x, bias, act);
        }
        let (bias, [_, inner]) = (contiguous(bias), planes(&x));
        let bias = values(&bias);
        changed(
            x,
            #[inline(always)]
            |first, run| cpu::bias_act(first, run, bias, inner, act),
        )
    }

    fn fused_leaky_mask(gradient: FlexTensor, y: FlexTensor, slope: f64) -> FlexTensor {
        if !all_f32(&[&gradient, &y]) {
            return plain::leaky_mask::<Self>(gradient, y, slope);
        }
        let y = contiguous(y);
        let y = values(&y);
        changed(
            gradient,
            #[inline(always)]
            |first, run| cpu::leaky_mask(first, run, y, slope as f32),
        )
    }

    fn fused_bce_with_logits(logits: FlexTensor, target: f64) -> FlexTensor {
        if !all_f32(&[&logits]) {
            return plain::bce_with_logits::<Self>(logits, target);
        }
        let mean = cpu::bce_with_logits(values(&contiguous(logits)), target as f32);
        wrapped(vec![mean], Shape::from(vec![1]))
    }

    fn fused_dropout(x: FlexTensor, dropout: Dropout) -> FlexTensor {
        if !all_f32(&[&x]) {
            return plain::dropout::<Self>(x, dropout);
        }
        changed(
            x,
            #[inline(always)]
            |first, run| cpu::dropout(first, run, dropout),
        )
    }
}

impl ActivationBackward for Flex {
    fn bias_act_backward(g: FlexTensor, y: FlexTensor, act: Act) -> [FlexTensor; 2] {
        if !all_f32(&[&g, &y]) {
            return plain::bias_act_backward::<Self>(g, y, act);
        }
        let (y, [channels, inner]) = (contiguous(y), planes(&g));
        let (g, sums) = in_place(g, |g| cpu::bias_act_backward(g, values(&y), channels, inner, act));
        [g, wrapped(sums, Shape::from(vec![channels]))]
    }

    fn bce_backward(g: FlexTensor, logits: FlexTensor, target: f64) -> FlexTensor {
        if !all_f32(&[&g, &logits]) {
            return plain::bce_backward::<Self>(g, logits, target);
        }
        let (g, logits) = (contiguous(g), contiguous(logits));
        let gradient = cpu::bce_with_logits_backward(values(&logits), target as f32, values(&g)[0]);
        wrapped(gradient, logits.layout().shape().clone())
    }
}

impl<B: ActivationBackward, C: CheckpointStrategy> ActivationOps for Autodiff<B, C> {
    fn fused_bias_act(x: FloatTensor<Self>, bias: FloatTensor<Self>, act: Act) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct BiasActStep;

        impl<B: ActivationBackward> Backward<B, 2> for BiasActStep {
            type State = (FloatTensor<B>, Act);

            fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
                let (y, act) = ops.state;
                let to = B::bias_act_backward(grads.consume::<B>(&ops.node), y, act);
                for (node, gradient) in ops.parents.into_iter().zip(to) {
                    if let Some(node) = node {
                        grads.register::<B>(node.id, gradient);
                    }
                }
            }
        }

        let ((x, x_node), (bias, bias_node)) = (x.into_parts(), bias.into_parts());
        let y = B::fused_bias_act(x, bias, act);
        match BiasActStep.prepare::<C>([x_node, bias_node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((y.clone(), act), y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn fused_leaky_mask(gradient: FloatTensor<Self>, y: FloatTensor<Self>, slope: f64) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct LeakyMaskStep;

        impl<B: ActivationBackward> Backward<B, 1> for LeakyMaskStep {
            type State = (FloatTensor<B>, f64);

            fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
                let ((y, slope), [node]) = (ops.state, ops.parents);
                let gradient = grads.consume::<B>(&ops.node);
                if let Some(node) = node {
                    grads.register::<B>(node.id, B::fused_leaky_mask(gradient, y, slope));
                }
            }
        }

        let ((gradient, node), y) = (gradient.into_parts(), y.into_primitive());
        let masked = B::fused_leaky_mask(gradient, y.clone(), slope);
        match LeakyMaskStep.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((y, slope), masked),
            OpsKind::UnTracked(prep) => prep.finish(masked),
        }
    }

    fn fused_bce_with_logits(logits: FloatTensor<Self>, target: f64) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct BceStep;

        impl<B: ActivationBackward> Backward<B, 1> for BceStep {
            type State = (FloatTensor<B>, f64);

            fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
                let ((logits, target), [node]) = (ops.state, ops.parents);
                let gradient = grads.consume::<B>(&ops.node);
                if let Some(node) = node {
                    grads.register::<B>(node.id, B::bce_backward(gradient, logits, target));
                }
            }
        }

        let (logits, node) = logits.into_parts();
        match BceStep.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let loss = B::fused_bce_with_logits(logits.clone(), target);
                prep.finish((logits, target), loss)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::fused_bce_with_logits(logits, target)),
        }
    }

    fn fused_dropout(x: FloatTensor<Self>, dropout: Dropout) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct DropoutStep;

        impl<B: ActivationBackward> Backward<B, 1> for DropoutStep {
            type State = Dropout;

            fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
                let (dropout, [node]) = (ops.state, ops.parents);
                let gradient = grads.consume::<B>(&ops.node);
                if let Some(node) = node {
                    grads.register::<B>(node.id, B::fused_dropout(gradient, dropout));
                }
            }
        }

        let (x, node) = x.into_parts();
        let y = B::fused_dropout(x, dropout);
        match DropoutStep.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(dropout, y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agreement::{self, Leaf, flat, floats, leaf, vector};
    use burn::tensor::{DType, Device};
    use proptest::prelude::*;

    const ACTS: [Act; 5] = [Act::Leaky(1.0), Act::Leaky(0.2), Act::Leaky(0.0), Act::Tanh, Act::Sigmoid];
    const DROPOUT: Dropout = Dropout { key: 7 << 33, share: 0.3 };

    fn acting(act: Act) -> impl Fn(&[Tensor<4>]) -> Tensor<4> {
        move |leaves| bias_act(leaves[0].clone(), Some(flat(&leaves[1])), act)
    }

    fn loss(target: f64) -> impl Fn(&[Tensor<4>]) -> Tensor<4> {
        move |leaves| bce_with_logits(leaves[0].clone(), target).reshape([1, 1, 1, 1])
    }

    fn masking(leaves: &[Tensor<4>]) -> Tensor<4> {
        // y is made of the leaf, and no gradient may come through it.
        leaky_mask(leaves[0].clone(), leaves[0].clone() + 0.1, 0.2)
    }

    fn dropping(leaves: &[Tensor<4>]) -> Tensor<4> {
        dropout(leaves[0].clone(), DROPOUT)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn fused_activations_and_their_gradients_are_those_of_the_plain_operations(
            (n, c, h, w) in (1_usize..5, 1_usize..8, 1_usize..20, 1_usize..20),
            act in prop::sample::select(&ACTS[..]),
            (scale, shift) in (0.1..6.0, -3.0..3.0),
        ) {
            let x = Leaf { scale, shift, ..leaf([n, c, h, w]) };
            agreement::twins(&format!("{x:?}, {act:?}"), &acting(act), &[x, vector(c)], 1e-5);
        }

        #[test]
        fn fused_masks_dropouts_and_losses_are_those_of_the_plain_operations(
            (n, c, h, w) in (1_usize..5, 1_usize..8, 1_usize..20, 1_usize..20),
            (target, scale) in (0.0..1.0, 0.1..30.0),
        ) {
            let x = Leaf { scale, ..leaf([n, c, h, w]) };
            agreement::twins(&format!("{x:?}, mask"), &masking, &[x], 1e-6);
            agreement::twins(&format!("{x:?}, dropout"), &dropping, &[x], 1e-6);
            agreement::twins(&format!("{x:?}, loss to {target}"), &loss(target), &[x], 1e-6);
        }
    }

    #[test]
    fn several_tasks_and_planes_that_straddle_them_agree_too() {
        for shape in [[3, 5, 101, 97], [2, 4, 150, 150]] {
            for act in ACTS {
                agreement::twins(&format!("{act:?}"), &acting(act), &[leaf(shape), vector(shape[1])], 1e-5);
            }
            agreement::twins("mask", &masking, &[leaf(shape)], 1e-6);
            agreement::twins("dropout", &dropping, &[leaf(shape)], 1e-6);
            agreement::twins("loss", &loss(0.9), &[leaf(shape)], 1e-6);
        }
    }

    #[test]
    fn the_gradients_are_the_slopes_of_the_result() {
        for act in ACTS {
            let leaves = [Leaf { scale: 3.0, ..leaf([2, 3, 3, 2]) }, vector(3)];
            agreement::differences(&format!("{act:?}"), &acting(act), &leaves, 1e-6);
        }
        let x = Leaf { scale: 5.0, ..leaf([2, 1, 3, 2]) };
        agreement::differences("mask", &|x| leaky_mask(x[0].clone(), x[0].clone() + 0.1, 0.2), &[x], 1e-6);
        agreement::differences("dropout", &dropping, &[x], 1e-6);
        agreement::differences("loss", &loss(0.9), &[x], 1e-6);
    }

    #[test]
    fn results_are_the_same_bits_with_one_thread_and_with_many() {
        let x = Leaf { scale: 3.0, ..leaf([9, 16, 31, 33]) };
        for act in ACTS {
            agreement::threads_do_not_show(acting(act), &[x, vector(16)]);
        }
        agreement::threads_do_not_show(loss(0.9), &[x]);
    }

    #[test]
    fn without_a_bias_the_result_is_that_of_a_bias_of_zeros() {
        let x = Leaf { scale: 3.0, ..leaf([2, 3, 5, 7]) };
        let without = |leaves: &[Tensor<4>]| bias_act(leaves[0].clone(), None, Act::Tanh);
        let zeros = |leaves: &[Tensor<4>]| bias_act(leaves[0].clone(), Some(flat(&leaves[1])), Act::Tanh);
        let zero = Leaf { scale: 0.0, ..vector(3) };
        for dtype in [DType::F32, DType::F64] {
            assert!(agreement::outcome(&without, &[x], dtype)[0] == agreement::outcome(&zeros, &[x, zero], dtype)[0]);
        }
    }

    #[test]
    fn a_mask_is_differentiated_in_the_gradient_alone_and_a_second_time() {
        let device = Device::flex().autodiff();
        let row = |values: [f32; 4]| Tensor::<4>::from_data(TensorData::new(values.to_vec(), [1, 1, 1, 4]), &device);
        let (g, y) = (row([1.0, 2.0, 3.0, 4.0]).require_grad(), row([1.0, -1.0, 0.0, 2.0]).require_grad());
        let twice = leaky_mask(leaky_mask(g.clone(), y.clone(), 0.5), y.clone(), 0.5);
        let gradients = twice.square().sum().backward();
        // twice = m²·g, so its square's derivative is 2·m⁴·g, with m = 1, .5, .5, 1.
        assert_eq!(floats(g.grad(&gradients).unwrap()), [2.0, 0.25, 0.375, 8.0]);
        assert!(y.grad(&gradients).is_none());
    }

    #[test]
    fn the_loss_of_huge_logits_is_their_size_and_of_none_too_small() {
        let device = Device::flex();
        let of = |x: f32, target| floats(bce_with_logits(Tensor::<1>::full([1], x, &device), target))[0];
        assert_eq!([of(1e30, 0.0), of(-1e30, 1.0)].map(|loss| loss as f32), [1e30, 1e30]);
        assert_eq!([of(1e30, 1.0), of(-1e30, 0.0), of(0.0, 0.0)], [0.0, 0.0, f64::from(2.0_f32.ln())]);
        assert!(of(f32::NAN, 0.0).is_nan());
    }

    #[test]
    #[should_panic(expected = "x is [1, 3, 2, 2], the bias is [2]")]
    fn a_bias_that_does_not_fit_is_named() {
        let device = Device::flex();
        bias_act(Tensor::zeros([1, 3, 2, 2], &device), Some(Tensor::zeros([2], &device)), Act::Tanh);
    }
}
