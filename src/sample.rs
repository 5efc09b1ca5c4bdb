//! Samples from a run's model: pictures of seeds and of the way between two.

use burn::tensor::Device;

use crate::entry::Resolved;
use crate::error::{Error, Result};
use crate::model::Model;
pub use crate::model::generate;
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

/// The checkpoint to sample from, or an error that says how to get one.
pub fn checkpoint(run: &RunDir, name: Option<&str>) -> Result<Checkpoint> {
    run.checkpoint(name)?.ok_or_else(|| {
        let (path, pasted) = (run.path().display(), shell::path(run.path()));
        Error::input(format!("{path} has no checkpoint yet; wait for one, or go on with `ganvas resume {pasted}`"))
    })
}
