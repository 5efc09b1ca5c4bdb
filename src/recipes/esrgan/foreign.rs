//! Networks that enlarge pictures and that others trained: out of the tensors that PyTorch saved, or the layers of ncnn.

use std::collections::BTreeMap;

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};

use super::generator::{Generator, Network, RESIDUAL, SLOPE, Sizes, TIMES};
use crate::device;
use crate::foreign::{Part, Wanted};
use crate::ncnn::{Layer, Op};
use crate::nn::Conv2d;
use crate::random::Draws;

impl Generator {
    /// The network whose layers these are, with their numbers; or why it is none of ours.
    pub fn of_ncnn(layers: &[Layer], device: &Device) -> Result<Self, String> {
        let sizes = sizes_of(layers).ok_or("it is no network of ESRGAN's kind: its first layers are others")?;
        let range = layers.iter().find_map(|layer| if let Op::Times(range) = layer.op { Some(range) } else { None });
        let wanted = plan(&sizes, range);
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
            fill(layer, &found.numbers[0], found.numbers.get(1), device);
        }
        let slopes = layers.iter().filter(|layer| matches!(layer.op, Op::Prelu { .. }));
        for (layer, found) in generator.slopes.iter_mut().zip(slopes) {
            layer.slope = parameter(&found.numbers[0], device);
        }
        if let Some(mean) = layers.iter().find(|layer| matches!(layer.op, Op::Constant { .. })) {
            generator.mean = Some(parameter(&mean.numbers[0], device));
        }
        if let Some(range) = range {
            generator.first.weight = Param::from_tensor(generator.first.weight.val() * range);
        }
        Ok(generator)
    }

    /// The network of the authors of ESRGAN, Real-ESRGAN and ESRGAN+, by their names or by whatever others; none where the shapes
    /// are no such network's. The reason completes "FILE cannot be imported: ".
    pub fn of_tensors(part: &Part, device: &Device) -> Option<Result<Self, String>> {
        let shapes = Shapes::of(part);
        let mut why = None;
        for sizes in shapes.likely() {
            match sizes.problem().map_or_else(|| named(part, sizes, device), Err) {
                Ok(generator) => return Some(Ok(generator)),
                // Of the likeliest.
                Err(reason) => {
                    why.get_or_insert_with(|| format!("it looks like {}, but {reason}", looks(&sizes)));
                }
            }
        }
        why.or_else(|| shapes.of_other_pictures()).map(Err)
    }
}

/// A network of these sizes with its tensors.
fn named(part: &Part, sizes: Sizes, device: &Device) -> Result<Generator, String> {
    let acts_first = |(name, sides): (&str, &[usize])| name.ends_with(".res.1.weight") && sides.len() == 4;
    if sizes.network == Network::Srresnet && part.sides().any(acts_first) {
        return Err("its blocks begin with ReLU, and those that are known end with it (mode NAC, not CNA)".to_owned());
    }
    // Nothing is drawn, and all is looked at before anything is read.
    let mut generator = Generator::new(sizes, &Draws::new(0, 0), device);
    let names = Names::of(&sizes, part);
    let tensors = part.tensors(&names.wanted(&mut generator))?;
    let of = |name: &str, role: &str| &tensors[&format!("{name}.{role}")];
    for (layer, name) in generator.convolutions().into_iter().zip(&names.convolutions) {
        let bias = layer.bias.is_some().then(|| of(name, "bias"));
        fill(layer, of(name, "weight"), bias, device);
    }
    for (layer, name) in generator.slopes.iter_mut().zip(&names.slopes) {
        layer.slope = parameter(of(name, "weight"), device);
    }
    Ok(generator)
}

/// What a network of these sizes is, for people.
fn looks(sizes: &Sizes) -> String {
    let (what, of) = match sizes.network {
        Network::Rrdb => ("an ESRGAN generator", "block"),
        Network::RrdbPlus => ("an ESRGAN+ generator", "block"),
        Network::Compact => ("a compact network (SRVGGNetCompact)", "convolution"),
        Network::Msrresnet => ("an MSRResNet", "block"),
        Network::Srresnet => ("an SRResNet", "block"),
        Network::Span => ("a SPAN", "block"),
    };
    format!("{what} with {} {of}{}", sizes.blocks, if sizes.blocks == 1 { "" } else { "s" })
}

