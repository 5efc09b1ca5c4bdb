//! The command as a process: killed, interrupted, out of room, and what is left then.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use ganvas::{RECIPES, Resolved, RunDir};
use ganvas_made_up as made_up;

fn ganvas(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ganvas"));
    made_up::prepare(&mut command).current_dir(folder).args(args).stdin(Stdio::null());
    command
}

/// Arguments that have a recipe learn from made-up data.
fn made_up_data(recipe: &str) -> Vec<String> {
    let entry = ganvas::recipe(recipe).unwrap();
    let keys = Resolved::new(entry, None, &[]).unwrap().keys();
    made_up::settings(entry.info.dataset, &keys).into_iter().flat_map(|set| ["--set".to_owned(), set]).collect()
}

/// A training of a recipe on made-up data, with more arguments.
fn train<'a>(recipe: &'a str, data: &'a [String], more: &[&'a str]) -> Vec<&'a str> {
    ["train", recipe].into_iter().chain(data.iter().map(String::as_str)).chain(more.iter().copied()).collect()
}

fn output(folder: &Path, args: &[&str]) -> Output {
    ganvas(folder, args).output().unwrap()
}

fn done(folder: &Path, args: &[&str]) -> String {
    let output = output(folder, args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn quietly(mut command: Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Every file of the latest checkpoint with its bytes, and its step.
fn state(run: &Path) -> (u64, BTreeMap<PathBuf, Vec<u8>>) {
    let latest = RunDir::open(run).unwrap().checkpoint(None).unwrap().unwrap();
    let mut files = BTreeMap::new();
    for folder in [latest.path().to_owned(), latest.path().join("parts")] {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.extension().is_some_and(|e| e == "safetensors") {
                files.insert(entry.strip_prefix(latest.path()).unwrap().to_owned(), fs::read(&entry).unwrap());
            }
        }
    }
    (latest.step(), files)
}

fn wait_for(what: &str, mut found: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !found() {
        assert!(begun.elapsed() < Duration::from_secs(120), "waited two minutes for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn ten_steps_a_kill_and_ten_more_equal_twenty_for_every_recipe() {
    for info in RECIPES.iter().map(|entry| entry.info) {
        let recipe = info.name;
        let folder = tempfile::tempdir().unwrap();
        let train = |name, steps: u64| {
            let small = info.small.iter().map(|set| set.to_string());
            let sets =
                [format!("train.steps={steps}"), "train.batch=16".into(), "train.checkpoint_every_kimg=0.16".into()];
            let sets = small.chain(sets);
            let mut args = vec!["train".to_owned(), recipe.into(), "--name".into(), name];
            args.extend(sets.flat_map(|set| ["--set".into(), set]));
            args.extend(made_up_data(recipe));
            args
        };
        let run = |args: &[String]| ganvas(folder.path(), &args.iter().map(String::as_str).collect::<Vec<_>>());

        let mut killed = quietly(run(&train("killed".to_owned(), 1_000_000)));
        let path = folder.path().join("runs/0001-killed");
        let latest = || RunDir::open(&path).and_then(|run| run.checkpoint(None)).ok().flatten();
        wait_for("the first checkpoint", || latest().is_some());
        killed.kill().unwrap(); // SIGKILL
        killed.wait().unwrap();
        let step = latest().unwrap().step();
        assert!(step >= 10);
        let steps = step + 10;
        done(folder.path(), &["resume", "runs/0001-killed", "--set", &format!("train.steps={steps}")]);
        let log = fs::read_to_string(path.join("events.jsonl")).unwrap();
        let (before, after) = log.split_once("\"event\":\"resumed\"").expect("it went on");
        assert!(!before.contains("\"finished\"") && after.contains("\"finished\""), "{log}");

        assert!(run(&train("whole".to_owned(), steps)).output().unwrap().status.success());
        let (whole, resumed) = (state(&folder.path().join("runs/0002-whole")), state(&path));
        assert_eq!((whole.0, resumed.0), (steps, steps));
        assert!(whole == resumed, "{recipe}: the resumed run has another state");
    }
}

#[test]
fn a_kill_at_any_moment_also_while_a_checkpoint_is_written_leaves_a_run_that_resumes() {
    let folder = tempfile::tempdir().unwrap();
    // A checkpoint after every step, so that most kills come while one is being written.
    let sets = ["--set", "train.steps=60", "--set", "train.checkpoint_every_kimg=0.256"];
    let train = |name| [&["train", "ring", "--name", name][..], &sets].concat();
    done(folder.path(), &train("whole"));

    let run = folder.path().join("runs/0002-killed");
    let mut kills = 0;
    let mut child = quietly(ganvas(folder.path(), &train("killed")));
    wait_for("the run directory", || RunDir::open(&run).is_ok());
    for patience in (0..).map(|i| Duration::from_micros(15_000 + 500 * i + 1_700 * (i * 37 % 23))) {
        std::thread::sleep(patience);
        if child.try_wait().unwrap().is_some() {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        child = quietly(ganvas(folder.path(), &["resume", "runs/0002-killed"]));
    }
    assert!(child.wait().unwrap().success());
    assert!(kills >= 5, "only {kills} kills: the run is too short to say anything");
    let log = fs::read_to_string(run.join("events.jsonl")).unwrap();
    let resumed = log.lines().filter(|line| line.contains("\"event\":\"resumed\""));
    let steps = resumed.filter_map(|line| line.split("\"step\":").nth(1)?.split(',').next());
    let steps = steps.collect::<std::collections::BTreeSet<_>>();
    assert!(steps.len() >= 3, "it went on from {steps:?} only");
    assert!(state(&folder.path().join("runs/0001-whole")) == state(&run), "after {kills} kills the state differs");
}

#[test]
#[cfg(unix)]
fn one_interrupt_writes_a_checkpoint_and_ends_well_and_a_second_ends_now() {
    let folder = tempfile::tempdir().unwrap();
    let interrupt = |child: &Child| {
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    };
    let begun = |run: &Path| fs::read_to_string(run.join("events.jsonl")).is_ok_and(|log| log.contains("\"scalars\""));

    let args = ["train", "ring", "--set", "train.kimg=100000"];
    let mut child = quietly(ganvas(folder.path(), &args));
    let run = folder.path().join("runs/0001-ring");
    wait_for("the first scalars", || begun(&run));
    interrupt(&child);
    assert!(child.wait().unwrap().success(), "an interrupted training ends well");
    let (step, _) = state(&run);
    assert!(step > 0);
    let log = fs::read_to_string(run.join("events.jsonl")).unwrap();
    assert!(log.trim_end().ends_with("\"event\":\"finished\",\"outcome\":\"stopped\"}"), "{log}");
    let again = done(folder.path(), &["resume", "runs/0001-ring", "--set", &format!("train.steps={}", step + 5)]);
    assert_eq!(again, "runs/0001-ring");
    assert_eq!(state(&run).0, step + 5);

    // A step of this batch takes seconds, so that both interrupts come within the second one.
    let args = ["train", "ring", "--set", "train.batch=100000", "--set", "train.kimg=100000"];
    let mut child = quietly(ganvas(folder.path(), &args));
    let run = folder.path().join("runs/0002-ring");
    wait_for("the first scalars", || begun(&run));
    std::thread::sleep(Duration::from_millis(150));
    interrupt(&child);
    std::thread::sleep(Duration::from_millis(20));
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
#[cfg(unix)]
fn no_room_for_a_checkpoint_is_one_sentence_and_the_run_goes_on_when_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let train = ["train", "ring", "--set", "train.steps=20", "--set", "train.checkpoint_every_kimg=2.56"];
    done(folder.path(), &train);
    // A limit on the size of files stands for a full disk: the write itself fails. Logs and previews are smaller.
    let limited = format!(
        "trap '' XFSZ; ulimit -f 100; exec {} train ring --set train.steps=20 --set train.checkpoint_every_kimg=2.56",
        env!("CARGO_BIN_EXE_ganvas")
    );
    let failed = Command::new("sh").args(["-c", &limited]).current_dir(folder.path()).output().unwrap();
    let said = String::from_utf8(failed.stderr).unwrap();
    assert_eq!(failed.status.code(), Some(1), "{said}");
    let last = said.trim_end().lines().last().unwrap();
    assert!(last.starts_with("ganvas: cannot write the checkpoint: no room for "), "{said}");
    assert!(last.ends_with("free some space, then go on with `ganvas resume runs/0002-ring`"), "{said}");

    let run = folder.path().join("runs/0002-ring");
    assert!(!run.join("checkpoints/.writing").exists(), "the half-written checkpoint gives its space back");
    done(folder.path(), &["resume", "runs/0002-ring"]);
    assert!(state(&run) == state(&folder.path().join("runs/0001-ring")));
}

#[test]
fn not_a_number_ends_the_process_with_code_one_and_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let failed = output(folder.path(), &["train", "ring", "--set", "learning_rate=1e30"]);
    assert_eq!(failed.status.code(), Some(1));
    let said = String::from_utf8(failed.stderr).unwrap();
    let last = said.trim_end().lines().last().unwrap();
    assert!(last.starts_with("ganvas: g_loss became NaN in step 1: the first layer whose gradient"), "{said}");
}

#[test]
#[cfg(unix)]
fn a_closed_terminal_does_not_end_a_training() {
    let folder = tempfile::tempdir().unwrap();
    let command = format!("{} train ring --set train.steps=300 2>&1 | true", env!("CARGO_BIN_EXE_ganvas"));
    Command::new("sh").args(["-c", &command]).current_dir(folder.path()).output().unwrap();
    let finished = || {
        fs::read_to_string(folder.path().join("runs/0001-ring/events.jsonl"))
            .is_ok_and(|log| log.contains("\"outcome\":\"done\""))
    };
    wait_for("the end of the training", finished);
}

#[test]
fn samples_are_the_same_each_time_and_come_as_grid_files_and_animation() {
    let folder = tempfile::tempdir().unwrap();
    let (data, sets) = (made_up_data("mnist"), ["--set", "train.steps=2", "--set", "train.batch=8"]);
    done(folder.path(), &train("mnist", &data, &sets));
    let sample = |args: &[&str]| done(folder.path(), &[&["sample", "runs/0001-mnist"], args].concat());
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();

    sample(&["-o", "a.png"]);
    sample(&["-o", "b.png"]);
    sample(&["-o", "c.png", "--seeds", "1-64"]);
    assert_eq!(read("a.png"), read("b.png"));
    assert_ne!(read("a.png"), read("c.png"));

    let json = sample(&["-o", "singles", "--seeds", "5-7", "--json"]);
    let json = serde_json::from_str::<serde_json::Value>(&json).unwrap();
    assert_eq!(json["step"], 2);
    let paths = json["written"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap());
    assert_eq!(paths.collect::<Vec<_>>(), [5, 6, 7].map(|seed| format!("singles/seed-{seed:06}.png")));
    assert!(folder.path().join("singles/seed-000007.png").is_file());

    let json = sample(&["-o", "grid.png", "--seeds", "0-9", "--grid", "5x2", "--zoom", "2", "--json"]);
    let grid = serde_json::from_str::<serde_json::Value>(&json).unwrap()["written"][0].clone();
    assert_eq!((grid["width"].as_u64(), grid["height"].as_u64()), (Some(2 * (2 + 5 * 30)), Some(2 * (2 + 2 * 30))));
    for name in ["way.gif", "way.png"] {
        sample(&["-o", name, "--interpolate", "3-9", "--frames", "5"]);
    }
    assert!(read("way.gif").starts_with(b"GIF89a"));
    assert!(read("way.png").windows(4).any(|chunk| chunk == b"acTL"), "an animated PNG");

    let small = output(folder.path(), &["sample", "runs/0001-mnist", "-o", "d.png", "--grid", "2x2"]);
    assert_eq!(small.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&small.stderr).contains("has no room for 64 seeds"));
    assert!(!folder.path().join("d.png").exists());
    for (out, args) in [
        ("d.gif", ""),
        ("d.jpg", ""),
        ("d.mp4", "--interpolate=1-2"),
        ("d.mid", ""), // pictures are no music
        ("d.wav", "--seeds=1-2"),
    ] {
        let args = ["sample", "runs/0001-mnist", "-o", out, args].into_iter().filter(|arg| !arg.is_empty());
        let refused = output(folder.path(), &args.collect::<Vec<_>>());
        assert_eq!(refused.status.code(), Some(2), "{out}: {}", String::from_utf8_lossy(&refused.stderr));
        assert!(!folder.path().join(out).exists());
    }
}

#[test]
fn small_pictures_are_enlarged_until_one_can_see_them_but_for_those_of_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    done(folder.path(), &train("mnist", &made_up_data("mnist"), &["--steps", "1", "--batch", "8"]));
    let size = |out: &str, args: &[&str]| {
        done(folder.path(), &[&["sample", "runs/0001-mnist", "-o", out], args].concat());
        let file = if out.contains('.') { out.to_owned() } else { format!("{out}/seed-000003.png") };
        image::image_dimensions(folder.path().join(file)).unwrap()
    };
    let frames = |zoom: &[&str]| {
        done(
            folder.path(),
            &[&["sample", "runs/0001-mnist", "-o", "way.gif", "--interpolate", "3-9", "--frames", "2"], zoom].concat(),
        );
        let gif = fs::read(folder.path().join("way.gif")).unwrap();
        u16::from_le_bytes([gif[6], gif[7]])
    };
    assert_eq!((frames(&[]), frames(&["--zoom", "1"])), (280, 28));
    assert_eq!(size("one.png", &["--seeds", "3", "--grid", "1x1"]).0, 8 * 32);
    assert_eq!(size("one.png", &["--seeds", "3", "--grid", "1x1", "--zoom", "1"]).0, 2 + 30);
    assert_eq!(size("singles", &["--seeds", "3-4"]).0, 28, "what is measured or learned from is as the model made it");
}

#[test]
fn seeds_are_listed_as_in_other_tools_and_what_no_seed_can_be_is_said() {
    let folder = tempfile::tempdir().unwrap();
    done(folder.path(), &["train", "ring", "--steps", "1"]);
    let json = done(folder.path(), &["sample", "latest", "--seeds", "85,3-4,85", "-o", "some", "--json"]);
    let told = serde_json::from_str::<serde_json::Value>(&json).unwrap();
    let seeds = told["written"].as_array().unwrap().iter().map(|one| one["seed"].as_u64().unwrap());
    assert_eq!(seeds.collect::<Vec<_>>(), [85, 3, 4, 85]);
    let mut files = fs::read_dir(folder.path().join("some")).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(files.any(|name| name == "seed-000085.png"));
    for (args, wanted) in [
        (&["train", "ring", "--seed", "18446744073709551615"][..], "the largest whole number"),
        (&["sample", "latest", "--seeds", "18446744073709551616", "-o", "x.png"], "from 0 to 18446744073709551615"),
        (&["sample", "latest", "--seeds", "5-2", "-o", "x.png"], "as in 2-5"),
        (&["sample", "latest", "--seeds", "0-100000", "-o", "x.png"], "more than 100000 seeds"),
    ] {
        let refused = output(folder.path(), args);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(2) && said.contains(wanted), "{args:?}: {said}");
    }
}

#[test]
fn progress_counts_samples_and_not_the_three_files_of_each_piece_of_music() {
    let folder = tempfile::tempdir().unwrap();
    let small = ganvas::recipe("midinet").unwrap().info.small.iter().flat_map(|set| ["--set", set]);
    let sets = small.chain(["--set", "train.steps=1"]).collect::<Vec<_>>();
    done(folder.path(), &train("midinet", &made_up_data("midinet"), &sets));
    let sampled = output(folder.path(), &["sample", "latest", "--seeds", "1-3", "-o", "tunes"]);
    let said = String::from_utf8_lossy(&sampled.stderr).into_owned();
    assert!(said.contains("drawing: 3 samples, 100%"), "{said}");
    assert_eq!(fs::read_dir(folder.path().join("tunes")).unwrap().count(), 9);
}

#[test]
#[cfg(target_os = "linux")]
fn what_one_file_cannot_hold_is_refused_before_anything_is_drawn_and_a_folder_is_written_piece_by_piece() {
    let folder = tempfile::tempdir().unwrap();
    train_small_stylegan2_and_ring(folder.path());
    for more in
        [&["--seeds", "0-99999", "--zoom", "32"][..], &["--interpolate", "0-1", "--frames", "65535", "--zoom", "32"]]
    {
        let out = if more[0] == "--seeds" { "x.png" } else { "x.gif" };
        let args = [&["sample", "runs/0001-stylegan2", "-o", out], more].concat();
        let refused = output(folder.path(), &args);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        let expected = said.contains("GB of memory") && said.contains("give fewer");
        assert!(refused.status.code() == Some(2) && expected, "{args:?}: {said}");
        assert!(!folder.path().join(out).exists());
    }
    let many = done(folder.path(), &["sample", "runs/0001-stylegan2", "--seeds", "0-299", "-o", "many", "--json"]);
    let told = serde_json::from_str::<serde_json::Value>(&many).unwrap();
    assert_eq!(told["written"].as_array().unwrap().len(), 300, "more than are drawn at a time");
    let one = done(folder.path(), &["sample", "runs/0001-stylegan2", "--seeds", "299", "-o", "one"]);
    let file = |folder_of: &str| fs::read(folder.path().join(folder_of).join("seed-000299.png")).unwrap();
    assert_eq!((file("many"), one), (file("one"), "one".to_owned()));
}

#[test]
#[cfg(unix)]
fn names_that_are_not_utf8_are_as_good_as_others() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let bad = |text: &[u8]| PathBuf::from(OsStr::from_bytes(text));
    let train = train("pix2pix", &made_up_data("pix2pix"), &[]).into_iter().map(str::to_owned).collect::<Vec<_>>();
    let small = ganvas::recipe("pix2pix").unwrap().info.small.iter().flat_map(|set| ["--set", set]);
    let sets = small.chain(["--set", "train.steps=1"]).map(str::to_owned);
    let runs = bad(b"r\xff");
    fs::create_dir(folder.path().join(&runs)).unwrap();
    let work = folder.path().join(&runs); // and so is the folder that it works in
    let args = train.into_iter().chain(sets).collect::<Vec<_>>();
    done(&work, &args.iter().map(String::as_str).collect::<Vec<_>>());

    let pictures = work.join(bad(b"p\xfe"));
    fs::create_dir(&pictures).unwrap();
    let picture = ganvas::media::Image::new(16, 16, 3, vec![90; 16 * 16 * 3]).to_png().unwrap();
    for name in [&b"a.png"[..], b"b\xff.png", b"c.png", b"line\nbreak \x1b[31m.png"] {
        fs::write(pictures.join(bad(name)), &picture).unwrap();
    }
    let run = |args: &[&OsStr]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ganvas"));
        let output =
            made_up::prepare(&mut command).current_dir(&work).args(args).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let word = OsStr::new;
    let out = bad(b"o\xff");
    let told = run(&[word("apply"), word("latest"), pictures.as_os_str(), word("-o"), out.as_os_str(), word("--json")]);
    let told = serde_json::from_str::<serde_json::Value>(&told).unwrap();
    assert_eq!(told.as_array().unwrap().len(), 4, "all of the folder is done");
    assert_eq!(told[1]["output_is_lossy"], true, "{}", told[1]);
    assert!(work.join(&out).join(bad(b"b\xff.png")).exists());
    for out in [bad(b"one\xff.png"), bad(b"way\xff.gif"), bad(b"pieces\xff")] {
        let way =
            if out.extension().is_some_and(|it| it == "gif") { ["--interpolate", "0-1"] } else { ["--seeds", "0-1"] };
        done(&work, &["train", "ring", "--steps", "1"]);
        run(&[word("sample"), word("latest"), word("-o"), out.as_os_str(), word(way[0]), word(way[1]), word("--json")]);
        assert!(work.join(out).exists());
    }
    run(&[word("runs"), work.join("runs").as_os_str(), word("--json")]);
    run(&[word("doctor"), word("latest")]);
    run(&[word("data"), word("check"), pictures.as_os_str()]);
    let mut train = Command::new(env!("CARGO_BIN_EXE_ganvas"));
    train.current_dir(&work).args([word("train"), word("dcgan"), word("--data"), pictures.as_os_str()]);
    let refused = made_up::prepare(&mut train).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(2) && said.contains("a name that is not UTF-8"), "{said}");
}

