//! DCGAN: a generator of transposed convolutions against a critic of strided ones.
//!
//! Radford, Metz and Chintala 2016, "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
//! Networks", with the constants of its section 4. Kernels are 4x4, as in the authors' published code, where the paper
//! draws 5x5. The loss can be chosen: with `loss = "wasserstein"`, `penalty = "wgan_gp"`, `norm = "none"` it is the
//! convolutional critic of Gulrajani et al. 2017, "Improved Training of Wasserstein GANs" (`configs/dcgan-wgan-gp.toml`).

mod foreign;

use ganvas_kernels::{Act, bias_act};

use crate::data::images::{self, Batch, Images, Shape};
use crate::foreign::Candidate;
use crate::loss::penalty::{self, Penalty};
use crate::nn::{
    BatchNorm, Conv2d, ConvConfig, ConvTranspose2d, Init, Norm, Normalization, Pullback, Statistics, chain,
};
use crate::prelude::*;
use crate::recipe::Adopted;

const SLOPE: f64 = 0.2;
const INIT: Init = Init::Normal { deviation: 0.02 };
const NORM_EPSILON: f64 = 1e-5;
/// What it learns when no other pictures are given.
const SET: &str = "avatars";

/// The configuration of `dcgan`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Side of the pictures in pixels.
    #[schemars(extend("enum" = [28, 32, 64, 128]))]
    pub resolution: usize,
    /// 3 for colour, 1 for grey.
    #[schemars(extend("enum" = [1, 3]))]
    pub channels: usize,
    /// Entries of the latent vector.
    #[schemars(range(min = 1, max = 4096))]
    pub latent: usize,
    /// Where latent vectors come from.
    pub prior: Prior,
    /// Channels of the layers next to the picture; every halving of the side doubles them.
    #[schemars(range(min = 1, max = 512))]
    pub width: usize,
    /// What the two players minimise.
    pub loss: Adversarial,
    /// The penalty on D's gradient by the picture.
    pub penalty: Penalty,
    /// Its weight: gamma of R1 and R2, lambda of WGAN-GP.
    pub penalty_weight: f64,
    /// D's normalisation, after all layers but the first and the last.
    pub norm: Norm,
    /// Updates of D to one of G.
    #[schemars(range(min = 1))]
    pub d_steps: u64,
    /// Half-life of the moving average of G's weights that samples come from, in thousands of images; 0 for none.
    pub average_kimg: f64,
    /// The optimizer.
    pub adam: Adam,
    /// The pictures.
    pub data: Images,
    /// The run.
    pub train: Train,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            resolution: 64,
            channels: 3,
            latent: 100,
            prior: Prior::Uniform,
            width: 128,
            loss: Adversarial::NonSaturating,
            penalty: Penalty::None,
            penalty_weight: 10.0,
            norm: Norm::Batch,
            d_steps: 1,
            average_kimg: 10.0, // the paper keeps none; the average is visibly cleaner
            adam: Adam::default(),
            data: Images::default(),
            train: Train {
                kimg: 1000.0, // the paper trains on sets of 0.2 to 3 million pictures
                batch: 128,
                ..Train::every([2.0, 20.0, 20.0])
            },
        }
    }
}

impl Settings for Config {
    fn train(&self) -> &Train {
        &self.train
    }

    fn problem(&self) -> Option<String> {
        let mixes = self.penalty == Penalty::WganGp && self.norm == Norm::Batch;
        let wrong = "wgan_gp bounds D's gradient by each picture, and batch norm lets D see one picture through another; set norm \
                     to layer or none";
        mixes.then(|| wrong.into())
    }
}

impl Config {
    /// Side in pixels of the smallest pictures, and how often they double.
    fn stages(&self) -> (usize, usize) {
        let start = if self.resolution.is_power_of_two() { 4 } else { 7 };
        (start, (self.resolution / start).ilog2() as usize)
    }

    /// Channels after doubling `stage` times from the smallest pictures; the picture's own at the end.
    fn channels_at(&self, stage: usize) -> usize {
        let (_, stages) = self.stages();
        if stage == stages { self.channels } else { self.width << (stages - 1 - stage) }
    }

