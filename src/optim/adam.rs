//! Adam (Kingma and Ba 2015, algorithm 1).

use burn::tensor::Tensor;
use ganvas_kernels::{AdamConstants, adam};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::optimizer::{Rule, Slot, Update, floats, take};

/// Adam's constants; the learning rate is given at every step.
#[derive(Clone, Copy, Debug)]
pub struct AdamConfig {
    /// β1, the decay of the first moment.
    pub beta1: f64,
    /// β2, the decay of the second moment; the bias correction is that of the present β2, as in PyTorch.
    pub beta2: f64,
    /// ε, added to the root of the second moment.
    pub epsilon: f64,
}

impl AdamConfig {
    /// β2 = 0.999 and ε = 1e-8, the paper's, with the β1 given: GANs take 0.5 or 0 instead of the paper's 0.9.
    pub fn with_beta1(beta1: f64) -> Self {
        AdamConfig { beta1, beta2: 0.999, epsilon: 1e-8 }
    }
}

/// Adam in a configuration: the table `adam`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Adam {
    /// Adam's learning rate, for all players.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub learning_rate: f64,
    /// Adam's beta1, for all players.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub beta1: f64,
    /// Adam's beta2, for all players.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub beta2: f64,
}

impl Default for Adam {
    /// DCGAN's (Radford et al. 2016, section 4), with the β2 of Adam's paper.
    fn default() -> Self {
        Adam { learning_rate: 2e-4, beta1: 0.5, beta2: 0.999 }
    }
}

impl Adam {
    /// The constants of the update, with the paper's ε = 1e-8.
    pub fn rule(&self) -> AdamConfig {
        AdamConfig { beta2: self.beta2, ..AdamConfig::with_beta1(self.beta1) }
    }
}

/// The first and the second moment.
type Moments = [Tensor<1>; 2];

impl Rule for AdamConfig {
    const NAME: &'static str = "adam";
    const KEPT: &'static [&'static str] = &["first", "second"];
    type Kept = Moments;

    fn kept(zeros: impl FnMut(usize) -> Tensor<1>) -> Moments {
        std::array::from_fn(zeros)
    }

    fn pass(
        &self,
        weight: Tensor<1>,
        gradient: Tensor<1>,
        slot: &mut Slot<Moments>,
        update: &Update,
    ) -> (Tensor<1>, [Tensor<1>; 2]) {
        let AdamConfig { beta1, beta2, epsilon } = *self;
        let updates = update.number.min(i32::MAX as u64) as i32;
        let constants = AdamConstants {
            beta1,
            beta2,
            epsilon,
            rate: update.rate / (1.0 - beta1.powi(updates)),
            second_scale: 1.0 / (1.0 - beta2.powi(updates)).sqrt(),
            average_decay: update.average_decay,
        };
        let pass = if update.on_cpu { one_pass } else { plain_pass };
        pass(weight, gradient, slot, &constants)
    }
}

/// Algorithm 1 in tensor operations: the plain twin, and what every device but the CPU runs.
/// Returns the new weights and the sums of squares of the old weights and the gradient.
fn plain_pass(
    weight: Tensor<1>,
    gradient: Tensor<1>,
    slot: &mut Slot<Moments>,
    c: &AdamConstants,
) -> (Tensor<1>, [Tensor<1>; 2]) {
    let squares = [weight.clone().square().sum(), gradient.clone().square().sum()];
    let [first, second] = &mut slot.kept;
    *first = first.clone() * c.beta1 + gradient.clone() * (1.0 - c.beta1);
    *second = second.clone() * c.beta2 + gradient.square() * (1.0 - c.beta2);
    let root = second.clone().sqrt() * c.second_scale + c.epsilon;
    let weight = weight - first.clone() * c.rate / root;
    if let Some(average) = &mut slot.average {
        *average = average.clone() * c.average_decay + weight.clone() * (1.0 - c.average_decay);
    }
    (weight, squares)
}

