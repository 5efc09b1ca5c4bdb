//! Measuring: real samples that are looked at once, and the passports of what is held against them.

use std::path::Path;

use super::arrays::{Given, Statistics};
use super::estimate::Estimate;
use super::metric::{METRICS, Measure, Metric, OF_GAUSSIANS, On};
use super::pictures::{Asked, Music, Pictures, drawn};
use super::seen::{Seen, by, see};
use super::{Like, frechet};
use crate::data::gaussians::Mixture;
use crate::data::holds_digits;
use crate::data::images::{self, Images, Shape};
use crate::device;
use crate::error::{Error, Result};
use crate::hash::sha256_of;
use crate::looks::{Look, Network};
use crate::media::{Image, Media};
use crate::model::{Model, StyleSpace};
use crate::passport::Part;
use crate::passport::{By, Passport, Side};
use crate::report::Report;

/// Pictures for the choice of a Parzen window's width, as in the first GAN's published code.
const VALIDATION: usize = 1000;

/// Real pictures, and what a network makes of them.
pub struct Against {
    data: Images,
    name: String,
    shape: Shape,
    look: Look,
    seen: Seen,
}

impl Against {
    /// The pictures of a folder or zip, called `name`: of one part, brought to a shape, `most` of them at random. Without a
    /// network to see them by, it is the classifier of digits for digits of 28 pixels, and SqueezeNet for all others.
    pub fn open(
        data: &Images,
        name: &str,
        (shape, part, most): (Shape, Part, Option<usize>),
        network: Option<Network>,
        report: Report<'_>,
    ) -> Result<Self> {
        let digits = shape == Shape { channels: 1, side: 28 } && holds_digits(&data.path);
        let network = network.unwrap_or(if digits { Network::Digits } else { Network::SqueezeNet });
        let pictures = Pictures::of_data(data, name, shape, part, most)?;
        let look = Look::load(network, &device::cpu(), report)?;
        let seen = see(&look, &pictures, report)?;
        Ok(Against { data: data.clone(), name: name.to_owned(), shape, look, seen })
    }

    /// The real pictures.
    pub fn side(&self) -> &Side {
        &self.seen.side
    }

    /// Whether these are the pictures of a place, in a shape.
    pub fn is_of(&self, data: &Images, shape: Shape) -> bool {
        self.data == *data && self.shape == shape
    }

    /// Whether the network tells classes.
    pub fn has_logits(&self) -> bool {
        self.seen.logits.is_some()
    }

    /// The passports of metrics of features, logits and likelihood; an error for others. The likelihood of the test
    /// pictures is not measured under themselves: where other metrics are wanted, too, it is left out.
    pub fn measure(
        &self,
        metrics: &[Metric],
        generated: &Pictures,
        like: Option<Like>,
        report: Report<'_>,
    ) -> Result<Vec<Passport>> {
        let is_seen = |metric: &Metric| matches!(metric.measure, Measure::Features(_) | Measure::Logits(_));
        let seen = match metrics.iter().any(is_seen) {
            true => Some(see(&self.look, generated, report)?),
            false => None,
        };
        let mut passports = Vec::new();
        for metric in metrics {
            passports.extend(match (metric.measure, &seen) {
                (Measure::Likelihood(measure), _) => {
                    let part = |part, most| {
                        let pictures = Pictures::of_data(&self.data, &self.name, self.shape, part, most)?;
                        see(&Look::Pixels, &pictures, &mut |_| {})
                    };
                    let test = part(Part::Test, None)?; // first: not every set has one
                    let validation = part(Part::HeldOut, Some(VALIDATION))?;
                    let generated = see(&Look::Pixels, generated, report)?;
                    if generated.side.sha256 == test.side.sha256 {
                        continue; // each is likely under itself
                    }
                    let measured = measure(&generated.features, &validation.features, &test.features)?;
                    metric.passports(measured, &generated.side, Some(&test.side), &by(&Look::Pixels), like)
                }
                (_, Some(seen)) => of_seen(metric, seen, &self.seen, &by(&self.look), like)?,
                (_, None) => return Err(misplaced(metric)),
            });
        }
        if passports.is_empty() && !metrics.is_empty() {
            let name = &generated.side.name;
            return Err(Error::input(format!(
                "the likelihood of test pictures under themselves says nothing; measure others than {name}"
            )));
        }
        Ok(passports)
    }
}

