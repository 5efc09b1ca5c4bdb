//! The GAN of the tutorial: two fully connected networks learn to write digits (MNIST, 28x28 grey).
//!
//! Goodfellow et al. 2014, "Generative Adversarial Networks", with the networks and constants of the notebook
//! GAN-MNIST of nttuan8's GAN tutorial (2020). G maps a latent vector z to a picture; D tells real pictures from G's.
//! The networks and constants of the paper itself are the recipe `goodfellow`.
//! The tutorial writes the losses as equation 1 of the paper and trains G with label 1, which is the non-saturating
//! loss: see `generator_loss`, and [`adversarial::minimax`] for why.
//!
//! What the notebook does otherwise: it draws pictures with replacement from all 60,000 (`configs/mnist-tutorial.toml`
//! does too), clips probabilities where we work from logits, and leaves Adam to Keras, which adds epsilon before the bias
//! correction and shares its count of updates between the players: over the first thousand updates its steps are up to
//! 1.4 times as long as ours.

use burn::tensor::activation::sigmoid;

use crate::data::mnist::{Batch, Pictures};
use crate::loss::penalty::Penalty;
use crate::nn::{Linear, Pullback, chain};
use crate::prelude::*;
use crate::random::Dropout;

const LATENT: usize = 100;
const SIDE: usize = 28;
const PIXELS: usize = SIDE * SIDE;
const GENERATOR: [usize; 5] = [LATENT, 256, 512, 1024, PIXELS];
const DISCRIMINATOR: [usize; 5] = [PIXELS, 1024, 512, 256, 1];
const SLOPE: f64 = 0.2;

/// The configuration of `mnist`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where G's latent vectors come from.
    pub prior: Prior,
    /// What G minimises.
    pub generator_loss: GeneratorLoss,
    /// D's target for real pictures; below 1 it keeps D from being too sure (one-sided label smoothing).
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub real_label: f64,
    /// Share of D's units dropped after each hidden layer.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub dropout: f64,
    /// Weight of R1, the penalty on D's gradient at real pictures, for which nothing is dropped; 0 for none.
    #[schemars(range(min = 0.0))]
    pub gamma: f64,
    /// Steps from one R1 to the next, each so many times as strong.
    #[schemars(range(min = 1))]
    pub r1_every: u64,
    /// Adam's learning rate, for both players.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub learning_rate: f64,
    /// Adam's beta1, for both players.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub beta1: f64,
    /// Adam's epsilon, for both players.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub epsilon: f64,
    /// Half-life of the moving average of G's weights that samples come from, in thousands of images; 0 for none.
    pub average_kimg: f64,
    /// The pictures.
    pub data: Pictures,
    /// The run.
    pub train: Train,
}

/// The two generator losses of Goodfellow et al. 2014.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GeneratorLoss {
    /// min E[-log D(G(z))]: strong gradients while D is sure of the fakes; the tutorial's code.
    NonSaturating,
    /// min E[log(1 - D(G(z)))]: the paper's equation 1 and the tutorial's formula; its gradient vanishes early on.
    Minimax,
}

impl From<GeneratorLoss> for Adversarial {
    fn from(loss: GeneratorLoss) -> Self {
        match loss {
            GeneratorLoss::NonSaturating => Adversarial::NonSaturating,
            GeneratorLoss::Minimax => Adversarial::Minimax,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            prior: Prior::Normal,
            generator_loss: GeneratorLoss::NonSaturating,
            real_label: 0.9,
            dropout: 0.3,
            gamma: 1.0, // the tutorial has none; G then makes few kinds of digits for long, and with some seeds one to the end
            r1_every: 4, // R1 in every step would make a run 1.5 times as long
            learning_rate: 2e-4,
            beta1: 0.5,
            epsilon: 1e-7,      // Keras' default, which the tutorial has; Adam's paper says 1e-8
            average_kimg: 20.0, // the tutorial keeps none; the average is visibly cleaner
            data: Pictures::default(),
            train: Train {
                kimg: 1980.0, // 33 of the tutorial's passes of 60,000; its 200 are 12,000
                batch: 128,
                ..Train::every([10.0, 60.0, 240.0]) // one of those passes
            },
        }
    }
}

impl Settings for Config {
    fn train(&self) -> &Train {
        &self.train
    }
}

/// z `[n, 100]` to pictures `[n, 784]` in (0, 1): 100-256-512-1024-784, leaky ReLU 0.2, sigmoid.
#[derive(Module, Debug)]
pub struct Generator {
    layers: Vec<Linear>,
    #[module(skip)]
    prior: Prior,
}

