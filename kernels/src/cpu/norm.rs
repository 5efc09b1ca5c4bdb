//! Normalisation, scale, shift and leaky ReLU: forwards in two passes over x, backwards in two over x and the gradient,
//! the second of each while a group is still in the core's cache.

use rayon::prelude::*;

use super::{LANES, Shared, TASK, filled, total, wide};

/// Values that are summed in f32 before their sum goes on in f64.
const PIECE: usize = 4096;
/// Values whose mean and squares are taken at once, where a plane is smaller.
const BLOCK: usize = 1024;

/// Planes of `inner` values, in groups that share mean and variance.
#[derive(Clone, Copy, Debug)]
pub struct Groups {
    pub groups: usize,
    /// Planes of a group, `step` apart.
    pub planes: usize,
    pub step: usize,
    pub inner: usize,
}

impl Groups {
    /// The index of a group's plane: groups follow one another, or, where their planes are apart, interleave.
    #[inline(always)]
    fn plane(&self, group: usize, i: usize) -> usize {
        if self.step == 1 { group * self.planes + i } else { group + i * self.step }
    }

    fn size(&self) -> usize {
        self.planes * self.inner
    }

    fn per_task(&self) -> usize {
        (TASK / self.size().max(1)).max(1)
    }

    fn of<'a>(&self, x: &'a [f32], plane: usize) -> &'a [f32] {
        &x[plane * self.inner..][..self.inner]
    }
}

/// Mean and biased variance of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    pub mean: f32,
    pub variance: f32,
}

/// What follows once mean and variance are known. A plane's scale and shift are those at its index modulo their number: one for
/// each channel, or for each channel of each sample.
#[derive(Clone, Copy, Debug)]
pub struct Affine<'a> {
    pub gamma: &'a [f32],
    pub beta: &'a [f32],
    pub epsilon: f64,
    pub slope: f32,
}

impl Affine<'_> {
    #[inline(always)]
    fn index(&self, plane: usize) -> usize {
        plane % self.gamma.len()
    }

    fn inverse_deviation(&self, moments: Moments) -> f32 {
        (1.0 / (f64::from(moments.variance) + self.epsilon).sqrt()) as f32
    }
}

/// A plane's map before the activation: (x - mean)·scale + beta. Forwards and backwards use this one, so that both see
/// the same sign.
#[derive(Clone, Copy)]
struct Map {
    mean: f32,
    scale: f32,
    beta: f32,
}

impl Map {
    #[inline(always)]
    fn at(&self, x: f32) -> f32 {
        (x - self.mean) * self.scale + self.beta
    }
}

/// leaky_relu((x - mean) / sqrt(variance + ε)·γ + β), and the moments of each group.
pub fn forward(x: &[f32], groups: Groups, affine: Affine) -> (Vec<f32>, Vec<Moments>) {
    let mut moments = vec![Moments::default(); groups.groups];
    let per_task = groups.per_task();
    let fill = |out: Shared| {
        moments.par_chunks_mut(per_task).enumerate().for_each(|(task, moments)| {
            wide(
                #[inline(always)]
                || {
                    for (i, moments) in moments.iter_mut().enumerate() {
                        let group = task * per_task + i;
                        *moments = measured(x, &groups, group);
                        normalise(x, out, &groups, group, *moments, &affine);
                    }
                },
            );
        });
    };
    // SAFETY: every plane belongs to one group, and `normalise` writes each plane of its group.
    let y = unsafe { filled(x.len(), fill) };
    (y, moments)
}

/// The same with moments that are given.
pub fn forward_by(x: &[f32], groups: Groups, moments: &[Moments], affine: Affine) -> Vec<f32> {
    let per_task = groups.per_task();
    let fill = |out: Shared| {
        moments.par_chunks(per_task).enumerate().for_each(|(task, moments)| {
            wide(
                #[inline(always)]
                || {
                    for (i, moments) in moments.iter().enumerate() {
                        normalise(x, out, &groups, task * per_task + i, *moments, &affine);
                    }
                },
            );
        });
    };
    // SAFETY: as in `forward`.
    unsafe { filled(x.len(), fill) }
}

