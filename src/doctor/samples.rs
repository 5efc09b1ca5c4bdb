//! What samples are like beside real ones: how far apart, in how many directions, of which class, and how far they moved.

use std::path::Path;

use faer::{Mat, Side};

use crate::data::holds_digits;
use crate::data::mnist::{self, Digits, Part};
use crate::media::{self, Media};

/// Samples that are looked at.
const MOST: usize = 64;
/// Digits among which the nearest one says which digit a picture is.
const KNOWN: usize = 1000;
const CLASSES: usize = 10;
/// Real samples with such a share in one class are of few classes themselves.
const FEW: f64 = 0.5;

/// Looks at the same samples again and again.
pub struct Examiner {
    real: Vec<Vec<f32>>,
    /// What the last look saw.
    before: Vec<Vec<f32>>,
    digits: Option<Digits>,
}

impl Examiner {
    /// Holds samples against these. Where `folder` holds labelled digits of their shape, and these are of many classes, it
    /// tells which digit each sample is.
    pub fn new(real: &[Media], folder: Option<&Path>) -> Self {
        let is_digit = |media: &Media| matches!(media, Media::Image(image) if image.shape() == [28, 28, 1]);
        let digits = match folder {
            Some(folder) if real.first().is_some_and(is_digit) && holds_digits(folder) => {
                mnist::first(folder, Part::Test, KNOWN) // which no model learns from; some sets have none
            }
            _ => None,
        };
        let real = vectors(real);
        let digits = digits.filter(|digits| !real.is_empty() && largest_class(digits, &real) < FEW);
        Examiner { real, before: Vec::new(), digits }
    }

    /// Names and values of what is seen; as many real samples are looked at as of the model's. Lengths are Euclidean, of
    /// pixels from 0 to 1, of points, or of rolls, with 1 where a note sounds.
    pub fn look(&mut self, samples: &[Media]) -> Vec<(&'static str, f64)> {
        let samples = vectors(samples);
        let n = samples.len().min(self.real.len());
        let mut seen = Vec::new();
        if n >= 2 {
            seen.push(("sample_spread", spread(&samples[..n])));
            seen.push(("real_spread", spread(&self.real[..n])));
            seen.push(("sample_rank", rank(&samples[..n])));
            seen.push(("real_rank", rank(&self.real[..n])));
        }
        if !self.before.is_empty() && self.before.len() == samples.len() {
            let moved = samples.iter().zip(&self.before).map(|(now, before)| distance(now, before)).sum::<f64>();
            seen.push(("sample_change", moved / samples.len() as f64));
        }
        if let Some(digits) = self.digits.as_ref().filter(|_| !samples.is_empty()) {
            seen.push(("largest_class", largest_class(digits, &samples)));
        }
        self.before = samples;
        seen
    }
}

/// The first samples, flat, and as long as the longest.
fn vectors(samples: &[Media]) -> Vec<Vec<f32>> {
    let flat = |media: &Media| match media {
        Media::Image(image) => image.pixels.iter().map(|&level| f32::from(level) / 255.0).collect(),
        Media::Point(point) => point.to_vec(),
        Media::Notes(notes) => media::cells(notes),
    };
    let mut vectors = samples.iter().take(MOST).map(flat).collect::<Vec<Vec<f32>>>();
    let longest = vectors.iter().map(Vec::len).max().unwrap_or_default();
    vectors.iter_mut().for_each(|vector| vector.resize(longest, 0.0)); // pieces of music may end early
    vectors
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    const LANES: usize = 16; // sums of their own, which the processor makes side by side
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a.remainder().iter().zip(b.remainder()).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
    let mut sums = [0.0_f32; LANES];
    for (a, b) in a.zip(b) {
        for (i, sum) in sums.iter_mut().enumerate() {
            *sum += (a[i] - b[i]).powi(2);
        }
    }
    (sums.iter().sum::<f32>() + rest).sqrt().into()
}

/// The mean distance of two different samples.
fn spread(samples: &[Vec<f32>]) -> f64 {
    let n = samples.len();
    let pairs = (0..n).flat_map(|i| (0..i).map(move |j| (i, j)));
    pairs.map(|(i, j)| distance(&samples[i], &samples[j])).sum::<f64>() / (n * (n - 1) / 2) as f64
}

