//! Blocks that two or more recipes share because the mathematics is the same.

mod activation;
mod init;
mod linear;

pub use activation::leaky_relu;
pub use init::glorot_uniform;
pub use linear::Linear;
