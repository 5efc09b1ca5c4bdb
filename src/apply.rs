//! A model applied to a picture of any size: brought to the sides it takes, in tiles where the memory asks for it.

use burn::tensor::{Tensor, TensorData};

use crate::error::{Error, Result};
use crate::field::Kind;
use crate::media::{Opened, Picture, Raster};
use crate::model::{Model, Tiling, Values, taken_picture, turned};
use crate::report::{Progress, Report};
use crate::request::Sample;

/// Pixels over which one tile gives way to the next.
const SEAM: usize = 16;
/// Bytes for each pixel of the whole picture and of its result, while the tiles are put together.
const WHOLE: u64 = 20;

/// What a picture says of the memory that it needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// Its width and height.
    pub sides: [usize; 2],
    /// Whether it has 16 bits a channel.
    pub is_deep: bool,
    /// Whether it may be transparent.
    pub has_alpha: bool,
    /// Bytes that it takes by itself.
    pub kept: u64,
}

impl Need {
    /// Of a picture that is decoded.
    pub fn of(picture: &Picture) -> Self {
        let (sides, is_deep, has_alpha) = (picture.sides(), picture.raster.is_deep(), picture.alpha.is_some());
        Need { sides, is_deep, has_alpha, ..Need::default() }.reckoned(picture.raster.channels)
    }

    /// Of a file's picture once it is decoded, and brought to these sides.
    pub fn of_file(opened: &Opened, sides: [usize; 2]) -> Self {
        let (is_deep, has_alpha) = (opened.is_deep(), opened.has_alpha());
        Need { sides, is_deep, has_alpha, ..Need::default() }.reckoned(if opened.is_grey() { 1 } else { 3 })
    }

    fn reckoned(self, channels: usize) -> Self {
        let levels = self.sides[0] * self.sides[1] * (channels + usize::from(self.has_alpha));
        Need { kept: (levels * if self.is_deep { 2 } else { 1 }) as u64, ..self }
    }

