//! pix2pix: a U-Net turns one picture into another that a patch discriminator cannot tell from the true one.
//!
//! Isola, Zhu, Zhou and Efros 2017, "Image-to-Image Translation with Conditional Adversarial Networks", with the constants
//! of section 3 and of the published code. The noise is dropout, which stays on in use; the norms take the statistics of
//! each picture by itself, as the paper's batches of one do, so that batches of any size give the same result.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use ganvas_kernels::{Act, bias_act, dropout};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{Settings, Train};
use crate::data::images::{PairBatch, Pairs, Shape};
use crate::data::source::Source;
use crate::error::Result;
use crate::loss::adversarial::Adversarial;
use crate::media::{Image, Media, between};
use crate::nn::{
    Conv2d, ConvConfig, ConvTranspose2d, Init, InstanceNorm, Norms, PatchConfig, PatchDiscriminator, of_pictures,
    patches,
};
use crate::optim::{AdamConfig, Trained, average_decay, linear_decay};
use crate::parts::Parts;
use crate::random::Draws;
use crate::recipe::{Info, Input, Latent, Model, Question, Recipe, Request, Scalars, Split, StepCx, Translation};

const SLOPE: f64 = 0.2;
const INIT: Init = Init::Normal { deviation: 0.02 };
const CHANNELS: usize = 3;
const NOISY: usize = 3; // layers of the decoder with dropout
const PREVIEWED: usize = 12; // held-out pairs
/// What it learns when no other pairs are given.
const SET: &str = "openmoji";

/// The configuration of `pix2pix`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Side of the pictures in pixels: 64, 128 or 256. The U-Net halves it down to one pixel.
    pub resolution: usize,
    /// Channels of G's first layer; every halving of the side doubles them, up to eight times.
    pub width: usize,
    /// Channels of D's first layer, likewise.
    pub d_width: usize,
    /// How often D halves the side: 0 to 5 for patches of 1, 16, 34, 70, 142 or 286 pixels.
    pub d_layers: usize,
    /// What the two players minimise.
    pub loss: Adversarial,
    /// Weight of the adversarial loss in G's; with 0 there is no D, and G learns by the distance alone.
    pub gan_weight: f64,
    /// Weight of the mean absolute difference from the true picture in G's loss.
    pub l1_weight: f64,
    /// Share of the values that the noise drops.
    pub dropout: f64,
    /// Adam's learning rate, for both players.
    pub learning_rate: f64,
    /// Thousands of images with the whole learning rate, before it falls along a line.
    pub constant_kimg: f64,
    /// Thousands of images over which it falls to 0; 0 for a rate that does not fall.
    pub decay_kimg: f64,
    /// Adam's beta1, for both players.
    pub beta1: f64,
    /// Adam's beta2, for both players.
    pub beta2: f64,
    /// Half-life of the moving average of G's weights that results come from, in thousands of images; 0 for none.
    pub average_kimg: f64,
    /// The pairs.
    pub data: Pairs,
    /// The run.
    pub train: Train,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            resolution: 256,
            width: 64,
            d_width: 64,
            d_layers: 3,
            loss: Adversarial::NonSaturating,
            gan_weight: 1.0,
            l1_weight: 100.0,
            dropout: 0.5,
            learning_rate: 2e-4,
            constant_kimg: 80.0,
            decay_kimg: 0.0, // the published PyTorch version halves the run: 40 and 40
            beta1: 0.5,
            beta2: 0.999,
            average_kimg: 0.0,
            data: Pairs::default(),
            train: Train {
                kimg: 80.0, // 200 passes over 400 facades
                batch: 1,
                log_every_kimg: 0.1,
                preview_every_kimg: 1.0,
                checkpoint_every_kimg: 5.0,
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
        if !matches!(self.resolution, 64 | 128 | 256) {
            return Some(format!("resolution is {}; give 64, 128 or 256", self.resolution));
        }
        if !(1..=256).contains(&self.width) || !(1..=256).contains(&self.d_width) {
            return Some("width and d_width must be 1 to 256".into());
        }
        let most = self.resolution.ilog2() as usize - 2; // or nothing is left of the picture
        if self.d_layers > most.min(5) {
            return Some(format!(
                "d_layers is {}; at {} pixels D can halve the side 0 to {} times",
                self.d_layers,
                self.resolution,
                most.min(5)
            ));
        }
        if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            return Some(format!("learning_rate is {}; give a number above 0", self.learning_rate));
        }
        if !(0.0..1.0).contains(&self.beta1) || !(0.0..1.0).contains(&self.beta2) || !(0.0..1.0).contains(&self.dropout)
        {
            return Some("beta1, beta2 and dropout must lie in [0, 1)".into());
        }
        let weights = [self.gan_weight, self.l1_weight, self.constant_kimg, self.decay_kimg, self.average_kimg];
        if weights.iter().any(|weight| !(*weight >= 0.0 && weight.is_finite()))
            || self.gan_weight + self.l1_weight == 0.0
        {
            return Some(
                "both weights, constant_kimg, decay_kimg and average_kimg must be 0 or more, and one weight above 0"
                    .into(),
            );
        }
        self.data.problem()
    }
}

