//! SRGAN: pictures at four times their size, by residual blocks.
//!
//! Ledig et al. 2017, "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network": SRResNet by the
//! squared distance first, then against a discriminator (sections 2 and 3.2). The content loss is between features of
//! SqueezeNet 1.1 ([`crate::loss::perceptual`]), for no package has VGG19's weights; whoever has them can give them.

use std::path::PathBuf;

use burn::tensor::activation::relu;
use ganvas_kernels::pixel_shuffle;

use crate::data::enlarged::{self, Degradation, Enlarged};
use crate::data::images::{Crop, Images};
use crate::looks::Look;
use crate::loss::perceptual;
use crate::nn::{BatchNorm, Conv2d, ConvConfig, HalvingConfig, HalvingDiscriminator, Init, Prelu, Statistics};
use crate::prelude::*;

const CHANNELS: usize = 3;
const TIMES: usize = 4;
const INIT: Init = Init::FanIn { gain: 1.0 };
const NORM_EPSILON: f64 = 1e-5;
const LOSS: Adversarial = Adversarial::NonSaturating;
/// Units between D's last picture and its logit.
const HIDDEN: usize = 1024;
/// D halves the side so often, and once less for small pictures.
const HALVINGS: usize = 4;

/// The configuration of `srgan`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Side of the large pictures in pixels; the small ones have a quarter of it.
    #[schemars(range(min = 16, max = 256), extend("multipleOf" = 16))]
    pub resolution: usize,
    /// Residual blocks.
    #[schemars(range(min = 1, max = 64))]
    pub blocks: usize,
    /// Channels.
    #[schemars(range(min = 1, max = 256))]
    pub width: usize,
    /// Channels of D's first layer; every halving of the side doubles them.
    #[schemars(range(min = 1, max = 256))]
    pub d_width: usize,
    /// Thousands of images of the first stage, in which G learns by the squared distance from the truth alone.
    pub psnr_kimg: f64,
    /// Thousands of images of the second stage; after half of it the learning rate is a tenth.
    pub gan_kimg: f64,
    /// Weight of the perceptual distance from the truth in the second stage.
    pub perceptual_weight: f64,
    /// VGG19's weights, torchvision's file, to measure that distance as the paper does; without it SqueezeNet's features do.
    pub vgg19: PathBuf,
    /// Weight of the adversarial loss.
    pub gan_weight: f64,
    /// The optimizer, for both players and in both stages.
    pub adam: Adam,
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
            perceptual_weight: 1.0,
            vgg19: PathBuf::new(),
            gan_weight: 1e-3,
            adam: Adam { learning_rate: 1e-4, beta1: 0.9, beta2: 0.999 },
            degradation: Degradation::Bicubic,
            data: Images { crop: Crop::Detail, mirror: true, ..Images::default() },
            train: Train { kimg: 19_200.0, batch: 16, ..Train::every([1.0, 10.0, 20.0]) },
        }
    }
}

impl Settings for Config {
    fn train(&self) -> &Train {
        &self.train
    }
}

impl Config {
    /// Whether G is in the first stage, and the learning rate.
    fn stage(&self, images: u64) -> (bool, f64) {
        let beyond = images as f64 / 1000.0 - self.psnr_kimg;
        let share = if beyond < self.gan_kimg * 0.5 { 1.0 } else { 0.1 };
        (beyond < 0.0, self.adam.learning_rate * share)
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

    /// In training, with room for what the batch `told` of its norms; else by the running statistics.
    fn forward(&self, x: Tensor<4>, told: Option<&Statistics>) -> Tensor<4> {
        let first = self.first_slope.forward(self.first.forward(x));
        let mut h = first.clone();
        for block in &self.blocks {
            let inner = block.slope.forward(block.first_norm.leaky(block.first.forward(h.clone()), 1.0, told));
            h = h + block.second_norm.leaky(block.second.forward(inner), 1.0, told);
        }
        h = first + self.body_norm.leaky(self.body.forward(h), 1.0, told);
        for (layer, slope) in self.up.iter().zip(&self.up_slopes) {
            h = slope.forward(pixel_shuffle(layer.forward(h), 2));
        }
        self.last.forward(h)
    }
}

impl Model for Generator {
    fn takes(&self) -> Vec<Field> {
        vec![Field::picture(PICTURE, CHANNELS, None, Range::Unit)]
    }

