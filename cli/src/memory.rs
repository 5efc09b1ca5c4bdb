//! The allocator, and what it does with freed memory.

use std::ffi::c_int;

use libmimalloc_sys::{mi_collect, mi_option_set};
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Gives back what is freed now: after a model was loaded that is as much as the model.
pub fn give_back() {
    // SAFETY: it may be called at any time.
    unsafe { mi_collect(true) }
}

/// Gives back what is freed now, as the buffers that data were read through, and from now on keeps what is freed: every
/// step frees tensors and wants the same again, and pages that went back to the system are faulted in anew, which took a
/// quarter of the time of `r3gan`.
pub fn keep_freed() {
    const MI_OPTION_PURGE_DELAY: c_int = 15; // of mimalloc.h; -1 is for never
    give_back();
    // SAFETY: it sets one aligned number in a table, which other threads at most read, and whose old value is as good to them as
    // the new one.
    unsafe { mi_option_set(MI_OPTION_PURGE_DELAY, -1) }
}
