//! What an encoder makes of sentences, computed once and kept in the cache.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::aside::write_aside;
use crate::data::{cache, fetch};
use crate::error::Result;
use crate::hash;

const MAGIC: &[u8; 16] = b"ganvas vector 1\n"; // the number changes with the format

/// Who makes vectors of sentences.
pub struct Encoder<'a> {
    /// Which it is, and by which weights: what another made is not taken for its own.
    pub id: &'a str,
    /// Numbers of a vector.
    pub width: usize,
    /// The vectors of texts, one after the other.
    pub encode: &'a dyn Fn(&[&str]) -> Result<Vec<f32>>,
}

/// A vector for each of some texts.
pub struct Vectors {
    width: usize,
    values: Vec<f32>, // [texts, width]
    rows: HashMap<String, usize>,
    /// Their file, open as long as they are in use: until then nobody removes it from the cache.
    _held: Option<File>,
}

impl Vectors {
    /// Those of these texts: from the cache, where they lie there, else computed, and written there.
    pub fn of(texts: BTreeSet<&str>, encoder: &Encoder, cache: Option<&Path>) -> Result<Self> {
        let file = cache.map(|cache| file(cache, &texts, encoder.id));
        let kept = file.as_deref().and_then(|file| read(file, texts.len() * encoder.width));
        let (values, held) = match kept {
            Some((values, held)) => (values, Some(held)),
            None => {
                let values = (encoder.encode)(&texts.iter().copied().collect::<Vec<_>>())?;
                let held = file.as_deref().and_then(|file| written(file, &values));
                (values, held)
            }
        };
        assert_eq!(values.len(), texts.len() * encoder.width, "vectors of {} texts", texts.len());
        let rows = texts.into_iter().enumerate().map(|(row, text)| (text.to_owned(), row)).collect();
        Ok(Vectors { width: encoder.width, values, rows, _held: held })
    }

    /// The vector of one of the texts. Panics for another.
    pub fn row(&self, text: &str) -> &[f32] {
        &self.values[self.rows[text] * self.width..][..self.width]
    }

    /// How many texts there are.
    pub fn count(&self) -> usize {
        self.rows.len()
    }

    /// The vector of the text at this place, in the order of their characters. Panics where there is none.
    pub fn at(&self, place: usize) -> &[f32] {
        &self.values[place * self.width..][..self.width]
    }

    /// Numbers of a vector.
    pub fn width(&self) -> usize {
        self.width
    }
}

/// Where they are kept: a file for these texts and this encoder.
fn file(cache: &Path, texts: &BTreeSet<&str>, id: &str) -> PathBuf {
    let key = hash::sha256_of([id].into_iter().chain(texts.iter().copied()).flat_map(|text| [text, "\n"]));
    cache.join(format!("{}.pack", &key[..32]))
}

/// The numbers of a file; none where it is absent or damaged.
fn read(file: &Path, count: usize) -> Option<(Vec<f32>, File)> {
    let mut file = cache::hold(File::open(file).ok()?);
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    let numbers = bytes.strip_prefix(MAGIC).filter(|numbers| numbers.len() == 4 * count + 32)?;
    let (numbers, end) = numbers.split_at(4 * count);
    let values = numbers.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]));
    (end == &hash::sha256(numbers).as_bytes()[..32]).then(|| (values.collect(), file))
}

/// The file, once the numbers are in it, if the disk lets them.
fn written(file: &Path, values: &[f32]) -> Option<File> {
    let folder = file.parent()?;
    let numbers = values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let end = hash::sha256(&numbers);
    let _ = fs::create_dir_all(folder); // the write says whether it is there
    write_aside(file, &[MAGIC.as_slice(), &numbers, &end.as_bytes()[..32]].concat(), fetch::WRITING).ok()?;
    let held = File::open(file).ok().map(cache::hold);
    if let Ok(limit) = cache::limit() {
        cache::trim(folder, limit);
    }
    held
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn vectors_are_computed_once_for_their_texts_and_their_encoder_and_again_where_the_file_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let computed = Cell::new(0);
        let encode = |texts: &[&str]| {
            computed.set(computed.get() + 1);
            Ok(texts.iter().flat_map(|text| [text.len() as f32 / 3.0, -1.0]).collect())
        };
        let of = |id: &str, texts: &[&str]| {
            let encoder = Encoder { id, width: 2, encode: &encode };
            let texts = texts.iter().copied().collect::<BTreeSet<_>>();
            let vectors = Vectors::of(texts, &encoder, Some(folder.path())).unwrap();
            assert_eq!(vectors.row("abcd"), [4.0 / 3.0, -1.0]);
            computed.get()
        };
        assert_eq!([of("one", &["b", "abcd"]), of("one", &["abcd", "b", "b"]), of("two", &["abcd", "b"])], [1, 1, 2]);
        assert_eq!([of("one", &["abcd"]), of("one", &["abcd", "b"])], [3, 3]);
        for entry in fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()) {
            let mut bytes = fs::read(&entry).unwrap();
            bytes[20] ^= 1;
            fs::write(&entry, bytes).unwrap();
        }
        assert_eq!([of("one", &["abcd", "b"]), of("one", &["abcd", "b"])], [4, 4]);
    }
}
