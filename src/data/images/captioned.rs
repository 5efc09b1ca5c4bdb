//! Pictures with captions to learn from, and what an encoder of sentences makes of these.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use burn::tensor::TensorData;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::attributes::{self, Said};
use super::captions::Captions;
use super::folder::Listing;
use super::pack::Pack;
use super::{Batch, Crop, Images, Pictures, Shape, decode_all, images_of, pack, packed_part};
use crate::data::source::{Asked, Drawing, Source, Split};
use crate::data::vectors::{Encoder, Vectors};
use crate::data::{cache, holds_digits};
use crate::error::{Error, Result};
use crate::hash;
use crate::media::{Image, Media};
use crate::random::Draws;
use crate::request::{self, Example, Sample};

/// The name under which a caption is given to a model.
pub const TEXT: &str = "text";

/// A batch of pictures with a caption each, on the host.
#[derive(Clone, Debug)]
pub struct CaptionedBatch {
    /// `[n, channels, side, side]`, f32 in [-1, 1].
    pub pixels: TensorData,
    /// The caption of each, one of its own.
    pub captions: Vec<String>,
    /// What the encoder makes of these, `[n, width]`.
    pub vectors: TensorData,
    /// The same of captions of other pictures of the batch, none of which are said of this one where there is any such.
    pub wrong: TensorData,
    /// Those of captions of any pictures, `[others, width]`.
    pub others: TensorData,
}

/// What is made of the captions of a batch.
pub struct Sentences<'a> {
    /// Who makes vectors of them.
    pub encoder: &'a Encoder<'a>,
    /// Which ones are wrong.
    pub wrong: Wrong,
    /// How many others there are beside a batch's own.
    pub others: usize,
}

impl request::Batch for CaptionedBatch {
    fn examples(&self) -> Vec<Example> {
        let pictures = images_of(&self.pixels).into_iter().zip(&self.captions);
        let example = |(picture, caption): (_, &String)| Example {
            asked: Sample::seed(0).with(TEXT, caption.as_str()),
            wanted: None,
            beside: Some(Media::Image(picture)),
            nearest: None,
        };
        pictures.map(example).collect()
    }
}

/// Which caption is a wrong one of a picture, of those of the other pictures of a batch that are not said of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Wrong {
    /// Any: mostly one that differs in everything.
    #[default]
    Any,
    /// The most like the right one, by the cosine of their vectors: mostly one that differs in a word or two.
    Nearest,
}

/// The batches of the training pictures with their captions, or of those held out, as [`super::open`] has them of pictures alone. Each
/// draw takes one of a picture's captions at random.
///
/// An error lists the pictures that have no caption and the captions that cannot be used, beside what cannot be decoded.
pub fn open(
    images: &Images,
    set: &str,
    shape: Shape,
    drawing: Drawing,
    sentences: &Sentences,
) -> Result<Box<dyn Source<CaptionedBatch>>> {
    if drawing.split == Split::Test {
        return Ok(Box::new(Asked(Vec::new())));
    }
    let (order, held_out) = ((drawing.seed, drawing.batch), drawing.is_held_out());
    Ok(Box::new(Captioned::open(images, set, shape, order, held_out, sentences)?))
}

/// So many captions of the training pictures, spread over these; fewer where there are no more.
pub fn some(images: &Images, set: &str, most: usize) -> Result<Vec<String>> {
    let (listing, captions) = listed(images, set)?;
    let learned = listing.pictures.iter().filter(|picture| !picture.held_out);
    let each = learned.filter_map(|picture| captions.of[picture.label as usize].first());
    let each = each.collect::<BTreeSet<_>>().into_iter().cloned().collect::<Vec<_>>();
    let step = each.len().div_ceil(most.max(1)).max(1);
    Ok(each.into_iter().step_by(step).collect())
}

/// A picture with all that is said of it.
#[derive(Clone, Debug)]
pub struct Told {
    /// The picture, in one shape with the others.
    pub picture: Image,
    /// Its captions, at least one.
    pub captions: Vec<String>,
    /// What a table says of it.
    pub said: Vec<Said>,
}

