//! Old photographs as they were: what is gone is found, and the picture restored around it and from what is far from it.
//!
//! Wan, Zhang, Chen, Zhang, Chen, Liao and Wen 2020, "Bringing Old Photos Back to Life", and the authors' code. Theirs is a chain of
//! networks: an autoencoder of old photographs and one of clean ones, a mapping between their codes with a partial non-local
//! block, and a U-Net that finds the scratches. Here the encoder of the first, the mapping and the decoder of the second are one
//! network that learns at once, for two reasons: the two autoencoders are there to bring real old photographs, of which there are
//! none to be had, nearer to synthetic ones; and each would be trained apart. What the encoder saw at full and at half size goes
//! across to the decoder, or a narrow network gives back less than the photograph still shows. The ageing is
//! [`crate::data::degrade::ageing`].

use burn::tensor::activation::{sigmoid, softmax};
use burn::tensor::module::avg_pool2d;
use burn::tensor::ops::AvgPoolOptions;
use burn::tensor::s;

use crate::data::aged::{self, Aged, DAMAGE};
use crate::data::degrade::ageing::Ageing;
use crate::data::images::{Crop, Images};
use crate::looks::squeezenet::SqueezeNet;
use crate::loss::adversarial::binary_cross_entropy;
use crate::loss::perceptual;
use crate::nn::{Conv2d, ConvConfig, Init, Norms, PatchConfig, PatchDiscriminator, of_pictures, patches};
use crate::prelude::*;

const LOSS: Adversarial = Adversarial::LeastSquares;
const CHANNELS: usize = 3;
const SLOPE: f64 = 0.2;
/// He's, for leaky ReLU of 0.2.
const INIT: Init = Init::FanIn { gain: 1.386_750_490_563_073 }; // √(2 / (1 + 0.2²))
/// Of the layers whose result joins what is there.
const SMALL: Init = Init::FanIn { gain: 0.1 };
const D_INIT: Init = Init::Normal { deviation: 0.02 };
/// Sides are multiples of this: the detector halves them three times, and the far look averages over four codes of four pixels.
const MULTIPLE: usize = 16;
/// Codes along a side that the far look averages before it compares.
const POOL: usize = 4;
/// Rows of codes that look at all others at a time, so that a large picture needs no square of its size.
const LOOKING: usize = 1024;
/// How far, in pixels, a pixel of the result sees by the detector's convolutions, and by the restorer's but for its blocks.
const REACH: [usize; 2] = [27, 12];

/// The configuration of `restore`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Side of the pictures in pixels.
    #[schemars(range(min = 32, max = 512), extend("multipleOf" = 16))]
    pub resolution: usize,
    /// Channels of the restorer at full size; twice as many at half and four times at a quarter of it.
    #[schemars(range(min = 1, max = 256))]
    pub width: usize,
    /// Residual blocks at a quarter of the size, half of them before and half after the look at what is far.
    #[schemars(range(max = 64))]
    pub blocks: usize,
    /// Channels of the detector at full size; every halving doubles them, up to four times.
    #[schemars(range(min = 1, max = 256))]
    pub detector_width: usize,
    /// Channels of D's first layer; every halving of the side doubles them, up to eight times.
    #[schemars(range(min = 1, max = 256))]
    pub d_width: usize,
    /// How often D halves the side: 1 to 4 for patches of 16, 34, 70 or 142 pixels.
    #[schemars(range(min = 1, max = 4))]
    pub d_layers: usize,
    /// How many discriminators there are, each at half the size of the one before: 1 to 3.
    #[schemars(range(min = 1, max = 3))]
    pub scales: usize,
    /// Weight of the mean absolute difference from the clean picture.
    pub l1_weight: f64,
    /// Weight of the perceptual distance from it.
    pub perceptual_weight: f64,
    /// Weight of the adversarial loss and, times `matching_weight`, of D's features; with 0 there is no D.
    pub gan_weight: f64,
    /// Weight of the difference of D's features beside the adversarial loss.
    pub matching_weight: f64,
    /// Half-life of the moving average of the weights that results come from, in thousands of images; 0 for none.
    pub average_kimg: f64,
    /// The optimizer, for all.
    pub adam: Adam,
    /// How its rate falls.
    pub decay: Decay,
    /// How pictures age.
    pub ageing: Ageing,
    /// The pictures, as they should be.
    pub data: Images,
    /// The run.
    pub train: Train,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            resolution: 256,
            width: 64,
            blocks: 6,
            detector_width: 32,
            d_width: 64,
            d_layers: 3,
            scales: 2,
            l1_weight: 60.0, // of the codes in the paper, which has two encoders to compare
            perceptual_weight: 10.0,
            gan_weight: 1.0,
            matching_weight: 10.0,
            average_kimg: 0.0,
            adam: Adam::default(),
            decay: Decay { constant_kimg: 5_000.0, decay_kimg: 5_000.0 },
            ageing: Ageing::default(),
            data: Images { crop: Crop::Detail, mirror: true, ..Images::default() },
            train: Train { kimg: 10_000.0, batch: 32, ..Train::every([1.0, 10.0, 20.0]) },
        }
    }
}

