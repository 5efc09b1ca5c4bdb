//! Pictures to learn from: a folder or zip of them, checked whole before step 0, packed once, drawn in batches.

mod decode;
mod folder;
mod pack;

use std::path::{Path, PathBuf};

use burn::tensor::TensorData;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::fetch;
use crate::data::source::{Order, Sampling, Source};
use crate::error::{Error, Result};
use crate::random::Draws;

use self::folder::Listing;
use self::pack::Pack;

const SHOWN: usize = 20; // problems in one error

/// The pictures a recipe learns from.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Images {
    /// Folder or zip of pictures (PNG, JPEG, WebP, GIF); empty for the recipe's own set, fetched once into the cache.
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
    /// What is wrong with the values, as one sentence with the way out.
    pub fn problem(&self) -> Option<String> {
        let share = self.validation_share;
        let wrong = !(0.0..1.0).contains(&share);
        wrong.then(|| format!("data.validation_share is {share}; give a share in [0, 1), such as 0.05"))
    }

    /// Where the pictures are; the recipe's own `set` is fetched when no path is given.
    fn place(&self, set: &str) -> Result<PathBuf> {
        if !self.path.as_os_str().is_empty() {
            return Ok(self.path.clone());
        }
        let set = crate::data::set(set)?;
        let folder = (set.folder)()?;
        (set.fetch)(&folder, &mut |_| {})?;
        Ok(folder)
    }

    /// The side pictures are packed at: a random crop needs a margin.
    fn packed_side(&self, side: usize) -> usize {
        match self.crop {
            Crop::Centre => side,
            Crop::Random => side * 9 / 8,
        }
    }
}

/// The batches of the training pictures, or of those held out: the same for the same `seed` and step.
///
/// Every picture is decoded, turned upright as its EXIF data say, laid over white where it is transparent, cut to the
/// largest square in the middle, resized with a Lanczos filter and packed into a file in the cache; later calls read that
/// file. A random crop and mirroring happen at the draw, and not to pictures held out. `set` is the name of the recipe's
/// own data set, used when no path is given. CMYK in a JPEG is read as Adobe writes it, inverted.
///
/// An error lists the files that cannot be used, all in one, unless `skip_broken` is set; it is an error, too, when no
/// picture is left to learn from. There may be none held out. Panics when `batch` or the side is 0 or the channels are
/// neither 1 nor 3.
pub fn open(
    images: &Images,
    set: &str,
    shape: Shape,
    seed: u64,
    batch: usize,
    held_out: bool,
) -> Result<Box<dyn Source<Batch>>> {
    // Without a cache the pictures are packed in memory alone.
    let cache = fetch::cache_dir().ok().map(|cache| cache.join("packed"));
    Ok(Box::new(Pictures::open(images, &images.place(set)?, cache.as_deref(), shape, (seed, batch), held_out)?))
}

/// Pictures in memory, and what is drawn of them.
struct Pictures {
    pack: Pack,
    shape: Shape,
    seed: u64,
    mirror: bool,
    crop: Crop,
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
    ) -> Result<Self> {
        assert!([1, 3].contains(&shape.channels) && shape.side > 0, "no pictures are packed as {shape:?}");
        let listing = Listing::of(place, images.layout, images.validation_share)?;
        let packed = Shape { side: images.packed_side(shape.side), ..shape };
        let settings = format!("{packed:?} {:?} {} {}", images.layout, images.skip_broken, images.validation_share);
        let file = cache.map(|cache| pack::file(cache, place, &settings));
        let fingerprint = listing.fingerprint();
        let kept = file.as_deref().and_then(|file| Pack::read(file, &fingerprint, packed, held_out));
        let pack = match kept {
            Some(pack) => pack,
            None => {
                let pack = Pack::of(decode_all(images, place, &listing, packed)?, fingerprint, packed);
                if let Some(file) = &file {
                    pack.write(file); // where it cannot be, the next call decodes again
                }
                pack.part(held_out)
            }
        };
        let items = pack.labels.len();
        let order = (items > 0).then(|| Order::new(seed, items, batch, images.sampling));
        let crop = if held_out { Crop::Centre } else { images.crop };
        Ok(Pictures { pack, shape, seed, mirror: images.mirror && !held_out, crop, order })
    }
}

/// A picture as it is packed.
struct Item {
    /// `[channels, side, side]`.
    pixels: Vec<u8>,
    label: u32,
    held_out: bool,
}

