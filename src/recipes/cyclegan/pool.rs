//! The pool of earlier fakes that a critic is shown, so that G cannot win by forgetting what D has learned.

use burn::tensor::{Device, Tensor, s};

use crate::parts::Parts;
use crate::random::Draws;

/// Up to `capacity` pictures `[channels, side, side]` (Shrivastava et al. 2017, "Learning from Simulated and Unsupervised
/// Images through Adversarial Training", section 2.3, as CycleGAN uses it).
pub struct Pool {
    pictures: Tensor<4>, // [capacity, channels, side, side], zeros where none is held yet
    held: u64,
}

impl Pool {
    /// An empty pool. With a capacity of 0 it gives back what it is given.
    pub fn new(capacity: usize, [channels, side]: [usize; 2], device: &Device) -> Self {
        Pool { pictures: Tensor::zeros([capacity, channels, side, side], device), held: 0 }
    }

    /// As many pictures as are given, `[n, channels, side, side]`, one after the other: while there is room, a picture is kept
    /// and given back; then, with probability 1/2, an old one is given back and the new one kept in its place.
    pub fn exchange(&mut self, new: Tensor<4>, draws: &Draws, name: &str) -> Tensor<4> {
        let (n, capacity) = (new.dims()[0], self.pictures.dims()[0]);
        if capacity == 0 {
            return new;
        }
        let swaps = draws.indices(&format!("{name}.swaps"), 2, n);
        let places = draws.indices(&format!("{name}.places"), capacity as u32, n);
        let shown = (0..n).map(|i| {
            let picture = new.clone().narrow(0, i, 1);
            if self.held < capacity as u64 {
                self.keep(self.held as usize, picture.clone());
                self.held += 1;
                return picture;
            }
            match swaps[i] {
                1 => {
                    let old = self.pictures.clone().narrow(0, places[i] as usize, 1);
                    self.keep(places[i] as usize, picture);
                    old
                }
                _ => picture,
            }
        });
        Tensor::cat(shown.collect(), 0)
    }

    fn keep(&mut self, place: usize, picture: Tensor<4>) {
        let none = Tensor::empty([0, 0, 0, 0], &self.pictures.device());
        let pictures = std::mem::replace(&mut self.pictures, none); // nobody else holds it, so that it changes in place
        self.pictures = pictures.slice_assign(s![place..place + 1], picture);
    }

    /// Names what a checkpoint must hold.
    pub fn parts(&mut self, part: &str, visit: &mut Parts) {
        visit.tensor(part, "pictures", &mut self.pictures);
        visit.number(part, "held", &mut self.held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::TensorData;

    /// Pictures of one pixel, whose level is the moment they came.
    fn of(moments: &[f32]) -> Tensor<4> {
        Tensor::from_data(TensorData::new(moments.to_vec(), [moments.len(), 1, 1, 1]), &Device::flex())
    }

    #[test]
    fn a_pool_gives_new_pictures_until_it_is_full_and_then_new_and_old_ones_by_turns() {
        // The law, with a capacity c: half of what it gives is new; an old picture leaves at each exchange with probability
        // 1/(2c), so that what is given is c old in the mean and at most c old with 1/2 + (1 - (1 - 1/(2c))^c)/2 = 0.6975.
        const CAPACITY: usize = 50;
        let mut pool = Pool::new(CAPACITY, [1, 1], &Device::flex());
        let (mut new, mut young, mut age, mut counted) = (0, 0, 0.0, 0);
        for step in 0..6000_u64 {
            let now = step as f32 * 4.0;
            let given = of(&[now, now + 1.0, now + 2.0, now + 3.0]);
            let shown =
                pool.exchange(given, &Draws::new(1, step), "pool").into_data().iter::<f32>().collect::<Vec<f32>>();
            let ages = shown.iter().enumerate().map(|(i, came)| now + i as f32 - came).collect::<Vec<f32>>();
            if (step + 1) * 4 <= CAPACITY as u64 {
                assert_eq!(ages, [0.0; 4], "there is room in step {step}");
            } else if step > 200 {
                new += ages.iter().filter(|age| **age == 0.0).count();
                young += ages.iter().filter(|age| **age <= CAPACITY as f32).count();
                age += f64::from(ages.iter().sum::<f32>());
                counted += 4;
            }
        }
        let [share, young] = [new, young].map(|count| count as f64 / f64::from(counted));
        let mean = age / f64::from(counted);
        assert!((young - 0.6975).abs() < 0.02, "{young} are at most {CAPACITY} old");
        assert!((share - 0.5).abs() < 0.02 && (mean - 50.0).abs() < 3.0, "{share} are new, {mean} old in the mean");
    }

    #[test]
    fn without_capacity_what_is_given_comes_back() {
        let mut pool = Pool::new(0, [1, 1], &Device::flex());
        let shown = pool.exchange(of(&[3.0, 4.0]), &Draws::new(0, 0), "pool");
        assert_eq!(shown.into_data(), of(&[3.0, 4.0]).into_data());
    }
}
