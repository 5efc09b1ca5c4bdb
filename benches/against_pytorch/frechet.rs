//! The Fréchet distance of 10,000 and 10,000 samples of 2048 features, as torch-fidelity takes it: in f64 but for the means.

use std::hint::black_box;

use burn::tensor::Device;
use ganvas::eval::{Features, Like, frechet};

use crate::count;
use crate::tensors::noise;
use crate::workload::{Opened, Rival, Workload, numbers};

pub const WORKLOAD: Workload = Workload {
    name: "frechet",
    title: "Fréchet distance, 2 x 10,000 samples of 2048 features (the covariances and their product)",
    gflop: || count::gflop((2 * SAMPLES * WIDTH.pow(2) + WIDTH.pow(3)) as f64),
    prepare: |_| Ok(()),
    rivals: &[Rival { title: "torch-fidelity", arguments: &[] }],
    ncnn: &[],
    wanted: Vec::new,
    tolerance: 1e-6,
    open,
};

const SAMPLES: usize = 10_000;
const WIDTH: usize = 2048;

fn open() -> Opened {
    let device = Device::flex();
    let [a, b] = [0, 1].map(|key| {
        let values = noise([SAMPLES, WIDTH], key, 1.0 + key as f64 / 4.0, &device).into_data();
        Features::new("noise", WIDTH, values.iter::<f64>().collect()).expect("noise is finite")
    });
    let distance = move || frechet::distance(&a, &b, Some(Like::TorchFidelity)).expect("sides of one width");
    Opened { numbers: numbers([("distance", distance())]), step: Box::new(move || _ = black_box(distance())) }
}
