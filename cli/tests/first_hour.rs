//! What a newcomer meets in the first hour.

use std::fs;
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
    fs::create_dir(&pictures).unwrap();
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

/// A folder as one of the people of docs/tour.md has it: their own pictures, and the command as `ganvas` in a folder of its own.
fn home_of(folder: &Path) {
    let faces = ganvas_made_up::faces().join("train");
    for (name, pictures) in [("my-photos", 40), ("album", 2), ("pictures", 6)] {
        fs::create_dir(folder.join(name)).unwrap();
        let mut files = fs::read_dir(&faces).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
        files.sort();
        for file in &files[..pictures] {
            fs::copy(file, folder.join(name).join(file.file_name().unwrap())).unwrap();
        }
    }
    for file in fs::read_dir(folder.join("pictures")).unwrap().map(|entry| entry.unwrap().path()) {
        fs::write(file.with_extension("txt"), "a face\nsomebody with hair\n").unwrap();
    }
    let persons = ganvas_made_up::persons().join("train");
    for (from, to) in [("00/0.png", "person.png"), ("01/1.json", "other.json")] {
        fs::copy(persons.join(from), folder.join(to)).unwrap();
    }
    fs::create_dir(folder.join("poses")).unwrap();
    fs::copy(persons.join("01/1.json"), folder.join("poses/1.json")).unwrap();
    for file in ["0.png", "0.json", "1.png", "1.json"] {
        fs::create_dir_all(folder.join("persons/anna")).unwrap();
        fs::copy(persons.join("00").join(file), folder.join("persons/anna").join(file)).unwrap();
    }
    fs::write(folder.join("sentences.txt"), "a face with red hair\na face with black hair\n").unwrap();
    ganvas_made_up::photograph(&folder.join("small.png"), [20, 16], 7);
    let frames = [0, 80, 160].map(|level| ganvas::media::Image::new(12, 8, 3, vec![level; 12 * 8 * 3]));
    ganvas::media::write_animation(&frames, 10, &folder.join("dance.gif")).unwrap();
    fs::create_dir(folder.join("bin")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_ganvas"), folder.join("bin/ganvas")).unwrap();
}

/// A command of the tour with small settings, and what else to do before it and after it; none for one that wants a network
/// that others trained.
fn made_small(command: &str) -> Option<String> {
    let command = command.replace(" --serve", "");
    let words = command.split_whitespace().collect::<Vec<_>>();
    let small = |recipe: &str| {
        let entry = ganvas::recipe(recipe).unwrap();
        let keys = ganvas::Resolved::new(entry, None, &[]).unwrap().keys();
        let mut sets = entry.info.small.iter().map(ToString::to_string).collect::<Vec<_>>();
        sets.extend(ganvas_made_up::settings(entry.info.dataset, &keys));
        sets.push("train.steps=3".to_owned());
        sets.iter().map(|set| format!(" --set '{set}'")).collect::<String>()
    };
    let with_length = |text: &str| {
        let words = text.split_inclusive(' ').map(|word| match word.starts_with("train.kimg=") {
            true => "train.steps=5 ".to_owned(),
            false => word.to_owned(),
        });
        words.collect::<String>()
    };
    match words[1] {
        "train" => {
            let recipe = if words[2] == "mine.toml" { "mnist" } else { words[2] };
            Some(format!("{}{}", with_length(&command), small(recipe)))
        }
        "resume" => Some(with_length(&command)),
        // In place of the network that is fetched, one of the same kind.
        "import" => Some(format!(
            "ganvas train esrgan --runs made{} && mkdir -p runs && mv made/0001-esrgan {}",
            small("esrgan"),
            words[4]
        )),
        "eval" => {
            let runs = words.iter().filter(|word| word.starts_with("runs/")).copied().collect::<Vec<_>>().join(" ");
            Some(format!("ganvas eval {runs} --metric kid --features pixels --samples 40"))
        }
        "data" if words.contains(&"stackgan") => Some(format!("{command} --set encoder=words")),
        "data" if words[2] == "poses" => None,
        _ if words.contains(&"--project") || command.contains("pose=dance.mp4") => None,
        _ => Some(command),
    }
}

#[test]
#[cfg(unix)]
fn five_peoples_first_steps_go_as_the_tour_says() {
    let tour = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/tour.md")).unwrap();
    let people = tour.split("\n## ").skip(1).take_while(|part| !part.starts_with("The other commands"));
    let people = people.collect::<Vec<_>>();
    assert_eq!(people.len(), 5);
    for person in people {
        let home = tempfile::tempdir().unwrap();
        home_of(home.path());
        let path = format!("{}:/usr/bin:/bin", home.path().join("bin").display());
        let commands = person.lines().filter_map(|line| line.strip_prefix("    ganvas "));
        let mut done = 0;
        for command in commands {
            let command = format!("ganvas {}", command.split(" #").next().unwrap().trim());
            let Some(small) = made_small(&command) else { continue };
            let mut shell = Command::new("sh");
            shell.current_dir(home.path()).args(["-c", &small]).env("PATH", &path);
            let output = shell.env("GANVAS_CACHE", ganvas_made_up::cache()).output().unwrap();
            assert!(output.status.success(), "{command}\n{small}\n{}", said(&output));
            if let Some((_, rest)) = command.split_once(" -o ") {
                let made = home.path().join(rest.split_whitespace().next().unwrap());
                assert!(made.exists(), "{command}: nothing at {}", made.display());
            }
            done += 1;
        }
        assert!(done >= 3, "{done} commands of {}", person.lines().next().unwrap());
    }
}

#[test]
fn every_other_command_of_the_tour_is_one_that_the_command_knows() {
    let tour = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/tour.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for line in tour.lines().filter_map(|line| line.strip_prefix("    ganvas ")) {
        let words = line.split(" #").next().unwrap().split_whitespace().collect::<Vec<_>>();
        let verb = if words[0] == "data" { &words[..2] } else { &words[..1] };
        let help = alone(folder.path(), &[verb, &["--help"]].concat());
        let help = String::from_utf8_lossy(&help.stdout).into_owned();
        let flags = words.iter().filter(|word| word.starts_with("--"));
        for flag in flags.map(|flag| flag.trim_matches('"')) {
            assert!(help.contains(flag), "`ganvas {line}`: {verb:?} has no {flag}");
        }
    }
}

#[test]
fn what_cannot_be_fetched_is_answered_by_every_way_out_of_the_command() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..3_u8 {
        let file = folder.path().join(format!("{i}.png"));
        image::RgbImage::from_pixel(16, 16, image::Rgb([60 * i; 3])).save(file).unwrap();
    }
    for (args, client, way_out) in [
        (["train", "pix2pix", "--preset", "laptop"], "npm", "Or train on data of your own: --data FOLDER"),
        (["eval", ".", "--against", "."], "pip", "Or measure without a trained network: --features pixels"),
    ] {
        let refused = alone(folder.path(), &args);
        let said = said(&refused);
        assert!(refused.status.code() == Some(2) && said.contains(client) && said.contains(way_out), "{said}");
    }
}

