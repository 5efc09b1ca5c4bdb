//! A toy GAN that learns 25 Gaussians on a grid, and the place to try losses and penalties: all of the menu are one setting.
//!
//! The grid is the one on which mode collapse is usually counted (Lin et al. 2018, "PacGAN", section 4.1). The default game
//! is that of Huang et al. 2024, "The GAN is dead; long live the GAN! A Modern Baseline GAN", equation 2 with R1 and R2
//! (section 2). Every loss is trained alike, one step of D for one of G: WGAN-GP's five steps of D and its own learning
//! rate are left out, so that what differs between two runs is the loss and nothing else.

use burn::module::Param;

use crate::data::gaussians::{Mixture, Points};
use crate::loss::penalty::{self, Penalty};
use crate::nn::{Linear, Pullback, chain, glorot_uniform};
use crate::optim::cosine;
use crate::prelude::*;

const SLOPE: f64 = 0.2;
/// Gaussians on a side of the grid.
const SIDE: u32 = 5;

/// The configuration of `grid`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The game: minimax, non_saturating, least_squares, hinge, wasserstein or relativistic.
    pub loss: Adversarial,
    /// The penalty on D's gradient by its input: none, r1 (on real points), r1r2 (on fake ones too) or wgan_gp.
    pub penalty: Penalty,
    /// The penalty's weight: gamma of R1 and R2, lambda of WGAN-GP.
    pub gamma: f64,
    /// Standard deviation of each Gaussian; they stand 1 apart.
    pub spread: f64,
    /// Entries of the latent vector.
    #[schemars(range(min = 1, max = 4096))]
    pub latent: usize,
    /// Units of each of the three hidden layers, in both networks.
    #[schemars(range(min = 1, max = 4096))]
    pub width: usize,
    /// Adam's learning rate at the beginning, for both players.
    pub learning_rate: f64,
    /// The learning rate falls to 0 along a half cosine within so many thousands of samples; a longer run stands still.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub decay_kimg: f64,
    /// Half-life of the moving average of G's weights that samples come from, in thousands of samples; 0 for none.
    pub average_kimg: f64,
    /// The run. An "image" is one point here.
    pub train: Train,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            loss: Adversarial::Relativistic,
            penalty: Penalty::R1R2,
            gamma: 0.05,
            spread: 0.05,
            latent: 2, // with 16, a run of this length does not find all modes
            width: 64,
            learning_rate: 3e-3,
            decay_kimg: 500.0,
            average_kimg: 20.0,
            train: Train { kimg: 500.0, ..Train::default() },
        }
    }
}

impl Settings for Config {
    fn train(&self) -> &Train {
        &self.train
    }

    fn mixture(&self) -> Option<Mixture> {
        let centre = |mode: u32| [mode % SIDE, mode / SIDE].map(|at| f64::from(at) - 2.0);
        Some(Mixture { centres: (0..SIDE * SIDE).map(centre).collect(), deviation: self.spread })
    }
}

/// Three hidden layers with leaky ReLU 0.2, x `[n, inputs]` to `[n, width]`: weights N(0, 2 / inputs), biases within
/// 1 / √inputs, so that D bends in more places than at 0.
fn hidden([inputs, width]: [usize; 2], draws: &Draws, name: &str, device: &Device) -> [Linear; 3] {
    let layer = |i, inputs: usize| {
        let weight =
            draws.normal(&format!("{name}.{i}.weight"), [inputs, width], device) * (2.0 / inputs as f64).sqrt();
        let bound = 1.0 / (inputs as f32).sqrt();
        Linear::of(weight, draws.uniform(&format!("{name}.{i}.bias"), [width], (-bound, bound), device))
    };
    [layer(0, inputs), layer(1, width), layer(2, width)]
}

/// D: points `[n, 2]` to logits `[n, 1]`.
#[derive(Module, Debug)]
struct Critic {
    hidden: [Linear; 3],
    // [width, 1], without a bias: the relativistic loss and Wasserstein's see differences of logits alone.
    last: Param<Tensor<2>>,
}

impl Critic {
    fn new(width: usize, draws: &Draws, device: &Device) -> Self {
        let last = glorot_uniform(draws, "discriminator.last", [width, 1], device);
        Critic { hidden: hidden([2, width], draws, "discriminator", device), last: Param::from_tensor(last) }
    }

    /// The logits and the way back from them to the points.
    fn vjp(&self, x: Tensor<2>) -> (Tensor<2>, Pullback<2, 2>) {
        let [first, second, third] = &self.hidden;
        let (h, from_first) = first.leaky_vjp(x, SLOPE);
        let (h, from_second) = second.leaky_vjp(h, SLOPE);
        let (h, from_third) = third.leaky_vjp(h, SLOPE);
        let last = self.last.val();
        let logits = h.matmul(last.clone());
        let from_last: Pullback<2, 2> = Box::new(move |gradient| gradient.matmul(last.transpose()));
        (logits, chain(from_last, chain(from_third, chain(from_second, from_first))))
    }
}

