//! Which classes a classifier sees in samples: missing ones are modes that a model dropped.

use super::estimate::{Estimate, GROUPS, groups};
use super::features::Features;
use crate::error::Result;

/// A class is met when its share is at least this part of its share among real samples.
const MET: f64 = 0.1;

/// Numbers of the classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Classes {
    /// How many classes are met.
    pub met: Estimate,
    /// The Kullback-Leibler divergence KL(generated ‖ real) of the shares, in nats (Che et al. 2017, section 4.1).
    pub divergence: Estimate,
}

/// Of generated and real logits `[n, classes]`. An error with less than 20 on a side.
pub fn estimate(generated: &Features, real: &Features) -> Result<Classes> {
    generated.comparable(real, 2 * GROUPS)?;
    let (of_generated, of_real) = (groups(generated.rows(), "classes.generated"), groups(real.rows(), "classes.real"));
    let numbers = |without: Option<usize>| {
        let (p, q) = (shares(generated, &of_generated, without), shares(real, &of_real, without));
        let pairs = || p.iter().zip(&q);
        let met = pairs().filter(|(p, q)| **q > 0.0 && **p >= MET * **q).count() as f64;
        // A class that no real sample has counts as if half a sample had it.
        let least = 0.5 / real.rows() as f64;
        let divergence = pairs().filter(|(p, _)| **p > 0.0).map(|(p, q)| p * (p / q.max(least)).ln()).sum::<f64>();
        [met, divergence]
    };
    let (all, without): (_, [_; GROUPS]) = (numbers(None), std::array::from_fn(|g| numbers(Some(g))));
    let of = |i: usize| Estimate::jackknife(all[i], &without.map(|numbers| numbers[i]));
    Ok(Classes { met: of(0), divergence: of(1) })
}

/// The share of each class among the samples outside a group.
fn shares(logits: &Features, group: &[usize], without: Option<usize>) -> Vec<f64> {
    let (mut counts, mut total) = (vec![0.0; logits.width()], 0.0);
    for row in (0..logits.rows()).filter(|&row| Some(group[row]) != without) {
        counts[crate::looks::digits::class(logits.row(row))] += 1.0;
        total += 1.0;
    }
    counts.into_iter().map(|count: f64| count / total).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sure(classes: &[usize]) -> Features {
        let rows = classes.iter().flat_map(|&class| (0..3).map(move |i| f64::from(u8::from(i == class))));
        Features::new("logits", 3, rows.collect()).unwrap()
    }

    #[test]
    fn a_missing_class_is_missed_and_equal_shares_do_not_diverge() {
        let real = sure(&[0, 1, 2].repeat(100));
        let same = estimate(&sure(&[2, 0, 1].repeat(50)), &real).unwrap();
        assert!(same.met.value == 3.0 && same.divergence.value.abs() < 1e-12, "{same:?}");
        let two = estimate(&sure(&[0, 1].repeat(50)), &real).unwrap();
        assert!(two.met.value == 2.0 && (two.divergence.value - 1.5_f64.ln()).abs() < 1e-12, "{two:?}");
    }
}
