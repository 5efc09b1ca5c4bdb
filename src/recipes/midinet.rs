//! MidiNet: a melody, bar after bar, each by the chord below it and the bar before it.
//!
//! Yang, Chou and Yang 2017, "MidiNet: A Convolutional Generative Adversarial Network for Symbolic-domain Music Generation",
//! with the sizes and constants of the authors' published code. A bar is sixteen steps of 128 pitches, one of them on. All
//! convolutions are as wide as the pitches or lie along the steps alone, so they are written as the products they are.

use burn::module::{Module, Param};
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor, TensorData};
use ganvas_kernels::{Over, bce_with_logits};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{Settings, Train};
use crate::data::music::{self, Bar, BarBatch, HIGHEST, LOWEST, Music, STEPS, notes};
use crate::data::source::Source;
use crate::error::{Error, Result};
use crate::loss::adversarial::Adversarial;
use crate::media::{Chord, Media, Note, Notes, STEPS_PER_BAR};
use crate::nn::{BatchNorm, Init, Normalization, Statistics};
use crate::optim::{AdamConfig, Trained, adam_problem, average_decay};
use crate::parts::Parts;
use crate::random::Draws;
use crate::recipe::{Game, Info, Input, Model, Prior, Question, Recipe, Request, Scalars, Split, StepCx};

const PITCHES: usize = 128;
/// Twelve roots, one of them on, and whether the chord is minor.
const CHORD: usize = 13;
/// Steps that the generator begins with, and how often they double.
const FIRST_STEPS: usize = 2;
const DOUBLINGS: usize = 3;
/// Steps that the discriminator's second layer sees at once, and how many such windows there are.
const WINDOW: usize = 4;
const WINDOWS: usize = 3;
const SLOPE: f64 = 0.2;
const EPSILON: f64 = 1e-5;
const MOMENTUM: f64 = 0.1; // of the running statistics
const INIT: Init = Init::Normal { deviation: 0.02 };
const CHORDS: Input = Input::Text { name: "chords", usual: "C G Am F C F G C" };
const FIRST: Input = Input::Text { name: "first", usual: "" };
const PREVIEWED: usize = 32; // held-out bars
/// What it learns when no other music is given.
const SET: &str = "folk";

/// The configuration of `midinet`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Entries of the latent vector.
    pub latent: usize,
    /// Units of the fully connected layers of both networks.
    pub hidden: usize,
    /// Maps of G's transposed convolutions.
    pub maps: usize,
    /// Maps of what G sees of the bar before.
    pub previous_maps: usize,
    /// Maps of D's second layer.
    pub d_maps: usize,
    /// D's target for real bars.
    pub real_label: f64,
    /// Weight of half the squared distance between what D's first layer sees of real and of made bars in the mean.
    pub feature_weight: f64,
    /// Weight of half the squared distance between the mean real and the mean made bar.
    pub image_weight: f64,
    /// Updates of G to one of D.
    pub g_steps: usize,
    /// Adam's learning rate, for both players.
    pub learning_rate: f64,
    /// Adam's beta1, for both players.
    pub beta1: f64,
    /// Adam's beta2, for both players.
    pub beta2: f64,
    /// Half-life of the moving average of G's weights that samples come from, in thousands of bars; 0 for none.
    pub average_kimg: f64,
    /// The music.
    pub data: Music,
    /// The run; what elsewhere are images are bars here.
    pub train: Train,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            latent: 100,
            hidden: 1024,
            maps: 128,
            previous_maps: 16,
            d_maps: 64,
            real_label: 0.9,
            feature_weight: 0.1,
            image_weight: 0.01,
            g_steps: 2,
            learning_rate: 5e-5,
            beta1: 0.5,
            beta2: 0.999,
            average_kimg: 0.0,
            data: Music::default(),
            train: Train {
                kimg: 1010.0, // 20 passes over the paper's 50,496 bars
                batch: 72,
                log_every_kimg: 5.0,
                preview_every_kimg: 50.0,
                checkpoint_every_kimg: 50.0,
                eval_metrics: vec!["music".to_owned()],
                ..Train::default()
            },
        }
    }
}

