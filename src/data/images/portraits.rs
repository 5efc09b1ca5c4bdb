//! Faces of persons, a folder for each: what it takes to learn to give one the face of another.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::TensorData;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Images, Layout, Pictures, Shape, TEST, classes, images_of, signed};
use crate::data::cache;
use crate::data::source::{Asked, Drawing, Source, Split};
use crate::error::{Error, Result};
use crate::random::Draws;
use crate::request::{self, Example};

/// The name under which it is said whose face a picture is to get.
pub const TO: &str = "to";
/// Points along a side of the grid that a face is warped by.
const GRID: usize = 5;

/// The persons whose faces a recipe learns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Portraits {
    /// Folder or zip with a folder for each of two or more persons, of faces that are cut out alike, as `ganvas data faces VIDEO... -o DIR` makes them; must be given. Folders train and held-out (or val, test) at the top split it.
    pub path: PathBuf,
    /// Whether each face is mirrored, left for right, with probability 1/2.
    pub mirror: bool,
    /// How far the points of a 5x5 grid are moved to warp a face, as the standard deviation in shares of the side.
    #[schemars(range(min = 0.0, max = 0.5))]
    pub warp: f64,
    /// Whether to go on without the files that cannot be used, instead of stopping before the first step.
    pub skip_broken: bool,
    /// Share of the faces to hold out, where the folder does not say by its own subfolders.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub validation_share: f64,
}

impl Default for Portraits {
    fn default() -> Self {
        Portraits {
            path: PathBuf::new(),
            mirror: true,
            warp: 5.0 / 160.0, // 5 pixels of the 160 that deepfakes cuts out
            skip_broken: false,
            validation_share: 0.05,
        }
    }
}

/// Faces of several persons on the host; those of one person lie together. Pictures are `[n, channels, side, side]`, f32 in [-1, 1].
#[derive(Clone, Debug)]
pub struct PortraitBatch {
    /// Whose face each is, by the place among the names: `[n]`, rising.
    pub persons: Vec<usize>,
    /// The faces, warped.
    pub warped: TensorData,
    /// The faces as they are.
    pub faces: TensorData,
    /// The names of all persons.
    pub names: Arc<[String]>,
}

impl request::Batch for PortraitBatch {
    /// A face with its own person asked for should come out as it is.
    fn examples(&self) -> Vec<Example> {
        let faces = images_of(&self.faces).into_iter().zip(&self.persons);
        faces.map(|(face, person)| Example::pair(face.clone(), face).with(TO, self.names[*person].as_str())).collect()
    }
}

impl Portraits {
    fn as_images(&self) -> Images {
        let Portraits { path, skip_broken, validation_share, .. } = self.clone();
        Images { path, layout: Layout::Folder, skip_broken, validation_share, ..Images::default() }
    }

    /// Where the faces are. An error when no place is given, for there is no set of faces to fall back on.
    fn place(&self) -> Result<PathBuf> {
        if self.path.as_os_str().is_empty() {
            return Err(Error::input(
                "no faces are given to learn from; give a folder that has a folder of faces for each person, as --data DIR; \
                 `ganvas data faces VIDEO... -o DIR` makes such folders out of videos",
            ));
        }
        self.as_images().place("")
    }

    /// The names of the persons, those of the folders, in order: no picture is decoded. An error when there are fewer than two.
    pub fn persons(&self) -> Result<Vec<String>> {
        let place = self.place()?;
        let names = classes(&self.as_images(), "")?;
        if names.len() < 2 {
            return Err(Error::input(format!(
                "{} has no folders of two or more persons; put the faces of each person into a folder of its own",
                place.display()
            )));
        }
        Ok(names)
    }

    /// The batches of the faces to learn from, or of those held out, as [`super::open`] has them of pictures. Every batch has as many
    /// faces of each of the persons with these `names`; where they do not divide it, the rest goes round. Of one person every face is
    /// drawn once before any comes again. An error lists what cannot be used, and names a person without faces.
    pub fn open(&self, names: &[String], shape: Shape, drawing: Drawing) -> Result<Box<dyn Source<PortraitBatch>>> {
        let (place, cache) = (self.place()?, cache::packed()?);
        let order = (drawing.seed, drawing.batch);
        let folders = if drawing.split == Split::Test { TEST } else { &[] };
        let faces = Faces::open(self, &place, cache.as_deref(), names, shape, order, (drawing.is_held_out(), folders))?;
        if drawing.split == Split::Test {
            return Ok(Box::new(Asked(faces.asked_of_all())));
        }
        Ok(Box::new(faces))
    }
}

