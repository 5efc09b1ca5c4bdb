//! Pictures one after another in one file that loops for ever: GIF or animated PNG.

use std::path::Path;

use super::Image;
use super::image::png_error;
use crate::aside::write_aside;
use crate::error::{Error, Result};

/// NeuQuant's speed for RGB frames, 1 (best) to 30 (fastest); 10 is its authors' balance.
const GIF_QUANTISER_SPEED: i32 = 10;

/// Writes `frames` as an animation that loops for ever: `.gif`, or animated PNG for `.png` and `.apng`.
/// It is written aside in the same folder and renamed, so `path` is never half a file.
///
/// Animated PNG keeps every pixel and the exact rate. GIF keeps grey frames exactly, brings RGB frames down to 256
/// colours each, and counts time in hundredths of a second: a frame lasts the nearest number of them, and no less
/// than 2, because viewers slow shorter frames down.
///
/// # Errors
/// [`Error::Input`] when there are no frames, the rate is not 1 to 65535, the extension is another one or a GIF's side
/// is over 65535 pixels; [`Error`] when the file cannot be written.
///
/// # Panics
/// When the frames differ in shape.
pub fn write_animation(frames: &[Image], frames_per_sec: u32, path: &Path) -> Result<()> {
    let Some(first) = frames.first() else {
        return Err(Error::input("there are no frames to animate; ask for at least one"));
    };
    for (number, frame) in frames.iter().enumerate() {
        assert_eq!(frame.shape(), first.shape(), "frame {number} of an animation differs in shape from frame 0");
    }
    let rate = match u16::try_from(frames_per_sec) {
        Ok(rate @ 1..) => rate,
        _ => return Err(Error::input(format!("{frames_per_sec} frames per second is not from 1 to 65535"))),
    };

    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    let bytes = match extension.as_deref() {
        Some("gif") => gif_bytes(first, frames, rate)?,
        Some("png" | "apng") => apng_bytes(first, frames, rate).map_err(png_error)?,
        _ => {
            let path = path.display();
            return Err(Error::input(format!("cannot animate into {path}: the name must end in .gif, .png or .apng")));
        }
    };
    write_aside(path, &bytes, "write the animation")
}

fn gif_bytes(first: &Image, frames: &[Image], rate: u16) -> Result<Vec<u8>> {
    let [width, height, channels] = first.shape();
    let (Ok(gif_width), Ok(gif_height)) = (u16::try_from(width), u16::try_from(height)) else {
        return Err(Error::input(format!("a GIF cannot be {width}x{height}: its sides end at 65535; use .apng")));
    };
    // The 256 greys for the whole file, or a palette of its own for each RGB frame.
    let greys: Vec<u8> = if channels == 1 { (0..=255).flat_map(|level| [level; 3]).collect() } else { Vec::new() };
    let gif_error = |error: gif::EncodingError| Error::failed(format!("cannot make a GIF of these frames: {error}"));

    let mut bytes = Vec::new();
    let mut encoder = gif::Encoder::new(&mut bytes, gif_width, gif_height, &greys).map_err(gif_error)?;
    encoder.set_repeat(gif::Repeat::Infinite).map_err(gif_error)?;
    for image in frames {
        let mut frame = if channels == 1 {
            gif::Frame::from_indexed_pixels(gif_width, gif_height, image.pixels.as_slice(), None)
        } else {
            gif::Frame::from_rgb_speed(gif_width, gif_height, &image.pixels, GIF_QUANTISER_SPEED)
        };
        frame.delay = ((100.0 / f32::from(rate)).round() as u16).max(2);
        encoder.write_frame(&frame).map_err(gif_error)?;
    }
    drop(encoder); // writes the trailer
    Ok(bytes)
}

