//! A recipe outside of Ganvas: its configuration, data, networks and training step, which then have run directories, resuming, the
//! doctor and samples like any other.
//!
//!     cargo run --release --example own_recipe [-- --runs DIR --steps 2000]
//!
//! A Wasserstein GAN (Arjovsky et al. 2017; the penalty of Gulrajani et al. 2017) learns a circle.

use std::ops::ControlFlow;
use std::path::Path;

use burn::tensor::TensorData;
use ganvas::data::gaussians::Points;
use ganvas::data::source::Drawing;
use ganvas::loss::penalty::{Penalty, between};
use ganvas::media::Media;
use ganvas::nn::{Linear, Pullback, chain};
use ganvas::prelude::*;
use ganvas::{Entry, Request, Resolved, RunDir, sample, train};

const SLOPE: f64 = 0.2;

/// The file's keys: docs become comments, `Default` holds the values.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Units of the hidden layers.
    #[schemars(range(min = 1, max = 4096))]
    pub width: usize,
    /// The radius of the circle.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub radius: f64,
    /// The run. An "image" is one point here.
    pub train: Train,
}

impl Default for Config {
    fn default() -> Self {
        Config { width: 64, radius: 1.0, train: Train { kimg: 128.0, ..Train::every([5.0, 50.0, 50.0]) } }
    }
}

impl Settings for Config {
    fn train(&self) -> &Train {
        &self.train
    }
}

/// Points of the circle. A batch is a function of its step, so a resumed run has nothing to restore.
struct Circle {
    radius: f64,
    drawing: Drawing,
}

impl Source<Points> for Circle {
    fn items(&self) -> usize {
        usize::MAX
    }

    fn batch(&self, step: u64) -> Result<Points> {
        let Drawing { seed, batch, split } = self.drawing;
        let device = Device::flex();
        let turns =
            Draws::new(seed, step).uniform(&format!("{split:?}"), [batch], (0.0, std::f32::consts::TAU), &device);
        let point = |angle: f32| [angle.cos(), angle.sin()].map(|at| self.radius as f32 * at);
        let points = turns.into_data().iter::<f32>().flat_map(point).collect::<Vec<f32>>();
        Ok(Points(TensorData::new(points, [batch, 2])))
    }
}

/// x `[n, inputs]` to `[n, outputs]`: two hidden layers with leaky ReLU.
#[derive(Module, Debug)]
pub struct Mlp {
    layers: [Linear; 3],
}

impl Mlp {
    fn new([inputs, width, outputs]: [usize; 3], draws: &Draws, name: &str, device: &Device) -> Self {
        let layer = |i, from, to| Linear::glorot(draws, &format!("{name}.{i}"), from, to, device);
        Mlp { layers: [layer(0, inputs, width), layer(1, width, width), layer(2, width, outputs)] }
    }

    /// The result, and the way back to the gradient by x, for the penalty.
    fn vjp(&self, x: Tensor<2>) -> (Tensor<2>, Pullback<2, 2>) {
        let [first, second, last] = &self.layers;
        let (h, from_first) = first.leaky_vjp(x, SLOPE);
        let (h, from_second) = second.leaky_vjp(h, SLOPE);
        let (y, from_last) = last.vjp(h);
        (y, chain(from_last, chain(from_second, from_first)))
    }
}

impl Model for Mlp {
    fn takes(&self) -> Vec<Field> {
        vec![Field::new("seed", Kind::Latent { width: self.layers[0].weight.dims()[0], prior: Prior::Normal })]
    }

    fn makes(&self) -> Vec<Field> {
        vec![Field::new("point", Kind::Point)]
    }

    fn forward(&self, given: Given) -> Made {
        Made::one("point", self.vjp(given.tensor("seed")).0)
    }
}

/// The two players in training.
struct CircleGan {
    generator: Trained<Mlp>,
    critic: Trained<Mlp>,
}

