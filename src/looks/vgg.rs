//! VGG19 up to its last convolution, by whose features SRGAN and ESRGAN compare pictures.
//!
//! Simonyan and Zisserman 2015, "Very Deep Convolutional Networks for Large-Scale Image Recognition", configuration E. No package
//! has its weights; whoever has torchvision's file of them can give it.

use std::path::Path;

use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Device, Tensor};
use ganvas_kernels::{Conv, conv2d};

use crate::error::{Error, Result};
use crate::foreign::{Foreign, of_shape};
use crate::parts::Tensors;

/// Channels after each convolution of 3x3, in the stages that poolings part.
const STAGES: [&[usize]; 5] = [&[64; 2], &[128; 2], &[256; 4], &[512; 4], &[512; 4]];
/// Of ImageNet's pictures in [0, 1], as torchvision trained it: red, green, blue.
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];

/// The convolutions of VGG19.
#[derive(Debug)]
pub struct Vgg19 {
    stages: Vec<Vec<(Tensor<4>, Tensor<1>)>>, // weight [outputs, inputs, 3, 3] and bias [outputs]
}

impl Vgg19 {
    /// The network from a state dict as torchvision's `vgg19` has it, of torch.save or safetensors; what follows the
    /// convolutions is not looked at. The error names the way out.
    pub fn load(path: &Path, device: &Device) -> Result<Self> {
        let wrong = |reason: String| {
            Error::input(format!(
                "{} holds no VGG19: {reason}; give torchvision's vgg19-dcbb9e9d.pth, or leave vgg19 empty",
                path.display()
            ))
        };
        let files = Foreign::files(path)?;
        match Foreign::decode(&files).map_err(wrong)? {
            Foreign::StateDict(dict) => dict.read().and_then(|tensors| Self::of(&tensors, device)).map_err(wrong),
            Foreign::Ncnn(_) => Err(wrong("it is ncnn's".into())),
        }
    }

    fn of(tensors: &Tensors, device: &Device) -> std::result::Result<Self, String> {
        let (mut stages, mut place, mut inputs) = (Vec::new(), 0, 3);
        for widths in STAGES {
            let mut stage = Vec::new();
            for &outputs in widths {
                let weight = of_shape(tensors, &format!("features.{place}.weight"), &[outputs, inputs, 3, 3])?;
                let bias = of_shape(tensors, &format!("features.{place}.bias"), &[outputs])?;
                stage.push((Tensor::from_data(weight.clone(), device), Tensor::from_data(bias.clone(), device)));
                (inputs, place) = (outputs, place + 2); // ReLU has a place of its own
            }
            place += 1; // and so has a pooling
            stages.push(stage);
        }
        Ok(Vgg19 { stages })
    }

    /// What the last convolution makes of pictures `[n, 3, h, w]` in [-1, 1], of 16 pixels and more a side, before ReLU:
    /// `[n, 512, h / 16, w / 16]` (conv5_4).
    pub fn features(&self, pictures: Tensor<4>) -> Tensor<4> {
        let device = pictures.device().without_autodiff();
        let of = |values: [f32; 3]| Tensor::<1>::from_floats(values, &device).reshape([1, 3, 1, 1]);
        let mut x = ((pictures + 1.0) * 0.5 - of(MEAN)) / of(DEVIATION);
        let layers = self.stages.iter().map(Vec::len).sum::<usize>();
        let mut done = 0;
        for (i, stage) in self.stages.iter().enumerate() {
            if i > 0 {
                x = max_pool2d(x, MaxPoolOptions::new([2, 2]).with_stride([2, 2]));
            }
            for (weight, bias) in stage {
                done += 1;
                let slope = if done == layers { 1.0 } else { 0.0 };
                x = conv2d(x, weight.clone(), bias.clone(), Conv { stride: 1, padding: 1, slope });
            }
        }
        x
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::assert_close;
    use burn::tensor::TensorData;
    use serde_json::Value;

    /// The wave of tests/golden/vgg.py: a sine that becomes faster.
    fn chirp(count: usize, rate: f64) -> Vec<f64> {
        let value = |i: usize| {
            let k = (1 + i % 9973) as f64;
            (rate * k * k).sin()
        };
        (0..count).map(value).collect()
    }

    fn state_dict() -> Tensors {
        let (mut tensors, mut place, mut inputs, mut layer) = (Tensors::new(), 0, 3, 0);
        for widths in STAGES {
            for &outputs in widths {
                let scale = 2.0 / (9.0 * inputs as f64).sqrt();
                let weight = chirp(outputs * inputs * 9, 0.37 + 0.05 * f64::from(layer));
                let bias = chirp(outputs, 0.11 + 0.05 * f64::from(layer));
                let of = |values: Vec<f64>, scale: f64, shape: Vec<usize>| {
                    TensorData::new(values.into_iter().map(|v| (scale * v) as f32).collect::<Vec<f32>>(), shape)
                };
                tensors.insert(format!("features.{place}.weight"), of(weight, scale, vec![outputs, inputs, 3, 3]));
                tensors.insert(format!("features.{place}.bias"), of(bias, 0.1, vec![outputs]));
                (inputs, place, layer) = (outputs, place + 2, layer + 1);
            }
            place += 1;
        }
        tensors
    }

    #[test]
    fn features_and_their_gradient_are_those_of_pytorch() {
        let golden: Value = serde_json::from_str(include_str!("../../tests/golden/vgg.json")).unwrap();
        let net = Vgg19::of(&state_dict(), &Device::flex()).unwrap();
        let single = |values: Vec<f64>| values.into_iter().map(|v| v as f32).collect::<Vec<f32>>();
        let x = TensorData::new(single(chirp(2 * 3 * 40 * 33, 0.013)), [2, 3, 40, 33]);
        let x = Tensor::<4>::from_data(x, &Device::flex()).autodiff().set_require_grad(true);
        let features = net.features(x.clone());
        assert_eq!(features.dims(), [2, 512, 2, 2]);
        let along = TensorData::new(single(chirp(2 * 512 * 4, 0.71)), [2, 512, 2, 2]);
        let along = Tensor::<4>::from_data(along, &Device::flex());
        let near = |found: f64, key: &str| {
            let wanted = golden[key].as_f64().unwrap();
            assert_close(key, found, wanted, wanted, 1e-3);
        };
        near(features.clone().square().sum().sqrt().into_scalar::<f64>(), "norm");
        let product = (features * along).sum();
        near(product.clone().into_scalar::<f64>(), "product");
        let by_x = x.grad(&product.backward()).unwrap();
        near(by_x.square().sum().sqrt().into_scalar::<f64>(), "gradient");
    }

    #[test]
    fn a_file_without_vgg19_is_refused_with_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vgg19.safetensors");
        let sentence = |path: &Path| Vgg19::load(path, &Device::flex()).unwrap_err().to_string();
        assert!(sentence(&path).contains("does not exist"), "{}", sentence(&path));
        std::fs::write(&path, "no network").unwrap();
        assert!(sentence(&path).contains("leave vgg19 empty"), "{}", sentence(&path));
        let mut tensors = state_dict();
        tensors.insert("features.34.bias".into(), TensorData::new(vec![0.0_f32; 9], [9]));
        std::fs::write(&path, crate::safetensors::encode(&tensors).unwrap()).unwrap();
        assert!(sentence(&path).contains("its features.34.bias is [9] and should be [512]"), "{}", sentence(&path));
    }
}
