//! Music as models make it: a melody and the chords below it, in bars of sixteen steps.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// Steps of a bar: sixteenth notes of 4/4.
pub const STEPS_PER_BAR: u32 = 16;
/// Steps of a beat, a quarter note.
pub const STEPS_PER_BEAT: u32 = 4;
/// The tempo of everything that is written or heard.
pub const BEATS_PER_MINUTE: u32 = 120;

/// The pitch classes from C on, those between two letters as sharps.
const NAMES: [&str; 12] = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"];
/// The lowest root of a triad that is heard; with it, every triad lies below C4.
const LOWEST_ROOT: u8 = 41;
const HIGHEST_PITCH: i32 = 127;

/// A major or minor triad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Chord {
    /// The root's pitch class, 0 to 11; 0 is C.
    pub root: u8,
    /// Minor, else major.
    pub is_minor: bool,
}

/// One note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// The step it begins at.
    pub start: u32,
    /// How many steps it lasts; at least 1.
    pub length: u32,
    /// MIDI's number of the pitch, 0 to 127; 60 is C4.
    pub pitch: u8,
}

/// Some bars of music in 4/4.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// In the order of their starts.
    pub notes: Vec<Note>,
    /// The whole length in steps; a multiple of [`STEPS_PER_BAR`].
    pub steps: u32,
    /// Chords, each from the step it begins at, in order; may be empty.
    pub chords: Vec<(u32, Chord)>,
}

impl Chord {
    /// The pitch classes of root, third and fifth.
    pub fn tones(self) -> [u8; 3] {
        let third = if self.is_minor { 3 } else { 4 };
        [0, third, 7].map(|above| (self.root + above) % 12)
    }

    /// The pitches that are played: the root from F2 to E3, third and fifth above it, all below C4.
    pub fn triad(self) -> [u8; 3] {
        let root = LOWEST_ROOT + (self.root + 12 - LOWEST_ROOT % 12) % 12;
        let third = if self.is_minor { 3 } else { 4 };
        [root, root + third, root + 7]
    }

    /// The chord so many semitones higher.
    pub fn transposed(self, semitones: i32) -> Self {
        Chord { root: (i32::from(self.root) + semitones).rem_euclid(12) as u8, ..self }
    }

    /// Chords one after the other, as in `C G Am F`; between them may stand spaces, commas, hyphens and bar lines.
    ///
    /// # Errors
    /// [`Error::Input`] when there are none, and as in [`Chord::from_str`].
    pub fn sequence(text: &str) -> Result<Vec<Chord>> {
        let between = |c: char| c.is_whitespace() || [',', '-', '|'].contains(&c);
        let chords = text.split(between).filter(|name| !name.is_empty()).map(str::parse).collect::<Result<Vec<_>>>()?;
        match chords.is_empty() {
            true => Err(Error::input("there are no chords; write them one after the other, as in C G Am F")),
            false => Ok(chords),
        }
    }
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", NAMES[usize::from(self.root % 12)], if self.is_minor { "m" } else { "" })
    }
}

impl FromStr for Chord {
    type Err = Error;

    /// `C`, `F#`, `Bb`, `Am`, `Ebm`: a letter, perhaps a sharp or a flat, and an m for minor.
    fn from_str(text: &str) -> Result<Self> {
        let found = match letter(text) {
            Some((root, "")) => Some((root, false)),
            Some((root, "m")) => Some((root, true)),
            _ => None,
        };
        let (root, is_minor) = found.ok_or_else(|| {
            Error::input(format!("`{text}` is no major or minor chord; write one as in C, F#, Bb, Am or Ebm"))
        })?;
        Ok(Chord { root: root.rem_euclid(12) as u8, is_minor })
    }
}

/// The semitones above C of the letter that a text begins with, from -1 for Cb to 12 for B#, and the rest of the text.
fn letter(text: &str) -> Option<(i32, &str)> {
    let (first, rest) = text.split_at_checked(1)?;
    let natural = NAMES.iter().position(|name| *name == first)? as i32;
    Some(match (rest.strip_prefix(['#', '♯']), rest.strip_prefix(['b', '♭'])) {
        (Some(rest), _) => (natural + 1, rest),
        (_, Some(rest)) => (natural - 1, rest),
        _ => (natural, rest),
    })
}

/// MIDI's number of a pitch such as `C4`, which is 60.
fn pitch(text: &str) -> Option<u8> {
    let (above_c, octave) = letter(text)?;
    let octave = octave.parse::<i32>().ok().filter(|octave| (-1..=9).contains(octave))?;
    u8::try_from(12 * (octave + 1) + above_c).ok().filter(|pitch| i32::from(*pitch) <= HIGHEST_PITCH)
}

