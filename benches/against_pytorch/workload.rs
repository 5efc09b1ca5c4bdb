//! The workloads, each a step that both sides can take, and what both must agree on before the clock counts.

use crate::{dcgan, enlarge, frechet, mlp, modulated, product, r1, rrdb};

/// One thing to measure.
pub struct Workload {
    /// Its name on the command line and in torch_side.py.
    pub name: &'static str,
    /// What a step is, for the table.
    pub title: &'static str,
    /// 10⁹ floating-point operations that a step needs.
    pub gflop: fn() -> f64,
    /// Makes with this Python what the sides want before they start; or why it cannot.
    pub prepare: fn(&str) -> Result<(), String>,
    /// PyTorch's ways to do it.
    pub rivals: &'static [Rival],
    /// ncnn's.
    pub ncnn: &'static [Rival],
    /// The numbers both sides must reproduce; where it has none, those of our side.
    pub wanted: fn() -> Numbers,
    /// How far two sides' numbers may lie apart, relative to the wanted one.
    pub tolerance: f64,
    /// Our side.
    pub open: fn() -> Opened,
}

/// One of PyTorch's or ncnn's ways to do a workload.
pub struct Rival {
    pub title: &'static str,
    /// Arguments of torch_side.py or ncnn_side.py.
    pub arguments: &'static [&'static str],
}

/// Results by name.
pub type Numbers = Vec<(String, f64)>;

/// Our side of a workload, ready to run.
pub struct Opened {
    /// What the same tensors give on both sides.
    pub numbers: Numbers,
    pub step: Box<dyn FnMut()>,
}

pub const WORKLOADS: &[Workload] = &[
    mlp::WORKLOAD,
    dcgan::WORKLOAD,
    r1::WORKLOAD,
    rrdb::WORKLOAD,
    modulated::WORKLOAD,
    product::WORKLOAD,
    frechet::WORKLOAD,
    enlarge::TILE,
    enlarge::PHOTOGRAPH,
];

/// Those that need more than a Python with torch, and run only when named.
pub const WHEN_NAMED: [&str; 3] = [frechet::WORKLOAD.name, enlarge::TILE.name, enlarge::PHOTOGRAPH.name];

/// Named results, for [`Opened::numbers`].
pub fn numbers<const N: usize>(pairs: [(&str, f64); N]) -> Numbers {
    pairs.map(|(name, value)| (name.to_owned(), value)).into()
}