/// The passports of a metric of features that were given.
pub fn of_features(metric: &Metric, generated: &Seen, real: &Seen, like: Option<Like>) -> Result<Vec<Passport>> {
    of_seen(metric, generated, real, &nothing("given"), like)
}

/// The passports of metrics of a mean and a covariance on at least one side. No interval follows from those: it has no width.
pub fn of_statistics(metrics: &[Metric], generated: &Given, real: &Given) -> Result<Vec<Passport>> {
    if let Some(metric) = metrics.iter().find(|metric| metric.name != OF_GAUSSIANS) {
        return Err(Error::input(format!(
            "{} needs features of single samples, and mu and sigma hold none; measure {OF_GAUSSIANS} alone",
            metric.name
        )));
    }
    let side = |given: &Given| match given {
        Given::Features(features) => Seen::side_of(features),
        Given::Statistics(Statistics { name, mean, covariance }) => {
            let sha256 = sha256_of(mean.iter().chain(covariance).map(|value| value.to_le_bytes()));
            Side { name: name.clone(), part: None, samples: 0, sha256, run: None }
        }
    };
    let passports = metrics.iter().map(|metric| {
        let distance = Estimate::of_error(frechet::of_gaussians(generated, real)?, 0.0);
        let measured = vec![("distance", distance)];
        Ok(metric.passports(measured, &side(generated), Some(&side(real)), &nothing("given"), None))
    });
    Ok(passports.collect::<Result<Vec<_>>>()?.concat())
}

pub(super) fn of_seen(
    metric: &Metric,
    generated: &Seen,
    real: &Seen,
    by: &By,
    like: Option<Like>,
) -> Result<Vec<Passport>> {
    let measured = match metric.measure {
        Measure::Features(measure) | Measure::Logits(measure) => measure(generated, real, like)?,
        _ => return Err(misplaced(metric)),
    };
    Ok(metric.passports(measured, &generated.side, Some(&real.side), by, like))
}

/// A folder or zip of pictures, and which part of it is meant; all where none is named.
pub type Place<'a> = (&'a Path, Option<Part>);

/// The passports of metrics of pictures in two folders or zips that have the same names, without a border of so many pixels.
pub fn of_pairs(metrics: &[Metric], places: [Place; 2], border: usize, report: Report<'_>) -> Result<Vec<Passport>> {
    let parts = places.map(|(place, part)| match part {
        None | Some(Part::All) => Ok((place, None)),
        Some(Part::Train) => Ok((place, Some(false))),
        Some(Part::HeldOut) => Ok((place, Some(true))),
        Some(Part::Test) => {
            let place = place.display();
            Err(Error::input(format!(
                "{place} has no test part here; give {place}/test, {place}:held-out or {place}:all"
            )))
        }
    });
    let [made, real] = parts;
    let pairs = images::pairs([made?, real?])?;
    let side = |i: usize| {
        let sha256 = sha256_of(pairs.iter().map(|pair| &pair[i].pixels));
        let (place, part) = places[i];
        Side { name: place.display().to_string(), part, samples: pairs.len(), sha256, run: None }
    };
    let passports = metrics.iter().map(|metric| of_images(metric, &pairs, [&side(0), &side(1)], border, report));
    Ok(passports.collect::<Result<Vec<_>>>()?.concat())
}

/// The passports of a metric of pictures and what they should be.
pub(super) fn of_images(
    metric: &Metric,
    pairs: &[[Image; 2]],
    [generated, real]: [&Side; 2],
    border: usize,
    report: Report<'_>,
) -> Result<Vec<Passport>> {
    let (measured, by) = match metric.measure {
        Measure::Pairs(measure) => {
            let cropped = match border {
                0 => "none".to_owned(),
                border => format!("none, without a border of {border}"),
            };
            (measure(pairs, border)?, By { resize: Some(cropped), ..nothing("none") })
        }
        Measure::Masks(measure) => (measure(pairs)?, By { resize: Some("none".to_owned()), ..nothing("none") }),
        Measure::SeenPairs(measure) => {
            let look = Look::load(Network::SqueezeNet, &device::cpu(), report)?;
            let Look::SqueezeNet(squeezenet) = &look else { return Err(misplaced(metric)) };
            (measure(pairs, squeezenet)?, By { resize: Some("none".to_owned()), ..by(&look) })
        }
        _ => return Err(misplaced(metric)),
    };
    Ok(metric.passports(measured, generated, Some(real), &by, None))
}

