//! Holds the plain twins, as they run on a backend without fused code, to the fused code on Flex: the results with and
//! without gradients asked for, and every gradient.
#![allow(deprecated, reason = "Burn has deprecated NdArray; no other second backend is as small")]

#[path = "../src/agreement.rs"]
#[allow(dead_code, reason = "the library's own tests use the rest")]
mod agreement;

use agreement::{Leaf, Operation, flat, floats, leaf, outcome_on, tensors, vector};
use burn::tensor::{DType, Device, Tensor};
use ganvas_kernels::{
    Act, Conv, Dropout, Fir, Norm, Over, Warp, avg_pool2, bce_with_logits, bias_act, conv_transpose2d,
    conv_transpose2d_grouped, conv2d, conv2d_grouped, conv2d_joined, conv2d_upsampled, dropout, leaky_mask, linear,
    modulated_conv2d, norm, norm_by, pixel_shuffle, pixel_unshuffle, scale, spread2, unwarp, upfirdn2d, warp,
};

/// Of the largest value: three times the worst, the gradient of x by batch norm.
const TOLERANCE: f64 = 7e-6;

fn agrees(what: &str, leaves: &[Leaf], operation: Operation) {
    let [found, wanted] = [Device::ndarray(), Device::flex()].map(|device| {
        let untracked = floats(operation(&tensors(leaves, (&device, DType::F32))));
        let mut all = outcome_on(&device, operation, leaves, DType::F32);
        all.push(untracked);
        all
    });
    for (place, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
        assert_eq!(found.len(), wanted.len(), "{what}, place {place}");
        let largest = wanted.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
        assert!(largest > 0.0, "{what}, place {place}: all is 0");
        for (i, (found, wanted)) in found.iter().zip(wanted).enumerate() {
            let off = (found - wanted).abs() / largest;
            assert!(off < TOLERANCE, "{what}, place {place}: {found}, not {wanted}, at {i}: off by {off}");
        }
    }
}

/// A leaf `[1, 1, rows, columns]` as a matrix.
fn matrix(tensor: &Tensor<4>) -> Tensor<2> {
    let [.., rows, columns] = tensor.dims();
    tensor.clone().reshape([rows, columns])
}

/// A tensor as the result of an operation.
fn row<const D: usize>(tensor: Tensor<D>) -> Tensor<4> {
    tensor.reshape([1, 1, 1, -1])
}

#[test]
fn convolutions_agree() {
    for (stride, slope) in [(1, 1.0), (2, 1.0), (2, 0.2)] {
        let (conv, what) = (Conv { stride, padding: 1, slope }, format!("stride {stride}, slope {slope}"));
        let leaves = |x, w, outputs| [leaf(x), leaf(w), vector(outputs)];
        agrees(&format!("conv2d, {what}"), &leaves([2, 3, 9, 7], [5, 3, 3, 3], 5), &|t| {
            conv2d(t[0].clone(), t[1].clone(), flat(&t[2]), conv)
        });
        agrees(&format!("conv2d_grouped, {what}"), &leaves([2, 6, 9, 7], [4, 3, 3, 3], 4), &|t| {
            conv2d_grouped(t[0].clone(), t[1].clone(), flat(&t[2]), conv, 2)
        });
        agrees(&format!("conv_transpose2d, {what}"), &leaves([2, 3, 4, 5], [3, 5, 4, 4], 5), &|t| {
            conv_transpose2d(t[0].clone(), t[1].clone(), flat(&t[2]), conv)
        });
        agrees(&format!("conv_transpose2d_grouped, {what}"), &leaves([2, 6, 4, 5], [6, 2, 4, 4], 4), &|t| {
            conv_transpose2d_grouped(t[0].clone(), t[1].clone(), flat(&t[2]), conv, 2)
        });
        let parts = [16, 16, 3].map(|channels| leaf([2, channels, 5, 6]));
        let [first, second, third] = parts;
        agrees(&format!("conv2d_joined, {what}"), &[first, second, third, leaf([4, 35, 3, 3]), vector(4)], &|t| {
            conv2d_joined(&t[..3], t[3].clone(), flat(&t[4]), conv)
        });
        agrees(&format!("conv2d_upsampled, slope {slope}"), &leaves([2, 3, 5, 4], [4, 3, 3, 3], 4), &|t| {
            conv2d_upsampled(t[0].clone(), t[1].clone(), flat(&t[2]), slope)
        });
    }
}

#[test]
fn linear_layers_agree() {
    let leaves = [leaf([1, 1, 5, 7]), leaf([1, 1, 7, 6]), vector(6)];
    for slope in [1.0, 0.2] {
        for dropout in [None, Some(Dropout { key: 5, share: 0.4 })] {
            agrees(&format!("linear, slope {slope}, {dropout:?}"), &leaves, &|t| {
                row(linear(matrix(&t[0]), matrix(&t[1]), flat(&t[2]), slope, dropout))
            });
        }
    }
}

