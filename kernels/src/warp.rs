//! Affine warps of pictures without aliasing, and their adjoint, which is the way back of each.

use std::sync::Arc;

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata};
use burn::tensor::{IndexingUpdateOp, Shape, Tensor, TensorData};
use burn_autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};
use burn_flex::FlexTensor;

use crate::cpu::warp::{self as cpu, Affine, Plan, RIM, SYMLET};
use crate::flex::{all_f32, contiguous, values, wrapped};

/// Affine warps of a batch, one for each sample, as in appendix B of Karras et al. 2020, "Training Generative
/// Adversarial Networks with Limited Data": the picture is mirrored at its edges, doubled by a wavelet's filter, sampled
/// bilinearly, and halved by the same filter.
#[derive(Clone, Debug)]
pub struct Warp(Arc<Plan>);

impl Warp {
    /// Warps of pictures of `sides` `[h, w]`. Sample k shows at each place what the picture has where `inverse[k]`,
    /// `[[xx, xy, x0], [yx, yy, y0]]`, takes that place: both as (x, y) in pixels from the centre, x to the right, y
    /// downwards. As in the authors' code, the margin is one for the batch: as wide as its farthest sample asks, but
    /// never wider than what one reflection gives; beyond it all is 0.
    ///
    /// Panics where an entry is not between -1e9 and 1e9 or there is no pixel.
    pub fn new(inverse: &[Affine], sides: [usize; 2]) -> Self {
        let bounded = inverse.iter().flatten().flatten().all(|entry| entry.abs() < 1e9); // no NaN is
        assert!(bounded && sides[0] > 0 && sides[1] > 0, "pictures of {sides:?} cannot be warped by {inverse:?}");
        let margins = [0, 1].map(|axis| {
            let [x, y] = [1, 0].map(|axis| (sides[axis] as f64 - 1.0) / 2.0);
            let corners = inverse.iter().flat_map(|inverse| {
                let of = inverse[1 - axis];
                [[-x, -y], [x, -y], [x, y], [-x, y]].map(|corner| of[0] * corner[0] + of[1] * corner[1] + of[2])
            });
            let (before, after) = corners.fold((f64::NEG_INFINITY, f64::NEG_INFINITY), |(before, after), place| {
                (before.max(-place), after.max(place))
            });
            let last = sides[axis] as f64 - 1.0;
            [before, after].map(|far| (far + (2 * RIM) as f64 - last / 2.0).clamp(0.0, last).ceil() as usize)
        });
        let places = inverse.iter().map(|inverse| {
            let identity = *inverse == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]];
            // With both pictures doubled, pixel j of the result lies at (j - 2·RIM - (side - 1/2)) half pixels and a
            // half from the centre; doubling moves a picture by half a pixel.
            let [y, x] = sides.map(|side| (side + 2 * RIM - 1) as f64);
            let place = [1, 0].map(|axis| {
                let [across, down, shift] = inverse[1 - axis];
                let origin = 2.0 * (shift + margins[axis][0] as f64) + sides[axis] as f64 - 1.0;
                [across, down, origin - across * x - down * y]
            });
            (!identity).then_some(place)
        });
        let places = places.collect();
        Self(Arc::new(Plan { sides, margins, places }))
    }
}

/// Pictures x `[n, c, h, w]`, warped: `[n, c, h, w]`.
pub fn warp(x: Tensor<4>, warp: &Warp) -> Tensor<4> {
    warped(x, Way { plan: warp.0.clone(), adjoint: false })
}

/// The adjoint of [`warp`]: takes the gradient by the warped pictures, `[n, c, h, w]`, to that by the pictures.
pub fn unwarp(gradient: Tensor<4>, warp: &Warp) -> Tensor<4> {
    warped(gradient, Way { plan: warp.0.clone(), adjoint: true })
}

fn warped(x: Tensor<4>, way: Way) -> Tensor<4> {
    let ([n, _, h, w], plan) = (x.dims(), &way.plan);
    let (given, wanted) = ((n, [h, w]), (plan.places.len(), plan.sides));
    assert_eq!(given, wanted, "pictures of (number, sides) {given:?}, warps for {wanted:?}");
    Tensor::from_dispatch(Dispatch::fused_warp(x.into_dispatch(), way))
}

/// A batch of warps, or the adjoint of it.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    plan: Arc<Plan>,
    adjoint: bool,
}

on_every_backend! {
    /// The operation on every backend. The default body is the plain twin.
    pub(crate) trait WarpOps: Backend {
        fn fused_warp(x: FloatTensor<Self>, way: Way) -> FloatTensor<Self> {
            plain::warp::<Self>(x, &way)
        }
    }
}

