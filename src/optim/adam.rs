//! Adam (Kingma and Ba 2015, algorithm 1), with an exponential moving average of the weights in the same pass.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Device, Gradients, Tensor, TensorData};
use ganvas_kernels::{AdamConstants, adam};

use crate::parts::{LayerHealth, Parts};

/// Adam's constants; the learning rate is given at every step.
#[derive(Clone, Copy, Debug)]
pub struct AdamConfig {
    /// β1, the decay of the first moment.
    pub beta1: f64,
    /// β2, the decay of the second moment.
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

/// The state of Adam for one network, and the moving average of the network's weights when one is kept.
///
/// Every tensor of the state is flat and in the order of the network's parameters.
#[derive(Debug)]
pub struct Adam {
    config: AdamConfig,
    updates: u64,
    slots: Vec<Slot>,
}

/// The state beside one parameter, each tensor flat: `[parameter's element count]`.
#[derive(Debug)]
struct Slot {
    name: String,
    first: Tensor<1>,
    second: Tensor<1>,
    average: Option<Tensor<1>>,
}

impl Adam {
    /// Zero moments for every parameter of `net`; with `averaged` also a copy of the weights, the average's start.
    pub fn new<M: Module>(net: &M, config: AdamConfig, averaged: bool) -> Self {
        let mut slots = Slots { path: Vec::new(), averaged, slots: Vec::new() };
        net.visit(&mut slots);
        Adam { config, updates: 0, slots: slots.slots }
    }

    /// Sets β2 for the steps to come; the bias correction is that of the present β2, as in PyTorch.
    pub fn set_beta2(&mut self, beta2: f64) {
        self.config.beta2 = beta2;
    }

    /// One update of `net` along `gradients` with the given learning rate; the moving average, when kept, becomes
    /// `average_decay`·average + (1 - `average_decay`)·weights. A parameter without a gradient stays as it is, and its
    /// average becomes a copy.
    ///
    /// Returns the updated network and every layer's health.
    pub fn step<M: Module>(
        &mut self,
        net: M,
        mut gradients: Vec<Gradients>,
        rate: f64,
        average_decay: f64,
    ) -> (M, Vec<LayerHealth>) {
        self.updates += 1;
        let AdamConfig { beta1, beta2, epsilon } = self.config;
        let updates = self.updates.min(i32::MAX as u64) as i32;
        let constants = AdamConstants {
            beta1,
            beta2,
            epsilon,
            rate: rate / (1.0 - beta1.powi(updates)),
            second_scale: 1.0 / (1.0 - beta2.powi(updates)).sqrt(),
            average_decay,
        };
        let mut update =
            Update { slots: self.slots.iter_mut(), gradients: &mut gradients, constants, health: Vec::new() };
        let net = net.map(&mut update);
        (net, update.health)
    }

    /// The moving average as a network like `net`, off the autodiff graph; `net` itself when none is kept.
    pub fn averaged<M: Module>(&self, net: &M) -> M {
        net.valid().map(&mut Averages { slots: self.slots.iter() })
    }

    /// Names the moments and the count of updates, and not the average, which belongs to the model.
    pub fn parts(&mut self, part: &str, visit: &mut Parts) {
        // Two parts, because a checkpoint is written part by part and has each in memory twice meanwhile.
        let (first, second) = (format!("{part}.first"), format!("{part}.second"));
        visit.number(&first, "updates", &mut self.updates);
        self.slots.iter_mut().for_each(|slot| visit.tensor(&first, &slot.name, &mut slot.first));
        self.slots.iter_mut().for_each(|slot| visit.tensor(&second, &slot.name, &mut slot.second));
    }

    /// Names the moving average's tensors as the networks' own parameters are named.
    pub fn average_parts<M: Module>(&mut self, part: &str, net: &M, visit: &mut Parts) {
        let mut average = self.averaged(net);
        visit.module(part, &mut average);
        average.visit(&mut Adopt { slots: self.slots.iter_mut() });
    }
}

struct Slots {
    path: Vec<String>,
    averaged: bool,
    slots: Vec<Slot>,
}

impl ModuleVisitor for Slots {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val().without_autodiff();
        let count = value.shape().num_elements();
        let zeros = Tensor::zeros([count], (&value.device(), value.dtype()));
        // The average must not share the weights' buffer: a shared buffer is copied at every update.
        let average = self.averaged.then(|| value.reshape([count]) + zeros.clone());
        self.slots.push(Slot { name: self.path.join("."), first: zeros.clone() * 1.0, second: zeros, average });
    }
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }
}

