//! Poses as pictures: where each joint is, and where the body is (Ma et al. 2017, sections 3.1 and 3.2).

use burn::tensor::{Device, Tensor, s};

use crate::media::{JOINTS, LIMBS, REACH};

/// The limbs, and each joint with itself, so that one whose neighbours are unknown counts, too.
const BONES: [[usize; 2]; LIMBS.len() + JOINTS] = {
    let mut all = [[0; 2]; LIMBS.len() + JOINTS];
    let mut i = 0;
    while i < all.len() {
        all[i] = if i < LIMBS.len() { LIMBS[i] } else { [i - LIMBS.len(); 2] };
        i += 1;
    }
    all
};

/// The radius of a joint's disc is this share of the side: the paper's 4 pixels of 128.
const DISC: f64 = 1.0 / 32.0;
/// Where pixels have their centres along a side, in shares of it: `[side]`.
fn centres(side: usize, device: &Device) -> Tensor<1> {
    (Tensor::arange(0..side as i64, device).float() + 0.5) / side as f64
}

/// Heat maps of joints `[n, 17, 3]`, which are x and y in shares of the sides and a score: `[n, 17, side, side]`, 1 in a disc around
/// each joint that is known and -1 elsewhere.
pub(super) fn heat_maps(joints: Tensor<3>, side: usize) -> Tensor<4> {
    let [n, count, _] = joints.dims();
    let column = |at: usize| joints.clone().slice(s![.., .., at..at + 1]).reshape([n, count, 1, 1]);
    let (x, y, score) = (column(0), column(1), column(2));
    let centres = centres(side, &joints.device());
    let across = centres.clone().reshape([1, 1, 1, side]) - x;
    let down = centres.reshape([1, 1, side, 1]) - y;
    let is_near = (across.square() + down.square()).lower_equal_elem(DISC * DISC).float();
    is_near * score.greater_elem(0.0).float() * 2.0 - 1.0
}

/// The mask of poses `[n, 17, 3]`: `[n, 1, side, side]`, 1 where the body is, within a reach of the lines that connect its joints, and 0
/// elsewhere.
pub(super) fn mask(joints: Tensor<3>, side: usize) -> Tensor<4> {
    let n = joints.dims()[0];
    let end = |which: usize| {
        let of_limb = |limb: &[usize; 2]| joints.clone().slice(s![.., limb[which]..limb[which] + 1, ..]);
        let ends = Tensor::cat(BONES.iter().map(of_limb).collect(), 1); // [n, limbs, 3]
        [0, 1, 2].map(|at| ends.clone().slice(s![.., .., at..at + 1]).reshape([n, BONES.len(), 1, 1]))
    };
    let ([x, y, score], [to_x, to_y, to_score]) = (end(0), end(1));
    let centres = centres(side, &joints.device());
    let across = centres.clone().reshape([1, 1, 1, side]) - x.clone(); // [n, limbs, 1, side]
    let down = centres.reshape([1, 1, side, 1]) - y.clone(); // [n, limbs, side, 1]
    let (along_x, along_y) = (to_x - x, to_y - y);
    let length = along_x.clone().square() + along_y.clone().square();
    let share = (across.clone() * along_x.clone() + down.clone() * along_y.clone()) / (length + 1e-9);
    let share = share.clamp(0.0, 1.0); // of the way along the limb at which it is nearest: [n, limbs, side, side]
    let distance = (across - share.clone() * along_x).square() + (down - share * along_y).square();
    let is_known = score.greater_elem(0.0).float() * to_score.greater_elem(0.0).float();
    (distance.lower_equal_elem(REACH * REACH).float() * is_known).max_dim(1)
}