/// The passports of a model's samples, `side.samples` of them from the first seed of `side.run` on: pictures against real
/// ones, points against their mixture, music and the ways between styles against nothing. An error where a metric does not
/// suit.
pub fn of_model(
    metrics: &[Metric],
    model: &dyn Model,
    side: &Side,
    (against, mixture): (Option<&Against>, Option<&Mixture>),
    like: Option<Like>,
    report: Report<'_>,
) -> Result<Vec<Passport>> {
    let (first, truncation) = side.run.as_ref().map_or((0, None), |run| (run.first_seed, run.truncation));
    let (styles, seen): (Vec<_>, Vec<_>) =
        metrics.iter().copied().partition(|metric| matches!(metric.measure, Measure::Styles(_)));
    let mut passports = Vec::new();
    for metric in styles {
        let space = model.style_space().ok_or_else(|| {
            Error::input(format!("{} has no styles to walk between; leave --metric {} out", side.name, metric.name))
        })?;
        passports.extend(of_styles(&metric, &space, side, first, report)?);
    }
    if seen.is_empty() {
        return Ok(passports);
    }
    let (mut images, mut points, mut pieces) = (Vec::new(), Vec::new(), Vec::new());
    for media in drawn(model, Asked { first, n: side.samples, truncation, given: None }, report)? {
        match media {
            Media::Image(image) => images.push(image),
            Media::Point(point) => points.push(point),
            Media::Notes(notes) => pieces.push(notes),
        }
    }
    if !pieces.is_empty() {
        let mut music = Music::new(&side.name, None, pieces)?;
        music.side.run.clone_from(&side.run);
        passports.extend(of_music(&seen, &music)?);
        return Ok(passports);
    }
    if !points.is_empty() {
        let unknown = || Error::input(format!("nobody knows what the points of {} should come from", side.name));
        let mixture = mixture.ok_or_else(unknown)?;
        for metric in &seen {
            passports.extend(of_points(metric, &points, side, mixture)?);
        }
        return Ok(passports);
    }
    let mut pictures = Pictures::new(&side.name, None, images)?;
    pictures.side.run.clone_from(&side.run);
    let against = against.ok_or_else(|| Error::input(format!("{} is held against no pictures", side.name)))?;
    passports.extend(against.measure(&seen, &pictures, like, report)?);
    Ok(passports)
}

/// The passports of metrics of music; an error for others.
pub fn of_music(metrics: &[Metric], music: &Music) -> Result<Vec<Passport>> {
    let passports = metrics.iter().map(|metric| {
        let Measure::Music(measure) = metric.measure else { return Err(misplaced(metric)) };
        Ok(metric.passports(measure(&music.pieces)?, &music.side, None, &nothing("none"), None))
    });
    Ok(passports.collect::<Result<Vec<_>>>()?.concat())
}

fn of_points(metric: &Metric, points: &[[f32; 2]], side: &Side, mixture: &Mixture) -> Result<Vec<Passport>> {
    let Measure::Modes(measure) = metric.measure else { return Err(misplaced(metric)) };
    let sha256 = sha256_of(points.iter().flatten().map(|value| value.to_le_bytes()));
    let side = Side { samples: points.len(), sha256, ..side.clone() };
    let numbers = mixture.centres.iter().flatten().chain([&mixture.deviation]);
    let sha256 = sha256_of(numbers.map(|value| value.to_le_bytes()));
    let (name, samples) = ("the modes of its mixture".to_owned(), mixture.centres.len());
    let modes = Side { name, part: None, samples, sha256, run: None };
    Ok(metric.passports(measure(points, mixture)?, &side, Some(&modes), &nothing("none"), None))
}

fn of_styles(
    metric: &Metric,
    space: &StyleSpace,
    side: &Side,
    first: u64,
    report: Report<'_>,
) -> Result<Vec<Passport>> {
    let Measure::Styles(measure) = metric.measure else { return Err(misplaced(metric)) };
    let look = Look::load(Network::SqueezeNet, &device::cpu(), report)?;
    let Look::SqueezeNet(net) = &look else { return Err(misplaced(metric)) };
    let measured = measure(space, net, [first, side.samples as u64], report)?;
    let by = By { resize: Some("none".to_owned()), quantisation: Some("none".to_owned()), ..by(&look) };
    Ok(metric.passports(measured, side, None, &by, None))
}

