//! The generator: a mapping network from z to w, and a synthesis network whose layers w styles.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use ganvas_kernels::{Act, bias_act};

use super::Config;
use crate::field::{Field, Kind, Range};
use crate::model::{Given, Made, Model, STYLES, StyleSpace, TRUNCATION};
use crate::nn::{
    Init, Linear, ModulatedConfig, ModulatedConv, Pullback, StylePullback, double, leaky_pullback, nearer, pixel_norm,
    resample_vjp,
};
use crate::random::{Draws, Prior};

pub(super) const SLOPE: f64 = 0.2;
/// Of the average of w, per step.
const AVERAGE_DECAY: f64 = 0.995;
/// Learning rate of the mapping network relative to the rest.
const MAPPING_RATE: f64 = 0.01;

/// Styles drawn to measure their spread.
const SPREAD_OF: usize = 10_000;

/// The way back through something that a style w entered: to its input x and to w.
type Styled = Box<dyn FnOnce(Tensor<4>) -> (Tensor<4>, Tensor<2>)>;

/// √2, the gain after a leaky ReLU that keeps its result's variance near 1.
pub(super) fn activation_gain() -> f64 {
    2.0_f64.sqrt()
}

/// z `[n, latent]` to w `[n, style]`: fully connected layers with leaky ReLU after pixel norm.
#[derive(Module, Debug)]
pub struct Mapping {
    layers: Vec<Linear>,
    average: Param<Tensor<1>>, // of w, [style]; no gradient
}

impl Mapping {
    fn new(config: &Config, draws: &Draws, device: &Device) -> Self {
        let init = Init::Equalized { gain: activation_gain(), rate: MAPPING_RATE };
        let layer = |i: usize| {
            let inputs = if i == 0 { config.latent } else { config.style };
            Linear::new([inputs, config.style], init, 0.0, draws, &format!("generator.mapping.{i}"), device)
        };
        Mapping {
            layers: (0..config.mapping_layers).map(layer).collect(),
            average: Param::from_tensor(Tensor::zeros([config.style], device)).set_require_grad(false),
        }
    }

    pub(super) fn forward(&self, z: Tensor<2>) -> Tensor<2> {
        self.layers.iter().fold(pixel_norm(z), |h, layer| layer.leaky(h, SLOPE, None))
    }

    /// The average of w a little nearer to a batch's.
    fn follow(mut self, w: Tensor<2>) -> Self {
        let now = w.without_autodiff().mean_dim(0).flatten::<1>(0, 1);
        self.average = nearer(self.average, now, 1.0 - AVERAGE_DECAY);
        self
    }
}

/// A modulated 3x3 convolution, noise, a bias and leaky ReLU.
#[derive(Module, Debug)]
struct Layer {
    affine: Linear,
    conv: ModulatedConv,
    strength: Param<Tensor<1>>, // of the noise, [1]
    bias: Param<Tensor<1>>,     // [outputs]
}

/// From w to the scales of a layer's inputs, 1 on average.
fn affine(style: usize, inputs: usize, draws: &Draws, name: &str, device: &Device) -> Linear {
    Linear::new(
        [style, inputs],
        Init::Equalized { gain: 1.0, rate: 1.0 },
        1.0,
        draws,
        &format!("{name}.affine"),
        device,
    )
}

impl Layer {
    fn new(style: usize, conv: ModulatedConfig, draws: &Draws, name: &str, device: &Device) -> Self {
        Layer {
            affine: affine(style, conv.inputs, draws, name, device),
            bias: Param::from_tensor(Tensor::zeros([conv.outputs], device)),
            conv: ModulatedConv::new(conv, draws, name, device),
            strength: Param::from_tensor(Tensor::zeros([1], device)),
        }
    }

    fn vjp(&self, x: Tensor<4>, w: Tensor<2>, noise: Tensor<4>) -> (Tensor<4>, Styled) {
        let (style, through_affine) = self.affine.vjp(w);
        let (y, through_conv) = self.conv.vjp(x, style);
        let strength = self.strength.val().reshape([1, 1, 1, 1]) * activation_gain();
        let y = bias_act(y + noise * strength, Some(self.bias.val() * activation_gain()), Act::Leaky(SLOPE));
        let through_leaky = leaky_pullback(y.clone(), SLOPE);
        (y, styled(through_leaky, through_conv, through_affine))
    }
}

fn styled(last: Pullback<4, 4>, conv: StylePullback, affine: Pullback<2, 2>) -> Styled {
    Box::new(move |gradient| {
        let (by_x, by_style) = conv(last(gradient));
        (by_x, affine(by_style))
    })
}