    /// Between one pixel and the smallest pictures.
    fn whole(&self, channels: [usize; 2], bias: bool) -> ConvConfig {
        ConvConfig { kernel: self.stages().0, stride: 1, padding: 0, ..ConvConfig::halving(channels, bias, INIT) }
    }
}

/// z `[n, latent]` to pictures `[n, channels, resolution, resolution]` in (-1, 1).
#[derive(Module, Debug)]
pub struct Generator {
    layers: Vec<ConvTranspose2d>,
    norms: Vec<BatchNorm>, // after each layer but the last
    #[module(skip)]
    config: Config,
}

impl Generator {
    fn new(config: &Config, draws: &Draws, device: &Device) -> Self {
        let (_, stages) = config.stages();
        let name = |i| format!("generator.layers.{i}");
        let first = config.whole([config.latent, config.channels_at(0)], false);
        let between = |i: usize| [config.channels_at(i - 1), config.channels_at(i)];
        let doubling = (1..=stages).map(|i| ConvConfig::halving(between(i), i == stages, INIT));
        let layers = [first].into_iter().chain(doubling).enumerate();
        let layers = layers.map(|(i, layer)| ConvTranspose2d::new(layer, draws, &name(i), device)).collect();
        let norms = (0..stages).map(|i| {
            let gamma = draws.normal(&format!("{}.gamma", name(i)), [config.channels_at(i)], device) * 0.02 + 1.0;
            BatchNorm::new(gamma, NORM_EPSILON)
        });
        Generator { layers, norms: norms.collect(), config: config.clone() }
    }

    /// In training, with room for what the batch `told` of its norms; else by the running statistics.
    fn forward(&self, z: Tensor<2>, told: Option<&Statistics>) -> Tensor<4> {
        let mut h = z.reshape([0, 0, 1, 1]); // [n, latent, 1, 1]
        for (i, layer) in self.layers.iter().enumerate() {
            h = layer.forward(h); // [n, channels_at(i), start·2^i, start·2^i]
            h = self
                .norms
                .get(i)
                .map_or_else(|| bias_act(h.clone(), None, Act::Tanh), |norm| norm.leaky(h.clone(), 0.0, told));
        }
        h
    }
}

impl Model for Generator {
    fn takes(&self) -> Vec<Field> {
        vec![Field::new("seed", Kind::Latent { width: self.config.latent, prior: self.config.prior })]
    }

    fn makes(&self) -> Vec<Field> {
        vec![Field::picture("picture", self.config.channels, Some(self.config.resolution), Range::Signed)]
    }

    fn forward(&self, given: Given) -> Made {
        Made::one("picture", self.forward(given.tensor("seed"), None))
    }
}

/// Pictures `[n, channels, resolution, resolution]` to logits `[n, 1]`.
#[derive(Module, Debug)]
struct Discriminator {
    layers: Vec<Conv2d>,
    norms: Vec<Normalization>, // after each layer but the first and the last
}

