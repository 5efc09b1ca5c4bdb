//! Penalties on the gradient of D by its input, and on that of G by its styles, exact to their own derivatives.
//!
//! A gradient by an input comes from a way back ([`Pullback`]), which is made of operations that can be differentiated.

use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::nn::Pullback;
use crate::parts::Parts;

/// Stands under every root here, so that a gradient of 0 has a length with a derivative, which is then 0.
const EPSILON: f64 = 1e-12;
/// How far [`PathLength`] moves its mean each time: the decay of Karras et al. 2020, appendix B.
const DECAY: f64 = 0.01;

/// Which penalty on its gradient by its input D's loss has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Penalty {
    /// No penalty.
    #[default]
    None,
    /// Gradients on real pictures towards 0 (Mescheder et al. 2018, "Which Training Methods for GANs do actually
    /// Converge?", equation 9).
    R1,
    /// The same on real and on fake pictures (Huang et al. 2024, "The GAN is dead; long live the GAN!", section 2).
    #[serde(rename = "r1r2")]
    R1R2,
    /// Gradients of length 1 on points between real and fake ones (Gulrajani et al. 2017, "Improved Training of
    /// Wasserstein GANs", equation 3).
    WganGp,
}

impl Penalty {
    /// The penalty `[1]` on D from its logits `[n, 1]` and ways back on real and on fake inputs; none for
    /// [`Penalty::None`].
    ///
    /// `weight` is gamma of R1 and R2, lambda of WGAN-GP. `between` is called for WGAN-GP alone, and gives logits and way
    /// back at [`between`] of real and fake.
    pub fn of<const D: usize>(
        self,
        weight: f64,
        real: (Tensor<2>, Pullback<2, D>),
        fake: (Tensor<2>, Pullback<2, D>),
        between: impl FnOnce() -> (Tensor<2>, Pullback<2, D>),
    ) -> Option<Tensor<1>> {
        match self {
            Penalty::None => None,
            Penalty::R1 => Some(Penalty::zero_centred(weight, real)),
            Penalty::R1R2 => Some(Penalty::zero_centred(weight, real) + Penalty::zero_centred(weight, fake)),
            Penalty::WganGp => Some(one_centred(weight, between())),
        }
    }

    /// R1 at one step in so many, as many times as strong (Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN",
    /// section 3.1); none at the others, or where gamma is 0.
    pub fn lazy_r1<const D: usize>(
        (gamma, every): (f64, u64),
        step: u64,
        on: (Tensor<2>, Pullback<2, D>),
    ) -> Option<Tensor<1>> {
        let is_due = gamma > 0.0 && step.is_multiple_of(every);
        is_due.then(|| Penalty::zero_centred(gamma * every as f64, on))
    }

    /// R1 or R2 alone, gamma/2 E|∇D|², from logits `[n, 1]` and the way back from them. Returns `[1]`.
    pub fn zero_centred<const D: usize>(gamma: f64, on: (Tensor<2>, Pullback<2, D>)) -> Tensor<1> {
        squared_lengths(on).mean() * (gamma / 2.0)
    }
}

/// WGAN-GP's lambda E(|∇D| - 1)², with 1e-12 under the root.
fn one_centred<const D: usize>(lambda: f64, on: (Tensor<2>, Pullback<2, D>)) -> Tensor<1> {
    ((squared_lengths(on) + EPSILON).sqrt() - 1.0).square().mean() * lambda
}

/// |∇D|² of every sample, `[n]`. The gradient is that of the sum of the logits: a sample's own, where samples do not mix.
fn squared_lengths<const D: usize>((logits, back): (Tensor<2>, Pullback<2, D>)) -> Tensor<1> {
    let gradient = back(logits.without_autodiff().ones_like());
    let n = gradient.dims()[0];
    gradient.reshape([n as i32, -1]).square().sum_dim(1).reshape([n])
}

/// The points a share `t` `[n]` of the way from each real sample to its fake one; the first axis is the samples. Panics
/// with both shapes when they differ.
pub fn between<const D: usize>(real: Tensor<D>, fake: Tensor<D>, t: Tensor<1>) -> Tensor<D> {
    let (one, other) = (real.dims(), fake.dims());
    assert_eq!(one, other, "real samples are {one:?}, fake ones {other:?}");
    let mut shape = [1; D];
    shape[0] = one[0];
    real.clone() + (fake - real) * t.reshape(shape)
}

