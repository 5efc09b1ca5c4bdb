//! ESRGAN: pictures at four times their size, first as near to the truth as can be, then as real as can be.
//!
//! Wang et al. 2018, "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks", with the constants of the authors'
//! training code. The perceptual distance is between features of SqueezeNet 1.1 ([`crate::loss::perceptual`]), for no package has
//! VGG19's weights; whoever has them can give them. The compact network is Real-ESRGAN's (Wang et al. 2021).

mod foreign;
mod generator;

use std::path::PathBuf;

use crate::data::enlarged::{self, Degradation, Enlarged};
use crate::data::images::{Crop, Images};
use crate::data::source::Asked;
use crate::foreign::Candidate;
use crate::looks::Look;
use crate::loss::penalty::Penalty;
use crate::loss::perceptual;
use crate::nn::{HalvingConfig, HalvingDiscriminator};
use crate::prelude::*;
use crate::recipe::Adopted;
use generator::{CHANNELS, Generator, Network, PART, Sizes, TIMES};

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
    /// Side of the large pictures in pixels; the small ones have a `times`-th of it.
    #[schemars(extend("enum" = [16, 32, 64, 128]))]
    pub resolution: usize,
    /// Which network enlarges.
    pub network: Network,
    /// Its blocks, each of three dense blocks; convolutions between the first and the last of the compact network.
    #[schemars(range(min = 1, max = 64))]
    pub blocks: usize,
    /// Its channels from block to block.
    #[schemars(range(min = 1, max = 512))]
    pub width: usize,
    /// Channels that each convolution of a dense block adds.
    #[schemars(range(min = 1, max = 256))]
    pub growth: usize,
    /// Channels of the pictures: 3, or 1 for grey, which can be imported and not trained.
    #[schemars(extend("enum" = [1, 3]))]
    pub channels: usize,
    /// How many pixels along a side become one at the beginning, as channels, in networks of dense blocks.
    #[schemars(extend("enum" = [1, 2, 4]))]
    pub unshuffle: usize,
    /// How many times larger the network makes what it then has: 1, 2, 4 or 8 by dense blocks, 1 to 4 by the compact network and SPAN.
    #[schemars(extend("enum" = [1, 2, 3, 4, 8]))]
    pub times: usize,
    /// By what the size of the result is multiplied at the end: 1, or 0.75 and 0.5 for three times and twice.
    #[schemars(extend("enum" = [0.25, 0.5, 0.75, 1.0]))]
    pub shrink: f64,
    /// Channels of D's first layer; every halving of the side doubles them, up to eight times.
    #[schemars(range(min = 1, max = 256))]
    pub d_width: usize,
    /// Thousands of images of the first stage, in which G learns by the distance from the truth alone.
    pub psnr_kimg: f64,
    /// Thousands of images of the second stage, with all losses; beyond it the learning rate stays as it is.
    pub gan_kimg: f64,
    /// Adam's learning rate in the first stage; it halves after every fifth of it.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub psnr_learning_rate: f64,
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
    /// The optimizer, for both players; its rate is that of the second stage, and halves after 1/8, 1/4, 1/2 and 3/4 of it.
    pub adam: Adam,
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
            network: Network::Rrdb,
            blocks: 23,
            width: 64,
            growth: 32,
            channels: CHANNELS,
            unshuffle: 1,
            times: TIMES,
            shrink: 1.0,
            d_width: 64,
            psnr_kimg: 16_000.0,
            gan_kimg: 6_400.0,
            psnr_learning_rate: 2e-4,
            pixel_weight: 0.01,
            perceptual_weight: 1.0,
            vgg19: PathBuf::new(),
            gan_weight: 5e-3,
            r1_weight: 0.0,
            adam: Adam { learning_rate: 1e-4, beta1: 0.9, beta2: 0.999 },
            average_kimg: 11.1, // 0.999 a step
            degradation: Degradation::Bicubic,
            data: Images { crop: Crop::Detail, mirror: true, ..Images::default() },
            train: Train { kimg: 22_400.0, batch: 16, ..Train::every([1.0, 10.0, 20.0]) },
        }
    }
}

