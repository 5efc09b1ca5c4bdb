//! What a run's model is measured on, decided in one place: by what it makes, and by what its data hold out.

use super::answers::wanted_music;
use super::metric::On;
use crate::data::gaussians::Mixture;
use crate::data::images::Shape;
use crate::entry::Resolved;
use crate::error::{Error, Result};
use crate::field::Kind;
use crate::model::{Model, taken_picture};
use crate::request::Example;

/// What is measured of a model.
pub enum Subject {
    /// The pictures that it makes of others, beside what they should be.
    Answers(Vec<Example>),
    /// The music that it makes above the chords of music that is held out.
    Music(Vec<Example>),
    /// The music that it makes, where nothing is held out.
    Pieces,
    /// Its pictures, in this shape, beside real ones.
    Pictures(Shape),
    /// Its points, and what they should come from.
    Points(Mixture),
}

/// What a model's samples are, by the model alone: before any data are fetched or opened. None where they cannot be measured.
pub fn kind_of(model: &dyn Model) -> Option<On> {
    if taken_picture(model).is_some() {
        return Some(On::Answers);
    }
    match model.makes()[0].kind {
        Kind::Picture { side: Some(_), .. } => Some(On::Pictures),
        Kind::Notes => Some(On::Music),
        Kind::Point => Some(On::Points),
        _ => None,
    }
}

impl Subject {
    /// Of a run's model; its data are opened where they say what it is asked, and not where other music is `given`. An error
    /// where nobody knows what it should make.
    pub fn of(config: &Resolved, model: &dyn Model, is_given: bool) -> Result<Self> {
        let kind = kind_of(model);
        if kind == Some(On::Answers) || kind == Some(On::Music) && !is_given {
            let asked = config.asked()?;
            if wanted_music(&asked).is_some() {
                return Ok(Subject::Music(asked));
            }
            if !asked.is_empty() {
                return Ok(Subject::Answers(asked));
            }
        }
        if kind == Some(On::Answers) {
            return Err(Error::input(
                "this model turns pictures into others, and its data hold out none whose answers are known; turn some with \
                 `ganvas apply` and measure the folders",
            ));
        }
        match model.makes()[0].kind {
            Kind::Picture { channels, side: Some(side), .. } => Ok(Subject::Pictures(Shape { channels, side })),
            Kind::Notes => Ok(Subject::Pieces),
            Kind::Point => config.mixture().map(Subject::Points).ok_or_else(|| {
                Error::input("nobody knows what the points of this recipe should come from, so they cannot be measured")
            }),
            _ => Err(Error::input("what this model makes cannot be measured")),
        }
    }

    /// Whose usual metrics are its own.
    pub fn on(&self) -> On {
        match self {
            Subject::Answers(_) => On::Answers,
            Subject::Music(_) | Subject::Pieces => On::Music,
            Subject::Pictures(_) => On::Pictures,
            Subject::Points(_) => On::Points,
        }
    }
}
