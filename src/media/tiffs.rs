//! What TIFFs hold that `image` does not tell, and the kinds of them that it does not read.

use std::io::Cursor;

use image::error::{DecodingError, ImageFormatHint};
use image::metadata::Orientation;
use image::{ColorType, ImageDecoder, ImageError, ImageFormat, ImageResult};
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::{ExtraSamples, PhotometricInterpretation, PlanarConfiguration, Tag};
use tiff::{ColorType as Stored, TiffError};

/// Pages that are counted.
const MOST_PAGES: u32 = 10_000;

/// How many pictures a TIFF has.
pub(super) fn pages(bytes: &[u8]) -> u32 {
    let Ok(mut decoder) = Decoder::new(Cursor::new(bytes)) else { return 1 };
    let mut pages = 1;
    while pages < MOST_PAGES && decoder.more_images() && decoder.next_image().is_ok() {
        pages += 1;
    }
    pages
}

/// Its colour profile, which `image` does not find where it is longer than the picture.
pub(super) fn profile(bytes: &[u8]) -> Option<Vec<u8>> {
    Decoder::new(Cursor::new(bytes)).ok()?.get_tag_u8_vec(Tag::IccProfile).ok()
}

/// Whether its colours are multiplied by how opaque they are.
pub(super) fn is_premultiplied(bytes: &[u8]) -> bool {
    let extra = Decoder::new(Cursor::new(bytes)).and_then(|mut it| it.find_tag_unsigned_vec::<u16>(Tag::ExtraSamples));
    extra.is_ok_and(|extra| extra.unwrap_or_default().first() == Some(&ExtraSamples::AssociatedAlpha.to_u16()))
}

/// A TIFF that `image` does not read: in a palette of 256 colours, in grey with transparency, in grey of 32 bits.
pub(super) struct Rare {
    decoder: Decoder<Cursor<Vec<u8>>>,
    sides: (u32, u32),
    colour: ColorType,
    /// For each index its colour.
    palette: Option<Vec<[u8; 3]>>,
}

impl Rare {
    /// The TIFF of a file's bytes; none where it is no such one. Decoding takes so many bytes of memory at most.
    pub(super) fn new(bytes: &[u8], most: usize) -> Option<Self> {
        let mut bytes = bytes.to_vec();
        let is_in_palette = matches!(
            Decoder::new(Cursor::new(&bytes)).ok()?.colortype(),
            Err(TiffError::UnsupportedError(tiff::TiffUnsupportedError::InterpretationWithBits(
                PhotometricInterpretation::RGBPalette, bits
            ))) if bits == [8]
        );
        if is_in_palette {
            call_grey(&mut bytes)?; // the decoder reads the indices of a palette only as greys
        }
        let mut limits = Limits::default();
        (limits.decoding_buffer_size, limits.intermediate_buffer_size) = (most, most);
        let mut decoder = Decoder::new(Cursor::new(bytes)).ok()?.with_limits(limits);
        let planes = decoder.find_tag_unsigned::<u16>(Tag::PlanarConfiguration).ok()?;
        let colour = match decoder.colortype().ok()? {
            Stored::Gray(8) if is_in_palette => ColorType::Rgb8,
            Stored::Gray(32) => ColorType::L16,
            Stored::Multiband { num_samples: 2, .. } if planes == Some(PlanarConfiguration::Planar.to_u16()) => {
                return None;
            }
            Stored::Multiband { bit_depth: 8, num_samples: 2 } => ColorType::La8,
            Stored::Multiband { bit_depth: 16, num_samples: 2 } => ColorType::La16,
            _ => return None,
        };
        let palette = if is_in_palette { Some(palette(&mut decoder)?) } else { None };
        Some(Rare { sides: decoder.dimensions().ok()?, decoder, colour, palette })
    }

    /// Its levels, as bytes of this machine.
    fn levels(&mut self) -> Result<Vec<u8>, TiffError> {
        let level = |share: f64| ((share * 65535.0).round() as u16).to_ne_bytes(); // a cast saturates
        Ok(match (self.decoder.read_image()?, &self.palette) {
            (DecodingResult::U8(all), Some(palette)) => {
                all.iter().flat_map(|index| palette[usize::from(*index)]).collect()
            }
            (DecodingResult::U8(all), None) => all,
            (DecodingResult::U16(all), _) => all.into_iter().flat_map(u16::to_ne_bytes).collect(),
            (DecodingResult::U32(all), _) => {
                all.into_iter().flat_map(|value| level(f64::from(value) / f64::from(u32::MAX))).collect()
            }
            (DecodingResult::F32(all), _) => all.into_iter().flat_map(|value| level(value.into())).collect(),
            _ => Vec::new(), // is refused, for want of levels
        })
    }
}

impl ImageDecoder for Rare {
    fn dimensions(&self) -> (u32, u32) {
        self.sides
    }

    fn color_type(&self) -> ColorType {
        self.colour
    }

    fn orientation(&mut self) -> ImageResult<Orientation> {
        let number = self.decoder.find_tag_unsigned::<u8>(Tag::Orientation).ok().flatten();
        Ok(number.and_then(Orientation::from_exif).unwrap_or(Orientation::NoTransforms))
    }

