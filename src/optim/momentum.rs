//! Gradient descent with momentum, as in pylearn2: v = m·v - rate·g, w = w + v (Hinton 2010, "A Practical Guide to
//! Training Restricted Boltzmann Machines", section 9). The rate is within v: a change of it acts on new gradients only.

use burn::tensor::Tensor;
use ganvas_kernels::{MomentumConstants, momentum};

use super::optimizer::{Rule, Slot, Update, floats, take};

/// Momentum's constant; the learning rate is given at every step.
#[derive(Clone, Copy, Debug)]
pub struct Momentum {
    /// m, the share of the velocity that stays, in [0, 1).
    pub share: f64,
}

impl Rule for Momentum {
    const NAME: &'static str = "momentum";
    const KEPT: &'static [&'static str] = &["velocity"];
    type Kept = [Tensor<1>; 1];

    fn kept(zeros: impl FnMut(usize) -> Tensor<1>) -> [Tensor<1>; 1] {
        std::array::from_fn(zeros)
    }

    fn pass(
        &self,
        weight: Tensor<1>,
        gradient: Tensor<1>,
        slot: &mut Slot<[Tensor<1>; 1]>,
        update: &Update,
    ) -> (Tensor<1>, [Tensor<1>; 2]) {
        let Update { rate, average_decay, .. } = *update;
        let pass = if update.on_cpu { one_pass } else { plain_pass };
        pass(weight, gradient, slot, &MomentumConstants { momentum: self.share, rate, average_decay })
    }
}

/// The update in tensor operations: the plain twin, and what every device but the CPU runs.
/// Returns the new weights and the sums of squares of the old weights and the gradient.
fn plain_pass(
    weight: Tensor<1>,
    gradient: Tensor<1>,
    slot: &mut Slot<[Tensor<1>; 1]>,
    c: &MomentumConstants,
) -> (Tensor<1>, [Tensor<1>; 2]) {
    let squares = [weight.clone().square().sum(), gradient.clone().square().sum()];
    let [velocity] = &mut slot.kept;
    *velocity = velocity.clone() * c.momentum - gradient * c.rate;
    let weight = weight + velocity.clone();
    if let Some(average) = &mut slot.average {
        *average = average.clone() * c.average_decay + weight.clone() * (1.0 - c.average_decay);
    }
    (weight, squares)
}

/// The same in one pass over memory, for f32 on the CPU.
fn one_pass(
    weight: Tensor<1>,
    gradient: Tensor<1>,
    slot: &mut Slot<[Tensor<1>; 1]>,
    c: &MomentumConstants,
) -> (Tensor<1>, [Tensor<1>; 2]) {
    let device = weight.device();
    let mut weight = weight.into_data();
    let mut gradient = gradient.into_data();
    let [mut velocity] = slot.kept.each_mut().map(take);
    let mut average = slot.average.as_mut().map(take);

    let [weights, gradients] =
        momentum(floats(&mut weight), floats(&mut gradient), floats(&mut velocity), average.as_mut().map(floats), c);
    slot.kept = [Tensor::from_data(velocity, &device)];
    slot.average = average.map(|average| Tensor::from_data(average, &device));
    let scalar = |value: f64| Tensor::from_data([value as f32], &device);
    (Tensor::from_data(weight, &device), [scalar(weights), scalar(gradients)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{floats, sine};

    type Pass = fn(Tensor<1>, Tensor<1>, &mut Slot<[Tensor<1>; 1]>, &MomentumConstants) -> (Tensor<1>, [Tensor<1>; 2]);

    /// Weights, velocity, average and sums of squares after three updates with a rate that falls and a momentum that rises.
    fn run(pass: Pass, n: usize) -> [Vec<f64>; 5] {
        let of_rate = |rate: f64, n: usize| sine([n], [rate, 1.0], [1.0, 0.0]);
        let mut weight = of_rate(0.1, n);
        let mut slot = Slot { name: "w".into(), kept: [of_rate(0.0, n) * 0.0], average: Some(weight.clone() * 1.0) };
        let mut squares = [of_rate(0.0, 1), of_rate(0.0, 1)];
        for (t, (rate, momentum)) in [(0.1, 0.5), (0.05, 0.6), (0.01, 0.7)].into_iter().enumerate() {
            let constants = MomentumConstants { momentum, rate, average_decay: 0.9 };
            (weight, squares) = pass(weight, of_rate(0.3 * (t + 1) as f64, n), &mut slot, &constants);
        }
        let Slot { kept: [velocity], average, .. } = slot;
        let [w, g] = squares;
        [weight, velocity, average.unwrap(), w, g].map(floats)
    }

    #[test]
    fn three_updates_are_the_formula_with_the_rate_inside_the_velocity() {
        // By hand: v = -0.1 g1, then 0.6 v - 0.05 g2, then 0.7 v - 0.01 g3, each added to the weight.
        for pass in [plain_pass as Pass, one_pass] {
            let [weight, velocity, average, ..] = run(pass, 5);
            for i in 0..5 {
                let [g1, g2, g3] = [0.3, 0.6, 0.9].map(|rate| (rate * i as f64 + 1.0).sin());
                let start = (0.1 * i as f64 + 1.0).sin();
                let v3 = -0.042 * g1 - 0.035 * g2 - 0.01 * g3;
                let w1 = start - 0.1 * g1;
                let w2 = w1 - 0.06 * g1 - 0.05 * g2;
                let a3 = 0.729 * start + 0.081 * w1 + 0.09 * w2 + 0.1 * (w2 + v3);
                for (found, wanted) in [(weight[i], w2 + v3), (velocity[i], v3), (average[i], a3)] {
                    assert!((found - wanted).abs() < 1e-6, "{found}, not {wanted}");
                }
            }
        }
    }

    #[test]
    fn one_pass_over_memory_and_the_plain_operations_agree() {
        let n = 40_077; // several tasks and a ragged end
        for (plain, fused) in run(plain_pass, n).into_iter().zip(run(one_pass, n)) {
            let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-5 * a.abs().max(0.1);
            assert!(plain.len() == fused.len() && plain.iter().zip(&fused).all(near));
        }
    }
}
