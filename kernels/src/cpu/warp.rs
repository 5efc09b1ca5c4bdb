//! Affine warps of planes: reflected margins, a wavelet's doubling, bilinear sampling and the same wavelet's halving.
//!
//! Doubling and halving along an axis are a pair of adjoints (the wavelet is orthogonal), so that `widen` and `narrow`
//! do all four of the filters of a warp and of its adjoint. Of the doubled picture only what the samples touch is made,
//! one plane at a time, so that it stays in the cache.

use rayon::prelude::*;

use super::{Shared, filled, scratch, wide};

/// Taps of the filter.
pub const TAPS: usize = 12;
/// Rows that one pair of doubled rows is made of.
const SPAN: usize = TAPS / 2 + 1;
/// Pixels by which the sampled picture is larger than the result, on each side and before doubling.
pub const RIM: usize = TAPS / 4;
/// Points whose places are found at a time.
const POINTS: usize = 64;

/// The symlet of order six (Daubechies, "Ten Lectures on Wavelets", chapter 8), the least asymmetric of its filters, with
/// a sum of 1. `tests/golden/augment.py` derives it from the definition.
pub const SYMLET: [f64; TAPS] = {
    const TABLE: [f64; TAPS] = [
        0.015404109327027373,
        0.0034907120842174702,
        -0.11799011114819057,
        -0.048311742585633,
        0.4910559419267466,
        0.787641141030194,
        0.3379294217276218,
        -0.07263752278646252,
        -0.021060292512300564,
        0.04472490177066578,
        0.0017677118642428036,
        -0.007800708325034148,
    ];
    let (mut sum, mut k) = (0.0, 0);
    while k < TAPS {
        sum += TABLE[k];
        k += 1;
    }
    let mut taps = TABLE;
    while k > 0 {
        k -= 1;
        taps[k] = TABLE[k] / sum;
    }
    taps
};

/// An affine map of places (x, y): `[[xx, xy, x0], [yx, yy, y0]]`.
pub type Affine = [[f64; 3]; 2];

/// What a batch of warps needs to know.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Sides of the pictures and of the results, `[h, w]`.
    pub sides: [usize; 2],
    /// Pixels mirrored around the pictures before they are doubled: `[[top, bottom], [left, right]]`.
    pub margins: [[usize; 2]; 2],
    /// For each sample, where in the doubled picture a pixel of the doubled result, with its rim, is taken; none where
    /// the result is the picture.
    pub places: Vec<Option<Affine>>,
}

impl Plan {
    /// The sides of the picture with its margins.
    pub fn padded(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.sides[axis] + self.margins[axis].iter().sum::<usize>())
    }

    /// The sides of the doubled result with its rim.
    pub fn sampled(&self) -> [usize; 2] {
        self.sides.map(|side| 2 * (side + 2 * RIM))
    }

    /// The pixel of the picture that the margin shows at `place` of the padded picture; none outside of that.
    #[inline(always)]
    pub fn mirrored(&self, axis: usize, place: isize) -> Option<usize> {
        if place < 0 || place >= self.padded()[axis] as isize {
            return None;
        }
        let (from, last) = (place - self.margins[axis][0] as isize, self.sides[axis] as isize - 1);
        Some(if from > last { 2 * last - from } else { from.abs() } as usize)
    }
}

/// The part of a doubled picture that a warp touches, in pairs of rows and of columns.
#[derive(Clone, Copy)]
struct Block {
    /// The first pair; it may lie outside the picture, where all is 0.
    first: [isize; 2],
    /// The number of pairs.
    pairs: [usize; 2],
    /// The least and the largest place that is sampled, from the block's first row and column.
    least: [f64; 2],
    most: [f64; 2],
    /// Where a pixel of the result is taken, from the block's first row and column: x, then y.
    place: Affine,
}