#[test]
fn a_class_is_asked_for_by_its_name_and_else_the_seed_chooses() {
    let folder = tempfile::tempdir().unwrap();
    train_small_biggan(folder.path());
    let config = fs::read_to_string(folder.path().join("runs/0001-biggan/config.toml")).unwrap();
    assert!(config.contains("classes = [\"cross\", \"disc\", \"square\"]"), "{config}");
    let sample = |more: &[&str]| {
        done(folder.path(), &[&["sample", "latest", "-o", "x.png", "--zoom", "1"], more].concat());
        image::open(folder.path().join("x.png")).unwrap().to_rgb8()
    };
    let (rows, one) = (
        sample(&["--rows", "class", "--seeds", "3-4"]),
        sample(&["--with", "class=square", "--seeds", "3-4", "--grid", "2x1"]),
    );
    assert_eq!(image::imageops::crop_imm(&rows, 0, 60, 62, 32).to_image(), one, "the third row is the third class");
    assert_ne!(sample(&["--truncation", "0.3", "--seeds", "3-4"]), sample(&["--seeds", "3-4"]));
    let refused = output(folder.path(), &["sample", "latest", "-o", "x.png", "--with", "class=discs"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(2) && said.contains("Did you mean `disc`?"), "{said}");
    // Between two classes at one seed: the first frame is the first class, without a border, and the last is the second.
    let [from, to] = ["class=cross", "class=disc"].map(|class| {
        let whole = sample(&["--with", class, "--seeds", "3", "--grid", "1x1"]);
        image::imageops::crop_imm(&whole, 2, 2, 28, 28).to_image()
    });
    let way = |from: &str, to: &str| {
        sample(&[
            "--interpolate",
            "3",
            "--frames",
            "3",
            "--with",
            &format!("class={from}"),
            "--to",
            &format!("class={to}"),
        ])
    };
    assert!(from != to && way("cross", "disc") == from && way("disc", "cross") == to);
    for (wrong, sentence) in [
        (&["--interpolate", "3", "--with", "class=cross", "--to", "class=discs"][..], "Did you mean"),
        (&["--interpolate", "3", "--to", "class=disc"], "say where it begins, too"),
        (&["--interpolate", "3", "--with", "kind=cross", "--to", "kind=disc"], "kind"),
        (&["--interpolate", "3-9", "--seeds", "3"], "cannot be used with"),
    ] {
        let refused = output(folder.path(), &[&["sample", "latest", "-o", "x.png"], wrong].concat());
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(2) && said.contains(sentence), "{wrong:?}: {said}");
    }
    let data = made_up::faces();
    let none = output(folder.path(), &["train", "biggan", "--data", data.to_str().unwrap(), "--dry-run"]);
    let said = String::from_utf8_lossy(&none.stderr).into_owned();
    assert!(none.status.code() == Some(2) && said.contains("the pictures have none"), "{said}");
}

