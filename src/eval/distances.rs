//! Euclidean distances between all samples of two sets, a few rows at a time.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};

use super::features::Features;

const ROWS: usize = 128;

/// Calls `each` with the number of a first row of x, and the distances `[rows, y.rows()]` from some rows beginning with it
/// to all rows of y: by products, in f64, so that equal rows come out at 1e-7 of their length at most, not always at 0.
pub fn for_rows(x: &Features, y: &Features, mut each: impl FnMut(usize, &[f64])) {
    let width = x.width();
    let norms =
        |x: &Features| x.values().chunks(width).map(|row| row.iter().map(|v| v * v).sum()).collect::<Vec<f64>>();
    let (of_x, of_y) = (norms(x), norms(y));
    let columns = MatRef::from_row_major_slice(y.values(), y.rows(), width);
    let mut distances = Vec::new();
    for start in (0..x.rows()).step_by(ROWS) {
        let count = ROWS.min(x.rows() - start);
        let rows = MatRef::from_row_major_slice(&x.values()[start * width..][..count * width], count, width);
        let mut products = Mat::<f64>::zeros(y.rows(), count);
        matmul(&mut products, Accum::Replace, columns, rows.transpose(), 1.0, Par::rayon(0));
        distances.clear();
        for i in 0..count {
            let norm = of_x[start + i];
            let column = products.col(i);
            distances.extend(
                column.iter().zip(&of_y).map(|(product, other)| (norm + other - 2.0 * product).max(0.0).sqrt()),
            );
        }
        each(start, &distances);
    }
}