#[inline(always)]
fn normalise(x: &[f32], out: Shared, groups: &Groups, group: usize, moments: Moments, affine: &Affine) {
    let inverse = affine.inverse_deviation(moments);
    for i in 0..groups.planes {
        let plane = groups.plane(group, i);
        let at = affine.index(plane);
        let map = Map { mean: moments.mean, scale: inverse * affine.gamma[at], beta: affine.beta[at] };
        // SAFETY: the plane lies within the buffer, which is as long as x, and no other task writes it.
        let y = unsafe { std::slice::from_raw_parts_mut(out.at(plane * groups.inner).cast(), groups.inner) };
        for (y, x) in y.iter_mut().zip(groups.of(x, plane)) {
            let u = map.at(*x);
            std::mem::MaybeUninit::write(y, if u > 0.0 { u } else { u * affine.slope });
        }
    }
}

/// Mean and variance of a group: those of blocks that stay in the first-level cache, each about its own mean, joined as
/// Chan, Golub and LeVeque (1983) do, which keeps its digits however far the mean is from 0.
#[inline(always)]
fn measured(x: &[f32], groups: &Groups, group: usize) -> Moments {
    let step = (BLOCK / groups.inner.max(1)).max(1);
    let (mut count, mut mean, mut squares) = (0.0_f64, 0.0_f64, 0.0_f64);
    for first in (0..groups.planes).step_by(step) {
        let block = first..(first + step).min(groups.planes);
        for offset in (0..groups.inner).step_by(PIECE) {
            let length = PIECE.min(groups.inner - offset);
            let pieces = block.clone().map(|i| &groups.of(x, groups.plane(group, i))[offset..][..length]);
            let size = (block.len() * length) as f64;
            let about = (pieces.clone().map(sum).sum::<f64>() / size) as f32;
            let [rest, square] = pieces.map(|piece| deviations(piece, about)).fold([0.0; 2], add);
            // `about` is rounded: `rest` is what that leaves of the mean.
            let (own, square) = (f64::from(about) + rest / size, square - rest * rest / size);
            let (apart, total) = (own - mean, count + size);
            mean += apart * size / total;
            squares += square + apart * apart * count * size / total;
            count = total;
        }
    }
    Moments { mean: mean as f32, variance: (squares / count.max(1.0)).max(0.0) as f32 }
}

#[inline(always)]
fn add([a, b]: [f64; 2], [c, d]: [f64; 2]) -> [f64; 2] {
    [a + c, b + d]
}

#[inline(always)]
fn sum(values: &[f32]) -> f64 {
    let mut lanes = [0.0_f32; LANES];
    for values in values.chunks(LANES) {
        for (lane, value) in lanes.iter_mut().zip(values) {
            *lane += value;
        }
    }
    total(lanes)
}

/// The sums of x - about and of its square.
#[inline(always)]
fn deviations(values: &[f32], about: f32) -> [f64; 2] {
    let (mut first, mut second) = ([0.0_f32; LANES], [0.0_f32; LANES]);
    for values in values.chunks(LANES) {
        for ((value, first), second) in values.iter().zip(&mut first).zip(&mut second) {
            let apart = value - about;
            *first += apart;
            *second += apart * apart;
        }
    }
    [total(first), total(second)]
}

