//! What every recipe uses, in one line: `use ganvas::prelude::*;`. Its derives want the crates `burn`, `serde` and `schemars`.

pub use burn::module::Module;
pub use burn::tensor::{Device, Tensor};
pub use schemars::JsonSchema;
pub use serde::{Deserialize, Serialize};

pub use crate::config::{Settings, Train};
pub use crate::data::source::{Source, Split};
pub use crate::error::Result;
pub use crate::field::{Field, Kind, Range};
pub use crate::loss::adversarial::{self, Adversarial};
pub use crate::loss::{critic, pixel};
pub use crate::model::{Given, Made, Model, Tiling};
pub use crate::optim::{Adam, AdamConfig, Decay, Trained};
pub use crate::parts::Parts;
pub use crate::random::{Draws, Prior};
pub use crate::recipe::{Game, Info, LAPTOP, Preset, Recipe, Setup};
pub use crate::request::PICTURE;
pub use crate::step::{Scalars, StepCx};
