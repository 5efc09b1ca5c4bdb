//! Measuring by text: whether a sample is nearest to its own caption, whether it has what its caption says, and whether it changes as
//! the caption does. Captions are those of held-out pictures.

use std::collections::{BTreeMap, BTreeSet};

use image::imageops::{FilterType, resize};
use image::{ImageBuffer, Luma, Rgb};
use rayon::prelude::*;

use super::estimate::{Estimate, GROUPS};
use super::features::Features;
use super::linear::Linear;
use super::metric::{CHANGES, KEEPS, Measure, Metric, R_PRECISION, SAYS};
use super::pictures::Pictures;
use super::seen::{by, see};
use crate::data::cache;
use crate::data::images::captioned::{self, AllTold, Told};
use crate::data::images::{Images, Said, Shape};
use crate::data::vectors::{Encoder, Vectors};
use crate::device;
use crate::error::{Error, Result};
use crate::field::{Field, Kind};
use crate::hash::sha256_of;
use crate::looks::attributes::{self, Attributes, Lesson};
use crate::looks::sentences::{Reader, WIDTH};
use crate::looks::{Look, Network};
use crate::media::{Image, Media};
use crate::model::{Model, TRUNCATION, generate};
use crate::passport::{By, Part, Passport, Side};
use crate::random::Draws;
use crate::report::{Progress, Report};
use crate::request::{Request, Sample, Value};

/// Captions that a sample is held against, its own among them.
const CAPTIONS: usize = 10;
/// What share of held-out pictures a classifier must get right to judge samples.
pub const LEAST_ACCURACY: f64 = 0.97;
/// Values that an attribute has at most.
const MOST_VALUES: usize = 200;
/// Attributes that are exchanged in one caption at most.
const EXCHANGED: usize = 2;
/// What an interval takes.
const LEAST: usize = 2 * GROUPS;
/// The side that a network that others trained sees, where pictures are larger.
const LARGEST: usize = 128;
const AT_A_TIME: usize = 250;

/// Questions about held-out pictures, and what judges the answers.
pub struct ByText {
    /// What the pictures are called.
    name: String,
    side: usize,
    /// What features are of: a network that others trained, or else `judge`.
    look: Option<Look>,
    judge: Option<Attributes>,
    /// From features to the vectors of sentences.
    way: Linear,
    vectors: Vectors,
    middle: Vec<f64>, // the mean vector of the training captions
    encoder: &'static str,
    learned: Side,
    attributes: Vec<Attribute>,
    askings: Vec<Asking>,
    exchanges: Vec<Exchange>,
    /// The real pictures of the askings.
    real: Viewed,
    real_side: Side,
    /// The pictures that are learned from, and of each question of an asking the one whose caption is nearest to what it says.
    known: Viewed,
    retrieved: Vec<Vec<usize>>,
    retrieved_side: Side,
}

/// What the picture that a question finds among those that are learned from is called.
const RETRIEVED: &str = "the learned picture of the nearest caption";

/// An attribute that captions speak of.
struct Attribute {
    name: String,
    /// How often the classifier is right about real held-out pictures.
    accuracy: f64,
}

impl Attribute {
    fn is_kept(&self) -> bool {
        self.accuracy >= LEAST_ACCURACY
    }
}

/// Questions in phrasings of one kind.
struct Asking {
    /// What stands after the name of a number.
    ending: &'static str,
    questions: Vec<Question>,
}

/// A caption of a held-out picture.
struct Question {
    caption: String,
    /// Its picture, by its place among the real ones.
    picture: usize,
    /// Captions of other pictures that do not say the same.
    others: Vec<String>,
    /// What the caption says: attributes and their values, by number.
    said: Vec<(usize, usize)>,
}

/// A question of the first asking in which one attribute has another value.
struct Exchange {
    question: usize,
    attribute: usize,
    value: usize,
    caption: String,
}

/// What is seen in pictures.
struct Viewed {
    features: Features,
    /// Of each attribute the value of each picture.
    values: Vec<Vec<usize>>,
}

/// What is to be seen, and what sees it.
struct Eyes<'a> {
    look: Option<&'a Look>,
    judge: Option<&'a Attributes>,
    side: usize,
}

impl Eyes<'_> {
    fn see(&self, name: &str, images: Vec<Image>, report: Report<'_>) -> Result<Viewed> {
        let pictures = Pictures::new(name, None, images.into_iter().map(|image| shrunk(image, self.side)).collect())?;
        let judged = self.judge.map(|judge| judge.look(&pictures.images)).unwrap_or_default();
        let features = match self.look {
            Some(look) => see(look, &pictures, report)?.features,
            None => Features::new(name, attributes::FEATURES, judged.features)?,
        };
        Ok(Viewed { features, values: judged.values })
    }
}

