//! Activations written so that Burn differentiates them cheaply.

use burn::tensor::Tensor;

/// Leaky ReLU: x where x > 0, else slope·x, elementwise.
///
/// Written as a product with a constant mask: its backward pass is one product. The derivative at 0 is the slope, as
/// in PyTorch.
pub fn leaky_relu<const D: usize>(x: Tensor<D>, slope: f64) -> Tensor<D> {
    let mask = x.clone().without_autodiff().greater_elem(0.0).float() * (1.0 - slope) + slope;
    x * mask
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn leaky_relu_and_its_derivative_are_the_definition_also_at_zero() {
        let x = Tensor::<1>::from_data([-2.0, -0.5, 0.0, 0.5, 3.0], &Device::flex().autodiff()).require_grad();
        let y = leaky_relu(x.clone(), 0.2);
        let gradient = x.grad(&y.clone().sum().backward()).unwrap();
        assert_eq!(y.into_data().try_into_vec::<f32>().unwrap(), [-0.4, -0.1, 0.0, 0.5, 3.0]);
        assert_eq!(gradient.into_data().try_into_vec::<f32>().unwrap(), [0.2, 0.2, 0.2, 1.0, 1.0]);
    }
}
