//! What a training needs of memory, measured with no other test beside it.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

#[test]
#[cfg(target_os = "linux")]
fn mnist_needs_less_than_150_megabytes_also_while_it_writes_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let every = "train.checkpoint_every_kimg=0.3";
    let mut child = Command::new(env!("CARGO_BIN_EXE_ganvas"))
        .current_dir(folder.path())
        .args(["train", "mnist", "--set", "train.steps=12", "--set", every])
        .args(["--set", "data.validation_images=300", "--data"])
        .arg(ganvas_made_up::digits())
        .env("GANVAS_CACHE", ganvas_made_up::cache())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()).unwrap_or(peak);
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(peak > 50_000, "the peak was not read: {peak} kB");
    assert!(peak * 1024 < 150_000_000, "the peak is {peak} kB");
}
