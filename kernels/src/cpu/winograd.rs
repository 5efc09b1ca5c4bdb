//! Convolution by Winograd's minimal filtering: tiles of 4 x 4 results by 36 instead of 144 multiplications for kernels of
//! 3 x 3, and 25 instead of 64 for kernels of 2 x 2, which is what a kernel of 4 x 4 with stride 2 is to the four
//! sub-pictures of its input.
//!
//! Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks": Y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A, summed over channels
//! before A; and the transposes of that. The points of interpolation (0, ±2/3, ±3/2, ∞, and ±1/2, ±3/2, ∞) are chosen for small
//! errors: in f32 the results are less than twice as far from the exact ones as those of the direct sums.

#![allow(clippy::needless_range_loop)] // loops that must be unrolled read best by index, as the formulas have it

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::direct::{Geometry, pack, panels, unpack};
use super::pixels::{After, Pictures, Planes, Target, Window, scatter};
use super::tile::{GRAIN, Left, PANEL, Right, Row, product};
use super::{Shared, scratch, vectors};

/// Results of a tile along each axis.
const M: usize = 4;

/// The one-dimensional algorithm for kernels of `R`, with `N` = 3 + `R` multiplications for four results.
trait Minimal<const N: usize, const R: usize>: Sync {
    /// Bᵀd
    fn input<S: Simd>(simd: S, d: [S::f32s; N]) -> [S::f32s; N];
    /// Bv
    fn input_back<S: Simd>(simd: S, v: [S::f32s; N]) -> [S::f32s; N];
    /// Aᵀm
    fn output<S: Simd>(simd: S, m: [S::f32s; N]) -> [S::f32s; M];
    /// Ay
    fn output_back<S: Simd>(simd: S, y: [S::f32s; M]) -> [S::f32s; N];
    /// Gg
    fn kernel<S: Simd>(simd: S, g: [S::f32s; R]) -> [S::f32s; N];
    /// Gᵀu
    fn kernel_back<S: Simd>(simd: S, u: [S::f32s; N]) -> [S::f32s; R];
}

/// Products and sums of vectors with constants, so that the algorithms below read like their matrices.
#[derive(Clone, Copy)]
struct Sums<S>(S);

impl<S: Simd> Sums<S> {
    #[inline(always)]
    fn add(self, a: S::f32s, b: S::f32s) -> S::f32s {
        self.0.add_f32s(a, b)
    }
    #[inline(always)]
    fn sub(self, a: S::f32s, b: S::f32s) -> S::f32s {
        self.0.sub_f32s(a, b)
    }
    /// c·a
    #[inline(always)]
    fn mul(self, c: f32, a: S::f32s) -> S::f32s {
        self.0.mul_f32s(self.0.splat_f32s(c), a)
    }
    /// c·a + b
    #[inline(always)]
    fn mul_add(self, c: f32, a: S::f32s, b: S::f32s) -> S::f32s {
        self.0.mul_add_e_f32s(self.0.splat_f32s(c), a, b)
    }
}

/// Kernels of 3: the points 0, ±P, ±Q, ∞ with PQ = 1.
struct Three;

mod three {
    pub const P: f32 = 2.0 / 3.0;
    pub const Q: f32 = 1.5;
    pub const P2: f32 = P * P;
    pub const Q2: f32 = Q * Q;
    /// 1 / (2P²(P² - Q²)) and 1 / (2Q²(Q² - P²)): the reciprocals of the products of differences of points.
    pub const GP: f32 = 1.0 / (2.0 * P2 * (P2 - Q2));
    pub const GQ: f32 = 1.0 / (2.0 * Q2 * (Q2 - P2));
}

impl Minimal<6, 3> for Three {
    #[inline(always)]
    fn input<S: Simd>(simd: S, d: [S::f32s; 6]) -> [S::f32s; 6] {
        use three::*;
        let (s, [d0, d1, d2, d3, d4, d5]) = (Sums(simd), d);
        let (even_p, odd_p) = (s.mul_add(-Q2, d2, d4), s.mul_add(P, d3, s.mul(-Q, d1)));
        let (even_q, odd_q) = (s.mul_add(-P2, d2, d4), s.mul_add(Q, d3, s.mul(-P, d1)));
        [
            s.mul_add(-(P2 + Q2), d2, s.add(d0, d4)),
            s.add(even_p, odd_p),
            s.sub(even_p, odd_p),
            s.add(even_q, odd_q),
            s.sub(even_q, odd_q),
            s.mul_add(-(P2 + Q2), d3, s.add(d1, d5)),
        ]
    }

    #[inline(always)]
    fn input_back<S: Simd>(simd: S, v: [S::f32s; 6]) -> [S::f32s; 6] {
        use three::*;
        let (s, [v0, v1, v2, v3, v4, v5]) = (Sums(simd), v);
        let (even_p, odd_p, even_q, odd_q) = (s.add(v1, v2), s.sub(v1, v2), s.add(v3, v4), s.sub(v3, v4));
        [
            v0,
            s.mul_add(-Q, odd_p, s.mul_add(-P, odd_q, v5)),
            s.mul_add(-(P2 + Q2), v0, s.mul_add(-Q2, even_p, s.mul(-P2, even_q))),
            s.mul_add(-(P2 + Q2), v5, s.mul_add(P, odd_p, s.mul(Q, odd_q))),
            s.add(v0, s.add(even_p, even_q)),
            v5,
        ]
    }

