//! SRGAN: pictures at four times their size, by residual blocks.
//!
//! Ledig et al. 2017, "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network": SRResNet by the
//! squared distance first, then against a discriminator (sections 2 and 3.2). The content loss is between features of
//! SqueezeNet 1.1 ([`crate::loss::perceptual`]), for no package has VGG19's weights; whoever has them can give them.

use std::path::PathBuf;

use burn::module::Module;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use ganvas_kernels::pixel_shuffle;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{Settings, Train};
use crate::data::enlarged::{self, Degradation, Enlarged};
use crate::data::images::{Crop, Images};
use crate::data::source::Source;
use crate::error::Result;
use crate::loss::adversarial::Adversarial;
use crate::loss::eye::Eye;
use crate::media::{Image, Media};
use crate::nn::{BatchNorm, Conv2d, ConvConfig, HalvingConfig, HalvingDiscriminator, Init, Prelu, Statistics};
use crate::optim::{AdamConfig, Trained, adam_problem};
use crate::parts::Parts;
use crate::random::Draws;
use crate::recipe::{Info, Input, Model, Question, Recipe, Request, Scalars, Split, StepCx, Translation};

const CHANNELS: usize = 3;
const TIMES: usize = 4;
const INIT: Init = Init::FanIn { gain: 1.0 };
const NORM_EPSILON: f64 = 1e-5;
const MOMENTUM: f64 = 0.1; // of the running statistics
const LOSS: Adversarial = Adversarial::NonSaturating;
/// Units between D's last picture and its logit.
const HIDDEN: usize = 1024;
/// D halves the side so often, and once less for small pictures.
const HALVINGS: usize = 4;

/// The configuration of `srgan`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Side of the large pictures in pixels, a multiple of 16 from 16 to 256; the small ones have a quarter of it.
    pub resolution: usize,
    /// Residual blocks.
    pub blocks: usize,
    /// Channels.
    pub width: usize,
    /// Channels of D's first layer; every halving of the side doubles them.
    pub d_width: usize,
    /// Thousands of images of the first stage, in which G learns by the squared distance from the truth alone.
    pub psnr_kimg: f64,
    /// Thousands of images of the second stage; after half of it the learning rate is a tenth.
    pub gan_kimg: f64,
    /// Adam's learning rate, for both players and in both stages.
    pub learning_rate: f64,
    /// Weight of the perceptual distance from the truth in the second stage.
    pub perceptual_weight: f64,
    /// VGG19's weights, torchvision's file, to measure that distance as the paper does; without it SqueezeNet's features do.
    pub vgg19: PathBuf,
    /// Weight of the adversarial loss.
    pub gan_weight: f64,
    /// Adam's beta1, for both players.
    pub beta1: f64,
    /// Adam's beta2, for both players.
    pub beta2: f64,
    /// How the small pictures are made of the large ones.
    pub degradation: Degradation,
    /// The pictures, large ones.
    pub data: Images,
    /// The run.
    pub train: Train,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            resolution: 96,
            blocks: 16,
            width: 64,
            d_width: 64,
            psnr_kimg: 16_000.0, // a million updates
            gan_kimg: 3_200.0,
            learning_rate: 1e-4,
            perceptual_weight: 1.0,
            vgg19: PathBuf::new(),
            gan_weight: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            degradation: Degradation::Bicubic,
            data: Images { crop: Crop::Detail, mirror: true, ..Images::default() },
            train: Train {
                kimg: 19_200.0,
                batch: 16,
                log_every_kimg: 1.0,
                preview_every_kimg: 10.0,
                checkpoint_every_kimg: 20.0,
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
        if !(16..=256).contains(&self.resolution) || !self.resolution.is_multiple_of(16) {
            return Some(format!("resolution is {}; give a multiple of 16 from 16 to 256", self.resolution));
        }
        if !(1..=64).contains(&self.blocks) || !(1..=256).contains(&self.width) || !(1..=256).contains(&self.d_width) {
            return Some("blocks must be 1 to 64, width and d_width 1 to 256".into());
        }
        if let Some(problem) = adam_problem(self.learning_rate, [self.beta1, self.beta2]) {
            return Some(problem);
        }
        let weights = [self.psnr_kimg, self.gan_kimg, self.perceptual_weight, self.gan_weight];
        if weights.iter().any(|weight| !(*weight >= 0.0 && weight.is_finite())) {
            return Some("psnr_kimg, gan_kimg and both weights must be 0 or more".into());
        }
        self.data.problem()
    }
}

