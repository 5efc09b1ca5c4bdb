//! Adaptive augmentation (Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data"): what D sees
//! is changed at random, real and fake alike, as often as D's certainty about the real pictures calls for.
//!
//! The transformations, their order and their sizes are those of `bgc`, the paper's default (appendix B); the speed is that
//! of the authors' code for small sets.

use std::f64::consts::{FRAC_PI_2, PI};

use burn::tensor::{Tensor, TensorData};
use ganvas_kernels::{Warp, unwarp, warp};

use crate::device;
use crate::parts::Parts;
use crate::random::Draws;

/// Steps from one adjustment of the strength to the next.
const INTERVAL: u64 = 4;
/// Images in which the strength goes from 0 to 1 when D is always sure (section 3.1).
const IMAGES_TO_ONE: f64 = 500_000.0;

/// Greatest shift by whole pixels, and deviation of the other shift, in sides of the picture.
const SHIFT: f64 = 0.125;
/// Deviation of the binary logarithms of scale and stretch.
const SCALE: f64 = 0.2;
/// Deviation of the brightness that is added.
const BRIGHTNESS: f64 = 0.2;
/// Deviation of the contrast's binary logarithm.
const CONTRAST: f64 = 0.5;
/// Deviation of the saturation's binary logarithm.
const SATURATION: f64 = 1.0;

/// An affine map of places (x, y) in pixels from the centre: `[[xx, xy, x0], [yx, yy, y0]]`.
type Place = [[f64; 3]; 2];
/// An affine map of colours: `[[from r, from g, from b, 1], ...]`.
type Colour = [[f64; 4]; 3];

const SAME_PLACE: Place = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]];
const SAME_COLOUR: Colour = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];

/// The strength p of the augmentation, and what adapts it: r_t = E[sign(D(real))], the paper's measure of overfitting.
pub struct Augment {
    target: f64,
    strength: f64,
    /// The sum of the signs of D's logits on real pictures since the last adjustment, but for those still on the device.
    signs: i64,
    unread: Vec<Tensor<1>>,
    /// The number of those logits.
    count: u64,
}

impl Augment {
    /// Augmentation with a strength of 0, which rises while r_t is above `target` and falls while it is below (0.6 in the
    /// paper). With a target of 0 it stays 0.
    pub fn new(target: f64) -> Self {
        Self { target, strength: 0.0, signs: 0, unread: Vec::new(), count: 0 }
    }

    /// The probability of each transformation, p; from 1 on, every one of them is made.
    pub fn strength(&self) -> f64 {
        self.strength
    }

    /// Takes D's logits `[n, 1]` on the augmented real pictures of step `step`, where the first step is 0. After every
    /// fourth step p goes up or down by the share that four batches are of 500,000 images.
    pub fn observe(&mut self, real_logits: Tensor<2>, step: u64) {
        if self.target == 0.0 {
            return;
        }
        self.count += real_logits.dims()[0] as u64;
        self.unread.push(real_logits.without_autodiff().sign().sum());
        if !(step + 1).is_multiple_of(INTERVAL) {
            return;
        }
        self.read();
        let certainty = self.signs as f64 / self.count as f64; // r_t
        if certainty != self.target {
            let change = (certainty - self.target).signum() * self.count as f64 / IMAGES_TO_ONE;
            self.strength = (self.strength + change).max(0.0);
        }
        (self.signs, self.count) = (0, 0);
    }

    /// Adds up what is still on the device; only here is it waited for.
    fn read(&mut self) {
        self.signs += self.unread.drain(..).map(|sum| sum.into_scalar::<f64>() as i64).sum::<i64>();
    }

    /// The transformations of one batch of pictures `[n, c, side, side]` of c = 1 or 3 channels, drawn from `draws` under
    /// names that begin with `name`: what the paper's appendix B calls pixel blitting, geometric and colour
    /// transformations, each made with probability p.
    ///
    /// Panics for other shapes.
    pub fn draw(&self, draws: &Draws, name: &str, shape: [usize; 4]) -> Transform {
        let [n, c, h, w] = shape;
        assert!(h == w && (c == 1 || c == 3), "augmentation is for square pictures, grey or RGB, not for {shape:?}");
        if self.strength == 0.0 {
            return Transform { shape, warp: None, colours: None };
        }
        let lots = Lots { draws, name, count: n };
        let places = places(&lots, self.strength, h as f64);
        let colours = colours(&lots, self.strength, c == 3);
        Transform::new(&places, &colours, shape)
    }

