//! A matrix product of 2048x2048 by 2048x2048: about the most that the machine can do.

use burn::tensor::{Device, Tensor};
use ganvas_kernels::linear;

use crate::count;
use crate::tensors::{noise, norm_of};
use crate::workload::{Opened, Rival, Workload, numbers};

pub const WORKLOAD: Workload = Workload {
    name: "product",
    title: "product 2048x2048x2048",
    gflop: || count::gflop(SIDE.pow(3) as f64),
    prepare: |_| Ok(()),
    rivals: &[Rival { title: "mm", arguments: &[] }],
    ncnn: &[],
    wanted: Vec::new,
    tolerance: 1e-3,
    open,
};

const SIDE: usize = 2048;

fn open() -> Opened {
    let device = Device::flex();
    let [a, b] = [0, 1].map(|key| noise([SIDE, SIDE], key, 1.0, &device));
    let bias = Tensor::<1>::zeros([SIDE], &device);
    let product = move || linear(a.clone(), b.clone(), bias.clone(), 1.0, None);
    Opened { numbers: numbers([("norm", norm_of(product()))]), step: Box::new(move || drop(product())) }
}
