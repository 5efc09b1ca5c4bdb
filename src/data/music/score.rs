//! Music in exact time, as every reader gives it, and the melody in bars of sixteen steps that is made of it.

use std::collections::{BTreeMap, HashMap, HashSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::chords;
use crate::media::{Note, Notes, STEPS_PER_BAR};

/// Parts of a whole note that time is counted in: 2^7 3^2 5 7, so that 128ths, triplets, quintuplets and septuplets are
/// exact.
pub const WHOLE: u64 = 40_320;
/// Longer music is not read.
pub const MOST_BARS: usize = 4_096;
const STEP: u64 = WHOLE / STEPS_PER_BAR as u64;

/// Tones that begin within a quarter of a step of each other are struck together.
const TOGETHER: u64 = STEP / 4;
/// A melody may sound together with itself for this share of its time.
const MOST_OVERLAP: f64 = 0.2;

/// One tone in exact time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tone {
    /// Parts of a whole note since the beginning.
    pub start: u64,
    /// Likewise; after `start`.
    pub end: u64,
    /// MIDI's number of the pitch.
    pub pitch: u8,
}

/// One measure as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    /// How long its notes last.
    pub length: u64,
    /// Whether it is in 4/4, written as C, C| or 2/2, too.
    pub in_four: bool,
    /// Whether all of it was understood.
    pub understood: bool,
    /// Whether the music, or a part of it to be repeated, begins with it.
    pub opens: bool,
    /// Whether the music, or a part of it to be repeated, ends with it.
    pub closes: bool,
}

/// Why a measure is no bar of the melody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lost {
    /// Its metre is not 4/4.
    Metre,
    /// It is a pick-up.
    PickUp,
    /// Its notes do not add up to a whole note.
    Sum,
    /// Something in it was not understood.
    Unclear,
}

/// Where the melody of a piece is looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Melody {
    /// In the parts that are one voice; a piece without such a part is left alone.
    #[default]
    OneVoice,
    /// Likewise; where no part is one voice, it is the highest voice of the highest part.
    Highest,
}

/// Why a piece has no melody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mute {
    /// Nothing sounds at all.
    Empty,
    /// Drums are all that sounds.
    Drums,
    /// No measure of it is a bar of the melody, most of them for this reason.
    NoBar(Lost),
    /// Nothing sounds in its bars.
    Silent,
    /// No part is one voice.
    Polyphonic,
}

impl Lost {
    /// Completes "3 bars, ...".
    pub fn words(self) -> &'static str {
        match self {
            Lost::Metre => "not in 4/4",
            Lost::PickUp => "pick-ups",
            Lost::Sum => "whose notes do not add up",
            Lost::Unclear => "in which something was not understood",
        }
    }
}

impl Mute {
    /// Completes "without a melody, as ...".
    pub fn words(self) -> &'static str {
        match self {
            Mute::Empty => "it has no notes",
            Mute::Drums => "it has drums alone",
            Mute::NoBar(Lost::Metre) => "it is not in 4/4",
            Mute::NoBar(Lost::PickUp | Lost::Sum) => "no bar of it has the length of 4/4",
            Mute::NoBar(Lost::Unclear) => "something in each bar was not understood",
            Mute::Silent => "nothing sounds in its bars of 4/4",
            Mute::Polyphonic => "each channel or part plays several notes at once",
        }
    }
}

/// A place on the time line that is a bar of the melody, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Where it begins.
    pub start: u64,
    /// How long it is; a whole note when it is kept.
    pub length: u64,
    /// Why it is not kept; `None` when it is.
    pub lost: Option<Lost>,
}

/// A tone within its measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Which measure of the music, from 0.
    pub measure: usize,
    /// Since the measure began.
    pub start: u64,
    /// How long it is written.
    pub length: u64,
    /// MIDI's number of the pitch.
    pub pitch: u8,
    /// Whether the next one of its pitch, when it follows at once, is the same tone held on.
    pub tied: bool,
}

/// Music in exact time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// One after the other, without gaps.
    pub bars: Vec<Bar>,
    /// Voices with pitches, without drums; each in the order of its starts.
    pub parts: Vec<Vec<Tone>>,
    /// Whether drums sound beside them.
    pub drums: bool,
}

