//! A layer of a critic.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::{Conv2d, ConvConfig, Norm, Normalization, Pullback, chain};
use crate::random::Draws;

const EPSILON: f64 = 1e-5;

/// A convolution, and a norm after it where there is one.
#[derive(Module, Debug)]
pub struct NormedConv {
    conv: Conv2d,
    norm: Option<Normalization>,
}

impl NormedConv {
    /// At the start of training, without a bias where a norm takes it away again. `name` makes its draws its own.
    pub fn new(config: ConvConfig, norm: Norm, draws: &Draws, name: &str, device: &Device) -> Self {
        let norm = norm.over().map(|over| Normalization::new(over, config.outputs, EPSILON, device));
        let config = ConvConfig { bias: norm.is_none(), ..config };
        NormedConv { conv: Conv2d::new(config, draws, name, device), norm }
    }

    /// x `[n, inputs, h, w]` to y of the convolution's shape with leaky ReLU of this slope at the end, 1 for none; and the way back.
    pub fn leaky_vjp(&self, x: Tensor<4>, slope: f64) -> (Tensor<4>, Pullback<4, 4>) {
        let Some(norm) = &self.norm else { return self.conv.leaky_vjp(x, slope) };
        let (y, through) = self.conv.vjp(x);
        let (y, normal) = norm.leaky_vjp(y, slope);
        (y, chain(normal, through))
    }
}
