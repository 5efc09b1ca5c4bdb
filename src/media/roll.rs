//! Notes as a picture: time across, pitch up, and the chords as a coloured strip below.

use super::Image;
use super::image::GAP_LEVEL;
use super::notes::{Chord, Note, Notes, STEPS_PER_BAR, STEPS_PER_BEAT};

/// The lowest pitch of a roll, G3, and how many there are above and with it: three octaves, to F#6, which is what a fiddle
/// plays without effort. All rolls show the same ones, so that rolls compare at a glance.
pub const LOWEST_PITCH: u8 = 55;
/// See [`LOWEST_PITCH`].
pub const PITCHES: u8 = 36;
/// Pixels of a step across, of a pitch up, and of the chords' strip up.
const STEP: usize = 3;
const PITCH: usize = 5;
const STRIP: usize = 12;
const HEIGHT: usize = PITCHES as usize * PITCH + STRIP;

const WHITE_KEY: [u8; 3] = [255, 255, 255];
const BLACK_KEY: [u8; 3] = [238, 240, 243];
const IS_BLACK: [bool; 12] = [false, true, false, true, false, false, true, false, true, false, true, false];
const BEAT: [u8; 3] = [226, 228, 232];
const BAR: [u8; 3] = [150, 154, 162];
const BEGINNING: [u8; 3] = [13, 38, 115];
const BODY: [u8; 3] = [62, 108, 200];
const OUTSIDE: [u8; 3] = [217, 26, 26];
const NO_CHORD: [u8; 3] = [214, 214, 214];

/// The row of a pitch from the top, or of the nearest one that a roll shows.
fn row(pitch: u8) -> usize {
    usize::from(LOWEST_PITCH + PITCHES - 1 - pitch.clamp(LOWEST_PITCH, LOWEST_PITCH + PITCHES - 1))
}

/// What a roll shows, `[steps, PITCHES]` flattened, the lowest pitch first: 1 where a note sounds, else 0. A note outside the
/// roll's pitches is in the nearest row.
pub fn cells(notes: &Notes) -> Vec<f32> {
    let pitches = usize::from(PITCHES);
    let mut cells = vec![0.0; pitches * notes.steps as usize];
    for note in &notes.notes {
        let from_below = pitches - 1 - row(note.pitch);
        let [start, end] = ends(note, notes.steps);
        (start..end).for_each(|step| cells[step * pitches + from_below] = 1.0);
    }
    cells
}

/// Where a note starts and ends, within so many steps.
fn ends(note: &Note, steps: u32) -> [usize; 2] {
    let end = note.start.saturating_add(note.length).min(steps);
    [note.start.min(end), end].map(|step| step as usize)
}

/// A piano roll, RGB, 3 pixels a step and 192 high: the pitches from G3 to F#6, five rows of pixels each, the black keys'
/// grey, with lines at bars and beats; a note is blue, dark where it begins, and red at the edge where it is higher or lower
/// than that. Below, each chord has a colour by its root, neighbours in the circle of fifths alike, dark where it is minor.
/// To the right of the music, up to `steps`, there is nothing.
///
/// # Panics
/// When there are no steps at all.
pub fn roll(notes: &Notes, steps: u32) -> Image {
    let own = notes.steps.min(steps);
    let width = steps as usize * STEP;
    let mut canvas = Canvas { width, pixels: vec![[GAP_LEVEL; 3]; width * HEIGHT] };
    for pitch in LOWEST_PITCH..LOWEST_PITCH + PITCHES {
        let key = if IS_BLACK[usize::from(pitch % 12)] { BLACK_KEY } else { WHITE_KEY };
        canvas.fill([0, own as usize * STEP], [row(pitch) * PITCH, (row(pitch) + 1) * PITCH], key);
    }
    for step in (0..own).step_by(STEPS_PER_BEAT as usize) {
        let line = if step.is_multiple_of(STEPS_PER_BAR) { BAR } else { BEAT };
        canvas.fill([step as usize * STEP, step as usize * STEP + 1], [0, HEIGHT - STRIP], line);
    }

    for note in &notes.notes {
        let [left, right] = ends(note, own).map(|step| step * STEP);
        let rows = [row(note.pitch) * PITCH, (row(note.pitch) + 1) * PITCH];
        let is_outside = !(LOWEST_PITCH..LOWEST_PITCH + PITCHES).contains(&note.pitch);
        canvas.fill([left, right], rows, if is_outside { OUTSIDE } else { BODY });
        canvas.fill([left, right.min(left + 1)], rows, BEGINNING);
    }

    let strip = [HEIGHT - STRIP + 1, HEIGHT]; // under a line of the gap's colour
    canvas.fill([0, own as usize * STEP], strip, NO_CHORD);
    for (start, end, chord) in notes.chord_spans() {
        let [left, right] = [start, end].map(|step| step.min(own) as usize * STEP);
        canvas.fill([left, right], strip, colour(chord));
        canvas.fill([left, right.min(left + 1)], strip, [GAP_LEVEL; 3]); // two of one colour are two
    }
    Image::new(width, HEIGHT, 3, canvas.pixels.into_flattened())
}