/// A square picture at a smaller side, as real ones are brought to it.
fn shrunk(image: Image, side: usize) -> Image {
    let [width, height, channels] = image.shape();
    if width <= side {
        return image;
    }
    let whole = "an image holds all its pixels";
    let ([wide, high], small) = ([width as u32, height as u32], side as u32);
    let pixels = match channels {
        3 => {
            let image = ImageBuffer::<Rgb<u8>, _>::from_raw(wide, high, image.pixels).expect(whole);
            resize(&image, small, small, FilterType::Lanczos3).into_raw()
        }
        _ => {
            let image = ImageBuffer::<Luma<u8>, _>::from_raw(wide, high, image.pixels).expect(whole);
            resize(&image, small, small, FilterType::Lanczos3).into_raw()
        }
    };
    Image::new(side, side, channels, pixels)
}

/// What a picture's table says of an attribute.
fn of_attribute<'a>(told: &'a Told, name: &str) -> Option<&'a Said> {
    told.said.iter().find(|said| said.attribute == name)
}

/// The attributes that the training pictures have several values of and captions of the held-out ones speak of, with these in order.
fn varying(told: &AllTold) -> Vec<(String, Vec<String>)> {
    let mut values = BTreeMap::<&str, BTreeSet<&str>>::new();
    let mut names = Vec::<&str>::new();
    for said in told.learned.iter().flat_map(|told| &told.said) {
        if !names.contains(&said.attribute.as_str()) {
            names.push(&said.attribute);
        }
        values.entry(&said.attribute).or_default().insert(&said.value);
    }
    let is_said = |name: &str| {
        let said = told.held_out.iter().filter(|told| {
            let said = of_attribute(told, name);
            said.is_some_and(|said| told.captions.iter().any(|caption| said.place(caption).is_some()))
        });
        said.count() >= LEAST
    };
    let several = names.into_iter().filter_map(|name| {
        let values = values.get(name).filter(|values| (2..=MOST_VALUES).contains(&values.len()))?;
        is_said(name).then(|| (name.to_owned(), values.iter().map(|value| (*value).to_owned()).collect()))
    });
    several.collect()
}

/// Whether a caption of a picture says something that is not so of another picture.
fn differs(caption: &str, of: &Told, from: &Told) -> bool {
    let other = |said: &Said| {
        said.place(caption).is_some()
            && of_attribute(from, &said.attribute).is_none_or(|known| known.value != said.value)
    };
    !from.captions.iter().any(|own| own == caption) && (of.said.is_empty() || of.said.iter().any(other))
}

/// The questions about held-out pictures: first in phrasings that training pictures have, then in those that none has.
fn askings(told: &AllTold, held_out: &[&Told], known: &[(String, Vec<String>)]) -> Vec<Asking> {
    let phrasing = |caption: &str| told.phrasings.get(caption).map(String::as_str);
    let captions = told.learned.iter().flat_map(|told| &told.captions);
    let learned = captions.map(|caption| phrasing(caption)).collect::<BTreeSet<_>>();
    let kinds = [(true, ""), (false, ", new phrasings")];
    let asking = |(is_learned, ending): (bool, &'static str)| {
        let of_kind = |told: &'_ Told| {
            let captions = told.captions.iter().filter(|caption| learned.contains(&phrasing(caption)) == is_learned);
            captions.cloned().collect::<Vec<_>>()
        };
        let all = held_out.iter().map(|told| of_kind(told)).collect::<Vec<_>>();
        let question = |(picture, own): (usize, &Vec<String>)| {
            let caption = own.get(picture % own.len().max(1))?.clone();
            let order = Draws::new(0, picture as u64).permutation("by-text.others", all.len() as u32);
            let mut others = Vec::<String>::new();
            for other in order.into_iter().map(|other| other as usize) {
                let alike = all[other].iter().filter(|text| phrasing(text) == phrasing(&caption));
                let different =
                    |text: &&String| !others.contains(text) && differs(text, held_out[other], held_out[picture]);
                if let Some(text) = alike.into_iter().find(different) {
                    others.push(text.clone());
                    if others.len() == CAPTIONS - 1 {
                        break;
                    }
                }
            }
            let told = held_out[picture];
            let said = known.iter().enumerate().filter_map(|(number, (name, values))| {
                let said = of_attribute(told, name).filter(|said| said.place(&caption).is_some())?;
                Some((number, values.iter().position(|value| *value == said.value)?))
            });
            let said = said.collect();
            (others.len() == CAPTIONS - 1).then_some(Question { caption, picture, others, said })
        };
        Asking { ending, questions: all.iter().enumerate().filter_map(question).collect() }
    };
    kinds.into_iter().map(asking).filter(|asking| asking.questions.len() >= LEAST).collect()
}

/// Of each question the place of the picture to learn from that has the caption which is most like its own, by the cosine of their
/// vectors.
fn retrieved(questions: &[Question], asked: &Vectors, told: &[Told], known: &Vectors) -> Vec<usize> {
    let captions =
        told.iter().enumerate().flat_map(|(at, told)| told.captions.iter().map(move |caption| (caption, at)));
    // Pictures of one caption are alike to it: the first one is taken.
    let mut first = BTreeMap::<&str, usize>::new();
    captions.for_each(|(caption, at)| _ = first.entry(caption).or_insert(at));
    let length = |vector: &[f32]| vector.iter().map(|value| value * value).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    let known = first.into_iter().map(|(caption, at)| {
        let vector = known.row(caption);
        (vector, length(vector), at)
    });
    let known = known.collect::<Vec<_>>();
    let nearest = |question: &Question| {
        let own = asked.row(&question.caption);
        let alike = known
            .iter()
            .map(|(vector, length, at)| (own.iter().zip(*vector).map(|(a, b)| a * b).sum::<f32>() / length, *at));
        alike.max_by(|a, b| a.0.total_cmp(&b.0)).map_or(0, |(_, at)| at)
    };
    questions.par_iter().map(nearest).collect()
}

