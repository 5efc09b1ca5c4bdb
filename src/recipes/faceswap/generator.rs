//! The networks that make faces: an encoder that all persons share, and a decoder for each.

use std::f64::consts::SQRT_2;

use burn::module::Param;
use burn::tensor::activation::softmax;
use burn::tensor::s;
use ganvas_kernels::{Act, Over, bias_act, pixel_shuffle};

use super::{CHANNELS, Config};
use crate::nn::{Conv2d, ConvConfig, Init, Linear, Normalization};
use crate::prelude::*;

pub(super) const SLOPE: f64 = 0.2;
const NORM_EPSILON: f64 = 1e-5;
/// Of layers whose result goes through no ReLU.
const PLAIN: Init = Init::FanIn { gain: 1.0 };
/// He's, as the published code has it before either ReLU.
pub(super) const INIT: Init = Init::FanIn { gain: SQRT_2 };
/// Of layers before a pixel shuffle.
const SHUFFLED: Init = Init::Shuffled { gain: SQRT_2 };
/// Side of the smallest pictures inside the encoder, and of what it gives to the decoders.
const SIDES: [usize; 2] = [4, 8];
/// Doublings of the side in a decoder after which it looks again at all of the face; more come after that, for larger pictures.
const DOUBLINGS: usize = 3;

/// What a network is built by: its draws, its name, its device, and whether there are norms.
#[derive(Clone, Copy)]
pub(super) struct Site<'a> {
    pub draws: &'a Draws,
    pub device: &'a Device,
    /// Whether layers have norms where the published code has them.
    pub norms: bool,
    /// The largest side of pictures that look at all of themselves.
    pub attention: usize,
}

impl Site<'_> {
    pub fn conv(&self, config: ConvConfig, name: &str) -> Conv2d {
        Conv2d::new(config, self.draws, name, self.device)
    }

    /// What looks at all of a picture of this side with so many channels, where the side is not too large.
    pub fn look(&self, channels: usize, side: usize, name: &str) -> Option<Attention> {
        (side <= self.attention).then(|| Attention::new(channels, self, &format!("{name}.look")))
    }
}

/// x + γ·o, with o what every place gathers of all others (Zhang et al. 2019, "Self-Attention Generative Adversarial Networks", section
/// 3), as the published code has it: at the full size, without spectral norms.
#[derive(Module, Debug)]
pub struct Attention {
    query: Conv2d,
    key: Conv2d, // a bias would add the same to all that one query is compared with
    value: Conv2d,
    gamma: Param<Tensor<1>>, // [1], 0 at the start
}

impl Attention {
    fn new(channels: usize, site: &Site, name: &str) -> Self {
        let few = (channels / 8).max(1);
        let point = |part: &str, outputs: usize, bias: bool| {
            site.conv(ConvConfig { bias, ..ConvConfig::same([channels, outputs], 1, PLAIN) }, &format!("{name}.{part}"))
        };
        Attention {
            query: point("query", few, true),
            key: point("key", few, false),
            value: point("value", channels, true),
            gamma: Param::from_tensor(Tensor::zeros([1], site.device)),
        }
    }

    /// x `[n, c, h, w]` to the same shape.
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let shape = x.dims();
        let [query, key, value] =
            [&self.query, &self.key, &self.value].map(|conv| conv.forward(x.clone()).flatten::<3>(2, 3));
        let attention = softmax(query.swap_dims(1, 2).matmul(key), 2); // [n, h·w, h·w]
        let gathered = value.matmul(attention.swap_dims(1, 2)).reshape(shape); // [n, c, h·w], then as x
        x + gathered * self.gamma.val().reshape([1, 1, 1, 1])
    }
}

/// A convolution and its ReLU, a norm over all of each picture, and a look at all of it, where there are those.
#[derive(Module, Debug)]
pub struct Stage {
    conv: Conv2d,
    norm: Option<Normalization>,
    look: Option<Attention>,
    #[module(skip)]
    slope: f64,
}

