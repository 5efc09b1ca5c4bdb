//! How good a face swap is, on faces that were held out: whose face is seen, and whether it looks where the given one did.
//!
//! ```sh
//! cargo run --release --example measure_swap -- runs/0001-faceswap faces/
//! ```
//!
//! The folder is one of `ganvas data faces`. Each held-out face is given to each other person, as `ganvas apply` does it. Beside it: the
//! face unchanged, and the learned face of the other person whose landmarks are nearest, in the given
//! face's colours and place.

use std::collections::BTreeMap;
use std::path::Path;

use ganvas::data::people::identity::{Identity, Vector, alike};
use ganvas::data::people::mtcnn::Mtcnn;
use ganvas::media::face::{Similarity, aligned, core_of, matched, put_back};
use ganvas::media::{Image, Picture};
use ganvas::swap::Swap;
use ganvas::{Error, RECIPES, Result, RunDir, Sample, Value, device, sample};

/// The side of pasted faces in pixels.
const SIDE: usize = 128;
/// Held-out faces of each person, evenly chosen.
const MOST: usize = 100;

type Points = [[f64; 2]; 5];

struct Eyes {
    detector: Mtcnn,
    identity: Identity,
}

/// Where a face has its landmarks and whose it is.
struct Seen {
    points: Points,
    vector: Vector,
}

impl Eyes {
    fn see(&self, face: &Image) -> Result<Option<Seen>> {
        let Some(found) = self.detector.faces(&face.to_rgb())?.into_iter().next() else { return Ok(None) };
        let points = found.points();
        let Some(square) = Identity::square(face, &points) else { return Ok(None) };
        Ok(Some(Seen { points, vector: self.identity.of(&[square])?.remove(0) }))
    }
}

/// The faces of a part, by person.
fn faces(folder: &Path, part: &str, most: usize) -> Result<BTreeMap<String, Vec<Image>>> {
    let list = |folder: &Path| {
        let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
        let wrong = |error| Error::input(format!("{} cannot be listed: {error}", folder.display()));
        let mut paths = entries.map_err(wrong)?.into_iter().map(|entry| entry.path()).collect::<Vec<_>>();
        paths.sort();
        Ok::<_, Error>(paths)
    };
    let mut found = BTreeMap::new();
    for person in list(&folder.join(part))? {
        let paths = list(&person)?;
        let some = paths.iter().step_by(paths.len().div_ceil(most).max(1));
        let faces = some.map(|path| Ok(Picture::read(path)?.raster.shallow().into_image().to_colour()));
        let name = person.file_name().unwrap_or_default().to_string_lossy().into_owned();
        found.insert(name, faces.collect::<Result<Vec<_>>>()?);
    }
    Ok(found)
}

fn mean(vectors: &[&Vector]) -> Vector {
    let mut sum = [0.0; 192];
    vectors.iter().for_each(|vector| sum.iter_mut().zip(*vector).for_each(|(sum, value)| *sum += value));
    let length = sum.iter().map(|value| value * value).sum::<f32>().sqrt();
    sum.map(|value| value / length)
}

/// A picture with the face of another one pasted in, by the landmarks of both.
fn pasted(given: &Image, own: &Points, other: &Image, of_other: &Points) -> Image {
    let mut made = given.clone();
    let places = [own, of_other].map(|points| Similarity::of_face(points, SIDE));
    if let [Some(to_own), Some(to_other)] = places {
        let face =
            matched(&aligned(other, &to_other, SIDE), &aligned(given, &to_own, SIDE), &core_of(SIDE, &to_own, own));
        put_back(&mut made, &face, &vec![1.0; SIDE * SIDE], &to_own, own);
    }
    made
}

/// How far landmarks are apart on average, in distances of the first ones' eyes.
fn apart(one: &Points, other: &Points) -> f64 {
    let far = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
    one.iter().zip(other).map(|(a, b)| far(*a, *b)).sum::<f64>() / 5.0 / far(one[0], one[1])
}

/// A mean with 1.96 standard errors, and the median.
fn told(values: &[f64]) -> String {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let deviation = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt();
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = 1.96 * deviation / count.sqrt();
    format!("{mean:.3} [{:.3}, {:.3}], median {:.3}", mean - half, mean + half, sorted[sorted.len() / 2])
}

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(run), Some(folder)) = (args.next(), args.next()) else {
        return Err(Error::input("give a run of faceswap and a folder of ganvas data faces"));
    };
    let (run, folder) = (RunDir::open(Path::new(&run))?, Path::new(&folder));
    let model = sample::model(&run.config(RECIPES)?, &sample::checkpoint(&run, None)?, &device::cpu())?;
    let device = device::cpu();
    let eyes = Eyes { detector: Mtcnn::load(&device, &mut |_| ())?, identity: Identity::load(&device, &mut |_| ())? };
    let (learned, held_out) = (faces(folder, "train", 4 * MOST)?, faces(folder, "held-out", MOST)?);
    let mut known = BTreeMap::new();
    for (person, faces) in &learned {
        let mut seen = Vec::new();
        for face in faces {
            seen.extend(eyes.see(face)?.map(|seen| (face, seen)));
        }
        let vector = mean(&seen.iter().map(|(_, seen)| &seen.vector).collect::<Vec<_>>());
        known.insert(person.as_str(), (vector, seen));
    }
    println!(
        "| from, to | what | identity to the target | identity to the source | landmarks from the given ones | lost |"
    );
    println!("|---|---|---|---|---|---|");
    for (from, faces) in &held_out {
        for (to, (target, others)) in known.iter().filter(|(to, _)| *to != from) {
            let Some((source, _)) = known.get(from.as_str()) else { continue };
            let mut swap = Swap::new(model.as_ref(), Sample::seed(0).with("to", Value::from(*to)), &mut |_| ())?;
            let mut rows = [("swapped", Vec::new()), ("unchanged", Vec::new()), ("nearest real face", Vec::new())];
            let (mut given, mut lost) = (0, [0; 3]);
            for face in faces {
                let Some(own) = eyes.see(face)? else { continue };
                given += 1;
                let far = |(_, other): &&(&Image, Seen)| apart(&own.points, &other.points);
                let nearest = others.iter().min_by(|a, b| far(a).total_cmp(&far(b)));
                let pasted = nearest.map(|(other, seen)| pasted(face, &own.points, other, &seen.points));
                for (i, made) in [swap.image(face.clone())?.0, face.clone(), pasted.unwrap_or_else(|| face.clone())]
                    .iter()
                    .enumerate()
                {
                    match eyes.see(made)? {
                        Some(seen) => rows[i].1.push([
                            f64::from(alike(&seen.vector, target)),
                            f64::from(alike(&seen.vector, source)),
                            apart(&own.points, &seen.points),
                        ]),
                        None => lost[i] += 1,
                    }
                }
            }
            for ((what, values), lost) in rows.iter().zip(lost).filter(|((_, values), _)| values.len() > 1) {
                let column = |i: usize| told(&values.iter().map(|row| row[i]).collect::<Vec<f64>>());
                println!(
                    "| {from}, {to} | {what} | {} | {} | {} | {lost} of {given} |",
                    column(0),
                    column(1),
                    column(2)
                );
            }
        }
    }
    Ok(())
}
