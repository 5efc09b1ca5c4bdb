//! The CPU backend's tensors as slices and back.

use burn::tensor::{Bytes, DType, Shape};
use burn_flex::{FlexTensor, Layout};

use crate::cpu::{changed_copy, changed_in_place};

/// The same tensor with its values in row-major order from the start of its buffer.
pub fn contiguous(tensor: FlexTensor) -> FlexTensor {
    let whole = tensor.is_contiguous() && tensor.layout().start_offset() == 0;
    if whole { tensor } else { tensor.to_contiguous() }
}

/// The values of a contiguous f32 tensor.
pub fn values(tensor: &FlexTensor) -> &[f32] {
    let count = tensor.layout().num_elements();
    tensor.as_slice::<f32>().map_or(&[], |values| &values[..count])
}

/// A tensor of these values.
pub fn wrapped(values: Vec<f32>, shape: Shape) -> FlexTensor {
    FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(shape), DType::F32)
}

/// Whether the fused code can take them.
pub fn all_f32(tensors: &[&FlexTensor]) -> bool {
    tensors.iter().all(|tensor| tensor.dtype() == DType::F32)
}

/// Changes a tensor's values, in its own buffer when nobody else holds it.
pub fn in_place<R>(tensor: FlexTensor, change: impl FnOnce(&mut [f32]) -> R) -> (FlexTensor, R) {
    let mut tensor = contiguous(tensor);
    let shape = tensor.layout().shape().clone();
    if let Some(own) = tensor.try_storage_mut::<f32>().filter(|own| own.len() == shape.num_elements()) {
        let result = change(own);
        return (tensor, result);
    }
    let mut copy = values(&tensor).to_vec();
    let result = change(&mut copy);
    (wrapped(copy, shape), result)
}

/// The tensor with its values changed run by run, as `changed_in_place` does: in its own buffer when nobody else holds
/// it, else in one pass into another.
pub fn changed(tensor: FlexTensor, change: impl Fn(usize, &mut [f32]) + Sync) -> FlexTensor {
    let mut tensor = contiguous(tensor);
    let shape = tensor.layout().shape().clone();
    if let Some(own) = tensor.try_storage_mut::<f32>().filter(|own| own.len() == shape.num_elements()) {
        changed_in_place(own, change);
        return tensor;
    }
    wrapped(changed_copy(values(&tensor), change), shape)
}