/// How many tensors of each shape there are, in whatever order.
struct Shapes {
    all: BTreeMap<Vec<usize>, usize>,
}

impl Shapes {
    fn of(part: &Part) -> Self {
        let mut all = BTreeMap::new();
        part.sides().for_each(|(_, sides)| *all.entry(sides.to_vec()).or_default() += 1);
        Shapes { all }
    }

    fn count(&self, sides: &[usize]) -> usize {
        self.all.get(sides).copied().unwrap_or(0)
    }

    /// How many kernels of 3x3 there are from so many channels to so many.
    fn kernels(&self, [outputs, inputs]: [usize; 2]) -> usize {
        self.count(&[outputs, inputs, 3, 3])
    }

    /// Outputs and inputs of all kernels of 3x3.
    fn sides(&self) -> impl Iterator<Item = [usize; 2]> {
        self.all.keys().filter_map(|sides| match **sides {
            [outputs, inputs, 3, 3] => Some([outputs, inputs]),
            _ => None,
        })
    }

    /// Width and growth of dense blocks, and how many kernels end one, three in each block: what the fifth convolution of a dense block
    /// takes is told by the first.
    fn dense(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        self.sides().filter_map(|[growth, width]| {
            let at = |i: usize| growth.checked_mul(i)?.checked_add(width);
            let fifth = self.kernels([width, at(4)?]);
            (fifth > 0 && self.kernels([growth, at(1)?]) > 0).then_some((width, growth, fifth))
        })
    }

    /// The networks that these may be, the likeliest first: those of whose tensors the fewest are missing or too many.
    fn likely(&self) -> Vec<Sizes> {
        let usual = Sizes {
            network: Network::Rrdb,
            blocks: 0,
            width: 0,
            growth: 1,
            channels: 3,
            unshuffle: 1,
            times: 1,
            shrink: 1.0,
        };
        let mut found = Vec::new();
        for channels in [3, 1, 4, 2] {
            for (width, growth, fifth) in self.dense().filter(|(width, ..)| *width != channels) {
                let last = [channels, width];
                for (unshuffle, first) in [1, 2, 4].map(|side| (side, [width, channels * side * side])) {
                    let blocks = match first == [width, width + 4 * growth] {
                        true if fifth % 3 != 1 => continue, // there is no other first
                        true => fifth / 3,
                        false => fifth.div_ceil(3),
                    };
                    let of_blocks = if growth == width { 3 * blocks } else { 0 };
                    let Some(ups) = self.of_width(width, &[first, last]).and_then(|n| n.checked_sub(of_blocks + 2))
                    else {
                        continue;
                    };
                    let is_plus = self.count(&[growth, width, 1, 1]) > 0;
                    let network = if is_plus { Network::RrdbPlus } else { Network::Rrdb };
                    let times = 1 << ups.min(10);
                    found.push(Sizes { network, blocks, width, growth, channels, unshuffle, times, ..usual });
                }
            }
            for first in self.sides().filter(|[outputs, inputs]| *inputs == channels && *outputs != channels) {
                let width = first[0];
                for times in [1, 2, 3, 4, 8] {
                    let blocks = self.of_width(width, &[first, [channels * times * times, width]]);
                    // Each of the others has a slope beside its bias.
                    if let Some(blocks) = blocks.filter(|blocks| self.count(&[width]) > blocks + 1) {
                        found.push(Sizes { network: Network::Compact, blocks, width, channels, times, ..usual });
                    }
                }
                let Some(within) = self.of_width(width, &[first, [channels, width]]) else { continue };
                let [twice, thrice] = [4, 9].map(|pixels| self.kernels([width.saturating_mul(pixels), width]));
                let times = match (twice, thrice) {
                    (1.., 0) => 1 << twice.min(10),
                    (0, 1) => 3,
                    _ => continue,
                };
                // Two in each block; one before the last, and in the older one after the blocks.
                let network = if within % 2 == 1 { Network::Msrresnet } else { Network::Srresnet };
                found.push(Sizes { network, blocks: within.saturating_sub(1) / 2, width, channels, times, ..usual });
            }
        }
        let off = |sizes: &Sizes| sizes.problem().map_or_else(|| self.apart(sizes), |_| usize::MAX);
        found.sort_by_cached_key(off);
        found
    }

