//! Networks as TensorFlow describes them: a graph of operations, run as far as what is asked for needs it.
//!
//! Only what networks that look at pictures are made of is run. Any other operation is refused by its name, and only where what is
//! asked for needs it. Pictures are `[n, channels, height, width]` here; TensorFlow has the channels last.

use std::collections::BTreeMap;

use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions, PadMode};
use burn::tensor::{Device, Tensor, TensorData, activation};
use ganvas_kernels::{Conv, conv2d_grouped};

/// Most sides a constant may have.
pub const MOST_SIDES: usize = 4;

/// A network: what each of its nodes does, by the node's name.
#[derive(Debug)]
pub struct Graph {
    pub(crate) nodes: BTreeMap<String, Node>,
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub op: Op,
    /// The nodes whose results it takes.
    pub inputs: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// Numbers of the file, as a picture: the channels second.
    Constant(Box<Tensor<4>>),
    /// Of a picture, with a kernel and perhaps a bias.
    Convolution(Convolution),
    Add,
    Sub,
    Mul,
    Abs,
    Relu,
    Sigmoid,
    /// To these height and width, between neighbours.
    Bilinear([usize; 2]),
    /// What is not run here, and why: a sentence without its subject, the node.
    Other(String),
}

#[derive(Clone, Debug)]
pub(crate) struct Convolution {
    /// Whether each channel is by itself.
    pub is_depthwise: bool,
    /// Which of a kernel's sides in the file are its outputs, inputs, height and width.
    pub kernel: [usize; 4],
    pub stride: usize,
    /// Whether zeros are added, so that with a stride of 1 the result has the picture's sides.
    pub is_same: bool,
    pub is_rectified: bool,
    /// Where it is cut off above.
    pub top: Option<f64>,
}

impl Graph {
    /// What some nodes make of a picture `[n, channels, height, width]` that stands for the result of the node `given`; or why they
    /// cannot, as a sentence without its subject, the file.
    pub fn run<const N: usize>(
        &self,
        given: &str,
        picture: Tensor<4>,
        wanted: [&str; N],
    ) -> Result<[Tensor<4>; N], String> {
        let order = self.order(given, &wanted)?;
        let mut made = Made { results: BTreeMap::from([(given, picture)]), uses: BTreeMap::new() };
        let inputs = order.iter().flat_map(|(_, node)| node.inputs.iter().map(String::as_str));
        for name in inputs.chain(wanted) {
            *made.uses.entry(name).or_default() += 1;
        }
        for (name, node) in order {
            let inputs = node.inputs.iter().map(|input| made.take(input)).collect();
            let result = node.op.result(inputs).map_err(|why| format!("has a node {name} that {why}"))?;
            made.results.insert(name, result);
        }
        Ok(wanted.map(|name| made.take(name)))
    }

    /// The nodes whose results are needed, each after those that it takes.
    fn order<'a>(&'a self, given: &str, wanted: &[&'a str]) -> Result<Vec<(&'a str, &'a Node)>, String> {
        let (mut order, mut is_placed) = (Vec::new(), BTreeMap::new());
        // Depth first by hand, so that no file can exhaust the stack. What is begun and not placed takes what comes next.
        let mut waiting = wanted.iter().map(|name| (*name, None)).collect::<Vec<_>>();
        while let Some((name, ready)) = waiting.pop() {
            if let Some(node) = ready {
                order.push((name, node));
                is_placed.insert(name, true);
                continue;
            }
            match is_placed.get(name) {
                None if name != given => (),
                Some(false) => return Err(format!("has a node {name} that needs its own result")),
                _ => continue,
            }
            let node = self.nodes.get(name).ok_or_else(|| format!("takes {name}, which no node makes"))?;
            is_placed.insert(name, false);
            waiting.push((name, Some(node)));
            waiting.extend(node.inputs.iter().map(|input| (input.as_str(), None)));
        }
        Ok(order)
    }
}

/// Results by their names, and how often each is still taken: who takes it last gets it whole, so that nothing is kept for longer.
struct Made<'a> {
    results: BTreeMap<&'a str, Tensor<4>>,
    uses: BTreeMap<&'a str, usize>,
}

impl Made<'_> {
    fn take(&mut self, name: &str) -> Tensor<4> {
        let left = self.uses.get_mut(name).map_or(0, |uses| {
            *uses -= 1;
            *uses
        });
        let result = if left == 0 { self.results.remove(name) } else { self.results.get(name).cloned() };
        result.expect("the order has each node after those that it takes")
    }
}

