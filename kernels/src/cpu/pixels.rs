//! Pictures with their channels together: a convolution's inner loops run over the channels of a pixel, while a tensor
//! keeps the pixels of a channel together. Both ways are transpositions of 16 by 16 blocks.

use std::ops::Range;

use super::Shared;
use super::tile::GRAIN;

/// A rectangle of an image, which may reach beyond it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    pub top: isize,
    pub left: isize,
    pub rows: usize,
    pub columns: usize,
}

/// The shape of a tensor's image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Planes {
    pub channels: usize,
    pub h: usize,
    pub w: usize,
}

impl Window {
    /// The part of the window that lies within the image: rows, columns.
    fn within(&self, planes: Planes) -> (Range<usize>, Range<usize>) {
        let part = |first: isize, length: usize, limit: usize| {
            let end = (first + length as isize).clamp(0, limit as isize) as usize;
            (first.max(0) as usize).min(end)..end
        };
        (part(self.top, self.rows, planes.h), part(self.left, self.columns, planes.w))
    }

    /// Zeros where the window reaches beyond the image.
    fn clear_beyond(&self, planes: Planes, depth: usize, out: &mut [f32]) {
        let (rows, columns) = self.within(planes);
        let inside = |range: &Range<usize>, first: isize| {
            let begin = (range.start as isize - first) as usize;
            if range.is_empty() { 0..0 } else { begin..begin + range.len() }
        };
        let (rows, columns) = (inside(&rows, self.top), inside(&columns, self.left));
        for (row, line) in out.chunks_exact_mut((self.columns * depth).max(1)).enumerate() {
            if rows.contains(&row) {
                line[..columns.start * depth].fill(0.0);
                line[columns.end * depth..].fill(0.0);
            } else {
                line.fill(0.0);
            }
        }
    }

    /// Calls with the runs of the part within the image, some at a time; their places are those of pixels of `depth` values.
    fn each_runs(&self, planes: Planes, depth: usize, mut work: impl FnMut(&[Run])) {
        let (rows, columns) = self.within(planes);
        let place = |y: usize, x: usize| {
            ((y as isize - self.top) as usize * self.columns + (x as isize - self.left) as usize) * depth
        };
        // Whole rows follow each other in memory, so that runs may cross their ends.
        let whole = columns == (0..planes.w);
        let (lines, length) = if whole { (1, rows.len() * planes.w) } else { (rows.len(), columns.len()) };
        let mut runs = [Run { first: 0, count: 0, places: [0; GRAIN] }; RUNS];
        let mut ready = 0;
        for line in 0..lines {
            let (mut y, mut x) = (rows.start + line, columns.start);
            let first = y * planes.w + x;
            for begin in (0..length).step_by(GRAIN) {
                let count = GRAIN.min(length - begin);
                let run = &mut runs[ready];
                (run.first, run.count) = (first + begin, count);
                if x + count <= planes.w {
                    let at = place(y, x);
                    run.places.iter_mut().enumerate().for_each(|(j, to)| *to = at + j * depth);
                    x += count;
                    if x == planes.w {
                        (y, x) = (y + 1, 0);
                    }
                } else {
                    for to in &mut run.places[..count] {
                        *to = place(y, x);
                        x += 1;
                        if x == planes.w {
                            (y, x) = (y + 1, 0);
                        }
                    }
                }
                ready += 1;
                if ready == RUNS {
                    work(&runs);
                    ready = 0;
                }
            }
        }
        work(&runs[..ready]);
    }
}

/// Up to 16 pixels that follow each other in a channel.
#[derive(Clone, Copy)]
struct Run {
    /// The first one's place in a channel.
    first: usize,
    count: usize,
    /// Where each begins in the window.
    places: [usize; GRAIN],
}

/// Runs at a time: a group of channels is read along so many, as few streams that the processor fetches ahead.
const RUNS: usize = 16;

