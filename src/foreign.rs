//! Files of networks that other programs made.

use std::path::Path;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Tensor, TensorData};

use crate::error::{Error, Result};
use crate::ncnn::{self, Layer};
use crate::parts::Tensors;
use crate::pickle;
use crate::safetensors;

/// The numbers of a network, and what its file says of it.
pub enum Foreign {
    /// The layers of ncnn's `.param` and `.bin`.
    Ncnn(Vec<Layer>),
    /// Tensors by name, as PyTorch's modules call them.
    StateDict(Tensors),
}

/// A state dict's tensor of this name, which must have this shape; the reason why there is none completes "FILE cannot be
/// imported: ".
pub fn of_shape<'a>(tensors: &'a Tensors, name: &str, wanted: &[usize]) -> std::result::Result<&'a TensorData, String> {
    let tensor = tensors.get(name).ok_or_else(|| format!("it has no {name}"))?;
    let found = tensor.shape().to_vec();
    if found == wanted { Ok(tensor) } else { Err(format!("its {name} is {found:?} and should be {wanted:?}")) }
}

/// A network with every parameter out of a state dict, by the name that `called` gives for its path; where that gives none, it
/// stays as it is. Reasons as in [`of_shape`].
pub fn filled<M: Module>(
    net: M,
    tensors: &Tensors,
    called: impl Fn(&str) -> Option<String>,
) -> std::result::Result<M, String> {
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
        match of_shape(self.tensors, &name, &param.dims()) {
            Ok(data) => {
                param.map(|old| Tensor::from_data(data.clone(), &old.device()).set_require_grad(old.is_require_grad()))
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

impl Foreign {
    /// From bytes: `named` are files by name, a `.param` with its `.bin`, or one of PyTorch's or of safetensors. The reason
    /// completes "FILE cannot be imported: ".
    pub fn decode(named: &[(String, Vec<u8>)]) -> std::result::Result<Self, String> {
        let ending = |wanted: &str| {
            let found = named.iter().find(|(name, _)| name.to_lowercase().ends_with(wanted));
            found.map(|(_, bytes)| bytes.as_slice())
        };
        if let (Some(param), Some(bin)) = (ending(".param"), ending(".bin")) {
            let param = std::str::from_utf8(param).map_err(|_| "its .param is no text")?;
            return ncnn::decode(param, bin).map(Foreign::Ncnn);
        }
        let [(_, bytes)] = named else { return Err("a .param goes with a .bin, and nothing else comes in two".into()) };
        if pickle::is_pickled(bytes) {
            return pickle::decode(bytes).map(Foreign::StateDict);
        }
        safetensors::decode(bytes).map(Foreign::StateDict).map_err(|_| {
            "it is neither ncnn's (.param and .bin) nor what torch.save or safetensors make of a state dict".into()
        })
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
}
