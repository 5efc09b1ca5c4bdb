//! Convolution, its transpose and the gradient of its weights, each in the form that wins for its shape.

use super::direct::{self, Geometry};
use super::pixels::{After, Pictures, Planes};
use super::winograd;

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

    /// The picture that the convolution reads.
    pub fn input(&self) -> Planes {
        Planes { channels: self.ic, h: self.h, w: self.w }
    }

    /// The picture that it makes.
    pub fn output(&self) -> Planes {
        Planes { channels: self.oc, h: self.oh(), w: self.ow() }
    }
}

/// x `[n, ic, h, w]` and weights `[oc, ic, kh, kw]` to `[n, oc, oh, ow]`.
pub fn forward(s: &Shape, x: &Pictures, weight: &[f32], after: After) -> Vec<f32> {
    run(s, false, x, weight, after)
}

/// The gradient of x `[n, ic, h, w]` from that of the result `[n, oc, oh, ow]`: the transposed convolution.
pub fn backward_input(s: &Shape, gradient: &[f32], weight: &[f32], after: After) -> Vec<f32> {
    run(s, true, &Pictures::new(gradient, s.output()), weight, after)
}

fn run(s: &Shape, transposed: bool, x: &Pictures, weight: &[f32], after: After) -> Vec<f32> {
    let (from, to) = if transposed { (s.output(), s.input()) } else { (s.input(), s.output()) };
    let Shape { n, kh, kw, stride, padding, .. } = *s;
    let geometry = Geometry { n, from, to, kh, kw, stride, padding, transposed };
    // The bias filled up to whole groups of channels.
    let mut bias = after.bias.to_vec();
    bias.resize(if bias.is_empty() { 0 } else { to.channels.next_multiple_of(super::tile::GRAIN) }, 0.0);
    let after = After { bias: &bias, ..after };
    if winograd::suits(&geometry) {
        winograd::run(&geometry, x, weight, after)
    } else {
        direct::run(&geometry, x, weight, after)
    }
}

/// The gradient of the weights `[oc, ic, kh, kw]` from x and the gradient of the result.
pub fn backward_weight(s: &Shape, x: &[f32], gradient: &[f32]) -> Vec<f32> {
    let Shape { n, kh, kw, stride, padding, .. } = *s;
    let geometry = Geometry { n, from: s.input(), to: s.output(), kh, kw, stride, padding, transposed: false };
    if winograd::suits_weight(&geometry) {
        winograd::weight(&geometry, x, gradient)
    } else {
        direct::weight(&geometry, x, gradient)
    }
}
