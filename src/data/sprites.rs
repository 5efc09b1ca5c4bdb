//! The set `sprites`: a figure of a game in many clothes and poses, drawn from the layers of a Debian package, with its joints.
//!
//! The figures of the game Flare were rendered in three dimensions: 28 moments of seven animations, each from eight directions, once for
//! every garment, so that whatever is worn lies on the same pose. Nobody says where the joints are; but eight views of one pose do. The
//! table beside this file has them, found by tests/golden/sprites.py.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage, RgbaImage};
use rayon::prelude::*;

use crate::data::deb;
use crate::data::drawn::{Drawn, Folder, csv};
use crate::data::fetch::{self, Archive, Client};
use crate::data::images::posed::KNOWN;
use crate::error::{Error, Result};
use crate::media::{Image, JOINTS, Pose};
use crate::random::Draws;
use crate::report::{Progress, Report};

const NAME: &str = "sprites";
pub(in crate::data) const FLARE: Archive = Archive {
    client: Client::Apt,
    package: "flare-game=1.14-1",
    file: "flare-game_1.14-1_all.deb",
    sha256: "4ab6a8298276013d35a0806257e130d992761af1b749041433b409c3dafec508",
    purpose: "whose figures are taken",
};
const FOLDER: &str = "usr/share/games/flare/mods/fantasycore";
const COPYRIGHT: &str = "usr/share/doc/flare-game/copyright";
const LICENCE: &str = "Figures of the game Flare, of the Debian package flare-game, version 1.14-1: CC BY-SA 3.0 or later, by Clint Bellanger \
    and others.\nChanged here: the layers of a figure are laid over each other without their shadows, made brighter and coloured anew. The \
    joints were found from the layers. What follows is the package's own file.\n\n";

/// The animations and how many moments each has. Left out are those of a figure that falls: the first two are those of one that is
/// hit, and the others reach beyond the picture.
const ANIMATIONS: [(&str, usize); 7] =
    [("stance", 4), ("run", 8), ("swing", 4), ("cast", 4), ("shoot", 4), ("hit", 2), ("block", 2)];
const DIRECTIONS: usize = 8;
const SIDE: usize = 64;
/// Where the figure stands in the picture, in pixels from its left upper corner.
const FOOT: [i32; 2] = [32, 56];
const GREY: u8 = 205; // of the background
const OPAQUE: u8 = 200; // shadows are less
/// The garments of each slot, from the lowest layer to the highest; `default` is the figure's own skin, the last is worn by nobody to learn
/// from.
const SLOTS: [(&str, &[&str]); 5] = [
    (
        "feet",
        &[
            "default_feet",
            "cloth_sandals",
            "leather_boots",
            "chain_boots",
            "mage_boots",
            "mage_boots_alt1",
            "mage_boots_alt2",
            "plate_boots",
        ],
    ),
    (
        "legs",
        &[
            "cloth_pants",
            "leather_pants",
            "chain_greaves",
            "mage_skirt",
            "mage_skirt_alt1",
            "mage_skirt_alt2",
            "plate_greaves",
        ],
    ),
    (
        "hands",
        &[
            "default_hands",
            "cloth_gloves",
            "leather_gloves",
            "chain_gloves",
            "mage_sleeves",
            "mage_sleeves_alt1",
            "mage_sleeves_alt2",
            "plate_gauntlets",
        ],
    ),
    (
        "chest",
        &[
            "cloth_shirt",
            "leather_chest",
            "chain_cuirass",
            "mage_vest",
            "mage_vest_alt1",
            "mage_vest_alt2",
            "plate_cuirass",
        ],
    ),
    ("head", &["head", "leather_hood", "chain_coif", "mage_hood", "mage_hood_alt1", "mage_hood_alt2", "plate_helm"]),
];
/// Figures, and the heads that each has.
const FIGURES: [(&str, &[&str]); 2] = [("male", &["head_bald", "head_short"]), ("female", &["head_long"])];
/// What garments are coloured by, as shares of red, green and blue.
const COLOURS: [[f32; 3]; 10] = [
    [1.0, 0.25, 0.2],
    [1.0, 0.6, 0.15],
    [0.95, 0.9, 0.25],
    [0.35, 0.85, 0.25],
    [0.15, 0.6, 0.45],
    [0.25, 0.75, 0.95],
    [0.25, 0.35, 1.0],
    [0.65, 0.3, 0.9],
    [1.0, 0.45, 0.75],
    [0.95, 0.95, 0.95],
];
/// What skin is brightened by.
const SKINS: [[f32; 3]; 3] = [[1.35, 1.3, 1.3], [1.1, 1.0, 0.95], [0.75, 0.65, 0.6]];
/// How much of a garment's own colours is left, and by what all of it is made brighter.
const OWN: f32 = 0.3;
const BRIGHTER: f32 = 1.7;

