//! Faces in pictures: brought to one place by their landmarks, matched in colour, and put back.

use super::Image;

/// Where an aligned face has its landmarks, in shares of its side: the left eye as one sees it, the right one, the nose, the left and the
/// right corner of the mouth. From the brows to the chin the face fills the square, so that little is seen of what is around it.
pub const FACE: [[f64; 2]; 5] = [[0.319, 0.299], [0.679, 0.297], [0.500, 0.504], [0.351, 0.713], [0.651, 0.711]];
/// The share of its side that the face takes in a picture of `ganvas data faces`, in the middle. Around it is room: to warp the face, and to
/// find it again.
pub const INNER: f64 = 2.0 / 3.0;
/// At least so many samples a side for a pixel that covers several, and at most.
const MOST_SAMPLES: f64 = 8.0;
/// How far the nose of a face that is seen from the front is from the eye and the corner of the mouth on either side, in shares of its
/// side.
const FROM_NOSE: f64 = 0.165;
/// How far what is put back reaches from the nose and from the middle of the height, in shares of the side: in a face that is turned, less
/// on the side to which it is turned, but not less than the second.
const REACH: [f64; 2] = [0.5, 0.2];
/// The outer share of it that fades into the picture around it.
const FADE: f64 = 0.2;
/// The share of it, across and down, whose colours are those of the face: nothing that is around a face is in it.
const CORE: [f64; 2] = [0.68, 0.84];
/// Deviations of a colour are not brought further apart than by this factor: a flat face has next to none.
const MOST_CONTRAST: f64 = 2.0;

/// How far the eyes of a face with these landmarks are apart.
pub fn eyes(landmarks: &[[f64; 2]; 5]) -> f64 {
    let [left, right, ..] = landmarks;
    (left[0] - right[0]).hypot(left[1] - right[1])
}

/// [`FACE`] in a picture of which the face takes this share of the side, in the middle.
pub fn placed(inner: f64) -> [[f64; 2]; 5] {
    FACE.map(|place| place.map(|share| 0.5 + inner * (share - 0.5)))
}

/// A turn, a scale and a shift of the plane: (x, y) to (a x - b y + c, b x + a y + d).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Similarity {
    /// The scale times the turn's cosine.
    pub a: f64,
    /// The scale times the turn's sine.
    pub b: f64,
    /// The shift.
    pub shift: [f64; 2],
}

impl Similarity {
    /// The one that brings points nearest to others, by the least squares (Umeyama 1991, equations 40 to 43; in the plane and without
    /// a reflection they have this closed form). None where the points are all one.
    pub fn between(from: &[[f64; 2]], to: &[[f64; 2]]) -> Option<Self> {
        assert_eq!(from.len(), to.len(), "as many points as others");
        let count = from.len() as f64;
        let mean = |points: &[[f64; 2]]| [0, 1].map(|i| points.iter().map(|point| point[i]).sum::<f64>() / count);
        let (p, q) = (mean(from), mean(to));
        let (mut along, mut across, mut spread) = (0.0, 0.0, 0.0);
        for (from, to) in from.iter().zip(to) {
            let ([x, y], [u, v]) = ([from[0] - p[0], from[1] - p[1]], [to[0] - q[0], to[1] - q[1]]);
            along += x * u + y * v;
            across += x * v - y * u;
            spread += x * x + y * y;
        }
        let (a, b) = (along / spread, across / spread);
        let shift = [q[0] - (a * p[0] - b * p[1]), q[1] - (b * p[0] + a * p[1])];
        let found = Similarity { a, b, shift };
        (found.scale() > 0.0 && shift.iter().all(|part| part.is_finite())).then_some(found)
    }

    /// What brings a face with these landmarks, in pixels, to its place in a picture of this side ([`FACE`]). None where there is none.
    pub fn of_face(landmarks: &[[f64; 2]; 5], side: usize) -> Option<Self> {
        Self::between(landmarks, &FACE.map(|place| place.map(|share| share * side as f64)))
    }

    /// The same with room around the face, which takes [`INNER`] of the picture's side.
    pub fn of_face_with_room(landmarks: &[[f64; 2]; 5], side: usize) -> Option<Self> {
        Self::between(landmarks, &placed(INNER).map(|place| place.map(|share| share * side as f64)))
    }

