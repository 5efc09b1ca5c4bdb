//! The networks that draw a person in another pose: first the whole, then the difference to what is finer (Ma et al. 2017, sections 3.1
//! and 3.2).

use super::{CHANNELS, Config};
use crate::looks::squeezenet::enlarged;
use crate::media::JOINTS;
use crate::nn::{Conv2d, ConvConfig, Init, Linear};
use crate::prelude::*;

const INIT: Init = Init::FanIn { gain: 1.0 }; // as Glorot's of the published code, where a layer has as many outputs as inputs
/// Side of the smallest pictures.
const LEAST: usize = 8;

/// x + what two 3x3 convolutions make of it, each with ReLU.
#[derive(Module, Debug)]
struct Residual {
    convs: [Conv2d; 2],
}

impl Residual {
    fn new(channels: usize, draws: &Draws, name: &str, device: &Device) -> Self {
        let same = ConvConfig::same([channels; 2], 3, INIT);
        Residual { convs: [0, 1].map(|i| Conv2d::new(same, draws, &format!("{name}.{i}"), device)) }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.convs.iter().fold(x.clone(), |h, conv| conv.leaky(h, 0.0)) + x
    }
}

/// A picture `[n, inputs, side, side]` to what it shows at each of `levels` sizes, every one half the one before:
/// `[n, width (i + 1), side / 2^i, ..]`.
#[derive(Module, Debug)]
struct Encoder {
    first: Conv2d,
    blocks: Vec<Residual>,
    downs: Vec<Conv2d>, // 3x3 that halve the sides, after each but the last
}

impl Encoder {
    fn new([inputs, width]: [usize; 2], levels: usize, draws: &Draws, name: &str, device: &Device) -> Self {
        let conv = |part: String, config| Conv2d::new(config, draws, &format!("{name}.{part}"), device);
        let halving =
            |i: usize| ConvConfig { stride: 2, ..ConvConfig::same([width * (i + 1), width * (i + 2)], 3, INIT) };
        Encoder {
            first: conv("first".into(), ConvConfig::same([inputs, width], 3, INIT)),
            blocks: (0..levels)
                .map(|i| Residual::new(width * (i + 1), draws, &format!("{name}.blocks.{i}"), device))
                .collect(),
            downs: (0..levels - 1).map(|i| conv(format!("downs.{i}"), halving(i))).collect(),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Vec<Tensor<4>> {
        let mut seen = Vec::with_capacity(self.blocks.len());
        let mut h = self.first.leaky(x, 0.0);
        for (i, block) in self.blocks.iter().enumerate() {
            h = block.forward(h);
            seen.push(h.clone());
            if let Some(down) = self.downs.get(i) {
                h = down.leaky(h, 0.0);
            }
        }
        seen
    }
}

/// The way back: at each size what comes from the smaller one beside what the encoder saw there, to a picture `[n, 3, side, side]`.
#[derive(Module, Debug)]
struct Decoder {
    blocks: Vec<Residual>, // from the smallest size on
    ups: Vec<Conv2d>,      // 1x1 to the channels of the next size, after each but the last
    last: Conv2d,
}

impl Decoder {
    /// `beside` channels come to those of the encoder at the smallest size.
    fn new([beside, width]: [usize; 2], levels: usize, last: Init, draws: &Draws, name: &str, device: &Device) -> Self {
        let conv = |part: String, config| Conv2d::new(config, draws, &format!("{name}.{part}"), device);
        // At level i, 0 for the full size.
        let channels = |i: usize| width * (i + 1) + if i + 1 == levels { beside } else { width * (i + 1) };
        Decoder {
            blocks: (0..levels)
                .rev()
                .map(|i| Residual::new(channels(i), draws, &format!("{name}.blocks.{i}"), device))
                .collect(),
            ups: (1..levels)
                .rev()
                .map(|i| conv(format!("ups.{i}"), ConvConfig::same([channels(i), width * i], 1, INIT)))
                .collect(),
            last: conv("last".into(), ConvConfig::same([channels(0), CHANNELS], 3, last)),
        }
    }

    /// `h` is what begins at the smallest size; none where that is the encoder's alone.
    fn forward(&self, mut h: Option<Tensor<4>>, mut seen: Vec<Tensor<4>>) -> Tensor<4> {
        for (i, block) in self.blocks.iter().enumerate() {
            let both = h.into_iter().chain(seen.pop()).collect();
            let now = block.forward(Tensor::cat(both, 1));
            // A 1x1 before the doubling is the same as after it, for a quarter of the work.
            h = Some(match self.ups.get(i) {
                Some(up) => enlarged(up.leaky(now, 0.0), 2),
                None => self.last.forward(now),
            });
        }
        h.unwrap_or_else(|| unreachable!("a decoder has a level"))
    }
}

/// G1: a person and the heat maps of a pose to the whole of that person in it.
#[derive(Module, Debug)]
pub struct First {
    encoder: Encoder,
    code: Linear, // what all the picture is put into
    decode: Linear,
    decoder: Decoder,
}

impl First {
    pub(super) fn new(config: &Config, draws: &Draws, device: &Device) -> Self {
        let Config { width, code, .. } = *config;
        let levels = config.levels();
        let smallest = LEAST * LEAST * width;
        let linear = |shape, part: &str| Linear::new(shape, INIT, 0.0, draws, &format!("first.{part}"), device);
        First {
            encoder: Encoder::new([CHANNELS + JOINTS, width], levels, draws, "first.encoder", device),
            code: linear([smallest * levels, code], "code"),
            decode: linear([code, smallest], "decode"),
            decoder: Decoder::new([width, width], levels, INIT, draws, "first.decoder", device),
        }
    }

    /// Persons `[n, 3, side, side]` and heat maps `[n, 17, side, side]` to `[n, 3, side, side]`.
    pub fn forward(&self, given: Tensor<4>, maps: Tensor<4>) -> Tensor<4> {
        let n = given.dims()[0];
        let seen = self.encoder.forward(Tensor::cat(vec![given, maps], 1));
        let smallest = seen.last().unwrap_or_else(|| unreachable!("an encoder has a level")).clone();
        let code = self.code.forward(smallest.flatten::<2>(1, 3)); // [n, code]
        let h = self.decode.forward(code).reshape([n as i32, -1, LEAST as i32, LEAST as i32]);
        self.decoder.forward(Some(h), seen)
    }
}

/// G2: what the first stage drew and the person to the difference that makes the one look like the other.
#[derive(Module, Debug)]
pub struct Second {
    encoder: Encoder,
    decoder: Decoder,
}

impl Second {
    pub(super) fn new(config: &Config, draws: &Draws, device: &Device) -> Self {
        let (width, levels) = (config.width, config.levels().saturating_sub(2).max(1));
        let nothing = Init::FanIn { gain: 0.0 }; // so the stage begins with what the first one draws
        Second {
            encoder: Encoder::new([2 * CHANNELS, width], levels, draws, "second.encoder", device),
            decoder: Decoder::new([0, width], levels, nothing, draws, "second.decoder", device),
        }
    }

    /// Both `[n, 3, side, side]`, and so is the difference.
    pub fn forward(&self, drawn: Tensor<4>, given: Tensor<4>) -> Tensor<4> {
        let seen = self.encoder.forward(Tensor::cat(vec![drawn, given], 1));
        self.decoder.forward(None, seen)
    }
}

/// How often the sides are halved, and one: the smallest pictures have 8 pixels a side.
pub(super) fn levels(side: usize) -> usize {
    (side / LEAST).ilog2() as usize + 1
}