/// The questions of an asking once for each of two attributes that they speak of, by lot out of those that are kept, with another value of
/// that: one that a training picture has with the same rest.
fn exchanges(
    told: &AllTold,
    held_out: &[&Told],
    asking: &Asking,
    known: &[(String, Vec<String>)],
    is_kept: impl Fn(usize) -> bool,
) -> Vec<Exchange> {
    let mut phrases = BTreeMap::<(&str, &str), BTreeMap<&str, &Said>>::new();
    for said in told.learned.iter().flat_map(|told| &told.said).filter(|said| !said.phrase.is_empty()) {
        phrases.entry((&said.attribute, &said.rest)).or_default().insert(&said.value, said);
    }
    let mut found = Vec::new();
    for (number, question) in asking.questions.iter().enumerate() {
        let order = Draws::new(0, number as u64).permutation("by-text.exchanged", question.said.len() as u32);
        let (mut left, said) = (EXCHANGED, order.into_iter().map(|at| question.said[at as usize].0));
        for attribute in said.filter(|attribute| is_kept(*attribute)) {
            if left == 0 {
                break;
            }
            let (name, values) = &known[attribute];
            let Some(said) = of_attribute(held_out[question.picture], name) else { continue };
            let Some(others) = phrases.get(&(name.as_str(), said.rest.as_str())) else { continue };
            let others = others.values().filter(|other| other.value != said.value).collect::<Vec<_>>();
            if others.is_empty() {
                continue;
            }
            let lot = Draws::new(0, number as u64).indices(&format!("by-text.{name}"), others.len() as u32, 1)[0];
            let other = others[lot as usize];
            let value = values.iter().position(|value| *value == other.value);
            let caption = said.exchanged(other, &question.caption);
            let Some((value, caption)) = value.zip(caption) else { continue };
            found.push(Exchange { question: number, attribute, value, caption });
            left -= 1;
        }
    }
    found
}

/// The field of a model that takes a sentence.
pub fn text_field(model: &dyn Model) -> Option<(String, Reader)> {
    model.takes().into_iter().find_map(|field| match field.kind {
        Kind::Text { reader, .. } => Some((field.name, reader)),
        _ => None,
    })
}

