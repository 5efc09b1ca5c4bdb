//! A toy GAN that learns 25 Gaussians on a grid, and the place to try losses and penalties: all of the menu are one setting.
//!
//! The grid is the one on which mode collapse is usually counted (Lin et al. 2018, "PacGAN", section 4.1). The default game
//! is that of Huang et al. 2024, "The GAN is dead; long live the GAN! A Modern Baseline GAN", equation 2 with R1 and R2
//! (section 2). Every loss is trained alike, one step of D for one of G: WGAN-GP's five steps of D and its own learning
//! rate are left out, so that what differs between two runs is the loss and nothing else.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use rand_distr::{Distribution, StandardNormal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{Settings, Train};
use crate::data::source::Source;
use crate::error::Result;
use crate::loss::adversarial::Adversarial;
use crate::loss::penalty::{self, Penalty};
use crate::media::Media;
use crate::nn::{Linear, Pullback, chain, glorot_uniform};
use crate::optim::{AdamConfig, Trained, average_decay, cosine};
use crate::parts::Parts;
use crate::random::Draws;
use crate::recipe::{Game, Info, Input, Mixture, Model, Prior, Recipe, Request, Scalars, Split, StepCx};

/// How many samples a preview shows.
const PREVIEW_SEEDS: u64 = 1024;
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
    pub latent: usize,
    /// Units of each of the three hidden layers, in both networks.
    pub width: usize,
    /// Adam's learning rate at the beginning, for both players.
    pub learning_rate: f64,
    /// The learning rate falls to 0 along a half cosine within so many thousands of samples; a longer run stands still.
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

    fn problem(&self) -> Option<String> {
        const MOST: usize = 4096;
        if !(1..=MOST).contains(&self.latent) || !(1..=MOST).contains(&self.width) {
            return Some(format!("latent and width must be 1 to {MOST}"));
        }
        if !(self.decay_kimg > 0.0 && self.decay_kimg.is_finite()) {
            return Some(format!("decay_kimg is {}; give a number above 0", self.decay_kimg));
        }
        let rates = [
            ("gamma", self.gamma),
            ("spread", self.spread),
            ("learning_rate", self.learning_rate),
            ("average_kimg", self.average_kimg),
        ];
        let wrong = rates.into_iter().find(|(_, value)| *value < 0.0 || !value.is_finite());
        wrong.map(|(name, value)| format!("{name} is {value}; give a number of at least 0"))
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
    fn inputs(&self) -> Vec<Input> {
        vec![Input::Seed]
    }

    fn generate(&self, request: &Request) -> Result<Vec<Media>> {
        if request.latents.is_empty() {
            return Ok(Vec::new());
        }
        let z = request.latent_vectors(Prior::Normal, self.latent, &self.last.weight.device());
        let points = self.forward(z).into_data().iter::<f32>().collect::<Vec<f32>>();
        Ok(points.chunks(2).map(|point| Media::Point([point[0], point[1]])).collect())
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
        small: &[],
    };
    type Config = Config;
    type Model = Generator;
    type Batch = TensorData; // [n, 2], f32

    fn data(config: &Config, split: Split) -> Result<Box<dyn Source<TensorData>>> {
        Ok(Box::new(Gaussians { config: config.clone(), split }))
    }

    fn model(config: &Config, device: &Device) -> Generator {
        let draws = Draws::new(config.train.seed, 0);
        let hidden = hidden([config.latent, config.width], &draws, "generator", device);
        let last = Linear::glorot(&draws, "generator.last", config.width, 2, device);
        Generator { hidden, last, latent: config.latent }
    }

    fn mixture(config: &Config) -> Option<Mixture> {
        let centres = (0..SIDE * SIDE).map(|mode| centre(mode).map(f64::from)).collect();
        Some(Mixture { centres, deviation: config.spread })
    }

    fn game(config: &Config) -> Option<Game> {
        Some(Game::of(config.loss))
    }

    fn new(config: &Config, model: Generator, device: &Device) -> Self {
        let draws = Draws::new(config.train.seed, 0);
        let discriminator = Critic::new(config.width, &draws, &device.clone().autodiff());
        let adam = AdamConfig { beta2: 0.99, ..AdamConfig::with_beta1(0.0) };
        Grid {
            generator: Trained::new(model, adam, config.average_kimg > 0.0),
            discriminator: Trained::new(discriminator, adam, false),
            config: config.clone(),
        }
    }

    fn step(&mut self, real: TensorData, cx: &StepCx) -> Scalars {
        let Config { loss, penalty, gamma, latent, average_kimg, .. } = self.config;
        let rate = cosine(self.config.learning_rate, 0.0, cx.images as f64, self.config.decay_kimg * 1000.0);
        let x = Tensor::<2>::from_data(real, cx.device); // [n, 2]
        let n = x.dims()[0];
        let z = |player| cx.draws.normal(player, [n, latent], cx.device);

        // D: real against fake, and the penalty on how steep it is.
        let fake = self.generator.net().valid().forward(z("d.z")); // [n, 2]
        let critic = self.discriminator.net();
        let (on_real, on_fake) = (critic.vjp(x.clone()), critic.vjp(fake.clone()));
        let (real_logits, fake_logits) = (on_real.0.clone(), on_fake.0.clone()); // [n, 1]
        let t = || cx.draws.uniform("d.between", [n], (0.0, 1.0), cx.device);
        let penalty = penalty.of(gamma, on_real, on_fake, || critic.vjp(penalty::between(x.clone(), fake, t())));
        let d_loss = loss.discriminator(real_logits.clone(), fake_logits.clone());
        let penalty = penalty.unwrap_or_else(|| Tensor::zeros([1], cx.device));
        let d_gradient = self.discriminator.descend(d_loss.clone() + penalty.clone(), rate, 0.0);

        // G: through the D of this moment, which is a constant for it.
        let critic = self.discriminator.frozen();
        let (fooled, _) = critic.vjp(self.generator.net().forward(z("g.z")));
        let g_loss = loss.generator(fooled, || critic.vjp(x).0);
        let decay = average_decay(n, average_kimg, cx.images);
        let g_gradient = self.generator.descend(g_loss.clone(), rate, decay);

        let [real_logits, fake_logits] = loss.decided(real_logits, fake_logits);
        Scalars::default()
            .with("d_loss", d_loss)
            .with("g_loss", g_loss)
            .with("penalty", penalty)
            .judged(real_logits, fake_logits)
            .with("d_gradient_norm", d_gradient)
            .with("g_gradient_norm", g_gradient)
    }

    fn preview(&self, _held: &TensorData) -> Result<Vec<Media>> {
        self.generator.sampler().generate(&Request::seeds(0..PREVIEW_SEEDS))
    }

    fn real(batch: &TensorData) -> Vec<Media> {
        let points = batch.iter::<f32>().collect::<Vec<f32>>();
        points.chunks(2).map(|point| Media::Point([point[0], point[1]])).collect()
    }

    fn judge(&self, batch: &TensorData, device: &Device) -> Option<Tensor<2>> {
        Some(self.discriminator.net().valid().vjp(Tensor::from_data(batch.clone(), device)).0)
    }

    fn parts(&mut self, visit: &mut Parts) {
        self.discriminator.parts("discriminator", visit);
        self.generator.model_parts("generator", visit);
    }
}

