//! One's own pictures and videos of persons, with the joints that MoveNet finds: what a new pose is learned from.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};

use super::movenet::{MoveNet, Person};
use super::new_folder::{self, NewFolder};
use super::{tracks, video};
use crate::data::fetch::WRITING;
use crate::data::images::Layout;
use crate::data::images::decode;
use crate::data::images::folder::Listing;
use crate::device;
use crate::error::{Error, Result};
use crate::media::{Image, LIMBS, Pose, READ, grid};
use crate::report::{Progress, Report};

/// Whose pictures lie in no folder of their own.
const SOMEBODY: &str = "person";
/// The side of a picture on the contact sheet, and how many it holds at most.
const SIDE: u32 = 160;
const SHOWN: usize = 64;
/// One frame of so many is looked at.
const EVERY: usize = 3;
/// How much larger than the joints' frame a person's picture is, and how high it is against its width.
const ROOM: f64 = 1.35;
const SHAPE: f64 = 2.0;
/// The longest side of a picture that is kept, in pixels.
const LONGEST: u32 = 512;
/// Sights of somebody who is followed through a video, at least.
const LEAST: usize = 25;

/// What was taken, and what was not.
#[derive(Debug, Default)]
pub struct Taken {
    /// Pictures by person.
    pub persons: BTreeMap<String, usize>,
    /// The contact sheet.
    pub sheet: PathBuf,
    /// Why others were left out, a sentence each.
    pub left_out: Vec<String>,
    /// What else was wrong, a sentence each.
    pub problems: Vec<String>,
}

/// Writes the persons of a folder or a zip of pictures, or of a video, into a new folder: `PERSON/NAME.png`, its pose as
/// `PERSON/NAME.json` beside it, and a contact sheet beside that folder. Folders of pictures are persons. A video shows one person; or, with
/// `is_still`, whoever walks through the view of a camera that stands still. An error when there is nobody, or the folder is there already.
pub fn write(place: &Path, to: &Path, is_still: bool, report: Report<'_>) -> Result<Taken> {
    new_folder::check(to)?;
    let is_video = place.is_file() && !place.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("zip"));
    if is_still && !is_video {
        return Err(Error::input(format!("{} is no video; leave --still-camera out", place.display())));
    }
    let listing = if is_video { None } else { Some(Listing::of(place, Layout::Folder, 0.0)?) };
    let mut out = Out::new(to)?;
    let net = MoveNet::load(&device::cpu(), report)?;
    match listing {
        None if is_still => {
            let (tracks, problem) = tracks::tracks(place, report)?;
            out.taken.problems.extend(problem);
            let followed = tracks.into_iter().filter(|track| track.len() >= LEAST);
            let followed = followed.collect::<Vec<_>>();
            let total = Some(followed.len() as u64);
            for (track, number) in followed.into_iter().zip(1..) {
                report(Progress { what: "finding joints", done: number - 1, total });
                let pictures = track.into_iter().filter_map(|sight| Some((sight.frame, sight.picture?)));
                for (frame, picture) in pictures {
                    out.look(&net, &format!("{SOMEBODY}-{number:02}/{frame:06}"), &picture)?;
                }
            }
        }
        None => {
            let problem = follow(place, &net, report, |number, found| match found {
                Some((picture, person)) => out.write(&format!("{SOMEBODY}/{number:06}"), &picture, person),
                None => {
                    out.taken.left_out.push(format!("frame {number} shows nobody from head to foot, or more than one"));
                    Ok(())
                }
            })?;
            out.taken.problems.extend(problem);
        }
        Some(listing) => look_at_all(&listing, &net, &mut out, report)?,
    }
    out.finish(place)
}

/// The pose of a file of these bytes. The error says what is wrong with it by this name.
pub fn of_file(bytes: Vec<u8>, name: &str) -> Result<Pose> {
    let wrong = |why: String| Error::input(format!("{name} {why}"));
    let text =
        String::from_utf8(bytes).map_err(|_| wrong("is no text in UTF-8; give the JSON of a pose".to_owned()))?;
    Pose::parse(&text).map_err(wrong)
}

/// The pose of the person in a picture, of which these are the bytes. The error says what is wrong with it by this name.
pub fn of_picture(bytes: &[u8], name: &str, report: Report<'_>) -> Result<Pose> {
    seen_by(&MoveNet::load(&device::cpu(), report)?, bytes, name)
}

fn seen_by(net: &MoveNet, bytes: &[u8], name: &str) -> Result<Pose> {
    let wrong = |why: String| Error::input(format!("{name} {why}"));
    let picture = smaller(decode::picture(bytes).map_err(wrong)?);
    let found = net.persons(&[picture])?.remove(0);
    match found.hindrance() {
        Some(why) => Err(wrong(why)),
        None => Ok(found.pose),
    }
}

