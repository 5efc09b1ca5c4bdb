//! What the world does to pictures before somebody wants them larger: the second-order degradation of Real-ESRGAN.
//!
//! Wang, Xie, Dong and Shan 2021, "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data",
//! section 3, with the published settings of its x4 model. Twice in a row: blur, another size, noise, JPEG; the second JPEG
//! comes before or after the last change of size, which ends with the ringing filter (section 3.3).

use std::f64::consts::PI;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::blur::filtered;
use super::jpeg::compressed;
use super::kernel::{Bell, Kernel};
use super::resize::{Filter, resized};
use super::{Chances, Planes, noise, not_a_range, not_a_share, not_shares};
use crate::random::Draws;

/// The settings of the second-order degradation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SecondOrder {
    /// How many times smaller the degraded picture is along each side.
    pub scale: usize,
    /// Least and most pixels along a side of a blur kernel; odd numbers between them are as likely.
    pub kernel_side: [usize; 2],
    /// Shares of the blur kernels that are round Gaussian, oblique Gaussian, round generalised, oblique generalised, round
    /// plateau, oblique plateau.
    pub kernel_shares: [f64; 6],
    /// Least and most beta of generalised Gaussian kernels.
    pub generalised_beta: [f64; 2],
    /// Least and most beta of plateau kernels.
    pub plateau_beta: [f64; 2],
    /// Share of the blurs that are a ringing low-pass filter instead.
    pub sinc_share: f64,
    /// The first pass.
    pub first: Pass,
    /// The second pass.
    pub second: Pass,
    /// Share of the pictures that a ringing low-pass filter ends.
    pub last_sinc_share: f64,
}

/// The settings of one pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Pass {
    /// Share of the pictures that are blurred.
    pub blur_share: f64,
    /// Least and most deviation of a blur kernel along an axis, in pixels.
    pub blur_sigma: [f64; 2],
    /// Shares of the pictures that are enlarged, made smaller, left at their size.
    pub resize_shares: [f64; 3],
    /// The smallest and the largest change of size, below and above 1.
    pub resize: [f64; 2],
    /// Share of the pictures with Gaussian noise; the others have Poisson noise.
    pub gaussian_share: f64,
    /// Least and most deviation of Gaussian noise, in 256ths of full.
    pub gaussian_noise: [f64; 2],
    /// Least and most strength of Poisson noise.
    pub poisson_noise: [f64; 2],
    /// Share of the noise that is the same in all channels.
    pub grey_share: f64,
    /// Worst and best quality of the JPEG, 1 to 100.
    pub jpeg: [usize; 2],
}

impl Default for SecondOrder {
    fn default() -> Self {
        SecondOrder {
            scale: 4,
            kernel_side: [7, 21],
            kernel_shares: [0.45, 0.25, 0.12, 0.03, 0.12, 0.03],
            generalised_beta: [0.5, 4.0],
            plateau_beta: [1.0, 2.0],
            sinc_share: 0.1,
            first: Pass::default(),
            second: Pass {
                blur_share: 0.8,
                blur_sigma: [0.2, 1.5],
                resize_shares: [0.3, 0.4, 0.3],
                resize: [0.3, 1.2],
                gaussian_noise: [1.0, 25.0],
                poisson_noise: [0.05, 2.5],
                ..Pass::default()
            },
            last_sinc_share: 0.8,
        }
    }
}

impl Default for Pass {
    fn default() -> Self {
        Pass {
            blur_share: 1.0,
            blur_sigma: [0.2, 3.0],
            resize_shares: [0.2, 0.7, 0.1],
            resize: [0.15, 1.5],
            gaussian_share: 0.5,
            gaussian_noise: [1.0, 30.0],
            poisson_noise: [0.05, 3.0],
            grey_share: 0.4,
            jpeg: [30, 95],
        }
    }
}

impl SecondOrder {
    /// What is wrong with the values, as one sentence with the way out.
    pub fn problem(&self) -> Option<String> {
        if !(1..=16).contains(&self.scale) {
            return Some(format!("scale is {}; give 1 to 16", self.scale));
        }
        let [least, most] = self.kernel_side;
        if least.is_multiple_of(2) || most.is_multiple_of(2) || least > most || most > 41 {
            return Some(format!("kernel_side is [{least}, {most}]; give two odd numbers up to 41, the smaller first"));
        }
        not_shares("kernel_shares", &self.kernel_shares)
            .or_else(|| not_a_range("generalised_beta", self.generalised_beta, [0.1, 10.0]))
            .or_else(|| not_a_range("plateau_beta", self.plateau_beta, [0.1, 10.0]))
            .or_else(|| not_a_share("sinc_share", self.sinc_share))
            .or_else(|| not_a_share("last_sinc_share", self.last_sinc_share))
            .or_else(|| self.first.problem("first"))
            .or_else(|| self.second.problem("second"))
    }
}

