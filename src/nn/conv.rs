//! Convolutions with their way back, and their transposes.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use ganvas_kernels::{
    Conv, conv_transpose2d, conv_transpose2d_grouped, conv2d_grouped, conv2d_joined, conv2d_upsampled,
};

use super::{Gains, Init, Pullback, chain, leaky_pullback};
use crate::random::Draws;

/// What a convolution is.
#[derive(Clone, Copy, Debug)]
pub struct ConvConfig {
    /// Channels of x.
    pub inputs: usize,
    /// Channels of y.
    pub outputs: usize,
    /// Side of the kernel in pixels.
    pub kernel: usize,
    /// Pixels between two positions of the kernel (between two inputs' results, for the transpose); at least 1.
    pub stride: usize,
    /// Zeros around the picture on every side (pixels taken off the result, for the transpose).
    pub padding: usize,
    /// How many groups of channels do not see each other; 1 for all, and always 1 for the transpose.
    pub groups: usize,
    /// Whether a bias is added; it begins at 0.
    pub bias: bool,
    /// Where the weights begin.
    pub init: Init,
}

impl ConvConfig {
    /// A `kernel` x `kernel` convolution of odd side that keeps the picture's size, in one group, with a bias.
    pub fn same([inputs, outputs]: [usize; 2], kernel: usize, init: Init) -> Self {
        ConvConfig { inputs, outputs, kernel, stride: 1, padding: kernel / 2, groups: 1, bias: true, init }
    }

    /// The 4x4 convolution that halves the sides; its transpose doubles them.
    pub fn halving([inputs, outputs]: [usize; 2], bias: bool, init: Init) -> Self {
        ConvConfig { inputs, outputs, kernel: 4, stride: 2, padding: 1, groups: 1, bias, init }
    }
}

/// x `[n, inputs, h, w]` to y `[n, outputs, (h + 2·padding - kernel) / stride + 1, ..]`: cross-correlation, as the field
/// calls convolution.
#[derive(Module, Debug)]
pub struct Conv2d {
    /// Shape `[outputs, inputs / groups, kernel, kernel]`.
    pub weight: Param<Tensor<4>>,
    /// Shape `[outputs]`.
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    config: ConvConfig,
    #[module(skip)]
    gains: Gains,
}

/// x `[n, inputs, h, w]` to y `[n, outputs, (h - 1)·stride - 2·padding + kernel, ..]`: the adjoint of a [`Conv2d`] from
/// `outputs` to `inputs` channels.
#[derive(Module, Debug)]
pub struct ConvTranspose2d {
    /// Shape `[inputs, outputs, kernel, kernel]`.
    pub weight: Param<Tensor<4>>,
    /// Shape `[outputs]`.
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    config: ConvConfig,
    #[module(skip)]
    gains: Gains,
}

/// No bias: zeros that want no gradient.
fn zeros(channels: usize, like: &Tensor<4>) -> Tensor<1> {
    Tensor::zeros([channels], (&like.device().without_autodiff(), like.dtype()))
}

/// The bias as it is used, or none.
fn bias_in_use(bias: &Option<Param<Tensor<1>>>, gains: Gains, outputs: usize, weight: &Tensor<4>) -> Tensor<1> {
    bias.as_ref().map_or_else(|| zeros(outputs, weight), |bias| gains.bias(bias.val()))
}

fn zero_bias(config: &ConvConfig, device: &Device) -> Option<Param<Tensor<1>>> {
    config.bias.then(|| Param::from_tensor(Tensor::zeros([config.outputs], device)))
}

impl Conv2d {
    /// A convolution at the start of training. `name` makes its draws its own.
    pub fn new(config: ConvConfig, draws: &Draws, name: &str, device: &Device) -> Self {
        let ConvConfig { inputs, outputs, kernel, groups, .. } = config;
        assert!(inputs % groups == 0 && outputs % groups == 0, "{config:?}: the groups do not divide the channels");
        let shape = [outputs, inputs / groups, kernel, kernel];
        let (weight, gains) = config.init.weights(shape, shape[1] * kernel * kernel, draws, name, device);
        Conv2d { weight, bias: zero_bias(&config, device), config, gains }
    }

