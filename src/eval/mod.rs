//! Metrics: numbers that say how near generated samples come to real ones, each with its interval.

mod against;
mod answers;
mod by_class;
pub mod classes;
mod distances;
pub mod estimate;
pub mod features;
pub mod fidelity;
pub mod frechet;
pub mod inception_score;
pub mod kernel;
mod linear;
mod metric;
pub mod modes;
pub mod music;
pub mod neighbours;
mod numpy;
mod panel;
pub mod parzen;
pub mod path_length;
mod pictures;
mod seen;
mod subject;
mod table;

pub use crate::passport::{By, Drawn, Like, Part, Passport, Side};
pub use against::{Against, of_features, of_model, of_music, of_pairs};
pub use answers::{Answers, answered_music, group, of_asked, wanted_music};
pub use by_class::ByClass;
pub use estimate::Estimate;
pub use features::Features;
pub use metric::{METRICS, Measure, Metric, On, metric, usual};
pub use panel::panel;
pub use pictures::{Asked, Music, Pictures, drawn};
pub use seen::Seen;
pub use subject::Subject;
pub use table::{differences, table};
