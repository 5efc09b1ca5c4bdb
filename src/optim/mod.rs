//! Optimizers, and a network together with what trains it.

mod adam;
mod schedule;
mod trained;

pub use adam::{Adam, AdamConfig};
pub use schedule::cosine;
pub use trained::{Trained, average_decay};
