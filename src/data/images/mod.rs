//! Pictures to learn from: a folder or zip of them, checked whole before step 0, packed once, drawn in batches.

mod attributes;
pub mod captioned;
mod captions;
pub(in crate::data) mod decode;
pub(in crate::data) mod domains;
pub(in crate::data) mod folder;
mod look;
mod pack;
pub(in crate::data) mod paired;
pub mod portraits;
pub mod posed;
mod seam;

pub use attributes::Said;
pub use domains::{A_TO_B, B_TO_A, DIRECTION, DomainBatch, Domains};
pub use paired::{Direction, PairBatch, Pairs};

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use burn::tensor::{Tensor, TensorData};
use image::RgbImage;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::data::mnist::Digits;
use crate::data::source::{Asked, Drawing, Order, Sampling, Source, Split};
use crate::data::{cache, holds_digits, mnist, place_of};
use crate::device;
use crate::error::{Error, Result, Unusable, listed};
use crate::media::{Image, Media};
use crate::random::Draws;
use crate::request::{self, Example};
use crate::shell;

use self::captions::Captions;
use self::folder::Listing;
use self::look::{Look, remarks, seen, wide};
use self::pack::Pack;

/// The pictures a recipe learns from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Images {
    /// Folder or zip of pictures (PNG, JPEG, WebP, GIF, BMP, TIFF), or folder of MNIST's files; empty for the recipe's own set, fetched once into the cache.
    pub path: PathBuf,
    /// How the folder is laid out.
    pub layout: Layout,
    /// Which part of a picture is seen.
    pub crop: Crop,
    /// Whether each picture is mirrored, left for right, with probability 1/2.
    pub mirror: bool,
    /// Whether to go on without the files that cannot be used, instead of stopping before the first step.
    pub skip_broken: bool,
    /// Share of the pictures to hold out, where the folder does not say by its own subfolders (train, validation).
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub validation_share: f64,
    /// How a batch is drawn.
    pub sampling: Sampling,
}

/// How a folder of pictures is laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// Pictures at any depth. The folders of the first level, when there are two or more, are the classes.
    #[default]
    Folder,
    /// As CelebA comes: img_align_celeba/ without classes, split by list_eval_partition.txt.
    Celeba,
}

/// Which part of a picture is seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Crop {
    /// The largest square in the middle.
    #[default]
    Centre,
    /// A square at random, 8/9 as wide as the largest one in the middle, another at every draw.
    Random,
    /// A square at random out of any part of the picture, at the picture's own size, another at every draw: details as they are.
    Detail,
}

/// What pictures are brought to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// 1 for grey, 3 for colour.
    pub channels: usize,
    /// Pixels along an edge of the square.
    pub side: usize,
}

/// One batch on the host.
#[derive(Clone, Debug)]
pub struct Batch {
    /// `[n, channels, side, side]`, f32 in [-1, 1].
    pub pixels: TensorData,
    /// `[n]`, the class by the order of the classes' names; 0 without classes.
    pub labels: Vec<u32>,
}

impl request::Batch for Batch {
    fn examples(&self) -> Vec<Example> {
        images_of(&self.pixels).into_iter().map(|image| Example::real(Media::Image(image))).collect()
    }
}

/// The pictures of `[n, channels, height, width]`, f32 in [-1, 1].
pub(crate) fn images_of(pixels: &TensorData) -> Vec<Image> {
    Image::from_signed(Tensor::from_data(pixels.clone(), &device::cpu()))
}

impl Default for Images {
    fn default() -> Self {
        Images {
            path: PathBuf::new(),
            layout: Layout::Folder,
            crop: Crop::Centre,
            mirror: false,
            skip_broken: false,
            validation_share: 0.05,
            sampling: Sampling::Shuffle,
        }
    }
}

impl Images {
    /// How a place is read that no configuration names: of digits the last twelfth is held out, 5,000 of MNIST's.
    pub fn at(place: &Path) -> Images {
        let usual = Images { path: place.to_owned(), ..Images::default() };
        match holds_digits(place) {
            true => Images { validation_share: 1.0 / 12.0, ..usual },
            false => usual,
        }
    }

    /// Where the pictures are; the recipe's own `set` is fetched when no path is given.
    fn place(&self, set: &str) -> Result<PathBuf> {
        place_of(&self.path, set)
    }

    /// The side pictures are packed at: a random crop needs a margin.
    fn packed_side(&self, side: usize) -> usize {
        match self.crop {
            Crop::Centre => side,
            Crop::Random => side * 9 / 8,
            Crop::Detail => side * 5 / 4,
        }
    }
}

/// The batches of the training pictures, or of those held out: the same for the same `seed` and step.
///
/// Every picture is decoded, turned upright as its EXIF data say, brought to sRGB by its colour profile, laid over white where
/// it is transparent, cut to the largest square in the middle, resized with a Lanczos filter and packed into a file in the
/// cache; later calls read that file. Of an animation the first frame is learned from. A random crop and mirroring happen at
/// the draw, and not to pictures held out. `set` is the name of the recipe's own data set, used when no path is given. CMYK in a JPEG is read as Adobe writes it, inverted. In a folder of idx
/// files, such as MNIST's, the pictures are its training digits, of which the last are held out.
///
/// An error lists the files that cannot be used, all in one, unless `skip_broken` is set; it is an error, too, when no
/// picture is left to learn from. There may be none held out. Panics when `batch` or the side is 0 or the channels are
/// neither 1 nor 3.
pub fn open(images: &Images, set: &str, shape: Shape, drawing: Drawing) -> Result<Box<dyn Source<Batch>>> {
    if drawing.split == Split::Test {
        return Ok(Box::new(Asked(Vec::new())));
    }
    let (order, held_out) = ((drawing.seed, drawing.batch), drawing.is_held_out());
    // Without a cache the pictures are packed in memory alone.
    let cache = cache::packed()?;
    Ok(Box::new(Pictures::open(images, &images.place(set)?, cache.as_deref(), shape, order, held_out, &[])?))
}

/// At most so many pictures to measure with, always the same: of the folder test, else of those held out, in one batch, which
/// may be empty.
pub fn test(images: &Images, set: &str, shape: Shape, most: usize) -> Result<Batch> {
    let cache = cache::packed()?;
    let pictures = Pictures::open(images, &images.place(set)?, cache.as_deref(), shape, (0, most), true, TEST)?;
    let count = pictures.items().min(most);
    if count == 0 {
        let Shape { channels, side } = shape;
        return Ok(Batch { pixels: TensorData::new(Vec::<f32>::new(), [0, channels, side, side]), labels: Vec::new() });
    }
    Pictures { order: Some(Order::new(0, pictures.items(), count, Sampling::Shuffle)), ..pictures }.batch(0)
}

