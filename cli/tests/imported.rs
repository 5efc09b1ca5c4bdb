//! Networks that others trained: what the verbs about a training say of them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use ganvas::import::Card;
use ganvas::{RunDir, sample};

fn ganvas(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ganvas")).current_dir(folder).args(args).output().unwrap()
}

/// `runs/0001-toy`: trained, and with a card as if it had been imported.
fn imported(folder: &Path) {
    let trained = ganvas(folder, &["train", "ring", "--name", "toy", "--set", "train.steps=3", "--threads", "1"]);
    assert!(trained.status.success(), "{}", String::from_utf8_lossy(&trained.stderr));
    let card = "name = \"toy\"\nsource = \"toy.pth\"\nlicence = \"MIT (somebody)\"\n";
    fs::write(folder.join("runs/0001-toy/card.toml"), card).unwrap();
    fs::remove_file(folder.join("runs/0001-toy/events.jsonl")).unwrap();
}

/// What was refused, which must be one sentence for a person.
fn refused(folder: &Path, args: &[&str]) -> String {
    let output = ganvas(folder, args);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
    said
}

#[test]
fn resume_says_that_the_run_was_imported_and_does_not_blame_its_configuration() {
    let folder = tempfile::tempdir().unwrap();
    imported(folder.path());
    let said = refused(folder.path(), &["resume", "runs/0001-toy"]);
    assert!(said.contains("was imported and has no training to go on with"), "{said}");
    assert!(said.contains("`ganvas sample`") && said.contains("`ganvas train ring`"), "{said}");
}

#[test]
fn eval_refuses_an_imported_run_that_would_be_held_against_another_recipes_data() {
    let folder = tempfile::tempdir().unwrap();
    imported(folder.path());
    let said = refused(folder.path(), &["eval", "runs/0001-toy"]);
    assert!(said.contains("was imported and has no data of its own") && said.contains("--against"), "{said}");
}

#[test]
fn eval_says_what_a_run_was_compared_with_where_nobody_named_it() {
    let folder = tempfile::tempdir().unwrap();
    imported(folder.path());
    fs::remove_file(folder.path().join("runs/0001-toy/card.toml")).unwrap();
    let output = ganvas(folder.path(), &["eval", "runs/0001-toy", "--samples", "50"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("50 samples of runs/0001-toy are compared with 8 of its own data"), "{said}");
}

#[test]
fn doctor_says_where_an_imported_network_comes_from_and_judges_nothing() {
    let folder = tempfile::tempdir().unwrap();
    imported(folder.path());
    let told = String::from_utf8(ganvas(folder.path(), &["doctor", "runs/0001-toy"]).stdout).unwrap();
    assert!(told.contains("no training to judge") && told.contains("toy.pth, licence: MIT (somebody)"), "{told}");
}

#[test]
fn a_card_that_cannot_be_read_still_says_that_the_run_was_imported() {
    let folder = tempfile::tempdir().unwrap();
    imported(folder.path());
    let run = RunDir::open(&folder.path().join("runs/0001-toy")).unwrap();
    assert_eq!(Card::of(&run).unwrap().source, "toy.pth");
    fs::write(run.path().join("card.toml"), "name = ").unwrap();
    assert_eq!(Card::of(&run).unwrap().source, "");
    fs::remove_file(run.path().join("card.toml")).unwrap();
    assert!(Card::of(&run).is_none() && sample::checkpoint(&run, None).is_ok());
}
