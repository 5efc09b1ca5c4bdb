//! The doctor: hears what a run logs and says in words what goes wrong. `docs/doctor.md` lists what it knows.
//!
//! It knows nothing but the records of events.jsonl, so the trainer, `ganvas doctor` and the page come to the same diagnoses.

mod history;
mod limits;
mod rules;
mod samples;

use std::collections::BTreeMap;

use serde::Serialize;

use self::history::History;
use self::rules::{Finding, NOT_FINITE, RULES, Rule, tried};
pub use self::samples::Examiner;
use crate::run::{Diagnosis, Event, Record};

/// Hears a run's records in their order.
#[derive(Default)]
pub struct Doctor {
    history: History,
    /// The keys of the run's configuration, where its log says them.
    keys: Vec<String>,
    states: BTreeMap<&'static str, State>,
}

/// How it is with one rule.
#[derive(Default)]
struct State {
    /// Looks in a row at which it held, when it is not a diagnosis; at which it did not, when it is.
    looks: u32,
    /// The step of the first of them.
    since_step: u64,
    open: Option<Diagnosis>,
}

impl Doctor {
    /// One that has heard these records.
    pub fn of(records: &[Record]) -> Self {
        let mut doctor = Doctor::default();
        records.iter().for_each(|record| drop(doctor.hear(record)));
        doctor
    }

    /// What a record newly says: diagnoses that begin, and those that have passed, with `ended`.
    pub fn hear(&mut self, record: &Record) -> Vec<Diagnosis> {
        if let Event::Started { keys, .. } = &record.event {
            self.keys.clone_from(keys);
        }
        match self.history.take(record) {
            true => RULES.iter().filter_map(|rule| self.examine(rule)).collect(),
            false => Vec::new(),
        }
    }

    /// The diagnosis of a value that is not finite, told in `sentence`, of this step.
    pub fn not_finite(&self, sentence: String, step: u64) -> Diagnosis {
        diagnosis(&NOT_FINITE, Finding { sentence, evidence: BTreeMap::new() }, step, &self.keys)
    }

    fn examine(&mut self, rule: &Rule) -> Option<Diagnosis> {
        let step = self.history.last()?.step;
        let state = self.states.entry(rule.name).or_default();
        let found = (rule.find)(&self.history);
        if found.is_some() == state.open.is_some() {
            state.looks = 0; // as it was
            return None;
        }
        if state.looks == 0 {
            state.since_step = step;
        }
        state.looks += 1;
        if state.looks < if found.is_some() { limits::LOOKS } else { limits::LOOKS_TO_PASS } {
            return None;
        }
        state.looks = 0;
        match found {
            Some(found) => {
                let diagnosis = diagnosis(rule, found, state.since_step, &self.keys);
                state.open = Some(diagnosis.clone());
                Some(diagnosis)
            }
            None => state.open.take().map(|open| Diagnosis { ended: true, ..open }),
        }
    }
}

/// One illness of a run, from its beginning on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Episode {
    /// What was found, `ended` when it has passed.
    #[serde(flatten)]
    pub diagnosis: Diagnosis,
    /// The step at which it was found.
    pub found_step: u64,
    /// The same in thousands of images.
    pub found_kimg: f64,
    /// The step at which it had passed, if it has.
    pub ended_step: Option<u64>,
}

/// All illnesses that these records tell of, in the order of their finding. Besides what the rules find, it is what only the
/// trainer saw.
pub fn episodes(records: &[Record]) -> Vec<Episode> {
    let (mut doctor, mut episodes) = (Doctor::default(), Vec::<Episode>::new());
    for record in records {
        let mut found = doctor.hear(record);
        if let Event::Diagnosis(seen) = &record.event
            && RULES.iter().all(|rule| rule.name != seen.name)
        {
            found.push(seen.clone());
        }
        for diagnosis in found {
            if diagnosis.ended {
                let open = episodes.iter_mut().rfind(|open| open.diagnosis.name == diagnosis.name);
                if let Some(open) = open {
                    (open.diagnosis.ended, open.ended_step) = (true, Some(record.step));
                }
                continue;
            }
            let (found_step, found_kimg) = (record.step, record.kimg);
            episodes.push(Episode { diagnosis, found_step, found_kimg, ended_step: None });
        }
    }
    episodes
}

fn diagnosis(rule: &Rule, found: Finding, since_step: u64, keys: &[String]) -> Diagnosis {
    Diagnosis {
        name: rule.name.to_owned(),
        sentence: found.sentence,
        evidence: found.evidence,
        leads_to: rule.leads_to.to_owned(),
        remedy: tried(rule.remedy, keys),
        since_step,
        ended: false,
    }
}

/// Whether a run seldom recovers from the illness of this name.
pub fn is_grave(name: &str) -> bool {
    RULES.iter().chain([&NOT_FINITE]).any(|rule| rule.name == name && rule.is_grave)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_names_the_keys_that_the_run_has_and_no_others() {
        let remedy: &[rules::Advice] = &[("lower {}", "learning_rate"), ("raise {}", "gamma"), ("stop", "")];
        let keys = ["adam.learning_rate", "train.seed"].map(str::to_owned);
        assert_eq!(tried(remedy, &keys), "Lower adam.learning_rate; stop.");
        assert_eq!(tried(remedy, &[]), "Lower learning_rate; raise gamma; stop.");
    }
}
