//! One moment of a training: what a step is told, and what it tells.

use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor, TensorData};

use crate::device;
use crate::random::Draws;

/// One moment of a run.
pub struct StepCx<'a> {
    /// The number of steps before this one.
    pub step: u64,
    /// The number of images seen before this step.
    pub images: u64,
    /// Images in a step.
    pub batch: usize,
    /// The step's random draws.
    pub draws: Draws,
    /// Where to compute, without autodiff.
    pub device: &'a Device,
}

impl<'a> StepCx<'a> {
    /// The moment of a step of a run with this seed and batch.
    pub fn new(seed: u64, step: u64, batch: usize, device: &'a Device) -> Self {
        StepCx { step, images: step * batch as u64, batch, draws: Draws::new(seed, step), device }
    }

    /// Thousands of images seen before this step.
    pub fn kimg(&self) -> f64 {
        self.images as f64 / 1000.0
    }

    /// Numbers of the host on the device.
    pub fn tensor<const D: usize>(&self, data: TensorData) -> Tensor<D> {
        device::tensor(data, self.device)
    }
}

/// What one step measured: names and values `[1]` that stay on the device until somebody reads them. A step may leave out
/// what it did not do.
#[derive(Clone, Debug, Default)]
pub struct Scalars(Vec<(&'static str, Tensor<1>)>);

impl Scalars {
    /// Adds one value `[1]`; the graph behind it is let go.
    pub fn with(mut self, name: &'static str, value: Tensor<1>) -> Self {
        self.0.push((name, value.without_autodiff()));
        self
    }

    /// Adds a value where there is one.
    pub fn with_some(self, name: &'static str, value: Option<Tensor<1>>) -> Self {
        value.into_iter().fold(self, |scalars, value| scalars.with(name, value))
    }

    /// Adds all of another step's or player's.
    pub fn and(mut self, other: Scalars) -> Self {
        self.0.extend(other.0);
        self
    }

    /// How D judges, from its logits on real and on fake pictures, `[n, 1]` each: the mean of D = sigmoid(logit) and the
    /// share it is right about (a logit above 0 says real), for both.
    pub fn judged(self, [real, fake]: [Tensor<2>; 2]) -> Self {
        let [real, fake] = [real, fake].map(Tensor::without_autodiff);
        self.with("d_real", sigmoid(real.clone()).mean())
            .with("d_fake", sigmoid(fake.clone()).mean())
            .with("d_accuracy_real", real.greater_elem(0.0).float().mean())
            .with("d_accuracy_fake", fake.lower_elem(0.0).float().mean())
    }

    /// Whether every value is a finite number. One number is read for it: the sum of all values times 0, which is 0 or NaN.
    pub fn are_finite(&self) -> bool {
        self.values().is_none_or(|values| (values * 0.0).sum().into_scalar::<f32>() == 0.0)
    }

    /// All values, in one transfer.
    pub fn read(&self) -> Vec<(&'static str, f64)> {
        let values = self.values().map_or_else(Vec::new, |values| values.into_data().iter::<f64>().collect());
        self.0.iter().map(|(name, _)| *name).zip(values).collect()
    }

    /// All values `[count]`, where there are any.
    fn values(&self) -> Option<Tensor<1>> {
        let values = self.0.iter().map(|(_, value)| value.clone()).collect::<Vec<_>>();
        (!values.is_empty()).then(|| Tensor::cat(values, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_that_is_not_finite_is_found_among_all() {
        let device = Device::flex();
        let of = |values: &[f32]| {
            values.iter().fold(Scalars::default(), |all, value| all.with("value", Tensor::full([1], *value, &device)))
        };
        assert!(of(&[]).are_finite() && of(&[f32::MAX, f32::MAX, -3.0]).are_finite(), "a sum may overflow");
        for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(!of(&[1.0, wrong, 2.0]).are_finite(), "{wrong}");
        }
        assert_eq!(of(&[1.0, 2.5]).read(), [("value", 1.0), ("value", 2.5)]);
    }
}
