//! Photographs, and what old age made of them: pictures to restore with masks of what is gone.

use burn::tensor::{Tensor, TensorData};

use super::degrade::Planes;
use super::degrade::ageing::{Ageing, aged};
use super::images::{self, Images, Shape};
use super::source::{Asked, Drawing, Source, Split};
use crate::device;
use crate::error::Result;
use crate::random::Draws;
use crate::request::{Batch, Example, SHOW};

/// What is learned from when no other pictures are given.
pub const SET: &str = "photos";
const PREVIEWED: usize = 8; // held-out pictures
const ASKED: usize = 128; // likewise, of a measurement

/// A batch of pictures as they were and as they are, on the host.
#[derive(Clone, Debug)]
pub struct Aged {
    /// What is left of them, `[n, 3, side, side]` in [-1, 1].
    pub old: TensorData,
    /// How much of the picture is gone, `[n, 1, side, side]`: 0 where nothing happened, 1 for bare paper.
    pub damage: TensorData,
    /// What they should become, as `old`: grey where no colour is left, for nobody can know it.
    pub new: TensorData,
}

/// What a picture of where the damage is is called beside the result.
pub const DAMAGE: &str = "damage";

impl Batch for Aged {
    /// What each should become, then where its damage is.
    fn examples(&self) -> Vec<Example> {
        let [old, damage, new] = [&self.old, &self.signed_damage(), &self.new].map(images::images_of);
        let restored = old.iter().cloned().zip(new).map(|(old, new)| Example::pair(old, new));
        let damaged = old.iter().cloned().zip(damage);
        let damaged = damaged.map(|(old, damage)| Example::pair(old, damage).with(SHOW, DAMAGE));
        restored.chain(damaged).collect()
    }
}

impl Aged {
    fn signed_damage(&self) -> TensorData {
        let values = self.damage.iter::<f32>().map(|value| 2.0 * value - 1.0).collect::<Vec<f32>>();
        TensorData::new(values, self.damage.shape().clone())
    }

    /// Pictures `[n, 3, side, side]` in [-1, 1], each aged by its own draws.
    fn of(pixels: &TensorData, settings: &Ageing, draws: &Draws) -> Self {
        let shape = pixels.shape().to_vec();
        let (n, side) = (shape[0], shape[3]);
        let unit = pixels.iter::<f32>().map(|value| (value + 1.0) * 0.5).collect::<Vec<f32>>();
        let (mut old, mut damage, mut new) = (Vec::new(), Vec::new(), Vec::new());
        for (i, values) in unit.chunks(3 * side * side).enumerate() {
            let picture = Planes::new(side, side, 3, values.to_vec());
            let aged = aged(&picture, settings, draws, &format!("ageing.{i}"));
            let signed = |value: f32| 2.0 * value - 1.0;
            // In levels of 8 bits, as a file would have it.
            old.extend(Planes::of(&aged.picture.image()).values.into_iter().map(signed));
            damage.extend(aged.mask.values);
            match aged.colourless {
                true => new.extend(picture.luma().values.repeat(3).into_iter().map(signed)),
                false => new.extend(picture.values.into_iter().map(signed)),
            }
        }
        let of = |values: Vec<f32>, channels| TensorData::new(values, [n, channels, side, side]);
        Aged { old: of(old, 3), damage: of(damage, 1), new: of(new, 3) }
    }
}

/// Held-out pictures to measure with, always the same: the four squares of this side around the middle of each picture that has
/// room for them.
fn test(images: &Images, ageing: &Ageing, side: usize) -> Result<Vec<Example>> {
    let whole = images::test_whole(images, SET, ASKED / 4)?.into_iter();
    let squares = whole.filter(|picture| picture.width.min(picture.height) >= 2 * side).flat_map(|picture| {
        let (left, top) = (picture.width / 2 - side, picture.height / 2 - side);
        let places = [[0, 0], [side, 0], [0, side], [side, side]].map(|[x, y]| [left + x, top + y]);
        places.map(|place| picture.cut(place, [side, side]).to_signed(&device::cpu()))
    });
    let squares = squares.collect::<Vec<Tensor<4>>>();
    if squares.is_empty() {
        return Ok(Vec::new());
    }
    Ok(Aged::of(&Tensor::cat(squares, 0).into_data(), ageing, &Draws::new(0, 0)).examples())
}

/// The batches of [`images::open`], each picture beside what became of it; those held out are for previews.
pub fn open(images: &Images, ageing: &Ageing, side: usize, drawing: Drawing) -> Result<Box<dyn Source<Aged>>> {
    if drawing.split == Split::Test {
        return Ok(Box::new(Asked(test(images, ageing, side)?)));
    }
    let new = images::open(images, SET, Shape { channels: 3, side }, drawing.showing(PREVIEWED))?;
    Ok(Box::new(Ages { new, ageing: ageing.clone(), seed: drawing.seed }))
}

struct Ages {
    new: Box<dyn Source<images::Batch>>,
    ageing: Ageing,
    seed: u64,
}

impl Source<Aged> for Ages {
    fn items(&self) -> usize {
        self.new.items()
    }

    fn fingerprint(&self) -> Option<String> {
        self.new.fingerprint()
    }

    fn remarks(&self) -> Vec<String> {
        self.new.remarks()
    }

    fn batch(&self, step: u64) -> Result<Aged> {
        Ok(Aged::of(&self.new.batch(step)?.pixels, &self.ageing, &Draws::new(self.seed, step)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixels(n: usize, side: usize) -> TensorData {
        let values = (0..n * 3 * side * side).map(|i| (0.37 * i as f32).sin()).collect::<Vec<f32>>();
        TensorData::new(values, [n, 3, side, side])
    }

    #[test]
    fn every_picture_ages_by_its_own_draws_and_what_is_gone_is_known() {
        let of = |step| Aged::of(&pixels(12, 32), &Ageing::default(), &Draws::new(3, step));
        let (batch, again) = (of(5), of(5));
        assert_eq!((&batch.old, &batch.damage, &batch.new), (&again.old, &again.damage, &again.new));
        assert_ne!(batch.old, of(6).old);
        let mean = |data: &TensorData| data.iter::<f32>().sum::<f32>() / data.num_elements() as f32;
        let masks = batch.damage.iter::<f32>().collect::<Vec<f32>>();
        let damaged = masks.chunks(32 * 32).filter(|mask| mask.iter().any(|value| *value > 0.0)).count();
        assert!(damaged > 6, "{damaged}");
        assert!((0.001..0.3).contains(&mean(&batch.damage)));
        // What has lost its colours should become grey, the others what they were.
        let (new, before) =
            (batch.new.iter::<f32>().collect::<Vec<_>>(), pixels(12, 32).iter::<f32>().collect::<Vec<_>>());
        let mut grey = 0;
        for (new, before) in new.chunks(3 * 32 * 32).zip(before.chunks(3 * 32 * 32)) {
            let [red, rest] = [&new[..32 * 32], &new[32 * 32..]];
            match red == &rest[..32 * 32] && red == &rest[32 * 32..] {
                true => grey += 1,
                false => assert!(new.iter().zip(before).all(|(new, before)| (new - before).abs() < 1e-6)),
            }
        }
        assert!((3..12).contains(&grey), "{grey}");
    }
}