impl Settings for Config {
    fn train(&self) -> &Train {
        &self.train
    }

    fn problem(&self) -> Option<String> {
        let sizes = [self.latent, self.hidden, self.maps, self.previous_maps, self.d_maps];
        if sizes.iter().any(|size| !(1..=4096).contains(size)) || !(1..=10).contains(&self.g_steps) {
            return Some("latent, hidden, maps, previous_maps and d_maps must be 1 to 4096, g_steps 1 to 10".into());
        }
        if self.train.batch < 2 {
            return Some("train.batch is 1, of which batch norm makes nothing; give 2 or more".into());
        }
        if !(0.0..=1.0).contains(&self.real_label) {
            return Some(format!("real_label is {}; give a share from 0 to 1", self.real_label));
        }
        if let Some(problem) = adam_problem(self.learning_rate, [self.beta1, self.beta2]) {
            return Some(problem);
        }
        let weights = [self.feature_weight, self.image_weight, self.average_kimg];
        if weights.iter().any(|weight| !(*weight >= 0.0 && weight.is_finite())) {
            return Some("feature_weight, image_weight and average_kimg must be 0 or more".into());
        }
        self.data.problem()
    }
}

/// A layer that is a product: a convolution whose windows are the rows.
#[derive(Module, Debug)]
struct Product {
    weight: Param<Tensor<2>>,       // [inputs, outputs]
    bias: Option<Param<Tensor<1>>>, // for each map of the result; none before a norm, which takes it away again
}

impl Product {
    /// With so many biases.
    fn new(draws: &Draws, name: &str, [inputs, outputs]: [usize; 2], biases: usize, device: &Device) -> Self {
        let Init::Normal { deviation } = INIT else { unreachable!("the weights begin normal") };
        let weight = draws.normal(&format!("{name}.weight"), [inputs, outputs], device) * deviation;
        let bias = (biases > 0).then(|| Param::from_tensor(Tensor::zeros([biases], device)));
        Product { weight: Param::from_tensor(weight), bias }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let y = x.matmul(self.weight.val());
        match &self.bias {
            Some(bias) => y + bias.val().unsqueeze(),
            None => y,
        }
    }

    /// Every window of `steps` of x `[n, all, maps]`, one beside the other: `[n, all / steps, outputs]`.
    fn over(&self, x: Tensor<3>, steps: usize) -> Tensor<3> {
        let [n, all, maps] = x.dims();
        let y = self.forward(x.reshape([n * all / steps, steps * maps]));
        y.reshape([n as i32, (all / steps) as i32, -1])
    }

    /// Each step of x `[n, all, maps]` to `steps` steps: `[n, all·steps, outputs / steps]`.
    fn back(&self, x: Tensor<3>, steps: usize) -> Tensor<3> {
        let [n, all, maps] = x.dims();
        self.forward(x.reshape([n * all, maps])).reshape([n as i32, (all * steps) as i32, -1])
    }
}

/// A norm over a batch, with ReLU or leaky ReLU: x `[n, c, steps, 1]`.
type Normed<'a> = &'a mut dyn FnMut(&BatchNorm, Tensor<4>, f64) -> Tensor<4>;

/// Maps `[n, steps, c]` through a norm of channels.
fn channels(x: Tensor<3>, normed: impl FnOnce(Tensor<4>) -> Tensor<4>) -> Tensor<3> {
    let y = normed(x.swap_dims(1, 2).unsqueeze_dim(3)); // [n, c, steps, 1]
    y.squeeze_dim::<3>(3).swap_dims(1, 2)
}

/// Units `[n, c]` through a norm.
fn units(x: Tensor<2>, normed: impl FnOnce(Tensor<4>) -> Tensor<4>) -> Tensor<2> {
    let [n, c] = x.dims();
    normed(x.reshape([n, c, 1, 1])).reshape([n, c])
}