    /// How many kernels of 3x3 keep the width, beside the first and the last; none without either of these.
    fn of_width(&self, width: usize, ends: &[[usize; 2]; 2]) -> Option<usize> {
        let beside = ends.iter().filter(|sides| **sides == [width, width]).count();
        let are_there = ends.iter().all(|sides| self.kernels(*sides) > 0);
        self.kernels([width, width]).checked_sub(beside).filter(|_| are_there)
    }

    /// How many tensors are missing or too many for a network of these sizes.
    fn apart(&self, sizes: &Sizes) -> usize {
        let mut generator = Generator::new(*sizes, &Draws::new(0, 0), &device::cpu());
        let mut wanted = BTreeMap::<Vec<usize>, usize>::new();
        let names = Names::usual(sizes);
        names.wanted(&mut generator).into_iter().for_each(|(_, sides)| *wanted.entry(sides).or_default() += 1);
        let missing = wanted.iter().map(|(sides, count)| count.abs_diff(self.count(sides))).sum::<usize>();
        missing
            + self.all.iter().filter(|(sides, _)| !wanted.contains_key(*sides)).map(|(_, count)| count).sum::<usize>()
    }

    /// What an ESRGAN generator is of whose pictures are not as known; none where there are no dense blocks.
    fn of_other_pictures(&self) -> Option<String> {
        let (width, growth, fifth) = self.dense().next()?;
        let blocks = fifth.div_ceil(3);
        let within = |channels: usize| (0..5).any(|i| channels == width + i * growth);
        let first = self.sides().find(|[outputs, inputs]| *outputs == width && !within(*inputs));
        let last = self.sides().find(|[outputs, inputs]| *inputs == width && ![width, growth].contains(outputs));
        let what = match (first, last) {
            (Some([_, takes]), Some([makes, _])) => format!(
                "its first convolution takes {takes} channels and its last makes {makes}; known are 3 or 1 for both, or 4 and 16 \
                 times as many for the first"
            ),
            (None, _) => "it has no convolution that takes a picture".to_owned(),
            (_, None) => "it has no convolution that makes a picture".to_owned(),
        };
        Some(format!(
            "it looks like an ESRGAN generator with {blocks} block{}, but {what}",
            if blocks == 1 { "" } else { "s" }
        ))
    }
}

/// What PyTorch calls the convolutions, in their order, and the slopes.
struct Names {
    convolutions: Vec<String>,
    slopes: Vec<String>,
}

/// Whose code a file is of.
#[derive(Clone, Copy, PartialEq)]
enum Code {
    /// BasicSR and Real-ESRGAN.
    Since,
    /// The release of ESRGAN and of BSRGAN.
    Release,
    /// What was before, and what most networks of the community are still saved by.
    First,
}

impl Names {
    fn of(sizes: &Sizes, part: &Part) -> Self {
        let has = |wanted: &str| part.sides().any(|(name, _)| name == wanted);
        if has("model.0.weight") {
            return Names::by(sizes, Code::First);
        }
        if has("HRconv.weight") { Names::by(sizes, Code::Release) } else { Names::usual(sizes) }
    }

    fn usual(sizes: &Sizes) -> Self {
        Names::by(sizes, if sizes.network == Network::Srresnet { Code::First } else { Code::Since })
    }

