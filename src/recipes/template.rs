//! A toy GAN that learns eight Gaussians on a ring. It is the recipe to copy for a new one: read it from top to bottom.
//!
//! 1. Copy this file, say to `recipes/mine.rs`. Open it, like this one, with what it is and whence.
//! 2. Add `mod mine;` and one line to `recipes/mod.rs`. Now `ganvas list`, `init`, `train`, `resume` and `sample` know
//!    it, and the tests of every recipe test it.
//! 3. Change what is below, in its order: configuration, networks, model, recipe.
//!
//! The ring itself is the classic picture of mode collapse (Metz et al. 2017, "Unrolled Generative Adversarial
//! Networks", section 3.1): a generator that is fooled finds one Gaussian and stays there.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use rand_distr::{Distribution, StandardNormal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{Settings, Train};
use crate::data::source::Source;
use crate::error::Result;
use crate::loss::adversarial::{self, Adversarial};
use crate::media::Media;
use crate::nn::Linear;
use crate::optim::{AdamConfig, Trained, average_decay};
use crate::parts::Parts;
use crate::random::Draws;
use crate::recipe::{Game, Info, Input, Mixture, Model, Prior, Recipe, Request, Scalars, Split, StepCx};

/// How many samples a preview shows.
const PREVIEW_SEEDS: u64 = 512;
const SLOPE: f64 = 0.2;

// -- Configuration. The struct is the TOML file: a field's docs are its comment there, `Default` holds the paper's
// values, and every departure from the paper says why on its line.

/// The configuration of `ring`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How many Gaussians stand on the ring of radius 2.
    pub modes: u32,
    /// Standard deviation of each Gaussian.
    pub spread: f64,
    /// Entries of the latent vector.
    pub latent: usize,
    /// Units of each of the two hidden layers, in both networks.
    pub width: usize,
    /// Adam's learning rate, for both players.
    pub learning_rate: f64,
    /// Half-life of the moving average of G's weights that samples come from, in thousands of samples; 0 for none.
    pub average_kimg: f64,
    /// The run. An "image" is one point here.
    pub train: Train,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            modes: 8,
            spread: 0.05,
            latent: 32,
            width: 128,
            learning_rate: 2e-4,
            average_kimg: 10.0,
            train: Train {
                kimg: 1500.0,
                batch: 256,
                log_every_kimg: 10.0,
                preview_every_kimg: 100.0,
                checkpoint_every_kimg: 200.0,
                ..Train::default()
            },
        }
    }
}

impl Settings for Config {
    fn train(&self) -> &Train {
        &self.train
    }

    // Values of the right type can still make no sense; say so before the run, with the way out.
    fn problem(&self) -> Option<String> {
        const MOST: usize = 4096;
        if self.modes == 0 || !(1..=MOST).contains(&self.latent) || !(1..=MOST).contains(&self.width) {
            return Some(format!("modes must be at least 1, latent and width 1 to {MOST}"));
        }
        let rates =
            [("spread", self.spread), ("learning_rate", self.learning_rate), ("average_kimg", self.average_kimg)];
        let wrong = rates.into_iter().find(|(_, value)| *value < 0.0 || !value.is_finite());
        wrong.map(|(name, value)| format!("{name} is {value}; give a number of at least 0"))
    }
}

impl Config {
    /// The mean of a Gaussian.
    fn centre(&self, mode: u32) -> [f32; 2] {
        let angle = std::f32::consts::TAU * mode as f32 / self.modes as f32;
        [2.0 * angle.cos(), 2.0 * angle.sin()]
    }
}

// -- Networks. `derive(Module)` names every tensor by its path, such as `layers.0.weight`, for checkpoints and messages.

/// x `[n, inputs]` to `[n, outputs]`: two hidden layers with leaky ReLU 0.2.
#[derive(Module, Debug)]
struct Mlp {
    layers: [Linear; 3],
}

impl Mlp {
    // Every draw has a name of its own, so `name` tells the two networks' weights apart.
    fn new([inputs, width, outputs]: [usize; 3], draws: &Draws, name: &str, device: &Device) -> Self {
        let layer = |i, from, to| Linear::glorot(draws, &format!("{name}.{i}"), from, to, device);
        Mlp { layers: [layer(0, inputs, width), layer(1, width, width), layer(2, width, outputs)] }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let [first, second, last] = &self.layers;
        last.forward(second.leaky(first.leaky(x, SLOPE, None), SLOPE, None))
    }
}

