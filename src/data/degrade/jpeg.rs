//! What is left of a picture after it was a JPEG file.

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageFormat};

use super::Planes;
use crate::media::Image;

/// The picture after a JPEG of this quality, 1 to 100: in 8 bits, and with a colour for two by two pixels, as most cameras and
/// programs write it. A picture that JPEG cannot hold, with a side over 65,535 pixels, is only rounded to 8 bits.
pub(super) fn compressed(picture: &Planes, quality: u8) -> Planes {
    let rounded = picture.clone().rounded();
    round_trip(&coarse_colour(&rounded), quality).unwrap_or(rounded)
}

/// Through the encoder, which keeps the colour of every pixel, and the decoder.
fn round_trip(picture: &Planes, quality: u8) -> Option<Planes> {
    let Image { width, height, channels, pixels } = picture.image();
    let colour = if channels == 1 { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, quality);
    encoder.encode(&pixels, u32::try_from(width).ok()?, u32::try_from(height).ok()?, colour).ok()?;
    let decoded = image::load_from_memory_with_format(&bytes, ImageFormat::Jpeg).ok()?;
    let pixels = if channels == 1 { decoded.into_luma8().into_raw() } else { decoded.into_rgb8().into_raw() };
    (pixels.len() == width * height * channels).then(|| Planes::of(&Image::new(width, height, channels, pixels)))
}

/// The picture whose colour, that is what R, G and B are more than Y, is the mean over squares of two by two pixels. Y stays,
/// for the Y of such differences is 0.
fn coarse_colour(picture: &Planes) -> Planes {
    if picture.channels == 1 {
        return picture.clone();
    }
    let (width, height, luma) = (picture.width, picture.height, picture.luma().values);
    let mut out = picture.clone();
    for plane in out.planes_mut() {
        plane.iter_mut().zip(&luma).for_each(|(value, y)| *value -= y);
        for top in (0..height).step_by(2) {
            for left in (0..width).step_by(2) {
                let square = (top..(top + 2).min(height))
                    .flat_map(|y| (left..(left + 2).min(width)).map(move |x| y * width + x));
                let mean = square.clone().map(|at| plane[at]).sum::<f32>() / square.clone().count() as f32;
                square.for_each(|at| plane[at] = mean);
            }
        }
        plane.iter_mut().zip(&luma).for_each(|(value, y)| *value += y);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::resize::{Filter, resized};
    use super::super::tests::wave_picture;
    use super::*;

    fn distance(a: &Planes, b: &Planes) -> f32 {
        a.values.iter().zip(&b.values).map(|(a, b)| (a - b).abs()).sum::<f32>() / a.values.len() as f32
    }

    #[test]
    fn a_jpeg_of_low_quality_is_farther_away_and_the_best_is_near() {
        for channels in [1, 3] {
            // Without fine colours, of which coarse colour leaves nothing.
            let smooth = resized(&wave_picture(2, 2, channels), 40, 33, Filter::Bicubic).clamped();
            let [best, good, bad] = [100, 75, 10].map(|quality| distance(&compressed(&smooth, quality), &smooth));
            assert!(best < 0.01 && best < good && good < bad && bad < 0.1, "{best}, {good}, {bad}");
        }
    }

    #[test]
    fn coarse_colour_keeps_how_light_each_pixel_is_and_is_one_colour_for_four() {
        let picture = wave_picture(7, 5, 3);
        let coarse = coarse_colour(&picture);
        assert!(distance(&coarse.luma(), &picture.luma()) < 1e-6 && distance(&coarse, &picture) > 0.01);
        let difference = |x: usize, y: usize| coarse.values[y * 7 + x] - coarse.luma().values[y * 7 + x];
        assert!(
            (difference(2, 2) - difference(3, 3)).abs() < 1e-6 && (difference(3, 3) - difference(4, 4)).abs() > 1e-4
        );
    }

    #[test]
    fn a_single_pixel_is_a_jpeg_too() {
        let point = Planes::new(1, 1, 3, vec![0.2, 0.2, 0.2]);
        assert!(distance(&compressed(&point, 95), &point) < 0.02);
    }
}
