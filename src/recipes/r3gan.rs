//! R3GAN: residual networks, a relativistic loss and two gradient penalties; nothing else is needed.
//!
//! Huang, Gokaslan, Kuleshov and Tompkin 2024, "The GAN is dead; long live the GAN! A Modern Baseline GAN". Both players
//! are stacks of the same block: 1x1, grouped 3x3, 1x1, with a bias and leaky ReLU between them, and the last one starting
//! at 0. No batch or instance norm, no minibatch deviation, no style. D's loss is softplus of -(D(x) - D(G(z))) with R1 on
//! real and R2 on fake pictures at every step; over the first `anneal_kimg` gamma, the learning rate and beta2 move along
//! half a cosine. Left out is the adaptive augmentation that the authors add for small sets.

use burn::module::Param;
use ganvas_kernels::upfirdn2d;

use crate::data::images::{self, Batch, Images, Shape};
use crate::loss::penalty::Penalty;
use crate::nn::{Conv2d, ConvConfig, Init, Pullback, chain, double, halve, resample_vjp};
use crate::optim::cosine;
use crate::prelude::*;

const SLOPE: f64 = 0.2;
const EXPANSION: usize = 2;
/// What it learns when no other pictures are given.
const SET: &str = "avatars";

/// The configuration of `r3gan`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Side of the pictures in pixels; it must be the smallest pictures' 4 (or 7) doubled once for each further width.
    pub resolution: usize,
    /// 3 for colour, 1 for grey.
    #[schemars(extend("enum" = [1, 3]))]
    pub channels: usize,
    /// Entries of the latent vector.
    #[schemars(range(min = 1, max = 4096))]
    pub latent: usize,
    /// Channels of each stage, from the smallest pictures on.
    #[schemars(extend("minimum" = 1))]
    pub widths: Vec<usize>,
    /// Residual blocks of each stage.
    #[schemars(range(min = 1))]
    pub blocks: usize,
    /// Channels that a group of the 3x3 convolutions sees.
    #[schemars(range(min = 1))]
    pub group: usize,
    /// Adam's learning rate for both players, at the beginning and after annealing.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub learning_rate: [f64; 2],
    /// Adam's beta2, likewise.
    #[schemars(extend("minimum" = 0.0, "exclusiveMaximum" = 1.0))]
    pub beta2: [f64; 2],
    /// Weight of the two penalties, likewise.
    #[schemars(extend("minimum" = 0.0))]
    pub gamma: [f64; 2],
    /// Length of the annealing in thousands of images.
    pub anneal_kimg: f64,
    /// Half-life of the moving average of G's weights that samples come from, in thousands of images.
    pub average_kimg: f64,
    /// The pictures.
    pub data: Images,
    /// The run.
    pub train: Train,
}

impl Default for Config {
    fn default() -> Self {
        // The paper's FFHQ at 64x64.
        Config {
            resolution: 64,
            channels: 3,
            latent: 64,
            widths: vec![768, 768, 768, 768, 384],
            blocks: 2,
            group: 16,
            learning_rate: [2e-4, 5e-5],
            beta2: [0.9, 0.99],
            gamma: [2.0, 0.2],
            anneal_kimg: 20_000.0,
            average_kimg: 500.0,
            data: Images { mirror: true, ..Images::default() },
            train: Train { kimg: 150_000.0, batch: 256, ..Train::every([2.0, 20.0, 20.0]) },
        }
    }
}

impl Settings for Config {
    fn train(&self) -> &Train {
        &self.train
    }

    fn problem(&self) -> Option<String> {
        let side = |start: usize| start << self.widths.len().saturating_sub(1);
        if self.widths.is_empty() || self.widths.len() > 9 || ![side(4), side(7)].contains(&self.resolution) {
            return Some(format!(
                "resolution {} does not fit {} widths; from 4 pixels they double to {}",
                self.resolution,
                self.widths.len(),
                side(4)
            ));
        }
        let fits = |&width: &usize| (width * EXPANSION).is_multiple_of(self.group);
        let all_fit = self.widths.iter().all(fits);
        (!all_fit).then(|| format!("group is {}; it must divide twice every width of {:?}", self.group, self.widths))
    }
}

/// The block both players are made of: `[n, width, h, w]` to the same shape.
#[derive(Module, Debug)]
struct Block {
    layers: [Conv2d; 3],
}