fn apng_bytes(first: &Image, frames: &[Image], rate: u16) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = first.png_encoder(&mut bytes);
    // More frames than a u32 counts do not fit in memory.
    encoder.set_animated(u32::try_from(frames.len()).unwrap_or(u32::MAX), 0)?; // 0 plays: for ever
    encoder.set_frame_delay(1, rate)?;
    let mut writer = encoder.write_header()?;
    for frame in frames {
        writer.write_image_data(&frame.pixels)?;
    }
    writer.finish()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::BufReader;

    use super::*;

    /// Three frames of 16 x 16 in which every level occurs.
    fn frames(channels: usize) -> Vec<Image> {
        let level = |i: usize, number: usize| (i * (number + 1) + number) as u8;
        let pixels = |number| (0..256 * channels).map(|i| level(i, number)).collect();
        (0..3).map(|number| Image::new(16, 16, channels, pixels(number))).collect()
    }

    #[test]
    fn an_animated_png_decodes_to_the_same_frames_at_the_same_rate_for_ever() {
        for (name, channels) in [("a.png", 1), ("a.apng", 3)] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(name);
            write_animation(&frames(channels), 24, &path).unwrap();

            let mut reader = png::Decoder::new(BufReader::new(File::open(path).unwrap())).read_info().unwrap();
            let control = *reader.info().animation_control().unwrap();
            assert_eq!((control.num_frames, control.num_plays), (3, 0));
            for frame in frames(channels) {
                let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
                reader.next_frame(&mut pixels).unwrap();
                assert_eq!(pixels, frame.pixels);
                let control = reader.info().frame_control().unwrap();
                assert_eq!((control.delay_num, control.delay_den), (1, 24));
            }
        }
    }

    fn decoded_gif(frames: &[Image], frames_per_sec: u32) -> (gif::Repeat, Vec<(u16, Vec<u8>)>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.GIF");
        write_animation(frames, frames_per_sec, &path).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "something besides the animation was left");

        let mut options = gif::DecodeOptions::new();
        options.set_color_output(gif::ColorOutput::RGBA);
        let mut decoder = options.read_info(File::open(path).unwrap()).unwrap();
        let mut decoded = Vec::new();
        while let Some(frame) = decoder.read_next_frame().unwrap() {
            decoded.push((frame.delay, frame.buffer.to_vec()));
        }
        (decoder.repeat(), decoded)
    }

    #[test]
    fn a_gif_of_grey_frames_decodes_to_the_same_frames_for_ever() {
        let (repeat, decoded) = decoded_gif(&frames(1), 12);
        let expected = frames(1).into_iter().map(|frame| {
            (8, frame.pixels.into_iter().flat_map(|level| [level, level, level, 255]).collect::<Vec<u8>>())
        });
        assert_eq!(decoded, expected.collect::<Vec<_>>());
        assert_eq!(repeat, gif::Repeat::Infinite);
    }

    #[test]
    fn a_gif_of_rgb_frames_keeps_their_colours_apart() {
        let half = |a: [u8; 3], b: [u8; 3]| Image::new(2, 1, 3, [a, b].concat());
        let (_, decoded) = decoded_gif(&[half([200, 10, 30], [0, 0, 250]), half([0, 99, 0], [1, 2, 3])], 1000);
        assert_eq!(decoded, [(2, vec![200, 10, 30, 255, 0, 0, 250, 255]), (2, vec![0, 99, 0, 255, 1, 2, 3, 255])]);
    }

    #[test]
    fn what_cannot_be_animated_is_an_input_error_that_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let sentence = |frames: &[Image], frames_per_sec, name: &str| match write_animation(
            frames,
            frames_per_sec,
            &folder.path().join(name),
        ) {
            Err(Error::Input(sentence)) => sentence,
            other => panic!("expected Error::Input, got {other:?}"),
        };
        assert!(sentence(&[], 10, "a.gif").contains("no frames"));
        assert!(sentence(&frames(1), 10, "a.mp4").contains(".gif, .png or .apng"));
        assert!(sentence(&frames(1), 0, "a.gif").contains("from 1 to 65535"));
        assert!(sentence(&[Image::new(65536, 1, 1, vec![0; 65536])], 10, "a.gif").contains("65536x1"));
        assert!(sentence(&frames(1), 10, "missing/a.gif").contains("missing does not exist"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    #[should_panic(expected = "left: [3, 1, 1]\n right: [2, 1, 1]")]
    fn frames_of_two_shapes_panic_with_both() {
        let frames = [Image::new(2, 1, 1, vec![0; 2]), Image::new(3, 1, 1, vec![0; 3])];
        let _ = write_animation(&frames, 10, Path::new("no-such-folder/a.gif"));
    }
}
