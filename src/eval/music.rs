//! What can be counted in melodies and their chords, with nobody listening: keys, chords, rhythm, and how bars follow bars.
//!
//! Each number is taken of every sample by itself and averaged over the samples that have it. None is best by itself: real
//! music says what is usual.

use std::collections::HashSet;

use super::estimate::{Estimate, GROUPS, groups, mean_without};
use crate::data::music::{HIGHEST, LOWEST};
use crate::media::{Chord, Note, Notes, STEPS_PER_BAR};
use crate::random::Draws;

/// The pitch classes of a major scale from its root on. A natural minor scale has those of the major one above it.
const SCALE: [u8; 7] = [0, 2, 4, 5, 7, 9, 11];

/// One number of a sample, where it has it.
type Quantity = fn(&Notes) -> Option<f64>;

/// Every number: its name, what it is of a sample, and whether it is a share.
const QUANTITIES: [(&str, Quantity, bool); 8] = [
    ("in-key", in_key, true),
    ("chord-tones", chord_tones, true),
    ("pitch-entropy", pitch_entropy, false),
    ("notes-per-bar", notes_per_bar, false),
    ("repeated-bars", repeated_bars, true),
    ("repeated-rhythms", repeated_rhythms, true),
    ("bar-leap", bar_leap, false),
    ("bar-change", bar_change, true),
];

/// The numbers of samples, by name. What fewer than 20 samples have is left out.
pub fn estimate(samples: &[Notes]) -> Vec<(&'static str, Estimate)> {
    let group = groups(samples.len(), "music");
    let of = |(name, quantity, is_share): &(&'static str, Quantity, bool)| {
        // Groups are of samples, so that those of two rows that were asked the same belong together.
        let values = samples.iter().zip(&group).filter_map(|(sample, group)| Some((quantity(sample)?, *group)));
        let values = values.collect::<Vec<_>>();
        if values.len() < 2 * GROUPS {
            return None;
        }
        let without = std::array::from_fn(|group| mean_without(&values, Some(group)));
        let found = Estimate::jackknife(mean_without(&values, None), &without);
        Some((*name, if *is_share { found.of_share() } else { found }))
    };
    QUANTITIES.iter().filter_map(of).collect()
}

/// A melody that nobody need learn, the same for the same `number`: the rhythm and the chords of another, and from note to
/// note up to four semitones up or down, all as likely, in the two octaves from C4 on, whose ends throw it back.
pub fn random_walk(like: &Notes, number: usize) -> Notes {
    const MOST: i32 = 4;
    let draws = Draws::new(number as u64, 0);
    let (lowest, highest) = (i32::from(LOWEST), i32::from(HIGHEST));
    let start = draws.indices("walk.start", (highest - lowest + 1) as u32, 1)[0] as i32;
    let steps = draws.indices("walk.steps", 2 * MOST as u32 + 1, like.notes.len());
    let mut pitch = lowest + start;
    let notes = like.notes.iter().zip(steps).map(|(note, step)| {
        let walked = Note { pitch: pitch as u8, ..*note };
        pitch += step as i32 - MOST;
        pitch = if pitch < lowest { 2 * lowest - pitch } else { pitch.min(2 * highest - pitch) };
        walked
    });
    Notes { notes: notes.collect(), ..like.clone() }
}

fn mean(values: impl Iterator<Item = f64> + Clone) -> Option<f64> {
    let n = values.clone().count();
    (n > 0).then(|| values.sum::<f64>() / n as f64)
}

fn share(of: impl Iterator<Item = bool> + Clone) -> Option<f64> {
    mean(of.map(|is| f64::from(u8::from(is))))
}

/// How many of some steps have each pitch class.
fn histogram(steps: &[Option<Note>]) -> [f64; 12] {
    let mut counts = [0.0; 12];
    steps.iter().flatten().for_each(|note| counts[usize::from(note.pitch % 12)] += 1.0);
    counts
}

/// The share of the sounding steps whose pitch class is in a major or natural minor scale: in the one that fits best.
pub fn in_key(notes: &Notes) -> Option<f64> {
    let counts = histogram(&notes.sounding());
    let of_scale = |root: u8| SCALE.iter().map(|above| counts[usize::from((root + above) % 12)]).sum::<f64>();
    let (best, all) = ((0..12).map(of_scale).fold(0.0, f64::max), counts.iter().sum::<f64>());
    (all > 0.0).then(|| best / all)
}

/// The share of the sounding steps with a chord below them whose pitch class is one of its three.
pub fn chord_tones(notes: &Notes) -> Option<f64> {
    let (sounding, harmony) = (notes.sounding(), notes.harmony());
    let is_tone = |(note, chord): (&Option<Note>, &Option<Chord>)| {
        Some(chord.as_ref()?.tones().contains(&(note.as_ref()?.pitch % 12)))
    };
    share(sounding.iter().zip(&harmony).filter_map(is_tone))
}