impl Stage {
    /// The norm is there when it `may` be and the configuration wants norms.
    pub fn new(config: ConvConfig, slope: f64, may: bool, look: Option<Attention>, site: &Site, name: &str) -> Self {
        // The published instance norm takes all channels of a picture together.
        let norm = || Normalization::new(Over::Layer, config.outputs, NORM_EPSILON, site.device);
        Stage { conv: site.conv(config, name), norm: (may && site.norms).then(norm), look, slope }
    }

    /// A 3x3 that keeps the size, without bias or norm, and ReLU.
    fn smooth(channels: usize, site: &Site, name: &str) -> Self {
        let config = ConvConfig { bias: false, ..ConvConfig::same([channels; 2], 3, INIT) };
        Stage::new(config, 0.0, false, None, site, name)
    }

    /// A 3x3 to four times the channels, which become pixels: `[n, inputs, h, w]` to `[n, outputs, 2h, 2w]` by [`Stage::doubled`].
    fn doubling([inputs, outputs]: [usize; 2], look: Option<Attention>, site: &Site, name: &str) -> Self {
        Stage::new(ConvConfig::same([inputs, 4 * outputs], 3, SHUFFLED), SLOPE, true, look, site, name)
    }

    fn before_look(&self, x: Tensor<4>) -> Tensor<4> {
        let h = self.conv.leaky(x, self.slope);
        self.norm.as_ref().map_or(h.clone(), |norm| norm.leaky(h, 1.0))
    }

    fn looked(&self, h: Tensor<4>) -> Tensor<4> {
        self.look.as_ref().map_or(h.clone(), |look| look.forward(h))
    }

    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.looked(self.before_look(x))
    }

    fn doubled(&self, x: Tensor<4>) -> Tensor<4> {
        self.looked(pixel_shuffle(self.before_look(x), 2))
    }
}

/// Faces `[n, 3, side, side]` to what is in them, `[n, 8 width, 8, 8]`, whoever it is.
#[derive(Module, Debug)]
pub struct Encoder {
    first: Conv2d, // 5x5
    downs: Vec<Stage>,
    code: Linear,
    decode: Linear,
    up: Stage,
}

impl Encoder {
    pub(super) fn new(config: &Config, site: &Site) -> Self {
        let Config { resolution, width, code, .. } = *config;
        let halvings = (resolution / SIDES[0]).ilog2() as usize;
        let channels = |i: usize| width << i.min(4); // after i halvings
        let down = |i: usize| {
            let name = format!("encoder.downs.{i}");
            let look = [1, 2].contains(&i).then(|| site.look(channels(i + 1), resolution >> (i + 1), &name)).flatten();
            let same = ConvConfig::same([channels(i), channels(i + 1)], 3, INIT);
            Stage::new(ConvConfig { stride: 2, bias: false, ..same }, 0.0, i > 0, look, site, &name)
        };
        let first = ConvConfig { bias: false, ..ConvConfig::same([CHANNELS, width], 5, PLAIN) };
        let smallest = channels(halvings) * SIDES[0] * SIDES[0];
        let linear = |part: &str, [from, to]: [usize; 2]| {
            Linear::glorot(site.draws, &format!("encoder.{part}"), from, to, site.device)
        };
        Encoder {
            first: site.conv(first, "encoder.first"),
            downs: (0..halvings).map(down).collect(),
            code: linear("code", [smallest, code]),
            decode: linear("decode", [code, smallest]),
            up: Stage::doubling([channels(halvings), 8 * width], None, site, "encoder.up"),
        }
    }

    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let h = self.downs.iter().fold(self.first.forward(x), |h, down| down.forward(h));
        let shape = h.dims(); // [n, channels, 4, 4]
        let code = self.code.forward(h.flatten::<2>(1, 3)); // [n, code]
        self.up.doubled(self.decode.forward(code).reshape(shape))
    }
}

/// What doubles the side once more: first a picture of what is there, for the loss alone, then the doubling.
#[derive(Module, Debug)]
struct More {
    early: Conv2d, // 5x5
    up: Stage,
    smooth: Stage,
}

/// What a decoder draws of n faces.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// The faces, `[n, 3, side, side]` in [-1, 1].
    pub face: Tensor<4>,
    /// Where they are to be seen, `[n, 1, side, side]` in [0, 1].
    pub alpha: Tensor<4>,
    /// The same faces at the sides before, the smallest first.
    pub early: Vec<Tensor<4>>,
}