impl ByText {
    /// Captioned pictures, of which `most` of those held out are asked for; seen as pictures of this shape are, whose sentences this
    /// reader reads. What features are of is learned here where no network is named and a table says attributes. An error where there
    /// are no captions, or too few pictures held out.
    pub fn open(
        data: &Images,
        name: &str,
        (shape, most): (Shape, usize),
        reader: &Reader,
        network: Option<Network>,
        report: Report<'_>,
    ) -> Result<Self> {
        let seen = Shape { side: shape.side.min(attributes::LARGEST), ..shape };
        let mut told = captioned::told(data, "", seen)?;
        let known = varying(&told);
        let look = match (network, known.is_empty()) {
            (None, false) => None,
            (network, _) => {
                let network = network.unwrap_or(Network::SqueezeNet);
                Some(Look::load(network, &device::cpu(), report)?)
            }
        };
        let side = if known.is_empty() { shape.side.min(LARGEST) } else { seen.side };
        if side != seen.side {
            told = captioned::told(data, "", Shape { side, ..shape })?;
        }
        let mut order = Draws::new(0, 0).permutation("by-text.pictures", told.held_out.len() as u32);
        order.truncate(most);
        let held_out = order.iter().map(|at| &told.held_out[*at as usize]).collect::<Vec<_>>();
        let askings = askings(&told, &held_out, &known);
        if askings.is_empty() {
            return Err(Error::input(format!(
                "{name} holds out {} captioned pictures, and {LEAST} are the least to ask for, whose captions say different things; \
                 put some into a folder held-out, beside one named train",
                held_out.len()
            )));
        }

        let judge = (!known.is_empty()).then(|| {
            let number = |(name, values): &(String, Vec<String>)| {
                let of = |told| {
                    let said = of_attribute(told, name)?;
                    values.iter().position(|value| *value == said.value)
                };
                (values.len(), told.learned.iter().map(of).collect())
            };
            let attributes = known.iter().map(number).collect();
            let pictures = told.learned.iter().map(|told| &told.picture).collect();
            Attributes::learn(&Lesson { pictures, attributes }, report)
        });
        let eyes = Eyes { look: look.as_ref(), judge: judge.as_ref(), side };
        let pictures = told.learned.iter().map(|told| told.picture.clone()).collect::<Vec<_>>();
        let learned = side_of(name, Part::Train, &pictures);
        let known_pictures = eyes.see(name, pictures, report)?;

        report(Progress { what: "reading captions", done: 0, total: None });
        let encode = |texts: &[&str]| reader.vectors(texts);
        let id = reader.encoder().id();
        let encoder = Encoder { id, width: WIDTH, encode: &encode };
        let folder = cache::packed()?;
        let texts = |part: &[Told]| {
            let texts = part.iter().flat_map(|told| &told.captions).map(String::as_str);
            Vectors::of(texts.collect(), &encoder, folder.as_deref())
        };
        let of_learned = texts(&told.learned)?;
        let mean = |told: &Told| {
            let rows = told.captions.iter().map(|caption| of_learned.row(caption));
            let mut mean = vec![0.0; WIDTH];
            rows.for_each(|row| mean.iter_mut().zip(row).for_each(|(mean, value)| *mean += f64::from(*value)));
            mean.iter_mut().for_each(|mean| *mean /= told.captions.len() as f64);
            mean
        };
        let wanted = told.learned.iter().map(mean).collect::<Vec<_>>();
        let mut middle = vec![0.0; WIDTH];
        for row in &wanted {
            middle.iter_mut().zip(row).for_each(|(mean, value)| *mean += value / wanted.len() as f64);
        }
        let way = Linear::onto(&known_pictures.features, wanted)?;
        let vectors = texts(&told.held_out)?;
        let retrieved = askings.iter().map(|asking| retrieved(&asking.questions, &vectors, &told.learned, &of_learned));
        let retrieved = retrieved.collect::<Vec<_>>();
        let retrieved_side = Side { name: RETRIEVED.to_owned(), ..learned.clone() };

        let pictures = held_out.iter().map(|told| told.picture.clone()).collect::<Vec<_>>();
        let real_side = side_of(name, Part::HeldOut, &pictures);
        let real = eyes.see(name, pictures, report)?;
        let accuracy = |number: usize, (name, values): &(String, Vec<String>)| {
            let is_right = |(told, seen): (&&Told, &usize)| {
                let said = of_attribute(told, name)?;
                let right = values.iter().position(|value| *value == said.value)? == *seen;
                Some((!said.value.is_empty(), f64::from(u8::from(right))))
            };
            let hits = held_out.iter().zip(&real.values[number]).filter_map(is_right).collect::<Vec<_>>();
            let share = |of: &dyn Fn(bool) -> bool| {
                let hits = hits.iter().filter(|(is_there, _)| of(*is_there)).map(|(_, hit)| *hit).collect::<Vec<_>>();
                if hits.is_empty() { 0.0 } else { hits.iter().sum::<f64>() / hits.len() as f64 }
            };
            share(&|_| true).min(share(&|is_there| is_there)) // or it were enough to see that nothing is there
        };
        let attributes = known
            .iter()
            .enumerate()
            .map(|(number, one)| Attribute { name: one.0.clone(), accuracy: accuracy(number, one) });
        let attributes = attributes.collect::<Vec<Attribute>>();
        let exchanges = exchanges(&told, &held_out, &askings[0], &known, |number| attributes[number].is_kept());
        Ok(ByText {
            name: name.to_owned(),
            side,
            way,
            vectors,
            middle,
            encoder: id,
            learned,
            attributes,
            askings,
            exchanges,
            real,
            real_side,
            known: known_pictures,
            retrieved,
            retrieved_side,
            look,
            judge,
        })
    }

    /// What is to be known of the attributes, in a sentence each: whether there is a table of them, and which the classifier does not see
    /// well enough.
    pub fn remarks(&self) -> Vec<String> {
        let name = &self.name;
        if self.judge.is_none() {
            return vec![format!("{name} has no table of attributes, so only the R-precision is measured.")];
        }
        let shown = |kept: bool| {
            let some = self.attributes.iter().filter(|attribute| attribute.is_kept() == kept);
            let some = some.map(|attribute| format!("{} {:.1} %", attribute.name, 100.0 * attribute.accuracy));
            some.collect::<Vec<_>>().join(", ")
        };
        let (kept, left) = (shown(true), shown(false));
        let kept = (!kept.is_empty())
            .then(|| format!("The classifier is right about real held-out pictures of {name}: {kept}."));
        let left = (!left.is_empty())
            .then(|| format!("Left out, as it must be right about {:.0} % of them: {left}.", 100.0 * LEAST_ACCURACY));
        kept.into_iter().chain(left).collect()
    }

    /// Whether there are attributes that can be judged.
    pub fn has_attributes(&self) -> bool {
        self.attributes.iter().any(Attribute::is_kept)
    }