/// The entropy of the pitch classes of the sounding steps, in bits: 0 for one pitch class, log2(12) = 3.58 for all alike.
pub fn pitch_entropy(notes: &Notes) -> Option<f64> {
    let counts = histogram(&notes.sounding());
    let all = counts.iter().sum::<f64>();
    let bits = counts.iter().filter(|count| **count > 0.0).map(|count| -(count / all) * (count / all).log2()).sum();
    (all > 0.0).then_some(bits)
}

/// How many notes begin in a bar.
pub fn notes_per_bar(notes: &Notes) -> Option<f64> {
    let begin = notes.notes.iter().filter(|note| note.start < notes.steps).count();
    (notes.bars() > 0).then(|| begin as f64 / notes.bars() as f64)
}

/// The share of the bars after the first that are an earlier one again: each step silent, or with a note of the same pitch
/// that begins or goes on likewise. Silent bars are not counted.
pub fn repeated_bars(notes: &Notes) -> Option<f64> {
    repeated(notes, |note| note.pitch)
}

/// The same of rhythms alone, whatever the pitches.
pub fn repeated_rhythms(notes: &Notes) -> Option<f64> {
    repeated(notes, |_| 0)
}

fn repeated(notes: &Notes, seen: fn(Note) -> u8) -> Option<f64> {
    let steps = notes.sounding().into_iter().zip(0..);
    let steps = steps.map(|(note, step)| note.map(|note| (note.start == step, seen(note)))).collect::<Vec<_>>();
    let sounding = steps.chunks_exact(STEPS_PER_BAR as usize).filter(|bar| bar.iter().any(Option::is_some));
    let mut before = HashSet::new();
    let again = sounding.map(|bar| !before.insert(bar)).collect::<Vec<_>>();
    share(again.into_iter().skip(1))
}

/// How many semitones apart the last note before a bar line and the first that begins after it are, on average over the
/// lines that have both in the bars beside them.
pub fn bar_leap(notes: &Notes) -> Option<f64> {
    let sounding = notes.sounding();
    let bars =
        sounding.chunks_exact(STEPS_PER_BAR as usize).zip((0..).step_by(STEPS_PER_BAR as usize)).collect::<Vec<_>>();
    let leaps = bars.windows(2).filter_map(|two| {
        let [(before, _), (after, line)] = two else { return None };
        let last = before.iter().flatten().next_back()?;
        let first = after.iter().flatten().find(|note| note.start >= *line)?;
        Some(f64::from(last.pitch.abs_diff(first.pitch)))
    });
    mean(leaps.collect::<Vec<_>>().into_iter())
}

