//! The network that judges whether a person beside another picture is real (Ma et al. 2017, section 3.2), DCGAN's with its inputs in
//! pairs.

use super::{CHANNELS, Config};
use crate::nn::{BatchNorm, Conv2d, ConvConfig, Init, Linear, Statistics};
use crate::prelude::*;

const INIT: Init = Init::Normal { deviation: 0.02 };
const SLOPE: f64 = 0.2;
const NORM_EPSILON: f64 = 1e-5;
/// Layers that halve the side; each but the first doubles the channels.
const LAYERS: usize = 4;

/// Two pictures of a person, `[n, 3, side, side]` each, to logits `[n, 1]`.
#[derive(Module, Debug)]
pub struct Critic {
    layers: Vec<Conv2d>,   // 5x5
    norms: Vec<BatchNorm>, // after each but the first
    last: Linear,
}

impl Critic {
    pub(super) fn new(config: &Config, draws: &Draws, device: &Device) -> Self {
        let channels = |i: usize| if i == 0 { 2 * CHANNELS } else { config.d_width << (i - 1) }; // before layer i
        let layer = |i: usize| {
            let same = ConvConfig::same([channels(i), channels(i + 1)], 5, INIT);
            let config = ConvConfig { stride: 2, bias: i == 0, ..same }; // a norm takes a bias away again
            Conv2d::new(config, draws, &format!("critic.layers.{i}"), device)
        };
        let norm = |i: usize| BatchNorm::new(Tensor::ones([channels(i + 1)], device), NORM_EPSILON);
        let side = config.resolution >> LAYERS;
        Critic {
            layers: (0..LAYERS).map(layer).collect(),
            norms: (1..LAYERS).map(norm).collect(),
            last: Linear::new([channels(LAYERS) * side * side, 1], INIT, 0.0, draws, "critic.last", device),
        }
    }

    /// Logits on what is given beside another picture.
    pub fn forward(&self, given: Tensor<4>, other: Tensor<4>, told: Option<&Statistics>) -> Tensor<2> {
        let mut h = self.layers[0].leaky(Tensor::cat(vec![given, other], 1), SLOPE);
        for (layer, norm) in self.layers[1..].iter().zip(&self.norms) {
            h = norm.leaky(layer.forward(h), SLOPE, told);
        }
        self.last.forward(h.flatten(1, 3))
    }
}
