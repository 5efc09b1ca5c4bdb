//! Values that change in the course of a run.

/// From `from` to `to` along half a cosine while `done` goes from 0 to `whole`, and `to` ever after; `to` when `whole` is 0.
pub fn cosine(from: f64, to: f64, done: f64, whole: f64) -> f64 {
    let share = if whole > 0.0 { (done / whole).min(1.0) } else { 1.0 };
    to + (from - to) * 0.5 * (1.0 + (std::f64::consts::PI * share).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cosine_is_slow_at_both_ends_and_half_way_in_the_middle() {
        let value = |done| cosine(3.0, 1.0, done, 10.0);
        assert!((value(0.0) - 3.0).abs() < 1e-12 && (value(5.0) - 2.0).abs() < 1e-12);
        assert!((value(10.0) - 1.0).abs() < 1e-12 && (value(99.0) - 1.0).abs() < 1e-12);
        assert!((value(1.0) - 3.0).abs() < 0.05 && (cosine(3.0, 1.0, 0.0, 0.0) - 1.0).abs() < 1e-12);
    }
}
