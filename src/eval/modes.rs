//! Which modes of a known mixture samples in the plane find.
//!
//! Srivastava et al. 2017, "VEEGAN: Reducing Mode Collapse in GANs using Implicit Variational Learning", section 4.1: a
//! sample is of high quality within three standard deviations of a mean, and a mode is found when one of those is its own.

use super::estimate::{Estimate, GROUPS, groups};
use crate::data::gaussians::Mixture;
use crate::error::{Error, Result};

/// In standard deviations.
const NEAR: f64 = 3.0;

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Modes {
    /// How many modes are found.
    pub found: Estimate,
    /// The share of samples of high quality.
    pub high_quality: Estimate,
}

/// Of points. An error with less than 20.
pub fn estimate(points: &[[f32; 2]], mixture: &Mixture) -> Result<Modes> {
    if points.len() < 2 * GROUPS {
        return Err(Error::input(format!("{} samples; modes are counted in at least {}", points.len(), 2 * GROUPS)));
    }
    let nearest = points.iter().map(|point| {
        let [x, y] = point.map(f64::from);
        let apart = mixture.centres.iter().map(|[at_x, at_y]| (x - at_x).hypot(y - at_y)).enumerate();
        let (mode, apart) = apart.min_by(|a, b| a.1.total_cmp(&b.1))?;
        (apart <= NEAR * mixture.deviation).then_some(mode)
    });
    let (nearest, group) = (nearest.collect::<Vec<_>>(), groups(points.len(), "modes"));
    let numbers = |without: Option<usize>| {
        let mut found = vec![false; mixture.centres.len()];
        let (mut near, mut all) = (0.0, 0.0);
        for (mode, _) in nearest.iter().zip(&group).filter(|(_, of)| Some(**of) != without) {
            all += 1.0;
            if let Some(mode) = mode {
                near += 1.0;
                found[*mode] = true;
            }
        }
        [found.into_iter().filter(|found| *found).count() as f64, near / all]
    };
    let (all, without): (_, [_; GROUPS]) = (numbers(None), std::array::from_fn(|g| numbers(Some(g))));
    let of = |i: usize| Estimate::jackknife(all[i], &without.map(|numbers| numbers[i]));
    Ok(Modes { found: of(0), high_quality: of(1).of_share() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_its_nearest_modes_within_three_deviations() {
        let mixture = Mixture { centres: vec![[0.0, 0.0], [1.0, 0.0], [0.0, 5.0]], deviation: 0.1 };
        let points = [[0.0, 0.29], [0.0, 0.31], [0.9, 0.0], [3.0, 3.0]].repeat(10);
        let Modes { found, high_quality } = estimate(&points, &mixture).unwrap();
        assert_eq!((found.value, high_quality.value), (2.0, 0.5));
        assert!(high_quality.low < 0.5 && high_quality.high > 0.5, "{high_quality:?}");
        assert!(estimate(&points[..19], &mixture).is_err());
    }
}