impl Settings for Config {
    fn train(&self) -> &Train {
        &self.train
    }

    fn problem(&self) -> Option<String> {
        if self.resolution >> (self.scales - 1 + self.d_layers) < 3 {
            return Some(format!(
                "nothing is left of {} pixels after {} halvings for the scales and d_layers; give fewer of either",
                self.resolution,
                self.scales - 1 + self.d_layers
            ));
        }
        self.ageing.problem().map(|problem| format!("ageing.{problem}"))
    }
}

/// A convolution of 3x3 that keeps the size.
fn same(channels: [usize; 2], init: Init, (draws, name, device): (&Draws, &str, &Device)) -> Conv2d {
    Conv2d::new(ConvConfig::same(channels, 3, init), draws, name, device)
}

/// A convolution of 4x4 that halves the sides.
fn half(channels: [usize; 2], (draws, name, device): (&Draws, &str, &Device)) -> Conv2d {
    Conv2d::new(ConvConfig::halving(channels, true, INIT), draws, name, device)
}

/// The way up of a U-Net: at every doubling of the sides, what went `across` at that size, the last first, joins in.
fn risen(mut h: Tensor<4>, across: Vec<Tensor<4>>, up: &[Conv2d], join: &[Conv2d]) -> Tensor<4> {
    for ((up, join), seen) in up.iter().zip(join).zip(across.into_iter().rev()) {
        h = join.joined(&[up.upsampled(h, SLOPE), seen], SLOPE);
    }
    h
}

/// Pictures `[n, 3, h, w]` in [-1, 1] to logits of damage `[n, 1, h, w]`: a U-Net of three halvings (the paper has a
/// deeper one), without norms, so that a pixel's logit hangs on its surroundings alone.
#[derive(Module, Debug)]
struct Detector {
    first: Conv2d,
    down: Vec<Conv2d>,
    up: Vec<Conv2d>,   // on twice the size
    join: Vec<Conv2d>, // with what went across
    last: Conv2d,
}

