//! StyleGAN2 with adaptive augmentation: a mapping network gives each layer of the generator its style.
//!
//! Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN" (StyleGAN2), trained as in Karras et al.
//! 2020, "Training Generative Adversarial Networks with Limited Data" (ADA), with the constants of its published
//! configurations `auto` (the defaults here) and `cifar` (`configs/stylegan2-cifar.toml`).
//!
//! What the first StyleGAN (Karras et al. 2019) had, and what took its place:
//! - Adaptive instance norm (instance norm, then scale and shift by the style): the modulated convolution. Instance norm
//!   threw away how strong features are relative to each other, and the generator smuggled it past by a blob in every
//!   picture; dividing by the expected norm of the weights does not.
//! - Noise and bias inside the styled part: after it, where their strength no longer depends on the style.
//! - Progressive growing: a generator that sums pictures of all sizes and a residual critic, trained at full size from the
//!   start. Growing made details stick to places of the picture.
//! - R1 at every step: every 16th, 16 times as strong, for a tenth of the time. New is path length regularisation, every
//!   4th step: equal steps in w shall change the picture equally much.
//! - Truncation only of the coarse layers: of all, by `sample --truncation`.

mod discriminator;
mod generator;

use self::discriminator::Discriminator;
pub use self::generator::Generator;
use crate::augment::Augment;
use crate::data::images::{self, Batch, Images, Shape};
use crate::loss::adversarial::non_saturating;
use crate::loss::penalty::{PathLength, Penalty};
use crate::nn::Pullback;
use crate::prelude::*;

/// What it learns when no other pictures are given.
const SET: &str = "avatars";
/// What is chosen where the configuration leaves it open, sized for a processor.
const AUTO_RESOLUTION: usize = 64;
const AUTO_CHANNEL_BASE: usize = 2048;

/// The configuration of `stylegan2`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Side of the pictures in pixels, a power of two from 8 to 1024; 0 chooses by the pictures, at most 64.
    pub resolution: usize,
    /// 3 for colour, 1 for grey.
    #[schemars(extend("enum" = [1, 3]))]
    pub channels: usize,
    /// Entries of the latent vector z.
    #[schemars(range(min = 1, max = 4096))]
    pub latent: usize,
    /// Entries of a style w.
    #[schemars(range(min = 1, max = 4096))]
    pub style: usize,
    /// Layers of the mapping network.
    #[schemars(range(min = 1, max = 4096))]
    pub mapping_layers: usize,
    /// A layer has this many channels divided by the side of its pictures; 0 chooses for two cores.
    pub channel_base: usize,
    /// And at most this many.
    #[schemars(range(min = 1, max = 4096))]
    pub channel_max: usize,
    /// How D's blocks are connected.
    pub architecture: Architecture,
    /// Pictures that D compares with each other (minibatch standard deviation); it must divide the batch.
    #[schemars(range(min = 1, max = 4096))]
    pub deviation_group: usize,
    /// Share of batches whose finer layers get the styles of other latent vectors.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub style_mixing: f64,
    /// Weight of R1; 0 chooses by 0.0002 resolution^2 / batch.
    pub gamma: f64,
    /// Steps between two R1 penalties.
    #[schemars(range(min = 1))]
    pub r1_every: u64,
    /// Weight of path length regularisation; 0 for none.
    pub path_length_weight: f64,
    /// Steps between two path length penalties.
    #[schemars(range(min = 1))]
    pub path_length_every: u64,
    /// Augmentation grows and shrinks so that this is the mean of D's sign on real pictures (0.6 in the paper); 0 for none.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub augment_target: f64,
    /// Adam's learning rate, for both players.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub learning_rate: f64,
    /// Half-life of the moving average of G's weights that samples come from, in thousands of images; 0 chooses
    /// 10 batch / 32.
    pub average_kimg: f64,
    /// The pictures.
    pub data: Images,
    /// The run.
    pub train: Train,
}

/// How D's blocks are connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// Each block's result is added to a 1x1 convolution of its input.
    Residual,
    /// One after the other, as in the first StyleGAN.
    Plain,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            resolution: 0,
            channels: 3,
            latent: 512,
            style: 512,
            mapping_layers: 2,
            channel_base: 0,
            channel_max: 512,
            architecture: Architecture::Residual,
            deviation_group: 4,
            style_mixing: 0.9,
            gamma: 0.0,
            r1_every: 16,
            path_length_weight: 2.0,
            path_length_every: 4,
            augment_target: 0.6,
            learning_rate: 0.0025,
            average_kimg: 0.0,
            data: Images::default(),
            train: Train { kimg: 25_000.0, batch: 32, ..Train::every([2.0, 20.0, 20.0]) },
        }
    }
}

