//! The Inception network of 2015, whose features FID, KID and the Inception score are named for; the user gives its weights.
//!
//! Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer Vision", in TensorFlow's graph of 5 December 2015
//! as pytorch-fid and torch-fidelity ported it. Unlike torchvision's network it averages over real pixels only, the last
//! block takes the largest pixel instead of the average, and there are 1008 classes. Pictures go through TensorFlow's first
//! bilinear filter and (x - 128) / 128, as in torch-fidelity and the original FID; pytorch-fid's filter is another.

use std::path::Path;

use burn::tensor::module::{avg_pool2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions, PadMode};
use burn::tensor::{Device, Tensor, TensorData};
use ganvas_kernels::{Conv, conv2d};

use crate::device;
use crate::error::{Error, Result};
use crate::hash;
use crate::media::Image;
use crate::pickle;
use crate::safetensors;

/// Entries of a feature vector.
pub const FEATURES: usize = 2048;
/// The classes.
pub const CLASSES: usize = 1008;
/// Of the file that pytorch-fid and torch-fidelity publish.
pub const PUBLISHED_SHA256: &str = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2";

const SIDE: usize = 299;
/// Of every batch norm.
const EPSILON: f64 = 1e-3;

/// One step of a branch; of a plan, or of a network with its weights.
enum Step<L> {
    Conv(L),
    /// Two convolutions of the same pictures, their channels one after the other.
    Fork(L, L),
    /// The average of 3 x 3 pixels, of which none is beyond the edge.
    Average,
    /// The largest of 3 x 3 pixels.
    Largest {
        stride: usize,
        padding: usize,
    },
}

/// A convolution to be: what the file calls it after its block.
struct Plan {
    name: &'static str,
    outputs: usize,
    kernel: [usize; 2],
    stride: usize,
    padding: [usize; 2],
}

/// A convolution that keeps the size, with batch norm and ReLU.
fn same(name: &'static str, outputs: usize, kernel: [usize; 2]) -> Plan {
    Plan { name, outputs, kernel, stride: 1, padding: kernel.map(|side| side / 2) }
}

fn conv(name: &'static str, outputs: usize, kernel: [usize; 2]) -> Step<Plan> {
    Step::Conv(same(name, outputs, kernel))
}

/// One of 3 x 3 without padding.
fn bare(name: &'static str, outputs: usize, stride: usize) -> Step<Plan> {
    Step::Conv(Plan { name, outputs, kernel: [3, 3], stride, padding: [0, 0] })
}

const HALVED: Step<Plan> = Step::Largest { stride: 2, padding: 0 };

fn stem() -> Vec<Vec<Step<Plan>>> {
    vec![vec![
        bare("Conv2d_1a_3x3", 32, 2),
        bare("Conv2d_2a_3x3", 32, 1),
        conv("Conv2d_2b_3x3", 64, [3, 3]),
        HALVED,
        conv("Conv2d_3b_1x1", 80, [1, 1]),
        bare("Conv2d_4a_3x3", 192, 1),
        HALVED,
    ]]
}

fn mixed_a(pooled: usize) -> Vec<Vec<Step<Plan>>> {
    vec![
        vec![conv("branch1x1", 64, [1, 1])],
        vec![conv("branch5x5_1", 48, [1, 1]), conv("branch5x5_2", 64, [5, 5])],
        vec![
            conv("branch3x3dbl_1", 64, [1, 1]),
            conv("branch3x3dbl_2", 96, [3, 3]),
            conv("branch3x3dbl_3", 96, [3, 3]),
        ],
        vec![Step::Average, conv("branch_pool", pooled, [1, 1])],
    ]
}

fn mixed_b() -> Vec<Vec<Step<Plan>>> {
    let double =
        vec![conv("branch3x3dbl_1", 64, [1, 1]), conv("branch3x3dbl_2", 96, [3, 3]), bare("branch3x3dbl_3", 96, 2)];
    vec![vec![bare("branch3x3", 384, 2)], double, vec![HALVED]]
}