impl Detector {
    fn new(width: usize, draws: &Draws, device: &Device) -> Self {
        let at = |level: usize| width << level.min(2);
        let of = |name: &str, i: usize| format!("detector.{name}.{i}");
        let down = (0..3).map(|i| half([at(i), at(i + 1)], (draws, &of("down", i), device)));
        let up = (0..3).map(|i| same([at(3 - i), at(2 - i)], INIT, (draws, &of("up", i), device)));
        let join = (0..3).map(|i| same([2 * at(2 - i), at(2 - i)], INIT, (draws, &of("join", i), device)));
        Detector {
            first: same([CHANNELS, width], INIT, (draws, "detector.first", device)),
            down: down.collect(),
            up: up.collect(),
            join: join.collect(),
            last: same([width, 1], SMALL, (draws, "detector.last", device)),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let mut across = Vec::with_capacity(3);
        let mut h = self.first.leaky(x, SLOPE);
        for down in &self.down {
            across.push(h.clone());
            h = down.leaky(h, SLOPE);
        }
        self.last.forward(risen(h, across, &self.up, &self.join))
    }
}

/// Codes `[n, c, h, w]` and damage `[n, 1, h, w]` in [0, 1] to codes: what is gone is made of what is like it elsewhere and not
/// gone, the rest stays (the partial non-local block of section 3). Who looks is every code, at averages over 4x4 of them, each as much
/// as it is whole; the paper looks at single codes, which for a picture of a megapixel is 4 billion pairs.
#[derive(Module, Debug)]
struct FarLook {
    query: Conv2d,
    key: Conv2d,
    value: Conv2d,
    out: Conv2d,
}

impl FarLook {
    fn new(channels: usize, draws: &Draws, device: &Device) -> Self {
        let point = |name: &str, channels: [usize; 2]| {
            let config = ConvConfig { bias: false, ..ConvConfig::same(channels, 1, Init::FanIn { gain: 1.0 }) };
            Conv2d::new(config, draws, &format!("restorer.far.{name}"), device)
        };
        let within = (channels / 2).max(1);
        FarLook {
            query: point("query", [channels, within]),
            key: point("key", [channels, within]),
            value: point("value", [channels, within]),
            out: point("out", [within, channels]),
        }
    }

    fn forward(&self, x: Tensor<4>, damage: Tensor<4>) -> Tensor<4> {
        let [n, _, h, w] = x.dims();
        let pool = |x: Tensor<4>| avg_pool2d(x, AvgPoolOptions::new([POOL, POOL]).with_stride([POOL, POOL]));
        let whole: Tensor<4> = 1.0 - damage.clone();
        // Averages of what is whole
        let share = pool(whole.clone()); // [n, 1, h / 4, w / 4]
        let seen = pool(x.clone() * whole) / (share.clone() + 1e-3);
        let flat = |x: Tensor<4>| x.flatten::<3>(2, 3); // [n, c, codes]
        let (query, key, value) =
            (flat(self.query.forward(x.clone())), flat(self.key.forward(seen.clone())), flat(self.value.forward(seen)));
        let within = key.dims()[1];
        let bias = (flat(share) + 1e-6).log(); // [n, 1, codes]: who is gone is not looked at
        let query = query.swap_dims(1, 2) / (within as f64).sqrt(); // [n, codes, c]
        let found = looked(query, key, value, bias, LOOKING).swap_dims(1, 2).reshape([n, within, h, w]);
        x + self.out.forward(found) * damage
    }
}

/// For queries `[n, codes, c]` the values `[n, c, keys]` of what is like them among keys `[n, c, keys]`, with `bias` `[n, 1, keys]`
/// added to the likeness: `[n, codes, c]`, so many queries at a time.
fn looked(query: Tensor<3>, key: Tensor<3>, value: Tensor<3>, bias: Tensor<3>, at_a_time: usize) -> Tensor<3> {
    let codes = query.dims()[1];
    let value = value.swap_dims(1, 2);
    let rows = (0..codes).step_by(at_a_time).map(|from| {
        let some = query.clone().slice(s![.., from..(from + at_a_time).min(codes), ..]);
        softmax(some.matmul(key.clone()) + bias.clone(), 2).matmul(value.clone())
    });
    Tensor::cat(rows.collect(), 1)
}

/// Pictures `[n, 3, h, w]` in [-1, 1] and their damage `[n, 1, h, w]` in [0, 1] to pictures as they were.
#[derive(Module, Debug)]
struct Restorer {
    first: Conv2d,
    down: Vec<Conv2d>,
    blocks: Vec<[Conv2d; 2]>, // residual, at a quarter of the size
    far: FarLook,
    up: Vec<Conv2d>,
    join: Vec<Conv2d>,
    last: Conv2d,
}

impl Restorer {
    fn new(config: &Config, draws: &Draws, device: &Device) -> Self {
        let at = |level: usize| config.width << level;
        let of = |name: &str, i: usize| format!("restorer.{name}.{i}");
        let down = (0..2).map(|i| half([at(i), at(i + 1)], (draws, &of("down", i), device)));
        let block = |i: usize| {
            let conv = |part: usize, init| same([at(2), at(2)], init, (draws, &of("block", 2 * i + part), device));
            [conv(0, INIT), conv(1, SMALL)]
        };
        let up = (0..2).map(|i| same([at(2 - i), at(1 - i)], INIT, (draws, &of("up", i), device)));
        let join = (0..2).map(|i| same([2 * at(1 - i), at(1 - i)], INIT, (draws, &of("join", i), device)));
        Restorer {
            first: same([CHANNELS + 1, config.width], INIT, (draws, "restorer.first", device)),
            down: down.collect(),
            blocks: (0..config.blocks).map(block).collect(),
            far: FarLook::new(at(2), draws, device),
            up: up.collect(),
            join: join.collect(),
            last: same([config.width, CHANNELS], SMALL, (draws, "restorer.last", device)),
        }
    }

