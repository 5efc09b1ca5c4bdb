//! What happens to the paper of a photograph: scratches, dust and hairs, folds, stains.
//!
//! Lengths are in units of a 256th of the photograph (of the root of its area), so that a small one is not damaged as a large
//! one is. A picture may be a part of the photograph: damage then begins anywhere on it, and what reaches the part is seen.
//!
//! The mask is the share of the picture that is gone: 1 under bare paper, 0 where nothing was drawn. Every change made here
//! is the paint's coverage times its opacity, but for stains and the shade beside a fold, under which the picture can
//! still be seen.

use std::f64::consts::{PI, TAU};

use super::resize::{Filter, resized};
use super::{Chances, Planes};

/// A point of a line.
#[derive(Clone, Copy, Debug)]
struct Dab {
    x: f64,
    y: f64,
    /// Half the line's width in pixels.
    radius: f64,
    opacity: f64,
}

/// Where a crack begins and how it runs: its length in units, half its width in pixels, how often it may fork on.
#[derive(Clone, Copy, Debug)]
struct Crack {
    x: f64,
    y: f64,
    heading: f64,
    length: f64,
    radius: f64,
    forks: usize,
}

/// A picture while it is being damaged.
pub(super) struct Paper {
    /// What is left of it.
    pub picture: Planes,
    /// How much of it is gone, one plane.
    pub mask: Planes,
    /// From where to where the photograph goes, along x and y, in pixels of the picture.
    extent: [[f64; 2]; 2],
    /// Pixels in a unit.
    unit: f64,
}

/// Lines fainter than this are not drawn.
const FAINTEST: f64 = 0.12;

impl Paper {
    /// A whole picture.
    pub fn whole(picture: Planes) -> Self {
        let extent = [picture.width, picture.height].map(|side| [0.0, side as f64]);
        let unit = (picture.area() as f64).sqrt() / 256.0;
        Paper { mask: Planes::flat(picture.width, picture.height, 0.0), picture, extent, unit }
    }

    /// A part, from a random place, of a square photograph of this side in pixels. What is larger is whole.
    pub fn part(picture: Planes, photograph: usize, chances: &mut Chances) -> Self {
        let photograph = photograph as f64;
        if photograph <= picture.width.max(picture.height) as f64 {
            return Paper::whole(picture);
        }
        let extent = [picture.width, picture.height].map(|side| {
            let before = chances.between([0.0, photograph - side as f64]);
            [-before, photograph - before]
        });
        Paper { extent, unit: photograph / 256.0, ..Paper::whole(picture) }
    }

    /// Of the picture, in pixels.
    fn sides(&self) -> [f64; 2] {
        [self.picture.width as f64, self.picture.height as f64]
    }

    /// Anywhere on the photograph.
    fn place(&self, chances: &mut Chances) -> [f64; 2] {
        self.extent.map(|range| chances.between(range))
    }

