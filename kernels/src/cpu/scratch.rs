//! Working memory that a thread keeps between calls, so that a step in steady state asks the system for none.

use std::cell::RefCell;

thread_local! {
    /// The buffers of this thread that nobody is using now.
    static IDLE: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Floats of a buffer that are rather given back than kept: 64 MiB.
const KEEP: usize = 16 << 20;

/// Lends `length` floats of arbitrary value, aligned to a cache line.
pub fn with<R>(length: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    const LINE: usize = 16;
    let mut buffer = IDLE.with_borrow_mut(|idle| {
        // The smallest that suffices, of those the last used; else the largest, which then grows.
        let suits = |buffer: &Vec<f32>| (buffer.len() < length + LINE, buffer.len().abs_diff(length + LINE));
        let best = (0..idle.len()).rev().min_by_key(|&i| suits(&idle[i]));
        best.map_or_else(Vec::new, |best| idle.swap_remove(best))
    });
    if buffer.len() < length + LINE {
        buffer = Vec::new(); // nothing in it is worth copying
        buffer.resize(length + LINE, 0.0);
    }
    let first = buffer.as_ptr().align_offset(64);
    let result = work(&mut buffer[first..first + length]);
    if buffer.len() <= KEEP {
        IDLE.with_borrow_mut(|idle| idle.push(buffer));
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_lent_again_and_never_twice_at_a_time() {
        let first = with(1000, |outer| {
            outer.fill(1.0);
            with(1000, |inner| inner.fill(2.0));
            assert!(outer.iter().all(|value| *value == 1.0));
            outer.as_ptr() as usize
        });
        let again = [(); 2].map(|()| with(900, |buffer| (buffer.as_ptr() as usize, buffer.len())));
        assert_eq!(again[0], again[1]);
        assert!(first.is_multiple_of(64) && again[0].0.is_multiple_of(64) && again[0].1 == 900);
    }
}
