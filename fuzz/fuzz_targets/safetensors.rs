//! State dicts as safetensors, byte by byte.
#![no_main]

use ganvas_fuzz::{file, read, OLD, ZIP};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if !bytes.starts_with(OLD) && !bytes.starts_with(ZIP) {
        read(&file("network.safetensors", bytes)); // else it would be a pickle
    }
});
