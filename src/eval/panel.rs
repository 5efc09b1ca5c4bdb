//! What a model was given, what it made of it and what it should have made, side by side for the eye.

use super::answers::group;
use crate::data::degrade::Planes;
use crate::data::degrade::resize::{Filter, resized};
use crate::error::{Error, Result};
use crate::media::{Image, Media, grid};
use crate::model::{Model, generate};
use crate::request::{Example, Request};

/// Questions of a kind that are shown.
const SHOWN: usize = 8;
/// Most pictures side by side, where one question has no more.
const WIDEST: usize = 12;
/// Largest side of a picture in pixels; of larger ones the middle is shown.
const SIDE: usize = 128;

/// A given picture, what was made of it in one way after the other, and what it should have become.
struct Row {
    given: Image,
    made: Vec<Image>,
    wanted: Image,
}

/// A grid of eight questions of each kind (fewer where there are no more), evenly chosen and in their order: the picture that is
/// given, brought to the size of what is wanted, then the answer, then what is wanted. Where several kinds are asked of the same
/// pictures, all answers are in one row. An error for questions without pictures.
pub fn panel(model: &dyn Model, asked: Vec<Example>) -> Result<Image> {
    let mut rows = Vec::<Row>::new();
    for (_, asked) in group(asked) {
        let shown = asked.len().min(SHOWN);
        let chosen = (0..shown).map(|i| &asked[(2 * i + 1) * asked.len() / (2 * shown)]).collect::<Vec<_>>();
        // The rows of the kind before, where it was asked of the same pictures
        let before = rows.len().saturating_sub(shown);
        let givens = chosen.iter().filter_map(|example| example.asked.picture());
        let is_again = rows[before..].iter().map(|row| &row.given).eq(givens);
        for (i, Example { asked, wanted, .. }) in chosen.into_iter().enumerate() {
            let made = generate(model, &Request { samples: vec![asked.clone()] })?.into_iter().next();
            let (Some(given), Some(Media::Image(made)), Some(Media::Image(wanted))) = (asked.picture(), made, wanted)
            else {
                return Err(Error::input("a panel is of pictures that are made of others; this run is asked for none"));
            };
            if !is_again {
                rows.push(Row { given: given.clone(), made: vec![made], wanted: wanted.clone() });
                continue;
            }
            let row = &mut rows[before + i];
            if row.wanted != *wanted {
                row.made.push(std::mem::replace(&mut row.wanted, wanted.clone()));
            }
            row.made.push(made);
        }
    }
    let sides = rows.iter().map(|row| row.wanted.width.min(row.wanted.height));
    let Some(side) = sides.min().map(|least| least.min(SIDE)) else {
        return Err(Error::input("this run is asked for nothing when it is measured, so there is nothing to show"));
    };
    let across = rows.iter().map(|row| row.made.len() + 2).max().unwrap_or(1);
    let cells = rows.iter().flat_map(|row| {
        let Image { width, height, .. } = row.wanted;
        let fit =
            move |image: &Image| middle(&resized(&Planes::of(image), width, height, Filter::Bicubic).image(), side);
        let all = [&row.given].into_iter().chain(&row.made).chain([&row.wanted]);
        all.map(fit).collect::<Vec<Image>>()
    });
    Ok(grid(&cells.collect::<Vec<Image>>(), across * (WIDEST / across).max(1)))
}

/// The middle square of this side, in RGB.
fn middle(image: &Image, side: usize) -> Image {
    let part = image.cut([(image.width - side) / 2, (image.height - side) / 2], [side, side]);
    match part.channels {
        3 => part,
        _ => Image::new(side, side, 3, part.pixels.iter().flat_map(|level| [*level; 3]).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::{Field, Kind, Range};
    use crate::model::{Given, Made, Weights};
    use crate::parts::Parts;
    use crate::request::PICTURE;
    use burn::tensor::{Device, Tensor};

    /// Makes every pixel four of them, as many levels lighter as is asked for.
    struct Lighter;

    impl Weights for Lighter {
        fn weights(&mut self, _visit: &mut Parts) {}
        fn device(&self) -> Device {
            Device::flex()
        }
    }

    impl Model for Lighter {
        fn takes(&self) -> Vec<Field> {
            let light = Kind::Number { low: 0.0, high: 255.0, usual: 10.0 };
            vec![Field::picture(PICTURE, 1, None, Range::Unit), Field::new("light", light)]
        }

        fn makes(&self) -> Vec<Field> {
            vec![Field::picture("result", 1, None, Range::Unit)]
        }

        fn forward(&self, given: Given) -> Made {
            let x = given.tensor::<4>(PICTURE);
            let twice = |x: Tensor<4>, axis| Tensor::stack::<5>(vec![x.clone(), x], axis);
            let [n, c, h, w] = x.dims();
            let wide = twice(x, 4).reshape([n, c, h, 2 * w]);
            let large = twice(wide, 3).reshape([n, c, 2 * h, 2 * w]);
            Made::one("result", large + given.numbers("light")[0] / 255.0)
        }
    }

    fn flat(side: usize, channels: usize, level: u8) -> Image {
        Image::new(side, side, channels, vec![level; side * side * channels])
    }

    fn asked(level: u8, wanted: u8, light: &str) -> Example {
        Example::pair(flat(2, 1, level), flat(4, 1, wanted)).with("light", light)
    }

    #[test]
    fn rows_are_evenly_chosen_and_hold_the_given_picture_all_answers_and_what_is_wanted() {
        let of = |light| (0..16).map(move |level| asked(level, level + 100, light));
        let found = panel(&Lighter, of("10").chain(of("20")).collect()).unwrap();
        // Of sixteen questions every second, four cells for each and three rows side by side.
        let cell = |level: u8| flat(4, 3, level);
        let rows = [1, 3, 5, 7, 9, 11, 13, 15].map(|level| [level, level + 10, level + 20, level + 100].map(cell));
        assert_eq!(found, grid(&rows.concat(), 12));
    }

    #[test]
    fn pictures_that_are_alike_have_a_row_each() {
        let of = |light| [asked(1, 100, light), asked(1, 100, light)];
        let found = panel(&Lighter, [of("10"), of("20")].concat()).unwrap();
        assert_eq!(found, grid(&[1, 11, 21, 100, 1, 11, 21, 100].map(|level| flat(4, 3, level)), 12));
    }

    #[test]
    fn what_another_kind_of_question_wants_stands_beside_its_own_answer() {
        let found = panel(&Lighter, vec![asked(1, 100, "10"), asked(1, 200, "20")]).unwrap();
        assert_eq!(found, grid(&[1, 11, 100, 21, 200].map(|level| flat(4, 3, level)), 10));
    }

    #[test]
    fn large_pictures_are_cut_to_their_middle() {
        let mut wide = flat(300, 3, 7);
        wide.pixels[..300 * 3 * 80].fill(200);
        let found = middle(&wide, 128);
        assert_eq!((found.shape(), found.pixels.iter().max()), ([128, 128, 3], Some(&7)));
    }

    #[test]
    fn without_pictures_to_show_the_sentence_says_so() {
        assert!(panel(&Lighter, Vec::new()).unwrap_err().to_string().contains("nothing to show"));
        let unknown = Example { wanted: None, ..asked(1, 2, "10") };
        assert!(panel(&Lighter, vec![unknown]).unwrap_err().to_string().contains("asked for none"));
    }
}
