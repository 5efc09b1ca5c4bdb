//! Pictures of another size: MATLAB's bicubic, and the filters of OpenCV that Real-ESRGAN draws from.
//!
//! Pixel x covers the interval [x, x + 1), so that its centre is at x + 1/2, and the scale of an axis is always the new side
//! over the old one. Every filter leaves a picture of the right size as it is, and results are not clamped: cubic filters
//! overshoot.

use super::Planes;

/// How values between and under pixels come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// MATLAB's `imresize(.., "bicubic")`: Keys' cubic with a = -1/2, as wide as the new pixels when shrinking (its
    /// "antialiasing"), weights that sum to 1, and beyond the border the picture mirrored with its edge repeated. What
    /// super-resolution is measured against.
    Bicubic,
    /// OpenCV's `INTER_CUBIC`, and PyTorch's `interpolate(mode="bicubic")`: Keys' cubic with a = -3/4 on four pixels whatever
    /// the scale, and beyond the border the edge repeated. Shrinking aliases.
    BicubicOfFour,
    /// OpenCV's `INTER_LINEAR`, and PyTorch's `interpolate(mode="bilinear", align_corners=False)`: between the two nearest
    /// centres whatever the scale, beyond the border the edge repeated. Shrinking aliases.
    Bilinear,
    /// OpenCV's `INTER_AREA`: the mean of the picture over the new pixel's area, pixels counted by the part covered. PyTorch's
    /// `mode="area"` counts every touched pixel whole, which is the same where the old side is a multiple of the new one.
    Area,
}

/// For every new pixel of an axis the old ones it is made of.
struct Taps {
    each: usize,
    places: Vec<usize>, // [new, each]
    weights: Vec<f32>,
}

/// The picture at another size.
///
/// # Panics
/// When a side is 0.
pub fn resized(picture: &Planes, width: usize, height: usize, filter: Filter) -> Planes {
    assert!(width > 0 && height > 0, "a picture needs pixels, got {width}x{height}");
    if (width, height) == (picture.width, picture.height) {
        return picture.clone();
    }
    let (across, down) = (taps(picture.width, width, filter), taps(picture.height, height, filter));
    let mut values = Vec::with_capacity(width * height * picture.channels);
    for plane in picture.planes() {
        // The axis that leaves less to do goes first.
        if height < picture.height {
            values.extend(wider(&taller(plane, picture.width, &down), picture.width, &across));
        } else {
            values.extend(taller(&wider(plane, picture.width, &across), width, &down));
        }
    }
    Planes::new(width, height, picture.channels, values)
}

/// A plane with rows of another length.
fn wider(plane: &[f32], width: usize, taps: &Taps) -> Vec<f32> {
    let mut out = Vec::with_capacity(plane.len() / width * taps.places.len() / taps.each);
    for row in plane.chunks_exact(width) {
        let pixels = taps.places.chunks_exact(taps.each).zip(taps.weights.chunks_exact(taps.each));
        out.extend(pixels.map(|(places, weights)| places.iter().zip(weights).map(|(&i, w)| row[i] * w).sum::<f32>()));
    }
    out
}

/// A plane with another number of rows.
fn taller(plane: &[f32], width: usize, taps: &Taps) -> Vec<f32> {
    let mut out = vec![0.0; taps.places.len() / taps.each * width];
    let rows = taps.places.chunks_exact(taps.each).zip(taps.weights.chunks_exact(taps.each));
    for (row, (places, weights)) in out.chunks_exact_mut(width).zip(rows) {
        for (&place, &weight) in places.iter().zip(weights).filter(|(_, weight)| **weight != 0.0) {
            let old = &plane[place * width..][..width];
            row.iter_mut().zip(old).for_each(|(sum, value)| *sum += weight * value);
        }
    }
    out
}

/// Keys 1981, "Cubic Convolution Interpolation for Digital Image Processing", eq. 15 for a = -1/2.
fn cubic(x: f64, a: f64) -> f64 {
    let x = x.abs();
    match x {
        ..=1.0 => ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0,
        ..=2.0 => ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a,
        _ => 0.0,
    }
}

