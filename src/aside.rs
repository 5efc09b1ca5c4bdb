//! Files that are whole or absent: written aside, flushed to the disk, renamed.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Writes a file so that a crash at any moment leaves the old one or the new one. `doing` completes "cannot ...".
pub fn write_aside(path: &Path, bytes: &[u8], doing: &str) -> Result<()> {
    let Some(name) = path.file_name() else {
        return Err(Error::input(format!("cannot {doing}: {} names no file; end it with a file name", path.display())));
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let written =
        Aside::new(folder, &name.to_string_lossy(), |path| File::create_new(path)).and_then(|(aside, file)| {
            write_flushed(file, bytes)?;
            aside.rename(path)
        });
    written.map_err(|error| {
        let missing = error.kind() == ErrorKind::NotFound;
        Error::io(doing, if missing { folder } else { path }, &error)
    })
}

/// Writes to a new file and waits for the disk to have it.
pub(crate) fn write_flushed(mut file: File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

/// A file or folder under a temporary name, removed with this value unless it was renamed.
pub(crate) struct Aside(Option<PathBuf>);

impl Aside {
    /// Makes something in `folder`, under a temporary name that nobody else has.
    pub(crate) fn new<T>(folder: &Path, name: &str, make: impl Fn(&Path) -> io::Result<T>) -> io::Result<(Aside, T)> {
        let mut number = 0;
        loop {
            let path = folder.join(format!(".{name}.{}.{number}.part", std::process::id()));
            match make(&path) {
                Ok(made) => return Ok((Aside(Some(path)), made)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes charge of what an earlier process left behind.
    pub(crate) fn of(path: PathBuf) -> Self {
        Aside(Some(path))
    }

    /// Where it is for now.
    pub(crate) fn path(&self) -> &Path {
        self.0.as_deref().unwrap_or(Path::new(""))
    }

    /// Gives it its name, replacing a file that has it.
    pub(crate) fn rename(mut self, to: &Path) -> io::Result<()> {
        fs::rename(self.path(), to)?;
        self.0 = None; // the name may already be another thread's
        Ok(())
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        }
    }
}
