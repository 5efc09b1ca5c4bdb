//! The network that judges whether a picture is real and goes with a sentence (Zhang et al. 2017, sections 3.3 and 3.4).

use super::Config;
use super::generator::{CHANNELS, INIT, SLOPE, START};
use super::parts::{Residual, norm, repeated};
use crate::looks::sentences::WIDTH;
use crate::nn::{BatchNorm, Conv2d, ConvConfig, Linear, Statistics};
use crate::prelude::*;

/// Layers that halve the side double the channels; 1x1 layers bring them down to this many times the width again.
const MOST: usize = 8;

/// Pictures `[n, 3, side, side]` and vectors of sentences `[n, 384]` to logits `[n, 1]`.
#[derive(Module, Debug)]
pub struct Critic {
    layers: Vec<Conv2d>,   // 4x4 that halve the side to 4, then 1x1 that halve the channels
    norms: Vec<BatchNorm>, // after each but the first
    residual: Residual,
    text: Linear,
    joint: Conv2d, // of the picture and the sentence
    joint_norm: BatchNorm,
    last: Conv2d,
}

impl Critic {
    /// For pictures of this side; `name` makes its draws its own.
    pub(super) fn new(config: &Config, side: usize, name: &str, draws: &Draws, device: &Device) -> Self {
        let (width, condition) = (config.d_width, config.condition);
        let conv =
            |part: String, convolution: ConvConfig| Conv2d::new(convolution, draws, &format!("{name}.{part}"), device);
        let halvings = (side / START).ilog2() as usize;
        let mut plan = vec![ConvConfig::halving([CHANNELS, width], true, INIT)];
        plan.extend((1..halvings).map(|i| ConvConfig::halving([width << (i - 1), width << i], false, INIT)));
        let mut channels = width << (halvings - 1);
        while channels > MOST * width {
            plan.push(ConvConfig { bias: false, ..ConvConfig::same([channels, channels / 2], 1, INIT) });
            channels /= 2;
        }
        let joint = ConvConfig { bias: false, ..ConvConfig::same([channels + condition, channels], 1, INIT) };
        let whole = ConvConfig { padding: 0, ..ConvConfig::same([channels, 1], START, INIT) };
        Critic {
            norms: plan[1..].iter().map(|layer| norm(layer.outputs, device)).collect(),
            layers: plan.into_iter().enumerate().map(|(i, layer)| conv(format!("layers.{i}"), layer)).collect(),
            residual: Residual::narrow(channels, draws, &format!("{name}.residual"), device),
            text: Linear::new([WIDTH, condition], INIT, 0.0, draws, &format!("{name}.text"), device),
            joint: conv("joint".into(), joint),
            joint_norm: norm(channels, device),
            last: conv("last".into(), whole),
        }
    }

    /// What it sees of pictures: `[n, channels, 4, 4]`.
    pub fn seen(&self, pictures: Tensor<4>, told: Option<&Statistics>) -> Tensor<4> {
        let mut h = self.layers[0].leaky(pictures, SLOPE);
        for (i, (layer, norm)) in self.layers[1..].iter().zip(&self.norms).enumerate() {
            // The authors' code has no activation before the last layer but one of Stage I either; their text knows no reason.
            let slope = if i + 1 == self.norms.len() { 1.0 } else { SLOPE };
            h = norm.leaky(layer.forward(h), slope, told);
        }
        self.residual.forward(h, SLOPE, told)
    }

    /// Logits on what it sees with sentences.
    pub fn judged(&self, seen: Tensor<4>, text: Tensor<2>, told: Option<&Statistics>) -> Tensor<2> {
        let text = repeated(self.text.leaky(text, SLOPE, None), START);
        let h = self.joint.forward(Tensor::cat(vec![seen, text], 1));
        self.last.forward(self.joint_norm.leaky(h, SLOPE, told)).flatten(1, 3)
    }
}
