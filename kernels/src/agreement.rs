//! What the tests of every operation ask: that fused code and plain twin agree, that gradients are the derivative, and
//! that threads do not show.

use burn::tensor::{DType, Device, Tensor, TensorData};

/// An operation as the tests see it: the leaves' tensors to the result. A vector is a leaf `[1, 1, 1, length]`.
pub type Operation<'a> = &'a dyn Fn(&[Tensor<4>]) -> Tensor<4>;

/// A tensor of numbers without a pattern, in [-1, 1], times `scale` plus `shift`.
#[derive(Clone, Copy, Debug)]
pub struct Leaf {
    pub shape: [usize; 4],
    pub scale: f64,
    pub shift: f64,
}

/// Numbers in [-1, 1].
pub fn leaf(shape: [usize; 4]) -> Leaf {
    Leaf { shape, scale: 1.0, shift: 0.0 }
}

/// A vector of numbers in [-1, 1].
pub fn vector(length: usize) -> Leaf {
    leaf([1, 1, 1, length])
}

/// A leaf's tensor as a vector.
pub fn flat(tensor: &Tensor<4>) -> Tensor<1> {
    tensor.clone().flatten(0, 3)
}

fn numbers(leaf: &Leaf, seed: usize) -> Vec<f64> {
    let count = leaf.shape.iter().product::<usize>();
    // f32 values, so that both precisions start from the same numbers.
    let wave = |i: usize| (1.7 * (i + 1) as f64 + 3.1 * seed as f64 + (0.11 * (i * i) as f64).sin()).sin() as f32;
    (0..count).map(|i| f64::from((f64::from(wave(i)) * leaf.scale + leaf.shift) as f32)).collect()
}

fn tensor(numbers: Vec<f64>, shape: [usize; 4], (device, dtype): (&Device, DType)) -> Tensor<4> {
    Tensor::from_data(TensorData::new(numbers, shape).convert_dtype(dtype), (device, dtype))
}

/// The leaves' tensors.
pub fn tensors(leaves: &[Leaf], options: (&Device, DType)) -> Vec<Tensor<4>> {
    leaves.iter().enumerate().map(|(seed, leaf)| tensor(numbers(leaf, seed), leaf.shape, options)).collect()
}

/// A tensor's values.
pub fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

/// The result and the gradients of all leaves on Flex, under a loss that weighs every element differently.
pub fn outcome(operation: Operation, leaves: &[Leaf], dtype: DType) -> Vec<Vec<f64>> {
    outcome_on(&Device::flex(), operation, leaves, dtype)
}

/// [`outcome`] on a device.
pub fn outcome_on(device: &Device, operation: Operation, leaves: &[Leaf], dtype: DType) -> Vec<Vec<f64>> {
    let device = device.clone().autodiff();
    let made = tensors(leaves, (&device, dtype)).into_iter().map(Tensor::require_grad).collect::<Vec<_>>();
    let y = operation(&made);
    let weights = tensor(numbers(&leaf(y.dims()), leaves.len()), y.dims(), (&device, dtype));
    let gradients = (y.clone() * weights).sum().backward();
    std::iter::once(floats(y)).chain(made.iter().map(|leaf| floats(leaf.grad(&gradients).unwrap()))).collect()
}

/// Holds the fused code (f32) to the plain twin (which f64 takes on the CPU, too), with its gradients: the largest
/// difference over the twin's largest value (or 1, where all are smaller) is below `tolerance`.
pub fn twins(what: &str, operation: Operation, leaves: &[Leaf], tolerance: f64) {
    let (fused, plain) = (outcome(operation, leaves, DType::F32), outcome(operation, leaves, DType::F64));
    for (place, (a, b)) in fused.iter().zip(&plain).enumerate() {
        let name = if place == 0 { "the result".to_owned() } else { format!("the gradient of leaf {}", place - 1) };
        assert_eq!(a.len(), b.len(), "{what}: {name}");
        let scale = b.iter().fold(1.0, |most: f64, v| most.max(v.abs()));
        for (i, (a, b)) in a.iter().zip(b).enumerate() {
            let off = (a - b).abs() / scale;
            assert!(off < tolerance, "{what}: {name} is {a}, not {b}, at {i}: off by {off}");
        }
    }
}

/// Holds the gradients in f64 to central differences of the result.
pub fn differences(what: &str, operation: Operation, leaves: &[Leaf], tolerance: f64) {
    const STEP: f64 = 1e-5;
    let found = outcome(operation, leaves, DType::F64);
    let values = leaves.iter().enumerate().map(|(seed, leaf)| numbers(leaf, seed)).collect::<Vec<_>>();
    let device = Device::flex();
    let loss = |values: &[Vec<f64>]| {
        let made = leaves.iter().zip(values).map(|(leaf, v)| tensor(v.clone(), leaf.shape, (&device, DType::F64)));
        let y = operation(&made.collect::<Vec<_>>());
        let weights = numbers(&leaf(y.dims()), leaves.len());
        floats(y).iter().zip(weights).map(|(y, w)| y * w).sum::<f64>()
    };
    for (place, gradient) in found[1..].iter().enumerate() {
        let scale = gradient.iter().fold(1e-3, |most: f64, v| most.max(v.abs()));
        for (i, gradient) in gradient.iter().enumerate() {
            let at = |step: f64| {
                let mut moved = values.clone();
                moved[place][i] += step;
                loss(&moved)
            };
            let slope = (at(STEP) - at(-STEP)) / (2.0 * STEP);
            let off = (slope - gradient).abs() / scale;
            assert!(off < tolerance, "{what}: leaf {place} at {i}: the gradient is {gradient}, the slope {slope}");
        }
    }
}

/// Asserts the same bits of the result and all gradients with one thread and with several.
pub fn threads_do_not_show(operation: impl Fn(&[Tensor<4>]) -> Tensor<4> + Sync, leaves: &[Leaf]) {
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| outcome(&operation, leaves, DType::F32))
    };
    let one = with(1);
    assert!(one == with(2) && one == with(5));
}
