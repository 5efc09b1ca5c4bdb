//! From a file's bytes to a picture one can learn from, or to a sentence that says why not.

use std::io::Cursor;

use image::imageops::{self, FilterType};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};

use super::Shape;

const SMALLEST_SIDE: u32 = 8;
const MOST_PIXELS: u64 = 100_000_000;
const MOST_BYTES: u64 = 1 << 30; // 16-bit RGBA of the most pixels needs 800 MB
const COLOUR: u8 = 8; // how far apart channels are that make a colour; less is a scanner's tint

/// Decodes a picture one can learn from: upright, opaque (white shows through), 8 bits a channel. An animation gives its first
/// frame.
///
/// The error completes "NAME ...". A JPEG that was cut short is an error, though its decoder would fill it with grey.
pub fn picture(bytes: &[u8]) -> Result<RgbImage, String> {
    Ok(opaque(decoded(bytes, SMALLEST_SIDE)?.picture))
}

/// A picture as it is in its file, upright.
pub struct Decoded {
    /// Its pixels.
    pub picture: DynamicImage,
    /// What of the file is not in the pixels: a colour profile, EXIF data.
    pub beside: Vec<&'static str>,
}

/// Decodes a picture whose sides have at least so many pixels. The error is as of [`picture`].
pub fn decoded(bytes: &[u8], smallest_side: u32) -> Result<Decoded, String> {
    if bytes.is_empty() {
        return Err("is empty (0 bytes)".to_owned());
    }
    let unreadable = |error: &dyn std::fmt::Display| format!("cannot be decoded: {error}");
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|error| unreadable(&error))?;
    match reader.format() {
        Some(ImageFormat::Jpeg) if !jpeg_ends(bytes) => return Err("is cut short: its end is missing".to_owned()),
        Some(ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP | ImageFormat::Gif) => (),
        Some(other) => {
            return Err(format!("is a picture in the format {other:?}, which is not read; convert it to PNG or JPEG"));
        }
        None => return Err("is not a picture, whatever its name says".to_owned()),
    }
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MOST_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|error| unreadable(&error))?;
    let (width, height) = decoder.dimensions();
    if width.min(height) < smallest_side {
        return Err(format!(
            "is {width} x {height} pixels; {smallest_side} x {smallest_side} are the least one can learn from"
        ));
    }
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(format!("is {width} x {height} pixels, more than 100 million; scale it down"));
    }
    let orientation = decoder.orientation();
    let has = |found: image::ImageResult<Option<Vec<u8>>>| matches!(found, Ok(Some(_)));
    let beside = [(has(decoder.icc_profile()), "colour profile"), (has(decoder.exif_metadata()), "EXIF data")];
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|error| unreadable(&error))?;
    if let Ok(orientation) = orientation {
        picture.apply_orientation(orientation);
    }
    Ok(Decoded { picture, beside: beside.into_iter().filter_map(|(has, what)| has.then_some(what)).collect() })
}

/// A picture over white, in 8 bits.
pub fn opaque(picture: DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.into_rgb8();
    }
    let picture = picture.into_rgba8();
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let [r, g, b, alpha] = picture.get_pixel(x, y).0;
        let over = |value| {
            let sum = u32::from(value) * u32::from(alpha) + 255 * (255 - u32::from(alpha));
            ((sum + 127) / 255) as u8
        };
        image::Rgb([over(r), over(g), over(b)])
    })
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
    let square = imageops::crop_imm(picture, left, top, edge, edge);
    let side = shape.side as u32;
    let square =
        if edge == side { square.to_image() } else { imageops::resize(&*square, side, side, FilterType::Lanczos3) };
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

/// Whether a JPEG has its end-of-image marker, found by walking the segments (ITU-T T.81, annex B): a thumbnail inside
/// a segment has an end of its own.
fn jpeg_ends(bytes: &[u8]) -> bool {
    let mut at = 2; // after the start of the image
    loop {
        // Compressed data hold 0xFF only before 0 (stuffing) or a restart marker; before a marker it may be repeated.
        while !matches!(bytes.get(at..at + 2), Some([0xFF, marker]) if !matches!(marker, 0 | 0xFF | 0xD0..=0xD7)) {
            at += 1;
            if at + 2 > bytes.len() {
                return false;
            }
        }
        if bytes[at + 1] == 0xD9 {
            return true;
        }
        match bytes.get(at + 2..at + 4) {
            Some(length) => at += 2 + usize::from(length[0]) * 256 + usize::from(length[1]),
            None => return false,
        }
        if at >= bytes.len() {
            return false;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use image::codecs::jpeg::JpegEncoder;
    use image::{ImageEncoder, Rgb, Rgba, RgbaImage};

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