impl Config {
    fn shape(&self) -> Shape {
        Shape { channels: CHANNELS, side: self.resolution }
    }
}

/// A picture `[n, 3, h, w]` to another of the same shape, both in [-1, 1]: the sides are halved to the bottleneck and doubled
/// again, and what each halving saw goes across to the doubling of the same size.
#[derive(Module, Debug)]
pub struct Generator {
    down: Vec<Conv2d>,
    down_norms: Vec<InstanceNorm>, // after each but the first and the last
    up: Vec<ConvTranspose2d>,
    up_norms: Vec<InstanceNorm>, // after each but the last
    #[module(skip)]
    width: usize,
    #[module(skip)]
    dropout: f64,
}

impl Generator {
    fn new(config: &Config, draws: &Draws, device: &Device) -> Self {
        let (width, levels) = (config.width, config.resolution.ilog2() as usize);
        let channels = |level: usize| width << level.min(3); // after level + 1 halvings
        let of = |[inputs, outputs]: [usize; 2], bias| ConvConfig {
            inputs,
            outputs,
            kernel: 4,
            stride: 2,
            padding: 1,
            groups: 1,
            bias,
            init: INIT,
        };
        let last = levels - 1;
        let down = (0..levels).map(|i| {
            let inputs = if i == 0 { CHANNELS } else { channels(i - 1) };
            let config = of([inputs, channels(i)], i == 0 || i == last); // a norm takes a bias away again
            Conv2d::new(config, draws, &format!("generator.down.{i}"), device)
        });
        let up = (0..levels).map(|i| {
            let inputs = if i == 0 { channels(last) } else { 2 * channels(last - i) };
            let outputs = if i == last { CHANNELS } else { channels(last - 1 - i) };
            ConvTranspose2d::new(of([inputs, outputs], i == last), draws, &format!("generator.up.{i}"), device)
        });
        let norm = |way: &str, i: usize, channels| {
            InstanceNorm::new(true, channels, draws, &format!("generator.{way}_norms.{i}"), device)
        };
        Generator {
            down: down.collect(),
            down_norms: (1..last).map(|i| norm("down", i, channels(i))).collect(),
            up: up.collect(),
            up_norms: (0..last).map(|i| norm("up", i, channels(last - 1 - i))).collect(),
            width,
            dropout: config.dropout,
        }
    }