/// z `[n, latent]`, a chord `[n, 13]` and the bar before `[n, 16, 128]` to the logits of a bar, `[n, 16, 128]`.
#[derive(Module, Debug)]
pub struct Generator {
    previous: Vec<Product>, // what the bar before looks like in 16, 8, 4 and 2 steps
    previous_norms: Vec<BatchNorm>,
    hidden: Vec<Product>,
    hidden_norms: Vec<BatchNorm>,
    up: Vec<Product>,
    up_norms: Vec<BatchNorm>,
    last: Product,
    #[module(skip)]
    latent: usize,
}

impl Generator {
    fn new(config: &Config, draws: &Draws, device: &Device) -> Self {
        let Config { latent, hidden, maps, previous_maps, .. } = *config;
        let product =
            |name: &str, shape, biases| Product::new(draws, &format!("generator.{name}"), shape, biases, device);
        let norm = |channels| BatchNorm::new(Tensor::ones([channels], device), EPSILON);
        let previous = (0..=DOUBLINGS).map(|i| {
            let inputs = if i == 0 { PITCHES } else { 2 * previous_maps };
            product(&format!("previous.{i}"), [inputs, previous_maps], 0)
        });
        let beside = CHORD + previous_maps;
        let up = (0..DOUBLINGS).map(|i| product(&format!("up.{i}"), [maps + beside, 2 * maps], 0));
        Generator {
            previous: previous.collect(),
            previous_norms: (0..=DOUBLINGS).map(|_| norm(previous_maps)).collect(),
            hidden: vec![
                product("hidden.0", [latent + CHORD, hidden], 0),
                product("hidden.1", [hidden + CHORD, FIRST_STEPS * maps], 0),
            ],
            hidden_norms: vec![norm(hidden), norm(FIRST_STEPS * maps)],
            up: up.collect(),
            up_norms: (0..DOUBLINGS).map(|_| norm(maps)).collect(),
            last: product("last", [maps + beside, PITCHES], 1),
            latent,
        }
    }

    fn forward(&self, z: Tensor<2>, chord: Tensor<2>, before: Tensor<3>, normed: Normed) -> Tensor<3> {
        let n = z.dims()[0];
        let mut seen = Vec::<Tensor<3>>::new(); // [n, 16, previous_maps], then half as many steps each time
        for (i, (layer, norm)) in self.previous.iter().zip(&self.previous_norms).enumerate() {
            let (x, steps) = if i == 0 { (before.clone(), 1) } else { (seen[i - 1].clone(), 2) };
            seen.push(channels(layer.over(x, steps), |x| normed(norm, x, SLOPE)));
        }
        let mut h = z;
        for (layer, norm) in self.hidden.iter().zip(&self.hidden_norms) {
            let x = layer.forward(Tensor::cat(vec![h, chord.clone()], 1));
            h = units(x, |x| normed(norm, x, 0.0));
        }
        let mut h = h.reshape([n as i32, FIRST_STEPS as i32, -1]); // [n, 2, maps]
        let mut beside = |h: Tensor<3>| {
            let steps = h.dims()[1];
            let chord = chord.clone().unsqueeze_dim::<3>(1).expand([n, steps, CHORD]);
            Tensor::cat([Some(h), Some(chord), seen.pop()].into_iter().flatten().collect(), 2)
        };
        for (layer, norm) in self.up.iter().zip(&self.up_norms) {
            h = channels(layer.back(beside(h), 2), |x| normed(norm, x, 0.0)); // [n, twice the steps, maps]
        }
        self.last.back(beside(h), 1)
    }

    /// A bar's probabilities, and what the batch told of each norm.
    fn in_training(&self, z: Tensor<2>, chord: Tensor<2>, before: Tensor<3>) -> (Tensor<3>, Vec<Statistics>) {
        let mut statistics = Vec::new();
        let logits = self.forward(z, chord, before, &mut |norm, x, slope| {
            let (y, told) = norm.by_batch(x, slope);
            statistics.push(told);
            y
        });
        (sigmoid(logits), statistics)
    }

    fn follow(mut self, statistics: Vec<Statistics>) -> Self {
        let mut told = statistics.into_iter();
        for norms in [&mut self.previous_norms, &mut self.hidden_norms, &mut self.up_norms] {
            let followed = std::mem::take(norms).into_iter().zip(told.by_ref());
            *norms = followed.map(|(norm, told)| norm.follow(told, MOMENTUM)).collect();
        }
        self
    }

