//! Feature vectors: what most metrics compare.

use crate::error::{Error, Result};

/// n vectors of one width, all finite. f32 values are kept exactly.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    name: String,
    width: usize,
    values: Vec<f64>, // [rows, width]
}

impl Features {
    /// `values` `[rows, width]`, called `name` in errors. An error when there are none or one is not finite.
    ///
    /// # Panics
    /// When the width is 0 or does not divide the count of values.
    pub fn new(name: &str, width: usize, values: Vec<f64>) -> Result<Self> {
        assert!(width > 0 && values.len().is_multiple_of(width), "{} values of width {width}", values.len());
        Features::unchecked(name, width, values).checked()
    }

    /// The same of what nobody looked at yet.
    pub(super) fn unchecked(name: &str, width: usize, values: Vec<f64>) -> Self {
        Features { name: name.to_owned(), width, values }
    }

    /// An error when there are no values or one is not finite.
    pub(super) fn checked(self) -> Result<Self> {
        let Features { name, width, values } = &self;
        if values.is_empty() {
            return Err(Error::input(format!("{name} holds no samples")));
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(Error::input(format!(
                "{name} holds {} in row {}, column {}; every feature must be a finite number",
                values[at],
                at / width,
                at % width
            )));
        }
        Ok(self)
    }

    /// What errors call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of vectors.
    pub fn rows(&self) -> usize {
        self.values.len() / self.width
    }

    /// Entries of a vector.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All values, `[rows, width]`.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// One vector.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.width..][..self.width]
    }

    /// These rows, in this order.
    pub fn select(&self, rows: &[usize]) -> Self {
        let values = rows.iter().flat_map(|&row| self.row(row)).copied().collect();
        Features { name: self.name.clone(), width: self.width, values }
    }

    /// An error when two sets differ in width, or one has fewer rows than `least`.
    pub fn comparable(&self, other: &Features, least: usize) -> Result<()> {
        if self.width != other.width {
            return Err(Error::input(format!(
                "{} has {} features a sample, {} has {}; compare features of one network",
                self.name, self.width, other.name, other.width
            )));
        }
        for side in [self, other] {
            side.at_least(least)?;
        }
        Ok(())
    }

    /// An error when there are fewer rows than `least`.
    pub fn at_least(&self, least: usize) -> Result<()> {
        if self.rows() < least {
            return Err(Error::input(format!(
                "{} has {} samples; this metric needs at least {least}",
                self.name,
                self.rows()
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The features the golden numbers were made of: uniform by splitmix64, mixed between neighbouring columns.
    pub(crate) fn golden(seed: u64, rows: usize, width: usize, scale: f64, shift: f64) -> Features {
        let uniform = |i: usize| {
            let mut z = seed.wrapping_add((i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) >> 44) as f64 / (1 << 20) as f64
        };
        let value = |i: usize| {
            let next = i - i % width + (i % width + 1) % width;
            (uniform(i) + 0.5 * uniform(next)) * scale + shift
        };
        Features::new(&format!("golden-{seed}"), width, (0..rows * width).map(value).collect()).unwrap()
    }

    #[test]
    fn golden_features_are_those_of_numpy() {
        let (a, b) = (golden(1, 1200, 16, 1.0, 0.0), golden(2, 1100, 16, 0.75, 0.25));
        assert_eq!(a.row(0)[..3], [0.9394512176513672, 1.2312822341918945, 1.1931819915771484]);
        let sums = [a, b].map(|x| x.values().iter().sum::<f64>());
        assert!((sums[0] - 14250.032515525818).abs() < 1e-8 && (sums[1] - 14302.454963684082).abs() < 1e-8);
    }
}