struct Update<'a> {
    slots: std::slice::IterMut<'a, Slot>,
    gradients: &'a mut [Gradients],
    constants: AdamConstants,
    health: Vec<LayerHealth>,
}

impl ModuleMapper for Update<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(slot) = self.slots.next() else { return param };
        let weight = param.val();
        let parts = self.gradients.iter_mut().filter_map(|gradients| weight.grad_remove(gradients));
        let gradient = parts.reduce(|sum, part| sum + part);
        let Some(gradient) = gradient else {
            if let Some(average) = &mut slot.average {
                *average = weight.without_autodiff().reshape(average.dims()) * 1.0; // running statistics, and what is frozen
            }
            return param;
        };
        drop(weight); // else its buffer is shared, and copied
        let (id, weight, mapper) = param.consume();
        let (shape, device) = (weight.dims(), weight.device());
        let (autodiff, required) = (weight.is_autodiff(), weight.is_require_grad());
        let count = shape.iter().product::<usize>();
        let weight = weight.without_autodiff().reshape([count]);
        let gradient = gradient.without_autodiff().reshape([count]);

        let on_cpu = weight.dtype() == DType::F32 && device.without_autodiff() == Device::flex();
        let pass = if on_cpu { one_pass } else { plain_pass };
        let (weight, [weight_squares, gradient_squares]) = pass(weight, gradient, slot, &self.constants);

        self.health.push(LayerHealth { layer: slot.name.clone(), weight: weight_squares, gradient: gradient_squares });
        let weight = weight.reshape(shape);
        let weight = if autodiff { weight.autodiff().set_require_grad(required) } else { weight };
        Param::from_mapped_value(id, weight, mapper)
    }
}

/// Algorithm 1 in tensor operations: the plain twin, and what every device but the CPU runs.
/// Returns the new weights and the sums of squares of the old weights and the gradient.
fn plain_pass(
    weight: Tensor<1>,
    gradient: Tensor<1>,
    slot: &mut Slot,
    c: &AdamConstants,
) -> (Tensor<1>, [Tensor<1>; 2]) {
    let squares = [weight.clone().square().sum(), gradient.clone().square().sum()];
    slot.first = slot.first.clone() * c.beta1 + gradient.clone() * (1.0 - c.beta1);
    slot.second = slot.second.clone() * c.beta2 + gradient.square() * (1.0 - c.beta2);
    let root = slot.second.clone().sqrt() * c.second_scale + c.epsilon;
    let weight = weight - slot.first.clone() * c.rate / root;
    if let Some(average) = &mut slot.average {
        *average = average.clone() * c.average_decay + weight.clone() * (1.0 - c.average_decay);
    }
    (weight, squares)
}

/// The same in one pass over memory, for f32 on the CPU.
fn one_pass(weight: Tensor<1>, gradient: Tensor<1>, slot: &mut Slot, c: &AdamConstants) -> (Tensor<1>, [Tensor<1>; 2]) {
    let device = weight.device();
    let mut weight = weight.into_data();
    let mut gradient = gradient.into_data();
    let mut first = take(&mut slot.first);
    let mut second = take(&mut slot.second);
    let mut average = slot.average.as_mut().map(take);

    let [weights, gradients] = adam(
        floats(&mut weight),
        floats(&mut gradient),
        floats(&mut first),
        floats(&mut second),
        average.as_mut().map(floats),
        c,
    );
    slot.first = Tensor::from_data(first, &device);
    slot.second = Tensor::from_data(second, &device);
    slot.average = average.map(|average| Tensor::from_data(average, &device));
    let scalar = |value: f64| Tensor::from_data([value as f32], &device);
    (Tensor::from_data(weight, &device), [scalar(weights), scalar(gradients)])
}

/// The tensor's buffer, without a copy where nobody else holds it.
fn take(tensor: &mut Tensor<1>) -> TensorData {
    let device = tensor.device();
    std::mem::replace(tensor, Tensor::empty([0], &device)).into_data()
}

/// The buffer as f32; [`Update`] lets nothing else come here.
fn floats(data: &mut TensorData) -> &mut [f32] {
    data.as_mut_slice::<f32>().unwrap_or_default()
}