impl Op {
    /// Numbers with at most four sides, as many as these say, which are brought to four by ones in front.
    pub fn constant(shape: &[usize], values: Vec<f32>, device: &Device) -> Self {
        let mut sides = [1; MOST_SIDES];
        sides[MOST_SIDES - shape.len()..].copy_from_slice(shape);
        let value = Tensor::<4>::from_data(TensorData::new(values, sides), device);
        Op::Constant(Box::new(value.permute([0, 3, 1, 2])))
    }

    /// Its result of what it takes; or why there is none, as a sentence without its subject, the node.
    fn result(&self, inputs: Vec<Tensor<4>>) -> Result<Tensor<4>, String> {
        let (count, mut inputs) = (inputs.len(), inputs.into_iter());
        let mut next = || inputs.next().ok_or_else(|| format!("takes {count} results only"));
        let mut two = || fitting(next()?, next()?);
        Ok(match self {
            Op::Constant(value) => value.as_ref().clone(),
            Op::Add => two().map(|[a, b]| a + b)?,
            Op::Sub => two().map(|[a, b]| a - b)?,
            Op::Mul => two().map(|[a, b]| a * b)?,
            Op::Abs => next()?.abs(),
            Op::Relu => activation::relu(next()?),
            Op::Sigmoid => activation::sigmoid(next()?),
            Op::Convolution(convolution) => convolution.result(next()?, next()?, next().ok())?,
            Op::Bilinear(sides) => {
                let way = InterpolateOptions::new(InterpolateMode::Bilinear).with_align_corners(false);
                interpolate(next()?, way.with_output_size(*sides))
            }
            Op::Other(why) => return Err(why.clone()),
        })
    }
}

/// Two results, where the sides of each are the other's or 1, and one of them has all the larger ones: no small file can make a large
/// result of two long ones.
fn fitting(a: Tensor<4>, b: Tensor<4>) -> Result<[Tensor<4>; 2], String> {
    let within = |a: &Tensor<4>, b: &Tensor<4>| a.dims().iter().zip(b.dims()).all(|(a, b)| *a == b || *a == 1);
    match within(&a, &b) || within(&b, &a) {
        true => Ok([a, b]),
        false => Err(format!("takes {:?} and {:?} together", a.dims(), b.dims())),
    }
}

