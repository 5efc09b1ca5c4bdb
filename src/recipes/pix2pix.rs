//! pix2pix: a U-Net turns one picture into another that a patch discriminator cannot tell from the true one.
//!
//! Isola, Zhu, Zhou and Efros 2017, "Image-to-Image Translation with Conditional Adversarial Networks", with the constants
//! of section 3 and of the published code. The noise is dropout, which stays on in use; the norms take the statistics of
//! each picture by itself, as the paper's batches of one do, so that batches of any size give the same result.

use ganvas_kernels::{Act, bias_act, dropout};

use crate::data::images::{PairBatch, Pairs, Shape};
use crate::nn::{
    Conv2d, ConvConfig, ConvTranspose2d, Init, InstanceNorm, Norms, PatchConfig, PatchDiscriminator, of_pictures,
    patches,
};
use crate::prelude::*;

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
    /// Side of the pictures in pixels. The U-Net halves it down to one pixel.
    #[schemars(extend("enum" = [64, 128, 256]))]
    pub resolution: usize,
    /// Channels of G's first layer; every halving of the side doubles them, up to eight times.
    #[schemars(range(min = 1, max = 256))]
    pub width: usize,
    /// Channels of D's first layer, likewise.
    #[schemars(range(min = 1, max = 256))]
    pub d_width: usize,
    /// How often D halves the side: 0 to 5 for patches of 1, 16, 34, 70, 142 or 286 pixels.
    #[schemars(range(max = 5))]
    pub d_layers: usize,
    /// What the two players minimise.
    pub loss: Adversarial,
    /// Weight of the adversarial loss in G's; with 0 there is no D, and G learns by the distance alone.
    pub gan_weight: f64,
    /// Weight of the mean absolute difference from the true picture in G's loss.
    pub l1_weight: f64,
    /// Share of the values that the noise drops.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub dropout: f64,
    /// Half-life of the moving average of G's weights that results come from, in thousands of images; 0 for none.
    pub average_kimg: f64,
    /// The optimizer, for both players.
    pub adam: Adam,
    /// How its rate falls.
    pub decay: Decay,
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
            average_kimg: 0.0,
            adam: Adam::default(),
            decay: Decay { constant_kimg: 80.0, decay_kimg: 0.0 }, // the published PyTorch version halves the run: 40 and 40
            data: Pairs::default(),
            train: Train {
                kimg: 80.0, // 200 passes over 400 facades
                batch: 1,
                ..Train::every([0.1, 1.0, 5.0])
            },
        }
    }
}

impl Settings for Config {
    fn train(&self) -> &Train {
        &self.train
    }

    fn problem(&self) -> Option<String> {
        let most = self.resolution.ilog2() as usize - 2; // or nothing is left of the picture
        if self.d_layers > most {
            return Some(format!(
                "d_layers is {}; at {} pixels D can halve the side 0 to {most} times",
                self.d_layers, self.resolution
            ));
        }
        (self.gan_weight + self.l1_weight == 0.0)
            .then(|| "gan_weight and l1_weight are both 0; give one above 0".into())
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
        let of = |channels, bias| ConvConfig::halving(channels, bias, INIT);
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
}

impl Model for Generator {
    fn takes(&self) -> Vec<Field> {
        let picture = Field::picture(PICTURE, CHANNELS, Some(1 << self.down.len()), Range::Signed);
        vec![picture, Field::new("seed", Kind::Noise)]
    }

    fn makes(&self) -> Vec<Field> {
        vec![Field::picture("result", CHANNELS, None, Range::Signed)]
    }

    fn forward(&self, given: Given) -> Made {
        let seeds = given.seeds.iter().enumerate().collect::<Vec<_>>(); // a mask goes by a picture's place, so each has its own
        given.each(&seeds, |(_, seed), one| {
            Made::one("result", self.forward(one.tensor(PICTURE), Some(&Draws::new(**seed, 0))))
        })
    }

    fn tiling(&self) -> Option<Tiling> {
        let side = 1 << self.down.len();
        let (bytes, bytes_per_pixel) = (4 * self.num_params(), 8 * self.width + 64);
        let (multiple, least, reach) = (side, side, side / 2);
        Some(Tiling { multiple, least, scale: 1, reach: Some(reach), keeps_colours: false, bytes, bytes_per_pixel })
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
        time: "8 h",
        presets: &[Preset { name: LAPTOP, time: "10 min", text: include_str!("../../configs/pix2pix-laptop.toml") }],
        small: &["resolution=64", "width=2", "d_width=2", "train.batch=4"],
    };
    type Config = Config;
    type Model = Generator;
    type Batch = PairBatch; // [n, 3, resolution, resolution] in [-1, 1], given and wanted

