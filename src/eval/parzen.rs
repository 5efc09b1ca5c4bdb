//! Parzen-window log-likelihood: how likely test samples are under Gaussians around generated ones.
//!
//! Breuleux et al. 2011; Goodfellow et al. 2014, "Generative Adversarial Networks", section 5, as its published code has it.
//! It ranks models badly (Theis et al. 2016); it is the first number the field reported, and kept for that.

use rayon::prelude::*;
use serde::Serialize;

use super::distances::for_rows;
use super::estimate::Spread;
use super::features::Features;
use crate::error::Result;

/// Widths tried, from 0.1 to 1, evenly in their logarithm.
const WIDTHS: i32 = 10;

/// The mean log-likelihood in nats, and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LogLikelihood {
    /// Over the test samples.
    pub mean: f64,
    /// The standard deviation over the test samples, over the root of their number: the paper's ±.
    pub error: f64,
    /// The Gaussians' standard deviation, that of 10 which suits the validation samples best.
    pub sigma: f64,
}

/// The log-likelihood of `test` under Gaussians around `generated`, whose width is chosen by `validation`. The paper has
/// 10,000 generated samples, 1,000 for validation and 10,000 for the test, of MNIST's pixels in [0, 1]. An error with
/// samples of different widths.
pub fn log_likelihood(generated: &Features, validation: &Features, test: &Features) -> Result<LogLikelihood> {
    generated.comparable(validation, 1)?;
    generated.comparable(test, 2)?;
    let sigmas = (0..WIDTHS).map(|i| 10_f64.powf(-1.0 + f64::from(i) / f64::from(WIDTHS - 1))).collect::<Vec<_>>();
    let of_validation = likelihoods(generated, validation, &sigmas);
    let sum = |i: usize| of_validation.iter().map(|all| all[i]).sum::<f64>();
    let best = (0..sigmas.len()).max_by(|a, b| sum(*a).total_cmp(&sum(*b))).unwrap_or(0);
    let sigma = sigmas[best];
    let all = likelihoods(generated, test, &[sigma]).concat();
    let Spread { mean, deviation } = Spread::of(&all);
    Ok(LogLikelihood { mean, error: deviation / (all.len() as f64).sqrt(), sigma })
}

/// log of the mean over generated s of N(x; s, σ²), for every x and σ.
fn likelihoods(generated: &Features, samples: &Features, sigmas: &[f64]) -> Vec<Vec<f64>> {
    let mut found = Vec::with_capacity(samples.rows());
    for_rows(samples, generated, |_, distances| {
        found.par_extend(distances.par_chunks(generated.rows()).map(|row| {
            let of = |&sigma: &f64| {
                let exponent = |distance: &f64| -distance * distance / (2.0 * sigma * sigma);
                let most = row.iter().map(exponent).fold(f64::NEG_INFINITY, f64::max);
                let sum = row.iter().map(|distance| (exponent(distance) - most).exp()).sum::<f64>();
                let norm = (sigma * std::f64::consts::TAU.sqrt()).ln() * generated.width() as f64;
                most + (sum / row.len() as f64).ln() - norm
            };
            sigmas.iter().map(of).collect()
        }));
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::features::tests::golden;

    #[test]
    fn likelihoods_are_those_that_numpy_finds() {
        // Made by tests/golden/parzen.py.
        let [generated, validation, test] = [11, 12, 13].map(|seed| golden(seed, 300, 16, 0.5, 0.0));
        let found = log_likelihood(&generated, &validation, &test).unwrap();
        let near = |found: f64, wanted: f64| assert!((found / wanted - 1.0).abs() < 1e-9, "{found}, not {wanted}");
        near(found.sigma, 0.1291549665014884);
        near(found.mean, 5.805876107217523);
        near(found.error, 0.08919006232247302);
    }
}
