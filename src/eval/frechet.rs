//! Fréchet distance between two sets of features, each taken for a Gaussian.
//!
//! Dowson and Landau 1982; Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
//! Equilibrium", equation 6: |μ₁ - μ₂|² + Tr(Σ₁ + Σ₂ - 2 (Σ₁ Σ₂)^½). With features of the Inception network of 2015 it is
//! the FID, with others it is not.

use faer::linalg::matmul::triangular;
use faer::linalg::matmul::triangular::BlockStructure::{
    self, Rectangular, StrictTriangularUpper, TriangularLower, TriangularUpper,
};
use faer::{Accum, Mat, MatRef, Side, get_global_parallelism};
use rayon::prelude::*;

use super::Like;
use super::estimate::{Estimate, GROUPS, groups};
use super::features::Features;
use crate::error::{Error, Result};
use crate::memory;

/// What is added to a covariance's diagonal, relative to its mean, so that it has a Cholesky factor.
const RIDGE: f64 = 1e-10;
/// What rounding may make of the root's trace, relative to the covariances' traces, before it is taken the slow way.
const ROUNDING: f64 = 1e-9;
const ROWS_AT_A_TIME: usize = 512; // a part of 2048 features is 8 MB

/// The distance as a tool computes it; exactly, in f64, where none is named.
///
/// Tools differ in whether the mean is taken in f32, and whether the covariance divides by n or n - 1. An error with less
/// than two samples on a side, or features of different widths.
pub fn distance(a: &Features, b: &Features, like: Option<Like>) -> Result<f64> {
    a.comparable(b, 2)?;
    let [of_a, of_b] = [a, b].map(|x| Moments::of(x, &(0..x.rows()).collect::<Vec<_>>(), mean(x)));
    between((a, &of_a), (b, &of_b), like)
}

/// The distance of two sets, each with the moments of all its rows.
fn between((a, of_a): (&Features, &Moments), (b, of_b): (&Features, &Moments), like: Option<Like>) -> Result<f64> {
    let (rounded, divisor) = match like {
        None => (false, 1.0),
        Some(Like::TorchFidelity | Like::CleanFid | Like::StudioGan) => (true, 1.0),
        Some(Like::Nvidia) => (false, 0.0),
    };
    let apart = if rounded {
        let means = rounded_mean(a).into_iter().zip(rounded_mean(b));
        f64::from(means.map(|(a, b)| (a - b).powi(2)).sum::<f32>())
    } else {
        (of_a.mean() - of_b.mean()).squared_norm_l2()
    };
    let covariances = [of_a.covariance(divisor), of_b.covariance(divisor)];
    let total = covariances.iter().map(trace).sum::<f64>();
    let root = match root_trace(&covariances)? {
        Some(root) if root.rounding < ROUNDING * total => root.value,
        _ => {
            drop(covariances);
            nuclear_norm(centred(a, divisor), centred(b, divisor))?
        }
    };
    Ok(apart + total - 2.0 * root)
}

/// `[width, 1]`.
fn mean(x: &Features) -> Mat<f64> {
    let mut sum = Mat::<f64>::zeros(x.width(), 1);
    for row in x.values().chunks(x.width()) {
        sum.col_as_slice_mut(0).iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    sum * faer::Scale(1.0 / x.rows() as f64)
}

/// The mean as numpy takes it of f32 values, row by row.
fn rounded_mean(x: &Features) -> Vec<f32> {
    let mut sum = vec![0_f32; x.width()];
    for row in x.values().chunks(x.width()) {
        sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += *value as f32);
    }
    sum.into_iter().map(|sum| sum / x.rows() as f32).collect()
}

/// What the mean leaves of every row, `[rows, width]`, over √(rows - divisor).
fn centred(x: &Features, divisor: f64) -> Mat<f64> {
    let (mean, scale) = (mean(x), 1.0 / (x.rows() as f64 - divisor).sqrt());
    Mat::from_fn(x.rows(), x.width(), |i, j| (x.row(i)[j] - mean[(j, 0)]) * scale)
}

/// Tr (Σ₁ Σ₂)^½ for Σ = XᵀX: the sum of the singular values of X₁ X₂ᵀ, whatever their rank. Orthogonal factors change
/// no singular value, so a tall X is replaced by the triangle of its QR decomposition.
fn nuclear_norm(x: Mat<f64>, y: Mat<f64>) -> Result<f64> {
    let short = |x: Mat<f64>| if x.nrows() > x.ncols() { x.qr().thin_R().to_owned() } else { x };
    let product = short(x) * short(y).transpose();
    let values = product.singular_values().map_err(|error| Error::failed(format!("no singular values: {error:?}")))?;
    Ok(values.iter().sum())
}