impl Drawn {
    /// The faces over what was given, `[n, 3, side, side]`.
    pub fn over(&self, given: Tensor<4>) -> Tensor<4> {
        given.clone() + (self.face.clone() - given) * self.alpha.clone()
    }

    /// All of some, one after the other. Panics when there are none.
    pub fn joined(all: Vec<Drawn>) -> Self {
        let levels = all[0].early.len();
        let cat = |of: &dyn Fn(&Drawn) -> Tensor<4>| Tensor::cat(all.iter().map(of).collect(), 0);
        Drawn {
            face: cat(&|one| one.face.clone()),
            alpha: cat(&|one| one.alpha.clone()),
            early: (0..levels).map(|i| cat(&|one| one.early[i].clone())).collect(),
        }
    }
}

/// What is in faces, `[n, 8 width, 8, 8]`, to the faces of one person in it.
#[derive(Module, Debug)]
pub struct Decoder {
    ups: Vec<Stage>,
    residual: [Conv2d; 2],
    look: Option<Attention>, // or else
    smooth: Option<Stage>,
    more: Vec<More>,
    last: Conv2d, // 5x5 to alpha and to red, green, blue
}

impl Decoder {
    pub(super) fn new(config: &Config, person: usize, site: &Site) -> Self {
        let Config { resolution, width, .. } = *config;
        let of = |part: &str| format!("decoders.{person}.{part}");
        let doublings = (resolution / SIDES[1]).ilog2() as usize;
        let channels = |i: usize| (8 * width) >> i.min(3); // after i doublings
        let up = |i: usize| {
            let (name, side) = (of(&format!("ups.{i}")), SIDES[1] << (i + 1));
            let look = (i == 1).then(|| site.look(channels(i + 1), side, &name)).flatten();
            Stage::doubling([channels(i), channels(i + 1)], look, site, &name)
        };
        let inner = doublings.min(DOUBLINGS);
        let few = channels(inner);
        let smooth = |part: &str| Stage::smooth(few, site, &of(part));
        let residual = |i: usize| {
            let config = ConvConfig { bias: false, ..ConvConfig::same([few; 2], 3, INIT) };
            site.conv(config, &of(&format!("residual.{i}")))
        };
        let head = |outputs: usize, part: &str| site.conv(ConvConfig::same([few, outputs], 5, PLAIN), &of(part));
        let more = |i: usize| More {
            early: head(CHANNELS, &format!("more.{i}.early")),
            up: Stage::doubling([few; 2], None, site, &of(&format!("more.{i}.up"))),
            smooth: smooth(&format!("more.{i}.smooth")),
        };
        let look = site.look(few, SIDES[1] << inner, &of("looked"));
        Decoder {
            ups: (0..inner).map(up).collect(),
            residual: [0, 1].map(residual),
            smooth: look.is_none().then(|| smooth("looked")),
            look,
            more: (inner..doublings).map(more).collect(),
            last: head(1 + CHANNELS, "last"),
        }
    }

    pub fn forward(&self, x: Tensor<4>) -> Drawn {
        let h = self.ups.iter().fold(x, |h, up| up.doubled(h));
        let [first, second] = &self.residual;
        let h = bias_act(second.forward(first.leaky(h.clone(), SLOPE)) + h, None, Act::Leaky(SLOPE));
        let h = self.look.as_ref().map_or(h.clone(), |look| look.forward(h));
        let mut h = self.smooth.as_ref().map_or(h.clone(), |smooth| smooth.forward(h));
        let mut early = Vec::with_capacity(self.more.len());
        for more in &self.more {
            early.push(bias_act(more.early.forward(h.clone()), None, Act::Tanh));
            h = more.smooth.forward(more.up.doubled(h));
        }
        let both = self.last.forward(h); // [n, 4, side, side]
        let alpha = bias_act(both.clone().slice(s![.., 0..1]), None, Act::Sigmoid);
        Drawn { face: bias_act(both.slice(s![.., 1..]), None, Act::Tanh), alpha, early }
    }
}