/// All captioned pictures of a place.
#[derive(Clone, Debug)]
pub struct AllTold {
    /// Those to learn from.
    pub learned: Vec<Told>,
    /// Those that no training sees.
    pub held_out: Vec<Told>,
    /// The phrasings of captions, where a table says them.
    pub phrasings: BTreeMap<String, String>,
}

/// All captioned pictures, as [`open`] has them, in the middle of a picture and not mirrored, and what a table says of each.
pub fn told(images: &Images, set: &str, shape: Shape) -> Result<AllTold> {
    let images = Images { crop: Crop::Centre, mirror: false, ..images.clone() };
    let (listing, captions) = listed(&images, set)?;
    let said = attributes::of(&listing, &captions);
    let place = images.place(set)?;
    let part = |held_out| {
        let pack = packed(&images, &place, &listing, shape, held_out)?;
        let told = pack.labels.iter().enumerate().map(|(i, label)| {
            let planes = pack.picture(i).chunks(shape.side * shape.side).collect::<Vec<_>>();
            let pixels = (0..planes[0].len()).flat_map(|at| planes.iter().map(move |plane| plane[at])).collect();
            Told {
                picture: Image::new(shape.side, shape.side, shape.channels, pixels),
                captions: captions.of[*label as usize].clone(),
                said: said[*label as usize].clone(),
            }
        });
        Ok::<_, Error>(told.collect::<Vec<Told>>())
    };
    Ok(AllTold { learned: part(false)?, held_out: part(true)?, phrasings: captions.phrasings.clone() })
}

/// The pictures of one part of a listing with captions, packed.
fn packed(images: &Images, place: &Path, listing: &Listing, shape: Shape, held_out: bool) -> Result<Pack> {
    let cache = cache::packed()?;
    let packed = Shape { side: images.packed_side(shape.side), ..shape };
    let settings = format!("captioned {packed:?} {:?} {}", images.layout, images.skip_broken);
    let settings = format!("{settings} {} {:?}", images.validation_share, images.crop);
    let file = cache.as_deref().map(|cache| pack::file(cache, place, &settings));
    let decode = || decode_all(images, place, listing, packed);
    packed_part(file.as_deref(), listing.fingerprint(), packed, held_out, decode)
}

/// The pictures that have captions, each labelled by its place among the captions, and those. Pictures without are problems.
fn listed(images: &Images, set: &str) -> Result<(Listing, Captions)> {
    let place = images.place(set)?;
    let none = || {
        Error::input(format!(
            "{} has no captions; put a text beside each picture, such as a.txt for a.png with one caption a line, or a table \
             captions.csv with the columns file and caption",
            place.display()
        ))
    };
    if holds_digits(&place) {
        return Err(none());
    }
    let mut listing = Listing::of(&place, images.layout, images.validation_share)?;
    let mut captions = Captions::of(&listing);
    if captions.count() == 0 && captions.problems.is_empty() {
        return Err(none());
    }
    (0..).zip(&mut listing.pictures).for_each(|(i, picture)| picture.label = i);
    listing.problems.append(&mut captions.problems);
    let mut without = Vec::new();
    listing.pictures.retain(|picture| {
        let has_caption = !captions.of[picture.label as usize].is_empty();
        without.extend((!has_caption).then(|| format!("{} has no caption", picture.name())));
        has_caption
    });
    listing.problems.append(&mut without);
    Ok((listing, captions))
}

/// Pictures in memory with their captions.
struct Captioned {
    pictures: Pictures,
    /// Those of each picture, by its label.
    captions: Vec<Vec<String>>,
    vectors: Vectors,
    wrong: Wrong,
    others: usize,
    notes: Vec<String>,
}

