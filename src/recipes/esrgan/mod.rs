//! ESRGAN: pictures at four times their size, first as near to the truth as can be, then as real as can be.
//!
//! Wang et al. 2018, "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks", with the constants of the authors'
//! training code. The perceptual distance is between features of SqueezeNet 1.1 ([`crate::loss::perceptual`]), for no package has
//! VGG19's weights; whoever has them can give them. The compact network is Real-ESRGAN's (Wang et al. 2021).

mod generator;

use std::path::PathBuf;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{Settings, Train};
use crate::data::enlarged::{self, Degradation, Enlarged};
use crate::data::images::{Crop, Images};
use crate::data::source::Source;
use crate::error::{Error, Result};
use crate::foreign::Foreign;
use crate::loss::adversarial::Adversarial;
use crate::loss::eye::Eye;
use crate::loss::penalty::Penalty;
use crate::media::{Image, Media};
use crate::nn::{HalvingConfig, HalvingDiscriminator};
use crate::optim::{AdamConfig, Trained, average_decay};
use crate::parts::Parts;
use crate::random::Draws;
use crate::recipe::{Adopted, Info, Input, Model, Question, Recipe, Request, Scalars, Split, StepCx, Translation};
use generator::{CHANNELS, Generator, Kind, PART, Sizes, TIMES};

const LOSS: Adversarial = Adversarial::RelativisticAverage;
/// Halvings of the learning rate: after these shares of the second stage, and as often in equal parts of the first.
const HALVED_AT: [f64; 4] = [0.125, 0.25, 0.5, 0.75];
/// Units between D's last picture and its logit.
const HIDDEN: usize = 100;
/// D's layers halve the side to this.
const LEAST: usize = 4;

/// The configuration of `esrgan`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Side of the large pictures in pixels, 16, 32, 64 or 128; the small ones have a quarter of it.
    pub resolution: usize,
    /// Which network enlarges.
    pub network: Kind,
    /// Its blocks, each of three dense blocks; convolutions between the first and the last of the compact network.
    pub blocks: usize,
    /// Its channels from block to block.
    pub width: usize,
    /// Channels that each convolution of a dense block adds.
    pub growth: usize,
    /// By what the size of the result is multiplied at the end: 1, or 0.75 and 0.5 for three times and twice.
    pub shrink: f64,
    /// Channels of D's first layer; every halving of the side doubles them, up to eight times.
    pub d_width: usize,
    /// Thousands of images of the first stage, in which G learns by the distance from the truth alone.
    pub psnr_kimg: f64,
    /// Thousands of images of the second stage, with all losses; beyond it the learning rate stays as it is.
    pub gan_kimg: f64,
    /// Adam's learning rate in the first stage; it halves after every fifth of it.
    pub psnr_learning_rate: f64,
    /// Adam's learning rate in the second stage, for both players; it halves after 1/8, 1/4, 1/2 and 3/4 of it.
    pub learning_rate: f64,
    /// Weight of the mean absolute difference from the truth in the second stage.
    pub pixel_weight: f64,
    /// Weight of the perceptual distance from the truth.
    pub perceptual_weight: f64,
    /// VGG19's weights, torchvision's file, to measure that distance as the paper does; without it SqueezeNet's features do.
    pub vgg19: PathBuf,
    /// Weight of the adversarial loss.
    pub gan_weight: f64,
    /// Weight, gamma, of the penalty R1 on D's gradient by real pictures; 0 for none, as in the paper.
    pub r1_weight: f64,
    /// Adam's beta1, for both players.
    pub beta1: f64,
    /// Adam's beta2, for both players.
    pub beta2: f64,
    /// Half-life of the moving average of G's weights that results come from, in thousands of images; 0 for none.
    pub average_kimg: f64,
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
            resolution: 128,
            network: Kind::Rrdb,
            blocks: 23,
            width: 64,
            growth: 32,
            shrink: 1.0,
            d_width: 64,
            psnr_kimg: 16_000.0,
            gan_kimg: 6_400.0,
            psnr_learning_rate: 2e-4,
            learning_rate: 1e-4,
            pixel_weight: 0.01,
            perceptual_weight: 1.0,
            vgg19: PathBuf::new(),
            gan_weight: 5e-3,
            r1_weight: 0.0,
            beta1: 0.9,
            beta2: 0.999,
            average_kimg: 11.1, // 0.999 a step
            degradation: Degradation::Bicubic,
            data: Images { crop: Crop::Detail, mirror: true, ..Images::default() },
            train: Train {
                kimg: 22_400.0,
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
        if !matches!(self.resolution, 16 | 32 | 64 | 128) {
            return Some(format!("resolution is {}; give 16, 32, 64 or 128", self.resolution));
        }
        if let Some(problem) = self.sizes().problem() {
            return Some(problem);
        }
        if !(1..=256).contains(&self.d_width) {
            return Some(format!("d_width is {}; give 1 to 256", self.d_width));
        }
        let rates = [self.psnr_learning_rate, self.learning_rate];
        if rates.iter().any(|rate| !(*rate > 0.0 && rate.is_finite())) {
            return Some("psnr_learning_rate and learning_rate must be above 0".into());
        }
        if !(0.0..1.0).contains(&self.beta1) || !(0.0..1.0).contains(&self.beta2) {
            return Some("beta1 and beta2 must lie in [0, 1)".into());
        }
        let weights = [
            self.psnr_kimg,
            self.gan_kimg,
            self.pixel_weight,
            self.perceptual_weight,
            self.gan_weight,
            self.r1_weight,
            self.average_kimg,
        ];
        if weights.iter().any(|weight| !(*weight >= 0.0 && weight.is_finite())) {
            return Some("psnr_kimg, gan_kimg, the four weights and average_kimg must be 0 or more".into());
        }
        self.data.problem()
    }
}

