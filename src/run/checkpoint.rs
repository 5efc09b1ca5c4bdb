//! Checkpoints: safetensors and one TOML, complete or absent, and refused with a reason when they are damaged.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::aside::{read_file, read_text, write_aside, write_flushed};
use crate::error::{Error, Result};
use crate::hash::{file_sha256, sha256};
use crate::parts::{MODEL, Saved, Tensors};
use crate::safetensors;

/// The version of the layout this Ganvas writes, and the newest it reads.
const FORMAT: u32 = 1;
const LATEST: &str = "latest";
const ASIDE: &str = ".writing";
const REMOVING: &str = ".removing";

/// A checkpoint on the disk.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    path: PathBuf,
    state: State,
}

/// state.toml.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct State {
    format: u32,
    version: String,
    step: u64,
    images: u64,
    /// The seed of its draws; none of a checkpoint from before it was written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    /// SHA-256 of every file beside this one.
    #[serde(default)]
    files: BTreeMap<String, String>,
}

/// A checkpoint being written, beside the others.
#[derive(Debug)]
pub struct Writing {
    folder: PathBuf,
    aside: PathBuf,
    seed: Option<u64>,
    files: BTreeMap<String, String>,
}

impl Writing {
    /// Begins a checkpoint under `folder`. Nothing is seen of it before [`Writing::finish`].
    pub fn begin(folder: &Path) -> Result<Self> {
        let aside = folder.join(ASIDE);
        if aside.exists() {
            fs::remove_dir_all(&aside).map_err(|error| Error::io("remove what a crash left", &aside, &error))?;
        }
        let writing = Writing { folder: folder.to_owned(), aside, seed: None, files: BTreeMap::new() };
        let parts = writing.aside.join("parts");
        fs::create_dir_all(&parts).map_err(|error| writing.failed(&parts, &error))?;
        Ok(writing)
    }

    /// Writes down the seed of the run, too.
    pub fn with_seed(self, seed: u64) -> Self {
        Writing { seed: Some(seed), ..self }
    }

    /// Writes one part. The file is on the disk when this returns.
    pub fn part(&mut self, part: &str, tensors: &BTreeMap<String, Saved>) -> Result<()> {
        let name = file_of(part);
        let path = self.aside.join(&name);
        let written = safetensors::write(&path, tensors).and_then(|()| file_sha256(&path));
        let hash = written.map_err(|error| self.failed(&path, &error))?;
        self.files.insert(name, hash);
        Ok(())
    }

    /// Makes it the latest checkpoint and deletes the oldest beyond `keep`.
    ///
    /// It gets its name when every file is on the disk, so a crash at any moment leaves the latest one as it was.
    pub fn finish(mut self, step: u64, images: u64, keep: usize) -> Result<Checkpoint> {
        let (version, files) = (env!("CARGO_PKG_VERSION").to_owned(), std::mem::take(&mut self.files));
        let state = State { format: FORMAT, version, step, images, seed: self.seed, files };
        let text = toml::to_string(&state)
            .map_err(|error| Error::failed(format!("the state cannot be written as TOML: {error}")))?;
        let path = self.aside.join("state.toml");
        let written = fs::File::create_new(&path).and_then(|file| write_flushed(file, text.as_bytes()));
        written.map_err(|error| self.failed(&path, &error))?;
        flush_folder(&self.aside.join("parts"));
        flush_folder(&self.aside);

        let name = free_name(&self.folder, images);
        let path = self.folder.join(&name);
        fs::rename(&self.aside, &path).map_err(|error| self.failed(&path, &error))?;
        flush_folder(&self.folder);
        write_aside(&self.folder.join(LATEST), format!("{name}\n").as_bytes(), "write the checkpoint")?;
        flush_folder(&self.folder);

        // Those of this step or a later one belong to a past that was given up by going back; the rest are older.
        let others = Checkpoint::all(&self.folder).into_iter().filter(|other| other.path != path);
        let (abandoned, mut older): (Vec<_>, Vec<_>) = others.partition(|other| other.step() >= step);
        older.truncate(older.len().saturating_sub(keep.saturating_sub(1)));
        for surplus in abandoned.iter().chain(&older) {
            // What cannot be removed now, as while somebody reads it on Windows, is tried again after the next.
            let _ = discard(&self.folder, &surplus.path);
        }
        Ok(Checkpoint { path, state })
    }

