//! Gradients by the input of a network, as a forward computation that can itself be differentiated.
//!
//! Burn differentiates once, and a gradient penalty is a function of a gradient. So every block a critic may be made of
//! has a `vjp` (JAX's word, vector-Jacobian product): its output and the way back, both made of differentiable
//! operations. Burn then differentiates the penalty.

use burn::tensor::Tensor;
use ganvas_kernels::leaky_mask;

/// The way back through a block: from the gradient by its output to the gradient by its input.
pub type Pullback<const OUT: usize, const IN: usize> = Box<dyn FnOnce(Tensor<OUT>) -> Tensor<IN>>;

/// One way back after the other: through `last`, then through `first`.
pub fn chain<const A: usize, const B: usize, const C: usize>(
    last: Pullback<A, B>,
    first: Pullback<B, C>,
) -> Pullback<A, C> {
    Box::new(move |gradient| first(last(gradient)))
}

/// The way back through leaky ReLU of this slope, by its result `y` (only its signs matter). A slope of 1 is no activation.
pub fn leaky_pullback<const D: usize>(y: Tensor<D>, slope: f64) -> Pullback<D, D> {
    if slope == 1.0 {
        return Box::new(|gradient| gradient);
    }
    Box::new(move |gradient| {
        let (shape, rows) = (y.dims(), y.dims()[0] as i32);
        let four = |tensor: Tensor<D>| -> Tensor<4> { tensor.reshape([rows, -1, 1, 1]) };
        leaky_mask(four(gradient), four(y), slope).reshape(shape)
    })
}
