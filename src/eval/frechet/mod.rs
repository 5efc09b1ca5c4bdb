//! Fréchet distance between two sets of features, each taken for a Gaussian.
//!
//! Dowson and Landau 1982; Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
//! Equilibrium", equation 6: |μ₁ - μ₂|² + Tr(Σ₁ + Σ₂ - 2 (Σ₁ Σ₂)^½). With features of the Inception network of 2015 it is
//! the FID, with others it is not.

mod few;
mod root;

use faer::linalg::matmul::triangular::BlockStructure::{Rectangular, TriangularLower};
use faer::{Mat, MatRef};
use rayon::prelude::*;

use self::few::Few;
use self::root::{add_product, nuclear_norm, root_by_eigenvalues, root_trace, trace};
use super::Like;
use super::arrays::{Given, Statistics};
use super::estimate::{Estimate, GROUPS, groups};
use super::features::Features;
use crate::error::{Error, Result};
use crate::memory;

/// What is added to a covariance's diagonal, relative to its mean, so that it has a Cholesky factor.
const RIDGE: f64 = 1e-10;
/// What rounding may make of the root's trace, relative to the covariances' traces, before it is taken the slow way.
const ROUNDING: f64 = 1e-9;
const ROWS_AT_A_TIME: usize = 512; // a part of 2048 features is 8 MB
/// The side of the matrices whose roots are taken: at 4096 an estimate takes minutes on two cores.
const MOST: usize = 4096;

/// The distance as a tool computes it; exactly, in f64, where none is named.
///
/// Tools differ in whether the mean is taken in f32, and whether the covariance divides by n or n - 1. An error with less
/// than two samples on a side, or features of different widths.
pub fn distance(a: &Features, b: &Features, like: Option<Like>) -> Result<f64> {
    a.comparable(b, 2)?;
    if are_few(a, b) {
        let (few, all) = (Few::of(a, b), [a, b].map(|x| (0..x.rows()).collect::<Vec<_>>()));
        return few.distance([&all[0], &all[1]], like);
    }
    let [of_a, of_b] = [a, b].map(|x| Moments::of(x, &(0..x.rows()).collect::<Vec<_>>(), mean(x)));
    between((a, &of_a), (b, &of_b), like)
}

/// Whether a tool takes the mean in f32, and what it takes from n before it divides by it.
fn habits(like: Option<Like>) -> (bool, f64) {
    match like {
        None => (false, 1.0),
        Some(Like::TorchFidelity | Like::CleanFid | Like::StudioGan) => (true, 1.0),
        Some(Like::Nvidia) => (false, 0.0),
    }
}

/// The squared distance of the means, in f32.
fn rounded_apart(a: &Features, b: &Features) -> f64 {
    let means = rounded_mean(a).into_iter().zip(rounded_mean(b));
    f64::from(means.map(|(a, b)| (a - b).powi(2)).sum::<f32>())
}

/// The distance of two sets, each with the moments of all its rows.
fn between((a, of_a): (&Features, &Moments), (b, of_b): (&Features, &Moments), like: Option<Like>) -> Result<f64> {
    let (rounded, divisor) = habits(like);
    let apart = if rounded { rounded_apart(a, b) } else { (of_a.mean() - of_b.mean()).squared_norm_l2() };
    let covariances = [of_a.covariance(divisor), of_b.covariance(divisor)];
    let total = finite(covariances.iter().map(trace).sum())?;
    let root = match root_trace(&covariances)? {
        Some(root) if root.rounding <= ROUNDING * total => root.value,
        _ => {
            drop(covariances);
            nuclear_norm(centred(a, divisor), centred(b, divisor))?
        }
    };
    finite(apart + total - 2.0 * root)
}

