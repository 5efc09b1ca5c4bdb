//! What a network makes of pictures: features, and a classifier's logits.

use burn::tensor::{Tensor, TensorData};
use image::imageops::{FilterType, resize};
use image::{ImageBuffer, Luma, Rgb};

use super::features::Features;
use super::pictures::Pictures;
use crate::data::images::signed;
use crate::device;
use crate::error::{Error, Result};
use crate::hash::sha256_of;
use crate::looks::{Look, digits, inception};
use crate::media::Image;
use crate::passport::{By, Side};
use crate::report::{Progress, Report};

/// The side SqueezeNet sees.
const SQUEEZENET_SIDE: u32 = 128;
const AT_A_TIME: usize = 50;
/// Of 299 pixels a side.
const LARGE_AT_A_TIME: usize = 10;

/// What a network makes of samples.
pub struct Seen {
    /// Where the samples come from.
    pub side: Side,
    /// `[n, ..]`.
    pub features: Features,
    /// `[n, classes]`, of a classifier.
    pub logits: Option<Features>,
}

impl Seen {
    /// Features that were given, with where they come from.
    pub fn given(features: Features) -> Self {
        let sha256 = sha256_of(features.values().iter().map(|value| value.to_le_bytes()));
        let (name, samples) = (features.name().to_owned(), features.rows());
        Seen { side: Side { name, part: None, samples, sha256, run: None }, features, logits: None }
    }
}

/// What passports say of a network.
pub fn by(look: &Look) -> By {
    By {
        features: look.name().to_owned(),
        sha256: look.sha256().map(str::to_owned),
        resize: Some(look.resize().to_owned()),
        quantisation: Some("8 bits, rounded".to_owned()),
    }
}

/// The features of pictures. An error when the network cannot take them.
pub fn see(look: &Look, pictures: &Pictures, report: Report<'_>) -> Result<Seen> {
    let (name, images, side) = (&pictures.side.name, &pictures.images, pictures.side.clone());
    match look {
        Look::Pixels => {
            let values = images.iter().flat_map(|image| &image.pixels).map(|level| f64::from(*level) / 255.0);
            let features = Features::new(name, images[0].pixels.len(), values.collect())?;
            Ok(Seen { side, features, logits: None })
        }
        Look::SqueezeNet(net) => {
            let mut values = Vec::new();
            for some in images.chunks(AT_A_TIME) {
                let done = (values.len() / 512) as u64;
                report(Progress { what: "looking at pictures", done, total: Some(images.len() as u64) });
                values.extend(net.pooled(batch(some)).into_data().iter::<f64>());
            }
            Ok(Seen { side, features: Features::new(name, 512, values)?, logits: None })
        }
        Look::Digits(net) => {
            let [width, height, _] = images[0].shape();
            if [width, height] != [28, 28] {
                return Err(Error::input(format!(
                    "{name} holds pictures of {width}x{height}; the classifier of digits takes 28x28. Give --features \
                     squeezenet"
                )));
            }
            let [features, logits] = net.look(&images.iter().flat_map(grey).collect::<Vec<u8>>());
            Ok(Seen {
                side,
                features: Features::new(name, digits::FEATURES, features)?,
                logits: Some(Features::new(name, digits::CLASSES, logits)?),
            })
        }
        Look::Inception(net) => {
            let [mut features, mut logits] = [Vec::new(), Vec::new()];
            for some in images.chunks(LARGE_AT_A_TIME) {
                let done = (features.len() / inception::FEATURES) as u64;
                report(Progress { what: "looking at pictures", done, total: Some(images.len() as u64) });
                let [more, of_them] = net.look(some);
                features.extend(more.into_data().iter::<f64>());
                logits.extend(of_them.into_data().iter::<f64>());
            }
            Ok(Seen {
                side,
                features: Features::new(name, inception::FEATURES, features)?,
                logits: Some(Features::new(name, inception::CLASSES, logits)?),
            })
        }
        Look::Vgg19(_) => Err(Error::input("vgg19 is a loss's; measure by squeezenet, digits, pixels or inception")),
    }
}

/// The levels of a picture without its colours (luma of ITU-R BT.601).
fn grey(image: &Image) -> Vec<u8> {
    match image.channels {
        1 => image.pixels.clone(),
        _ => {
            let luma =
                |p: &[u8]| (0.299 * f64::from(p[0]) + 0.587 * f64::from(p[1]) + 0.114 * f64::from(p[2])).round() as u8;
            image.pixels.chunks(3).map(luma).collect()
        }
    }
}

/// `[n, channels, 128, 128]` in [-1, 1].
fn batch(images: &[Image]) -> Tensor<4> {
    let [width, height, channels] = images[0].shape();
    let side = SQUEEZENET_SIDE;
    let resized = |image: &Image| -> Vec<u8> {
        let (width, height, pixels) = (width as u32, height as u32, image.pixels.clone());
        let whole = "an image holds all its pixels";
        if channels == 1 {
            let image = ImageBuffer::<Luma<u8>, _>::from_raw(width, height, pixels).expect(whole);
            resize(&image, side, side, FilterType::Triangle).into_raw()
        } else {
            let image = ImageBuffer::<Rgb<u8>, _>::from_raw(width, height, pixels).expect(whole);
            resize(&image, side, side, FilterType::Triangle).into_raw()
        }
    };
    let values = images.iter().flat_map(resized).map(signed).collect::<Vec<f32>>();
    let shape = [images.len(), side as usize, side as usize, channels];
    Tensor::<4>::from_data(TensorData::new(values, shape), &device::cpu()).permute([0, 3, 1, 2])
}
