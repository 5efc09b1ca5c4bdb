//! Pairs of pictures, one the answer to the other: side by side in one file, or under one name in two folders.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::tensor::TensorData;
use image::{RgbImage, imageops};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::data::cache;
use crate::data::source::{Asked, Drawing, Sampling, Source, Split};
use crate::error::{Error, Result};
use crate::request::{self, Example};

use super::folder::Listing;
use super::look::{Look, remarks};
use super::seam::{self, Verdict};
use super::{
    Batch, Crop, Decoded, EXAMINED, Examined, Images, Item, Layout, Pictures, Shape, TEST, decode, images_of, pack,
    packed_part, usable,
};

/// The pairs a recipe learns from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Pairs {
    /// Folder or zip of pictures A|B side by side, or folder of two folders A and B whose pictures have equal names; empty for the recipe's own set, fetched once into the cache. Folders train and val (or test) split either.
    pub path: PathBuf,
    /// Which of the two is made from the other.
    pub direction: Direction,
    /// Which part of a pair is seen, the same of both pictures: random is the papers' jitter, 8/9 of the side, another at every draw.
    pub crop: Crop,
    /// Whether each pair is mirrored, left for right, with probability 1/2.
    pub mirror: bool,
    /// Whether to go on without the pairs that cannot be used, instead of stopping before the first step.
    pub skip_broken: bool,
    /// Share of the pairs to hold out, where the folder does not say by its own subfolders.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub validation_share: f64,
    /// How a batch is drawn.
    pub sampling: Sampling,
}

/// Which picture of a pair is made from the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// B, the right one, from A, the left one.
    #[default]
    AToB,
    /// A from B.
    BToA,
}

impl Default for Pairs {
    fn default() -> Self {
        Pairs {
            path: PathBuf::new(),
            direction: Direction::AToB,
            crop: Crop::Random,
            mirror: true,
            skip_broken: false,
            validation_share: 0.1,
            sampling: Sampling::Shuffle,
        }
    }
}

/// A batch of pairs on the host.
#[derive(Clone, Debug)]
pub struct PairBatch {
    /// What is given: `[n, channels, side, side]`, f32 in [-1, 1].
    pub given: TensorData,
    /// What is to be made of it, of the same shape.
    pub wanted: TensorData,
}

impl request::Batch for PairBatch {
    fn examples(&self) -> Vec<Example> {
        let [given, wanted] = [&self.given, &self.wanted].map(images_of);
        given.into_iter().zip(wanted).map(|(given, wanted)| Example::pair(given, wanted)).collect()
    }
}

impl Pairs {
    /// The same settings for single pictures, of which a pair is one with the channels of both.
    fn as_images(&self) -> Images {
        let Pairs { path, crop, mirror, skip_broken, validation_share, sampling, .. } = self.clone();
        Images { path, layout: Layout::Folder, crop, mirror, skip_broken, validation_share, sampling }
    }

    /// The batches of the training pairs, or of those held out, as [`super::open`] has them of pictures: the same square is
    /// cut out of both and both are mirrored or neither. Each has `shape`. An error lists the pairs that cannot be used and the
    /// pictures that have no partner.
    pub fn open(&self, set: &str, shape: Shape, drawing: Drawing) -> Result<Box<dyn Source<PairBatch>>> {
        if drawing.split == Split::Test {
            return Ok(Box::new(Asked(self.test(set, shape)?)));
        }
        let (images, order, held_out) = (self.as_images(), (drawing.seed, drawing.batch), drawing.is_held_out());
        let cache = cache::packed()?;
        let pictures = pictures(&images, &images.place(set)?, cache.as_deref(), shape, order, held_out, &[])?;
        Ok(Box::new(Halves { pictures, direction: self.direction }))
    }

