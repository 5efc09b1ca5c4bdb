//! How many pixels of a picture there are to an inch, as files say it.

use std::io::Cursor;

use image::ImageFormat;
use tiff::tags::Tag;

/// Centimetres of an inch.
const INCH: f64 = 2.54;

/// Pixels to an inch, across and down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Density(pub [f64; 2]);

impl Density {
    /// Pixels to a metre, as PNG counts them.
    pub(super) fn to_metre(self) -> [u32; 2] {
        self.0.map(|to_inch| (to_inch * 100.0 / INCH).round() as u32) // a cast saturates
    }

    /// Whole pixels to an inch, as JFIF counts them.
    pub(super) fn to_inch(self) -> [u16; 2] {
        self.0.map(|to_inch| to_inch.round() as u16)
    }

    /// What is left of numbers that make sense.
    fn checked(density: [f64; 2]) -> Option<Self> {
        density.iter().all(|to_inch| (0.5..1e6).contains(to_inch)).then_some(Density(density))
    }

    fn of_metre(density: [u32; 2]) -> Option<Self> {
        Density::checked(density.map(|to_metre| f64::from(to_metre) * INCH / 100.0))
    }

    /// Of numbers with a unit, 2 for inches and 3 for centimetres, as TIFF and EXIF have it.
    fn of_unit(density: [f64; 2], unit: u32) -> Option<Self> {
        match unit {
            2 => Density::checked(density),
            3 => Density::checked(density.map(|to_centimetre| to_centimetre * INCH)),
            _ => None,
        }
    }

    /// What a file's bytes and its EXIF data say; none where they say nothing, or an aspect ratio alone.
    pub(super) fn read(bytes: &[u8], kind: ImageFormat, exif: Option<&[u8]>) -> Option<Self> {
        let own = match kind {
            ImageFormat::Png => png(bytes),
            ImageFormat::Jpeg => jfif(bytes),
            ImageFormat::Bmp => bmp(bytes),
            ImageFormat::Tiff => tiff(bytes),
            _ => None,
        };
        own.or_else(|| of_exif(exif?))
    }
}

/// The data of a PNG's first chunk of this name, which stands before the pixels.
pub(super) fn png_chunk<'a>(bytes: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    let mut at = 8_usize;
    loop {
        let length = u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?) as usize;
        let data = bytes.get(at + 8..)?;
        match bytes.get(at + 4..at + 8)? {
            found if found == name => return data.get(..length),
            b"IDAT" | b"IEND" => return None,
            _ => at = at.checked_add(length)?.checked_add(12)?,
        }
    }
}

/// The chunk pHYs.
fn png(bytes: &[u8]) -> Option<Density> {
    let data = png_chunk(bytes, b"pHYs")?.first_chunk::<9>()?;
    let number = |at: usize| u32::from_be_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]]);
    if data[8] == 1 { Density::of_metre([number(0), number(4)]) } else { None }
}

/// The segment APP0 of JFIF, the first one.
fn jfif(bytes: &[u8]) -> Option<Density> {
    let head = bytes.get(..18)?;
    if head[2..4] != [0xff, 0xe0] || &head[6..11] != b"JFIF\0" {
        return None;
    }
    let density = [14, 16].map(|at| f64::from(u16::from_be_bytes([head[at], head[at + 1]])));
    Density::of_unit(density, u32::from(head[13]) + 1)
}

fn bmp(bytes: &[u8]) -> Option<Density> {
    let size = u32::from_le_bytes(*bytes.get(14..)?.first_chunk()?);
    let number = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    if size >= 40 { Density::of_metre([number(38)?, number(42)?]) } else { None }
}

fn tiff(bytes: &[u8]) -> Option<Density> {
    let mut decoder = tiff::decoder::Decoder::new(Cursor::new(bytes)).ok()?;
    let unit = decoder.find_tag_unsigned::<u16>(Tag::ResolutionUnit).ok()?.unwrap_or(2);
    let mut number = |tag| match decoder.get_tag_u32_vec(tag).ok()?.as_slice() {
        [number, of] => Some(f64::from(*number) / f64::from(*of)),
        _ => None,
    };
    Density::of_unit([number(Tag::XResolution)?, number(Tag::YResolution)?], u32::from(unit))
}

/// The tags XResolution, YResolution and ResolutionUnit of the first directory (CIPA DC-008, section 4.6.4).
fn of_exif(exif: &[u8]) -> Option<Density> {
    let exif = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    let is_big = match exif.get(..4)? {
        b"II*\0" => false,
        b"MM\0*" => true,
        _ => return None,
    };
    let short = |at: usize| {
        let both = *exif.get(at..)?.first_chunk::<2>()?;
        Some(if is_big { u16::from_be_bytes(both) } else { u16::from_le_bytes(both) })
    };
    let long = |at: usize| {
        let all = *exif.get(at..)?.first_chunk::<4>()?;
        Some(if is_big { u32::from_be_bytes(all) } else { u32::from_le_bytes(all) })
    };
    let first = long(4)? as usize;
    let entries = (0..usize::from(short(first)?)).map(|i| first + 2 + 12 * i);
    let find = |tag: u16| entries.clone().find(|at| short(*at) == Some(tag));
    let ratio = |tag: u16| {
        let place = long(find(tag)? + 8)? as usize;
        Some(f64::from(long(place)?) / f64::from(long(place + 4)?))
    };
    let unit = find(0x128).and_then(|at| short(at + 8)).unwrap_or(2);
    Density::of_unit([ratio(0x11a)?, ratio(0x11b)?], u32::from(unit))
}
