//! Files that are whole or absent: written aside, flushed to the disk, renamed. And opened only where they are files.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::error::{Error, Result};

/// A temporary file of a process that is gone is left behind when nobody has written into it for so long: on a shared disk the
/// process may be another machine's.
const FRESH: Duration = Duration::from_secs(10);
/// Likewise a folder, which others fill for long, and where the process may be there still, for its number comes again.
const LEFTOVER: Duration = Duration::from_secs(3600);

/// Opens a file to read it. A pipe or a device is an error: reading it might never end.
pub fn open_file(path: &Path) -> io::Result<File> {
    // Looked at first, because to open a pipe is to wait for somebody who writes into it.
    if fs::metadata(path)?.is_file() { File::open(path) } else { Err(odd()) }
}

/// An error where to open a path for writing would be to wait for a reader.
pub(crate) fn is_no_pipe(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if fs::metadata(path).is_ok_and(|data| std::os::unix::fs::FileTypeExt::is_fifo(&data.file_type())) {
        return Err(odd());
    }
    _ = path;
    Ok(())
}

fn odd() -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, "it is not a regular file; move it away")
}

/// The bytes of a file; an error as in [`open_file`].
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let (mut file, mut bytes) = (open_file(path)?, Vec::new());
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The text of a file; an error as in [`open_file`], and where it is not UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    let (mut file, mut text) = (open_file(path)?, String::new());
    file.read_to_string(&mut text)?;
    Ok(text)
}

/// Writes a file so that a crash at any moment leaves the old one or the new one. `doing` completes "cannot ...".
pub fn write_aside(path: &Path, bytes: &[u8], doing: &str) -> Result<()> {
    let Some(name) = path.file_name() else {
        return Err(Error::input(format!("cannot {doing}: {} names no file; end it with a file name", path.display())));
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    remove_leftovers_once(folder);
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

/// Removes what processes that were killed left in a folder that is written into; looks once into each.
fn remove_leftovers_once(folder: &Path) {
    static SEEN: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    if SEEN.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.to_owned()) {
        remove_leftovers(if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    }
}

/// Removes what processes that were killed left in a folder under the names of [`Aside`].
pub(crate) fn remove_leftovers(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(data) = entry.metadata() else { continue };
        let age = data.modified().ok().and_then(|changed| changed.elapsed().ok());
        let is_left =
            |process| age.is_some_and(|age| age > if data.is_file() && is_gone(process) { FRESH } else { LEFTOVER });
        if process_of(&entry.file_name().to_string_lossy()).is_some_and(is_left) {
            drop(Aside::of(entry.path())); // what cannot be removed does no harm
        }
    }
}

/// The process that a temporary name is of.
fn process_of(name: &str) -> Option<u32> {
    let mut words = name.strip_prefix('.')?.strip_suffix(".part")?.rsplit('.');
    words.next()?.parse::<u32>().ok()?;
    words.next()?.parse().ok()
}

/// Whether a process is no more, as far as this machine can tell; only Linux does.
fn is_gone(process: u32) -> bool {
    Path::new("/proc/self").exists() && !Path::new("/proc").join(process.to_string()).exists()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn what_a_killed_process_left_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let own = std::process::id();
        let beside = format!(".own.png.{own}.0.part");
        // The largest number of a process is 4194304.
        let ages = [
            (".gone.png.4194305.0.part", 60),
            (".fresh.png.4194305.1.part", 0),
            (".npm.4194305.0.part/x", 60),
            (".old.1.0.part/x", 7200),
            (&beside, 60),
            ("user.4194305.0.part", 7200),
            (".user.part", 7200),
        ];
        for (name, secs) in ages {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "half").unwrap();
            let changed = std::time::SystemTime::now() - Duration::from_secs(secs);
            let top = folder.path().join(name.split('/').next().unwrap());
            File::open(top).unwrap().set_modified(changed).unwrap();
        }
        write_aside(&folder.path().join("new.txt"), b"whole", "write").unwrap();
        let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names = names.collect::<Vec<_>>();
        names.sort();
        let fresh = ".fresh.png.4194305.1.part";
        assert_eq!(names, [fresh, ".npm.4194305.0.part", &beside, ".user.part", "new.txt", "user.4194305.0.part"]);
    }

    #[test]
    #[cfg(unix)]
    fn a_pipe_and_a_device_are_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for odd in [&pipe, Path::new("/dev/zero"), folder.path()] {
            assert_eq!(read_file(odd).unwrap_err().kind(), ErrorKind::InvalidInput, "{}", odd.display());
        }
    }
}
