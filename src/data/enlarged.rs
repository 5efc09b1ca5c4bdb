//! Pictures and the small ones that a network learns to enlarge to them.

use burn::tensor::{Device, Tensor, TensorData};

use super::degrade::Planes;
use super::degrade::resize::{Filter, resized};
use super::images::{self, Images, Shape};
use super::source::Source;
use crate::error::Result;
use crate::media::{Image, Media};

/// What is learned when no other pictures are given.
pub const SET: &str = "photos";
const PREVIEWED: usize = 8; // held-out pictures
const ASKED: usize = 64; // likewise, of a measurement

/// A batch of pictures and the small ones that were made of them, on the host.
#[derive(Clone, Debug)]
pub struct Enlarged {
    /// `[n, 3, side / times, side / times]`, f32 in [0, 1].
    pub small: TensorData,
    /// `[n, 3, side, side]`, likewise.
    pub large: TensorData,
}

impl Enlarged {
    /// The pictures of one size.
    pub fn images(side: &TensorData) -> Vec<Image> {
        Image::from_signed(Tensor::<4>::from_data(side.clone(), &Device::flex()) * 2.0 - 1.0)
    }

    /// Samples, each between the small picture it was made of and the large one that it should be, and how many make a row.
    pub fn beside(&self, samples: Vec<Media>) -> (Vec<Media>, usize) {
        let (small, large) = (Self::images(&self.small), Self::images(&self.large));
        let rows = small.into_iter().zip(samples).zip(large).flat_map(|((small, sample), large)| {
            let pixels = small.enlarged(large.width / small.width);
            [Media::Image(pixels), sample, Media::Image(large)]
        });
        (rows.collect(), 6)
    }
}

/// Held-out pictures to measure with, `[small, large]` each, always the same: of this side, and so many times as large.
pub fn test(images: &Images, (side, times): (usize, usize)) -> Result<Vec<[Image; 2]>> {
    let batch = images::test(images, SET, Shape { channels: 3, side }, ASKED)?;
    let Enlarged { small, large } = beside(batch, times);
    let pairs = Enlarged::images(&small).into_iter().zip(Enlarged::images(&large));
    Ok(pairs.map(|(small, large)| [small, large]).collect())
}

/// The batches of [`images::open`], each picture beside itself at a `times`-th of the size; those held out are for previews.
pub fn open(
    images: &Images,
    (side, times): (usize, usize),
    (seed, batch): (u64, usize),
    held_out: bool,
) -> Result<Box<dyn Source<Enlarged>>> {
    let batch = if held_out { PREVIEWED } else { batch };
    let large = images::open(images, SET, Shape { channels: 3, side }, seed, batch, held_out)?;
    Ok(Box::new(Beside { large, times }))
}

struct Beside {
    large: Box<dyn Source<images::Batch>>,
    times: usize,
}

impl Source<Enlarged> for Beside {
    fn items(&self) -> usize {
        self.large.items()
    }

    fn batch(&self, step: u64) -> Result<Enlarged> {
        Ok(beside(self.large.batch(step)?, self.times))
    }
}

/// Pictures in [-1, 1] beside themselves at a `times`-th of the size.
fn beside(large: images::Batch, times: usize) -> Enlarged {
    let shape = large.pixels.shape().to_vec();
    let (n, side) = (shape[0], shape[3]);
    let values = large.pixels.iter::<f32>().map(|value| (value + 1.0) * 0.5).collect::<Vec<f32>>();
    let small = values.chunks(3 * side * side).flat_map(|picture| {
        let picture = Planes::new(side, side, 3, picture.to_vec());
        // In levels of 8 bits, as a file would have it.
        Planes::of(&resized(&picture, side / times, side / times, Filter::Bicubic).image()).values
    });
    let small = TensorData::new(small.collect::<Vec<f32>>(), [n, 3, side / times, side / times]);
    Enlarged { small, large: TensorData::new(values, shape) }
}