impl Notes {
    /// How many bars there are.
    pub fn bars(&self) -> usize {
        (self.steps / STEPS_PER_BAR) as usize
    }

    /// The note that sounds in each step: of several, the one that stands last.
    pub fn sounding(&self) -> Vec<Option<Note>> {
        let mut steps = vec![None; self.steps as usize];
        for note in &self.notes {
            let end = note.start.saturating_add(note.length).min(self.steps) as usize;
            steps.get_mut(note.start as usize..end).into_iter().flatten().for_each(|step| *step = Some(*note));
        }
        steps
    }

    /// The chord below each step; none before the first.
    pub fn harmony(&self) -> Vec<Option<Chord>> {
        let mut steps = vec![None; self.steps as usize];
        for (start, chord) in &self.chords {
            steps.iter_mut().skip(*start as usize).for_each(|step| *step = Some(*chord));
        }
        steps
    }

    /// The chords with the steps they begin and end at; each ends where the next one begins.
    pub fn chord_spans(&self) -> impl Iterator<Item = (u32, u32, Chord)> {
        let ends = self.chords.iter().skip(1).map(|(start, _)| *start).chain([self.steps]);
        self.chords.iter().zip(ends).map(|((start, chord), end)| (*start, end.min(self.steps), *chord))
    }

    /// The same so many semitones higher, chords too.
    ///
    /// # Errors
    /// [`Error::Input`] when a note would leave MIDI's pitches.
    pub fn transposed(&self, semitones: i32) -> Result<Self> {
        let moved = self.notes.iter().map(|note| {
            let pitch = i32::from(note.pitch) + semitones;
            (0..=HIGHEST_PITCH).contains(&pitch).then_some(Note { pitch: pitch as u8, ..*note })
        });
        let notes = moved.collect::<Option<Vec<_>>>().ok_or_else(|| {
            Error::input(format!("moved by {semitones} semitones, some notes have no MIDI number; move them by less"))
        })?;
        let chords = self.chords.iter().map(|(start, chord)| (*start, chord.transposed(semitones))).collect();
        Ok(Notes { notes, steps: self.steps, chords })
    }
}

impl FromStr for Notes {
    type Err = Error;

