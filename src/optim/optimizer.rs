//! What every optimizer does: it goes through a network's parameters, moves each along its gradient by a rule, and keeps
//! an exponential moving average of the weights in the same pass.

use std::fmt::Debug;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Gradients, Tensor, TensorData};

use crate::device;
use crate::parts::{LayerHealth, Parts};

/// How a parameter follows its gradient: an optimizer's constants, which may change from step to step.
pub trait Rule: Debug {
    /// The rule's name in a checkpoint.
    const NAME: &'static str;
    /// The names of what is kept beside a parameter, in the order of [`Rule::Kept`].
    const KEPT: &'static [&'static str];
    /// What is kept beside a parameter, each tensor flat: `[parameter's element count]`.
    type Kept: AsMut<[Tensor<1>]> + Debug;

    /// What is kept at the start, of the zeros given.
    fn kept(zeros: impl FnMut(usize) -> Tensor<1>) -> Self::Kept;

    /// One update of one parameter, flat, and of what is beside it.
    ///
    /// Returns the new weights and the sums of squares `[1]` of the old weights and of the gradient.
    fn pass(
        &self,
        weight: Tensor<1>,
        gradient: Tensor<1>,
        slot: &mut Slot<Self::Kept>,
        update: &Update,
    ) -> (Tensor<1>, [Tensor<1>; 2]);
}

/// One update of all parameters.
#[derive(Clone, Copy, Debug)]
pub struct Update {
    /// Its number, from 1.
    pub number: u64,
    /// The learning rate.
    pub rate: f64,
    /// The share of the old average to keep.
    pub average_decay: f64,
    /// Whether the tensors are f32 on the CPU, where slices can be had of them.
    pub on_cpu: bool,
}

/// What is beside one parameter, each tensor flat.
#[derive(Debug)]
pub struct Slot<K> {
    /// The parameter's path in its network.
    pub name: String,
    /// What the rule keeps.
    pub kept: K,
    /// The moving average of the weights, when one is kept.
    pub average: Option<Tensor<1>>,
}

/// A rule with its state for one network, and the moving average of the network's weights when one is kept.
///
/// Every tensor of the state is flat and in the order of the network's parameters.
#[derive(Debug)]
pub struct Optimizer<R: Rule> {
    pub(super) rule: R,
    updates: u64,
    slots: Vec<Slot<R::Kept>>,
}

impl<R: Rule> Optimizer<R> {
    /// A fresh state for every parameter of `net`; with `averaged` also a copy of the weights, the average's start.
    pub fn new<M: Module>(net: &M, rule: R, averaged: bool) -> Self {
        let mut slots = Slots::<R> { path: Vec::new(), averaged, slots: Vec::new() };
        net.visit(&mut slots);
        Optimizer { rule, updates: 0, slots: slots.slots }
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
        let update = Update { number: self.updates, rate, average_decay, on_cpu: false };
        let mut walk = Walk {
            rule: &self.rule,
            slots: self.slots.iter_mut(),
            gradients: &mut gradients,
            update,
            health: Vec::new(),
        };
        let net = net.map(&mut walk);
        (net, walk.health)
    }

    /// The moving average as a network like `net`, off the autodiff graph; `net` itself when none is kept.
    pub fn averaged<M: Module>(&self, net: &M) -> M {
        net.valid().map(&mut Averages { slots: self.slots.iter() })
    }

    /// Names the rule's state and the count of updates, and not the average, which belongs to the model.
    pub fn parts(&mut self, part: &str, visit: &mut Parts) {
        // A part for each name, because a checkpoint is written part by part and has each in memory twice meanwhile.
        for (i, kept) in R::KEPT.iter().enumerate() {
            let part = format!("{part}.{}.{kept}", R::NAME);
            if i == 0 {
                visit.number(&part, "updates", &mut self.updates);
            }
            self.slots.iter_mut().for_each(|slot| visit.tensor(&part, &slot.name, &mut slot.kept.as_mut()[i]));
        }
    }

    /// Names the moving average's tensors as the networks' own parameters are named; what is saved is what `settled` makes of it.
    pub fn average_parts<M: Module>(&mut self, part: &str, net: &M, visit: &mut Parts, settled: impl FnOnce(M) -> M) {
        let average = self.averaged(net);
        let mut average = if visit.is_save() { settled(average) } else { average };
        visit.module(part, &mut average);
        average.visit(&mut Adopt { slots: self.slots.iter_mut() });
    }
}

struct Slots<R: Rule> {
    path: Vec<String>,
    averaged: bool,
    slots: Vec<Slot<R::Kept>>,
}

impl<R: Rule> ModuleVisitor for Slots<R> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val().without_autodiff();
        let count = value.shape().num_elements();
        let zeros = Tensor::zeros([count], (&value.device(), value.dtype()));
        // Nothing kept may share a buffer, the weights' or each other's: a shared buffer is copied at every update.
        let average = self.averaged.then(|| value.reshape([count]) + zeros.clone());
        let kept = R::kept(|_| zeros.clone() * 1.0);
        self.slots.push(Slot { name: self.path.join("."), kept, average });
    }
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }
}

struct Walk<'a, R: Rule> {
    rule: &'a R,
    slots: std::slice::IterMut<'a, Slot<R::Kept>>,
    gradients: &'a mut [Gradients],
    update: Update,
    health: Vec<LayerHealth>,
}

impl<R: Rule> ModuleMapper for Walk<'_, R> {
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
        let shape = weight.dims();
        let (autodiff, required) = (weight.is_autodiff(), weight.is_require_grad());
        let count = shape.iter().product::<usize>();
        let weight = weight.without_autodiff().reshape([count]);
        let gradient = gradient.without_autodiff().reshape([count]);

        let dead = (D == 1).then(|| gradient.clone().equal_elem(0.0).float().mean());
        let on_cpu = weight.dtype() == DType::F32 && device::is_cpu(&weight.device());
        let update = Update { on_cpu, ..self.update };
        let (weight, [weight_squares, gradient_squares]) = self.rule.pass(weight, gradient, slot, &update);

        let layer = slot.name.clone();
        self.health.push(LayerHealth { layer, weight: weight_squares, gradient: gradient_squares, dead });
        let weight = weight.reshape(shape);
        let weight = if autodiff { weight.autodiff().set_require_grad(required) } else { weight };
        Param::from_mapped_value(id, weight, mapper)
    }
}

/// The tensor's buffer, without a copy where nobody else holds it.
pub(super) fn take(tensor: &mut Tensor<1>) -> TensorData {
    let device = tensor.device();
    std::mem::replace(tensor, Tensor::empty([0], &device)).into_data()
}

/// The buffer as f32; nothing else is given to a rule with [`Update::on_cpu`].
pub(super) fn floats(data: &mut TensorData) -> &mut [f32] {
    data.as_mut_slice::<f32>().unwrap_or_default()
}

struct Averages<'a, K> {
    slots: std::slice::Iter<'a, Slot<K>>,
}

impl<K> ModuleMapper for Averages<'_, K> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(average) = self.slots.next().and_then(|slot| slot.average.clone()) else { return param };
        param.map(|weight| average.reshape(weight.dims()))
    }
}

struct Adopt<'a, K> {
    slots: std::slice::IterMut<'a, Slot<K>>,
}

impl<K> ModuleVisitor for Adopt<'_, K> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(Slot { average: Some(average), .. }) = self.slots.next() {
            *average = param.val().reshape([average.dims()[0]]);
        }
    }
}
