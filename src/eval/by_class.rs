//! Measuring class by class: how far the samples of each class are from real pictures of it, and how often a classifier sees the
//! class that was asked for.

use super::Like;
use super::estimate::{Estimate, GROUPS};
use super::linear::Linear;
use super::metric::{Measure, Metric};
use super::pictures::{Asked, Pictures, drawn};
use super::seen::{Seen, by, see};
use crate::data::holds_digits;
use crate::data::images::{self, Images, Shape};
use crate::device;
use crate::error::{Error, Result};
use crate::field::Kind;
use crate::hash::sha256_of;
use crate::looks::{Look, Network, digits};
use crate::media::Media;
use crate::model::Model;
use crate::passport::{Part, Passport, Side};
use crate::report::Report;

/// Pictures that a classifier learns from at most.
const MOST_LEARNED: usize = 10_000;

/// Real pictures by class, and what tells the classes apart.
pub struct ByClass {
    look: Look,
    classes: Vec<Class>,
    /// What the real pictures are called, and which part they are.
    place: (String, Part),
    reader: Reader,
    /// What the reader learned from, where it was learned here.
    learned: Option<Side>,
    /// Held-out pictures, and how often the reader is right about them.
    held_out: Option<(Side, Estimate)>,
}

struct Class {
    name: String,
    /// Real pictures; none where they are too few to measure by.
    real: Option<Seen>,
}

/// Says which class a picture is of.
enum Reader {
    /// By the largest logit of a classifier of just these classes.
    Logits,
    /// By the largest score of a classifier on the network's features.
    Linear(Linear),
}

impl Reader {
    /// For each picture 1 where it is seen as of this class, else 0.
    fn hits(&self, seen: &Seen, class: usize) -> Vec<f64> {
        let features = |row| seen.features.row(row);
        let found = |row| match (self, &seen.logits) {
            (Reader::Logits, Some(logits)) => digits::class(logits.row(row)),
            (Reader::Logits, None) => panic!("only a classifier's logits are read"),
            (Reader::Linear(linear), _) => digits::class(&linear.scores(features(row))),
        };
        (0..seen.features.rows()).map(|row| f64::from(u8::from(found(row) == class))).collect()
    }
}

/// The share of these that are hits.
fn share(hits: &[f64]) -> Estimate {
    Estimate::of_mean(hits).of_share()
}

/// The mean of numbers of one kind; its interval is the jack-knife's where each has one.
fn mean(estimates: &[Estimate]) -> Estimate {
    let mean = |of: &dyn Fn(&Estimate) -> f64| estimates.iter().map(of).sum::<f64>() / estimates.len() as f64;
    let value = mean(&|one| one.value);
    if estimates.iter().all(|one| one.without.is_some()) {
        let without = |group: usize| mean(&|one| one.without.map_or(one.value, |without| without[group]));
        return Estimate::jackknife(value, &std::array::from_fn(without));
    }
    Estimate { value, low: value, high: value, extrapolated: mean(&|one| one.extrapolated), without: None, each: None }
}

/// All of several sides as one.
fn joined<'a>(name: &str, part: Option<Part>, sides: impl Iterator<Item = &'a Side> + Clone) -> Side {
    let samples = sides.clone().map(|side| side.samples).sum();
    Side { name: name.to_owned(), part, samples, sha256: sha256_of(sides.map(|side| &side.sha256)), run: None }
}

