//! Kernel distance: the squared maximum mean discrepancy between two sets of features.
//!
//! Bińkowski et al. 2018, "Demystifying MMD GANs": the unbiased estimator (their equation 4) with the kernel
//! k(x, y) = (x·y / d + 1)³. With features of the Inception network of 2015 it is the KID.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};

use super::estimate::{Estimate, GROUPS, Spread, groups};
use super::features::Features;
use super::numpy::RandomState;
use crate::error::Result;

/// Rows of a kernel matrix at a time.
const ROWS: usize = 256;

/// The distances of `subsets` subsets of `size` samples each, drawn as torch-fidelity draws them from `seed`; it takes
/// 100 of 1000 and 2020. `rounded` computes the kernels in f32, as it does. An error when a side has less than `size`.
pub fn over_subsets(
    a: &Features,
    b: &Features,
    (subsets, size): (usize, usize),
    seed: u32,
    rounded: bool,
) -> Result<Spread> {
    a.comparable(b, size)?;
    let mut state = RandomState::new(seed);
    let distances = (0..subsets).map(|_| {
        let x = a.select(&state.choice(a.rows(), size));
        let y = b.select(&state.choice(b.rows(), size));
        if rounded { of_equal::<f32>(&x, &y, |value| value as f32) } else { of_equal::<f64>(&x, &y, |value| value) }
    });
    Ok(Spread::of(&distances.collect::<Vec<f64>>()))
}

/// Of as many samples on both sides, with kernels of this precision.
fn of_equal<T: faer::traits::ComplexField + Copy + Into<f64>>(
    x: &Features,
    y: &Features,
    rounded: impl Fn(f64) -> T,
) -> f64 {
    let matrix = |f: &Features| Mat::<T>::from_fn(f.rows(), f.width(), |i, j| rounded(f.row(i)[j]));
    let (x, y) = (matrix(x), matrix(y));
    let (m, scale) = (x.nrows() as f64, 1.0 / x.ncols() as f64);
    // Sums of kernels and of those on the diagonal.
    let sums = |x: &Mat<T>, y: &Mat<T>| {
        let products = x * y.transpose();
        let (mut all, mut diagonal) = (0.0, 0.0);
        for j in 0..products.ncols() {
            for i in 0..products.nrows() {
                let value = (products[(i, j)].into() * scale + 1.0).powi(3);
                all += value;
                diagonal += if i == j { value } else { 0.0 };
            }
        }
        (all, diagonal)
    };
    let ((xx, x_diagonal), (yy, y_diagonal), (xy, _)) = (sums(&x, &x), sums(&y, &y), sums(&x, &y));
    (xx - x_diagonal + yy - y_diagonal) / (m * (m - 1.0)) - 2.0 * xy / (m * m)
}

/// The unbiased distance on all samples, in f64, with its interval. An error with less than 20 samples on a side, or
/// features of different widths.
pub fn estimate(a: &Features, b: &Features) -> Result<Estimate> {
    a.comparable(b, 2 * GROUPS)?;
    let (of_a, of_b) = (groups(a.rows(), "kernel.a"), groups(b.rows(), "kernel.b"));
    let sums = Sums {
        aa: Blocks::new((a, &of_a), (a, &of_a)),
        bb: Blocks::new((b, &of_b), (b, &of_b)),
        ab: Blocks::new((a, &of_a), (b, &of_b)),
        counts: [&of_a, &of_b].map(|group| std::array::from_fn(|g| group.iter().filter(|of| **of == g).count() as f64)),
    };
    Ok(Estimate::jackknife(sums.distance(None), &std::array::from_fn(|g| sums.distance(Some(g)))))
}

/// Sums of kernels between groups.
struct Blocks {
    all: [[f64; GROUPS]; GROUPS],
    diagonal: [f64; GROUPS],
}

