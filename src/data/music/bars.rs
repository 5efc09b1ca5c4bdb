//! A melody as a network sees it: bars of sixteen pitches out of two octaves, each with its chord.

use crate::media::{Chord, Note, Notes, STEPS_PER_BAR};

/// Steps of a bar.
pub const STEPS: usize = STEPS_PER_BAR as usize;
/// C4, the lowest pitch that a network sees.
pub const LOWEST: u8 = 60;
/// B5, the highest.
pub const HIGHEST: u8 = 83;

/// The pitch that sounds in each step, as MIDI numbers. What is struck again looks like what is held.
pub type Bar = [u8; STEPS];

/// The bars of a piece.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// Those in which the melody sounds, in order, at the pitches it has.
    pub bars: Vec<Bar>,
    /// The chord in each.
    pub chords: Vec<Chord>,
    /// Whether each follows the one before it at once.
    pub follows: Vec<bool>,
    /// For each transposition by 0 to 11 semitones: by how many more the piece is moved, whole octaves, so that most of
    /// its steps lie between [`LOWEST`] and [`HIGHEST`].
    octaves: [i32; 12],
}

impl Piece {
    /// The bars of a melody with chords. A rest prolongs the note before it in a row of bars that sound, or has the
    /// note after it where there is none.
    pub fn of(notes: &Notes) -> Self {
        let steps = notes.sounding().iter().map(|note| note.map(|note| note.pitch)).collect::<Vec<_>>();
        let (mut piece, mut sounding, harmony) = (Piece::default(), None, notes.harmony());
        for (at, bar) in steps.chunks_exact(STEPS).enumerate() {
            let Some(first) = bar.iter().find_map(|step| *step) else {
                sounding = None;
                continue;
            };
            piece.follows.push(sounding.is_some());
            let mut now = sounding.unwrap_or(first);
            piece.bars.push(std::array::from_fn(|step| {
                now = bar[step].unwrap_or(now);
                now
            }));
            sounding = Some(now);
            piece.chords.push(harmony[at * STEPS].unwrap_or(Chord { root: 0, is_minor: false }));
        }
        piece.octaves = std::array::from_fn(|semitones| octaves(&piece.bars, semitones as i32));
        piece
    }

    /// One of its bars and its chord, transposed by 0 to 11 semitones: the piece by whole octaves into the two that a
    /// network sees, and what still lies outside by itself.
    pub fn bar(&self, at: usize, semitones: usize) -> (Bar, Chord) {
        let moved = semitones as i32 + self.octaves[semitones];
        let chord = self.chords[at];
        let root = (usize::from(chord.root) + semitones) % 12;
        (self.bars[at].map(|pitch| folded(i32::from(pitch) + moved)), Chord { root: root as u8, ..chord })
    }

    /// Rows of `bars` bars that follow each other, none in two of them, as the network would write them.
    pub fn segments(&self, bars: usize) -> Vec<Notes> {
        let places = (0..self.bars.len()).collect::<Vec<_>>();
        let runs = places.chunk_by(|_, next| self.follows[*next]);
        let segment = |row: &[usize]| {
            let of_row = row.iter().map(|at| self.bar(*at, 0)).map(|(bar, chord)| (bar.map(Some), Some(chord)));
            let (bars, chords) = of_row.unzip::<_, _, Vec<_>, Vec<_>>();
            notes(&bars, &chords)
        };
        runs.flat_map(|run| run.chunks_exact(bars)).map(segment).collect()
    }
}

/// Bars of a pitch a step, or none, as notes, with a chord below each bar that has one: a pitch that stays is one note within
/// its bar.
pub fn notes<B: AsRef<[Option<u8>]>>(bars: &[B], chords: &[Option<Chord>]) -> Notes {
    let mut notes = Vec::<Note>::new();
    for (bar, first) in bars.iter().zip((0..).step_by(STEPS)) {
        let mut start = first;
        for held in bar.as_ref().chunk_by(|a, b| a == b) {
            let length = held.len() as u32;
            notes.extend(held[0].map(|pitch| Note { start, length, pitch }));
            start += length;
        }
    }
    let chords = (0..).step_by(STEPS).zip(chords).filter_map(|(start, chord)| Some((start, (*chord)?))).collect();
    Notes { notes, steps: bars.len() as u32 * STEPS_PER_BAR, chords }
}

/// The whole octaves that bring most steps into the two octaves; of equal ones the smallest move.
fn octaves(bars: &[Bar], semitones: i32) -> i32 {
    let within = |octaves: &i32| {
        let moved = bars.iter().flatten().map(|pitch| i32::from(*pitch) + semitones + 12 * octaves);
        moved.filter(|pitch| (i32::from(LOWEST)..=i32::from(HIGHEST)).contains(pitch)).count()
    };
    let order = |octaves: &i32| (within(octaves), -octaves.abs(), -octaves);
    12 * (-7..=5).max_by_key(order).unwrap_or_default()
}