fn mixed_c(inner: usize) -> Vec<Vec<Step<Plan>>> {
    vec![
        vec![conv("branch1x1", 192, [1, 1])],
        vec![conv("branch7x7_1", inner, [1, 1]), conv("branch7x7_2", inner, [1, 7]), conv("branch7x7_3", 192, [7, 1])],
        vec![
            conv("branch7x7dbl_1", inner, [1, 1]),
            conv("branch7x7dbl_2", inner, [7, 1]),
            conv("branch7x7dbl_3", inner, [1, 7]),
            conv("branch7x7dbl_4", inner, [7, 1]),
            conv("branch7x7dbl_5", 192, [1, 7]),
        ],
        vec![Step::Average, conv("branch_pool", 192, [1, 1])],
    ]
}

fn mixed_d() -> Vec<Vec<Step<Plan>>> {
    let long = vec![
        conv("branch7x7x3_1", 192, [1, 1]),
        conv("branch7x7x3_2", 192, [1, 7]),
        conv("branch7x7x3_3", 192, [7, 1]),
        bare("branch7x7x3_4", 192, 2),
    ];
    vec![vec![conv("branch3x3_1", 192, [1, 1]), bare("branch3x3_2", 320, 2)], long, vec![HALVED]]
}

fn mixed_e(pool: Step<Plan>) -> Vec<Vec<Step<Plan>>> {
    let fork = |a, b| Step::Fork(same(a, 384, [1, 3]), same(b, 384, [3, 1]));
    vec![
        vec![conv("branch1x1", 320, [1, 1])],
        vec![conv("branch3x3_1", 384, [1, 1]), fork("branch3x3_2a", "branch3x3_2b")],
        vec![
            conv("branch3x3dbl_1", 448, [1, 1]),
            conv("branch3x3dbl_2", 384, [3, 3]),
            fork("branch3x3dbl_3a", "branch3x3dbl_3b"),
        ],
        vec![pool, conv("branch_pool", 192, [1, 1])],
    ]
}

/// The blocks with their names, the stem without one.
fn plan() -> Vec<(&'static str, Vec<Vec<Step<Plan>>>)> {
    vec![
        ("", stem()),
        ("Mixed_5b.", mixed_a(32)),
        ("Mixed_5c.", mixed_a(64)),
        ("Mixed_5d.", mixed_a(64)),
        ("Mixed_6a.", mixed_b()),
        ("Mixed_6b.", mixed_c(128)),
        ("Mixed_6c.", mixed_c(160)),
        ("Mixed_6d.", mixed_c(160)),
        ("Mixed_6e.", mixed_c(192)),
        ("Mixed_7a.", mixed_d()),
        ("Mixed_7b.", mixed_e(Step::Average)),
        ("Mixed_7c.", mixed_e(Step::Largest { stride: 1, padding: 1 })),
    ]
}

/// Gives the values of a tensor by its name and shape.
type Give<'a> = &'a mut dyn FnMut(&str, &[usize]) -> Result<Vec<f32>>;

/// A convolution with its batch norm in its weights, and ReLU.
struct Layer {
    weight: Tensor<4>, // [outputs, inputs, kh, kw]
    bias: Tensor<1>,   // [outputs]
    stride: usize,
    padding: [usize; 2],
}

impl Layer {
    fn new(plan: &Plan, block: &str, inputs: usize, give: Give<'_>, device: &Device) -> Result<Self> {
        let Plan { name, outputs, kernel: [kh, kw], stride, padding } = *plan;
        let mut of = |what: &str, shape: &[usize]| give(&format!("{block}{name}.{what}"), shape);
        let mut weight = of("conv.weight", &[outputs, inputs, kh, kw])?;
        let [gamma, beta] = [of("bn.weight", &[outputs])?, of("bn.bias", &[outputs])?];
        let [mean, variance] = [of("bn.running_mean", &[outputs])?, of("bn.running_var", &[outputs])?];
        let mut bias = Vec::with_capacity(outputs);
        for (i, weights) in weight.chunks_mut(inputs * kh * kw).enumerate() {
            let scale = f64::from(gamma[i]) / (f64::from(variance[i]) + EPSILON).sqrt();
            weights.iter_mut().for_each(|weight| *weight = (f64::from(*weight) * scale) as f32);
            bias.push((f64::from(beta[i]) - f64::from(mean[i]) * scale) as f32);
        }
        Ok(Layer {
            weight: Tensor::from_data(TensorData::new(weight, [outputs, inputs, kh, kw]), device),
            bias: Tensor::from_data(TensorData::new(bias, [outputs]), device),
            stride,
            padding,
        })
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [high, wide] = self.padding;
        let (x, padding) = match high == wide {
            true => (x, high),
            false => (x.pad([(high, high), (wide, wide)], PadMode::Constant(0.0)), 0),
        };
        conv2d(x, self.weight.clone(), self.bias.clone(), Conv { stride: self.stride, padding, slope: 0.0 })
    }
}

