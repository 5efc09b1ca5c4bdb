//! Files of TensorFlow Lite: reading one, and running what is called `sum` there on a small picture called `in`, as
//! tests/golden/small.tflite has them.
#![no_main]

use ganvas::prelude::Tensor;
use ganvas::{device, tflite};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let device = device::cpu();
    match tflite::decode(bytes, &device).and_then(|net| net.run("in", Tensor::ones([1, 2, 5, 6], &device), ["sum"])) {
        Ok([made]) => assert!(!made.dims().contains(&0)),
        Err(why) => assert!(!why.is_empty()),
    }
});
