//! MidiNet: a melody, bar after bar, each by the chord below it and the bar before it.
//!
//! Yang, Chou and Yang 2017, "MidiNet: A Convolutional Generative Adversarial Network for Symbolic-domain Music Generation",
//! with the sizes and constants of the authors' published code. A bar is sixteen steps of 128 pitches, one of them on. All
//! convolutions are as wide as the pitches or lie along the steps alone, so they are written as the products they are.

use burn::module::Param;
use burn::tensor::Int;
use burn::tensor::activation::sigmoid;
use ganvas_kernels::{Over, bce_with_logits};

use crate::data::music::{self, BEFORE, BarBatch, CHORDS, HIGHEST, LOWEST, Music, STEPS};
use crate::model::chord_vectors;
use crate::nn::{BatchNorm, Init, Normalization, Statistics};
use crate::prelude::*;

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
const INIT: Init = Init::Normal { deviation: 0.02 };
/// The chords of a sample for which none are given.
const USUAL: &str = "C G Am F C F G C";
/// The name of the first bar, where it is given.
const FIRST: &str = "first";
const PREVIEWED: usize = 32; // held-out bars
/// What it learns when no other music is given.
const SET: &str = "folk";

/// The configuration of `midinet`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Entries of the latent vector.
    #[schemars(range(min = 1, max = 4096))]
    pub latent: usize,
    /// Units of the fully connected layers of both networks.
    #[schemars(range(min = 1, max = 4096))]
    pub hidden: usize,
    /// Maps of G's transposed convolutions.
    #[schemars(range(min = 1, max = 4096))]
    pub maps: usize,
    /// Maps of what G sees of the bar before.
    #[schemars(range(min = 1, max = 4096))]
    pub previous_maps: usize,
    /// Maps of D's second layer.
    #[schemars(range(min = 1, max = 4096))]
    pub d_maps: usize,
    /// D's target for real bars.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub real_label: f64,
    /// Weight of half the squared distance between what D's first layer sees of real and of made bars in the mean.
    pub feature_weight: f64,
    /// Weight of half the squared distance between the mean real and the mean made bar.
    pub image_weight: f64,
    /// Updates of G to one of D.
    #[schemars(range(min = 1, max = 10))]
    pub g_steps: usize,
    /// Half-life of the moving average of G's weights that samples come from, in thousands of bars; 0 for none.
    pub average_kimg: f64,
    /// The optimizer, for both players.
    pub adam: Adam,
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
            average_kimg: 0.0,
            adam: Adam { learning_rate: 5e-5, ..Adam::default() },
            data: Music::default(),
            train: Train {
                kimg: 1010.0, // 20 passes over the paper's 50,496 bars
                batch: 72,
                eval_metrics: vec!["music".to_owned()],
                ..Train::every([5.0, 50.0, 50.0])
            },
        }
    }
}

impl Settings for Config {
    fn train(&self) -> &Train {
        &self.train
    }