/// Pictures `[n, 784]` to logits `[n, 1]`: 784-1024-512-256-1, leaky ReLU 0.2 and dropout after each hidden layer.
#[derive(Module, Debug)]
struct Discriminator {
    layers: Vec<Linear>,
}

/// Fully connected layers of these widths, Glorot-uniform.
fn layers(widths: &[usize], draws: &Draws, name: &str, device: &Device) -> Vec<Linear> {
    let pairs = widths.windows(2).enumerate();
    pairs.map(|(i, w)| Linear::glorot(draws, &format!("{name}.layers.{i}"), w[0], w[1], device)).collect()
}

/// The hidden layers and the last one. Panics if there are none.
fn split(layers: &[Linear]) -> (&[Linear], &Linear) {
    match layers {
        [hidden @ .., last] => (hidden, last),
        [] => panic!("a network without layers"),
    }
}

impl Generator {
    fn new(prior: Prior, draws: &Draws, device: &Device) -> Self {
        Generator { layers: layers(&GENERATOR, draws, "generator", device), prior }
    }

    fn forward(&self, z: Tensor<2>) -> Tensor<2> {
        let (hidden, last) = split(&self.layers);
        let h = hidden.iter().fold(z, |h, layer| layer.leaky(h, SLOPE, None)); // [n, 1024]
        sigmoid(last.forward(h)) // [n, 784]
    }
}

impl Discriminator {
    fn new(draws: &Draws, device: &Device) -> Self {
        Discriminator { layers: layers(&DISCRIMINATOR, draws, "discriminator", device) }
    }

    /// `dropout` gives the randomness of a hidden layer by its number; none at all outside training.
    fn forward(&self, x: Tensor<2>, dropout: impl Fn(usize) -> Option<Dropout>) -> Tensor<2> {
        let (hidden, last) = split(&self.layers);
        let hidden = hidden.iter().enumerate();
        let h = hidden.fold(x, |h, (i, layer)| layer.leaky(h, SLOPE, dropout(i))); // [n, 256]
        last.forward(h) // [n, 1]
    }

    /// Logits without dropout, and the way back to the gradient by x.
    fn vjp(&self, x: Tensor<2>) -> (Tensor<2>, Pullback<2, 2>) {
        let (hidden, last) = split(&self.layers);
        let (mut h, mut back): (_, Pullback<2, 2>) = (x, Box::new(|gradient| gradient));
        for layer in hidden {
            let (y, through) = layer.leaky_vjp(h, SLOPE);
            (h, back) = (y, chain(through, back));
        }
        let (logits, through) = last.vjp(h);
        (logits, chain(through, back))
    }

    /// R1 (Mescheder et al. 2018, equation 9) on real pictures.
    fn r1(&self, gamma: f64, x: Tensor<2>) -> Tensor<1> {
        Penalty::zero_centred(gamma, self.vjp(x))
    }
}

impl Model for Generator {
    fn takes(&self) -> Vec<Field> {
        vec![Field::new("seed", Kind::Latent { width: LATENT, prior: self.prior })]
    }

    fn makes(&self) -> Vec<Field> {
        vec![Field::picture("picture", 1, Some(SIDE), Range::Unit)]
    }

    fn forward(&self, given: Given) -> Made {
        Made::one("picture", self.forward(given.tensor("seed")))
    }
}

/// The two players in training.
pub struct Mnist {
    config: Config,
    generator: Trained<Generator>,
    discriminator: Trained<Discriminator>,
}

impl Mnist {
    /// D's logits `[2n, 1]` on real pictures `[n, 784]` and on as many fakes in one batch, and its targets, likewise.
    fn judged(&self, x: Tensor<2>, z: Tensor<2>, dropout: impl Fn(usize) -> Option<Dropout>) -> [Tensor<2>; 2] {
        let (n, device) = (x.dims()[0], x.device());
        let fake = self.generator.net().valid().forward(z);
        let logits = self.discriminator.net().forward(Tensor::cat(vec![x, fake], 0), dropout); // [2n, 1]
        let real = Tensor::full([n, 1], self.config.real_label, &device);
        [logits, Tensor::cat(vec![real, Tensor::zeros([n, 1], &device)], 0)]
    }

