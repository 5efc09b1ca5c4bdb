//! Ridge regression on features of a network that was trained for something else: a classifier, or a way to other vectors.

use faer::linalg::solvers::Solve;
use faer::{Mat, Side};

use super::features::Features;
use crate::error::{Error, Result};

/// How far the covariance is drawn towards that of independent features of one variance, as few pictures call for.
const SHRINKAGE: f64 = 0.1;

/// Ridge regression: to a 1 for the own class, in which every class weighs the same, it tells classes apart (Hastie, Tibshirani and
/// Friedman 2009, "The Elements of Statistical Learning", sections 3.4 and 4.2).
pub struct Linear {
    mean: Vec<f64>,    // [width]
    weights: Mat<f64>, // [width, outputs]
    offset: Vec<f64>,  // [outputs]
}

impl Linear {
    /// Of the features of each class, in order. An error where they differ in width, or all are equal.
    pub fn of(classes: &[Features]) -> Result<Self> {
        let [first, others @ ..] = classes else { return Err(Error::input("there are no classes to tell apart")) };
        others.iter().try_for_each(|other| first.comparable(other, 1))?;
        let count = classes.len();
        let rows = classes.iter().enumerate().flat_map(|(i, class)| {
            let weight = 1.0 / (count * class.rows()) as f64;
            let wanted = (0..count).map(|of| f64::from(u8::from(of == i))).collect::<Vec<f64>>();
            (0..class.rows()).map(move |row| (weight, class.row(row), wanted.clone()))
        });
        Linear::fitted(first.name(), &rows.collect::<Vec<_>>())
    }

    /// From features to what each row of them should become. An error where all features are equal.
    pub fn onto(features: &Features, wanted: Vec<Vec<f64>>) -> Result<Self> {
        let weight = 1.0 / features.rows() as f64;
        let rows = wanted.into_iter().enumerate().map(|(row, wanted)| (weight, features.row(row), wanted));
        Linear::fitted(features.name(), &rows.collect::<Vec<_>>())
    }

    /// Of rows, each with its weight, which sum to 1, its features and what these should become.
    fn fitted(name: &str, rows: &[(f64, &[f64], Vec<f64>)]) -> Result<Self> {
        let (width, count) = rows.first().map_or((0, 0), |(_, row, wanted)| (row.len(), wanted.len()));
        let (mut mean, mut offset) = (vec![0.0; width], vec![0.0; count]);
        for (weight, row, wanted) in rows {
            mean.iter_mut().zip(*row).for_each(|(mean, value)| *mean += weight * value);
            offset.iter_mut().zip(wanted).for_each(|(mean, value)| *mean += weight * value);
        }
        // √w (x - mean), a column for each picture, and what each should become
        let (mut x, mut y) = (Mat::<f64>::zeros(width, rows.len()), Mat::<f64>::zeros(rows.len(), count));
        for (j, (weight, row, wanted)) in rows.iter().enumerate() {
            let root = weight.sqrt();
            let column = x.col_as_slice_mut(j).iter_mut().zip(*row).zip(&mean);
            column.for_each(|((x, value), mean)| *x = root * (value - mean));
            (0..count).for_each(|of| y[(j, of)] = root * (wanted[of] - offset[of]));
        }
        let mut covariance = &x * x.transpose();
        let variance = (0..width).map(|i| covariance[(i, i)]).sum::<f64>() / width as f64;
        (0..width).for_each(|i| covariance[(i, i)] += SHRINKAGE * variance);
        let factor = covariance.llt(Side::Lower);
        let factor = factor.map_err(|_| Error::input(format!("{name} and others have the same features")))?;
        Ok(Linear { mean, weights: factor.solve(&x * y), offset })
    }

    /// What a picture's features become: of a classifier how much they are of each class, 1 for a sure one, as far as a line goes.
    pub fn scores(&self, row: &[f64]) -> Vec<f64> {
        let each = (0..self.weights.ncols()).map(|of| {
            let products = row.iter().zip(&self.mean).zip(self.weights.col_as_slice(of));
            products.map(|((value, mean), weight)| (value - mean) * weight).sum::<f64>() + self.offset[of]
        });
        each.collect()
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
    fn a_way_to_other_vectors_is_what_the_classifier_is_where_classes_have_as_many() {
        let classes = [golden(1, 30, 6, 1.0, 0.0), golden(2, 30, 6, 0.5, 0.4)];
        let both = classes.iter().flat_map(|class| class.values().to_vec()).collect();
        let wanted = (0..60).map(|row| if row < 30 { vec![1.0, 0.0] } else { vec![0.0, 1.0] }).collect();
        let way = Linear::onto(&Features::new("both", 6, both).unwrap(), wanted).unwrap();
        let (found, wanted) = (way.scores(classes[1].row(3)), Linear::of(&classes).unwrap().scores(classes[1].row(3)));
        assert!(found.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?}, not {wanted:?}");
    }

    #[test]
    fn classes_that_cannot_be_told_apart_are_an_error_and_no_panic() {
        let same = Features::new("same", 2, vec![0.5; 8]).unwrap();
        assert_eq!(Linear::of(&[same.clone(), same]).err().unwrap().exit_code(), 2);
        assert_eq!(Linear::of(&[]).err().unwrap().exit_code(), 2);
    }
}