    /// Gives back the space; the error to tell is the first.
    fn failed(&self, path: &Path, error: &std::io::Error) -> Error {
        let _ = fs::remove_dir_all(&self.aside);
        Error::io("write the checkpoint", path, error)
    }
}

impl Checkpoint {
    /// The checkpoint called `name`, or the latest; none when the run has not written any.
    pub fn find(folder: &Path, name: Option<&str>) -> Result<Option<Checkpoint>> {
        if let Some(name) = name {
            let path = folder.join(name);
            if !is_name(name) || !is_folder(&path) {
                let names = Self::all(folder).iter().map(Checkpoint::name).collect::<Vec<_>>().join(", ");
                return Err(Error::input(format!("there is no checkpoint {name}; there are: {names}")));
            }
            return Self::read(&path).map(Some);
        }
        let newest = || Self::all(folder).into_iter().rev().find(Self::is_whole);
        let latest = read_text(&folder.join(LATEST)).unwrap_or_default();
        let path = folder.join(latest.trim());
        match latest.trim() {
            latest if is_name(latest) && is_folder(&path) => Self::read(&path).map(Some),
            // A crashed run, or one copied in part: the newest that is whole.
            latest if latest.is_empty() || is_name(latest) => Ok(newest()),
            latest => {
                let way_out = newest().map(|newest| format!("use --checkpoint {}, or", newest.name()));
                Err(Error::input(format!(
                    "{} says `{}`, which is not the name of a folder beside it; {} remove that file to take the newest \
                     checkpoint that is whole",
                    folder.join(LATEST).display(),
                    latest.chars().take(80).collect::<String>().escape_debug(),
                    way_out.unwrap_or_default()
                )))
            }
        }
    }

    /// Every checkpoint whose state can be read, oldest first.
    pub fn all(folder: &Path) -> Vec<Checkpoint> {
        let entries = fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
        let named =
            entries.filter(|path| is_folder(path) && ![ASIDE, REMOVING].iter().any(|name| path.ends_with(name)));
        let readable = |path: PathBuf| {
            let state = toml::from_str::<State>(&read_text(&path.join("state.toml")).ok()?).ok()?;
            (state.format <= FORMAT).then_some(Checkpoint { path, state })
        };
        let mut all = named.filter_map(readable).collect::<Vec<_>>();
        all.sort_by_key(|checkpoint| checkpoint.state.step);
        all
    }