/// One step of biggan on crosses, discs and squares: runs/0001-biggan.
fn train_small_biggan(folder: &Path) {
    let small = ganvas::recipe("biggan").unwrap().info.small.iter().flat_map(|set| ["--set", set]);
    let sets = small.chain(["--set", "train.steps=1"]).collect::<Vec<_>>();
    done(folder, &train("biggan", &made_up_data("biggan"), &sets));
}

#[test]
fn a_recipe_that_is_given_classes_and_does_not_learn_them_says_so_in_one_line() {
    let (folder, data) = (tempfile::tempdir().unwrap(), made_up::classes());
    let said = |recipe: &str, data: &Path| {
        let small = ganvas::recipe(recipe).unwrap().info.small.iter().flat_map(|set| ["--set", set]);
        let data = ["train", recipe, "--data", data.to_str().unwrap(), "--set", "train.steps=1"];
        let output = output(folder.path(), &data.into_iter().chain(small).collect::<Vec<_>>());
        assert!(output.status.success(), "{recipe}: {output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let line = |recipe: &str| {
        format!(
            "note: the pictures are of 3 classes, which {recipe} does not learn: to it they are one kind; biggan learns classes\n"
        )
    };
    for recipe in ["dcgan", "stylegan2", "r3gan"] {
        let said = said(recipe, &data);
        assert_eq!(said.matches(&line(recipe)).count(), 1, "{said}");
    }
    assert!(!said("biggan", &data).contains("does not learn"));
    assert!(!said("dcgan", &made_up::faces()).contains("does not learn"), "those have no classes");
}

#[test]
fn each_class_is_measured_by_itself_and_a_classifier_says_which_it_sees() {
    let folder = tempfile::tempdir().unwrap();
    train_small_biggan(folder.path());
    let data = made_up::classes();
    let small = ganvas::recipe("dcgan").unwrap().info.small.iter().flat_map(|set| ["--set", set]);
    let args = ["train", "dcgan", "--data", data.to_str().unwrap(), "--set", "train.steps=1"];
    let shape = ["--set", "resolution=28", "--set", "channels=1"];
    done(folder.path(), &args.into_iter().chain(small).chain(shape).collect::<Vec<_>>());
    let by_class = ["--by-class", "--features", "pixels", "--samples", "20", "--json"];
    let measured = |runs: &[&str], more: &[&str]| {
        let text = done(folder.path(), &[&["eval"], runs, &by_class, more].concat());
        serde_json::from_str::<Vec<serde_json::Value>>(&text).unwrap()
    };
    let value = |passports: &[serde_json::Value], name: &str, quantity: &str| {
        let found = passports.iter().find(|one| one["generated"]["name"] == name && one["quantity"] == quantity);
        found.unwrap_or_else(|| panic!("no {quantity} of {name}: {passports:?}"))["value"].as_f64().unwrap()
    };
    let both = measured(&["runs/0001-biggan", "runs/0002-dcgan"], &["--differences"]);
    for name in ["runs/0001-biggan", "runs/0002-dcgan"] {
        let each = ["cross", "disc", "square"].map(|class| value(&both, name, &format!("distance of {class}")));
        let mean = each.iter().sum::<f64>() / 3.0;
        assert!((value(&both, name, "distance by class") - mean).abs() < 1e-9 * mean.abs(), "{each:?}");
    }
    value(&both, "runs/0002-dcgan less runs/0001-biggan", "distance by class");
    let shares =
        ["cross", "disc", "square"].map(|class| value(&both, "runs/0001-biggan", &format!("share of {class}")));
    let share = value(&both, "runs/0001-biggan", "share");
    assert!((share - shares.iter().sum::<f64>() / 3.0).abs() < 1e-9, "{share} of {shares:?}");
    assert!(!both.iter().any(|one| one["metric"] == "asked" && one["generated"]["name"] == "runs/0002-dcgan"));
    // Shapes are told apart by their pixels.
    let own = both.iter().find(|one| one["quantity"] == "classifier's own share").unwrap();
    assert!(own["value"].as_f64().unwrap() > 0.6 && own["generated"]["part"] == "held-out", "{own}");
    for (args, sentence) in [
        (&["eval", data.to_str().unwrap(), "--by-class"][..], "--by-class is for runs"),
        (&["eval", "latest", "--by-class", "--features", "pixels", "--metric", "asked"], "cannot be asked for a class"),
        (&["eval", "latest", "--by-class", "--features", "pixels", "--metric", "classes"], "is not taken by class"),
        (&["eval", "latest", "--metric", "asked", "--features", "pixels"], "give --by-class"),
    ] {
        let refused = output(folder.path(), args);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(2) && said.contains(sentence), "{args:?}: {said}");
    }
}

