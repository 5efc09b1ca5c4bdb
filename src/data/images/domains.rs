//! Two sets of pictures that nobody has paired, in the folders trainA, trainB, testA and testB.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::TensorData;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::cache;
use crate::data::source::{Asked, Drawing, Sampling, Source, Split};
use crate::error::{Error, Result};
use crate::hash::sha256_of;
use crate::media::{Image, Media};
use crate::request::{self, Example, Sample};

use super::folder::Listing;
use super::{
    Crop, EXAMINED, Examined, Images, Layout, Pictures, Shape, decode, decode_all, images_of, pack, packed_part,
};

/// Training and held-out folder of each domain.
const FOLDERS: [[&str; 2]; 2] = [["trainA", "testA"], ["trainB", "testB"]];

/// The two domains a recipe learns to translate between.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Domains {
    /// Folder or zip with the folders trainA and trainB, and testA and testB for what is held out; empty for the recipe's own set, fetched once into the cache.
    pub path: PathBuf,
    /// Which part of a picture is seen: random is the paper's jitter, 8/9 of the side, another at every draw.
    pub crop: Crop,
    /// Whether each picture is mirrored, left for right, with probability 1/2.
    pub mirror: bool,
    /// Whether to go on without the files that cannot be used, instead of stopping before the first step.
    pub skip_broken: bool,
    /// How a batch is drawn, from each domain by itself.
    pub sampling: Sampling,
}

impl Default for Domains {
    fn default() -> Self {
        Domains {
            path: PathBuf::new(),
            crop: Crop::Random,
            mirror: true,
            skip_broken: false,
            sampling: Sampling::Shuffle,
        }
    }
}

/// The name under which a request says which way a picture goes, and the two ways.
pub const DIRECTION: &str = "direction";
/// From the first domain to the second.
pub const A_TO_B: &str = "a_to_b";
/// And back.
pub const B_TO_A: &str = "b_to_a";

/// As many pictures of each domain, on the host, `[n, channels, side, side]` each, f32 in [-1, 1].
#[derive(Clone, Debug)]
pub struct DomainBatch {
    /// Of the first domain.
    pub a: TensorData,
    /// Of the second.
    pub b: TensorData,
}

impl request::Batch for DomainBatch {
    /// Both ways; what is of the other domain is no answer.
    fn examples(&self) -> Vec<Example> {
        let way = |direction: &str, [given, beside]: [&TensorData; 2]| {
            let both = images_of(given).into_iter().zip(images_of(beside));
            let example = |(given, beside)| Example {
                asked: Sample::of_picture(given).with(DIRECTION, direction),
                wanted: None,
                beside: Some(Media::Image(beside)),
                nearest: None,
            };
            both.map(example).collect::<Vec<Example>>()
        };
        [way(A_TO_B, [&self.a, &self.b]), way(B_TO_A, [&self.b, &self.a])].concat()
    }
}

impl Domains {
    fn as_images(&self) -> Images {
        let Domains { path, crop, mirror, skip_broken, sampling } = self.clone();
        Images { path, layout: Layout::Folder, crop, mirror, skip_broken, validation_share: 0.0, sampling }
    }

    /// The batches of the training pictures of both domains, or of those held out, as [`super::open`] has them of one set.
    /// An error lists what cannot be used, or says which folder is missing.
    pub fn open(&self, set: &str, shape: Shape, drawing: Drawing) -> Result<Box<dyn Source<DomainBatch>>> {
        if drawing.split == Split::Test {
            return Ok(Box::new(Asked(self.test(set, shape)?)));
        }
        let (order, held_out) = ((drawing.seed, drawing.batch), drawing.is_held_out());
        let images = self.as_images();
        let (place, cache) = (images.place(set)?, cache::packed()?);
        let domain = |i: usize| domain(&images, &place, cache.as_deref(), shape, order, (i, held_out));
        Ok(Box::new(Both([domain(0)?, domain(1)?])))
    }