fn taps(old: usize, new: usize, filter: Filter) -> Taps {
    let scale = new as f64 / old as f64;
    let stretch = if filter == Filter::Bicubic { (1.0 / scale).max(1.0) } else { 1.0 };
    // How many old pixels a new one may touch.
    let each = match filter {
        Filter::Bicubic => (4.0 * stretch).ceil() as usize + 2,
        Filter::BicubicOfFour => 4,
        Filter::Bilinear => 2,
        Filter::Area => (1.0 / scale).ceil() as usize + 1,
    };
    let mut taps = Taps { each, places: Vec::new(), weights: Vec::new() };
    for x in 0..new {
        let centre = (x as f64 + 0.5) / scale - 0.5; // in old pixels, whose centres are whole
        let first = match filter {
            Filter::Bicubic => (centre - 2.0 * stretch).floor(),
            Filter::BicubicOfFour => centre.floor() - 1.0,
            Filter::Bilinear => centre.floor(),
            Filter::Area => (x as f64 / scale).floor(),
        };
        let weight = |i: usize| {
            let place = first + i as f64;
            let away = place - centre;
            match filter {
                Filter::Bicubic => cubic(away / stretch, -0.5),
                Filter::BicubicOfFour => cubic(away, -0.75),
                Filter::Bilinear => 1.0 - away.abs(),
                Filter::Area => {
                    let (left, right) = (x as f64 / scale, (x as f64 + 1.0) / scale);
                    ((place + 1.0).min(right) - place.max(left)).max(0.0)
                }
            }
        };
        let weights = (0..each).map(weight).collect::<Vec<f64>>();
        let sum = weights.iter().sum::<f64>();
        taps.weights.extend(weights.iter().map(|weight| (weight / sum) as f32));
        taps.places.extend((0..each).map(|i| inside(first as isize + i as isize, old, filter)));
    }
    taps
}

/// The pixel that stands for one beyond the border.
fn inside(place: isize, side: usize, filter: Filter) -> usize {
    if filter != Filter::Bicubic {
        return place.clamp(0, side as isize - 1) as usize;
    }
    let folded = place.rem_euclid(2 * side as isize) as usize;
    folded.min(2 * side - 1 - folded)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{farthest, golden, wave_picture};
    use super::*;
    use crate::golden::numbers;

    const FILTERS: [(Filter, &str); 4] = [
        (Filter::Bicubic, "bicubic"),
        (Filter::BicubicOfFour, "bicubic_of_four"),
        (Filter::Bilinear, "bilinear"),
        (Filter::Area, "area"),
    ];

    #[test]
    fn resized_pictures_are_those_of_numpy_by_the_definition_and_of_opencv() {
        let picture = wave_picture(12, 9, 3);
        for (filter, name) in FILTERS {
            for case in golden("resize").as_array().unwrap().iter().filter(|case| case["filter"] == name) {
                let [width, height] = ["width", "height"].map(|side| case[side].as_u64().unwrap() as usize);
                let ours = resized(&picture, width, height, filter);
                let error = farthest(&ours.values, &numbers(&case["values"]));
                assert!(error < 1e-5, "{name} to {width}x{height}: {error}");
            }
        }
    }

    #[test]
    fn matlabs_bicubic_is_pillows_where_the_border_is_far() {
        let (picture, case) = (wave_picture(40, 40, 1), golden("pillow"));
        let (theirs, margin) = (numbers(&case["values"]), case["margin"].as_u64().unwrap() as usize);
        let ours = resized(&picture, 16, 16, Filter::Bicubic);
        let within = (0..256).filter(|i| [i % 16, i / 16].iter().all(|at| (margin..16 - margin).contains(at)));
        let error = within.map(|i| (f64::from(ours.values[i]) - theirs[i]).abs()).fold(0.0, f64::max);
        assert!(error < 1e-5, "{error}");
    }

    #[test]
    fn a_picture_of_the_right_size_stays_and_a_flat_one_stays_flat_at_every_size() {
        let picture = wave_picture(9, 7, 3);
        let flat = Planes::new(9, 7, 1, vec![0.3; 63]);
        for (filter, name) in FILTERS {
            assert_eq!(resized(&picture, 9, 7, filter), picture);
            for (width, height) in [(1, 1), (2, 9), (30, 1), (17, 23)] {
                let values = resized(&flat, width, height, filter).values;
                assert!(values.iter().all(|v| (v - 0.3).abs() < 1e-5), "{name} to {width}x{height}: {values:?}");
            }
        }
    }

    #[test]
    fn one_pixel_becomes_a_flat_picture_and_a_thousand_become_one() {
        for (filter, name) in FILTERS {
            let large = resized(&Planes::new(1, 1, 3, vec![0.1, 0.5, 0.9]), 5, 3, filter);
            assert!(large.planes().zip([0.1, 0.5, 0.9]).all(|(p, v)| p.iter().all(|p| (p - v).abs() < 1e-6)), "{name}");
            let small = resized(&wave_picture(50, 20, 1), 1, 1, filter).values[0];
            assert!((0.0..1.0).contains(&small), "{name}: {small}");
        }
    }
}
