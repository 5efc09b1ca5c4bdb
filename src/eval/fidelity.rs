//! How near a picture comes to the one it should be, pixel by pixel: PSNR, SSIM and MS-SSIM.
//!
//! Wang et al. 2004, "Image Quality Assessment: From Error Visibility to Structural Similarity" (SSIM, with its Gaussian
//! window, and only where the window lies inside); Wang, Simoncelli and Bovik 2003, "Multiscale Structural Similarity for
//! Image Quality Assessment".

use crate::error::{Error, Result};
use crate::media::Image;

const PEAK: f64 = 255.0;
const C1: f64 = (0.01 * PEAK) * (0.01 * PEAK);
const C2: f64 = (0.03 * PEAK) * (0.03 * PEAK);
const WINDOW: usize = 11;
const SIGMA: f64 = 1.5;
/// The exponents of the five scales, from the finest.
const SCALES: [f64; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];

/// One channel.
#[derive(Clone)]
struct Plane {
    width: usize,
    height: usize,
    values: Vec<f64>,
}

/// What of two pictures is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channels {
    /// Every channel by itself; the results are averaged.
    Own,
    /// The luma Y of ITU-R BT.601, of 16 to 235 and not rounded, as super-resolution is measured. Of a grey picture, itself.
    Luma,
}

/// Two pictures of one shape, ready to be compared.
pub struct Pair {
    planes: Vec<[Plane; 2]>,
}

impl Pair {
    /// Two pictures without `border` pixels on every side. An error when they differ in shape, or nothing is left.
    pub fn new(a: &Image, b: &Image, channels: Channels, border: usize) -> Result<Self> {
        if a.shape() != b.shape() {
            return Err(Error::input(format!(
                "one picture is {}x{} in {} channels, the other {}x{} in {}; compare pictures of one size",
                a.width, a.height, a.channels, b.width, b.height, b.channels
            )));
        }
        if 2 * border >= a.width.min(a.height) {
            let (width, height) = (a.width, a.height);
            return Err(Error::input(format!("a border of {border} pixels leaves nothing of {width}x{height}")));
        }
        let (of_a, of_b) = (planes(a, channels, border), planes(b, channels, border));
        Ok(Pair { planes: of_a.into_iter().zip(of_b).map(|(a, b)| [a, b]).collect() })
    }

    /// Peak signal-to-noise ratio in decibels, of the squared error over all channels; infinite for equal pictures.
    pub fn psnr(&self) -> f64 {
        let (mut sum, mut count) = (0.0, 0);
        for [a, b] in &self.planes {
            sum += a.values.iter().zip(&b.values).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
            count += a.values.len();
        }
        10.0 * (PEAK * PEAK * count as f64 / sum).log10()
    }

    /// The mean absolute difference over all channels, as a share of the range: 0 for equal pictures.
    pub fn l1(&self) -> f64 {
        let (mut sum, mut count) = (0.0, 0);
        for [a, b] in &self.planes {
            sum += a.values.iter().zip(&b.values).map(|(a, b)| (a - b).abs()).sum::<f64>();
            count += a.values.len();
        }
        sum / (PEAK * count as f64)
    }

    /// Structural similarity, 1 for equal pictures. An error when a side has less than 11 pixels.
    pub fn ssim(&self) -> Result<f64> {
        self.at_least(WINDOW)?;
        Ok(self.mean(|a, b| terms(a, b)[0]))
    }

    /// Structural similarity over five scales, each of which averages 2x2 pixels of the one before (an odd last row or
    /// column is left out). An error when a side has less than 176 pixels: of the last scale nothing would be left.
    pub fn ms_ssim(&self) -> Result<f64> {
        self.at_least(WINDOW << (SCALES.len() - 1))?;
        Ok(self.mean(|a, b| {
            let (mut a, mut b, mut product) = (a.clone(), b.clone(), 1.0);
            for (scale, exponent) in SCALES.into_iter().enumerate() {
                let [whole, contrast] = terms(&a, &b);
                let term = if scale == SCALES.len() - 1 { whole } else { contrast };
                product *= term.max(0.0).powf(exponent);
                (a, b) = (halved(&a), halved(&b));
            }
            product
        }))
    }

    fn mean(&self, of: impl Fn(&Plane, &Plane) -> f64) -> f64 {
        self.planes.iter().map(|[a, b]| of(a, b)).sum::<f64>() / self.planes.len() as f64
    }

    fn at_least(&self, least: usize) -> Result<()> {
        let Plane { width, height, .. } = self.planes[0][0];
        if width.min(height) < least {
            let sentence = format!("the pictures are {width}x{height}; this metric needs {least} pixels a side");
            return Err(Error::input(sentence));
        }
        Ok(())
    }
}

fn planes(image: &Image, channels: Channels, border: usize) -> Vec<Plane> {
    let (width, height) = (image.width - 2 * border, image.height - 2 * border);
    let plane = |of: &dyn Fn(&[u8]) -> f64| {
        let pixel = |i: usize| {
            let at = (i / width + border) * image.width + i % width + border;
            of(&image.pixels[at * image.channels..][..image.channels])
        };
        Plane { width, height, values: (0..width * height).map(pixel).collect() }
    };
    if channels == Channels::Luma && image.channels == 3 {
        let luma = |pixel: &[u8]| {
            let [r, g, b] = [pixel[0], pixel[1], pixel[2]].map(f64::from);
            16.0 + (65.481 * r + 128.553 * g + 24.966 * b) / 255.0
        };
        return vec![plane(&luma)];
    }
    (0..image.channels).map(|channel| plane(&|pixel: &[u8]| f64::from(pixel[channel]))).collect()
}