#[test]
fn activations_losses_and_dropout_agree() {
    let x = leaf([2, 3, 4, 5]);
    for act in [Act::Leaky(1.0), Act::Leaky(0.2), Act::Tanh, Act::Sigmoid] {
        agrees(&format!("bias_act, {act:?}"), &[x, vector(3)], &|t| bias_act(t[0].clone(), Some(flat(&t[1])), act));
        agrees(&format!("bias_act without a bias, {act:?}"), &[x], &|t| bias_act(t[0].clone(), None, act));
    }
    // y is a constant to the gradient.
    agrees("leaky_mask", &[x], &|t| leaky_mask(t[0].clone(), t[0].clone() + 0.1, 0.2));
    agrees("bce_with_logits", &[x], &|t| row(bce_with_logits(t[0].clone() * 9.0, 0.9)));
    agrees("dropout", &[x], &|t| dropout(t[0].clone(), Dropout { key: 7 << 33, share: 0.3 }));
}

#[test]
fn norms_agree() {
    let leaves = [Leaf { shift: 0.5, ..leaf([3, 4, 5, 6]) }, Leaf { shift: 0.7, ..vector(4) }, vector(4)];
    for slope in [1.0, 0.2] {
        for over in [Over::Batch, Over::Instance, Over::Layer] {
            let how = Norm { over, epsilon: 1e-3, slope };
            agrees(&format!("norm, {how:?}"), &leaves, &|t| {
                let found = norm(t[0].clone(), flat(&t[1]), flat(&t[2]), how);
                Tensor::cat(vec![row(found.y), row(found.mean), row(found.variance)], 3)
            });
        }
        let how = Norm { over: Over::Batch, epsilon: 1e-3, slope };
        agrees(&format!("norm_by, {how:?}"), &leaves, &|t| {
            let (mean, variance) = (flat(&t[2]) * 0.3, flat(&t[1]).square() + 0.2);
            norm_by(t[0].clone(), mean, variance, flat(&t[1]), flat(&t[2]), how)
        });
    }
}

#[test]
fn modulated_convolutions_and_scales_agree() {
    let styles = Leaf { shape: [1, 1, 2, 3], scale: 0.4, shift: 1.0 };
    let leaves = [leaf([2, 3, 6, 5]), styles, leaf([4, 3, 3, 3])];
    for demodulate in [false, true] {
        agrees(&format!("modulated_conv2d, demodulate {demodulate}"), &leaves, &|t| {
            modulated_conv2d(t[0].clone(), matrix(&t[1]), t[2].clone(), demodulate, 1, 1)
        });
    }
    agrees("scale", &leaves[..2], &|t| scale(t[0].clone(), matrix(&t[1])));
}

#[test]
fn resamplings_agree() {
    for (up, down) in [(1, 1), (2, 1), (1, 2), (3, 2)] {
        let fir = Fir { taps: vec![0.1, 0.4, 0.3, 0.2], up, down, padding: [[2, 1], [-1, 2]], gain: 1.5 };
        agrees(&format!("upfirdn2d, {fir:?}"), &[leaf([2, 3, 7, 8])], &|t| upfirdn2d(t[0].clone(), &fir));
    }
    agrees("avg_pool2", &[leaf([2, 3, 4, 6])], &|t| avg_pool2(t[0].clone()));
    agrees("spread2", &[leaf([2, 3, 4, 5])], &|t| spread2(t[0].clone()));
    agrees("pixel_shuffle", &[leaf([2, 8, 3, 4])], &|t| pixel_shuffle(t[0].clone(), 2));
    agrees("pixel_unshuffle", &[leaf([2, 2, 6, 9])], &|t| pixel_unshuffle(t[0].clone(), 3));
}

#[test]
fn warps_agree() {
    // A turn with a stretch and a shift, what leaves a picture as it is, and a mirror image.
    let affine =
        [[[1.2, -0.7, 1.3], [0.4, 0.6, -0.6]], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], [[-1.0, 0.0, 0.0], [0.0, 1.0, 2.5]]];
    let (leaves, warps) = ([leaf([3, 2, 7, 9])], Warp::new(&affine, [7, 9]));
    agrees("warp", &leaves, &|t| warp(t[0].clone(), &warps));
    agrees("unwarp", &leaves, &|t| unwarp(t[0].clone(), &warps));
}

/// What takes no tensors.
const WITHOUT_TENSORS: [&str; 3] = ["adam", "momentum", "vector_bits"];

#[test]
fn every_public_operation_on_tensors_is_called_in_this_file() {
    let code = include_str!("second_backend.rs").lines().filter(|line| !line.trim_start().starts_with("//"));
    let words = |text: &'static str| text.split(|c: char| !c.is_alphanumeric() && c != '_');
    let before_brackets = code.flat_map(|line| line.match_indices('(').map(|(place, _)| &line[..place]));
    let calls = before_brackets.filter_map(|before| words(before).next_back()).collect::<Vec<_>>();
    let exports = include_str!("../src/lib.rs").split("pub use ").skip(1).filter_map(|rest| rest.split(';').next());
    let names = exports.filter_map(|path| path.rsplit("::").next()).flat_map(words);
    let functions = names.filter(|name| name.starts_with(|c: char| c.is_lowercase())).collect::<Vec<_>>();
    assert!(WITHOUT_TENSORS.iter().all(|name| functions.contains(name)), "{functions:?}");
    let missing = functions.iter().filter(|name| !calls.contains(name) && !WITHOUT_TENSORS.contains(name));
    assert_eq!(missing.collect::<Vec<_>>(), [&""; 0], "add them to the tests here");
}
