//! Pictures and music: what models take and make, read from files and written to them.

mod animation;
mod clear;
mod density;
pub mod face;
mod heads;
mod image;
mod kinds;
mod mark;
mod midi;
mod notes;
mod picture;
pub(crate) mod pose;
mod profile;
mod raster;
mod reading;
mod roll;
mod scatter;
mod shrink;
mod synth;
mod tiffs;
mod writing;

pub use animation::{Delay, Film, write_animation};
pub use density::Density;
pub use face::FACE;
pub use image::{GAP_LEVEL, Image, grid};
pub use kinds::{Format, NOT_READ, READ, READ_WORDS};
pub use mark::marked;
pub use notes::{BEATS_PER_MINUTE, Chord, Note, Notes, STEPS_PER_BAR, STEPS_PER_BEAT};
pub use picture::Picture;
pub use pose::{JOINT_NAMES, JOINTS, LIMBS, Pose, REACH};
pub use profile::Profile;
pub use raster::{Levels, Raster};
pub use reading::{Frame, Opened};
pub use roll::{cells, roll};
pub use scatter::scatter;

use crate::error::{Error, Result};

/// The scatter picture of a sheet reaches this far from the origin along both axes, in the points' own units.
const SHEET_HALF_EXTENT: f32 = 3.0;
/// The side of a sheet's scatter picture, in pixels.
const SHEET_SIZE: usize = 384;

/// One sample that a model made.
#[derive(Clone, Debug, PartialEq)]
pub enum Media {
    /// A picture, grey or RGB.
    Image(Image),
    /// A point of the plane, `[x, y]`.
    Point([f32; 2]),
    /// Some bars of music.
    Notes(Notes),
}

impl Media {
    /// The sample by itself, without a border: an image as it is, music as its [`roll`], a point in a [`scatter`] picture.
    ///
    /// # Errors
    /// [`Error::Input`] when it is music without bars.
    pub fn picture(&self) -> Result<Image> {
        match self {
            Media::Image(image) => Ok(image.clone()),
            Media::Notes(notes) if notes.steps > 0 => Ok(roll(notes, notes.steps)),
            Media::Point(_) | Media::Notes(_) => sheet(std::slice::from_ref(self), 1),
        }
    }
}

/// One picture of all samples: images in a [`grid`] of `columns`, music likewise, each as a [`roll`] as wide as the longest;
/// points together in one [`scatter`] picture (384 x 384 pixels, from -3 to 3 along both axes; `columns` plays no part).
///
/// # Errors
/// [`Error::Input`] when there are no samples, when kinds are mixed, when a grid gets 0 columns, or music has no bars.
///
/// # Panics
/// When the images differ in shape, as in [`grid`].
pub fn sheet(samples: &[Media], columns: usize) -> Result<Image> {
    let (mut images, mut points, mut music) = (Vec::new(), Vec::new(), Vec::new());
    for sample in samples {
        match sample {
            Media::Image(image) => images.push(image.clone()),
            Media::Point(point) => points.push(*point),
            Media::Notes(notes) => music.push(notes),
        }
    }

    match (images.len(), points.len(), music.len()) {
        (0, 0, 0) => Err(Error::input("there are no samples to show; ask for at least one")),
        (0, _, 0) => Ok(scatter(&points, SHEET_HALF_EXTENT, SHEET_SIZE)),
        (_, 0, 0) | (0, 0, _) if columns == 0 => {
            Err(Error::input("a grid of 0 columns shows nothing; ask for at least one column"))
        }
        (_, 0, 0) => Ok(grid(&images, columns)),
        (0, 0, _) => match music.iter().map(|notes| notes.steps).max() {
            Some(steps @ 1..) => Ok(grid(&music.iter().map(|notes| roll(notes, steps)).collect::<Vec<_>>(), columns)),
            _ => Err(Error::input("there is no music to show; ask for at least one bar")),
        },
        (images, points, music) => Err(Error::input(format!(
            "{images} images, {points} points and {music} pieces of music do not fit one sheet; show each kind by itself"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dot(value: u8) -> Media {
        Media::Image(Image::new(1, 1, 1, vec![value]))
    }

    fn input_sentence(result: Result<Image>) -> String {
        match result {
            Err(Error::Input(sentence)) => sentence,
            other => panic!("expected Error::Input, got {other:?}"),
        }
    }

    #[test]
    fn a_sheet_of_images_is_their_grid() {
        let expected = grid(&[Image::new(1, 1, 1, vec![7]), Image::new(1, 1, 1, vec![9])], 2);
        assert_eq!(sheet(&[dot(7), dot(9)], 2).unwrap(), expected);
    }

    #[test]
    fn a_sheet_of_points_is_one_scatter_picture_of_them_all() {
        let points = [[0.5, -1.0], [2.0, 2.0]];
        assert_eq!(sheet(&points.map(Media::Point), 1).unwrap(), scatter(&points, 3.0, 384));
    }

    #[test]
    fn a_sample_by_itself_has_no_border() {
        let notes = "C4:16".parse::<Notes>().unwrap();
        assert_eq!(dot(3).picture().unwrap(), Image::new(1, 1, 1, vec![3]));
        assert_eq!(Media::Notes(notes.clone()).picture().unwrap(), roll(&notes, 16));
        assert_eq!(Media::Point([1.0, 2.0]).picture().unwrap(), scatter(&[[1.0, 2.0]], 3.0, 384));
        assert!(input_sentence(Media::Notes(Notes::default()).picture()).contains("no music"));
    }

    #[test]
    fn a_sheet_of_music_is_a_grid_of_rolls_as_wide_as_the_longest() {
        let [short, long] = ["C4:16", "C4:16 E4:16"].map(|text| text.parse::<Notes>().unwrap());
        let expected = grid(&[roll(&short, 32), roll(&long, 32)], 1);
        assert_eq!(sheet(&[Media::Notes(short), Media::Notes(long)], 1).unwrap(), expected);
        assert!(input_sentence(sheet(&[Media::Notes(Notes::default())], 1)).contains("no music"));
        assert!(input_sentence(sheet(&[Media::Notes(Notes::default())], 0)).contains("0 columns"));
    }

    #[test]
    fn a_sheet_of_nothing_or_of_two_kinds_or_without_columns_says_why_not() {
        assert!(input_sentence(sheet(&[], 2)).contains("no samples"));
        assert!(input_sentence(sheet(&[dot(1), Media::Point([0.0; 2])], 2)).contains("1 images, 1 points"));
        assert!(input_sentence(sheet(&[dot(1)], 0)).contains("0 columns"));
    }
}