    /// Lays `opacity` of a colour over a pixel that is covered so far.
    fn lay(&mut self, at: usize, coverage: f32, opacity: f32, colour: [f32; 3]) {
        let alpha = coverage * opacity;
        if alpha <= 0.0 {
            return;
        }
        let flat = self.picture.channels == 1;
        for (plane, level) in self.picture.planes_mut().zip(colour) {
            let level = if flat { 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] } else { level };
            plane[at] += alpha * (level - plane[at]);
        }
        let gone = &mut self.mask.values[at];
        *gone += alpha * (1.0 - *gone);
    }

    /// The pixels of a box, as ranges of columns and rows.
    fn within(&self, [left, top]: [f64; 2], [right, bottom]: [f64; 2]) -> [std::ops::Range<usize>; 2] {
        let [width, height] = self.sides();
        let range =
            |from: f64, to: f64, side: f64| from.clamp(0.0, side) as usize..(to + 1.0).clamp(0.0, side) as usize;
        [range(left, right, width), range(top, bottom, height)]
    }

    /// A line through dabs. Where it crosses itself it is not thicker.
    fn line(&mut self, dabs: &[Dab], colour: [f32; 3]) {
        let fat = dabs.iter().map(|dab| dab.radius).fold(0.0, f64::max) + 1.0;
        let least = |pick: fn(&Dab) -> f64| dabs.iter().map(pick).fold(f64::INFINITY, f64::min) - fat;
        let most = |pick: fn(&Dab) -> f64| dabs.iter().map(pick).fold(f64::NEG_INFINITY, f64::max) + fat;
        let [columns, rows] = self.within([least(|d| d.x), least(|d| d.y)], [most(|d| d.x), most(|d| d.y)]);
        let wide = columns.len();
        let mut paint = vec![[0.0f32; 2]; wide * rows.len()]; // coverage, opacity
        for pair in dabs.windows(2) {
            let [a, b] = [pair[0], pair[1]];
            let reach = a.radius.max(b.radius) + 1.0;
            let [near_columns, near_rows] =
                self.within([a.x.min(b.x) - reach, a.y.min(b.y) - reach], [a.x.max(b.x) + reach, a.y.max(b.y) + reach]);
            let (dx, dy) = (b.x - a.x, b.y - a.y);
            let square = (dx * dx + dy * dy).max(1e-12);
            for y in near_rows {
                for x in near_columns.clone() {
                    let (px, py) = (x as f64 + 0.5 - a.x, y as f64 + 0.5 - a.y);
                    let along = ((px * dx + py * dy) / square).clamp(0.0, 1.0);
                    let away = (px - along * dx).hypot(py - along * dy);
                    let mix = |from: f64, to: f64| from + along * (to - from);
                    let (radius, opacity) = (mix(a.radius, b.radius), mix(a.opacity, b.opacity));
                    let coverage = (radius + 0.5 - away).min(2.0 * radius).clamp(0.0, 1.0);
                    let pixel = &mut paint[(y - rows.start) * wide + x - columns.start];
                    if opacity > FAINTEST && coverage as f32 * opacity as f32 > pixel[0] * pixel[1] {
                        *pixel = [coverage as f32, opacity.min(1.0) as f32];
                    }
                }
            }
        }
        for (at, [coverage, opacity]) in paint.into_iter().enumerate() {
            let (x, y) = (columns.start + at % wide, rows.start + at / wide);
            self.lay(y * self.picture.width + x, coverage, opacity, colour);
        }
    }

    /// A blot whose edge is `radius` times the outline away from its middle.
    fn blot(&mut self, [x, y]: [f64; 2], radius: f64, outline: &Outline, opacity: f64, colour: [f32; 3]) {
        let reach = radius * outline.most() + 1.0;
        let [columns, rows] = self.within([x - reach, y - reach], [x + reach, y + reach]);
        for row in rows {
            for column in columns.clone() {
                let (dx, dy) = (column as f64 + 0.5 - x, row as f64 + 0.5 - y);
                let edge = radius * outline.at(dx, dy);
                let coverage = (edge + 0.5 - dx.hypot(dy)).min(2.0 * edge).clamp(0.0, 1.0);
                self.lay(row * self.picture.width + column, coverage as f32, opacity as f32, colour);
            }
        }
    }

    /// A scratch: the straight track of a film or scanner, a bundle of arcs from handling, or a crack in the coat.
    pub fn scratch(&mut self, chances: &mut Chances) {
        match chances.choice(&[0.35, 0.4, 0.25]) {
            0 => self.track(chances),
            1 => self.arcs(chances),
            _ => self.crack(chances),
        }
    }

    /// One to three parallel lines, mostly down the picture, that hardly sway and come and go.
    fn track(&mut self, chances: &mut Chances) {
        let down = chances.happens(0.85);
        let [x, y] = self.extent;
        let ([across, [first, last]], length) = if down { ([x, y], y[1] - y[0]) } else { ([y, x], x[1] - x[0]) };
        let mut place = chances.between(across);
        let colour = scratch_colour(chances, 0.8);
        for _ in 0..1 + chances.choice(&[0.7, 0.2, 0.1]) {
            let (mut start, mut end) = (first, last);
            if chances.happens(0.5) {
                start = first + chances.between([-0.3, 0.7]) * length;
                end = start + chances.between([0.2, 1.0]) * length;
            }
            let (radius, strength) = (self.hairline(chances, [0.2, 0.8]), chances.between([0.3, 0.9]));
            let step = (4.0 * self.unit).max(1.0);
            let (mut sway, mut fade) = (0.0, chances.normal());
            let mut dabs = Vec::new();
            let mut at = start;
            while at < end + step {
                sway += 0.12 * self.unit.sqrt() * chances.normal();
                fade = 0.93 * fade + 0.37 * chances.normal();
                let taper = ((at - start).min(end - at) / (8.0 * step)).clamp(0.0, 1.0);
                let opacity =
                    if end - start < length { taper } else { 1.0 } * strength * (0.75 + 0.4 * fade).clamp(0.0, 1.1);
                let (x, y) = if down { (place + sway, at) } else { (at, place + sway) };
                let radius = radius * (0.15 * chances.normal()).exp();
                dabs.push(Dab { x, y, radius, opacity });
                at += step;
            }
            self.line(&dabs, colour);
            place += (chances.between([1.5, 9.0]) * self.unit).max(1.5) * if chances.happens(0.5) { 1.0 } else { -1.0 };
        }
    }

    /// One to five arcs, side by side and almost parallel, thin at their ends.
    fn arcs(&mut self, chances: &mut Chances) {
        let [x, y] = self.place(chances);
        let (angle, bend) = (chances.between([0.0, TAU]), chances.normal() * 0.006);
        let length = 256.0 * chances.between([0.08, 0.6]);
        let colour = scratch_colour(chances, 0.75);
        for _ in 0..1 + chances.choice(&[0.45, 0.25, 0.15, 0.1, 0.05]) {
            let (spread, strength) = (14.0 * self.unit, chances.between([0.3, 0.9]));
            let (mut x, mut y) = (x + spread * chances.normal(), y + spread * chances.normal());
            let mut heading = angle + 0.05 * chances.normal();
            let (length, radius) = (length * chances.between([0.4, 1.0]), self.hairline(chances, [0.15, 0.7]));
            let steps = (length / 3.0).ceil().max(2.0);
            let mut dabs = Vec::new();
            for i in 0..=steps as usize {
                let along = i as f64 / steps;
                let taper = (1.0 - (2.0 * along - 1.0).powi(4)) * (0.2 * chances.normal()).exp();
                dabs.push(Dab { x, y, radius: radius * taper.max(0.2), opacity: (strength * taper).min(1.0) });
                heading += bend * 3.0 + 0.02 * chances.normal();
                x += 3.0 * self.unit * heading.cos();
                y += 3.0 * self.unit * heading.sin();
            }
            self.line(&dabs, colour);
        }
    }

    /// A jagged line of bare paper that wanders and forks.
    fn crack(&mut self, chances: &mut Chances) {
        let [x, y] = self.place(chances);
        let heading = chances.between([0.0, TAU]);
        let colour = bare(chances);
        let length = 256.0 * chances.between([0.06, 0.45]);
        let radius = self.hairline(chances, [0.3, 1.1]);
        let mut open = vec![Crack { x, y, heading, length, radius, forks: 2 }];
        while let Some(crack) = open.pop() {
            open.extend(self.cracked(crack, colour, chances));
        }
    }

    /// Draws one line of a crack; its forks, at most three, are still to be drawn.
    fn cracked(&mut self, crack: Crack, colour: [f32; 3], chances: &mut Chances) -> Vec<Crack> {
        let Crack { mut x, mut y, mut heading, length, radius, forks } = crack;
        let (mut dabs, mut branches, mut gone) = (Vec::new(), Vec::new(), 0.0);
        while gone < length {
            let half = radius * (0.45 * chances.normal()).exp() * (1.0 - 0.7 * gone / length);
            dabs.push(Dab { x, y, radius: half, opacity: chances.between([0.7, 1.0]) });
            let step = chances.between([1.5, 5.0]);
            heading = crack.heading + 0.6 * (heading - crack.heading) + 0.42 * chances.normal();
            x += step * self.unit * heading.cos();
            y += step * self.unit * heading.sin();
            gone += step;
            if forks > 0 && branches.len() < 3 && chances.happens(0.03) {
                let turn = chances.between([0.4, 1.1]) * if chances.happens(0.5) { 1.0 } else { -1.0 };
                let length = (length - gone) * chances.between([0.2, 0.7]);
                branches.push(Crack { x, y, heading: heading + turn, length, radius: 0.7 * radius, forks: forks - 1 });
            }
        }
        self.line(&dabs, colour);
        branches
    }

    /// Half a line's width in pixels, of a range in units: never too thin to be seen.
    fn hairline(&self, chances: &mut Chances, range: [f64; 2]) -> f64 {
        (chances.between(range) * self.unit).max(0.25)
    }

    /// A speck of dust, white where it lay on the negative; seldom a flake of the coat that has come off.
    pub fn speck(&mut self, chances: &mut Chances) {
        let place = self.place(chances);
        let flake = chances.happens(0.04);
        let radius = if flake { chances.between([1.5, 4.5]) } else { 0.35 + 0.4 * chances.normal().abs().powf(1.5) };
        let outline = Outline::of(chances, if flake { 0.2 } else { 0.3 });
        let colour = if flake { bare(chances) } else { scratch_colour(chances, 0.75) };
        let opacity = if flake { 0.97 } else { chances.between([0.5, 1.0]) };
        self.blot(place, (radius * self.unit).max(0.35), &outline, opacity, colour);
    }

    /// A hair or a fibre: thin, dark or light, and curled.
    pub fn hair(&mut self, chances: &mut Chances) {
        let [mut x, mut y] = self.place(chances);
        let (mut heading, mut curl) = (chances.between([0.0, TAU]), 0.02 * chances.normal());
        let (radius, opacity) = (self.hairline(chances, [0.25, 0.5]), chances.between([0.5, 0.95]));
        let colour = scratch_colour(chances, 0.55);
        let steps = (chances.between([12.0, 90.0]) / 2.0) as usize;
        let mut dabs = Vec::new();
        for i in 0..=steps {
            let ends = (i.min(steps - i) as f64 / 4.0).clamp(0.4, 1.0);
            dabs.push(Dab { x, y, radius: radius * ends, opacity });
            curl = 0.93 * curl + 0.017 * chances.normal();
            heading += 2.0 * curl;
            x += 2.0 * self.unit * heading.cos();
            y += 2.0 * self.unit * heading.sin();
        }
        self.line(&dabs, colour);
    }

    /// A fold across the picture: the paper bends, so that one side of it is lit and the other is not, and the coat breaks
    /// and flakes off along it.
    pub fn fold(&mut self, chances: &mut Chances) {
        let [width, height] = self.sides();
        let [wide, high] = self.extent.map(|[first, last]| last - first);
        let [x, y] = self.extent.map(|[first, last]| first + (last - first) * chances.between([0.1, 0.9]));
        let heading = match chances.choice(&[0.35, 0.35, 0.3]) {
            0 => 0.04 * chances.normal(),
            1 => PI / 2.0 + 0.04 * chances.normal(),
            _ => chances.between([0.0, PI]),
        };
        let (sin, cos) = heading.sin_cos();
        let depth = chances.between([0.02, 0.1]) * if chances.happens(0.5) { 1.0 } else { -1.0 };
        self.shade([x, y], [sin, cos], depth, chances.between([3.0, 14.0]));

        let (radius, breaks) = (self.hairline(chances, [0.3, 1.1]), chances.between([0.0, 1.0]));
        let (colour, reach) = (bare(chances), wide.hypot(high));
        let step = 1.2 * self.unit.max(0.5);
        let (mut sway, mut jag, mut wear, mut swell) = (0.0, 0.0, chances.normal(), 0.0);
        let mut dabs = Vec::new();
        let mut at = -reach;
        while at < reach {
            sway += 0.1 * self.unit * chances.normal();
            jag = 0.6 * jag + 0.22 * radius * chances.normal();
            swell = 0.8 * swell + 0.25 * chances.normal();
            wear = 0.95 * wear + 0.31 * chances.normal();
            let off = sway + jag;
            let here = [x + at * cos - off * sin, y + at * sin + off * cos];
            // A fold may be only bent here, and worn through to the paper there.
            let worn = (0.75 + 0.5 * wear - 0.6 * breaks).clamp(0.0, 1.0);
            let half = radius * (0.25 + worn) * f64::exp(swell);
            dabs.push(Dab { x: here[0], y: here[1], radius: half, opacity: 0.3 + 0.7 * worn });
            let visible = (-9.0..width + 9.0).contains(&here[0]) && (-9.0..height + 9.0).contains(&here[1]);
            if visible && chances.happens(0.05 * worn) {
                let off = 1.3 * self.unit * chances.normal();
                let outline = Outline::of(chances, 0.3);
                let size = radius * (0.4 + 1.1 * chances.normal().abs().powf(1.5));
                self.blot([here[0] - off * sin, here[1] + off * cos], size, &outline, 0.95, colour);
            }
            at += step;
        }
        self.line(&dabs, colour);
    }

    /// The light on both sides of a fold, fading over `wide` units: `depth` more on one side and less on the other.
    fn shade(&mut self, [x, y]: [f64; 2], [sin, cos]: [f64; 2], depth: f64, wide: f64) {
        let (columns, wide) = (self.picture.width, wide * self.unit);
        for plane in self.picture.planes_mut() {
            for (at, value) in plane.iter_mut().enumerate() {
                let away = ((at / columns) as f64 + 0.5 - y) * cos - ((at % columns) as f64 + 0.5 - x) * sin;
                let light = depth * (away / (0.3 * wide).max(0.5)).tanh() * (-away.abs() / wide.max(0.5)).exp();
                *value = (*value + light as f32 * (0.3 + *value)).clamp(0.0, 1.0);
            }
        }
    }

    /// A stain, which colours what is under it and leaves no mask: a dried drop with a rim, a bleached patch, or the brown
    /// spots of mould.
    pub fn stain(&mut self, chances: &mut Chances) {
        let middle = self.place(chances);
        match chances.choice(&[0.45, 0.2, 0.35]) {
            0 => {
                let tint = tinted(chances, [0.55, 0.85]);
                let (strength, rim) = (chances.between([0.1, 0.5]), chances.between([0.2, 0.7]));
                let radius = self.unit * 10.0 * chances.between([0.0, 2.2]).exp();
                self.soak(middle, radius, tint, strength, rim, chances);
            }
            1 => {
                let radius = self.unit * chances.between([20.0, 90.0]);
                let strength = chances.between([0.15, 0.45]);
                self.soak(middle, radius, [1.25, 1.2, 1.08], strength, 0.0, chances);
            }
            _ => {
                let (tint, spread) = (tinted(chances, [0.5, 0.8]), self.unit * chances.between([20.0, 120.0]));
                for _ in 0..chances.whole([4, 30]) {
                    let place = middle.map(|place| place + spread * chances.normal());
                    let radius = self.unit * (0.8 + 1.4 * chances.normal().abs());
                    let strength = chances.between([0.2, 0.8]);
                    self.soak(place, radius.max(0.7), tint, strength, 0.0, chances);
                }
            }
        }
    }

    /// Multiplies a soft-edged blot by a tint; the rim is where a drop leaves what it carried.
    fn soak(&mut self, [x, y]: [f64; 2], radius: f64, tint: [f32; 3], strength: f64, rim: f64, chances: &mut Chances) {
        let outline = Outline::of(chances, 0.22);
        let soft = if rim > 0.0 { chances.between([0.03, 0.12]) } else { chances.between([0.25, 0.6]) };
        let coarse = Planes::new(6, 6, 1, (0..36).map(|_| chances.between([0.5, 1.0]) as f32).collect());
        let reach = radius * outline.most() * (1.0 + 2.0 * soft) + 1.0;
        let [columns, rows] = self.within([x - reach, y - reach], [x + reach, y + reach]);
        if columns.is_empty() || rows.is_empty() {
            return;
        }
        let uneven = resized(&coarse, columns.len(), rows.len(), Filter::Bicubic);
        let (wide, flat) = (self.picture.width, self.picture.channels == 1);
        for row in rows.clone() {
            for column in columns.clone() {
                let (dx, dy) = (column as f64 + 0.5 - x, row as f64 + 0.5 - y);
                let out = (dx.hypot(dy) / (radius * outline.at(dx, dy)).max(0.5) - 1.0) / soft; // 0 on the edge, 1 at its end
                let inside = smooth(0.5 - 0.5 * out);
                let uneven = f64::from(uneven.values[(row - rows.start) * columns.len() + column - columns.start]);
                let edge = rim * (-(out + 0.6).powi(2) / if out < -0.6 { 2.5 } else { 0.5 }).exp();
                let alpha = ((inside * strength + edge * inside.sqrt() * 0.7) * uneven).clamp(0.0, 1.0) as f32;
                for (plane, factor) in self.picture.planes_mut().zip(tint) {
                    let factor = if flat { 0.299 * tint[0] + 0.587 * tint[1] + 0.114 * tint[2] } else { factor };
                    let value = &mut plane[row * wide + column];
                    *value = (*value * (1.0 + alpha * (factor - 1.0)) + alpha * (factor - 1.0).max(0.0) * 0.4).min(1.0);
                }
            }
        }
    }
}