    /// Pictures held out in both domains under one name: what a translation of one should look like, from A to B, then back. Empty
    /// where the two domains share no names.
    fn test(&self, set: &str, shape: Shape) -> Result<Vec<Example>> {
        let place = self.as_images().place(set)?;
        let side = |folders: [&'static str; 2]| -> Result<BTreeMap<String, Image>> {
            let listing = Listing::between(&place, folders)?;
            let found = listing.each(|file, bytes| {
                let picture = decode::picture(bytes)?;
                let name = file.stem().rsplit_once('/').map_or(file.stem(), |(_, name)| name);
                Ok(file.held_out.then(|| (name.to_owned(), image(&decode::pixels(&picture, shape), shape))))
            });
            found.into_iter().filter_map(|found| found.map_err(Error::input).transpose()).collect()
        };
        let (first, mut second) = (side(FOLDERS[0])?, side(FOLDERS[1])?);
        let pairs = first.into_iter().filter_map(|(name, a)| Some([a, second.remove(&name)?])).collect::<Vec<_>>();
        let there = pairs.iter().map(|[a, b]| Example::pair(a.clone(), b.clone()).with(DIRECTION, A_TO_B));
        let back = pairs.iter().map(|[a, b]| Example::pair(b.clone(), a.clone()).with(DIRECTION, B_TO_A));
        Ok(there.chain(back).collect())
    }
}

/// The picture with these `[channels, side, side]` levels.
fn image(levels: &[u8], Shape { channels, side }: Shape) -> Image {
    let pixels = (0..side * side).flat_map(|at| (0..channels).map(move |c| levels[c * side * side + at]));
    Image::new(side, side, channels, pixels.collect())
}

/// The pictures' files of the domain `i`.
fn listing(place: &Path, i: usize) -> Result<Listing> {
    let listing = Listing::between(place, FOLDERS[i])?;
    if !listing.pictures.iter().any(|picture| !picture.held_out) {
        return Err(Error::input(format!(
            "{} has no pictures in a folder {}; two domains lie in trainA and trainB, what is held out in testA and testB",
            place.display(),
            FOLDERS[i][0]
        )));
    }
    Ok(listing)
}

/// Whether a place is laid out as two domains.
pub(in crate::data) fn is_place(place: &Path) -> bool {
    Listing::of(place, Layout::Folder, 0.0).is_ok_and(|listing| are_in(&listing))
}

/// Whether these are the pictures of two domains.
pub(super) fn are_in(listing: &Listing) -> bool {
    FOLDERS.iter().all(|[train, _]| listing.pictures.iter().any(|picture| picture.folders().next() == Some(*train)))
}

/// What a place holds as two domains, as a training would find it. Errors as of [`Domains::open`].
pub(in crate::data) fn examine(place: &Path) -> Result<Examined> {
    let images = Domains::default().as_images();
    let mut both = Examined::default();
    for (i, [folder, _]) in FOLDERS.iter().enumerate() {
        let Examined { learned, held_out, remarks } =
            Examined::of(&decode_all(&images, place, &listing(place, i)?, EXAMINED)?);
        both.learned += learned;
        both.held_out += held_out;
        both.remarks.extend(remarks.into_iter().map(|remark| format!("{folder}: {remark}")));
    }
    Ok(both)
}

/// The pictures of the domain `i`.
fn domain(
    images: &Images,
    place: &Path,
    cache: Option<&Path>,
    shape: Shape,
    (seed, batch): (u64, usize),
    (i, held_out): (usize, bool),
) -> Result<Pictures> {
    assert!([1, 3].contains(&shape.channels) && shape.side > 0, "no pictures are packed as {shape:?}");
    let listing = listing(place, i)?;
    let packed = Shape { side: images.packed_side(shape.side), ..shape };
    let settings = format!("domain {i} {packed:?} {}", images.skip_broken);
    let file = cache.map(|cache| pack::file(cache, place, &settings));
    let decode = || decode_all(images, place, &listing, packed);
    let pack = packed_part(file.as_deref(), listing.fingerprint(), packed, held_out, decode)?;
    // Orders of their own, or the shorter one would go round in step with the other.
    Ok(Pictures::of(images, pack, shape, (seed.wrapping_add(i as u64), batch), held_out))
}