impl Captioned {
    fn open(
        images: &Images,
        set: &str,
        shape: Shape,
        order: (u64, usize),
        held_out: bool,
        &Sentences { encoder, wrong, others }: &Sentences,
    ) -> Result<Self> {
        let (place, cache) = (images.place(set)?, cache::packed()?);
        let (listing, Captions { of: captions, notes, .. }) = listed(images, set)?;
        let pack = packed(images, &place, &listing, shape, held_out)?;
        let of_part = pack.labels.iter().flat_map(|label| &captions[*label as usize]);
        let vectors = Vectors::of(of_part.map(String::as_str).collect(), encoder, cache.as_deref())?;
        let pictures = Pictures::of(images, pack, shape, order, held_out);
        Ok(Captioned { pictures, captions, vectors, wrong, others, notes })
    }
}

impl Source<CaptionedBatch> for Captioned {
    fn items(&self) -> usize {
        self.pictures.items()
    }

    fn fingerprint(&self) -> Option<String> {
        let of_part = self.pictures.pack.labels.iter().flat_map(|label| &self.captions[*label as usize]);
        let captions = hash::sha256_of(of_part.flat_map(|caption| [caption.as_str(), "\n"]));
        Some(hash::sha256_of([self.pictures.fingerprint()?, captions]))
    }

    fn remarks(&self) -> Vec<String> {
        [self.pictures.remarks(), self.notes.clone()].concat()
    }

