//! Fused CPU operations for Burn tensors, with their backward passes. Who calls one on tensors never asks where it runs:
//! on Flex, which is Burn's backend for the CPU, the fused code runs in f32, and in other precisions the plain twin made of
//! Burn's own operations. With the feature `ndarray` the plain twins run on Burn's NdArray, too, forwards and backwards, and
//! `tests/second_backend.rs` holds them to the fused code. On a backend that `backends.rs` does not list an operation panics
//! with its name. [`adam`] and [`momentum`] work on slices, and their callers have the twins.
//!
//! Every operation is deterministic, whatever the number of threads.
#![warn(missing_docs)]
#![cfg_attr(
    feature = "ndarray",
    allow(deprecated, reason = "Burn has deprecated NdArray; no other second backend is as small")
)]

#[macro_use]
mod backends;

mod activation;
mod adam;
#[cfg(test)]
mod agreement;
mod conv;
mod cpu;
mod dropout;
mod flex;
mod linear;
mod modulated;
mod momentum;
mod norm;
mod resample;
mod warp;

pub use activation::{bce_with_logits, bias_act, dropout, leaky_mask};
pub use adam::{AdamConstants, adam};
pub use conv::{
    Conv, conv_transpose2d, conv_transpose2d_grouped, conv2d, conv2d_grouped, conv2d_joined, conv2d_upsampled,
};
pub use cpu::activation::Act;
pub use cpu::vector_bits;
pub use dropout::Dropout;
pub use linear::linear;
pub use modulated::{modulated_conv2d, scale};
pub use momentum::{MomentumConstants, momentum};
pub use norm::{Norm, Normalized, Over, norm, norm_by};
pub use resample::{Fir, avg_pool2, pixel_shuffle, pixel_unshuffle, spread2, upfirdn2d};
pub use warp::{Warp, unwarp, warp};
