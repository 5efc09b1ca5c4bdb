//! The networks that enlarge or mend pictures: ESRGAN's dense blocks, the compact network that Real-ESRGAN has beside them, the
//! residual blocks of the same authors' SRResNets, and SPAN.

use burn::module::{Module, Param};
use burn::tensor::activation::{sigmoid, silu};
use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use burn::tensor::{Device, Tensor, s};
use ganvas_kernels::{pixel_shuffle, pixel_unshuffle};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::nn::{Conv2d, ConvConfig, Init, Prelu};
use crate::random::Draws;

pub const CHANNELS: usize = 3;
/// How many times larger ESRGAN makes a picture.
pub const TIMES: usize = 4;
/// Side of the parts, in pixels of the large picture, that are brought to the full size one after the other.
pub const PART: usize = 256;
/// How far, in pixels of the small picture, what brings it to the full size sees: at twice the size less with every convolution,
/// so that at any size it is at most this.
const BEYOND: usize = 2;
/// What is farther away changes no pixel of a photograph by more than 1 of 255: measured at 57 pixels for the 23 blocks of
/// realesrgan-x4plus and 43 for the 6 of realesrgan-x4plus-anime, which could see 349 and 94.
const SHOWN: usize = 60;
pub(super) const SLOPE: f64 = 0.2;
/// β of ESRGAN's section 3.1: how much of a block's result joins what went in.
pub(super) const RESIDUAL: f64 = 0.2;
/// Of the convolutions within blocks, He's at a tenth (ESRGAN, section 3.1 and appendix A).
const SMALL: Init = Init::FanIn { gain: 0.1 * std::f64::consts::SQRT_2 };
/// Of the others: the variance of PyTorch's own.
const INIT: Init = Init::FanIn { gain: 0.577_350_269_189_625_8 };

/// Which network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// ESRGAN's residual in residual dense blocks.
    #[default]
    Rrdb,
    /// The same with two more residuals in each dense block (Rakotonirina and Rasoanaivo 2020, ESRGAN+, figure 2).
    RrdbPlus,
    /// Real-ESRGAN's for video and small machines: convolutions in a row, each with PReLU, and what is missing from the nearest pixel.
    Compact,
    /// SRResNet's residual blocks without norms, as the authors of ESRGAN modified them: what is missing from the bilinear picture.
    Msrresnet,
    /// SRResNet's residual blocks without norms, as the first code of ESRGAN's authors has them.
    Srresnet,
    /// SPAN's: blocks whose result says itself how much of it counts (Wan et al. 2024, Swift Parameter-free Attention Network).
    Span,
}

impl Network {
    /// By how many times it can enlarge.
    pub fn scales(self) -> &'static [usize] {
        match self {
            Network::Rrdb | Network::RrdbPlus => &[1, 2, 4, 8],
            Network::Compact | Network::Span => &[1, 2, 3, 4],
            Network::Msrresnet => &[2, 3, 4],
            Network::Srresnet => &[2, 3, 4, 8],
        }
    }

    /// Whether it is made of dense blocks.
    pub fn is_dense(self) -> bool {
        matches!(self, Network::Rrdb | Network::RrdbPlus)
    }

    /// Of leaky ReLU where the picture is brought to its size.
    fn slope(self) -> f64 {
        match self {
            Network::Rrdb | Network::RrdbPlus | Network::Compact | Network::Span => SLOPE,
            Network::Msrresnet => 0.1,
            Network::Srresnet => 0.0,
        }
    }
}

/// A network's sizes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sizes {
    pub network: Network,
    /// Blocks, or convolutions between the first and the last.
    pub blocks: usize,
    /// Channels of what goes from block to block.
    pub width: usize,
    /// Channels that each convolution of a dense block adds; networks without dense blocks have none.
    pub growth: usize,
    /// Channels of the picture: 3, or 1 for grey.
    pub channels: usize,
    /// How many pixels along a side go into one at the beginning, as channels.
    pub unshuffle: usize,
    /// How many times larger the network makes what it then has.
    pub times: usize,
    /// By what the size of the result is multiplied at the end.
    pub shrink: f64,
}

