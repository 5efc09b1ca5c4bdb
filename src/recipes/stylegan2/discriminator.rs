//! The critic: residual blocks that halve the picture, then one look at the whole batch.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::generator::{SLOPE, activation_gain};
use super::{Architecture, Config};
use crate::nn::{
    Conv2d, ConvConfig, Init, Linear, Pullback, blur, chain, halve, minibatch_deviation_vjp, resample_vjp,
};
use crate::random::Draws;

/// `[n, inputs, side, side]` to `[n, outputs, side/2, side/2]`.
#[derive(Module, Debug)]
struct Block {
    first: Conv2d,
    second: Conv2d,
    skip: Option<Conv2d>,
}

/// A convolution with equalised learning rate, multiplied by `gain` in use.
fn equalized(channels: [usize; 2], kernel: usize, gain: f64) -> ConvConfig {
    ConvConfig::same(channels, kernel, Init::Equalized { gain, rate: 1.0 })
}

impl Block {
    fn new(config: &Config, side: usize, draws: &Draws, device: &Device) -> Self {
        let channels @ [inputs, _] = [config.width_at(side), config.width_at(side / 2)];
        let residual = config.architecture == Architecture::Residual;
        let layer = |name, layer| Conv2d::new(layer, draws, &format!("discriminator.{side}.{name}"), device);
        // The sum of two results of variance 1 is brought back to 1 by √½.
        let share = if residual { 0.5_f64.sqrt() } else { 1.0 };
        let second = equalized(channels, 3, activation_gain() * share);
        let skip = ConvConfig { bias: false, ..equalized(channels, 1, share) };
        Block {
            first: layer("first", equalized([inputs, inputs], 3, activation_gain())),
            second: layer("second", ConvConfig { stride: 2, padding: 0, ..second }),
            skip: residual.then(|| layer("skip", skip)),
        }
    }

    fn vjp(&self, x: Tensor<4>) -> (Tensor<4>, Pullback<4, 4>) {
        let (h, through_first) = self.first.leaky_vjp(x.clone(), SLOPE);
        let (h, through_blur) = resample_vjp(h, &blur(2, 2, 1.0));
        let (h, through_second) = self.second.leaky_vjp(h, SLOPE);
        let main = chain(through_second, chain(through_blur, through_first));
        let Some(skip) = &self.skip else { return (h, main) };
        let (smaller, through_halve) = resample_vjp(x, &halve());
        let (aside, through_skip) = skip.vjp(smaller);
        let beside = chain(through_skip, through_halve);
        (h + aside, Box::new(move |gradient| main(gradient.clone()) + beside(gradient)))
    }
}

/// Pictures `[n, channels, resolution, resolution]` to logits `[n, 1]`.
#[derive(Module, Debug)]
pub struct Discriminator {
    picture: Conv2d,
    blocks: Vec<Block>,
    last: Conv2d,
    hidden: Linear,
    logit: Linear,
    #[module(skip)]
    group: usize,
}

impl Discriminator {
    pub(super) fn new(config: &Config, draws: &Draws, device: &Device) -> Self {
        let width = config.width_at(4);
        let gain = Init::Equalized { gain: activation_gain(), rate: 1.0 };
        let picture = equalized([config.channels, config.width_at(config.resolution)], 1, activation_gain());
        let last = equalized([width + 1, width], 3, activation_gain());
        let linear = |name, shape, init| Linear::new(shape, init, 0.0, draws, name, device);
        Discriminator {
            picture: Conv2d::new(picture, draws, "discriminator.picture", device),
            blocks: (1..config.blocks()).rev().map(|i| Block::new(config, 4 << i, draws, device)).collect(),
            last: Conv2d::new(last, draws, "discriminator.last", device),
            hidden: linear("discriminator.hidden", [width * 16, width], gain),
            logit: linear("discriminator.logit", [width, 1], Init::Equalized { gain: 1.0, rate: 1.0 }),
            group: config.deviation_group,
        }
    }

    pub(super) fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        self.vjp(x).0
    }

    /// Logits, and the way back to the gradient by x.
    pub(super) fn vjp(&self, x: Tensor<4>) -> (Tensor<2>, Pullback<2, 4>) {
        let (mut h, mut back) = self.picture.leaky_vjp(x, SLOPE);
        for block in &self.blocks {
            let (y, through) = block.vjp(h); // [n, width, side, side]
            (h, back) = (y, chain(through, back));
        }
        let (h, through_deviation) = minibatch_deviation_vjp(h, self.group);
        let (h, through_last) = self.last.leaky_vjp(h, SLOPE); // [n, width, 4, 4]
        let back = chain(through_last, chain(through_deviation, back));
        let shape = h.dims();
        let (h, through_hidden) = self.hidden.leaky_vjp(h.flatten(1, 3), SLOPE); // [n, width]
        let (logits, through_logit) = self.logit.vjp(h); // [n, 1]
        let flat = chain(through_logit, through_hidden);
        (logits, Box::new(move |gradient| back(flat(gradient).reshape(shape))))
    }
}