plain_twins!(WarpOps);

mod plain {
    use super::*;

    pub fn warp<B: Backend>(x: FloatTensor<B>, way: &Way) -> FloatTensor<B> {
        // 1 for the samples that stay as they are.
        let kept = way.plan.places.iter().map(|place| if place.is_none() { 1.0 } else { 0.0 }).collect::<Vec<f64>>();
        let data = TensorData::new(kept, [x.shape()[0], 1, 1, 1]).convert_dtype(x.dtype());
        let kept = B::float_expand(B::float_from_data(data, &x.device()), x.shape());
        let moved =
            B::float_mul(through::<B>(x.clone(), way), B::float_add_scalar(B::float_neg(kept.clone()), 1.0.into()));
        B::float_add(moved, B::float_mul(x, kept))
    }

    fn through<B: Backend>(x: FloatTensor<B>, way: &Way) -> FloatTensor<B> {
        let (plan, shape) = (&way.plan, x.shape());
        let (n, c) = (shape[0], shape[1]);
        let (doubled, sampled) = (plan.padded().map(|side| 2 * side), plan.sampled());
        let up = [0, 1].map(|axis| doubling::<B>(plan, axis, &x));
        let down = [0, 1].map(|axis| halving::<B>(plan, axis, &x));
        let flat = |tensor, sides: [usize; 2]| B::float_reshape(tensor, Shape::from(vec![n, c, sides[0] * sides[1]]));
        let square = |tensor, sides: [usize; 2]| B::float_reshape(tensor, Shape::from(vec![n, c, sides[0], sides[1]]));
        if !way.adjoint {
            let from = flat(both::<B>(x, up), doubled);
            let points = corners::<B>(plan, &from)
                .into_iter()
                .map(|(places, weights)| B::float_mul(B::float_gather(2, from.clone(), places), weights));
            let points = points.reduce(B::float_add).unwrap_or(from.clone());
            return both::<B>(square(points, sampled), down);
        }
        let points = flat(both::<B>(x, down.map(|matrix| B::float_swap_dims(matrix, 2, 3))), sampled);
        let empty = Shape::from(vec![n, c, doubled[0] * doubled[1]]);
        let mut from = B::float_zeros(empty, &points.device(), points.dtype().into());
        for (places, weights) in corners::<B>(plan, &points) {
            let shares = B::float_mul(points.clone(), weights);
            from = B::float_scatter(2, from, places, shares, IndexingUpdateOp::Add);
        }
        both::<B>(square(from, doubled), up.map(|matrix| B::float_swap_dims(matrix, 2, 3)))
    }

    /// Columns times x times rows, transposed.
    fn both<B: Backend>(x: FloatTensor<B>, [columns, rows]: [FloatTensor<B>; 2]) -> FloatTensor<B> {
        B::float_matmul(B::float_matmul(columns, x), B::float_swap_dims(rows, 2, 3))
    }

    /// The margins and the doubling of one axis as the matrix they are: `[n, c, doubled, side]`.
    fn doubling<B: Backend>(plan: &Plan, axis: usize, like: &FloatTensor<B>) -> FloatTensor<B> {
        matrix::<B>([2 * plan.padded()[axis], plan.sides[axis]], like, |entries, place| {
            for (k, tap) in SYMLET.iter().rev().enumerate() {
                let from = (place + k) as isize - (SYMLET.len() / 2) as isize;
                if from % 2 == 0
                    && let Some(from) = plan.mirrored(axis, from / 2)
                {
                    entries[from] += 2.0 * tap;
                }
            }
        })
    }

    /// The halving of one axis as the matrix it is: `[n, c, side, sampled]`.
    fn halving<B: Backend>(plan: &Plan, axis: usize, like: &FloatTensor<B>) -> FloatTensor<B> {
        matrix::<B>([plan.sides[axis], plan.sampled()[axis]], like, |entries, place| {
            entries[2 * place + 1..][..SYMLET.len()].copy_from_slice(&SYMLET);
        })
    }

    fn matrix<B: Backend>(
        sides: [usize; 2],
        like: &FloatTensor<B>,
        fill: impl Fn(&mut [f64], usize),
    ) -> FloatTensor<B> {
        let mut entries = vec![0.0_f64; sides[0] * sides[1]];
        entries.chunks_mut(sides[1]).enumerate().for_each(|(place, row)| fill(row, place));
        let data = TensorData::new(entries, [1, 1, sides[0], sides[1]]).convert_dtype(like.dtype());
        let one = B::float_from_data(data, &like.device());
        B::float_expand(one, Shape::from(vec![like.shape()[0], like.shape()[1], sides[0], sides[1]]))
    }

