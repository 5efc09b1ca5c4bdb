//! A picture's file, opened: what its head says, then its picture, or its frames one after another.

use std::io::Cursor;

use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::error::ImageFormatHint;
use image::metadata::Orientation;
use image::{
    AnimationDecoder, DynamicImage, Frames, ImageBuffer, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits,
};

use super::animation::Delay;
use super::clear::out_of_black;
use super::density::Density;
use super::heads::{gif_frames, jpeg_ends, png_frames, webp_frames};
use super::kinds::{Format, kind};
use super::picture::{Picture, with_longer};
use super::profile::{Profile, to_srgb};
use super::raster::{Levels, Raster, shallow};
use super::shrink::Shrinking;
use super::tiffs;

const MOST_PIXELS: u64 = 100_000_000;
const MOST_BYTES: u64 = 1 << 30; // 16-bit RGBA of the most pixels needs 800 MB

/// An error, as a sentence without its subject, the file's name.
type Result<T> = std::result::Result<T, String>;

/// A file that is a picture by its head.
pub struct Opened<'a> {
    bytes: &'a [u8],
    kind: ImageFormat,
    decoder: Box<dyn ImageDecoder + 'a>,
    look: Look,
    /// Width and height as one sees it, in pixels.
    pub sides: [usize; 2],
    /// Frames of an animation, or pages of a TIFF.
    pub frames: u32,
    /// How often an animation is to be seen; without end for none.
    pub plays: Option<u32>,
}

/// What a file says of how its levels are to be seen.
struct Look {
    orientation: Orientation,
    profile: Option<Vec<u8>>,
    density: Option<Density>,
    has_exif: bool,
    is_premultiplied: bool,
}

/// A frame and how long it is seen, or why there is none.
pub type Frame = Result<(Picture, Delay)>;

