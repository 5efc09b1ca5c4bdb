//! Ganvas trains, watches and uses generative adversarial networks (GANs), offline, on a laptop's CPU.
//!
//! Train a GAN and sample from it:
//!
//! ```
//! use std::ops::ControlFlow;
//! use ganvas::{Device, Request, Resolved, RunDir, recipe, sample, train};
//!
//! # fn main() -> ganvas::Result<()> {
//! # let runs = std::env::temp_dir().join(format!("ganvas-doc-{}", std::process::id()));
//! let sets = ["train.steps=20".to_owned()];
//! let config = Resolved::new(recipe("ring")?, None, &sets)?;
//! let device = Device::flex();
//! let session = config.open(&device)?;
//! let run = RunDir::create(&runs, "toy", &config)?;
//! train(&run, &run.lock()?, &config, session, None, &device, &mut |progress| {
//!     assert!(progress.step <= progress.total_steps);
//!     ControlFlow::Continue(())
//! })?;
//!
//! let model = sample::model(&config, &sample::checkpoint(&run, None)?, &device)?;
//! let samples = sample::generate(model.as_ref(), &Request::seeds(0..64))?;
//! assert_eq!(samples.len(), 64);
//! # std::fs::remove_dir_all(&runs).ok();
//! # Ok(())
//! # }
//! ```
#![warn(missing_docs)]

pub mod apply;
mod aside;
pub mod augment;
pub mod config;
pub mod data;
pub mod device;
pub mod doctor;
mod entry;
mod error;
pub mod eval;
pub mod field;
mod foreign;
#[cfg(test)]
mod golden;
pub mod hash;
pub mod import;
pub mod looks;
pub mod loss;
pub mod media;
pub mod memory;
pub mod model;
mod ncnn;
pub mod nn;
pub mod optim;
pub mod parts;
mod passport;
mod pickle;
pub mod prelude;
pub mod project;
pub mod random;
mod recipe;
mod recipes;
pub mod report;
pub mod request;
pub mod run;
mod safetensors;
pub mod sample;
mod session;
pub mod shell;
mod step;
mod train;

pub use aside::{open_file, read_file, read_text, write_aside};
pub use burn::tensor::Device;
pub use data::gaussians::Mixture;
pub use data::source::Split;
pub use entry::{Configured, Entry, Resolved};
pub use error::{Error, Result, Unusable};
pub use foreign::Foreign;
pub use model::{Model, StyleSpace, Tiling, Weights};
pub use ncnn::{Layer, Op};
pub use random::Prior;
pub use recipe::{Adopted, Game, Info, LAPTOP, Preset, Recipe, Setup};
pub use recipes::RECIPES;
pub use request::{Example, Latent, Request, Sample, Value};
pub use run::RunDir;
pub use session::{Learned, Session};
pub use step::{Scalars, StepCx};
pub use train::{Outcome, Progress, Trial, Watch, train, try_out};

/// The recipe called `name`; the error names the nearest.
pub fn recipe(name: &str) -> Result<Entry> {
    let found = RECIPES.iter().find(|entry| entry.info.name == name).copied();
    found.ok_or_else(|| entry::unknown_recipe(name, RECIPES.iter().map(|entry| entry.info.name)))
}
