//! Weight initialisations, each by the name the field gives it.

use burn::tensor::{Device, Tensor};

use crate::random::Draws;

/// Glorot and Bengio 2010, equation 16: U(-b, b) with b = sqrt(6 / (fan_in + fan_out)). Shape [fan_in, fan_out].
pub fn glorot_uniform(draws: &Draws, name: &str, [fan_in, fan_out]: [usize; 2], device: &Device) -> Tensor<2> {
    let bound = glorot_bound(fan_in, fan_out);
    draws.uniform(name, [fan_in, fan_out], (-bound, bound), device)
}

fn glorot_bound(fan_in: usize, fan_out: usize) -> f32 {
    (6.0 / (fan_in + fan_out) as f64).sqrt() as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn glorot_weights_fill_pytorchs_xavier_bound_for_every_layer_of_the_tutorial() {
        // Bounds and deviations made by tests/golden/make.py.
        let golden = serde_json::from_str::<Value>(include_str!("../../tests/golden/mnist.json")).unwrap();
        for case in golden["glorot"].as_array().unwrap() {
            let size = |key: &str| case[key].as_u64().unwrap() as usize;
            let (bound, std) = (case["bound"].as_f64().unwrap(), case["std"].as_f64().unwrap());
            let weights = glorot_uniform(&Draws::new(5, 0), "w", [size("in"), size("out")], &Device::flex());
            assert_eq!(weights.dims(), [size("in"), size("out")]);
            let weights = weights.into_data().iter::<f64>().collect::<Vec<f64>>();
            let n = weights.len() as f64;
            let largest = weights.iter().fold(0.0, |m: f64, w| m.max(w.abs()));
            let mean = weights.iter().sum::<f64>() / n;
            let found = (weights.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / n).sqrt();
            assert!(largest <= bound * (1.0 + 1e-6) && largest > bound * 0.98, "{largest} under a bound of {bound}");
            assert!((found / std - 1.0).abs() < 4.0 / n.sqrt(), "deviation {found}, not {std}");
            assert!(mean.abs() < 4.0 * std / n.sqrt(), "mean {mean}");
        }
    }

    #[test]
    fn biases_begin_at_zero_and_layers_differ() {
        let layer = |name| crate::nn::Linear::glorot(&Draws::new(5, 0), name, 30, 20, &Device::flex());
        let values = |tensor: Tensor<1>| tensor.into_data().iter::<f32>().collect::<Vec<f32>>();
        assert_eq!(values(layer("a").bias.val()), [0.0; 20]);
        let weights = |name| values(layer(name).weight.val().reshape([600]));
        assert_ne!(weights("a"), weights("b"));
        assert_eq!(weights("a"), weights("a"));
    }
}
