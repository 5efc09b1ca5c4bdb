//! The set `photos`: photographs to enlarge or to restore, taken from three Debian packages and reduced by two.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use image::RgbImage;
use rayon::prelude::*;

use crate::data::drawn::{Drawn, Folder, csv};
use crate::data::fetch::{self, Archive, Client};
use crate::data::images::decode;
use crate::data::{deb, rcc};
use crate::error::{Error, Result};
use crate::media::Image;
use crate::report::{Progress, Report};

const NAME: &str = "photos";
const PURPOSE: &str = "which photographs are taken from";
const PARTS: [&str; 3] = ["train", "validation", "test"];
const AT_ONCE: usize = 4; // photographs between two reports; the largest needs 60 MB
const RESOURCE: usize = 16 << 20; // bytes; the largest one unpacks to 4 MB

/// A package and what is taken from it.
struct Package {
    archive: Archive,
    collections: &'static [Collection],
}

/// Photographs that lie together.
struct Collection {
    name: &'static str,
    place: Place,
}

enum Place {
    /// A resource of Qt, which holds who made them, too.
    Resource(&'static str),
    /// A folder, and the file that says who made them.
    Folder(&'static str, &'static str),
}

const fn debian([package, file, sha256]: [&'static str; 3], collections: &'static [Collection]) -> Package {
    Package { archive: Archive { client: Client::Apt, package, file, sha256, purpose: PURPOSE }, collections }
}

const fn resource(name: &'static str, path: &'static str) -> Collection {
    Collection { name, place: Place::Resource(path) }
}

/// Of gcompris-qt-data, `categorization` is left out: its pictures have 320 pixels, and show the same monuments.
const PACKAGES: [Package; 3] = [
    debian(
        [
            "gcompris-qt-data=3.1-2",
            "gcompris-qt-data_3.1-2_all.deb",
            "e9cf06ab2105529068df73085784e835d2ff03f870d2a8091f09125d40abac9f",
        ],
        &[
            resource("erase", "usr/share/gcompris-qt/rcc/erase.rcc"),
            resource("monuments", "usr/share/gcompris-qt/rcc/explore_monuments.rcc"),
            resource("world-animals", "usr/share/gcompris-qt/rcc/explore_world_animals.rcc"),
            resource("farm-animals", "usr/share/gcompris-qt/rcc/explore_farm_animals.rcc"),
            resource("world-music", "usr/share/gcompris-qt/rcc/explore_world_music.rcc"),
        ],
    ),
    debian(
        [
            "mate-backgrounds=1.26.0-1",
            "mate-backgrounds_1.26.0-1_all.deb",
            "7bf4c2209f34b4f61ba6d24c8b58c28b361e82e4b943aae6d42c030169af9e04",
        ],
        &[Collection {
            name: "mate",
            place: Place::Folder("usr/share/backgrounds/mate/nature/", "usr/share/doc/mate-backgrounds/copyright"),
        }],
    ),
    debian(
        [
            "lomiri-wallpapers-16.04=20.04.0-2",
            "lomiri-wallpapers-16.04_20.04.0-2_all.deb",
            "a99ff6a3bfe451e4cc0682ecb3cc82e71740626d59e4845ae34a0a0e45421eab",
        ],
        &[Collection {
            name: "lomiri",
            place: Place::Folder("usr/share/backgrounds/", "usr/share/doc/lomiri-wallpapers-16.04/copyright"),
        }],
    ),
];

/// The archives that hold them.
pub(in crate::data) const ARCHIVES: [&str; 3] =
    [PACKAGES[0].archive.file, PACKAGES[1].archive.file, PACKAGES[2].archive.file];

/// What is no photograph of anything: a leather-like surface behind a rainbow of colours, and gradients drawn by a computer.
const WITHOUT: [&str; 2] = ["analogpattern_by_Peter_Nerlich.jpg", "umang_by_Abhishek_Mudgal.jpg"];

/// The same subject under two names; one under the same name, as `giraffe` and `horse`, lies in one fold by itself.
const ALIKE: [(&str, &str); 3] = [("chamaeleon", "chameleon"), ("kitten", "cat"), ("calf", "cow")];

/// A file as its credit calls it, and its name.
const MISSPELT: [(&str, &str); 1] = [("audaPalatina.webp", "aulaPalatina.webp")];

/// A photograph as its package has it.
struct Photograph {
    /// Its collection and the stem of its file.
    name: String,
    collection: &'static str,
    subject: String,
    bytes: Vec<u8>,
    /// Package and file.
    from: String,
    credit: Credit,
}

/// What a copyright file says of the files it names, one value a field.
#[derive(Clone, Debug, PartialEq)]
struct Credit {
    copyright: String,
    licence: String,
    source: String,
    changes: String,
}

/// Where the photographs live unless the user says otherwise: `photos` in the cache.
pub fn default_dir() -> Result<PathBuf> {
    Ok(fetch::cache_dir()?.join(NAME))
}

/// Makes the photographs present in a folder: `train`, `validation` and `test` with whole photographs of different sizes,
/// `labels.csv`, and `LICENCE.txt` with the author and the licence of each. Each has half the width and height that it has in
/// its package, where it was compressed with losses that now hardly show. An error when a package cannot be fetched or the
/// folder is in use.
pub fn fetch(dir: &Path, report: Report<'_>) -> Result<()> {
    let packages = PACKAGES.iter().map(|package| package.archive.package).collect::<Vec<_>>().join(", ");
    make(dir, format!("{NAME}, release 1: of {packages}, reduced by two"), report, photographs)
}

fn make(
    dir: &Path,
    release: String,
    report: Report<'_>,
    photographs: impl FnOnce(Report<'_>) -> Result<Vec<Photograph>>,
) -> Result<()> {
    let drawn = Drawn { name: NAME, items: "photographs", parts: &PARTS, release };
    if drawn.whole(dir) {
        return Ok(());
    }
    let photographs = photographs(report)?;
    drawn.make(dir, |folder| fill(folder, &photographs, report))
}

/// Every photograph of the packages.
fn photographs(report: Report<'_>) -> Result<Vec<Photograph>> {
    let mut found = Vec::new();
    let all = PACKAGES.each_ref().map(|package| &package.archive);
    for Package { archive, collections } in &PACKAGES {
        let bytes = archive.bytes_among(&all, report)?;
        report(Progress { what: &format!("unpacking {}", archive.package), done: 0, total: None });
        let wanted = |path: &str| collections.iter().any(|collection| collection.place.holds(path));
        let files = deb::unpack(&bytes, archive.package, wanted)?;
        for collection in *collections {
            found.extend(collection.photographs(&files, archive.package)?);
        }
    }
    Ok(found)
}

impl Place {
    /// Whether a file of the package is of this place.
    fn holds(&self, path: &str) -> bool {
        match self {
            Place::Resource(resource) => path == *resource,
            Place::Folder(folder, credits) => path == *credits || path.starts_with(folder),
        }
    }
}

impl Collection {
    /// Its photographs, by the files of its package.
    fn photographs(&self, files: &BTreeMap<String, Vec<u8>>, package: &str) -> Result<Vec<Photograph>> {
        let missing = |path: &str| Error::failed(format!("{package} holds no {path}"));
        let file = |path: &str| files.get(path).ok_or_else(|| missing(path));
        let (pictures, credits) = match self.place {
            Place::Resource(path) => {
                let files = rcc::files(file(path)?, RESOURCE)?;
                let (readme, rest) = files.into_iter().partition::<Vec<_>, _>(|(path, _)| path.ends_with("/README"));
                let readme = readme.into_iter().next().ok_or_else(|| missing(&format!("README in {path}")))?;
                (rest, credits(&String::from_utf8_lossy(&readme.1)))
            }
            Place::Folder(folder, path) => {
                let pictures = files.iter().filter(|(path, _)| path.starts_with(folder));
                let pictures = pictures.map(|(path, bytes)| (path.clone(), bytes.clone())).collect();
                (pictures, credits(&String::from_utf8_lossy(file(path)?)))
            }
        };
        let mut found = Vec::new();
        for (path, bytes) in pictures {
            let name = path.rsplit('/').next().unwrap_or(&path);
            let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
            if !["webp", "jpg"].contains(&ending) || WITHOUT.contains(&name) {
                continue;
            }
            let credit = credits.get(name).cloned();
            found.push(Photograph {
                name: format!("{}-{stem}", self.name),
                collection: self.name,
                subject: subject(stem).to_owned(),
                bytes,
                from: format!("{package}, {path}"),
                credit: credit.ok_or_else(|| Error::failed(format!("{package} does not say who made {path}")))?,
            });
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }
}

/// What a photograph shows, by the stem of its file.
fn subject(stem: &str) -> &str {
    ALIKE.iter().find(|(stems, _)| *stems == stem).map_or(stem, |(_, subject)| subject)
}

/// The part of the set in which a subject lies: a tenth each for validation and test.
fn fold(subject: &str) -> &'static str {
    match fetch::lot(subject, 10) {
        0 => PARTS[1],
        1 => PARTS[2],
        _ => PARTS[0],
    }
}

/// Writes the photographs and what is told about them.
fn fill(folder: &mut Folder, photographs: &[Photograph], report: Report<'_>) -> Result<()> {
    let mut rows = vec![["name", "collection", "subject", "width", "height", "licence"].map(str::to_owned)];
    let mut licences =
        "Photographs from three Debian packages, each under a licence of its own, which the package or the \
        resource within it tells.\nChanged here: reduced to half their width and height.\n"
            .to_owned();
    for (chunk, some) in photographs.chunks(AT_ONCE).enumerate() {
        let done = (chunk * AT_ONCE) as u64;
        report(Progress { what: "reducing photographs", done, total: Some(photographs.len() as u64) });
        let reduce = |photograph: &Photograph| {
            let broken = |why: String| Error::failed(format!("{} {why}", photograph.from));
            let image = halved(&decode::picture(&photograph.bytes).map_err(broken)?);
            Ok((image.to_png()?, image))
        };
        for (photograph, reduced) in some.iter().zip(some.par_iter().map(reduce).collect::<Result<Vec<_>>>()?) {
            let Photograph { name, collection, subject, from, credit, .. } = photograph;
            let path = format!("{}/{name}.png", fold(subject));
            let (png, Image { width, height, .. }) = reduced;
            folder.item(&path, &png)?;
            licences += &format!("\n{path}\n{}  from: {from}\n", credit.lines());
            let (width, height) = (width.to_string(), height.to_string());
            rows.push([path, collection.to_string(), subject.clone(), width, height, credit.licence.clone()]);
        }
    }
    let rows = rows.iter().map(|row| row.iter().map(String::as_str).collect());
    folder.write("labels.csv", csv(rows).as_bytes())?;
    folder.write("LICENCE.txt", licences.as_bytes())
}

/// A picture of half the width and height: the mean of every two by two levels as they are stored, rounded. The last row or
/// column of an odd number is left out.
fn halved(picture: &RgbImage) -> Image {
    let (width, height) = (picture.width() as usize / 2, picture.height() as usize / 2);
    let (levels, stride) = (picture.as_raw(), picture.width() as usize * 3);
    let mut pixels = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        let (above, below) = levels[2 * y * stride..(2 * y + 2) * stride].split_at(stride);
        for (above, below) in above.chunks_exact(6).zip(below.chunks_exact(6)) {
            let sum = |channel: usize| [above[channel], above[channel + 3], below[channel], below[channel + 3]];
            let mean = |channel| (sum(channel).into_iter().map(u32::from).sum::<u32>() + 2) / 4;
            pixels.extend([0, 1, 2].map(|channel| mean(channel) as u8));
        }
    }
    Image::new(width, height, 3, pixels)
}

impl Credit {
    /// What is known, a line each.
    fn lines(&self) -> String {
        let Credit { copyright, licence, source, changes } = self;
        let all = [("copyright", copyright), ("licence", licence), ("source", source), ("changed before", changes)];
        let known = all.iter().filter(|(_, value)| !value.is_empty());
        known.map(|(field, value)| format!("  {field}: {value}\n")).collect()
    }
}

/// The credits in a copyright file, by the names of files. Such a file has stanzas of fields, as Debian's machine-readable
/// format 1.0 has them; what the authors of GCompris write beside their pictures is alike.
///
/// The copyright file of gcompris-qt-data itself is of no use: it tells of pictures that the later ones replaced, some of
/// which have the same names.
fn credits(text: &str) -> BTreeMap<String, Credit> {
    let mut credits = BTreeMap::new();
    for stanza in text.replace('\r', "").split("\n\n") {
        let mut fields = BTreeMap::<String, Vec<&str>>::new();
        let mut last = String::new();
        for line in stanza.lines() {
            let field = line.split_once(':');
            let field = field.filter(|(key, _)| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphabetic()));
            let (key, value) = field.map_or((last, line), |(key, value)| (key.to_ascii_lowercase(), value));
            fields.entry(key.clone()).or_default().push(value.trim());
            last = key;
        }
        let values = |key: &str| {
            let values = fields.get(key).into_iter().flatten().filter(|value| !value.is_empty());
            values.copied().collect::<Vec<_>>()
        };
        let credit = Credit {
            copyright: values("copyright").join("; "),
            licence: values("license").first().unwrap_or(&"").to_string(), // its text may follow
            source: values("source").join(" "),
            changes: values("comments").join(" "),
        };
        for path in values("files").into_iter().flat_map(str::split_whitespace) {
            let name = path.rsplit('/').next().unwrap_or(path);
            let name = MISSPELT.iter().find(|(wrong, _)| *wrong == name).map_or(name, |(_, right)| right);
            if !credit.licence.is_empty() {
                credits.insert(name.to_owned(), credit.clone());
            }
        }
    }
    credits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::images::decode::tests::png;
    use std::collections::HashMap;
    use std::fs;
    use tempfile::tempdir;

    fn credit(licence: &str) -> Credit {
        let [copyright, source] = ["A, B", "C"].map(str::to_owned);
        Credit { copyright, licence: licence.into(), source, changes: String::new() }
    }

    /// Of 21 x 18 pixels, a level more from each to the next, two from row to row.
    fn photograph(stem: &str) -> Photograph {
        let picture = RgbImage::from_fn(21, 18, |x, y| image::Rgb([(x + 2 * y) as u8, 10, 200]));
        Photograph {
            name: format!("farm-{stem}"),
            collection: "farm",
            subject: subject(stem).to_owned(),
            bytes: png(&picture.into()),
            from: format!("package=1, {stem}.webp"),
            credit: credit("CC0"),
        }
    }

    #[test]
    fn photographs_are_halved_and_written_with_who_made_them() {
        let folder = tempdir().unwrap();
        let dir = folder.path().join("photos");
        let stems = ["kitten", "cat", "owl", "pig", "dog"];
        let mut seen = Vec::new();
        let some = |_: Report<'_>| Ok(stems.map(photograph).into());
        make(&dir, "made up".into(), &mut |at| seen.push((at.done, at.total)), some).unwrap();
        assert_eq!(seen, [(0, Some(5)), (4, Some(5))]);
        let path = format!("{}/farm-kitten.png", fold("cat"));
        let picture = image::open(dir.join(&path)).unwrap().to_rgb8();
        // The mean of four neighbours is 1.5 above the first, rounded up.
        assert_eq!((picture.dimensions(), picture.get_pixel(0, 0).0), ((10, 9), [2, 10, 200]));
        assert_eq!(picture.get_pixel(9, 8).0, [18 + 32 + 2, 10, 200]);
        let labels = fs::read_to_string(dir.join("labels.csv")).unwrap();
        let mut lines = labels.lines();
        assert_eq!(lines.next(), Some("name,collection,subject,width,height,licence"));
        assert_eq!((lines.next(), lines.count()), (Some(&*format!("{path},farm,cat,10,9,CC0")), 4));
        let licences = fs::read_to_string(dir.join("LICENCE.txt")).unwrap();
        let entry = "  copyright: A, B\n  licence: CC0\n  source: C\n  from: package=1, kitten.webp\n";
        assert!(licences.contains(&format!("\n{path}\n{entry}\n")), "{licences}");
        make(&dir, "made up".into(), &mut |_| (), |_| panic!("nothing is to be fetched")).unwrap();
    }

    #[test]
    fn a_file_that_is_no_picture_is_an_error_that_names_it_and_leaves_nothing() {
        let folder = tempdir().unwrap();
        let broken = Photograph { bytes: b"no picture".into(), ..photograph("owl") };
        let make = make(&folder.path().join("photos"), "made up".into(), &mut |_| (), |_| Ok(vec![broken]));
        let error = make.unwrap_err().to_string();
        assert_eq!(error, "package=1, owl.webp is not a picture, whatever its name says");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn credits_are_read_as_debian_and_as_gcompris_write_them() {
        let text = "Format: 1.0\n\nFiles: 16.04/a.jpg\n       nature/b.jpg\nCopyright: 2005, A\n           2008, B\nLicense: GPL-2+\n\
            Comment: none\n\n\nFiles: c.webp\nSource: C\nLicense: Public domain\nCopyright: C: D\nComments: cropping\n\n\
            Copyright: D\nLicense: CC-BY 2.0\nFiles:\ngermany/audaPalatina.webp\nd.webp\n\nLicense: GPL-2+\n text: of it\n\n\
            Files: e.webp\nCopyright: E\n";
        let found = credits(text);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["a.jpg", "aulaPalatina.webp", "b.jpg", "c.webp", "d.webp"]);
        let of = |name: &str| found[name].lines();
        assert_eq!(of("a.jpg"), "  copyright: 2005, A; 2008, B\n  licence: GPL-2+\n");
        assert_eq!(of("b.jpg"), of("a.jpg"));
        assert_eq!(
            of("c.webp"),
            "  copyright: C: D\n  licence: Public domain\n  source: C\n  changed before: cropping\n"
        );
        assert_eq!(of("aulaPalatina.webp"), "  copyright: D\n  licence: CC-BY 2.0\n");
    }

    #[test]
    fn a_collection_takes_its_photographs_and_no_drawings_and_refuses_one_without_a_credit() {
        let readme = b"Copyright: A\nLicense: CC0\nFiles:\nowl.webp\n".as_slice();
        let files = [("question.svg", 0, b"<svg/>".as_slice()), ("README", 0, readme), ("owl.webp", 0, b"owl")];
        let collection = resource("farm", "farm.rcc");
        let found = |resource: Vec<u8>| collection.photographs(&BTreeMap::from([("farm.rcc".into(), resource)]), "p=1");
        let photographs = found(rcc::tests::resource(&files)).unwrap();
        let [Photograph { name, from, bytes, credit, .. }] = &photographs[..] else { panic!("not one") };
        assert_eq!((name.as_str(), from.as_str(), &bytes[..]), ("farm-owl", "p=1, in/owl.webp", &b"owl"[..]));
        assert_eq!((credit.copyright.as_str(), credit.licence.as_str()), ("A", "CC0"));
        let error = |resource| found(resource).err().unwrap().to_string();
        let two = [files[1], ("pig.webp", 0, b"pig")];
        assert_eq!(error(rcc::tests::resource(&two)), "p=1 does not say who made in/pig.webp");
        assert_eq!(error(rcc::tests::resource(&files[..1])), "p=1 holds no README in farm.rcc");
        let error = collection.photographs(&BTreeMap::new(), "p=1").err().unwrap().to_string();
        assert_eq!(error, "p=1 holds no farm.rcc");
    }

    /// Needs the packages in the cache, or Debian's apt-get and a network.
    #[test]
    #[cfg(target_os = "linux")]
    #[ignore = "needs apt"]
    fn the_packages_hold_as_many_photographs_as_were_counted_and_no_subject_lies_in_two_folds() {
        let photographs = photographs(&mut |_| ()).unwrap();
        let mut counts = BTreeMap::new();
        let (mut names, mut folds) = (HashMap::new(), BTreeMap::new());
        for photograph in &photographs {
            *counts.entry(photograph.collection).or_insert(0) += 1;
            *folds.entry(fold(&photograph.subject)).or_insert(0) += 1;
            assert!(names.insert(photograph.name.clone(), &photograph.subject).is_none(), "{}", photograph.name);
            assert!(!photograph.credit.copyright.is_empty(), "{}", photograph.name);
        }
        let counted = [
            ("erase", 33),
            ("farm-animals", 9),
            ("lomiri", 13),
            ("mate", 12),
            ("monuments", 49),
            ("world-animals", 15),
            ("world-music", 9),
        ];
        assert_eq!(counts, BTreeMap::from(counted));
        assert_eq!(folds, BTreeMap::from([("test", 19), ("train", 109), ("validation", 12)]));
        assert_eq!(names["erase-horse"], names["farm-animals-horse"]);
        assert_eq!(names["erase-giraffe"], names["world-animals-giraffe"]);
        for (stem, subject) in ALIKE {
            let named = |stem: &str| names.iter().any(|(name, _)| name.ends_with(&format!("-{stem}")));
            assert!(named(stem) && named(subject), "{stem} and {subject}");
        }
    }
}
