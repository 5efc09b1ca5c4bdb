//! A recipe in training, its types erased: its batches made ahead, its previews, and what they are held against.

use std::any::Any;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use burn::tensor::Tensor;

use crate::data::source::Source;
use crate::error::{Error, Result};
use crate::field::{Field, Kind};
use crate::media::Media;
use crate::model::{Model, generate};
use crate::parts::Parts;
use crate::recipe::Recipe;
use crate::request::{Batch, Example, Latent, Request, SHOW, Sample, Value};
use crate::step::{Scalars, StepCx};

/// Samples of a preview that are drawn from seeds alone: of pictures and music, and of points.
const PREVIEWED: [u64; 2] = [64, 1024];
/// Real samples that a preview is held against.
const REAL_SAMPLES: usize = 64;
/// Cells in a row of a preview, at most: eight samples, or three with what they were made from and what they should be.
const MOST_COLUMNS: usize = 9;

/// A recipe in training. It can move to another thread, as to one of the pool's.
pub trait Session: Send {
    /// One step on that step's batch.
    fn step(&mut self, cx: &StepCx) -> Result<Scalars>;
    /// The same samples at every call but for what was learned.
    fn preview(&mut self) -> Result<Vec<Media>>;
    /// A preview's samples laid out for the eye, each between what it was made from and what it should be, and how many cells
    /// make a row.
    fn laid_out(&self, samples: Vec<Media>) -> (Vec<Media>, usize);
    /// Some real samples in the form of the preview's, held-out ones where there are any: what those are held against.
    fn real(&self) -> &[Media];
    /// D's logits `[n, 1]` on a step's batch and on a held-out one; see [`Recipe::judge`]. None without held-out data.
    fn judge(&mut self, cx: &StepCx) -> Result<Option<[Tensor<2>; 2]>>;
    /// The model one keeps, as it is now.
    fn model(&mut self) -> Box<dyn Model>;
    /// See [`Recipe::parts`].
    fn parts(&mut self, visit: &mut Parts);
    /// What it learns from.
    fn data(&self) -> &Learned;
}

/// What a recipe in training learns from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Learned {
    /// How many items (pictures, bars in every key); none where there is no end of them.
    pub items: Option<usize>,
    /// How many of them are held out.
    pub held_out: usize,
    /// See [`Source::fingerprint`].
    pub fingerprint: Option<String>,
    /// See [`Source::remarks`].
    pub remarks: Vec<String>,
}

impl Learned {
    /// Of a source to learn from, and of how many are held out.
    pub(crate) fn of<B>(source: &dyn Source<B>, held_out: usize) -> Self {
        Learned {
            items: Some(source.items()).filter(|items| *items < usize::MAX),
            held_out: if held_out < usize::MAX { held_out } else { 0 },
            fingerprint: source.fingerprint(),
            remarks: source.remarks(),
        }
    }
}

/// The batches of a source, each made by a thread of its own while the step before it runs.
struct Ahead<B> {
    ask: Sender<u64>,
    made: Receiver<(u64, Result<B>)>,
    /// The step whose batch is being made ahead.
    asked: Option<u64>,
    /// What was made ahead and is not asked for yet.
    ready: Option<(u64, Result<B>)>,
}

impl<B: Send + 'static> Ahead<B> {
    fn of(source: Box<dyn Source<B>>) -> Self {
        let (ask, steps) = channel::<u64>();
        let (give, made) = channel();
        thread::spawn(move || {
            for step in steps {
                if give.send((step, source.batch(step))).is_err() {
                    break; // nobody waits any more
                }
            }
        });
        Ahead { ask, made, asked: None, ready: None }
    }

    /// The batch of a step.
    fn batch(&mut self, step: u64) -> Result<B> {
        if let Some((_, batch)) = self.ready.take_if(|(made, _)| *made == step) {
            return batch;
        }
        if self.asked != Some(step) {
            _ = self.ask.send(step); // that the thread is gone shows below
        }
        loop {
            let ended = |_| Error::failed("the thread that makes the batches has ended; go on with `ganvas resume`");
            let (made, batch) = self.made.recv().map_err(ended)?;
            self.asked.take_if(|asked| *asked == made);
            if made == step {
                return batch;
            }
            self.ready = Some((made, batch));
        }
    }

    /// Has the batch of a step made meanwhile.
    fn begin(&mut self, step: u64) {
        if self.asked.is_none() && self.ready.is_none() && self.ask.send(step).is_ok() {
            self.asked = Some(step);
        }
    }
}

