//! The blocks of `ganvas::nn` against numbers from PyTorch in f64, tests/golden/blocks.py, and their gradients against
//! finite differences and Burn's own.

use burn::module::{Param, ParamId};
use burn::tensor::{DType, Device, Tensor, TensorData};
use ganvas::nn::{
    BatchNorm, Conv2d, ConvConfig, ConvTranspose2d, Init, Linear, ModulatedConfig, ModulatedConv, Normalization,
    Pullback, Statistics, blur, chain, double, halve, minibatch_deviation_vjp, pixel_norm, resample_vjp,
};
use ganvas::random::Draws;
use ganvas_kernels::{Fir, Over, avg_pool2, spread2};
use serde_json::Value;

/// The rates of the leaves, in order.
const RATES: [f64; 4] = [0.37, 0.91, 0.53, 0.29];
/// The rate of c, by which the result is weighed.
const RATE_OF_C: f64 = 0.71;
const SLOPE: f64 = 0.2;
const EPSILON: f64 = 1e-3;

/// The way back from the gradient by the result to those by the inputs, all of them flat.
type Back = Box<dyn FnOnce(Tensor<1>) -> Vec<Tensor<1>>>;
/// The result, flat, and the way back of a block that has one.
type Outcome = (Tensor<1>, Option<Back>);

/// One entry of blocks.json: a function of leaves of these shapes.
struct Case {
    name: &'static str,
    shapes: &'static [&'static [usize]],
    block: fn(&Leaves) -> Outcome,
}

/// The tensors a case is a function of, each flat.
struct Leaves {
    flat: Vec<Tensor<1>>,
    shapes: &'static [&'static [usize]],
}

impl Leaves {
    fn get<const D: usize>(&self, k: usize) -> Tensor<D> {
        let shape: [usize; D] = self.shapes[k].try_into().unwrap();
        self.flat[k].clone().reshape(shape)
    }

    fn param<const D: usize>(&self, k: usize) -> Param<Tensor<D>> {
        param(self.get(k))
    }
}

/// A parameter that passes gradients on to what made the tensor.
fn param<const D: usize>(tensor: Tensor<D>) -> Param<Tensor<D>> {
    Param::initialized(ParamId::new(), tensor)
}

fn flat<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    tensor.reshape([-1])
}

fn alone<const D: usize>(y: Tensor<D>) -> Outcome {
    (flat(y), None)
}

fn with_back<const OUT: usize, const IN: usize>((y, back): (Tensor<OUT>, Pullback<OUT, IN>)) -> Outcome {
    let shape = y.dims();
    (flat(y), Some(Box::new(move |gradient| vec![flat(back(gradient.reshape(shape)))])))
}

fn wave(count: usize, rate: f64) -> Vec<f64> {
    let value = |i: f64| f64::from((rate * (i + 1.0) + 0.3 * (0.01 * i * i).sin()).sin() as f32);
    (0..count).map(|i| value(i as f64)).collect()
}

fn tensor(values: Vec<f64>, dtype: DType) -> Tensor<1> {
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]).convert_dtype(dtype), (&Device::flex().autodiff(), dtype))
}

fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

const HE: Init = Init::FanIn { gain: 1.0 };

/// What the fields say, with the weight and the bias of the leaves 1 and 2.
fn conv(leaves: &Leaves, stride: usize, padding: usize, groups: usize, init: Init) -> Conv2d {
    let [outputs, inputs, kernel, _] = leaves.get::<4>(1).dims();
    let bias = leaves.shapes.len() > 2;
    let config = ConvConfig { inputs: inputs * groups, outputs, kernel, stride, padding, groups, bias, init };
    let mut layer = Conv2d::new(config, &Draws::new(1, 0), "conv", &Device::flex());
    layer.weight = leaves.param(1);
    layer.bias = bias.then(|| leaves.param(2));
    layer
}