    /// The four pixels of the doubled picture around each point, with their weights, each `[n, c, points]`. What lies
    /// outside has the weight 0.
    fn corners<B: Backend>(plan: &Plan, like: &FloatTensor<B>) -> Vec<(IntTensor<B>, FloatTensor<B>)> {
        let ([rows, columns], [h, w]) = (plan.sampled(), plan.padded().map(|side| 2 * side as i64));
        let (n, c) = (like.shape()[0], like.shape()[1]);
        let expanded = Shape::from(vec![n, c, rows * columns]);
        let corner = |[right, below]: [i64; 2]| {
            let (mut places, mut weights) = (Vec::new(), Vec::new());
            for place in &plan.places {
                let [[xx, xy, x0], [yx, yy, y0]] = place.unwrap_or_default();
                for point in 0..rows * columns {
                    let (i, j) = ((point / columns) as f64, (point % columns) as f64);
                    let (x, y) = (xx * j + xy * i + x0, yx * j + yy * i + y0);
                    let (column, row) = (x.floor() as i64 + right, y.floor() as i64 + below);
                    let inside = (0..w).contains(&column) && (0..h).contains(&row);
                    places.push(if inside { row * w + column } else { 0 });
                    let weight = (1.0 - (x - column as f64).abs()) * (1.0 - (y - row as f64).abs());
                    weights.push(if inside { weight } else { 0.0 });
                }
            }
            let data = TensorData::new(places, [n, 1, rows * columns]);
            let places = B::int_expand(B::int_from_data(data, &like.device()), expanded.clone());
            let data = TensorData::new(weights, [n, 1, rows * columns]).convert_dtype(like.dtype());
            (places, B::float_expand(B::float_from_data(data, &like.device()), expanded.clone()))
        };
        [[0, 0], [1, 0], [0, 1], [1, 1]].map(corner).into()
    }
}

impl WarpOps for Flex {
    fn fused_warp(x: FlexTensor, way: Way) -> FlexTensor {
        if !all_f32(&[&x]) {
            return plain::warp::<Self>(x, &way);
        }
        let x = contiguous(x);
        let shape = x.layout().shape().clone();
        wrapped(cpu::warp(values(&x), shape[1], &way.plan, way.adjoint), shape)
    }
}

impl<B: WarpOps, C: CheckpointStrategy> WarpOps for Autodiff<B, C> {
    fn fused_warp(x: FloatTensor<Self>, way: Way) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct WarpStep;

        impl<B: WarpOps> Backward<B, 1> for WarpStep {
            type State = Way; // the adjoint

            fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
                let (adjoint, [node]) = (ops.state, ops.parents);
                let gradient = grads.consume::<B>(&ops.node);
                if let Some(node) = node {
                    grads.register::<B>(node.id, B::fused_warp(gradient, adjoint));
                }
            }
        }

        let (x, node) = x.into_parts();
        let adjoint = Way { plan: way.plan.clone(), adjoint: !way.adjoint };
        let y = B::fused_warp(x, way);
        match WarpStep.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(adjoint, y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agreement::{self, floats, leaf};
    use burn::tensor::{DType, Device};
    use proptest::prelude::*;

    fn forwards(affine: Vec<Affine>) -> impl Fn(&[Tensor<4>]) -> Tensor<4> {
        move |leaves| {
            let [_, _, h, w] = leaves[0].dims();
            warp(leaves[0].clone(), &Warp::new(&affine, [h, w]))
        }
    }

    fn backwards(affine: Vec<Affine>) -> impl Fn(&[Tensor<4>]) -> Tensor<4> {
        move |leaves| {
            let [_, _, h, w] = leaves[0].dims();
            unwarp(leaves[0].clone(), &Warp::new(&affine, [h, w]))
        }
    }

    fn turned(degrees: f64, [across, down]: [f64; 2], [x, y]: [f64; 2]) -> Affine {
        let (sine, cosine) = degrees.to_radians().sin_cos();
        [[cosine * across, -sine * across, x], [sine * down, cosine * down, y]]
    }

    const IDENTITY: Affine = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]];

    prop_compose! {
        fn cases()(
            (n, c, h, w) in (1_usize..4, 1_usize..3, 1_usize..20, 1_usize..40),
            mut affine in prop::collection::vec(
                (-180.0..180.0, prop::array::uniform2(0.2..4.0), prop::array::uniform2(-9.0..9.0)), 3),
            whole in any::<bool>(),
        ) -> (Vec<Affine>, [usize; 4]) {
            affine.truncate(n);
            let mut affine = affine.into_iter().map(|(d, s, t)| turned(d, s, t)).collect::<Vec<_>>();
            if whole {
                affine[0] = IDENTITY;
            }
            (affine, [n, c, h, w])
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn fused_warps_and_their_gradients_are_those_of_the_plain_operations((affine, shape) in cases()) {
            agreement::twins(&format!("{affine:?} of {shape:?}"), &forwards(affine.clone()), &[leaf(shape)], 1e-5);
            agreement::twins(&format!("back {affine:?} of {shape:?}"), &backwards(affine), &[leaf(shape)], 1e-5);
        }
    }

    fn several() -> Vec<Affine> {
        vec![turned(30.0, [1.4, 0.7], [1.3, -0.6]), IDENTITY, turned(-100.0, [3.0, 2.0], [-4.2, 0.5])]
    }

    #[test]
    fn far_away_and_large_warps_agree_too() {
        let far = vec![turned(0.0, [1.0, 1.0], [900.0, 0.0]), turned(45.0, [80.0, 0.01], [0.0, 7.0])];
        agreement::twins("far", &forwards(far.clone()), &[leaf([2, 2, 9, 14])], 1e-5);
        agreement::twins("far, back", &backwards(far), &[leaf([2, 2, 9, 14])], 1e-5);
        agreement::twins("large", &forwards(several()), &[leaf([3, 3, 64, 70])], 1e-5);
    }

    #[test]
    fn the_gradients_are_the_slopes_of_the_result() {
        agreement::differences("warp", &forwards(several()), &[leaf([3, 1, 5, 7])], 1e-7);
        agreement::differences("unwarp", &backwards(several()), &[leaf([3, 1, 5, 7])], 1e-7);
    }

    #[test]
    fn unwarp_is_the_adjoint_of_warp() {
        let wave = |rate: f64| {
            let values = (0..3 * 2 * 11 * 8).map(|i| (rate * (i + 1) as f64).sin()).collect::<Vec<_>>();
            Tensor::<4>::from_data(TensorData::new(values, [3, 2, 11, 8]), (&Device::flex(), DType::F64))
        };
        let (x, g, warps) = (wave(1.3), wave(2.9), Warp::new(&several(), [11, 8]));
        let one = floats((warp(x.clone(), &warps) * g.clone()).sum())[0];
        let other = floats((x * unwarp(g, &warps)).sum())[0];
        assert!((one - other).abs() < 1e-10 * one.abs().max(1.0), "{one} and {other}");
    }

    #[test]
    fn results_are_the_same_bits_with_one_thread_and_with_many() {
        agreement::threads_do_not_show(forwards(several()), &[leaf([3, 5, 33, 31])]);
        agreement::threads_do_not_show(backwards(several()), &[leaf([3, 5, 33, 31])]);
    }

    #[test]
    fn a_step_to_the_right_moves_pixels_and_the_identity_nothing() {
        let values = (0..64).map(|i| (0.7 * f64::from(i)).sin() as f32).collect::<Vec<_>>();
        let x = Tensor::<4>::from_data(TensorData::new(values, [1, 1, 8, 8]), &Device::flex());
        assert_eq!(floats(warp(x.clone(), &Warp::new(&[IDENTITY], [8, 8]))), floats(x.clone()));
        // What is at a place of the result stood two columns to the left of it and one row below.
        let moved = floats(warp(x.clone(), &Warp::new(&[[[1.0, 0.0, -2.0], [0.0, 1.0, 1.0]]], [8, 8])));
        let x = floats(x);
        for (i, j) in (0..7).flat_map(|i| (2..8).map(move |j| (i, j))) {
            assert!((moved[i * 8 + j] - x[(i + 1) * 8 + j - 2]).abs() < 1e-5, "at {i}, {j}");
        }
        assert!((moved[8] - x[2 * 8 + 2]).abs() < 1e-5, "the edge is mirrored, the pixel at it once");
    }

    #[test]
    #[should_panic(expected = "pictures of (number, sides) (1, [8, 9]), warps for (1, [8, 8])")]
    fn pictures_of_another_size_are_refused() {
        warp(Tensor::zeros([1, 1, 8, 9], &Device::flex()), &Warp::new(&[IDENTITY], [8, 8]));
    }
}
