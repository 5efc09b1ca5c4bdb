//! The set `folk`: dance tunes and airs of three old books, out of the PyPI package music21, as MIDI files with derived
//! chords.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use super::abc::{self, Tune};
use super::bars::{Piece, STEPS};
use super::score::{Lost, Melody};
use crate::data::drawn::{Drawn, Folder, csv};
use crate::data::fetch::{self, Archive, Client};
use crate::error::{Error, Result};
use crate::media::Notes;
use crate::report::{Progress, Report};

const NAME: &str = "folk";
/// The package that the tunes are of.
pub const MUSIC21: Archive = Archive {
    client: Client::Pip,
    package: "music21==10.5.1",
    file: "music21-10.5.1-py3-none-any.whl",
    sha256: "dc3309498c4c95cebdf8d4f20c868deb6b63bce1d929cad4f51a7ccc982987b1",
    purpose: "which the tunes are of",
};
const CORPUS: &str = "music21/corpus/";
const PARTS: [&str; 2] = ["train", "held-out"];
const LARGEST: u64 = 1 << 24; // bytes of one member
const AT_ONCE: usize = 64; // tunes between two reports

/// The books: their folders in the package, what their tunes' files begin with, and what they are.
const BOOKS: [[&str; 3]; 3] = [
    ["oneills1850", "oneills", "O'Neill's Music of Ireland"],
    ["ryansMammoth", "ryans", "Ryan's Mammoth Collection"],
    ["airdsAirs", "airds", "Aird's Airs"],
];

const LICENCE: &str = "\
Tunes of O'Neill's Music of Ireland (1903), Ryan's Mammoth Collection (1883) and Aird's Selection of
Airs (1778 to 1801), out of the corpus of music21 10.5.1.

Of what it encodes, the package's corpus/license.txt says that
they \"are distributed with the permission of the encoders\", that to the best of its authors'
knowledge everything in the corpus is \"either out of copyright in the United States or is licensed
for use\", and that some encodings \"may not be used for commercial uses or have other restrictions\".
The files of these three books state no terms of their own.

Transcribed into ABC: O'Neill's by Henrik Norbeck, Bob Safranek, John Chambers, Trish O'Neil, Dan G.
Petersen, Michael Hogan, Stephen Foy, John Walsh, Chris Falt, Dave Wooldridge, Norbert Paap, Tom
Keays, Robert Thorpe, A. Lee Worman, Michael D. Long, Nick Terhorst and others; Ryan's by Ray
Davies, John Chambers, Bob Puckette, Ivan Bradley and others; Aird's by Jack Campin, 2009.

Changed here: the tunes in 4/4 alone, in sixteen steps a bar, without pick-ups, grace notes and
repeats. The chords stand in no book: they are derived from the melodies.
";

/// Where the tunes live unless the user says otherwise: `folk` in the cache.
pub fn default_dir() -> Result<PathBuf> {
    Ok(fetch::cache_dir()?.join(NAME))
}

/// Makes the tunes present in a folder: `train` and `held-out` with a MIDI file for each, melody and derived chords,
/// `labels.csv`, `LICENCE.txt`. Tunes that share a title, or half of their bars, lie in one part; a tenth of such
/// families is held out. An error when the package cannot be fetched or the folder is in use.
pub fn fetch(dir: &Path, report: Report<'_>) -> Result<()> {
    let drawn = Drawn {
        name: NAME,
        items: "tunes",
        parts: &PARTS,
        release: format!("{NAME}, release 1: tunes of {}", MUSIC21.package),
    };
    if drawn.whole(dir) {
        return Ok(());
    }
    let wheel = MUSIC21.bytes(report)?;
    let (tunes, _) = tunes(&wheel)?;
    drawn.make(dir, |folder| fill(folder, &tunes, report))
}

/// A tune of the set.
struct Chosen {
    book: usize,
    tune: Tune,
    notes: Notes,
    part: &'static str,
}

/// What of the books is not in the set.
#[derive(Debug, Default, PartialEq, Eq)]
struct Left {
    /// Tunes that cannot be read.
    unreadable: usize,
    /// Tunes in other metres.
    metre: usize,
    /// Tunes that are there already, in another's transcription or under another title.
    again: usize,
    /// Tunes no bar of which is left.
    empty: usize,
    /// Measures of the tunes that are in the set.
    bars: BTreeMap<Lost, usize>,
}

