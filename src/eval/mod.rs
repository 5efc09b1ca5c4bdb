//! Metrics: numbers that say how near generated samples come to real ones, each with its interval.

mod against;
mod answers;
pub mod classes;
pub mod digits;
mod distances;
pub mod estimate;
mod extractor;
pub mod features;
pub mod fidelity;
pub mod frechet;
pub mod inception;
pub mod inception_score;
pub mod kernel;
mod metric;
pub mod modes;
pub mod music;
pub mod neighbours;
mod numpy;
mod panel;
pub mod parzen;
mod passport;
pub mod path_length;
mod pictures;
mod subject;

pub use against::{Against, of_features, of_model, of_music, of_pairs};
pub use answers::{Answers, answered_music, group, of_asked, wanted_music};
pub use estimate::Estimate;
pub use extractor::{Extractor, Network, Seen};
pub use features::Features;
pub use metric::{METRICS, Measure, Metric, On, metric, usual};
pub use panel::panel;
pub use passport::{By, Drawn, Passport, Side, differences, table};
pub use pictures::{Music, Part, Pictures, drawn};
pub use subject::Subject;

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

impl Like {
    /// The name in passports and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Like::TorchFidelity => "torch-fidelity",
            Like::CleanFid => "clean-fid",
            Like::Nvidia => "nvidia",
            Like::StudioGan => "studiogan",
        }
    }
}
