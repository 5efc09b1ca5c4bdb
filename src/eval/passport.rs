//! The passport that says what a number was measured on, and the table of numbers that compare.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use sha2::{Digest, Sha256};

use super::estimate::{Estimate, GROUPS};
use super::{Like, Part, inception};
use crate::error::{Error, Result};
use crate::hash::hexadecimal;

/// One number, and everything it depends on: numbers compare where all but what was generated is equal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Passport {
    /// The metric's name.
    pub metric: String,
    /// Which of the metric's numbers.
    pub quantity: String,
    /// The number.
    pub value: f64,
    /// The lower end of its 95 % interval; in a tool's way, the number less the deviation that the tool gives.
    pub low: f64,
    /// The upper end, likewise.
    pub high: f64,
    /// What it would be with endlessly many samples.
    pub extrapolated: f64,
    /// What it is without each of ten groups of samples, where that was taken.
    #[serde(default)]
    pub without: Option<Vec<f64>>,
    /// Whose features they are.
    pub by: By,
    /// The tool whose rounding and draws were used.
    pub like: Option<Like>,
    /// What was measured.
    pub generated: Side,
    /// What it was held against; nothing, where a metric needs nothing.
    pub real: Option<Side>,
    /// Of Ganvas.
    pub version: String,
}

/// Whose features were measured, and of what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct By {
    /// The network; "given" for features read from a file, "pixels" where there is none.
    pub features: String,
    /// Of the network's weights.
    pub sha256: Option<String>,
    /// How pictures were brought to its size.
    pub resize: Option<String>,
    /// How generated pictures became levels.
    pub quantisation: Option<String>,
}

/// One side of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// Where the samples come from: a run, a folder, a data set or a file.
    pub name: String,
    /// Which of a folder's or a data set's pictures.
    pub part: Option<Part>,
    /// How many there are.
    pub samples: usize,
    /// SHA-256 of the pictures' levels or the points' coordinates (little-endian f32), one sample after the other; of
    /// features, as little-endian f64; of music, of each piece's number of steps, notes and chords, its notes' start, length
    /// and pitch, and its chords' start, root and 1 for minor, as little-endian u32.
    pub sha256: String,
    /// The run that the samples were drawn from.
    pub run: Option<Drawn>,
}

/// How samples were drawn from a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drawn {
    /// The recipe's name.
    pub recipe: String,
    /// The seed of its training.
    pub seed: u64,
    /// Steps of the checkpoint.
    pub step: u64,
    /// The seed of the first sample; the others follow.
    pub first_seed: u64,
    /// How far its styles went from their average.
    pub truncation: f64,
}

/// SHA-256 of pieces, one after the other.
pub(super) fn sha256_of<B: AsRef<[u8]>>(pieces: impl IntoIterator<Item = B>) -> String {
    let mut hash = Sha256::new();
    pieces.into_iter().for_each(|piece| hash.update(piece));
    hexadecimal(&hash.finalize())
}

impl Side {
    /// Samples that are to be drawn from a run; their hash comes when they are.
    pub fn of_run(name: String, samples: usize, run: Drawn) -> Self {
        Side { name, part: None, samples, sha256: String::new(), run: Some(run) }
    }

    /// What a table calls it.
    pub fn title(&self) -> String {
        let part = self.part.map(|part| format!(":{}", part.name())).unwrap_or_default();
        let drawn = self.run.as_ref().filter(|drawn| drawn.truncation != 1.0);
        let truncation = drawn.map(|drawn| format!(", truncation {}", drawn.truncation)).unwrap_or_default();
        format!("{}{part}{truncation}", self.name)
    }
}

impl Passport {
    /// What to call the number: the metric after the network whose features it is of, and the quantity, such as `digits-fd
    /// distance`. FID, KID and IS are what they are called by the published weights of the Inception network alone.
    pub fn title(&self) -> String {
        let published = self.by.sha256.as_deref() == Some(inception::PUBLISHED_SHA256);
        let metric = match (self.by.features.as_str(), self.metric.as_str()) {
            ("given" | "none", metric) => metric.to_owned(),
            ("inception", "fd") if published => "FID".to_owned(),
            ("inception", metric @ ("kid" | "is")) if published => metric.to_uppercase(),
            (features, metric) => format!("{features}-{metric}"),
        };
        format!("{metric} {}", self.quantity)
    }

