//! What holds for every recipe, tested for every entry of the registry: a new recipe is tested by its one line.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use ganvas::apply::{Need, Plan, apply};
use ganvas::field::Kind;
use ganvas::media::{Image, Media, Picture};
use ganvas::model::taken_picture;
use ganvas::parts::{MODEL, Tensors};
use ganvas::run::{Event, read_events};
use ganvas::{Device, Entry, Outcome, RECIPES, Request, Resolved, RunDir, Sample, Session, StepCx, sample, train};
use ganvas_made_up as made_up;

fn config(entry: &Entry, sets: &[&str]) -> Resolved {
    let sets = sets.iter().map(|set| set.to_string()).collect::<Vec<_>>();
    Resolved::new(*entry, None, &sets).unwrap()
}

/// The configuration whose steps are small enough for a test, on made-up data.
fn small(entry: &Entry, sets: &[&str]) -> Resolved {
    made_up::use_cache();
    let of_data = made_up::settings(entry.info.dataset, &config(entry, &[]).keys());
    let of_data = of_data.iter().map(String::as_str).collect::<Vec<_>>();
    config(entry, &[entry.info.small, &of_data, sets].concat())
}

fn open(config: &Resolved) -> Box<dyn Session> {
    config.open(&Device::flex()).unwrap()
}

/// Trains a new run to its end and returns it.
fn trained(runs: &Path, config: &Resolved) -> RunDir {
    let run = RunDir::create(runs, config.entry.info.name, config).unwrap();
    let outcome = train(&run, &run.lock().unwrap(), config, open(config), None, &Device::flex(), &mut |_| {
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(outcome, Outcome::Done);
    run
}

/// Every part of the latest checkpoint, as bytes.
fn state(run: &RunDir) -> BTreeMap<(String, String), Vec<u8>> {
    let parts = run.checkpoint(None).unwrap().unwrap().parts().unwrap();
    let bytes = |(part, tensors): (String, Tensors)| {
        tensors.into_iter().map(move |(name, data)| ((part.clone(), name), data.as_bytes().to_vec()))
    };
    parts.into_iter().flat_map(bytes).collect()
}

#[test]
fn names_are_unique_and_every_recipe_says_what_it_is() {
    let mut names = RECIPES.iter().map(|entry| entry.info.name).collect::<Vec<_>>();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), RECIPES.len());
    for Entry { info, .. } in RECIPES {
        assert!(info.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{}", info.name);
        assert!(info.sentence.ends_with('.') && info.sentence.len() <= 90, "{}", info.sentence);
        assert!(info.paper.contains(|c: char| c.is_ascii_digit()), "{}: name the paper with its year", info.paper);
    }
}

#[test]
fn a_picture_of_any_size_from_one_pixel_on_is_taken_by_every_model_that_takes_pictures() {
    let mut models = 0;
    for entry in RECIPES {
        let model = small(entry, &[]).model(&Device::flex()).unwrap();
        let Some(tiling) = model.tiling() else { continue };
        models += 1;
        let sides = (1..=9).flat_map(|side| [[side, 1], [1, side], [side, side]]).chain([[33, 2], [2, 33]]);
        for sides in sides {
            let [width, height] = sides;
            let pixels = (0..width * height * 3).map(|at| (at * 31 % 256) as u8).collect();
            let picture = Picture::from(Image::new(width, height, 3, pixels));
            let plan = Plan::new(&tiling, &Need::of(&picture), 1 << 32).unwrap();
            let made = apply(model.as_ref(), (&Sample::seed(0), &[None]), &picture, &plan, &mut |_| {}).unwrap();
            assert_eq!(made[0].sides(), sides.map(|side| side * tiling.scale), "{} {sides:?}", entry.info.name);
        }
    }
    assert!(models >= 5, "{models}");
}

#[test]
fn every_key_of_every_recipe_has_a_comment_and_the_file_reads_back_as_the_defaults() {
    for entry in RECIPES {
        let text = config(entry, &[]).text;
        let mut above = "";
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with("recipe")) {
            if line.contains(" = ") && !line.starts_with('#') {
                assert!(above.starts_with('#'), "{}: `{line}` has no comment", entry.info.name);
            }
            above = line;
        }
        let again = Resolved::new(*entry, Some((&text, Path::new("config.toml"))), &[]).unwrap();
        assert_eq!(again.text, text, "{}", entry.info.name);
        assert_eq!(Resolved::recipe_of(&text, Path::new("config.toml"), RECIPES).unwrap().info.name, entry.info.name);
    }
}

#[test]
fn every_published_configuration_is_complete_and_right() {
    for file in std::fs::read_dir("configs").unwrap().map(|file| file.unwrap().path()) {
        let text = std::fs::read_to_string(&file).unwrap();
        let entry = Resolved::recipe_of(&text, &file, RECIPES).unwrap();
        let resolved = Resolved::new(entry, Some((&text, &file)), &[]).unwrap();
        assert!(resolved.train.total_steps() > 0, "{}", file.display());
    }
}

