//! CycleGAN: two domains of pictures that nobody has paired, and two generators that undo each other.
//!
//! Zhu, Park, Isola and Efros 2017, "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks", with
//! the constants of its section 4 and appendix 7. G goes from A to B, F from B to A; D_A and D_B judge by least squares, on
//! pictures out of a pool of earlier fakes.

mod pool;

use std::f64::consts::SQRT_2;

use burn::tensor::ops::PadMode;
use burn::tensor::s;
use ganvas_kernels::{Act, bias_act};

use crate::data::images::{A_TO_B, B_TO_A, DIRECTION, DomainBatch, Domains, Shape};
use crate::nn::{
    Conv2d, ConvConfig, ConvTranspose2d, Init, InstanceNorm, Norms, PatchConfig, PatchDiscriminator, of_pictures,
    patches, pixel_norm,
};
use crate::prelude::*;

use self::pool::Pool;

const INIT: Init = Init::Normal { deviation: 0.02 };
/// Of layers before a pixel norm: what He et al. 2015 give for ReLU.
const WIDE: Init = Init::FanIn { gain: SQRT_2 };
/// Of a last layer whose result is added to the picture: little to begin with, and Adam's steps, which are of one size whatever
/// the gradient, change it little too. Without that a generator shakes by more than the cycles forgive, and stays at the picture.
const SMALL: Init = Init::Equalized { gain: 0.02, rate: 1.0 };
/// D's, by the labels 1 and 0 (section 4, training details).
const LOSS: Adversarial = Adversarial::LeastSquares;
const CHANNELS: usize = 3;
const HALVINGS: usize = 2;
const PREVIEWED: usize = 8; // held-out pictures of each domain
/// What it learns when no other pictures are given.
const SET: &str = "emoji";

/// The configuration of `cyclegan`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Side of the pictures in pixels.
    #[schemars(range(min = 16, max = 1024), extend("multipleOf" = 4))]
    pub resolution: usize,
    /// Channels of the generators' first layer; the two halvings of the side double them.
    #[schemars(range(min = 1, max = 256))]
    pub width: usize,
    /// Residual blocks of each generator: the paper has 9 at 256 pixels and 6 at 128.
    #[schemars(range(min = 1, max = 32))]
    pub blocks: usize,
    /// Channels of the discriminators' first layer; every halving of the side doubles them, up to eight times.
    #[schemars(range(min = 1, max = 256))]
    pub d_width: usize,
    /// How often the discriminators halve the side: 0 to 5 for patches of 1, 16, 34, 70, 142 or 286 pixels.
    #[schemars(range(max = 5))]
    pub d_layers: usize,
    /// Weight of the cycles, lambda: how much a picture that went there and back may not differ.
    pub cycle_weight: f64,
    /// Weight, relative to that of the cycles, of leaving a picture of the target domain as it is.
    pub identity_weight: f64,
    /// How much cycles and identity weigh for the generator from B to A, relative to the other's. Where B has what A has not,
    /// such as shades, less lets it be lost on the way.
    pub back_weight: f64,
    /// How the generators double the side.
    pub upsampling: Upsampling,
    /// Whether the generators make what is added to the given picture, instead of another from nothing as in the paper: where
    /// domains are much alike, lines and colours then begin as they are.
    pub residual: bool,
    /// What the generators' layers are brought to scale by.
    pub norm: Norm,
    /// Whether the discriminators have instance norms, as in the paper; without them they see what all of a picture has, such as
    /// its contrast.
    pub d_norms: bool,
    /// Thousands of images in which the discriminators learn to tell the domains apart, before the generators begin.
    pub d_first_kimg: f64,
    /// Earlier fakes of each domain that its discriminator is shown; 0 for new ones alone.
    #[schemars(range(max = 10000))]
    pub pool: usize,
    /// Half-life of the moving average of the generators' weights that results come from, in thousands of images; 0 for none.
    pub average_kimg: f64,
    /// The optimizer, for all players.
    pub adam: Adam,
    /// How its rate falls.
    pub decay: Decay,
    /// The two domains.
    pub data: Domains,
    /// The run. A batch has as many pictures of each domain.
    pub train: Train,
}

/// How a generator doubles the side of a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Upsampling {
    /// By transposed convolutions, as in the paper, whose kernels overlap unevenly: small networks show it as a grid.
    #[default]
    Transposed,
    /// Every pixel four times, then a convolution, without a grid (Odena et al. 2016, "Deconvolution and Checkerboard Artifacts").
    Nearest,
}

