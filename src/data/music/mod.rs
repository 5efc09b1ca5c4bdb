//! Melodies with chords to learn from: folders of music in MIDI files, ABC or MusicXML, and batches of their bars.

pub mod abc;
mod bars;
pub mod chords;
mod folder;
pub mod folk;
pub mod midi;
pub mod musicxml;
pub mod score;
pub mod smf;

pub use bars::{Bar, HIGHEST, LOWEST, STEPS, notes};
pub use folder::holds;
pub use score::Melody;

use std::path::{Path, PathBuf};

use burn::tensor::TensorData;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::bars::Piece;
use self::folder::Collection;
use crate::data::place_of;
use crate::data::source::{Asked, Drawing, Order, Sampling, Source, Split};
use crate::error::{Error, Result};
use crate::media::{Chord, Media, Notes};
use crate::request::{Batch, Example, Sample, Value};

/// Bars of a segment that music is measured in.
const SEGMENT: usize = 8;
const KEYS: usize = 12;

/// The music a recipe learns from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Music {
    /// Folder of music (.mid, .midi, .abc, .mxl, .musicxml); empty for the recipe's own set, fetched once into the
    /// cache.
    pub path: PathBuf,
    /// Whether to go on without the files that cannot be used, instead of stopping before the first step.
    pub skip_broken: bool,
    /// Share of the pieces to hold out, where the folder does not say by its own subfolders (train, held-out).
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub validation_share: f64,
    /// Whether to learn every bar in all twelve keys.
    pub transpose: bool,
    /// Where the melody is looked for: one_voice, in the parts that are one voice; or highest, where no part is, as of a
    /// piano on one channel, the highest voice of the highest part, too.
    pub melody: Melody,
}

/// As many bars, each with the one before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BarBatch {
    /// `[n]` bars, pitches from [`LOWEST`] to [`HIGHEST`].
    pub bars: Vec<Bar>,
    /// `[n]`, the bar before each, in the same key; `None` where the piece begins with it or after a gap.
    pub previous: Vec<Option<Bar>>,
    /// `[n]`, the chord of each bar: derived, unless the file plays one.
    pub chords: Vec<Chord>,
}

/// The name under which chords are given, one a bar.
pub const CHORDS: &str = "chords";
/// The name under which the bar before is given.
pub const BEFORE: &str = "before";

impl BarBatch {
    /// The pitch in each step of the bars, or of those before them, as numbers `[n, 16]`; -1 where nothing sounds.
    pub fn pitches(&self) -> [TensorData; 2] {
        let of = |bars: Vec<f32>| TensorData::new(bars, [self.bars.len(), STEPS]);
        let bars = self.bars.iter().flatten().map(|pitch| f32::from(*pitch)).collect();
        let silent = [-1.0; STEPS];
        let before = self.previous.iter().flat_map(|bar| bar.map_or(silent, |bar| bar.map(f32::from))).collect();
        [of(bars), of(before)]
    }
}

impl Batch for BarBatch {
    /// Each bar above its chord, asked for by that and by the bar before it.
    fn examples(&self) -> Vec<Example> {
        let piece = |bar: Option<&Bar>, chord| {
            let steps = bar.map_or_else(|| vec![None; STEPS], |bar| bar.iter().copied().map(Some).collect());
            Media::Notes(notes(&[steps], &[chord]))
        };
        let each = self.bars.iter().zip(&self.previous).zip(&self.chords);
        let example = |((bar, before), chord): ((&Bar, &Option<Bar>), &Chord)| {
            let asked = Sample::seed(0).with(CHORDS, Value::Text(chord.to_string()));
            let asked = asked.with(BEFORE, Value::Media(piece(before.as_ref(), None)));
            Example { asked, wanted: Some(piece(Some(bar), Some(*chord))), beside: None, nearest: None }
        };
        each.map(example).collect()
    }
}

impl Default for Music {
    fn default() -> Self {
        Music {
            path: PathBuf::new(),
            skip_broken: false,
            validation_share: 0.1,
            transpose: true,
            melody: Melody::OneVoice,
        }
    }
}

impl Music {
    fn collection(&self, place: &Path) -> Result<Collection> {
        Collection::of(place, self)?.usable(place, self.skip_broken)
    }
}