    /// `noise` drops values; none for the mean of what they could be.
    fn forward(&self, x: Tensor<4>, noise: Option<&Draws>) -> Tensor<4> {
        let last = self.down.len() - 1;
        let mut across = Vec::with_capacity(last); // [n, channels, h / 2^(i + 1), ..] after leaky ReLU
        let mut h = self.down[0].leaky(x, SLOPE);
        for i in 1..=last {
            across.push(h.clone());
            h = match self.down_norms.get(i - 1) {
                Some(norm) => norm.leaky(self.down[i].forward(h), SLOPE),
                None => self.down[i].leaky(h, 0.0), // the bottleneck; ReLU comes before each doubling
            };
        }
        for (i, up) in self.up.iter().enumerate() {
            h = up.forward(h);
            let Some(norm) = self.up_norms.get(i) else { break };
            h = norm.leaky(h, 0.0); // ReLU and dropout in either order are the same
            if let Some(noise) = noise.filter(|_| i < NOISY && self.dropout > 0.0) {
                h = dropout(h, noise.dropout(&format!("generator.dropout.{i}"), self.dropout));
            }
            // ReLU of what crosses: that of leaky ReLU's result is ReLU's of its input.
            let crossing = across.pop().map(|seen| bias_act(seen, None, Act::Leaky(0.0)));
            h = Tensor::cat([Some(h), crossing].into_iter().flatten().collect(), 1);
        }
        bias_act(h, None, Act::Tanh)
    }

    fn device(&self) -> Device {
        self.down[0].weight.device()
    }
}

impl Model for Generator {
    fn inputs(&self) -> Vec<Input> {
        vec![Input::Picture, Input::Seed]
    }

    fn generate(&self, request: &Request) -> Result<Vec<Media>> {
        let Some(picture) = &request.picture else { panic!("no picture to translate") };
        let x = picture.to_signed(&self.device());
        let of = |latent: &Latent| {
            let Latent::Seed(seed) = latent else { panic!("{latent:?} for noise that is dropout") };
            let y = self.forward(x.clone(), Some(&Draws::new(*seed, 0)));
            Media::Image(Image::from_signed(y).remove(0))
        };
        Ok(request.latents.iter().map(of).collect())
    }

    fn translation(&self) -> Option<Translation> {
        let side = 1 << self.down.len();
        Some(Translation {
            channels: CHANNELS,
            side: Some(side),
            multiple: side,
            scale: 1,
            reach: side / 2,
            bytes: 4 * self.num_params(),
            bytes_per_pixel: 8 * self.width + 64,
        })
    }
}

/// The two players in training.
pub struct Pix2pix {
    config: Config,
    generator: Trained<Generator>,
    discriminator: Trained<PatchDiscriminator>,
}

impl Recipe for Pix2pix {
    const INFO: Info = Info {
        name: "pix2pix",
        title: "pix2pix",
        paper: "Isola et al. 2017, Image-to-Image Translation with Conditional Adversarial Networks",
        sentence: "A U-Net learns from pairs to turn one picture into another, as a drawing into colour.",
        dataset: Some(SET),
        small: &["resolution=64", "width=2", "d_width=2", "train.batch=4"],
    };
    type Config = Config;
    type Model = Generator;
    type Batch = PairBatch; // [n, 3, resolution, resolution] in [-1, 1], given and wanted

    fn data(config: &Config, split: Split) -> Result<Box<dyn Source<PairBatch>>> {
        let held_out = split == Split::Validation;
        let batch = if held_out { PREVIEWED } else { config.train.batch };
        config.data.open(SET, config.shape(), config.train.seed, batch, held_out)
    }

    fn model(config: &Config, device: &Device) -> Generator {
        Generator::new(config, &Draws::new(config.train.seed, 0), device)
    }

    fn questions(config: &Config) -> Result<Vec<Question>> {
        let pairs = config.data.test(SET, config.shape())?;
        Ok(pairs.into_iter().map(|[given, wanted]| Question::picture(given, Some(wanted))).collect())
    }

    fn new(config: &Config, model: Generator, device: &Device) -> Self {
        let patch = PatchConfig {
            inputs: 2 * CHANNELS,
            width: config.d_width,
            layers: config.d_layers,
            norms: Norms::Affine,
            init: INIT,
        };
        let draws = Draws::new(config.train.seed, 0);
        let discriminator = PatchDiscriminator::new(patch, &draws, "discriminator", &device.clone().autodiff());
        let adam = AdamConfig { beta2: config.beta2, ..AdamConfig::with_beta1(config.beta1) };
        Pix2pix {
            generator: Trained::new(model, adam, config.average_kimg > 0.0),
            discriminator: Trained::new(discriminator, adam, false),
            config: config.clone(),
        }
    }

