//! One's own videos and pictures of faces: found, brought upright and sorted by person, as a face swap learns from them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use image::RgbImage;

use super::identity::{Identity, Vector, alike};
use super::mtcnn::{Face, Mtcnn};
use super::new_folder::{self, NewFolder};
use super::poses::image;
use super::video;
use crate::data::fetch::WRITING;
use crate::data::images::Layout;
use crate::data::images::decode;
use crate::data::images::folder::Listing;
use crate::device;
use crate::error::{Error, Result};
use crate::media::face::{Similarity, aligned};
use crate::media::{GAP_LEVEL, Image, READ, grid};
use crate::report::{Progress, Report};

/// The parts that are written, by what they are for.
const PARTS: [&str; 2] = ["train", "held-out"];
/// How many faces of a person the contact sheet shows, with how many pixels a side.
const SHOWN: usize = 10;
const SHOWN_SIDE: usize = 96;
/// A face that the detector is less sure of is doubtful.
const SURE: f32 = 0.95;
/// The eyes are at least so many pixels apart.
const LEAST_EYES: f64 = 12.0;
/// How far landmarks may be from an upright face's, in shares of its side, on average: a face from the side is further.
const TURNED: f64 = 0.05;
/// The share of a face's square that must lie within the picture.
const WITHIN: f64 = 0.8;
/// Faces are of one person where their cosine is at least this (strangers are under 0.2).
pub const ALIKE: f32 = 0.45;
/// Somebody with fewer faces is passed over.
const LEAST: usize = 4;
/// The side of the faces by which two frames are held together.
const SMALL: usize = 32;
/// A frame's face is kept where it differs from the last one of its person by so many levels on average.
const CHANGED: f64 = 2.0;
/// A face is blurred where its edges are so much weaker than its person's usual ones.
const BLURRED: f64 = 0.4;

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// The side of the pictures in pixels; the face takes [`crate::media::face::INNER`] of it.
    pub side: usize,
    /// One frame of so many of a video is looked at.
    pub every: usize,
    /// The share of each place's faces of a person, the last ones, that is held out.
    pub held_out: f64,
}

/// What was taken, and what was not.
#[derive(Debug, Default)]
pub struct Taken {
    /// Faces by person: to learn from, and held out.
    pub persons: BTreeMap<String, [usize; 2]>,
    /// The contact sheet: a row for each person.
    pub sheet: PathBuf,
    /// How many were left out, by the reason.
    pub left_out: BTreeMap<&'static str, usize>,
    /// Files that could not be read, a sentence each.
    pub problems: Vec<String>,
}

/// A face that is written aside.
struct Kept {
    person: usize,
    place: usize,
    name: String,
    sharpness: f64,
}

/// Somebody.
struct Person {
    sum: Vector,
    /// The place where they were seen first.
    place: usize,
    /// Their last face at the side [`SMALL`].
    last: Option<Image>,
}

impl Person {
    fn vector(&self) -> Vector {
        let length = self.sum.iter().map(|value| value * value).sum::<f32>().sqrt().max(1e-12);
        self.sum.map(|value| value / length)
    }
}

/// Writes the faces of videos, pictures and folders or zips of pictures, upright, into a new folder: `train/PERSON/NAME.png` and
/// `held-out/PERSON/NAME.png`, and a contact sheet beside that folder. A person is called after the place where they were seen first.
/// An error when there is no face, or the folder is there already; before anything is fetched where a place is not there.
pub fn write(places: &[PathBuf], to: &Path, wanted: Wanted, report: Report<'_>) -> Result<Taken> {
    new_folder::check(to)?;
    let places = places.iter().map(|place| Place::of(place)).collect::<Result<Vec<_>>>()?;
    let (folder, device) = (NewFolder::begin(to, "faces")?, device::cpu());
    let (detector, identity) = (Mtcnn::load(&device, report)?, Identity::load(&device, report)?);
    let mut out =
        Out { wanted, detector, identity, folder, taken: Taken::default(), kept: Vec::new(), persons: Vec::new() };
    for (number, place) in places.iter().enumerate() {
        let look = |out: &mut Out, name: String, picture: &RgbImage| out.look(number, name, picture, place.is_video());
        match &place.kind {
            Kind::Video => {
                let problem = video::frames(&place.path, &mut |_| (), |at, frame| {
                    report(Progress { what: "finding faces", done: at as u64, total: None });
                    match at.is_multiple_of(wanted.every.max(1)) {
                        true => look(&mut out, format!("{at:06}"), &frame),
                        false => Ok(()),
                    }
                })?;
                out.taken.problems.extend(problem);
            }
            Kind::Picture => {
                let bytes =
                    fs::read(&place.path).map_err(|error| Error::io("read the picture", &place.path, &error))?;
                let wrong = |why| Error::input(format!("{} {why}", place.path.display()));
                look(&mut out, "picture".to_owned(), &decode::picture(&bytes).map_err(wrong)?)?;
            }
            Kind::Pictures(listing) => {
                out.taken.problems.extend(listing.problems.iter().cloned());
                let (total, mut done) = (Some(listing.pictures.len() as u64), 0);
                listing.in_order(|picture, bytes| {
                    report(Progress { what: "finding faces", done, total });
                    done += 1;
                    match bytes.and_then(|bytes| decode::picture(&bytes)) {
                        Ok(opened) => return look(&mut out, picture.stem().replace('/', "-"), &opened),
                        Err(why) => out.taken.problems.push(format!("{} {why}", picture.name())),
                    }
                    Ok(())
                })?;
            }
        }
    }
    out.finish(&places)
}