/// What brings the layers of a generator to scale, each before its ReLU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// Each channel by its mean and deviation in the picture, as in the paper. What is in one place so depends on all others.
    #[default]
    Instance,
    /// Each pixel by the length of its features (Karras et al. 2018, "Progressive Growing of GANs", section 4.2).
    Pixel,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            resolution: 256,
            width: 64,
            blocks: 9,
            d_width: 64,
            d_layers: 3,
            cycle_weight: 10.0,
            identity_weight: 0.5,
            back_weight: 1.0,
            upsampling: Upsampling::Transposed,
            residual: false,
            norm: Norm::Instance,
            d_norms: true,
            d_first_kimg: 0.0,
            pool: 50,
            average_kimg: 0.0,
            adam: Adam::default(),
            decay: Decay { constant_kimg: 100.0, decay_kimg: 100.0 },
            data: Domains::default(),
            train: Train {
                kimg: 200.0, // 200 passes over the thousand pictures of a usual set
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
        (self.d_layers > most).then(|| {
            format!(
                "d_layers is {}; at {} pixels a discriminator can halve the side 0 to {most} times",
                self.d_layers, self.resolution
            )
        })
    }
}

impl Config {
    fn shape(&self) -> Shape {
        Shape { channels: CHANNELS, side: self.resolution }
    }
}

/// A picture `[n, 3, h, w]` to another of the same shape, both in [-1, 1] (Johnson et al. 2016, "Perceptual Losses for
/// Real-Time Style Transfer"): two halvings of the side, residual blocks, two doublings.
#[derive(Module, Debug)]
pub struct Generator {
    first: Conv2d,
    down: Vec<Conv2d>,
    blocks: Vec<Block>,
    up: Vec<Doubling>,
    last: Conv2d,
    #[module(skip)]
    residual: bool,
    #[module(skip)]
    norm: Norm,
}

/// One doubling of the side.
#[derive(Module, Debug)]
enum Doubling {
    Transposed(ConvTranspose2d),
    Nearest(Conv2d),
}

impl Doubling {
    /// x `[n, inputs, h, w]` to `[n, outputs, 2h, 2w]`.
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [_, _, height, width] = x.dims();
        match self {
            // A padding of 1 and an output padding of 1, as the field calls it: the first row and column go.
            Doubling::Transposed(layer) => layer.forward(x).slice(s![.., .., 1..2 * height + 1, 1..2 * width + 1]),
            Doubling::Nearest(layer) => layer.upsampled(x, 1.0),
        }
    }
}

/// x + what two 3x3 convolutions make of it.
#[derive(Module, Debug)]
struct Block {
    first: Conv2d,
    second: Conv2d,
}

/// A convolution without zeros around the picture and, where a norm follows, without a bias.
fn convolution([inputs, outputs]: [usize; 2], kernel: usize, stride: usize, bias: bool) -> ConvConfig {
    ConvConfig { inputs, outputs, kernel, stride, padding: 0, groups: 1, bias, init: INIT }
}

/// x `[n, c, h, w]` with `width` more pixels on every side, mirrored at the edge.
fn mirrored(x: Tensor<4>, width: usize) -> Tensor<4> {
    x.pad((width, width, width, width), PadMode::Reflect)
}

impl Norm {
    /// x `[n, c, h, w]` to the same shape, without scale and shift, then leaky ReLU of this slope; 1 for none.
    fn leaky(self, x: Tensor<4>, slope: f64) -> Tensor<4> {
        match self {
            Norm::Instance => InstanceNorm { affine: None }.leaky(x, slope),
            Norm::Pixel => bias_act(pixel_norm(x), None, Act::Leaky(slope)),
        }
    }
}