    fn by(sizes: &Sizes, code: Code) -> Self {
        let Sizes { network, blocks, .. } = *sizes;
        let stages = sizes.stages().len();
        let is_plus = network == Network::RrdbPlus;
        let dense = |i: usize| {
            let (block, dense, layer) = (i / 15, i / 5 % 3 + 1, i % 5 + 1);
            let (within, after) = match code {
                Code::First => (format!("model.1.sub.{block}.RDB{dense}"), ".0"),
                Code::Release => (format!("RRDB_trunk.{block}.RDB{dense}"), ""),
                Code::Since => (format!("body.{block}.rdb{dense}"), ""),
            };
            let beside = (is_plus && layer == 2).then(|| format!("{within}.conv1x1"));
            [format!("{within}.conv{layer}{after}")].into_iter().chain(beside)
        };
        let residual = |i: usize| {
            let (block, layer) = (i / 2, i % 2);
            match code {
                Code::First => format!("model.1.sub.{block}.res.{}", 2 * layer),
                Code::Release => format!("recon_trunk.{block}.conv{}", layer + 1),
                Code::Since => format!("body.{block}.conv{}", layer + 1),
            }
        };
        let within = match network {
            Network::Rrdb | Network::RrdbPlus => (0..15 * blocks).flat_map(dense).collect::<Vec<_>>(),
            Network::Msrresnet | Network::Srresnet => (0..2 * blocks).map(residual).collect(),
            Network::Span => {
                let within = |i: usize| format!("block_{}.c{}_r.eval_conv", i / 3 + 1, i % 3 + 1);
                let ends = ["conv_2.eval_conv", "conv_cat", "upsampler.0"].map(str::to_owned);
                let convolutions = ["conv_1.eval_conv".to_owned()].into_iter().chain((0..3 * blocks).map(within));
                return Names { convolutions: convolutions.chain(ends).collect(), slopes: Vec::new() };
            }
            Network::Compact => {
                let body = |i: usize| format!("body.{i}");
                let convolutions = (0..blocks + 2).map(|i| body(2 * i)).collect();
                return Names { convolutions, slopes: (0..=blocks).map(|i| body(2 * i + 1)).collect() };
            }
        };
        let first = if code == Code::First { "model.0" } else { "conv_first" };
        let after = match code {
            Code::First => format!("model.1.sub.{blocks}"),
            Code::Release => "trunk_conv".to_owned(),
            Code::Since => "conv_body".to_owned(),
        };
        let after = (network != Network::Msrresnet).then_some(after);
        // The first code counts every module: three for a stage, whose convolution comes first where pixels are shuffled after it.
        let up = |i: usize| match code {
            Code::First => format!("model.{}", 3 * i + if network.is_dense() { 3 } else { 2 }),
            Code::Since if network.is_dense() => format!("conv_up{}", i + 1),
            Code::Since | Code::Release => format!("upconv{}", i + 1),
        };
        let [large, last] = match code {
            Code::First => [2, 4].map(|i| format!("model.{}", 3 * stages + i)),
            Code::Release => ["HRconv", "conv_last"].map(str::to_owned),
            Code::Since => ["conv_hr", "conv_last"].map(str::to_owned),
        };
        let convolutions = [first.to_owned()].into_iter().chain(within).chain(after);
        let convolutions = convolutions.chain((0..stages).map(up)).chain([large, last]).collect();
        Names { convolutions, slopes: Vec::new() }
    }

    /// Every tensor of a network in the order of its modules: a slope comes after its convolution.
    fn wanted(&self, generator: &mut Generator) -> Vec<Wanted> {
        let slopes = generator.slopes.iter().map(|layer| layer.slope.lazy_shape().to_vec()).collect::<Vec<_>>();
        let layers = generator.convolutions().into_iter().zip(&self.convolutions).enumerate();
        let wanted = layers.flat_map(|(i, (layer, name))| {
            let weight = (format!("{name}.weight"), layer.weight.lazy_shape().to_vec());
            let bias = layer.bias.as_ref().map(|bias| (format!("{name}.bias"), bias.lazy_shape().to_vec()));
            let slope = self.slopes.get(i).zip(slopes.get(i));
            let slope = slope.map(|(name, sides)| (format!("{name}.weight"), sides.clone()));
            [weight].into_iter().chain(bias).chain(slope)
        });
        wanted.collect()
    }
}

