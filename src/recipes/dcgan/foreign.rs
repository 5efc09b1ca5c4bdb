//! The generator of PyTorch's DCGAN tutorial, trained by others.

use super::{Config, Generator};
use crate::config::problem_of;
use crate::foreign::{filled, of_shape};
use crate::parts::Tensors;
use crate::prelude::*;

/// The generator of PyTorch's DCGAN tutorial by its state dict, whose tensors' names begin with `within`.
pub fn generator(tensors: &Tensors, within: &str, device: &Device) -> std::result::Result<(Config, Generator), String> {
    let sides = |name: &str| tensors.get(&format!("{within}{name}")).map(|tensor| tensor.shape().to_vec());
    let weights = (0..).map_while(|i| sides(&format!("main.{}.weight", 3 * i))).collect::<Vec<_>>();
    let (Some([latent, _, 4, 4]), Some([width, channels, 4, 4])) =
        (weights.first().map(Vec::as_slice), weights.last().map(Vec::as_slice))
    else {
        return Err("its layers are no transposed convolutions of 4x4, as in PyTorch's DCGAN tutorial".to_owned());
    };
    let config = Config {
        resolution: 2_usize.checked_shl(weights.len() as u32).unwrap_or(0),
        channels: *channels,
        latent: *latent,
        prior: Prior::Normal,
        width: *width,
        ..Config::default()
    };
    if let Some(problem) = problem_of(&config) {
        return Err(problem);
    }
    // All is looked at before any room is made for it.
    for i in 0..weights.len() {
        let inputs = if i == 0 { config.latent } else { config.channels_at(i - 1) };
        of_shape(tensors, &format!("{within}main.{}.weight", 3 * i), &[inputs, config.channels_at(i), 4, 4])?;
    }
    let called = |path: &str| {
        let (layer, name) = path.rsplit_once('.')?;
        let i = layer.rsplit_once('.')?.1.parse::<usize>().ok()?;
        let (at, name) = match name {
            "weight" => (3 * i, "weight"),
            "gamma" => (3 * i + 1, "weight"),
            "beta" => (3 * i + 1, "bias"),
            "mean" => (3 * i + 1, "running_mean"),
            "variance" => (3 * i + 1, "running_var"),
            _ => return None, // the last has no bias there, and ours begins at 0
        };
        Some(format!("{within}main.{at}.{name}"))
    };
    Ok((config.clone(), filled(Generator::new(&config, &Draws::new(0, 0), device), tensors, called)?))
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;
    use crate::foreign::Foreign;
    use crate::recipes::dcgan::Dcgan;

    /// Made by tests/golden/imported_dcgan.py.
    #[test]
    #[ignore = "needs pip"]
    fn a_dcgan_that_others_trained_makes_the_pictures_that_pytorch_makes_of_it() {
        let golden =
            serde_json::from_str::<serde_json::Value>(include_str!("../../../tests/golden/imported_dcgan.json"));
        let (golden, device) = (golden.unwrap(), Device::flex());
        let found = crate::import::Found::find("gan-face-generate", &mut |_| ()).unwrap();
        let foreign = Foreign::decode(&found.files).unwrap();
        let (config, generator) = Dcgan::adopt(&foreign, &device).unwrap().unwrap();
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