/// The gradients of x, in place of that of the result, and of γ and β.
pub fn backward(gradient: &mut [f32], x: &[f32], groups: Groups, moments: &[Moments], affine: Affine) -> [Vec<f32>; 2] {
    let (per_task, shared) = (groups.per_task(), Shared(gradient.as_mut_ptr()));
    // By group and plane of the group: the sums of the gradient, and of it times x - mean, before the activation.
    let mut sums = vec![[0.0_f64; 2]; groups.groups * groups.planes];
    sums.par_chunks_mut(per_task * groups.planes.max(1)).enumerate().for_each(|(task, sums)| {
        wide(
            #[inline(always)]
            || {
                for (i, sums) in sums.chunks_mut(groups.planes).enumerate() {
                    let group = task * per_task + i;
                    // SAFETY: groups have no plane in common, and this task has this group alone.
                    unsafe { group_backward(shared, x, &groups, group, moments[group], &affine, sums) };
                }
            },
        );
    });
    let (mut gamma, mut beta) = (vec![0.0_f64; affine.gamma.len()], vec![0.0_f64; affine.gamma.len()]);
    for (group, sums) in sums.chunks(groups.planes.max(1)).enumerate() {
        let inverse = f64::from(affine.inverse_deviation(moments[group]));
        for (i, [plain, by_x]) in sums.iter().enumerate() {
            let at = affine.index(groups.plane(group, i));
            gamma[at] += by_x * inverse;
            beta[at] += plain;
        }
    }
    [gamma, beta].map(|sums| sums.into_iter().map(|sum| sum as f32).collect())
}

/// With h the gradient before the activation times γ, and x̂ the normalised x: the gradient of x is
/// (h - mean(h) - x̂·mean(h·x̂)) / deviation (Ioffe and Szegedy 2015).
///
/// # Safety
///
/// `gradient` is as long as x, and nobody else uses this group's planes.
#[inline(always)]
unsafe fn group_backward(
    gradient: Shared,
    x: &[f32],
    groups: &Groups,
    group: usize,
    moments: Moments,
    affine: &Affine,
    sums: &mut [[f64; 2]],
) {
    let inverse = affine.inverse_deviation(moments);
    let plane = |i: usize| {
        let plane = groups.plane(group, i);
        // SAFETY: the plane lies within the gradient and is this group's; one such slice lives at a time.
        let g = unsafe { std::slice::from_raw_parts_mut(gradient.at(plane * groups.inner), groups.inner) };
        let at = affine.index(plane);
        let gamma = affine.gamma[at];
        let map = Map { mean: moments.mean, scale: inverse * gamma, beta: affine.beta[at] };
        (g, groups.of(x, plane), map, gamma)
    };
    let (mut h, mut h_by_x) = (0.0_f64, 0.0_f64);
    for (i, sums) in sums.iter_mut().enumerate() {
        let (g, x, map, gamma) = plane(i);
        *sums = products(g, x, map, affine.slope);
        h += sums[0] * f64::from(gamma);
        h_by_x += sums[1] * f64::from(gamma);
    }
    let (size, inverse) = (groups.size() as f64, f64::from(inverse));
    let constant = (inverse * h / size) as f32;
    let linear = (inverse * inverse * inverse * h_by_x / size) as f32;
    for i in 0..groups.planes {
        let (g, x, map, _) = plane(i);
        for (g, x) in g.iter_mut().zip(x) {
            let own = *g * if map.at(*x) > 0.0 { 1.0 } else { affine.slope };
            *g = own * map.scale - (constant + (x - map.mean) * linear);
        }
    }
}

/// The sums of the gradient before the activation, and of it times x - mean.
#[inline(always)]
fn products(gradient: &[f32], x: &[f32], map: Map, slope: f32) -> [f64; 2] {
    let mut sums = [0.0_f64; 2];
    for (gradient, x) in gradient.chunks(PIECE).zip(x.chunks(PIECE)) {
        let (mut plain, mut by_x) = ([0.0_f32; LANES], [0.0_f32; LANES]);
        for (gradient, x) in gradient.chunks(LANES).zip(x.chunks(LANES)) {
            for (((g, x), plain), by_x) in gradient.iter().zip(x).zip(&mut plain).zip(&mut by_x) {
                let own = g * if map.at(*x) > 0.0 { 1.0 } else { slope };
                *plain += own;
                *by_x += own * (x - map.mean);
            }
        }
        sums = add(sums, [total(plain), total(by_x)]);
    }
    sums
}
