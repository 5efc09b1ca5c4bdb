//! The networks that draw: conditioning augmentation, and the two stages (Zhang et al. 2017, sections 3.2 to 3.4).

use burn::module::Param;
use burn::tensor::activation::tanh;
use burn::tensor::s;

use super::Config;
use super::parts::{Residual, entries, norm, repeated};
use crate::looks::sentences::WIDTH;
use crate::nn::{BatchNorm, Conv2d, ConvConfig, Init, Linear, Statistics, nearer};
use crate::prelude::*;

pub(super) const CHANNELS: usize = 3;
pub(super) const INIT: Init = Init::Normal { deviation: 0.02 };
pub(super) const SLOPE: f64 = 0.2;
/// Side of the smallest pictures, where a sentence becomes one.
pub(super) const START: usize = 4;

/// Conditioning augmentation: a sentence's vector `[n, 384]` to a condition `[n, condition]` that is drawn around it (section 3.2).
#[derive(Module, Debug)]
pub struct Augmentation {
    layer: Linear, // to μ and log σ, one after the other
}

impl Augmentation {
    fn new(condition: usize, draws: &Draws, name: &str, device: &Device) -> Self {
        Augmentation { layer: Linear::new([WIDTH, 2 * condition], INIT, 0.0, draws, name, device) }
    }

    /// c = μ + σ ε with ε `[n, condition]` from N(0, 1), and the divergence of N(μ, σ²) from it, averaged over all entries as the
    /// authors' code has it: `[1]` (equation 2).
    pub fn forward(&self, text: Tensor<2>, chance: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        let [_, condition] = chance.dims();
        let both = self.layer.leaky(entries(text), SLOPE, None);
        let (mean, log) = (both.clone().slice(s![.., ..condition]), both.slice(s![.., condition..]));
        let deviation = log.clone().exp();
        let divergence = (deviation.clone().square() + mean.clone().square() - 1.0) * 0.5 - log;
        (mean + deviation * chance, divergence.mean())
    }
}

/// Stage I: a sentence and z to a small picture (section 3.3).
#[derive(Module, Debug)]
pub struct First {
    pub(super) augmentation: Augmentation,
    joint: Linear, // of condition and z, to the smallest picture
    joint_norm: BatchNorm,
    smallest: Residual,
    ups: Vec<Conv2d>,      // each after a doubling of the sides
    norms: Vec<BatchNorm>, // after each of these but the last
    next: Residual,        // after the first of these
}

impl First {
    pub(super) fn new(config: &Config, draws: &Draws, device: &Device) -> Self {
        let doublings = (config.first_resolution / START).ilog2() as usize;
        let channels = |i: usize| config.width << (doublings - 1 - i); // after i doublings
        let name = |part: &str| format!("first.{part}");
        let up = |i: usize| {
            let outputs = if i + 1 == doublings { CHANNELS } else { channels(i + 1) };
            let same = ConvConfig::same([channels(i), outputs], 3, INIT);
            Conv2d::new(ConvConfig { bias: i + 1 == doublings, ..same }, draws, &name(&format!("ups.{i}")), device)
        };
        let start = channels(0) * START * START;
        let inputs = config.condition + config.latent;
        First {
            augmentation: Augmentation::new(config.condition, draws, &name("augmentation"), device),
            joint: Linear::new([inputs, start], INIT, 0.0, draws, &name("joint"), device),
            joint_norm: norm(start, device),
            smallest: Residual::narrow(channels(0), draws, &name("smallest"), device),
            ups: (0..doublings).map(up).collect(),
            norms: (1..doublings).map(|i| norm(channels(i), device)).collect(),
            next: Residual::narrow(channels(1), draws, &name("next"), device),
        }
    }

    /// The picture `[n, 3, first_resolution, ..]` in (-1, 1) of a condition and z `[n, latent]`; in training with room for what the
    /// batch `told` of its norms.
    fn picture(&self, condition: Tensor<2>, z: Tensor<2>, told: Option<&Statistics>) -> Tensor<4> {
        let joint = self.joint.forward(Tensor::cat(vec![condition, z], 1)); // [n, channels · 16]
        let joint = self.joint_norm.leaky(joint.reshape([0, 0, 1, 1]), 1.0, told);
        let h = self.smallest.forward(joint.reshape([0, -1, START as i32, START as i32]), 0.0, told);
        let mut h = h;
        for (i, up) in self.ups.iter().enumerate() {
            h = up.upsampled(h, 1.0); // [n, .., 8 · 2^i, ..]
            h = match (i, self.norms.get(i)) {
                (0, Some(norm)) => self.next.forward(norm.leaky(h, 1.0, told), 0.0, told),
                (_, Some(norm)) => norm.leaky(h, 0.0, told),
                (_, None) => tanh(h),
            };
        }
        h
    }