    /// The bars that follow: one note a step, the likeliest.
    fn next_bars(&self, z: Tensor<2>, chords: &[Chord], before: &[Vec<Option<u8>>]) -> Vec<Vec<Option<u8>>> {
        let device = z.device();
        let by_running = &mut |norm: &BatchNorm, x, slope| norm.by_running(x, slope);
        let logits = self.forward(z, chord_vectors(chords, &device), rolls(before, &device), by_running);
        let pitches = logits.argmax(2).into_data().iter::<i64>().map(|pitch| Some(pitch as u8)).collect::<Vec<_>>();
        pitches.chunks(STEPS).map(<[_]>::to_vec).collect()
    }
}

/// What is on in each chord, `[n, 13]`.
fn chord_vectors(chords: &[Chord], device: &Device) -> Tensor<2> {
    let mut values = vec![0.0_f32; chords.len() * CHORD];
    for (values, chord) in values.chunks_mut(CHORD).zip(chords) {
        values[usize::from(chord.root)] = 1.0;
        values[CHORD - 1] = f32::from(u8::from(chord.is_minor));
    }
    Tensor::from_data(TensorData::new(values, [chords.len(), CHORD]), device)
}

/// Bars of one pitch a step, or none, as rolls `[n, 16, 128]` of 0 and 1.
fn rolls(bars: &[Vec<Option<u8>>], device: &Device) -> Tensor<3> {
    let mut values = vec![0.0_f32; bars.len() * STEPS * PITCHES];
    for (step, pitch) in bars.iter().flatten().enumerate() {
        if let Some(pitch) = pitch {
            values[step * PITCHES + usize::from(*pitch)] = 1.0;
        }
    }
    Tensor::from_data(TensorData::new(values, [bars.len(), STEPS, PITCHES]), device)
}

/// A bar of a batch, or silence.
fn steps(bar: Option<&Bar>) -> Vec<Option<u8>> {
    bar.map_or_else(|| vec![None; STEPS], |bar| bar.iter().copied().map(Some).collect())
}

/// The bars of a batch, and those before them.
fn of_batch(batch: &BarBatch) -> [Vec<Vec<Option<u8>>>; 2] {
    let bars = batch.bars.iter().map(|bar| steps(Some(bar)));
    [bars.collect(), batch.previous.iter().map(|bar| steps(bar.as_ref())).collect()]
}

impl Model for Generator {
    fn inputs(&self) -> Vec<Input> {
        vec![Input::Seed, CHORDS, FIRST]
    }

    /// As many bars as there are chords, of which a given first bar is the first.
    fn generate(&self, request: &Request) -> Result<Vec<Media>> {
        if request.latents.is_empty() {
            return Ok(Vec::new());
        }
        let chords = Chord::sequence(request.text(CHORDS))?;
        let first = match request.text(FIRST) {
            "" => None,
            text => {
                let first = text.parse::<Notes>()?;
                if first.bars() != 1 {
                    return Err(Error::input(format!(
                        "first has {} bars; give one, and the others follow",
                        first.bars()
                    )));
                }
                if let Some(note) = first.notes.iter().find(|note| !(LOWEST..=HIGHEST).contains(&note.pitch)) {
                    return Err(Error::input(format!(
                        "first has the pitch {} (of MIDI), and the model knows those from {LOWEST}, C4, to {HIGHEST}, B5, \
                         alone; write it there",
                        note.pitch
                    )));
                }
                Some(first.sounding().into_iter().map(|note| note.map(|note| note.pitch)).collect::<Vec<_>>())
            }
        };
        // What the network sees of it: a rest prolongs the note before it, as in what it learned from.
        let seen = first.as_ref().map(|first| {
            let mut now = first.iter().flatten().next().copied();
            let prolonged = first.iter().map(|step| {
                now = step.or(now);
                now
            });
            prolonged.collect::<Vec<_>>()
        });
        let (n, bars) = (request.latents.len(), chords.len());
        let device = self.last.weight.device();
        let z = request.latent_vectors(Prior::Normal, bars * self.latent, &device).reshape([n, bars, self.latent]);
        let mut made = vec![Vec::with_capacity(bars); n];
        let mut before = vec![vec![None; STEPS]; n];
        for (bar, chord) in chords.iter().enumerate() {
            if let (0, Some(first), Some(seen)) = (bar, &first, &seen) {
                made.iter_mut().for_each(|made| made.push(first.clone()));
                before = vec![seen.clone(); n];
                continue;
            }
            let z = z.clone().slice([0..n, bar..bar + 1, 0..self.latent]).reshape([n, self.latent]);
            before = self.next_bars(z, &vec![*chord; n], &before);
            made.iter_mut().zip(&before).for_each(|(made, bar)| made.push(bar.clone()));
        }
        let chords = chords.into_iter().map(Some).collect::<Vec<_>>();
        Ok(made.iter().map(|bars| Media::Notes(notes(bars, &chords))).collect())
    }
}