impl Generator {
    fn new(config: &Config, draws: &Draws, name: &str, device: &Device) -> Self {
        let convolution = |channels, kernel, stride, bias| match config.norm {
            Norm::Instance => convolution(channels, kernel, stride, bias),
            // It leaves a bias, and the size of what was before it: its layers begin at one size.
            Norm::Pixel => ConvConfig { init: WIDE, ..convolution(channels, kernel, stride, true) },
        };
        let conv = |config, part: &str| Conv2d::new(config, draws, &format!("{name}.{part}"), device);
        let width = |halvings: usize| config.width << halvings;
        let inner = [width(HALVINGS); 2];
        let down = (0..HALVINGS).map(|i| {
            let config = ConvConfig { padding: 1, ..convolution([width(i), width(i + 1)], 3, 2, false) };
            conv(config, &format!("down.{i}"))
        });
        let blocks = (0..config.blocks).map(|i| Block {
            first: conv(convolution(inner, 3, 1, false), &format!("blocks.{i}.first")),
            second: conv(convolution(inner, 3, 1, false), &format!("blocks.{i}.second")),
        });
        let up = (0..HALVINGS).rev().map(|i| {
            let (channels, part) = ([width(i + 1), width(i)], format!("{name}.up.{i}"));
            match config.upsampling {
                Upsampling::Transposed => {
                    let config = convolution(channels, 3, 2, false);
                    Doubling::Transposed(ConvTranspose2d::new(config, draws, &part, device))
                }
                Upsampling::Nearest => {
                    let config = ConvConfig { padding: 1, ..convolution(channels, 3, 1, false) };
                    Doubling::Nearest(Conv2d::new(config, draws, &part, device))
                }
            }
        });
        let outer = convolution([width(0), CHANNELS], 7, 1, true);
        let outer = if config.residual { ConvConfig { init: SMALL, ..outer } } else { outer };
        Generator {
            first: conv(convolution([CHANNELS, width(0)], 7, 1, false), "first"),
            down: down.collect(),
            blocks: blocks.collect(),
            up: up.collect(),
            last: conv(outer, "last"),
            residual: config.residual,
            norm: config.norm,
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let normal = |x| self.norm.leaky(x, 0.0);
        let mut h = normal(self.first.forward(mirrored(x.clone(), 3)));
        for layer in &self.down {
            h = normal(layer.forward(h));
        }
        for block in &self.blocks {
            let inner = normal(block.first.forward(mirrored(h.clone(), 1)));
            let inner = block.second.forward(mirrored(inner, 1));
            h = h + self.norm.leaky(inner, 1.0);
        }
        for layer in &self.up {
            h = normal(layer.forward(h));
        }
        let h = self.last.forward(mirrored(h, 3));
        if self.residual { x + h } else { bias_act(h, None, Act::Tanh) }
    }
}

/// Both ways.
#[derive(Module, Debug)]
pub struct Translator {
    to_b: Generator,
    to_a: Generator,
    #[module(skip)]
    resolution: usize,
    #[module(skip)]
    width: usize,
}

impl Model for Translator {
    fn takes(&self) -> Vec<Field> {
        let picture = Field::picture(PICTURE, CHANNELS, Some(self.resolution), Range::Signed);
        vec![picture, Field::choice(DIRECTION, &[A_TO_B, B_TO_A])]
    }

    fn makes(&self) -> Vec<Field> {
        vec![Field::picture("result", CHANNELS, None, Range::Signed)]
    }

    fn forward(&self, given: Given) -> Made {
        given.each(given.choices(DIRECTION), |direction, some| {
            let generator = [&self.to_b, &self.to_a][*direction];
            Made::one("result", generator.forward(some.tensor(PICTURE)))
        })
    }