/// Outfits of each figure to learn from, and held out.
const OUTFITS: [usize; 2] = [32, 6];
/// A pose in so many is held out.
const HELD_OUT_POSES: u32 = 8;
/// What is learned from; outfits and poses that nobody there has; and those outfits in the poses that are learned from, which no recipe
/// reads: to see whether a model does better than to show the nearest of them.
const PARTS: [&str; 3] = ["train", "held-out", KNOWN];
const SEED: u64 = 1;

/// The joints of each moment: `figure,animation,moment`, and for each of the joints of [`MEASURED`] how far forward, to the left and up it is
/// from where the figure stands, in pixels.
const TABLE: &str = include_str!("sprites.csv");
/// The joints of the table, by COCO's numbers. The middle of the head stands for the nose; of eyes and ears nothing is known.
const MEASURED: [usize; 13] = [0, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];

/// Where the sprites live unless the user says otherwise: `sprites` in the cache.
pub fn default_dir() -> Result<PathBuf> {
    Ok(fetch::cache_dir()?.join(NAME))
}

/// Makes the sprites present in a folder: `PART/PERSON/POSE.png` of 64x64 pixels with the joints in `POSE.json` beside each,
/// `outfits.csv`, and `LICENCE.txt`. An error when the package cannot be fetched or the folder is in use.
pub fn fetch(dir: &Path, report: Report<'_>) -> Result<()> {
    make(dir, OUTFITS, report, |report| {
        let bytes = FLARE.bytes(report)?;
        report(Progress { what: &format!("unpacking {}", FLARE.package), done: 0, total: None });
        deb::unpack(&bytes, FLARE.package, |path| {
            path == COPYRIGHT || path.starts_with(FOLDER) && path.contains("/avatar/")
        })
    })
}

fn make(
    dir: &Path,
    count: [usize; 2],
    report: Report<'_>,
    files: impl FnOnce(Report<'_>) -> Result<BTreeMap<String, Vec<u8>>>,
) -> Result<()> {
    let outfits = outfits(count);
    let folders = outfits.iter().flat_map(Outfit::folders).collect::<Vec<_>>();
    let parts = folders.iter().map(String::as_str).collect::<Vec<_>>();
    let release = format!("{NAME}, release 1: of {}", FLARE.package);
    let drawn = Drawn { name: NAME, items: "pictures and poses", parts: &parts, release };
    if drawn.whole(dir) {
        return Ok(());
    }
    let files = files(report)?;
    drawn.make(dir, |folder| fill(folder, &files, &outfits, report))
}

/// What one person wears: a garment of each slot, and its colour.
struct Outfit {
    name: String,
    figure: usize,
    is_held_out: bool,
    garments: Vec<&'static str>,
    colours: Vec<[f32; 3]>,
}

impl Outfit {
    /// The folders of its pictures.
    fn folders(&self) -> Vec<String> {
        let [train, held_out, known] = PARTS.map(|part| format!("{part}/{}", self.name));
        if self.is_held_out { vec![held_out, known] } else { vec![train] }
    }

    /// The part in which it shows a pose; none for one to learn from in a pose that is held out.
    fn part(&self, pose: &str) -> Option<&'static str> {
        match (self.is_held_out, fetch::lot(pose, HELD_OUT_POSES) == 0) {
            (false, true) => None,
            (false, false) => Some(PARTS[0]),
            (true, true) => Some(PARTS[1]),
            (true, false) => Some(PARTS[2]),
        }
    }
}

