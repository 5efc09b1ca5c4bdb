//! Pictures made worse on purpose, so that a network can learn the way back: a small version, noise, compression, old age.
//!
//! Everything here works on [`Planes`] with values in 0..1, and what it draws is a function of (seed, step, name, stage): a
//! stage that is switched off changes nothing about the others' draws.

pub mod ageing;
mod blur;
mod damage;
mod jpeg;
mod kernel;
mod noise;
pub mod resize;
pub mod super_resolution;

use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::media::Image;
use crate::random::Draws;

/// A picture of floats, one plane a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Planes {
    /// Pixels in a row.
    pub width: usize,
    /// Rows, the first at the top.
    pub height: usize,
    /// 1 for grey, 3 for RGB.
    pub channels: usize,
    /// `channels * height * width` values, 0 for black and 1 for full: channel after channel, each row after row.
    pub values: Vec<f32>,
}

impl Planes {
    /// The picture with these `values`, `[channels, height, width]` flattened.
    ///
    /// # Panics
    /// When `values` has another length, a side is 0, or `channels` is neither 1 nor 3.
    pub fn new(width: usize, height: usize, channels: usize, values: Vec<f32>) -> Self {
        assert!(width > 0 && height > 0, "a picture needs pixels, got {width}x{height}");
        assert!(channels == 1 || channels == 3, "a picture has 1 or 3 channels, got {channels}");
        let (expected, got) = (width * height * channels, values.len());
        assert_eq!(got, expected, "{width}x{height}x{channels} is {expected} values, got {got}");
        Planes { width, height, channels, values }
    }

    /// One plane of one value.
    pub(in crate::data) fn flat(width: usize, height: usize, value: f32) -> Self {
        Planes::new(width, height, 1, vec![value; width * height])
    }

    /// The picture of 8-bit levels, as floats.
    pub fn of(image: &Image) -> Self {
        let pixels = &image.pixels;
        let plane = |c: usize| pixels.iter().skip(c).step_by(image.channels).map(|&level| f32::from(level) / 255.0);
        let values = (0..image.channels).flat_map(plane).collect();
        Planes::new(image.width, image.height, image.channels, values)
    }

    /// The picture in 8-bit levels, rounded and clamped as [`Image::from_unit`] does.
    pub fn image(&self) -> Image {
        Image::from_unit(self.width, self.height, self.channels, &self.side_by_side())
    }

    /// The values with the channels of a pixel side by side.
    pub fn side_by_side(&self) -> Vec<f32> {
        let area = self.area();
        (0..area * self.channels).map(|i| self.values[i % self.channels * area + i / self.channels]).collect()
    }

    /// Pixels of the picture.
    pub fn area(&self) -> usize {
        self.width * self.height
    }

    /// The planes, one a channel.
    fn planes(&self) -> std::slice::ChunksExact<'_, f32> {
        self.values.chunks_exact(self.area())
    }

    /// The planes, to be changed.
    fn planes_mut(&mut self) -> std::slice::ChunksExactMut<'_, f32> {
        let area = self.area();
        self.values.chunks_exact_mut(area)
    }

    /// The picture with every value in 0..1.
    fn clamped(mut self) -> Self {
        self.values.iter_mut().for_each(|value| *value = value.clamp(0.0, 1.0));
        self
    }

    /// The picture with every value at the nearest of 256 levels.
    fn rounded(mut self) -> Self {
        self.values.iter_mut().for_each(|value| *value = (value.clamp(0.0, 1.0) * 255.0).round() / 255.0);
        self
    }

    /// How light the picture is, one plane: Y of ITU-R BT.601.
    pub(in crate::data) fn luma(&self) -> Planes {
        let values = match self.channels {
            1 => self.values.clone(),
            _ => {
                let (red, rest) = self.values.split_at(self.area());
                let (green, blue) = rest.split_at(self.area());
                let pixels = red.iter().zip(green).zip(blue);
                pixels.map(|((r, g), b)| 0.299 * r + 0.587 * g + 0.114 * b).collect()
            }
        };
        Planes::new(self.width, self.height, 1, values)
    }
}

/// The chances of one stage of one picture's degradation.
#[derive(Debug)]
struct Chances(Xoshiro256PlusPlus);

impl Chances {
    /// Those of `stage` for the picture called `name`.
    fn of(draws: &Draws, name: &str, stage: &str) -> Self {
        Chances(draws.stream(&format!("{name}.{stage}")))
    }

