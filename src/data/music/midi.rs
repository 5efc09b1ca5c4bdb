//! Music out of MIDI files, in exact time.

use std::collections::{BTreeMap, HashMap};

use super::score::{Bar, Lost, MOST_BARS, Score, Tone, WHOLE};
use super::smf::{self, Event};

const DRUMS: u8 = 9; // the channel that General MIDI keeps for them, from 0

/// Reads a MIDI file of format 0 or 1: the music, and what of the file could not be read, a sentence each that completes
/// "NAME ...", as the error does. A part is what one channel plays in one track, without drums. A tone that nothing ends
/// lasts to the end of its track.
pub fn score(bytes: &[u8]) -> Result<(Score, Vec<String>), String> {
    let smf::File { format, division, tracks, lost } = smf::parse(bytes)?;
    if division & 0x8000 != 0 {
        return Err("is timed in seconds, not in beats, which is not read".to_owned());
    }
    if format == 2 {
        return Err("holds several pieces one after the other (format 2), which is not read".to_owned());
    }
    let whole = 4 * u64::from(division);
    if whole == 0 {
        return Err("has beats that last no time".to_owned());
    }
    let mut metres = BTreeMap::from([(0, (4, 4))]); // 4/4 until the file says otherwise
    let mut parts = BTreeMap::<(usize, u8), Vec<Tone>>::new();
    let mut drums = false;
    for (number, track) in tracks.iter().enumerate() {
        let mut struck = HashMap::new();
        for (ticks, event) in &track.events {
            if ticks / whole > MOST_BARS as u64 {
                return Err(format!("is longer than {MOST_BARS} bars"));
            }
            let now = ticks * WHOLE / whole;
            match *event {
                Event::Metre { beats, of } => {
                    if beats == 0 || of > 6 {
                        return Err(format!("has a metre of {beats}/2^{of}, which is none"));
                    }
                    metres.insert(now, (u64::from(beats), 1 << of));
                }
                Event::Key { channel: DRUMS, velocity, .. } => drums |= velocity > 0,
                Event::Key { channel, pitch, velocity } => {
                    let part = (number, channel);
                    // One that was struck at this very moment goes on: the end is that of the tone before it.
                    if let Some(start) = struck.get(&(part, pitch)).copied().filter(|start| *start < now) {
                        parts.entry(part).or_default().push(Tone { start, end: now, pitch });
                        struck.remove(&(part, pitch));
                    }
                    if velocity > 0 {
                        struck.insert((part, pitch), now);
                    }
                }
            }
        }
        let end = track.end.min(whole * MOST_BARS as u64) * WHOLE / whole;
        for ((part, pitch), start) in struck.into_iter().filter(|(_, start)| *start < end) {
            parts.entry(part).or_default().push(Tone { start, end, pitch });
        }
    }
    let mut parts = parts.into_values().filter(|tones| !tones.is_empty()).collect::<Vec<_>>();
    parts.iter_mut().for_each(|tones| tones.sort_by_key(|tone| (tone.start, tone.pitch)));
    let end = parts.iter().flatten().map(|tone| tone.end).max().unwrap_or_default();
    Ok((Score { bars: bars(&metres, end)?, parts, drums }, lost))
}

/// The bars up to an end, by the metres and the times from which on they hold.
fn bars(metres: &BTreeMap<u64, (u64, u64)>, end: u64) -> Result<Vec<Bar>, String> {
    let mut changes = metres.iter().collect::<Vec<_>>();
    changes.dedup_by_key(|(_, metre)| **metre); // some programs repeat it, whether or not a bar begins
    let until = changes.iter().skip(1).map(|(from, _)| **from).chain([u64::MAX]);
    let mut bars = Vec::new();
    for ((from, (beats, of)), until) in changes.iter().zip(until) {
        let full = beats * WHOLE / of;
        let mut start = **from;
        while start < until.min(end) {
            let length = full.min(until - start);
            let lost = match (*beats, *of) {
                (4, 4) | (2, 2) => (length < full).then_some(Lost::Sum),
                _ => Some(Lost::Metre),
            };
            bars.push(Bar { start, length, lost });
            start += length;
            if bars.len() > MOST_BARS {
                return Err(format!("is longer than {MOST_BARS} bars"));
            }
        }
    }
    Ok(bars)
}

#[cfg(test)]
mod tests {
    use midly::num::{u4, u7, u15, u28};
    use midly::{Format, Header, MetaMessage, MidiMessage, Timing, Track, TrackEvent, TrackEventKind};

    use super::*;
    use crate::data::music::Melody;
    use crate::data::music::score::Mute;
    use crate::media::Notes;

    /// The music of a file that is sound.
    fn music(bytes: &[u8]) -> Score {
        let (score, lost) = score(bytes).unwrap();
        assert!(lost.is_empty(), "{lost:?}");
        score
    }

    /// A note: the channel, where it begins and ends in ticks of 96 a quarter, and the pitch.
    type Played = (u8, u32, u32, u8);

