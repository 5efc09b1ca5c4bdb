//! Music out of MIDI files, in exact time.

use std::collections::{BTreeMap, HashMap};

use midly::{Format, MetaMessage, MidiMessage, Smf, Timing, TrackEventKind};

use super::score::{Bar, Lost, MOST_BARS, Score, Tone, WHOLE};

const DRUMS: u8 = 9; // the channel that General MIDI keeps for them, from 0

/// Reads a MIDI file of format 0 or 1. A part is what one channel plays in one track, without drums.
///
/// The error completes "NAME ...".
pub fn score(bytes: &[u8]) -> Result<Score, String> {
    let file = Smf::parse(bytes).map_err(|error| format!("is no sound MIDI file: {error}"))?;
    let Timing::Metrical(beat) = file.header.timing else {
        return Err("is timed in seconds, not in beats, which is not read".to_owned());
    };
    if file.header.format == Format::Sequential {
        return Err("holds several pieces one after the other (format 2), which is not read".to_owned());
    }
    let whole = 4 * u64::from(beat.as_int());
    if whole == 0 {
        return Err("has beats that last no time".to_owned());
    }
    let mut metres = BTreeMap::from([(0, (4, 4))]); // 4/4 until the file says otherwise
    let mut parts = BTreeMap::<(usize, u8), Vec<Tone>>::new();
    for (track, events) in file.tracks.iter().enumerate() {
        let (mut ticks, mut struck) = (0_u64, HashMap::new());
        for event in events {
            ticks += u64::from(event.delta.as_int());
            if ticks / whole > MOST_BARS as u64 {
                return Err(format!("is longer than {MOST_BARS} bars"));
            }
            let now = ticks * WHOLE / whole;
            match event.kind {
                TrackEventKind::Meta(MetaMessage::TimeSignature(beats, of, ..)) => {
                    if beats == 0 || of > 6 {
                        return Err(format!("has a metre of {beats}/2^{of}, which is none"));
                    }
                    metres.insert(now, (u64::from(beats), 1 << of));
                }
                TrackEventKind::Midi { channel, message } if channel.as_int() != DRUMS => {
                    let (key, velocity) = match message {
                        MidiMessage::NoteOn { key, vel } => (key.as_int(), vel.as_int()),
                        MidiMessage::NoteOff { key, .. } => (key.as_int(), 0),
                        _ => continue,
                    };
                    let part = (track, channel.as_int());
                    // One that was struck at this very moment goes on: the end is that of the tone before it.
                    if let Some(start) = struck.get(&(part, key)).copied().filter(|start| *start < now) {
                        parts.entry(part).or_default().push(Tone { start, end: now, pitch: key });
                        struck.remove(&(part, key));
                    }
                    if velocity > 0 {
                        struck.insert((part, key), now);
                    }
                }
                _ => (),
            }
        }
    }
    let mut parts = parts.into_values().filter(|tones| !tones.is_empty()).collect::<Vec<_>>();
    parts.iter_mut().for_each(|tones| tones.sort_by_key(|tone| (tone.start, tone.pitch)));
    let end = parts.iter().flatten().map(|tone| tone.end).max().unwrap_or_default();
    Ok(Score { bars: bars(&metres, end)?, parts })
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
    use midly::{Header, Track, TrackEvent};

    use super::*;
    use crate::media::Notes;

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
        let read = score(&notes.to_midi("A tune").unwrap()).unwrap().melody().unwrap();
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
        assert_eq!(score(&single).unwrap().parts, parts);
        assert_eq!(score(&apart).unwrap().parts, parts);
    }

    #[test]
    fn bars_follow_the_metre_wherever_it_changes() {
        let long = (0, 0, 96 * 16, 60);
        let lost = |metres: &[(u32, u8, u8)]| {
            let bars = score(&parallel(vec![track(metres, &[]), track(&[], &[long])])).unwrap().bars;
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
            let found = score(wrong).map(|score| score.melody());
            assert!(matches!(found, Err(_) | Ok(None)), "{found:?}");
        }
    }

    #[test]
    fn no_damage_does_more_than_fail() {
        let sound = parallel(vec![track(&[(0, 4, 2)], &[(0, 0, 96, 60), (0, 96, 400, 64), (1, 0, 400, 40)])]);
        for at in 0..sound.len() {
            for value in [0, 0x7f, 0x80, 0xff, sound[at] ^ 1] {
                let mut damaged = sound.clone();
                damaged[at] = value;
                let _ = score(&damaged).map(|score| score.melody());
            }
            let _ = score(&sound[..at]).map(|score| score.melody());
        }
    }
}