    fn step(&mut self, batch: PairBatch, cx: &StepCx) -> Scalars {
        let Config { loss, gan_weight, l1_weight, constant_kimg, decay_kimg, average_kimg, .. } = self.config;
        let [x, y] = [batch.given, batch.wanted].map(|side| Tensor::<4>::from_data(side, cx.device));
        let n = x.dims()[0];
        let done = linear_decay(constant_kimg, decay_kimg, cx.images as f64 / 1000.0);
        let rate = self.config.learning_rate * done;
        let seen = |y: Tensor<4>| Tensor::cat(vec![x.clone(), y], 1); // a picture beside what it was made from
        let fake = self.generator.net().forward(x.clone(), Some(&cx.draws));

        // D, at half its speed
        let mut scalars = Scalars::default();
        if gan_weight > 0.0 {
            let critic = self.discriminator.net();
            let real_logits = patches(critic.forward(seen(y.clone())));
            let fake_logits = patches(critic.forward(seen(fake.clone().without_autodiff())));
            let decided = loss.decided(real_logits.clone(), fake_logits.clone());
            let d_loss = loss.discriminator(real_logits, fake_logits) * 0.5;
            let d_gradient = self.discriminator.descend(d_loss.clone(), rate, 0.0);
            let [real, fake] = decided;
            scalars = scalars.with("d_loss", d_loss).with("d_gradient_norm", d_gradient).judged(real, fake);
        }

        // G: D's judgement, and the distance from the truth
        let l1 = (y.clone() - fake.clone()).abs().mean();
        scalars = scalars.with("l1", l1.clone());
        let mut total = l1 * l1_weight;
        if gan_weight > 0.0 {
            let critic = self.discriminator.frozen();
            let of = |y| patches(critic.forward(seen(y)));
            let g_loss = loss.generator(of(fake.clone()), || of(y));
            scalars = scalars.with("g_loss", g_loss.clone());
            total = total + g_loss * gan_weight;
        }
        drop(fake); // the graph alone holds it now
        let decay = average_decay(n, average_kimg, cx.images);
        let g_gradient = self.generator.descend(total, rate, decay);
        scalars.with("g_gradient_norm", g_gradient)
    }

    fn preview(&self, held: &PairBatch) -> Result<Vec<Media>> {
        let generator = self.generator.sampler();
        let x = Tensor::<4>::from_data(held.given.clone(), &generator.device());
        let y = generator.forward(x, Some(&Draws::new(0, 0)));
        Ok(Image::from_signed(y).into_iter().map(Media::Image).collect())
    }

    fn laid_out(held: &PairBatch, samples: Vec<Media>) -> (Vec<Media>, usize) {
        let [given, wanted] = [&held.given, &held.wanted].map(PairBatch::images);
        (between(given, samples, wanted), 9)
    }

    fn real(batch: &PairBatch) -> Vec<Media> {
        PairBatch::images(&batch.wanted).into_iter().map(Media::Image).collect()
    }

    fn judge(&self, batch: &PairBatch, device: &Device) -> Option<Tensor<2>> {
        let [x, y] = [&batch.given, &batch.wanted].map(|side| Tensor::<4>::from_data(side.clone(), device));
        (self.config.gan_weight > 0.0)
            .then(|| of_pictures(self.discriminator.net().valid().forward(Tensor::cat(vec![x, y], 1))))
    }

