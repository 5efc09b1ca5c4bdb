//! Samples from a run's model: pictures of seeds and of the way between two.

use burn::tensor::Device;

use crate::entry::Resolved;
use crate::error::{Error, Result};
use crate::model::Model;
pub use crate::model::{generate, in_pieces, made_picture};
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

/// Bytes of memory that a generator may need for each pixel of the pictures that it makes at a time. It is a guess on the safe
/// side: StyleGAN2's published network at 1024 pixels takes a third of it.
const BYTES_PER_PIXEL: u64 = 1024;

/// Bytes of memory that drawing from a checkpoint may need, whatever the request: the weights, once more while they load, and
/// the work on the pictures that are made at a time.
pub fn working_bytes(checkpoint: &Checkpoint, model: Option<&dyn Model>) -> u64 {
    let pixels = model.and_then(made_picture).map_or(0, |[width, height, _]| (width * height) as u64);
    2 * checkpoint.model_bytes() + pixels.max(1 << 18) * BYTES_PER_PIXEL
}

/// The checkpoint to sample from, or an error that says how to get one.
pub fn checkpoint(run: &RunDir, name: Option<&str>) -> Result<Checkpoint> {
    run.checkpoint(name)?.ok_or_else(|| {
        let (path, pasted) = (run.path().display(), shell::path(run.path()));
        Error::input(format!("{path} has no checkpoint yet; wait for one, or go on with `ganvas resume {pasted}`"))
    })
}
