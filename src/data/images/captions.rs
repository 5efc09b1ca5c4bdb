//! What is said of the pictures of a folder or zip: a text beside each, or a table of files and captions.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::folder::Listing;

/// The longest caption that is taken, in characters.
pub const LONGEST: usize = 1_000;
/// What the columns of a table are called that name the picture, and those that hold a caption.
pub(super) const FILES: &[&str] =
    &["file_name", "filename", "file", "image", "image_name", "img", "path", "name", "picture"];
pub(super) const CAPTIONS: &[&str] =
    &["caption", "captions", "text", "description", "comment", "prompt", "sentence", "title"];
/// What a column is called that says which phrasing a caption is in.
const PHRASINGS: &[&str] = &["phrasing"];
/// Pictures that are named where some have no caption, or rows that name no picture.
const NAMED: usize = 3;

/// The captions of a listing's pictures.
#[derive(Debug, Default, PartialEq)]
pub struct Captions {
    /// Those of each picture, in the order of the listing; empty for a picture without.
    pub of: Vec<Vec<String>>,
    /// What cannot be used, a sentence each.
    pub problems: Vec<String>,
    /// What there is to know beside it, a sentence each.
    pub notes: Vec<String>,
    /// The phrasings of captions, where a table says them.
    pub phrasings: BTreeMap<String, String>,
}

/// By which names a picture is found: its path below the folder, the same without its ending, and its name alone.
#[derive(Default)]
pub(super) struct Pictures<'a>(HashMap<&'a str, Vec<usize>>);

impl<'a> Pictures<'a> {
    /// The names of a listing's pictures.
    pub(super) fn of(listing: &'a Listing) -> Self {
        let mut found = Pictures::default();
        for (i, picture) in listing.pictures.iter().enumerate() {
            let (name, stem) = (picture.name(), picture.stem());
            let mut names = vec![name, stem, last(name), last(stem)];
            names.sort_unstable();
            names.dedup();
            names.into_iter().for_each(|name| found.0.entry(name).or_default().push(i));
        }
        found
    }

    /// The pictures that a row of a table in this folder (empty or with a / at its end) names. A name without its folders must
    /// be one picture's alone.
    pub(super) fn named(&self, folder: &str, name: &str) -> &[usize] {
        let name = name.trim().replace('\\', "/");
        let name = name.trim_start_matches("./");
        let whole = self.0.get(format!("{folder}{name}").as_str()).filter(|found| found.len() == 1);
        whole.or_else(|| self.0.get(name).filter(|found| found.len() == 1)).map_or(&[], Vec::as_slice)
    }
}

/// The last part of a path.
pub(super) fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

impl Captions {
    /// Reads the texts beside the pictures: `a.txt` for `a.png`, one caption a line, and tables (CSV, JSONL) with a column for the
    /// file and one for its caption. Texts that are neither are passed over.
    pub fn of(listing: &Listing) -> Self {
        let pictures = Pictures::of(listing);
        let mut by_stem = HashMap::<&str, Vec<usize>>::new();
        for (i, picture) in listing.pictures.iter().enumerate() {
            by_stem.entry(picture.stem()).or_default().push(i);
        }
        let mut found = Captions { of: vec![Vec::new(); listing.pictures.len()], ..Captions::default() };
        for (file, bytes) in listing.texts() {
            let (stem, ending) = file.rsplit_once('.').unwrap_or((file, ""));
            let beside = by_stem.get(stem).filter(|_| ending.eq_ignore_ascii_case("txt"));
            let text = bytes.and_then(|bytes| decoded(&bytes));
            let text = match (text, beside) {
                (Ok(text), _) => text,
                (Err(_), None) if ending.eq_ignore_ascii_case("txt") => continue, // not said of any picture
                (Err(why), _) => {
                    found.problems.push(format!("{file} {why}"));
                    continue;
                }
            };
            match beside {
                Some(pictures) => text.lines().for_each(|line| found.add(file, pictures, line)),
                None => {
                    let folder = &file[..file.len() - last(file).len()];
                    let rows = if ending.eq_ignore_ascii_case("jsonl") { json_rows(&text) } else { table_rows(&text) };
                    found.add_rows(file, rows, |name| pictures.named(folder, name));
                }
            }
        }
        found
    }

    /// Adds a caption to pictures that do not have it yet.
    fn add(&mut self, file: &str, pictures: &[usize], caption: &str) {
        let caption = squeezed(caption);
        let length = caption.chars().count();
        if length > LONGEST {
            self.problems.push(format!("{file} has a caption of {length} characters; give at most {LONGEST}"));
        } else if length > 0 {
            for &picture in pictures {
                if !self.of[picture].contains(&caption) {
                    self.of[picture].push(caption.clone());
                }
            }
        }
    }