/// G: z `[n, latent]` to points `[n, 2]`.
#[derive(Module, Debug)]
pub struct Generator {
    hidden: [Linear; 3],
    last: Linear,
    #[module(skip)]
    latent: usize,
}

impl Generator {
    fn forward(&self, z: Tensor<2>) -> Tensor<2> {
        self.last.forward(self.hidden.iter().fold(z, |h, layer| layer.leaky(h, SLOPE, None)))
    }
}

impl Model for Generator {
    fn takes(&self) -> Vec<Field> {
        vec![Field::new("seed", Kind::Latent { width: self.latent, prior: Prior::Normal })]
    }

    fn makes(&self) -> Vec<Field> {
        vec![Field::new("point", Kind::Point)]
    }

    fn forward(&self, given: Given) -> Made {
        Made::one("point", self.forward(given.tensor("seed")))
    }
}

/// The two players in training.
pub struct Grid {
    config: Config,
    generator: Trained<Generator>,
    discriminator: Trained<Critic>,
}

impl Recipe for Grid {
    const INFO: Info = Info {
        name: "grid",
        title: "25 Gaussians on a grid",
        paper: "Huang et al. 2024, The GAN is dead; long live the GAN!",
        sentence: "A toy GAN in the plane that finds every mode; try any loss and penalty on it.",
        dataset: None,
        time: "6 s",
        presets: &[],
        small: &[],
    };
    type Config = Config;
    type Model = Generator;
    type Batch = Points;

    fn data(config: &Config, split: Split) -> Result<Box<dyn Source<Points>>> {
        let mixture = config.mixture().expect("the grid's points come from a mixture");
        Ok(mixture.open(config.train.drawing(split)))
    }

    fn model(config: &Config, device: &Device) -> Generator {
        let draws = Draws::new(config.train.seed, 0);
        let hidden = hidden([config.latent, config.width], &draws, "generator", device);
        let last = Linear::glorot(&draws, "generator.last", config.width, 2, device);
        Generator { hidden, last, latent: config.latent }
    }

    fn game(config: &Config) -> Option<Game> {
        Some(Game::of(config.loss))
    }

    fn new(config: &Config, model: Generator, setup: &Setup<Points>) -> Result<Self> {
        let discriminator = Critic::new(config.width, &Draws::new(config.train.seed, 0), &setup.autodiff());
        let adam = AdamConfig { beta2: 0.99, ..AdamConfig::with_beta1(0.0) };
        Ok(Grid {
            generator: Trained::new(model, adam, config.average_kimg),
            discriminator: Trained::new(discriminator, adam, 0.0),
            config: config.clone(),
        })
    }

    fn step(&mut self, real: Points, cx: &StepCx) -> Scalars {
        let Config { loss, penalty, gamma, latent, .. } = self.config;
        let rate = cosine(self.config.learning_rate, 0.0, cx.images as f64, self.config.decay_kimg * 1000.0);
        let x = cx.tensor::<2>(real.0); // [n, 2]
        let n = x.dims()[0];
        let z = |player| cx.draws.normal(player, [n, latent], cx.device);

        // D: real against fake, and the penalty on how steep it is.
        let fake = self.generator.net().valid().forward(z("d.z")); // [n, 2]
        let critic = self.discriminator.net();
        let (on_real, on_fake) = (critic.vjp(x.clone()), critic.vjp(fake.clone()));
        let logits = [on_real.0.clone(), on_fake.0.clone()]; // [n, 1]
        let t = || cx.draws.uniform("d.between", [n], (0.0, 1.0), cx.device);
        let penalty = penalty.of(gamma, on_real, on_fake, || critic.vjp(penalty::between(x.clone(), fake, t())));
        let scalars = loss.learn(&mut self.discriminator, logits, penalty, rate, cx);

        // G: through the D of this moment, which is a constant for it.
        let critic = self.discriminator.frozen();
        let (fooled, _) = critic.vjp(self.generator.net().forward(z("g.z")));
        let g_loss = loss.generator(fooled, || critic.vjp(x).0);
        let g_gradient = self.generator.descend(g_loss.clone(), rate, cx);
        scalars.with("g_loss", g_loss).with("g_gradient_norm", g_gradient)
    }

    fn judge(&self, batch: Points, cx: &StepCx) -> Option<Tensor<2>> {
        Some(self.discriminator.net().valid().vjp(cx.tensor(batch.0)).0)
    }

    fn parts(&mut self, visit: &mut Parts) {
        self.discriminator.parts("discriminator", visit);
        self.generator.model_parts("generator", visit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipes::tests::points_near;

    #[test]
    fn grid_finds_all_25_modes() {
        let near = points_near::<Grid>(&Config::default(), 2500);
        assert!(near.iter().all(|&count| count >= 20), "samples near each mode, of 2,500: {near:?}");
    }
}