/// StyleGAN2's path length regularisation (Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN",
/// equation 4): a step in w should move the picture equally far everywhere. What is equal is a moving average.
#[derive(Debug)]
pub struct PathLength {
    mean: Tensor<1>,
}

impl PathLength {
    /// With an average that begins at 0, on `device` without its autodiff.
    pub fn new(device: &Device) -> Self {
        PathLength { mean: Tensor::zeros([1], &device.clone().without_autodiff()) }
    }

    /// E(length - mean)² `[1]`, without a weight, from the gradient of G's noisy picture by every layer's style
    /// `[n, layers, width]`; moves the mean.
    ///
    /// As in the published code, a length is the root of the mean over layers, and the mean moves before it is compared,
    /// so that this step's gradient passes through it.
    pub fn penalty(&mut self, by_styles: Tensor<3>) -> Tensor<1> {
        let n = by_styles.dims()[0];
        let lengths = (by_styles.square().sum_dim(2).mean_dim(1).reshape([n]) + EPSILON).sqrt();
        let mean = self.mean.clone() * (1.0 - DECAY) + lengths.clone().mean() * DECAY;
        self.mean = mean.clone().without_autodiff();
        (lengths - mean).square().mean()
    }

    /// Names what a checkpoint must hold.
    pub fn parts(&mut self, part: &str, visit: &mut Parts) {
        visit.tensor(part, "mean", &mut self.mean);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{assert_each_near, floats, numbers};
    use crate::nn::{Linear, chain};
    use burn::tensor::{DType, TensorData};
    use serde_json::Value;

    /// Made by tests/golden/losses.py.
    fn golden() -> Value {
        serde_json::from_str(include_str!("../../tests/golden/losses.json")).unwrap()
    }

    fn tensor<const D: usize>(value: &Value, shape: [usize; D], dtype: DType) -> Tensor<D> {
        Tensor::from_data(TensorData::new(numbers(value), shape), (&Device::flex().autodiff(), dtype))
    }

    /// The script's critic: linear 5 to 7, leaky ReLU 0.25 (the same number in f32 and in f64), linear 7 to 1.
    struct Critic([Linear; 2]);

    impl Critic {
        fn new(golden: &Value, dtype: DType) -> Self {
            let read = |w, shape, b, width| {
                Linear::of(
                    tensor::<2>(&golden[w], shape, dtype).require_grad(),
                    tensor::<1>(&golden[b], [width], dtype).require_grad(),
                )
            };
            Critic([read("w1", [5, 7], "b1", 7), read("w2", [7, 1], "b2", 1)])
        }

        fn vjp(&self, x: Tensor<2>) -> (Tensor<2>, Pullback<2, 2>) {
            let (h, first) = self.0[0].leaky_vjp(x, 0.25);
            let (logits, last) = self.0[1].vjp(h);
            (logits, chain(last, first))
        }
    }

    const PRECISIONS: [(DType, f64); 2] = [(DType::F32, 1e-5), (DType::F64, 2e-7)];

    #[test]
    fn penalties_and_their_gradients_by_weights_are_those_of_pytorchs_double_backward() {
        let golden = &golden()["penalties"];
        for (dtype, tolerance) in PRECISIONS {
            for (name, case) in golden["cases"].as_object().unwrap() {
                let critic = Critic::new(golden, dtype);
                let [real, fake] = ["real", "fake"].map(|side| tensor::<2>(&golden[side], [4, 5], dtype));
                let middle = between(real.clone(), fake.clone(), tensor(&golden["t"], [4], dtype));
                let penalty = |penalty: Penalty, weight| {
                    penalty
                        .of(weight, critic.vjp(real.clone()), critic.vjp(fake.clone()), || critic.vjp(middle))
                        .unwrap()
                };
                let value = match name.as_str() {
                    "r1" => penalty(Penalty::R1, 1.5),
                    "r1r2" => penalty(Penalty::R1R2, 1.5),
                    "wgan_gp" => penalty(Penalty::WganGp, 10.0),
                    other => panic!("no penalty is called {other}"),
                };
                let gradients = value.backward();
                assert_each_near(tolerance, value, &[case["value"].as_f64().unwrap()], name);
                for (layer, by) in critic.0.iter().zip(["by_w1", "by_w2"]) {
                    let found = layer.weight.val().grad(&gradients).unwrap();
                    assert_each_near(tolerance, found, &numbers(&case[by]), &format!("{name} {by} {dtype:?}"));
                }
            }
        }
    }

    #[test]
    fn points_between_are_on_the_line_from_real_to_fake() {
        let golden = &golden()["penalties"];
        let [real, fake] = ["real", "fake"].map(|side| tensor::<2>(&golden[side], [4, 5], DType::F64));
        let wanted = numbers(&golden["between"]);
        let t = tensor::<1>(&golden["t"], [4], DType::F64);
        assert_each_near(1e-7, between(real.clone(), fake.clone(), t.clone()), &wanted, "in two axes");
        let [real, fake] = [real, fake].map(|side| side.reshape([4, 5, 1, 1]));
        assert_each_near(1e-7, between(real, fake, t), &wanted, "in four axes");
    }

    #[test]
    fn the_way_back_of_linear_layers_is_burns_gradient_and_that_of_finite_differences() {
        let golden = &golden()["penalties"];
        let critic = Critic::new(golden, DType::F64);
        let x = tensor::<2>(&golden["real"], [4, 5], DType::F64).require_grad();
        let (logits, back) = critic.vjp(x.clone());
        let found = back(logits.clone().without_autodiff().ones_like()).without_autodiff();
        let burns = floats(x.grad(&logits.sum().backward()).unwrap());
        assert_each_near(1e-12, found.clone(), &burns, "against Burn's own");

        let values = numbers(&golden["real"]);
        let differences = (0..values.len()).map(|i| {
            let sum = |step: f64| {
                let mut moved = values.clone();
                moved[i] += step;
                let moved = Tensor::from_data(TensorData::new(moved, [4, 5]), (&Device::flex(), DType::F64));
                critic.vjp(moved).0.sum().into_scalar::<f64>()
            };
            (sum(1e-5) - sum(-1e-5)) / 2e-5
        });
        assert_each_near(1e-8, found, &differences.collect::<Vec<_>>(), "against differences");
    }

    #[test]
    fn a_critic_that_is_flat_has_a_penalty_with_a_finite_gradient() {
        let device = Device::flex().autodiff();
        let flat = Linear::of(Tensor::zeros([3, 1], &device).require_grad(), Tensor::zeros([1], &device));
        let penalty = one_centred(10.0, flat.vjp(Tensor::ones([2, 3], &device)));
        let gradient = flat.weight.val().grad(&penalty.backward()).unwrap();
        assert_each_near(1e-4, penalty, &[10.0], "the penalty");
        assert_each_near(0.0, gradient, &[0.0; 3], "its gradient");
    }

    #[test]
    fn no_penalty_is_none_and_only_wgan_gp_asks_for_points_between() {
        let golden = &golden()["penalties"];
        let critic = Critic::new(golden, DType::F32);
        let on = || critic.vjp(tensor::<2>(&golden["real"], [4, 5], DType::F32));
        for penalty in [Penalty::None, Penalty::R1, Penalty::R1R2] {
            let value = penalty.of(1.0, on(), on(), || panic!("{penalty:?} asks for points between"));
            assert_eq!(value.is_none(), penalty == Penalty::None);
        }
    }

    #[test]
    fn path_length_tracks_its_mean_and_has_pytorchs_gradients() {
        let mut path_length = PathLength::new(&Device::flex().autodiff());
        for (step, golden) in golden()["path_length"].as_array().unwrap().iter().enumerate() {
            let gradient = tensor::<3>(&golden["gradient"], [3, 2, 4], DType::F32).require_grad();
            let value = path_length.penalty(gradient.clone());
            let back = gradient.grad(&value.backward()).unwrap();
            assert_each_near(1e-5, value, &[golden["value"].as_f64().unwrap()], &format!("step {step}"));
            assert_each_near(1e-6, path_length.mean.clone(), &[golden["mean"].as_f64().unwrap()], "the mean");
            assert_each_near(1e-5, back, &numbers(&golden["by_gradient"]), "its gradient");
        }
    }

    #[test]
    fn a_checkpoint_holds_the_mean_of_the_path_lengths() {
        let mut path_length = PathLength::new(&Device::flex());
        path_length.penalty(Tensor::ones([2, 3, 4], &Device::flex()));
        let parts = Parts::copies(|visit| path_length.parts("paths", visit));
        let mut restored = PathLength::new(&Device::flex());
        let mut visit = Parts::load(parts);
        restored.parts("paths", &mut visit);
        visit.loaded().unwrap();
        assert_each_near(1e-7, restored.mean, &[0.02], "a length of 2, moved a hundredth of the way");
    }
}
