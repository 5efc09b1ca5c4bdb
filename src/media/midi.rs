//! Notes as a standard MIDI file that any player or notation program opens.

use midly::num::{u4, u7, u15, u24, u28};
use midly::{Format, Header, MetaMessage, MidiMessage, Smf, Timing, Track, TrackEvent, TrackEventKind};

use super::notes::{BEATS_PER_MINUTE, Notes, STEPS_PER_BEAT};
use crate::error::{Error, Result};

/// MIDI's time within a quarter note, as most programs write it.
const TICKS_PER_BEAT: u32 = 480;
const TICKS_PER_STEP: u32 = TICKS_PER_BEAT / STEPS_PER_BEAT;
const MICROSECONDS_PER_MINUTE: u32 = 60_000_000;
/// How hard the melody and the chords are struck, of 127.
const MELODY_VELOCITY: u8 = 100;
const CHORD_VELOCITY: u8 = 60;

impl Notes {
    /// The bytes of a MIDI file of format 1, at 480 ticks a quarter: a track with the title, the tempo of 120 and 4/4; the
    /// melody on channel 1; and, where there are chords, a track of held triads on channel 2. Both are a piano's. What
    /// would sound after the last step ends there.
    ///
    /// # Errors
    /// [`Error::Failed`] when there is more than a MIDI file can hold.
    pub fn to_midi(&self, title: &str) -> Result<Vec<u8>> {
        let meta = |message| TrackEvent { delta: u28::new(0), kind: TrackEventKind::Meta(message) };
        let most = u28::max_value().as_int();
        let end = self.steps.checked_mul(TICKS_PER_STEP).filter(|end| *end <= most);
        let end = end.ok_or_else(|| Error::failed("a MIDI file cannot hold so many bars"))?;
        let head = vec![
            meta(MetaMessage::TrackName(title.as_bytes())),
            meta(MetaMessage::Tempo(u24::new(MICROSECONDS_PER_MINUTE / BEATS_PER_MINUTE))),
            meta(MetaMessage::TimeSignature(4, 2, 24, 8)), // 4/2^2, a click a quarter, 8 thirty-seconds in it
            TrackEvent { delta: u28::new(end), kind: TrackEventKind::Meta(MetaMessage::EndOfTrack) },
        ];

        let melody = self.notes.iter().map(|note| (note.start, note.start.saturating_add(note.length), note.pitch));
        let chords = self.chord_spans().flat_map(|(start, end, chord)| chord.triad().map(|pitch| (start, end, pitch)));
        let mut tracks = vec![head, self.track("Melody", 0, MELODY_VELOCITY, melody)];
        if !self.chords.is_empty() {
            tracks.push(self.track("Chords", 1, CHORD_VELOCITY, chords));
        }
        let timing = Timing::Metrical(u15::new(TICKS_PER_BEAT as u16));
        let mut bytes = Vec::new();
        let file = Smf { header: Header::new(Format::Parallel, timing), tracks };
        file.write_std(&mut bytes)
            .map_err(|error| Error::failed(format!("cannot make a MIDI file of this: {error}")))?;
        Ok(bytes)
    }

    /// A track of pitches from a step to a step.
    fn track(
        &self,
        name: &'static str,
        channel: u8,
        velocity: u8,
        played: impl Iterator<Item = (u32, u32, u8)>,
    ) -> Track<'static> {
        // Where one note ends and another begins, the end comes first: they may be of one pitch.
        let mut turns = Vec::new();
        for (start, end, pitch) in played {
            let end = end.min(self.steps);
            if start < end {
                turns.extend([(start, true, pitch), (end, false, pitch)]);
            }
        }
        turns.sort_by_key(|(step, begins, _)| (*step, *begins));