// -- Model: the half one keeps. What `sample` and everything after training see of a recipe.

/// z `[n, latent]` to points `[n, 2]`.
#[derive(Module, Debug)]
pub struct Generator {
    net: Mlp,
    #[module(skip)]
    latent: usize,
}

impl Model for Generator {
    fn inputs(&self) -> Vec<Input> {
        vec![Input::Seed]
    }

    fn generate(&self, request: &Request) -> Result<Vec<Media>> {
        if request.latents.is_empty() {
            return Ok(Vec::new());
        }
        let device = self.net.layers[0].weight.device();
        let z = request.latent_vectors(Prior::Normal, self.latent, &device);
        let points = self.net.forward(z).into_data().iter::<f32>().collect::<Vec<f32>>();
        Ok(points.chunks(2).map(|point| Media::Point([point[0], point[1]])).collect())
    }
}

// -- Recipe: the half one throws away. Critics, optimizers, one step.

/// The two players in training.
pub struct Ring {
    config: Config,
    generator: Trained<Generator>,
    discriminator: Trained<Mlp>,
}

impl Recipe for Ring {
    const INFO: Info = Info {
        name: "ring",
        title: "Eight Gaussians on a ring",
        paper: "Metz et al. 2017, Unrolled Generative Adversarial Networks",
        sentence: "A toy GAN in the plane that trains in seconds; the recipe to copy for a new one.",
        dataset: None, // or the name of a set in data::SETS that `train` fetches by itself
        small: &[],    // or settings that make a step small enough for tests
    };
    type Config = Config;
    type Model = Generator;
    type Batch = TensorData; // [n, 2], f32

    // Batches are made on the host, so that a source never waits for the device.
    fn data(config: &Config, split: Split) -> Result<Box<dyn Source<TensorData>>> {
        Ok(Box::new(Gaussians { config: config.clone(), split }))
    }

    fn model(config: &Config, device: &Device) -> Generator {
        let draws = Draws::new(config.train.seed, 0);
        let net = Mlp::new([config.latent, config.width, 2], &draws, "generator", device);
        Generator { net, latent: config.latent }
    }

    // Only for points in the plane: what `eval` counts modes by.
    fn mixture(config: &Config) -> Option<Mixture> {
        let centres = (0..config.modes).map(|mode| config.centre(mode).map(f64::from)).collect();
        Some(Mixture { centres, deviation: config.spread })
    }

    // What the page "How a GAN works" says of the two losses. D's is the mean over real and fake points in one batch.
    fn game(_config: &Config) -> Option<Game> {
        Some(Game { is_halved: true, ..Game::of(Adversarial::NonSaturating) })
    }

    fn new(config: &Config, model: Generator, device: &Device) -> Self {
        let draws = Draws::new(config.train.seed, 0);
        // Networks in training live on the autodiff device; everything else does without.
        let discriminator = Mlp::new([2, config.width, 1], &draws, "discriminator", &device.clone().autodiff());
        let adam = AdamConfig::with_beta1(0.5);
        Ring {
            generator: Trained::new(model, adam, config.average_kimg > 0.0),
            discriminator: Trained::new(discriminator, adam, false),
            config: config.clone(),
        }
    }

