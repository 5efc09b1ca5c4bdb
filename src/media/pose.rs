//! Where the joints of a person are in a picture, as a JSON file says it.

use serde_json::{Value, json};

/// How many joints a pose has.
pub const JOINTS: usize = 17;

/// What the joints are called, in the order of the data set COCO (Lin et al. 2014). Left and right are the person's own.
pub const JOINT_NAMES: [&str; JOINTS] = [
    "nose",
    "left eye",
    "right eye",
    "left ear",
    "right ear",
    "left shoulder",
    "right shoulder",
    "left elbow",
    "right elbow",
    "left wrist",
    "right wrist",
    "left hip",
    "right hip",
    "left knee",
    "right knee",
    "left ankle",
    "right ankle",
];

/// Pairs of joints, by their numbers, between which a limb or a part of the trunk or the head lies.
#[rustfmt::skip]
pub const LIMBS: [[usize; 2]; 20] = [
    [0, 1], [0, 2], [1, 3], [2, 4], [0, 5], [0, 6], [5, 6], [5, 7], [7, 9], [6, 8], [8, 10], [5, 11], [6, 12], [5, 12], [6, 11], [11, 12],
    [11, 13], [13, 15], [12, 14], [14, 16],
];

/// So far from a line between joints the body reaches, as a share of the sides: a joint's disc (Ma et al. 2017) and as much again covers
/// persons from head to foot.
pub const REACH: f64 = 1.0 / 16.0;

/// A person's pose in a picture. Its file is `{"width": 64, "height": 64, "keypoints": [[x, y, score], ...]}`, the joints in the order
/// of [`JOINT_NAMES`].
#[derive(Clone, Debug, PartialEq)]
pub struct Pose {
    /// Width of the picture in pixels.
    pub width: f64,
    /// Its height.
    pub height: f64,
    /// Each joint: x and y in pixels from the picture's left upper corner, and how sure it is, from 0 to 1; 0 for one that is not known,
    /// whose place means nothing.
    pub keypoints: [[f64; 3]; JOINTS],
}

impl Pose {
    /// A pose from the text of its file, and what is wrong with it otherwise: a sentence without its subject. Every joint that is known
    /// lies in the picture, and there is one at least.
    pub fn parse(text: &str) -> Result<Self, String> {
        const FORM: &str = "write {\"width\": W, \"height\": H, \"keypoints\": [[x, y, score], ...] }, a pair of pixels and a score for each joint";
        let value: Value = serde_json::from_str(text).map_err(|error| format!("is not JSON: {error}; {FORM}"))?;
        let side = |name: &str| {
            let side = value.get(name).and_then(Value::as_f64).filter(|side| *side >= 1.0);
            side.ok_or_else(|| format!("does not say the {name} of its picture; {FORM}"))
        };
        let (width, height) = (side("width")?, side("height")?);
        let joints =
            value.get("keypoints").and_then(Value::as_array).ok_or_else(|| format!("has no keypoints; {FORM}"))?;
        if joints.len() != JOINTS {
            return Err(format!(
                "has {} joints; a pose has the {JOINTS} of COCO, those that are not known with score 0",
                joints.len()
            ));
        }
        let mut keypoints = [[0.0; 3]; JOINTS];
        for ((joint, name), into) in joints.iter().zip(JOINT_NAMES).zip(&mut keypoints) {
            let numbers = joint.as_array().map(|joint| joint.iter().filter_map(Value::as_f64).collect::<Vec<_>>());
            let Some(&[x, y, score]) = numbers.as_deref() else {
                return Err(format!("has no x, y and score for the {name}; {FORM}"));
            };
            if !(0.0..=1.0).contains(&score) {
                return Err(format!("gives the {name} the score {score}; scores are from 0 to 1"));
            }
            if score > 0.0 && !((0.0..=width).contains(&x) && (0.0..=height).contains(&y)) {
                return Err(format!(
                    "has the {name} at ({x}, {y}), outside of its picture of {width} x {height}; give it score 0 if it is not seen"
                ));
            }
            *into = [x, y, score];
        }
        match keypoints.iter().any(|[_, _, score]| *score > 0.0) {
            true => Ok(Pose { width, height, keypoints }),
            false => Err("knows no joint: all scores are 0".to_owned()),
        }
    }

