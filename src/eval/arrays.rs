//! numpy's arrays in files: features, a row for each sample, or the mean and the covariance of some, as pytorch-fid saves them.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use burn::tensor::f16;
use npyz::NpyFile;

use super::features::Features;
use crate::error::{Error, Result};
use crate::memory;

/// How many times as long as it is stored an array may be.
const MOST_TIMES: u64 = 100;
/// Bytes that an array may always have.
const SMALL: u64 = 256 << 20;

/// What a file says of samples.
pub enum Given {
    /// Their features.
    Features(Features),
    /// The Gaussian that is taken for them.
    Statistics(Statistics),
}

/// The mean and the covariance of features, all finite.
#[derive(Debug)]
pub struct Statistics {
    /// What errors call it.
    pub name: String,
    /// `[width]`.
    pub mean: Vec<f64>,
    /// `[width, width]`.
    pub covariance: Vec<f64>,
}

/// Numbers in the order of the last axis, and the sides.
struct Array {
    sides: Vec<usize>,
    values: Vec<f64>,
}

impl Given {
    /// A .npy file, or the one array of a .npz file: two-dimensional, of f16, f32 or f64, under any name; or a .npz file with `mu`
    /// and `sigma`. An error names the file, and comes before much memory is taken.
    pub fn read(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| Error::io("read the features", path, &error))?;
        let bytes = file.metadata().map_err(|error| Error::io("read the features", path, &error))?.len();
        let is_npz = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz"));
        let read = || {
            if !is_npz {
                return features(&name, array(file, [bytes, bytes], memory::half_of_free())?);
            }
            let mut archive = zip::ZipArchive::new(file).map_err(|error| error.to_string())?;
            let mut members = archive.file_names().map(str::to_owned).collect::<Vec<_>>();
            members.sort();
            let mut of = |member: &str| {
                let member = archive.by_name(member).map_err(|error| error.to_string())?;
                let sizes = [member.compressed_size().min(bytes), member.size()];
                array(member, sizes, memory::half_of_free())
            };
            match members.as_slice() {
                [only] => features(&name, of(only)?),
                [mean, covariance] if [mean.as_str(), covariance.as_str()] == ["mu.npy", "sigma.npy"] => {
                    statistics(&name, of(mean)?, of(covariance)?).map(Given::Statistics)
                }
                several => Err(format!(
                    "it holds {} arrays; save one alone, or mu and sigma as pytorch-fid does",
                    several.len()
                )),
            }
        };
        let broken = |why: String| Error::input(format!("{name} is not an array of features: {why}"));
        match read().map_err(broken)? {
            Given::Features(features) => features.checked().map(Given::Features),
            statistics => Ok(statistics),
        }
    }

    /// What errors call it.
    pub fn name(&self) -> &str {
        match self {
            Given::Features(features) => features.name(),
            Given::Statistics(statistics) => &statistics.name,
        }
    }
}

fn features(name: &str, Array { sides, values }: Array) -> Result<Given, String> {
    let &[rows, width] = sides.as_slice() else {
        return Err(format!("its shape is {sides:?}; it must have rows and columns"));
    };
    match width {
        0 => Err(format!("it has {rows} rows and no columns")),
        _ => Ok(Given::Features(Features::unchecked(name, width, values))),
    }
}

fn statistics(name: &str, mean: Array, covariance: Array) -> Result<Statistics, String> {
    let width = mean.values.len();
    if width == 0 || covariance.sides != [width, width] {
        let (mean, covariance) = (mean.sides, covariance.sides);
        return Err(format!("its mu is {mean:?} and its sigma {covariance:?}; a mean of n goes with n x n"));
    }
    if mean.values.iter().chain(&covariance.values).any(|value| !value.is_finite()) {
        return Err("its mu or sigma holds what is no finite number".to_owned());
    }
    Ok(Statistics { name: name.to_owned(), mean: mean.values, covariance: covariance.values })
}

