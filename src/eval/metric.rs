//! The metrics by name, and what each is a measure of.

use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;

use super::classes::{self, Classes};
use super::estimate::{Estimate, GROUPS, groups};
use super::features::Features;
use super::fidelity::{Channels, Pair};
use super::modes::{self, Modes};
use super::music;
use super::neighbours::{self, Balls, Neighbours};
use super::parzen::{self, LogLikelihood};
use super::seen::Seen;
use super::{Like, frechet, inception_score, kernel, path_length};
use crate::data::gaussians::Mixture;
use crate::data::images::signed;
use crate::device;
use crate::error::{Error, Result};
use crate::looks::squeezenet::SqueezeNet;
use crate::loss::perceptual;
use crate::media::{Image, Notes};
use crate::model::StyleSpace;
use crate::passport::{By, Passport, Side};
use crate::report::Report;

/// Subsets, and samples in one, of a kernel distance in other tools.
const SUBSETS: (usize, usize) = (100, 1000);
/// torch-fidelity's seed.
const SEED: u32 = 2020;

/// One number of a metric that may have several.
type Measured = (&'static str, Estimate);
/// All numbers of a metric.
type Found = Result<Vec<Measured>>;
/// What was made, and what it should be.
type ImagePair = [Image; 2];

/// A metric.
#[derive(Clone, Copy)]
pub struct Metric {
    /// The name on the command line.
    pub name: &'static str,
    /// What it says, in one sentence.
    pub sentence: &'static str,
    /// What it is taken of where nobody names a metric.
    pub usual: &'static [On],
    /// What it takes, and how it is taken.
    pub measure: Measure,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// Pictures, beside real ones.
    Pictures,
    /// Features that were given.
    Features,
    /// Pictures that were made of others, beside what they should be.
    Answers,
    /// Points in the plane.
    Points,
    /// Pieces of music.
    Music,
}

/// The metrics that are usual of something.
pub fn usual(on: On) -> Vec<Metric> {
    METRICS.iter().filter(|metric| metric.usual.contains(&on)).copied().collect()
}

/// What a metric takes, and how it is taken.
#[derive(Clone, Copy)]
pub enum Measure {
    /// Features of both sides.
    Features(fn(&Seen, &Seen, Option<Like>) -> Found),
    /// Features of both sides, and the logits of a classifier.
    Logits(fn(&Seen, &Seen, Option<Like>) -> Found),
    /// Pixels in [0, 1]: generated ones, those of a validation part and those of a test part.
    Likelihood(fn(&Features, &Features, &Features) -> Found),
    /// Pictures that belong together, without a border.
    Pairs(fn(&[ImagePair], usize) -> Found),
    /// The same of pictures of persons whose poses are known, without what is beside the body.
    Bodies(fn(&[ImagePair], usize) -> Found),
    /// Grey pictures of where something is and where it was found: above half of the range it is.
    Masks(fn(&[ImagePair]) -> Found),
    /// Pictures that belong together, and the network that sees them.
    SeenPairs(fn(&[ImagePair], &SqueezeNet) -> Found),
    /// The styles of a model: so many ways from a seed on.
    Styles(fn(&StyleSpace, &SqueezeNet, [u64; 2], Report<'_>) -> Found),
    /// Points in the plane, and what they should come from.
    Modes(fn(&[[f32; 2]], &Mixture) -> Found),
    /// Pieces of music.
    Music(fn(&[Notes]) -> Found),
    /// Samples of each class that a model was asked for ([`ByClass`](super::ByClass)).
    Asked,
    /// Samples of the captions of held-out pictures ([`ByText`](super::ByText)).
    OfText,
}

/// Those by text.
pub(super) const R_PRECISION: &str = "r-precision";
pub(super) const SAYS: &str = "says";
pub(super) const CHANGES: &str = "changes";
pub(super) const KEEPS: &str = "keeps";

/// The metric that takes a mean and a covariance in place of samples.
pub(super) const OF_GAUSSIANS: &str = "fd";

/// Every metric.
pub const METRICS: &[Metric] = &[
    Metric {
        name: OF_GAUSSIANS,
        usual: &[On::Pictures, On::Features],
        sentence: "Fréchet distance of two Gaussians; 0 is best, and few samples make it larger",
        measure: Measure::Features(|generated, real, like| {
            enough(generated)?;
            Ok(vec![("distance", frechet::estimate(&generated.features, &real.features, like)?)])
        }),
    },
    Metric {
        name: "kid",
        usual: &[On::Pictures, On::Features, On::Answers],
        sentence: "kernel distance, unbiased; 0 is best, and it may fall below",
        measure: Measure::Features(|generated, real, like| {
            enough(generated)?;
            let (generated, real) = (&generated.features, &real.features);
            let Some(like) = like else { return Ok(vec![("distance", kernel::estimate(generated, real)?)]) };
            let (subsets, most) = SUBSETS;
            let size = match like {
                Like::TorchFidelity => most,
                _ => most.min(generated.rows()).min(real.rows()),
            };
            let found = kernel::over_subsets(generated, real, (subsets, size), SEED, true)?;
            Ok(vec![("distance", Estimate::of_tool(found))])
        }),
    },
    Metric {
        name: "is",
        usual: &[On::Pictures],
        sentence: "Inception score of the generated samples, whose features must be logits; more is better",
        measure: Measure::Logits(|generated, _, like| {
            enough(generated)?;
            let logits = generated.logits.as_ref().unwrap_or(&generated.features);
            let Some(like) = like else { return Ok(vec![("score", inception_score::estimate(logits)?)]) };
            let found = inception_score::over_splits(logits, like)?;
            Ok(vec![("score", Estimate::of_tool(found))])
        }),
    },
    Metric {
        name: "prc",
        usual: &[On::Pictures, On::Features],
        sentence: "precision and recall by three nearest neighbours; 1 is best, and they depend on the number of samples",
        measure: Measure::Features(|generated, real, _| {
            enough(generated)?;
            let Neighbours { precision, recall, .. } =
                neighbours::estimate(&generated.features, &real.features, Balls::Closed3)?;
            Ok(vec![("precision", precision), ("recall", recall)])
        }),
    },
    Metric {
        name: "prdc",
        usual: &[On::Pictures, On::Features],
        sentence: "precision, recall, density and coverage by five nearest neighbours; they depend on the number of samples",
        measure: Measure::Features(|generated, real, _| {
            enough(generated)?;
            let found = neighbours::estimate(&generated.features, &real.features, Balls::Open5)?;
            let Neighbours { precision, recall, density, coverage } = found;
            Ok(vec![("precision", precision), ("recall", recall), ("density", density), ("coverage", coverage)])
        }),
    },
    Metric {
        name: "classes",
        usual: &[On::Pictures],
        sentence: "the classes a classifier sees: how many are met, and how far their shares are from the real ones (0 is best)",
        measure: Measure::Logits(|generated, real, _| {
            enough(generated)?;
            let (Some(generated), Some(real)) = (&generated.logits, &real.logits) else {
                return Err(Error::input("classes are seen by a classifier only; give --features digits"));
            };
            let Classes { met, divergence } = classes::estimate(generated, real)?;
            Ok(vec![("met", met), ("divergence", divergence)])
        }),
    },
    Metric {
        name: "asked",
        usual: &[],
        sentence: "share of samples that a classifier sees as of the class that was asked for, with --by-class; 1 is best",
        measure: Measure::Asked,
    },
    Metric {
        name: R_PRECISION,
        usual: &[],
        sentence: "share of samples that are nearer to their caption than to nine others, with --by-text; 1 is best, chance 0.1",
        measure: Measure::OfText,
    },
    Metric {
        name: SAYS,
        usual: &[],
        sentence: "share of samples in which a classifier sees what the caption says, by attribute, with --by-text; 1 is best",
        measure: Measure::OfText,
    },
    Metric {
        name: CHANGES,
        usual: &[],
        sentence: "share of samples in which an attribute becomes what a changed caption says, with --by-text; 1 is best",
        measure: Measure::OfText,
    },
    Metric {
        name: KEEPS,
        usual: &[],
        sentence: "share of samples in which an attribute stays where the caption changes another, with --by-text; 1 is best",
        measure: Measure::OfText,
    },
    Metric {
        name: "memory",
        usual: &[On::Pictures, On::Features],
        sentence: "share of samples that are no copies of training samples (authenticity); held-out samples show what is usual",
        measure: Measure::Features(|generated, real, _| {
            Ok(vec![("authenticity", neighbours::authenticity(&generated.features, &real.features)?)])
        }),
    },
    Metric {
        name: "parzen",
        usual: &[],
        sentence: "Parzen-window log-likelihood of a set's test pictures in nats, as in the first GAN's paper; more is better",
        measure: Measure::Likelihood(|generated, validation, test| {
            let LogLikelihood { mean, error, sigma } = parzen::log_likelihood(generated, validation, test)?;
            Ok(vec![("log-likelihood", Estimate::of_error(mean, error)), ("sigma", Estimate::of_error(sigma, 0.0))])
        }),
    },
    Metric {
        name: "l1",
        usual: &[On::Answers],
        sentence: "mean absolute difference, as a share of the range, of pictures from those of the same names; 0 is best",
        measure: Measure::Pairs(|pairs, border| of_pairs(pairs, border, |pair| Ok(pair.l1()))),
    },
    Metric {
        name: "psnr",
        usual: &[],
        sentence: "peak signal-to-noise ratio in decibels of pictures against those of the same names; more is better",
        measure: Measure::Pairs(|pairs, border| {
            of_pairs(pairs, border, |pair| match pair.psnr() {
                finite if finite.is_finite() => Ok(finite),
                _ => Err(Error::input(
                    "two pictures are the same, and their ratio to no noise is infinite; leave psnr out",
                )),
            })
        }),
    },
    Metric {
        name: "ssim",
        usual: &[On::Answers],
        sentence: "structural similarity of pictures to those of the same names; 1 is best",
        measure: Measure::Pairs(|pairs, border| of_pairs(pairs, border, Pair::ssim)),
    },
    Metric {
        name: "mask-ssim",
        usual: &[On::Answers],
        sentence: "structural similarity of persons in a pose, with black for all that is beside the body; 1 is best",
        measure: Measure::Bodies(|pairs, border| of_pairs(pairs, border, Pair::ssim)),
    },
    Metric {
        name: "ms-ssim",
        usual: &[],
        sentence: "structural similarity over five scales, for pictures of at least 176 pixels; 1 is best",
        measure: Measure::Pairs(|pairs, border| of_pairs(pairs, border, Pair::ms_ssim)),
    },
    Metric {
        name: "perceptual",
        usual: &[On::Answers],
        sentence: "distance of pictures from those of the same names by SqueezeNet's features; 0 is best",
        measure: Measure::SeenPairs(|pairs, net| {
            let distance = |[a, b]: &ImagePair| {
                Pair::new(a, b, Channels::Own, 0)?; // of one size
                let distance = perceptual::distance(&net.features(tensor(a)), &net.features(tensor(b)));
                Ok(distance.into_scalar::<f64>())
            };
            Ok(vec![("distance", Estimate::of_mean(&pairs.iter().map(distance).collect::<Result<Vec<f64>>>()?))])
        }),
    },
    Metric {
        name: "f1",
        usual: &[On::Answers],
        sentence: "how well the damage of pictures is found, counted in pixels of all: precision, recall and their harmonic mean",
        measure: Measure::Masks(of_masks),
    },
    Metric {
        name: "ppl",
        usual: &[],
        sentence: "perceptual path length between styles, for models that have them; less is smoother",
        measure: Measure::Styles(|space, net, [first, n], report| {
            let lengths = path_length::lengths(space, net, first, n, report);
            // Each run leaves other ways out, and no length belongs to one of another run.
            Ok(vec![("length", Estimate { without: None, each: None, ..Estimate::of_mean(&lengths) })])
        }),
    },
    Metric {
        name: "modes",
        usual: &[On::Points],
        sentence: "modes of a toy's mixture that are found, and the share of samples within three deviations of one",
        measure: Measure::Modes(|points, mixture| {
            let Modes { found, high_quality } = modes::estimate(points, mixture)?;
            Ok(vec![("found", found), ("high-quality", high_quality)])
        }),
    },
    Metric {
        name: "music",
        usual: &[On::Music],
        sentence: "keys, chords, rhythm and repetition counted in pieces of music; those of real ones are what is usual",
        measure: Measure::Music(|pieces| {
            if pieces.len() < 2 * GROUPS {
                let (n, least) = (pieces.len(), 2 * GROUPS);
                let few = if n == 1 { "1 piece of eight bars is" } else { &format!("{n} pieces of eight bars are") };
                return Err(Error::input(format!("{few} too few to measure; give at least {least}, held out or made")));
            }
            Ok(music::estimate(pieces))
        }),
    },
];

/// The metric called `name`.
///
/// ```
/// use ganvas::eval::features::Features;
/// use ganvas::eval::{Seen, metric, of_features};
///
/// # fn main() -> ganvas::Result<()> {
/// let wave = |from: f64| (0..200).map(|i| (from + f64::from(i) * 0.7).sin()).collect::<Vec<_>>();
/// let [made, real] = [wave(0.0), wave(0.1)].map(|values| Features::new("waves", 2, values));
/// let passports = of_features(&metric("kid")?, &Seen::given(made?), &Seen::given(real?), None)?;
/// assert!(passports[0].low <= passports[0].value && passports[0].value <= passports[0].high);
/// # Ok(())
/// # }
/// ```
pub fn metric(name: &str) -> Result<Metric> {
    METRICS.iter().find(|metric| metric.name == name).copied().ok_or_else(|| {
        let names = METRICS.iter().map(|metric| metric.name).collect::<Vec<_>>().join(", ");
        Error::input(format!("there is no metric `{name}`; there are: {names}"))
    })
}

/// An error when there are too few samples for an interval.
fn enough(seen: &Seen) -> Result<()> {
    seen.features.at_least(2 * GROUPS)
}

impl Metric {
    /// Whether it can be taken of something.
    pub fn suits(&self, on: On) -> bool {
        match self.measure {
            Measure::Features(_) => [On::Pictures, On::Features, On::Answers].contains(&on),
            Measure::Logits(_) => [On::Pictures, On::Features].contains(&on),
            Measure::Likelihood(_) | Measure::Styles(_) | Measure::Asked | Measure::OfText => on == On::Pictures,
            Measure::Pairs(_) | Measure::Bodies(_) | Measure::Masks(_) | Measure::SeenPairs(_) => on == On::Answers,
            Measure::Modes(_) => on == On::Points,
            Measure::Music(_) => on == On::Music,
        }
    }

    /// The passports of what was measured.
    pub fn passports(
        &self,
        measured: Vec<Measured>,
        generated: &Side,
        real: Option<&Side>,
        by: &By,
        like: Option<Like>,
    ) -> Vec<Passport> {
        let passport = |(quantity, estimate): Measured| Passport {
            metric: self.name.to_owned(),
            quantity: quantity.to_owned(),
            value: estimate.value,
            low: estimate.low,
            high: estimate.high,
            extrapolated: estimate.extrapolated,
            without: estimate.without.map(Vec::from),
            each: estimate.each,
            by: by.clone(),
            like,
            generated: generated.clone(),
            real: real.cloned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        measured.into_iter().map(passport).collect()
    }
}

/// The mean over pairs of one of their numbers, of their own channels and of their luma.
fn of_pairs(pairs: &[ImagePair], border: usize, of: fn(&Pair) -> Result<f64>) -> Found {
    if pairs.is_empty() {
        return Err(Error::input("there are no pictures to compare"));
    }
    let mean = |channels| {
        let values = pairs.par_iter().map(|[a, b]| of(&Pair::new(a, b, channels, border)?));
        Ok(Estimate::of_mean(&values.collect::<Result<Vec<f64>>>()?))
    };
    Ok(vec![("rgb", mean(Channels::Own)?), ("luma", mean(Channels::Luma)?)])
}

/// Precision, recall and F1 over the pixels of all masks together (van Rijsbergen 1979, "Information Retrieval", chapter 7), each
/// pair what was found and what there is.
fn of_masks(pairs: &[ImagePair]) -> Found {
    let counted = |[found, is]: &ImagePair| {
        if found.shape() != is.shape() || is.channels != 1 {
            return Err(Error::input("f1 takes grey pictures of one size, white where something is"));
        }
        let both = found.pixels.iter().zip(&is.pixels).map(|(found, is)| [*found > 127, *is > 127]);
        Ok(both.fold([0_u64; 3], |[common, found, is], both| {
            [common + u64::from(both == [true; 2]), found + u64::from(both[0]), is + u64::from(both[1])]
        }))
    };
    let counts = pairs.iter().map(counted).collect::<Result<Vec<_>>>()?;
    if counts.len() < 2 * GROUPS {
        let (n, least) = (counts.len(), 2 * GROUPS);
        return Err(Error::input(format!(
            "{n} pictures are too few to say how well damage is found; give at least {least}"
        )));
    }
    let groups = groups(counts.len(), "masks");
    // [precision, recall, F1] of all but one group: a share of nothing is 0
    let without = |left: Option<usize>| {
        let kept = counts.iter().zip(&groups).filter(|(_, group)| Some(**group) != left);
        let [common, found, is] = kept.fold([0; 3], |sum, (counts, _)| std::array::from_fn(|i| sum[i] + counts[i]));
        let share = |of: u64| if of == 0 { 0.0 } else { common as f64 / of as f64 };
        [share(found), share(is), 2.0 * share(found + is)]
    };
    let (all, parts) = (without(None), (0..GROUPS).map(|group| without(Some(group))).collect::<Vec<_>>());
    let of = |i: usize| Estimate::jackknife(all[i], &std::array::from_fn(|group| parts[group][i])).of_share();
    Ok(vec![("precision", of(0)), ("recall", of(1)), ("f1", of(2))])
}

/// `[1, channels, height, width]` in [-1, 1].
fn tensor(image: &Image) -> Tensor<4> {
    let [width, height, channels] = image.shape();
    let values = image.pixels.iter().copied().map(signed).collect::<Vec<f32>>();
    Tensor::<4>::from_data(TensorData::new(values, [1, height, width, channels]), &device::cpu()).permute([0, 3, 1, 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(white: &[usize]) -> Image {
        Image::new(4, 2, 1, (0..8).map(|i| if white.contains(&i) { 128 } else { 127 }).collect())
    }

    #[test]
    fn damage_is_counted_over_the_pixels_of_all_pictures() {
        // 10 pictures where 2 of 3 found pixels are right and 2 of 4 are found, 10 where nothing is and 1 pixel is found:
        // 20 common, 40 found, 40 there.
        let mut pairs = vec![[mask(&[0, 1, 2]), mask(&[1, 2, 3, 4])]; 10];
        pairs.extend(vec![[mask(&[7]), mask(&[])]; 10]);
        let found = of_masks(&pairs).unwrap();
        let values = found.iter().map(|(name, estimate)| (*name, estimate.value)).collect::<Vec<_>>();
        assert_eq!(values, [("precision", 0.5), ("recall", 0.5), ("f1", 0.5)]);
        assert!(found[0].1.low < 0.5 && found[0].1.high > 0.5, "{found:?}");
        let nothing = of_masks(&vec![[mask(&[]), mask(&[])]; 20]).unwrap();
        assert!(nothing.iter().all(|(_, estimate)| estimate.value == 0.0), "{nothing:?}");
        assert_eq!(of_masks(&pairs[..19]).unwrap_err().exit_code(), 2);
        let rgb = Image::new(2, 2, 3, vec![0; 12]);
        assert_eq!(of_masks(&vec![[rgb.clone(), rgb]; 20]).unwrap_err().exit_code(), 2);
    }
}