impl Settings for Config {
    fn train(&self) -> &Train {
        &self.train
    }

    fn settle(&mut self) -> Result<Vec<String>> {
        let mut said = Vec::new();
        if self.resolution == 0 {
            (self.resolution, said) = if self.data.path.as_os_str().is_empty() {
                (64, vec!["resolution = 64, that of the avatars".into()])
            } else {
                let survey = images::survey(&self.data, SET)?;
                let side = (survey.sides[1] as usize).clamp(8, AUTO_RESOLUTION);
                let resolution = 1 << side.ilog2();
                let why = format!(
                    "resolution = {resolution}, the largest power of two that the pictures' shorter side of {} pixels (the \
                     median) fills, and at most {AUTO_RESOLUTION}, for the sake of time",
                    survey.sides[1]
                );
                (resolution, vec![why])
            };
        }
        let (resolution, batch) = (self.resolution as f64, self.train.batch as f64);
        if self.channel_base == 0 {
            self.channel_base = AUTO_CHANNEL_BASE;
            said.push(format!(
                "channel_base = {AUTO_CHANNEL_BASE}, for a processor; the paper has 16384 below 512 pixels and 32768 above"
            ));
        }
        if self.gamma == 0.0 {
            self.gamma = 0.0002 * resolution * resolution / batch;
            said.push(format!("gamma = {}, by 0.0002 resolution^2 / batch", self.gamma));
        }
        if self.average_kimg == 0.0 {
            self.average_kimg = batch * 10.0 / 32.0;
            said.push(format!("average_kimg = {}, by 10 batch / 32", self.average_kimg));
        }
        Ok(said)
    }

    fn problem(&self) -> Option<String> {
        if self.resolution != 0 && !(self.resolution.is_power_of_two() && (8..=1024).contains(&self.resolution)) {
            return Some(format!("resolution is {}; give a power of two from 8 to 1024, or 0", self.resolution));
        }
        let group = self.deviation_group.min(self.train.batch);
        let fits = self.train.batch.is_multiple_of(group);
        (!fits).then(|| format!("deviation_group {group} does not divide train.batch {}", self.train.batch))
    }
}

impl Config {
    /// Sizes of pictures in the networks, from 4x4 on.
    fn blocks(&self) -> usize {
        self.resolution.ilog2() as usize - 1
    }

    /// Channels of the layers on pictures of this side.
    fn width_at(&self, side: usize) -> usize {
        (self.channel_base / side).clamp(1, self.channel_max)
    }

    /// Adam for a player that makes a penalty of its own update every so many steps: its constants are those of one
    /// update in a step, to the power of the share of steps that updates are (StyleGAN2, appendix B). The learning rate
    /// is multiplied by that share.
    fn adam(every: Option<u64>) -> (AdamConfig, f64) {
        let share = every.map_or(1.0, |every| every as f64 / (every as f64 + 1.0));
        (AdamConfig { beta1: 0.0, beta2: 0.99_f64.powf(share), epsilon: 1e-8 }, share)
    }

    fn path_length(&self) -> Option<u64> {
        (self.path_length_weight > 0.0).then_some(self.path_length_every)
    }
}

/// The two players in training.
pub struct Stylegan2 {
    config: Config,
    generator: Trained<Generator>,
    discriminator: Trained<Discriminator>,
    path_length: PathLength,
    augment: Augment,
}

impl Stylegan2 {
    /// Pictures `[n, channels, resolution, resolution]` of new latent vectors, some of mixed styles; with w of the coarsest
    /// layer, and the way back to every layer's. `generator` is on the graph or off it.
    fn fakes(&self, generator: &Generator, n: usize, player: &str, cx: &StepCx) -> Fakes {
        let z = |name: &str| cx.draws.normal(&format!("{player}.{name}"), [n, self.config.latent], cx.device);
        let styles = generator.synthesis.styles();
        let first = generator.mapping.forward(z("z"));
        let mut w = vec![first.clone(); styles];
        if cx.draws.share(&format!("{player}.mix")) < self.config.style_mixing {
            let cut = 1 + cx.draws.indices(&format!("{player}.cut"), styles as u32 - 1, 1)[0] as usize;
            let second = generator.mapping.forward(z("second_z"));
            w[cut..].fill(second);
        }
        let noise =
            |layer: usize, side| cx.draws.normal(&format!("{player}.noise.{layer}"), [n, 1, side, side], cx.device);
        let (pictures, back) = generator.synthesis.vjp(&w, &noise);
        Fakes { pictures, first, back }
    }
}

struct Fakes {
    pictures: Tensor<4>,
    first: Tensor<2>,
    back: Box<dyn FnOnce(Tensor<4>) -> Vec<Tensor<2>>>,
}