    #[inline(always)]
    fn output<S: Simd>(simd: S, m: [S::f32s; 6]) -> [S::f32s; M] {
        use three::*;
        let (s, [m0, m1, m2, m3, m4, m5]) = (Sums(simd), m);
        let (even_p, odd_p, even_q, odd_q) = (s.add(m1, m2), s.sub(m1, m2), s.add(m3, m4), s.sub(m3, m4));
        [
            s.add(m0, s.add(even_p, even_q)),
            s.mul_add(P, odd_p, s.mul(Q, odd_q)),
            s.mul_add(P2, even_p, s.mul(Q2, even_q)),
            s.mul_add(P2 * P, odd_p, s.mul_add(Q2 * Q, odd_q, m5)),
        ]
    }

    #[inline(always)]
    fn output_back<S: Simd>(simd: S, y: [S::f32s; M]) -> [S::f32s; 6] {
        use three::*;
        let (s, [y0, y1, y2, y3]) = (Sums(simd), y);
        let (even_p, odd_p) = (s.mul_add(P2, y2, y0), s.mul_add(P2 * P, y3, s.mul(P, y1)));
        let (even_q, odd_q) = (s.mul_add(Q2, y2, y0), s.mul_add(Q2 * Q, y3, s.mul(Q, y1)));
        [y0, s.add(even_p, odd_p), s.sub(even_p, odd_p), s.add(even_q, odd_q), s.sub(even_q, odd_q), y3]
    }

    #[inline(always)]
    fn kernel<S: Simd>(simd: S, g: [S::f32s; 3]) -> [S::f32s; 6] {
        use three::*;
        let (s, [g0, g1, g2]) = (Sums(simd), g);
        let (even_p, odd_p) = (s.mul_add(GP * P2, g2, s.mul(GP, g0)), s.mul(GP * P, g1));
        let (even_q, odd_q) = (s.mul_add(GQ * Q2, g2, s.mul(GQ, g0)), s.mul(GQ * Q, g1));
        [g0, s.add(even_p, odd_p), s.sub(even_p, odd_p), s.add(even_q, odd_q), s.sub(even_q, odd_q), g2]
    }

    #[inline(always)]
    fn kernel_back<S: Simd>(simd: S, u: [S::f32s; 6]) -> [S::f32s; 3] {
        use three::*;
        let (s, [u0, u1, u2, u3, u4, u5]) = (Sums(simd), u);
        let (even_p, odd_p, even_q, odd_q) = (s.add(u1, u2), s.sub(u1, u2), s.add(u3, u4), s.sub(u3, u4));
        [
            s.mul_add(GP, even_p, s.mul_add(GQ, even_q, u0)),
            s.mul_add(GP * P, odd_p, s.mul(GQ * Q, odd_q)),
            s.mul_add(GP * P2, even_p, s.mul_add(GQ * Q2, even_q, u5)),
        ]
    }
}

/// Kernels of 2: the points ±P, ±Q, ∞.
struct Two;

mod two {
    pub const P: f32 = 0.5;
    pub const Q: f32 = 1.5;
    pub const P2: f32 = P * P;
    pub const Q2: f32 = Q * Q;
    /// 1 / (2P(P² - Q²)) and 1 / (2Q(Q² - P²)).
    pub const GP: f32 = 1.0 / (2.0 * P * (P2 - Q2));
    pub const GQ: f32 = 1.0 / (2.0 * Q * (Q2 - P2));
}

impl Minimal<5, 2> for Two {
    #[inline(always)]
    fn input<S: Simd>(simd: S, d: [S::f32s; 5]) -> [S::f32s; 5] {
        use two::*;
        let (s, [d0, d1, d2, d3, d4]) = (Sums(simd), d);
        // (x ± P)(x² - Q²) = x³ - Q²x ± P(x² - Q²), and so on.
        let (odd_p, even_p) = (s.mul_add(-Q2, d1, d3), s.mul_add(-Q2, d0, d2));
        let (odd_q, even_q) = (s.mul_add(-P2, d1, d3), s.mul_add(-P2, d0, d2));
        [
            s.mul_add(P, even_p, odd_p),
            s.mul_add(-P, even_p, odd_p),
            s.mul_add(Q, even_q, odd_q),
            s.mul_add(-Q, even_q, odd_q),
            s.mul_add(P2 * Q2, d0, s.mul_add(-(P2 + Q2), d2, d4)),
        ]
    }

    #[inline(always)]
    fn input_back<S: Simd>(simd: S, v: [S::f32s; 5]) -> [S::f32s; 5] {
        use two::*;
        let (s, [v0, v1, v2, v3, v4]) = (Sums(simd), v);
        let (odd_p, even_p) = (s.add(v0, v1), s.mul(P, s.sub(v0, v1)));
        let (odd_q, even_q) = (s.add(v2, v3), s.mul(Q, s.sub(v2, v3)));
        [
            s.mul_add(P2 * Q2, v4, s.mul_add(-Q2, even_p, s.mul(-P2, even_q))),
            s.mul_add(-Q2, odd_p, s.mul(-P2, odd_q)),
            s.mul_add(-(P2 + Q2), v4, s.add(even_p, even_q)),
            s.add(odd_p, odd_q),
            v4,
        ]
    }

