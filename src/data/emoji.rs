//! The set `emoji`: the same emoji in four hands, so that two of them are domains without pairs and each is a class, drawn here
//! from four npm packages.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::data::codepoints::{base, plain, toned};
use crate::data::drawn::{Drawn, Folder, csv};
use crate::data::fetch::{self, Archive, Client};
use crate::data::svg::Drawing;
use crate::error::{Error, Result};
use crate::media::Image;
use crate::report::{Progress, Report};

const NAME: &str = "emoji";
const PURPOSE: &str = "which the emoji are drawn from";
const PIXELS: u32 = 64;
const FILLED: f32 = 56.0 / 64.0; // of the frame; some hands leave a margin, others none
const STEPS: u32 = 256; // along a side, to find what is drawn
const WHITE: [u8; 3] = [255; 3];
const AT_ONCE: usize = 64; // emoji between two reports
const LEAST: f32 = 0.01; // of a pixel; less is a rounding error
const WITHOUT: [&str; 2] = ["Flags", "Symbols"]; // categories that are much the same in every hand, letters and signs

/// A hand that drew every emoji.
struct Style {
    name: &'static str,
    archive: Archive,
    licence: &'static str,
}

const fn style(name: &'static str, [package, file, sha256]: [&'static str; 3], licence: &'static str) -> Style {
    Style { name, archive: Archive { client: Client::Npm, package, file, sha256, purpose: PURPOSE }, licence }
}

/// The first says which category an emoji belongs to.
const STYLES: [Style; 4] = [
    style(
        "openmoji",
        [
            "@iconify-json/openmoji@1.2.29",
            "iconify-json-openmoji-1.2.29.tgz",
            "03181e2c156cab35cf4a62f1f7886bd971d59212e75ac3f189d5a4cae3930fc5",
        ],
        "OpenMoji, the open-source emoji and icon project: CC BY-SA 4.0",
    ),
    style(
        "twemoji",
        [
            "@iconify-json/twemoji@1.2.5",
            "iconify-json-twemoji-1.2.5.tgz",
            "19046dff7d8707ce96212ec86468b36ac5f8e60409629dd13f809265c6d0ebb7",
        ],
        "Twemoji, by Twitter and contributors: CC BY 4.0",
    ),
    style(
        "noto",
        [
            "@iconify-json/noto@1.2.9",
            "iconify-json-noto-1.2.9.tgz",
            "3e918d88fc945c0bb3d468dbace6f88caef67f01c9f0e7bcae0915a042e8f1ad",
        ],
        "Noto Emoji, by Google: Apache License 2.0",
    ),
    style(
        "fluent",
        [
            "@iconify-json/fluent-emoji-flat@1.2.6",
            "iconify-json-fluent-emoji-flat-1.2.6.tgz",
            "7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175",
        ],
        "Fluent Emoji, by Microsoft: MIT License",
    ),
];

/// The archives that hold the styles.
pub(in crate::data) const ARCHIVES: [&str; 4] =
    [STYLES[0].archive.file, STYLES[1].archive.file, STYLES[2].archive.file, STYLES[3].archive.file];

/// The folders of every two styles, of which the first is A. The first pair is the usual one: its hands are alike enough to
/// learn from each other, and far from the same.
const PAIRS: [(&str, usize, usize); 6] = [
    ("twemoji-noto", 1, 2),
    ("openmoji-twemoji", 0, 1),
    ("openmoji-noto", 0, 2),
    ("openmoji-fluent", 0, 3),
    ("twemoji-fluent", 1, 3),
    ("noto-fluent", 2, 3),
];
/// The folder of all emoji, each hand a class.
const BY_STYLE: &str = "by-style";
/// The folders within the set's own: the pairs of domains, and all emoji by hand.
pub const PARTS: [&str; 7] = [PAIRS[0].0, PAIRS[1].0, PAIRS[2].0, PAIRS[3].0, PAIRS[4].0, PAIRS[5].0, BY_STYLE];
/// What a pair's folder holds: what may be learned from, and the same emoji in both hands.
const DOMAINS: [&str; 4] = ["trainA", "trainB", "testA", "testB"];

