//! The first GAN: Goodfellow et al. 2014, "Generative Adversarial Networks", on MNIST, by its published code.
//!
//! What the paper leaves open is as in the file mnist.yaml of github.com/goodfeli/adversarial and in its pylearn2. Two
//! things there are not the paper's algorithm 1: both players move at once, G against the same D, fakes and dropout that
//! D learns from; and G has the non-saturating loss of the paper's section 3.
//!
//! The code has no end: it saves after every epoch, a pass over the 50,000 training pictures, until it is stopped, and
//! the paper does not say when. We stop after 250 epochs, when momentum has arrived at its last value. The paper tells
//! 225 ± 2 nats for this model, by Parzen windows (`eval::parzen`).

use burn::module::Param;
use burn::tensor::TensorData;
use burn::tensor::activation::sigmoid;
use ganvas_kernels::dropout;

use crate::data::mnist::{Batch, Pictures};
use crate::device;
use crate::nn::{Init, Linear, Maxout};
use crate::optim::Momentum;
use crate::prelude::*;
use crate::random::Dropout;

const LATENT: usize = 100;
const SIDE: usize = 28;
const PIXELS: usize = SIDE * SIDE;
const G_UNITS: usize = 1200;
const D_UNITS: usize = 240;
const D_PIECES: usize = 5;
const G_INIT: Init = Init::Uniform { bound: 0.05 };
const D_INIT: Init = Init::Uniform { bound: 0.005 };
/// How far a pixel's mean is kept from 0 and 1 before its logit is taken.
const MARGIN: f64 = 1e-7;
/// Images in an epoch of the published code, and the epoch in which momentum arrives.
const EPOCH: u64 = 50_000;
const LAST_EPOCH: u64 = 250;

/// The configuration of `goodfellow`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Share of the pixels dropped before D.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub dropout_pixels: f64,
    /// Share of D's units dropped after each hidden layer.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub dropout: f64,
    /// The learning rate of the first step, for both players.
    pub learning_rate: f64,
    /// What the learning rate is divided by after each step.
    #[schemars(range(min = 1.0))]
    pub learning_rate_decay: f64,
    /// Where the learning rate stops falling.
    pub learning_rate_floor: f64,
    /// Momentum in the first epoch of 50,000 images and from the 250th on; between them it goes along a line.
    #[schemars(extend("minimum" = 0.0, "exclusiveMaximum" = 1.0))]
    pub momentum: [f64; 2],
    /// Half-life of the moving average of G's weights that samples come from, in thousands of images; 0 for none.
    pub average_kimg: f64,
    /// The pictures.
    pub data: Pictures,
    /// The run.
    pub train: Train,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            dropout_pixels: 0.2,
            dropout: 0.5,
            learning_rate: 0.1,
            learning_rate_decay: 1.000004,
            learning_rate_floor: 1e-6,
            momentum: [0.5, 0.7],
            average_kimg: 0.0,
            data: Pictures { validation_images: 10_000, ..Pictures::default() },
            train: Train {
                kimg: 12_500.0, // 250 epochs; the published code has no end
                batch: 100,
                ..Train::every([50.0, 250.0, 500.0]) // an epoch
            },
        }
    }
}

impl Settings for Config {
    fn train(&self) -> &Train {
        &self.train
    }
}

impl Config {
    /// The learning rate and the momentum of a step.
    fn schedule(&self, step: u64, images: u64) -> [f64; 2] {
        let rate = self.learning_rate / self.learning_rate_decay.powf(step as f64);
        let share = ((images / EPOCH) as f64 / (LAST_EPOCH - 1) as f64).min(1.0);
        let [from, to] = self.momentum;
        [rate.max(self.learning_rate_floor), from * (1.0 - share) + to * share]
    }
}

/// z `[n, 100]` to pictures `[n, 784]` in (0, 1): 100-1200-1200-784, ReLU, sigmoid. The entries of z are U(-1, 1), in
/// use times √3, which makes their variance 1.
#[derive(Module, Debug)]
pub struct Generator {
    layers: [Linear; 3],
}

/// Pictures `[n, 784]` to logits `[n, 1]`: 784-240-240-1, maxout of 5 pieces, dropout before each layer.
#[derive(Module, Debug)]
struct Discriminator {
    hidden: [Maxout; 2],
    last: Linear,
}

impl Generator {
    fn new(draws: &Draws, device: &Device) -> Self {
        let layer = |i, widths| Linear::new(widths, G_INIT, 0.0, draws, &format!("generator.layers.{i}"), device);
        Generator { layers: [layer(0, [LATENT, G_UNITS]), layer(1, [G_UNITS, G_UNITS]), layer(2, [G_UNITS, PIXELS])] }
    }