    #[inline(always)]
    fn output<S: Simd>(simd: S, m: [S::f32s; 5]) -> [S::f32s; M] {
        use two::*;
        let (s, [m0, m1, m2, m3, m4]) = (Sums(simd), m);
        let (even_p, odd_p, even_q, odd_q) = (s.add(m0, m1), s.sub(m0, m1), s.add(m2, m3), s.sub(m2, m3));
        [
            s.add(even_p, even_q),
            s.mul_add(P, odd_p, s.mul(Q, odd_q)),
            s.mul_add(P2, even_p, s.mul(Q2, even_q)),
            s.mul_add(P2 * P, odd_p, s.mul_add(Q2 * Q, odd_q, m4)),
        ]
    }

    #[inline(always)]
    fn output_back<S: Simd>(simd: S, y: [S::f32s; M]) -> [S::f32s; 5] {
        use two::*;
        let (s, [y0, y1, y2, y3]) = (Sums(simd), y);
        let (even_p, odd_p) = (s.mul_add(P2, y2, y0), s.mul_add(P2 * P, y3, s.mul(P, y1)));
        let (even_q, odd_q) = (s.mul_add(Q2, y2, y0), s.mul_add(Q2 * Q, y3, s.mul(Q, y1)));
        [s.add(even_p, odd_p), s.sub(even_p, odd_p), s.add(even_q, odd_q), s.sub(even_q, odd_q), y3]
    }

    #[inline(always)]
    fn kernel<S: Simd>(simd: S, g: [S::f32s; 2]) -> [S::f32s; 5] {
        use two::*;
        let (s, [g0, g1]) = (Sums(simd), g);
        let (even_p, odd_p) = (s.mul(GP, g0), s.mul(GP * P, g1));
        let (even_q, odd_q) = (s.mul(GQ, g0), s.mul(GQ * Q, g1));
        // The differences of points change their sign with the point.
        [s.add(even_p, odd_p), s.sub(odd_p, even_p), s.add(even_q, odd_q), s.sub(odd_q, even_q), g1]
    }

    #[inline(always)]
    fn kernel_back<S: Simd>(simd: S, u: [S::f32s; 5]) -> [S::f32s; 2] {
        use two::*;
        let (s, [u0, u1, u2, u3, u4]) = (Sums(simd), u);
        [
            s.mul_add(GP, s.sub(u0, u1), s.mul(GQ, s.sub(u2, u3))),
            s.mul_add(GP * P, s.add(u0, u1), s.mul_add(GQ * Q, s.add(u2, u3), u4)),
        ]
    }
}

/// Both axes of a square: first along the rows, then along the columns. (Loops and not iterators with closures: a closure that
/// is not inlined is compiled for every processor.)
#[inline(always)]
fn twice<S: Simd, const A: usize, const B: usize>(
    simd: S,
    square: [[S::f32s; A]; A],
    along: impl Fn([S::f32s; A]) -> [S::f32s; B],
) -> [[S::f32s; B]; B] {
    let zero = simd.splat_f32s(0.0);
    let mut rows = [[zero; B]; A];
    for i in 0..A {
        rows[i] = along(square[i]);
    }
    let mut result = [[zero; B]; B];
    for j in 0..B {
        let mut column = [zero; A];
        for i in 0..A {
            column[i] = rows[i][j];
        }
        let column = along(column);
        for i in 0..B {
            result[i][j] = column[i];
        }
    }
    result
}

/// A convolution as this file does it: with stride 2 the picture that is larger is taken for four sub-pictures, of which each
/// has a kernel of 2 x 2.
#[derive(Clone, Copy, Debug)]
struct Job {
    g: Geometry,
    /// The picture that is tiled: what is made, except for a transposed convolution with stride 2, where it is what is read.
    tiled: Planes,
    /// Zeros before the first pixel of the picture that the tiles' inputs are cut from, or, for a transposed convolution with
    /// stride 2, rows and columns made and thrown away.
    padding: usize,
    /// The side of a sub-picture's kernel.
    r: usize,
}

impl Job {
    fn of(g: &Geometry) -> Option<Job> {
        if g.kh != g.kw {
            return None;
        }
        let job = |tiled, padding, r| Some(Job { g: *g, tiled, padding, r });
        match (g.kh, g.stride, g.transposed) {
            (3, 1, false) => job(g.to, g.padding, 3),
            (3, 1, true) if g.padding <= 2 => job(g.to, 2 - g.padding, 3),
            (4, 2, false) => job(g.to, g.padding, 2),
            (4, 2, true) => job(g.from, g.padding, 2),
            _ => None,
        }
    }

    /// Whether tiles spread their pixels over what is made, instead of gathering from what is read.
    fn spreads(&self) -> bool {
        self.g.transposed && self.g.stride == 2
    }

    /// Tiles of an image: rows, columns.
    fn tiles(&self) -> (usize, usize) {
        (self.tiled.h.div_ceil(M), self.tiled.w.div_ceil(M))
    }

    /// Whether few of the tiles' results lie beyond the picture.
    fn fills(&self) -> bool {
        let (rows, columns) = self.tiles();
        3 * self.tiled.h * self.tiled.w >= rows * columns * M * M
    }

