//! The networks that enlarge pictures: ESRGAN's dense blocks, and the compact one that Real-ESRGAN has beside them.

use burn::module::{Module, Param};
use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use burn::tensor::{Device, Tensor, TensorData, s};
use ganvas_kernels::pixel_shuffle;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::device;
use crate::foreign::Part;
use crate::ncnn::{Layer, Op};
use crate::nn::{Conv2d, ConvConfig, Init, Prelu};
use crate::random::Draws;

pub const CHANNELS: usize = 3;
/// How many times larger the networks make a picture.
pub const TIMES: usize = 4;
/// Side of the parts, in pixels of the small picture, that are brought to the full size one after the other.
pub const PART: usize = 64;
/// How far the four convolutions see that do so: one at twice the size, three at four times, 5/4 of a pixel.
const BEYOND: usize = 2;
/// What is farther away changes no pixel of a photograph by more than 1 of 255: measured at 57 pixels for the 23 blocks of
/// realesrgan-x4plus and 43 for the 6 of realesrgan-x4plus-anime, which could see 349 and 94.
const SHOWN: usize = 60;
const SLOPE: f64 = 0.2;
/// β of ESRGAN's section 3.1: how much of a block's result joins what went in.
const RESIDUAL: f64 = 0.2;
/// Of the dense blocks' convolutions, He's at a tenth (ESRGAN, section 3.1 and appendix A).
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
    /// Real-ESRGAN's for video and small machines: convolutions in a row, each with PReLU, and what is missing from the nearest pixel.
    Compact,
}

/// A network's sizes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sizes {
    pub network: Network,
    /// Blocks, or convolutions between the first and the last.
    pub blocks: usize,
    /// Channels of what goes from block to block.
    pub width: usize,
    /// Channels that each convolution of a dense block adds; the compact network has none.
    pub growth: usize,
    /// By what the size of the result is multiplied at the end.
    pub shrink: f64,
}

/// Pictures `[n, 3, h, w]` in [0, 1] to `[n, 3, 4·shrink·h, 4·shrink·w]`, about in [0, 1].
#[derive(Module, Debug)]
pub struct Generator {
    first: Conv2d,
    dense: Vec<Conv2d>, // of every block three dense blocks of five convolutions
    body: Vec<Conv2d>,  // after the blocks; or the convolutions between the first and the last
    slopes: Vec<Prelu>, // after the first and each of the body, in the compact network
    up: Vec<Conv2d>,    // on twice the size, on four times, and once more there
    last: Conv2d,
    #[module(skip)]
    sizes: Sizes,
}

impl Generator {
    pub fn new(sizes: Sizes, draws: &Draws, device: &Device) -> Self {
        let Sizes { network, blocks, width, growth, .. } = sizes;
        let conv = |name: String, channels: [usize; 2], init| {
            Conv2d::new(ConvConfig::same(channels, 3, init), draws, &format!("generator.{name}"), device)
        };
        let first = conv("first".into(), [CHANNELS, width], INIT);
        let dense = |i: usize| {
            let (inputs, is_last) = (width + i % 5 * growth, i % 5 == 4);
            conv(format!("dense.{i}"), [inputs, if is_last { width } else { growth }], SMALL)
        };
        let same = |part: &str, count: usize| {
            (0..count).map(|i| conv(format!("{part}.{i}"), [width, width], INIT)).collect::<Vec<_>>()
        };
        let mut generator = Generator {
            first,
            dense: Vec::new(),
            body: Vec::new(),
            slopes: Vec::new(),
            up: Vec::new(),
            last: conv("last".into(), [width, CHANNELS], INIT),
            sizes,
        };
        match network {
            Network::Rrdb => {
                generator.dense = (0..15 * blocks).map(dense).collect();
                generator.body = same("body", 1);
                generator.up = same("up", 3);
            }
            Network::Compact => {
                generator.body = same("body", blocks);
                generator.slopes = (0..=blocks).map(|_| Prelu::new(width, device)).collect();
                generator.last = conv("last".into(), [width, CHANNELS * TIMES * TIMES], INIT);
            }
        }
        generator
    }

