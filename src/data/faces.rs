//! The sets `avatars` and `anime`: faces composed by our own draws from the styles of the PyPI package dicebear-styles.

use std::collections::{BTreeSet, HashSet};
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::data::described;
use crate::data::dicebear::{Choices, Style};
use crate::data::drawn::{Drawn, Folder, csv};
use crate::data::fetch::{self, Archive, Client};
use crate::data::svg::Drawing;
use crate::error::{Error, Result};
use crate::media::Image;
use crate::random::Draws;
use crate::report::{Progress, Report};

pub(in crate::data) const STYLES: Archive = Archive {
    client: Client::Pip,
    package: "dicebear-styles==10.6.0",
    file: "dicebear_styles-10.6.0-py3-none-any.whl",
    sha256: "5a5b0b9c534d133fa06f1dd29f280139995965b32b08c5635a69cc6afc30930d",
    purpose: "which the faces are composed from",
};
const SEED: u64 = 0;
const PIXELS: u32 = 64;
pub(in crate::data) const BACKGROUND: ([u8; 3], &str) = ([0xe8, 0xec, 0xf2], "#e8ecf2"); // soft, and of no style's palette
const AT_ONCE: u64 = 256; // pictures between two reports
const TRAIN: &str = "train";
const HELD_OUT: &str = "held-out";

/// A style, and how a set uses it.
struct Look {
    style: &'static str,
    /// Its hair, which together with the skin decides what is held out.
    hair: &'static [&'static str],
    /// Variants that are left out, by component.
    without: &'static [(&'static str, &'static str)],
    /// Left, top and side of the square of the canvas that is shown.
    view: [f32; 3],
}

/// A set of faces: as many of every look.
struct Faces {
    name: &'static str,
    looks: &'static [Look],
    pictures: usize, // of each look
    /// Of the making: another one makes the set anew.
    release: u32,
    /// Whether there are captions, which are those of [`described`].
    captions: bool,
}

const AVATARS: Faces = Faces {
    name: "avatars",
    looks: &[
        Look {
            style: "avataaars",
            hair: &["top"],
            // Symbols in place of eyes; the last is no expression of a face that one wants to meet.
            without: &[("eyes", "hearts"), ("eyes", "xDizzy"), ("mouth", "vomit")],
            view: [0.0, 0.0, 280.0],
        },
        Look { style: "toon-head", hair: &["hair", "rearHair"], without: &[], view: [0.0, 0.0, 768.0] },
    ],
    pictures: 5_000,
    release: 2, // with captions
    captions: true,
};

const ANIME: Faces = Faces {
    name: "anime",
    looks: &[Look { style: "adventurer", hair: &["hair"], without: &[], view: [80.0, 36.0, 624.0] }],
    pictures: 10_000,
    release: 1,
    captions: false,
};

/// Where the avatars live unless the user says otherwise: `avatars` in the cache.
pub fn avatars_dir() -> Result<PathBuf> {
    Ok(fetch::cache_dir()?.join(AVATARS.name))
}

/// Where the anime faces live unless the user says otherwise: `anime` in the cache.
pub fn anime_dir() -> Result<PathBuf> {
    Ok(fetch::cache_dir()?.join(ANIME.name))
}

/// Makes the avatars present in a folder: `train` and `held-out` with pictures, `labels.csv`, `captions.csv`, `LICENCE.txt`.
/// Every pair of hair and skin lies in one of the two. An error when the styles cannot be fetched or the folder is in use.
pub fn fetch_avatars(dir: &Path, report: Report<'_>) -> Result<()> {
    AVATARS.fetch(dir, report)
}

/// Makes the anime faces present in a folder, as [`fetch_avatars`] does.
pub fn fetch_anime(dir: &Path, report: Report<'_>) -> Result<()> {
    ANIME.fetch(dir, report)
}

impl Faces {
    fn fetch(&self, dir: &Path, report: Report<'_>) -> Result<()> {
        if self.drawn().whole(dir) {
            return Ok(());
        }
        let styles = styles(report)?;
        self.make(&styles, dir, report)
    }

