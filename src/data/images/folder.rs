//! The pictures of a folder or a zip: which there are, of which class each is, and which are held out.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use rayon::prelude::*;
use sha2::{Digest, Sha256};
use zip::ZipArchive;

use crate::error::{Error, Result};
use crate::hash;
use crate::media::{NOT_READ, Opened, READ};

use super::Layout;

/// Folders that hold out what lies in them, beside one called `train`.
pub(in crate::data) const HELD_OUT: &[&str] = &["validation", "val", "test", "held-out"];
const ATTRIBUTES: &str = "list_attr_celeba.txt";
const PARTITION: &str = "list_eval_partition.txt";
const LABELS: &str = "dataset.json"; // as NVIDIA's tools write it
/// Files that may hold what is said of pictures.
const TEXTS: &[&str] = &["txt", "csv", "tsv", "jsonl"];
const POSES: &str = "json";
const LARGEST: u64 = 1 << 30; // bytes of one file
const LARGE: u64 = 16_000_000; // pixels from which on pictures are decoded one after another

/// The pictures of a folder or zip, in the order of their names.
pub struct Listing {
    /// Those to be decoded.
    pub pictures: Vec<Picture>,
    /// The names of the classes, in order; empty when there are none.
    pub classes: Vec<String>,
    /// What cannot be used, known without decoding.
    pub problems: Vec<String>,
    /// What a survey should tell.
    pub notes: Vec<String>,
    place: PathBuf,
    zipped: bool,
    attributes: Option<File>, // CelebA's list of them
    texts: Vec<File>,
    poses: Vec<File>,
}

/// A file that should be a picture.
pub struct Picture {
    /// The class, 0 without classes.
    pub label: u32,
    /// Whether it is kept from training.
    pub held_out: bool,
    file: File,
    /// How much of its name is folders that hold everything.
    base: usize,
}

impl Picture {
    /// Its path below the folder, with `/`.
    pub fn name(&self) -> &str {
        &self.file.name
    }

    /// A hash of its place in the folder and of its file, whose bytes these are.
    pub fn hash(&self, bytes: &[u8]) -> [u8; 32] {
        let key = format!("{}\0", &self.name()[self.base..]);
        Sha256::digest([key.as_bytes(), &Sha256::digest(bytes)].concat()).into()
    }

    /// The folders of its path, from below those that hold everything.
    pub fn folders(&self) -> impl Iterator<Item = &str> {
        let path = &self.name()[self.base..];
        path.rsplit_once('/').map_or("", |(folders, _)| folders).split('/').filter(|folder| !folder.is_empty())
    }

    /// Its name without the ending, by which the two pictures of a pair know each other.
    pub fn stem(&self) -> &str {
        self.name().rsplit_once('.').map_or(self.name(), |(stem, _)| stem)
    }
}

/// A file of a folder or zip.
pub(in crate::data) struct File {
    name: String, // its path below the folder, with `/`
    at: At,
    bytes: u64,
    stamp: u64, // when it was written, or in a zip its CRC-32
}

impl File {
    /// Its path below the folder, with `/`.
    pub(in crate::data) fn name(&self) -> &str {
        &self.name
    }