/// A bar `[n, 16, 128]` and its chord `[n, 13]` to logits `[n, 1]`.
#[derive(Module, Debug)]
struct Discriminator {
    first: Product,
    second: Product,
    second_norm: Normalization,
    hidden: Product,
    hidden_norm: Normalization,
    last: Product,
}

impl Discriminator {
    fn new(config: &Config, draws: &Draws, device: &Device) -> Self {
        let product = |name: &str, shape, biases| {
            let name = format!("discriminator.{name}");
            Product::new(draws, &name, shape, biases, device)
        };
        let norm = |channels| Normalization::new(Over::Batch, channels, EPSILON, device);
        let maps = config.d_maps + CHORD;
        Discriminator {
            first: product("first", [2 * PITCHES * (1 + CHORD), 1 + CHORD], 1 + CHORD),
            second: product("second", [WINDOW * (1 + 2 * CHORD), maps], 0),
            second_norm: norm(maps),
            hidden: product("hidden", [WINDOWS * maps + CHORD, config.hidden], 0),
            hidden_norm: norm(config.hidden),
            last: product("last", [config.hidden + CHORD, 1], 1),
        }
    }

    /// The logits, and what the first layer sees: `[n, 8, 14]`.
    fn forward(&self, bar: Tensor<3>, chord: Tensor<2>) -> (Tensor<2>, Tensor<3>) {
        let n = bar.dims()[0];
        let plane = chord.clone().reshape([n, 1, 1, CHORD]).expand([n, STEPS, PITCHES, CHORD]);
        let x = Tensor::cat(vec![bar.unsqueeze_dim::<4>(3), plane], 3); // [n, 16, 128, 14]
        let y = self.first.over(x.reshape([n as i32, STEPS as i32, -1]), 2);
        let seen = burn::tensor::activation::leaky_relu(y, SLOPE); // [n, 8, 14]
        let beside = chord.clone().unsqueeze_dim::<3>(1).expand([n, STEPS / 2, CHORD]);
        let h = Tensor::cat(vec![seen.clone(), beside], 2); // [n, 8, 27]
        let windows = (0..WINDOWS).map(|i| h.clone().slice([0..n, 2 * i..2 * i + WINDOW]).reshape([n as i32, 1, -1]));
        let h = self.second.over(Tensor::cat(windows.collect(), 1), 1); // [n, 3, maps]
        let h = channels(h, |x| self.second_norm.leaky(x, SLOPE)).reshape([n as i32, -1]);
        let h = self.hidden.forward(Tensor::cat(vec![h, chord.clone()], 1));
        let h = units(h, |x| self.hidden_norm.leaky(x, SLOPE));
        (self.last.forward(Tensor::cat(vec![h, chord], 1)), seen)
    }
}

/// Half the squared distance of the means over a batch.
fn apart(a: Tensor<3>, b: Tensor<3>) -> Tensor<1> {
    (a.mean_dim(0) - b.mean_dim(0)).square().sum() * 0.5
}