/// Faces in memory.
struct Faces {
    pictures: Pictures,
    /// The places of each person's faces.
    of_person: Vec<Vec<usize>>,
    names: Arc<[String]>,
    seed: u64,
    batch: usize,
    mirror: bool,
    warp: f64,
}

/// How a face is seen: whether it is mirrored, and by how many sides each point of the grid is moved to be warped, x and y.
type Change<'a> = (bool, &'a [f32]);

impl Faces {
    fn open(
        portraits: &Portraits,
        place: &Path,
        cache: Option<&Path>,
        names: &[String],
        shape: Shape,
        (seed, batch): (u64, usize),
        (held_out, folders): (bool, &[&str]), // folders that may be held out, in the order of preference; empty for the usual
    ) -> Result<Self> {
        let images = portraits.as_images();
        let found = classes(&images, "")?;
        let pictures = Pictures::open(&images, place, cache, shape, (seed, batch), held_out, folders)?;
        let numbers = found.iter().map(|name| names.iter().position(|known| known == name)).collect::<Vec<_>>();
        if let Some(unknown) = numbers.iter().position(Option::is_none) {
            return Err(Error::input(format!(
                "{} has faces of {}, whom the configuration does not name among its persons: {}; remove the folder, or train anew",
                place.display(),
                found[unknown],
                names.join(", ")
            )));
        }
        let mut of_person = vec![Vec::new(); names.len()];
        for (at, label) in pictures.pack.labels.iter().enumerate() {
            if let Some(person) = numbers.get(*label as usize).copied().flatten() {
                of_person[person].push(at);
            }
        }
        if let Some(nobody) = of_person.iter().position(Vec::is_empty).filter(|_| !held_out) {
            return Err(Error::input(format!(
                "{} has no faces of {} to learn from; add some, or remove the folder",
                place.display(),
                names[nobody]
            )));
        }
        let Portraits { mirror, warp, .. } = *portraits;
        Ok(Faces { pictures, of_person, names: names.into(), seed, batch, mirror: mirror && !held_out, warp })
    }

    /// The places of a step's faces, person by person.
    fn drawn(&self, step: u64) -> Vec<(usize, usize)> {
        let some = (0..self.names.len()).filter(|person| !self.of_person[*person].is_empty()).collect::<Vec<_>>();
        let (many, first) = (some.len() as u64, step * self.batch as u64);
        let of = |(turn, person): (u64, &usize)| {
            let (own, name) = (&self.of_person[*person], format!("data.order.{person}"));
            // Samples go round the persons: the k-th of all is the (k / many)-th of the person whose turn it is.
            let before = |samples: u64| (samples + many - 1 - turn) / many;
            let (count, mut pass) = (own.len() as u64, None);
            let drawn = (before(first)..before(first + self.batch as u64)).map(|i| {
                if pass.as_ref().is_none_or(|(number, _)| *number != i / count) {
                    pass = Some((i / count, Draws::new(self.seed, i / count).permutation(&name, count as u32)));
                }
                let at = pass.as_ref().map_or(0, |(_, order)| order[(i % count) as usize]);
                (*person, own[at as usize])
            });
            drawn.collect::<Vec<_>>()
        };
        (0..).zip(&some).flat_map(of).collect()
    }