/// What becomes of measures in a row, each beginning where [`Score::bars`] says.
///
/// A short measure where something begins is a pick-up and is lost. One where something ends, short by as much as a
/// pick-up of this music has, is kept: silence fills it.
pub fn bars(measures: &[Measure]) -> Vec<Bar> {
    let is_pick_up = |measure: &Measure| measure.in_four && measure.opens && measure.length < WHOLE;
    let pick_ups = measures.iter().filter(|measure| is_pick_up(measure)).map(|measure| measure.length);
    let pick_ups = pick_ups.collect::<Vec<_>>();
    let mut start = 0;
    let bar = |measure: &Measure| {
        let is_filled = measure.closes && pick_ups.iter().any(|pick_up| measure.length + pick_up == WHOLE);
        let lost = match measure {
            Measure { in_four: false, .. } => Some(Lost::Metre),
            Measure { understood: false, .. } => Some(Lost::Unclear),
            measure if is_pick_up(measure) => Some(Lost::PickUp),
            Measure { length, .. } if *length != WHOLE && !is_filled => Some(Lost::Sum),
            _ => None,
        };
        let length = if lost.is_none() { WHOLE } else { measure.length };
        start += length;
        Bar { start: start - length, length, lost }
    };
    measures.iter().map(bar).collect()
}

impl Score {
    /// Music that is written in measures, its tones part by part in the order of their starts.
    pub fn of(measures: &[Measure], parts: &[Vec<Written>]) -> Self {
        let bars = bars(measures);
        let place = |written: &Vec<Written>| {
            let (mut tones, mut held) = (Vec::<Tone>::new(), HashMap::<u8, usize>::new());
            for Written { measure, start, length, pitch, tied } in written.iter().filter(|tone| tone.length > 0) {
                let start = bars[*measure].start + start;
                let before = held.remove(pitch).filter(|at| tones[*at].end == start);
                let at = before.unwrap_or(tones.len());
                match before {
                    Some(at) => tones[at].end = start + length,
                    None => tones.push(Tone { start, end: start + length, pitch: *pitch }),
                }
                if *tied {
                    held.insert(*pitch, at);
                }
            }
            tones
        };
        let parts = parts.iter().map(place).collect();
        Score { bars, parts, drums: false }
    }

    /// How many bars are lost, and why.
    pub fn lost(&self) -> BTreeMap<Lost, usize> {
        let mut counts = BTreeMap::new();
        self.bars.iter().filter_map(|bar| bar.lost).for_each(|why| *counts.entry(why).or_default() += 1);
        counts
    }

    /// The melody in bars of sixteen steps, with a chord in each that sounds; or why there is none.
    ///
    /// The melody is the part with the highest mean pitch of those that are one voice for most of their time and have a
    /// tone begin in at least half as many bars as the busiest; where there is none, it may be asked for the highest voice of
    /// the part that is the highest then. A tone begins at the step nearest to its beginning, at the earlier
    /// of two that are as near, and lasts at least one step. Of tones that are struck together the highest is heard, of
    /// those that begin one after the other in the same step the first, and the next one ends it. Bars that are lost in
    /// a row leave one silent bar, so that nobody takes its neighbours for neighbours.
    ///
    /// A bar in which the other parts have the three tones of a major or minor triad and no others has that chord. The
    /// other chords are derived, from all parts, by [`chords::derive`].
    pub fn melody(&self, wanted: Melody) -> Result<Notes, Mute> {
        let (melody, others) = self.voices(wanted)?;
        let mut placed = Vec::<Option<Bar>>::new(); // None where bars are lost
        for bar in &self.bars {
            match bar.lost {
                None => placed.push(Some(*bar)),
                Some(_) if placed.last().is_some_and(Option::is_some) => placed.push(None),
                Some(_) => (),
            }
        }
        let (mut notes, mut step) = (Vec::new(), 0);
        for run in placed.chunk_by(|a, b| a.is_some() == b.is_some()) {
            if let [Some(first), ..] = run {
                notes.extend(lay(&melody, first.start, run.len() as u32, step));
            }
            step += run.len() as u32 * STEPS_PER_BAR;
        }
        // Silence before and after is nothing to learn from.
        let (Some(first), Some(last)) = (notes.first(), notes.last()) else { return Err(Mute::Silent) };
        let first = first.start / STEPS_PER_BAR;
        let end = (last.start + last.length).div_ceil(STEPS_PER_BAR);
        let placed = &placed[first as usize..end as usize];
        notes.iter_mut().for_each(|note| note.start -= first * STEPS_PER_BAR);

        let mut below = vec![[0; 12]; placed.len()];
        others.iter().for_each(|tones| add(tones, placed, &mut below));
        let mut all = below.clone();
        add(&melody, placed, &mut all);
        let mut is_heard = vec![false; placed.len()];
        for note in &notes {
            let bars = note.start / STEPS_PER_BAR..(note.start + note.length).div_ceil(STEPS_PER_BAR);
            bars.for_each(|bar| is_heard[bar as usize] = true);
        }
        let chords = chords::derive(&all).into_iter().zip(below).zip(is_heard).zip(0..);
        let chords = chords
            .filter(|((_, is_heard), _)| *is_heard)
            .map(|(((derived, below), _), bar)| (bar * STEPS_PER_BAR, chords::triad(&below).unwrap_or(derived)));
        let chords = chords.collect();
        Ok(Notes { notes, steps: (end - first) * STEPS_PER_BAR, chords })
    }

