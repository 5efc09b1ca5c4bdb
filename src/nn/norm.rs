//! Normalisations, each with the way back.

use std::cell::RefCell;
use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::{Device, Tensor};
use ganvas_kernels::{Norm as Way, Normalized, Over, norm, norm_by};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Pullback, chain, leaky_pullback};
use crate::random::Draws;

/// How far running statistics go towards a batch's.
const MOMENTUM: f64 = 0.1;

/// x·rsqrt(mean of x² over the axis 1 + 1e-8): x `[n, c, ..]`. Pixel norm (Karras et al. 2018, "Progressive Growing of
/// GANs", section 4.2); on `[n, c]`, what StyleGAN does to its latent vectors.
pub fn pixel_norm<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let root = (x.clone().square().mean_dim(1) + 1e-8).sqrt();
    x / root
}

/// Batch norm (Ioffe and Szegedy 2015) with the running statistics that a generator samples by.
#[derive(Module, Debug)]
pub struct BatchNorm {
    /// γ, shape `[c]`.
    pub gamma: Param<Tensor<1>>,
    /// β, shape `[c]`.
    pub beta: Param<Tensor<1>>,
    /// The running mean, shape `[c]`; no gradient.
    pub mean: Param<Tensor<1>>,
    /// The running variance, unbiased as PyTorch's, shape `[c]`; no gradient.
    pub variance: Param<Tensor<1>>,
    #[module(skip)]
    epsilon: f64,
}

/// What a pass in training told of parameters that no gradient reaches, by their identity: towards what each moves, and how far.
#[derive(Debug, Default)]
pub struct Statistics(RefCell<HashMap<ParamId, (Tensor<1>, f64)>>);

impl Statistics {
    /// A network, in training, with its running statistics a tenth nearer to the batch's (PyTorch's and Torch's default), and with
    /// what was replaced.
    pub fn followed_by<M: Module>(self, net: M) -> M {
        net.map(&mut Follow(self.0.into_inner()))
    }

    /// A network with its running statistics nearer to the batch's by this share instead: 1/k after the k-th batch makes them the mean
    /// over all batches. Nothing is replaced.
    pub fn averaged_by<M: Module>(self, net: M, share: f64) -> M {
        let running = self.0.into_inner().into_iter().filter(|(_, (_, usual))| *usual < 1.0);
        net.map(&mut Follow(running.map(|(id, (now, _))| (id, (now, share))).collect()))
    }

    /// A parameter is to have this value from now on.
    pub(super) fn replaced(&self, id: ParamId, now: Tensor<1>) {
        self.0.borrow_mut().insert(id, (now, 1.0));
    }
}

struct Follow(HashMap<ParamId, (Tensor<1>, f64)>);

impl ModuleMapper for Follow {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.0.remove(&param.id) {
            Some((now, share)) => nearer(param, now.unsqueeze(), share),
            None => param,
        }
    }
}

impl BatchNorm {
    /// For `channels` channels, with these γ `[channels]`, β = 0 and ε = `epsilon`.
    pub fn new(gamma: Tensor<1>, epsilon: f64) -> Self {
        BatchNorm {
            beta: Param::from_tensor(gamma.zeros_like()),
            mean: kept(gamma.zeros_like()),
            variance: kept(gamma.ones_like()),
            gamma: Param::from_tensor(gamma),
            epsilon,
        }
    }

    /// x `[n, c, h, w]` normalised, then leaky ReLU of this slope: in training, where there is room for what the batch `told`, by
    /// the batch's own statistics; else by the running ones, so that what a picture becomes does not depend on the others.
    pub fn leaky(&self, x: Tensor<4>, slope: f64, told: Option<&Statistics>) -> Tensor<4> {
        let scale_and_shift = [self.gamma.val(), self.beta.val()];
        by_running(x, scale_and_shift, [&self.mean, &self.variance], (self.epsilon, slope), told)
    }
}

/// A parameter that no gradient reaches.
pub(super) fn kept(tensor: Tensor<1>) -> Param<Tensor<1>> {
    Param::from_tensor(tensor).set_require_grad(false)
}

/// Batch norm of x `[n, c, h, w]` with γ and β, `[c]` or `[n·c]`, then leaky ReLU: in training, where there is room for what the batch
/// `told`, by the batch's own statistics, of which the running ones are told; else by those.
pub(super) fn by_running(
    x: Tensor<4>,
    [gamma, beta]: [Tensor<1>; 2],
    [running_mean, running_variance]: [&Param<Tensor<1>>; 2],
    (epsilon, slope): (f64, f64),
    told: Option<&Statistics>,
) -> Tensor<4> {
    let way = Way { over: Over::Batch, epsilon, slope };
    let Some(told) = told else { return norm_by(x, running_mean.val(), running_variance.val(), gamma, beta, way) };
    let [n, _, h, w] = x.dims();
    let count = (n * h * w) as f64;
    let Normalized { y, mean, variance } = norm(x, gamma, beta, way);
    let unbiased = variance * (count / (count - 1.0).max(1.0));
    let seen = [(running_mean.id, (mean, MOMENTUM)), (running_variance.id, (unbiased, MOMENTUM))];
    told.0.borrow_mut().extend(seen);
    y
}