    /// How much larger it makes a length.
    pub fn scale(&self) -> f64 {
        self.a.hypot(self.b)
    }

    /// Where a point goes.
    pub fn at(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        [self.a * x - self.b * y + self.shift[0], self.b * x + self.a * y + self.shift[1]]
    }

    /// The way back.
    pub fn inverse(&self) -> Self {
        let square = self.a * self.a + self.b * self.b;
        let back = Similarity { a: self.a / square, b: -self.b / square, shift: [0.0; 2] };
        let [x, y] = back.at(self.shift);
        Similarity { shift: [-x, -y], ..back }
    }
}

/// Places within a pixel at which it is sampled, so that nothing is left out where it covers `covered` pixels a side.
fn samples(covered: f64) -> Vec<[f64; 2]> {
    let many = covered.ceil().clamp(1.0, MOST_SAMPLES) as usize;
    let place = |i: usize| (i as f64 + 0.5) / many as f64;
    (0..many).flat_map(|y| (0..many).map(move |x| [place(x), place(y)])).collect()
}

/// Between the four nearest pixels; beyond the edge is what is at the edge. Pixels have their centres at halves.
fn sampled(picture: &Image, [x, y]: [f64; 2]) -> [f64; 3] {
    let near = |at: f64, side: usize| {
        let at = (at - 0.5).clamp(0.0, (side - 1) as f64);
        let low = at.floor() as usize;
        (low, (low + 1).min(side - 1), at - at.floor())
    };
    let ((left, right, across), (top, bottom, down)) = (near(x, picture.width), near(y, picture.height));
    let level = |x: usize, y: usize, channel: usize| {
        f64::from(picture.pixels[(y * picture.width + x) * picture.channels + channel.min(picture.channels - 1)])
    };
    [0, 1, 2].map(|channel| {
        let [above, below] =
            [top, bottom].map(|y| level(left, y, channel) * (1.0 - across) + level(right, y, channel) * across);
        above * (1.0 - down) + below * down
    })
}

/// The square of this side that a similarity cuts out of a picture and brings upright, RGB.
pub fn aligned(picture: &Image, to_face: &Similarity, side: usize) -> Image {
    let back = to_face.inverse();
    let places = samples(back.scale());
    let mut pixels = Vec::with_capacity(side * side * 3);
    for (y, x) in (0..side).flat_map(|y| (0..side).map(move |x| (y, x))) {
        let mut sum = [0.0; 3];
        for [right, down] in &places {
            let found = sampled(picture, back.at([x as f64 + right, y as f64 + down]));
            (0..3).for_each(|channel| sum[channel] += found[channel]);
        }
        pixels.extend(sum.map(|level| (level / places.len() as f64).round() as u8));
    }
    Image::new(side, side, 3, pixels)
}

/// What of an aligned face is put back: two halves of ellipses that meet at the nose, in shares of its side.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Outline {
    nose: f64,
    /// To the left and to the right of it.
    reach: [f64; 2],
}

impl Outline {
    /// Of a face that has its landmarks at these places, in shares of its side. A cheek ends where the head does, and on the side to which
    /// a head is turned, that is nearer to the nose.
    fn of(places: &[[f64; 2]; 5]) -> Self {
        let nose = places[2][0];
        let side = |eye: usize, corner: usize| ((places[eye][0] + places[corner][0]) / 2.0 - nose).abs() / FROM_NOSE;
        let reach = [side(0, 3), side(1, 4)].map(|share| (REACH[0] * share * share).clamp(REACH[1], REACH[0]));
        Outline { nose, reach }
    }

    /// Of a face with these landmarks in a picture, which is brought to a square of this side.
    fn within(side: usize, to_face: &Similarity, landmarks: &[[f64; 2]; 5]) -> Self {
        Self::of(&landmarks.map(|at| to_face.at(at).map(|place| place / side as f64)))
    }