/// Pictures `[n, channels, h, w]` in [0, 1] to `[n, channels, s·h, s·w]` with s of [`Sizes::scale`], about in [0, 1]. The sides are
/// multiples of `unshuffle`.
#[derive(Module, Debug)]
pub struct Generator {
    pub(super) mean: Option<Param<Tensor<1>>>, // [channels], of the pictures that SPAN learned from
    pub(super) first: Conv2d,
    pub(super) dense: Vec<Conv2d>, // of every block three dense blocks of five convolutions
    pub(super) beside: Vec<Conv2d>, // of every dense block of ESRGAN+ one of 1x1
    pub(super) body: Vec<Conv2d>, // of residual blocks two each, and after the blocks; or those between the first and the last
    pub(super) slopes: Vec<Prelu>, // after the first and each of the body, in the compact network
    pub(super) up: Vec<Conv2d>, // of SPAN what joins its parts; else one at every size on the way to the full one, and once more there
    pub(super) last: Conv2d,
    #[module(skip)]
    sizes: Sizes,
}

impl Generator {
    pub fn new(sizes: Sizes, draws: &Draws, device: &Device) -> Self {
        let Sizes { network, blocks, width, growth, channels, unshuffle, times, .. } = sizes;
        let kernel = |name: String, sides: [usize; 2], kernel: usize, bias: bool, init| {
            let config = ConvConfig { bias, ..ConvConfig::same(sides, kernel, init) };
            Conv2d::new(config, draws, &format!("generator.{name}"), device)
        };
        let conv = |name: String, sides: [usize; 2], init| kernel(name, sides, 3, true, init);
        let dense = |i: usize| {
            let (inputs, is_last) = (width + i % 5 * growth, i % 5 == 4);
            conv(format!("dense.{i}"), [inputs, if is_last { width } else { growth }], SMALL)
        };
        let beside = |i: usize| kernel(format!("beside.{i}"), [width, growth], 1, false, SMALL);
        let body = |i: usize| conv(format!("body.{i}"), [width, width], INIT);
        let residual = |i: usize| conv(format!("body.{i}"), [width, width], SMALL);
        // To the pixels of a square, or to the same channels on a larger picture.
        let up = |(i, side): (usize, usize)| {
            let outputs = if network.is_dense() { width } else { width * side * side };
            conv(format!("up.{i}"), [width, outputs], INIT)
        };
        let stages = sizes.stages();
        let mut generator = Generator {
            mean: None,
            first: conv("first".into(), [channels * unshuffle * unshuffle, width], INIT),
            dense: Vec::new(),
            beside: Vec::new(),
            body: Vec::new(),
            slopes: Vec::new(),
            up: stages.iter().copied().enumerate().map(up).collect(),
            last: conv("last".into(), [width, channels], INIT),
            sizes,
        };
        if !matches!(network, Network::Compact | Network::Span) {
            generator.up.push(conv(format!("up.{}", stages.len()), [width, width], INIT));
        }
        match network {
            Network::Rrdb | Network::RrdbPlus => {
                generator.dense = (0..15 * blocks).map(dense).collect();
                generator.body = vec![body(0)];
                if network == Network::RrdbPlus {
                    generator.beside = (0..3 * blocks).map(beside).collect();
                }
            }
            Network::Compact => {
                generator.body = (0..blocks).map(body).collect();
                generator.slopes = (0..=blocks).map(|_| Prelu::new(width, device)).collect();
                generator.last = conv("last".into(), [width, channels * times * times], INIT);
            }
            Network::Span => {
                generator.mean = Some(Param::from_tensor(Tensor::full([channels], 0.5, device)));
                generator.body = (0..=3 * blocks).map(body).collect();
                generator.up = vec![kernel("up.0".into(), [4 * width, width], 1, true, INIT)];
                generator.last = conv("last".into(), [width, channels * times * times], INIT);
            }
            Network::Msrresnet => generator.body = (0..2 * blocks).map(residual).collect(),
            Network::Srresnet => {
                generator.body = (0..2 * blocks).map(residual).chain([body(2 * blocks)]).collect();
            }
        }
        generator
    }