    fn forward(&self, x: Tensor<4>, damage: Tensor<4>) -> Tensor<4> {
        let mut across = Vec::with_capacity(2);
        let mut h = self.first.leaky(Tensor::cat(vec![x.clone(), damage.clone()], 1), SLOPE);
        for down in &self.down {
            across.push(h.clone());
            h = down.leaky(h, SLOPE);
        }
        let of_codes = avg_pool2d(damage, AvgPoolOptions::new([4, 4]).with_stride([4, 4]));
        for (i, [first, second]) in self.blocks.iter().enumerate() {
            if i == self.blocks.len() / 2 {
                h = self.far.forward(h, of_codes.clone());
            }
            h = h.clone() + second.forward(first.leaky(h, SLOPE));
        }
        x + self.last.forward(risen(h, across, &self.up, &self.join))
    }
}

/// The half one keeps: who finds the damage, and who restores.
#[derive(Module, Debug)]
pub struct Both {
    detector: Detector,
    restorer: Restorer,
    #[module(skip)]
    width: usize,
}

impl Both {
    /// A picture as it was, by the damage that is found, and the logits of that damage. The restorer's gradient does not reach the
    /// detector, which is to say where the damage is and nothing else.
    fn forward(&self, x: Tensor<4>) -> [Tensor<4>; 2] {
        let logits = self.detector.forward(x.clone());
        let damage = sigmoid(logits.clone()).detach();
        [self.restorer.forward(x, damage), logits]
    }
}

impl Model for Both {
    fn takes(&self) -> Vec<Field> {
        vec![Field::picture(PICTURE, CHANNELS, None, Range::Signed)]
    }

    fn makes(&self) -> Vec<Field> {
        vec![Field::picture("result", CHANNELS, None, Range::Signed), Field::new(DAMAGE, Kind::Mask)]
    }

    fn forward(&self, given: Given) -> Made {
        let [restored, logits] = self.forward(given.tensor(PICTURE));
        Made::one("result", restored).and(DAMAGE, sigmoid(logits))
    }

