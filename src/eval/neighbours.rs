//! Precision, recall, density and coverage: who lies among whose nearest neighbours.
//!
//! Kynkäänniemi et al. 2019, "Improved Precision and Recall Metric for Assessing Generative Models" (k = 3, a sample on the
//! edge of a ball lies in it); Naeem et al. 2020, "Reliable Fidelity and Diversity Metrics for Generative Models" (k = 5,
//! it does not), whose density and coverage do better with outliers.

use rayon::prelude::*;

use super::distances::for_rows;
use super::estimate::{Estimate, GROUPS, groups};
use super::features::Features;
use crate::error::Result;

/// How neighbours are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balls {
    /// k = 3, edges included: Kynkäänniemi et al., torch-fidelity, NVIDIA.
    Closed3,
    /// k = 5, edges excluded: Naeem et al., prdc.
    Open5,
}

impl Balls {
    fn k(self) -> usize {
        match self {
            Balls::Closed3 => 3,
            Balls::Open5 => 5,
        }
    }

    fn holds(self, radius: f64, distance: f64) -> bool {
        match self {
            Balls::Closed3 => distance <= radius,
            Balls::Open5 => distance < radius,
        }
    }
}

/// What neighbours tell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbours<T> {
    /// The share of generated samples within a real one's ball, which reaches to its k-th real neighbour.
    pub precision: T,
    /// The share of real samples within a generated one's ball.
    pub recall: T,
    /// How many real balls hold a generated sample, over k, on average; it may exceed 1.
    pub density: T,
    /// The share of real balls that hold a generated sample.
    pub coverage: T,
}

/// The four shares with their intervals. All depend on the number of samples: compare equal ones only. An error with less
/// than 20 samples on a side, or features of different widths.
pub fn estimate(generated: &Features, real: &Features, balls: Balls) -> Result<Neighbours<Estimate>> {
    generated.comparable(real, 2 * GROUPS)?;
    let (of_generated, of_real) =
        (groups(generated.rows(), "neighbours.generated"), groups(real.rows(), "neighbours.real"));
    let real_radii = radii(real, &of_real, balls.k());
    let generated_radii = radii(generated, &of_generated, balls.k());
    let mut counts = [Counts::default(); GROUPS + 1];
    // precise[j][f]: generated j lies in a real ball, without group f; the last f is without none.
    let mut precise = vec![[false; GROUPS + 1]; generated.rows()];
    for_rows(real, generated, |start, distances| {
        // Real rows one after the other: they mark what they hold.
        for (i, row) in distances.chunks(generated.rows()).enumerate() {
            let i = start + i;
            for f in 0..=GROUPS {
                if of_real[i] == f {
                    continue;
                }
                let (mut recalled, mut covered) = (false, false);
                for (j, &distance) in row.iter().enumerate() {
                    if of_generated[j] == f {
                        continue;
                    }
                    if balls.holds(real_radii[i][f], distance) {
                        precise[j][f] = true;
                        covered = true;
                        counts[f].held += 1;
                    }
                    recalled |= balls.holds(generated_radii[j][f], distance);
                }
                counts[f].recalled += usize::from(recalled);
                counts[f].covered += usize::from(covered);
            }
        }
    });
    let shares: [Neighbours<f64>; GROUPS + 1] = std::array::from_fn(|f| {
        let left = |group: &[usize]| group.iter().filter(|of| **of != f).count() as f64;
        let (n, m) = (left(&of_generated), left(&of_real));
        Neighbours {
            precision: precise.iter().filter(|held| held[f]).count() as f64 / n,
            recall: counts[f].recalled as f64 / m,
            density: counts[f].held as f64 / (balls.k() as f64 * n),
            coverage: counts[f].covered as f64 / m,
        }
    });
    let of = |share: fn(&Neighbours<f64>) -> f64| {
        Estimate::jackknife(share(&shares[GROUPS]), &std::array::from_fn(|f| share(&shares[f])))
    };
    Ok(Neighbours {
        precision: of(|shares| shares.precision).of_share(),
        recall: of(|shares| shares.recall).of_share(),
        density: of(|shares| shares.density),
        coverage: of(|shares| shares.coverage).of_share(),
    })
}

