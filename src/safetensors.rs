//! Tensors by name as safetensors: a file format that holds numbers and no code.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use ::safetensors::tensor::{Dtype, SafeTensors, TensorView, View};
use burn::tensor::{DType, TensorData, bf16, f16};

use crate::parts::{Saved, Tensors};

/// The type that a file has for one of ours.
fn stored(name: &str, dtype: DType) -> Result<Dtype, String> {
    match dtype {
        DType::F32 => Ok(Dtype::F32),
        DType::F64 => Ok(Dtype::F64),
        DType::I64 => Ok(Dtype::I64),
        other => Err(format!("{name} has type {other:?}, which is not stored")),
    }
}

/// A tensor that is read when its bytes are written.
struct Unread<'a>(Dtype, &'a Saved);

impl View for Unread<'_> {
    fn dtype(&self) -> Dtype {
        self.0
    }
    fn shape(&self) -> &[usize] {
        self.1.shape()
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.1.read().as_bytes().to_vec())
    }
    fn data_len(&self) -> usize {
        self.1.bytes()
    }
}

/// Writes a file onto the disk, tensor by tensor.
pub fn write(path: &Path, tensors: &BTreeMap<String, Saved>) -> std::io::Result<()> {
    let views = tensors.iter().map(|(name, saved)| Ok((name.as_str(), Unread(stored(name, saved.dtype())?, saved))));
    let views = views.collect::<Result<Vec<_>, String>>().map_err(std::io::Error::other)?;
    ::safetensors::serialize_to_file(views, None, path).map_err(|error| match error {
        ::safetensors::SafeTensorError::IoError(error) => error,
        other => std::io::Error::other(other),
    })?;
    fs::OpenOptions::new().append(true).open(path)?.sync_all()
}

/// A file's bytes.
pub fn encode(tensors: &Tensors) -> Result<Vec<u8>, String> {
    let views = tensors.iter().map(|(name, data)| {
        let view = TensorView::new(stored(name, data.dtype())?, data.shape().to_vec(), data.as_bytes());
        Ok((name.as_str(), view.map_err(|error| error.to_string())?))
    });
    let views = views.collect::<Result<Vec<_>, String>>()?;
    ::safetensors::serialize(views, None).map_err(|error| error.to_string())
}

/// What a file holds, before any number of it is read. The order of its tensors says nothing: writers sort them by name.
pub struct Contents<'a>(Vec<(String, TensorView<'a>)>);

impl<'a> Contents<'a> {
    /// Of a file's bytes; or why there is nothing.
    pub fn of(bytes: &'a [u8]) -> Result<Self, String> {
        let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
        Ok(Contents(file.tensors()))
    }

    /// The tensors' names and sides.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.0.iter().map(|(name, view)| (name.as_str(), view.shape()))
    }

    /// The tensors at these places of [`Contents::tensors`], halves as singles.
    pub fn read(&self, which: &[usize]) -> Result<Vec<TensorData>, String> {
        which.iter().map(|at| tensor(&self.0[*at].0, &self.0[*at].1)).collect()
    }
}

/// The tensors of a file's bytes, halves as singles; or why there are none.
pub fn decode(bytes: &[u8]) -> Result<Tensors, String> {
    let contents = Contents::of(bytes)?;
    contents.0.iter().map(|(name, view)| Ok((name.clone(), tensor(name, view)?))).collect()
}

fn tensor(name: &str, view: &TensorView) -> Result<TensorData, String> {
    let shape = view.shape().to_vec();
    let words = |bytes: &[u8]| bytes.chunks_exact(8).map(|w| <[u8; 8]>::try_from(w).unwrap_or_default()).collect();
    let halves =
        |single: fn([u8; 2]) -> f32| view.data().chunks_exact(2).map(|w| single([w[0], w[1]])).collect::<Vec<f32>>();
    Ok(match view.dtype() {
        Dtype::F16 => TensorData::new(halves(|w| f16::from_le_bytes(w).to_f32()), shape),
        Dtype::BF16 => TensorData::new(halves(|w| bf16::from_le_bytes(w).to_f32()), shape),
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
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_either_kind_become_singles() {
        let halves = [f16::from_f32(1.5), f16::from_f32(-0.25)].map(f16::to_le_bytes).concat();
        let brain = [bf16::from_f32(1.5), bf16::from_f32(-0.25)].map(bf16::to_le_bytes).concat();
        for (dtype, bytes) in [(Dtype::F16, halves), (Dtype::BF16, brain)] {
            let view = TensorView::new(dtype, vec![2], &bytes).unwrap();
            let tensors = decode(&::safetensors::serialize([("w", view)], None).unwrap()).unwrap();
            assert_eq!(tensors["w"].iter::<f32>().collect::<Vec<_>>(), [1.5, -0.25]);
        }
        let bytes = [0; 2];
        let view = TensorView::new(Dtype::U8, vec![2], &bytes).unwrap();
        let refused = decode(&::safetensors::serialize([("w", view)], None).unwrap()).unwrap_err();
        assert!(refused.contains("w has type U8"), "{refused}");
    }
}