    pub fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// How far, in pixels of the small picture, a pixel of the result sees; dense blocks no farther than shows in photographs.
    pub fn reach(&self) -> usize {
        match self.sizes.network {
            Network::Rrdb => (15 * self.sizes.blocks + 4).min(SHOWN),
            Network::Compact => self.sizes.blocks + 2 + usize::from(self.sizes.shrink < 1.0),
        }
    }

    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = match self.sizes.network {
            Network::Rrdb => self.by_blocks(x),
            Network::Compact => self.in_a_row(x),
        };
        if self.sizes.shrink == 1.0 { y } else { shrunk(y, self.sizes.shrink) }
    }

    fn by_blocks(&self, x: Tensor<4>) -> Tensor<4> {
        let first = self.first.forward(x); // [n, width, h, w]
        let h = self.dense.chunks(15).fold(first.clone(), |h, block| {
            let inner = block.chunks(5).fold(h.clone(), grown);
            inner * RESIDUAL + h
        });
        let h = self.body.iter().fold(h, |h, layer| layer.forward(h)) + first;
        let [_, _, height, width] = h.dims();
        let along = |side: usize| (0..side).step_by(PART).map(move |from| [from, (from + PART).min(side)]);
        let rows = along(height).map(|rows| {
            let parts = along(width).map(|columns| self.part_enlarged(&h, rows, columns));
            Tensor::cat(parts.collect(), 3)
        });
        Tensor::cat(rows.collect(), 2)
    }

    /// The picture in these rows and columns of the last block's result `[n, width, h, w]`, at its full size. All that sees beyond
    /// them are four convolutions, so that no more of the large maps is in memory than a part's.
    fn part_enlarged(&self, h: &Tensor<4>, [top, bottom]: [usize; 2], [left, right]: [usize; 2]) -> Tensor<4> {
        let [_, _, height, width] = h.dims();
        let (above, before) = (top.saturating_sub(BEYOND), left.saturating_sub(BEYOND));
        let (below, after) = ((bottom + BEYOND).min(height), (right + BEYOND).min(width));
        let mut part = h.clone().slice(s![.., .., above..below, before..after]);
        for (i, layer) in self.up.iter().enumerate() {
            part = match i {
                0 | 1 => layer.upsampled(part, SLOPE),
                _ => layer.leaky(part, SLOPE),
            };
        }
        let [rows, columns] = [[top - above, bottom - above], [left - before, right - before]];
        let [[top, bottom], [left, right]] = [rows, columns].map(|ends| ends.map(|end| TIMES * end));
        self.last.forward(part).slice(s![.., .., top..bottom, left..right])
    }

    fn in_a_row(&self, x: Tensor<4>) -> Tensor<4> {
        let layers = [&self.first].into_iter().chain(&self.body).zip(&self.slopes);
        let h = layers.fold(x.clone(), |h, (layer, slope)| slope.forward(layer.forward(h)));
        pixel_shuffle(self.last.forward(h), TIMES) + nearest(x, TIMES)
    }

    /// The convolutions in the order in which a picture goes through them.
    fn convolutions(&mut self) -> Vec<&mut Conv2d> {
        let Generator { first, dense, body, up, last, .. } = self;
        [first].into_iter().chain(dense).chain(body).chain(up).chain([last]).collect()
    }

    /// This network's weights by a share, another's of the same sizes by the rest.
    pub fn between(&self, other: &Generator, share: f64) -> Self {
        let (mut mixed, mut other) = (self.clone(), other.clone());
        for (layer, other) in mixed.convolutions().into_iter().zip(other.convolutions()) {
            layer.weight = mix(&layer.weight, &other.weight, share);
            layer.bias = layer.bias.as_ref().zip(other.bias.as_ref()).map(|(bias, other)| mix(bias, other, share));
        }
        for (slope, other) in mixed.slopes.iter_mut().zip(&other.slopes) {
            slope.slope = mix(&slope.slope, &other.slope, share);
        }
        mixed
    }

    /// The network whose layers these are, with their numbers; or why it is none of ours.
    pub fn of_ncnn(layers: &[Layer], device: &Device) -> Result<Self, String> {
        let sizes = sizes_of(layers).ok_or("it is no network of ESRGAN's kind: its first layers are others")?;
        let wanted = plan(&sizes);
        for (i, (op, inputs)) in wanted.iter().enumerate() {
            let found = layers.get(i).ok_or_else(|| format!("it ends where a layer {op:?} should follow"))?;
            if (&found.op, &found.inputs) != (op, inputs) {
                return Err(format!("its layer {} is {:?} and should be {op:?}", found.name, found.op));
            }
        }
        if let Some(more) = layers.get(wanted.len()) {
            return Err(format!("its layer {} comes after what should be the last", more.name));
        }
        let mut generator = Generator::new(sizes, &Draws::new(0, 0), device);
        let convolutions = layers.iter().filter(|layer| matches!(layer.op, Op::Convolution { .. }));
        for (layer, found) in generator.convolutions().into_iter().zip(convolutions) {
            fill(layer, &found.numbers[0], &found.numbers[1], device);
        }
        let slopes = layers.iter().filter(|layer| matches!(layer.op, Op::Prelu { .. }));
        for (layer, found) in generator.slopes.iter_mut().zip(slopes) {
            layer.slope = parameter(&found.numbers[0], device);
        }
        Ok(generator)
    }

    /// The network of ESRGAN's and Real-ESRGAN's authors, by their names or by whatever others; none where the shapes are no such
    /// network's.
    pub fn of_tensors(part: &Part, device: &Device) -> Option<Result<Self, String>> {
        let sizes = sizes_of_shapes(part)?;
        if let Some(problem) = sizes.problem() {
            return Some(Err(problem));
        }
        let (convolutions, slopes) = names(&sizes, part.sides().any(|(name, _)| name == "trunk_conv.weight"));
        // All is looked at before any room is made for it.
        let shapes = plan(&sizes).into_iter().filter_map(|(op, _)| match op {
            Op::Convolution { inputs, outputs, kernel, .. } => Some([outputs, inputs, kernel, kernel]),
            _ => None,
        });
        // In the order of the modules: a slope comes after its convolution.
        let wanted = convolutions.iter().zip(shapes).enumerate().flat_map(|(i, (name, shape))| {
            let slope = slopes.get(i).map(|slope| (format!("{slope}.weight"), vec![sizes.width]));
            let convolution = [("weight", shape.to_vec()), ("bias", shape[..1].to_vec())];
            convolution.map(|(role, sides)| (format!("{name}.{role}"), sides)).into_iter().chain(slope)
        });
        Some(part.tensors(&wanted.collect::<Vec<_>>()).map(|tensors| {
            let mut generator = Generator::new(sizes, &Draws::new(0, 0), device);
            for (layer, name) in generator.convolutions().into_iter().zip(&convolutions) {
                fill(layer, &tensors[&format!("{name}.weight")], &tensors[&format!("{name}.bias")], device);
            }
            for (layer, name) in generator.slopes.iter_mut().zip(&slopes) {
                layer.slope = parameter(&tensors[&format!("{name}.weight")], device);
            }
            generator
        }))
    }
}