/// Pictures `[n, channels, h, w]`, whose channels may lie in several tensors: a dense block's layers read the results of all
/// layers before them, and need no copy that holds them together.
#[derive(Clone, Debug)]
pub struct Pictures<'a> {
    parts: Vec<Channels<'a>>,
    planes: Planes,
}

/// Channels of a tensor that follow each other.
#[derive(Clone, Copy, Debug)]
struct Channels<'a> {
    values: &'a [f32],
    /// The first one, and how many there are.
    first: usize,
    count: usize,
    /// Channels of the whole tensor.
    all: usize,
}

impl<'a> Channels<'a> {
    fn whole(values: &'a [f32], count: usize) -> Self {
        Channels { values, first: 0, count, all: count }
    }

    /// Those of one image of `area` pixels.
    fn image(&self, image: usize, area: usize) -> &'a [f32] {
        &self.values[(image * self.all + self.first) * area..][..self.count * area]
    }
}

/// Where the channels of all pictures are written that a convolution makes.
#[derive(Clone, Copy)]
pub struct Target {
    /// The first channel of the first picture.
    pub out: Shared,
    /// Channels from a picture to the next.
    pub channels: usize,
}

impl<'a> Pictures<'a> {
    /// All channels in one tensor.
    pub fn new(values: &'a [f32], planes: Planes) -> Self {
        Pictures { parts: vec![Channels::whole(values, planes.channels)], planes }
    }

    /// The channels of several tensors, each with its number of them: all but the last multiples of [`GRAIN`].
    pub fn joined(parts: Vec<(&'a [f32], usize)>, planes: Planes) -> Self {
        assert_eq!(parts.iter().map(|(_, channels)| channels).sum::<usize>(), planes.channels, "{planes:?}");
        assert!(parts.iter().rev().skip(1).all(|(_, channels)| channels.is_multiple_of(GRAIN)));
        let parts = parts.into_iter().map(|(values, channels)| Channels::whole(values, channels));
        Pictures { parts: parts.collect(), planes }
    }

    /// One of `groups` equal groups of channels. All must lie in one tensor if there are several groups.
    pub fn group(&self, group: usize, groups: usize) -> Self {
        if groups == 1 {
            return self.clone();
        }
        assert!(self.parts.len() == 1, "groups of {} tensors", self.parts.len());
        let count = self.planes.channels / groups;
        let part = Channels { first: group * count, count, ..self.parts[0] };
        Pictures { parts: vec![part], planes: Planes { channels: count, ..self.planes } }
    }

    /// Copies `count` pixels of every channel of an image, from the place `first` on, to lines that begin `step` apart.
    pub fn rows(&self, image: usize, first: usize, count: usize, step: usize, out: &mut [f32]) {
        let area = self.planes.h * self.planes.w;
        let lines = self.parts.iter().flat_map(|part| part.image(image, area).chunks_exact(area));
        for (line, to) in lines.zip(out.chunks_mut(step)) {
            to[..count].copy_from_slice(&line[first..first + count]);
        }
    }

    /// The window of an image as `[rows, columns, depth]`, where `depth`, a multiple of [`GRAIN`], is at least the number of
    /// channels; zeros beyond the image and the channels.
    pub fn gather(&self, image: usize, window: Window, depth: usize, out: &mut [f32]) {
        let planes = self.planes;
        let area = planes.h * planes.w;
        assert_eq!(out.len(), window.rows * window.columns * depth, "{window:?} of depth {depth}");
        assert!(depth.is_multiple_of(GRAIN) && depth >= planes.channels);
        window.clear_beyond(planes, depth, out);
        let mut before = 0;
        for part in &self.parts {
            let (values, channels) = (part.image(image, area), part.count);
            window.each_runs(planes, depth, |runs| {
                for first in (0..channels).step_by(GRAIN) {
                    let lines = (channels - first).min(GRAIN);
                    for run in runs {
                        // SAFETY: the run lies within every channel, and the places within the window, which `out` holds.
                        unsafe {
                            let from = values.as_ptr().add(first * area + run.first);
                            let to = out.as_mut_ptr().add(before + first);
                            to_columns(from, area, lines, run.count, &run.places, to);
                        }
                    }
                }
            });
            before += channels;
        }
    }
}

/// The same backwards, for the part of the window within the image: pixels of `stride` values, of which the first
/// `planes.channels` are the channels.
///
/// # Safety
/// `image` must be writable at that part for `planes.channels` channels, and nobody else may use it meanwhile.
pub unsafe fn scatter(pixels: &[f32], stride: usize, window: Window, planes: Planes, after: After, image: *mut f32) {
    assert!(pixels.len() >= window.rows * window.columns * stride, "{window:?} of {stride}");
    assert!(stride >= planes.channels.next_multiple_of(GRAIN));
    assert!(after.bias.is_empty() || after.bias.len() >= planes.channels.next_multiple_of(GRAIN));
    let area = planes.h * planes.w;
    window.each_runs(planes, stride, |runs| {
        for first in (0..planes.channels).step_by(GRAIN) {
            let lines = (planes.channels - first).min(GRAIN);
            let bias = after.bias.get(first..).unwrap_or(&[]);
            for run in runs {
                // SAFETY: the places lie within the window, and the caller's promise.
                unsafe {
                    let (from, to) = (pixels.as_ptr().add(first), image.add(first * area + run.first));
                    from_columns(from, &run.places, run.count, to, area, lines, After { bias, ..after });
                }
            }
        }
    });
}

/// What happens to a value on its way out: leaky_relu(value + bias of the channel).
#[derive(Clone, Copy, Debug)]
pub struct After<'a> {
    /// One value for each channel, filled up to a multiple of [`GRAIN`]; or none.
    pub bias: &'a [f32],
    /// Leaky ReLU's slope for negative values; 1 leaves values as they are.
    pub slope: f32,
}

