//! Persons in pictures and in videos: where they are, where their joints and their faces are, and who they are.

pub mod faces;
pub mod identity;
pub mod movenet;
pub mod mtcnn;
mod new_folder;
pub mod poses;
pub mod tracks;
pub mod video;