/// What the shapes of a network's tensors say, in whatever order they are: of one kernel that takes a picture, and of one that makes
/// it of dense blocks' channels or the pixels of a square each.
fn sizes_of_shapes(part: &Part) -> Option<Sizes> {
    let kernels = part.sides().filter_map(|(_, sides)| match *sides {
        [outputs, inputs, 3, 3] => Some([outputs, inputs]),
        _ => None,
    });
    let kernels = kernels.collect::<Vec<_>>();
    let count = |wanted: [usize; 2]| kernels.iter().filter(|kernel| **kernel == wanted).count();
    let width = kernels.iter().find(|[outputs, inputs]| *inputs == CHANNELS && *outputs != CHANNELS)?[0];
    let last_of_five = |growth: usize| [width, width.saturating_add(growth.saturating_mul(4))];
    let grows = |[outputs, inputs]: &&[usize; 2]| *inputs == width && count(last_of_five(*outputs)) > 0;
    if let Some([growth, _]) = kernels.iter().find(grows) {
        let blocks = count(last_of_five(*growth)).div_ceil(3);
        return Some(Sizes { network: Network::Rrdb, blocks, width, growth: *growth, shrink: 1.0 });
    }
    let last = [CHANNELS * TIMES * TIMES, width];
    let blocks = count([width, width]).checked_sub(usize::from(last == [width, width]))?;
    let sizes = Sizes { network: Network::Compact, blocks, width, growth: 1, shrink: 1.0 };
    (count(last) > 0).then_some(sizes)
}

