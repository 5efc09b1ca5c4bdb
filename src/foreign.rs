//! Files of networks that other programs made.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Tensor, TensorData};

use crate::error::{Error, Result};
use crate::ncnn::{self, Layer};
use crate::parts::Tensors;
use crate::pickle;
use crate::safetensors;

/// Levels of a name that a network's tensors may lie below.
const MOST_LEVELS: usize = 8;
/// Names that are listed one by one.
const MOST_LISTED: usize = 8;
/// Words in the name of an average of a network's weights over its training.
const AVERAGES: [&str; 7] = ["ema", "average", "averaged", "avg", "shadow", "swa", "polyak"];
/// What PyTorch calls a module's tensors. Those of one shape are told apart by it.
const ROLES: [&str; 4] = ["weight", "bias", "running_mean", "running_var"];
/// What batch norm counts and nobody needs.
const COUNT: &str = "num_batches_tracked";

/// A tensor that a network needs: what PyTorch's modules call it, and its sides.
pub type Wanted = (String, Vec<usize>);

type Reason<T> = std::result::Result<T, String>;

/// What a file holds, and what it says of it.
pub enum Foreign<'a> {
    /// The layers of ncnn's `.param` and `.bin`.
    Ncnn(Vec<Layer>),
    /// Tensors by name, as PyTorch's modules call them.
    StateDict(StateDict<'a>),
}

/// What of a file may be a network: all of it, or some of its tensors.
pub enum Candidate<'a> {
    /// The layers of ncnn's files.
    Layers(&'a [Layer]),
    /// Some tensors.
    Tensors(Part<'a>),
}

/// Tensors by name, none of which is read yet.
pub struct StateDict<'a> {
    tensors: Vec<Wanted>,
    others: Vec<String>,
    numbers: Numbers<'a>,
}

enum Numbers<'a> {
    Pickle(pickle::Contents<'a>),
    Safetensors(safetensors::Contents<'a>),
}

/// The tensors of a file whose names begin alike: a network beside its average, its optimizer and other networks.
pub struct Part<'a> {
    dict: &'a StateDict<'a>,
    /// How their names begin, with the dot at its end.
    within: String,
    which: Vec<usize>,
    /// Those that were read.
    taken: RefCell<Vec<usize>>,
}

/// A state dict's tensor of this name, which must have this shape; the reason why there is none completes "FILE cannot be
/// imported: ".
pub fn of_shape<'a>(tensors: &'a Tensors, name: &str, wanted: &[usize]) -> Reason<&'a TensorData> {
    let tensor = tensors.get(name).ok_or_else(|| format!("it has no {name}"))?;
    let found = tensor.shape().to_vec();
    if found == wanted { Ok(tensor) } else { Err(other_sides(name, &found, wanted)) }
}

fn other_sides(name: &str, found: &[usize], wanted: &[usize]) -> String {
    format!("its {name} is {found:?} and should be {wanted:?}")
}

/// A network with every parameter out of a state dict, by the name that `called` gives for its path; where that gives none, it
/// stays as it is. Reasons as in [`of_shape`].
pub fn filled<M: Module>(net: M, tensors: &Tensors, called: impl Fn(&str) -> Option<String>) -> Reason<M> {
    let mut fill = Fill { path: Vec::new(), tensors, called: &called, problem: None };
    let net = net.map(&mut fill);
    fill.problem.map_or(Ok(net), Err)
}

struct Fill<'a> {
    path: Vec<String>,
    tensors: &'a Tensors,
    called: &'a dyn Fn(&str) -> Option<String>,
    problem: Option<String>,
}

impl ModuleMapper for Fill<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(name) = (self.called)(&self.path.join(".")) else { return param };
        match of_shape(self.tensors, &name, &param.lazy_shape()) {
            Ok(data) => {
                let (tensor, id) = (Tensor::from_data(data.clone(), &param.lazy_device()), param.id);
                param.transform_for_load(tensor, id)
            }
            Err(problem) => {
                self.problem.get_or_insert(problem);
                param
            }
        }
    }
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }
}

