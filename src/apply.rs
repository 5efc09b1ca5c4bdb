//! A model applied to a picture of any size: brought to the sides it takes, in tiles where the memory asks for it.

use crate::error::{Error, Result};
use crate::media::{Image, Media};
use crate::model::{Model, Tiling, made, taken_picture};
use crate::report::{Progress, Report};
use crate::request::{PICTURE, Sample, Value};

/// Pixels over which one tile gives way to the next.
const SEAM: usize = 16;
/// Bytes for each pixel of the whole picture and of its result, while the tiles are put together.
const WHOLE: u64 = 20;

/// How a picture is gone through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Width and height of a tile; of the whole, brought to the sides that the model takes, where there is one tile.
    pub tile: [usize; 2],
    /// How many tiles there are across and down.
    pub tiles: [usize; 2],
    /// The memory it needs at the peak, in bytes, by estimate.
    pub bytes: u64,
}

impl Plan {
    /// The plan for a picture of these sides within so many bytes: whole where it fits, else in the largest square tiles that
    /// fit. An error when not even the smallest tile does.
    pub fn new(tiling: &Tiling, [width, height]: [usize; 2], memory: u64) -> Result<Self> {
        let Tiling { multiple, scale, bytes, bytes_per_pixel, .. } = *tiling;
        let up = |side: usize| side.next_multiple_of(multiple);
        let (width, height) = (up(width), up(height));
        let needs = |tile: [usize; 2]| (tile[0] * tile[1]) as u64 * bytes_per_pixel as u64;
        let around = bytes as u64 + (width * height) as u64 * WHOLE * (scale * scale) as u64;
        let whole = Plan { tile: [width, height], tiles: [1, 1], bytes: needs([width, height]) + around };
        if whole.bytes <= memory {
            return Ok(whole);
        }
        let least = (2 * overlap(tiling)).next_multiple_of(multiple);
        let room = memory.saturating_sub(around) as f64 / bytes_per_pixel as f64;
        let side = room.sqrt() as usize / multiple * multiple;
        if side < least {
            let bytes = around + needs([least, least]);
            return Err(Error::input(format!(
                "a picture of {width}x{height} pixels needs {} even in tiles of {least}x{least}, and may take {}; give more with \
                 --memory, or make it smaller with --side",
                size(bytes),
                size(memory)
            )));
        }
        let tile = [width, height].map(|whole| smallest(whole, side.min(whole), tiling));
        let tiles = [(width, tile[0]), (height, tile[1])].map(|(whole, tile)| places(whole, tile, tiling).len());
        Ok(Plan { tile, tiles, bytes: around + needs(tile) })
    }

    /// How many tiles there are.
    pub fn count(&self) -> usize {
        self.tiles[0] * self.tiles[1]
    }
}

/// How far two neighbouring tiles lie over each other: each is true only so far from its edge as the model sees.
fn overlap(tiling: &Tiling) -> usize {
    2 * tiling.reach + SEAM
}

/// Where tiles begin along a side: the last one ends with the whole.
fn places(whole: usize, tile: usize, tiling: &Tiling) -> Vec<usize> {
    let step = (tile - overlap(tiling).min(tile - 1)) / tiling.multiple * tiling.multiple;
    let step = step.max(tiling.multiple);
    let mut places = (0..).map(|i| i * step).take_while(|start| start + tile < whole).collect::<Vec<usize>>();
    places.push(whole - tile);
    places
}

/// The smallest tile, as a side of the whole, that needs no more places than this one: all of them are as large.
fn smallest(whole: usize, tile: usize, tiling: &Tiling) -> usize {
    let count = places(whole, tile, tiling).len();
    let fair = (whole + (count - 1) * overlap(tiling)).div_ceil(count).next_multiple_of(tiling.multiple);
    let mut sides = (fair..tile).step_by(tiling.multiple);
    sides.find(|side| places(whole, *side, tiling).len() <= count).unwrap_or(tile)
}

