//! Upsampling, filtering and downsampling of planes, by rows and then by columns, and the order of pixels.
//!
//! Along one axis every result is a sum of a few shifted rows: of the picture's own rows for the columns, and, for a
//! row, of its phases, which are its values `stride` apart. So one loop does all.

use std::ops::Range;

use rayon::prelude::*;

use super::{Shared, TASK, filled, wide};

/// Floats of filtered rows that a task keeps for the pass over columns: a part of the second-level cache.
const BAND: usize = 16_384;

/// Upsampling, filter and downsampling along one axis.
#[derive(Clone, Debug)]
pub struct Axis {
    /// Already reversed: the result is a correlation with them.
    pub weights: Vec<f32>,
    pub up: usize,
    pub down: usize,
    /// Zeros before the upsampled values; below 0, how many of those are cut off.
    pub before: isize,
    pub input: usize,
    pub output: usize,
}

impl Axis {
    /// The values that make the result at `i`: where they are in the input (which may be outside) and their weights.
    pub fn terms(&self, i: usize) -> impl Iterator<Item = (isize, f32)> {
        let first = (i * self.down) as isize - self.before;
        let up = self.up as isize;
        let places = self.weights.iter().enumerate().map(move |(j, &weight)| (first + j as isize, weight));
        places.filter(move |(place, _)| place.rem_euclid(up) == 0).map(move |(place, weight)| (place / up, weight))
    }
}

/// A row's part of the work. The results whose index leaves r over `results` are, at r + q·results, sums of input values
/// at q·stride + constants: of phases of the row, shifted.
///
/// The same phase of all rows of a band lies together, each with zeros between it and the next, so that one loop goes through
/// all rows: those of small pictures are shorter than the processor's vectors.
struct Rows {
    input: usize,
    output: usize,
    results: usize,
    stride: usize,
    /// Zeros before each phase.
    lead: usize,
    /// Length of a phase in the scratch.
    phase: usize,
    /// Rows of a band at most.
    most: usize,
    /// For each rest r, offsets into the phases and weights.
    terms: Vec<Vec<(usize, f32)>>,
}

impl Rows {
    fn new(axis: &Axis, most: usize) -> Self {
        let (results, stride) = steps(axis);
        let count = axis.output.div_ceil(results);
        let all = (0..results).flat_map(|r| axis.terms(r)).map(|(place, _)| place.div_euclid(stride as isize));
        let (least, furthest) = all.fold((0, 0), |(least, furthest), shift| (shift.min(least), shift.max(furthest)));
        let lead = least.unsigned_abs();
        let phase = lead + furthest as usize + count;
        let offset = |place: isize| {
            let (of, shift) = (place.rem_euclid(stride as isize), place.div_euclid(stride as isize));
            of as usize * most * phase + (lead as isize + shift) as usize
        };
        let terms = (0..results).map(|r| axis.terms(r).map(|(place, weight)| (offset(place), weight)).collect());
        let terms = terms.collect();
        Self { input: axis.input, output: axis.output, results, stride, lead, phase, most, terms }
    }

    /// From a filtered row to the next.
    fn pitch(&self) -> usize {
        if self.results == 1 { self.phase } else { self.output }
    }

    /// Some rows, filtered, to `out`. The phases are zeros at first; every row writes the same places.
    #[inline(always)]
    fn filter(&self, rows: &[f32], phases: &mut [f32], parts: &mut [f32], out: &mut [f32]) {
        let (lead, all) = (self.lead, self.most * self.phase);
        for (i, row) in rows.chunks(self.input).enumerate() {
            let mut split = phases.chunks_mut(all).map(|phase| &mut phase[i * self.phase..][..self.phase][lead..]);
            match self.stride {
                1 => {
                    let phase = split.next().unwrap_or_default();
                    let length = row.len().min(phase.len());
                    phase[..length].copy_from_slice(&row[..length]);
                }
                2 => {
                    let (even, odd) = (split.next().unwrap_or_default(), split.next().unwrap_or_default());
                    let (pairs, rest) = row.as_chunks::<2>();
                    for ((even, odd), pair) in even.iter_mut().zip(odd).zip(pairs) {
                        (*even, *odd) = (pair[0], pair[1]);
                    }
                    if let ([last], Some(even)) = (rest, even.get_mut(pairs.len())) {
                        *even = *last;
                    }
                }
                _ => {
                    for (first, phase) in split.enumerate() {
                        let values = row.iter().skip(first).step_by(self.stride);
                        for (to, from) in phase.iter_mut().zip(values) {
                            *to = *from;
                        }
                    }
                }
            }
        }
        let length = self.output.div_ceil(self.results);
        // Through all rows; what comes out between two of them is not used.
        let through = (rows.len() / self.input).saturating_sub(1) * self.phase + length;
        if self.results == 1 {
            return combine(&mut out[..through], phases, &self.terms[0]);
        }
        for (part, terms) in parts.chunks_mut(all).zip(&self.terms) {
            combine(&mut part[..through], phases, terms);
        }
        for (i, out) in out.chunks_mut(self.output).take(rows.len() / self.input).enumerate() {
            interleave(out, parts, (i * self.phase, all), self.results);
        }
    }
}

