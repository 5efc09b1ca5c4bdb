//! Weight initialisations, each by the name the field gives it.

use burn::module::{Param, ParamId};
use burn::tensor::{Device, Tensor, TensorData};
use faer::MatRef;

use crate::device;
use crate::random::Draws;

/// Glorot and Bengio 2010, equation 16: U(-b, b) with b = sqrt(6 / (fan_in + fan_out)). Shape [fan_in, fan_out].
pub fn glorot_uniform(draws: &Draws, name: &str, [fan_in, fan_out]: [usize; 2], device: &Device) -> Tensor<2> {
    let bound = glorot_bound(fan_in, fan_out);
    draws.uniform(name, [fan_in, fan_out], (-bound, bound), device)
}

/// Where the weights of a layer begin, and by what they are multiplied in use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// N(0, deviation²), as in DCGAN (0.02).
    Normal {
        /// The standard deviation.
        deviation: f64,
    },
    /// U(-bound, bound), as in the first GAN (0.05 and 0.005).
    Uniform {
        /// The largest weight.
        bound: f64,
    },
    /// N(0, gain² / fan_in) (He et al. 2015, equation 10); with a gain of 0 the layer begins as nothing.
    FanIn {
        /// The activation's gain.
        gain: f64,
    },
    /// N(0, gain² / fan_in) for every fourth output, and the three after it alike, so that a pixel shuffle by 2 begins as nearest
    /// neighbour (Aitken et al. 2017, "Checkerboard artifact free sub-pixel convolution", ICNR).
    Shuffled {
        /// The activation's gain.
        gain: f64,
    },
    /// Rows, or columns where those are fewer, of length 1 and at right angles (Saxe et al. 2014), of the weights seen as a matrix
    /// with a row for each entry of the first axis.
    Orthogonal,
    /// Equalised learning rate (Karras et al. 2018, "Progressive Growing of GANs", section 4.1): N(0, 1 / rate²), in use
    /// times gain·rate / √fan_in; a bias is in use times gain·rate. So Adam moves every layer at the same relative speed.
    Equalized {
        /// What the result is multiplied by, such as √2 for a leaky ReLU after it.
        gain: f64,
        /// The learning rate relative to other layers, such as 0.01 in StyleGAN's mapping network.
        rate: f64,
    },
}

/// A parameter that is drawn when it is first asked for: never where a file's takes its place. Copies share it until then, and whether
/// it learns; so [`crate::optim::Trained`] has it drawn before there are any.
pub(super) fn drawn<const D: usize>(
    shape: [usize; D],
    device: &Device,
    draw: impl FnOnce(&Device) -> Tensor<D> + Send + Sync + 'static,
) -> Param<Tensor<D>> {
    let init = move |device: &Device, learns: bool| {
        let drawn = draw(device);
        if learns { drawn.require_grad() } else { drawn }
    };
    Param::uninitialized(ParamId::new(), init, device.clone(), true, shape.into())
}

/// By what weights and biases are multiplied in use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gains {
    weight: f64,
    bias: f64,
}

impl Gains {
    pub(super) const ONE: Gains = Gains { weight: 1.0, bias: 1.0 };

    pub(super) fn weight<const D: usize>(self, weight: Tensor<D>) -> Tensor<D> {
        if self.weight == 1.0 { weight } else { weight * self.weight }
    }

    /// The bias whose use is `bias`.
    pub(super) fn before(self, bias: f64) -> f64 {
        bias / self.bias
    }

    pub(super) fn bias(self, bias: Tensor<1>) -> Tensor<1> {
        if self.bias == 1.0 { bias } else { bias * self.bias }
    }
}

