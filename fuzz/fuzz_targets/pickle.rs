//! State dicts that are files of `torch.save`, of its new and of its old kind. The first byte says whether the rest is a whole
//! file, or what is in one: then no checksum and no magic number stands in the way of the pickle.
#![no_main]

use ganvas_fuzz::{file, old, parts, read, zipped, OLD, ZIP};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((way, rest)) = bytes.split_first() else { return };
    let bytes = match way % 3 {
        0 if rest.starts_with(OLD) || rest.starts_with(ZIP) => rest.to_vec(),
        0 => return,
        1 => old(rest),
        _ => match parts(rest) {
            Some([pickle, storage]) => zipped(pickle, storage),
            None => return,
        },
    };
    read(&file("network.pth", &bytes));
});