/// The two players in training.
pub struct Midinet {
    config: Config,
    generator: Trained<Generator>,
    discriminator: Trained<Discriminator>,
}

impl Recipe for Midinet {
    const INFO: Info = Info {
        name: "midinet",
        title: "MidiNet",
        paper: "Yang et al. 2017, MidiNet: A Convolutional GAN for Symbolic-domain Music Generation",
        sentence: "Melodies in MIDI, bar after bar, by chords and the bar before.",
        dataset: Some(SET),
        small: &["hidden=8", "maps=4", "previous_maps=2", "d_maps=4", "latent=8", "train.batch=4"],
    };
    type Config = Config;
    type Model = Generator;
    type Batch = BarBatch;

    fn data(config: &Config, split: Split) -> Result<Box<dyn Source<BarBatch>>> {
        let held_out = split == Split::Validation;
        let batch = if held_out { PREVIEWED } else { config.train.batch };
        music::open(&config.data, SET, config.train.seed, batch, held_out)
    }

    /// Melodies above the chords of those held out.
    fn questions(config: &Config) -> Result<Vec<Question>> {
        let ask = |(seed, wanted): (u64, Notes)| {
            let chords = wanted.chords.iter().map(|(_, chord)| chord.to_string()).collect::<Vec<_>>().join(" ");
            let with = [(CHORDS.name().to_owned(), chords)].into();
            Question { request: Request { with, ..Request::seeds([seed]) }, wanted: Some(Media::Notes(wanted)) }
        };
        Ok((0..).zip(music::held_out(&config.data, SET)?).map(ask).collect())
    }

    fn model(config: &Config, device: &Device) -> Generator {
        Generator::new(config, &Draws::new(config.train.seed, 0), device)
    }

    fn game(config: &Config) -> Option<Game> {
        Some(Game { real_label: config.real_label, ..Game::of(Adversarial::NonSaturating) })
    }

    fn new(config: &Config, model: Generator, device: &Device) -> Self {
        let draws = Draws::new(config.train.seed, 0);
        let discriminator = Discriminator::new(config, &draws, &device.clone().autodiff());
        let adam = AdamConfig { beta2: config.beta2, ..AdamConfig::with_beta1(config.beta1) };
        Midinet {
            generator: Trained::new(model, adam, config.average_kimg > 0.0),
            discriminator: Trained::new(discriminator, adam, false),
            config: config.clone(),
        }
    }

    fn step(&mut self, batch: BarBatch, cx: &StepCx) -> Scalars {
        let Config { latent, real_label, feature_weight, image_weight, g_steps, learning_rate, .. } = self.config;
        let [x, before] = of_batch(&batch).map(|bars| rolls(&bars, cx.device)); // [n, 16, 128]
        let chord = chord_vectors(&batch.chords, cx.device);
        let n = batch.bars.len();
        let z = |player: &str| Prior::Normal.draw(&cx.draws, &format!("{player}.z"), [n, latent], cx.device);

        // D, with labels smoothed on one side
        let (fake, _) = self.generator.net().valid().in_training(z("d"), chord.clone(), before.clone());
        let critic = self.discriminator.net();
        let (real_logits, _) = critic.forward(x.clone(), chord.clone());
        let (fake_logits, _) = critic.forward(fake, chord.clone());
        let d_loss = bce_with_logits(real_logits.clone(), real_label) + bce_with_logits(fake_logits.clone(), 0.0);
        let d_gradient = self.discriminator.descend(d_loss.clone(), learning_rate, 0.0);
        let mut scalars = Scalars::default().with("d_loss", d_loss).with("d_gradient_norm", d_gradient);
        scalars = scalars.judged(real_logits, fake_logits);

        // G, twice: D's judgement, and to be like the real bars in the mean, as D's first layer sees them and as they are
        let decay = average_decay(n, self.config.average_kimg, cx.images);
        for i in 0..g_steps {
            let critic = self.discriminator.frozen();
            let (_, real_seen) = critic.forward(x.clone(), chord.clone());
            let (fake, statistics) =
                self.generator.net().in_training(z(&format!("g.{i}")), chord.clone(), before.clone());
            let (logits, seen) = critic.forward(fake.clone(), chord.clone());
            drop(critic);
            let g_loss = bce_with_logits(logits, 1.0);
            let features = apart(seen, real_seen) * feature_weight;
            let image = apart(fake, x.clone()) * image_weight;
            self.generator.change(|generator| generator.follow(statistics));
            let total = g_loss.clone() + features.clone() + image.clone();
            let g_gradient = self.generator.descend(total, learning_rate, decay);
            if i + 1 == g_steps {
                scalars = scalars.with("g_loss", g_loss).with("g_gradient_norm", g_gradient);
                scalars = scalars.with("features", features).with("image", image);
            }
        }
        scalars
    }