/// After how many results of an axis the same terms come again, and how many values of the input further.
fn steps(axis: &Axis) -> (usize, usize) {
    let (mut a, mut b) = (axis.up, axis.down);
    while b > 0 {
        (a, b) = (b, a % b); // their greatest common divisor
    }
    (axis.up / a, axis.down / a)
}

/// out[i·count + r] = parts[first + r·step + i].
#[inline(always)]
fn interleave(out: &mut [f32], parts: &[f32], (first, step): (usize, usize), count: usize) {
    let length = out.len().div_ceil(count);
    if count == 2 {
        let (even, odd) = (&parts[first..][..length], &parts[first + step..][..length]);
        let (pairs, rest) = out.as_chunks_mut::<2>();
        for ((pair, even), odd) in pairs.iter_mut().zip(even).zip(odd) {
            *pair = [*even, *odd];
        }
        if let [last] = rest {
            *last = even[length - 1];
        }
        return;
    }
    for r in 0..count {
        for (to, from) in out.iter_mut().skip(r).step_by(count).zip(&parts[first + r * step..]) {
            *to = *from;
        }
    }
}

/// out[i] = Σ weight·source[offset + i], four terms in one loop over the values.
#[inline(always)]
fn combine(out: &mut [f32], source: &[f32], terms: &[(usize, f32)]) {
    let length = out.len();
    let (fours, rest) = terms.as_chunks::<4>();
    let mut begun = false;
    let from = |offset: usize| &source[offset..][..length];
    for &[(a, p), (b, q), (c, r), (d, s)] in fours {
        let values = from(a).iter().zip(from(b)).zip(from(c).iter().zip(from(d)));
        if begun {
            for (out, ((a, b), (c, d))) in out.iter_mut().zip(values) {
                *out += a * p + b * q + c * r + d * s;
            }
        } else {
            for (out, ((a, b), (c, d))) in out.iter_mut().zip(values) {
                *out = a * p + b * q + c * r + d * s;
            }
        }
        begun = true;
    }
    if let ([(first, p), (second, q)], false) = (rest, begun) {
        for ((out, a), b) in out.iter_mut().zip(&source[*first..][..length]).zip(&source[*second..][..length]) {
            *out = a * p + b * q;
        }
        return;
    }
    if !begun {
        out.fill(0.0);
    }
    for (offset, weight) in rest {
        for (out, value) in out.iter_mut().zip(&source[*offset..][..length]) {
            *out += value * weight;
        }
    }
}

/// x `[planes, h, w]` resampled along both axes, with the weights of columns times `gain`.
pub fn resample(x: &[f32], planes: usize, columns: &Axis, row: &Axis, gain: f32) -> Vec<f32> {
    // For each result row, the rows of the picture that make it.
    let terms = (0..columns.output).map(|i| {
        let terms = columns.terms(i).filter(|(place, _)| (0..columns.input as isize).contains(place));
        terms.map(|(place, weight)| (place as usize, weight * gain)).collect::<Vec<_>>()
    });
    let terms = terms.collect::<Vec<_>>();
    let (in_plane, out_plane) = (columns.input * row.input, columns.output * row.output);
    // Result rows to a band: those whose picture rows fit the scratch, so that a large plane stays in the cache.
    let of_picture = (BAND / row.output).max(4 * row.weights.len());
    let band = (of_picture * columns.up / columns.down).clamp(1, columns.output);
    let bands = terms.chunks(band).map(|terms| {
        let used = terms.iter().flatten().map(|(row, _)| *row);
        let (first, end) = used.fold((usize::MAX, 0), |(first, end), row| (row.min(first), end.max(row + 1)));
        Band { terms, rows: first.min(end)..end }
    });
    let bands = bands.collect::<Vec<_>>();
    let rows = Rows::new(row, bands.iter().map(|band| band.rows.len()).max().unwrap_or(0).max(1));
    let per_task = (TASK / (band * row.output).max(1)).max(1);
    let fill = |out: Shared| {
        let items = planes * bands.len();
        (0..items.div_ceil(per_task)).into_par_iter().for_each_init(Scratch::default, |scratch, task| {
            wide(
                #[inline(always)]
                || {
                    for item in task * per_task..((task + 1) * per_task).min(items) {
                        let (plane, of_plane) = (item / bands.len(), item % bands.len());
                        let picture = &x[plane * in_plane..][..in_plane];
                        let Band { terms, rows: used } = &bands[of_plane];
                        // SAFETY: the rows of this band lie within its plane of the result, and no other task has
                        // them; `resample_band` writes each before anything reads it.
                        let out = unsafe {
                            let at = out.at(plane * out_plane + of_plane * band * row.output);
                            std::slice::from_raw_parts_mut(at, terms.len() * row.output)
                        };
                        let picture = &picture[used.start * row.input..used.end * row.input];
                        resample_band(picture, &rows, (terms, used.start), scratch, out);
                    }
                },
            );
        });
    };
    // SAFETY: the bands cover every plane.
    unsafe { filled(planes * out_plane, fill) }
}