/// The batches of the training bars, or of those held out: the same for the same `seed` and step.
///
/// A bar is one of 4/4 in sixteen steps, as [`score::Score::melody`] makes it of a file, and brought into the two
/// octaves from C4 to B5 as Yang, Chou and Yang do (2017, "MidiNet"): rests prolong the note before. With `transpose`
/// each bar comes once in every key, its chord and the bar before it in the same one; bars held out keep their own key.
/// `set` is the name of the recipe's own data set, used when no path is given.
///
/// An error lists the files that cannot be used, all in one, unless `skip_broken` is set; it is an error, too, when no
/// bar is left to learn from. There may be none held out. Panics when `batch` is 0.
pub fn open(music: &Music, set: &str, drawing: Drawing) -> Result<Box<dyn Source<BarBatch>>> {
    let Drawing { split, seed, batch } = drawing;
    let (collection, held_out) = (music.collection(&place_of(&music.path, set)?)?, drawing.is_held_out());
    let fingerprint = collection.fingerprint(held_out);
    let pieces = collection.pieces(Some(held_out));
    if split == Split::Test {
        return Ok(Box::new(Asked(pieces.iter().flat_map(|piece| piece.segments(SEGMENT)).map(above).collect())));
    }
    Ok(Box::new(Bars::new(pieces, fingerprint, music.transpose && !held_out, seed, batch)))
}

/// A melody, asked for by its chords.
fn above(wanted: Notes) -> Example {
    let chords = wanted.chords.iter().map(|(_, chord)| chord.to_string()).collect::<Vec<_>>().join(" ");
    let wanted = Some(Media::Notes(wanted));
    Example { asked: Sample::seed(0), wanted, beside: None, nearest: None }.with(CHORDS, Value::Text(chords))
}

/// Rows of eight bars of the music in a folder, none in two of them, as a network would write them: held out or not, or
/// all, by the usual share where no folders say. Each in the key of its piece. Files that cannot be read are passed over.
/// An error where there is no music at all, and where such a part of it has no such row: it says what there is.
pub fn segments(place: &Path, name: &str, held_out: Option<bool>) -> Result<Vec<Notes>> {
    let music = Music { skip_broken: true, ..Music::default() }; // nothing is learned here
    let collection = music.collection(place)?;
    let [learned, held, all] = [Some(false), Some(true), None].map(|part| collection.rows(part));
    if all == 0 {
        return Err(Error::input(format!(
            "{name} has no eight bars of 4/4 that sound one after the other, and less is not measured; give longer pieces"
        )));
    }
    let (none, some, other, rows) = match held_out {
        Some(true) if held == 0 => ("is held out", "to learn from", "train", learned),
        Some(false) if learned == 0 => ("is to learn from", "held out", "held-out", held),
        _ => return Ok(collection.pieces(held_out).iter().flat_map(|piece| piece.segments(SEGMENT)).collect()),
    };
    Err(Error::input(format!(
        "no row of eight bars in {name} {none}, and this part of it was asked for; {rows} {some}: give {name}:{other} or \
         {name}:all, or sort the pieces into the folders train and held-out"
    )))
}

/// What a folder of music holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Counts, one sentence each.
    pub facts: Vec<String>,
    /// What is read and not learned from, or read in part: a sentence for each piece.
    pub lost: Vec<String>,
    /// What cannot be used, one sentence each.
    pub problems: Vec<String>,
    /// Whether something is left to learn from without what cannot be used.
    pub is_of_use: bool,
}

/// Reads everything in a folder, as [`open`] would. An error when it holds no music.
pub fn survey(place: &Path, music: &Music) -> Result<Survey> {
    let collection = Collection::of(place, music)?;
    let mut problems = collection.problems.clone();
    let is_of_use = !collection.nothing_to_learn();
    if !is_of_use {
        problems.push(collection.without_music());
    }
    Ok(Survey { facts: collection.facts(), lost: collection.lost.clone(), problems, is_of_use })
}

/// Bars in memory, and which of them each batch has.
struct Bars {
    pieces: Vec<Piece>,
    /// The piece and the bar within it.
    bars: Vec<(u32, u32)>,
    keys: usize,
    order: Option<Order>, // None when there is nothing to draw
    fingerprint: String,
}

impl Bars {
    fn new(pieces: Vec<Piece>, fingerprint: String, transposed: bool, seed: u64, batch: usize) -> Self {
        let of = |(number, piece): (usize, &Piece)| (0..piece.bars.len()).map(move |bar| (number as u32, bar as u32));
        let bars = pieces.iter().enumerate().flat_map(of).collect::<Vec<_>>();
        let keys = if transposed { KEYS } else { 1 };
        let order = (!bars.is_empty()).then(|| Order::new(seed, bars.len() * keys, batch, Sampling::Shuffle));
        Bars { pieces, bars, keys, order, fingerprint }
    }
}