/// A parameter without gradient a `share` nearer to what it averages.
pub fn nearer<const D: usize>(kept: Param<Tensor<D>>, now: Tensor<D>, share: f64) -> Param<Tensor<D>> {
    kept.map(|old| {
        let moved = old.clone().without_autodiff() * (1.0 - share) + now.without_autodiff() * share;
        if old.is_autodiff() { moved.autodiff().set_require_grad(false) } else { moved }
    })
}

/// Instance norm (Ulyanov et al. 2016), which is batch norm with batches of one: every picture by its own statistics, so that
/// what it becomes does not depend on the others. With or without γ and β; ε = 1e-5.
#[derive(Module, Debug)]
pub struct InstanceNorm {
    /// γ and β, shape `[c]` each; none where there is no scale and shift.
    pub affine: Option<Affine>,
}

/// The scale and shift of a norm.
#[derive(Module, Debug)]
pub struct Affine {
    /// γ, shape `[c]`.
    pub gamma: Param<Tensor<1>>,
    /// β, shape `[c]`.
    pub beta: Param<Tensor<1>>,
}

impl InstanceNorm {
    /// At the start of training: γ from N(1, 0.02²) and β = 0, as pix2pix begins (Isola et al. 2017, the published code).
    pub fn new(affine: bool, channels: usize, draws: &Draws, name: &str, device: &Device) -> Self {
        let affine = affine.then(|| {
            let gamma = draws.normal(&format!("{name}.gamma"), [channels], device) * 0.02 + 1.0;
            Affine { beta: Param::from_tensor(gamma.zeros_like()), gamma: Param::from_tensor(gamma) }
        });
        InstanceNorm { affine }
    }

    /// x `[n, c, h, w]` to the same shape, then leaky ReLU of this slope; 1 for none.
    pub fn leaky(&self, x: Tensor<4>, slope: f64) -> Tensor<4> {
        let way = Way { over: Over::Instance, epsilon: 1e-5, slope };
        match &self.affine {
            Some(Affine { gamma, beta }) => norm(x, gamma.val(), beta.val(), way).y,
            None => {
                let (channels, like) = (x.dims()[1], (&x.device().without_autodiff(), x.dtype()));
                norm(x, Tensor::ones([channels], like), Tensor::zeros([channels], like), way).y
            }
        }
    }
}

/// How a critic normalises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// Over a channel in the whole batch.
    Batch,
    /// Over all of one picture: what a penalty on each picture's gradient can go with.
    Layer,
    /// Not at all.
    None,
}

impl Norm {
    /// What is normalised together, if anything.
    pub fn over(self) -> Option<Over> {
        match self {
            Norm::Batch => Some(Over::Batch),
            Norm::Layer => Some(Over::Layer),
            Norm::None => None,
        }
    }
}

/// Batch, instance or layer norm by the statistics at hand, with γ and β, and the way back.
#[derive(Module, Debug)]
pub struct Normalization {
    /// γ, shape `[c]`.
    pub gamma: Param<Tensor<1>>,
    /// β, shape `[c]`.
    pub beta: Param<Tensor<1>>,
    #[module(skip)]
    over: Over,
    #[module(skip)]
    epsilon: f64,
}

impl Normalization {
    /// γ = 1, β = 0.
    pub fn new(over: Over, channels: usize, epsilon: f64, device: &Device) -> Self {
        let filled = |value| Param::from_tensor(Tensor::full([channels], value, device));
        Normalization { gamma: filled(1.0), beta: filled(0.0), over, epsilon }
    }

    /// x `[n, c, h, w]` to the same shape, then leaky ReLU of this slope; 1 for none.
    pub fn leaky(&self, x: Tensor<4>, slope: f64) -> Tensor<4> {
        norm(x, self.gamma.val(), self.beta.val(), Way { over: self.over, epsilon: self.epsilon, slope }).y
    }

    /// [`Normalization::leaky`] and its way back. With x̂ = (x - mean)/σ and g = γ·(gradient by the result):
    /// (g - mean(g) - x̂·mean(g·x̂))/σ, the means over what shares its statistics.
    pub fn leaky_vjp(&self, x: Tensor<4>, slope: f64) -> (Tensor<4>, Pullback<4, 4>) {
        let axes: &'static [usize] = match self.over {
            Over::Batch => &[0, 2, 3],
            Over::Instance => &[2, 3],
            Over::Layer => &[1, 2, 3],
        };
        let mean = move |x: Tensor<4>| x.mean_dims(axes);
        let (gamma, epsilon) = (self.gamma.val().reshape([1, -1, 1, 1]), self.epsilon);
        let y = self.leaky(x.clone(), slope);
        let back: Pullback<4, 4> = Box::new(move |gradient| {
            let centred = x.clone() - mean(x);
            let deviation = (mean(centred.clone().square()) + epsilon).sqrt();
            let normal = centred / deviation.clone();
            let g = gradient * gamma;
            (g.clone() - mean(g.clone()) - normal.clone() * mean(g * normal)) / deviation
        });
        (y.clone(), chain(leaky_pullback(y, slope), back))
    }
}
