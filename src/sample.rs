//! Samples from a run's model: pictures of seeds and of the way between two.

use burn::tensor::Device;

use crate::entry::Resolved;
use crate::error::{Error, Result};
use crate::model::{Model, pixels_at_a_time};
pub use crate::model::{generate, in_pieces};
use crate::parts::Parts;
use crate::run::{Checkpoint, RunDir};
use crate::shell;

/// The model of a checkpoint, ready to generate on a device.
pub fn model(config: &Resolved, checkpoint: &Checkpoint, device: &Device) -> Result<Box<dyn Model>> {
    let parts = checkpoint.model()?; // before there is a model: the file's bytes and a model are never in memory together
    let mut model = config.model(device)?;
    let mut load = Parts::load(parts);
    model.weights(&mut load);
    load.loaded()?;
    Ok(model)
}

/// Bytes of memory that a generator may need for each pixel of the pictures that it makes at a time. StyleGAN2 of 256 pixels with
/// the paper's channels takes 2,700 on two cores; it is the widest network here.
const BYTES_PER_PIXEL: u64 = 4096;

/// Bytes of memory that loading a checkpoint's model may need: its weights twice, those of the file and those of the model.
pub fn loading_bytes(checkpoint: &Checkpoint) -> u64 {
    2 * checkpoint.model_bytes()
}

/// Bytes of memory that a model may need beside its weights while it draws so many samples.
pub fn working_bytes(model: &dyn Model, samples: usize) -> u64 {
    pixels_at_a_time(model, samples) as u64 * BYTES_PER_PIXEL
}

/// The checkpoint to sample from, or an error that says how to get one.
pub fn checkpoint(run: &RunDir, name: Option<&str>) -> Result<Checkpoint> {
    run.checkpoint(name)?.ok_or_else(|| {
        let (path, pasted) = (run.path().display(), shell::path(run.path()));
        Error::input(match run.is_training() {
            true => format!("{path} is in training and has no checkpoint yet; wait for its first one"),
            false => format!("{path} has no checkpoint; begin its training anew with `ganvas resume {pasted}`"),
        })
    })
}