/// Where faces come from.
struct Place {
    path: PathBuf,
    name: String,
    kind: Kind,
}

enum Kind {
    Video,
    Picture,
    Pictures(Box<Listing>),
}

impl Place {
    fn of(path: &Path) -> Result<Self> {
        let metadata = fs::metadata(path).map_err(|error| Error::io("look for faces in", path, &error))?;
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
        let kind = match metadata.is_dir() || ending == "zip" {
            true => Kind::Pictures(Box::new(Listing::of(path, Layout::Folder, 0.0)?)),
            false if READ.contains(&ending.as_str()) && ending != "gif" => Kind::Picture,
            false => Kind::Video,
        };
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let name = if metadata.is_dir() { real.file_name() } else { real.file_stem() };
        let name = name.unwrap_or_default().to_string_lossy().into_owned();
        Ok(Place { path: path.to_owned(), name, kind })
    }

    fn is_video(&self) -> bool {
        matches!(self.kind, Kind::Video)
    }
}

/// Why a face in a picture of these sides is not taken, where it is not.
fn hindrance(face: &Face, sides: [f64; 2]) -> Option<&'static str> {
    let landmarks = face.points();
    if face.sure < SURE {
        return Some("doubtful");
    }
    if face.eyes() < LEAST_EYES {
        return Some("tiny: the eyes are less than 12 pixels apart");
    }
    let Some(to_face) = Similarity::of_face(&landmarks, 1) else { return Some("doubtful") };
    let off = landmarks.iter().zip(crate::media::face::FACE).map(|(point, place)| {
        let [x, y] = to_face.at(*point);
        (x - place[0]).hypot(y - place[1])
    });
    if off.sum::<f64>() / 5.0 > TURNED {
        return Some("turned away");
    }
    let back = to_face.inverse();
    let places = (0..100).map(|i| back.at([f64::from(i % 10) / 10.0 + 0.05, f64::from(i / 10) / 10.0 + 0.05]));
    let within = places.filter(|place| (0..2).all(|axis| (0.0..sides[axis]).contains(&place[axis]))).count();
    ((within as f64) < 100.0 * WITHIN).then_some("cut off by the edge of the picture")
}

/// How strong the edges of a face are: the mean of the absolute second differences of its grey levels.
fn sharpness(face: &Image) -> f64 {
    let side = face.width;
    let grey = |x: usize, y: usize| {
        let pixel = &face.pixels[(y * side + x) * 3..][..3];
        f64::from(pixel[0]) * 0.299 + f64::from(pixel[1]) * 0.587 + f64::from(pixel[2]) * 0.114
    };
    let inner = (1..side - 1).flat_map(|y| (1..side - 1).map(move |x| (x, y)));
    let edges = inner
        .map(|(x, y)| (4.0 * grey(x, y) - grey(x - 1, y) - grey(x + 1, y) - grey(x, y - 1) - grey(x, y + 1)).abs());
    edges.sum::<f64>() / ((side - 2) * (side - 2)) as f64
}

/// The folder that is written.
struct Out {
    wanted: Wanted,
    detector: Mtcnn,
    identity: Identity,
    folder: NewFolder,
    taken: Taken,
    kept: Vec<Kept>,
    persons: Vec<Person>,
}