impl Blocks {
    fn new((x, of_x): (&Features, &[usize]), (y, of_y): (&Features, &[usize])) -> Self {
        let mut blocks = Blocks { all: [[0.0; GROUPS]; GROUPS], diagonal: [0.0; GROUPS] };
        let (width, scale) = (x.width(), 1.0 / x.width() as f64);
        let columns = MatRef::from_row_major_slice(y.values(), y.rows(), width);
        for start in (0..x.rows()).step_by(ROWS) {
            let count = ROWS.min(x.rows() - start);
            let rows = MatRef::from_row_major_slice(&x.values()[start * width..][..count * width], count, width);
            let mut products = Mat::<f64>::zeros(y.rows(), count);
            matmul(&mut products, Accum::Replace, columns, rows.transpose(), 1.0, Par::rayon(0));
            for i in 0..count {
                let sums = &mut blocks.all[of_x[start + i]];
                for j in 0..y.rows() {
                    let value = (products[(j, i)] * scale + 1.0).powi(3);
                    sums[of_y[j]] += value;
                    if start + i == j {
                        blocks.diagonal[of_x[j]] += value;
                    }
                }
            }
        }
        blocks
    }

    /// Without the diagonal, where asked for, and without a group.
    fn sum(&self, diagonal: bool, without: Option<usize>) -> f64 {
        let kept = || (0..GROUPS).filter(|g| Some(*g) != without);
        let all = kept().flat_map(|i| kept().map(move |j| self.all[i][j])).sum::<f64>();
        all - if diagonal { 0.0 } else { kept().map(|g| self.diagonal[g]).sum() }
    }
}

struct Sums {
    aa: Blocks,
    bb: Blocks,
    ab: Blocks,
    counts: [[f64; GROUPS]; 2],
}

impl Sums {
    fn distance(&self, without: Option<usize>) -> f64 {
        let [n, m] = self.counts.map(|counts| counts.iter().sum::<f64>() - without.map_or(0.0, |g| counts[g]));
        let own = self.aa.sum(false, without) / (n * (n - 1.0)) + self.bb.sum(false, without) / (m * (m - 1.0));
        own - 2.0 * self.ab.sum(true, without) / (n * m)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::features::tests::golden;

    fn pair() -> (Features, Features) {
        (golden(1, 1200, 16, 1.0, 0.0), golden(2, 1100, 16, 0.75, 0.25))
    }

    #[test]
    fn distances_over_subsets_are_torch_fidelity_s() {
        let (a, b) = pair();
        for (subsets, rounded, mean, deviation, share) in [
            ((100, 1000), true, 0.06213381886482239, 0.0027716539334505796, 1e-6),
            ((100, 1000), false, 0.06213379089304519, 0.0027716639019475684, 1e-9),
            ((50, 200), false, 0.061035813289207576, 0.013265466933913034, 1e-9),
        ] {
            let found = over_subsets(&a, &b, subsets, 2020, rounded).unwrap();
            let close =
                (found.mean / mean - 1.0).abs() < share && (found.deviation / deviation - 1.0).abs() < 5.0 * share;
            assert!(close, "{subsets:?}: {found:?}, not {mean} +- {deviation}");
        }
        let few = over_subsets(&a, &b, (1, 1101), 2020, false).unwrap_err().to_string();
        assert!(few.contains("golden-2 has 1100 samples") && few.contains("at least 1101"), "{few}");
    }

    #[test]
    fn on_all_samples_it_is_what_one_subset_of_all_would_be() {
        let (a, b) = pair();
        let a = a.select(&(0..1100).collect::<Vec<_>>());
        let whole = over_subsets(&a, &b, (1, 1100), 2020, false).unwrap().mean;
        let found = estimate(&a, &b).unwrap();
        assert!((found.value - whole).abs() < 1e-12, "{found:?}, not {whole}");
        assert!(found.low < found.value && (found.extrapolated - found.value).abs() < 1e-3, "no bias: {found:?}");
    }
}
