//! The modulated convolution of StyleGAN2 (Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN",
//! section 2.2), with the way back to its input and its style.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use ganvas_kernels::{Conv, conv_transpose2d, conv2d, scale, upfirdn2d};

use super::{blur, drawn};
use crate::random::Draws;

/// x `[n, inputs, h, w]` and a style `[n, inputs]` to `[n, outputs, h, w]`, or twice the sides with `up`.
#[derive(Module, Debug)]
pub struct ModulatedConv {
    /// Shape `[outputs, inputs, kernel, kernel]`.
    pub weight: Param<Tensor<4>>,
    #[module(skip)]
    config: ModulatedConfig,
}

/// What a [`ModulatedConv`] is.
#[derive(Clone, Copy, Debug)]
pub struct ModulatedConfig {
    /// Channels of x.
    pub inputs: usize,
    /// Channels of the result.
    pub outputs: usize,
    /// Side of the kernel in pixels: 3 or 1.
    pub kernel: usize,
    /// Whether output channels are brought back to unit norm (equation 3, with 1e-8 under the root).
    pub demodulate: bool,
    /// Whether the picture's sides are doubled: a transposed convolution of stride 2, then the smoothing filter.
    pub up: bool,
    /// What the result is multiplied by: √2 for a leaky ReLU after it, or 1/√fan_in where nothing demodulates.
    pub gain: f64,
}

/// The way back to x and the style.
pub type StylePullback = Box<dyn FnOnce(Tensor<4>) -> (Tensor<4>, Tensor<2>)>;

impl ModulatedConv {
    /// N(0, 1) weights. `name` makes the layer's draws its own.
    pub fn new(config: ModulatedConfig, draws: &Draws, name: &str, device: &Device) -> Self {
        let ModulatedConfig { inputs, outputs, kernel, .. } = config;
        let (draws, name, shape) = (*draws, format!("{name}.weight"), [outputs, inputs, kernel, kernel]);
        ModulatedConv { weight: drawn(shape, device, move |device| draws.normal(&name, shape, device)), config }
    }

    /// The result and the way back.
    ///
    /// The style s scales x, one convolution serves all samples, and d = gain / √(Σ (W·s)² + ε) scales the result: the
    /// same as a weight for each sample, by linearity. With c the convolution's result, g the gradient by d·c and
    /// E = Σ W² over the kernel, the gradient by d is Σ g·c over the pixels, and that by s is Σ x·(gradient by s·x) over
    /// the pixels, less s·((gradient by d)·d³/gain²)·E.
    pub fn vjp(&self, x: Tensor<4>, style: Tensor<2>) -> (Tensor<4>, StylePullback) {
        let ModulatedConfig { inputs, outputs, demodulate, gain, .. } = self.config;
        let weight = if demodulate { self.weight.val() } else { self.weight.val() * gain };
        let convolved = self.convolve(scale(x.clone(), style.clone()), weight.clone());
        let divisor = demodulate.then(|| {
            let energy: Tensor<2> = weight.clone().square().sum_dims(&[2, 3]).reshape([outputs, inputs]);
            let norm = (style.clone().square().matmul(energy.clone().transpose()) + 1e-8).sqrt(); // [n, outputs]
            (norm.recip() * gain, energy)
        });
        let y = match &divisor {
            Some((d, _)) => scale(convolved.clone(), d.clone()),
            None => convolved.clone(),
        };
        let config = self.config;
        let back = move |gradient: Tensor<4>| {
            let plane_sums = |tensor: Tensor<4>| -> Tensor<2> { tensor.sum_dims(&[2, 3]).flatten(1, 3) };
            let (into, through_norm) = match divisor {
                Some((d, energy)) => {
                    let by_d = plane_sums(gradient.clone() * convolved); // [n, outputs]
                    let cubed = d.clone().powf_scalar(3.0) * (1.0 / (gain * gain));
                    let by_style = (by_d * cubed).matmul(energy) * style.clone(); // [n, inputs]
                    (scale(gradient, d), Some(by_style))
                }
                None => (gradient, None),
            };
            let by_scaled = convolve_back(into, weight, config); // [n, inputs, h, w]
            let by_style = plane_sums(by_scaled.clone() * x);
            let by_style = through_norm.map_or(by_style.clone(), |norm| by_style - norm);
            (scale(by_scaled, style), by_style)
        };
        (y, Box::new(back))
    }

    fn convolve(&self, x: Tensor<4>, weight: Tensor<4>) -> Tensor<4> {
        let ModulatedConfig { outputs, kernel, up, .. } = self.config;
        let none = Tensor::zeros([outputs], (&weight.device().without_autodiff(), weight.dtype()));
        if !up {
            return conv2d(x, weight, none, Conv { stride: 1, padding: kernel / 2, slope: 1.0 });
        }
        let y = conv_transpose2d(x, weight.swap_dims(0, 1), none, UP); // [n, outputs, 2h + kernel - 2, ..]
        upfirdn2d(y, &smoothing(kernel))
    }
}

const UP: Conv = Conv { stride: 2, padding: 0, slope: 1.0 };

/// To sides of 2h from 2h + kernel - 2.
fn smoothing(kernel: usize) -> ganvas_kernels::Fir {
    let rest = 5 - kernel as isize;
    blur((rest + 1) / 2, rest / 2, 4.0)
}

fn convolve_back(gradient: Tensor<4>, weight: Tensor<4>, config: ModulatedConfig) -> Tensor<4> {
    let ModulatedConfig { inputs, kernel, up, .. } = config;
    let none = Tensor::zeros([inputs], (&weight.device().without_autodiff(), weight.dtype()));
    if !up {
        return conv_transpose2d(gradient, weight, none, Conv { stride: 1, padding: kernel / 2, slope: 1.0 });
    }
    let [_, _, h, w] = gradient.dims();
    let back = smoothing(kernel).transpose([h + kernel - 2, w + kernel - 2]);
    conv2d(upfirdn2d(gradient, &back), weight.swap_dims(0, 1), none, UP)
}
