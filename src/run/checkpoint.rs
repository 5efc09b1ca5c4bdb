//! Checkpoints: safetensors and one TOML, complete or absent, and refused with a reason when they are damaged.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{DType, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::aside::{write_aside, write_flushed};
use crate::error::{Error, Result};
use crate::parts::{MODEL, Tensors};

/// The version of the layout this Ganvas writes, and the newest it reads.
const FORMAT: u32 = 1;
const LATEST: &str = "latest";
const ASIDE: &str = ".writing";
const REMOVING: &str = ".removing";
const WRITING: &str = "the checkpoint";

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
    /// SHA-256 of every file beside this one.
    #[serde(default)]
    files: BTreeMap<String, String>,
}

impl Checkpoint {
    /// Writes a checkpoint of all `parts` under `folder`, makes it the latest, and deletes the oldest beyond `keep`.
    ///
    /// It is written beside the others and renamed when every file is on the disk, so a crash at any moment leaves
    /// the latest one as it was.
    pub fn save(
        folder: &Path,
        step: u64,
        images: u64,
        parts: BTreeMap<String, Tensors>,
        keep: usize,
    ) -> Result<Checkpoint> {
        let aside = folder.join(ASIDE);
        let fail = |path: &Path, error: std::io::Error| {
            let _ = fs::remove_dir_all(&aside); // gives back the space; the error to tell is the first
            Error::io(&format!("write {WRITING}"), path, &error)
        };
        for left in [&aside, &folder.join(REMOVING)].into_iter().filter(|left| left.exists()) {
            fs::remove_dir_all(left).map_err(|error| Error::io("remove what a crash left", left, &error))?;
        }
        fs::create_dir_all(aside.join("parts")).map_err(|error| fail(&aside, error))?;

        let mut files = BTreeMap::new();
        for (part, tensors) in &parts {
            let name = file_of(part);
            let bytes = encode(part, tensors)?;
            files.insert(name.clone(), hash(&bytes));
            let path = aside.join(name);
            fs::File::create_new(&path)
                .and_then(|file| write_flushed(file, &bytes))
                .map_err(|error| fail(&path, error))?;
        }
        let state = State { format: FORMAT, version: env!("CARGO_PKG_VERSION").into(), step, images, files };
        let text = toml::to_string(&state)
            .map_err(|error| Error::failed(format!("the state cannot be written as TOML: {error}")))?;
        let path = aside.join("state.toml");
        fs::File::create_new(&path)
            .and_then(|file| write_flushed(file, text.as_bytes()))
            .map_err(|error| fail(&path, error))?;

        let mut name = format!("{:08}k", images / 1000);
        if folder.join(&name).exists() {
            name = format!("{name}-{step}"); // a second one within a thousand images
        }
        let path = folder.join(&name);
        if path.exists() {
            discard(folder, &path).map_err(|error| fail(&path, error))?; // this very step, when it was reached before
        }
        fs::rename(&aside, &path).map_err(|error| fail(&path, error))?;
        flush_folder(folder);
        write_aside(&folder.join(LATEST), format!("{name}\n").as_bytes(), &format!("write {WRITING}"))?;
        flush_folder(folder);

        let mut all = Self::all(folder);
        all.retain(|checkpoint| checkpoint.path != path);
        let surplus = all.len().saturating_sub(keep.saturating_sub(1));
        for old in &all[..surplus] {
            discard(folder, &old.path).map_err(|error| Error::io("remove an old checkpoint", &old.path, &error))?;
        }
        Ok(Checkpoint { path, state })
    }

    /// The checkpoint called `name`, or the latest; none when the run has not written any.
    pub fn find(folder: &Path, name: Option<&str>) -> Result<Option<Checkpoint>> {
        if let Some(name) = name {
            let path = folder.join(name);
            if name.contains(['/', '\\']) || !path.is_dir() {
                let names = Self::all(folder).iter().map(Checkpoint::name).collect::<Vec<_>>().join(", ");
                return Err(Error::input(format!("there is no checkpoint {name}; there are: {names}")));
            }
            return Self::read(&path).map(Some);
        }
        match fs::read_to_string(folder.join(LATEST)) {
            Ok(name) if folder.join(name.trim()).is_dir() => Self::read(&folder.join(name.trim())).map(Some),
            _ => Ok(Self::all(folder).pop()), // a copied or crashed run: the newest that is whole
        }
    }

    /// Every checkpoint whose state can be read, oldest first.
    fn all(folder: &Path) -> Vec<Checkpoint> {
        let entries = fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
        let named = entries.filter(|path| path.is_dir() && ![ASIDE, REMOVING].iter().any(|name| path.ends_with(name)));
        let readable = |path: PathBuf| {
            let state = toml::from_str::<State>(&fs::read_to_string(path.join("state.toml")).ok()?).ok()?;
            (state.format <= FORMAT).then_some(Checkpoint { path, state })
        };
        let mut all = named.filter_map(readable).collect::<Vec<_>>();
        all.sort_by_key(|checkpoint| checkpoint.state.step);
        all
    }