/// The same pictures, but whole, in RGB and in the order of the listing. A folder of idx files holds none.
///
/// One error lists those that cannot be used, unless `skip_broken` is set.
pub fn test_whole(images: &Images, set: &str, most: usize) -> Result<Vec<Image>> {
    let place = images.place(set)?;
    if holds_digits(&place) {
        return Ok(Vec::new());
    }
    let mut listing = Listing::holding_out(&place, images.validation_share, TEST)?;
    listing.pictures.retain(|picture| picture.held_out);
    listing.pictures.truncate(most);
    let (mut pictures, mut problems) = (Vec::new(), Vec::new());
    for found in listing.each(|_, bytes| whole(bytes)) {
        match found {
            Ok(picture) => pictures.push(picture),
            Err(problem) => problems.push(problem),
        }
    }
    match problems.is_empty() || images.skip_broken {
        true => Ok(pictures),
        false => Err(Error::input(format!("these pictures cannot be used:{}", listed(&problems)))),
    }
}

/// A file's picture as it is, in RGB. An error is a sentence without its subject, the file's name.
fn whole(bytes: &[u8]) -> Result<Image, String> {
    let picture = decode::picture(bytes)?;
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    Ok(Image::new(width, height, 3, picture.into_raw()))
}

/// What is said of a layout that is for other recipes.
const TWO_SETS: &str = "the pictures are laid out as two sets, trainA and trainB, for recipes such as cyclegan; here all of them, those \
                        of testA and testB too, are learned as one set";

/// What a picture is held out by when it is to be measured with: what no choice of settings has seen comes first.
const TEST: &[&str] = &["test", "validation", "val", "held-out"];

/// Pictures in memory, and what is drawn of them.
struct Pictures {
    pack: Pack,
    shape: Shape,
    seed: u64,
    mirror: bool,
    crop: Crop,
    held_out: bool,
    order: Option<Order>, // None when there is nothing to draw
}

impl Pictures {
    fn open(
        images: &Images,
        place: &Path,
        cache: Option<&Path>,
        shape: Shape,
        (seed, batch): (u64, usize),
        held_out: bool,
        folders: &[&str], // that may be held out, in the order of preference; empty for the usual
    ) -> Result<Self> {
        assert!([1, 3].contains(&shape.channels) && shape.side > 0, "no pictures are packed as {shape:?}");
        let packed = Shape { side: images.packed_side(shape.side), ..shape };
        if holds_digits(place) {
            let all = mnist::read(place, mnist::Part::Train)?;
            let first_held_out = held_out_from(all.len(), images);
            let all = Decoded { items: digits(all, first_held_out, packed), remarks: Vec::new() };
            let pack = Pack::of(all, String::new(), packed).part(held_out);
            return Ok(Pictures::of(images, pack, shape, (seed, batch), held_out));
        }
        let listing = match folders {
            [] => Listing::of(place, images.layout, images.validation_share)?,
            _ => Listing::holding_out(place, images.validation_share, folders)?,
        };
        let tiles = if images.crop == Crop::Detail { " in tiles" } else { "" };
        let settings =
            format!("{packed:?} {:?} {} {}{tiles}", images.layout, images.skip_broken, images.validation_share)
                + &folders.join(" ");
        let file = cache.map(|cache| pack::file(cache, place, &settings));
        let decode = || {
            let mut decoded = decode_all(images, place, &listing, packed)?;
            if domains::are_in(&listing) {
                decoded.remarks.push(TWO_SETS.to_owned());
            }
            Ok(decoded)
        };
        let pack = packed_part(file.as_deref(), listing.fingerprint(), packed, held_out, decode)?;
        Ok(Pictures::of(images, pack, shape, (seed, batch), held_out))
    }

    fn of(images: &Images, pack: Pack, shape: Shape, (seed, batch): (u64, usize), held_out: bool) -> Self {
        let items = pack.labels.len();
        let order = (items > 0).then(|| Order::new(seed, items, batch, images.sampling));
        let crop = if held_out { Crop::Centre } else { images.crop };
        Pictures { pack, shape, seed, mirror: images.mirror && !held_out, crop, held_out, order }
    }
}

/// One part of a folder's pictures: of the pack in this file where that is still true to the folder, else decoded, and packed
/// for the next call.
fn packed_part(
    file: Option<&Path>,
    fingerprint: String,
    shape: Shape,
    held_out: bool,
    decode: impl FnOnce() -> Result<Decoded>,
) -> Result<Pack> {
    if let Some(pack) = file.and_then(|file| Pack::read(file, &fingerprint, shape, held_out)) {
        return Ok(pack);
    }
    let mut pack = Pack::of(decode()?, fingerprint, shape);
    if let Some(file) = file {
        pack.write(file); // where it cannot be, the next call decodes again
    }
    Ok(pack.part(held_out))
}

/// The pictures in these files, as [`open`] would give them, without labels. One error lists what cannot be used.
pub fn read(files: &[PathBuf], shape: Shape) -> Result<Batch> {
    let (mut pixels, mut problems) = (Vec::new(), Vec::new());
    for file in files {
        let picture = std::fs::read(file).map_err(|error| Error::io("read the picture", file, &error))?;
        match decode::picture(&picture) {
            Ok(picture) => pixels.extend(decode::pixels(&picture, shape).into_iter().map(signed)),
            Err(why) => problems.push(format!("{} {why}", file.display())),
        }
    }
    if !problems.is_empty() {
        return Err(Error::input(problems.join("; ")));
    }
    let (n, Shape { channels, side }) = (files.len(), shape);
    Ok(Batch { pixels: TensorData::new(pixels, [n, channels, side, side]), labels: vec![0; n] })
}

/// The pictures of two folders or zips that belong together, by their names without the ending: whole and in RGB. Of each all
/// are taken, or only those held out, or only the others, by the usual share where no folders say.
/// One error lists the pictures that stand alone and what cannot be used.
pub fn pairs(places: [(&Path, Option<bool>); 2]) -> Result<Vec<[Image; 2]>> {
    let mut problems = Vec::new();
    let mut sides = Vec::new();
    for (place, held_out) in places {
        let share = if held_out.is_some() { Images::default().validation_share } else { 0.0 };
        let mut listing = Listing::of(place, Layout::Folder, share)?;
        listing.pictures.retain(|picture| held_out.is_none_or(|wanted| wanted == picture.held_out));
        problems.extend(listing.problems.iter().cloned());
        let found = listing.each(|file, bytes| Ok((file.stem().to_owned(), whole(bytes)?)));
        let mut side = BTreeMap::new();
        for result in found {
            match result {
                Ok((stem, image)) => drop(side.insert(stem, image)),
                Err(problem) => problems.push(problem),
            }
        }
        sides.push(side);
    }
    let (Some(mut second), Some(first)) = (sides.pop(), sides.pop()) else { return Ok(Vec::new()) };
    let mut found = Vec::with_capacity(first.len());
    for (stem, image) in first {
        match second.remove(&stem) {
            Some(other) => found.push([image, other]),
            None => problems.push(format!("{stem} is in {} alone", places[0].0.display())),
        }
    }
    problems.extend(second.into_keys().map(|stem| format!("{stem} is in {} alone", places[1].0.display())));
    match problems.is_empty() {
        true => Ok(found),
        false => Err(Error::input(format!("these pictures make no pairs:{}", listed(&problems)))),
    }
}