/// What one package holds.
struct Icons {
    file: IconsFile,
    /// The name of an icon, by plain code.
    names: BTreeMap<String, String>,
    /// The names in each category.
    categories: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct IconsFile {
    icons: BTreeMap<String, Icon>,
    /// Of the icons that do not say otherwise.
    width: f32,
    height: f32,
}

#[derive(Deserialize)]
struct Icon {
    body: String,
    width: Option<f32>,
    height: Option<f32>,
}

#[derive(Deserialize)]
struct Metadata {
    categories: BTreeMap<String, Vec<String>>,
}

/// Where the emoji live unless the user says otherwise: `emoji` in the cache.
pub fn default_dir() -> Result<PathBuf> {
    Ok(fetch::cache_dir()?.join(NAME))
}

/// Makes the emoji present in a folder: for every two styles a folder such as `twemoji-noto`, with `trainA`, `trainB`,
/// `testA` and `testB`; `labels.csv` and `LICENCE.txt`. The emoji in `trainA` are others than those in `trainB`, so that
/// nothing has a pair to learn from; those of the test have the same name on both sides, and are in neither. The folder `by-style`
/// has every emoji in the folder of its hand, in `train` or, those of the test, in `validation`, and their names in
/// `captions.csv`. An error when a package cannot be fetched or the folder is in use.
pub fn fetch(dir: &Path, report: Report<'_>) -> Result<()> {
    let packages = STYLES.iter().map(|style| style.archive.package).collect::<Vec<_>>().join(", ");
    let release = format!("{NAME}, release 2: drawn from {packages} at {PIXELS}");
    make(dir, release, report, |report| STYLES.iter().map(|style| Icons::of(&style.archive, report)).collect())
}

fn make(
    dir: &Path,
    release: String,
    report: Report<'_>,
    icons: impl FnOnce(Report<'_>) -> Result<Vec<Icons>>,
) -> Result<()> {
    let of_pairs = PAIRS.iter().flat_map(|(pair, ..)| DOMAINS.map(|domain| format!("{pair}/{domain}")));
    let by_style = [Part::A, Part::Hidden].into_iter().flat_map(|part| STYLES.map(|style| part.of_style(style.name)));
    let by_style = by_style.map(|folder| format!("{BY_STYLE}/{folder}"));
    let parts = of_pairs.chain(by_style).collect::<Vec<_>>();
    let drawn =
        Drawn { name: NAME, items: "pictures", parts: &parts.iter().map(String::as_str).collect::<Vec<_>>(), release };
    if drawn.whole(dir) {
        return Ok(());
    }
    let icons = icons(report)?;
    drawn.make(dir, |folder| fill(folder, &icons, report))
}

/// Writes the pictures and what is told about them.
fn fill(folder: &mut Folder, icons: &[Icons], report: Report<'_>) -> Result<()> {
    let emoji = shared(icons);
    let mut rows = vec![vec!["code", "name", "category", "part"]];
    let mut captions = Vec::new();
    for (chunk, some) in emoji.chunks(AT_ONCE).enumerate() {
        let done = (chunk * AT_ONCE) as u64;
        report(Progress { what: "drawing emoji", done, total: Some(emoji.len() as u64) });
        let draw = |(code, _): &(&str, &str)| {
            let pictures = icons.iter().map(|icons| icons.draw(code)?.to_png());
            pictures.collect::<Result<Vec<_>>>()
        };
        for ((code, category), pictures) in some.iter().zip(some.par_iter().map(draw).collect::<Result<Vec<_>>>()?) {
            let part = Part::of(code);
            for (style, picture) in STYLES.iter().zip(&pictures) {
                let file = format!("{}/{code}.png", part.of_style(style.name));
                folder.item(&format!("{BY_STYLE}/{file}"), picture)?;
                captions.push([file, format!("{}, {}", icons[0].names[*code].replace('-', " "), style.name)]);
            }
            for (pair, a, b) in PAIRS {
                let mut write =
                    |domain: &str, hand: usize| folder.item(&format!("{pair}/{domain}/{code}.png"), &pictures[hand]);
                match part {
                    Part::A => write("trainA", a)?,
                    Part::B => write("trainB", b)?,
                    Part::Hidden => write("testA", a).and_then(|()| write("testB", b))?,
                }
            }
            rows.push(vec![code, &icons[0].names[*code], category, part.name()]);
        }
    }
    folder.write("labels.csv", csv(rows).as_bytes())?;
    let captions = captions.iter().map(|[file, caption]| vec![file.as_str(), caption.as_str()]);
    let captions = csv([vec!["file", "caption"]].into_iter().chain(captions));
    folder.write(&format!("{BY_STYLE}/captions.csv"), captions.as_bytes())?;
    let licence = |Style { name, licence, archive }: &Style| {
        format!("{name}: {licence}, from the npm package {}.\n", archive.package)
    };
    let licences = STYLES.iter().map(licence);
    let changed = "Changed here: cut out and drawn as pictures on white.\n";
    folder.write("LICENCE.txt", (licences.collect::<String>() + changed).as_bytes())
}

/// The emoji that every style has, with their category, without variants in skin tones, flags and what is like text.
fn shared(icons: &[Icons]) -> Vec<(&str, &str)> {
    let Some((first, others)) = icons.split_first() else { return Vec::new() };
    let categories =
        first.categories.iter().flat_map(|(category, names)| names.iter().map(move |name| (name, category)));
    let categories = categories.collect::<BTreeMap<_, _>>();
    let everywhere = first.names.iter().filter(|(code, _)| others.iter().all(|icons| icons.names.contains_key(*code)));
    let known = everywhere.map(|(code, name)| (code.as_str(), categories.get(name).map_or("", |name| name.as_str())));
    known.filter(|(code, category)| !toned(code) && !WITHOUT.contains(category)).collect()
}

/// Where an emoji may be seen.
#[derive(Clone, Copy)]
enum Part {
    A,
    B,
    Hidden,
}

impl Part {
    /// Two fifths each for the domains, and a fifth for the hidden pairs, with all the variants of an emoji.
    fn of(code: &str) -> Self {
        match fetch::lot(base(code), 5) {
            0 | 1 => Part::A,
            2 | 3 => Part::B,
            _ => Part::Hidden,
        }
    }

    /// The folder of a hand's emoji, within that of those by hand.
    fn of_style(self, style: &str) -> String {
        let part = if matches!(self, Part::Hidden) { "validation" } else { "train" };
        format!("{part}/{style}")
    }

    fn name(self) -> &'static str {
        match self {
            Part::A => "trainA",
            Part::B => "trainB",
            Part::Hidden => "test",
        }
    }
}

impl Icons {
    fn of(archive: &Archive, report: Report<'_>) -> Result<Self> {
        let bytes = archive.bytes_among(&STYLES.each_ref().map(|style| &style.archive), report)?;
        let files = fetch::unpack(bytes.as_slice(), archive.package, |path| path.ends_with(".json"))?;
        let codes = json::<BTreeMap<String, String>>(archive, &files, "chars.json")?;
        Ok(Icons {
            file: json(archive, &files, "icons.json")?,
            names: codes.into_iter().map(|(code, name)| (plain(&code), name)).collect(),
            categories: json::<Metadata>(archive, &files, "metadata.json")?.categories,
        })
    }

