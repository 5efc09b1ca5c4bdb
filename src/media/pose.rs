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
