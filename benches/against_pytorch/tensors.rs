//! Weights and inputs as functions of an index, which torch_side.py has, too.

use std::f64::consts::PI;

use burn::tensor::{Device, Tensor, TensorData};

/// sin(rate·i + phase)·scale over the flat index i: the tensors of the reference case.
pub fn wave<const D: usize>(shape: [usize; D], rate: f64, phase: f64, scale: f64, device: &Device) -> Tensor<D> {
    filled(shape, device, |i| (rate * i + phase).sin() * scale)
}

/// As good as N(0, scale²): the hash that shaders use for uniform numbers, through Box and Muller's formula.
pub fn noise<const D: usize>(shape: [usize; D], key: usize, scale: f64, device: &Device) -> Tensor<D> {
    let uniform = |angle: f64| (angle.sin() * 43758.5453).rem_euclid(1.0);
    filled(shape, device, |i| {
        let angle = 12.9898 * i + 78.233 * key as f64;
        let (u, v) = (uniform(angle), uniform(angle + 1.0));
        (-2.0 * (1.0 - u).ln()).sqrt() * (2.0 * PI * v).cos() * scale
    })
}

fn filled<const D: usize>(shape: [usize; D], device: &Device, value: impl Fn(f64) -> f64) -> Tensor<D> {
    let values = (0..shape.iter().product::<usize>()).map(|i| value(i as f64) as f32).collect::<Vec<f32>>();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// The Euclidean norm of all values.
pub fn norm_of<const D: usize>(tensor: Tensor<D>) -> f64 {
    tensor.into_data().iter::<f64>().map(|value| value * value).sum::<f64>().sqrt()
}
