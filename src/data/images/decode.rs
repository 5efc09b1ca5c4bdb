//! From a file's bytes to a picture one can learn from, or to a sentence that says why not.

use image::RgbImage;
use image::imageops::{self, FilterType};

use super::Shape;
use crate::media::{Opened, Profile};

const SMALLEST_SIDE: u32 = 8;
const COLOUR: u8 = 8; // how far apart channels are that make a colour; less is a scanner's tint

/// Decodes a picture one can learn from: upright, opaque (white shows through), in sRGB, 8 bits a channel. An animation gives
/// its first frame.
///
/// The error completes "NAME ...". A JPEG that was cut short is an error, though its decoder would fill it with grey.
pub fn picture(bytes: &[u8]) -> Result<RgbImage, String> {
    Ok(seen(bytes)?.picture)
}

/// A picture one can learn from, and what of its file is not learned from.
pub struct Seen {
    /// As [`picture`] gives it.
    pub picture: RgbImage,
    /// Whether something shows through.
    pub is_transparent: bool,
    /// What became of its colour profile.
    pub profile: Profile,
    /// Frames of an animation, or pages, of which this is the first.
    pub frames: u32,
}

/// Decodes a picture as [`picture`] does, and says more of it.
pub fn seen(bytes: &[u8]) -> Result<Seen, String> {
    let opened = Opened::new(bytes, SMALLEST_SIDE)?;
    let frames = opened.frames;
    let picture = opened.shallow_picture()?;
    let (is_transparent, profile) = (picture.alpha.is_some(), picture.profile);
    let picture = picture.over_white().in_colour().into_image();
    let Some(picture) = RgbImage::from_raw(picture.width as u32, picture.height as u32, picture.pixels) else {
        unreachable!("an image has as many levels as its sides say")
    };
    Ok(Seen { picture, is_transparent, profile, frames })
}

/// Whether any pixel is of another colour than grey.
pub fn has_colour(picture: &RgbImage) -> bool {
    picture.pixels().any(|pixel| {
        let [r, g, b] = pixel.0;
        r.max(g).max(b) - r.min(g).min(b) > COLOUR
    })
}

/// The largest square in the middle, resized with a Lanczos filter: `[channels, side, side]`.
pub fn pixels(picture: &RgbImage, shape: Shape) -> Vec<u8> {
    let edge = picture.width().min(picture.height());
    let (left, top) = ((picture.width() - edge) / 2, (picture.height() - edge) / 2);
    whole(&imageops::crop_imm(picture, left, top, edge, edge).to_image(), shape)
}

/// The whole picture, resized with a Lanczos filter, so that one that is no square is seen narrower or lower: `[channels, side, side]`.
pub fn whole(picture: &RgbImage, shape: Shape) -> Vec<u8> {
    let side = shape.side as u32;
    let square = match picture.dimensions() == (side, side) {
        true => picture.clone(),
        false => imageops::resize(picture, side, side, FilterType::Lanczos3),
    };
    if shape.channels == 1 {
        return imageops::grayscale(&square).into_raw();
    }
    (0..3).flat_map(|channel| square.as_raw().iter().skip(channel).step_by(3).copied()).collect()
}

