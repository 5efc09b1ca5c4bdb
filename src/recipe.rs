//! What a GAN is to Ganvas: a model one keeps, and a recipe that trains it.

use burn::tensor::{Device, Tensor};

use crate::config::Settings;
use crate::data::source::{Source, Split};
use crate::error::{Error, Result};
use crate::foreign::Candidate;
use crate::loss::adversarial::Adversarial;
use crate::model::Model;
use crate::parts::Parts;
use crate::request::Batch;
use crate::step::{Scalars, StepCx};

/// Which game the two players play, for whoever explains it.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Game {
    /// What D minimises.
    pub discriminator: Adversarial,
    /// What G minimises.
    pub generator: Adversarial,
    /// D's target for real samples.
    pub real_label: f64,
    /// Whether D's loss is logged as the mean over real and fake samples together, which is half of the sum.
    pub is_halved: bool,
}

impl Game {
    /// Both by one loss, with the labels 1 and 0.
    pub fn of(loss: Adversarial) -> Self {
        Game { discriminator: loss, generator: loss, real_label: 1.0, is_halved: false }
    }
}

/// What a list of recipes shows.
#[derive(Clone, Copy, Debug)]
pub struct Info {
    /// The name on the command line.
    pub name: &'static str,
    /// The name in print.
    pub title: &'static str,
    /// The paper, as authors and year, title.
    pub paper: &'static str,
    /// What it learns, in one sentence.
    pub sentence: &'static str,
    /// The data set of [`crate::data::SETS`] it fetches by itself, if any.
    pub dataset: Option<&'static str>,
    /// How long the paper's training, the defaults, takes on two cores.
    pub time: &'static str,
    /// Other configurations that come with it.
    pub presets: &'static [Preset],
    /// Settings, as for `--set`, that make its steps so small that tests can run them.
    pub small: &'static [&'static str],
}

impl Info {
    /// The preset of this name. The error names those that there are.
    pub fn preset(&self, name: &str) -> Result<Preset> {
        let names = || self.presets.iter().map(|preset| preset.name).collect::<Vec<_>>().join(", ");
        let none = || match self.presets {
            [] => Error::input(format!("{} has no presets; leave --preset out", self.name)),
            _ => Error::input(format!("{} has no preset `{name}`; there are: {}", self.name, names())),
        };
        self.presets.iter().find(|preset| preset.name == name).copied().ok_or_else(none)
    }
}

/// A configuration that comes with a recipe.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// The name on the command line; [`LAPTOP`] for the one that is sized for two cores.
    pub name: &'static str,
    /// How long it takes on two cores.
    pub time: &'static str,
    /// The file, whose first line says in a comment what it is for.
    pub text: &'static str,
}

/// The name of the preset that is sized for two cores.
pub const LAPTOP: &str = "laptop";

impl Preset {
    /// What it is for, in one sentence.
    pub fn sentence(&self) -> &'static str {
        self.text.lines().next().unwrap_or_default().trim_start_matches("# ")
    }
}

/// What a recipe begins with.
pub struct Setup<'a, B> {
    /// Where to compute, without autodiff.
    pub device: &'a Device,
    /// The batches to learn from.
    pub data: &'a dyn Source<B>,
}

impl<B> Setup<'_, B> {
    /// Where networks in training live.
    pub fn autodiff(&self) -> Device {
        self.device.clone().autodiff()
    }
}

/// One GAN family: its model, its critic, its data and one training step.
pub trait Recipe: Sized + Send + 'static {
    /// What a list of recipes shows.
    const INFO: Info;
    /// The struct that is the TOML file.
    type Config: Settings;
    /// The half one keeps.
    type Model: Model;
    /// One batch, on the host.
    type Batch: Batch;

    /// The batches of a split; of [`Split::Test`] what a measurement asks ([`Source::asked`]).
    fn data(config: &Self::Config, split: Split) -> Result<Box<dyn Source<Self::Batch>>>;
    /// The model with its initial weights, which follow from the config's seed.
    fn model(config: &Self::Config, device: &Device) -> Self::Model;
    /// The state of a run at step 0; `model` is on the autodiff device. Here is fetched what the steps need beside the data, such
    /// as a network whose features they compare.
    fn new(config: &Self::Config, model: Self::Model, setup: &Setup<Self::Batch>) -> Result<Self>;
    /// One training step: the page you check against the paper.
    fn step(&mut self, batch: Self::Batch, cx: &StepCx) -> Scalars;
    /// D's logits `[n, 1]` on a batch's real samples, without dropout; none for a D that judges otherwise.
    fn judge(&self, _batch: Self::Batch, _cx: &StepCx) -> Option<Tensor<2>> {
        None
    }
    /// Everything a checkpoint must hold, named, in the order of the step.
    fn parts(&mut self, visit: &mut Parts);
    /// Which game is played; none for one that the explanation of GANs does not know.
    fn game(_config: &Self::Config) -> Option<Game> {
        None
    }
    /// The configuration and the model of a network that others trained; none where it is not of this recipe's kind. A reason
    /// why one of its kind cannot be had completes "FILE cannot be imported: ".
    fn adopt(_candidate: &Candidate, _device: &Device) -> Option<Adopted<Self>> {
        None
    }
}

/// What [`Recipe::adopt`] makes of a network.
pub type Adopted<R> = std::result::Result<(<R as Recipe>::Config, <R as Recipe>::Model), String>;
