//! A linear classifier on features of a network that was trained for something else.

use faer::linalg::solvers::Solve;
use faer::{Mat, Side};

use super::features::Features;
use crate::error::{Error, Result};

/// How far the covariance is drawn towards that of independent features of one variance, as few pictures call for.
const SHRINKAGE: f64 = 0.1;

/// Tells classes apart by ridge regression to a 1 for the own class, in which every class weighs the same (Hastie, Tibshirani and
/// Friedman 2009, "The Elements of Statistical Learning", sections 3.4 and 4.2).
pub struct Linear {
    mean: Vec<f64>,    // [width]
    weights: Mat<f64>, // [width, classes]
}

impl Linear {
    /// Of the features of each class, in order. An error where they differ in width, or all are equal.
    pub fn of(classes: &[Features]) -> Result<Self> {
        let [first, others @ ..] = classes else { return Err(Error::input("there are no classes to tell apart")) };
        others.iter().try_for_each(|other| first.comparable(other, 1))?;
        let (width, count) = (first.width(), classes.len());
        let weight = |class: &Features| 1.0 / (count * class.rows()) as f64;
        let rows =
            || classes.iter().enumerate().flat_map(|(i, class)| (0..class.rows()).map(move |row| (i, class, row)));
        let mut mean = vec![0.0; width];
        for (_, class, row) in rows() {
            mean.iter_mut().zip(class.row(row)).for_each(|(mean, value)| *mean += weight(class) * value);
        }
        // √w (x - mean), a column for each picture, and what each should become
        let total = rows().count();
        let (mut x, mut y) = (Mat::<f64>::zeros(width, total), Mat::<f64>::zeros(total, count));
        for (j, (i, class, row)) in rows().enumerate() {
            let root = weight(class).sqrt();
            let column = x.col_as_slice_mut(j).iter_mut().zip(class.row(row)).zip(&mean);
            column.for_each(|((x, value), mean)| *x = root * (value - mean));
            (0..count).for_each(|of| y[(j, of)] = root * (f64::from(u8::from(of == i)) - 1.0 / count as f64));
        }
        let mut covariance = &x * x.transpose();
        let variance = (0..width).map(|i| covariance[(i, i)]).sum::<f64>() / width as f64;
        (0..width).for_each(|i| covariance[(i, i)] += SHRINKAGE * variance);
        let factor = covariance.llt(Side::Lower);
        let factor = factor.map_err(|_| Error::input(format!("{} and others have the same features", first.name())))?;
        Ok(Linear { mean, weights: factor.solve(&x * y) })
    }

    /// How much a picture's features are of each class; 1 for a sure one, as far as a line goes.
    pub fn scores(&self, row: &[f64]) -> Vec<f64> {
        let each = (0..self.weights.ncols()).map(|class| {
            let products = row.iter().zip(&self.mean).zip(self.weights.col_as_slice(class));
            products.map(|((value, mean), weight)| (value - mean) * weight).sum::<f64>()
        });
        each.map(|score| score + 1.0 / self.weights.ncols() as f64).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::features::tests::golden;

    #[test]
    fn the_classifier_scores_as_numpy_does() {
        let classes = [golden(1, 40, 6, 1.0, 0.0), golden(2, 15, 6, 0.5, 0.4), golden(3, 25, 6, 0.9, 0.2)];
        let linear = Linear::of(&classes).unwrap();
        // Made by tests/golden/linear.py.
        let wanted = [
            [0.10090706031715299, 0.48625095183604905, 0.4128419878467979],
            [0.27122861628133554, 0.3058604708917636, 0.4229109128269009],
            [0.12652905429608136, 0.24603355864232462, 0.6274373870615941],
        ];
        for (features, wanted) in classes.iter().zip(wanted) {
            let found = linear.scores(features.row(7));
            assert!(found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?}, not {wanted:?}");
        }
    }

    #[test]
    fn classes_that_cannot_be_told_apart_are_an_error_and_no_panic() {
        let same = Features::new("same", 2, vec![0.5; 8]).unwrap();
        assert_eq!(Linear::of(&[same.clone(), same]).err().unwrap().exit_code(), 2);
        assert_eq!(Linear::of(&[]).err().unwrap().exit_code(), 2);
    }
}
