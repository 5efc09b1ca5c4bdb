//! Whether wide pictures are two side by side, or single ones: at the seam in the middle two pictures do not go on.

use image::RgbImage;

/// Pixels on either side of the seam that say how much neighbours differ there.
const NEAR: u32 = 4;
/// A block of a JPEG: its edges differ more, and the seam may be one.
const BLOCK: u32 = 8;
/// Levels that neighbours must differ by in a row that tells something: a background of one colour goes on from any picture
/// to any other.
const ACTIVE: f64 = 0.5;
/// The share of rows that must tell something.
const LEAST_ROWS: f64 = 0.25;
/// Fewer pictures prove nothing.
const FEWEST: usize = 3;
/// How the jump at the seam compares with those beside it. Of photographs the middle value is 0.9 to 1.1, and at least 2 to 9 of
/// photographs beside their negatives, grey versions, outlines, depths and blurred copies.
const SURE: f64 = 1.5;
const DOUBTFUL: f64 = 2.0;

/// What the seams of a folder's pictures say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Verdict {
    /// They are pairs, or nobody knows.
    Pairs,
    /// Perhaps they are single pictures.
    Doubtful,
    /// They are single pictures.
    Singles,
}

/// How much the two columns at the seam differ, as a multiple of how much their neighbours do; none where too little of the
/// picture tells anything.
pub(super) fn jump(picture: &RgbImage) -> Option<f64> {
    let (width, height) = picture.dimensions();
    let middle = width / 2;
    if middle < 2 * BLOCK {
        return None;
    }
    let gap = |x: u32, y: u32| {
        let [a, b] = [picture.get_pixel(x, y).0, picture.get_pixel(x + 1, y).0];
        a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(b))).sum::<f64>() / 3.0
    };
    let (mut at_seam, mut beside, mut at_blocks, mut rows) = (0.0, 0.0, 0.0, 0_u32);
    let seam = middle - 1;
    for y in 0..height {
        let mean = |from: u32| (from..from + NEAR).map(|x| gap(x, y)).sum::<f64>() / f64::from(NEAR);
        let [left, right] = [mean(seam - NEAR), mean(seam + 1)];
        if left.min(right) > ACTIVE {
            rows += 1;
            at_seam += gap(seam, y);
            beside += (left + right) / 2.0;
            at_blocks += (gap(seam - BLOCK, y) + gap(seam + BLOCK, y)) / 2.0;
        }
    }
    (f64::from(rows) >= LEAST_ROWS * f64::from(height)).then(|| at_seam / f64::max(beside, at_blocks))
}

/// What the jumps of all pictures say together.
pub(super) fn verdict(jumps: &[Option<f64>]) -> Verdict {
    let mut known = jumps.iter().flatten().copied().collect::<Vec<f64>>();
    known.sort_by(f64::total_cmp);
    if known.len() < FEWEST || 2 * known.len() < jumps.len() {
        return Verdict::Pairs;
    }
    let (middle, upper) = (known[known.len() / 2], known[known.len() * 3 / 4]);
    match (middle, upper) {
        (middle, upper) if middle < SURE && upper < DOUBTFUL => Verdict::Singles,
        (middle, _) if middle < DOUBTFUL => Verdict::Doubtful,
        _ => Verdict::Pairs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, imageops};

    /// A landscape of waves and a little grain.
    fn landscape(seed: u32, [width, height]: [u32; 2]) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            let wave = |scale: f64| (f64::from(x) / scale + f64::from(y) / 9.0 + f64::from(seed)).sin();
            let grain = f64::from((x * 7919 + y * 104_729 + seed * 31) % 17);
            let level = 110.0 + 60.0 * wave(7.0) + 30.0 * wave(23.0) + grain;
            Rgb([level as u8, (level * 0.8) as u8, 255 - level as u8])
        })
    }

    fn beside(left: &RgbImage, right: &RgbImage) -> RgbImage {
        let mut both = RgbImage::new(2 * left.width(), left.height());
        imageops::replace(&mut both, left, 0, 0);
        imageops::replace(&mut both, right, i64::from(left.width()), 0);
        both
    }

    #[test]
    fn single_landscapes_are_told_from_pairs_by_their_seam() {
        let singles = (0..12).map(|i| jump(&landscape(i, [64, 48]))).collect::<Vec<_>>();
        assert_eq!(verdict(&singles), Verdict::Singles, "{singles:?}");
        let pair = |i| {
            let left = landscape(i, [48, 48]);
            let mut right = left.clone();
            imageops::invert(&mut right);
            beside(&left, &right)
        };
        let pairs = (0..12).map(|i| jump(&pair(i))).collect::<Vec<_>>();
        assert_eq!(verdict(&pairs), Verdict::Pairs, "{pairs:?}");
        let grey = |i| {
            let left = landscape(i, [48, 48]);
            beside(&left, &image::DynamicImage::from(imageops::grayscale(&left)).into_rgb8())
        };
        let pairs = (0..12).map(|i| jump(&grey(i))).collect::<Vec<_>>();
        assert_eq!(verdict(&pairs), Verdict::Pairs, "{pairs:?}");
    }

    #[test]
    fn drawings_on_white_say_nothing_and_a_few_pictures_prove_nothing() {
        let drawing = |i: u32| {
            RgbImage::from_fn(32, 32, |x, y| {
                if (x + i).is_multiple_of(9) && (8..24).contains(&x) && y > 4 { Rgb([0; 3]) } else { Rgb([255; 3]) }
            })
        };
        let pairs = (0..9).map(|i| jump(&beside(&drawing(i), &drawing(i + 1)))).collect::<Vec<_>>();
        assert_eq!((pairs.iter().flatten().count(), verdict(&pairs)), (0, Verdict::Pairs));
        let singles = (0..2).map(|i| jump(&landscape(i, [64, 48]))).collect::<Vec<_>>();
        assert_eq!(verdict(&singles), Verdict::Pairs);
    }

    #[test]
    fn where_the_seam_is_a_little_rougher_nobody_is_sure() {
        let jumps = |value: f64| vec![Some(value); 8];
        assert_eq!(
            [1.0, 1.7, 3.0].map(|value| verdict(&jumps(value))),
            [Verdict::Singles, Verdict::Doubtful, Verdict::Pairs]
        );
        assert_eq!(verdict(&[jumps(1.0), vec![None; 9]].concat()), Verdict::Pairs, "most say nothing");
    }
}