    /// What follows each held-out bar's predecessor.
    fn preview(&self, held: &BarBatch) -> Result<Vec<Media>> {
        let generator = self.generator.sampler();
        let (shape, device) = ([held.bars.len(), self.config.latent], generator.last.weight.device());
        let z = Prior::Normal.draw(&Draws::new(0, 0), "latent", shape, &device);
        let [_, before] = of_batch(held);
        Ok(alone(&generator.next_bars(z, &held.chords, &before), &held.chords))
    }

    /// Each bar after the one before it.
    fn laid_out(held: &BarBatch, samples: Vec<Media>) -> (Vec<Media>, usize) {
        let [_, before] = of_batch(held);
        let both = samples.into_iter().zip(&before).map(|(sample, before)| match sample {
            Media::Notes(made) => {
                let mut both = notes(std::slice::from_ref(before), &[None]);
                let moved = made.notes.iter().map(|note| Note { start: note.start + STEPS_PER_BAR, ..*note });
                both.notes.extend(moved);
                both.chords.extend(made.chords.iter().map(|(start, chord)| (start + STEPS_PER_BAR, *chord)));
                both.steps += made.steps;
                Media::Notes(both)
            }
            other => other,
        });
        (both.collect(), 8)
    }

    fn real(batch: &BarBatch) -> Vec<Media> {
        alone(&of_batch(batch)[0], &batch.chords)
    }

    fn judge(&self, batch: &BarBatch, device: &Device) -> Option<Tensor<2>> {
        let [bars, _] = of_batch(batch);
        let (x, chord) = (rolls(&bars, device), chord_vectors(&batch.chords, device));
        Some(self.discriminator.net().valid().forward(x, chord).0)
    }

    fn parts(&mut self, visit: &mut Parts) {
        self.discriminator.parts("discriminator", visit);
        self.generator.model_parts("generator", visit);
    }
}