impl<'a> Opened<'a> {
    /// Reads the head of a file whose picture's sides have at least so many pixels. The errors of this and of what follows
    /// complete "NAME ..."; a JPEG that was cut short is an error, though its decoder would fill it with grey.
    pub fn new(bytes: &'a [u8], smallest_side: u32) -> Result<Self> {
        let kind = kind(bytes)?;
        if kind == ImageFormat::Jpeg && !jpeg_ends(bytes) {
            return Err("is cut short: its end is missing".to_owned());
        }
        let mut reader = ImageReader::with_format(Cursor::new(bytes), kind);
        reader.limits(limits());
        let mut decoder: Box<dyn ImageDecoder + 'a> = match (reader.into_decoder(), kind) {
            (Ok(decoder), _) => Box::new(decoder),
            (Err(error @ ImageError::Unsupported(_)), ImageFormat::Tiff) => {
                Box::new(tiffs::Rare::new(bytes, MOST_BYTES as usize).ok_or_else(|| unreadable(error))?)
            }
            (Err(error), _) => return Err(unreadable(error)),
        };
        let (width, height) = decoder.dimensions();
        if width.min(height) < smallest_side {
            return Err(format!(
                "is {width} x {height} pixels; {smallest_side} x {smallest_side} are the least one can learn from"
            ));
        }
        if u64::from(width) * u64::from(height) > MOST_PIXELS {
            return Err(format!("is {width} x {height} pixels, more than 100 million; scale it down"));
        }
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        let exif = decoder.exif_metadata().ok().flatten();
        let is_tiff = kind == ImageFormat::Tiff;
        let profile = if is_tiff { tiffs::profile(bytes) } else { decoder.icc_profile().ok().flatten() };
        let is_premultiplied = is_tiff && tiffs::is_premultiplied(bytes);
        let mut density = Density::read(bytes, kind, exif.as_deref());
        let mut sides = [width as usize, height as usize];
        use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
        if matches!(orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH) {
            sides.reverse();
            density.iter_mut().for_each(|Density(both)| both.reverse());
        }
        let (frames, plays) = match kind {
            ImageFormat::Png => png_frames(bytes),
            ImageFormat::WebP => webp_frames(bytes),
            ImageFormat::Gif => gif_frames(bytes),
            ImageFormat::Tiff => (tiffs::pages(bytes), None),
            _ => (1, None),
        };
        let look = Look { orientation, profile, density, has_exif: exif.is_some(), is_premultiplied };
        Ok(Opened { bytes, kind, decoder, look, sides, frames, plays })
    }

    /// The kind of an animation; none for a picture that stands still.
    pub fn film(&self) -> Option<Format> {
        match self.kind {
            _ if self.frames < 2 => None,
            ImageFormat::Png => Some(Format::Png),
            ImageFormat::WebP => Some(Format::WebP),
            ImageFormat::Gif => Some(Format::Gif),
            _ => None, // pages
        }
    }

    /// Whether a pixel may be transparent.
    pub fn has_alpha(&self) -> bool {
        self.decoder.color_type().has_alpha()
    }

    /// Whether it is stored in grey.
    pub fn is_grey(&self) -> bool {
        !self.decoder.color_type().has_color()
    }

    /// Whether it has more than 8 bits a channel.
    pub fn is_deep(&self) -> bool {
        let colour = self.decoder.color_type();
        colour.bytes_per_pixel() > colour.channel_count() && self.film().is_none()
    }

    /// Bytes of memory that its picture takes, decoded.
    pub fn bytes_kept(&self) -> u64 {
        self.sides.iter().product::<usize>() as u64 * u64::from(self.decoder.color_type().bytes_per_pixel())
    }

    /// Bytes of memory that decoding needs at the peak, by estimate, the file with them.
    pub fn bytes_to_decode(&self) -> u64 {
        let (kept, pixels) = (self.bytes_kept(), self.sides.iter().product::<usize>() as u64);
        let within = match self.kind {
            ImageFormat::Jpeg => 3 * kept, // the coefficients of a progressive one, and a copy of the file
            ImageFormat::WebP => 4 * pixels,
            ImageFormat::Tiff | ImageFormat::Gif => kept,
            _ => 0,
        };
        let turned = if self.look.orientation == Orientation::NoTransforms { 0 } else { kept };
        let clear = if self.has_alpha() { 3 * pixels } else { 0 }; // what is seen, and where the colours beside it go
        self.bytes.len() as u64 + kept + within.max(turned).max(clear)
    }

    /// How many pixels a file's picture has, by its head; none where that cannot be read.
    pub fn pixels(bytes: &[u8]) -> Option<u64> {
        let reader = ImageReader::with_format(Cursor::new(bytes), kind(bytes).ok()?);
        let (width, height) = reader.into_dimensions().ok()?;
        Some(u64::from(width) * u64::from(height))
    }

    /// Its sides with the longer one of so many pixels, where that is said.
    pub fn sides_with(&self, longer: Option<usize>) -> [usize; 2] {
        longer.map_or(self.sides, |longer| with_longer(self.sides, longer))
    }

    /// Bytes of memory that [`Opened::picture_with`] needs at the peak, by estimate.
    pub fn bytes_with(&self, longer: Option<usize>) -> u64 {
        let [width, height] = self.sides_with(longer);
        match longer {
            None => self.bytes_to_decode(),
            Some(_) if self.shrinks_by_rows([width, height]) => {
                let rows = self.sides[0].max(self.sides[1]) as u64 * 48;
                self.bytes.len() as u64 + rows + (width * height) as u64 * 32
            }
            Some(_) => {
                let between = self.sides[0] * height.max(width); // of floats in four channels, brought to one of the sides
                self.bytes_to_decode() + 16 * between as u64
            }
        }
    }

    /// Whether the rows of its file can be brought to these sides as they come.
    fn shrinks_by_rows(&self, [width, height]: [usize; 2]) -> bool {
        self.has_rows() && width < self.sides[0] && height < self.sides[1]
    }

    /// Its picture with the longer side of so many pixels, where that is said, by a Lanczos filter. A PNG is made smaller row by
    /// row.
    pub fn picture_with(self, longer: Option<usize>) -> Result<Picture> {
        let sides = self.sides_with(longer);
        match longer {
            None => self.picture(),
            Some(_) if self.shrinks_by_rows(sides) => self.shrunk_by_rows(sides),
            Some(longer) => Ok(self.picture()?.resized(longer)),
        }
    }

    /// The picture of a PNG, brought to these sides row by row.
    fn shrunk_by_rows(self, mut to: [usize; 2]) -> Result<Picture> {
        let (width, height) = self.decoder.dimensions();
        let from = [width as usize, height as usize];
        if from != self.sides {
            to.reverse(); // it is turned afterwards
        }
        let colour = self.decoder.color_type();
        let (channels, has_alpha) = (usize::from(colour.channel_count()), colour.has_alpha());
        let mut shrinking = Shrinking::new(from, to, channels);
        self.each_row(|levels| {
            let mut row = (0..from[0] * channels).map(|at| levels.unit(at)).collect::<Vec<f32>>();
            if has_alpha {
                row.chunks_exact_mut(channels).for_each(|pixel| by_alpha(pixel, |level, alpha| level * alpha));
            }
            shrinking.add(&row);
        })?;
        let mut values = shrinking.end();
        if has_alpha {
            let apart = |level: f32, alpha: f32| if alpha > 0.0 { level / alpha } else { 0.0 };
            values.chunks_exact_mut(channels).for_each(|pixel| by_alpha(pixel, apart));
        }
        let levels = Levels::of_unit(self.is_deep(), values.into_iter());
        Ok(self.look.finished(dynamic(to, channels, levels)?))
    }

    /// Its picture as [`Opened::picture`] has it, but in 8 bits; of a PNG brought to these row by row.
    pub fn shallow_picture(self) -> Result<Picture> {
        if !self.is_deep() || !self.has_rows() {
            let picture = self.picture()?;
            let alpha = picture.alpha.clone().map(Raster::shallow);
            return Ok(Picture { raster: picture.raster.shallow(), alpha, ..picture });
        }
        let ((width, height), colour) = (self.decoder.dimensions(), self.decoder.color_type());
        let (sides, channels) = ([width as usize, height as usize], usize::from(colour.channel_count()));
        let mut all = Vec::with_capacity(sides[0] * sides[1] * channels);
        self.each_row(|levels| match levels {
            Levels::Eight(row) => all.extend(row),
            Levels::Sixteen(row) => all.extend(row.iter().map(|level| shallow(*level))),
        })?;
        Ok(self.look.finished(dynamic(sides, channels, Levels::Eight(all))?))
    }

    /// Whether its rows can be read one by one: of a PNG that is not interlaced, says IHDR.
    fn has_rows(&self) -> bool {
        self.kind == ImageFormat::Png && self.bytes.get(28) == Some(&0)
    }

    /// Shows every row of a PNG, as its decoder has it.
    fn each_row(&self, mut show: impl FnMut(&Levels)) -> Result<()> {
        let broken = |error: png::DecodingError| format!("cannot be decoded: {error}");
        let limits = png::Limits { bytes: MOST_BYTES as usize };
        let mut decoder = png::Decoder::new_with_limits(Cursor::new(self.bytes), limits);
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().map_err(broken)?;
        for _ in 0..self.decoder.dimensions().1 {
            let row = reader.next_row().map_err(broken)?.ok_or("ends before its last row")?;
            show(&match self.is_deep() {
                true => {
                    Levels::Sixteen(row.data().as_chunks().0.iter().map(|level| u16::from_be_bytes(*level)).collect())
                }
                false => Levels::Eight(row.data().to_vec()),
            });
        }
        Ok(())
    }

    /// Its picture; of an animation the first frame, of pages the first one.
    pub fn picture(self) -> Result<Picture> {
        let Opened { decoder, look, .. } = self;
        Ok(look.finished(DynamicImage::from_decoder(decoder).map_err(unreadable)?))
    }

    /// Whether any frame of an animation is transparent in part, and whether all are grey, which its head does not say.
    pub fn look_of_frames(self) -> Result<(bool, bool)> {
        let (mut any_is_transparent, mut all_are_grey) = (false, true);
        for frame in self.frames()? {
            let (picture, _) = frame?;
            any_is_transparent |= picture.alpha.is_some();
            all_are_grey &= picture.raster.is_grey();
        }
        Ok((any_is_transparent, all_are_grey))
    }

    /// The frames of an animation as they are seen, decoded one by one; the picture alone where there is none.
    pub fn frames(self) -> Result<Box<dyn Iterator<Item = Frame> + 'a>> {
        let bytes = Cursor::new(self.bytes);
        let frames: Frames<'a> = match self.film() {
            None => return Ok(Box::new(std::iter::once(self.picture().map(|picture| (picture, Delay::new(0, 1)))))),
            Some(Format::Gif) => {
                let mut decoder = GifDecoder::new(bytes).map_err(unreadable)?;
                decoder.set_limits(limits()).map_err(unreadable)?;
                decoder.into_frames()
            }
            Some(Format::WebP) => WebPDecoder::new(bytes).map_err(unreadable)?.into_frames(),
            Some(_) => {
                let decoder = PngDecoder::with_limits(bytes, limits()).map_err(unreadable)?;
                decoder.apng().map_err(unreadable)?.into_frames()
            }
        };
        let (is_grey, look) = (self.is_grey(), self.look);
        Ok(Box::new(frames.map(move |frame| {
            let frame = frame.map_err(unreadable)?;
            let (numerator, denominator) = frame.delay().numer_denom_ms();
            let delay = Delay::new(numerator.into(), u64::from(denominator) * 1000);
            let picture = DynamicImage::ImageRgba8(frame.into_buffer());
            let picture = if is_grey { DynamicImage::ImageLumaA8(picture.into_luma_alpha8()) } else { picture };
            Ok((look.finished(picture), delay))
        })))
    }
}

