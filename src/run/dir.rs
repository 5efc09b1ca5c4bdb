//! The run directory: its paths, its lock, its configuration.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Checkpoint;
use crate::aside::{is_no_pipe, open_file, read_text, write_aside};
use crate::entry::{Entry, Resolved};
use crate::error::{Error, Result};

/// A run directory. See `docs/run-directory.md` for the contract.
#[derive(Clone, Debug)]
pub struct RunDir {
    root: PathBuf,
}

/// Held by the one trainer of a run; the operating system lets it go when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock(Mutex<File>);

impl Lock {
    /// Takes the run again where somebody removed the file that is locked: without it another trainer would not see this one.
    /// Errors when another has taken it meanwhile.
    pub(crate) fn renew(&self, run: &RunDir) -> Result<()> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_at(&held, &run.root.join(".lock")) {
            *held = run.locked()?;
        }
        Ok(())
    }
}

/// Whether an open file is the one at a path; where the system does not tell them apart, whether there is one.
fn is_at(file: &File, path: &Path) -> bool {
    let Ok(there) = fs::metadata(path) else { return false };
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        file.metadata().is_ok_and(|own| (own.dev(), own.ino()) == (there.dev(), there.ino()))
    }
    #[cfg(not(unix))]
    {
        _ = file;
        there.is_file()
    }
}

/// Bytes left on the disk of a folder, where the system tells.
pub(crate) fn free_bytes(folder: &Path) -> Option<u64> {
    fs4::available_space(folder).ok()
}

impl RunDir {
    /// Makes the next numbered directory under `runs`, such as `runs/0007-mnist`, and writes the configuration there.
    pub fn create(runs: &Path, name: &str, config: &Resolved) -> Result<Self> {
        check_name(name)?;
        let fail = |error: std::io::Error| Error::io("make a run directory", runs, &error);
        fs::create_dir_all(runs).map_err(fail)?;
        let numbers = fs::read_dir(runs).map_err(fail)?.filter_map(|entry| number(&entry.ok()?.path()));
        let mut number = numbers.max().unwrap_or(0) + 1;
        let root = loop {
            let root = runs.join(format!("{number:04}-{name}"));
            match fs::create_dir(&root) {
                Ok(()) => break root,
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(fail(error)),
            }
        };
        Self::furnish(root, config)
    }