impl Block {
    fn new(plan: &Plan, place: &Affine) -> Self {
        let ([rows, columns], padded) = (plan.sampled(), plan.padded());
        let corner = |of: &[f64; 3]| {
            let [across, down] = [of[0] * (columns - 1) as f64, of[1] * (rows - 1) as f64];
            let (least, most) = (across.min(0.0) + down.min(0.0), across.max(0.0) + down.max(0.0));
            [least + of[2], most + of[2]]
        };
        let mut block = Self { first: [0; 2], pairs: [0; 2], least: [0.0; 2], most: [0.0; 2], place: *place };
        for axis in [0, 1] {
            // Where the picture ends, one row of zeros suffices for all that lies beyond.
            let end = (2 * padded[axis]) as f64;
            let [least, most] = corner(&place[1 - axis]).map(|place| place.clamp(-1.0, end));
            let (first, last) = (least.floor() as isize, most.floor() as isize + 1);
            block.first[axis] = first.div_euclid(2);
            block.pairs[axis] = (last.div_euclid(2) - block.first[axis] + 1) as usize;
            let origin = 2.0 * block.first[axis] as f64;
            (block.least[axis], block.most[axis]) = (least - origin, most - origin);
            block.place[1 - axis][2] -= origin;
        }
        block
    }

    /// Floats in a row.
    fn width(&self) -> usize {
        2 * self.pairs[1]
    }

    /// Floats of the pieces of working memory that `warp_plane` takes.
    fn warp_sizes(&self, plan: &Plan) -> [usize; 7] {
        let ([rows, columns], width, [h, w]) = (self.pairs, self.width(), plan.sides);
        let (half, tall) = (w + 2 * RIM, 2 * (h + 2 * RIM));
        [h * width, 2 * rows * width, width, columns + SPAN - 1, 2 * columns, 2 * half, tall * w]
    }

    /// Floats of the pieces of working memory that `unwarp_plane` takes.
    fn unwarp_sizes(&self, plan: &Plan) -> [usize; 9] {
        let ([rows, columns], width, [h, w]) = (self.pairs, self.width(), plan.sides);
        let half = w + 2 * RIM;
        [
            h * width,
            2 * rows * width,
            width.max(w),
            2 * (columns + 2 * SPAN - 2),
            columns + SPAN - 1,
            2 * half,
            w + 2 * (SPAN - 1),
            2 * w,
            width,
        ]
    }

    /// The rows of the picture that the block is made of.
    fn sources(&self, plan: &Plan) -> std::ops::Range<usize> {
        let (reach, top) = (SPAN as isize / 2, plan.margins[0][0] as isize);
        let first = (self.first[0] - reach).max(0) - top;
        let end = (self.first[0] + self.pairs[0] as isize + reach).min(plan.padded()[0] as isize) - top;
        let whole = first < 0 || end > plan.sides[0] as isize;
        if whole { 0..plan.sides[0] } else { first as usize..(end as usize).max(first as usize) }
    }
}

/// even[q] = Σ_s f[2s]·rows[s][q] and odd[q] = Σ_s f[2s + 1]·rows[s + 1][q].
#[inline(always)]
fn widen(f: &[f32; TAPS], even: &mut [f32], odd: &mut [f32], rows: [&[f32]; SPAN]) {
    let length = even.len();
    let odd = &mut odd[..length];
    let mut cut = rows;
    for row in &mut cut {
        *row = &row[..length];
    }
    let [a, b, c, d, e, g, h] = cut;
    for q in 0..length {
        even[q] = (f[0] * a[q] + f[2] * b[q] + f[4] * c[q]) + (f[6] * d[q] + f[8] * e[q] + f[10] * g[q]);
        odd[q] = (f[1] * b[q] + f[3] * c[q] + f[5] * d[q]) + (f[7] * e[q] + f[9] * g[q] + f[11] * h[q]);
    }
}

/// out[q] = Σ_s f[2s]·odd[s][q] + f[2s + 1]·even[s + 1][q]: the adjoint of `widen` with the filter turned round.
#[inline(always)]
fn narrow(f: &[f32; TAPS], out: &mut [f32], even: [&[f32]; SPAN], odd: [&[f32]; SPAN]) {
    let length = out.len();
    let (mut e, mut o) = (even, odd);
    for s in 0..SPAN {
        (e[s], o[s]) = (&e[s][..length], &o[s][..length]);
    }
    for q in 0..length {
        let first = f[0] * o[0][q] + f[2] * o[1][q] + f[4] * o[2][q];
        let second = f[6] * o[3][q] + f[8] * o[4][q] + f[10] * o[5][q];
        let third = f[1] * e[1][q] + f[3] * e[2][q] + f[5] * e[3][q];
        let fourth = f[7] * e[4][q] + f[9] * e[5][q] + f[11] * e[6][q];
        out[q] = (first + second) + (third + fourth);
    }
}