#[derive(Clone, Copy, Default)]
struct Counts {
    held: usize,
    recalled: usize,
    covered: usize,
}

/// Of every sample, the distance to its k-th neighbour, itself not counted: without each group, and at last without none.
fn radii(x: &Features, group: &[usize], k: usize) -> Vec<[f64; GROUPS + 1]> {
    let mut radii = Vec::with_capacity(x.rows());
    for_rows(x, x, |_, distances| {
        let of_row = |row: &[f64]| {
            let mut left = Vec::with_capacity(row.len());
            std::array::from_fn(|f| {
                left.clear();
                left.extend(row.iter().zip(group).filter(|(_, of)| **of != f).map(|(distance, _)| *distance));
                // The sample itself is the nearest, unless it is left out.
                let last = left.len() - 1;
                *left.select_nth_unstable_by(k.min(last), f64::total_cmp).1
            })
        };
        radii.par_extend(distances.par_chunks(x.rows()).map(of_row));
    });
    radii
}

/// The share of generated samples that are not copies: whose nearest training sample has a nearer one among its own kind
/// (Alaa et al. 2022, "How Faithful is your Synthetic Data?", authenticity). Held-out samples show what is usual. An error
/// with features of different widths or less than two training samples.
pub fn authenticity(generated: &Features, training: &Features) -> Result<Estimate> {
    generated.comparable(training, 2)?;
    let own = nearest(training, training, 1);
    let authentic = nearest(generated, training, 0).into_iter().map(|(at, distance)| f64::from(distance > own[at].1));
    Ok(Estimate::of_mean(&authentic.collect::<Vec<_>>()).of_share())
}

/// For each of `samples` the nearest of `among`, by its row, and the distance to it; or the one after so many.
fn nearest(samples: &Features, among: &Features, after: usize) -> Vec<(usize, f64)> {
    let mut found = Vec::with_capacity(samples.rows());
    for_rows(samples, among, |_, distances| {
        found.par_extend(distances.par_chunks(among.rows()).map(|row| {
            let mut row = row.iter().copied().enumerate().collect::<Vec<(usize, f64)>>();
            *row.select_nth_unstable_by(after, |a, b| a.1.total_cmp(&b.1)).1
        }));
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::features::tests::golden;

    #[test]
    fn a_copy_is_no_authentic_sample() {
        let features = |values: &[f64]| Features::new("made", 1, values.to_vec()).unwrap();
        let training = features(&[0.0, 1.0, 3.0, 10.0]);
        // 0.1 is nearer to 0 than 1 is; 5.1 is farther from 3 than 1 is; 12 is nearer to 10 than 3 is.
        let found = authenticity(&features(&[0.1, 5.1, 12.0, 3.0]), &training).unwrap();
        assert_eq!(found.value, 0.25);
        assert!(found.low >= 0.0 && found.high < 1.0, "{found:?}");
    }

    #[test]
    fn shares_are_those_of_torch_fidelity_and_of_prdc() {
        let (generated, real) = (golden(4, 300, 8, 1.0, 0.0), golden(5, 300, 8, 0.75, 0.25));
        let near =
            |found: &Estimate, wanted: f64| assert!((found.value - wanted).abs() < 1e-9, "{found:?}, not {wanted}");
        let closed = estimate(&generated, &real, Balls::Closed3).unwrap();
        near(&closed.precision, 0.5466666666666666);
        near(&closed.recall, 0.9933333333333333);
        let open = estimate(&generated, &real, Balls::Open5).unwrap();
        near(&open.precision, 0.6566666666666666);
        near(&open.recall, 1.0);
        near(&open.density, 0.38066666666666665);
        near(&open.coverage, 0.7533333333333333);
        assert!(open.coverage.low < 0.75 && open.coverage.high > 0.76, "{open:?}");
        assert!(open.recall.high == 1.0 && open.recall.extrapolated <= 1.0, "no share exceeds 1: {open:?}");
    }
}