impl Convolution {
    /// x `[n, channels, height, width]`, the kernel and the bias as [`Op::constant`] brings them here.
    fn result(&self, x: Tensor<4>, kernel: Tensor<4>, bias: Option<Tensor<4>>) -> Result<Tensor<4>, String> {
        let &Convolution { is_depthwise, kernel: order, stride, is_same, is_rectified, top } = self;
        let weight = kernel.permute([0, 2, 3, 1]).permute(order);
        let [outputs, inputs, height, width] = weight.dims();
        let bias = bias.map_or_else(|| Tensor::zeros([outputs], &x.device()), |bias| bias.flatten(0, 3));
        let [_, channels, h, w] = x.dims();
        let groups = if is_depthwise { channels } else { 1 };
        let is_empty = weight.dims().contains(&0) || x.dims().contains(&0);
        let is_larger = !is_same && height > h.min(w);
        if is_empty || is_larger || height != width || inputs * groups != channels || !outputs.is_multiple_of(groups) {
            return Err(format!("has a kernel {:?} for a picture {:?}", weight.dims(), x.dims()));
        }
        if bias.dims() != [outputs] {
            return Err(format!("has a bias {:?} for a kernel {:?}", bias.dims(), weight.dims()));
        }
        // TensorFlow gives the odd row and column of zeros to the far sides.
        let zeros = |side: usize| match is_same {
            true => ((side.div_ceil(stride) - 1) * stride + height).saturating_sub(side),
            false => 0,
        };
        let (down, across) = (zeros(h), zeros(w));
        let is_even = down == across && down.is_multiple_of(2);
        let (x, padding) = match is_even {
            true => (x, down / 2),
            false => {
                let sides = (across / 2, across - across / 2, down / 2, down - down / 2);
                (x.pad(sides, PadMode::Constant(0.0)), 0)
            }
        };
        let slope = if is_rectified { 0.0 } else { 1.0 };
        let y = conv2d_grouped(x, weight, bias, Conv { stride, padding, slope }, groups);
        Ok(match top {
            Some(top) => y.clamp_max(top),
            None => y,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::floats;

    fn graph(nodes: Vec<(&str, Op, &[&str])>) -> Graph {
        let named = |(name, op, inputs): (&str, Op, &[&str])| {
            (name.to_owned(), Node { op, inputs: inputs.iter().map(|name| (*name).to_owned()).collect() })
        };
        Graph { nodes: nodes.into_iter().map(named).collect() }
    }

    fn constant(shape: &[usize], values: &[f32]) -> Op {
        Op::constant(shape, values.to_vec(), &Device::flex())
    }

    /// A picture of two channels and 1 x 2 pixels.
    fn picture() -> Tensor<4> {
        Tensor::from_floats([[[[-2.0, 1.0]], [[3.0, -4.0]]]], &Device::flex())
    }

    #[test]
    fn a_result_that_several_nodes_take_is_made_once_and_stays_until_the_last() {
        let parts = [("size", Op::Abs, &["in"][..]), ("both", Op::Add, &["size", "in"]), ("top", Op::Relu, &["in"])];
        let twice = [("square", Op::Mul, &["in", "in"][..]), ("more", Op::Sub, &["square", "slopes"])];
        let slopes = ("slopes", constant(&[2], &[10.0, 20.0]), &[][..]);
        let graph = graph(parts.into_iter().chain(twice).chain([slopes]).collect());
        let wanted = ["both", "size", "top", "more", "in", "size"];
        let found = graph.run("in", picture(), wanted).unwrap().map(floats);
        assert_eq!(found[0], [0.0, 2.0, 6.0, 0.0]);
        assert_eq!((&found[1], &found[5]), (&vec![2.0, 1.0, 3.0, 4.0], &vec![2.0, 1.0, 3.0, 4.0]));
        assert_eq!(found[2], [0.0, 1.0, 3.0, 0.0]);
        assert_eq!(found[3], [-6.0, -9.0, -11.0, -4.0], "a constant's last side is the channels");
        assert_eq!(found[4], [-2.0, 1.0, 3.0, -4.0]);
    }

    #[test]
    fn what_does_not_fit_is_said_and_not_computed() {
        let convolution = |is_same, stride| {
            let kernel = [3, 2, 0, 1];
            let all = Convolution { is_depthwise: false, kernel, stride, is_same, is_rectified: false, top: None };
            Op::Convolution(all)
        };
        let graph = graph(vec![
            ("round", Op::Add, &["in", "again"]),
            ("again", Op::Relu, &["round"]),
            ("three", constant(&[3], &[1.0; 3]), &[]),
            ("long", constant(&[2, 1, 1], &[1.0; 2]), &[]),
            ("wide", constant(&[1, 3, 1], &[1.0; 3]), &[]),
            ("none", constant(&[0, 2, 2], &[]), &[]),
            ("sum", Op::Add, &["in", "three"]),
            ("grown", Op::Mul, &["long", "wide"]),
            ("alone", Op::Sub, &["in"]),
            ("kernel", constant(&[2, 2, 2, 1], &[1.0; 8]), &[]),
            ("large", convolution(false, 1), &["in", "kernel"]),
            ("fine", convolution(true, 5), &["in", "kernel"]),
            ("bias", convolution(true, 1), &["in", "kernel", "three"]),
            ("empty", convolution(true, 1), &["none", "kernel"]),
        ]);
        let said = |wanted| graph.run("in", picture(), [wanted]).unwrap_err();
        assert_eq!(said("round"), "has a node round that needs its own result");
        assert_eq!(said("sum"), "has a node sum that takes [1, 2, 1, 2] and [1, 3, 1, 1] together");
        assert_eq!(said("grown"), "has a node grown that takes [1, 1, 2, 1] and [1, 1, 1, 3] together");
        assert_eq!(said("alone"), "has a node alone that takes 1 results only");
        assert_eq!(said("large"), "has a node large that has a kernel [1, 2, 2, 2] for a picture [1, 2, 1, 2]");
        assert_eq!(said("bias"), "has a node bias that has a bias [3] for a kernel [1, 2, 2, 2]");
        assert_eq!(said("empty"), "has a node empty that has a kernel [1, 2, 2, 2] for a picture [1, 2, 0, 2]");
        assert_eq!(floats(graph.run("in", picture(), ["fine"]).unwrap()[0].clone()), [-2.0]);
    }
}
