//! What models make, and how it becomes files.

mod animation;
mod image;
mod scatter;

pub use animation::write_animation;
pub use image::{GAP_LEVEL, Image, grid};
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
}

/// One picture of all samples: images in a [`grid`] of `columns`, points together in one [`scatter`] picture
/// (384 x 384 pixels, from -3 to 3 along both axes; `columns` plays no part).
///
/// # Errors
/// [`Error::Input`] when there are no samples, when images and points are mixed, or when images get 0 columns.
///
/// # Panics
/// When the images differ in shape, as in [`grid`].
pub fn sheet(samples: &[Media], columns: usize) -> Result<Image> {
    let (mut images, mut points) = (Vec::new(), Vec::new());
    for sample in samples {
        match sample {
            Media::Image(image) => images.push(image.clone()),
            Media::Point(point) => points.push(*point),
        }
    }

    match (images.len(), points.len()) {
        (0, 0) => Err(Error::input("there are no samples to show; ask for at least one")),
        (0, _) => Ok(scatter(&points, SHEET_HALF_EXTENT, SHEET_SIZE)),
        (_, 0) if columns == 0 => Err(Error::input("a grid of 0 columns shows nothing; ask for at least one column")),
        (_, 0) => Ok(grid(&images, columns)),
        (n, m) => {
            Err(Error::input(format!("{n} images and {m} points do not fit one sheet; show each kind by itself")))
        }
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
    fn a_sheet_of_nothing_or_of_two_kinds_or_without_columns_says_why_not() {
        assert!(input_sentence(sheet(&[], 2)).contains("no samples"));
        assert!(input_sentence(sheet(&[dot(1), Media::Point([0.0; 2])], 2)).contains("1 images and 1 points"));
        assert!(input_sentence(sheet(&[dot(1)], 0)).contains("0 columns"));
    }
}