    /// An error that names the first thing, other than what was generated, in which two passports of one metric differ.
    pub fn comparable(&self, other: &Passport) -> Result<()> {
        let [own, others] = [self, other].map(|passport| {
            let mut facts = Vec::new();
            let value = serde_json::to_value(passport).unwrap_or_default();
            flatten("", &value, &mut facts);
            facts.retain(|(path, _)| !OF_THE_RUN.iter().any(|own| path.starts_with(own)));
            facts
        });
        // A part that one lacks is flattened to null, the other's to its fields: so compare by either's paths.
        let differing =
            own.iter().find(|fact| !others.contains(fact)).or_else(|| others.iter().find(|fact| !own.contains(fact)));
        let Some((path, _)) = differing else { return Ok(()) };
        let of = |facts: &[(String, String)]| {
            facts.iter().find(|(other, _)| other == path).map_or("absent".to_owned(), |(_, value)| value.clone())
        };
        Err(Error::input(format!(
            "{} of {} and of {} do not compare: {path} is {} in one and {} in the other",
            self.title(),
            self.generated.title(),
            other.generated.title(),
            of(&own),
            of(&others)
        )))
    }
}

/// What may differ between passports that compare: the number, where the generated samples come from, and what the real
/// ones are called, for their hash says which they are.
const OF_THE_RUN: &[&str] = &[
    "value",
    "low",
    "high",
    "extrapolated",
    "without",
    "generated.name",
    "generated.part",
    "generated.sha256",
    "generated.run",
    "real.name",
];

/// Every leaf of a JSON value, by its dotted path.
fn flatten(path: &str, value: &Value, facts: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            flatten(&path, value, facts);
        }),
        Value::String(text) => facts.push((path.to_owned(), text.clone())),
        other => facts.push((path.to_owned(), other.to_string())),
    }
}

/// How much every other row differs from the first in each number that both have without each of ten groups of samples. Where
/// both answered the same questions, what chance did to both falls out, so that an interval is narrower than either's.
/// An error where they do not compare.
pub fn differences(passports: &[Passport]) -> Result<Vec<Passport>> {
    let Some(row) = passports.first().map(|first| first.generated.title()) else { return Ok(Vec::new()) };
    let (firsts, others): (Vec<_>, Vec<_>) = passports.iter().partition(|passport| passport.generated.title() == row);
    let groups = |passport: &Passport| <[f64; GROUPS]>::try_from(passport.without.as_deref()?).ok();
    let mut found = Vec::new();
    for other in others {
        let Some(first) = firsts.iter().find(|first| first.title() == other.title()) else { continue };
        first.comparable(other)?;
        let (Some(without_first), Some(without)) = (groups(first), groups(other)) else { continue };
        let without = std::array::from_fn(|group| without[group] - without_first[group]);
        let Estimate { value, low, high, extrapolated, .. } = Estimate::jackknife(other.value - first.value, &without);
        let name = format!("{} less {row}", other.generated.title());
        let generated = Side { name, part: None, samples: other.generated.samples, sha256: String::new(), run: None };
        let without = Some(without.to_vec());
        found.push(Passport { value, low, high, extrapolated, without, generated, ..other.clone() });
    }
    Ok(found)
}