/// An error for a distance of features so large that their squares are no numbers.
fn finite(distance: f64) -> Result<f64> {
    match distance.is_finite() {
        true => Ok(distance),
        false => {
            Err(Error::input("the features are so large that their squares are no numbers; scale both sides down"))
        }
    }
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

/// Whether there are so few samples that their products with one another are less work than covariances of the features.
fn are_few(a: &Features, b: &Features) -> bool {
    let [rows, others, width] = [a.rows(), b.rows(), a.width()].map(|side| side as u128);
    rows * others * rows.min(others) < width.pow(3)
}

/// An error when an estimate takes more than `room` bytes, or hours: pixels of pictures are soon too many features.
fn fits([rows, others, width]: [usize; 3], room: u64) -> Result<()> {
    let [a, b, d] = [rows, others, width].map(|side| side as u128);
    let by_samples = a * b * a.min(b);
    let (work, needed) = match by_samples < d.pow(3) {
        true => (by_samples, 8 * (4 * a * b + 2 * d * (a + b))),
        false => (d.pow(3), (2 * GROUPS as u128 + 4) * d.pow(2) * 8),
    };
    let way_out = format!("give --features squeezenet, --samples {MOST} or fewer, or measure kid");
    if needed > u128::from(room) {
        return Err(Error::input(format!(
            "fd of {width} features needs {:.1} GB of memory, and {:.1} GB may be taken; {way_out}",
            needed as f64 / 1e9,
            room as f64 / 1e9
        )));
    }
    let most = (MOST as u128).pow(3);
    if work > most {
        let times = (work as f64 / most as f64).ceil();
        return Err(Error::input(format!(
            "fd of {width} features of {rows} and {others} samples is {times} times the work of {MOST} features, which takes \
             minutes; {way_out}"
        )));
    }
    Ok(())
}

/// The distance with its interval, as a tool computes it or exactly, and what it would be with endlessly many samples (its
/// bias goes with 1/n; Chong and Forsyth 2020, "Effectively Unbiased FID and Inception Score"). An error as for
/// [`distance`], and with less than 20 samples on a side, or features so many that it takes more memory than there is, or hours.
pub fn estimate(a: &Features, b: &Features, like: Option<Like>) -> Result<Estimate> {
    a.comparable(b, 2 * GROUPS)?;
    fits([a.rows(), b.rows(), a.width()], memory::half_of_free())?;
    if are_few(a, b) {
        return Few::of(a, b).estimate(like);
    }
    let (of_a, of_b) = (Moments::by_group(a, NAMES[0]), Moments::by_group(b, NAMES[1]));
    let (all_a, all_b) = (Moments::sum(&of_a), Moments::sum(&of_b));
    let mut without = [0.0; GROUPS];
    for ((without, a), b) in without.iter_mut().zip(&of_a).zip(&of_b) {
        *without = all_a.without(a).distance(&all_b.without(b))?;
    }
    // The moments' own value cancels their rounding out of the differences.
    Ok(Estimate::jackknife(all_a.distance(&all_b)?, &without).moved_to(between((a, &all_a), (b, &all_b), like)?))
}

/// The distance of Gaussians, at least one of them given by its mean and covariance: of samples there may be none to put an
/// interval on it.
pub fn of_gaussians(a: &Given, b: &Given) -> Result<f64> {
    let width = |given: &Given| match given {
        Given::Features(features) => features.width(),
        Given::Statistics(statistics) => statistics.mean.len(),
    };
    if width(a) != width(b) {
        let (name, width, other, others) = (a.name(), width(a), b.name(), width(b));
        return Err(Error::input(format!(
            "{name} is of {width} features, {other} of {others}; compare features of one network"
        )));
    }
    fits([1 << 24, 1 << 24, width(a)], memory::half_of_free())?; // as of endlessly many samples
    let gaussian = |given: &Given| match given {
        Given::Features(x) => {
            x.at_least(2)?;
            let moments = Moments::of(x, &(0..x.rows()).collect::<Vec<_>>(), mean(x));
            Ok((moments.mean(), moments.covariance(1.0)))
        }
        Given::Statistics(Statistics { mean, covariance, .. }) => {
            let n = mean.len();
            let mean = Mat::from_fn(n, 1, |i, _| mean[i]);
            Ok::<_, Error>((mean, Mat::from_fn(n, n, |i, j| (covariance[i * n + j] + covariance[j * n + i]) / 2.0)))
        }
    };
    let ((mean_a, of_a), (mean_b, of_b)) = (gaussian(a)?, gaussian(b)?);
    let covariances = [of_a, of_b];
    let total = finite(covariances.iter().map(trace).sum())?;
    finite((mean_a - mean_b).squared_norm_l2() + total - 2.0 * root_by_eigenvalues(&covariances)?)
}

/// What the groups of either side are drawn by.
const NAMES: [&str; 2] = ["frechet.a", "frechet.b"];

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

    /// With a first covariance lifted so that it has a root: good to half the digits where there are more features than rows.
    fn distance(&self, other: &Self) -> Result<f64> {
        let mut covariances = [self.covariance(1.0), other.covariance(1.0)];
        let total = finite(covariances.iter().map(trace).sum())?;
        let lifted = &mut covariances[0];
        let ridge = (trace(lifted) / lifted.nrows() as f64).max(f64::MIN_POSITIVE) * RIDGE;
        (0..lifted.nrows()).for_each(|i| lifted[(i, i)] += ridge);
        let root = match root_trace(&covariances)? {
            Some(root) => root.value,
            None => root_by_eigenvalues(&covariances)?,
        };
        finite((self.mean() - other.mean()).squared_norm_l2() + total - 2.0 * root)
    }
}

#[cfg(test)]
mod tests {
    use super::root::Root;
    use super::*;
    use crate::eval::features::tests::golden;

