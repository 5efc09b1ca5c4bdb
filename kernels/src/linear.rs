//! The linear layer with everything that follows it: product, bias, leaky ReLU, dropout.

use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata};
use burn::tensor::{Shape, Tensor};
use burn_autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};
use burn_flex::FlexTensor;

use crate::activation;
use crate::cpu::matmul::{Matrix, product};
use crate::cpu::pointwise::{self, After};
use crate::dropout::Dropout;
use crate::flex::{all_f32, contiguous, in_place, values, wrapped};

/// dropout(leaky_relu(x·W + b)): x `[n, inputs]`, W `[inputs, outputs]`, b `[outputs]`, the result `[n, outputs]`.
///
/// A `slope` of 1 means no activation. Leaky ReLU's derivative at 0 is the slope, as in PyTorch; where dropout is
/// given, an exact 0 counts as dropped. The dropout's index is the result's flat index. Panics with both shapes when
/// they do not fit.
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Tensor<1>, slope: f64, dropout: Option<Dropout>) -> Tensor<2> {
    let (given, wanted, biases) = (x.dims(), weight.dims(), bias.dims());
    assert_eq!(given[1], wanted[0], "x is {given:?}, the weight is {wanted:?}");
    assert_eq!(biases[0], wanted[1], "the bias is {biases:?}, the weight is {wanted:?}");
    let after = After { slope: slope as f32, dropout };
    Tensor::from_dispatch(Dispatch::fused_linear(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        after,
    ))
}

on_every_backend! {
    /// The operation on every backend. The default body is the plain twin.
    pub(crate) trait LinearOps: Backend {
        fn fused_linear(
            x: FloatTensor<Self>,
            w: FloatTensor<Self>,
            b: FloatTensor<Self>,
            after: After,
        ) -> FloatTensor<Self> {
            plain::linear::<Self>(x, w, b, after)
        }
    }
}

/// What the backward pass needs of the backend below autodiff.
pub(crate) trait LinearBackward: LinearOps {
    /// The gradients before bias and activation, and of the bias.
    fn after_backward(g: FloatTensor<Self>, y: FloatTensor<Self>, after: After) -> [FloatTensor<Self>; 2] {
        plain::after_backward::<Self>(g, y, after)
    }
    /// aᵀ·b
    fn product_tn(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_matmul(Self::float_swap_dims(a, 0, 1), b)
    }
    /// a·bᵀ
    fn product_nt(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_matmul(a, Self::float_swap_dims(b, 0, 1))
    }
}

plain_twins!(LinearOps, LinearBackward);

mod plain {
    use super::*;

    pub fn linear<B: Backend>(x: FloatTensor<B>, w: FloatTensor<B>, b: FloatTensor<B>, after: After) -> FloatTensor<B> {
        let width = b.shape()[0];
        let u = B::float_add(B::float_matmul(x, w), B::float_reshape(b, Shape::from(vec![1, width])));
        let y = if after.slope == 1.0 { u } else { B::leaky_relu(u, after.slope.into()) };
        match after.dropout {
            None => y,
            Some(dropout) => activation::plain::dropout::<B>(y, dropout),
        }
    }

    pub fn after_backward<B: Backend>(g: FloatTensor<B>, y: FloatTensor<B>, after: After) -> [FloatTensor<B>; 2] {
        // The factor by the sign of y, a quadratic through its three values: see `pointwise::backward`.
        let scale = after.dropout.map_or(1.0, |dropout| dropout.scale());
        let (up, down) = (scale, after.slope * scale);
        let at_zero = if after.dropout.is_some() { 0.0 } else { after.slope };
        let sign = B::float_sign(y);
        let linear = B::float_mul_scalar(sign.clone(), ((up - down) / 2.0).into());
        let even = B::float_mul_scalar(B::float_mul(sign.clone(), sign), ((up + down) / 2.0 - at_zero).into());
        let factor = B::float_add_scalar(B::float_add(linear, even), at_zero.into());
        let g = B::float_mul(g, factor);
        let width = g.shape()[1];
        let sums = B::float_reshape(B::float_sum_dim(g.clone(), 0), Shape::from(vec![width]));
        [g, sums]
    }
}

fn matrix(tensor: &FlexTensor) -> Matrix<'_> {
    let shape = tensor.layout().shape();
    Matrix::new(values(tensor), shape[0], shape[1])
}