struct Both([Pictures; 2]);

impl Source<DomainBatch> for Both {
    fn items(&self) -> usize {
        let [a, b] = self.0.each_ref().map(Source::items);
        if a.min(b) == 0 { 0 } else { a.max(b) }
    }

    fn fingerprint(&self) -> Option<String> {
        Some(sha256_of(self.0.iter().filter_map(Source::fingerprint)))
    }

    fn remarks(&self) -> Vec<String> {
        let of = |(pictures, [folder, _]): (&Pictures, &[&str; 2])| {
            pictures.remarks().into_iter().map(|remark| format!("{folder}: {remark}")).collect::<Vec<_>>()
        };
        self.0.iter().zip(&FOLDERS).flat_map(of).collect()
    }

    fn batch(&self, step: u64) -> Result<DomainBatch> {
        let [a, b] = &self.0;
        Ok(DomainBatch { a: a.batch(step)?.pixels, b: b.batch(step)?.pixels })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage};
    use std::fs;

    const SHAPE: Shape = Shape { channels: 3, side: 8 };

    fn write(folder: &Path, name: &str, level: u8) {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        RgbImage::from_pixel(12, 12, Rgb([level, 0, 0])).save(path).unwrap();
    }

    fn opened(folder: &Path, held_out: bool) -> Result<Both> {
        let images = Domains { path: folder.to_owned(), ..Domains::default() }.as_images();
        let domain = |i| domain(&images, folder, None, SHAPE, (1, 2), (i, held_out));
        Ok(Both([domain(0)?, domain(1)?]))
    }

    fn levels(pixels: &TensorData) -> Vec<u8> {
        let values = pixels.iter::<f32>().collect::<Vec<f32>>();
        values.chunks(3 * 64).map(|picture| ((picture[0] + 1.0) * 127.5).round() as u8).collect()
    }

    #[test]
    fn each_domain_is_drawn_by_itself_and_pairs_of_names_are_found_among_what_is_held_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        (0..4).for_each(|i| write(path, &format!("trainA/{i}.png"), i));
        (0..3).for_each(|i| write(path, &format!("trainB/{i}.png"), 100 + i));
        [("testA/x.png", 50), ("testA/y.png", 51), ("testB/y.png", 151)].iter().for_each(|(n, l)| write(path, n, *l));
        let source = opened(path, false).unwrap();
        assert_eq!((source.items(), opened(path, true).unwrap().items()), (4, 2));
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for step in 0..6 {
            let batch = source.batch(step).unwrap();
            a.extend(levels(&batch.a));
            b.extend(levels(&batch.b));
        }
        assert!(a[..4].iter().all(|level| *level < 4) && a[..4].iter().sum::<u8>() == 6, "{a:?}");
        assert!(b[..3].iter().map(|level| u32::from(*level)).sum::<u32>() == 303, "{b:?}");
        let test = Domains { path: path.to_owned(), ..Domains::default() }.test("none", SHAPE).unwrap();
        let levels = |example: &Example| {
            let Some(Media::Image(wanted)) = &example.wanted else { panic!("{example:?}") };
            let given = example.asked.picture().unwrap();
            (example.asked.text(DIRECTION).unwrap().to_owned(), [given.pixels[0], wanted.pixels[0]])
        };
        let both = [(A_TO_B.to_owned(), [51, 151]), (B_TO_A.to_owned(), [151, 51])];
        assert_eq!(test.iter().map(levels).collect::<Vec<_>>(), both);
    }

    #[test]
    fn a_missing_domain_is_said_by_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "trainA/x.png", 1);
        write(folder.path(), "testA/x.png", 1);
        let Err(error) = opened(folder.path(), false) else { panic!("there is no second domain") };
        assert!(error.exit_code() == 2 && error.to_string().contains("a folder trainB"), "{error}");
    }
}