/// `SPAN` pieces of a row, each one further on.
#[inline(always)]
fn shifted(row: &[f32]) -> [&[f32]; SPAN] {
    [&row[0..], &row[1..], &row[2..], &row[3..], &row[4..], &row[5..], &row[6..]]
}

/// The filter that `narrow` takes, and the one that `widen` takes, times `gain`.
fn filters(gain: f64) -> ([f32; TAPS], [f32; TAPS]) {
    let narrow = SYMLET.map(|tap| (tap * gain) as f32);
    let mut widen = narrow;
    widen.reverse();
    (narrow, widen)
}

/// Where points of a row of the doubled result are taken in the block: the place of the pixel at the upper left, and
/// how far to the right and down of it.
struct Points {
    at: [u32; POINTS],
    right: [f32; POINTS],
    below: [f32; POINTS],
}

impl Points {
    /// The points at columns `column`, `column` + 2, ... of row `row`.
    #[inline(always)]
    fn find(&mut self, block: &Block, column: usize, row: usize) {
        let [[xx, xy, x0], [yx, yy, y0]] = block.place;
        let (x0, y0) = (xy * row as f64 + x0, yy * row as f64 + y0);
        let ([y_least, x_least], [y_most, x_most]) = (block.least, block.most);
        let width = block.width() as i32;
        for k in 0..POINTS {
            let j = (column + 2 * k) as f64;
            let x = (xx * j + x0).max(x_least).min(x_most);
            let y = (yx * j + y0).max(y_least).min(y_most);
            // SAFETY: both lie between the block's bounds, which are neither negative, nor beyond 2^31, nor NaN.
            let (column, row) = unsafe { (x.to_int_unchecked::<i32>(), y.to_int_unchecked::<i32>()) };
            self.at[k] = (row * width + column) as u32;
            self.right[k] = (x - f64::from(column)) as f32;
            self.below[k] = (y - f64::from(row)) as f32;
        }
    }
}

/// The points of a row's even or odd columns, from the block.
#[inline(always)]
fn sample(block: &Block, values: &[f32], row: usize, odd: usize, out: &mut [f32]) {
    let width = block.width();
    let mut points = Points { at: [0; POINTS], right: [0.0; POINTS], below: [0.0; POINTS] };
    for (chunk, out) in out.chunks_mut(POINTS).enumerate() {
        points.find(block, odd + 2 * chunk * POINTS, row);
        for (k, out) in out.iter_mut().enumerate() {
            let at = points.at[k] as usize;
            let (upper, lower) = (&values[at..at + 2], &values[at + width..at + width + 2]);
            let upper = upper[0] + points.right[k] * (upper[1] - upper[0]);
            let lower = lower[0] + points.right[k] * (lower[1] - lower[0]);
            *out = upper + points.below[k] * (lower - upper);
        }
    }
}

/// The adjoint of `sample`: adds the points' shares to the block.
#[inline(always)]
fn scatter(block: &Block, values: &mut [f32], row: usize, odd: usize, points_of: &[f32]) {
    let width = block.width();
    let mut points = Points { at: [0; POINTS], right: [0.0; POINTS], below: [0.0; POINTS] };
    for (chunk, given) in points_of.chunks(POINTS).enumerate() {
        points.find(block, odd + 2 * chunk * POINTS, row);
        for (k, value) in given.iter().enumerate() {
            let at = points.at[k] as usize;
            let lower = value * points.below[k];
            let upper = value - lower;
            let (upper_right, lower_right) = (upper * points.right[k], lower * points.right[k]);
            let pair = &mut values[at..at + 2];
            pair[0] += upper - upper_right;
            pair[1] += upper_right;
            let pair = &mut values[at + width..at + width + 2];
            pair[0] += lower - lower_right;
            pair[1] += lower_right;
        }
    }
}

/// Seven rows from `first` on, those outside `rows` being zeros; row k is `step`·k floats from the start.
#[inline(always)]
fn window<'a>(values: &'a [f32], zeros: &'a [f32], step: usize, first: isize, rows: usize) -> [&'a [f32]; SPAN] {
    let mut found = [zeros; SPAN];
    for (k, found) in found.iter_mut().enumerate() {
        let row = first + k as isize;
        if row >= 0 && row < rows as isize {
            *found = &values[row as usize * step..];
        }
    }
    found
}

