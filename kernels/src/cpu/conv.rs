//! Convolution as products over tiles: the patches of some output rows are laid out as columns that stay in a core's
//! cache, and faer multiplies them.

use faer::Accum;
use rayon::prelude::*;

use super::matmul::{Matrix, product_into};
use super::{Shared, sum_in_order};

/// Bytes of one tile of columns: well within a core's second-level cache, beside the packed weights.
const TILE_BYTES: usize = 512 * 1024;
/// The weight gradient is summed in at most this many groups of images; fixed, so that threads do not change the sum.
const GROUPS: usize = 8;

/// The shapes of one convolution from `[n, ic, h, w]` to `[n, oc, oh, ow]` with a kernel `[oc, ic, kh, kw]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    pub n: usize,
    pub ic: usize,
    pub h: usize,
    pub w: usize,
    pub oc: usize,
    pub kh: usize,
    pub kw: usize,
    pub stride: usize,
    pub padding: usize,
}

impl Shape {
    pub fn oh(&self) -> usize {
        (self.h + 2 * self.padding - self.kh) / self.stride + 1
    }

    pub fn ow(&self) -> usize {
        (self.w + 2 * self.padding - self.kw) / self.stride + 1
    }

    /// Rows of a tile of columns: one for each weight of an output channel.
    fn patch(&self) -> usize {
        self.ic * self.kh * self.kw
    }

    fn in_image(&self) -> usize {
        self.ic * self.h * self.w
    }

    fn out_image(&self) -> usize {
        self.oc * self.oh() * self.ow()
    }

    /// Output rows to a tile.
    fn tile_rows(&self) -> usize {
        (TILE_BYTES / 4 / (self.patch() * self.ow()).max(1)).clamp(1, self.oh())
    }

    /// The tiles of one image, as ranges of output rows.
    fn tiles(&self) -> impl Iterator<Item = std::ops::Range<usize>> + Clone {
        let (rows, oh) = (self.tile_rows(), self.oh());
        (0..oh).step_by(rows).map(move |first| first..(first + rows).min(oh))
    }
}

/// The places of an output row that read inside the image, for one column of the kernel: (first, end).
fn inside(s: &Shape, kx: usize) -> (usize, usize) {
    // 0 <= ox * stride + kx - padding < w
    let first = s.padding.saturating_sub(kx).div_ceil(s.stride);
    let end = (s.w + s.padding).saturating_sub(kx).div_ceil(s.stride);
    (first.min(s.ow()), end.min(s.ow()).max(first.min(s.ow())))
}

/// Lays out the patches of some output rows of an image: `[patch, rows.len() * ow]`.
fn columns(s: &Shape, image: &[f32], rows: std::ops::Range<usize>, out: &mut [f32]) {
    let (ow, width) = (s.ow(), rows.len() * s.ow());
    for (k, line) in out.chunks_exact_mut(width).enumerate() {
        let (c, ky, kx) = (k / (s.kh * s.kw), k / s.kw % s.kh, k % s.kw);
        let (first, end) = inside(s, kx);
        for (line, oy) in line.chunks_exact_mut(ow).zip(rows.clone()) {
            let y = (oy * s.stride + ky).wrapping_sub(s.padding);
            if y >= s.h || first == end {
                line.fill(0.0);
                continue;
            }
            let from = &image[(c * s.h + y) * s.w..][..s.w];
            let x = first * s.stride + kx - s.padding;
            line[..first].fill(0.0);
            line[end..].fill(0.0);
            match s.stride {
                1 => line[first..end].copy_from_slice(&from[x..x + end - first]),
                stride => line[first..end].iter_mut().zip(from[x..].iter().step_by(stride)).for_each(|(o, i)| *o = *i),
            }
        }
    }
}

/// The transpose of [`columns`]: adds the columns back to the places of the image they were read from.
fn add_columns(s: &Shape, columns: &[f32], rows: std::ops::Range<usize>, image: &mut [f32]) {
    let (ow, width) = (s.ow(), rows.len() * s.ow());
    for (k, line) in columns.chunks_exact(width).enumerate() {
        let (c, ky, kx) = (k / (s.kh * s.kw), k / s.kw % s.kh, k % s.kw);
        let (first, end) = inside(s, kx);
        for (line, oy) in line.chunks_exact(ow).zip(rows.clone()) {
            let y = (oy * s.stride + ky).wrapping_sub(s.padding);
            if y >= s.h || first == end {
                continue;
            }
            let to = &mut image[(c * s.h + y) * s.w..][..s.w];
            let x = first * s.stride + kx - s.padding;
            to[x..].iter_mut().step_by(s.stride).zip(&line[first..end]).for_each(|(o, i)| *o += *i);
        }
    }
}