    /// 1 for the pixels of the core, else 0: see [`core`].
    fn core(&self, side: usize, around: usize) -> Vec<f32> {
        let place = |at: usize| (at as f64 + 0.5 - around as f64) / side as f64;
        let wide = side + 2 * around;
        let is_core = |at: usize| {
            let [x, y] = [place(at % wide), place(at / wide)];
            let reach = self.reach[usize::from(x > self.nose)];
            ((x - self.nose) / (CORE[0] * reach)).hypot((y - 0.5) / (CORE[1] * REACH[0])) <= 1.0
        };
        (0..wide * wide).map(|at| f32::from(u8::from(is_core(at)))).collect()
    }

    /// How much is seen at a place: all of it within, nothing around it.
    fn at(&self, [x, y]: [f64; 2]) -> f64 {
        let reach = self.reach[usize::from(x > self.nose)];
        let from_middle = ((x - self.nose) / reach).hypot((y - 0.5) / REACH[0]);
        let t = ((1.0 - from_middle) / FADE).clamp(0.0, 1.0);
        t * t * (3.0 - 2.0 * t)
    }
}

/// How much the colour of each pixel of an aligned face counts where colours are [`matched`]: 1 for eyes, nose, mouth and the cheeks
/// between them, and 0 for what may be around a face. The face has this side and so many pixels of room `around` it:
/// `[(side + 2 around)²]`.
pub fn core(side: usize, around: usize) -> Vec<f32> {
    Outline::of(&FACE).core(side, around)
}

/// The same without room, of a face that has its landmarks here in a picture: of one that is turned, less.
pub fn core_of(side: usize, to_face: &Similarity, landmarks: &[[f64; 2]; 5]) -> Vec<f32> {
    Outline::within(side, to_face, landmarks).core(side, 0)
}

/// Puts an aligned face back into the picture that it was cut out of, as far as its mask says: shares `[side · side]`, row after row. Only
/// what lies around eyes, nose and mouth is seen, as far as the head goes by these landmarks in the picture, and it fades towards its edge.
/// The picture is RGB.
pub fn put_back(picture: &mut Image, face: &Image, mask: &[f32], to_face: &Similarity, landmarks: &[[f64; 2]; 5]) {
    let outline = Outline::within(face.width, to_face, landmarks);
    let side = face.width;
    assert_eq!(
        (face.height, mask.len(), picture.channels),
        (side, side * side, 3),
        "a square face and its mask, in RGB"
    );
    let levels = mask.iter().map(|share| (share.clamp(0.0, 1.0) * 255.0).round() as u8).collect();
    let mask = Image::new(side, side, 1, levels);
    let corners =
        [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]].map(|corner| corner.map(|share| share * side as f64));
    let corners = corners.map(|corner| to_face.inverse().at(corner));
    let range = |axis: usize, most: usize| {
        let places = corners.map(|corner| corner[axis]);
        let least = places.iter().copied().fold(f64::INFINITY, f64::min).floor().max(0.0);
        let last = places.iter().copied().fold(f64::NEG_INFINITY, f64::max).ceil().clamp(0.0, most as f64);
        least as usize..last as usize
    };
    let places = samples(to_face.scale());
    for y in range(1, picture.height) {
        for x in range(0, picture.width) {
            let (mut sum, mut shares) = ([0.0; 3], 0.0);
            for [right, down] in &places {
                let at = to_face.at([x as f64 + right, y as f64 + down]);
                let share = outline.at(at.map(|place| place / side as f64));
                if share > 0.0 {
                    let share = share * sampled(&mask, at)[0] / 255.0;
                    let found = sampled(face, at);
                    (0..3).for_each(|channel| sum[channel] += share * found[channel]);
                    shares += share;
                }
            }
            let count = places.len() as f64;
            for (level, sum) in picture.pixels[(y * picture.width + x) * 3..][..3].iter_mut().zip(sum) {
                *level = ((f64::from(*level) * (count - shares) + sum) / count).round() as u8;
            }
        }
    }
}

