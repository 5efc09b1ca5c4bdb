//! Pictures of persons with their poses, a folder for each person: what another pose of the same person is learned from.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use burn::tensor::TensorData;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::folder::{self, Listing};
use super::look::{Look, remarks};
use super::pack::{self, Pack};
use super::{Crop, Decoded, EXAMINED, Item, Layout, Shape, TEST, decode, images_of, packed_part, signed, usable};
use crate::data::source::{Asked, Drawing, Order, Sampling, Source, Split};
use crate::data::{cache, place_of};
use crate::error::{Error, Result};
use crate::hash;
use crate::media::{Image, JOINT_NAMES, JOINTS, Media, Pose};
use crate::random::Draws;
use crate::request::{self, Example};

/// The folder, beside that of those held out, that has the same persons in poses to learn from: no recipe reads it, but a model should be
/// better than the nearest of these.
pub(in crate::data) const KNOWN: &str = "known-poses";
/// The name under which the pose that a person is to take is given to a model.
pub const POSE: &str = "pose";

/// The persons a recipe learns from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Posed {
    /// Folder or zip with a folder for each person, of pictures (a.png) with a pose beside each (a.json); empty for the recipe's own set, fetched once into the cache. Folders train and held-out (or val, test) at the top split it.
    pub path: PathBuf,
    /// Whether to go on without the pictures that cannot be used, instead of stopping before the first step.
    pub skip_broken: bool,
    /// Share of the persons to hold out, where the folder does not say by its own subfolders.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub validation_share: f64,
    /// Whether each pair is mirrored, left for right, with probability 1/2; left joints become right ones.
    pub mirror: bool,
    /// Whether both pictures of each pair are seen in other hues, turned at random by the same angle; what is grey stays so. For few persons.
    pub turn_hues: bool,
    /// How the first pictures of pairs are drawn; the second is any other one of the same person.
    pub sampling: Sampling,
}

impl Default for Posed {
    fn default() -> Self {
        Posed {
            path: PathBuf::new(),
            skip_broken: false,
            validation_share: 0.1,
            mirror: false,
            turn_hues: false,
            sampling: Sampling::Shuffle,
        }
    }
}

/// A batch of pairs of pictures of one person each, on the host. Joints are as [`Pose::shares`] has them.
#[derive(Clone, Debug)]
pub struct PosedBatch {
    /// What is given: `[n, channels, side, side]`, f32 in [-1, 1].
    pub given: TensorData,
    /// Its joints, `[n, 17, 3]`.
    pub given_joints: TensorData,
    /// The same person in another pose, of the same shape.
    pub wanted: TensorData,
    /// That pose, `[n, 17, 3]`.
    pub wanted_joints: TensorData,
    /// The same as their files have them.
    pub poses: Vec<Pose>,
}

impl request::Batch for PosedBatch {
    fn examples(&self) -> Vec<Example> {
        let [given, wanted] = [&self.given, &self.wanted].map(images_of);
        let pairs = given.into_iter().zip(wanted).zip(&self.poses);
        pairs.map(|((given, wanted), pose)| Example::pair(given, wanted).with(POSE, pose.text().as_str())).collect()
    }
}

impl Posed {
    /// The batches of pairs of the persons to learn from, or of those held out, as [`super::open`] has them of pictures; but the whole
    /// of a picture is brought to the square, so that no joint is cut off. The first of a pair is drawn from all pictures, the second
    /// from all others of its person. An error lists the pictures and poses that cannot be used.
    pub fn open(&self, set: &str, shape: Shape, drawing: Drawing) -> Result<Box<dyn Source<PosedBatch>>> {
        if drawing.split == Split::Test {
            return Ok(Box::new(Asked(self.test(set, shape)?)));
        }
        let (place, cache) = (place_of(&self.path, set)?, cache::packed()?);
        let order = (drawing.seed, drawing.batch);
        Ok(Box::new(Pairs::open(self, &place, cache.as_deref(), shape, order, drawing.is_held_out(), &[])?))
    }

