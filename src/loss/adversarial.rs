//! The two players' losses, computed from logits: those of Goodfellow et al. 2014, "Generative Adversarial Networks", and
//! what came after.
//!
//! With D(x) = sigmoid(l), log D = -softplus(-l) and log(1 - D) = -softplus(l): no logarithm of a clipped
//! probability, so the gradient never dies of rounding.

use burn::tensor::Tensor;
use burn::tensor::activation::{log_sigmoid, relu};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which game the two players play. In a configuration its names are written `like_this`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Adversarial {
    /// Cross-entropy for D, and G minimises what D maximises (Goodfellow et al. 2014, equation 1).
    Minimax,
    /// Cross-entropy for D, and G maximises log D(G(z)) (Goodfellow et al. 2014, section 3).
    #[default]
    NonSaturating,
    /// Squared distance to the labels 1 for real and 0 for fake, and to 1 for G (Mao et al. 2017, equation 9).
    LeastSquares,
    /// D is content with a margin of 1 (Lim and Ye 2017; Miyato et al. 2018, equations 16 and 17).
    Hinge,
    /// The difference of means, of a D that something else must hold to bounded slopes (Arjovsky et al. 2017).
    Wasserstein,
    /// D tells which of a pair is real (Jolicoeur-Martineau 2019; Huang et al. 2024, "The GAN is dead; long live the
    /// GAN!", equation 2).
    Relativistic,
    /// D tells whether a picture is more real than those of the other kind are on average (Jolicoeur-Martineau 2019, equations
    /// 15 and 16, by half, as ESRGAN's authors compute it).
    RelativisticAverage,
}

impl Adversarial {
    /// The whole menu.
    pub const ALL: [Adversarial; 7] = [
        Adversarial::Minimax,
        Adversarial::NonSaturating,
        Adversarial::LeastSquares,
        Adversarial::Hinge,
        Adversarial::Wasserstein,
        Adversarial::Relativistic,
        Adversarial::RelativisticAverage,
    ];

    /// D's loss from its logits on real and on fake pictures, `[n, 1]` each, to `[1]`.
    ///
    /// Least squares keeps the paper's factor 1/2. The relativistic loss pairs row i with row i; it panics with both
    /// shapes when they differ.
    pub fn discriminator(self, real: Tensor<2>, fake: Tensor<2>) -> Tensor<1> {
        match self {
            Adversarial::Minimax | Adversarial::NonSaturating => non_saturating(real) + non_saturating(-fake),
            Adversarial::LeastSquares => ((real - 1.0).square().mean() + fake.square().mean()) * 0.5,
            Adversarial::Hinge => relu(1.0 - real).mean() + relu(1.0 + fake).mean(),
            Adversarial::Wasserstein => fake.mean() - real.mean(),
            Adversarial::Relativistic => relativistic(real, fake),
            Adversarial::RelativisticAverage => relativistic_average(real, fake),
        }
    }

    /// Logits on real and on fake pictures, `[n, 1]` each, off the graph, so that D decides at 0: between the labels for least
    /// squares, and for a loss that sees differences alone, which leaves open where, in the middle of the two means.
    pub fn decided(self, real: Tensor<2>, fake: Tensor<2>) -> [Tensor<2>; 2] {
        let logits = [real, fake].map(Tensor::without_autodiff);
        match self {
            Adversarial::Minimax | Adversarial::NonSaturating | Adversarial::Hinge => logits,
            Adversarial::LeastSquares => logits.map(|logits| logits - 0.5),
            Adversarial::Wasserstein | Adversarial::Relativistic | Adversarial::RelativisticAverage => {
                let [real, fake] = logits.each_ref().map(|logits| logits.clone().mean());
                let middle = ((real + fake) * 0.5).reshape([1, 1]);
                logits.map(|logits| logits - middle.clone())
            }
        }
    }

    /// G's loss `[1]` from D's logits `[n, 1]` on its pictures; only the relativistic ones ask for those on real pictures.
    pub fn generator(self, fake: Tensor<2>, real: impl FnOnce() -> Tensor<2>) -> Tensor<1> {
        match self {
            Adversarial::Minimax => minimax(fake),
            Adversarial::NonSaturating => non_saturating(fake),
            Adversarial::LeastSquares => (fake - 1.0).square().mean() * 0.5,
            Adversarial::Hinge | Adversarial::Wasserstein => -fake.mean(),
            Adversarial::Relativistic => relativistic(fake, real()),
            Adversarial::RelativisticAverage => relativistic_average(fake, real()),
        }
    }
}