/// The buffer in pieces of these sizes.
#[inline(always)]
fn carved<const N: usize>(buffer: &mut [f32], sizes: [usize; N]) -> [&mut [f32]; N] {
    let mut rest = buffer;
    let mut pieces = [(); N].map(|()| Default::default());
    for (piece, size) in pieces.iter_mut().zip(sizes) {
        let (taken, left) = std::mem::take(&mut rest).split_at_mut(size);
        (*piece, rest) = (taken, left);
    }
    pieces
}

/// One plane x `[h, w]`, warped to `out` `[h, w]`.
#[inline(always)]
fn warp_plane(plan: &Plan, block: &Block, buffer: &mut [f32], x: &[f32], out: &mut [f32]) {
    let ([h, w], padded) = (plan.sides, plan.padded());
    let ([_, columns], width) = (block.pairs, block.width());
    let half = w + 2 * RIM;
    let ((down, _), (_, up)) = (filters(1.0), filters(2.0));
    let [across, doubled, zeros, row, pair, sampled, filtered] = carved(buffer, block.warp_sizes(plan));
    zeros.fill(0.0);

    // Doubled along the rows: the picture's rows, each once.
    let lead = block.first[1] - SPAN as isize / 2;
    for source in block.sources(plan) {
        for (k, value) in row.iter_mut().enumerate() {
            let mirrored = plan.mirrored(1, lead + k as isize);
            *value = if let Some(column) = mirrored { x[source * w + column] } else { 0.0 };
        }
        let (even, odd) = pair.split_at_mut(columns);
        widen(&up, even, odd, shifted(row));
        let doubled = &mut across[source * width..][..width];
        for (q, to) in doubled.as_chunks_mut::<2>().0.iter_mut().enumerate() {
            let column = block.first[1] + q as isize;
            let inside = column >= 0 && column < padded[1] as isize;
            *to = if inside { [even[q], odd[q]] } else { [0.0; 2] };
        }
    }

    // Doubled along the columns.
    for (r, two) in doubled.chunks_exact_mut(2 * width).enumerate() {
        let at = block.first[0] + r as isize;
        if at < 0 || at >= padded[0] as isize {
            two.fill(0.0);
            continue;
        }
        let mut from = [&*zeros; SPAN];
        for (k, from) in from.iter_mut().enumerate() {
            if let Some(source) = plan.mirrored(0, at + k as isize - SPAN as isize / 2) {
                *from = &across[source * width..];
            }
        }
        let (even, odd) = two.split_at_mut(width);
        widen(&up, even, odd, from);
    }

    // Sampled, and halved along the rows.
    let (even, odd) = sampled.split_at_mut(half);
    for (i, filtered) in filtered.chunks_exact_mut(w).enumerate() {
        sample(block, doubled, i, 0, even);
        sample(block, doubled, i, 1, odd);
        narrow(&down, filtered, shifted(even), shifted(odd));
    }

    // Halved along the columns.
    for (q, out) in out.chunks_exact_mut(w).enumerate() {
        let even = window(filtered, zeros, 2 * w, q as isize, h + 2 * RIM);
        let odd = window(&filtered[w..], zeros, 2 * w, q as isize, h + 2 * RIM);
        narrow(&down, out, even, odd);
    }
}

