//! The PatchGAN discriminator: a small one that slides over the picture.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::{Conv2d, ConvConfig, Init, InstanceNorm};
use crate::random::Draws;

const SLOPE: f64 = 0.2;

/// What a [`PatchDiscriminator`] is.
#[derive(Clone, Copy, Debug)]
pub struct PatchConfig {
    /// Channels of the picture.
    pub inputs: usize,
    /// Channels after the first layer; every halving of the side doubles them, up to eight times.
    pub width: usize,
    /// How often the side is halved: 0 to 5 for patches of 1, 16, 34, 70, 142 and 286 pixels; 0 looks at single pixels.
    pub layers: usize,
    /// What stands after each layer but the first and the last.
    pub norms: Norms,
    /// Where the weights begin.
    pub init: Init,
}

/// The norms of a [`PatchDiscriminator`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norms {
    /// No norms: every layer has a bias instead.
    None,
    /// Over each picture, without scale and shift.
    Plain,
    /// Over each picture, with scale and shift.
    Affine,
}

/// Pictures `[n, inputs, h, w]` to a logit for each patch, `[n, 1, h', w']` (Isola et al. 2017, "Image-to-Image Translation
/// with Conditional Adversarial Networks", section 3.2.2 and appendix 6.1.2): 4x4 convolutions, norms over each picture after
/// all but the first and the last, leaky ReLU of 0.2. Two of them do not halve the side, so h' = h / 2^layers - 2; with
/// `layers` = 0 all are 1x1 and h' = h.
#[derive(Module, Debug)]
pub struct PatchDiscriminator {
    layers: Vec<Conv2d>,
    norms: Vec<InstanceNorm>, // after each layer but the first and the last; empty for none
}

impl PatchDiscriminator {
    /// At the start of training. `name` makes its draws its own.
    pub fn new(config: PatchConfig, draws: &Draws, name: &str, device: &Device) -> Self {
        let PatchConfig { inputs, width, layers, norms: kind, init } = config;
        let (kernel, padding) = if layers == 0 { (1, 0) } else { (4, 1) };
        let mut plan = vec![(inputs, width, layers > 0)]; // from, to, whether it halves
        for i in 1..=layers.max(1) {
            plan.push((width * channels(i - 1), width * channels(i), i < layers));
        }
        plan.push((width * channels(layers.max(1)), 1, false));
        let last = plan.len() - 1;
        let normalized = if kind == Norms::None { &[] } else { &plan[1..last] };
        let norms = normalized.iter().enumerate().map(|(i, (_, outputs, _))| {
            InstanceNorm::new(kind == Norms::Affine, *outputs, draws, &format!("{name}.norms.{i}"), device)
        });
        let norms = norms.collect();
        let layers = plan.iter().enumerate().map(|(i, (inputs, outputs, halves))| {
            let (inputs, outputs, stride) = (*inputs, *outputs, if *halves { 2 } else { 1 });
            let bias = kind == Norms::None || i == 0 || i == last; // a norm takes a bias away again
            let config = ConvConfig { inputs, outputs, kernel, stride, padding, groups: 1, bias, init };
            Conv2d::new(config, draws, &format!("{name}.layers.{i}"), device)
        });
        PatchDiscriminator { layers: layers.collect(), norms }
    }

    /// The logits. Panics when the picture is smaller than the layers need.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.features(x).pop().expect("a last layer")
    }

    /// What each layer makes of pictures, after its norm and leaky ReLU; the logits are the last. Panics likewise.
    pub fn features(&self, x: Tensor<4>) -> Vec<Tensor<4>> {
        let last = self.layers.len() - 1;
        let mut features = vec![self.layers[0].leaky(x, SLOPE)];
        for (i, layer) in self.layers[1..last].iter().enumerate() {
            let x = features[i].clone();
            features.push(match self.norms.get(i) {
                Some(norm) => norm.leaky(layer.forward(x), SLOPE),
                None => layer.leaky(x, SLOPE),
            });
        }
        features.push(self.layers[last].forward(features[features.len() - 1].clone()));
        features
    }
}

/// By how much the channels have grown after `i` halvings.
fn channels(i: usize) -> usize {
    1 << i.min(3)
}

/// Logits of patches `[n, 1, h, w]` as those of single samples, `[n·h·w, 1]`: what the losses take.
pub fn patches(logits: Tensor<4>) -> Tensor<2> {
    logits.reshape([-1, 1])
}

/// The mean logit of each picture, `[n, 1]`, of those of its patches `[n, 1, h, w]`.
pub fn of_pictures(logits: Tensor<4>) -> Tensor<2> {
    logits.mean_dims(&[2, 3]).flatten(1, 3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{floats, wave};
    use serde_json::Value;

    #[test]
    fn the_patches_have_the_papers_sizes() {
        // Measured by tests/golden/translation.py, and in the paper's appendix 6.1.2.
        let golden = serde_json::from_str::<Value>(include_str!("../../tests/golden/translation.json")).unwrap();
        for layers in 0..6 {
            let wanted = golden["pix2pix"]["receptive_fields"][layers].as_u64().unwrap() as usize;
            let side = 400;
            let device = Device::flex().autodiff();
            let init = Init::Normal { deviation: 1.0 };
            let config = PatchConfig { inputs: 1, width: 1, layers, norms: Norms::None, init };
            // A norm sees the whole picture; what a patch is by the convolutions is seen without.
            let net = PatchDiscriminator::new(config, &Draws::new(1, 0), "patch", &device);
            let x = wave([1, 1, side, side], 0.21).autodiff().require_grad();
            let h = net.forward(x.clone());
            let middle = h.dims()[3] / 2;
            let logit = h.slice([0..1, 0..1, middle..middle + 1, middle..middle + 1]);
            let gradient = x.grad(&logit.sum().backward()).unwrap().without_autodiff();
            let columns = floats(gradient.abs().sum_dim(2));
            let reached = (0..side).filter(|i| columns[*i] != 0.0).collect::<Vec<usize>>();
            assert_eq!(reached[reached.len() - 1] - reached[0] + 1, wanted, "{layers} halvings");
            assert_eq!(wanted, [1, 16, 34, 70, 142, 286][layers]);
        }
    }
}