    /// What is measured: every picture of the folder test, or else of those held out, once as what is wanted; what is given is the next
    /// of its person, in an order that is drawn. Where there is a folder of [`KNOWN`] poses, the nearest one of the person goes with it.
    fn test(&self, set: &str, shape: Shape) -> Result<Vec<Example>> {
        let place = place_of(&self.path, set)?;
        let open = |folders| Pairs::open(self, &place, None, shape, (0, 1), true, folders);
        let pairs = open(TEST)?;
        let known = place.join(KNOWN).is_dir().then(|| open(&[KNOWN])).transpose()?;
        let order = Draws::new(0, 0).permutation("data.test", pairs.pack.labels.len() as u32);
        let mut drawn = BTreeMap::<&str, Vec<usize>>::new();
        for at in order.into_iter().map(|at| at as usize) {
            drawn.entry(pairs.person(at)).or_default().push(at);
        }
        drawn.retain(|_, own| own.len() > 1);
        let asked = drawn.into_values().flat_map(|own| {
            let next = own.clone().into_iter().cycle().skip(1);
            next.zip(own).map(|(given, wanted)| (given, wanted, Change::default())).collect::<Vec<_>>()
        });
        let examples = asked.flat_map(|pair| {
            let nearest =
                known.as_ref().and_then(|known| known.nearest(last(pairs.person(pair.1)), pairs.pose(pair.1)));
            let nearest = nearest.map(|image| ("the nearest known pose", Media::Image(image)));
            let examples = request::Batch::examples(&pairs.batch_of(&[pair]));
            examples.into_iter().map(move |example| Example { nearest: nearest.clone(), ..example })
        });
        Ok(examples.collect())
    }

    /// The pose of the first picture to learn from, as the text of its file: what stands in where none is given.
    pub fn first_pose(&self, set: &str) -> Result<String> {
        let place = place_of(&self.path, set)?;
        let Persons { listing, poses, .. } = Persons::of(&place, self.validation_share, &[])?;
        let mut learned = listing.pictures.iter().zip(&poses).filter(|(picture, _)| !picture.held_out);
        let pose = learned.find_map(|(_, pose)| pose.as_ref().ok());
        Ok(pose.ok_or_else(|| Error::input(format!("{} holds no pose to learn from", place.display())))?.text())
    }
}

/// The pictures of a place, each labelled by its place among the poses.
struct Persons {
    listing: Listing,
    /// The pose of each picture, or what is wrong with it: a sentence without its subject, the picture.
    poses: Vec<Result<Pose, String>>,
    /// Which person each shows: the folder.
    persons: Vec<String>,
}

/// A path without its last part.
fn folder_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The last part of a path.
fn last(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, last)| last)
}

fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// Whether any picture of a place has a pose beside it.
pub(in crate::data) fn is_place(place: &Path) -> bool {
    let beside = |listing: Listing| {
        let files = listing.poses_named();
        listing.pictures.iter().any(|picture| files.iter().any(|file| stem(file) == picture.stem()))
    };
    Listing::of(place, Layout::Folder, 0.0).is_ok_and(beside)
}

