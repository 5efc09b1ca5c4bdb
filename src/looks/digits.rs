//! A classifier of MNIST's digits, whose features and judgement measure models of digits: trained here the first time it
//! is needed, on the 55,000 training pictures that no recipe holds out, and kept in the cache.
//!
//! Numbers from its features are called digits-FD and the like, never FID.

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};

use crate::data::fetch;
use crate::data::images::signed;
use crate::data::mnist::{self, Part};
use crate::data::source::{Order, Sampling};
use crate::device;
use crate::error::{Error, Result};
use crate::hash;
use crate::looks::kept;
use crate::nn::{Conv2d, ConvConfig, Init, Linear};
use crate::optim::{AdamConfig, Trained};
use crate::random::{Draws, Dropout};
use crate::report::{Progress, Report};

/// Entries of a feature vector.
pub const FEATURES: usize = 128;
/// The classes.
pub const CLASSES: usize = 10;
/// What it must get right of MNIST's test pictures to be of use.
pub const LEAST_ACCURACY: f64 = 0.99;

const LEARNED_FROM: usize = 55_000;
const BATCH: usize = 128;
const STEPS: u64 = 2_150; // five passes
const RATE: f64 = 1e-3;
const SHIFT: u32 = 2; // pixels, in every direction
const DROPOUT: f64 = 0.4;
const FILE: &str = "digits-classifier-1.safetensors"; // the number changes with anything above
/// Pictures judged at a time.
const AT_A_TIME: usize = 500;

/// Pictures `[n, 1, 28, 28]` in [-1, 1] to features and logits.
#[derive(Module, Debug)]
struct Net {
    convs: Vec<Conv2d>,
    hidden: Linear,
    logits: Linear,
}

impl Net {
    fn new(device: &Device) -> Self {
        let draws = Draws::new(0, 0);
        let init = Init::FanIn { gain: 2.0_f64.sqrt() };
        let conv = |i: usize, channels: [usize; 2], kernel: usize, stride: usize| {
            let config = ConvConfig { stride, padding: 1, ..ConvConfig::same(channels, kernel, init) };
            Conv2d::new(config, &draws, &format!("digits.{i}"), device)
        };
        let linear = |name: &str, shape, gain| {
            Linear::new(shape, Init::FanIn { gain }, 0.0, &draws, &format!("digits.{name}"), device)
        };
        Net {
            convs: vec![conv(0, [1, 16], 3, 1), conv(1, [16, 32], 4, 2), conv(2, [32, 64], 4, 2)],
            hidden: linear("hidden", [64 * 7 * 7, FEATURES], 2.0_f64.sqrt()),
            logits: linear("logits", [FEATURES, CLASSES], 1.0),
        }
    }

    /// Features `[n, 128]` and logits `[n, 10]`.
    fn forward(&self, x: Tensor<4>, dropout: Option<Dropout>) -> [Tensor<2>; 2] {
        let h = self.convs.iter().fold(x, |h, conv| conv.leaky(h, 0.0)); // [n, 64, 7, 7]
        let features = self.hidden.leaky(h.flatten(1, 3), 0.0, dropout);
        [features.clone(), self.logits.forward(features)]
    }
}

/// The trained classifier.
pub struct Digits {
    net: Net,
    /// Of its file. Another processor rounds otherwise and so learns another one: numbers of two do not compare.
    pub sha256: String,
}

impl Digits {
    /// The classifier, from the cache or trained now, which takes about a minute. An error when MNIST cannot be had, or
    /// when what was learned is not good enough.
    pub fn load(report: Report<'_>) -> Result<Self> {
        Digits::load_from(&fetch::cache_dir()?, report)
    }

    fn load_from(cache: &Path, report: Report<'_>) -> Result<Self> {
        Digits::load_or_learn(&cache.join(FILE), mnist_itself, STEPS, report)
    }

