//! BigGAN's generator: residual blocks whose norms are told the class and a part of z each.

use burn::module::Param;
use ganvas_kernels::{Act, bias_act, spread2};

use super::{CLASS, Config};
use crate::model::TRUNCATION;
use crate::nn::{BatchNorm, ConditionalNorm, SelfAttention, SpectralConv, SpectralLinear, Statistics, one_hot};
use crate::prelude::*;

/// A truncation so large that nearly no entry of z is beyond it: none is drawn again.
const UNBOUNDED: f64 = 4.0;

/// z `[n, latent]` and classes `[n, classes]` to pictures `[n, channels, resolution, resolution]` in (-1, 1).
#[derive(Module, Debug)]
pub struct Generator {
    /// A row for each class, `[classes, shared]`.
    embedding: Param<Tensor<2>>,
    first: SpectralLinear,
    blocks: Vec<Block>,
    attention: Option<SelfAttention>,
    last_norm: BatchNorm,
    last: SpectralConv,
    #[module(skip)]
    config: Config,
}

/// Norm, ReLU, doubling, 3x3, norm, ReLU, 3x3, beside a 1x1 of the doubled input.
#[derive(Module, Debug)]
struct Block {
    norms: [ConditionalNorm; 2],
    convs: [SpectralConv; 2],
    skip: SpectralConv,
}

impl Block {
    fn new(channels: [usize; 2], condition: usize, draws: &Draws, name: &str, device: &Device) -> Self {
        let [inputs, outputs] = channels;
        let norm = |part: &str, channels| {
            ConditionalNorm::new([condition, channels], draws, &format!("{name}.{part}"), device)
        };
        let conv = |part: &str, channels, kernel| {
            SpectralConv::new(channels, kernel, true, draws, &format!("{name}.{part}"), device)
        };
        Block {
            norms: [norm("norms.0", inputs), norm("norms.1", outputs)],
            convs: [conv("convs.0", channels, 3), conv("convs.1", [outputs; 2], 3)],
            skip: conv("skip", channels, 1),
        }
    }

    /// x `[n, inputs, h, w]` to `[n, outputs, 2h, 2w]`.
    fn forward(&self, x: Tensor<4>, y: Tensor<2>, told: Option<&Statistics>) -> Tensor<4> {
        let h = self.norms[0].relu(x.clone(), y.clone(), told);
        let h = self.convs[0].upsampled(h, told);
        let h = self.norms[1].relu(h, y, told);
        let h = self.convs[1].forward(h, 1.0, told);
        // A 1x1 before the doubling is the same as after it, for a quarter of the work.
        h + spread2(self.skip.forward(x, 1.0, told)) * 4.0
    }
}

impl Generator {
    pub(super) fn new(config: &Config, draws: &Draws, device: &Device) -> Self {
        let name = |part: &str| format!("generator.{part}");
        let channels = config.generator_channels();
        let part = config.latent_part();
        let condition = config.shared + part;
        let block = |(i, channels): (usize, &[usize; 2])| {
            Block::new(*channels, condition, draws, &name(&format!("blocks.{i}")), device)
        };
        let embedding = draws.normal(&name("embedding"), [config.classes(), config.shared], device);
        let start = config.start();
        let end = channels[channels.len() - 1][1];
        let at = config.attention_after();
        Generator {
            embedding: Param::from_tensor(embedding),
            first: SpectralLinear::new([part, start * start * channels[0][0]], true, draws, &name("first"), device),
            blocks: channels.iter().enumerate().map(block).collect(),
            attention: at.map(|i| SelfAttention::new(channels[i][1], draws, &name("attention"), device)),
            last_norm: BatchNorm::new(Tensor::ones([end], device), 1e-5),
            last: SpectralConv::new([end, config.channels], 3, true, draws, &name("last"), device),
            config: config.clone(),
        }
    }

    /// In training, with room for what the pass `told`; else by the running statistics. `classes` has a 1 in each row, or shares that
    /// add up to 1 between classes.
    pub(super) fn forward(&self, z: Tensor<2>, classes: Tensor<2>, told: Option<&Statistics>) -> Tensor<4> {
        let part = self.config.latent_part();
        let shared = classes.matmul(self.embedding.val()); // [n, shared]
        let z = |i: usize| z.clone().narrow(1, i * part, part);
        let start = self.config.start();
        let mut h = self.first.forward(z(0), told).reshape([0, -1, start as i32, start as i32]);
        for (i, block) in self.blocks.iter().enumerate() {
            let condition = Tensor::cat(vec![shared.clone(), z(i + 1)], 1);
            h = block.forward(h, condition, told); // [n, channels[i][1], start·2^(i+1), ..]
            if let (Some(attention), true) = (&self.attention, self.config.attention_after() == Some(i)) {
                h = attention.forward(h, told);
            }
        }
        let h = self.last.forward(self.last_norm.leaky(h, 0.0, told), 1.0, told);
        bias_act(h, None, Act::Tanh)
    }

    /// The same weights with the statistics of this many batches of random z and classes: the running ones are of weights that have
    /// moved on since, and of others than the average's (the "standing statistics" of the authors' code).
    pub(super) fn standing(self, batches: u64) -> Self {
        let Config { latent, train, .. } = self.config.clone();
        let (classes, device) = (self.config.classes(), self.embedding.val().device());
        (0..batches).fold(self, |net, i| {
            let [z, labels] =
                asked(&Draws::new(train.seed, 0), &format!("standing.{i}"), [train.batch, latent], classes, &device);
            let told = Statistics::default();
            net.forward(z, labels, Some(&told));
            told.averaged_by(net, 1.0 / (i + 1) as f64)
        })
    }
}

/// z `[n, latent]` and random classes `[n, classes]` by the draws of one name.
pub(super) fn asked(draws: &Draws, name: &str, shape: [usize; 2], classes: usize, device: &Device) -> [Tensor<2>; 2] {
    let labels = draws.indices(&format!("{name}.classes"), classes as u32, shape[0]);
    [draws.normal(&format!("{name}.z"), shape, device), one_hot(&labels, classes, device)]
}

impl Model for Generator {
    fn takes(&self) -> Vec<Field> {
        let latent = Field::new("seed", Kind::Latent { width: self.config.latent, prior: Prior::Normal });
        let truncation = Kind::Number { low: 0.02, high: UNBOUNDED, usual: UNBOUNDED };
        let names = self.config.classes.clone();
        let class = (names.len() > 1).then(|| Field::new(CLASS, Kind::Class { names }));
        [latent, Field::new(TRUNCATION, truncation)].into_iter().chain(class).collect()
    }

    fn makes(&self) -> Vec<Field> {
        vec![Field::picture("picture", self.config.channels, Some(self.config.resolution), Range::Signed)]
    }

    fn forward(&self, given: Given) -> Made {
        let classes = given.get::<2>(CLASS); // [n, classes]; none where there is one class alone
        let classes = classes.unwrap_or_else(|| Tensor::ones([given.samples(), 1], &self.embedding.val().device()));
        Made::one("picture", self.forward(given.tensor("seed"), classes, None))
    }
}
