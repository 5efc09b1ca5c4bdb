//! A picture of 8-bit pixels: made from a network's numbers, laid out in grids, written as PNG.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use image::RgbImage;

use crate::aside::write_aside;
use crate::error::{Error, Result};

/// The width of a grid's gaps and border, in pixels.
const GAP: usize = 2;
/// Pixels from which on a picture is not compressed as well as can be: that would take seconds.
const LARGE: usize = 1 << 20;
/// The grey of a grid's gaps, border and empty cells.
pub const GAP_LEVEL: u8 = 32;

/// A picture, 8 bits a channel.
///
/// ```
/// use ganvas::media::{Image, grid};
///
/// # fn main() -> ganvas::Result<()> {
/// let red = Image::new(2, 1, 3, vec![255, 0, 0, 255, 0, 0]);
/// let large = red.enlarged(8);
/// assert_eq!((large.width, large.height), (16, 8));
/// let four = grid(&vec![large; 4], 2);
/// assert!(four.to_png()?.starts_with(b"\x89PNG"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Pixels in a row.
    pub width: usize,
    /// Rows, the first at the top.
    pub height: usize,
    /// 1 for grey, 3 for RGB.
    pub channels: usize,
    /// `height * width * channels` levels: row after row, the channels of a pixel side by side.
    pub pixels: Vec<u8>,
}

impl Image {
    /// The picture with these `pixels`, `[height, width, channels]` flattened.
    ///
    /// # Panics
    /// When `pixels` has another length, a side is 0, or `channels` is neither 1 nor 3.
    pub fn new(width: usize, height: usize, channels: usize, pixels: Vec<u8>) -> Self {
        assert!(width > 0 && height > 0, "an image needs pixels, got {width}x{height}");
        assert!(channels == 1 || channels == 3, "an image has 1 or 3 channels, got {channels}");
        let expected = width * height * channels;
        let got = pixels.len();
        assert_eq!(got, expected, "{width}x{height}x{channels} is {expected} levels, got {got}");
        Self { width, height, channels, pixels }
    }

    /// The picture with these `values`, `[height, width, channels]` flattened, where 0 is black and 1 is full:
    /// each goes to the nearest of the 256 levels. Values outside 0..1 are clamped; NaN becomes 0.
    ///
    /// # Panics
    /// As [`Image::new`].
    pub fn from_unit(width: usize, height: usize, channels: usize, values: &[f32]) -> Self {
        // A float-to-integer cast saturates, and takes NaN to 0.
        Self::new(width, height, channels, values.iter().map(|value| (value * 255.0).round() as u8).collect())
    }

    /// The pictures of a tensor `[n, channels, height, width]` with values in -1..1, rounded as in [`Image::from_unit`].
    ///
    /// # Panics
    /// As [`Image::new`].
    pub fn from_signed(pictures: Tensor<4>) -> Vec<Self> {
        let [_, channels, height, width] = pictures.dims();
        let unit = (pictures.permute([0, 2, 3, 1]) + 1.0) * 0.5;
        let values = unit.into_data().iter::<f32>().collect::<Vec<f32>>();
        let each = values.chunks(height * width * channels);
        each.map(|values| Image::from_unit(width, height, channels, values)).collect()
    }

    /// The tensor `[1, channels, height, width]` of the picture, with values in -1..1: what [`Image::from_signed`] takes.
    pub fn to_signed(&self, device: &Device) -> Tensor<4> {
        let values = self.pixels.iter().map(|&level| f32::from(level) / 127.5 - 1.0).collect::<Vec<f32>>();
        let data = TensorData::new(values, [1, self.height, self.width, self.channels]);
        Tensor::<4>::from_data(data, device).permute([0, 3, 1, 2])
    }

    /// The picture in RGB, of which grey has three equal channels.
    pub fn to_colour(self) -> Self {
        match self.channels {
            1 => Image::new(self.width, self.height, 3, self.pixels.iter().flat_map(|level| [*level; 3]).collect()),
            _ => self,
        }
    }

