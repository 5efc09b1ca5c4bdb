//! Convolution and transposed convolution with bias and leaky ReLU, forwards and backwards.

use burn::backend::ops::{ConvOptions, ConvTransposeOptions, FloatTensorOps};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex};
use burn::tensor::{Shape, Tensor, TensorData};
use burn_autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};
use burn_flex::FlexTensor;

use crate::activation::ActivationBackward;
use crate::cpu::activation::Act;
use crate::cpu::conv;
use crate::cpu::pixels::{After, Pictures};
use crate::cpu::tile::GRAIN;
use crate::flex::{all_f32, contiguous, values, wrapped};

/// How a convolution moves, and what follows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conv {
    /// Pixels between two positions of the kernel, along both axes; at least 1.
    pub stride: usize,
    /// Zeros around the picture, on every side.
    pub padding: usize,
    /// Leaky ReLU's slope for negative values; 1 means no activation.
    pub slope: f64,
}

/// leaky_relu(conv(x, W) + b): x `[n, ic, h, w]`, W `[oc, ic, kh, kw]`, b `[oc]`, the result `[n, oc, oh, ow]` with
/// oh = (h + 2·padding - kh) / stride + 1. Panics with both shapes when they do not fit.
pub fn conv2d(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>, conv: Conv) -> Tensor<4> {
    conv2d_grouped(x, weight, bias, conv, 1)
}

/// [`conv2d`] of each of `groups` groups of channels by itself: W `[oc, ic / groups, kh, kw]`, of which each group has
/// oc / groups. Panics with both shapes when they do not fit, or when the groups do not divide the channels.
pub fn conv2d_grouped(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>, conv: Conv, groups: usize) -> Tensor<4> {
    let (given, wanted, biases) = (x.dims(), weight.dims(), bias.dims());
    let whole = groups > 0 && wanted[0].is_multiple_of(groups) && given[1] == wanted[1] * groups;
    assert!(whole, "x is {given:?}, the weight is {wanted:?}{}", of_groups(groups));
    assert_eq!(biases[0], wanted[0], "the bias is {biases:?}, the weight is {wanted:?}");
    let fits = (2..4).all(|i| given[i] + 2 * conv.padding >= wanted[i]);
    assert!(conv.stride > 0 && fits, "x is {given:?}, the weight is {wanted:?}, {conv:?}");
    let (x, weight, bias) = (x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch());
    Tensor::from_dispatch(Dispatch::fused_conv(x, weight, bias, Way { conv, groups, transposed: false }))
}

/// What a message adds about groups.
fn of_groups(groups: usize) -> String {
    if groups == 1 { String::new() } else { format!(", in {groups} groups") }
}

/// [`conv2d`] of the pictures that `parts`, `[n, c, h, w]` each, are together along their channels, without a copy of them
/// where nothing asks for gradients. Panics with the shapes when they do not fit, or when there are no parts.
pub fn conv2d_joined(parts: &[Tensor<4>], weight: Tensor<4>, bias: Tensor<1>, conv: Conv) -> Tensor<4> {
    let shapes = parts.iter().map(Tensor::dims).collect::<Vec<_>>();
    let (wanted, biases) = (weight.dims(), bias.dims());
    let alike = shapes.iter().all(|[n, _, h, w]| [*n, *h, *w] == [shapes[0][0], shapes[0][2], shapes[0][3]]);
    let channels = shapes.iter().map(|shape| shape[1]).sum::<usize>();
    assert!(alike && !parts.is_empty() && channels == wanted[1], "x is {shapes:?}, the weight is {wanted:?}");
    assert_eq!(biases[0], wanted[0], "the bias is {biases:?}, the weight is {wanted:?}");
    let fits = (2..4).all(|i| shapes[0][i] + 2 * conv.padding >= wanted[i]);
    assert!(conv.stride > 0 && fits, "x is {shapes:?}, the weight is {wanted:?}, {conv:?}");
    // An operation takes five parts, as many as a dense block of ESRGAN has; of more, the first are copied together.
    let together = parts.len().saturating_sub(5);
    let first = if together > 0 { Tensor::cat(parts[..=together].to_vec(), 1) } else { parts[0].clone() };
    let rest = &parts[together + 1..];
    let part = |i: usize| rest.get(i).unwrap_or(&first).clone().into_dispatch();
    let (weight, bias) = (weight.into_dispatch(), bias.into_dispatch());
    let [p1, p2, p3, p4] = [0, 1, 2, 3].map(part);
    let count = 1 + rest.len();
    Tensor::from_dispatch(Dispatch::fused_conv_joined(first.into_dispatch(), p1, p2, p3, p4, count, weight, bias, conv))
}

