//! Every illness of the doctor's, provoked in a real training run; and healthy runs, of which it says nothing.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use ganvas::data::mnist;
use ganvas::doctor::{Doctor, Episode, episodes};
use ganvas::random::Draws;
use ganvas::run::{Diagnosis, Event, Record, read_events, standing};
use ganvas::{Device, Outcome, RECIPES, Resolved, RunDir, Watch, recipe, train};
use ganvas_made_up as made_up;

const QUIET: &[&str] = &["train.preview_every_kimg=1e9", "train.checkpoint_every_kimg=1e9"];

fn config(name: &str, sets: &[&str]) -> Resolved {
    made_up::use_cache();
    let entry = recipe(name).unwrap();
    let of_data = made_up::settings(entry.info.dataset, &Resolved::new(entry, None, &[]).unwrap().keys());
    let sets = of_data.into_iter().chain([QUIET, sets].concat().iter().map(|set| set.to_string())).collect::<Vec<_>>();
    Resolved::new(entry, None, &sets).unwrap()
}

fn watched(runs: &Path, config: &Resolved, watch: &mut Watch) -> (RunDir, ganvas::Result<Outcome>) {
    let run = RunDir::create(runs, "ill", config).unwrap();
    let session = config.open(&Device::flex()).unwrap();
    let outcome = train(&run, &run.lock().unwrap(), config, session, None, &Device::flex(), watch);
    (run, outcome)
}

fn records(run: &RunDir) -> Vec<Record> {
    read_events(&run.events()).unwrap()
}

/// What the doctor finds in a run of these settings while it trains, which is what it reads in the log afterwards.
fn found(name: &str, sets: &[&str]) -> Vec<Episode> {
    let folder = tempfile::tempdir().unwrap();
    let mut live = Vec::new();
    let (run, _) = watched(folder.path(), &config(name, sets), &mut |progress| {
        live.extend(progress.diagnoses.to_vec());
        ControlFlow::Continue(())
    });
    let read = standing(records(&run));
    let key = |found: &Diagnosis| (found.name.clone(), found.since_step, found.ended);
    let logged = read.iter().filter_map(|record| match &record.event {
        Event::Diagnosis(found) if found.name != "not_finite" => Some(key(found)), // ends the run, so nobody watches it
        _ => None,
    });
    assert_eq!(logged.collect::<Vec<_>>(), live.iter().map(key).collect::<Vec<_>>());
    let mut doctor = Doctor::default();
    let heard = read.iter().flat_map(|record| doctor.hear(record)).collect::<Vec<_>>();
    assert_eq!(heard.iter().map(key).collect::<Vec<_>>(), live.iter().map(key).collect::<Vec<_>>());
    episodes(&read)
}

/// The one of this name. Panics with all there are when it is not among them.
fn one<'a>(found: &'a [Episode], name: &str) -> &'a Episode {
    let one = found.iter().find(|episode| episode.diagnosis.name == name);
    let all = || found.iter().map(|episode| (&episode.diagnosis.name, &episode.diagnosis.sentence)).collect::<Vec<_>>();
    let one = one.unwrap_or_else(|| panic!("{name} is not among {:?}", all()));
    assert!(!one.diagnosis.leads_to.is_empty() && !one.diagnosis.remedy.is_empty(), "{name} says what to do");
    assert!(one.diagnosis.since_step <= one.found_step, "{one:?}");
    one
}

/// A folder in MNIST's format with so many pictures, each of which is made of its number.
fn pictures(folder: &Path, count: usize, picture: impl Fn(usize) -> Vec<u8>) {
    for part in mnist::FILES.chunks(2) {
        let labels = (0..count).map(|i| (i % 10) as u8).collect();
        for (file, content) in part.iter().zip([(0..count).flat_map(&picture).collect::<Vec<u8>>(), labels]) {
            let sizes = [&[count as u32], file.shape].concat();
            let header = [file.magic].iter().chain(&sizes).flat_map(|number| number.to_be_bytes()).collect::<Vec<u8>>();
            fs::write(folder.join(file.name), [header, content].concat()).unwrap();
        }
    }
}

/// What is found when mnist learns from thirty pictures of a folder of four hundred.
fn found_of_thirty(folder: &Path) -> Vec<Episode> {
    let path = format!("data.path={:?}", folder.to_str().unwrap());
    let sets = [
        "gamma=0",
        "data.validation_images=370",
        "dropout=0",
        "real_label=1",
        "train.batch=30",
        "train.kimg=60",
        "train.log_every_kimg=1",
        &path,
    ];
    found("mnist", &sets)
}