/// Passports as a Markdown table, a row for what was generated, a column for each number, and below it what they were
/// measured on. An error when two of a column do not compare, or one thing has two numbers of the same name.
pub fn table(passports: &[Passport]) -> Result<String> {
    let (mut rows, mut columns) = (Vec::<String>::new(), Vec::<&Passport>::new());
    for passport in passports {
        let row = passport.generated.title();
        if !rows.contains(&row) {
            rows.push(row);
        }
        match columns.iter().find(|first| first.title() == passport.title()) {
            Some(first) => first.comparable(passport)?,
            None => columns.push(passport),
        }
    }
    let mut text = format!(
        "| |{}\n|---|{}\n",
        columns.iter().map(|first| format!(" {} |", first.title())).collect::<String>(),
        "---|".repeat(columns.len())
    );
    for row in &rows {
        let mut cells = String::new();
        for column in &columns {
            let of_row =
                |passport: &&Passport| passport.title() == column.title() && passport.generated.title() == *row;
            let mut found = passports.iter().filter(of_row);
            let cell = found.next().map(shown).unwrap_or_default();
            if found.next().is_some() {
                return Err(Error::input(format!("{row} has two numbers {}; give each once", column.title())));
            }
            cells.push_str(&format!(" {cell} |"));
        }
        text.push_str(&format!("| {row} |{cells}\n"));
    }
    let mut conditions = Vec::<(String, Vec<String>)>::new();
    for column in &columns {
        let condition = condition(column);
        match conditions.iter_mut().find(|(known, _)| *known == condition) {
            Some((_, titles)) => titles.push(column.title()),
            None => conditions.push((condition, vec![column.title()])),
        }
    }
    text.push('\n');
    for (condition, titles) in &conditions {
        let titles = if conditions.len() == 1 { String::new() } else { format!("{}: ", titles.join(", ")) };
        text.push_str(&format!("{titles}{condition}\n"));
    }
    Ok(text)
}

/// A number with its interval, to as many places as the interval is sure of.
fn shown(passport: &Passport) -> String {
    let Passport { value, low, high, .. } = passport;
    let half = ((high - low) / 2.0).abs();
    let least = if half > 0.0 { half } else { value.abs() / 100.0 };
    let places = if least > 0.0 { (1.0 - least.log10().floor()).clamp(0.0, 9.0) as usize } else { 0 };
    format!("{value:.places$} [{low:.places$}, {high:.places$}]")
}