impl Persons {
    /// Walks a place as [`Listing`] does; but where its folders do not say which are held out, whole persons are. `folders` is what may
    /// be held out, in the order of preference; empty for the usual. An error when nothing there has a pose.
    fn of(place: &Path, share: f64, folders: &[&str]) -> Result<Self> {
        let mut listing = match folders {
            [] => Listing::of(place, Layout::Folder, 0.0)?,
            _ => Listing::holding_out(place, 0.0, folders)?,
        };
        let files = listing.poses().into_iter().map(|(name, bytes)| (stem(name).to_owned(), (name.to_owned(), bytes)));
        let files = files.collect::<HashMap<_, _>>();
        if files.is_empty() {
            return Err(Error::input(format!(
                "{} has no poses; put the pose of each picture beside it, a.json for a.png, in a folder for each person",
                place.display()
            )));
        }
        let mut pictures = BTreeMap::<String, usize>::new();
        listing
            .pictures
            .iter()
            .for_each(|picture| *pictures.entry(folder_of(picture.name()).to_owned()).or_default() += 1);
        let poses = listing.pictures.iter().map(|picture| {
            let Some((name, bytes)) = files.get(picture.stem()) else {
                return Err(format!("has no pose: {}.json is not there", picture.stem()));
            };
            if pictures[folder_of(picture.name())] == 1 {
                return Err("is alone in its folder; a pair needs two pictures of a person".to_owned());
            }
            let utf8 = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).map_err(|_| "is no text in UTF-8".to_owned());
            let pose = bytes.as_ref().map_err(Clone::clone).and_then(utf8).and_then(|text| Pose::parse(&text));
            pose.map_err(|wrong| format!("has a pose that cannot be used: {name} {wrong}"))
        });
        let poses = poses.collect();
        let persons = listing.pictures.iter().map(|picture| folder_of(picture.name()).to_owned()).collect::<Vec<_>>();
        if listing.pictures.iter().all(|picture| !picture.held_out) {
            let split = folder::Split::Share(share);
            let is_held_out = |picture: &folder::Picture| split.part(folder_of(picture.name())) == 1;
            let held_out = listing.pictures.iter().map(is_held_out).collect::<Vec<_>>();
            let spared = persons.first().filter(|_| !held_out.contains(&false)); // something must be learned from
            for ((picture, held_out), person) in listing.pictures.iter_mut().zip(held_out).zip(&persons) {
                picture.held_out = held_out && Some(person) != spared;
            }
        }
        (0..).zip(&mut listing.pictures).for_each(|(i, picture)| picture.label = i);
        Ok(Persons { listing, poses, persons })
    }

    /// Every picture with a pose, brought to a shape. One error lists what cannot be used, unless it is to be skipped.
    fn decoded(&self, place: &Path, skip_broken: bool, shape: Shape) -> Result<Decoded> {
        let found = self.listing.each(|file, bytes| {
            let pose = self.poses[file.label as usize].as_ref().map_err(Clone::clone)?;
            let seen = decode::seen(bytes)?;
            let (width, height) = seen.picture.dimensions();
            if (f64::from(width), f64::from(height)) != (pose.width, pose.height) {
                let Pose { width: wide, height: high, .. } = pose;
                return Err(format!("is {width} x {height} pixels, and its pose is of a picture of {wide} x {high}"));
            }
            let pixels = decode::whole(&seen.picture, shape);
            let item = Item { pixels, label: file.label, held_out: file.held_out, hash: file.hash(bytes) };
            Ok((vec![item], Look::of(file.name(), file.held_out, &seen)))
        });
        let (items, looks) = usable(place, skip_broken, found, self.listing.problems.clone())?;
        Ok(Decoded { items, remarks: remarks(&looks, Crop::Detail) }) // nothing is cut off
    }
}

/// What a place holds, a sentence each, and what one should know of it. Errors as of [`Posed::open`].
pub(in crate::data) fn examine(place: &Path) -> Result<(Vec<String>, Vec<String>)> {
    let usual = Posed::default();
    let all = Persons::of(place, usual.validation_share, &[])?;
    let Decoded { remarks, .. } = all.decoded(place, usual.skip_broken, EXAMINED)?;
    let mut facts = all.listing.notes.iter().filter(|note| note.starts_with("left alone")).cloned().collect::<Vec<_>>();
    for (held_out, what) in [(false, "to learn from"), (true, "held out")] {
        let mut pictures = BTreeMap::<&str, usize>::new();
        for (picture, person) in all.listing.pictures.iter().zip(&all.persons) {
            if picture.held_out == held_out {
                *pictures.entry(person).or_default() += 1;
            }
        }
        let pairs = pictures.values().map(|n| n * (n - 1)).sum::<usize>();
        let (persons, pictures) = (pictures.len(), pictures.values().sum::<usize>());
        facts.push(format!("{what}: {persons} persons in {pictures} pictures, which are {pairs} ordered pairs"));
    }
    let poses = all.poses.iter().flatten().collect::<Vec<_>>();
    let known = poses.iter().map(|pose| pose.known()).sum::<usize>() as f64 / poses.len().max(1) as f64;
    let unknown = (0..JOINTS).filter(|at| poses.iter().all(|pose| pose.keypoints[*at][2] == 0.0));
    let unknown = unknown.map(|at| JOINT_NAMES[at]).collect::<Vec<_>>();
    let never = if unknown.is_empty() { String::new() } else { format!("; never known: {}", unknown.join(", ")) };
    facts.push(format!("joints: {known:.1} of {JOINTS} are known in a picture, on average{never}"));
    Ok((facts, remarks))
}

/// Pairs in memory.
struct Pairs {
    pack: Pack,
    held_out: bool,
    seed: u64,
    order: Option<Order>, // of what is drawn; None when there is nothing
    /// Places of pictures that have another one of their person.
    drawn: Vec<usize>,
    /// The places of each person's pictures, in order.
    of_person: BTreeMap<String, Vec<usize>>,
    /// By labels.
    poses: Vec<Option<Pose>>,
    persons: Vec<String>,
    mirror: bool,
    turn_hues: bool,
}

/// How a pair is seen.
#[derive(Clone, Copy, Debug, Default)]
struct Change {
    is_mirrored: bool,
    /// By how many degrees its hues are turned.
    turn: u32,
}

