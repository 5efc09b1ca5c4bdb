//! What samples are measured by during the training, and what they are held against.

use burn::tensor::Device;

use crate::entry::Resolved;
use crate::error::{Error, Result};
use crate::eval::{
    Against, Drawn, Metric, Music, Part, Passport, Side, Subject, metric, of_asked, of_model, of_music, wanted_music,
};
use crate::run::{Checkpoint, RunDir};
use crate::sample;

pub(super) struct Measuring {
    metrics: Vec<Metric>,
    subject: Subject,
    /// For pictures.
    against: Option<Against>,
}

impl Measuring {
    /// None when nothing is to be measured; an error for a metric that is not known, or pictures that cannot be had.
    pub fn of(config: &Resolved, device: &Device) -> Result<Option<Self>> {
        if config.train.eval_every_kimg == 0.0 {
            return Ok(None);
        }
        let metrics = config.train.eval_metrics.iter().map(|name| metric(name)).collect::<Result<Vec<_>>>()?;
        let subject = Subject::of(config, config.model(device)?.as_ref(), false)?;
        let against = match &subject {
            Subject::Music(asked) => {
                let wanted = wanted_music(asked).unwrap_or_default();
                of_music(&metrics, &Music::new("what is held out", None, wanted)?)?; // or a mistake would end the run later
                None
            }
            Subject::Pictures(shape) => {
                let none = || Error::input("there is no folder of pictures to hold samples against");
                let (data, name) = config.pictures()?.ok_or_else(none)?;
                let of = (*shape, Part::Train, Some(config.train.eval_samples));
                Some(Against::open(&data, &name, of, None, &mut |_| {})?)
            }
            _ => None,
        };
        Ok(Some(Measuring { metrics, subject, against }))
    }

    /// The passports of a checkpoint's samples.
    pub fn passports(
        &self,
        run: &RunDir,
        config: &Resolved,
        checkpoint: &Checkpoint,
        device: &Device,
    ) -> Result<Vec<Passport>> {
        let model = sample::model(config, checkpoint, device)?;
        let from = Drawn {
            recipe: config.entry.info.name.to_owned(),
            seed: config.train.seed,
            step: checkpoint.step(),
            first_seed: 0,
            truncation: None,
        };
        let (name, metrics) = (run.path().display().to_string(), &self.metrics);
        if let Subject::Answers(asked) | Subject::Music(asked) = &self.subject {
            let data = config.entry.info.dataset.unwrap_or("held-out");
            return of_asked(metrics, model.as_ref(), (&name, from), data, asked, &mut |_| {});
        }
        let samples = self.against.as_ref().map_or(config.train.eval_samples, |against| against.side().samples);
        let mixture = match &self.subject {
            Subject::Points(mixture) => Some(mixture),
            _ => None,
        };
        let side = Side::of_run(name, samples, from);
        of_model(metrics, model.as_ref(), &side, (self.against.as_ref(), mixture), None, &mut |_| {})
    }
}
