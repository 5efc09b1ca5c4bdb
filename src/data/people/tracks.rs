//! Who walks through a video whose camera stands still: what differs from the background, followed from frame to frame.

use std::path::Path;

use image::RgbImage;
use image::imageops::{self, FilterType};

use super::video::frames;
use crate::error::Result;
use crate::report::{Progress, Report};

/// Frames of which the background is the median: so many at most, and half as many at least where there are as many.
const BACKGROUND: usize = 64;
/// So many levels off the background, in any channel, is something.
const DIFFERENT: u8 = 25;
/// Gaps of so many pixels in what is something are closed.
const GAP: usize = 3;
/// Pixels that a person covers at least.
const LEAST: usize = 300;
/// How high a person is, as shares of the frame's height, and how much higher than wide.
const HEIGHTS: [f64; 2] = [0.087, 0.33];
const SLIMNESS: [f64; 2] = [1.6, 5.0];
/// So near to the frame's edge some of a person may be outside.
const EDGE: usize = 8;
/// One person from frame to frame: the frames between, and the share of both places together that they have in common.
const LOST: usize = 3;
const COMMON: f64 = 0.4;
/// How much higher a picture is than the person in it.
const ROOM: f64 = 1.15;
/// Width and height of a picture.
const SIDES: [u32; 2] = [64, 128];

/// Where somebody is in a frame: left, top, right and bottom in pixels, the last two excluded.
pub type Place = [usize; 4];

/// Somebody in a frame.
pub struct Sight {
    /// The frame's number, from 0 on.
    pub frame: usize,
    /// Where.
    pub place: Place,
    /// What is seen there and around it, 64x128; none where that reaches beyond the frame.
    pub picture: Option<RgbImage>,
}

/// Somebody from frame to frame.
pub type Track = Vec<Sight>;

/// Everybody who walks through a video, in the order in which they come. The video is read twice.
pub fn tracks(path: &Path, report: Report<'_>) -> Result<(Vec<Track>, Option<String>)> {
    let (mut kept, mut stride, mut count) = (Vec::<RgbImage>::new(), 1, 0);
    frames(path, report, |number, frame| {
        count = number + 1;
        if number.is_multiple_of(stride) {
            kept.push(frame);
        }
        if kept.len() > BACKGROUND {
            (kept, stride) = (std::mem::take(&mut kept).into_iter().step_by(2).collect(), 2 * stride);
        }
        Ok(())
    })?;
    let background = median(&kept);
    drop(kept);
    let mut found = Tracks::default();
    let problem = frames(path, &mut |_| (), |number, frame| {
        let places = places(&frame, &background);
        found.see(number, places, |place| picture(&frame, place));
        report(Progress { what: "following who walks", done: number as u64 + 1, total: Some(count as u64) });
        Ok(())
    })?;
    Ok((found.all, problem))
}

/// The median of pictures of one size, level by level; of an even number the lower one of the two in the middle.
fn median(frames: &[RgbImage]) -> Vec<u8> {
    let length = frames.first().map_or(0, |frame| frame.as_raw().len());
    let mut levels = Vec::with_capacity(frames.len());
    let of = |at: usize| {
        levels.clear();
        levels.extend(frames.iter().filter_map(|frame| frame.as_raw().get(at).copied()));
        let middle = (levels.len() - 1) / 2;
        *levels.select_nth_unstable(middle).1
    };
    (0..length).map(of).collect()
}

/// Where somebody may be in a frame.
fn places(frame: &RgbImage, background: &[u8]) -> Vec<Place> {
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    let differs = frame.as_raw().chunks_exact(3).zip(background.chunks_exact(3));
    let differs = differs.map(|(seen, usual)| seen.iter().zip(usual).any(|(a, b)| a.abs_diff(*b) > DIFFERENT));
    let something = closed(&differs.collect::<Vec<_>>(), width);
    let high = HEIGHTS.map(|share| share * height as f64);
    let is_person = |(place, pixels): &(Place, usize)| {
        let [left, top, right, bottom] = *place;
        let (wide, tall) = ((right - left) as f64, (bottom - top) as f64);
        *pixels >= LEAST
            && (high[0]..high[1]).contains(&tall)
            && (SLIMNESS[0]..SLIMNESS[1]).contains(&(tall / wide))
            && left >= EDGE
            && top >= EDGE
            && right + EDGE <= width
            && bottom + EDGE <= height
    };
    parts(&something, width).into_iter().filter(is_person).map(|(place, _)| place).collect()
}

