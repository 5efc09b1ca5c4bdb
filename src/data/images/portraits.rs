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
use crate::media::face::{INNER, core, matched};
use crate::media::{Image, Media};
use crate::random::Draws;
use crate::request::{Batch, Example, Sample};

/// The name under which it is said whose face a picture is to get.
pub const TO: &str = "to";
/// Lots are drawn below this number, which is far more than there are faces.
const MANY: u32 = 1 << 24;
/// Points along a side of the grid that a face is warped by.
const GRID: usize = 5;

/// How far a face is turned, made larger or smaller, and shifted at most, in radians and in shares of its side.
const JITTER: [f64; 4] = [10.0 / 180.0 * std::f64::consts::PI, 0.05, 0.05, 0.05];

/// The persons whose faces a recipe learns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Portraits {
    /// Folder or zip with a folder for each of two or more persons, of faces that are cut out alike, as `ganvas data faces VIDEO... -o DIR` makes them; must be given. Folders train and held-out (or val, test) at the top split it.
    pub path: PathBuf,
    /// Share of each picture's side that the face takes, in the middle; the rest is room to warp it. 2/3 for pictures of `ganvas data faces`, 1 for faces that are cut close, from the brows to the chin.
    #[schemars(range(min = 0.25, max = 1.0))]
    pub inner: f64,
    /// Whether each face is mirrored, left for right, with probability 1/2.
    pub mirror: bool,
    /// How far the points of a 5x5 grid are moved to warp a face, as the standard deviation in shares of the side.
    #[schemars(range(min = 0.0, max = 0.5))]
    pub warp: f64,
    /// Whether each face is turned by up to 10 degrees, made larger or smaller by up to 5 %, and shifted by up to 5 % of its side.
    pub jitter: bool,
    /// Whether the held-out faces of all persons show the same expressions in the order of their names, as those of the set `expressions` do. Then a swap is measured against the face that it should be.
    pub twins: bool,
    /// Whether half of the faces are seen in the colours of a face of another person, so that colours do not tell who is who.
    pub colours: bool,
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
            inner: INNER,
            mirror: true,
            warp: 5.0 / 160.0, // 5 pixels of the 160 that deepfakes cuts out
            jitter: true,      // as deepfakes
            twins: false,
            colours: true, // as the published code
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

impl Batch for PortraitBatch {
    /// A face with its own person asked for, which should come out as it is; then all with the next person who is there asked for,
    /// beside a face of that person.
    fn examples(&self) -> Vec<Example> {
        let faces = images_of(&self.faces);
        let name = |at: usize| self.names[self.persons[at]].as_str();
        let own =
            faces.iter().enumerate().map(|(at, face)| Example::pair(face.clone(), face.clone()).with(TO, name(at)));
        let swapped = faces.iter().enumerate().filter_map(|(at, face)| {
            let others = (0..faces.len()).map(|step| (at + step) % faces.len());
            let next = others.into_iter().find(|other| self.persons[*other] != self.persons[at])?;
            let asked = Sample::of_picture(face.clone()).with(TO, name(next));
            Some(Example { asked, wanted: None, beside: Some(Media::Image(faces[next].clone())), nearest: None })
        });
        own.chain(swapped).collect()
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
        if drawing.split == Split::Test && self.twins {
            let known = Faces::open(self, &place, cache.as_deref(), names, shape, order, (false, &[]))?;
            return Ok(Box::new(Asked(faces.asked_of_others(&known, &place)?)));
        }
        if drawing.split == Split::Test {
            return Ok(Box::new(Asked(faces.asked_of_all())));
        }
        Ok(Box::new(faces))
    }
}

/// Faces in memory.
struct Faces {
    /// With room around them.
    pictures: Pictures,
    /// Of the faces.
    side: usize,
    /// The places of each person's faces.
    of_person: Vec<Vec<usize>>,
    names: Arc<[String]>,
    seed: u64,
    batch: usize,
    mirror: bool,
    colours: bool,
    jitter: bool,
    warp: f64,
}

/// How a face is seen.
struct Change {
    is_mirrored: bool,
    /// By how many sides each point of the grid is moved, x and y, in the face and in the warped one.
    moved: [Vec<f32>; 2],
    /// The other face whose colours it has.
    like: Option<usize>,
}