impl Block {
    /// One of `blocks` in the whole network, by which its weights' gain goes (the paper's appendix on initialisation).
    fn new(width: usize, group: usize, blocks: usize, draws: &Draws, name: &str, device: &Device) -> Self {
        let gain = (2.0 / (1.0 + SLOPE * SLOPE)).sqrt() * (blocks as f64).powf(-0.25);
        let wide = width * EXPANSION;
        let layer = |i, config| Conv2d::new(config, draws, &format!("{name}.{i}"), device);
        let init = Init::FanIn { gain };
        let grouped = ConvConfig { groups: wide / group, ..ConvConfig::same([wide, wide], 3, init) };
        let last = ConvConfig { bias: false, ..ConvConfig::same([wide, width], 1, Init::FanIn { gain: 0.0 }) };
        Block { layers: [layer(0, ConvConfig::same([width, wide], 1, init)), layer(1, grouped), layer(2, last)] }
    }

    fn vjp(&self, x: Tensor<4>) -> (Tensor<4>, Pullback<4, 4>) {
        let [first, grouped, last] = &self.layers;
        let (h, through_first) = first.leaky_vjp(x.clone(), SLOPE);
        let (h, through_grouped) = grouped.leaky_vjp(h, SLOPE);
        let (h, through_last) = last.vjp(h);
        let back = chain(through_last, chain(through_grouped, through_first));
        (x + h, Box::new(move |gradient| gradient.clone() + back(gradient)))
    }
}

/// A 1x1 convolution without bias and activation.
fn pointwise(channels: [usize; 2], draws: &Draws, name: &str, device: &Device) -> Conv2d {
    let config = ConvConfig { bias: false, ..ConvConfig::same(channels, 1, Init::FanIn { gain: 1.0 }) };
    Conv2d::new(config, draws, name, device)
}

/// Blocks at one size of picture. The 1x1 convolution between stages is there only where their widths differ.
#[derive(Module, Debug)]
struct Stage {
    transition: Option<Conv2d>,
    blocks: Vec<Block>,
}

impl Stage {
    /// `other` is the width of the neighbouring stage with smaller pictures; `inwards` from it to this one, as in G.
    fn new(config: &Config, i: usize, inwards: bool, draws: &Draws, name: &str, device: &Device) -> Self {
        let width = config.widths[i];
        let other = i.checked_sub(1).map(|i| config.widths[i]).filter(|other| *other != width);
        let channels = other.map(|other| if inwards { [other, width] } else { [width, other] });
        let all = config.widths.len() * config.blocks;
        let block = |b| Block::new(width, config.group, all, draws, &format!("{name}.stages.{i}.blocks.{b}"), device);
        let name = format!("{name}.stages.{i}.transition");
        Stage {
            transition: channels.map(|channels| pointwise(channels, draws, &name, device)),
            blocks: (0..config.blocks).map(block).collect(),
        }
    }
}

/// z `[n, latent]` to pictures `[n, channels, resolution, resolution]`.
#[derive(Module, Debug)]
pub struct Generator {
    linear: Param<Tensor<2>>, // [latent, width]
    basis: Param<Tensor<3>>,  // [width, side, side]
    stages: Vec<Stage>,
    picture: Conv2d,
    #[module(skip)]
    resolution: usize,
}

impl Generator {
    fn new(config: &Config, draws: &Draws, device: &Device) -> Self {
        let (width, latent, side) = (config.widths[0], config.latent, config.smallest());
        let linear = draws.normal("generator.linear", [latent, width], device) * (latent as f64).powf(-0.5);
        let stages = (0..config.widths.len()).map(|i| Stage::new(config, i, true, draws, "generator", device));
        let last = config.widths[config.widths.len() - 1];
        Generator {
            linear: Param::from_tensor(linear),
            basis: Param::from_tensor(draws.normal("generator.basis", [width, side, side], device)),
            stages: stages.collect(),
            picture: pointwise([last, config.channels], draws, "generator.picture", device),
            resolution: config.resolution,
        }
    }

    fn forward(&self, z: Tensor<2>) -> Tensor<4> {
        let weights: Tensor<4> = z.matmul(self.linear.val()).reshape([0, 0, 1, 1]); // [n, width, 1, 1]
        let mut h = self.basis.val().unsqueeze::<4>() * weights; // [n, width, side, side]
        for (i, stage) in self.stages.iter().enumerate() {
            h = stage.transition.iter().fold(h, |h, transition| transition.forward(h));
            h = if i == 0 { h } else { upfirdn2d(h, &double()) };
            h = stage.blocks.iter().fold(h, |h, block| block.vjp(h).0); // [n, widths[i], side·2^i, side·2^i]
        }
        self.picture.forward(h)
    }
}

impl Config {
    /// Side of the smallest pictures.
    fn smallest(&self) -> usize {
        self.resolution >> (self.widths.len() - 1)
    }
}

impl Model for Generator {
    fn takes(&self) -> Vec<Field> {
        vec![Field::new("seed", Kind::Latent { width: self.linear.dims()[0], prior: Prior::Normal })]
    }

