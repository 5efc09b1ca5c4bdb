//! The generator of ESRGAN at x4 on one 64x64 tile, without gradients: Wang et al. 2018, "ESRGAN: Enhanced Super-Resolution
//! Generative Adversarial Networks", figures 3 and 4.

use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use burn::tensor::{Device, Tensor};
use ganvas_kernels::{Conv, conv2d_joined};

use crate::count::{self, convolution};
use crate::tensors::{noise, norm_of};
use crate::workload::{Opened, Rival, Workload, numbers};

pub const WORKLOAD: Workload = Workload {
    name: "rrdb",
    title: "ESRGAN x4, one 64x64 tile",
    gflop: || gflop(SIDE),
    prepare: |_| Ok(()),
    rivals: &[
        Rival { title: "contiguous", arguments: &[] },
        Rival { title: "channels last", arguments: &["--channels-last"] },
    ],
    ncnn: &[],
    wanted: Vec::new,
    tolerance: 1e-3,
    open,
};

const SIDE: usize = 64;
const FEATURES: usize = 64;
const GROWTH: usize = 32;
const BLOCKS: usize = 23;
const SLOPE: f64 = 0.2;
/// β of section 3.1: how much of a block's result joins what went in.
const RESIDUAL: f64 = 0.2;

/// For a picture of this side.
pub fn gflop(side: usize) -> f64 {
    let conv = |from, to, scale| convolution(from, to, 3, side * scale);
    let dense = (0..5).map(|i| conv(FEATURES + i * GROWTH, if i < 4 { GROWTH } else { FEATURES }, 1)).sum::<f64>();
    let body = conv(3, FEATURES, 1) + (BLOCKS * 3) as f64 * dense + conv(FEATURES, FEATURES, 1);
    let up = conv(FEATURES, FEATURES, 2) + 2.0 * conv(FEATURES, FEATURES, 4) + conv(FEATURES, 3, 4);
    count::gflop(body + up)
}

/// A 3x3 convolution.
struct Layer {
    weight: Tensor<4>,
    bias: Tensor<1>,
}

impl Layer {
    fn forward(&self, x: Tensor<4>, slope: f64) -> Tensor<4> {
        self.joined(&[x], slope)
    }

    fn joined(&self, parts: &[Tensor<4>], slope: f64) -> Tensor<4> {
        conv2d_joined(parts, self.weight.clone(), self.bias.clone(), Conv { stride: 1, padding: 1, slope })
    }
}

/// Five layers, each on what went in and all results before it.
type Dense = [Layer; 5];

struct Rrdb {
    first: Layer,
    blocks: Vec<[Dense; 3]>,
    body: Layer,
    after: [Layer; 3], // the first two on twice the size
    last: Layer,
}

impl Rrdb {
    fn new() -> Self {
        let (device, mut count) = (Device::flex(), 0);
        let mut layer = |inputs: usize, outputs: usize| {
            let key = 2 * count;
            count += 1;
            let weight = noise([outputs, inputs, 3, 3], key, 1.0 / (9.0 * inputs as f64).sqrt(), &device);
            Layer { weight, bias: noise([outputs], key + 1, 0.1, &device) }
        };
        let first = layer(3, FEATURES);
        let mut dense = || [0, 1, 2, 3, 4].map(|i| layer(FEATURES + i * GROWTH, if i < 4 { GROWTH } else { FEATURES }));
        let blocks = (0..BLOCKS).map(|_| [dense(), dense(), dense()]).collect();
        let body = layer(FEATURES, FEATURES);
        let after = [0, 1, 2].map(|_| layer(FEATURES, FEATURES));
        Rrdb { first, blocks, body, after, last: layer(FEATURES, 3) }
    }

    /// A picture `[1, 3, h, w]` to one of `[1, 3, 4h, 4w]`.
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let first = self.first.forward(x, 1.0); // [1, 64, h, w]
        let h = self.blocks.iter().fold(first.clone(), |h, block| {
            let inner = block.iter().fold(h.clone(), grown);
            inner * RESIDUAL + h
        });
        let mut h = first + self.body.forward(h, 1.0);
        for (i, layer) in self.after.iter().enumerate() {
            h = if i < 2 { twice(h) } else { h };
            h = layer.forward(h, SLOPE);
        }
        self.last.forward(h, 1.0)
    }
}

fn grown(x: Tensor<4>, [growing @ .., last]: &Dense) -> Tensor<4> {
    let mut seen = vec![x.clone()];
    for layer in growing {
        seen.push(layer.joined(&seen, SLOPE));
    }
    last.joined(&seen, 1.0) * RESIDUAL + x
}

/// Every pixel four times.
fn twice(x: Tensor<4>) -> Tensor<4> {
    let [_, _, h, w] = x.dims();
    interpolate(x, InterpolateOptions::new(InterpolateMode::Nearest).with_output_size([2 * h, 2 * w]))
}

fn open() -> Opened {
    let (net, x) = (Rrdb::new(), noise([1, 3, SIDE, SIDE], 999, 1.0, &Device::flex()));
    let y = net.forward(x.clone());
    let sum = y.clone().into_data().iter::<f64>().sum();
    Opened {
        numbers: numbers([("sum", sum), ("norm", norm_of(y))]),
        step: Box::new(move || drop(net.forward(x.clone()))),
    }
}