/// [`conv2d`] with a kernel of 3 x 3, stride 1 and padding 1 of x with every pixel made four (nearest neighbour, twice the size):
/// x `[n, ic, h, w]`, W `[oc, ic, 3, 3]`, b `[oc]`, the result `[n, oc, 2h, 2w]`.
///
/// Four pixels that are one need no four products: the sums of neighbouring taps, 4 x 4 of them, transposed with stride 2
/// make the same picture by 4 instead of 9 products a pixel. Panics with both shapes when they do not fit.
pub fn conv2d_upsampled(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>, slope: f64) -> Tensor<4> {
    let [oc, ic, kh, kw] = weight.dims();
    assert!(kh == 3 && kw == 3, "the weight is {:?}; upsampling goes with kernels of 3 x 3", weight.dims());
    // Tap t of four, by the taps of three whose pixels fall on the same one: 2; 1 + 2; 0 + 1; 0.
    let sums = [[0.0, 0.0, 1.0], [0.0, 1.0, 1.0], [1.0, 1.0, 0.0], [1.0, 0.0, 0.0]];
    let both = (0..9).flat_map(|k| (0..16).map(move |t| sums[t / 4][k / 3] * sums[t % 4][k % 3]));
    let options = (&weight.device(), weight.dtype());
    let both = Tensor::<2>::from_data(TensorData::new(both.collect::<Vec<f64>>(), [9, 16]), options);
    let taps = weight.reshape([oc * ic, 9]).matmul(both).reshape([oc, ic, 4, 4]).swap_dims(0, 1); // [ic, oc, 4, 4]
    conv_transpose2d(x, taps, bias, Conv { stride: 2, padding: 1, slope })
}

/// leaky_relu(conv_transpose(x, W) + b): x `[n, ic, h, w]`, W `[ic, oc, kh, kw]`, b `[oc]`, the result
/// `[n, oc, oh, ow]` with oh = (h - 1)·stride + kh - 2·padding. Panics with both shapes when they do not fit.
pub fn conv_transpose2d(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>, conv: Conv) -> Tensor<4> {
    conv_transpose2d_grouped(x, weight, bias, conv, 1)
}

/// [`conv_transpose2d`] of each of `groups` groups of channels by itself: W `[ic, oc / groups, kh, kw]`, of which each
/// group has ic / groups. Panics with both shapes when they do not fit, or when the groups do not divide the channels.
pub fn conv_transpose2d_grouped(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Tensor<1>,
    conv: Conv,
    groups: usize,
) -> Tensor<4> {
    let (given, wanted, biases) = (x.dims(), weight.dims(), bias.dims());
    let whole = groups > 0 && wanted[0].is_multiple_of(groups) && given[1] == wanted[0];
    assert!(whole, "x is {given:?}, the weight is {wanted:?}{}", of_groups(groups));
    assert_eq!(biases[0], wanted[1] * groups, "the bias is {biases:?}, the weight is {wanted:?}{}", of_groups(groups));
    let fits = (2..4).all(|i| (given[i] - 1) * conv.stride + wanted[i] > 2 * conv.padding);
    assert!(conv.stride > 0 && fits, "x is {given:?}, the weight is {wanted:?}, {conv:?}");
    let (x, weight, bias) = (x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch());
    Tensor::from_dispatch(Dispatch::fused_conv(x, weight, bias, Way { conv, groups, transposed: true }))
}

/// A convolution or its transpose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    conv: Conv,
    /// Groups of channels that do not see each other.
    groups: usize,
    transposed: bool,
}

