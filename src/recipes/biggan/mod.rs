//! BigGAN: pictures of a class that one names, by a generator whose norms are told the class.
//!
//! Brock, Donahue and Simonyan 2019, "Large Scale GAN Training for High Fidelity Natural Image Synthesis", with the channels of its
//! appendix B. What each part is from: spectral norm in both players (Miyato et al. 2018), self-attention (Zhang et al. 2019), the
//! class by projection in D (Miyato and Koyama 2018) and by conditional batch norm in G, z given to every block in parts, the
//! hinge loss, orthogonal regularisation, the average of G's weights.

mod discriminator;
mod generator;

use burn::module::{ModuleVisitor, Param};

use self::discriminator::Discriminator;
pub use self::generator::Generator;
use self::generator::asked;
use crate::augment::Augment;
use crate::data::images::{self, Batch, Images, Shape};
use crate::error::Error;
use crate::nn::{Statistics, one_hot};
use crate::prelude::*;

/// What it learns when no other pictures are given.
const SET: &str = "food";
/// Batches whose statistics samples are made by.
const STANDING: u64 = 16;
/// What the class is called among what a model takes.
const CLASS: &str = "class";

/// The configuration of `biggan`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Side of the pictures in pixels.
    #[schemars(extend("enum" = [28, 32, 64, 128]))]
    pub resolution: usize,
    /// 3 for colour, 1 for grey.
    #[schemars(extend("enum" = [1, 3]))]
    pub channels: usize,
    /// The names of the classes, in order; empty reads them off the pictures: the folders of a folder, or the ten digits.
    pub classes: Vec<String>,
    /// Entries of the latent vector z; each block gets an equal part of them, and so does the first layer.
    #[schemars(range(min = 1, max = 4096))]
    pub latent: usize,
    /// Entries of a class's description, which all norms share.
    #[schemars(range(min = 1, max = 4096))]
    pub shared: usize,
    /// What all numbers of channels are multiples of.
    #[schemars(range(min = 1, max = 512))]
    pub width: usize,
    /// Side of the pictures inside both networks at which every place sees all others (self-attention); 0 for none.
    #[schemars(extend("enum" = [0, 16, 32, 64]))]
    pub attention: usize,
    /// Updates of D to one of G.
    #[schemars(range(min = 1))]
    pub d_steps: u64,
    /// Adam's learning rate for G.
    pub g_learning_rate: f64,
    /// Adam's learning rate for D.
    pub d_learning_rate: f64,
    /// Weight of the orthogonal regularisation of G: how much its filters may be alike.
    pub orthogonal: f64,
    /// Augmentation grows and shrinks so that this is the mean of D's sign on real pictures (0.6 in StyleGAN2-ADA); 0 for none.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub augment_target: f64,
    /// Half-life of the moving average of G's weights that samples come from, in thousands of images; 0 for none.
    pub average_kimg: f64,
    /// The pictures.
    pub data: Images,
    /// The run.
    pub train: Train,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            resolution: 128,
            channels: 3,
            classes: Vec::new(),
            latent: 120,
            shared: 128,
            width: 96,
            attention: 64,
            d_steps: 2,
            g_learning_rate: 5e-5,
            d_learning_rate: 2e-4,
            orthogonal: 1e-4,
            augment_target: 0.0,    // the paper has a million pictures
            average_kimg: 14_195.0, // a decay of 0.9999 at batches of 2048
            data: Images::default(),
            train: Train { kimg: 300_000.0, batch: 2048, ..Train::every([20.0, 200.0, 200.0]) },
        }
    }
}

impl Settings for Config {
    fn train(&self) -> &Train {
        &self.train
    }

    fn settle(&mut self) -> Result<Vec<String>> {
        if !self.classes.is_empty() {
            return Ok(Vec::new());
        }
        self.classes = images::classes(&self.data, SET)?;
        if self.classes.len() < 2 {
            return Err(Error::input(
                "biggan learns classes, and the pictures have none; put those of each class into a folder of its own",
            ));
        }
        Ok(vec![format!("{} classes: {}", self.classes.len(), self.classes.join(", "))])
    }