impl Change {
    fn none() -> Self {
        Change { is_mirrored: false, moved: [(); 2].map(|()| vec![0.0; 2 * GRID * GRID]), like: None }
    }
}

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
        let Shape { channels, side } = shape;
        let around = (side as f64 * (1.0 / portraits.inner - 1.0) / 2.0).round() as usize;
        let wide = Shape { channels, side: side + 2 * around };
        let pictures = Pictures::open(&images, place, cache, wide, (seed, batch), held_out, folders)?;
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
        let Portraits { mirror, colours, jitter, warp, .. } = *portraits;
        let [mirror, colours, jitter] = [mirror, colours, jitter].map(|is_wanted| is_wanted && !held_out);
        Ok(Faces { pictures, side, of_person, names: names.into(), seed, batch, mirror, colours, jitter, warp })
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
        let (n, side, Shape { channels, side: wide }) = (drawn.len(), self.side, self.pictures.shape);
        let size = n * channels * side * side;
        let (mut warped, mut faces) = (Vec::with_capacity(size), Vec::with_capacity(size));
        for ((_, at), Change { is_mirrored, moved, like }) in drawn.iter().zip(changes) {
            let levels = match like {
                Some(like) => self.coloured(*at, *like),
                None => self.pictures.pack.picture(*at).to_vec(),
            };
            let mut face = levels.into_iter().map(signed).collect::<Vec<f32>>();
            if *is_mirrored {
                face.chunks_exact_mut(wide).for_each(<[f32]>::reverse);
            }
            let [as_it_is, as_given] = moved.each_ref().map(|moved| warp(&face, [wide, side], moved));
            faces.extend(as_it_is);
            warped.extend(as_given);
        }
        let [warped, faces] = [warped, faces].map(|pixels| TensorData::new(pixels, [n, channels, side, side]));
        let persons = drawn.iter().map(|(person, _)| *person).collect();
        PortraitBatch { persons, warped, faces, names: self.names.clone() }
    }

    /// The levels of a face in the colours of another one.
    fn coloured(&self, at: usize, like: usize) -> Vec<u8> {
        let Shape { channels, side: wide } = self.pictures.shape;
        let [own, other] = [at, like].map(|at| self.pictures.pack.picture(at));
        if channels != 3 {
            return own.to_vec();
        }
        let plane = wide * wide;
        let image =
            |levels: &[u8]| Image::new(wide, wide, 3, (0..3 * plane).map(|i| levels[i % 3 * plane + i / 3]).collect());
        let made = matched(&image(own), &image(other), &core(self.side, (wide - self.side) / 2));
        (0..3 * plane).map(|i| made.pixels[i % plane * 3 + i / plane]).collect()
    }

    /// Whose colours faces are seen in, as the places of faces; none for their own.
    fn colours(&self, drawn: &[(usize, usize)], draws: &Draws) -> Vec<Option<usize>> {
        if !self.colours {
            return vec![None; drawn.len()];
        }
        let (coins, lots) =
            (draws.indices("data.colours", 2, drawn.len()), draws.indices("data.like", MANY, drawn.len()));
        let of = |((person, _), (coin, lot)): (&(usize, usize), (u32, u32))| {
            let others = (0..).zip(&self.of_person).filter(|(other, _)| coin == 1 && other != person);
            let mut others = others.flat_map(|(_, own): (usize, &Vec<usize>)| own).copied();
            let count = others.clone().count();
            others.nth((lot as usize).checked_rem(count)?)
        };
        drawn.iter().zip(coins.into_iter().zip(lots)).map(of).collect()
    }

    /// One of a person's faces, as it is.
    fn still(&self, one: (usize, usize)) -> Vec<Example> {
        self.batch_of(&[one], &[Change::none()]).examples()
    }

    /// Every face once, as it is.
    fn asked_of_all(&self) -> Vec<Example> {
        let all = (0..).zip(&self.of_person).flat_map(|(person, own)| own.iter().map(move |at| (person, *at)));
        all.flat_map(|one| self.still(one)).collect()
    }

    /// Every face once as each other person's, whose face in the same place is what it should become. Beside it is the nearest of that
    /// person's `known` faces: the one whose pixels differ least from those that are given. An error where there is no such place.
    fn asked_of_others(&self, known: &Faces, place: &Path) -> Result<Vec<Example>> {
        let images = |faces: &Faces| {
            let of = |(person, own): (usize, &Vec<usize>)| {
                own.iter()
                    .flat_map(|at| faces.still((person, *at)))
                    .filter_map(|example| example.asked.picture().cloned())
                    .collect::<Vec<_>>()
            };
            faces.of_person.iter().enumerate().map(of).collect::<Vec<_>>()
        };
        let (held_out, known) = (images(self), images(known));
        if held_out.iter().any(|own| own.len() != held_out[0].len()) {
            let counts = held_out.iter().zip(&*self.names).map(|(own, name)| format!("{} of {name}", own.len()));
            return Err(Error::input(format!(
                "{} holds out {}; data.twins needs as many of each, or leave it out",
                place.display(),
                counts.collect::<Vec<_>>().join(", ")
            )));
        }
        let far = |one: &Image, other: &Image| {
            let pixels = one.pixels.iter().zip(&other.pixels);
            pixels.map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum::<u64>()
        };
        let mut examples = Vec::new();
        for (from, to) in (0..self.names.len()).flat_map(|from| (0..self.names.len()).map(move |to| (from, to))) {
            for (given, wanted) in held_out[from].iter().zip(&held_out[to]).filter(|_| from != to) {
                let nearest = known[to].iter().min_by_key(|face| far(given, face));
                let nearest = nearest.map(|face| ("the nearest known face", Media::Image(face.clone())));
                let example = Example::pair(given.clone(), wanted.clone()).with(TO, self.names[to].as_str());
                examples.push(Example { nearest, ..example });
            }
        }
        Ok(examples)
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
        let (moved, still) = (moved.collect::<Vec<f32>>(), [0.0; 2 * GRID * GRID]);
        let lots = if self.jitter { draws.indices("data.jitter", MANY, n * JITTER.len()) } else { Vec::new() };
        let jitters = lots.chunks(JITTER.len()).map(|lots| {
            std::array::from_fn(|i| ((2.0 * f64::from(lots[i]) / f64::from(MANY) - 1.0) * JITTER[i]) as f32)
        });
        let jitters = jitters.map(Some).chain(std::iter::repeat(None));
        let changes =
            mirrored.into_iter().zip(moved.chunks(still.len())).zip(jitters).zip(self.colours(&drawn, &draws));
        let changes = changes.map(|(((mirrored, moved), jitter), like)| {
            let moved =
                [&still[..], moved].map(|moved| jitter.map_or(moved.to_vec(), |jitter| jittered(moved, jitter)));
            Change { is_mirrored: mirrored == 1, moved, like }
        });
        Ok(self.batch_of(&drawn, &changes.collect::<Vec<_>>()))
    }
}