    fn tiling(&self) -> Option<Tiling> {
        let (bytes, bytes_per_pixel) = (4 * self.num_params(), 16 * self.width + 64);
        let reach = 3 + 2 + 4 + 8 * self.to_b.blocks.len();
        let multiple = 1 << HALVINGS;
        let least = 2 * multiple; // where it is smallest, a border is mirrored
        Some(Tiling { multiple, least, scale: 1, reach: Some(reach), keeps_colours: false, bytes, bytes_per_pixel })
    }
}

/// The four players in training.
pub struct CycleGan {
    config: Config,
    generators: Trained<Translator>,
    discriminators: [Trained<PatchDiscriminator>; 2], // of A and of B
    pools: [Pool; 2],                                 // of fakes of A and of B
}

impl CycleGan {
    /// D_A and D_B, at half their speed, on real pictures `[n, 3, side, side]` of A and of B, and on fakes of now and of before.
    fn critics_learn(&mut self, reals: [Tensor<4>; 2], fakes: [Tensor<4>; 2], rate: f64, cx: &StepCx) -> Scalars {
        let (mut losses, mut squares, mut judged) = (Vec::new(), Vec::new(), [Vec::new(), Vec::new()]);
        for (i, (real, fake)) in reals.into_iter().zip(fakes).enumerate() {
            let fake = self.pools[i].exchange(fake, &cx.draws, ["pool.a", "pool.b"][i]);
            let critic = self.discriminators[i].net();
            let [real, fake] = [real, fake].map(|pictures| patches(critic.forward(pictures)));
            let decided = LOSS.decided(real.clone(), fake.clone());
            decided.into_iter().zip(&mut judged).for_each(|(logits, all)| all.push(logits));
            let loss = LOSS.discriminator(real, fake);
            losses.push(loss.clone().without_autodiff());
            squares.push(self.discriminators[i].descend(loss, rate, cx).square());
        }
        let sum = |values: Vec<Tensor<1>>| Tensor::cat(values, 0).sum();
        let scalars = Scalars::default().with("d_loss", sum(losses)).with("d_gradient_norm", sum(squares).sqrt());
        scalars.judged(judged.map(|logits| Tensor::cat(logits, 0)))
    }
}

impl Recipe for CycleGan {
    const INFO: Info = Info {
        name: "cyclegan",
        title: "CycleGAN",
        paper: "Zhu et al. 2017, Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks",
        sentence: "Two sets of pictures without pairs: it learns to turn each kind into the other.",
        dataset: Some(SET),
        time: "9 days",
        presets: &[Preset { name: LAPTOP, time: "3 min", text: include_str!("../../../configs/cyclegan-laptop.toml") }],
        small: &["resolution=16", "width=2", "blocks=1", "d_width=2", "d_layers=1", "pool=6", "train.batch=4"],
    };
    type Config = Config;
    type Model = Translator;
    type Batch = DomainBatch; // [n, 3, resolution, resolution] in [-1, 1], of A and of B

    fn data(config: &Config, split: Split) -> Result<Box<dyn Source<DomainBatch>>> {
        config.data.open(SET, config.shape(), config.train.drawing(split).showing(PREVIEWED))
    }

    fn model(config: &Config, device: &Device) -> Translator {
        let draws = Draws::new(config.train.seed, 0);
        let generator = |name| Generator::new(config, &draws, name, device);
        let Config { resolution, width, .. } = *config;
        Translator { to_b: generator("generator.to_b"), to_a: generator("generator.to_a"), resolution, width }
    }

    fn new(config: &Config, model: Translator, setup: &Setup<DomainBatch>) -> Result<Self> {
        let patch = PatchConfig {
            inputs: CHANNELS,
            width: config.d_width,
            layers: config.d_layers,
            norms: if config.d_norms { Norms::Plain } else { Norms::None },
            init: if config.d_norms { INIT } else { Init::FanIn { gain: 1.0 } },
        };
        let draws = Draws::new(config.train.seed, 0);
        let discriminator = |name| {
            let net = PatchDiscriminator::new(patch, &draws, name, &setup.autodiff());
            Trained::new(net, config.adam.rule(), 0.0)
        };
        let pool = || Pool::new(config.pool, [CHANNELS, config.resolution], setup.device);
        Ok(CycleGan {
            generators: Trained::new(model, config.adam.rule(), config.average_kimg),
            discriminators: ["discriminator_a", "discriminator_b"].map(discriminator),
            pools: [pool(), pool()],
            config: config.clone(),
        })
    }

    fn step(&mut self, batch: DomainBatch, cx: &StepCx) -> Scalars {
        let Config { cycle_weight, identity_weight, back_weight, d_first_kimg, adam, decay, .. } = self.config;
        let [a, b] = [batch.a, batch.b].map(|pictures| cx.tensor::<4>(pictures));
        let rate = adam.learning_rate * decay.share(cx.images);

        // At first the critics alone
        if cx.kimg() < d_first_kimg {
            let Translator { to_b, to_a, .. } = self.generators.net().valid();
            let fakes = [to_a.forward(b.clone()), to_b.forward(a.clone())];
            return self.critics_learn([a, b], fakes, rate, cx);
        }

        // G and F together: fool the critics, undo each other, leave alone what is of the right domain. One way round is gone
        // back through before the other begins, so that one graph is in memory.
        let [on_a, on_b] = self.discriminators.each_ref().map(Trained::frozen);
        let Translator { to_b, to_a, .. } = self.generators.net();
        let ways = [(to_b, to_a, &on_b, &a, &b, 1.0), (to_a, to_b, &on_a, &b, &a, back_weight)];
        let (mut gradients, mut fakes, mut rounds) = (Vec::new(), Vec::new(), Vec::new());
        for (there, back, critic, from, to, weight) in ways {
            let fake = there.forward(from.clone());
            fakes.push(fake.clone().without_autodiff());
            let adversarial = (critic.forward(fake.clone()) - 1.0).square().mean();
            let cycle = pixel::l1(back.forward(fake), from.clone());
            let identity = pixel::l1(there.forward(to.clone()), to.clone());
            let distances = cycle.clone() + identity.clone() * identity_weight;
            gradients.push((adversarial.clone() + distances * (cycle_weight * weight)).backward());
            rounds.push([adversarial, cycle, identity].map(Tensor::without_autodiff));
        }
        drop((on_a, on_b));
        let g_gradient = self.generators.descend_along(gradients, rate, cx);
        let both = |i: usize| rounds[0][i].clone() + rounds[1][i].clone();
        let scalars = Scalars::default().with("g_loss", both(0)).with("cycle", both(1)).with("identity", both(2));
        let fakes = [fakes.remove(1), fakes.remove(0)];
        scalars.with("g_gradient_norm", g_gradient).and(self.critics_learn([a, b], fakes, rate, cx))
    }

