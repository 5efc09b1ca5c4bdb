//! What a model is asked for: samples, each with a latent and with what else is given by name.

use std::collections::BTreeMap;

use crate::media::{Image, Media};

/// The name of the picture that a model turns into another.
pub const PICTURE: &str = "picture";
/// The name under which a request says which of several things that a model makes is shown.
pub const SHOW: &str = "show";

/// What to generate: a list of [`Sample`]s, each with its latent vector and with what is given beside it.
///
/// ```
/// use ganvas::{Latent, Request, Sample, Value};
///
/// let eight = Request::seeds(0..8);
/// let film = Request::interpolation(3, 9, 60);
/// let above_chords = Request::seeds([1, 2]).with("chords", &Value::from("Am F C G"));
/// assert_eq!([&eight, &film, &above_chords].map(|request| request.samples.len()), [8, 60, 2]);
/// assert_eq!(above_chords.samples[1], Sample::seed(2).with("chords", "Am F C G"));
/// assert_eq!(film.samples[0].latent.seed(), 3);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// One result for each.
    pub samples: Vec<Sample>,
}

/// One sample that is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Where its latent vector comes from.
    pub latent: Latent,
    /// All else, by the names of the model's fields; what is left out has its usual value.
    pub given: BTreeMap<String, Value>,
}

/// What is given under a name.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A word, a number or a text, as one writes it.
    Text(String),
    /// A picture or music.
    Media(Media),
    /// A share in [0, 1] of the way from one number or text to another.
    Way {
        /// Where it begins.
        from: String,
        /// Where it ends.
        to: String,
        /// How far it is gone.
        share: f64,
    },
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

/// Where one latent vector comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Latent {
    /// The vector this seed draws from the prior.
    Seed(u64),
    /// Where a walk ends that begins at a seed's vector.
    Walk {
        /// The seed it begins at.
        from: u64,
        /// Each step goes the share in [0, 1] of the way from where it is to this seed's vector.
        steps: Vec<(u64, f32)>,
    },
    /// The coarse layers by one seed's style, the layers from `cut` on by another's.
    Mixed {
        /// The seed of the layers before `cut`.
        coarse: u64,
        /// The seed of the others.
        fine: u64,
        /// The number of the first layer that goes by `fine`.
        cut: usize,
    },
}

impl Latent {
    /// The seed that it begins at.
    pub fn seed(&self) -> u64 {
        match self {
            Latent::Seed(seed) | Latent::Walk { from: seed, .. } | Latent::Mixed { coarse: seed, .. } => *seed,
        }
    }
}

impl Sample {
    /// The sample of a seed, with all else as it usually is.
    pub fn seed(seed: u64) -> Self {
        Sample { latent: Latent::Seed(seed), given: BTreeMap::new() }
    }

    /// The same with something given.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.given.insert(name.to_owned(), value.into());
        self
    }

    /// What a picture becomes, by seed 0.
    pub fn of_picture(picture: Image) -> Self {
        Sample::seed(0).with(PICTURE, Value::Media(Media::Image(picture)))
    }

    /// The picture that is given, if any.
    pub fn picture(&self) -> Option<&Image> {
        match self.given.get(PICTURE) {
            Some(Value::Media(Media::Image(image))) => Some(image),
            _ => None,
        }
    }

    /// The words, numbers and texts that are given.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.given.iter().filter_map(|(name, value)| match value {
            Value::Text(text) => Some((name.as_str(), text.as_str())),
            Value::Media(_) | Value::Way { .. } => None,
        })
    }

    /// The word, number or text given under a name.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.given.get(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }
}

impl Request {
    /// The samples of these latents.
    pub fn of(latents: impl IntoIterator<Item = Latent>) -> Self {
        let sample = |latent| Sample { latent, given: BTreeMap::new() };
        Request { samples: latents.into_iter().map(sample).collect() }
    }

    /// The samples of these seeds.
    pub fn seeds(seeds: impl IntoIterator<Item = u64>) -> Self {
        Request::of(seeds.into_iter().map(Latent::Seed))
    }

    /// `frames` samples on the way from one seed to another, both ends included.
    pub fn interpolation(from: u64, to: u64, frames: usize) -> Self {
        let last = frames.saturating_sub(1).max(1) as f32;
        Request::of((0..frames).map(|i| Latent::Walk { from, steps: vec![(to, i as f32 / last)] }))
    }

    /// The same with a number or text for every sample that goes from one to another, both ends included.
    pub fn on_the_way(mut self, name: &str, from: &str, to: &str) -> Self {
        let last = self.samples.len().saturating_sub(1).max(1) as f64;
        for (i, sample) in self.samples.iter_mut().enumerate() {
            let way = Value::Way { from: from.to_owned(), to: to.to_owned(), share: i as f64 / last };
            sample.given.insert(name.to_owned(), way);
        }
        self
    }

    /// The same with something given for every sample.
    pub fn with(mut self, name: &str, value: &Value) -> Self {
        self.samples.iter_mut().for_each(|sample| _ = sample.given.insert(name.to_owned(), value.clone()));
        self
    }
}

/// One thing out of a batch: what a model is given, and what is real. Previews, what the doctor holds them against, and what a
/// measurement asks all follow from these.
#[derive(Clone, Debug)]
pub struct Example {
    /// What the model is given.
    pub asked: Sample,
    /// What it should make of it; none where nobody knows.
    pub wanted: Option<Media>,
    /// Something real of the kind that the model makes, which is no answer to what is asked.
    pub beside: Option<Media>,
    /// Of what the data has anyway, what comes nearest to the answer, and what that is called. A model should do better.
    pub nearest: Option<(&'static str, Media)>,
}

impl Example {
    /// Something real, from which a model learns to draw others.
    pub fn real(media: Media) -> Self {
        Example { asked: Sample::seed(0), wanted: None, beside: Some(media), nearest: None }
    }

    /// A picture, and what it should become.
    pub fn pair(given: Image, wanted: Image) -> Self {
        Example { asked: Sample::of_picture(given), wanted: Some(Media::Image(wanted)), beside: None, nearest: None }
    }

    /// The same where more is given.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.asked = self.asked.with(name, value);
        self
    }
}

/// A batch on the host, as a recipe's step takes it.
pub trait Batch: Clone + Send + 'static {
    /// What is in it, one after the other.
    fn examples(&self) -> Vec<Example>;
}