impl Settings for Config {
    fn train(&self) -> &Train {
        &self.train
    }

    fn problem(&self) -> Option<String> {
        if let Some(problem) = self.sizes().problem() {
            return Some(problem);
        }
        let small = self.resolution / self.times;
        if !small.is_multiple_of(self.unshuffle) {
            return Some(format!(
                "small pictures of {small} pixels are no multiple of unshuffle; give a larger resolution"
            ));
        }
        let side = self.side();
        let least = 2 * LEAST; // D halves it at least once
        (side < least)
            .then(|| format!("large pictures of {side} pixels are less than {least}; give a larger resolution"))
    }
}

impl Config {
    fn sizes(&self) -> Sizes {
        let Config { network, blocks, width, growth, channels, unshuffle, times, shrink, .. } = *self;
        Sizes { network, blocks, width, growth, channels, unshuffle, times, shrink }
    }

    /// The side of the large pictures that are used, in whole small pixels.
    fn side(&self) -> usize {
        self.resolution / self.times * self.sizes().scale()
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
        (false, self.adam.learning_rate * 0.5_f64.powi(halvings as i32))
    }
}

/// How much of the second stage is in the result, from 0 to 1 (section 3.4, α): 0 for the network as it was after the first,
/// which invents nothing, 1 for the last.
const DETAIL: &str = "detail";

/// How much of the network is in the result, from 0 to 1; the rest is the picture as cubic interpolation enlarges it.
const STRENGTH: &str = "strength";

/// The half one keeps.
#[derive(Module, Debug)]
pub struct Enlarger {
    last: Generator,
    first: Option<Generator>, // as it was after the first stage, where there is one; no gradient reaches it
}

impl Enlarger {
    fn new(config: &Config, device: &Device) -> Self {
        let drawn = || Generator::new(config.sizes(), &Draws::new(config.train.seed, 0), device); // the same every time
        Enlarger { first: (config.psnr_kimg > 0.0).then(|| drawn().no_grad()), last: drawn() }
    }

    /// The network with so much of the second stage.
    fn with_detail(&self, share: f64) -> Generator {
        match &self.first {
            Some(first) if share < 1.0 => self.last.between(first, share),
            _ => self.last.clone(),
        }
    }
}

impl Model for Enlarger {
    fn takes(&self) -> Vec<Field> {
        let share = |name: &str| Field::new(name, Kind::Number { low: 0.0, high: 1.0, usual: 1.0 });
        let picture = Field::picture(PICTURE, self.last.sizes().channels, None, Range::Unit);
        [picture, share(STRENGTH)].into_iter().chain(self.first.as_ref().map(|_| share(DETAIL))).collect()
    }

    fn makes(&self) -> Vec<Field> {
        vec![Field::picture("result", self.last.sizes().channels, None, Range::Unit)]
    }

    fn forward(&self, given: Given) -> Made {
        let details = match self.first {
            Some(_) => given.numbers(DETAIL).to_vec(),
            None => vec![1.0; given.samples()],
        };
        let shares = details.into_iter().zip(given.numbers(STRENGTH).iter().copied()).collect::<Vec<_>>();
        given.each(&shares, |(detail, strength), some| {
            let (x, network) = (some.tensor(PICTURE), self.with_detail(*detail));
            let result = match *strength {
                1.0 => network.forward(x),
                share => network.forward(x.clone()) * share + network.without(x) * (1.0 - share),
            };
            Made::one("result", result)
        })
    }

