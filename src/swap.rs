//! The faces in a picture, or in one frame of a video after the other, in the place of others: found, turned by a model, put back.

use burn::tensor::Tensor;

use crate::data::people::identity::{Identity, Vector, alike};
use crate::data::people::mtcnn::{Face, Mtcnn};
use crate::device;
use crate::error::{Error, Result};
use crate::field::Kind;
use crate::media::face::{Similarity, aligned, core_of, eyes, matched, placed, put_back};
use crate::media::{Image, Picture};
use crate::model::{Model, turned};
use crate::report::Report;
use crate::request::Sample;

/// What stands in every file in which a face was swapped.
pub const SENTENCE: &str =
    "A face in this picture is not that of the person who was filmed or photographed: it was swapped by Ganvas.";
/// A face that the detector is less sure of stays as it is.
const SURE: f32 = 0.9;
/// A face whose eyes are less far apart stays as it is, in pixels.
const LEAST_EYES: f64 = 6.0;
/// In a video, landmarks that moved by this share of the distance of the eyes are taken as they are found; what moved less is drawn to
/// where it was, so that the face does not shake.
const STILL: f64 = 0.1;
/// How much of where it was found even a landmark that did not move is drawn to.
const LEAST_STEP: f64 = 0.3;

/// Whether a model takes a face that is found in a picture, and no whole picture.
pub fn takes_faces(model: &dyn Model) -> bool {
    model.takes().iter().any(|field| matches!(field.kind, Kind::Face { .. }))
}

/// What was found in a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Faces in whose place another one is now.
    pub swapped: usize,
    /// Faces of others than who was meant.
    pub others: usize,
    /// Faces that are too small or doubtful.
    pub unclear: usize,
}

impl Counts {
    /// Those of several frames together.
    pub fn of_all(counts: &[Counts]) -> Self {
        counts.iter().fold(Counts::default(), |sum, counts| Counts {
            swapped: sum.swapped + counts.swapped,
            others: sum.others + counts.others,
            unclear: sum.unclear + counts.unclear,
        })
    }

    /// Why no face was swapped, as a sentence without its subject, what was given; none where one was.
    pub fn hindrance(&self) -> Option<String> {
        Some(match *self {
            Counts { swapped: 1.., .. } => return None,
            Counts { others: 0, unclear: 0, .. } => {
                "shows no face that can be found; give one in which a face is seen from the front".to_owned()
            }
            Counts { others: 0, unclear, .. } => {
                format!("shows {unclear} faces, all too small or unclear to be swapped")
            }
            Counts { others, .. } => {
                format!("shows {others} faces, and none of the person that --only names; lower --alike if one is")
            }
        })
    }
}

/// Who is meant, and how alike a face is that is of the same person.
struct Meant {
    identity: Identity,
    vector: Vector,
    least: f32,
}

fn is_clear(face: &Face) -> bool {
    face.sure >= SURE && face.eyes() >= LEAST_EYES
}

fn vector(identity: &Identity, picture: &Image, face: &Face) -> Result<Option<Vector>> {
    let square = Identity::square(picture, &face.points());
    square.map(|square| Ok(identity.of(&[square])?.remove(0))).transpose()
}

/// Swaps the faces of one picture after the other.
pub struct Swap<'a> {
    model: &'a dyn Model,
    asked: Sample,
    side: usize,
    /// Of a picture that is upright already.
    inner: f64,
    /// None where every picture is an upright face with room around it.
    detector: Option<Mtcnn>,
    meant: Option<Meant>,
    /// Where the faces of the frame before were; empty where there is none.
    before: Vec<[[f64; 2]; 5]>,
}

impl<'a> Swap<'a> {
    /// By a model that takes faces, with all else that is `asked`, of everybody. The detector is fetched once.
    pub fn new(model: &'a dyn Model, asked: Sample, report: Report<'_>) -> Result<Self> {
        let swap = Swap::upright(model, asked)?;
        Ok(Swap { detector: Some(Mtcnn::load(&device::cpu(), report)?), ..swap })
    }

    /// Of pictures of upright faces, cut as those that the model learned from: nothing is looked for.
    pub fn upright(model: &'a dyn Model, asked: Sample) -> Result<Self> {
        let face = model.takes().into_iter().find_map(|field| match field.kind {
            Kind::Face { side, inner } => Some((side, inner)),
            _ => None,
        });
        let (side, inner) = face.ok_or_else(|| Error::input("this model takes no faces; give a run of faceswap"))?;
        Ok(Swap { model, asked, side, inner, detector: None, meant: None, before: Vec::new() })
    }

    /// As [`Swap::new`], where nothing is to be fetched; the error says how to.
    pub fn at_hand(model: &'a dyn Model, asked: Sample) -> Result<Self> {
        if !Mtcnn::is_here()? {
            return Err(Error::input(
                "faces are found by MTCNN, which is not here yet; `ganvas apply RUN PICTURE -o OUT` fetches it once",
            ));
        }
        Swap::new(model, asked, &mut |_| ())
    }