    /// Kernel's taps in the order of the packed weights: sub-picture by sub-picture.
    fn order(&self) -> Vec<usize> {
        let Geometry { kw, .. } = self.g;
        let (r, stride) = (self.r, self.g.stride);
        let phases = (0..stride * stride).flat_map(|phase| (0..r * r).map(move |tap| (phase, tap)));
        let order =
            phases.map(|(phase, tap)| (tap / r * stride + phase / stride) * kw + tap % r * stride + phase % stride);
        let order = order.collect::<Vec<_>>();
        if self.g.transposed && !self.spreads() { order.into_iter().rev().collect() } else { order }
    }

    /// Sub-pictures of what is read, and of what is made.
    fn phases(&self) -> (usize, usize) {
        let phases = self.g.stride * self.g.stride;
        if self.spreads() { (1, phases) } else { (phases, 1) }
    }
}

/// Whether Winograd's way is the faster one.
pub fn suits(g: &Geometry) -> bool {
    let Some(job) = Job::of(g) else { return false };
    let (rows, columns) = job.tiles();
    let tiles = g.n * rows * columns;
    let enough = if job.g.stride == 1 { 4 } else { 128 }; // for the larger weights to be worth making
    let whole = !job.spreads() || rows * columns <= LARGEST;
    g.from.channels >= GRAIN && job.fills() && tiles >= enough && whole
}

/// Whether Winograd's way is the faster one for the gradient of the weights.
pub fn suits_weight(g: &Geometry) -> bool {
    let Some(job) = Job::of(g) else { return false };
    let (rows, columns) = job.tiles();
    let enough = if job.g.stride == 1 { 16 } else { 128 };
    g.from.channels >= GRAIN && g.to.channels >= GRAIN && job.fills() && g.n * rows * columns >= enough
}

/// Tiles of some images: a box of images, rows and columns.
#[derive(Clone, Debug)]
struct Part {
    images: Range<usize>,
    rows: Range<usize>,
    columns: Range<usize>,
}

impl Part {
    fn tiles(&self) -> usize {
        self.images.len() * self.rows.len() * self.columns.len()
    }

    /// The place of a tile's first pixel in a window with `scale` pixels for each result.
    #[inline(always)]
    fn place(&self, tile: usize, window: Window, scale: usize) -> usize {
        let (rows, columns) = (self.rows.len(), self.columns.len());
        let (image, row, column) = (tile / (rows * columns), tile / columns % rows, tile % columns);
        (image * window.rows + row * M * scale) * window.columns + column * M * scale
    }
}

/// Parts of about so many tiles: whole images, whole rows of one, or pieces of a row.
fn parts(job: &Job, images: usize, tiles: usize) -> Vec<Part> {
    let (rows, columns) = job.tiles();
    let (by_images, by_rows, by_columns) = if job.spreads() || rows * columns <= tiles {
        ((tiles / (rows * columns)).max(1), rows, columns)
    } else if columns <= tiles {
        (1, tiles / columns, columns)
    } else {
        (1, 1, tiles)
    };
    let mut parts = Vec::new();
    for image in (0..images).step_by(by_images) {
        for row in (0..rows).step_by(by_rows) {
            for column in (0..columns).step_by(by_columns) {
                parts.push(Part {
                    images: image..(image + by_images).min(images),
                    rows: row..(row + by_rows).min(rows),
                    columns: column..(column + by_columns).min(columns),
                });
            }
        }
    }
    parts
}

/// Tiles of an image beyond which a transposed convolution with stride 2 is left to the direct sums.
const LARGEST: usize = 256;
/// Floats of a part's transformed input that stay in a core's second-level cache beside the rest.
const NEAR: usize = 128 * 1024;
/// Values between the planes of two products, so that their lines do not compete for the same places of a cache.
const SHIFT: usize = 16;

/// The convolution of x, `[n, from]` to `[n, to]`.
///
/// # Safety
/// The target must be writable for the channels of `to` in n pictures, and nobody else may use it meanwhile.
pub unsafe fn run(g: &Geometry, x: &Pictures, weight: &[f32], after: After, target: Target) {
    let job = Job::of(g).expect("the caller asked `suits`");
    // SAFETY: the caller's promise.
    unsafe {
        match job.r {
            3 => run_as::<Three, 6, 3>(&job, x, weight, after, target),
            _ => run_as::<Two, 5, 2>(&job, x, weight, after, target),
        }
    }
}