    /// The tones of the melody, and those of everything else.
    fn voices(&self, wanted: Melody) -> Result<(Vec<Tone>, Vec<Vec<Tone>>), Mute> {
        let busy = |tones: &Vec<Tone>| {
            let bars = self.bars.iter().filter(|bar| bar.lost.is_none());
            bars.filter(|bar| begins_within(tones, bar.start, bar.start + bar.length)).count()
        };
        let bars = self.parts.iter().map(busy).collect::<Vec<_>>();
        let busiest = bars.iter().copied().max().filter(|bars| *bars > 0).ok_or_else(|| self.mute())?;
        let leading = (0..self.parts.len()).filter(|part| 2 * bars[*part] >= busiest).collect::<Vec<_>>();
        let highest = |parts: Vec<(usize, Vec<Tone>)>| {
            parts.into_iter().max_by(|(_, a), (_, b)| mean_pitch(a).total_cmp(&mean_pitch(b)))
        };
        let voices = leading.iter().filter(|part| is_one_voice(&self.parts[**part]));
        let voice = highest(voices.map(|part| (*part, self.parts[*part].clone())).collect());
        let (part, melody) = match (voice, wanted) {
            (Some(found), _) => found,
            (None, Melody::OneVoice) => return Err(Mute::Polyphonic),
            (None, Melody::Highest) => {
                let tops = leading.iter().map(|part| (*part, top(&self.parts[*part]))).collect();
                highest(tops).ok_or(Mute::Polyphonic)?
            }
        };
        let mut others = self.parts.clone();
        let own = melody.iter().map(|tone| (tone.start, tone.pitch)).collect::<HashSet<_>>();
        others[part].retain(|tone| !own.contains(&(tone.start, tone.pitch)));
        Ok((melody, others))
    }

    /// Why no tone begins in a bar.
    fn mute(&self) -> Mute {
        match (self.parts.is_empty(), self.drums) {
            (true, true) => Mute::Drums,
            (true, false) => Mute::Empty,
            (false, _) if self.bars.iter().any(|bar| bar.lost.is_none()) => Mute::Silent,
            (false, _) => {
                let most = self.lost().into_iter().max_by_key(|(_, count)| *count);
                most.map_or(Mute::Silent, |(why, _)| Mute::NoBar(why))
            }
        }
    }
}

/// The highest voice: of tones that are struck together the highest, but for those that begin below one of it that still
/// sounds. Each ends where the next one begins, at the latest.
fn top(tones: &[Tone]) -> Vec<Tone> {
    let mut voice = Vec::<Tone>::new();
    let mut rest = tones;
    while let Some(first) = rest.first() {
        let count = rest.partition_point(|tone| tone.start < first.start + TOGETHER);
        let (struck, after) = rest.split_at(count);
        rest = after;
        let Some(highest) = struck.iter().max_by_key(|tone| tone.pitch) else { break };
        match voice.last_mut() {
            Some(last) if last.end >= highest.start + TOGETHER && last.pitch > highest.pitch => continue,
            Some(last) => last.end = last.end.min(highest.start),
            None => (),
        }
        voice.push(*highest);
    }
    voice
}

