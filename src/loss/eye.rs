//! Who compares what pictures look like, where that is a loss of networks that enlarge.

use std::path::Path;

use burn::tensor::{Device, Tensor};

use super::perceptual::SqueezeNet;
use super::vgg::Vgg19;
use crate::error::Result;
use crate::random::Draws;

/// A network that has learned to tell pictures of things apart.
#[derive(Debug)]
pub enum Eye {
    /// What can be had: SqueezeNet 1.1, by its features of seven layers.
    SqueezeNet(Box<SqueezeNet>),
    /// The papers': VGG19, by the features of its last convolution.
    Vgg19(Vgg19),
}

impl Eye {
    /// VGG19 from the file at `vgg19`, or SqueezeNet, which pip brings, where that is empty. The error names the way out.
    pub fn open(vgg19: &Path, device: &Device) -> Result<Self> {
        Ok(match vgg19.as_os_str().is_empty() {
            true => Eye::SqueezeNet(Box::new(SqueezeNet::load(device, &mut |_| ())?)),
            false => Eye::Vgg19(Vgg19::load(vgg19, device)?),
        })
    }

    /// How different fake pictures look from real ones, `[n, 3, side, side]` in [-1, 1]: `[1]`. `by_paper` is the paper's distance of
    /// VGG19's features, before ReLU.
    pub fn distance(
        &self,
        [fake, real]: [Tensor<4>; 2],
        draws: &Draws,
        by_paper: fn(Tensor<4>, Tensor<4>) -> Tensor<1>,
    ) -> Tensor<1> {
        match self {
            Eye::SqueezeNet(net) => net.loss([fake, real], draws),
            Eye::Vgg19(net) => by_paper(net.features(fake), net.features(real)),
        }
    }
}
