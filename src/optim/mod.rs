//! Optimizers, and a network together with what trains it.

mod adam;
mod momentum;
mod optimizer;
mod schedule;
mod trained;

pub use adam::{Adam, AdamConfig};
pub use momentum::Momentum;
pub use optimizer::{Rule, Slot, Update};
pub use schedule::{Decay, cosine, linear_decay};
pub use trained::Trained;