impl After<'_> {
    /// Nothing.
    pub const NOTHING: After<'static> = After { bias: &[], slope: 1.0 };
}

/// Writes columns of a matrix of `lines` lines, `stride` apart: column j, filled with zeros up to a multiple of 16, to
/// `to[places[j]]`.
///
/// # Safety
/// `count` (at most 16) values of every line must be readable, and every place writable.
pub unsafe fn to_columns(
    from: *const f32,
    stride: usize,
    lines: usize,
    count: usize,
    places: &[usize; GRAIN],
    to: *mut f32,
) {
    for first in (0..lines).step_by(GRAIN) {
        // SAFETY: the caller's promise, and the processor has what the function is compiled for.
        unsafe {
            let (from, to, lines) = (from.add(first * stride), to.add(first), (lines - first).min(GRAIN));
            #[cfg(target_arch = "x86_64")]
            if std::arch::is_x86_feature_detected!("avx512f") {
                x86::to_columns_512(from, stride, lines, count, places, to);
                continue;
            } else if lines == GRAIN && count == GRAIN && std::arch::is_x86_feature_detected!("avx") {
                x86::to_columns_256(from, stride, places, to);
                continue;
            }
            plain::to_columns(from, stride, lines, count, places, to);
        }
    }
}

/// Reads columns of `lines` values, column j from `from[places[j]]`, and writes them as `lines` lines, `stride` apart.
///
/// # Safety
/// Every place must be readable up to a multiple of 16 values, and `count` (at most 16) values of every line writable.
pub unsafe fn from_columns(
    from: *const f32,
    places: &[usize; GRAIN],
    count: usize,
    to: *mut f32,
    stride: usize,
    lines: usize,
    after: After,
) {
    for first in (0..lines).step_by(GRAIN) {
        let bias = if after.bias.is_empty() { &[0.0; GRAIN] } else { &after.bias[first..first + GRAIN] };
        // SAFETY: the caller's promise, and the processor has what the function is compiled for.
        unsafe {
            let (from, to, lines) = (from.add(first), to.add(first * stride), (lines - first).min(GRAIN));
            #[cfg(target_arch = "x86_64")]
            if std::arch::is_x86_feature_detected!("avx512f") {
                x86::from_columns_512(from, places, count, to, stride, lines, bias, after.slope);
                continue;
            } else if lines == GRAIN && count == GRAIN && std::arch::is_x86_feature_detected!("avx") {
                x86::from_columns_256(from, places, to, stride, bias, after.slope);
                continue;
            }
            plain::from_columns(from, places, count, to, stride, lines, bias, after.slope);
        }
    }
}

