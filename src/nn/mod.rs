//! Blocks that two or more recipes share because the mathematics is the same.

mod init;
mod linear;
mod vjp;

pub use init::glorot_uniform;
pub use linear::Linear;
pub use vjp::{Pullback, chain, leaky_pullback};
