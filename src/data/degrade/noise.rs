//! Noise of cameras, of film and of bad copies.

use rand_distr::{Distribution, Poisson};

use super::kernel::Kernel;
use super::{Chances, Planes, blur};

/// The picture with normal noise of this deviation, in 256ths of full; grey noise is the same in all channels.
pub(super) fn gaussian(picture: &Planes, levels: f64, grey: bool, chances: &mut Chances) -> Planes {
    let noise = field(picture, grey, chances);
    with(picture, &noise, (levels / 255.0) as f32)
}

/// The picture with the noise of counted photons, times `scale`: as many photons at full light as the picture has levels,
/// rounded up to a power of two. Grey noise is that of how light the picture is, the same in all channels.
pub(super) fn poisson(picture: &Planes, scale: f64, grey: bool, chances: &mut Chances) -> Planes {
    let seen = if grey { picture.luma() } else { picture.clone() }.rounded();
    let mut used = [false; 256];
    seen.values.iter().for_each(|value| used[(value * 255.0).round() as usize] = true);
    let photons = used.iter().filter(|used| **used).count().next_power_of_two() as f64;
    // One distribution for each level; at no light there is nothing to count.
    let counts = (0..256u16).map(|level| Poisson::new(f64::from(level) / 255.0 * photons).ok()).collect::<Vec<_>>();
    let noise = seen.values.iter().map(|value| {
        let counted = counts[(value * 255.0).round() as usize].map_or(0.0, |count| count.sample(&mut chances.0));
        (counted / photons) as f32 - value
    });
    with(picture, &noise.collect::<Vec<f32>>(), scale as f32)
}

/// The picture with normal noise in proportion to its values.
pub(super) fn speckle(picture: &Planes, levels: f64, chances: &mut Chances) -> Planes {
    let noise = field(picture, false, chances);
    let noise = noise.iter().zip(&picture.values).map(|(noise, value)| noise * value).collect::<Vec<f32>>();
    with(picture, &noise, (levels / 255.0) as f32)
}

/// The picture where this share of the pixels is black or white.
pub(super) fn salt_and_pepper(picture: &Planes, share: f64, chances: &mut Chances) -> Planes {
    let mut out = picture.clone();
    let area = picture.area();
    for pixel in 0..area {
        if chances.happens(share) {
            let value = if chances.happens(0.5) { 1.0 } else { 0.0 };
            (0..picture.channels).for_each(|c| out.values[c * area + pixel] = value);
        }
    }
    out
}

/// The picture with the grain of film: normal noise, `width` pixels wide and of this deviation in the middle tones, half of it
/// in black and in white, the same in all channels.
pub(super) fn grain(picture: &Planes, levels: f64, width: f64, chances: &mut Chances) -> Planes {
    let kernel = Kernel::gaussian(2 * (2.0 * width).ceil().max(1.0) as usize + 1, width.max(1e-3));
    let energy = kernel.weights.iter().map(|weight| weight * weight).sum::<f64>().sqrt();
    let field = Planes::new(picture.width, picture.height, 1, field(picture, true, chances));
    let field = blur::filtered(&field, &kernel);
    let luma = picture.luma().clamped();
    let noise = field.values.iter().zip(&luma.values).map(|(noise, y)| noise * (0.5 + 2.0 * y * (1.0 - y)));
    with(picture, &noise.collect::<Vec<f32>>(), (levels / 255.0 / energy) as f32)
}

/// Independent values from N(0, 1), one for each pixel or for each value.
fn field(picture: &Planes, grey: bool, chances: &mut Chances) -> Vec<f32> {
    let count = if grey { picture.area() } else { picture.values.len() };
    (0..count).map(|_| chances.normal() as f32).collect()
}

/// The picture and `scale` times the noise, which is of one plane or of all, clamped.
fn with(picture: &Planes, noise: &[f32], scale: f32) -> Planes {
    let mut out = picture.clone();
    out.values.iter_mut().zip(noise.iter().cycle()).for_each(|(value, noise)| *value += scale * noise);
    out.clamped()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Draws;

    fn chances() -> Chances {
        Chances::of(&Draws::new(5, 6), "picture", "noise")
    }

    fn flat(value: f32) -> Planes {
        Planes::new(100, 100, 3, vec![value; 30_000])
    }

    fn deviation(planes: &Planes, mean: f32) -> f64 {
        let squares = planes.values.iter().map(|v| f64::from(v - mean).powi(2));
        (squares.sum::<f64>() / planes.values.len() as f64).sqrt() * 255.0
    }

    #[test]
    fn noise_has_the_deviation_it_is_asked_for() {
        let c = &mut chances();
        let near = |found: f64, wanted: f64| assert!((found / wanted - 1.0).abs() < 0.05, "{found}, not {wanted}");
        near(deviation(&gaussian(&flat(0.5), 20.0, false, c), 0.5), 20.0);
        near(deviation(&gaussian(&flat(0.5), 20.0, true, c), 0.5), 20.0);
        near(deviation(&speckle(&flat(0.5), 20.0, c), 0.5), 10.0);
        near(deviation(&grain(&flat(0.5), 8.0, 0.8, c), 0.5), 8.0);
    }

    #[test]
    fn poisson_noise_grows_with_the_root_of_the_light() {
        // 200 levels in the first hundred rows make 256 photons at full light; the variance is value / 256.
        let levels = (0..10_000).map(|i| (i % 200) as f32 / 255.0);
        let values = levels.chain(std::iter::repeat_n(102.0 / 255.0, 10_000)).collect();
        let noisy = poisson(&Planes::new(100, 200, 1, values), 1.0, false, &mut chances());
        let part = Planes::new(100, 100, 1, noisy.values[10_000..].to_vec());
        let (found, wanted) = (deviation(&part, 0.4), (0.4f64 / 256.0).sqrt() * 255.0);
        assert!((found / wanted - 1.0).abs() < 0.05, "{found}, not {wanted}");
        assert_eq!(poisson(&flat(0.0), 3.0, false, &mut chances()), flat(0.0));
    }

    #[test]
    fn grey_noise_is_the_same_in_all_channels_and_other_noise_is_not() {
        for grey in [true, false] {
            for noisy in
                [gaussian(&flat(0.5), 9.0, grey, &mut chances()), poisson(&flat(0.5), 0.1, grey, &mut chances())]
            {
                assert_eq!(noisy.values[..10_000] == noisy.values[10_000..20_000], grey);
            }
        }
    }

    #[test]
    fn salt_and_pepper_fall_on_their_share_of_the_pixels_and_whole_pixels() {
        let noisy = salt_and_pepper(&flat(0.5), 0.05, &mut chances());
        let hit = noisy.values[..10_000].iter().filter(|value| **value != 0.5).count();
        assert!(hit.abs_diff(500) < 80, "{hit}");
        assert_eq!(noisy.values[..10_000], noisy.values[20_000..]);
    }

    #[test]
    fn no_noise_leaves_the_picture() {
        let (picture, c) = (flat(0.4), &mut chances());
        assert_eq!(gaussian(&picture, 0.0, false, c), picture);
        assert_eq!(poisson(&picture, 0.0, true, c), picture);
        assert_eq!(speckle(&picture, 0.0, c), picture);
        assert_eq!(salt_and_pepper(&picture, 0.0, c), picture);
        assert_eq!(grain(&picture, 0.0, 1.0, c), picture);
    }
}