    /// y from x. Panics with both shapes when x does not fit.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.leaky(x, 1.0)
    }

    /// The same with leaky ReLU of this slope, in one pass.
    pub fn leaky(&self, x: Tensor<4>, slope: f64) -> Tensor<4> {
        let ConvConfig { stride, padding, groups, .. } = self.config;
        let (weight, bias) = self.in_use();
        conv2d_grouped(x, weight, bias, Conv { stride, padding, slope }, groups)
    }

    /// W and b as they are used.
    fn in_use(&self) -> (Tensor<4>, Tensor<1>) {
        let weight = self.gains.weight(self.weight.val());
        let bias = bias_in_use(&self.bias, self.gains, self.config.outputs, &weight);
        (weight, bias)
    }

    /// The same of pictures `[n, c, h, w]` together along their channels, as in a dense block.
    pub fn joined(&self, parts: &[Tensor<4>], slope: f64) -> Tensor<4> {
        let ConvConfig { stride, padding, groups, .. } = self.config;
        assert_eq!(groups, 1, "{:?}: joined pictures are seen in one group", self.config);
        let (weight, bias) = self.in_use();
        conv2d_joined(parts, weight, bias, Conv { stride, padding, slope })
    }

    /// The same of x with every pixel made four: `[n, inputs, h, w]` to `[n, outputs, 2h, 2w]`. Panics unless the kernel is
    /// 3x3 and keeps the size.
    pub fn upsampled(&self, x: Tensor<4>, slope: f64) -> Tensor<4> {
        let ConvConfig { stride, padding, groups, .. } = self.config;
        assert_eq!((stride, padding, groups), (1, 1, 1), "{:?}: does not keep the size", self.config);
        let (weight, bias) = self.in_use();
        conv2d_upsampled(x, weight, bias, slope)
    }

    /// [`Conv2d::forward`] and its way back: the transposed convolution with the same weights.
    pub fn vjp(&self, x: Tensor<4>) -> (Tensor<4>, Pullback<4, 4>) {
        self.leaky_vjp(x, 1.0)
    }

    /// [`Conv2d::leaky`] and its way back.
    pub fn leaky_vjp(&self, x: Tensor<4>, slope: f64) -> (Tensor<4>, Pullback<4, 4>) {
        let ConvConfig { kernel, stride, padding, groups, inputs, .. } = self.config;
        let [_, _, h, w] = x.dims();
        let whole = [h, w].iter().all(|side| (side + 2 * padding - kernel).is_multiple_of(stride));
        let (weight, bias) = self.in_use();
        let y = conv2d_grouped(x, weight.clone(), bias, Conv { stride, padding, slope }, groups);
        let back = move |gradient| {
            let none = zeros(inputs, &weight);
            let transposed = |padding| {
                conv_transpose2d_grouped(gradient, weight, none, Conv { stride, padding, slope: 1.0 }, groups)
            };
            if whole {
                return transposed(padding);
            }
            // The stride leaves out the last pixels, or zeros beyond them: all that the kernel saw, cut to the picture.
            let all = transposed(0);
            let missing = |side: usize, there: usize| (padding + side).saturating_sub(there);
            let [_, _, rows, columns] = all.dims();
            let all = all.pad((0, missing(w, columns), 0, missing(h, rows)), 0.0);
            all.narrow(2, padding, h).narrow(3, padding, w)
        };
        (y.clone(), chain(leaky_pullback(y, slope), Box::new(back)))
    }
}

impl ConvTranspose2d {
    /// A transposed convolution at the start of training. `name` makes its draws its own.
    pub fn new(config: ConvConfig, draws: &Draws, name: &str, device: &Device) -> Self {
        let ConvConfig { inputs, outputs, kernel, groups, .. } = config;
        assert_eq!(groups, 1, "{config:?}: transposed convolutions have one group");
        let fan_in = inputs * kernel * kernel;
        let (weight, gains) = config.init.weights([inputs, outputs, kernel, kernel], fan_in, draws, name, device);
        ConvTranspose2d { weight, bias: zero_bias(&config, device), config, gains }
    }

    /// y from x. Panics with both shapes when x does not fit.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let ConvConfig { stride, padding, outputs, .. } = self.config;
        let weight = self.gains.weight(self.weight.val());
        let bias = bias_in_use(&self.bias, self.gains, outputs, &weight);
        conv_transpose2d(x, weight, bias, Conv { stride, padding, slope: 1.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{floats, wave};
    use crate::optim::{AdamConfig, Trained};
    use crate::parts::Parts;

    #[test]
    fn the_way_back_is_the_gradient_whatever_the_stride_leaves_out() {
        for (kernel, stride, padding, [h, w]) in
            [(3, 1, 1, [5, 6]), (4, 2, 1, [8, 6]), (5, 2, 2, [8, 6]), (3, 2, 1, [8, 7]), (2, 3, 0, [7, 10])]
        {
            let same = ConvConfig::same([2, 3], kernel, Init::FanIn { gain: 1.0 });
            let conv = Conv2d::new(ConvConfig { stride, padding, ..same }, &Draws::new(1, 0), "conv", &Device::flex());
            let x = wave([2, 2, h, w], 0.37).autodiff().require_grad();
            let (y, back) = conv.clone().leaky_vjp(x.clone(), 0.2);
            let weights = wave(y.dims(), 0.71);
            let wanted = x.grad(&(y * weights.clone()).sum().backward()).unwrap();
            let found = back(weights);
            for (found, wanted) in floats(found).into_iter().zip(floats(wanted)) {
                assert!((found - wanted).abs() < 1e-5, "{kernel} {stride} {padding}: {found}, {wanted}");
            }
        }
    }

    #[test]
    fn weights_are_drawn_for_a_training_and_not_where_a_file_has_others() {
        let (device, draws) = (Device::flex(), Draws::new(1, 0));
        let config = ConvConfig::same([3, 4], 3, Init::Normal { deviation: 0.02 });
        let [mut one, mut other] = ["one", "other"].map(|name| Conv2d::new(config, &draws, name, &device));
        assert!(!one.weight.is_initialized() && !other.weight.is_initialized());
        let wanted = floats(one.weight.val());
        let mut load = Parts::load(Parts::copies(|visit| visit.module("model", &mut one)));
        load.module("model", &mut other);
        load.loaded().unwrap();
        assert_eq!(floats(other.weight.val()), wanted);
        let fresh = Conv2d::new(config, &draws, "fresh", &device.clone().autodiff());
        let copy = fresh.clone();
        let learns = Trained::new(fresh, AdamConfig::with_beta1(0.5), 0.0);
        assert!(copy.weight.is_initialized(), "a training has its weights before there are copies");
        assert!(!learns.frozen().weight.val().is_require_grad() && learns.net().weight.val().is_require_grad());
        // What is never asked for is never drawn, by its file or otherwise.
        let mut third = Conv2d::new(config, &draws, "third", &device);
        let drawn = third.weight.clone();
        let mut load = Parts::load(Parts::copies(|visit| visit.module("model", &mut one)));
        load.module("model", &mut third);
        load.loaded().unwrap();
        assert!(!drawn.is_initialized() && third.weight.is_initialized());
    }
}
