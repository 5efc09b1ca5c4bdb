//! A classifier of the attributes of a set's pictures, one head for each: trained here the first time it is needed, on the set's
//! training pictures, and kept in the cache by the hash of what it learned from.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use burn::module::Module;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};

use crate::aside::write_aside;
use crate::data::images::signed;
use crate::data::source::{Order, Sampling};
use crate::data::{cache, fetch};
use crate::device;
use crate::hash;
use crate::looks::digits::class;
use crate::looks::kept;
use crate::media::Image;
use crate::nn::{BatchNorm, Conv2d, ConvConfig, Init, Linear, Statistics};
use crate::optim::{AdamConfig, Trained};
use crate::random::{Draws, Dropout};
use crate::report::{Progress, Report};

/// Entries of a feature vector.
pub const FEATURES: usize = 256;
/// The largest side that it sees.
pub const LARGEST: usize = 64;

const VERSION: &str = "attributes 1"; // the number changes with anything below
const WIDTH: usize = 16; // channels at the full side; every halving doubles them
const WIDEST: usize = 256;
const SMALLEST: usize = 4; // the side at which halving ends
const BATCH: usize = 64;
const PASSES: usize = 20;
const STEPS: [usize; 2] = [800, 6_000]; // at least, at most
const RATE: f64 = 2e-3;
const NORM_EPSILON: f64 = 1e-5;
const SHIFT: i32 = 2; // pixels of 64, in every direction
const DROPOUT: f64 = 0.3;
/// Pictures judged at a time.
const AT_A_TIME: usize = 250;

/// What there is to learn: pictures of one square shape, and of each attribute the number of its values and the value of each picture.
pub struct Lesson<'a> {
    /// `[n]`, at least one.
    pub pictures: Vec<&'a Image>,
    /// Values, and `[n]` below that; none for a picture of which it is not known.
    pub attributes: Vec<(usize, Vec<Option<usize>>)>,
}

impl Lesson<'_> {
    /// A hash of all of it.
    fn sha256(&self) -> String {
        let shape = self.pictures[0].shape().map(|size| size as u64);
        let labels = self.attributes.iter().flat_map(|(values, labels)| {
            let labels = labels.iter().map(|label| label.map_or(u64::MAX, |label| label as u64));
            [*values as u64, labels.len() as u64].into_iter().chain(labels)
        });
        let numbers = shape.into_iter().chain(labels).flat_map(u64::to_le_bytes).collect::<Vec<u8>>();
        let pixels = self.pictures.iter().map(|picture| picture.pixels.as_slice());
        hash::sha256_of([VERSION.as_bytes(), &numbers].into_iter().chain(pixels))
    }
}

/// Pictures `[n, channels, side, side]` in [-1, 1] to features, and to logits of all attributes' values one after the other.
#[derive(Module, Debug)]
struct Net {
    convs: Vec<Conv2d>,
    norms: Vec<BatchNorm>,
    hidden: Linear,
    logits: Linear,
}

impl Net {
    fn new([channels, side]: [usize; 2], values: usize, device: &Device) -> Self {
        let draws = Draws::new(0, 0);
        let init = Init::FanIn { gain: 2.0_f64.sqrt() };
        let (mut convs, mut norms, mut width, mut left) = (Vec::new(), Vec::new(), channels, side);
        while left > SMALLEST || convs.is_empty() {
            let wider = (WIDTH << convs.len()).min(WIDEST);
            // The first one keeps the size, so that an eye or a mouth of few pixels is seen whole.
            let config = match convs.is_empty() {
                true => ConvConfig { bias: false, ..ConvConfig::same([width, wider], 3, init) },
                false => ConvConfig::halving([width, wider], false, init), // a norm takes a bias away again
            };
            if !convs.is_empty() {
                left /= 2;
            }
            convs.push(Conv2d::new(config, &draws, &format!("attributes.{}", convs.len()), device));
            norms.push(BatchNorm::new(Tensor::ones([wider], device), NORM_EPSILON));
            width = wider;
        }
        let linear = |name: &str, shape, gain| {
            Linear::new(shape, Init::FanIn { gain }, 0.0, &draws, &format!("attributes.{name}"), device)
        };
        Net {
            convs,
            norms,
            hidden: linear("hidden", [width * left * left, FEATURES], 2.0_f64.sqrt()),
            logits: linear("logits", [FEATURES, values], 1.0),
        }
    }

    /// In training where there is room for what the batch `told`.
    fn forward(&self, x: Tensor<4>, told: Option<&Statistics>, dropout: Option<Dropout>) -> [Tensor<2>; 2] {
        let layers = self.convs.iter().zip(&self.norms);
        let h = layers.fold(x, |h, (conv, norm)| norm.leaky(conv.forward(h), 0.1, told));
        let features = self.hidden.leaky(h.flatten(1, 3), 0.1, dropout);
        [features.clone(), self.logits.forward(features)]
    }
}

