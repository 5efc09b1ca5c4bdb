//! BigGAN's discriminator: residual blocks, and a projection of the class on what they see.

use ganvas_kernels::avg_pool2;

use super::Config;
use crate::nn::{SelfAttention, SpectralConv, SpectralLinear, Statistics};
use crate::prelude::*;

/// Pictures `[n, channels, resolution, resolution]` and classes `[n, classes]` to logits `[n, 1]`.
#[derive(Module, Debug)]
pub(super) struct Discriminator {
    blocks: Vec<Block>,
    attention: Option<SelfAttention>,
    logit: SpectralLinear,
    /// A column for each class: `[features, classes]`, spectrally normalised.
    projection: SpectralLinear,
    #[module(skip)]
    config: Config,
}

/// ReLU, 3x3, ReLU, 3x3, halving, beside a 1x1; without the first ReLU where it sees the picture itself.
#[derive(Module, Debug)]
struct Block {
    convs: [SpectralConv; 2],
    skip: Option<SpectralConv>,
    #[module(skip)]
    halves: bool,
    #[module(skip)]
    is_first: bool,
}

impl Block {
    /// x `[n, inputs, h, w]` to `[n, outputs, h/2, w/2]`, or of the same sides where it does not halve.
    fn forward(&self, x: Tensor<4>, told: Option<&Statistics>) -> Tensor<4> {
        let h = if self.is_first { x.clone() } else { relu(x.clone()) };
        let h = self.convs[0].forward(h, 0.0, told);
        let h = self.convs[1].forward(h, 1.0, told);
        let halved = |x| if self.halves { avg_pool2(x) } else { x };
        // A 1x1 after the halving is the same as before it, for a quarter of the work.
        let x = halved(x);
        halved(h) + self.skip.as_ref().map_or_else(|| x.clone(), |skip| skip.forward(x.clone(), 1.0, told))
    }
}

fn relu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    burn::tensor::activation::relu(x)
}

impl Discriminator {
    pub fn new(config: &Config, draws: &Draws, device: &Device) -> Self {
        let name = |part: &str| format!("discriminator.{part}");
        let channels = config.discriminator_channels();
        let block = |(i, &([inputs, outputs], halves)): (usize, &([usize; 2], bool))| {
            let conv = |part: &str, channels, kernel| {
                SpectralConv::new(channels, kernel, true, draws, &name(&format!("blocks.{i}.{part}")), device)
            };
            Block {
                convs: [conv("convs.0", [inputs, outputs], 3), conv("convs.1", [outputs; 2], 3)],
                skip: (inputs != outputs || halves).then(|| conv("skip", [inputs, outputs], 1)),
                halves,
                is_first: i == 0,
            }
        };
        let features = channels[channels.len() - 1].0[1];
        let at = config.d_attention_after();
        Discriminator {
            attention: at.map(|i| SelfAttention::new(channels[i].0[1], draws, &name("attention"), device)),
            blocks: channels.iter().enumerate().map(block).collect(),
            logit: SpectralLinear::new([features, 1], true, draws, &name("logit"), device),
            projection: SpectralLinear::new([config.classes(), features], false, draws, &name("projection"), device),
            config: config.clone(),
        }
    }

    /// In training, with room for what the pass `told`.
    pub fn forward(&self, x: Tensor<4>, classes: Tensor<2>, told: Option<&Statistics>) -> Tensor<2> {
        let mut h = x;
        for (i, block) in self.blocks.iter().enumerate() {
            h = block.forward(h, told);
            if let (Some(attention), true) = (&self.attention, self.config.d_attention_after() == Some(i)) {
                h = attention.forward(h, told);
            }
        }
        let h = relu(h).sum_dims(&[2, 3]).flatten::<2>(1, 3); // [n, features]
        let of_class = self.projection.forward(classes, told); // [n, features]
        self.logit.forward(h.clone(), told) + (of_class * h).sum_dim(1)
    }
}
