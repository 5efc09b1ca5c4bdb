//! The run directory: what the trainer writes and everything else reads.

mod checkpoint;
mod data;
mod dir;
mod event;

pub(crate) use checkpoint::name_after;
pub use checkpoint::{Checkpoint, Writing};
pub use data::Data;
pub(crate) use dir::free_bytes;
pub use dir::{Lock, RunDir};
pub(crate) use event::now;
pub use event::{Diagnosis, Event, EventLog, Layer, Record, read_events, standing};