on_every_backend! {
    /// The operation on every backend. The default body is the plain twin.
    pub(crate) trait ConvOps: Backend {
        fn fused_conv(x: FloatTensor<Self>, w: FloatTensor<Self>, b: FloatTensor<Self>, way: Way) -> FloatTensor<Self> {
            plain::conv::<Self>(x, w, b, way)
        }
        // One argument for each part, the first `count` of which count: an extension takes no lists.
        #[allow(clippy::too_many_arguments)]
        fn fused_conv_joined(
            p0: FloatTensor<Self>,
            p1: FloatTensor<Self>,
            p2: FloatTensor<Self>,
            p3: FloatTensor<Self>,
            p4: FloatTensor<Self>,
            count: usize,
            w: FloatTensor<Self>,
            b: FloatTensor<Self>,
            conv: Conv,
        ) -> FloatTensor<Self> {
            let parts = [p0, p1, p2, p3, p4].into_iter().take(count).collect();
            Self::fused_conv(Self::float_cat(parts, 1), w, b, Way { conv, groups: 1, transposed: false })
        }
    }
}

/// What the backward pass needs of the backend below autodiff.
pub(crate) trait ConvBackward: ConvOps + ActivationBackward {
    /// The gradient of x.
    fn conv_input(x: FloatTensor<Self>, w: FloatTensor<Self>, g: FloatTensor<Self>, way: Way) -> FloatTensor<Self> {
        plain::conv_input::<Self>(x, w, g, way)
    }
    /// The gradient of W.
    fn conv_weight(x: FloatTensor<Self>, w: FloatTensor<Self>, g: FloatTensor<Self>, way: Way) -> FloatTensor<Self> {
        plain::conv_weight::<Self>(x, w, g, way)
    }
}

plain_twins!(ConvOps, ConvBackward);

mod plain {
    use super::*;

    pub fn options(conv: Conv, groups: usize) -> ConvOptions<2> {
        ConvOptions::new([conv.stride; 2], [conv.padding; 2], [1; 2], groups)
    }

    pub fn transpose_options(conv: Conv, groups: usize) -> ConvTransposeOptions<2> {
        ConvTransposeOptions::new([conv.stride; 2], [conv.padding; 2], [0; 2], [1; 2], groups)
    }

    pub fn conv<B: Backend>(x: FloatTensor<B>, w: FloatTensor<B>, b: FloatTensor<B>, way: Way) -> FloatTensor<B> {
        let Way { conv, groups, transposed } = way;
        let y = match transposed {
            false => B::conv2d(x, w, Some(b), options(conv, groups)),
            true => B::conv_transpose2d(x, w, Some(b), transpose_options(conv, groups)),
        };
        if conv.slope == 1.0 { y } else { B::leaky_relu(y, conv.slope.into()) }
    }

    pub fn conv_input<B: Backend>(x: FloatTensor<B>, w: FloatTensor<B>, g: FloatTensor<B>, way: Way) -> FloatTensor<B> {
        match way.transposed {
            false => B::conv2d_x_backward(x, w, g, options(way.conv, way.groups)),
            true => B::conv_transpose2d_x_backward(w, g, transpose_options(way.conv, way.groups)),
        }
    }

    pub fn conv_weight<B: Backend>(
        x: FloatTensor<B>,
        w: FloatTensor<B>,
        g: FloatTensor<B>,
        way: Way,
    ) -> FloatTensor<B> {
        match way.transposed {
            false => B::conv2d_weight_backward(x, w, g, options(way.conv, way.groups)),
            true => B::conv_transpose2d_weight_backward(x, w, g, transpose_options(way.conv, way.groups)),
        }
    }
}

/// The convolution of x `[n, ic, h, w]`, or the one whose transpose takes x: then the result has x's shape.
fn shape(x: &FlexTensor, weight: &FlexTensor, way: Way) -> conv::Shape {
    let (x, weight, Conv { stride, padding, .. }) = (dims(x), dims(weight), way.conv);
    let (oc, kh, kw, groups) = (weight[0], weight[2], weight[3], way.groups);
    let [ic, h, w] = match way.transposed {
        false => [x[1], x[2], x[3]],
        true => [weight[1] * groups, (x[2] - 1) * stride + kh - 2 * padding, (x[3] - 1) * stride + kw - 2 * padding],
    };
    conv::Shape { n: x[0], ic, h, w, oc, kh, kw, stride, padding, groups }
}

fn dims(tensor: &FlexTensor) -> Shape {
    tensor.layout().shape().clone()
}