    fn makes(&self) -> Vec<Field> {
        vec![Field::picture("picture", self.picture.weight.dims()[0], Some(self.resolution), Range::Signed)]
    }

    fn forward(&self, given: Given) -> Made {
        Made::one("picture", self.forward(given.tensor("seed")))
    }
}

/// Pictures `[n, channels, resolution, resolution]` to logits `[n, 1]`.
#[derive(Module, Debug)]
struct Discriminator {
    picture: Conv2d,
    stages: Vec<Stage>,       // from the smallest pictures on, as in G
    basis: Param<Tensor<3>>,  // [width, side, side]
    linear: Param<Tensor<2>>, // [width, 1]
}

impl Discriminator {
    fn new(config: &Config, draws: &Draws, device: &Device) -> Self {
        let (width, side) = (config.widths[0], config.smallest());
        let basis = draws.normal("discriminator.basis", [width, side, side], device) * (1.0 / side as f64);
        let linear = draws.normal("discriminator.linear", [width, 1], device) * (width as f64).powf(-0.5);
        let stages = (0..config.widths.len()).map(|i| Stage::new(config, i, false, draws, "discriminator", device));
        let last = config.widths[config.widths.len() - 1];
        Discriminator {
            picture: pointwise([config.channels, last], draws, "discriminator.picture", device),
            stages: stages.collect(),
            basis: Param::from_tensor(basis),
            linear: Param::from_tensor(linear),
        }
    }

    /// Logits, and the way back to the gradient by x.
    fn vjp(&self, x: Tensor<4>) -> (Tensor<2>, Pullback<2, 4>) {
        let (mut h, mut back) = self.picture.vjp(x);
        for (i, stage) in self.stages.iter().enumerate().rev() {
            for block in &stage.blocks {
                let (y, through) = block.vjp(h); // [n, widths[i], side·2^i, side·2^i]
                (h, back) = (y, chain(through, back));
            }
            if i > 0 {
                let (y, through) = resample_vjp(h, &halve());
                (h, back) = (y, chain(through, back));
            }
            if let Some(transition) = &stage.transition {
                let (y, through) = transition.vjp(h);
                (h, back) = (y, chain(through, back));
            }
        }
        let (basis, linear) = (self.basis.val().unsqueeze::<4>(), self.linear.val());
        let features: Tensor<2> = (h * basis.clone()).sum_dims(&[2, 3]).flatten(1, 3); // [n, widths[0]]
        let logits = features.matmul(linear.clone()); // [n, 1]
        let last = move |gradient: Tensor<2>| {
            let by_features: Tensor<4> = gradient.matmul(linear.transpose()).reshape([0, 0, 1, 1]);
            by_features * basis
        };
        (logits, chain(Box::new(last), back))
    }
}

/// The two players in training.
pub struct R3gan {
    config: Config,
    generator: Trained<Generator>,
    discriminator: Trained<Discriminator>,
}

impl Recipe for R3gan {
    const INFO: Info = Info {
        name: "r3gan",
        title: "R3GAN",
        paper: "Huang et al. 2024, The GAN is dead; long live the GAN! A Modern Baseline GAN",
        sentence: "Residual networks with a relativistic loss and two gradient penalties learn any pictures.",
        dataset: Some(SET),
        time: "decades",
        presets: &[
            Preset { name: LAPTOP, time: "31 min", text: include_str!("../../configs/r3gan-laptop.toml") },
            Preset { name: "mnist", time: "8 min", text: include_str!("../../configs/r3gan-mnist.toml") },
        ],
        small: &["resolution=8", "widths=[8, 8]", "group=8", "latent=8", "train.batch=4"],
    };
    type Config = Config;
    type Model = Generator;
    type Batch = Batch; // [n, channels, resolution, resolution] in [-1, 1]

    fn data(config: &Config, split: Split) -> Result<Box<dyn Source<Batch>>> {
        let shape = Shape { channels: config.channels, side: config.resolution };
        images::open(&config.data, SET, shape, config.train.drawing(split))
    }

    fn model(config: &Config, device: &Device) -> Generator {
        Generator::new(config, &Draws::new(config.train.seed, 0), device)
    }

    fn game(_config: &Config) -> Option<Game> {
        Some(Game::of(Adversarial::Relativistic))
    }

    fn new(config: &Config, model: Generator, setup: &Setup<Batch>) -> Result<Self> {
        let discriminator = Discriminator::new(config, &Draws::new(config.train.seed, 0), &setup.autodiff());
        let adam = AdamConfig { beta2: config.beta2[0], ..AdamConfig::with_beta1(0.0) };
        Ok(R3gan {
            generator: Trained::new(model, adam, config.average_kimg),
            discriminator: Trained::new(discriminator, adam, 0.0),
            config: config.clone(),
        })
    }