impl Change {
    /// Levels `[3, side, side]` or grey ones, from 0 to 255, as a network takes them: from -1 to 1.
    fn pixels(self, levels: &[u8], Shape { channels, side }: Shape) -> Vec<f32> {
        let mut pixels = levels.iter().copied().map(signed).collect::<Vec<f32>>();
        if self.is_mirrored {
            pixels.chunks_exact_mut(side).for_each(<[f32]>::reverse);
        }
        if self.turn > 0 && channels == 3 {
            let (sin, cos) = f64::from(self.turn).to_radians().sin_cos();
            // The turn about the diagonal of grey (Rodrigues): what is kept of a channel, and what comes of the next and of the one after.
            let own = (cos + (1.0 - cos) / 3.0) as f32;
            let [next, after] = [-1.0, 1.0].map(|way| ((1.0 - cos) / 3.0 + way * sin / 3.0_f64.sqrt()) as f32);
            let plane = side * side;
            for at in 0..plane {
                let rgb = [0, 1, 2].map(|channel| pixels[channel * plane + at]);
                for channel in 0..3 {
                    let turned = own * rgb[channel] + next * rgb[(channel + 1) % 3] + after * rgb[(channel + 2) % 3];
                    pixels[channel * plane + at] = turned.clamp(-1.0, 1.0);
                }
            }
        }
        pixels
    }

    fn pose(self, pose: &Pose) -> Pose {
        if self.is_mirrored { pose.mirrored() } else { pose.clone() }
    }
}

impl Pairs {
    fn open(
        posed: &Posed,
        place: &Path,
        cache: Option<&Path>,
        shape: Shape,
        (seed, batch): (u64, usize),
        held_out: bool,
        folders: &[&str],
    ) -> Result<Self> {
        let Posed { skip_broken, validation_share, sampling, mirror, turn_hues, .. } = *posed;
        let all = Persons::of(place, validation_share, folders)?;
        let texts = all.poses.iter().map(|pose| pose.as_ref().map_or_else(Clone::clone, Pose::text));
        let fingerprint = hash::sha256_of([all.listing.fingerprint()].into_iter().chain(texts));
        let settings = format!("posed {shape:?} {skip_broken} {validation_share} {}", folders.join(" "));
        let file = cache.map(|cache| pack::file(cache, place, &settings));
        let decode = || all.decoded(place, skip_broken, shape);
        let pack = packed_part(file.as_deref(), fingerprint, shape, held_out, decode)?;
        let mut of_person = BTreeMap::<String, Vec<usize>>::new();
        for (at, label) in pack.labels.iter().enumerate() {
            of_person.entry(all.persons[*label as usize].clone()).or_default().push(at);
        }
        of_person.retain(|_, own| own.len() > 1); // of a person whose other pictures are skipped, one may be left
        let drawn = of_person.values().flatten().copied().collect::<Vec<_>>();
        let order = (!drawn.is_empty()).then(|| Order::new(seed, drawn.len(), batch, sampling));
        let poses = all.poses.into_iter().map(Result::ok).collect();
        let [mirror, turn_hues] = [mirror, turn_hues].map(|is_wanted| is_wanted && !held_out);
        Ok(Pairs { pack, held_out, seed, order, drawn, of_person, poses, persons: all.persons, mirror, turn_hues })
    }

    /// Whom a picture shows.
    fn person(&self, at: usize) -> &str {
        &self.persons[self.pack.labels[at] as usize]
    }

    /// The picture of the person of this name that is nearest to a pose.
    fn nearest(&self, person: &str, pose: &Pose) -> Option<Image> {
        let mut own = self.of_person.iter().filter(|(folder, _)| last(folder) == person).flat_map(|(_, own)| own);
        let first = *own.next()?;
        let far = |at: usize| self.pose(at).distance(pose);
        let nearest = own.fold((first, far(first)), |(nearest, least), at| match far(*at) {
            far if far < least => (*at, far),
            _ => (nearest, least),
        });
        let pictures = self.batch_of(&[(nearest.0, nearest.0, Change::default())]).wanted;
        images_of(&pictures).into_iter().next()
    }

    fn pose(&self, at: usize) -> &Pose {
        let pose = &self.poses[self.pack.labels[at] as usize];
        pose.as_ref().unwrap_or_else(|| unreachable!("what is packed has a pose"))
    }