/// A batch that previews are made of, and real samples of it and of the next ones.
pub(crate) struct Held<B> {
    batch: B,
    /// Whether no step sees it.
    is_held_out: bool,
    /// How many items no step sees.
    items: usize,
    shown: Vec<Example>,
    real: Vec<Media>,
}

impl<B: Batch> Held<B> {
    /// Of the first batches of a source that is not empty.
    pub fn of(source: &dyn Source<B>, is_held_out: bool) -> Result<Self> {
        // Who asks for something else than what is made first gets no preview of it.
        let usual = |batch: &B| {
            let mut examples = batch.examples();
            examples.retain(|example| example.asked.text(SHOW).is_none());
            examples
        };
        let real = |examples: &[Example]| {
            let real = examples.iter().filter_map(|example| example.wanted.clone().or_else(|| example.beside.clone()));
            real.collect::<Vec<Media>>()
        };
        let batch = source.batch(0)?;
        let shown = usual(&batch);
        let mut all = real(&shown);
        for step in 1..REAL_SAMPLES as u64 {
            if all.is_empty() || all.len() >= REAL_SAMPLES.min(source.items()) {
                break;
            }
            all.extend(real(&usual(&source.batch(step)?)));
        }
        all.truncate(REAL_SAMPLES);
        let items = if is_held_out { source.items() } else { 0 };
        Ok(Held { batch, is_held_out, items, shown, real: all })
    }
}

/// A recipe with its data.
pub(crate) struct Training<R: Recipe> {
    recipe: R,
    source: Ahead<R::Batch>,
    held: Held<R::Batch>,
    data: Learned,
    /// What a preview asks.
    request: Request,
}

impl<R: Recipe> Training<R> {
    /// A recipe at step 0 with the batches that it learns from.
    pub fn new(recipe: R, source: Box<dyn Source<R::Batch>>, held: Held<R::Batch>) -> Self {
        let (data, classes) = (Learned::of(source.as_ref(), held.items), source.classes());
        let mut training = Training { recipe, source: Ahead::of(source), held, data, request: Request::default() };
        let model = training.sampler();
        let takes = model.takes();
        if classes > 1 && !takes.iter().any(|field| matches!(field.kind, Kind::Class { .. })) {
            training.data.remarks.push(format!(
                "the pictures are of {classes} classes, which {} does not learn: to it they are one kind; biggan learns classes",
                R::INFO.name
            ));
        }
        training.request = previewed(&takes, &model.makes(), &training.held.shown);
        training
    }

    /// The model as it is now.
    fn sampler(&mut self) -> R::Model {
        let mut sampler = None;
        self.recipe.parts(&mut Parts::sampler(&mut sampler));
        let model = sampler.and_then(|model: Box<dyn Any>| model.downcast::<R::Model>().ok());
        *model.expect("a recipe names its model among its parts")
    }
}

/// What a preview asks: what the examples give, or where they give nothing, seeds.
fn previewed(takes: &[Field], makes: &[Field], shown: &[Example]) -> Request {
    if shown.iter().all(|example| example.asked.given.is_empty()) {
        let [most, points] = PREVIEWED;
        return Request::seeds(0..if makes[0].kind == Kind::Point { points } else { most });
    }
    let has_chance = takes.iter().any(Field::is_chance);
    let asked = (0..).zip(shown).map(|(i, example)| {
        let latent = Latent::Seed(if has_chance { i } else { 0 });
        Sample { latent, ..example.asked.clone() }
    });
    Request { samples: asked.collect() }
}

