//! The fully connected layer.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use ganvas_kernels::{Dropout, linear};

use super::{Gains, Init, Pullback, chain, drawn, glorot_uniform, leaky_pullback};
use crate::random::Draws;

/// y = x·W + b with x `[n, inputs]`, W `[inputs, outputs]`, b `[outputs]`, y `[n, outputs]`.
#[derive(Module, Debug)]
pub struct Linear {
    /// W, shape `[inputs, outputs]`.
    pub weight: Param<Tensor<2>>,
    /// b, shape `[outputs]`.
    pub bias: Param<Tensor<1>>,
    #[module(skip)]
    gains: Gains,
}

impl Linear {
    /// Glorot-uniform weights, zero biases. `name` makes the layer's draws its own.
    pub fn glorot(draws: &Draws, name: &str, inputs: usize, outputs: usize, device: &Device) -> Self {
        let (draws, name) = (*draws, format!("{name}.weight"));
        let weight =
            drawn([inputs, outputs], device, move |device| glorot_uniform(&draws, &name, [inputs, outputs], device));
        Linear { weight, bias: Param::from_tensor(Tensor::zeros([outputs], device)), gains: Gains::ONE }
    }

    /// Weights that begin as `init` says, biases that are all `bias` in use.
    pub fn new(
        [inputs, outputs]: [usize; 2],
        init: Init,
        bias: f64,
        draws: &Draws,
        name: &str,
        device: &Device,
    ) -> Self {
        let (weight, gains) = init.weights([inputs, outputs], inputs, draws, name, device);
        let bias = Tensor::full([outputs], gains.before(bias), device);
        Linear { weight, bias: Param::from_tensor(bias), gains }
    }

    /// With these weights `[inputs, outputs]` and biases `[outputs]`.
    pub fn of(weight: Tensor<2>, bias: Tensor<1>) -> Self {
        Linear { weight: Param::from_tensor(weight), bias: Param::from_tensor(bias), gains: Gains::ONE }
    }

    /// W and b as they are used.
    fn effective(&self) -> (Tensor<2>, Tensor<1>) {
        (self.gains.weight(self.weight.val()), self.gains.bias(self.bias.val()))
    }

    /// `[n, inputs]` to `[n, outputs]`. Panics with both shapes when x does not fit.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.leaky(x, 1.0, None)
    }

    /// The same with leaky ReLU of this slope, and dropout after it, in one pass.
    pub fn leaky(&self, x: Tensor<2>, slope: f64, dropout: Option<Dropout>) -> Tensor<2> {
        let (weight, bias) = self.effective();
        linear(x, weight, bias, slope, dropout)
    }

    /// [`Linear::forward`] and its way back: g·Wᵀ.
    pub fn vjp(&self, x: Tensor<2>) -> (Tensor<2>, Pullback<2, 2>) {
        self.leaky_vjp(x, 1.0)
    }

    /// [`Linear::leaky`] without dropout, and its way back.
    pub fn leaky_vjp(&self, x: Tensor<2>, slope: f64) -> (Tensor<2>, Pullback<2, 2>) {
        let (weight, bias) = self.effective();
        let y = linear(x, weight.clone(), bias, slope, None);
        let back = move |gradient| {
            let none = Tensor::zeros([weight.dims()[0]], (&weight.device().without_autodiff(), weight.dtype()));
            linear(gradient, weight.transpose(), none, 1.0, None)
        };
        (y.clone(), chain(leaky_pullback(y, slope), Box::new(back)))
    }
}