    /// What an exact resume needs.
    pub fn parts(&mut self, part: &str, visit: &mut Parts) {
        self.read();
        let (mut strength, mut signs) = (self.strength.to_bits(), self.signs.cast_unsigned());
        visit.number(part, "strength_bits", &mut strength);
        visit.number(part, "signs", &mut signs);
        visit.number(part, "count", &mut self.count);
        (self.strength, self.signs) = (f64::from_bits(strength), signs.cast_signed());
    }
}

/// Draws for every sample of a batch, one name for each kind of transformation.
struct Lots<'a> {
    draws: &'a Draws,
    name: &'a str,
    count: usize,
}

impl Lots<'_> {
    fn values(tensor: Tensor<1>) -> Vec<f64> {
        tensor.into_data().iter::<f64>().collect()
    }

    /// From U(low, high).
    fn uniform(&self, what: &str, low: f32, high: f32) -> Vec<f64> {
        let name = format!("{}.{what}", self.name);
        Self::values(self.draws.uniform(&name, [self.count], (low, high), &device::cpu()))
    }

    /// From N(0, deviation²).
    fn normal(&self, what: &str, deviation: f64) -> Vec<f64> {
        let name = format!("{}.{what}", self.name);
        let drawn = Self::values(self.draws.normal(&name, [self.count], &device::cpu()));
        drawn.into_iter().map(|value| value * deviation).collect()
    }

    /// The samples, with their values, that are transformed at all, each with `probability`.
    fn chosen<V>(&self, what: &str, probability: f64, values: Vec<V>) -> impl Iterator<Item = (usize, V)> {
        let lots = self.uniform(&format!("{what}.made"), 0.0, 1.0);
        values.into_iter().enumerate().zip(lots).filter(move |(_, lot)| *lot < probability).map(|(value, _)| value)
    }
}

/// For every sample, the map from a place in the augmented picture to the one in the picture: the inverses of the
/// transformations in their order, each applied before those of the earlier ones.
fn places(lots: &Lots, p: f64, side: f64) -> Vec<Place> {
    let mut places = vec![SAME_PLACE; lots.count];
    let mut inverse = |sample: usize, by: Place| places[sample] = after(&places[sample], &by);
    let pairs = |x: Vec<f64>, y: Vec<f64>| x.into_iter().zip(y).collect::<Vec<_>>();

    for (sample, drawn) in lots.chosen("flip", p, lots.uniform("flip", 0.0, 2.0)) {
        inverse(sample, scaled(1.0 - 2.0 * drawn.floor(), 1.0));
    }
    for (sample, drawn) in lots.chosen("quarter_turns", p, lots.uniform("quarter_turns", 0.0, 4.0)) {
        inverse(sample, turned(FRAC_PI_2 * drawn.floor()));
    }
    let most = SHIFT as f32;
    let drawn = pairs(lots.uniform("shift_x", -most, most), lots.uniform("shift_y", -most, most));
    for (sample, (x, y)) in lots.chosen("shift", p, drawn) {
        inverse(sample, shifted(-(x * side).round(), -(y * side).round()));
    }

    for (sample, drawn) in lots.chosen("scale", p, lots.normal("scale", SCALE)) {
        inverse(sample, scaled((-drawn).exp2(), (-drawn).exp2()));
    }
    // Twice, so that either is made with probability p.
    let rotation = 1.0 - (1.0 - p).max(0.0).sqrt();
    let angles = |what| lots.uniform(what, -PI as f32, PI as f32);
    for (sample, drawn) in lots.chosen("rotation_before", rotation, angles("rotation_before")) {
        inverse(sample, turned(drawn));
    }
    for (sample, drawn) in lots.chosen("stretch", p, lots.normal("stretch", SCALE)) {
        inverse(sample, scaled((-drawn).exp2(), drawn.exp2()));
    }
    for (sample, drawn) in lots.chosen("rotation_after", rotation, angles("rotation_after")) {
        inverse(sample, turned(drawn));
    }
    let drawn = pairs(lots.normal("slide_x", SHIFT), lots.normal("slide_y", SHIFT));
    for (sample, (x, y)) in lots.chosen("slide", p, drawn) {
        inverse(sample, shifted(-x * side, -y * side));
    }
    places
}