    /// Its size.
    pub(in crate::data) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Where a file's bytes are.
enum At {
    Path(PathBuf),
    Member(usize),
}

/// The archive that files are read from; `None` for a plain folder.
pub(in crate::data) type Archive = Option<ZipArchive<BufReader<fs::File>>>;

/// How pictures are parted into those to learn from (0), those held out (1) and the rest (2).
pub(in crate::data) enum Split {
    /// By these two folders.
    Folders { train: String, held_out: String },
    /// By CelebA's list; a picture it does not name is learned from.
    List(HashMap<String, u8>),
    /// By the hash of the name, which stays when other pictures come.
    Share(f64),
}

impl Split {
    /// The part that a path below the folder, or another name, belongs to.
    pub(in crate::data) fn part(&self, key: &str) -> u8 {
        match self {
            Split::Folders { train, held_out } => match first(key) {
                Some(folder) if folder == train => 0,
                Some(folder) if folder == held_out => 1,
                _ => 2,
            },
            Split::List(parts) => parts.get(last(key)).copied().unwrap_or(0),
            Split::Share(share) => {
                let hash = Sha256::digest(key);
                let hash = hash[..4].iter().fold(0, |sum, byte| sum * 256 + u32::from(*byte));
                u8::from(f64::from(hash) < share * 4_294_967_296.0)
            }
        }
    }
}

impl Listing {
    /// Walks a folder or a zip without decoding anything. Hidden files and files whose names do not say that they are
    /// pictures are passed over, and so are folders met again through a link.
    ///
    /// A folder in which everything lies counts as the place itself. Folders `train` and `validation` (or `val`, `test`,
    /// `held-out`) are the split; else CelebA's list is, in that layout; else a `share` by the hash of the names.
    /// An error when there is no picture at all.
    pub fn of(place: &Path, layout: Layout, share: f64) -> Result<Self> {
        Self::split(place, layout, share, HELD_OUT, None)
    }

    /// The same with the first of these `folders` that is there held out.
    pub fn holding_out(place: &Path, share: f64, folders: &[&str]) -> Result<Self> {
        Self::split(place, Layout::Folder, share, folders, None)
    }

    /// The same with these two folders, whose names are told apart by case, as the split: `[train, held out]`.
    pub fn between(place: &Path, folders: [&str; 2]) -> Result<Self> {
        Self::split(place, Layout::Folder, 0.0, HELD_OUT, Some(folders))
    }

    fn split(place: &Path, layout: Layout, share: f64, held_out: &[&str], folders: Option<[&str; 2]>) -> Result<Self> {
        let zipped = is_zip(place)?;
        let (mut problems, mut notes) = (Vec::new(), Vec::new());
        let mut files = if zipped { members(place)? } else { walk(place, &mut problems) };
        files.sort_by(|a, b| a.name.cmp(&b.name));
        let mut take = |name: &str| files.iter().position(|file| last(&file.name) == name).map(|at| files.remove(at));
        let (attributes, partition, labels) = (take(ATTRIBUTES), take(PARTITION), take(LABELS));
        let (texts, files) =
            files.into_iter().partition::<Vec<_>, _>(|file| TEXTS.contains(&ending(&file.name).as_str()));
        let (poses, mut files) = files.into_iter().partition::<Vec<_>, _>(|file| ending(&file.name) == POSES);
        files.retain(|file| {
            let kind = ending(&file.name);
            if NOT_READ.contains(&kind.as_str()) {
                problems.push(format!("{} is of a kind that is not read; convert it to PNG or JPEG", file.name));
            }
            READ.contains(&kind.as_str())
        });
        if files.is_empty() && problems.is_empty() {
            let (place, kinds) = (place.display(), READ.join(", ."));
            return Err(Error::input(format!("{place} holds no pictures, that is, no files named .{kinds}")));
        }
        let base = wrapping(&files);
        let mut split = Split::Share(share);
        match (layout, partition) {
            (Layout::Folder, _) => {
                let given = folders.map(|folders| folders.map(str::to_owned));
                let given = given.map(|[train, held_out]| Split::Folders { train, held_out });
                split = given.or_else(|| split_folders(&files, base, held_out)).unwrap_or(split);
            }
            (Layout::Celeba, Some(file)) => match text(place, zipped, &file).and_then(|text| parse_partition(&text)) {
                Ok(parts) => split = Split::List(parts),
                Err(why) => problems.push(format!("{} {why}", file.name)),
            },
            (Layout::Celeba, None) => (),
        }
        let (mut pictures, mut left) = (Vec::new(), 0);
        for file in files {
            match split.part(&file.name[base..]) {
                part @ (0 | 1) => pictures.push(Picture { label: 0, held_out: part == 1, file, base }),
                _ => left += 1,
            }
        }
        if left > 0 {
            notes.push(format!("left alone, as they belong to neither part: {left} pictures"));
        }
        if matches!(split, Split::Share(_)) && pictures.iter().all(|picture| picture.held_out) {
            pictures.iter_mut().take(1).for_each(|first| first.held_out = false); // something must be learned from
        }
        let labels = labels.map(|file| (text(place, zipped, &file).and_then(|text| labels_of(&text)), file.name));
        let classes = match (layout, labels) {
            (Layout::Folder, Some((labels, name))) => by_list(&mut pictures, &name, labels, &mut notes),
            (Layout::Folder, None) => label(&mut pictures, base, matches!(split, Split::Folders { .. }), &mut notes),
            (Layout::Celeba, _) => Vec::new(),
        };
        Ok(Listing { pictures, classes, problems, notes, place: place.to_owned(), zipped, attributes, texts, poses })
    }

