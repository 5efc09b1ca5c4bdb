//! What is measured, and what it is held against: pictures of 8 bits, quantised as a file of them would be, points and music.

use std::ops::ControlFlow;
use std::path::Path;

use super::music::random_walk;
use crate::data::images::{self, Images, Shape};
use crate::data::music;
use crate::data::source::{Drawing, Sampling, Split};
use crate::error::{Error, Result};
use crate::hash::sha256_of;
use crate::media::{Image, Media, Notes};
use crate::model::{Model, TRUNCATION, generate};
use crate::passport::{Part, Side};
use crate::random::Draws;
use crate::report::{Progress, Report};
use crate::request::{Request, Value};

const AT_A_TIME: usize = 250;

/// Pictures. Those that [`Pictures::new`] makes are of one size; answers and what they should be may be of several.
#[derive(Clone, Debug)]
pub struct Pictures {
    /// Where they come from.
    pub side: Side,
    /// At least one.
    pub images: Vec<Image>,
}

/// Pieces of music.
#[derive(Clone, Debug)]
pub struct Music {
    /// Where they come from.
    pub side: Side,
    /// At least one.
    pub pieces: Vec<Notes>,
}

/// What is asked of a model that draws samples.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The first seed; the others follow.
    pub first: u64,
    /// How many seeds.
    pub n: usize,
    /// See [`crate::passport::Drawn::truncation`].
    pub truncation: Option<f64>,
    /// What is given beside, by its name.
    pub given: Option<(&'a str, &'a str)>,
}

/// The samples that are asked for. An error when the model cannot draw them.
pub fn drawn(model: &dyn Model, asked: Asked<'_>, report: Report<'_>) -> Result<Vec<Media>> {
    let Asked { first, n, truncation, given } = asked;
    let mut samples = Vec::with_capacity(n);
    while samples.len() < n {
        report(Progress { what: "drawing samples", done: samples.len() as u64, total: Some(n as u64) });
        let some = samples.len() as u64..(samples.len() + AT_A_TIME).min(n) as u64;
        let request = Request::seeds(some.map(|seed| first + seed));
        let truncation = truncation.map(|truncation| (TRUNCATION, truncation.to_string()));
        let texts = truncation.into_iter().chain(given.map(|(name, value)| (name, value.to_owned())));
        let request = texts.fold(request, |request, (name, text)| request.with(name, &Value::Text(text)));
        samples.extend(generate(model, &request)?);
    }
    Ok(samples)
}

/// Goes through the pictures of a part in an order that is always the same, each with its label, to those held out last, until
/// `each` has enough.
fn labelled(
    data: &Images,
    shape: Shape,
    part: Part,
    each: &mut dyn FnMut(Image, u32) -> ControlFlow<()>,
) -> Result<()> {
    let mut data = Images { sampling: Sampling::Shuffle, ..data.clone() };
    let splits: &[Split] = match part {
        Part::HeldOut => &[Split::Validation],
        Part::All => &[Split::Train, Split::Validation],
        _ => &[Split::Train],
    };
    if part == Part::All {
        data.validation_share = 0.0;
    }
    for split in splits {
        let source = images::open(&data, "", shape, Drawing { split: *split, seed: 0, batch: AT_A_TIME })?;
        let mut left = source.items();
        for step in 0..left.div_ceil(AT_A_TIME) {
            let batch = source.batch(step as u64)?;
            let some = images::images_of(&batch.pixels).into_iter().zip(batch.labels).take(left);
            for (image, label) in some {
                if each(image, label).is_break() {
                    return Ok(());
                }
            }
            left -= AT_A_TIME.min(left);
        }
    }
    Ok(())
}

impl Music {
    /// Pieces that come from `name`. An error when there are none.
    pub fn new(name: &str, part: Option<Part>, pieces: Vec<Notes>) -> Result<Self> {
        if pieces.is_empty() {
            return Err(Error::input(format!(
                "{name} has no eight bars of 4/4 that sound one after the other, and less is not measured; give longer pieces"
            )));
        }
        let numbers = |piece: &Notes| {
            let notes = piece.notes.iter().flat_map(|note| [note.start, note.length, note.pitch.into()]);
            let chords =
                piece.chords.iter().flat_map(|(start, chord)| [*start, chord.root.into(), chord.is_minor.into()]);
            let sizes = [piece.steps, piece.notes.len() as u32, piece.chords.len() as u32];
            sizes.into_iter().chain(notes).chain(chords).flat_map(u32::to_le_bytes).collect::<Vec<u8>>()
        };
        let sha256 = sha256_of(pieces.iter().map(numbers));
        Ok(Music { side: Side { name: name.to_owned(), part, samples: pieces.len(), sha256, run: None }, pieces })
    }

    /// The music of a folder, of one part. An error when there is none.
    pub fn of_data(place: &Path, name: &str, part: Part) -> Result<Self> {
        let pieces = match part {
            Part::Train => music::segments(place, name, Some(false))?,
            Part::HeldOut => music::segments(place, name, Some(true))?,
            Part::All => music::segments(place, name, None)?,
            Part::Test => return Err(Error::input(format!("{name} keeps no test part; take {name}:held-out"))),
        };
        Music::new(name, Some(part), pieces)
    }

    /// Random walks in their rhythms and above their chords.
    pub fn walks(&self) -> Result<Self> {
        let walks = self.pieces.iter().enumerate().map(|(number, piece)| random_walk(piece, number));
        Music::new("a random walk", None, walks.collect())
    }