/// How far the points of the grid go where it is turned around its middle, made larger by a share of itself, and shifted: radians and
/// shares of the side. What is seen through it turns, shrinks and moves the other way.
fn jittered(moved: &[f32], [turn, zoom, right, down]: [f32; 4]) -> Vec<f32> {
    let (sin, cos) = turn.sin_cos();
    let [sin, cos] = [sin, cos].map(|part| part * (1.0 + zoom));
    let at = |point: usize| [point % GRID, point / GRID].map(|at| at as f32 / (GRID - 1) as f32 - 0.5);
    let moves = (0..GRID * GRID).map(|point| (at(point), [moved[2 * point], moved[2 * point + 1]]));
    let moves = moves.map(|([x, y], [by_x, by_y])| {
        let [to_x, to_y] = [x + by_x, y + by_y];
        [cos * to_x - sin * to_y + right - x, sin * to_x + cos * to_y + down - y]
    });
    moves.flatten().collect()
}

/// The middle `[channels, side, side]` of a picture `[channels, wide, wide]` with its pixels taken from elsewhere (deepfakes' random warp):
/// each from where it is and the move of the grid there. The grid of 5x5 points spans the middle from edge to edge; `moved` has for each,
/// row by row, how far x and y go, in shares of the side. Moves and pixels are interpolated between their four neighbours, and beyond the
/// picture's edge it goes on as it is there.
fn warp(face: &[f32], [wide, side]: [usize; 2], moved: &[f32]) -> Vec<f32> {
    let around = ((wide - side) / 2) as f32;
    let between = |low: f32, high: f32, share: f32| low * (1.0 - share) + high * share; // exact at either end
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
            let pixel = |to: f32, at: usize| cell(to * side as f32 + at as f32 + around, wide);
            from.push((pixel(to_x, x), pixel(to_y, y)));
        }
    }
    let planes = face.chunks(wide * wide).flat_map(|plane| {
        from.iter().map(move |((left, right, across), (above, below, down))| {
            let row = |y: usize| between(plane[y * wide + left], plane[y * wide + right], *across);
            between(row(*above), row(*below), *down)
        })
    });
    planes.collect()
}

