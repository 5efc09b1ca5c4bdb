//! The music of a folder: which files there are, what each gives, and which pieces are held out.

use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;

use super::bars::Piece;
use super::score::{Lost, Mute, Score};
use super::{Music, SEGMENT, abc, midi, musicxml};
use crate::data::images::folder::{self, File, HELD_OUT, Split};
use crate::error::{Error, Result, Unusable, listed};
use crate::hash;
use crate::shell;

const ENDINGS: [&str; 5] = ["mid", "midi", "abc", "mxl", "musicxml"];
const LARGEST: u64 = 1 << 23; // bytes of one file; music is small

/// The pieces of a folder.
pub struct Collection {
    pieces: Vec<Member>,
    /// What cannot be used, one sentence each.
    pub problems: Vec<String>,
    /// What is read and not learned from, or read in part: a sentence for each piece.
    pub lost: Vec<String>,
    files: usize,
    bars: BTreeMap<Lost, usize>,
    mute: BTreeMap<Mute, usize>,
    of_neither: usize,
}

/// A piece to learn from, or one held out.
struct Member {
    piece: Piece,
    is_held_out: bool,
    /// Of its place in the folder and its file.
    hash: String,
}

/// What is read of a piece.
struct Found {
    score: Score,
    /// What the split goes by where no folders are one.
    key: String,
    /// What follows the file's name where it has several pieces, such as ", `The Miller`".
    title: String,
    /// What of it could not be read, as sentences without their subject.
    lost: Vec<String>,
}

/// A piece, or a sentence without its subject, the file's name, that says why it cannot be read.
type Read = Result<Found, String>;

/// Whether there are files of music below a folder.
pub fn holds(place: &Path) -> bool {
    place.is_dir() && folder::walk(place, &mut Vec::new()).iter().any(|file| is_music(Path::new(file.name())))
}