    fn tiling(&self) -> Option<Tiling> {
        let sizes = self.last.sizes();
        let Sizes { network, width, growth, channels, unshuffle, times, .. } = sizes;
        let picture = times * times * 4 * 3 * channels;
        let (small, part) = match network {
            // Of a part, what two convolutions make and take.
            Network::Rrdb | Network::RrdbPlus => (4 * (5 * width + 4 * growth), 4 * 4 * width),
            Network::Msrresnet | Network::Srresnet => (4 * 4 * width, 4 * 4 * width),
            Network::Compact => (4 * 4 * width, 0),
            Network::Span => (4 * 10 * width, 0),
        };
        let weights = 4 * (self.last.num_params() + self.first.as_ref().map_or(0, Module::num_params));
        let bytes = weights + PART.pow(2) * part;
        let (scale, reach, keeps_colours) = (sizes.scale(), Some(self.last.reach()), true);
        let bytes_per_pixel = (picture + small).div_ceil(unshuffle * unshuffle);
        Some(Tiling { multiple: unshuffle, least: 1, scale, reach, keeps_colours, bytes, bytes_per_pixel })
    }
}

/// The players in training, and who judges what pictures look like.
pub struct Esrgan {
    config: Config,
    generator: Trained<Enlarger>,
    discriminator: Trained<HalvingDiscriminator>,
    eye: Option<Look>,
    d_learns: bool, // in the second stage
}

impl Recipe for Esrgan {
    const INFO: Info = Info {
        name: "esrgan",
        title: "ESRGAN",
        paper: "Wang et al. 2018, ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks",
        sentence: "Small pictures become four times as large, with details as real ones have.",
        dataset: Some(enlarged::SET),
        time: "3 months",
        presets: &[Preset { name: LAPTOP, time: "14 min", text: include_str!("../../../configs/esrgan-laptop.toml") }],
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
        if config.channels != CHANNELS {
            let problem =
                "a network of grey pictures can be imported and used, and has no data to learn from; give channels = 3";
            return Err(crate::error::Error::input(problem));
        }
        let (sides, drawing) = ((config.side(), config.sizes().scale()), config.train.drawing(split));
        let source = enlarged::open(&config.data, sides, config.degradation, drawing)?;
        if split != Split::Test || config.psnr_kimg == 0.0 || config.gan_kimg == 0.0 {
            return Ok(source);
        }
        // Both stages are asked the same.
        let with =
            |detail: &str| source.asked().into_iter().map(|example| example.with(DETAIL, detail)).collect::<Vec<_>>();
        Ok(Box::new(Asked(["0", "1"].map(with).concat())))
    }

    fn model(config: &Config, device: &Device) -> Enlarger {
        Enlarger::new(config, device)
    }

    fn adopt(candidate: &Candidate, device: &Device) -> Option<Adopted<Self>> {
        let generator = match candidate {
            Candidate::Layers(layers) => Generator::of_ncnn(layers, device),
            Candidate::Tensors(part) => Generator::of_tensors(part, device)?,
        };
        Some(generator.map(|generator| {
            let Sizes { network, blocks, width, growth, channels, unshuffle, times, shrink } = generator.sizes();
            let sizes =
                Config { network, blocks, width, growth, channels, unshuffle, times, shrink, ..Config::default() };
            let config = Config { psnr_kimg: 0.0, ..sizes }; // nobody says what it was after a first stage
            (config, Enlarger { last: generator, first: None })
        }))
    }

    fn new(config: &Config, model: Enlarger, setup: &Setup<Enlarged>) -> Result<Self> {
        let side = config.side();
        let discriminator = HalvingConfig {
            side,
            inputs: CHANNELS,
            width: config.d_width,
            kernel: 4,
            halvings: (side / LEAST).ilog2() as usize,
            hidden: HIDDEN,
        };
        let draws = Draws::new(config.train.seed, 0);
        let discriminator = HalvingDiscriminator::new(discriminator, &draws, "discriminator", &setup.autodiff());
        let ends_first = config.stage(config.train.total_images()).0;
        let eye = (!ends_first && config.perceptual_weight > 0.0).then(|| Look::of_loss(&config.vgg19, setup.device));
        Ok(Esrgan {
            generator: Trained::new(model, config.adam.rule(), config.average_kimg),
            discriminator: Trained::new(discriminator, config.adam.rule(), 0.0),
            eye: eye.transpose()?,
            d_learns: !config.stage(0).0,
            config: config.clone(),
        })
    }