#[test]
fn a_folder_that_is_not_there_is_not_taken_for_the_public_set_of_its_name() {
    let folder = tempfile::tempdir().unwrap();
    for args in [&["train", "stylegan2", "--data", "photos/"][..], &["data", "check", "photos/"]] {
        let refused = alone(folder.path(), args);
        let said = said(&refused);
        assert!(refused.status.code() == Some(2) && said.contains("photos/ does not exist"), "{said}");
    }
}

#[test]
fn a_name_that_no_run_can_have_is_refused_before_anything_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let refused = alone(folder.path(), &["train", "ring", "--name", "a/b"]);
    assert_eq!((refused.status.code(), said(&refused).lines().count()), (Some(2), 1), "{}", said(&refused));
    assert!(said(&refused).contains("`a/b` cannot name a run"));
}

#[test]
fn the_doctor_says_when_it_is_too_early_to_judge() {
    let folder = tempfile::tempdir().unwrap();
    let trained = alone(folder.path(), &["train", "ring", "--steps", "3"]);
    assert!(trained.status.success(), "{}", said(&trained));
    let judged = String::from_utf8(alone(folder.path(), &["doctor", "latest"]).stdout).unwrap();
    assert!(judged.contains("too early to be sure"), "{judged}");
}

#[test]
fn a_run_goes_on_for_longer_and_never_for_less_and_says_when_it_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let trained = alone(folder.path(), &["train", "ring", "--steps", "20"]);
    assert!(trained.status.success(), "{}", said(&trained));
    let checkpoints = folder.path().join("runs/0001-ring/checkpoints");
    let config = || fs::read_to_string(folder.path().join("runs/0001-ring/config.toml")).unwrap();
    let before = config();
    let refused = alone(folder.path(), &["resume", "latest", "--steps", "5"]);
    assert!(refused.status.code() == Some(2) && said(&refused).contains("(20 steps) already"), "{}", said(&refused));
    assert!(checkpoints.is_dir() && config() == before);

    fs::remove_dir_all(&checkpoints).unwrap();
    let anew = alone(folder.path(), &["resume", "latest"]);
    assert!(anew.status.success() && said(&anew).contains("the training begins anew"), "{}", said(&anew));
}