struct Averages<'a> {
    slots: std::slice::Iter<'a, Slot>,
}

impl ModuleMapper for Averages<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(average) = self.slots.next().and_then(|slot| slot.average.clone()) else { return param };
        param.map(|weight| average.reshape(weight.dims()))
    }
}

struct Adopt<'a> {
    slots: std::slice::IterMut<'a, Slot>,
}

impl ModuleVisitor for Adopt<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(Slot { average: Some(average), .. }) = self.slots.next() {
            *average = param.val().reshape([average.dims()[0]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn tensor(values: &[f32]) -> Tensor<1> {
        Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), &Device::flex())
    }

    fn values(tensor: Tensor<1>) -> Vec<f32> {
        tensor.into_data().iter::<f32>().collect()
    }

    fn slot(like: &Tensor<1>) -> Slot {
        let zeros = || like.clone() * 0.0;
        Slot { name: "w".into(), first: zeros(), second: zeros(), average: Some(like.clone() * 1.0) }
    }

    fn constants(t: i32, rate: f64) -> AdamConstants {
        let (beta1, beta2) = (0.5_f64, 0.999_f64);
        let second_scale = 1.0 / (1.0 - beta2.powi(t)).sqrt();
        let rate = rate / (1.0 - beta1.powi(t));
        AdamConstants { beta1, beta2, epsilon: 1e-8, rate, second_scale, average_decay: 0.9 }
    }

    type Pass = fn(Tensor<1>, Tensor<1>, &mut Slot, &AdamConstants) -> (Tensor<1>, [Tensor<1>; 2]);

    #[test]
    fn ten_steps_of_adam_are_pytorchs() {
        // Made by tests/golden/make.py.
        let golden = serde_json::from_str::<Value>(include_str!("../../tests/golden/mnist.json")).unwrap();
        let golden = |key: &str| -> Vec<f32> {
            golden["adam"][key].as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
        };
        for pass in [plain_pass as Pass, one_pass] {
            let mut weight = tensor(&golden("start"));
            let mut slot = slot(&weight);
            for t in 1..=10 {
                let gradient = (1..=5).map(|i| (f64::from(t) * f64::from(i)).sin() as f32).collect::<Vec<_>>();
                (weight, _) = pass(weight, tensor(&gradient), &mut slot, &constants(t, 0.01));
                if let Some(wanted) = [(1, "after_1"), (10, "after_10")].iter().find(|(at, _)| *at == t) {
                    let found = values(weight.clone());
                    let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-6;
                    assert!(found.iter().zip(&golden(wanted.1)).all(near), "step {t}: {found:?}");
                }
            }
        }
    }

    #[test]
    fn one_pass_over_memory_and_the_plain_operations_agree() {
        let n = 40_077; // several tasks and a ragged end
        let wave = |rate: f64| (0..n).map(|i| (rate * i as f64).sin() as f32).collect::<Vec<f32>>();
        let (mut plain, mut fused) = (tensor(&wave(0.1)), tensor(&wave(0.1)));
        let (mut plain_slot, mut fused_slot) = (slot(&plain), slot(&fused));
        for t in 1..=3 {
            let gradient = wave(0.3 * f64::from(t));
            let (a, [plain_w, plain_g]) = plain_pass(plain, tensor(&gradient), &mut plain_slot, &constants(t, 1e-3));
            let (b, [fused_w, fused_g]) = one_pass(fused, tensor(&gradient), &mut fused_slot, &constants(t, 1e-3));
            for (a, b) in [(plain_w, fused_w), (plain_g, fused_g)] {
                let (a, b) = (a.into_scalar::<f64>(), b.into_scalar::<f64>());
                assert!((a / b - 1.0).abs() < 1e-5, "sums of squares {a} and {b}");
            }
            (plain, fused) = (a, b);
        }
        let average = |slot: &Slot| values(slot.average.clone().unwrap());
        let pairs = [
            (values(plain), values(fused)),
            (values(plain_slot.first.clone()), values(fused_slot.first.clone())),
            (values(plain_slot.second.clone()), values(fused_slot.second.clone())),
            (average(&plain_slot), average(&fused_slot)),
        ];
        for (name, (a, b)) in ["weight", "first", "second", "average"].iter().zip(pairs) {
            let worst = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-6, "{name} differs by {worst}");
        }
    }
}
