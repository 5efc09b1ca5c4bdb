//! Fréchet distance between two sets of features, each taken for a Gaussian.
//!
//! Dowson and Landau 1982; Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
//! Equilibrium", equation 6: |μ₁ - μ₂|² + Tr(Σ₁ + Σ₂ - 2 (Σ₁ Σ₂)^½). With features of the Inception network of 2015 it is
//! the FID, with others it is not.

use faer::{Mat, MatRef, Side};

use super::Like;
use super::estimate::{Estimate, GROUPS, groups};
use super::features::Features;
use crate::error::{Error, Result};

/// What is added to a covariance's diagonal, relative to its mean, so that it has a Cholesky factor.
const RIDGE: f64 = 1e-10;

/// The distance as a tool computes it; exactly, in f64, where none is named.
///
/// Tools differ in whether the mean is taken in f32, and whether the covariance divides by n or n - 1. An error with less
/// than two samples on a side, or features of different widths.
pub fn distance(a: &Features, b: &Features, like: Option<Like>) -> Result<f64> {
    a.comparable(b, 2)?;
    let (rounded, divisor) = match like {
        None => (false, 1),
        Some(Like::TorchFidelity | Like::CleanFid | Like::StudioGan) => (true, 1),
        Some(Like::Nvidia) => (false, 0),
    };
    let ([a_mean, a_rest], [b_mean, b_rest]) = (centred(a, divisor), centred(b, divisor));
    let apart = if rounded {
        let means = rounded_mean(a).into_iter().zip(rounded_mean(b));
        f64::from(means.map(|(a, b)| (a - b).powi(2)).sum::<f32>())
    } else {
        (0..a.width()).map(|i| (a_mean[(0, i)] - b_mean[(0, i)]).powi(2)).sum::<f64>()
    };
    let total = a_rest.squared_norm_l2() + b_rest.squared_norm_l2();
    Ok(apart + total - 2.0 * root_trace(a_rest, b_rest)?)
}

/// The mean `[1, width]`, and what is left of every row, `[rows, width]`, over √(rows - divisor).
fn centred(x: &Features, divisor: usize) -> [Mat<f64>; 2] {
    let (n, d) = (x.rows(), x.width());
    let rows = MatRef::from_row_major_slice(x.values(), n, d);
    let mean = Mat::from_fn(1, d, |_, j| rows.col(j).iter().sum::<f64>() / n as f64);
    let scale = 1.0 / ((n - divisor) as f64).sqrt();
    let rest = Mat::from_fn(n, d, |i, j| (rows[(i, j)] - mean[(0, j)]) * scale);
    [mean, rest]
}

/// The mean as numpy takes it of f32 values, row by row.
fn rounded_mean(x: &Features) -> Vec<f32> {
    let mut sum = vec![0_f32; x.width()];
    for row in x.values().chunks(x.width()) {
        sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += *value as f32);
    }
    sum.into_iter().map(|sum| sum / x.rows() as f32).collect()
}

/// Tr (Σ₁ Σ₂)^½ for Σ = XᵀX: the sum of the singular values of X₁ X₂ᵀ, without a square root of a matrix. Orthogonal
/// factors change no singular value, so a tall X is replaced by the triangle of its QR decomposition.
fn root_trace(x: Mat<f64>, y: Mat<f64>) -> Result<f64> {
    let short = |x: Mat<f64>| if x.nrows() > x.ncols() { x.qr().thin_R().to_owned() } else { x };
    let product = short(x) * short(y).transpose();
    let values = product.singular_values().map_err(|error| Error::failed(format!("no singular values: {error:?}")))?;
    Ok(values.iter().sum())
}

/// The distance with its interval, as a tool computes it or exactly, and what it would be with endlessly many samples (its bias goes with 1/n; Chong and
/// Forsyth 2020, "Effectively Unbiased FID and Inception Score"). An error as for [`distance`], and with less than 20
/// samples on a side.
pub fn estimate(a: &Features, b: &Features, like: Option<Like>) -> Result<Estimate> {
    a.comparable(b, 2 * GROUPS)?;
    let (of_a, of_b) = (Moments::by_group(a, "frechet.a"), Moments::by_group(b, "frechet.b"));
    let (all_a, all_b) = (Moments::sum(&of_a), Moments::sum(&of_b));
    let mut without = [0.0; GROUPS];
    for ((without, a), b) in without.iter_mut().zip(&of_a).zip(&of_b) {
        *without = all_a.without(a).distance(&all_b.without(b))?;
    }
    // The moments' own value cancels their rounding out of the differences.
    Ok(Estimate::jackknife(all_a.distance(&all_b)?, &without).moved_to(distance(a, b, like)?))
}

/// What the Gaussian of some rows follows from, in a form that groups can be taken out of.
struct Moments {
    rows: f64,
    origin: Mat<f64>,   // [width, 1]
    sum: Mat<f64>,      // [width, 1], of rows less the origin
    products: Mat<f64>, // [width, width], likewise
}

impl Moments {
    /// Each group's, around the mean of all.
    fn by_group(x: &Features, name: &str) -> Vec<Self> {
        let [mean, _] = centred(x, 0);
        let group = groups(x.rows(), name);
        let of = |g: usize| {
            let rows = (0..x.rows()).filter(|&row| group[row] == g).collect::<Vec<_>>();
            let part = Mat::from_fn(rows.len(), x.width(), |i, j| x.row(rows[i])[j] - mean[(0, j)]);
            let ones = Mat::<f64>::from_fn(rows.len(), 1, |_, _| 1.0);
            Moments {
                rows: rows.len() as f64,
                origin: mean.transpose().to_owned(),
                sum: part.transpose() * ones,
                products: part.transpose() * &part,
            }
        };
        (0..GROUPS).map(of).collect()
    }