/// For every sample, the map of its colours. Grey pictures have no hue to turn and no saturation.
fn colours(lots: &Lots, p: f64, coloured: bool) -> Vec<Colour> {
    let mut colours = vec![SAME_COLOUR; lots.count];
    for (sample, drawn) in lots.chosen("brightness", p, lots.normal("brightness", BRIGHTNESS)) {
        colours[sample].iter_mut().for_each(|row| row[3] += drawn);
    }
    for (sample, drawn) in lots.chosen("contrast", p, lots.normal("contrast", CONTRAST)) {
        let factor = drawn.exp2();
        colours[sample].iter_mut().flatten().for_each(|entry| *entry *= factor);
    }
    for (sample, drawn) in lots.chosen("luma_flip", p, lots.uniform("luma_flip", 0.0, 2.0)) {
        colours[sample] = recoloured(&colours[sample], 1.0 - 2.0 * drawn.floor(), 1.0, 0.0);
    }
    if !coloured {
        return colours;
    }
    for (sample, drawn) in lots.chosen("hue", p, lots.uniform("hue", -PI as f32, PI as f32)) {
        colours[sample] = recoloured(&colours[sample], 1.0, 1.0, drawn);
    }
    for (sample, drawn) in lots.chosen("saturation", p, lots.normal("saturation", SATURATION)) {
        colours[sample] = recoloured(&colours[sample], 1.0, drawn.exp2(), 0.0);
    }
    colours
}

/// The place that `first` takes to where `second` starts: second(first(x, y)).
fn after(second: &Place, first: &Place) -> Place {
    second.map(|[across, down, shift]| {
        let [x, y] = first;
        let column = |k: usize| across * x[k] + down * y[k];
        [column(0), column(1), column(2) + shift]
    })
}

fn scaled(x: f64, y: f64) -> Place {
    [[x, 0.0, 0.0], [0.0, y, 0.0]]
}

fn shifted(x: f64, y: f64) -> Place {
    [[1.0, 0.0, x], [0.0, 1.0, y]]
}

fn turned(angle: f64) -> Place {
    let (sine, cosine) = angle.sin_cos();
    [[cosine, -sine, 0.0], [sine, cosine, 0.0]]
}

/// The colours with their grey times `luma`, and with what is perpendicular to it times `chroma` and turned around the
/// grey axis by `angle` (Rodrigues' formula).
fn recoloured(colours: &Colour, luma: f64, chroma: f64, angle: f64) -> Colour {
    let (sine, cosine) = angle.sin_cos();
    // The turn adds to each channel of the colour its cross product with the axis (1, 1, 1)/√3.
    let (along, across) = (luma / 3.0, chroma * sine / 3.0_f64.sqrt());
    let entry = |row: usize, column: usize| {
        let own = if row == column { 1.0 } else { 0.0 };
        let side = [0.0, -across, across][(column + 3 - row) % 3];
        along + chroma * cosine * (own - 1.0 / 3.0) + side
    };
    std::array::from_fn(|row| {
        std::array::from_fn(|column| (0..3).map(|k| entry(row, k) * colours[k][column]).sum::<f64>())
    })
}

/// The augmentation of one batch: an affine map of its pictures.
#[derive(Clone, Debug)]
pub struct Transform {
    shape: [usize; 4],
    warp: Option<Warp>,
    colours: Option<Colours>,
}

/// For pictures of c channels: the factors `[n, c, c]` and what is added `[n, c, 1]`.
#[derive(Clone, Debug)]
struct Colours {
    factors: TensorData,
    added: TensorData,
}

