//! Pictures and the small ones that a network learns to enlarge to them.

use burn::tensor::{Tensor, TensorData};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::degrade::Planes;
use super::degrade::resize::{Filter, resized};
use super::degrade::super_resolution::{SecondOrder, degraded};
use super::images::{self, Crop, Images, Shape};
use super::source::{Asked, Drawing, Source, Split};
use crate::device;
use crate::error::Result;
use crate::media::Image;
use crate::random::Draws;
use crate::request::{Batch, Example};

/// What is learned when no other pictures are given.
pub const SET: &str = "photos";
const PREVIEWED: usize = 8; // held-out pictures
const ASKED: usize = 64; // likewise, of a measurement
const LARGEST: usize = 512; // pixels along a side of those that are whole

/// How small pictures are made of large ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Degradation {
    /// By MATLAB's bicubic filter alone.
    #[default]
    Bicubic,
    /// As Real-ESRGAN's: blur, other sizes, noise and JPEG, twice and by the published chances (Wang et al. 2021, section 3).
    SecondOrder,
}

impl Degradation {
    /// The picture at a `times`-th of its size, in levels of 8 bits, as a file would have it.
    fn small(self, large: &Planes, times: usize, draws: &Draws, name: &str) -> Planes {
        match self {
            Degradation::Bicubic => {
                let [width, height] = [large.width, large.height].map(|side| side / times);
                Planes::of(&resized(large, width, height, Filter::Bicubic).image())
            }
            Degradation::SecondOrder => {
                degraded(large, &SecondOrder { scale: times, ..SecondOrder::default() }, draws, name)
            }
        }
    }
}

/// A batch of pictures and the small ones that were made of them, on the host.
#[derive(Clone, Debug)]
pub struct Enlarged {
    /// `[n, 3, side / times, side / times]`, f32 in [0, 1].
    pub small: TensorData,
    /// `[n, 3, side, side]`, likewise.
    pub large: TensorData,
}

impl Batch for Enlarged {
    fn examples(&self) -> Vec<Example> {
        let [small, large] = [&self.small, &self.large].map(images_of);
        small.into_iter().zip(large).map(|(small, large)| Example::pair(small, large)).collect()
    }
}

/// The pictures of one size.
fn images_of(side: &TensorData) -> Vec<Image> {
    Image::from_signed(Tensor::<4>::from_data(side.clone(), &device::cpu()) * 2.0 - 1.0)
}

/// Held-out pictures to measure with, always the same, the large one `times` as large: of this side, or where details are learned
/// the middle of the whole picture, up to 512 pixels a side.
fn test(images: &Images, (side, times): (usize, usize), degradation: Degradation) -> Result<Vec<Example>> {
    let draws = Draws::new(0, 0);
    if images.crop == Crop::Detail {
        let whole = images::test_whole(images, SET, ASKED)?.into_iter();
        let whole = whole.filter(|picture| picture.width.min(picture.height) >= times);
        let large = whole.map(|picture| middle(&picture, times)).enumerate();
        let small = |i: usize, large: &Image| degradation.small(&Planes::of(large), times, &draws, &name(i)).image();
        return Ok(large.map(|(i, large)| Example::pair(small(i, &large), large)).collect());
    }
    let batch = images::test(images, SET, Shape { channels: 3, side }, ASKED)?;
    Ok(beside(batch, times, degradation, &draws).examples())
}

/// The middle of a picture, its sides multiples of `times` and at most [`LARGEST`].
fn middle(picture: &Image, times: usize) -> Image {
    let side = |side: usize| side.min(LARGEST) / times * times;
    let (width, height) = (side(picture.width), side(picture.height));
    picture.cut([(picture.width - width) / 2, (picture.height - height) / 2], [width, height])
}

/// The name of what is drawn for a picture.
fn name(i: usize) -> String {
    format!("degradation.{i}")
}