    fn read(path: &Path) -> Result<Checkpoint> {
        let file = path.join("state.toml");
        let text = fs::read_to_string(&file).map_err(|error| Error::io("read the checkpoint", &file, &error))?;
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

    /// Steps done when it was written.
    pub fn step(&self) -> u64 {
        self.state.step
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
        let whole = |(file, hashed): (&String, &String)| {
            fs::read(self.path.join(file)).is_ok_and(|bytes| hash(&bytes) == *hashed)
        };
        !self.state.files.is_empty() && self.state.files.iter().all(whole)
    }

    fn tensors(&self, file: &str) -> Result<Tensors> {
        let path = self.path.join(file);
        let bytes = fs::read(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => damaged(&self.path, file, "it is missing"),
            _ => Error::io("read the checkpoint", &path, &error),
        })?;
        if self.state.files.get(file) != Some(&hash(&bytes)) {
            return Err(damaged(&self.path, file, "its content is not what was written (truncated or changed)"));
        }
        decode(&bytes).map_err(|reason| damaged(&self.path, file, &reason))
    }
}

/// A checkpoint that cannot be used, and what to use instead.
fn damaged(checkpoint: &Path, file: &str, reason: &str) -> Error {
    let folder = checkpoint.parent().unwrap_or(checkpoint);
    let mut others = Checkpoint::all(folder).into_iter().rev().filter(|other| other.path != checkpoint);
    let way_out = match others.find(Checkpoint::is_whole) {
        Some(other) => format!("use the one before with --checkpoint {}", other.name()),
        None => "there is no other to go on from: train again with `ganvas train` on the run's config.toml".into(),
    };
    Error::input(format!("the checkpoint {} is damaged: {file}: {reason}; {way_out}", checkpoint.display()))
}

fn file_of(part: &str) -> String {
    if part == MODEL { "model.safetensors".into() } else { format!("parts/{part}.safetensors") }
}

fn part_of(file: &str) -> String {
    file.trim_start_matches("parts/").trim_end_matches(".safetensors").to_owned()
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Removes a checkpoint so that a crash in between leaves no half of one among the others.
fn discard(folder: &Path, checkpoint: &Path) -> std::io::Result<()> {
    let removing = folder.join(REMOVING);
    fs::rename(checkpoint, &removing)?;
    fs::remove_dir_all(&removing)
}

/// Asks for the folder's own entries to be on the disk; not every system can, and the files themselves are.
fn flush_folder(folder: &Path) {
    if let Ok(file) = fs::File::open(folder) {
        let _ = file.sync_all();
    }
}

fn encode(part: &str, tensors: &Tensors) -> Result<Vec<u8>> {
    let views = tensors.iter().map(|(name, data)| {
        let dtype = match data.dtype() {
            DType::F32 => Dtype::F32,
            DType::F64 => Dtype::F64,
            DType::I64 => Dtype::I64,
            other => return Err(Error::failed(format!("{part}: {name} has type {other:?}, which is not stored"))),
        };
        let view = TensorView::new(dtype, data.shape().to_vec(), data.as_bytes())
            .map_err(|error| Error::failed(format!("{part}: {name}: {error}")))?;
        Ok((name.as_str(), view))
    });
    let views = views.collect::<Result<Vec<_>>>()?;
    safetensors::serialize(views, None).map_err(|error| Error::failed(format!("{part}: {error}")))
}

fn decode(bytes: &[u8]) -> Result<Tensors, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let tensors = file.iter().map(|(name, view)| {
        let shape = view.shape().to_vec();
        let words = |bytes: &[u8]| bytes.chunks_exact(8).map(|w| <[u8; 8]>::try_from(w).unwrap_or_default()).collect();
        let data = match view.dtype() {
            Dtype::F32 => {
                let singles = view.data().chunks_exact(4).map(|w| f32::from_le_bytes([w[0], w[1], w[2], w[3]]));
                TensorData::new(singles.collect::<Vec<_>>(), shape)
            }
            Dtype::F64 => {
                let words: Vec<[u8; 8]> = words(view.data());
                TensorData::new(words.into_iter().map(f64::from_le_bytes).collect(), shape)
            }
            Dtype::I64 => {
                let words: Vec<[u8; 8]> = words(view.data());
                TensorData::new(words.into_iter().map(i64::from_le_bytes).collect(), shape)
            }
            other => return Err(format!("{name} has type {other:?}, which Ganvas does not store")),
        };
        Ok((name.to_owned(), data))
    });
    tensors.collect()
}