/// The test pictures of a folder of idx files, as [`open`] would give its training pictures, with their labels.
/// An error for pictures in other files: they have a part that is held out, and no other.
pub fn test_digits(place: &Path, shape: Shape) -> Result<Batch> {
    if !holds_digits(place) {
        let place = place.display();
        return Err(Error::input(format!(
            "{place} has no test part of its own; take `held-out`, which no recipe sees"
        )));
    }
    let items = digits(mnist::read(place, mnist::Part::Test)?, usize::MAX, shape);
    let (n, Shape { channels, side }) = (items.len(), shape);
    let pixels = items.iter().flat_map(|item| &item.pixels).copied().map(signed).collect::<Vec<f32>>();
    let labels = items.iter().map(|item| item.label).collect();
    Ok(Batch { pixels: TensorData::new(pixels, [n, channels, side, side]), labels })
}

/// A level as a network has it, in [-1, 1].
pub fn signed(level: u8) -> f32 {
    f32::from(level) / 127.5 - 1.0
}

/// A picture as it is packed.
struct Item {
    /// `[channels, side, side]`.
    pixels: Vec<u8>,
    label: u32,
    held_out: bool,
    /// Of its place in the folder and of its file.
    hash: [u8; 32],
}

/// Pictures as they are packed, and what there is to know of them.
struct Decoded {
    items: Vec<Item>,
    remarks: Vec<String>,
}

/// What an examination brings pictures to: their files are what it is after.
const EXAMINED: Shape = Shape { channels: 3, side: 8 };

/// What a training would find in a place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::data) struct Examined {
    /// How many pictures or pairs there are to learn from.
    pub learned: usize,
    /// How many are held out.
    pub held_out: usize,
    /// What there is to know of them, a sentence each.
    pub remarks: Vec<String>,
}

impl Examined {
    fn of(Decoded { items, remarks }: &Decoded) -> Self {
        let held_out = items.iter().filter(|item| item.held_out).count();
        Examined { learned: items.len() - held_out, held_out, remarks: remarks.clone() }
    }
}

/// Digits of idx files, as pictures; from one on they are held out.
fn digits(digits: Digits, first_held_out: usize, shape: Shape) -> Vec<Item> {
    let item = |i: usize| {
        let grey = RgbImage::from_fn(28, 28, |x, y| image::Rgb([digits.image(i)[(y * 28 + x) as usize]; 3]));
        let (pixels, label, held_out) = (decode::pixels(&grey, shape), digits.labels[i], i >= first_held_out);
        let hash = Sha256::digest([digits.image(i), &[label]].concat()).into();
        Item { pixels, label: u32::from(label), held_out, hash }
    };
    (0..digits.len()).into_par_iter().map(item).collect()
}

/// The first of n digits that is held out.
fn held_out_from(n: usize, images: &Images) -> usize {
    n - (n as f64 * images.validation_share).round() as usize
}

/// Every picture of a listing, brought to a shape. One error lists what cannot be used, unless it is to be skipped.
fn decode_all(images: &Images, place: &Path, listing: &Listing, shape: Shape) -> Result<Decoded> {
    let found = listing.each(|file, bytes| {
        let seen = decode::seen(bytes)?;
        let parts = match images.crop {
            Crop::Centre | Crop::Random => vec![decode::pixels(&seen.picture, shape)],
            Crop::Detail => decode::tiles(&seen.picture, shape)?,
        };
        let hash = file.hash(bytes);
        let item = |pixels| Item { pixels, label: file.label, held_out: file.held_out, hash };
        let look = Look::of(file.name(), file.held_out, &seen);
        Ok((parts.into_iter().map(item).collect::<Vec<_>>(), look))
    });
    let (items, looks) = usable(place, images.skip_broken, found, listing.problems.clone())?;
    Ok(Decoded { items, remarks: remarks(&looks, images.crop) })
}

/// What the files hold that can be used, and how it looks. One error lists the others, unless they are to be skipped.
fn usable<L>(
    place: &Path,
    skip_broken: bool,
    found: Vec<Result<(Vec<Item>, L), String>>,
    mut problems: Vec<String>,
) -> Result<(Vec<Item>, Vec<L>)> {
    let files = found.len() + problems.len();
    let (mut items, mut looks) = (Vec::new(), Vec::new());
    for result in found {
        match result {
            Ok((of_file, look)) => {
                items.extend(of_file);
                looks.push(look);
            }
            Err(problem) => problems.push(problem),
        }
    }
    let (pasted, place) = (shell::path(place), place.display());
    if !problems.is_empty() && !skip_broken {
        return Err(Error::Unusable(Unusable {
            what: format!("{} of {files} files in {place} cannot be used", problems.len()),
            problems,
            way_out: format!("Mend or remove them; `ganvas data check {pasted}` lists all."),
        }));
    }
    if items.iter().all(|item| item.held_out) {
        return Err(Error::input(format!(
            "{place} holds no picture to learn from that can be used; see `ganvas data check {pasted}`"
        )));
    }
    Ok((items, looks))
}

impl Source<Batch> for Pictures {
    fn items(&self) -> usize {
        self.pack.labels.len()
    }

    fn fingerprint(&self) -> Option<String> {
        Some(self.pack.contents(self.held_out).to_owned())
    }

    fn classes(&self) -> usize {
        match self.pack.labels.iter().collect::<BTreeSet<_>>().len() {
            1 => 0, // as pictures without classes have it
            classes => classes,
        }
    }

    fn remarks(&self) -> Vec<String> {
        self.pack.remarks.clone()
    }

    fn batch(&self, step: u64) -> Result<Batch> {
        let Some(order) = &self.order else { return Err(Error::input("there are no pictures to draw a batch from")) };
        let indices = order.indices(step);
        let (n, draws) = (indices.len(), Draws::new(self.seed, step));
        let Shape { channels, side } = self.shape;
        let packed = self.pack.shape.side;
        let margin = packed - side;
        let mirrored = if self.mirror { draws.indices("data.mirror", 2, n) } else { vec![0; n] };
        let place = |name| match self.crop {
            Crop::Centre => vec![margin as u32 / 2; n],
            Crop::Random | Crop::Detail => draws.indices(name, margin as u32 + 1, n),
        };
        let (tops, lefts) = (place("data.crop.top"), place("data.crop.left"));
        let mut pixels = Vec::with_capacity(n * channels * side * side);
        for (i, &index) in indices.iter().enumerate() {
            let picture = self.pack.picture(index as usize);
            let (top, left) = (tops[i] as usize, lefts[i] as usize);
            for plane in picture.chunks(packed * packed) {
                for row in plane.chunks(packed).skip(top).take(side) {
                    let start = pixels.len();
                    pixels.extend(row[left..left + side].iter().copied().map(signed));
                    if mirrored[i] == 1 {
                        pixels[start..].reverse();
                    }
                }
            }
        }
        let labels = indices.iter().map(|&index| self.pack.labels[index as usize]).collect();
        Ok(Batch { pixels: TensorData::new(pixels, [n, channels, side, side]), labels })
    }
}