        let midi = |message| TrackEventKind::Midi { channel: u4::new(channel), message };
        let (mut track, mut now) = (Track::new(), 0);
        let mut put = |step: u32, kind| {
            track.push(TrackEvent { delta: u28::new((step - now) * TICKS_PER_STEP), kind });
            now = step;
        };
        put(0, TrackEventKind::Meta(MetaMessage::TrackName(name.as_bytes())));
        put(0, midi(MidiMessage::ProgramChange { program: u7::new(0) }));
        for (step, begins, pitch) in turns {
            let key = u7::new(pitch);
            put(
                step,
                midi(match begins {
                    true => MidiMessage::NoteOn { key, vel: u7::new(velocity) },
                    false => MidiMessage::NoteOff { key, vel: u7::new(0) },
                }),
            );
        }
        put(self.steps, TrackEventKind::Meta(MetaMessage::EndOfTrack));
        track
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Chord;

    fn song() -> Notes {
        let chords = Chord::sequence("C Am").unwrap().into_iter().enumerate().map(|(i, chord)| (16 * i as u32, chord));
        Notes { chords: chords.collect(), ..". C4 C4 E4:8 A4:12".parse().unwrap() }
    }

    /// Tick, pitch and velocity of each turn of a track, which ends at the last of the numbers; a velocity of 0 ends a note.
    fn turns(track: &[TrackEvent<'_>]) -> (Vec<(u32, u8, u8)>, u32) {
        let (mut now, mut found) = (0, Vec::new());
        for event in track {
            now += event.delta.as_int();
            match event.kind {
                TrackEventKind::Midi { message: MidiMessage::NoteOn { key, vel }, .. } => {
                    found.push((now, key.as_int(), vel.as_int()));
                }
                TrackEventKind::Midi { message: MidiMessage::NoteOff { key, .. }, .. } => {
                    found.push((now, key.as_int(), 0));
                }
                _ => (),
            }
        }
        assert_eq!(track.last().unwrap().kind, TrackEventKind::Meta(MetaMessage::EndOfTrack));
        (found, now)
    }

    #[test]
    fn a_midi_file_reads_back_as_the_same_melody_and_chords() {
        let bytes = song().to_midi("A song").unwrap();
        let file = Smf::parse(&bytes).unwrap();
        assert_eq!((file.header.format, file.tracks.len()), (Format::Parallel, 3));
        assert_eq!(file.header.timing, Timing::Metrical(u15::new(480)));
        let head = file.tracks[0].iter().map(|event| event.kind).collect::<Vec<_>>();
        assert_eq!(head[0], TrackEventKind::Meta(MetaMessage::TrackName(b"A song")));
        assert_eq!(head[1], TrackEventKind::Meta(MetaMessage::Tempo(u24::new(500_000))));
        assert_eq!(head[2], TrackEventKind::Meta(MetaMessage::TimeSignature(4, 2, 24, 8)));

        let (melody, end) = turns(&file.tracks[1]);
        let quarter = 480;
        let struck =
            [(1, 60, 100), (2, 60, 0), (2, 60, 100), (3, 60, 0), (3, 64, 100), (5, 64, 0), (5, 69, 100), (8, 69, 0)];
        assert_eq!(melody, struck.map(|(beat, pitch, velocity)| (beat * quarter, pitch, velocity)));
        let (chords, _) = turns(&file.tracks[2]);
        let held = [(0, [48, 52, 55], 60), (4, [48, 52, 55], 0), (4, [45, 48, 52], 60), (8, [45, 48, 52], 0)];
        let held = held.map(|(beat, triad, velocity)| triad.map(|pitch| (beat * quarter, pitch, velocity)));
        assert_eq!((chords, end), (held.concat(), 8 * quarter));
    }

    #[test]
    fn without_chords_there_is_no_track_for_them_and_nothing_outlasts_the_music() {
        let mut notes = Notes { chords: Vec::new(), ..song() };
        notes.notes[3].length = 99;
        notes.notes.push(crate::media::Note { start: 40, length: 1, pitch: 60 });
        let bytes = notes.to_midi("").unwrap();
        let file = Smf::parse(&bytes).unwrap();
        assert_eq!(file.tracks.len(), 2);
        let (melody, end) = turns(&file.tracks[1]);
        assert_eq!((melody.len(), *melody.last().unwrap(), end), (8, (8 * 480, 69, 0), 8 * 480));
    }
}