    fn parts(&mut self, visit: &mut Parts) {
        self.discriminator.parts("discriminator", visit);
        self.generator.model_parts("generator", visit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::golden::tests::{assert_gradients, assert_gradients_within, assert_near, filled, wave};
    use burn::tensor::s;
    use serde_json::Value;

    /// Both networks and their losses, in f64: made by tests/golden/translation.py, whose docs give the formulas.
    #[test]
    fn networks_and_losses_are_those_of_an_independent_implementation() {
        let golden = serde_json::from_str::<Value>(include_str!("../../tests/golden/translation.json")).unwrap();
        let (golden, device) = (&golden["pix2pix"], Device::flex().autodiff());
        let config = Config { resolution: 64, width: 4, d_width: 4, dropout: 0.0, ..Config::default() };
        let fresh = Pix2pix::new(&config, Pix2pix::model(&config, &device), &Device::flex());
        let (generator, critic) = (filled(fresh.generator.net().clone()), filled(fresh.discriminator.net().clone()));
        let (x, y) = (wave([2, 3, 64, 64], 0.013), wave([2, 3, 64, 64], 0.017));
        let seen = |y| Tensor::cat(vec![x.clone(), y], 1);
        let fake = generator.forward(x.clone(), None);
        assert_near(fake.clone().slice(s![.., .., ..;7, ..;7]), &golden["fake"], "G(x)");
        let real_logits = critic.forward(seen(y.clone()));
        assert_near(real_logits.clone(), &golden["logits"], "D(x, y)");
        let fake_logits = critic.forward(seen(fake.clone().without_autodiff()));
        let d_loss = config.loss.discriminator(patches(real_logits), patches(fake_logits)) * 0.5;
        assert_near(d_loss.clone(), &golden["d_loss"], "D's loss");
        assert_gradients(&critic, &d_loss.backward(), &golden["d_gradients"], "D's loss");
        let g_loss = config.loss.generator(patches(critic.clone().no_grad().forward(seen(fake.clone()))), || panic!());
        let l1 = (y - fake).abs().mean();
        assert_near(g_loss.clone(), &golden["g_loss"], "G's loss");
        assert_near(l1.clone(), &golden["l1"], "the distance");
        let total = l1 * config.l1_weight + g_loss * config.gan_weight;
        // Near the bottleneck a norm is of four values, which makes much of f32's rounding.
        assert_gradients_within(5e-3, &generator, &total.backward(), &golden["g_gradients"], "G's loss");
    }

    #[test]
    fn the_papers_networks_have_their_numbers_of_parameters() {
        let golden = serde_json::from_str::<Value>(include_str!("../../tests/golden/translation.json")).unwrap();
        let (config, device) = (Config::default(), Device::flex().autodiff());
        let fresh = Pix2pix::new(&config, Pix2pix::model(&config, &device), &Device::flex());
        let found = [fresh.generator.net().num_params(), fresh.discriminator.net().num_params()];
        let wanted = ["unet_256_parameters", "patch_70_parameters"].map(|key| golden["pix2pix"][key].as_u64().unwrap());
        assert_eq!(found.map(|count| count as u64), wanted);
    }

    #[test]
    fn the_u_net_fits_every_resolution_and_larger_pictures_than_it_learned_from() {
        for resolution in [64, 128, 256] {
            let config = Config { resolution, width: 1, ..Config::default() };
            assert_eq!(config.problem(), None);
            let generator = Generator::new(&config, &Draws::new(0, 0), &Device::flex());
            assert_eq!(generator.down.len(), resolution.ilog2() as usize);
            let x = Tensor::<4>::zeros([1, 3, resolution, 2 * resolution], &Device::flex());
            assert_eq!(generator.forward(x, None).dims(), [1, 3, resolution, 2 * resolution]);
        }
    }

    #[test]
    fn a_picture_becomes_the_same_in_any_batch_and_another_by_another_seed() {
        let config = Config { resolution: 64, width: 2, ..Config::default() };
        let generator = Generator::new(&config, &Draws::new(0, 0), &Device::flex());
        let pictures = Draws::new(1, 0).uniform("x", [3, 3, 64, 64], (-1.0, 1.0), &Device::flex());
        let together = generator.forward(pictures.clone(), None);
        let alone = generator.forward(pictures.slice(s![1..2]), None);
        let apart = (together.slice(s![1..2]) - alone).abs().max().into_scalar::<f32>();
        assert!(apart < 1e-5, "{apart}");
        let picture = Image::new(64, 64, 3, (0..3 * 64 * 64).map(|i| (i % 251) as u8).collect());
        let request = Request { picture: Some(picture), ..Request::seeds([0, 1, 0]) };
        let made = crate::recipe::generate(&generator, &request).unwrap();
        assert!(made[0] == made[2] && made[0] != made[1]);
    }
}
