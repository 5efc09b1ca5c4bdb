//! The run directory: what the trainer writes and everything else reads.

mod checkpoint;
mod dir;
mod event;

pub use checkpoint::{Checkpoint, Writing};
pub use dir::{Lock, RunDir};
pub(crate) use event::now;
pub use event::{Event, EventLog, Record, read_events};
