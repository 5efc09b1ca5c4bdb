//! events.jsonl: the append-only log that is the only API between the trainer and everything that watches.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::Data;
use crate::aside::{is_no_pipe, read_file};
use crate::config::Change;
use crate::error::{Error, Result};
use crate::passport::Passport;

/// One line of events.jsonl.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Seconds since 1970, by the trainer's clock.
    pub time: f64,
    /// Steps done.
    pub step: u64,
    /// Thousands of images seen.
    pub kimg: f64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What can happen in a run. The tag `event` holds the kind in snake case; readers pass over kinds they do not know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A run began.
    Started {
        /// The Ganvas that runs it.
        version: String,
        /// The recipe's name.
        recipe: String,
        /// Parameters of each network.
        parameters: BTreeMap<String, usize>,
        /// Steps of the whole run.
        total_steps: u64,
        /// CPU threads.
        threads: usize,
        /// The keys of its configuration, with their tables; empty in older logs.
        #[serde(default)]
        keys: Vec<String>,
    },
    /// A run went on from a checkpoint. Records after this step that stand before this line were undone.
    Resumed {
        /// The Ganvas that runs it.
        version: String,
        /// Steps of the whole run.
        total_steps: u64,
        /// CPU threads.
        threads: usize,
    },
    /// The means of every scalar since the last such line, and what samples and D were like just then.
    Scalars {
        /// By name.
        values: BTreeMap<String, f64>,
        /// Speed since the last such line.
        images_per_sec: f64,
    },
    /// How every layer was in the step just done; the scalars of the same moment follow.
    Health {
        /// By part and path, such as `discriminator layers.0.weight`.
        layers: BTreeMap<String, Layer>,
    },
    /// A picture of the same samples as every preview.
    Preview {
        /// Within the run directory.
        path: PathBuf,
    },
    /// A checkpoint is complete on the disk.
    Checkpoint {
        /// Within the run directory.
        path: PathBuf,
        /// Bytes of all its files.
        #[serde(default)]
        bytes: u64,
        /// Bytes left on the disk, where the system tells.
        #[serde(default)]
        free_bytes: Option<u64>,
    },
    /// The samples of a checkpoint were measured.
    Metrics {
        /// As `ganvas eval --json` prints them.
        passports: Vec<Passport>,
    },
    /// Something went wrong or is about to, or has passed.
    Diagnosis(Diagnosis),
    /// The run went back to the checkpoint of this step because of a diagnosis, and goes on otherwise than before.
    RolledBack {
        /// The diagnosis' name.
        because: String,
        /// What the run's configuration has from here on.
        changes: Vec<Change>,
    },
    /// The run goes on with data that lie elsewhere or are others, as it was told to.
    DataChanged {
        /// What it learned from; none where an earlier version did not keep it.
        from: Option<Data>,
        /// What it learns from.
        to: Data,
    },
    /// The trainer ended.
    Finished {
        /// `done`, `stopped` (by the user) or `failed`.
        outcome: String,
    },
}

/// One layer in one step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// The norm of its weights before the step.
    pub weight: f64,
    /// The norm of its gradient.
    pub gradient: f64,
    /// Of a layer with one parameter for each unit, the share of units that no sample of the batch had a gradient for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead: Option<f64>,
}

/// What is wrong with a run, in words and in numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Diagnosis {
    /// A fixed name, such as `not_finite`.
    pub name: String,
    /// What was found, in one sentence.
    pub sentence: String,
    /// The numbers it was found by.
    pub evidence: BTreeMap<String, f64>,
    /// What comes of it.
    pub leads_to: String,
    /// What to try.
    #[serde(rename = "try")]
    pub remedy: String,
    /// The step at which it began.
    pub since_step: u64,
    /// Whether it has passed.
    pub ended: bool,
}

/// Seconds since 1970.
pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs_f64()).unwrap_or(0.0)
}

/// The log, open for appending.
#[derive(Debug)]
pub struct EventLog {
    file: File,
    path: PathBuf,
}

impl EventLog {
    /// Opens or begins a log. A last line that a crash cut short is ended, so that the next record has its own line.
    pub fn open(path: &Path) -> Result<Self> {
        let fail = |error: &std::io::Error| Error::io("open the run's log", path, error);
        is_no_pipe(path).map_err(|error| fail(&error))?;
        let mut file =
            OpenOptions::new().create(true).read(true).append(true).open(path).map_err(|error| fail(&error))?;
        let length = file.seek(SeekFrom::End(0)).map_err(|error| fail(&error))?;
        if length > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1)).and_then(|_| file.read_exact(&mut last)).map_err(|error| fail(&error))?;
            if last != *b"\n" {
                file.write_all(b"\n").map_err(|error| fail(&error))?;
            }
        }
        Ok(EventLog { file, path: path.to_owned() })
    }

    /// Appends one record, in one write.
    pub fn append(&mut self, record: &Record) -> Result<()> {
        let mut line = serde_json::to_string(record)
            .map_err(|error| Error::failed(format!("an event cannot be written as JSON: {error}")))?;
        line.push('\n');
        self.file.write_all(line.as_bytes()).map_err(|error| Error::io("write the run's log", &self.path, &error))
    }
}

/// The records that no later `resumed` or `started` undid, in their order.
pub fn standing(records: Vec<Record>) -> Vec<Record> {
    let mut standing = Vec::<Record>::with_capacity(records.len());
    for record in records {
        match record.event {
            Event::Started { .. } => standing.clear(),
            Event::Resumed { .. } => standing.retain(|earlier| earlier.step <= record.step),
            _ => (),
        }
        standing.push(record);
    }
    standing
}

/// The records of a log in their order. Lines that are cut short or of an unknown kind are passed over.
pub fn read_events(path: &Path) -> Result<Vec<Record>> {
    let bytes = read_file(path).map_err(|error| Error::io("read the run's log", path, &error))?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(step: u64) -> Record {
        Record { time: 1.5, step, kimg: 0.128, event: Event::Finished { outcome: "done".into() } }
    }

    #[test]
    fn a_line_cut_short_by_a_crash_costs_only_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        EventLog::open(&path).unwrap().append(&record(1)).unwrap();
        std::fs::write(&path, [std::fs::read(&path).unwrap(), b"{\"time\": 2, \"st".to_vec()].concat()).unwrap();
        EventLog::open(&path).unwrap().append(&record(3)).unwrap();
        assert_eq!(read_events(&path).unwrap(), [record(1), record(3)]);
    }

    #[test]
    #[cfg(unix)]
    fn a_pipe_in_place_of_a_log_is_an_error_and_nobody_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        for error in [read_events(&path).unwrap_err(), EventLog::open(&path).unwrap_err()] {
            assert!(error.exit_code() == 2 && error.to_string().contains("not a regular file"), "{error}");
        }
    }

    #[test]
    fn an_event_of_a_later_version_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        std::fs::write(&path, "{\"time\":1,\"step\":2,\"kimg\":0.1,\"event\":\"sang\",\"song\":\"la\"}\n").unwrap();
        EventLog::open(&path).unwrap().append(&record(3)).unwrap();
        assert_eq!(read_events(&path).unwrap(), [record(3)]);
    }
}
