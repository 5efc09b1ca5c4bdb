//! The only training loop.

mod begin;
mod health;
mod measuring;
mod record;
mod trial;
mod trouble;

use std::ops::ControlFlow;
use std::time::Instant;

use burn::tensor::Device;

use self::measuring::Measuring;
pub use self::trial::{Trial, try_out};
use crate::config::{Change, OnTrouble};
use crate::doctor::{self, Doctor, Examiner};
use crate::entry::Resolved;
use crate::error::Result;
use crate::run::{Checkpoint, Diagnosis, Event, EventLog, Lock, RunDir};
use crate::session::Session;
use crate::step::{Scalars, StepCx};

/// What the trainer tells whoever watches, after every step.
#[derive(Debug)]
pub struct Progress<'a> {
    /// Steps done.
    pub step: u64,
    /// Steps of the whole run.
    pub total_steps: u64,
    /// Images seen.
    pub images: u64,
    /// The last step's scalars.
    pub scalars: &'a Scalars,
    /// What the doctor found in it.
    pub diagnoses: &'a [Diagnosis],
    /// In the first step after a rollback, what that changed in the configuration.
    pub rolled_back: Option<&'a [Change]>,
}

/// Called after every step; breaks to end the training with a checkpoint.
pub type Watch<'a> = dyn FnMut(&Progress) -> ControlFlow<()> + Send + 'a;

/// How a training ended without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The run has its full length.
    Done,
    /// The watcher asked to stop; a checkpoint was written.
    Stopped,
}

/// Trains a run to its end, from `from` or from the beginning. `session` is `config` just opened, on this device.
///
/// It runs on one of rayon's threads, because operations that begin on the pool need not wake it. The lock is
/// [`RunDir::lock`] of this run; take it before `from` is chosen. On trouble it does as `train.on_trouble` says; a rollback
/// changes the run's config.toml. Errors: see [`crate::Error`]; whatever happens, the run can go on from its last checkpoint.
pub fn train(
    run: &RunDir,
    lock: &Lock,
    config: &Resolved,
    mut session: Box<dyn Session>,
    from: Option<&Checkpoint>,
    device: &Device,
    watch: &mut Watch,
) -> Result<Outcome> {
    rayon::scope(|_| {
        let (mut config, mut from, mut because) = (config.clone(), from.cloned(), None);
        let mut rollbacks = 0;
        loop {
            let mut trainer = Trainer::begin((run, &config), from.as_ref(), session.as_mut(), device)?;
            if let Some((because, changes)) = because.take() {
                trainer.log(Event::RolledBack { because, changes: Vec::clone(&changes) })?;
                trainer.rolled_back = Some(changes);
            }
            let outcome = match trainer.steps(session.as_mut(), lock, watch) {
                Ok(Ended::Trouble(trouble)) => match trainer.way_back(&trouble, rollbacks) {
                    Ok((checkpoint, (slower, changes))) => {
                        drop((trainer, session)); // before the next one is in memory
                        run.reconfigure(&slower)?;
                        session = slower.open(device)?;
                        (config, from, because) = (slower, Some(checkpoint), Some((trouble.name, changes)));
                        rollbacks += 1;
                        continue;
                    }
                    Err(error) => Err(error),
                },
                Ok(Ended::As(outcome)) => Ok(outcome),
                Err(error) => Err(error),
            };
            let named = match &outcome {
                Ok(Outcome::Done) => "done",
                Ok(Outcome::Stopped) => "stopped",
                Err(_) => "failed",
            };
            let logged = trainer.log(Event::Finished { outcome: named.into() });
            return outcome.and_then(|outcome| logged.map(|()| outcome));
        }
    })
}

/// How the steps of a trainer ended.
enum Ended {
    As(Outcome),
    Trouble(Diagnosis),
}

struct Trainer<'a> {
    run: &'a RunDir,
    config: &'a Resolved,
    events: EventLog,
    /// Steps done.
    step: u64,
    /// The step of the last checkpoint, if there is one.
    saved: Option<(u64, String)>,
    device: &'a Device,
    /// The scalars of the steps since the last line in the log, to be read when it is written.
    unread: Vec<Scalars>,
    /// What the looks at samples and at D saw since then.
    seen: Vec<(&'static str, f64)>,
    since: Instant,
    measuring: Option<Measuring>,
    doctor: Doctor,
    examiner: Examiner,
    /// What was found in the step just done.
    diagnoses: Vec<Diagnosis>,
    /// What the rollback before the next step changed.
    rolled_back: Option<Vec<Change>>,
}

impl<'a> Trainer<'a> {
    fn steps(&mut self, session: &mut dyn Session, lock: &Lock, watch: &mut Watch) -> Result<Ended> {
        let train = &self.config.train;
        let total_steps = train.total_steps();
        while self.step < total_steps {
            let scalars = session.step(&self.context(self.step))?;
            self.step += 1;
            self.diagnoses.clear();
            if !scalars.are_finite() {
                return self.not_finite_in(&scalars, session).map(Ended::Trouble);
            }
            self.unread.push(scalars.clone());

            let last = self.step == total_steps;
            let looks = last || self.is_due(train.log_every_kimg);
            let shows = last || self.is_due(train.preview_every_kimg);
            if looks || shows {
                let samples = session.preview()?;
                if looks {
                    self.examine(&samples, session)?;
                    self.log_scalars()?;
                }
                if shows {
                    self.show(samples, session)?;
                }
            }
            let measured = self.measuring.is_some() && (last || self.is_due(train.eval_every_kimg));
            let trouble = self.diagnoses.iter().find(|found| !found.ended && doctor::is_grave(&found.name)).cloned();
            let trouble = trouble.filter(|_| train.on_trouble != OnTrouble::Continue);
            let goes_back = trouble.is_some() && train.on_trouble == OnTrouble::Rollback;
            let is_due = (last || measured || self.is_due(train.checkpoint_every_kimg)) && !goes_back;
            if is_due || looks {
                lock.renew(self.run)?; // before another trainer's checkpoints and these are in one folder
            }
            if is_due && let Some(trouble) = self.checkpoint(session)? {
                return Ok(Ended::Trouble(trouble));
            }
            if measured && !goes_back {
                self.measure()?;
            }
            let rolled_back = self.rolled_back.take();
            let progress = Progress {
                step: self.step,
                total_steps,
                images: self.images(),
                scalars: &scalars,
                diagnoses: &self.diagnoses,
                rolled_back: rolled_back.as_deref(),
            };
            let stops = watch(&progress).is_break();
            let ended = trouble.map(Ended::Trouble).or((stops && !last).then_some(Ended::As(Outcome::Stopped)));
            if let Some(ended) = ended {
                let worse = if goes_back { None } else { self.checkpoint(session)? };
                return Ok(worse.map_or(ended, Ended::Trouble));
            }
        }
        // A run that was resumed at its end, or has no steps, has yet to be saved.
        let trouble = self.checkpoint(session)?;
        Ok(trouble.map_or(Ended::As(Outcome::Done), Ended::Trouble))
    }

    /// The moment of a step.
    fn context(&self, step: u64) -> StepCx<'a> {
        StepCx::new(self.config.train.seed, step, self.config.train.batch, self.device)
    }

    fn images(&self) -> u64 {
        self.step * self.config.train.batch as u64
    }

    /// Whether the step just done crossed a multiple of `every` thousand images.
    fn is_due(&self, every_kimg: f64) -> bool {
        let passed = |images: u64| (images as f64 / (every_kimg * 1000.0)).floor();
        passed(self.images()) > passed(self.images() - self.config.train.batch as u64)
    }
}