/// Both faces of one side in RGB: the first with the mean and the deviation of the second's colours in CIE Lab (Reinhard et al. 2001,
/// "Color Transfer between Images", in Lab), each pixel counted by the mask: shares `[side · side]`. As it is where the mask is empty.
pub fn matched(face: &Image, like: &Image, mask: &[f32]) -> Image {
    assert_eq!(
        (face.shape(), mask.len()),
        (like.shape(), face.width * face.height),
        "faces of one size and their mask"
    );
    let [own, wanted] = [face, like].map(|image| {
        let pixels = image.pixels.chunks_exact(3).map(|pixel| lab([pixel[0], pixel[1], pixel[2]]));
        pixels.collect::<Vec<_>>()
    });
    let total = mask.iter().map(|share| f64::from(*share)).sum::<f64>();
    if total <= 0.0 {
        return face.clone();
    }
    let moments = |pixels: &[[f64; 3]], axis: usize| {
        let weighted = |value: &dyn Fn(f64) -> f64| {
            pixels.iter().zip(mask).map(|(pixel, share)| value(pixel[axis]) * f64::from(*share)).sum::<f64>() / total
        };
        let mean = weighted(&|value| value);
        (mean, weighted(&|value| (value - mean).powi(2)).sqrt())
    };
    let ways = [0, 1, 2].map(|axis| {
        let ((mean, deviation), (to, wanted)) = (moments(&own, axis), moments(&wanted, axis));
        let contrast = if deviation > 1e-6 { wanted / deviation } else { 1.0 };
        (mean, contrast.clamp(1.0 / MOST_CONTRAST, MOST_CONTRAST), to)
    });
    let pixels = own.into_iter().flat_map(|pixel| {
        let axis = |i: usize| (pixel[i] - ways[i].0) * ways[i].1 + ways[i].2;
        rgb([axis(0), axis(1), axis(2)])
    });
    Image::new(face.width, face.height, 3, pixels.collect())
}

/// White of D65, by CIE's 2° observer.
const WHITE: [f64; 3] = [0.950_47, 1.0, 1.088_83];
/// sRGB's primaries (IEC 61966-2-1): rows are X, Y and Z, and the way back.
const TO_XYZ: [[f64; 3]; 3] = [
    [0.412_456_4, 0.357_576_1, 0.180_437_5],
    [0.212_672_9, 0.715_152_2, 0.072_175_0],
    [0.019_333_9, 0.119_192_0, 0.950_304_1],
];
const TO_RGB: [[f64; 3]; 3] = [
    [3.240_454_2, -1.537_138_5, -0.498_531_4],
    [-0.969_266_0, 1.876_010_8, 0.041_556_0],
    [0.055_643_4, -0.204_025_9, 1.057_225_2],
];

fn times(matrix: &[[f64; 3]; 3], v: [f64; 3]) -> [f64; 3] {
    matrix.map(|row| row[0] * v[0] + row[1] * v[1] + row[2] * v[2])
}

/// CIE Lab of an sRGB pixel.
fn lab(pixel: [u8; 3]) -> [f64; 3] {
    let linear = pixel.map(|level| {
        let share = f64::from(level) / 255.0;
        if share <= 0.040_45 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
    });
    let xyz = times(&TO_XYZ, linear);
    let f = [0, 1, 2].map(|i| {
        let t = xyz[i] / WHITE[i];
        if t > (6.0_f64 / 29.0).powi(3) { t.cbrt() } else { t / (3.0 * (6.0_f64 / 29.0).powi(2)) + 4.0 / 29.0 }
    });
    [116.0 * f[1] - 16.0, 500.0 * (f[0] - f[1]), 200.0 * (f[1] - f[2])]
}

