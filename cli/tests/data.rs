//! Data as people have them: laid out for another recipe, moved or changed under a run, copies of one picture.

mod command;

use std::fs;
use std::path::Path;
use std::process::Command;

use ganvas::{Entry, RECIPES, Resolved};
use ganvas_made_up as made_up;
use image::{Rgb, RgbImage};

use command::{done, ganvas, refused, said};

/// Plain pictures of 28 x 28, each of another grey.
fn greys(folder: &Path, count: u8, first: u8) {
    fs::create_dir_all(folder).unwrap();
    for i in 0..count {
        RgbImage::from_pixel(28, 28, Rgb([first + 2 * i; 3])).save(folder.join(format!("{i:03}.png"))).unwrap();
    }
}

/// A run of a few steps on the pictures in the folder `d`.
const TRAIN: [&str; 15] = [
    "train",
    "dcgan",
    "--data",
    "d",
    "--set",
    "resolution=28",
    "--set",
    "width=4",
    "--set",
    "latent=8",
    "--set",
    "train.batch=4",
    "--steps",
    "2",
    "--threads=1",
];

fn data_events(folder: &Path) -> usize {
    let log = fs::read_to_string(folder.join("runs/0001-dcgan/events.jsonl")).unwrap();
    log.matches("\"event\":\"data_changed\"").count()
}

#[test]
fn a_run_whose_data_were_changed_does_not_go_on_before_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let [data, other] = ["d", "other"].map(|name| folder.path().join(name));
    greys(&data, 60, 0);
    greys(&other, 50, 100);
    done(folder.path(), &TRAIN);
    let resume = |more: &[&'static str]| [&["resume", "runs/0001-dcgan"][..], more].concat();

    fs::rename(&data, folder.path().join("e")).unwrap();
    let moved = refused(folder.path(), &resume(&["--steps", "3"]));
    assert!(moved.contains("d, which this run learns from, is not there") && moved.contains("--data PATH"), "{moved}");
    let set = refused(folder.path(), &resume(&["--set", "data.path=e"]));
    assert!(set.contains("give the data with --data instead"), "{set}");
    let quiet = done(folder.path(), &resume(&["--steps", "3", "--data", "e"]));
    assert!(!quiet.contains("other data"), "the same pictures: {quiet}");
    assert_eq!(data_events(folder.path()), 1);
    done(folder.path(), &resume(&["--steps", "4"]));

    fs::rename(folder.path().join("e"), &data).unwrap();
    fs::rename(&other, folder.path().join("e")).unwrap();
    let changed = refused(folder.path(), &resume(&["--steps", "5"]));
    assert!(
        changed.contains("e holds other data (") && changed.contains("than this run has learned from ("),
        "{changed}"
    );
    assert!(changed.contains("`ganvas resume runs/0001-dcgan --data e`"), "{changed}");
    let accepted = done(folder.path(), &resume(&["--steps", "5", "--data", "e"]));
    assert!(accepted.contains("Going on with other data: "), "{accepted}");
    assert_eq!(data_events(folder.path()), 2);
    done(folder.path(), &resume(&["--steps", "6"]));

    // A run of an earlier version does not know what it learned from, and goes on.
    fs::remove_file(folder.path().join("runs/0001-dcgan/data.toml")).unwrap();
    done(folder.path(), &resume(&["--steps", "7"]));
    assert!(folder.path().join("runs/0001-dcgan/data.toml").is_file());
}

#[test]
fn a_copy_with_other_times_is_the_same_data_until_a_picture_is_another() {
    let folder = tempfile::tempdir().unwrap();
    greys(&folder.path().join("d"), 20, 0);
    done(folder.path(), &TRAIN);
    greys(&folder.path().join("copied"), 20, 0);
    let resume = ["resume", "runs/0001-dcgan", "--steps", "3", "--data", "copied"];
    assert!(!done(folder.path(), &resume).contains("other data"));
    for i in 0..6 {
        fs::copy(folder.path().join("copied/010.png"), folder.path().join(format!("copied/{i:03}.png"))).unwrap();
    }
    assert!(refused(folder.path(), &["resume", "runs/0001-dcgan", "--steps", "4"]).contains("holds other data"));
}

#[test]
fn what_training_cuts_off_and_copies_are_said_by_check_and_by_train() {
    let folder = tempfile::tempdir().unwrap();
    let wide = |i: u32| RgbImage::from_fn(160, 40, |x, y| Rgb([(x + 3 * i) as u8, (y * 5) as u8, (i * 7) as u8]));
    for (name, copies) in [("d", false), ("dup", true)] {
        fs::create_dir(folder.path().join(name)).unwrap();
        for i in 0..24 {
            wide(if copies { 0 } else { i }).save(folder.path().join(format!("{name}/{i}.png"))).unwrap();
        }
    }
    let cut = "cut off: of 24 of 24 pictures training sees half or less";
    let checked = done(folder.path(), &["data", "check", "d"]);
    assert!(checked.contains(&format!("note: {cut}")) && checked.contains("on average 25 % of a picture"), "{checked}");
    assert!(done(folder.path(), &TRAIN).contains(cut));
    let copies = done(folder.path(), &["data", "check", "dup"]);
    assert!(copies.contains("note: copies: 23 of 24 pictures are copies of others, or nearly"), "{copies}");
}

