//! Plain stand-ins for operations that `ganvas_kernels` is about to have under the same names; delete them when it does.

use burn::tensor::Tensor;
use burn::tensor::activation::log_sigmoid;
use burn::tensor::module::avg_pool2d;
use burn::tensor::ops::AvgPoolOptions;

/// What the statistics of a normalisation are taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Every channel's values in all samples: batch normalisation.
    Batch,
}

/// How to normalise, and what follows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Norm {
    pub over: Over,
    pub epsilon: f64,
    /// Leaky ReLU's slope for negative values; 1 means no activation.
    pub slope: f64,
}

/// What a normalisation returns.
pub struct Normalized {
    pub y: Tensor<4>,
    /// `[c]`, off the graph.
    pub mean: Tensor<1>,
    /// `[c]`, biased, off the graph.
    pub variance: Tensor<1>,
}

/// leaky_relu((x - mean) / sqrt(variance + ε)·γ + β): x `[n, c, h, w]`, γ and β `[c]`.
pub fn norm(x: Tensor<4>, gamma: Tensor<1>, beta: Tensor<1>, norm: Norm) -> Normalized {
    let Norm { over: Over::Batch, epsilon, slope } = norm;
    let [c] = gamma.dims();
    let mean_of = |x: Tensor<4>| x.mean_dim(3).mean_dim(2).mean_dim(0); // [1, c, 1, 1]
    let mean = mean_of(x.clone());
    let centred = x - mean.clone();
    let variance = mean_of(centred.clone().square());
    let scale = gamma.reshape([1, c, 1, 1]) / (variance.clone() + epsilon).sqrt();
    let y = centred * scale + beta.reshape([1, c, 1, 1]);
    let y = if slope == 1.0 { y } else { leaky_mask(y.clone(), y, slope) };
    let off_graph = |x: Tensor<4>| x.without_autodiff().reshape([c]);
    Normalized { y, mean: off_graph(mean), variance: off_graph(variance) }
}

/// What follows a bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Tanh,
}

/// act(x + b): x `[n, c, h, w]`, b `[c]`.
pub fn bias_act(x: Tensor<4>, bias: Tensor<1>, act: Act) -> Tensor<4> {
    let Act::Tanh = act;
    let [c] = bias.dims();
    (x + bias.reshape([1, c, 1, 1])).tanh()
}

/// g·(1 where y > 0, else the slope): leaky ReLU's pullback from its result y, which counts as a constant.
pub fn leaky_mask(g: Tensor<4>, y: Tensor<4>, slope: f64) -> Tensor<4> {
    g * (y.without_autodiff().sign().clamp_min(0.0) * (1.0 - slope) + slope)
}

/// The mean binary cross-entropy of logits `[n, 1]` against one target in [0, 1]. Returns `[1]`.
pub fn bce_with_logits(logits: Tensor<2>, target: f64) -> Tensor<1> {
    (-log_sigmoid(-logits.clone()) - logits * target).mean()
}

/// The means of squares of 2x2 pixels: `[n, c, 2h, 2w]` to `[n, c, h, w]`.
pub fn avg_pool2(x: Tensor<4>) -> Tensor<4> {
    avg_pool2d(x, AvgPoolOptions::new([2, 2]))
}

/// The transpose of [`avg_pool2`]: a quarter of each value on each of its four pixels.
pub fn spread2(g: Tensor<4>) -> Tensor<4> {
    let [n, c, h, w] = g.dims();
    let quarters: Tensor<6> = (g * 0.25).reshape([n, c, h, 1, w, 1]);
    quarters.expand([n, c, h, 2, w, 2]).reshape([n, c, 2 * h, 2 * w])
}