/// The files of the package below a folder of its corpus that have an ending, by their names.
pub fn corpus(wheel: &[u8], folder: &str, ending: &str) -> Result<BTreeMap<String, Vec<u8>>> {
    let broken = |why: String| Error::failed(format!("{} is broken: {why}", MUSIC21.file));
    let mut wheel = zip::ZipArchive::new(Cursor::new(wheel)).map_err(|error| broken(error.to_string()))?;
    let start = format!("{CORPUS}{folder}/");
    let wanted = |name: &&str| name.starts_with(&start) && name.ends_with(ending);
    let names = wheel.file_names().filter(wanted).map(str::to_owned).collect::<Vec<_>>();
    let files = names.into_iter().map(|name| {
        let mut bytes = Vec::new();
        let member = wheel.by_name(&name).map_err(|error| broken(error.to_string()))?;
        member.take(LARGEST).read_to_end(&mut bytes).map_err(|error| broken(error.to_string()))?;
        Ok((name[start.len()..].to_owned(), bytes))
    });
    files.collect()
}

/// The tunes of the set, in the order of the books, and what is left out.
fn tunes(wheel: &[u8]) -> Result<(Vec<Chosen>, Left)> {
    let (mut chosen, mut left) = (Vec::<Chosen>::new(), Left::default());
    let (mut numbers, mut melodies) = (HashSet::new(), HashSet::new());
    for (book, [folder, ..]) in BOOKS.iter().enumerate() {
        for bytes in corpus(wheel, folder, ".abc")?.into_values() {
            for tune in abc::tunes(&abc::text(bytes)) {
                let Ok(tune) = tune else {
                    left.unreadable += 1;
                    continue;
                };
                if !tune.in_four {
                    left.metre += 1;
                    continue;
                }
                let score = tune.score();
                let Ok(notes) = score.melody(Melody::OneVoice) else {
                    left.empty += 1;
                    continue;
                };
                // Parts of O'Neill's were transcribed twice.
                let is_new = numbers.insert((book, tune.number.clone(), abc::plain(&tune.titles[0])));
                let melody = notes.notes.iter().map(|note| (note.start, note.length, note.pitch)).collect::<Vec<_>>();
                if !melodies.insert(melody) || !is_new {
                    left.again += 1;
                    continue;
                }
                score.lost().into_iter().for_each(|(why, count)| *left.bars.entry(why).or_default() += count);
                chosen.push(Chosen { book, tune, notes, part: PARTS[0] });
            }
        }
    }
    for (at, first) in families(&chosen).into_iter().enumerate() {
        let family = abc::plain(&chosen[first].tune.titles[0]);
        chosen[at].part = PARTS[usize::from(fetch::lot(&family, 10) == 0)];
    }
    Ok((chosen, left))
}

/// For each tune the first of its family: of all that it is connected with by a common title, or by at least half of
/// the bars of the shorter tune, in whatever key.
fn families(tunes: &[Chosen]) -> Vec<usize> {
    fn first(family: &[usize], mut of: usize) -> usize {
        while family[of] != of {
            of = family[of];
        }
        of
    }
    let mut family = (0..tunes.len()).collect::<Vec<_>>();
    let mut join = |a: usize, b: usize| {
        let (a, b) = (first(&family, a), first(&family, b));
        family[a.max(b)] = a.min(b);
    };

    let mut titled = HashMap::new();
    for (at, tune) in tunes.iter().enumerate() {
        for title in &tune.tune.titles {
            join(at, *titled.entry(abc::plain(title)).or_insert(at));
        }
    }
    let shapes = tunes.iter().map(|tune| shapes(&tune.notes)).collect::<Vec<_>>();
    let mut tunes_with = HashMap::<&Shape, Vec<usize>>::new();
    for (at, own) in shapes.iter().enumerate() {
        let mut common = HashMap::<usize, usize>::new();
        for shape in own {
            let others = tunes_with.entry(shape).or_default();
            others.iter().for_each(|other| *common.entry(*other).or_default() += 1);
            others.push(at);
        }
        for (other, bars) in common {
            if 2 * bars >= own.len().min(shapes[other].len()) {
                join(at, other);
            }
        }
    }
    (0..tunes.len()).map(|at| first(&family, at)).collect()
}

/// The pitches of a bar above its first.
type Shape = [i16; STEPS];

/// The bars of a melody, without those of one or two pitches, which are everybody's.
fn shapes(notes: &Notes) -> BTreeSet<Shape> {
    let bars = Piece::of(notes).bars.into_iter();
    let telling = bars.filter(|bar| bar.iter().collect::<HashSet<_>>().len() > 2);
    telling.map(|bar| bar.map(|pitch| i16::from(pitch) - i16::from(bar[0]))).collect()
}

