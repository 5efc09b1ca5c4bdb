//! The passport of a number: everything that it depends on.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::looks::inception;

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
    /// Where it is the mean of a number of each sample, those numbers, in order; not in the JSON.
    #[serde(skip)]
    pub each: Option<Vec<f64>>,
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
    /// How far its styles went from their average, or the largest entry of its latent vectors; none where they are as they are drawn.
    #[serde(default)]
    pub truncation: Option<f64>,
}

impl Side {
    /// Samples that are to be drawn from a run; their hash comes when they are.
    pub fn of_run(name: String, samples: usize, run: Drawn) -> Self {
        Side { name, part: None, samples, sha256: String::new(), run: Some(run) }
    }

    /// What a table calls it.
    pub fn title(&self) -> String {
        let part = self.part.map(|part| format!(":{}", part.name())).unwrap_or_default();
        let truncation = self.run.as_ref().and_then(|drawn| drawn.truncation);
        let truncation = truncation.map(|truncation| format!(", truncation {truncation}")).unwrap_or_default();
        format!("{}{part}{truncation}", self.name)
    }
}

impl Passport {
    /// What to call the number: the metric after the network whose features it is of, and the quantity, such as `digits-fd
    /// distance`. FID, KID and IS are what they are called by the published weights of the Inception network alone.
    pub fn title(&self) -> String {
        let published = self.by.sha256.as_deref() == Some(inception::PUBLISHED_SHA256);
        let metric = match (self.by.features.as_str(), self.metric.as_str()) {
            ("given" | "none" | "attributes", "r-precision") => "R-precision".to_owned(),
            ("given" | "none" | "attributes", metric) => metric.to_owned(),
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

/// A tool whose numbers are reproduced to its own rounding and random draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Like {
    /// torch-fidelity.
    TorchFidelity,
    /// clean-fid.
    CleanFid,
    /// The metrics of NVIDIA's StyleGAN repositories.
    Nvidia,
    /// PyTorch-StudioGAN.
    #[serde(rename = "studiogan")]
    StudioGan,
}

impl Like {
    /// The name in passports and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Like::TorchFidelity => "torch-fidelity",
            Like::CleanFid => "clean-fid",
            Like::Nvidia => "nvidia",
            Like::StudioGan => "studiogan",
        }
    }
}

/// Which pictures of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Those that recipes learn from.
    Train,
    /// Those that no recipe sees.
    HeldOut,
    /// Those that the set's authors keep for tests.
    Test,
    /// Those to learn from and those held out.
    All,
}

impl Part {
    /// Every part.
    pub const ALL: [Part; 4] = [Part::Train, Part::HeldOut, Part::Test, Part::All];

    /// The name in passports and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Part::Train => "train",
            Part::HeldOut => "held-out",
            Part::Test => "test",
            Part::All => "all",
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn passport(name: &str, value: f64) -> Passport {
        let side = |name: &str, run| Side { name: name.into(), part: None, samples: 100, sha256: name.into(), run };
        let run = Drawn { recipe: name.into(), seed: 1, step: 2, first_seed: 0, truncation: None };
        Passport {
            metric: "fd".into(),
            quantity: "distance".into(),
            value,
            low: value - 0.52,
            high: value + 0.52,
            extrapolated: value,
            without: None,
            each: None,
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
}
