//! The style that makes a model draw a given picture.
//!
//! Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN", appendix D, with one departure: only w is
//! looked for, and the noise stays that of every sample, so that what is found is a style and nothing else.

use std::path::PathBuf;

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::data::images::{self, Shape};
use crate::error::{Error, Result};
use crate::looks::squeezenet::SqueezeNet;
use crate::loss::perceptual;
use crate::media::Image;
use crate::model::{Model, StyleSpace};
use crate::optim::{AdamConfig, Trained};
use crate::random::Draws;
use crate::report::{Progress, Report};

const RATE: f64 = 0.1;
const RAMP_UP: f64 = 0.05; // shares of the steps
const RAMP_DOWN: f64 = 0.25;
const NOISE: f64 = 0.05; // at the beginning, relative to the styles' spread
const NOISE_UNTIL: f64 = 0.75;

/// w, as what is learned.
#[derive(Module, Debug)]
struct Style {
    w: Param<Tensor<2>>, // [n, style]
}

/// The learning rate after the share `t` of the steps.
fn rate(t: f64) -> f64 {
    let down = ((1.0 - t) / RAMP_DOWN).min(1.0);
    RATE * (0.5 - 0.5 * (down * std::f64::consts::PI).cos()) * (t / RAMP_UP).min(1.0)
}

/// The standard deviation of the noise on w after the share `t` of the steps.
fn noise(t: f64, spread: f64) -> f64 {
    spread * NOISE * (1.0 - t / NOISE_UNTIL).max(0.0).powi(2)
}

/// A picture and what a model makes of it.
#[derive(Clone, Debug)]
pub struct Projected {
    /// The picture, as large as the model's.
    pub given: Image,
    /// The nearest that was found.
    pub found: Image,
    /// Its style w.
    pub style: Vec<f32>,
    /// The perceptual distance between the two ([`perceptual::distance`]).
    pub distance: f64,
}

/// Projects pictures in files into a model's styles by the perceptual distance, in `steps` steps (1000 in the paper).
/// `report` hears of the features' network
/// being fetched, the first time, and of the steps.
///
/// An error when the model has no styles, a file cannot be used or the network cannot be had.
pub fn pictures(model: &dyn Model, files: &[PathBuf], steps: u64, report: Report<'_>) -> Result<Vec<Projected>> {
    let space = model.style_space().ok_or_else(|| {
        Error::input("this model has no styles to look among; leave --project out, or train stylegan2")
    })?;
    let device = model.device();
    let [_, channels, side, _] = (space.pictures)(space.average.clone()).dims();
    let given = Tensor::<4>::from_data(images::read(files, Shape { channels, side })?.pixels, &device);
    let net = SqueezeNet::load(&device, report)?;
    let wanted = net.features(given.clone());
    let distance = |pictures: Tensor<4>| perceptual::distance(&net.features(pictures), &wanted);
    let w = project(&space, files.len(), steps, &distance, &mut |done| {
        report(Progress { what: "looking for the styles", done, total: Some(steps) });
    });

    let found = (space.pictures)(w.clone());
    let distances = distance(found.clone()).into_data().iter::<f64>().collect::<Vec<f64>>();
    let styles = w.clone().into_data().iter::<f32>().collect::<Vec<f32>>();
    let styles = styles.chunks(w.dims()[1]).map(<[f32]>::to_vec);
    let pairs = Image::from_signed(given).into_iter().zip(Image::from_signed(found));
    let all = pairs.zip(styles).zip(distances);
    Ok(all.map(|(((given, found), style), distance)| Projected { given, found, style, distance }).collect())
}

/// The styles `[n, style]` whose pictures are least far from wanted ones by `distance`, which takes the n pictures
/// `[n, channels, side, side]` and gives `[n]`. Each begins at the average style. `report` hears of every step's number.
pub fn project(
    space: &StyleSpace,
    n: usize,
    steps: u64,
    distance: &dyn Fn(Tensor<4>) -> Tensor<1>,
    report: &mut dyn FnMut(u64),
) -> Tensor<2> {
    let start = space.average.clone().repeat_dim(0, n).autodiff();
    let mut style = Trained::new(Style { w: Param::from_tensor(start) }, AdamConfig::with_beta1(0.9), 0.0);
    let spread = (space.spread)();
    for step in 0..steps {
        let t = step as f64 / steps as f64;
        let w = style.net().w.val();
        let noise = Draws::new(0, step).normal("project.noise", w.dims(), &space.average.device()) * noise(t, spread);
        let loss = distance((space.pictures)(w + noise)).sum();
        style.descend_by(loss, rate(t), 0.0);
        report(step + 1);
    }
    style.sampler().w.val()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn the_rate_rises_and_falls_and_the_noise_ends_as_in_the_published_code() {
        // By its formulas, in Python: 0.1 min(1, t / 0.05) (0.5 - 0.5 cos(pi min(1, (1 - t) / 0.25))).
        for (t, wanted) in [(0.0, 0.0), (0.025, 0.05), (0.05, 0.1), (0.5, 0.1), (0.875, 0.05), (0.95, 0.009549150281)] {
            assert!((rate(t) - wanted).abs() < 1e-9, "rate({t}) is {}", rate(t));
        }
        for (t, wanted) in [(0.0, 0.1), (0.375, 0.025), (0.75, 0.0), (1.0, 0.0)] {
            assert!((noise(t, 2.0) - wanted).abs() < 1e-12, "noise({t}) is {}", noise(t, 2.0));
        }
    }

    #[test]
    fn pictures_of_known_styles_lead_back_to_them() {
        let device = Device::flex();
        let draws = Draws::new(7, 0);
        let matrix: Tensor<2> = draws.normal("matrix", [4, 12], &device);
        let pictures = move |w: Tensor<2>| w.matmul(matrix.clone()).tanh().reshape([-1, 3, 2, 2]);
        let wanted: Tensor<2> = draws.normal("wanted", [2, 4], &device) * 0.5;
        let target = pictures(wanted.clone());
        let space = StyleSpace {
            average: Tensor::zeros([1, 4], &device),
            spread: Box::new(|| 2.0),
            layers: 1,
            styles: Box::new(|_| panic!("a projection begins at the average")),
            pictures: Box::new(pictures),
        };
        let distance = |x: Tensor<4>| (x - target.clone()).square().mean_dims(&[1, 2, 3]).flatten::<1>(0, 3);
        let mut steps = 0;
        let found = project(&space, 2, 400, &distance, &mut |step| steps = step);
        let off = (found - wanted).abs().max().into_scalar::<f64>();
        assert!(off < 1e-3 && steps == 400, "off by {off} after {steps} steps");
    }
}
