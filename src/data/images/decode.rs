//! From a file's bytes to a picture one can learn from, or to a sentence that says why not.

use std::io::Cursor;

use image::imageops::{self, FilterType};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};

use super::Shape;

const SMALLEST_SIDE: u32 = 8;
const MOST_PIXELS: u64 = 100_000_000;
const MOST_BYTES: u64 = 1 << 30; // 16-bit RGBA of the most pixels needs 800 MB
const COLOUR: u8 = 8; // how far apart channels are that make a colour; less is a scanner's tint

/// Decodes a picture: upright, opaque (white shows through), 8 bits a channel. An animation gives its first frame.
///
/// The error completes "NAME ...". A JPEG that was cut short is an error, though its decoder would fill it with grey.
pub fn picture(bytes: &[u8]) -> Result<RgbImage, String> {
    if bytes.is_empty() {
        return Err("is empty (0 bytes)".to_owned());
    }
    let unreadable = |error: &dyn std::fmt::Display| format!("cannot be decoded: {error}");
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|error| unreadable(&error))?;
    match reader.format() {
        Some(ImageFormat::Jpeg) if !jpeg_ends(bytes) => return Err("is cut short: its end is missing".to_owned()),
        Some(ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP | ImageFormat::Gif) => (),
        Some(other) => return Err(format!("is {other:?} inside, which is not read; convert it to PNG or JPEG")),
        None => return Err("is not a picture, whatever its name says".to_owned()),
    }
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MOST_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|error| unreadable(&error))?;
    let (width, height) = decoder.dimensions();
    if width.min(height) < SMALLEST_SIDE {
        return Err(format!(
            "is {width} x {height} pixels; {SMALLEST_SIDE} x {SMALLEST_SIDE} are the least one can learn from"
        ));
    }
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(format!("is {width} x {height} pixels, more than 100 million; scale it down"));
    }
    let orientation = decoder.orientation();
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|error| unreadable(&error))?;
    if let Ok(orientation) = orientation {
        picture.apply_orientation(orientation);
    }
    Ok(opaque(picture))
}

/// A picture over white, in 8 bits.
fn opaque(picture: DynamicImage) -> RgbImage {
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
