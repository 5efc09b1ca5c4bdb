//! Loops over plain slices: no Burn types here. Sums are split by fixed sizes, never by the number of threads, so that
//! they are the same bits with any.

use rayon::prelude::*;

pub mod activation;
mod channels;
pub mod conv;
mod direct;
pub mod exponential;
pub mod matmul;
pub mod norm;
pub mod pixels;
pub mod pointwise;
pub mod resample;
pub mod scale;
mod scratch;
pub mod tile;
pub mod warp;
mod winograd;

/// Runs a loop compiled for the widest vectors this processor has (AVX-512, AVX2, NEON, or what every one has).
#[inline(always)]
pub fn wide<R>(work: impl FnOnce() -> R) -> R {
    flushed(|| pulp::Arch::new().dispatch(work))
}

/// Runs a loop written in vectors, with the widest that this processor has.
#[inline(always)]
pub fn vectors<W: pulp::WithSimd>(work: W) -> W::Output {
    flushed(|| pulp::Arch::new().dispatch(work))
}

/// How many bits a vector has on this processor: 512, 256 or 128, and 32 where there are none.
pub fn vector_bits() -> usize {
    struct Bits;
    impl pulp::WithSimd for Bits {
        type Output = usize;
        fn with_simd<S: pulp::Simd>(self, _: S) -> usize {
            8 * size_of::<S::f32s>()
        }
    }
    vectors(Bits)
}

/// Runs arithmetic with numbers below 1.2e-38 taken for 0, where the processor can.
///
/// When a discriminator is sure, gradients and the pixels of a picture's edge fall below that, and a processor takes a
/// hundred times longer over such a number: a step took three times as long as at the start of the run.
#[inline(always)]
pub fn flushed<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    // SAFETY: the compiler may assume the default floating-point mode, so only the loops and products of this crate
    // run under it: they move no constant out, and a value that is folded at compile time has no denormals in it. The
    // mode is put back before anything else runs on the thread.
    unsafe {
        no_denormals::no_denormals(work)
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    work()
}

/// Floats per task of a pointwise loop: large enough to pay for the task, small enough to stay in a core's cache.
pub const TASK: usize = 16_384;

/// The elementwise sum of `parts`, each `[length]`, in their order: the same bits whichever thread made which.
pub fn sum_in_order(length: usize, parts: impl IntoIterator<Item: AsRef<[f32]>>) -> Vec<f32> {
    let mut total = vec![0.0_f32; length];
    for part in parts {
        total.iter_mut().zip(part.as_ref()).for_each(|(total, value)| *total += value);
    }
    total
}

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

/// `length` values that `fill` writes, without writing zeros first.
///
/// # Safety
///
/// `fill` writes every one of them.
pub unsafe fn filled(length: usize, fill: impl FnOnce(Shared)) -> Vec<f32> {
    let mut out = Vec::with_capacity(length);
    fill(Shared(out.as_mut_ptr()));
    // SAFETY: the buffer has room for them, and the caller vouches that each was written.
    unsafe { out.set_len(length) };
    out
}

/// Partial sums that a loop keeps apart, so that the processor adds many at a time.
pub const LANES: usize = 32;

/// The sum of the lanes, by halves: the order in which a processor adds them fastest.
#[inline(always)]
pub fn total(mut lanes: [f32; LANES]) -> f64 {
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            lanes[i] += lanes[i + half];
        }
        half /= 2;
    }
    f64::from(lanes[0])
}

/// Changes values in place, task by task; `change` gets a run of them with the index of its first.
pub fn changed_in_place(values: &mut [f32], change: impl Fn(usize, &mut [f32]) + Sync) {
    values.par_chunks_mut(TASK).enumerate().for_each(|(task, values)| {
        wide(
            #[inline(always)]
            || change(task * TASK, values),
        );
    });
}

/// A changed copy of the values: each piece is changed while it is in the first-level cache.
pub fn changed_copy(values: &[f32], change: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    const PIECE: usize = 2048;
    let fill = |out: Shared| {
        values.par_chunks(TASK).enumerate().for_each(|(task, values)| {
            wide(
                #[inline(always)]
                || {
                    for (piece, values) in values.chunks(PIECE).enumerate() {
                        let first = task * TASK + piece * PIECE;
                        // SAFETY: the buffer is as long as the values, no other task has this piece, and it is a slice
                        // of numbers once they are copied there.
                        let copy = unsafe {
                            std::ptr::copy_nonoverlapping(values.as_ptr(), out.at(first), values.len());
                            std::slice::from_raw_parts_mut(out.at(first), values.len())
                        };
                        change(first, copy);
                    }
                },
            );
        });
    };
    // SAFETY: the pieces cover the buffer.
    unsafe { filled(values.len(), fill) }
}