/// A broken file among what a recipe learns from, with its data as they are; none where no file holds them.
fn spoiled(entry: &Entry, folder: &Path) -> Option<()> {
    let source = made_up::data(entry.info.dataset, &Resolved::new(*entry, None, &[]).unwrap().keys())?;
    let copy = Command::new("/bin/cp").arg("-r").arg(&source).arg(folder.join("d")).status().unwrap();
    assert!(copy.success());
    let mut folders = vec![folder.join("d")];
    while let Some(next) = folders.pop() {
        let mut files = fs::read_dir(&next).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
        files.sort();
        for path in files {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let is_held_out =
                ["val", "held-out", "test", "t10k", "labels", "captions"].iter().any(|part| name.contains(part));
            if path.is_dir() && !is_held_out {
                folders.push(path);
            } else if path.is_file() && !is_held_out {
                fs::write(&path, "nothing").unwrap();
                return Some(());
            }
        }
    }
    None
}

#[test]
#[cfg(unix)]
fn a_check_for_a_recipe_finds_whatever_its_training_would_refuse() {
    for entry in RECIPES {
        let folder = tempfile::tempdir().unwrap();
        if spoiled(entry, folder.path()).is_none() {
            continue;
        }
        let name = entry.info.name;
        let keys = Resolved::new(*entry, None, &[]).unwrap().keys();
        let mut sets = entry.info.small.iter().map(ToString::to_string).collect::<Vec<_>>();
        sets.extend(made_up::settings(None, &keys).into_iter().filter(|set| !set.starts_with("data.path=")));
        let sets = sets.iter().flat_map(|set| ["--set", set.as_str()]).collect::<Vec<_>>();
        let trained = refused(folder.path(), &[&["train", name, "--data", "d", "--steps", "1"][..], &sets].concat());
        let checked = refused(folder.path(), &[&["data", "check", "d", "--for", name][..], &sets].concat());
        let problems = checked.lines().filter(|line| line.starts_with("  ")).collect::<Vec<_>>();
        assert!(!problems.is_empty(), "{name}: {checked}");
        assert!(problems.iter().all(|problem| trained.contains(problem.trim())), "{name}: {trained}\n{checked}");
        if trained.contains("skip_broken") {
            assert!(trained.contains(&format!("`ganvas data check d --for {name}")), "{name}: {trained}");
        }
    }
}

#[test]
fn pairs_of_odd_width_are_found_by_check_and_the_advice_of_train_is_one_that_lists_all() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("odd")).unwrap();
    for i in 0..45_u32 {
        let pair = RgbImage::from_fn(129, 64, |x, y| if x < 64 { Rgb([y as u8, 9, 9]) } else { Rgb([9, i as u8, 99]) });
        pair.save(folder.path().join(format!("odd/{i:03}.png"))).unwrap();
    }
    let train = refused(folder.path(), &["train", "pix2pix", "--data", "odd", "--set", "resolution=64"]);
    assert!(train.contains("and 25 more"), "{train}");
    let advice = "ganvas data check odd --for pix2pix --set resolution=64";
    assert!(train.contains(&format!("`{advice}` lists all")), "{train}");
    for args in [advice.split(' ').skip(1).collect::<Vec<_>>(), vec!["data", "check", "odd"]] {
        let checked = refused(folder.path(), &args);
        assert_eq!(checked.matches("is 129 x 64 pixels").count(), 45, "{args:?}: {checked}");
    }
}

#[test]
fn a_part_of_a_folder_is_understood_by_metrics_of_pairs_too() {
    let folder = tempfile::tempdir().unwrap();
    greys(&folder.path().join("A"), 60, 0);
    greys(&folder.path().join("B"), 60, 10);
    let value = |real: &str| {
        let printed = ganvas(folder.path(), &["eval", "A", "--against", real, "--metric", "psnr", "--json"]);
        serde_json::from_slice::<serde_json::Value>(&printed.stdout).unwrap()[0].clone()
    };
    let [whole, all] = ["B", "B:all"].map(value);
    assert_eq!((&whole["value"], &all["real"]["part"]), (&all["value"], &"all".into()));
    // 20 log10(255 / 10)
    assert!((all["value"].as_f64().unwrap() - 28.130_803_608_679_1).abs() < 1e-9, "{all}");
    let lonely = refused(folder.path(), &["eval", "A", "--against", "B:held-out", "--metric", "psnr"]);
    assert!(lonely.contains("make no pairs"), "{lonely}");
    done(folder.path(), &["eval", "A:train", "--against", "B:train", "--metric", "l1"]);
}

#[test]
fn the_files_to_bring_by_hand_are_named_with_their_place_and_hash() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    fs::create_dir(&cache).unwrap();
    fs::write(cache.join("mate-backgrounds_1.26.0-1_all.deb"), "another file").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ganvas"));
    let output = command.args(["data", "get", "photos"]).env("PATH", "").env("GANVAS_CACHE", &cache).output().unwrap();
    let said = said(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    let named = said.lines().filter(|line| line.contains(".deb (SHA-256 ")).collect::<Vec<_>>();
    assert_eq!(named.len(), 3, "{said}");
    assert!(named[0].contains(&*cache.join("gcompris-qt-data_3.1-2_all.deb").to_string_lossy()), "{said}");
    assert!(named[1].ends_with("; the file that is there is another one)"), "{said}");
}