impl Config {
    fn sizes(&self) -> Sizes {
        let Config { network, blocks, width, growth, shrink, .. } = *self;
        Sizes { kind: network, blocks, width, growth, shrink }
    }

    /// The side of the large pictures that are used, in whole small pixels.
    fn side(&self) -> usize {
        self.resolution / TIMES * self.sizes().times()
    }

    /// Whether G is in the first stage, and the learning rate.
    fn stage(&self, images: u64) -> (bool, f64) {
        let kimg = images as f64 / 1000.0;
        if kimg < self.psnr_kimg {
            let halvings = (5.0 * kimg / self.psnr_kimg).floor();
            return (true, self.psnr_learning_rate * 0.5_f64.powf(halvings));
        }
        let share = (kimg - self.psnr_kimg) / self.gan_kimg.max(1e-9);
        let halvings = HALVED_AT.iter().filter(|at| share >= **at).count();
        (false, self.learning_rate * 0.5_f64.powi(halvings as i32))
    }
}

/// How much of the second stage is in the result, from 0 to 1 (section 3.4, α): 0 for the network as it was after the first,
/// which invents nothing, 1 for the last.
const DETAIL: Input = Input::Text { name: "detail", usual: "1" };

/// The half one keeps.
#[derive(Module, Debug)]
pub struct Enlarger {
    last: Generator,
    first: Option<Generator>, // as it was after the first stage, where there is one; no gradient reaches it
}

impl Enlarger {
    fn new(config: &Config, device: &Device) -> Self {
        let last = Generator::new(config.sizes(), &Draws::new(config.train.seed, 0), device);
        Enlarger { first: (config.psnr_kimg > 0.0).then(|| last.clone().no_grad()), last }
    }

    /// The network with so much of the second stage. The error names the way out.
    fn with_detail(&self, share: &str) -> Result<Generator> {
        let number = share.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
        let share = number.ok_or_else(|| Error::input(format!("detail is `{share}`; give a number from 0 to 1")))?;
        Ok(match &self.first {
            Some(first) if share < 1.0 => self.last.between(first, share),
            _ => self.last.clone(),
        })
    }
}

impl Model for Enlarger {
    fn inputs(&self) -> Vec<Input> {
        [Input::Picture].into_iter().chain(self.first.as_ref().map(|_| DETAIL)).collect()
    }

    fn generate(&self, request: &Request) -> Result<Vec<Media>> {
        let Some(picture) = &request.picture else { panic!("no picture to enlarge") };
        let generator = self.with_detail(request.text(DETAIL))?;
        let x = (picture.to_signed(&generator.device()) + 1.0) * 0.5;
        let y = generator.forward(x) * 2.0 - 1.0;
        Ok(vec![Media::Image(Image::from_signed(y).remove(0)); request.latents.len()])
    }

    fn translation(&self) -> Option<Translation> {
        let Sizes { kind, width, growth, .. } = self.last.sizes();
        let picture = TIMES * TIMES * 4 * 3 * CHANNELS;
        let (small, part) = match kind {
            Kind::Rrdb => (4 * (5 * width + 4 * growth), 4 * 4 * width), // of a part, what two convolutions make and take
            Kind::Compact => (4 * 4 * width, 0),
        };
        let part = (TIMES * PART).pow(2) * part;
        let weights = 4 * (self.last.num_params() + self.first.as_ref().map_or(0, Module::num_params));
        Some(Translation {
            channels: CHANNELS,
            side: None,
            multiple: 1,
            scale: self.last.sizes().times(),
            reach: self.last.reach(),
            bytes: weights + part,
            bytes_per_pixel: picture + small,
        })
    }
}

