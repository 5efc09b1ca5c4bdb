//! Tensors by name of what `torch.save` makes, in its zip files and in those from before PyTorch 1.6: a state dict alone, or
//! one among an optimizer, options and whatever else a training keeps.
//!
//! The names stand in a pickle, which is a program; nobody runs it ([`program`]). Which tensors there are, and their sides, is
//! known before any of their numbers is read.

mod program;
mod storage;

use std::collections::{BTreeMap, HashMap};
use std::io::{Cursor, Read};
use std::rc::Rc;

use burn::tensor::TensorData;

use self::program::{Named, ODD, Program, SHORT, Value, number, take};
use self::storage::Place;
use crate::parts::Tensors;

/// How a file from before PyTorch 1.6 begins: a pickle of the number 0x1950a86a20f9469cfc6c.
const OLD: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
const ZIP: &[u8] = b"PK\x03\x04";
/// How many times as long as its file what is made of it may be: tensors share storages, and halves become singles.
const MOST_TIMES: usize = 16;

/// What a file holds, before any number of it is read.
pub struct Contents<'a> {
    tensors: Vec<(String, Rc<Place>)>,
    others: Vec<String>,
    file: usize,
    numbers: Numbers<'a>,
}

/// Where the numbers of the storages are, by their keys.
enum Numbers<'a> {
    /// Each is a file of this archive, in this folder.
    Zip(&'a [u8], String),
    Old(HashMap<Rc<str>, &'a [u8]>),
}

/// Whether a file's bytes begin as `torch.save`'s do.
pub fn is_pickled(bytes: &[u8]) -> bool {
    bytes.starts_with(OLD) || bytes.starts_with(ZIP)
}

/// All tensors of a file's bytes, numbers of every type as f32; or why there are none.
pub fn decode(bytes: &[u8]) -> Result<Tensors, String> {
    let contents = Contents::of(bytes)?;
    let all = (0..contents.tensors.len()).collect::<Vec<_>>();
    let names = contents.tensors.iter().map(|(name, _)| name.clone());
    Ok(names.zip(contents.read(&all)?).collect())
}

impl<'a> Contents<'a> {
    /// Of a file's bytes; or why there are no tensors in it.
    pub fn of(bytes: &'a [u8]) -> Result<Self, String> {
        let (named, numbers) = if let Some(rest) = bytes.strip_prefix(OLD) { old(rest)? } else { zipped(bytes)? };
        Ok(Contents { tensors: named.tensors, others: named.others, file: bytes.len(), numbers })
    }

    /// The tensors' names, which are the keys on the way to them with dots between, and their sides, in the order of the file.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.tensors.iter().map(|(name, place)| (name.as_str(), place.shape.as_slice()))
    }

    /// The names at the top under which there is no tensor.
    pub fn others(&self) -> &[String] {
        &self.others
    }

    /// The tensors at these places of [`Contents::tensors`], each named once, numbers of every type as f32.
    pub fn read(&self, which: &[usize]) -> Result<Vec<TensorData>, String> {
        let bytes = |at: &usize| self.tensors[*at].1.count()?.checked_mul(4);
        let all = which.iter().try_fold(0_usize, |all, at| all.checked_add(bytes(at)?));
        if all.is_none_or(|all| all / MOST_TIMES > self.file) {
            return Err("its tensors are together far longer than the file".to_owned());
        }
        let (bytes, folder) = match &self.numbers {
            Numbers::Old(storages) => {
                let read = |at: &usize| {
                    let (name, place) = &self.tensors[*at];
                    let key = &place.storage.key;
                    let numbers = storages.get(key).ok_or_else(|| format!("its {name} has no storage"))?;
                    place.tensor(name, numbers)
                };
                return which.iter().map(read).collect();
            }
            Numbers::Zip(bytes, folder) => (*bytes, folder),
        };
        let mut archive = Members::of(bytes)?;
        let mut read = BTreeMap::new();
        let mut order = which.to_vec();
        order.sort_by(|a, b| self.tensors[*a].1.storage.key.cmp(&self.tensors[*b].1.storage.key)); // each is read once
        let mut at_hand = None::<(Rc<str>, Vec<u8>)>;
        for at in order {
            let (name, place) = &self.tensors[at];
            let key = &place.storage.key;
            if at_hand.as_ref().is_none_or(|(known, _)| known != key) {
                at_hand.take(); // gone before the next one comes
                at_hand = Some((key.clone(), archive.bytes(&format!("{folder}data/{key}"))?));
            }
            if let Some((_, numbers)) = &at_hand {
                read.insert(at, place.tensor(name, numbers)?);
            }
        }
        Ok(which.iter().filter_map(|at| read.remove(at)).collect())
    }
}

/// The files in an archive, of which not much more may come than it is long: torch.save compresses nothing.
struct Members<'a> {
    archive: zip::ZipArchive<Cursor<&'a [u8]>>,
    left: u64,
}

impl<'a> Members<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, String> {
        let archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|error| error.to_string())?;
        Ok(Members { archive, left: bytes.len().saturating_mul(MOST_TIMES) as u64 })
    }

    fn bytes(&mut self, name: &str) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let member = self.archive.by_name(name).map_err(|error| format!("{name}: {error}"))?;
        member.take(self.left).read_to_end(&mut bytes).map_err(|error| format!("{name}: {error}"))?;
        self.left -= bytes.len() as u64;
        Ok(bytes)
    }
}

fn zipped(bytes: &[u8]) -> Result<(Named, Numbers<'_>), String> {
    let mut members = Members::of(bytes)?;
    let mut names = members.archive.file_names();
    let name = names.find(|name| name.ends_with("/data.pkl")).ok_or("it holds no data.pkl")?.to_owned();
    drop(names);
    let folder = name.trim_end_matches("data.pkl").to_owned();
    if members.bytes(&format!("{folder}byteorder")).is_ok_and(|order| order != b"little") {
        return Err("its numbers are not little-endian".to_owned());
    }
    let mut program = Program::default();
    let found = program.run(&mut members.bytes(&name)?.as_slice())?;
    Ok((program.named(found)?, Numbers::Zip(bytes, folder)))
}

/// What follows [`OLD`]: pickles of the version, of the machine, of what was saved and of the storages' keys; then the
/// storages, each after its count of numbers.
fn old(mut bytes: &[u8]) -> Result<(Named, Numbers<'_>), String> {
    let (bytes, mut program) = (&mut bytes, Program::default());
    let Value::Number(1001) = program.run(bytes)? else { return Err("its version is not 1001".to_owned()) };
    program.forget();
    program.run(bytes)?; // the machine
    program.forget();
    let saved = program.run(bytes)?;
    let named = program.named(saved)?;
    program.forget();
    let keys = program.run(bytes)?;
    let keys = program.items(keys).ok_or("it does not list its storages")?;
    let mut storages = HashMap::new();
    for key in keys {
        let key = program.text_of(*key).ok_or(ODD)?;
        let kind = program.kinds.get(&key).ok_or_else(|| format!("no tensor uses its storage {key}"))?;
        let count = number(bytes, 8)?;
        storages.insert(key, take(bytes, count.checked_mul(kind.size).ok_or(SHORT)?)?);
    }
    Ok((named, Numbers::Old(storages)))
}

#[cfg(test)]
mod tests;