impl Step<Plan> {
    /// With its weights, and the channels that leave it.
    fn build(&self, block: &str, inputs: usize, give: Give<'_>, device: &Device) -> Result<(Step<Layer>, usize)> {
        let mut layer = |plan| Layer::new(plan, block, inputs, give, device);
        Ok(match self {
            Step::Conv(plan) => (Step::Conv(layer(plan)?), plan.outputs),
            Step::Fork(a, b) => (Step::Fork(layer(a)?, layer(b)?), a.outputs + b.outputs),
            Step::Average => (Step::Average, inputs),
            Step::Largest { stride, padding } => (Step::Largest { stride: *stride, padding: *padding }, inputs),
        })
    }
}

impl Step<Layer> {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Step::Conv(layer) => layer.forward(x),
            Step::Fork(a, b) => Tensor::cat(vec![a.forward(x.clone()), b.forward(x)], 1),
            Step::Average => {
                let options = AvgPoolOptions::new([3, 3]).with_stride([1, 1]).with_padding([1, 1]);
                avg_pool2d(x, options.with_count_include_pad(false))
            }
            Step::Largest { stride, padding } => {
                max_pool2d(x, MaxPoolOptions::new([3, 3]).with_stride([*stride; 2]).with_padding([*padding; 2]))
            }
        }
    }
}

/// The network with its weights.
pub struct Inception {
    blocks: Vec<(&'static str, Vec<Vec<Step<Layer>>>)>,
    logits: Tensor<2>, // [2048, 1008]
    /// Of the weights' file.
    pub sha256: String,
}

impl Inception {
    /// The network with the weights of a file: safetensors, or PyTorch's state dict, of which no code is run. An error when
    /// the file cannot be read, or names the first tensor that is missing or of another shape.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| Error::io("read Inception's weights", path, &error))?;
        let file = path.display();
        let decoded = if pickle::is_pickled(&bytes) { pickle::decode(&bytes) } else { safetensors::decode(&bytes) };
        let mut tensors = decoded.map_err(|why| {
            Error::input(format!(
                "{file} holds no weights that can be read: {why}; give PyTorch's state dict or safetensors"
            ))
        })?;
        let mut give = |name: &str, shape: &[usize]| {
            let other = |what: String| {
                Error::input(format!(
                    "{file} is not the Inception network of 2015: {what}; give what pytorch-fid or torch-fidelity publish"
                ))
            };
            let data = tensors.remove(name).ok_or_else(|| other(format!("{name} is missing")))?;
            if data.shape().to_vec() != shape {
                return Err(other(format!("{name} is {:?}, not {shape:?}", data.shape().to_vec())));
            }
            data.try_into_vec_as::<f32>().map_err(|error| other(format!("{name}: {error}")))
        };
        let mut net = Inception::new(&mut give)?;
        net.sha256 = hash::sha256(&bytes);
        Ok(net)
    }

    fn new(give: Give<'_>) -> Result<Self> {
        let device = device::cpu();
        let (mut blocks, mut channels) = (Vec::new(), 3);
        for (name, branches) in plan() {
            let (mut built, mut outputs) = (Vec::new(), 0);
            for branch in branches {
                let (mut steps, mut inputs) = (Vec::new(), channels);
                for step in branch {
                    let (step, outputs) = step.build(name, inputs, give, &device)?;
                    steps.push(step);
                    inputs = outputs;
                }
                built.push(steps);
                outputs += inputs;
            }
            blocks.push((name, built));
            channels = outputs;
        }
        let shape = [CLASSES, FEATURES];
        let logits = Tensor::<2>::from_data(TensorData::new(give("fc.weight", &shape)?, shape), &device);
        Ok(Inception { blocks, logits: logits.transpose(), sha256: String::new() })
    }