/// The players in training, and who judges what pictures look like.
pub struct Esrgan {
    config: Config,
    generator: Trained<Enlarger>,
    discriminator: Trained<HalvingDiscriminator>,
    eye: Option<Eye>, // none before `equip`
    d_learns: bool,   // in the second stage
}

impl Recipe for Esrgan {
    const INFO: Info = Info {
        name: "esrgan",
        title: "ESRGAN",
        paper: "Wang et al. 2018, ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks",
        sentence: "Small pictures become four times as large, with details as real ones have.",
        dataset: Some(enlarged::SET),
        small: &[
            "resolution=16",
            "blocks=1",
            "width=4",
            "growth=2",
            "d_width=2",
            "psnr_kimg=0",
            "train.batch=4",
            "data.path=avatars",
        ],
    };
    type Config = Config;
    type Model = Enlarger;
    type Batch = Enlarged; // small [n, 3, side / times, ..] and large [n, 3, side, ..], in [0, 1]

    fn data(config: &Config, split: Split) -> Result<Box<dyn Source<Enlarged>>> {
        let Train { seed, batch, .. } = config.train;
        let held_out = split == Split::Validation;
        enlarged::open(
            &config.data,
            (config.side(), config.sizes().times()),
            config.degradation,
            (seed, batch),
            held_out,
        )
    }

    fn model(config: &Config, device: &Device) -> Enlarger {
        Enlarger::new(config, device)
    }

    fn questions(config: &Config) -> Result<Vec<Question>> {
        let pairs = enlarged::test(&config.data, (config.side(), config.sizes().times()), config.degradation)?;
        let questions = pairs.into_iter().map(|[small, large]| Question::picture(small, Some(large)));
        let questions = questions.collect::<Vec<Question>>();
        if config.psnr_kimg == 0.0 || config.gan_kimg == 0.0 {
            return Ok(questions);
        }
        // Both stages are asked the same.
        let with = |detail: &str| {
            let mut questions = questions.clone();
            for question in &mut questions {
                question.request.with.insert(DETAIL.name().to_owned(), detail.to_owned());
            }
            questions
        };
        Ok(["0", "1"].map(with).concat())
    }

    fn adopt(foreign: &Foreign, device: &Device) -> Option<Adopted<Self>> {
        let generator = match foreign {
            Foreign::Ncnn(layers) => Generator::of_ncnn(layers, device),
            Foreign::StateDict(tensors) => Generator::of_state_dict(tensors, device)?,
        };
        Some(generator.map(|generator| {
            let Sizes { kind, blocks, width, growth, shrink } = generator.sizes();
            // Nobody says what it was after a first stage.
            let config = Config { network: kind, blocks, width, growth, shrink, psnr_kimg: 0.0, ..Config::default() };
            (config, Enlarger { last: generator, first: None })
        }))
    }

    fn new(config: &Config, model: Enlarger, device: &Device) -> Self {
        let draws = Draws::new(config.train.seed, 0);
        let side = config.side();
        let discriminator = HalvingConfig {
            side,
            inputs: CHANNELS,
            width: config.d_width,
            kernel: 4,
            halvings: (side / LEAST).ilog2() as usize,
            hidden: HIDDEN,
        };
        let discriminator =
            HalvingDiscriminator::new(discriminator, &draws, "discriminator", &device.clone().autodiff());
        let adam = AdamConfig { beta2: config.beta2, ..AdamConfig::with_beta1(config.beta1) };
        Esrgan {
            generator: Trained::new(model, adam, config.average_kimg > 0.0),
            discriminator: Trained::new(discriminator, adam, false),
            eye: None,
            d_learns: !config.stage(0).0,
            config: config.clone(),
        }
    }

    fn equip(&mut self, device: &Device) -> Result<()> {
        let Train { batch, .. } = self.config.train;
        let images = self.config.train.total_steps() * batch as u64;
        let (is_first, _) = self.config.stage(images); // at the end of the run
        if !is_first && self.config.perceptual_weight > 0.0 {
            self.eye = Some(Eye::open(&self.config.vgg19, device)?);
        }
        Ok(())
    }