impl Discriminator {
    fn new(config: &Config, draws: &Draws, device: &Device) -> Self {
        let (_, stages) = config.stages();
        let over = config.norm.over();
        let halving = (1..=stages).rev().map(|i| {
            let bias = i == stages || over.is_none();
            ConvConfig::halving([config.channels_at(i), config.channels_at(i - 1)], bias, INIT)
        });
        let layers = halving.chain([config.whole([config.channels_at(0), 1], true)]).enumerate();
        let name = |i| format!("discriminator.layers.{i}");
        let norms = (0..stages.saturating_sub(1)).rev();
        let norm = |i| over.map(|over| Normalization::new(over, config.channels_at(i), NORM_EPSILON, device));
        Discriminator {
            layers: layers.map(|(i, layer)| Conv2d::new(layer, draws, &name(i), device)).collect(),
            norms: norms.filter_map(norm).collect(),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        self.vjp(x).0
    }

    /// Logits, and the way back to the gradient by x.
    fn vjp(&self, x: Tensor<4>) -> (Tensor<2>, Pullback<2, 4>) {
        let (mut h, mut back): (_, Pullback<4, 4>) = (x, Box::new(|gradient| gradient));
        let last = self.layers.len() - 1;
        for (i, layer) in self.layers.iter().enumerate() {
            let norm = (i > 0 && i < last).then(|| self.norms.get(i - 1)).flatten();
            let slope = if i == last || norm.is_some() { 1.0 } else { SLOPE };
            let (y, through) = layer.leaky_vjp(h, slope);
            (h, back) = (y, chain(through, back));
            if let Some(norm) = norm {
                let (y, through) = norm.leaky_vjp(h, SLOPE);
                (h, back) = (y, chain(through, back));
            }
        }
        let logits = h.flatten(1, 3); // [n, 1]
        (logits, Box::new(move |gradient| back(gradient.reshape([0, 0, 1, 1]))))
    }
}

/// The two players in training.
pub struct Dcgan {
    config: Config,
    generator: Trained<Generator>,
    discriminator: Trained<Discriminator>,
}

impl Recipe for Dcgan {
    const INFO: Info = Info {
        name: "dcgan",
        title: "DCGAN",
        paper: "Radford et al. 2016, Unsupervised Representation Learning with Deep Convolutional GANs",
        sentence: "Convolutional networks learn any folder of pictures at 28 to 128 pixels; loss selectable.",
        dataset: Some(SET),
        time: "6 h",
        presets: &[
            Preset { name: LAPTOP, time: "11 min", text: include_str!("../../../configs/dcgan-laptop.toml") },
            Preset { name: "mnist", time: "4 min", text: include_str!("../../../configs/dcgan-mnist.toml") },
            Preset { name: "wgan-gp", time: "46 min", text: include_str!("../../../configs/dcgan-wgan-gp.toml") },
        ],
        small: &["resolution=28", "width=4", "latent=8", "train.batch=4"],
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

    fn game(config: &Config) -> Option<Game> {
        Some(Game::of(config.loss))
    }

    fn adopt(candidate: &Candidate, device: &Device) -> Option<Adopted<Self>> {
        let Candidate::Tensors(part) = candidate else { return None };
        foreign::generator(part, device)
    }

    fn new(config: &Config, model: Generator, setup: &Setup<Batch>) -> Result<Self> {
        let discriminator = Discriminator::new(config, &Draws::new(config.train.seed, 0), &setup.autodiff());
        Ok(Dcgan {
            generator: Trained::new(model, config.adam.rule(), config.average_kimg),
            discriminator: Trained::new(discriminator, config.adam.rule(), 0.0),
            config: config.clone(),
        })
    }

    fn step(&mut self, real: Batch, cx: &StepCx) -> Scalars {
        let Config { latent, prior, loss, penalty, penalty_weight, d_steps, adam, .. } = self.config;
        let x = cx.tensor::<4>(real.pixels); // [n, channels, resolution, resolution]
        let n = x.dims()[0];
        let z = |player: &str| prior.draw(&cx.draws, &format!("{player}.z"), [n, latent], cx.device);

        // D, on real and fake in batches of their own, so that batch norm sees them apart
        let fake = self.generator.net().valid().forward(z("d"), Some(&Statistics::default()));
        let critic = self.discriminator.net();
        let (on_real, on_fake) = (critic.vjp(x.clone()), critic.vjp(fake.clone()));
        let logits = [on_real.0.clone(), on_fake.0.clone()];
        let penalty = penalty.of(penalty_weight, on_real, on_fake, || {
            critic.vjp(penalty::between(x.clone(), fake, cx.draws.uniform("d.between", [n], (0.0, 1.0), cx.device)))
        });
        let scalars = loss.learn(&mut self.discriminator, logits, penalty, adam.learning_rate, cx);
        if !(cx.step + 1).is_multiple_of(d_steps) {
            return scalars;
        }

        // G, through the D of this moment, which is a constant for it
        let told = Statistics::default();
        let fake = self.generator.net().forward(z("g"), Some(&told));
        let critic = self.discriminator.frozen();
        let g_loss = loss.generator(critic.forward(fake), || critic.forward(x));
        drop(critic);
        self.generator.change(|generator| told.followed_by(generator));
        let g_gradient = self.generator.descend(g_loss.clone(), adam.learning_rate, cx);
        scalars.with("g_loss", g_loss).with("g_gradient_norm", g_gradient)
    }

    fn judge(&self, batch: Batch, cx: &StepCx) -> Option<Tensor<2>> {
        Some(self.discriminator.net().valid().forward(cx.tensor(batch.pixels)))
    }

    fn parts(&mut self, visit: &mut Parts) {
        self.discriminator.parts("discriminator", visit);
        self.generator.model_parts("generator", visit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::problem_of;
    use crate::recipes::tests::begun;
    use burn::tensor::TensorData;

    fn small(config: Config) -> Config {
        let train = Train { batch: 4, ..config.train };
        Config { width: 4, latent: 6, train, ..config }
    }

    fn pictures(config: &Config, key: &str) -> TensorData {
        let shape = [4, config.channels, config.resolution, config.resolution];
        Draws::new(3, 0).uniform(key, shape, (-1.0, 1.0), &Device::flex()).into_data()
    }

    #[test]
    fn both_networks_fit_every_resolution_and_colour() {
        for resolution in [28, 32, 64, 128] {
            for channels in [1, 3] {
                let config = small(Config { resolution, channels, ..Config::default() });
                assert_eq!(problem_of(&config), None);
                let (draws, device) = (Draws::new(0, 0), Device::flex());
                let z = draws.normal("z", [2, 6], &device);
                let generator = Generator::new(&config, &draws, &device);
                let fake = generator.forward(z, Some(&Statistics::default()));
                assert_eq!(fake.dims(), [2, channels, resolution, resolution]);
                assert_eq!(Discriminator::new(&config, &draws, &device).forward(fake).dims(), [2, 1]);
            }
        }
    }

    #[test]
    fn the_way_back_through_the_critic_is_burns_gradient() {
        for norm in [Norm::None, Norm::Layer, Norm::Batch] {
            let config = small(Config { resolution: 32, norm, ..Config::default() });
            let critic = Discriminator::new(&config, &Draws::new(0, 0), &Device::flex().autodiff());
            let x = Tensor::<4>::from_data(pictures(&config, "x"), &Device::flex().autodiff()).require_grad();
            let (logits, back) = critic.vjp(x.clone());
            let found = back(Tensor::ones([4, 1], &Device::flex())).without_autodiff();
            let wanted = x.grad(&logits.sum().backward()).unwrap().without_autodiff();
            let size = wanted.clone().abs().max().into_scalar::<f64>();
            let apart = (found - wanted).abs().max().into_scalar::<f64>();
            assert!(size > 0.0 && apart < 1e-5 * size, "{norm:?}: {apart} apart, of {size}");
        }
    }

    #[test]
    fn every_loss_goes_with_every_penalty_and_g_waits_for_d() {
        let device = Device::flex();
        for loss in Adversarial::ALL {
            for penalty in [Penalty::None, Penalty::R1, Penalty::R1R2, Penalty::WganGp] {
                let config =
                    small(Config { resolution: 28, loss, penalty, norm: Norm::Layer, d_steps: 2, ..Config::default() });
                assert_eq!(problem_of(&config), None);
                let mut dcgan = begun::<Dcgan>(&config);
                for step in 0..2 {
                    let cx = StepCx::new(0, step, 4, &device);
                    let real = Batch { pixels: pictures(&config, "real"), labels: vec![0; 4] };
                    let scalars = dcgan.step(real, &cx).read();
                    assert!(scalars.iter().all(|(_, value)| value.is_finite()), "{loss:?} {penalty:?}: {scalars:?}");
                    let has = |name| scalars.iter().any(|(known, _)| *known == name);
                    assert_eq!((has("g_loss"), has("d_penalty")), (step == 1, penalty != Penalty::None));
                }
            }
        }
    }
}