    /// A melody as text: notes and rests one after the other, with spaces between them. A note is a letter, perhaps a
    /// sharp or a flat, and an octave, such as `C4`, `F#4` or `Bb3`; a rest is a dot. Each lasts a quarter, or as many
    /// sixteenths as stand after a colon: `C4 D4:2 E4:2 . G4` is one bar.
    ///
    /// # Errors
    /// [`Error::Input`] for what is neither a note nor a rest, and for anything but whole bars.
    fn from_str(text: &str) -> Result<Self> {
        let (mut notes, mut steps) = (Vec::new(), 0);
        for word in text.split_whitespace() {
            let wrong = || {
                Error::input(format!(
                    "`{word}` is neither a note nor a rest; write C4, F#4:2 for two sixteenths, or . for a rest"
                ))
            };
            let (name, length) = word.split_once(':').unwrap_or((word, "4"));
            let length = length.parse::<u32>().ok().filter(|length| (1..=1024).contains(length)).ok_or_else(wrong)?;
            if name != "." {
                notes.push(Note { start: steps, length, pitch: pitch(name).ok_or_else(wrong)? });
            }
            steps += length;
        }
        if steps == 0 || !steps.is_multiple_of(STEPS_PER_BAR) {
            return Err(Error::input(format!(
                "the melody lasts {steps} sixteenths, and a bar has 16; fill its bars, as in C4 D4:2 E4:2 . G4"
            )));
        }
        Ok(Notes { notes, steps, chords: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentence<T: fmt::Debug>(result: Result<T>) -> String {
        match result {
            Err(Error::Input(sentence)) => sentence,
            other => panic!("expected Error::Input, got {other:?}"),
        }
    }

    #[test]
    fn every_chord_is_read_as_it_is_written() {
        for (root, is_minor) in (0..12).flat_map(|root| [(root, false), (root, true)]) {
            let chord = Chord { root, is_minor };
            assert_eq!(chord.to_string().parse::<Chord>().unwrap(), chord);
        }
        let read = |text: &str| text.parse::<Chord>().unwrap().to_string();
        assert_eq!(["Bb", "Ebm", "Cb", "B#m", "E♭", "F♯m"].map(read), ["A#", "D#m", "B", "Cm", "D#", "F#m"]);
        for wrong in ["", "H", "c", "C7", "Cmaj", "C##", "m", "é"] {
            assert!(sentence(wrong.parse::<Chord>()).contains(&format!("`{wrong}`")), "{wrong}");
        }
    }

    #[test]
    fn chords_stand_one_after_the_other_however_they_are_divided() {
        let names = |text: &str| Chord::sequence(text).unwrap().iter().map(Chord::to_string).collect::<Vec<_>>();
        assert_eq!(names("C G Am F"), ["C", "G", "Am", "F"]);
        assert_eq!(names("| C, G-Am | F |"), ["C", "G", "Am", "F"]);
        assert!(sentence(Chord::sequence(" ")).contains("no chords"));
        assert!(sentence(Chord::sequence("C Gsus")).contains("`Gsus`"));
    }

    #[test]
    fn a_triad_is_root_third_and_fifth_below_the_melody() {
        let minor = |text: &str| text.parse::<Chord>().unwrap();
        assert_eq!((minor("Am").tones(), minor("Am").triad()), ([9, 0, 4], [45, 48, 52]));
        assert_eq!((minor("E").tones(), minor("E").triad()), ([4, 8, 11], [52, 56, 59]));
        assert_eq!(minor("F").triad(), [41, 45, 48]);
        for root in 0..12 {
            let chord = Chord { root, is_minor: root % 2 == 0 };
            assert_eq!(chord.triad().map(|pitch| pitch % 12), chord.tones());
        }
    }

    #[test]
    fn a_melody_is_read_with_its_lengths_and_rests() {
        let notes = "C4 F#4:2 Bb3:2 . Cb5".parse::<Notes>().unwrap();
        let all = notes.notes.iter().map(|note| (note.start, note.length, note.pitch)).collect::<Vec<_>>();
        assert_eq!(all, [(0, 4, 60), (4, 2, 66), (6, 2, 58), (12, 4, 71)]);
        assert_eq!((notes.steps, notes.bars()), (16, 1));
        assert_eq!("B#9:16".parse::<Notes>().map_err(|_| ()), Err(()), "132 is no pitch");
        assert_eq!("C-1:16 G9:16".parse::<Notes>().unwrap().notes[1].pitch, 127);
        assert!(sentence("C4 D4".parse::<Notes>()).contains("8 sixteenths"));
        assert!(sentence("".parse::<Notes>()).contains("0 sixteenths"));
        for wrong in ["C", "4", "C4:0", "C4:x", "-", "C10", "é4"] {
            assert!(sentence(format!("C4 {wrong}").parse::<Notes>()).contains(&format!("`{wrong}`")), "{wrong}");
        }
    }

    #[test]
    fn each_step_knows_its_note_and_its_chord() {
        let chords = Chord::sequence("C Am").unwrap();
        let mut notes = "C4:2 .:2 E4 G4:8 A4:16".parse::<Notes>().unwrap();
        notes.notes[3].length = 99; // longer than the music
        notes.chords = vec![(4, chords[0]), (16, chords[1])];
        let pitches = notes.sounding().iter().map(|step| step.map_or(0, |note| note.pitch)).collect::<Vec<_>>();
        assert_eq!(pitches, [&[60, 60, 0, 0, 64, 64, 64, 64][..], &[67; 8], &[69; 16]].concat());
        let harmony = notes.harmony();
        assert_eq!(
            (harmony[3], harmony[4], harmony[15], harmony[31]),
            (None, Some(chords[0]), Some(chords[0]), Some(chords[1]))
        );
        assert_eq!(notes.chord_spans().collect::<Vec<_>>(), [(4, 16, chords[0]), (16, 32, chords[1])]);
    }

    #[test]
    fn what_is_transposed_moves_with_its_chords_and_never_off_the_scale() {
        let notes = Notes { chords: vec![(0, "Am".parse().unwrap())], .."C4:16".parse().unwrap() };
        let higher = notes.transposed(14).unwrap();
        assert_eq!((higher.notes[0].pitch, higher.chords[0].1.to_string()), (74, "Bm".to_owned()));
        assert_eq!(higher.transposed(-14).unwrap(), notes);
        assert!(sentence(notes.transposed(68)).contains("68 semitones"));
        assert!(notes.transposed(67).is_ok() && notes.transposed(-60).is_ok() && notes.transposed(-61).is_err());
    }
}