impl Look {
    /// A decoded picture, upright and in sRGB.
    fn finished(&self, mut picture: DynamicImage) -> Picture {
        picture.apply_orientation(self.orientation);
        let (mut raster, alpha) = parted(picture);
        if let Some(alpha) = alpha.as_ref().filter(|_| self.is_premultiplied) {
            raster = out_of_black(raster, alpha);
        }
        let profile = self.profile.as_ref().map_or(Profile::Srgb, |profile| to_srgb(&mut raster, profile));
        Picture { density: self.density, profile, has_exif: self.has_exif, ..Picture::of(raster, alpha) }
    }
}

/// Changes the colours of a pixel by its last level, which says how opaque it is.
fn by_alpha(pixel: &mut [f32], changed: impl Fn(f32, f32) -> f32) {
    if let Some((alpha, colours)) = pixel.split_last_mut() {
        colours.iter_mut().for_each(|level| *level = changed(*level, *alpha));
    }
}

/// Levels as `image` has them, with those of transparency among them where the channels are even.
fn dynamic(sides: [usize; 2], channels: usize, levels: Levels) -> Result<DynamicImage> {
    let [width, height] = sides.map(|side| side as u32);
    use DynamicImage as Of;
    let picture = match levels {
        Levels::Eight(all) => match channels {
            1 => ImageBuffer::from_raw(width, height, all).map(Of::ImageLuma8),
            2 => ImageBuffer::from_raw(width, height, all).map(Of::ImageLumaA8),
            3 => ImageBuffer::from_raw(width, height, all).map(Of::ImageRgb8),
            _ => ImageBuffer::from_raw(width, height, all).map(Of::ImageRgba8),
        },
        Levels::Sixteen(all) => match channels {
            1 => ImageBuffer::from_raw(width, height, all).map(Of::ImageLuma16),
            2 => ImageBuffer::from_raw(width, height, all).map(Of::ImageLumaA16),
            3 => ImageBuffer::from_raw(width, height, all).map(Of::ImageRgb16),
            _ => ImageBuffer::from_raw(width, height, all).map(Of::ImageRgba16),
        },
    };
    picture.ok_or_else(|| "has another number of pixels than its head says".to_owned())
}