/// The means of SSIM and of its contrast and structure term, over where the window lies inside.
fn terms(a: &Plane, b: &Plane) -> [f64; 2] {
    let product = |a: &Plane, b: &Plane| {
        let values = a.values.iter().zip(&b.values).map(|(a, b)| a * b).collect();
        blurred(&Plane { values, ..*a })
    };
    let (mean_a, mean_b) = (blurred(a), blurred(b));
    let (aa, bb, ab) = (product(a, a), product(b, b), product(a, b));
    let (mut whole, mut contrast) = (0.0, 0.0);
    for i in 0..mean_a.len() {
        let (a, b) = (mean_a[i], mean_b[i]);
        let term = (2.0 * (ab[i] - a * b) + C2) / (aa[i] - a * a + bb[i] - b * b + C2);
        contrast += term;
        whole += (2.0 * a * b + C1) / (a * a + b * b + C1) * term;
    }
    let count = mean_a.len() as f64;
    [whole / count, contrast / count]
}

/// Weighted by the Gaussian window, wherever it fits: `[height - 10, width - 10]`.
fn blurred(plane: &Plane) -> Vec<f64> {
    let weight = |t: usize| (-(t as f64 - 5.0).powi(2) / (2.0 * SIGMA * SIGMA)).exp();
    let total = (0..WINDOW).map(weight).sum::<f64>();
    let window: [f64; WINDOW] = std::array::from_fn(|t| weight(t) / total);
    let rows = plane.values.chunks(plane.width).flat_map(|row| {
        row.windows(WINDOW).map(|part| part.iter().zip(&window).map(|(value, weight)| value * weight).sum::<f64>())
    });
    let (rows, width) = (rows.collect::<Vec<f64>>(), plane.width - WINDOW + 1);
    let below = |i: usize| (0..WINDOW).map(|t| rows[i + t * width] * window[t]).sum();
    (0..(plane.height - WINDOW + 1) * width).map(below).collect()
}

/// Every 2x2 pixels as their mean.
fn halved(plane: &Plane) -> Plane {
    let (width, height) = (plane.width / 2, plane.height / 2);
    let mean = |i: usize| {
        let at = i / width * 2 * plane.width + i % width * 2;
        let [top, below] = [at, at + plane.width].map(|at| plane.values[at] + plane.values[at + 1]);
        (top + below) / 4.0
    };
    Plane { width, height, values: (0..width * height).map(mean).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::wave_at;
    use serde_json::Value;

    fn picture([height, width, channels]: [usize; 3], noise: f64) -> Image {
        let level = |i: usize| {
            let noise = noise * (7.7 * i as f64).sin();
            (127.5 + 100.0 * wave_at(i, 0.37) + noise).round().clamp(0.0, 255.0) as u8
        };
        Image::new(width, height, channels, (0..height * width * channels).map(level).collect())
    }

    #[test]
    fn the_mean_difference_is_a_share_of_the_range() {
        let [a, b] = [[0, 10, 255], [51, 10, 0]].map(|pixel| Image::new(2, 1, 3, pixel.repeat(2)));
        let l1 = |channels| Pair::new(&a, &b, channels, 0).unwrap().l1();
        assert!((l1(Channels::Own) - (51.0 + 255.0) / (3.0 * 255.0)).abs() < 1e-12);
        // Luma as of ITU-R BT.601, from 16 to 235: 65.481, 128.553 and 24.966 parts of red, green and blue.
        let wanted = (65.481 * 51.0 - 24.966 * 255.0_f64).abs() / 255.0 / 255.0;
        assert!((l1(Channels::Luma) - wanted).abs() < 1e-9);
    }

    #[test]
    fn numbers_are_those_of_scikit_image() {
        let cases: Value = serde_json::from_str(include_str!("../../tests/golden/fidelity.json")).unwrap();
        let mut met = 0;
        for case in cases.as_array().unwrap() {
            let shape = [0, 1, 2].map(|i| case["shape"][i].as_u64().unwrap() as usize);
            let (a, b) = (picture(shape, 0.0), picture(shape, 20.0));
            let own = Pair::new(&a, &b, Channels::Own, 0).unwrap();
            let luma = Pair::new(&a, &b, Channels::Luma, 4).unwrap();
            let found = [
                ("psnr", Ok(own.psnr())),
                ("ssim", own.ssim()),
                ("ms_ssim", own.ms_ssim()),
                ("psnr_y", Ok(luma.psnr())),
                ("ssim_y", luma.ssim()),
            ];
            for (name, found) in found {
                if let Some(wanted) = case[name].as_f64() {
                    let found = found.unwrap();
                    assert!((found / wanted - 1.0).abs() < 1e-9, "{shape:?}: {name} is {found}, not {wanted}");
                    met += 1;
                }
            }
        }
        assert_eq!(met, 12);
    }

    #[test]
    fn equal_pictures_are_perfect_and_unequal_sizes_are_refused() {
        let a = picture([180, 180, 3], 0.0);
        let same = Pair::new(&a, &a, Channels::Own, 0).unwrap();
        assert_eq!((same.psnr(), same.ssim().unwrap(), same.ms_ssim().unwrap()), (f64::INFINITY, 1.0, 1.0));
        let small = picture([20, 180, 3], 0.0);
        assert!(Pair::new(&a, &small, Channels::Own, 0).err().unwrap().to_string().contains("180x20"));
        assert!(Pair::new(&small, &small, Channels::Own, 10).is_err());
        let error = Pair::new(&small, &small, Channels::Own, 0).unwrap().ms_ssim().unwrap_err().to_string();
        assert!(error.contains("180x20") && error.contains("176"), "{error}");
    }
}