    /// Makes a run directory of this very path, which must not be there yet, and writes the configuration there.
    pub fn create_at(root: &Path, config: &Resolved) -> Result<Self> {
        if let Some(above) = root.parent() {
            fs::create_dir_all(above).map_err(|error| Error::io("make a run directory", above, &error))?;
        }
        fs::create_dir(root).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                Error::input(format!("{} is there already; give another place with -o, or remove it", root.display()))
            }
            _ => Error::io("make a run directory", root, &error),
        })?;
        Self::furnish(root.to_owned(), config)
    }

    fn furnish(root: PathBuf, config: &Resolved) -> Result<Self> {
        let run = RunDir { root };
        for folder in [run.previews(), run.checkpoints()] {
            fs::create_dir(&folder).map_err(|error| Error::io("make a run directory", &folder, &error))?;
        }
        write_aside(&run.root.join("config.toml"), config.text.as_bytes(), "write the run's configuration")?;
        Ok(run)
    }

    /// Opens an existing run directory.
    pub fn open(root: &Path) -> Result<Self> {
        if root.join("config.toml").is_file() {
            return Ok(RunDir { root: root.to_owned() });
        }
        let what = if root.exists() { "is no run directory: it holds no config.toml" } else { "does not exist" };
        let given = if root.as_os_str().is_empty() { Path::new(".") } else { root };
        Err(Error::input(format!("{} {what}; give a folder that `ganvas train` made", given.display())))
    }

    /// The newest run of a folder: the one with the highest number, or the one made last where none has a number. None where
    /// there is no run.
    pub fn newest(runs: &Path) -> Option<Self> {
        let folders = fs::read_dir(runs).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
        let age = |root: &Path| fs::metadata(root.join("config.toml")).and_then(|file| file.modified()).ok();
        folders.filter_map(|root| Self::open(&root).ok()).max_by_key(|run| (number(&run.root), age(&run.root)))
    }

    /// The run by another name, after the same number. Errors when a trainer has it, and when there is one of that name.
    pub fn renamed(self, name: &str) -> Result<Self> {
        check_name(name)?;
        self.has_name()?;
        drop(self.lock()?); // nobody trains it
        let name = match number_text(&self.root) {
            Some(number) => format!("{number}-{name}"),
            None => name.to_owned(),
        };
        let root = self.root.with_file_name(name);
        if root.exists() {
            return Err(Error::input(format!("{} is there already; choose another name", root.display())));
        }
        fs::rename(&self.root, &root).map_err(|error| Error::io("rename the run", &self.root, &error))?;
        Ok(RunDir { root })
    }

    /// Deletes the run and all that is in its directory. Errors when a trainer has it.
    pub fn remove(self) -> Result<()> {
        self.has_name()?;
        drop(self.lock()?);
        fs::remove_dir_all(&self.root).map_err(|error| Error::io("remove the run", &self.root, &error))
    }

    /// An error for a path such as `.`, under which a folder can neither be renamed nor removed.
    fn has_name(&self) -> Result<()> {
        let sentence = || format!("`{}` names no folder; give the run as in runs/0001-mnist", self.root.display());
        self.root.file_name().map(drop).ok_or_else(|| Error::input(sentence()))
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The event log.
    pub fn events(&self) -> PathBuf {
        self.root.join("events.jsonl")
    }

    /// The folder of previews.
    pub fn previews(&self) -> PathBuf {
        self.root.join("previews")
    }

    /// The folder of checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    /// The configuration the run was made with.
    pub fn config(&self, recipes: &[Entry]) -> Result<Resolved> {
        let path = self.root.join("config.toml");
        let text = read_text(&path).map_err(|error| Error::io("read the configuration", &path, &error))?;
        Resolved::of_run(Resolved::recipe_of(&text, &path, recipes)?, &text, &path)
    }

    /// Replaces the configuration by one that is as good for what was already computed.
    pub fn reconfigure(&self, config: &Resolved) -> Result<()> {
        write_aside(&self.root.join("config.toml"), config.text.as_bytes(), "write the run's configuration")
    }

    /// Takes the run for one trainer. Errors when another process has it.
    pub fn lock(&self) -> Result<Lock> {
        self.locked().map(|file| Lock(Mutex::new(file)))
    }

    fn locked(&self) -> Result<File> {
        let path = self.root.join(".lock");
        let file = is_no_pipe(&path).and_then(|()| File::create(&path));
        let file = file.map_err(|error| Error::io("lock the run", &path, &error))?;
        let mut locked = file.try_lock();
        for _ in 0..20 {
            if !matches!(locked, Err(TryLockError::WouldBlock)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(10)); // somebody may just be asking `is_training`
            locked = file.try_lock();
        }
        match locked {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(Error::input(format!(
                "another process is training {}; wait for it or stop it (Ctrl-C) first",
                self.root.display()
            ))),
            Err(TryLockError::Error(error)) => Err(Error::io("lock the run", &path, &error)),
        }
    }

    /// Whether a trainer on this machine has the run. Where that cannot be found out, nobody does.
    pub fn is_training(&self) -> bool {
        let file = open_file(&self.root.join(".lock"));
        file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// The checkpoint to go on from or to sample from: the one called `name`, or the latest.
    pub fn checkpoint(&self, name: Option<&str>) -> Result<Option<Checkpoint>> {
        Checkpoint::find(&self.checkpoints(), name)
    }
}

/// The digits that a run directory's name begins with, up to the first dash.
fn number_text(root: &Path) -> Option<&str> {
    let digits = root.file_name()?.to_str()?.split('-').next()?;
    digits.parse::<u32>().is_ok().then_some(digits)
}

fn number(root: &Path) -> Option<u32> {
    number_text(root)?.parse().ok()
}

/// An error for a name that no directory should have.
fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
        return Err(Error::input(format!("`{name}` cannot name a run; use letters, digits, - and _")));
    }
    Ok(())
}
