//! ncnn's two files: two bytes with the length of the `.param`, the `.param`, the `.bin`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(files) = ganvas_fuzz::ncnn(bytes) {
        ganvas_fuzz::read(&files);
    }
});