    /// The pairs to measure with: those of the folder test, else those held out.
    fn test(&self, set: &str, shape: Shape) -> Result<Vec<Example>> {
        let images = Images { crop: Crop::Centre, ..self.as_images() };
        let pictures = pictures(&images, &images.place(set)?, None, shape, (0, 1), true, TEST)?;
        let each = (0..pictures.items()).flat_map(|i| {
            let pixels = pictures.pack.picture(i).iter().copied().map(super::signed).collect::<Vec<f32>>();
            let Shape { channels, side } = shape;
            let whole = Batch { pixels: TensorData::new(pixels, [1, 2 * channels, side, side]), labels: vec![0] };
            request::Batch::examples(&halves(whole, self.direction))
        });
        Ok(each.collect())
    }
}

/// Pairs as pictures of twice the channels, A before B. `folders` is what may be held out, in the order of preference; empty
/// for the usual.
fn pictures(
    images: &Images,
    place: &Path,
    cache: Option<&Path>,
    shape: Shape,
    order: (u64, usize),
    held_out: bool,
    folders: &[&str],
) -> Result<Pictures> {
    assert!([1, 3].contains(&shape.channels) && shape.side > 0, "no pictures are packed as {shape:?}");
    let listing = |place: &Path| match folders {
        [] => Listing::of(place, Layout::Folder, images.validation_share),
        _ => Listing::holding_out(place, images.validation_share, folders),
    };
    let packed = Shape { side: images.packed_side(shape.side), ..shape };
    let both = Shape { channels: 2 * shape.channels, ..packed };
    let settings = format!("pairs {both:?} {} {}", images.skip_broken, images.validation_share);
    let file = cache.map(|cache| pack::file(cache, place, &settings));
    let pack = match two_folders(place) {
        Some(sides) => {
            let listings = [listing(&sides[0])?, listing(&sides[1])?];
            let fingerprint = listings.each_ref().map(Listing::fingerprint).concat();
            let decode = || partners(images, place, &sides, &listings, packed);
            packed_part(file.as_deref(), fingerprint, both, held_out, decode)?
        }
        None => {
            let listing = listing(place)?;
            if let Some(sentence) = other_layout(place, &listing) {
                return Err(Error::input(sentence));
            }
            let decode = || side_by_side(images, place, &listing, packed);
            packed_part(file.as_deref(), listing.fingerprint(), both, held_out, decode)?
        }
    };
    Ok(Pictures::of(images, pack, Shape { channels: both.channels, ..shape }, order, held_out))
}

/// What a place holds as pairs, as a training would find it. Errors as of [`Pairs::open`].
pub(in crate::data) fn examine(place: &Path) -> Result<Examined> {
    let images = Pairs::default().as_images();
    let listing = |place: &Path| Listing::of(place, Layout::Folder, images.validation_share);
    let decoded = match two_folders(place) {
        Some(sides) => partners(&images, place, &sides, &[listing(&sides[0])?, listing(&sides[1])?], EXAMINED)?,
        None => {
            let listing = listing(place)?;
            if let Some(sentence) = other_layout(place, &listing) {
                return Err(Error::input(sentence));
            }
            side_by_side(&images, place, &listing, EXAMINED)?
        }
    };
    Ok(Examined::of(&decoded))
}

/// The folders A and B of a place, where both are there.
pub(in crate::data) fn two_folders(place: &Path) -> Option<[PathBuf; 2]> {
    let entries = std::fs::read_dir(place).ok()?.flatten().filter(|entry| entry.path().is_dir());
    let folders = entries.map(|entry| (entry.file_name().to_string_lossy().to_lowercase(), entry.path()));
    let mut folders = folders.collect::<BTreeMap<_, _>>();
    Some([folders.remove("a")?, folders.remove("b")?])
}

/// The parts of a set, as folders are called; none stands before A and B alone.
const PARTS: [&str; 5] = ["", "train", "test", "val", "validation"];