/// How much a tile says at each of its places along a side, `length` results from `start` on out of `whole`: nothing where it
/// does not see enough, unless the picture itself ends there, then more and more.
fn weights(start: usize, length: usize, whole: usize, reach: usize, seam: usize) -> Vec<f32> {
    let rise = |from_edge: usize| ((from_edge as f32 - reach as f32 + 0.5) / seam as f32).clamp(0.0, 1.0);
    let weight = |i: usize| {
        let left = if start == 0 { 1.0 } else { rise(i) };
        let right = if start + length == whole { 1.0 } else { rise(length - 1 - i) };
        left.min(right).max(1e-6) // where tiles are too small to see enough, any is better than none
    };
    (0..length).map(weight).collect()
}

/// What a model turns a picture into, with all else that is `asked`: a picture for each of the things shown, by their names, or
/// what the model makes first. The picture is mirrored at its edges up to the sides that the model takes, and the results cut.
/// Panics for a model that cannot go through a picture in tiles.
///
/// ```
/// use ganvas::apply::{Plan, apply};
/// use ganvas::media::Image;
/// use ganvas::{Resolved, Sample, device, recipe};
///
/// # fn main() -> ganvas::Result<()> {
/// let small = ["resolution=16", "blocks=1", "width=4"].map(str::to_owned);
/// let model = Resolved::new(recipe("esrgan")?, None, &small)?.model(&device::cpu())?; // with the weights it begins with
/// let picture = Image::new(20, 10, 3, vec![128; 20 * 10 * 3]);
/// let plan = Plan::new(&model.tiling().unwrap(), [20, 10], 1_000_000_000)?; // in 1 GB of memory
/// let made = apply(model.as_ref(), (&Sample::seed(0), &[None]), &picture, &plan, &mut |_| ())?;
/// assert_eq!((made[0].width, made[0].height), (80, 40));
/// # Ok(())
/// # }
/// ```
pub fn apply(
    model: &dyn Model,
    (asked, shown): (&Sample, &[Option<&str>]),
    picture: &Image,
    plan: &Plan,
    report: Report<'_>,
) -> Result<Vec<Image>> {
    let (Some(tiling), Some((channels, _))) = (model.tiling(), taken_picture(model)) else {
        panic!("a model without pictures to take in tiles")
    };
    let Tiling { multiple, scale, reach, .. } = tiling;
    let (width, height) = (picture.width.next_multiple_of(multiple), picture.height.next_multiple_of(multiple));
    let size = [picture.width, picture.height].map(|side| side * scale);
    let ask = |part: Image| {
        let sample = asked.clone().with(PICTURE, Value::Media(Media::Image(part)));
        let made = made(model, &[sample], shown)?.into_iter().map(|mut made| match made.remove(0) {
            Media::Image(image) => Ok(image),
            _ => Err(Error::input("this model makes something else than pictures out of pictures")),
        });
        made.collect::<Result<Vec<Image>>>()
    };
    let (columns, rows) = (places(width, plan.tile[0], &tiling), places(height, plan.tile[1], &tiling));
    let total = Some((columns.len() * rows.len()) as u64);
    if total == Some(1) {
        report(Progress { what: "translating", done: 0, total });
        let whole = ask(part(picture, [0, 0], [width, height], channels))?;
        return Ok(whole.iter().map(|image| image.cut([0, 0], size)).collect());
    }
    let mut wholes = shown.iter().map(|_| Whole::new([width * scale, height * scale])).collect::<Vec<_>>();
    for (j, &top) in rows.iter().enumerate() {
        for (i, &left) in columns.iter().enumerate() {
            report(Progress { what: "translating", done: (j * columns.len() + i) as u64, total });
            for (whole, made) in wholes.iter_mut().zip(ask(part(picture, [left, top], plan.tile, channels))?) {
                whole.add(&made, [left, top].map(|at| at * scale), [reach, SEAM].map(|pixels| pixels * scale));
            }
        }
    }
    Ok(wholes.into_iter().map(|whole| whole.image().cut([0, 0], size)).collect())
}

