//! The step of a DCGAN at 64x64, batch 64: Radford et al. 2016, "Unsupervised Representation Learning with Deep
//! Convolutional Generative Adversarial Networks", with the constants of section 4.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use ganvas::StepCx;
use ganvas::optim::{AdamConfig, Trained};
use ganvas::random::Draws;
use ganvas_kernels::{Act, Conv, Norm, Normalized, Over, bce_with_logits, bias_act, conv_transpose2d, conv2d, norm};

use crate::count::{self, Layers, convolution};
use crate::tensors::noise;
use crate::workload::{Opened, Rival, Workload, numbers};

pub const WORKLOAD: Workload = Workload {
    name: "dcgan",
    title: "DCGAN step, 64x64, batch 64",
    gflop: || count::gflop(count::gan_step(BATCH, &layers(&GENERATOR), &layers(&DISCRIMINATOR))),
    prepare: |_| Ok(()),
    rivals: &[
        Rival { title: "fused Adam", arguments: &["--fused"] },
        Rival { title: "fused Adam, D frozen in G's step", arguments: &["--fused", "--freeze"] },
        Rival { title: "channels last, fused Adam", arguments: &["--fused", "--channels-last"] },
        Rival {
            title: "channels last, fused Adam, D frozen in G's step",
            arguments: &["--fused", "--freeze", "--channels-last"],
        },
    ],
    ncnn: &[],
    wanted: Vec::new,
    tolerance: 1e-3,
    open,
};

const BATCH: usize = 64;
const LATENT: usize = 100;
const SLOPE: f64 = 0.2;

/// A 4x4 convolution of one of the nets, or its transpose.
struct Layer {
    from: usize,
    to: usize,
    stride: usize,
    padding: usize,
    /// The shorter side: G's input, D's output.
    side: usize,
}

const fn layer([from, to]: [usize; 2], [stride, padding]: [usize; 2], side: usize) -> Layer {
    Layer { from, to, stride, padding, side }
}

const GENERATOR: [Layer; 5] = [
    layer([LATENT, 512], [1, 0], 1),
    layer([512, 256], [2, 1], 4),
    layer([256, 128], [2, 1], 8),
    layer([128, 64], [2, 1], 16),
    layer([64, 3], [2, 1], 32),
];

const DISCRIMINATOR: [Layer; 5] = [
    layer([3, 64], [2, 1], 32),
    layer([64, 128], [2, 1], 16),
    layer([128, 256], [2, 1], 8),
    layer([256, 512], [2, 1], 4),
    layer([512, 1], [1, 0], 1),
];

fn layers(net: &[Layer]) -> Layers {
    Layers::new(net.iter().map(|layer| convolution(layer.from, layer.to, 4, layer.side)))
}

impl Layer {
    fn way(&self, slope: f64) -> Conv {
        Conv { stride: self.stride, padding: self.padding, slope }
    }
}

/// γ and β of a batch normalisation, `[c]` each.
#[derive(Module, Debug)]
struct Affine {
    gamma: Param<Tensor<1>>,
    beta: Param<Tensor<1>>,
}

/// Moving averages of the mean and variance of every batch normalisation, for sampling; PyTorch keeps them, too.
type Running = Vec<[Tensor<1>; 2]>;

impl Affine {
    fn new(channels: usize, device: &Device) -> Self {
        let filled = |value| Param::from_tensor(Tensor::full([channels], value, device));
        Affine { gamma: filled(1.0), beta: filled(0.0) }
    }

    fn forward(&self, x: Tensor<4>, slope: f64, running: &mut [Tensor<1>; 2]) -> Tensor<4> {
        let way = Norm { over: Over::Batch, epsilon: 1e-5, slope };
        let Normalized { y, mean, variance } = norm(x, self.gamma.val(), self.beta.val(), way);
        for (average, now) in running.iter_mut().zip([mean, variance]) {
            *average = average.clone() * 0.9 + now * 0.1;
        }
        y
    }
}

/// z `[n, 100, 1, 1]` to pictures `[n, 3, 64, 64]` in (-1, 1).
#[derive(Module, Debug)]
struct Generator {
    weights: Vec<Param<Tensor<4>>>, // [ic, oc, 4, 4]
    norms: Vec<Affine>,             // after each but the last
}

/// Pictures `[n, 3, 64, 64]` to logits `[n, 1]`.
#[derive(Module, Debug)]
struct Discriminator {
    weights: Vec<Param<Tensor<4>>>, // [oc, ic, 4, 4]
    norms: Vec<Affine>,             // after each but the first and the last
}

/// No bias: zeros that want no gradient.
fn zeros(channels: usize) -> Tensor<1> {
    Tensor::zeros([channels], &Device::flex())
}

impl Generator {
    fn new(device: &Device) -> Self {
        let weight = |(key, l): (usize, &Layer)| Param::from_tensor(noise([l.from, l.to, 4, 4], key, 0.02, device));
        let norms = GENERATOR[..4].iter().map(|layer| Affine::new(layer.to, device));
        Generator { weights: GENERATOR.iter().enumerate().map(weight).collect(), norms: norms.collect() }
    }