impl Out {
    fn look(&mut self, place: usize, name: String, picture: &RgbImage, is_video: bool) -> Result<()> {
        let found = self.detector.faces(picture)?;
        if found.is_empty() {
            self.leave(if is_video { "frames without a face" } else { "pictures without a face" });
        }
        let whole = image(picture);
        let sides = [f64::from(picture.width()), f64::from(picture.height())];
        for (face, number) in found.iter().zip(0..) {
            if let Some(why) = hindrance(face, sides) {
                self.leave(why);
                continue;
            }
            let landmarks = face.points();
            let close = |side| Some(aligned(&whole, &Similarity::of_face(&landmarks, side)?, side));
            let (Some(square), Some(small)) = (Identity::square(&whole, &landmarks), close(SMALL)) else { continue };
            let vector = self.identity.of(&[square])?.remove(0);
            let person = self.person(&vector, place);
            let known = &mut self.persons[person];
            if is_video && known.last.as_ref().is_some_and(|last| apart(last, &small) < CHANGED) {
                self.leave("nearly as in the frame before");
                continue;
            }
            if known.last.replace(small).is_some() {
                known.sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += value);
            }
            let name = if number == 0 { name.clone() } else { format!("{name}-{}", number + 1) };
            let side = self.wanted.side;
            let (Some(close), Some(roomy)) = (close(side), Similarity::of_face_with_room(&landmarks, side)) else {
                continue;
            };
            aligned(&whole, &roomy, side).write_png(&self.aside(self.kept.len()))?;
            self.kept.push(Kept { person, place, name, sharpness: sharpness(&close) });
        }
        Ok(())
    }

    fn leave(&mut self, why: &'static str) {
        *self.taken.left_out.entry(why).or_default() += 1;
    }

    /// Whose face it is: the most alike that are known, or somebody new.
    fn person(&mut self, vector: &Vector, place: usize) -> usize {
        let known = self.persons.iter().map(|person| alike(&person.vector(), vector)).enumerate();
        let best = known.max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, cosine)| *cosine >= ALIKE);
        best.map_or_else(
            || {
                self.persons.push(Person { sum: *vector, place, last: None });
                self.persons.len() - 1
            },
            |(person, _)| person,
        )
    }

    /// Who turned out to be one person, by the first of each.
    fn merged(&self) -> Vec<usize> {
        let mut first = (0..self.persons.len()).collect::<Vec<_>>();
        for one in 0..first.len() {
            for other in 0..one {
                let is_one =
                    first[other] == other && alike(&self.persons[one].vector(), &self.persons[other].vector()) >= ALIKE;
                if is_one {
                    first[one] = other;
                    break;
                }
            }
        }
        first
    }

    fn finish(mut self, places: &[Place]) -> Result<Taken> {
        let first = self.merged();
        let mut own = BTreeMap::<usize, Vec<usize>>::new();
        for (at, kept) in self.kept.iter().enumerate() {
            own.entry(first[kept.person]).or_default().push(at);
        }
        let (mut sheet, mut names) = (Vec::new(), BTreeMap::<&str, usize>::new());
        for (person, faces) in own {
            let mut usual = faces.iter().map(|at| self.kept[*at].sharpness).collect::<Vec<_>>();
            usual.sort_by(f64::total_cmp);
            let least = BLURRED * usual[usual.len() / 2];
            let (clear, blurred) = faces.into_iter().partition::<Vec<_>, _>(|at| self.kept[*at].sharpness >= least);
            blurred.iter().for_each(|_| self.leave("blurred"));
            if clear.len() < LEAST {
                clear.iter().for_each(|_| self.leave("of somebody who is seen fewer than 4 times"));
                continue;
            }
            let place = places[self.persons[person].place].name.as_str();
            let count = names.entry(place).or_default();
            *count += 1;
            let name = if *count == 1 { place.to_owned() } else { format!("{place}-{count}") };
            sheet.extend(self.row(&clear)?);
            let mut counts = [0; 2];
            for (place, Place { name: of_place, .. }) in places.iter().enumerate() {
                let here = clear.iter().filter(|at| self.kept[**at].place == place).copied().collect::<Vec<_>>();
                let learned = here.len() - (self.wanted.held_out * here.len() as f64).round() as usize;
                for (i, at) in here.into_iter().enumerate() {
                    let part = usize::from(i >= learned);
                    counts[part] += 1;
                    self.put(at, &format!("{}/{name}", PARTS[part]), &format!("{of_place}-{}", self.kept[at].name))?;
                }
            }
            self.taken.persons.insert(name, counts);
        }
        if self.taken.persons.is_empty() {
            let why = self.taken.left_out.iter().map(|(why, count)| format!("\n  {count} {why}")).collect::<String>();
            return Err(Error::input(format!(
                "no face could be taken; give videos or pictures in which a face is seen from the front:{why}"
            )));
        }
        for at in 0..self.kept.len() {
            let _ = fs::remove_file(self.aside(at)); // what is left there is not wanted
        }
        let sheet = self.folder.finish(&grid(&sheet, SHOWN))?;
        Ok(Taken { sheet, ..self.taken })
    }

    /// Where a face lies until it is known whose it is.
    fn aside(&self, at: usize) -> PathBuf {
        self.folder.path().join(format!("{at}.png"))
    }

    /// Puts a face into a folder, by this name or, where another one has it, by one that is its own.
    fn put(&self, at: usize, folder: &str, name: &str) -> Result<()> {
        let folder = self.folder.path().join(folder);
        fs::create_dir_all(&folder).map_err(|error| Error::io("make the folder", &folder, &error))?;
        let mut to = folder.join(format!("{name}.png"));
        if to.exists() {
            to = folder.join(format!("{name}-{at}.png"));
        }
        fs::rename(self.aside(at), &to).map_err(|error| Error::io(WRITING, &to, &error))
    }

    /// Some of a person's faces, a row of the sheet.
    fn row(&self, faces: &[usize]) -> Result<Vec<Image>> {
        let some = faces.iter().step_by(faces.len().div_ceil(SHOWN));
        let mut row = some
            .map(|at| {
                let path = self.aside(*at);
                let bytes = fs::read(&path).map_err(|error| Error::io("read the face", &path, &error))?;
                Ok(resized(&image(&decode::picture(&bytes).map_err(Error::failed)?), SHOWN_SIDE))
            })
            .collect::<Result<Vec<_>>>()?;
        let gap = Image::new(SHOWN_SIDE, SHOWN_SIDE, 3, vec![GAP_LEVEL; 3 * SHOWN_SIDE * SHOWN_SIDE]);
        row.resize(SHOWN, gap);
        Ok(row)
    }
}