    fn read_image(mut self, buffer: &mut [u8]) -> ImageResult<()> {
        let failed =
            |why: String| ImageError::Decoding(DecodingError::new(ImageFormatHint::Exact(ImageFormat::Tiff), why));
        let levels = self.levels().map_err(|error| failed(error.to_string()))?;
        if levels.len() != buffer.len() {
            return Err(failed(format!("{} bytes of levels where {} were to be", levels.len(), buffer.len())));
        }
        buffer.copy_from_slice(&levels);
        Ok(())
    }

    fn read_image_boxed(self: Box<Self>, buffer: &mut [u8]) -> ImageResult<()> {
        (*self).read_image(buffer)
    }
}

/// Changes the tag PhotometricInterpretation of the first directory into that of greys (TIFF 6.0, section 2).
fn call_grey(bytes: &mut [u8]) -> Option<()> {
    let is_big = bytes.starts_with(b"MM");
    let short = |bytes: &[u8], at: usize| {
        let both = *bytes.get(at..)?.first_chunk::<2>()?;
        Some(if is_big { u16::from_be_bytes(both) } else { u16::from_le_bytes(both) })
    };
    let first = *bytes.get(4..)?.first_chunk::<4>()?;
    let first = if is_big { u32::from_be_bytes(first) } else { u32::from_le_bytes(first) } as usize;
    let entries = (0..usize::from(short(bytes, first)?)).map(|i| first + 2 + 12 * i);
    let at = entries.into_iter().find(|at| short(bytes, *at) == Some(Tag::PhotometricInterpretation.to_u16()))?;
    let grey = PhotometricInterpretation::BlackIsZero.to_u16();
    let grey = if is_big { grey.to_be_bytes() } else { grey.to_le_bytes() };
    bytes.get_mut(at + 8..at + 10)?.copy_from_slice(&grey);
    Some(())
}

/// The colours of a palette: its reds, then its greens, then its blues, of 16 bits. Of these the upper 8 are taken, for programs
/// write 257 or 256 times the level; some write the level itself.
fn palette(decoder: &mut Decoder<Cursor<Vec<u8>>>) -> Option<Vec<[u8; 3]>> {
    let all = decoder.get_tag_u16_vec(Tag::ColorMap).ok().filter(|all| all.len() == 3 * 256)?;
    let is_of_8_bits = all.iter().all(|level| *level < 256);
    let level = |at: usize| (if is_of_8_bits { all[at] } else { all[at] >> 8 }) as u8;
    Some((0..256).map(|index| [0, 256, 512].map(|plane| level(plane + index))).collect())
}

#[cfg(test)]
mod tests {
    use super::super::raster::Levels;
    use super::super::{Density, Opened, Picture, Profile};

    fn read(bytes: &[u8]) -> Picture {
        Opened::new(bytes, 1).unwrap().picture().unwrap()
    }

    #[test]
    fn tiffs_in_a_palette_and_in_grey_with_transparency_were_refused_and_give_their_levels() {
        let indexed = read(include_bytes!("../../tests/data/palette.tif"));
        let colour = |index: usize| [index * 5 % 256, index * 3 % 256, 255 - index].map(|level| level as u8);
        assert_eq!(indexed.raster.levels, Levels::Eight((0..48).flat_map(|at| colour(at * 5)).collect()));
        let grey = read(include_bytes!("../../tests/data/grey_alpha.tif"));
        assert_eq!(grey.raster.levels, Levels::Eight((0..48).map(|at| (at % 8 * 30) as u8).collect()));
        assert_eq!(grey.alpha.unwrap().levels, Levels::Eight((0..48).map(|at| (at / 8 * 40 + 20) as u8).collect()));
        let float = read(include_bytes!("../../tests/data/float.tif"));
        assert_eq!(float.raster.levels, Levels::Sixteen((0..48).map(|at| at * 1000).collect()));
        let other = include_bytes!("../../tests/data/lab.tif");
        let Err(error) = Opened::new(other, 1) else { panic!("Lab is not read") };
        assert!(error.starts_with("is a TIFF of a sort that is not read") && error.ends_with("PNG or JPEG"), "{error}");
    }

    #[test]
    fn colours_that_were_multiplied_by_their_transparency_were_too_dark() {
        let picture = read(include_bytes!("../../tests/data/premultiplied.tif"));
        let apart = |at: usize, wanted: f32| (picture.raster.unit(at) * 255.0 - wanted).abs();
        assert!((0..48).all(|at| apart(3 * at, 200.0) < 3.5 && apart(3 * at + 1, 100.0) < 3.5), "{:?}", picture.raster);
        assert!(picture.alpha.is_some());
    }

    #[test]
    fn a_tiff_s_profile_longer_than_its_picture_was_overlooked_and_a_turned_one_s_density_was_not_turned() {
        let adobe = read(include_bytes!("../../tests/data/adobe.tif"));
        let same = read(include_bytes!("../../tests/data/adobe.png"));
        assert_eq!((adobe.profile, &adobe.raster), (Profile::Converted, &same.raster));
        let turned = read(include_bytes!("../../tests/data/turned.tif"));
        assert_eq!((turned.sides(), turned.density), ([6, 8], Some(Density([100.0, 300.0]))));
    }
}