/// What a passport's number was measured on, in one sentence.
fn condition(passport: &Passport) -> String {
    let Passport { by, like, generated, real, version, .. } = passport;
    let short = |sha256: &str| sha256.chars().take(8).collect::<String>();
    let weights = by.sha256.as_deref().map(|sha256| format!(" {}", short(sha256))).unwrap_or_default();
    let resize = by.resize.as_deref().map(|resize| format!(", resize {resize}")).unwrap_or_default();
    let like = like.map(|like| format!(", like {}", like.name())).unwrap_or_default();
    let against =
        real.as_ref().map(|real| format!(" against {} of {} ({})", real.samples, real.title(), short(&real.sha256)));
    format!(
        "{} samples{}, features {}{weights}{resize}{like}, Ganvas {version}.",
        generated.samples,
        against.unwrap_or_default(),
        by.features,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passport(name: &str, value: f64) -> Passport {
        let side = |name: &str, run| Side { name: name.into(), part: None, samples: 100, sha256: name.into(), run };
        let run = Drawn { recipe: name.into(), seed: 1, step: 2, first_seed: 0, truncation: 1.0 };
        Passport {
            metric: "fd".into(),
            quantity: "distance".into(),
            value,
            low: value - 0.52,
            high: value + 0.52,
            extrapolated: value,
            without: None,
            by: By { features: "digits".into(), sha256: None, resize: None, quantisation: None },
            like: None,
            generated: side(name, Some(run)),
            real: Some(Side { part: Some(Part::Test), ..side("mnist", None) }),
            version: "0.1.0".into(),
        }
    }

    #[test]
    fn runs_compare_and_anything_else_is_named() {
        let (one, other) = (passport("one", 1.0), passport("other", 2.0));
        one.comparable(&other).unwrap();
        let real = |change: fn(Side) -> Side| Passport { real: one.real.clone().map(change), ..other.clone() };
        let fewer = real(|real| Side { samples: 99, ..real });
        let error = one.comparable(&fewer).unwrap_err().to_string();
        assert!(error.contains("real.samples is 100 in one and 99 in the other"), "{error}");
        let weighed = Passport { by: By { sha256: Some("ab".into()), ..one.by.clone() }, ..other.clone() };
        let error = one.comparable(&weighed).unwrap_err().to_string();
        assert!(error.contains("by.sha256 is null in one and ab in the other"), "{error}");
        let tool = Passport { like: Some(Like::CleanFid), ..other.clone() };
        assert!(one.comparable(&tool).unwrap_err().to_string().contains("like is null in one and clean-fid"));
        let part = real(|real| Side { part: None, ..real });
        assert!(one.comparable(&part).unwrap_err().to_string().contains("real.part is test in one and null"));
        let alone = Passport { real: None, ..other.clone() };
        assert!(one.comparable(&alone).unwrap_err().to_string().contains("real"));
    }

    #[test]
    fn only_the_published_inception_network_s_numbers_are_called_fid_kid_and_is() {
        let title = |features: &str, sha256: &str, metric: &str| {
            let by = By { features: features.into(), sha256: Some(sha256.into()), resize: None, quantisation: None };
            let title = Passport { by, metric: metric.into(), ..passport("a", 1.0) }.title();
            title.trim_end_matches(" distance").to_owned()
        };
        let published = inception::PUBLISHED_SHA256;
        assert_eq!(["fd", "kid", "is"].map(|name| title("inception", published, name)), ["FID", "KID", "IS"]);
        assert_eq!(title("inception", published, "prdc"), "inception-prdc");
        assert_eq!(["fd", "kid"].map(|name| title("inception", "other", name)), ["inception-fd", "inception-kid"]);
        assert_eq!(title("digits", "other", "fd"), "digits-fd");
        assert_eq!(title("given", published, "fd"), "fd", "nobody knows whose");
    }

    #[test]
    fn a_difference_is_surer_than_the_numbers_where_chance_did_the_same_to_both() {
        // Both are a mean of ten groups that is 1 higher or lower in every other; the second is 0.5 more, give or take 0.1.
        let with = |name: &str, value: f64, own: f64| {
            let without =
                (0..10).map(|group| value + if group % 2 == 0 { 1.0 } else { -1.0 } + own * f64::from(group / 5));
            Passport { without: Some(without.collect()), ..passport(name, value) }
        };
        let (first, second) = (with("one", 2.0, 0.0), with("two", 2.5, 0.1));
        let found = differences(&[first.clone(), second.clone(), passport("three", 9.0)]).unwrap();
        assert_eq!(found.len(), 1, "where nothing is known of groups there is no difference: {found:?}");
        assert_eq!((found[0].value, found[0].generated.title().as_str()), (0.5, "two less one"));
        // (g - 1)/g times ten squares of 0.05, under the root, times t.
        let half = 2.2621571628540993 * (0.9_f64 * 10.0 * 0.0025).sqrt();
        assert!((found[0].high - 0.5 - half).abs() < 1e-12, "{:?}", found[0]);
        let other = Passport { real: None, ..second };
        assert!(differences(&[first, other]).unwrap_err().to_string().contains("do not compare"));
    }

    #[test]
    fn a_table_has_a_row_for_each_run_and_says_what_was_measured() {
        let other = Passport { metric: "kid".into(), ..passport("b", 0.25) };
        let found = table(&[passport("a", 12.34), passport("b", 7.0), other]).unwrap();
        let wanted = "| | digits-fd distance | digits-kid distance |\n|---|---|---|\n\
            | a | 12.34 [11.82, 12.86] |  |\n| b | 7.00 [6.48, 7.52] | 0.25 [-0.27, 0.77] |\n\n\
            100 samples against 100 of mnist:test (mnist), features digits, Ganvas 0.1.0.\n";
        assert_eq!(found, wanted);
        let twice = table(&[passport("a", 1.0), passport("a", 2.0)]).unwrap_err().to_string();
        assert!(twice.contains("a has two numbers digits-fd distance"), "{twice}");
    }
}