    fn step(&mut self, batch: Enlarged, cx: &StepCx) -> Scalars {
        let Config { pixel_weight, perceptual_weight, gan_weight, r1_weight, .. } = self.config;
        let [small, real] = [batch.small, batch.large].map(|side| cx.tensor::<4>(side));
        let (is_first, rate) = self.config.stage(cx.images);
        self.d_learns = !is_first;
        if !is_first && self.config.stage(cx.images.saturating_sub(cx.batch as u64)).0 {
            let first = self.generator.sampler().last.train().no_grad();
            self.generator.change(|enlarger| Enlarger { first: Some(first), ..enlarger });
        }
        let fake = self.generator.net().last.forward(small);
        let l1 = pixel::l1(fake.clone(), real.clone());
        let scalars = Scalars::default().with("l1", l1.clone());

        // The first stage: G by the distance alone
        if is_first {
            drop(fake); // the graph alone holds it now
            let g_gradient = self.generator.descend(l1, rate, cx);
            return scalars.with("g_gradient_norm", g_gradient);
        }

        // D
        let critic = self.discriminator.net();
        let (of_real, back) = critic.vjp(real.clone());
        let penalty = (r1_weight > 0.0).then(|| Penalty::zero_centred(r1_weight, (of_real.clone(), back)));
        let logits = [of_real, critic.forward(fake.clone().without_autodiff())];
        let scalars = scalars.and(LOSS.learn(&mut self.discriminator, logits, penalty, rate, cx));

        // G: the distance in pixels and to the eye, and D's judgement
        let critic = self.discriminator.frozen();
        let g_loss = LOSS.generator(critic.forward(fake.clone()), || critic.forward(real.clone()));
        let mut scalars = scalars.with("g_loss", g_loss.clone());
        let mut total = l1 * pixel_weight + g_loss * gan_weight;
        if let Some(eye) = &self.eye {
            let distance = perceptual::apart(eye, [fake, real].map(|x| x * 2.0 - 1.0), &cx.draws, pixel::l1);
            scalars = scalars.with("perceptual", distance.clone());
            total = total + distance * perceptual_weight;
        }
        let g_gradient = self.generator.descend(total, rate, cx);
        scalars.with("g_gradient_norm", g_gradient)
    }