/// A mask, of rows of this width, whose gaps are closed: grown by squares, and shrunk by as much. Outside is nothing.
fn closed(mask: &[bool], width: usize) -> Vec<bool> {
    let height = mask.len() / width.max(1);
    // Along one axis: whether of the places from `GAP` before to `GAP` after any is so; for shrinking, with everything turned.
    let grown = |mask: &[bool], count: usize, length: usize, [step, next]: [usize; 2], outside: bool| {
        let mut made = vec![false; mask.len()];
        for line in 0..count {
            let at = |i: usize| line * next + i * step;
            let mut last = outside.then_some(0); // one past the last place that is so
            for ahead in 0..length + GAP {
                let is_so = if ahead < length { mask[at(ahead)] } else { outside };
                if is_so {
                    last = Some(ahead + 1);
                }
                if ahead >= GAP {
                    made[at(ahead - GAP)] = last.is_some_and(|last| last + 2 * GAP > ahead);
                }
            }
        }
        made
    };
    let square = |mask: &[bool], outside: bool| {
        let rows = grown(mask, height, width, [1, width], outside);
        grown(&rows, width, height, [width, 1], outside)
    };
    let turned = |mask: Vec<bool>| mask.into_iter().map(|is_so| !is_so).collect::<Vec<_>>();
    turned(square(&turned(square(mask, false)), true))
}

/// The parts of a mask that hang together by their sides: where each is, and its pixels; in the order of their first pixels.
fn parts(mask: &[bool], width: usize) -> Vec<(Place, usize)> {
    let (mut left, mut found, mut waiting) = (mask.to_vec(), Vec::new(), Vec::new());
    for start in 0..mask.len() {
        if !left[start] {
            continue;
        }
        left[start] = false;
        waiting.push(start);
        let (mut place, mut pixels) = ([usize::MAX, usize::MAX, 0, 0], 0);
        while let Some(at) = waiting.pop() {
            let (x, y) = (at % width, at / width);
            place = [place[0].min(x), place[1].min(y), place[2].max(x + 1), place[3].max(y + 1)];
            pixels += 1;
            let beside = [(x > 0).then(|| at - 1), (x + 1 < width).then_some(at + 1)];
            let above = [at.checked_sub(width), Some(at + width).filter(|below| *below < mask.len())];
            for next in beside.into_iter().chain(above).flatten() {
                if std::mem::take(&mut left[next]) {
                    waiting.push(next);
                }
            }
        }
        found.push((place, pixels));
    }
    found
}

/// The share of two places together that they have in common.
pub fn common(a: &Place, b: &Place) -> f64 {
    let overlap = |axis: usize| a[axis + 2].min(b[axis + 2]).saturating_sub(a[axis].max(b[axis])) as f64;
    let area = |place: &Place| ((place[2] - place[0]) * (place[3] - place[1])) as f64;
    let both = overlap(0) * overlap(1);
    both / (area(a) + area(b) - both)
}

/// Who was seen up to now.
#[derive(Default)]
struct Tracks {
    all: Vec<Track>,
    /// Those who may be seen again, by their places there.
    live: Vec<usize>,
}

impl Tracks {
    /// Everybody of a frame is the one of before with whom the place is most in common, or somebody new.
    fn see(&mut self, frame: usize, mut places: Vec<Place>, picture: impl Fn(&Place) -> Option<RgbImage>) {
        let all = &mut self.all;
        self.live.retain(|track| all[*track].last().is_some_and(|last| frame - last.frame <= LOST));
        let sight = |place: Place| Sight { frame, place, picture: picture(&place) };
        for track in &self.live {
            let Some(last) = all[*track].last().map(|last| last.place) else { continue };
            let shared = places.iter().map(|place| common(&last, place)).enumerate();
            let nearest = shared.filter(|(_, share)| *share > COMMON).max_by(|a, b| a.1.total_cmp(&b.1));
            if let Some((at, _)) = nearest {
                all[*track].push(sight(places.remove(at)));
            }
        }
        for place in places {
            self.live.push(all.len());
            all.push(vec![sight(place)]);
        }
    }
}