impl Config {
    /// Whether G is in the first stage, and the learning rate.
    fn stage(&self, images: u64) -> (bool, f64) {
        let beyond = images as f64 / 1000.0 - self.psnr_kimg;
        let share = if beyond < self.gan_kimg * 0.5 { 1.0 } else { 0.1 };
        (beyond < 0.0, self.learning_rate * share)
    }
}

/// A small picture `[n, 3, h, w]` in [0, 1] to a large one `[n, 3, 4h, 4w]`, about in [-1, 1]: SRResNet (figure 4).
#[derive(Module, Debug)]
pub struct Generator {
    first: Conv2d,
    first_slope: Prelu,
    blocks: Vec<Block>,
    body: Conv2d,
    body_norm: BatchNorm,
    up: Vec<Conv2d>, // each to four times the channels, which become pixels
    up_slopes: Vec<Prelu>,
    last: Conv2d,
}

/// x + what two convolutions make of it.
#[derive(Module, Debug)]
struct Block {
    first: Conv2d,
    first_norm: BatchNorm,
    slope: Prelu,
    second: Conv2d,
    second_norm: BatchNorm,
}

impl Generator {
    fn new(config: &Config, draws: &Draws, device: &Device) -> Self {
        let width = config.width;
        let conv = |part: &str, channels: [usize; 2], kernel: usize, bias: bool| {
            let config = ConvConfig { bias, ..ConvConfig::same(channels, kernel, INIT) };
            Conv2d::new(config, draws, &format!("generator.{part}"), device)
        };
        let norm = || BatchNorm::new(Tensor::ones([width], device), NORM_EPSILON);
        let block = |i: usize| Block {
            first: conv(&format!("blocks.{i}.first"), [width; 2], 3, false), // a norm takes a bias away again
            first_norm: norm(),
            slope: Prelu::new(width, device),
            second: conv(&format!("blocks.{i}.second"), [width; 2], 3, false),
            second_norm: norm(),
        };
        Generator {
            first: conv("first", [CHANNELS, width], 9, true),
            first_slope: Prelu::new(width, device),
            blocks: (0..config.blocks).map(block).collect(),
            body: conv("body", [width; 2], 3, false),
            body_norm: norm(),
            up: (0..2).map(|i| conv(&format!("up.{i}"), [width, 4 * width], 3, true)).collect(),
            up_slopes: (0..2).map(|_| Prelu::new(width, device)).collect(),
            last: conv("last", [width, CHANNELS], 9, true),
        }
    }

    /// `norm` is how a norm is computed; it is called in the order of [`Generator::norms`].
    fn forward(&self, x: Tensor<4>, mut norm: impl FnMut(&BatchNorm, Tensor<4>) -> Tensor<4>) -> Tensor<4> {
        let first = self.first_slope.forward(self.first.forward(x));
        let mut h = first.clone();
        for block in &self.blocks {
            let inner = block.slope.forward(norm(&block.first_norm, block.first.forward(h.clone())));
            h = h + norm(&block.second_norm, block.second.forward(inner));
        }
        h = first + norm(&self.body_norm, self.body.forward(h));
        for (layer, slope) in self.up.iter().zip(&self.up_slopes) {
            h = slope.forward(pixel_shuffle(layer.forward(h), 2));
        }
        self.last.forward(h)
    }

    /// Pictures by the running statistics.
    fn sampled(&self, x: Tensor<4>) -> Tensor<4> {
        self.forward(x, |norm, h| norm.by_running(h, 1.0))
    }

    /// Pictures, and what the batch told of each norm.
    fn in_training(&self, x: Tensor<4>) -> (Tensor<4>, Vec<Statistics>) {
        let mut statistics = Vec::new();
        let pictures = self.forward(x, |norm, h| {
            let (y, told) = norm.by_batch(h, 1.0);
            statistics.push(told);
            y
        });
        (pictures, statistics)
    }

    /// The norms in the order in which a picture goes through them.
    fn norms(&mut self) -> impl Iterator<Item = &mut BatchNorm> {
        let within = self.blocks.iter_mut().flat_map(|block| [&mut block.first_norm, &mut block.second_norm]);
        within.chain([&mut self.body_norm])
    }