    fn makes(&self) -> Vec<Field> {
        vec![Field::picture("result", CHANNELS, None, Range::Signed)]
    }

    fn forward(&self, given: Given) -> Made {
        Made::one("result", self.forward(given.tensor(PICTURE), None))
    }

    fn tiling(&self) -> Option<Tiling> {
        let [width, ..] = self.first.weight.dims();
        let reach = 4 + 2 * self.blocks.len() + 4; // the first, the blocks, and what comes after them
        let (bytes, bytes_per_pixel) = (4 * self.num_params(), TIMES * TIMES * 4 * 4 * width);
        Some(Tiling {
            multiple: 1,
            least: 1,
            scale: TIMES,
            reach: Some(reach),
            keeps_colours: true,
            bytes,
            bytes_per_pixel,
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
    eye: Option<Look>,
    d_learns: bool, // in the second stage
}

impl Recipe for Srgan {
    const INFO: Info = Info {
        name: "srgan",
        title: "SRGAN",
        paper: "Ledig et al. 2017, Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network",
        sentence: "Small pictures become four times as large, by residual blocks; the first of its kind.",
        dataset: Some(enlarged::SET),
        time: "10 days",
        presets: &[],
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
        let drawing = config.train.drawing(split);
        enlarged::open(&config.data, (config.resolution, TIMES), config.degradation, drawing)
    }

    fn model(config: &Config, device: &Device) -> Generator {
        Generator::new(config, &Draws::new(config.train.seed, 0), device)
    }

    fn new(config: &Config, model: Generator, setup: &Setup<Enlarged>) -> Result<Self> {
        let discriminator = HalvingConfig {
            side: config.resolution,
            inputs: CHANNELS,
            width: config.d_width,
            kernel: 3,
            halvings: HALVINGS,
            hidden: HIDDEN,
        };
        let draws = Draws::new(config.train.seed, 0);
        let discriminator = HalvingDiscriminator::new(discriminator, &draws, "discriminator", &setup.autodiff());
        let ends_first = config.stage(config.train.total_images()).0;
        let eye = (!ends_first && config.perceptual_weight > 0.0).then(|| Look::of_loss(&config.vgg19, setup.device));
        Ok(Srgan {
            generator: Trained::new(model, config.adam.rule(), 0.0),
            discriminator: Trained::new(discriminator, config.adam.rule(), 0.0),
            eye: eye.transpose()?,
            d_learns: !config.stage(0).0,
            config: config.clone(),
        })
    }

    fn step(&mut self, batch: Enlarged, cx: &StepCx) -> Scalars {
        let Config { perceptual_weight, gan_weight, .. } = self.config;
        let [small, large] = [batch.small, batch.large].map(|side| cx.tensor::<4>(side));
        let real = large * 2.0 - 1.0;
        let (is_first, rate) = self.config.stage(cx.images);
        self.d_learns = !is_first;
        let told = Statistics::default();
        let fake = self.generator.net().forward(small, Some(&told));
        self.generator.change(|generator| told.followed_by(generator));
        let squared = pixel::l2(fake.clone(), real.clone());
        let scalars = Scalars::default().with("mse", squared.clone());

        // The first stage: G by the squared distance alone (equation 4)
        if is_first {
            drop(fake); // the graph alone holds it now
            let g_gradient = self.generator.descend(squared, rate, cx);
            return scalars.with("g_gradient_norm", g_gradient);
        }

        // D (equation 2)
        let critic = self.discriminator.net();
        let logits = [real.clone(), fake.clone().without_autodiff()].map(|pictures| critic.forward(pictures));
        let scalars = scalars.and(LOSS.learn(&mut self.discriminator, logits, None, rate, cx));

        // G: the content, and D's judgement (equations 3 and 6)
        let critic = self.discriminator.frozen();
        let g_loss = LOSS.generator(critic.forward(fake.clone()), || critic.forward(real.clone()));
        let distance = self.eye.as_ref().map(|eye| perceptual::apart(eye, [fake, real], &cx.draws, of_vgg));
        let content = distance.clone().map_or(squared, |distance| distance * perceptual_weight);
        let scalars = scalars.with("g_loss", g_loss.clone()).with_some("perceptual", distance);
        let g_gradient = self.generator.descend(content + g_loss * gan_weight, rate, cx);
        scalars.with("g_gradient_norm", g_gradient)
    }

    fn judge(&self, batch: Enlarged, cx: &StepCx) -> Option<Tensor<2>> {
        let large = cx.tensor::<4>(batch.large);
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
    use crate::golden::{assert_close, assert_gradients, assert_near, filled, numbers, wave};
    use crate::recipes::tests::begun;
    use burn::tensor::{TensorData, s};
    use serde_json::Value;

    /// Both networks, their losses and a step, in f64: made by tests/golden/srgan.py, whose docs give the formulas.
    fn golden() -> Value {
        serde_json::from_str::<Value>(include_str!("../../tests/golden/srgan.json")).unwrap()
    }

    fn small() -> Config {
        let gan_weight = golden()["gan_weight"].as_f64().unwrap();
        Config {
            resolution: 32,
            blocks: 2,
            width: 4,
            d_width: 2,
            psnr_kimg: 0.0,
            perceptual_weight: 0.0,
            gan_weight,
            ..Config::default()
        }
    }

    /// In training, with the script's parameters.
    fn players(config: &Config) -> Srgan {
        let mut players = begun::<Srgan>(config);
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
        let told = Statistics::default();
        let fake = generator.forward(small.clone(), Some(&told));
        assert_near(some(fake.clone()), &golden["fake"], "G(x)");
        let followed = told.followed_by(generator.clone()).valid();
        assert_near(some(followed.forward(small.clone(), None)), &golden["sampled"], "G(x) by running statistics");
        let (of_real, of_fake) = (critic.forward(real.clone()), critic.forward(fake.clone().without_autodiff()));
        assert_near(of_real.clone(), &golden["logits"], "D(x)");
        let d_loss = LOSS.discriminator(of_real, of_fake);
        assert_near(d_loss.clone(), &golden["d_loss"], "D's loss");
        assert_gradients(critic, &d_loss.backward(), &golden["d_gradients"], "D's loss");
        let squared = (fake - real.clone()).square().mean();
        assert_near(squared.clone(), &golden["mse"], "the distance");
        assert_gradients(generator, &squared.backward(), &golden["mse_gradients"], "the first stage's loss");
        let fake = generator.forward(small, Some(&Statistics::default())); // anew: one goes back through a graph once
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
        let cx = StepCx::new(0, 0, 3, &device);
        let near = |found: f64, wanted: f64, what: &str| assert_close(what, found, wanted, wanted, 1e-4);

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
        let pictures = players.generator.sampler().forward(small, None).slice(s![.., .., ..;5, ..;5]);
        assert_near(pictures, &wanted["sampled"], "what G makes thereafter");
    }

    #[test]
    fn the_papers_networks_have_their_numbers_of_parameters() {
        let fresh = begun::<Srgan>(&Config { perceptual_weight: 0.0, ..Config::default() });
        let generator = fresh.generator.net();
        // The running statistics are parameters to Burn: two for each channel of a norm.
        let kept = (2 * generator.blocks.len() + 1) * 2 * generator.body_norm.gamma.dims()[0];
        let found = [generator.num_params() - kept, fresh.discriminator.net().num_params()];
        let wanted = ["generator_parameters", "discriminator_parameters"].map(|key| golden()[key].as_u64().unwrap());
        assert_eq!(found.map(|count| count as u64), wanted);
    }
}
