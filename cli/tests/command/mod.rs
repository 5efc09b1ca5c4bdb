//! What the tests of the command share: starting it in a folder, and what it said when it was done or refused.

#![allow(dead_code)] // no test file uses all of it

use std::path::Path;
use std::process::{Command, Output, Stdio};

use ganvas_made_up as made_up;

pub fn ganvas(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ganvas"));
    made_up::prepare(&mut command).current_dir(folder).args(args).stdin(Stdio::null()).output().unwrap()
}

/// What a command said beside its results.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a command prints, then what it says, that must succeed.
pub fn done(folder: &Path, args: &[&str]) -> String {
    let output = ganvas(folder, args);
    assert!(output.status.success(), "{args:?}: {}", said(&output));
    String::from_utf8_lossy(&output.stdout).trim().to_owned() + &said(&output)
}

/// A run of a recipe at its small size, on made-up data.
pub fn trained(folder: &Path, recipe: &str, more: &[&str]) {
    let entry = ganvas::recipe(recipe).unwrap();
    let keys = ganvas::Resolved::new(entry, None, &[]).unwrap().keys();
    let of_data = made_up::settings(entry.info.dataset, &keys);
    let sets = entry.info.small.iter().copied().chain(of_data.iter().map(String::as_str));
    let sets = sets.flat_map(|set| ["--set", set]).collect::<Vec<_>>();
    done(folder, &[&["train", recipe, "--threads", "1"], &sets[..], more].concat());
}

/// What a command says that refuses in a sentence.
pub fn refused(folder: &Path, args: &[&str]) -> String {
    let output = ganvas(folder, args);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {}", said(&output));
    said(&output)
}
