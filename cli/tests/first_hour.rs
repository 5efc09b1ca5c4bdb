//! What a newcomer meets in the first hour.

use std::path::Path;
use std::process::{Command, Output};

/// The command in a folder, with an empty cache and no other program to be found.
fn alone(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ganvas"));
    command.current_dir(folder).args(args).env("PATH", "").env("GANVAS_CACHE", folder.join("cache"));
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_file_and_a_set_that_is_not_there_yet_do_not_fail_by_threads() {
    let folder = tempfile::tempdir().unwrap();
    let made = alone(folder.path(), &["init", "dcgan", "-o", "mine.toml"]);
    assert!(made.status.success(), "{}", said(&made));
    for (set, client) in [("avatars", "pip"), ("openmoji", "npm"), ("emoji", "npm"), ("photos", "apt-get")] {
        let refused = alone(folder.path(), &["train", "mine.toml", "--data", set, "--threads", "1"]);
        let said = said(&refused);
        assert!(matches!(refused.status.code(), Some(1 | 2)), "{set}: {said}");
        assert!(said.contains(client) && !said.contains("the threads"), "{set}: {said}");
    }
}

#[test]
fn a_preset_that_is_not_there_is_answered_by_those_that_are() {
    let folder = tempfile::tempdir().unwrap();
    let made = alone(folder.path(), &["init", "dcgan", "--preset", "laptop", "-o", "mine.toml"]);
    assert!(made.status.success(), "{}", said(&made));
    for (args, wanted) in [
        (["train", "dcgan", "--preset", "lapptop"], "dcgan has no preset `lapptop`; there are: laptop, mnist, wgan-gp"),
        (["init", "ring", "--preset", "laptop"], "ring has no presets; leave --preset out"),
        (["train", "mine.toml", "--preset", "laptop"], "--preset is for a recipe, and mine.toml is a file"),
    ] {
        let refused = alone(folder.path(), &args);
        let said = said(&refused);
        assert!(refused.status.code() == Some(2) && said.contains(wanted), "{said}");
    }
}

#[test]
fn a_run_longer_than_a_day_names_the_preset_and_every_run_says_its_time_and_memory() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = folder.path().join("pictures");
    std::fs::create_dir(&pictures).unwrap();
    for i in 0..4_u8 {
        image::RgbImage::from_pixel(28, 28, image::Rgb([60 * i; 3])).save(pictures.join(format!("{i}.png"))).unwrap();
    }
    let small = ["resolution=28", "width=4", "latent=8", "train.batch=4"].map(|set| ["--set", set]).concat();
    let train = |kimg: &str, more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ganvas"));
        let command = command.current_dir(folder.path()).args(["train", "dcgan", "--data", "pictures", "--set", kimg]);
        let mut child = command.args(&small).args(more).stderr(std::process::Stdio::piped()).spawn().unwrap();
        let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
        // Until the training begins; the long one is not waited for.
        let lines = lines.map(Result::unwrap).take_while(|line| !line.contains(" kimg  ")).collect::<Vec<String>>();
        child.kill().unwrap();
        child.wait().unwrap();
        lines.join("\n")
    };
    let long = train("train.kimg=100000000", &[]);
    assert!(long.contains("It will take about ") && long.contains(" of memory."), "{long}");
    assert!(long.contains("ganvas train dcgan --preset laptop") && long.contains("lower train.kimg"), "{long}");
    let short = train("train.kimg=0.1", &[]);
    assert!(short.contains("It will take about ") && !short.contains("--preset"), "{short}");
}
