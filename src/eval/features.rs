//! Feature vectors: what most metrics compare.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use npyz::NpyFile;

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
        Ok(Features { name: name.to_owned(), width, values })
    }

    /// The one array of a .npz file, or a .npy file: two-dimensional, f32 or f64, under any name.
    pub fn read(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let broken = |why: &dyn std::fmt::Display| Error::input(format!("{name} is not an array of features: {why}"));
        let mut file = File::open(path).map_err(|error| Error::io("read the features", path, &error))?;
        let mut bytes = Vec::new();
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz")) {
            let mut archive = zip::ZipArchive::new(file).map_err(|error| broken(&error))?;
            if archive.len() != 1 {
                return Err(broken(&format!("it holds {} arrays; save one alone", archive.len())));
            }
            let mut member = archive.by_index(0).map_err(|error| broken(&error))?;
            member.read_to_end(&mut bytes).map_err(|error| broken(&error))?;
        } else {
            file.read_to_end(&mut bytes).map_err(|error| broken(&error))?;
        }
        let array = NpyFile::new(bytes.as_slice()).map_err(|error| broken(&error))?;
        let (order, shape) = (array.order(), array.shape().to_vec());
        let &[rows, width] = shape.as_slice() else {
            return Err(broken(&format!("its shape is {shape:?}; it must have rows and columns")));
        };
        if width == 0 {
            return Err(broken(&"it has no columns"));
        }
        let values = match array.try_data::<f64>() {
            Ok(reader) => reader.collect::<std::io::Result<Vec<f64>>>(),
            Err(array) => {
                let reader = array.try_data::<f32>().map_err(|_| broken(&"its numbers are neither f32 nor f64"))?;
                reader.map(|value| value.map(f64::from)).collect()
            }
        };
        let values = values.map_err(|error| broken(&error))?;
        let (rows, width) = (rows as usize, width as usize);
        let values = match order {
            npyz::Order::C => values,
            npyz::Order::Fortran => (0..rows * width).map(|i| values[i % width * rows + i / width]).collect(),
        };
        Features::new(&name, width, values)
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

    fn npy(shape: &[u64], order: npyz::Order, values: &[f32]) -> Vec<u8> {
        use npyz::WriterBuilder;
        let mut bytes = Vec::new();
        let mut writer =
            npyz::WriteOptions::new().default_dtype().shape(shape).order(order).writer(&mut bytes).begin_nd().unwrap();
        writer.extend(values.iter().copied()).unwrap();
        writer.finish().unwrap();
        bytes
    }

    #[test]
    fn arrays_are_read_in_either_order_and_bad_files_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("c.npy"), npy(&[2, 3], npyz::Order::C, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])).unwrap();
        std::fs::write(path("f.npy"), npy(&[2, 3], npyz::Order::Fortran, &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0])).unwrap();
        for name in ["c.npy", "f.npy"] {
            let features = Features::read(&path(name)).unwrap();
            assert_eq!((features.width(), features.values()), (3, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0].as_slice()), "{name}");
        }
        let mut archive = zip::ZipWriter::new(File::create(path("a.npz")).unwrap());
        archive.start_file("features.npy", zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut archive, &npy(&[1, 2], npyz::Order::C, &[7.0, 8.0])).unwrap();
        archive.finish().unwrap();
        assert_eq!(Features::read(&path("a.npz")).unwrap().values(), [7.0, 8.0]);

        std::fs::write(path("flat.npy"), npy(&[4], npyz::Order::C, &[1.0; 4])).unwrap();
        std::fs::write(path("nan.npy"), npy(&[1, 2], npyz::Order::C, &[1.0, f32::NAN])).unwrap();
        std::fs::write(path("none.npy"), npy(&[0, 2], npyz::Order::C, &[])).unwrap();
        std::fs::write(path("text.npz"), "no archive").unwrap();
        for (name, why) in [
            ("flat.npy", "rows and columns"),
            ("nan.npy", "NaN in row 0, column 1"),
            ("none.npy", "no samples"),
            ("text.npz", "not an array of features"),
            ("absent.npy", "absent.npy"),
        ] {
            let error = Features::read(&path(name)).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains(name), "{error}");
        }
    }
}