impl Transform {
    fn new(places: &[Place], colours: &[Colour], shape: [usize; 4]) -> Self {
        let [n, c, h, w] = shape;
        let moved = places.iter().any(|place| *place != SAME_PLACE);
        let warp = moved.then(|| Warp::new(places, [h, w]));
        let coloured = colours.iter().any(|colour| *colour != SAME_COLOUR);
        let colours = coloured.then(|| {
            let rows = colours.iter().flat_map(|rows| {
                if c == 3 {
                    return rows.to_vec();
                }
                // A grey picture is one of three equal channels, and its result the mean of theirs.
                let mean = |columns: std::ops::Range<usize>| {
                    rows.iter().flat_map(|row| &row[columns.clone()]).sum::<f64>() / 3.0
                };
                vec![[mean(0..3), 0.0, 0.0, mean(3..4)]]
            });
            let (factors, added) = rows.map(|row| (row[..c].to_vec(), row[3])).unzip::<_, _, Vec<_>, Vec<_>>();
            let factors = TensorData::new(factors.concat(), [n, c, c]);
            Colours { factors, added: TensorData::new(added, [n, c, 1]) }
        });
        Self { shape, warp, colours }
    }

    /// The pictures x, augmented: `[n, c, side, side]` in [-1, 1] to the same shape, where values may leave the range.
    /// Differentiable.
    pub fn apply(&self, x: Tensor<4>) -> Tensor<4> {
        self.fits(&x);
        let x = match &self.warp {
            Some(by) => warp(x, by),
            None => x,
        };
        let Some(colours) = &self.colours else { return x };
        let added = Tensor::<3>::from_data(colours.added.clone().convert_dtype(x.dtype()), (&x.device(), x.dtype()));
        let factors = self.factors(colours, &x);
        (factors.matmul(x.flatten(2, 3)) + added).reshape(self.shape)
    }

    /// The gradient by the augmented pictures, taken to that by the pictures: the adjoint of the linear part of
    /// [`Transform::apply`], of the same shape. Differentiable.
    pub fn pullback(&self, gradient: Tensor<4>) -> Tensor<4> {
        self.fits(&gradient);
        let gradient = match &self.colours {
            Some(colours) => {
                let factors = self.factors(colours, &gradient);
                factors.swap_dims(1, 2).matmul(gradient.flatten(2, 3)).reshape(self.shape)
            }
            None => gradient,
        };
        match &self.warp {
            Some(by) => unwarp(gradient, by),
            None => gradient,
        }
    }

    fn fits(&self, x: &Tensor<4>) {
        let (given, wanted) = (x.dims(), self.shape);
        assert_eq!(given, wanted, "pictures are {given:?}, the augmentation is for {wanted:?}");
    }

