//! Samples from a run's model: pictures of seeds and of the way between two.

use burn::tensor::Device;

use crate::config::Resolved;
use crate::error::{Error, Result};
use crate::media::Media;
use crate::parts::Parts;
use crate::recipe::{Input, Model, Request};
use crate::run::{Checkpoint, RunDir};

/// Samples at a time, so that a long request needs no more memory than a short one.
const AT_A_TIME: usize = 256;

/// The model of a checkpoint, ready to generate on the CPU.
pub fn model(config: &Resolved, checkpoint: &Checkpoint) -> Result<Box<dyn Model>> {
    let mut model = config.entry.model(&config.text, &Device::flex())?;
    let mut load = Parts::load(checkpoint.model()?);
    model.weights(&mut load);
    load.loaded()?;
    Ok(model)
}

/// The checkpoint to sample from, or an error that says how to get one.
pub fn checkpoint(run: &RunDir, name: Option<&str>) -> Result<Checkpoint> {
    run.checkpoint(name)?.ok_or_else(|| {
        let path = run.path().display();
        Error::input(format!("{path} has no checkpoint yet; wait for one, or go on with `ganvas resume {path}`"))
    })
}

/// One medium for each latent of the request, in its order. An error when the request needs what the model has not.
pub fn generate(model: &dyn Model, request: &Request) -> Result<Vec<Media>> {
    let inputs = model.inputs();
    if let Some(missing) = request.needs().iter().find(|need| !inputs.contains(need)) {
        return Err(Error::input(match missing {
            Input::Truncation => "this model has no styles to truncate; leave --truncation out",
            _ => "this model has no styles to mix; leave --mix out",
        }));
    }
    let parts = request.latents.chunks(AT_A_TIME);
    let parts = parts.map(|part| model.generate(&Request { latents: part.to_vec(), ..*request }));
    Ok(parts.collect::<Result<Vec<_>>>()?.concat())
}
