//! A picture made smaller row by row, as its rows come: the large one need never be whole in memory.

use std::f32::consts::PI;

/// Lobes of the filter on either side.
const LOBES: f32 = 3.0;

/// For each new place along a side, where what it is made of begins, and the shares of that.
type Shares = Vec<(usize, Vec<f32>)>;

/// A picture that becomes smaller by a Lanczos filter.
pub(super) struct Shrinking {
    channels: usize,
    across: Shares,
    down: Shares,
    /// How many rows have come.
    rows: usize,
    /// Of the new picture, row after row: what the rows so far give to it.
    sums: Vec<f32>,
}

impl Shrinking {
    /// A picture of sides `from` that is to have sides `to`.
    pub(super) fn new(from: [usize; 2], to: [usize; 2], channels: usize) -> Self {
        let [across, down] = [0, 1].map(|axis| shares(from[axis], to[axis]));
        Shrinking { channels, across, down, rows: 0, sums: vec![0.0; to[0] * to[1] * channels] }
    }

    /// Takes the next row, whose values lie pixel by pixel.
    pub(super) fn add(&mut self, row: &[f32]) {
        let channels = self.channels;
        let within = |(start, shares): &(usize, Vec<f32>)| (*start..start + shares.len()).contains(&self.rows);
        if self.down.iter().any(within) {
            let small = self.across.iter().flat_map(|(start, shares)| {
                (0..channels).map(move |c| {
                    let values = row[start * channels + c..].iter().step_by(channels);
                    values.zip(shares).map(|(value, share)| value * share).sum::<f32>()
                })
            });
            let small = small.collect::<Vec<f32>>();
            for (sums, (start, shares)) in self.sums.chunks_exact_mut(small.len()).zip(&self.down) {
                if let Some(share) = self.rows.checked_sub(*start).and_then(|at| shares.get(at)) {
                    sums.iter_mut().zip(&small).for_each(|(sum, value)| *sum += share * value);
                }
            }
        }
        self.rows += 1;
    }

    /// The new picture, once all rows have come.
    pub(super) fn end(self) -> Vec<f32> {
        self.sums
    }
}

fn shares(from: usize, to: usize) -> Shares {
    let ratio = from as f32 / to as f32;
    let wide = ratio.max(1.0);
    let sinc = |x: f32| if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) };
    let filter = |x: f32| if x.abs() < LOBES { sinc(x) * sinc(x / LOBES) } else { 0.0 };
    let of_place = |place: usize| {
        let centre = (place as f32 + 0.5) * ratio;
        let start = ((centre - LOBES * wide).floor().max(0.0) as usize).min(from - 1);
        let end = ((centre + LOBES * wide).ceil() as usize).clamp(start + 1, from);
        let shares = (start..end).map(|at| filter((at as f32 + 0.5 - centre) / wide)).collect::<Vec<f32>>();
        let sum = shares.iter().sum::<f32>();
        (start, shares.into_iter().map(|share| share / sum).collect())
    };
    (0..to).map(of_place).collect()
}

#[cfg(test)]
mod tests {
    use image::imageops::{FilterType, resize};
    use image::{ImageBuffer, Rgb};

    use super::*;

    #[test]
    fn row_by_row_gives_what_the_whole_gives() {
        let level = |i: u32| ((i * i / 7 + 3 * i) % 256) as f32 / 255.0;
        let whole = ImageBuffer::from_fn(61, 47, |x, y| Rgb([0, 1, 2].map(|c| level((y * 61 + x) * 3 + c))));
        for to in [[20, 15], [7, 47], [61, 1], [1, 9]] {
            let mut shrinking = Shrinking::new([61, 47], to, 3);
            whole.as_raw().chunks(61 * 3).for_each(|row| shrinking.add(row));
            let wanted = resize(&whole, to[0] as u32, to[1] as u32, FilterType::Lanczos3);
            let found = shrinking.end();
            // `resize` clamps floats to 0..1 after each axis.
            let apart =
                found.iter().zip(wanted.as_raw()).map(|(a, b)| (a.clamp(0.0, 1.0) - b).abs()).fold(0.0, f32::max);
            assert!(found.len() == wanted.as_raw().len() && apart < 0.03, "{to:?}: {apart}");
        }
    }
}