/// The effective rank of the centred samples: e to the entropy of their singular values' shares (Roy and Vetterli 2007, "The
/// Effective Rank", definition 1). 0 for equal samples.
fn rank(samples: &[Vec<f32>]) -> f64 {
    let (n, width) = (samples.len(), samples[0].len());
    let mean = (0..width).map(|j| samples.iter().map(|x| f64::from(x[j])).sum::<f64>() / n as f64);
    let mean = mean.collect::<Vec<_>>();
    let centred = samples.iter().map(|x| x.iter().zip(&mean).map(|(x, mean)| f64::from(*x) - mean).collect());
    let centred = centred.collect::<Vec<Vec<f64>>>();
    let products = Mat::from_fn(n, n, |i, j| {
        if j > i { 0.0 } else { centred[i].iter().zip(&centred[j]).map(|(a, b)| a * b).sum::<f64>() }
    });
    let Ok(squares) = products.self_adjoint_eigenvalues(Side::Lower) else { return 0.0 };
    let largest = squares.iter().fold(0.0_f64, |largest, square| largest.max(*square));
    let values = squares.iter().filter(|square| **square > largest * 1e-12).map(|square| square.sqrt());
    let values = values.collect::<Vec<_>>();
    let sum = values.iter().sum::<f64>();
    if values.is_empty() {
        return 0.0;
    }
    values.iter().map(|value| -(value / sum) * (value / sum).ln()).sum::<f64>().exp()
}

/// The share of the most frequent digit, where each sample is what the nearest of these digits is.
fn largest_class(digits: &Digits, samples: &[Vec<f32>]) -> f64 {
    let mut nearest = vec![(f64::INFINITY, 0); samples.len()];
    for (i, label) in digits.labels.iter().enumerate() {
        let picture = digits.image(i).iter().map(|&level| f32::from(level) / 255.0).collect::<Vec<f32>>();
        for (sample, nearest) in samples.iter().zip(&mut nearest) {
            let apart = distance(&picture, sample);
            if apart < nearest.0 {
                *nearest = (apart, usize::from(*label).min(CLASSES - 1));
            }
        }
    }
    let mut counts = [0; CLASSES];
    nearest.iter().for_each(|(_, class)| counts[*class] += 1);
    f64::from(counts.into_iter().max().unwrap_or_default()) / samples.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Image;

    fn points(points: &[[f32; 2]]) -> Vec<Media> {
        points.iter().copied().map(Media::Point).collect()
    }

    #[test]
    fn a_square_spreads_in_two_directions_and_a_line_in_one() {
        let square = vectors(&points(&[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]));
        assert!((spread(&square) - (4.0 + 2.0 * 2_f64.sqrt()) / 6.0).abs() < 1e-6);
        assert!((rank(&square) - 2.0).abs() < 1e-9, "{}", rank(&square));
        let line = vectors(&points(&[[0.0, 0.0], [1.0, 1.0], [3.0, 3.0]]));
        assert!((rank(&line) - 1.0).abs() < 1e-9, "{}", rank(&line));
        assert_eq!((rank(&vec![vec![1.0; 4]; 3]), spread(&vec![vec![1.0; 4]; 3])), (0.0, 0.0));
    }

    #[test]
    fn a_look_tells_how_far_samples_moved_since_the_last_one() {
        let mut examiner = Examiner::new(&points(&[[0.0, 0.0], [2.0, 0.0]]), None);
        let first = examiner.look(&points(&[[0.0, 0.0], [1.0, 0.0]]));
        assert_eq!(first[0], ("sample_spread", 1.0));
        assert_eq!(first[1], ("real_spread", 2.0));
        assert!(first.iter().all(|(name, _)| *name != "sample_change"), "{first:?}");
        let second = examiner.look(&points(&[[0.0, 0.0], [1.0, 3.0]]));
        assert!(second.contains(&("sample_change", 1.5)), "{second:?}");
    }

    #[test]
    fn pieces_of_music_are_as_far_apart_as_the_cells_of_their_rolls() {
        let melody = |text: &str| Media::Notes(text.parse().unwrap());
        let music = [melody("C4:16"), melody("C4 D4:12"), melody("C4:16 E4:16")];
        let mut examiner = Examiner::new(&music[..2], None);
        // Twelve steps of C are not played and twelve of D are.
        let (name, apart) = examiner.look(&music[..2])[0];
        assert!(name == "sample_spread" && (apart - 24_f64.sqrt()).abs() < 1e-6, "{name} {apart}");
        assert!(examiner.look(&music[1..]).iter().all(|(_, value)| value.is_finite()));
    }

    #[test]
    fn digits_of_one_kind_are_told_from_digits_of_all() {
        let folder = ganvas_made_up::digits();
        let train = mnist::read(&folder, Part::Train).unwrap();
        let media = |i: usize| Media::Image(Image::new(28, 28, 1, train.image(i).to_vec()));
        let all = (0..64).map(media).collect::<Vec<_>>();
        let ones = (0..train.len()).filter(|&i| train.labels[i] == 1).take(64).map(media).collect::<Vec<_>>();
        let mut examiner = Examiner::new(&all, Some(&folder));
        let mut largest = |samples: &[Media]| {
            let seen = examiner.look(samples);
            seen.into_iter().find(|(name, _)| *name == "largest_class").unwrap().1
        };
        assert!(largest(&ones) > 0.95);
        assert!(largest(&all) < 0.25);
    }
}