    fn step(&mut self, batch: Enlarged, cx: &StepCx) -> Scalars {
        let Config { pixel_weight, perceptual_weight, gan_weight, r1_weight, average_kimg, .. } = self.config;
        let [small, real] = [batch.small, batch.large].map(|side| Tensor::<4>::from_data(side, cx.device));
        let n = real.dims()[0];
        let decay = average_decay(n, average_kimg, cx.images);
        let (is_first, rate) = self.config.stage(cx.images);
        self.d_learns = !is_first;
        if !is_first && self.config.stage(cx.images.saturating_sub(n as u64)).0 {
            let first = self.generator.sampler().last.train().no_grad();
            self.generator.change(|enlarger| Enlarger { first: Some(first), ..enlarger });
        }
        let fake = self.generator.net().last.forward(small);
        let pixel = (fake.clone() - real.clone()).abs().mean();
        let scalars = Scalars::default().with("l1", pixel.clone());

        // The first stage: G by the distance alone
        if is_first {
            drop(fake); // the graph alone holds it now
            let g_gradient = self.generator.descend(pixel, rate, decay);
            return scalars.with("g_gradient_norm", g_gradient);
        }

        // D
        let critic = self.discriminator.net();
        let (of_real, back) = critic.vjp(real.clone());
        let penalty = (r1_weight > 0.0).then(|| Penalty::zero_centred(r1_weight, (of_real.clone(), back)));
        let of_fake = critic.forward(fake.clone().without_autodiff());
        let decided = LOSS.decided(of_real.clone(), of_fake.clone());
        let d_loss = LOSS.discriminator(of_real, of_fake);
        let total = penalty.iter().fold(d_loss.clone(), |total, penalty| total + penalty.clone());
        let d_gradient = self.discriminator.descend(total, rate, 0.0);
        let scalars = penalty.into_iter().fold(scalars, |scalars, penalty| scalars.with("d_penalty", penalty));
        let [of_real, of_fake] = decided;
        let mut scalars = scalars.with("d_loss", d_loss).with("d_gradient_norm", d_gradient).judged(of_real, of_fake);

        // G: the distance in pixels and to the eye, and D's judgement
        let critic = self.discriminator.frozen();
        let g_loss = LOSS.generator(critic.forward(fake.clone()), || critic.forward(real.clone()));
        scalars = scalars.with("g_loss", g_loss.clone());
        let mut total = pixel * pixel_weight + g_loss * gan_weight;
        if let Some(eye) = &self.eye {
            let pictures = [fake, real].map(|x| x * 2.0 - 1.0);
            let distance = eye.distance(pictures, &cx.draws, |fake, real| (fake - real).abs().mean());
            scalars = scalars.with("perceptual", distance.clone());
            total = total + distance * perceptual_weight;
        }
        let g_gradient = self.generator.descend(total, rate, decay);
        scalars.with("g_gradient_norm", g_gradient)
    }

    fn preview(&self, held: &Enlarged) -> Result<Vec<Media>> {
        let generator = self.generator.sampler().last;
        let y = generator.forward(Tensor::<4>::from_data(held.small.clone(), &generator.device()));
        Ok(Image::from_signed(y * 2.0 - 1.0).into_iter().map(Media::Image).collect())
    }

    fn laid_out(held: &Enlarged, samples: Vec<Media>) -> (Vec<Media>, usize) {
        held.beside(samples)
    }

    fn real(batch: &Enlarged) -> Vec<Media> {
        Enlarged::images(&batch.large).into_iter().map(Media::Image).collect()
    }

    fn judge(&self, batch: &Enlarged, device: &Device) -> Option<Tensor<2>> {
        let large = Tensor::<4>::from_data(batch.large.clone(), device);
        self.d_learns.then(|| self.discriminator.net().valid().forward(large))
    }