    fn forward(&self, z: Tensor<2>) -> Tensor<2> {
        let [first, second, last] = &self.layers;
        let h = first.leaky(z * 3.0_f64.sqrt(), 0.0, None); // [n, 1200]
        sigmoid(last.forward(second.leaky(h, 0.0, None))) // [n, 784]
    }

    /// The same, but that zeros in front of the sigmoid are the pixels' `means` `[784]`.
    fn with_means(mut self, means: Vec<f64>) -> Self {
        let logit = |mean: f64| {
            let mean = mean.clamp(MARGIN, 1.0 - MARGIN);
            (mean / (1.0 - mean)).ln() as f32
        };
        let bias = TensorData::new(means.into_iter().map(logit).collect::<Vec<f32>>(), [PIXELS]);
        let last = &mut self.layers[2];
        last.bias = Param::from_tensor(device::tensor(bias, &last.bias.val().device()));
        self
    }
}

impl Discriminator {
    fn new(draws: &Draws, device: &Device) -> Self {
        let name = |layer| format!("discriminator.{layer}");
        let maxout =
            |i, inputs| Maxout::new([inputs, D_UNITS], D_PIECES, D_INIT, draws, &name(format!("hidden.{i}")), device);
        let last = Linear::new([D_UNITS, 1], D_INIT, 0.0, draws, &name("last".into()), device);
        Discriminator { hidden: [maxout(0, PIXELS), maxout(1, D_UNITS)], last }
    }

    /// `drop` gives the randomness of the dropout before a layer by its number.
    fn forward(&self, x: Tensor<2>, drop: impl Fn(usize) -> Dropout) -> Tensor<2> {
        let [first, second] = &self.hidden;
        let h = first.forward(dropout(x, drop(0))); // [n, 240]
        let h = second.forward(dropout(h, drop(1))); // [n, 240]
        self.last.forward(dropout(h, drop(2))) // [n, 1]
    }
}

impl Model for Generator {
    fn takes(&self) -> Vec<Field> {
        vec![Field::new("seed", Kind::Latent { width: LATENT, prior: Prior::Uniform })]
    }

    fn makes(&self) -> Vec<Field> {
        vec![Field::picture("picture", 1, Some(SIDE), Range::Unit)]
    }

    fn forward(&self, given: Given) -> Made {
        Made::one("picture", self.forward(given.tensor("seed")))
    }
}

/// The two players in training.
pub struct Goodfellow {
    config: Config,
    generator: Trained<Generator, Momentum>,
    discriminator: Trained<Discriminator, Momentum>,
}

impl Recipe for Goodfellow {
    const INFO: Info = Info {
        name: "goodfellow",
        title: "The first GAN",
        paper: "Goodfellow et al. 2014, Generative Adversarial Networks",
        sentence: "The first GAN as its authors trained it to write digits: maxout, dropout, momentum.",
        dataset: Some("mnist"),
        time: "45 min",
        presets: &[],
        small: &["train.batch=10"],
    };
    type Config = Config;
    type Model = Generator;
    type Batch = Batch; // [n, 784], f32 in [0, 1]

    fn data(config: &Config, split: Split) -> Result<Box<dyn Source<Batch>>> {
        config.data.open(config.train.drawing(split))
    }

    fn model(config: &Config, device: &Device) -> Generator {
        Generator::new(&Draws::new(config.train.seed, 0), device)
    }

    fn game(_config: &Config) -> Option<Game> {
        Some(Game { is_halved: true, ..Game::of(Adversarial::NonSaturating) })
    }

    fn new(config: &Config, model: Generator, setup: &Setup<Batch>) -> Result<Self> {
        let discriminator = Discriminator::new(&Draws::new(config.train.seed, 0), &setup.autodiff());
        let momentum = Momentum { share: config.momentum[0] };
        let model = model.with_means(means(setup.data)?);
        Ok(Goodfellow {
            generator: Trained::new(model, momentum, config.average_kimg),
            discriminator: Trained::new(discriminator, momentum, 0.0),
            config: config.clone(),
        })
    }

