//! The set `expressions`: two drawn persons with the same expressions, so that it is known what a swap of their faces should be.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::data::dicebear::{Choices, Style};
use crate::data::drawn::{Drawn, Folder};
use crate::data::faces::{BACKGROUND, STYLES, styles};
use crate::data::fetch;
use crate::data::svg::Drawing;
use crate::error::{Error, Result};
use crate::random::Draws;
use crate::report::{Progress, Report};

const NAME: &str = "expressions";
const STYLE: &str = "avataaars";
const PIXELS: u32 = 64;
/// Left, top and side of the square of the canvas that is shown: from the brows to the chin.
const VIEW: [f32; 3] = [80.0, 68.0, 120.0];
/// What an expression is made of, and variants that are no expression: symbols in place of eyes, and what one does not want to meet.
const PARTS: [(&str, &[&str]); 3] = [("eyes", &["hearts", "xDizzy"]), ("eyebrows", &[]), ("mouth", &["vomit"])];
/// Of each person, pictures to learn from, which the other does not have, and pictures that both have and nobody learns from.
const COUNTS: [usize; 2] = [300, 100];
const FOLDERS: [&str; 4] = ["train/ann", "train/ben", "held-out/ann", "held-out/ben"];

/// How a person looks: hair, its colour, and glasses or none. Both have one colour of skin: with two, an encoder tells the
/// persons apart by it, and a swap is noise.
const PERSONS: [[&str; 3]; 2] = [["straight02", "#4a312c", ""], ["shortWaved", "#c93305", "round"]];

/// Where it lives unless the user says otherwise: `expressions` in the cache.
pub fn default_dir() -> Result<PathBuf> {
    Ok(fetch::cache_dir()?.join(NAME))
}

/// Makes the set present in a folder: `train` and `held-out` with a folder for each person, and `LICENCE.txt`. Held-out pictures of one
/// name have one expression. An error when the style cannot be fetched or the folder is in use.
pub fn fetch(dir: &Path, report: Report<'_>) -> Result<()> {
    let release =
        format!("{NAME}, release 2: {} and {} pictures of two persons of {}", COUNTS[0], COUNTS[1], STYLES.package);
    let drawn = Drawn { name: NAME, items: "pictures", parts: &FOLDERS, release };
    if drawn.whole(dir) {
        return Ok(());
    }
    let style = styles(report)?(STYLE)?;
    drawn.make(dir, |folder| fill(folder, &style, report))
}

fn fill(folder: &mut Folder, style: &Style, report: Report<'_>) -> Result<()> {
    let variants = |component: &str, without: &[&str]| {
        let all = style.variants(component).into_iter();
        all.filter(|variant| !without.contains(variant)).map(str::to_owned).collect::<Vec<_>>()
    };
    let [eyes, brows, mouths] = PARTS.map(|(component, without)| variants(component, without));
    let count = eyes.len() * brows.len() * mouths.len();
    let [learned, held_out] = COUNTS;
    if count < 2 * learned + held_out {
        return Err(Error::failed(format!("the style {STYLE} has only {count} expressions")));
    }
    let expression = |at: u32| {
        let at = at as usize;
        [&eyes[at % eyes.len()], &brows[at / eyes.len() % brows.len()], &mouths[at / eyes.len() / brows.len()]]
    };
    let order = Draws::new(0, 0).permutation(NAME, count as u32);
    let (own, shared) = (&order[..2 * learned], &order[2 * learned..][..held_out]);
    for ((part, expressions), person) in FOLDERS
        .into_iter()
        .zip([&own[..learned], &own[learned..], shared, shared])
        .zip([PERSONS[0], PERSONS[1]].iter().cycle())
    {
        report(Progress { what: "drawing expressions", done: 0, total: None });
        let pictures = expressions.par_iter().map(|at| {
            let parts = expression(*at);
            let picture = Drawing::parse(&style.compose(&choices(person, parts))?.svg)?;
            Ok((parts.map(String::as_str).join("-"), picture.render(VIEW, PIXELS, BACKGROUND.0).to_png()?))
        });
        for (name, png) in pictures.collect::<Result<Vec<_>>>()? {
            folder.item(&format!("{part}/{name}.png"), &png)?;
        }
    }
    folder.write("LICENCE.txt", format!("{STYLE}: {}\n", style.licence()).as_bytes())
}

fn choices([hair, hair_colour, glasses]: &[&str; 3], expression: [&String; 3]) -> Choices {
    let fixed = [("top", *hair), ("nose", "default"), ("clothes", "shirtCrewNeck"), ("accessories", *glasses)];
    let fixed = fixed.into_iter().filter(|(_, variant)| !variant.is_empty());
    let variants = PARTS.iter().map(|(component, _)| *component).zip(expression.map(String::as_str)).chain(fixed);
    let colors = [("hair", *hair_colour), ("skin", "#edb98a"), ("clothes", "#3c4f5c"), ("accessories", "#262e33")];
    let map = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Choices { variants: variants.map(map).collect(), colors: colors.into_iter().map(map).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fs;

    #[test]
    #[ignore = "needs pip"]
    fn two_persons_share_the_expressions_that_nobody_learns() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join(NAME);
        fetch(&dir, &mut |_| ()).unwrap();
        let names = |part: &str| {
            let entries = fs::read_dir(dir.join(part)).unwrap().map(|entry| entry.unwrap().file_name());
            entries.map(|name| name.into_string().unwrap()).collect::<BTreeSet<_>>()
        };
        let [ann, ben, first, second] = FOLDERS.map(names);
        assert_eq!([ann.len(), ben.len(), first.len()], [COUNTS[0], COUNTS[0], COUNTS[1]]);
        assert_eq!(first, second);
        assert!(ann.is_disjoint(&ben) && ann.is_disjoint(&first) && ben.is_disjoint(&first));
        let pictures = FOLDERS.iter().zip([&ann, &ben, &first, &second]).flat_map(|(part, names)| {
            names.iter().map(|name| fs::read(dir.join(part).join(name)).unwrap()).collect::<Vec<_>>()
        });
        let distinct = pictures.collect::<BTreeSet<_>>().len();
        assert_eq!(distinct, 2 * (COUNTS[0] + COUNTS[1]), "no picture is there twice");
        assert!(fs::read_to_string(dir.join("LICENCE.txt")).unwrap().starts_with("avataaars: "));
        fetch(&dir, &mut |_| panic!("it is there")).unwrap();
    }
}
