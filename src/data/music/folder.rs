//! The music of a folder: which files there are, what each gives, and which pieces are held out.

use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;

use super::bars::Piece;
use super::score::{Lost, Score};
use super::{abc, midi, musicxml};
use crate::data::images::folder::{self, File, HELD_OUT, Split};
use crate::data::images::listed;
use crate::error::{Error, Result};
use crate::shell;

const ENDINGS: [&str; 5] = ["mid", "midi", "abc", "mxl", "musicxml"];
const LARGEST: u64 = 1 << 23; // bytes of one file; music is small

/// The pieces of a folder.
pub struct Collection {
    /// Each with whether it is held out.
    pieces: Vec<(Piece, bool)>,
    /// What cannot be used, one sentence each.
    pub problems: Vec<String>,
    files: usize,
    lost: BTreeMap<Lost, usize>,
    without_melody: usize,
    of_neither: usize,
}

/// A piece that was read, or a sentence without its subject, the file's name, that says why not. The text is what the
/// split goes by where no folders are one.
type Read = Result<(String, Score), String>;

/// Whether there are files of music below a folder.
pub fn holds(place: &Path) -> bool {
    place.is_dir() && folder::walk(place, &mut Vec::new()).iter().any(|file| is_music(Path::new(file.name())))
}

fn is_music(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

impl Collection {
    /// Reads all files below a folder that are music by their names; hidden ones are passed over. Folders `train` and
    /// `held-out` (or `validation`, `val`, `test`) are the split, else a `share` by the hash of the files' names, or of
    /// the titles in a book of tunes. An error when there are no such files.
    pub fn of(place: &Path, share: f64) -> Result<Self> {
        if !place.is_dir() {
            return Err(Error::input(format!("{} is no folder; give a folder of music", place.display())));
        }
        let mut problems = Vec::new();
        let mut files = folder::walk(place, &mut problems);
        files.retain(|file| is_music(Path::new(file.name())));
        files.sort_by(|a, b| a.name().cmp(b.name()));
        if files.is_empty() {
            let (place, endings) = (place.display(), ENDINGS.join(", ."));
            return Err(Error::input(format!("{place} holds no music, that is, no files named .{endings}")));
        }
        let base = folder::wrapping(&files);
        let split = folder::split_folders(&files, base, HELD_OUT).unwrap_or(Split::Share(share));
        let melody =
            |read: Read| read.map(|(key, score)| (key, score.lost(), score.melody().map(|notes| Piece::of(&notes))));
        let read = files.par_iter().map(|file| read(file, base).into_iter().map(melody).collect::<Vec<_>>());
        let read = read.collect::<Vec<_>>();

        let (mut pieces, mut all_lost, mut without_melody, mut of_neither) = (Vec::new(), BTreeMap::new(), 0, 0);
        for (file, found) in files.iter().zip(read) {
            for found in found {
                let (key, lost, piece) = match found {
                    Ok(found) => found,
                    Err(why) => {
                        problems.push(format!("{} {why}", file.name()));
                        continue;
                    }
                };
                lost.into_iter().for_each(|(why, count)| *all_lost.entry(why).or_default() += count);
                let part = split.part(if matches!(split, Split::Share(_)) { &key } else { &file.name()[base..] });
                match piece {
                    Some(piece) if part < 2 => pieces.push((piece, part == 1)),
                    Some(_) => of_neither += 1,
                    None => without_melody += 1,
                }
            }
        }
        if matches!(split, Split::Share(_)) && pieces.iter().all(|(_, held_out)| *held_out) {
            pieces.iter_mut().take(1).for_each(|(_, held_out)| *held_out = false); // something must be learned from
        }
        Ok(Collection { pieces, problems, files: files.len(), lost: all_lost, without_melody, of_neither })
    }

    /// The same where it can be learned from. One error lists what cannot be used, unless that is to be skipped.
    pub fn usable(self, place: &Path, skip_broken: bool) -> Result<Self> {
        let (pasted, place, problems) = (shell::path(place), place.display(), &self.problems);
        if !problems.is_empty() && !skip_broken {
            return Err(Error::input(format!(
                "{} things in {place} cannot be used:{}\n`--set data.skip_broken=true` goes on without them; \
                 `ganvas data check {pasted}` lists all",
                problems.len(),
                listed(problems),
            )));
        }
        if self.nothing_to_learn() {
            return Err(Error::input(format!(
                "{place} holds no melody in 4/4 to learn from; see `ganvas data check {pasted}`"
            )));
        }
        Ok(self)
    }

    /// Whether no piece is there to learn from.
    pub fn nothing_to_learn(&self) -> bool {
        self.pieces.iter().all(|(_, held_out)| *held_out)
    }

    /// The pieces of one part, or all.
    pub fn pieces(self, held_out: Option<bool>) -> Vec<Piece> {
        let wanted = self.pieces.into_iter().filter(|(_, held)| held_out.is_none_or(|wanted| wanted == *held));
        wanted.map(|(piece, _)| piece).collect()
    }

    /// What there is, and what was left out.
    pub fn facts(&self) -> Vec<String> {
        let bars = |part: bool| {
            let pieces =
                self.pieces.iter().filter(|(_, held_out)| *held_out == part).map(|(piece, _)| piece.bars.len());
            let bars = pieces.collect::<Vec<_>>();
            format!("{} bars of {} melodies in 4/4", bars.iter().sum::<usize>(), bars.len())
        };
        let mut facts = vec![format!("files: {}", self.files)];
        facts.push(format!("to learn from: {}", bars(false)));
        facts.push(format!("held out: {}", bars(true)));
        if self.without_melody > 0 {
            facts.push(format!("without a melody in 4/4, and left alone: {} pieces", self.without_melody));
        }
        if self.of_neither > 0 {
            facts.push(format!("left alone, as they belong to neither part: {} pieces", self.of_neither));
        }
        facts.extend(self.lost.iter().map(|(why, count)| {
            let why = match why {
                Lost::Metre => "not in 4/4",
                Lost::PickUp => "pick-ups",
                Lost::Sum => "whose notes do not add up",
                Lost::Unclear => "in which something was not understood",
            };
            format!("left out: {count} bars, {why}")
        }));
        facts
    }
}

/// What a file gives.
fn read(file: &File, base: usize) -> Vec<Read> {
    if file.bytes() > LARGEST {
        return vec![Err(format!("has {} bytes, more than music has", file.bytes()))];
    }
    let bytes = match folder::bytes(file, &mut None) {
        Ok(bytes) => bytes,
        Err(why) => return vec![Err(why)],
    };
    let key = || file.name()[base..].to_owned();
    let ending = file.name().rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    match ending.as_str() {
        "abc" => match abc::tunes(&abc::text(bytes)) {
            tunes if tunes.is_empty() => vec![Err("holds no tune, that is, no field X:".to_owned())],
            tunes => {
                tunes.into_iter().map(|tune| tune.map(|tune| (abc::plain(&tune.titles[0]), tune.score()))).collect()
            }
        },
        "mxl" | "musicxml" => vec![musicxml::score(&bytes).map(|score| (key(), score))],
        _ => vec![midi::score(&bytes).map(|score| (key(), score))],
    }
}