impl Recipe for CircleGan {
    const INFO: Info = Info {
        name: "circle",
        title: "A circle",
        paper: "Gulrajani et al. 2017, Improved Training of Wasserstein GANs",
        sentence: "A toy GAN in the plane that learns a circle.",
        dataset: None,
        time: "10 s",
        presets: &[],
        small: &[],
    };
    type Config = Config;
    type Model = Mlp;
    type Batch = Points;

    fn data(config: &Config, split: Split) -> Result<Box<dyn Source<Points>>> {
        Ok(Box::new(Circle { radius: config.radius, drawing: config.train.drawing(split) }))
    }

    fn model(config: &Config, device: &Device) -> Mlp {
        Mlp::new([2, config.width, 2], &Draws::new(config.train.seed, 0), "generator", device)
    }

    fn new(config: &Config, model: Mlp, setup: &Setup<Points>) -> Result<Self> {
        let draws = Draws::new(config.train.seed, 0);
        let critic = Mlp::new([2, config.width, 1], &draws, "critic", &setup.autodiff());
        let adam = AdamConfig { beta2: 0.9, ..AdamConfig::with_beta1(0.0) };
        Ok(CircleGan { generator: Trained::new(model, adam, 5.0), critic: Trained::new(critic, adam, 0.0) })
    }

    fn step(&mut self, real: Points, cx: &StepCx) -> Scalars {
        const RATE: f64 = 1e-3;
        let x = cx.tensor::<2>(real.0); // [n, 2]
        let n = x.dims()[0];
        let z = |player| cx.draws.normal(player, [n, 2], cx.device);

        let fake = self.generator.net().valid().vjp(z("critic.z")).0;
        let critic = self.critic.net();
        let (on_real, on_fake) = (critic.vjp(x.clone()), critic.vjp(fake.clone()));
        let logits = [on_real.0.clone(), on_fake.0.clone()];
        let share = cx.draws.uniform("between", [n], (0.0, 1.0), cx.device);
        let penalty = Penalty::WganGp.of(0.1, on_real, on_fake, || critic.vjp(between(x, fake, share)));
        let scalars = Adversarial::Wasserstein.learn(&mut self.critic, logits, penalty, RATE, cx);

        let fooled = self.critic.frozen().vjp(self.generator.net().vjp(z("g.z")).0).0;
        let g_loss = Adversarial::Wasserstein.generator(fooled, || panic!("this loss sees fakes alone"));
        let g_gradient = self.generator.descend(g_loss.clone(), RATE, cx);
        scalars.with("g_loss", g_loss).with("g_gradient_norm", g_gradient)
    }

    fn parts(&mut self, visit: &mut Parts) {
        self.critic.parts("critic", visit);
        self.generator.model_parts("generator", visit);
    }
}

fn main() -> Result<()> {
    let arguments = std::env::args().collect::<Vec<_>>();
    let given = |name: &str, default: &str| {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1)).map_or(default, String::as_str).to_owned()
    };
    let sets = [format!("train.steps={}", given("--steps", "2000"))];
    let config = Resolved::new(Entry::of::<CircleGan>(), None, &sets)?;
    let device = Device::flex();
    let session = config.open(&device)?;
    let run = RunDir::create(Path::new(&given("--runs", "runs")), "circle", &config)?;
    train(&run, &run.lock()?, &config, session, None, &device, &mut |_| ControlFlow::Continue(()))?;

    let model = sample::model(&config, &sample::checkpoint(&run, None)?, &device)?;
    let samples = sample::generate(model.as_ref(), &Request::seeds(0..1000))?;
    let radii = samples.iter().filter_map(|sample| match sample {
        Media::Point([x, y]) => Some(f64::from(*x).hypot(f64::from(*y))),
        _ => None,
    });
    let radii = radii.collect::<Vec<f64>>();
    let mean = radii.iter().sum::<f64>() / radii.len() as f64;
    println!("{}: {} samples, whose mean distance from the centre is {mean:.2}", run.path().display(), radii.len());
    Ok(())
}
