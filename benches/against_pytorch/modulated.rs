//! Modulated convolution with demodulation, forwards and backwards: Karras et al. 2020, "Analyzing and Improving the Image
//! Quality of StyleGAN", equations 1 and 3, with one weight for all samples (appendix B).

use burn::tensor::{Device, Tensor};
use ganvas_kernels::modulated_conv2d;

use crate::count::{self, convolution};
use crate::tensors::{noise, norm_of};
use crate::workload::{Opened, Rival, Workload, numbers};

pub const WORKLOAD: Workload = Workload {
    name: "modulated",
    title: "modulated convolution 3x3, 128 to 128, 32x32, batch 16",
    gflop: || {
        let (conv, demodulation) = (convolution(CHANNELS, CHANNELS, 3, SIDE), (CHANNELS * CHANNELS) as f64);
        count::gflop(3.0 * BATCH as f64 * (conv + demodulation)) // forwards, and back to both factors
    },
    prepare: |_| Ok(()),
    rivals: &[
        Rival { title: "grouped", arguments: &["--form", "grouped"] },
        Rival { title: "scaled", arguments: &["--form", "scaled"] },
        Rival { title: "channels last, scaled", arguments: &["--form", "scaled", "--channels-last"] },
    ],
    ncnn: &[],
    wanted: Vec::new,
    tolerance: 1e-3,
    open,
};

const BATCH: usize = 16;
const CHANNELS: usize = 128;
const SIDE: usize = 32;

struct Leaves {
    x: Tensor<4>,
    style: Tensor<2>,
    weight: Tensor<4>,
    gradient: Tensor<4>, // of the result
}

impl Leaves {
    fn new() -> Self {
        let device = Device::flex().autodiff();
        let scale = 1.0 / (9.0 * CHANNELS as f64).sqrt();
        Leaves {
            x: noise([BATCH, CHANNELS, SIDE, SIDE], 0, 1.0, &device).require_grad(),
            style: (noise([BATCH, CHANNELS], 1, 0.3, &device) + 1.0).detach().require_grad(),
            weight: noise([CHANNELS, CHANNELS, 3, 3], 2, scale, &device).require_grad(),
            gradient: noise([BATCH, CHANNELS, SIDE, SIDE], 3, 1.0, &Device::flex()),
        }
    }

    /// The result and the gradients of x, style and weight. The product with `gradient` is our way to begin a backward
    /// pass with it, and counts in our time.
    fn both_ways(&self) -> (Tensor<4>, Tensor<4>, Tensor<2>, Tensor<4>) {
        let y = modulated_conv2d(self.x.clone(), self.style.clone(), self.weight.clone(), true, 1, 1);
        let gradients = (y.clone() * self.gradient.clone()).sum().backward();
        let missing = "a gradient";
        let to_x = self.x.grad(&gradients).expect(missing);
        let to_style = self.style.grad(&gradients).expect(missing);
        (y, to_x, to_style, self.weight.grad(&gradients).expect(missing))
    }
}

fn open() -> Opened {
    let leaves = Leaves::new();
    let (y, x, style, weight) = leaves.both_ways();
    Opened {
        numbers: numbers([
            ("|y|", norm_of(y)),
            ("|dx|", norm_of(x)),
            ("|dstyle|", norm_of(style)),
            ("|dweight|", norm_of(weight)),
        ]),
        step: Box::new(move || drop(leaves.both_ways())),
    }
}
