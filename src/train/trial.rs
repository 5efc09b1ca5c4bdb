//! What a run would take, found out by running some of its steps.

use std::collections::BTreeMap;
use std::time::Instant;

use burn::tensor::Device;

use super::health::not_finite;
use crate::entry::Resolved;
use crate::error::{Error, Result};
use crate::memory;
use crate::parts::{Parts, Saved};
use crate::step::StepCx;

/// How long a step takes and how much memory it needs, found out by running some.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Trial {
    /// Parameters of each network.
    pub parameters: Vec<(String, usize)>,
    /// Median seconds of one step.
    pub secs_per_step: f64,
    /// Steps of the whole run.
    pub total_steps: u64,
    /// Bytes of everything a checkpoint holds: weights, moments, averages.
    pub state_bytes: usize,
    /// The process's peak memory in bytes after the steps, where the system tells.
    pub peak_bytes: Option<u64>,
}

/// Runs `steps` steps of a configuration without a run directory.
pub fn try_out(config: &Resolved, steps: u64, device: &Device) -> Result<Trial> {
    let mut session = config.open(device)?;
    let mut count = Parts::count();
    session.parts(&mut count);
    let mut secs = rayon::scope(|_| {
        let timed = (0..steps).map(|step| {
            let begun = Instant::now();
            let scalars = session.step(&StepCx::new(config.train.seed, step, config.train.batch, device))?;
            let is_finite = scalars.are_finite(); // waits for the step
            let secs = begun.elapsed().as_secs_f64();
            match (!is_finite).then(|| not_finite(&scalars, session.as_mut(), step + 1)) {
                Some(found) => Err(Error::failed(found.sentence)),
                None => Ok(secs),
            }
        });
        timed.collect::<Result<Vec<_>>>()
    })?;
    secs.sort_by(f64::total_cmp);
    let mut state_bytes = 0;
    let mut sink = |_: &str, tensors: &BTreeMap<String, Saved>| {
        state_bytes += tensors.values().map(Saved::bytes).sum::<usize>();
        Ok(())
    };
    let mut saved = Parts::save(&mut sink);
    session.parts(&mut saved);
    saved.saved()?;
    Ok(Trial {
        parameters: count.counted(),
        secs_per_step: secs.get(secs.len() / 2).copied().unwrap_or_default(),
        total_steps: config.train.total_steps(),
        state_bytes,
        peak_bytes: memory::peak(),
    })
}
