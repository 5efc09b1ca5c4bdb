//! Matrix products through faer, on slices with strides.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use super::{Shared, flushed};

/// Products below this many multiplications run on the calling thread.
const ALONE: usize = 1 << 22;
/// Pieces begin at multiples of this: whole vectors and whole tiles of faer's kernels.
const GRAIN: usize = 96;

/// A matrix in a slice.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Row after row. Panics if the slice is not of that size.
    pub fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(values.len(), rows * columns, "{rows} x {columns} does not fit {} values", values.len());
        Matrix { values, rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// The same values read as columns.
    pub fn transposed(self) -> Self {
        let Matrix { values, rows, columns, row_stride, column_stride } = self;
        Matrix { values, rows: columns, columns: rows, row_stride: column_stride, column_stride: row_stride }
    }

    /// Some neighbouring columns.
    fn columns_from(self, first: usize, columns: usize) -> Self {
        assert!(first + columns <= self.columns, "columns {first} to {} of {}", first + columns, self.columns);
        let values = &self.values[(first * self.column_stride).min(self.values.len())..];
        Matrix { values, columns, ..self }
    }

    fn view(&self) -> MatRef<'a, f32> {
        // SAFETY: the constructors checked that every row and column lies within the values; a transposition or a choice of
        // columns keeps every index within them.
        unsafe {
            MatRef::from_raw_parts(
                self.values.as_ptr(),
                self.rows,
                self.columns,
                self.row_stride as isize,
                self.column_stride as isize,
            )
        }
    }
}

/// a·b, row after row. Panics with both shapes when they do not fit.
///
/// Large products are cut across the longer side of the result, one piece a thread: each value is one sum in one order
/// wherever the cuts are, so the result is the same with any number of threads.
pub fn product(a: Matrix, b: Matrix) -> Vec<f32> {
    let (m, k, n) = (a.rows, a.columns, b.columns);
    let mut out = Vec::<f32>::with_capacity(m * n);
    let pieces = if m * n * k < ALONE { 1 } else { rayon::current_num_threads() };
    let side = m.max(n).div_ceil(pieces).next_multiple_of(GRAIN);
    let shared = Shared(out.as_mut_ptr());
    let pieces = (0..m.max(n)).step_by(side).collect::<Vec<_>>();
    pieces.into_par_iter().for_each(|first| {
        let length = side.min(m.max(n) - first);
        // SAFETY: the pieces are separate rows or columns of the result, for which the buffer has room, and
        // `Accum::Replace` writes each value without reading it.
        unsafe {
            if n >= m {
                product_into(shared.at(first), n, a, b.columns_from(first, length));
            } else {
                product_into(shared.at(first * n), n, a.transposed().columns_from(first, length).transposed(), b);
            }
        }
    });
    // SAFETY: the pieces cover the whole result.
    unsafe { out.set_len(m * n) };
    out
}

/// a·b into memory whose rows are `row_stride` apart, in place of what is there.
///
/// # Safety
/// `out` must be valid for writes of `a.rows` rows of `b.columns` values at that stride, and nobody else may touch
/// those values meanwhile.
unsafe fn product_into(out: *mut f32, row_stride: usize, a: Matrix, b: Matrix) {
    let (m, k, n) = (a.rows, a.columns, b.columns);
    assert_eq!(k, b.rows, "{m} x {k} times {} x {n}", b.rows);
    // SAFETY: the caller's promise.
    let view = unsafe { MatMut::from_raw_parts_mut(out, m, n, row_stride as isize, 1) };
    flushed(|| matmul(view, Accum::Replace, a.view(), b.view(), 1.0, Par::Seq));
    clear_upper_halves();
}

/// faer's kernels leave the upper halves of the vector registers in use, and on Intel's processors every SSE instruction
/// that follows on the thread then waits for them: code compiled for every x86-64 ran fifteen times slower.
fn clear_upper_halves() {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx")]
        fn clear() {
            std::arch::x86_64::_mm256_zeroupper();
        }
        if std::arch::is_x86_feature_detected!("avx") {
            // SAFETY: the processor has AVX.
            unsafe { clear() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(rate: f64, count: usize) -> Vec<f32> {
        (0..count).map(|i| (rate * (i + 1) as f64).sin() as f32).collect()
    }

    #[test]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn numbers_too_small_to_be_normal_count_as_zero_in_products_and_nowhere_else() {
        let tiny = vec![1e-40_f32; 64];
        let result = product(Matrix::new(&tiny, 8, 8), Matrix::new(&[1.0; 64], 8, 8));
        assert_eq!(result, [0.0; 64]);
        assert!(std::hint::black_box(1e-40_f32) * std::hint::black_box(2.0) > 0.0, "the mode is put back");
    }

    #[test]
    fn products_are_the_definition_and_the_same_bits_with_any_number_of_threads() {
        for [m, k, n] in
            [[256, 784, 1024], [784, 256, 1024], [128, 1024, 784], [100, 128, 256], [1000, 33, 7], [3, 5, 2]]
        {
            let (a, b) = (wave(0.7, m * k), wave(0.3, k * n));
            let at = (0..k * m).map(|i| a[i % m * k + i / m]).collect::<Vec<f32>>();
            let bt = (0..n * k).map(|i| b[i % k * n + i / k]).collect::<Vec<f32>>();
            let forms = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| {
                    [
                        product(Matrix::new(&a, m, k), Matrix::new(&b, k, n)),
                        product(Matrix::new(&at, k, m).transposed(), Matrix::new(&b, k, n)),
                        product(Matrix::new(&a, m, k), Matrix::new(&bt, n, k).transposed()),
                    ]
                })
            };
            let one = forms(1);
            for (place, value) in [(0, 0), (m - 1, n - 1), (m / 2, n / 3)].map(|(i, j)| (i * n + j, (i, j))) {
                let (i, j) = value;
                let sum = (0..k).map(|l| f64::from(a[i * k + l]) * f64::from(b[l * n + j])).sum::<f64>();
                assert!(
                    one.iter().all(|form| (f64::from(form[place]) - sum).abs() < 1e-4),
                    "{m} x {k} x {n} at {i}, {j}"
                );
            }
            for threads in [2, 3, 5, 8] {
                assert!(one == forms(threads), "{m} x {k} x {n} differs with {threads} threads");
            }
        }
    }
}