impl Recipe for Stylegan2 {
    const INFO: Info = Info {
        name: "stylegan2",
        title: "StyleGAN2",
        paper: "Karras et al. 2020, Analyzing and Improving the Image Quality of StyleGAN",
        sentence: "Coarse and fine styles, to mix; learns any folder of pictures by rules of its own.",
        dataset: Some(SET),
        time: "6 days",
        presets: &[
            Preset { name: LAPTOP, time: "18 min", text: include_str!("../../../configs/stylegan2-laptop.toml") },
            Preset { name: "cifar", time: "6 months", text: include_str!("../../../configs/stylegan2-cifar.toml") },
        ],
        small: &["resolution=8", "latent=8", "style=8", "channel_base=32", "train.batch=4", "r1_every=2"],
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
        Some(Game::of(Adversarial::NonSaturating))
    }

    fn new(config: &Config, model: Generator, setup: &Setup<Batch>) -> Result<Self> {
        let discriminator = Discriminator::new(config, &Draws::new(config.train.seed, 0), &setup.autodiff());
        let ((g_adam, _), (d_adam, _)) = (Config::adam(config.path_length()), Config::adam(Some(config.r1_every)));
        Ok(Stylegan2 {
            generator: Trained::new(model, g_adam, config.average_kimg),
            discriminator: Trained::new(discriminator, d_adam, 0.0),
            path_length: PathLength::new(setup.device),
            augment: Augment::new(config.augment_target),
            config: config.clone(),
        })
    }

    fn step(&mut self, real: Batch, cx: &StepCx) -> Scalars {
        let Config { gamma, r1_every, path_length_weight, learning_rate, .. } = self.config;
        let path_length = self.config.path_length();
        let ((_, g_share), (_, d_share)) = (Config::adam(path_length), Config::adam(Some(r1_every)));
        let (g_rate, d_rate) = (learning_rate * g_share, learning_rate * d_share);
        let x = cx.tensor::<4>(real.pixels); // [n, channels, resolution, resolution]
        let n = x.dims()[0];
        let augment = |name: &str| self.augment.draw(&cx.draws, name, x.dims());
        let mut scalars = Scalars::default();

        // G: the non-saturating loss through augmentation and the D of this moment
        let path_due = path_length.is_some_and(|every| cx.step.is_multiple_of(every));
        let fakes = self.fakes(self.generator.net(), n, "g", cx);
        let fooled = self.discriminator.frozen().forward(augment("g.augment").apply(fakes.pictures));
        let g_loss = non_saturating(fooled);
        self.generator.change(|generator| generator.follow(fakes.first));
        drop(fakes.back);
        let g_gradient = match path_due {
            true => self.generator.descend_by(g_loss.clone(), g_rate, 1.0), // the average follows the second update
            false => self.generator.descend(g_loss.clone(), g_rate, cx),
        };
        scalars = scalars.with("g_loss", g_loss).with("g_gradient_norm", g_gradient);

        // G's path length, in an update of its own, on half a batch
        if let Some(every) = path_length.filter(|_| path_due) {
            let Fakes { pictures, back, .. } = self.fakes(self.generator.net(), (n / 2).max(1), "path", cx);
            let [_, _, h, w] = pictures.dims();
            let noise = cx.draws.normal("path.direction", pictures.dims(), cx.device) * ((h * w) as f64).powf(-0.5);
            let penalty = self.path_length.penalty(Tensor::stack(back(noise), 1)) * path_length_weight;
            drop(pictures);
            self.generator.descend(penalty.clone() * every as f64, g_rate, cx);
            scalars = scalars.with("path_length_penalty", penalty);
        }

        // D
        let fake = self.fakes(&self.generator.net().valid(), n, "d", cx).pictures;
        let critic = self.discriminator.net();
        let fake_logits = critic.forward(augment("d.augment_fake").apply(fake));
        let real_logits = critic.forward(augment("d.augment_real").apply(x.clone()));
        let logits = [real_logits.clone(), fake_logits];
        scalars = scalars.and(Adversarial::NonSaturating.learn(&mut self.discriminator, logits, None, d_rate, cx));

        // D's R1, in an update of its own, by the pictures before augmentation
        if cx.step.is_multiple_of(r1_every) && gamma > 0.0 {
            let transform = augment("r1.augment");
            let (logits, back) = self.discriminator.net().vjp(transform.apply(x));
            let back: Pullback<2, 4> = Box::new(move |gradient| transform.pullback(back(gradient)));
            let penalty = Penalty::zero_centred(gamma, (logits, back));
            self.discriminator.descend(penalty.clone() * r1_every as f64, d_rate, cx);
            scalars = scalars.with("d_penalty", penalty);
        }

        self.augment.observe(real_logits, cx.step);
        scalars.with("augment_strength", Tensor::full([1], self.augment.strength(), cx.device))
    }

