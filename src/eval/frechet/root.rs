//! The trace of the root of a product of two covariances, by eigenvalues and by singular values.

use faer::linalg::matmul::triangular;
use faer::linalg::matmul::triangular::BlockStructure::{
    self, Rectangular, StrictTriangularUpper, TriangularLower, TriangularUpper,
};
use faer::{Accum, Mat, MatRef, Side, get_global_parallelism};

use crate::error::{Error, Result};

/// Tr (Σ₁ Σ₂)^½ for Σ = XᵀX: the sum of the singular values of X₁ X₂ᵀ, whatever their rank. Orthogonal factors change
/// no singular value, so a tall X is replaced by the triangle of its QR decomposition.
pub(super) fn nuclear_norm(x: Mat<f64>, y: Mat<f64>) -> Result<f64> {
    let short = |x: Mat<f64>| if x.nrows() > x.ncols() { x.qr().thin_R().to_owned() } else { x };
    singular_sum(short(x) * short(y).transpose())
}

/// The sum of the singular values; 0 for nothing but zeros.
pub(super) fn singular_sum(m: Mat<f64>) -> Result<f64> {
    let largest = m.norm_max();
    if largest < f64::MIN_POSITIVE {
        return Ok(0.0);
    }
    let values = (m * faer::Scale(1.0 / largest)).singular_values();
    let values = values.map_err(|error| Error::failed(format!("no singular values: {error:?}")))?;
    Ok(values.iter().sum::<f64>() * largest)
}

/// Tr (Σ₁ Σ₂)^½, and by how much rounding may have moved it.
pub(super) struct Root {
    pub(super) value: f64,
    pub(super) rounding: f64,
}

/// The same by the roots of the eigenvalues of Lᵀ Σ₂ L with L Lᵀ = Σ₁, of which the lower halves are given: some half of
/// the work. `None` where Σ₁ has no such L. An eigenvalue is off by some ε |Σ₁| |Σ₂|, so the root of a small one by more.
/// Where one of them is 0, as of a generator that has collapsed, so is the root.
pub(super) fn root_trace([a, b]: &[Mat<f64>; 2]) -> Result<Option<Root>> {
    let (n, [of_a, of_b]) = (a.nrows(), [a, b].map(trace));
    if of_a.min(of_b) < f64::MIN_POSITIVE {
        return Ok(Some(Root { value: 0.0, rounding: 0.0 }));
    }
    let Ok(factor) = a.llt(Side::Lower) else { return Ok(None) };
    let (l, mut right, mut product) = (factor.L(), Mat::zeros(n, n), Mat::zeros(n, n));
    add_product(&mut right, TriangularLower, (b.as_ref(), TriangularLower), (l, TriangularLower));
    add_product(&mut right, Rectangular, (b.transpose(), StrictTriangularUpper), (l, TriangularLower));
    right *= faer::Scale(1.0 / of_b); // neither is so small or large that the eigenvalues would not be found
    add_product(&mut product, TriangularLower, (l.transpose(), TriangularUpper), (right.as_ref(), Rectangular));
    drop(right);
    product *= faer::Scale(1.0 / of_a);
    let values = product.self_adjoint_eigenvalues(Side::Lower).map_err(without_eigenvalues)?;
    let size = |m: &Mat<f64>, total: f64| {
        let squares = |j: usize| {
            let below = m.col(j).subrows(j, n - j) * faer::Scale(1.0 / total);
            below.squared_norm_l2() * 2.0 - (m[(j, j)] / total).powi(2)
        };
        (0..n).map(squares).sum::<f64>().sqrt()
    };
    let (off, scale) = (4.0 * f64::EPSILON * size(a, of_a) * size(b, of_b), of_a.sqrt() * of_b.sqrt());
    let rounding = values.iter().map(|value| off / value.max(off).sqrt()).sum::<f64>() * scale;
    let value = values.iter().map(|value| value.max(0.0).sqrt()).sum::<f64>() * scale;
    Ok(Some(Root { value, rounding }))
}

/// Tr (Σ₁ Σ₂)^½ by a root of Σ₁ that there always is, of its eigenvalues; of the lower halves.
pub(super) fn root_by_eigenvalues([a, b]: &[Mat<f64>; 2]) -> Result<f64> {
    let [of_a, of_b] = [a, b].map(trace);
    if of_a.min(of_b) < f64::MIN_POSITIVE {
        return Ok(0.0);
    }
    let roots = |m: &Mat<f64>, total: f64| {
        let found = (m * faer::Scale(1.0 / total)).self_adjoint_eigen(Side::Lower).map_err(without_eigenvalues)?;
        let (vectors, values) = (found.U(), found.S().column_vector());
        Ok::<_, Error>(Mat::from_fn(m.nrows(), m.ncols(), |i, j| vectors[(i, j)] * values[j].max(0.0).sqrt()))
    };
    Ok(singular_sum(roots(a, of_a)?.transpose() * roots(b, of_b)?)? * of_a.sqrt() * of_b.sqrt())
}

fn without_eigenvalues(error: impl std::fmt::Debug) -> Error {
    Error::failed(format!("no eigenvalues: {error:?}"))
}

/// Adds to this part of `into` the product of these parts of two matrices.
pub(super) fn add_product(
    into: &mut Mat<f64>,
    part: BlockStructure,
    (a, of_a): (MatRef<'_, f64>, BlockStructure),
    (b, of_b): (MatRef<'_, f64>, BlockStructure),
) {
    triangular::matmul(into, part, Accum::Add, a, of_a, b, of_b, 1.0, get_global_parallelism());
}

pub(super) fn trace(m: &Mat<f64>) -> f64 {
    (0..m.nrows()).map(|i| m[(i, i)]).sum()
}