    /// `[n, c, c]`, of the type of `like` and on its device.
    fn factors(&self, colours: &Colours, like: &Tensor<4>) -> Tensor<3> {
        let factors = colours.factors.clone().convert_dtype(like.dtype());
        Tensor::from_data(factors, (&like.device(), like.dtype()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{self, assert_close, floats, numbers};
    use burn::tensor::DType;
    use serde_json::Value;

    fn rows<const R: usize, const C: usize>(value: &Value) -> [[f64; C]; R] {
        let flat = numbers(value);
        std::array::from_fn(|row| std::array::from_fn(|column| flat[row * C + column]))
    }

    fn wave(shape: [usize; 4], rate: f64, dtype: DType) -> Tensor<4> {
        golden::wave(shape, rate).cast(dtype).autodiff()
    }

    fn close(what: &str, found: Vec<f64>, wanted: &[f64], tolerance: f64) {
        assert_eq!(found.len(), wanted.len(), "{what}");
        let scale = wanted.iter().fold(1.0, |most: f64, v| most.max(v.abs()));
        for (i, (a, b)) in found.iter().zip(wanted).enumerate() {
            assert_close(&format!("{what} at {i}"), *a, *b, scale, tolerance);
        }
    }

    fn at_strength(strength: f64) -> Augment {
        Augment { strength, ..Augment::new(0.6) }
    }

    #[test]
    fn augmented_pictures_and_their_gradients_are_those_of_pytorch() {
        // Made by tests/golden/augment.py.
        let golden = serde_json::from_str::<Value>(include_str!("../tests/golden/augment.json")).unwrap();
        for case in golden["cases"].as_array().unwrap() {
            let shape: [usize; 4] = serde_json::from_value(case["shape"].clone()).unwrap();
            let places = case["inverses"].as_array().unwrap().iter().map(rows::<2, 3>).collect::<Vec<_>>();
            let colours = case["colours"].as_array().unwrap().iter().map(rows::<3, 4>).collect::<Vec<_>>();
            let transform = Transform::new(&places, &colours, shape);
            for (dtype, tolerance) in [(DType::F32, 5e-6), (DType::F64, 1e-7)] {
                let (x, weights) = (wave(shape, 0.37, dtype).require_grad(), wave(shape, 0.71, dtype));
                let y = transform.apply(x.clone());
                close(&format!("{shape:?}, {dtype:?}"), floats(y.clone()), &numbers(&case["y"]), tolerance);
                let gradient = x.grad(&(y * weights.clone()).sum().backward()).unwrap();
                let wanted = numbers(&case["gradient"]);
                close(&format!("the gradient of {shape:?}, {dtype:?}"), floats(gradient), &wanted, tolerance);
                let pulled = floats(transform.pullback(weights));
                close(&format!("the pullback of {shape:?}, {dtype:?}"), pulled, &wanted, tolerance);
            }
        }
    }

    #[test]
    fn the_pullback_is_the_adjoint_and_can_be_differentiated() {
        for c in [1, 3] {
            let shape = [6, c, 14, 14];
            let transform = at_strength(0.7).draw(&Draws::new(3, 5), "t", shape);
            let (x, gradient) = (wave(shape, 0.37, DType::F64), wave(shape, 0.71, DType::F64).require_grad());
            let linear = transform.apply(x.clone()) - transform.apply(x.zeros_like());
            let product = (transform.pullback(gradient.clone()) * x).sum();
            let other = floats((linear.clone() * gradient.clone()).sum())[0];
            close("the products", floats(product.clone()), &[other], 1e-10);
            let found = gradient.grad(&product.backward()).unwrap();
            close("the gradient of the pullback", floats(found), &floats(linear), 1e-10);
        }
    }

    #[test]
    fn without_strength_or_lots_drawn_nothing_changes_at_all() {
        let shape = [4, 3, 10, 10];
        let transform = Augment::new(0.6).draw(&Draws::new(3, 5), "t", shape);
        assert!(transform.warp.is_none() && transform.colours.is_none());
        let x = wave(shape, 0.37, DType::F32);
        assert_eq!(floats(transform.apply(x.clone())), floats(x.clone()));
        assert_eq!(floats(transform.pullback(x.clone())), floats(x));
        let transform = at_strength(1e-9).draw(&Draws::new(3, 5), "t", shape);
        assert!(transform.warp.is_none() && transform.colours.is_none());
    }

    #[test]
    fn a_transform_depends_on_its_name_and_its_step_and_nothing_else() {
        let shape = [3, 3, 9, 9];
        let of = |step, name| {
            let transform = at_strength(1.0).draw(&Draws::new(1, step), name, shape);
            floats(transform.apply(wave(shape, 0.37, DType::F32)))
        };
        assert_eq!(of(2, "d.real"), of(2, "d.real"));
        assert_ne!(of(2, "d.real"), of(2, "d.fake"));
        assert_ne!(of(2, "d.real"), of(3, "d.real"));
    }

    const MANY: usize = 40_000;
    const SIDE: f64 = 1000.0;

    fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
        values.into_iter().sum::<f64>() / MANY as f64
    }

    fn share<T>(of: &[T], such: impl Fn(&T) -> bool) -> f64 {
        mean(of.iter().map(|one| if such(one) { 1.0 } else { 0.0 }))
    }

    fn near(what: &str, found: f64, wanted: f64, tolerance: f64) {
        assert_close(what, found, wanted, 1.0, tolerance);
    }

    /// Of a place's linear part: the determinant, and the binary logarithm of the ratio of its singular values.
    fn measures([[a, b, _], [c, d, _]]: &Place) -> (f64, f64) {
        let (determinant, squares) = (a * d - b * c, a * a + b * b + c * c + d * d);
        let root = (squares * squares - 4.0 * determinant * determinant).max(0.0).sqrt();
        (determinant, ((squares + root) / (squares - root)).log2() / 2.0)
    }

    #[test]
    fn geometry_is_drawn_as_in_the_paper() {
        let lots = Lots { draws: &Draws::new(1, 0), name: "t", count: MANY };
        let drawn = places(&lots, 1.0, SIDE);
        let measured = drawn.iter().map(measures).collect::<Vec<_>>();
        near("flipped", share(&measured, |(determinant, _)| *determinant < 0.0), 0.5, 0.01);
        let logarithms = || measured.iter().map(|(determinant, _)| determinant.abs().log2());
        near("mean of the scale", mean(logarithms()), 0.0, 0.01);
        near("variance of the scale", mean(logarithms().map(|l| l * l / 4.0)), 0.04, 0.002);
        near("variance of the stretch", mean(measured.iter().map(|(_, ratio)| ratio * ratio / 4.0)), 0.04, 0.002);
        // The whole shift lies within ±0.125, the other is N(0, 0.125²), seen through the scale and the stretch.
        let seen = 2.0 * (0.4 * 2.0_f64.ln()).powi(2).exp();
        let squares = mean(drawn.iter().map(|place| (place[0][2].powi(2) + place[1][2].powi(2)) / SIDE.powi(2)));
        near("shift", squares, 0.125_f64.powi(2) * (2.0 / 3.0 + seen), 0.001);
        near("turned to one side", share(&drawn, |[[across, ..], _]| *across > 0.0), 0.5, 0.01);

        let drawn = places(&lots, 0.5, SIDE);
        let measured = drawn.iter().map(measures).collect::<Vec<_>>();
        near("flipped by half", share(&measured, |(determinant, _)| *determinant < 0.0), 0.25, 0.01);
        near("scaled by half", share(&measured, |(determinant, _)| (determinant.abs() - 1.0).abs() > 1e-9), 0.5, 0.01);
        near("stretched by half", share(&measured, |(_, ratio)| *ratio > 1e-6), 0.5, 0.01);
        // Neither rotation, and an even number of quarter turns.
        let upright = share(&drawn, |[[_, b, _], [c, ..]]| b.abs() + c.abs() < 1e-9);
        near("upright by half", upright, 0.5 * 0.75, 0.01);
        // Neither shift.
        near("centred by half", share(&drawn, |[[.., x], [.., y]]| x.abs() + y.abs() < 1e-9), 0.25, 0.01);
    }

    #[test]
    fn quarter_turns_and_shifts_by_whole_pixels_take_pixels_to_pixels() {
        let [[a, b, _], [c, d, _]] = turned(FRAC_PI_2);
        close("a quarter turn", vec![a, b, c, d], &[0.0, -1.0, 1.0, 0.0], 1e-15);
        // The inverse of a shift to the right, then a scale by 2: first undo the scale.
        let place = after(&shifted(-3.0, 0.0), &scaled(0.5, 0.5));
        assert_eq!(place, [[0.5, 0.0, -3.0], [0.0, 0.5, 0.0]]);
    }

    /// Of a colour map: the factor of grey, the factor of what is perpendicular to it, the angle, and the brightness.
    fn colour_measures(colour: &Colour) -> [f64; 4] {
        let luma = colour[0][..3].iter().sum::<f64>();
        let turned = colour.map(|row| (row[0] - row[1]) / 2.0_f64.sqrt());
        let along = (turned[0] - turned[1]) / 2.0_f64.sqrt();
        let side = (turned[0] + turned[1] - 2.0 * turned[2]) / 6.0_f64.sqrt();
        [luma, along.hypot(side), side.atan2(along), colour[0][3] / luma]
    }

    #[test]
    fn colours_are_drawn_as_in_the_paper() {
        let lots = Lots { draws: &Draws::new(1, 0), name: "t", count: MANY };
        let drawn = colours(&lots, 1.0, true).iter().map(colour_measures).collect::<Vec<_>>();
        near("flipped", share(&drawn, |[luma, ..]| *luma < 0.0), 0.5, 0.01);
        near("contrast", mean(drawn.iter().map(|[luma, ..]| luma.abs().log2().powi(2))), 0.25, 0.01);
        let saturation = mean(drawn.iter().map(|[luma, chroma, ..]| (chroma / luma.abs()).log2().powi(2)));
        near("saturation", saturation, 1.0, 0.03);
        near("brightness", mean(drawn.iter().map(|[.., added]| added * added)), 0.04, 0.002);
        near("hue, cosine", mean(drawn.iter().map(|[_, _, hue, _]| hue.cos())), 0.0, 0.015);
        near("hue, square", mean(drawn.iter().map(|[_, _, hue, _]| hue * hue)), PI * PI / 3.0, 0.06);

        let drawn = colours(&lots, 0.5, true).iter().map(colour_measures).collect::<Vec<_>>();
        near("flipped by half", share(&drawn, |[luma, ..]| *luma < 0.0), 0.25, 0.01);
        near("contrast by half", share(&drawn, |[luma, ..]| (luma.abs() - 1.0).abs() > 1e-9), 0.5, 0.01);
        let saturated = share(&drawn, |[luma, chroma, ..]| (chroma / luma.abs() - 1.0).abs() > 1e-9);
        near("saturation by half", saturated, 0.5, 0.01);
        near("brightness by half", share(&drawn, |[.., added]| added.abs() > 1e-9), 0.5, 0.01);
        near("hue by half", share(&drawn, |[_, _, hue, _]| hue.abs() > 1e-9), 0.5, 0.01);
        let grey = colours(&lots, 1.0, false).iter().map(colour_measures).collect::<Vec<_>>();
        assert!(share(&grey, |[luma, chroma, hue, _]| (chroma - luma.abs()).abs() < 1e-9 || *hue != 0.0) == 1.0);
    }

    fn logits(positive: usize, negative: usize) -> Tensor<2> {
        let values = [vec![0.3_f32; positive], vec![-2.0; negative]].concat();
        let count = values.len();
        Tensor::from_data(TensorData::new(values, [count, 1]), &device::cpu().autodiff())
    }

    #[test]
    fn the_strength_follows_the_signs_of_four_batches() {
        let mut augment = Augment::new(0.6);
        let change = 4.0 * 10.0 / 500_000.0;
        let mut steps = 0..;
        let mut four = |augment: &mut Augment, positive: [usize; 4]| {
            for (positive, step) in positive.into_iter().zip(&mut steps) {
                augment.observe(logits(positive, 10 - positive), step);
            }
            augment.strength()
        };
        // r_t is (39 - 1)/40 = 0.95: up. A single batch below the target does not decide.
        near("up", four(&mut augment, [10, 10, 9, 10]), change, 1e-15);
        near("up again", four(&mut augment, [10, 6, 10, 10]), 2.0 * change, 1e-15); // 0.8
        near("kept at the target", four(&mut augment, [8, 8, 8, 8]), 2.0 * change, 1e-15); // 0.6
        near("down", four(&mut augment, [8, 8, 8, 7]), change, 1e-15); // 0.55
        near("down to 0", four(&mut augment, [0, 0, 0, 0]), 0.0, 1e-15);
        assert_eq!(four(&mut augment, [0, 0, 0, 0]), 0.0, "and not below");
        assert_eq!(four(&mut Augment::new(0.0), [10; 4]), 0.0, "without a target there is no augmentation");
    }

    #[test]
    fn a_resumed_strength_goes_on_exactly_where_it_stopped() {
        let observe = |augment: &mut Augment, steps: std::ops::Range<u64>| {
            for step in steps {
                augment.observe(logits(if step.is_multiple_of(7) { 1 } else { 9 }, 1), step);
            }
        };
        for stop in 20..24 {
            let mut whole = Augment::new(0.6);
            observe(&mut whole, 0..40);
            let mut first = Augment::new(0.6);
            observe(&mut first, 0..stop);
            let saved = Parts::copies(|visit| first.parts("augment", visit));
            let mut second = Augment::new(0.6);
            let mut visit = Parts::load(saved);
            second.parts("augment", &mut visit);
            visit.loaded().unwrap();
            assert_eq!(second.strength().to_bits(), first.strength().to_bits());
            observe(&mut second, stop..40);
            assert!(whole.strength() > 0.0);
            assert_eq!(second.strength().to_bits(), whole.strength().to_bits(), "stopped at {stop}");
        }
    }

    #[test]
    #[should_panic(expected = "augmentation is for square pictures, grey or RGB, not for [2, 4, 8, 8]")]
    fn pictures_of_four_channels_are_refused() {
        at_strength(1.0).draw(&Draws::new(1, 0), "t", [2, 4, 8, 8]);
    }
}
