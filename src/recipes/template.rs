//! A toy GAN that learns eight Gaussians on a ring. It is the recipe to copy for a new one: read it from top to bottom.
//!
//! 1. Copy this file, say to `recipes/mine.rs`. Open it, like this one, with what it is and whence.
//! 2. Add `mod mine;` and one line to `recipes/mod.rs`. Now `ganvas list`, `init`, `train`, `resume` and `sample` know
//!    it, and the tests of every recipe test it.
//! 3. Change what is below, in its order: configuration, networks, model, recipe.
//!
//! The ring itself is the classic picture of mode collapse (Metz et al. 2017, "Unrolled Generative Adversarial
//! Networks", section 3.1): a generator that is fooled finds one Gaussian and stays there.

use crate::data::gaussians::{Mixture, Points};
use crate::nn::Linear;
use crate::prelude::*;

const SLOPE: f64 = 0.2;

// -- Configuration. The struct is the TOML file: a field's docs are its comment there, its range is checked and written beside
// it, `Default` holds the paper's values, and every departure from the paper says why on its line.

/// The configuration of `ring`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How many Gaussians stand on the ring of radius 2.
    #[schemars(range(min = 1))]
    pub modes: u32,
    /// Standard deviation of each Gaussian.
    pub spread: f64,
    /// Entries of the latent vector.
    #[schemars(range(min = 1, max = 4096))]
    pub latent: usize,
    /// Units of each of the two hidden layers, in both networks.
    #[schemars(range(min = 1, max = 4096))]
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
            train: Train { kimg: 1500.0, batch: 256, ..Train::every([10.0, 100.0, 200.0]) },
        }
    }
}

impl Settings for Config {
    fn train(&self) -> &Train {
        &self.train
    }

    // What goes wrong between two keys belongs into `problem`: values of the right type and range can still make no sense together.

    // Only for points in the plane: what `eval` counts modes by.
    fn mixture(&self) -> Option<Mixture> {
        let centre = |mode: u32| {
            let angle = std::f32::consts::TAU * mode as f32 / self.modes as f32;
            [2.0 * angle.cos(), 2.0 * angle.sin()].map(f64::from)
        };
        Some(Mixture { centres: (0..self.modes).map(centre).collect(), deviation: self.spread })
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

// -- Model: the half one keeps. What `sample` and everything after training see of a recipe: what it takes, what it makes, and
// named tensors to named tensors.

/// z `[n, latent]` to points `[n, 2]`.
#[derive(Module, Debug)]
pub struct Generator {
    net: Mlp,
    #[module(skip)]
    latent: usize,
}

impl Model for Generator {
    fn takes(&self) -> Vec<Field> {
        vec![Field::new("seed", Kind::Latent { width: self.latent, prior: Prior::Normal })]
    }

    fn makes(&self) -> Vec<Field> {
        vec![Field::new("point", Kind::Point)]
    }

    fn forward(&self, given: Given) -> Made {
        Made::one("point", self.net.forward(given.tensor("seed")))
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
        time: "9 s",
        presets: &[],
        small: &[], // or settings that make a step small enough for tests
    };
    type Config = Config;
    type Model = Generator;
    type Batch = Points;

    // Batches are made on the host, by a thread of their own while the step before runs.
    fn data(config: &Config, split: Split) -> Result<Box<dyn Source<Points>>> {
        let mixture = config.mixture().expect("the ring's points come from a mixture");
        Ok(mixture.open(config.train.drawing(split)))
    }

    fn model(config: &Config, device: &Device) -> Generator {
        let draws = Draws::new(config.train.seed, 0);
        let net = Mlp::new([config.latent, config.width, 2], &draws, "generator", device);
        Generator { net, latent: config.latent }
    }

    // What the page "How a GAN works" says of the two losses. D's is the mean over real and fake points in one batch.
    fn game(_config: &Config) -> Option<Game> {
        Some(Game { is_halved: true, ..Game::of(Adversarial::NonSaturating) })
    }

    fn new(config: &Config, model: Generator, setup: &Setup<Points>) -> Result<Self> {
        let draws = Draws::new(config.train.seed, 0);
        // Networks in training live on the autodiff device; everything else does without.
        let discriminator = Mlp::new([2, config.width, 1], &draws, "discriminator", &setup.autodiff());
        let adam = AdamConfig::with_beta1(0.5);
        Ok(Ring {
            generator: Trained::new(model, adam, config.average_kimg),
            discriminator: Trained::new(discriminator, adam, 0.0),
            config: config.clone(),
        })
    }

    // The page you check against the paper: each player in turn, then what you would plot.
    fn step(&mut self, real: Points, cx: &StepCx) -> Scalars {
        let Config { latent, learning_rate, .. } = self.config;
        let x = cx.tensor::<2>(real.0); // [n, 2]
        let n = x.dims()[0];
        let z = |player| cx.draws.normal(player, [n, latent], cx.device); // a draw is named after its use

        // D: real against fake, in one batch. G's `valid()` keeps it off the graph.
        let fake = self.generator.net().valid().net.forward(z("d.z"));
        let logits = self.discriminator.net().forward(Tensor::cat(vec![x, fake], 0)); // [2n, 1]
        let targets = Tensor::cat(vec![Tensor::ones([n, 1], cx.device), Tensor::zeros([n, 1], cx.device)], 0);
        let d_loss = adversarial::binary_cross_entropy(logits.clone(), targets);
        let decided = [logits.clone().narrow(0, 0, n), logits.narrow(0, n, n)];
        let scalars = critic::learn(&mut self.discriminator, d_loss, None, decided, learning_rate, cx);

        // G: through the D of this moment, which is a constant for it.
        let fooled = self.discriminator.frozen().forward(self.generator.net().net.forward(z("g.z")));
        let g_loss = adversarial::non_saturating(fooled);
        let g_gradient = self.generator.descend(g_loss.clone(), learning_rate, cx);
        scalars.with("g_loss", g_loss).with("g_gradient_norm", g_gradient)
    }

    // How D does on points that it does not learn from: what the doctor sees it memorise by.
    fn judge(&self, batch: Points, cx: &StepCx) -> Option<Tensor<2>> {
        Some(self.discriminator.net().valid().forward(cx.tensor(batch.0)))
    }

    // Everything a checkpoint must hold; what is missing here breaks the test that resumes every recipe.
    fn parts(&mut self, visit: &mut Parts) {
        self.discriminator.parts("discriminator", visit);
        self.generator.model_parts("generator", visit);
    }
}

// -- One test of what the recipe promises. What holds for every recipe is tested for every recipe.

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipes::tests::points_near;

    #[test]
    fn ring_finds_all_eight_modes() {
        let near = points_near::<Ring>(&Config::default(), 1000);
        assert!(near.iter().all(|&count| count >= 20), "samples near each mode, of 1000: {near:?}");
    }
}