unsafe fn run_as<T: Minimal<N, R>, const N: usize, const R: usize>(
    job: &Job,
    x: &Pictures,
    weight: &[f32],
    after: After,
    target: Target,
) {
    let g = &job.g;
    let (read, made) = job.phases();
    let (depth, channels, columns) = (g.depth(), g.from.channels, g.to.channels.next_multiple_of(GRAIN));
    let kernels = N * N * read * made * channels * columns;
    let area = g.to.h * g.to.w;
    // Many tiles where the weights are large, few where the transformed input would leave the cache; enough parts to go round.
    let few = if kernels > NEAR { 128 } else { 24 };
    let (down, along) = job.tiles();
    let fair = (g.n * down * along).div_ceil(2 * rayon::current_num_threads()).max(16);
    let tiles = (NEAR / (N * N * read * depth)).clamp(few, 128).min(fair);
    let width = columns.min(PANEL);

    scratch::with(kernels, |kernels| {
        transform_kernels::<T, N, R>(job, weight, kernels);
        let kernels = &*kernels;
        parts(job, g.n, tiles).into_par_iter().for_each(|part| {
            let frame = Frame::of::<N>(job, &part);
            let (count, images) = (part.tiles(), part.images.len());
            let plane = [count * read * depth + SHIFT, count * width + SHIFT];
            let sizes = [images * frame.input_size(job), N * N * plane[0], N * N * plane[1]];
            let made_size = frame.output.rows * frame.output.columns * width;
            scratch::with(sizes.iter().sum::<usize>() + images * made_size, |memory| {
                let (input, memory) = memory.split_at_mut(sizes[0]);
                let (v, memory) = memory.split_at_mut(sizes[1]);
                let (m, made_pixels) = memory.split_at_mut(sizes[2]);
                for (image, input) in part.images.clone().zip(input.chunks_exact_mut(frame.input_size(job))) {
                    x.gather(image, frame.input, depth, input);
                }
                let transform = Transform::<T, N, R> {
                    job,
                    part: &part,
                    frame: &frame,
                    depth,
                    row: read * depth,
                    plane: plane[0],
                    spread: job.spreads(),
                    input,
                    out: Shared(v.as_mut_ptr()),
                    algorithm: std::marker::PhantomData,
                };
                vectors(transform);
                let rows = (0..count).map(|tile| Row { from: tile * read * depth, to: tile * width });
                let rows = rows.collect::<Vec<_>>();
                let segments = (0..read).map(|phase| phase * depth).collect::<Vec<_>>();
                for panel in panels(g.to.channels) {
                    if job.spreads() {
                        made_pixels.fill(0.0);
                    }
                    for phase in 0..made {
                        let plane_size = read * channels * panel.len();
                        let first = N * N * read * made * channels * panel.start + phase * N * N * plane_size;
                        vectors(Products {
                            planes: N * N,
                            rows: &rows,
                            left: Left { base: v.as_ptr(), segments: &segments, depth: channels, step: 1 },
                            left_plane: plane[0],
                            right: Right { base: kernels[first..].as_ptr(), step: panel.len() },
                            right_plane: plane_size,
                            columns: panel.len(),
                            out: Shared(m.as_mut_ptr()),
                            out_plane: plane[1],
                            add: false,
                        });
                        vectors(Back::<T, N, R> {
                            job,
                            part: &part,
                            frame: &frame,
                            phase,
                            m,
                            row: width,
                            plane: plane[1],
                            width: panel.len(),
                            out: made_pixels,
                            algorithm: std::marker::PhantomData,
                        });
                    }
                    let planes = Planes { channels: (g.to.channels - panel.start).min(panel.len()), ..g.to };
                    let bias = if after.bias.is_empty() { &[] } else { &after.bias[panel.clone()] };
                    for (image, pixels) in part.images.clone().zip(made_pixels.chunks_exact(made_size)) {
                        let to = target.out.at((image * target.channels + panel.start) * area);
                        // SAFETY: these pixels of these channels are this part's own.
                        unsafe { scatter(pixels, width, frame.output, planes, After { bias, ..after }, to) };
                    }
                }
            });
        });
    });
}

/// Where a part's tiles lie in the pictures.
#[derive(Clone, Debug)]
struct Frame {
    /// What is read.
    input: Window,
    /// What is made.
    output: Window,
}

impl Frame {
    fn of<const N: usize>(job: &Job, part: &Part) -> Frame {
        let stride = job.g.stride;
        let place = |tile: usize| (tile * M * stride) as isize - job.padding as isize;
        // The tiles, and the picture of their inputs: `stride` times as large, and longer by what the kernel overlaps.
        let tiles = Window {
            top: (part.rows.start * M) as isize,
            left: (part.columns.start * M) as isize,
            rows: part.rows.len() * M,
            columns: part.columns.len() * M,
        };
        let around = Window {
            top: place(part.rows.start),
            left: place(part.columns.start),
            rows: (tiles.rows + N - M) * stride,
            columns: (tiles.columns + N - M) * stride,
        };
        if job.spreads() {
            // One more row and column, 0: what the stride leaves over of a picture beside full tiles is made, too.
            let output = Window { rows: around.rows + 1, columns: around.columns + 1, ..around };
            Frame { input: tiles, output }
        } else {
            Frame { input: around, output: tiles }
        }
    }

    fn input_size(&self, job: &Job) -> usize {
        self.input.rows * self.input.columns * job.g.depth()
    }
}