/// The batches of [`images::open`], each picture beside itself at a `times`-th of the size; those held out are for previews.
pub fn open(
    images: &Images,
    (side, times): (usize, usize),
    degradation: Degradation,
    drawing: Drawing,
) -> Result<Box<dyn Source<Enlarged>>> {
    if drawing.split == Split::Test {
        return Ok(Box::new(Asked(test(images, (side, times), degradation)?)));
    }
    let large = images::open(images, SET, Shape { channels: 3, side }, drawing.showing(PREVIEWED))?;
    Ok(Box::new(Beside { large, times, degradation, seed: drawing.seed }))
}

struct Beside {
    large: Box<dyn Source<images::Batch>>,
    times: usize,
    degradation: Degradation,
    seed: u64,
}

impl Source<Enlarged> for Beside {
    fn items(&self) -> usize {
        self.large.items()
    }

    fn fingerprint(&self) -> Option<String> {
        self.large.fingerprint()
    }

    fn remarks(&self) -> Vec<String> {
        self.large.remarks()
    }

    fn batch(&self, step: u64) -> Result<Enlarged> {
        Ok(beside(self.large.batch(step)?, self.times, self.degradation, &Draws::new(self.seed, step)))
    }
}

/// Pictures in [-1, 1] beside themselves at a `times`-th of the size.
fn beside(large: images::Batch, times: usize, degradation: Degradation, draws: &Draws) -> Enlarged {
    let shape = large.pixels.shape().to_vec();
    let (n, side) = (shape[0], shape[3]);
    let values = large.pixels.iter::<f32>().map(|value| (value + 1.0) * 0.5).collect::<Vec<f32>>();
    let small = values.chunks(3 * side * side).enumerate().flat_map(|(i, picture)| {
        degradation.small(&Planes::new(side, side, 3, picture.to_vec()), times, draws, &name(i)).values
    });
    let small = TensorData::new(small.collect::<Vec<f32>>(), [n, 3, side / times, side / times]);
    Enlarged { small, large: TensorData::new(values, shape) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_a_picture_has_whole_small_pixels_and_no_more_than_the_largest() {
        let pixels = (0..10 * 7).flat_map(|i| [(i % 10) as u8, (i / 10) as u8, 0]).collect();
        let cut = middle(&Image::new(10, 7, 3, pixels), 4);
        assert_eq!((cut.width, cut.height), (8, 4));
        assert_eq!((&cut.pixels[..3], &cut.pixels[cut.pixels.len() - 3..]), (&[1, 1, 0][..], &[8, 4, 0][..]));
        let large = middle(&Image::new(2 * LARGEST, 4, 1, vec![9; 8 * LARGEST]), 4);
        assert_eq!((large.width, large.height), (LARGEST, 4));
        let small = Degradation::Bicubic.small(&Planes::of(&large), 4, &Draws::new(0, 0), "");
        assert_eq!(small.image(), Image::new(LARGEST / 4, 1, 1, vec![9; LARGEST / 4]));
    }

    #[test]
    fn each_picture_is_degraded_by_its_own_draws_in_levels_of_eight_bits() {
        let values = (0..2 * 3 * 32 * 32).map(|i| (0.013 * (i % (3 * 32 * 32)) as f32).sin()).collect::<Vec<f32>>();
        let batch = || images::Batch { pixels: TensorData::new(values.clone(), [2, 3, 32, 32]), labels: vec![0; 2] };
        let of = |degradation, step| beside(batch(), 4, degradation, &Draws::new(5, step)).small;
        for degradation in [Degradation::Bicubic, Degradation::SecondOrder] {
            let small = of(degradation, 1);
            assert_eq!((small.shape().to_vec(), &small), (vec![2, 3, 8, 8], &of(degradation, 1)));
            let levels = small.iter::<f32>().map(|value| value * 255.0).collect::<Vec<f32>>();
            assert!(levels.iter().all(|level| (level - level.round()).abs() < 1e-3), "{levels:?}");
            let (first, second) = levels.split_at(3 * 8 * 8); // of the same picture
            let is_drawn = degradation == Degradation::SecondOrder;
            assert_eq!((first != second, small != of(degradation, 2)), (is_drawn, is_drawn));
        }
    }
}