impl<R: Recipe> Session for Training<R> {
    fn step(&mut self, cx: &StepCx) -> Result<Scalars> {
        let batch = self.source.batch(cx.step)?;
        self.source.begin(cx.step + 1);
        Ok(self.recipe.step(batch, cx))
    }

    fn preview(&mut self) -> Result<Vec<Media>> {
        generate(&self.sampler(), &self.request)
    }

    fn laid_out(&self, samples: Vec<Media>) -> (Vec<Media>, usize) {
        let shown = self.held.shown.iter().filter(|_| self.request.samples.len() == self.held.shown.len());
        let mut shown = shown.filter(|example| !example.asked.given.is_empty());
        // Where others have what they should be, who has not has something real of the kind.
        let is_answered = self.held.shown.iter().any(|example| example.wanted.is_some());
        let cells = samples.into_iter().map(|made| match shown.next() {
            Some(example) => {
                let given = example.asked.given.values().filter_map(|value| match value {
                    Value::Media(media) => Some(as_large(media.clone(), &made)),
                    Value::Text(_) | Value::Way { .. } => None,
                });
                let beside = || example.beside.clone().filter(|_| is_answered);
                given.chain([made.clone()]).chain(example.wanted.clone().or_else(beside)).collect()
            }
            None => vec![made],
        });
        let cells = cells.collect::<Vec<Vec<Media>>>();
        let together = cells.iter().map(Vec::len).max().unwrap_or(1);
        let columns = if together == 1 { 8 } else { together * (MOST_COLUMNS / together).max(1) };
        (cells.concat(), columns)
    }

    fn real(&self) -> &[Media] {
        &self.held.real
    }

    fn judge(&mut self, cx: &StepCx) -> Result<Option<[Tensor<2>; 2]>> {
        if !self.held.is_held_out {
            return Ok(None);
        }
        let Some(held) = self.recipe.judge(self.held.batch.clone(), cx) else { return Ok(None) };
        let seen = self.recipe.judge(self.source.batch(cx.step)?, cx);
        Ok(seen.map(|seen| [seen, held].map(Tensor::without_autodiff)))
    }

    fn model(&mut self) -> Box<dyn Model> {
        Box::new(self.sampler())
    }

    fn parts(&mut self, visit: &mut Parts) {
        self.recipe.parts(visit);
    }

    fn data(&self) -> &Learned {
        &self.data
    }
}

/// A smaller picture with its pixels enlarged to the width of another.
fn as_large(given: Media, made: &Media) -> Media {
    match (given, made) {
        (Media::Image(given), Media::Image(made)) if made.width > given.width => {
            Media::Image(given.enlarged(made.width / given.width))
        }
        (given, _) => given,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc;

    use super::*;

    /// Batches that are their step's number, and errors in step 3; tells of each that it begins.
    struct Numbers(Mutex<Sender<u64>>);

    impl Source<u64> for Numbers {
        fn items(&self) -> usize {
            1
        }

        fn batch(&self, step: u64) -> Result<u64> {
            self.0.lock().unwrap().send(step).unwrap();
            if step == 3 { Err(Error::input("picture 3 cannot be read")) } else { Ok(step) }
        }
    }

    #[test]
    fn batches_are_made_ahead_once_each_and_asked_for_in_any_order() {
        let (begun, all) = mpsc::channel();
        let mut ahead = Ahead::of(Box::new(Numbers(Mutex::new(begun))));
        assert_eq!(ahead.batch(7).unwrap(), 7);
        ahead.begin(8);
        // Made although nobody has asked for it yet, else this never ends.
        assert_eq!((all.recv().unwrap(), all.recv().unwrap()), (7, 8));
        ahead.begin(8); // is being made
        assert_eq!(ahead.batch(2).unwrap(), 2, "of a step before, as for a look at D");
        assert_eq!(ahead.batch(8).unwrap(), 8);
        ahead.begin(3);
        assert_eq!(ahead.batch(3).unwrap_err().to_string(), "picture 3 cannot be read");
        drop(ahead);
        assert_eq!(all.iter().collect::<Vec<_>>(), [2, 3], "each once, and the thread ends with who asks");
    }
}