/// The patches of some output rows of an image as a matrix `[patch, rows.len() * ow]`, in the scratch where need be.
fn patches<'a>(s: &Shape, image: &'a [f32], rows: std::ops::Range<usize>, scratch: &'a mut Vec<f32>) -> Matrix<'a> {
    let (ow, width) = (s.ow(), rows.len() * s.ow());
    if (s.kh, s.kw, s.stride, s.padding) == (1, 1, 1, 0) {
        return Matrix::strided(&image[rows.start * ow..], s.ic, width, s.oh() * ow); // the image itself
    }
    scratch.resize(s.patch() * width, 0.0);
    columns(s, image, rows, scratch);
    Matrix::new(scratch, s.patch(), width)
}

/// x `[n, ic, h, w]` and weights `[oc, ic, kh, kw]` to `[n, oc, oh, ow]`.
pub fn forward(s: &Shape, x: &[f32], weight: &[f32]) -> Vec<f32> {
    let (positions, ow) = (s.oh() * s.ow(), s.ow());
    let mut out = Vec::<f32>::with_capacity(s.n * s.out_image());
    let shared = Shared(out.as_mut_ptr());
    let tiles = (0..s.n).flat_map(|image| s.tiles().map(move |rows| (image, rows))).collect::<Vec<_>>();
    tiles.into_par_iter().for_each_init(Vec::new, |scratch, (image, rows)| {
        let from = &x[image * s.in_image()..][..s.in_image()];
        let patches = patches(s, from, rows.clone(), scratch);
        let to = shared.at(image * s.out_image() + rows.start * ow);
        // SAFETY: the tile is `oc` rows of as many values as it has positions, within this image, and no other tile has them.
        unsafe {
            product_into(to, positions, Accum::Replace, Matrix::new(weight, s.oc, s.patch()), patches);
        }
    });
    // SAFETY: the tiles cover every position of every image, and `Accum::Replace` wrote each.
    unsafe { out.set_len(s.n * s.out_image()) };
    out
}

/// The gradient of x `[n, ic, h, w]` from that of the result `[n, oc, oh, ow]`.
pub fn backward_input(s: &Shape, gradient: &[f32], weight: &[f32]) -> Vec<f32> {
    let same = s.stride == 1 && s.kh == s.kw && s.padding < s.kh;
    if same {
        // A convolution of the gradient with the kernel turned round and its channels exchanged.
        let area = s.kh * s.kw;
        let turned = (0..s.ic * s.oc * area).map(|i| {
            let (input, output, place) = (i / (s.oc * area), i / area % s.oc, i % area);
            weight[(output * s.ic + input) * area + area - 1 - place]
        });
        let turned = turned.collect::<Vec<f32>>();
        let padding = s.kh - 1 - s.padding;
        return forward(&Shape { ic: s.oc, oc: s.ic, h: s.oh(), w: s.ow(), padding, ..*s }, gradient, &turned);
    }
    let (positions, ow) = (s.oh() * s.ow(), s.ow());
    let mut out = vec![0.0_f32; s.n * s.in_image()];
    out.par_chunks_mut(s.in_image().max(1)).zip(gradient.par_chunks(s.out_image().max(1))).for_each_init(
        Vec::new,
        |scratch: &mut Vec<f32>, (image, gradient)| {
            for rows in s.tiles() {
                let width = rows.len() * ow;
                scratch.resize(s.patch() * width, 0.0);
                let kernel = Matrix::new(weight, s.oc, s.patch()).transposed();
                let tile = Matrix::strided(&gradient[rows.start * ow..], s.oc, width, positions);
                // SAFETY: the scratch has `patch` rows of `width` values and is this task's own.
                unsafe { product_into(scratch.as_mut_ptr(), width, Accum::Replace, kernel, tile) };
                add_columns(s, scratch, rows, image);
            }
        },
    );
    out
}

/// The gradient of the weights `[oc, ic, kh, kw]` from x and the gradient of the result.
pub fn backward_weight(s: &Shape, x: &[f32], gradient: &[f32]) -> Vec<f32> {
    let (positions, ow, size) = (s.oh() * s.ow(), s.ow(), s.oc * s.patch());
    let images = s.n.div_ceil(GROUPS).max(1);
    let groups = (0..s.n).step_by(images).collect::<Vec<_>>();
    let sums = groups.into_par_iter().map(|first| {
        let (mut sum, mut scratch) = (vec![0.0_f32; size], Vec::new());
        for image in first..(first + images).min(s.n) {
            let from = &x[image * s.in_image()..][..s.in_image()];
            let gradient = &gradient[image * s.out_image()..][..s.out_image()];
            for rows in s.tiles() {
                let width = rows.len() * ow;
                let tile = Matrix::strided(&gradient[rows.start * ow..], s.oc, width, positions);
                let patches = patches(s, from, rows, &mut scratch);
                // SAFETY: the sum has `oc` rows of `patch` initialised values and is this task's own.
                unsafe {
                    product_into(sum.as_mut_ptr(), s.patch(), Accum::Add, tile, patches.transposed());
                }
            }
        }
        sum
    });
    sum_in_order(size, sums.collect::<Vec<_>>())
}