fn parameter<const D: usize>(data: &TensorData, device: &Device) -> Param<Tensor<D>> {
    Param::from_tensor(device::tensor(data.clone(), device))
}

fn fill(layer: &mut Conv2d, weight: &TensorData, bias: Option<&TensorData>, device: &Device) {
    layer.weight = parameter(weight, device);
    layer.bias = bias.map(|bias| parameter(bias, device));
}

/// The sizes of the network that these layers would be.
fn sizes_of(layers: &[Layer]) -> Option<Sizes> {
    let ends = |op: &Op| match op {
        Op::Convolution { inputs, outputs, .. } => Some([*inputs, *outputs]),
        _ => None,
    };
    let shrink = match layers.last()?.op {
        Op::Bicubic(times) => f64::from(times),
        _ => 1.0,
    };
    let count = |is: fn(&Op) -> bool| layers.iter().filter(|layer| is(&layer.op)).count();
    let [channels, width] = layers.iter().find_map(|layer| ends(&layer.op))?;
    let shuffled = layers.iter().find_map(|layer| match layer.op {
        Op::PixelShuffle(times) => Some(times),
        _ => None,
    });
    let shuffled = shuffled.unwrap_or(TIMES); // it ends before, and is refused for that
    let usual =
        Sizes { network: Network::Compact, blocks: 0, width, growth: 1, channels, unshuffle: 1, times: 1, shrink };
    let sizes = match &layers.get(2)?.op {
        Op::Prelu { .. } => {
            let blocks = count(|op| matches!(op, Op::Prelu { .. })).checked_sub(1)?;
            Sizes { blocks, times: shuffled, ..usual }
        }
        Op::Difference => {
            let blocks = count(|op| *op == Op::Sigmoid);
            Sizes { network: Network::Span, blocks, times: shuffled, ..usual }
        }
        dense => {
            let blocks = count(|op| *op == Op::Sum([RESIDUAL as f32, 1.0])) / 4;
            let times = 1 << count(|op| matches!(op, Op::Nearest(_))).min(10);
            Sizes { network: Network::Rrdb, blocks, growth: ends(dense)?[1], times, ..usual }
        }
    };
    sizes.problem().is_none().then_some(sizes)
}