    /// The pictures at these places, the first of each pair given and the second wanted, and how they are seen.
    fn batch_of(&self, pairs: &[(usize, usize, Change)]) -> PosedBatch {
        let (n, shape @ Shape { channels, side }) = (pairs.len(), self.pack.shape);
        let tensors = |all: &[(usize, Change)]| {
            let levels = all.iter().flat_map(|(at, change)| change.pixels(self.pack.picture(*at), shape));
            let pixels = TensorData::new(levels.collect::<Vec<f32>>(), [n, channels, side, side]);
            let poses = all.iter().map(|(at, change)| change.pose(self.pose(*at))).collect::<Vec<_>>();
            let shares = poses.iter().flat_map(Pose::shares).collect::<Vec<f32>>();
            (pixels, TensorData::new(shares, [n, JOINTS, 3]), poses)
        };
        let both = pairs.iter().map(|(given, wanted, change)| ((*given, *change), (*wanted, *change)));
        let (given, wanted) = both.unzip::<_, _, Vec<_>, Vec<_>>();
        let ((given, given_joints, _), (wanted, wanted_joints, poses)) = (tensors(&given), tensors(&wanted));
        PosedBatch { given, given_joints, wanted, wanted_joints, poses }
    }
}

impl Source<PosedBatch> for Pairs {
    fn items(&self) -> usize {
        self.drawn.len()
    }

    fn fingerprint(&self) -> Option<String> {
        let poses = self.pack.labels.iter().flat_map(|label| &self.poses[*label as usize]).map(Pose::text);
        Some(hash::sha256_of([self.pack.contents(self.held_out).to_owned()].into_iter().chain(poses)))
    }

    fn remarks(&self) -> Vec<String> {
        self.pack.remarks.clone()
    }

