//! The recipes, one line each.

mod cyclegan;
mod dcgan;
mod esrgan;
mod goodfellow;
mod grid;
mod midinet;
mod mnist;
mod pix2pix;
mod r3gan;
mod restore;
mod srgan;
mod stylegan2;
mod template;

use crate::recipe::Entry;

/// Every GAN Ganvas can train, in the order a list shows them.
pub const RECIPES: &[Entry] = &[
    Entry::of::<mnist::Mnist>(),
    Entry::of::<goodfellow::Goodfellow>(),
    Entry::of::<dcgan::Dcgan>(),
    Entry::of::<r3gan::R3gan>(),
    Entry::of::<stylegan2::Stylegan2>(),
    Entry::of::<pix2pix::Pix2pix>(),
    Entry::of::<cyclegan::CycleGan>(),
    Entry::of::<srgan::Srgan>(),
    Entry::of::<esrgan::Esrgan>(),
    Entry::of::<restore::Restore>(),
    Entry::of::<midinet::Midinet>(),
    Entry::of::<grid::Grid>(),
    Entry::of::<template::Ring>(),
];
