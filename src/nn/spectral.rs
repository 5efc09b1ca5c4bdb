//! Spectral normalisation (Miyato et al. 2018, "Spectral Normalization for Generative Adversarial Networks", algorithm 1): weights
//! divided by their largest singular value, which one power iteration for each training pass follows.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use ganvas_kernels::{Conv, conv2d_grouped, conv2d_upsampled, linear};

use super::{Init, Statistics};
use crate::random::Draws;

/// The left singular vector of a weight's largest singular value, as far as it is known: `[outputs]`, of length 1.
#[derive(Module, Debug)]
struct Spectral {
    u: Param<Tensor<1>>,
}

impl Spectral {
    fn new(outputs: usize, draws: &Draws, name: &str, device: &Device) -> Self {
        let u = unit(draws.normal(&format!("{name}.u"), [1, outputs], device));
        Spectral { u: Param::from_tensor(u.reshape([outputs])).set_require_grad(false) }
    }

    /// W/σ(W) for W `[outputs, ..]`, seen as a matrix of `outputs` rows: σ = vᵀWᵀu after one more iteration, of which u and v are
    /// constants to the gradient. In training, where there is room for what the pass `told`, the iteration is kept.
    fn of<const D: usize>(&self, weight: Tensor<D>, told: Option<&Statistics>) -> Tensor<D> {
        let outputs = weight.dims()[0];
        let matrix = weight.clone().flatten::<2>(1, D - 1); // [outputs, rest]
        let constant = matrix.clone().without_autodiff();
        let v = unit(self.u.val().without_autodiff().reshape([1, outputs]).matmul(constant.clone()));
        let u = unit(v.clone().matmul(constant.transpose()));
        if let Some(told) = told {
            told.replaced(self.u.id, u.clone().reshape([outputs]));
        }
        let sigma = (v.matmul(matrix.transpose()) * u).sum();
        weight / sigma.reshape([1; D])
    }
}

/// A vector `[1, n]` brought to the length 1.
fn unit(vector: Tensor<2>) -> Tensor<2> {
    let length = vector.clone().square().sum().sqrt().reshape([1, 1]);
    vector / (length + 1e-12)
}

/// A convolution with stride 1 that keeps the picture's size, its weights normalised.
#[derive(Module, Debug)]
pub struct SpectralConv {
    /// Shape `[outputs, inputs, kernel, kernel]`, before it is normalised.
    pub weight: Param<Tensor<4>>,
    /// Shape `[outputs]`.
    pub bias: Option<Param<Tensor<1>>>,
    spectral: Spectral,
}

impl SpectralConv {
    /// With a kernel of an odd side, orthogonal weights, and a bias of 0 or none.
    pub fn new(
        [inputs, outputs]: [usize; 2],
        kernel: usize,
        bias: bool,
        draws: &Draws,
        name: &str,
        device: &Device,
    ) -> Self {
        let shape = [outputs, inputs, kernel, kernel];
        let (weight, _) = Init::Orthogonal.weights(shape, inputs * kernel * kernel, draws, name, device);
        SpectralConv {
            weight,
            bias: bias.then(|| Param::from_tensor(Tensor::zeros([outputs], device))),
            spectral: Spectral::new(outputs, draws, name, device),
        }
    }

    /// x `[n, inputs, h, w]` to `[n, outputs, h, w]`, with leaky ReLU of this slope; 1 for none.
    pub fn forward(&self, x: Tensor<4>, slope: f64, told: Option<&Statistics>) -> Tensor<4> {
        let (weight, bias) = self.in_use(told);
        let padding = weight.dims()[2] / 2;
        conv2d_grouped(x, weight, bias, Conv { stride: 1, padding, slope }, 1)
    }

    /// The same of x with every pixel made four: to `[n, outputs, 2h, 2w]`. Panics unless the kernel is 3x3.
    pub fn upsampled(&self, x: Tensor<4>, told: Option<&Statistics>) -> Tensor<4> {
        let (weight, bias) = self.in_use(told);
        conv2d_upsampled(x, weight, bias, 1.0)
    }

    fn in_use(&self, told: Option<&Statistics>) -> (Tensor<4>, Tensor<1>) {
        let weight = self.weight.val();
        let none = || Tensor::zeros([weight.dims()[0]], (&weight.device().without_autodiff(), weight.dtype()));
        let bias = self.bias.as_ref().map_or_else(none, Param::val);
        (self.spectral.of(weight, told), bias)
    }
}

/// A fully connected layer with normalised weights.
#[derive(Module, Debug)]
pub struct SpectralLinear {
    /// Shape `[outputs, inputs]`, before it is normalised.
    pub weight: Param<Tensor<2>>,
    /// Shape `[outputs]`.
    pub bias: Option<Param<Tensor<1>>>,
    spectral: Spectral,
}

impl SpectralLinear {
    /// With orthogonal weights, and a bias of 0 or none.
    pub fn new([inputs, outputs]: [usize; 2], bias: bool, draws: &Draws, name: &str, device: &Device) -> Self {
        let (weight, _) = Init::Orthogonal.weights([outputs, inputs], inputs, draws, name, device);
        SpectralLinear {
            weight,
            bias: bias.then(|| Param::from_tensor(Tensor::zeros([outputs], device))),
            spectral: Spectral::new(outputs, draws, name, device),
        }
    }

    /// x `[n, inputs]` to `[n, outputs]`.
    pub fn forward(&self, x: Tensor<2>, told: Option<&Statistics>) -> Tensor<2> {
        let weight = self.weight.val();
        let none = || Tensor::zeros([weight.dims()[0]], (&weight.device().without_autodiff(), weight.dtype()));
        let bias = self.bias.as_ref().map_or_else(none, Param::val);
        linear(x, self.spectral.of(weight, told).transpose(), bias, 1.0, None)
    }
}