    /// The set as a folder.
    fn drawn(&self) -> Drawn<'_> {
        let Faces { name, looks, pictures, release, .. } = self;
        let package = STYLES.package;
        let release =
            format!("{name}, release {release}: {pictures} pictures of each of {} styles of {package}", looks.len());
        Drawn { name, items: "pictures", parts: &[TRAIN, HELD_OUT], release }
    }

    /// Draws the set into a folder beside `dir`, which then takes its name.
    fn make(&self, styles: &impl Fn(&str) -> Result<Style>, dir: &Path, report: Report<'_>) -> Result<()> {
        self.drawn().make(dir, |folder| self.fill(folder, styles, report))
    }

    fn fill(&self, folder: &mut Folder, styles: &impl Fn(&str) -> Result<Style>, report: Report<'_>) -> Result<()> {
        let (mut rows, mut licences, mut columns) = (Vec::new(), String::new(), (BTreeSet::new(), BTreeSet::new()));
        let loaded = self.looks.iter().map(|look| styles(look.style)).collect::<Result<Vec<_>>>()?;
        for (look, style) in self.looks.iter().zip(&loaded) {
            let (components, colors) = style.attributes();
            columns.0.extend(components);
            columns.1.extend(colors);
            licences += &format!("{}: {}\n", look.style, style.licence());
            let first = rows.len();
            look.faces(style, self.pictures, &mut |number, face| {
                let (what, total) = (format!("drawing {}", self.name), self.looks.len() * self.pictures);
                report(Progress { what: &what, done: (first + number) as u64, total: Some(total as u64) });
                let name = format!("{}/{}-{number:05}.png", look.part(&face.choices), look.style);
                folder.item(&name, &face.png)?;
                rows.push((name, look.style, face.choices));
                Ok(())
            })?;
        }
        let head = ["name", "style"].into_iter().map(str::to_owned);
        let head = head.chain(columns.0.iter().map(|name| (*name).to_owned()));
        let mut labels =
            head.chain(columns.1.iter().map(|name| format!("{name}_colour"))).collect::<Vec<_>>().join(",");
        for (name, style, Choices { variants, colors }) in &rows {
            labels += &format!("\n{name},{style}");
            let values = columns.0.iter().map(|name| variants.get(*name));
            for value in values.chain(columns.1.iter().map(|name| colors.get(*name))) {
                labels.push(',');
                labels += value.map_or("", String::as_str);
            }
        }
        folder.write("labels.csv", (labels + "\n").as_bytes())?;
        if self.captions {
            folder.write("captions.csv", captions(&rows).as_bytes())?;
        }
        folder.write("LICENCE.txt", licences.as_bytes())
    }
}

/// A table of the captions of named pictures, each with its style and its choices.
fn captions(rows: &[(String, &str, Choices)]) -> String {
    let said = rows.iter().flat_map(|(name, style, choices)| {
        let said = described::captions(name, style, choices, name.starts_with(HELD_OUT));
        said.into_iter().map(move |(phrasing, caption)| (name.as_str(), phrasing.to_string(), caption))
    });
    let said = said.collect::<Vec<_>>();
    let rows = said.iter().map(|(name, phrasing, caption)| vec![*name, phrasing.as_str(), caption.as_str()]);
    csv([vec!["file", "phrasing", "caption"]].into_iter().chain(rows))
}

/// A picture of a set.
struct Face {
    choices: Choices,
    png: Vec<u8>,
}

impl Look {
    /// The first `count` faces whose pictures differ, each given to `take` with its number.
    fn faces(&self, style: &Style, count: usize, take: &mut dyn FnMut(usize, Face) -> Result<()>) -> Result<()> {
        let (mut seen, mut number) = (HashSet::new(), 0);
        for first in (0..).step_by(AT_ONCE as usize) {
            let drawn = (first..first + AT_ONCE).into_par_iter().map(|index| {
                let (choices, picture) = self.face(style, index)?;
                Ok((choices, picture.to_png()?))
            });
            for face in drawn.collect::<Vec<Result<_>>>() {
                let (choices, png) = face?;
                if !seen.insert(png.clone()) {
                    continue;
                }
                take(number, Face { choices, png })?;
                number += 1;
                if number == count {
                    return Ok(());
                }
            }
            if (first as usize) > 10 * count + AT_ONCE as usize {
                let style = self.style;
                return Err(Error::failed(format!(
                    "the style {style} has no {count} different pictures, only {number}"
                )));
            }
        }
        Ok(())
    }

