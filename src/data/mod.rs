//! Data: where it comes from, how it is checked, how batches are drawn.

pub mod codepoints;
pub mod dicebear;
pub mod drawn;
pub mod emoji;
pub mod faces;
pub mod fetch;
pub mod images;
pub mod mnist;
pub mod openmoji;
pub mod source;
pub mod svg;

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

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
    /// Its folder in the cache.
    pub folder: fn() -> Result<PathBuf>,
    /// Fetches and verifies it into a folder.
    pub fetch: fn(&Path, fetch::Report) -> Result<()>,
}

/// Every data set Ganvas can fetch by itself.
pub const SETS: &[DataSet] = &[
    DataSet {
        name: "mnist",
        sentence: "70,000 handwritten digits, 28x28 grey, with labels",
        bytes: 54_950_048,
        licence: "none stated by its authors; widely used for research and teaching",
        folder: mnist::default_dir,
        fetch: mnist::fetch,
    },
    DataSet {
        name: "avatars",
        sentence: "10,000 drawn heads in two styles, 64x64 colour, with the choices of their parts",
        bytes: 26_384_073,
        licence: "avataaars: free for personal and commercial use, by Pablo Stanley; ToonHead: CC BY 4.0, by Johan Melin",
        folder: faces::avatars_dir,
        fetch: faces::fetch_avatars,
    },
    DataSet {
        name: "anime",
        sentence: "10,000 anime-like faces, 64x64 colour, with the choices of their parts",
        bytes: 37_138_634,
        licence: "Adventurer: CC BY 4.0, by Lisa Wischofsky",
        folder: faces::anime_dir,
        fetch: faces::fetch_anime,
    },
    DataSet {
        name: "openmoji",
        sentence: "1,350 line drawings, each beside the same in colour, 256x128, for pix2pix",
        bytes: 10_256_666,
        licence: "OpenMoji: CC BY-SA 4.0",
        folder: openmoji::default_dir,
        fetch: openmoji::fetch,
    },
];

/// Whether a folder holds idx files, as digits come, rather than pictures.
pub fn holds_digits(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).any(|name| {
        let known = |file: &mnist::IdxFile| name.replace(".idx", "-idx").trim_end_matches(".gz") == file.name;
        mnist::FILES.iter().any(known)
    })
}

/// The data set called `name`.
pub fn set(name: &str) -> Result<DataSet> {
    SETS.iter().find(|set| set.name == name).copied().ok_or_else(|| {
        let names = SETS.iter().map(|set| set.name).collect::<Vec<_>>().join(", ");
        Error::input(format!("there is no data set `{name}`; there are: {names}"))
    })
}