fn transposed(leaves: &Leaves, stride: usize, padding: usize) -> ConvTranspose2d {
    let [inputs, outputs, kernel, _] = leaves.get::<4>(1).dims();
    let bias = leaves.shapes.len() > 2;
    let config = ConvConfig { inputs, outputs, kernel, stride, padding, groups: 1, bias, init: HE };
    let mut layer = ConvTranspose2d::new(config, &Draws::new(1, 0), "conv", &Device::flex());
    layer.weight = leaves.param(1);
    layer.bias = bias.then(|| leaves.param(2));
    layer
}

fn linear(leaves: &Leaves, init: Init) -> Linear {
    let mut layer = Linear::new(leaves.get::<2>(1).dims(), init, 0.0, &Draws::new(1, 0), "linear", &Device::flex());
    layer.weight = leaves.param(1);
    layer.bias = leaves.param(2);
    layer
}

fn normalization(leaves: &Leaves, over: Over, slope: f64) -> Outcome {
    let mut layer = Normalization::new(over, 3, EPSILON, &Device::flex());
    layer.gamma = param(leaves.get(1) + 1.2);
    layer.beta = leaves.param(2);
    with_back(layer.leaky_vjp(leaves.get(0), slope))
}

/// A batch norm whose running statistics followed x and then 2x + 1.
fn batch_norm(leaves: &Leaves) -> BatchNorm {
    let (gamma, x) = (leaves.get::<1>(1) + 1.2, leaves.get::<4>(0));
    let mut layer = BatchNorm::new(gamma.clone().without_autodiff().autodiff(), EPSILON);
    layer.gamma = param(gamma);
    layer.beta = leaves.param(2);
    [x.clone(), x * 2.0 + 1.0].into_iter().fold(layer, |layer, x| {
        let told = Statistics::default();
        layer.leaky(x, 1.0, Some(&told));
        told.followed_by(layer)
    })
}

fn resampled(leaves: &Leaves, fir: Fir) -> Outcome {
    with_back(resample_vjp(leaves.get(0), &fir))
}

fn modulated(leaves: &Leaves, demodulate: bool, up: bool, gain: f64) -> Outcome {
    let [outputs, inputs, kernel, _] = leaves.get::<4>(2).dims();
    let config = ModulatedConfig { inputs, outputs, kernel, demodulate, up, gain };
    let mut layer = ModulatedConv::new(config, &Draws::new(1, 0), "conv", &Device::flex());
    layer.weight = leaves.param(2);
    let (y, back) = layer.vjp(leaves.get(0), leaves.get(1));
    let shape = y.dims();
    let back = move |gradient: Tensor<1>| {
        let (by_x, by_style) = back(gradient.reshape(shape));
        vec![flat(by_x), flat(by_style)]
    };
    (flat(y), Some(Box::new(back)))
}

const NORMED: &[&[usize]] = &[&[2, 3, 2, 3], &[3], &[3]];
const LINEAR: &[&[usize]] = &[&[4, 5], &[5, 3], &[3]];
const ROOT_OF_TWO: f64 = std::f64::consts::SQRT_2;

