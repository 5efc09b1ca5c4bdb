//! Distances of pictures, pixel by pixel.

use burn::tensor::Tensor;

/// The mean absolute difference of two tensors of one shape, `[1]`.
pub fn l1<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<1> {
    (a - b).abs().mean()
}

/// The mean squared difference of two tensors of one shape, `[1]`.
pub fn l2<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<1> {
    (a - b).square().mean()
}
