//! The fully connected layer.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use super::glorot_uniform;
use crate::random::Draws;

/// y = x·W + b with x `[n, inputs]`, W `[inputs, outputs]`, b `[outputs]`, y `[n, outputs]`.
#[derive(Module, Debug)]
pub struct Linear {
    /// W, shape `[inputs, outputs]`.
    pub weight: Param<Tensor<2>>,
    /// b, shape `[outputs]`.
    pub bias: Param<Tensor<1>>,
}

impl Linear {
    /// Glorot-uniform weights, zero biases. `name` makes the layer's draws its own.
    pub fn glorot(draws: &Draws, name: &str, inputs: usize, outputs: usize, device: &Device) -> Self {
        Linear {
            weight: Param::from_tensor(glorot_uniform(draws, &format!("{name}.weight"), [inputs, outputs], device)),
            bias: Param::from_tensor(Tensor::zeros([outputs], device)),
        }
    }

    /// `[n, inputs]` to `[n, outputs]`. Panics with both shapes when x does not fit.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let (given, wanted) = (x.dims(), self.weight.dims());
        assert_eq!(given[1], wanted[0], "x is {given:?}, the weight is {wanted:?}");
        x.matmul(self.weight.val()) + self.bias.val().unsqueeze()
    }
}
