//! data.toml: what a run learns from, so that other data are noticed when it goes on.

use std::fs;
use std::io::ErrorKind;

use serde::{Deserialize, Serialize};

use super::{Event, EventLog, Record, RunDir};
use crate::aside::write_aside;
use crate::entry::Resolved;
use crate::error::{Error, Result};
use crate::session::Learned;

const FILE: &str = "data.toml";
const SHORT: usize = 12; // digits of a hash for the eye

/// What a run learns from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Data {
    /// As the configuration has it, or the name of the recipe's own set.
    pub path: String,
    /// How many pictures, pieces of pictures, or bars in every key are learned from.
    pub items: usize,
    /// How many are held out.
    pub held_out: usize,
    /// A hash of the names and the contents of the files that are learned from.
    pub fingerprint: String,
}

impl Data {
    /// What this configuration learns from, which was just opened; none for a recipe whose data no file holds.
    fn of(config: &Resolved, learned: &Learned) -> Option<Self> {
        let own = config.entry.info.dataset.unwrap_or_default().to_owned();
        Some(Data {
            path: config.data_path().map_or(own, |path| path.display().to_string()),
            items: learned.items?,
            held_out: learned.held_out,
            fingerprint: learned.fingerprint.clone()?,
        })
    }

    fn shown(&self) -> String {
        format!("{} items, fingerprint {}", self.items, self.fingerprint.get(..SHORT).unwrap_or(&self.fingerprint))
    }
}

impl RunDir {
    /// What the run learns from; none in a run of an earlier version, and where no file holds it.
    pub fn data(&self) -> Result<Option<Data>> {
        let path = self.path().join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read what the run learns from", &path, &error)),
        };
        toml::from_str(&text).map(Some).map_err(|error| {
            Error::input(format!(
                "{} does not say what the run learns from: {}; remove it to go on with the data as they are now",
                path.display(),
                error.message()
            ))
        })
    }

    /// An error when the data that were just opened are not those that the run has learned from. Where it is not known what
    /// those were, these are kept from now on.
    pub(crate) fn same_data(&self, config: &Resolved, learned: &Learned) -> Result<()> {
        let Some(now) = Data::of(config, learned) else { return Ok(()) };
        match self.data()? {
            None => self.keep_data(&now),
            Some(before) if before.fingerprint == now.fingerprint => Ok(()),
            Some(before) => Err(Error::input(format!(
                "{} holds other data ({}) than this run has learned from ({}); put those back, or go on with the new ones: \
                 `ganvas resume {} --data {}`",
                now.path,
                now.shown(),
                before.shown(),
                crate::shell::path(self.path()),
                crate::shell::path(now.path.as_ref())
            ))),
        }
    }

    /// Has the run go on with the data that were just opened, whatever it has learned from, and logs it where they are others
    /// or lie elsewhere. Returns what it has learned from, where that is known, when the data are others.
    pub fn accept_data(&self, config: &Resolved, learned: &Learned, step: u64) -> Result<Option<[Data; 2]>> {
        let Some(now) = Data::of(config, learned) else { return Ok(None) };
        let before = self.data()?;
        if before.as_ref() == Some(&now) {
            return Ok(None);
        }
        self.keep_data(&now)?;
        let kimg = config.train.kimg_after(step);
        let event = Event::DataChanged { from: before.clone(), to: now.clone() };
        EventLog::open(&self.events())?.append(&Record { time: super::now(), step, kimg, event })?;
        Ok(before.filter(|before| before.fingerprint != now.fingerprint).map(|before| [before, now]))
    }

    fn keep_data(&self, data: &Data) -> Result<()> {
        let text = toml::to_string(data)
            .map_err(|error| Error::failed(format!("what the run learns from cannot be written as TOML: {error}")))?;
        write_aside(&self.path().join(FILE), text.as_bytes(), "write what the run learns from")
    }
}
