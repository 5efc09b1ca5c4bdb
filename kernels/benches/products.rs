//! What the fused convolutions, linear layer and Adam are worth beside their plain twins of Burn's own operations:
//! `cargo bench --workspace --bench products`. An element is a multiplication or an addition of the definition (of the
//! backward pass, too, which has twice those of the forward pass), so that criterion's elem/s reads as FLOP/s, whatever
//! the algorithm. An element of Adam is a weight.

use std::time::Duration;

use burn::tensor::activation::leaky_relu;
use burn::tensor::module::{conv_transpose2d, conv2d};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Device, Distribution, Tensor};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ganvas_kernels::{
    AdamConstants, Conv, adam, conv2d_grouped, conv2d_joined, conv2d_upsampled, linear, modulated_conv2d,
};
use mimalloc::MiMalloc;

/// As in the command: the system's allocator would fault every buffer in anew.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn noise<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex().autodiff())
}

/// The shapes of x, W and the bias.
type Shapes<const D: usize> = ([usize; D], [usize; D], usize);

/// Times `operation` without a gradient, and with those of x, W and the bias. The forward pass has `flop` operations.
fn both<const D: usize>(
    criterion: &mut Criterion,
    name: &str,
    (x, weight, bias): Shapes<D>,
    flop: usize,
    operation: impl Fn(Tensor<D>, Tensor<D>, Tensor<1>) -> Tensor<D>,
) {
    let (x, weight, bias) = (noise(x).require_grad(), noise(weight).require_grad(), noise([bias]).require_grad());
    let weights = noise(operation(x.clone(), weight.clone(), bias.clone()).dims());
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    let plain = (x.clone().inner(), weight.clone().inner(), bias.clone().inner());
    group.throughput(Throughput::Elements(flop as u64));
    group.bench_function("forward", |b| b.iter(|| operation(plain.0.clone(), plain.1.clone(), plain.2.clone())));
    group.throughput(Throughput::Elements(3 * flop as u64));
    group.bench_function("forward and backward", |b| {
        b.iter(|| (operation(x.clone(), weight.clone(), bias.clone()) * weights.clone()).sum().backward());
    });
    group.finish();
}

fn convolutions(criterion: &mut Criterion) {
    for (images, from, to, side, k, stride) in
        [(16, 64, 64, 64, 3, 1), (16, 128, 128, 32, 3, 1), (64, 64, 128, 32, 4, 2)]
    {
        let shapes = ([images, from, side, side], [to, from, k, k], to);
        let flop = 2 * images * from * to * usize::pow(side / stride * k, 2);
        let name = format!("{k} x {k} by {stride}, {from} to {to} channels, {side} pixels, batch of {images}");
        let conv = Conv { stride, padding: 1, slope: 1.0 };
        both(criterion, &format!("{name}, fused"), shapes, flop, |x, w, b| ganvas_kernels::conv2d(x, w, b, conv));
        both(criterion, &format!("{name}, plain"), shapes, flop, |x, w, b| {
            conv2d(x, w, Some(b), ConvOptions::new([stride; 2], [1; 2], [1; 2], 1))
        });
    }
    let shapes = ([64, 128, 16, 16], [128, 64, 4, 4], 64);
    let flop = 2 * 64 * 128 * 64 * usize::pow(16 * 4, 2);
    let name = "transposed 4 x 4 by 2, 128 to 64 channels, 16 pixels, batch of 64";
    both(criterion, &format!("{name}, fused"), shapes, flop, |x, w, b| {
        ganvas_kernels::conv_transpose2d(x, w, b, Conv { stride: 2, padding: 1, slope: 1.0 })
    });
    both(criterion, &format!("{name}, plain"), shapes, flop, |x, w, b| {
        conv_transpose2d(x, w, Some(b), ConvTransposeOptions::new([2; 2], [1; 2], [0; 2], [1; 2], 1))
    });
}

/// What is made of convolutions: modulated, of joined parts, of an upsampled picture.
fn composed(criterion: &mut Criterion) {
    let (shapes, flop) = (([16, 128, 32, 32], [128, 128, 3, 3], 128), 2 * 16 * 128 * 128 * 9 * 32 * 32);
    let style = noise([16, 128]) + 2.0;
    let own = |x: &Tensor<4>| if x.is_autodiff() { style.clone() } else { style.clone().inner() };
    let name = "modulated 3 x 3, 128 to 128 channels, 32 pixels, batch of 16";
    both(criterion, &format!("{name}, fused"), shapes, flop, |x, w, _| {
        let style = own(&x);
        modulated_conv2d(x, style, w, true, 1, 1)
    });
    both(criterion, &format!("{name}, plain"), shapes, flop, |x, w, _| {
        let style = own(&x);
        let energy: Tensor<2> = w.clone().square().sum_dim(3).sum_dim(2).reshape([128, 128]);
        let norms = (style.clone().square().matmul(energy.transpose()) + 1e-8).sqrt().reshape([16, 128, 1, 1]);
        let way = ConvOptions::new([1; 2], [1; 2], [1; 2], 1);
        conv2d(x * style.reshape([16, 128, 1, 1]), w, None, way) / norms
    });

    let (shapes, flop) = (([1, 64, 64, 64], [32, 192, 3, 3], 32), 2 * 192 * 32 * 9 * 64 * 64);
    let way = Conv { stride: 1, padding: 1, slope: 1.0 };
    let name = "3 x 3, three parts of 64 to 32 channels, 64 pixels";
    both(criterion, &format!("{name}, joined"), shapes, flop, |x, w, b| {
        conv2d_joined(&[x.clone(), x.clone(), x], w, b, way)
    });
    both(criterion, &format!("{name}, copied"), shapes, flop, |x, w, b| {
        ganvas_kernels::conv2d(Tensor::cat(vec![x.clone(), x.clone(), x], 1), w, b, way)
    });

    let (shapes, flop) = (([4, 64, 32, 32], [64, 64, 3, 3], 64), 2 * 4 * 64 * 64 * 9 * 64 * 64);
    let name = "3 x 3 of twice the size, 64 to 64 channels, 32 pixels, batch of 4";
    both(criterion, &format!("{name}, fused"), shapes, flop, |x, w, b| conv2d_upsampled(x, w, b, 1.0));
    both(criterion, &format!("{name}, plain"), shapes, flop, |x, w, b| {
        let [n, c, h, width] = x.dims();
        let twice: Tensor<6> = x.reshape([n, c, h, 1, width, 1]).expand([n, c, h, 2, width, 2]);
        ganvas_kernels::conv2d(twice.reshape([n, c, 2 * h, 2 * width]), w, b, way)
    });
}