#[test]
fn the_papers_first_loss_loses_to_a_d_that_is_too_strong_and_g_collapses() {
    let sets = [
        "gamma=0",
        "generator_loss=minimax",
        "dropout=0",
        "real_label=1",
        "learning_rate=1e-3",
        "train.batch=64",
        "train.steps=250",
        "train.log_every_kimg=1",
    ];
    let found = found("mnist", &sets);
    let strong = &one(&found, "d_too_strong").diagnosis;
    assert!(strong.evidence["d_fake"] < 1e-3 && strong.evidence["d_accuracy_real"] > 0.99, "{strong:?}");
    let collapse = &one(&found, "mode_collapse").diagnosis;
    assert!(collapse.evidence["sample_spread"] < 0.4 * collapse.evidence["real_spread"], "{collapse:?}");
}

#[test]
fn a_gradient_that_is_gone_is_told_with_its_layer() {
    let folder = tempfile::tempdir().unwrap();
    let config = config("ring", &["train.steps=60", "train.log_every_kimg=1"]);
    let (run, _) = watched(folder.path(), &config, &mut |_| ControlFlow::Continue(()));
    let mut records = records(&run);
    assert_eq!(episodes(&records), [], "the gradients are well here");
    // Whether D gets so sure that nothing is left of G's gradient hangs on the last bits of a machine's sums: the second half
    // of a real run's log says so.
    for record in records.iter_mut().filter(|record| record.step > 30) {
        match &mut record.event {
            Event::Scalars { values, .. } => *values.get_mut("g_gradient_norm").unwrap() *= 1e-6,
            Event::Health { layers } => {
                let of_g = layers.iter_mut().filter(|(layer, _)| layer.starts_with("generator"));
                of_g.for_each(|(_, layer)| layer.gradient *= 1e-6);
            }
            _ => (),
        }
    }
    let found = episodes(&records);
    let vanishing = &one(&found, "vanishing_gradient").diagnosis;
    assert!(
        vanishing.sentence.starts_with("G's gradient") && vanishing.sentence.contains("generator net.layers."),
        "{vanishing:?}"
    );
}

#[test]
fn a_g_without_a_learning_rate_is_frozen() {
    let found = found("ring", &["learning_rate=0", "train.steps=60", "train.log_every_kimg=1"]);
    let frozen = one(&found, "g_frozen");
    assert_eq!(frozen.ended_step, None);
    assert!(frozen.diagnosis.since_step <= 8, "{frozen:?}");
}

#[test]
fn a_g_that_begins_after_its_critics_is_not_frozen_before() {
    let small = ["resolution=16", "width=2", "blocks=1", "d_width=2", "d_layers=1", "train.batch=4"];
    let run = ["d_first_kimg=1", "train.steps=60", "train.log_every_kimg=0.02"];
    let found = found("cyclegan", &[&small[..], &run[..]].concat());
    assert!(found.iter().all(|episode| episode.diagnosis.name != "g_frozen"), "{found:?}");
}

#[test]
fn a_learning_rate_that_is_too_high_explodes_a_layer_by_name_and_ends_in_no_number() {
    let found =
        found("goodfellow", &["learning_rate=0.5", "average_kimg=0", "train.steps=120", "train.log_every_kimg=0.2"]);
    let exploding = &one(&found, "exploding_gradient").diagnosis;
    assert!(exploding.sentence.contains("; that of ") && exploding.sentence.ends_with(" grew most."), "{exploding:?}");
    let origin = &one(&found, "not_finite").diagnosis;
    assert!(origin.sentence.contains("the first layer whose"), "{origin:?}");
    assert!(exploding.since_step < origin.since_step);
}

#[test]
fn a_learning_rate_that_is_too_high_kills_units() {
    let found =
        found("goodfellow", &["learning_rate=0.4", "average_kimg=0", "train.steps=200", "train.log_every_kimg=0.5"]);
    let dead = &one(&found, "dead_units").diagnosis;
    assert!(dead.evidence["dead"] > 0.5 && dead.sentence.contains("of the units of "), "{dead:?}");
}

#[test]
fn players_with_a_high_learning_rate_go_in_circles() {
    let found = found("ring", &["learning_rate=2e-2", "average_kimg=0", "train.kimg=25", "train.log_every_kimg=0.512"]);
    let circles = &one(&found, "oscillation").diagnosis;
    assert!(circles.evidence["swings"] >= 6.0, "{circles:?}");
}

