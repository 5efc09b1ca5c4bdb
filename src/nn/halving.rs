//! The discriminator of networks that enlarge pictures.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use ganvas_kernels::Over;

use super::{Conv2d, ConvConfig, Init, Linear, Normalization, Pullback, chain};
use crate::random::Draws;

const SLOPE: f64 = 0.2;
const NORM_EPSILON: f64 = 1e-5;
const INIT: Init = Init::FanIn { gain: 1.0 };

/// What a [`HalvingDiscriminator`] is.
#[derive(Clone, Copy, Debug)]
pub struct HalvingConfig {
    /// Side of the pictures in pixels.
    pub side: usize,
    /// Channels of the picture.
    pub inputs: usize,
    /// Channels of the first layer; every halving of the side doubles them, up to eight times.
    pub width: usize,
    /// Side of the kernels that halve: 3 in SRGAN's paper, 4 in ESRGAN's code.
    pub kernel: usize,
    /// How often the side is halved, at least once.
    pub halvings: usize,
    /// Units between the last picture and the logit: 1024 in SRGAN, 100 in ESRGAN.
    pub hidden: usize,
}

/// Pictures `[n, inputs, side, side]` to logits `[n, 1]` (Ledig et al. 2017, "Photo-Realistic Single Image Super-Resolution
/// Using a Generative Adversarial Network", figure 4): 3x3 convolutions, each followed by one that halves the side, norms over
/// the batch after all but the first, leaky ReLU of 0.2, two linear layers.
#[derive(Module, Debug)]
pub struct HalvingDiscriminator {
    layers: Vec<Conv2d>,
    norms: Vec<Normalization>, // after each layer but the first
    hidden: Linear,
    last: Linear,
}

impl HalvingDiscriminator {
    /// At the start of training. `name` makes its draws its own.
    pub fn new(config: HalvingConfig, draws: &Draws, name: &str, device: &Device) -> Self {
        let HalvingConfig { mut side, mut inputs, width, kernel, halvings, hidden } = config;
        let (mut layers, mut norms) = (Vec::new(), Vec::new());
        for i in 0..2 * halvings {
            let (outputs, halves) = (width << (i / 2).min(3), i % 2 == 1);
            let (kernel, stride) = if halves { (kernel, 2) } else { (3, 1) };
            // A norm takes a bias away again.
            let config =
                ConvConfig { inputs, outputs, kernel, stride, padding: 1, groups: 1, bias: i == 0, init: INIT };
            layers.push(Conv2d::new(config, draws, &format!("{name}.layers.{i}"), device));
            if i > 0 {
                norms.push(Normalization::new(Over::Batch, outputs, NORM_EPSILON, device));
            }
            (inputs, side) = (outputs, (side + 2 - kernel) / stride + 1);
        }
        let linear =
            |part: &str, sides: [usize; 2]| Linear::new(sides, INIT, 0.0, draws, &format!("{name}.{part}"), device);
        let (hidden, last) = (linear("hidden", [inputs * side * side, hidden]), linear("last", [hidden, 1]));
        HalvingDiscriminator { layers, norms, hidden, last }
    }

    /// The logits, by the statistics of this batch. Panics when the pictures are of another side.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let mut h = self.layers[0].leaky(x, SLOPE);
        for (layer, norm) in self.layers[1..].iter().zip(&self.norms) {
            h = norm.leaky(layer.forward(h), SLOPE);
        }
        self.last.forward(self.hidden.leaky(h.flatten(1, 3), SLOPE, None))
    }

    /// [`HalvingDiscriminator::forward`] and its way back.
    pub fn vjp(&self, x: Tensor<4>) -> (Tensor<2>, Pullback<2, 4>) {
        let (mut h, mut back) = self.layers[0].leaky_vjp(x, SLOPE);
        for (layer, norm) in self.layers[1..].iter().zip(&self.norms) {
            let (y, through) = layer.vjp(h);
            let (z, normal) = norm.leaky_vjp(y, SLOPE);
            (h, back) = (z, chain(chain(normal, through), back));
        }
        let shape = h.dims();
        let (hidden, to_hidden) = self.hidden.leaky_vjp(h.flatten(1, 3), SLOPE);
        let (logits, to_last) = self.last.vjp(hidden);
        let to_flat = chain(to_last, to_hidden);
        (logits, Box::new(move |gradient| back(to_flat(gradient).reshape(shape))))
    }
}
