//! The innermost loop of every convolution: some rows times some columns, summed in registers.

#![allow(clippy::needless_range_loop)] // loops that must be unrolled read best by index, as the formulas have it

use pulp::Simd;

/// Columns come in groups of this many: one vector of AVX-512, two of AVX2, four of NEON.
pub const GRAIN: usize = 16;
/// Columns of a panel, whose sums fill the registers of AVX-512 together with six rows.
pub const PANEL: usize = 64;

/// The left factor, whose values are read where they are: row r at step k of segment s is
/// `base[rows[r] + segments[s] + k * step]`, for k below `depth`.
#[derive(Clone, Copy)]
pub struct Left<'a> {
    pub base: *const f32,
    pub segments: &'a [usize],
    pub depth: usize,
    pub step: usize,
}

/// The right factor: the columns of step k, counted on through all segments, begin at `base[k * step]`.
#[derive(Clone, Copy)]
pub struct Right {
    pub base: *const f32,
    pub step: usize,
}

/// Where a row of the factor begins, and where its sums go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    pub from: usize,
    pub to: usize,
}

/// Writes, or adds, the product of every row with `columns` columns (a multiple of [`GRAIN`], at most [`PANEL`]) to `out`.
///
/// Each value is a sum in an order that the segments and steps decide, whatever the rows and columns around it.
///
/// # Safety
/// Every place that the factors name must be readable, and `columns` values from `out[row.to]` writable, for every row;
/// initialised if `add`.
#[inline(always)]
pub unsafe fn product<S: Simd>(
    simd: S,
    rows: &[Row],
    left: Left,
    right: Right,
    columns: usize,
    out: *mut f32,
    add: bool,
) {
    // Some lines of the right factor at a time, which stay in the first-level cache while all rows pass over them.
    let lines = (NEAR / columns).max(1);
    let (segments_at_once, depth_at_once) = match left.depth {
        depth if depth < lines => (lines / depth.max(1), depth),
        depth => (1, depth.div_ceil(depth.div_ceil(lines))),
    };
    let (mut first_segment, mut line) = (0, 0);
    loop {
        let segments = &left.segments[first_segment..(first_segment + segments_at_once).min(left.segments.len())];
        let mut first_step = 0;
        loop {
            let depth = depth_at_once.min(left.depth - first_step);
            // SAFETY: the caller's promise; these are some of its segments and steps.
            unsafe {
                let left = Left { base: left.base.add(first_step * left.step), segments, depth, ..left };
                let right = Right { base: right.base.add(line * right.step), ..right };
                panel(simd, rows, left, right, columns, out, add || line > 0);
            }
            line += segments.len() * depth;
            first_step += depth;
            if first_step >= left.depth {
                break;
            }
        }
        first_segment += segments.len();
        if first_segment >= left.segments.len() {
            break; // after one round even without segments: such sums are 0
        }
    }
}

/// Floats of the right factor that all rows pass over at a time: 16 KiB, a third to a half of a first-level cache.
const NEAR: usize = 4096;