const CASES: &[Case] = &[
    Case {
        name: "conv",
        shapes: &[&[2, 3, 4, 5], &[4, 3, 3, 3], &[4]],
        block: |l| with_back(conv(l, 1, 1, 1, HE).vjp(l.get(0))),
    },
    Case {
        name: "conv in groups",
        shapes: &[&[2, 4, 6, 4], &[6, 2, 4, 4], &[6]],
        block: |l| with_back(conv(l, 2, 1, 2, HE).leaky_vjp(l.get(0), SLOPE)),
    },
    Case {
        name: "conv equalised",
        shapes: &[&[2, 3, 5, 5], &[4, 3, 3, 3], &[4]],
        block: |l| {
            let init = Init::Equalized { gain: ROOT_OF_TWO, rate: 0.5 };
            with_back(conv(l, 2, 1, 1, init).leaky_vjp(l.get(0), SLOPE))
        },
    },
    Case {
        name: "conv without bias",
        shapes: &[&[2, 3, 4, 3], &[2, 3, 1, 1]],
        block: |l| with_back(conv(l, 1, 0, 1, HE).leaky_vjp(l.get(0), SLOPE)),
    },
    Case {
        name: "transposed to twice",
        shapes: &[&[2, 3, 2, 3], &[3, 2, 4, 4], &[2]],
        block: |l| alone(transposed(l, 2, 1).forward(l.get(0))),
    },
    Case {
        name: "transposed from a vector",
        shapes: &[&[2, 5, 1, 1], &[5, 2, 4, 4]],
        block: |l| alone(transposed(l, 1, 0).forward(l.get(0))),
    },
    Case { name: "linear", shapes: LINEAR, block: |l| with_back(linear(l, HE).leaky_vjp(l.get(0), SLOPE)) },
    Case {
        name: "linear equalised",
        shapes: LINEAR,
        block: |l| with_back(linear(l, Init::Equalized { gain: 2.0, rate: 0.01 }).leaky_vjp(l.get(0), SLOPE)),
    },
    Case { name: "linear alone", shapes: &[&[4, 5], &[5, 1], &[1]], block: |l| with_back(linear(l, HE).vjp(l.get(0))) },
    Case { name: "batch norm", shapes: NORMED, block: |l| normalization(l, Over::Batch, SLOPE) },
    Case { name: "instance norm", shapes: NORMED, block: |l| normalization(l, Over::Instance, SLOPE) },
    Case { name: "layer norm", shapes: NORMED, block: |l| normalization(l, Over::Layer, SLOPE) },
    Case { name: "instance norm alone", shapes: NORMED, block: |l| normalization(l, Over::Instance, 1.0) },
    Case {
        name: "batch norm in training",
        shapes: NORMED,
        block: |l| alone(batch_norm(l).leaky(l.get(0), SLOPE, Some(&Statistics::default()))),
    },
    Case {
        name: "batch norm in sampling",
        shapes: NORMED,
        block: |l| alone(batch_norm(l).leaky(l.get(0), SLOPE, None)),
    },
    Case { name: "pixel norm", shapes: &[&[2, 3, 2, 3]], block: |l| alone(pixel_norm(l.get::<4>(0))) },
    Case { name: "pixel norm of vectors", shapes: &[&[3, 4]], block: |l| alone(pixel_norm(l.get::<2>(0))) },
    Case {
        name: "deviation of 4",
        shapes: &[&[4, 2, 2, 2]],
        block: |l| with_back(minibatch_deviation_vjp(l.get(0), 4)),
    },
    Case {
        name: "deviation of 8",
        shapes: &[&[8, 2, 2, 2]],
        block: |l| with_back(minibatch_deviation_vjp(l.get(0), 4)),
    },
    Case { name: "double", shapes: &[&[2, 2, 4, 2]], block: |l| resampled(l, double()) },
    Case { name: "halve", shapes: &[&[2, 2, 4, 2]], block: |l| resampled(l, halve()) },
    Case { name: "blur", shapes: &[&[2, 2, 4, 2]], block: |l| resampled(l, blur(2, 1, 1.0)) },
    Case {
        name: "modulated",
        shapes: &[&[2, 3, 3, 2], &[2, 3], &[2, 3, 3, 3]],
        block: |l| modulated(l, true, false, ROOT_OF_TWO),
    },
    Case {
        name: "modulated up",
        shapes: &[&[2, 3, 3, 2], &[2, 3], &[2, 3, 3, 3]],
        block: |l| modulated(l, true, true, ROOT_OF_TWO),
    },
    Case {
        name: "modulated up by one tap",
        shapes: &[&[2, 3, 3, 2], &[2, 3], &[2, 3, 1, 1]],
        block: |l| modulated(l, true, true, 1.0),
    },
    Case {
        name: "to colours",
        shapes: &[&[2, 3, 3, 2], &[2, 3], &[2, 3, 1, 1]],
        block: |l| modulated(l, false, false, 1.0 / 3.0_f64.sqrt()),
    },
];

