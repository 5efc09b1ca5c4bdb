//! How different two pictures look: the distance between their features in a network that has learned to tell things apart.
//!
//! Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", equation 1 with every
//! weight 1, after the same seven layers as their network "squeeze". It is not LPIPS, whose weights were fitted to other
//! weights of SqueezeNet than can be had here.

use burn::tensor::{Tensor, s};
use rand::RngExt;

use crate::looks::Look;
use crate::looks::squeezenet::{SqueezeNet, enlarged};
use crate::random::Draws;

/// Places along a side that pictures are seen [`closely`] from.
const JITTER: usize = 8;

/// How different fake pictures look from real ones to a network, `[n, 3, side, side]` in [-1, 1]: `[1]`. `by_paper` is the paper's
/// distance of VGG19's features, before ReLU. Panics for a network that no loss goes by.
pub fn apart(
    look: &Look,
    [fake, real]: [Tensor<4>; 2],
    draws: &Draws,
    by_paper: fn(Tensor<4>, Tensor<4>) -> Tensor<1>,
) -> Tensor<1> {
    match look {
        Look::SqueezeNet(net) => loss(net, [fake, real], draws),
        Look::Vgg19(net) => by_paper(net.features(fake), net.features(real)),
        other => panic!("no loss goes by {}", other.name()),
    }
}

/// How different pictures `[n, 1 or 3, side, side]` in [-1, 1] look, as a loss `[1]`: their [`distance`] in the mean, seen closely.
pub fn loss(net: &SqueezeNet, pictures: [Tensor<4>; 2], draws: &Draws) -> Tensor<1> {
    let [a, b] = closely(pictures, draws);
    distance(&net.features(a), &net.features(b)).mean()
}

/// The distance `[n]` between the features of two times n pictures: of every layer, each pixel's features brought to
/// length 1, the squared difference summed over channels and averaged over pixels.
pub fn distance(a: &[Tensor<4>], b: &[Tensor<4>]) -> Tensor<1> {
    let unit = |x: &Tensor<4>| x.clone() / (x.clone().square().sum_dim(1) + 1e-10).sqrt();
    let layers = a.iter().zip(b).map(|(a, b)| {
        let difference: Tensor<4> = (unit(a) - unit(b)).square().sum_dim(1); // [n, 1, h, w]
        difference.mean_dims(&[2, 3]).flatten::<1>(0, 3)
    });
    Tensor::stack::<2>(layers.collect(), 0).sum_dim(0).flatten(0, 1)
}

/// Pictures `[n, c, h, w]` as a loss is to see them: the same part of all, seven pixels narrower and lower, from a place that is
/// drawn anew at every step, and at twice its size, every pixel as four: `[n, c, 2 (h - 7), 2 (w - 7)]`.
///
/// The network looks at every second pixel, then at every fourth. A generator whose pictures always lie alike to it, or that has
/// pixels nobody looks at, learns a pattern of that period, which lessens the distance and which every eye sees.
fn closely<const N: usize>(pictures: [Tensor<4>; N], draws: &Draws) -> [Tensor<4>; N] {
    let mut stream = draws.stream("perceptual.place");
    let [top, left] = [(); 2].map(|()| stream.random_range(0..JITTER));
    pictures.map(|x| {
        let [_, _, h, w] = x.dims();
        let x = x.slice(s![.., .., top..top + h + 1 - JITTER, left..left + w + 1 - JITTER]);
        enlarged(x, 2)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{assert_close, floats, wave};
    use burn::tensor::Device;
    use serde_json::Value;

    #[test]
    fn pictures_are_seen_at_every_place_and_always_together() {
        let rows = Tensor::<1>::from_floats(std::array::from_fn::<f32, 16, _>(|i| i as f32), &Device::flex());
        let x: Tensor<4> = rows.reshape([1, 1, 16, 1]).expand([1, 1, 16, 12]);
        let mut tops = [0; JITTER];
        for step in 0..100 {
            let [a, b] = closely([x.clone(), x.clone() + 1.0], &Draws::new(0, step));
            assert_eq!(a.dims(), [1, 1, 2 * (17 - JITTER), 2 * (13 - JITTER)]);
            let rows = floats(a.clone().slice(s![.., .., .., 0]));
            assert!(rows.chunks(2).all(|pair| pair[0] == pair[1]), "{rows:?}");
            assert!((b - a.clone()).into_data().iter::<f32>().all(|difference| difference == 1.0));
            tops[a.min().into_scalar::<f32>() as usize] += 1;
        }
        assert!(tops.iter().all(|count| *count > 3), "{tops:?}");
    }

    #[test]
    #[ignore = "needs pip"]
    fn features_distance_and_its_gradient_are_those_that_numpy_finds() {
        let net = SqueezeNet::load(&Device::flex(), &mut |_| ()).unwrap();
        let cases: Value = serde_json::from_str(include_str!("../../tests/golden/perceptual.json")).unwrap();
        let near = |found: f64, wanted: &Value, what: &str| {
            let wanted = wanted.as_f64().unwrap();
            assert_close(what, found, wanted, wanted, 1e-4);
        };
        for case in cases.as_array().unwrap() {
            let shape = [0, 1, 2, 3].map(|i| case["shape"][i].as_u64().unwrap() as usize);
            let a = wave(shape, 0.37).autodiff().set_require_grad(true);
            let (of_a, of_b) = (net.features(a.clone()), net.features(wave(shape, 0.61)));
            for (x, wanted) in of_a.iter().zip(case["norms"].as_array().unwrap()) {
                near(x.clone().square().sum().sqrt().into_scalar::<f64>(), wanted, "a layer's norm");
            }
            let distance = distance(&of_a, &of_b);
            for (found, wanted) in distance.clone().into_data().iter::<f64>().zip(case["distance"].as_array().unwrap())
            {
                near(found, wanted, "the distance");
            }
            let by_a = a.grad(&distance.sum().backward()).unwrap();
            near((by_a * wave(shape, 0.71)).sum().into_scalar::<f64>(), &case["slope"], "the slope");
        }
    }

    #[test]
    fn a_picture_is_at_no_distance_from_itself_and_black_is_no_trap() {
        let net = SqueezeNet::drawn();
        let black = Tensor::<4>::full([1, 3, 64, 64], -1.0, &Device::flex()).autodiff().set_require_grad(true);
        let distance = distance(&net.features(black.clone()), &net.features(black.clone().without_autodiff()));
        assert_eq!(distance.clone().into_scalar::<f64>(), 0.0);
        let gradient = black.grad(&distance.sum().backward()).unwrap();
        assert!(gradient.into_data().iter::<f64>().all(f64::is_finite));
    }
}
