//! Blocks that two or more recipes share because the mathematics is the same.

mod attention;
mod conditional;
mod conv;
mod halving;
mod init;
mod linear;
mod maxout;
mod minibatch;
mod modulated;
mod norm;
mod normed;
mod patch;
mod prelu;
mod resample;
mod spectral;
mod vjp;

pub use attention::SelfAttention;
pub use conditional::{ConditionalNorm, one_hot};
pub use conv::{Conv2d, ConvConfig, ConvTranspose2d};
pub use halving::{HalvingConfig, HalvingDiscriminator};
use init::{Gains, drawn};
pub use init::{Init, glorot_uniform};
pub use linear::Linear;
pub use maxout::Maxout;
pub use minibatch::minibatch_deviation_vjp;
pub use modulated::{ModulatedConfig, ModulatedConv, StylePullback};
pub use norm::{BatchNorm, InstanceNorm, Norm, Normalization, Statistics, nearer, pixel_norm};
pub use normed::NormedConv;
pub use patch::{Norms, PatchConfig, PatchDiscriminator, of_pictures, patches};
pub use prelu::Prelu;
pub use resample::{blur, brought, double, halve, resample_vjp};
pub use spectral::{SpectralConv, SpectralLinear};
pub use vjp::{Pullback, chain, leaky_pullback};
