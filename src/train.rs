//! The only training loop.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use burn::tensor::{Device, Tensor, TensorData};

use crate::config::{Change, OnTrouble, Resolved};
use crate::data::images::Shape;
use crate::doctor::{self, Doctor, Examiner};
use crate::error::{Error, Result};
use crate::eval::{
    Against, Drawn, Metric, Music, Part, Side, drawn, metric, of_model, of_music, of_questions, wanted_music,
};
use crate::media::{Media, sheet};
use crate::parts::{LayerHealth, Parts, Saved};
use crate::random::Draws;
use crate::recipe::{Mixture, Question, Session, StepCx};
use crate::run::{
    Checkpoint, Diagnosis, Event, EventLog, Layer, Lock, Record, RunDir, Writing, free_bytes, read_events, standing,
};
use crate::sample;

/// How often one training goes back because of trouble.
const MOST_ROLLBACKS: usize = 3;

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
    pub scalars: &'a [(&'static str, f64)],
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

/// Trains a run to its end, from `from` or from the beginning, on the CPU. `session` is `config` just opened.
///
/// It runs on one of rayon's threads, because operations that begin on the pool need not wake it. The lock is
/// [`RunDir::lock`] of this run; take it before `from` is chosen. On trouble it does as `train.on_trouble` says; a rollback
/// changes the run's config.toml. Errors: see [`Error`]; whatever happens, the run can go on from its last checkpoint.
pub fn train(
    run: &RunDir,
    _lock: &Lock,
    config: &Resolved,
    mut session: Box<dyn Session>,
    from: Option<&Checkpoint>,
    watch: &mut Watch,
) -> Result<Outcome> {
    rayon::scope(|_| {
        let (mut config, mut from, mut because) = (config.clone(), from.cloned(), None);
        let mut rollbacks = 0;
        loop {
            let mut trainer = Trainer::begin(run, &config, from.as_ref(), session.as_mut())?;
            if let Some((because, changes)) = because.take() {
                trainer.log(Event::RolledBack { because, changes: Vec::clone(&changes) })?;
                trainer.rolled_back = Some(changes);
            }
            let outcome = match trainer.steps(session.as_mut(), &Device::flex(), watch) {
                Ok(Ended::Trouble(trouble)) => match trainer.way_back(&trouble, rollbacks) {
                    Ok((checkpoint, (slower, changes))) => {
                        drop((trainer, session)); // before the next one is in memory
                        run.reconfigure(&slower)?;
                        session = slower.open(&Device::flex())?;
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
pub fn try_out(config: &Resolved, steps: u64) -> Result<Trial> {
    let device = Device::flex();
    let mut session = config.open(&device)?;
    let mut count = Parts::count();
    session.parts(&mut count);
    let mut secs = rayon::scope(|_| {
        let timed = (0..steps).map(|step| {
            let begun = Instant::now();
            let scalars = session.step(&context(config, step, &device))?.read();
            let secs = begun.elapsed().as_secs_f64();
            match describe_not_finite(&scalars, session.as_mut(), step + 1) {
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
        peak_bytes: peak_memory(),
    })
}

/// The process's peak resident memory in bytes, on Linux.
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

fn context<'a>(config: &Resolved, step: u64, device: &'a Device) -> StepCx<'a> {
    let images = step * config.train.batch as u64;
    StepCx { step, images, draws: Draws::new(config.train.seed, step), device }
}

struct Trainer<'a> {
    run: &'a RunDir,
    config: &'a Resolved,
    events: EventLog,
    /// Steps done.
    step: u64,
    /// The step of the last checkpoint, if there is one.
    saved: Option<(u64, String)>,
    /// Sums of the scalars since the last line in the log, each over how many steps; not every step has every scalar.
    sums: BTreeMap<String, (f64, u32)>,
    /// Steps since that line.
    summed: u32,
    since: Instant,
    measuring: Option<Measuring>,
    doctor: Doctor,
    examiner: Examiner,
    /// What was found in the step just done.
    diagnoses: Vec<Diagnosis>,
    /// What the rollback before the next step changed.
    rolled_back: Option<Vec<Change>>,
}

/// What samples are measured by during the training, and what they are held against.
struct Measuring {
    metrics: Vec<Metric>,
    /// For pictures.
    against: Option<Against>,
    mixture: Option<Mixture>,
    /// For models that are asked for more than seeds.
    questions: Vec<Question>,
}

impl Measuring {
    /// None when nothing is to be measured; an error for a metric that is not known, or pictures that cannot be had.
    fn of(config: &Resolved) -> Result<Option<Self>> {
        if config.train.eval_every_kimg == 0.0 {
            return Ok(None);
        }
        let metrics = config.train.eval_metrics.iter().map(|name| metric(name)).collect::<Result<Vec<_>>>()?;
        let questions = config.entry.questions(&config.text)?;
        if let Some(wanted) = wanted_music(&questions) {
            of_music(&metrics, &Music::new("what is held out", None, wanted)?)?; // or a mistake would end the run later
        }
        if !questions.is_empty() {
            return Ok(Some(Measuring { metrics, against: None, mixture: None, questions }));
        }
        let model = config.entry.model(&config.text, &Device::flex())?;
        let against = match drawn(model.as_ref(), 0, 1, 1.0, &mut |_| {})?.as_slice() {
            [Media::Image(image)] => {
                let none = || Error::input("there is no folder of pictures to hold samples against");
                let (data, name) = config.pictures()?.ok_or_else(none)?;
                let shape = Shape { channels: image.channels, side: image.width };
                let of = (shape, Part::Train, Some(config.train.eval_samples));
                Some(Against::open(&data, &name, of, None, &mut |_| {})?)
            }
            _ => None,
        };
        Ok(Some(Measuring { metrics, against, mixture: config.entry.mixture(&config.text)?, questions }))
    }
}

impl<'a> Trainer<'a> {
    fn begin(
        run: &'a RunDir,
        config: &'a Resolved,
        from: Option<&Checkpoint>,
        session: &mut dyn Session,
    ) -> Result<Self> {
        let events = EventLog::open(&run.events())?;
        let folder = config.pictures().ok().flatten().map(|(images, _)| images.path);
        let mut trainer = Trainer {
            run,
            config,
            events,
            step: 0,
            saved: None,
            sums: BTreeMap::new(),
            summed: 0,
            since: Instant::now(),
            measuring: Measuring::of(config)?,
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
                trainer.log(Event::Started { version, recipe, parameters, total_steps, threads })?;
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

    fn steps(&mut self, session: &mut dyn Session, device: &Device, watch: &mut Watch) -> Result<Ended> {
        let train = &self.config.train;
        let total_steps = train.total_steps();
        while self.step < total_steps {
            let scalars = session.step(&context(self.config, self.step, device))?.read();
            self.step += 1;
            self.diagnoses.clear();
            if let Some(trouble) = self.not_finite_in(&scalars, session)? {
                return Ok(Ended::Trouble(trouble));
            }
            self.sum(&scalars);

            let last = self.step == total_steps;
            let looks = last || self.is_due(train.log_every_kimg);
            let shows = last || self.is_due(train.preview_every_kimg);
            if looks || shows {
                let samples = session.preview()?;
                if looks {
                    self.examine(&samples, session, device)?;
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
            if let Some(trouble) = trouble {
                if train.on_trouble == OnTrouble::Stop
                    && let Some(trouble) = self.checkpoint(session)?
                {
                    return Ok(Ended::Trouble(trouble));
                }
                return Ok(Ended::Trouble(trouble));
            }
            if stops && !last {
                if let Some(trouble) = self.checkpoint(session)? {
                    return Ok(Ended::Trouble(trouble));
                }
                return Ok(Ended::As(Outcome::Stopped));
            }
        }
        // A run that was resumed at its end, or has no steps, has yet to be saved.
        let trouble = self.checkpoint(session)?;
        Ok(trouble.map_or(Ended::As(Outcome::Done), Ended::Trouble))
    }

    /// Where to go back to because of trouble, and the configuration to go on with; the error when the run ends of it.
    fn way_back(&self, trouble: &Diagnosis, rollbacks: usize) -> Result<(Checkpoint, (Resolved, Vec<Change>))> {
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

    fn images(&self) -> u64 {
        self.step * self.config.train.batch as u64
    }

    /// Whether the step just done crossed a multiple of `every` thousand images.
    fn is_due(&self, every_kimg: f64) -> bool {
        let passed = |images: u64| (images as f64 / (every_kimg * 1000.0)).floor();
        passed(self.images()) > passed(self.images() - self.config.train.batch as u64)
    }

    fn sum(&mut self, scalars: &[(&'static str, f64)]) {
        for (name, value) in scalars {
            let (sum, count) = self.sums.entry((*name).to_owned()).or_default();
            (*sum, *count) = (*sum + value, *count + 1);
        }
        self.summed += 1;
    }

    fn log_scalars(&mut self) -> Result<()> {
        let count = f64::from(std::mem::take(&mut self.summed).max(1));
        let means = std::mem::take(&mut self.sums).into_iter();
        let values = means.map(|(name, (sum, count))| (name, sum / f64::from(count))).collect();
        let secs = std::mem::replace(&mut self.since, Instant::now()).elapsed().max(Duration::from_micros(1));
        let images_per_sec = count * self.config.train.batch as f64 / secs.as_secs_f64();
        self.log(Event::Scalars { values, images_per_sec })
    }

    /// Looks at the samples, at D and at every layer: the scalars to be logged, and an event.
    fn examine(&mut self, samples: &[Media], session: &mut dyn Session, device: &Device) -> Result<()> {
        let mut seen = self.examiner.look(samples);
        let judged = session.judge(self.step - 1, device)?;
        seen.extend(judged.and_then(|[seen, held]| gap(seen, held)).map(|gap| ("d_gap", gap)));
        let finite = seen.into_iter().filter(|(_, value)| value.is_finite());
        self.sums.extend(finite.map(|(name, value)| (name.to_owned(), (value, 1))));
        let layers = layers(session);
        self.log(Event::Health { layers })
    }

    /// Writes a preview of these samples.
    fn show(&mut self, samples: Vec<Media>, session: &dyn Session) -> Result<()> {
        let path = PathBuf::from("previews").join(format!("{:08}k.png", self.images() / 1000));
        let (media, columns) = session.laid_out(samples);
        sheet(&media, columns)?.write_png(&self.run.path().join(&path))?;
        self.log(Event::Preview { path })
    }

    /// Writes a checkpoint, unless this step has one; the diagnosis when a value in it is not finite.
    fn checkpoint(&mut self, session: &mut dyn Session) -> Result<Option<Diagnosis>> {
        if self.saved.as_ref().is_some_and(|(step, _)| *step == self.step) {
            return Ok(None);
        }
        let mut writing = Writing::begin(&self.run.checkpoints())?;
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
    fn measure(&mut self) -> Result<()> {
        let (Some(measuring), config) = (&self.measuring, self.config) else { return Ok(()) };
        let checkpoint = sample::checkpoint(self.run, None)?;
        let model = sample::model(config, &checkpoint)?;
        let (seed, step) = (config.train.seed, checkpoint.step());
        let from = Drawn { recipe: config.entry.info.name.to_owned(), seed, step, first_seed: 0, truncation: 1.0 };
        if !measuring.questions.is_empty() {
            let (name, data) = (self.run.path().display().to_string(), config.entry.info.dataset.unwrap_or("held-out"));
            let (metrics, questions) = (&measuring.metrics, &measuring.questions);
            let passports = of_questions(metrics, model.as_ref(), (&name, from), data, questions, &mut |_| {})?;
            return self.log(Event::Metrics { passports });
        }
        let samples = measuring.against.as_ref().map_or(config.train.eval_samples, |against| against.side().samples);
        let side = Side::of_run(self.run.path().display().to_string(), samples, from);
        let real = (measuring.against.as_ref(), measuring.mixture.as_ref());
        let passports = of_model(&measuring.metrics, model.as_ref(), &side, real, None, &mut |_| {})?;
        self.log(Event::Metrics { passports })
    }

    /// The diagnosis of scalars that are not all finite.
    fn not_finite_in(
        &mut self,
        scalars: &[(&'static str, f64)],
        session: &mut dyn Session,
    ) -> Result<Option<Diagnosis>> {
        let Some(found) = describe_not_finite(scalars, session, self.step) else { return Ok(None) };
        if self.summed > 0 {
            self.log_scalars()?; // how it came to this
        }
        let at_once = self.saved.as_ref().is_some_and(|(step, _)| step + 1 == self.step);
        self.not_finite(&found.sentence, at_once && found.in_a_weight).map(Some)
    }

    /// Logs the diagnosis. `inherited` when the checkpoint it went on from had it already.
    fn not_finite(&mut self, found: &str, inherited: bool) -> Result<Diagnosis> {
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
        let diagnosis = doctor::not_finite(format!("{found} {way_out}"), self.step);
        self.log(Event::Diagnosis(diagnosis.clone()))?;
        Ok(diagnosis)
    }

    /// Logs an event, and what the doctor says of it.
    fn log(&mut self, event: Event) -> Result<()> {
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
}

/// How many standard deviations D's logits `[n, 1]` on what it learned from are above those on what it did not.
fn gap(seen: Tensor<2>, held: Tensor<2>) -> Option<f64> {
    let moments = |logits: Tensor<2>| {
        let values = logits.into_data().iter::<f64>().collect::<Vec<f64>>();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (values.len() as f64 - 1.0);
        (mean, variance)
    };
    let ((seen, a), (held, b)) = (moments(seen), moments(held));
    let deviation = ((a + b) / 2.0).sqrt();
    (deviation > 0.0).then(|| (seen - held) / deviation)
}

/// Every layer's health, in numbers.
fn layers(session: &mut dyn Session) -> BTreeMap<String, Layer> {
    let mut layers = Vec::new();
    session.parts(&mut Parts::health(&mut layers));
    let number = |tensor: Tensor<1>| tensor.into_scalar::<f64>();
    let rounded = |value: f64| format!("{:.3e}", value.min(f64::MAX)).parse().unwrap_or(f64::MAX); // a log to keep
    let layer = |health: LayerHealth| Layer {
        weight: rounded(number(health.weight).sqrt()),
        gradient: rounded(number(health.gradient).sqrt()),
        dead: health.dead.map(|dead| rounded(number(dead))),
    };
    layers.into_iter().map(|(part, health)| (format!("{part} {}", health.layer), layer(health))).collect()
}

/// The first tensor of a part that holds a value that is not finite, as "part name".
fn first_not_finite(part: &str, tensors: &BTreeMap<String, Saved>) -> Option<String> {
    let bad = |data: TensorData| data.as_slice::<f32>().is_ok_and(|values| values.iter().any(|v| !v.is_finite()));
    tensors.iter().find(|(_, saved)| bad(saved.read())).map(|(name, _)| format!("{part} {name}"))
}

/// What a step's scalars say when they are not all finite.
struct NotFinite {
    /// The scalar, the step, and the first layer whose value or gradient is not finite.
    sentence: String,
    /// Whether that layer's weights were so before the step.
    in_a_weight: bool,
}

fn describe_not_finite(scalars: &[(&'static str, f64)], session: &mut dyn Session, step: u64) -> Option<NotFinite> {
    let (name, value) = scalars.iter().find(|(_, value)| !value.is_finite())?;
    let mut layers = Vec::new();
    session.parts(&mut Parts::health(&mut layers));
    let bad = |squares: &Tensor<1>| !squares.clone().into_scalar::<f32>().is_finite();
    let first = |is_bad: &dyn Fn(&LayerHealth) -> bool| {
        layers.iter().find(|(_, layer)| is_bad(layer)).map(|(part, layer)| format!("{part} {}", layer.layer))
    };
    // A weight that was not finite before the step is a cause; a gradient may be a consequence. So weights first.
    let (weight, gradient) = (first(&|layer| bad(&layer.weight)), first(&|layer| bad(&layer.gradient)));
    let in_a_weight = weight.is_some();
    let place = match (weight, gradient) {
        (Some(layer), _) => format!("the first layer whose value is not finite is {layer}"),
        (None, Some(layer)) => format!("the first layer whose gradient is not finite is {layer}"),
        (None, None) => "every layer's value and gradient are finite, so the loss itself overflowed".into(),
    };
    Some(NotFinite { sentence: format!("{name} became {value} in step {step}: {place}."), in_a_weight })
}