    fn read(path: &Path) -> Result<Checkpoint> {
        let file = path.join("state.toml");
        let text = read_text(&file).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => damaged(path, "state.toml", "it is missing"),
            _ => Error::io("read the checkpoint", &file, &error),
        })?;
        let format = toml::from_str::<toml::Table>(&text).ok().and_then(|table| table.get("format")?.as_integer());
        if let Some(format) = format.filter(|format| *format > i64::from(FORMAT)) {
            return Err(Error::input(format!(
                "{} has format {format} of a newer Ganvas; this one, {}, reads up to format {FORMAT}: update ganvas",
                path.display(),
                env!("CARGO_PKG_VERSION")
            )));
        }
        let state = toml::from_str::<State>(&text).map_err(|error| damaged(path, "state.toml", error.message()))?;
        Ok(Checkpoint { path: path.to_owned(), state })
    }

    /// The folder's name.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the model alone.
    pub fn model_bytes(&self) -> u64 {
        fs::metadata(self.path.join(file_of(MODEL))).map_or(0, |data| data.len())
    }

    /// Bytes of all its files.
    pub fn bytes(&self) -> u64 {
        let files = self.state.files.keys().map(|file| fs::metadata(self.path.join(file)).map_or(0, |data| data.len()));
        files.sum()
    }

    /// Steps done when it was written.
    pub fn step(&self) -> u64 {
        self.state.step
    }

    /// The seed of the run when it was written, where it was written down.
    pub fn seed(&self) -> Option<u64> {
        self.state.seed
    }

    /// Images seen when it was written.
    pub fn images(&self) -> u64 {
        self.state.images
    }

    /// Every part, for the trainer. Errors when a file is missing or is not as it was written.
    pub fn parts(&self) -> Result<BTreeMap<String, Tensors>> {
        self.state.files.keys().map(|file| Ok((part_of(file), self.tensors(file)?))).collect()
    }

    /// The model alone, for everything else.
    pub fn model(&self) -> Result<BTreeMap<String, Tensors>> {
        Ok(BTreeMap::from([(MODEL.to_owned(), self.tensors(&file_of(MODEL))?)]))
    }

    fn is_whole(&self) -> bool {
        let whole =
            |(file, hashed): (&String, &String)| file_sha256(&self.path.join(file)).is_ok_and(|found| found == *hashed);
        !self.state.files.is_empty() && self.state.files.iter().all(whole)
    }

    fn tensors(&self, file: &str) -> Result<Tensors> {
        let path = self.path.join(file);
        let bytes = read_file(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => damaged(&self.path, file, "it is missing"),
            _ => Error::io("read the checkpoint", &path, &error),
        })?;
        if self.state.files.get(file) != Some(&sha256(&bytes)) {
            return Err(damaged(&self.path, file, "its content is not what was written (truncated or changed)"));
        }
        safetensors::decode(&bytes).map_err(|reason| damaged(&self.path, file, &reason))
    }
}

/// Whether a text is the name of something in a folder, and not a path that leads elsewhere.
fn is_name(text: &str) -> bool {
    let mut parts = Path::new(text).components();
    !text.contains('\\') && matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
}

/// Whether there is a folder at a path, and no link to one elsewhere.
fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|data| data.is_dir())
}

/// A checkpoint that cannot be used, and what to use instead.
fn damaged(checkpoint: &Path, file: &str, reason: &str) -> Error {
    let folder = checkpoint.parent().unwrap_or(checkpoint);
    let mut others = Checkpoint::all(folder).into_iter().rev().filter(|other| other.path != checkpoint);
    let way_out = match others.find(Checkpoint::is_whole) {
        Some(other) => format!("use a whole one with --checkpoint {}", other.name()),
        None => "there is no other to go on from: train again with `ganvas train` on the run's config.toml".into(),
    };
    Error::input(format!("the checkpoint {} is damaged: {file}: {reason}; {way_out}", checkpoint.display()))
}

/// What a preview or a checkpoint is called after so many images: `00000240k128` after 240,128. The order of these names is
/// that of training, also beside those of earlier versions, which stop at the k.
pub(crate) fn name_after(images: u64) -> String {
    format!("{:08}k{:03}", images / 1000, images % 1000)
}

/// The name of a new checkpoint; numbered where one of a past that was given up has it.
fn free_name(folder: &Path, images: u64) -> String {
    let plain = name_after(images);
    let numbered = (2..).map(|number| format!("{plain}-{number}"));
    let mut names = [plain.clone()].into_iter().chain(numbered);
    names.find(|name| !folder.join(name).exists()).unwrap_or(plain)
}

fn file_of(part: &str) -> String {
    if part == MODEL { "model.safetensors".into() } else { format!("parts/{part}.safetensors") }
}

fn part_of(file: &str) -> String {
    file.trim_start_matches("parts/").trim_end_matches(".safetensors").to_owned()
}

/// Removes a checkpoint so that a crash in between leaves no half of one among the others.
fn discard(folder: &Path, checkpoint: &Path) -> std::io::Result<()> {
    let removing = folder.join(REMOVING);
    if removing.exists() {
        fs::remove_dir_all(&removing)?; // what a crash left
    }
    fs::rename(checkpoint, &removing)?;
    fs::remove_dir_all(&removing)
}

/// Asks for the folder's own entries to be on the disk; not every system can, and the files themselves are.
fn flush_folder(folder: &Path) {
    if let Ok(file) = fs::File::open(folder) {
        let _ = file.sync_all();
    }
}