    fn problem(&self) -> Option<String> {
        let parts = self.generator_channels().len() + 1;
        if !self.latent.is_multiple_of(parts) {
            return Some(format!(
                "latent is {}; give a multiple of {parts}, a part for each block and the first layer",
                self.latent
            ));
        }
        let has_side = self.attention == 0 || self.attention < self.resolution && self.attention_after().is_some();
        (!has_side)
            .then(|| format!("no block makes pictures of {0}x{0}; set attention to 0 or another side", self.attention))
    }
}

impl Config {
    /// How many classes there are; one where none are named.
    fn classes(&self) -> usize {
        self.classes.len().max(1)
    }

    /// Side in pixels of the smallest pictures.
    fn start(&self) -> usize {
        if self.resolution.is_power_of_two() { 4 } else { 7 }
    }

    /// Entries of z for each block of G, and for its first layer.
    fn latent_part(&self) -> usize {
        self.latent / (self.generator_channels().len() + 1)
    }

    /// Channels into and out of each block of G (appendix B, tables 4 and 5; those of 32 and 64 by the authors' code; those of 28
    /// are those of 32 with a block less).
    fn generator_channels(&self) -> Vec<[usize; 2]> {
        let table: &[[usize; 2]] = match self.resolution {
            28 => &[[4, 4], [4, 4]],
            32 => &[[4, 4], [4, 4], [4, 4]],
            64 => &[[16, 16], [16, 8], [8, 4], [4, 2]],
            _ => &[[16, 16], [16, 8], [8, 4], [4, 2], [2, 1]],
        };
        table.iter().map(|channels| channels.map(|many| many * self.width)).collect()
    }

    /// The same of D, and whether each block halves the sides.
    fn discriminator_channels(&self) -> Vec<([usize; 2], bool)> {
        let (table, halving): (&[usize], usize) = match self.resolution {
            28 | 32 => (&[4, 4, 4, 4], 2),
            64 => (&[1, 2, 4, 8, 16], 4),
            _ => (&[1, 2, 4, 8, 16, 16], 5),
        };
        let outputs = table.iter().map(|many| many * self.width);
        let inputs = [self.channels].into_iter().chain(outputs.clone());
        inputs.zip(outputs).enumerate().map(|(i, (inputs, outputs))| ([inputs, outputs], i < halving)).collect()
    }

    /// The block of G whose pictures have the side of the attention.
    fn attention_after(&self) -> Option<usize> {
        (0..self.generator_channels().len()).find(|i| self.start() << (i + 1) == self.attention)
    }

    /// The block of D likewise.
    fn d_attention_after(&self) -> Option<usize> {
        let halving = self.discriminator_channels().iter().filter(|(_, halves)| *halves).count();
        (0..halving).find(|i| self.resolution >> (i + 1) == self.attention)
    }
}

/// ½·Σ‖W·Wᵀ ⊙ (1 - I)‖² over all weights of a network seen as matrices of one row for each output, but for `without`: its gradient is
/// what the authors' code adds to that of the loss (equation 3 of the paper, without the diagonal).
fn not_orthogonal<M: Module>(net: &M, without: &str) -> Tensor<1> {
    struct Sum<'a>(Vec<Tensor<1>>, Vec<String>, &'a str);
    impl ModuleVisitor for Sum<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if D < 2 || self.1.last().is_some_and(|name| name == self.2) {
                return;
            }
            let matrix = param.val().flatten::<2>(1, D - 1);
            let rows = matrix.dims()[0];
            let products = matrix.clone().matmul(matrix.transpose());
            let apart = Tensor::<2>::ones([rows, rows], &products.device().without_autodiff())
                - Tensor::<2>::eye(rows, &products.device().without_autodiff());
            self.0.push((products * apart).square().sum() * 0.5);
        }
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.1.push(name.to_owned());
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.1.pop();
        }
    }
    let mut sum = Sum(Vec::new(), Vec::new(), without);
    net.visit(&mut sum);
    Tensor::cat(sum.0, 0).sum()
}

