//! Inception score: how sure a classifier is of single samples, and how unsure of all together.
//!
//! Salimans et al. 2016, "Improved Techniques for Training GANs", section 4: exp(E KL(p(y|x) ‖ p(y))). With another
//! classifier than Inception it is named after that one.

use super::Like;
use super::estimate::{Estimate, GROUPS, Spread, groups};
use super::features::Features;
use super::numpy::RandomState;
use crate::error::Result;

/// The scores of logits as a tool splits them: torch-fidelity 10 splits after a shuffle seeded with 2020, NVIDIA and
/// clean-fid's users 10 in the order they come, StudioGAN one. An error when a split would be empty.
pub fn over_splits(logits: &Features, like: Like) -> Result<Spread> {
    let splits = if like == Like::StudioGan { 1 } else { 10 };
    logits.at_least(splits)?;
    let n = logits.rows();
    let order = match like {
        Like::TorchFidelity => RandomState::new(2020).permutation(n),
        _ => (0..n).collect(),
    };
    let split = |i: usize| score(logits, &order[i * n / splits..(i + 1) * n / splits]);
    Ok(Spread::of(&(0..splits).map(split).collect::<Vec<f64>>()))
}

/// The score of all logits `[n, classes]` together, with its interval. An error with less than 20.
pub fn estimate(logits: &Features) -> Result<Estimate> {
    logits.at_least(2 * GROUPS)?;
    let group = groups(logits.rows(), "inception_score");
    let of = |without: Option<usize>| {
        let rows = (0..logits.rows()).filter(|&row| Some(group[row]) != without).collect::<Vec<_>>();
        score(logits, &rows)
    };
    Ok(Estimate::jackknife(of(None), &std::array::from_fn(|g| of(Some(g)))))
}

/// exp of the mean divergence of p(y|x) from its mean over these rows.
fn score(logits: &Features, rows: &[usize]) -> f64 {
    let (n, classes) = (rows.len() as f64, logits.width());
    let mut mean = vec![0.0; classes];
    let mut entropy = 0.0; // Σ p log p, summed over rows
    for &row in rows {
        let row = logits.row(row);
        let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total = row.iter().map(|logit| (logit - most).exp()).sum::<f64>().ln();
        for (mean, logit) in mean.iter_mut().zip(row) {
            let log = logit - most - total;
            *mean += log.exp() / n;
            entropy += log.exp() * log;
        }
    }
    let of_mean = mean.iter().filter(|p| **p > 0.0).map(|p| p * p.ln()).sum::<f64>();
    (entropy / n - of_mean).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::features::tests::golden;

    #[test]
    fn scores_are_each_tool_s() {
        let logits = golden(3, 1003, 10, 8.0, 0.0);
        for (like, mean, deviation) in [
            (Like::TorchFidelity, 2.959644833426891, 0.06624224760072879),
            (Like::Nvidia, 2.964896865823382, 0.12254063004275645),
            (Like::StudioGan, 3.0024661171472826, 0.0),
        ] {
            let found = over_splits(&logits, like).unwrap();
            assert!((found.mean - mean).abs() < 1e-9 && (found.deviation - deviation).abs() < 1e-9, "{found:?}");
        }
        let all = estimate(&logits).unwrap();
        assert!((all.value - 3.0024661171472826).abs() < 1e-9 && all.extrapolated > all.value, "{all:?}");
    }

    #[test]
    fn a_sure_classifier_of_equal_classes_scores_their_number() {
        let rows = (0..40).flat_map(|i| (0..4).map(move |j| if i % 4 == j { 1000.0 } else { 0.0 }));
        let sure = Features::new("sure", 4, rows.collect()).unwrap();
        assert!((estimate(&sure).unwrap().value - 4.0).abs() < 1e-12);
        assert!(over_splits(&sure.select(&[0; 9]), Like::Nvidia).is_err());
    }
}