    /// Faces of persons by their places, each seen with a change of its own.
    fn batch_of(&self, drawn: &[(usize, usize)], changes: &[Change]) -> PortraitBatch {
        let (n, Shape { channels, side }) = (drawn.len(), self.pictures.shape);
        let size = n * channels * side * side;
        let (mut warped, mut faces) = (Vec::with_capacity(size), Vec::with_capacity(size));
        for ((_, at), (is_mirrored, moved)) in drawn.iter().zip(changes) {
            let mut face = self.pictures.pack.picture(*at).iter().copied().map(signed).collect::<Vec<f32>>();
            if *is_mirrored {
                face.chunks_exact_mut(side).for_each(<[f32]>::reverse);
            }
            warped.extend(warp(&face, side, moved));
            faces.extend(face);
        }
        let [warped, faces] = [warped, faces].map(|pixels| TensorData::new(pixels, [n, channels, side, side]));
        let persons = drawn.iter().map(|(person, _)| *person).collect();
        PortraitBatch { persons, warped, faces, names: self.names.clone() }
    }

    /// Every face once, as it is.
    fn asked_of_all(&self) -> Vec<Example> {
        let all = (0..).zip(&self.of_person).flat_map(|(person, own)| own.iter().map(move |at| (person, *at)));
        let still = [0.0; 2 * GRID * GRID];
        all.flat_map(|one| request::Batch::examples(&self.batch_of(&[one], &[(false, &still)]))).collect()
    }
}

impl Source<PortraitBatch> for Faces {
    fn items(&self) -> usize {
        self.of_person.iter().map(Vec::len).sum()
    }

    fn fingerprint(&self) -> Option<String> {
        self.pictures.fingerprint()
    }

    fn classes(&self) -> usize {
        self.names.len()
    }

    fn remarks(&self) -> Vec<String> {
        self.pictures.remarks()
    }

    fn batch(&self, step: u64) -> Result<PortraitBatch> {
        let drawn = self.drawn(step);
        if drawn.is_empty() {
            return Err(Error::input("there are no faces to draw a batch from"));
        }
        let (n, draws) = (drawn.len(), Draws::new(self.seed, step));
        let mirrored = if self.mirror { draws.indices("data.mirror", 2, n) } else { vec![0; n] };
        let moved = draws.normals("data.warp", n * 2 * GRID * GRID).into_iter().map(|z| z * self.warp as f32);
        let moved = moved.collect::<Vec<f32>>();
        let changes = mirrored.into_iter().map(|mirrored| mirrored == 1).zip(moved.chunks(2 * GRID * GRID));
        Ok(self.batch_of(&drawn, &changes.collect::<Vec<_>>()))
    }
}

/// A face `[channels, side, side]` with its pixels taken from elsewhere (deepfakes' random warp): each from where it is and the move of
/// the grid there. The grid of 5x5 points spans the picture from edge to edge; `moved` has for each, row by row, how far x and y go, in
/// shares of the side. Moves and pixels are interpolated between their four neighbours, and beyond the edge the picture goes on as it is
/// there.
fn warp(face: &[f32], side: usize, moved: &[f32]) -> Vec<f32> {
    let between = |low: f32, high: f32, share: f32| low + (high - low) * share;
    // The cell of a place in a row of so many points, and how far into it the place is.
    let cell = |place: f32, points: usize| {
        let place = place.clamp(0.0, (points - 1) as f32);
        let low = (place as usize).min(points.saturating_sub(2));
        (low, (low + 1).min(points - 1), place - low as f32)
    };
    let centre = |at: usize| (at as f32 + 0.5) / side as f32;
    let grid = |at: usize| cell(centre(at) * (GRID - 1) as f32, GRID);
    let mut from = Vec::with_capacity(side * side);
    for y in 0..side {
        let (above, below, down) = grid(y);
        for x in 0..side {
            let (left, right, across) = grid(x);
            let [to_x, to_y] = [0, 1].map(|axis| {
                let at = |row: usize, column: usize| moved[2 * (row * GRID + column) + axis];
                let row = |row: usize| between(at(row, left), at(row, right), across);
                between(row(above), row(below), down)
            });
            let pixel = |to: f32, at: usize| cell(to * side as f32 + at as f32, side);
            from.push((pixel(to_x, x), pixel(to_y, y)));
        }
    }
    let planes = face.chunks(side * side).flat_map(|plane| {
        from.iter().map(move |((left, right, across), (above, below, down))| {
            let row = |y: usize| between(plane[y * side + left], plane[y * side + right], *across);
            between(row(*above), row(*below), *down)
        })
    });
    planes.collect()
}
