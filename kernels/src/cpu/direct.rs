//! Convolution straight from its definition: for each tap of the kernel, pixels times weights, summed in registers.
//! Pixels are laid out with their channels together, so that nothing is copied more than once.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::pixels::{After, Pictures, Planes, Target, Window, from_columns, scatter, to_columns};
use super::tile::{GRAIN, Left, PANEL, Right, Row, product};
use super::{Shared, scratch, vectors};

/// A convolution, or a transposed one: the gradient of a convolution's input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Geometry {
    pub n: usize,
    /// What is read.
    pub from: Planes,
    /// What is made.
    pub to: Planes,
    pub kh: usize,
    pub kw: usize,
    pub stride: usize,
    pub padding: usize,
    /// Whether the weights are `[from.channels, to.channels, kh, kw]` and read backwards; else `[to.channels,
    /// from.channels, kh, kw]`.
    pub transposed: bool,
}

impl Geometry {
    /// Channels of a pixel in working memory.
    pub fn depth(&self) -> usize {
        self.from.channels.next_multiple_of(GRAIN)
    }

    pub fn taps(&self) -> usize {
        self.kh * self.kw
    }

    /// The taps that pixels of one kind share, by kind: all taps for a convolution; for a transposed one, pixels whose
    /// place (plus padding) has the same remainder by the stride are reached by the same taps.
    fn phases(&self) -> Vec<Vec<usize>> {
        let taps = 0..self.taps();
        if !self.transposed {
            return vec![taps.collect()];
        }
        let kind = |tap: usize| tap / self.kw % self.stride * self.stride + tap % self.kw % self.stride;
        (0..self.stride * self.stride).map(|k| taps.clone().filter(|tap| kind(*tap) == k).collect()).collect()
    }
}

/// The widths of the panels of so many columns, and where each begins.
pub fn panels(columns: usize) -> impl Iterator<Item = Range<usize>> + Clone {
    let filled = columns.next_multiple_of(GRAIN);
    (0..filled).step_by(PANEL).map(move |first| first..(first + PANEL).min(filled))
}

/// The weights as `[panel, taps in this order, from.channels, width]`, zeros beyond the channels.
pub fn pack(g: &Geometry, weight: &[f32], order: &[usize], out: &mut [f32]) {
    let (taps, from, to) = (g.taps(), g.from.channels, g.to.channels);
    assert_eq!(weight.len(), taps * from * to, "the weights of {g:?}");
    let mut position = vec![0; taps];
    order.iter().enumerate().for_each(|(at, tap)| position[*tap] = at);
    let whole = panels(to).collect::<Vec<_>>();
    // Each task packs one group of columns of some channels.
    const CHANNELS: usize = 16;
    let shared = Shared(out.as_mut_ptr());
    let tasks = whole.iter().flat_map(|panel| {
        let groups = panel.clone().step_by(GRAIN).map(move |first| (panel.clone(), first));
        groups.flat_map(move |task| (0..from).step_by(CHANNELS).map(move |channel| (task.clone(), channel)))
    });
    tasks.collect::<Vec<_>>().into_par_iter().for_each(|((panel, first), channel)| {
        let (width, lines) = (panel.len(), (to - first.min(to)).min(GRAIN));
        let base = shared.at(panel.start * taps * from + first - panel.start);
        let channels = channel..(channel + CHANNELS).min(from);
        let place = |channel: usize, tap: usize| (position[tap] * from + channel) * width;
        let mut places = [0; GRAIN];
        // SAFETY: the task's columns of the panel are its own, and lie within `out`; the lines lie within the weights.
        unsafe {
            if g.transposed {
                for channel in channels {
                    for tap in (0..taps).step_by(GRAIN) {
                        let count = GRAIN.min(taps - tap);
                        (0..count).for_each(|j| places[j] = place(channel, tap + j));
                        let lines_from = weight.as_ptr().add((channel * to + first) * taps + tap);
                        to_columns(lines_from, taps, lines, count, &places, base);
                    }
                }
            } else {
                let all = channels.start * taps..channels.end * taps;
                for begin in all.clone().step_by(GRAIN) {
                    let count = GRAIN.min(all.end - begin);
                    (0..count).for_each(|j| places[j] = place((begin + j) / taps, (begin + j) % taps));
                    let lines_from = weight.as_ptr().add(first * from * taps + begin);
                    to_columns(lines_from, from * taps, lines, count, &places, base);
                }
            }
        }
    });
}

