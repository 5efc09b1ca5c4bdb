//! Dropout whose mask is a function of a key and the element's index, so that it never has to be stored.

/// A dropout with its randomness: an element is dropped when a hash of `key` and its index falls below `share`.
///
/// What is kept is scaled by 1/(1 - share), so that the mean stays (inverted dropout).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// Another key is another, independent mask.
    pub key: u64,
    /// The share of elements to drop, in [0, 1).
    pub share: f64,
}

impl Dropout {
    /// The factor of the element at a flat index: 0 or 1/(1 - share).
    pub fn factor(&self, index: u32) -> f32 {
        if bits(index, self.key) < self.threshold() { 0.0 } else { self.scale() }
    }

    /// Hashes below this drop the element.
    pub(crate) fn threshold(&self) -> u32 {
        assert!((0.0..1.0).contains(&self.share), "a dropout of {} is not in [0, 1)", self.share);
        (self.share * 4_294_967_296.0) as u32
    }

    /// The factor of what is kept.
    pub(crate) fn scale(&self) -> f32 {
        (1.0 / (1.0 - self.share)) as f32
    }
}

/// 32 bits that depend on every bit of the index and the key: the finaliser of MurmurHash3 on the index and the key's
/// lower half, then lowbias32 (Wellons 2018) with the upper half mixed in between.
#[inline(always)]
pub(crate) fn bits(index: u32, key: u64) -> u32 {
    let mut h = index.wrapping_mul(0x9e37_79b1) ^ key as u32;
    h = (h ^ (h >> 16)).wrapping_mul(0x85eb_ca6b);
    h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35) ^ (key >> 32) as u32;
    h = (h ^ (h >> 16)).wrapping_mul(0x7feb_352d);
    h = (h ^ (h >> 15)).wrapping_mul(0x846c_a68b);
    h ^ (h >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_dropped_is_the_share_asked_for_and_neighbours_are_independent() {
        for key in [0, 1, 0x1234_5678_9abc_def0, u64::MAX] {
            let dropout = Dropout { key, share: 0.3 };
            let n = 400_000;
            let dropped = |i: u32| f64::from(u8::from(dropout.factor(i) == 0.0)) - 0.3;
            let mean = (0..n).map(dropped).sum::<f64>() / f64::from(n);
            assert!(mean.abs() < 0.004, "key {key}: the share is off by {mean}");
            for lag in [1, 2, 16, 256, 1024] {
                let together = (0..n).map(|i| dropped(i) * dropped(i + lag)).sum::<f64>() / f64::from(n) / 0.21;
                assert!(together.abs() < 0.01, "key {key}: correlation {together} at a distance of {lag}");
            }
        }
    }

    #[test]
    fn masks_of_neighbouring_keys_are_independent() {
        let dropped = |key, i| f64::from(u8::from(Dropout { key, share: 0.5 }.factor(i) == 0.0)) - 0.5;
        for (a, b) in [(0, 1), (7, 8), (1 << 32, 2 << 32), (5, 5 + (1 << 32))] {
            let together = (0..100_000).map(|i| dropped(a, i) * dropped(b, i)).sum::<f64>() / 25_000.0;
            assert!(together.abs() < 0.02, "keys {a} and {b}: correlation {together}");
        }
    }
}
