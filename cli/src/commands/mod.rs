//! One file per verb.

pub mod apply;
pub mod data;
pub mod doctor;
pub mod eval;
pub mod import;
pub mod init;
pub mod list;
pub mod resume;
pub mod runs;
pub mod sample;
pub mod serve;
pub mod train;
pub mod tried;

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use ganvas::{Error, RunDir};

use crate::progress::say;

/// The folder of the runs where nobody names one.
const RUNS: &str = "runs";
/// In place of a run's path, the newest run of that folder.
const LATEST: &str = "latest";

/// The run at a path, or the latest.
pub fn open_run(given: &Path) -> ganvas::Result<RunDir> {
    RunDir::open(&run_path(given)?)
}

/// The path itself, or that of the latest run, which is said.
pub fn run_path(given: &Path) -> ganvas::Result<PathBuf> {
    if given != Path::new(LATEST) || given.exists() {
        return Ok(given.to_owned());
    }
    let newest = RunDir::newest(Path::new(RUNS)).ok_or_else(|| {
        Error::input(format!(
            "there is no run in the folder {RUNS} yet; give a run's path, or begin with `ganvas train mnist`"
        ))
    })?;
    say(&format!("{LATEST} is {}", newest.path().display()));
    Ok(newest.path().to_owned())
}

/// Writes to standard output; a reader that has gone away (`ganvas list | head -1`) is no error.
pub fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Prints a value as JSON.
pub fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print(&format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// Where to compute.
#[derive(clap::Args)]
pub struct Computing {
    /// Where to compute: cpu.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: String,
}

impl Computing {
    /// The device. The error says which there are.
    pub fn get(&self) -> ganvas::Result<ganvas::Device> {
        ganvas::device::named(&self.device)
    }
}
