//! Data: where it comes from, how it is checked, how batches are drawn.

pub mod aged;
pub mod cache;
pub mod check;
pub mod codepoints;
mod deb;
pub mod degrade;
mod described;
pub mod dicebear;
pub mod drawn;
pub mod emoji;
pub mod enlarged;
pub mod expressions;
pub mod faces;
pub mod fetch;
pub mod food;
pub mod gaussians;
pub mod images;
pub mod mnist;
pub mod music;
pub mod openmoji;
pub mod people;
pub mod photos;
mod rcc;
pub mod source;
pub mod sprites;
pub mod svg;
pub mod vectors;
pub mod walkers;

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::report;

/// A data set Ganvas can fetch by itself.
#[derive(Clone, Copy)]
pub struct DataSet {
    /// The name on the command line.
    pub name: &'static str,
    /// What it is, in one sentence.
    pub sentence: &'static str,
    /// Bytes on the disk.
    pub bytes: u64,
    /// Where its licence stands, or what is known of it.
    pub licence: &'static str,
    /// The archives that it is made of, as the cache calls them, where they are of no use once it is there.
    pub made_of: &'static [&'static str],
    /// Its folder in the cache.
    pub folder: fn() -> Result<PathBuf>,
    /// Folders within its own, each of which is a set to learn from, the usual one first; none where its own is one.
    pub parts: &'static [&'static str],
    /// Fetches and verifies it into a folder.
    pub fetch: fn(&Path, report::Report) -> Result<()>,
}

impl DataSet {
    /// The folder to learn from, once the set is fetched into `folder`.
    pub fn usual(&self, folder: PathBuf) -> PathBuf {
        match self.parts.first() {
            Some(part) => folder.join(part),
            None => folder,
        }
    }
}

/// Every data set Ganvas can fetch by itself.
pub const SETS: &[DataSet] = &[
    DataSet {
        name: "mnist",
        sentence: "70,000 handwritten digits, 28x28 grey, with labels",
        bytes: 54_950_048,
        licence: "none stated by its authors; widely used for research and teaching",
        parts: &[],
        made_of: &[],
        folder: mnist::default_dir,
        fetch: mnist::fetch,
    },
    DataSet {
        name: "avatars",
        sentence: "10,000 drawn heads in two styles, 64x64 colour, with the choices of their parts",
        bytes: 29_896_160,
        licence: "avataaars: free for personal and commercial use, by Pablo Stanley; ToonHead: CC BY 4.0, by Johan Melin",
        parts: &[],
        made_of: &[faces::STYLES.file],
        folder: faces::avatars_dir,
        fetch: faces::fetch_avatars,
    },
    DataSet {
        name: "anime",
        sentence: "10,000 anime-like faces, 64x64 colour, with the choices of their parts",
        bytes: 37_138_634,
        licence: "Adventurer: CC BY 4.0, by Lisa Wischofsky",
        parts: &[],
        made_of: &[faces::STYLES.file],
        folder: faces::anime_dir,
        fetch: faces::fetch_anime,
    },
    DataSet {
        name: "expressions",
        sentence: "two drawn persons with 400 expressions each, 64x64, of which 100 are the same, for faceswap",
        bytes: 2_458_603,
        licence: "avataaars: free for personal and commercial use, by Pablo Stanley",
        parts: &[],
        made_of: &[faces::STYLES.file],
        folder: expressions::default_dir,
        fetch: expressions::fetch,
    },
    DataSet {
        name: "openmoji",
        sentence: "1,350 line drawings, each beside the same in colour, 256x128, for pix2pix",
        bytes: 10_256_666,
        licence: "OpenMoji: CC BY-SA 4.0",
        parts: &[],
        made_of: &[openmoji::OPENMOJI.file],
        folder: openmoji::default_dir,
        fetch: openmoji::fetch,
    },
    DataSet {
        name: "emoji",
        sentence: "1,363 emoji in four styles, 64x64: two are domains without pairs, for CycleGAN; emoji/by-style has a class for each",
        bytes: 35_008_684,
        licence: "OpenMoji: CC BY-SA 4.0; Twemoji: CC BY 4.0; Noto Emoji: Apache 2.0; Fluent Emoji: MIT",
        parts: &emoji::PARTS,
        made_of: &emoji::ARCHIVES,
        folder: emoji::default_dir,
        fetch: emoji::fetch,
    },
    DataSet {
        name: "food",
        sentence: "392 photographs of foods in nine classes, each with its name, 307x173, for BigGAN",
        bytes: 5_232_038,
        licence: "AGPL-3.0; who holds the rights in the photographs is not stated",
        parts: &[],
        made_of: &food::ARCHIVES,
        folder: food::default_dir,
        fetch: food::fetch,
    },
    DataSet {
        name: "folk",
        sentence: "1,597 dance tunes and airs in 4/4, as MIDI files with derived chords, for MidiNet",
        bytes: 2_432_981,
        licence: "tunes of 1778 to 1903; their encodings: with the encoders' permission, some perhaps not for commercial use",
        parts: &[],
        made_of: &[music::folk::MUSIC21.file],
        folder: music::folk::default_dir,
        fetch: music::folk::fetch,
    },
    DataSet {
        name: "photos",
        sentence: "140 photographs of animals, buildings and landscapes, whole, 179 to 2656 pixels wide",
        bytes: 83_610_503,
        licence: "one for each photograph, in its LICENCE.txt: mostly public domain, CC0 and CC BY-SA",
        parts: &[],
        made_of: &photos::ARCHIVES,
        folder: photos::default_dir,
        fetch: photos::fetch,
    },
    DataSet {
        name: "sprites",
        sentence: "two figures of a game in 76 outfits and 224 poses, 64x64, with their joints, for PG2",
        bytes: 34_000_000,
        licence: "CC BY-SA 3.0 or later, by Clint Bellanger and others",
        parts: &[],
        made_of: &[sprites::FLARE.file],
        folder: sprites::default_dir,
        fetch: sprites::fetch,
    },
    DataSet {
        name: "walkers",
        sentence: "ten persons who walk across a car park, 64x128, with their joints, for PG2; fetches 270 MB once",
        bytes: 14_721_484,
        licence: "of OpenCV's documentation: Apache 2.0; who holds the rights in the video is not stated",
        parts: &[],
        made_of: &walkers::ARCHIVES,
        folder: walkers::default_dir,
        fetch: walkers::fetch,
    },
];