    /// An emoji, cut to what is drawn and brought to a common size.
    fn draw(&self, code: &str) -> Result<Image> {
        let empty = || Error::failed(format!("the emoji {code} is empty in one of the packages"));
        let icon = self.names.get(code).and_then(|name| self.file.icons.get(name)).ok_or_else(empty)?;
        let (width, height) = (icon.width.unwrap_or(self.file.width), icon.height.unwrap_or(self.file.height));
        let frame = format!(r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">"#);
        let drawing = Drawing::parse(&format!("{frame}{}</svg>", icon.body))?;
        let found = drawing.bounds([0.0, 0.0, width.max(height)], STEPS).ok_or_else(empty)?;
        let [left, top, right, bottom] = found;
        let side = (right - left).max(bottom - top) / FILLED;
        let square = [(left + right - side) / 2.0, (top + bottom - side) / 2.0, side];
        let mut picture = drawing.render(square, PIXELS, WHITE);
        blank_around(&mut picture, square, found);
        Ok(picture)
    }
}

/// Makes white what lies around a part of a square picture: it is what the frame of the drawing hides.
fn blank_around(picture: &mut Image, [corner_x, corner_y, side]: [f32; 3], [left, top, right, bottom]: [f32; 4]) {
    let (width, unit) = (picture.width, side / picture.width as f32);
    let inside = |at: usize, corner: f32, from: f32, to: f32| {
        let near = corner + at as f32 * unit;
        (near + unit).min(to) - near.max(from) > unit * LEAST
    };
    for (at, pixel) in picture.pixels.chunks_exact_mut(WHITE.len()).enumerate() {
        if !inside(at % width, corner_x, left, right) || !inside(at / width, corner_y, top, bottom) {
            pixel.copy_from_slice(&WHITE);
        }
    }
}

/// A file of a package.
fn json<T: DeserializeOwned>(archive: &Archive, files: &BTreeMap<String, Vec<u8>>, name: &str) -> Result<T> {
    let broken = |why: String| Error::failed(format!("{name} of {} is broken: {why}", archive.package));
    let bytes = files.get(&format!("package/{name}")).ok_or_else(|| broken("it is missing".into()))?;
    serde_json::from_slice(bytes).map_err(|error| broken(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::svg::tests::{golden, levels};
    use std::collections::BTreeSet;
    use std::fs;
    use tempfile::tempdir;

    /// Four packages of 200 bars, and what is to be left out of them.
    fn packages() -> Vec<Icons> {
        let package = |style: usize| {
            let mut names = (0..200).map(|at| (format!("1f{at:03x}"), format!("bar{at}"))).collect::<BTreeMap<_, _>>();
            for (code, name) in [("1f100-1f3fb", "bar1"), ("1f0f0", "flag"), ("1f0f1", "sign")] {
                names.insert(code.into(), name.into());
            }
            if style != 2 {
                names.insert("1f0f2".into(), "bar2".into()); // one hand has not drawn it
            }
            let body = |at: usize| {
                let fill = ["red", "green", "blue", "gray"][style];
                format!(r#"<path d="M-9 2h{}v2H-9z" fill="{fill}"/>"#, 10.0 + at as f32 / 32.0) // begins before its frame
            };
            let named = names.values().collect::<BTreeSet<_>>();
            let icon = |(at, name): (usize, &&String)| {
                ((*name).clone(), Icon { body: body(at), width: None, height: Some(8.0) })
            };
            let icons = named.iter().enumerate().map(icon).collect();
            let bars = (0..200).map(|at| format!("bar{at}")).collect();
            let categories = [("Bars", bars), ("Flags", vec!["flag".into()]), ("Symbols", vec!["sign".into()])];
            let categories = categories.map(|(name, names)| (name.to_owned(), names)).into();
            Icons { file: IconsFile { icons, width: 12.0, height: 12.0 }, names, categories }
        };
        (0..4).map(package).collect()
    }

    fn codes(dir: &Path, domain: &str) -> BTreeSet<String> {
        let entries = fs::read_dir(dir.join(domain)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn no_emoji_is_learned_from_in_both_hands_and_the_hidden_pairs_in_none() {
        let folder = tempdir().unwrap();
        let dir = folder.path().join("emoji");
        let (mut seen, packages) = (Vec::new(), packages());
        make(&dir, "made up".into(), &mut |at| seen.push((at.done, at.total)), |_| Ok(packages)).unwrap();
        assert_eq!(seen, [0, 64, 128, 192].map(|done| (done, Some(200))));
        let first = DOMAINS.map(|domain| codes(&dir.join("openmoji-twemoji"), domain));
        for (pair, ..) in PAIRS {
            let [a, b, hidden, same] = DOMAINS.map(|domain| codes(&dir.join(pair), domain));
            assert_eq!(hidden, same);
            assert!(a.is_disjoint(&b) && a.is_disjoint(&hidden) && b.is_disjoint(&hidden));
            assert_eq!((a.len() + b.len() + hidden.len(), &[a, b, hidden, same]), (200, &first), "{pair}");
        }
        let sizes = first.each_ref().map(|codes| codes.len());
        assert!(
            (60..100).contains(&sizes[0]) && (60..100).contains(&sizes[1]) && (25..60).contains(&sizes[2]),
            "{sizes:?}"
        );
        let read = |domain: &str| {
            let name = codes(&dir.join("twemoji-noto"), domain).first().unwrap().clone();
            image::open(dir.join("twemoji-noto").join(domain).join(name)).unwrap().to_rgb8()
        };
        let colours = ["trainA", "trainB", "testA", "testB"].map(|domain| read(domain).get_pixel(32, 32).0);
        assert_eq!(colours, [[0, 128, 0], [0, 0, 255], [0, 128, 0], [0, 0, 255]]);
        for style in STYLES.map(|style| style.name) {
            let [learned, held] = ["train", "validation"].map(|part| codes(&dir.join(BY_STYLE).join(part), style));
            assert_eq!((learned.len() + held.len(), held), (200, first[2].clone()), "{style}");
        }
        let captions = fs::read_to_string(dir.join(BY_STYLE).join("captions.csv")).unwrap();
        let caption = format!("\n{}/1f000.png,\"bar0, noto\"\n", Part::of("1f000").of_style("noto"));
        assert!(captions.lines().count() == 801 && captions.contains(&caption), "{captions}");
        let blue =
            image::open(dir.join(BY_STYLE).join("train/noto").join(first[0].first().unwrap())).unwrap().to_rgb8();
        assert_eq!(blue.get_pixel(32, 32).0, [0, 0, 255]);
        let labels = fs::read_to_string(dir.join("labels.csv")).unwrap();
        assert_eq!((labels.lines().count(), labels.lines().next()), (201, Some("code,name,category,part")));
        assert!(labels.contains(&format!("\n1f000,bar0,Bars,{}\n", Part::of("1f000").name())), "{labels}");
        make(&dir, "made up".into(), &mut |_| (), |_| panic!("nothing is to be fetched")).unwrap();
    }

    #[test]
    fn an_emoji_fills_its_frame_but_for_a_margin_and_shows_nothing_from_beyond_its_own() {
        let picture = packages()[0].draw("1f0c7").unwrap();
        let row =
            |y: usize| picture.pixels[y * 64 * 3..][..64 * 3].chunks(3).map(|pixel| pixel[1] < 128).collect::<Vec<_>>();
        let middle = row(32);
        assert_eq!((middle.iter().position(|ink| *ink), middle.iter().rposition(|ink| *ink)), (Some(4), Some(59)));
        assert_eq!(middle.iter().filter(|ink| **ink).count(), 56);
        let ink = (0..64).filter(|y| row(*y)[32]).collect::<Vec<_>>();
        assert_eq!((ink[0] + ink[ink.len() - 1], row(4)), (63, vec![false; 64]), "in the middle");
        let mut empty = packages().remove(1);
        empty.file.icons.get_mut("bar3").unwrap().body = "<g/>".into();
        let error = empty.draw("1f003").unwrap_err().to_string();
        assert_eq!(error, "the emoji 1f003 is empty in one of the packages");
    }

    /// Needs the packages in the cache, or npm and a network.
    #[test]
    #[ignore = "needs npm"]
    fn emoji_look_as_another_engine_draws_them() {
        let mut cases = 0;
        for style in &STYLES {
            let icons = Icons::of(&style.archive, &mut |_| ()).unwrap();
            for (_, code, expected) in golden(&[style.name]) {
                let picture = icons.draw(&code).unwrap();
                let apart =
                    levels(&picture).into_iter().zip(expected).map(|(level, expected)| (level - expected).abs());
                let (sum, most) = apart.fold((0.0, 0.0_f64), |(sum, most), apart| (sum + apart, most.max(apart)));
                // The two find what is drawn to a 256-th and to a 1024-th of the frame.
                assert!(sum / 192.0 < 0.8 && most < 6.0, "{} {code}: {} and {most}", style.name, sum / 192.0);
                cases += 1;
            }
        }
        assert_eq!(cases, 10);
    }

    /// Needs the packages, as above.
    #[test]
    #[ignore = "needs npm"]
    fn the_four_hands_share_as_many_emoji_as_were_counted() {
        let icons = STYLES.iter().map(|style| Icons::of(&style.archive, &mut |_| ()).unwrap()).collect::<Vec<_>>();
        let shared = shared(&icons);
        assert_eq!(shared.len(), 1363);
        let count = |part: &str| shared.iter().filter(|(code, _)| Part::of(code).name() == part).count();
        assert_eq!(["trainA", "trainB", "test"].map(count), [537, 538, 288]);
    }
}
