//! The Fréchet distance of fewer samples than features, without a covariance.

use faer::Mat;

use super::root::singular_sum;
use super::{NAMES, finite, habits, mean, rounded_apart};
use crate::error::Result;
use crate::eval::Like;
use crate::eval::estimate::{Estimate, GROUPS, groups};
use crate::eval::features::Features;

/// Two sets of few samples with many features. With centred rows X₁ and X₂, Tr (Σ₁ Σ₂)^½ is the sum of the singular values of
/// X₁ X₂ᵀ, which is no larger than there are samples; without some samples it is a part of it, centred anew.
pub(super) struct Few<'a> {
    sets: [&'a Features; 2],
    centred: [Mat<f64>; 2], // [width, rows]
    products: Mat<f64>,     // [rows, rows of the other]
}

impl<'a> Few<'a> {
    pub(super) fn of(a: &'a Features, b: &'a Features) -> Self {
        let centred = [a, b].map(|x| {
            let mean = mean(x);
            Mat::from_fn(x.width(), x.rows(), |i, j| x.row(j)[i] - mean[(i, 0)])
        });
        let products = centred[0].transpose() * &centred[1];
        Few { sets: [a, b], centred, products }
    }

    pub(super) fn estimate(&self, like: Option<Like>) -> Result<Estimate> {
        let groups = [0, 1].map(|i| groups(self.sets[i].rows(), NAMES[i]));
        let kept = |i: usize, left: Option<usize>| {
            (0..groups[i].len()).filter(|row| Some(groups[i][*row]) != left).collect::<Vec<_>>()
        };
        let distance = |left: Option<usize>, like| self.distance([&kept(0, left), &kept(1, left)], like);
        let mut without = [0.0; GROUPS];
        for (group, without) in without.iter_mut().enumerate() {
            *without = distance(Some(group), None)?;
        }
        Ok(Estimate::jackknife(distance(None, None)?, &without).moved_to(distance(None, like)?))
    }

    /// Of these rows of either; of all where a tool is named.
    pub(super) fn distance(&self, kept: [&[usize]; 2], like: Option<Like>) -> Result<f64> {
        let (rounded, divisor) = habits(like);
        let mut means = Vec::new();
        let mut total = 0.0;
        for ((centred, set), kept) in self.centred.iter().zip(self.sets).zip(kept) {
            let n = kept.len() as f64;
            let sum = kept.iter().fold(Mat::<f64>::zeros(set.width(), 1), |sum, row| sum + centred.col(*row).as_mat());
            let squares = kept.iter().map(|row| centred.col(*row).squared_norm_l2()).sum::<f64>();
            total += (squares - sum.squared_norm_l2() / n) / (n - divisor);
            means.push(mean(set) + sum * faer::Scale(1.0 / n));
        }
        let apart = match rounded {
            true => rounded_apart(self.sets[0], self.sets[1]),
            false => (&means[0] - &means[1]).squared_norm_l2(),
        };
        let [rows, columns] = kept;
        let part = Mat::from_fn(rows.len(), columns.len(), |i, j| self.products[(rows[i], columns[j])]);
        let [n, m] = kept.map(|kept| kept.len() as f64);
        let of_rows = (0..rows.len()).map(|i| part.row(i).sum() / m).collect::<Vec<f64>>();
        let of_columns = (0..columns.len()).map(|j| part.col(j).sum() / n).collect::<Vec<f64>>();
        let of_all = of_rows.iter().sum::<f64>() / n;
        let part = Mat::from_fn(rows.len(), columns.len(), |i, j| part[(i, j)] - of_rows[i] - of_columns[j] + of_all);
        let total = finite(total)?;
        let root = singular_sum(part)? / ((n - divisor) * (m - divisor)).sqrt();
        finite(apart + total - 2.0 * root)
    }
}
