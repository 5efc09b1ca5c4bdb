//! The blur kernels of Real-ESRGAN: bells of several shapes, and the ringing one.
//!
//! Wang, Xie, Dong and Shan 2021, "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data",
//! sections 3.1 and 3.3. C = [i, j] is the place from the middle, Sigma the covariance, beta the shape.

use std::f64::consts::{PI, TAU};

/// Weights that sum to 1, `[side, side]`.
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    /// Odd.
    pub side: usize,
    /// Row after row.
    pub weights: Vec<f64>,
    /// The kernel of one axis when the whole is the product of the two.
    pub factor: Option<Vec<f64>>,
}

/// How a bell falls off with q = C^T Sigma^-1 C.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bell {
    /// exp(-q / 2), eq. 2
    Gaussian,
    /// exp(-q^beta / 2), eq. 4
    Generalised(f64),
    /// 1 / (1 + q^beta), eq. 5
    Plateau(f64),
}

impl Kernel {
    /// A bell with these deviations along two axes, of which the first is turned by theta: Sigma = R diag(sigma^2) R^T, eq. 3.
    pub fn bell(side: usize, bell: Bell, [sigma_1, sigma_2]: [f64; 2], theta: f64) -> Self {
        if bell == Bell::Gaussian && sigma_1 == sigma_2 {
            return Kernel::gaussian(side, sigma_1);
        }
        let (sin, cos) = theta.sin_cos();
        let mut weights = Vec::with_capacity(side * side);
        for (i, j) in places(side) {
            let (along, across) = ((cos * i + sin * j) / sigma_1, (cos * j - sin * i) / sigma_2);
            let q = along * along + across * across;
            weights.push(match bell {
                Bell::Gaussian => (-0.5 * q).exp(),
                Bell::Generalised(beta) => (-0.5 * q.powf(beta)).exp(),
                Bell::Plateau(beta) => 1.0 / (1.0 + q.powf(beta)),
            });
        }
        Kernel { side, weights: normalised(weights), factor: None }
    }

    /// The round Gaussian, which is the product of two.
    pub fn gaussian(side: usize, sigma: f64) -> Self {
        let line = (0..side).map(|i| (i as f64 - (side / 2) as f64) / sigma);
        let factor = normalised(line.map(|x| (-0.5 * x * x).exp()).collect());
        let weights = factor.iter().flat_map(|row| factor.iter().map(move |column| row * column)).collect();
        Kernel { side, weights, factor: Some(factor) }
    }

    /// The ideal low-pass filter cut off at omega_c and to `side` pixels, which rings and overshoots:
    /// omega_c / (2 pi sqrt(i² + j²)) J_1(omega_c sqrt(i² + j²)), eq. 6; in the middle its limit, omega_c² / (4 pi).
    pub fn sinc(side: usize, omega_c: f64) -> Self {
        // Weights at the same distance are the same; Bessel's function is what costs.
        let mut known = std::collections::BTreeMap::new();
        let weight = |(i, j): (f64, f64)| {
            let square = i * i + j * j;
            *known.entry(square as u32).or_insert_with(|| match square {
                0.0 => omega_c * omega_c / (4.0 * PI),
                _ => omega_c / (TAU * square.sqrt()) * bessel_j1(omega_c * square.sqrt()),
            })
        };
        Kernel { side, weights: normalised(places(side).map(weight).collect()), factor: None }
    }
}

/// C = [i, j] for every weight: i to the right, j down.
fn places(side: usize) -> impl Iterator<Item = (f64, f64)> {
    let middle = (side / 2) as f64;
    (0..side * side).map(move |at| ((at % side) as f64 - middle, (at / side) as f64 - middle))
}

fn normalised(mut weights: Vec<f64>) -> Vec<f64> {
    let sum = weights.iter().sum::<f64>();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    weights
}

/// J_1(x) for x up to 60, by Bessel's integral 1/pi ∫ cos(t - x sin t) dt over [0, pi]. The mean over equidistant points of a
/// whole period misses it by J_(POINTS - 1)(x) and smaller: here nothing.
fn bessel_j1(x: f64) -> f64 {
    const POINTS: usize = 112;
    // The integrand is even about 0, so that half the period is enough; its ends, t = 0 and t = pi, have cosines 1 and -1.
    let half = (1..POINTS / 2).map(|k| {
        let t = TAU * k as f64 / POINTS as f64;
        (t - x * t.sin()).cos()
    });
    2.0 * half.sum::<f64>() / POINTS as f64
}

#[cfg(test)]
mod tests {
    use super::super::tests::golden;
    use super::*;
    use crate::golden::numbers;

    #[test]
    fn kernels_are_those_of_the_papers_formulas_in_numpy() {
        let cases = golden("kernels");
        assert_eq!(cases.as_array().unwrap().len(), 8);
        for case in cases.as_array().unwrap() {
            let [side, beta, theta, omega_c, sigma_1, sigma_2] =
                ["side", "beta", "theta", "omega_c", "sigma_1", "sigma_2"].map(|key| case[key].as_f64().unwrap_or(0.0));
            let kernel = match case["kind"].as_str().unwrap() {
                "sinc" => Kernel::sinc(side as usize, omega_c),
                "gaussian" => Kernel::bell(side as usize, Bell::Gaussian, [sigma_1, sigma_2], theta),
                "generalised" => Kernel::bell(side as usize, Bell::Generalised(beta), [sigma_1, sigma_2], theta),
                _ => Kernel::bell(side as usize, Bell::Plateau(beta), [sigma_1, sigma_2], theta),
            };
            let theirs = numbers(&case["weights"]);
            let error = kernel.weights.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(error < 1e-9, "{case}: {error}");
        }
    }

    #[test]
    fn every_kernel_sums_to_one_and_a_narrow_one_is_a_point() {
        for kernel in [Kernel::gaussian(7, 0.05), Kernel::bell(21, Bell::Plateau(2.0), [0.05, 0.04], 1.0)] {
            let middle = kernel.weights[kernel.weights.len() / 2];
            assert!(middle > 0.999, "{middle}");
        }
        for side in [7, 13, 21] {
            let sum = Kernel::sinc(side, 1.3).weights.iter().sum::<f64>();
            assert!((sum - 1.0).abs() < 1e-12, "{sum}");
        }
    }
}