impl ByClass {
    /// The pictures of a folder or zip whose folders, or labels, are classes: of one part, brought to a shape, `most` of each class.
    /// Networks are as for [`Against::open`](super::Against::open). An error where there are no classes.
    pub fn open(
        data: &Images,
        name: &str,
        (shape, part, most): (Shape, Part, usize),
        network: Option<Network>,
        report: Report<'_>,
    ) -> Result<Self> {
        let names = images::classes(data, "")?;
        if names.len() < 2 {
            return Err(Error::input(format!(
                "{name} has no classes to measure by; put the pictures of each into a folder of its own, or leave --by-class out"
            )));
        }
        let are_digits = shape == Shape { channels: 1, side: 28 } && holds_digits(&data.path);
        let network = network.unwrap_or(if are_digits { Network::Digits } else { Network::SqueezeNet });
        let look = Look::load(network, &device::cpu(), report)?;
        let mut seen = |part: Part, most: usize| {
            let parted = Pictures::by_class(data, name, (shape, part, most), &names)?;
            let each = parted.into_iter().map(|pictures| pictures.map(|some| see(&look, &some, report)).transpose());
            each.collect::<Result<Vec<Option<Seen>>>>()
        };
        let real = seen(part, most)?;
        let reads_digits = matches!(look, Look::Digits(_)) && names.iter().map(String::as_str).eq(DIGITS);
        let held = seen(Part::HeldOut, most)?;
        let (reader, learned) = match reads_digits {
            true => (Reader::Logits, None),
            false => {
                let train = seen(Part::Train, MOST_LEARNED / names.len())?;
                if let Some(class) = train.iter().position(Option::is_none) {
                    let class = &names[class];
                    return Err(Error::input(format!("{name} has no picture of {class} to learn from")));
                }
                let train = train.into_iter().flatten().collect::<Vec<Seen>>();
                let features = train.iter().map(|seen| seen.features.clone()).collect::<Vec<_>>();
                let learned = joined(name, Some(Part::Train), train.iter().map(|seen| &seen.side));
                (Reader::Linear(Linear::of(&features)?), Some(learned))
            }
        };
        let hits = held.iter().enumerate().filter_map(|(class, seen)| Some(reader.hits(seen.as_ref()?, class)));
        let hits = hits.flatten().collect::<Vec<f64>>();
        let side = joined(name, Some(Part::HeldOut), held.iter().flatten().map(|seen| &seen.side));
        let held_out = (!hits.is_empty()).then(|| (side, share(&hits)));
        let enough = |seen: &Seen| seen.features.rows() >= 2 * GROUPS;
        let classes = names.into_iter().zip(real).map(|(name, real)| Class { name, real: real.filter(enough) });
        Ok(ByClass { look, classes: classes.collect(), place: (name.to_owned(), part), reader, learned, held_out })
    }

    /// How many classes there are.
    pub fn classes(&self) -> usize {
        self.classes.len()
    }

    /// The classes that have too few pictures to be measured by.
    pub fn left_out(&self) -> impl Iterator<Item = &str> {
        self.classes.iter().filter(|class| class.real.is_none()).map(|class| class.name.as_str())
    }