    fn forward(&self, z: Tensor<4>, running: &mut Running) -> Tensor<4> {
        let mut h = z;
        for (i, (layer, weight)) in GENERATOR.iter().zip(&self.weights).enumerate() {
            h = conv_transpose2d(h, weight.val(), zeros(layer.to), layer.way(1.0)); // [n, oc, 4·2^i, 4·2^i]
            h = match self.norms.get(i) {
                Some(norm) => norm.forward(h, 0.0, &mut running[i]),
                None => bias_act(h, None, Act::Tanh),
            };
        }
        h // [n, 3, 64, 64]
    }
}

impl Discriminator {
    fn new(device: &Device) -> Self {
        let weight = |(i, l): (usize, &Layer)| Param::from_tensor(noise([l.to, l.from, 4, 4], 5 + i, 0.02, device));
        let norms = DISCRIMINATOR[1..4].iter().map(|layer| Affine::new(layer.to, device));
        Discriminator { weights: DISCRIMINATOR.iter().enumerate().map(weight).collect(), norms: norms.collect() }
    }

    fn forward(&self, x: Tensor<4>, running: &mut Running) -> Tensor<2> {
        let mut h = x;
        for (i, (layer, weight)) in DISCRIMINATOR.iter().zip(&self.weights).enumerate() {
            let slope = if i == 0 { SLOPE } else { 1.0 };
            h = conv2d(h, weight.val(), zeros(layer.to), layer.way(slope)); // [n, oc, 32 / 2^i, 32 / 2^i]
            if (1..4).contains(&i) {
                h = self.norms[i - 1].forward(h, SLOPE, &mut running[i - 1]);
            }
        }
        h.flatten(1, 3) // [n, 1]
    }
}

struct Dcgan {
    g: Trained<Generator>,
    d: Trained<Discriminator>,
    running_g: Running,
    running_d: Running,
    real: Tensor<4>, // the same each step, so that loading data counts for nothing
}

impl Dcgan {
    fn new() -> Self {
        let (device, adam) = (Device::flex(), AdamConfig::with_beta1(0.5));
        let at_rest = |layer: &Layer| [zeros(layer.to), zeros(layer.to) + 1.0];
        Dcgan {
            g: Trained::new(Generator::new(&device.clone().autodiff()), adam, 0.0),
            d: Trained::new(Discriminator::new(&device.clone().autodiff()), adam, 0.0),
            running_g: GENERATOR[..4].iter().map(at_rest).collect(),
            running_d: DISCRIMINATOR[1..4].iter().map(at_rest).collect(),
            real: noise([BATCH, 3, 64, 64], 90, 0.5, &device),
        }
    }

    /// Loss and gradient norm.
    fn d_step(&mut self, z: Tensor<4>) -> [f64; 2] {
        let fake = self.g.net().valid().forward(z, &mut self.running_g);
        // Back from each before the next one, so that one graph is alive at a time; PyTorch's side does so, too.
        let mut backwards = |x, target| {
            let loss = bce_with_logits(self.d.net().forward(x, &mut self.running_d), target);
            (loss.clone().into_scalar::<f64>(), loss.backward())
        };
        let ((on_real, real), (on_fake, fake)) = (backwards(self.real.clone(), 1.0), backwards(fake, 0.0));
        let norm = self.d.descend_along(vec![real, fake], 2e-4, &StepCx::new(0, 0, BATCH, &Device::flex()));
        [on_real + on_fake, norm.into_scalar::<f64>()]
    }

    /// Loss and gradient norm.
    fn g_step(&mut self, z: Tensor<4>) -> [f64; 2] {
        let fake = self.g.net().forward(z, &mut self.running_g);
        let loss = bce_with_logits(self.d.frozen().forward(fake, &mut self.running_d), 1.0);
        descended(&mut self.g, loss)
    }
}

fn descended<M: Module>(net: &mut Trained<M>, loss: Tensor<1>) -> [f64; 2] {
    let value = loss.clone().into_scalar::<f64>();
    [value, net.descend_by(loss, 2e-4, 0.0).into_scalar::<f64>()]
}

fn open() -> Opened {
    let (device, mut dcgan, mut step) = (Device::flex(), Dcgan::new(), 0);
    let [d_loss, d_norm] = dcgan.d_step(noise([BATCH, LATENT, 1, 1], 91, 1.0, &device));
    let [g_loss, g_norm] = dcgan.g_step(noise([BATCH, LATENT, 1, 1], 92, 1.0, &device));
    Opened {
        numbers: numbers([("d_loss", d_loss), ("|d_gradient|", d_norm), ("g_loss", g_loss), ("|g_gradient|", g_norm)]),
        step: Box::new(move || {
            step += 1;
            let draws = Draws::new(0, step);
            dcgan.d_step(draws.normal("d.z", [BATCH, LATENT, 1, 1], &device));
            dcgan.g_step(draws.normal("g.z", [BATCH, LATENT, 1, 1], &device));
        }),
    }
}