impl Pass {
    fn problem(&self, pass: &str) -> Option<String> {
        let name = |setting: &str| format!("{pass}.{setting}");
        let [low, high] = self.resize;
        if !(0.05..=1.0).contains(&low) || !(1.0..=4.0).contains(&high) {
            return Some(format!("{pass}.resize is [{low}, {high}]; give a number from 0.05 to 1 and one from 1 to 4"));
        }
        let [worst, best] = self.jpeg;
        if worst < 1 || worst > best || best > 100 {
            return Some(format!(
                "{pass}.jpeg is [{worst}, {best}]; give two qualities from 1 to 100, the smaller first"
            ));
        }
        not_a_share(&name("blur_share"), self.blur_share)
            .or_else(|| not_a_range(&name("blur_sigma"), self.blur_sigma, [0.01, 100.0]))
            .or_else(|| not_shares(&name("resize_shares"), &self.resize_shares))
            .or_else(|| not_a_share(&name("gaussian_share"), self.gaussian_share))
            .or_else(|| not_a_range(&name("gaussian_noise"), self.gaussian_noise, [0.0, 255.0]))
            .or_else(|| not_a_range(&name("poisson_noise"), self.poisson_noise, [0.0, 100.0]))
            .or_else(|| not_a_share(&name("grey_share"), self.grey_share))
    }
}

/// The picture `settings.scale` times smaller (rounded down, at least one pixel) and degraded, in 256 levels: a function of
/// the draws and of `name`, which must be another one for every picture of a step.
pub fn degraded(picture: &Planes, settings: &SecondOrder, draws: &Draws, name: &str) -> Planes {
    let chances = |stage: &str| Chances::of(draws, name, stage);
    let [width, height] = [picture.width, picture.height].map(|side| (side / settings.scale).max(1));

    let first = &settings.first;
    let blurred = blurred(picture.clone(), settings, first, &mut chances("first blur"));
    let other = at_another_size(&blurred, [picture.width, picture.height], first, &mut chances("first size"));
    let noisy = noisy(&other, first, &mut chances("first noise"));
    let once = compressed(&noisy, quality(first, &mut chances("first jpeg")));

    let second = &settings.second;
    let blurred = self::blurred(once, settings, second, &mut chances("second blur"));
    let other = at_another_size(&blurred, [width, height], second, &mut chances("second size"));
    let noisy = self::noisy(&other, second, &mut chances("second noise"));

    let last = &mut chances("last");
    let (jpeg_first, quality) = (last.happens(0.5), quality(second, last));
    let filter = drawn_filter(last);
    let ringing = last.happens(settings.last_sinc_share).then(|| {
        let side = kernel_side(settings, last);
        Kernel::sinc(side, last.between([PI / 3.0, PI]))
    });
    let small = |picture: &Planes| {
        let small = resized(picture, width, height, filter);
        ringing.as_ref().map_or(small.clone(), |kernel| filtered(&small, kernel)).clamped()
    };
    match jpeg_first {
        true => small(&compressed(&noisy, quality)).rounded(),
        false => compressed(&small(&noisy), quality),
    }
}

/// The picture under a drawn kernel, or as it is.
fn blurred(picture: Planes, settings: &SecondOrder, pass: &Pass, chances: &mut Chances) -> Planes {
    if !chances.happens(pass.blur_share) {
        return picture;
    }
    filtered(&picture, &drawn_kernel(settings, pass, chances))
}

fn drawn_kernel(settings: &SecondOrder, pass: &Pass, chances: &mut Chances) -> Kernel {
    let side = kernel_side(settings, chances);
    if chances.happens(settings.sinc_share) {
        // A small kernel cannot hold the rings of a low cut.
        return Kernel::sinc(side, chances.between([if side < 13 { PI / 3.0 } else { PI / 5.0 }, PI]));
    }
    let kind = chances.choice(&settings.kernel_shares);
    let bell = match kind {
        0 | 1 => Bell::Gaussian,
        2 | 3 => Bell::Generalised(beta(settings.generalised_beta, chances)),
        _ => Bell::Plateau(beta(settings.plateau_beta, chances)),
    };
    let sigma = chances.between(pass.blur_sigma);
    if kind.is_multiple_of(2) {
        return Kernel::bell(side, bell, [sigma, sigma], 0.0);
    }
    Kernel::bell(side, bell, [sigma, chances.between(pass.blur_sigma)], chances.between([-PI, PI]))
}

