//! Tensors by name as safetensors: a file format that holds numbers and no code.

use std::fs;
use std::path::Path;

use ::safetensors::tensor::{Dtype, SafeTensors, TensorView};
use burn::tensor::{DType, TensorData};

use crate::parts::Tensors;

fn views(tensors: &Tensors) -> Result<Vec<(&str, TensorView<'_>)>, String> {
    let views = tensors.iter().map(|(name, data)| {
        let dtype = match data.dtype() {
            DType::F32 => Dtype::F32,
            DType::F64 => Dtype::F64,
            DType::I64 => Dtype::I64,
            other => return Err(format!("{name} has type {other:?}, which is not stored")),
        };
        let view = TensorView::new(dtype, data.shape().to_vec(), data.as_bytes());
        Ok((name.as_str(), view.map_err(|error| error.to_string())?))
    });
    views.collect()
}

/// Writes a file straight from the tensors' buffers, onto the disk.
pub fn write(path: &Path, tensors: &Tensors) -> std::io::Result<()> {
    let views = views(tensors).map_err(std::io::Error::other)?;
    ::safetensors::serialize_to_file(views, None, path).map_err(|error| match error {
        ::safetensors::SafeTensorError::IoError(error) => error,
        other => std::io::Error::other(other),
    })?;
    fs::OpenOptions::new().append(true).open(path)?.sync_all()
}

/// A file's bytes.
pub fn encode(tensors: &Tensors) -> Result<Vec<u8>, String> {
    ::safetensors::serialize(views(tensors)?, None).map_err(|error| error.to_string())
}

/// The tensors of a file's bytes, or why there are none.
pub fn decode(bytes: &[u8]) -> Result<Tensors, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let tensors = file.iter().map(|(name, view)| {
        let shape = view.shape().to_vec();
        let words = |bytes: &[u8]| bytes.chunks_exact(8).map(|w| <[u8; 8]>::try_from(w).unwrap_or_default()).collect();
        let data = match view.dtype() {
            Dtype::F32 => {
                let singles = view.data().chunks_exact(4).map(|w| f32::from_le_bytes([w[0], w[1], w[2], w[3]]));
                TensorData::new(singles.collect::<Vec<_>>(), shape)
            }
            Dtype::F64 => {
                let words: Vec<[u8; 8]> = words(view.data());
                TensorData::new(words.into_iter().map(f64::from_le_bytes).collect(), shape)
            }
            Dtype::I64 => {
                let words: Vec<[u8; 8]> = words(view.data());
                TensorData::new(words.into_iter().map(i64::from_le_bytes).collect(), shape)
            }
            other => return Err(format!("{name} has type {other:?}, which Ganvas does not store")),
        };
        Ok((name.to_owned(), data))
    });
    tensors.collect()
}