    /// The classifier in a file, or one that learns from the digits in a folder now, in so many steps, and is kept there.
    fn load_or_learn(
        path: &Path,
        folder: fn(Report<'_>) -> Result<PathBuf>,
        steps: u64,
        report: Report<'_>,
    ) -> Result<Self> {
        let kept = std::fs::read(path).ok().and_then(|bytes| kept::read(Net::new(&device::cpu()), &bytes));
        if let Some((net, sha256)) = kept {
            return Ok(Digits { net, sha256 });
        }
        let folder = folder(report)?;
        let mut net = train(&mnist::read(&folder, Part::Train)?, steps, report);
        let digits = Digits { net: net.clone(), sha256: String::new() };
        let accuracy = digits.accuracy(&mnist::read(&folder, Part::Test)?);
        if accuracy < LEAST_ACCURACY {
            return Err(Error::failed(format!(
                "the classifier of digits learned here knows {:.2} % of MNIST's test pictures and must know {:.0} %",
                100.0 * accuracy,
                100.0 * LEAST_ACCURACY
            )));
        }
        let bytes = kept::bytes(&mut net)?;
        crate::aside::write_aside(path, &bytes, "keep the classifier")?;
        Ok(Digits { net, sha256: hash::sha256(&bytes) })
    }

    /// Features `[n, 128]` and logits `[n, 10]` of grey pictures of 8 bits, `[n, 28, 28]`, row after row.
    pub fn look(&self, pictures: &[u8]) -> [Vec<f64>; 2] {
        let mut found = [Vec::new(), Vec::new()];
        for some in pictures.chunks(AT_A_TIME * 28 * 28) {
            let values = self.net.forward(tensor(some.iter().copied(), some.len() / (28 * 28)), None);
            for (found, values) in found.iter_mut().zip(values) {
                found.extend(values.into_data().iter::<f64>());
            }
        }
        found
    }

    /// The share of labelled digits whose largest logit is the right one.
    pub fn accuracy(&self, digits: &mnist::Digits) -> f64 {
        let [_, logits] = self.look(&digits.images);
        let right =
            logits.chunks(CLASSES).zip(&digits.labels).filter(|(logits, label)| class(logits) == **label as usize);
        right.count() as f64 / digits.len() as f64
    }
}

/// The folder of MNIST itself, fetched where it is not there.
fn mnist_itself(report: Report<'_>) -> Result<PathBuf> {
    let folder = mnist::default_dir()?;
    mnist::fetch(&folder, report)?;
    Ok(folder)
}

/// The class of one picture's logits.
pub fn class(logits: &[f64]) -> usize {
    (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap_or(0)
}

/// `[n, 1, 28, 28]` in [-1, 1].
fn tensor(levels: impl Iterator<Item = u8>, n: usize) -> Tensor<4> {
    let values = levels.map(signed).collect::<Vec<f32>>();
    Tensor::from_data(TensorData::new(values, [n, 1, 28, 28]), &device::cpu())
}

fn train(digits: &mnist::Digits, steps: u64, report: Report<'_>) -> Net {
    let device = device::cpu();
    let n = digits.len().min(LEARNED_FROM);
    let mut net = Trained::new(Net::new(&device.clone().autodiff()), AdamConfig::with_beta1(0.9), 0.0);
    let order = Order::new(0, n, BATCH, Sampling::Shuffle);
    for step in 0..steps {
        report(Progress { what: "learning to read digits", done: step, total: Some(steps) });
        let draws = Draws::new(0, step);
        let indices = order.indices(step);
        let offset = |name| draws.indices(name, 2 * SHIFT + 1, 1)[0] as i32 - SHIFT as i32;
        let (down, right) = (offset("digits.down"), offset("digits.right"));
        let moved = |index: u32| {
            let image = digits.image(index as usize);
            (0..28 * 28).map(move |i| {
                let (y, x) = (i / 28 - down, i % 28 - right);
                if (0..28).contains(&y) && (0..28).contains(&x) { image[(y * 28 + x) as usize] } else { 0 }
            })
        };
        let x = tensor(indices.iter().flat_map(|&index| moved(index)), indices.len());
        let one_hot = indices.iter().flat_map(|&index| {
            let label = digits.labels[index as usize];
            (0..CLASSES as u8).map(move |class| f32::from(class == label))
        });
        let one_hot = TensorData::new(one_hot.collect::<Vec<f32>>(), [indices.len(), CLASSES]);
        let [_, logits] = net.net().forward(x, Some(draws.dropout("digits.dropout", DROPOUT)));
        let loss = -(log_softmax(logits, 1) * Tensor::<2>::from_data(one_hot, &device)).sum() / indices.len() as f64;
        let left = 1.0 - step as f64 / steps as f64;
        net.descend_by(loss, RATE * left, 0.0);
    }
    net.sampler()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made_up(_: Report<'_>) -> Result<PathBuf> {
        Ok(ganvas_made_up::digits())
    }

    #[test]
    fn the_classifier_learns_its_digits_and_is_kept() {
        const STEPS: u64 = 150;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        let mut steps = 0;
        let learned = Digits::load_or_learn(&file, made_up, STEPS, &mut |progress| {
            steps += u64::from(progress.what == "learning to read digits");
        });
        let learned = learned.unwrap(); // or it would say that it knows too little
        assert_eq!(steps, STEPS);
        let kept = Digits::load_or_learn(&file, made_up, STEPS, &mut |progress| panic!("{}", progress.what)).unwrap();
        let test = mnist::read(&ganvas_made_up::digits(), Part::Test).unwrap();
        let [features, logits] = kept.look(&test.images[..20 * 28 * 28]);
        assert_eq!([features.len(), logits.len()], [20 * FEATURES, 20 * CLASSES]);
        assert!((learned.look(&test.images[..20 * 28 * 28]) == [features, logits]) && kept.sha256 == learned.sha256);
        // A file that is no classifier is not trusted.
        std::fs::write(&file, "damaged").unwrap();
        let anew = || Digits::load_or_learn(&file, made_up, STEPS, &mut |_| panic!("it learns anew"));
        assert!(std::panic::catch_unwind(|| anew().map(|_| ())).is_err());
        // What learned too little is not kept.
        std::fs::remove_file(&file).unwrap();
        let error = Digits::load_or_learn(&file, made_up, 0, &mut |_| {}).err().unwrap().to_string();
        assert!(error.starts_with("the classifier of digits learned here knows ") && !file.exists(), "{error}");
    }

    #[test]
    #[ignore = "needs npm"]
    fn the_classifier_knows_mnist_s_own_digits() {
        let folder = tempfile::tempdir().unwrap();
        Digits::load_from(folder.path(), &mut |_| {}).unwrap(); // or it would say that it knows too little
    }
}