/// G g Gᵀ of all kernels: `[panel, phase made, N·N, phase read, from.channels, width]`.
fn transform_kernels<T: Minimal<N, R>, const N: usize, const R: usize>(job: &Job, weight: &[f32], out: &mut [f32]) {
    let g = &job.g;
    let (read, made) = job.phases();
    let (channels, columns) = (g.from.channels, g.to.channels.next_multiple_of(GRAIN));
    let shared = Shared(out.as_mut_ptr());
    scratch::with(g.taps() * channels * columns, |packed| {
        pack(g, weight, &job.order(), packed);
        let packed = &*packed;
        let tasks = panels(g.to.channels).flat_map(|panel| {
            let phases = 0..read * made;
            phases.flat_map(move |phase| {
                let panel = panel.clone();
                (0..channels).step_by(GRAIN).map(move |channel| (panel.clone(), phase, channel))
            })
        });
        tasks.collect::<Vec<_>>().into_par_iter().for_each(|(panel, phase, channel)| {
            let width = panel.len();
            let (made_phase, read_phase) = if job.spreads() { (phase, 0) } else { (0, phase) };
            let plane = read * channels * width;
            let from = panel.start * g.taps() * channels + phase * R * R * channels * width;
            let to = N * N * read * made * channels * panel.start
                + made_phase * N * N * plane
                + read_phase * channels * width;
            vectors(Kernels::<T, N, R> {
                values: channel * width..(channel + GRAIN).min(channels) * width,
                from: packed[from..].as_ptr(),
                from_plane: channels * width,
                out: Shared(shared.at(to)),
                out_plane: plane,
                algorithm: std::marker::PhantomData,
            });
        });
    });
}

/// G g Gᵀ of some neighbouring values.
struct Kernels<T, const N: usize, const R: usize> {
    values: Range<usize>,
    from: *const f32,
    from_plane: usize,
    out: Shared,
    out_plane: usize,
    algorithm: std::marker::PhantomData<T>,
}

impl<T: Minimal<N, R>, const N: usize, const R: usize> WithSimd for Kernels<T, N, R> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for value in self.values.step_by(S::F32_LANES) {
            // SAFETY: whole groups of values, within both; the task's places of the result are its own.
            unsafe {
                let taps = read::<S, R>(simd, self.from.add(value), R * self.from_plane, self.from_plane);
                let kernel: [[S::f32s; N]; N] = twice(
                    simd,
                    taps,
                    #[inline(always)]
                    |g| T::kernel(simd, g),
                );
                write::<S, N>(self.out.at(value), N * self.out_plane, self.out_plane, kernel);
            }
        }
    }
}

/// K x K vectors, `line` apart down and `step` apart along.
#[inline(always)]
unsafe fn read<S: Simd, const K: usize>(simd: S, from: *const f32, line: usize, step: usize) -> [[S::f32s; K]; K] {
    let mut square = [[simd.splat_f32s(0.0); K]; K];
    for i in 0..K {
        for j in 0..K {
            // SAFETY: the caller's promise; vectors may lie at any address.
            square[i][j] = unsafe { from.add(i * line + j * step).cast::<S::f32s>().read_unaligned() };
        }
    }
    square
}

/// The same backwards.
#[inline(always)]
unsafe fn write<S: Simd, const K: usize>(to: *mut f32, line: usize, step: usize, square: [[S::f32s; K]; K]) {
    for i in 0..K {
        for j in 0..K {
            // SAFETY: the caller's promise; vectors may lie at any address.
            unsafe { to.add(i * line + j * step).cast::<S::f32s>().write_unaligned(square[i][j]) };
        }
    }
}

/// Bᵀ d B of every tile of a part, or A y Aᵀ where tiles spread: `[N·N, tiles, phases, depth]`.
struct Transform<'a, T, const N: usize, const R: usize> {
    job: &'a Job,
    part: &'a Part,
    frame: &'a Frame,
    /// Values of a pixel.
    depth: usize,
    /// Values from a tile to the next, and from a plane to the next.
    row: usize,
    plane: usize,
    spread: bool,
    input: &'a [f32],
    out: Shared,
    algorithm: std::marker::PhantomData<T>,
}

impl<T: Minimal<N, R>, const N: usize, const R: usize> WithSimd for Transform<'_, T, N, R> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Transform { part, frame, depth, row, plane, input, out, .. } = self;
        let window = frame.input;
        if self.spread {
            for tile in 0..part.tiles() {
                let first = part.place(tile, window, 1) * depth;
                for channel in (0..depth).step_by(S::F32_LANES) {
                    // SAFETY: the window holds every tile's pixels; the tile's places of the result are its own.
                    unsafe {
                        let from = input.as_ptr().add(first + channel);
                        let y = read::<S, M>(simd, from, window.columns * depth, depth);
                        let square: [[S::f32s; N]; N] = twice(
                            simd,
                            y,
                            #[inline(always)]
                            |y| T::output_back(simd, y),
                        );
                        write::<S, N>(out.at(tile * row + channel), N * plane, plane, square);
                    }
                }
            }
            return;
        }
        let stride = self.job.g.stride;
        for tile in 0..part.tiles() {
            let first = part.place(tile, window, stride);
            for phase in 0..stride * stride {
                let first = first + phase / stride * window.columns + phase % stride;
                for channel in (0..depth).step_by(S::F32_LANES) {
                    // SAFETY: the window holds every tile's pixels and those that the kernel overlaps; the tile's places of
                    // the result are its own.
                    unsafe {
                        let from = input.as_ptr().add(first * depth + channel);
                        let d = read::<S, N>(simd, from, stride * window.columns * depth, stride * depth);
                        let square: [[S::f32s; N]; N] = twice(
                            simd,
                            d,
                            #[inline(always)]
                            |d| T::input(simd, d),
                        );
                        write::<S, N>(out.at(tile * row + phase * depth + channel), N * plane, plane, square);
                    }
                }
            }
        }
    }
}