/// Every picture of a listing, brought to a shape. One error lists what cannot be used, unless it is to be skipped.
fn decode_all(images: &Images, place: &Path, listing: &Listing, shape: Shape) -> Result<Vec<Item>> {
    let found = listing.each(|file, bytes| {
        let picture = decode::picture(bytes)?;
        Ok(Item { pixels: decode::pixels(&picture, shape), label: file.label, held_out: file.held_out })
    });
    let (mut items, mut problems) = (Vec::new(), listing.problems.clone());
    for result in found {
        match result {
            Ok(item) => items.push(item),
            Err(problem) => problems.push(problem),
        }
    }
    let place = place.display();
    if !problems.is_empty() && !images.skip_broken {
        let more = problems.len().saturating_sub(SHOWN);
        let lines = problems.iter().take(SHOWN).map(|problem| format!("\n  {problem}")).collect::<String>();
        let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
        return Err(Error::input(format!(
            "{} of {} files in {place} cannot be used:{lines}{more}\n`--set data.skip_broken=true` goes on without them; \
             `ganvas data check {place}` lists all",
            problems.len(),
            items.len() + problems.len(),
        )));
    }
    if items.iter().all(|item| item.held_out) {
        return Err(Error::input(format!(
            "{place} holds no picture to learn from that can be used; see `ganvas data check {place}`"
        )));
    }
    Ok(items)
}

impl Source<Batch> for Pictures {
    fn items(&self) -> usize {
        self.pack.labels.len()
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
            Crop::Random => draws.indices(name, margin as u32 + 1, n),
        };
        let (tops, lefts) = (place("data.crop.top"), place("data.crop.left"));
        let mut pixels = Vec::with_capacity(n * channels * side * side);
        for (i, &index) in indices.iter().enumerate() {
            let picture = self.pack.picture(index as usize);
            let (top, left) = (tops[i] as usize, lefts[i] as usize);
            for plane in picture.chunks(packed * packed) {
                for row in plane.chunks(packed).skip(top).take(side) {
                    let start = pixels.len();
                    pixels.extend(row[left..left + side].iter().map(|&value| f32::from(value) / 127.5 - 1.0));
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
    /// What there is to know beside the numbers, a sentence each.
    pub notes: Vec<String>,
    /// What cannot be used and why, a sentence for each file.
    pub problems: Vec<String>,
}

/// Decodes everything in a folder or zip, for `data check` and for choosing settings. `set` is as for [`open`].
/// An error when there is nothing that could be decoded, as in a missing or empty folder.
pub fn survey(images: &Images, set: &str) -> Result<Survey> {
    let place = images.place(set)?;
    let listing = Listing::of(&place, images.layout, images.validation_share)?;
    let seen = listing.each(|file, bytes| {
        let picture = decode::picture(bytes)?;
        let side = picture.width().min(picture.height());
        Ok((side, decode::has_colour(&picture), file.label as usize, file.held_out))
    });
    let mut problems = listing.problems.clone();
    let mut notes = listing.notes.clone();
    match listing.attributes() {
        Some(Ok(note)) => notes.push(note),
        Some(Err(problem)) => problems.push(problem),
        None => (),
    }
    let mut counts = vec![0; listing.classes.len()];
    let (mut sides, mut colour, mut held_out) = (Vec::new(), 0, 0);
    for result in seen {
        match result {
            Ok((side, coloured, label, held)) => {
                sides.push(side);
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
        notes,
        problems,
    })
}

impl Survey {
    /// A sentence when pictures of `side` pixels would be enlargements of most of these.
    pub fn too_small_for(&self, side: usize) -> Option<String> {
        let median = self.sides[1];
        (self.pictures > 0 && (median as usize) < side).then(|| {
            format!("most pictures are smaller than {side} pixels (median of the shorter sides: {median}) and would be enlarged; choose {median} or less")
        })
    }

    /// Everything but the problems, a sentence each.
    pub fn facts(&self) -> Vec<String> {
        let [smallest, median, largest] = self.sides;
        let kind = match self.colour {
            0 => "all grey".to_owned(),
            colour if colour == self.pictures => "all in colour".to_owned(),
            colour => format!("{colour} in colour, {} grey", self.pictures - colour),
        };
        let mut facts = Vec::new();
        if self.pictures > 0 {
            facts.push(format!("{} pictures, {kind}; {} of them held out", self.pictures, self.held_out));
            facts.push(format!("shorter sides: {smallest} pixels the smallest, {median} the median, {largest} the largest; a model of more than {median} would enlarge most"));
        }
        if !self.classes.is_empty() {
            let classes = self.classes.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>();
            facts.push(format!("{} classes: {}", classes.len(), classes.join(", ")));
        }
        facts.extend(self.notes.iter().cloned());
        facts
    }
}
