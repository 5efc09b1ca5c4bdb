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
        Seen { side: Seen::side_of(&features), features, logits: None }
    }

    /// Where given features come from.
    pub(super) fn side_of(features: &Features) -> Side {
        let sha256 = sha256_of(features.values().iter().map(|value| value.to_le_bytes()));
        Side { name: features.name().to_owned(), part: None, samples: features.rows(), sha256, run: None }
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

/// The features of pictures, of any sizes where the network resizes them. An error when the network cannot take them.
pub fn see(look: &Look, pictures: &Pictures, report: Report<'_>) -> Result<Seen> {
    let (name, images, side) = (&pictures.side.name, &pictures.images, pictures.side.clone());
    match look {
        Look::Pixels => {
            of_one_size(pictures)?;
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
            let other = images.iter().find(|image| [image.width, image.height] != [28, 28]);
            if let Some(Image { width, height, .. }) = other {
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

/// An error when the pictures differ in shape, as whole photographs do.
fn of_one_size(pictures: &Pictures) -> Result<()> {
    let [width, height, channels] = pictures.images[0].shape();
    match pictures.images.iter().find(|image| image.shape() != [width, height, channels]) {
        Some(other) => Err(Error::input(format!(
            "{} holds pictures of {width}x{height} and of {}x{}, whose pixels do not compare. Give --features squeezenet",
            pictures.side.name, other.width, other.height
        ))),
        None => Ok(()),
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

/// `[n, channels, 128, 128]` in [-1, 1] of pictures of any sizes: grey where all are.
fn batch(images: &[Image]) -> Tensor<4> {
    let side = SQUEEZENET_SIDE;
    let channels = images.iter().map(|image| image.channels).max().unwrap_or(3);
    let values = images.iter().flat_map(|image| resized(image, channels)).map(signed).collect::<Vec<f32>>();
    let shape = [images.len(), side as usize, side as usize, channels];
    Tensor::<4>::from_data(TensorData::new(values, shape), &device::cpu()).permute([0, 3, 1, 2])
}

/// The levels `[128, 128, channels]` of a picture at the side that SqueezeNet sees; of a grey one three times, for 3 channels.
fn resized(image: &Image, channels: usize) -> Vec<u8> {
    let (side, [width, height, own]) = (SQUEEZENET_SIDE, image.shape());
    let (width, height, pixels) = (width as u32, height as u32, image.pixels.clone());
    let whole = "an image holds all its pixels";
    if own == 3 {
        let image = ImageBuffer::<Rgb<u8>, _>::from_raw(width, height, pixels).expect(whole);
        return resize(&image, side, side, FilterType::Triangle).into_raw();
    }
    let image = ImageBuffer::<Luma<u8>, _>::from_raw(width, height, pixels).expect(whole);
    let grey = resize(&image, side, side, FilterType::Triangle).into_raw();
    grey.into_iter().flat_map(|level| std::iter::repeat_n(level, channels)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::looks::squeezenet::SqueezeNet;

    fn waves(width: usize, height: usize, channels: usize) -> Image {
        let level = |i: usize| (127.0 + 120.0 * (i as f64 * 0.37).sin()) as u8;
        Image::new(width, height, channels, (0..width * height * channels).map(level).collect())
    }

    fn pictures(images: Vec<Image>) -> Pictures {
        let side =
            Side { name: "made".to_owned(), part: None, samples: images.len(), sha256: String::new(), run: None };
        Pictures { side, images }
    }

    #[test]
    fn pictures_of_other_sizes_and_channels_are_each_seen_as_they_are_alone() {
        let look = Look::SqueezeNet(Box::new(SqueezeNet::drawn()));
        let images = vec![waves(40, 30, 3), waves(30, 40, 3), waves(24, 24, 1)];
        let together = see(&look, &pictures(images.clone()), &mut |_| {}).unwrap().features;
        for (i, image) in images.into_iter().enumerate() {
            let alone = see(&look, &pictures(vec![image]), &mut |_| {}).unwrap().features;
            let pairs = together.row(i).iter().zip(alone.row(0));
            let far = pairs.map(|(a, b)| (a - b).abs() / (1.0 + b.abs())).fold(0.0, f64::max);
            assert!(far < 1e-4, "picture {i} is seen otherwise in company: {far}");
        }
    }

    #[test]
    fn pixels_of_pictures_of_several_sizes_do_not_compare_and_the_sentence_says_so() {
        let mixed = pictures(vec![waves(40, 30, 3), waves(30, 40, 3)]);
        let error = see(&Look::Pixels, &mixed, &mut |_| {}).err().unwrap();
        assert_eq!(error.exit_code(), 2);
        assert!(
            error.to_string().contains("of 40x30 and of 30x40") && error.to_string().contains("squeezenet"),
            "{error}"
        );
    }
}