    /// The same as other code has it.
    pub fn to_rgb(&self) -> RgbImage {
        let colour = self.clone().to_colour();
        let (width, height) = (colour.width as u32, colour.height as u32);
        RgbImage::from_raw(width, height, colour.pixels).unwrap_or_default() // as long as its sides say
    }

    /// Width, height and channels.
    pub fn shape(&self) -> [usize; 3] {
        [self.width, self.height, self.channels]
    }

    /// The part of these sides from a place on.
    ///
    /// # Panics
    /// When it leaves the picture.
    pub fn cut(&self, [left, top]: [usize; 2], [width, height]: [usize; 2]) -> Self {
        let row = |y: usize| {
            let from = (y * self.width + left) * self.channels;
            self.pixels[from..from + width * self.channels].iter().copied()
        };
        Self::new(width, height, self.channels, (top..top + height).flat_map(row).collect())
    }

    /// The picture with every pixel a square of `factor` x `factor` pixels.
    ///
    /// # Panics
    /// When `factor` is 0.
    pub fn enlarged(&self, factor: usize) -> Self {
        let mut pixels = Vec::with_capacity(self.pixels.len() * factor * factor);
        for row in self.pixels.chunks_exact(self.width * self.channels) {
            let wide: Vec<u8> = row.chunks_exact(self.channels).flat_map(|pixel| pixel.repeat(factor)).collect();
            pixels.extend(wide.repeat(factor));
        }
        Self::new(self.width * factor, self.height * factor, self.channels, pixels)
    }

    /// The bytes of a PNG file of this picture, compressed as well as the encoder can, a large one less.
    ///
    /// # Errors
    /// [`Error::Failed`] when PNG cannot hold the picture, as with a side over 2^31 - 1 pixels.
    pub fn to_png(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let encoder = self.png_encoder(&mut bytes);
        encoder.write_header().and_then(|mut writer| writer.write_image_data(&self.pixels)).map_err(png_error)?;
        Ok(bytes)
    }

    /// Writes the picture as a PNG file. It is written aside in the same folder and renamed, so `path` is never half a
    /// file.
    ///
    /// # Errors
    /// [`Error`] when the folder is missing, not writable or full, and as [`Image::to_png`].
    pub fn write_png(&self, path: &Path) -> Result<()> {
        write_aside(path, &self.to_png()?, "write the picture")
    }

    /// An encoder for pictures of this shape.
    fn png_encoder<'a>(&self, bytes: &'a mut Vec<u8>) -> png::Encoder<'a, &'a mut Vec<u8>> {
        // A side that is too long becomes one that the encoder refuses.
        let side = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX);
        let mut encoder = png::Encoder::new(bytes, side(self.width), side(self.height));
        encoder.set_color(if self.channels == 1 { png::ColorType::Grayscale } else { png::ColorType::Rgb });
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png_compression([self.width, self.height]));
        encoder
    }
}

/// How well a PNG of these sides is compressed: as well as can be, a large one less.
pub(super) fn png_compression([width, height]: [usize; 2]) -> png::Compression {
    if width * height >= LARGE { png::Compression::Balanced } else { png::Compression::High }
}

/// The encoder writes into memory, so what it refuses is the picture itself.
fn png_error(error: png::EncodingError) -> Error {
    Error::failed(format!("cannot make a PNG of this picture: {error}"))
}

