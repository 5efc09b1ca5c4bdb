//! Parts that the networks of StackGAN share.

use burn::tensor::Tensor;
use ganvas_kernels::{Act, bias_act};

use super::generator::INIT;
use crate::looks::sentences::WIDTH;
use crate::nn::{BatchNorm, Conv2d, ConvConfig, Statistics};
use crate::prelude::*;

const NORM_EPSILON: f64 = 1e-5;

/// Batch norm that begins as nothing but the norm.
pub(super) fn norm(channels: usize, device: &Device) -> BatchNorm {
    BatchNorm::new(Tensor::ones([channels], device), NORM_EPSILON)
}

/// Vectors of sentences `[n, 384]`, of length 1, so that their entries are about 1: what a layer with small weights hears at once.
pub(super) fn entries(text: Tensor<2>) -> Tensor<2> {
    text * (WIDTH as f64).sqrt()
}

/// A vector `[n, c]` at every pixel: `[n, c, side, side]`.
pub(super) fn repeated(vector: Tensor<2>, side: usize) -> Tensor<4> {
    let [n, c] = vector.dims();
    vector.reshape([n, c, 1, 1]).expand([n, c, side, side])
}

/// x + what convolutions make of it, each with a norm, and an activation after all but the last and after the sum.
#[derive(Module, Debug)]
pub struct Residual {
    layers: Vec<Conv2d>,
    norms: Vec<BatchNorm>,
}

impl Residual {
    /// Through a quarter of the channels: 1x1, 3x3, 3x3.
    pub(super) fn narrow(channels: usize, draws: &Draws, name: &str, device: &Device) -> Self {
        let inner = (channels / 4).max(1);
        Residual::of(&[[channels, inner, 1], [inner, inner, 3], [inner, channels, 3]], draws, name, device)
    }

    /// Through all channels: 3x3 twice.
    pub(super) fn wide(channels: usize, draws: &Draws, name: &str, device: &Device) -> Self {
        Residual::of(&[[channels, channels, 3]; 2], draws, name, device)
    }

    fn of(layers: &[[usize; 3]], draws: &Draws, name: &str, device: &Device) -> Self {
        let layer = |(i, [inputs, outputs, kernel]): (usize, &[usize; 3])| {
            let same = ConvConfig::same([*inputs, *outputs], *kernel, INIT);
            let config = ConvConfig { bias: false, ..same }; // a norm takes a bias away again
            Conv2d::new(config, draws, &format!("{name}.layers.{i}"), device)
        };
        Residual {
            norms: layers.iter().map(|[_, outputs, _]| norm(*outputs, device)).collect(),
            layers: layers.iter().enumerate().map(layer).collect(),
        }
    }

    /// With leaky ReLU of this slope, 0 for ReLU.
    pub(super) fn forward(&self, x: Tensor<4>, slope: f64, told: Option<&Statistics>) -> Tensor<4> {
        let mut h = x.clone();
        let last = self.layers.len() - 1;
        for (i, (layer, norm)) in self.layers.iter().zip(&self.norms).enumerate() {
            h = norm.leaky(layer.forward(h), if i == last { 1.0 } else { slope }, told);
        }
        bias_act(x + h, None, Act::Leaky(slope))
    }
}