/// Up to 1 as often as from 1 on, as published: of a range that begins at 1, as the plateaus' does, every other beta is 1.
fn beta([low, high]: [f64; 2], chances: &mut Chances) -> f64 {
    let middle = 1.0f64.clamp(low, high);
    let half = if chances.happens(0.5) { [low, middle] } else { [middle, high] };
    chances.between(half)
}

fn kernel_side(settings: &SecondOrder, chances: &mut Chances) -> usize {
    let [least, most] = settings.kernel_side;
    2 * chances.whole([least / 2, most / 2]) + 1
}

/// The picture at a drawn multiple of `size`.
fn at_another_size(picture: &Planes, size: [usize; 2], pass: &Pass, chances: &mut Chances) -> Planes {
    let [low, high] = pass.resize;
    let multiple = match chances.choice(&pass.resize_shares) {
        0 => chances.between([1.0, high]),
        1 => chances.between([low, 1.0]),
        _ => 1.0,
    };
    let filter = drawn_filter(chances);
    let [width, height] = size.map(|side| ((side as f64 * multiple) as usize).max(1));
    resized(picture, width, height, filter)
}

fn drawn_filter(chances: &mut Chances) -> Filter {
    [Filter::Area, Filter::Bilinear, Filter::BicubicOfFour][chances.whole([0, 2])]
}

fn noisy(picture: &Planes, pass: &Pass, chances: &mut Chances) -> Planes {
    let (gaussian, grey) = (chances.happens(pass.gaussian_share), chances.happens(pass.grey_share));
    match gaussian {
        true => noise::gaussian(picture, chances.between(pass.gaussian_noise), grey, chances),
        false => noise::poisson(picture, chances.between(pass.poisson_noise), grey, chances),
    }
}

fn quality(pass: &Pass, chances: &mut Chances) -> u8 {
    chances.whole(pass.jpeg) as u8
}

#[cfg(test)]
mod tests {
    use super::super::tests::wave_picture;
    use super::*;

    fn degraded_by(settings: &SecondOrder, seed: u64, step: u64, name: &str) -> Planes {
        degraded(&wave_picture(48, 40, 3), settings, &Draws::new(seed, step), name)
    }

    /// Settings that do as little as can be.
    fn still() -> SecondOrder {
        let pass = Pass {
            blur_share: 0.0,
            resize_shares: [0.0, 0.0, 1.0],
            gaussian_share: 1.0,
            gaussian_noise: [0.0, 0.0],
            jpeg: [100, 100],
            ..Pass::default()
        };
        SecondOrder { scale: 1, first: pass.clone(), second: pass, last_sinc_share: 0.0, ..SecondOrder::default() }
    }

    #[test]
    fn a_degradation_is_a_function_of_seed_step_and_name() {
        let settings = SecondOrder::default();
        let one = degraded_by(&settings, 1, 2, "picture 3");
        assert_eq!((one.width, one.height, one.channels), (12, 10, 3));
        assert_eq!(one, degraded_by(&settings, 1, 2, "picture 3"));
        let others = [(2, 2, "picture 3"), (1, 3, "picture 3"), (1, 2, "picture 4")];
        assert!(others.into_iter().all(|(seed, step, name)| degraded_by(&settings, seed, step, name) != one));
    }