/// A pitch by octaves into the two.
fn folded(pitch: i32) -> u8 {
    let (lowest, highest) = (i32::from(LOWEST), i32::from(HIGHEST));
    match pitch {
        low if low < lowest => (lowest + (low - lowest).rem_euclid(12)) as u8,
        high if high > highest => (highest - 11 + (high - highest - 1).rem_euclid(12)) as u8,
        within => within as u8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(melody: &str, chords: &str) -> Piece {
        let mut notes = melody.parse::<Notes>().unwrap();
        notes.chords = (0..).step_by(STEPS).zip(Chord::sequence(chords).unwrap()).collect();
        Piece::of(&notes)
    }

    fn bar(pitches: [u8; 4]) -> Bar {
        std::array::from_fn(|step| pitches[step / 4])
    }

    #[test]
    fn a_rest_prolongs_the_note_before_it_and_a_silent_bar_parts_the_music() {
        let piece = piece(". C4 D4 . . E4:12 .:16 .:8 G4:4 A4:4", "C F C G");
        assert_eq!(piece.bars, [bar([60, 60, 62, 62]), bar([62, 64, 64, 64]), bar([67, 67, 67, 69])]);
        assert_eq!(piece.follows, [false, true, false]);
        assert_eq!(piece.chords.iter().map(Chord::to_string).collect::<Vec<_>>(), ["C", "F", "G"]);
        assert_eq!(Piece::of(&"D4:16".parse().unwrap()).chords.len(), 1, "without chords, too");
        assert_eq!(Piece::of(&Notes::default()), Piece { octaves: [0; 12], ..Piece::default() });
    }

    #[test]
    fn a_piece_moves_by_octaves_as_a_whole_and_a_stray_note_by_itself() {
        let low = piece("C3 D3 E3 C6", "C");
        assert_eq!(low.bar(0, 0).0, bar([60, 62, 64, 72]));
        assert_eq!(low.bar(0, 11), (bar([71, 73, 75, 83]), Chord { root: 11, is_minor: false }));
        assert_eq!(piece("C4 B5 C4 B5", "C").bar(0, 0).0, bar([60, 83, 60, 83]));
        assert_eq!(piece("C4 B5 C6 B3", "C").bar(0, 0).0, bar([60, 83, 72, 71]));
        assert_eq!(piece("C9 G9 C-1 C9", "C").bar(0, 0).0, bar([72, 79, 60, 72]));
        assert_eq!(piece("A4:16", "F#m").bar(0, 3), (bar([72; 4]), Chord { root: 9, is_minor: true }));
    }

    #[test]
    fn every_transposition_keeps_the_pitch_classes_and_lies_in_two_octaves() {
        let piece = piece("G3 A4 C#5 B5 F2:2 Bb6:2 E4:12", "A Bb");
        for (at, semitones) in [(0, 0), (1, 0)].into_iter().flat_map(|(at, _)| (0..12).map(move |k| (at, k))) {
            let (bar, chord) = piece.bar(at, semitones);
            assert!(bar.iter().all(|pitch| (LOWEST..=HIGHEST).contains(pitch)), "{bar:?}");
            let classes = bar.map(|pitch| usize::from(pitch) % 12);
            assert_eq!(classes, piece.bars[at].map(|pitch| (usize::from(pitch) + semitones) % 12));
            assert_eq!(usize::from(chord.root), (usize::from(piece.chords[at].root) + semitones) % 12);
        }
    }

    #[test]
    fn segments_are_whole_rows_that_no_gap_parts() {
        let melody = "C4:16 D4:16 E4:16 .:16 F4:8 F4:8 G4:4 A4:12 B4:16 C5:16 D5:16";
        let segments = piece(melody, "C C C C F C G C C").segments(2);
        let found = segments
            .iter()
            .map(|notes| notes.notes.iter().map(|note| note.pitch).collect::<Vec<_>>())
            .collect::<Vec<_>>();
        assert_eq!(found, [vec![60, 62], vec![65, 67, 69], vec![71, 72]]);
        assert!(segments.iter().all(|notes| notes.steps == 32 && notes.chords.len() == 2));
        assert_eq!(segments[1].chords[0], (0, "F".parse().unwrap()));
        assert_eq!(segments[1].notes[1], Note { start: 16, length: 4, pitch: 67 });
    }

    #[test]
    fn what_notes_are_made_of_bars_gives_the_bars_again() {
        let bars = [bar([60, 60, 62, 83]), bar([83, 60, 61, 61])];
        let chords = Chord::sequence("Am C#").unwrap();
        let notes = notes(&bars.map(|bar| bar.map(Some)), &chords.iter().copied().map(Some).collect::<Vec<_>>());
        let lengths = notes.notes.iter().map(|note| note.length).collect::<Vec<_>>();
        assert_eq!(lengths, [8, 4, 4, 4, 4, 8], "a bar line ends a note");
        let piece = Piece::of(&notes);
        assert_eq!((piece.bars, piece.chords), (bars.to_vec(), chords));
    }
}
