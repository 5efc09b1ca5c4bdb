//! What a table beside the pictures says of each, attribute by attribute, and how its captions say the same.

use super::captions::{CAPTIONS, Captions, FILES, Pictures, column, decoded, last, parted};
use super::folder::Listing;
use crate::data::described;

/// One thing that is known of a picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// What it is about, such as `hair colour`.
    pub attribute: String,
    /// What it is, such as `red`; empty where there is nothing, such as no glasses.
    pub value: String,
    /// How a caption says it, such as `long red hair`; empty where none does.
    pub phrase: String,
    /// What decides the phrase beside the value: only one of the same takes its place.
    pub rest: String,
}

impl Said {
    /// Where a caption says it, in bytes; none where it does not say it, or says it twice.
    pub fn place(&self, caption: &str) -> Option<usize> {
        let mut places = places(caption, &self.phrase);
        places.next().filter(|_| places.next().is_none())
    }

    /// The caption with another value of the attribute; none where it does not say this one.
    pub fn exchanged(&self, other: &Said, caption: &str) -> Option<String> {
        let (before, after) = caption.split_at(self.place(caption)?);
        let after = &after[self.phrase.len()..];
        // The article goes by the word after it.
        let before = match before.strip_suffix("an ").or_else(|| before.strip_suffix("a ")) {
            Some(start) if start.is_empty() || start.ends_with(' ') => {
                format!("{start}{} ", described::article(&other.phrase))
            }
            _ => before.to_owned(),
        };
        Some(format!("{before}{}{after}", other.phrase))
    }
}

/// Where whole words stand in a text, in bytes.
fn places<'a>(text: &'a str, words: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_end = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
    let found = text.match_indices(words).filter(|_| !words.is_empty());
    let whole = found.filter(move |(at, found)| {
        is_end(text[..*at].chars().next_back()) && is_end(text[at + found.len()..].chars().next())
    });
    whole.map(|(at, _)| at)
}

/// What is known of each picture of a listing: nothing where no table says it. A table has a column for the file and others, none of
/// captions.
pub(super) fn of(listing: &Listing, captions: &Captions) -> Vec<Vec<Said>> {
    let pictures = Pictures::of(listing);
    let mut found = vec![Vec::new(); listing.pictures.len()];
    for (file, bytes) in listing.texts() {
        let Ok(text) = bytes.and_then(|bytes| decoded(&bytes)) else { continue }; // the captions' reader names it
        let mut table = parted(&text);
        let Ok(head) = table.headers().cloned() else { continue };
        let (Some(of_file), None) = (column(&head, FILES), column(&head, CAPTIONS)) else { continue };
        let folder = &file[..file.len() - last(file).len()];
        let mut rows = Vec::new();
        for row in table.records().flatten() {
            if let &[picture] = pictures.named(folder, row.get(of_file).unwrap_or_default()) {
                rows.push((picture, row));
            }
        }
        let cells = |row: &csv::StringRecord| {
            let cells = head.iter().zip(row.iter()).enumerate().filter(|(at, _)| *at != of_file);
            cells.map(|(_, (name, value))| (name.trim().to_owned(), value.trim().to_owned())).collect::<Vec<_>>()
        };
        let nouns = nouns(&head, &rows, captions);
        for (picture, row) in &rows {
            let cells = cells(row);
            let said = described::said(&cells).unwrap_or_else(|| plain(&cells, &nouns));
            found[*picture].extend(said);
        }
    }
    found
}

/// The columns whose values stand before the column's first word in a caption, as `red` does before `hair`.
fn nouns(head: &csv::StringRecord, rows: &[(usize, csv::StringRecord)], captions: &Captions) -> Vec<String> {
    let is_said = |at: usize, noun: &str| {
        rows.iter().any(|(picture, row)| {
            let phrase = format!("{} {noun}", row.get(at).unwrap_or_default().trim());
            captions.of[*picture].iter().any(|caption| places(caption, &phrase).next().is_some())
        })
    };
    let columns = head.iter().enumerate();
    columns.filter(|(at, name)| is_said(*at, first_word(name))).map(|(_, name)| name.trim().to_owned()).collect()
}

fn first_word(column: &str) -> &str {
    column.trim().split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default()
}

/// The cells of a table whose values are the captions' own words.
fn plain(cells: &[(String, String)], nouns: &[String]) -> Vec<Said> {
    let said = cells.iter().map(|(column, value)| {
        let phrase = match value.is_empty() || !nouns.contains(column) {
            true => value.clone(),
            false => format!("{value} {}", first_word(column)),
        };
        Said { attribute: column.replace('_', " "), value: value.clone(), phrase, rest: String::new() }
    });
    said.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(value: &str, phrase: &str) -> Said {
        Said { attribute: "hair".into(), value: value.into(), phrase: phrase.into(), rest: String::new() }
    }

    #[test]
    fn a_caption_says_whole_words_and_takes_others_in_their_place() {
        let red = said("red", "red hair");
        assert_eq!(red.place("a face with red hair"), Some(12));
        for other in ["a face with red hairs", "a face with dark-ored hair", "red hair and red hair", ""] {
            assert_eq!(red.place(other), None, "{other}");
        }
        let changed = red.exchanged(&said("auburn", "auburn hair"), "a red hair, a face");
        assert_eq!(changed.as_deref(), Some("an auburn hair, a face"));
        assert_eq!(said("old", "old").exchanged(&said("young", "young"), "an old man").as_deref(), Some("a young man"));
        assert_eq!(
            said("old", "old").exchanged(&said("young", "young"), "a banana old"),
            Some("a banana young".into())
        );
        assert_eq!(said("", "").exchanged(&red, "a face"), None, "what is not said cannot be exchanged");
    }

    #[test]
    fn a_table_says_attributes_in_the_words_of_the_captions() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("a.png", "");
        write("b.png", "");
        write("a.txt", "a face with red hair\n");
        write("b.txt", "brown hair, tall\n");
        write("labels.csv", "file;hair_colour;size\na.png; red ;\nb.png;brown;tall\nc.png;blue;\n");
        let listing = Listing::of(folder.path(), super::super::Layout::Folder, 0.0).unwrap();
        let found = of(&listing, &Captions::of(&listing));
        let shown = |said: &Said| [&said.attribute, &said.value, &said.phrase].map(Clone::clone).join("|");
        let found = found.iter().map(|all| all.iter().map(shown).collect::<Vec<_>>()).collect::<Vec<_>>();
        assert_eq!(found, [["hair colour|red|red hair", "size||"], ["hair colour|brown|brown hair", "size|tall|tall"]],);
    }
}
