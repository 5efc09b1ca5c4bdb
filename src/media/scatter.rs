//! Points of the plane as a picture that shows where they crowd.

use super::Image;

const WHITE: [f32; 3] = [1.0, 1.0, 1.0];
const AXIS: [f32; 3] = [0.85, 0.85, 0.85];
const INSIDE: [f32; 3] = [0.05, 0.15, 0.45];
const OUTSIDE: [f32; 3] = [0.85, 0.1, 0.1];
/// How much of a blue disc's colour covers what lies below, so that many points are darker than one.
const OPACITY: f32 = 0.5;
/// A blue disc's radius in a picture of 1 pixel; a red one's is half as large again.
const RELATIVE_RADIUS: f32 = 1.0 / 192.0;

/// A white RGB picture of `size` x `size` pixels of the plane from `-half_extent` to `half_extent` along both axes,
/// x to the right and y upwards, with thin axes through 0. Each point is a translucent dark blue disc; a point outside
/// (an infinite one too) is a larger, opaque red disc at the nearest place of the border. A point with a NaN has no
/// place and is left out, so a caller that may have such points must count them itself.
///
/// # Panics
/// When `size` is 0 or `half_extent` is not positive and finite.
pub fn scatter(points: &[[f32; 2]], half_extent: f32, size: usize) -> Image {
    assert!(half_extent > 0.0 && half_extent.is_finite(), "half_extent must be positive and finite, got {half_extent}");
    let mut canvas = vec![WHITE; size * size];
    for i in 0..size {
        canvas[size / 2 * size + i] = AXIS;
        canvas[i * size + size / 2] = AXIS;
    }

    let side = size as f32;
    let radius = (side * RELATIVE_RADIUS).max(1.0);
    // Pixels from the left or lower edge.
    let place = |value: f32| (value / half_extent * 0.5 + 0.5) * side;
    let placed = points.iter().filter(|point| !point.iter().any(|value| value.is_nan()));
    let (outside, inside): (Vec<&[f32; 2]>, Vec<&[f32; 2]>) =
        placed.partition(|point| point.iter().any(|value| value.abs() > half_extent));

    for point in inside {
        draw_disc(&mut canvas, [place(point[0]), side - place(point[1])], radius, INSIDE, OPACITY);
    }
    // Last, so that no crowd covers them, and moved inwards by a radius, so that the border cuts nothing off.
    let radius = 1.5 * radius;
    let inset = |value: f32| place(value).max(radius).min(side - radius);
    for point in outside {
        draw_disc(&mut canvas, [inset(point[0]), side - inset(point[1])], radius, OUTSIDE, 1.0);
    }
    Image::from_unit(size, size, 3, canvas.as_flattened())
}

/// Blends a disc about `center` (x and y from the upper left corner, in pixels) into the square canvas.
fn draw_disc(canvas: &mut [[f32; 3]], center: [f32; 2], radius: f32, color: [f32; 3], opacity: f32) {
    let size = canvas.len().isqrt();
    // The cast takes what is negative to 0.
    let span = |middle: f32| (middle - radius - 1.0) as usize..size.min((middle + radius + 2.0) as usize);
    for y in span(center[1]) {
        for x in span(center[0]) {
            let distance = (x as f32 + 0.5 - center[0]).hypot(y as f32 + 0.5 - center[1]);
            // A pixel that the edge crosses is covered in part.
            let alpha = opacity * (radius + 0.5 - distance).clamp(0.0, 1.0);
            for (below, above) in canvas[y * size + x].iter_mut().zip(color) {
                *below += alpha * (above - *below);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixel(image: &Image, x: usize, y: usize) -> [u8; 3] {
        let start = (y * image.width + x) * 3;
        [image.pixels[start], image.pixels[start + 1], image.pixels[start + 2]]
    }

    #[test]
    fn an_empty_scatter_is_white_with_axes_through_zero() {
        let image = scatter(&[], 1.0, 64);
        for i in 0..64 {
            assert_eq!((pixel(&image, i, 32), pixel(&image, 32, i)), ([217; 3], [217; 3]));
        }
        let white = image.pixels.iter().filter(|level| **level == 255).count();
        assert_eq!((image.shape(), white), ([64, 64, 3], 63 * 63 * 3));
    }

    #[test]
    fn a_point_is_blue_at_its_place_and_darker_where_points_crowd() {
        let place = [0.5, 0.75]; // right of the middle, near the top: x 48, y 8
        let once = pixel(&scatter(&[place], 1.0, 64), 48, 8);
        let often = pixel(&scatter(&[place; 5], 1.0, 64), 48, 8);
        assert!(once[2] > once[0] && once[0] < 200, "not blue: {once:?}");
        assert!(often[0] < once[0], "five points ({often:?}) are no darker than one ({once:?})");
        assert_eq!(pixel(&scatter(&[place], 1.0, 64), 48, 56), [255; 3], "y runs downwards");
    }

    #[test]
    fn a_point_outside_is_red_at_the_border_above_any_crowd() {
        for (point, x, y) in [([9.0, 0.5], 63, 16), ([f32::NEG_INFINITY, 0.5], 0, 16), ([0.5, -9.0], 48, 63)] {
            let mut points = vec![point];
            points.extend([point.map(|value| value.clamp(-1.0, 1.0)); 20]);
            let [red, _, blue] = pixel(&scatter(&points, 1.0, 64), x, y);
            assert!(red > blue, "{point:?} is not red at {x}, {y}");
        }
    }

    #[test]
    fn a_point_with_a_nan_is_left_out() {
        assert_eq!(scatter(&[[f32::NAN, 0.0], [0.0, f32::NAN], [f32::NAN, 9.0]], 1.0, 64), scatter(&[], 1.0, 64));
    }
}
