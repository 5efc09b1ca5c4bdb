//! Metrics: numbers that say how near generated samples come to real ones, each with its interval.

pub mod classes;
pub mod digits;
mod distances;
pub mod estimate;
mod extractor;
pub mod features;
pub mod fidelity;
pub mod frechet;
pub mod inception_score;
pub mod kernel;
mod metric;
pub mod neighbours;
mod numpy;
pub mod parzen;
mod pictures;

pub use estimate::Estimate;
pub use extractor::{Extractor, Network, Seen};
pub use features::Features;
pub use metric::{By, METRICS, Metric, Passport, Side, metric};
pub use pictures::{Part, Pictures};

/// A tool whose numbers are reproduced to its own rounding and random draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Like {
    /// torch-fidelity.
    TorchFidelity,
    /// clean-fid.
    CleanFid,
    /// The metrics of NVIDIA's StyleGAN repositories.
    Nvidia,
    /// PyTorch-StudioGAN.
    #[serde(rename = "studiogan")]
    StudioGan,
}