    #[test]
    fn features_whose_covariances_find_no_room_are_refused_before_the_memory_is_taken() {
        assert!(fits([10_000, 10_000, 2048], 1 << 32).is_ok());
        let error = fits([50_000, 50_000, 12_288], 4_000_000_000).unwrap_err();
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

    /// Numbers made by tests/golden/frechet.py.
    #[test]
    fn features_that_do_not_vary_have_a_distance_in_both_directions() {
        let repeated = |seed: u64, rows: usize, width: usize, times: usize| {
            let some = golden(seed, rows, width, 1.0, 0.0);
            let rows = (0..rows * times).map(|i| i / times).collect::<Vec<_>>();
            some.select(&rows)
        };
        let many = golden(1, 200, 16, 1.0, 0.0);
        let flat = golden(5, 150, 16, 1.0, 0.0);
        let values =
            flat.values().iter().enumerate().map(|(i, value)| if (3..9).contains(&(i % 16)) { 0.25 } else { *value });
        let flat = Features::new("flat", 16, values.collect()).unwrap();
        let few = golden(2, 30, 60, 1.0, 0.0);
        for (what, a, b, wanted) in [
            ("one row", &many, &repeated(3, 1, 16, 150), 3.039944439609945),
            ("two rows", &many, &repeated(4, 2, 16, 75), 2.614681261556689),
            ("columns", &many, &flat, 2.1211150659384215),
            ("one row, few", &few, &repeated(3, 1, 60, 40), 11.190488739751936),
            ("few rows", &few, &golden(6, 40, 60, 1.0, 0.0), 4.957707778915063),
        ] {
            for (a, b) in [(a, b), (b, a)] {
                let found = estimate(a, b, None).unwrap();
                assert!((found.value / wanted - 1.0).abs() < 1e-7, "{what}: {found:?}, not {wanted}");
                assert!(found.low.is_finite() && found.high.is_finite() && found.extrapolated.is_finite(), "{found:?}");
            }
        }
        let one = repeated(3, 1, 16, 150);
        assert!(estimate(&one, &one, None).unwrap().value.abs() < 1e-12);
        // Of any size that numbers have; squares that have none are refused.
        let scaled =
            |x: &Features, by: f64| Features::new("x", 16, x.values().iter().map(|v| v * by).collect()).unwrap();
        for by in [1e-200, 1e-100, 1e100] {
            let found = estimate(&scaled(&many, by), &scaled(&flat, by), None).unwrap().value;
            let wanted = 2.1211150659384215 * by * by;
            assert!((found - wanted).abs() <= 1e-7 * wanted, "{found}, not {wanted}");
        }
        let error = estimate(&scaled(&many, 1e200), &scaled(&flat, 1e200), None).unwrap_err();
        assert!(error.exit_code() == 2 && error.to_string().contains("scale both sides down"), "{error}");
    }

    #[test]
    fn few_samples_of_many_features_give_what_covariances_give() {
        let (a, b) = (golden(6, 64, 128, 1.0, 0.0), golden(7, 64, 128, 0.75, 0.25));
        assert!(are_few(&a, &b));
        let few = Few::of(&a, &b);
        let rows = (0..64).filter(|row| row % 7 != 0).collect::<Vec<_>>();
        for like in [None, Some(Like::Nvidia)] {
            let found = few.distance([&rows, &rows], like).unwrap();
            let (a, b) = (a.select(&rows), b.select(&rows));
            let moments = |x: &Features| Moments::of(x, &(0..x.rows()).collect::<Vec<_>>(), mean(x));
            let wanted = between((&a, &moments(&a)), (&b, &moments(&b)), like).unwrap();
            assert!((found / wanted - 1.0).abs() < 1e-10, "{found}, not {wanted}");
        }
    }

    #[test]
    fn what_would_take_hours_is_refused_with_the_ways_out() {
        let refused = |sizes: [usize; 3]| fits(sizes, 1 << 40).err().map(|error| error.to_string());
        assert_eq!(refused([10_000, 10_000, 2048]), None);
        assert_eq!(refused([4096, 4096, 100_000]), None, "few samples of many features are little work");
        let said = refused([10_000, 10_000, 12_288]).unwrap();
        assert!(said.contains("fd of 12288 features of 10000 and 10000 samples is 15 times the work"), "{said}");
        assert!(said.contains("give --features squeezenet, --samples 4096 or fewer, or measure kid"), "{said}");
    }

    /// The number of tests/golden/frechet.py.
    #[test]
    fn a_mean_and_a_covariance_stand_for_their_samples() {
        let (a, b) = (golden(7, 100, 8, 1.0, 0.0), golden(8, 120, 8, 0.75, 0.25));
        let statistics = |x: &Features| {
            let moments = Moments::of(x, &(0..x.rows()).collect::<Vec<_>>(), mean(x));
            let (mean, lower) = (moments.mean(), moments.covariance(1.0));
            let covariance = (0..64).map(|i| lower[((i / 8).max(i % 8), (i / 8).min(i % 8))]).collect();
            Given::Statistics(Statistics {
                name: "mu and sigma".into(),
                mean: (0..8).map(|i| mean[(i, 0)]).collect(),
                covariance,
            })
        };
        let given = |x: &Features| Given::Features(x.clone());
        for (a, b) in [
            (statistics(&a), statistics(&b)),
            (given(&a), statistics(&b)),
            (statistics(&a), given(&b)),
            (given(&a), given(&b)),
        ] {
            let found = of_gaussians(&a, &b).unwrap();
            assert!((found - 0.1378828886426322).abs() < 1e-9, "{found}");
        }
        let other = golden(9, 20, 5, 1.0, 0.0);
        let error = of_gaussians(&statistics(&a), &given(&other)).unwrap_err().to_string();
        assert!(error.contains("mu and sigma is of 8 features, golden-9 of 5"), "{error}");
    }
}