/// The two players in training.
pub struct Biggan {
    config: Config,
    generator: Trained<Generator>,
    discriminator: Trained<Discriminator>,
    augment: Augment,
}

impl Biggan {
    /// z `[n, latent]` and random classes `[n, classes]` of a player's batch.
    fn asked(&self, n: usize, player: &str, cx: &StepCx) -> [Tensor<2>; 2] {
        asked(&cx.draws, player, [n, self.config.latent], self.config.classes(), cx.device)
    }
}

impl Recipe for Biggan {
    const INFO: Info = Info {
        name: "biggan",
        title: "BigGAN",
        paper: "Brock et al. 2019, Large Scale GAN Training for High Fidelity Natural Image Synthesis",
        sentence: "Pictures of the class one names: folders of photographs, or digits.",
        dataset: Some(SET),
        time: "years",
        presets: &[
            Preset { name: LAPTOP, time: "50 min", text: include_str!("../../../configs/biggan-laptop.toml") },
            Preset { name: "emoji", time: "50 min", text: include_str!("../../../configs/biggan-emoji.toml") },
            Preset { name: "mnist", time: "35 min", text: include_str!("../../../configs/biggan-mnist.toml") },
        ],
        small: &[
            "resolution=28",
            "channels=1",
            "width=2",
            "latent=6",
            "shared=4",
            "attention=0",
            "train.batch=4",
            "d_steps=1",
        ],
    };
    type Config = Config;
    type Model = Generator;
    type Batch = Batch; // [n, channels, resolution, resolution] in [-1, 1], with labels

    fn data(config: &Config, split: Split) -> Result<Box<dyn Source<Batch>>> {
        let shape = Shape { channels: config.channels, side: config.resolution };
        images::open(&config.data, SET, shape, config.train.drawing(split))
    }

    fn model(config: &Config, device: &Device) -> Generator {
        Generator::new(config, &Draws::new(config.train.seed, 0), device)
    }

    fn game(_config: &Config) -> Option<Game> {
        Some(Game::of(Adversarial::Hinge))
    }

    fn new(config: &Config, model: Generator, setup: &Setup<Batch>) -> Result<Self> {
        let discriminator = Discriminator::new(config, &Draws::new(config.train.seed, 0), &setup.autodiff());
        let adam = AdamConfig { beta1: 0.0, beta2: 0.999, epsilon: 1e-6 }; // 1e-6 by the authors' code
        Ok(Biggan {
            generator: Trained::new(model, adam, config.average_kimg),
            discriminator: Trained::new(discriminator, adam, 0.0),
            augment: Augment::new(config.augment_target),
            config: config.clone(),
        })
    }

    fn step(&mut self, real: Batch, cx: &StepCx) -> Scalars {
        let Config { d_steps, g_learning_rate, d_learning_rate, orthogonal, .. } = self.config;
        let classes = one_hot(&real.labels, self.config.classes(), cx.device);
        let x = cx.tensor::<4>(real.pixels); // [n, channels, resolution, resolution]
        let n = x.dims()[0];
        let augment = |name: &str| self.augment.draw(&cx.draws, name, x.dims());

        // D, on real and fake pictures in one batch
        let [z, asked] = self.asked(n, "d", cx);
        let fake = self.generator.net().valid().forward(z, asked.clone(), Some(&Statistics::default()));
        let seen = vec![augment("d.augment_real").apply(x.clone()), augment("d.augment_fake").apply(fake)];
        let told = Statistics::default();
        let critic = self.discriminator.net();
        let logits = critic.forward(Tensor::cat(seen, 0), Tensor::cat(vec![classes, asked], 0), Some(&told));
        let [on_real, on_fake] = [0, n].map(|from| logits.clone().narrow(0, from, n));
        drop(logits);
        self.discriminator.change(|critic| told.followed_by(critic));
        let observed = on_real.clone().without_autodiff();
        let mut scalars =
            Adversarial::Hinge.learn(&mut self.discriminator, [on_real, on_fake], None, d_learning_rate, cx);

        // G, through the D of this moment, which is a constant for it
        if (cx.step + 1).is_multiple_of(d_steps) {
            let [z, asked] = self.asked(n, "g", cx);
            let told = Statistics::default();
            let fake = self.generator.net().forward(z, asked.clone(), Some(&told));
            let fake = augment("g.augment").apply(fake);
            let g_loss = -self.discriminator.frozen().forward(fake, asked, None).mean();
            let alike = (orthogonal > 0.0).then(|| not_orthogonal(self.generator.net(), "embedding"));
            self.generator.change(|generator| told.followed_by(generator));
            let whole = alike.iter().fold(g_loss.clone(), |loss, alike| loss + alike.clone() * orthogonal);
            let g_gradient = self.generator.descend(whole, g_learning_rate, cx);
            scalars = scalars.with("g_loss", g_loss).with("g_gradient_norm", g_gradient);
            scalars = alike.map_or(scalars.clone(), |alike| scalars.with("g_alike", alike));
        }

        self.augment.observe(observed, cx.step);
        scalars.with("augment_strength", Tensor::full([1], self.augment.strength(), cx.device))
    }

