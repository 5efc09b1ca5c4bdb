//! How many multiply-adds a workload cannot do without, by the direct algorithms.

/// The multiply-adds of a network's layers for one sample, in the order of the forward pass.
pub struct Layers(Vec<f64>);

impl Layers {
    pub fn new(layers: impl IntoIterator<Item = f64>) -> Self {
        Layers(layers.into_iter().collect())
    }

    /// The forward pass; as much again are the gradients of all weights, or those of every layer's input.
    pub fn all(&self) -> f64 {
        self.0.iter().sum()
    }

    /// The gradients of every layer's input but the first's, which nobody asks for.
    pub fn but_first(&self) -> f64 {
        self.0.iter().skip(1).sum()
    }
}

/// A convolution: `positions` is the side of its result; for a transposed one it is the side of its input.
pub fn convolution(from: usize, to: usize, kernel: usize, positions: usize) -> f64 {
    (from * to * kernel * kernel * positions * positions) as f64
}

/// A GAN's step on batches of `batch`, D frozen while G learns; D sees real and fake pictures in its own step.
pub fn gan_step(batch: usize, g: &Layers, d: &Layers) -> f64 {
    let d_step = g.all() + 2.0 * (2.0 * d.all() + d.but_first()); // the fakes; forwards, weights, inputs
    let g_step = 2.0 * g.all() + g.but_first() + 2.0 * d.all(); // through D to its input
    batch as f64 * (d_step + g_step)
}

/// 10⁹ floating-point operations: a multiply-add is two.
pub fn gflop(multiply_adds: f64) -> f64 {
    2e-9 * multiply_adds
}
