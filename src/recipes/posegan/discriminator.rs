//! The network that judges whether a person beside another picture is real (Ma et al. 2017, section 3.2), DCGAN's with its inputs in
//! pairs.

use super::{CHANNELS, Config};
use crate::nn::{ConvConfig, Init, Linear, Norm, NormedConv, Pullback, chain};
use crate::prelude::*;

const SLOPE: f64 = 0.2;
/// Layers that halve the side; each but the first doubles the channels.
const LAYERS: usize = 4;

/// Two pictures of a person to logits.
#[derive(Module, Debug)]
pub struct Critic {
    layers: Vec<NormedConv>, // 5x5
    last: Linear,
}

impl Critic {
    pub(super) fn new(config: &Config, draws: &Draws, device: &Device) -> Self {
        let channels = |i: usize| if i == 0 { 2 * CHANNELS } else { config.d_width << (i - 1) }; // before layer i
        // What is small stays small where nothing normalises it.
        let init = match config.d_norm {
            Norm::None => Init::FanIn { gain: (2.0 / (1.0 + SLOPE * SLOPE)).sqrt() },
            _ => Init::Normal { deviation: 0.02 },
        };
        let layer = |i: usize| {
            let halving = ConvConfig { stride: 2, ..ConvConfig::same([channels(i), channels(i + 1)], 5, init) };
            let norm = if i == 0 { Norm::None } else { config.d_norm };
            NormedConv::new(halving, norm, draws, &format!("critic.layers.{i}"), device)
        };
        let side = config.resolution >> LAYERS;
        Critic {
            layers: (0..LAYERS).map(layer).collect(),
            last: Linear::new([channels(LAYERS) * side * side, 1], init, 0.0, draws, "critic.last", device),
        }
    }

    /// Logits `[n, 1]` on two pictures of each person along their channels, `[n, 6, side, side]`, and the way back.
    pub fn vjp(&self, both: Tensor<4>) -> (Tensor<2>, Pullback<2, 4>) {
        let (mut h, mut back): (_, Pullback<4, 4>) = (both, Box::new(|gradient| gradient));
        for layer in &self.layers {
            let (y, through) = layer.leaky_vjp(h, SLOPE);
            (h, back) = (y, chain(through, back));
        }
        let shape = h.dims();
        let (logits, through) = self.last.vjp(h.flatten(1, 3));
        (logits, Box::new(move |gradient| back(through(gradient).reshape(shape))))
    }

    /// Logits on what is given beside another picture, `[n, 3, side, side]` each.
    pub fn forward(&self, given: Tensor<4>, other: Tensor<4>) -> Tensor<2> {
        self.vjp(Tensor::cat(vec![given, other], 1)).0
    }
}