/// What a folder holds.
#[derive(Clone, Debug)]
pub struct Survey {
    /// Pictures that can be used.
    pub pictures: usize,
    /// How many of them are held out.
    pub held_out: usize,
    /// How many of them have colours; the others are grey, however they are stored.
    pub colour: usize,
    /// Their shorter sides in pixels: the smallest, the median, the largest. Zeros without pictures.
    pub sides: [u32; 3],
    /// The classes by name, with their numbers of pictures that can be used; empty without classes.
    pub classes: Vec<(String, usize)>,
    /// The share of pictures twice as wide as they are high, as pairs side by side are.
    pub wide: f64,
    /// How much of a picture is seen of it, on average: what the largest square in the middle has.
    pub seen: f64,
    /// What there is to know beside the numbers, a sentence each.
    pub notes: Vec<String>,
    /// What one should know before a training, a sentence each: copies, what is cut off.
    pub remarks: Vec<String>,
    /// What cannot be used and why, a sentence for each file.
    pub problems: Vec<String>,
}

/// The names of the classes in the order of their labels, by the folders or labels alone: no picture is decoded. None where there
/// are no classes. `set` is as for [`open`]. An error as in a missing or empty folder.
pub fn classes(images: &Images, set: &str) -> Result<Vec<String>> {
    let place = images.place(set)?;
    match holds_digits(&place) {
        true => Ok((0..10).map(|class| class.to_string()).collect()),
        false => Ok(Listing::of(&place, images.layout, images.validation_share)?.classes),
    }
}

/// Decodes everything in a folder or zip, for `data check` and for choosing settings. `set` is as for [`open`].
/// An error when there is nothing that could be decoded, as in a missing or empty folder.
pub fn survey(images: &Images, set: &str) -> Result<Survey> {
    let place = images.place(set)?;
    if holds_digits(&place) {
        let digits = mnist::read(&place, mnist::Part::Train)?;
        let count = |class: u8| digits.labels.iter().filter(|label| **label == class).count();
        return Ok(Survey {
            pictures: digits.len(),
            held_out: digits.len() - held_out_from(digits.len(), images),
            colour: 0,
            sides: [28; 3],
            classes: (0..10).map(|class| (class.to_string(), count(class))).collect(),
            wide: 0.0,
            seen: 1.0,
            notes: Vec::new(),
            remarks: Vec::new(),
            problems: Vec::new(),
        });
    }
    let listing = Listing::of(&place, images.layout, images.validation_share)?;
    let found = listing.each(|file, bytes| {
        let seen = decode::seen(bytes)?;
        let side = seen.picture.width().min(seen.picture.height());
        let look = Look::of(file.name(), file.held_out, &seen);
        Ok((side, decode::has_colour(&seen.picture), file.label as usize, file.held_out, look))
    });
    let mut problems = listing.problems.clone();
    let mut notes = listing.notes.clone();
    match listing.attributes() {
        Some(Ok(note)) => notes.push(note),
        Some(Err(problem)) => problems.push(problem),
        None => (),
    }
    let names = listing.pictures.iter().map(folder::Picture::name).collect::<Vec<_>>();
    let captions = Captions::of(&listing);
    notes.extend(captions.facts(&names));
    let mut counts = vec![0; listing.classes.len()];
    let (mut sides, mut colour, mut held_out, mut looks) = (Vec::new(), 0, 0, Vec::new());
    for result in found {
        match result {
            Ok((side, coloured, label, held, look)) => {
                sides.push(side);
                looks.push(look);
                colour += usize::from(coloured);
                held_out += usize::from(held);
                if let Some(count) = counts.get_mut(label) {
                    *count += 1;
                }
            }
            Err(problem) => problems.push(problem),
        }
    }
    sides.sort_unstable();
    let at = |share: usize| sides.get(sides.len().saturating_sub(1) * share / 2).copied().unwrap_or(0);
    Ok(Survey {
        pictures: sides.len(),
        held_out,
        colour,
        sides: [at(0), at(1), at(2)],
        classes: listing.classes.iter().cloned().zip(counts).collect(),
        wide: wide(&looks),
        seen: seen(&looks).unwrap_or(1.0),
        notes,
        remarks: remarks(&looks, images.crop).into_iter().chain(captions.problems).collect(),
        problems,
    })
}

impl Survey {
    /// Everything but the problems, a sentence each.
    pub fn facts(&self) -> Vec<String> {
        let Survey { pictures, held_out, colour, sides: [smallest, median, largest], .. } = self;
        let mut facts = Vec::new();
        if *pictures > 0 {
            facts.push(format!(
                "pictures: {pictures} ({colour} in colour, {} grey); held out: {held_out}",
                pictures - colour
            ));
            facts.push(format!(
                "shorter sides in pixels: {smallest} to {largest}, median {median}; a model for more than {median} would see most \
                 pictures enlarged"
            ));
        }
        if self.seen < 0.995 {
            facts.push(format!(
                "the largest square in the middle is learned from: on average {:.0} % of a picture",
                100.0 * self.seen
            ));
        }
        if !self.classes.is_empty() {
            let classes = self.classes.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>();
            facts.push(format!(
                "classes: {} ({}); biggan learns them, faceswap takes each for a person, and other recipes learn all pictures as one kind",
                classes.len(),
                classes.join(", ")
            ));
        }
        facts.extend(self.notes.iter().cloned());
        facts
    }
}

#[cfg(test)]
mod tests {
    use super::decode::tests::{RED, SMALL, busy, jpeg, plain, png};
    use super::*;
    use image::Rgb;
    use std::fs;
    use std::io::{Cursor, Write};
    use std::time::{Duration, SystemTime};
    use tempfile::{TempDir, tempdir};

    fn folder(files: &[(&str, Vec<u8>)]) -> TempDir {
        let folder = tempdir().unwrap();
        files.iter().for_each(|(name, bytes)| put(&folder, name, bytes));
        folder
    }

