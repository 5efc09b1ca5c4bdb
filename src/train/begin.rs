//! How a training begins, anew or where a checkpoint left it.

use std::time::Instant;

use burn::tensor::Device;

use super::Trainer;
use super::measuring::Measuring;
use crate::doctor::{Doctor, Examiner};
use crate::entry::Resolved;
use crate::error::{Error, Result};
use crate::parts::Parts;
use crate::run::{Checkpoint, Event, EventLog, RunDir, read_events, standing};
use crate::session::Session;

impl<'a> Trainer<'a> {
    /// At its first step, or where `from` left it.
    pub(super) fn begin(
        (run, config): (&'a RunDir, &'a Resolved),
        from: Option<&Checkpoint>,
        session: &mut dyn Session,
        device: &'a Device,
    ) -> Result<Self> {
        run.same_data(config, session.data())?;
        let events = EventLog::open(&run.events())?;
        let folder = config.pictures().ok().flatten().map(|(images, _)| images.path);
        let mut trainer = Trainer {
            run,
            config,
            events,
            step: 0,
            saved: None,
            device,
            unread: Vec::new(),
            seen: Vec::new(),
            since: Instant::now(),
            measuring: Measuring::of(config, device)?,
            doctor: Doctor::default(),
            examiner: Examiner::new(session.real(), folder.as_deref()),
            diagnoses: Vec::new(),
            rolled_back: None,
        };
        let (version, threads) = (env!("CARGO_PKG_VERSION").to_owned(), rayon::current_num_threads());
        let total_steps = config.train.total_steps();
        match from {
            None => {
                let mut count = Parts::count();
                session.parts(&mut count);
                let (recipe, parameters) = (config.entry.info.name.into(), count.counted().into_iter().collect());
                let keys = config.keys();
                trainer.log(Event::Started { version, recipe, parameters, total_steps, threads, keys })?;
                trainer.show(session.preview()?, session)?;
            }
            Some(checkpoint) => {
                let mut load = Parts::load(checkpoint.parts()?);
                session.parts(&mut load);
                load.loaded()?;
                if checkpoint.images() != checkpoint.step() * config.train.batch as u64 {
                    return Err(Error::input(format!(
                        "{} saw {} images in {} steps, which is not train.batch = {}; put the batch back into config.toml",
                        checkpoint.name(),
                        checkpoint.images(),
                        checkpoint.step(),
                        config.train.batch
                    )));
                }
                if let Some(seed) = checkpoint.seed().filter(|seed| *seed != config.train.seed) {
                    return Err(Error::input(format!(
                        "{} was made with train.seed = {seed}, and config.toml says {}; put the seed back into config.toml",
                        checkpoint.name(),
                        config.train.seed
                    )));
                }
                let heard = standing(read_events(&run.events())?).into_iter();
                let heard = heard.filter(|record| record.step <= checkpoint.step()).collect::<Vec<_>>();
                trainer.doctor = Doctor::of(&heard);
                trainer.step = checkpoint.step();
                trainer.saved = Some((checkpoint.step(), checkpoint.name()));
                trainer.log(Event::Resumed { version, total_steps, threads })?;
            }
        }
        Ok(trainer)
    }
}