/// Writes the tunes and what is told about them.
fn fill(folder: &mut Folder, tunes: &[Chosen], report: Report<'_>) -> Result<()> {
    let (mut rows, mut numbers) = (Vec::new(), [0; BOOKS.len()]);
    for (at, Chosen { book, tune, notes, part }) in tunes.iter().enumerate() {
        if at % AT_ONCE == 0 {
            report(Progress { what: "writing folk", done: at as u64, total: Some(tunes.len() as u64) });
        }
        let [_, start, title] = BOOKS[*book];
        numbers[*book] += 1;
        let name = format!("{part}/{start}-{:04}-{}.mid", numbers[*book], slug(&tune.titles[0]));
        folder.item(&name, &notes.to_midi(&format!("{} (chords derived)", tune.titles[0]))?)?;
        let bars = notes.chords.len().to_string(); // those that sound
        rows.push([name, tune.titles[0].clone(), title.to_owned(), tune.number.clone(), tune.key.clone(), bars]);
    }
    let head = [vec!["file", "title", "source", "number", "key", "bars"]];
    let rows = rows.iter().map(|row| row.iter().map(String::as_str).collect());
    folder.write("labels.csv", csv(head.into_iter().chain(rows)).as_bytes())?;
    folder.write("LICENCE.txt", LICENCE.as_bytes())
}