/// The products of all planes.
struct Products<'a> {
    planes: usize,
    rows: &'a [Row],
    left: Left<'a>,
    left_plane: usize,
    right: Right,
    right_plane: usize,
    columns: usize,
    out: Shared,
    out_plane: usize,
    add: bool,
}

impl WithSimd for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for plane in 0..self.planes {
            // SAFETY: the caller laid out so many planes of every factor and of the result, which is its own.
            unsafe {
                let left = Left { base: self.left.base.add(plane * self.left_plane), ..self.left };
                let right = Right { base: self.right.base.add(plane * self.right_plane), ..self.right };
                product(simd, self.rows, left, right, self.columns, self.out.at(plane * self.out_plane), self.add);
            }
        }
    }
}

/// Aᵀ m A of every tile of a part, or B m Bᵀ added to what is there where tiles spread: pixels of `row` values.
struct Back<'a, T, const N: usize, const R: usize> {
    job: &'a Job,
    part: &'a Part,
    frame: &'a Frame,
    phase: usize,
    m: &'a [f32],
    /// Values from a tile to the next, which are also those of a pixel; and from a plane to the next.
    row: usize,
    plane: usize,
    width: usize,
    out: &'a mut [f32],
    algorithm: std::marker::PhantomData<T>,
}

impl<T: Minimal<N, R>, const N: usize, const R: usize> WithSimd for Back<'_, T, N, R> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Back { job, part, frame, phase, m, row, plane, width, out, .. } = self;
        let (window, out) = (frame.output, out.as_mut_ptr());
        if job.spreads() {
            let stride = job.g.stride;
            for tile in 0..part.tiles() {
                let first = part.place(tile, window, stride) + phase / stride * window.columns + phase % stride;
                for channel in (0..width).step_by(S::F32_LANES) {
                    // SAFETY: every plane holds every tile, and the window what every tile spreads over.
                    unsafe {
                        let m = read::<S, N>(simd, m.as_ptr().add(tile * row + channel), N * plane, plane);
                        let square: [[S::f32s; N]; N] = twice(
                            simd,
                            m,
                            #[inline(always)]
                            |v| T::input_back(simd, v),
                        );
                        let (to, line) = (out.add(first * row + channel), stride * window.columns * row);
                        let mut sums = read::<S, N>(simd, to, line, stride * row);
                        for i in 0..N {
                            for j in 0..N {
                                sums[i][j] = simd.add_f32s(sums[i][j], square[i][j]);
                            }
                        }
                        write::<S, N>(to, line, stride * row, sums);
                    }
                }
            }
            return;
        }
        for tile in 0..part.tiles() {
            let first = part.place(tile, window, 1);
            for channel in (0..width).step_by(S::F32_LANES) {
                // SAFETY: every plane holds every tile, and so does the window.
                unsafe {
                    let m = read::<S, N>(simd, m.as_ptr().add(tile * row + channel), N * plane, plane);
                    let square: [[S::f32s; M]; M] = twice(
                        simd,
                        m,
                        #[inline(always)]
                        |m| T::output(simd, m),
                    );
                    write::<S, M>(out.add(first * row + channel), window.columns * row, row, square);
                }
            }
        }
    }
}

/// Floats of transformed tiles at a time for the gradient of the weights: 16 MiB.
const CHUNK: usize = 4 << 20;
/// Channels of one task there.
const CHANNELS: usize = 48;

/// The gradient of a convolution's weights `[to.channels, from.channels, kh, kw]` from what it read and the gradient of
/// what it made.
pub fn weight(g: &Geometry, x: &Pictures, gradient: &Pictures) -> Vec<f32> {
    let job = Job::of(g).expect("the caller asked `suits_weight`");
    match job.r {
        3 => weight_as::<Three, 6, 3>(&job, x, gradient),
        _ => weight_as::<Two, 5, 2>(&job, x, gradient),
    }
}

