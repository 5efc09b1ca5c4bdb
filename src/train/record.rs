//! What the trainer writes into the run directory: scalars, health, previews, checkpoints and metrics.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::Trainer;
use super::health::{first_not_finite, gap, layers};
use crate::error::{Error, Result};
use crate::media::{Media, sheet};
use crate::parts::{Parts, Saved};
use crate::run::{Diagnosis, Event, Record, Writing, free_bytes, name_after};
use crate::sample;
use crate::session::Session;

impl Trainer<'_> {
    /// Logs an event, and what the doctor says of it.
    pub(super) fn log(&mut self, event: Event) -> Result<()> {
        let kimg = self.images() as f64 / 1000.0;
        let record = |event| Record { time: crate::run::now(), step: self.step, kimg, event };
        let record_of_event = record(event);
        let found = self.doctor.hear(&record_of_event);
        self.events.append(&record_of_event)?;
        for diagnosis in found {
            self.events.append(&record(Event::Diagnosis(diagnosis.clone())))?;
            self.diagnoses.push(diagnosis);
        }
        Ok(())
    }

    /// Logs the mean of each scalar over the steps that told it.
    pub(super) fn log_scalars(&mut self) -> Result<()> {
        let count = self.unread.len().max(1) as f64;
        let read = self.unread.drain(..).flat_map(|scalars| scalars.read());
        let mut sums = BTreeMap::<&str, (f64, f64)>::new(); // not every step has every scalar
        for (name, value) in read.chain(self.seen.drain(..)) {
            let (sum, count) = sums.entry(name).or_default();
            (*sum, *count) = (*sum + value, *count + 1.0);
        }
        let values = sums.into_iter().map(|(name, (sum, count))| (name.to_owned(), sum / count)).collect();
        let secs = std::mem::replace(&mut self.since, Instant::now()).elapsed().max(Duration::from_micros(1));
        let images_per_sec = count * self.config.train.batch as f64 / secs.as_secs_f64();
        self.log(Event::Scalars { values, images_per_sec })
    }

    /// Looks at the samples, at D and at every layer: the scalars to be logged, and an event.
    pub(super) fn examine(&mut self, samples: &[Media], session: &mut dyn Session) -> Result<()> {
        let mut seen = self.examiner.look(samples);
        let judged = session.judge(&self.context(self.step - 1))?;
        seen.extend(judged.and_then(|[seen, held]| gap(seen, held)).map(|gap| ("d_gap", gap)));
        self.seen.extend(seen.into_iter().filter(|(_, value)| value.is_finite()));
        let layers = layers(session);
        self.log(Event::Health { layers })
    }

    /// Writes a preview of these samples.
    pub(super) fn show(&mut self, samples: Vec<Media>, session: &dyn Session) -> Result<()> {
        let path = PathBuf::from("previews").join(name_after(self.images()) + ".png");
        let (media, columns) = session.laid_out(samples);
        let folder = self.run.previews(); // somebody may have removed it
        std::fs::create_dir_all(&folder).map_err(|error| Error::io("make the folder for previews", &folder, &error))?;
        sheet(&media, columns)?.write_png(&self.run.path().join(&path))?;
        self.log(Event::Preview { path })
    }

    /// Writes a checkpoint, unless this step has one; the diagnosis when a value in it is not finite.
    pub(super) fn checkpoint(&mut self, session: &mut dyn Session) -> Result<Option<Diagnosis>> {
        if self.saved.as_ref().is_some_and(|(step, _)| *step == self.step) {
            return Ok(None);
        }
        let mut writing = Writing::begin(&self.run.checkpoints())?.with_seed(self.config.train.seed);
        let mut not_finite = None;
        let mut sink = |part: &str, tensors: &BTreeMap<String, Saved>| {
            not_finite = not_finite.take().or_else(|| first_not_finite(part, tensors));
            if not_finite.is_some() { Ok(()) } else { writing.part(part, tensors) }
        };
        let mut save = Parts::save(&mut sink);
        session.parts(&mut save);
        save.saved()?;
        if let Some(tensor) = not_finite {
            // The update after the last scalars overflowed: the next step would have found it.
            let found = format!("{tensor} is not finite after step {}.", self.step);
            return self.not_finite(&found, false).map(Some);
        }
        let checkpoint = writing.finish(self.step, self.images(), self.config.train.keep_checkpoints)?;
        self.saved = Some((self.step, checkpoint.name()));
        let path = PathBuf::from("checkpoints").join(checkpoint.name());
        let (bytes, free_bytes) = (checkpoint.bytes(), free_bytes(self.run.path()));
        self.log(Event::Checkpoint { path, bytes, free_bytes })?;
        Ok(None)
    }

    /// Measures the samples of the checkpoint just written.
    pub(super) fn measure(&mut self) -> Result<()> {
        let Some(measuring) = &self.measuring else { return Ok(()) };
        let checkpoint = sample::checkpoint(self.run, None)?;
        let passports = measuring.passports(self.run, self.config, &checkpoint, self.device)?;
        self.log(Event::Metrics { passports })
    }
}
