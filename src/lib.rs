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
//! let session = config.open(&Device::flex())?;
//! let run = RunDir::create(&runs, "toy", &config)?;
//! train(&run, &run.lock()?, &config, session, None, &mut |progress| {
//!     assert!(progress.step <= progress.total_steps);
//!     ControlFlow::Continue(())
//! })?;
//!
//! let model = sample::model(&config, &sample::checkpoint(&run, None)?)?;
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
pub mod doctor;
mod error;
pub mod eval;
mod foreign;
pub mod import;
pub mod loss;
pub mod media;
mod ncnn;
pub mod nn;
pub mod optim;
pub mod parts;
mod pickle;
pub mod project;
pub mod random;
mod recipe;
mod recipes;
pub mod run;
mod safetensors;
pub mod sample;
mod train;

pub use aside::write_aside;
pub use burn::tensor::Device;
pub use config::Resolved;
pub use error::{Error, Result};
pub use foreign::Foreign;
pub use ncnn::{Layer, Op};
pub use recipe::{
    Adopted, Configured, DAMAGE, Entry, Game, Info, Input, Latent, Mixture, Model, Prior, Question, Recipe, Request,
    SHOW, Scalars, Session, Split, StepCx, StyleSpace, Translation, Weights,
};
pub use recipes::RECIPES;
pub use run::RunDir;
pub use train::{Outcome, Progress, Trial, Watch, peak_memory, train, try_out};

/// The recipe called `name`; the error names the nearest.
pub fn recipe(name: &str) -> Result<Entry> {
    let found = RECIPES.iter().find(|entry| entry.info.name == name).copied();
    found.ok_or_else(|| config::unknown_recipe(name, RECIPES.iter().map(|entry| entry.info.name)))
}