impl Init {
    /// The weights and the gains they are used with.
    pub(super) fn weights<const D: usize>(
        self,
        shape: [usize; D],
        fan_in: usize,
        draws: &Draws,
        name: &str,
        device: &Device,
    ) -> (Param<Tensor<D>>, Gains) {
        let (draws, name) = (*draws, format!("{name}.weight"));
        let root = (fan_in as f64).sqrt();
        let (deviation, gains) = match self {
            Init::Uniform { bound } => {
                let bound = bound as f32;
                let weights = drawn(shape, device, move |device| draws.uniform(&name, shape, (-bound, bound), device));
                return (weights, Gains::ONE);
            }
            Init::Orthogonal => {
                let matrix = [shape[0], shape[1..].iter().product()];
                let weights = drawn(shape, device, move |device| {
                    let random = draws.normal(&name, matrix, &device::cpu());
                    Tensor::from_data(TensorData::new(orthogonal(random), shape), device)
                });
                return (weights, Gains::ONE);
            }
            Init::Shuffled { gain } => {
                let matrix = [shape[0] / 4, 1, shape[1..].iter().product()];
                assert_eq!(4 * matrix[0], shape[0], "the outputs of {shape:?} are not shuffled by 2");
                let weights = drawn(shape, device, move |device| {
                    let own = draws.normal(&name, matrix, device) * (gain / root);
                    own.expand([matrix[0], 4, matrix[2]]).reshape(shape)
                });
                return (weights, Gains::ONE);
            }
            Init::Normal { deviation } => (deviation, Gains::ONE),
            Init::FanIn { gain } => (gain / root, Gains::ONE),
            Init::Equalized { gain, rate } => (1.0 / rate, Gains { weight: gain * rate / root, bias: gain * rate }),
        };
        (drawn(shape, device, move |device| draws.normal(&name, shape, device) * deviation), gains)
    }
}

/// The orthogonal factor of a random matrix `[rows, columns]`, row after row: Q of its QR decomposition, or of its transpose's where it
/// is wide, with the signs of R's diagonal so that all such matrices are equally likely.
fn orthogonal(random: Tensor<2>) -> Vec<f32> {
    let [rows, columns] = random.dims();
    let values = random.into_data().iter::<f64>().collect::<Vec<f64>>();
    let given = MatRef::from_row_major_slice(&values, rows, columns);
    let is_wide = rows < columns;
    let tall = if is_wide { given.transpose() } else { given };
    let qr = tall.qr();
    let (q, r) = (qr.compute_thin_Q(), qr.thin_R());
    let at = |i: usize, j: usize| q[(i, j)] * r[(j, j)].signum();
    let entry = |i, j| if is_wide { at(j, i) } else { at(i, j) };
    (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))).map(|(i, j)| entry(i, j) as f32).collect()
}

fn glorot_bound(fan_in: usize, fan_out: usize) -> f32 {
    (6.0 / (fan_in + fan_out) as f64).sqrt() as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::floats;
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
            let weights = floats(weights);
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
    fn uniform_weights_fill_the_bound_they_are_given() {
        let init = Init::Uniform { bound: 0.05 };
        let layer = crate::nn::Linear::new([100, 1200], init, 0.0, &Draws::new(5, 0), "g", &Device::flex());
        let weights = floats(layer.weight.val());
        let [least, most] = weights.iter().fold([0.0, 0.0], |[a, b]: [f64; 2], &w| [a.min(w), b.max(w)]);
        let filled = |edge: f64| (0.0499..0.0500001).contains(&edge);
        assert!(filled(-least) && filled(most), "{least} to {most}");
        let square = weights.iter().map(|w| w * w).sum::<f64>() / weights.len() as f64;
        assert!((square / (0.05 * 0.05 / 3.0) - 1.0).abs() < 0.02, "mean square {square}");
    }

    #[test]
    fn biases_begin_at_zero_and_layers_differ() {
        let layer = |name| crate::nn::Linear::glorot(&Draws::new(5, 0), name, 30, 20, &Device::flex());
        assert_eq!(floats(layer("a").bias.val()), [0.0; 20]);
        let weights = |name| floats(layer(name).weight.val());
        assert_ne!(weights("a"), weights("b"));
        assert_eq!(weights("a"), weights("a"));
    }
}
