//! Convolution, its transpose and the gradient of its weights, each in the form that wins for its shape.

use rayon::prelude::*;

use super::direct::{self, Geometry};
use super::pixels::{After, Pictures, Planes, Target};
use super::tile::GRAIN;
use super::{Shared, channels, filled, winograd};

/// The shapes of one convolution from `[n, ic, h, w]` to `[n, oc, oh, ow]` with a kernel `[oc, ic / groups, kh, kw]`: each of
/// `groups` groups of channels sees its own alone.
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
    pub groups: usize,
}

impl Shape {
    pub fn oh(&self) -> usize {
        (self.h + 2 * self.padding - self.kh) / self.stride + 1
    }

    pub fn ow(&self) -> usize {
        (self.w + 2 * self.padding - self.kw) / self.stride + 1
    }

    /// The convolution of one group of channels, between these pictures of all.
    fn group(&self, from: Planes, to: Planes, transposed: bool) -> Geometry {
        let Shape { n, kh, kw, stride, padding, groups, .. } = *self;
        let part = |planes: Planes| Planes { channels: planes.channels / groups, ..planes };
        Geometry { n, from: part(from), to: part(to), kh, kw, stride, padding, transposed }
    }

    /// The picture that the convolution reads.
    pub fn input(&self) -> Planes {
        Planes { channels: self.ic, h: self.h, w: self.w }
    }

    /// The picture that it makes.
    pub fn output(&self) -> Planes {
        Planes { channels: self.oc, h: self.oh(), w: self.ow() }
    }
}

/// x `[n, ic, h, w]` and weights `[oc, ic / groups, kh, kw]` to `[n, oc, oh, ow]`.
pub fn forward(s: &Shape, x: &Pictures, weight: &[f32], after: After) -> Vec<f32> {
    run(s, false, x, weight, after)
}

/// The gradient of x `[n, ic, h, w]` from that of the result `[n, oc, oh, ow]`: the transposed convolution.
pub fn backward_input(s: &Shape, gradient: &[f32], weight: &[f32], after: After) -> Vec<f32> {
    run(s, true, &Pictures::new(gradient, s.output()), weight, after)
}

fn run(s: &Shape, transposed: bool, x: &Pictures, weight: &[f32], after: After) -> Vec<f32> {
    let groups = s.groups;
    let (from, to) = if transposed { (s.output(), s.input()) } else { (s.input(), s.output()) };
    let geometry = s.group(from, to, transposed);
    let (made, area) = (geometry.to.channels, to.h * to.w);
    let each = weight.len() / groups;
    let fill = |out: Shared| {
        let make = |group: usize| {
            // The group's bias filled up to whole vectors.
            let mut bias = after.bias.get(group * made..(group + 1) * made).unwrap_or(&[]).to_vec();
            bias.resize(if bias.is_empty() { 0 } else { made.next_multiple_of(GRAIN) }, 0.0);
            let after = After { bias: &bias, ..after };
            let (x, weight) = (x.group(group, groups), &weight[group * each..][..each]);
            let target = Target { out: Shared(out.at(group * made * area)), channels: to.channels };
            // SAFETY: the buffer has room for all channels of n pictures, and this group's are written here alone.
            unsafe {
                if channels::suits(&geometry) {
                    channels::run(&geometry, &x, weight, after, target);
                } else if winograd::suits(&geometry) {
                    winograd::run(&geometry, &x, weight, after, target);
                } else {
                    direct::run(&geometry, &x, weight, after, target);
                }
            }
        };
        match groups {
            1 => make(0),
            groups => (0..groups).into_par_iter().for_each(make),
        }
    };
    // SAFETY: the groups cover all channels, and each writes every pixel of its own.
    unsafe { filled(s.n * to.channels * area, fill) }
}

/// The gradient of the weights `[oc, ic / groups, kh, kw]` from x and the gradient of the result.
pub fn backward_weight(s: &Shape, x: &[f32], gradient: &[f32]) -> Vec<f32> {
    let (x, gradient) = (Pictures::new(x, s.input()), Pictures::new(gradient, s.output()));
    let geometry = s.group(s.input(), s.output(), false);
    let weight = |group: usize| {
        let (x, gradient) = (x.group(group, s.groups), gradient.group(group, s.groups));
        if channels::suits(&geometry) {
            channels::weight(&geometry, &x, &gradient)
        } else if winograd::suits_weight(&geometry) {
            winograd::weight(&geometry, &x, &gradient)
        } else {
            direct::weight(&geometry, &x, &gradient)
        }
    };
    match s.groups {
        1 => weight(0),
        groups => (0..groups).into_par_iter().map(weight).collect::<Vec<_>>().concat(),
    }
}