#[test]
fn a_short_run_counts_its_steps_and_the_end_says_what_all_of_it_took() {
    let folder = tempfile::tempdir().unwrap();
    let trained = output(folder.path(), &["train", "ring", "--kimg", "2.56"]);
    let said = String::from_utf8(trained.stderr).unwrap();
    let lines = said.lines().filter(|line| line.contains(" left  ")).collect::<Vec<_>>();
    assert!(lines.last().unwrap().starts_with("0 s left  10/10 steps  "), "{said}");
    assert!(lines.iter().all(|line| line.len() < 80), "{said}");
    let end = said.lines().find(|line| line.starts_with("Trained 10 steps in ")).expect(&said);
    assert!(end.ends_with(" images a second."), "{end}");
}

#[test]
#[cfg(unix)]
fn an_interrupt_after_the_end_does_not_speak_of_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("said");
    let mut command = ganvas(folder.path(), &["train", "ring", "--steps", "1", "--serve"]);
    let mut child = command.stdout(Stdio::null()).stderr(fs::File::create(&path).unwrap()).spawn().unwrap();
    let said = || fs::read_to_string(&path).unwrap();
    wait_for("the end of the training", || said().contains("Still shown at "));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
    assert!(said().ends_with("\nStopping.\n") && !said().contains("checkpoint"), "{}", said());
}

#[test]
fn the_flags_people_try_first_work_or_name_the_key() {
    let folder = tempfile::tempdir().unwrap();
    done(folder.path(), &["train", "ring", "--kimg", "0.08", "--batch", "16"]);
    done(folder.path(), &["train", "ring", "--steps", "2", "--batch-size", "8"]);
    done(folder.path(), &["resume", "runs/0002-ring", "--steps", "3"]);
    let config = |run: &str| fs::read_to_string(folder.path().join("runs").join(run).join("config.toml")).unwrap();
    assert_eq!(state(&folder.path().join("runs/0001-ring")).0, 5);
    assert!(config("0001-ring").contains("\nkimg = 0.08\n") && config("0001-ring").contains("\nbatch = 16\n"));
    assert!(config("0002-ring").contains("\nsteps = 3\n") && config("0002-ring").contains("\nbatch = 8\n"));
    for (args, sentence) in [
        (["ring", "--lr", "0.1"], "there is no flag --lr; did you mean --set learning_rate=0.1?"),
        (["--lr=0.1", "runs/0001-ring/config.toml", "--json"], "did you mean --set learning_rate=0.1?"),
        (["stylegan2", "--size", "64"], "did you mean --set resolution=64?"),
        (["ring", "--resolution", "64"], "unexpected argument '--resolution'"),
        (["ring", "--size", "64"], "ring has no key `resolution`; `ganvas init ring` shows those it has"),
        (["ring", "--preview-every-kimg", "1"], "did you mean --set train.preview_every_kimg=1?"),
        (["ring", "--epochs", "5"], "give --kimg N"),
        (["ring", "-o", "out"], "give --runs DIR"),
        (["ring", "--output", "out"], "give --runs DIR"),
    ] {
        let refused = output(folder.path(), &[&["train"], &args[..]].concat());
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(2) && said.contains(sentence), "{args:?}: {said}");
    }
}

#[test]
fn runs_are_listed_renamed_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let ganvas = |args: &[&str]| done(folder.path(), args);
    let refused = |args: &[&str], sentence: &str| {
        let refused = output(folder.path(), args);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(2) && said.contains(sentence), "{args:?}: {said}");
    };
    assert_eq!(ganvas(&["runs"]), "No run is in runs yet. Begin one with: ganvas train mnist");
    refused(&["runs", "elsewhere"], "elsewhere does not exist");
    refused(&["sample", "latest", "-o", "grid.png"], "there is no run in the folder runs yet");

    ganvas(&["train", "ring", "--steps", "4"]);
    ganvas(&["train", "ring", "--steps", "2", "--name", "other"]);
    let list = ganvas(&["runs"]);
    let rows = list.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>();
    assert_eq!(rows[0], "RUN RECIPE STATE PROGRESS SIZE LAST METRIC");
    assert!(rows[1].starts_with("0002-other ring finished 100% of 0.512 kimg "), "the newest first: {list}");
    assert!(rows[2].starts_with("0001-ring ring finished 100% of 1.024 kimg ") && rows.len() == 3, "{list}");
    let json = serde_json::from_str::<serde_json::Value>(&ganvas(&["runs", "runs", "--json"])).unwrap();
    assert_eq!((&json[1]["path"], &json[1]["step"]), (&"runs/0001-ring".into(), &4.into()));
    let weights = folder.path().join("runs/0001-ring/checkpoints/00000001k024/model.safetensors");
    assert!(json[1]["bytes"].as_u64().unwrap() > fs::metadata(&weights).unwrap().len());

    assert_eq!(ganvas(&["runs", "rename", "latest", "better"]), "runs/0002-better");
    assert_eq!(ganvas(&["resume", "latest", "--set", "train.steps=3"]), "runs/0002-better");
    refused(&["runs", "rename", "latest", "../away"], "cannot name a run");
    fs::create_dir(folder.path().join("runs/0002-taken")).unwrap();
    refused(&["runs", "rename", "latest", "taken"], "runs/0002-taken is there already");

    refused(&["runs", "remove", "runs/0001-ring"], "give --yes");
    let here = output(&folder.path().join("runs/0001-ring"), &["runs", "remove", ".", "--yes"]);
    assert!(String::from_utf8_lossy(&here.stderr).contains("`.` names no folder"), "{here:?}");
    let lock = RunDir::open(&folder.path().join("runs/0002-better")).unwrap().lock().unwrap();
    let both = ["runs", "remove", "runs/0001-ring", "runs/0002-better", "--yes"];
    refused(&both, "another process is training runs/0002-better");
    refused(&["runs", "rename", "latest", "worse"], "another process is training runs/0002-better");
    assert!(weights.exists(), "none is removed when one cannot be");
    drop(lock);
    assert_eq!(ganvas(&both), "removed runs/0001-ring\nremoved runs/0002-better");
    refused(&["runs", "remove", "runs/0001-ring", "--yes"], "runs/0001-ring does not exist");
    refused(&["runs", "remove", "runs/0002-taken", "--yes"], "is no run, for it holds no config.toml");
}

