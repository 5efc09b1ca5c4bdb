//! Values that change in the course of a run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A learning rate that falls along a line, in a configuration: the table `decay`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Decay {
    /// Thousands of images with the whole learning rate, before it falls along a line.
    pub constant_kimg: f64,
    /// Thousands of images over which it falls to 0; 0 for a rate that does not fall.
    pub decay_kimg: f64,
}

impl Decay {
    /// The share of the learning rate that is left after so many images; see [`linear_decay`].
    pub fn share(&self, images: u64) -> f64 {
        linear_decay(self.constant_kimg, self.decay_kimg, images as f64 / 1000.0)
    }
}

/// From `from` to `to` along half a cosine while `done` goes from 0 to `whole`, and `to` ever after; `to` when `whole` is 0.
pub fn cosine(from: f64, to: f64, done: f64, whole: f64) -> f64 {
    let share = if whole > 0.0 { (done / whole).min(1.0) } else { 1.0 };
    to + (from - to) * 0.5 * (1.0 + (std::f64::consts::PI * share).cos())
}

/// The share of the learning rate that is left after `done`: all of it up to `constant`, then along a line to nothing over
/// `decay` (Zhu et al. 2017, CycleGAN, section 4); all of it for ever when `decay` is 0.
pub fn linear_decay(constant: f64, decay: f64, done: f64) -> f64 {
    if decay > 0.0 { (1.0 - (done - constant) / decay).clamp(0.0, 1.0) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cosine_is_slow_at_both_ends_and_half_way_in_the_middle() {
        let value = |done| cosine(3.0, 1.0, done, 10.0);
        assert!((value(0.0) - 3.0).abs() < 1e-12 && (value(5.0) - 2.0).abs() < 1e-12);
        assert!((value(10.0) - 1.0).abs() < 1e-12 && (value(99.0) - 1.0).abs() < 1e-12);
        assert!((value(1.0) - 3.0).abs() < 0.05 && (cosine(3.0, 1.0, 0.0, 0.0) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_linear_decay_begins_late_and_ends_at_nothing() {
        let left = |done| linear_decay(100.0, 50.0, done);
        assert_eq!([left(0.0), left(100.0), left(125.0), left(150.0), left(300.0)], [1.0, 1.0, 0.5, 0.0, 0.0]);
        assert_eq!(linear_decay(1.0, 0.0, 199.0), 1.0);
        let decay = Decay { constant_kimg: 100.0, decay_kimg: 50.0 };
        assert_eq!([decay.share(125_000), Decay::default().share(125_000)], [0.5, 1.0]);
    }
}