#[test]
fn thirty_pictures_with_nothing_in_common_are_memorised() {
    let folder = tempfile::tempdir().unwrap();
    // Every seventh pixel or so is lit, in each picture by its own draw.
    let lit = |i: usize| Draws::new(1, i as u64).indices("lit", 7, 784);
    pictures(folder.path(), 400, |i| lit(i).into_iter().map(|at| if at == 0 { 255 } else { 0 }).collect());
    let found = found_of_thirty(folder.path());
    let memorised = &one(&found, "d_memorises").diagnosis;
    assert!(memorised.evidence["d_gap"] > 1.5, "{memorised:?}");
}

#[test]
fn learning_stalls_where_d_always_wins() {
    let folder = tempfile::tempdir().unwrap();
    let digits = mnist::read(&made_up::digits(), mnist::Part::Train).unwrap();
    pictures(folder.path(), 400, |i| digits.image(i).to_vec());
    one(&found_of_thirty(folder.path()), "learning_stalled");
}

#[test]
fn a_trainer_that_must_wait_is_slow() {
    let folder = tempfile::tempdir().unwrap();
    let config = config("ring", &["train.steps=40", "train.log_every_kimg=0.5"]);
    let (run, _) = watched(folder.path(), &config, &mut |progress| {
        if progress.step > 20 {
            std::thread::sleep(Duration::from_millis(300)); // a step takes some 2
        }
        ControlFlow::Continue(())
    });
    let found = episodes(&records(&run));
    assert!(one(&found, "slow").diagnosis.since_step > 20);
}

#[test]
fn a_disk_without_room_for_three_checkpoints_is_nearly_full() {
    let folder = tempfile::tempdir().unwrap();
    let config = config("ring", &["train.steps=60", "train.log_every_kimg=1", "train.checkpoint_every_kimg=2"]);
    let (run, _) = watched(folder.path(), &config, &mut |_| ControlFlow::Continue(()));
    let mut records = records(&run);
    assert_eq!(episodes(&records), [], "there is room here");
    // No test may fill a disk: the log of a real run says that there is less left.
    for record in &mut records {
        if let Event::Checkpoint { bytes, free_bytes, .. } = &mut record.event {
            assert!(*bytes > 100_000 && free_bytes.is_some(), "{bytes} {free_bytes:?}");
            *free_bytes = Some(*bytes * 2);
        }
    }
    one(&episodes(&records), "disk_full_soon");
}

#[test]
fn of_healthy_runs_nothing_is_said() {
    for name in ["ring", "grid"] {
        assert_eq!(found(name, &[]), [], "{name}");
    }
}

#[test]
fn on_trouble_a_run_stops_with_a_checkpoint_or_goes_back_three_times_with_half_the_learning_rate() {
    let ill = ["learning_rate=2e-2", "average_kimg=0", "train.kimg=60", "train.log_every_kimg=0.512", "train.seed=1"];
    let folder = tempfile::tempdir().unwrap();
    let stop = config("ring", &[&ill[..], &["train.on_trouble=stop"]].concat());
    let (run, outcome) = watched(folder.path(), &stop, &mut |_| ControlFlow::Continue(()));
    let said = outcome.unwrap_err().to_string();
    let checkpoint = run.checkpoint(None).unwrap().unwrap();
    assert!(said.starts_with("mode_collapse: ") && said.contains(&checkpoint.name()), "{said}");

    let nan = [
        "learning_rate=1",
        "average_kimg=0",
        "train.steps=120",
        "train.log_every_kimg=0.2",
        "train.on_trouble=rollback",
    ];
    let back = config("goodfellow", &[&nan[..], &["train.checkpoint_every_kimg=0.5"]].concat());
    let mut told = Vec::new();
    let (run, outcome) = watched(folder.path(), &back, &mut |progress| {
        told.extend(progress.rolled_back.map(|changes| (progress.step, changes[0].value.clone())));
        ControlFlow::Continue(())
    });
    let rates = records(&run).into_iter().filter_map(|record| match record.event {
        Event::RolledBack { because, changes } => Some((because, changes[0].value.clone())),
        _ => None,
    });
    let rates = rates.collect::<Vec<_>>();
    assert!(!rates.is_empty() && rates.len() <= 3, "{rates:?}");
    assert_eq!(rates[0].1, "0.5");
    let said = told.iter().map(|(_, rate)| rate).collect::<Vec<_>>();
    assert_eq!(said, rates.iter().map(|(_, rate)| rate).collect::<Vec<_>>());
    assert!(told.iter().all(|(step, _)| step % 5 == 1), "after a checkpoint: {told:?}");
    let text = run.config(RECIPES).unwrap().text;
    assert!(text.contains(&format!("\nlearning_rate = {}\n", rates.last().unwrap().1)), "{text}");
    if let Err(error) = outcome {
        assert!(error.to_string().contains("again after 3 rollbacks"), "{error}");
    }
}