    /// A value in [0, 1) with 53 random bits.
    fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A value from U(low, high).
    fn between(&mut self, [low, high]: [f64; 2]) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Whether something of this probability happens.
    fn happens(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// One of `first..=last`, each as likely.
    fn whole(&mut self, [first, last]: [usize; 2]) -> usize {
        let count = last.saturating_sub(first) + 1;
        first + ((self.unit() * count as f64) as usize).min(count - 1)
    }

    /// An index, as likely as its share of the sum of `shares`. The first when no share is above 0.
    fn choice(&mut self, shares: &[f64]) -> usize {
        let mut left = self.unit() * shares.iter().sum::<f64>();
        for (index, share) in shares.iter().enumerate().filter(|(_, share)| **share > 0.0) {
            left -= share;
            if left < 0.0 {
                return index;
            }
        }
        shares.iter().rposition(|share| *share > 0.0).unwrap_or(0)
    }

    /// A value from N(0, 1).
    fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }

    /// `things` in a random order, every order as likely (Fisher-Yates).
    fn shuffled<T, const N: usize>(&mut self, mut things: [T; N]) -> [T; N] {
        (1..N).rev().for_each(|i| things.swap(i, self.whole([0, i])));
        things
    }
}

/// What is wrong with a probability, as one sentence with the way out.
fn not_a_share(name: &str, value: f64) -> Option<String> {
    (!(0.0..=1.0).contains(&value)).then(|| format!("{name} is {value}; give a share from 0 to 1"))
}

/// What is wrong with a range, as one sentence with the way out.
fn not_a_range(name: &str, [low, high]: [f64; 2], [least, most]: [f64; 2]) -> Option<String> {
    let fine = least <= low && low <= high && high <= most;
    (!fine).then(|| {
        format!("{name} is [{low}, {high}]; give two numbers from {least} to {most}, the first not above the second")
    })
}

/// What is wrong with shares of which one is chosen, as one sentence with the way out.
fn not_shares(name: &str, shares: &[f64]) -> Option<String> {
    let fine = shares.iter().all(|share| (0.0..=1.0).contains(share)) && shares.iter().any(|share| *share > 0.0);
    (!fine).then(|| format!("{name} is {shares:?}; give shares from 0 to 1, not all of them 0"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::wave_at;

    /// A picture that is nowhere the same and nowhere at 0 or 1.
    pub(super) fn wave_picture(width: usize, height: usize, channels: usize) -> Planes {
        let value = |i: usize| (0.5 + 0.4 * wave_at(i, 0.37)) as f32;
        Planes::new(width, height, channels, (0..width * height * channels).map(value).collect())
    }

    /// What tests/golden/degrade.py made.
    pub(super) fn golden(key: &str) -> serde_json::Value {
        let text = include_str!("../../../tests/golden/degrade.json");
        serde_json::from_str::<serde_json::Value>(text).unwrap()[key].clone()
    }

    pub(super) fn farthest(ours: &[f32], theirs: &[f64]) -> f64 {
        assert_eq!(ours.len(), theirs.len());
        ours.iter().zip(theirs).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn a_picture_of_levels_is_the_same_after_it_was_floats() {
        for channels in [1, 3] {
            let image = Image::new(4, 7, channels, (0..28 * channels).map(|i| (i * 3) as u8).collect());
            assert_eq!(Planes::of(&image).image(), image);
        }
        let planes = Planes::of(&Image::new(2, 1, 3, vec![0, 51, 102, 153, 204, 255]));
        let expected = [0.0, 0.6, 0.2, 0.8, 0.4, 1.0];
        assert!(planes.values.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{planes:?}");
    }

    #[test]
    #[should_panic(expected = "2x2x3 is 12 values, got 11")]
    fn a_wrong_length_panics_with_both_numbers() {
        Planes::new(2, 2, 3, vec![0.0; 11]);
    }

    #[test]
    fn chances_come_as_often_as_their_shares_say() {
        let mut chances = Chances::of(&Draws::new(1, 2), "picture", "test");
        let mut counts = [0usize; 4];
        (0..40_000).for_each(|_| counts[chances.choice(&[0.2, 0.0, 0.7, 0.1])] += 1);
        assert_eq!(counts[1], 0);
        assert!(counts[0].abs_diff(8_000) < 400 && counts[2].abs_diff(28_000) < 400, "{counts:?}");
        assert!((0..10_000).all(|_| (3..=5).contains(&chances.whole([3, 5]))));
        let mean = (0..40_000).map(|_| chances.between([-1.0, 3.0])).sum::<f64>() / 40_000.0;
        assert!((mean - 1.0).abs() < 0.03, "mean {mean}");
        let happened = (0..40_000).filter(|_| chances.happens(0.3)).count();
        assert!(happened.abs_diff(12_000) < 400, "{happened}");
    }

    #[test]
    fn every_order_of_three_things_is_as_likely() {
        let mut chances = Chances::of(&Draws::new(1, 2), "picture", "order");
        let mut counts = std::collections::BTreeMap::new();
        (0..12_000).for_each(|_| *counts.entry(chances.shuffled([0, 1, 2])).or_insert(0usize) += 1);
        assert!(counts.len() == 6 && counts.values().all(|count| count.abs_diff(2_000) < 200), "{counts:?}");
    }
}