    fn add_rows<'a>(&mut self, file: &str, rows: Vec<Row>, pictures: impl Fn(&str) -> &'a [usize]) {
        let (mut unknown, mut count) = (Vec::new(), 0);
        for row in rows {
            match row {
                Ok((name, captions, phrasing)) => match pictures(&name) {
                    [] => {
                        count += 1;
                        unknown.extend((unknown.len() < NAMED).then_some(name));
                    }
                    pictures => {
                        captions.iter().for_each(|caption| self.add(file, pictures, caption));
                        let phrasing = phrasing.filter(|phrasing| !phrasing.is_empty());
                        self.phrasings.extend(captions.into_iter().map(squeezed).zip(phrasing));
                    }
                },
                Err(why) => self.problems.push(format!("{file} {why}")),
            }
        }
        if count > 0 {
            self.notes.push(format!("{file}: {count} rows name no picture here, such as {}", unknown.join(", ")));
        }
    }

    /// How many captions there are.
    pub fn count(&self) -> usize {
        self.of.iter().map(Vec::len).sum()
    }

    /// Everything but the problems, a sentence each; nothing where there are no captions.
    pub fn facts(&self, names: &[&str]) -> Vec<String> {
        let (pictures, count) = (self.of.len(), self.count());
        if count == 0 {
            return Vec::new();
        }
        let counts = self.of.iter().map(Vec::len).filter(|count| *count > 0);
        let (fewest, most) = (counts.clone().min().unwrap_or(0), counts.clone().max().unwrap_or(0));
        let each = if fewest == most { fewest.to_string() } else { format!("{fewest} to {most}") };
        let mut words = BTreeMap::<String, usize>::new();
        for caption in self.of.iter().flatten() {
            for word in caption.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
                *words.entry(word.to_owned()).or_default() += 1;
            }
        }
        let once = words.values().filter(|count| **count == 1).count();
        let without = (0..pictures).filter(|i| self.of[*i].is_empty()).collect::<Vec<_>>();
        let some = without.iter().take(NAMED).map(|i| names[*i]).collect::<Vec<_>>().join(", ");
        let such = if some.is_empty() { some } else { format!(", such as {some}") };
        let facts = [
            format!("captions: {count}, {each} a picture; pictures without: {}{such}", without.len()),
            format!("words in the captions: {}, {once} of them only once", words.len()),
        ];
        facts.into_iter().chain(self.notes.iter().cloned()).collect()
    }
}

/// A text without two spaces in a row.
fn squeezed(text: impl AsRef<str>) -> String {
    text.as_ref().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A row of a table: the picture's name, its captions and their phrasing; or what is wrong with it, a sentence without its subject, the file.
type Row = Result<(String, Vec<String>, Option<String>), String>;

/// A table. What parts its columns is what the first line has most of.
pub(super) fn parted(text: &str) -> csv::Reader<&[u8]> {
    let head = text.lines().next().unwrap_or_default();
    let count = |by: &u8| head.bytes().filter(|byte| byte == by).count();
    let by = [b'|', b';', b'\t', b','].into_iter().max_by_key(count).unwrap_or(b',');
    csv::ReaderBuilder::new().delimiter(by).flexible(true).from_reader(text.as_bytes())
}

/// The first of these names that a table's columns have, by its place.
pub(super) fn column(head: &csv::StringRecord, known: &[&str]) -> Option<usize> {
    let name = |wanted: &&str| head.iter().position(|name| name.trim().eq_ignore_ascii_case(wanted));
    known.iter().find_map(name)
}

/// The rows of a table whose first line names its columns; none where these are not the two that are wanted.
fn table_rows(text: &str) -> Vec<Row> {
    let mut table = parted(text);
    let Ok(head) = table.headers() else { return Vec::new() };
    let (Some(file), Some(caption)) = (column(head, FILES), column(head, CAPTIONS)) else { return Vec::new() };
    let phrasing = column(head, PHRASINGS);
    let row = |row: csv::Result<csv::StringRecord>| {
        let row = row.map_err(|error| format!("is no table of comma-separated values: {error}"))?;
        let line = row.position().map_or(0, csv::Position::line);
        let cells = row.get(file).zip(row.get(caption));
        let (name, caption) = cells.ok_or_else(|| format!("has too few columns in line {line}"))?;
        let phrasing = phrasing.and_then(|at| row.get(at)).map(|phrasing| phrasing.trim().to_owned());
        Ok((name.to_owned(), vec![caption.to_owned()], phrasing))
    };
    table.records().map(row).collect()
}

/// The rows of a file with one object a line; none where the first line has not the two keys that are wanted. A caption is a text or a
/// list of texts.
fn json_rows(text: &str) -> Vec<Row> {
    let value = |object: &Value, known: &[&str]| known.iter().find_map(|key| object.get(*key).cloned());
    let row = |(i, line): (usize, &str)| -> Row {
        let object = serde_json::from_str::<Value>(line);
        let object = object.map_err(|error| format!("has no object of JSON in line {}: {error}", i + 1))?;
        let (Some(Value::String(name)), Some(captions)) = (value(&object, FILES), value(&object, CAPTIONS)) else {
            return Err(format!("names no file and caption in line {}", i + 1));
        };
        let captions = match captions {
            Value::String(caption) => vec![caption],
            Value::Array(all) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => return Err(format!("has a caption in line {} that is no text", i + 1)),
        };
        let phrasing = value(&object, PHRASINGS).map(|phrasing| match phrasing {
            Value::String(phrasing) => phrasing,
            other => other.to_string(),
        });
        Ok((name, captions, phrasing))
    };
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).peekable();
    let is_other = |line: &str| {
        let object = serde_json::from_str::<Value>(line);
        object.is_ok_and(|object| value(&object, FILES).is_none() || value(&object, CAPTIONS).is_none())
    };
    if lines.peek().is_some_and(|(_, line)| is_other(line)) {
        return Vec::new();
    }
    lines.map(row).collect()
}

