//! The network that judges whether a picture is real and goes with a sentence (Zhang et al. 2017, sections 3.3 and 3.4).

use burn::tensor::activation::log_softmax;
use burn::tensor::s;
use ganvas_kernels::{Act, bias_act};

use super::Config;
use super::generator::{CHANNELS, INIT, SLOPE, START};
use super::parts::{entries, repeated};
use crate::looks::sentences::WIDTH;
use crate::nn::{Conv2d, ConvConfig, Init, Linear, Norm, NormedConv, Pullback, chain, leaky_pullback};
use crate::prelude::*;

/// Layers that halve the side double the channels; 1x1 layers bring them down to this many times the width again.
const MOST: usize = 8;
/// Entries of the vectors in which pictures and sentences are compared.
const COMPARED: usize = 128;
/// τ: what cosines are divided by before a softmax over them (Zhang et al. 2021, "Cross-Modal Contrastive Learning for Text-to-Image Generation", section 4).
const TEMPERATURE: f64 = 0.1;

/// Pictures `[n, 3, side, side]` and vectors of sentences `[n, 384]` to logits `[n, 1]`.
#[derive(Module, Debug)]
pub struct Critic {
    layers: Vec<NormedConv>, // 4x4 that halve the side to 4, then 1x1 that halve the channels
    residual: Vec<NormedConv>,
    pub(super) text: Linear,
    joint: NormedConv, // of the picture and the sentence
    last: Conv2d,
    compared: Option<[Linear; 2]>, // a picture and a sentence, in one space
}

impl Critic {
    /// For pictures of this side; `name` makes its draws its own.
    pub(super) fn new(config: &Config, side: usize, name: &str, draws: &Draws, device: &Device) -> Self {
        let (width, condition) = (config.d_width, config.condition);
        // What is small stays small where nothing normalises it.
        let he = Init::FanIn { gain: (2.0 / (1.0 + SLOPE * SLOPE)).sqrt() };
        let init = if config.d_norm == Norm::None { he } else { INIT };
        let layer = |part: String, layer: ConvConfig, norm: Norm| {
            NormedConv::new(layer, norm, draws, &format!("{name}.{part}"), device)
        };
        let halvings = (side / START).ilog2() as usize;
        let mut plan = vec![ConvConfig::halving([CHANNELS, width], true, init)];
        plan.extend((1..halvings).map(|i| ConvConfig::halving([width << (i - 1), width << i], true, init)));
        let mut channels = width << (halvings - 1);
        while channels > MOST * width {
            plan.push(ConvConfig::same([channels, channels / 2], 1, init));
            channels /= 2;
        }
        let inner = (channels / 4).max(1);
        let residual = [[channels, inner, 1], [inner, inner, 3], [inner, channels, 3]];
        let residual = residual.map(|[inputs, outputs, kernel]| ConvConfig::same([inputs, outputs], kernel, init));
        let numbered = |part: &str, plan: Vec<ConvConfig>| {
            let norm = |i| if part == "layers" && i == 0 { Norm::None } else { config.d_norm };
            let one = |(i, config)| layer(format!("{part}.{i}"), config, norm(i));
            plan.into_iter().enumerate().map(one).collect::<Vec<_>>()
        };
        let joint = ConvConfig::same([channels + condition, channels], 1, init);
        let whole = ConvConfig { padding: 0, ..ConvConfig::same([channels, 1], START, init) };
        Critic {
            layers: numbered("layers", plan),
            residual: numbered("residual.layers", residual.to_vec()),
            text: Linear::new([WIDTH, condition], INIT, 0.0, draws, &format!("{name}.text"), device),
            joint: layer("joint".into(), joint, config.d_norm),
            last: Conv2d::new(whole, draws, &format!("{name}.last"), device),
            compared: (config.contrast > 0.0).then(|| {
                let layer = |inputs, part: &str| {
                    Linear::new(
                        [inputs, COMPARED],
                        Init::FanIn { gain: 1.0 },
                        0.0,
                        draws,
                        &format!("{name}.{part}"),
                        device,
                    )
                };
                [layer(channels, "picture"), layer(WIDTH, "sentence")]
            }),
        }
    }

    /// How badly pictures, as [`Critic::seen`] has them, and their sentences find each other: the mean cross entropy of a picture's
    /// sentence among all of them and `others`, and that of a sentence's picture among all, `[1]` (InfoNCE). `None` for a critic that
    /// was not made for it.
    pub fn contrast(&self, seen: Tensor<4>, [text, others]: [Tensor<2>; 2]) -> Option<Tensor<1>> {
        let [of_picture, of_sentence] = self.compared.as_ref()?;
        let pooled = seen.mean_dims(&[2, 3]).flatten::<2>(1, 3);
        let sentences = of_sentence.forward(entries(Tensor::cat(vec![text, others], 0)));
        let [pictures, sentences] = [of_picture.forward(pooled), sentences].map(of_length_1);
        let cosines = pictures.matmul(sentences.transpose()) / TEMPERATURE; // [n, n + others]
        let (n, device) = (cosines.dims()[0], cosines.device());
        let own = |cosines: Tensor<2>| {
            let own = log_softmax(cosines, 1).slice(s![.., ..n]) * Tensor::eye(n, &device);
            -own.sum() / n as f64
        };
        Some((own(cosines.clone()) + own(cosines.slice(s![.., ..n]).transpose())) * 0.5)
    }

    /// What it sees of pictures, `[n, channels, 4, 4]`, and the way back to the gradient by them.
    pub fn seen(&self, pictures: Tensor<4>) -> (Tensor<4>, Pullback<4, 4>) {
        let (mut h, mut back): (_, Pullback<4, 4>) = (pictures, Box::new(|gradient| gradient));
        for (i, layer) in self.layers.iter().enumerate() {
            // The authors' code has no activation before the residual layers either; their text knows no reason.
            let slope = if i > 0 && i + 1 == self.layers.len() { 1.0 } else { SLOPE };
            let (y, through) = layer.leaky_vjp(h, slope);
            (h, back) = (y, chain(through, back));
        }
        let (x, mut beside): (_, Pullback<4, 4>) = (h.clone(), Box::new(|gradient| gradient));
        for (i, layer) in self.residual.iter().enumerate() {
            let (y, through) = layer.leaky_vjp(h, if i + 1 == self.residual.len() { 1.0 } else { SLOPE });
            (h, beside) = (y, chain(through, beside));
        }
        let y = bias_act(x + h, None, Act::Leaky(SLOPE));
        let sum: Pullback<4, 4> = Box::new(move |gradient| gradient.clone() + beside(gradient));
        (y.clone(), chain(leaky_pullback(y, SLOPE), chain(sum, back)))
    }

    /// Logits on what it sees with sentences, and the way back to the gradient by what it sees.
    pub fn judged(&self, seen: Tensor<4>, text: Tensor<2>) -> (Tensor<2>, Pullback<2, 4>) {
        let channels = seen.dims()[1];
        let text = repeated(self.text.leaky(entries(text), SLOPE, None), START);
        let (h, through) = self.joint.leaky_vjp(Tensor::cat(vec![seen, text], 1), SLOPE);
        let (logits, last) = self.last.vjp(h);
        let back = chain(last, through);
        let by_seen = move |gradient: Tensor<2>| back(gradient.reshape([0, 0, 1, 1])).slice(s![.., ..channels]);
        (logits.flatten(1, 3), Box::new(by_seen))
    }
}

fn of_length_1(vectors: Tensor<2>) -> Tensor<2> {
    let length = (vectors.clone().square().sum_dim(1) + 1e-8).sqrt();
    vectors / length
}