/// The pose of the person in a picture where the network is in the cache already: nothing is fetched. The error says how to get it.
pub fn of_picture_at_hand(bytes: &[u8], name: &str) -> Result<Pose> {
    match MoveNet::is_here()? {
        true => of_picture(bytes, name, &mut |_| ()),
        false => Err(Error::input(
            "joints are found by MoveNet, which is not here yet; `ganvas data poses PICTURES -o DIR` fetches it once",
        )),
    }
}

/// The poses of a folder, by the order of their names: its files, a.json, or where it has none the poses of its pictures. The error
/// names what cannot be used.
pub fn of_folder(folder: &Path, report: Report<'_>) -> Result<Vec<Pose>> {
    let look = |error| Error::io("look into the folder", folder, &error);
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(look)?;
    let mut files = entries.into_iter().map(|entry| entry.path()).filter(|path| path.is_file()).collect::<Vec<_>>();
    files.sort();
    let ends = |path: &PathBuf, endings: &[&str]| {
        path.extension().is_some_and(|ending| endings.iter().any(|one| ending.eq_ignore_ascii_case(one)))
    };
    let texts = files.iter().filter(|path| ends(path, &["json"])).collect::<Vec<_>>();
    let read = |path: &PathBuf| fs::read(path).map_err(|error| Error::io("read the pose", path, &error));
    if !texts.is_empty() {
        return texts.into_iter().map(|path| of_file(read(path)?, &path.display().to_string())).collect();
    }
    let pictures = files.iter().filter(|path| ends(path, READ)).collect::<Vec<_>>();
    if pictures.is_empty() {
        return Err(Error::input(format!("{} holds neither poses (a.json) nor pictures", folder.display())));
    }
    let net = MoveNet::load(&device::cpu(), report)?;
    let found = pictures.iter().zip(0..).map(|(path, done)| {
        report(Progress { what: "pictures", done, total: Some(pictures.len() as u64) });
        seen_by(&net, &read(path)?, &path.display().to_string())
    });
    found.collect()
}

/// The poses of the person of a video, one after the other, and what could not be read of it, a sentence. An error where none is seen.
pub fn of_video(place: &Path, report: Report<'_>) -> Result<(Vec<Pose>, Option<String>)> {
    let net = MoveNet::load(&device::cpu(), report)?;
    let mut poses = Vec::new();
    let problem = follow(place, &net, report, |_, found| {
        poses.extend(found.map(|(_, person)| person.pose));
        Ok(())
    })?;
    match poses.is_empty() {
        true => Err(Error::input(format!("{} shows no person from head to foot", place.display()))),
        false => Ok((poses, problem)),
    }
}

/// Every picture of a folder; one at its top is of somebody.
fn look_at_all(listing: &Listing, net: &MoveNet, out: &mut Out, report: Report<'_>) -> Result<()> {
    out.taken.left_out.extend(listing.problems.iter().cloned());
    report(Progress { what: "finding joints", done: 0, total: None });
    let folder = out.folder.path().to_owned();
    let every = listing.pictures.len().div_ceil(SHOWN);
    let is_shown = |name: &str| listing.pictures.iter().step_by(every).any(|picture| picture.name() == name);
    // Of pictures that differ by their endings alone, the first one is taken.
    let mut first = BTreeMap::new();
    listing.pictures.iter().for_each(|picture| _ = first.entry(picture.stem()).or_insert(picture.name()));
    let failed = Mutex::new(None);
    let found = listing.each(|file, bytes| {
        if first.get(file.stem()) != Some(&file.name()) {
            return Err("has the name of another picture but for its ending".to_owned());
        }
        let picture = smaller(decode::picture(bytes)?);
        let path = match file.stem().contains('/') {
            true => file.stem().to_owned(),
            false => format!("{SOMEBODY}/{}", file.stem()),
        };
        let written = net
            .persons(std::slice::from_ref(&picture))
            .and_then(|mut found| write_pair(&folder, &path, &picture, found.remove(0)));
        let pose = match written {
            Ok(Ok(pose)) => pose,
            Ok(Err(why)) => return Err(why),
            Err(error) => {
                failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                return Err("is not written".to_owned());
            }
        };
        Ok((path, is_shown(file.name()).then(|| shown(&picture, &pose))))
    });
    if let Some(error) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    for found in found {
        match found {
            Ok((path, shown)) => out.count(&path, shown),
            Err(why) => out.taken.left_out.push(why),
        }
    }
    Ok(())
}

/// A picture with no side longer than is kept.
fn smaller(picture: RgbImage) -> RgbImage {
    let longer = picture.width().max(picture.height());
    if longer <= LONGEST {
        return picture;
    }
    let side = |side: u32| (u64::from(side) * u64::from(LONGEST) / u64::from(longer)).max(1) as u32;
    imageops::resize(&picture, side(picture.width()), side(picture.height()), FilterType::CatmullRom)
}