    fn put(folder: &TempDir, name: &str, bytes: &[u8]) {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// `count` plain pictures of different greys, as NAME0.png and so on.
    fn greys(name: &str, count: u8) -> Vec<(String, Vec<u8>)> {
        (0..count).map(|i| (format!("{name}{i:02}.png"), plain([i * 10; 3]))).collect()
    }

    fn folder_of(files: &[(String, Vec<u8>)]) -> TempDir {
        let files = files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect::<Vec<_>>();
        folder(&files)
    }

    fn all() -> Images {
        Images { validation_share: 0.0, ..Images::default() }
    }

    fn opened(images: &Images, place: &Path, held_out: bool) -> Result<Pictures> {
        Pictures::open(images, place, None, SMALL, (1, 4), held_out, &[])
    }

    fn error(images: &Images, place: &Path) -> String {
        opened(images, place, false).err().unwrap().to_string()
    }

    /// The first value of the red channel of every picture, in order.
    fn reds(pictures: &Pictures) -> Vec<u8> {
        (0..pictures.items()).map(|i| pictures.pack.picture(i)[0]).collect()
    }

    fn survey_of(folder: &Path, layout: Layout) -> Survey {
        survey(&Images { path: folder.to_owned(), layout, ..Images::default() }, "").unwrap()
    }

    #[test]
    fn one_error_lists_every_broken_file_before_the_first_step_and_only_asking_goes_on_without_them() {
        let whole = jpeg(&busy(64), None);
        let folder = folder(&[
            ("cut.jpg", whole[..whole.len() / 2].to_vec()),
            ("text.png", b"not a picture".to_vec()),
            ("dot.png", png(&RgbImage::new(1, 1).into())),
            ("nothing.webp", Vec::new()),
            ("scan.heic", b"passed over".to_vec()),
            ("deep/er/fine.jpg", whole.clone()),
            ("jpeg-inside.png", whole.clone()),
            ("cmyk.jpg", include_bytes!("../../../tests/data/cmyk.jpg").to_vec()),
            ("readme.txt", b"passed over".to_vec()),
            (".hidden.png", b"passed over".to_vec()),
            ("__MACOSX/fine.png", b"passed over".to_vec()),
        ]);
        let place = folder.path().display();
        assert_eq!(
            error(&all(), folder.path()),
            format!(
                "5 of 8 files in {place} cannot be used:\n  \
                 scan.heic is of a kind that is not read; convert it to PNG or JPEG\n  \
                 cut.jpg is cut short: its end is missing\n  \
                 dot.png is 1 x 1 pixels; 8 x 8 are the least one can learn from\n  \
                 nothing.webp is empty (0 bytes)\n  \
                 text.png is not a picture, whatever its name says\n\
                 Mend or remove them; `ganvas data check {place}` lists all."
            )
        );
        let pictures = opened(&Images { skip_broken: true, ..all() }, folder.path(), false).unwrap();
        assert_eq!((pictures.items(), pictures.batch(0).unwrap().pixels.shape().to_vec()), (3, vec![4, 3, 8, 8]));
        let survey = survey_of(folder.path(), Layout::Folder);
        assert_eq!((survey.pictures, survey.problems.len()), (3, 5));
    }

    #[test]
    fn a_long_list_of_broken_files_ends_with_how_many_more_there_are() {
        let broken = (0..23).map(|i| (format!("{i:02}.png"), b"text".to_vec())).collect::<Vec<_>>();
        let folder = folder_of(&[broken, greys("fine", 1)].concat());
        let error = error(&all(), folder.path());
        assert!(error.starts_with("23 of 24 files"), "{error}");
        assert!(
            error.contains("  19.png") && !error.contains("20.png") && error.contains("\n  and 3 more\n"),
            "{error}"
        );
        assert_eq!(survey_of(folder.path(), Layout::Folder).problems.len(), 23);
    }

    #[test]
    fn a_place_without_pictures_is_an_error_that_says_what_is_wanted() {
        let folder = folder(&[("notes.txt", b"text".to_vec()), ("broken.zip", b"PK".to_vec())]);
        let at = |name: &str| error(&all(), &folder.path().join(name));
        assert!(at("").contains("holds no pictures, that is, no files named .png, .apng, .jpg"), "{}", at(""));
        assert!(at("absent").contains("absent does not exist; give a folder or a .zip"), "{}", at("absent"));
        assert!(at("notes.txt").contains("notes.txt is a file; give a folder or a .zip"), "{}", at("notes.txt"));
        assert!(at("broken.zip").contains("broken.zip is not a sound zip"), "{}", at("broken.zip"));
        put(&folder, "text.png", b"text");
        let skipping = Images { skip_broken: true, ..all() };
        assert!(error(&skipping, folder.path()).contains("holds no picture to learn from"));
    }

    #[test]
    fn pixels_of_a_batch_reach_from_minus_one_to_one() {
        let folder = folder(&[("a/black.png", plain([0; 3])), ("b/white.png", plain([255; 3]))]);
        let pictures = opened(&all(), folder.path(), false).unwrap();
        let batch = pictures.batch(0).unwrap();
        let pixels = batch.pixels.iter::<f32>().collect::<Vec<f32>>();
        for (picture, label) in pixels.chunks(192).zip(batch.labels) {
            assert_eq!(picture, vec![[-1.0, 1.0][label as usize]; 192]);
        }
    }

    #[test]
    fn a_step_has_its_batch_on_every_opening_whatever_was_asked_before() {
        let files = (0..9).map(|i| (format!("{i}.png"), png(&busy(30 + i).into()))).collect::<Vec<_>>();
        let folder = folder_of(&files);
        let images = Images { crop: Crop::Random, mirror: true, ..all() };
        let batch = |pictures: &Pictures, step| {
            let Batch { pixels, labels } = pictures.batch(step).unwrap();
            (pixels.iter::<f32>().map(f32::to_bits).collect::<Vec<_>>(), labels)
        };
        let (first, second) =
            (opened(&images, folder.path(), false).unwrap(), opened(&images, folder.path(), false).unwrap());
        let early = (0..5).map(|step| batch(&first, step)).collect::<Vec<_>>();
        assert_eq!(batch(&second, 4), early[4]);
        assert_ne!(early[3], early[4]);
        let other = Pictures::open(&images, folder.path(), None, SMALL, (2, 4), false, &[]).unwrap();
        assert_ne!(batch(&other, 4), early[4]);
    }

    #[test]
    fn half_of_what_is_learned_from_is_mirrored_and_crops_reach_every_place() {
        // Red falls from left to right and green from top to bottom, so a picture tells how it was cut.
        let slope = RgbImage::from_fn(18, 18, |x, y| Rgb([250 - 10 * x as u8, 250 - 10 * y as u8, 0]));
        let folder = folder(&[("train/a.png", png(&slope.clone().into())), ("val/a.png", png(&slope.into()))]);
        let images = Images { crop: Crop::Random, mirror: true, ..all() };
        let open = |held| {
            let shape = Shape { channels: 3, side: 16 };
            Pictures::open(&images, folder.path(), None, shape, (1, 4), held, &[]).unwrap()
        };
        let (learned, held) = (open(false), open(true));
        assert_eq!(learned.pack.shape.side, 18);
        let (mut mirrored, mut places) = (0, std::collections::BTreeSet::new());
        for step in 0..100 {
            let pixels = learned.batch(step).unwrap().pixels.iter::<f32>().collect::<Vec<f32>>();
            for picture in pixels.chunks(3 * 256) {
                let (left, right, top) = (picture[0], picture[15], picture[256]);
                mirrored += usize::from(left < right);
                let cut = |most: f32| (25.0 - (most + 1.0) * 12.75).round() as i32;
                places.insert((cut(left.max(right)), cut(top)));
            }
        }
        assert!((160..240).contains(&mirrored), "{mirrored} of 400");
        assert_eq!(places.into_iter().collect::<Vec<_>>(), [0, 1, 2].map(|x| [0, 1, 2].map(|y| (x, y))).concat());
        let held = held.batch(0).unwrap().pixels.iter::<f32>().collect::<Vec<f32>>();
        for picture in held.chunks(3 * 256) {
            assert_eq!((picture[0], picture[256]), (240.0 / 127.5 - 1.0, 240.0 / 127.5 - 1.0));
        }
    }

    /// Puts other bytes in a file's place that has the same length and age, so that only decoding it would tell.
    fn spoil(path: &Path) {
        let (bytes, data) = (fs::read(path).unwrap(), fs::metadata(path).unwrap());
        fs::write(path, vec![7; bytes.len()]).unwrap();
        fs::File::options().write(true).open(path).unwrap().set_modified(data.modified().unwrap()).unwrap();
    }

    #[test]
    fn the_pack_is_read_instead_of_the_pictures_until_a_file_changes() {
        let (folder, cache) = (folder_of(&greys("p", 6)), tempdir().unwrap());
        let cache = cache.path().join("new").join("packed");
        let images = Images { validation_share: 0.5, ..Images::default() };
        let open = |held| Pictures::open(&images, folder.path(), Some(&cache), SMALL, (1, 4), held, &[]);
        let fresh = (reds(&open(false).unwrap()), reds(&open(true).unwrap()));
        assert!(fresh.0.len() + fresh.1.len() == 6 && !fresh.1.is_empty());
        spoil(&folder.path().join("p03.png"));
        assert_eq!((reds(&open(false).unwrap()), reds(&open(true).unwrap())), fresh);
        let packs = || fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
        assert_eq!(packs().len(), 1);

        // Another time of writing makes the pack stale, and then the picture is seen to be broken.
        let later = SystemTime::now() + Duration::from_secs(60);
        fs::File::options().write(true).open(folder.path().join("p03.png")).unwrap().set_modified(later).unwrap();
        assert!(open(false).err().unwrap().to_string().contains("p03.png is not a picture"));
        fs::remove_file(folder.path().join("p03.png")).unwrap();
        assert_eq!(open(false).unwrap().items() + open(true).unwrap().items(), 5);
        assert_eq!(packs().len(), 1, "the stale pack is replaced");
    }

    #[test]
    fn a_damaged_pack_is_made_anew() {
        let (folder, cache) = (folder_of(&greys("p", 6)), tempdir().unwrap());
        let open = || Pictures::open(&all(), folder.path(), Some(cache.path()), SMALL, (1, 4), false, &[]).unwrap();
        let fresh = reds(&open());
        let pack = fs::read_dir(cache.path()).unwrap().next().unwrap().unwrap().path();
        let whole = fs::read(&pack).unwrap();
        let (mut magic, mut length, mut text) = (whole.clone(), whole.clone(), whole.clone());
        (magic[3], length[23], text[30]) = (0, 0xFF, b'!');
        for damaged in [
            magic,
            length,
            text,
            whole[..whole.len() - 1].to_vec(),
            [whole.as_slice(), &[0]].concat(),
            whole[..10].to_vec(),
            Vec::new(),
        ] {
            fs::write(&pack, &damaged).unwrap();
            assert_eq!(reds(&open()), fresh);
            assert_eq!(fs::read(&pack).unwrap(), whole);
        }
    }

    #[test]
    fn without_a_place_for_the_pack_the_pictures_are_there_all_the_same() {
        let folder = folder_of(&greys("p", 3));
        put(&folder, "in-the-way", b"a file");
        let cache = folder.path().join("in-the-way").join("packed");
        let pictures = Pictures::open(&all(), folder.path(), Some(&cache), SMALL, (1, 4), false, &[]).unwrap();
        assert_eq!(reds(&pictures), [0, 10, 20]);
    }

    fn zipped(files: &[(String, Vec<u8>)]) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in files {
            zip.start_file(name.as_str(), zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn what_a_zip_holds_lies_below_it_whatever_it_is_called() {
        let picture = greys("", 1).remove(0).1;
        let files = ["/abs/a.png", "\\\\abs\\b.png", "../out/c.png", "x/../../d.png", "e.png"];
        let place = tempdir().unwrap();
        let zip = place.path().join("odd.zip");
        fs::write(&zip, zipped(&files.map(|name| (name.to_owned(), picture.clone())))).unwrap();
        let listing = folder::Listing::of(&zip, Layout::Folder, 0.0).unwrap();
        let names = listing.pictures.iter().map(folder::Picture::name).collect::<Vec<_>>();
        assert!(names.contains(&"e.png") && names.contains(&"abs/a.png"), "{names:?}");
        assert!(names.iter().all(|name| !name.starts_with('/') && !name.contains("..")), "{names:?}");
    }

    #[test]
    fn a_zip_is_as_the_folder_it_was_made_of_with_or_without_a_folder_around_all() {
        let files = [greys("ants/", 9), greys("bees/deep/", 8)].concat();
        let place = folder_of(&files);
        let around = |files: &[(String, Vec<u8>)]| {
            let mut files =
                files.iter().map(|(name, bytes)| (format!("set/all/{name}"), bytes.clone())).collect::<Vec<_>>();
            files.reverse(); // a zip has an order of its own
            files.push(("__MACOSX/set/._p.png".into(), b"text".to_vec()));
            files
        };
        put(&place, "out/plain.zip", &zipped(&files));
        put(&place, "out/around.zip", &zipped(&around(&files)));
        let images = Images { validation_share: 0.4, ..Images::default() };
        let seen = |place: &Path| {
            let [a, b] = [false, true].map(|held| opened(&images, place, held).unwrap());
            (reds(&a), a.pack.labels, reds(&b), b.pack.labels)
        };
        let wanted = seen(place.path());
        assert!(wanted.0.len() > 5 && wanted.2.len() > 3 && wanted.1.contains(&0) && wanted.1.contains(&1));
        for name in ["out/plain.zip", "out/around.zip"] {
            assert_eq!(seen(&place.path().join(name)), wanted, "{name}");
        }
        let classes = [("ants".to_owned(), 9), ("bees".to_owned(), 8)];
        assert_eq!(survey_of(&place.path().join("out/around.zip"), Layout::Folder).classes, classes);
    }

    #[test]
    fn a_broken_file_in_a_zip_is_listed_like_any_other() {
        let place = tempdir().unwrap();
        put(&place, "p.zip", &zipped(&[greys("p", 2), vec![("text.png".into(), b"text".to_vec())]].concat()));
        let error = error(&all(), &place.path().join("p.zip"));
        assert!(error.contains("1 of 3 files") && error.contains("\n  text.png is not a picture"), "{error}");
    }

    #[test]
    fn subfolders_named_for_it_are_the_parts_and_the_folders_below_them_the_classes() {
        for (train, held) in [("train", "val"), ("Train", "held-out"), ("train", "test")] {
            let files = [
                greys(&format!("{train}/cats/"), 3),
                greys(&format!("{train}/dogs/"), 2),
                greys(&format!("{held}/dogs/x"), 1),
                greys("else/p", 4),
            ];
            let place = folder_of(&files.concat());
            let [a, b] = [false, true].map(|held| opened(&Images::default(), place.path(), held).unwrap());
            assert_eq!((a.pack.labels, b.pack.labels), (vec![0, 0, 0, 1, 1], vec![1]), "{train} {held}");
            let survey = survey_of(place.path(), Layout::Folder);
            assert_eq!((survey.pictures, survey.held_out), (6, 1));
            assert_eq!(survey.notes, ["left alone, as they belong to neither part: 4 pictures"]);
        }
    }

    #[test]
    fn folders_are_no_classes_when_there_is_one_or_when_pictures_lie_beside_them() {
        let one = folder_of(&[greys("only/", 3)].concat());
        let beside = folder_of(&[greys("a/", 2), greys("b/", 2), greys("beside", 1)].concat());
        for place in [&one, &beside] {
            let pictures = opened(&all(), place.path(), false).unwrap();
            assert!(pictures.pack.labels.iter().all(|label| *label == 0));
            assert!(survey_of(place.path(), Layout::Folder).classes.is_empty());
        }
        let notes = survey_of(beside.path(), Layout::Folder).notes;
        assert_eq!(notes, ["the 2 folders are not taken for classes, as pictures lie beside them: 1"]);
    }

    #[test]
    fn a_share_is_held_out_by_name_and_stays_so_when_pictures_come() {
        let names = |count: u32| (0..count).map(|i| (format!("{i}.png"), plain([i as u8; 3]))).collect::<Vec<_>>();
        let images = Images { validation_share: 0.25, ..Images::default() };
        let parts = |count| {
            let place = folder_of(&names(count));
            [false, true].map(|held| reds(&opened(&images, place.path(), held).unwrap()))
        };
        let [learned, held] = parts(200);
        let mut both = [learned, held.clone()].concat();
        both.sort_unstable();
        assert_eq!(both, (0..200).collect::<Vec<u8>>());
        assert!((30..70).contains(&held.len()), "{}", held.len());
        let [_, fewer] = parts(100);
        let mut wanted = held.into_iter().filter(|red| *red < 100).collect::<Vec<_>>();
        wanted.sort_unstable();
        assert_eq!(
            {
                let mut fewer = fewer;
                fewer.sort_unstable();
                fewer
            },
            wanted
        );
    }

    #[test]
    fn at_least_one_picture_is_learned_from_and_none_held_out_is_fine() {
        let place = folder_of(&greys("p", 2));
        let most = Images { validation_share: 0.999_999, ..Images::default() };
        assert_eq!(opened(&most, place.path(), false).unwrap().items(), 1);
        let none = opened(&all(), place.path(), true).unwrap();
        assert!(none.items() == 0 && none.batch(0).is_err());
    }

    #[test]
    fn celeba_is_split_by_its_list_and_its_attributes_are_counted() {
        let picture = jpeg(&RgbImage::from_pixel(178, 218, Rgb(RED)), None);
        let names = (1..=4).map(|i| format!("{i:06}.jpg"));
        let pictures = names.map(|name| (format!("img_align_celeba/{name}"), picture.clone())).collect::<Vec<_>>();
        let place = folder_of(&pictures);
        put(&place, "list_eval_partition.txt", b"000001.jpg 0\n000002.jpg 1\n000003.jpg 2\n000004.jpg 0\n");
        put(&place, "list_attr_celeba.txt", b"2\nBald Young\n000001.jpg -1  1\n000002.jpg  1 -1\n");
        let celeba = Images { layout: Layout::Celeba, ..Images::default() };
        assert_eq!([false, true].map(|held| opened(&celeba, place.path(), held).unwrap().items()), [2, 1]);
        let survey = survey_of(place.path(), Layout::Celeba);
        assert_eq!((survey.held_out, survey.sides, survey.problems.len()), (1, [178; 3], 0));
        assert!(survey.notes.contains(&"list_attr_celeba.txt has 2 attributes of 2 pictures".to_owned()), "{survey:?}");

        put(&place, "list_eval_partition.txt", b"000001.jpg 0\n000002.jpg three\n");
        assert!(
            error(&celeba, place.path())
                .contains("list_eval_partition.txt has no picture and part, 0, 1 or 2, in line 2")
        );
        for (wrong, sentence) in [
            ("Bald\n", "does not begin with the number of pictures"),
            ("2\nBald\na.jpg 1\n", "says that it has 2 pictures and has 1"),
            ("1\nBald\na.jpg 7\n", "has in line 3 something else than 1 values of 1 or -1"),
        ] {
            put(&place, "list_attr_celeba.txt", wrong.as_bytes());
            let problems = survey_of(place.path(), Layout::Folder).problems;
            assert_eq!(problems, [format!("list_attr_celeba.txt {sentence}")]);
        }
    }

    #[test]
    #[cfg(unix)]
    fn links_are_followed_but_not_round_and_a_broken_one_is_a_problem() {
        use std::os::unix::fs::symlink;
        let (place, other) = (folder_of(&greys("a/", 2)), folder_of(&greys("p", 3)));
        symlink("..", place.path().join("a/up")).unwrap();
        symlink(place.path(), place.path().join("b")).unwrap();
        symlink(other.path(), place.path().join("c")).unwrap();
        assert_eq!(opened(&all(), place.path(), false).unwrap().items(), 5);
        symlink("nowhere", place.path().join("gone.png")).unwrap();
        assert!(error(&all(), place.path()).contains("\n  gone.png cannot be read: "));
    }

    #[test]
    fn the_fingerprint_is_of_names_and_contents_wherever_they_lie_and_however_old_they_are() {
        let files = greys("p", 6);
        let [one, moved] = [folder_of(&files), folder_of(&files)];
        let later = SystemTime::now() + Duration::from_secs(60);
        fs::File::options().write(true).open(moved.path().join("p03.png")).unwrap().set_modified(later).unwrap();
        let cache = tempdir().unwrap();
        let of = |place: &Path| {
            Pictures::open(&all(), place, Some(cache.path()), SMALL, (1, 4), false, &[]).unwrap().fingerprint().unwrap()
        };
        let wanted = of(one.path());
        assert_eq!((of(moved.path()), of(one.path())), (wanted.clone(), wanted.clone()), "of the pack, too");
        put(&one, "in.zip", &zipped(&files));
        assert_eq!(of(&one.path().join("in.zip")), wanted);
        let fewer = folder_of(&greys("p", 5));
        assert_ne!(of(fewer.path()), wanted);
        fs::rename(moved.path().join("p03.png"), moved.path().join("p07.png")).unwrap();
        assert_ne!(of(moved.path()), wanted, "another name");
        fs::remove_file(moved.path().join("p07.png")).unwrap();
        put(&moved, "p03.png", &plain(RED));
        assert_ne!(of(moved.path()), wanted, "another picture");
    }

    #[test]
    fn the_names_of_classes_are_a_survey_s_and_no_picture_is_decoded_for_them() {
        let files = ["b/1.png", "a/1.png", "a/2.png"].map(|name| (name.to_owned(), b"no picture".to_vec()));
        assert_eq!(classes(&Images::at(folder_of(&files).path()), "").unwrap(), ["a", "b"]);
        for place in [ganvas_made_up::classes(), ganvas_made_up::digits()] {
            let surveyed = survey(&Images::at(&place), "").unwrap().classes.into_iter().map(|(name, _)| name);
            assert_eq!(classes(&Images::at(&place), "").unwrap(), surveyed.collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_is_cut_off_and_what_is_there_twice_is_remarked_on_from_the_pack_too() {
        let wide = |i: u32| png(&RgbImage::from_fn(64, 16, |x, y| Rgb([(x * 3 + i) as u8, (y * 9) as u8, 40])).into());
        let mut files = (0..4).map(|i| (format!("{i}.png"), wide(50 * i))).collect::<Vec<_>>();
        files.push(("4.png".to_owned(), files[0].1.clone()));
        let (folder, cache) = (folder_of(&files), tempdir().unwrap());
        let open = || Pictures::open(&all(), folder.path(), Some(cache.path()), SMALL, (1, 4), false, &[]).unwrap();
        let [fresh, packed] = [open(), open()].map(|pictures| pictures.remarks());
        assert_eq!(fresh, packed);
        let [copies, few, cut] = fresh.as_slice() else { panic!("{fresh:?}") };
        assert!(
            copies.starts_with("copies: 1 of 5 pictures are copies of others, or nearly, as 4.png is of 0.png"),
            "{copies}"
        );
        assert!(few.starts_with("4 different pictures are few"), "{few}");
        assert!(cut.starts_with("cut off: of 5 of 5 pictures") && cut.ends_with("64 x 16, it sees 25 %"), "{cut}");
        let survey = survey(&Images { path: folder.path().to_owned(), ..all() }, "").unwrap();
        assert_eq!(survey.remarks, fresh);
        assert!(
            survey.facts().iter().any(|fact| fact.ends_with("on average 25 % of a picture")),
            "{:?}",
            survey.facts()
        );
    }

    #[test]
    fn the_labels_of_nvidia_s_dataset_json_are_the_classes_and_its_folders_are_none() {
        let put_labels = |folder: &TempDir, json: &str| put(folder, "dataset.json", json.as_bytes());
        let place = folder_of(&[greys("00000/img", 3), greys("00001/img", 2)].concat());
        put_labels(&place, r#"{"labels": [["00000/img00.png", 7], ["00000/img01.png", 2], ["00001/img00.png", 7]]}"#);
        let survey = survey_of(place.path(), Layout::Folder);
        assert_eq!(survey.classes, [("2".to_owned(), 3), ("7".to_owned(), 2)], "without a label it is the first");
        assert!(survey.notes[0].contains("gives labels to 3 of 5 pictures"), "{:?}", survey.notes);
        let facts = survey.facts().join("\n");
        assert!(facts.contains("biggan learns them"), "{facts}");
        for (json, note) in [
            (r#"{"labels": null}"#, "gives no labels"),
            (r#"{"labels": [["00000/img00.png", [0.5, 1]]]}"#, "has labels that are no classes; it is passed over"),
            ("[]", "it is passed over"),
        ] {
            put_labels(&place, json);
            let survey = survey_of(place.path(), Layout::Folder);
            assert!(survey.classes.is_empty() && survey.notes[0].contains(note), "{json}: {survey:?}");
        }
    }

    #[test]
    fn a_survey_tells_sides_colours_and_what_would_be_enlarged() {
        let grey = RgbImage::from_pixel(20, 30, Rgb([90; 3]));
        let folder = folder(&[("a.png", png(&grey.into())), ("b.png", plain(RED)), ("c.jpg", jpeg(&busy(90), None))]);
        let survey = survey_of(folder.path(), Layout::Folder);
        assert_eq!((survey.pictures, survey.colour, survey.sides), (3, 2, [16, 20, 90]));
        let facts = survey.facts();
        assert!(facts[0].starts_with("pictures: 3 (2 in colour, 1 grey)"), "{facts:?}");
        assert!(facts[1].contains("a model for more than 20 would see most pictures enlarged"), "{facts:?}");
    }

    #[test]
    fn a_survey_said_nothing_of_transparency_profiles_and_animations_and_says_what_training_does() {
        let glass = image::RgbaImage::from_pixel(16, 16, image::Rgba([9, 9, 9, 128]));
        let opaque = image::RgbaImage::from_pixel(16, 16, image::Rgba([9, 9, 9, 255]));
        let folder = folder(&[
            ("glass.png", png(&glass.into())),
            ("opaque.png", png(&opaque.into())),
            ("film.gif", include_bytes!("../../../tests/data/film.gif").to_vec()),
            ("adobe.png", include_bytes!("../../../tests/data/adobe.png").to_vec()),
            ("pages.tif", include_bytes!("../../../tests/data/pages.tif").to_vec()),
            ("small.bmp", include_bytes!("../../../tests/data/small.bmp").to_vec()),
        ]);
        let survey = survey_of(folder.path(), Layout::Folder);
        assert_eq!((survey.pictures, survey.problems.len()), (6, 0));
        let wanted = [
            "transparent in part: 1 of 6 pictures, the first is glass.png; training lays them over white",
            "in a colour profile other than sRGB: 1 of 6 pictures, the first is adobe.png; training converts them to sRGB",
            "animations, or files of several pages: 2 of 6 pictures, the first is film.gif; training sees the first picture of \
             each",
        ];
        assert_eq!(survey.remarks[..3], wanted);
        let pictures = Pictures::open(&all(), folder.path(), None, SMALL, (1, 4), false, &[]).unwrap();
        assert_eq!(pictures.remarks(), survey.remarks, "training says the same");
    }

    #[test]
    fn mnist_s_files_are_a_folder_of_grey_pictures() {
        let folder = crate::data::mnist::tests::small_set();
        let images = Images { validation_share: 0.34, ..Images::default() };
        let shape = Shape { channels: 1, side: 28 };
        let open = |held| Pictures::open(&images, folder.path(), None, shape, (1, 1), held, &[]).unwrap();
        let (learned, held) = (open(false), open(true));
        assert_eq!((learned.items(), held.items()), (2, 1));
        let batch = held.batch(0).unwrap();
        assert_eq!((batch.labels, batch.pixels.shape().to_vec()), (vec![9], vec![1, 1, 28, 28]));
        // The third digit's pixels: (2 784 + i) mod 251.
        let pixels = batch.pixels.iter::<f32>().collect::<Vec<f32>>();
        assert_eq!(pixels[..2], [1568 % 251, 1569 % 251].map(|level| signed(level as u8)));
        let survey = survey(&Images { path: folder.path().to_owned(), ..images }, "").unwrap();
        assert_eq!((survey.pictures, survey.held_out, survey.sides), (3, 1, [28; 3]));
        assert_eq!(survey.classes[5], ("5".to_owned(), 1));
    }
}