    /// Features `[n, 2048]` and logits without bias `[n, 1008]` of pictures of one size.
    pub fn look(&self, pictures: &[Image]) -> [Tensor<2>; 2] {
        let values = pictures.iter().flat_map(resized).collect::<Vec<f32>>();
        let x = Tensor::<4>::from_data(TensorData::new(values, [pictures.len(), 3, SIDE, SIDE]), &device::cpu());
        self.forward(x, &mut |_, _| ())
    }

    /// [`Inception::look`] at pictures `[n, 3, 299, 299]` in [-1, 1]; `seen` gets what leaves each block.
    fn forward(&self, mut x: Tensor<4>, seen: &mut dyn FnMut(&str, &Tensor<4>)) -> [Tensor<2>; 2] {
        for (name, branches) in &self.blocks {
            let branch = |steps: &Vec<Step<Layer>>| steps.iter().fold(x.clone(), |x, step| step.forward(x));
            x = Tensor::cat(branches.iter().map(branch).collect(), 1);
            seen(name, &x);
        }
        let features = x.mean_dims(&[2, 3]).flatten::<2>(1, 3);
        [features.clone(), features.matmul(self.logits.clone())]
    }
}

/// `[3, 299, 299]` in [-1, 1), grey three times: TensorFlow 1's bilinear filter, whose pixels are points at their upper left
/// corners and which skips pixels in making a picture smaller.
fn resized(image: &Image) -> Vec<f32> {
    let along = |pixels: usize| {
        let scale = (pixels as f64 / SIDE as f64) as f32;
        let place = |i: usize| {
            let at = i as f32 * scale;
            (at as usize, (at as usize + 1).min(pixels - 1), at - at.floor())
        };
        (0..SIDE).map(place).collect::<Vec<_>>()
    };
    let (columns, rows) = (along(image.width), along(image.height));
    let mut values = Vec::with_capacity(3 * SIDE * SIDE);
    for channel in 0..3 {
        let channel = channel % image.channels;
        let level = |y: usize, x: usize| f32::from(image.pixels[(y * image.width + x) * image.channels + channel]);
        for &(top, below, dy) in &rows {
            for &(left, right, dx) in &columns {
                let between = |y: usize| level(y, left) + (level(y, right) - level(y, left)) * dx;
                let (top, below) = (between(top), between(below));
                values.push((top + (below - top) * dy - 128.0) / 128.0);
            }
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::floats;
    use serde_json::Value;

    /// Uniform in [0, 1), as tests/golden/inception.py draws it.
    fn uniform(name: &str) -> impl Fn(usize) -> f64 {
        let state = name
            .bytes()
            .fold(0xCBF2_9CE4_8422_2325_u64, |state, byte| (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
        move |i| {
            let mut z = state.wrapping_add((i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) >> 40) as f64 / f64::from(1 << 24)
        }
    }

    fn weights(name: &str, shape: &[usize]) -> Vec<f32> {
        let (u, fan_in) = (uniform(name), shape[1..].iter().product::<usize>() as f64);
        let value = |u: f64| match name {
            "fc.weight" => (2.0 * u - 1.0) * (3.0 / 2048.0_f64).sqrt(),
            _ if name.ends_with("conv.weight") => (2.0 * u - 1.0) * (6.0 / fan_in).sqrt(),
            _ if name.ends_with("bn.weight") => 0.8 + 0.4 * u,
            _ if name.ends_with("running_var") => 0.5 + u,
            _ => 0.2 * u - 0.1,
        };
        (0..shape.iter().product()).map(|i| value(u(i)) as f32).collect()
    }

    fn picture(case: &Value) -> Image {
        let [height, width, channels] = [0, 1, 2].map(|i| case["shape"][i].as_u64().unwrap() as usize);
        let u = uniform(case["name"].as_str().unwrap());
        let levels = (0..height * width * channels).map(|i| (256.0 * u(i)) as u8).collect();
        Image::new(width, height, channels, levels)
    }

    fn golden() -> Value {
        serde_json::from_str(include_str!("../../tests/golden/inception.json")).unwrap()
    }

    /// The first values, the sum and the root mean square, to a share of the last.
    fn check(what: &str, values: &[f64], wanted: &Value, share: f64) {
        let n = values.len() as f64;
        let rms = wanted["rms"].as_f64().unwrap();
        let near = |part: &str, found: f64, wanted: &Value, scale: f64| {
            let wanted = wanted.as_f64().unwrap();
            let close = (found - wanted).abs() < share * scale * rms;
            assert!(close, "{what}: {part} is {found}, not {wanted}, at rms {rms}");
        };
        for i in 0..3 {
            near("a value", values[i], &wanted["first"][i], 1.0);
        }
        near("the sum", values.iter().sum::<f64>(), &wanted["sum"], n);
        near("the rms", (values.iter().map(|value| value * value).sum::<f64>() / n).sqrt(), &wanted["rms"], 1.0);
    }

    #[test]
    fn every_block_the_features_and_the_logits_are_torch_fidelity_s() {
        let net = Inception::new(&mut |name, shape| Ok(weights(name, shape))).unwrap();
        for case in golden()["pictures"].as_array().unwrap() {
            let picture = picture(case);
            let x = TensorData::new(resized(&picture), [1, 3, SIDE, SIDE]);
            let mut blocks = 0;
            let ends = net.forward(Tensor::from_data(x, &Device::flex()), &mut |block, x| {
                check(block, &floats(x.clone()), &case["blocks"][block], 1e-4);
                blocks += 1;
            });
            assert_eq!(blocks, case["blocks"].as_object().unwrap().len());
            let looked = net.look(&[picture.clone(), picture]);
            for ((what, end), looked) in ["features", "logits"].into_iter().zip(ends).zip(looked) {
                let values = floats(end);
                check(what, &values, &case[what], 1e-4);
                check(what, &floats(looked)[values.len()..], &case[what], 1e-4);
            }
        }
    }

    #[test]
    fn pictures_are_brought_to_size_as_tensorflow_1_does() {
        for case in golden()["resized"].as_array().unwrap() {
            let values = resized(&picture(case)).into_iter().map(f64::from).collect::<Vec<f64>>();
            check("a picture", &values, case, 1e-12);
            let u = uniform("along");
            let along = values.iter().enumerate().map(|(i, value)| value * (2.0 * u(i) - 1.0)).sum::<f64>();
            let wanted = case["along"].as_f64().unwrap();
            assert!((along - wanted).abs() < 1e-6, "{}: {along}, not {wanted}", case["name"]);
        }
    }

    #[test]
    fn a_file_of_another_network_is_refused_by_its_first_tensor() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            let error = Inception::load(&path).err().unwrap().to_string();
            assert!(error.contains(name), "{error}");
            error
        };
        let one = |name: &str, shape: &[usize]| {
            let data = TensorData::new(vec![0.0_f32; shape.iter().product()], shape.to_vec());
            safetensors::encode(&[(name.to_owned(), data)].into()).unwrap()
        };
        let first = "Conv2d_1a_3x3.conv.weight";
        let other = refused("other.safetensors", &one("features.0.weight", &[64, 3, 3, 3]));
        assert!(other.contains(&format!("{first} is missing")), "{other}");
        let wide = refused("wide.safetensors", &one(first, &[64, 3, 3, 3]));
        assert!(wide.contains(&format!("{first} is [64, 3, 3, 3], not [32, 3, 3, 3]")), "{wide}");
        assert!(refused("text.pth", b"no weights").contains("no weights that can be read"));
        assert!(refused("zip.pth", b"PK\x03\x04").contains("no weights that can be read"));
        assert!(Inception::load(&folder.path().join("absent")).err().unwrap().to_string().contains("does not exist"));
    }
}
