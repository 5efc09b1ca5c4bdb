//! What the trainer does about trouble: where it goes back to, and what it says.

use super::Trainer;
use super::health::not_finite;
use crate::config::{Change, OnTrouble};
use crate::entry::Resolved;
use crate::error::{Error, Result};
use crate::run::{Checkpoint, Diagnosis, Event};
use crate::session::Session;
use crate::step::Scalars;

/// How often one training goes back because of trouble.
const MOST_ROLLBACKS: usize = 3;

impl Trainer<'_> {
    /// Where to go back to because of trouble, and the configuration to go on with; the error when the run ends of it.
    pub(super) fn way_back(
        &self,
        trouble: &Diagnosis,
        rollbacks: usize,
    ) -> Result<(Checkpoint, (Resolved, Vec<Change>))> {
        let name = |checkpoint: &Checkpoint| checkpoint.name();
        let good = Checkpoint::all(&self.run.checkpoints()).into_iter().rev();
        let good = good.filter(|checkpoint| checkpoint.step() < trouble.since_step).find(|found| found.parts().is_ok());
        let Diagnosis { name: found, sentence, .. } = trouble;
        match (self.config.train.on_trouble, good) {
            (OnTrouble::Rollback, Some(checkpoint)) if rollbacks < MOST_ROLLBACKS => {
                Ok((checkpoint, self.config.slower()?))
            }
            (OnTrouble::Rollback, Some(checkpoint)) => Err(Error::failed(format!(
                "{found}: {sentence} It came again after {MOST_ROLLBACKS} rollbacks; the last good checkpoint is {}.",
                name(&checkpoint)
            ))),
            (OnTrouble::Rollback, None) => Err(Error::failed(format!(
                "{found}: {sentence} There is no checkpoint from before step {} to go back to; start anew with a lower \
                 learning rate.",
                trouble.since_step
            ))),
            _ => Err(Error::failed(match &self.saved {
                _ if found == "not_finite" => sentence.clone(), // says what to do
                Some((_, saved)) => {
                    format!("{found}: {sentence} {} The state is in checkpoint {saved}.", trouble.remedy)
                }
                None => format!("{found}: {sentence} {}", trouble.remedy),
            })),
        }
    }

    /// The diagnosis of scalars that are not all finite.
    pub(super) fn not_finite_in(&mut self, scalars: &Scalars, session: &mut dyn Session) -> Result<Diagnosis> {
        let found = not_finite(scalars, session, self.step);
        if !self.unread.is_empty() {
            self.log_scalars()?; // how it came to this
        }
        let at_once = self.saved.as_ref().is_some_and(|(step, _)| step + 1 == self.step);
        self.not_finite(&found.sentence, at_once && found.in_a_weight)
    }

    /// Logs the diagnosis. `inherited` when the checkpoint it went on from had it already.
    pub(super) fn not_finite(&mut self, found: &str, inherited: bool) -> Result<Diagnosis> {
        let way_out = match &self.saved {
            Some((_, name)) if inherited => {
                format!("The checkpoint {name} holds it already; go on from an older one with --checkpoint.")
            }
            Some((step, name)) => format!(
                "The last good checkpoint is {name} (step {step}); start anew from the run's config.toml with a lower \
                 learning rate, or look at that checkpoint with `ganvas sample`."
            ),
            None => "There is no checkpoint yet; start anew with a lower learning rate.".into(),
        };
        let diagnosis = self.doctor.not_finite(format!("{found} {way_out}"), self.step);
        self.log(Event::Diagnosis(diagnosis.clone()))?;
        Ok(diagnosis)
    }
}
