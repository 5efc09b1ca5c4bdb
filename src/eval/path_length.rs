//! Perceptual path length: how much pictures change along the way between two styles.
//!
//! Karras et al. 2019, "A Style-Based Generator Architecture for Generative Adversarial Networks", section 4.1, in W and at
//! the ends of the ways, as "Analyzing and Improving the Image Quality of StyleGAN" (2020) has it. Two departures: the
//! distance is that of [`crate::loss::perceptual`] and not of VGG16, and pictures are neither cropped nor shrunk. Pictures
//! are not rounded to 8 bits, which would drown so small a step.

use burn::tensor::Tensor;

use crate::looks::squeezenet::SqueezeNet;
use crate::loss::perceptual;
use crate::model::StyleSpace;
use crate::report::{Progress, Report};

/// The share of the way between two pictures that are compared.
const STEP: f64 = 1e-4;
/// Of the squared distances, the lowest and the highest hundredth are left out.
const LEFT_OUT: f64 = 0.01;
const AT_A_TIME: u64 = 25;

/// For each of n ways, from the styles of the seeds `first` + i to those of `first` + n + i, the distance over `STEP`
/// squared; without the hundredth at either end.
pub fn lengths(space: &StyleSpace, net: &SqueezeNet, first: u64, n: u64, report: Report<'_>) -> Vec<f64> {
    let distance = |a: Tensor<4>, b: Tensor<4>| perceptual::distance(&net.features(a), &net.features(b));
    let mut lengths = along(space, &distance, first, n, report);
    lengths.sort_by(f64::total_cmp);
    let left_out = (LEFT_OUT * lengths.len() as f64) as usize;
    lengths.drain(lengths.len() - left_out..);
    lengths.drain(..left_out);
    lengths
}

fn along(
    space: &StyleSpace,
    distance: &dyn Fn(Tensor<4>, Tensor<4>) -> Tensor<1>,
    first: u64,
    n: u64,
    report: Report<'_>,
) -> Vec<f64> {
    let mut lengths = Vec::with_capacity(n as usize);
    for done in (0..n).step_by(AT_A_TIME as usize) {
        report(Progress { what: "walking between styles", done, total: Some(n) });
        let some = AT_A_TIME.min(n - done);
        let seeds = |from: u64| (from..from + some).collect::<Vec<u64>>();
        let (from, to) = ((space.styles)(&seeds(first + done)), (space.styles)(&seeds(first + n + done)));
        let near = from.clone() + (to - from.clone()) * STEP;
        let apart = distance((space.pictures)(from), (space.pictures)(near)) / (STEP * STEP);
        lengths.extend(apart.into_data().iter::<f64>());
    }
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    #[test]
    fn the_length_of_a_straight_way_is_its_squared_slope() {
        // The picture is three times the style, the distance squared: 9 |w1 - w0|², for styles that are their seeds.
        let device = Device::flex();
        let space = StyleSpace {
            average: Tensor::zeros([1, 1], &device),
            spread: Box::new(|| 1.0),
            layers: 1,
            styles: Box::new(|seeds| {
                let values = seeds.iter().map(|seed| (*seed as f32 / 10.0).powi(2)).collect::<Vec<f32>>();
                Tensor::from_data(TensorData::new(values, [seeds.len(), 1]), &Device::flex())
            }),
            pictures: Box::new(|w| (w * 3.0).reshape([-1, 1, 1, 1])),
        };
        let squared = |a: Tensor<4>, b: Tensor<4>| (a - b).square().flatten::<1>(0, 3);
        let found = along(&space, &squared, 5, 30, &mut |_| {});
        assert_eq!(found.len(), 30);
        for (i, found) in found.into_iter().enumerate() {
            let (from, to) = ((i as f64 + 5.0) / 10.0, (i as f64 + 35.0) / 10.0);
            let wanted = 9.0 * (to * to - from * from).powi(2);
            assert!((found / wanted - 1.0).abs() < 0.05, "{found}, not {wanted}, on way {i}");
        }
    }
}
