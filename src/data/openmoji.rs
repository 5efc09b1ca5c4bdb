//! The set `openmoji`: line drawings and the same in colour, side by side, drawn here from the npm package openmoji.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Deserialize;

use crate::data::codepoints::{base, plain, toned};
use crate::data::drawn::{Drawn, Folder, csv};
use crate::data::fetch::{self, Archive, Client};
use crate::data::svg::Drawing;
use crate::error::{Error, Result};
use crate::media::Image;
use crate::report::{Progress, Report};

const NAME: &str = "openmoji";
pub(in crate::data) const OPENMOJI: Archive = Archive {
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
    let drawn = Drawn { name: NAME, items: "pictures", parts: &PARTS, release };
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
            folder.item(&format!("{fold}/{}.png", emoji.hexcode), &beside(&outline, &colour).to_png()?)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::svg::tests::{golden, levels};
    use serde_json::json;
    use std::fs;
    use tempfile::tempdir;

    /// A package of squares: code, subgroup, width of the outline, and fill.
    fn package(emoji: &[(&str, &str, u32, &str)]) -> BTreeMap<String, Vec<u8>> {
        let entry = |(code, kind, ..): &(&str, &str, u32, &str)| {
            let group = if *kind == "country-flag" { "flags" } else { "food-drink" };
            json!({ "hexcode": code, "group": group, "subgroups": kind, "annotation": format!("{code}, made up"), "order": 1 })
        };
        let list = emoji.iter().map(entry).collect::<Vec<_>>();
        let mut files =
            BTreeMap::from([("package/data/openmoji.json".to_owned(), json!(list).to_string().into_bytes())]);
        for (code, _, width, fill) in emoji {
            for (kind, fill) in [("black", "none"), ("color", fill)] {
                let square = format!(r#"<path d="M9 9h{width}v40h-{width}z" stroke="black" fill="{fill}"/>"#);
                let square = if *width == 0 { String::new() } else { square };
                let svg = format!(r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 72 72">{square}</svg>"#);
                files.insert(format!("package/{kind}/svg/{code}.svg"), svg.into_bytes());
            }
        }
        files
    }

    fn drawn() -> Drawn<'static> {
        Drawn { name: NAME, items: "pictures", parts: &PARTS, release: "made up".into() }
    }

    #[test]
    fn pairs_are_drawn_side_by_side_without_what_has_no_colour_or_no_outline_of_its_own() {
        let files = package(&[
            ("1F34E", "food-fruit", 40, "red"),
            ("1F34F", "food-fruit", 40, "green"), // the same outline
            ("1F350", "food-fruit", 30, "white"),
            ("1F351", "food-fruit", 0, "red"), // no ink
            ("1F352-1F3FF", "food-fruit", 20, "red"),
            ("1F1E6", "country-flag", 21, "red"),
            ("0041", "alphanum", 22, "red"),
            ("1F353", "food-fruit", 23, "blue"),
        ]);
        let folder = tempdir().unwrap();
        let dir = folder.path().join("set");
        let mut seen = Vec::new();
        drawn().make(&dir, |folder| fill(folder, &files, &mut |at| seen.push((at.done, at.total)))).unwrap();
        assert!(drawn().whole(&dir));
        assert_eq!(seen, [(0, Some(5))]);
        let (apple, berry) = (fold("1F34E"), fold("1F353"));
        let labels = fs::read_to_string(dir.join("labels.csv")).unwrap();
        let rows = ["1F34E", "1F353"].map(|code| format!("{code},\"{code}, made up\",food-drink,{}", fold(code)));
        assert_eq!(labels, format!("code,annotation,group,fold\n{}\n{}\n", rows[0], rows[1]));
        assert!(dir.join(berry).join("1F353.png").exists());
        let picture = image::open(dir.join(apple).join("1F34E.png")).unwrap().to_rgb8();
        assert_eq!((picture.width(), picture.height()), (2 * PIXELS, PIXELS));
        let at = |x: u32| picture.get_pixel(x, PIXELS / 3).0;
        assert_eq!([at(50), at(PIXELS + 50), at(PIXELS)], [[255; 3], [255, 0, 0], [255; 3]]);
        fs::remove_file(dir.join(berry).join("1F353.png")).unwrap();
        assert!(!drawn().whole(&dir));
    }

    #[test]
    fn an_emoji_without_a_drawing_is_an_error_that_names_it_and_leaves_nothing() {
        let mut files = package(&[("1F34E", "food-fruit", 40, "red")]);
        files.remove("package/color/svg/1F34E.svg");
        let folder = tempdir().unwrap();
        let make = |files| drawn().make(&folder.path().join("set"), |folder| fill(folder, files, &mut |_| ()));
        assert_eq!(make(&files).unwrap_err().to_string(), "openmoji@17.0.0 holds no package/color/svg/1F34E.svg");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn variants_lie_in_one_fold_and_a_tenth_is_for_each_test() {
        assert_eq!(["1F468-200D-1F373", "1F9D1-200D-1F373"].map(fold), [fold("1F373"); 2]);
        let folds = (0..3000).map(|code| fold(&format!("E{code:03X}"))).collect::<Vec<_>>();
        for part in &PARTS[1..] {
            let share = folds.iter().filter(|fold| *fold == part).count();
            assert!((240..360).contains(&share), "{part}: {share} of 3000");
        }
    }

    /// Needs the package in the cache, or npm and a network.
    #[test]
    #[ignore = "needs npm"]
    fn openmoji_look_as_another_engine_draws_them() {
        let bytes = OPENMOJI.bytes(&mut |_| ()).unwrap();
        let cases = golden(&["black", "color"]);
        assert_eq!(cases.len(), 8);
        let wanted =
            |path: &str| cases.iter().any(|(style, code, _)| path.ends_with(&format!("{style}/svg/{code}.svg")));
        let files = fetch::unpack(bytes.as_slice(), OPENMOJI.package, wanted).unwrap();
        for (style, code, expected) in &cases {
            let svg = String::from_utf8(files[&format!("package/{style}/svg/{code}.svg")].clone()).unwrap();
            let picture = Drawing::parse(&svg).unwrap().render([0.0, 0.0, SIDE], PIXELS, WHITE);
            for (at, (level, expected)) in levels(&picture).iter().zip(expected).enumerate() {
                assert!((level - expected).abs() < 1.5, "{style} {code}, {at}: {level}, not {expected}");
            }
        }
    }
}
