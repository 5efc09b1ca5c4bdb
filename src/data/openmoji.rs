//! The set `openmoji`: line drawings and the same in colour, side by side, drawn here from the npm package openmoji.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Deserialize;

use crate::data::codepoints::{base, plain, toned};
use crate::data::drawn::{Drawn, Folder, csv};
use crate::data::fetch::{self, Archive, Client, Progress, Report};
use crate::data::svg::Drawing;
use crate::error::{Error, Result};
use crate::media::Image;

const NAME: &str = "openmoji";
const OPENMOJI: Archive = Archive {
    client: Client::Npm,
    package: "openmoji@17.0.0",
    file: "openmoji-17.0.0.tgz",
    sha256: "55ee7d13485dec86e9f38c1f3a645a13382d33ff97c0cd845ee824b0aef45e68",
    purpose: "which the pairs are drawn from",
};
const LICENCE: &str = "OpenMoji, the open-source emoji and icon project, version 17.0.0: CC BY-SA 4.0.\n\
    Changed here: drawn as pictures on white, the line drawing to the left of the one in colour.\n";
const PIXELS: u32 = 128; // a reader reduces it to 64, and has a margin for crops
const SIDE: f32 = 72.0; // of every drawing
const WHITE: [u8; 3] = [255; 3];
const AT_ONCE: usize = 64; // pairs between two reports
const GREY: f64 = 4.0; // the mean chroma, of 255, up to which a picture counts as without colour
const PARTS: [&str; 3] = ["train", "val", "test"];

/// Whole kinds that are letters or flags rather than pictures, or parts of other emoji.
const WITHOUT_GROUPS: [&str; 2] = ["flags", "component"];
const WITHOUT_SUBGROUPS: [&str; 7] =
    ["alphanum", "keycap", "regional-indicator", "brand", "flags", "subdivision-flag", "country-flag"];

/// What the package says about an emoji.
#[derive(Deserialize)]
struct Emoji {
    hexcode: String,
    group: String,
    subgroups: String,
    annotation: String,
}

/// Where the pairs live unless the user says otherwise: `openmoji` in the cache.
pub fn default_dir() -> Result<PathBuf> {
    Ok(fetch::cache_dir()?.join(NAME))
}

/// Makes the pairs present in a folder: `train`, `val` and `test` with pictures of 256 x 128, the line drawing on the left,
/// `labels.csv`, `LICENCE.txt`. Variants of one emoji lie in one part. An error when the package cannot be fetched or the
/// folder is in use.
pub fn fetch(dir: &Path, report: Report<'_>) -> Result<()> {
    let release = format!("{NAME}, release 1: drawn from {} at {PIXELS}", OPENMOJI.package);
    let drawn = Drawn { name: NAME, parts: &PARTS, release };
    if drawn.whole(dir) {
        return Ok(());
    }
    let bytes = OPENMOJI.bytes(report)?;
    let wanted = |path: &str| path.ends_with(".svg") && !path.contains("/src/") || path.ends_with("/openmoji.json");
    let files = fetch::unpack(bytes.as_slice(), OPENMOJI.package, wanted)?;
    drawn.make(dir, |folder| fill(folder, &files, report))
}

/// Writes the pairs and what is told about them.
fn fill(folder: &mut Folder, files: &BTreeMap<String, Vec<u8>>, report: Report<'_>) -> Result<()> {
    let list = file(files, "package/data/openmoji.json")?;
    let emoji = serde_json::from_slice::<Vec<Emoji>>(list)
        .map_err(|error| Error::failed(format!("the list of {} is broken: {error}", OPENMOJI.package)))?;
    let emoji = emoji.iter().filter(|emoji| emoji.shows_a_picture()).collect::<Vec<_>>();
    let (mut outlines, mut rows) = (HashSet::new(), vec![vec!["code", "annotation", "group", "fold"]]);
    for (chunk, some) in emoji.chunks(AT_ONCE).enumerate() {
        let done = (chunk * AT_ONCE) as u64;
        report(Progress { what: "drawing openmoji", done, total: Some(emoji.len() as u64) });
        let pairs = some.par_iter().map(|emoji| emoji.draw(files)).collect::<Result<Vec<_>>>()?;
        for (emoji, [outline, colour]) in some.iter().zip(pairs) {
            // The first of those that one outline stands for: which colour is meant cannot be seen.
            if !has_ink(&outline) || !outlines.insert(outline.pixels.clone()) || chroma(&colour) <= GREY {
                continue;
            }
            let fold = fold(&emoji.hexcode);
            folder.picture(&format!("{fold}/{}.png", emoji.hexcode), &beside(&outline, &colour).to_png()?)?;
            rows.push(vec![&emoji.hexcode, &emoji.annotation, &emoji.group, fold]);
        }
    }
    folder.write("labels.csv", csv(rows).as_bytes())?;
    folder.write("LICENCE.txt", LICENCE.as_bytes())
}

fn file<'a>(files: &'a BTreeMap<String, Vec<u8>>, path: &str) -> Result<&'a [u8]> {
    let missing = || Error::failed(format!("{} holds no {path}", OPENMOJI.package));
    files.get(path).map(Vec::as_slice).ok_or_else(missing)
}

impl Emoji {
    /// Whether it is neither a letter, a flag or a brand nor the variant in a skin tone, whose outline is that of its base.
    fn shows_a_picture(&self) -> bool {
        !toned(&plain(&self.hexcode))
            && !WITHOUT_GROUPS.contains(&self.group.as_str())
            && !WITHOUT_SUBGROUPS.contains(&self.subgroups.as_str())
    }

    /// Its line drawing and the same in colour.
    fn draw(&self, files: &BTreeMap<String, Vec<u8>>) -> Result<[Image; 2]> {
        let draw = |kind: &str| {
            let svg = file(files, &format!("package/{kind}/svg/{}.svg", self.hexcode))?;
            Ok(Drawing::parse(&String::from_utf8_lossy(svg))?.render([0.0, 0.0, SIDE], PIXELS, WHITE))
        };
        Ok([draw("black")?, draw("color")?])
    }
}

/// The part of the set an emoji belongs to, with all the variants of its base: a tenth each for validation and test.
fn fold(hexcode: &str) -> &'static str {
    match fetch::lot(base(&plain(hexcode)), 10) {
        0 => PARTS[1],
        1 => PARTS[2],
        _ => PARTS[0],
    }
}

fn has_ink(picture: &Image) -> bool {
    picture.pixels.iter().any(|level| *level < 255)
}

/// The mean of the largest minus the smallest channel, 0 to 255.
fn chroma(picture: &Image) -> f64 {
    let each = picture.pixels.chunks_exact(3).map(|rgb| rgb.iter().max().zip(rgb.iter().min()));
    let sum = each.flatten().map(|(most, least)| f64::from(most - least)).sum::<f64>();
    sum / (picture.width * picture.height) as f64
}

/// Two pictures of one shape in one, twice as wide.
fn beside(left: &Image, right: &Image) -> Image {
    let [width, height, channels] = left.shape();
    let rows = left.pixels.chunks(width * channels).zip(right.pixels.chunks(width * channels));
    let pixels = rows.flat_map(|(left, right)| [left, right].concat()).collect();
    Image::new(2 * width, height, channels, pixels)
}
