//! What the fused operations are worth beside their plain twins of Burn's own operations, forwards and backwards:
//! `cargo bench --workspace --bench pointwise`.

use std::time::Duration;

use burn::tensor::activation::{leaky_relu, sigmoid, tanh};
use burn::tensor::module::conv2d;
use burn::tensor::ops::{ConvOptions, PadMode};
use burn::tensor::{Device, Distribution, Tensor};
use criterion::{Criterion, criterion_group, criterion_main};
use ganvas_kernels::{
    Act, Dropout, Fir, Norm, Over, avg_pool2, bce_with_logits, bias_act, dropout, leaky_mask, norm, pixel_shuffle,
    upfirdn2d,
};
use mimalloc::MiMalloc;

/// As in the command: the system's allocator would fault every buffer in anew.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const FEATURES: [usize; 4] = [64, 64, 32, 32];
const PICTURES: [usize; 4] = [16, 64, 64, 64];

fn noise<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex().autodiff())
}

/// Times `operation` on x of this shape and two vectors of 64 without a gradient, and with those of all three.
fn both(
    criterion: &mut Criterion,
    name: &str,
    shape: [usize; 4],
    operation: impl Fn(Tensor<4>, [Tensor<1>; 2]) -> Tensor<4>,
) {
    let (x, vectors) = (noise(shape).require_grad(), [noise([64]), noise([64])].map(Tensor::require_grad));
    let weights = noise(operation(x.clone(), vectors.clone()).dims());
    let mut group = criterion.benchmark_group(name);
    group.sample_size(20).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    let (plain, plain_vectors) = (x.clone().inner(), vectors.clone().map(Tensor::inner));
    group.bench_function("forward", |b| b.iter(|| operation(plain.clone(), plain_vectors.clone())));
    group.bench_function("forward and backward", |b| {
        b.iter(|| (operation(x.clone(), vectors.clone()) * weights.clone()).sum().backward());
    });
    group.finish();
}

/// What the loss of `both` costs alone: a product and a sum, forwards and backwards.
fn loss(criterion: &mut Criterion) {
    both(criterion, "nothing but the loss", FEATURES, |x, _| x);
}

fn norms(criterion: &mut Criterion) {
    for (name, over) in [("batch", Over::Batch), ("instance", Over::Instance), ("layer", Over::Layer)] {
        let axes: &[usize] = match over {
            Over::Batch => &[0, 2, 3],
            Over::Instance => &[2, 3],
            Over::Layer => &[1, 2, 3],
        };
        let how = Norm { over, epsilon: 1e-5, slope: 0.2 };
        both(criterion, &format!("{name} norm and leaky ReLU, fused"), FEATURES, |x, [gamma, beta]| {
            norm(x, gamma, beta, how).y
        });
        both(criterion, &format!("{name} norm and leaky ReLU, plain"), FEATURES, |x, [gamma, beta]| {
            let mean = x.clone().mean_dims(axes);
            let apart = x - mean;
            let variance = apart.clone().square().mean_dims(axes);
            let scaled = apart / (variance + 1e-5).sqrt() * gamma.reshape([1, 64, 1, 1]);
            leaky_relu(scaled + beta.reshape([1, 64, 1, 1]), 0.2)
        });
    }
}

fn activations(criterion: &mut Criterion) {
    let fused = |act| move |x, [bias, _]: [Tensor<1>; 2]| bias_act(x, Some(bias), act);
    both(criterion, "leaky ReLU, fused", FEATURES, fused(Act::Leaky(0.2)));
    both(criterion, "leaky ReLU, plain", FEATURES, |x, [b, _]| leaky_relu(x + b.reshape([1, 64, 1, 1]), 0.2));
    both(criterion, "tanh, fused", FEATURES, fused(Act::Tanh));
    both(criterion, "tanh, plain", FEATURES, |x, [b, _]| tanh(x + b.reshape([1, 64, 1, 1])));
    both(criterion, "sigmoid, fused", FEATURES, fused(Act::Sigmoid));
    both(criterion, "sigmoid, plain", FEATURES, |x, [b, _]| sigmoid(x + b.reshape([1, 64, 1, 1])));
    let y = noise(FEATURES);
    both(criterion, "leaky mask, fused", FEATURES, |g, _| leaky_mask(g, y.clone(), 0.2));
    both(criterion, "leaky mask, plain", FEATURES, |g, _| g * (y.clone().sign().clamp_min(0.0) * 0.8 + 0.2));
    both(criterion, "dropout, fused", FEATURES, |x, _| dropout(x, Dropout { key: 1, share: 0.3 }));
    both(criterion, "dropout, plain", FEATURES, |x, _| {
        let kept = Tensor::random(FEATURES, Distribution::Bernoulli(0.7), &x.device());
        x * kept / 0.7
    });
    both(criterion, "binary cross-entropy, fused", FEATURES, |x, _| bce_with_logits(x, 0.9).reshape([1, 1, 1, 1]));
    both(criterion, "binary cross-entropy, plain", FEATURES, |x, _| {
        let tail = x.clone().abs().neg().exp().log1p();
        (x.clone().clamp_min(0.0) - x * 0.9 + tail).mean().reshape([1, 1, 1, 1])
    });
}

fn resampling(criterion: &mut Criterion) {
    let taps = vec![0.125_f32, 0.375, 0.375, 0.125];
    let kernel = Tensor::<1>::from_floats(taps.as_slice(), &Device::flex().autodiff());
    let kernel = (kernel.clone().reshape([1, 1, 4, 1]) * kernel.reshape([1, 1, 1, 4])).repeat_dim(0, 64);
    let fused = |up, down, padding, gain| {
        let fir = Fir { taps: taps.clone(), up, down, padding: [padding; 2], gain };
        move |x: Tensor<4>, _: [Tensor<1>; 2]| upfirdn2d(x, &fir)
    };
    let plain = |x: Tensor<4>, stride| {
        let padded = x.pad((1, 1, 1, 1), PadMode::Constant(0.0));
        conv2d(padded, kernel.clone(), None, ConvOptions::new([stride; 2], [0; 2], [1; 2], 64))
    };
    both(criterion, "blur, fused", PICTURES, fused(1, 1, [1, 1], 1.0));
    both(criterion, "blur, plain", PICTURES, |x, _| plain(x, 1));
    both(criterion, "half the size, fused", PICTURES, fused(1, 2, [1, 1], 1.0));
    both(criterion, "half the size, plain", PICTURES, |x, _| plain(x, 2));
    both(criterion, "twice the size, fused", [16, 64, 32, 32], fused(2, 1, [2, 1], 4.0));
    both(criterion, "pool, fused", PICTURES, |x, _| avg_pool2(x));
    both(criterion, "pool, plain", PICTURES, |x, _| {
        x.reshape([16, 64, 32, 2, 32, 2]).mean_dims(&[3, 5]).reshape([16, 64, 32, 32])
    });
    both(criterion, "pixel shuffle, fused", PICTURES, |x, _| pixel_shuffle(x, 2));
    both(criterion, "pixel shuffle, plain", PICTURES, |x, _| {
        x.reshape([16, 16, 2, 2, 64, 64]).permute([0, 1, 4, 2, 5, 3]).reshape([16, 16, 128, 128])
    });
}

criterion_group!(benches, loss, norms, activations, resampling);
criterion_main!(benches);
