//! One file per verb.

pub mod apply;
pub mod completions;
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

use ganvas::field::Kind;
use ganvas::model::taken_picture;
use ganvas::{Error, Model, Resolved, RunDir, shell};

use crate::progress::say;

/// The folder of the runs where nobody names one.
const RUNS: &str = "runs";
/// In place of a run's path, the newest run of that folder.
const LATEST: &str = "latest";

/// The run at a path, or the latest.
pub fn open_run(given: &Path) -> ganvas::Result<RunDir> {
    RunDir::open(&run_path(given)?)
}

/// An error when the user's own data are not where the run has them.
pub fn its_data_are_there(config: &Resolved, run: &Path) -> ganvas::Result<()> {
    let Some(path) = config.data_path() else { return Ok(()) };
    if path.exists() || ganvas::data::named(&path)?.is_some() {
        return Ok(());
    }
    let (shown, run) = (path.display(), shell::path(run));
    Err(Error::input(format!(
        "{shown}, which this run learns from, is not there; say where it is now, as in `ganvas resume {run} --data PATH`"
    )))
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

/// The object with a path under a name. JSON has no way to write a name that is not UTF-8: what can be read of it is given, and
/// `NAME_is_lossy` says so.
pub fn told_path(mut told: serde_json::Value, name: &str, path: &Path) -> serde_json::Value {
    told[name] = path.to_string_lossy().into();
    if path.to_str().is_none() {
        told[format!("{name}_is_lossy")] = true.into();
    }
    told
}

/// The command that shows what a run's model makes, by what it takes and makes.
pub fn first_use(run: &RunDir, model: &dyn Model) -> String {
    let run = shell::path(run.path());
    if taken_picture(model).is_some() {
        return format!("ganvas apply {run} PICTURE -o result.png");
    }
    let is_music = model.makes().iter().any(|field| field.kind == Kind::Notes);
    format!("ganvas sample {run} -o samples.{}", if is_music { "mid" } else { "png" })
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

#[cfg(test)]
mod tests {
    use super::*;
    use ganvas::{RECIPES, Resolved, device};

    #[test]
    fn what_is_advised_after_a_training_is_what_the_model_takes() {
        let folder = tempfile::tempdir().unwrap();
        let device = device::named("cpu").unwrap();
        for entry in RECIPES {
            let keys = Resolved::new(*entry, None, &[]).unwrap().keys();
            let small = entry.info.small.iter().map(ToString::to_string);
            let sets = small.chain(ganvas_made_up::settings(entry.info.dataset, &keys)).collect::<Vec<_>>();
            let config = Resolved::new(*entry, None, &sets).unwrap();
            let run = RunDir::create(&folder.path().join("my runs"), entry.info.name, &config).unwrap();
            let advised = first_use(&run, config.model(&device).unwrap().as_ref());
            let verb = match entry.info.name {
                "pix2pix" | "cyclegan" | "srgan" | "esrgan" | "restore" | "posegan" | "faceswap" => "apply",
                _ => "sample",
            };
            assert!(advised.starts_with(&format!("ganvas {verb} '")), "{advised}");
            assert_eq!(advised.ends_with("-o samples.mid"), entry.info.name == "midinet", "{advised}");
        }
    }
}