    /// The passports of metrics of a model's samples, `side.samples` for each class, from the first seed of `side.run` on: of each
    /// class by itself, and their mean. A model that takes no class is held against every class with the same samples, and is not
    /// asked for any.
    pub fn measure(
        &self,
        metrics: &[Metric],
        model: &dyn Model,
        side: &Side,
        like: Option<Like>,
        report: Report<'_>,
    ) -> Result<Vec<Passport>> {
        let field = model.takes().into_iter().find_map(|field| match field.kind {
            Kind::Class { names } => Some((field.name, names)),
            _ => None,
        });
        let (first, truncation) = side.run.as_ref().map_or((0, None), |run| (run.first_seed, run.truncation));
        if let Some((_, known)) = &field
            && let Some(unknown) = self.classes.iter().find(|class| !known.contains(&class.name))
        {
            return Err(Error::input(format!(
                "{} knows no class `{}`, which {} has; it knows {}",
                side.name,
                unknown.name,
                self.place.0,
                known.join(", ")
            )));
        }
        for Metric { name, measure, .. } in metrics {
            match measure {
                Measure::Features(_) => (),
                Measure::Asked if field.is_some() => (),
                Measure::Asked => {
                    let run = &side.name;
                    return Err(Error::input(format!("{run} cannot be asked for a class; leave --metric {name} out")));
                }
                _ => return Err(Error::input(format!("{name} is not taken by class; leave it or --by-class out"))),
            }
        }
        let mut made = |class: Option<&str>, first: u64| {
            let given = field.as_ref().zip(class).map(|((field, _), class)| (field.as_str(), class));
            let images = drawn(model, Asked { first, n: side.samples, truncation, given }, report)?;
            let images =
                images.into_iter().filter_map(|media| if let Media::Image(image) = media { Some(image) } else { None });
            let mut pictures = Pictures::new(&side.name, None, images.collect())?;
            pictures.side.run.clone_from(&side.run);
            see(&self.look, &pictures, report)
        };
        let of_all = if field.is_none() { Some(made(None, first)?) } else { None };
        // [metric][quantity] of each class, with its name
        let mut found = vec![Vec::<(String, Vec<(&'static str, Estimate)>)>::new(); metrics.len()];
        let (mut hits, mut sides, mut passports) = (Vec::new(), Vec::new(), Vec::new());
        for (i, class) in self.classes.iter().enumerate() {
            let own = match &of_all {
                Some(_) => None,
                None => Some(made(Some(&class.name), first + (i * side.samples) as u64)?),
            };
            let Some(seen) = own.as_ref().or(of_all.as_ref()) else { continue };
            sides.push(seen.side.clone());
            if own.is_some() {
                let of_class = self.reader.hits(seen, i);
                hits.push((class.name.clone(), of_class));
            }
            let Some(real) = &class.real else { continue };
            for (metric, found) in metrics.iter().zip(&mut found) {
                if let Measure::Features(measure) = metric.measure {
                    found.push((class.name.clone(), measure(seen, real, like)?));
                }
            }
        }
        let generated = Side { run: side.run.clone(), ..joined(&side.name, None, sides.iter()) };
        let generated = Side { samples: side.samples, ..generated };
        for (metric, found) in metrics.iter().zip(found) {
            if matches!(metric.measure, Measure::Asked) {
                passports.extend(self.asked(metric, &hits, &generated, like));
                continue;
            }
            let Some((_, quantities)) = found.first() else {
                let name = &self.place.0;
                return Err(Error::input(format!(
                    "{name} has no class of {} pictures, the least to measure by",
                    2 * GROUPS
                )));
            };
            let real = joined(
                &self.place.0,
                Some(self.place.1),
                self.classes.iter().filter_map(|class| Some(&class.real.as_ref()?.side)),
            );
            let mut put = |quantity: String, estimate: Estimate| {
                let of_one = metric.passports(vec![("", estimate)], &generated, Some(&real), &by(&self.look), like);
                passports
                    .extend(of_one.into_iter().map(|passport| Passport { quantity: quantity.clone(), ..passport }));
            };
            for (i, (quantity, _)) in quantities.iter().enumerate() {
                let each = found.iter().map(|(_, numbers)| numbers[i].1.clone()).collect::<Vec<_>>();
                put(format!("{quantity} by class"), mean(&each));
                found
                    .iter()
                    .zip(each)
                    .for_each(|((class, _), estimate)| put(format!("{quantity} of {class}"), estimate));
            }
        }
        Ok(passports)
    }

    /// How often the class that was asked for is seen: of all samples, of each class, and what the classifier is right about.
    fn asked(
        &self,
        metric: &Metric,
        hits: &[(String, Vec<f64>)],
        generated: &Side,
        like: Option<Like>,
    ) -> Vec<Passport> {
        let by = by(&self.look);
        let put = |quantity: &str, estimate: Estimate, generated: &Side| {
            let of_one = metric.passports(vec![("", estimate)], generated, self.learned.as_ref(), &by, like);
            of_one
                .into_iter()
                .map(|passport| Passport { quantity: quantity.to_owned(), ..passport })
                .collect::<Vec<_>>()
        };
        let all = hits.iter().flat_map(|(_, hits)| hits.iter().copied()).collect::<Vec<f64>>();
        let mut passports = put("share", share(&all), generated);
        for (class, hits) in hits {
            passports.extend(put(&format!("share of {class}"), share(hits), generated));
        }
        if let Some((side, share)) = &self.held_out {
            passports.extend(put("classifier's own share", share.clone(), side));
        }
        passports
    }
}

/// The names of MNIST's classes, which the classifier of digits has, too.
const DIGITS: [&str; digits::CLASSES] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_over_classes_has_the_jackknife_s_interval_where_each_class_has() {
        let of = |value: f64, step: f64| {
            Estimate::jackknife(value, &std::array::from_fn(|group| value + step * group as f64))
        };
        let both = mean(&[of(1.0, 0.1), of(3.0, -0.1)]);
        assert!(
            both.value == 2.0 && (both.high - both.low).abs() < 1e-9,
            "what goes up in one goes down in the other: {both:?}"
        );
        let alike = mean(&[of(1.0, 0.1), of(3.0, 0.1)]);
        assert!((alike.high - alike.low - (of(1.0, 0.1).high - of(1.0, 0.1).low)).abs() < 1e-12, "{alike:?}");
        let tools = Estimate { without: None, ..of(1.0, 0.1) };
        assert_eq!(mean(&[tools, of(3.0, 0.1)]).value, 2.0);
    }
}
