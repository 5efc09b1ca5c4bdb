//! A critic's loss with the R1 penalty (Mescheder et al. 2018, "Which Training Methods for GANs do actually Converge?",
//! equation 9) and its gradient: the input gradient is a forward computation, and Burn differentiates the whole once.

use burn::tensor::{Device, Tensor};
use ganvas::loss::adversarial::non_saturating;
use ganvas_kernels::{Conv, avg_pool2, conv_transpose2d, conv2d, leaky_mask, linear, spread2};

use crate::count::{self, Layers, convolution};
use crate::tensors::{norm_of, wave};
use crate::workload::{Numbers, Opened, Rival, Workload};

pub const WORKLOAD: Workload = Workload {
    name: "r1",
    title: "critic with R1, 32x32, batch 32",
    gflop: || {
        let convs = SIDES.iter().enumerate().map(|(i, &side)| convolution(channels(i), WIDTH, 3, side));
        let layers = Layers::new(convs.chain([FEATURES as f64]));
        // The pullback costs a forward pass. Then back: through the pullback to its weights and to what it spread, and
        // through the scores to the weights and to every layer's input but the first's.
        count::gflop(BATCH as f64 * (2.0 * layers.all() + 2.0 * layers.all() + layers.all() + layers.but_first()))
    },
    prepare: |_| Ok(()),
    rivals: &[
        Rival { title: "contiguous", arguments: &[] },
        Rival { title: "channels last", arguments: &["--channels-last"] },
    ],
    ncnn: &[],
    wanted: golden,
    // In f32 some results of convolutions are so near 0 that another order of sums puts them on another side of it.
    tolerance: 2e-3,
    open,
};

const BATCH: usize = 32;
const WIDTH: usize = 64;
const SIDES: [usize; 4] = [32, 32, 16, 8];
const FEATURES: usize = WIDTH * 4 * 4;
const SLOPE: f64 = 0.2;

/// Channels that convolution `i` takes.
fn channels(i: usize) -> usize {
    if i == 0 { 3 } else { WIDTH }
}

/// By PyTorch's double backward in f64: `torch_side.py r1 --double` prints them.
fn golden() -> Numbers {
    let cases = [
        (
            1,
            [0.693132010054, 2.00421203914e-08],
            [6.076832902e-07, 6.135620922e-06, 1.443084765e-05, 2.466323929e-06, 2.456399672e-07],
            [0.002745460673, 0.008030059151, 0.02556551625, 0.004368670063, 0.001063279923],
        ),
        (
            6,
            [0.585346329342, 1.211870379],
            [6.124047463, 61.83292242, 145.4296957, 24.85486279, 2.475484915],
            [6.397551482, 55.79824993, 135.9398291, 22.253471, 2.402587196],
        ),
    ];
    cases.iter().flat_map(|(s, losses, penalty, both)| named(*s, *losses, penalty, both)).collect()
}

fn named(s: u32, [adversarial, penalty]: [f64; 2], of_penalty: &[f64], of_both: &[f64]) -> Numbers {
    let norms = |name: &str, norms: &[f64]| -> Numbers {
        norms.iter().enumerate().map(|(i, norm)| (format!("s={s} |d{name}/dW{i}|"), *norm)).collect()
    };
    let losses = vec![(format!("s={s} adv"), adversarial), (format!("s={s} R1"), penalty)];
    [losses, norms("R1", of_penalty), norms("(adv+R1)", of_both)].concat()
}

/// Four 3x3 convolutions, all but the first followed by average pooling, and a linear layer.
struct Critic {
    convs: Vec<(Tensor<4>, Tensor<1>)>,
    linear: (Tensor<2>, Tensor<1>), // [1024, 1]
}

const WAY: Conv = Conv { stride: 1, padding: 1, slope: SLOPE };

impl Critic {
    fn new(s: f64) -> Self {
        let device = Device::flex().autodiff();
        let zeros = |n| Tensor::zeros([n], &device).require_grad();
        let conv = |i| {
            let shape = [WIDTH, channels(i), 3, 3];
            (wave(shape, 0.37, 0.11 * i as f64, 0.05 * s, &device).require_grad(), zeros(WIDTH))
        };
        let linear = wave([FEATURES, 1], 0.37, 0.11 * 4.0, 0.05 * s, &device).require_grad();
        Critic { convs: (0..4).map(conv).collect(), linear: (linear, zeros(1)) }
    }

    /// D(x) `[n, 1]` and ∇x ΣD `[n, 3, 32, 32]`, both differentiable.
    fn vjp(&self, x: Tensor<4>) -> (Tensor<2>, Tensor<4>) {
        let (n, mut h, mut results) = (x.dims()[0], x, Vec::new());
        for (i, (weight, bias)) in self.convs.iter().enumerate() {
            h = conv2d(h, weight.clone(), bias.clone(), WAY); // [n, 64, side, side]
            results.push(h.clone());
            h = if i == 0 { h } else { avg_pool2(h) };
        }
        let (weight, bias) = self.linear.clone();
        let scores = linear(h.flatten(1, 3), weight.clone(), bias, 1.0, None); // [n, 1]

        let device = Device::flex();
        let ones = Tensor::ones([n, 1], &device);
        let g = linear(ones, weight.transpose(), Tensor::zeros([FEATURES], &device), 1.0, None); // [n, 1024]
        let mut g: Tensor<4> = g.reshape([n, WIDTH, 4, 4]);
        for (i, (weight, _)) in self.convs.iter().enumerate().rev() {
            g = if i == 0 { g } else { spread2(g) };
            g = leaky_mask(g, results[i].clone(), SLOPE);
            let none = Tensor::zeros([channels(i)], &device);
            g = conv_transpose2d(g, weight.clone(), none, Conv { slope: 1.0, ..WAY }); // [n, ic, side, side]
        }
        (scores, g)
    }

    /// softplus(-D) and R1 with γ = 10, each a mean over the batch, `[1]`.
    fn losses(&self, x: Tensor<4>) -> [Tensor<1>; 2] {
        let n = x.dims()[0] as f64;
        let (scores, gradient) = self.vjp(x);
        [non_saturating(scores), gradient.square().sum() * (5.0 / n)]
    }

    /// The norms of a loss's gradients by the weights.
    fn norms(&self, loss: Tensor<1>) -> Vec<f64> {
        let gradients = loss.backward();
        let convs = self.convs.iter().map(|(weight, _)| norm_of(weight.grad(&gradients).expect("a gradient")));
        convs.chain([norm_of(self.linear.0.grad(&gradients).expect("a gradient"))]).collect()
    }
}

fn open() -> Opened {
    let x = wave([BATCH, 3, 32, 32], 0.013, 0.0, 1.0, &Device::flex());
    let found = [1, 6].iter().flat_map(|&s| {
        let critic = Critic::new(f64::from(s));
        let [adversarial, penalty] = critic.losses(x.clone());
        let losses = [&adversarial, &penalty].map(|loss| loss.clone().into_scalar::<f64>());
        let of_penalty = critic.norms(penalty);
        let [adversarial, penalty] = critic.losses(x.clone()); // anew: a graph is good for one pass backwards
        named(s, losses, &of_penalty, &critic.norms(adversarial + penalty))
    });
    let (numbers, critic) = (found.collect(), Critic::new(1.0));
    let step = move || {
        let [adversarial, penalty] = critic.losses(x.clone());
        let loss = adversarial + penalty;
        let _gradients = loss.backward();
        loss.into_scalar::<f64>();
    };
    Opened { numbers, step: Box::new(step) }
}
