//! A network, its optimizer and the moving average of its weights, as one thing.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor};

use super::AdamConfig;
use super::optimizer::{Optimizer, Rule};
use crate::parts::{LayerHealth, MODEL, Parts};
use crate::step::StepCx;

/// A network in training, by Adam unless another rule is named.
#[derive(Debug)]
pub struct Trained<M, R: Rule = AdamConfig> {
    net: Option<M>, // None only while the optimizer holds it, so that the update is in place
    optimizer: Optimizer<R>,
    half_life_kimg: f64,
    health: Vec<LayerHealth>,
}

/// A visit that has every parameter drawn.
struct Drawn;

impl ModuleVisitor for Drawn {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        drop(param.val());
    }
}

impl<M: Module, R: Rule> Trained<M, R> {
    /// `net` (on an autodiff device) with a fresh optimizer, and a moving average of the weights with this half-life in thousands
    /// of images; 0 for none.
    pub fn new(net: M, rule: R, half_life_kimg: f64) -> Self {
        net.visit(&mut Drawn); // before there are copies, which share what is not drawn yet and whether it learns
        let optimizer = Optimizer::new(&net, rule, half_life_kimg > 0.0);
        Trained { net: Some(net), optimizer, half_life_kimg, health: Vec::new() }
    }

    /// The network as it is being trained.
    pub fn net(&self) -> &M {
        self.net.as_ref().expect("the network is away only while it changes")
    }

    /// Changes what no gradient reaches, such as running statistics; [`Trained::descend`] copies it to the average.
    pub fn change(&mut self, change: impl FnOnce(M) -> M) {
        self.net = self.net.take().map(change);
    }

    /// The optimizer's constants, to be changed for the steps to come.
    pub fn rule(&mut self) -> &mut R {
        &mut self.optimizer.rule
    }

    /// The network a player sees as a constant: gradients pass through it and none are kept for its weights.
    pub fn frozen(&self) -> M {
        self.net().clone().no_grad()
    }

    /// The network to sample from: the moving average when one is kept, off the autodiff graph.
    pub fn sampler(&self) -> M {
        if self.half_life_kimg > 0.0 { self.optimizer.averaged(self.net()) } else { self.net().valid() }
    }

    /// One step of gradient descent on `loss` `[1]`, after which the average follows; returns the norm of the whole gradient `[1]`.
    pub fn descend(&mut self, loss: Tensor<1>, rate: f64, cx: &StepCx) -> Tensor<1> {
        let decay = average_decay(cx.batch, self.half_life_kimg, cx.images);
        self.descend_by(loss, rate, decay)
    }

    /// The same with the share of the old average to keep: 1 where another descent of the same step follows.
    pub fn descend_by(&mut self, loss: Tensor<1>, rate: f64, average_decay: f64) -> Tensor<1> {
        let gradients = loss.backward();
        drop(loss); // the graph holds the weights' buffers
        self.update(vec![gradients], rate, average_decay)
    }

    /// [`Trained::descend`] along the sum of the gradients of several losses: who goes back from each before the next one is
    /// computed holds one graph at a time. The losses must be gone by now, for a graph holds the weights' buffers.
    pub fn descend_along(&mut self, gradients: Vec<Gradients>, rate: f64, cx: &StepCx) -> Tensor<1> {
        let decay = average_decay(cx.batch, self.half_life_kimg, cx.images);
        self.update(gradients, rate, decay)
    }

    /// The one place where weights change; several machines would add up their gradients here.
    fn update(&mut self, gradients: Vec<Gradients>, rate: f64, average_decay: f64) -> Tensor<1> {
        let net = self.net.take().expect("the network is away only while it changes");
        let (net, health) = self.optimizer.step(net, gradients, rate, average_decay);
        self.net = Some(net);
        let squares = health.iter().map(|layer| layer.gradient.clone()).collect::<Vec<_>>();
        self.health = health;
        Tensor::cat(squares, 0).sum().sqrt()
    }

    /// Names everything a checkpoint must hold of a network that is thrown away after training.
    pub fn parts(&mut self, part: &str, visit: &mut Parts) {
        let Some(net) = &mut self.net else { return };
        visit.network(part, net, &self.health);
        visit.module(part, net);
        self.optimizer.parts(part, visit);
    }

    /// Names everything a checkpoint must hold of the network one keeps: the part [`MODEL`] is what
    /// [`Trained::sampler`] returns, and the network in training is its own part where the two differ.
    pub fn model_parts(&mut self, part: &str, visit: &mut Parts)
    where
        M: 'static,
    {
        self.settled_parts(part, visit, |net| net);
    }

    /// The same, where the part [`MODEL`] is what `settled` makes of [`Trained::sampler`]: of the weights alone, for the network in
    /// training never sees it. It is called only where the model is saved or sampled from.
    pub fn settled_parts(&mut self, part: &str, visit: &mut Parts, settled: impl Fn(M) -> M)
    where
        M: 'static,
    {
        visit.model(|| settled(self.sampler()));
        let Some(net) = &mut self.net else { return };
        visit.network(part, net, &self.health);
        if self.half_life_kimg > 0.0 {
            visit.module(part, net);
            self.optimizer.average_parts(MODEL, net, visit, settled);
        } else if visit.is_save() {
            visit.module(MODEL, &mut settled(net.clone()));
        } else {
            visit.module(MODEL, net);
        }
        self.optimizer.parts(part, visit);
    }
}

