//! One picture from a file and back to one, with its transparency, for whoever turns it into another.

use std::io::Cursor;
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use image::{GrayImage, ImageFormat, ImageReader, RgbImage, RgbaImage};

use super::decode;
use crate::aside::write_aside;
use crate::error::{Error, Result};
use crate::media::Image;

const QUALITY: u8 = 95; // of a JPEG

/// A picture and what goes with it.
#[derive(Clone, Debug)]
pub struct Picture {
    /// In RGB, over white where it is transparent.
    pub image: Image,
    /// How opaque each pixel is, row after row; none where all are.
    pub alpha: Option<Vec<u8>>,
    /// What of the file is lost: 16 bits a channel, a colour profile, EXIF data.
    pub lost: Vec<&'static str>,
}

impl Picture {
    /// Reads a PNG, JPEG, WebP or GIF file (its first frame), upright as its EXIF data say. The error names the file.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| Error::io("read the picture", path, &error))?;
        Picture::decode(&bytes, &path.display().to_string())
    }

    /// The same of a file's bytes; the error calls it by this name.
    pub fn decode(bytes: &[u8], name: &str) -> Result<Self> {
        let decode::Decoded { picture, beside } =
            decode::decoded(bytes, 1).map_err(|why| Error::input(format!("{name} {why}")))?;
        let is_deep = picture.color().bits_per_pixel() / u16::from(picture.color().channel_count()) > 8;
        let lost = is_deep.then_some("16 bits a channel").into_iter().chain(beside).collect();
        let alpha = picture
            .color()
            .has_alpha()
            .then(|| picture.to_rgba8().pixels().map(|pixel| pixel.0[3]).collect::<Vec<u8>>());
        let picture = decode::opaque(picture);
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        Ok(Picture {
            image: Image::new(width, height, 3, picture.into_raw()),
            alpha: alpha.filter(|alpha| alpha.iter().any(|level| *level < 255)),
            lost,
        })
    }

    /// The picture with its longer side of so many pixels, by a Lanczos filter.
    pub fn resized(self, longer: usize) -> Self {
        let Image { width, height, .. } = self.image;
        let side = |pixels: usize| ((pixels * longer) as f64 / width.max(height) as f64).round().max(1.0) as u32;
        let (to_width, to_height) = (side(width), side(height));
        let alpha = self.alpha.map(|alpha| scaled(alpha, [width, height], [to_width, to_height]));
        let Some(picture) = RgbImage::from_raw(width as u32, height as u32, self.image.pixels) else {
            unreachable!("an image has as many levels as its sides say")
        };
        let picture = imageops::resize(&picture, to_width, to_height, FilterType::Lanczos3);
        let image = Image::new(to_width as usize, to_height as usize, 3, picture.into_raw());
        Picture { image, alpha, lost: self.lost }
    }

    /// What this picture was turned into, as transparent as it is.
    pub fn turned_into(&self, image: Image) -> Self {
        let Image { width, height, .. } = self.image;
        let to = [image.width as u32, image.height as u32];
        let alpha = self.alpha.clone().map(|alpha| scaled(alpha, [width, height], to));
        Picture { image, alpha, lost: self.lost.clone() }
    }

    /// Writes a .png, .jpg or .webp file, whole or not at all. A JPEG is opaque: white shows through.
    pub fn write(&self, path: &Path) -> Result<()> {
        write_aside(path, &self.encode(path)?, "write the picture")
    }

    /// The bytes of a file of this name.
    pub fn encode(&self, path: &Path) -> Result<Vec<u8>> {
        let Image { width, height, channels, pixels } = &self.image;
        let ending = ending(path);
        let (width, height) = (*width as u32, *height as u32);
        let rgb = if *channels == 1 { pixels.iter().flat_map(|level| [*level; 3]).collect() } else { pixels.clone() };
        let failed = |error: image::ImageError| Error::failed(format!("cannot make {}: {error}", path.display()));
        let mut bytes = Vec::new();
        match (ending.as_str(), &self.alpha) {
            ("png", None) => bytes = self.image.to_png()?,
            ("png" | "webp", Some(alpha)) => {
                let rgba = rgb.chunks(3).zip(alpha).flat_map(|(rgb, alpha)| [rgb[0], rgb[1], rgb[2], *alpha]).collect();
                let Some(picture) = RgbaImage::from_raw(width, height, rgba) else { return Err(shapeless(path)) };
                let format = if ending == "png" { ImageFormat::Png } else { ImageFormat::WebP };
                picture.write_to(&mut Cursor::new(&mut bytes), format).map_err(failed)?;
            }
            ("webp", None) => {
                let Some(picture) = RgbImage::from_raw(width, height, rgb) else { return Err(shapeless(path)) };
                picture.write_to(&mut Cursor::new(&mut bytes), ImageFormat::WebP).map_err(failed)?;
            }
            ("jpg" | "jpeg", alpha) => {
                let over = |i: usize, level: u8| match alpha {
                    Some(alpha) => {
                        let share = u32::from(alpha[i / 3]);
                        ((u32::from(level) * share + 255 * (255 - share) + 127) / 255) as u8
                    }
                    None => level,
                };
                let rgb = rgb.iter().enumerate().map(|(i, level)| over(i, *level)).collect();
                let Some(picture) = RgbImage::from_raw(width, height, rgb) else { return Err(shapeless(path)) };
                JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode_image(&picture).map_err(failed)?;
            }
            _ => return Err(unwritten(path)),
        }
        Ok(bytes)
    }
}