/// The images in rows of `columns`, with gaps and a border of 2 dark grey pixels; what is left of the last row has the
/// gaps' colour. The picture is `2 + columns * (width + 2)` wide, and as high by the same rule.
///
/// # Panics
/// When there are no images, `columns` is 0, or the images differ in shape.
pub fn grid(images: &[Image], columns: usize) -> Image {
    assert!(!images.is_empty() && columns > 0, "a grid of {} images in {columns} columns", images.len());
    let [width, height, channels] = images[0].shape();
    let full_width = GAP + columns * (width + GAP);
    let full_height = GAP + images.len().div_ceil(columns) * (height + GAP);
    let mut pixels = vec![GAP_LEVEL; full_width * full_height * channels];

    for (cell, image) in images.iter().enumerate() {
        assert_eq!(image.shape(), images[0].shape(), "image {cell} of a grid differs in shape from image 0");
        let left = GAP + cell % columns * (width + GAP);
        let top = GAP + cell / columns * (height + GAP);
        for (y, row) in image.pixels.chunks_exact(width * channels).enumerate() {
            let start = ((top + y) * full_width + left) * channels;
            pixels[start..start + row.len()].copy_from_slice(row);
        }
    }
    Image::new(full_width, full_height, channels, pixels)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Cursor;

    use super::*;

    fn decoded(bytes: &[u8]) -> Image {
        let mut reader = png::Decoder::new(Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        Image::new(info.width as usize, info.height as usize, info.color_type.samples(), pixels)
    }

    #[test]
    fn unit_values_go_to_the_nearest_of_256_levels_and_are_clamped() {
        let image = Image::from_unit(7, 1, 1, &[0.0, 1.0, 0.5, 1.2, -0.1, f32::NAN, 0.0019]);
        assert_eq!(image.pixels, [0, 255, 128, 255, 0, 0, 0]);
    }

    #[test]
    #[should_panic(expected = "2x2x3 is 12 levels, got 11")]
    fn a_wrong_length_panics_with_both_numbers() {
        Image::new(2, 2, 3, vec![0; 11]);
    }

    #[test]
    fn a_png_decodes_to_the_same_pixels() {
        let grey = Image::new(16, 16, 1, (0..=255).collect());
        let rgb = Image::new(5, 3, 3, (0..45).map(|i| i * 5).collect());
        assert_eq!(decoded(&grey.to_png().unwrap()), grey);
        assert_eq!(decoded(&rgb.to_png().unwrap()), rgb);
    }

    #[test]
    fn a_grid_places_every_pixel_and_fills_the_rest_with_the_gap_colour() {
        let images = [[1, 2], [3, 4], [5, 6]].map(|pixels| Image::new(2, 1, 1, pixels.to_vec()));
        let g = GAP_LEVEL;
        #[rustfmt::skip]
        let expected = vec![
            g, g, g, g, g, g, g, g, g, g,
            g, g, g, g, g, g, g, g, g, g,
            g, g, 1, 2, g, g, 3, 4, g, g,
            g, g, g, g, g, g, g, g, g, g,
            g, g, g, g, g, g, g, g, g, g,
            g, g, 5, 6, g, g, g, g, g, g,
            g, g, g, g, g, g, g, g, g, g,
            g, g, g, g, g, g, g, g, g, g,
        ];
        assert_eq!(grid(&images, 2), Image::new(10, 8, 1, expected));
    }

    #[test]
    #[should_panic(expected = "left: [3, 1, 1]\n right: [2, 1, 1]")]
    fn a_grid_of_two_shapes_panics_with_both() {
        grid(&[Image::new(2, 1, 1, vec![0; 2]), Image::new(3, 1, 1, vec![0; 3])], 2);
    }

    #[test]
    fn an_enlarged_picture_repeats_each_pixel_as_a_square() {
        let image = Image::new(2, 1, 3, vec![1, 2, 3, 4, 5, 6]);
        let row = [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6];
        assert_eq!(image.enlarged(2), Image::new(4, 2, 3, [row, row].concat()));
    }

    #[test]
    fn a_written_png_replaces_the_old_file_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        fs::write(&path, "old").unwrap();
        let image = Image::new(1, 1, 1, vec![9]);
        image.write_png(&path).unwrap();
        assert_eq!(decoded(&fs::read(&path).unwrap()), image);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_write_is_an_error_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("folder.png");
        fs::create_dir(&taken).unwrap();
        assert!(Image::new(1, 1, 1, vec![9]).write_png(&taken).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn writing_into_a_missing_folder_names_the_folder() {
        let folder = tempfile::tempdir().unwrap().path().join("missing");
        let error = Image::new(1, 1, 1, vec![9]).write_png(&folder.join("a.png")).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot write the picture: {} does not exist", folder.display()));
    }
}