/// Where the data are that a configuration means: at its `path`, or the `set`, which is fetched, when that is empty.
fn place_of(path: &Path, set_name: &str) -> Result<PathBuf> {
    if path.as_os_str().is_empty() {
        let set = set(set_name)?;
        let folder = (set.folder)()?;
        (set.fetch)(&folder, &mut |_| {})?;
        return Ok(set.usual(folder));
    }
    let Some(Meant { set, folder, place }) = meant(path)? else { return Ok(path.to_owned()) };
    (set.fetch)(&folder, &mut |_| {})?;
    Ok(place)
}

/// The data set that a path means where there is no such file.
pub struct Meant {
    /// The set.
    pub set: DataSet,
    /// Its folder in the cache.
    pub folder: PathBuf,
    /// The folder to learn from, once it is fetched.
    pub place: PathBuf,
}

/// The data set that a path means; none where it means itself. An error when the set has no such part.
pub fn meant(path: &Path) -> Result<Option<Meant>> {
    if path.exists() {
        return Ok(None);
    }
    let Some((set, part)) = named(path)? else { return Ok(None) };
    let folder = (set.folder)()?;
    let place = part.map_or(folder.clone(), |part| folder.join(part));
    Ok(Some(Meant { set, folder, place }))
}

/// Whether a folder holds idx files, as digits come, rather than pictures.
pub fn holds_digits(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).any(|name| {
        let known = |file: &mnist::IdxFile| name.replace(".idx", "-idx").trim_end_matches(".gz") == file.name;
        mnist::FILES.iter().any(known)
    })
}

/// The data set that a path names, and the folder to learn from within its own: `emoji`, `emoji/openmoji-noto`. None where the
/// path names none, as one that ends in a slash: who writes `photos/` means a folder of their own. An error when the set has no
/// such part.
pub fn named(path: &Path) -> Result<Option<(DataSet, Option<&'static str>)>> {
    if path.as_os_str().as_encoded_bytes().last().is_some_and(|last| std::path::is_separator(char::from(*last))) {
        return Ok(None);
    }
    let mut names = path.iter().map(|name| name.to_string_lossy());
    let (name, rest) = (names.next().unwrap_or_default(), names.collect::<Vec<_>>().join("/"));
    let Some(set) = SETS.iter().find(|set| set.name == name && (rest.is_empty() || !set.parts.is_empty())) else {
        return Ok(None);
    };
    match set.parts.iter().find(|part| **part == rest) {
        Some(part) => Ok(Some((*set, Some(*part)))),
        None if rest.is_empty() => Ok(Some((*set, set.parts.first().copied()))),
        None => Err(Error::input(format!("`{name}` has no part `{rest}`; it has: {}", set.parts.join(", ")))),
    }
}

/// The data set called `name`.
pub fn set(name: &str) -> Result<DataSet> {
    SETS.iter().find(|set| set.name == name).copied().ok_or_else(|| {
        let names = SETS.iter().map(|set| set.name).collect::<Vec<_>>().join(", ");
        Error::input(format!("there is no data set `{name}`; there are: {names}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_set_or_a_part_of_one_and_the_first_part_is_the_usual() {
        let named = |path: &str| named(Path::new(path)).map(|found| found.map(|(set, part)| (set.name, part)));
        assert_eq!(named("emoji").unwrap(), Some(("emoji", Some("twemoji-noto"))));
        assert_eq!(named("emoji/openmoji-noto").unwrap(), Some(("emoji", Some("openmoji-noto"))));
        assert_eq!(named("mnist").unwrap(), Some(("mnist", None)));
        assert_eq!(["mnist/train", "pictures", "", "photos/", "./photos"].map(|path| named(path).unwrap()), [None; 5]);
        let error = named("emoji/noto-twemoji").unwrap_err().to_string();
        assert!(error.starts_with("`emoji` has no part `noto-twemoji`; it has: twemoji-noto, "), "{error}");
        let set = set("emoji").unwrap();
        assert_eq!(set.usual("here".into()), Path::new("here/twemoji-noto"));
    }
}
