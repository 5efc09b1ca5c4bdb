//! Transparency: the colours beneath what is not seen, and pictures over white.

use super::raster::{Level, Levels, Raster, each_depth};

/// Gives every pixel of which nothing is seen the colours beside it, from the nearest ones that are seen outwards: what a file
/// has there means nothing, and a filter or a network that looks at neighbours would mix it in. A picture of which nothing is
/// seen at all stays as it is.
pub(super) fn bleed(picture: &mut Raster, alpha: &Raster) {
    let (sides, channels) = (picture.sides(), picture.channels);
    let seen = each_depth!(&alpha.levels, all => all.iter().map(|level| Into::<u32>::into(*level) > 0).collect());
    each_depth!(&mut picture.levels, all => bled(all, seen, sides, channels));
}

/// Ring after ring, each pixel the mean of those of its eight neighbours that came before.
fn bled<L: Level>(all: &mut [L], mut done: Vec<bool>, [width, height]: [usize; 2], channels: usize) {
    let around = move |at: usize| {
        let (x, y) = (at % width, at / width);
        let columns = x.saturating_sub(1)..(x + 2).min(width);
        (y.saturating_sub(1)..(y + 2).min(height)).flat_map(move |y| columns.clone().map(move |x| y * width + x))
    };
    let is_edge = |at: &usize, done: &[bool]| !done[*at] && around(*at).any(|near| done[near]);
    let mut ring = (0..done.len()).filter(|at| is_edge(at, &done)).collect::<Vec<usize>>();
    while !ring.is_empty() {
        for &at in &ring {
            let near = around(at).filter(|near| done[*near]);
            let count = near.clone().count() as u32;
            for c in 0..channels {
                let sum = near.clone().map(|near| Into::<u32>::into(all[near * channels + c])).sum::<u32>();
                all[at * channels + c] = L::of((sum + count / 2) / count.max(1));
            }
        }
        ring.iter().for_each(|at| done[*at] = true);
        let mut next = ring.iter().flat_map(|at| around(*at)).filter(|at| !done[*at]).collect::<Vec<usize>>();
        next.sort_unstable();
        next.dedup();
        ring = next;
    }
}

/// A picture as it looks over white.
pub(super) fn over_white(mut picture: Raster, alpha: &Raster) -> Raster {
    blend(&mut picture, alpha, |level, share, most| (level * share + most * (most - share) + most / 2) / most);
    picture
}

/// The colours of a picture that looks like this one over black: those that were multiplied by how opaque they are.
pub(super) fn out_of_black(mut picture: Raster, alpha: &Raster) -> Raster {
    blend(&mut picture, alpha, |level, share, most| match share {
        0 => level,
        share => ((level * most + share / 2) / share).min(most),
    });
    picture
}

/// The picture that looks like this one over white, once it is as transparent as that: white taken out again.
pub(super) fn out_of_white(mut picture: Raster, alpha: &Raster) -> Raster {
    blend(&mut picture, alpha, |level, share, most| match share {
        0 => level,
        share => ((level * most + share / 2).saturating_sub(most * (most - share)) / share).min(most),
    });
    picture
}

/// Replaces every level by a function of it, of how opaque its pixel is, and of the highest level, all of one depth.
fn blend(picture: &mut Raster, alpha: &Raster, mixed: impl Fn(u64, u64, u64) -> u64) {
    let channels = picture.channels;
    match (&mut picture.levels, &alpha.levels) {
        (Levels::Eight(all), Levels::Eight(alpha)) => blended(all, alpha, channels, 255, mixed),
        (Levels::Sixteen(all), Levels::Sixteen(alpha)) => blended(all, alpha, channels, 65535, mixed),
        _ => unreachable!("a picture and its transparency have one depth"),
    }
}

fn blended<L: Level>(all: &mut [L], alpha: &[L], channels: usize, most: u64, mixed: impl Fn(u64, u64, u64) -> u64) {
    for (pixel, share) in all.chunks_exact_mut(channels).zip(alpha) {
        let share = u64::from(Into::<u32>::into(*share));
        for level in pixel {
            *level = L::of(mixed(u64::from(Into::<u32>::into(*level)), share, most) as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(sides: [usize; 2], levels: Vec<u8>) -> Raster {
        Raster::new(sides, 1, Levels::Eight(levels))
    }

    #[test]
    fn what_was_hidden_beneath_transparency_is_the_colours_beside_it() {
        // A dark dot, half of which is seen, in a sea of white of which nothing is seen.
        let mut picture = grey([5, 5], (0..25).map(|at| if at == 12 { 40 } else { 255 }).collect());
        let alpha = grey([5, 5], (0..25).map(|at| if at == 12 { 128 } else { 0 }).collect());
        bleed(&mut picture, &alpha);
        assert_eq!(picture.levels, Levels::Eight(vec![40; 25]));
        // Between two colours lies their mean; what is seen stays.
        let mut picture = grey([5, 1], vec![100, 0, 0, 0, 200]);
        bleed(&mut picture, &grey([5, 1], vec![255, 0, 0, 0, 1]));
        assert_eq!(picture.levels, Levels::Eight(vec![100, 100, 150, 200, 200]));
        let mut nothing = grey([2, 1], vec![7, 9]);
        bleed(&mut nothing, &grey([2, 1], vec![0, 0]));
        assert_eq!(nothing.levels, Levels::Eight(vec![7, 9]));
    }

    #[test]
    fn white_that_was_mixed_in_is_taken_out_again() {
        let levels = (0..=255_u8).collect::<Vec<_>>();
        for alpha in [255, 200, 128, 64] {
            let (picture, alpha) = (grey([256, 1], levels.clone()), grey([256, 1], vec![alpha; 256]));
            let back = out_of_white(over_white(picture.clone(), &alpha), &alpha);
            let apart = (0..256).map(|at| (back.unit(at) - picture.unit(at)).abs() * 255.0).fold(0.0, f32::max);
            assert!(apart < 2.5, "{apart}"); // of 64 of 255, a level over white is four
            let again = over_white(back, &alpha);
            assert_eq!(again.levels, over_white(picture, &alpha).levels);
        }
    }
}