    fn batch(&self, step: u64) -> Result<PosedBatch> {
        const MANY: u32 = 1 << 24; // beside it, a person has few pictures
        let Some(order) = &self.order else { return Err(Error::input("there are no pairs to draw a batch from")) };
        let first = order.indices(step).into_iter().map(|i| self.drawn[i as usize]).collect::<Vec<_>>();
        let draws = Draws::new(self.seed, step);
        let drawn = |is_wanted: bool, name: &str, of: u32| match is_wanted {
            true => draws.indices(name, of, first.len()),
            false => vec![0; first.len()],
        };
        let changes = drawn(self.mirror, "data.mirror", 2).into_iter().zip(drawn(self.turn_hues, "data.hue", 360));
        let changes = changes.map(|(mirrored, turn)| Change { is_mirrored: mirrored == 1, turn }).collect::<Vec<_>>();
        let chosen = draws.indices("data.partner", MANY, first.len());
        let pairs = first.into_iter().zip(chosen).zip(changes).map(|((at, chosen), change)| {
            let mut others = self.of_person[self.person(at)].iter().filter(|other| **other != at);
            let count = others.clone().count();
            (at, others.nth(chosen as usize % count).copied().unwrap_or(at), change)
        });
        Ok(self.batch_of(&pairs.collect::<Vec<_>>()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::decode::tests::{SMALL, plain, png};
    use super::*;
    use crate::data::check::check;
    use crate::media::pose::tests::pose;
    use std::collections::BTreeSet;
    use std::fs;
    use tempfile::{TempDir, tempdir};

    /// A pose of a picture of 16 x 16 whose nose says which it is.
    fn numbered(number: usize) -> Pose {
        let mut keypoints = [[4.0, 5.0, 0.5]; JOINTS];
        keypoints[0][0] = number as f64 / 4.0;
        Pose { width: 16.0, height: 16.0, keypoints }
    }

    /// Persons a to d with so many pictures each, of the levels 10, 20, .. in their order, with a pose numbered likewise.
    fn folder(counts: [usize; 4]) -> TempDir {
        let folder = tempdir().unwrap();
        let mut number = 0;
        for (person, count) in ["train/a", "train/b", "train/c", "held-out/d"].into_iter().zip(counts) {
            fs::create_dir_all(folder.path().join(person)).unwrap();
            for i in 0..count {
                number += 1;
                let file = folder.path().join(format!("{person}/{i}.png"));
                fs::write(file.with_extension("json"), numbered(number).text()).unwrap();
                fs::write(file, plain([10 * number as u8; 3])).unwrap();
            }
        }
        folder
    }

    fn opened(folder: &TempDir, skip_broken: bool, held_out: bool) -> Result<Pairs> {
        let posed = Posed { skip_broken, ..Posed::default() };
        Pairs::open(&posed, folder.path(), None, SMALL, (1, 5), held_out, &[])
    }

    /// The numbers of pictures, by their levels and by the poses' noses.
    fn numbers(pixels: &TensorData, joints: &TensorData) -> Vec<usize> {
        let levels = pixels.iter::<f32>().step_by(3 * SMALL.side * SMALL.side);
        let by_level = levels.map(|level| ((level + 1.0) * 12.75).round() as usize).collect::<Vec<_>>();
        let by_nose = joints.iter::<f32>().step_by(3 * JOINTS).map(|x| (x * 64.0).round() as usize).collect::<Vec<_>>();
        assert_eq!(by_level, by_nose, "a picture has its own pose");
        by_level
    }

    #[test]
    fn a_batch_has_ordered_pairs_of_one_person_each_and_all_of_them_come() {
        let folder = folder([2, 3, 4, 3]);
        let pairs = opened(&folder, false, false).unwrap();
        assert_eq!(pairs.items(), 9);
        let person = |number: usize| usize::from(number > 2) + usize::from(number > 5);
        let mut seen = BTreeSet::new();
        for step in 0..200 {
            let batch = pairs.batch(step).unwrap();
            assert_eq!(batch.wanted.shape().to_vec(), [5, 3, 8, 8]);
            let given = numbers(&batch.given, &batch.given_joints);
            let wanted = numbers(&batch.wanted, &batch.wanted_joints);
            for (i, (given, wanted)) in given.into_iter().zip(wanted).enumerate() {
                assert!(given != wanted && person(given) == person(wanted), "{given} and {wanted}");
                assert_eq!(batch.poses[i], numbered(wanted));
                seen.insert((given, wanted));
            }
        }
        assert_eq!(seen.len(), 2 + 6 + 12);
        let example = &request::Batch::examples(&pairs.batch(3).unwrap())[1];
        assert_eq!(example.asked.text(POSE), Some(pairs.batch(3).unwrap().poses[1].text().as_str()));
        assert_eq!(opened(&folder, false, true).unwrap().items(), 3);
    }

    #[test]
    fn both_pictures_of_a_pair_are_mirrored_and_coloured_alike_and_those_held_out_are_not() {
        let folder = tempdir().unwrap();
        for person in ["train/a", "held-out/b"] {
            fs::create_dir_all(folder.path().join(person)).unwrap();
            for i in 0..2 {
                // Red to the left and grey to the right.
                let colour = |x| image::Rgb(if x < 4 { [200, 100, 100] } else { [100; 3] });
                let file = folder.path().join(format!("{person}/{i}.png"));
                fs::write(&file, png(&image::RgbImage::from_fn(8, 8, |x, _| colour(x)).into())).unwrap();
                let mut pose = Pose { width: 8.0, height: 8.0, ..numbered(4) };
                (pose.keypoints[5], pose.keypoints[6]) = ([1.0, 2.0, 0.7], [7.0, 3.0, 0.6]);
                fs::write(file.with_extension("json"), pose.text()).unwrap();
            }
        }
        let posed = Posed { mirror: true, turn_hues: true, ..Posed::default() };
        let open = |held_out| Pairs::open(&posed, folder.path(), None, SMALL, (1, 4), held_out, &[]).unwrap();
        let levels = |data: &TensorData| data.iter::<f32>().collect::<Vec<_>>();
        let (mut mirrored, mut hues) = (BTreeSet::new(), BTreeSet::new());
        for step in 0..20 {
            let batch = open(false).batch(step).unwrap();
            assert_eq!(levels(&batch.given), levels(&batch.wanted));
            for (i, pose) in batch.poses.iter().enumerate() {
                let all = levels(&batch.wanted);
                let at = |x: usize| [0, 1, 2].map(|channel| all[192 * i + 64 * channel + x]);
                let is_mirrored = at(7).iter().any(|level| (level - signed(100)).abs() > 1e-3);
                let (colour, grey) = if is_mirrored { (at(7), at(0)) } else { (at(0), at(7)) };
                assert!(grey.iter().all(|level| (level - signed(100)).abs() < 1e-5), "{grey:?}");
                let mean = colour.iter().sum::<f32>() / 3.0;
                assert!((mean - (2.0 * signed(100) + signed(200)) / 3.0).abs() < 1e-5, "{colour:?}");
                // Of a mirrored person the left shoulder is the right one.
                let shoulder = if is_mirrored { [1.0, 3.0, 0.6] } else { [1.0, 2.0, 0.7] };
                assert_eq!(pose.keypoints[5], shoulder);
                assert_eq!(batch.wanted_joints.iter::<f32>().nth(3 * JOINTS * i + 15), Some(1.0 / 8.0));
                mirrored.insert(is_mirrored);
                hues.insert(colour.map(|level| (100.0 * level) as i32));
            }
        }
        assert_eq!((mirrored.len(), hues.len() > 20), (2, true));
        let batch = open(true).batch(0).unwrap();
        assert_eq!(levels(&batch.wanted)[..3], [signed(200); 3]);
    }

    #[test]
    fn hues_turn_red_into_green_and_green_into_blue() {
        let turned = |turn| Change { is_mirrored: false, turn }.pixels(&[255, 0, 0], Shape { channels: 3, side: 1 });
        for (turn, wanted) in [(0, [1.0, -1.0, -1.0]), (120, [-1.0, 1.0, -1.0]), (240, [-1.0, -1.0, 1.0])] {
            assert!(turned(turn).iter().zip(wanted).all(|(found, wanted)| (found - wanted).abs() < 1e-5), "{turn}");
        }
    }

    #[test]
    fn what_is_measured_is_every_picture_held_out_once_always_the_same() {
        let folder = folder([2, 2, 2, 5]);
        let posed = Posed { path: folder.path().to_owned(), ..Posed::default() };
        let asked = |posed: &Posed| {
            let asked = posed.open("", SMALL, Drawing { split: Split::Test, seed: 3, batch: 2 }).unwrap().asked();
            asked.iter().map(|example| example.asked.text(POSE).unwrap().to_owned()).collect::<Vec<_>>()
        };
        let first = asked(&posed);
        assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 5);
        assert_eq!(first, asked(&posed));
        assert_eq!(posed.first_pose("").unwrap(), numbered(1).text());
    }

    #[test]
    fn beside_what_is_measured_is_the_same_person_in_the_nearest_known_pose() {
        let folder = folder([2, 2, 2, 3]); // those held out are 7, 8 and 9
        let examples = || {
            let posed = Posed { path: folder.path().to_owned(), ..Posed::default() };
            posed.open("", SMALL, Drawing { split: Split::Test, seed: 3, batch: 2 }).unwrap().asked().to_vec()
        };
        assert!(examples().iter().all(|example| example.nearest.is_none()));
        for (person, numbers) in [("c", [8, 9]), ("d", [1, 20])] {
            fs::create_dir_all(folder.path().join(KNOWN).join(person)).unwrap();
            for number in numbers {
                let file = folder.path().join(format!("{KNOWN}/{person}/{number}.png"));
                fs::write(file.with_extension("json"), numbered(number).text()).unwrap();
                fs::write(file, plain([10 * number as u8; 3])).unwrap();
            }
        }
        let level = |media: &Media| match media {
            Media::Image(image) => image.pixels[0],
            other => panic!("{other:?}"),
        };
        let levels = |example: &Example| {
            let (name, nearest) = example.nearest.as_ref().unwrap();
            assert_eq!(*name, "the nearest known pose");
            [level(example.wanted.as_ref().unwrap()), level(nearest)]
        };
        let found = examples().iter().map(levels).collect::<BTreeSet<_>>();
        assert_eq!(found, BTreeSet::from([[70, 10], [80, 10], [90, 10]]), "8 and 9 are another person's");
        fs::write(folder.path().join(format!("{KNOWN}/d/20.json")), numbered(9).text()).unwrap();
        let found = examples().iter().map(levels).collect::<BTreeSet<_>>();
        assert_eq!(found, BTreeSet::from([[70, 200], [80, 200], [90, 200]]));
    }

    #[test]
    fn every_problem_is_named_by_its_picture_and_can_be_left() {
        let folder = folder([2, 2, 2, 2]);
        let path = |name: &str| folder.path().join(name);
        let before = opened(&folder, false, false).unwrap().fingerprint();
        fs::write(path("train/a/0.json"), numbered(9).text()).unwrap();
        assert_ne!(opened(&folder, false, false).unwrap().fingerprint(), before, "a pose is part of the data");
        fs::remove_file(path("train/b/0.json")).unwrap();
        fs::write(path("train/c/1.json"), r#"{"width": 16, "height": 16, "keypoints": [[1, 1, 1]]}"#).unwrap();
        fs::create_dir(path("train/alone")).unwrap();
        fs::write(path("train/alone/x.png"), plain([1; 3])).unwrap();
        fs::write(path("train/alone/x.json"), numbered(1).text()).unwrap();
        fs::write(path("held-out/d/0.json"), pose().text()).unwrap();
        let Err(Error::Unusable(unusable)) = opened(&folder, false, false) else { panic!("four cannot be used") };
        let wanted = [
            "held-out/d/0.png is 16 x 16 pixels, and its pose is of a picture of 64 x 32",
            "train/alone/x.png is alone in its folder; a pair needs two pictures of a person",
            "train/b/0.png has no pose: train/b/0.json is not there",
            "train/c/1.png has a pose that cannot be used: train/c/1.json has 1 joints; a pose has the 17 of COCO, those that are not \
             known with score 0",
        ];
        assert_eq!(unusable.problems, wanted);
        assert_eq!(check(folder.path()).unwrap().problems, wanted);
        let left = opened(&folder, true, false).unwrap();
        assert_eq!((left.items(), left.of_person.len()), (2, 1), "who is left alone makes no pair");
    }

    #[test]
    fn a_check_tells_persons_pairs_and_joints() {
        let folder = folder([2, 3, 4, 3]);
        let found = check(folder.path()).unwrap();
        let wanted = [
            "laid out as persons with their poses, for recipes such as posegan",
            "to learn from: 3 persons in 9 pictures, which are 20 ordered pairs",
            "held out: 1 persons in 3 pictures, which are 6 ordered pairs",
            "joints: 17.0 of 17 are known in a picture, on average",
        ];
        assert_eq!((found.facts, found.problems), (wanted.map(str::to_owned).to_vec(), Vec::new()));
        let mut unknown = numbered(1);
        unknown.keypoints[3][2] = 0.0;
        for entry in ["train/a/0", "train/a/1"] {
            fs::write(folder.path().join(format!("{entry}.json")), unknown.text()).unwrap();
        }
        for person in ["train/b", "train/c", "held-out"] {
            fs::remove_dir_all(folder.path().join(person)).unwrap();
        }
        let facts = check(folder.path()).unwrap().facts;
        assert_eq!(facts[3], "joints: 16.0 of 17 are known in a picture, on average; never known: left ear");
    }

    #[test]
    fn whole_persons_are_held_out_where_no_folders_say_which() {
        let folder = tempdir().unwrap();
        for person in 0..40 {
            let own = folder.path().join(format!("{person}"));
            fs::create_dir(&own).unwrap();
            for i in 0..2 {
                fs::write(own.join(format!("{i}.png")), plain([person; 3])).unwrap();
                fs::write(own.join(format!("{i}.json")), numbered(1).text()).unwrap();
            }
        }
        let Persons { listing, persons, .. } = Persons::of(folder.path(), 0.25, &[]).unwrap();
        let held_out = listing.pictures.iter().zip(persons).map(|(picture, person)| (person, picture.held_out));
        let held_out = held_out.collect::<BTreeSet<_>>();
        assert_eq!(held_out.len(), 40, "a person is in one part");
        let count = held_out.iter().filter(|(_, held_out)| *held_out).count();
        assert!((4..20).contains(&count), "{count}");
    }

    #[test]
    fn all_of_a_picture_is_seen_whatever_its_shape() {
        let folder = tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        // Red only in the uppermost quarter, which the square in the middle would not show.
        let tall = image::RgbImage::from_fn(16, 64, |_, y| image::Rgb(if y < 16 { [255, 0, 0] } else { [0, 0, 0] }));
        for i in 0..2 {
            fs::write(folder.path().join(format!("a/{i}.png")), png(&tall.clone().into())).unwrap();
            fs::write(folder.path().join(format!("a/{i}.json")), Pose { height: 64.0, ..numbered(4) }.text()).unwrap();
        }
        let batch = opened(&folder, false, false).unwrap().batch(0).unwrap();
        let red = batch.given.iter::<f32>().take(64).filter(|level| *level > 0.0).count();
        assert_eq!(red, 16);
        assert_eq!(batch.given_joints.iter::<f32>().take(2).collect::<Vec<_>>(), [1.0 / 16.0, 5.0 / 64.0]);
    }

    #[test]
    fn a_folder_without_poses_says_what_is_missing() {
        let folder = tempdir().unwrap();
        fs::write(folder.path().join("a.png"), plain([1; 3])).unwrap();
        let error = opened(&folder, false, false).err().unwrap();
        assert!(error.exit_code() == 2 && error.to_string().contains("has no poses; put the pose of each"), "{error}");
        assert!(!is_place(folder.path()));
    }
}