    /// What changes when any file, its class or its part does.
    pub fn fingerprint(&self) -> String {
        let mut all = Vec::new();
        for Picture { label, held_out, file, .. } in &self.pictures {
            let File { name, bytes, stamp, .. } = file;
            all.extend(format!("{name}\0{bytes} {stamp} {label} {held_out}\n").bytes());
        }
        self.problems.iter().for_each(|problem| all.extend(problem.bytes()));
        hash::sha256(&all)
    }

    /// Hands every picture's bytes over, in order, one at a time; or why they cannot be read, as a sentence without its subject.
    pub fn in_order<E>(
        &self,
        mut work: impl FnMut(&Picture, Result<Vec<u8>, String>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut archive = archive(&self.place, self.zipped);
        self.pictures.iter().try_for_each(|picture| {
            let read = archive.as_mut().map_err(|why| why.clone()).and_then(|archive| bytes(&picture.file, archive));
            work(picture, read)
        })
    }

    /// The work's result for every picture's bytes, in order, on all threads. An error of the work is a sentence without
    /// its subject, the file's name, which comes before it here.
    pub fn each<T: Send>(&self, work: impl Fn(&Picture, &[u8]) -> Result<T, String> + Sync) -> Vec<Result<T, String>> {
        let one_at_a_time = Mutex::new(()); // of those that are large, or memory would be needed for all threads at once
        let some = self.pictures.len().div_ceil(4 * rayon::current_num_threads()).max(1); // each opens a zip once
        let chunks = self.pictures.par_chunks(some).map(|pictures| {
            let mut archive = archive(&self.place, self.zipped);
            let results = pictures.iter().map(|picture| {
                let bytes =
                    archive.as_mut().map_err(|why| why.clone()).and_then(|archive| bytes(&picture.file, archive));
                bytes
                    .and_then(|bytes| {
                        let is_large = Opened::pixels(&bytes).is_some_and(|pixels| pixels > LARGE);
                        let _alone = is_large.then(|| one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner));
                        work(picture, &bytes)
                    })
                    .map_err(|why| format!("{} {why}", picture.file.name))
            });
            results.collect::<Vec<_>>()
        });
        chunks.collect::<Vec<_>>().into_iter().flatten().collect()
    }

    /// The files beside the pictures that may hold captions: each by its path below the folder, with its bytes or why there are
    /// none.
    pub(super) fn texts(&self) -> Vec<(&str, Result<Vec<u8>, String>)> {
        self.read(&self.texts)
    }

    /// The files beside the pictures that may hold poses, likewise.
    pub(super) fn poses(&self) -> Vec<(&str, Result<Vec<u8>, String>)> {
        self.read(&self.poses)
    }

    /// The names of these.
    pub(super) fn poses_named(&self) -> Vec<&str> {
        self.poses.iter().map(|file| file.name.as_str()).collect()
    }