impl<'a> Foreign<'a> {
    /// From bytes: `named` are files by name, a `.param` with its `.bin`, or one of PyTorch's or of safetensors. The reason
    /// completes "FILE cannot be imported: ".
    pub fn decode(named: &'a [(String, Vec<u8>)]) -> Reason<Self> {
        let ending = |wanted: &str| {
            let found = named.iter().find(|(name, _)| name.to_lowercase().ends_with(wanted));
            found.map(|(_, bytes)| bytes.as_slice())
        };
        if let (Some(param), Some(bin)) = (ending(".param"), ending(".bin")) {
            let param = std::str::from_utf8(param).map_err(|_| "its .param is no text")?;
            return ncnn::decode(param, bin).map(Foreign::Ncnn);
        }
        let [(_, bytes)] = named else { return Err("a .param goes with a .bin, and nothing else comes in two".into()) };
        let numbers = match pickle::is_pickled(bytes) {
            true => Numbers::Pickle(pickle::Contents::of(bytes)?),
            false => Numbers::Safetensors(safetensors::Contents::of(bytes).map_err(
                |_| "it is neither ncnn's (.param and .bin) nor what torch.save or safetensors make of a network",
            )?),
        };
        Ok(Foreign::StateDict(StateDict::of(numbers)))
    }

    /// The names and bytes of the files that belong to a path: to a `.param` its `.bin`, and the other way round.
    pub fn files(path: &Path) -> Result<Vec<(String, Vec<u8>)>> {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
        let paths = match ending.as_str() {
            "param" => vec![path.to_owned(), path.with_extension("bin")],
            "bin" if path.with_extension("param").is_file() => vec![path.with_extension("param"), path.to_owned()],
            _ => vec![path.to_owned()],
        };
        let read = |path: &std::path::PathBuf| {
            let bytes = std::fs::read(path).map_err(|error| Error::io("read the network", path, &error))?;
            Ok((path.file_name().unwrap_or_default().to_string_lossy().into_owned(), bytes))
        };
        paths.iter().map(read).collect()
    }

    /// The networks that it may hold, averages of weights first, then those that lie at the top.
    pub fn candidates(&self) -> Vec<Candidate<'_>> {
        match self {
            Foreign::Ncnn(layers) => vec![Candidate::Layers(layers)],
            Foreign::StateDict(dict) => dict.parts().into_iter().map(Candidate::Tensors).collect(),
        }
    }
}

impl<'a> StateDict<'a> {
    fn of(numbers: Numbers<'a>) -> Self {
        let owned = |(name, sides): (&str, &[usize])| (name.to_owned(), sides.to_vec());
        let (tensors, others) = match &numbers {
            Numbers::Pickle(contents) => (contents.tensors().map(owned).collect(), contents.others().to_vec()),
            Numbers::Safetensors(contents) => (contents.tensors().map(owned).collect(), Vec::new()),
        };
        StateDict { tensors, others, numbers }
    }

    /// Names and sides.
    pub fn tensors(&self) -> &[Wanted] {
        &self.tensors
    }

    /// All tensors, read. The reason completes "FILE cannot be imported: ".
    pub fn read(&self) -> Reason<Tensors> {
        let all = (0..self.tensors.len()).collect::<Vec<_>>();
        let names = self.tensors.iter().map(|(name, _)| name.clone());
        Ok(names.zip(self.numbers.read(&all)?).collect())
    }

    /// The tensors that begin alike, averages first, then the shortest beginnings.
    fn parts(&self) -> Vec<Part<'_>> {
        let (mut parts, mut known) = (Vec::<Part>::new(), HashMap::<&str, usize>::new());
        for (at, (name, _)) in self.tensors.iter().enumerate() {
            let dots = name.match_indices('.').map(|(dot, _)| dot + 1);
            for end in [0].into_iter().chain(dots).take(MOST_LEVELS) {
                let within = &name[..end];
                let part = *known.entry(within).or_insert_with(|| {
                    let (which, taken) = (Vec::new(), RefCell::default());
                    parts.push(Part { dict: self, within: within.to_owned(), which, taken });
                    parts.len() - 1
                });
                parts[part].which.push(at);
            }
        }
        parts.sort_by_key(|part| (!part.is_average(), part.within.matches('.').count()));
        parts
    }
}