/// A square picture at another side.
fn resized(face: &Image, side: usize) -> Image {
    aligned(face, &Similarity { a: side as f64 / face.width as f64, b: 0.0, shift: [0.0; 2] }, side)
}

/// By how many grey levels two RGB pictures of one size differ, on average.
fn apart(one: &Image, other: &Image) -> f64 {
    let [one, other] = [one, other].map(|image| {
        let grey =
            image.pixels.chunks_exact(3).map(|pixel| pixel.iter().map(|level| f64::from(*level)).sum::<f64>() / 3.0);
        grey.collect::<Vec<_>>()
    });
    one.iter().zip(&other).map(|(a, b)| (a - b).abs()).sum::<f64>() / one.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(change: impl Fn([f64; 2]) -> [f64; 2], sure: f32) -> Face {
        let landmarks = crate::media::face::FACE.map(|place| change(place).map(|value| value as f32));
        Face { frame: [0.0; 4], sure, landmarks }
    }

    #[test]
    fn a_face_is_left_out_for_a_reason() {
        let at = |scale: f64, shift: f64| move |[x, y]: [f64; 2]| [scale * x + shift, scale * y + shift];
        let why = |change: &dyn Fn([f64; 2]) -> [f64; 2], sure| hindrance(&face(change, sure), [200.0, 200.0]);
        assert_eq!(why(&at(100.0, 20.0), 1.0), None);
        assert_eq!(why(&at(100.0, 20.0), 0.9), Some("doubtful"));
        assert!(why(&at(30.0, 20.0), 1.0).unwrap().starts_with("tiny"));
        assert_eq!(why(&at(100.0, 150.0), 1.0), Some("cut off by the edge of the picture"));
        let aside = |[x, y]: [f64; 2]| [100.0 * if y > 0.45 && y < 0.55 { x - 0.25 } else { x }, 100.0 * y];
        assert_eq!(why(&aside, 1.0), Some("turned away"));
    }

    #[test]
    fn edges_make_a_face_sharp() {
        let board = Image::new(8, 8, 3, (0..192).map(|i| if (i / 3 + i / 24) % 2 == 0 { 0 } else { 200 }).collect());
        let flat = Image::new(8, 8, 3, vec![100; 192]);
        assert!(sharpness(&board) > 100.0 && sharpness(&flat) == 0.0);
    }
}