/// Writes a picture and its pose, where it shows one person from head to foot; or says why not, as a sentence without its subject.
fn write_pair(folder: &Path, path: &str, picture: &RgbImage, found: Person) -> Result<Result<Pose, String>> {
    if let Some(why) = found.hindrance() {
        return Ok(Err(why));
    }
    let [png, json] = ["png", "json"].map(|ending| folder.join(format!("{path}.{ending}")));
    let above = png.parent().unwrap_or(folder);
    fs::create_dir_all(above).map_err(|error| Error::io("make the folder", above, &error))?;
    let file = File::create_new(&png);
    let written = |path: &Path, result: io::Result<()>| result.map_err(|error| Error::io(WRITING, path, &error));
    let bytes = image(picture).to_png()?;
    written(&png, file.and_then(|mut file| file.write_all(&bytes)))?;
    written(&json, fs::write(&json, found.pose.text()))?;
    Ok(Ok(found.pose))
}

/// The person of a video, looked for where it was last: what is cut out of every frame that is looked at, and who is seen there. None
/// where nobody is seen from head to foot, or more than one. What comes back is what could not be read, a sentence.
fn follow(
    place: &Path,
    net: &MoveNet,
    report: Report<'_>,
    mut each: impl FnMut(usize, Option<(RgbImage, Person)>) -> Result<()>,
) -> Result<Option<String>> {
    let mut last = None::<[i64; 4]>; // left, top, width and height
    video::ready(report)?;
    video::frames(place, &mut |_| (), |number, frame| {
        if !number.is_multiple_of(EVERY) {
            return Ok(());
        }
        report(Progress { what: "finding joints", done: number as u64, total: None });
        let mut seen = None;
        for place in [last, Some([0, 0, i64::from(frame.width()), i64::from(frame.height())])].into_iter().flatten() {
            let found = net.persons(&[cut(&frame, place)])?.remove(0);
            if found.hindrance().is_none() {
                seen = Some(around(&found.pose, place));
                break;
            }
        }
        last = seen;
        let picture = seen.map(|place| smaller(cut(&frame, place)));
        let found = picture.map(|picture| Ok((net.persons(std::slice::from_ref(&picture))?.remove(0), picture)));
        let found = found.transpose()?.filter(|(person, _)| person.hindrance().is_none());
        each(number, found.map(|(person, picture)| (picture, person)))
    })
}

/// What of a frame lies at a place; beyond the frame is black.
fn cut(frame: &RgbImage, [left, top, width, height]: [i64; 4]) -> RgbImage {
    let mut cut = RgbImage::new(width as u32, height as u32);
    imageops::replace(&mut cut, frame, -left, -top);
    cut
}

/// Where in a frame a person is whose pose was found at a place of it, with some room.
fn around(pose: &Pose, [left, top, ..]: [i64; 4]) -> [i64; 4] {
    let known = pose.keypoints.iter().filter(|[_, _, score]| *score > 0.0);
    let span = |axis: usize| {
        let (least, most) =
            known.clone().fold((f64::MAX, f64::MIN), |(least, most), at| (least.min(at[axis]), most.max(at[axis])));
        ((least + most) / 2.0, most - least)
    };
    let ((x, wide), (y, tall)) = (span(0), span(1));
    let tall = (ROOM * tall.max(wide * SHAPE)).max(16.0);
    let wide = tall / SHAPE;
    [left + (x - wide / 2.0) as i64, top + (y - tall / 2.0) as i64, wide as i64, tall as i64]
}

/// The folder that is written.
struct Out {
    folder: NewFolder,
    taken: Taken,
    sheet: Vec<Image>,
}

impl Out {
    fn new(to: &Path) -> Result<Self> {
        Ok(Out { folder: NewFolder::begin(to, "poses")?, taken: Taken::default(), sheet: Vec::new() })
    }

    /// Writes a picture that shows one person from head to foot.
    fn look(&mut self, net: &MoveNet, path: &str, picture: &RgbImage) -> Result<()> {
        self.write(path, picture, net.persons(std::slice::from_ref(picture))?.remove(0))
    }

    fn write(&mut self, path: &str, picture: &RgbImage, found: Person) -> Result<()> {
        match write_pair(self.folder.path(), path, picture, found)? {
            Ok(pose) => self.count(path, Some(shown(picture, &pose))),
            Err(why) => self.taken.left_out.push(format!("{path} {why}")),
        }
        Ok(())
    }

    /// Counts a picture that is written.
    fn count(&mut self, path: &str, shown: Option<Image>) {
        let person = path.rsplit_once('/').map_or(SOMEBODY, |(person, _)| person);
        *self.taken.persons.entry(person.to_owned()).or_default() += 1;
        self.sheet.extend(shown);
        if self.sheet.len() > 2 * SHOWN {
            self.thin();
        }
    }