/// 0 below 0, 1 above 1, and without a corner between.
fn smooth(t: f64) -> f64 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// The colour of a scratch or of dust, light with the probability `light`.
fn scratch_colour(chances: &mut Chances, light: f64) -> [f32; 3] {
    match chances.happens(light) {
        true => bare(chances),
        false => {
            let level = chances.between([0.03, 0.22]) as f32;
            [level * 1.1, level, level * 0.85]
        }
    }
}

/// The paper under the coat: white, grown a little yellow.
fn bare(chances: &mut Chances) -> [f32; 3] {
    let (level, yellow) = (chances.between([0.8, 1.0]) as f32, chances.between([0.0, 0.13]) as f32);
    [level, level * (1.0 - 0.35 * yellow), level * (1.0 - yellow)]
}

/// What brown leaves of the light.
fn tinted(chances: &mut Chances, range: [f64; 2]) -> [f32; 3] {
    let level = chances.between(range) as f32;
    [level.powf(0.45), level.powf(0.9), level.powf(1.7)]
}

/// How far a blot's edge is from its middle, by direction: an ellipse with waves, 1 in the mean.
struct Outline {
    waves: [[f64; 2]; 6], // height and phase of cos(k a), k = 2 to 7
}

impl Outline {
    fn of(chances: &mut Chances, rough: f64) -> Self {
        let mut k = 1.0;
        let waves = [(); 6].map(|()| {
            k += 1.0;
            [(rough * 1.6 / k * chances.normal()).clamp(-0.4, 0.4), chances.between([0.0, TAU])]
        });
        Outline { waves }
    }