/// The adjoint of `warp_plane`: g `[h, w]` to `out` `[h, w]`.
#[inline(always)]
fn unwarp_plane(plan: &Plan, block: &Block, buffer: &mut [f32], g: &[f32], out: &mut [f32]) {
    let ([h, w], padded) = (plan.sides, plan.padded());
    let ([rows, columns], width) = (block.pairs, block.width());
    let (half, reach) = (w + 2 * RIM, SPAN as isize / 2);
    let ((_, down), (up, _)) = (filters(1.0), filters(2.0));
    let [across, doubled, zeros, pair, row, sampled, framed, two, column] = carved(buffer, block.unwarp_sizes(plan));
    let sources = block.sources(plan);
    zeros.fill(0.0);
    doubled.fill(0.0);
    framed.fill(0.0);
    across[sources.start * width..sources.end * width].fill(0.0);

    // Undone: the halving along the columns, then along the rows, then the sampling.
    let (even, odd) = sampled.split_at_mut(half);
    for m in 0..h + 2 * RIM {
        let (first, second) = two.split_at_mut(w);
        widen(&down, first, second, window(g, zeros, w, m as isize - (SPAN as isize - 1), h));
        for (i, filtered) in [first, second].into_iter().enumerate() {
            framed[SPAN - 1..][..w].copy_from_slice(filtered);
            widen(&down, even, odd, shifted(framed));
            scatter(block, doubled, 2 * m + i, 0, even);
            scatter(block, doubled, 2 * m + i, 1, odd);
        }
    }

    // Undone: the doubling along the columns. Pairs outside of the picture were zeros, whatever was sampled there.
    let outside = (-block.first[0]).max(0) as usize;
    let inside = (padded[0] as isize - block.first[0]).clamp(0, rows as isize) as usize;
    let inside = &doubled[2 * outside.min(inside) * width..2 * inside * width];
    let (first, pairs) = (block.first[0].max(0), inside.len() / (2 * width));
    for at in (first - reach).max(0)..(first + pairs as isize + reach).min(padded[0] as isize) {
        let Some(source) = plan.mirrored(0, at) else { continue };
        let begin = at - reach - first;
        let even = window(inside, zeros, 2 * width, begin, pairs);
        let odd = window(inside.get(width..).unwrap_or(zeros), zeros, 2 * width, begin, pairs);
        narrow(&up, column, even, odd);
        for (to, from) in across[source * width..][..width].iter_mut().zip(&*column) {
            *to += from;
        }
    }

    // Undone: the doubling along the rows, and the margins.
    out.fill(0.0);
    pair.fill(0.0);
    for source in sources {
        let (even, odd) = pair.split_at_mut(columns + 2 * SPAN - 2);
        for (q, from) in across[source * width..][..width].as_chunks::<2>().0.iter().enumerate() {
            let column = block.first[1] + q as isize;
            let inside = column >= 0 && column < padded[1] as isize;
            let [first, second] = if inside { *from } else { [0.0; 2] };
            (even[SPAN - 1 + q], odd[SPAN - 1 + q]) = (first, second);
        }
        narrow(&up, row, shifted(even), shifted(odd));
        for (k, value) in row.iter().enumerate() {
            if let Some(column) = plan.mirrored(1, block.first[1] - reach + k as isize) {
                out[source * w + column] += value;
            }
        }
    }
}

/// x `[n, channels, h, w]` with each sample warped as planned, or, for `adjoint`, by the adjoint of that.
pub fn warp(x: &[f32], channels: usize, plan: &Plan, adjoint: bool) -> Vec<f32> {
    let plane = plan.sides.iter().product::<usize>();
    let fill = |out: Shared| {
        x.par_chunks(plane).enumerate().for_each(|(index, x)| {
            // SAFETY: the buffer is as long as x, and this plane of it is this task's, which writes all of it first.
            let out = unsafe { std::slice::from_raw_parts_mut(out.at(index * plane), plane) };
            let Some(place) = &plan.places[index / channels] else { return out.copy_from_slice(x) };
            let block = Block::new(plan, place);
            let [forth, back] = [block.warp_sizes(plan).iter().sum(), block.unwarp_sizes(plan).iter().sum()];
            scratch::with(if adjoint { back } else { forth }, |buffer| {
                wide(
                    #[inline(always)]
                    || match adjoint {
                        false => warp_plane(plan, &block, buffer, x, out),
                        true => unwarp_plane(plan, &block, buffer, x, out),
                    },
                );
            });
        });
    };
    // SAFETY: the planes cover the buffer.
    unsafe { filled(x.len(), fill) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_is_orthogonal_to_its_even_shifts_and_smooth() {
        assert!((SYMLET.iter().sum::<f64>() - 1.0).abs() < 1e-15);
        for shift in (0..TAPS).step_by(2) {
            let product = SYMLET.iter().zip(&SYMLET[shift..]).map(|(a, b)| 2.0 * a * b).sum::<f64>();
            let wanted = if shift == 0 { 1.0 } else { 0.0 };
            assert!((product - wanted).abs() < 1e-10, "shifted by {shift}: {product}");
        }
        // Six moments of the wavelet vanish, as they do for only a few filters of this length.
        for power in 0..6 {
            let centred = |k: usize| k as f64 - 5.5;
            let terms = SYMLET.iter().enumerate().map(|(k, tap)| [1.0, -1.0][k % 2] * tap * centred(k).powi(power));
            let moment = terms.sum::<f64>();
            assert!(moment.abs() < 1e-8 * 5.5_f64.powi(power), "moment {power}: {moment}");
        }
    }
}
