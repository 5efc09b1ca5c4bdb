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
    /// The diagnosis, as the last look at which the rule held tells it.
    open: Option<Diagnosis>,
    /// The step of that look.
    seen_step: u64,
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

    /// What is wrong now, as the last look that showed it tells it, and the step of that look.
    fn open(&self) -> impl Iterator<Item = (&Diagnosis, u64)> {
        self.states.values().filter_map(|state| Some((state.open.as_ref()?, state.seen_step)))
    }

    fn examine(&mut self, rule: &Rule) -> Option<Diagnosis> {
        let step = self.history.last()?.step;
        let state = self.states.entry(rule.name).or_default();
        let found = (rule.find)(&self.history);
        if found.is_some() == state.open.is_some() {
            state.looks = 0; // as it was
            if let (Some(found), Some(open)) = (found, &mut state.open) {
                (open.sentence, open.evidence) = (found.sentence, found.evidence);
                state.seen_step = step;
            }
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
                state.seen_step = step;
                Some(diagnosis)
            }
            None => state.open.take().map(|open| Diagnosis { ended: true, ..open }),
        }
    }
}

/// One illness of a run, from its beginning on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Episode {
    /// What was found, `ended` when it has passed: its sentence and evidence are those of the last look that showed it.
    #[serde(flatten)]
    pub diagnosis: Diagnosis,
    /// The step of that look.
    pub seen_step: u64,
    /// The sentence and the evidence of the look at which it was found.
    pub first: First,
    /// The step of that look.
    pub found_step: u64,
    /// The same in thousands of images.
    pub found_kimg: f64,
    /// The step at which it had passed, if it has.
    pub ended_step: Option<u64>,
}

/// How an illness showed when it was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct First {
    /// In one sentence.
    pub sentence: String,
    /// In numbers.
    pub evidence: BTreeMap<String, f64>,
}

/// The illnesses of a run, in the order of their finding, heard from its records one after the other. Besides what the rules
/// find, it is what only the trainer saw.
#[derive(Default)]
pub struct Episodes {
    doctor: Doctor,
    /// All so far.
    pub all: Vec<Episode>,
}

impl Episodes {
    /// Those that these records tell of.
    pub fn of(records: &[Record]) -> Self {
        let mut episodes = Episodes::default();
        records.iter().for_each(|record| episodes.hear(record));
        episodes
    }

    /// Hears the next record.
    pub fn hear(&mut self, record: &Record) {
        let mut found = self.doctor.hear(record);
        if let Event::Diagnosis(seen) = &record.event
            && RULES.iter().all(|rule| rule.name != seen.name)
        {
            found.push(seen.clone());
        }
        for diagnosis in found {
            if diagnosis.ended {
                if let Some(open) = last(&mut self.all, &diagnosis.name) {
                    (open.diagnosis, open.ended_step) = (diagnosis, Some(record.step));
                }
                continue;
            }
            let first = First { sentence: diagnosis.sentence.clone(), evidence: diagnosis.evidence.clone() };
            let (found_step, found_kimg) = (record.step, record.kimg);
            let seen_step = found_step;
            self.all.push(Episode { diagnosis, seen_step, first, found_step, found_kimg, ended_step: None });
        }
        if matches!(record.event, Event::Scalars { .. }) {
            for (diagnosis, step) in self.doctor.open() {
                if let Some(open) = last(&mut self.all, &diagnosis.name) {
                    open.diagnosis.clone_from(diagnosis);
                    open.seen_step = step;
                }
            }
        }
    }
}

/// The newest episode of a name.
fn last<'a>(all: &'a mut [Episode], name: &str) -> Option<&'a mut Episode> {
    all.iter_mut().rfind(|episode| episode.diagnosis.name == name)
}

/// All illnesses that these records tell of, in the order of their finding.
pub fn episodes(records: &[Record]) -> Vec<Episode> {
    Episodes::of(records).all
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

    /// A look at a D that is right about all and gives a fake one this probability of being real.
    fn look(step: u64, d_fake: f64) -> Record {
        let values =
            [("d_accuracy_real", 1.0), ("d_accuracy_fake", 1.0), ("d_fake", d_fake), ("d_loss", 0.1), ("g_loss", 9.0)];
        let values = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Record { time: 0.0, step, kimg: step as f64, event: Event::Scalars { values, images_per_sec: 1.0 } }
    }

    #[test]
    fn an_illness_that_lasts_is_told_by_its_latest_look_and_not_only_by_that_at_which_it_was_found() {
        let sure = [9e-4, 8e-4, 7e-4, 6e-4, 5e-4, 4e-4, 0.5];
        let records = (1_u64..).zip(sure).map(|(step, d_fake)| look(step, d_fake)).collect::<Vec<_>>();
        let found = episodes(&records);
        let [one] = found.as_slice() else { panic!("one illness, not {found:?}") };
        assert_eq!((one.diagnosis.since_step, one.found_step, one.seen_step), (1, 3, 6));
        assert_eq!((one.first.evidence["d_fake"], one.diagnosis.evidence["d_fake"]), (7e-4, 4e-4));
        assert!(one.first.sentence.contains("7.0e-4") && one.diagnosis.sentence.contains("4.0e-4"), "{one:?}");
        let records = records.into_iter().chain((8..18).map(|step| look(step, 0.5))).collect::<Vec<_>>();
        let [one] = &episodes(&records)[..] else { panic!("one illness") };
        assert_eq!((one.diagnosis.since_step, one.ended_step, one.diagnosis.ended), (1, Some(16), true));
        assert_eq!((one.seen_step, one.diagnosis.evidence["d_fake"]), (6, 4e-4), "as it was when it was last there");
    }

    /// A look at a step that took so long, in a run whose generator learns from `begins` on.
    fn work(step: u64, begins: u64, images_per_sec: f64) -> Record {
        let learning = if step < begins { &["d_gradient_norm"][..] } else { &["d_gradient_norm", "g_gradient_norm"] };
        let values = learning.iter().map(|name| ((*name).to_owned(), 1.0)).collect();
        Record { time: 0.0, step, kimg: step as f64, event: Event::Scalars { values, images_per_sec } }
    }

    #[test]
    fn a_run_is_not_slow_when_its_generator_begins_to_learn_after_the_critics() {
        let looks = |begins| (1..60).map(move |step| work(step, begins, if step < 30 { 100.0 } else { 30.0 }));
        assert_eq!(episodes(&looks(30).collect::<Vec<_>>()), []);
        let slow = episodes(&looks(0).collect::<Vec<_>>());
        assert_eq!(slow.iter().map(|one| one.diagnosis.name.as_str()).collect::<Vec<_>>(), ["slow"]);
    }

    #[test]
    fn the_advice_names_the_keys_that_the_run_has_and_no_others() {
        let remedy: &[rules::Advice] = &[("lower {}", "learning_rate"), ("raise {}", "gamma"), ("stop", "")];
        let keys = ["adam.learning_rate", "train.seed"].map(str::to_owned);
        assert_eq!(tried(remedy, &keys), "Lower adam.learning_rate; stop.");
        assert_eq!(tried(remedy, &[]), "Lower learning_rate; raise gamma; stop.");
    }
}
