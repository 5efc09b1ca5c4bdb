//! The recipes, one line each.

mod biggan;
mod cyclegan;
mod dcgan;
mod esrgan;
mod faceswap;
mod goodfellow;
mod grid;
mod midinet;
mod mnist;
mod pix2pix;
mod posegan;
mod r3gan;
mod restore;
mod srgan;
mod stackgan;
mod stylegan2;
mod template;

use crate::entry::Entry;

/// Every GAN Ganvas can train, in the order a list shows them.
pub const RECIPES: &[Entry] = &[
    Entry::of::<mnist::Mnist>(),
    Entry::of::<goodfellow::Goodfellow>(),
    Entry::of::<dcgan::Dcgan>(),
    Entry::of::<r3gan::R3gan>(),
    Entry::of::<stylegan2::Stylegan2>(),
    Entry::of::<biggan::Biggan>(),
    Entry::of::<pix2pix::Pix2pix>(),
    Entry::of::<cyclegan::CycleGan>(),
    Entry::of::<srgan::Srgan>(),
    Entry::of::<esrgan::Esrgan>(),
    Entry::of::<restore::Restore>(),
    Entry::of::<stackgan::StackGan>(),
    Entry::of::<posegan::PoseGan>(),
    Entry::of::<faceswap::FaceSwap>(),
    Entry::of::<midinet::Midinet>(),
    Entry::of::<grid::Grid>(),
    Entry::of::<template::Ring>(),
];

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;

    use burn::tensor::Device;

    use super::RECIPES;
    use crate::config::Settings;
    use crate::data::source::{Asked, Split};
    use crate::entry::Resolved;
    use crate::media::Media;
    use crate::model::generate;
    use crate::parts::Parts;
    use crate::recipe::{Recipe, Setup};
    use crate::request::Request;
    use crate::step::StepCx;

    /// A recipe at step 0 that has no data.
    pub(crate) fn begun<R: Recipe>(config: &R::Config) -> R {
        let device = Device::flex();
        let model = R::model(config, &device.clone().autodiff());
        R::new(config, model, &Setup { device: &device, data: &Asked(Vec::new()) }).unwrap()
    }

    /// How many of so many samples lie within four deviations of each Gaussian of a recipe's mixture, after all its steps.
    pub(crate) fn points_near<R: Recipe>(config: &R::Config, samples: u64) -> Vec<u32> {
        let (device, mut recipe) = (Device::flex(), begun::<R>(config));
        let source = R::data(config, Split::Train).unwrap();
        let train = config.train();
        for step in 0..train.total_steps() {
            recipe.step(source.batch(step).unwrap(), &StepCx::new(train.seed, step, train.batch, &device));
        }
        let mut sampler = None;
        recipe.parts(&mut Parts::sampler(&mut sampler));
        let model = sampler.unwrap().downcast::<R::Model>().unwrap();
        let samples = generate(model.as_ref(), &Request::seeds(0..samples)).unwrap();
        let mixture = config.mixture().unwrap();
        let near = |centre: &[f64; 2]| {
            let near = samples.iter().filter(|sample| {
                let Media::Point([x, y]) = sample else { panic!("a mixture is of points, not {sample:?}") };
                (f64::from(*x) - centre[0]).hypot(f64::from(*y) - centre[1]) < 4.0 * mixture.deviation
            });
            near.count() as u32
        };
        mixture.centres.iter().map(near).collect()
    }

    #[test]
    fn every_file_of_the_folder_configs_is_a_preset_of_its_recipe_and_says_what_it_is_for() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
        let mut files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
        files.sort();
        let mut found = Vec::new();
        for entry in RECIPES {
            for preset in entry.info.presets {
                let path = Path::new("preset");
                assert_eq!(Resolved::recipe_of(preset.text, path, RECIPES).unwrap().info.name, entry.info.name);
                let config = Resolved::of_preset(*entry, preset.name, &[]).unwrap();
                assert!(!config.changes().unwrap().is_empty(), "{}: as the recipe", preset.name);
                let sentence = preset.sentence();
                assert!(preset.text.starts_with("# ") && sentence.ends_with('.'), "{}: {sentence}", preset.name);
                found.push((format!("{}-{}.toml", entry.info.name, preset.name), preset.text));
            }
        }
        found.sort();
        let texts = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect::<Vec<String>>();
        let names = files.iter().map(|file| file.file_name().unwrap().to_string_lossy().into_owned());
        assert_eq!(found, names.zip(texts.iter().map(String::as_str)).collect::<Vec<_>>());
    }
}
