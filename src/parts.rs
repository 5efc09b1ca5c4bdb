//! The named parts of a recipe: what a checkpoint must hold, and where the first bad number is.

use std::any::Any;
use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Tensor, TensorData};

use crate::error::{Error, Result};

/// The tensors of one part by name, such as `layers.0.weight`.
pub type Tensors = BTreeMap<String, TensorData>;

/// The name of the part that holds the [`Model`](crate::model::Model), the half of a recipe one keeps.
pub const MODEL: &str = "model";

/// One layer's state in the last step: its weights before the update and its gradient, as sums of squares `[1]`.
#[derive(Clone, Debug)]
pub struct LayerHealth {
    /// The layer's path within its part, such as `layers.2.weight`.
    pub layer: String,
    /// Sum of the squared weights before the step's update.
    pub weight: Tensor<1>,
    /// Sum of the squared gradient.
    pub gradient: Tensor<1>,
    /// Of a parameter `[units]`, the share of units whose gradient is 0: no sample of the batch went through them.
    pub dead: Option<Tensor<1>>,
}

/// A visit to every part of a recipe, in the order of its step: to save, to load, or to look at its health.
pub struct Parts<'a> {
    visit: Visit<'a>,
}

/// A tensor to be saved, which is copied out of its network no sooner than it is read.
pub struct Saved {
    shape: Vec<usize>,
    dtype: DType,
    read: Box<dyn Fn() -> TensorData>,
}

impl Saved {
    fn of<const D: usize>(tensor: Tensor<D>) -> Self {
        let (shape, dtype) = (tensor.shape().to_vec(), tensor.dtype());
        Saved { shape, dtype, read: Box::new(move || tensor.to_data()) }
    }

    /// Its shape.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The type of its values.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// How long it is in bytes.
    pub fn bytes(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.size()
    }

    /// A copy of its values.
    pub fn read(&self) -> TensorData {
        (self.read)()
    }
}

impl From<TensorData> for Saved {
    fn from(data: TensorData) -> Self {
        Saved { shape: data.shape().to_vec(), dtype: data.dtype(), read: Box::new(move || data.clone()) }
    }
}

/// Takes one whole part, its tensors by name.
pub type Sink<'a> = &'a mut dyn FnMut(&str, &BTreeMap<String, Saved>) -> Result<()>;