    #[test]
    fn settings_that_do_nothing_leave_the_picture_to_what_jpeg_does() {
        let grey = wave_picture(48, 40, 1); // of colours as fine as these JPEG leaves nothing
        let out = degraded(&grey, &still(), &Draws::new(1, 2), "picture");
        let most = out.values.iter().zip(&grey.values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(most < 4.0 / 255.0, "{most}");
    }

    #[test]
    fn every_stage_changes_the_picture() {
        let still = still();
        let before = degraded_by(&still, 1, 2, "picture");
        type Change = fn(&mut SecondOrder);
        let changes: [(&str, Change); 7] = [
            ("blur", |s| s.first.blur_share = 1.0),
            ("resize", |s| s.first.resize_shares = [0.0, 1.0, 0.0]),
            ("gaussian noise", |s| s.first.gaussian_noise = [20.0, 20.0]),
            ("poisson noise", |s| s.first.gaussian_share = 0.0),
            ("jpeg", |s| s.first.jpeg = [20, 20]),
            ("second noise", |s| s.second.gaussian_noise = [20.0, 20.0]),
            ("last sinc", |s| s.last_sinc_share = 1.0),
        ];
        for (stage, change) in changes {
            let mut settings = still.clone();
            change(&mut settings);
            assert_ne!(degraded_by(&settings, 1, 2, "picture"), before, "{stage}");
        }
    }

    #[test]
    fn kernels_are_drawn_as_often_as_published() {
        let settings = SecondOrder::default();
        let (mut round, mut sides, mut rings) = (0, 0, 0);
        const DRAWN: usize = 4_000;
        for step in 0..DRAWN as u64 {
            let chances = &mut Chances::of(&Draws::new(0, step), "picture", "first blur");
            let kernel = drawn_kernel(&settings, &settings.first, chances);
            assert!([7, 9, 11, 13, 15, 17, 19, 21].contains(&kernel.side));
            sides += kernel.side;
            round += usize::from(kernel.factor.is_some());
            rings += usize::from(kernel.weights.iter().any(|weight| *weight < 0.0));
        }
        let share = |count: usize| count as f64 / DRAWN as f64;
        assert!((share(sides) - 14.0).abs() < 0.3, "{}", share(sides));
        assert!((share(round) - 0.45 * 0.9).abs() < 0.03, "{}", share(round));
        assert!((share(rings) - 0.1).abs() < 0.02, "{}", share(rings));
    }

    #[test]
    fn every_other_beta_is_at_most_one() {
        let chances = &mut Chances::of(&Draws::new(0, 0), "picture", "beta");
        for range in [[0.5, 4.0], [1.0, 2.0]] {
            let drawn = (0..4_000).map(|_| beta(range, chances)).collect::<Vec<f64>>();
            assert!(drawn.iter().all(|beta| (range[0]..=range[1]).contains(beta)));
            let low = drawn.iter().filter(|beta| **beta <= 1.0).count();
            assert!(low.abs_diff(2_000) < 130, "{range:?}: {low}");
        }
    }

    #[test]
    fn sizes_are_drawn_as_often_as_published_and_within_their_range() {
        let (pass, picture) = (Pass::default(), Planes::flat(200, 100, 0.5));
        let [mut larger, mut smaller] = [0usize; 2];
        for step in 0..2_000 {
            let chances = &mut Chances::of(&Draws::new(0, step), "picture", "first size");
            let other = at_another_size(&picture, [200, 100], &pass, chances);
            assert!((30..=300).contains(&other.width) && (15..=150).contains(&other.height));
            larger += usize::from(other.width > 200);
            smaller += usize::from(other.width < 200);
        }
        assert!(larger.abs_diff(400) < 60 && smaller.abs_diff(1_400) < 70, "{larger} larger, {smaller} smaller");
    }

    #[test]
    fn pictures_of_any_size_come_through_with_values_in_range() {
        for (width, height) in [(1, 1), (1, 9), (5, 2), (3, 3), (64, 7)] {
            for step in 0..40 {
                for channels in [1, 3] {
                    let picture = wave_picture(width, height, channels);
                    let out = degraded(&picture, &SecondOrder::default(), &Draws::new(0, step), "picture");
                    assert_eq!((out.width, out.height), ((width / 4).max(1), (height / 4).max(1)));
                    assert!(out.values.iter().all(|value| (0.0..=1.0).contains(value)));
                }
            }
        }
    }

    #[test]
    fn settings_out_of_range_are_named_with_the_way_out() {
        assert_eq!(SecondOrder::default().problem(), None);
        let mut settings = SecondOrder::default();
        settings.second.jpeg = [0, 95];
        let problem = settings.problem().unwrap_or_default();
        assert_eq!(problem, "second.jpeg is [0, 95]; give two qualities from 1 to 100, the smaller first");
        settings = SecondOrder { kernel_side: [8, 21], ..SecondOrder::default() };
        assert!(settings.problem().is_some_and(|problem| problem.starts_with("kernel_side is [8, 21]")));
        settings = SecondOrder { sinc_share: f64::NAN, ..SecondOrder::default() };
        assert!(settings.problem().is_some_and(|problem| problem.starts_with("sinc_share is NaN")));
    }
}
