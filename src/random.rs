//! Randomness as a function: every draw follows from (seed, step, name), so a resumed run has nothing to restore.

use burn::tensor::{Device, Tensor, TensorData};
pub use ganvas_kernels::Dropout;
use rand::{Rng, SeedableRng};
use rand_distr::{Beta, Distribution, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;
use sha2::{Digest, Sha256};

/// The random draws of one moment of a run. Two draws are independent when their names differ, and equal when seed,
/// step and name are equal, whatever was drawn in between and on whichever machine.
#[derive(Clone, Copy, Debug)]
pub struct Draws {
    seed: u64,
    step: u64,
}

impl Draws {
    /// The draws of a run with `seed` in step `step`.
    pub fn new(seed: u64, step: u64) -> Self {
        Draws { seed, step }
    }

    /// The generator behind one named draw: xoshiro256++ seeded with SHA-256 of (seed, step, name).
    pub fn stream(&self, name: &str) -> Xoshiro256PlusPlus {
        let mut key = Sha256::new();
        key.update(self.seed.to_le_bytes());
        key.update(self.step.to_le_bytes());
        key.update(name.as_bytes());
        Xoshiro256PlusPlus::from_seed(key.finalize().into())
    }

    /// Independent N(0, 1) values.
    pub fn normal<const D: usize>(&self, name: &str, shape: [usize; D], device: &Device) -> Tensor<D> {
        Tensor::from_data(TensorData::new(self.normals(name, shape.iter().product()), shape), device)
    }

    /// The same on the host, `count` of them.
    pub fn normals(&self, name: &str, count: usize) -> Vec<f32> {
        let mut stream = self.stream(name);
        (0..count).map(|_| StandardNormal.sample(&mut stream)).collect()
    }

    /// `count` independent shares from Beta(a, a), on the host. Panics unless `a` is above 0.
    pub fn betas(&self, name: &str, a: f64, count: usize) -> Vec<f32> {
        let Ok(beta) = Beta::new(a, a) else { panic!("there is no Beta({a}, {a})") };
        let mut stream = self.stream(name);
        (0..count).map(|_| beta.sample(&mut stream) as f32).collect()
    }

    /// Independent values from U(low, high).
    pub fn uniform<const D: usize>(
        &self,
        name: &str,
        shape: [usize; D],
        (low, high): (f32, f32),
        device: &Device,
    ) -> Tensor<D> {
        let mut stream = self.stream(name);
        let values = (0..shape.iter().product()).map(|_| low + (high - low) * unit(&mut stream)).collect::<Vec<f32>>();
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    /// One value from U(0, 1).
    pub fn share(&self, name: &str) -> f64 {
        unit(&mut self.stream(name)).into()
    }

    /// The randomness of one dropout; its mask follows from this and the elements' indices.
    pub fn dropout(&self, name: &str, share: f64) -> Dropout {
        Dropout { key: self.stream(name).next_u64(), share }
    }

    /// A uniformly random order of 0..n (Fisher-Yates).
    pub fn permutation(&self, name: &str, n: u32) -> Vec<u32> {
        let mut stream = self.stream(name);
        let mut order = (0..n).collect::<Vec<u32>>();
        for i in (1..order.len()).rev() {
            order.swap(i, below(&mut stream, i as u32 + 1) as usize);
        }
        order
    }

    /// `count` independent indices below `n`, with repetition. Panics if `n` is 0.
    pub fn indices(&self, name: &str, n: u32, count: usize) -> Vec<u32> {
        assert!(n > 0, "no index lies below 0");
        let mut stream = self.stream(name);
        (0..count).map(|_| below(&mut stream, n)).collect()
    }
}

/// The distribution of a latent vector's independent entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Prior {
    /// N(0, 1).
    #[default]
    Normal,
    /// U(-1, 1).
    Uniform,
}

impl Prior {
    /// Independent entries under this prior.
    pub fn draw<const D: usize>(self, draws: &Draws, name: &str, shape: [usize; D], device: &Device) -> Tensor<D> {
        match self {
            Prior::Normal => draws.normal(name, shape, device),
            Prior::Uniform => draws.uniform(name, shape, (-1.0, 1.0), device),
        }
    }

    /// The same, with the entries that are further than `most` from 0 drawn again until none is: the truncation trick of Brock et al.
    /// 2019, section 3.1. Panics unless `most` is above 0.
    pub fn draw_within<const D: usize>(
        self,
        most: f32,
        draws: &Draws,
        name: &str,
        shape: [usize; D],
        device: &Device,
    ) -> Tensor<D> {
        assert!(most > 0.0, "no entries are within {most} of 0");
        let read = |name: &str| self.draw(draws, name, shape, device).into_data().iter::<f32>().collect::<Vec<f32>>();
        let mut values = read(name);
        let mut again = 0;
        while values.iter().any(|value| value.abs() > most) {
            again += 1;
            let others = read(&format!("{name}.again.{again}"));
            values
                .iter_mut()
                .zip(others)
                .filter(|(value, _)| value.abs() > most)
                .for_each(|(value, other)| *value = other);
        }
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    /// The share `t` of the way from a to b `[1, width]`: along the great circle under the normal prior, whose
    /// vectors lie near a sphere (Shoemake 1985), along the line under the uniform one.
    pub fn between(self, a: Tensor<2>, b: Tensor<2>, t: f32) -> Tensor<2> {
        let (from, to) = match self {
            Prior::Uniform => (1.0 - t, t),
            Prior::Normal => {
                let length = |v: &Tensor<2>| v.clone().square().sum().sqrt().into_scalar::<f32>();
                let dot = (a.clone() * b.clone()).sum().into_scalar::<f32>();
                let angle = (dot / (length(&a) * length(&b))).clamp(-1.0, 1.0).acos();
                if angle.sin() < 1e-4 {
                    (1.0 - t, t) // the same direction, or opposite ones
                } else {
                    (((1.0 - t) * angle).sin() / angle.sin(), (t * angle).sin() / angle.sin())
                }
            }
        };
        a * from + b * to
    }
}

/// A value in [0, 1) with 24 random bits.
fn unit(stream: &mut impl Rng) -> f32 {
    (stream.next_u64() >> 40) as f32 / 16_777_216.0
}

/// An unbiased integer below `n` (Lemire 2019, "Fast random integer generation in an interval").
fn below(stream: &mut impl Rng, n: u32) -> u32 {
    loop {
        let wide = u64::from((stream.next_u64() >> 32) as u32) * u64::from(n);
        if wide as u32 >= n.wrapping_neg() % n {
            return (wide >> 32) as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::floats;

    fn mean_and_variance(values: &[f64]) -> (f64, f64) {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
        (mean, variance)
    }

    #[test]
    fn entries_beyond_a_bound_are_drawn_again_and_the_others_stay() {
        let (draws, device) = (Draws::new(3, 0), Device::flex());
        let free = floats(Prior::Normal.draw(&draws, "z", [2000], &device));
        let bound = floats(Prior::Normal.draw_within(0.5, &draws, "z", [2000], &device));
        assert!(bound.iter().all(|value| value.abs() <= 0.5));
        let kept = free.iter().zip(&bound).filter(|(free, _)| free.abs() <= 0.5);
        assert!(kept.clone().count() > 700 && kept.clone().all(|(free, bound)| free == bound));
        // The deviation of a normal distribution cut at half a deviation (scipy.stats.truncnorm(-0.5, 0.5).std()).
        let (mean, variance) = mean_and_variance(&bound);
        assert!(mean.abs() < 0.03 && (variance.sqrt() - 0.2839).abs() < 0.01, "{mean}, {}", variance.sqrt());
    }

    #[test]
    fn a_draw_depends_on_seed_step_and_name_and_nothing_else() {
        let draw = |seed, step, name| floats(Draws::new(seed, step).normal(name, [4], &Device::flex()));
        assert_eq!(draw(1, 2, "z"), draw(1, 2, "z"));
        assert_ne!(draw(1, 2, "z"), draw(2, 2, "z"));
        assert_ne!(draw(1, 2, "z"), draw(1, 3, "z"));
        assert_ne!(draw(1, 2, "z"), draw(1, 2, "y"));
    }

    #[test]
    fn the_draws_are_those_of_an_independent_implementation_and_stay_so() {
        // Made by tests/golden/draws.py. Another value here means that runs of earlier releases do not repeat.
        let mut stream = Draws::new(7, 11).stream("z");
        assert_eq!([stream.next_u64(), stream.next_u64()], [4151575807024806810, 12288585670653857515]);
        assert_eq!(Draws::new(7, 11).permutation("p", 8), [3, 1, 2, 4, 5, 6, 7, 0]);
    }

    #[test]
    fn the_way_between_two_latents_is_an_arc_under_the_normal_prior_and_a_line_under_the_uniform_one() {
        let vector = |x, y| Tensor::<2>::from_data([[x, y]], &Device::flex());
        let half = |prior: Prior| floats(prior.between(vector(1.0, 0.0), vector(0.0, 1.0), 0.5));
        let near = |values: Vec<f64>, wanted: f64| values.iter().all(|v| (v - wanted).abs() < 1e-6);
        assert!(near(half(Prior::Normal), 0.5_f64.sqrt()) && near(half(Prior::Uniform), 0.5));
        let same = Prior::Normal.between(vector(1.0, 0.0), vector(1.0, 0.0), 0.3);
        assert!(floats(same).iter().all(|v| v.is_finite()), "no division by the sine of no angle");
    }

    #[test]
    fn normal_draws_have_mean_zero_and_variance_one() {
        let (mean, variance) = mean_and_variance(&floats(Draws::new(1, 0).normal("z", [200_000], &Device::flex())));
        assert!(mean.abs() < 0.01 && (variance - 1.0).abs() < 0.02, "mean {mean}, variance {variance}");
    }

    #[test]
    fn uniform_draws_fill_their_interval_evenly() {
        let drawn = floats(Draws::new(1, 0).uniform("z", [200_000], (-1.0, 3.0), &Device::flex()));
        let (mean, variance) = mean_and_variance(&drawn);
        assert!(drawn.iter().all(|v| (-1.0..3.0).contains(v)));
        assert!((mean - 1.0).abs() < 0.01 && (variance - 16.0 / 12.0).abs() < 0.02, "mean {mean}, variance {variance}");
    }

    #[test]
    fn beta_draws_have_their_moments_and_their_share_near_the_ends() {
        for (a, near_0) in [(0.2, 0.33669), (1.0, 0.1), (3.0, 0.00856)] {
            let drawn = Draws::new(1, 0).betas("b", a, 100_000);
            assert!(drawn.iter().all(|share| (0.0..=1.0).contains(share)), "Beta({a}, {a})");
            let drawn = drawn.into_iter().map(f64::from).collect::<Vec<_>>();
            let (mean, variance) = mean_and_variance(&drawn);
            assert!((mean - 0.5).abs() < 0.01, "Beta({a}, {a}) has the mean {mean}");
            assert!((variance - 0.25 / (2.0 * a + 1.0)).abs() < 0.003, "Beta({a}, {a}) has the variance {variance}");
            // scipy.stats.beta(a, a).cdf(0.1)
            let below = drawn.iter().filter(|share| **share < 0.1).count() as f64 / drawn.len() as f64;
            assert!((below - near_0).abs() < 0.006, "Beta({a}, {a}) is below 0.1 with the share {below}");
        }
    }

    #[test]
    fn a_permutation_holds_every_index_once_and_indices_stay_below_their_bound() {
        let mut order = Draws::new(3, 0).permutation("p", 1000);
        assert_ne!(order, (0..1000).collect::<Vec<u32>>());
        order.sort_unstable();
        assert_eq!(order, (0..1000).collect::<Vec<u32>>());
        let indices = Draws::new(3, 0).indices("i", 7, 7000);
        assert!((0..7).all(|k| (900..1100).contains(&indices.iter().filter(|&&i| i == k).count())));
    }
}