/// A modulated 1x1 convolution to the picture's channels, and a bias.
#[derive(Module, Debug)]
struct ToPicture {
    affine: Linear,
    conv: ModulatedConv,
    bias: Param<Tensor<1>>, // [channels]
}

impl ToPicture {
    fn new(style: usize, [inputs, outputs]: [usize; 2], draws: &Draws, name: &str, device: &Device) -> Self {
        let gain = (inputs as f64).powf(-0.5);
        let config = ModulatedConfig { inputs, outputs, kernel: 1, demodulate: false, up: false, gain };
        ToPicture {
            affine: affine(style, inputs, draws, name, device),
            conv: ModulatedConv::new(config, draws, name, device),
            bias: Param::from_tensor(Tensor::zeros([outputs], device)),
        }
    }

    fn vjp(&self, x: Tensor<4>, w: Tensor<2>) -> (Tensor<4>, Styled) {
        let (style, through_affine) = self.affine.vjp(w);
        let (y, through_conv) = self.conv.vjp(x, style);
        let y = bias_act(y, Some(self.bias.val()), Act::Leaky(1.0));
        (y, styled(Box::new(|gradient| gradient), through_conv, through_affine))
    }
}

/// All layers at one size of picture; the smallest has one layer, the others two, of which the first doubles the sides.
#[derive(Module, Debug)]
struct Block {
    layers: Vec<Layer>,
    picture: ToPicture,
}

/// w of each layer to pictures `[n, channels, resolution, resolution]`.
#[derive(Module, Debug)]
pub struct Synthesis {
    constant: Param<Tensor<3>>, // [width, 4, 4]
    blocks: Vec<Block>,
}

impl Synthesis {
    fn new(config: &Config, draws: &Draws, device: &Device) -> Self {
        let block = |i: usize| {
            let (side, outputs) = (4 << i, config.width_at(4 << i));
            let layer = |l: usize, up| {
                let inputs = if up { config.width_at(side / 2) } else { outputs };
                let conv =
                    ModulatedConfig { inputs, outputs, kernel: 3, demodulate: true, up, gain: activation_gain() };
                Layer::new(config.style, conv, draws, &format!("generator.blocks.{i}.{l}"), device)
            };
            let channels = [outputs, config.channels];
            Block {
                layers: if i == 0 { vec![layer(0, false)] } else { vec![layer(0, true), layer(1, false)] },
                picture: ToPicture::new(config.style, channels, draws, &format!("generator.pictures.{i}"), device),
            }
        };
        let constant = draws.normal("generator.constant", [config.width_at(4), 4, 4], device);
        Synthesis { constant: Param::from_tensor(constant), blocks: (0..config.blocks()).map(block).collect() }
    }

    /// How many w a picture takes: one for each 3x3 layer, and one for the last convolution to the picture. Each of the
    /// others shares the w of the layer after it.
    pub(super) fn styles(&self) -> usize {
        2 * self.blocks.len()
    }

    /// Pictures, and the way back from them to each w. `noise` gives each 3x3 layer's, by its number and side.
    pub(super) fn vjp(
        &self,
        w: &[Tensor<2>],
        noise: &dyn Fn(usize, usize) -> Tensor<4>,
    ) -> (Tensor<4>, Box<dyn FnOnce(Tensor<4>) -> Vec<Tensor<2>>>) {
        assert_eq!(w.len(), self.styles(), "{} w for {} layers", w.len(), self.styles());
        let n = w[0].dims()[0];
        let mut x = self.constant.val().unsqueeze::<4>().repeat_dim(0, n);
        let (mut number, mut picture, mut ways_back) = (0, None::<Tensor<4>>, Vec::new());
        for (i, block) in self.blocks.iter().enumerate() {
            let mut through_layers = Vec::new();
            for layer in &block.layers {
                let (y, through) = layer.vjp(x, w[number].clone(), noise(number, 4 << i));
                x = y; // [n, width, 4·2^i, 4·2^i]
                through_layers.push((number, through));
                number += 1;
            }
            let (part, through_picture) = block.picture.vjp(x.clone(), w[number].clone());
            let (whole, through_double): (_, Option<Pullback<4, 4>>) = match picture {
                None => (part, None),
                Some(smaller) => {
                    let (doubled, through) = resample_vjp(smaller, &double());
                    (doubled + part, Some(through))
                }
            };
            picture = Some(whole);
            ways_back.push((through_layers, (number, through_picture), through_double));
        }
        let Some(picture) = picture else { panic!("a generator without blocks") };
        let styles = self.styles();
        let back = move |mut gradient: Tensor<4>| {
            let mut by_w: Vec<Option<Tensor<2>>> = (0..styles).map(|_| None).collect();
            let mut add = |number: usize, part: Tensor<2>| {
                let sum = by_w[number].take().map_or(part.clone(), |sum| sum + part);
                by_w[number] = Some(sum);
            };
            let mut by_x: Option<Tensor<4>> = None;
            for (through_layers, (number, through_picture), through_double) in ways_back.into_iter().rev() {
                let (through, by_style) = through_picture(gradient.clone());
                add(number, by_style);
                let mut by_y = by_x.map_or(through.clone(), |later| later + through);
                for (number, through_layer) in through_layers.into_iter().rev() {
                    let (by_input, by_style) = through_layer(by_y);
                    add(number, by_style);
                    by_y = by_input;
                }
                by_x = Some(by_y);
                if let Some(through_double) = through_double {
                    gradient = through_double(gradient);
                }
            }
            by_w.into_iter().flatten().collect()
        };
        (picture, Box::new(back))
    }
}