/// What is wrong with a folder whose pictures are not side by side, by the names of its folders; with the way out.
fn other_layout(place: &Path, listing: &Listing) -> Option<String> {
    let mut folders = BTreeSet::new();
    for picture in &listing.pictures {
        folders.extend(picture.folders().map(str::to_lowercase));
    }
    let sides = |part: &str| ["a", "b"].map(|side| format!("{part}{side}"));
    let is_alphabet = folders.contains("c"); // and so A and B are no sides
    let part = PARTS.iter().find(|part| sides(part).iter().all(|folder| folders.contains(folder)))?;
    if part.is_empty() && is_alphabet {
        return None;
    }
    let place = place.display();
    Some(match *part {
        "" => format!(
            "{place} has folders A and B where they are not looked for; for pairs in two folders give a folder, no .zip, with A \
             and B at its top and the parts in those: A/train, B/train, A/val, B/val"
        ),
        part => format!(
            "{place} has the folders {part}A and {part}B, as two sets of pictures without pairs are laid out: train cyclegan on \
             it. If pictures of equal names are pairs, put them into A/{part} and B/{part}"
        ),
    })
}

/// Pictures A|B, cut in the middle.
fn side_by_side(images: &Images, place: &Path, listing: &Listing, shape: Shape) -> Result<Decoded> {
    let squares = AtomicUsize::new(0);
    let found = listing.each(|file, bytes| {
        let seen = decode::seen(bytes)?;
        let picture = &seen.picture;
        let (width, height) = picture.dimensions();
        if width == height {
            squares.fetch_add(1, Ordering::Relaxed);
        }
        if width == height || !width.is_multiple_of(2) {
            return Err(format!(
                "is {width} x {height} pixels; two pictures of one size side by side have an even width that is not their height"
            ));
        }
        let half = |left| imageops::crop_imm(picture, left, 0, width / 2, height).to_image();
        let pixels = [half(0), half(width / 2)].map(|half| decode::pixels(&half, shape)).concat();
        let item = Item { pixels, label: 0, held_out: file.held_out, hash: file.hash(bytes) };
        let look = Look::of(file.name(), file.held_out, &seen).of_half([width / 2, height]);
        Ok((vec![item], (look, seam::jump(picture))))
    });
    if squares.into_inner() == found.len() && !found.is_empty() {
        return Err(Error::input(format!(
            "{} holds square pictures, and pairs are wanted: both side by side in one picture twice as wide as high, or in two \
             folders, A and B, under the same names. From pictures without partners learn dcgan, stylegan2 and others of `ganvas list`",
            place.display()
        )));
    }
    let (items, looks) = usable(place, images.skip_broken, found, listing.problems.clone())?;
    let (looks, jumps): (Vec<_>, Vec<_>) = looks.into_iter().unzip();
    let mut remarks = remarks(&looks, images.crop);
    match seam::verdict(&jumps) {
        Verdict::Pairs => (),
        Verdict::Doubtful => remarks.push(
            "the pictures go on across their middle nearly as single ones do; if they are no pairs side by side, this learns \
             their right halves from their left ones"
                .to_owned(),
        ),
        Verdict::Singles => {
            return Err(Error::input(format!(
                "the pictures in {} go on across their middle, so they are single ones and not pairs side by side; train a \
                 recipe of single pictures on them, such as stylegan2. If they are pairs, put the two sides into folders A and B \
                 under equal names",
                place.display()
            )));
        }
    }
    Ok(Decoded { items, remarks })
}