impl LinearOps for Flex {
    fn fused_linear(x: FlexTensor, w: FlexTensor, b: FlexTensor, after: After) -> FlexTensor {
        if !all_f32(&[&x, &w, &b]) {
            return plain::linear::<Self>(x, w, b, after);
        }
        let (x, w, b) = (contiguous(x), contiguous(w), contiguous(b));
        let mut y = product(matrix(&x), matrix(&w));
        pointwise::forward(&mut y, values(&b), after);
        let shape = Shape::from(vec![x.layout().shape()[0], w.layout().shape()[1]]);
        wrapped(y, shape)
    }
}

impl LinearBackward for Flex {
    fn after_backward(g: FlexTensor, y: FlexTensor, after: After) -> [FlexTensor; 2] {
        if !all_f32(&[&g, &y]) {
            return plain::after_backward::<Self>(g, y, after);
        }
        let y = contiguous(y);
        let width = g.layout().shape()[1];
        let (g, sums) = in_place(g, |g| pointwise::backward(g, values(&y), width, after));
        [g, wrapped(sums, Shape::from(vec![width]))]
    }

    fn product_tn(a: FlexTensor, b: FlexTensor) -> FlexTensor {
        if !all_f32(&[&a, &b]) {
            return Self::float_matmul(Self::float_swap_dims(a, 0, 1), b);
        }
        let (a, b) = (contiguous(a), contiguous(b));
        let shape = Shape::from(vec![a.layout().shape()[1], b.layout().shape()[1]]);
        wrapped(product(matrix(&a).transposed(), matrix(&b)), shape)
    }

    fn product_nt(a: FlexTensor, b: FlexTensor) -> FlexTensor {
        if !all_f32(&[&a, &b]) {
            return Self::float_matmul(a, Self::float_swap_dims(b, 0, 1));
        }
        let (a, b) = (contiguous(a), contiguous(b));
        let shape = Shape::from(vec![a.layout().shape()[0], b.layout().shape()[0]]);
        wrapped(product(matrix(&a), matrix(&b).transposed()), shape)
    }
}

impl<B: LinearBackward, C: CheckpointStrategy> LinearOps for Autodiff<B, C> {
    fn fused_linear(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        b: FloatTensor<Self>,
        after: After,
    ) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct LinearStep;

        impl<B: LinearBackward> Backward<B, 3> for LinearStep {
            type State = ([FloatTensor<B>; 3], After);

            fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
                let ([x, w, y], after) = ops.state;
                let [to_x, to_w, to_b] = ops.parents;
                let g = grads.consume::<B>(&ops.node);
                let [g, g_bias] = B::after_backward(g, y, after);
                if let Some(node) = to_b {
                    grads.register::<B>(node.id, g_bias);
                }
                if let Some(node) = to_w {
                    grads.register::<B>(node.id, B::product_tn(x, g.clone()));
                }
                if let Some(node) = to_x {
                    grads.register::<B>(node.id, B::product_nt(g, w));
                }
            }
        }

        let ((x, x_node), (w, w_node), (b, b_node)) = (x.into_parts(), w.into_parts(), b.into_parts());
        match LinearStep.prepare::<C>([x_node, w_node, b_node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let y = B::fused_linear(x.clone(), w.clone(), b, after);
                prep.finish(([x, w, y.clone()], after), y)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::fused_linear(x, w, b, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::activation::leaky_relu;
    use burn::tensor::{DType, Device, TensorData};

    fn wave(rate: f64, shape: [usize; 2], device: &Device) -> Tensor<2> {
        let values = (0..shape[0] * shape[1]).map(|i| (rate * (i + 1) as f64).sin() as f32).collect::<Vec<f32>>();
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().iter::<f32>().collect()
    }

    /// The slow twin in Burn's own operations, differentiated by Burn.
    fn twin(x: Tensor<2>, w: Tensor<2>, b: Tensor<1>, slope: f64, dropout: Option<Dropout>) -> Tensor<2> {
        let y = leaky_relu(x.matmul(w) + b.unsqueeze(), slope);
        let Some(dropout) = dropout else { return y };
        let [n, width] = y.dims();
        let factors = (0..n * width).map(|i| dropout.factor(i as u32)).collect::<Vec<f32>>();
        let mask = Tensor::from_data(TensorData::new(factors, [n, width]), &y.device());
        y * mask
    }

    type Layer = fn(Tensor<2>, Tensor<2>, Tensor<1>, f64, Option<Dropout>) -> Tensor<2>;

    /// The result and the gradients of x, W and b under a loss that weighs every element differently.
    fn run(layer: Layer, [n, i, o]: [usize; 3], slope: f64, dropout: Option<Dropout>) -> [Vec<f32>; 4] {
        let device = Device::flex().autodiff();
        let x = wave(0.37, [n, i], &device).require_grad();
        let w = wave(0.91, [i, o], &device).require_grad();
        let b = wave(0.53, [1, o], &device).reshape([o]).require_grad();
        let y = layer(x.clone(), w.clone(), b.clone(), slope, dropout);
        let gradients = (y.clone() * wave(0.71, [n, o], &device)).sum().backward();
        [
            floats(y),
            floats(x.grad(&gradients).unwrap()),
            floats(w.grad(&gradients).unwrap()),
            floats(b.grad(&gradients).unwrap()),
        ]
    }

    #[test]
    fn the_fused_layer_and_its_gradients_are_those_of_the_plain_operations() {
        for shape in [[1, 1, 1], [3, 5, 7], [128, 100, 256], [256, 784, 33], [5, 1, 40_000]] {
            for (slope, dropout) in [
                (1.0, None),
                (0.2, None),
                (0.0, None),
                (0.2, Some(Dropout { key: 99, share: 0.3 })),
                (1.0, Some(Dropout { key: 3 << 40, share: 0.5 })),
            ] {
                let (fused, plain) = (run(linear, shape, slope, dropout), run(twin, shape, slope, dropout));
                for (name, (a, b)) in ["y", "x", "W", "b"].iter().zip(fused.iter().zip(&plain)) {
                    let scale = b.iter().fold(1e-3, |m: f32, v| m.max(v.abs()));
                    let worst = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / scale;
                    assert_eq!(a.len(), b.len());
                    assert!(worst < 2e-5, "{name} of {shape:?}, slope {slope}, {dropout:?}: off by {worst}");
                }
            }
        }
    }

    #[test]
    fn the_default_body_for_other_backends_agrees_in_f64() {
        // f64 takes the plain path on the CPU, too, forwards and backwards.
        let device = Device::flex().autodiff();
        let of = |dtype: DType| {
            let cast = |t: Tensor<2>| t.cast(dtype).detach().require_grad();
            let (x, w) = (cast(wave(0.37, [9, 11], &device)), cast(wave(0.91, [11, 13], &device)));
            let b = wave(0.53, [1, 13], &device).reshape([13]).cast(dtype).detach().require_grad();
            let y = linear(x.clone(), w.clone(), b.clone(), 0.2, Some(Dropout { key: 5, share: 0.4 }));
            let gradients = y.clone().square().sum().backward();
            let grads = [floats(x.grad(&gradients).unwrap()), floats(w.grad(&gradients).unwrap())];
            (floats(y), grads, floats(b.grad(&gradients).unwrap()))
        };
        let (single, double) = (of(DType::F32), of(DType::F64));
        let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4);
        assert!(near(&single.0, &double.0) && near(&single.2, &double.2));
        assert!(single.1.iter().zip(&double.1).all(|(a, b)| near(a, b)));
    }

    #[test]
    fn a_frozen_weight_gets_no_gradient_and_x_still_does() {
        let device = Device::flex().autodiff();
        let x = wave(0.37, [4, 3], &device).require_grad();
        let w = wave(0.91, [3, 2], &device);
        let y = linear(x.clone(), w.clone(), wave(0.53, [1, 2], &device).reshape([2]), 0.2, None);
        let gradients = y.sum().backward();
        assert!(x.grad(&gradients).is_some() && w.grad(&gradients).is_none());
    }

    #[test]
    fn results_are_the_same_bits_with_one_thread_and_with_many() {
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| run(linear, [256, 784, 512], 0.2, Some(Dropout { key: 1, share: 0.3 })))
        };
        let one = with(1);
        assert!(one == with(2) && one == with(5));
    }

    #[test]
    #[should_panic(expected = "x is [4, 3], the weight is [2, 5]")]
    fn shapes_that_do_not_fit_are_named() {
        let device = Device::flex();
        linear(wave(1.0, [4, 3], &device), wave(1.0, [2, 5], &device), Tensor::zeros([5], &device), 1.0, None);
    }
}
