//! Pictures of 8 bits to measure: those of a model, quantised as a file of them would be, and those of a data set.

use std::path::Path;

use burn::tensor::{Device, Tensor};

use crate::data::fetch::{Progress, Report};
use crate::data::images::{self, Images, Shape};
use crate::error::{Error, Result};
use crate::media::{Image, Media};
use crate::recipe::{Model, Request};
use crate::sample;

const AT_A_TIME: usize = 250;

/// Which pictures of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Those that recipes learn from.
    Train,
    /// Those that no recipe sees.
    HeldOut,
    /// All but those in folders that are named for holding out.
    All,
}

/// Pictures of one size.
#[derive(Clone, Debug)]
pub struct Pictures {
    /// Where they come from.
    pub name: String,
    /// At least one.
    pub images: Vec<Image>,
}

impl Pictures {
    /// The pictures of seeds 0 to `n` - 1. An error when the model draws none.
    pub fn of_model(name: &str, model: &dyn Model, n: usize, truncation: f64, report: Report<'_>) -> Result<Self> {
        let mut images = Vec::with_capacity(n);
        while images.len() < n {
            report(Progress { what: "drawing samples", done: images.len() as u64, total: Some(n as u64) });
            let some = images.len()..(images.len() + AT_A_TIME).min(n);
            let request = Request { truncation, ..Request::seeds(some.map(|seed| seed as u64)) };
            for media in sample::generate(model, &request)? {
                match media {
                    Media::Image(image) => images.push(image),
                    Media::Point(_) => {
                        return Err(Error::input(format!(
                            "{name} draws points, not pictures; nothing measures it yet"
                        )));
                    }
                }
            }
        }
        Ok(Pictures { name: name.to_owned(), images })
    }

    /// The pictures of a folder or zip, or MNIST's digits, brought to a shape as for training, `most` of them at random. An
    /// error when some cannot be used, or there are none.
    pub fn of_data(place: &Path, shape: Shape, part: Part, most: Option<usize>) -> Result<Self> {
        let mut images = Images { path: place.to_owned(), ..Images::default() };
        if part == Part::All {
            images.validation_share = 0.0;
        }
        let source = images::open(&images, "", shape, 0, AT_A_TIME, part == Part::HeldOut)?;
        let n = source.items().min(most.unwrap_or(usize::MAX));
        let name = format!("{}{}", place.display(), if part == Part::HeldOut { ", held out" } else { "" });
        if n == 0 {
            return Err(Error::input(format!("{name} holds no pictures")));
        }
        let mut images = Vec::with_capacity(n);
        for step in 0..n.div_ceil(AT_A_TIME) {
            let pixels = Tensor::from_data(source.batch(step as u64)?.pixels, &Device::flex());
            images.extend(Image::from_signed(pixels));
        }
        images.truncate(n);
        Ok(Pictures { name, images })
    }

    /// The shape that training on a folder's pictures would best have: their median side.
    pub fn shape_of(place: &Path) -> Result<Shape> {
        let survey = images::survey(&Images { path: place.to_owned(), ..Images::default() }, "")?;
        if survey.pictures == 0 {
            return Err(Error::input(format!("{} holds no pictures", place.display())));
        }
        Ok(Shape { channels: if survey.colour > 0 { 3 } else { 1 }, side: survey.sides[1] as usize })
    }

    /// The pictures' own shape.
    pub fn shape(&self) -> Shape {
        let [side, _, channels] = self.images[0].shape();
        Shape { channels, side }
    }
}