#[cfg(test)]
mod tests {
    use super::super::decode::tests::{SMALL, plain};
    use super::*;
    use crate::golden::{floats, numbers, wave, wave_at};
    use std::collections::BTreeSet;
    use std::fs;
    use tempfile::{TempDir, tempdir};

    /// So many faces of ann, bob and cid to learn from, and of ann held out, of the levels 1, 2, .. in this order.
    fn folder(counts: [usize; 4]) -> TempDir {
        let folder = tempdir().unwrap();
        let mut level = 0;
        for (person, count) in ["train/ann", "train/bob", "train/cid", "held-out/ann"].into_iter().zip(counts) {
            fs::create_dir_all(folder.path().join(person)).unwrap();
            for i in 0..count {
                level += 1;
                fs::write(folder.path().join(format!("{person}/{i:02}.png")), plain([level; 3])).unwrap();
            }
        }
        folder
    }

    fn portraits(folder: &TempDir) -> Portraits {
        Portraits { path: folder.path().to_owned(), colours: false, jitter: false, ..Portraits::default() }
    }

    fn names() -> Vec<String> {
        ["ann", "bob", "cid"].map(str::to_owned).to_vec()
    }

    fn opened(folder: &TempDir, names: &[String], batch: usize, held_out: bool) -> Result<Faces> {
        let order = (3, batch);
        Faces::open(&portraits(folder), folder.path(), None, names, SMALL, order, (held_out, &[]))
    }

    /// The face that is given.
    fn given(example: &Example) -> Option<Media> {
        example.asked.picture().cloned().map(Media::Image)
    }

    /// The level of each face of a batch, with its person.
    fn drawn(batch: &PortraitBatch) -> Vec<(usize, i32)> {
        let faces = batch.faces.iter::<f32>().step_by(3 * 64).map(|level| ((level + 1.0) * 127.5).round() as i32);
        batch.persons.iter().copied().zip(faces).collect()
    }

    #[test]
    fn a_batch_has_as_many_faces_of_each_person_the_rest_goes_round_and_every_face_comes_once_a_pass() {
        let folder = folder([4, 2, 3, 1]);
        let faces = opened(&folder, &names(), 4, false).unwrap();
        assert_eq!((faces.items(), faces.classes()), (9, 3));
        let batches = (0..9).map(|step| drawn(&faces.batch(step).unwrap())).collect::<Vec<_>>();
        let counts =
            |batch: &Vec<(usize, i32)>| [0, 1, 2].map(|person| batch.iter().filter(|one| one.0 == person).count());
        assert_eq!([0, 1, 2].map(|step| counts(&batches[step])), [[2, 1, 1], [1, 2, 1], [1, 1, 2]]);
        assert!(batches.iter().all(|batch| batch.is_sorted_by_key(|one| one.0)));
        for (person, levels) in [(0, 1..=4), (1, 5..=6), (2, 7..=9)] {
            let all = batches.iter().flatten().filter(|one| one.0 == person).map(|one| one.1).collect::<Vec<_>>();
            assert_eq!(all.len(), 12);
            for pass in all.chunks(levels.clone().count()) {
                assert_eq!(
                    pass.iter().copied().collect::<BTreeSet<_>>(),
                    levels.clone().collect(),
                    "{person}: {all:?}"
                );
            }
        }
        assert_eq!(drawn(&faces.batch(5).unwrap()), batches[5], "whatever was asked before");
    }