    /// Of the person alone of a picture in which one face is seen; `least` is the cosine from which on a face is theirs, usually
    /// [`crate::data::people::faces::ALIKE`]. `name` is what the picture is called in errors.
    pub fn only(self, picture: &Image, name: &str, least: f32, report: Report<'_>) -> Result<Self> {
        let faces = self.found(picture)?.into_iter().filter(is_clear).collect::<Vec<_>>();
        let [face] = faces.as_slice() else {
            let many = faces.len();
            return Err(Error::input(format!("{name} shows {many} faces; give a picture of one person's face")));
        };
        let identity = Identity::load(&device::cpu(), report)?;
        let vector = vector(&identity, picture, face)?;
        let vector = vector.ok_or_else(|| Error::input(format!("{name} shows no face that can be known again")))?;
        Ok(Swap { meant: Some(Meant { identity, vector, least }), ..self })
    }

    /// The faces of a picture.
    fn found(&self, picture: &Image) -> Result<Vec<Face>> {
        let Some(detector) = &self.detector else {
            let (side, sides) = (picture.width.min(picture.height), [picture.width, picture.height]);
            let place = |axis: usize, share: f64| ((sides[axis] - side) as f64 / 2.0 + share * side as f64) as f32;
            let landmarks = placed(self.inner).map(|[x, y]| [place(0, x), place(1, y)]);
            return Ok(vec![Face { frame: [0.0, 0.0, sides[0] as f32, sides[1] as f32], sure: 1.0, landmarks }]);
        };
        detector.faces(&picture.to_rgb())
    }

    /// A picture by itself with its faces swapped, as deep as 8 bits where there was one; as it is where there was none.
    pub fn picture(&mut self, picture: &Picture) -> Result<(Picture, Counts)> {
        self.before.clear();
        self.frame(picture)
    }

    /// The next frame of a video: landmarks do not jump from one to the next.
    pub fn frame(&mut self, picture: &Picture) -> Result<(Picture, Counts)> {
        let whole = picture.raster.clone().shallow().into_image().to_colour();
        let (made, counts) = self.image(whole)?;
        Ok(match counts.swapped {
            0 => (picture.clone(), counts),
            _ => (picture.with(made.into(), picture.alpha.clone()), counts),
        })
    }

    /// The same of an RGB image.
    pub fn image(&mut self, mut whole: Image) -> Result<(Image, Counts)> {
        let found = self.found(&whole)?;
        let (mut counts, mut now) = (Counts::default(), Vec::new());
        let given = whole.clone();
        for face in found {
            if self.detector.is_some() && !is_clear(&face) {
                counts.unclear += 1;
                continue;
            }
            if let Some(Meant { identity, vector, least }) = &self.meant {
                let is_meant =
                    self::vector(identity, &given, &face)?.is_some_and(|found| alike(&found, vector) >= *least);
                if !is_meant {
                    counts.others += 1;
                    continue;
                }
            }
            let points = steady(face.points(), &self.before);
            now.push(points);
            let Some(to_face) = Similarity::of_face(&points, self.side) else { continue };
            let square = aligned(&given, &to_face, self.side);
            let (made, mask) = self.turned(&square)?;
            let shares = mask
                .iter()
                .zip(core_of(self.side, &to_face, &points))
                .map(|(mask, core)| mask * core)
                .collect::<Vec<_>>();
            let made = matched(&made, &square, &shares);
            put_back(&mut whole, &made, &mask, &to_face, &points);
            counts.swapped += 1;
        }
        self.before = now;
        Ok((whole, counts))
    }

    /// The face that a model draws in the place of this one, and how much of it is seen: `[side · side]`.
    fn turned(&self, square: &Image) -> Result<(Image, Vec<f32>)> {
        let picture: Tensor<4> = square.to_signed(&self.model.device());
        let [face, mask] = turned(self.model, &self.asked, picture, &[Some("face"), Some("mask")])?
            .try_into()
            .unwrap_or_else(|_| unreachable!("as many as are shown"));
        Ok((Image::from_unit(self.side, self.side, face.channels, &face.values), mask.values))
    }
}

/// Landmarks nearer to where those of the same face were in the frame before: the less they moved, the more.
fn steady(found: [[f64; 2]; 5], before: &[[[f64; 2]; 5]]) -> [[f64; 2]; 5] {
    let eyes = eyes(&found);
    let far = |other: &[[f64; 2]; 5]| {
        let moves = found.iter().zip(other).map(|(a, b)| (a[0] - b[0]).hypot(a[1] - b[1]));
        moves.sum::<f64>() / 5.0 / eyes
    };
    let nearest = before.iter().map(|other| (far(other), other)).min_by(|a, b| a.0.total_cmp(&b.0));
    let Some((moved, other)) = nearest.filter(|(moved, _)| *moved < 1.0) else { return found };
    let share = (moved / STILL).clamp(LEAST_STEP, 1.0);
    std::array::from_fn(|i| [0, 1].map(|axis| other[i][axis] + share * (found[i][axis] - other[i][axis])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::FACE;

    #[test]
    fn a_face_that_hardly_moves_is_held_and_one_that_moves_is_followed() {
        let at = |shift: f64| FACE.map(|place| place.map(|share| 100.0 * share + shift));
        assert_eq!(steady(at(0.0), &[]), at(0.0));
        let held = steady(at(0.1), &[at(300.0), at(0.0)]);
        assert!((held[0][0] - at(0.03)[0][0]).abs() < 1e-9, "{held:?}");
        assert_eq!(steady(at(10.0), &[at(0.0)]), at(10.0), "a third of the eyes' distance is no shaking");
        assert_eq!(steady(at(90.0), &[at(0.0)]), at(90.0), "that is somebody else");
    }
}
