//! Maxout (Goodfellow et al. 2013, "Maxout Networks", section 3): the activation that is itself learned.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::{Init, Linear};
use crate::random::Draws;

/// x `[n, inputs]` to y `[n, units]`: each unit is the largest of its own `pieces` affine functions of x. It has no
/// `vjp`, and a network of it no gradient penalty.
#[derive(Module, Debug)]
pub struct Maxout {
    /// All pieces, `[n, inputs]` to `[n, units · pieces]`, those of a unit side by side.
    pub linear: Linear,
    #[module(skip)]
    pieces: usize,
}

impl Maxout {
    /// Weights that begin as `init` says, zero biases. `name` makes the layer's draws its own.
    pub fn new(
        [inputs, units]: [usize; 2],
        pieces: usize,
        init: Init,
        draws: &Draws,
        name: &str,
        device: &Device,
    ) -> Self {
        Maxout::of(Linear::new([inputs, units * pieces], init, 0.0, draws, name, device), pieces)
    }

    /// Of these pieces. Panics when they do not make whole units.
    pub fn of(linear: Linear, pieces: usize) -> Self {
        let outputs = linear.bias.dims()[0];
        assert!(pieces > 0 && outputs.is_multiple_of(pieces), "{outputs} outputs do not make units of {pieces} pieces");
        Maxout { linear, pieces }
    }

    /// y from x. Panics with both shapes when x does not fit.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let all = self.linear.forward(x); // [n, units · pieces]
        let [n, outputs] = all.dims();
        let units = outputs / self.pieces;
        all.reshape([n, units, self.pieces]).max_dim(2).reshape([n, units])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::floats;

    /// Two inputs, two units of three pieces.
    fn layer() -> Maxout {
        let device = Device::flex().autodiff();
        let weight = [[1.0, -1.0, 0.0, 2.0, 0.5, 0.0], [0.0, 1.0, 1.0, -1.0, 0.5, 3.0]];
        let bias = [0.0, 0.5, -0.25, 0.0, -0.25, -6.0];
        Maxout::of(Linear::of(Tensor::from_data(weight, &device), Tensor::from_data(bias, &device)), 3)
    }

    fn x() -> Tensor<2> {
        Tensor::from_data([[1.0, 2.0], [3.0, -1.0]], &Device::flex().autodiff()).require_grad()
    }

    #[test]
    fn a_unit_is_the_largest_of_its_own_pieces() {
        // By hand, the pieces of both rows: [1, 1.5, 1.75 | 0, 1.25, 0] and [3, -3.5, -1.25 | 7, 0.75, -9].
        assert_eq!(floats(layer().forward(x())), [1.75, 1.25, 3.0, 7.0]);
    }

    #[test]
    fn the_gradient_goes_to_the_largest_piece_alone() {
        let (layer, x) = (layer(), x());
        let weights = Tensor::from_data([[1.0, 10.0], [100.0, 1000.0]], &Device::flex());
        let gradients = (layer.forward(x.clone()) * weights).sum().backward();
        // The first row's largest are the pieces 2 and 4, the second's 0 and 3.
        assert_eq!(floats(layer.linear.bias.val().grad(&gradients).unwrap()), [100.0, 0.0, 1.0, 1000.0, 10.0, 0.0]);
        let weight = [300.0, 0.0, 1.0, 3000.0, 10.0, 0.0, -100.0, 0.0, 2.0, -1000.0, 20.0, 0.0];
        assert_eq!(floats(layer.linear.weight.val().grad(&gradients).unwrap()), weight);
        assert_eq!(floats(x.grad(&gradients).unwrap()), [5.0, 6.0, 2100.0, -1000.0]);
    }

    #[test]
    #[should_panic(expected = "7 outputs do not make units of 5 pieces")]
    fn pieces_that_make_no_whole_units_are_refused() {
        Maxout::of(Linear::glorot(&Draws::new(1, 0), "w", 2, 7, &Device::flex()), 5);
    }
}
