//! Networks that were trained here, as a file in the cache keeps them.

use burn::module::Module;

use crate::error::{Error, Result};
use crate::hash;
use crate::parts::{MODEL, Parts};
use crate::safetensors;

/// A network with the weights of a file, and the hash of that; none where the file is damaged or of another network.
pub(super) fn read<M: Module>(mut net: M, bytes: &[u8]) -> Option<(M, String)> {
    let tensors = safetensors::decode(bytes).ok()?;
    let mut load = Parts::load([(MODEL.to_owned(), tensors)].into());
    load.module(MODEL, &mut net);
    load.loaded().ok()?;
    Some((net, hash::sha256(bytes)))
}

/// The file of a network.
pub(super) fn bytes<M: Module>(net: &mut M) -> Result<Vec<u8>> {
    let tensors = Parts::copies(|visit| visit.module(MODEL, net)).remove(MODEL).unwrap_or_default();
    safetensors::encode(&tensors).map_err(Error::failed)
}
