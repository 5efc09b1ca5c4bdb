//! The metrics by name, and the passport that says what a number was measured on.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::classes::{self, Classes};
use super::estimate::{Estimate, GROUPS};
use super::extractor::Seen;
use super::features::Features;
use super::neighbours::{self, Balls, Neighbours};
use super::{Like, frechet, inception_score, kernel};
use crate::data::fetch::hexadecimal;
use crate::error::{Error, Result};

/// Subsets, and samples in one, of a kernel distance in other tools.
const SUBSETS: (usize, usize) = (100, 1000);
/// torch-fidelity's seed.
const SEED: u32 = 2020;

/// One number of a metric that may have several.
type Measured = (&'static str, Estimate);

/// A metric of features.
#[derive(Clone, Copy)]
pub struct Metric {
    /// The name on the command line.
    pub name: &'static str,
    /// What it says, in one sentence.
    pub sentence: &'static str,
    /// Whether it judges a classifier's logits, not features.
    pub of_logits: bool,
    measure: fn(&Seen, &Seen, Option<Like>) -> Result<Vec<Measured>>,
}

/// Every metric of features.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "fd",
        sentence: "Fréchet distance of two Gaussians; 0 is best, and few samples make it larger",
        of_logits: false,
        measure: |generated, real, like| {
            Ok(vec![("distance", frechet::estimate(&generated.features, &real.features, like)?)])
        },
    },
    Metric {
        name: "kid",
        sentence: "kernel distance, unbiased; 0 is best, and it may fall below",
        of_logits: false,
        measure: |generated, real, like| {
            let (generated, real) = (&generated.features, &real.features);
            let Some(like) = like else { return Ok(vec![("distance", kernel::estimate(generated, real)?)]) };
            let (subsets, most) = SUBSETS;
            let size = match like {
                Like::TorchFidelity => most,
                _ => most.min(generated.rows()).min(real.rows()),
            };
            let found = kernel::over_subsets(generated, real, (subsets, size), SEED, true)?;
            Ok(vec![("distance", Estimate::of_tool(found))])
        },
    },
    Metric {
        name: "is",
        sentence: "Inception score of the generated samples, whose features must be logits; more is better",
        of_logits: true,
        measure: |generated, _, like| {
            let logits = generated.logits.as_ref().unwrap_or(&generated.features);
            let Some(like) = like else { return Ok(vec![("score", inception_score::estimate(logits)?)]) };
            let found = inception_score::over_splits(logits, like)?;
            Ok(vec![("score", Estimate::of_tool(found))])
        },
    },
    Metric {
        name: "prc",
        sentence: "precision and recall by three nearest neighbours; 1 is best, and they depend on the number of samples",
        of_logits: false,
        measure: |generated, real, _| {
            let Neighbours { precision, recall, .. } =
                neighbours::estimate(&generated.features, &real.features, Balls::Closed3)?;
            Ok(vec![("precision", precision), ("recall", recall)])
        },
    },
    Metric {
        name: "prdc",
        sentence: "precision, recall, density and coverage by five nearest neighbours; they depend on the number of samples",
        of_logits: false,
        measure: |generated, real, _| {
            let found = neighbours::estimate(&generated.features, &real.features, Balls::Open5)?;
            let Neighbours { precision, recall, density, coverage } = found;
            Ok(vec![("precision", precision), ("recall", recall), ("density", density), ("coverage", coverage)])
        },
    },
    Metric {
        name: "classes",
        sentence: "the classes a classifier sees: how many are met, and how far their shares are from the real ones (0 is best)",
        of_logits: true,
        measure: |generated, real, _| {
            let (Some(generated), Some(real)) = (&generated.logits, &real.logits) else {
                return Err(Error::input("classes are seen by a classifier only; give --features digits"));
            };
            let Classes { met, divergence } = classes::estimate(generated, real)?;
            Ok(vec![("met", met), ("divergence", divergence)])
        },
    },
];

/// The metric called `name`.
pub fn metric(name: &str) -> Result<Metric> {
    METRICS.iter().find(|metric| metric.name == name).copied().ok_or_else(|| {
        let names = METRICS.iter().map(|metric| metric.name).collect::<Vec<_>>().join(", ");
        Error::input(format!("there is no metric `{name}`; there are: {names}"))
    })
}

/// One number, and everything it depends on: numbers compare where all but the generated side is equal.
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
    /// Whose features they are.
    pub by: By,
    /// The tool whose rounding and draws were used.
    pub like: Option<Like>,
    /// What was measured.
    pub generated: Side,
    /// What it was held against.
    pub real: Side,
    /// Of Ganvas.
    pub version: String,
}

/// Whose features were measured, and of what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct By {
    /// The network; "given" for features read from a file.
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
    /// Where the samples come from.
    pub name: String,
    /// How many there are.
    pub samples: usize,
    /// Of the features, as little-endian f64, row by row.
    pub sha256: String,
}

impl Side {
    fn of(features: &Features) -> Self {
        let mut hash = Sha256::new();
        features.values().iter().for_each(|value| hash.update(value.to_le_bytes()));
        let sha256 = hexadecimal(&hash.finalize());
        Side { name: features.name().to_owned(), samples: features.rows(), sha256 }
    }
}

impl Metric {
    /// The metric's numbers of what is seen in generated samples against real ones, as Ganvas or as another tool takes them;
    /// `network` is whose features they are. An error with fewer samples than it needs, or features of different widths.
    pub fn passports(&self, generated: &Seen, real: &Seen, network: &By, like: Option<Like>) -> Result<Vec<Passport>> {
        generated.features.at_least(2 * GROUPS)?;
        let sides = [generated, real].map(|seen| Side::of(&seen.features));
        let measured = (self.measure)(generated, real, like)?;
        let passport = |(quantity, estimate): Measured| Passport {
            metric: self.name.to_owned(),
            quantity: quantity.to_owned(),
            value: estimate.value,
            low: estimate.low,
            high: estimate.high,
            extrapolated: estimate.extrapolated,
            by: network.clone(),
            like,
            generated: sides[0].clone(),
            real: sides[1].clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        Ok(measured.into_iter().map(passport).collect())
    }
}