mod plain {
    use super::GRAIN;

    pub unsafe fn to_columns(
        from: *const f32,
        stride: usize,
        lines: usize,
        count: usize,
        places: &[usize; GRAIN],
        to: *mut f32,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            for (column, place) in places[..count].iter().enumerate() {
                for line in 0..GRAIN {
                    *to.add(place + line) = if line < lines { *from.add(line * stride + column) } else { 0.0 };
                }
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    pub unsafe fn from_columns(
        from: *const f32,
        places: &[usize; GRAIN],
        count: usize,
        to: *mut f32,
        stride: usize,
        lines: usize,
        bias: &[f32],
        slope: f32,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            for (line, bias) in bias[..lines].iter().enumerate() {
                for (column, place) in places[..count].iter().enumerate() {
                    let value = *from.add(place + line) + bias;
                    *to.add(line * stride + column) = if value > 0.0 { value } else { value * slope };
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::GRAIN;
    use std::arch::x86_64::*;

    /// 16 vectors become the 16 vectors of their places.
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn transposed(r: [__m512; GRAIN]) -> [__m512; GRAIN] {
        // Pairs, then fours, of values that belong together; then quarters of vectors, twice.
        let pairs: [__m512; GRAIN] = std::array::from_fn(|i| {
            let (a, b) = (r[i / 2 * 2], r[i / 2 * 2 + 1]);
            if i % 2 == 0 { _mm512_unpacklo_ps(a, b) } else { _mm512_unpackhi_ps(a, b) }
        });
        let fours: [__m512; GRAIN] = std::array::from_fn(|i| {
            let (group, k) = (i / 4 * 4, i % 4);
            let (a, b) = (_mm512_castps_pd(pairs[group + k / 2]), _mm512_castps_pd(pairs[group + 2 + k / 2]));
            _mm512_castpd_ps(if k % 2 == 0 { _mm512_unpacklo_pd(a, b) } else { _mm512_unpackhi_pd(a, b) })
        });
        // fours[4g + k] holds, of lines 4g.., the columns k, 4 + k, 8 + k and 12 + k.
        std::array::from_fn(|column| {
            let (k, quarter) = (column % 4, column / 4);
            let (a, b, c, d) = (fours[k], fours[4 + k], fours[8 + k], fours[12 + k]);
            let (ab, cd) = match quarter % 2 {
                0 => (_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0x88>(c, d)),
                _ => (_mm512_shuffle_f32x4::<0xdd>(a, b), _mm512_shuffle_f32x4::<0xdd>(c, d)),
            };
            match quarter / 2 {
                0 => _mm512_shuffle_f32x4::<0x88>(ab, cd),
                _ => _mm512_shuffle_f32x4::<0xdd>(ab, cd),
            }
        })
    }

    #[target_feature(enable = "avx512f")]
    pub unsafe fn to_columns_512(
        from: *const f32,
        stride: usize,
        lines: usize,
        count: usize,
        places: &[usize; GRAIN],
        to: *mut f32,
    ) {
        let mask = ((1_u32 << count) - 1) as u16;
        // SAFETY: the caller's promise; masked places are not touched.
        unsafe {
            let lines = std::array::from_fn(|line| match line < lines {
                true => _mm512_maskz_loadu_ps(mask, from.add(line * stride)),
                false => _mm512_setzero_ps(),
            });
            let columns = transposed(lines);
            for (column, place) in columns.iter().zip(places).take(count) {
                _mm512_storeu_ps(to.add(*place), *column);
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    #[target_feature(enable = "avx512f")]
    pub unsafe fn from_columns_512(
        from: *const f32,
        places: &[usize; GRAIN],
        count: usize,
        to: *mut f32,
        stride: usize,
        lines: usize,
        bias: &[f32],
        slope: f32,
    ) {
        let mask = ((1_u32 << count) - 1) as u16;
        // SAFETY: the caller's promise; masked places are not touched.
        unsafe {
            let (bias, slope) = (_mm512_loadu_ps(bias.as_ptr()), _mm512_set1_ps(slope));
            let columns = std::array::from_fn(|column| {
                if column >= count {
                    return _mm512_setzero_ps();
                }
                let value = _mm512_add_ps(_mm512_loadu_ps(from.add(places[column])), bias);
                let positive = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(value, _mm512_setzero_ps());
                _mm512_mask_blend_ps(positive, _mm512_mul_ps(value, slope), value)
            });
            let values = transposed(columns);
            for (line, values) in values.iter().enumerate().take(lines) {
                _mm512_mask_storeu_ps(to.add(line * stride), mask, *values);
            }
        }
    }

    /// 8 vectors become the 8 vectors of their places.
    #[target_feature(enable = "avx")]
    #[inline]
    fn transposed_8(r: [__m256; 8]) -> [__m256; 8] {
        let pairs: [__m256; 8] = std::array::from_fn(|i| {
            let (a, b) = (r[i / 2 * 2], r[i / 2 * 2 + 1]);
            if i % 2 == 0 { _mm256_unpacklo_ps(a, b) } else { _mm256_unpackhi_ps(a, b) }
        });
        let fours: [__m256; 8] = std::array::from_fn(|i| {
            let (group, k) = (i / 4 * 4, i % 4);
            let (a, b) = (pairs[group + k / 2], pairs[group + 2 + k / 2]);
            if k % 2 == 0 { _mm256_shuffle_ps::<0x44>(a, b) } else { _mm256_shuffle_ps::<0xee>(a, b) }
        });
        std::array::from_fn(|column| match column / 4 {
            0 => _mm256_permute2f128_ps::<0x20>(fours[column], fours[4 + column]),
            _ => _mm256_permute2f128_ps::<0x31>(fours[column - 4], fours[column]),
        })
    }

    #[target_feature(enable = "avx")]
    pub unsafe fn to_columns_256(from: *const f32, stride: usize, places: &[usize; GRAIN], to: *mut f32) {
        for (half, places) in places.as_chunks::<8>().0.iter().enumerate() {
            for part in 0..2 {
                // SAFETY: the caller's promise, for 16 lines of 16 values.
                unsafe {
                    let from = from.add(part * 8 * stride + half * 8);
                    let columns = transposed_8(std::array::from_fn(|line| _mm256_loadu_ps(from.add(line * stride))));
                    for (column, place) in columns.iter().zip(places) {
                        _mm256_storeu_ps(to.add(place + part * 8), *column);
                    }
                }
            }
        }
    }

    #[target_feature(enable = "avx")]
    pub unsafe fn from_columns_256(
        from: *const f32,
        places: &[usize; GRAIN],
        to: *mut f32,
        stride: usize,
        bias: &[f32],
        slope: f32,
    ) {
        let slope = _mm256_set1_ps(slope);
        for (half, places) in places.as_chunks::<8>().0.iter().enumerate() {
            for part in 0..2 {
                // SAFETY: the caller's promise, for 16 lines of 16 values.
                unsafe {
                    let bias = _mm256_loadu_ps(bias.as_ptr().add(part * 8));
                    let values = transposed_8(std::array::from_fn(|column| {
                        let value = _mm256_add_ps(_mm256_loadu_ps(from.add(places[column] + part * 8)), bias);
                        let positive = _mm256_cmp_ps::<_CMP_GT_OQ>(value, _mm256_setzero_ps());
                        _mm256_blendv_ps(_mm256_mul_ps(value, slope), value, positive)
                    }));
                    for (line, values) in values.iter().enumerate() {
                        _mm256_storeu_ps(to.add((part * 8 + line) * stride + half * 8), *values);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that tell their place.
    fn numbers(count: usize) -> Vec<f32> {
        (0..count).map(|i| i as f32 - 100.0).collect()
    }

    const PLACES: [usize; GRAIN] = [0, 16, 48, 32, 64, 96, 80, 112, 128, 240, 224, 208, 192, 176, 160, 144];

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_transpositions_of_every_processor_are_those_of_the_plain_loops() {
        let (from, stride) = (numbers(16 * 20), 20);
        let bias: [f32; GRAIN] = std::array::from_fn(|i| i as f32 * 0.5);
        for (lines, count) in [(16, 16), (16, 5), (3, 16), (1, 1)] {
            let mut plain = vec![0.0; 256];
            let mut back = vec![0.0; 16 * stride];
            // SAFETY: 16 lines of 20 values, and 16 places of 16; the processor has what the functions are compiled for.
            unsafe {
                plain::to_columns(from.as_ptr(), stride, lines, count, &PLACES, plain.as_mut_ptr());
                plain::from_columns(from.as_ptr(), &PLACES, count, back.as_mut_ptr(), stride, lines, &bias, 0.5);
                if std::arch::is_x86_feature_detected!("avx512f") {
                    let (mut to, mut lines_back) = (vec![0.0; 256], vec![0.0; 16 * stride]);
                    x86::to_columns_512(from.as_ptr(), stride, lines, count, &PLACES, to.as_mut_ptr());
                    assert_eq!(to, plain, "{lines} lines of {count}");
                    let out = lines_back.as_mut_ptr();
                    x86::from_columns_512(from.as_ptr(), &PLACES, count, out, stride, lines, &bias, 0.5);
                    assert_eq!(lines_back, back, "{lines} lines of {count}");
                }
                if std::arch::is_x86_feature_detected!("avx") && (lines, count) == (16, 16) {
                    let (mut to, mut lines_back) = (vec![0.0; 256], vec![0.0; 16 * stride]);
                    x86::to_columns_256(from.as_ptr(), stride, &PLACES, to.as_mut_ptr());
                    assert_eq!(to, plain);
                    x86::from_columns_256(from.as_ptr(), &PLACES, lines_back.as_mut_ptr(), stride, &bias, 0.5);
                    assert_eq!(lines_back, back);
                }
            }
        }
    }

    #[test]
    fn a_window_has_its_pixels_and_zeros_beyond_and_gives_them_back() {
        for (channels, h, w) in [(1, 1, 1), (17, 3, 40), (5, 7, 6), (33, 4, 4)] {
            let planes = Planes { channels, h, w };
            let (images, depth) = (numbers(2 * channels * h * w), channels.next_multiple_of(GRAIN));
            for (top, left, rows, columns) in
                [(0, 0, h, w), (-1, -2, h + 3, w + 4), (1, 0, h, w), (-3, 1, 5, 2), (9, 9, 2, 2)]
            {
                let window = Window { top, left, rows, columns };
                let mut pixels = vec![f32::NAN; rows * columns * depth];
                Pictures::new(&images, planes).gather(1, window, depth, &mut pixels);
                let mut back = vec![0.0; channels * h * w];
                // SAFETY: the image is whole.
                unsafe { scatter(&pixels, depth, window, planes, After::NOTHING, back.as_mut_ptr()) };
                for (i, pixel) in pixels.chunks(depth).enumerate() {
                    let (y, x) = (top + (i / columns) as isize, left + (i % columns) as isize);
                    let inside = (0..h as isize).contains(&y) && (0..w as isize).contains(&x);
                    for (channel, value) in pixel.iter().enumerate() {
                        if !inside || channel >= channels {
                            assert_eq!(*value, 0.0, "{planes:?}, {window:?}, pixel {i}, channel {channel}");
                            continue;
                        }
                        let at = (channel * h + y as usize) * w + x as usize;
                        assert_eq!(*value, images[channels * h * w + at], "{planes:?}, {window:?}, pixel {i}");
                        assert_eq!(back[at], *value);
                    }
                }
            }
        }
    }
}
