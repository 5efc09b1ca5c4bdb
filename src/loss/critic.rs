//! D's update, the same in every recipe: its loss and a penalty, the descent, and what is told of it.

use burn::module::Module;
use burn::tensor::Tensor;

use super::adversarial::Adversarial;
use crate::optim::{Rule, Trained};
use crate::step::{Scalars, StepCx};

/// D after one descent on its loss and the penalty, `[1]` each. `decided` are its logits on real and on fake samples, `[n, 1]`
/// each, so that it decides at 0 ([`Adversarial::decided`]).
pub fn learn<M: Module, R: Rule>(
    critic: &mut Trained<M, R>,
    loss: Tensor<1>,
    penalty: Option<Tensor<1>>,
    decided: [Tensor<2>; 2],
    rate: f64,
    cx: &StepCx,
) -> Scalars {
    let total = penalty.iter().fold(loss.clone(), |total, penalty| total + penalty.clone());
    let gradient = critic.descend(total, rate, cx);
    let scalars = Scalars::default().with("d_loss", loss).with("d_gradient_norm", gradient).judged(decided);
    scalars.with_some("d_penalty", penalty)
}

impl Adversarial {
    /// [`learn`] by this loss of the logits on real and on fake samples, `[n, 1]` each.
    pub fn learn<M: Module, R: Rule>(
        self,
        critic: &mut Trained<M, R>,
        [real, fake]: [Tensor<2>; 2],
        penalty: Option<Tensor<1>>,
        rate: f64,
        cx: &StepCx,
    ) -> Scalars {
        let decided = self.decided(real.clone(), fake.clone());
        learn(critic, self.discriminator(real, fake), penalty, decided, rate, cx)
    }
}
