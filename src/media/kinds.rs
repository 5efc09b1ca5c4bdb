//! The kinds of picture files: which are read and written, and what the others are called.

use std::path::Path;

use image::ImageFormat;

use crate::error::{Error, Result};

/// The endings of the picture files that are read, in small letters.
pub const READ: &[&str] = &["png", "apng", "jpg", "jpeg", "jfif", "webp", "gif", "bmp", "tif", "tiff"];
/// Endings of pictures that are not read.
pub const NOT_READ: &[&str] = &["avif", "heic", "heif", "hif", "jxl", "jp2", "tga", "ico", "psd"];
/// What a folder of pictures holds, for messages.
pub const READ_WORDS: &str = "PNG, JPEG, WebP, GIF, BMP, TIFF";

/// The kinds that are written, by the ending that they have here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Without loss, in 8 or 16 bits, with transparency, also animated.
    Png,
    /// With loss, in 8 bits and opaque.
    Jpeg,
    /// Without loss here, in 8 bits, with transparency, also animated.
    WebP,
    /// Without loss, in 8 or 16 bits, with transparency.
    Tiff,
    /// 256 colours a frame, each pixel seen or not, also animated.
    Gif,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 5] = [Format::Png, Format::Jpeg, Format::WebP, Format::Tiff, Format::Gif];

    /// The ending of such a file.
    pub fn ending(self) -> &'static str {
        match self {
            Format::Png => "png",
            Format::Jpeg => "jpg",
            Format::WebP => "webp",
            Format::Tiff => "tiff",
            Format::Gif => "gif",
        }
    }

    /// The kind of a word or an ending in letters of any case.
    pub fn named(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "png" | "apng" => Some(Format::Png),
            "jpg" | "jpeg" | "jfif" => Some(Format::Jpeg),
            "webp" => Some(Format::WebP),
            "tif" | "tiff" => Some(Format::Tiff),
            "gif" => Some(Format::Gif),
            _ => None,
        }
    }

    /// The kind of a file by its name. An error says which endings there are.
    pub fn of(path: &Path) -> Result<Self> {
        let named = path.extension().and_then(|ending| Format::named(&ending.to_string_lossy()));
        named.ok_or_else(|| {
            Error::input(format!(
                "{} is no .png, .jpg, .webp, .tiff or .gif; give one of these, or a folder without a dot in its name",
                path.display()
            ))
        })
    }

    /// Whether it holds several frames.
    pub fn is_animated(self) -> bool {
        matches!(self, Format::Png | Format::WebP | Format::Gif)
    }

    /// Whether it holds 16 bits a channel.
    pub fn is_deep(self) -> bool {
        matches!(self, Format::Png | Format::Tiff)
    }

    /// The most pixels that a side can have.
    pub fn most_side(self) -> usize {
        match self {
            Format::Png | Format::Tiff => i32::MAX as usize,
            Format::Jpeg | Format::Gif => 65535,
            Format::WebP => 16384,
        }
    }

    /// Whether it says how many pixels there are to an inch.
    pub fn has_density(self) -> bool {
        matches!(self, Format::Png | Format::Jpeg | Format::Tiff)
    }
}

/// How a file of another kind begins, and what it is.
const OTHERS: &[(&[u8], &str)] = &[
    (b"\x00\x00\x00\x0cJXL \r\n", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (b"8BPS", "a Photoshop document"),
    (b"%PDF", "PDF"),
    (b"<svg", "SVG"),
    (b"\x00\x00\x01\x00", "ICO"),
];

/// The kind of a file's bytes, of those that are read. The error completes "NAME ...".
pub(super) fn kind(bytes: &[u8]) -> std::result::Result<ImageFormat, String> {
    if bytes.is_empty() {
        return Err("is empty (0 bytes)".to_owned());
    }
    if bytes.starts_with(b"II+\0") || bytes.starts_with(b"MM\0+") {
        return Ok(ImageFormat::Tiff); // with offsets of 64 bits
    }
    match image::guess_format(bytes) {
        Ok(
            kind @ (ImageFormat::Png
            | ImageFormat::Jpeg
            | ImageFormat::WebP
            | ImageFormat::Gif
            | ImageFormat::Bmp
            | ImageFormat::Tiff),
        ) => Ok(kind),
        guessed => {
            let other = OTHERS.iter().find(|(begin, _)| bytes.starts_with(begin)).map(|(_, what)| (*what).to_owned());
            let other = in_boxes(bytes).map(str::to_owned).or(other);
            Err(match other.or_else(|| guessed.ok().map(|other| format!("{other:?}"))) {
                Some(other) => format!("is {other} inside, which is not read; convert it to PNG or JPEG"),
                None => "is not a picture, whatever its name says".to_owned(),
            })
        }
    }
}

/// What a file of ISO's boxes is (ISO/IEC 14496-12, section 4.3), by the brands that its first box names.
fn in_boxes(bytes: &[u8]) -> Option<&'static str> {
    let [size, word] = [bytes.get(..4)?, bytes.get(4..8)?];
    let length = u32::from_be_bytes(size.try_into().ok()?) as usize;
    if word != b"ftyp" {
        return None;
    }
    let brands = bytes.get(8..length.clamp(12, 256).min(bytes.len()))?;
    let has = |names: &[&[u8; 4]]| brands.chunks(4).any(|brand| names.iter().any(|name| brand == name.as_slice()));
    Some(if has(&[b"avif", b"avis"]) {
        "AVIF"
    } else if has(&[b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"]) {
        "HEIC (an iPhone's pictures)"
    } else {
        "a film"
    })
}
