//! A value with its interval, by the delete-a-group jack-knife.

use serde::Serialize;

use crate::random::Draws;

/// The number of groups.
pub const GROUPS: usize = 10;
/// The 97.5th percentile of Student's t with GROUPS - 1 degrees of freedom.
const T: f64 = 2.2621571628540993;
/// The 97.5th percentile of the normal distribution.
const Z: f64 = 1.959963984540054;

/// A metric's value and how sure one can be of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// On all samples.
    pub value: f64,
    /// The lower end of the 95 % interval.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// What the value would be with endlessly many samples, as far as its bias goes with 1/n.
    pub extrapolated: f64,
    /// The values without each of the ten groups, where they were taken.
    pub without: Option<[f64; GROUPS]>,
    /// Where it is the mean of a number of each sample, those numbers.
    #[serde(skip)]
    pub each: Option<Vec<f64>>,
}

impl Estimate {
    /// From the value on all samples, and the values without the first, second, ... group.
    ///
    /// The standard error is the root of (g - 1)/g Σ (θ_i - θ̄)², the extrapolated value g θ - (g - 1) θ̄ (Efron and
    /// Tibshirani 1993, chapter 11, with groups in place of samples). Where two independent sets are compared, group i is
    /// left out of both, and the error is that of both.
    pub fn jackknife(value: f64, without: &[f64; GROUPS]) -> Self {
        let groups = GROUPS as f64;
        let mean = without.iter().sum::<f64>() / groups;
        let squares = without.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        let half = T * (squares * (groups - 1.0) / groups).sqrt();
        let extrapolated = groups * value - (groups - 1.0) * mean;
        Estimate { value, low: value - half, high: value + half, extrapolated, without: Some(*without), each: None }
    }

    /// Of the mean of at least one independent number: 1.96 standard errors on either side.
    pub fn of_mean(values: &[f64]) -> Self {
        let Spread { mean, deviation } = Spread::of(values);
        let estimate = Estimate::of_error(mean, deviation / (values.len() as f64 - 1.0).max(1.0).sqrt());
        Estimate { without: means_without(values), each: Some(values.to_vec()), ..estimate }
    }

    /// Of an unbiased number and its standard error: 1.96 of them on either side.
    pub fn of_error(value: f64, error: f64) -> Self {
        let half = Z * error;
        Estimate { value, low: value - half, high: value + half, extrapolated: value, without: None, each: None }
    }

    /// What another tool gives as mean and deviation: nothing is extrapolated.
    pub fn of_tool(Spread { mean, deviation }: Spread) -> Self {
        Estimate {
            value: mean,
            low: mean - deviation,
            high: mean + deviation,
            extrapolated: mean,
            without: None,
            each: None,
        }
    }

    /// The same of a share, which an interval cannot leave.
    pub fn of_share(self) -> Self {
        let within = |value: f64| value.clamp(0.0, 1.0);
        Estimate { low: within(self.low), high: within(self.high), extrapolated: within(self.extrapolated), ..self }
    }

    /// The same around another value.
    pub fn moved_to(self, value: f64) -> Self {
        let by = value - self.value;
        let without = self.without.map(|without| without.map(|value| value + by));
        let each = self.each.map(|each| each.into_iter().map(|value| value + by).collect());
        Estimate {
            value,
            low: self.low + by,
            high: self.high + by,
            extrapolated: self.extrapolated + by,
            without,
            each,
        }
    }
}

/// The mean of some numbers and how far they are apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The standard deviation, the population's.
    pub deviation: f64,
}

impl Spread {
    /// Of at least one number.
    pub fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n;
        Spread { mean, deviation: variance.sqrt() }
    }
}

/// The mean without each group; none where a group would have less than two numbers.
fn means_without(values: &[f64]) -> Option<[f64; GROUPS]> {
    let grouped = values.iter().copied().zip(groups(values.len(), "mean")).collect::<Vec<_>>();
    (values.len() >= 2 * GROUPS).then(|| std::array::from_fn(|group| mean_without(&grouped, Some(group))))
}

/// The mean of numbers, each with its group, without one of the groups or of all.
pub fn mean_without(grouped: &[(f64, usize)], without: Option<usize>) -> f64 {
    let kept = grouped.iter().filter(|(_, group)| Some(*group) != without).map(|(value, _)| *value);
    kept.clone().sum::<f64>() / kept.count() as f64
}

/// The group of each of n samples: at random, because samples often come ordered by class, and equal up to one in size.
pub fn groups(n: usize, name: &str) -> Vec<usize> {
    let mut group = vec![0; n];
    for (i, at) in Draws::new(0, 0).permutation(name, n as u32).into_iter().enumerate() {
        group[at as usize] = i % GROUPS;
    }
    group
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_jackknife_of_a_mean_is_its_standard_error() {
        // Ten groups of one sample: the mean of 0..10, whose standard error is √(110/12 / 10) = 0.957427.
        let without = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map(|left| (45 - left) as f64 / 9.0);
        let estimate = Estimate::jackknife(4.5, &without);
        assert!((estimate.high - 4.5 - T * 0.9574271077563381).abs() < 1e-12, "{estimate:?}");
        assert!((estimate.extrapolated - 4.5).abs() < 1e-12, "a mean has no bias: {estimate:?}");
    }

    #[test]
    fn the_interval_of_a_mean_is_1_96_standard_errors_wide() {
        let Estimate { value, low, high, extrapolated, .. } = Estimate::of_mean(&[1.0, 2.0, 3.0, 4.0]);
        // The sample's standard deviation is √(5/3), that of the mean √(5/12) = 0.6454972243679028.
        assert!(value == 2.5 && extrapolated == 2.5, "{value} {extrapolated}");
        assert!((high - value - Z * 0.6454972243679028).abs() < 1e-12 && (value - low - (high - value)).abs() < 1e-12);
    }

    #[test]
    fn an_extrapolation_takes_away_what_goes_with_1_over_n() {
        let biased = |n: f64| 2.0 + 3.0 / n;
        let estimate = Estimate::jackknife(biased(1000.0), &[biased(900.0); GROUPS]);
        assert!((estimate.extrapolated - 2.0).abs() < 1e-12 && estimate.low == estimate.high, "{estimate:?}");
    }

    #[test]
    fn groups_are_equal_in_size_and_in_no_order() {
        let groups = groups(1003, "test");
        let sizes = (0..GROUPS).map(|g| groups.iter().filter(|&&group| group == g).count());
        assert!(sizes.clone().all(|size| size == 100 || size == 101) && sizes.sum::<usize>() == 1003);
        assert_ne!(groups[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }
}