/// Tr (Σ₁ Σ₂)^½, and by how much rounding may have moved it.
struct Root {
    value: f64,
    rounding: f64,
}

/// The same by the roots of the eigenvalues of Lᵀ Σ₂ L with L Lᵀ = Σ₁, of which the lower halves are given: some half of
/// the work. `None` where Σ₁ has no such L. An eigenvalue is off by some ε |Σ₁| |Σ₂|, so the root of a small one by more.
fn root_trace([a, b]: &[Mat<f64>; 2]) -> Result<Option<Root>> {
    let n = a.nrows();
    let Ok(factor) = a.llt(Side::Lower) else { return Ok(None) };
    let (l, mut right, mut product) = (factor.L(), Mat::zeros(n, n), Mat::zeros(n, n));
    add_product(&mut right, TriangularLower, (b.as_ref(), TriangularLower), (l, TriangularLower));
    add_product(&mut right, Rectangular, (b.transpose(), StrictTriangularUpper), (l, TriangularLower));
    add_product(&mut product, TriangularLower, (l.transpose(), TriangularUpper), (right.as_ref(), Rectangular));
    drop(right);
    let values = product.self_adjoint_eigenvalues(Side::Lower);
    let values = values.map_err(|error| Error::failed(format!("no eigenvalues: {error:?}")))?;
    let size = |m: &Mat<f64>| {
        let squares = |j: usize| m.col(j).subrows(j, n - j).squared_norm_l2() * 2.0 - m[(j, j)].powi(2);
        (0..n).map(squares).sum::<f64>().sqrt()
    };
    let off = 4.0 * f64::EPSILON * size(a) * size(b);
    let rounding = values.iter().map(|value| off / value.max(off).sqrt()).sum();
    Ok(Some(Root { value: values.iter().map(|value| value.max(0.0).sqrt()).sum(), rounding }))
}

