//! Notes as sound: a small synthesiser that plucks the melody and holds soft chords below it.

use std::f64::consts::{PI, TAU};
use std::io::Cursor;

use super::notes::{BEATS_PER_MINUTE, Notes, STEPS_PER_BEAT};
use crate::error::{Error, Result};

const SAMPLES_PER_SEC: u32 = 44_100;
const SAMPLES_PER_STEP: f64 = SAMPLES_PER_SEC as f64 * 60.0 / (BEATS_PER_MINUTE * STEPS_PER_BEAT) as f64;
/// The loudest sample of a file, of 1: what is louder somewhere would be cut off there.
const PEAK: f64 = 0.8;
/// Overtones above this would fold back as false low ones.
const HIGHEST_HERTZ: f64 = 16_000.0;

/// How a note of one kind sounds.
struct Tone {
    /// The strength of the fundamental and the overtones above it.
    partials: &'static [f64],
    /// Seconds from silence to full strength, and from full strength to silence.
    attack_secs: f64,
    release_secs: f64,
    /// The share that stays however long the note is held; the rest dies away.
    held: f64,
    /// Seconds in which the rest of A4's fundamental dies away to 1/e; overtones and higher notes are faster.
    decay_secs: f64,
}

const PLUCKED: Tone = Tone {
    partials: &[1.0, 0.5, 0.32, 0.14, 0.09, 0.05, 0.03, 0.02],
    attack_secs: 0.006,
    release_secs: 0.09,
    held: 0.25,
    decay_secs: 0.55,
};
const SOFT: Tone =
    Tone { partials: &[0.20, 0.08, 0.05, 0.015], attack_secs: 0.05, release_secs: 0.25, held: 1.0, decay_secs: 1.0 };

impl Tone {
    /// Adds a note to the sound, from one place to another and as long as it takes to fade.
    fn play(&self, sound: &mut [f64], from: usize, to: usize, pitch: u8) {
        let rate = f64::from(SAMPLES_PER_SEC);
        let [attack, release] = [self.attack_secs, self.release_secs].map(|secs| secs * rate);
        let end = (to + release as usize).min(sound.len());
        // 0 to 1 and back without an edge that would be heard as a click.
        let rising = |share: f64| match share {
            ..=0.0 => 0.0,
            1.0.. => 1.0,
            _ => 0.5 - 0.5 * (PI * share).cos(),
        };
        let envelope = |at: usize| {
            let fallen = rising((at as f64 - to as f64) / release);
            rising((at - from) as f64 / attack) * (1.0 - fallen)
        };
        let mut waves = self.waves(pitch);
        for (at, sample) in sound.iter_mut().enumerate().take(end).skip(from) {
            *sample += envelope(at) * waves.iter_mut().map(Wave::next).sum::<f64>();
        }
    }

    fn waves(&self, pitch: u8) -> Vec<Wave> {
        let (rate, fundamental) = (f64::from(SAMPLES_PER_SEC), hertz(pitch));
        let waves = (1..).map(f64::from).zip(self.partials).map(|(times, strength)| {
            let hertz = fundamental * times;
            let faster = (fundamental / 440.0).sqrt() * times;
            let [held, dying] = [self.held, 1.0 - self.held].map(|share| share * strength);
            let decay = (-faster / (self.decay_secs * rate)).exp();
            (hertz, Wave { turned: [0.0, 1.0], turn: (TAU * hertz / rate).sin_cos().into(), held, dying, decay })
        });
        waves.take_while(|(hertz, _)| *hertz <= HIGHEST_HERTZ).map(|(_, wave)| wave).collect()
    }
}

/// One sine wave, sample by sample.
struct Wave {
    /// The sine and cosine of where it is, and of what it goes on by.
    turned: [f64; 2],
    turn: [f64; 2],
    /// Its strength: what stays, and what dies away by a factor a sample.
    held: f64,
    dying: f64,
    decay: f64,
}

impl Wave {
    fn next(&mut self) -> f64 {
        let ([sin, cos], [by_sin, by_cos]) = (self.turned, self.turn);
        self.turned = [sin * by_cos + cos * by_sin, cos * by_cos - sin * by_sin];
        let strength = self.held + self.dying;
        self.dying *= self.decay;
        strength * sin
    }
}

/// The frequency of a pitch, in equal temperament about A4.
fn hertz(pitch: u8) -> f64 {
    440.0 * ((f64::from(pitch) - 69.0) / 12.0).exp2()
}

impl Notes {
    /// The sound at 120 quarters a minute: samples from -0.8 to 0.8 at 44,100 a second, until the last note has faded. The
    /// loudest is 0.8, and the same notes are the same samples; no notes at all are silence.
    pub fn sound(&self) -> Vec<f64> {
        let place = |step: u32| (f64::from(step) * SAMPLES_PER_STEP).round() as usize;
        let fading = (SOFT.release_secs * f64::from(SAMPLES_PER_SEC)).ceil() as usize;
        let mut sound = vec![0.0; place(self.steps) + fading];
        for note in self.notes.iter().filter(|note| note.start < self.steps) {
            let end = note.start.saturating_add(note.length).min(self.steps);
            PLUCKED.play(&mut sound, place(note.start), place(end), note.pitch);
        }
        for (start, end, chord) in self.chord_spans().filter(|(start, end, _)| start < end) {
            chord.triad().into_iter().for_each(|pitch| SOFT.play(&mut sound, place(start), place(end), pitch));
        }
        let loudest = sound.iter().fold(0.0_f64, |loudest, sample| loudest.max(sample.abs()));
        if loudest > 0.0 {
            sound.iter_mut().for_each(|sample| *sample *= PEAK / loudest);
        }
        sound
    }