#[test]
fn latest_stands_for_the_newest_run_in_every_verb_that_takes_one() {
    let folder = tempfile::tempdir().unwrap();
    done(folder.path(), &["train", "ring", "--steps", "2"]);
    done(folder.path(), &["train", "ring", "--steps", "2"]);
    for verb in [
        vec!["resume", "latest"],
        vec!["sample", "latest", "-o", "grid.png"],
        vec!["eval", "latest", "--samples", "100"],
        vec!["doctor", "latest"],
    ] {
        let said = output(folder.path(), &verb);
        let told = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(said.status.success() && told.contains("latest is runs/0002-ring"), "{verb:?}: {told}");
    }
    let refused = output(folder.path(), &["apply", "latest", "grid.png", "-o", "out.png"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("runs/0002-ring makes samples out of seeds"), "{said}");
}

#[test]
fn the_version_says_commit_features_and_vectors() {
    let version = concat!("ganvas ", env!("CARGO_PKG_VERSION"));
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(done(folder.path(), &["-V"]), version);
    let said = done(folder.path(), &["--version"]);
    let [first, commit, features, processor] = said.lines().collect::<Vec<_>>()[..] else { panic!("{said}") };
    assert_eq!(first, version);
    let commit = commit.strip_prefix("commit: ").unwrap().split(',').next().unwrap();
    assert!(commit == "none" || commit.len() == 12 && commit.chars().all(|c| c.is_ascii_hexdigit()), "{said}");
    assert!(features.starts_with("features: "), "{said}");
    let bits = processor.strip_prefix("processor: vectors of ").and_then(|rest| rest.strip_suffix(" bits")).unwrap();
    assert!(["32", "128", "256", "512"].contains(&bits), "{said}");
}

/// Leaves runs/0001-stylegan2, of pictures of 8 pixels, and runs/0002-ring, which has neither pictures nor styles.
fn train_small_stylegan2_and_ring(folder: &Path) {
    let small = ganvas::recipe("stylegan2").unwrap().info.small.iter().flat_map(|set| ["--set", set]);
    let sets = small.chain(["--set", "train.steps=1"]).collect::<Vec<_>>();
    done(folder, &train("stylegan2", &made_up_data("stylegan2"), &sets));
    done(folder, &["train", "ring", "--set", "train.steps=1"]);
}

#[test]
#[ignore = "needs pip"]
fn a_picture_is_projected_into_the_styles_and_what_cannot_be_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    train_small_stylegan2_and_ring(folder.path());
    done(folder.path(), &["sample", "runs/0001-stylegan2", "--seeds", "3-4", "--zoom", "2", "-o", "seeds"]);
    fs::write(folder.path().join("text.png"), "no picture").unwrap();
    let pictures = ["seeds/seed-000003.png", "seeds/seed-000004.png"];
    let project = |run: &str, out: &str, pictures: &[&str]| {
        let sample = ["sample", run, "--steps", "9", "--json", "-o", out, "--project"];
        output(folder.path(), &[&sample[..], pictures].concat())
    };

    let found = project("runs/0001-stylegan2", "pairs.png", &pictures);
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    let json = serde_json::from_slice::<serde_json::Value>(&found.stdout).unwrap()["written"].clone();
    assert!(json[1]["perceptual_distance"].as_f64().unwrap() > 0.0 && json[1]["picture"] == pictures[1], "{json}");
    assert_eq!(json[0]["style"].as_array().unwrap().len(), 8);
    let pairs = fs::read(folder.path().join("pairs.png")).unwrap();
    let side = |at: usize| u32::from_be_bytes(pairs[at..at + 4].try_into().unwrap());
    assert_eq!([side(16), side(20)], [12 * (2 + 2 * 10); 2], "two rows of two, enlarged until one can see them");
    assert!(project("runs/0001-stylegan2", "found", &pictures).status.success());
    assert!(folder.path().join("found/projected-000001.png").is_file());

    for (run, out, picture, sentence) in [
        ("runs/0002-ring", "a.png", pictures[0], "has no styles to look among"),
        ("runs/0001-stylegan2", "a.png", "text.png", "text.png is not a picture"),
        ("runs/0001-stylegan2", "a.png", "none.png", "none.png"),
        ("runs/0001-stylegan2", "a.gif", pictures[0], "a grid is written as .png"),
    ] {
        let refused = project(run, out, &[picture]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(2) && said.contains(sentence), "{said}");
        assert!(!folder.path().join(out).exists());
    }
}

#[test]
fn rows_are_the_same_samples_again_for_each_value() {
    let folder = tempfile::tempdir().unwrap();
    train_small_stylegan2_and_ring(folder.path());
    let sample = |args: &[&str]| done(folder.path(), &[&["sample", "runs/0001-stylegan2", "--json"], args].concat());
    let read = |name: &str| image::open(folder.path().join(name)).unwrap().to_rgb8();

    sample(&["--rows", "truncation", "--seeds", "0-2", "--zoom", "1", "-o", "rows.png"]);
    let rows = read("rows.png");
    assert_eq!(rows.dimensions(), (2 + 3 * 10, 2 + 5 * 10), "five rows of three, from -2 to 2");
    for (row, truncation) in [(0, "--truncation=-2"), (2, "--truncation=0"), (3, "--truncation=1")] {
        sample(&[truncation, "--seeds", "0-2", "--grid", "3x1", "--zoom", "1", "-o", "row.png"]);
        let (alone, line) = (read("row.png"), 3 * rows.width() as usize);
        let here = &rows.as_raw()[row * 10 * line..][..alone.as_raw().len()];
        assert!(here == alone.as_raw().as_slice(), "row {row} is not of {truncation}");
    }

    for (run, name) in [("runs/0001-stylegan2", "colour"), ("runs/0002-ring", "truncation")] {
        let refused = output(folder.path(), &["sample", run, "--rows", name, "-o", "none.png"]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(2) && said.contains(&format!("no values of `{name}`")), "{said}");
    }
}

#[test]
fn a_dry_run_says_sizes_memory_and_time_and_trains_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let said = done(folder.path(), &["train", "ring", "--dry-run", "--seed", "9"]);
    assert!(said.starts_with("recipe = \"ring\"") && said.contains("\nseed = 9\n"), "{said}");
    assert!(said.contains("# parameters: discriminator 17025, generator 20994"), "{said}");
    assert!(said.contains("# memory: ") && said.contains("# time: "), "{said}");
    let json = done(folder.path(), &["train", "ring", "--dry-run", "--json"]);
    let json = serde_json::from_str::<serde_json::Value>(&json).unwrap();
    assert_eq!(json["parameters"]["generator"], 20994);
    assert!(json["secs_per_step"].as_f64().unwrap() > 0.0);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "no run directory");
}

#[test]
fn a_run_repeats_from_its_own_config_and_data_from_a_folder_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let digits = made_up::digits();
    let own = folder.path().join("own data");
    fs::create_dir(&own).unwrap();
    for file in fs::read_dir(&digits).unwrap().map(|entry| entry.unwrap().path()) {
        fs::copy(&file, own.join(file.file_name().unwrap())).unwrap();
    }
    let sets = ["--set", "train.steps=2", "--set", "train.batch=8", "--set", "data.validation_images=300"];
    done(folder.path(), &[&["train", "mnist", "--data", "own data"][..], &sets].concat());
    done(folder.path(), &["train", "runs/0001-mnist/config.toml"]);
    let config = fs::read_to_string(folder.path().join("runs/0002-mnist/config.toml")).unwrap();
    assert!(config.contains("path = \"own data\""), "{config}");
    let state = |run: &str| state(&folder.path().join("runs").join(run));
    assert!(state("0001-mnist") == state("0002-mnist"));
}

#[test]
fn a_length_in_images_replaces_one_in_steps() {
    let folder = tempfile::tempdir().unwrap();
    done(folder.path(), &["train", "ring", "--set", "train.steps=3"]);
    done(folder.path(), &["resume", "runs/0001-ring", "--set", "train.kimg=2.56"]); // ten steps of 256
    assert_eq!(state(&folder.path().join("runs/0001-ring")).0, 10);
}

