//! Pictures one after another in one file: GIF, animated PNG, animated WebP.

use std::path::Path;

use super::Image;
use super::kinds::Format;
use super::picture::Picture;
use super::raster::{Levels, Raster};
use super::writing::shallow_rgb;
use crate::aside::write_aside;
use crate::error::{Error, Result};

/// NeuQuant's speed for RGB frames, 1 (best) to 30 (fastest); 10 is its authors' balance.
const GIF_QUANTISER_SPEED: i32 = 10;
/// A GIF's pixel is seen or not: from this level on it is.
const SEEN: u8 = 128;

/// How long a frame is seen, as a fraction of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delay {
    seconds: u32,
    of: u32,
}

impl Delay {
    /// `seconds / of` seconds, in lowest terms; without end where `of` is 0, which counts as 100 (as PNG has it).
    pub fn new(seconds: u64, of: u64) -> Self {
        let of = if of == 0 { 100 } else { of };
        let (mut a, mut b) = (seconds, of);
        while b > 0 {
            (a, b) = (b, a % b);
        }
        let (seconds, of) = (seconds / a.max(1), of / a.max(1));
        match (u16::try_from(seconds), u16::try_from(of)) {
            (Ok(seconds), Ok(of)) => Delay { seconds: seconds.into(), of: of.into() },
            _ => Delay { seconds: (seconds * 1000 / of).min(65535) as u32, of: 1000 },
        }
    }

    /// The nearest number of parts of a second, of which there are so many.
    fn parts(self, to_second: u64) -> u64 {
        (u64::from(self.seconds) * to_second + u64::from(self.of) / 2) / u64::from(self.of)
    }
}

/// An animation that grows by a frame at a time. What a file of its kind cannot hold of a frame is left out, as where a still
/// is written.
pub struct Film {
    /// How often all of it is seen; without end for none.
    plays: Option<u32>,
    has_alpha: bool,
    is_grey: bool,
    sides: [usize; 2],
    frames: u32,
    body: Body,
}

/// What was written so far.
enum Body {
    /// Chunks, the next number of those of frames, and the header with what else stands before the first frame.
    Png {
        chunks: Vec<u8>,
        number: u32,
        head: Vec<u8>,
    },
    WebP {
        chunks: Vec<u8>,
    },
    Gif {
        encoder: Option<gif::Encoder<Vec<u8>>>,
    },
}

impl Film {
    /// Nothing yet, of a kind that is animated, seen so often. Frames are stored with transparency if they can have some, and in
    /// grey only if all of them `are_grey`.
    pub fn new(format: Format, plays: Option<u32>, has_alpha: bool, are_grey: bool) -> Result<Self> {
        let body = match format {
            Format::Png => Body::Png { chunks: Vec::new(), number: 0, head: Vec::new() },
            Format::WebP => Body::WebP { chunks: Vec::new() },
            Format::Gif => Body::Gif { encoder: None },
            other => {
                let ending = other.ending();
                return Err(Error::input(format!(
                    "a .{ending} holds one picture and no animation; take .gif, .png or .webp"
                )));
            }
        };
        Ok(Film { plays, has_alpha, is_grey: are_grey, sides: [0, 0], frames: 0, body })
    }