    /// The picture of a sentence `[n, 384]`, z and ε, and the divergence of the condition.
    pub fn forward(
        &self,
        text: Tensor<2>,
        [z, chance]: [Tensor<2>; 2],
        told: Option<&Statistics>,
    ) -> (Tensor<4>, Tensor<1>) {
        let (condition, divergence) = self.augmentation.forward(text, chance);
        (self.picture(condition, z, told), divergence)
    }
}

/// Stage II: a small picture and its sentence again to a larger one (section 3.4).
#[derive(Module, Debug)]
pub struct Second {
    augmentation: Augmentation,
    encode: Vec<Conv2d>,          // the first keeps the sides, the others halve them
    encode_norms: Vec<BatchNorm>, // after the others
    joint: Conv2d,                // of the picture and the condition
    joint_norm: BatchNorm,
    blocks: Vec<Residual>,
    ups: Vec<Conv2d>, // each after a doubling of the sides
    ups_norms: Vec<BatchNorm>,
    last: Conv2d,
    /// 1 once it is learning, 0 before, `[1]`; no gradient.
    begun: Param<Tensor<1>>,
}

impl Second {
    pub(super) fn new(config: &Config, draws: &Draws, device: &Device) -> Self {
        let Config { width, condition, blocks, .. } = *config;
        let conv =
            |part: String, convolution: ConvConfig| Conv2d::new(convolution, draws, &format!("second.{part}"), device);
        let without = |channels: [usize; 2]| ConvConfig { bias: false, ..ConvConfig::same(channels, 3, INIT) };
        let doublings = (config.resolution / (config.first_resolution / 4)).ilog2() as usize;
        let channels = |i: usize| ((4 * width) >> i).max(1); // after i doublings
        let begun = if config.first_kimg > 0.0 { 0.0 } else { 1.0 };
        Second {
            augmentation: Augmentation::new(condition, draws, "second.augmentation", device),
            encode: vec![
                conv("encode.0".into(), ConvConfig::same([CHANNELS, width], 3, INIT)),
                conv("encode.1".into(), ConvConfig::halving([width, 2 * width], false, INIT)),
                conv("encode.2".into(), ConvConfig::halving([2 * width, 4 * width], false, INIT)),
            ],
            encode_norms: [2, 4].map(|times| norm(times * width, device)).to_vec(),
            joint: conv("joint".into(), without([4 * width + condition, 4 * width])),
            joint_norm: norm(4 * width, device),
            blocks: (0..blocks)
                .map(|i| Residual::wide(4 * width, draws, &format!("second.blocks.{i}"), device))
                .collect(),
            ups: (0..doublings).map(|i| conv(format!("ups.{i}"), without([channels(i), channels(i + 1)]))).collect(),
            ups_norms: (0..doublings).map(|i| norm(channels(i + 1), device)).collect(),
            last: conv("last".into(), ConvConfig::same([channels(doublings), CHANNELS], 3, INIT)),
            begun: Param::from_tensor(Tensor::full([1], begun, device)).set_require_grad(false),
        }
    }

    /// The same once it is learning; in training.
    pub(super) fn at_work(self) -> Self {
        let one = self.begun.val().without_autodiff().ones_like();
        Second { begun: nearer(self.begun, one, 1.0), ..self }
    }

    /// Whether it has begun to learn.
    pub(super) fn is_at_work(&self) -> bool {
        self.begun.val().into_scalar::<f32>() > 0.0
    }

    /// The picture `[n, 3, resolution, ..]` in (-1, 1) of a small one, of its sentence and ε, and the divergence of the condition.
    pub fn forward(
        &self,
        small: Tensor<4>,
        text: Tensor<2>,
        chance: Tensor<2>,
        told: Option<&Statistics>,
    ) -> (Tensor<4>, Tensor<1>) {
        let (condition, divergence) = self.augmentation.forward(text, chance);
        let mut h = self.encode[0].leaky(small, 0.0);
        for (layer, norm) in self.encode[1..].iter().zip(&self.encode_norms) {
            h = norm.leaky(layer.forward(h), 0.0, told);
        }
        let side = h.dims()[2];
        h = Tensor::cat(vec![h, repeated(condition, side)], 1); // [n, 4 width + condition, side, side]
        h = self.joint_norm.leaky(self.joint.forward(h), 0.0, told);
        for block in &self.blocks {
            h = block.forward(h, 0.0, told);
        }
        for (layer, norm) in self.ups.iter().zip(&self.ups_norms) {
            h = norm.leaky(layer.upsampled(h, 1.0), 0.0, told);
        }
        (tanh(self.last.forward(h)), divergence)
    }
}