/// The outfits of both figures: so many to learn from and so many held out of each, no two alike. Those held out wear one garment that the
/// others never do, each another.
fn outfits([learned, held_out]: [usize; 2]) -> Vec<Outfit> {
    let mut found = Vec::<Outfit>::new();
    for (figure, (name, heads)) in FIGURES.iter().enumerate() {
        let mut number = 0;
        for draw in 0.. {
            if number == learned + held_out {
                break;
            }
            let (draws, is_held_out) = (Draws::new(SEED, draw), number >= learned);
            let one = |what: &str, of: usize| draws.indices(&format!("{name}.{what}"), of as u32, 1)[0] as usize;
            let skin = SKINS[one("skin", SKINS.len())];
            let slots = SLOTS.iter().enumerate().map(|(slot, (what, among))| {
                let garment = match is_held_out && slot == number % SLOTS.len() {
                    true => among.len() - 1,
                    false => one(what, among.len() - 1),
                };
                let garment = if among[garment] == "head" { heads[one("hair", heads.len())] } else { among[garment] };
                match is_skin(garment) {
                    true => (garment, skin),
                    false => (garment, COLOURS[one(&format!("{what}.colour"), COLOURS.len())]),
                }
            });
            let (garments, colours) = slots.unzip::<_, _, Vec<_>, Vec<_>>();
            let is_alike = |other: &Outfit| other.garments == garments && other.colours == colours;
            if found.iter().any(|other| other.figure == figure && is_alike(other)) {
                continue;
            }
            found.push(Outfit { name: format!("{name}-{number:02}"), figure, is_held_out, garments, colours });
            number += 1;
        }
    }
    found
}

/// Whether a layer is no garment.
fn is_skin(layer: &str) -> bool {
    layer.starts_with("default") || layer.starts_with("head")
}

/// A garment: its pictures, and where each of them lies.
struct Sheet {
    picture: RgbaImage,
    /// By the name of a pose: left, top, width and height in the picture, and where the figure stands from its left upper corner.
    frames: BTreeMap<String, [i32; 6]>,
}

impl Sheet {
    /// A garment of a figure, from the files of the package.
    fn of(files: &BTreeMap<String, Vec<u8>>, figure: &str, garment: &str) -> Result<Self> {
        let file = |path: String| {
            let bytes = files.get(&path).ok_or_else(|| Error::failed(format!("{} holds no {path}", FLARE.package)))?;
            Ok::<_, Error>((path, bytes))
        };
        let (path, bytes) = file(format!("{FOLDER}/images/avatar/{figure}/{garment}.png"))?;
        let broken = |path: &str, why: String| Error::failed(format!("{path} in {} is broken: {why}", FLARE.package));
        let picture = image::load_from_memory(bytes).map_err(|error| broken(&path, error.to_string()))?.to_rgba8();
        let (path, bytes) = file(format!("{FOLDER}/animations/avatar/{figure}/{garment}.txt"))?;
        let frames = frames(&String::from_utf8_lossy(bytes)).map_err(|why| broken(&path, why))?;
        let is_inside = |[x, y, width, height, ..]: &[i32; 6]| {
            [*x, *y, *width, *height].iter().all(|side| (0..=1 << 16).contains(side))
                && (x + width) as u32 <= picture.width()
                && (y + height) as u32 <= picture.height()
        };
        match poses().find(|pose| !frames.get(&pose.name()).is_some_and(is_inside)) {
            Some(pose) => Err(broken(&path, format!("the pose {} is not in its picture", pose.name()))),
            None => Ok(Sheet { picture, frames }),
        }
    }

    /// Lays it over a picture in a pose.
    fn draw(&self, pose: &str, colour: impl Fn([u8; 3]) -> [u8; 3], onto: &mut RgbImage) {
        let [left, top, width, height, foot_x, foot_y] = self.frames[pose];
        for y in 0..height {
            for x in 0..width {
                let [r, g, b, alpha] = self.picture.get_pixel((left + x) as u32, (top + y) as u32).0;
                let at = [x - foot_x + FOOT[0], y - foot_y + FOOT[1]];
                if alpha > OPAQUE && at.iter().all(|at| (0..SIDE as i32).contains(at)) {
                    onto.put_pixel(at[0] as u32, at[1] as u32, Rgb(colour([r, g, b])));
                }
            }
        }
    }
}

/// The frames that a file tells of: a line `[NAME]` for each animation, and a line `frame=moment,direction,..` for each picture.
fn frames(text: &str) -> Result<BTreeMap<String, [i32; 6]>, String> {
    let (mut animation, mut found) = ("", BTreeMap::new());
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            animation = name;
        }
        let Some(numbers) = line.strip_prefix("frame=") else { continue };
        let numbers = numbers.split(',').map(|number| number.trim().parse::<i32>()).collect::<Result<Vec<_>, _>>();
        let Some(&[moment, direction, ref place @ ..]) = numbers.as_deref().ok() else {
            return Err(format!("`{line}` has other than numbers"));
        };
        let place = place.try_into().map_err(|_| format!("`{line}` has not eight numbers"))?;
        found.insert(format!("{animation}-{moment}-{direction}"), place);
    }
    Ok(found)
}