#[test]
fn a_word_in_place_of_a_number_and_a_missing_output_are_answered_by_an_example() {
    let folder = tempfile::tempdir().unwrap();
    for (args, wanted) in [
        (&["train", "mnist", "--kimg", "1o"][..], "`1o` is no number for --kimg <N>; write one such as 1.5"),
        (&["train", "mnist", "--steps", "many"], "`many` is no number for --steps <N>; write one such as 12"),
        (&["sample", "latest"], "`ganvas sample` needs --output <OUT>, as in: ganvas sample "),
        (&["train"], "`ganvas train` needs <RECIPE|FILE>, as in: ganvas train mnist --serve"),
    ] {
        let refused = alone(folder.path(), args);
        let said = said(&refused);
        assert!(refused.status.code() == Some(2) && said.contains(wanted), "{args:?}: {said}");
    }
}

#[test]
fn what_is_wrong_with_a_folder_is_said_before_anything_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = folder.path().join("pictures");
    fs::create_dir(&pictures).unwrap();
    for i in 0..4_u8 {
        image::RgbImage::from_pixel(28, 28, image::Rgb([60 * i; 3])).save(pictures.join(format!("{i}.png"))).unwrap();
    }
    let pairs = alone(folder.path(), &["train", "pix2pix", "--data", "pictures", "--preset", "laptop"]);
    assert!(pairs.status.code() == Some(2) && said(&pairs).contains("holds square pictures, and pairs are wanted"));
    fs::write(pictures.join("broken.png"), "no picture").unwrap();
    let broken = alone(folder.path(), &["train", "dcgan", "--data", "pictures", "--preset", "laptop"]);
    for refused in [pairs, broken] {
        let said = said(&refused);
        assert!(refused.status.code() == Some(2) && !said.contains("measuring"), "{said}");
    }
}

#[test]
fn a_metric_of_something_else_names_those_that_suit_and_data_that_moved_are_named_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let done = |args: &[&str]| {
        let output = alone(folder.path(), args);
        assert!(output.status.success(), "{args:?}: {}", said(&output));
    };
    done(&["train", "ring", "--steps", "2"]);
    let points = said(&alone(folder.path(), &["eval", "latest", "--metric", "fd"]));
    assert!(points.contains("of this there are: modes"), "{points}");
    let pictures = folder.path().join("pictures");
    fs::create_dir(&pictures).unwrap();
    for i in 0..40_u8 {
        image::RgbImage::from_pixel(28, 28, image::Rgb([6 * i; 3])).save(pictures.join(format!("{i}.png"))).unwrap();
    }
    let small = ["resolution=28", "width=4", "latent=8", "train.batch=4"].map(|set| ["--set", set]).concat();
    done(&[&["train", "dcgan", "--data", "pictures", "--steps", "2"][..], &small].concat());
    fs::rename(&pictures, folder.path().join("elsewhere")).unwrap();
    let moved = alone(folder.path(), &["eval", "latest", "--features", "pixels"]);
    let (code, moved) = (moved.status.code(), said(&moved));
    let wanted = "pictures, which this run learns from, is not there; say where it is now, as in `ganvas resume ";
    assert!(code == Some(2) && moved.contains(wanted), "{moved}");
}