/// What one case computes.
struct Found {
    y: Vec<f64>,
    /// Burn's own, of sum(y c) by every leaf.
    gradients: Vec<Vec<f64>>,
    /// What the way back makes of c, by the inputs.
    pulled: Vec<Vec<f64>>,
    /// sum(pulled²)
    penalty: f64,
    /// Burn's own, of the penalty by every leaf.
    penalty_gradients: Vec<Vec<f64>>,
}

impl Case {
    fn values(&self) -> Vec<Vec<f64>> {
        let sizes = self.shapes.iter().map(|shape| shape.iter().product::<usize>());
        sizes.zip(RATES).map(|(size, rate)| wave(size, rate)).collect()
    }

    fn at(&self, values: &[Vec<f64>], dtype: DType) -> Found {
        let run = || {
            let flat = values.iter().map(|leaf| tensor(leaf.clone(), dtype).require_grad()).collect();
            let leaves = Leaves { flat, shapes: self.shapes };
            let (y, back) = (self.block)(&leaves);
            let c = tensor(wave(y.dims()[0], RATE_OF_C), dtype);
            (leaves.flat, y, back, c)
        };
        // Not every leaf is in every loss: its gradient is 0.
        let gradients = |leaves: &[Tensor<1>], loss: Tensor<1>| -> Vec<Vec<f64>> {
            let all = leaves.iter().fold(loss, |loss, leaf| loss + leaf.clone().sum() * 0.0);
            let found = all.backward();
            leaves.iter().map(|leaf| floats(leaf.grad(&found).unwrap())).collect()
        };
        let (leaves, y, _, c) = run();
        let values_of_y = floats(y.clone());
        let of_y = gradients(&leaves, (y * c).sum());
        let (leaves, _, back, c) = run();
        let Some(back) = back else {
            return Found { y: values_of_y, gradients: of_y, pulled: vec![], penalty: 0.0, penalty_gradients: vec![] };
        };
        let pulled = back(c);
        let penalty = Tensor::cat(pulled.clone(), 0).square().sum();
        Found {
            y: values_of_y,
            gradients: of_y,
            pulled: pulled.into_iter().map(floats).collect(),
            penalty: penalty.clone().into_scalar::<f64>(),
            penalty_gradients: gradients(&leaves, penalty),
        }
    }
}

/// Each number within `tolerance` of the largest wanted one.
fn assert_near(found: &[f64], wanted: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    let scale = wanted.iter().fold(1e-30, |most: f64, v| most.max(v.abs()));
    for (i, (a, b)) in found.iter().zip(wanted).enumerate() {
        assert!((a - b).abs() <= tolerance * scale, "{what} is {a}, not {b}, at {i}: off by {}", (a - b) / scale);
    }
}

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/blocks.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn assert_golden(dtype: DType, tolerance: f64) {
    let golden = golden();
    for case in CASES {
        let (name, wanted) = (case.name, &golden[case.name]);
        let found = case.at(&case.values(), dtype);
        assert_near(&found.y, &numbers(&wanted["y"]), tolerance, &format!("{name}: the result"));
        let lists = |key: &str| wanted[key].as_array().unwrap().iter().map(numbers).collect::<Vec<_>>();
        let gradients = lists("gradients");
        assert_eq!(found.gradients.len(), gradients.len(), "{name}");
        for (k, (found, wanted)) in found.gradients.iter().zip(&gradients).enumerate() {
            assert_near(found, wanted, tolerance, &format!("{name}: the gradient of leaf {k}"));
        }
        for (k, (found, wanted)) in found.pulled.iter().zip(&gradients).enumerate() {
            assert_near(found, wanted, tolerance, &format!("{name}: the way back to input {k}"));
        }
        assert_eq!(found.pulled.is_empty(), wanted.get("penalty").is_none(), "{name}: the way back");
        if found.pulled.is_empty() {
            continue;
        }
        for (k, (found, wanted)) in found.penalty_gradients.iter().zip(&lists("penalty")).enumerate() {
            assert_near(found, wanted, tolerance, &format!("{name}: the penalty's gradient of leaf {k}"));
        }
    }
}