    fn at(&self, dx: f64, dy: f64) -> f64 {
        let angle = dy.atan2(dx);
        let waves =
            self.waves.iter().zip(2..).map(|([height, phase], k)| height * (f64::from(k) * angle + phase).cos());
        (1.0 + waves.sum::<f64>()).max(0.15)
    }

    fn most(&self) -> f64 {
        1.0 + self.waves.iter().map(|[height, _]| height.abs()).sum::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::wave_picture;
    use super::*;
    use crate::random::Draws;

    type Stroke = fn(&mut Paper, &mut Chances);
    const STRUCTURED: [(&str, Stroke); 4] =
        [("scratch", Paper::scratch), ("speck", Paper::speck), ("hair", Paper::hair), ("fold", Paper::fold)];

    fn chances(step: u64) -> Chances {
        Chances::of(&Draws::new(3, step), "picture", "damage")
    }

    #[test]
    fn the_mask_is_zero_where_no_line_was_drawn_and_the_picture_is_untouched_there() {
        let picture = wave_picture(60, 50, 3);
        for (name, stroke) in STRUCTURED.into_iter().filter(|(name, _)| *name != "fold") {
            let mut seen = 0;
            for step in 0..40 {
                let mut paper = Paper::whole(picture.clone());
                stroke(&mut paper, &mut chances(step));
                for (at, mask) in paper.mask.values.iter().enumerate() {
                    assert!((0.0..=1.0).contains(mask));
                    let same = (0..3).all(|c| paper.picture.values[c * 3_000 + at] == picture.values[c * 3_000 + at]);
                    assert!(*mask > 0.0 || same, "{name} {step}: pixel {at}");
                    seen += usize::from(*mask > 0.1 && !same);
                }
            }
            assert!(seen > 40, "{name}: {seen} pixels seen in forty pictures");
        }
    }

    #[test]
    fn a_folds_shade_is_the_only_change_outside_its_mask_and_a_small_one() {
        let picture = wave_picture(60, 50, 1);
        for step in 0..40 {
            let mut paper = Paper::whole(picture.clone());
            paper.fold(&mut chances(step));
            let outside = paper.mask.values.iter().enumerate().filter(|(_, mask)| **mask == 0.0);
            let most = outside.map(|(at, _)| (paper.picture.values[at] - picture.values[at]).abs()).fold(0.0, f32::max);
            assert!(most < 0.14, "{step}: {most}");
            let creased = paper.mask.values.iter().filter(|mask| **mask > 0.1).count();
            assert!(creased > 3, "{step}: {creased}");
        }
    }

    #[test]
    fn a_stain_changes_the_picture_and_leaves_no_mask() {
        let picture = wave_picture(60, 50, 3);
        let mut changed = 0;
        for step in 0..40 {
            let mut paper = Paper::whole(picture.clone());
            paper.stain(&mut chances(step));
            assert!(paper.mask.values.iter().all(|mask| *mask == 0.0));
            assert!(paper.picture.values.iter().all(|value| (0.0..=1.0).contains(value)));
            changed += usize::from(paper.picture != picture);
        }
        assert!(changed > 30, "{changed}");
    }

    #[test]
    fn a_line_covers_its_width_whole_and_nothing_farther_away() {
        let mut paper = Paper::whole(Planes::flat(9, 9, 0.2));
        let dab = |y: f64| Dab { x: 4.5, y, radius: 1.5, opacity: 1.0 };
        paper.line(&[dab(-3.0), dab(12.0)], [1.0; 3]);
        for row in paper.picture.values.chunks_exact(9) {
            assert!(
                row[3..6].iter().all(|value| *value > 0.999) && row[..3] == [0.2; 3] && row[6..] == [0.2; 3],
                "{row:?}"
            );
        }
        assert_eq!(paper.mask.values.iter().sum::<f32>(), 27.0);
    }

    #[test]
    fn the_mask_is_what_is_gone_of_the_picture_under_all_paint() {
        let mut paper = Paper::whole(Planes::flat(1, 1, 0.5));
        paper.lay(0, 0.5, 0.8, [0.5; 3]);
        paper.lay(0, 1.0, 0.5, [0.5; 3]);
        let gone = 1.0 - (1.0 - 0.4) * (1.0 - 0.5);
        assert!((paper.mask.values[0] - gone).abs() < 1e-6, "{}", paper.mask.values[0]);
        let mut black = Paper::whole(Planes::flat(1, 1, 0.0));
        black.lay(0, 0.5, 0.8, [1.0; 3]);
        black.lay(0, 1.0, 0.5, [1.0; 3]);
        assert!((black.picture.values[0] - gone).abs() < 1e-6, "white over black shows it");
    }

    #[test]
    fn a_part_of_a_photograph_has_its_share_of_the_damage_at_the_photographs_width() {
        let (mut on_parts, mut on_wholes) = (0.0, 0.0);
        let masked = |paper: &Paper| paper.mask.values.iter().sum::<f32>() / paper.mask.area() as f32;
        for step in 0..600 {
            let mut part = Paper::part(Planes::flat(32, 32, 0.2), 128, &mut chances(step + 1_000));
            let mut whole = Paper::whole(Planes::flat(128, 128, 0.2));
            assert_eq!((part.unit, whole.unit), (0.5, 0.5));
            for (_, stroke) in STRUCTURED {
                stroke(&mut part, &mut chances(step));
                stroke(&mut whole, &mut chances(step));
            }
            (on_parts, on_wholes) = (on_parts + masked(&part), on_wholes + masked(&whole));
        }
        let share = on_parts / on_wholes;
        assert!((0.8..1.25).contains(&share), "{share} of the damage of wholes is on parts");
        let small = Paper::part(Planes::flat(32, 16, 0.2), 32, &mut chances(0));
        assert_eq!((small.extent, small.unit), ([[0.0, 32.0], [0.0, 16.0]], (512.0f64).sqrt() / 256.0));
    }

    #[test]
    fn damage_of_any_size_and_shape_of_picture_stays_in_range() {
        for (width, height) in [(1, 1), (1, 30), (30, 1), (2, 3), (64, 5)] {
            for step in 0..60 {
                let mut paper = Paper::whole(wave_picture(width, height, 3));
                for (_, stroke) in STRUCTURED {
                    stroke(&mut paper, &mut chances(step));
                }
                paper.stain(&mut chances(step));
                let values = paper.picture.values.iter().chain(&paper.mask.values);
                assert!(values.into_iter().all(|value| (0.0..=1.0).contains(value)), "{width}x{height}, {step}");
            }
        }
    }
}