/// How far apart the pitch classes of neighbouring bars are, on average over the pairs that both sound: half the sum of
/// the absolute differences of their shares of the sounding steps, 0 for the same shares and 1 for no pitch class in common.
pub fn bar_change(notes: &Notes) -> Option<f64> {
    let sounding = notes.sounding();
    let bars = sounding.chunks_exact(STEPS_PER_BAR as usize).map(histogram).collect::<Vec<_>>();
    let changes = bars.windows(2).filter_map(|two| {
        let [a, b] = [0, 1].map(|i| two[i].iter().sum::<f64>());
        let apart = two[0].iter().zip(&two[1]).map(|(of_a, of_b)| (of_a / a - of_b / b).abs()).sum::<f64>();
        (a > 0.0 && b > 0.0).then_some(apart / 2.0)
    });
    mean(changes.collect::<Vec<_>>().into_iter())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What numpy and pretty_midi say of made melodies: tests/golden/music_metrics.py.
    #[derive(serde::Deserialize)]
    struct Golden {
        samples: Vec<Sample>,
        means: Vec<(String, f64)>,
    }

    #[derive(serde::Deserialize)]
    struct Sample {
        steps: u32,
        notes: Vec<[u32; 3]>,
        chords: Vec<(u32, String)>,
        numbers: Vec<(String, Option<f64>)>,
    }

    impl Sample {
        fn notes(&self) -> Notes {
            let note = |&[start, length, pitch]: &[u32; 3]| Note { start, length, pitch: pitch as u8 };
            let chord = |(start, name): &(u32, String)| (*start, name.parse().unwrap());
            let (notes, chords) = (self.notes.iter().map(note).collect(), self.chords.iter().map(chord).collect());
            Notes { notes, steps: self.steps, chords }
        }
    }

    #[test]
    fn every_number_is_what_numpy_and_pretty_midi_say() {
        let golden: Golden = serde_json::from_str(include_str!("../../tests/golden/music_metrics.json")).unwrap();
        assert!(golden.samples.len() >= 40 && golden.means.len() == QUANTITIES.len());
        for (i, sample) in golden.samples.iter().enumerate() {
            let notes = sample.notes();
            assert_eq!(sample.numbers.len(), QUANTITIES.len());
            for ((name, expected), (own, quantity, _)) in sample.numbers.iter().zip(QUANTITIES) {
                let found = quantity(&notes);
                let near = match (found, expected) {
                    (Some(found), Some(expected)) => (found - expected).abs() < 1e-9,
                    (found, expected) => found.is_none() && expected.is_none(),
                };
                assert!(name == own && near, "sample {i}, {name}: {found:?}, not {expected:?}");
            }
        }
        let samples = golden.samples.iter().map(Sample::notes).collect::<Vec<_>>();
        for ((name, estimate), (own, expected)) in estimate(&samples).iter().zip(&golden.means) {
            assert!(name == own && (estimate.value - expected).abs() < 1e-9, "{name}: {estimate:?}, not {expected}");
            assert!(estimate.low < estimate.value && estimate.value < estimate.high, "{name}: {estimate:?}");
        }
    }

    #[test]
    fn a_scale_is_in_its_key_and_its_repetition_is_a_repetition() {
        let bar = "A3:2 B3:2 C4:2 D4:2 E4:2 F4:2 G4:2 A4:2";
        let notes = format!("{bar} {bar} .:16 A4:16 {bar}").parse::<Notes>().unwrap();
        assert_eq!((in_key(&notes), notes_per_bar(&notes)), (Some(1.0), Some(5.0)));
        // Of the three bars that sound after the first, two are it again.
        assert_eq!((repeated_bars(&notes), repeated_rhythms(&notes)), (Some(2.0 / 3.0), Some(2.0 / 3.0)));
        // A4 to A3, and A4 to A3; the lines beside the silent bar have no note on one side.
        assert_eq!(bar_leap(&notes), Some(12.0));
        let higher = format!("{bar} {}", bar.replace("A3", "B3")).parse::<Notes>().unwrap();
        assert_eq!((repeated_bars(&higher), repeated_rhythms(&higher)), (Some(0.0), Some(1.0)));
    }

    #[test]
    fn a_note_over_a_bar_line_goes_on_and_is_no_beginning() {
        let held = "C4:12 E4:8 G4:12".parse::<Notes>().unwrap();
        assert_eq!(bar_leap(&held), Some(3.0), "from E4 to G4, not to E4 itself");
        assert_eq!(bar_change(&held), Some(0.75), "a quarter of each bar is E");
        let again = "C4:16 C4:16".parse::<Notes>().unwrap();
        let one = Notes { notes: vec![Note { length: 32, ..again.notes[0] }], ..again.clone() };
        assert_eq!((repeated_bars(&again), repeated_bars(&one)), (Some(1.0), Some(0.0)));
    }

    #[test]
    fn a_random_walk_has_the_rhythm_and_the_chords_of_another_melody_and_small_steps() {
        let mut like = "C4:2 D4:1 .:1 ".repeat(400).parse::<Notes>().unwrap();
        like.chords = vec![(0, "Am".parse().unwrap())];
        let walk = random_walk(&like, 3);
        let rhythm = |notes: &Notes| notes.notes.iter().map(|note| (note.start, note.length)).collect::<Vec<_>>();
        assert_eq!((rhythm(&walk), walk.steps, &walk.chords), (rhythm(&like), like.steps, &like.chords));
        let pitches = walk.notes.iter().map(|note| note.pitch).collect::<Vec<_>>();
        let steps = pitches.windows(2).map(|two| two[1].abs_diff(two[0])).collect::<HashSet<_>>();
        assert_eq!(steps, (0..=4).collect());
        assert_eq!((pitches.iter().min(), pitches.iter().max()), (Some(&LOWEST), Some(&HIGHEST)));
        assert_eq!(random_walk(&like, 3), walk);
        assert_ne!(random_walk(&like, 4).notes, walk.notes);
    }

    #[test]
    fn silence_has_no_key_and_too_few_samples_have_no_interval() {
        let silent = ".:32".parse::<Notes>().unwrap();
        let numbers = QUANTITIES.map(|(name, quantity, _)| (name, quantity(&silent)));
        assert!(numbers.iter().all(|(name, number)| number.is_none() || *name == "notes-per-bar"), "{numbers:?}");
        let sample = "C4 E4 G4 C5 C4 E4 G4 C5".parse::<Notes>().unwrap();
        assert!(estimate(&vec![sample.clone(); 19]).is_empty());
        let found = estimate(&vec![sample; 20]);
        assert!(found.len() == 7 && found.iter().all(|(name, _)| *name != "chord-tones"), "{found:?}");
    }
}