    fn step(&mut self, real: Batch, cx: &StepCx) -> Scalars {
        let Config { dropout_pixels, dropout, .. } = self.config;
        let [rate, momentum] = self.config.schedule(cx.step, cx.images);
        self.generator.rule().share = momentum;
        self.discriminator.rule().share = momentum;
        let x = cx.tensor::<2>(real.0); // [n, 784]
        let n = x.dims()[0];
        let drop = |layer| {
            let share = if layer == 0 { dropout_pixels } else { dropout };
            cx.draws.dropout(&format!("dropout.{layer}"), share)
        };

        // G: min -log D(G(z)), through the D of this moment, dropout and all
        let fake = self.generator.net().forward(Prior::Uniform.draw(&cx.draws, "z", [n, LATENT], cx.device));
        let seen = fake.clone().without_autodiff();
        let g_loss = adversarial::non_saturating(self.discriminator.frozen().forward(fake, drop));
        let g_gradient = self.generator.descend(g_loss.clone(), rate, cx);

        // D: max log D(x) + log(1 - D(G(z))), on the same fakes with the same dropout: they come first, because a mask
        // goes by an element's place
        let logits = self.discriminator.net().forward(Tensor::cat(vec![seen, x], 0), drop); // [2n, 1]
        let targets = Tensor::cat(vec![Tensor::zeros([n, 1], cx.device), Tensor::ones([n, 1], cx.device)], 0);
        let d_loss = adversarial::binary_cross_entropy(logits.clone(), targets);
        let decided = [logits.clone().narrow(0, n, n), logits.narrow(0, 0, n)];
        let scalars = critic::learn(&mut self.discriminator, d_loss, None, decided, rate, cx);
        scalars.with("g_loss", g_loss).with("g_gradient_norm", g_gradient)
    }

    fn judge(&self, batch: Batch, cx: &StepCx) -> Option<Tensor<2>> {
        Some(self.discriminator.net().valid().forward(cx.tensor(batch.0), |_| Dropout { key: 0, share: 0.0 }))
    }

    fn parts(&mut self, visit: &mut Parts) {
        self.generator.model_parts("generator", visit);
        self.discriminator.parts("discriminator", visit);
    }
}