/// Whether any tone begins from one time on and before another.
fn begins_within(tones: &[Tone], from: u64, to: u64) -> bool {
    tones.get(tones.partition_point(|tone| tone.start < from)).is_some_and(|tone| tone.start < to)
}

/// Whether tones sound one at a time, for most of the time that any does.
fn is_one_voice(tones: &[Tone]) -> bool {
    let (mut until, mut together) = (0, 0);
    for tone in tones {
        together += tone.end.min(until).saturating_sub(tone.start);
        until = until.max(tone.end);
    }
    let all = tones.iter().map(|tone| tone.end - tone.start).sum::<u64>();
    together as f64 <= MOST_OVERLAP * (all - together) as f64
}

/// Weighted by how long the tones last.
fn mean_pitch(tones: &[Tone]) -> f64 {
    let weighed = tones.iter().map(|tone| ((tone.end - tone.start) as f64, f64::from(tone.pitch)));
    let (time, sum) = weighed.fold((0.0, 0.0), |(time, sum), (length, pitch)| (time + length, sum + length * pitch));
    sum / time
}

/// The notes of a melody in bars that follow each other, the first of which begins at `start` and at `step`.
fn lay(tones: &[Tone], start: u64, bars: u32, step: u32) -> Vec<Note> {
    let (steps, end) = (bars * STEPS_PER_BAR, start + u64::from(bars) * WHOLE);
    let nearest = |time: u64| ((time.clamp(start, end) - start + (STEP - 1) / 2) / STEP) as u32;
    let within = tones.iter().filter(|tone| tone.start < end && tone.end > start);
    let mut notes = Vec::<(u64, Note)>::new();
    for tone in within {
        let (begin, until) = (nearest(tone.start), nearest(tone.end));
        let note = Note { start: begin, length: until.saturating_sub(begin).max(1), pitch: tone.pitch };
        if let Some((first, last)) = notes.last_mut().filter(|(_, last)| last.start == begin) {
            if tone.start - *first < TOGETHER && note.pitch > last.pitch {
                *last = note;
            }
        } else if begin < steps {
            notes.push((tone.start, note)); // or else it begins with the bar after the last
        }
    }
    let next = notes.iter().skip(1).map(|(_, note)| note.start).chain([steps]).collect::<Vec<_>>();
    let notes = notes.into_iter().zip(next);
    notes
        .map(|((_, note), next)| Note { start: step + note.start, length: note.length.min(next - note.start), ..note })
        .collect()
}

