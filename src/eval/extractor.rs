//! The networks that turn pictures into features, and raw pixels.

use std::path::Path;

use burn::tensor::{Tensor, TensorData};
use image::imageops::{FilterType, resize};
use image::{ImageBuffer, Luma, Rgb};

use super::digits::{self, Digits};
use super::features::Features;
use super::inception::{self, Inception};
use super::passport::{By, Side, sha256_of};
use super::pictures::Pictures;
use crate::data::images::signed;
use crate::device;
use crate::error::{Error, Result};
use crate::loss::perceptual::{SQUEEZENET_SHA256, SqueezeNet};
use crate::media::Image;
use crate::report::{Progress, Report};

/// The side SqueezeNet sees.
const SQUEEZENET_SIDE: u32 = 128;
const AT_A_TIME: usize = 50;
/// Of 299 pixels a side.
const LARGE_AT_A_TIME: usize = 10;

/// What features are made of. Only those of the Inception network of 2015 may be called FID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network<'a> {
    /// The pixels themselves, in [0, 1].
    Pixels,
    /// SqueezeNet 1.1 of ImageNet: the last fire module, averaged over the picture; 512 features of pictures brought to 128
    /// pixels by an antialiased bilinear filter.
    SqueezeNet,
    /// The classifier of digits: 128 features, for pictures of 28 pixels; grey, or made so.
    Digits,
    /// The Inception network of 2015 with the weights of this file: 2048 features and 1008 logits of any pictures.
    Inception(&'a Path),
}

/// A network, loaded.
pub enum Extractor {
    /// See [`Network::Pixels`].
    Pixels,
    /// See [`Network::SqueezeNet`].
    SqueezeNet(Box<SqueezeNet>),
    /// See [`Network::Digits`].
    Digits(Box<Digits>),
    /// See [`Network::Inception`].
    Inception(Box<Inception>),
}

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

impl Extractor {
    /// The network with its weights, fetched or learned the first time.
    pub fn load(network: Network<'_>, report: Report<'_>) -> Result<Self> {
        Ok(match network {
            Network::Pixels => Extractor::Pixels,
            Network::SqueezeNet => Extractor::SqueezeNet(Box::new(SqueezeNet::load(&device::cpu(), report)?)),
            Network::Digits => Extractor::Digits(Box::new(Digits::load(report)?)),
            Network::Inception(weights) => Extractor::Inception(Box::new(Inception::load(weights)?)),
        })
    }

    /// What passports say of it.
    pub fn by(&self) -> By {
        By {
            features: self.name().to_owned(),
            sha256: self.sha256().map(str::to_owned),
            resize: Some(self.resize().to_owned()),
            quantisation: Some("8 bits, rounded".to_owned()),
        }
    }

    /// The network's name in passports and on the command line.
    fn name(&self) -> &'static str {
        match self {
            Extractor::Pixels => "pixels",
            Extractor::SqueezeNet(_) => "squeezenet",
            Extractor::Digits(_) => "digits",
            Extractor::Inception(_) => "inception",
        }
    }

    /// SHA-256 of the weights' file.
    fn sha256(&self) -> Option<&str> {
        match self {
            Extractor::Pixels => None,
            Extractor::SqueezeNet(_) => Some(SQUEEZENET_SHA256),
            Extractor::Digits(digits) => Some(&digits.sha256),
            Extractor::Inception(net) => Some(&net.sha256),
        }
    }

    /// How pictures are brought to the network's size.
    fn resize(&self) -> &'static str {
        match self {
            Extractor::Pixels | Extractor::Digits(_) => "none",
            Extractor::SqueezeNet(_) => "128, bilinear, antialiased",
            Extractor::Inception(_) => "299, bilinear as in TensorFlow 1",
        }
    }

    /// The features of pictures. An error when the network cannot take them.
    pub fn see(&self, pictures: &Pictures, report: Report<'_>) -> Result<Seen> {
        let (name, images, side) = (&pictures.side.name, &pictures.images, pictures.side.clone());
        match self {
            Extractor::Pixels => {
                let values = images.iter().flat_map(|image| &image.pixels).map(|level| f64::from(*level) / 255.0);
                let features = Features::new(name, images[0].pixels.len(), values.collect())?;
                Ok(Seen { side, features, logits: None })
            }
            Extractor::SqueezeNet(net) => {
                let mut values = Vec::new();
                for some in images.chunks(AT_A_TIME) {
                    let done = (values.len() / 512) as u64;
                    report(Progress { what: "looking at pictures", done, total: Some(images.len() as u64) });
                    values.extend(net.pooled(batch(some)).into_data().iter::<f64>());
                }
                Ok(Seen { side, features: Features::new(name, 512, values)?, logits: None })
            }
            Extractor::Digits(net) => {
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
            Extractor::Inception(net) => {
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
        }
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
