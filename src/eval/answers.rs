//! How good the answers of a model are to questions whose answers are known: pictures made of others, and music.

use super::against::{of_images, of_music, of_seen};
use super::metric::{Measure, Metric};
use super::pictures::{Music, Pictures};
use super::seen::{by, see};
use crate::data::degrade::Planes;
use crate::data::degrade::resize::{Filter, resized};
use crate::data::images::posed::POSE;
use crate::device;
use crate::error::{Error, Result};
use crate::field::Kind;
use crate::hash::sha256_of;
use crate::looks::{Look, Network};
use crate::media::{Image, Media, Notes, Pose};
use crate::model::{Model, TRUNCATION, generate};
use crate::passport::Part;
use crate::passport::{Drawn, Passport, Side};
use crate::report::{Progress, Report};
use crate::request::{Example, Latent, Request, SHOW, Sample, Value};

/// The passports of what a model makes of what it is asked, pictures or music; `data` is what to call the place that it comes from.
/// An error for metrics that do not suit.
pub fn of_asked(
    metrics: &[Metric],
    model: &dyn Model,
    (name, run): (&str, Drawn),
    data: &str,
    asked: &[Example],
    report: Report<'_>,
) -> Result<Vec<Passport>> {
    if wanted_music(asked).is_some() {
        return of_music(metrics, &answered_music(model, (name, run), asked, report)?);
    }
    let mut passports = Vec::new();
    for group in group(asked.to_vec()) {
        let answers = Answers::of_model(model, (name, run.clone()), data, &group, report)?;
        passports.extend(answers.measure(metrics, None, report)?);
    }
    Ok(passports)
}

/// The music that is wanted; none where anything else is.
pub fn wanted_music(asked: &[Example]) -> Option<Vec<Notes>> {
    let notes = |example: &Example| match &example.wanted {
        Some(Media::Notes(notes)) => Some(notes.clone()),
        _ => None,
    };
    asked.iter().map(notes).collect::<Option<Vec<_>>>().filter(|music| !music.is_empty())
}

/// The music that a model makes of what it is asked, by the run's first seed and those after it.
pub fn answered_music(
    model: &dyn Model,
    (name, run): (&str, Drawn),
    asked: &[Example],
    report: Report<'_>,
) -> Result<Music> {
    let mut pieces = Vec::with_capacity(asked.len());
    for (done, example) in asked.iter().enumerate() {
        report(Progress { what: "answering", done: done as u64, total: Some(asked.len() as u64) });
        let latent = Latent::Seed(run.first_seed + done as u64);
        let request = Request { samples: vec![Sample { latent, ..example.asked.clone() }] };
        let truncation = run.truncation;
        let request =
            truncation.map_or(request.clone(), |share| request.with(TRUNCATION, &Value::Text(share.to_string())));
        match generate(model, &request)?.into_iter().next() {
            Some(Media::Notes(notes)) => pieces.push(notes),
            _ => return Err(Error::input(format!("{name} makes no music to hold against other music"))),
        }
    }
    let mut music = Music::new(name, None, pieces)?;
    music.side.run = Some(run);
    Ok(music)
}

/// Answers and what they should have been, in the order of the questions.
pub struct Answers {
    what: Option<String>,
    /// Whether they show where something is, rather than a picture.
    is_of_mask: bool,
    pairs: Vec<[Image; 2]>,
    /// The pose that each answer should have; none where they are of no persons.
    poses: Option<Vec<Pose>>,
    sides: [Side; 2],
}

/// What is asked, by the words and texts that are given beside a picture, each group with these as a name; none where nothing is
/// given. A group keeps its order. A pose makes no group, since nearly every question has one of its own.
pub fn group(asked: Vec<Example>) -> Vec<(Option<String>, Vec<Example>)> {
    let mut groups = Vec::<(Option<String>, Vec<Example>)>::new();
    for example in asked {
        let given = example.asked.texts().filter(|(name, _)| *name != POSE);
        let given = given.map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>();
        let name = (!given.is_empty()).then(|| given.join(", "));
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, group)) => group.push(example),
            None => groups.push((name, vec![example])),
        }
    }
    groups
}