    /// Adds a frame.
    ///
    /// # Panics
    /// When it is of other sides than the first.
    pub fn add(&mut self, frame: &Picture, delay: Delay) -> Result<()> {
        if self.frames == 0 {
            self.sides = frame.sides();
        }
        assert_eq!(frame.sides(), self.sides, "frame {} of an animation differs in shape from frame 0", self.frames);
        let frame = self.alike(frame);
        let [width, height] = self.sides;
        match &mut self.body {
            Body::Png { chunks, number, head } => {
                let file = frame.encode(Format::Png, None)?;
                if self.frames == 0 {
                    let until_pixels = png_chunks(&file).take_while(|(kind, _)| *kind != b"IDAT");
                    *head = until_pixels.flat_map(|(kind, data)| png_chunk(kind, &[data])).collect();
                }
                let sides = [width as u32, height as u32, 0, 0].map(u32::to_be_bytes);
                let delay = [delay.seconds as u16, delay.of as u16].map(u16::to_be_bytes);
                let mut take = || {
                    *number += 1;
                    (*number - 1).to_be_bytes()
                };
                chunks.extend(png_chunk(b"fcTL", &[&take(), sides.as_flattened(), delay.as_flattened(), &[0, 0]]));
                for (_, data) in png_chunks(&file).filter(|(kind, _)| *kind == b"IDAT") {
                    match self.frames {
                        0 => chunks.extend(png_chunk(b"IDAT", &[data])),
                        _ => chunks.extend(png_chunk(b"fdAT", &[&take(), data])),
                    }
                }
            }
            Body::WebP { chunks } => {
                let file = frame.encode(Format::WebP, None)?;
                let bitstream = &file[12..]; // after RIFF, its length and WEBP
                let three = |number: u64| number.min(0xff_ffff).to_le_bytes();
                chunks.extend(b"ANMF");
                chunks.extend((16 + bitstream.len() as u32).to_le_bytes());
                for number in [0, 0, width as u64 - 1, height as u64 - 1, delay.parts(1000)] {
                    chunks.extend(&three(number)[..3]);
                }
                chunks.push(2); // it replaces what is there
                chunks.extend(bitstream);
            }
            Body::Gif { encoder } => {
                let failed =
                    |error: gif::EncodingError| Error::failed(format!("cannot make a GIF of these frames: {error}"));
                let mut made = gif_frame(&frame)?;
                made.delay = delay.parts(100).min(65535) as u16;
                let encoder = match encoder {
                    Some(encoder) => encoder,
                    None => {
                        // The 256 greys for the whole file, or a palette of its own for each frame.
                        let greys = if made.palette.is_none() {
                            (0..=255).flat_map(|level| [level; 3]).collect()
                        } else {
                            Vec::new()
                        };
                        let mut new = gif::Encoder::new(Vec::new(), made.width, made.height, &greys).map_err(failed)?;
                        new.set_repeat(match self.plays {
                            None => gif::Repeat::Infinite,
                            Some(plays) => gif::Repeat::Finite(plays.saturating_sub(1).min(65535) as u16), // after the first
                        })
                        .map_err(failed)?;
                        encoder.insert(new)
                    }
                };
                encoder.write_frame(&made).map_err(failed)?;
            }
        }
        self.frames += 1;
        Ok(())
    }

