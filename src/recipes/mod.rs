//! The recipes, one line each.

mod mnist;
mod template;

use crate::recipe::Entry;

/// Every GAN Ganvas can train, in the order a list shows them.
pub const RECIPES: &[Entry] = &[Entry::of::<mnist::Mnist>(), Entry::of::<template::Ring>()];
