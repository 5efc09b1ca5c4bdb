//! Minibatch standard deviation: one more channel that tells a critic how varied a batch is.

use burn::tensor::Tensor;

use super::Pullback;

/// Under the root of the variance, so that equal pictures have a gradient.
const EPSILON: f64 = 1e-8;

/// x `[n, c, h, w]` to `[n, c + 1, h, w]` (Karras et al. 2018, "Progressive Growing of GANs", section 3, in groups as in
/// StyleGAN): sample i belongs to the group i mod (n / group); the new channel holds, for all samples of a group, the mean
/// over channels and pixels of the standard deviation over the group. `group` must divide n; when larger, it is n.
pub fn minibatch_deviation_vjp(x: Tensor<4>, group: usize) -> (Tensor<4>, Pullback<4, 4>) {
    let [n, c, h, w] = x.dims();
    let group = group.min(n);
    assert!(n.is_multiple_of(group), "{:?} cannot be split into groups of {group}", x.dims());
    let (groups, values) = (n / group, c * h * w);
    let grouped: Tensor<3> = x.clone().reshape([group, groups, values]);
    let centred = grouped.clone() - grouped.mean_dim(0);
    let deviation = (centred.clone().square().mean_dim(0) + EPSILON).sqrt(); // [1, groups, values]
    let told = deviation.clone().mean_dim(2); // [1, groups, 1]
    let channel = told.repeat_dim(0, group).reshape([n, 1, 1, 1]).expand([n, 1, h, w]);
    let y = Tensor::cat(vec![x, channel], 1);
    let back = move |gradient: Tensor<4>| {
        let own = gradient.clone().narrow(1, 0, c);
        let of_channel: Tensor<3> = gradient.narrow(1, c, 1).reshape([group, groups, h * w]);
        let of_group = of_channel.sum_dim(2).sum_dim(0); // [1, groups, 1]
        let through = centred / deviation * of_group * (1.0 / (group * values) as f64);
        own + through.reshape([n, c, h, w])
    };
    (y, Box::new(back))
}