#[test]
fn only_what_leaves_the_past_alone_can_be_set_anew_on_a_resume() {
    let folder = tempfile::tempdir().unwrap();
    done(folder.path(), &["train", "ring", "--set", "train.steps=3"]);
    let refused = output(folder.path(), &["resume", "runs/0001-ring", "--set", "train.batch=8"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("train.batch cannot change in a run that has begun"));
    done(folder.path(), &["resume", "runs/0001-ring", "--set", "train.steps=4"]);
    assert_eq!(state(&folder.path().join("runs/0001-ring")).0, 4);
    let config = fs::read_to_string(folder.path().join("runs/0001-ring/config.toml")).unwrap();
    assert!(config.contains("\nsteps = 4\n"));
}

/// A .npy file of f32, `[rows, columns]`.
fn npy(rows: usize, columns: usize, value: impl Fn(usize) -> f32) -> Vec<u8> {
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    let header = format!("{header:<117}\n"); // 128 bytes with what stands before it
    let start = [b"\x93NUMPY\x01\x00".as_slice(), &118_u16.to_le_bytes(), header.as_bytes()].concat();
    start.into_iter().chain((0..rows * columns).flat_map(|i| value(i).to_le_bytes())).collect()
}

#[test]
fn features_are_measured_with_passports_and_bad_ones_named() {
    let folder = tempfile::tempdir().unwrap();
    let wave = |rate: f32| move |i: usize| ((i as f32 + 1.0) * rate).sin();
    let write = |name: &str, bytes: Vec<u8>| fs::write(folder.path().join(name), bytes).unwrap();
    write("a.npy", npy(100, 4, wave(0.37)));
    write("b.npy", npy(120, 4, wave(0.61)));
    write("few.npy", npy(5, 4, wave(0.37)));
    write("wide.npy", npy(100, 5, wave(0.37)));
    write("nan.npy", npy(100, 4, |i| if i == 9 { f32::NAN } else { 1.0 }));

    let said = done(folder.path(), &["eval", "a.npy", "--against", "b.npy"]);
    let names = said.lines().map(|line| line.split("  ").next().unwrap().trim()).collect::<Vec<_>>();
    assert_eq!(names[..4], ["fd distance", "kid distance", "prc precision", "prc recall"], "{said}");
    assert_eq!(names.last(), Some(&"memory authenticity"), "{said}");
    let json = done(folder.path(), &["eval", "a.npy", "--against", "a.npy", "--metric", "fd", "--json"]);
    let passport = serde_json::from_str::<serde_json::Value>(&json).unwrap()[0].clone();
    assert_eq!((&passport["metric"], &passport["generated"]["samples"]), (&"fd".into(), &100.into()));
    assert!(passport["value"].as_f64().unwrap().abs() < 1e-9, "no distance from itself: {json}");
    assert!(passport["low"].as_f64().unwrap() <= passport["high"].as_f64().unwrap(), "{json}");

    // Passports compare in a table, unless something other than the samples differs.
    write("of-a.json", json.into_bytes());
    write("c.npy", npy(100, 4, wave(0.61)));
    let compared = ["eval", "of-a.json", "c.npy", "--against", "a.npy", "--metric", "fd"];
    let said = done(folder.path(), &compared);
    assert!(said.starts_with("| | fd distance |\n|---|---|\n| a.npy | ") && said.contains("\n| c.npy | "), "{said}");
    assert!(said.contains("\n\n100 samples against 100 of a.npy ("), "{said}");
    let refused = output(folder.path(), &[compared.as_slice(), &["--like", "nvidia"]].concat());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(2) && said.contains("do not compare: like is null in one"), "{said}");

    for (generated, more, sentence) in [
        ("of-b.json", vec![], "of-b.json"),
        ("few.npy", vec![], "few.npy has 5 samples; this metric needs at least 20"),
        ("wide.npy", vec![], "wide.npy has 5 features"),
        ("nan.npy", vec![], "NaN in row 2, column 1"),
        ("absent.npy", vec![], "absent.npy"),
        ("a.npy", vec!["--metric", "fdi"], "there is no metric `fdi`; there are: fd, kid, is, prc, prdc"),
        ("a.npy", vec!["--metric", "kid", "--like", "torch-fidelity"], "at least 1000"),
        ("a.npy", vec!["--weights", "net.pth"], "only inception takes --weights"),
        ("a.npy", vec!["--metric", "psnr"], "psnr is not measured of what this makes"),
    ] {
        let refused = output(folder.path(), &[&["eval", generated, "--against", "b.npy"], more.as_slice()].concat());
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(2) && said.contains(sentence), "{generated}: {said}");
    }
}

#[test]
fn two_draws_from_one_run_differ_by_less_than_their_intervals_say() {
    let folder = tempfile::tempdir().unwrap();
    done(folder.path(), &["train", "ring", "--set", "train.kimg=1000"]);
    let measured = |seed: &str| {
        let json = done(folder.path(), &["eval", "runs/0001-ring", "--samples", "4000", "--seed", seed, "--json"]);
        let passports = serde_json::from_str::<serde_json::Value>(&json).unwrap();
        let found = passports.as_array().unwrap().iter().find(|one| one["quantity"] == "high-quality").unwrap().clone();
        ["value", "low", "high"].map(|key| found[key].as_f64().unwrap())
    };
    let [one, other] = ["0", "4000"].map(measured);
    // Two independent values lie within the root of the sum of their squared half intervals, 19 times of 20.
    let allowed = ((one[2] - one[1]) / 2.0).hypot((other[2] - other[1]) / 2.0);
    assert!((one[0] - other[0]).abs() < allowed, "{one:?} {other:?}");
    assert!(one != other && one[0] > 0.5 && allowed < 0.1, "{one:?} {other:?}");
}

#[test]
fn a_run_in_training_is_measured_as_eval_measures_its_checkpoints() {
    let folder = tempfile::tempdir().unwrap();
    let sets = |metrics: &str| {
        let sets = ["train.kimg=6", "train.eval_every_kimg=4", "train.eval_samples=500", metrics];
        sets.map(|set| ["--set".to_owned(), set.to_owned()]).concat()
    };
    let train = |metrics: &str| {
        let sets = sets(metrics);
        let arguments = ["train", "ring"].into_iter().chain(sets.iter().map(String::as_str)).collect::<Vec<_>>();
        output(folder.path(), &arguments)
    };
    let refused = train("train.eval_metrics=['mode']");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(2) && said.contains("there is no metric `mode`"), "{said}");
    assert!(!folder.path().join("runs").exists(), "nothing was begun");

    assert!(train("train.eval_metrics=['modes']").status.success());
    let events = fs::read_to_string(folder.path().join("runs/0001-ring/events.jsonl")).unwrap();
    let lines = events.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let metrics = lines.filter(|line| line["event"] == "metrics").collect::<Vec<_>>();
    assert_eq!(
        metrics.iter().map(|line| &line["step"]).collect::<Vec<_>>(),
        [&16.into(), &24.into()] as [&serde_json::Value; 2]
    );
    let json = done(folder.path(), &["eval", "runs/0001-ring", "--samples", "500", "--json"]);
    assert_eq!(metrics[1]["passports"], serde_json::from_str::<serde_json::Value>(&json).unwrap());
}

#[test]
#[ignore = "needs pip"]
fn a_run_is_measured_against_a_data_set_and_a_folder_against_itself() {
    let folder = tempfile::tempdir().unwrap();
    train_small_stylegan2_and_ring(folder.path());
    #[cfg(unix)]
    std::os::unix::fs::symlink(made_up::faces(), folder.path().join("faces")).unwrap();
    done(folder.path(), &["sample", "runs/0001-stylegan2", "--seeds", "0-39", "-o", "made"]);
    let eval = |generated: &str, against: &str, more: &[&str]| {
        output(folder.path(), &[&["eval", generated, "--against", against, "--json"], more].concat())
    };
    let passports = |output: Output| {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };

    let found = passports(eval("runs/0001-stylegan2", "faces", &["--samples", "40", "--metric", "kid"]))[0].clone();
    assert_eq!(
        (&found["by"]["features"], &found["by"]["quantisation"]),
        (&"squeezenet".into(), &"8 bits, rounded".into())
    );
    assert!(found["value"].as_f64().unwrap() > 0.0 && found["real"]["samples"] == 40, "{found}");
    // The run's samples and the files of the same seeds are the same pictures.
    let same = passports(eval("runs/0001-stylegan2", "made:all", &["--samples", "40", "--metric", "fd"]));
    assert!(same[0]["value"].as_f64().unwrap().abs() < 1e-9, "{same}");
    assert_ne!(same[0]["generated"]["name"], same[0]["real"]["name"]);
    let pixels = passports(eval("made", "made:all", &["--features", "pixels"]));
    assert_eq!(pixels.as_array().unwrap().len(), 2 + 2 + 4 + 1, "no logits: neither is nor classes");
    let paired = passports(eval("made", "made", &["--metric", "perceptual"]));
    assert_eq!(paired[0]["value"].as_f64(), Some(0.0));
    let way = passports(eval("runs/0001-stylegan2", "faces", &["--samples", "20", "--metric", "ppl"]))[0].clone();
    assert!(way["value"].as_f64().unwrap() > 0.0 && way["real"].is_null(), "{way}");

    fs::write(folder.path().join("a.npz"), "").unwrap();
    for (generated, against, more, sentence) in [
        ("runs/0001-stylegan2", "faces", vec!["--samples", "5"], "has 5 samples; this metric needs at least 20"),
        ("made", "made", vec!["--samples", "99"], "has 40 samples, not 99"),
        ("made", "made", vec!["--features", "digits"], "takes 28x28"),
        ("made", "made", vec!["--features", "inception"], "give --weights"),
        (
            "made",
            "made",
            vec!["--features", "inception", "--weights", "made/seed-000000.png"],
            "no weights that can be read",
        ),
        ("made", "made", vec!["--metric", "classes"], "give --features digits"),
        ("runs/0002-ring", "faces", vec!["--metric", "fd"], "fd is not measured of what this makes"),
        ("made", "made", vec!["--metric", "ssim"], "the pictures are 8x8; this metric needs 11 pixels a side"),
        ("made", "made", vec!["--metric", "psnr"], "two pictures are the same"),
        ("made", "faces:test", vec!["--metric", "fd"], "no test part of its own"),
        ("made", "faces", vec!["--metric", "parzen"], "no test part of its own"),
        ("made", "a.npz", vec![], "features compare with features"),
        ("made", "nowhere", vec![], "nowhere"),
    ] {
        let refused = eval(generated, against, &more);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(2) && said.contains(sentence), "{generated} {against} {more:?}: {said}");
    }
}