/// What PyTorch calls the convolutions, in their order, and the slopes; as in the first release of ESRGAN or as since.
fn names(sizes: &Sizes, is_first_release: bool) -> (Vec<String>, Vec<String>) {
    if sizes.network == Network::Compact {
        let body = |i: usize| format!("body.{i}");
        return (
            (0..sizes.blocks + 2).map(|i| body(2 * i)).collect(),
            (0..=sizes.blocks).map(|i| body(2 * i + 1)).collect(),
        );
    }
    let dense = |i: usize| {
        let (block, dense, layer) = (i / 15, i / 5 % 3 + 1, i % 5 + 1);
        match is_first_release {
            true => format!("RRDB_trunk.{block}.RDB{dense}.conv{layer}"),
            false => format!("body.{block}.rdb{dense}.conv{layer}"),
        }
    };
    let after = match is_first_release {
        true => ["trunk_conv", "upconv1", "upconv2", "HRconv"],
        false => ["conv_body", "conv_up1", "conv_up2", "conv_hr"],
    };
    let after = after.into_iter().chain(["conv_last"]).map(str::to_owned);
    (["conv_first".to_owned()].into_iter().chain((0..15 * sizes.blocks).map(dense)).chain(after).collect(), Vec::new())
}

impl Sizes {
    /// How many times larger a picture becomes.
    pub fn times(&self) -> usize {
        (TIMES as f64 * self.shrink).round() as usize
    }

    /// What is wrong with them, as one sentence with the way out.
    pub fn problem(&self) -> Option<String> {
        let Sizes { blocks, width, growth, shrink, .. } = *self;
        if !(1..=64).contains(&blocks) || !(1..=512).contains(&width) || !(1..=256).contains(&growth) {
            return Some("blocks must be 1 to 64, width 1 to 512 and growth 1 to 256".into());
        }
        let fits = [0.25, 0.5, 0.75, 1.0].contains(&shrink);
        (!fits).then(|| format!("shrink is {shrink}; give 0.25, 0.5, 0.75 or 1"))
    }
}

/// A dense block: five convolutions, each on what went in and all results before it.
fn grown(x: Tensor<4>, layers: &[Conv2d]) -> Tensor<4> {
    let mut seen = vec![x.clone()];
    for layer in &layers[..4] {
        seen.push(layer.joined(&seen, SLOPE));
    }
    layers[4].joined(&seen, 1.0) * RESIDUAL + x
}

/// Every pixel a square of `times` x `times`.
fn nearest(x: Tensor<4>, times: usize) -> Tensor<4> {
    let [_, _, h, w] = x.dims();
    interpolate(x, InterpolateOptions::new(InterpolateMode::Nearest).with_output_size([times * h, times * w]))
}