impl Numbers<'_> {
    fn read(&self, which: &[usize]) -> Reason<Vec<TensorData>> {
        match self {
            Numbers::Pickle(contents) => contents.read(which),
            Numbers::Safetensors(contents) => contents.read(which),
        }
    }

    /// Whether the tensors are in the order in which the network has its modules.
    fn keep_order(&self) -> bool {
        matches!(self, Numbers::Pickle(_))
    }
}

impl Part<'_> {
    /// What they are called together; empty for the whole file.
    pub fn name(&self) -> &str {
        self.within.trim_end_matches('.')
    }

    /// Whether the name is that of an average of weights.
    pub fn is_average(&self) -> bool {
        let lower = self.within.to_lowercase();
        lower.split(|c: char| !c.is_alphanumeric()).any(|word| AVERAGES.contains(&word))
    }

    /// Names, without how all of them begin, and sides.
    pub fn sides(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.which.iter().map(|at| {
            let (name, sides) = &self.dict.tensors[*at];
            (&name[self.within.len()..], sides.as_slice())
        })
    }

    /// The tensors that a network needs, under the names by which it wants them: those of these names, or else those that are as
    /// many of each shape, in the order of the file. The reason completes "FILE cannot be imported: ".
    pub fn tensors(&self, wanted: &[Wanted]) -> Reason<Tensors> {
        let which = self.by_name(wanted).or_else(|by_name| {
            self.by_shape(wanted).map_err(|by_shape| by_name.unwrap_or(by_shape)) // names say more where they are known
        })?;
        let tensors = self.dict.numbers.read(&which)?;
        self.taken.borrow_mut().extend(&which);
        Ok(wanted.iter().map(|(name, _)| name.clone()).zip(tensors).collect())
    }

    /// The reason is none where most names are others.
    fn by_name(&self, wanted: &[Wanted]) -> std::result::Result<Vec<usize>, Option<String>> {
        let known = self.sides().zip(&self.which).map(|((name, sides), at)| (name, (sides, *at)));
        let known = known.collect::<HashMap<_, _>>();
        let there = wanted.iter().filter(|(name, _)| known.contains_key(name.as_str())).count();
        let find = |(name, wanted): &Wanted| match known.get(name.as_str()) {
            Some((sides, at)) if *sides == wanted.as_slice() => Ok(*at),
            Some((sides, _)) => Err(other_sides(name, sides, wanted)),
            None => Err(format!("it has no {name}")),
        };
        let found = wanted.iter().map(find).collect::<Reason<Vec<_>>>();
        found.map_err(|reason| (2 * there >= wanted.len()).then_some(reason))
    }

    fn by_shape(&self, wanted: &[Wanted]) -> Reason<Vec<usize>> {
        let given = self.sides().zip(&self.which).map(|((name, sides), at)| (name, sides, *at));
        let given = given.filter(|(name, ..)| role(name) != COUNT).collect::<Vec<_>>();
        let are_told = given.iter().all(|(name, ..)| ROLES.contains(&role(name)));
        let mut groups = grouped(&given, are_told);
        for group in groups.values_mut().filter(|group| group.len() > 1 && !self.dict.numbers.keep_order()) {
            let pattern = |name: &str| name.replace(|c: char| c.is_ascii_digit(), "");
            if let Some((other, _)) = group.iter().find(|(name, _)| pattern(name) != pattern(group[0].0)) {
                return Err(format!(
                    "nothing says which comes first, its {} or its {other}; safetensors keeps no order, so give the .pth",
                    group[0].0
                ));
            }
            group.sort_by_key(|(name, _)| numbers(name));
        }
        let wanted = wanted.iter().enumerate().map(|(i, (name, sides))| (name.as_str(), sides.as_slice(), i));
        let wanted = wanted.collect::<Vec<_>>();
        let needed = grouped(&wanted, are_told);
        if let Some((_, more)) = groups.iter().find(|(kind, _)| !needed.contains_key(kind)) {
            return Err(format!("its {} has no place in this kind of network", more[0].0));
        }
        let mut which = vec![0; wanted.len()];
        for (kind, needed) in needed {
            let found = groups.get(&kind).map(Vec::as_slice).unwrap_or_default();
            if found.len() != needed.len() {
                let (role, found, needed) = (kind.0.unwrap_or("tensor"), found.len(), needed.len());
                return Err(format!(
                    "it has {found} times a {role} of {:?}, and this kind of network has {needed}",
                    kind.2
                ));
            }
            needed.iter().zip(found).for_each(|((_, wanted), (_, at))| which[*wanted] = *at);
        }
        Ok(which)
    }

    /// What of the file was not taken for the network: names, and of what lies together how many tensors. The first list is
    /// of networks like the one that was taken.
    pub fn left(&self) -> [Vec<String>; 2] {
        let like =
            self.dict.parts().into_iter().filter(|part| part.within != self.within && part.sides().eq(self.sides()));
        let like = like.map(|part| part.name().to_owned()).collect::<Vec<_>>();
        let taken = self.taken.borrow();
        let mut groups = Vec::<(String, usize)>::new();
        for (at, (name, _)) in self.dict.tensors.iter().enumerate() {
            if taken.contains(&at) || role(name) == COUNT {
                continue;
            }
            let group = self.beside(name);
            match groups.iter_mut().find(|(known, _)| *known == group) {
                Some((_, count)) => *count += 1,
                None => groups.push((group, 1)),
            }
        }
        let groups = groups.into_iter().filter(|(name, _)| !like.contains(name));
        let said = groups.map(|(name, count)| if count == 1 { name } else { format!("{name} ({count} tensors)") });
        let mut left = said.chain(self.dict.others.iter().cloned()).collect::<Vec<_>>();
        if left.len() > MOST_LISTED + 1 {
            let more = left.split_off(MOST_LISTED).len();
            left.push(format!("{more} more"));
        }
        [like, left]
    }

    /// What a tensor belongs to that was not taken: its own name within the network, else the first key on the way to it that is
    /// not on the way to the network.
    fn beside(&self, name: &str) -> String {
        if name.starts_with(&self.within) && !self.within.is_empty() {
            return name.to_owned();
        }
        let common = name.split('.').zip(self.within.split('.')).take_while(|(a, b)| a == b).count();
        name.split('.').take(common + 1).collect::<Vec<_>>().join(".")
    }
}