/// The gradient of weights, `[taps, from.channels, columns]` with the columns of the whole result, as
/// `[to.channels, from.channels, taps]`.
pub fn unpack(g: &Geometry, packed: &[f32]) -> Vec<f32> {
    let (taps, from, to) = (g.taps(), g.from.channels, g.to.channels);
    let columns = to.next_multiple_of(GRAIN);
    assert_eq!(packed.len(), taps * from * columns);
    let mut out = Vec::<f32>::with_capacity(to * from * taps);
    let shared = Shared(out.as_mut_ptr());
    (0..to).into_par_iter().step_by(GRAIN).for_each(|first| {
        let mut places = [0; GRAIN];
        for begin in (0..from * taps).step_by(GRAIN) {
            let count = GRAIN.min(from * taps - begin);
            let place = |i: usize| (i % taps * from + i / taps) * columns + first;
            (0..count).for_each(|j| places[j] = place(begin + j));
            let lines = (to - first).min(GRAIN);
            // SAFETY: these lines of the result are this task's own, and the places lie within `packed`.
            unsafe {
                let to = shared.at(first * from * taps + begin);
                from_columns(packed.as_ptr(), &places, count, to, from * taps, lines, After::NOTHING);
            }
        }
    });
    // SAFETY: every line and column was written.
    unsafe { out.set_len(to * from * taps) };
    out
}

/// Some rows of some images of the result.
#[derive(Clone, Debug)]
struct Part {
    images: Range<usize>,
    rows: Range<usize>,
}

/// Parts of about so many pixels: whole images, or rows of one.
fn parts(n: usize, planes: Planes, pixels: usize) -> Vec<Part> {
    let area = planes.h * planes.w;
    let (images, rows) =
        if area <= pixels { ((pixels / area.max(1)).max(1), planes.h) } else { (1, (pixels / planes.w).max(1)) };
    let part = |image: usize, row: usize| Part {
        images: image..(image + images).min(n),
        rows: row..(row + rows).min(planes.h),
    };
    let firsts = (0..n).step_by(images);
    firsts.flat_map(|image| (0..planes.h).step_by(rows.max(1)).map(move |row| part(image, row))).collect()
}

/// The convolution of x, `[n, from]` to `[n, to]`.
///
/// # Safety
/// The target must be writable for the channels of `to` in n pictures, and nobody else may use it meanwhile.
pub unsafe fn run(g: &Geometry, x: &Pictures, weight: &[f32], after: After, target: Target) {
    let phases = g.phases();
    let area = g.to.h * g.to.w;
    // Enough pixels to pay for reading the weights, and enough parts to go round.
    let pixels = (g.n * area / (4 * rayon::current_num_threads())).clamp(64, 512);
    let width = g.to.channels.next_multiple_of(GRAIN).min(PANEL);
    let packed_size = g.taps() * g.from.channels * g.to.channels.next_multiple_of(GRAIN);
    scratch::with(packed_size, |packed| {
        pack(g, weight, &phases.concat(), packed);
        let packed = &*packed;
        parts(g.n, g.to, pixels).into_par_iter().for_each(|part| {
            let plan = plan(g, &phases, &part, width);
            let count = part.images.len();
            let (window_size, output_size) = (plan.window.rows * plan.window.columns * g.depth(), plan.pixels * width);
            scratch::with(count * (window_size + output_size), |memory| {
                let (input, output) = memory.split_at_mut(count * window_size);
                for (image, input) in part.images.clone().zip(input.chunks_exact_mut(window_size)) {
                    x.gather(image, plan.window, g.depth(), input);
                }
                for panel in panels(g.to.channels) {
                    let packed = &packed[panel.start * g.taps() * g.from.channels..];
                    vectors(Pixels { g, plan: &plan, input, packed, width: panel.len(), output });
                    let planes = Planes { channels: (g.to.channels - panel.start).min(panel.len()), ..g.to };
                    let bias = if after.bias.is_empty() { &[] } else { &after.bias[panel.clone()] };
                    let window =
                        Window { top: part.rows.start as isize, left: 0, rows: part.rows.len(), columns: g.to.w };
                    for (image, output) in part.images.clone().zip(output.chunks_exact(output_size)) {
                        let to = target.out.at((image * target.channels + panel.start) * area);
                        // SAFETY: these rows of these channels are this part's own.
                        unsafe { scatter(output, width, window, planes, After { bias, ..after }, to) };
                    }
                }
            });
        });
    });
}