fn limits() -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MOST_BYTES);
    limits
}

fn unreadable(error: ImageError) -> String {
    match &error {
        ImageError::Unsupported(what) => match what.format_hint() {
            ImageFormatHint::Exact(kind) => {
                let kind = format!("{kind:?}").to_uppercase();
                format!("is a {kind} of a sort that is not read ({error}); convert it to PNG or JPEG")
            }
            _ => format!("cannot be decoded: {error}"),
        },
        _ => format!("cannot be decoded: {error}"),
    }
}

/// The colours and the transparency of a picture, in 8 or 16 bits.
fn parted(picture: DynamicImage) -> (Raster, Option<Raster>) {
    let sides = [picture.width() as usize, picture.height() as usize];
    let eight = |all, channels| parts(sides, all, channels, Levels::Eight);
    let sixteen = |all, channels| parts(sides, all, channels, Levels::Sixteen);
    match picture {
        DynamicImage::ImageLuma8(all) => eight(all.into_raw(), 1),
        DynamicImage::ImageLumaA8(all) => eight(all.into_raw(), 2),
        DynamicImage::ImageRgb8(all) => eight(all.into_raw(), 3),
        DynamicImage::ImageRgba8(all) => eight(all.into_raw(), 4),
        DynamicImage::ImageLuma16(all) => sixteen(all.into_raw(), 1),
        DynamicImage::ImageLumaA16(all) => sixteen(all.into_raw(), 2),
        DynamicImage::ImageRgb16(all) => sixteen(all.into_raw(), 3),
        DynamicImage::ImageRgba16(all) => sixteen(all.into_raw(), 4),
        other if other.color().has_alpha() => sixteen(other.into_rgba16().into_raw(), 4), // of floating point
        other => sixteen(other.into_rgb16().into_raw(), 3),
    }
}