    /// A frame as all of this film's are stored.
    fn alike(&self, frame: &Picture) -> Picture {
        let raster = frame.raster.clone().shallow();
        let raster = if self.is_grey { raster } else { raster.in_colour() };
        let alpha = self.has_alpha.then(|| match &frame.alpha {
            Some(alpha) => alpha.clone().shallow(),
            None => Raster::new(frame.sides(), 1, Levels::Eight(vec![255; frame.raster.width * frame.raster.height])),
        });
        frame.with(raster, alpha)
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// [`Error::Input`] when there are no frames.
    pub fn end(self) -> Result<Vec<u8>> {
        if self.frames == 0 {
            return Err(Error::input("there are no frames to animate; ask for at least one"));
        }
        let [width, height] = self.sides;
        match self.body {
            Body::Png { chunks, head, .. } => {
                let plays = self.plays.unwrap_or(0);
                let control = png_chunk(b"acTL", &[&self.frames.to_be_bytes(), &plays.to_be_bytes()]);
                Ok([b"\x89PNG\r\n\x1a\n".as_slice(), &head, &control, &chunks, &png_chunk(b"IEND", &[])].concat())
            }
            Body::WebP { chunks } => {
                let flags = 2 | if self.has_alpha { 16 } else { 0 };
                let sides = [width, height].map(|side| (side as u32 - 1).to_le_bytes());
                let plays = self.plays.unwrap_or(0).min(65535) as u16;
                let head =
                    [b"WEBPVP8X\x0a\0\0\0".as_slice(), &[flags, 0, 0, 0], &sides[0][..3], &sides[1][..3]].concat();
                let control = [b"ANIM\x06\0\0\0\0\0\0\0".as_slice(), &plays.to_le_bytes()].concat();
                let length = (head.len() + control.len() + chunks.len()) as u32;
                Ok([b"RIFF".as_slice(), &length.to_le_bytes(), &head, &control, &chunks].concat())
            }
            Body::Gif { encoder } => {
                let failed = |error| Error::failed(format!("cannot make a GIF of these frames: {error}"));
                encoder.map(gif::Encoder::into_inner).transpose().map(Option::unwrap_or_default).map_err(failed)
            }
        }
    }
}

/// The chunks of a PNG that was just written, by their kinds.
fn png_chunks(file: &[u8]) -> impl Iterator<Item = (&[u8; 4], &[u8])> {
    let mut at = 8;
    std::iter::from_fn(move || {
        let length = u32::from_be_bytes(*file.get(at..)?.first_chunk()?) as usize;
        let found = (file.get(at + 4..)?.first_chunk::<4>()?, file.get(at + 8..at + 8 + length)?);
        at += length + 12;
        Some(found)
    })
}

/// A chunk of a PNG with its length and its checksum.
fn png_chunk(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let data = parts.concat();
    let mut sum = flate2::Crc::new();
    sum.update(kind);
    sum.update(&data);
    [&(data.len() as u32).to_be_bytes()[..], kind, &data, &sum.sum().to_be_bytes()].concat()
}

/// A GIF of one picture.
pub(super) fn gif_of(picture: &Picture) -> Result<Vec<u8>> {
    let has_alpha = picture.alpha.is_some();
    let mut film = Film::new(Format::Gif, Some(1), has_alpha, picture.raster.channels == 1)?;
    film.add(picture, Delay::new(0, 1))?;
    film.end()
}

/// A frame of a GIF, in 256 colours: greys and pictures of few colours as they are. Without a palette of its own it is in the
/// 256 greys.
fn gif_frame(picture: &Picture) -> Result<gif::Frame<'static>> {
    let [width, height] = picture.sides();
    let (Ok(gif_width), Ok(gif_height)) = (u16::try_from(width), u16::try_from(height)) else {
        return Err(Error::input(format!("a GIF cannot be {width}x{height}: its sides end at 65535; use .apng")));
    };
    let levels = |raster: &Raster| match &raster.levels {
        Levels::Eight(all) => all.clone(),
        Levels::Sixteen(_) => unreachable!("frames are brought to 8 bits"),
    };
    let Some(alpha) = &picture.alpha else {
        let pixels = levels(&picture.raster);
        return Ok(match picture.raster.channels {
            1 => gif::Frame::from_indexed_pixels(gif_width, gif_height, pixels, None),
            _ => gif::Frame::from_rgb_speed(gif_width, gif_height, &pixels, GIF_QUANTISER_SPEED),
        });
    };
    let in_rgb = shallow_rgb(picture);
    let mut frame = gif::Frame::from_rgb_speed(gif_width, gif_height, &levels(&in_rgb.raster), GIF_QUANTISER_SPEED);
    let mut palette = frame.palette.take().unwrap_or_default();
    let mut indices = frame.buffer.into_owned();
    let clear = match palette.len() / 3 {
        256.. => freed(&palette, &mut indices),
        colours => {
            palette.extend([0; 3]);
            colours as u8
        }
    };
    for (index, level) in indices.iter_mut().zip(levels(alpha)) {
        if level < SEEN {
            *index = clear;
        }
    }
    let dispose = gif::DisposalMethod::Background; // the next frame begins with nothing
    let (palette, buffer) = (Some(palette), indices.into());
    Ok(gif::Frame { palette, buffer, transparent: Some(clear), dispose, ..frame })
}

