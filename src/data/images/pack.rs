//! The pictures of a folder as one file of bytes in the cache, so that they are decoded once.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::aside::write_aside;
use crate::data::{cache, fetch};
use crate::hash;

use super::{Decoded, Shape};

const MAGIC: &[u8; 16] = b"ganvas pack 2\n\0\0"; // the number changes with the format and with how pictures are made

/// The pictures of one part or of all.
pub struct Pack {
    fingerprint: String,
    /// Of every picture.
    pub shape: Shape,
    /// `[n]`.
    pub labels: Vec<u32>,
    trained: usize,  // how many come before those held out
    pixels: Vec<u8>, // [n, channels, side, side]
    /// A hash of the files of those to learn from, and of those held out.
    contents: [String; 2],
    /// What there is to know of them.
    pub remarks: Vec<String>,
    /// Its file, open as long as the pictures are in use: until then nobody removes it from the cache.
    held: Option<File>,
}

/// What stands before the pixels.
#[derive(Serialize, Deserialize)]
struct Header {
    fingerprint: String,
    channels: usize,
    side: usize,
    trained: usize,
    labels: Vec<u32>,
    contents: [String; 2],
    remarks: Vec<String>,
}

/// Where the pack of a folder is: one file for one folder and its settings, written anew when the folder changes.
pub fn file(cache: &Path, place: &Path, settings: &str) -> PathBuf {
    let place = fs::canonicalize(place).unwrap_or_else(|_| place.to_owned());
    let mut key = place.into_os_string().into_encoded_bytes();
    key.extend(settings.bytes());
    cache.join(format!("{}.pack", &hash::sha256(&key)[..32]))
}

impl Pack {
    /// Packs pictures, those to learn from first.
    pub fn of(Decoded { mut items, remarks }: Decoded, fingerprint: String, shape: Shape) -> Self {
        items.sort_by_key(|item| item.held_out); // stable
        let of_part = |held_out| items.iter().filter(move |item| item.held_out == held_out);
        let contents = [false, true].map(|held_out| hash::sha256_of(of_part(held_out).map(|item| item.hash)));
        let trained = items.iter().filter(|item| !item.held_out).count();
        let labels = items.iter().map(|item| item.label).collect();
        let mut pixels = Vec::with_capacity(items.len() * size(shape));
        items.into_iter().for_each(|item| pixels.extend(item.pixels));
        Pack { fingerprint, shape, labels, trained, pixels, contents, remarks, held: None }
    }

    /// Only the pictures held out, or only the others.
    pub fn part(mut self, held_out: bool) -> Self {
        let at = self.trained * size(self.shape);
        if held_out {
            self.pixels.drain(..at);
            self.labels.drain(..self.trained);
        } else {
            self.pixels.truncate(at);
            self.labels.truncate(self.trained);
        }
        self.pixels.shrink_to_fit();
        self
    }

    /// A hash of the files of one part, by their names and what is in them.
    pub fn contents(&self, held_out: bool) -> &str {
        &self.contents[usize::from(held_out)]
    }

    /// One picture, `[channels, side, side]`.
    pub fn picture(&self, index: usize) -> &[u8] {
        let size = size(self.shape);
        &self.pixels[index * size..][..size]
    }

    /// One part of a pack, from its file; `None` when it is absent, damaged, or of a folder that has changed since.
    pub fn read(file: &Path, fingerprint: &str, shape: Shape, held_out: bool) -> Option<Self> {
        let mut file = cache::hold(File::open(file).ok()?);
        let length = file.metadata().ok()?.len();
        let (mut magic, mut size_of_header) = ([0; 16], [0; 8]);
        file.read_exact(&mut magic).ok()?;
        file.read_exact(&mut size_of_header).ok()?;
        let start = u64::from_le_bytes(size_of_header).checked_add(24).filter(|start| *start <= length)?;
        if &magic != MAGIC {
            return None;
        }
        let mut header = vec![0; (start - 24) as usize];
        file.read_exact(&mut header).ok()?;
        let header = serde_json::from_slice::<Header>(&header).ok()?;
        let Header { trained, mut labels, contents, remarks, .. } = header;
        let same = header.fingerprint == fingerprint && (header.channels, header.side) == (shape.channels, shape.side);
        let size = size(shape) as u64;
        if !same || trained > labels.len() || length != start + size * labels.len() as u64 {
            return None;
        }
        let first = if held_out { trained } else { 0 };
        if held_out {
            labels.drain(..trained);
        } else {
            labels.truncate(trained);
        }
        let mut pixels = vec![0; size as usize * labels.len()];
        file.seek(SeekFrom::Start(start + size * first as u64)).ok()?;
        file.read_exact(&mut pixels).ok()?;
        let fingerprint = header.fingerprint;
        Some(Pack { fingerprint, shape, labels, trained, pixels, contents, remarks, held: Some(file) })
    }

    /// Writes the whole pack, if the disk lets it, and makes room for it: packs that were not used for longest go.
    pub fn write(&mut self, file: &Path) {
        let Shape { channels, side } = self.shape;
        let (fingerprint, labels) = (self.fingerprint.clone(), self.labels.clone());
        let (contents, remarks) = (self.contents.clone(), self.remarks.clone());
        let header = Header { fingerprint, channels, side, trained: self.trained, labels, contents, remarks };
        let Ok(header) = serde_json::to_vec(&header) else { return };
        let length = (header.len() as u64).to_le_bytes();
        let bytes = [MAGIC.as_slice(), &length, &header, &self.pixels].concat();
        if let Some(folder) = file.parent() {
            let _ = fs::create_dir_all(folder); // the write says whether it is there
        }
        let _ = write_aside(file, &bytes, fetch::WRITING); // a full disk costs time, not the run
        self.held = File::open(file).ok().map(cache::hold);
        if let (Some(folder), Ok(limit)) = (file.parent(), cache::limit()) {
            cache::trim(folder, limit);
        }
    }
}

/// Bytes of one picture.
fn size(shape: Shape) -> usize {
    shape.channels * shape.side * shape.side
}