    fn problem(&self) -> Option<String> {
        let wrong = "train.batch is 1, of which batch norm makes nothing; give 2 or more";
        (self.train.batch < 2).then(|| wrong.into())
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

    /// In training, with room for what the batch `told` of its norms; else by the running statistics.
    fn logits(&self, z: Tensor<2>, chord: Tensor<2>, before: Tensor<3>, told: Option<&Statistics>) -> Tensor<3> {
        let n = z.dims()[0];
        let mut seen = Vec::<Tensor<3>>::new(); // [n, 16, previous_maps], then half as many steps each time
        for (i, (layer, norm)) in self.previous.iter().zip(&self.previous_norms).enumerate() {
            let (x, steps) = if i == 0 { (before.clone(), 1) } else { (seen[i - 1].clone(), 2) };
            seen.push(channels(layer.over(x, steps), |x| norm.leaky(x, SLOPE, told)));
        }
        let mut h = z;
        for (layer, norm) in self.hidden.iter().zip(&self.hidden_norms) {
            let x = layer.forward(Tensor::cat(vec![h, chord.clone()], 1));
            h = units(x, |x| norm.leaky(x, 0.0, told));
        }
        let mut h = h.reshape([n as i32, FIRST_STEPS as i32, -1]); // [n, 2, maps]
        let mut beside = |h: Tensor<3>| {
            let steps = h.dims()[1];
            let chord = chord.clone().unsqueeze_dim::<3>(1).expand([n, steps, CHORD]);
            Tensor::cat([Some(h), Some(chord), seen.pop()].into_iter().flatten().collect(), 2)
        };
        for (layer, norm) in self.up.iter().zip(&self.up_norms) {
            h = channels(layer.back(beside(h), 2), |x| norm.leaky(x, 0.0, told)); // [n, twice the steps, maps]
        }
        self.last.back(beside(h), 1)
    }

    /// A bar's probabilities.
    fn in_training(&self, z: Tensor<2>, chord: Tensor<2>, before: Tensor<3>, told: &Statistics) -> Tensor<3> {
        sigmoid(self.logits(z, chord, before, Some(told)))
    }
}

/// Pitches `[n, 16]`, or -1 where nothing sounds, as rolls `[n, 16, 128]` of 0 and 1.
fn rolls(pitches: Tensor<2>) -> Tensor<3> {
    let [n, steps] = pitches.dims();
    let each = Tensor::<1, Int>::arange(0..PITCHES as i64, &pitches.device()).float();
    let shape = [n, steps, PITCHES];
    pitches.unsqueeze_dim::<3>(2).expand(shape).equal(each.reshape([1, 1, PITCHES]).expand(shape)).float()
}

/// Pitches `[n, 16]` without rests, as the network learned them: each prolongs the note before it, or has the note after it where
/// there is none.
fn prolonged(pitches: Tensor<2>) -> Tensor<2> {
    let steps = (0..STEPS).map(|step| pitches.clone().narrow(1, step, 1)).collect::<Vec<Tensor<2>>>();
    let sounding =
        |step: &Tensor<2>, other: Tensor<2>| other.mask_where(step.clone().greater_equal_elem(0.0), step.clone());
    let first = steps.iter().rev().fold(steps[STEPS - 1].clone(), |now, step| sounding(step, now));
    let mut now = first;
    let all = steps.iter().map(|step| {
        now = sounding(step, now.clone());
        now.clone()
    });
    Tensor::cat(all.collect(), 1)
}

impl Model for Generator {
    fn takes(&self) -> Vec<Field> {
        let bar = || Kind::Bar { pitches: [LOWEST, HIGHEST] };
        vec![
            Field::new("seed", Kind::Latent { width: self.latent, prior: Prior::Normal }),
            Field::new(CHORDS, Kind::Chords { usual: USUAL.to_owned() }),
            Field::new(FIRST, bar()),
            Field::new(BEFORE, bar()),
        ]
    }

    fn makes(&self) -> Vec<Field> {
        vec![Field::new("notes", Kind::Notes)]
    }

    /// As many bars as there are chords, of which a given first bar is the first: in each step the likeliest note.
    fn forward(&self, given: Given) -> Made {
        let chords = given.tensor::<3>(CHORDS);
        let [n, bars, _] = chords.dims();
        let z = given.tensor::<2>("seed").reshape([n, bars, self.latent]);
        let of = |all: &Tensor<3>, bar: usize| all.clone().narrow(1, bar, 1).squeeze_dim::<2>(1);
        let first = given.get::<2>(FIRST);
        let before = first.clone().or(given.get(BEFORE)).map(|bar| rolls(prolonged(bar)));
        let mut before = before.unwrap_or_else(|| Tensor::zeros([n, STEPS, PITCHES], &chords.device()));
        let mut made = first.into_iter().collect::<Vec<Tensor<2>>>();
        for bar in made.len()..bars {
            let pitches = self.logits(of(&z, bar), of(&chords, bar), before, None).argmax(2);
            let pitches = pitches.float().reshape([n, STEPS]);
            before = rolls(pitches.clone());
            made.push(pitches);
        }
        Made::one("notes", Tensor::stack::<3>(made, 1))
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
        time: "17 min",
        presets: &[],
        small: &["hidden=8", "maps=4", "previous_maps=2", "d_maps=4", "latent=8", "train.batch=4"],
    };
    type Config = Config;
    type Model = Generator;
    type Batch = BarBatch;

    fn data(config: &Config, split: Split) -> Result<Box<dyn Source<BarBatch>>> {
        music::open(&config.data, SET, config.train.drawing(split).showing(PREVIEWED))
    }