    #[test]
    fn what_is_held_out_may_lack_a_person_and_is_shown_and_measured_as_it_is() {
        let folder = folder([4, 2, 3, 2]);
        let faces = opened(&folder, &names(), 2, true).unwrap();
        let mut levels = drawn(&faces.batch(0).unwrap());
        levels.sort_unstable();
        assert_eq!(levels, [(0, 10), (0, 11)]);
        let drawing = Drawing { split: Split::Test, seed: 1, batch: 2 };
        let asked = portraits(&folder).open(&names(), SMALL, drawing).unwrap().asked();
        assert_eq!(asked.len(), 2);
        for example in asked {
            assert_eq!((example.asked.text(TO), &example.wanted), (Some("ann"), &given(&example)));
        }
    }

    #[test]
    fn twins_are_measured_against_each_other_beside_the_nearest_known_face() {
        let folder = folder([4, 2, 3, 2]);
        fs::remove_dir_all(folder.path().join("train/cid")).unwrap();
        let twins = Portraits { twins: true, ..portraits(&folder) };
        let drawing = Drawing { split: Split::Test, seed: 1, batch: 2 };
        let asked = || twins.open(&names()[..2], SMALL, drawing).map(|source| source.asked());
        let error = asked().err().unwrap().to_string();
        assert!(error.contains("holds out 2 of ann, 0 of bob; data.twins needs as many of each"), "{error}");
        fs::create_dir(folder.path().join("held-out/bob")).unwrap();
        for level in [7, 8] {
            fs::write(folder.path().join(format!("held-out/bob/{level}.png")), plain([level; 3])).unwrap();
        }
        let level = |media: &Media| match media {
            Media::Image(image) => image.pixels[0],
            _ => unreachable!(),
        };
        let told = asked().unwrap();
        let told = told.iter().map(|example| {
            let (name, nearest) = example.nearest.as_ref().unwrap();
            assert_eq!(*name, "the nearest known face");
            let given = given(example).unwrap();
            (level(&given), example.asked.text(TO).unwrap(), level(example.wanted.as_ref().unwrap()), level(nearest))
        });
        // Faces of ann have the levels 1 to 4, those held out 10 and 11; of bob 5 and 6.
        assert_eq!(
            told.collect::<Vec<_>>(),
            [(10, "bob", 7, 6), (11, "bob", 8, 6), (7, "ann", 10, 4), (8, "ann", 11, 4)]
        );
    }

    #[test]
    fn every_face_is_shown_as_its_own_person_and_as_the_next_one_beside_a_face_of_that() {
        let folder = folder([4, 2, 3, 1]);
        let examples = opened(&folder, &names(), 3, false).unwrap().batch(0).unwrap().examples();
        let to = examples.iter().map(|example| example.asked.text(TO).unwrap()).collect::<Vec<_>>();
        assert_eq!(to, ["ann", "bob", "cid", "bob", "cid", "ann"]);
        let (own, swapped) = examples.split_at(3);
        assert!(own.iter().all(|example| example.wanted == given(example)));
        for (i, example) in swapped.iter().enumerate() {
            assert!(example.wanted.is_none() && given(example) == given(&own[i]));
            assert_eq!(example.beside, own[(i + 1) % 3].wanted);
        }
    }

