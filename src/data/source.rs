//! Where batches come from: a source answers for any step, so a resumed run finds its place by asking.

use std::sync::Mutex;

use crate::error::{Error, Result};
use crate::random::Draws;
use crate::request::Example;

/// Which part of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// What the networks learn from.
    Train,
    /// Held out; may be empty.
    Validation,
    /// What a measurement asks, always the same, out of what no step sees.
    Test,
}

/// How batches are to be drawn from data.
#[derive(Clone, Copy, Debug)]
pub struct Drawing {
    /// Out of which part.
    pub split: Split,
    /// The seed of the order.
    pub seed: u64,
    /// How many of a batch.
    pub batch: usize,
}

impl Drawing {
    /// Whether it is of what no step learns from.
    pub fn is_held_out(&self) -> bool {
        self.split != Split::Train
    }

    /// The same with so many of a held-out batch, for a preview of them.
    pub fn showing(self, batch: usize) -> Self {
        if self.is_held_out() { Drawing { batch, ..self } } else { self }
    }
}

/// A supply of batches. The batch of a step is a function of the step alone.
pub trait Source<B>: Send {
    /// How many items (pictures, bars) the source draws from; 0 when it is empty.
    fn items(&self) -> usize;
    /// The batch of one step. Errors when an item cannot be read or the source is empty.
    fn batch(&self, step: u64) -> Result<B>;
    /// A hash of all that the source draws from, by the names and the contents of the files as they are used: another one
    /// when a picture is changed, added or gone, and the same where the folder was moved. None for what no file holds.
    fn fingerprint(&self) -> Option<String> {
        None
    }
    /// How many classes the items are of; 0 where nobody says.
    fn classes(&self) -> usize {
        0
    }
    /// What there is to know of the data before a training, a sentence each, such as how much of it is cut off.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }
    /// Of [`Split::Test`], what a measurement asks; empty for data of which a model draws more of the kind.
    fn asked(&self) -> Vec<Example> {
        Vec::new()
    }
}

/// No batches, and what a measurement asks.
pub struct Asked(pub Vec<Example>);

impl<B> Source<B> for Asked {
    fn items(&self) -> usize {
        0
    }

    fn batch(&self, _step: u64) -> Result<B> {
        Err(Error::failed("what a measurement asks has no batches"))
    }

    fn asked(&self) -> Vec<Example> {
        self.0.clone()
    }
}

/// How items are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sampling {
    /// Every item once before any comes again, in a new order each time.
    #[default]
    Shuffle,
    /// Each item drawn from all, independently.
    WithReplacement,
}

/// Which items each step's batch holds.
#[derive(Debug)]
pub struct Order {
    seed: u64,
    items: u32,
    batch: usize,
    sampling: Sampling,
    pass: Mutex<Option<(u64, Vec<u32>)>>, // the last pass's order: a cache
}

impl Order {
    /// An order over `items` items in batches of `batch`; it follows from the seed. Panics if either is 0.
    pub fn new(seed: u64, items: usize, batch: usize, sampling: Sampling) -> Self {
        assert!(items > 0 && batch > 0, "no order over {items} items in batches of {batch}");
        let items = u32::try_from(items).unwrap_or(u32::MAX);
        Order { seed, items, batch, sampling, pass: Mutex::new(None) }
    }

    /// The indices of a step's batch.
    pub fn indices(&self, step: u64) -> Vec<u32> {
        match self.sampling {
            Sampling::WithReplacement => Draws::new(self.seed, step).indices("data.indices", self.items, self.batch),
            Sampling::Shuffle => {
                let items = u64::from(self.items);
                let first = step * self.batch as u64;
                (first..first + self.batch as u64).map(|i| self.at(i / items, (i % items) as usize)).collect()
            }
        }
    }

    /// The item at a place of a pass over the data.
    fn at(&self, pass: u64, place: usize) -> u32 {
        let mut cache = self.pass.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let (cached, order) = cache.get_or_insert_with(|| (pass, self.permutation(pass)));
        if *cached != pass {
            (*cached, *order) = (pass, self.permutation(pass));
        }
        order[place]
    }

    fn permutation(&self, pass: u64) -> Vec<u32> {
        Draws::new(self.seed, pass).permutation("data.order", self.items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shuffled_batches_hold_every_item_once_a_pass_and_the_passes_differ() {
        let order = Order::new(1, 10, 4, Sampling::Shuffle);
        let drawn = (0..5).flat_map(|step| order.indices(step)).collect::<Vec<u32>>();
        let (first, second) = drawn.split_at(10);
        for pass in [first, second] {
            let mut sorted = pass.to_vec();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..10).collect::<Vec<u32>>());
        }
        assert_ne!(first, second);
    }

    #[test]
    fn a_step_has_its_batch_whatever_was_asked_before() {
        for sampling in [Sampling::Shuffle, Sampling::WithReplacement] {
            let order = Order::new(1, 100, 7, sampling);
            let late = order.indices(40);
            let _ = order.indices(3);
            assert_eq!(order.indices(40), late);
            assert_ne!(order.indices(41), late);
            assert_ne!(Order::new(2, 100, 7, sampling).indices(40), late);
        }
    }
}