    fn tiling(&self) -> Option<Tiling> {
        let reach = REACH[0] + REACH[1] + 8 * self.restorer.blocks.len();
        let (bytes, bytes_per_pixel) = (4 * self.num_params(), 4 * 8 * self.width + 64);
        let (multiple, least) = (MULTIPLE, MULTIPLE);
        Some(Tiling { multiple, least, scale: 1, reach: Some(reach), keeps_colours: true, bytes, bytes_per_pixel })
    }
}

/// The discriminators, each at half the size of the one before.
#[derive(Module, Debug)]
struct Critics {
    of_scale: Vec<PatchDiscriminator>,
}

impl Critics {
    /// What each layer of each discriminator makes of pictures, the logits last.
    fn features(&self, x: &Tensor<4>) -> Vec<Vec<Tensor<4>>> {
        let mut x = x.clone();
        let of = |(i, critic): (usize, &PatchDiscriminator)| {
            if i > 0 {
                x = avg_pool2d(x.clone(), AvgPoolOptions::new([2, 2]).with_stride([2, 2]));
            }
            critic.features(x.clone())
        };
        self.of_scale.iter().enumerate().map(of).collect()
    }

    /// The logits of all, `[n·patches, 1]`.
    fn logits(features: &[Vec<Tensor<4>>]) -> Tensor<2> {
        let last = features.iter().filter_map(|features| features.last());
        Tensor::cat(last.map(|logits| patches(logits.clone())).collect(), 0)
    }
}

/// The mean absolute difference of features, summed over layers (the logits are none), averaged over discriminators (Wang et
/// al. 2018, "High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs", section 3).
fn matching(fake: &[Vec<Tensor<4>>], real: &[Vec<Tensor<4>>]) -> Tensor<1> {
    let of = |(fake, real): (&Vec<Tensor<4>>, &Vec<Tensor<4>>)| {
        let layers = fake[..fake.len() - 1].iter().zip(real);
        let distances = layers.map(|(fake, real)| pixel::l1(fake.clone(), real.clone().detach()));
        Tensor::cat(distances.collect(), 0).sum()
    };
    Tensor::cat(fake.iter().zip(real).map(of).collect(), 0).mean()
}

/// How wrong logits `[n, 1, h, w]` are about damage: cross-entropy, and one less the share of what both call damaged
/// (Milletari et al. 2016, "V-Net"), without which thin scratches drown in what is whole.
fn detection(logits: Tensor<4>, damage: Tensor<4>) -> Tensor<1> {
    let entropy = binary_cross_entropy(patches(logits.clone()), patches(damage.clone()));
    let found = sigmoid(logits);
    let common = (found.clone() * damage.clone()).sum() * 2.0 + 1.0;
    entropy + 1.0 - common / (found.square().sum() + damage.square().sum() + 1.0)
}

/// All in training.
pub struct Restore {
    config: Config,
    both: Trained<Both>,
    critics: Trained<Critics>,
    eye: Option<SqueezeNet>,
}

impl Recipe for Restore {
    const INFO: Info = Info {
        name: "restore",
        title: "Old photographs",
        paper: "Wan et al. 2020, Bringing Old Photos Back to Life",
        sentence: "Aged photographs become as they were: damage is found, and the picture restored.",
        dataset: Some(aged::SET),
        time: "3 months",
        presets: &[Preset { name: LAPTOP, time: "21 min", text: include_str!("../../configs/restore-laptop.toml") }],
        small: &[
            "resolution=32",
            "width=2",
            "blocks=1",
            "detector_width=2",
            "d_width=2",
            "d_layers=1",
            "perceptual_weight=0",
            "train.batch=4",
            "data.path=avatars",
        ],
    };
    type Config = Config;
    type Model = Both;
    type Batch = Aged;

    fn data(config: &Config, split: Split) -> Result<Box<dyn Source<Aged>>> {
        aged::open(&config.data, &config.ageing, config.resolution, config.train.drawing(split))
    }

    fn model(config: &Config, device: &Device) -> Both {
        let draws = Draws::new(config.train.seed, 0);
        Both {
            detector: Detector::new(config.detector_width, &draws, device),
            restorer: Restorer::new(config, &draws, device),
            width: config.width.max(config.detector_width),
        }
    }

