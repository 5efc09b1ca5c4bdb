//! The one error type of the library: a sentence with the way out, and whose move it is.

use std::fmt;
use std::io::ErrorKind;
use std::path::Path;

/// What went wrong, as one sentence for the person who reads it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command, the configuration or the data is wrong; nothing was started (exit code 2).
    #[error("{0}")]
    Input(String),
    /// Some of the data cannot be used; nothing was started (exit code 2).
    #[error("{0}")]
    Unusable(Unusable),
    /// The work began and could not go on (exit code 1).
    #[error("{0}")]
    Failed(String),
}

/// What of the data cannot be used, and the way out. As a text it names the first problems.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// Where, and how much of it, such as "2 of 90 files in pictures cannot be used".
    pub what: String,
    /// All of it, a sentence for each file.
    pub problems: Vec<String>,
    /// What to do about it, in a sentence or more.
    pub way_out: String,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}\n{}", self.what, listed(&self.problems), self.way_out)
    }
}

const SHOWN: usize = 20; // problems in one error

/// The first problems, a line each.
pub(crate) fn listed(problems: &[String]) -> String {
    let more = problems.len().saturating_sub(SHOWN);
    let lines = problems.iter().take(SHOWN).map(|problem| format!("\n  {problem}")).collect::<String>();
    if more > 0 { format!("{lines}\n  and {more} more") } else { lines }
}

/// A result of this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The user's move: the command, the configuration or the data is wrong.
    pub fn input(sentence: impl Into<String>) -> Self {
        Error::Input(sentence.into())
    }

    /// The work failed.
    pub fn failed(sentence: impl Into<String>) -> Self {
        Error::Failed(sentence.into())
    }

    /// A file operation failed. `doing` completes "cannot ...", as in "write the checkpoint".
    pub fn io(doing: &str, path: &Path, error: &std::io::Error) -> Self {
        let path = path.display();
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Error::Failed(format!(
                "cannot {doing}: no room for {path} ({error}); free some space, then a run goes on with `ganvas resume`"
            )),
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Error::Input(format!(
                "cannot {doing}: {path} is not writable or readable for you ({error}); change its permissions or choose another place"
            )),
            ErrorKind::AlreadyExists | ErrorKind::NotADirectory | ErrorKind::IsADirectory => {
                Error::Input(format!("cannot {doing}: something else is in the way at {path} ({error})"))
            }
            ErrorKind::InvalidInput => Error::Input(format!("cannot {doing}: {path}: {error}")),
            ErrorKind::NotFound => Error::Input(format!("cannot {doing}: {path} does not exist")),
            _ => Error::Failed(format!("cannot {doing}: {path}: {error}")),
        }
    }

    /// The process's exit code: 2 when the command, config or data was wrong, 1 when the run failed.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Input(_) | Error::Unusable(_) => 2,
            Error::Failed(_) => 1,
        }
    }
}

/// The likeliest of `names` to be meant by `given`, if any is near.
pub(crate) fn nearest<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .map(|name| (strsim::jaro_winkler(given, name), name))
        .filter(|(similarity, _)| *similarity > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}
