//! The generator of PyTorch's DCGAN tutorial, trained by others.

use burn::tensor::TensorData;

use super::{Config, Generator};
use crate::config::problem_of;
use crate::foreign::{Part, Wanted, filled};
use crate::parts::Tensors;
use crate::prelude::*;

/// The generator of PyTorch's DCGAN tutorial, by whatever names; none where the shapes are no such network's.
pub fn generator(part: &Part, device: &Device) -> Option<std::result::Result<(Config, Generator), String>> {
    let config = config(part)?;
    if let Some(problem) = problem_of(&config) {
        return Some(Err(problem));
    }
    let with_biases = |reason| part.tensors(&wanted(&config, true)).map(without_biases).map_err(|_| reason);
    let tensors = match part.tensors(&wanted(&config, false)).or_else(with_biases) {
        Ok(tensors) => tensors,
        Err(reason) => return Some(Err(reason)),
    };
    let called = |path: &str| {
        let (layer, name) = path.rsplit_once('.')?;
        let i = layer.rsplit_once('.')?.1.parse::<usize>().ok()?;
        let (at, name) = match name {
            "weight" => (3 * i, "weight"),
            "gamma" => (3 * i + 1, "weight"),
            "beta" => (3 * i + 1, "bias"),
            "mean" => (3 * i + 1, "running_mean"),
            "variance" => (3 * i + 1, "running_var"),
            _ => (3 * i, "bias"),
        };
        // The last has no bias in the tutorial, and ours begins at 0.
        Some(format!("main.{at}.{name}")).filter(|name| tensors.contains_key(name))
    };
    let filled = filled(Generator::new(&config, &Draws::new(0, 0), device), &tensors, called);
    Some(filled.map(|generator| (config, generator)))
}

/// What the shapes say, in whatever order: one transposed convolution of 4x4 makes the picture, and each of the others doubles
/// its side. None where they are no such network's.
fn config(part: &Part) -> Option<Config> {
    let kernels = part.sides().filter_map(|(_, sides)| <[usize; 4]>::try_from(sides).ok()).collect::<Vec<_>>();
    if kernels.iter().any(|[_, _, height, width]| [*height, *width] != [4, 4]) {
        return None;
    }
    let the_only = |is: &dyn Fn(usize) -> bool| {
        let mut found = kernels.iter().filter(|[_, outputs, ..]| is(*outputs));
        found.next().filter(|_| found.next().is_none())
    };
    let [width, channels, ..] = *the_only(&|outputs| [1, 3].contains(&outputs))?;
    let doublings = u32::try_from(kernels.len().checked_sub(1)?).ok()?;
    let widest = width.checked_mul(2_usize.checked_pow(doublings.checked_sub(1)?)?)?;
    let [latent, ..] = *the_only(&|outputs| outputs == widest)?;
    let resolution = 4_usize.checked_mul(2_usize.checked_pow(doublings)?)?;
    Some(Config { resolution, channels, latent, prior: Prior::Normal, width, ..Config::default() })
}

/// Biases that PyTorch's convolutions have where nobody leaves them out: before a norm, which takes the mean away, one is as good as
/// a running mean that is less by it.
fn without_biases(mut tensors: Tensors) -> Tensors {
    for at in 0..tensors.len() {
        let (bias, mean) = (format!("main.{}.bias", 3 * at), format!("main.{}.running_mean", 3 * at + 1));
        let Some(running) = tensors.get(&mean).cloned() else { continue }; // the last has no norm, and keeps its bias
        if let Some(bias) = tensors.remove(&bias) {
            let less = running.iter::<f32>().zip(bias.iter::<f32>()).map(|(mean, bias)| mean - bias);
            tensors.insert(mean, TensorData::new(less.collect::<Vec<f32>>(), bias.shape().to_vec()));
        }
    }
    tensors
}