/// The array that a file of so many bytes holds, stored and unpacked, in at most `room` bytes of memory.
fn array(file: impl Read, [stored, unpacked]: [u64; 2], room: u64) -> Result<Array, String> {
    let gigabytes = |bytes: u64| bytes as f64 / 1e9;
    if unpacked > SMALL && unpacked / MOST_TIMES > stored {
        return Err(format!(
            "its {} bytes would become {:.1} GB, which features never do; save them again without compression",
            stored,
            gigabytes(unpacked)
        ));
    }
    let array = NpyFile::new(file.take(unpacked)).map_err(|error| error.to_string())?;
    let (order, shape) = (array.order(), array.shape().to_vec());
    let count = shape.iter().try_fold(1_u64, |count, side| count.checked_mul(*side));
    let count = count.filter(|count| *count <= unpacked / 2).ok_or("it ends before all of its numbers")?;
    if count.saturating_mul(8) > room {
        return Err(format!(
            "its {count} numbers take {:.1} GB, and {:.1} GB may be taken; give fewer rows",
            gigabytes(count * 8),
            gigabytes(room)
        ));
    }
    let values = match array.try_data::<f64>() {
        Ok(reader) => reader.collect::<std::io::Result<Vec<f64>>>(),
        Err(array) => match array.try_data::<f32>() {
            Ok(reader) => reader.map(|value| value.map(f64::from)).collect(),
            Err(array) => {
                let halves = array.try_data::<f16>().map_err(|_| "its numbers are neither f16, f32 nor f64")?;
                halves.map(|value| value.map(f64::from)).collect()
            }
        },
    };
    let values = values.map_err(|error| error.to_string())?;
    let sides = shape.iter().map(|side| *side as usize).collect::<Vec<_>>();
    let values = match (order, sides.as_slice()) {
        (npyz::Order::Fortran, &[rows, width]) => {
            (0..rows * width).map(|i| values[i % width * rows + i / width]).collect()
        }
        _ => values,
    };
    Ok(Array { sides, values })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A .npy file, as numpy writes it.
    fn npy(kind: &str, order: bool, shape: &str, numbers: &[u8]) -> Vec<u8> {
        let order = if order { "True" } else { "False" };
        let header = format!("{{'descr': '{kind}', 'fortran_order': {order}, 'shape': {shape}, }}");
        let header = format!("{header:<117}\n");
        [b"\x93NUMPY\x01\x00".as_slice(), &(header.len() as u16).to_le_bytes(), header.as_bytes(), numbers].concat()
    }

    fn singles(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    fn npz(path: &Path, members: &[(&str, Vec<u8>)]) {
        let mut archive = zip::ZipWriter::new(File::create(path).unwrap());
        for (name, bytes) in members {
            archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            std::io::Write::write_all(&mut archive, bytes).unwrap();
        }
        archive.finish().unwrap();
    }

    fn read(path: &Path) -> Features {
        match Given::read(path).unwrap() {
            Given::Features(features) => features,
            Given::Statistics(_) => panic!("statistics"),
        }
    }

    #[test]
    fn arrays_of_every_precision_are_read_in_either_order_and_bad_files_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let doubles = [1.0_f64, 2.0, 3.0, 4.0, 5.0, 6.0].map(f64::to_le_bytes).concat();
        let halves = [0x3c00_u16, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600].map(u16::to_le_bytes).concat();
        let rows = singles(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        for (kind, order, numbers) in [
            ("<f4", false, rows.clone()),
            ("<f4", true, singles(&[1.0, 4.0, 2.0, 5.0, 3.0, 6.0])),
            ("<f8", false, doubles),
            ("<f2", false, halves),
        ] {
            std::fs::write(path("a.npy"), npy(kind, order, "(2, 3)", &numbers)).unwrap();
            let features = read(&path("a.npy"));
            assert_eq!((features.width(), features.values()), (3, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0].as_slice()), "{kind}");
        }
        npz(&path("a.npz"), &[("features.npy", npy("<f4", false, "(1, 2)", &singles(&[7.0, 8.0])))]);
        assert_eq!(read(&path("a.npz")).values(), [7.0, 8.0]);

        std::fs::write(path("flat.npy"), npy("<f4", false, "(4,)", &singles(&[1.0; 4]))).unwrap();
        std::fs::write(path("nan.npy"), npy("<f4", false, "(1, 2)", &singles(&[1.0, f32::NAN]))).unwrap();
        std::fs::write(path("none.npy"), npy("<f4", false, "(0, 2)", &[])).unwrap();
        std::fs::write(path("whole.npy"), npy("<i8", false, "(1, 2)", &[0; 16])).unwrap();
        std::fs::write(path("long.npy"), npy("<f4", false, "(1000000000000, 2)", &rows)).unwrap();
        std::fs::write(path("text.npz"), "no archive").unwrap();
        npz(&path("two.npz"), &[("a.npy", rows.clone()), ("b.npy", rows)]);
        for (name, why) in [
            ("flat.npy", "rows and columns"),
            ("nan.npy", "NaN in row 0, column 1"),
            ("none.npy", "no samples"),
            ("whole.npy", "neither f16, f32 nor f64"),
            ("long.npy", "ends before all of its numbers"),
            ("text.npz", "not an array of features"),
            ("two.npz", "it holds 2 arrays; save one alone, or mu and sigma"),
            ("absent.npy", "absent.npy"),
        ] {
            let error = Given::read(&path(name)).err().unwrap();
            assert!(error.to_string().contains(why) && error.to_string().contains(name), "{error}");
            assert_eq!(error.exit_code(), 2);
        }
    }

    #[test]
    fn a_mean_and_a_covariance_as_pytorch_fid_saves_them_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stats.npz");
        let mean = npy("<f4", false, "(2,)", &singles(&[1.0, 2.0]));
        let covariance = npy("<f8", false, "(2, 2)", &[4.0_f64, 0.5, 0.5, 3.0].map(f64::to_le_bytes).concat());
        npz(&path, &[("sigma.npy", covariance), ("mu.npy", mean.clone())]);
        let Given::Statistics(found) = Given::read(&path).unwrap() else { panic!("features") };
        assert_eq!((found.mean, found.covariance), (vec![1.0, 2.0], vec![4.0, 0.5, 0.5, 3.0]));
        npz(&path, &[("mu.npy", mean.clone()), ("sigma.npy", mean)]);
        let error = Given::read(&path).err().unwrap().to_string();
        assert!(error.contains("its mu is [2] and its sigma [2]"), "{error}");
    }

    #[test]
    fn an_array_that_unpacks_to_gigabytes_is_refused_before_it_is_unpacked() {
        let header = npy("<f4", false, "(1000000, 1000)", &[]);
        let why = array(header.as_slice(), [3_800_000, 4_000_000_080], 16 << 30).err().unwrap();
        assert!(why.contains("its 3800000 bytes would become 4.0 GB"), "{why}");
        let why = array(header.as_slice(), [4_000_000_080; 2], 1 << 30).err().unwrap();
        assert!(why.contains("its 1000000000 numbers take 8.0 GB, and 1.1 GB may be taken"), "{why}");
    }
}
