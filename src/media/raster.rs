//! The levels of a picture as files hold them: grey or RGB, with 8 or 16 bits each.

use image::imageops::{self, FilterType};
use image::{ImageBuffer, Luma, Pixel, Primitive, Rgb};

use super::Image;

/// A level of 8 or 16 bits.
pub trait Level: Primitive + Into<u32> + 'static {
    /// The level of this number, which a level can have.
    fn of(number: u32) -> Self;
}

impl Level for u8 {
    fn of(number: u32) -> Self {
        number as u8
    }
}

impl Level for u16 {
    fn of(number: u32) -> Self {
        number as u16
    }
}

/// Levels, all with as many bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Levels {
    /// From 0 to 255.
    Eight(Vec<u8>),
    /// From 0 to 65535.
    Sixteen(Vec<u16>),
}

impl Levels {
    /// The nearest levels to values, 0 for black and 1 for full; of 16 bits if they are to be `deep`.
    pub fn of_unit(deep: bool, values: impl Iterator<Item = f32>) -> Self {
        // A float-to-integer cast saturates, and takes NaN to 0.
        match deep {
            false => Levels::Eight(values.map(|value| (value * 255.0).round() as u8).collect()),
            true => Levels::Sixteen(values.map(|value| (value * 65535.0).round() as u16).collect()),
        }
    }

    /// A level as a share of the highest, in [0, 1].
    pub fn unit(&self, at: usize) -> f32 {
        match self {
            Levels::Eight(all) => f32::from(all[at]) / 255.0,
            Levels::Sixteen(all) => f32::from(all[at]) / 65535.0,
        }
    }
}

/// The level of 8 bits that is nearest to one of 16.
pub(super) fn shallow(level: u16) -> u8 {
    ((u32::from(level) + 128) / 257) as u8
}

/// Does the same to levels of 8 and of 16 bits: `each_depth!(levels, values => something with values)`.
macro_rules! each_depth {
    ($levels:expr, $values:ident => $body:expr) => {
        match $levels {
            $crate::media::raster::Levels::Eight($values) => $body,
            $crate::media::raster::Levels::Sixteen($values) => $body,
        }
    };
}
pub(super) use each_depth;

/// A picture of levels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raster {
    /// Pixels in a row.
    pub width: usize,
    /// Rows, the first at the top.
    pub height: usize,
    /// 1 for grey, 3 for RGB.
    pub channels: usize,
    /// `height * width * channels` of them: row after row, the channels of a pixel side by side.
    pub levels: Levels,
}

impl From<Image> for Raster {
    fn from(image: Image) -> Self {
        let Image { width, height, channels, pixels } = image;
        Raster { width, height, channels, levels: Levels::Eight(pixels) }
    }
}

impl Raster {
    /// The picture with these levels.
    ///
    /// # Panics
    /// When there are more or fewer than the sides say, or the channels are neither 1 nor 3.
    pub fn new([width, height]: [usize; 2], channels: usize, levels: Levels) -> Self {
        let count = each_depth!(&levels, all => all.len());
        assert!([1, 3].contains(&channels), "a picture has 1 or 3 channels, got {channels}");
        assert_eq!(count, width * height * channels, "levels of a picture of {width}x{height}x{channels}");
        Raster { width, height, channels, levels }
    }

    /// The picture with these values, 0 for black and 1 for full, each at the nearest level; of 16 bits if it is `deep`.
    ///
    /// # Panics
    /// As [`Raster::new`].
    pub fn of_unit(sides: [usize; 2], channels: usize, deep: bool, values: impl Iterator<Item = f32>) -> Self {
        Raster::new(sides, channels, Levels::of_unit(deep, values))
    }

    /// Width and height.
    pub fn sides(&self) -> [usize; 2] {
        [self.width, self.height]
    }

    /// Whether a level has 16 bits.
    pub fn is_deep(&self) -> bool {
        matches!(self.levels, Levels::Sixteen(_))
    }

    /// A level as a network has it, in [-1, 1].
    pub fn signed(&self, at: usize) -> f32 {
        match &self.levels {
            Levels::Eight(all) => f32::from(all[at]) / 127.5 - 1.0,
            Levels::Sixteen(all) => f32::from(all[at]) / 32767.5 - 1.0,
        }
    }

    /// A level as a share of the highest, in [0, 1].
    pub fn unit(&self, at: usize) -> f32 {
        self.levels.unit(at)
    }

    /// Whether every pixel is a grey, however it is stored.
    pub fn is_grey(&self) -> bool {
        let grey = |pixel: [u32; 3]| pixel[0] == pixel[1] && pixel[1] == pixel[2];
        self.channels == 1
            || each_depth!(&self.levels, all => all.as_chunks::<3>().0.iter().all(|pixel| grey(pixel.map(Into::into))))
    }

    /// The same in RGB.
    pub fn in_colour(self) -> Self {
        fn thrice<L: Level>(all: Vec<L>) -> Vec<L> {
            all.into_iter().flat_map(|level| [level; 3]).collect()
        }
        let levels = match (self.channels, self.levels) {
            (1, Levels::Eight(all)) => Levels::Eight(thrice(all)),
            (1, Levels::Sixteen(all)) => Levels::Sixteen(thrice(all)),
            (_, levels) => levels,
        };
        Raster { channels: 3, levels, ..self }
    }

    /// The same in 8 bits.
    pub fn shallow(self) -> Self {
        let levels = match self.levels {
            Levels::Sixteen(all) => all.into_iter().map(shallow).collect(),
            Levels::Eight(all) => all,
        };
        Raster { levels: Levels::Eight(levels), ..self }
    }

    /// The same in 8 bits, grey or RGB as it is.
    pub fn into_image(self) -> Image {
        let Raster { width, height, channels, levels } = self.shallow();
        let Levels::Eight(pixels) = levels else { unreachable!("a shallow picture has 8 bits") };
        Image::new(width, height, channels, pixels)
    }

    /// The picture with other sides, by a Lanczos filter.
    pub fn resized(self, to: [usize; 2]) -> Self {
        let Raster { width, height, channels, levels } = self;
        let sides = [width, height];
        let levels = match (levels, channels) {
            (Levels::Eight(all), 1) => Levels::Eight(resized::<Luma<u8>>(all, sides, to)),
            (Levels::Eight(all), _) => Levels::Eight(resized::<Rgb<u8>>(all, sides, to)),
            (Levels::Sixteen(all), 1) => Levels::Sixteen(resized::<Luma<u16>>(all, sides, to)),
            (Levels::Sixteen(all), _) => Levels::Sixteen(resized::<Rgb<u16>>(all, sides, to)),
        };
        Raster::new(to, channels, levels)
    }
}

fn resized<P: Pixel + 'static>(all: Vec<P::Subpixel>, sides: [usize; 2], to: [usize; 2]) -> Vec<P::Subpixel>
where
    P::Subpixel: 'static,
{
    let ([width, height], [to_width, to_height]) = (sides.map(|side| side as u32), to.map(|side| side as u32));
    let Some(picture) = ImageBuffer::<P, Vec<P::Subpixel>>::from_raw(width, height, all) else {
        unreachable!("a picture has as many levels as its sides say")
    };
    imageops::resize(&picture, to_width, to_height, FilterType::Lanczos3).into_raw()
}