/// What tells tensors of a network apart beside their order: what they are called, how many axes the weight beside them has (a
/// convolution's bias and a norm's may have one shape), and their sides.
type Kind<'a> = (Option<&'a str>, usize, &'a [usize]);

/// Tensors, each with its name, its sides and its place, by kind; without names, by their sides alone.
fn grouped<'a>(tensors: &[(&'a str, &'a [usize], usize)], are_told: bool) -> BTreeMap<Kind<'a>, Vec<(&'a str, usize)>> {
    let weights = tensors.iter().filter(|(name, ..)| role(name) == ROLES[0]);
    let axes = weights.map(|(name, sides, _)| (module(name), sides.len())).collect::<HashMap<_, _>>();
    let mut groups = BTreeMap::<Kind, Vec<(&str, usize)>>::new();
    for (name, sides, at) in tensors {
        let kind = match are_told {
            true => (Some(role(name)), axes.get(module(name)).copied().unwrap_or(0), *sides),
            false => (None, 0, *sides),
        };
        groups.entry(kind).or_default().push((name, *at));
    }
    groups
}

/// A name without its last word.
fn module(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(module, _)| module)
}

/// The last word of a name.
fn role(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// The numbers in a name.
fn numbers(name: &str) -> Vec<u64> {
    let digits = name.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
    digits.map(|digits| digits.parse().unwrap_or(u64::MAX)).collect()
}

#[cfg(test)]
mod tests;