/// Adds how long each pitch class sounds in each bar.
fn add(tones: &[Tone], placed: &[Option<Bar>], sums: &mut [[u64; 12]]) {
    let bars = placed.iter().zip(sums).filter_map(|(bar, sum)| Some((bar.as_ref()?, sum)));
    let mut bars = bars.collect::<Vec<_>>();
    for tone in tones {
        let first = bars.partition_point(|(bar, _)| bar.start + bar.length <= tone.start);
        for (bar, sum) in bars[first..].iter_mut().take_while(|(bar, _)| bar.start < tone.end) {
            let end = tone.end.min(bar.start + bar.length);
            sum[usize::from(tone.pitch % 12)] += end - tone.start.max(bar.start);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUARTER: u64 = WHOLE / 4;

    fn measure(eighths: u64, opens: bool, closes: bool) -> Measure {
        Measure { length: eighths * WHOLE / 8, in_four: true, understood: true, opens, closes }
    }

    /// Bars of 4/4, each kept or not.
    fn bars_of(kept: &[bool]) -> Vec<Bar> {
        let lost = |kept: &bool| (!kept).then_some(Lost::Unclear);
        (0..)
            .step_by(WHOLE as usize)
            .zip(kept)
            .map(|(start, kept)| Bar { start, length: WHOLE, lost: lost(kept) })
            .collect()
    }

    fn music(kept: &[bool], parts: Vec<Vec<Tone>>) -> Score {
        Score { bars: bars_of(kept), parts, drums: false }
    }

    /// Tones one after the other, each with its pitch and length in quarters.
    fn line(tones: &[(u8, f64)]) -> Vec<Tone> {
        let mut end = 0;
        let tone = |(pitch, quarters): &(u8, f64)| {
            let start = end;
            end += (quarters * QUARTER as f64) as u64;
            Tone { start, end, pitch: *pitch }
        };
        tones.iter().map(tone).collect()
    }

    /// Start, length and pitch of each note, and the steps in all.
    fn melody(score: &Score) -> (Vec<(u32, u32, u8)>, u32) {
        let notes = score.melody(Melody::OneVoice).unwrap();
        (notes.notes.iter().map(|note| (note.start, note.length, note.pitch)).collect(), notes.steps)
    }

    #[test]
    fn measures_are_bars_when_they_add_up_or_a_pick_up_completes_them() {
        let short = |opens, closes| measure(6, opens, closes);
        let mut waltz = measure(6, false, false);
        waltz.in_four = false;
        let mut unclear = measure(8, false, false);
        unclear.understood = false;
        let measures = [
            measure(2, true, false),
            measure(8, false, false),
            short(false, true),
            measure(1, true, false),
            measure(9, false, false),
            waltz,
            unclear,
            short(false, false),
            measure(5, false, true),
        ];
        let bars = bars(&measures);
        let lost = bars.iter().map(|bar| bar.lost).collect::<Vec<_>>();
        let (pick_up, sum) = (Some(Lost::PickUp), Some(Lost::Sum));
        assert_eq!(lost, [pick_up, None, None, pick_up, sum, Some(Lost::Metre), Some(Lost::Unclear), sum, sum]);
        assert_eq!((bars[2].length, bars[3].start), (WHOLE, 18 * WHOLE / 8), "silence fills it");
        assert_eq!(Score { bars, ..Score::default() }.lost()[&Lost::Sum], 3);
    }

    #[test]
    fn tones_begin_at_the_nearest_step_and_last_to_the_nearest_or_the_next_tone() {
        let third = 1.0 / 3.0;
        let triplet = [(60, third), (62, third), (64, third), (65, 1.0), (67, 2.0)];
        let expected = vec![(0, 1, 60), (1, 2, 62), (3, 1, 64), (4, 4, 65), (8, 8, 67)];
        assert_eq!(melody(&music(&[true], vec![line(&triplet)])), (expected, 16));
        let fast = [(60, 0.125), (61, 0.125), (62, 0.125), (63, 0.125), (64, 3.5)];
        let expected = vec![(0, 1, 60), (1, 1, 62), (2, 14, 64)];
        assert_eq!(melody(&music(&[true], vec![line(&fast)])), (expected, 16));
        let played = |start: u64, end: u64, pitch| Tone { start, end, pitch };
        let early = vec![
            played(90, QUARTER - 300, 60),
            played(WHOLE - 200, WHOLE + QUARTER, 62),
            played(WHOLE + QUARTER, WHOLE + QUARTER + 9, 64),
        ];
        let expected = vec![(0, 4, 60), (16, 4, 62), (20, 1, 64)];
        assert_eq!(melody(&music(&[true, true], vec![early])), (expected, 32));
    }

    #[test]
    fn of_tones_struck_together_the_highest_is_heard() {
        let played = |start: u64, pitch| Tone { start, end: start + QUARTER, pitch };
        let mut tones = line(&[(60, 1.0), (62, 1.0), (64, 1.0), (65, 1.0), (67, 4.0), (69, 4.0), (71, 4.0)]);
        tones.extend([played(QUARTER + TOGETHER - 1, 80), played(2 * QUARTER + STEP / 2, 90)]);
        tones.sort_by_key(|tone| (tone.start, tone.pitch));
        let (notes, _) = melody(&music(&[true; 4], vec![tones]));
        assert_eq!(notes[..4], [(0, 4, 60), (4, 4, 80), (8, 4, 64), (12, 4, 65)]);
    }

    #[test]
    fn lost_bars_leave_one_silent_bar_between_and_none_at_the_ends() {
        let tones = line(&[(60, 4.0), (61, 4.0), (62, 8.0), (63, 4.0), (64, 4.0), (65, 4.0)]);
        let score = music(&[false, true, false, false, true, true, false], vec![tones]);
        let (notes, steps) = melody(&score);
        assert_eq!((notes, steps), (vec![(0, 16, 61), (32, 16, 63), (48, 16, 64)], 64));
        assert_eq!(
            score.melody(Melody::OneVoice).unwrap().chords.iter().map(|(step, _)| *step).collect::<Vec<_>>(),
            [0, 32, 48]
        );
        let held = music(&[false, true, true, false], vec![line(&[(60, 8.0), (62, 8.0)])]);
        assert_eq!(melody(&held), (vec![(0, 16, 60), (16, 16, 62)], 32));
        assert_eq!(music(&[false], vec![line(&[(60, 4.0)])]).melody(Melody::OneVoice), Err(Mute::NoBar(Lost::Unclear)));
        assert_eq!(music(&[true], Vec::new()).melody(Melody::OneVoice), Err(Mute::Empty));
    }

    #[test]
    fn the_melody_is_the_highest_voice_that_sounds_half_the_time() {
        let voice = |pitch: u8, bars: usize| line(&vec![(pitch, 4.0); bars]);
        let mut chords = [72, 76, 79].iter().flat_map(|pitch| voice(*pitch, 4)).collect::<Vec<_>>();
        chords.sort_by_key(|tone| tone.start);
        let parts = vec![voice(48, 4), voice(67, 2), chords, voice(90, 1), voice(60, 4)];
        let (notes, _) = melody(&music(&[true; 4], parts));
        assert_eq!(notes, [(0, 16, 67), (16, 16, 67)]);
    }

    #[test]
    fn the_highest_voice_goes_on_above_what_begins_below_it_and_ends_where_the_next_begins() {
        let held = |start: u64, end: u64, pitch| Tone { start: start * QUARTER, end: end * QUARTER, pitch };
        let mut tones = vec![
            held(0, 3, 72),
            held(0, 1, 48),
            held(1, 2, 60), // below what still sounds
            held(2, 4, 76), // above it
            held(4, 6, 64),
            held(5, 6, 50),
            held(6, 8, 62),
            held(7, 8, 40),
        ];
        tones.sort_by_key(|tone| (tone.start, tone.pitch));
        let found =
            top(&tones).iter().map(|tone| (tone.start / QUARTER, tone.end / QUARTER, tone.pitch)).collect::<Vec<_>>();
        assert_eq!(found, [(0, 2, 72), (2, 4, 76), (4, 6, 64), (6, 8, 62)]);
    }

    #[test]
    fn why_there_is_no_melody_is_said() {
        let mute = |score: Score| score.melody(Melody::OneVoice).unwrap_err();
        let metre = |lost| Bar { start: 0, length: WHOLE, lost: Some(lost) };
        let of = |bars, parts| Score { bars, parts, drums: false };
        assert_eq!(mute(of(vec![metre(Lost::Metre)], vec![line(&[(60, 4.0)])])).words(), "it is not in 4/4");
        assert_eq!(mute(Score { drums: true, ..Score::default() }).words(), "it has drums alone");
        assert_eq!(mute(of(bars_of(&[true]), vec![line(&[(60, 0.0)]).split_off(1)])), Mute::Silent);
        let chords = [line(&[(60, 4.0)]), line(&[(64, 4.0)])].concat();
        assert_eq!(mute(of(bars_of(&[true]), vec![chords])), Mute::Polyphonic);
    }

    #[test]
    fn a_chord_that_is_played_stands_and_the_others_are_derived() {
        let held = |start: u64, pitch| Tone { start: start * WHOLE, end: (start + 1) * WHOLE, pitch };
        let chords = vec![held(0, 45), held(0, 48), held(0, 52), held(2, 40), held(2, 44)];
        let score = music(&[true; 3], vec![line(&[(67, 4.0), (67, 4.0), (71, 4.0)]), chords]);
        let notes = score.melody(Melody::OneVoice).unwrap();
        assert_eq!(notes.chords[0], (0, "Am".parse().unwrap()), "though G is no tone of it");
        assert_eq!(notes.chords.len(), 3);
        assert!(notes.chords[1].1.tones().contains(&7), "{}", notes.chords[1].1);
        assert_eq!(notes.chords[2].1.to_string(), "E", "of all parts' E, G sharp and B");
    }
}