    fn judge(&self, batch: Enlarged, cx: &StepCx) -> Option<Tensor<2>> {
        let large = cx.tensor::<4>(batch.large);
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
    use crate::golden::{assert_gradients, assert_near, filled, wave};
    use crate::media::{Image, Media};
    use crate::model::{check, generate};
    use crate::recipes::tests::begun;
    use crate::request::{Request, Sample};
    use burn::tensor::s;
    use serde_json::Value;

    /// Both networks and their losses, in f64: made by tests/golden/esrgan.py, whose docs give the formulas.
    #[test]
    fn networks_and_losses_are_those_of_an_independent_implementation() {
        let golden = serde_json::from_str::<Value>(include_str!("../../../tests/golden/esrgan.json")).unwrap();
        let sizes = Config { resolution: 16, blocks: 1, width: 4, growth: 2, d_width: 2, ..Config::default() };
        let config = Config { perceptual_weight: 0.0, ..sizes };
        let fresh = begun::<Esrgan>(&config);
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
        assert_eq!(parameters(Network::Rrdb, 23), 16_697_987);
        assert_eq!(parameters(Network::Rrdb, 6), 4_467_779);
        assert_eq!(parameters(Network::Compact, 16), 621_424);
    }

    #[test]
    fn sizes_that_do_not_fit_each_other_are_refused_in_a_sentence() {
        let small = Config { resolution: 16, ..Config::default() };
        let said = |config: Config| config.problem().unwrap_or_default();
        assert_eq!(said(small.clone()), "");
        assert!(said(Config { times: 3, ..small.clone() }).contains("times is 3; this network has [1, 2, 4, 8]"));
        let compact = Config { network: Network::Compact, ..small.clone() };
        assert!(said(Config { unshuffle: 2, ..compact }).contains("unshuffle is 2; give 1"));
        assert!(
            said(Config { unshuffle: 4, shrink: 0.75, ..small.clone() }).contains("make pictures 0.75 times as large")
        );
        assert!(said(Config { unshuffle: 4, ..small.clone() }).contains("large pictures of 4 pixels are less than 8"));
        assert!(
            said(Config { unshuffle: 4, times: 8, ..small.clone() }).contains("2 pixels are no multiple of unshuffle")
        );
        let of_grey = Esrgan::data(&Config { channels: 1, ..small }, Split::Train).err().unwrap().to_string();
        assert!(of_grey.contains("give channels = 3"), "{of_grey}");
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
        let of = |detail: f64| enlarger.with_detail(detail).forward(x.clone()).into_data();
        let first = enlarger.first.as_ref().unwrap().forward(x.clone()).into_data();
        assert_eq!((of(0.0), of(1.0)), (first.clone(), enlarger.last.forward(x.clone()).into_data()));
        assert!(of(0.5) != first && of(0.5) != of(1.0));
        for wrong in ["2", "-1", "much", "NaN"] {
            let asked =
                Request { samples: vec![Sample::of_picture(Image::new(4, 4, 3, vec![9; 48])).with(DETAIL, wrong)] };
            assert!(check(&enlarger, &asked).unwrap_err().to_string().contains("from 0 to 1"));
        }
        let imported = Enlarger::new(&Config { psnr_kimg: 0.0, ..config }, &device);
        assert_eq!((imported.takes().len(), enlarger.takes().len()), (2, 3));
    }

    #[test]
    fn strength_goes_from_the_picture_enlarged_by_interpolation_to_what_the_network_makes() {
        let small = Config { blocks: 1, width: 4, growth: 2, psnr_kimg: 0.0, ..Config::default() };
        for config in [small.clone(), Config { times: 1, ..small }] {
            let enlarger = Enlarger::new(&config, &Device::flex());
            let picture = Image::new(5, 4, 3, (0..60).map(|i| (i * i % 251) as u8).collect());
            let made = |with: &[&str]| {
                let usual = Sample::of_picture(picture.clone());
                let sample = with.iter().fold(usual, |sample, strength| sample.with(STRENGTH, *strength));
                match generate(&enlarger, &Request { samples: vec![sample] }).unwrap().remove(0) {
                    Media::Image(image) => image.pixels.iter().map(|level| f64::from(*level)).collect::<Vec<f64>>(),
                    other => panic!("{other:?}"),
                }
            };
            let (none, half, all) = (made(&["0"]), made(&["0.5"]), made(&["1"]));
            assert_eq!(all, made(&[]));
            assert!(none.iter().zip(&all).any(|(a, b)| (a - b).abs() > 20.0));
            if config.times == 1 {
                assert_eq!(none, picture.pixels.iter().map(|level| f64::from(*level)).collect::<Vec<f64>>());
            }
            // What is beyond black and white is cut off in each of the three.
            let inside = |level: &f64| (1.0..=254.0).contains(level);
            let between = none.iter().zip(&all).zip(&half).filter(|((a, b), _)| inside(a) && inside(b));
            assert!(between.map(|((a, b), half)| ((a + b) / 2.0 - half).abs()).fold(0.0, f64::max) <= 1.0);
        }
    }
}