/// The same in one pass over memory, for f32 on the CPU.
fn one_pass(
    weight: Tensor<1>,
    gradient: Tensor<1>,
    slot: &mut Slot<Moments>,
    c: &AdamConstants,
) -> (Tensor<1>, [Tensor<1>; 2]) {
    let device = weight.device();
    let mut weight = weight.into_data();
    let mut gradient = gradient.into_data();
    let [mut first, mut second] = slot.kept.each_mut().map(take);
    let mut average = slot.average.as_mut().map(take);

    let [weights, gradients] = adam(
        floats(&mut weight),
        floats(&mut gradient),
        floats(&mut first),
        floats(&mut second),
        average.as_mut().map(floats),
        c,
    );
    slot.kept = [first, second].map(|moment| Tensor::from_data(moment, &device));
    slot.average = average.map(|average| Tensor::from_data(average, &device));
    let scalar = |value: f64| Tensor::from_data([value as f32], &device);
    (Tensor::from_data(weight, &device), [scalar(weights), scalar(gradients)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{floats, numbers, sine};
    use burn::tensor::{Device, TensorData};
    use serde_json::Value;

    fn tensor(values: Vec<f64>) -> Tensor<1> {
        let count = values.len();
        Tensor::from_data(TensorData::new(values, [count]), &Device::flex())
    }

    fn slot(like: &Tensor<1>) -> Slot<Moments> {
        let kept = AdamConfig::kept(|_| like.clone() * 0.0);
        Slot { name: "w".into(), kept, average: Some(like.clone() * 1.0) }
    }

    fn constants(t: i32, rate: f64) -> AdamConstants {
        let (beta1, beta2) = (0.5_f64, 0.999_f64);
        let second_scale = 1.0 / (1.0 - beta2.powi(t)).sqrt();
        let rate = rate / (1.0 - beta1.powi(t));
        AdamConstants { beta1, beta2, epsilon: 1e-8, rate, second_scale, average_decay: 0.9 }
    }

    type Pass = fn(Tensor<1>, Tensor<1>, &mut Slot<Moments>, &AdamConstants) -> (Tensor<1>, [Tensor<1>; 2]);

    #[test]
    fn the_settings_give_a_rule_with_their_betas_and_the_papers_epsilon() {
        let AdamConfig { beta1, beta2, epsilon } = Adam { learning_rate: 0.1, beta1: 0.25, beta2: 0.75 }.rule();
        assert_eq!([beta1, beta2, epsilon], [0.25, 0.75, 1e-8]);
    }

    #[test]
    fn ten_steps_of_adam_are_pytorchs() {
        // Made by tests/golden/make.py.
        let golden = serde_json::from_str::<Value>(include_str!("../../tests/golden/mnist.json")).unwrap();
        let golden = |key: &str| numbers(&golden["adam"][key]);
        for pass in [plain_pass as Pass, one_pass] {
            let mut weight = tensor(golden("start"));
            let mut slot = slot(&weight);
            for t in 1..=10 {
                let gradient = (1..=5).map(|i| (f64::from(t) * f64::from(i)).sin()).collect::<Vec<_>>();
                (weight, _) = pass(weight, tensor(gradient), &mut slot, &constants(t, 0.01));
                if let Some(wanted) = [(1, "after_1"), (10, "after_10")].iter().find(|(at, _)| *at == t) {
                    let found = floats(weight.clone());
                    let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-6;
                    assert!(found.iter().zip(&golden(wanted.1)).all(near), "step {t}: {found:?}");
                }
            }
        }
    }

    #[test]
    fn one_pass_over_memory_and_the_plain_operations_agree() {
        let n = 40_077; // several tasks and a ragged end
        let of_rate = |rate: f64| sine([n], [rate, 0.0], [1.0, 0.0]);
        let (mut plain, mut fused) = (of_rate(0.1), of_rate(0.1));
        let (mut plain_slot, mut fused_slot) = (slot(&plain), slot(&fused));
        for t in 1..=3 {
            let gradient = of_rate(0.3 * f64::from(t));
            let (a, [plain_w, plain_g]) = plain_pass(plain, gradient.clone(), &mut plain_slot, &constants(t, 1e-3));
            let (b, [fused_w, fused_g]) = one_pass(fused, gradient, &mut fused_slot, &constants(t, 1e-3));
            for (a, b) in [(plain_w, fused_w), (plain_g, fused_g)] {
                let (a, b) = (a.into_scalar::<f64>(), b.into_scalar::<f64>());
                assert!((a / b - 1.0).abs() < 1e-5, "sums of squares {a} and {b}");
            }
            (plain, fused) = (a, b);
        }
        let kept = |slot: &Slot<Moments>| slot.kept.clone().map(floats);
        let average = |slot: &Slot<Moments>| floats(slot.average.clone().unwrap());
        let ([plain_first, plain_second], [fused_first, fused_second]) = (kept(&plain_slot), kept(&fused_slot));
        let pairs = [
            (floats(plain), floats(fused)),
            (plain_first, fused_first),
            (plain_second, fused_second),
            (average(&plain_slot), average(&fused_slot)),
        ];
        for (name, (a, b)) in ["weight", "first", "second", "average"].iter().zip(pairs) {
            let worst = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(worst < 1e-6, "{name} differs by {worst}");
        }
    }
}