    /// The choices that one draw shows, and their picture.
    fn face(&self, style: &Style, index: u64) -> Result<(Choices, Image)> {
        let allowed = |component: &str, variant: &str| !self.without.contains(&(component, variant));
        let choices = style.draw(&Draws::new(SEED, index), BACKGROUND.1, allowed)?;
        let composed = style.compose(&choices)?;
        Ok((composed.shown, Drawing::parse(&composed.svg)?.render(self.view, PIXELS, BACKGROUND.0)))
    }

    /// The folder of a face: a tenth of the pairs of hair and skin is held out, with all their faces.
    fn part(&self, choices: &Choices) -> &'static str {
        let hair = self.hair.iter().map(|name| choices.variants.get(*name).map_or("", String::as_str));
        let skin = choices.colors.get("skin").map_or("", String::as_str);
        let pair = hair.chain([skin]).collect::<Vec<_>>().join(" ");
        if fetch::lot(&format!("{} {pair}", self.style), 10) == 0 { HELD_OUT } else { TRAIN }
    }
}

/// The package's styles by name, from the cache or by pip.
pub(in crate::data) fn styles(report: Report<'_>) -> Result<impl Fn(&str) -> Result<Style> + use<>> {
    let bytes = STYLES.bytes(report)?;
    Ok(move |name: &str| {
        let broken = |why: String| Error::failed(format!("{} is broken: {why}", STYLES.file));
        let mut wheel = zip::ZipArchive::new(Cursor::new(&bytes)).map_err(|error| broken(error.to_string()))?;
        let mut json = Vec::new();
        let mut member =
            wheel.by_name(&format!("dicebear_styles/{name}.json")).map_err(|error| broken(error.to_string()))?;
        member.read_to_end(&mut json).map_err(|error| broken(error.to_string()))?;
        Style::parse(&json)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::collections::HashMap;
    use std::fs;
    use tempfile::tempdir;

    const TINY: Faces = Faces { pictures: 300, name: "tiny", looks: &[look("round"), look("square")], ..AVATARS };

    const fn look(style: &'static str) -> Look {
        Look { style, hair: &["hair"], without: &[("hair", "hair0")], view: [0.0, 0.0, 8.0] }
    }

    /// A style of 19 kinds of hair that are left, 20 skins and two mouths.
    fn made_up(_: &str) -> Result<Style> {
        let bars = |name: &str, y: usize, count: usize| {
            let bar = |at: usize| {
                let attributes =
                    json!({ "width": format!("{}", 0.4 * (at + 1) as f64), "height": "1", "y": y.to_string() });
                json!({ "elements": [{ "type": "element", "name": "rect", "attributes": attributes }] })
            };
            let variants = (0..count).map(|at| (format!("{name}{at}"), bar(at))).collect::<serde_json::Map<_, _>>();
            json!({ "width": 8, "height": 1, "variants": variants })
        };
        let skin = json!({ "type": "color", "name": "skin" });
        let skins = (0..20).map(|at| format!("#{:02x}0000", at * 10 + 9)).collect::<Vec<_>>();
        let style = json!({
            "meta": { "license": { "text": "Anybody's" } },
            "canvas": { "width": 8, "height": 8, "elements": [
                { "type": "element", "name": "rect", "attributes": { "y": "4", "width": "8", "height": "4", "fill": skin } },
                { "type": "component", "name": "hair" },
                { "type": "component", "name": "mouth" },
            ] },
            "components": { "hair": bars("hair", 0, 20), "mouth": bars("mouth", 6, 2) },
            "colors": { "skin": { "values": skins } },
        });
        Style::parse(style.to_string().as_bytes())
    }

    fn entries(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn a_set_is_drawn_whole_with_its_labels_and_no_pair_of_hair_and_skin_lies_in_both_parts() {
        let folder = tempdir().unwrap();
        let dir = folder.path().join("tiny");
        let mut seen = Vec::new();
        TINY.make(&made_up, &dir, &mut |at| seen.push((at.done, at.total))).unwrap();
        assert_eq!(seen, (0..600).map(|done| (done, Some(600))).collect::<Vec<_>>());
        assert_eq!((entries(folder.path()), entries(&dir)), (1, 6));
        let captions = fs::read_to_string(dir.join("captions.csv")).unwrap();
        let (of_train, of_held_out) = captions.lines().skip(1).partition::<Vec<_>, _>(|row| row.starts_with(TRAIN));
        let counts = [TRAIN, HELD_OUT].map(|part| entries(&dir.join(part)));
        assert_eq!([of_train.len(), of_held_out.len()], [3 * counts[0], 4 * counts[1]]);
        assert_eq!(fs::read_to_string(dir.join("LICENCE.txt")).unwrap(), "round: Anybody's\nsquare: Anybody's\n");
        let labels = fs::read_to_string(dir.join("labels.csv")).unwrap();
        let mut rows = labels.lines().map(|line| line.split(',').collect::<Vec<_>>());
        assert_eq!(rows.next().unwrap(), ["name", "style", "hair", "mouth", "skin_colour"]);
        let (mut parts, mut pictures, mut rows_seen) = (HashMap::new(), HashSet::new(), 0);
        for row in rows {
            assert!(
                pictures.insert((row[1].to_owned(), fs::read(dir.join(row[0])).unwrap())),
                "{row:?} is there twice"
            );
            assert_ne!(row[2], "hair0");
            let part = row[0].split('/').next().unwrap().to_owned();
            let pair =
                row[1..].iter().enumerate().filter(|(at, _)| *at != 2).map(|(_, value)| *value).collect::<Vec<_>>();
            assert_eq!(parts.entry(pair.join(" ")).or_insert(part.clone()), &part, "{row:?}");
            rows_seen += 1;
        }
        assert_eq!((rows_seen, entries(&dir.join(TRAIN)) + entries(&dir.join(HELD_OUT))), (600, 600));
        let held = parts.values().filter(|part| *part == HELD_OUT).count();
        assert!((parts.len() / 20..parts.len() / 5).contains(&held), "{held} of {} pairs are held out", parts.len());
    }

    #[test]
    fn a_set_that_is_there_is_left_and_one_that_is_not_whole_is_made_anew() {
        let folder = tempdir().unwrap();
        let dir = folder.path().join("tiny");
        TINY.make(&made_up, &dir, &mut |_| ()).unwrap();
        TINY.fetch(&dir, &mut |_| panic!("nothing is to be fetched")).unwrap();
        let first = fs::read_dir(dir.join(TRAIN)).unwrap().next().unwrap().unwrap().path();
        fs::remove_file(&first).unwrap();
        assert!(!TINY.drawn().whole(&dir));
        TINY.make(&made_up, &dir, &mut |_| ()).unwrap();
        assert!(TINY.drawn().whole(&dir) && first.exists());
        assert_eq!(entries(folder.path()), 1, "no old set stays behind");
    }

    #[test]
    fn a_failure_leaves_nothing_and_another_s_files_are_not_touched() {
        let folder = tempdir().unwrap();
        let dir = folder.path().join("tiny");
        let many = Faces { pictures: 761, ..TINY }; // of 19 x 20 x 2
        let error = many.make(&made_up, &dir, &mut |_| ()).unwrap_err().to_string();
        assert_eq!(error, "the style round has no 761 different pictures, only 760");
        assert_eq!(entries(folder.path()), 0);
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("letter"), "Dear").unwrap();
        let error = TINY.make(&made_up, &dir, &mut |_| ()).unwrap_err();
        assert!(error.exit_code() == 2 && error.to_string().contains("give a folder that is empty"), "{error}");
        assert_eq!((fs::read(dir.join("letter")).unwrap(), entries(folder.path())), (b"Dear".to_vec(), 1));
    }

    /// Needs the styles in the cache, or pip and a network.
    #[test]
    #[ignore = "needs pip"]
    fn faces_of_the_real_styles_differ_and_hold_out_a_tenth_of_the_pairs() {
        let styles = styles(&mut |_| ()).unwrap();
        for look in AVATARS.looks.iter().chain(ANIME.looks) {
            let style = styles(look.style).unwrap();
            let mut pictures = HashSet::new();
            let mut take = |number, face: Face| {
                let picture = image::load_from_memory(&face.png).unwrap();
                assert_eq!((picture.width(), picture.height(), picture.color()), (64, 64, image::ColorType::Rgb8));
                let background = picture.to_rgb8().pixels().filter(|pixel| pixel.0 == BACKGROUND.0).count();
                assert!((64 * 64 / 20..64 * 64 * 9 / 10).contains(&background), "{number}: {background}");
                assert!(pictures.insert(face.png));
                let is_said = described::tests::are_said(look.style, &face.choices);
                assert!(is_said || look.style == "adventurer", "{number}: {:?}", face.choices);
                Ok(())
            };
            look.faces(&style, 50, &mut take).unwrap();
            assert_eq!(pictures.len(), 50);
            let allowed = |component: &str, variant: &str| !look.without.contains(&(component, variant));
            let (mut parts, mut held) = (HashMap::new(), 0);
            for index in 0..2000 {
                let choices = style.draw(&Draws::new(SEED, index), BACKGROUND.1, allowed).unwrap();
                let hair = look.hair.iter().map(|name| choices.variants.get(*name).cloned()).collect::<Vec<_>>();
                let part = look.part(&choices);
                held += usize::from(part == HELD_OUT);
                assert_eq!(*parts.entry((hair, choices.colors["skin"].clone())).or_insert(part), part);
                for (component, variant) in look.without {
                    assert_ne!(choices.variants[*component], *variant);
                }
            }
            assert!((100..300).contains(&held), "{}: {held} of 2000 are held out", look.style);
        }
    }

    /// Needs the styles, as above. The numbers are made by tests/golden/dicebear.mjs.
    #[test]
    #[ignore = "needs pip"]
    fn compositions_look_as_those_of_dicebear_itself() {
        let styles = styles(&mut |_| ()).unwrap();
        let golden: Value = serde_json::from_str(include_str!("../../tests/golden/dicebear.json")).unwrap();
        for case in golden.as_array().unwrap() {
            let map = |key: &str| serde_json::from_value(case[key].clone()).unwrap();
            let choices = Choices { variants: map("variants"), colors: map("colors") };
            let name = case["style"].as_str().unwrap();
            let look = AVATARS.looks.iter().chain(ANIME.looks).find(|look| look.style == name).unwrap();
            let composed = styles(name).unwrap().compose(&choices).unwrap();
            assert_eq!(composed.shown.variants, choices.variants, "everything chosen shows");
            let side = if look.style == "adventurer" { 762.0 } else { look.view[2] }; // the whole canvas
            let picture = Drawing::parse(&composed.svg).unwrap().render([0.0, 0.0, side], 64, BACKGROUND.0);
            for (at, expected) in case["levels"].as_array().unwrap().iter().enumerate() {
                let (row, column, channel) = (at / 48, at / 3 % 16, at % 3);
                let pixels = (0..16).map(|of| ((4 * row + of / 4) * 64 + 4 * column + of % 4) * 3 + channel);
                let level = pixels.map(|pixel| f64::from(picture.pixels[pixel])).sum::<f64>() / 16.0;
                let expected = expected.as_f64().unwrap();
                assert!((level - expected).abs() < 1.5, "{name}, row {row}, column {column}: {level}, not {expected}");
            }
        }
    }
}