impl Answers {
    /// What a model makes of a [`group`]. `data` is what to call the place that they come from.
    pub fn of_model(
        model: &dyn Model,
        (name, run): (&str, Drawn),
        data: &str,
        (what, asked): &(Option<String>, Vec<Example>),
        report: Report<'_>,
    ) -> Result<Self> {
        let mut made = Vec::with_capacity(asked.len());
        for (done, example) in asked.iter().enumerate() {
            report(Progress { what: "answering", done: done as u64, total: Some(asked.len() as u64) });
            let request = Request { samples: vec![example.asked.clone()] };
            match generate(model, &request)?.into_iter().next() {
                Some(Media::Image(image)) => made.push(image),
                _ => return Err(Error::input(format!("{name} makes no pictures to hold against others"))),
            }
        }
        let shown = asked.first().and_then(|example| example.asked.text(SHOW));
        let is_of_mask =
            model.makes().iter().any(|field| Some(field.name.as_str()) == shown && field.kind == Kind::Mask);
        let mut answers = Self::of(name, made, data, asked)?;
        answers.sides[0].run = Some(run);
        Ok(Answers { what: what.clone(), is_of_mask, ..answers })
    }

    /// What nobody need learn: the given pictures as they are, brought to the size of the wanted ones by MATLAB's bicubic filter
    /// where that is another, and the wanted ones' mean colour everywhere; and where the data has it, what comes nearest to the answers, such
    /// as a person in the nearest known pose. A model that is no better has learned nothing.
    pub fn baselines(&self, data: &str, asked: &[Example]) -> Result<Vec<Self>> {
        let given = asked.iter().map(|example| example.asked.picture().cloned());
        let given = given.collect::<Option<Vec<_>>>().ok_or_else(|| Error::input("there are no given pictures"))?;
        let wanted = wanted(data, asked)?;
        let channels = wanted[0].channels;
        let mean = |channel: usize| {
            let levels = wanted.iter().flat_map(|image| image.pixels.iter().skip(channel).step_by(channels));
            let (sum, count) = levels.fold((0, 0_u64), |(sum, count), level| (sum + u64::from(*level), count + 1));
            (sum as f64 / count as f64).round() as u8
        };
        let mean = (0..channels).map(mean).collect::<Vec<u8>>();
        let fits = given.iter().zip(&wanted).all(|(given, wanted)| given.width == wanted.width);
        let name = if fits { "the picture unchanged" } else { "the picture resized" };
        let is_alike = given.iter().zip(&wanted).all(|(given, wanted)| given.channels == wanted.channels);
        let given = given.iter().zip(&wanted).map(|(given, wanted)| {
            let Image { width, height, .. } = *wanted;
            resized(&Planes::of(given), width, height, Filter::Bicubic).image()
        });
        let given = given.collect::<Vec<Image>>();
        let flat =
            |image: &Image| Image::new(image.width, image.height, channels, mean.repeat(image.width * image.height));
        let flat = wanted.iter().map(flat).collect();
        let given = is_alike.then_some((name, given)); // a photograph says nothing of where its damage is
        let nearest = asked.iter().map(|example| match &example.nearest {
            Some((name, Media::Image(image))) => Some((*name, image.clone())),
            _ => None,
        });
        let nearest = nearest.collect::<Option<Vec<_>>>().map(|named| named.into_iter().unzip());
        let nearest = nearest.map(|(names, nearest): (Vec<_>, Vec<Image>)| (names[0], nearest));
        let named = given.into_iter().chain([("the mean colour", flat)]).chain(nearest);
        let named = named.map(|(name, made)| {
            let answers = Self::of(name, made, data, asked)?;
            Ok(Answers { what: self.what.clone(), is_of_mask: self.is_of_mask, ..answers })
        });
        named.collect()
    }

    fn of(name: &str, made: Vec<Image>, data: &str, asked: &[Example]) -> Result<Self> {
        let pairs = made.into_iter().zip(wanted(data, asked)?).map(|(made, wanted)| [made, wanted]);
        let pairs = pairs.collect::<Vec<_>>();
        let side = |i: usize, name: String, part| {
            let sha256 = sha256_of(pairs.iter().map(|pair| &pair[i].pixels));
            Side { name, part, samples: pairs.len(), sha256, run: None }
        };
        let sides = [side(0, name.to_owned(), None), side(1, data.to_owned(), Some(Part::Test))];
        let poses = asked.iter().map(|example| Pose::parse(example.asked.text(POSE)?).ok()).collect();
        Ok(Answers { what: None, is_of_mask: false, pairs, poses, sides })
    }

    /// The pairs with black for all that is beside the body in its pose; none where there are no poses.
    fn bodies(&self) -> Option<Vec<[Image; 2]>> {
        let poses = self.poses.as_ref()?;
        let body = |(pair, pose): (&[Image; 2], &Pose)| {
            let mask = pose.body([pair[1].width, pair[1].height]);
            pair.clone().map(|mut image| {
                for (pixel, is_body) in image.pixels.chunks_exact_mut(image.channels).zip(&mask) {
                    if !is_body {
                        pixel.fill(0);
                    }
                }
                image
            })
        };
        Some(self.pairs.iter().zip(poses).map(body).collect())
    }