    fn batch(&self, step: u64) -> Result<CaptionedBatch> {
        const MANY: u32 = 1 << 24; // beside it, a picture has few captions
        let Batch { pixels, labels } = self.pictures.batch(step)?;
        let n = labels.len();
        let of = |i: usize| &self.captions[labels[i] as usize];
        let draws = Draws::new(self.pictures.seed, step);
        let chosen = draws.indices("data.caption", MANY, n);
        let captions = (0..n).map(|i| of(i)[chosen[i] as usize % of(i).len()].clone()).collect::<Vec<_>>();
        // Vectors have the length 1, so their product is their cosine.
        let alike =
            |a: &str, b: &str| self.vectors.row(a).iter().zip(self.vectors.row(b)).map(|(a, b)| a * b).sum::<f32>();
        let others = (0..n).map(|i| {
            let others = (1..n).map(|step| &captions[(i + step) % n]);
            let mut wrong = others.filter(|other| !of(i).contains(other));
            let wrong = match self.wrong {
                Wrong::Any => wrong.next(),
                Wrong::Nearest => {
                    let nearest = wrong.map(|other| (alike(&captions[i], other), other));
                    nearest.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, other)| other)
                }
            };
            wrong.unwrap_or(&captions[(i + 1) % n])
        });
        let vectors = |captions: Vec<&String>| {
            let rows = captions.into_iter().flat_map(|caption| self.vectors.row(caption));
            TensorData::new(rows.copied().collect::<Vec<f32>>(), [n, self.vectors.width()])
        };
        let (wrong, vectors) = (vectors(others.collect()), vectors(captions.iter().collect()));
        let others = draws.indices("data.others", self.vectors.count() as u32, self.others);
        let others = others.into_iter().flat_map(|row| self.vectors.at(row as usize)).copied().collect::<Vec<f32>>();
        let others = TensorData::new(others, [self.others, self.vectors.width()]);
        Ok(CaptionedBatch { pixels, captions, vectors, wrong, others })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Survey;
    use super::super::decode::tests::{SMALL, plain};
    use super::*;
    use std::fs;
    use tempfile::{TempDir, tempdir};

    /// Ten plain pictures: the i-th of the level 20 i, with the captions "picture i" and "it is even" or "it is odd".
    fn folder() -> TempDir {
        let folder = tempdir().unwrap();
        for i in 0..10_u8 {
            fs::write(folder.path().join(format!("{i}.png")), plain([20 * i; 3])).unwrap();
            let parity = ["even", "odd"][usize::from(i) % 2];
            fs::write(folder.path().join(format!("{i}.txt")), format!("picture {i}\nit is {parity}\n")).unwrap();
        }
        folder
    }

    fn images(folder: &TempDir) -> Images {
        Images { path: folder.path().to_owned(), validation_share: 0.0, ..Images::default() }
    }

    /// A caption's length and its last letter.
    fn encode(texts: &[&str]) -> Result<Vec<f32>> {
        Ok(texts.iter().flat_map(|text| [text.len() as f32, f32::from(text.as_bytes()[text.len() - 1])]).collect())
    }

    fn opened(images: &Images, batch: usize) -> Result<Captioned> {
        let encoder = Encoder { id: "test", width: 2, encode: &encode };
        let sentences = Sentences { encoder: &encoder, wrong: Wrong::Any, others: 3 };
        Captioned::open(images, "", SMALL, (1, batch), false, &sentences)
    }

    /// By vectors on the unit circle: the letters' places in the alphabet as degrees.
    #[test]
    fn the_nearest_wrong_caption_is_the_most_like_the_right_one_that_is_not_said_of_the_picture() {
        let folder = tempdir().unwrap();
        for (i, captions) in ["a\nc", "b", "g", "n"].into_iter().enumerate() {
            fs::write(folder.path().join(format!("{i}.png")), plain([20 * i as u8; 3])).unwrap();
            fs::write(folder.path().join(format!("{i}.txt")), captions).unwrap();
        }
        let angle = |text: &str| f32::from(text.as_bytes()[0] - b'a').to_radians();
        let encode =
            |texts: &[&str]| Ok(texts.iter().flat_map(|text| [angle(text).cos(), angle(text).sin()]).collect());
        let encoder = Encoder { id: "circle", width: 2, encode: &encode };
        let sentences = Sentences { encoder: &encoder, wrong: Wrong::Nearest, others: 0 };
        let source = Captioned::open(&images(&folder), "", SMALL, (1, 4), false, &sentences).unwrap();
        for step in 0..10 {
            let CaptionedBatch { captions, wrong, .. } = source.batch(step).unwrap();
            let wrong = wrong.iter::<f32>().collect::<Vec<_>>();
            for (i, caption) in captions.iter().enumerate() {
                let first = captions.iter().find(|caption| ["a", "c"].contains(&caption.as_str())).unwrap();
                let nearest =
                    [("a", "b"), ("c", "b"), ("b", first), ("g", if first == "c" { "c" } else { "b" }), ("n", "g")];
                let nearest = nearest.into_iter().find(|(own, _)| own == caption).unwrap().1;
                let found = (wrong[2 * i + 1].atan2(wrong[2 * i]).to_degrees().round() as u8 + b'a') as char;
                assert_eq!(found.to_string(), nearest, "of {caption} among {captions:?}");
            }
        }
    }

    #[test]
    fn a_batch_has_its_pictures_captions_with_their_vectors_and_those_of_captions_that_are_wrong() {
        let folder = folder();
        let source = opened(&images(&folder), 6).unwrap();
        assert_eq!(source.items(), 10);
        let mut seen = BTreeSet::new();
        for step in 0..20 {
            let CaptionedBatch { pixels, captions, vectors, wrong, others } = source.batch(step).unwrap();
            let levels = pixels.iter::<f32>().step_by(3 * SMALL.side * SMALL.side);
            let numbers = levels.map(|level| ((level + 1.0) * 127.5 / 20.0).round() as usize).collect::<Vec<_>>();
            let said = |number: usize| [format!("picture {number}"), format!("it is {}", ["even", "odd"][number % 2])];
            let wrong = wrong.iter::<f32>().collect::<Vec<_>>();
            for (i, caption) in captions.iter().enumerate() {
                assert!(said(numbers[i]).contains(caption), "{caption} of picture {}", numbers[i]);
                let right = said(numbers[i]).map(|text| encode(&[&text]).unwrap());
                assert!(!right.contains(&wrong[2 * i..][..2].to_vec()), "{caption} is said of it");
                let known = captions.iter().any(|text| encode(&[text]).unwrap() == wrong[2 * i..][..2]);
                assert!(known, "a wrong one is another's");
                seen.insert(caption.clone());
            }
            let others = others.iter::<f32>().collect::<Vec<_>>();
            let all = (0..10).flat_map(&said).map(|text| encode(&[&text]).unwrap()).collect::<Vec<_>>();
            assert!(others.len() == 2 * 3 && others.chunks(2).all(|other| all.contains(&other.to_vec())), "{others:?}");
            let texts = captions.iter().map(String::as_str).collect::<Vec<_>>();
            assert_eq!(vectors.iter::<f32>().collect::<Vec<_>>(), encode(&texts).unwrap());
            assert_eq!(source.batch(step).unwrap().captions, captions);
        }
        assert_eq!(seen.len(), 12, "every caption comes");
        let examples = request::Batch::examples(&source.batch(0).unwrap());
        assert_eq!(examples[2].asked.text(TEXT), Some(source.batch(0).unwrap().captions[2].as_str()));
    }

    #[test]
    fn pictures_without_captions_are_named_and_left_where_one_asks_for_it() {
        let folder = folder();
        let [three, four] = ["3.txt", "4.txt"].map(|name| folder.path().join(name));
        let before = opened(&images(&folder), 2).unwrap().fingerprint();
        fs::write(four, "another").unwrap();
        assert_ne!(opened(&images(&folder), 2).unwrap().fingerprint(), before, "a caption is part of the data");
        fs::remove_file(three).unwrap();
        let Err(Error::Unusable(unusable)) = opened(&images(&folder), 2) else { panic!("3.png has no caption") };
        assert_eq!(unusable.problems, ["3.png has no caption"]);
        let skipping = Images { skip_broken: true, ..images(&folder) };
        assert_eq!(opened(&skipping, 2).unwrap().items(), 9);
        let Survey { notes, .. } = super::super::survey(&images(&folder), "").unwrap();
        assert_eq!(notes[0], "captions: 17, 1 to 2 a picture; pictures without: 1, such as 3.png");
        for entry in fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.extension().is_some_and(|ending| ending == "txt") {
                fs::remove_file(entry).unwrap();
            }
        }
        let error = opened(&skipping, 2).err().unwrap();
        assert!(error.exit_code() == 2 && error.to_string().contains("has no captions; put a text"), "{error}");
    }

    #[test]
    fn some_captions_are_spread_over_the_pictures() {
        let folder = folder();
        assert_eq!(some(&images(&folder), "", 5).unwrap(), [0, 2, 4, 6, 8].map(|i| format!("picture {i}")));
        assert_eq!(some(&images(&folder), "", 100).unwrap().len(), 10);
    }

    #[test]
    fn all_that_is_said_of_pictures_comes_with_them_by_part() {
        let folder = folder();
        let table = "file,caption,phrasing\n3.png,a third,odd\n";
        fs::write(folder.path().join("more.csv"), table).unwrap();
        fs::write(folder.path().join("labels.csv"), "file,parity\n3.png,odd\n4.png,even\n").unwrap();
        let shown = |all: &AllTold| {
            let all = all.learned.iter().chain(&all.held_out);
            all.map(|told| (told.picture.pixels[0], told.captions.clone(), told.said.len())).collect::<Vec<_>>()
        };
        let all = told(&images(&folder), "", SMALL).unwrap();
        assert!(all.held_out.is_empty() && all.phrasings == BTreeMap::from([("a third".into(), "odd".into())]));
        let third = (60, ["picture 3", "it is odd", "a third"].map(str::to_owned).to_vec(), 1);
        let found = shown(&all);
        assert!(found.len() == 10 && found.contains(&third), "{found:?}");
        assert_eq!(all.learned[4].said[0].value, "even");
        let half = Images { validation_share: 0.5, mirror: true, ..images(&folder) };
        let parted = told(&half, "", SMALL).unwrap();
        assert!(!parted.held_out.is_empty() && !parted.learned.is_empty());
        let mut both = shown(&parted);
        both.sort();
        assert_eq!(both, found);
    }
}