struct Canvas {
    width: usize,
    pixels: Vec<[u8; 3]>,
}

impl Canvas {
    /// Paints from a column to a column and from a row to a row; the second ones are left out.
    fn fill(&mut self, [left, right]: [usize; 2], [top, bottom]: [usize; 2], colour: [u8; 3]) {
        for line in self.pixels.chunks_exact_mut(self.width).take(bottom).skip(top) {
            line[left..right.max(left)].fill(colour);
        }
    }
}

/// A hue by the root's place in the circle of fifths.
fn colour(chord: Chord) -> [u8; 3] {
    let hue = f32::from(chord.root * 7 % 12) / 2.0; // in sixths of the circle of colours
    let (strong, weak) = if chord.is_minor { (0.62, 0.24) } else { (0.92, 0.46) };
    [5.0, 3.0, 1.0].map(|channel| {
        let along = (channel + hue) % 6.0;
        let share = along.min(4.0 - along).clamp(0.0, 1.0);
        ((strong - (strong - weak) * share) * 255.0_f32).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixel(image: &Image, x: usize, y: usize) -> [u8; 3] {
        let start = (y * image.width + x) * 3;
        [image.pixels[start], image.pixels[start + 1], image.pixels[start + 2]]
    }

    fn song() -> Notes {
        let chords = Chord::sequence("C G").unwrap().into_iter().zip([0, 8]).map(|(chord, start)| (start, chord));
        Notes { chords: chords.collect(), ..". C5:4 G3:8".parse().unwrap() }
    }

    #[test]
    fn time_runs_across_and_pitch_upwards() {
        let image = roll(&song(), 16);
        assert_eq!(image.shape(), [48, 192, 3]);
        // C5 is 72, the 18th row above G3; its five rows of pixels begin 18 below the top.
        let top = (90 - 72) * 5;
        let column = |x: usize| (top - 1..top + 6).map(|y| pixel(&image, x, y)).collect::<Vec<_>>();
        assert!(column(16)[1..6].iter().all(|pixel| *pixel == BODY) && column(16)[0] != BODY && column(16)[6] != BODY);
        assert_eq!([11, 12, 13, 23].map(|x| pixel(&image, x, top)), [WHITE_KEY, BEGINNING, BODY, BODY]);
        assert_ne!(pixel(&image, 24, top), BODY, "the note has ended");
        assert_eq!(pixel(&image, 30, 179), BODY, "G3 is the lowest row");
        assert_eq!((pixel(&image, 0, 0), pixel(&image, 12, 0), pixel(&image, 1, 0)), (BAR, BEAT, BLACK_KEY));
    }

    #[test]
    fn chords_have_their_colours_below_and_a_note_off_the_roll_is_red_at_its_edge() {
        let mut notes = song();
        notes.notes[0].pitch = 127;
        notes.notes[1].pitch = 0;
        let image = roll(&notes, 32);
        assert_eq!((pixel(&image, 16, 2), pixel(&image, 30, 177)), (OUTSIDE, OUTSIDE));
        let [first, second] = notes.chords.iter().map(|(_, chord)| colour(*chord)).collect::<Vec<_>>()[..] else {
            panic!("two chords");
        };
        assert_eq!([1, 23, 24, 25].map(|x| pixel(&image, x, 185)), [first, first, [GAP_LEVEL; 3], second]);
        assert_eq!(pixel(&image, 50, 100), [GAP_LEVEL; 3], "after the music there is nothing");
        assert_eq!(pixel(&roll(&Notes { chords: Vec::new(), ..song() }, 16), 5, 185), NO_CHORD);
    }

    #[test]
    fn all_chords_differ_in_colour() {
        let all = (0..24).map(|i| colour(Chord { root: i / 2, is_minor: i % 2 == 1 }));
        let mut all = all.collect::<Vec<_>>();
        let nearest = |a: &[u8; 3], b: &[u8; 3]| a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        for i in 0..24 {
            assert!((0..i).all(|j| nearest(&all[i], &all[j]) >= 20), "{i}: {all:?}");
        }
        assert_eq!(all.remove(0), [235, 117, 117], "C is red");
    }

    #[test]
    fn cells_are_one_where_the_roll_has_a_note() {
        let cells = cells(&song());
        assert_eq!(cells.len(), 36 * 16);
        let sounding = cells.iter().enumerate().filter(|(_, cell)| **cell == 1.0).map(|(at, _)| (at / 36, at % 36));
        let expected = (4..8).map(|step| (step, 17)).chain((8..16).map(|step| (step, 0)));
        assert_eq!(sounding.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    }
}