/// Bars by themselves, each above its chord.
fn alone(bars: &[Vec<Option<u8>>], chords: &[Chord]) -> Vec<Media> {
    let each = bars.iter().zip(chords);
    each.map(|(bar, chord)| Media::Notes(notes(std::slice::from_ref(bar), &[Some(*chord)]))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::golden::tests::{assert_gradients, assert_near, filled, wave};
    use burn::tensor::s;
    use serde_json::Value;

    /// Both networks and their losses, in f64: made by tests/golden/midinet.py, whose docs give the formulas.
    fn golden() -> Value {
        serde_json::from_str::<Value>(include_str!("../../tests/golden/midinet.json")).unwrap()
    }

    #[test]
    fn networks_and_losses_are_those_of_an_independent_implementation() {
        let (golden, device) = (golden(), Device::flex().autodiff());
        let config = Config { hidden: 5, maps: 3, previous_maps: 3, d_maps: 3, ..Config::default() };
        let generator = filled(Generator::new(&config, &Draws::new(0, 0), &device));
        let critic = filled(Discriminator::new(&config, &Draws::new(0, 0), &device));
        let on = |rate: f64, above: f64| wave([2, STEPS, PITCHES], rate).greater_elem(above).float();
        let (bar, before, z) = (on(0.13, 0.9), on(0.17, 0.9), wave([2, 100], 0.23));
        let chord = wave([2, CHORD], 0.19).greater_elem(0.0).float();
        let (fake, told) = generator.in_training(z, chord.clone(), before);
        assert_eq!(told.len(), 9);
        assert_near(fake.clone().slice(s![.., ..;3, ..;5]), &golden["fake"], "G(z)");
        let (real_logits, real_seen) = critic.forward(bar.clone(), chord.clone());
        assert_near(real_logits.clone(), &golden["logits"], "D(x)");
        let (fake_logits, _) = critic.forward(fake.clone().without_autodiff(), chord.clone());
        let d_loss = bce_with_logits(real_logits, config.real_label) + bce_with_logits(fake_logits, 0.0);
        assert_near(d_loss.clone(), &golden["d_loss"], "D's loss");
        assert_gradients(&critic, &d_loss.backward(), &golden["d_gradients"], "D's loss");
        let (logits, seen) = critic.clone().no_grad().forward(fake.clone(), chord);
        let g_loss = bce_with_logits(logits, 1.0);
        let features = apart(seen, real_seen.without_autodiff()) * config.feature_weight;
        let image = apart(fake, bar) * config.image_weight;
        for (found, name) in [(&g_loss, "g_loss"), (&features, "features"), (&image, "image")] {
            assert_near(found.clone(), &golden[name], name);
        }
        let total = g_loss + features + image;
        assert_gradients(&generator, &total.backward(), &golden["g_gradients"], "G's loss");
    }

    #[test]
    fn the_published_sizes_have_their_numbers_of_parameters() {
        let (config, draws, device) = (Config::default(), Draws::new(0, 0), Device::flex());
        let generator = Generator::new(&config, &draws, &device);
        // The running statistics are parameters to Burn: two for each channel of a norm.
        let kept = [&generator.previous_norms, &generator.hidden_norms, &generator.up_norms];
        let kept = kept.into_iter().flatten().map(|norm| 2 * norm.gamma.dims()[0]).sum::<usize>();
        assert_eq!((generator.num_params() - kept) as u64, golden()["generator_parameters"].as_u64().unwrap());
        let found = Discriminator::new(&config, &draws, &device).num_params() as u64;
        assert_eq!(found, golden()["discriminator_parameters"].as_u64().unwrap());
    }

    #[test]
    fn there_is_a_bar_for_each_chord_and_the_first_one_can_be_given() {
        let config = Config { hidden: 8, maps: 4, previous_maps: 2, latent: 6, ..Config::default() };
        let generator = Generator::new(&config, &Draws::new(0, 0), &Device::flex());
        let with = |chords: &str, first: &str| {
            let with = [("chords", chords), ("first", first)].map(|(name, text)| (name.to_owned(), text.to_owned()));
            let request = Request { with: with.into(), ..Request::seeds([3]) };
            crate::recipe::generate(&generator, &request)
        };
        let made = with("Am F", "C4 D4:2 E4:2 . G4").unwrap();
        let [Media::Notes(found)] = made.as_slice() else { panic!("{made:?}") };
        assert_eq!((found.steps, found.chords.len()), (32, 2));
        let first = found.notes.iter().filter(|note| note.start < 16).map(|note| (note.start, note.length, note.pitch));
        assert_eq!(first.collect::<Vec<_>>(), [(0, 4, 60), (4, 2, 62), (6, 2, 64), (12, 4, 67)]);
        assert!(found.notes.iter().any(|note| note.start >= 16));
        let error = with("C", "C4 C4 C4 C4 D4 D4 D4 D4").unwrap_err();
        assert!(error.exit_code() == 2 && error.to_string().contains("first has 2 bars"), "{error}");
        assert_eq!(with("H", "").unwrap_err().exit_code(), 2);
        assert!(with("C", "C3:16").unwrap_err().to_string().contains("alone; write it there"));
    }

    #[test]
    fn a_pitch_that_stays_is_one_note_within_its_bar() {
        let mut bar = vec![Some(60); STEPS];
        bar[4] = None;
        let found = notes(&[bar.clone(), vec![Some(60); STEPS]], &[None, None]);
        let found = found.notes.iter().map(|note| (note.start, note.length)).collect::<Vec<_>>();
        assert_eq!(found, [(0, 4), (5, 11), (16, 16)]);
    }
}