/// A picture put together from tiles that lie over each other.
struct Whole {
    sides: [usize; 2],
    channels: usize,
    sums: Vec<f32>,
    weights: Vec<f32>,
}

impl Whole {
    fn new(sides: [usize; 2]) -> Self {
        Whole { sides, channels: 1, sums: Vec::new(), weights: vec![0.0; sides[0] * sides[1]] }
    }

    /// Adds a tile that begins here.
    fn add(&mut self, tile: &Image, [left, top]: [usize; 2], [reach, seam]: [usize; 2]) {
        let [wide, high] = self.sides;
        self.channels = tile.channels;
        self.sums.resize(wide * high * tile.channels, 0.0);
        let across = weights(left, tile.width, wide, reach, seam);
        let down = weights(top, tile.height, high, reach, seam);
        for (y, down) in down.iter().enumerate() {
            for (x, across) in across.iter().enumerate() {
                let (weight, at) = (across * down, (top + y) * wide + left + x);
                self.weights[at] += weight;
                for c in 0..tile.channels {
                    let level = tile.pixels[(y * tile.width + x) * tile.channels + c];
                    self.sums[at * tile.channels + c] += weight * f32::from(level);
                }
            }
        }
    }

    fn image(&self) -> Image {
        let [wide, high] = self.sides;
        let levels = self.sums.iter().enumerate().map(|(i, sum)| (sum / self.weights[i / self.channels]).round() as u8);
        Image::new(wide, high, self.channels, levels.collect())
    }
}

/// A part of a picture, mirrored beyond its edges, in grey or RGB.
fn part(picture: &Image, [left, top]: [usize; 2], [width, height]: [usize; 2], channels: usize) -> Image {
    let mut pixels = Vec::with_capacity(width * height * channels);
    for y in top..top + height {
        let row = mirrored(y, picture.height) * picture.width;
        for x in left..left + width {
            let at = (row + mirrored(x, picture.width)) * picture.channels;
            let pixel = &picture.pixels[at..at + picture.channels];
            match (picture.channels, channels) {
                (3, 1) => {
                    let [r, g, b] = [0, 1, 2].map(|c| f32::from(pixel[c]));
                    pixels.push((0.299 * r + 0.587 * g + 0.114 * b).round() as u8); // the luma of ITU-R BT.601
                }
                (1, 3) => pixels.extend([pixel[0]; 3]),
                _ => pixels.extend(pixel),
            }
        }
    }
    Image::new(width, height, channels, pixels)
}

/// Where a place beyond the end of a row of so many pixels is mirrored to, however far.
fn mirrored(at: usize, length: usize) -> usize {
    let turn = (2 * length).saturating_sub(2).max(1);
    let at = at % turn;
    if at < length { at } else { turn - at }
}