/// What a part reads and writes.
struct Plan {
    window: Window,
    /// Pixels of an image.
    pixels: usize,
    /// For each phase its taps' places in the window, and its pixels.
    phases: Vec<(Vec<usize>, Vec<Row>)>,
}

/// The plan of a part whose pixels lie `width` values apart.
fn plan(g: &Geometry, phases: &[Vec<usize>], part: &Part, width: usize) -> Plan {
    let Geometry { to, kh, kw, stride, padding, .. } = *g;
    let (rows, depth) = (part.rows.clone(), g.depth());
    let window = if g.transposed {
        // Pixel o is reached from input i by tap k where o + padding = i * stride + k.
        let (first, last) = ((rows.start + padding) / stride, (rows.end - 1 + padding) / stride);
        let (left, right) = (padding / stride, (to.w - 1 + padding) / stride);
        let (above, before) = ((kh - 1) / stride, (kw - 1) / stride);
        Window {
            top: first as isize - above as isize,
            left: left as isize - before as isize,
            rows: last - first + 1 + above,
            columns: right - left + 1 + before,
        }
    } else {
        Window {
            top: (rows.start * stride) as isize - padding as isize,
            left: -(padding as isize),
            rows: (rows.len() - 1) * stride + kh,
            columns: (to.w - 1) * stride + kw,
        }
    };
    let place = |tap: &usize| {
        let (down, along) = match g.transposed {
            false => (tap / kw, tap % kw),
            true => ((kh - 1) / stride - tap / kw / stride, (kw - 1) / stride - tap % kw / stride),
        };
        (down * window.columns + along) * depth
    };
    let (window_size, pixels) = (window.rows * window.columns, rows.len() * to.w);
    let phase = |(kind, taps): (usize, &Vec<usize>)| {
        // Where the places of one axis that belong to this kind are read.
        let axis = |places: Range<usize>, kind: usize| match g.transposed {
            false => places.clone().map(|o| (o - places.start, (o - places.start) * stride)).collect::<Vec<_>>(),
            true => {
                let first = (places.start + padding) / stride;
                let own = places.clone().filter(|o| (o + padding) % stride == kind);
                own.map(|o| (o - places.start, (o + padding) / stride - first)).collect()
            }
        };
        let (down, along) = (axis(rows.clone(), kind / stride), axis(0..to.w, kind % stride));
        let mut own = Vec::with_capacity(part.images.len() * down.len() * along.len());
        for image in 0..part.images.len() {
            for (y, from_y) in &down {
                let (to, from) = (image * pixels + y * to.w, image * window_size + from_y * window.columns);
                own.extend(along.iter().map(|(x, from_x)| Row { from: (from + from_x) * depth, to: (to + x) * width }));
            }
        }
        (taps.iter().map(place).collect(), own)
    };
    Plan { window, pixels, phases: phases.iter().enumerate().map(phase).collect() }
}

/// The pixels of a part in the channels of one panel.
struct Pixels<'a> {
    g: &'a Geometry,
    plan: &'a Plan,
    input: &'a [f32],
    packed: &'a [f32],
    width: usize,
    output: &'a mut [f32],
}

impl WithSimd for Pixels<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let depth = self.g.from.channels;
        let mut line = 0;
        for (segments, rows) in &self.plan.phases {
            let left = Left { base: self.input.as_ptr(), segments, depth, step: 1 };
            // SAFETY: every pixel's taps lie within its window and its columns within the output; the packed panel has a line
            // for every step.
            unsafe {
                let right = Right { base: self.packed.as_ptr().add(line * self.width), step: self.width };
                product(simd, rows, left, right, self.width, self.output.as_mut_ptr(), false);
            }
            line += segments.len() * depth;
        }
    }
}

/// Floats of pixels to lay out at a time for the gradient of the weights: 16 MiB.
const CHUNK: usize = 4 << 20;
/// Pixels whose values are summed at a time there: two panels of them stay in the second-level cache.
const PIXELS: usize = 512;
/// Channels of one task there: whole groups of six and of eight rows.
const CHANNELS: usize = 48;