    pub fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// How far, in pixels of the small picture, a pixel of the result sees; dense blocks no farther than shows in photographs.
    pub fn reach(&self) -> usize {
        let Sizes { network, blocks, unshuffle, shrink, .. } = self.sizes;
        let reach = match network {
            Network::Rrdb | Network::RrdbPlus => (15 * blocks + 2 + BEYOND).min(SHOWN),
            Network::Compact => blocks + 2 + usize::from(shrink < 1.0),
            Network::Msrresnet | Network::Srresnet => 2 * blocks + 2 + BEYOND,
            Network::Span => 3 * blocks + 3,
        };
        reach * unshuffle
    }

    /// y from x. Panics with the sides when `unshuffle` does not divide them.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let Sizes { network, unshuffle, times, shrink, .. } = self.sizes;
        let y = match network {
            Network::Rrdb | Network::RrdbPlus if unshuffle > 1 => self.by_dense_blocks(pixel_unshuffle(x, unshuffle)),
            Network::Rrdb | Network::RrdbPlus => self.by_dense_blocks(x),
            Network::Compact => self.in_a_row(x),
            Network::Msrresnet => {
                self.by_residual_blocks(x.clone()) + resized(x, times as f64, InterpolateMode::Bilinear)
            }
            Network::Srresnet => self.by_residual_blocks(x),
            Network::Span => self.by_attention(x),
        };
        if shrink == 1.0 { y } else { resized(y, shrink, InterpolateMode::Bicubic) }
    }

    /// The picture at the size that the network makes it, by cubic interpolation alone.
    pub fn without(&self, x: Tensor<4>) -> Tensor<4> {
        match self.sizes.scale() {
            1 => x,
            scale => resized(x, scale as f64, InterpolateMode::Bicubic),
        }
    }

    fn by_dense_blocks(&self, x: Tensor<4>) -> Tensor<4> {
        let first = self.first.forward(x); // [n, width, h, w]
        let h = self.dense.chunks(15).enumerate().fold(first.clone(), |h, (i, block)| {
            let dense = |h: Tensor<4>, (j, layers): (usize, &[Conv2d])| grown(h, layers, self.beside.get(3 * i + j));
            let inner = block.chunks(5).enumerate().fold(h.clone(), dense);
            inner * RESIDUAL + h
        });
        self.enlarged(self.body.iter().fold(h, |h, layer| layer.forward(h)) + first)
    }

    fn by_residual_blocks(&self, x: Tensor<4>) -> Tensor<4> {
        let blocks = |h: Tensor<4>| {
            let (pairs, _) = self.body.as_chunks::<2>();
            pairs.iter().fold(h, |h, [one, other]| other.forward(one.leaky(h.clone(), 0.0)) + h)
        };
        match self.body.len() % 2 {
            0 => self.enlarged(blocks(self.first.leaky(x, self.sizes.network.slope()))),
            _ => {
                let first = self.first.forward(x); // [n, width, h, w]
                let after = &self.body[self.body.len() - 1];
                self.enlarged(after.forward(blocks(first.clone())) + first)
            }
        }
    }

    /// What the blocks made, `[n, width, h, w]`, as a picture `times` as large.
    fn enlarged(&self, h: Tensor<4>) -> Tensor<4> {
        let [_, _, height, width] = h.dims();
        let part = PART / self.sizes.times;
        let along = |side: usize| (0..side).step_by(part).map(move |from| [from, (from + part).min(side)]);
        let rows = along(height).map(|rows| {
            let parts = along(width).map(|columns| self.part_enlarged(&h, rows, columns));
            Tensor::cat(parts.collect(), 3)
        });
        Tensor::cat(rows.collect(), 2)
    }

    /// The picture in these rows and columns of the last block's result `[n, width, h, w]`, at its full size. All that sees beyond
    /// them are the last convolutions, so that no more of the large maps is in memory than a part's.
    fn part_enlarged(&self, h: &Tensor<4>, [top, bottom]: [usize; 2], [left, right]: [usize; 2]) -> Tensor<4> {
        let [_, _, height, width] = h.dims();
        let Sizes { network, times, .. } = self.sizes;
        let (above, before) = (top.saturating_sub(BEYOND), left.saturating_sub(BEYOND));
        let (below, after) = ((bottom + BEYOND).min(height), (right + BEYOND).min(width));
        let part = h.clone().slice(s![.., .., above..below, before..after]);
        let stages = self.sizes.stages();
        let part = self.up.iter().enumerate().fold(part, |part, (i, layer)| match stages.get(i) {
            Some(_) if network.is_dense() => layer.upsampled(part, network.slope()),
            Some(side) => pixel_shuffle(layer.leaky(part, network.slope()), *side),
            None => layer.leaky(part, network.slope()),
        });
        let [rows, columns] = [[top - above, bottom - above], [left - before, right - before]];
        let [[top, bottom], [left, right]] = [rows, columns].map(|ends| ends.map(|end| times * end));
        self.last.forward(part).slice(s![.., .., top..bottom, left..right])
    }

    fn in_a_row(&self, x: Tensor<4>) -> Tensor<4> {
        let times = self.sizes.times;
        let layers = [&self.first].into_iter().chain(&self.body).zip(&self.slopes);
        let h = layers.fold(x.clone(), |h, (layer, slope)| slope.forward(layer.forward(h)));
        pixel_shuffle(self.last.forward(h), times) + nearest(x, times)
    }

    /// SPAN's blocks (equations 3 to 5): U = silu of the first convolution, V the third's, and (V + x) ⊙ (sigmoid(V) - 1/2). What the
    /// first convolution, the first block, the last's U and what follows the blocks make is joined.
    fn by_attention(&self, x: Tensor<4>) -> Tensor<4> {
        let x = match &self.mean {
            Some(mean) => x - mean.val().reshape([1, self.sizes.channels, 1, 1]),
            None => x,
        };
        let first = self.first.forward(x); // [n, width, h, w]
        let (blocks, after) = self.body.as_chunks::<3>();
        let (mut h, mut of_first, mut inner) = (first.clone(), first.clone(), first.clone());
        for (i, [one, two, three]) in blocks.iter().enumerate() {
            inner = silu(one.forward(h.clone()));
            let v = three.forward(silu(two.forward(inner.clone())));
            h = (v.clone() + h) * (sigmoid(v) - 0.5);
            if i == 0 {
                of_first = h.clone();
            }
        }
        let h = after.iter().fold(h, |h, layer| layer.forward(h));
        let joined = Tensor::cat(vec![first, h, of_first, inner], 1);
        let joined = self.up.iter().fold(joined, |joined, layer| layer.forward(joined));
        pixel_shuffle(self.last.forward(joined), self.sizes.times)
    }

    /// The convolutions in the order in which a picture goes through them.
    pub(super) fn convolutions(&mut self) -> Vec<&mut Conv2d> {
        let Generator { first, dense, beside, body, up, last, .. } = self;
        let mut beside = beside.iter_mut();
        let dense = dense.iter_mut().enumerate().flat_map(|(i, layer)| {
            let after = if i % 5 == 1 { beside.next() } else { None };
            [layer].into_iter().chain(after)
        });
        [first].into_iter().chain(dense).chain(body).chain(up).chain([last]).collect()
    }

    /// This network's weights by a share, another's of the same sizes by the rest.
    pub fn between(&self, other: &Generator, share: f64) -> Self {
        let (mut mixed, mut other) = (self.clone(), other.clone());
        for (layer, other) in mixed.convolutions().into_iter().zip(other.convolutions()) {
            layer.weight = mix(&layer.weight, &other.weight, share);
            layer.bias = layer.bias.as_ref().zip(other.bias.as_ref()).map(|(bias, other)| mix(bias, other, share));
        }
        mixed.mean = mixed.mean.as_ref().zip(other.mean.as_ref()).map(|(mean, other)| mix(mean, other, share));
        for (slope, other) in mixed.slopes.iter_mut().zip(&other.slopes) {
            slope.slope = mix(&slope.slope, &other.slope, share);
        }
        mixed
    }
}