    fn data(config: &Config, split: Split) -> Result<Box<dyn Source<PairBatch>>> {
        config.data.open(SET, config.shape(), config.train.drawing(split).showing(PREVIEWED))
    }

    fn model(config: &Config, device: &Device) -> Generator {
        Generator::new(config, &Draws::new(config.train.seed, 0), device)
    }

    fn new(config: &Config, model: Generator, setup: &Setup<PairBatch>) -> Result<Self> {
        let patch = PatchConfig {
            inputs: 2 * CHANNELS,
            width: config.d_width,
            layers: config.d_layers,
            norms: Norms::Affine,
            init: INIT,
        };
        let draws = Draws::new(config.train.seed, 0);
        let discriminator = PatchDiscriminator::new(patch, &draws, "discriminator", &setup.autodiff());
        Ok(Pix2pix {
            generator: Trained::new(model, config.adam.rule(), config.average_kimg),
            discriminator: Trained::new(discriminator, config.adam.rule(), 0.0),
            config: config.clone(),
        })
    }

    fn step(&mut self, batch: PairBatch, cx: &StepCx) -> Scalars {
        let Config { loss, gan_weight, l1_weight, adam, decay, .. } = self.config;
        let [x, y] = [batch.given, batch.wanted].map(|side| cx.tensor::<4>(side));
        let rate = adam.learning_rate * decay.share(cx.images);
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
            scalars = critic::learn(&mut self.discriminator, d_loss, None, decided, rate, cx);
        }

        // G: D's judgement, and the distance from the truth
        let l1 = pixel::l1(y.clone(), fake.clone());
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
        let g_gradient = self.generator.descend(total, rate, cx);
        scalars.with("g_gradient_norm", g_gradient)
    }

    fn judge(&self, batch: PairBatch, cx: &StepCx) -> Option<Tensor<2>> {
        let both = [batch.given, batch.wanted].map(|side| cx.tensor::<4>(side));
        (self.config.gan_weight > 0.0)
            .then(|| of_pictures(self.discriminator.net().valid().forward(Tensor::cat(both.into(), 1))))
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
    use crate::golden::{assert_gradients, assert_gradients_within, assert_near, filled, wave};
    use crate::media::Image;
    use crate::recipes::tests::begun;
    use crate::request::Request;
    use burn::tensor::s;
    use serde_json::Value;

    /// Both networks and their losses, in f64: made by tests/golden/translation.py, whose docs give the formulas.
    #[test]
    fn networks_and_losses_are_those_of_an_independent_implementation() {
        let golden = serde_json::from_str::<Value>(include_str!("../../tests/golden/translation.json")).unwrap();
        let golden = &golden["pix2pix"];
        let config = Config { resolution: 64, width: 4, d_width: 4, dropout: 0.0, ..Config::default() };
        let fresh = begun::<Pix2pix>(&config);
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
        assert_gradients_within([5e-3, 2e-6], &generator, &total.backward(), &golden["g_gradients"], "G's loss");
    }

    #[test]
    fn the_papers_networks_have_their_numbers_of_parameters() {
        let golden = serde_json::from_str::<Value>(include_str!("../../tests/golden/translation.json")).unwrap();
        let config = Config::default();
        let fresh = begun::<Pix2pix>(&config);
        let found = [fresh.generator.net().num_params(), fresh.discriminator.net().num_params()];
        let wanted = ["unet_256_parameters", "patch_70_parameters"].map(|key| golden["pix2pix"][key].as_u64().unwrap());
        assert_eq!(found.map(|count| count as u64), wanted);
    }

    #[test]
    fn the_u_net_fits_every_resolution_and_larger_pictures_than_it_learned_from() {
        for resolution in [64, 128, 256] {
            let config = Config { resolution, width: 1, ..Config::default() };
            assert_eq!(problem_of(&config), None);
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
        let picture = crate::request::Value::Media(crate::media::Media::Image(picture));
        let request = Request::seeds([0, 1, 0]).with(PICTURE, &picture);
        let made = crate::model::generate(&generator, &request).unwrap();
        assert!(made[0] == made[2] && made[0] != made[1]);
    }
}