/// The share of the old average to keep after a step on `batch` images, for an average with this half-life.
///
/// 0.5^(batch / half-life), where the half-life is at most a twentieth of the `images` seen so far, so that the average
/// forgets the initial weights early (StyleGAN2-ADA's ramp-up of 0.05). 0 without a half-life.
fn average_decay(batch: usize, half_life_kimg: f64, images: u64) -> f64 {
    let half_life = (half_life_kimg * 1000.0).min(images as f64 * 0.05);
    if half_life > 0.0 { 0.5_f64.powf(batch as f64 / half_life) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{BatchNorm, Linear, Statistics};
    use crate::random::Draws;
    use burn::tensor::Device;

    fn weights(layer: &Linear) -> Vec<f32> {
        layer.weight.val().into_data().iter::<f32>().collect()
    }

    #[test]
    fn the_average_follows_the_weights_at_its_half_life() {
        let net = Linear::glorot(&Draws::new(1, 0), "w", 3, 2, &Device::flex().autodiff());
        let mut trained = Trained::new(net, AdamConfig::with_beta1(0.5), 1.0);
        let mut expected = weights(trained.net());
        for _ in 0..5 {
            let loss = trained.net().forward(Tensor::ones([4, 3], &Device::flex())).square().mean();
            trained.descend_by(loss, 0.1, 0.75);
            for (average, weight) in expected.iter_mut().zip(weights(trained.net())) {
                *average = *average * 0.75 + weight * 0.25;
            }
        }
        let found = weights(&trained.sampler());
        assert_ne!(found, weights(trained.net()));
        assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}, not {expected:?}");
    }

    #[test]
    fn two_losses_one_after_the_other_are_their_sum() {
        let fresh = || {
            let net = Linear::glorot(&Draws::new(1, 0), "w", 3, 2, &Device::flex().autodiff());
            Trained::new(net, AdamConfig::with_beta1(0.5), 0.0)
        };
        let losses = |trained: &Trained<Linear>| {
            [2.0, -0.5].map(|x| trained.net().forward(Tensor::full([4, 3], x, &Device::flex())).square().mean())
        };
        let (mut together, mut apart) = (fresh(), fresh());
        for _ in 0..3 {
            let [first, second] = losses(&together);
            let norm = together.descend_by(first + second, 0.1, 0.0);
            let gradients = losses(&apart).map(|loss| loss.backward()).into();
            let other = apart.update(gradients, 0.1, 0.0);
            assert!((norm.into_scalar::<f64>() - other.into_scalar::<f64>()).abs() < 1e-5);
        }
        let (together, apart) = (weights(together.net()), weights(apart.net()));
        assert!(together.iter().zip(&apart).all(|(a, b)| (a - b).abs() < 1e-5), "{together:?}, not {apart:?}");
    }

    #[test]
    fn a_frozen_network_passes_gradients_on_and_keeps_none() {
        let device = Device::flex().autodiff();
        let net = Linear::glorot(&Draws::new(1, 0), "w", 3, 2, &device);
        let trained = Trained::new(net, AdamConfig::with_beta1(0.5), 0.0);
        let x = Tensor::<2>::ones([4, 3], &device).require_grad();
        let frozen = trained.frozen();
        let gradients = frozen.forward(x.clone()).sum().backward();
        assert!(x.grad(&gradients).is_some());
        assert!(frozen.weight.val().grad(&gradients).is_none());
    }

    #[test]
    fn running_statistics_reach_the_sampler_and_the_checkpoint() {
        let device = Device::flex().autodiff();
        let fresh = || Trained::new(BatchNorm::new(Tensor::ones([2], &device), 1e-3), AdamConfig::with_beta1(0.5), 1.0);
        let values = |tensor: Tensor<1>| tensor.into_data().iter::<f32>().collect::<Vec<f32>>();
        let statistics = |net: BatchNorm| [values(net.mean.val()), values(net.variance.val())];
        let saved = |trained: &mut Trained<BatchNorm>| Parts::copies(|visit| trained.model_parts("generator", visit));
        let mut trained = fresh();
        let x = Tensor::<1>::from_data([1.0, 3.0, -2.0, 2.0], &Device::flex()).reshape([1, 2, 2, 1]);
        let told = Statistics::default();
        let y = trained.net().leaky(x, 0.2, Some(&told));
        trained.change(|net| told.followed_by(net));
        trained.descend_by(y.square().mean(), 0.1, 0.9);
        // A tenth of the way from 0 and 1 to the means 2 and 0 and the unbiased variances 2 and 8.
        let wanted = [vec![0.1 * 2.0, 0.0], vec![0.9 + 0.1 * 2.0, 0.9 + 0.1 * 8.0]];
        let found = statistics(trained.net().clone());
        assert!(found.iter().flatten().zip(wanted.iter().flatten()).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
        let wanted = found;
        assert_eq!(statistics(trained.sampler()), wanted);
        let parts = saved(&mut trained);
        for part in [MODEL, "generator"] {
            let found = ["mean", "variance"].map(|name| parts[part][name].iter::<f32>().collect::<Vec<f32>>());
            assert_eq!(found, wanted, "{part}");
        }

        let mut resumed = fresh();
        let mut visit = Parts::load(parts.clone());
        resumed.model_parts("generator", &mut visit);
        visit.loaded().unwrap();
        assert_eq!([statistics(resumed.net().clone()), statistics(resumed.sampler())], [wanted.clone(), wanted]);
        assert_eq!(saved(&mut resumed), parts);
    }

    #[test]
    fn the_average_halves_its_memory_every_half_life_and_forgets_the_start_sooner() {
        assert!((average_decay(500, 1.0, 1_000_000).powi(2) - 0.5).abs() < 1e-12); // two steps of 500 images: 1 kimg
        assert!((average_decay(500, 1.0, 10_000) - 0.5).abs() < 1e-12); // a twentieth of 10,000 images
        assert_eq!(average_decay(500, 1.0, 0), 0.0);
        assert_eq!(average_decay(500, 0.0, 10_000), 0.0);
    }
}