impl Sizes {
    /// How many times larger a picture becomes; 1 where it keeps its size.
    pub fn scale(&self) -> usize {
        self.exact_scale().round() as usize
    }

    fn exact_scale(&self) -> f64 {
        self.times as f64 * self.shrink / self.unshuffle as f64
    }

    /// By what the sides grow, one step after the other, where convolutions bring them to the full size.
    pub fn stages(&self) -> Vec<usize> {
        match (self.network, self.times) {
            (Network::Compact | Network::Span, _) => Vec::new(),
            (_, 3) => vec![3],
            (_, times) => vec![2; times.ilog2() as usize],
        }
    }

    /// What is wrong with them, as one sentence with the way out.
    pub fn problem(&self) -> Option<String> {
        let Sizes { network, blocks, width, growth, channels, unshuffle, times, shrink } = *self;
        if !(1..=64).contains(&blocks) || !(1..=512).contains(&width) || !(1..=256).contains(&growth) {
            return Some("blocks must be 1 to 64, width 1 to 512 and growth 1 to 256".into());
        }
        if ![1, CHANNELS].contains(&channels) {
            return Some(format!("its pictures have {channels} channels; 1 and {CHANNELS} are known"));
        }
        if !network.scales().contains(&times) {
            return Some(format!("times is {times}; this network has {:?}", network.scales()));
        }
        if ![1, 2, 4].contains(&unshuffle) || (unshuffle > 1 && !network.is_dense()) {
            return Some(format!("unshuffle is {unshuffle}; give 1, or with dense blocks 2 or 4"));
        }
        if ![0.25, 0.5, 0.75, 1.0].contains(&shrink) {
            return Some(format!("shrink is {shrink}; give 0.25, 0.5, 0.75 or 1"));
        }
        let scale = self.exact_scale();
        (scale < 1.0 || scale.fract() != 0.0).then(|| {
            format!("times, unshuffle and shrink make pictures {scale} times as large; a whole number is needed")
        })
    }
}