    fn read<'a>(&self, files: &'a [File]) -> Vec<(&'a str, Result<Vec<u8>, String>)> {
        let mut archive = archive(&self.place, self.zipped);
        let mut read = |file| archive.as_mut().map_err(|why| why.clone()).and_then(|archive| bytes(file, archive));
        files.iter().map(|file| (file.name.as_str(), read(file))).collect()
    }

    /// What CelebA's list of attributes says of itself, or what is wrong with it; `None` where there is none.
    pub fn attributes(&self) -> Option<Result<String, String>> {
        let file = self.attributes.as_ref()?;
        let found = text(&self.place, self.zipped, file).and_then(|text| parse_attributes(&text));
        let name = &file.name;
        Some(match found {
            Ok((attributes, pictures)) => Ok(format!("{name} has {attributes} attributes of {pictures} pictures")),
            Err(why) => Err(format!("{name} {why}")),
        })
    }
}

/// Whether a place is a zip; an error when it is no folder either.
fn is_zip(place: &Path) -> Result<bool> {
    let shown = place.display();
    match fs::metadata(place) {
        Ok(data) if data.is_dir() => Ok(false),
        Ok(_) if place.extension().is_some_and(|end| end.eq_ignore_ascii_case("zip")) => Ok(true),
        Ok(_) => Err(Error::input(format!("{shown} is a file; give a folder or a .zip of pictures"))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Error::input(format!("{shown} does not exist; give a folder or a .zip of pictures")))
        }
        Err(error) => Err(Error::io("read the pictures", place, &error)),
    }
}

fn archive(place: &Path, zipped: bool) -> Result<Archive, String> {
    if !zipped {
        return Ok(None);
    }
    let file = fs::File::open(place).map_err(|error| format!("cannot be read: {error}"))?;
    let archive = ZipArchive::new(BufReader::new(file));
    archive.map(Some).map_err(|error| format!("cannot be read: {error}"))
}

/// The files of a zip.
fn members(place: &Path) -> Result<Vec<File>> {
    let broken = |why: String| Error::input(format!("{} is not a sound zip: {why}", place.display()));
    let Some(mut archive) = archive(place, true).map_err(broken)? else { return Ok(Vec::new()) };
    let mut files = Vec::new();
    for index in 0..archive.len() {
        let member = archive.by_index_raw(index).map_err(|error| broken(error.to_string()))?;
        let name = member.name().replace('\\', "/"); // as some Windows programs write it
        let name = name.trim_start_matches('/').to_owned(); // below the zip, whatever it says
        if member.is_file() && member.enclosed_name().is_some() && !name.split('/').any(hidden) {
            files.push(File { name, at: At::Member(index), bytes: member.size(), stamp: u64::from(member.crc32()) });
        }
    }
    Ok(files)
}

/// The files below a folder. What cannot be looked into goes to `problems`.
pub(in crate::data) fn walk(place: &Path, problems: &mut Vec<String>) -> Vec<File> {
    let mut files = Vec::new();
    let (mut folders, mut linked) = (vec![(place.to_owned(), String::new())], Vec::new());
    let mut seen = HashSet::new();
    // Links come last, so that a folder has its own name where it has two; one met again is left, or a loop would hang.
    while let Some((folder, prefix)) = folders.pop().or_else(|| linked.pop()) {
        if !seen.insert(fs::canonicalize(&folder).unwrap_or_else(|_| folder.clone())) {
            continue;
        }
        let entries = fs::read_dir(&folder).and_then(|entries| entries.collect::<std::io::Result<Vec<_>>>());
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                problems.push(format!("{prefix} cannot be looked into: {error}"));
                continue;
            }
        };
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.file_name())); // links in an order of their own, too
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            if hidden(&name) {
                continue;
            }
            let (path, name) = (entry.path(), format!("{prefix}{name}"));
            match fs::metadata(&path) {
                Ok(data) if data.is_dir() => {
                    let link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
                    if link { &mut linked } else { &mut folders }.push((path, format!("{name}/")));
                }
                Ok(data) if data.is_file() => {
                    let written = data.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
                    let stamp = written.map_or(0, |time| time.as_nanos() as u64);
                    files.push(File { name, at: At::Path(path), bytes: data.len(), stamp });
                }
                Ok(_) => (), // a socket, a pipe
                Err(_) => files.push(File { name, at: At::Path(path), bytes: 0, stamp: 0 }), // reading it says why
            }
        }
    }
    files
}