#[inline(always)]
unsafe fn panel<S: Simd>(simd: S, rows: &[Row], left: Left, right: Right, columns: usize, out: *mut f32, add: bool) {
    // SAFETY: the caller's promise; a group of columns is a part of them.
    unsafe {
        match (S::F32_LANES, columns / GRAIN) {
            (16, 4) => groups::<S, 6, 4>(simd, rows, left, right, out, add),
            (16, 3) => groups::<S, 8, 3>(simd, rows, left, right, out, add),
            (16, 2) => groups::<S, 8, 2>(simd, rows, left, right, out, add),
            (16, 1) => groups::<S, 8, 1>(simd, rows, left, right, out, add),
            (lanes, grains) => {
                for grain in 0..grains {
                    let right = Right { base: right.base.add(grain * GRAIN), ..right };
                    let out = out.add(grain * GRAIN);
                    match lanes {
                        8 => groups::<S, 6, 2>(simd, rows, left, right, out, add),
                        4 => groups::<S, 6, 4>(simd, rows, left, right, out, add),
                        _ => {
                            for v in 0..GRAIN / lanes {
                                let right = Right { base: right.base.add(v * lanes), ..right };
                                groups::<S, 4, 1>(simd, rows, left, right, out.add(v * lanes), add);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// All rows, `R` at a time, then by fours and ones, with `V` vectors of columns.
#[inline(always)]
unsafe fn groups<S: Simd, const R: usize, const V: usize>(
    simd: S,
    rows: &[Row],
    left: Left,
    right: Right,
    out: *mut f32,
    add: bool,
) {
    // SAFETY: the caller's promise.
    unsafe {
        // Loops and not iterators with closures: a closure that is not inlined is compiled for every processor.
        let (whole, rest) = rows.as_chunks::<R>();
        for rows in whole {
            sums::<S, R, V>(simd, rows, left, right, out, add);
        }
        let (fours, rest) = rest.as_chunks::<4>();
        for rows in fours {
            sums::<S, 4, V>(simd, rows, left, right, out, add);
        }
        for row in rest {
            sums::<S, 1, V>(simd, std::array::from_ref(row), left, right, out, add);
        }
    }
}

#[inline(always)]
unsafe fn sums<S: Simd, const R: usize, const V: usize>(
    simd: S,
    rows: &[Row; R],
    left: Left,
    right: Right,
    out: *mut f32,
    add: bool,
) {
    // SAFETY: the caller's promise; vectors may lie at any address.
    unsafe {
        let mut sums = [[simd.splat_f32s(0.0); V]; R];
        let mut columns = right.base;
        for &segment in left.segments {
            let mut from = [left.base; R];
            for r in 0..R {
                from[r] = left.base.add(rows[r].from + segment);
            }
            let mut at = 0;
            for _ in 0..left.depth {
                let mut vectors = [simd.splat_f32s(0.0); V];
                for v in 0..V {
                    vectors[v] = columns.add(v * S::F32_LANES).cast::<S::f32s>().read_unaligned();
                }
                for r in 0..R {
                    let value = simd.splat_f32s(*from[r].add(at));
                    for v in 0..V {
                        sums[r][v] = simd.mul_add_e_f32s(value, vectors[v], sums[r][v]);
                    }
                }
                at += left.step;
                columns = columns.add(right.step);
            }
        }
        for r in 0..R {
            for v in 0..V {
                let to = out.add(rows[r].to + v * S::F32_LANES).cast::<S::f32s>();
                let sum = if add { simd.add_f32s(to.read_unaligned(), sums[r][v]) } else { sums[r][v] };
                to.write_unaligned(sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulp::WithSimd;

    struct Go<'a> {
        rows: &'a [Row],
        left: Left<'a>,
        right: Right,
        columns: usize,
        out: &'a mut [f32],
    }

    impl WithSimd for Go<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            // SAFETY: the test made both factors and the result large enough.
            unsafe { product(simd, self.rows, self.left, self.right, self.columns, self.out.as_mut_ptr(), false) }
        }
    }

    fn wave(rate: f64, count: usize) -> Vec<f32> {
        (0..count).map(|i| (rate * (i + 1) as f64).sin() as f32).collect()
    }

    #[test]
    fn every_processors_vectors_give_the_sums_of_the_definition() {
        // Rows 3 apart that begin anywhere, two segments, more steps than one pass takes, every width of a panel.
        for (depth, columns) in [(1, 16), (7, 32), (70, 48), (130, 64), (300, 16)] {
            let segments = [5, 900];
            let (a, b) = (wave(0.7, 2000), wave(0.3, segments.len() * depth * columns));
            let rows = (0..15).map(|r| Row { from: 3 * r, to: (14 - r) * columns }).collect::<Vec<_>>();
            let run = |go: &dyn Fn(Go)| {
                let mut out = vec![f32::NAN; rows.len() * columns];
                let left = Left { base: a.as_ptr(), segments: &segments, depth, step: 2 };
                let right = Right { base: b.as_ptr(), step: columns };
                go(Go { rows: &rows, left, right, columns, out: &mut out });
                out
            };
            let mut found =
                vec![run(&|go| pulp::Arch::new().dispatch(go)), run(&|go| Simd::vectorize(pulp::Scalar::new(), go))];
            #[cfg(target_arch = "x86_64")]
            if let Some(avx2) = pulp::x86::V3::try_new() {
                found.push(run(&|go| Simd::vectorize(avx2, go)));
            }
            for (r, row) in rows.iter().enumerate() {
                for column in 0..columns {
                    let terms = segments.iter().enumerate().flat_map(|(s, segment)| {
                        let (a, b) = (&a, &b);
                        (0..depth).map(move |k| {
                            f64::from(a[3 * r + segment + 2 * k]) * f64::from(b[(s * depth + k) * columns + column])
                        })
                    });
                    let sum = terms.sum::<f64>();
                    for (way, found) in found.iter().enumerate() {
                        let value = f64::from(found[row.to + column]);
                        assert!((value - sum).abs() < 1e-4, "way {way}, row {r}, column {column}: {value}, not {sum}");
                    }
                }
            }
        }
    }
}