/// Mean softplus(-(winner - loser)) over pairs of logits `[n, 1]`.
fn relativistic(winner: Tensor<2>, loser: Tensor<2>) -> Tensor<1> {
    let (one, other) = (winner.dims(), loser.dims());
    assert_eq!(one, other, "the logits of pairs are {one:?} and {other:?}");
    non_saturating(winner - loser)
}

/// Half of the mean softplus of how far each winner's logit lies below the losers' mean, and each loser's above the winners'.
fn relativistic_average(winner: Tensor<2>, loser: Tensor<2>) -> Tensor<1> {
    let mean = |logits: &Tensor<2>| logits.clone().mean().reshape([1, 1]);
    let (winners, losers) = (mean(&winner), mean(&loser));
    (non_saturating(winner - losers) + non_saturating(winners - loser)) * 0.5
}

/// Mean binary cross-entropy of `logits` `[n, 1]` against `targets` `[n, 1]` in [0, 1]:
/// -(y·log D + (1 - y)·log(1 - D)) = softplus(l) - y·l. Returns `[1]`.
///
/// D's loss in equation 1, with any label smoothing in the targets.
pub fn binary_cross_entropy(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    let (given, wanted) = (logits.dims(), targets.dims());
    assert_eq!(given, wanted, "logits are {given:?}, targets {wanted:?}");
    (-log_sigmoid(-logits.clone()) - targets * logits).mean()
}

/// The generator's loss as written in equation 1, min E[log(1 - D(G(z)))], from the logits `[n, 1]` of D(G(z)).
/// Returns `[1]`; it is negative and falls without bound as D is fooled.
///
/// Its gradient with respect to a logit is -D(G(z)): it vanishes just when D is sure of the fake (section 3 of the
/// paper), which is how training begins. That is why practice, and the tutorial's code, uses [`non_saturating`].
pub fn minimax(fake_logits: Tensor<2>) -> Tensor<1> {
    log_sigmoid(-fake_logits).mean()
}