    fn new(config: &Config, model: Both, setup: &Setup<Aged>) -> Result<Self> {
        let draws = Draws::new(config.train.seed, 0);
        let patch = PatchConfig {
            inputs: CHANNELS,
            width: config.d_width,
            layers: config.d_layers,
            norms: Norms::Plain,
            init: D_INIT,
        };
        let critic =
            |i: usize| PatchDiscriminator::new(patch, &draws, &format!("discriminator.{i}"), &setup.autodiff());
        let critics = Critics { of_scale: (0..config.scales).map(critic).collect() };
        let eye = (config.perceptual_weight > 0.0).then(|| SqueezeNet::load(setup.device, &mut |_| ()));
        Ok(Restore {
            both: Trained::new(model, config.adam.rule(), config.average_kimg),
            critics: Trained::new(critics, config.adam.rule(), 0.0),
            eye: eye.transpose()?,
            config: config.clone(),
        })
    }

    fn step(&mut self, batch: Aged, cx: &StepCx) -> Scalars {
        let Config { l1_weight, perceptual_weight, gan_weight, matching_weight, adam, decay, .. } = self.config;
        let [old, damage, new] = [batch.old, batch.damage, batch.new].map(|side| cx.tensor::<4>(side));
        let rate = adam.learning_rate * decay.share(cx.images);

        // The detector, and the picture as it restores it by what the detector found
        let [fake, logits] = self.both.net().forward(old);
        let detected = detection(logits, damage);
        let l1 = pixel::l1(fake.clone(), new.clone());
        let mut scalars = Scalars::default().with("detection", detected.clone()).with("l1", l1.clone());
        let mut total = detected + l1 * l1_weight;

        if gan_weight > 0.0 {
            // D
            let critics = self.critics.net();
            let logits = [&new, &fake.clone().without_autodiff()].map(|x| Critics::logits(&critics.features(x)));
            scalars = scalars.and(LOSS.learn(&mut self.critics, logits, None, rate, cx));

            // G: D's judgement, and what D sees
            let critics = self.critics.frozen();
            let (of_fake, of_real) = (critics.features(&fake), critics.features(&new));
            let g_loss = LOSS.generator(Critics::logits(&of_fake), || Critics::logits(&of_real));
            let matched = matching(&of_fake, &of_real);
            scalars = scalars.with("g_loss", g_loss.clone()).with("matching", matched.clone());
            total = total + (g_loss + matched * matching_weight) * gan_weight;
        }
        if let Some(eye) = &self.eye {
            let distance = perceptual::loss(eye, [fake.clone(), new], &cx.draws);
            scalars = scalars.with("perceptual", distance.clone());
            total = total + distance * perceptual_weight;
        }
        drop(fake); // the graph alone holds it now
        let g_gradient = self.both.descend(total, rate, cx);
        scalars.with("g_gradient_norm", g_gradient)
    }

    fn judge(&self, batch: Aged, cx: &StepCx) -> Option<Tensor<2>> {
        let new = cx.tensor::<4>(batch.new);
        (self.config.gan_weight > 0.0).then(|| {
            let features = self.critics.net().valid().features(&new);
            let logits = features.iter().filter_map(|features| features.last());
            Tensor::cat(logits.map(|logits| of_pictures(logits.clone())).collect(), 1).mean_dim(1)
        })
    }