    /// The text of its file.
    pub fn text(&self) -> String {
        json!({ "width": self.width, "height": self.height, "keypoints": self.keypoints }).to_string()
    }

    /// The joints as a network takes them, `[17, 3]`: x and y as shares of the picture's width and height, and the score.
    pub fn shares(&self) -> [f32; 3 * JOINTS] {
        let mut shares = [0.0; 3 * JOINTS];
        for ([x, y, score], share) in self.keypoints.iter().zip(shares.chunks_exact_mut(3)) {
            share.copy_from_slice(&[(x / self.width) as f32, (y / self.height) as f32, *score as f32]);
        }
        shares
    }

    /// How far the joints that both know are from each other, on average, in shares of the sides; infinite where there are none.
    pub fn distance(&self, other: &Pose) -> f32 {
        let (one, other) = (self.shares(), other.shares());
        let both = one.chunks_exact(3).zip(other.chunks_exact(3)).filter(|(a, b)| a[2] > 0.0 && b[2] > 0.0);
        let (sum, count) =
            both.fold((0.0, 0.0), |(sum, count), (a, b)| (sum + (a[0] - b[0]).hypot(a[1] - b[1]), count + 1.0));
        if count > 0.0 { sum / count } else { f32::INFINITY }
    }

    /// The pose of the mirrored picture: left is right, and the left joints are the right ones.
    pub fn mirrored(&self) -> Self {
        let other = |joint: usize| match joint {
            0 => 0,
            odd if odd % 2 == 1 => odd + 1,
            even => even - 1,
        };
        let keypoints = std::array::from_fn(|joint| {
            let [x, y, score] = self.keypoints[other(joint)];
            [if score > 0.0 { self.width - x } else { x }, y, score]
        });
        Pose { keypoints, ..*self }
    }

    /// Where the body is in a picture of these width and height, pixel by pixel: within [`REACH`] of a joint that is known, or of a limb
    /// between two.
    pub fn body(&self, [width, height]: [usize; 2]) -> Vec<bool> {
        let known = |joint: usize| {
            let [x, y, score] = self.keypoints[joint];
            (score > 0.0).then_some([x / self.width, y / self.height])
        };
        let alone = (0..JOINTS).map(|joint| [joint; 2]);
        let bones =
            LIMBS.into_iter().chain(alone).filter_map(|[a, b]| Some([known(a)?, known(b)?])).collect::<Vec<_>>();
        let is_near = |at: [f64; 2]| {
            bones.iter().any(|[from, to]| {
                let along = [0, 1].map(|axis| to[axis] - from[axis]);
                let away = [0, 1].map(|axis| at[axis] - from[axis]);
                let length = along[0] * along[0] + along[1] * along[1];
                let share = ((away[0] * along[0] + away[1] * along[1]) / (length + 1e-9)).clamp(0.0, 1.0);
                let [x, y] = [0, 1].map(|axis| away[axis] - share * along[axis]);
                x * x + y * y <= REACH * REACH
            })
        };
        let centre = |at: usize, side: usize| (at as f64 + 0.5) / side as f64;
        (0..width * height).map(|at| is_near([centre(at % width, width), centre(at / width, height)])).collect()
    }