    fn model(config: &Config, device: &Device) -> Generator {
        Generator::new(config, &Draws::new(config.train.seed, 0), device)
    }

    fn game(config: &Config) -> Option<Game> {
        Some(Game { real_label: config.real_label, ..Game::of(Adversarial::NonSaturating) })
    }

    fn new(config: &Config, model: Generator, setup: &Setup<BarBatch>) -> Result<Self> {
        let discriminator = Discriminator::new(config, &Draws::new(config.train.seed, 0), &setup.autodiff());
        Ok(Midinet {
            generator: Trained::new(model, config.adam.rule(), config.average_kimg),
            discriminator: Trained::new(discriminator, config.adam.rule(), 0.0),
            config: config.clone(),
        })
    }

    fn step(&mut self, batch: BarBatch, cx: &StepCx) -> Scalars {
        let Config { latent, real_label, feature_weight, image_weight, g_steps, adam, .. } = self.config;
        let [x, before] = batch.pitches().map(|bars| rolls(cx.tensor(bars))); // [n, 16, 128]
        let chord = chords_of(&batch, cx.device);
        let n = batch.bars.len();
        let z = |player: &str| Prior::Normal.draw(&cx.draws, &format!("{player}.z"), [n, latent], cx.device);

        // D, with labels smoothed on one side
        let generator = self.generator.net().valid();
        let fake = generator.in_training(z("d"), chord.clone(), before.clone(), &Statistics::default());
        let critic = self.discriminator.net();
        let [real, fake] = [x.clone(), fake].map(|bar| critic.forward(bar, chord.clone()).0);
        let d_loss = bce_with_logits(real.clone(), real_label) + bce_with_logits(fake.clone(), 0.0);
        let decided = [real, fake];
        let mut scalars = critic::learn(&mut self.discriminator, d_loss, None, decided, adam.learning_rate, cx);

        // G, twice: D's judgement, and to be like the real bars in the mean, as D's first layer sees them and as they are
        for i in 0..g_steps {
            let critic = self.discriminator.frozen();
            let (_, real_seen) = critic.forward(x.clone(), chord.clone());
            let (generator, told) = (self.generator.net(), Statistics::default());
            let fake = generator.in_training(z(&format!("g.{i}")), chord.clone(), before.clone(), &told);
            let (logits, seen) = critic.forward(fake.clone(), chord.clone());
            drop(critic);
            let g_loss = bce_with_logits(logits, 1.0);
            let features = apart(seen, real_seen) * feature_weight;
            let image = apart(fake, x.clone()) * image_weight;
            self.generator.change(|generator| told.followed_by(generator));
            let total = g_loss.clone() + features.clone() + image.clone();
            let g_gradient = self.generator.descend(total, adam.learning_rate, cx);
            if i + 1 == g_steps {
                scalars = scalars.with("g_loss", g_loss).with("g_gradient_norm", g_gradient);
                scalars = scalars.with("features", features).with("image", image);
            }
        }
        scalars
    }

    fn judge(&self, batch: BarBatch, cx: &StepCx) -> Option<Tensor<2>> {
        let ([bars, _], chord) = (batch.pitches(), chords_of(&batch, cx.device));
        Some(self.discriminator.net().valid().forward(rolls(cx.tensor(bars)), chord).0)
    }

    fn parts(&mut self, visit: &mut Parts) {
        self.discriminator.parts("discriminator", visit);
        self.generator.model_parts("generator", visit);
    }
}

/// The chord of each bar `[n, 13]`.
fn chords_of(batch: &BarBatch, device: &Device) -> Tensor<2> {
    let each = batch.chords.iter().map(|chord| vec![*chord]).collect::<Vec<_>>();
    chord_vectors(&each, device).squeeze_dim(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::music::notes;
    use crate::golden::{assert_gradients, assert_near, filled, wave};
    use crate::media::Media;
    use crate::model::generate;
    use crate::request::Request;
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
        let fake = generator.in_training(z, chord.clone(), before, &Statistics::default());
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
            let request = Request::seeds([3]).with(CHORDS, &chords.into()).with(FIRST, &first.into());
            generate(&generator, &request)
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