/// The picture at so many times its size, by cubic interpolation between pixels' centres without a filter against aliasing, as
/// ncnn's and PyTorch's.
fn shrunk(x: Tensor<4>, times: f64) -> Tensor<4> {
    let [_, _, h, w] = x.dims();
    let size = [h, w].map(|side| ((side as f64 * times) as usize).max(1));
    let options = InterpolateOptions::new(InterpolateMode::Bicubic).with_align_corners(false);
    interpolate(x, options.with_output_size(size))
}

fn mix<const D: usize>(one: &Param<Tensor<D>>, other: &Param<Tensor<D>>, share: f64) -> Param<Tensor<D>> {
    Param::from_tensor(one.val() * share + other.val() * (1.0 - share))
}

fn parameter<const D: usize>(data: &TensorData, device: &Device) -> Param<Tensor<D>> {
    Param::from_tensor(device::tensor(data.clone(), device))
}

fn fill(layer: &mut Conv2d, weight: &TensorData, bias: &TensorData, device: &Device) {
    layer.weight = parameter(weight, device);
    layer.bias = Some(parameter(bias, device));
}

/// The sizes of the network that these layers would be.
fn sizes_of(layers: &[Layer]) -> Option<Sizes> {
    let outputs = |op: &Op| match op {
        Op::Convolution { outputs, .. } => Some(*outputs),
        _ => None,
    };
    let shrink = match layers.last()?.op {
        Op::Bicubic(times) => f64::from(times),
        _ => 1.0,
    };
    let count = |is: fn(&Op) -> bool| layers.iter().filter(|layer| is(&layer.op)).count();
    let width = outputs(&layers.get(1)?.op)?;
    let sizes = match &layers.get(2)?.op {
        Op::Prelu { .. } => {
            let blocks = count(|op| matches!(op, Op::Prelu { .. })).checked_sub(1)?;
            Sizes { network: Network::Compact, blocks, width, growth: 1, shrink }
        }
        dense => {
            let blocks = count(|op| *op == Op::Sum([RESIDUAL as f32, 1.0])) / 4;
            Sizes { network: Network::Rrdb, blocks, width, growth: outputs(dense)?, shrink }
        }
    };
    sizes.problem().is_none().then_some(sizes)
}