    /// The joints that are known.
    pub fn known(&self) -> usize {
        self.keypoints.iter().filter(|[_, _, score]| *score > 0.0).count()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Of a picture of 64 x 32: a joint every three pixels, the eyes unknown.
    pub(crate) fn pose() -> Pose {
        let joint =
            |i: usize| [3.0 * i as f64 + 1.0, 2.0 * i as f64 - 1.0, if [1, 2].contains(&i) { 0.0 } else { 0.9 }];
        let mut keypoints = std::array::from_fn(joint);
        keypoints[0] = [1.0, 0.5, 0.9];
        Pose { width: 64.0, height: 32.0, keypoints }
    }

    #[test]
    fn a_pose_is_read_as_it_is_written_and_its_joints_are_shares_of_the_picture() {
        let text = pose().text();
        assert_eq!(Pose::parse(&text), Ok(pose()));
        assert!(text.contains(r#""keypoints":[[1.0,0.5,0.9],"#), "{text}");
        let shares = pose().shares();
        assert_eq!(
            (shares[..3].to_vec(), shares[48..].to_vec()),
            (vec![1.0 / 64.0, 0.5 / 32.0, 0.9], vec![49.0 / 64.0, 31.0 / 32.0, 0.9])
        );
        assert_eq!(pose().known(), 15);
    }

    #[test]
    fn of_a_mirrored_picture_left_joints_are_right_ones() {
        let mirrored = pose().mirrored();
        assert_eq!((mirrored.keypoints[0], mirrored.mirrored()), ([63.0, 0.5, 0.9], pose()));
        for (joint, name) in JOINT_NAMES.iter().enumerate() {
            let other = match name.split_once(' ') {
                Some(("left", what)) => format!("right {what}"),
                Some((_, what)) => format!("left {what}"),
                None => name.to_string(),
            };
            let other = JOINT_NAMES.iter().position(|name| **name == other).unwrap();
            assert_eq!(mirrored.keypoints[joint][1..], pose().keypoints[other][1..], "{name}");
        }
    }

    #[test]
    fn what_is_no_pose_is_refused_by_what_is_wrong_with_it() {
        let spoilt = |spoil: &dyn Fn(&mut Value)| {
            let mut value: Value = serde_json::from_str(&pose().text()).unwrap();
            spoil(&mut value);
            Pose::parse(&value.to_string()).unwrap_err()
        };
        type Case<'a> = (&'a dyn Fn(&mut Value), &'a str);
        let cases: [Case; 9] = [
            (&|pose| _ = pose["keypoints"].as_array_mut().unwrap().pop(), "has 16 joints; a pose has the 17 of COCO"),
            (
                &|pose| pose["keypoints"].as_array_mut().unwrap().push(json!([1, 1, 1])),
                "has 18 joints; a pose has the 17",
            ),
            (
                &|pose| pose["keypoints"][9] = json!([70, 3, 1]),
                "has the left wrist at (70, 3), outside of its picture of 64 x 32",
            ),
            (&|pose| pose["keypoints"][9] = json!([3, -1, 1]), "has the left wrist at (3, -1), outside"),
            (&|pose| pose["keypoints"][5] = json!([3, 4]), "has no x, y and score for the left shoulder; write"),
            (&|pose| pose["keypoints"][5] = json!([3, 4, 2]), "gives the left shoulder the score 2; scores are from 0"),
            (&|pose| pose["width"] = json!(0), "does not say the width of its picture"),
            (&|pose| pose["keypoints"] = json!(3), "has no keypoints; write"),
            (&|pose| pose["keypoints"] = json!(vec![[0, 0, 0]; JOINTS]), "knows no joint"),
        ];
        for (spoil, wanted) in cases {
            let found = spoilt(spoil);
            assert!(found.starts_with(wanted), "{found}");
        }
        assert!(Pose::parse("\u{89}PNG").unwrap_err().starts_with("is not JSON: "));
        assert!(Pose::parse("[1]").unwrap_err().starts_with("does not say the width"));
        let mut outside = pose();
        outside.keypoints[1] = [-5.0, 90.0, 0.0];
        assert_eq!(Pose::parse(&outside.text()), Ok(outside), "where an unknown joint is means nothing");
    }
}
