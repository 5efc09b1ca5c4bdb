//! What the log said so far, as far back as a rule may ask.

use std::collections::{BTreeMap, VecDeque};

use crate::run::{Event, Layer, Record};

/// Looks that are kept.
pub const KEPT: usize = 128;

/// One line of scalars, with the layers of the same moment.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// Steps done.
    pub step: u64,
    /// Thousands of images seen.
    pub kimg: f64,
    /// The speed since the look before.
    pub images_per_sec: f64,
    /// Seconds since then.
    pub secs: f64,
    /// Every scalar.
    pub values: BTreeMap<String, f64>,
    /// By part and path.
    pub layers: BTreeMap<String, Layer>,
}

/// The looks of a run, the newest last.
#[derive(Clone, Debug, Default)]
pub struct History {
    looks: VecDeque<Look>,
    /// All looks, also those that are no longer kept.
    pub count: usize,
    /// Of the trainer that has the run now.
    pub count_of_trainer: usize,
    /// Bytes of the last checkpoint and bytes that were left on the disk then.
    pub disk: Option<(u64, u64)>,
    layers: BTreeMap<String, Layer>,
}

impl History {
    /// Takes a record; whether it made a look.
    pub fn take(&mut self, record: &Record) -> bool {
        match &record.event {
            Event::Started { .. } | Event::Resumed { .. } => self.count_of_trainer = 0,
            Event::Health { layers } => self.layers.clone_from(layers),
            Event::Checkpoint { bytes, free_bytes: Some(free), .. } => self.disk = Some((*bytes, *free)),
            Event::Scalars { values, images_per_sec } => {
                let layers = std::mem::take(&mut self.layers);
                let (step, kimg, images_per_sec) = (record.step, record.kimg, *images_per_sec);
                let secs = (kimg - self.last().map_or(0.0, |last| last.kimg)) * 1000.0 / images_per_sec;
                self.looks.push_back(Look { step, kimg, images_per_sec, secs, values: values.clone(), layers });
                if self.looks.len() > KEPT {
                    self.looks.pop_front();
                }
                self.count += 1;
                self.count_of_trainer += 1;
                return true;
            }
            _ => (),
        }
        false
    }

    /// The newest look.
    pub fn last(&self) -> Option<&Look> {
        self.looks.back()
    }

    /// A scalar of the newest look.
    pub fn now(&self, name: &str) -> Option<f64> {
        self.last()?.values.get(name).copied()
    }

    /// A scalar of the newest looks, `most` of them, the newest last; looks without it are passed over.
    pub fn newest(&self, name: &str, most: usize) -> Vec<f64> {
        let found = self.looks.iter().rev().filter_map(|look| look.values.get(name).copied());
        let mut newest = found.take(most).collect::<Vec<_>>();
        newest.reverse();
        newest
    }

    /// The looks before the newest one, the newest first.
    pub fn earlier(&self) -> impl Iterator<Item = &Look> {
        self.looks.iter().rev().skip(1)
    }
}

/// The middle value, the lower of two; none of nothing.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values = values.into_iter().collect::<Vec<_>>();
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied()
}