fn is_music(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

impl Collection {
    /// Reads all files below a folder that are music by their names; hidden ones are passed over. Folders `train` and
    /// `held-out` (or `validation`, `val`, `test`) are the split, else the share of the settings by the hash of the files'
    /// names, or of the titles in a book of tunes. An error when there are no such files.
    pub fn of(place: &Path, music: &Music) -> Result<Self> {
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
        let split = folder::split_folders(&files, base, HELD_OUT).unwrap_or(Split::Share(music.validation_share));
        let read = files.par_iter().map(|file| {
            let (hash, found) = read(file, base);
            let melody = |found: Read| {
                found.map(|found| (found.score.melody(music.melody).map(|notes| Piece::of(&notes)), found))
            };
            (hash, found.into_iter().map(melody).collect::<Vec<_>>())
        });
        let read = read.collect::<Vec<_>>();

        let mut all = Collection {
            pieces: Vec::new(),
            problems,
            lost: Vec::new(),
            files: files.len(),
            bars: BTreeMap::new(),
            mute: BTreeMap::new(),
            of_neither: 0,
        };
        for (file, (hash, pieces)) in files.iter().zip(read) {
            for found in pieces {
                match found {
                    Ok((melody, found)) => all.add(file.name(), base, (&split, &hash), melody, found),
                    Err(why) => all.problems.push(format!("{} {why}", file.name())),
                }
            }
        }
        if matches!(split, Split::Share(_)) && all.nothing_to_learn() {
            all.pieces.iter_mut().take(1).for_each(|first| first.is_held_out = false); // something must be learned from
        }
        Ok(all)
    }

    /// Adds a piece, and what is lost of it.
    fn add(
        &mut self,
        name: &str,
        base: usize,
        (split, hash): (&Split, &str),
        melody: Result<Piece, Mute>,
        found: Found,
    ) {
        let part = split.part(if matches!(split, Split::Share(_)) { &found.key } else { &name[base..] });
        let called = format!("{name}{}", found.title);
        self.lost.extend(found.lost.iter().map(|why| format!("{called} {why}")));
        let bars = found.score.bars.len();
        let lost = found.score.lost();
        lost.iter().for_each(|(why, count)| *self.bars.entry(*why).or_default() += count);
        match melody {
            Ok(piece) if part < 2 => {
                let parts = lost.iter().filter(|(why, _)| **why != Lost::PickUp);
                let parts = parts.map(|(why, count)| format!("{count} of {bars} bars left out, {}", why.words()));
                let parts = parts.collect::<Vec<_>>().join("; ");
                if !parts.is_empty() {
                    self.lost.push(format!("{called}: {parts}"));
                }
                let hash = hash::sha256(format!("{}{}\0{hash}", &name[base..], found.title).as_bytes());
                self.pieces.push(Member { piece, is_held_out: part == 1, hash });
            }
            Ok(_) => self.of_neither += 1,
            Err(why) => {
                let way_out = if why == Mute::Polyphonic { HIGHEST } else { "" };
                self.lost.push(format!("{called}: no melody, as {}{way_out}", why.words()));
                *self.mute.entry(why).or_default() += 1;
            }
        }
    }

    /// The same where it can be learned from. One error lists what cannot be used, unless that is to be skipped.
    pub fn usable(self, place: &Path, skip_broken: bool) -> Result<Self> {
        let (pasted, shown) = (shell::path(place), place.display());
        if !self.problems.is_empty() && !skip_broken {
            return Err(Error::Unusable(Unusable {
                what: format!("{} in {shown} cannot be used", things(self.problems.len())),
                problems: self.problems,
                way_out: format!("Mend or remove them; `ganvas data check {pasted}` lists all."),
            }));
        }
        if self.nothing_to_learn() {
            let (what, why) = (self.without_music(), listed(&self.lost));
            let what = what.trim_start_matches("it ");
            return Err(Error::input(format!("{shown} {what}; `ganvas data check {pasted}` lists all{why}")));
        }
        Ok(self)
    }

    /// What there is to say when nothing is left to learn from; "it" is the folder.
    pub fn without_music(&self) -> String {
        let is_polyphonic = self.mute.contains_key(&Mute::Polyphonic);
        let way_out = if is_polyphonic { HIGHEST } else { "" };
        format!("it holds no melody in 4/4 to learn from{way_out}")
    }

    /// A hash of the pieces of a part, by their places and their files.
    pub fn fingerprint(&self, held_out: bool) -> String {
        let hashes = self.pieces.iter().filter(|member| member.is_held_out == held_out).map(|member| &member.hash);
        hash::sha256_of(hashes)
    }

    /// How many rows of bars a part has that are long enough to be measured.
    pub fn rows(&self, held_out: Option<bool>) -> usize {
        let of_part = self.pieces.iter().filter(|member| held_out.is_none_or(|wanted| wanted == member.is_held_out));
        of_part.map(|member| member.piece.segments(SEGMENT).len()).sum()
    }

    /// Whether no piece is there to learn from.
    pub fn nothing_to_learn(&self) -> bool {
        self.pieces.iter().all(|member| member.is_held_out)
    }

    /// The pieces of one part, or all.
    pub fn pieces(self, held_out: Option<bool>) -> Vec<Piece> {
        let wanted = self.pieces.into_iter();
        let wanted = wanted.filter(|member| held_out.is_none_or(|wanted| wanted == member.is_held_out));
        wanted.map(|member| member.piece).collect()
    }

    /// What there is, and what was left out.
    pub fn facts(&self) -> Vec<String> {
        let bars = |part: bool| {
            let pieces = self.pieces.iter().filter(|member| member.is_held_out == part);
            let bars = pieces.map(|member| member.piece.bars.len()).collect::<Vec<_>>();
            let rows = self.rows(Some(part));
            format!(
                "{} bars of {} melodies in 4/4, with {rows} rows of {SEGMENT} bars to measure",
                bars.iter().sum::<usize>(),
                bars.len()
            )
        };
        let mut facts = vec![format!("files: {}", self.files)];
        facts.push(format!("to learn from: {}", bars(false)));
        facts.push(format!("held out: {}", bars(true)));
        facts.extend(self.mute.iter().map(|(why, count)| {
            let way_out = if *why == Mute::Polyphonic { HIGHEST } else { "" };
            format!("without a melody, as {}, and left alone: {}{way_out}", why.words(), pieces(*count))
        }));
        if self.of_neither > 0 {
            facts.push(format!("left alone, as they belong to neither part: {}", pieces(self.of_neither)));
        }
        facts.extend(self.bars.iter().map(|(why, count)| format!("left out: {count} bars, {}", why.words())));
        facts
    }
}

/// What to do about pieces whose parts are several voices each.
const HIGHEST: &str = "; `--set data.melody=highest` takes the highest voice";

fn pieces(count: usize) -> String {
    if count == 1 { "1 piece".to_owned() } else { format!("{count} pieces") }
}

fn things(count: usize) -> String {
    if count == 1 { "1 thing".to_owned() } else { format!("{count} things") }
}

/// The hash of a file, and what it gives.
fn read(file: &File, base: usize) -> (String, Vec<Read>) {
    if file.bytes() > LARGEST {
        return (String::new(), vec![Err(format!("has {} bytes, more than music has", file.bytes()))]);
    }
    let bytes = match folder::bytes(file, &mut None) {
        Ok(bytes) => bytes,
        Err(why) => return (String::new(), vec![Err(why)]),
    };
    let hash = hash::sha256(&bytes);
    let ending = file.name().rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    let one = |score, lost| Found { score, key: file.name()[base..].to_owned(), title: String::new(), lost };
    let found = match ending.as_str() {
        "abc" => tunes(bytes),
        "mxl" | "musicxml" => vec![musicxml::score(&bytes).map(|score| one(score, Vec::new()))],
        _ => vec![midi::score(&bytes).map(|(score, lost)| one(score, lost))],
    };
    (hash, found)
}

/// The tunes of a book.
fn tunes(bytes: Vec<u8>) -> Vec<Read> {
    let tunes = abc::tunes(&abc::text(bytes));
    if tunes.is_empty() {
        return vec![Err("holds no tune, that is, no field X:".to_owned())];
    }
    let found = |tune: abc::Tune| {
        let (key, title) = (abc::plain(&tune.titles[0]), format!(", `{}`", tune.titles[0]));
        Found { score: tune.score(), key, title, lost: Vec::new() }
    };
    tunes.into_iter().map(|tune| tune.map(found)).collect()
}