impl ConvOps for Flex {
    fn fused_conv(x: FlexTensor, w: FlexTensor, b: FlexTensor, way: Way) -> FlexTensor {
        if !all_f32(&[&x, &w, &b]) {
            return plain::conv::<Self>(x, w, b, way);
        }
        let (x, w, b) = (contiguous(x), contiguous(w), contiguous(b));
        let s = shape(&x, &w, way);
        let after = After { bias: values(&b), slope: way.conv.slope as f32 };
        let (y, [channels, h, w]) = match way.transposed {
            false => {
                let x = Pictures::new(values(&x), s.input());
                (conv::forward(&s, &x, values(&w), after), [s.oc, s.oh(), s.ow()])
            }
            true => (conv::backward_input(&s, values(&x), values(&w), after), [s.ic, s.h, s.w]),
        };
        wrapped(y, Shape::from(vec![s.n, channels, h, w]))
    }

    fn fused_conv_joined(
        p0: FlexTensor,
        p1: FlexTensor,
        p2: FlexTensor,
        p3: FlexTensor,
        p4: FlexTensor,
        count: usize,
        w: FlexTensor,
        b: FlexTensor,
        conv: Conv,
    ) -> FlexTensor {
        let parts = [p0, p1, p2, p3, p4].into_iter().take(count).collect::<Vec<_>>();
        if !joinable(&parts) || !all_f32(&[&w, &b]) {
            return Self::fused_conv(Self::float_cat(parts, 1), w, b, Way { conv, groups: 1, transposed: false });
        }
        let (w, b) = (contiguous(w), contiguous(b));
        let parts = parts.into_iter().map(contiguous).collect::<Vec<_>>();
        let ic = dims(&w)[1];
        let s = conv::Shape { ic, ..shape(&parts[0], &w, Way { conv, groups: 1, transposed: false }) };
        let channels = parts.iter().map(|part| (values(part), dims(part)[1]));
        let x = Pictures::joined(channels.collect(), s.input());
        let y = conv::forward(&s, &x, values(&w), After { bias: values(&b), slope: conv.slope as f32 });
        wrapped(y, Shape::from(vec![s.n, s.oc, s.oh(), s.ow()]))
    }
}

/// Whether the fused code can read these tensors' channels where they are.
fn joinable(parts: &[FlexTensor]) -> bool {
    let whole = |part: &FlexTensor| dims(part)[1].is_multiple_of(GRAIN);
    all_f32(&parts.iter().collect::<Vec<_>>()) && parts.iter().rev().skip(1).all(whole)
}

impl ConvBackward for Flex {
    fn conv_input(x: FlexTensor, w: FlexTensor, g: FlexTensor, way: Way) -> FlexTensor {
        if !all_f32(&[&x, &w, &g]) {
            return plain::conv_input::<Self>(x, w, g, way);
        }
        let (w, g) = (contiguous(w), contiguous(g));
        let s = shape(&x, &w, way);
        let gradient = match way.transposed {
            false => conv::backward_input(&s, values(&g), values(&w), After::NOTHING),
            true => conv::forward(&s, &Pictures::new(values(&g), s.input()), values(&w), After::NOTHING),
        };
        wrapped(gradient, dims(&x))
    }

    fn conv_weight(x: FlexTensor, w: FlexTensor, g: FlexTensor, way: Way) -> FlexTensor {
        if !all_f32(&[&x, &w, &g]) {
            return plain::conv_weight::<Self>(x, w, g, way);
        }
        let (x, g) = (contiguous(x), contiguous(g));
        let s = shape(&x, &w, way);
        let gradient = match way.transposed {
            false => conv::backward_weight(&s, values(&x), values(&g)),
            true => conv::backward_weight(&s, values(&g), values(&x)),
        };
        wrapped(gradient, dims(&w))
    }
}

impl<B: ConvBackward, C: CheckpointStrategy> ConvOps for Autodiff<B, C> {
    fn fused_conv(x: FloatTensor<Self>, w: FloatTensor<Self>, b: FloatTensor<Self>, way: Way) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct ConvStep;

        impl<B: ConvBackward> Backward<B, 3> for ConvStep {
            type State = ([FloatTensor<B>; 3], Way);

            fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
                let ([x, w, y], way) = ops.state;
                let [to_x, to_w, to_b] = ops.parents;
                let (g, act) = (grads.consume::<B>(&ops.node), Act::Leaky(way.conv.slope));
                let [g, g_bias] = B::bias_act_backward(g, y, act);
                if let Some(node) = to_b {
                    grads.register::<B>(node.id, g_bias);
                }
                if let Some(node) = to_w {
                    grads.register::<B>(node.id, B::conv_weight(x.clone(), w.clone(), g.clone(), way));
                }
                if let Some(node) = to_x {
                    grads.register::<B>(node.id, B::conv_input(x, w, g, way));
                }
            }
        }

        let ((x, x_node), (w, w_node), (b, b_node)) = (x.into_parts(), w.into_parts(), b.into_parts());
        match ConvStep.prepare::<C>([x_node, w_node, b_node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let y = B::fused_conv(x.clone(), w.clone(), b, way);
                prep.finish(([x, w, y.clone()], way), y)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::fused_conv(x, w, b, way)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::activation::leaky_relu;
    use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
    use burn::tensor::{DType, Device, TensorData, module};

    fn wave(rate: f64, shape: [usize; 4]) -> Tensor<4> {
        let count = shape.iter().product::<usize>();
        let values = (0..count).map(|i| (rate * (i + 1) as f64).sin() as f32).collect::<Vec<f32>>();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex().autodiff())
    }

    fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().iter::<f32>().collect()
    }

    type Layer = fn(Tensor<4>, Tensor<4>, Tensor<1>, Conv) -> Tensor<4>;

    fn twin(x: Tensor<4>, w: Tensor<4>, b: Tensor<1>, conv: Conv) -> Tensor<4> {
        let y = module::conv2d(x, w, Some(b), plain::options(conv, 1));
        if conv.slope == 1.0 { y } else { leaky_relu(y, conv.slope) }
    }

    fn transpose_twin(x: Tensor<4>, w: Tensor<4>, b: Tensor<1>, conv: Conv) -> Tensor<4> {
        let y = module::conv_transpose2d(x, w, Some(b), plain::transpose_options(conv, 1));
        if conv.slope == 1.0 { y } else { leaky_relu(y, conv.slope) }
    }

    /// The result and the gradients of x, W and b under a loss that weighs every element differently.
    fn run(layer: Layer, x: [usize; 4], w: [usize; 4], channels: usize, conv: Conv, dtype: DType) -> [Vec<f32>; 4] {
        let leaf = |t: Tensor<4>| t.cast(dtype).detach().require_grad();
        let (x, w) = (leaf(wave(0.37, x)), leaf(wave(0.91, w)));
        let b = wave(0.53, [1, 1, 1, channels]).reshape([channels]).cast(dtype).detach().require_grad();
        let y = layer(x.clone(), w.clone(), b.clone(), conv);
        let gradients = (y.clone() * wave(0.71, y.dims()).cast(dtype)).sum().backward();
        [
            floats(y),
            floats(x.grad(&gradients).unwrap()),
            floats(w.grad(&gradients).unwrap()),
            floats(b.grad(&gradients).unwrap()),
        ]
    }

    fn alike(what: &str, fused: &[Vec<f32>; 4], plain: &[Vec<f32>; 4]) {
        for (name, (a, b)) in ["y", "x", "W", "b"].iter().zip(fused.iter().zip(plain)) {
            assert_eq!(a.len(), b.len(), "{what}: {name}");
            let scale = b.iter().fold(1e-3, |m: f32, v| m.max(v.abs()));
            let worst = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / scale;
            assert!(worst < 3e-4, "{what}: {name} is off by {worst}"); // f32 sums of many waves that cancel
        }
    }

    /// The picture, output channels, the kernel's sides, stride, padding.
    type Case = ([usize; 4], usize, [usize; 2], usize, usize);

    /// Kernel, stride and padding of the networks to come, odd sizes, one pixel, and pictures of several tiles.
    const CASES: &[Case] = &[
        ([2, 3, 8, 8], 5, [3, 3], 1, 1),
        ([3, 4, 9, 7], 6, [4, 4], 2, 1),
        ([1, 2, 1, 1], 3, [1, 1], 1, 0),
        ([2, 5, 6, 10], 4, [1, 1], 1, 0),
        ([2, 3, 11, 13], 4, [5, 3], 2, 2),
        ([9, 2, 5, 5], 3, [3, 3], 3, 0),
        ([1, 32, 70, 64], 16, [3, 3], 1, 1),
        ([1, 3, 4, 4], 7, [4, 4], 1, 0),
        ([2, 3, 6, 6], 2, [2, 2], 2, 0),
        ([1, 2, 3, 3], 2, [3, 3], 1, 4),
        // Many channels, for the minimal algorithms: ragged ends of tiles, several panels, every padding.
        ([3, 17, 13, 11], 70, [3, 3], 1, 0),
        ([2, 33, 14, 16], 20, [3, 3], 1, 2),
        ([9, 16, 32, 30], 17, [4, 4], 2, 1),
        ([33, 20, 15, 15], 65, [4, 4], 2, 1),
        ([130, 16, 6, 6], 16, [4, 4], 2, 0),
    ];

    /// Without activation and with; where there are many values, one is so near to 0 that f32 and f64 disagree on its side.
    fn slopes(x: [usize; 4]) -> &'static [f64] {
        if x.iter().product::<usize>() > 50_000 { &[1.0] } else { &[1.0, 0.2] }
    }

    #[test]
    fn convolution_and_its_gradients_are_those_of_the_plain_operations() {
        for &(x, oc, [kh, kw], stride, padding) in CASES {
            for slope in slopes(x) {
                let (w, conv) = ([oc, x[1], kh, kw], Conv { stride, padding, slope: *slope });
                let run = |layer: Layer, dtype| run(layer, x, w, oc, conv, dtype);
                let plain = run(twin, DType::F64);
                alike(&format!("{x:?} by {w:?}, {conv:?}"), &run(conv2d, DType::F32), &plain);
                alike(&format!("{x:?} by {w:?}, {conv:?}, f64"), &run(conv2d, DType::F64), &plain);
            }
        }
    }

    #[test]
    fn transposed_convolution_and_its_gradients_are_those_of_the_plain_operations() {
        for &(x, oc, [kh, kw], stride, padding) in CASES {
            if (2..4).any(|i| (x[i] - 1) * stride + [kh, kw][i - 2] <= 2 * padding) {
                continue; // nothing would be left of the picture
            }
            for slope in slopes(x) {
                let (w, conv) = ([x[1], oc, kh, kw], Conv { stride, padding, slope: *slope });
                let run = |layer: Layer, dtype| run(layer, x, w, oc, conv, dtype);
                let plain = run(transpose_twin, DType::F64);
                alike(&format!("{x:?} by {w:?}, {conv:?}"), &run(conv_transpose2d, DType::F32), &plain);
                alike(&format!("{x:?} by {w:?}, {conv:?}, f64"), &run(conv_transpose2d, DType::F64), &plain);
            }
        }
    }

    #[test]
    fn convolution_of_joined_parts_is_that_of_the_whole() {
        let device = Device::flex().autodiff();
        let conv = Conv { stride: 1, padding: 1, slope: 0.2 };
        for channels in [&[16, 32, 5][..], &[16], &[3, 16], &[48, 16], &[16; 5], &[16; 8]] {
            let parts =
                channels.iter().map(|c| wave(0.1 + *c as f64, [2, *c, 9, 11]).require_grad()).collect::<Vec<_>>();
            let (total, bias) = (channels.iter().sum(), Tensor::ones([7], &device) * 0.3);
            let w = wave(0.91, [7, total, 3, 3]);
            let whole = conv2d(Tensor::cat(parts.clone(), 1), w.clone(), bias.clone(), conv);
            let tracked = conv2d_joined(&parts, w.clone(), bias.clone(), conv);
            let plain = parts.iter().map(|part| part.clone().inner()).collect::<Vec<_>>();
            let joined = conv2d_joined(&plain, w.inner(), bias.inner(), conv);
            assert!(
                floats(joined) == floats(whole.clone()) && floats(tracked.clone()) == floats(whole),
                "{channels:?}"
            );
            let gradients = tracked.square().sum().backward();
            assert!(parts.iter().all(|part| part.grad(&gradients).is_some()));
        }
    }

    #[test]
    fn convolution_of_the_upsampled_is_that_of_four_pixels_for_one() {
        let twin = |x: Tensor<4>, w: Tensor<4>, b: Tensor<1>, conv: Conv| {
            let [_, _, h, width] = x.dims();
            let twice = InterpolateOptions::new(InterpolateMode::Nearest).with_output_size([2 * h, 2 * width]);
            twin(module::interpolate(x.inner(), twice), w.inner(), b.inner(), conv)
        };
        let fused = |x, w, b, conv: Conv| conv2d_upsampled(x, w, b, conv.slope);
        let conv = Conv { stride: 1, padding: 1, slope: 0.2 };
        for (x, oc) in [([1, 1, 1, 1], 1), ([2, 3, 5, 7], 4), ([9, 17, 16, 16], 20)] {
            let (x, w, b) = (wave(0.37, x), wave(0.91, [oc, x[1], 3, 3]), wave(0.53, [1, 1, 1, oc]).reshape([oc]));
            for dtype in [DType::F32, DType::F64] {
                let [fused, plain] = [&fused as &dyn Fn(_, _, _, _) -> Tensor<4>, &twin].map(|layer| {
                    floats(layer(x.clone().cast(dtype), w.clone().cast(dtype), b.clone().cast(dtype), conv))
                });
                let scale = plain.iter().fold(1e-3, |m: f32, v| m.max(v.abs()));
                assert!(fused.iter().zip(&plain).all(|(a, b)| (a - b).abs() < 1e-5 * scale), "{:?}", x.dims());
            }
        }
    }

    #[test]
    fn convolution_is_the_same_bits_with_one_thread_and_with_many() {
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let conv = Conv { stride: 2, padding: 1, slope: 0.2 };
            pool.install(|| run(conv2d, [17, 8, 32, 32], [16, 8, 4, 4], 16, conv, DType::F32))
        };
        let one = with(1);
        assert!(one == with(2) && one == with(5));
    }

    #[test]
    #[should_panic(expected = "x is [1, 3, 8, 8], the weight is [4, 2, 3, 3]")]
    fn channels_that_do_not_fit_are_named() {
        let conv = Conv { stride: 1, padding: 1, slope: 1.0 };
        conv2d(wave(1.0, [1, 3, 8, 8]), wave(1.0, [4, 2, 3, 3]), Tensor::zeros([4], &Device::flex()), conv);
    }

    #[test]
    #[should_panic(expected = "x is [1, 6, 8, 8], the weight is [4, 2, 3, 3], in 3 groups")]
    fn groups_that_do_not_divide_the_channels_are_named() {
        let conv = Conv { stride: 1, padding: 1, slope: 1.0 };
        conv2d_grouped(wave(1.0, [1, 6, 8, 8]), wave(1.0, [4, 2, 3, 3]), Tensor::zeros([4], &Device::flex()), conv, 3);
    }

    #[test]
    fn a_convolution_in_groups_is_that_of_each_group_by_itself() {
        let device = Device::flex();
        for (x, oc, k, groups) in [([2, 32, 9, 11], 48, 3, 2), ([2, 12, 5, 3], 6, 1, 3), ([2, 6, 7, 7], 6, 3, 6)] {
            let conv = Conv { stride: 1, padding: k / 2, slope: 0.2 };
            let (tensor, bias) = (wave(0.37, x).inner(), Tensor::<1>::ones([oc], &device) * 0.3);
            let weight = wave(0.91, [oc, x[1] / groups, k, k]).inner();
            let parts = tensor.clone().chunk(groups, 1).into_iter().zip(weight.clone().chunk(groups, 0));
            let parts = parts.zip(bias.clone().chunk(groups, 0)).map(|((x, w), b)| conv2d(x, w, b, conv));
            let looped = Tensor::cat(parts.collect(), 1);
            let grouped = conv2d_grouped(tensor, weight.clone(), bias, conv, groups);
            assert!(floats(grouped.clone()) == floats(looped), "{x:?} in {groups} groups");
            let (none, back) = (Tensor::<1>::zeros([x[1]], &device), Conv { slope: 1.0, ..conv });
            let parts = grouped.clone().chunk(groups, 1).into_iter().zip(weight.clone().chunk(groups, 0));
            let parts = parts.zip(none.clone().chunk(groups, 0)).map(|((g, w), b)| conv_transpose2d(g, w, b, back));
            let looped = Tensor::cat(parts.collect(), 1);
            let grouped = conv_transpose2d_grouped(grouped, weight, none, back, groups);
            assert!(floats(grouped) == floats(looped), "{x:?} in {groups} groups, transposed");
        }
    }
}
