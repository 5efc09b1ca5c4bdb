//! Spectral normalisation: a layer's weight over its largest singular value.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use crate::random::Draws;

/// Under the vectors' norms.
const EPSILON: f64 = 1e-12;

/// W/σ with σ the spectral norm of W as a matrix of one row for each output (Miyato et al. 2018, "Spectral Normalization
/// for Generative Adversarial Networks", algorithm 1), by one power iteration at each use.
///
/// The vector u is a parameter without gradient, so that checkpoints have it. A training step moves it on:
/// `trained.change(|net| ..iterated(..))`, before the weight changes.
#[derive(Module, Debug)]
pub struct SpectralNorm {
    /// The left singular vector's estimate u, shape `[outputs]`; no gradient.
    pub vector: Param<Tensor<1>>,
    #[module(skip)]
    axis: usize,
}

impl SpectralNorm {
    /// For a weight with this many outputs along its axis `axis`: 0 for a convolution, 1 for a linear layer or a transposed
    /// convolution. `name` makes its draws its own.
    pub fn new(outputs: usize, axis: usize, draws: &Draws, name: &str, device: &Device) -> Self {
        SpectralNorm::of(draws.normal(&format!("{name}.vector"), [outputs], device), axis)
    }

    /// From this vector `[outputs]`, of any length.
    pub fn of(vector: Tensor<1>, axis: usize) -> Self {
        let unit = unit(vector.without_autodiff()).autodiff();
        SpectralNorm { vector: Param::from_tensor(unit).set_require_grad(false), axis }
    }

    /// The weight over its spectral norm, by one iteration from the vector kept. The gradient goes through σ = uᵀWv, not
    /// through u and v.
    pub fn normalized<const D: usize>(&self, weight: Tensor<D>) -> Tensor<D> {
        let (left, right) = self.iteration(weight.clone());
        let norm = left.matmul(self.matrix(weight.clone())).mul(right).sum(); // [1]
        weight / norm.reshape([1; D])
    }

    /// With the vector one iteration nearer to the singular vector of this weight.
    pub fn iterated<const D: usize>(mut self, weight: Tensor<D>) -> Self {
        let (left, _) = self.iteration(weight);
        self.vector = self.vector.map(|_| left.flatten::<1>(0, 1).autodiff().set_require_grad(false));
        self
    }

    /// u `[1, outputs]` and v `[1, rest]` after one iteration, off the graph.
    fn iteration<const D: usize>(&self, weight: Tensor<D>) -> (Tensor<2>, Tensor<2>) {
        let matrix = self.matrix(weight.without_autodiff());
        let left: Tensor<2> = self.vector.val().without_autodiff().unsqueeze_dim(0);
        let right = unit(left.matmul(matrix.clone()));
        (unit(right.clone().matmul(matrix.transpose())), right)
    }

    /// One row for each output.
    fn matrix<const D: usize>(&self, weight: Tensor<D>) -> Tensor<2> {
        let outputs = weight.dims()[self.axis] as i32;
        weight.swap_dims(0, self.axis).reshape([outputs, -1])
    }
}

fn unit<const D: usize>(vector: Tensor<D>) -> Tensor<D> {
    let norm = vector.clone().square().sum().sqrt().clamp_min(EPSILON);
    vector / norm.reshape([1; D])
}