/// Pictures of equal names in two folders.
fn partners(
    images: &Images,
    place: &Path,
    sides: &[PathBuf; 2],
    [a, b]: &[Listing; 2],
    shape: Shape,
) -> Result<Decoded> {
    let mut problems = [a.problems.clone(), b.problems.clone()].concat();
    let aspect = |picture: &RgbImage| f64::from(picture.width()) / f64::from(picture.height());
    let mut second = BTreeMap::new();
    let decoded = b.each(|file, bytes| {
        let seen = decode::seen(bytes)?;
        let look = Look::of(file.name(), file.held_out, &seen);
        let partner = (aspect(&seen.picture), decode::pixels(&seen.picture, shape), file.hash(bytes), look);
        Ok((file.stem().to_owned(), partner))
    });
    for (file, result) in b.pictures.iter().zip(decoded) {
        match result {
            Ok((stem, picture)) => drop(second.insert(stem, picture)),
            Err(problem) => {
                problems.push(format!("B: {problem}"));
                second.remove(file.stem());
            }
        }
    }
    let alone = |name: &str, folder: &Path| format!("{name} is in {} alone", folder.display());
    let mut found = a.each(|file, bytes| {
        let Some((b_aspect, b, b_hash, b_look)) = second.get(file.stem()) else {
            return Err(format!("is in {} alone", sides[0].display()));
        };
        let seen = decode::seen(bytes)?;
        let a = decode::pixels(&seen.picture, shape);
        if (aspect(&seen.picture) / b_aspect - 1.0).abs() > 0.01 {
            return Err("and its partner in B are not of one shape: other parts of them would be seen".to_owned());
        }
        let pixels = [a.as_slice(), b.as_slice()].concat();
        let hash = Sha256::digest([file.hash(bytes), *b_hash].concat()).into();
        let look = Look::of(file.name(), file.held_out, &seen).with_partner(b_look);
        Ok((vec![Item { pixels, label: 0, held_out: file.held_out, hash }], look))
    });
    let firsts = a.pictures.iter().map(|file| file.stem()).collect::<BTreeSet<_>>();
    let lonely = second.keys().filter(|stem| !firsts.contains(stem.as_str()));
    found.extend(lonely.map(|stem| Err(alone(stem, &sides[1]))));
    let (items, looks) = usable(place, images.skip_broken, found, problems)?;
    let remarks = remarks(&looks, images.crop);
    Ok(Decoded { items, remarks })
}

/// Pairs, drawn as pictures of twice the channels.
struct Halves {
    pictures: Pictures,
    direction: Direction,
}

impl Source<PairBatch> for Halves {
    fn items(&self) -> usize {
        self.pictures.items()
    }

    fn fingerprint(&self) -> Option<String> {
        self.pictures.fingerprint()
    }

    fn remarks(&self) -> Vec<String> {
        self.pictures.remarks()
    }

    fn batch(&self, step: u64) -> Result<PairBatch> {
        Ok(halves(self.pictures.batch(step)?, self.direction))
    }
}

