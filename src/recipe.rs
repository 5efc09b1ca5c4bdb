//! What a GAN is to Ganvas: a model one keeps, a recipe that trains it, and an entry in the list of recipes.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor};

use crate::config::{Keys, Settings, Train};
use crate::data::source::Source;
use crate::error::{Error, Result};
use crate::foreign::Foreign;
use crate::loss::adversarial::Adversarial;
use crate::media::{Image, Media};
use crate::parts::{MODEL, Parts};
use crate::random::Draws;

/// Samples at a time, so that a long request needs no more memory than a short one.
const AT_A_TIME: usize = 256;
/// Samples in a row of a preview that is nothing but samples.
const PREVIEW_COLUMNS: usize = 8;
/// Real samples that a preview is held against.
const REAL_SAMPLES: usize = 64;

/// Something whose weights can be saved and loaded. Every Burn module is.
pub trait Weights {
    /// Names the weights, as the part `model`.
    fn weights(&mut self, visit: &mut Parts);
}

impl<M: Module> Weights for M {
    fn weights(&mut self, visit: &mut Parts) {
        visit.module(MODEL, self);
    }
}

/// The half of a recipe you keep: what sample, serve and export load.
pub trait Model: Weights + 'static {
    /// What [`Model::generate`] takes.
    fn inputs(&self) -> Vec<Input>;

    /// One medium for each of the request's latents, in their order.
    fn generate(&self, request: &Request) -> Result<Vec<Media>>;

    /// The styles that [`crate::project`] looks among; none for a model without styles.
    fn style_space(&self) -> Option<StyleSpace> {
        None
    }

    /// What it asks of the picture it turns into another ([`Input::Picture`]); none for a model that takes none.
    fn translation(&self) -> Option<Translation> {
        None
    }
}

/// What a model asks of the picture it turns into another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// Channels of the picture it takes: 1 for grey, 3 for RGB.
    pub channels: usize,
    /// The side, in pixels, of the pictures it learned from; none for a model that looks at details, at any size.
    pub side: Option<usize>,
    /// Width and height of the picture it takes are multiples of this, in pixels.
    pub multiple: usize,
    /// Pixels of the result along one of the picture: 1 for a result of the same size.
    pub scale: usize,
    /// How far, in pixels of the picture, a pixel of the result sees; larger distances change it little or not at all.
    pub reach: usize,
    /// Bytes of memory that it needs whatever the picture: the weights, and room to work.
    pub bytes: usize,
    /// Bytes of memory that a picture needs at the peak, for each of its pixels.
    pub bytes_per_pixel: usize,
}

/// From seeds to what they draw, a row for each.
pub type OfSeeds = dyn Fn(&[u64]) -> Tensor<2>;

/// What a model draws by each style w (Karras et al. 2019, the space W).
pub struct StyleSpace {
    /// The average style, `[1, style]`.
    pub average: Tensor<2>,
    /// The root of the mean squared distance of styles from their average.
    pub spread: f64,
    /// The styles `[n, style]` of seeds.
    pub styles: Box<OfSeeds>,
    /// Styles `[n, style]`, on the graph or off it, to pictures `[n, channels, side, side]` in [-1, 1].
    pub pictures: Box<dyn Fn(Tensor<2>) -> Tensor<4>>,
}

/// One thing a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A latent vector, drawn from a seed or lying between several.
    Seed,
    /// How far styles go from their average: [`Request::truncation`].
    Truncation,
    /// The styles of two seeds in one sample: [`Latent::Mixed`].
    Styles,
    /// A picture to turn into another: [`Request::picture`].
    Picture,
    /// One of several words, under its name in [`Request::with`]; the first where none is given.
    Choice {
        /// Its name.
        name: &'static str,
        /// The words.
        among: &'static [&'static str],
    },
    /// A text, under its name in [`Request::with`].
    Text {
        /// Its name.
        name: &'static str,
        /// What stands in where none is given.
        usual: &'static str,
    },
}

/// What a model that looks for damage in pictures shows: the picture without it, or, with [`DAMAGE`], where it is.
pub const SHOW: Input = Input::Choice { name: "show", among: &["result", DAMAGE] };
/// The word for a picture of the damage itself: grey, white where it is.
pub const DAMAGE: &str = "damage";

