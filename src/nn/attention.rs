//! Self-attention over the places of a picture (Zhang et al. 2019, "Self-Attention Generative Adversarial Networks", section 3), as
//! BigGAN's published code has it: keys and values at half the side.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, activation::softmax};

use super::{SpectralConv, Statistics};
use crate::random::Draws;

/// x + γ·o, with o what every place gathers of all others.
#[derive(Module, Debug)]
pub struct SelfAttention {
    query: SpectralConv,
    key: SpectralConv,
    value: SpectralConv,
    output: SpectralConv,
    /// γ, shape `[1]`; it begins at 0, so that the layer begins as nothing.
    pub gamma: Param<Tensor<1>>,
}

impl SelfAttention {
    /// For pictures of so many channels, at least 8.
    pub fn new(channels: usize, draws: &Draws, name: &str, device: &Device) -> Self {
        let (few, half) = ((channels / 8).max(1), (channels / 2).max(1));
        let conv =
            |part: &str, channels| SpectralConv::new(channels, 1, false, draws, &format!("{name}.{part}"), device);
        SelfAttention {
            query: conv("query", [channels, few]),
            key: conv("key", [channels, few]),
            value: conv("value", [channels, half]),
            output: conv("output", [half, channels]),
            gamma: Param::from_tensor(Tensor::zeros([1], device)),
        }
    }

    /// x `[n, c, h, w]` of even sides to the same shape.
    pub fn forward(&self, x: Tensor<4>, told: Option<&Statistics>) -> Tensor<4> {
        let [n, _, h, w] = x.dims();
        assert!(h % 2 == 0 && w % 2 == 0, "attention over {:?}: the sides are odd", x.dims());
        // The largest of four neighbours, and of the half side.
        let pooled = |x: Tensor<4>| {
            let channels = x.dims()[1];
            x.reshape([n, channels, h / 2, 2, w / 2, 2]).max_dim(3).max_dim(5).reshape([n, channels, h / 2, w / 2])
        };
        let query = self.query.forward(x.clone(), 1.0, told).flatten::<3>(2, 3); // [n, c/8, h·w]
        let key = pooled(self.key.forward(x.clone(), 1.0, told)).flatten::<3>(2, 3); // [n, c/8, h·w/4]
        let value = pooled(self.value.forward(x.clone(), 1.0, told)).flatten::<3>(2, 3); // [n, c/2, h·w/4]
        let attention = softmax(query.swap_dims(1, 2).matmul(key), 2); // [n, h·w, h·w/4]
        let gathered = value.matmul(attention.swap_dims(1, 2)); // [n, c/2, h·w]
        let half = gathered.dims()[1];
        let gathered = gathered.reshape([n, half, h, w]);
        x + self.output.forward(gathered, 1.0, told) * self.gamma.val().reshape([1, 1, 1, 1])
    }
}