#[test]
fn a_run_from_before_keys_went_into_sections_has_the_same_configuration_and_goes_on() {
    for entry in RECIPES {
        let folder = tempfile::tempdir().unwrap();
        let now = small(entry, &["train.steps=1"]);
        let mut keys = toml::from_str::<toml::Table>(&now.text).unwrap();
        let sections = ["adam", "decay"].map(|section| keys.remove(section));
        let moved = sections.into_iter().flatten().filter_map(|section| section.as_table().cloned());
        let moved = moved.flatten().collect::<Vec<_>>();
        keys.extend(moved.clone());
        let before = toml::to_string(&keys).unwrap();
        let path = Path::new("config.toml");
        assert_eq!(Resolved::of_run(*entry, &before, path).unwrap().text, now.text, "{}", entry.info.name);
        if let Some((key, _)) = moved.first() {
            let said = Resolved::new(*entry, Some((&before, path)), &[]).map(|_| ()).unwrap_err().to_string();
            assert!(said.contains(&format!("{key} is now ")), "{}: {said}", entry.info.name);

            let run = trained(folder.path(), &now);
            std::fs::write(run.path().join("config.toml"), &before).unwrap();
            let run = RunDir::open(run.path()).unwrap();
            let longer = run.config(RECIPES).unwrap().with("train.steps=2").unwrap();
            let from = run.checkpoint(None).unwrap();
            let (lock, device) = (run.lock().unwrap(), Device::flex());
            let outcome =
                train(&run, &lock, &longer, open(&longer), from.as_ref(), &device, &mut |_| ControlFlow::Continue(()));
            assert_eq!(outcome.unwrap(), Outcome::Done, "{}", entry.info.name);
        }
    }
}

#[test]
fn twenty_steps_equal_ten_a_stop_and_ten_more_bit_for_bit() {
    for entry in RECIPES {
        let folder = tempfile::tempdir().unwrap();
        let whole = trained(folder.path(), &small(entry, &["train.steps=20"]));
        // Half the steps, then everything in memory is gone, then the rest from the files alone.
        let half = trained(folder.path(), &small(entry, &["train.steps=10"]));
        let longer = half.config(RECIPES).unwrap().with("train.steps=20").unwrap();
        let from = half.checkpoint(None).unwrap().unwrap();
        assert_eq!(from.step(), 10);
        train(&half, &half.lock().unwrap(), &longer, open(&longer), Some(&from), &Device::flex(), &mut |_| {
            ControlFlow::Continue(())
        })
        .unwrap();

        let (whole, half) = (state(&whole), state(&half));
        assert_eq!(whole.keys().collect::<Vec<_>>(), half.keys().collect::<Vec<_>>());
        for (tensor, bytes) in &whole {
            assert!(half[tensor] == *bytes, "{}: {tensor:?} differs after a resume", entry.info.name);
        }
    }
}

#[test]
fn real_samples_are_like_the_models_own_and_d_judges_each() {
    for entry in RECIPES {
        let config = small(entry, &[]);
        let mut session = open(&config);
        let samples = session.preview().unwrap();
        let real = session.real().to_vec();
        let kind = |media: &Media| match media {
            Media::Image(image) => image.shape().to_vec(),
            Media::Point(_) => Vec::new(),
            Media::Notes(notes) => vec![notes.bars()],
        };
        let name = entry.info.name;
        assert_eq!(real.len(), 64, "{name}");
        assert!(real.iter().all(|media| kind(media) == kind(&samples[0])), "{name}");
        assert!(real.iter().any(|media| media != &real[0]), "{name}");
        let device = Device::flex();
        let cx = StepCx { images: 1_000_000, ..StepCx::new(0, 0, config.train.batch, &device) }; // in the last stage, where there are two
        let judged = session.judge(&cx).unwrap().unwrap_or_else(|| panic!("{name} judges nothing"));
        let [seen, held] = judged.each_ref().map(|logits| logits.dims());
        assert_eq!((seen, held[1]), ([config.train.batch, 1], 1), "{name}");
        let [again, _] = session.judge(&cx).unwrap().unwrap();
        assert_eq!(again.into_data(), judged[0].clone().into_data(), "{name}: without dropout");
    }
}

#[test]
fn the_same_seed_repeats_a_run_and_another_does_not() {
    for entry in RECIPES {
        let folder = tempfile::tempdir().unwrap();
        let run = |seed| state(&trained(folder.path(), &small(entry, &["train.steps=3", seed])));
        assert!(run("train.seed=5") == run("train.seed=5"), "{} does not repeat", entry.info.name);
        assert!(run("train.seed=5") != run("train.seed=6"), "{} ignores its seed", entry.info.name);
    }
}