/// The bytes of a file.
pub(in crate::data) fn bytes(file: &File, archive: &mut Archive) -> Result<Vec<u8>, String> {
    if file.bytes > LARGEST {
        return Err(format!("has {} bytes, more than a picture can have here", file.bytes));
    }
    let mut bytes = Vec::new();
    let read = match (&file.at, archive) {
        (At::Path(path), _) => fs::read(path).map(|read| bytes = read),
        (At::Member(index), Some(archive)) => {
            let member = archive.by_index(*index).map_err(|error| format!("cannot be unpacked: {error}"))?;
            member.take(LARGEST).read_to_end(&mut bytes).map(drop)
        }
        (At::Member(_), None) => Ok(()),
    };
    read.map_err(|error| format!("cannot be read: {error}"))?;
    Ok(bytes)
}

fn text(place: &Path, zipped: bool, file: &File) -> Result<String, String> {
    let bytes = bytes(file, &mut archive(place, zipped)?)?;
    String::from_utf8(bytes).map_err(|_| "is not text".to_owned())
}

fn hidden(name: &str) -> bool {
    name.starts_with('.') || name == "__MACOSX"
}

/// What a file's name ends in, in small letters.
fn ending(name: &str) -> String {
    name.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase()).unwrap_or_default()
}

/// The last part of a path.
fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// The first folder of a path; `None` for a file that lies in none.
fn first(key: &str) -> Option<&str> {
    key.split_once('/').map(|(folder, _)| folder)
}

/// How many bytes at the start of every name are folders that hold all files, as a zip often has one.
pub(in crate::data) fn wrapping(files: &[File]) -> usize {
    let mut base = 0;
    loop {
        let Some(folder) = files.first().and_then(|file| first(&file.name[base..])) else { return base };
        if !files.iter().all(|file| first(&file.name[base..]) == Some(folder)) {
            return base;
        }
        base += folder.len() + 1;
    }
}

/// The two folders that are a split by their names, where both are there.
pub(in crate::data) fn split_folders(files: &[File], base: usize, held_out: &[&str]) -> Option<Split> {
    let folders = files.iter().filter_map(|file| first(&file.name[base..])).collect::<BTreeSet<_>>();
    let named = |name: &str| folders.iter().find(|folder| folder.eq_ignore_ascii_case(name));
    let train = named("train")?.to_string();
    let held_out = held_out.iter().find_map(|name| named(name))?.to_string();
    Some(Split::Folders { train, held_out })
}

/// Gives pictures the class of their folder, the first one below those of the split, and returns the classes' names.
/// There are classes when there are two such folders or more and no picture lies beside them.
fn label(pictures: &mut [Picture], base: usize, split: bool, notes: &mut Vec<String>) -> Vec<String> {
    fn folder(picture: &Picture, base: usize, split: bool) -> Option<&str> {
        let key = &picture.file.name[base..];
        first(if split { key.split_once('/').map_or("", |(_, below)| below) } else { key })
    }
    let folders = pictures.iter().filter_map(|picture| folder(picture, base, split)).collect::<BTreeSet<_>>();
    let classes = folders.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let beside = pictures.iter().filter(|picture| folder(picture, base, split).is_none()).count();
    if classes.len() < 2 {
        return Vec::new();
    }
    if beside > 0 {
        let folders = classes.len();
        notes.push(format!("the {folders} folders are not taken for classes, as pictures lie beside them: {beside}"));
        return Vec::new();
    }
    for picture in pictures {
        let class = folder(picture, base, split).and_then(|name| classes.iter().position(|class| class == name));
        picture.label = class.unwrap_or(0) as u32;
    }
    classes
}

