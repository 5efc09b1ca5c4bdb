//! Colours by a file's profile, brought to sRGB, which is what everything here takes levels for.

use moxcms::{ColorProfile, DataColorSpace, Layout, TransformExecutor, TransformOptions};

use super::raster::{Level, Levels, Raster};

/// Levels that a profile and sRGB may have apart and still be called one: rounding.
const APART: u32 = 2;

/// What became of a file's colour profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// There was none, or it was sRGB.
    #[default]
    Srgb,
    /// The colours were converted to sRGB.
    Converted,
    /// It could not be used: it is damaged, or of other colours than the file's, such as CMYK.
    Unusable,
}

/// A picture with the colours that its profile means (ICC.1), in sRGB, and whether that changed anything.
pub(super) fn to_srgb(picture: &mut Raster, profile: &[u8]) -> Profile {
    converted(picture, profile).unwrap_or(Profile::Unusable)
}

fn converted(picture: &mut Raster, profile: &[u8]) -> Option<Profile> {
    let source = ColorProfile::new_from_slice(profile).ok()?;
    if (source.color_space, picture.channels) == (DataColorSpace::Rgb, 1) {
        return converted_as_colour(picture, profile);
    }
    let srgb = ColorProfile::new_srgb();
    let (layout, target) = match (source.color_space, picture.channels) {
        (DataColorSpace::Rgb, 3) => (Layout::Rgb, srgb),
        (DataColorSpace::Gray, 1) => {
            let mut grey = ColorProfile::new_gray_with_gamma(2.2);
            grey.gray_trc = srgb.red_trc; // with the curve of sRGB
            (Layout::Gray, grey)
        }
        _ => return None,
    };
    let options = TransformOptions { prefer_fixed_point: false, ..TransformOptions::default() };
    let eight = source.create_transform_8bit(layout, &target, layout, options).ok()?;
    if is_srgb(eight.as_ref(), picture.channels)? {
        return Some(Profile::Srgb);
    }
    let row = picture.width * picture.channels;
    match &mut picture.levels {
        Levels::Eight(all) => turn(all, row, eight.as_ref())?,
        Levels::Sixteen(all) => {
            let sixteen = source.create_transform_16bit(layout, &target, layout, options).ok()?;
            turn(all, row, sixteen.as_ref())?;
        }
    }
    Some(Profile::Converted)
}

/// Converts greys whose profile is one of RGB, of which they are the colours with three levels alike.
fn converted_as_colour(picture: &mut Raster, profile: &[u8]) -> Option<Profile> {
    let mut colour = picture.clone().in_colour();
    let done = converted(&mut colour, profile)?;
    if done == Profile::Converted {
        let greens = (0..picture.width * picture.height).map(|at| colour.unit(3 * at + 1));
        picture.levels = Levels::of_unit(picture.is_deep(), greens);
    }
    Some(done)
}

/// Turns every row.
fn turn<L: Level + Default>(all: &mut [L], row: usize, transform: &dyn TransformExecutor<L>) -> Option<()> {
    let mut given = vec![L::default(); row];
    for row in all.chunks_exact_mut(row) {
        given.copy_from_slice(row);
        transform.transform(&given, row).ok()?;
    }
    Some(())
}

/// Whether colours from all over the space stay as they are.
fn is_srgb(transform: &dyn TransformExecutor<u8>, channels: usize) -> Option<bool> {
    let steps = (0..=255).step_by(17);
    let given: Vec<u8> = match channels {
        1 => steps.collect(),
        _ => {
            let rgb =
                steps.flat_map(|r| (0..=255).step_by(17).flat_map(move |g| [[r, g, 0], [r, g, 128], [r, g, 255]]));
            rgb.flatten().collect()
        }
    };
    let mut made = vec![0; given.len()];
    transform.transform(&given, &mut made).ok()?;
    Some(given.iter().zip(&made).all(|(given, made)| u32::from(given.abs_diff(*made)) <= APART))
}