    // The page you check against the paper: each player in turn, then what you would plot.
    fn step(&mut self, real: TensorData, cx: &StepCx) -> Scalars {
        let Config { latent, learning_rate, average_kimg, .. } = self.config;
        let x = Tensor::<2>::from_data(real, cx.device); // [n, 2]
        let n = x.dims()[0];
        let z = |player| cx.draws.normal(player, [n, latent], cx.device); // a draw is named after its use

        // D: real against fake, in one batch. G's `valid()` keeps it off the graph.
        let fake = self.generator.net().valid().net.forward(z("d.z"));
        let logits = self.discriminator.net().forward(Tensor::cat(vec![x, fake], 0)); // [2n, 1]
        let targets = Tensor::cat(vec![Tensor::ones([n, 1], cx.device), Tensor::zeros([n, 1], cx.device)], 0);
        let d_loss = adversarial::binary_cross_entropy(logits.clone(), targets);
        let d_gradient = self.discriminator.descend(d_loss.clone(), learning_rate, 0.0);

        // G: through the D of this moment, which is a constant for it.
        let fooled = self.discriminator.frozen().forward(self.generator.net().net.forward(z("g.z")));
        let g_loss = adversarial::non_saturating(fooled);
        let decay = average_decay(n, average_kimg, cx.images);
        let g_gradient = self.generator.descend(g_loss.clone(), learning_rate, decay);

        Scalars::default()
            .with("d_loss", d_loss)
            .with("g_loss", g_loss)
            .judged(logits.clone().narrow(0, 0, n), logits.narrow(0, n, n))
            .with("d_gradient_norm", d_gradient)
            .with("g_gradient_norm", g_gradient)
    }

    fn preview(&self, _held: &TensorData) -> Result<Vec<Media>> {
        self.generator.sampler().generate(&Request::seeds(0..PREVIEW_SEEDS))
    }

    // What the doctor holds samples against, and how D does on pictures it does not learn from.
    fn real(batch: &TensorData) -> Vec<Media> {
        let points = batch.iter::<f32>().collect::<Vec<f32>>();
        points.chunks(2).map(|point| Media::Point([point[0], point[1]])).collect()
    }

    fn judge(&self, batch: &TensorData, device: &Device) -> Option<Tensor<2>> {
        Some(self.discriminator.net().valid().forward(Tensor::from_data(batch.clone(), device)))
    }

    // Everything a checkpoint must hold; what is missing here breaks the test that resumes every recipe.
    fn parts(&mut self, visit: &mut Parts) {
        self.discriminator.parts("discriminator", visit);
        self.generator.model_parts("generator", visit);
    }
}

/// Points drawn anew for every batch.
struct Gaussians {
    config: Config,
    split: Split,
}

impl Source<TensorData> for Gaussians {
    fn items(&self) -> usize {
        usize::MAX // there is no end of them
    }

    // A batch is a function of the step, which is why a resumed run has nothing to restore.
    fn batch(&self, step: u64) -> Result<TensorData> {
        let Config { modes, spread, train, .. } = &self.config;
        let draws = Draws::new(train.seed, step);
        let name = match self.split {
            Split::Train => "train",
            Split::Validation => "validation",
        };
        let mut noise = draws.stream(&format!("{name}.noise"));
        let mut normal = || -> f32 { StandardNormal.sample(&mut noise) };
        let spread = *spread as f32;
        let points = draws.indices(&format!("{name}.mode"), *modes, train.batch).into_iter().flat_map(|mode| {
            let [x, y] = self.config.centre(mode);
            [x + spread * normal(), y + spread * normal()]
        });
        Ok(TensorData::new(points.collect::<Vec<f32>>(), [train.batch, 2]))
    }
}

// -- One test of what the recipe promises. What holds for every recipe is tested for every recipe.

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ring_finds_all_eight_modes() {
        let config = Config::default();
        let device = Device::flex();
        let source = Ring::data(&config, Split::Train).unwrap();
        let mut ring = Ring::new(&config, Ring::model(&config, &device.clone().autodiff()), &device);
        for step in 0..config.train.total_steps() {
            let images = step * config.train.batch as u64;
            let cx = StepCx { step, images, draws: Draws::new(config.train.seed, step), device: &device };
            ring.step(source.batch(step).unwrap(), &cx);
        }
        let samples = ring.generator.sampler().generate(&Request::seeds(0..1000)).unwrap();
        let mut near = [0; 8];
        for sample in &samples {
            let Media::Point([x, y]) = sample else { panic!("ring makes points, not {sample:?}") };
            for (mode, count) in near.iter_mut().enumerate() {
                let angle = std::f32::consts::TAU * mode as f32 / 8.0;
                let distance = (x - 2.0 * angle.cos()).hypot(y - 2.0 * angle.sin());
                *count += u32::from(f64::from(distance) < 4.0 * config.spread);
            }
        }
        assert!(near.iter().all(|&count| count >= 20), "samples near each mode, of 1000: {near:?}");
    }
}