    fn judge(&self, batch: Batch, cx: &StepCx) -> Option<Tensor<2>> {
        Some(self.discriminator.net().valid().forward(cx.tensor(batch.pixels)))
    }

    fn parts(&mut self, visit: &mut Parts) {
        self.generator.model_parts("generator", visit);
        self.path_length.parts("path_length", visit);
        self.discriminator.parts("discriminator", visit);
        self.augment.parts("augment", visit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{assert_close, assert_gradients_within, assert_near_within, filled_by, wave};
    use serde_json::Value;

    /// Both networks by the papers' formulas, in f64: made by tests/golden/stylegan2.py, whose docs give the formulas.
    fn golden(net: &str) -> Value {
        serde_json::from_str::<Value>(include_str!("../../../tests/golden/stylegan2.json")).unwrap()[net].clone()
    }

    const N: usize = 4;

    fn config() -> Config {
        Config {
            resolution: 8,
            latent: 6,
            style: 6,
            channel_base: 48,
            deviation_group: 2,
            gamma: 10.0,
            average_kimg: 1.0,
            ..Config::default()
        }
    }

    /// The network with the script's parameters.
    fn filled<M: Module>(net: M) -> M {
        filled_by(net, |path, _| {
            let path = path.join(".");
            let of_linear = ["affine", "mapping", "hidden", "logit"].iter().any(|part| path.contains(part));
            match path.rsplit('.').next().unwrap() {
                "weight" if path.starts_with("mapping") => [100.0, 0.0],
                "bias" if of_linear => [0.1, if path.contains("affine") { 1.0 } else { 0.0 }],
                "bias" => [0.3, 0.0],
                "strength" => [0.5, 0.0],
                _ => [1.0, 0.0],
            }
        })
    }

    fn assert_near<const D: usize>(found: Tensor<D>, wanted: &Value, what: &str) {
        assert_near_within(1e-5, found, wanted, what);
    }

    fn assert_gradients<M: Module>(net: &M, loss: Tensor<1>, wanted: &Value, what: &str) {
        assert_gradients_within([2e-5, 5e-7], net, &loss.backward(), wanted, what);
    }

    #[test]
    fn synthesis_its_gradients_and_its_path_length_are_those_of_the_papers_formulas() {
        let (golden, device) = (golden("generator"), Device::flex());
        let net = filled(Generator::new(&config(), &Draws::new(0, 0), &device.clone().autodiff()));
        let noise = |number: usize, side| wave([N, 1, side, side], 0.9 + 0.1 * number as f64);
        let run = || {
            let w = [0.61, 0.83].map(|rate| net.mapping.forward(wave([N, 6], rate)));
            let [first, second] = w;
            net.synthesis.vjp(&[first.clone(), first, second.clone(), second], &noise)
        };
        let (pictures, _) = run();
        assert_near(pictures.clone(), &golden["pictures"], "pictures");
        let loss = (pictures.clone() * wave(pictures.dims(), 0.71)).sum();
        assert_gradients(&net, loss, &golden["gradients"], "the pictures' gradient");

        let (pictures, back) = run();
        let by_w: Tensor<3> = Tensor::stack(back(wave(pictures.dims(), 0.17) / 8.0), 1);
        assert_near(by_w.clone(), &golden["by_w"], "the gradient by w");
        let penalty = PathLength::new(&device).penalty(by_w);
        let wanted = golden["path_length"].as_f64().unwrap();
        assert_close("the path length", penalty.clone().into_scalar::<f64>(), wanted, wanted, 1e-5);
        assert_gradients(&net, penalty, &golden["path_length_gradients"], "the path length's gradient");
    }

    #[test]
    fn the_critic_its_gradients_and_its_r1_are_those_of_the_papers_formulas() {
        let (golden, device) = (golden("discriminator"), Device::flex());
        let net = filled(Discriminator::new(&config(), &Draws::new(0, 0), &device.clone().autodiff()));
        let x = || wave([N, 3, 8, 8], 0.13);
        let logits = net.forward(x());
        assert_near(logits.clone(), &golden["logits"], "logits");
        assert_gradients(&net, non_saturating(logits), &golden["gradients"], "the logits' gradient");

        let (logits, back) = net.vjp(x());
        assert_near(back(Tensor::ones(logits.dims(), &device)), &golden["by_x"], "the gradient by x");
        let r1 = Penalty::zero_centred(10.0, net.vjp(x()));
        let wanted = golden["r1"].as_f64().unwrap();
        assert_close("R1", r1.clone().into_scalar::<f64>(), wanted, wanted, 1e-5);
        assert_gradients(&net, r1, &golden["r1_gradients"], "R1's gradient");
    }
}