    fn follow(mut self, statistics: Vec<Statistics>) -> Self {
        for (norm, told) in self.norms().zip(statistics) {
            *norm = norm.clone().follow(told, MOMENTUM);
        }
        self
    }

    fn device(&self) -> Device {
        self.first.weight.device()
    }
}

impl Model for Generator {
    fn inputs(&self) -> Vec<Input> {
        vec![Input::Picture]
    }

    fn generate(&self, request: &Request) -> Result<Vec<Media>> {
        let Some(picture) = &request.picture else { panic!("no picture to enlarge") };
        let y = self.sampled((picture.to_signed(&self.device()) + 1.0) * 0.5);
        Ok(vec![Media::Image(Image::from_signed(y).remove(0)); request.latents.len()])
    }

    fn translation(&self) -> Option<Translation> {
        let [width, ..] = self.first.weight.dims();
        Some(Translation {
            channels: CHANNELS,
            side: None,
            multiple: 1,
            scale: TIMES,
            reach: 4 + 2 * self.blocks.len() + 4, // the first, the blocks, and what comes after them
            bytes: 4 * self.num_params(),
            bytes_per_pixel: TIMES * TIMES * 4 * 4 * width,
        })
    }
}

/// The distance of VGG19's features (equation 5), which section 3.2 scales by 1/12.75 to the size of pixels.
fn of_vgg(fake: Tensor<4>, real: Tensor<4>) -> Tensor<1> {
    ((relu(fake) - relu(real)) / 12.75).square().mean()
}

/// The players in training, and who judges what pictures look like.
pub struct Srgan {
    config: Config,
    generator: Trained<Generator>,
    discriminator: Trained<HalvingDiscriminator>,
    eye: Option<Eye>, // none before `equip`
    d_learns: bool,   // in the second stage
}

impl Recipe for Srgan {
    const INFO: Info = Info {
        name: "srgan",
        title: "SRGAN",
        paper: "Ledig et al. 2017, Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network",
        sentence: "Small pictures become four times as large, by residual blocks; the first of its kind.",
        dataset: Some(enlarged::SET),
        small: &[
            "resolution=16",
            "blocks=1",
            "width=4",
            "d_width=2",
            "psnr_kimg=0",
            "train.batch=4",
            "data.path=avatars",
        ],
    };
    type Config = Config;
    type Model = Generator;
    type Batch = Enlarged; // small [n, 3, resolution / 4, ..] and large [n, 3, resolution, ..], in [0, 1]

    fn data(config: &Config, split: Split) -> Result<Box<dyn Source<Enlarged>>> {
        let Train { seed, batch, .. } = config.train;
        let held_out = split == Split::Validation;
        enlarged::open(&config.data, (config.resolution, TIMES), config.degradation, (seed, batch), held_out)
    }

    fn model(config: &Config, device: &Device) -> Generator {
        Generator::new(config, &Draws::new(config.train.seed, 0), device)
    }

    fn questions(config: &Config) -> Result<Vec<Question>> {
        let pairs = enlarged::test(&config.data, (config.resolution, TIMES), config.degradation)?;
        Ok(pairs.into_iter().map(|[small, large]| Question::picture(small, Some(large))).collect())
    }

    fn new(config: &Config, model: Generator, device: &Device) -> Self {
        let discriminator = HalvingConfig {
            side: config.resolution,
            inputs: CHANNELS,
            width: config.d_width,
            kernel: 3,
            halvings: HALVINGS,
            hidden: HIDDEN,
        };
        let draws = Draws::new(config.train.seed, 0);
        let discriminator =
            HalvingDiscriminator::new(discriminator, &draws, "discriminator", &device.clone().autodiff());
        let adam = AdamConfig { beta2: config.beta2, ..AdamConfig::with_beta1(config.beta1) };
        Srgan {
            generator: Trained::new(model, adam, false),
            discriminator: Trained::new(discriminator, adam, false),
            eye: None,
            d_learns: !config.stage(0).0,
            config: config.clone(),
        }
    }

    fn equip(&mut self, device: &Device) -> Result<()> {
        let images = self.config.train.total_steps() * self.config.train.batch as u64;
        let (is_first, _) = self.config.stage(images); // at the end of the run
        if !is_first && self.config.perceptual_weight > 0.0 {
            self.eye = Some(Eye::open(&self.config.vgg19, device)?);
        }
        Ok(())
    }