/// Levels with those of transparency among them, by themselves.
fn parts<L: Copy>(
    sides: [usize; 2],
    mut all: Vec<L>,
    channels: usize,
    levels: impl Fn(Vec<L>) -> Levels,
) -> (Raster, Option<Raster>) {
    if channels % 2 == 1 {
        return (Raster::new(sides, channels, levels(all)), None);
    }
    let (pixels, colours) = (all.len() / channels, channels - 1);
    let alpha = all.iter().skip(colours).step_by(channels).copied().collect::<Vec<L>>();
    for pixel in 0..pixels {
        all.copy_within(pixel * channels..pixel * channels + colours, pixel * colours); // in place: it may be large
    }
    all.truncate(pixels * colours);
    all.shrink_to_fit();
    (Raster::new(sides, colours, levels(all)), Some(Raster::new(sides, 1, levels(alpha))))
}

#[cfg(test)]
mod tests {
    use super::super::Raster;
    use super::*;

    const FILM: [(&str, &[u8]); 3] = [
        ("film.gif", include_bytes!("../../tests/data/film.gif")),
        ("film.png", include_bytes!("../../tests/data/film.png")),
        ("film.webp", include_bytes!("../../tests/data/film.webp")),
    ];
    const DEEP: &[u8] = include_bytes!("../../tests/data/deep.tif");