impl Source<BarBatch> for Bars {
    fn items(&self) -> usize {
        self.bars.len() * self.keys
    }

    fn fingerprint(&self) -> Option<String> {
        Some(self.fingerprint.clone())
    }

    fn batch(&self, step: u64) -> Result<BarBatch> {
        let Some(order) = &self.order else { return Err(Error::input("there are no bars to draw a batch from")) };
        let indices = order.indices(step);
        let n = indices.len();
        let empty =
            || BarBatch { bars: Vec::with_capacity(n), previous: Vec::with_capacity(n), chords: Vec::with_capacity(n) };
        Ok(indices.into_iter().fold(empty(), |mut batch, index| {
            let (item, semitones) = (index as usize / self.keys, index as usize % self.keys);
            let (piece, at) = (&self.pieces[self.bars[item].0 as usize], self.bars[item].1 as usize);
            let (bar, chord) = piece.bar(at, semitones);
            batch.bars.push(bar);
            batch.previous.push(piece.follows[at].then(|| piece.bar(at - 1, semitones).0));
            batch.chords.push(chord);
            batch
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::fs;

    use tempfile::{TempDir, tempdir};

    use super::*;

    const XML: &str = "<score-partwise><part><measure><attributes><divisions>1</divisions><time><beats>4</beats>\
        <beat-type>4</beat-type></time></attributes><note><pitch><step>C</step><octave>5</octave></pitch>\
        <duration>4</duration></note></measure></part></score-partwise>";

    fn midi(melody: &str) -> Vec<u8> {
        melody.parse::<Notes>().unwrap().to_midi("").unwrap()
    }

    fn folder(files: &[(&str, &[u8])]) -> TempDir {
        let folder = tempdir().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        folder
    }

    fn music(place: &Path) -> Music {
        Music { path: place.to_owned(), ..Music::default() }
    }

    fn opened(music: &Music, batch: usize, held_out: bool) -> Box<dyn Source<BarBatch>> {
        let split = if held_out { Split::Validation } else { Split::Train };
        open(music, "", Drawing { split, seed: 3, batch }).unwrap()
    }

    fn error<T>(result: Result<T>) -> String {
        let error = result.err().unwrap();
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    }

    fn small() -> TempDir {
        let (first, second) = (midi("C4:16 D4:16 E4:8 G4:8"), midi("A4:8 E4:8 .:16 B4:4 A4:12"));
        folder(&[("train/a.mid", &first), ("train/deep/b.MIDI", &second), ("held-out/c.mid", &midi("F4:16 G4:16"))])
    }

    #[test]
    fn a_pass_has_every_bar_in_every_key_with_its_own_chord_and_the_bar_before_it() {
        let folder = small();
        let source = opened(&music(folder.path()), 20, false);
        assert_eq!(source.items(), 5 * 12);
        let mut seen = HashSet::new();
        for batch in (0..3).map(|step| source.batch(step).unwrap()) {
            assert_eq!((batch.bars.len(), batch.previous.len(), batch.chords.len()), (20, 20, 20));
            for ((bar, previous), chord) in batch.bars.iter().zip(&batch.previous).zip(&batch.chords) {
                let from_first = |bar: &Bar| (12 + bar[0] - chord.root % 12) % 12;
                assert!(seen.insert((*bar, *previous, *chord)), "{bar:?} comes twice");
                assert!(previous.is_none_or(|previous| (from_first(&previous) + 12 - from_first(bar)) % 12 == 10));
            }
        }
        assert_eq!(seen.iter().filter(|(_, previous, _)| previous.is_none()).count(), 3 * 12, "three rows begin");
        assert_eq!(seen.iter().map(|(bar, ..)| bar[0] % 12).collect::<HashSet<_>>().len(), 12);
    }

    #[test]
    fn a_step_has_its_batch_whatever_was_asked_before_and_held_out_bars_keep_their_key() {
        let folder = small();
        let source = opened(&music(folder.path()), 7, false);
        let late = source.batch(40).unwrap();
        let _ = source.batch(3).unwrap();
        assert_eq!(source.batch(40).unwrap(), late);
        assert_ne!(source.batch(41).unwrap(), late);
        assert_ne!(
            open(&music(folder.path()), "", Drawing { split: Split::Train, seed: 4, batch: 7 })
                .unwrap()
                .batch(40)
                .unwrap(),
            late
        );
        assert_eq!(opened(&Music { transpose: false, ..music(folder.path()) }, 1, false).items(), 5);
        let held = opened(&music(folder.path()), 2, true);
        let batch = held.batch(0).unwrap();
        assert_eq!(
            (held.items(), batch.bars.iter().map(|bar| bar[0]).collect::<HashSet<_>>()),
            (2, HashSet::from([65, 67]))
        );
        let all = Music { validation_share: 0.0, ..music(&folder.path().join("train")) };
        assert!(error(opened(&all, 2, true).batch(0)).contains("no bars"));
    }

    #[test]
    fn files_of_every_kind_are_read_and_those_that_cannot_be_are_listed_at_once() {
        let book =
            "X:1\nT:One\nM:C\nL:1/8\nK:C\nC8|D8|\n\nX:2\nT:Two\nM:3/4\nK:C\nC6|\n\nX:3\nT:Three\nM:C\nK:Zz\nC8|\n";
        let files: [(&str, &[u8]); 8] = [
            ("a.mid", &midi("C4:16")),
            ("b.abc", book.as_bytes()),
            ("c.musicxml", XML.as_bytes()),
            ("d.mxl", b"PK"),
            ("e.mid", b"MThd"),
            ("f.abc", b"nothing"),
            (".hidden.mid", b""),
            ("g.txt", b""),
        ];
        let folder = folder(&files);
        assert!(holds(folder.path()));
        let survey = survey(folder.path(), &Music::default()).unwrap();
        assert_eq!(survey.problems.len(), 4, "{:?}", survey.problems);
        let all = Music { validation_share: 0.0, ..music(folder.path()) };
        let said = error(open(&all, "", Drawing { split: Split::Train, seed: 0, batch: 1 }));
        assert!(said.starts_with("4 things in ") && said.contains("ganvas data check"), "{said}");
        let starts = [
            "b.abc tune 3, `Three`, has the key",
            "d.mxl is no sound archive",
            "e.mid is cut off within its head, at byte 4",
            "f.abc holds no tune",
        ];
        assert!(starts.iter().all(|start| said.contains(&format!("\n  {start}"))), "{said}");
        assert_eq!(opened(&Music { skip_broken: true, ..all }, 1, false).items(), 4 * 12);
        let facts = survey.facts.join("\n");
        assert!(
            facts.contains("files: 6")
                && facts.contains("as it is not in 4/4, and left alone: 1 piece")
                && facts.contains("1 bars, not in 4/4"),
            "{facts}"
        );
        assert_eq!(survey.lost, ["b.abc, `Two`: no melody, as it is not in 4/4"]);
    }

    #[test]
    fn a_place_without_music_in_four_says_so() {
        let empty = folder(&[("a.txt", b""), ("sub/deep/b.mid", &midi("C4:16"))]);
        assert!(holds(empty.path()) && !holds(&empty.path().join("a.txt")) && !holds(Path::new("no-such-place")));
        assert!(
            error(survey(&empty.path().join("a.txt"), &Music::default()))
                .ends_with("is no folder; give a folder of music")
        );
        let none = folder(&[("a.txt", b"")]);
        assert!(
            error(survey(none.path(), &Music::default()))
                .contains("holds no music, that is, no files named .mid, .midi, .abc")
        );
        let waltz = folder(&[("a.abc", b"X:1\nM:3/4\nK:C\nC6|\n")]);
        assert!(
            error(open(&music(waltz.path()), "", Drawing { split: Split::Train, seed: 0, batch: 1 }))
                .contains("holds no melody in 4/4 to learn from")
        );
        let survey = survey(waltz.path(), &Music::default()).unwrap();
        assert_eq!(survey.problems, ["it holds no melody in 4/4 to learn from"]);
        assert_eq!(
            (survey.lost.as_slice(), survey.is_of_use),
            (["a.abc, ``: no melody, as it is not in 4/4".to_owned()].as_slice(), false)
        );
    }

    #[test]
    fn what_is_lost_is_listed_for_each_file_with_the_byte_and_the_reason() {
        let whole = midi("C4:16 D4:16 E4:16 F4:16");
        // The melody is the second of two tracks, whose last event but one is cut.
        let cut = &whole[..whole.len() - 6];
        let chord = "C4:16".parse::<Notes>().unwrap();
        let piano = Notes { chords: vec![(0, "C".parse().unwrap())], ..chord }.to_midi("").unwrap();
        // Its chords alone: of format 0, with the track of chords.
        let at = piano.windows(4).rposition(|window| window == b"MTrk").unwrap();
        let piano = [&piano[..8], &[0, 0, 0, 1], &piano[12..14], &piano[at..]].concat();
        let folder = folder(&[("cut.mid", cut), ("piano.mid", &piano), ("whole.mid", &whole)]);
        let survey = survey(folder.path(), &Music::default()).unwrap();
        assert_eq!(survey.problems, Vec::<String>::new());
        let [of_cut, of_piano] = survey.lost.as_slice() else { panic!("{:?}", survey.lost) };
        assert!(of_cut.starts_with(&format!("cut.mid is cut off at byte {}, within track 2", cut.len())), "{of_cut}");
        assert!(
            of_piano.starts_with("piano.mid: no melody, as each channel or part plays several notes"),
            "{of_piano}"
        );
        let facts = survey.facts.join("\n");
        assert!(facts.contains("left alone: 1 piece; `--set data.melody=highest` takes the highest voice"), "{facts}");
        let all = Music { validation_share: 0.0, transpose: false, ..music(folder.path()) };
        assert_eq!(opened(&all, 1, false).items(), 7, "the last bar of the cut file is lost");
        assert_eq!(opened(&Music { melody: Melody::Highest, ..all }, 1, false).items(), 8);
    }

    #[test]
    fn a_part_without_music_says_which_part_has_some() {
        let folder = folder(&[("a.mid", &midi(&"C4:16 ".repeat(9)))]);
        assert_eq!(segments(folder.path(), "one", None).unwrap().len(), 1);
        let said = error(segments(folder.path(), "one", Some(true)));
        assert!(said.starts_with("no row of eight bars in one is held out") && said.contains("one:all"), "{said}");
        let short = self::folder(&[("a.mid", &midi("C4:16"))]);
        assert!(error(segments(short.path(), "one", None)).contains("one has no eight bars of 4/4"));
    }

    #[test]
    fn the_fingerprint_is_of_what_is_learned_from_wherever_the_folder_lies() {
        let [one, moved] = [small(), small()];
        let of = |place: &Path| opened(&music(place), 1, false).fingerprint().unwrap();
        assert_eq!(of(one.path()), of(moved.path()));
        fs::write(moved.path().join("held-out/c.mid"), midi("F4:16 A4:16")).unwrap();
        assert_eq!(of(one.path()), of(moved.path()), "nothing is learned from it");
        fs::write(moved.path().join("train/a.mid"), midi("C4:16 D4:16 E4:8 A4:8")).unwrap();
        assert_ne!(of(one.path()), of(moved.path()));
    }

    #[test]
    fn segments_are_those_of_the_part_that_is_asked_for() {
        let long = |pitch: &str| midi(&format!("{pitch}:16 ").repeat(17));
        let folder = folder(&[("train/a.mid", &long("C4")), ("held-out/b.mid", &long("C6"))]);
        let pitches = |held_out| {
            segments(folder.path(), "here", held_out)
                .unwrap()
                .iter()
                .map(|notes| notes.notes[0].pitch)
                .collect::<Vec<_>>()
        };
        assert_eq!(pitches(Some(false)), [60, 60]);
        assert_eq!(pitches(Some(true)), [72, 72], "an octave lower");
        assert_eq!(pitches(None).len(), 4);
        let one = &segments(folder.path(), "here", None).unwrap()[0];
        assert_eq!((one.steps, one.chords.len()), (128, 8));
    }

    #[test]
    fn a_share_is_held_out_by_name_or_title_and_never_everything() {
        let names = (0..40).map(|i| format!("{i}.mid")).collect::<Vec<_>>();
        let file = midi("C4:16");
        let folder = folder(&names.iter().map(|name| (name.as_str(), file.as_slice())).collect::<Vec<_>>());
        let items = |share, held_out| {
            let music = Music { validation_share: share, transpose: false, ..music(folder.path()) };
            opened(&music, 1, held_out).items()
        };
        assert_eq!(items(0.3, false) + items(0.3, true), 40);
        assert!((4..20).contains(&items(0.3, true)), "{}", items(0.3, true));
        assert_eq!((items(0.999_999, false), items(0.999_999, true)), (1, 39));
    }
}
