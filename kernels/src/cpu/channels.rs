//! Convolution by 1 x 1 with stride 1: a product of the weights with each picture as it lies in memory, `[channels, pixels]`.
//! Pixels are counted on through all pictures, so that small pictures fill blocks, too.

use std::mem::MaybeUninit;
use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::activation::one_or;
use super::direct::{Geometry, panels};
use super::pixels::{After, Pictures, Target, to_columns};
use super::tile::{GRAIN, Left, Right, Row, product};
use super::{scratch, sum_in_order, vectors, wide};

/// Pixels of a block: runs long enough for the memory, and a block of many channels stays in the second-level cache.
const BLOCK: usize = 256;

/// Whether the convolution mixes the channels of each pixel and nothing else.
pub fn suits(g: &Geometry) -> bool {
    g.kh == 1 && g.kw == 1 && g.stride == 1 && g.padding == 0
}

/// Pixels of one picture that follow each other.
struct Piece {
    image: usize,
    /// The first one's place in a channel, and in the block.
    first: usize,
    place: usize,
    count: usize,
}

/// The pieces of some of the pixels of all pictures of `area` pixels.
fn pieces(pixels: Range<usize>, area: usize) -> impl Iterator<Item = Piece> {
    let mut next = pixels.start;
    std::iter::from_fn(move || {
        let (image, first, place) = (next / area, next % area, next - pixels.start);
        let count = (area - first).min(pixels.end - next);
        next += count;
        (count > 0).then_some(Piece { image, first, place, count })
    })
}

/// Some pixels as `[channels, step]`; what follows the last of them is 0 up to whole vectors.
fn gather(x: &Pictures, pixels: Range<usize>, area: usize, step: usize, out: &mut [f32]) {
    let count = pixels.len();
    for piece in pieces(pixels, area) {
        x.rows(piece.image, piece.first, piece.count, step, &mut out[piece.place..]);
    }
    for row in out.chunks_exact_mut(step) {
        row[count..count.next_multiple_of(GRAIN)].fill(0.0);
    }
}

/// The convolution of x, `[n, from]` to `[n, to]`.
///
/// # Safety
/// The target must be writable for the channels of `to` in n pictures, and nobody else may use it meanwhile.
pub unsafe fn run(g: &Geometry, x: &Pictures, weight: &[f32], after: After, target: Target) {
    let (from, to, area) = (g.from.channels, g.to.channels, g.to.h * g.to.w);
    assert_eq!(weight.len(), from * to, "the weights of {g:?}");
    let total = g.n * area;
    (0..total.div_ceil(BLOCK)).into_par_iter().for_each(|block| {
        let pixels = block * BLOCK..((block + 1) * BLOCK).min(total);
        let step = pixels.len().next_multiple_of(GRAIN);
        scratch::with((from + to) * step, |memory| {
            let (input, output) = memory.split_at_mut(from * step);
            gather(x, pixels.clone(), area, step, input);
            let weight = if g.transposed { (weight, 1, to) } else { (weight, from, 1) };
            vectors(Mix { weight, input, output, step, depth: from });
            wide(
                #[inline(always)]
                || {
                    for piece in pieces(pixels.clone(), area) {
                        for channel in 0..to {
                            let values = &output[channel * step + piece.place..][..piece.count];
                            let bias = after.bias.get(channel).copied().unwrap_or(0.0);
                            // SAFETY: these pixels of the target are this block's own.
                            let out = unsafe {
                                let first = (piece.image * target.channels + channel) * area + piece.first;
                                std::slice::from_raw_parts_mut(target.out.at(first).cast(), piece.count)
                            };
                            finish(values, bias, after.slope, out);
                        }
                    }
                },
            );
        });
    });
}

/// leaky_relu(value + bias) of some values.
#[inline(always)]
fn finish(values: &[f32], bias: f32, slope: f32, out: &mut [MaybeUninit<f32>]) {
    for (value, out) in values.iter().zip(out) {
        let value = value + bias;
        out.write(value * one_or(slope, value));
    }
}

/// The product of the weights with a block.
struct Mix<'a> {
    /// Values, and how far apart their rows and columns are.
    weight: (&'a [f32], usize, usize),
    /// `[depth, step]`
    input: &'a [f32],
    /// `[rows, step]`
    output: &'a mut [f32],
    step: usize,
    depth: usize,
}