    /// G's loss, through the D of this moment, dropout and all.
    fn g_loss(&self, z: Tensor<2>, dropout: impl Fn(usize) -> Option<Dropout>) -> Tensor<1> {
        let fooled = self.discriminator.frozen().forward(self.generator.net().forward(z), dropout); // [n, 1]
        Adversarial::from(self.config.generator_loss).generator(fooled, || panic!("this loss sees fakes alone"))
    }
}

impl Recipe for Mnist {
    const INFO: Info = Info {
        name: "mnist",
        title: "GAN on MNIST",
        paper: "Goodfellow et al. 2014, Generative Adversarial Networks",
        sentence: "Two fully connected networks learn to write digits; the tutorial's GAN.",
        dataset: Some("mnist"),
        time: "6 min",
        presets: &[Preset {
            name: "tutorial",
            time: "26 min",
            text: include_str!("../../configs/mnist-tutorial.toml"),
        }],
        small: &[],
    };
    type Config = Config;
    type Model = Generator;
    type Batch = Batch; // [n, 784], f32 in [0, 1]

    fn data(config: &Config, split: Split) -> Result<Box<dyn Source<Batch>>> {
        config.data.open(config.train.drawing(split))
    }

    fn model(config: &Config, device: &Device) -> Generator {
        Generator::new(config.prior, &Draws::new(config.train.seed, 0), device)
    }

    fn game(config: &Config) -> Option<Game> {
        let generator = config.generator_loss.into();
        let real_label = config.real_label;
        Some(Game { generator, real_label, is_halved: true, ..Game::of(Adversarial::NonSaturating) })
    }

    fn new(config: &Config, model: Generator, setup: &Setup<Batch>) -> Result<Self> {
        let discriminator = Discriminator::new(&Draws::new(config.train.seed, 0), &setup.autodiff());
        let adam = AdamConfig { epsilon: config.epsilon, ..AdamConfig::with_beta1(config.beta1) };
        Ok(Mnist {
            generator: Trained::new(model, adam, config.average_kimg),
            discriminator: Trained::new(discriminator, adam, 0.0),
            config: config.clone(),
        })
    }

    fn step(&mut self, real: Batch, cx: &StepCx) -> Scalars {
        let Config { prior, dropout, gamma, r1_every, learning_rate, .. } = self.config;
        let x = cx.tensor::<2>(real.0); // [n, 784]
        let n = x.dims()[0];
        let latent = |player| prior.draw(&cx.draws, &format!("{player}.z"), [n, LATENT], cx.device);
        let dropout = |player| move |layer| Some(cx.draws.dropout(&format!("{player}.dropout.{layer}"), dropout));

        // D, equation 1: max log D(x) + log(1 - D(G(z))), on real and fake in one batch of 2n
        let [logits, targets] = self.judged(x.clone(), latent("d"), dropout("d"));
        let penalised = gamma > 0.0 && cx.step.is_multiple_of(r1_every);
        let penalty = penalised.then(|| self.discriminator.net().r1(gamma * r1_every as f64, x));
        let d_loss = adversarial::binary_cross_entropy(logits.clone(), targets);
        let decided = [logits.clone().narrow(0, 0, n), logits.narrow(0, n, n)];
        let scalars = critic::learn(&mut self.discriminator, d_loss, penalty, decided, learning_rate, cx);

        // G, through the D of this moment, dropout and all
        let g_loss = self.g_loss(latent("g"), dropout("g"));
        let g_gradient = self.generator.descend(g_loss.clone(), learning_rate, cx);
        scalars.with("g_loss", g_loss).with("g_gradient_norm", g_gradient)
    }

    fn judge(&self, batch: Batch, cx: &StepCx) -> Option<Tensor<2>> {
        Some(self.discriminator.net().valid().forward(cx.tensor(batch.0), |_| None))
    }