impl Input {
    /// What it is called where one is asked for.
    pub fn name(self) -> &'static str {
        match self {
            Input::Seed => "seed",
            Input::Truncation => "truncation",
            Input::Styles => "styles",
            Input::Picture => "picture",
            Input::Choice { name, .. } | Input::Text { name, .. } => name,
        }
    }
}

/// What to generate.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// One sample for each.
    pub latents: Vec<Latent>,
    /// How far styles may go from their average, as a share: 1 for as far as they are drawn, 0 for the average itself. Less
    /// gives better and less varied samples (StyleGAN's ψ).
    pub truncation: f64,
    /// What to turn into another, as the model's [`Translation`] asks for it; each latent gives one result.
    pub picture: Option<Image>,
    /// Words and texts by the names of the model's inputs.
    pub with: BTreeMap<String, String>,
}

impl Default for Request {
    /// Nothing, with styles as they are drawn.
    fn default() -> Self {
        Request { latents: Vec::new(), truncation: 1.0, picture: None, with: BTreeMap::new() }
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

impl Request {
    /// The samples of these seeds.
    pub fn seeds(seeds: impl IntoIterator<Item = u64>) -> Self {
        Request { latents: seeds.into_iter().map(Latent::Seed).collect(), ..Request::default() }
    }

    /// `frames` samples on the way from one seed to another, both ends included.
    pub fn interpolation(from: u64, to: u64, frames: usize) -> Self {
        let last = frames.saturating_sub(1).max(1) as f32;
        let latents = (0..frames).map(|i| Latent::Walk { from, steps: vec![(to, i as f32 / last)] });
        Request { latents: latents.collect(), ..Request::default() }
    }

    /// The word or text of one of the model's inputs: what was given, or what stands in for it.
    pub fn text(&self, input: Input) -> &str {
        let (name, usual) = match input {
            Input::Choice { name, among } => (name, among.first().copied().unwrap_or_default()),
            Input::Text { name, usual } => (name, usual),
            _ => panic!("{input:?} is no text"),
        };
        self.with.get(name).map_or(usual, String::as_str)
    }

    /// An error when the model does not take something that is given, or wants something that is not.
    pub fn check(&self, model: &dyn Model) -> Result<()> {
        self.hindrance(&model.inputs()).map_or(Ok(()), |hindrance| Err(Error::input(hindrance)))
    }

    /// What hinders a model with these inputs from answering; the sentence says the way out.
    fn hindrance(&self, inputs: &[Input]) -> Option<String> {
        let has = |input| inputs.contains(&input);
        if self.truncation != 1.0 && !has(Input::Truncation) {
            return Some("this model has no styles to truncate; leave --truncation out".into());
        }
        if self.latents.iter().any(|latent| matches!(latent, Latent::Mixed { .. })) && !has(Input::Styles) {
            return Some("this model has no styles to mix; leave --mix out".into());
        }
        if self.picture.is_some() != has(Input::Picture) {
            return Some(match self.picture {
                Some(_) => "this model makes pictures out of noise and takes none; use `ganvas sample`".into(),
                None => "this model turns pictures into others; give it some with `ganvas apply`".into(),
            });
        }
        if has(Input::Picture) && self.latents.iter().any(|latent| !matches!(latent, Latent::Seed(_))) {
            return Some("this model turns pictures into others and knows no way between two seeds".into());
        }
        if self.latents.iter().any(|latent| *latent != Latent::Seed(0)) && !has(Input::Seed) {
            return Some("this model draws nothing by chance: for each input it has one result, that of seed 0".into());
        }
        self.with.iter().find_map(|(given, value)| {
            let found = inputs.iter().find_map(|input| match input {
                Input::Choice { name, among } if name == given => Some(Some(*among)),
                Input::Text { name, .. } if name == given => Some(None),
                _ => None,
            });
            match found {
                None => {
                    let named =
                        inputs.iter().filter(|input| matches!(input, Input::Choice { .. } | Input::Text { .. }));
                    let names = named.map(|input| input.name()).collect::<Vec<_>>();
                    Some(match names.is_empty() {
                        true => format!("this model takes no `{given}`; leave --with out"),
                        false => format!("this model takes no `{given}`; it takes {}", names.join(", ")),
                    })
                }
                Some(Some(among)) if !among.contains(&value.as_str()) => {
                    Some(format!("{given} is `{value}`; give one of {}", among.join(", ")))
                }
                Some(_) => None,
            }
        })
    }

    /// The latent vectors `[n, width]` under a prior. Panics if the request is empty, or mixes styles.
    pub fn latent_vectors(&self, prior: Prior, width: usize, device: &Device) -> Tensor<2> {
        let seeded = |seed| prior.draw(&Draws::new(seed, 0), "latent", [1, width], device);
        let vectors = self.latents.iter().map(|latent| match latent {
            Latent::Seed(seed) => seeded(*seed),
            Latent::Walk { from, steps } => {
                steps.iter().fold(seeded(*from), |at, (to, t)| prior.between(at, seeded(*to), *t))
            }
            Latent::Mixed { .. } => panic!("{latent:?} for a model without styles"),
        });
        Tensor::cat(vectors.collect(), 0)
    }
}

/// What a model is asked when it is measured, from data that no training sees.
#[derive(Clone, Debug)]
pub struct Question {
    /// One latent, with all else that the model takes.
    pub request: Request,
    /// What the answer should be; none where nobody knows.
    pub wanted: Option<Media>,
}

impl Question {
    /// What `given` becomes, by seed 0.
    pub fn picture(given: Image, wanted: Option<Image>) -> Self {
        let request = Request { picture: Some(given), ..Request::seeds([0]) };
        Question { request, wanted: wanted.map(Media::Image) }
    }
}

/// The distribution of a latent vector's independent entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Prior {
    /// N(0, 1).
    #[default]
    Normal,
    /// U(-1, 1).
    Uniform,
}

impl Prior {
    /// Independent entries under this prior.
    pub fn draw<const D: usize>(self, draws: &Draws, name: &str, shape: [usize; D], device: &Device) -> Tensor<D> {
        match self {
            Prior::Normal => draws.normal(name, shape, device),
            Prior::Uniform => draws.uniform(name, shape, (-1.0, 1.0), device),
        }
    }