/// What mixes the channels of each pixel, and convolutions of groups of channels.
fn blocks(criterion: &mut Criterion) {
    for (from, to) in [(32, 64), (64, 32), (3, 64), (64, 3)] {
        let (shapes, flop) = (([32, from, 64, 64], [to, from, 1, 1], to), 2 * 32 * from * to * 64 * 64);
        let name = format!("1 x 1, {from} to {to} channels, 64 pixels, batch of 32");
        let conv = Conv { stride: 1, padding: 0, slope: 0.2 };
        both(criterion, &format!("{name}, fused"), shapes, flop, |x, w, b| ganvas_kernels::conv2d(x, w, b, conv));
        both(criterion, &format!("{name}, plain"), shapes, flop, |x, w, b| {
            leaky_relu(conv2d(x, w, Some(b), ConvOptions::new([1; 2], [0; 2], [1; 2], 1)), 0.2)
        });
    }
    for (channels, side) in [(64, 64), (256, 8)] {
        let groups = channels / 16;
        let (shapes, flop) =
            (([32, channels, side, side], [channels, 16, 3, 3], channels), 2 * 32 * channels * 16 * 9 * side * side);
        let name = format!("3 x 3, {groups} groups of 16 channels, {side} pixels, batch of 32");
        let conv = Conv { stride: 1, padding: 1, slope: 0.2 };
        both(criterion, &format!("{name}, looped"), shapes, flop, |x, w, b| {
            let parts = x.chunk(groups, 1).into_iter().zip(w.chunk(groups, 0)).zip(b.chunk(groups, 0));
            Tensor::cat(parts.map(|((x, w), b)| ganvas_kernels::conv2d(x, w, b, conv)).collect(), 1)
        });
        both(criterion, &format!("{name}, fused"), shapes, flop, |x, w, b| conv2d_grouped(x, w, b, conv, groups));
    }
}

fn linears(criterion: &mut Criterion) {
    let (shapes, flop) = (([256, 784], [784, 1024], 1024), 2 * 256 * 784 * 1024);
    let name = "linear and leaky ReLU, 256 by 784 by 1024";
    both(criterion, &format!("{name}, fused"), shapes, flop, |x, w, b| linear(x, w, b, 0.2, None));
    both(criterion, &format!("{name}, plain"), shapes, flop, |x, w, b| leaky_relu(x.matmul(w) + b.unsqueeze(), 0.2));
}

fn adams(criterion: &mut Criterion) {
    /// Weights, as many as a small network of linear layers has.
    const COUNT: usize = 1_460_000;
    let c =
        AdamConstants { beta1: 0.5, beta2: 0.999, epsilon: 1e-8, rate: 2e-4, second_scale: 1.0, average_decay: 0.999 };
    let mut group = criterion.benchmark_group("Adam with an average, 1.46 million weights");
    group.sample_size(20).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    group.throughput(Throughput::Elements(COUNT as u64));
    let new = || noise([COUNT]).inner();
    let slice = |tensor: Tensor<1>| tensor.into_data().iter::<f32>().collect::<Vec<_>>();
    let [mut w, g, mut m, mut v, mut average] = [new(), new(), new(), new().square(), new()].map(slice);
    group.bench_function("fused", |b| b.iter(|| adam(&mut w, &g, &mut m, &mut v, Some(&mut average), &c)));
    let (mut w, g, mut m, mut v, mut average) = (new(), new(), new(), new().square(), new());
    group.bench_function("plain", |b| {
        b.iter(|| {
            m = m.clone() * c.beta1 + g.clone() * (1.0 - c.beta1);
            v = v.clone() * c.beta2 + g.clone().square() * (1.0 - c.beta2);
            w = w.clone() - m.clone() * c.rate / (v.clone().sqrt() * c.second_scale + c.epsilon);
            average = average.clone() * c.average_decay + w.clone() * (1.0 - c.average_decay);
        });
    });
    group.finish();
}

criterion_group!(benches, convolutions, composed, blocks, linears, adams);
criterion_main!(benches);