/// The trained classifier.
pub struct Attributes {
    net: Net,
    /// The number of values of each attribute.
    values: Vec<usize>,
    /// Of what it learned and what from. Another processor rounds otherwise and so learns another one: numbers of two do not compare.
    pub sha256: String,
}

/// What it sees in pictures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judged {
    /// `[n, 256]`.
    pub features: Vec<f64>,
    /// Of each attribute the value of each picture.
    pub values: Vec<Vec<usize>>,
}

impl Attributes {
    /// The classifier of a lesson, from the cache or trained now, which takes minutes where there are thousands of pictures.
    pub fn learn(lesson: &Lesson, report: Report<'_>) -> Self {
        let folder = cache::packed().ok().flatten();
        Attributes::load_or_learn(folder.as_deref(), lesson, None, report)
    }

    fn load_or_learn(folder: Option<&Path>, lesson: &Lesson, steps: Option<usize>, report: Report<'_>) -> Self {
        let file = folder.map(|folder| folder.join(format!("{}.pack", &lesson.sha256()[..32])));
        let values = lesson.attributes.iter().map(|(values, _)| *values).collect::<Vec<_>>();
        let [side, _, channels] = lesson.pictures[0].shape();
        let kept = file.as_deref().and_then(|file| {
            let mut bytes = Vec::new();
            cache::hold(File::open(file).ok()?).read_to_end(&mut bytes).ok()?;
            kept::read(Net::new([channels, side], values.iter().sum(), &device::cpu()), &bytes)
        });
        if let Some((net, sha256)) = kept {
            return Attributes { net, values, sha256 };
        }
        let usual = (PASSES * lesson.pictures.len() / BATCH).clamp(STEPS[0], STEPS[1]);
        let mut net = train(lesson, &values, steps.unwrap_or(usual), report);
        let bytes = kept::bytes(&mut net).unwrap_or_default();
        if let (Some(folder), Some(file)) = (folder, file) {
            let _ = fs::create_dir_all(folder); // the write says whether it is there
            let _ = write_aside(&file, &bytes, fetch::WRITING); // a full disk costs time at the next call
            if let Ok(limit) = cache::limit() {
                cache::trim(folder, limit);
            }
        }
        Attributes { net, values, sha256: hash::sha256(&bytes) }
    }

    /// What it sees in pictures of the shape that it learned.
    pub fn look(&self, pictures: &[Image]) -> Judged {
        let mut judged = Judged { features: Vec::new(), values: vec![Vec::new(); self.values.len()] };
        for some in pictures.chunks(AT_A_TIME) {
            let some = some.iter().map(|picture| (picture, [0, 0])).collect::<Vec<_>>();
            let [features, logits] = self.net.forward(tensor(&some), None, None).map(|tensor| tensor.into_data());
            judged.features.extend(features.iter::<f64>());
            let logits = logits.iter::<f64>().collect::<Vec<f64>>();
            for row in logits.chunks(self.values.iter().sum::<usize>().max(1)) {
                let mut rest = row;
                for (values, judged) in self.values.iter().zip(&mut judged.values) {
                    let (own, others) = rest.split_at(*values);
                    judged.push(class(own));
                    rest = others;
                }
            }
        }
        judged
    }
}

/// `[n, channels, side, side]` in [-1, 1] of pictures, each moved down and to the right: its edge goes on.
fn tensor(pictures: &[(&Image, [i32; 2])]) -> Tensor<4> {
    let [side, _, channels] = pictures[0].0.shape();
    let mut values = Vec::with_capacity(pictures.len() * side * side * channels);
    for (picture, [down, right]) in pictures {
        let from = |at: usize, by: i32| (at as i32 - by).clamp(0, side as i32 - 1) as usize;
        for channel in 0..channels {
            for y in 0..side {
                let row = from(y, *down) * side;
                let pixel = |x: usize| signed(picture.pixels[(row + from(x, *right)) * channels + channel]);
                values.extend((0..side).map(pixel));
            }
        }
    }
    Tensor::from_data(TensorData::new(values, [pictures.len(), channels, side, side]), &device::cpu())
}

/// How much a picture of each value counts: by the root of how rare it is, and 1 on average.
fn weights(values: usize, labels: &[Option<usize>]) -> Vec<f32> {
    let mut counts = vec![0.0_f32; values];
    labels.iter().flatten().for_each(|label| counts[*label] += 1.0);
    let roots = counts.iter().map(|count| count.sqrt()).collect::<Vec<_>>();
    let mean = roots.iter().sum::<f32>() / counts.iter().sum::<f32>().max(1.0);
    roots.iter().map(|root| if *root > 0.0 { 1.0 / (root * mean) } else { 0.0 }).collect()
}