/// A dense block: five convolutions, each on what went in and all results before it. With another of 1x1 beside the second, its result
/// joins the second's, and that the fourth's.
fn grown(x: Tensor<4>, layers: &[Conv2d], beside: Option<&Conv2d>) -> Tensor<4> {
    let mut seen = vec![x.clone()];
    for (i, layer) in layers[..4].iter().enumerate() {
        let y = layer.joined(&seen, SLOPE);
        seen.push(match (beside, i) {
            (Some(beside), 1) => y + beside.forward(x.clone()),
            (Some(_), 3) => y + seen[2].clone(),
            _ => y,
        });
    }
    layers[4].joined(&seen, 1.0) * RESIDUAL + x
}

/// Every pixel a square of `times` x `times`.
fn nearest(x: Tensor<4>, times: usize) -> Tensor<4> {
    if times == 1 {
        return x;
    }
    let [_, _, h, w] = x.dims();
    interpolate(x, InterpolateOptions::new(InterpolateMode::Nearest).with_output_size([times * h, times * w]))
}

/// The picture at so many times its size, by interpolation between pixels' centres without a filter against aliasing, as ncnn's and
/// PyTorch's.
fn resized(x: Tensor<4>, times: f64, way: InterpolateMode) -> Tensor<4> {
    let [_, _, h, w] = x.dims();
    let size = [h, w].map(|side| ((side as f64 * times) as usize).max(1));
    interpolate(x, InterpolateOptions::new(way).with_align_corners(false).with_output_size(size))
}

fn mix<const D: usize>(one: &Param<Tensor<D>>, other: &Param<Tensor<D>>, share: f64) -> Param<Tensor<D>> {
    Param::from_tensor(one.val() * share + other.val() * (1.0 - share))
}
