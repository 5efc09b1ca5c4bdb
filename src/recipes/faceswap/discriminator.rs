//! The networks that tell a person's face from one that was made, each beside the warped face that was given.

use super::generator::{INIT, SLOPE, Site, Stage};
use super::{CHANNELS, Config, of_each};
use crate::nn::{Conv2d, ConvConfig};
use crate::prelude::*;

/// Halvings of the side, at least.
const HALVINGS: usize = 3;
/// Side of the smallest pictures where the halvings are more.
const LEAST: usize = 8;

/// A face beside the given one, `[n, 6, side, side]`, to a logit for each patch: `[n, 1, 7, 7]`, or fewer of small pictures.
#[derive(Module, Debug)]
pub struct Critic {
    stages: Vec<Stage>,
    last: Conv2d,
}

impl Critic {
    fn new(config: &Config, person: usize, site: &Site) -> Self {
        let Config { resolution, d_width, .. } = *config;
        let halvings = ((resolution / LEAST).ilog2() as usize).max(HALVINGS);
        let channels = |i: usize| if i == 0 { 2 * CHANNELS } else { d_width << (i - 1).min(2) }; // after i halvings
        let stage = |i: usize| {
            let name = format!("critics.{person}.stages.{i}");
            let look = (i + 1 >= HALVINGS).then(|| site.look(channels(i + 1), resolution >> (i + 1), &name)).flatten();
            let config = ConvConfig::halving([channels(i), channels(i + 1)], false, INIT);
            Stage::new(config, SLOPE, i > 0, look, site, &name)
        };
        let last = ConvConfig { stride: 1, ..ConvConfig::halving([channels(halvings), 1], false, INIT) };
        Critic { stages: (0..halvings).map(stage).collect(), last: site.conv(last, &format!("critics.{person}.last")) }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.last.forward(self.stages.iter().fold(x, |h, stage| stage.forward(h)))
    }
}

/// One for each person.
#[derive(Module, Debug)]
pub struct Critics {
    of_person: Vec<Critic>,
}

impl Critics {
    pub(super) fn new(config: &Config, site: &Site) -> Self {
        Critics { of_person: (0..config.persons.len()).map(|person| Critic::new(config, person, site)).collect() }
    }

    /// The logits of faces beside what was given, `[n, 3, side, side]` each, by the critics of these `persons`: `[n, 1, h, w]`.
    pub fn forward(&self, face: Tensor<4>, given: Tensor<4>, persons: &[usize]) -> Tensor<4> {
        let both = Tensor::cat(vec![face, given], 1);
        Tensor::cat(of_each(&self.of_person, persons, both, Critic::forward), 0)
    }
}