/// The colour that fewest pixels have, whose pixels take the one next to it.
fn freed(palette: &[u8], indices: &mut [u8]) -> u8 {
    let mut counts = [0_usize; 256];
    indices.iter().for_each(|index| counts[usize::from(*index)] += 1);
    let rarest = (0..=255_u8).min_by_key(|index| counts[usize::from(*index)]).unwrap_or(255);
    let colour = |index: u8| &palette[3 * usize::from(index)..][..3];
    let apart = |other: &u8| -> u32 {
        colour(*other).iter().zip(colour(rarest)).map(|(a, b)| u32::from(a.abs_diff(*b)).pow(2)).sum()
    };
    let nearest = (0..=255_u8).filter(|index| *index != rarest).min_by_key(apart).unwrap_or(0);
    indices.iter_mut().filter(|index| **index == rarest).for_each(|index| *index = nearest);
    rarest
}

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
    let rate = match u16::try_from(frames_per_sec) {
        Ok(rate @ 1..) => u64::from(rate),
        _ => return Err(Error::input(format!("{frames_per_sec} frames per second is not from 1 to 65535"))),
    };
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    let (format, delay) = match extension.as_deref() {
        Some("gif") => (Format::Gif, Delay::new(((100 + rate / 2) / rate).max(2), 100)),
        Some("png" | "apng") => (Format::Png, Delay::new(1, rate)),
        _ => {
            let path = path.display();
            return Err(Error::input(format!("cannot animate into {path}: the name must end in .gif, .png or .apng")));
        }
    };
    let are_grey = frames.iter().all(|frame| frame.channels == 1);
    let mut film = Film::new(format, None, false, are_grey)?;
    for frame in frames {
        film.add(&frame.clone().into(), delay)?;
    }
    write_aside(path, &film.end()?, "write the animation")
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
    #[should_panic(expected = "left: [3, 1]\n right: [2, 1]")]
    fn frames_of_two_shapes_panic_with_both() {
        let frames = [Image::new(2, 1, 1, vec![0; 2]), Image::new(3, 1, 1, vec![0; 3])];
        let _ = write_animation(&frames, 10, Path::new("no-such-folder/a.gif"));
    }

    /// Frames of three colours, a half of each transparent, as an animation of this kind.
    fn film(format: Format) -> Vec<u8> {
        let mut film = Film::new(format, Some(2), true, false).unwrap();
        for (level, millis) in [(0, 70), (120, 130), (240, 400)] {
            let raster = Raster::new([4, 2], 3, Levels::Eight([level, 255 - level, 9].repeat(8)));
            let alpha = Raster::new([4, 2], 1, Levels::Eight(vec![255, 255, 0, 0, 255, 255, 0, 0]));
            film.add(&Picture { alpha: Some(alpha), ..Picture::of(raster, None) }, Delay::new(millis, 1000)).unwrap();
        }
        film.end().unwrap()
    }

    #[test]
    fn an_animation_keeps_frames_delays_plays_and_transparency_in_every_kind() {
        use image::{AnimationDecoder, ImageDecoder};
        use std::io::Cursor;
        let frames = |frames: image::Frames| {
            let frames = frames.collect_frames().unwrap().into_iter().map(|frame| {
                let (numerator, denominator) = frame.delay().numer_denom_ms();
                (numerator / denominator, frame.buffer().get_pixel(0, 1).0, frame.buffer().get_pixel(3, 0).0[3])
            });
            frames.collect::<Vec<_>>()
        };
        let wanted = [(70, [0, 255, 9, 255], 0), (130, [120, 135, 9, 255], 0), (400, [240, 15, 9, 255], 0)];
        let gif = image::codecs::gif::GifDecoder::new(Cursor::new(film(Format::Gif))).unwrap();
        assert_eq!(frames(gif.into_frames()), wanted);
        let mut gif = gif::DecodeOptions::new().read_info(Cursor::new(film(Format::Gif))).unwrap();
        gif.read_next_frame().unwrap();
        assert_eq!(gif.repeat(), gif::Repeat::Finite(1), "once more after the first time");
        let twice = |plays| matches!(plays, image::metadata::LoopCount::Finite(plays) if plays.get() == 2);
        let png = image::codecs::png::PngDecoder::new(Cursor::new(film(Format::Png))).unwrap().apng().unwrap();
        assert!(twice(png.loop_count()));
        assert_eq!(frames(png.into_frames()), wanted);
        let webp = image::codecs::webp::WebPDecoder::new(Cursor::new(film(Format::WebP))).unwrap();
        assert!(webp.dimensions() == (4, 2) && twice(webp.loop_count()));
        assert_eq!(frames(webp.into_frames()), wanted);
        for format in [Format::Jpeg, Format::Tiff] {
            let Err(error) = Film::new(format, None, false, false) else { panic!("{format:?} is not animated") };
            assert!(error.exit_code() == 2 && error.to_string().contains("take .gif, .png or .webp"), "{error}");
        }
    }

    #[test]
    fn a_gif_of_many_colours_keeps_what_is_transparent_apart_from_them() {
        let raster =
            Raster::new([64, 64], 3, Levels::Eight((0..64 * 64 * 3).map(|i| (i * i / 3 % 256) as u8).collect()));
        let alpha =
            Raster::new([64, 64], 1, Levels::Eight((0..64 * 64).map(|i| if i % 3 == 0 { 0 } else { 255 }).collect()));
        let bytes = Picture::of(raster, Some(alpha)).encode(Format::Gif, None).unwrap();
        let found = image::load_from_memory(&bytes).unwrap().to_rgba8();
        let clear = found.pixels().enumerate().filter(|(i, pixel)| (pixel.0[3] == 0) != (i % 3 == 0)).count();
        assert_eq!(clear, 0);
    }
}