/// What each layer of a network does and takes, as ncnn's files have it: of dense blocks without more residuals, of the compact one,
/// and of SPAN, where pictures may first be multiplied by their range.
fn plan(sizes: &Sizes, range: Option<f32>) -> Vec<(Op, Vec<usize>)> {
    let Sizes { network, blocks, width, growth, channels, times, shrink, .. } = *sizes;
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
    if network == Network::Span {
        let mean = then(Op::Constant { channels }, &[]);
        let mut at = then(Op::Difference, &[0, mean]);
        if let Some(range) = range {
            at = then(Op::Times(range), &[at]);
        }
        let first = then(conv(channels, width, 1.0), &[at]);
        let (mut at, mut of_first, mut inner) = (first, first, first);
        for i in 0..blocks {
            let one = then(conv(width, width, 1.0), &[at]);
            inner = then(Op::Swish, &[one]);
            let two = then(conv(width, width, 1.0), &[inner]);
            let two = then(Op::Swish, &[two]);
            let three = then(conv(width, width, 1.0), &[two]);
            let share = then(Op::Sigmoid, &[three]);
            let share = then(Op::Less(0.5), &[share]);
            let sum = then(Op::Sum([1.0, 1.0]), &[three, at]);
            at = then(Op::Product, &[sum, share]);
            of_first = if i == 0 { at } else { of_first };
        }
        let after = then(conv(width, width, 1.0), &[at]);
        let all = then(Op::Concat, &[first, after, of_first, inner]);
        let joined = Op::Convolution { inputs: 4 * width, outputs: width, kernel: 1, padding: 0, slope: 1.0 };
        let joined = then(joined, &[all]);
        let last = then(conv(width, channels * times * times, 1.0), &[joined]);
        then(Op::PixelShuffle(times), &[last]);
        return layers;
    }
    let first = then(conv(channels, width, 1.0), &[0]);
    let mut last = if network == Network::Compact {
        let mut at = then(Op::Prelu { channels: width }, &[first]);
        for _ in 0..blocks {
            at = then(conv(width, width, 1.0), &[at]);
            at = then(Op::Prelu { channels: width }, &[at]);
        }
        at = then(conv(width, channels * times * times, 1.0), &[at]);
        at = then(Op::PixelShuffle(times), &[at]);
        let near = then(Op::Nearest(times as f32), &[0]);
        then(Op::Sum([1.0, 1.0]), &[at, near])
    } else {
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
        for _ in sizes.stages() {
            at = then(Op::Nearest(2.0), &[at]);
            at = then(conv(width, width, SLOPE), &[at]);
        }
        at = then(conv(width, width, SLOPE), &[at]);
        then(conv(width, channels, 1.0), &[at])
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
    use crate::golden::{checkpoints, enlargers, floats, numbers, torch_saved};
    use crate::import::Found;
    use crate::parts::Tensors;
    use serde_json::Value;

    const SMALL: Sizes = Sizes {
        network: Network::Rrdb,
        blocks: 2,
        width: 4,
        growth: 2,
        channels: 3,
        unshuffle: 1,
        times: 4,
        shrink: 1.0,
    };

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
            let times = network.sizes().scale();
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

    fn of_file(name: &str, bytes: Vec<u8>) -> Option<Result<Generator, String>> {
        let named = [(name.to_owned(), bytes)];
        let foreign = Foreign::decode(&named).unwrap_or_else(|why| panic!("{name}: {why}"));
        let of = |candidate: &Candidate| match candidate {
            Candidate::Tensors(part) => Generator::of_tensors(part, &Device::flex()),
            Candidate::Layers(_) => None,
        };
        foreign.candidates().iter().find_map(of)
    }

    /// The tensors of a file in their order.
    fn tensors_of(name: &str, bytes: &[u8]) -> Vec<(String, TensorData)> {
        let named = [(name.to_owned(), bytes.to_vec())];
        let Ok(Foreign::StateDict(dict)) = Foreign::decode(&named) else { panic!("{name} is no state dict") };
        let mut tensors = dict.read().unwrap();
        dict.tensors().iter().map(|(name, _)| (name.clone(), tensors.remove(name).unwrap())).collect()
    }

    /// Files and numbers made by tests/golden/enlargers.py.
    #[test]
    fn networks_of_every_layout_are_read_by_any_names_and_make_what_pytorch_makes_of_a_picture() {
        let golden = serde_json::from_str::<Value>(include_str!("../../../tests/golden/enlargers.json")).unwrap();
        let [height, width, every] = ["height", "width", "every"].map(|name| golden[name].as_u64().unwrap() as usize);
        let networks = golden["networks"].as_object().unwrap();
        assert_eq!(networks.len(), 26);
        let mut largest = 0.0_f64;
        for (name, wanted) in networks {
            let (_, bytes) = enlargers(&format!("{name}.pth")).remove(0);
            let tensors = tensors_of(name, &bytes);
            // By no names at all, and by the author's in no order.
            let words = (1_u32..).map(|i| format!("{:08x}", i.wrapping_mul(0x9E37_79B9)));
            let words = words.take(tensors.len()).collect::<Vec<_>>();
            let nameless = words.iter().zip(&tensors).map(|(word, (_, data))| (word.as_str(), data.clone()));
            let nameless = torch_saved(&nameless.collect::<Vec<_>>());
            let unordered = crate::safetensors::encode(&tensors.into_iter().collect()).unwrap();
            for (kind, bytes) in [("as it is", bytes), ("nameless", nameless), ("unordered", unordered)] {
                let generator = of_file(name, bytes).unwrap_or_else(|| panic!("{name} {kind} is none"));
                let generator = generator.unwrap_or_else(|why| panic!("{name} {kind}: {why}"));
                let channels = generator.sizes().channels;
                let levels = (0..channels * height * width).map(|i| ((i * i / 7 + 31 * i) % 256) as f32 / 255.0);
                let x = TensorData::new(levels.collect::<Vec<f32>>(), [1, channels, height, width]);
                let y = generator.forward(Tensor::from_data(x, &Device::flex()));
                let scale = generator.sizes().scale();
                assert_eq!(y.dims(), [1, channels, height * scale, width * scale], "{name}");
                let found = floats(y).into_iter().step_by(every).collect::<Vec<_>>();
                let wanted = numbers(&wanted["values"]);
                assert_eq!(found.len(), wanted.len(), "{name}");
                let apart = found.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                assert!(apart < 1e-5, "{name} {kind} is off by {apart}");
                largest = largest.max(apart);
            }
        }
        println!("the largest difference: {largest:e}");
    }

    #[test]
    fn a_network_that_is_nearly_known_is_refused_by_what_it_looks_like() {
        let refused = |name: &str, bytes: Vec<u8>| of_file(name, bytes).unwrap().unwrap_err();
        let whole = |name: &str| enlargers(name).remove(0).1;
        let said = refused("net", whole("first_four_channels"));
        let wanted =
            "it looks like an ESRGAN generator with 1 block, but its pictures have 4 channels; 1 and 3 are known";
        assert_eq!(said, wanted);
        let said = refused("net", whole("srresnet_acts_first"));
        assert!(said.starts_with("it looks like an SRResNet with 1 block, but its blocks begin with ReLU"), "{said}");
        // Of four channels three.
        type Named = Vec<(String, TensorData)>;
        let changed = |name: &str, change: &dyn Fn(&mut Named)| {
            let mut tensors = tensors_of(name, &whole(name));
            change(&mut tensors);
            torch_saved(&tensors.iter().map(|(name, data)| (name.as_str(), data.clone())).collect::<Vec<_>>())
        };
        let zeros = |sides: [usize; 4]| TensorData::new(vec![0.0_f32; sides.iter().product()], sides);
        let first = changed("since_x4", &|tensors| tensors[0].1 = zeros([4, 7, 3, 3]));
        let said = refused("net", first);
        assert!(said.contains("but its first convolution takes 7 channels and its last makes 3"), "{said}");
        let lacks = changed("first_x2", &|tensors| drop(tensors.remove(5)));
        let said = refused("net", lacks);
        assert!(
            said.starts_with("it looks like an ESRGAN generator with 2 blocks, but it has no model.1.sub.0.RDB1"),
            "{said}"
        );
        let more = changed("compact_x3", &|tensors| tensors.push(("gain".to_owned(), zeros([1, 1, 5, 5]))));
        assert!(of_file("net", more).unwrap().is_ok(), "what is left over is left in the file");
    }

    /// A network's tensors under other names.
    fn renamed(generator: &mut Generator, name: impl Fn(usize) -> String) -> Tensors {
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
            renamed(&mut generator, new),
            renamed(&mut generator, old),
            renamed(&mut generator, |i| format!("params_ema.{}", new(i))),
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
        let sizes = Sizes { network: Network::Compact, growth: 1, ..SMALL };
        let draws = Draws::new(2, 0);
        let mut generator = Generator::new(sizes, &draws, &device);
        for (i, slope) in generator.slopes.iter_mut().enumerate() {
            slope.slope = Param::from_tensor(draws.uniform(&format!("slope {i}"), [4], (0.0, 1.0), &device));
        }
        let mut dict = renamed(&mut generator, |i| format!("body.{}", 2 * i));
        for (i, slope) in generator.slopes.iter().enumerate() {
            dict.insert(format!("body.{}.weight", 2 * i + 1), slope.slope.val().into_data());
        }
        let found = read(&dict).unwrap().unwrap();
        let x = draws.uniform("x", [2, 3, 4, 5], (0.0, 1.0), &device);
        let apart = (found.forward(x.clone()) - generator.forward(x)).abs().max().into_scalar::<f32>();
        assert_eq!((found.sizes(), apart), (sizes, 0.0));
    }
}