fn weight_as<T: Minimal<N, R>, const N: usize, const R: usize>(
    job: &Job,
    x: &Pictures,
    gradient: &Pictures,
) -> Vec<f32> {
    let g = &job.g;
    let (read, _) = job.phases();
    let (depth, columns, channels) = (g.depth(), g.to.channels.next_multiple_of(GRAIN), g.from.channels);
    let row = read * depth;
    let chunk_tiles = (CHUNK / (N * N * (row + columns))).max(32);
    let all = parts(job, g.n, 32.min(chunk_tiles));
    // Parts by the chunk: fixed by the shape, so that every sum has one order.
    let mut chunks = Vec::new();
    let (mut first, mut tiles) = (0, 0);
    for (i, part) in all.iter().enumerate() {
        if tiles + part.tiles() > chunk_tiles && tiles > 0 {
            chunks.push(first..i);
            (first, tiles) = (i, 0);
        }
        tiles += part.tiles();
    }
    chunks.push(first..all.len());
    let most = chunks.iter().map(|chunk| all[chunk.clone()].iter().map(Part::tiles).sum::<usize>()).max().unwrap_or(0);
    let plane = [most * row + SHIFT, most * columns + SHIFT];
    let (sums_plane, taps) = (read * channels * columns, g.taps());

    scratch::with(N * N * (plane[0] + plane[1] + sums_plane), |memory| {
        let (sums, memory) = memory.split_at_mut(N * N * sums_plane);
        let (v, m) = memory.split_at_mut(N * N * plane[0]);
        let (shared_v, shared_m, shared_sums) =
            (Shared(v.as_mut_ptr()), Shared(m.as_mut_ptr()), Shared(sums.as_mut_ptr()));
        for (index, chunk) in chunks.iter().enumerate() {
            let mut tile = 0;
            let placed = all[chunk.clone()].iter().map(|part| {
                let first = tile;
                tile += part.tiles();
                (part, first)
            });
            let placed = placed.collect::<Vec<_>>();
            let tiles = tile;
            placed.into_par_iter().for_each(|(part, first)| {
                let frame = Frame::of::<N>(job, part);
                let images = part.images.len();
                let sizes = [frame.input_size(job), frame.output.rows * frame.output.columns * columns];
                scratch::with(images * (sizes[0] + sizes[1]), |memory| {
                    let (input, output) = memory.split_at_mut(images * sizes[0]);
                    let pixels = input.chunks_exact_mut(sizes[0]).zip(output.chunks_exact_mut(sizes[1]));
                    for (image, (input, output)) in part.images.clone().zip(pixels) {
                        x.gather(image, frame.input, depth, input);
                        gradient.gather(image, frame.output, columns, output);
                    }
                    let transform = Transform::<T, N, R> {
                        job,
                        part,
                        frame: &frame,
                        depth,
                        row,
                        plane: plane[0],
                        spread: false,
                        input,
                        out: Shared(shared_v.at(first * row)),
                        algorithm: std::marker::PhantomData,
                    };
                    vectors(transform);
                    let spread = Frame { input: frame.output, output: frame.input };
                    vectors(Transform::<T, N, R> {
                        job,
                        part,
                        frame: &spread,
                        depth: columns,
                        row: columns,
                        plane: plane[1],
                        spread: true,
                        input: output,
                        out: Shared(shared_m.at(first * columns)),
                        algorithm: std::marker::PhantomData,
                    });
                });
            });
            // Sums over the chunk's tiles: each plane, panel and some channels are one task.
            let tasks = (0..N * N).flat_map(|at| {
                panels(g.to.channels).flat_map(move |panel| {
                    let phases = (0..read)
                        .flat_map(move |phase| (0..channels).step_by(CHANNELS).map(move |channel| (phase, channel)));
                    phases.map(move |(phase, channel)| (at, panel.clone(), phase, channel))
                })
            });
            tasks.collect::<Vec<_>>().into_par_iter().for_each(|(at, panel, phase, channel)| {
                let rows = (channel..(channel + CHANNELS).min(channels)).map(|channel| Row {
                    from: phase * depth + channel,
                    to: (phase * channels + channel) * columns + panel.start,
                });
                let rows = rows.collect::<Vec<_>>();
                vectors(Products {
                    planes: 1,
                    rows: &rows,
                    left: Left { base: shared_v.at(at * plane[0]), segments: &[0], depth: tiles, step: row },
                    left_plane: 0,
                    right: Right { base: shared_m.at(at * plane[1] + panel.start), step: columns },
                    right_plane: 0,
                    columns: panel.len(),
                    out: Shared(shared_sums.at(at * sums_plane)),
                    out_plane: 0,
                    add: index > 0,
                });
            });
        }
        // Gᵀ u G, then the tensor's order.
        let order = job.order();
        scratch::with(taps * channels * columns, |packed| {
            let shared = Shared(packed.as_mut_ptr());
            let tasks = (0..read).flat_map(|phase| (0..channels).map(move |channel| (phase, channel)));
            tasks.collect::<Vec<_>>().into_par_iter().for_each(|(phase, channel)| {
                let places = std::array::from_fn(
                    #[inline(always)]
                    |i| {
                        std::array::from_fn(
                            #[inline(always)]
                            |j| (order[phase * R * R + i * R + j] * channels + channel) * columns,
                        )
                    },
                );
                vectors(KernelsBack::<T, N, R> {
                    values: columns,
                    from: shared_sums.at((phase * channels + channel) * columns),
                    from_plane: sums_plane,
                    places,
                    out: shared,
                    algorithm: std::marker::PhantomData,
                });
            });
            unpack(g, packed)
        })
    })
}

/// Gᵀ u G of some neighbouring values.
struct KernelsBack<T, const N: usize, const R: usize> {
    values: usize,
    from: *const f32,
    from_plane: usize,
    places: [[usize; R]; R],
    out: Shared,
    algorithm: std::marker::PhantomData<T>,
}

impl<T: Minimal<N, R>, const N: usize, const R: usize> WithSimd for KernelsBack<T, N, R> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for value in (0..self.values).step_by(S::F32_LANES) {
            // SAFETY: whole groups of values, within both; the task's places of the result are its own.
            unsafe {
                let sums = read::<S, N>(simd, self.from.add(value), N * self.from_plane, self.from_plane);
                let taps: [[S::f32s; R]; R] = twice(
                    simd,
                    sums,
                    #[inline(always)]
                    |u| T::kernel_back(simd, u),
                );
                for i in 0..R {
                    for j in 0..R {
                        self.out.at(self.places[i][j] + value).cast::<S::f32s>().write_unaligned(taps[i][j]);
                    }
                }
            }
        }
    }
}