#[test]
fn every_golden_case_has_its_block() {
    let golden = golden();
    let known = |name: &str| CASES.iter().any(|case| case.name == name);
    let missing = golden.as_object().unwrap().keys().filter(|name| !known(name) && *name != "running statistics");
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn results_ways_back_and_gradients_are_pytorchs_in_single_precision() {
    assert_golden(DType::F32, 1e-5);
}

#[test]
fn results_ways_back_and_gradients_are_pytorchs_in_double_precision() {
    assert_golden(DType::F64, 1e-7);
}

#[test]
fn running_statistics_are_pytorchs() {
    let case = CASES.iter().find(|case| case.name == "batch norm in sampling").unwrap();
    for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::F64, 1e-7)] {
        let flat = case.values().into_iter().map(|leaf| tensor(leaf, dtype).require_grad()).collect();
        let layer = batch_norm(&Leaves { flat, shapes: case.shapes });
        let found = [floats(layer.mean.val()), floats(layer.variance.val())].concat();
        assert_near(&found, &numbers(&golden()["running statistics"]["y"]), tolerance, "mean and variance");
    }
}

#[test]
fn ways_back_are_the_derivative() {
    const STEP: f64 = 1e-5;
    for case in CASES {
        let (name, values) = (case.name, case.values());
        let found = case.at(&values, DType::F64);
        for (k, pulled) in found.pulled.iter().enumerate() {
            // The fused linear layer holds its slope in single precision.
            let tolerance = if name.starts_with("linear") { 1e-7 } else { 1e-12 };
            assert_near(pulled, &found.gradients[k], tolerance, &format!("{name}: the way back to input {k} by Burn"));
        }
        let c = wave(found.y.len(), RATE_OF_C);
        let losses = |found: &Found| [found.y.iter().zip(&c).map(|(y, c)| y * c).sum::<f64>(), found.penalty];
        for rate in [1.3, 2.1, 0.17] {
            let directions = values.iter().enumerate().map(|(k, leaf)| wave(leaf.len(), rate + 0.4 * k as f64));
            let directions = directions.collect::<Vec<_>>();
            if name == "batch norm in sampling" {
                continue; // the statistics follow x and pass no gradient on
            }
            let moved = |by: f64| {
                let each = values.iter().zip(&directions);
                let each = each.map(|(leaf, along)| leaf.iter().zip(along).map(|(v, d)| v + by * d).collect());
                losses(&case.at(&each.collect::<Vec<Vec<f64>>>(), DType::F64))
            };
            let (after, before) = (moved(STEP), moved(-STEP));
            let along = |gradients: &[Vec<f64>]| -> f64 {
                gradients.iter().flatten().zip(directions.iter().flatten()).map(|(g, d)| g * d).sum()
            };
            let own = [along(&found.gradients), along(&found.penalty_gradients)];
            for (what, i) in [("sum(y c)", 0), ("the penalty", 1)] {
                let (difference, own) = ((after[i] - before[i]) / (2.0 * STEP), own[i]);
                let off = (difference - own).abs() / own.abs().max(1e-3);
                assert!(off < 1e-6, "{name}: {what} changes by {difference}, not {own}: off by {off}");
            }
        }
    }
}

/// The R1 case of four convolutions, three poolings and a linear layer: weights, losses and norms as in
/// benches/against_pytorch, by PyTorch's double backward in f64.
struct Critic {
    convs: Vec<Conv2d>,
    last: Linear,
}