/// The non-saturating generator loss, max E[log D(G(z))], as the minimum of E[-log D(G(z))] (section 3 of the paper),
/// from the logits `[n, 1]` of D(G(z)). Returns `[1]`.
///
/// It has the same fixed point as [`minimax`], and a gradient of -(1 - D(G(z))): strongest when D is sure of the fake.
/// It is the binary cross-entropy with label 1.
pub fn non_saturating(fake_logits: Tensor<2>) -> Tensor<1> {
    -log_sigmoid(fake_logits).mean()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{assert_each_near, floats, numbers};
    use burn::tensor::{Device, TensorData};
    use serde_json::Value;

    /// Made by tests/golden/make.py: the seed's formulas by numpy, BCE at extreme logits by PyTorch.
    fn golden() -> Value {
        serde_json::from_str::<Value>(include_str!("../../tests/golden/mnist.json")).unwrap()["seed_formulas"].clone()
    }

    fn column(values: &[f64], device: &Device) -> Tensor<2> {
        Tensor::from_data(TensorData::new(values.to_vec(), [values.len(), 1]), device)
    }

    fn scalar(tensor: Tensor<1>) -> f64 {
        tensor.into_scalar::<f64>()
    }

    #[test]
    fn the_discriminator_loss_is_the_seeds_formula() {
        let (golden, device) = (golden(), Device::flex());
        let real = column(&numbers(&golden["logits_real"]), &device);
        let fake = column(&numbers(&golden["logits_fake"]), &device);
        let loss = binary_cross_entropy(real.clone(), real.ones_like())
            + binary_cross_entropy(fake.clone(), fake.zeros_like());
        let objective = golden["discriminator_objective"].as_f64().unwrap(); // E log D(x) + E log(1 - D(G(z)))
        assert!((scalar(loss) + objective).abs() < 1e-6, "D maximises the objective: the loss is its negative");
    }

    #[test]
    fn the_minimax_generator_loss_is_the_seeds_formula() {
        let golden = golden();
        let loss = minimax(column(&numbers(&golden["logits_fake"]), &Device::flex()));
        assert!((scalar(loss) - golden["generator_objective"].as_f64().unwrap()).abs() < 1e-6);
    }

    #[test]
    fn the_non_saturating_loss_is_cross_entropy_with_label_one() {
        let logits = column(&[-3.0, 0.0, 2.5], &Device::flex());
        let label_one = binary_cross_entropy(logits.clone(), logits.ones_like());
        assert!((scalar(non_saturating(logits)) - scalar(label_one)).abs() < 1e-7);
    }

    #[test]
    fn where_the_discriminator_is_sure_only_the_non_saturating_loss_has_a_gradient() {
        let sure = || column(&[-20.0], &Device::flex().autodiff()).require_grad();
        let gradient = |loss: fn(Tensor<2>) -> Tensor<1>| {
            let logits = sure();
            let gradient = logits.grad(&loss(logits.clone()).backward()).unwrap();
            gradient.into_data().iter::<f64>().next().unwrap()
        };
        assert!((gradient(non_saturating) + 1.0).abs() < 1e-6); // -(1 - D)
        assert!(gradient(minimax).abs() < 1e-8); // -D
    }

    #[test]
    fn cross_entropy_and_its_gradient_hold_at_extreme_logits() {
        let bce = &golden()["bce"];
        let logits = numbers(&bce["logits"]);
        for (t, &target) in numbers(&bce["targets"]).iter().enumerate() {
            let (values, gradients) = (numbers(&bce["values"][t]), numbers(&bce["gradients"][t]));
            for (i, &logit) in logits.iter().enumerate() {
                let l = column(&[logit], &Device::flex().autodiff()).require_grad();
                let loss = binary_cross_entropy(l.clone(), column(&[target], &Device::flex()));
                let gradient = l.grad(&loss.backward()).unwrap();
                assert_each_near(1e-6, loss, &[values[i]], &format!("bce({logit}, {target})"));
                assert_each_near(1e-6, gradient, &[gradients[i]], &format!("the gradient of bce({logit}, {target})"));
            }
        }
    }

    #[test]
    fn every_loss_of_the_menu_and_its_gradients_are_those_of_pytorch() {
        let golden = serde_json::from_str::<Value>(include_str!("../../tests/golden/losses.json")).unwrap();
        let cases = golden["losses"].as_array().unwrap();
        assert_eq!(cases.len(), 14);
        for case in cases {
            let loss: Adversarial = serde_json::from_value(case["loss"].clone()).unwrap();
            for player in ["discriminator", "generator"] {
                let [real, fake] = ["real", "fake"]
                    .map(|side| column(&numbers(&case[side]), &Device::flex().autodiff()).require_grad());
                let value = match player {
                    "discriminator" => loss.discriminator(real.clone(), fake.clone()),
                    _ => loss.generator(fake.clone(), || real.clone()),
                };
                let gradients = value.backward();
                let case = &case[player];
                assert_each_near(1e-6, value, &[case["value"].as_f64().unwrap()], &format!("{loss:?} {player}"));
                for (side, logits) in [("by_real", real), ("by_fake", fake)] {
                    let found = logits.grad(&gradients).unwrap_or(logits.without_autodiff().zeros_like());
                    assert_each_near(1e-6, found, &numbers(&case[side]), &format!("{loss:?} {player} {side}"));
                }
            }
        }
    }

    #[test]
    fn d_decides_at_0_wherever_a_loss_that_sees_differences_alone_leaves_its_level() {
        let device = Device::flex();
        for loss in Adversarial::ALL {
            let decided = |level: f64| {
                let [real, fake] =
                    loss.decided(column(&[level + 3.0, level + 1.0], &device), column(&[level, level - 2.0], &device));
                [floats(real), floats(fake)]
            };
            let wanted = match loss {
                Adversarial::Wasserstein | Adversarial::Relativistic | Adversarial::RelativisticAverage => {
                    [vec![2.5, 0.5], vec![-0.5, -2.5]]
                }
                Adversarial::LeastSquares => [vec![12.5, 10.5], vec![9.5, 7.5]],
                _ => [vec![13.0, 11.0], vec![10.0, 8.0]],
            };
            assert_eq!(decided(10.0), wanted, "{loss:?}");
        }
    }
}
