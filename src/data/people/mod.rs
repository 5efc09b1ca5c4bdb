//! Persons in pictures and in videos: where they are, and where their joints are.

pub mod movenet;
pub mod poses;
pub mod tracks;
pub mod video;
