//! Networks that look at pictures, with weights that others learned: one choice of them, for losses and for metrics.

pub mod attributes;
pub mod digits;
pub mod inception;
mod kept;
pub mod sentences;
pub mod squeezenet;
pub mod vgg;

use std::path::Path;

use burn::tensor::Device;

use self::digits::Digits;
use self::inception::Inception;
use self::squeezenet::{SQUEEZENET_SHA256, SqueezeNet};
use self::vgg::Vgg19;
use crate::error::Result;
use crate::report::Report;

/// What looks. Only features of the Inception network of 2015 may be called those of the FID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network<'a> {
    /// The pixels themselves, in [0, 1].
    Pixels,
    /// SqueezeNet 1.1 of ImageNet: the last fire module, averaged over the picture; 512 features of pictures brought to 128
    /// pixels by an antialiased bilinear filter.
    SqueezeNet,
    /// The classifier of digits: 128 features, for pictures of 28 pixels; grey, or made so.
    Digits,
    /// The Inception network of 2015 with the weights of this file: 2048 features and 1008 logits of any pictures.
    Inception(&'a Path),
    /// VGG19 with the weights of this file, torchvision's: what the papers' losses go by.
    Vgg19(&'a Path),
}

/// A network, loaded.
pub enum Look {
    /// See [`Network::Pixels`].
    Pixels,
    /// See [`Network::SqueezeNet`].
    SqueezeNet(Box<SqueezeNet>),
    /// See [`Network::Digits`].
    Digits(Box<Digits>),
    /// See [`Network::Inception`].
    Inception(Box<Inception>),
    /// See [`Network::Vgg19`].
    Vgg19(Box<Vgg19>),
}

impl Look {
    /// The network with its weights, fetched or learned the first time. The error names the way out.
    pub fn load(network: Network<'_>, device: &Device, report: Report<'_>) -> Result<Self> {
        Ok(match network {
            Network::Pixels => Look::Pixels,
            Network::SqueezeNet => Look::SqueezeNet(Box::new(SqueezeNet::load(device, report)?)),
            Network::Digits => Look::Digits(Box::new(Digits::load(report)?)),
            Network::Inception(weights) => Look::Inception(Box::new(Inception::load(weights)?)),
            Network::Vgg19(weights) => Look::Vgg19(Box::new(Vgg19::load(weights, device)?)),
        })
    }

    /// What a perceptual loss goes by: VGG19 where its file is named, else SqueezeNet, which pip brings. The error names the way out.
    pub fn of_loss(vgg19: &Path, device: &Device) -> Result<Self> {
        let named = !vgg19.as_os_str().is_empty();
        Look::load(if named { Network::Vgg19(vgg19) } else { Network::SqueezeNet }, device, &mut |_| ())
    }

    /// The network's name in passports and on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Look::Pixels => "pixels",
            Look::SqueezeNet(_) => "squeezenet",
            Look::Digits(_) => "digits",
            Look::Inception(_) => "inception",
            Look::Vgg19(_) => "vgg19",
        }
    }

    /// SHA-256 of the weights' file, where a number that is measured by it says so.
    pub fn sha256(&self) -> Option<&str> {
        match self {
            Look::Pixels | Look::Vgg19(_) => None,
            Look::SqueezeNet(_) => Some(SQUEEZENET_SHA256),
            Look::Digits(digits) => Some(&digits.sha256),
            Look::Inception(net) => Some(&net.sha256),
        }
    }

    /// How pictures are brought to the network's size.
    pub fn resize(&self) -> &'static str {
        match self {
            Look::Pixels | Look::Digits(_) | Look::Vgg19(_) => "none",
            Look::SqueezeNet(_) => "128, bilinear, antialiased",
            Look::Inception(_) => "299, bilinear as in TensorFlow 1",
        }
    }
}