enum Visit<'a> {
    Save { part: Option<(String, BTreeMap<String, Saved>)>, sink: Sink<'a>, result: Result<()> },
    Load { parts: BTreeMap<String, Tensors>, problem: Option<String> },
    Count(Vec<(String, usize)>),
    Health(&'a mut Vec<(String, LayerHealth)>),
    Sampler(&'a mut Option<Box<dyn Any>>),
}

impl<'a> Parts<'a> {
    /// A visit that hands every part to `sink`, which reads one tensor after the other, so that none but that one need be
    /// in memory twice; end it with [`Parts::saved`].
    pub fn save(sink: Sink<'a>) -> Self {
        Parts { visit: Visit::Save { part: None, sink, result: Ok(()) } }
    }

    /// A visit that puts `parts` back; end it with [`Parts::loaded`].
    pub fn load(parts: BTreeMap<String, Tensors>) -> Self {
        Parts { visit: Visit::Load { parts, problem: None } }
    }

    /// A visit that counts the parameters of every network; end it with [`Parts::counted`].
    pub fn count() -> Self {
        Parts { visit: Visit::Count(Vec::new()) }
    }

    /// A visit that collects every layer's health, in the order of the step, as (part, layer).
    pub fn health(into: &'a mut Vec<(String, LayerHealth)>) -> Self {
        Parts { visit: Visit::Health(into) }
    }

    /// A visit that takes a copy of the network to sample from.
    pub fn sampler(into: &'a mut Option<Box<dyn Any>>) -> Self {
        Parts { visit: Visit::Sampler(into) }
    }

    /// Ends a [`Parts::save`] visit: hands over the last part, and returns the first error of the sink.
    pub fn saved(self) -> Result<()> {
        match self.visit {
            Visit::Save { part: Some((name, tensors)), sink, result } => result.and_then(|()| sink(&name, &tensors)),
            Visit::Save { result, .. } => result,
            _ => Ok(()),
        }
    }

    /// Copies of all the parts that `visit` goes through.
    pub fn copies(visit: impl FnOnce(&mut Parts)) -> BTreeMap<String, Tensors> {
        let mut parts = BTreeMap::new();
        let mut sink = |part: &str, tensors: &BTreeMap<String, Saved>| {
            parts.insert(part.to_owned(), tensors.iter().map(|(name, saved)| (name.clone(), saved.read())).collect());
            Ok(())
        };
        let mut save = Parts::save(&mut sink);
        visit(&mut save);
        save.saved().map_or_else(|_| BTreeMap::new(), |()| parts) // the sink has no error
    }

    /// The tensors of the part being saved; those of the one before go to the sink.
    fn saving(&mut self, name: &str) -> Option<&mut BTreeMap<String, Saved>> {
        let Visit::Save { part, sink, result } = &mut self.visit else { return None };
        if part.as_ref().is_none_or(|(current, _)| current != name)
            && let Some((before, tensors)) = part.replace((name.to_owned(), BTreeMap::new()))
            && result.is_ok()
        {
            *result = sink(&before, &tensors);
        }
        part.as_mut().map(|(_, tensors)| tensors)
    }

    /// The number of parameters of every network a [`Parts::count`] visit met.
    pub fn counted(self) -> Vec<(String, usize)> {
        match self.visit {
            Visit::Count(counts) => counts,
            _ => Vec::new(),
        }
    }

    /// Ends a [`Parts::load`] visit; an error names the first tensor that was missing, of another shape, or unknown.
    pub fn loaded(self) -> Result<()> {
        let Visit::Load { parts, problem } = self.visit else { return Ok(()) };
        let left = parts.iter().find_map(|(part, left)| left.keys().next().map(|name| format!("{part}: {name}")));
        match problem.or(left.map(|name| format!("{name} is in the checkpoint and not in the recipe"))) {
            None => Ok(()),
            Some(problem) => Err(Error::input(format!(
                "the checkpoint does not fit the run's config.toml: {problem}; use the config it was trained with"
            ))),
        }
    }

    /// A network: its float parameters by path.
    pub fn module<M: Module>(&mut self, part: &str, module: &mut M) {
        if let Some(tensors) = self.saving(part) {
            return module.visit(&mut Collect { path: Vec::new(), tensors });
        }
        match &mut self.visit {
            Visit::Load { parts, problem } => {
                let mut none = Tensors::new();
                let tensors = parts.get_mut(part).unwrap_or(&mut none);
                let mut restore = Restore { part, path: Vec::new(), tensors, problem };
                *module = module.clone().map(&mut restore);
            }
            Visit::Save { .. } | Visit::Count(_) | Visit::Health(_) | Visit::Sampler(_) => {}
        }
    }

    /// One tensor that is no network's parameter: an optimizer's moment, a running mean.
    pub fn tensor<const D: usize>(&mut self, part: &str, name: &str, tensor: &mut Tensor<D>) {
        if let Some(tensors) = self.saving(part) {
            tensors.insert(name.to_owned(), Saved::of(tensor.clone()));
            return;
        }
        match &mut self.visit {
            Visit::Load { parts, problem } => {
                let like = (&*tensor.shape().to_vec(), tensor.dtype());
                if let Some(data) = take(parts.get_mut(part), problem, part, name, like) {
                    *tensor = Tensor::from_data(data, &tensor.device());
                }
            }
            Visit::Save { .. } | Visit::Count(_) | Visit::Health(_) | Visit::Sampler(_) => {}
        }
    }

    /// One whole number: a count of updates.
    pub fn number(&mut self, part: &str, name: &str, number: &mut u64) {
        if let Some(tensors) = self.saving(part) {
            tensors.insert(name.to_owned(), TensorData::new(vec![*number as i64], [1]).into());
            return;
        }
        match &mut self.visit {
            Visit::Load { parts, problem } => {
                let found = parts.get_mut(part).and_then(|tensors| tensors.remove(name));
                match found.as_ref().and_then(|data| data.as_slice::<i64>().ok()) {
                    Some([value]) => *number = *value as u64,
                    _ => miss(problem, format!("{part}: {name} is missing")),
                }
            }
            Visit::Save { .. } | Visit::Count(_) | Visit::Health(_) | Visit::Sampler(_) => {}
        }
    }

    /// A network in training, to be counted and looked after: its layers' health as of the last step.
    pub fn network<M: Module>(&mut self, part: &str, net: &M, layers: &[LayerHealth]) {
        match &mut self.visit {
            Visit::Count(counts) => counts.push((part.to_owned(), net.num_params())),
            Visit::Health(into) => into.extend(layers.iter().map(|layer| (part.to_owned(), layer.clone()))),
            Visit::Save { .. } | Visit::Load { .. } | Visit::Sampler(_) => {}
        }
    }

    /// Whether parts are saved: who must compute what is saved need not for other visits.
    pub fn is_save(&self) -> bool {
        matches!(self.visit, Visit::Save { .. })
    }

    /// The network to sample from, for who asks for it.
    pub fn model<M: 'static>(&mut self, sampler: impl FnOnce() -> M) {
        if let Visit::Sampler(into) = &mut self.visit {
            **into = Some(Box::new(sampler()));
        }
    }
}

fn miss(problem: &mut Option<String>, what: String) {
    problem.get_or_insert(what);
}

/// Takes the tensor called `name` out of a part when it has this shape and type.
fn take(
    tensors: Option<&mut Tensors>,
    problem: &mut Option<String>,
    part: &str,
    name: &str,
    (shape, dtype): (&[usize], DType),
) -> Option<TensorData> {
    let Some(data) = tensors.and_then(|tensors| tensors.remove(name)) else {
        miss(problem, format!("{part}: {name} is missing"));
        return None;
    };
    let given = data.shape().to_vec();
    if given != shape || data.dtype() != dtype {
        miss(problem, format!("{part}: {name} is {given:?} {:?}, not {shape:?} {dtype:?}", data.dtype()));
        return None;
    }
    Some(data)
}

struct Collect<'a> {
    path: Vec<String>,
    tensors: &'a mut BTreeMap<String, Saved>,
}

impl ModuleVisitor for Collect<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.tensors.insert(self.path.join("."), Saved::of(param.val()));
    }
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }
}

struct Restore<'a> {
    part: &'a str,
    path: Vec<String>,
    tensors: &'a mut Tensors,
    problem: &'a mut Option<String>,
}

impl ModuleMapper for Restore<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        // What is not drawn yet is not drawn now.
        let dtype = if param.is_initialized() { param.val().dtype() } else { DType::F32 };
        let shape = param.lazy_shape().to_vec();
        let found = take(Some(self.tensors), self.problem, self.part, &self.path.join("."), (&shape, dtype));
        let Some(data) = found else { return param };
        let (tensor, id) = (Tensor::from_data(data, &param.lazy_device()), param.id);
        param.transform_for_load(tensor, id)
    }
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }
}