/// A pose that every garment has.
struct Moment {
    animation: &'static str,
    moment: usize,
    direction: usize,
}

impl Moment {
    fn name(&self) -> String {
        format!("{}-{}-{}", self.animation, self.moment, self.direction)
    }
}

fn poses() -> impl Iterator<Item = Moment> {
    ANIMATIONS.iter().flat_map(|&(animation, moments)| {
        (0..moments)
            .flat_map(move |moment| (0..DIRECTIONS).map(move |direction| Moment { animation, moment, direction }))
    })
}

/// Where a place that is so far forward, to the left and up from where a figure stands is seen: x and y in pixels from the picture's
/// left upper corner. The figure looks to the left at the direction 0 and turns with the clock, seen from above, by an eighth; one looks
/// down on it by 30 degrees, from afar.
fn seen([forward, left, up]: [f64; 3], direction: usize) -> [f64; 2] {
    let (sin, cos) = (std::f64::consts::PI - std::f64::consts::FRAC_PI_4 * direction as f64).sin_cos();
    let (right, away) = (forward * cos - left * sin, forward * sin + left * cos);
    let above = up * 0.75_f64.sqrt() + away * 0.5;
    [f64::from(FOOT[0]) + right, f64::from(FOOT[1]) - above]
}

/// The poses of both figures by figure and name, from the table.
fn joints() -> Result<BTreeMap<(usize, String), Pose>> {
    let broken = || Error::failed("the table of the sprites' joints is broken");
    let mut found = BTreeMap::new();
    for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
        let cells = line.split(',').collect::<Vec<_>>();
        let (Some([figure, animation, moment]), Some(places)) = (cells.first_chunk(), cells.get(3..)) else {
            return Err(broken());
        };
        let figure = FIGURES.iter().position(|(name, _)| name == figure).ok_or_else(broken)?;
        let places =
            places.iter().map(|cell| cell.parse::<f64>()).collect::<Result<Vec<_>, _>>().map_err(|_| broken())?;
        let (places, []) = places.as_chunks::<3>() else { return Err(broken()) };
        for direction in 0..DIRECTIONS {
            let mut keypoints = [[0.0; 3]; JOINTS];
            for (joint, place) in MEASURED.into_iter().zip(places) {
                let tenths = seen(*place, direction).map(|at| (10.0 * at).round() / 10.0);
                if tenths.iter().all(|at| (0.0..=SIDE as f64).contains(at)) {
                    keypoints[joint] = [tenths[0], tenths[1], 1.0];
                }
            }
            let pose = Pose { width: SIDE as f64, height: SIDE as f64, keypoints };
            found.insert((figure, format!("{animation}-{moment}-{direction}")), pose);
        }
    }
    Ok(found)
}

/// A colour of a garment in its new one, by `share` of red, green and blue; of skin it stays what it is, times that.
fn coloured(level: [u8; 3], share: [f32; 3], is_skin: bool) -> [u8; 3] {
    let own = level.map(f32::from);
    let luma = 0.299 * own[0] + 0.587 * own[1] + 0.114 * own[2];
    std::array::from_fn(|c| {
        let level = if is_skin { own[c] * share[c] } else { BRIGHTER * (OWN * own[c] + (1.0 - OWN) * luma * share[c]) };
        level.round().clamp(0.0, 255.0) as u8
    })
}

