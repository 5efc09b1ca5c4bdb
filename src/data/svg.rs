//! Drawings in SVG, as pictures: by resvg, without text and without pictures inside them.

use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg;

use crate::error::{Error, Result};
use crate::media::Image;

/// Samples along each side of a pixel. Neighbouring shapes whose common edge crosses a pixel would let the background
/// through a single one.
const FINE: u32 = 4;
const SEEN: u8 = 8; // the least opacity, of 255, that counts as drawn

/// A drawing that can be rendered at any size.
pub struct Drawing(usvg::Tree);

impl Drawing {
    /// The drawing of an SVG document. An error when it is none.
    pub fn parse(svg: &str) -> Result<Self> {
        let tree = usvg::Tree::from_str(svg, &usvg::Options::default());
        tree.map(Drawing).map_err(|error| Error::failed(format!("a drawing cannot be read: {error}")))
    }

    /// A square of the drawing, given as left, top and side in its units, as a picture of `pixels` x `pixels`, RGB, on a
    /// background of one colour. Every pixel is the mean of 4 x 4. Panics when there are no pixels.
    pub fn render(&self, square: [f32; 3], pixels: u32, [red, green, blue]: [u8; 3]) -> Image {
        let canvas = self.paint(square, pixels * FINE, Color::from_rgba8(red, green, blue, 255));
        let (pixels, fine, step) = (pixels as usize, (pixels * FINE) as usize, FINE as usize);
        let mut levels = Vec::with_capacity(pixels * pixels * 3);
        for at in 0..pixels * pixels * 3 {
            let (row, column, channel) = (at / 3 / pixels, at / 3 % pixels, at % 3);
            let mut sum = 0;
            for y in row * step..(row + 1) * step {
                for x in column * step..(column + 1) * step {
                    sum += u32::from(canvas.data()[(y * fine + x) * 4 + channel]); // opaque, so not scaled by alpha
                }
            }
            levels.push(((sum + FINE * FINE / 2) / (FINE * FINE)) as u8);
        }
        Image::new(pixels, pixels, 3, levels)
    }

    /// Left, top, right and bottom of what is drawn within a square, to a `steps`-th of its side; none where it is empty.
    /// Panics when there are no steps.
    pub fn bounds(&self, square: [f32; 3], steps: u32) -> Option<[f32; 4]> {
        let canvas = self.paint(square, steps, Color::TRANSPARENT);
        let seen = canvas.pixels().iter().enumerate().filter(|(_, pixel)| pixel.alpha() >= SEEN);
        let places = seen.map(|(at, _)| (at as u32 % steps, at as u32 / steps));
        let ends = places.fold(None, |ends: Option<[u32; 4]>, (x, y)| {
            let [left, top, right, bottom] = ends.unwrap_or([x, y, x, y]);
            Some([left.min(x), top.min(y), right.max(x), bottom.max(y)])
        });
        let [corner_x, corner_y, side] = square;
        let unit = side / steps as f32;
        ends.map(|[left, top, right, bottom]| {
            let along = |corner: f32, steps: u32| corner + steps as f32 * unit;
            [along(corner_x, left), along(corner_y, top), along(corner_x, right + 1), along(corner_y, bottom + 1)]
        })
    }

    fn paint(&self, [left, top, side]: [f32; 3], pixels: u32, background: Color) -> Pixmap {
        let Some(mut canvas) = Pixmap::new(pixels, pixels) else { panic!("no picture has {pixels} pixels a side") };
        canvas.fill(background);
        let scale = pixels as f32 / side;
        let place = Transform::from_row(scale, 0.0, 0.0, scale, -left * scale, -top * scale);
        resvg::render(&self.0, place, &mut canvas.as_mut());
        canvas
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::Value;

    /// The cases of tests/golden/emoji.json, made by tests/golden/emoji.mjs, of these styles: style, code, and the mean levels
    /// of 8 x 8 squares.
    pub(crate) fn golden(styles: &[&str]) -> Vec<(String, String, Vec<f64>)> {
        let golden: Value = serde_json::from_str(include_str!("../../tests/golden/emoji.json")).unwrap();
        let text = |case: &Value, key: &str| case[key].as_str().unwrap().to_owned();
        let case = |case: &Value| {
            (text(case, "style"), text(case, "code"), serde_json::from_value(case["levels"].clone()).unwrap())
        };
        let cases = golden.as_array().unwrap().iter().map(case);
        cases.filter(|(style, ..)| styles.contains(&style.as_str())).collect()
    }

    /// The mean levels of 8 x 8 squares of a picture.
    pub(crate) fn levels(picture: &Image) -> Vec<f64> {
        let (side, wide) = (picture.width / 8, picture.width);
        let mut levels = vec![0.0; 8 * 8 * 3];
        for (at, pixel) in picture.pixels.chunks_exact(3).enumerate() {
            for (channel, level) in pixel.iter().enumerate() {
                levels[(at / wide / side * 8 + at % wide / side) * 3 + channel] +=
                    f64::from(*level) / (side * side) as f64;
            }
        }
        levels
    }

    #[test]
    fn a_rendering_shows_the_square_asked_for_and_no_background_between_neighbours() {
        let svg = r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><rect width="3.5" height="7" fill="red"/><rect x="3.5" width="4.5" height="7" fill="blue"/></svg>"#;
        let drawing = Drawing::parse(svg).unwrap();
        let picture = drawing.render([2.0, 4.0, 4.0], 4, [0, 255, 0]);
        assert_eq!(picture.shape(), [4, 4, 3]);
        assert_eq!(picture.pixels[..12], [255, 0, 0, 128, 0, 128, 0, 0, 255, 0, 0, 255]);
        assert_eq!(picture.pixels[36..], [0, 255, 0].repeat(4), "the row below the shapes");
        let error = Drawing::parse("<svg").err().unwrap().to_string();
        assert!(error.starts_with("a drawing cannot be read: "), "{error}");
    }

    #[test]
    fn the_bounds_are_those_of_what_is_drawn_and_nothing_has_none() {
        let drawing = |inside: &str| {
            let head = r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8">"#;
            Drawing::parse(&format!("{head}{inside}</svg>")).unwrap()
        };
        let bar = drawing(r#"<rect x="1" y="2.5" width="5.5" height="4" fill="white"/>"#);
        assert_eq!(bar.bounds([0.0, 0.0, 8.0], 16), Some([1.0, 2.5, 6.5, 6.5]), "white is drawn, too");
        assert_eq!(bar.bounds([4.0, 4.0, 8.0], 16), Some([4.0, 4.0, 6.5, 6.5]), "of the square alone");
        assert_eq!(bar.bounds([7.0, 0.0, 1.0], 16), None);
        assert_eq!(drawing(r#"<rect width="8" height="8" fill-opacity="0.02"/>"#).bounds([0.0, 0.0, 8.0], 16), None);
    }
}
