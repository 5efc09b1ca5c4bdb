//! PReLU.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

/// Leaky ReLU with a slope for each channel, which is learned (He et al. 2015, "Delving Deep into Rectifiers", equation 1).
#[derive(Module, Debug)]
pub struct Prelu {
    /// What values below 0 are multiplied by, shape `[channels]`.
    pub slope: Param<Tensor<1>>,
}

impl Prelu {
    /// With the paper's first slope, 0.25.
    pub fn new(channels: usize, device: &Device) -> Self {
        Prelu { slope: Param::from_tensor(Tensor::full([channels], 0.25, device)) }
    }

    /// x `[n, channels, h, w]` to the same shape. Panics with both shapes when they do not fit.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let ([_, channels, _, _], [slopes]) = (x.dims(), self.slope.dims());
        assert_eq!(channels, slopes, "x is {:?}, the slopes are [{slopes}]", x.dims());
        x.clone().clamp_min(0.0) + x.clamp_max(0.0) * self.slope.val().reshape([1, channels, 1, 1])
    }
}