/// Writes the outfits in all their poses, and what is told about them.
fn fill(folder: &mut Folder, files: &BTreeMap<String, Vec<u8>>, outfits: &[Outfit], report: Report<'_>) -> Result<()> {
    let joints = joints()?;
    let mut rows =
        vec![["person", "part"].into_iter().chain(SLOTS.map(|(slot, _)| slot)).map(str::to_owned).collect::<Vec<_>>()];
    let mut sheets = BTreeMap::<(usize, &str), Sheet>::new();
    for (done, outfit) in outfits.iter().enumerate() {
        report(Progress { what: "drawing sprites", done: done as u64, total: Some(outfits.len() as u64) });
        let Outfit { name, figure, is_held_out, garments, colours } = outfit;
        for garment in garments {
            if let Entry::Vacant(place) = sheets.entry((*figure, *garment)) {
                place.insert(Sheet::of(files, FIGURES[*figure].0, garment)?);
            }
        }
        let of_outfit = |pose: Moment| {
            let pose = pose.name();
            Some((outfit.part(&pose)?, pose))
        };
        let draw = |(part, pose): &(&str, String)| {
            let mut picture = RgbImage::from_pixel(SIDE as u32, SIDE as u32, Rgb([GREY; 3]));
            for (garment, colour) in garments.iter().zip(colours) {
                let colour = |level| coloured(level, *colour, is_skin(garment));
                sheets[&(*figure, *garment)].draw(pose, colour, &mut picture);
            }
            let png = Image::new(SIDE, SIDE, 3, picture.into_raw()).to_png()?;
            Ok((format!("{part}/{name}/{pose}"), png, pose.clone()))
        };
        let poses = poses().filter_map(of_outfit).collect::<Vec<_>>();
        for (path, png, pose) in poses.par_iter().map(draw).collect::<Result<Vec<_>>>()? {
            let joints = joints.get(&(*figure, pose));
            let joints = joints.ok_or_else(|| Error::failed("the table of the sprites' joints is cut short"))?;
            folder.item(&format!("{path}.png"), &png)?;
            folder.item(&format!("{path}.json"), joints.text().as_bytes())?;
        }
        let part = if *is_held_out { PARTS[1] } else { PARTS[0] };
        rows.push([name.as_str(), part].into_iter().chain(garments.iter().copied()).map(str::to_owned).collect());
    }
    let rows = rows.iter().map(|row| row.iter().map(String::as_str).collect());
    folder.write("outfits.csv", csv(rows).as_bytes())?;
    let own = files.get(COPYRIGHT).map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default();
    folder.write("LICENCE.txt", (LICENCE.to_owned() + &own).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::images::decode::tests::png;
    use std::collections::BTreeSet;
    use std::fs;
    use tempfile::tempdir;

    /// A garment whose pictures are 6 x 4 pixels of one colour, with a shadow in the first column; in the pose with the number n the figure
    /// stands n % 5 pixels from their left.
    fn garment(colour: [u8; 3]) -> (Vec<u8>, Vec<u8>) {
        let picture = RgbaImage::from_fn(6, 4, |x, _| {
            let alpha = if x == 0 { 120 } else { 255 };
            image::Rgba([colour[0], colour[1], colour[2], alpha])
        });
        let mut text = "image=x.png\n".to_owned();
        for (number, Moment { animation, moment, direction }) in poses().enumerate() {
            text += &format!("[{animation}]\nframes=1\nframe={moment},{direction},0,0,6,4,{},2\n", number % 5);
        }
        (png(&picture.into()), text.into_bytes())
    }

    /// The files of a package with all garments, each slot of a colour of its own.
    fn package() -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::from([(COPYRIGHT.to_owned(), b"Files: *".to_vec())]);
        for (figure, heads) in FIGURES {
            for (slot, (_, garments)) in SLOTS.iter().enumerate() {
                for name in garments.iter().filter(|name| **name != "head").chain(heads.iter().filter(|_| slot == 4)) {
                    let (picture, text) = garment([20 * slot as u8, 10, 10]);
                    files.insert(format!("{FOLDER}/images/avatar/{figure}/{name}.png"), picture);
                    files.insert(format!("{FOLDER}/animations/avatar/{figure}/{name}.txt"), text);
                }
            }
        }
        files
    }

    #[test]
    fn outfits_and_poses_to_learn_from_are_other_ones_than_those_held_out() {
        let all = outfits(OUTFITS);
        assert_eq!(all.len(), 2 * 38);
        let poses = poses().map(|pose| pose.name()).collect::<Vec<_>>();
        assert_eq!((poses.len(), poses.iter().collect::<BTreeSet<_>>().len()), (224, 224));
        let (held_out, learned) = all.iter().partition::<Vec<_>, _>(|outfit| outfit.is_held_out);
        let of_part = |outfits: &[&Outfit], part: &str| {
            let poses = poses.iter().filter(|pose| outfits[0].part(pose) == Some(part)).collect::<BTreeSet<_>>();
            assert!(outfits.iter().all(|outfit| poses.iter().all(|pose| outfit.part(pose) == Some(part))));
            poses
        };
        let (train, other, known) =
            (of_part(&learned, PARTS[0]), of_part(&held_out, PARTS[1]), of_part(&held_out, PARTS[2]));
        assert!(train.is_disjoint(&other) && train == known && train.len() + other.len() == 224);
        assert!((20..40).contains(&other.len()), "{}", other.len());
        let worn =
            |outfits: &[&Outfit]| outfits.iter().flat_map(|outfit| outfit.garments.clone()).collect::<BTreeSet<_>>();
        for (slot, (name, garments)) in SLOTS.iter().enumerate() {
            let last = garments[garments.len() - 1];
            assert!(!worn(&learned).contains(last) && worn(&held_out).contains(last), "{name}");
            let worn = learned.iter().map(|outfit| outfit.garments[slot]).collect::<BTreeSet<_>>();
            assert!(worn.len() >= garments.len() - 1, "{name}: {worn:?}");
        }
    }

    #[test]
    fn layers_lie_over_each_other_at_the_place_of_the_figure_without_their_shadows() {
        let files = package();
        let sheets = ["legs", "chest"].map(|slot| {
            let (_, garments) = SLOTS.iter().find(|(name, _)| *name == slot).unwrap();
            Sheet::of(&files, "male", garments[1]).unwrap()
        });
        let mut picture = RgbImage::from_pixel(64, 64, Rgb([GREY; 3]));
        sheets[0].draw("stance-0-0", |level| level, &mut picture); // from 32 on, its shadow first
        sheets[1].draw("stance-0-3", |level| level, &mut picture); // three pixels more to the left
        let row = (28..40).map(|x| picture.get_pixel(x, 55).0[0]).collect::<Vec<_>>();
        assert_eq!(row, [205, 205, 60, 60, 60, 60, 60, 20, 20, 20, 205, 205]);
        assert_eq!([53, 54, 57, 58].map(|y| picture.get_pixel(34, y).0[0]), [205, 60, 60, 205]);
    }

    #[test]
    fn a_set_is_made_whole_with_a_pose_beside_each_picture() {
        let folder = tempdir().unwrap();
        let dir = folder.path().join("sprites");
        let mut seen = Vec::new();
        make(&dir, [2, 1], &mut |at| seen.push((at.done, at.total)), |_| Ok(package())).unwrap();
        assert_eq!(seen, (0..6).map(|done| (done, Some(6))).collect::<Vec<_>>());
        let count = |path: &str| fs::read_dir(dir.join(path)).unwrap().count();
        assert_eq!([count("train"), count("held-out"), count("known-poses")], [4, 2, 2]);
        let [train, held_out, known] = ["train/male-00", "held-out/female-02", "known-poses/female-02"].map(count);
        assert_eq!((held_out + known, train), (2 * 224, known));
        let mut files = fs::read_dir(dir.join("train/male-01")).unwrap().map(|entry| entry.unwrap().path());
        let picture = files.find(|path| path.extension().is_some_and(|ending| ending == "png")).unwrap();
        let pose = Pose::parse(&fs::read_to_string(picture.with_extension("json")).unwrap()).unwrap();
        assert!(pose.known() > 10 && pose.width == 64.0);
        assert!(fs::read_to_string(dir.join("LICENCE.txt")).unwrap().ends_with("\n\nFiles: *"));
        assert!(
            fs::read_to_string(dir.join("outfits.csv"))
                .unwrap()
                .starts_with("person,part,feet,legs,hands,chest,head\nmale-00,train,")
        );
        make(&dir, [2, 1], &mut |_| (), |_| panic!("nothing is to be fetched")).unwrap();
        let mut spoilt = package();
        spoilt.retain(|path, _| !path.ends_with("male/default_feet.txt"));
        let error = make(&folder.path().join("x"), OUTFITS, &mut |_| (), |_| Ok(spoilt)).unwrap_err().to_string();
        assert!(error.starts_with("flare-game=1.14-1 holds no usr/share/games"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_sheet_that_does_not_hold_its_poses_is_refused() {
        let [picture, text] = ["images", "animations"].map(|kind| format!("{FOLDER}/{kind}/avatar/male/default_feet"));
        let refused = |text_of: &str| {
            let mut files = package();
            files.insert(format!("{text}.txt"), text_of.as_bytes().to_vec());
            Sheet::of(&files, "male", "default_feet").err().unwrap().to_string()
        };
        assert!(refused("[stance]\nframe=0,0,0,0,7,4,0,0").contains("the pose stance-0-0 is not in its picture"));
        assert!(refused("frame=0,0,0,x").contains("`frame=0,0,0,x` has other than numbers"));
        assert!(refused("frame=0,0,0").contains("`frame=0,0,0` has not eight numbers"));
        let mut files = package();
        files.insert(format!("{picture}.png"), b"no picture".to_vec());
        assert!(
            Sheet::of(&files, "male", "default_feet")
                .err()
                .unwrap()
                .to_string()
                .contains("default_feet.png in flare-game")
        );
    }

    #[test]
    fn every_pose_of_both_figures_has_its_joints_where_the_figure_turns_by_eighths() {
        let joints = joints().unwrap();
        assert_eq!(joints.len(), 2 * 224);
        // A place 8 pixels forward and 10 up: the figure looks to the left, away, to the right, and to whoever looks.
        let up = 56.0 - 10.0 * 0.75_f64.sqrt();
        for (direction, [x, y]) in [(0, [24.0, up]), (2, [32.0, up - 4.0]), (4, [40.0, up]), (6, [32.0, up + 4.0])] {
            let found = seen([8.0, 0.0, 10.0], direction);
            assert!((found[0] - x).abs() < 1e-9 && (found[1] - y).abs() < 1e-9, "{direction}: {found:?}");
        }
        // Of a figure that looks away, the left hand is to the left.
        assert!((seen([0.0, 5.0, 0.0], 2)[0] - 27.0).abs() < 1e-9);
        let known = joints.values().map(Pose::known).sum::<usize>();
        assert!(known >= joints.len() * 13 - 40, "{known}");
        assert!(joints.values().all(|pose| pose.keypoints[1..5].iter().all(|[_, _, score]| *score == 0.0)));
    }

    #[test]
    fn garments_take_their_colour_and_skin_keeps_its_own() {
        assert_eq!(coloured([100, 100, 100], [1.0, 0.5, 0.0], false), [170, 111, 51]);
        assert_eq!(coloured([100, 50, 200], [1.1, 1.0, 2.0], true), [110, 50, 255]);
    }

    /// Needs the package in the cache, or Debian's apt-get and a network. What the table says is held against the layers, from which a
    /// script found it: the middle of each bone lies on the layer of that part, or where another part hides it.
    #[test]
    #[cfg(target_os = "linux")]
    #[ignore = "needs apt"]
    fn bones_lie_on_the_layers_of_the_real_figures() {
        let bytes = FLARE.bytes(&mut |_| ()).unwrap();
        let files = deb::unpack(&bytes, FLARE.package, |path| path.contains("/avatar/")).unwrap();
        let joints = joints().unwrap();
        // Knee to ankle, hip to knee, elbow to wrist, shoulder to elbow.
        let bones =
            [(0, [[13, 15], [14, 16]]), (1, [[11, 13], [12, 14]]), (2, [[7, 9], [8, 10]]), (3, [[5, 7], [6, 8]])];
        for (figure, (name, heads)) in FIGURES.iter().enumerate() {
            let layers = ["default_feet", "default_legs", "default_hands", "default_chest", heads[0]];
            let sheets = layers.map(|layer| Sheet::of(&files, name, layer).unwrap());
            let (mut on, mut off, mut all) = (0, 0, 0);
            for pose in poses().map(|pose| pose.name()) {
                let mut picture = RgbImage::from_pixel(64, 64, Rgb([255; 3]));
                for (slot, sheet) in (0..).zip(&sheets) {
                    sheet.draw(&pose, |_| [slot; 3], &mut picture);
                }
                let known = &joints[&(figure, pose)];
                for (slot, [a, b]) in bones.iter().flat_map(|(slot, sides)| sides.map(|side| (*slot, side))) {
                    let ([x, y, first], [to_x, to_y, second]) = (known.keypoints[a], known.keypoints[b]);
                    if first * second == 0.0 {
                        continue;
                    }
                    let [x, y] = [(x + to_x) / 2.0, (y + to_y) / 2.0].map(|at| (at as u32).min(63));
                    let seen = picture.get_pixel(x, y).0[0];
                    all += 1;
                    on += usize::from(seen == slot);
                    off += usize::from(seen == 255);
                }
            }
            assert!(on * 10 > all * 6 && off * 20 < all, "{name}: of {all}, {on} are on their layer and {off} on none");
        }
    }
}