/// Bytes as people write them: "210 MB", "1.3 GB".
pub fn size(bytes: u64) -> String {
    match bytes as f64 / 1e6 {
        megabytes if megabytes >= 1000.0 => format!("{:.1} GB", megabytes / 1000.0),
        megabytes => format!("{:.0} MB", megabytes.ceil()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::{Field, Range};
    use crate::model::{Given, Made, Weights};
    use crate::parts::Parts;
    use burn::tensor::{Device, Tensor};

    /// Averages over the square of pixels that it reaches, and gives each pixel twice in both directions.
    struct Blur;

    const REACH: usize = 3;

    impl Weights for Blur {
        fn weights(&mut self, _visit: &mut Parts) {}
        fn device(&self) -> Device {
            Device::flex()
        }
    }

    impl Model for Blur {
        fn takes(&self) -> Vec<Field> {
            vec![Field::picture(PICTURE, 3, Some(16), Range::Unit)]
        }
        fn makes(&self) -> Vec<Field> {
            vec![Field::picture("result", 3, None, Range::Unit)]
        }
        fn forward(&self, given: Given) -> Made {
            let x = given.tensor::<4>(PICTURE);
            let [_, channels, height, width] = x.dims();
            assert!(width.is_multiple_of(4) && height.is_multiple_of(4), "{width}x{height}");
            let values = x.into_data().iter::<f32>().collect::<Vec<f32>>();
            let mean = |x: usize, y: usize, c: usize| {
                let (mut sum, mut count) = (0.0, 0.0);
                for y in y.saturating_sub(REACH)..(y + REACH + 1).min(height) {
                    for x in x.saturating_sub(REACH)..(x + REACH + 1).min(width) {
                        sum += values[(c * height + y) * width + x];
                        count += 1.0;
                    }
                }
                sum / count
            };
            let all = (0..channels).flat_map(|c| (0..2 * height).map(move |y| (c, y)));
            let mean = &mean;
            let all = all.flat_map(|(c, y)| (0..2 * width).map(move |x| mean(x / 2, y / 2, c))).collect::<Vec<f32>>();
            let data = burn::tensor::TensorData::new(all, [1, channels, 2 * height, 2 * width]);
            Made::one("result", Tensor::<4>::from_data(data, &Device::flex()))
        }
        fn tiling(&self) -> Option<Tiling> {
            Some(Tiling { multiple: 4, scale: 2, reach: REACH, bytes: 0, bytes_per_pixel: 1000 })
        }
    }

    fn picture(width: usize, height: usize) -> Image {
        let level = |i: usize| ((i * i / 7 + 3 * i) % 256) as u8;
        Image::new(width, height, 3, (0..width * height * 3).map(level).collect())
    }

    fn applied(picture: &Image, memory: u64) -> (Image, Plan) {
        let plan = Plan::new(&Blur.tiling().unwrap(), [picture.width, picture.height], memory).unwrap();
        (apply(&Blur, (&Sample::seed(0), &[None]), picture, &plan, &mut |_| {}).unwrap().remove(0), plan)
    }

    #[test]
    fn tiles_give_the_same_as_the_whole_whatever_their_size() {
        let picture = picture(131, 97);
        let (whole, plan) = applied(&picture, 1 << 30);
        assert_eq!((plan.count(), whole.shape()), (1, [262, 194, 3]));
        for memory in [3_400_000, 4_500_000, 8_000_000] {
            let (tiled, plan) = applied(&picture, memory);
            assert!(plan.count() > 1 && plan.bytes <= memory, "{plan:?}");
            let tiling = Blur.tiling().unwrap();
            for (whole, tile, count) in [(132, plan.tile[0], plan.tiles[0]), (100, plan.tile[1], plan.tiles[1])] {
                assert_eq!(places(whole, tile, &tiling).len(), count);
                assert!(tile == whole || places(whole, tile - 4, &tiling).len() > count, "{plan:?} is too large");
            }
            let apart = tiled.pixels.iter().zip(&whole.pixels).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(apart <= Some(1), "{plan:?}: {apart:?}");
        }
    }

    #[test]
    fn any_size_comes_back_in_its_own_size() {
        for (width, height) in [(1, 1), (2, 5), (513, 3), (3000, 1)] {
            assert_eq!(applied(&picture(width, height), 1 << 30).0.shape(), [2 * width, 2 * height, 3]);
        }
    }

    #[test]
    fn a_picture_that_does_not_fit_even_in_tiles_is_refused_with_the_way_out() {
        let error = Plan::new(&Blur.tiling().unwrap(), [3000, 3000], 100_000_000).unwrap_err();
        let sentence = error.to_string();
        assert!(error.exit_code() == 2 && sentence.contains("--memory") && sentence.contains("--side"), "{sentence}");
    }

    #[test]
    fn a_place_beyond_the_edge_is_mirrored_however_far() {
        assert_eq!((0..9).map(|at| mirrored(at, 3)).collect::<Vec<_>>(), [0, 1, 2, 1, 0, 1, 2, 1, 0]);
        assert_eq!((0..4).map(|at| mirrored(at, 1)).collect::<Vec<_>>(), [0; 4]);
    }
}