    fn judge(&self, batch: Batch, cx: &StepCx) -> Option<Tensor<2>> {
        let classes = one_hot(&batch.labels, self.config.classes(), cx.device);
        Some(self.discriminator.net().valid().forward(cx.tensor(batch.pixels), classes, None))
    }

    fn parts(&mut self, visit: &mut Parts) {
        self.discriminator.parts("discriminator", visit);
        self.generator.settled_parts("generator", visit, |generator| generator.standing(STANDING));
        self.augment.parts("augment", visit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::problem_of;
    use crate::golden::{assert_close, assert_gradients_within, assert_near_within, filled_by, floats, wave, wave_at};
    use crate::nn::SpectralConv;
    use crate::parts::Tensors;
    use crate::recipes::tests::begun;
    use serde_json::Value;

    /// Both networks by the papers' formulas, in f64: made by tests/golden/biggan.py, whose docs give the formulas.
    fn golden(part: &str) -> Value {
        serde_json::from_str::<Value>(include_str!("../../../tests/golden/biggan.json")).unwrap()[part].clone()
    }

    const N: usize = 3;
    const LABELS: [u32; N] = [2, 0, 1];

    fn config() -> Config {
        let classes = ["a", "b", "c"].map(str::to_owned).to_vec();
        Config {
            resolution: 28,
            channels: 1,
            classes,
            latent: 6,
            shared: 4,
            width: 4,
            attention: 14,
            ..Config::default()
        }
    }

    /// The network with the script's parameters.
    fn filled<M: Module>(net: M) -> M {
        filled_by(net, |path, _| match path.join(".").as_str() {
            "attention.gamma" => [0.5, 0.3],
            "last_norm.gamma" => [0.2, 1.0],
            path if path.ends_with("bias") || path.ends_with("beta") => [0.1, 0.0],
            _ => [1.0, 0.0],
        })
    }

    fn near<const D: usize>(found: Tensor<D>, wanted: &Value, what: &str) {
        let found = floats(found).into_iter().take(160).map(|value| value as f32).collect::<Vec<f32>>();
        let count = found.len();
        let found = Tensor::<1>::from_data(burn::tensor::TensorData::new(found, [count]), &Device::flex());
        assert_near_within(2e-5, found, wanted, what);
    }

    fn gradients_near<M: Module>(net: &M, loss: Tensor<1>, wanted: &Value, what: &str) {
        assert_gradients_within([1e-4, 2e-6], net, &loss.backward(), wanted, what);
    }

    /// Every seventh pixel of both axes.
    fn sparse(pictures: Tensor<4>) -> Tensor<4> {
        let [n, c, h, w] = pictures.dims();
        pictures.reshape([n, c, h / 7, 7, w / 7, 7]).narrow(3, 0, 1).narrow(5, 0, 1).reshape([n, c, h / 7, w / 7])
    }

    #[test]
    fn spectral_norm_after_three_passes_and_its_gradient_are_pytorchs() {
        let (golden, device) = (golden("spectral"), Device::flex().autodiff());
        let mut net = filled(SpectralConv::new([3, 5], 3, true, &Draws::new(0, 0), "c", &device));
        for pass in 0..3 {
            let told = Statistics::default();
            let y = net.forward(wave([2, 3, 6, 6], 0.13), 1.0, Some(&told));
            if pass == 2 {
                near(y.clone(), &golden["result"], "the result");
                let loss = (y.clone() * wave(y.dims(), 0.71)).sum();
                gradients_near(&net, loss, &golden["gradients"], "the gradient");
            }
            net = told.followed_by(net);
        }
        let mut u = Vec::new();
        net.visit(&mut Kept(&mut u));
        near(u.remove(0), &golden["u"], "u");
    }

    /// The vectors that no gradient reaches.
    struct Kept<'a>(&'a mut Vec<Tensor<1>>);

    impl ModuleVisitor for Kept<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if D == 1 && !param.val().is_require_grad() {
                self.0.push(param.val().without_autodiff().flatten(0, D - 1));
            }
        }
    }

    #[test]
    fn generator_its_gradients_its_statistics_and_its_regularisation_are_those_of_the_papers_formulas() {
        let (device, wanted) = (Device::flex().autodiff(), golden("generator"));
        let mut net = filled(Generator::new(&config(), &Draws::new(0, 0), &device));
        let alike = not_orthogonal(&net, "embedding");
        let value = golden("orthogonal")["value"].as_f64().unwrap();
        assert_close("the regularisation", alike.clone().into_scalar::<f64>(), value, value, 1e-5);
        gradients_near(&net, alike, &golden("orthogonal")["gradients"], "the regularisation's gradient");
        let classes = || one_hot(&LABELS, N, &device);
        for pass in 0..3 {
            let told = Statistics::default();
            let pictures = net.forward(wave([N, 6], 0.61 + 0.1 * f64::from(pass)), classes(), Some(&told));
            if pass == 2 {
                near(sparse(pictures.clone()), &wanted["pictures"], "pictures");
                let loss = (pictures.clone() * wave(pictures.dims(), 0.71)).sum();
                gradients_near(&net, loss, &wanted["gradients"], "the gradient");
            }
            net = told.followed_by(net);
        }
        let used = net.valid().forward(wave([N, 6], 0.61), classes(), None);
        near(sparse(used), &wanted["used"], "pictures by the running statistics");
    }

    #[test]
    fn the_discriminator_its_projection_and_its_gradients_are_those_of_the_papers_formulas() {
        let (device, wanted) = (Device::flex().autodiff(), golden("discriminator"));
        let mut net = filled(Discriminator::new(&config(), &Draws::new(0, 0), &device));
        let both = || one_hot(&[LABELS, [1, 0, 2]].concat(), N, &device);
        for pass in 0..3 {
            let told = Statistics::default();
            let logits = net.forward(wave([2 * N, 1, 28, 28], 0.13 + 0.1 * f64::from(pass)), both(), Some(&told));
            if pass == 2 {
                near(logits.clone(), &wanted["logits"], "logits");
                let [real, fake] = [0, N].map(|from| logits.clone().narrow(0, from, N));
                let hinge = Adversarial::Hinge.discriminator(real, fake);
                let value = wanted["hinge"].as_f64().unwrap();
                assert_close("the loss", hinge.clone().into_scalar::<f64>(), value, value, 1e-5);
                gradients_near(&net, hinge, &wanted["gradients"], "the loss's gradient");
            }
            net = told.followed_by(net);
        }
        near(net.valid().forward(wave([2 * N, 1, 28, 28], 0.13), both(), None), &wanted["used"], "logits in use");
    }

    /// How far each tensor of the part has moved, or the values themselves of running statistics: the norm and the product with a
    /// wave.
    fn moved(part: &Tensors, before: &Tensors, wanted: &Value, what: &str) {
        let wanted = wanted.as_object().unwrap();
        assert_eq!(part.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>(), "{what}");
        // Adam moves every weight about equally far, however small its gradient, and rounding decides which way the smallest go.
        for (name, wanted) in wanted {
            let [now, then] = [part, before].map(|part| part[name].iter::<f64>().collect::<Vec<f64>>());
            let change = now.iter().zip(then).map(|(now, then)| now - then).collect::<Vec<f64>>();
            let along = (0..change.len()).map(|i| f64::from(wave_at(i, 0.71) as f32) * change[i]).sum::<f64>();
            let norm = change.iter().map(|change| change * change).sum::<f64>().sqrt();
            let [wanted_norm, wanted_along] = [0, 1].map(|i| wanted[i].as_f64().unwrap());
            let near = |found: f64, wanted: f64| (found - wanted).abs() <= 2e-3 * wanted_norm + 2e-6;
            let is_near = near(norm, wanted_norm) && near(along, wanted_along);
            assert!(is_near, "{what}: {name} moved by {norm}, {along}, not {wanted_norm}, {wanted_along}");
        }
    }

    #[test]
    fn three_steps_and_the_statistics_that_samples_are_made_by_are_pytorchs() {
        let (device, wanted) = (Device::flex(), golden("steps"));
        let config = Config { average_kimg: 0.01, train: Train { seed: 7, batch: N, ..Train::default() }, ..config() };
        let mut biggan = begun::<Biggan>(&config);
        biggan.generator.change(filled);
        biggan.discriminator.change(filled);
        // The average begins at the weights.
        let parts = |biggan: &mut Biggan| Parts::copies(|visit| biggan.parts(visit));
        let mut begun = parts(&mut biggan);
        let weights = begun["generator"].clone();
        begun.insert("model".into(), weights);
        let mut load = Parts::load(begun.clone());
        biggan.parts(&mut load);
        load.loaded().unwrap();
        for (step, wanted) in (1..).zip(wanted["scalars"].as_array().unwrap()) {
            let pixels = wave([N, 1, 28, 28], 0.13 + 0.1 * step as f64).into_data();
            let cx = StepCx { step, images: 1000, batch: N, draws: Draws::new(7, step), device: &device };
            let scalars = biggan.step(Batch { pixels, labels: LABELS.to_vec() }, &cx).read();
            for (name, wanted) in wanted.as_object().unwrap() {
                let found = scalars.iter().find(|(found, _)| *found == name.as_str()).unwrap().1;
                let wanted = wanted.as_f64().unwrap();
                assert_close(&format!("{name} of step {step}"), found, wanted, wanted, 1e-4);
            }
            assert_eq!(scalars.iter().any(|(name, _)| *name == "g_loss"), step != 2, "two updates of D to one of G");
        }
        let after = parts(&mut biggan);
        for part in ["generator", "discriminator", "model"] {
            moved(&after[part], &begun[part], &wanted[part], part);
        }
        let mut sampler = None;
        biggan.parts(&mut Parts::sampler(&mut sampler));
        let sampler = sampler.unwrap().downcast::<Generator>().unwrap();
        let used = sampler.forward(wave([N, 6], 0.61), one_hot(&LABELS, N, &device), None);
        near(sparse(used), &wanted["used"], "pictures by the statistics of the averaged weights");
    }

    #[test]
    fn both_networks_fit_every_resolution() {
        for (resolution, attention) in [(28, 0), (32, 16), (64, 32), (128, 64)] {
            let config = Config { resolution, attention, width: 1, latent: 120, ..config() };
            assert_eq!(problem_of(&config), None, "{resolution}");
            let (draws, device) = (Draws::new(0, 0), Device::flex());
            let (z, classes) = (draws.normal("z", [N, 120], &device), one_hot(&LABELS, N, &device));
            let fake = Generator::new(&config, &draws, &device).forward(z, classes.clone(), None);
            assert_eq!(fake.dims(), [N, 1, resolution, resolution]);
            let logits = Discriminator::new(&config, &draws, &device).forward(fake, classes, None);
            assert_eq!(logits.dims(), [N, 1]);
        }
    }
}