/// What is seen around a place, twice as high as wide; none where that reaches beyond the frame.
fn picture(frame: &RgbImage, [left, top, right, bottom]: &Place) -> Option<RgbImage> {
    let tall = ROOM * (bottom - top) as f64;
    let wide = tall * f64::from(SIDES[0]) / f64::from(SIDES[1]);
    let start = |from: usize, to: usize, side: f64| ((from + to) as f64 / 2.0 - side / 2.0).round();
    let (x, y) = (start(*left, *right, wide), start(*top, *bottom, tall));
    let (wide, tall) = (wide.round(), tall.round());
    let is_inside =
        x >= 0.0 && y >= 0.0 && x + wide <= f64::from(frame.width()) && y + tall <= f64::from(frame.height());
    is_inside.then(|| {
        let cut = imageops::crop_imm(frame, x as u32, y as u32, wide as u32, tall as u32).to_image();
        imageops::resize(&cut, SIDES[0], SIDES[1], FilterType::CatmullRom)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    /// A mask from rows of text, in which a point is nothing.
    fn mask(rows: &[&str]) -> (Vec<bool>, usize) {
        (rows.concat().bytes().map(|byte| byte != b'.').collect(), rows[0].len())
    }

    #[test]
    fn gaps_within_are_closed_and_outlines_stay() {
        let (open, width) = mask(&["............", "....#.#.....", "............", "....#.......", "............"]);
        let (wanted, _) = mask(&["............", "............", "............", "............", "............"]);
        // Whatever is nearer to the edge than the gap is shrunk away, for outside is nothing.
        assert_eq!(closed(&open, width), wanted);
        let mut large = vec![false; 20 * 20];
        let places = [[8, 8], [11, 8], [8, 12], [11, 12]];
        places.iter().for_each(|[x, y]| large[20 * y + x] = true);
        let found = closed(&large, 20);
        let inside = |at: usize| (8..=11).contains(&(at % 20)) && (8..=12).contains(&(at / 20));
        assert!((0..400).all(|at| found[at] == inside(at)), "four corners of a rectangle");
    }

    #[test]
    fn parts_hang_together_by_their_sides() {
        let (mask, width) = mask(&["##..#", "#...#", ".#..."]);
        assert_eq!(parts(&mask, width), [([0, 0, 2, 2], 3), ([4, 0, 5, 2], 2), ([1, 2, 2, 3], 1)]);
    }

    #[test]
    fn who_is_seen_where_somebody_was_is_the_same() {
        let mut found = Tracks::default();
        let none = |_: &Place| None;
        found.see(0, vec![[0, 0, 10, 20], [50, 0, 60, 20]], none);
        found.see(1, vec![[51, 0, 61, 20], [2, 0, 12, 20]], none);
        found.see(3, vec![[80, 0, 90, 20]], none);
        found.see(4, vec![[4, 0, 14, 20]], none);
        found.see(9, vec![[4, 0, 14, 20]], none);
        let frames = |track: &Track| track.iter().map(|sight| (sight.frame, sight.place[0])).collect::<Vec<_>>();
        let frames = found.all.iter().map(frames).collect::<Vec<_>>();
        assert_eq!(frames, [vec![(0, 0), (1, 2), (4, 4)], vec![(0, 50), (1, 51)], vec![(3, 80)], vec![(9, 4)]]);
    }

    #[test]
    fn somebody_is_found_where_the_background_is_covered_and_cut_out_with_some_room() {
        let usual = RgbImage::from_pixel(120, 300, Rgb([100; 3]));
        let person = |left: u32| {
            let mut frame = usual.clone();
            imageops::replace(&mut frame, &RgbImage::from_pixel(20, 60, Rgb([100, 130, 100])), i64::from(left), 120);
            frame
        };
        let background = median(&[person(10), usual.clone(), usual.clone(), person(70), person(40)]);
        assert_eq!(&background, usual.as_raw());
        let frame = person(40);
        assert_eq!(places(&frame, &background), [[40, 120, 60, 180]]);
        assert_eq!(places(&person(2), &background), [[0; 4]; 0], "some of who is at the edge may be outside");
        let cut = picture(&frame, &[40, 120, 60, 180]).unwrap();
        assert_eq!(cut.dimensions(), (64, 128));
        assert_eq!([cut.get_pixel(32, 64).0, cut.get_pixel(1, 64).0], [[100, 130, 100], [100; 3]]);
        assert!(picture(&frame, &[100, 120, 118, 180]).is_none());
    }
}