    /// Bytes for each pixel of the result that is there beside the sums of tiles: colours, transparency, a file's bytes.
    fn of_result(&self) -> u64 {
        match (self.has_alpha, self.is_deep) {
            (false, false) => 0,
            (true, false) => 4,
            (false, true) => 6,
            (true, true) => 12,
        }
    }
}

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
    /// The plan for a picture within so many bytes: whole where it fits, else in the largest square tiles that fit. An error when
    /// not even the smallest tile does, or when the model takes no tiles.
    pub fn new(tiling: &Tiling, need: &Need, memory: u64) -> Result<Self> {
        let Tiling { multiple, least, scale, bytes, bytes_per_pixel, .. } = *tiling;
        let [width, height] = taken(tiling, need.sides);
        let needs = |tile: [usize; 2]| (tile[0] * tile[1]) as u64 * bytes_per_pixel as u64;
        let of_result = (width * height * scale * scale) as u64 * (WHOLE + need.of_result());
        let around = bytes as u64 + need.kept + of_result;
        let whole = Plan { tile: [width, height], tiles: [1, 1], bytes: needs([width, height]) + around };
        if whole.bytes <= memory {
            return Ok(whole);
        }
        let refused = |needed: u64, how: &str| {
            let (needed, had) = (size(needed), size(memory));
            Err(Error::input(format!(
                "a picture of {width}x{height} pixels needs {needed}{how}, and may take {had}; give more with --memory, or make it \
                 smaller with --side"
            )))
        };
        if tiling.reach.is_none() {
            return refused(whole.bytes, ", as this model takes it only whole");
        }
        let least = (2 * overlap(tiling)).max(least).next_multiple_of(multiple);
        let room = memory.saturating_sub(around) as f64 / bytes_per_pixel as f64;
        let side = room.sqrt() as usize / multiple * multiple;
        if side < least {
            return refused(around + needs([least, least]), &format!(" even in tiles of {least}x{least}"));
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

/// The sides of a picture brought to those that the model takes.
fn taken(tiling: &Tiling, sides: [usize; 2]) -> [usize; 2] {
    sides.map(|side| side.max(tiling.least).next_multiple_of(tiling.multiple))
}

/// How far two neighbouring tiles lie over each other: each is true only so far from its edge as the model sees.
fn overlap(tiling: &Tiling) -> usize {
    2 * tiling.reach.unwrap_or(0) + SEAM
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
///
/// Where the model shows the picture itself, larger or mended, grey stays grey, and transparency is made larger as a grey picture
/// is; else the model sees the picture over white. Panics for a model that cannot go through a picture in tiles.
///
/// ```
/// use ganvas::apply::{Need, Plan, apply};
/// use ganvas::media::{Image, Picture};
/// use ganvas::{Resolved, Sample, device, recipe};
///
/// # fn main() -> ganvas::Result<()> {
/// let small = ["resolution=16", "blocks=1", "width=4"].map(str::to_owned);
/// let model = Resolved::new(recipe("esrgan")?, None, &small)?.model(&device::cpu())?; // with the weights it begins with
/// let picture = Picture::from(Image::new(20, 10, 3, vec![128; 20 * 10 * 3]));
/// let plan = Plan::new(&model.tiling().unwrap(), &Need::of(&picture), 1_000_000_000)?; // in 1 GB of memory
/// let made = apply(model.as_ref(), (&Sample::seed(0), &[None]), &picture, &plan, &mut |_| ())?;
/// assert_eq!(made[0].sides(), [80, 40]);
/// # Ok(())
/// # }
/// ```
pub fn apply(
    model: &dyn Model,
    (asked, shown): (&Sample, &[Option<&str>]),
    picture: &Picture,
    plan: &Plan,
    report: Report<'_>,
) -> Result<Vec<Picture>> {
    let Some(tiling) = model.tiling() else { panic!("a model without pictures to take in tiles") };
    let grows = picture.alpha.as_ref().filter(|_| tiling.scale > 1);
    let times = if grows.is_some() { 2 } else { 1 };
    let total = Some((times * plan.count()) as u64);
    let mut begun = 0;
    let mut told = |done: u64| report(Progress { what: "translating", done, total });
    let mut through = |given: &Raster, shown: &[Option<&str>]| {
        let made = in_tiles(model, (asked, shown), given, plan, &mut |done| told(begun + done));
        begun += plan.count() as u64;
        made
    };
    let made = match tiling.keeps_colours {
        true => through(&picture.raster, shown)?,
        false => through(&picture.clone().over_white(), shown)?,
    };
    let alpha = match grows {
        Some(alpha) => Some(within(mean(through(alpha, &[None])?.remove(0)), alpha, tiling.scale)),
        None => picture.alpha.clone(),
    };
    let is_grey = tiling.keeps_colours && picture.raster.is_grey();
    let makes = model.makes();
    let results = made.into_iter().zip(shown).map(|(result, name)| {
        let field = name.and_then(|name| makes.iter().find(|field| field.name == name)).unwrap_or(&makes[0]);
        match (&field.kind, tiling.keeps_colours) {
            (Kind::Mask, _) => picture.with(result, None),
            (_, true) => picture.with(if is_grey { mean(result) } else { result }, alpha.clone()),
            (_, false) => picture.with_look(result, alpha.clone()),
        }
    });
    Ok(results.collect())
}

/// What a model turns the levels of a picture into, a picture for each of the things shown.
fn in_tiles(
    model: &dyn Model,
    (asked, shown): (&Sample, &[Option<&str>]),
    picture: &Raster,
    plan: &Plan,
    report: &mut dyn FnMut(u64),
) -> Result<Vec<Raster>> {
    let (Some(tiling), Some((channels, _))) = (model.tiling(), taken_picture(model)) else {
        panic!("a model without pictures to take in tiles")
    };
    let (scale, reach) = (tiling.scale, tiling.reach.unwrap_or(0));
    let [width, height] = taken(&tiling, picture.sides());
    let (size, is_deep) = (picture.sides().map(|side| side * scale), picture.is_deep());
    let ask = |at: [usize; 2], sides: [usize; 2]| {
        let part = TensorData::new(part(picture, at, sides, channels), [1, sides[1], sides[0], channels]);
        turned(model, asked, Tensor::<4>::from_data(part, &model.device()).permute([0, 3, 1, 2]), shown)
    };
    let (columns, rows) = (places(width, plan.tile[0], &tiling), places(height, plan.tile[1], &tiling));
    if columns.len() * rows.len() == 1 {
        report(0);
        return Ok(ask([0, 0], [width, height])?.into_iter().map(|whole| cut(&whole, size, is_deep)).collect());
    }
    let mut wholes = shown.iter().map(|_| Whole::new([width * scale, height * scale])).collect::<Vec<_>>();
    for (j, &top) in rows.iter().enumerate() {
        for (i, &left) in columns.iter().enumerate() {
            report((j * columns.len() + i) as u64);
            for (whole, made) in wholes.iter_mut().zip(ask([left, top], plan.tile)?) {
                whole.add(&made, [left, top].map(|at| at * scale), [reach, SEAM].map(|pixels| pixels * scale));
            }
        }
    }
    Ok(wholes.into_iter().map(|whole| cut(&whole.values(), size, is_deep)).collect())
}

/// The levels of the part of a picture that begins at its corner.
fn cut(whole: &Values, size: [usize; 2], is_deep: bool) -> Raster {
    let row = whole.sides[0] * whole.channels;
    let rows = whole.values.chunks_exact(row).take(size[1]);
    Raster::of_unit(size, whole.channels, is_deep, rows.flat_map(|row| &row[..size[0] * whole.channels]).copied())
}

/// The mean of a picture's channels.
fn mean(picture: Raster) -> Raster {
    let channels = picture.channels;
    let pixel = |at: usize| (0..channels).map(|c| picture.unit(at * channels + c)).sum::<f32>() / channels as f32;
    Raster::of_unit(picture.sides(), 1, picture.is_deep(), (0..picture.width * picture.height).map(pixel))
}

/// A plane that was made so many times as large, within what the smaller one has around each of its places: what is clear there,
/// or opaque, stays so.
fn within(large: Raster, small: &Raster, scale: usize) -> Raster {
    let [width, height] = small.sides();
    let bounds = |x: usize, y: usize| {
        let near = (y.saturating_sub(1)..(y + 2).min(height))
            .flat_map(|y| (x.saturating_sub(1)..(x + 2).min(width)).map(move |x| small.unit(y * width + x)));
        near.fold([1.0_f32, 0.0], |[low, high], level| [low.min(level), high.max(level)])
    };
    let bounds = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| bounds(x, y));
    let bounds = bounds.collect::<Vec<[f32; 2]>>();
    let value = |at: usize| {
        let (x, y) = (at % large.width / scale, at / large.width / scale);
        let [low, high] = bounds[y * width + x];
        large.unit(at).clamp(low, high)
    };
    Raster::of_unit(large.sides(), 1, large.is_deep(), (0..large.width * large.height).map(value))
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
    fn add(&mut self, tile: &Values, [left, top]: [usize; 2], [reach, seam]: [usize; 2]) {
        let ([wide, high], [tile_wide, tile_high]) = (self.sides, tile.sides);
        self.channels = tile.channels;
        self.sums.resize(wide * high * tile.channels, 0.0);
        let across = weights(left, tile_wide, wide, reach, seam);
        let down = weights(top, tile_high, high, reach, seam);
        for (y, down) in down.iter().enumerate() {
            for (x, across) in across.iter().enumerate() {
                let (weight, at) = (across * down, (top + y) * wide + left + x);
                self.weights[at] += weight;
                for c in 0..tile.channels {
                    self.sums[at * tile.channels + c] += weight * tile.values[(y * tile_wide + x) * tile.channels + c];
                }
            }
        }
    }

    fn values(self) -> Values {
        let Whole { sides, channels, mut sums, weights } = self;
        for (pixel, weight) in sums.chunks_exact_mut(channels).zip(&weights) {
            pixel.iter_mut().for_each(|sum| *sum /= weight);
        }
        Values { sides, channels, values: sums }
    }
}

/// A part of a picture, mirrored beyond its edges, in grey or RGB, as a network takes it.
fn part(picture: &Raster, [left, top]: [usize; 2], [width, height]: [usize; 2], channels: usize) -> Vec<f32> {
    let mut values = Vec::with_capacity(width * height * channels);
    for y in top..top + height {
        let row = mirrored(y, picture.height) * picture.width;
        for x in left..left + width {
            let at = (row + mirrored(x, picture.width)) * picture.channels;
            match (picture.channels, channels) {
                (3, 1) => {
                    let [r, g, b] = [0, 1, 2].map(|c| picture.signed(at + c));
                    values.push(0.299 * r + 0.587 * g + 0.114 * b); // the luma of ITU-R BT.601
                }
                (1, 3) => values.extend([picture.signed(at); 3]),
                _ => values.extend((0..channels).map(|c| picture.signed(at + c))),
            }
        }
    }
    values
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
    use crate::media::{Image, Levels};
    use crate::model::{Given, Made, Weights};
    use crate::parts::Parts;
    use crate::request::PICTURE;
    use burn::tensor::Device;

    /// Averages over the square of pixels that it reaches, gives each pixel twice in both directions, and makes all a little
    /// redder. Its mask is its red.
    #[derive(Default)]
    struct Blur {
        tint: f32,
        makes_its_own: bool,
        calls: std::cell::Cell<usize>,
    }

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
            vec![Field::picture("result", 3, None, Range::Unit), Field::new("mask", Kind::Mask)]
        }
        fn forward(&self, given: Given) -> Made {
            self.calls.set(self.calls.get() + 1);
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
                sum / count + if c == 0 { self.tint } else { 0.0 }
            };
            let all = (0..channels).flat_map(|c| (0..2 * height).map(move |y| (c, y)));
            let mean = &mean;
            let all = all.flat_map(|(c, y)| (0..2 * width).map(move |x| mean(x / 2, y / 2, c))).collect::<Vec<f32>>();
            let data = burn::tensor::TensorData::new(all, [1, channels, 2 * height, 2 * width]);
            let made = Tensor::<4>::from_data(data, &Device::flex());
            Made::one("mask", made.clone().narrow(1, 0, 1)).and("result", made)
        }
        fn tiling(&self) -> Option<Tiling> {
            let (multiple, least, keeps_colours) = (4, 4, !self.makes_its_own);
            Some(Tiling {
                multiple,
                least,
                scale: 2,
                reach: Some(REACH),
                keeps_colours,
                bytes: 0,
                bytes_per_pixel: 1000,
            })
        }
    }

    fn picture(width: usize, height: usize) -> Image {
        let level = |i: usize| ((i * i / 7 + 3 * i) % 256) as u8;
        Image::new(width, height, 3, (0..width * height * 3).map(level).collect())
    }

    fn applied(picture: &Image, memory: u64) -> (Image, Plan) {
        let picture = Picture::from(picture.clone());
        let plan = Plan::new(&Blur::default().tiling().unwrap(), &Need::of(&picture), memory).unwrap();
        let made =
            apply(&Blur::default(), (&Sample::seed(0), &[None]), &picture, &plan, &mut |_| {}).unwrap().remove(0);
        (made.raster.into_image(), plan)
    }

    #[test]
    fn tiles_give_the_same_as_the_whole_whatever_their_size() {
        let picture = picture(131, 97);
        let (whole, plan) = applied(&picture, 1 << 30);
        assert_eq!((plan.count(), whole.shape()), (1, [262, 194, 3]));
        for memory in [3_400_000, 4_500_000, 8_000_000] {
            let (tiled, plan) = applied(&picture, memory);
            assert!(plan.count() > 1 && plan.bytes <= memory, "{plan:?}");
            let tiling = Blur::default().tiling().unwrap();
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
        let error = Plan::new(
            &Blur::default().tiling().unwrap(),
            &Need { sides: [3000, 3000], ..Need::default() },
            100_000_000,
        )
        .unwrap_err();
        let sentence = error.to_string();
        assert!(error.exit_code() == 2 && sentence.contains("--memory") && sentence.contains("--side"), "{sentence}");
    }

    #[test]
    fn a_model_that_takes_pictures_only_whole_refuses_what_does_not_fit() {
        let tiling = Tiling { reach: None, ..Blur::default().tiling().unwrap() };
        let need = Need { sides: [300, 200], ..Need::default() };
        assert_eq!(Plan::new(&tiling, &need, 1 << 30).unwrap().count(), 1);
        let sentence = Plan::new(&tiling, &need, 20_000_000).unwrap_err().to_string();
        assert!(sentence.contains("as this model takes it only whole, and may take 20 MB"), "{sentence}");
        assert!(Plan::new(&Blur::default().tiling().unwrap(), &need, 20_000_000).unwrap().count() > 1);
    }

    #[test]
    fn a_place_beyond_the_edge_is_mirrored_however_far() {
        assert_eq!((0..9).map(|at| mirrored(at, 3)).collect::<Vec<_>>(), [0, 1, 2, 1, 0, 1, 2, 1, 0]);
        assert_eq!((0..4).map(|at| mirrored(at, 1)).collect::<Vec<_>>(), [0; 4]);
    }

    fn turned_by(model: &Blur, picture: &Picture, shown: &[Option<&str>]) -> Vec<Picture> {
        let plan = Plan::new(&model.tiling().unwrap(), &Need::of(picture), 1 << 30).unwrap();
        apply(model, (&Sample::seed(0), shown), picture, &plan, &mut |_| {}).unwrap()
    }

    fn grey(sides: [usize; 2], level: impl Fn(usize, usize) -> u8) -> Raster {
        let levels = (0..sides[1]).flat_map(|y| (0..sides[0]).map(move |x| (x, y))).map(|(x, y)| level(x, y)).collect();
        Raster::new(sides, 1, Levels::Eight(levels))
    }

    #[test]
    fn a_grey_picture_got_a_tint_and_stays_grey_in_one_channel_and_in_its_depth() {
        let blur = Blur { tint: 0.03, ..Blur::default() };
        let plane = grey([9, 7], |x, y| (20 * x + 3 * y) as u8);
        let deep = Raster::of_unit([9, 7], 1, true, (0..63).map(|at| plane.unit(at)));
        for (raster, is_deep) in [(plane.clone(), false), (plane.in_colour(), false), (deep, true)] {
            let picture = Picture { raster, ..Picture::from(Image::new(1, 1, 1, vec![0])) };
            let made = turned_by(&blur, &picture, &[None]).remove(0);
            assert_eq!((made.raster.channels, made.raster.is_deep(), made.sides()), (1, is_deep, [18, 14]));
            let own =
                turned_by(&Blur { makes_its_own: true, tint: 0.03, ..Blur::default() }, &picture, &[None]).remove(0);
            assert_eq!((own.raster.channels, own.raster.is_grey()), (3, false), "its colours are the model's");
        }
    }

    #[test]
    fn half_transparent_black_became_grey_and_stays_black_and_as_transparent() {
        let picture =
            Picture { alpha: Some(grey([8, 8], |_, _| 128)), ..Picture::from(Image::new(8, 8, 3, vec![0; 192])) };
        for makes_its_own in [false, true] {
            let made = turned_by(&Blur { makes_its_own, ..Blur::default() }, &picture, &[None]).remove(0);
            let channels = if makes_its_own { 3 } else { 1 }; // black is a grey
            assert_eq!(made.raster, Raster::new([16, 16], channels, Levels::Eight(vec![0; 256 * channels])));
            assert_eq!(made.alpha.unwrap().levels, Levels::Eight(vec![128; 256]));
        }
    }

    #[test]
    fn the_edge_of_a_dark_disc_was_light_and_is_as_dark_as_the_disc() {
        // A file says of what is clear that it is white; the disc's edge is half clear.
        let far = |x: usize, y: usize| ((x as f32 - 15.5).powi(2) + (y as f32 - 15.5).powi(2)).sqrt();
        let alpha = grey([32, 32], |x, y| ((10.5 - far(x, y)).clamp(0.0, 1.0) * 255.0) as u8);
        let colours = (0..32 * 32).flat_map(|at| [if alpha.unit(at) > 0.0 { 40 } else { 255 }; 3]).collect();
        let bytes = Picture { alpha: Some(alpha.clone()), ..Picture::from(Image::new(32, 32, 3, colours)) };
        let picture = Picture::decode(&bytes.encode(crate::media::Format::Png, None).unwrap(), "disc.png").unwrap();
        let made = turned_by(&Blur::default(), &picture, &[None]).remove(0);
        let (raster, made) = (made.raster, made.alpha.unwrap());
        assert!((0..64 * 64).all(|at| (raster.unit(at) * 255.0 - 40.0).abs() < 1.5));
        // Alpha is blurred as the picture is, and what is clear or opaque all around stays so.
        let (corner, middle) = (made.unit(0), made.unit(32 * 64 + 32));
        assert!((corner, middle) == (0.0, 1.0) && (0..64 * 64).any(|at| (0.2..0.8).contains(&made.unit(at))));
    }

    #[test]
    fn a_mask_beside_the_result_costs_no_second_pass() {
        let (blur, picture) = (Blur::default(), Picture::from(picture(40, 30)));
        let made = turned_by(&blur, &picture, &[None, Some("mask")]);
        assert_eq!((blur.calls.get(), made.len(), made[1].raster.channels), (1, 2, 1));
    }
}