/// Pairs of an outline and its filling, side by side, as data; and a run of two steps on them.
fn train_small_pix2pix(folder: &Path) {
    fs::create_dir_all(folder.join("pairs")).unwrap();
    for i in 0..40_u8 {
        let inside = |x: u32, y: u32| (8..8 + u32::from(i)).contains(&x) && (8..40).contains(&y);
        let pair = image::RgbImage::from_fn(128, 64, |x, y| match (inside(x % 64, y), x < 64) {
            (true, true) => image::Rgb([0, 0, 0]),
            (true, false) => image::Rgb([200, 6 * i, 0]),
            _ => image::Rgb([255; 3]),
        });
        pair.save(folder.join(format!("pairs/{i:02}.png"))).unwrap();
    }
    let sets = ["--set", "resolution=64", "--set", "width=2", "--set", "d_width=2", "--set", "train.batch=4"];
    let data = ["--set", "data.validation_share=0.5", "--data", "pairs", "--set", "train.steps=2", "--name", "pairs"];
    done(folder, &[&["train", "pix2pix"], sets.as_slice(), &data].concat());
}

#[test]
fn pictures_are_turned_into_others_of_their_own_size_and_a_broken_one_costs_none_of_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    train_small_pix2pix(folder);
    let run = "runs/0001-pairs";
    fs::create_dir_all(folder.join("in/deeper")).unwrap();
    let clear = image::RgbaImage::from_fn(70, 50, |x, _| image::Rgba([9, 90, 200, if x < 30 { 0 } else { 255 }]));
    clear.save(folder.join("in/clear.png")).unwrap();
    image::RgbImage::new(3, 200).save(folder.join("in/deeper/narrow.png")).unwrap();
    fs::write(folder.join("in/torn.jpg"), b"\xff\xd8\xff\xe0 and no more").unwrap();

    let applied = output(folder, &["apply", run, "in", "-o", "out", "--json"]);
    let said = String::from_utf8(applied.stderr).unwrap();
    assert_eq!(applied.status.code(), Some(2), "{said}");
    assert!(said.contains("1 of 3 pictures were not turned into others") && said.contains("torn.jpg"), "{said}");
    assert!(said.contains("in/clear.png: 70x50, whole, about"), "{said}");
    let told = serde_json::from_slice::<serde_json::Value>(&applied.stdout).unwrap();
    assert_eq!(told.as_array().unwrap().len(), 2);
    let made = image::open(folder.join("out/clear.png")).unwrap().to_rgba8();
    assert_eq!((made.dimensions(), made.get_pixel(0, 0).0[3], made.get_pixel(69, 49).0[3]), ((70, 50), 0, 255));
    assert_eq!(image::open(folder.join("out/deeper/narrow.png")).unwrap().to_rgb8().dimensions(), (3, 200));

    let apply = |more: &[&str]| output(folder, &[&["apply", run], more].concat());
    fs::remove_file(folder.join("in/torn.jpg")).unwrap();
    fs::write(folder.join("in/old.heic"), b"HEIC").unwrap();
    for _ in 0..2 {
        let within = apply(&["in", "-o", "in/made", "--json"]); // its results are no pictures to go on with
        let said = String::from_utf8(within.stderr).unwrap();
        assert!(within.status.success() && said.contains("left alone: in/old.heic; only PNG"), "{said}");
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&within.stdout).unwrap().as_array().unwrap().len(), 2);
    }
    let seeds = ["1", "1", "2"].map(|seed| {
        assert!(apply(&["in/clear.png", "-o", "one.webp", "--seed", seed]).status.success());
        fs::read(folder.join("one.webp")).unwrap()
    });
    assert!(seeds[0] == seeds[1] && seeds[0] != seeds[2], "dropout is the noise");
    for (args, part) in [
        (&["in/clear.png", "-o", "in/clear.png"] as &[&str], "would be replaced"),
        (&["in", "-o", "out.png"], "give a folder"),
        (&["in/clear.png", "-o", "out.bmp"], "out.bmp is no .png, .jpg, .webp, .tiff or .gif"),
        (&["in", "-o", "out", "--with", "style=oil"], "ganvas: this model takes no `style`"),
        (&["in/clear.png", "nothing/clear.png", "-o", "out"], "would both become"),
        (&["missing.png", "-o", "out"], "does not exist"),
        (&["in/clear.png", "-o", "out", "--memory", "1kB"], "--memory"),
        (&["in/clear.png", "-o", "out", "--memory", "much"], "is no size"),
        (&["in/clear.png", "-o", "out", "--with", "direction=a_to_b"], "takes no `direction`"),
    ] {
        let refused = apply(args);
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(part), "{args:?}: {said}");
    }
    let refused = output(folder, &["sample", run, "-o", "grid.png"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("give it some with `ganvas apply`"));
}

#[test]
fn a_model_s_answers_are_measured_beside_what_nobody_need_learn() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    train_small_pix2pix(folder);
    let args = ["eval", "runs/0001-pairs", "--metric", "l1", "--metric", "ssim", "--baselines", "--json"];
    let passports = serde_json::from_str::<serde_json::Value>(&done(folder, &args)).unwrap();
    let value = |name: &str, metric: &str| {
        let found = passports.as_array().unwrap().iter().find(|passport| {
            passport["generated"]["name"] == name && passport["metric"] == metric && passport["quantity"] == "rgb"
        });
        found.unwrap()["value"].as_f64().unwrap()
    };
    // A held-out pair is white but for a block, which is black on one side and of one colour on the other.
    let pairs = fs::read_dir(folder.join("pairs")).unwrap().count();
    let held = passports[0]["generated"]["samples"].as_u64().unwrap();
    assert!(pairs == 40 && (5..35).contains(&held), "{held} of {pairs}");
    let unchanged = value("the picture unchanged", "l1");
    assert!(unchanged > 0.01 && unchanged < 0.2, "{unchanged}");
    assert!(value("the mean colour", "l1") > unchanged && value("runs/0001-pairs", "l1") > unchanged);
    assert!(value("the picture unchanged", "ssim") > value("the mean colour", "ssim"));

    // Eight questions of three pictures of 64 pixels each, four beside each other.
    done(folder, &["eval", "runs/0001-pairs", "--metric", "l1", "--panel", "seen.png"]);
    let panel = image::open(folder.join("seen.png")).unwrap().to_rgb8();
    assert_eq!(panel.dimensions(), (2 + 12 * 66, 2 + held.min(8).div_ceil(4) as u32 * 66));
    for (given, wanted) in [(0, 2), (3, 5)] {
        let pixel = |column: u32| panel.get_pixel(2 + column * 66, 2).0;
        assert_eq!((pixel(given), pixel(wanted)), ([255; 3], [255; 3])); // their corners are white
    }
    for (wrong, part) in [
        (&["runs/0001-pairs", "--panel", "seen.bmp"][..], ".jpg"),
        (&["runs/0001-pairs", "runs/0001-pairs", "--panel", "seen.png"], "one run"),
        (&["pairs", "--panel", "seen.png"], "one run"),
    ] {
        let refused = output(folder, &[&["eval"], wrong].concat());
        assert_eq!(refused.status.code(), Some(2), "{wrong:?}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains(part), "{wrong:?}");
    }
}