    fn eyes(&self) -> Eyes<'_> {
        Eyes { look: self.look.as_ref(), judge: self.judge.as_ref(), side: self.side }
    }

    /// What is seen in the samples of seeds and captions, and a hash of these.
    fn made(
        &self,
        (model, field, side): (&dyn Model, &str, &Side),
        asked: &[(u64, &str)],
        report: Report<'_>,
    ) -> Result<(Viewed, String)> {
        let truncation = side.run.as_ref().and_then(|run| run.truncation);
        let has_chance = model.takes().iter().any(Field::is_chance); // else each caption has one picture, that of seed 0
        let (mut values, mut judged, mut hashes, mut width) = (Vec::new(), Vec::<Vec<usize>>::new(), Vec::new(), 1);
        for (at, some) in asked.chunks(AT_A_TIME).enumerate() {
            let done = (at * AT_A_TIME) as u64;
            report(Progress { what: "drawing samples", done, total: Some(asked.len() as u64) });
            let samples = some.iter().map(|(seed, caption)| {
                let seed = if has_chance { *seed } else { 0 };
                Sample::seed(seed).with(field, *caption)
            });
            let samples = samples.collect();
            let mut request = Request { samples };
            if let Some(truncation) = truncation {
                request = request.with(TRUNCATION, &Value::Text(truncation.to_string()));
            }
            let made = generate(model, &request)?.into_iter();
            let images = made.filter_map(|media| if let Media::Image(image) = media { Some(image) } else { None });
            let images = images.collect::<Vec<_>>();
            hashes.push(sha256_of(images.iter().map(|image| &image.pixels)));
            let seen = self.eyes().see(&side.name, images, &mut |_| ())?;
            width = seen.features.width();
            values.extend_from_slice(seen.features.values());
            judged.resize(seen.values.len(), Vec::new());
            judged.iter_mut().zip(seen.values).for_each(|(all, some)| all.extend(some));
        }
        Ok((Viewed { features: Features::new(&side.name, width, values)?, values: judged }, sha256_of(hashes)))
    }

    /// For each question 1 where its caption is nearest to what is seen, else 0. `rows` say whose features answer each question.
    fn nearest(&self, questions: &[Question], seen: &Features, rows: &[usize]) -> Vec<f64> {
        let centred = |text: &str| {
            let vector = self.vectors.row(text).iter().zip(&self.middle);
            vector.map(|(value, mean)| f64::from(*value) - mean).collect::<Vec<f64>>()
        };
        let hit = |(row, question): (&usize, &Question)| {
            let place = self.way.scores(seen.row(*row));
            let place = place.iter().zip(&self.middle).map(|(value, mean)| value - mean).collect::<Vec<f64>>();
            let near = |text: &str| {
                let vector = centred(text);
                let product = vector.iter().zip(&place).map(|(a, b)| a * b).sum::<f64>();
                product / vector.iter().map(|value| value * value).sum::<f64>().sqrt().max(f64::MIN_POSITIVE)
            };
            let own = near(&question.caption);
            f64::from(u8::from(question.others.iter().all(|other| near(other) < own)))
        };
        rows.iter().zip(questions).map(hit).collect()
    }

    /// Of each kept attribute, for each question that says it, 1 where it is seen, else 0; and for each question that says any,
    /// whether all are seen.
    fn said(&self, questions: &[Question], seen: &Viewed, rows: &[usize]) -> Vec<Hits> {
        let mut hits = vec![Vec::new(); self.attributes.len()];
        let mut all = Vec::new();
        for (row, question) in rows.iter().zip(questions) {
            let kept = question.said.iter().filter(|(attribute, _)| self.attributes[*attribute].is_kept());
            let right = kept.map(|(attribute, value)| {
                let right = seen.values[*attribute][*row] == *value;
                hits[*attribute].push(f64::from(u8::from(right)));
                right
            });
            let right = right.collect::<Vec<bool>>();
            if !right.is_empty() {
                all.push(f64::from(u8::from(right.iter().all(|right| *right))));
            }
        }
        let named = self.attributes.iter().map(|attribute| attribute.name.clone()).zip(hits);
        [("all of it".to_owned(), all)].into_iter().chain(named).collect()
    }

    /// The passports of metrics of a model's samples, one for each question from the first seed of `side.run` on: and, where that says
    /// something, of the real pictures, and of the learned picture whose caption is nearest. An error where the model takes no sentence.
    pub fn measure(
        &self,
        metrics: &[Metric],
        model: &dyn Model,
        side: &Side,
        report: Report<'_>,
    ) -> Result<Vec<Passport>> {
        let Some((field, _)) = text_field(model) else { return Err(no_text(&side.name)) };
        let asks = |name: &str| metrics.iter().find(|metric| metric.name == name);
        for Metric { name, measure, .. } in metrics {
            match measure {
                Measure::OfText if *name == R_PRECISION || self.has_attributes() => (),
                Measure::OfText => {
                    let data = &self.name;
                    return Err(Error::input(format!(
                        "{data} has no table of attributes that a classifier sees; leave --metric {name} out"
                    )));
                }
                _ => return Err(Error::input(format!("{name} is not taken by text; leave it or --by-text out"))),
            }
        }
        let first = side.run.as_ref().map_or(0, |run| run.first_seed);
        let source = (model, field.as_str(), side);
        let (mut passports, mut before) = (Vec::new(), None);
        let own = |sha256: &str| Side { sha256: sha256.to_owned(), ..side.clone() };
        for (at, asking) in self.askings.iter().enumerate() {
            let Asking { ending, questions } = asking;
            let asked = (first..).zip(questions).map(|(seed, question)| (seed, question.caption.as_str()));
            let (seen, sha256) = self.made(source, &asked.collect::<Vec<_>>(), report)?;
            let made = own(&sha256);
            let rows = [
                (&made, &seen, (0..questions.len()).collect()),
                (&self.retrieved_side, &self.known, self.retrieved[at].clone()),
                (&self.real_side, &self.real, questions.iter().map(|question| question.picture).collect::<Vec<_>>()),
            ];
            if let Some(metric) = asks(R_PRECISION) {
                for (side, seen, rows) in &rows {
                    let hits = self.nearest(questions, &seen.features, rows);
                    passports.extend(self.passport(metric, (&format!("of ten{ending}"), &hits), side));
                }
            }
            if let Some(metric) = asks(SAYS) {
                for (side, seen, rows) in &rows {
                    for (name, hits) in self.said(questions, seen, rows) {
                        passports.extend(self.passport(metric, (&format!("{name}{ending}"), &hits), side));
                    }
                }
            }
            if at == 0 {
                before = Some(seen);
            }
        }
        if let Some(before) = before.filter(|_| asks(CHANGES).or(asks(KEEPS)).is_some()) {
            let asked =
                self.exchanges.iter().map(|exchange| (first + exchange.question as u64, exchange.caption.as_str()));
            let asked = asked.collect::<Vec<_>>();
            if asked.is_empty() {
                return Ok(passports);
            }
            let (after, sha256) = self.made(source, &asked, report)?;
            let [mut changed, mut stayed] = [(); 2].map(|()| vec![Vec::new(); self.attributes.len()]);
            for (at, exchange) in self.exchanges.iter().enumerate() {
                for (number, values) in after.values.iter().enumerate() {
                    let (now, then) = (values[at], before.values[number][exchange.question]);
                    match number == exchange.attribute {
                        true => changed[number].push(f64::from(u8::from(now == exchange.value))),
                        false => stayed[number].push(f64::from(u8::from(now == then))),
                    }
                }
            }
            for (name, hits) in [(CHANGES, changed), (KEEPS, stayed)] {
                let Some(metric) = asks(name) else { continue };
                for (attribute, hits) in self.attributes.iter().zip(&hits).filter(|(one, _)| one.is_kept()) {
                    passports.extend(self.passport(metric, (&attribute.name, hits), &own(&sha256)));
                }
            }
        }
        Ok(passports)
    }

    /// The passport of a share; none where there are too few to tell.
    fn passport(&self, metric: &Metric, (quantity, hits): (&str, &[f64]), side: &Side) -> Option<Passport> {
        if hits.len() < LEAST {
            return None;
        }
        let judge = self.judge.as_ref().map(|judge| By {
            features: "attributes".to_owned(),
            sha256: Some(judge.sha256.clone()),
            resize: Some(format!("{}, Lanczos", self.side)),
            quantisation: Some("8 bits, rounded".to_owned()),
        });
        let of_look = self.look.as_ref().map(by);
        let is_near = metric.name == R_PRECISION;
        let mut by = if is_near { of_look.or(judge) } else { judge }?;
        if is_near {
            by.sha256 = Some(sha256_of([by.sha256.as_deref().unwrap_or_default(), self.encoder]));
        }
        let generated = Side { samples: hits.len(), ..side.clone() };
        let share = Estimate::of_mean(hits).of_share();
        let of_one = metric.passports(vec![("", share)], &generated, Some(&self.learned), &by, None);
        of_one.into_iter().next().map(|passport| Passport { quantity: quantity.to_owned(), ..passport })
    }
}