/// Squares that cover the picture, as evenly as they can, at its own size: `[channels, side, side]` each. The error completes
/// "NAME ...".
pub fn tiles(picture: &RgbImage, shape: Shape) -> Result<Vec<Vec<u8>>, String> {
    let (width, height, side) = (picture.width(), picture.height(), shape.side as u32);
    if width.min(height) < side {
        return Err(format!("is {width} x {height} pixels; details are cut out of squares of {side}"));
    }
    let places = |length: u32| {
        let count = length.div_ceil(side);
        (0..count).map(move |i| if count == 1 { 0 } else { i * (length - side) / (count - 1) })
    };
    let tile = |left, top| pixels(&imageops::crop_imm(picture, left, top, side, side).to_image(), shape);
    Ok(places(height).flat_map(|top| places(width).map(move |left| tile(left, top))).collect())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::io::Cursor;

    use image::codecs::jpeg::JpegEncoder;
    use image::{DynamicImage, ImageEncoder, ImageFormat, Rgb, Rgba, RgbaImage};

    pub(crate) const RED: [u8; 3] = [220, 30, 40];
    pub(crate) const BLUE: [u8; 3] = [20, 60, 210];
    pub(crate) const SMALL: Shape = Shape { channels: 3, side: 8 };

    pub(crate) fn plain(colour: [u8; 3]) -> Vec<u8> {
        png(&RgbImage::from_pixel(16, 16, Rgb(colour)).into())
    }

    pub(crate) fn png(picture: &DynamicImage) -> Vec<u8> {
        let mut bytes = Vec::new();
        picture.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png).unwrap();
        bytes
    }

    pub(crate) fn jpeg(picture: &RgbImage, exif: Option<Vec<u8>>) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 95);
        exif.into_iter().for_each(|exif| encoder.set_exif_metadata(exif).unwrap());
        encoder.encode_image(picture).unwrap();
        bytes
    }

    /// A picture without two equal pixels side by side, so that its file is not small.
    pub(crate) fn busy(side: u32) -> RgbImage {
        RgbImage::from_fn(side, side, |x, y| Rgb([(x * 37 + y * 11) as u8, (x * 5 + y * 91) as u8, (x * y) as u8]))
    }

    fn close(found: &[u8], wanted: [u8; 3], tolerance: u8) -> bool {
        found.iter().zip(wanted).all(|(found, wanted)| found.abs_diff(wanted) <= tolerance)
    }

    #[test]
    fn a_jpeg_without_its_last_bytes_is_cut_short_even_when_a_thumbnail_inside_it_has_an_end() {
        let thumbnail = [&[0; 20], jpeg(&busy(8), None).as_slice()].concat();
        let bytes = jpeg(&busy(32), Some(thumbnail));
        assert!(picture(&bytes).is_ok());
        for cut in [bytes.len() - 2, bytes.len() - 100] {
            let error = picture(&bytes[..cut]).unwrap_err();
            assert_eq!(error, "is cut short: its end is missing");
        }
        let png = png(&busy(32).into());
        assert!(picture(&png[..png.len() / 2]).unwrap_err().starts_with("cannot be decoded: "));
    }

    #[test]
    fn a_picture_of_absurd_dimensions_is_refused_without_its_memory() {
        let mut png = plain(RED);
        png[16..24].copy_from_slice(&[0, 0, 0x80, 0, 0, 0, 0x80, 0]); // 32,768 x 32,768
        let crc = {
            let mut crc = flate2::Crc::new();
            crc.update(&png[12..29]);
            crc.sum().to_be_bytes()
        };
        png[29..33].copy_from_slice(&crc);
        let error = picture(&png).unwrap_err();
        assert_eq!(error, "is 32768 x 32768 pixels, more than 100 million; scale it down");
    }

    #[test]
    fn every_kind_of_file_gives_its_colours() {
        // Made by tests/golden/pictures.py. The transparent half of the palette shows white.
        let files: [(&str, &[u8], [u8; 3]); 7] = [
            ("cmyk.jpg, inverted as Adobe's", include_bytes!("../../../tests/data/cmyk.jpg"), BLUE),
            ("ycck.jpg", include_bytes!("../../../tests/data/ycck.jpg"), BLUE),
            ("progressive.jpg", include_bytes!("../../../tests/data/progressive.jpg"), BLUE),
            ("interlaced.png, 16 bits", include_bytes!("../../../tests/data/interlaced.png"), BLUE),
            ("animated.gif", include_bytes!("../../../tests/data/animated.gif"), BLUE),
            ("animated.webp", include_bytes!("../../../tests/data/animated.webp"), BLUE),
            ("palette.png", include_bytes!("../../../tests/data/palette.png"), [255; 3]),
        ];
        for (name, bytes, right) in files {
            let picture = picture(bytes).unwrap();
            let (left_found, right_found) = (picture.get_pixel(3, 8).0, picture.get_pixel(12, 8).0);
            let fine = close(&left_found, RED, 3) && close(&right_found, right, 3);
            assert!(fine, "{name}: {left_found:?} and {right_found:?}");
        }
    }

    #[test]
    fn deep_and_transparent_pictures_come_to_eight_bits_over_white() {
        let deep = image::ImageBuffer::from_pixel(9, 9, image::Luma([0x8000_u16]));
        assert_eq!(picture(&png(&DynamicImage::ImageLuma16(deep))).unwrap().get_pixel(4, 4).0, [128; 3]);
        let glass = RgbaImage::from_fn(9, 9, |x, _| Rgba([200, 100, 0, [0, 51, 255][x as usize / 3]]));
        let glass = picture(&png(&glass.into())).unwrap();
        let at = |x| glass.get_pixel(x, 4).0;
        assert_eq!((at(0), at(4), at(8)), ([255; 3], [244, 224, 204], [200, 100, 0]));
    }

    #[test]
    fn a_picture_stands_as_its_exif_orientation_says() {
        // The standard (CIPA DC-008) says which edge of what one sees the stored row 0 and column 0 are; from that follow the
        // top corners one sees. Corners as stored: 0 and 1 at the top, 2 and 3 at the bottom.
        let seen =
            [(1, [0, 1]), (2, [1, 0]), (3, [3, 2]), (4, [2, 3]), (5, [0, 2]), (6, [2, 0]), (7, [3, 1]), (8, [1, 3])];
        let colours = [RED, BLUE, [30, 200, 60], [250, 250, 240]];
        let stored = RgbImage::from_fn(32, 16, |x, y| Rgb(colours[(x / 16 + y / 8 * 2) as usize]));
        for (orientation, corners) in seen {
            let exif =
                [b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".as_slice(), &[orientation, 0, 0, 0, 0, 0, 0, 0]];
            let picture = picture(&jpeg(&stored, Some(exif.concat()))).unwrap();
            let found = [picture.get_pixel(2, 2).0, picture.get_pixel(picture.width() - 3, 2).0];
            let fine = corners.iter().zip(found).all(|(corner, found)| close(&found, colours[*corner], 25));
            assert!(fine, "orientation {orientation}: {found:?}");
        }
    }

    #[test]
    fn the_square_in_the_middle_is_what_is_packed_with_its_channels_apart() {
        let wide = RgbImage::from_fn(48, 16, |x, _| Rgb(if (16..32).contains(&x) { RED } else { BLUE }));
        let tall = image::imageops::rotate90(&wide);
        for picture in [wide, tall] {
            let packed = pixels(&picture, SMALL);
            let planes = RED.iter().flat_map(|value| [*value; 64]).collect::<Vec<_>>();
            assert_eq!(packed, planes);
            let grey = pixels(&picture, Shape { channels: 1, side: 16 });
            // Rec. 709 luma: 0.2126 * 220 + 0.7152 * 30 + 0.0722 * 40
            assert!(grey.len() == 256 && grey.iter().all(|value| value.abs_diff(71) <= 1), "{}", grey[0]);
        }
    }

    #[test]
    fn what_is_finer_than_the_new_pixels_is_averaged_and_leaves_no_pattern() {
        let stripes = RgbImage::from_fn(64, 64, |x, y| Rgb([255 * ((x / 2 + y / 3) % 2) as u8; 3]));
        let pixels = pixels(&stripes, SMALL);
        assert!(pixels.iter().all(|value| value.abs_diff(127) < 40), "{pixels:?}");
    }
}