/// The mean of a Gaussian.
fn centre(mode: u32) -> [f32; 2] {
    [mode % SIDE, mode / SIDE].map(|at| at as f32 - 2.0)
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

    fn batch(&self, step: u64) -> Result<TensorData> {
        let Config { spread, train, .. } = &self.config;
        let draws = Draws::new(train.seed, step);
        let name = match self.split {
            Split::Train => "train",
            Split::Validation => "validation",
        };
        let mut noise = draws.stream(&format!("{name}.noise"));
        let mut around = |centre: f32| -> f32 {
            let normal: f32 = StandardNormal.sample(&mut noise);
            centre + *spread as f32 * normal
        };
        let modes = draws.indices(&format!("{name}.mode"), SIDE * SIDE, train.batch);
        let points = modes.into_iter().flat_map(|mode| centre(mode).map(&mut around));
        Ok(TensorData::new(points.collect::<Vec<f32>>(), [train.batch, 2]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grid_finds_all_25_modes() {
        let config = Config::default();
        let device = Device::flex();
        let source = Grid::data(&config, Split::Train).unwrap();
        let mut grid = Grid::new(&config, Grid::model(&config, &device.clone().autodiff()), &device);
        for step in 0..config.train.total_steps() {
            let images = step * config.train.batch as u64;
            let cx = StepCx { step, images, draws: Draws::new(config.train.seed, step), device: &device };
            grid.step(source.batch(step).unwrap(), &cx);
        }
        let samples = grid.generator.sampler().generate(&Request::seeds(0..2500)).unwrap();
        let mut near = [0; 25];
        for sample in &samples {
            let Media::Point([x, y]) = sample else { panic!("grid makes points, not {sample:?}") };
            for (mode, count) in near.iter_mut().enumerate() {
                let (mode_x, mode_y) = ((mode % 5) as f32 - 2.0, (mode / 5) as f32 - 2.0);
                *count += u32::from(f64::from((x - mode_x).hypot(y - mode_y)) < 4.0 * config.spread);
            }
        }
        assert!(near.iter().all(|&count| count >= 20), "samples near each mode, of 2,500: {near:?}");
    }
}