/// z `[n, latent]` to pictures `[n, channels, resolution, resolution]`.
#[derive(Module, Debug)]
pub struct Generator {
    pub(super) mapping: Mapping,
    pub(super) synthesis: Synthesis,
    #[module(skip)]
    latent: usize,
}

impl Generator {
    pub(super) fn new(config: &Config, draws: &Draws, device: &Device) -> Self {
        Generator {
            mapping: Mapping::new(config, draws, device),
            synthesis: Synthesis::new(config, draws, device),
            latent: config.latent,
        }
    }

    /// The average of w a little nearer to a batch's.
    pub(super) fn follow(mut self, w: Tensor<2>) -> Self {
        self.mapping = self.mapping.follow(w);
        self
    }

    /// Pictures by noise that is the same for all, so that only the styles tell them apart.
    fn pictures(&self, w: &[Tensor<2>]) -> Tensor<4> {
        let draws = Draws::new(0, 0);
        let device = self.mapping.average.device();
        let noise = |layer: usize, side| draws.normal(&format!("sample.noise.{layer}"), [1, 1, side, side], &device);
        self.synthesis.vjp(w, &noise).0
    }

    /// w `[1, style]` of a seed.
    fn style_of(&self, seed: u64) -> Tensor<2> {
        let device = self.mapping.average.device();
        self.mapping.forward(Prior::Normal.draw(&Draws::new(seed, 0), "latent", [1, self.latent], &device))
    }
}

impl Model for Generator {
    fn takes(&self) -> Vec<Field> {
        let truncation = Kind::Number { low: -2.0, high: 2.0, usual: 1.0 };
        let latent = Kind::Latent { width: self.latent, prior: Prior::Normal };
        vec![Field::new("seed", latent), Field::new(TRUNCATION, truncation)]
    }

    fn makes(&self) -> Vec<Field> {
        let [channels] = self.synthesis.blocks[0].picture.bias.dims();
        let side = 4 << (self.synthesis.blocks.len() - 1);
        vec![Field::picture("picture", channels, Some(side), Range::Signed)]
    }

    fn forward(&self, given: Given) -> Made {
        let styles = given.tensor::<3>(STYLES); // [n, layers, style]
        let w = (0..self.synthesis.styles()).map(|layer| styles.clone().narrow(1, layer, 1).squeeze_dim(1));
        Made::one("picture", self.pictures(&w.collect::<Vec<Tensor<2>>>()))
    }

    fn style_space(&self) -> Option<StyleSpace> {
        let average = self.mapping.average.val().unsqueeze::<2>(); // [1, style]
        let (net, layers, mapping, of_many) = (self.clone(), self.synthesis.styles(), self.clone(), self.clone());
        Some(StyleSpace {
            spread: Box::new(move || {
                let average = of_many.mapping.average.val().unsqueeze::<2>();
                let shape = [SPREAD_OF, of_many.latent];
                let z = Prior::Normal.draw(&Draws::new(0, 0), "spread", shape, &average.device());
                (of_many.mapping.forward(z) - average).square().sum_dim(1).mean().sqrt().into_scalar::<f64>()
            }),
            average,
            styles: Box::new(move |seeds| Tensor::cat(seeds.iter().map(|seed| mapping.style_of(*seed)).collect(), 0)),
            pictures: Box::new(move |w| net.pictures(&vec![w; layers])),
            layers,
        })
    }
}