    fn track(metres: &[(u32, u8, u8)], played: &[Played]) -> Track<'static> {
        let mut events = Vec::new();
        for (at, beats, of) in metres {
            events.push((*at, 0, TrackEventKind::Meta(MetaMessage::TimeSignature(*beats, *of, 24, 8))));
        }
        for (channel, start, end, pitch) in played {
            let midi = |message| TrackEventKind::Midi { channel: u4::new(*channel), message };
            let key = u7::new(*pitch);
            events.push((*start, 2, midi(MidiMessage::NoteOn { key, vel: u7::new(90) })));
            events.push((*end, 1, midi(MidiMessage::NoteOn { key, vel: u7::new(0) }))); // as many programs end a note
        }
        events.sort_by_key(|(at, order, _)| (*at, *order));
        let mut now = 0;
        let put = |(at, _, kind)| {
            let delta = u28::new(at - now);
            now = at;
            TrackEvent { delta, kind }
        };
        events.into_iter().map(put).collect()
    }

    fn file(format: Format, timing: Timing, tracks: Vec<Track<'_>>) -> Vec<u8> {
        let mut bytes = Vec::new();
        midly::Smf { header: Header::new(format, timing), tracks }.write_std(&mut bytes).unwrap();
        bytes
    }

    fn parallel(tracks: Vec<Track<'_>>) -> Vec<u8> {
        file(Format::Parallel, Timing::Metrical(u15::new(96)), tracks)
    }

    #[test]
    fn a_melody_with_chords_is_read_as_it_was_written() {
        let mut notes = "D4:2 . F#4 A4:2 A4:2 B4:2 C5:16 .:16 G4:12 D4:4".parse::<Notes>().unwrap();
        notes.chords = [(0, "D"), (16, "Am"), (48, "G")].map(|(step, chord)| (step, chord.parse().unwrap())).to_vec();
        let read = music(&notes.to_midi("A tune").unwrap()).melody(Melody::OneVoice).unwrap();
        assert_eq!(read, notes);
    }

    #[test]
    fn parts_are_told_apart_by_track_and_channel_and_drums_are_none() {
        let together = track(&[], &[(0, 0, 96, 60), (1, 96, 192, 72), (9, 0, 96, 35)]);
        let single = file(Format::SingleTrack, Timing::Metrical(u15::new(96)), vec![together]);
        let apart = parallel(vec![track(&[], &[(0, 0, 96, 60)]), track(&[], &[(0, 96, 192, 72), (9, 0, 96, 35)])]);
        let quarter = WHOLE / 4;
        let parts = [
            vec![Tone { start: 0, end: quarter, pitch: 60 }],
            vec![Tone { start: quarter, end: 2 * quarter, pitch: 72 }],
        ];
        assert_eq!(music(&single).parts, parts);
        assert_eq!(music(&apart).parts, parts);
    }

    #[test]
    fn bars_follow_the_metre_wherever_it_changes() {
        let long = (0, 0, 96 * 16, 60);
        let lost = |metres: &[(u32, u8, u8)]| {
            let bars = music(&parallel(vec![track(metres, &[]), track(&[], &[long])])).bars;
            bars.iter().map(|bar| (bar.length * 4 / WHOLE, bar.lost)).collect::<Vec<_>>()
        };
        let (four, three) = ((4, None), (3, Some(Lost::Metre)));
        assert_eq!(lost(&[]), [four; 4]);
        assert_eq!(lost(&[(0, 2, 1)]), [four; 4], "2/2 is as long");
        assert_eq!(lost(&[(0, 3, 2), (96 * 6, 4, 2)])[..4], [three, three, four, four]);
        assert_eq!(lost(&[(0, 4, 2), (96 * 5, 3, 2)])[..3], [four, (1, Some(Lost::Sum)), three]);
        assert_eq!(lost(&[(0, 4, 2), (96 * 5, 4, 2)]), [four; 4], "said again, it begins no bar");
    }

    #[test]
    fn what_is_no_music_in_beats_is_refused_in_one_sentence() {
        let notes = vec![track(&[], &[(0, 0, 96, 60)])];
        let seconds = file(Format::Parallel, Timing::Timecode(midly::Fps::Fps25, 40), notes.clone());
        assert_eq!(score(&seconds).unwrap_err(), "is timed in seconds, not in beats, which is not read");
        let pieces = file(Format::Sequential, Timing::Metrical(u15::new(96)), notes.clone());
        assert!(score(&pieces).unwrap_err().contains("format 2"));
        let timeless = file(Format::Parallel, Timing::Metrical(u15::new(0)), notes);
        assert_eq!(score(&timeless).unwrap_err(), "has beats that last no time");
        let metre = |beats, of| score(&parallel(vec![track(&[(0, beats, of)], &[(0, 0, 96, 60)])]));
        assert_eq!(metre(0, 2).unwrap_err(), "has a metre of 0/2^2, which is none");
        assert_eq!(metre(4, 200).unwrap_err(), "has a metre of 4/2^200, which is none");
        assert!(metre(255, 0).is_ok());
        let late = 96 * 4 * (MOST_BARS as u32 + 1);
        let late = parallel(vec![track(&[], &[(0, late, late + 96, 60)])]);
        assert_eq!(score(&late).unwrap_err(), "is longer than 4096 bars");
        let short = parallel(vec![track(&[(0, 1, 6)], &[(0, 0, 96 * 4000, 60)])]);
        assert_eq!(score(&short).unwrap_err(), "is longer than 4096 bars");
        for wrong in [b"".as_slice(), b"MThd", b"RIFF....", b"MThd\0\0\0\x06\0\x01\xff\xff\0\x60"] {
            let found = score(wrong).map(|(score, _)| score.melody(Melody::Highest));
            assert!(matches!(found, Err(_) | Ok(Err(_))), "{found:?}");
        }
    }

    /// What mido reads in files that are damaged or unusual: tests/golden/midi.py.
    #[derive(serde::Deserialize)]
    struct Golden {
        /// In hexadecimal digits.
        file: String,
        /// Start and end in ticks of 96 a quarter, pitch, track.
        notes: Vec<[u64; 4]>,
        /// The byte that is named.
        lost: Option<usize>,
        /// The highest voice: start, end, pitch.
        #[serde(default)]
        top: Vec<[u64; 3]>,
    }

    fn golden() -> BTreeMap<String, Golden> {
        serde_json::from_str(include_str!("../../../tests/golden/midi.json")).unwrap()
    }

    fn bytes(golden: &Golden) -> Vec<u8> {
        let digits = golden.file.as_bytes().chunks(2);
        digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
    }

    #[test]
    fn running_status_after_meta_events_and_wrong_track_lengths_cost_no_note_and_a_cut_is_named_with_its_byte() {
        for (name, golden) in golden() {
            let (score, lost) = score(&bytes(&golden)).unwrap();
            let tone = |[start, end, pitch, _]: [u64; 4]| Tone {
                start: start * WHOLE / 384,
                end: end * WHOLE / 384,
                pitch: pitch as u8,
            };
            let tracks = golden.notes.iter().map(|note| note[3]).max().unwrap() + 1;
            let of_track = |track| golden.notes.iter().filter(move |note| note[3] == track).copied().map(tone);
            let mut parts = (0..tracks).map(|track| of_track(track).collect::<Vec<_>>()).collect::<Vec<_>>();
            parts.iter_mut().for_each(|part| part.sort_by_key(|tone| (tone.start, tone.pitch)));
            assert_eq!(score.parts, parts, "{name}");
            match golden.lost {
                None => assert!(lost.is_empty(), "{name}: {lost:?}"),
                Some(byte) => {
                    assert!(lost.len() == 1 && lost[0].contains(&format!("at byte {byte},")), "{name}: {lost:?}");
                }
            }
        }
    }

    #[test]
    fn the_highest_voice_of_a_piano_on_one_channel_is_a_melody_when_it_is_asked_for() {
        let golden = &golden()["piano"];
        let (score, _) = score(&bytes(golden)).unwrap();
        assert_eq!(score.melody(Melody::OneVoice), Err(Mute::Polyphonic));
        let melody = score.melody(Melody::Highest).unwrap();
        let found = melody.notes.iter().map(|note| [note.start, note.start + note.length, note.pitch.into()]);
        let wanted = golden.top.iter().map(|note| [note[0] as u32 / 24, note[1] as u32 / 24, note[2] as u32]);
        assert_eq!(found.collect::<Vec<_>>(), wanted.collect::<Vec<_>>());
        assert_eq!((melody.bars(), melody.chords[0].1.to_string()), (8, "C".to_owned()), "of the left hand");
    }

    #[test]
    fn drums_alone_are_no_melody_and_a_tone_that_nothing_ends_lasts_to_the_end_of_its_track() {
        let drums = music(&parallel(vec![track(&[], &[(9, 0, 96, 35), (9, 96, 192, 38)])]));
        assert_eq!(drums.melody(Melody::Highest), Err(Mute::Drums));
        let mut held = track(&[], &[(0, 0, 96, 60), (0, 96, 384, 62)]);
        held.pop(); // the last end
        held.push(TrackEvent { delta: u28::new(192), kind: TrackEventKind::Meta(MetaMessage::EndOfTrack) });
        let tones = music(&parallel(vec![held])).parts.remove(0);
        assert_eq!(tones[1], Tone { start: WHOLE / 4, end: 3 * WHOLE / 4, pitch: 62 });
    }

    #[test]
    fn no_damage_does_more_than_fail() {
        let sound = parallel(vec![track(&[(0, 4, 2)], &[(0, 0, 96, 60), (0, 96, 400, 64), (1, 0, 400, 40)])]);
        for at in 0..sound.len() {
            for value in [0, 0x7f, 0x80, 0xff, sound[at] ^ 1] {
                let mut damaged = sound.clone();
                damaged[at] = value;
                let _ = score(&damaged).map(|(score, _)| score.melody(Melody::Highest));
            }
            let _ = score(&sound[..at]).map(|(score, _)| score.melody(Melody::OneVoice));
        }
    }
}