    fn judge(&self, batch: DomainBatch, cx: &StepCx) -> Option<Tensor<2>> {
        Some(of_pictures(self.discriminators[1].net().valid().forward(cx.tensor(batch.b))))
    }

    fn parts(&mut self, visit: &mut Parts) {
        self.generators.model_parts("generators", visit);
        let names = [("discriminator_a", "pool_a"), ("discriminator_b", "pool_b")];
        for (i, (discriminator, pool)) in names.into_iter().enumerate() {
            self.discriminators[i].parts(discriminator, visit);
            self.pools[i].parts(pool, visit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{assert_gradients, assert_near, filled, wave};
    use crate::recipes::tests::begun;
    use burn::tensor::TensorData;
    use serde_json::Value;

    /// The mean squared distance of logits from a label.
    fn squares(logits: Tensor<4>, label: f64) -> Tensor<1> {
        (logits - label).square().mean()
    }

    /// The networks and a step's losses, in f64: made by tests/golden/translation.py, whose docs give the formulas.
    fn golden(name: &str) -> Value {
        serde_json::from_str::<Value>(include_str!("../../../tests/golden/translation.json")).unwrap()[name].clone()
    }

    /// The loss of both critics together.
    fn critics(golden: &Value) -> f64 {
        golden["d_losses"].as_array().unwrap().iter().map(|loss| loss.as_f64().unwrap()).sum()
    }

    fn small() -> Config {
        Config { resolution: 16, width: 4, blocks: 2, d_width: 4, d_layers: 1, ..Config::default() }
    }

    /// The paper's, and what may stand in place of its parts.
    fn variants() -> [(&'static str, Config); 2] {
        let (upsampling, norm, d_norms, back_weight) = (Upsampling::Nearest, Norm::Pixel, false, 0.25);
        let plain = Config { upsampling, norm, d_norms, back_weight, residual: true, ..small() };
        [("cyclegan", small()), ("plain", plain)]
    }

    #[test]
    fn a_residual_generator_begins_with_the_picture_as_it_is() {
        let device = Device::flex();
        let x = Draws::new(1, 0).uniform("x", [1, 3, 16, 16], (-1.0, 1.0), &device);
        let apart = |residual: bool| {
            let config = Config { resolution: 16, width: 4, blocks: 1, residual, ..Config::default() };
            let y = Generator::new(&config, &Draws::new(0, 0), "to_b", &device).forward(x.clone());
            (y - x.clone()).abs().max().into_scalar::<f32>()
        };
        assert!((1e-3..0.2).contains(&apart(true)) && apart(false) > 0.5, "{} {}", apart(true), apart(false));
    }

    #[test]
    fn networks_and_losses_are_those_of_an_independent_implementation() {
        for (name, config) in variants() {
            let golden = golden(name);
            let fresh = begun::<CycleGan>(&config);
            let translator = filled(fresh.generators.net().clone());
            let critics = fresh.discriminators.each_ref().map(|critic| filled(critic.net().clone()));
            let (a, b) = (wave([2, 3, 16, 16], 0.013), wave([2, 3, 16, 16], 0.017));
            let (g, f) = (&translator.to_b, &translator.to_a);
            let (fake_b, fake_a) = (g.forward(a.clone()), f.forward(b.clone()));
            assert_near(fake_b.clone(), &golden["fake_b"], "G(a)");
            let frozen = critics.clone().map(|critic| critic.no_grad());
            let adversarial =
                squares(frozen[1].forward(fake_b.clone()), 1.0) + squares(frozen[0].forward(fake_a.clone()), 1.0);
            let cycles =
                [pixel::l1(f.forward(fake_b.clone()), a.clone()), pixel::l1(g.forward(fake_a.clone()), b.clone())];
            let identities = [pixel::l1(g.forward(b.clone()), b.clone()), pixel::l1(f.forward(a.clone()), a.clone())];
            let both = |[there, back]: &[Tensor<1>; 2], weight: f64| there.clone() + back.clone() * weight;
            assert_near(adversarial.clone(), &golden["adversarial"], "what the critics say");
            assert_near(both(&cycles, 1.0), &golden["cycle"], "the cycles");
            assert_near(both(&identities, 1.0), &golden["identity"], "what stays");
            let [cycle, identity] = [&cycles, &identities].map(|losses| both(losses, config.back_weight));
            let total = adversarial + (cycle + identity * config.identity_weight) * config.cycle_weight;
            assert_gradients(&translator, &total.backward(), &golden["g_gradients"], "the generators' loss");
            for (i, (real, fake)) in [(a, fake_a), (b, fake_b)].into_iter().enumerate() {
                let critic = &critics[i];
                let on_fake = critic.forward(fake.without_autodiff());
                let loss = (squares(critic.forward(real), 1.0) + squares(on_fake, 0.0)) * 0.5;
                assert_near(loss.clone(), &golden["d_losses"][i], "a critic's loss");
                assert_gradients(critic, &loss.backward(), &golden["d_gradients"][i], "a critic's loss");
            }
        }
    }

    /// What the first step tells, and whether it has changed the generators.
    fn told(config: &Config) -> (impl Fn(&str) -> Option<f64> + use<>, bool) {
        let device = Device::flex();
        let mut players = begun::<CycleGan>(config);
        players.generators.change(filled);
        players.discriminators.iter_mut().for_each(|critic| critic.change(filled));
        let data = |rate| -> TensorData { wave([2, 3, 16, 16], rate).into_data() };
        let cx = StepCx::new(0, 0, 2, &device);
        let bias = |players: &CycleGan| players.generators.net().to_b.last.bias.as_ref().unwrap().val().into_data();
        let before = bias(&players);
        let told = players.step(DomainBatch { a: data(0.013), b: data(0.017) }, &cx).read();
        let value = move |name: &str| told.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        (value, bias(&players) != before)
    }

    #[test]
    fn a_step_tells_the_losses_of_that_implementation_and_goes_along_its_gradient() {
        for (name, config) in variants() {
            let golden = golden(name);
            let (value, moved) = told(&config);
            let critics = critics(&golden);
            let norms = golden["g_gradients"].as_array().unwrap().iter().map(|pair| pair[0].as_f64().unwrap());
            let gradient = norms.map(|norm| norm * norm).sum::<f64>().sqrt();
            let wanted = ["adversarial", "cycle", "identity"].map(|key| golden[key].as_f64().unwrap());
            let wanted = ["g_loss", "cycle", "identity"].into_iter().zip(wanted);
            for (name, wanted) in wanted.chain([("d_loss", critics), ("g_gradient_norm", gradient)]) {
                let (found, near) = (value(name).unwrap(), if name == "g_gradient_norm" { 5e-4 } else { 2e-5 });
                assert!((found - wanted).abs() < near * wanted, "{name} is {found}, not {wanted}");
            }
            assert!(moved);
        }
    }

    #[test]
    fn the_critics_learn_alone_at_first() {
        let [_, (name, config)] = variants();
        let (value, moved) = told(&Config { d_first_kimg: 0.001, ..config });
        let critics = critics(&golden(name));
        assert!((value("d_loss").unwrap() - critics).abs() < 2e-5 * critics && value("g_loss").is_none() && !moved);
    }

    #[test]
    fn the_papers_generators_have_their_numbers_of_parameters() {
        for (blocks, key) in [(9, "resnet_9_parameters"), (6, "resnet_6_parameters")] {
            let config = Config { blocks, ..Config::default() };
            let net = Generator::new(&config, &Draws::new(0, 0), "g", &Device::flex());
            assert_eq!(net.num_params() as u64, golden("cyclegan")[key].as_u64().unwrap());
        }
    }
}