    fn step(&mut self, real: Batch, cx: &StepCx) -> Scalars {
        const LOSS: Adversarial = Adversarial::Relativistic;
        let Config { latent, anneal_kimg, .. } = self.config;
        let annealed = |[from, to]: [f64; 2]| cosine(from, to, cx.images as f64, anneal_kimg * 1000.0);
        let (rate, gamma) = (annealed(self.config.learning_rate), annealed(self.config.gamma));
        self.discriminator.rule().beta2 = annealed(self.config.beta2);
        self.generator.rule().beta2 = annealed(self.config.beta2);
        let x = cx.tensor::<4>(real.pixels); // [n, channels, resolution, resolution]
        let n = x.dims()[0];
        let z = |player| cx.draws.normal(player, [n, latent], cx.device);

        // D: softplus(-(D(x) - D(G(z)))) + gamma/2 (R1 + R2)
        let fake = self.generator.net().valid().forward(z("d.z"));
        let critic = self.discriminator.net();
        let (on_real, on_fake) = (critic.vjp(x.clone()), critic.vjp(fake));
        let logits = [on_real.0.clone(), on_fake.0.clone()];
        let penalty = Penalty::R1R2.of(gamma, on_real, on_fake, || panic!("R1 and R2 look at nothing between"));
        let scalars = LOSS.learn(&mut self.discriminator, logits, penalty, rate, cx);

        // G: softplus(-(D(G(z)) - D(x)))
        let critic = self.discriminator.frozen();
        let fooled = critic.vjp(self.generator.net().forward(z("g.z"))).0;
        let g_loss = LOSS.generator(fooled, || critic.vjp(x).0);
        drop(critic);
        let g_gradient = self.generator.descend(g_loss.clone(), rate, cx);
        scalars.with("g_loss", g_loss).with("g_gradient_norm", g_gradient)
    }

    fn judge(&self, batch: Batch, cx: &StepCx) -> Option<Tensor<2>> {
        Some(self.discriminator.net().valid().vjp(cx.tensor(batch.pixels)).0)
    }

    fn parts(&mut self, visit: &mut Parts) {
        self.discriminator.parts("discriminator", visit);
        self.generator.model_parts("generator", visit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Config {
        Config { resolution: 8, widths: vec![8, 4], group: 4, latent: 6, ..Config::default() }
    }

    #[test]
    fn the_way_back_through_the_critic_is_burns_gradient() {
        let device = Device::flex();
        let mut critic = Discriminator::new(&small(), &Draws::new(0, 0), &device.clone().autodiff());
        // The last convolution of a block begins at 0; with other weights the way back goes through all of it.
        for (i, stage) in critic.stages.iter_mut().enumerate() {
            for (j, block) in stage.blocks.iter_mut().enumerate() {
                let last = &mut block.layers[2].weight;
                let value = Draws::new(1, 0).normal(&format!("{i}.{j}"), last.dims(), &device).autodiff();
                *last = Param::from_tensor(value);
            }
        }
        let x = Draws::new(2, 0).normal("x", [3, 3, 8, 8], &device).autodiff().require_grad();
        let (logits, back) = critic.vjp(x.clone());
        assert_eq!(logits.dims(), [3, 1]);
        let found = back(Tensor::ones([3, 1], &device)).without_autodiff();
        let wanted = x.grad(&logits.sum().backward()).unwrap().without_autodiff();
        let size = wanted.clone().abs().max().into_scalar::<f64>();
        let apart = (found - wanted).abs().max().into_scalar::<f64>();
        assert!(size > 0.0 && apart < 1e-5 * size, "{apart} apart, of {size}");
    }

    #[test]
    fn the_papers_networks_have_the_parameters_of_its_description() {
        // 2 blocks a stage, 768 channels (384 at 64x64) doubled within, groups of 16.
        let block = |c: usize| c * 2 * c + 2 * c + 2 * c * 16 * 9 + 2 * c + 2 * c * c;
        let blocks = 2 * (4 * block(768) + block(384));
        let transitions = 768 * 384;
        let generator = 64 * 768 + 768 * 16 + blocks + transitions + 384 * 3;
        let discriminator = 3 * 384 + blocks + transitions + 768 * 16 + 768;
        let (config, draws, device) = (Config::default(), Draws::new(0, 0), Device::flex());
        assert_eq!(Generator::new(&config, &draws, &device).num_params(), generator);
        assert_eq!(Discriminator::new(&config, &draws, &device).num_params(), discriminator);
    }
}