fn train(lesson: &Lesson, values: &[usize], steps: usize, report: Report<'_>) -> Net {
    let device = device::cpu();
    let (n, all) = (lesson.pictures.len(), values.iter().sum::<usize>());
    let [side, _, channels] = lesson.pictures[0].shape();
    let net = Net::new([channels, side], all, &device.clone().autodiff());
    let mut net = Trained::new(net, AdamConfig::with_beta1(0.9), 0.0);
    let order = Order::new(0, n, BATCH.min(n), Sampling::Shuffle);
    let weights = lesson.attributes.iter().map(|(values, labels)| weights(*values, labels)).collect::<Vec<_>>();
    let most = (SHIFT * side as i32 / LARGEST as i32).max(1);
    for step in 0..steps {
        report(Progress { what: "learning attributes", done: step as u64, total: Some(steps as u64) });
        let draws = Draws::new(0, step as u64);
        let indices = order.indices(step as u64);
        let offsets = |name| draws.indices(name, 2 * most as u32 + 1, indices.len());
        let (down, right) = (offsets("attributes.down"), offsets("attributes.right"));
        let moved = indices.iter().zip(down.iter().zip(right)).map(|(&index, (&down, right))| {
            (lesson.pictures[index as usize], [down as i32 - most, right as i32 - most])
        });
        let x = tensor(&moved.collect::<Vec<_>>());
        let told = Statistics::default();
        let dropout = draws.dropout("attributes.dropout", DROPOUT);
        let [_, logits] = net.net().forward(x, Some(&told), Some(dropout));
        net.change(|net| told.followed_by(net));
        let (mut at, mut loss) = (0, Tensor::<1>::zeros([1], &device));
        for ((values, labels), weights) in lesson.attributes.iter().zip(&weights) {
            let one_hot = indices.iter().flat_map(|&index| {
                let label = labels[index as usize];
                (0..*values).map(move |value| if label == Some(value) { weights[value] } else { 0.0 })
            });
            let one_hot = TensorData::new(one_hot.collect::<Vec<f32>>(), [indices.len(), *values]);
            let own = log_softmax(logits.clone().narrow(1, at, *values), 1);
            loss = loss - (own * Tensor::<2>::from_data(one_hot, &device)).sum() / indices.len() as f64;
            at += values;
        }
        drop(logits);
        let left = 1.0 - step as f64 / steps as f64;
        net.descend_by(loss, RATE * left, 0.0);
    }
    net.sampler()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Squares of 16 pixels: left or right, dark or bright.
    fn picture(number: u32) -> (Image, [usize; 2]) {
        let draw = |name, below| Draws::new(3, number.into()).indices(name, below, 1)[0] as usize;
        let (place, colour, level) = (draw("place", 2), draw("colour", 2), draw("level", 60) as u8);
        let pixel = |i: usize| {
            let is_in = (4..12).contains(&(i / 16)) && (2 + 8 * place..6 + 8 * place).contains(&(i % 16));
            if is_in { 120 * colour as u8 + level } else { 128 }
        };
        (Image::new(16, 16, 1, (0..256).map(pixel).collect()), [place, colour])
    }

    fn lesson(pictures: &[(Image, [usize; 2])]) -> Lesson<'_> {
        let labels = |of: usize| (2, pictures.iter().map(|(_, labels)| Some(labels[of])).collect());
        Lesson { pictures: pictures.iter().map(|(image, _)| image).collect(), attributes: vec![labels(0), labels(1)] }
    }

    #[test]
    fn rare_values_count_more_and_all_pictures_together_as_many_as_they_are() {
        let labels = [[Some(0); 9].as_slice(), &[Some(1), None]].concat();
        let found = weights(3, &labels);
        assert!((found[1] / found[0] - 3.0).abs() < 1e-6 && found[2] == 0.0, "{found:?}");
        assert!((9.0 * found[0] + found[1] - 10.0).abs() < 1e-5, "{found:?}");
    }

    #[test]
    fn every_attribute_is_learned_by_a_head_of_its_own_and_the_classifier_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let pictures = (0..200).map(picture).collect::<Vec<_>>();
        let mut steps = 0;
        let learned = Attributes::load_or_learn(Some(folder.path()), &lesson(&pictures), Some(60), &mut |_| steps += 1);
        assert_eq!(steps, 60);
        let new = (200..300).map(picture).collect::<Vec<_>>();
        let images = new.iter().map(|(image, _)| image.clone()).collect::<Vec<_>>();
        let judged = learned.look(&images);
        assert_eq!(judged.features.len(), 100 * FEATURES);
        for (of, values) in judged.values.iter().enumerate() {
            let right = values.iter().zip(&new).filter(|(value, (_, labels))| **value == labels[of]).count();
            assert!(right >= 97, "attribute {of}: {right} of 100");
        }
        let mut never = |_: Progress<'_>| panic!("it is kept");
        let kept = Attributes::load_or_learn(Some(folder.path()), &lesson(&pictures), Some(60), &mut never);
        assert!(kept.look(&images) == judged && kept.sha256 == learned.sha256);
        // Another lesson is another classifier.
        let mut steps = 0;
        Attributes::load_or_learn(Some(folder.path()), &lesson(&pictures[1..]), Some(1), &mut |_| steps += 1);
        assert_eq!(steps, 1);
    }
}