/// A title as a part of a file's name.
fn slug(title: &str) -> String {
    let words = title.split(|c: char| !c.is_ascii_alphanumeric() && c != '\'').filter(|word| !word.is_empty());
    let slug = words.map(|word| word.replace('\'', "").to_ascii_lowercase()).collect::<Vec<_>>().join("-");
    slug.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::Value;
    use tempfile::tempdir;

    use super::*;
    use crate::data::music::score::WHOLE;
    use crate::data::music::{chords, midi, musicxml};

    const GOLDEN: &str = include_str!("../../../tests/golden/music.json");
    const UNIT: u64 = WHOLE / 192; // of the golden file

    /// Needs music21 in the cache, or pip and a network, as the tests below do.
    fn wheel() -> Vec<u8> {
        MUSIC21.bytes(&mut |_| ()).unwrap()
    }

    /// How long each pitch class sounds, as one bar.
    fn sounding(tones: impl Iterator<Item = (u8, u64)>) -> [u64; 12] {
        tones.fold([0; 12], |mut sum, (pitch, length)| {
            sum[usize::from(pitch % 12)] += length;
            sum
        })
    }

    fn key_of(facts: &Value) -> String {
        let name = facts["key"].as_str().unwrap().replace('-', "b");
        name.replace(" major", "").replace(" minor", "m").parse::<crate::media::Chord>().unwrap().to_string()
    }

    #[test]
    #[ignore = "needs pip"]
    fn tunes_are_read_as_music21_itself_reads_them() {
        let wheel = wheel();
        let golden = serde_json::from_str::<Value>(GOLDEN).unwrap();
        for facts in golden["tunes"].as_array().unwrap() {
            let text = |name: &str| facts[name].as_str().unwrap();
            let book = corpus(&wheel, text("book"), text("file")).unwrap().into_values().next().unwrap();
            let found = abc::tunes(&abc::text(book)).into_iter().flatten().find(|tune| tune.number == text("number"));
            let tune = found.unwrap();
            let mut measures = vec![Vec::new(); tune.measures.len()];
            for tone in &tune.tones {
                measures[tone.measure].extend([u64::from(tone.pitch), tone.start / UNIT, tone.length / UNIT]);
            }
            measures.retain(|measure| !measure.is_empty());
            assert_eq!(
                serde_json::to_value(&measures).unwrap(),
                facts["measures"],
                "{} {}",
                text("file"),
                text("number")
            );
            let key = chords::key(&[sounding(tune.tones.iter().map(|tone| (tone.pitch, tone.length)))]).unwrap();
            assert_eq!(key.to_string(), key_of(facts), "{}", tune.titles[0]);
        }
    }

    #[test]
    #[ignore = "needs pip"]
    fn a_chorale_is_read_as_music21_itself_reads_it() {
        let golden = &serde_json::from_str::<Value>(GOLDEN).unwrap()["chorale"];
        let bytes = corpus(&wheel(), "bach", "/bwv66.6.mxl").unwrap();
        let score = musicxml::score(&bytes["bwv66.6.mxl"]).unwrap();
        for (tones, measures) in score.parts.iter().zip(golden["parts"].as_array().unwrap()) {
            // Tones in exact time, those that are tied as one.
            let (mut expected, mut start) = (Vec::<[u64; 3]>::new(), 0);
            for (measure, bar) in measures.as_array().unwrap().iter().zip(&score.bars) {
                let numbers =
                    measure.as_array().unwrap().iter().map(|number| number.as_u64().unwrap()).collect::<Vec<_>>();
                expected.extend(numbers.chunks(3).map(|tone| [tone[0], start + tone[1], tone[2]]));
                start += bar.length / UNIT;
            }
            let found =
                tones.iter().map(|tone| [u64::from(tone.pitch), tone.start / UNIT, (tone.end - tone.start) / UNIT]);
            assert_eq!(found.collect::<Vec<_>>(), expected);
        }
        let tones = score.parts.iter().flatten().map(|tone| (tone.pitch, tone.end - tone.start));
        assert_eq!(chords::key(&[sounding(tones)]).unwrap().to_string(), key_of(golden));
    }

    #[test]
    #[ignore = "needs pip"]
    fn the_books_give_these_tunes_and_lose_these_bars() {
        let (tunes, left) = tunes(&wheel()).unwrap();
        let of_book = |book| tunes.iter().filter(|tune| tune.book == book).count();
        assert_eq!([0, 1, 2].map(of_book), [739, 352, 506]);
        let held = tunes.iter().filter(|tune| tune.part == PARTS[1]).count();
        assert_eq!(held, 163);
        let bars = tunes.iter().map(|tune| tune.notes.chords.len()).sum::<usize>();
        assert_eq!(bars, 24_429);
        let lost = left.bars.iter().filter(|(why, _)| **why != Lost::PickUp).map(|(_, count)| count).sum::<usize>();
        assert!(100 * lost < bars + lost, "{left:?}");
    }

    #[test]
    #[ignore = "needs pip"]
    fn no_title_and_no_melody_lies_in_both_parts() {
        let (tunes, _) = tunes(&wheel()).unwrap();
        let (mut parts, mut bars) = (HashMap::new(), HashMap::new());
        for tune in &tunes {
            for title in &tune.tune.titles {
                assert_eq!(*parts.entry(abc::plain(title)).or_insert(tune.part), tune.part, "{title}");
            }
            let shapes = shapes(&tune.notes);
            if shapes.len() >= 4 {
                assert_eq!(*bars.entry(shapes).or_insert(tune.part), tune.part, "{:?}", tune.tune.titles);
            }
        }
        let mut sizes = HashMap::<usize, usize>::new();
        families(&tunes).into_iter().for_each(|first| *sizes.entry(first).or_default() += 1);
        assert!(sizes.values().all(|size| *size < 60), "{:?}", sizes.values().max());
    }

    /// A tune with the melody of this music.
    fn chosen(titles: &[&str], music: &str) -> Chosen {
        let titles = titles.iter().map(|title| format!("T:{title}\n")).collect::<String>();
        let tune = abc::tunes(&format!("X:1\n{titles}M:C\nL:1/8\nK:C\n{music}\n")).remove(0).unwrap();
        let notes = tune.score().melody(Melody::OneVoice).unwrap();
        Chosen { book: 1, tune, notes, part: PARTS[0] }
    }

    #[test]
    fn tunes_are_of_one_family_by_their_titles_or_their_bars() {
        let tunes = [
            chosen(&["The Miller"], "CDEF GABc|"),
            chosen(&["Dusty Miller", "Kitty"], "cBAG FEDC|"),
            chosen(&["Lass"], "C2E2 G2c2|"),
            chosen(&["Kitty -- Reel", "MILLER"], "ccdd eeff|"),
            chosen(&["Another"], "D2^F2 A2d2|e2c2 A2E2|"),
            chosen(&["Alone"], "C4 D4|C8|"),
            chosen(&["Apart"], "C4 D4|D8|"),
        ];
        assert_eq!(families(&tunes), [0, 0, 2, 0, 2, 5, 6]);
    }

    #[test]
    fn the_set_is_a_folder_of_midi_files_with_their_labels_and_is_made_once() {
        let folder = tempdir().unwrap();
        let dir = folder.path().join("folk");
        let tunes =
            [chosen(&["O'Neill's, \"The\""], "CDEF GABc|c8|"), Chosen { part: PARTS[1], ..chosen(&["Bee"], "B8|") }];
        let drawn = Drawn { name: NAME, items: "tunes", parts: &PARTS, release: "made up".into() };
        drawn.make(&dir, |folder| fill(folder, &tunes, &mut |_| ())).unwrap();
        assert!(drawn.whole(&dir));
        let labels = fs::read_to_string(dir.join("labels.csv")).unwrap();
        let rows = [
            "file,title,source,number,key,bars",
            "train/ryans-0001-oneills-the.mid,\"O'Neill's, \"\"The\"\"\",Ryan's Mammoth Collection,1,C major,2",
            "held-out/ryans-0002-bee.mid,Bee,Ryan's Mammoth Collection,1,C major,1",
        ];
        assert_eq!(labels.lines().collect::<Vec<_>>(), rows);
        let licence = fs::read_to_string(dir.join("LICENCE.txt")).unwrap();
        assert!(licence.contains("chords stand in no book: they are derived"));
        let (read, _) = midi::score(&fs::read(dir.join("train/ryans-0001-oneills-the.mid")).unwrap()).unwrap();
        assert_eq!(read.melody(Melody::OneVoice).unwrap(), tunes[0].notes);
    }
}
