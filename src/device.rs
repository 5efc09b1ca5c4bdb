//! Where to compute. This is the only file that names a device of the engine.

use burn::tensor::{Device, Tensor, TensorData};

use crate::error::{Error, Result};

pub use ganvas_kernels::vector_bits;

/// The devices that can be asked for by name.
pub const NAMES: [&str; 1] = ["cpu"];

/// The processor.
pub fn cpu() -> Device {
    Device::flex()
}

/// Whether the slices of a device's tensors can be had without a copy: with or without its autodiff, the processor.
pub fn is_cpu(device: &Device) -> bool {
    device.clone().without_autodiff() == cpu()
}

/// Numbers of the host on a device.
pub fn tensor<const D: usize>(data: TensorData, device: &Device) -> Tensor<D> {
    Tensor::from_data(data, device)
}

/// The device of a name. The error says which there are.
pub fn named(name: &str) -> Result<Device> {
    match name {
        "cpu" => Ok(cpu()),
        "gpu" => Err(Error::input("this build computes on the processor alone; leave --device out, or give cpu")),
        other => Err(Error::input(format!("there is no device `{other}`; this build has: {}", NAMES.join(", ")))),
    }
}