    /// `most` of them, at random.
    pub fn some(mut self, most: usize) -> Result<Self> {
        if self.pieces.len() <= most {
            return Ok(self);
        }
        let chosen = Draws::new(0, 0).permutation("eval.music", self.pieces.len() as u32);
        let pieces = chosen.into_iter().take(most).map(|at| std::mem::take(&mut self.pieces[at as usize]));
        Music::new(&self.side.name, self.side.part, pieces.collect())
    }
}

impl Pictures {
    /// Pictures that come from `name`. An error when there are none, or they differ in shape.
    pub fn new(name: &str, part: Option<Part>, images: Vec<Image>) -> Result<Self> {
        let Some(first) = images.first() else { return Err(Error::input(format!("{name} holds no pictures"))) };
        if let Some(other) = images.iter().find(|image| image.shape() != first.shape()) {
            let ([width, height, _], [other_width, other_height, _]) = (first.shape(), other.shape());
            return Err(Error::input(format!(
                "{name} holds pictures of {width}x{height} and of {other_width}x{other_height}; measure one size at a time"
            )));
        }
        let sha256 = sha256_of(images.iter().map(|image| &image.pixels));
        Ok(Pictures { side: Side { name: name.to_owned(), part, samples: images.len(), sha256, run: None }, images })
    }

    /// The pictures of a folder or zip, or MNIST's digits, brought to a shape as for training, `most` of them at random. An
    /// error when some cannot be used, or there are none.
    pub fn of_data(data: &Images, name: &str, shape: Shape, part: Part, most: Option<usize>) -> Result<Self> {
        let most = most.unwrap_or(usize::MAX);
        if part == Part::Test {
            let all = images::test_digits(&data.path, shape)?;
            let mut images = images::images_of(&all.pixels);
            if images.len() > most {
                let chosen = Draws::new(0, 0).permutation("eval.test", images.len() as u32);
                images = chosen.into_iter().take(most).map(|at| images[at as usize].clone()).collect();
            }
            return Pictures::new(name, Some(part), images);
        }
        let mut images = Vec::new();
        labelled(data, shape, part, &mut |image, _| {
            images.push(image);
            if images.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Pictures::new(name, Some(part), images)
    }

    /// The same by class, of each class the first of as many; none of a class that has none in this part.
    pub fn by_class(
        data: &Images,
        name: &str,
        (shape, part, most): (Shape, Part, usize),
        classes: &[String],
    ) -> Result<Vec<Option<Self>>> {
        let mut images = vec![Vec::new(); classes.len()];
        let mut unfilled = classes.len();
        let mut put = |image, label: u32| {
            if let Some(of_class) = images.get_mut(label as usize).filter(|of_class| of_class.len() < most) {
                of_class.push(image);
                unfilled -= usize::from(of_class.len() == most);
            }
            if unfilled > 0 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        match part {
            Part::Test => {
                let all = images::test_digits(&data.path, shape)?;
                let mut all = images::images_of(&all.pixels).into_iter().zip(all.labels);
                let _ = all.try_for_each(|(image, label)| put(image, label)); // it ends where every class has enough
            }
            _ => labelled(data, shape, part, &mut put)?,
        }
        let pictures = classes.iter().zip(images).map(|(class, images)| {
            (!images.is_empty()).then(|| Pictures::new(&format!("{name}/{class}"), Some(part), images)).transpose()
        });
        pictures.collect()
    }

    /// The shape that training on a folder's pictures would best have: their median side.
    pub fn shape_of(place: &Path) -> Result<Shape> {
        let survey = images::survey(&Images::at(place), "")?;
        if survey.pictures == 0 {
            return Err(Error::input(format!("{} holds no pictures", place.display())));
        }
        Ok(Shape { channels: if survey.colour > 0 { 3 } else { 1 }, side: survey.sides[1] as usize })
    }

    /// The first picture's own shape.
    pub fn shape(&self) -> Shape {
        let [side, _, channels] = self.images[0].shape();
        Shape { channels, side }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_pictures_of_a_folder_with_parts_are_those_to_learn_from_and_those_held_out() {
        let (shape, place) = (Shape { channels: 3, side: 8 }, ganvas_made_up::faces());
        let count = |part| Pictures::of_data(&Images::at(&place), "faces", shape, part, None).unwrap().images.len();
        assert_eq!([Part::Train, Part::HeldOut, Part::All].map(count), [240, 64, 304]); // as tests/made-up draws them
    }

    #[test]
    fn pictures_come_by_class_as_many_of_each_as_are_wanted() {
        let (shape, place) = (Shape { channels: 1, side: 8 }, ganvas_made_up::classes());
        let names = ["cross", "disc", "square"].map(str::to_owned);
        let of = |part, most| Pictures::by_class(&Images::at(&place), "shapes", (shape, part, most), &names).unwrap();
        let count = |parted: Vec<Option<Pictures>>| {
            parted.iter().map(|one| one.as_ref().map_or(0, |one| one.images.len())).collect::<Vec<_>>()
        };
        let parts = [Part::Train, Part::HeldOut, Part::All].map(|part| count(of(part, 100)));
        assert_eq!(parts, [[40; 3], [24; 3], [64; 3]]); // as tests/made-up draws them
        assert_eq!(count(of(Part::All, 7)), [7; 3]);
        let first = of(Part::Train, 1).remove(2).unwrap();
        assert_eq!((first.side.name.as_str(), first.side.samples), ("shapes/square", 1));
    }
}
