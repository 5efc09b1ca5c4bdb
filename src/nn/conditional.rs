//! Batch norm whose scale and shift follow from a condition (Dumoulin et al. 2017; de Vries et al. 2017), as BigGAN has it.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};

use super::norm::{by_running, kept};
use super::{SpectralLinear, Statistics};
use crate::random::Draws;

/// Batch norm with γ = 1 + W·y and β = V·y for each sample's condition y, both matrices spectrally normalised (Brock et al. 2019,
/// "Large Scale GAN Training for High Fidelity Natural Image Synthesis", appendix C).
#[derive(Module, Debug)]
pub struct ConditionalNorm {
    gain: SpectralLinear,
    shift: SpectralLinear,
    /// The running mean, shape `[c]`; no gradient.
    pub mean: Param<Tensor<1>>,
    /// The running variance, unbiased, shape `[c]`; no gradient.
    pub variance: Param<Tensor<1>>,
}

impl ConditionalNorm {
    /// For conditions of so many entries, and so many channels.
    pub fn new([condition, channels]: [usize; 2], draws: &Draws, name: &str, device: &Device) -> Self {
        let linear =
            |part: &str| SpectralLinear::new([condition, channels], false, draws, &format!("{name}.{part}"), device);
        ConditionalNorm {
            gain: linear("gain"),
            shift: linear("shift"),
            mean: kept(Tensor::zeros([channels], device)),
            variance: kept(Tensor::ones([channels], device)),
        }
    }

    /// x `[n, c, h, w]` normalised, scaled and shifted by y `[n, condition]`, then ReLU. In training by the batch's own statistics.
    pub fn relu(&self, x: Tensor<4>, y: Tensor<2>, told: Option<&Statistics>) -> Tensor<4> {
        let gamma = (self.gain.forward(y.clone(), told) + 1.0).flatten(0, 1); // [n·c]
        let beta = self.shift.forward(y, told).flatten(0, 1);
        by_running(x, [gamma, beta], [&self.mean, &self.variance], (1e-5, 0.0), told)
    }
}

/// A 1 at each label, off the graph: `[n, classes]`. Panics when a label is none of the classes.
pub fn one_hot(labels: &[u32], classes: usize, device: &Device) -> Tensor<2> {
    let mut values = vec![0.0_f32; labels.len() * classes];
    for (row, label) in values.chunks_mut(classes).zip(labels) {
        row[*label as usize] = 1.0;
    }
    Tensor::from_data(TensorData::new(values, [labels.len(), classes]), &device.clone().without_autodiff())
}