    fn parts(&mut self, visit: &mut Parts) {
        self.discriminator.parts("discriminator", visit);
        self.generator.model_parts("generator", visit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{assert_close, floats, hashed_linear, sine};
    use crate::recipes::tests::begun;
    use burn::module::{ModuleVisitor, Param};
    use burn::tensor::Gradients;
    use serde_json::Value;

    /// What PyTorch computes, in f64: made by tests/golden/make.py, which also gives the formulas below.
    fn golden() -> Value {
        serde_json::from_str(include_str!("../../tests/golden/mnist.json")).unwrap()
    }

    const N: usize = 8;

    fn real(k: usize) -> Tensor<2> {
        sine([N, PIXELS], [0.013, k as f64], [0.5, 0.5])
    }

    fn z_d(k: usize) -> Tensor<2> {
        sine([N, LATENT], [0.7, 0.3 + k as f64], [1.5, 0.0])
    }

    fn z_g(k: usize) -> Tensor<2> {
        sine([N, LATENT], [0.9, 1.1 + k as f64], [1.5, 0.0])
    }

    /// The masks of D's step (33) or of G's (34).
    fn mask(player: u32) -> impl Fn(usize) -> Option<Dropout> {
        move |layer| Some(Dropout { key: (1 << player) + layer as u64, share: 0.3 })
    }

    fn fixed_layers(widths: &[usize], s: u32, phase: f64) -> Vec<Linear> {
        let pairs = widths.windows(2).enumerate();
        let layer = |(layer, w): (usize, &[usize])| {
            let bound = (6.0 / (w[0] + w[1]) as f64).sqrt();
            hashed_linear([w[0], w[1]], layer as u32 * 40503 + s * 97, bound, layer as f64 + phase)
        };
        pairs.map(layer).collect()
    }

    fn fixed() -> Mnist {
        let config = Config { average_kimg: 0.0, ..Config::default() };
        let adam = AdamConfig::with_beta1(config.beta1);
        let generator = Generator { layers: fixed_layers(&GENERATOR, 2, 0.0), prior: Prior::Normal };
        let discriminator = Discriminator { layers: fixed_layers(&DISCRIMINATOR, 3, 0.5) };
        Mnist {
            config,
            generator: Trained::new(generator, adam, 0.0),
            discriminator: Trained::new(discriminator, adam, 0.0),
        }
    }

    fn close(what: &str, found: f64, wanted: f64, scale: f64) {
        assert_close(what, found, wanted, scale, 1e-5);
    }

    /// Compares a tensor with the norm, the three dot products and the first values that PyTorch found.
    fn same(what: &str, values: &[f64], wanted: &Value) {
        let number = |value: &Value| value.as_f64().unwrap();
        let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
        let wanted_norm = number(&wanted["norm"]);
        if wanted_norm == 0.0 {
            return assert!(values.iter().all(|value| *value == 0.0), "{what}: not 0");
        }
        close(&format!("{what}: norm"), norm(values), wanted_norm, wanted_norm);
        for (k, product) in wanted["probes"].as_array().unwrap().iter().enumerate() {
            let probe = (0..values.len()).map(|i| ((k + 1) as f64 * 0.618 * i as f64 + k as f64).sin());
            let probe = probe.collect::<Vec<_>>();
            let found = values.iter().zip(&probe).map(|(v, p)| v * p).sum::<f64>();
            close(&format!("{what}: probe {k}"), found, number(product), wanted_norm * norm(&probe).max(1e-300));
        }
        // A single value is held to the tensor's root mean square; the sums above are too blunt for one wrong entry.
        let rms = wanted_norm / (values.len() as f64).sqrt();
        for (found, first) in values.iter().zip(wanted["first"].as_array().unwrap()) {
            close(&format!("{what}: a first value"), *found, number(first), rms);
        }
    }

    /// Every parameter's values, or its gradient's, by path.
    type Named = Vec<(String, Vec<f64>)>;

    /// Collects a module's [`Named`].
    struct Each<'a> {
        path: Vec<String>,
        gradients: Option<&'a Gradients>,
        found: Named,
    }

    impl ModuleVisitor for Each<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let tensor = match self.gradients {
                Some(gradients) => param.val().grad(gradients).unwrap_or_else(|| param.val().zeros_like()),
                None => param.val(),
            };
            self.found.push((self.path.join("."), floats(tensor)));
        }
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.path.push(name.to_owned());
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }
    }

    fn each<M: Module>(module: &M, gradients: Option<&Gradients>) -> Named {
        let mut each = Each { path: Vec::new(), gradients, found: Vec::new() };
        module.visit(&mut each);
        each.found
    }

    fn same_parameters(what: &str, found: &[(String, Vec<f64>)], wanted: &Value) {
        assert_eq!(found.len(), wanted.as_object().unwrap().len());
        for (name, values) in found {
            same(&format!("{what} {name}"), values, &wanted[name]);
        }
    }

    #[test]
    fn the_networks_have_the_tutorials_numbers_of_parameters() {
        let (mut mnist, golden) = (begun::<Mnist>(&Config::default()), golden());
        let mut count = Parts::count();
        mnist.parts(&mut count);
        let wanted = |name: &str| golden[name].as_u64().unwrap() as usize;
        assert_eq!((wanted("discriminator_parameters"), wanted("generator_parameters")), (1_460_225, 1_486_352));
        let wanted = [("discriminator", 1_460_225), ("generator", 1_486_352)];
        assert_eq!(count.counted(), wanted.map(|(part, count)| (part.to_owned(), count)));
    }

    #[test]
    fn the_forward_passes_are_pytorchs() {
        let (mnist, golden) = (fixed(), golden());
        let fake = mnist.generator.net().forward(z_d(0));
        let on_real = mnist.discriminator.net().forward(real(0), |_| None);
        let both = Tensor::cat(vec![real(0), fake.clone().without_autodiff()], 0);
        let dropped = mnist.discriminator.net().forward(both, mask(33));
        same("G(z)", &floats(fake), &golden["forward"]["generator"]);
        same("D(x)", &floats(on_real), &golden["forward"]["discriminator_real"]);
        same("D with dropout", &floats(dropped), &golden["forward"]["discriminator_dropout"]);
    }

    /// D's loss as in [`Recipe::step`], on the formulas' batch.
    fn d_loss(mnist: &Mnist, k: usize) -> Tensor<1> {
        let [logits, targets] = mnist.judged(real(k), z_d(k), mask(33));
        adversarial::binary_cross_entropy(logits, targets)
    }

    fn fooled(mnist: &Mnist) -> Tensor<2> {
        mnist.discriminator.frozen().forward(mnist.generator.net().forward(z_g(0)), mask(34))
    }

    #[test]
    fn both_losses_and_every_gradient_are_pytorchs() {
        let (mnist, golden) = (fixed(), golden());
        let d = mnist.discriminator.net();
        let g = mnist.generator.net();
        let checked = |what: &str, loss: Tensor<1>, found: &dyn Fn(&Gradients) -> Named, at: &str| {
            let gradients = loss.backward();
            let wanted = golden[what].as_f64().unwrap();
            close(what, loss.into_scalar::<f64>(), wanted, wanted.abs());
            same_parameters(what, &found(&gradients), &golden[at]);
        };
        let of_d = |gradients: &Gradients| each(d, Some(gradients));
        let of_g = |gradients: &Gradients| each(g, Some(gradients));
        checked("d_loss", d_loss(&mnist, 0), &of_d, "d_gradients");
        checked("r1", d.r1(3.0, real(0)), &of_d, "r1_gradients");
        let loss = adversarial::non_saturating(fooled(&mnist));
        checked("g_loss_non_saturating", loss, &of_g, "g_gradients_non_saturating");
        checked("g_loss_minimax", adversarial::minimax(fooled(&mnist)), &of_g, "g_gradients_minimax");
    }

    #[test]
    fn the_weights_after_three_steps_are_pytorchs() {
        let (mut mnist, golden) = (fixed(), golden());
        let wanted = &golden["after_three_steps"];
        let before = (each(mnist.generator.net(), None), each(mnist.discriminator.net(), None));
        for k in 0..3 {
            let loss = d_loss(&mnist, k);
            mnist.discriminator.descend_by(loss.clone(), 2e-4, 0.0);
            let g_loss = mnist.g_loss(z_g(k), mask(34));
            mnist.generator.descend_by(g_loss.clone(), 2e-4, 0.0);
            for (loss, name) in [(loss, "d_losses"), (g_loss, "g_losses")] {
                let wanted = wanted[name][k].as_f64().unwrap();
                close(name, loss.into_scalar::<f64>(), wanted, wanted.abs());
            }
        }
        let after = (each(mnist.generator.net(), None), each(mnist.discriminator.net(), None));
        let change = |after: &[(String, Vec<f64>)], before: &[(String, Vec<f64>)]| {
            let pairs = after.iter().zip(before);
            let subtract = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a - b).collect();
            pairs.map(|((name, a), (_, b))| (name.clone(), subtract(a, b))).collect::<Named>()
        };
        same_parameters("G after three steps", &after.0, &wanted["generator"]);
        same_parameters("D after three steps", &after.1, &wanted["discriminator"]);
        // Three steps move a weight by a hundredth, so an error of Adam's could hide in the weights' norms and shows in
        // those of the change. Its single values are below what f32 resolves in a weight.
        let sums = |key: &str| {
            let mut wanted = wanted[key].clone();
            wanted.as_object_mut().unwrap().values_mut().for_each(|tensor| tensor["first"] = Value::Array(vec![]));
            wanted
        };
        same_parameters("G's change", &change(&after.0, &before.0), &sums("generator_change"));
        same_parameters("D's change", &change(&after.1, &before.1), &sums("discriminator_change"));
    }
}