    /// The passports of metrics of pairs, and of metrics that hold all answers against all wanted pictures by the features of a
    /// network, SqueezeNet where none is named; each number is called after its group, too. Metrics of masks are of answers that show where something is, and no others
    /// are: the rest is left out. An error for metrics of something else.
    pub fn measure(
        &self,
        metrics: &[Metric],
        network: Option<Network<'_>>,
        report: Report<'_>,
    ) -> Result<Vec<Passport>> {
        let [generated, real] = &self.sides;
        let mut passports = Vec::new();
        for metric in metrics {
            if matches!(metric.measure, Measure::Masks(_)) != self.is_of_mask {
                continue;
            }
            passports.extend(match metric.measure {
                Measure::Features(_) => {
                    let look = Look::load(network.unwrap_or(Network::SqueezeNet), &device::cpu(), report)?;
                    let mut see = |i: usize| {
                        let images = self.pairs.iter().map(|pair| pair[i].clone()).collect();
                        let pictures = Pictures { side: self.sides[i].clone(), images };
                        see(&look, &pictures, report)
                    };
                    of_seen(metric, &see(0)?, &see(1)?, &by(&look), None)?
                }
                Measure::Bodies(measure) => {
                    let Some(bodies) = self.bodies() else { continue };
                    let alike = Metric { measure: Measure::Pairs(measure), ..*metric };
                    of_images(&alike, &bodies, [generated, real], 0, report)?
                }
                _ => of_images(metric, &self.pairs, [generated, real], 0, report)?,
            });
        }
        let named = |passport: Passport| match &self.what {
            Some(what) => Passport { quantity: format!("{}, {what}", passport.quantity), ..passport },
            None => passport,
        };
        Ok(passports.into_iter().map(named).collect())
    }
}

/// The answers that should be given.
fn wanted(data: &str, asked: &[Example]) -> Result<Vec<Image>> {
    let images = asked.iter().map(|example| match &example.wanted {
        Some(Media::Image(image)) => Some(image.clone()),
        _ => None,
    });
    let images = images.collect::<Option<Vec<_>>>().filter(|images| !images.is_empty());
    images.ok_or_else(|| {
        Error::input(format!("{data} holds nothing out whose answers are known; measure pictures in folders"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_persons_only_what_is_their_body_is_held_against_it() {
        let mut pose = Pose { width: 32.0, height: 32.0, keypoints: [[0.0; 3]; 17] };
        pose.keypoints[3] = [16.0, 16.0, 1.0]; // the body reaches two pixels from it
        let (mut wanted, mut made) = (vec![200; 32 * 32], vec![200; 32 * 32]);
        made[5] = 0; // beside the body
        let asked = |wanted: &[u8]| {
            let image = Image::new(32, 32, 1, wanted.to_vec());
            vec![Example::pair(image.clone(), image).with(POSE, pose.text().as_str())]
        };
        let metrics = ["ssim", "mask-ssim"].map(|name| crate::eval::metric(name).unwrap());
        let measured = |made: &[u8], asked: &[Example]| {
            let answers = Answers::of("made", vec![Image::new(32, 32, 1, made.to_vec())], "data", asked).unwrap();
            let passports = answers.measure(&metrics, None, &mut |_| ()).unwrap();
            passports.iter().map(|found| (found.quantity.clone(), found.value)).collect::<Vec<_>>()
        };
        let found = measured(&made, &asked(&wanted));
        assert_eq!(found.len(), 4);
        assert!(found[0].1 < 1.0 && found[2].1 == 1.0, "{found:?}");
        wanted[32 * 16 + 16] = 0; // within it
        assert!(measured(&made, &asked(&wanted))[2].1 < 1.0);
        let image = Image::new(32, 32, 1, made.clone());
        assert_eq!(measured(&made, &[Example::pair(image.clone(), image)]).len(), 2, "where there are no persons");
    }

    #[test]
    fn whoever_enlarges_is_held_against_the_picture_resized() {
        let asked = |side: usize| {
            let given = Image::new(side, side, 1, vec![90; side * side]);
            vec![Example::pair(given, Image::new(8, 8, 1, vec![100; 64]))]
        };
        for (side, name) in [(8, "the picture unchanged"), (2, "the picture resized")] {
            let asked = asked(side);
            let answers = Answers::of("made", vec![Image::new(8, 8, 1, vec![0; 64])], "data", &asked).unwrap();
            let [given, mean] = answers.baselines("data", &asked).unwrap().try_into().ok().unwrap();
            assert_eq!(given.sides[0].name, name);
            assert_eq!(given.pairs[0][0], Image::new(8, 8, 1, vec![90; 64]));
            assert_eq!(mean.pairs[0][0], Image::new(8, 8, 1, vec![100; 64]));
        }
    }
}