    /// The share `t` of the way from a to b `[1, width]`: along the great circle under the normal prior, whose
    /// vectors lie near a sphere (Shoemake 1985), along the line under the uniform one.
    fn between(self, a: Tensor<2>, b: Tensor<2>, t: f32) -> Tensor<2> {
        let (from, to) = match self {
            Prior::Uniform => (1.0 - t, t),
            Prior::Normal => {
                let length = |v: &Tensor<2>| v.clone().square().sum().sqrt().into_scalar::<f32>();
                let dot = (a.clone() * b.clone()).sum().into_scalar::<f32>();
                let angle = (dot / (length(&a) * length(&b))).clamp(-1.0, 1.0).acos();
                if angle.sin() < 1e-4 {
                    (1.0 - t, t) // the same direction, or opposite ones
                } else {
                    (((1.0 - t) * angle).sin() / angle.sin(), (t * angle).sin() / angle.sin())
                }
            }
        };
        a * from + b * to
    }
}

/// Gaussians of equal weight that a recipe's points come from.
#[derive(Clone, Debug)]
pub struct Mixture {
    /// Their means.
    pub centres: Vec<[f64; 2]>,
    /// The standard deviation of each, along both axes.
    pub deviation: f64,
}

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
    /// Settings, as for `--set`, that make its steps so small that tests can run them.
    pub small: &'static [&'static str],
}

/// One medium for each latent of the request, in its order. An error when the request and the model's inputs do not fit.
pub fn generate(model: &dyn Model, request: &Request) -> Result<Vec<Media>> {
    request.check(model)?;
    let parts = request.latents.chunks(AT_A_TIME);
    let parts = parts.map(|part| model.generate(&Request { latents: part.to_vec(), ..request.clone() }));
    Ok(parts.collect::<Result<Vec<_>>>()?.concat())
}

/// Which part of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// What the networks learn from.
    Train,
    /// Held out; may be empty.
    Validation,
}

/// One moment of a run.
pub struct StepCx<'a> {
    /// The number of steps before this one.
    pub step: u64,
    /// The number of images seen before this step.
    pub images: u64,
    /// The step's random draws.
    pub draws: Draws,
    /// Where to compute, without autodiff.
    pub device: &'a Device,
}