    /// The bytes of a WAV file of [`Notes::sound`]: one channel of 16 bits.
    ///
    /// # Errors
    /// [`Error::Failed`] when the sound is longer than a WAV file can be.
    pub fn to_wav(&self) -> Result<Vec<u8>> {
        let sample_format = hound::SampleFormat::Int;
        let spec = hound::WavSpec { channels: 1, sample_rate: SAMPLES_PER_SEC, bits_per_sample: 16, sample_format };
        let mut bytes = Cursor::new(Vec::new());
        let written = hound::WavWriter::new(&mut bytes, spec).and_then(|mut writer| {
            let level = |sample: f64| (sample * f64::from(i16::MAX)).round() as i16;
            self.sound().into_iter().try_for_each(|sample| writer.write_sample(level(sample)))?;
            writer.finalize()
        });
        written.map_err(|error| Error::failed(format!("cannot make a WAV file of this: {error}")))?;
        Ok(bytes.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{Chord, Note};

    fn one(pitch: u8, length: u32) -> Notes {
        Notes { notes: vec![Note { start: 0, length, pitch }], steps: 16, chords: Vec::new() }
    }

    /// How strong a frequency is in the sound, by Goertzel's way.
    fn strength(sound: &[f64], hertz: f64) -> f64 {
        let angle = TAU * hertz / f64::from(SAMPLES_PER_SEC);
        let (mut re, mut im) = (0.0, 0.0);
        for (i, sample) in sound.iter().enumerate() {
            re += sample * (angle * i as f64).cos();
            im += sample * (angle * i as f64).sin();
        }
        re.hypot(im)
    }

    #[test]
    fn a_note_is_strongest_at_its_own_frequency_and_its_overtones_are_weaker() {
        for (pitch, hertz) in [(69, 440.0), (60, 261.625_565_300_598_6)] {
            let sound = one(pitch, 8).sound();
            let own = strength(&sound, hertz);
            for other in (21..=108).filter(|other| *other != pitch) {
                let found = strength(&sound, super::hertz(other));
                assert!(found < 0.7 * own, "{pitch} sounds as {other}: {found} to {own}");
            }
            for beside in [0.99, 0.995, 1.005, 1.01] {
                assert!(strength(&sound, beside * hertz) < own, "{pitch} is out of tune: {beside}");
            }
        }
    }

    #[test]
    fn nothing_clips_and_nothing_clicks() {
        let chords = vec![(0, Chord { root: 9, is_minor: true }), (8, Chord { root: 5, is_minor: false })];
        let mut crowd = Notes { chords, ..". A4:1 A4:1 E5:2 A4:6 B5:2".parse().unwrap() };
        crowd.notes.extend((0..20).map(|i| Note { start: 5, length: 7, pitch: 50 + i }));
        let sound = crowd.sound();
        let loudest = sound.iter().fold(0.0_f64, |loudest, sample| loudest.max(sample.abs()));
        assert!((loudest - PEAK).abs() < 1e-12, "{loudest}");
        assert_eq!((sound[0], sound.last().unwrap().abs() < 1e-3), (0.0, true));

        // One low note: were there an edge, a step from sample to sample would be far above those of the wave itself, which
        // are at most 2π f / rate times its strength.
        let sound = one(33, 1).sound();
        let steps = sound.windows(2).map(|two| (two[1] - two[0]).abs()).fold(0.0, f64::max);
        let highest = PLUCKED.partials.iter().zip(1..).map(|(strength, n)| strength * f64::from(n)).sum::<f64>();
        assert!(steps < PEAK * highest * TAU * 55.0 / 44_100.0, "{steps}");
        assert!(sound[10_000..].iter().all(|sample| *sample == 0.0), "a note outlasts its release");
    }

    #[test]
    fn a_wav_has_the_length_of_the_music_and_says_the_same_each_time() {
        let notes = Notes { chords: vec![(0, Chord { root: 0, is_minor: false })], ..one(60, 16) };
        let bytes = notes.to_wav().unwrap();
        assert_eq!(bytes, notes.to_wav().unwrap());
        let mut reader = hound::WavReader::new(Cursor::new(&bytes)).unwrap();
        let spec = reader.spec();
        assert_eq!((spec.channels, spec.sample_rate, spec.bits_per_sample), (1, 44_100, 16));
        assert_eq!(reader.duration(), 2 * 44_100 + 11_025, "two seconds of a bar, and the fading");
        let loudest = reader.samples::<i16>().map(|sample| sample.unwrap().unsigned_abs()).max().unwrap();
        assert_eq!(loudest, (0.8_f64 * 32_767.0).round() as u16);
        assert!(Notes { steps: 16, ..Notes::default() }.sound().iter().all(|sample| *sample == 0.0));
    }
}