impl WithSimd for Mix<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Mix { weight: (weight, row, column), input, output, step, depth } = self;
        let mut rows = Vec::with_capacity(output.len() / step);
        for r in 0..output.len() / step {
            rows.push(Row { from: r * row, to: r * step });
        }
        let left = Left { base: weight.as_ptr(), segments: &[0], depth, step: column };
        for panel in panels(step) {
            // SAFETY: the panel's columns lie within both blocks, and the weights have every row and column.
            unsafe {
                let right = Right { base: input.as_ptr().add(panel.start), step };
                let out = output.as_mut_ptr().add(panel.start);
                product(simd, &rows, left, right, panel.len(), out, false);
            }
        }
    }
}

/// Partial sums of a gradient of weights at most: enough for the processors of a workstation.
const PARTS: usize = 16;
/// Pixels of a partial sum at least.
const PART: usize = 512;

/// The gradient of a convolution's weights `[to.channels, from.channels]` from what it read and the gradient of what it made.
pub fn weight(g: &Geometry, x: &Pictures, gradient: &Pictures) -> Vec<f32> {
    let (from, to, area) = (g.from.channels, g.to.channels, g.to.h * g.to.w);
    // The fewer channels are the columns, because those are transposed.
    let across = from <= to;
    let (left, right) = if across { (gradient, x) } else { (x, gradient) };
    let (rows, channels) = if across { (to, from) } else { (from, to) };
    let columns = channels.next_multiple_of(GRAIN);
    let total = g.n * area;
    let part = total.div_ceil(PARTS).max(PART).next_multiple_of(BLOCK);
    let sums = (0..total.div_ceil(part)).into_par_iter().map(|index| {
        let mut sums = vec![0.0_f32; rows * columns];
        let end = ((index + 1) * part).min(total);
        for first in (index * part..end).step_by(BLOCK) {
            let pixels = first..(first + BLOCK).min(end);
            let step = pixels.len().next_multiple_of(GRAIN);
            scratch::with((rows + channels + columns) * step, |memory| {
                let (lines, memory) = memory.split_at_mut(rows * step);
                let (other, turned) = memory.split_at_mut(channels * step);
                gather(left, pixels.clone(), area, step, lines);
                gather(right, pixels.clone(), area, step, other);
                let places = std::array::from_fn(|pixel| pixel * columns);
                for pixel in (0..step).step_by(GRAIN) {
                    // SAFETY: the block has so many pixels of every channel, and every pixel place for all columns.
                    unsafe {
                        let (from, to) = (other.as_ptr().add(pixel), turned.as_mut_ptr().add(pixel * columns));
                        to_columns(from, step, channels, GRAIN, &places, to);
                    }
                }
                vectors(PartOfWeight { lines, turned, columns, step, sums: &mut sums });
            });
        }
        sums
    });
    let sums = sum_in_order(rows * columns, sums.collect::<Vec<_>>());
    let mut weight = Vec::with_capacity(to * from);
    for row in 0..to {
        match across {
            true => weight.extend_from_slice(&sums[row * columns..][..from]),
            false => weight.extend((0..from).map(|column| sums[column * columns + row])),
        }
    }
    weight
}

/// Adds the products of all lines `[rows, step]` with a block of pixels `[step, columns]`.
struct PartOfWeight<'a> {
    lines: &'a [f32],
    turned: &'a [f32],
    columns: usize,
    step: usize,
    sums: &'a mut [f32],
}

impl WithSimd for PartOfWeight<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let PartOfWeight { lines, turned, columns, step, sums } = self;
        let mut rows = Vec::with_capacity(lines.len() / step);
        for r in 0..lines.len() / step {
            rows.push(Row { from: r * step, to: r * columns });
        }
        let left = Left { base: lines.as_ptr(), segments: &[0], depth: step, step: 1 };
        for panel in panels(columns) {
            // SAFETY: both blocks have `step` pixels, and the sums a row for every line with all columns.
            unsafe {
                let right = Right { base: turned.as_ptr().add(panel.start), step: columns };
                product(simd, &rows, left, right, panel.len(), sums.as_mut_ptr().add(panel.start), true);
            }
        }
    }
}