/// Adds to this part of `into` the product of these parts of two matrices.
fn add_product(
    into: &mut Mat<f64>,
    part: BlockStructure,
    (a, of_a): (MatRef<'_, f64>, BlockStructure),
    (b, of_b): (MatRef<'_, f64>, BlockStructure),
) {
    triangular::matmul(into, part, Accum::Add, a, of_a, b, of_b, 1.0, get_global_parallelism());
}

fn trace(m: &Mat<f64>) -> f64 {
    (0..m.nrows()).map(|i| m[(i, i)]).sum()
}

/// An error when the moments of every group take more than `room` bytes: pixels of pictures are soon too many features.
fn fits(width: usize, room: u64) -> Result<()> {
    let needed = (2 * GROUPS as u64 + 4) * (width as u64).pow(2) * 8;
    if needed <= room {
        return Ok(());
    }
    Err(Error::input(format!(
        "fd of {width} features needs {:.1} GB of memory, and {:.1} GB may be taken; give --features squeezenet, or measure kid",
        needed as f64 / 1e9,
        room as f64 / 1e9
    )))
}

/// The distance with its interval, as a tool computes it or exactly, and what it would be with endlessly many samples (its
/// bias goes with 1/n; Chong and Forsyth 2020, "Effectively Unbiased FID and Inception Score"). An error as for
/// [`distance`], and with less than 20 samples on a side, or features so wide that their covariances find no room in memory.
pub fn estimate(a: &Features, b: &Features, like: Option<Like>) -> Result<Estimate> {
    a.comparable(b, 2 * GROUPS)?;
    fits(a.width(), memory::half_of_free())?;
    let (of_a, of_b) = (Moments::by_group(a, "frechet.a"), Moments::by_group(b, "frechet.b"));
    let (all_a, all_b) = (Moments::sum(&of_a), Moments::sum(&of_b));
    let mut without = [0.0; GROUPS];
    for ((without, a), b) in without.iter_mut().zip(&of_a).zip(&of_b) {
        *without = all_a.without(a).distance(&all_b.without(b))?;
    }
    // The moments' own value cancels their rounding out of the differences.
    Ok(Estimate::jackknife(all_a.distance(&all_b)?, &without).moved_to(between((a, &all_a), (b, &all_b), like)?))
}

/// What the Gaussian of some rows follows from, in a form that groups can be taken out of.
struct Moments {
    rows: f64,
    origin: Mat<f64>,   // [width, 1]
    sum: Mat<f64>,      // [width, 1], of rows less the origin
    products: Mat<f64>, // [width, width], likewise, the lower half
}

impl Moments {
    fn of(x: &Features, rows: &[usize], origin: Mat<f64>) -> Self {
        let width = x.width();
        let (mut sum, mut products) = (Mat::<f64>::zeros(width, 1), Mat::zeros(width, width));
        let mut part = vec![0.0; width * rows.len().min(ROWS_AT_A_TIME)];
        for rows in rows.chunks(ROWS_AT_A_TIME) {
            let part = &mut part[..width * rows.len()];
            part.par_chunks_mut(width).zip(rows).for_each(|(part, &row)| {
                let less = x.row(row).iter().zip(origin.col_as_slice(0)).map(|(value, origin)| value - origin);
                part.iter_mut().zip(less).for_each(|(part, value)| *part = value);
            });
            let part = MatRef::from_column_major_slice(part, width, rows.len());
            sum += part * Mat::<f64>::from_fn(rows.len(), 1, |_, _| 1.0);
            add_product(&mut products, TriangularLower, (part, Rectangular), (part.transpose(), Rectangular));
        }
        Moments { rows: rows.len() as f64, origin, sum, products }
    }

    /// Each group's, around the mean of all.
    fn by_group(x: &Features, name: &str) -> Vec<Self> {
        let (mean, group) = (mean(x), groups(x.rows(), name));
        let of = |g: usize| {
            let rows = (0..x.rows()).filter(|&row| group[row] == g).collect::<Vec<_>>();
            Moments::of(x, &rows, mean.clone())
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

    /// Its lower half; it divides by rows - divisor.
    fn covariance(&self, divisor: f64) -> Mat<f64> {
        let (mut all, sum) = (self.products.clone(), self.sum.col_as_slice(0));
        for j in 0..sum.len() {
            let column = all.col_as_slice_mut(j)[j..].iter_mut();
            column.zip(&sum[j..]).for_each(|(all, sum_i)| {
                *all = (*all - sum_i * sum[j] / self.rows) / (self.rows - divisor);
            });
        }
        all
    }

    /// With a first covariance that always has a root: good to half the digits where there are more features than rows.
    fn distance(&self, other: &Self) -> Result<f64> {
        let mut covariances = [self.covariance(1.0), other.covariance(1.0)];
        let total = covariances.iter().map(trace).sum::<f64>();
        let lifted = &mut covariances[0];
        let ridge = (trace(lifted) / lifted.nrows() as f64).max(f64::MIN_POSITIVE) * RIDGE;
        (0..lifted.nrows()).for_each(|i| lifted[(i, i)] += ridge);
        let root = root_trace(&covariances)?.ok_or_else(|| Error::failed("the covariance has no root"))?;
        Ok((self.mean() - other.mean()).squared_norm_l2() + total - 2.0 * root.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::features::tests::golden;

    #[test]
    fn features_whose_covariances_find_no_room_are_refused_before_the_memory_is_taken() {
        assert!(fits(2048, 1 << 30).is_ok());
        let error = fits(12_288, 4_000_000_000).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(
            error.to_string().starts_with("fd of 12288 features needs 29.0 GB of memory, and 4.0 GB may"),
            "{error}"
        );
    }

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
    fn eigenvalues_and_singular_values_agree_and_the_first_know_when_they_do_not() {
        let roots = |x: &Features| {
            let moments = Moments::of(x, &(0..x.rows()).collect::<Vec<_>>(), mean(x));
            let root = root_trace(&[moments.covariance(1.0), moments.covariance(1.0)]).unwrap();
            (root, nuclear_norm(centred(x, 1.0), centred(x, 1.0)).unwrap())
        };
        // Columns of ever smaller size: the covariances' condition is 10^8, their product's 10^16.
        let wide = golden(3, 900, 16, 1.0, 0.0);
        let shrunk = wide.values().iter().enumerate().map(|(i, value)| value * 10_f64.powf((i % 16) as f64 / -3.75));
        for (x, most) in [(wide.clone(), 1e-11), (Features::new("shrunk", 16, shrunk.collect()).unwrap(), 1e-6)] {
            let (root, slow) = roots(&x);
            let Root { value, rounding } = root.unwrap();
            assert!((value - slow).abs() <= rounding && rounding < most * slow, "{value}, {slow}, {rounding}");
        }
        let (root, slow) = roots(&golden(6, 12, 16, 1.0, 0.0));
        assert!(root.is_none_or(|root| root.rounding > ROUNDING * slow), "there is no full rank");
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