    fn parts(&mut self, visit: &mut Parts) {
        self.critics.parts("discriminator", visit);
        self.both.model_parts("restorer", visit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{assert_gradients, assert_near, filled, wave};
    use crate::recipes::tests::begun;
    use serde_json::Value;

    /// All networks and losses, in f64: made by tests/golden/restore.py, whose docs give the formulas.
    #[test]
    fn networks_and_losses_are_those_of_an_independent_implementation() {
        let golden = serde_json::from_str::<Value>(include_str!("../../tests/golden/restore.json")).unwrap();
        let config = Config {
            resolution: 32,
            width: 2,
            blocks: 2,
            detector_width: 2,
            d_width: 2,
            d_layers: 1,
            perceptual_weight: 0.0,
            ..Config::default()
        };
        let fresh = begun::<Restore>(&config);
        let (both, critics) = (filled(fresh.both.net().clone()), filled(fresh.critics.net().clone()));
        let (old, new) = (wave([2, 3, 32, 32], 0.013), wave([2, 3, 32, 32], 0.017));
        let damage = ((wave::<4>([2, 1, 32, 32], 0.019) + 1.0) * 0.5).square();
        let [fake, logits] = both.forward(old);
        assert_near(logits.clone().slice(s![.., .., ..;7, ..;7]), &golden["found"], "what is found");
        assert_near(fake.clone().slice(s![.., .., ..;7, ..;7]), &golden["fake"], "what is restored");
        let detected = detection(logits, damage);
        assert_near(detected.clone(), &golden["detection"], "the detector's loss");
        let of_fake = Critics::logits(&critics.features(&fake.clone().without_autodiff()));
        let d_loss = LOSS.discriminator(Critics::logits(&critics.features(&new)), of_fake);
        assert_near(d_loss.clone(), &golden["d_loss"], "D's loss");
        assert_gradients(&critics, &d_loss.backward(), &golden["d_gradients"], "D's loss");
        let frozen = critics.no_grad();
        let (of_fake, of_real) = (frozen.features(&fake), frozen.features(&new));
        let g_loss = LOSS.generator(Critics::logits(&of_fake), || Critics::logits(&of_real));
        let matched = matching(&of_fake, &of_real);
        assert_near(g_loss.clone(), &golden["g_loss"], "G's loss");
        assert_near(matched.clone(), &golden["matching"], "the distance of features");
        let l1 = (fake - new).abs().mean();
        let total = detected + l1 * config.l1_weight + (g_loss + matched * config.matching_weight) * config.gan_weight;
        assert_gradients(&both, &total.backward(), &golden["g_gradients"], "all losses");
    }

    #[test]
    fn many_codes_look_in_parts_as_few_do_at_once() {
        let [query, key, value] =
            [([2, 50, 4], 0.013), ([2, 4, 9], 0.3), ([2, 4, 9], 0.5)].map(|(shape, rate)| wave(shape, rate));
        let bias = wave([2, 1, 9], 0.7);
        let of = |at_a_time| looked(query.clone(), key.clone(), value.clone(), bias.clone(), at_a_time);
        assert_eq!(of(7).dims(), [2, 50, 4]);
        assert!((of(7) - of(50)).abs().max().into_scalar::<f32>() < 1e-6);
    }

    #[test]
    fn only_what_is_gone_is_made_of_what_is_elsewhere() {
        let device = Device::flex();
        let far = FarLook::new(4, &Draws::new(0, 0), &device);
        let x: Tensor<4> = wave([1, 4, 16, 16], 0.013);
        let none = Tensor::<4>::zeros([1, 1, 16, 16], &device);
        assert_eq!(far.forward(x.clone(), none.clone()).into_data(), x.clone().into_data());
        // The upper half is gone: what stands there is not looked at, and nothing below changes.
        let upper = none.slice_assign(s![.., .., 0..8, ..], Tensor::ones([1, 1, 8, 16], &device));
        let other = x.clone().slice_assign(s![.., .., 0..4, ..], wave([1, 4, 4, 16], 0.9));
        let [y, z] = [x.clone(), other].map(|x| far.forward(x, upper.clone()));
        let part = |x: &Tensor<4>, from: usize| x.clone().slice(s![.., .., from..from + 4, ..]);
        assert_eq!(part(&y, 8).into_data(), part(&x, 8).into_data());
        assert!((part(&y, 4) - part(&z, 4)).abs().max().into_scalar::<f32>() < 1e-4);
        assert!((part(&y, 4) - part(&x, 4)).abs().max().into_scalar::<f32>() > 1e-2);
    }
}