    fn sum(all: &[Self]) -> Self {
        let [first, rest @ ..] = all else { panic!("no groups") };
        let add = |of: fn(&Self) -> &Mat<f64>| rest.iter().fold(of(first).clone(), |sum, group| sum + of(group));
        Moments {
            rows: all.iter().map(|group| group.rows).sum(),
            origin: first.origin.clone(),
            sum: add(|group| &group.sum),
            products: add(|group| &group.products),
        }
    }

    fn without(&self, group: &Self) -> Self {
        Moments {
            rows: self.rows - group.rows,
            origin: self.origin.clone(),
            sum: &self.sum - &group.sum,
            products: &self.products - &group.products,
        }
    }

    fn mean(&self) -> Mat<f64> {
        &self.origin + &self.sum * faer::Scale(1.0 / self.rows)
    }

    fn covariance(&self) -> Mat<f64> {
        let square = &self.sum * self.sum.transpose() * faer::Scale(1.0 / self.rows);
        (&self.products - square) * faer::Scale(1.0 / (self.rows - 1.0))
    }

    /// By the eigenvalues of Lᵀ Σ₂ L with L Lᵀ = Σ₁: faster than by singular values, and good to half the digits.
    fn distance(&self, other: &Self) -> Result<f64> {
        let (a, b) = (self.covariance(), other.covariance());
        let trace = |m: &Mat<f64>| (0..m.nrows()).map(|i| m[(i, i)]).sum::<f64>();
        let total = trace(&a) + trace(&b);
        let ridge = (trace(&a) / a.nrows() as f64).max(f64::MIN_POSITIVE) * RIDGE;
        let lifted = Mat::from_fn(a.nrows(), a.nrows(), |i, j| a[(i, j)] + if i == j { ridge } else { 0.0 });
        let failed = |what: &dyn std::fmt::Debug| Error::failed(format!("the covariance has no root: {what:?}"));
        let factor = lifted.llt(Side::Lower).map_err(|error| failed(&error))?;
        let product = factor.L().transpose() * b * factor.L();
        let values = product.self_adjoint_eigenvalues(Side::Lower).map_err(|error| failed(&error))?;
        let root = values.iter().map(|value| value.max(0.0).sqrt()).sum::<f64>();
        Ok((self.mean() - other.mean()).squared_norm_l2() + total - 2.0 * root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::features::tests::golden;

    #[test]
    fn distances_are_those_of_each_tool() {
        let (a, b) = (golden(1, 1200, 16, 1.0, 0.0), golden(2, 1100, 16, 0.75, 0.25));
        let near = |found: f64, wanted: f64, share: f64| {
            assert!((found / wanted - 1.0).abs() < share, "{found}, not {wanted}");
        };
        near(distance(&a, &b, None).unwrap(), 0.20167223766725684, 1e-11);
        near(distance(&a, &b, Some(Like::TorchFidelity)).unwrap(), 0.20167207497207418, 1e-6);
        near(distance(&a, &b, Some(Like::CleanFid)).unwrap(), 0.2016720749720724, 1e-6);
        near(distance(&a, &b, Some(Like::Nvidia)).unwrap(), 0.20159670780456374, 1e-9);
        assert!(distance(&a, &a, None).unwrap().abs() < 1e-12);
    }

    #[test]
    fn fewer_samples_than_features_are_no_trouble() {
        let (a, b) = (golden(6, 64, 128, 1.0, 0.0), golden(7, 64, 128, 0.75, 0.25));
        let found = distance(&a, &b, None).unwrap();
        assert!((found - 9.187635577885725).abs() < 1e-9, "{found}");
        let found = distance(&a, &b, Some(Like::TorchFidelity)).unwrap();
        assert!((found / 9.187634944489679 - 1.0).abs() < 1e-6, "{found}");
    }

    #[test]
    fn the_extrapolation_takes_away_the_bias_of_few_samples() {
        // Two samples of one distribution: the distance is 0 but for its bias, 0.378 at 512 samples of 64 features.
        let (a, b) = (golden(100, 512, 64, 1.0, 0.0), golden(200, 512, 64, 1.0, 0.0));
        let estimate = estimate(&a, &b, None).unwrap();
        assert!((estimate.value - 0.37816875996974453).abs() < 1e-9, "{estimate:?}");
        assert!(estimate.extrapolated.abs() < 0.03, "{estimate:?}");
        assert!(estimate.low < estimate.value && estimate.high - estimate.low < 0.12, "{estimate:?}");
    }

    #[test]
    fn the_bias_falls_with_the_number_of_samples_as_numpy_finds() {
        let wanted = [
            (128, 1.3936153259458308),
            (512, 0.37816875996974453),
            (2048, 0.09194934434770019),
            (8192, 0.022454095855437117),
        ];
        for (n, wanted) in wanted {
            let found = distance(&golden(100, n, 64, 1.0, 0.0), &golden(200, n, 64, 1.0, 0.0), None).unwrap();
            assert!((found - wanted).abs() < 1e-9, "{found}, not {wanted}, of {n}");
        }
    }

    #[test]
    fn too_few_samples_and_features_of_another_network_are_refused() {
        let few = distance(&golden(1, 1, 4, 1.0, 0.0), &golden(2, 9, 4, 1.0, 0.0), None).unwrap_err().to_string();
        assert!(few.contains("golden-1 has 1 samples") && few.contains("at least 2"), "{few}");
        let other = distance(&golden(1, 9, 4, 1.0, 0.0), &golden(2, 9, 5, 1.0, 0.0), None).unwrap_err().to_string();
        assert!(other.contains("golden-1 has 4 features") && other.contains("golden-2 has 5"), "{other}");
    }
}