/// Every tensor, as the tutorial calls them, which has no biases.
fn wanted(config: &Config, has_biases: bool) -> Vec<Wanted> {
    let (_, stages) = config.stages();
    let of = |i: usize| {
        let (inputs, outputs) = (if i == 0 { config.latent } else { config.channels_at(i - 1) }, config.channels_at(i));
        let norm = ["weight", "bias", "running_mean", "running_var"].map(|name| (3 * i + 1, name, vec![outputs]));
        let kernel = (3 * i, "weight", vec![inputs, outputs, 4, 4]);
        let bias = has_biases.then(|| (3 * i, "bias", vec![outputs]));
        [kernel].into_iter().chain(bias).chain(if i == stages { Vec::new() } else { norm.to_vec() })
    };
    (0..=stages).flat_map(of).map(|(at, name, sides)| (format!("main.{at}.{name}"), sides)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foreign::{Candidate, Foreign};
    use crate::golden::{checkpoints, floats, numbers};
    use crate::recipes::dcgan::Dcgan;

    /// Files and numbers made by tests/golden/checkpoints.py.
    #[test]
    fn a_generator_is_read_from_every_file_that_people_have_and_makes_what_pytorch_makes_of_it() {
        let golden = serde_json::from_str::<serde_json::Value>(include_str!("../../../tests/golden/checkpoints.json"));
        let (golden, device, files) = (golden.unwrap(), Device::flex(), checkpoints("dcgan/"));
        assert_eq!(files.len(), 18);
        for (file, bytes) in files {
            let named = [(file.clone(), bytes)];
            let foreign = Foreign::decode(&named).unwrap_or_else(|why| panic!("{file}: {why}"));
            let candidates = foreign.candidates();
            let adopted = candidates.iter().find_map(|candidate| Dcgan::adopt(candidate, &device)?.ok());
            let (config, generator) = adopted.unwrap_or_else(|| panic!("{file} holds no generator"));
            assert_eq!((config.resolution, config.channels, config.latent, config.width), (32, 3, 5, 2), "{file}");
            let z = (1..=10).map(|i| (0.7 * f64::from(i)).sin() as f32).collect::<Vec<f32>>();
            let z = Tensor::<2>::from_data(TensorData::new(z, [2, 5]), &device);
            let found = floats(generator.forward(z, None));
            let golden = &golden[if file.contains("biased") { "biased" } else { "dcgan" }];
            let found = found.iter().step_by(golden["every"].as_u64().unwrap() as usize);
            let wanted = numbers(&golden["values"]);
            let worst = found.clone().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(found.len() == wanted.len() && worst < 1e-5, "{file} is off by {worst}");
        }
    }

    #[test]
    fn a_critic_of_the_same_kernels_is_no_generator() {
        let (_, bytes) = checkpoints("dcgan/gan.pth").remove(0);
        let named = [("gan.pth".to_owned(), bytes)];
        let foreign = Foreign::decode(&named).unwrap();
        for candidate in foreign.candidates() {
            let Candidate::Tensors(part) = &candidate else { panic!("no ncnn here") };
            let is_taken = Dcgan::adopt(&candidate, &Device::flex()).is_some_and(|adopted| adopted.is_ok());
            assert!(!is_taken || part.name().starts_with("netG"), "{} was taken", part.name());
        }
    }

    /// Made by tests/golden/imported_dcgan.py.
    #[test]
    #[ignore = "needs pip"]
    fn a_dcgan_that_others_trained_makes_the_pictures_that_pytorch_makes_of_it() {
        let golden =
            serde_json::from_str::<serde_json::Value>(include_str!("../../../tests/golden/imported_dcgan.json"));
        let (golden, device) = (golden.unwrap(), Device::flex());
        let found = crate::import::Found::find("gan-face-generate", &mut |_| ()).unwrap();
        let foreign = Foreign::decode(&found.files).unwrap();
        let adopted = foreign.candidates().iter().find_map(|candidate| Dcgan::adopt(candidate, &device)?.ok());
        let (config, generator) = adopted.unwrap();
        assert_eq!((config.resolution, config.channels, config.latent, config.width), (64, 3, 100, 64));
        let z = (1..=200).map(|i| (0.37 * f64::from(i)).sin() as f32).collect::<Vec<f32>>();
        let z = Tensor::<2>::from_data(TensorData::new(z, [2, 100]), &device);
        let every = golden["every"].as_u64().unwrap() as usize;
        let found = generator.forward(z, None).into_data().iter::<f64>().step_by(every).collect::<Vec<_>>();
        let wanted = golden["values"].as_array().unwrap();
        let worst = found.iter().zip(wanted).map(|(a, b)| (a - b.as_f64().unwrap()).abs()).fold(0.0, f64::max);
        assert!(found.len() == wanted.len() && worst < 1e-5, "off by {worst}");
    }
}
