//! Loops over plain slices: no Burn types here. Work is split by fixed sizes, never by the number of threads.

pub mod conv;
pub mod matmul;
pub mod pointwise;

/// Runs a loop compiled for the widest vectors this processor has (AVX-512, AVX2, NEON, or what every one has).
#[inline(always)]
pub fn wide<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}

/// Floats per task of a pointwise loop: large enough to pay for the task, small enough to stay in a core's cache.
pub const TASK: usize = 16_384;

/// A pointer that tasks share because each writes a part of its own.
#[derive(Clone, Copy)]
pub struct Shared(pub *mut f32);
// SAFETY: every use writes places that no other task touches.
unsafe impl Send for Shared {}
unsafe impl Sync for Shared {}

impl Shared {
    /// Takes the whole value, so that closures capture it and not its pointer.
    pub fn at(self, offset: usize) -> *mut f32 {
        self.0.wrapping_add(offset)
    }
}
