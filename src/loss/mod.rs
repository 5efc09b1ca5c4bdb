//! Losses as functions, each with its equation's number.

pub mod adversarial;
pub mod critic;
pub mod penalty;
pub mod perceptual;
pub mod pixel;
