//! Optimizers, and a network together with what trains it.

mod adam;
mod trained;

pub use adam::{Adam, AdamConfig};
pub use trained::{Trained, average_decay};