/// Each pixel's mean `[784]` over all pictures: as many as there are, for the first ones drawn are each of them once.
fn means(data: &dyn Source<Batch>) -> Result<Vec<f64>> {
    let items = data.items();
    let (mut sums, mut left, mut step) = (vec![0.0; PIXELS], items, 0);
    while left > 0 {
        let pixels = data.batch(step)?.0.iter::<f32>().collect::<Vec<f32>>();
        for picture in pixels.chunks(PIXELS).take(left) {
            sums.iter_mut().zip(picture).for_each(|(sum, &pixel)| *sum += f64::from(pixel));
        }
        left = left.saturating_sub(pixels.len() / PIXELS);
        step += 1;
    }
    Ok(sums.into_iter().map(|sum| sum / items as f64).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{assert_close, floats, hashed_linear, sine};
    use crate::parts::Tensors;
    use serde_json::Value;
    use std::collections::BTreeMap;

    const N: usize = 4;

    /// By the formulas of tests/golden/goodfellow.py.
    fn layer(shape: [usize; 2], salt: u32) -> Linear {
        hashed_linear(shape, salt * 97, 0.05, salt as f64)
    }

    fn fixed() -> Goodfellow {
        let layers = [layer([100, 1200], 0), layer([1200, 1200], 1), layer([1200, 784], 2)];
        let hidden = [layer([784, 1200], 3), layer([240, 1200], 4)].map(|pieces| Maxout::of(pieces, 5));
        let discriminator = Discriminator { hidden, last: layer([240, 1], 5) };
        let momentum = Momentum { share: 0.0 }; // every step sets its own
        Goodfellow {
            config: Config::default(),
            generator: Trained::new(Generator { layers }, momentum, 0.0),
            discriminator: Trained::new(discriminator, momentum, 0.0),
        }
    }

    fn close(what: &str, found: f64, wanted: f64, scale: f64) {
        assert_close(what, found, wanted, scale, 2e-5);
    }

    fn begun_of(data: &dyn Source<Batch>) -> Goodfellow {
        let (config, device) = (Config::default(), Device::flex());
        let model = Goodfellow::model(&config, &device.clone().autodiff());
        Goodfellow::new(&config, model, &Setup { device: &device, data }).unwrap()
    }

    fn parts(goodfellow: &mut Goodfellow) -> BTreeMap<String, Tensors> {
        Parts::copies(|visit| goodfellow.parts(visit))
    }

    /// Compares each velocity's norm, its product with a wave and its first value with PyTorch's.
    fn same_velocities(goodfellow: &mut Goodfellow, wanted: &Value) {
        let parts = parts(goodfellow);
        for (player, layers) in wanted.as_object().unwrap() {
            let found = &parts[&format!("{player}.momentum.velocity")];
            assert_eq!(found.len(), layers.as_object().unwrap().len() + 1, "velocities and the count of updates");
            for (name, wanted) in layers.as_object().unwrap() {
                let values = found[name].iter::<f64>().collect::<Vec<f64>>();
                let [norm, product, first] = [0, 1, 2].map(|i| wanted[i].as_f64().unwrap());
                let length = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
                let wave = (0..values.len()).map(|i| (0.618 * i as f64 + 1.0).sin()).collect::<Vec<f64>>();
                let along = values.iter().zip(&wave).map(|(v, w)| v * w).sum::<f64>();
                close(&format!("{player} {name}: norm"), length(&values), norm, norm);
                close(&format!("{player} {name}: product"), along, product, norm * length(&wave));
                close(&format!("{player} {name}: first"), values[0], first, norm / (values.len() as f64).sqrt());
            }
        }
    }

    #[test]
    fn three_steps_are_pytorchs_with_their_draws_losses_gradients_rates_and_momenta() {
        // Made by tests/golden/goodfellow.py, in f64.
        let golden = serde_json::from_str::<Value>(include_str!("../../tests/golden/goodfellow.json")).unwrap();
        let (mut goodfellow, device) = (fixed(), Device::flex());
        for (k, (step, images)) in [(0, 0), (60_000, 6_000_000), (125_000, 12_500_000)].into_iter().enumerate() {
            let real = sine([N, PIXELS], [0.013, k as f64], [0.5, 0.5]).into_data();
            let cx = StepCx { step, images, batch: N, draws: Draws::new(7, step), device: &device };
            let scalars = goodfellow.step(Batch(real), &cx).read();
            let wanted = golden["steps"][k].as_object().unwrap();
            for (name, wanted) in wanted {
                let (_, found) = scalars.iter().find(|(found, _)| found == name).unwrap();
                let wanted = wanted.as_f64().unwrap();
                close(&format!("{name} of step {k}"), *found, wanted, wanted.abs());
            }
            if k != 1 {
                same_velocities(&mut goodfellow, &golden["velocities"][k / 2]);
            }
        }
    }

    #[test]
    fn the_networks_have_the_papers_numbers_of_parameters() {
        let mut count = Parts::count();
        begun_of(&Five).parts(&mut count);
        // 100·1200 + 1200·1200 + 1200·784 + 1200 + 1200 + 784, and 784·1200 + 240·1200 + 240 + 1200 + 1200 + 1.
        let wanted = [("generator", 2_503_984), ("discriminator", 1_231_441)];
        assert_eq!(count.counted(), wanted.map(|(part, count)| (part.to_owned(), count)));
    }

    /// Five pictures in batches of three: the sixth drawn is the first again.
    struct Five;

    impl Source<Batch> for Five {
        fn items(&self) -> usize {
            5
        }
        fn batch(&self, step: u64) -> Result<Batch> {
            let third = [1.0, 0.25, 0.0, 0.0, 0.0];
            let pictures = (3 * step..3 * step + 3).flat_map(|i| {
                let mut picture = vec![0.5; PIXELS];
                (picture[0], picture[1], picture[2]) = (0.0, 1.0, third[i as usize % 5]);
                picture
            });
            Ok(Batch(TensorData::new(pictures.collect::<Vec<f32>>(), [3, PIXELS])))
        }
    }

    #[test]
    fn the_output_bias_begins_at_the_logits_of_the_pixels_means_over_each_picture_once() {
        let begun = begun_of(&Five);
        let bias = begun.generator.net().layers[2].bias.val();
        assert!(bias.is_require_grad());
        let bias = floats(bias);
        let edge = (1e-7_f64 / (1.0 - 1e-7)).ln();
        for (found, wanted) in bias.iter().zip([edge, -edge, (1.0_f64 / 3.0).ln(), 0.0]) {
            assert!((found - wanted).abs() < 1e-5, "{bias:?}");
        }
    }

    #[test]
    fn the_learning_rate_falls_to_its_floor_and_momentum_arrives_in_epoch_250() {
        let config = Config::default();
        let near = |found: [f64; 2], wanted: [f64; 2]| found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-9);
        assert!(near(config.schedule(0, 0), [0.1, 0.5]));
        assert!(near(config.schedule(499, 49_900), [0.1 / 1.000004_f64.powi(499), 0.5]));
        assert!(near(config.schedule(500, 50_000), [0.1 / 1.000004_f64.powi(500), 0.5 + 0.2 / 249.0]));
        assert!(near(config.schedule(124_500, 12_450_000), [0.1 / 1.000004_f64.powi(124_500), 0.7]));
        assert!(near(config.schedule(u64::MAX, u64::MAX), [1e-6, 0.7]));
    }

    #[test]
    #[ignore = "needs npm"]
    fn the_first_fifty_thousand_digits_are_learned_from_and_the_others_held_out() {
        let items = |split| Goodfellow::data(&Config::default(), split).unwrap().items();
        assert_eq!([Split::Train, Split::Validation].map(items), [50_000, 10_000]);
    }
}