/// The nearest sRGB pixel of a colour in CIE Lab.
fn rgb([light, a, b]: [f64; 3]) -> [u8; 3] {
    let y = (light + 16.0) / 116.0;
    let f = [y + a / 500.0, y, y - b / 200.0];
    let xyz = [0, 1, 2].map(|i| {
        let t = if f[i] > 6.0 / 29.0 { f[i].powi(3) } else { 3.0 * (6.0_f64 / 29.0).powi(2) * (f[i] - 4.0 / 29.0) };
        t * WHITE[i]
    });
    times(&TO_RGB, xyz).map(|share| {
        let share = share.clamp(0.0, 1.0);
        let level = if share <= 0.003_130_8 { 12.92 * share } else { 1.055 * share.powf(1.0 / 2.4) - 0.055 };
        (level * 255.0).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::numbers;
    use serde_json::Value;

    /// Similarities, cut and matched faces and one that is put back: made by tests/golden/face.py, whose docs give the formulas.
    fn golden() -> Value {
        serde_json::from_str(include_str!("../../tests/golden/face.json")).unwrap()
    }

    /// Levels 127.5 + 110 sin(rate i + 0.3 sin(0.01 i²)), rounded.
    fn picture([width, height]: [usize; 2], channels: usize, rate: f64) -> Image {
        let level = |i: usize| (127.5 + 110.0 * crate::golden::wave_at(i, rate)).round() as u8;
        Image::new(width, height, channels, (0..width * height * channels).map(level).collect())
    }

    fn points(value: &Value) -> Vec<[f64; 2]> {
        value.as_array().unwrap().iter().map(|point| numbers(point).try_into().unwrap()).collect()
    }

    fn mask(side: usize) -> Vec<f32> {
        (0..side * side).map(|i| 0.5 + 0.5 * crate::golden::wave_at(i, 0.05) as f32).collect()
    }

    /// A level may fall to the other side of a half.
    fn near(found: &Image, wanted: &Value, what: &str) {
        let wanted = numbers(wanted);
        assert_eq!(found.pixels.len(), wanted.len(), "{what}");
        let apart = found.pixels.iter().zip(wanted).map(|(found, wanted)| (f64::from(*found) - wanted).abs());
        let apart = apart.fold(0.0, f64::max);
        assert!(apart <= 1.0, "{what}: {apart} levels apart");
    }

    #[test]
    fn similarities_are_umeyamas() {
        for case in golden()["similarities"].as_array().unwrap() {
            let found = Similarity::between(&points(&case["from"]), &points(&case["to"])).unwrap();
            for (found, wanted) in
                [found.a, found.b, found.shift[0], found.shift[1]].into_iter().zip(numbers(&case["found"]))
            {
                assert!((found - wanted).abs() < 1e-9 * (1.0 + wanted.abs()), "{found}, {wanted}");
            }
            let back = found.inverse();
            let [x, y] = back.at(found.at([3.0, -7.0]));
            assert!((x - 3.0).abs() < 1e-9 && (y + 7.0).abs() < 1e-9, "{x}, {y}");
        }
        assert_eq!(Similarity::between(&[[1.0, 2.0]; 5], &FACE), None, "one point has no size");
        assert_eq!(Similarity::of_face(&FACE.map(|place| place.map(|share| share * 64.0)), 64).unwrap().scale(), 1.0);
    }

    #[test]
    fn a_face_is_cut_out_matched_and_put_back_as_numpy_has_it() {
        let golden = golden();
        for (name, case) in golden["faces"].as_object().unwrap() {
            let to_face = Similarity::between(&points(&case["from"]), &points(&case["to"])).unwrap();
            let (mut picture, side) = (picture([40, 30], 3, 0.013), 16);
            near(&aligned(&picture, &to_face, side), &case["cut"], &format!("what is cut out, {name}"));
            let face = self::picture([side, side], 3, 0.029);
            let back = to_face.inverse();
            let landmarks = points(&case["landmarks"])
                .try_into()
                .map(|places: [[f64; 2]; 5]| places.map(|place| back.at(place.map(|share| share * side as f64))));
            put_back(&mut picture, &face, &mask(side), &to_face, &landmarks.unwrap());
            near(&picture, &case["put_back"], &format!("what is put back, {name}"));
        }
        let [one, other] = [0.013, 0.029].map(|rate| picture([16, 16], 3, rate));
        let dim = Image::new(16, 16, 3, other.pixels.iter().map(|level| level / 2 + 20).collect());
        near(&matched(&one, &dim, &mask(16)), &golden["matched"], "colours");
        assert_eq!(matched(&one, &dim, &[0.0; 256]), one);
    }

    #[test]
    fn a_colour_comes_back_from_lab() {
        for pixel in [[0, 0, 0], [255, 255, 255], [12, 200, 99], [255, 0, 3], [1, 2, 250]] {
            assert_eq!(rgb(lab(pixel)), pixel);
        }
        let [light, a, b] = lab([255, 255, 255]);
        assert!((light - 100.0).abs() < 1e-2 && a.abs() < 2e-2 && b.abs() < 2e-2, "white is {light}, {a}, {b}");
    }

    #[test]
    fn the_middle_of_a_face_counts_and_what_is_around_it_does_not() {
        let (close, roomy) = (core(16, 0), core(16, 4));
        assert!(close[8 * 16 + 8] == 1.0 && close[8 * 16 + 3] == 1.0 && close[8 * 16 + 1] == 0.0 && close[0] == 0.0);
        for (x, y) in (0..24).flat_map(|y| (0..24).map(move |x| (x, y))) {
            let is_around = !(4..20).contains(&x) || !(4..20).contains(&y);
            let wanted = if is_around { 0.0 } else { close[(y - 4) * 16 + x - 4] };
            assert_eq!(roomy[y * 24 + x], wanted, "at {x}, {y}");
        }
        let [x, y] = placed(INNER)[2];
        assert!(
            (x - 0.5).abs() < 1e-9 && (y - 0.5 - 0.004 * INNER).abs() < 1e-9,
            "the nose is in the middle: {x}, {y}"
        );
        let at = FACE.map(|place| place.map(|share| 20.0 + 40.0 * share)); // 40 of 60 pixels, shifted by 10
        let found = Similarity::of_face_with_room(&at, 60).unwrap();
        assert!(
            (found.scale() - 1.0).abs() < 1e-9 && found.shift.iter().all(|by| (by + 10.0).abs() < 1e-9),
            "{found:?}"
        );
    }

    #[test]
    fn of_a_turned_head_less_is_put_back_on_the_side_to_which_it_is_turned() {
        let front = Outline::of(&FACE);
        assert!(front.nose == 0.5 && front.reach.iter().all(|reach| (reach - 0.5).abs() < 1e-9), "{front:?}");
        let turned = Outline::of(&[[0.30, 0.3], [0.66, 0.3], [0.56, 0.5], [0.34, 0.7], [0.64, 0.7]]);
        let [left, right] = turned.reach;
        assert!(left == 0.5 && right == 0.2, "{turned:?}");
        let less = Outline::of(&[[0.31, 0.3], [0.67, 0.3], [0.53, 0.5], [0.35, 0.7], [0.65, 0.7]]);
        assert!((less.reach[1] - 0.5 * (0.13_f64 / 0.165).powi(2)).abs() < 1e-9, "{less:?}");
        assert!(less.core(16, 0).iter().sum::<f32>() < front.core(16, 0).iter().sum::<f32>());
        assert!(turned.at([0.9, 0.5]) == 0.0 && front.at([0.9, 0.5]) > 0.5 && turned.at([0.3, 0.5]) == 1.0);
        assert_eq!(Outline::of(&[[0.5; 2]; 5]).reach, [0.2; 2], "no landmarks are too near");
    }

    #[test]
    fn what_the_mask_leaves_out_and_all_around_a_face_stays_as_it_was() {
        let before = picture([40, 30], 3, 0.013);
        let to_face = Similarity { a: 1.0, b: 0.0, shift: [-10.0, -6.0] };
        let face = picture([16, 16], 3, 0.029);
        let mut now = before.clone();
        let landmarks = FACE.map(|place| to_face.inverse().at(place.map(|share| share * 16.0)));
        put_back(&mut now, &face, &[0.0; 256], &to_face, &landmarks);
        assert_eq!(now, before);
        put_back(&mut now, &face, &[1.0; 256], &to_face, &landmarks);
        let changed =
            |x: usize, y: usize| now.pixels[(y * 40 + x) * 3..][..3] != before.pixels[(y * 40 + x) * 3..][..3];
        let is_within = |x: usize, y: usize| (10..26).contains(&x) && (6..22).contains(&y);
        assert!((0..30).all(|y| (0..40).all(|x| is_within(x, y) || !changed(x, y))));
        assert_eq!(
            now.pixels[(14 * 40 + 18) * 3..][..3],
            face.pixels[(8 * 16 + 8) * 3..][..3],
            "the middle is the face"
        );
        // A face beyond the edge of the picture, or outside of it.
        for shift in [[-35.0, -25.0], [300.0, 300.0]] {
            put_back(&mut now, &face, &[1.0; 256], &Similarity { shift, ..to_face }, &landmarks);
        }
    }
}
