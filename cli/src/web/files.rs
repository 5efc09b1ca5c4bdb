//! The files of a run that may be read: those its page links to, and nothing a link leads to elsewhere.

use std::fs;
use std::path::{Path, PathBuf};

use super::answer::Refusal;

/// A file and its type.
pub struct Readable {
    pub path: PathBuf,
    pub kind: &'static str,
}

/// The file of a run at `name`, a path with `/`.
pub fn readable(run: &Path, name: &str) -> Result<Readable, Refusal> {
    let absent = || Refusal::absent("there is no such file of this run");
    let parts = name.split('/').collect::<Vec<_>>();
    let plain = |part: &&str| !part.is_empty() && !part.starts_with('.') && !part.contains(['\\', ':', '\0']);
    if !parts.iter().all(plain) {
        return Err(absent());
    }
    let kind = match parts.as_slice() {
        ["config.toml"] | ["events.jsonl"] => "text/plain; charset=utf-8",
        ["previews", file] if file.ends_with(".png") => "image/png",
        ["eval", file] if file.ends_with(".json") => "application/json",
        ["checkpoints", _, "model.safetensors"] => "application/octet-stream",
        _ => return Err(absent()),
    };
    let (run, path) = (fs::canonicalize(run), fs::canonicalize(run.join(name)));
    let (Ok(run), Ok(path)) = (run, path) else { return Err(absent()) };
    if path != run.join(name) || !path.is_file() {
        return Err(absent()); // a link, wherever it leads
    }
    Ok(Readable { path, kind })
}
