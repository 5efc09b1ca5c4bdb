//! Ganvas trains, watches and uses generative adversarial networks (GANs), offline, on a laptop's CPU.
//!
//! This is the library behind the command `ganvas`. A [`RunDir`] is one training: a folder with its configuration, its log, its previews
//! and its checkpoints. A [recipe](RECIPES) says how a kind of GAN is trained, [`Resolved`] is its configuration once it is checked,
//! and a [`Model`] is what was learned: it answers a [`Request`] with samples.
//!
//! # Train a GAN, and draw samples
//!
//! ```
//! use std::ops::ControlFlow;
//! use ganvas::{Request, Resolved, RunDir, device, recipe, sample, train};
//!
//! # fn main() -> ganvas::Result<()> {
//! # let runs = std::env::temp_dir().join(format!("ganvas-doc-{}", std::process::id()));
//! let sets = ["train.steps=20".to_owned()];
//! let config = Resolved::new(recipe("ring")?, None, &sets)?;
//! let device = device::cpu();
//! let session = config.open(&device)?; // the networks and the data
//! let run = RunDir::create(&runs, "toy", &config)?;
//! train(&run, &run.lock()?, &config, session, None, &device, &mut |progress| {
//!     assert!(progress.step <= progress.total_steps);
//!     ControlFlow::Continue(()) // Break ends the training with a checkpoint
//! })?;
//!
//! let model = sample::model(&config, &sample::checkpoint(&run, None)?, &device)?;
//! let samples = sample::generate(model.as_ref(), &Request::seeds(0..64))?;
//! assert_eq!(samples.len(), 64);
//! # std::fs::remove_dir_all(&runs).ok();
//! # Ok(())
//! # }
//! ```
//!
//! A run that was stopped goes on from [`RunDir::checkpoint`], which `train` takes in place of `None`; every number is then what it
//! would have been without the stop.
//!
//! # Where things are
//!
//! | to ... | see |
//! |---|---|
//! | choose a recipe and set its keys | [`recipe`](recipe()), [`Resolved`], [`config`] |
//! | draw samples, between two seeds, by a class or above chords | [`sample`], [`Request`], [`Value`] |
//! | write pictures, animations, MIDI and sound | [`media`] |
//! | turn one picture into another, of any size and in bounded memory | [`mod@apply`] |
//! | give the faces in pictures and videos to somebody else | [`mod@swap`] |
//! | use a network that somebody trained with PyTorch or ncnn | [`mod@import`] |
//! | measure samples, with intervals | [`eval`] |
//! | know what goes wrong in a training | [`doctor`] |
//! | look at the data before they are learned from | [`data::check`] |
//! | write a recipe of your own | [`Recipe`], [`prelude`], and the example `own_recipe` |
//!
//! The examples `sample`, `own_data`, `own_recipe` and `serve_a_model` are whole programs. What a user can cause is an [`Error`] with a
//! sentence that says what is wrong and what to do; nothing panics but for what its documentation names.
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
pub mod graph;
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
pub mod swap;
mod tfjs;
pub mod tflite;
mod train;

pub use aside::{open_file, read_file, read_text, write_aside};
pub use burn::tensor::Device;
pub use data::gaussians::Mixture;
pub use data::source::Split;
pub use entry::{Configured, Entry, Resolved};
pub use error::{Error, Result, Unusable};
pub use foreign::{Candidate, Foreign, Part, StateDict, Wanted};
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