/// What passports say where no network saw anything.
fn nothing(features: &str) -> By {
    By { features: features.to_owned(), sha256: None, resize: None, quantisation: None }
}

/// The error for a metric that is of something else.
pub fn misplaced(metric: &Metric) -> Error {
    Error::input(format!("{} is not measured of what this makes. It is: {}", metric.name, metric.sentence))
}

/// The same where it is known what is measured, with the metrics that suit.
pub fn misplaced_on(metric: &Metric, on: On) -> Error {
    let suiting = METRICS.iter().filter(|metric| metric.suits(on)).map(|metric| metric.name).collect::<Vec<_>>();
    Error::input(format!("{}; of this there are: {}", misplaced(metric), suiting.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::metric;
    use crate::media::Notes;

    #[test]
    fn pairs_are_found_by_name_and_what_stands_alone_is_listed() {
        let folder = tempfile::tempdir().unwrap();
        let [made, real] = ["made", "real"].map(|name| folder.path().join(name));
        let write = |place: &Path, name: &str, level: u8| {
            std::fs::create_dir_all(place).unwrap();
            Image::new(16, 12, 3, vec![level; 16 * 12 * 3]).write_png(&place.join(name)).unwrap();
        };
        write(&made, "a.png", 100);
        write(&made, "b.png", 50);
        write(&real, "a.png", 110);
        write(&real, "c.png", 50);
        let psnr = [metric("psnr").unwrap()];
        let error = of_pairs(&psnr, [(&made, None), (&real, None)], 0, &mut |_| {}).unwrap_err().to_string();
        assert!(error.contains("b is in") && error.contains("c is in"), "{error}");
        std::fs::rename(real.join("c.png"), real.join("b.png")).unwrap();
        std::fs::remove_file(made.join("b.png")).unwrap();
        write(&made, "b.png", 30);
        let found = of_pairs(&psnr, [(&made, None), (&real, None)], 2, &mut |_| {}).unwrap();
        // 20 log10(255 / 10) and 20 log10(255 / 20), averaged.
        assert!((found[0].value - 25.120_503_652_039_293).abs() < 1e-9 && found[0].quantity == "rgb", "{found:?}");
        assert_eq!(found[0].generated.samples, 2);
        let error =
            of_pairs(&[metric("fd").unwrap()], [(&made, None), (&real, None)], 0, &mut |_| {}).unwrap_err().to_string();
        assert!(error.contains("fd is not measured of what this makes"), "{error}");
    }

    #[test]
    fn music_is_measured_in_twenty_pieces_and_more_and_by_nothing_else() {
        let piece = |text: &str| text.parse::<Notes>().unwrap();
        let pieces = [piece("C4 E4 G4 C5"), piece("C4:2 D4:2 E4:2 F4:2 F#4 G4")];
        let music = |n: usize| Music::new("made", None, pieces.iter().cloned().cycle().take(n).collect()).unwrap();
        let all = [metric("music").unwrap()];
        let found = of_music(&all, &music(20)).unwrap();
        let in_key = found.iter().find(|passport| passport.quantity == "in-key").unwrap();
        // All 16 steps of the one, and 14 of the other, those of G major.
        assert!((in_key.value - (1.0 + 14.0 / 16.0) / 2.0).abs() < 1e-12 && in_key.low < in_key.value, "{in_key:?}");
        assert_eq!((in_key.generated.samples, in_key.real.is_none()), (20, true));
        let notes = found.iter().find(|passport| passport.quantity == "notes-per-bar").unwrap();
        assert_eq!(notes.value, 5.0);
        assert_ne!(music(20).side.sha256, music(21).side.sha256);
        assert_eq!(music(21).some(20).unwrap().side.samples, 20);

        let too_few = of_music(&all, &music(19)).unwrap_err().to_string();
        assert!(too_few.contains("19 pieces"), "{too_few}");
        let wrong = of_music(&[metric("fd").unwrap()], &music(20)).unwrap_err().to_string();
        assert!(wrong.contains("fd is not measured of what this makes"), "{wrong}");
        assert!(Music::new("made", None, Vec::new()).unwrap_err().to_string().contains("made has no eight bars"));
    }
}