/// The gradient of a convolution's weights `[to.channels, from.channels, kh, kw]` from what it read and the gradient of
/// what it made.
pub fn weight(g: &Geometry, x: &Pictures, gradient: &Pictures) -> Vec<f32> {
    let Geometry { n, from, to, kh, kw, stride, padding, .. } = *g;
    let (depth, columns, taps) = (g.depth(), to.channels.next_multiple_of(GRAIN), g.taps());
    let window = Window {
        top: -(padding as isize),
        left: -(padding as isize),
        rows: (to.h - 1) * stride + kh,
        columns: (to.w - 1) * stride + kw,
    };
    let whole = Window { top: 0, left: 0, rows: to.h, columns: to.w };
    let (window_size, whole_size) = (window.rows * window.columns * depth, to.h * to.w * columns);
    let images = (CHUNK / (window_size + whole_size).max(1)).clamp(1, n.max(1));
    scratch::with(images * (window_size + whole_size) + taps * from.channels * columns, |memory| {
        let (sums, memory) = memory.split_at_mut(taps * from.channels * columns);
        sums.fill(0.0);
        let (inputs, gradients) = memory.split_at_mut(images * window_size);
        let shared = Shared(sums.as_mut_ptr());
        for first in (0..n).step_by(images) {
            let images = images.min(n - first);
            lay_out(x, first, window, depth, &mut inputs[..images * window_size]);
            lay_out(gradient, first, whole, columns, &mut gradients[..images * whole_size]);
            // Rows of the gradient, by how the input is read for them; some at a time.
            let rows = (0..images * to.h).map(|row| {
                let (image, y) = (row / to.h, row % to.h);
                image * window_size + y * stride * window.columns * depth
            });
            let rows = rows.collect::<Vec<_>>();
            let rows_at_once = (PIXELS / to.w.max(1)).max(1);
            let tasks = panels(to.channels).flat_map(|panel| {
                let channels = (0..from.channels).step_by(CHANNELS);
                let taps = channels.flat_map(move |channel| (0..taps).map(move |tap| (channel, tap)));
                taps.map(move |(channel, tap)| (panel.clone(), channel, tap))
            });
            let (inputs, gradients) = (&*inputs, &*gradients);
            tasks.collect::<Vec<_>>().into_par_iter().for_each(|(panel, channel, tap)| {
                let lines = (channel..(channel + CHANNELS).min(from.channels))
                    .map(|channel| Row { from: channel, to: (tap * from.channels + channel) * columns + panel.start });
                let lines = lines.collect::<Vec<_>>();
                let place = (tap / kw * window.columns + tap % kw) * depth;
                for (i, segments) in rows.chunks(rows_at_once).enumerate() {
                    vectors(PartOfWeight {
                        rows: &lines,
                        left: Left { base: inputs[place..].as_ptr(), segments, depth: to.w, step: stride * depth },
                        right: Right {
                            base: gradients[i * rows_at_once * to.w * columns + panel.start..].as_ptr(),
                            step: columns,
                        },
                        columns: panel.len(),
                        out: shared,
                    });
                }
            });
        }
        unpack(g, sums)
    })
}

/// The same window of images that follow each other, from one on.
fn lay_out(x: &Pictures, first: usize, window: Window, depth: usize, out: &mut [f32]) {
    const ROWS: usize = 16;
    out.par_chunks_mut(window.rows * window.columns * depth).enumerate().for_each(|(image, out)| {
        out.par_chunks_mut(ROWS * window.columns * depth).enumerate().for_each(|(band, out)| {
            let rows = out.len() / (window.columns * depth);
            x.gather(first + image, Window { top: window.top + (band * ROWS) as isize, rows, ..window }, depth, out);
        });
    });
}

struct PartOfWeight<'a> {
    rows: &'a [Row],
    left: Left<'a>,
    right: Right,
    columns: usize,
    out: Shared,
}

impl WithSimd for PartOfWeight<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // SAFETY: the task's channels and columns of the sums are its own; every pixel lies within the laid-out images.
        unsafe { product(simd, self.rows, self.left, self.right, self.columns, self.out.at(0), true) }
    }
}