/// Result rows that are made together.
struct Band<'a> {
    /// For each, the rows of the picture that make it, and their weights.
    terms: &'a [Vec<(usize, f32)>],
    /// Those rows.
    rows: Range<usize>,
}

/// What a task keeps from one band to the next.
#[derive(Default)]
struct Scratch {
    filtered: Vec<f32>,
    phases: Vec<f32>,
    parts: Vec<f32>,
    terms: Vec<(usize, f32)>,
}

/// A band, from its rows of the picture; the terms count those from `first` on.
#[inline(always)]
fn resample_band(
    picture: &[f32],
    rows: &Rows,
    (terms, first): (&[Vec<(usize, f32)>], usize),
    scratch: &mut Scratch,
    out: &mut [f32],
) {
    let pitch = rows.pitch();
    scratch.filtered.resize(rows.most * pitch, 0.0);
    scratch.phases.resize(rows.stride * rows.most * rows.phase, 0.0);
    scratch.parts.resize(rows.results * rows.most * rows.phase, 0.0);
    rows.filter(picture, &mut scratch.phases, &mut scratch.parts, &mut scratch.filtered);
    for (out, terms) in out.chunks_mut(rows.output).zip(terms) {
        scratch.terms.clear();
        scratch.terms.extend(terms.iter().map(|(row, weight)| ((row - first) * pitch, *weight)));
        combine(out, &scratch.filtered, &scratch.terms);
    }
}

/// x `[planes·r², h, w]` to `[planes, h·r, w·r]`: the value at (i·r + a, j·r + b) is that of plane a·r + b at (i, j).
pub fn pixel_shuffle(x: &[f32], planes: usize, [h, w]: [usize; 2], r: usize) -> Vec<f32> {
    by_row(
        x.len(),
        planes * h,
        w * r * r,
        #[inline(always)]
        |row, out| {
            let (plane, i) = (row / h, row % h);
            for (a, out) in out.chunks_mut(w * r).enumerate() {
                let source = |b: usize| &x[((plane * r * r + a * r + b) * h + i) * w..][..w];
                if r == 2 {
                    for ((pair, even), odd) in out.as_chunks_mut::<2>().0.iter_mut().zip(source(0)).zip(source(1)) {
                        *pair = [*even, *odd];
                    }
                    continue;
                }
                for b in 0..r {
                    for (to, from) in out.iter_mut().skip(b).step_by(r).zip(source(b)) {
                        *to = *from;
                    }
                }
            }
        },
    )
}

/// x `[planes, h·r, w·r]` to `[planes·r², h, w]`, the inverse of `pixel_shuffle`.
pub fn pixel_unshuffle(x: &[f32], planes: usize, [h, w]: [usize; 2], r: usize) -> Vec<f32> {
    by_row(
        x.len(),
        planes * r * r * h,
        w,
        #[inline(always)]
        |row, out| {
            let (i, b, a, plane) = (row % h, row / h % r, row / h / r % r, row / h / r / r);
            let source = &x[((plane * h + i) * r + a) * w * r..][..w * r];
            if r == 2 {
                for (to, pair) in out.iter_mut().zip(source.as_chunks::<2>().0) {
                    *to = pair[b];
                }
            } else {
                for (to, from) in out.iter_mut().zip(source.iter().skip(b).step_by(r)) {
                    *to = *from;
                }
            }
        },
    )
}

/// `length` values in rows, each written by `write`.
fn by_row(length: usize, rows: usize, width: usize, write: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    let per_task = (TASK / width.max(1)).max(1);
    let fill = |out: Shared| {
        (0..rows.div_ceil(per_task)).into_par_iter().for_each(|task| {
            wide(
                #[inline(always)]
                || {
                    for row in task * per_task..((task + 1) * per_task).min(rows) {
                        // SAFETY: the row lies within the buffer and is this task's; `write` fills it before anything
                        // reads it.
                        write(row, unsafe { std::slice::from_raw_parts_mut(out.at(row * width), width) });
                    }
                },
            );
        });
    };
    // SAFETY: the rows are the buffer.
    unsafe { filled(length, fill) }
}