    fn parts(&mut self, visit: &mut Parts) {
        self.discriminator.parts("discriminator", visit);
        self.generator.model_parts("generator", visit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::golden::tests::{assert_gradients, assert_near, filled, wave};
    use burn::tensor::s;
    use serde_json::Value;

    /// Both networks and their losses, in f64: made by tests/golden/esrgan.py, whose docs give the formulas.
    #[test]
    fn networks_and_losses_are_those_of_an_independent_implementation() {
        let golden = serde_json::from_str::<Value>(include_str!("../../../tests/golden/esrgan.json")).unwrap();
        let device = Device::flex().autodiff();
        let config = Config { resolution: 16, blocks: 1, width: 4, growth: 2, d_width: 2, ..Config::default() };
        let fresh = Esrgan::new(&config, Esrgan::model(&config, &device), &Device::flex());
        let (generator, critic) =
            (filled(fresh.generator.net().last.clone()), filled(fresh.discriminator.net().clone()));
        let [small, real] =
            [([3, 3, 4, 4], 0.013), ([3, 3, 16, 16], 0.017)].map(|(shape, rate)| (wave(shape, rate) + 1.0) * 0.5);
        let fake = generator.forward(small);
        assert_near(fake.clone().slice(s![.., .., ..;5, ..;5]), &golden["fake"], "G(x)");
        let (of_real, of_fake) = (critic.forward(real.clone()), critic.forward(fake.clone().without_autodiff()));
        assert_near(of_real.clone(), &golden["logits"], "D(x)");
        let d_loss = LOSS.discriminator(of_real, of_fake);
        assert_near(d_loss.clone(), &golden["d_loss"], "D's loss");
        assert_gradients(&critic, &d_loss.backward(), &golden["d_gradients"], "D's loss");
        let (again, back) = critic.vjp(real.clone());
        assert_near(again.clone(), &golden["logits"], "D(x) with its way back");
        let r1 = Penalty::zero_centred(1.5, (again.clone(), back));
        assert_near(r1.clone(), &golden["r1"], "R1");
        let d_loss = LOSS.discriminator(again, critic.forward(fake.clone().without_autodiff()));
        assert_gradients(&critic, &(d_loss + r1).backward(), &golden["r1_gradients"], "D's loss with R1");
        let frozen = critic.no_grad();
        let g_loss = LOSS.generator(frozen.forward(fake.clone()), || frozen.forward(real.clone()));
        let pixel = (fake - real).abs().mean();
        assert_near(g_loss.clone(), &golden["g_loss"], "G's loss");
        assert_near(pixel.clone(), &golden["pixel"], "the distance");
        let total = pixel * config.pixel_weight + g_loss * config.gan_weight;
        assert_gradients(&generator, &total.backward(), &golden["g_gradients"], "G's loss");
    }

    #[test]
    fn the_papers_generator_and_its_smaller_kin_have_their_numbers_of_parameters() {
        let parameters = |network, blocks| {
            let config = Config { network, blocks, ..Config::default() };
            Esrgan::model(&config, &Device::flex()).last.num_params()
        };
        // Of the published files: RRDBNet of 23 and of 6 blocks, SRVGGNetCompact of 16 convolutions.
        assert_eq!(parameters(Kind::Rrdb, 23), 16_697_987);
        assert_eq!(parameters(Kind::Rrdb, 6), 4_467_779);
        assert_eq!(parameters(Kind::Compact, 16), 621_424);
    }

    #[test]
    fn the_learning_rate_halves_as_the_authors_code_has_it() {
        let config = Config { psnr_kimg: 1000.0, gan_kimg: 400.0, ..Config::default() };
        let at = |kimg: u64| config.stage(kimg * 1000);
        assert_eq!([0, 199, 200, 999].map(&at), [(true, 2e-4), (true, 2e-4), (true, 1e-4), (true, 2e-4 / 16.0)]);
        let second = [1000, 1049, 1050, 1100, 1200, 1300, 5000].map(|kimg| at(kimg).1 / 1e-4);
        assert_eq!(second, [1.0, 1.0, 0.5, 0.25, 0.125, 0.0625, 0.0625]);
    }

    #[test]
    fn detail_goes_from_the_first_stages_network_to_the_last() {
        let device = Device::flex();
        let config = Config { blocks: 1, width: 4, growth: 2, ..Config::default() };
        let mut enlarger = Enlarger::new(&config, &device);
        enlarger.last = Generator::new(config.sizes(), &Draws::new(9, 0), &device);
        let x = Draws::new(1, 0).uniform("x", [1, 3, 4, 4], (0.0, 1.0), &device);
        let of = |detail: &str| enlarger.with_detail(detail).unwrap().forward(x.clone()).into_data();
        let first = enlarger.first.as_ref().unwrap().forward(x.clone()).into_data();
        assert_eq!((of("0"), of("1")), (first.clone(), enlarger.last.forward(x.clone()).into_data()));
        assert!(of("0.5") != first && of("0.5") != of("1"));
        for wrong in ["2", "-1", "much", "NaN"] {
            assert!(enlarger.with_detail(wrong).unwrap_err().to_string().contains("from 0 to 1"));
        }
        let imported = Enlarger::new(&Config { psnr_kimg: 0.0, ..config }, &device);
        assert_eq!((imported.inputs(), enlarger.inputs().len()), (vec![Input::Picture], 2));
    }
}