/// What each layer of a network does and takes, as ncnn's files have it.
fn plan(sizes: &Sizes) -> Vec<(Op, Vec<usize>)> {
    let Sizes { network, blocks, width, growth, shrink } = *sizes;
    let mut layers = vec![(Op::Input, Vec::new())];
    let mut then = |op: Op, inputs: &[usize]| {
        layers.push((op, inputs.to_vec()));
        layers.len() - 1
    };
    let conv = |inputs, outputs, slope: f64| {
        let slope = slope as f32;
        Op::Convolution { inputs, outputs, kernel: 3, padding: 1, slope }
    };
    let residual = Op::Sum([RESIDUAL as f32, 1.0]);
    let first = then(conv(CHANNELS, width, 1.0), &[0]);
    let mut last = match network {
        Network::Rrdb => {
            let mut at = first;
            for _ in 0..blocks {
                let block = at;
                for _ in 0..3 {
                    let mut seen = vec![at];
                    for i in 0..5 {
                        let all = if i == 0 { at } else { then(Op::Concat, &seen) };
                        let (outputs, slope) = if i < 4 { (growth, SLOPE) } else { (width, 1.0) };
                        seen.push(then(conv(width + i * growth, outputs, slope), &[all]));
                    }
                    at = then(residual.clone(), &[seen[5], at]);
                }
                at = then(residual.clone(), &[at, block]);
            }
            at = then(conv(width, width, 1.0), &[at]);
            at = then(Op::Sum([1.0, 1.0]), &[first, at]);
            for _ in 0..2 {
                at = then(Op::Nearest(2.0), &[at]);
                at = then(conv(width, width, SLOPE), &[at]);
            }
            at = then(conv(width, width, SLOPE), &[at]);
            then(conv(width, CHANNELS, 1.0), &[at])
        }
        Network::Compact => {
            let mut at = then(Op::Prelu { channels: width }, &[first]);
            for _ in 0..blocks {
                at = then(conv(width, width, 1.0), &[at]);
                at = then(Op::Prelu { channels: width }, &[at]);
            }
            at = then(conv(width, CHANNELS * TIMES * TIMES, 1.0), &[at]);
            at = then(Op::PixelShuffle(TIMES), &[at]);
            let near = then(Op::Nearest(TIMES as f32), &[0]);
            then(Op::Sum([1.0, 1.0]), &[at, near])
        }
    };
    if shrink != 1.0 {
        last = then(Op::Bicubic(shrink as f32), &[last]);
    }
    assert_eq!(last + 1, layers.len());
    layers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foreign::{Candidate, Foreign};
    use crate::golden::{checkpoints, floats, numbers};
    use crate::import::Found;
    use crate::parts::Tensors;
    use serde_json::Value;

    const SMALL: Sizes = Sizes { network: Network::Rrdb, blocks: 2, width: 4, growth: 2, shrink: 1.0 };

    fn layers(name: &str) -> Vec<Layer> {
        let found = Found::find(name, &mut |_| ()).unwrap();
        let Foreign::Ncnn(layers) = Foreign::decode(&found.files).unwrap() else { panic!("{name} is not ncnn's") };
        layers
    }

    /// Made by tests/golden/enlarged.py.
    #[test]
    #[ignore = "needs pip"]
    fn published_networks_make_of_real_photographs_what_ncnn_makes_of_them() {
        let golden = serde_json::from_str::<Value>(include_str!("../../../tests/golden/enlarged.json")).unwrap();
        let device = Device::flex();
        let size = |value: &Value| value.as_u64().unwrap() as usize;
        for (name, results) in golden["networks"].as_object().unwrap() {
            let generator = Generator::of_ncnn(&layers(name), &device).unwrap();
            for (photograph, crop) in golden["crops"].as_object().unwrap() {
                let [height, width] = ["height", "width"].map(|side| size(&crop[side]));
                let pixels =
                    crop["pixels"].as_array().unwrap().iter().map(|level| level.as_f64().unwrap() as f32 / 255.0);
                let x = TensorData::new(pixels.collect::<Vec<f32>>(), [1, height, width, 3]);
                let y = generator.forward(Tensor::<4>::from_data(x, &device).permute([0, 3, 1, 2]));
                let wanted = &results[photograph];
                let shape = wanted["shape"].as_array().unwrap().iter().map(size).collect::<Vec<_>>();
                assert_eq!(y.dims()[1..], shape, "{name}");
                let found = y.into_data().iter::<f64>().step_by(size(&golden["every"])).collect::<Vec<_>>();
                let wanted = wanted["values"].as_array().unwrap();
                let apart = found.iter().zip(wanted).map(|(found, wanted)| (found - wanted.as_f64().unwrap()).abs());
                let worst = apart.fold(0.0, f64::max);
                assert!(found.len() == wanted.len() && worst < 1e-4, "{name} of {photograph} is off by {worst}");
            }
        }
    }

    #[test]
    #[ignore = "needs pip"]
    fn tiles_give_what_the_whole_photograph_gives() {
        // The crop of a real one, mirrored again and again.
        let golden = serde_json::from_str::<Value>(include_str!("../../../tests/golden/enlarged.json")).unwrap();
        let crop = golden["crops"]["chelsea"]["pixels"].as_array().unwrap();
        let turned =
            |at: usize, side: usize| if (at / side).is_multiple_of(2) { at % side } else { side - 1 - at % side };
        let level =
            |i: usize| crop[3 * (24 * turned(i / 1200, 20) + turned(i / 3 % 400, 24)) + i % 3].as_u64().unwrap();
        let photograph = crate::media::Image::new(400, 90, 3, (0..3 * 400 * 90).map(|i| level(i) as u8).collect());
        let photograph = crate::media::Picture::from(photograph);
        for name in ["realesr-animevideov3", "realesr-animevideov3-x2", "realesrgan-x4plus-anime"] {
            let network = Generator::of_ncnn(&layers(name), &Device::flex()).unwrap();
            let times = network.sizes.times();
            let model = super::super::Enlarger { last: network, first: None };
            let of = |tile: usize| {
                let plan = crate::apply::Plan { tile: [tile, 90], tiles: [1, 1], bytes: 0 };
                let asked = crate::request::Sample::seed(0);
                let made = crate::apply::apply(&model, (&asked, &[None]), &photograph, &plan, &mut |_| ()).unwrap();
                made[0].raster.clone().into_image()
            };
            let (whole, tiled) = (of(400), of(250));
            assert_eq!(whole.shape(), [400 * times, 90 * times, 3]);
            let apart = whole.pixels.iter().zip(&tiled.pixels).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(apart <= Some(1), "{name}: {apart:?}");
        }
    }

    #[test]
    #[ignore = "needs pip"]
    fn a_network_of_another_plan_is_refused_where_it_differs() {
        let refused = |layers: &[Layer]| Generator::of_ncnn(layers, &Device::flex()).unwrap_err();
        let whole = layers("realesr-animevideov3");
        let mut other = whole.clone();
        other[5].inputs = vec![1];
        assert!(refused(&other).contains("its layer Conv_4 is"), "{}", refused(&other));
        let mut other = whole.clone();
        other.last_mut().unwrap().op = Op::Sum([1.0, 0.5]);
        assert!(refused(&other).contains("Add_38"), "{}", refused(&other));
        assert!(refused(&whole[..20]).contains("should be"), "{}", refused(&whole[..20]));
        assert!(refused(&whole[..2]).contains("no network of ESRGAN's kind"));
        let more = [whole.as_slice(), &whole[1..2]].concat();
        assert!(refused(&more).contains("after what should be the last"), "{}", refused(&more));
    }

    /// The network in a file of these tensors: none, or the first, or the first reason.
    fn read(tensors: &Tensors) -> Option<Result<Generator, String>> {
        let files = [("net.safetensors".to_owned(), crate::safetensors::encode(tensors).unwrap())];
        let foreign = Foreign::decode(&files).unwrap();
        let of = |candidate: &Candidate| match candidate {
            Candidate::Tensors(part) => Generator::of_tensors(part, &Device::flex()),
            Candidate::Layers(_) => None,
        };
        let mut found = foreign.candidates().iter().filter_map(of).collect::<Vec<_>>();
        let first = found.iter().position(Result::is_ok).unwrap_or(0);
        (!found.is_empty()).then(|| found.swap_remove(first))
    }

    /// Files and numbers made by tests/golden/checkpoints.py.
    #[test]
    fn an_enlarger_is_read_from_every_file_that_people_have_and_makes_what_pytorch_makes_of_it() {
        let golden = serde_json::from_str::<Value>(include_str!("../../../tests/golden/checkpoints.json")).unwrap();
        let (device, files) = (Device::flex(), checkpoints("compact/"));
        assert_eq!(files.len(), 16);
        for (file, bytes) in files {
            let named = [(file.clone(), bytes)];
            let foreign = Foreign::decode(&named).unwrap_or_else(|why| panic!("{file}: {why}"));
            let of = |candidate: &Candidate| match candidate {
                Candidate::Tensors(part) => Generator::of_tensors(part, &device)?.ok(),
                Candidate::Layers(_) => None,
            };
            let generator =
                foreign.candidates().iter().find_map(of).unwrap_or_else(|| panic!("{file} holds no enlarger"));
            let x = (0..60).map(|i| (0.3 * f64::from(i)).sin().abs() as f32).collect::<Vec<f32>>();
            let y = floats(generator.forward(Tensor::from_data(TensorData::new(x, [1, 3, 4, 5]), &device)));
            let found = y.iter().step_by(golden["compact"]["every"].as_u64().unwrap() as usize);
            let wanted = numbers(&golden["compact"]["values"]);
            let apart = found.clone().zip(&wanted).map(|(a, b)| (a - b).abs() / (1.0 + b.abs()));
            let worst = apart.fold(0.0, f64::max);
            assert!(found.len() == wanted.len() && worst < 1e-5, "{file} is off by {worst}");
        }
    }

    /// A network's tensors under other names.
    fn named(generator: &mut Generator, name: impl Fn(usize) -> String) -> Tensors {
        let convolutions = generator.convolutions().into_iter().enumerate().flat_map(|(i, layer)| {
            let bias = layer.bias.as_ref().unwrap().val().into_data();
            [(format!("{}.weight", name(i)), layer.weight.val().into_data()), (format!("{}.bias", name(i)), bias)]
        });
        convolutions.collect()
    }

    #[test]
    fn state_dicts_are_read_under_the_names_of_both_releases_and_of_a_training() {
        let device = Device::flex();
        let draws = Draws::new(1, 0);
        let x = draws.uniform("x", [1, 3, 5, 6], (0.0, 1.0), &device);
        let mut generator = Generator::new(SMALL, &draws, &device);
        let wanted = floats(generator.forward(x.clone()));
        let around = |first: &str, i: usize, block: String, after: [&str; 5]| match i {
            0 => first.to_owned(),
            1..=30 => block,
            _ => after[i - 31].to_owned(),
        };
        let new = |i: usize| {
            let at = i.saturating_sub(1);
            let block = format!("body.{}.rdb{}.conv{}", at / 15, at / 5 % 3 + 1, at % 5 + 1);
            around("conv_first", i, block, ["conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last"])
        };
        let old = |i: usize| {
            let at = i.saturating_sub(1);
            let block = format!("RRDB_trunk.{}.RDB{}.conv{}", at / 15, at / 5 % 3 + 1, at % 5 + 1);
            around("conv_first", i, block, ["trunk_conv", "upconv1", "upconv2", "HRconv", "conv_last"])
        };
        let dicts = [
            named(&mut generator, new),
            named(&mut generator, old),
            named(&mut generator, |i| format!("params_ema.{}", new(i))),
        ];
        for dict in &dicts {
            let found = read(dict).unwrap().unwrap();
            assert_eq!((found.sizes(), floats(found.forward(x.clone()))), (SMALL, wanted.clone()));
        }
        let mut lacking = dicts[0].clone();
        lacking.remove("conv_up2.bias");
        assert!(read(&lacking).unwrap().unwrap_err().contains("has no conv_up2.bias"));
        let mut wrong = dicts[0].clone();
        wrong.insert("conv_hr.weight".to_owned(), wrong["conv_last.weight"].clone());
        assert!(read(&wrong).unwrap().unwrap_err().contains("should be [4, 4, 3, 3]"));
        assert!(read(&Tensors::new()).is_none());
    }

    #[test]
    fn the_compact_networks_state_dict_has_its_slopes_between() {
        let device = Device::flex();
        let sizes = Sizes { network: Network::Compact, blocks: 2, width: 4, growth: 1, shrink: 1.0 };
        let draws = Draws::new(2, 0);
        let mut generator = Generator::new(sizes, &draws, &device);
        for (i, slope) in generator.slopes.iter_mut().enumerate() {
            slope.slope = Param::from_tensor(draws.uniform(&format!("slope {i}"), [4], (0.0, 1.0), &device));
        }
        let mut dict = named(&mut generator, |i| format!("body.{}", 2 * i));
        for (i, slope) in generator.slopes.iter().enumerate() {
            dict.insert(format!("body.{}.weight", 2 * i + 1), slope.slope.val().into_data());
        }
        let found = read(&dict).unwrap().unwrap();
        let x = draws.uniform("x", [2, 3, 4, 5], (0.0, 1.0), &device);
        let apart = (found.forward(x.clone()) - generator.forward(x)).abs().max().into_scalar::<f32>();
        assert_eq!((found.sizes(), apart), (sizes, 0.0));
    }
}