#[test]
fn training_changes_every_network_and_tells_its_story_in_finite_numbers() {
    for entry in RECIPES {
        let folder = tempfile::tempdir().unwrap();
        let run = |steps| trained(folder.path(), &small(entry, &[steps, "train.log_every_kimg=0.001"]));
        let (early, late) = (run("train.steps=2"), run("train.steps=5")); // into the second stage, where there are two
        let (before, after) = (state(&early), state(&late));
        let events = read_events(&late.events()).unwrap();
        let Event::Started { parameters, .. } = &events[0].event else { panic!("{:?} came first", events[0]) };
        let parts = parameters.keys().map(String::as_str).chain([MODEL]);
        for part in parts {
            // A vector of one entry and of the length 1 has nowhere to go.
            let is_fixed = |name: &str, bytes: &[u8]| name.ends_with("spectral.u") && bytes.len() == size_of::<f32>();
            let mut tensors = before.iter().filter(|(key, bytes)| key.0 == part && !is_fixed(&key.1, bytes));
            let still = tensors.find(|(key, bytes)| after[*key] == **bytes).map(|(key, _)| key);
            assert!(still.is_none(), "{}: {still:?} stays as it is", entry.info.name);
        }

        let scalars = events.iter().filter_map(|record| match &record.event {
            Event::Scalars { values, images_per_sec } => Some((values, *images_per_sec)),
            _ => None,
        });
        let scalars = scalars.collect::<Vec<_>>();
        assert_eq!(scalars.len(), 5, "{}", entry.info.name);
        for name in ["d_loss", "g_loss", "d_real", "d_fake", "d_gradient_norm", "g_gradient_norm"] {
            assert!(scalars[4].0.contains_key(name), "{} does not tell {name}", entry.info.name);
        }
        for (values, images_per_sec) in scalars {
            let penalties = values.keys().filter(|name| name.contains("penalty") || name.contains("r1"));
            for name in penalties {
                let known = ["d_penalty", "path_length_penalty"];
                assert!(known.contains(&name.as_str()), "{}: {name} has a name in all recipes", entry.info.name);
            }
            assert!(values.values().all(|v| v.is_finite()), "{}: {values:?}", entry.info.name);
            assert!(images_per_sec > 0.0);
        }
        assert!(matches!(&events.last().unwrap().event, Event::Finished { outcome } if outcome == "done"));
        let preview = events.iter().find_map(|record| match &record.event {
            Event::Preview { path } => Some(late.path().join(path)),
            _ => None,
        });
        assert!(preview.unwrap().is_file());
    }
}

#[test]
fn a_model_makes_one_sample_a_seed_and_the_same_one_in_any_company() {
    for entry in RECIPES {
        let folder = tempfile::tempdir().unwrap();
        // Of notes the likeliest is written, which a seed changes no sooner than running statistics are those of the layers.
        let of_one_step = small(entry, &["train.steps=1"]);
        let is_music = of_one_step.model(&Device::flex()).unwrap().makes()[0].kind == Kind::Notes;
        let config = if is_music { small(entry, &["train.steps=40"]) } else { of_one_step };
        let run = trained(folder.path(), &config);
        let model = sample::model(&config, &sample::checkpoint(&run, None).unwrap(), &Device::flex()).unwrap();
        let is_drawn = model.takes().iter().any(|field| matches!(field.kind, Kind::Latent { .. }));
        if !is_drawn || taken_picture(model.as_ref()).is_some() {
            continue; // asks for more than a seed: its own test gives it that
        }
        let samples = sample::generate(model.as_ref(), &Request::seeds(0..300)).unwrap();
        assert_eq!(samples.len(), 300);
        let distinct = samples.iter().filter(|sample| **sample != samples[0]).count();
        assert!(distinct > 290, "{}: {distinct} of 299 samples differ from the first", entry.info.name);
        let alone = sample::generate(model.as_ref(), &Request::seeds([257])).unwrap();
        assert!(alike(&alone[0], &samples[257]), "{}: {:?} and {:?}", entry.info.name, alone[0], samples[257]);

        let way = sample::generate(model.as_ref(), &Request::interpolation(3, 9, 5)).unwrap();
        assert!(alike(&way[0], &samples[3]) && alike(&way[4], &samples[9]), "{}", entry.info.name);
        assert!(sample::generate(model.as_ref(), &Request::seeds([])).unwrap().is_empty());
    }
}

/// Equal but for the rounding of a matrix product in another batch size.
fn alike(a: &Media, b: &Media) -> bool {
    match (a, b) {
        (Media::Image(a), Media::Image(b)) => {
            a.shape() == b.shape() && a.pixels.iter().zip(&b.pixels).all(|(a, b)| a.abs_diff(*b) <= 1)
        }
        (Media::Point(a), Media::Point(b)) => a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4),
        (Media::Notes(a), Media::Notes(b)) => a == b,
        _ => false,
    }
}

#[test]
fn the_model_file_alone_is_enough_to_sample() {
    for entry in RECIPES {
        let folder = tempfile::tempdir().unwrap();
        let config = small(entry, &["train.steps=1"]);
        let run = trained(folder.path(), &config);
        let checkpoint = run.checkpoint(None).unwrap().unwrap();
        std::fs::remove_dir_all(checkpoint.path().join("parts")).unwrap();
        assert!(checkpoint.path().join(format!("{MODEL}.safetensors")).is_file());
        assert!(sample::model(&config, &checkpoint, &Device::flex()).is_ok(), "{}", entry.info.name);
    }
}
