//! Exponentials of f32 that a processor computes for many values at a time: no table, no branch, no call.
//!
//! They are sums of a Taylor series where it converges fastest, so every constant can be read off. The tests state how
//! near each comes to f64. Infinities have their limits, and NaN stays NaN.

/// e^x as 2^k·(1 + p): p and 2^k. x is between -87 and 88, or NaN.
#[inline(always)]
fn parts(x: f32) -> [f32; 2] {
    // 1.5·2²³: a sum with it is rounded to a whole number, which its lowest bits then hold.
    const ROUNDING: f32 = 12_582_912.0;
    // ln 2, in 9 bits, whose product with k is exact, and the rest.
    const LN_2: [f32; 2] = [355.0 / 512.0, -2.121_944_4e-4];
    let shifted = x * std::f32::consts::LOG2_E + ROUNDING;
    let k = shifted - ROUNDING;
    let r = x - k * LN_2[0] - k * LN_2[1]; // at most ln 2 / 2, where r⁸/8! is 5e-9
    let tail = 1.0 / 120.0 + r * (1.0 / 720.0 + r * (1.0 / 5040.0));
    let p = r + r * r * (0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * tail)));
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0_f32.to_bits()));
    [p, power]
}

/// The smaller of x and `most`; NaN stays NaN, where `f32::min` would drop it.
#[inline(always)]
fn at_most(x: f32, most: f32) -> f32 {
    if x > most { most } else { x }
}

/// 1 / (1 + e^-x).
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    let x = at_most(-x, 88.0);
    let [p, power] = parts(if x < -87.0 { -87.0 } else { x });
    1.0 / (1.0 + power * (1.0 + p))
}

/// tanh x, by e^2|x| - 1, which keeps the digits of a small x.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let [p, power] = parts(at_most(2.0 * x.abs(), 20.0)); // from 18.1 on, tanh is nearest to 1
    let less_one = power * p + (power - 1.0);
    (less_one / (less_one + 2.0)).copysign(x)
}

/// ln(1 + e^-|x|), by ln(1 + e) = 2·artanh(e / (2 + e)).
#[inline(always)]
pub fn ln_1p_exp_neg_abs(x: f32) -> f32 {
    let x = -x.abs();
    let [p, power] = parts(if x < -87.0 { -87.0 } else { x });
    let e = power * (1.0 + p);
    let s = e / (2.0 + e); // at most 1/3, where s¹⁷/17 is 5e-10
    let q = s * s;
    let tail = 1.0 / 9.0 + q * (1.0 / 11.0 + q * (1.0 / 13.0 + q * (1.0 / 15.0)));
    2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q * tail))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::wide;

    /// Every 61st positive f32 with its negative, and a fine grid where the functions bend: both as in a loop of the crate.
    fn worst(fast: fn(f32) -> f32, slow: fn(f64) -> f64) -> [f64; 2] {
        let bits = (0..0x7f80_0000_u32).step_by(61).map(f32::from_bits).flat_map(|x| [x, -x]);
        let grid = (-2_000_000..2_000_000).map(|i| i as f32 * 1e-5);
        let mut worst = [0.0_f64; 2];
        for x in bits.chain(grid) {
            let (found, wanted) = (f64::from(wide(|| fast(x))), slow(f64::from(x)));
            let off = (found - wanted).abs();
            worst[0] = worst[0].max(off);
            if wanted.abs() > 1e-37 {
                // Below, its parts are too small for normal numbers and count as 0.
                worst[1] = worst[1].max(off / wanted.abs() / f64::from(f32::EPSILON));
            }
        }
        worst
    }

    #[test]
    fn each_is_near_its_f64_over_the_whole_range() {
        // The largest error, absolute and relative in units of 2^-23.
        let tanh_off = worst(tanh, f64::tanh);
        let sigmoid_off = worst(sigmoid, |x| 1.0 / (1.0 + (-x).exp()));
        let ln_off = worst(ln_1p_exp_neg_abs, |x| (-x.abs()).exp().ln_1p());
        assert!(tanh_off[0] < 1e-7 && tanh_off[1] < 1.6, "tanh: {tanh_off:?}");
        assert!(sigmoid_off[0] < 1e-7 && sigmoid_off[1] < 1.3, "sigmoid: {sigmoid_off:?}");
        assert!(ln_off[0] < 1.5e-7 && ln_off[1] < 2.5, "ln(1 + e^-|x|): {ln_off:?}");
    }

    #[test]
    fn infinities_have_their_limits_and_nan_stays() {
        for (function, [below, above]) in
            [(tanh as fn(f32) -> f32, [-1.0, 1.0]), (sigmoid, [0.0, 1.0]), (ln_1p_exp_neg_abs, [0.0, 0.0])]
        {
            for x in [f32::INFINITY, f32::MAX, 1e10, 200.0] {
                assert!((function(x) - above).abs() < 1e-37 && (function(-x) - below).abs() < 1e-37, "{x}");
            }
            assert!(function(f32::NAN).is_nan());
        }
    }
}