/// The class of each picture by its name; none where a list has no labels.
type Labels = Option<HashMap<String, u32>>;

/// The labels of the file dataset.json as NVIDIA's tools for StyleGAN write it: `{"labels": [["00000/img00000000.png", 3], ..]}`,
/// or null for none.
fn labels_of(text: &str) -> Result<Labels, String> {
    #[derive(serde::Deserialize)]
    struct List {
        labels: Option<Vec<(String, serde_json::Value)>>,
    }
    let list = serde_json::from_str::<List>(text).map_err(|error| format!("has no list of labels: {error}"))?;
    let Some(labels) = list.labels else { return Ok(None) };
    let class = |(name, label): (String, serde_json::Value)| {
        let class = label.as_u64().and_then(|class| u32::try_from(class).ok());
        class.map(|class| (name, class)).ok_or_else(|| "has labels that are no classes".to_owned())
    };
    labels.into_iter().map(class).collect::<Result<_, _>>().map(Some)
}

/// Gives pictures the classes of a list, and returns the classes' names. Its folders are no classes: they hold a thousand
/// pictures each.
fn by_list(
    pictures: &mut [Picture],
    list: &str,
    labels: Result<Labels, String>,
    notes: &mut Vec<String>,
) -> Vec<String> {
    let labels = match labels {
        Ok(Some(labels)) => labels,
        Ok(None) => {
            notes.push(format!("{list}, as NVIDIA's tools write it, gives no labels"));
            return Vec::new();
        }
        Err(why) => {
            notes.push(format!("{list} {why}; it is passed over"));
            return Vec::new();
        }
    };
    let below = list.len() - last(list).len();
    let of = |picture: &Picture| picture.name().get(below..).and_then(|name| labels.get(name)).copied();
    let classes = pictures.iter().filter_map(of).collect::<BTreeSet<_>>();
    let named = pictures.iter().filter(|picture| of(picture).is_some()).count();
    notes.push(format!("{list}, as NVIDIA's tools write it, gives labels to {named} of {} pictures", pictures.len()));
    for picture in pictures {
        let class = of(picture).and_then(|class| classes.iter().position(|known| *known == class));
        picture.label = class.unwrap_or(0) as u32;
    }
    classes.into_iter().map(|class| class.to_string()).collect()
}

/// CelebA's list of parts: a picture's name and 0, 1 or 2 on each line.
fn parse_partition(text: &str) -> Result<HashMap<String, u8>, String> {
    let lines = text.lines().filter(|line| !line.trim().is_empty()).enumerate();
    let parts = lines.map(|(number, line)| {
        let mut words = line.split_whitespace();
        match (words.next(), words.next().map(str::parse), words.next()) {
            (Some(name), Some(Ok(part @ 0..=2)), None) => Ok((name.to_owned(), part)),
            _ => Err(format!("has no picture and part, 0, 1 or 2, in line {}", number + 1)),
        }
    });
    parts.collect()
}

/// CelebA's list of attributes: the number of pictures, the attributes' names, then for each picture its name and a 1 or
/// -1 for each attribute. The numbers of attributes and pictures.
fn parse_attributes(text: &str) -> Result<(usize, usize), String> {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let count = first.trim().parse::<usize>().map_err(|_| "does not begin with the number of pictures".to_owned())?;
    let attributes = lines.next().unwrap_or_default().split_whitespace().count();
    let mut pictures = 0;
    for (number, line) in lines.enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let values = line.split_whitespace().skip(1).collect::<Vec<_>>();
        if values.len() != attributes || values.iter().any(|value| !matches!(*value, "1" | "-1")) {
            return Err(format!("has in line {} something else than {attributes} values of 1 or -1", number + 3));
        }
        pictures += 1;
    }
    if pictures != count {
        return Err(format!("says that it has {count} pictures and has {pictures}"));
    }
    Ok((attributes, pictures))
}