    #[test]
    fn a_warp_takes_pixels_from_where_the_grid_is_moved_as_numpy_does() {
        // Made by tests/golden/faceswap.py.
        let golden = include_str!("../../../tests/golden/faceswap.json");
        let wanted = numbers(&serde_json::from_str::<serde_json::Value>(golden).unwrap()["warped"]);
        let face = floats(wave([2, 10, 10], 0.31)).into_iter().map(|value| value as f32).collect::<Vec<_>>();
        let moved = (0..50).map(|i| (0.2 * f64::from(wave_at(i, 1.7) as f32)) as f32).collect::<Vec<_>>();
        let found = warp(&face, [10, 10], &moved);
        assert!(found.iter().zip(&wanted).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-5), "{found:?}");
        assert_eq!(warp(&face, [10, 10], &[0.0; 50]), face, "a grid that is not moved");
        let aside = (0..50).map(|i| if i % 2 == 0 { 0.1 } else { 0.0 }).collect::<Vec<_>>();
        let found = warp(&face, [10, 10], &aside); // by a pixel to the left
        assert!((0..9).all(|x| (found[x] - face[x + 1]).abs() < 1e-5) && (found[9] - face[9]).abs() < 1e-5);
        // With room around it, what is moved in is what was there.
        let aside = (0..50).map(|i| if i % 2 == 0 { 1.0 / 6.0 } else { 0.0 });
        assert_eq!(warp(&face, [10, 6], &[0.0; 50])[..6], face[22..28]);
        let found = warp(&face, [10, 6], &aside.collect::<Vec<_>>());
        assert!((0..6).all(|x| (found[x] - face[23 + x]).abs() < 1e-5), "{found:?}");
    }

    #[test]
    fn a_face_is_turned_enlarged_and_shifted_with_its_warp() {
        assert!(jittered(&[0.0; 50], [0.0; 4]).iter().all(|by| *by == 0.0));
        // A quarter turn around the middle: the corners go round.
        let quarter = jittered(&[0.0; 50], [std::f32::consts::FRAC_PI_2, 0.0, 0.0, 0.0]);
        let goes = |moved: &[f32], point: usize| [moved[2 * point], moved[2 * point + 1]];
        let near = |a: [f32; 2], b: [f32; 2]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(near(goes(&quarter, 0), [1.0, 0.0]) && near(goes(&quarter, 4), [0.0, 1.0]));
        assert!(near(goes(&quarter, 12), [0.0, 0.0]), "the middle stays");
        let mut warped = [0.0; 50];
        warped[24] = 0.1; // the middle, to the right
        let all = jittered(&warped, [0.0, 0.5, 0.2, -0.1]);
        assert!(near(goes(&all, 12), [0.15 + 0.2, -0.1]) && near(goes(&all, 0), [-0.25 + 0.2, -0.25 - 0.1]), "{all:?}");
        // Of two draws, faces and warped faces are both other ones; without warp they are the same.
        let folder = folder([3, 3, 3, 1]);
        image::RgbImage::from_fn(64, 64, |x, y| image::Rgb([4 * x as u8, 4 * y as u8, 9]))
            .save(folder.path().join("train/ann/00.png"))
            .unwrap();
        let shape = Shape { channels: 3, side: 32 };
        let jitter = Portraits { jitter: true, mirror: false, warp: 0.0, ..portraits(&folder) };
        let batch = |step| {
            let faces = Faces::open(&jitter, folder.path(), None, &names(), shape, (1, 9), (false, &[])).unwrap();
            faces.batch(step).unwrap()
        };
        let values = |data: &TensorData| data.iter::<f32>().collect::<Vec<_>>();
        assert_eq!(values(&batch(0).faces), values(&batch(0).warped));
        assert_ne!(values(&batch(0).faces), values(&batch(1).faces));
    }

    #[test]
    fn warps_differ_are_as_large_as_they_should_and_faces_are_mirrored_before() {
        let folder = tempdir().unwrap();
        for person in ["ann", "bob"] {
            fs::create_dir(folder.path().join(person)).unwrap();
            for i in 0..4 {
                // Lighter to the right
                let ramp = image::RgbImage::from_fn(64, 64, |x, _| image::Rgb([4 * x as u8; 3]));
                let file = folder.path().join(format!("{person}/{i}.png"));
                ramp.save(file).unwrap();
            }
        }
        let open = |mirror: bool, warp: f64| {
            let portraits = Portraits { mirror, warp, inner: 1.0, validation_share: 0.0, ..portraits(&folder) };
            let shape = Shape { channels: 3, side: 64 };
            Faces::open(&portraits, folder.path(), None, &names()[..2], shape, (1, 64), (false, &[])).unwrap()
        };
        let values = |data: &TensorData| data.iter::<f32>().collect::<Vec<_>>();
        let still = open(true, 0.0).batch(0).unwrap();
        assert_eq!(values(&still.faces), values(&still.warped));
        let faces = values(&still.faces);
        let mirrored = faces.chunks(3 * 64 * 64).filter(|face| face[0] > face[63]).count();
        assert!((16..48).contains(&mirrored), "{mirrored} of 64");

        let batch = open(false, 0.03).batch(0).unwrap();
        let (faces, warped) = (values(&batch.faces), values(&batch.warped));
        // At points of the grid, how far x is moved: levels are 4 a pixel.
        let moves = [16, 32, 48].into_iter().flat_map(|y| [16, 32, 48].map(|x| 64 * y + x)).flat_map(|at| {
            let moved = |face: usize| (warped[face * 3 * 4096 + at] - faces[face * 3 * 4096 + at]) * 127.5 / 4.0 / 64.0;
            (0..64).map(moved).collect::<Vec<_>>()
        });
        let moves = moves.collect::<Vec<f32>>();
        let deviation = (moves.iter().map(|by| by * by).sum::<f32>() / moves.len() as f32).sqrt();
        assert!((deviation - 0.03).abs() < 0.004, "{deviation}");
        assert_ne!(values(&open(false, 0.03).batch(1).unwrap().warped), warped);
    }

    #[test]
    fn half_of_the_faces_have_the_colours_of_somebody_elses() {
        let folder = folder([3, 3, 3, 3]);
        let open = |colours: bool| {
            let portraits = Portraits { colours, mirror: false, validation_share: 0.0, ..portraits(&folder) };
            Faces::open(&portraits, folder.path(), None, &names(), SMALL, (1, 60), (false, &[])).unwrap()
        };
        let [own, coloured] = [false, true].map(|colours| open(colours).batch(0).unwrap());
        let size = 3 * SMALL.side * SMALL.side;
        let faces = |batch: &PortraitBatch| batch.faces.iter::<f32>().collect::<Vec<_>>();
        let (own_faces, coloured_faces) = (faces(&own), faces(&coloured));
        let pairs = own_faces.chunks(size).zip(coloured_faces.chunks(size)).zip(&own.persons);
        let changed = pairs.clone().filter(|((own, coloured), _)| own != coloured).count();
        assert!((15..45).contains(&changed), "{changed} of 60");
        assert_eq!(own.persons, coloured.persons);
        // Plain faces become those whose colours they take: of another person.
        for ((own, coloured), person) in pairs.filter(|((own, coloured), _)| own != coloured) {
            let whose = own_faces
                .chunks(size)
                .zip(&open(false).batch(0).unwrap().persons)
                .any(|(face, other)| other != person && face.iter().zip(coloured).all(|(a, b)| (a - b).abs() < 0.005));
            assert!(whose, "{:?} became {:?}", own[0], coloured[0]);
        }
    }

    #[test]
    fn folders_that_are_no_persons_are_refused_with_the_way_out() {
        let said = |result: Result<Faces>| result.err().unwrap().to_string();
        let few = tempdir().unwrap();
        fs::write(few.path().join("a.png"), plain([1; 3])).unwrap();
        let error = portraits(&few).persons().unwrap_err();
        assert!(error.exit_code() == 2 && error.to_string().contains("into a folder of its own"), "{error}");
        let error = Portraits::default().persons().unwrap_err().to_string();
        assert!(error.contains("--data DIR") && error.contains("`ganvas data faces VIDEO... -o DIR`"), "{error}");

        let folder = folder([2, 2, 2, 1]);
        assert_eq!(portraits(&folder).persons().unwrap(), names());
        let unknown = said(opened(&folder, &names()[..2], 2, false));
        assert!(unknown.contains("has faces of cid, whom the configuration does not name"), "{unknown}");
        let nobody = said(opened(&folder, &[names(), vec!["dan".into()]].concat(), 4, false));
        assert!(nobody.contains("has no faces of dan to learn from"), "{nobody}");
        fs::write(folder.path().join("train/ann/broken.png"), "no picture").unwrap();
        assert!(said(opened(&folder, &names(), 3, false)).contains("broken.png is not a picture"));
        let skipping = Portraits { skip_broken: true, ..portraits(&folder) };
        let open = |held_out| Faces::open(&skipping, folder.path(), None, &names(), SMALL, (1, 3), (held_out, &[]));
        assert_eq!((open(false).unwrap().items(), open(true).unwrap().items()), (6, 1));
    }

    #[test]
    fn another_face_or_another_name_is_other_data() {
        let folder = folder([2, 2, 2, 1]);
        let print =
            || opened(&folder, &portraits(&folder).persons().unwrap(), 3, false).unwrap().fingerprint().unwrap();
        let before = print();
        assert_eq!(print(), before);
        fs::write(folder.path().join("train/ann/00.png"), plain([99; 3])).unwrap();
        let changed = print();
        fs::rename(folder.path().join("train/bob"), folder.path().join("train/bea")).unwrap();
        assert!(before != changed && print() != changed);
    }
}