/// How many pixels a picture has, by the head of its file; none where that cannot be read.
pub fn pixels(bytes: &[u8]) -> Option<u64> {
    let (width, height) = ImageReader::new(Cursor::new(bytes)).with_guessed_format().ok()?.into_dimensions().ok()?;
    Some(u64::from(width) * u64::from(height))
}

/// What a file's name ends in, in small letters.
fn ending(path: &Path) -> String {
    path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default()
}

/// An error when no picture is written under such a name.
pub fn writable(path: &Path) -> Result<()> {
    if matches!(ending(path).as_str(), "png" | "webp" | "jpg" | "jpeg") { Ok(()) } else { Err(unwritten(path)) }
}

fn unwritten(path: &Path) -> Error {
    let path = path.display();
    Error::input(format!("{path} is no .png, .jpg or .webp; give one of these, or a folder without a dot in its name"))
}

fn shapeless(path: &Path) -> Error {
    Error::failed(format!("cannot make {}: its pixels do not fit its size", path.display()))
}

/// A plane of levels brought to another size.
fn scaled(levels: Vec<u8>, [width, height]: [usize; 2], [to_width, to_height]: [u32; 2]) -> Vec<u8> {
    if (width as u32, height as u32) == (to_width, to_height) {
        return levels;
    }
    match GrayImage::from_raw(width as u32, height as u32, levels) {
        Some(plane) => imageops::resize(&plane, to_width, to_height, FilterType::Triangle).into_raw(),
        None => vec![255; (to_width * to_height) as usize],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(alpha: Option<Vec<u8>>) -> Picture {
        let image = Image::new(4, 2, 3, (0..24).map(|i| i * 10).collect());
        Picture { image, alpha, lost: Vec::new() }
    }

    #[test]
    fn transparency_survives_png_and_webp_and_is_white_in_a_jpeg() {
        let folder = tempfile::tempdir().unwrap();
        let alpha = vec![255, 255, 0, 0, 255, 255, 0, 128];
        for name in ["a.png", "a.webp"] {
            let path = folder.path().join(name);
            picture(Some(alpha.clone())).write(&path).unwrap();
            let found = Picture::read(&path).unwrap();
            assert_eq!(found.alpha.as_ref(), Some(&alpha), "{name}");
            assert_eq!(found.image.pixels[..6], [0, 10, 20, 30, 40, 50], "{name}");
            assert_eq!(found.image.pixels[6..9], [255; 3], "{name}: white where nothing is");
            picture(None).write(&path).unwrap();
            let found = Picture::read(&path).unwrap();
            assert_eq!((found.alpha, found.image), (None, picture(None).image), "{name}");
        }
        let path = folder.path().join("a.jpg");
        picture(Some(vec![0; 8])).write(&path).unwrap();
        assert!(Picture::read(&path).unwrap().image.pixels.iter().all(|level| *level > 250));
        let error = picture(None).write(&folder.path().join("a.bmp")).unwrap_err();
        assert!(error.exit_code() == 2 && error.to_string().contains("give one of these"), "{error}");
    }

    #[test]
    fn what_a_file_has_beyond_eight_bits_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep.png");
        image::ImageBuffer::<image::Luma<u16>, _>::from_pixel(3, 3, image::Luma([40_000_u16])).save(&path).unwrap();
        let found = Picture::read(&path).unwrap();
        assert_eq!((found.lost, found.image.shape()), (vec!["16 bits a channel"], [3, 3, 3]));
        let smaller = picture(Some(vec![9; 8])).resized(2);
        assert_eq!((smaller.image.shape(), smaller.alpha), ([2, 1, 3], Some(vec![9, 9])));
    }
}