    /// Every second picture stays on the sheet, so that it shows some of all.
    fn thin(&mut self) {
        self.sheet = std::mem::take(&mut self.sheet).into_iter().step_by(2).collect();
    }

    fn finish(mut self, place: &Path) -> Result<Taken> {
        // A pair needs two pictures.
        let alone = self.taken.persons.iter().filter(|(_, pictures)| **pictures == 1).map(|(person, _)| person.clone());
        for person in alone.collect::<Vec<_>>() {
            let folder = self.folder.path().join(&person);
            let files = fs::read_dir(&folder).into_iter().flatten().flatten().filter(|entry| entry.path().is_file());
            for file in files {
                fs::remove_file(file.path()).map_err(|error| Error::io(WRITING, &file.path(), &error))?;
            }
            let _ = fs::remove_dir(&folder); // others may lie below it
            self.taken.persons.remove(&person);
            self.taken
                .left_out
                .push(format!("{person} has one picture that can be used; a pair needs two of a person"));
        }
        if self.taken.persons.is_empty() && self.taken.left_out.is_empty() {
            return Err(Error::input(format!(
                "nobody walks through {} for {LEAST} frames, at between a tenth and a third of the frame's height; for one person who \
                 is nearer leave --still-camera out",
                place.display()
            )));
        }
        if self.taken.persons.is_empty() {
            let why = self.taken.left_out.iter().take(3).map(|why| format!("\n  {why}")).collect::<String>();
            return Err(Error::input(format!("{} shows no person from head to foot:{why}", place.display())));
        }
        while self.sheet.len() > SHOWN {
            self.thin();
        }
        let sheet = self.folder.finish(&grid(&self.sheet, 8))?;
        Ok(Taken { sheet, ..self.taken })
    }
}

/// A picture as files are written of it.
pub(in crate::data) fn image(picture: &RgbImage) -> Image {
    Image::new(picture.width() as usize, picture.height() as usize, 3, picture.as_raw().clone())
}

/// A picture in a square, with its skeleton.
fn shown(picture: &RgbImage, pose: &Pose) -> Image {
    let share = f64::from(SIDE) / pose.width.max(pose.height);
    let [wide, high] = [pose.width, pose.height].map(|side| ((side * share).round() as u32).clamp(1, SIDE));
    let mut square = RgbImage::from_pixel(SIDE, SIDE, Rgb([32; 3]));
    imageops::replace(&mut square, &imageops::resize(picture, wide, high, FilterType::Triangle), 0, 0);
    let at = |joint: usize| {
        let [x, y, score] = pose.keypoints[joint];
        (score > 0.0).then_some([x * share, y * share])
    };
    for [a, b] in LIMBS {
        let (Some(a), Some(b)) = (at(a), at(b)) else { continue };
        let steps = ((b[0] - a[0]).abs().max((b[1] - a[1]).abs()).ceil() as u32).max(1);
        for step in 0..=steps {
            let way = f64::from(step) / f64::from(steps);
            let [x, y] = [0, 1].map(|axis| (a[axis] + way * (b[axis] - a[axis])) as u32);
            if x < SIDE && y < SIDE {
                square.put_pixel(x, y, Rgb([255, 220, 0]));
            }
        }
    }
    image(&square)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_has_some_room_however_the_arms_are_held() {
        let of = |width: f64, height: f64| {
            let mut keypoints = [[0.0; 3]; 17];
            (keypoints[9], keypoints[10]) = ([100.0, 100.0, 0.9], [100.0 + width, 100.0 + height, 0.9]);
            around(&Pose { width: 640.0, height: 480.0, keypoints }, [10, 20, 640, 480])
        };
        // Upright: by the height. With spread arms: by the width. Either is in the middle, and has a third of room.
        assert_eq!(of(20.0, 200.0), [52, 85, 135, 270]);
        assert_eq!(of(100.0, 100.0), [92, 35, 135, 270]);
    }

    #[test]
    fn what_is_cut_out_beyond_the_frame_is_black_and_a_large_picture_is_made_smaller() {
        let frame = RgbImage::from_pixel(8, 8, Rgb([9; 3]));
        let cut = cut(&frame, [-2, 6, 4, 4]);
        assert_eq!((cut.get_pixel(1, 0).0, cut.get_pixel(2, 1).0, cut.get_pixel(2, 2).0), ([0; 3], [9; 3], [0; 3]));
        assert_eq!(smaller(RgbImage::new(2048, 100)).dimensions(), (512, 25));
        assert_eq!(smaller(RgbImage::new(512, 1)).dimensions(), (512, 1));
    }
}
