//! What commands need of memory, measured with no other test beside it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use ganvas::media::{Image, Levels, Picture, Raster};

fn ganvas(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ganvas"));
    ganvas_made_up::prepare(&mut command).current_dir(folder).args(args);
    command
}

/// One measurement at a time: a busy machine looks at a process too seldom to see its peak.
#[cfg(target_os = "linux")]
static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// The command's peak of memory in kB, in a folder.
#[cfg(target_os = "linux")]
fn peak_of(folder: &Path, args: &[&str]) -> u64 {
    let _alone = ALONE.lock().unwrap_or_else(|broken| broken.into_inner());
    let mut child = ganvas(folder, args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
        peak = now.unwrap_or(0).max(peak); // a trial lets it begin anew
        std::thread::sleep(Duration::from_millis(1));
    }
    peak
}

#[test]
#[cfg(target_os = "linux")]
fn mnist_needs_less_than_150_megabytes_also_while_it_writes_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let every = "train.checkpoint_every_kimg=0.3";
    let digits = ganvas_made_up::digits();
    let sets = ["train.steps=12", every, "data.validation_images=300"].map(|set| ["--set", set]).concat();
    let peak = peak_of(folder.path(), &[&["train", "mnist", "--data", digits.to_str().unwrap()][..], &sets].concat());
    assert!(peak > 50_000, "the peak was not read: {peak} kB");
    assert!(peak * 1024 < 150_000_000, "the peak is {peak} kB");
}

#[test]
#[cfg(target_os = "linux")]
fn what_a_dry_run_expects_of_memory_is_what_training_takes_and_more_than_it_takes_itself() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("pictures")).unwrap();
    for i in 0..8_u8 {
        let picture = ganvas::media::Image::new(32, 32, 3, (0..32 * 32 * 3).map(|j| (j % 251) as u8 ^ i).collect());
        fs::write(folder.path().join(format!("pictures/{i}.png")), picture.to_png().unwrap()).unwrap();
    }
    let sets = ["resolution=32", "width=32", "train.batch=128", "train.steps=2"].map(|set| ["--set", set]).concat();
    let train = [&["train", "dcgan", "--data", "pictures"][..], &sets].concat();
    let dry_run = [&train[..], &["--dry-run", "--json"]].concat();
    let said = ganvas(folder.path(), &dry_run).output().unwrap();
    let said = serde_json::from_slice::<serde_json::Value>(&said.stdout).unwrap();
    let expected = said["peak_bytes"].as_f64().unwrap() / 1024.0;
    let (trial, training) = (peak_of(folder.path(), &dry_run) as f64, peak_of(folder.path(), &train) as f64);
    assert!((0.7..1.4).contains(&(expected / training)), "expected {expected} kB, took {training}");
    assert!(trial < 0.9 * expected, "the trial took {trial} kB, and expects {expected}");
}

#[test]
#[cfg(target_os = "linux")]
fn what_no_memory_holds_is_refused_before_a_step_on_the_whole_batch() {
    let folder = tempfile::tempdir().unwrap();
    for more in [&["--dry-run"][..], &[]] {
        let args = [&["train", "grid", "--set", "train.batch=10000000", "--set", "width=2048"][..], more].concat();
        let peak = peak_of(folder.path(), &args);
        assert!(peak < 4_000_000, "{args:?} took {peak} kB");
        let refused = ganvas(folder.path(), &args).output().unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(2) && said.contains("lower train.batch to "), "{said}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "no run directory");
}

#[test]
#[cfg(target_os = "linux")]
fn a_small_file_of_a_large_picture_took_more_memory_than_was_promised_and_is_refused_or_read_by_rows() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let entry = ganvas::recipe("esrgan").unwrap();
    let of_data =
        ganvas_made_up::settings(entry.info.dataset, &ganvas::Resolved::new(entry, None, &[]).unwrap().keys());
    let sets = entry.info.small.iter().map(|set| set.to_string()).chain(of_data);
    let sets = sets.flat_map(|set| ["--set".to_owned(), set]).collect::<Vec<_>>();
    let sets = sets.iter().map(String::as_str);
    let train = ["train", "esrgan", "--set", "train.steps=1", "--name", "up"].into_iter().chain(sets);
    assert!(ganvas(folder, &train.collect::<Vec<_>>()).output().unwrap().status.success());
    for (name, is_deep) in [("deep.png", true), ("plain.png", false)] {
        let (sides, count) = ([6000, 6000], 6000 * 6000 * 3);
        let levels = if is_deep { Levels::Sixteen(vec![9000; count]) } else { Levels::Eight(vec![90; count]) };
        let raster = Raster::new(sides, 3, levels);
        let picture = Picture { raster, ..Picture::from(Image::new(1, 1, 1, vec![0])) };
        picture.write(&folder.join(name)).unwrap();
        let apply = ["apply", "runs/0001-up", name, "-o", "out.png", "--memory", "100MB"];
        let refused = ganvas(folder, &apply).output().unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(2) && said.contains("to be decoded, and may take 100 MB"), "{said}");
        let by_rows = [&apply[..], &["--side", "60"]].concat();
        for args in [&apply[..], &by_rows] {
            let peak = peak_of(folder, args);
            assert!(peak * 1024 < 130_000_000, "{args:?} took {peak} kB, the process itself among them");
        }
        assert_eq!(Picture::read(&folder.join("out.png")).unwrap().sides(), [240, 240]);
    }
}