/// A file's text: UTF-8, or UTF-16 that says so at its beginning, as Windows writes either.
pub(super) fn decoded(bytes: &[u8]) -> Result<String, String> {
    let wide = |word: fn([u8; 2]) -> u16| {
        let words = bytes[2..].chunks_exact(2).map(|two| word([two[0], two[1]]));
        char::decode_utf16(words).collect::<Result<String, _>>().ok()
    };
    let text = match bytes {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        _ => String::from_utf8(bytes.to_vec()).ok(),
    };
    text.ok_or_else(|| "is no text in UTF-8; save it as such".to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::Layout;
    use super::*;
    use std::fs;
    use std::io::Write;
    use std::path::Path;
    use tempfile::{TempDir, tempdir};

    fn folder(files: &[(&str, &[u8])]) -> TempDir {
        let folder = tempdir().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        folder
    }

    fn read(place: &Path) -> (Vec<String>, Captions) {
        let listing = Listing::of(place, Layout::Folder, 0.0).unwrap();
        let names = listing.pictures.iter().map(|picture| picture.name().to_owned()).collect();
        (names, Captions::of(&listing))
    }

    #[test]
    fn captions_stand_in_texts_beside_the_pictures_one_a_line() {
        let utf16 = [0xff, 0xfe].into_iter().chain("blau, ü".encode_utf16().flat_map(u16::to_le_bytes));
        let utf16 = utf16.collect::<Vec<u8>>();
        let files: [(&str, &[u8]); 9] = [
            ("a.png", b""),
            ("a.txt", b"a red  disc\r\n\r\nround\na red disc\n"),
            ("sub/b.JPG", b""),
            ("sub/b.TXT", b"\xef\xbb\xbfa square"),
            ("c.webp", b""),
            ("c.txt", &utf16),
            ("d.png", b""),
            ("d.txt", b"\n \n"),
            ("README.txt", b"\xff\xff these are not about a picture"),
        ];
        let (names, found) = read(folder(&files).path());
        assert_eq!(names, ["a.png", "c.webp", "d.png", "sub/b.JPG"]);
        let all: [&[&str]; 4] = [&["a red disc", "round"], &["blau, ü"], &[], &["a square"]];
        assert_eq!(found.of, all);
        assert_eq!((found.problems.len(), found.notes.len(), found.count()), (0, 0, 4));
        let names = names.iter().map(String::as_str).collect::<Vec<_>>();
        assert_eq!(
            found.facts(&names),
            [
                "captions: 4, 1 to 2 a picture; pictures without: 1, such as d.png",
                "words in the captions: 7, 6 of them only once"
            ]
        );
    }

    #[test]
    fn captions_stand_in_tables_as_other_trainers_write_them() {
        let pictures: [(&str, &[u8]); 3] = [("train/a.png", b""), ("train/b.png", b""), ("test/c.png", b"")];
        let tables: [(&str, &str); 9] = [
            ("captions.csv", "file,caption\ntrain/a.png,\"red, and round\"\ntrain/a.png,a disc\ntest/c.png,two\n"),
            (
                "captions.csv",
                "id;Caption;File_Name\n1;red, and round;train\\a.png\n2;a disc;./train/a.png\n3;two;c.png\n",
            ),
            (
                "results.csv",
                "image_name| comment_number| comment\na.png| 0| red, and round\na.png|1|a disc\nc.png|0|two\n",
            ),
            ("captions.txt", "image,caption\na,\"red, and round\"\na,a disc\nc,two\n"),
            ("captions.tsv", "path\ttext\na.png\tred, and round\na.png\ta disc\nc.png\ttwo\n"),
            (
                "x.jsonl",
                "{\"file_name\":\"train/a.png\",\"text\":\"red, and round\"}\n\n{\"file_name\":\"a\",\"text\":\"a disc\"}\n{\"text\":[\"two\"],\"file\":\"c\"}",
            ),
            (
                "y.jsonl",
                "{\"image\":\"a.png\",\"captions\":[\"red, and round\",\"a disc\"]}\n{\"image\":\"c.png\",\"captions\":\"two\"}\n",
            ),
            ("z.csv", "file,caption\na.png,\"red, and\n round\"\na.png,a disc\nc.png,two\n"),
            (
                "captions.CSV",
                "\u{feff}file,caption\ntrain/a.png,\"red, and round\"\ntrain/a.png,a disc\ntest/c.png,two\n",
            ),
        ];
        for (name, table) in tables {
            let (names, found) = read(folder(&[pictures.as_slice(), &[(name, table.as_bytes())]].concat()).path());
            assert_eq!(names, ["test/c.png", "train/a.png", "train/b.png"]);
            let all: [&[&str]; 3] = [&["two"], &["red, and round", "a disc"], &[]];
            assert_eq!((found.of.as_slice(), found.problems.len()), (all.map(texts).as_slice(), 0), "{table}");
        }
    }

    fn texts(all: &[&str]) -> Vec<String> {
        all.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_table_is_read_relative_to_its_own_folder_and_in_a_zip() {
        let bytes: [(&str, &[u8]); 5] = [
            ("set/one/a.png", b"1"),
            ("set/two/a.png", b"2"),
            ("set/one/metadata.csv", b"file_name,text\na.png,first\n"),
            ("set/two/metadata.jsonl", b"{\"file_name\": \"a.png\", \"text\": \"second\"}"),
            ("set/list.csv", b"file,text\na.png,whose?\nb.png,nobody's\n"),
        ];
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, bytes) in bytes {
            zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        let zipped = folder(&[("set.zip", &zip.finish().unwrap().into_inner())]);
        let plain = folder(&bytes);
        for place in [zipped.path().join("set.zip"), plain.path().to_owned()] {
            let (_, found) = read(&place);
            assert_eq!(found.of, [["first"], ["second"]], "{}", place.display());
            assert_eq!(found.notes, ["set/list.csv: 2 rows name no picture here, such as a.png, b.png"]);
        }
    }

    #[test]
    fn what_is_wrong_with_a_caption_is_said_with_its_place_and_other_files_are_left() {
        let long = "x".repeat(LONGEST + 1);
        let files: [(&str, &[u8]); 7] = [
            ("a.png", b""),
            ("a.txt", b"caf\xe9"),
            ("b.png", b""),
            ("b.txt", long.as_bytes()),
            ("c.jsonl", b"{\"file\": \"b.png\", \"caption\": \"fine\"}\n{\"file\": \"b.png\", \"capt\nnothing\n{\"file\": \"b\", \"text\": 3}"),
            ("labels.csv", b"name,hair\nb.png,red\n"),
            ("log.jsonl", b"{\"step\": 1}\n{\"step\": 2}\n"),
        ];
        let (_, found) = read(folder(&files).path());
        assert_eq!(found.of, [vec![], vec!["fine".to_owned()]]);
        let starts = [
            "a.txt is no text in UTF-8; save it as such",
            "b.txt has a caption of 1001 characters; give at most 1000",
            "c.jsonl has no object of JSON in line 2: ",
            "c.jsonl has no object of JSON in line 3: ",
            "c.jsonl has a caption in line 4 that is no text",
        ];
        let problems = &found.problems;
        let right = problems.len() == starts.len() && problems.iter().zip(starts).all(|(a, b)| a.starts_with(b));
        assert!(right, "{problems:?}");
        let (_, none) = read(folder(&[("a.png", b"")]).path());
        assert_eq!((none.count(), none.facts(&["a.png"])), (0, vec![]));
    }
}