impl Critic {
    fn new(s: f64) -> Self {
        let weights = |count: usize, layer: usize| {
            let weight = |i: usize| (0.37 * i as f64 + 0.11 * layer as f64).sin() * 0.05 * s;
            tensor((0..count).map(weight).collect(), DType::F64)
        };
        let zeros = |count| tensor(vec![0.0; count], DType::F64);
        let conv = |i: usize| {
            let inputs = if i == 0 { 3 } else { 64 };
            let mut layer =
                Conv2d::new(ConvConfig::same([inputs, 64], 3, HE), &Draws::new(1, 0), "conv", &Device::flex());
            layer.weight = Param::from_tensor(weights(64 * inputs * 9, i).reshape([64, inputs, 3, 3]));
            layer.bias = Some(Param::from_tensor(zeros(64)));
            layer
        };
        Critic { convs: (0..4).map(conv).collect(), last: Linear::of(weights(1024, 4).reshape([1024, 1]), zeros(1)) }
    }

    fn vjp(&self, x: Tensor<4>) -> (Tensor<2>, Pullback<2, 4>) {
        let n = x.dims()[0];
        let (mut h, mut back) = self.convs[0].leaky_vjp(x, SLOPE);
        for conv in &self.convs[1..] {
            let (y, through) = conv.leaky_vjp(h, SLOPE);
            h = avg_pool2(y);
            back = chain(chain(Box::new(spread2), through), back);
        }
        let (scores, through) = self.last.vjp(h.reshape([n, 1024]));
        let unflattened: Pullback<2, 4> = Box::new(move |gradient| through(gradient).reshape([n, 64, 4, 4]));
        (scores, chain(unflattened, back))
    }

    /// softplus(-D(x)) as a mean, and 5 times the mean squared norm of the gradient by x.
    fn losses(&self) -> [Tensor<1>; 2] {
        let n = 32;
        let x = (0..n * 3 * 32 * 32).map(|i| (0.013 * i as f64).sin()).collect();
        let (scores, back) = self.vjp(tensor(x, DType::F64).reshape([n, 3, 32, 32]));
        let ones = tensor(vec![1.0; n], DType::F64).reshape([n, 1]);
        let adversarial = (scores.neg().exp() + 1.0).log().mean();
        [adversarial, back(ones).square().sum() * (5.0 / n as f64)]
    }

    fn norms(&self, loss: Tensor<1>) -> Vec<f64> {
        let gradients = loss.backward();
        let norm = |gradient: Vec<f64>| gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        let convs = self.convs.iter().map(|conv| norm(floats(conv.weight.val().grad(&gradients).unwrap())));
        convs.chain([norm(floats(self.last.weight.val().grad(&gradients).unwrap()))]).collect()
    }
}

/// Of one s: adv and R1, then the norms of the weights' gradients, of R1 and of both.
type Reference = (f64, [f64; 2], [f64; 5], [f64; 5]);

const REFERENCES: [Reference; 2] = [
    (
        1.0,
        [0.693132010054, 2.00421203914e-08],
        [6.076832902e-07, 6.135620922e-06, 1.443084765e-05, 2.466323929e-06, 2.456399672e-07],
        [0.002745460673, 0.008030059151, 0.02556551625, 0.004368670063, 0.001063279923],
    ),
    (
        6.0,
        [0.585346329342, 1.211870379],
        [6.124047463, 61.83292242, 145.4296957, 24.85486279, 2.475484915],
        [6.397551482, 55.79824993, 135.9398291, 22.253471, 2.402587196],
    ),
];

#[test]
fn a_critics_penalty_and_its_gradient_are_pytorchs() {
    for (s, losses, of_penalty, of_both) in REFERENCES {
        let critic = Critic::new(s);
        let [adversarial, penalty] = critic.losses();
        let found = [adversarial.clone(), penalty.clone()].map(|loss| loss.into_scalar::<f64>());
        let both = critic.norms(adversarial + penalty);
        let [_, penalty] = critic.losses();
        let alone = critic.norms(penalty);
        let found = [found.to_vec(), alone, both].concat();
        let wanted = [losses.to_vec(), of_penalty.to_vec(), of_both.to_vec()].concat();
        for (i, (a, b)) in found.iter().zip(&wanted).enumerate() {
            assert!((a / b - 1.0).abs() < 1e-8, "s = {s}: number {i} is {a}, not {b}: off by {}", a / b - 1.0);
        }
    }
}
