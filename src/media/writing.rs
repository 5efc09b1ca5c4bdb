//! The bytes of a picture's file.

use std::io::Cursor;

use image::codecs::jpeg::{JpegEncoder, PixelDensity, PixelDensityUnit};
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder};
use tiff::encoder::colortype::{self, ColorType};
use tiff::encoder::{Compression, Rational, TiffEncoder, TiffValue};
use tiff::tags::{ExtraSamples, ResolutionUnit};

use super::animation::gif_of;
use super::density::Density;
use super::image::png_compression;
use super::kinds::Format;
use super::picture::Picture;
use super::raster::{Levels, Raster};
use crate::error::{Error, Result};

const QUALITY: u8 = 95; // of a JPEG

/// The bytes of a picture as a file of this kind.
pub(super) fn encode(picture: &Picture, format: Format, quality: Option<u8>) -> Result<Vec<u8>> {
    let failed = |error: &dyn std::fmt::Display| {
        Error::failed(format!("cannot make a .{} of this picture: {error}", format.ending()))
    };
    let [width, height] = picture.sides().map(|side| u32::try_from(side).unwrap_or(u32::MAX)); // too long is refused below
    match format {
        Format::Png => png(picture).map_err(|error| failed(&error)),
        Format::Tiff => tiff(picture).map_err(|error| failed(&error)),
        Format::Gif => gif_of(picture),
        Format::WebP => webp(picture),
        Format::Jpeg => {
            let mut bytes = Vec::new();
            let mut encoder = JpegEncoder::new_with_quality(&mut bytes, quality.unwrap_or(QUALITY));
            if let Some(density) = picture.density.map(Density::to_inch).filter(|[x, y]| *x > 0 && *y > 0) {
                let (unit, density) = (PixelDensityUnit::Inches, (density[0], density[1]));
                encoder.set_pixel_density(PixelDensity { density, unit });
            }
            let opaque = picture.clone().over_white().into_image();
            let colour = if opaque.channels == 1 { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
            encoder.encode(&opaque.pixels, width, height, colour).map_err(|error| failed(&error))?;
            Ok(bytes)
        }
    }
}

/// The levels of the colours and of the transparency, side by side.
fn joined(picture: &Picture) -> Levels {
    let Some(alpha) = &picture.alpha else { return picture.raster.levels.clone() };
    fn join<L: Copy>(all: &[L], alpha: &[L], channels: usize) -> Vec<L> {
        all.chunks_exact(channels).zip(alpha).flat_map(|(pixel, alpha)| pixel.iter().chain([alpha]).copied()).collect()
    }
    let channels = picture.raster.channels;
    match (&picture.raster.levels, &alpha.levels) {
        (Levels::Eight(all), Levels::Eight(alpha)) => Levels::Eight(join(all, alpha, channels)),
        (Levels::Sixteen(all), Levels::Sixteen(alpha)) => Levels::Sixteen(join(all, alpha, channels)),
        _ => unreachable!("a picture and its transparency have one depth"),
    }
}

/// The picture in 8 bits, in RGB with its transparency if it has some.
pub(super) fn shallow_rgb(picture: &Picture) -> Picture {
    let alpha = picture.alpha.clone().map(Raster::shallow);
    picture.with(picture.raster.clone().shallow().in_colour(), alpha)
}

/// How PNG names the colours of a picture.
pub(super) fn png_colour(channels: usize, has_alpha: bool) -> png::ColorType {
    match (channels, has_alpha) {
        (1, false) => png::ColorType::Grayscale,
        (1, true) => png::ColorType::GrayscaleAlpha,
        (_, false) => png::ColorType::Rgb,
        (_, true) => png::ColorType::Rgba,
    }
}

fn png(picture: &Picture) -> std::result::Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let [width, height] = picture.sides().map(|side| u32::try_from(side).unwrap_or(u32::MAX)); // is refused
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png_colour(picture.raster.channels, picture.alpha.is_some()));
    encoder.set_depth(if picture.raster.is_deep() { png::BitDepth::Sixteen } else { png::BitDepth::Eight });
    encoder.set_compression(png_compression(picture.sides()));
    let density = picture.density.map(Density::to_metre);
    encoder.set_pixel_dims(density.map(|[xppu, yppu]| png::PixelDimensions { xppu, yppu, unit: png::Unit::Meter }));
    let levels = match joined(picture) {
        Levels::Eight(all) => all,
        Levels::Sixteen(all) => all.into_iter().flat_map(u16::to_be_bytes).collect(),
    };
    encoder.write_header()?.write_image_data(&levels)?;
    Ok(bytes)
}

/// A TIFF, deflated, with the tags of its density and of an alpha that is not multiplied in. Grey with transparency is stored in
/// RGB, since many readers, ours among them, know no other.
fn tiff(picture: &Picture) -> tiff::TiffResult<Vec<u8>> {
    use colortype::{Gray8, Gray16, RGB8, RGB16};
    let in_colour =
        picture.alpha.is_some().then(|| picture.with(picture.raster.clone().in_colour(), picture.alpha.clone()));
    let picture = in_colour.as_ref().unwrap_or(picture);
    match (joined(picture), picture.raster.channels) {
        (Levels::Eight(all), 1) => tiff_of::<Gray8>(picture, &all),
        (Levels::Eight(all), _) => tiff_of::<RGB8>(picture, &all),
        (Levels::Sixteen(all), 1) => tiff_of::<Gray16>(picture, &all),
        (Levels::Sixteen(all), _) => tiff_of::<RGB16>(picture, &all),
    }
}

fn tiff_of<C: ColorType>(picture: &Picture, levels: &[C::Inner]) -> tiff::TiffResult<Vec<u8>>
where
    [C::Inner]: TiffValue,
{
    let [width, height] = picture.sides().map(|side| u32::try_from(side).unwrap_or(u32::MAX));
    let mut bytes = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut bytes)?.with_compression(Compression::Deflate(Default::default()));
    let mut image = encoder.new_image::<C>(width, height)?;
    if picture.alpha.is_some() {
        image.extra_samples(&[ExtraSamples::UnassociatedAlpha])?;
    }
    if let Some(Density(to_inch)) = picture.density {
        let [x, y] = to_inch.map(|to_inch| Rational { n: (to_inch * 1000.0).round() as u32, d: 1000 });
        image.resolution_unit(ResolutionUnit::Inch);
        image.x_resolution(x);
        image.y_resolution(y);
    }
    image.write_data(levels)?;
    Ok(bytes.into_inner())
}

/// The bytes of a WebP file, without loss.
pub(super) fn webp(picture: &Picture) -> Result<Vec<u8>> {
    let shallow = shallow_rgb(picture);
    let Levels::Eight(all) = joined(&shallow) else { unreachable!("a shallow picture has 8 bits") };
    let [width, height] = picture.sides();
    let most = Format::WebP.most_side();
    if width > most || height > most {
        return Err(Error::input(format!(
            "a .webp cannot be {width}x{height}: its sides end at {most} pixels; take .png or .tiff"
        )));
    }
    let colour = if shallow.alpha.is_some() { ExtendedColorType::Rgba8 } else { ExtendedColorType::Rgb8 };
    let mut bytes = Vec::new();
    let written = WebPEncoder::new_lossless(&mut bytes).write_image(&all, width as u32, height as u32, colour);
    written.map_err(|error| Error::failed(format!("cannot make a .webp of this picture: {error}")))?;
    Ok(bytes)
}