    fn step(&mut self, batch: Enlarged, cx: &StepCx) -> Scalars {
        let Config { perceptual_weight, gan_weight, .. } = self.config;
        let [small, large] = [batch.small, batch.large].map(|side| Tensor::<4>::from_data(side, cx.device));
        let real = large * 2.0 - 1.0;
        let (is_first, rate) = self.config.stage(cx.images);
        self.d_learns = !is_first;
        let (fake, statistics) = self.generator.net().in_training(small);
        self.generator.change(|generator| generator.follow(statistics));
        let squared = (fake.clone() - real.clone()).square().mean();
        let scalars = Scalars::default().with("mse", squared.clone());

        // The first stage: G by the squared distance alone (equation 4)
        if is_first {
            drop(fake); // the graph alone holds it now
            let g_gradient = self.generator.descend(squared, rate, 0.0);
            return scalars.with("g_gradient_norm", g_gradient);
        }

        // D (equation 2)
        let critic = self.discriminator.net();
        let (of_real, of_fake) = (critic.forward(real.clone()), critic.forward(fake.clone().without_autodiff()));
        let decided = LOSS.decided(of_real.clone(), of_fake.clone());
        let d_loss = LOSS.discriminator(of_real, of_fake);
        let d_gradient = self.discriminator.descend(d_loss.clone(), rate, 0.0);
        let [of_real, of_fake] = decided;
        let mut scalars = scalars.with("d_loss", d_loss).with("d_gradient_norm", d_gradient).judged(of_real, of_fake);

        // G: the content, and D's judgement (equations 3 and 6)
        let critic = self.discriminator.frozen();
        let g_loss = LOSS.generator(critic.forward(fake.clone()), || critic.forward(real.clone()));
        scalars = scalars.with("g_loss", g_loss.clone());
        let content = match &self.eye {
            Some(eye) => {
                let distance = eye.distance([fake, real], &cx.draws, of_vgg);
                scalars = scalars.with("perceptual", distance.clone());
                distance * perceptual_weight
            }
            None => squared,
        };
        let g_gradient = self.generator.descend(content + g_loss * gan_weight, rate, 0.0);
        scalars.with("g_gradient_norm", g_gradient)
    }

    fn preview(&self, held: &Enlarged) -> Result<Vec<Media>> {
        let generator = self.generator.sampler();
        let y = generator.sampled(Tensor::<4>::from_data(held.small.clone(), &generator.device()));
        Ok(Image::from_signed(y).into_iter().map(Media::Image).collect())
    }

    fn laid_out(held: &Enlarged, samples: Vec<Media>) -> (Vec<Media>, usize) {
        held.beside(samples)
    }

    fn real(batch: &Enlarged) -> Vec<Media> {
        Enlarged::images(&batch.large).into_iter().map(Media::Image).collect()
    }

    fn judge(&self, batch: &Enlarged, device: &Device) -> Option<Tensor<2>> {
        let large = Tensor::<4>::from_data(batch.large.clone(), device);
        self.d_learns.then(|| self.discriminator.net().valid().forward(large * 2.0 - 1.0))
    }