    fn opened(bytes: &[u8]) -> Opened<'_> {
        Opened::new(bytes, 1).unwrap()
    }

    fn close(picture: &Raster, wanted: &[f64], tolerance: f32) {
        let count = picture.width * picture.height * picture.channels;
        assert_eq!(count, wanted.len());
        for (at, wanted) in wanted.iter().enumerate() {
            let found = picture.unit(at) * 255.0;
            assert!((found - *wanted as f32).abs() <= tolerance, "level {at} is {found} and not {wanted}");
        }
    }

    /// Of tests/golden/picture_files.py.
    fn golden(name: &str) -> Vec<f64> {
        let all = include_str!("../../tests/golden/picture_files.json");
        serde_json::from_str::<std::collections::BTreeMap<String, Vec<f64>>>(all).unwrap().remove(name).unwrap()
    }

    #[test]
    fn an_animation_was_its_first_frame_and_is_every_frame_with_its_delay() {
        for (name, bytes) in FILM {
            let opened = opened(bytes);
            assert_eq!((opened.frames, opened.sides, opened.film().is_some()), (3, [16, 12], true), "{name}");
            // Pillow writes `loop=2` as two repeats into a GIF, which come after the first time, and as two times elsewhere.
            assert_eq!(opened.plays, Some(if name == "film.gif" { 3 } else { 2 }), "{name}");
            let frames = opened.frames().unwrap().map(Result::unwrap).collect::<Vec<_>>();
            let delays = frames.iter().map(|(_, delay)| *delay).collect::<Vec<_>>();
            assert_eq!(delays, [Delay::new(70, 1000), Delay::new(130, 1000), Delay::new(400, 1000)], "{name}");
            for ((picture, _), colour) in frames.iter().zip([[220, 30, 40], [20, 60, 210], [250, 250, 240]]) {
                let image = picture.raster.clone().into_image();
                // The WebP decoder lays frames over each other to the nearest level but one.
                let near = |pixel: &[u8]| pixel.iter().zip(colour).all(|(found, wanted)| found.abs_diff(wanted) <= 1);
                assert!(image.pixels.chunks(3).all(near), "{name}: {:?}", &image.pixels[..3]);
                assert!(picture.alpha.is_none(), "{name}");
            }
        }
        let still = include_bytes!("../../tests/data/progressive.jpg");
        assert_eq!((opened(still).frames, opened(still).film()), (1, None));
        assert_eq!(opened(still).frames().unwrap().count(), 1);
    }

    #[test]
    fn bmp_and_tiff_of_8_and_16_bits_were_refused_and_give_their_levels() {
        let level = |at: usize| {
            let (pixel, c) = (at / 3, at % 3);
            (pixel % 16 * 4001 + pixel / 16 * 257 + c * 9973) % 65536
        };
        let deep = opened(DEEP).picture().unwrap();
        let wanted = Levels::Sixteen((0..16 * 9 * 3).map(|at| level(at) as u16).collect());
        assert!(deep.raster.levels == wanted && opened(DEEP).is_deep());
        let small = opened(include_bytes!("../../tests/data/small.bmp")).picture().unwrap();
        assert_eq!(small.raster.levels, Levels::Eight((0..16 * 9 * 3).map(|at| (level(at) >> 8) as u8).collect()));
        let pages = opened(include_bytes!("../../tests/data/pages.tif"));
        assert_eq!((pages.frames, pages.film(), pages.is_grey()), (3, None, true));
        assert_eq!(pages.picture().unwrap().raster.levels, Levels::Eight(vec![10; 64]));
    }

    #[test]
    fn colours_of_another_profile_were_taken_for_srgb_and_are_converted() {
        // What littleCMS makes of the same files.
        for (name, bytes) in [
            ("adobe", &include_bytes!("../../tests/data/adobe.png")[..]),
            ("adobe", include_bytes!("../../tests/data/adobe16.png")),
            ("grey_adobe", include_bytes!("../../tests/data/grey_adobe.png")),
            ("grey18", include_bytes!("../../tests/data/grey18.png")),
        ] {
            let picture = opened(bytes).picture().unwrap();
            assert_eq!(picture.profile, Profile::Converted, "{name}");
            close(&picture.raster, &golden(name), 1.6);
        }
        let own = moxcms::ColorProfile::new_srgb().encode().unwrap();
        let mut grey = Raster::new([2, 1], 3, Levels::Eight(vec![1, 2, 3, 200, 100, 50]));
        let before = grey.clone();
        assert_eq!((to_srgb(&mut grey, &own), &grey), (Profile::Srgb, &before));
        assert_eq!((to_srgb(&mut grey, b"no profile"), &grey), (Profile::Unusable, &before));
    }

    #[test]
    fn density_was_lost_without_a_word_and_is_read_wherever_a_file_says_it() {
        let files: [(&[u8], [f64; 2]); 6] = [
            (include_bytes!("../../tests/data/density.png"), [300.0; 2]),
            (include_bytes!("../../tests/data/density.jpg"), [240.0, 120.0]),
            (include_bytes!("../../tests/data/density.webp"), [118.0 * 2.54; 2]),
            (include_bytes!("../../tests/data/small.bmp"), [150.0; 2]),
            (include_bytes!("../../tests/data/pages.tif"), [72.0; 2]),
            (DEEP, [300.0, 200.0]),
        ];
        for (bytes, wanted) in files {
            let Some(Density(found)) = opened(bytes).picture().unwrap().density else {
                panic!("no density, {wanted:?}")
            };
            assert!(found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 0.02), "{found:?} and not {wanted:?}");
            let kept = [Format::Png, Format::Jpeg, Format::Tiff].map(|format| {
                let bytes = opened(bytes).picture().unwrap().encode(format, None).unwrap();
                opened(&bytes).picture().unwrap().density.unwrap().0
            });
            for kept in kept {
                assert!(kept.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 0.5), "{kept:?} and not {wanted:?}");
            }
        }
        assert_eq!(opened(FILM[0].1).picture().unwrap().density, None);
    }

    #[test]
    fn a_heic_was_no_picture_and_is_called_what_it_is_whatever_its_name() {
        let boxed =
            |brands: &[u8]| [&(8 + brands.len() as u32).to_be_bytes()[..], b"ftyp", brands, b"\0\0\0\x08meta"].concat();
        for (brands, word) in [
            (&b"heic\0\0\0\0mif1heic"[..], "HEIC"),
            (b"mif1\0\0\0\0mif1heic", "HEIC"),
            (b"avif\0\0\0\0avifmif1miaf", "AVIF"),
            (b"mif1\0\0\0\0mif1avif", "AVIF"),
            (b"isom\0\0\x02\0isomiso2", "a film"),
        ] {
            let Err(error) = Opened::new(&boxed(brands), 1) else { panic!("{word} was read") };
            assert!(error.contains(word) && error.ends_with("convert it to PNG or JPEG"), "{error}");
        }
        for (bytes, word) in
            [(&b"8BPS\0\x01"[..], "Photoshop"), (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"), (b"BLAH", "not a picture")]
        {
            let Err(error) = Opened::new(bytes, 1) else { panic!("{word} was read") };
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn sixteen_bits_and_transparency_come_back_from_png_and_tiff_as_they_were() {
        let sides = [5, 3];
        for (channels, is_deep) in [(1, false), (1, true), (3, false), (3, true)] {
            let values = |of: usize| (0..15 * of).map(move |at| ((at * 37 + 11) % 101) as f32 / 100.0);
            let raster = Raster::of_unit(sides, channels, is_deep, values(channels));
            for alpha in [None, Some(Raster::of_unit(sides, 1, is_deep, values(1).map(|value| 0.2 + 0.7 * value)))] {
                let picture = Picture::of(raster.clone(), alpha.clone());
                for format in [Format::Png, Format::Tiff] {
                    let bytes = picture.encode(format, None).unwrap();
                    let found = opened(&bytes).picture().unwrap();
                    let is_stored_in_rgb = format == Format::Tiff && alpha.is_some();
                    let raster = if is_stored_in_rgb { raster.clone().in_colour() } else { raster.clone() };
                    assert!((&found.raster, &found.alpha) == (&raster, &alpha), "{format:?} {channels} {is_deep}");
                }
            }
        }
    }

    #[test]
    fn a_png_made_smaller_row_by_row_is_as_the_whole_made_smaller() {
        let value = |at: usize| ((at * at / 5 + at * 3) % 97) as f32 / 96.0;
        for (channels, is_deep, has_alpha) in [(1, false, false), (3, true, false), (3, false, true), (1, true, true)] {
            let raster = Raster::of_unit([60, 40], channels, is_deep, (0..2400 * channels).map(value));
            let alpha =
                has_alpha.then(|| Raster::of_unit([60, 40], 1, is_deep, (0..2400).map(|at| (at % 60) as f32 / 59.0)));
            let bytes = Picture::of(raster, alpha).encode(Format::Png, None).unwrap();
            assert!(opened(&bytes).bytes_with(Some(12)) < opened(&bytes).bytes_with(Some(60)));
            let small = opened(&bytes).picture_with(Some(12)).unwrap();
            let whole = opened(&bytes).picture().unwrap().resized(12);
            assert_eq!((small.sides(), small.raster.is_deep(), small.alpha.is_some()), ([12, 8], is_deep, has_alpha));
            let apart = |a: &Raster, b: &Raster| {
                (0..96 * a.channels).map(|at| (a.unit(at) - b.unit(at)).abs()).fold(0.0, f32::max)
            };
            match (&small.alpha, &whole.alpha) {
                (Some(a), Some(b)) => assert!(apart(a, b) < 0.02, "{channels} {is_deep}"), // colours weigh by it, row by row
                _ => assert!(apart(&small.raster, &whole.raster) < 0.03, "{channels} {is_deep}"),
            }
        }
    }
}