/// What one step measured: names and values `[1]` that stay on the device until somebody reads them. A step may leave out
/// what it did not do.
#[derive(Debug, Default)]
pub struct Scalars(Vec<(&'static str, Tensor<1>)>);

impl Scalars {
    /// Adds one value `[1]`; the graph behind it is let go.
    pub fn with(mut self, name: &'static str, value: Tensor<1>) -> Self {
        self.0.push((name, value.without_autodiff()));
        self
    }

    /// How D judges, from its logits on real and on fake pictures, `[n, 1]` each: the mean of D = sigmoid(logit) and the
    /// share it is right about (a logit above 0 says real), for both.
    pub fn judged(self, real: Tensor<2>, fake: Tensor<2>) -> Self {
        let [real, fake] = [real, fake].map(Tensor::without_autodiff);
        self.with("d_real", sigmoid(real.clone()).mean())
            .with("d_fake", sigmoid(fake.clone()).mean())
            .with("d_accuracy_real", real.greater_elem(0.0).float().mean())
            .with("d_accuracy_fake", fake.lower_elem(0.0).float().mean())
    }

    /// All values, in one transfer.
    pub fn read(self) -> Vec<(&'static str, f64)> {
        let (names, values): (Vec<_>, Vec<_>) = self.0.into_iter().unzip();
        if values.is_empty() {
            return Vec::new();
        }
        let values = Tensor::cat(values, 0).into_data();
        names.into_iter().zip(values.iter::<f64>()).collect()
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
    type Batch: Send + 'static;

    /// The batches of a split.
    fn data(config: &Self::Config, split: Split) -> Result<Box<dyn Source<Self::Batch>>>;
    /// The model with its initial weights, which follow from the config's seed.
    fn model(config: &Self::Config, device: &Device) -> Self::Model;
    /// The initial model once the data to learn from are at hand, where some of its weights follow from them.
    fn begin(model: Self::Model, _data: &dyn Source<Self::Batch>) -> Result<Self::Model> {
        Ok(model)
    }
    /// What the points come from; none for a recipe of pictures.
    fn mixture(_config: &Self::Config) -> Option<Mixture> {
        None
    }
    /// Which game is played; none for one that the explanation of GANs does not know.
    fn game(_config: &Self::Config) -> Option<Game> {
        None
    }
    /// What a measurement asks of the model, always the same; empty for one that makes something of seeds alone.
    fn questions(_config: &Self::Config) -> Result<Vec<Question>> {
        Ok(Vec::new())
    }
    /// The configuration and the model of a network that others trained; none where it is not of this recipe's kind. A reason
    /// why one of its kind cannot be had completes "FILE cannot be imported: ".
    fn adopt(_foreign: &Foreign, _device: &Device) -> Option<Adopted<Self>> {
        None
    }
    /// The state of a run at step 0; `model` is on the autodiff device.
    fn new(config: &Self::Config, model: Self::Model, device: &Device) -> Self;
    /// Fetches what the steps need beside the data, such as a network whose features they compare; called once, before the first.
    fn equip(&mut self, _device: &Device) -> Result<()> {
        Ok(())
    }
    /// One training step: the page you check against the paper.
    fn step(&mut self, batch: Self::Batch, cx: &StepCx) -> Scalars;
    /// The same samples at every call but for what was learned; `held` is a held-out batch.
    fn preview(&self, held: &Self::Batch) -> Result<Vec<Media>>;
    /// A preview's samples laid out for the eye, with what each was made from and what it should be beside it, and how many
    /// make a row.
    fn laid_out(_held: &Self::Batch, samples: Vec<Media>) -> (Vec<Media>, usize) {
        (samples, PREVIEW_COLUMNS)
    }
    /// A batch's real samples, in the form of the preview's: what those are held against. None where there are no such.
    fn real(_batch: &Self::Batch) -> Vec<Media> {
        Vec::new()
    }
    /// D's logits `[n, 1]` on a batch's real samples, without dropout; none for a D that judges otherwise.
    fn judge(&self, _batch: &Self::Batch, _device: &Device) -> Option<Tensor<2>> {
        None
    }
    /// Everything a checkpoint must hold, named, in the order of the step.
    fn parts(&mut self, visit: &mut Parts);
}

/// What [`Recipe::adopt`] makes of a network.
pub type Adopted<R> = std::result::Result<(<R as Recipe>::Config, <R as Recipe>::Model), String>;

/// A resolved config and the model that goes with it.
pub type Configured = (String, Box<dyn Model>);

/// A recipe in training, its types erased. It can move to another thread, as to one of the pool's.
pub trait Session: Send {
    /// One step on that step's batch.
    fn step(&mut self, cx: &StepCx) -> Result<Scalars>;
    /// See [`Recipe::preview`].
    fn preview(&self) -> Result<Vec<Media>>;
    /// See [`Recipe::laid_out`].
    fn laid_out(&self, samples: Vec<Media>) -> (Vec<Media>, usize);
    /// Some real samples, held-out ones where there are any; see [`Recipe::real`].
    fn real(&self) -> &[Media];
    /// D's logits `[n, 1]` on a step's batch and on a held-out one; see [`Recipe::judge`]. None without held-out data.
    fn judge(&self, step: u64, device: &Device) -> Result<Option<[Tensor<2>; 2]>>;
    /// See [`Recipe::parts`].
    fn parts(&mut self, visit: &mut Parts);
}

struct Training<R: Recipe> {
    recipe: R,
    source: Box<dyn Source<R::Batch>>,
    held: R::Batch,
    is_held_out: bool, // else it is of the data to learn from
    real: Vec<Media>,
}

impl<R: Recipe> Session for Training<R> {
    fn step(&mut self, cx: &StepCx) -> Result<Scalars> {
        let batch = self.source.batch(cx.step)?;
        Ok(self.recipe.step(batch, cx))
    }
    fn preview(&self) -> Result<Vec<Media>> {
        self.recipe.preview(&self.held)
    }
    fn laid_out(&self, samples: Vec<Media>) -> (Vec<Media>, usize) {
        R::laid_out(&self.held, samples)
    }
    fn real(&self) -> &[Media] {
        &self.real
    }
    fn judge(&self, step: u64, device: &Device) -> Result<Option<[Tensor<2>; 2]>> {
        if !self.is_held_out {
            return Ok(None);
        }
        let Some(held) = self.recipe.judge(&self.held, device) else { return Ok(None) };
        let seen = self.recipe.judge(&self.source.batch(step)?, device);
        Ok(seen.map(|seen| [seen, held].map(Tensor::without_autodiff)))
    }
    fn parts(&mut self, visit: &mut Parts) {
        self.recipe.parts(visit);
    }
}

/// From a configuration's text to the settled one, and what was chosen.
type Settle = fn(&str) -> Result<(String, Vec<String>)>;

/// One line of the list of recipes: a [`Recipe`] behind function pointers.
#[derive(Clone, Copy)]
pub struct Entry {
    /// What a list shows.
    pub info: Info,
    pub(crate) keys: fn() -> Keys,
    pub(crate) resolve: fn(&str, &Path) -> Result<(String, Train)>,
    pub(crate) settle: Settle,
    open: fn(&str, &Device) -> Result<Box<dyn Session>>,
    model: fn(&str, &Device) -> Result<Box<dyn Model>>,
    mixture: fn(&str) -> Result<Option<Mixture>>,
    game: fn(&str) -> Result<Option<Game>>,
    questions: fn(&str) -> Result<Vec<Question>>,
    adopt: fn(&Foreign, &Device) -> Option<std::result::Result<Configured, String>>,
}

/// A batch of the held-out data and some real samples of them, where there are any.
fn held_batch<R: Recipe>(config: &R::Config) -> Result<Option<(R::Batch, Vec<Media>)>> {
    let held = R::data(config, Split::Validation)?;
    (held.items() > 0).then(|| first_batch::<R>(held.as_ref())).transpose()
}

/// The first batch of a source, and [`REAL_SAMPLES`] real samples of it and the next ones.
fn first_batch<R: Recipe>(source: &dyn Source<R::Batch>) -> Result<(R::Batch, Vec<Media>)> {
    let first = source.batch(0)?;
    let mut real = R::real(&first);
    for step in 1..REAL_SAMPLES as u64 {
        if real.is_empty() || real.len() >= REAL_SAMPLES.min(source.items()) {
            break;
        }
        real.extend(R::real(&source.batch(step)?));
    }
    real.truncate(REAL_SAMPLES);
    Ok((first, real))
}

/// The configuration with everything chosen that the text leaves open, and what was chosen.
fn settled<R: Recipe>(text: &str) -> Result<(R::Config, Vec<String>)> {
    let mut config = crate::config::parse::<R::Config>(text, Path::new("config.toml"))?;
    let said = config.settle()?;
    Ok((config, said))
}

impl Entry {
    /// The entry of a recipe.
    pub const fn of<R: Recipe>() -> Self {
        Entry {
            info: R::INFO,
            keys: Keys::of::<R::Config>,
            resolve: |text, path| {
                let config = crate::config::parse::<R::Config>(text, path)?;
                Ok((crate::config::to_toml(R::INFO.name, &config)?, config.train().clone()))
            },
            settle: |text| {
                let (config, said) = settled::<R>(text)?;
                Ok((crate::config::to_toml(R::INFO.name, &config)?, said))
            },
            open: |text, device| {
                let (config, _) = settled::<R>(text)?;
                let held = held_batch::<R>(&config)?; // first, so that both splits are never in memory at once
                let source = R::data(&config, Split::Train)?;
                let is_held_out = held.is_some();
                let (held, real) = held.map_or_else(|| first_batch::<R>(source.as_ref()), Ok)?;
                let model = R::begin(R::model(&config, &device.clone().autodiff()), source.as_ref())?;
                let mut recipe = R::new(&config, model, device);
                recipe.equip(device)?;
                Ok(Box::new(Training { recipe, source, held, is_held_out, real }))
            },
            model: |text, device| {
                let (config, _) = settled::<R>(text)?;
                Ok(Box::new(R::model(&config, device)))
            },
            mixture: |text| Ok(R::mixture(&settled::<R>(text)?.0)),
            questions: |text| R::questions(&settled::<R>(text)?.0),
            adopt: |foreign, device| {
                let adopted = R::adopt(foreign, device)?;
                Some(adopted.and_then(|(config, model)| {
                    let text = crate::config::to_toml(R::INFO.name, &config).map_err(|error| error.to_string())?;
                    Ok((text, Box::new(model) as Box<dyn Model>))
                }))
            },
            game: |text| Ok(R::game(&crate::config::parse::<R::Config>(text, Path::new("config.toml"))?)),
        }
    }

    /// Opens the data and builds the state of step 0 for a resolved config.
    pub fn open(&self, config: &str, device: &Device) -> Result<Box<dyn Session>> {
        (self.open)(config, device)
    }

    /// The model of a resolved config, with its initial weights.
    pub fn model(&self, config: &str, device: &Device) -> Result<Box<dyn Model>> {
        (self.model)(config, device)
    }

    /// See [`Recipe::game`], of a resolved config.
    pub fn game(&self, config: &str) -> Result<Option<Game>> {
        (self.game)(config)
    }

    /// See [`Recipe::questions`], of a resolved config.
    pub fn questions(&self, config: &str) -> Result<Vec<Question>> {
        (self.questions)(config)
    }

    /// See [`Recipe::adopt`]: the resolved config and the model.
    pub fn adopt(&self, foreign: &Foreign, device: &Device) -> Option<std::result::Result<Configured, String>> {
        (self.adopt)(foreign, device)
    }

    /// See [`Recipe::mixture`], of a resolved config.
    pub fn mixture(&self, config: &str) -> Result<Option<Mixture>> {
        (self.mixture)(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_between_two_latents_is_an_arc_under_the_normal_prior_and_a_line_under_the_uniform_one() {
        let vector = |x, y| Tensor::<2>::from_data([[x, y]], &Device::flex());
        let half = |prior: Prior| {
            let between = prior.between(vector(1.0, 0.0), vector(0.0, 1.0), 0.5);
            between.into_data().iter::<f64>().collect::<Vec<f64>>()
        };
        let near = |values: Vec<f64>, wanted: f64| values.iter().all(|v| (v - wanted).abs() < 1e-6);
        assert!(near(half(Prior::Normal), 0.5_f64.sqrt()) && near(half(Prior::Uniform), 0.5));
        let walk = Latent::Walk { from: 7, steps: vec![(8, 1.0), (9, 0.25)] };
        let direct = Latent::Walk { from: 8, steps: vec![(9, 0.25)] };
        let ends = [walk, direct].map(|latent| Request { latents: vec![latent], ..Request::default() });
        let [walked, direct] = ends.map(|end| end.latent_vectors(Prior::Uniform, 4, &Device::flex()).into_data());
        assert_eq!(walked, direct, "a step goes on from where the one before it ended");
        let same = Prior::Normal.between(vector(1.0, 0.0), vector(1.0, 0.0), 0.3);
        assert!(same.into_data().iter::<f64>().all(|v| v.is_finite()), "no division by the sine of no angle");
    }
}