    fn parts(&mut self, visit: &mut Parts) {
        self.discriminator.parts("discriminator", visit);
        self.generator.model_parts("generator", visit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::golden::tests::{assert_gradients, assert_near, filled, numbers, wave};
    use burn::tensor::{TensorData, s};
    use serde_json::Value;

    /// Both networks, their losses and a step, in f64: made by tests/golden/srgan.py, whose docs give the formulas.
    fn golden() -> Value {
        serde_json::from_str::<Value>(include_str!("../../tests/golden/srgan.json")).unwrap()
    }

    fn small() -> Config {
        let gan_weight = golden()["gan_weight"].as_f64().unwrap();
        Config { resolution: 32, blocks: 2, width: 4, d_width: 2, psnr_kimg: 0.0, gan_weight, ..Config::default() }
    }

    /// In training, with the script's parameters.
    fn players(config: &Config) -> Srgan {
        let device = Device::flex();
        let mut players = Srgan::new(config, Srgan::model(config, &device.clone().autodiff()), &device);
        players.generator.change(filled);
        players.discriminator.change(filled);
        players
    }

    #[test]
    fn networks_and_losses_are_those_of_an_independent_implementation() {
        let (golden, config) = (golden(), small());
        let players = players(&config);
        let (generator, critic) = (players.generator.net(), players.discriminator.net());
        let small = (wave([3, 3, 8, 8], 0.013) + 1.0) * 0.5;
        let real = wave([3, 3, 32, 32], 0.017);
        let some = |pictures: Tensor<4>| pictures.slice(s![.., .., ..;5, ..;5]);
        let (fake, told) = generator.in_training(small.clone());
        assert_eq!(told.len(), 5);
        assert_near(some(fake.clone()), &golden["fake"], "G(x)");
        let followed = generator.clone().follow(told).valid();
        assert_near(some(followed.sampled(small.clone())), &golden["sampled"], "G(x) by running statistics");
        let (of_real, of_fake) = (critic.forward(real.clone()), critic.forward(fake.clone().without_autodiff()));
        assert_near(of_real.clone(), &golden["logits"], "D(x)");
        let d_loss = LOSS.discriminator(of_real, of_fake);
        assert_near(d_loss.clone(), &golden["d_loss"], "D's loss");
        assert_gradients(critic, &d_loss.backward(), &golden["d_gradients"], "D's loss");
        let squared = (fake - real.clone()).square().mean();
        assert_near(squared.clone(), &golden["mse"], "the distance");
        assert_gradients(generator, &squared.backward(), &golden["mse_gradients"], "the first stage's loss");
        let (fake, _) = generator.in_training(small); // anew: one goes back through a graph once
        let frozen = players.discriminator.frozen();
        let g_loss = LOSS.generator(frozen.forward(fake.clone()), || frozen.forward(real.clone()));
        assert_near(g_loss.clone(), &golden["g_loss"], "G's loss");
        let total = (fake - real).square().mean() + g_loss * config.gan_weight;
        assert_gradients(generator, &total.backward(), &golden["g_gradients"], "the second stage's loss");
    }

    #[test]
    fn a_step_of_either_stage_is_that_implementations() {
        let (golden, device) = (golden(), Device::flex());
        let batch = || {
            let data = |shape, rate| -> TensorData { ((wave::<4>(shape, rate) + 1.0) * 0.5).into_data() };
            Enlarged { small: data([3, 3, 8, 8], 0.013), large: data([3, 3, 32, 32], 0.017) }
        };
        let cx = StepCx { step: 0, images: 0, draws: Draws::new(0, 0), device: &device };
        let near = |found: f64, wanted: f64, what: &str| {
            assert!((found - wanted).abs() < 1e-4 * wanted, "{what} is {found}, not {wanted}");
        };

        let told = players(&Config { psnr_kimg: 1.0, ..small() }).step(batch(), &cx).read();
        let [("mse", mse), ("g_gradient_norm", norm)] = told[..] else { panic!("the first stage tells {told:?}") };
        near(mse, golden["mse"].as_f64().unwrap(), "the first stage's loss");
        let norms = golden["mse_gradients"].as_array().unwrap().iter().map(|pair| numbers(pair)[0]);
        near(norm, norms.map(|norm| norm * norm).sum::<f64>().sqrt(), "its gradient");

        let (mut players, wanted) = (players(&small()), &golden["step"]);
        let told = players.step(batch(), &cx).read();
        for name in ["mse", "d_loss", "d_gradient_norm", "g_loss", "g_gradient_norm"] {
            let found = told.iter().find(|(known, _)| *known == name).unwrap().1;
            near(found, wanted[name].as_f64().unwrap(), name);
        }
        let small = Tensor::<4>::from_data(batch().small, &device);
        let pictures = players.generator.sampler().sampled(small).slice(s![.., .., ..;5, ..;5]);
        assert_near(pictures, &wanted["sampled"], "what G makes thereafter");
    }

    #[test]
    fn the_papers_networks_have_their_numbers_of_parameters() {
        let config = Config::default();
        let fresh = Srgan::new(&config, Srgan::model(&config, &Device::flex().autodiff()), &Device::flex());
        let mut generator = fresh.generator.net().clone();
        // The running statistics are parameters to Burn: two for each channel of a norm.
        let kept = generator.norms().map(|norm| 2 * norm.gamma.dims()[0]).sum::<usize>();
        let found = [generator.num_params() - kept, fresh.discriminator.net().num_params()];
        let wanted = ["generator_parameters", "discriminator_parameters"].map(|key| golden()[key].as_u64().unwrap());
        assert_eq!(found.map(|count| count as u64), wanted);
    }
}