/// A name, and for each of some pictures 1 or 0.
type Hits = (String, Vec<f64>);

/// The refusal of a model that takes no sentence.
pub fn no_text(name: &str) -> Error {
    Error::input(format!("{name} takes no sentence, such as a run of stackgan does; leave --by-text out"))
}

fn side_of(name: &str, part: Part, pictures: &[Image]) -> Side {
    let sha256 = sha256_of(pictures.iter().map(|picture| &picture.pixels));
    Side { name: name.to_owned(), part: Some(part), samples: pictures.len(), sha256, run: None }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use burn::tensor::{Device, Tensor, TensorData};
    use tempfile::TempDir;

    use super::*;
    use crate::data::images::signed;
    use crate::eval::metric::metric;
    use crate::field::Range;
    use crate::looks::sentences;
    use crate::model::{Given, Made, Weights};
    use crate::parts::Parts;
    use crate::passport::Drawn;

    const SHAPE: Shape = Shape { channels: 3, side: 8 };
    const COLOURS: [(&str, [u8; 3]); 6] = [
        ("red", [1, 0, 0]),
        ("green", [0, 1, 0]),
        ("blue", [0, 0, 1]),
        ("yellow", [1, 1, 0]),
        ("orchid", [1, 0, 1]),
        ("aqua", [0, 1, 1]),
    ];
    const LIGHTS: [(&str, u8); 2] = [("dark", 90), ("bright", 220)];
    const PHRASINGS: [fn(&str, &str) -> String; 3] = [
        |colour, light| format!("a {colour} square that is {light}"),
        |colour, light| format!("{light} and {colour}"),
        |colour, light| format!("see: {light}, {colour}"),
    ];

    fn level(colour: usize, light: usize, number: usize) -> [u8; 3] {
        COLOURS[colour].1.map(|on| on * (LIGHTS[light].1 + (number % 20) as u8))
    }

    /// Plain pictures, 96 to learn from and 48 held out; these have a third phrasing.
    fn folder(has_labels: bool) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let (mut captions, mut labels) =
            ("file,phrasing,caption\n".to_owned(), "file,colour,light,number\n".to_owned());
        for (part, count) in [("train", 96), ("held-out", 48)] {
            fs::create_dir(folder.path().join(part)).unwrap();
            for i in 0..count {
                let (colour, light) = (i % 6, i / 6 % 2);
                let name = format!("{part}/{i:02}.png");
                ganvas_made_up::plain(&folder.path().join(&name), [8, 8], level(colour, light, i));
                let (colour, light) = (COLOURS[colour].0, LIGHTS[light].0);
                for (phrasing, say) in PHRASINGS.iter().enumerate().take(if part == "train" { 2 } else { 3 }) {
                    captions += &format!("{name},{phrasing},\"{}\"\n", say(colour, light));
                }
                labels += &format!("{name},{colour},{light},{i}\n");
            }
        }
        fs::write(folder.path().join("captions.csv"), captions).unwrap();
        if has_labels {
            fs::write(folder.path().join("labels.csv"), labels).unwrap();
        }
        folder
    }

    /// Draws what it is told; one that is deaf always in the dark.
    struct Drawer {
        reader: Reader,
        is_deaf: bool,
    }

    impl Weights for Drawer {
        fn weights(&mut self, _visit: &mut Parts) {}
        fn device(&self) -> Device {
            Device::flex()
        }
    }

    impl Model for Drawer {
        fn takes(&self) -> Vec<Field> {
            vec![Field::new("words", Kind::Text { reader: self.reader.clone(), usual: vec!["red".into()] })]
        }

        fn makes(&self) -> Vec<Field> {
            vec![Field::picture("picture", 3, Some(SHAPE.side), Range::Signed)]
        }

        fn forward(&self, given: Given) -> Made {
            let rows = given.tensor::<2>("words").into_data().iter::<f32>().collect::<Vec<f32>>();
            let pixels = rows.chunks(WIDTH).flat_map(|row| {
                let all = (0..36).map(|i| (i % 6, i / 6 % 2, PHRASINGS[i / 12]));
                let all = all.map(|(colour, light, say)| {
                    (colour, light, self.reader.vector(&say(COLOURS[colour].0, LIGHTS[light].0)).unwrap())
                });
                // The nearest, as an exchanged word may have another article.
                let near = |vector: &[f32]| vector.iter().zip(row).map(|(a, b)| a * b).sum::<f32>();
                let (colour, light, _) = all.max_by(|(.., a), (.., b)| near(a).total_cmp(&near(b))).unwrap();
                let light = if self.is_deaf { 0 } else { light };
                level(colour, light, 9).into_iter().flat_map(|level| [signed(level); SHAPE.side * SHAPE.side])
            });
            let pixels = pixels.collect::<Vec<f32>>();
            let shape = [rows.len() / WIDTH, 3, SHAPE.side, SHAPE.side];
            Made::one("picture", Tensor::<4>::from_data(TensorData::new(pixels, shape), &Device::flex()))
        }
    }

    fn reader() -> Reader {
        Reader::new(sentences::Encoder::Words)
    }

    fn opened(place: &Path, network: Option<Network>) -> Result<ByText> {
        ganvas_made_up::use_cache();
        ByText::open(&Images::at(place), "squares", (SHAPE, 1000), &reader(), network, &mut |_| ())
    }

    fn measured(by_text: &ByText, names: &[&str], is_deaf: bool) -> Vec<Passport> {
        let metrics = names.iter().map(|name| metric(name).unwrap()).collect::<Vec<_>>();
        let from = Drawn { recipe: "drawer".into(), seed: 0, step: 0, first_seed: 5, truncation: None };
        let side = Side::of_run("run".into(), 0, from);
        by_text.measure(&metrics, &Drawer { reader: reader(), is_deaf }, &side, &mut |_| ()).unwrap()
    }

    fn value(passports: &[Passport], of: &str, title: &str) -> f64 {
        let titles = passports.iter().map(Passport::title).collect::<Vec<_>>();
        let found = passports.iter().find(|one| one.generated.name == of && one.title() == title);
        found.unwrap_or_else(|| panic!("no {title} of {of} in {titles:?}")).value
    }

    #[test]
    fn a_model_that_draws_what_it_is_told_is_told_from_one_that_is_deaf_to_a_word() {
        let folder = folder(true);
        let by_text = opened(folder.path(), None).unwrap();
        assert_eq!(by_text.remarks().len(), 1, "nothing is left out: {:?}", by_text.remarks());
        assert!(by_text.remarks()[0].contains("colour 100.0 %, light 100.0 %"), "{:?}", by_text.remarks());
        let all = ["r-precision", "says", "changes", "keeps"];
        let heard = measured(&by_text, &all, false);
        for (of, metric) in [("run", "R-precision of ten"), ("squares", "R-precision of ten")] {
            for ending in ["", ", new phrasings"] {
                assert!(value(&heard, of, &format!("{metric}{ending}")) > 0.95, "{of}{ending}");
            }
        }
        for title in ["says colour", "says light, new phrasings", "says all of it", "changes light", "keeps colour"] {
            assert_eq!(value(&heard, "run", title), 1.0, "{title}");
        }
        assert_eq!(value(&heard, "squares", "says light"), 1.0);
        assert_eq!(value(&heard, RETRIEVED, "says all of it"), 1.0, "a caption that is learned finds its picture");
        assert!(!heard.iter().any(|one| one.generated.name == "squares" && one.metric == "changes"));
        assert!(!heard.iter().any(|one| one.quantity.starts_with("number")), "of which no caption speaks");
        let sizes = heard.iter().filter(|one| one.metric == "says").map(|one| one.generated.samples);
        assert_eq!(sizes.collect::<BTreeSet<_>>(), BTreeSet::from([48]));

        let deaf = measured(&by_text, &all, true);
        assert_eq!([value(&deaf, "run", "says colour"), value(&deaf, "run", "says light")], [1.0, 0.5]);
        assert_eq!([value(&deaf, "run", "says all of it"), value(&deaf, "run", "keeps light")], [0.5, 1.0]);
        // Asked for the dark in place of the bright it has it, but not by hearing it.
        assert_eq!([value(&deaf, "run", "changes light"), value(&deaf, "run", "changes colour")], [0.5, 1.0]);
        let near = value(&deaf, "run", "R-precision of ten");
        assert!((0.2..0.8).contains(&near), "every second light is another: {near}");
    }

    #[test]
    fn without_a_table_only_the_nearest_caption_is_measured() {
        let folder = folder(false);
        let by_text = opened(folder.path(), Some(Network::Pixels)).unwrap();
        assert!(!by_text.has_attributes() && by_text.remarks()[0].contains("has no table of attributes"));
        let found = measured(&by_text, &["r-precision"], false);
        assert_eq!(found.len(), 6, "of the run, the learned and the held-out pictures");
        assert!(found.iter().all(|one| one.title().starts_with("pixels-r-precision of ten")), "{found:?}");
        let says = metric("says").unwrap();
        let model = Drawer { reader: reader(), is_deaf: false };
        let from = Drawn { recipe: "drawer".into(), seed: 0, step: 0, first_seed: 0, truncation: None };
        let error = by_text.measure(&[says], &model, &Side::of_run("run".into(), 0, from), &mut |_| ()).unwrap_err();
        assert!(error.exit_code() == 2 && error.to_string().contains("leave --metric says out"), "{error}");
    }

    #[test]
    fn questions_are_of_captions_that_say_something_else_and_too_few_are_refused() {
        let folder = folder(true);
        let told = captioned::told(&Images::at(folder.path()), "", SHAPE).unwrap();
        let held_out = told.held_out.iter().collect::<Vec<_>>();
        let known = varying(&told);
        assert_eq!(known.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["colour", "light"]);
        let askings = askings(&told, &held_out, &known);
        assert_eq!(askings.iter().map(|asking| asking.ending).collect::<Vec<_>>(), ["", ", new phrasings"]);
        for Asking { ending, questions } in &askings {
            for Question { caption, picture, others, said } in questions {
                assert!(held_out[*picture].captions.contains(caption) && said.len() == 2 && others.len() == 9);
                assert_eq!(caption.starts_with("see: "), !ending.is_empty());
                let is_alike = |other: &String| other.starts_with("see: ") == caption.starts_with("see: ");
                assert!(others.iter().all(|other| other != caption && is_alike(other)), "{caption}: {others:?}");
            }
        }
        let exchanges = exchanges(&told, &held_out, &askings[0], &known, |_| true);
        assert_eq!(exchanges.len(), 96, "each attribute of each question");
        for Exchange { question, attribute, value, caption } in &exchanges {
            let Question { caption: before, said, .. } = &askings[0].questions[*question];
            let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
            let changed = words(before).into_iter().zip(words(caption)).filter(|(a, b)| a != b);
            let changed = changed.filter(|(a, _)| !["a", "an"].contains(&a.as_str())).collect::<Vec<_>>();
            assert!(changed.len() == 1 && changed[0].1 == known[*attribute].1[*value], "{before} to {caption}");
            assert!(!said.contains(&(*attribute, *value)));
        }
        for i in 0..35 {
            fs::remove_file(folder.path().join(format!("held-out/{i:02}.png"))).unwrap();
        }
        let error = opened(folder.path(), Some(Network::Pixels)).err().unwrap();
        assert!(error.exit_code() == 2 && error.to_string().contains("holds out 13 captioned pictures"), "{error}");
    }
}