#[test]
fn the_damage_of_photographs_is_shown_beside_their_restoration_and_measured_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir_all(folder.join("photos")).unwrap();
    for i in 0..40_u32 {
        let level = |x: u32, y: u32| ((x * (i + 3) + y * 5) % 256) as u8;
        let photo = image::RgbImage::from_fn(72, 64, |x, y| image::Rgb([level(x, y), level(y, x), 80]));
        photo.save(folder.join(format!("photos/{i:02}.png"))).unwrap();
    }
    let small = ["resolution=32", "width=2", "blocks=1", "detector_width=2", "d_width=2", "d_layers=1"];
    let more = ["perceptual_weight=0", "train.batch=4", "train.steps=2", "data.validation_share=0.5"];
    let sets = small.iter().chain(&more).flat_map(|set| ["--set", *set]).collect::<Vec<_>>();
    done(folder, &[&["train", "restore", "--data", "photos", "--name", "old"], sets.as_slice()].concat());
    let run = "runs/0001-old";

    done(folder, &["apply", run, "photos/00.png", "-o", "new.png", "--mask", "damage.png"]);
    let mask = image::open(folder.join("damage.png")).unwrap();
    assert_eq!((mask.color(), mask.to_luma8().dimensions()), (image::ColorType::L8, (72, 64)));
    assert_eq!(image::open(folder.join("new.png")).unwrap().color(), image::ColorType::Rgb8);
    done(folder, &["apply", run, "photos/00.png", "-o", "shown.png", "--with", "show=damage"]);
    assert_eq!(fs::read(folder.join("shown.png")).unwrap(), fs::read(folder.join("damage.png")).unwrap());
    let told = done(folder, &["apply", run, "photos", "-o", "photos/new", "--mask", "photos/masks", "--json"]);
    let told = serde_json::from_str::<serde_json::Value>(&told).unwrap();
    assert_eq!((told.as_array().unwrap().len(), &told[3]["mask"]), (40, &"photos/masks/03.png".into()));
    for (mask, part) in
        [("new.png", "would both become"), ("photos/00.png", "would be replaced"), ("m.bmp", "m.bmp is no")]
    {
        let refused = output(folder, &["apply", run, "photos/00.png", "-o", "new.png", "--mask", mask]);
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(refused.status.code() == Some(2) && said.contains(part), "{mask}: {said}");
    }

    let eval =
        |metric: &str| done(folder, &["eval", run, "--metric", metric, "--metric", "ssim", "--baselines", "--json"]);
    let passports = serde_json::from_str::<serde_json::Value>(&eval("f1")).unwrap();
    let quantities = passports.as_array().unwrap().iter().map(|one| {
        [&one["generated"]["name"], &one["metric"], &one["quantity"]].map(|text| text.as_str().unwrap().to_owned())
    });
    let quantities = quantities.collect::<Vec<_>>();
    let is_there = |name: &str, metric: &str, quantity: &str| {
        assert!(quantities.contains(&[name, metric, quantity].map(str::to_owned)), "{quantities:?}");
    };
    is_there(run, "ssim", "rgb");
    is_there(run, "f1", "f1, show damage");
    is_there("the picture unchanged", "ssim", "rgb");
    is_there("the mean colour", "f1", "precision, show damage");
    assert_eq!(quantities.len(), 3 * 2 + 2 * 3, "{quantities:?}");
    train_small_pix2pix(folder);
    let refused = output(folder, &["apply", "runs/0002-pairs", "photos/00.png", "-o", "x.png", "--mask", "m.png"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("looks for no damage"), "{refused:?}");
    let refused = output(folder, &["eval", "runs/0002-pairs", "--metric", "f1"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("leave --metric out"), "{refused:?}");
}

#[test]
fn folders_of_midi_files_are_measured_in_a_table_beside_real_music() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, by: usize| {
        fs::create_dir(folder.path().join(name)).unwrap();
        for i in 0..24 {
            let scale = ["C4", "D4", "E4", "F4", "G4", "A4", "B4", "C5"];
            let melody = (0..32).map(|beat| scale[(i + by * beat) % 8]).collect::<Vec<_>>().join(" ");
            let notes = melody.parse::<ganvas::media::Notes>().unwrap().transposed(i as i32 / 8).unwrap();
            fs::write(folder.path().join(name).join(format!("{i}.mid")), notes.to_midi("A scale").unwrap()).unwrap();
        }
    };
    write("made", 3);
    write("real", 1);
    let eval = ["eval", "made", "--against", "real:all", "--metric", "music"];
    let table = done(folder.path(), &eval);
    assert!(table.contains("\n| made:all |") && table.contains("\n| real:all |"), "{table}");
    let json = done(folder.path(), &[&eval[..], &["--json", "--baselines"]].concat());
    let passports = serde_json::from_str::<serde_json::Value>(&json).unwrap();
    let value = |name: &str, quantity: &str| {
        let is_it = |one: &&serde_json::Value| one["generated"]["name"] == name && one["quantity"] == quantity;
        passports.as_array().unwrap().iter().find(is_it).and_then(|one| one["value"].as_f64()).unwrap()
    };
    assert_eq!((value("made", "in-key"), value("real", "notes-per-bar")), (1.0, 4.0));
    assert!(value("made", "bar-leap") > value("real", "bar-leap"), "{table}");
    assert!((value("real", "repeated-bars") - 6.0 / 7.0).abs() < 1e-9);
    assert!(value("a random walk", "in-key") < 0.95 && value("a random walk", "notes-per-bar") == 4.0);

    let refused = output(folder.path(), &["eval", "made", "--metric", "music", "--samples", "99"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("has 24 samples, not 99"), "{refused:?}");
}

#[test]
fn the_cache_stays_within_its_limit_says_what_it_holds_and_gives_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let run = |args: &[&str], limit: &str| {
        let mut command = ganvas(folder.path(), args);
        let output = command.env("GANVAS_CACHE", &cache).env("GANVAS_CACHE_LIMIT", limit).output().unwrap();
        let [out, said] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        (output.status.code(), out, said)
    };
    let small = ganvas::recipe("dcgan").unwrap().info.small.iter().flat_map(|set| ["--set", set]).collect::<Vec<_>>();
    let data = made_up_data("dcgan");
    let packs = || fs::read_dir(cache.join("packed")).unwrap().count();
    for (share, limit, count) in [("0.1", "1GB", 1), ("0.2", "1GB", 2), ("0.3", "1kB", 1)] {
        // Another share is another pack of the same pictures. The one in use is larger than the last limit, and stays.
        let share = format!("data.validation_share={share}");
        let more = [small.as_slice(), &["--set", "train.steps=1", "--set", &share]].concat();
        let (code, _, said) = run(&train("dcgan", &data, &more), limit);
        assert_eq!((code, packs()), (Some(0), count), "{said}");
    }
    let (code, _, said) = run(&train("dcgan", &data, &small), "much");
    assert!(code == Some(2) && said.contains("GANVAS_CACHE_LIMIT is `much`, which is no size"), "{said}");

    fs::create_dir_all(cache.join("folk/train")).unwrap();
    fs::write(cache.join("folk/train/a.mid"), vec![0; 3_000]).unwrap();
    let (_, json, _) = run(&["data", "list", "--json"], "");
    let json = serde_json::from_str::<serde_json::Value>(&json).unwrap();
    let set = |name: &str| json["sets"].as_array().unwrap().iter().find(|set| set["name"] == name).unwrap();
    assert_eq!((&set("folk")["bytes_here"], &set("mnist")["bytes_here"]), (&3_000.into(), &serde_json::Value::Null));
    let packed = json["others"][0]["bytes"].as_u64().unwrap();
    assert_eq!((&json["others"][0]["name"], json["bytes"].as_u64()), (&"packed".into(), Some(3_000 + packed)));
    let (_, list, _) = run(&["data", "list"], "");
    assert!(list.contains("cache/folk (here, 3 kB)") && list.contains("cache/mnist (not here yet)"), "{list}");
    assert!(list.contains("cache holds ") && list.contains("\n  packed ("), "{list}");

    let (code, _, said) = run(&["data", "remove", "flok"], "");
    assert!(code == Some(2) && said.contains("Did you mean `folk`?"), "{said}");
    assert_eq!(run(&["data", "remove", "folk"], "").1, "folk: 3 kB freed\n");
    let (_, freed, _) = run(&["data", "remove", "--unused", "--json"], "");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&freed).unwrap()[0]["freed_bytes"], packed);
    assert_eq!(packs(), 0);
    let (code, nothing, _) = run(&["data", "remove", "--unused"], "");
    assert!(code == Some(0) && nothing.ends_with(" is unused.\n"), "{nothing}");
}