/// Both sides of pairs whose channels lie one after the other.
fn halves(batch: Batch, direction: Direction) -> PairBatch {
    let shape = batch.pixels.shape().to_vec();
    let (n, half) = (shape[0], shape[1..].iter().product::<usize>() / 2);
    let pixels = batch.pixels.iter::<f32>().collect::<Vec<f32>>();
    let side = |first: bool| {
        let each = pixels.chunks(2 * half).map(|both| if first { &both[..half] } else { &both[half..] });
        TensorData::new(each.flatten().copied().collect::<Vec<f32>>(), [n, shape[1] / 2, shape[2], shape[3]])
    };
    let is_forward = direction == Direction::AToB;
    PairBatch { given: side(is_forward), wanted: side(!is_forward) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;
    use std::fs;

    const SHAPE: Shape = Shape { channels: 3, side: 8 };

    /// A left half of one level of red and a right half whose green is its complement.
    fn pair(level: u8) -> RgbImage {
        RgbImage::from_fn(32, 16, |x, _| if x < 16 { Rgb([level, 0, 0]) } else { Rgb([0, 255 - level, 0]) })
    }

    fn write(path: &Path, picture: &RgbImage) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        picture.save(path).unwrap();
    }

    fn in_two_folders(folder: &Path, names: &[(&str, u8)]) {
        for (name, level) in names {
            let both = pair(*level);
            write(&folder.join("A").join(format!("{name}.png")), &imageops::crop_imm(&both, 0, 0, 16, 16).to_image());
            write(&folder.join("B").join(format!("{name}.png")), &imageops::crop_imm(&both, 16, 0, 16, 16).to_image());
        }
    }

    fn opened(pairs: &Pairs, held_out: bool) -> Result<Halves> {
        let images = pairs.as_images();
        let pictures = pictures(&images, &pairs.path, None, SHAPE, (1, 2), held_out, &[])?;
        Ok(Halves { pictures, direction: pairs.direction })
    }

    /// The red of A and the green of B of every pair of a batch, as levels.
    fn levels(batch: &PairBatch) -> Vec<[u8; 2]> {
        let both = [&batch.given, &batch.wanted].map(images_of);
        both[0].iter().zip(&both[1]).map(|(a, b)| [a.pixels[0], b.pixels[1]]).collect()
    }

    #[test]
    fn both_layouts_give_the_same_pairs_in_either_direction() {
        let folder = tempfile::tempdir().unwrap();
        let (wide, two) = (folder.path().join("wide"), folder.path().join("two"));
        let names = [("train/x", 10), ("train/y", 200), ("train/z", 90), ("val/v", 50), ("test/t", 70)];
        names.iter().for_each(|(name, level)| write(&wide.join(format!("{name}.png")), &pair(*level)));
        in_two_folders(&two, &names);
        for path in [wide, two] {
            let pairs = Pairs { path, ..Pairs::default() };
            let source = opened(&pairs, false).unwrap();
            assert_eq!((source.items(), opened(&pairs, true).unwrap().items()), (3, 1));
            let mut seen = (0..3).flat_map(|step| levels(&source.batch(step).unwrap())).collect::<Vec<_>>();
            seen.sort_unstable();
            assert_eq!(seen, [[10, 245], [10, 245], [90, 165], [90, 165], [200, 55], [200, 55]]);
            let back = Pairs { direction: Direction::BToA, ..pairs.clone() };
            let PairBatch { given, wanted } = opened(&back, false).unwrap().batch(0).unwrap();
            let swapped = PairBatch { given: wanted, wanted: given };
            assert_eq!(levels(&swapped), levels(&source.batch(0).unwrap()));
            let test = pairs.test("none", SHAPE).unwrap();
            let [Example { asked, wanted: Some(crate::media::Media::Image(wanted)), .. }] = test.as_slice() else {
                panic!("{test:?}")
            };
            assert_eq!((asked.picture().unwrap().pixels[0], wanted.pixels[1]), (70, 185));
        }
    }

    #[test]
    fn jitter_and_mirror_are_the_same_for_both_pictures_of_a_pair() {
        let folder = tempfile::tempdir().unwrap();
        let picture = RgbImage::from_fn(36, 18, |x, y| Rgb([(x % 18 * 12) as u8, (y * 12) as u8, 7]));
        write(&folder.path().join("train/a.png"), &picture);
        write(&folder.path().join("train/b.png"), &picture);
        let images = Images { path: folder.path().to_owned(), ..Pairs::default().as_images() };
        let shape = Shape { channels: 3, side: 16 };
        let pictures = pictures(&images, folder.path(), None, shape, (1, 2), false, &[]).unwrap();
        let source = Halves { pictures, direction: Direction::AToB };
        let batches = (0..12).map(|step| source.batch(step).unwrap()).collect::<Vec<_>>();
        for batch in &batches {
            assert_eq!(batch.given, batch.wanted);
        }
        assert!(batches.iter().any(|batch| batch.given != batches[0].given));
    }

    #[test]
    fn pictures_without_a_partner_are_listed_before_anything_begins() {
        let folder = tempfile::tempdir().unwrap();
        in_two_folders(folder.path(), &[("x", 10), ("y", 20), ("z", 30)]);
        fs::rename(folder.path().join("B/z.png"), folder.path().join("B/w.png")).unwrap();
        write(&folder.path().join("B/y.png"), &RgbImage::new(32, 16));
        let pairs = Pairs { path: folder.path().to_owned(), validation_share: 0.0, ..Pairs::default() };
        let Err(error) = opened(&pairs, false) else { panic!("there is a picture without a partner") };
        let sentence = error.to_string();
        assert_eq!(error.exit_code(), 2);
        for part in ["y.png and its partner in B are not of one shape", "z.png is in", "A alone", "w is in", "B alone"]
        {
            assert!(sentence.contains(part), "{part}: {sentence}");
        }
        let skipping = Pairs { skip_broken: true, ..pairs };
        assert_eq!(opened(&skipping, false).unwrap().items(), 1);
    }

    fn refused(path: &Path) -> String {
        let pairs = Pairs { path: path.to_owned(), ..Pairs::default() };
        let Err(error) = opened(&pairs, false) else { panic!("{} are no pairs", path.display()) };
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    }

    #[test]
    fn two_sets_without_pairs_are_not_cut_in_halves_but_named_with_the_way_out() {
        for folders in [["trainA", "trainB"], ["TrainA", "trainb"], ["set/testA", "set/testB"]] {
            let folder = tempfile::tempdir().unwrap();
            for name in folders {
                (0..4).for_each(|i| write(&folder.path().join(name).join(format!("{i}.png")), &RgbImage::new(24, 16)));
            }
            let sentence = refused(folder.path());
            assert!(sentence.contains("without pairs are laid out: train cyclegan on it"), "{sentence}");
        }
    }

    #[test]
    fn sides_in_folders_below_the_parts_are_not_cut_in_halves() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["train/A/x.png", "train/B/x.png", "test/A/y.png", "test/B/y.png"] {
            write(&folder.path().join(name), &RgbImage::new(24, 16));
        }
        let sentence = refused(folder.path());
        assert!(sentence.contains("A/train, B/train"), "{sentence}");
        // Letters are no sides.
        let letters = tempfile::tempdir().unwrap();
        let each = ["train/a/x", "train/b/x", "train/c/x"];
        each.iter().for_each(|name| write(&letters.path().join(format!("{name}.png")), &pair(7)));
        let pairs = Pairs { path: letters.path().to_owned(), validation_share: 0.0, ..Pairs::default() };
        assert_eq!(opened(&pairs, false).unwrap().items(), 3);
    }

    #[test]
    fn single_landscapes_are_not_learned_as_pairs_and_a_doubt_is_said() {
        let grain = |x: u32, y: u32, i: u32| ((x * 7919 + y * 104_729 + i * 331) % 23) as u8;
        let landscape = |i: u32, step: u8| {
            RgbImage::from_fn(48, 32, |x, y| {
                let level = 40 + (x + y) as u8 + grain(x, y, i) + if x < 24 { 0 } else { step };
                Rgb([level, level / 2, 200 - level])
            })
        };
        let folder = tempfile::tempdir().unwrap();
        let put = |place: &Path, step| {
            (0..6).for_each(|i| write(&place.join(format!("train/{i}.png")), &landscape(i, step)));
            write(&place.join("val/0.png"), &landscape(9, step));
        };
        put(folder.path(), 0);
        let sentence = refused(folder.path());
        assert!(
            sentence.contains("single ones and not pairs side by side") && sentence.contains("folders A and B"),
            "{sentence}"
        );
        let [doubtful, pairs] = ["doubtful", "pairs"].map(|name| folder.path().join(name));
        put(&doubtful, 17);
        put(&pairs, 60);
        let remarks = |path: &Path| {
            let pairs = Pairs { path: path.to_owned(), ..Pairs::default() };
            opened(&pairs, false).unwrap().remarks()
        };
        let is_doubt = |remark: &String| remark.contains("as single ones do");
        assert!(remarks(&doubtful).iter().any(is_doubt), "{:?}", remarks(&doubtful));
        assert!(!remarks(&pairs).iter().any(is_doubt));
    }

    #[test]
    fn a_check_finds_the_odd_widths_that_a_training_refuses() {
        let folder = tempfile::tempdir().unwrap();
        for (i, width) in [(0, 128), (1, 129), (2, 128), (3, 127)] {
            write(&folder.path().join(format!("{i}.png")), &imageops::resize(&pair(9), width, 64, imageops::Nearest));
        }
        let found = crate::data::check::check(folder.path()).unwrap();
        let sentence = refused(folder.path());
        assert_eq!(found.problems.len(), 2);
        assert!(found.problems.iter().all(|problem| sentence.contains(problem)), "{found:?} {sentence}");
        assert!(found.problems[0].starts_with("1.png is 129 x 64 pixels"), "{found:?}");
    }

    #[test]
    fn a_square_picture_is_no_pair() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("x.png"), &RgbImage::new(16, 16));
        let pairs = Pairs { path: folder.path().to_owned(), ..Pairs::default() };
        let Err(error) = opened(&pairs, false) else { panic!("a square is no pair") };
        assert!(error.to_string().contains("holds square pictures, and pairs are wanted"), "{error}");
    }
}
