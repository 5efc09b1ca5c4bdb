//! What can happen to a run on its way, and how it goes on. The toy recipe stands for all; the loop is one.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use burn::tensor::TensorData;
use ganvas::run::{Checkpoint, Event, Writing, read_events};
use ganvas::{Device, Error, Outcome, RECIPES, Resolved, RunDir, Session, recipe, train};
use ganvas_made_up as made_up;

fn ring(sets: &[&str]) -> Resolved {
    let sets = sets.iter().map(|set| set.to_string()).collect::<Vec<_>>();
    Resolved::new(recipe("ring").unwrap(), None, &sets).unwrap()
}

fn open(config: &Resolved) -> Box<dyn Session> {
    config.open(&Device::flex()).unwrap()
}

fn go(run: &RunDir, config: &Resolved, from: Option<&Checkpoint>) -> ganvas::Result<Outcome> {
    train(run, &run.lock()?, config, open(config), from, &Device::flex(), &mut |_| ControlFlow::Continue(()))
}

/// A run of 20 steps with a checkpoint every 10.
fn twenty_steps(runs: &Path) -> (Resolved, RunDir) {
    let config = ring(&["train.steps=20", "train.checkpoint_every_kimg=2.56"]);
    let run = RunDir::create(runs, "ring", &config).unwrap();
    go(&run, &config, None).unwrap();
    (config, run)
}

fn sentence(result: ganvas::Result<impl Sized>) -> (u8, String) {
    let error = result.err().expect("an error");
    assert!(!error.to_string().contains('\n'), "one sentence: {error}");
    (error.exit_code(), error.to_string())
}

#[test]
fn a_truncated_checkpoint_is_refused_and_the_one_before_it_goes_on() {
    for file in ["model.safetensors", "parts/generator.adam.first.safetensors", "state.toml"] {
        let folder = tempfile::tempdir().unwrap();
        let (config, run) = twenty_steps(folder.path());
        let whole = run.checkpoint(None).unwrap().unwrap();
        let reference = whole.parts().unwrap();
        let path = whole.path().join(file);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();

        let latest = run.checkpoint(None);
        let (code, said) = sentence(latest.and_then(|latest| latest.unwrap().parts().map(|_| ())));
        assert_eq!(code, 2);
        assert!(said.contains("is damaged") && said.contains(file), "{said}");
        assert!(said.ends_with("use a whole one with --checkpoint 00000002k560"), "{said}");

        let before = run.checkpoint(Some("00000002k560")).unwrap().unwrap();
        assert_eq!(before.step(), 10);
        go(&run, &config, Some(&before)).unwrap();
        let again = run.checkpoint(None).unwrap().unwrap();
        assert_eq!(again.step(), 20);
        // Going back gave up the damaged one; where its step can still be read, it is gone.
        assert_eq!(whole.path().exists(), file == "state.toml");
        assert!(again.parts().unwrap() == reference, "the same state as before the damage");
    }
}

#[test]
fn a_checkpoint_of_a_newer_version_is_refused_by_its_format() {
    let folder = tempfile::tempdir().unwrap();
    let (_, run) = twenty_steps(folder.path());
    let state = run.checkpoint(None).unwrap().unwrap().path().join("state.toml");
    fs::write(&state, fs::read_to_string(&state).unwrap().replace("format = 1", "format = 2")).unwrap();
    let (code, said) = sentence(run.checkpoint(None));
    assert_eq!(code, 2);
    assert!(said.contains("format 2 of a newer Ganvas") && said.ends_with("update ganvas"), "{said}");
}

#[test]
fn a_run_without_its_pointer_to_the_latest_checkpoint_takes_the_newest_whole_one() {
    let folder = tempfile::tempdir().unwrap();
    let (_, run) = twenty_steps(folder.path());
    let latest = run.checkpoints().join("latest");
    fs::remove_file(&latest).unwrap();
    assert_eq!(run.checkpoint(None).unwrap().unwrap().step(), 20);
    for strange in ["00000009k\n", "", "\n"] {
        fs::write(&latest, strange).unwrap();
        assert_eq!(run.checkpoint(None).unwrap().unwrap().step(), 20, "{strange:?}");
    }
    // The newest is damaged and nothing points at it: the newest whole one is meant.
    let newest = run.checkpoint(None).unwrap().unwrap().path().join("model.safetensors");
    let bytes = fs::read(&newest).unwrap();
    fs::write(&newest, &bytes[1..]).unwrap();
    assert_eq!(run.checkpoint(None).unwrap().unwrap().step(), 10);
    fs::write(&newest, &bytes).unwrap();
    // What a crash leaves of an unfinished checkpoint is not taken for one, and is gone after the next.
    fs::create_dir(run.checkpoints().join(".writing")).unwrap();
    fs::write(run.checkpoints().join(".writing/state.toml"), "format = 1\nversion = \"0\"\nstep = 99\nimages = 0\n")
        .unwrap();
    let from = run.checkpoint(None).unwrap().unwrap();
    assert_eq!(from.step(), 20);
    go(&run, &ring(&["train.steps=21"]), Some(&from)).unwrap();
    assert!(!run.checkpoints().join(".writing").exists());
}

#[test]
fn what_says_which_checkpoint_is_the_latest_cannot_lead_out_of_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let (_, run) = twenty_steps(folder.path());
    let (_, other) = twenty_steps(folder.path());
    let latest = run.checkpoints().join("latest");
    let elsewhere = other.checkpoint(None).unwrap().unwrap().path().to_owned();
    let beside = format!("../../{}/checkpoints/{}", other.path().file_name().unwrap().display(), "00000005k120");
    for path in [elsewhere.to_str().unwrap(), &beside, "..", ".", "../checkpoints", "parts/..", "\u{1b}[2J/x"] {
        fs::write(&latest, path).unwrap();
        let (code, said) = sentence(run.checkpoint(None));
        assert!(code == 2 && said.contains("use --checkpoint 00000005k120"), "{path}: {said}");
        assert!(run.checkpoint(Some(path)).is_err(), "{path} by name");
    }
    #[cfg(unix)]
    {
        // A link is no folder of the run's own, whatever it is called.
        fs::write(&latest, "00000099k000").unwrap();
        std::os::unix::fs::symlink(&elsewhere, run.checkpoints().join("00000099k000")).unwrap();
        assert_eq!(run.checkpoint(None).unwrap().unwrap().name(), "00000005k120");
        assert_eq!(Checkpoint::all(&run.checkpoints()).len(), 2);
        assert!(run.checkpoint(Some("00000099k000")).is_err());
    }
    assert!(elsewhere.join("model.safetensors").exists());
}

#[test]
fn a_seed_changed_by_hand_is_refused_on_a_resume() {
    let folder = tempfile::tempdir().unwrap();
    let (_, run) = twenty_steps(folder.path());
    let from = run.checkpoint(None).unwrap().unwrap();
    let (code, said) = sentence(go(&run, &ring(&["train.seed=7", "train.steps=30"]), Some(&from)));
    assert!(code == 2 && said.contains("was made with train.seed = 0, and config.toml says 7"), "{said}");
    // A checkpoint from before seeds were written down goes on.
    let state = from.path().join("state.toml");
    let text = fs::read_to_string(&state).unwrap();
    fs::write(&state, text.replace("seed = 0\n", "")).unwrap();
    let from = run.checkpoint(None).unwrap().unwrap();
    assert_eq!((from.seed(), text.contains("seed = 0\n")), (None, true));
    go(&run, &ring(&["train.steps=30"]), Some(&from)).unwrap();
}

#[test]
fn folders_removed_while_a_run_trains_are_made_again_and_so_is_its_lock() {
    let folder = tempfile::tempdir().unwrap();
    let config = ring(&["train.steps=20", "train.checkpoint_every_kimg=0.5", "train.preview_every_kimg=0.5"]);
    let run = RunDir::create(folder.path(), "ring", &config).unwrap();
    let lock = run.lock().unwrap();
    let outcome = train(&run, &lock, &config, open(&config), None, &Device::flex(), &mut |progress| {
        if progress.step == 9 {
            fs::remove_dir_all(run.previews()).unwrap();
            fs::remove_dir_all(run.checkpoints()).unwrap();
            fs::remove_file(run.path().join(".lock")).unwrap();
        }
        ControlFlow::Continue(())
    });
    outcome.unwrap();
    assert_eq!(run.checkpoint(None).unwrap().unwrap().step(), 20);
    assert!(fs::read_dir(run.previews()).unwrap().count() > 1);
    #[cfg(unix)]
    assert!(sentence(run.lock()).1.contains("another process is training"), "the lock is held again");
    drop(lock);
    fs::remove_dir_all(run.previews()).unwrap();
    let from = run.checkpoint(None).unwrap();
    go(&run, &ring(&["train.steps=21"]), from.as_ref()).unwrap();
    assert!(run.previews().is_dir());
}

#[test]
fn a_checkpoint_of_another_shape_is_refused_with_the_tensors_name() {
    let folder = tempfile::tempdir().unwrap();
    let (_, run) = twenty_steps(folder.path());
    let from = run.checkpoint(None).unwrap();
    let (code, said) = sentence(go(&run, &ring(&["width=64"]), from.as_ref()));
    assert_eq!(code, 2);
    assert!(said.contains("discriminator: layers.0.weight is [2, 128] F32, not [2, 64] F32"), "{said}");
}

#[test]
fn two_trainers_cannot_have_one_run() {
    let folder = tempfile::tempdir().unwrap();
    let (config, run) = twenty_steps(folder.path());
    let _lock = run.lock().unwrap();
    let (code, said) = sentence(go(&run, &config, None));
    assert_eq!(code, 2);
    assert!(said.contains("another process is training"), "{said}");
}

#[test]
fn only_the_newest_checkpoints_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let config = ring(&["train.steps=50", "train.checkpoint_every_kimg=2.56", "train.keep_checkpoints=3"]);
    let run = RunDir::create(folder.path(), "ring", &config).unwrap();
    go(&run, &config, None).unwrap();
    let names = fs::read_dir(run.checkpoints()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names = names.map(|name| name.into_string().unwrap()).collect::<Vec<_>>();
    names.sort();
    assert_eq!(names, ["00000007k680", "00000010k240", "00000012k800", "latest"]);
}

/// The names in a folder, in their order.
fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names = names.collect::<Vec<_>>();
    names.sort();
    names
}

#[test]
fn previews_and_checkpoints_within_a_thousand_images_do_not_overwrite_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let own = ["train.batch=16", "train.steps=4", "train.preview_every_kimg=0.016"];
    let config = ring(&[&own[..], &["train.checkpoint_every_kimg=0.032", "train.keep_checkpoints=9"]].concat());
    let run = RunDir::create(folder.path(), "ring", &config).unwrap();
    go(&run, &config, None).unwrap();
    assert_eq!(names(&run.checkpoints()), ["00000000k032", "00000000k064", "latest"]);
    let previews = names(&run.previews());
    let film = ["00000000k000.png", "00000000k016.png", "00000000k032.png", "00000000k048.png", "00000000k064.png"];
    assert_eq!(previews, film, "the first is of the untrained network");
    let pictures = previews.iter().map(|name| fs::read(run.previews().join(name)).unwrap());
    assert_eq!(pictures.collect::<std::collections::BTreeSet<_>>().len(), 5, "each step has a picture of its own");
}

#[test]
fn a_run_of_an_earlier_version_goes_on_and_its_names_come_before_the_new_ones() {
    let folder = tempfile::tempdir().unwrap();
    let (config, run) = twenty_steps(folder.path());
    let old = [("00000002k560", "00000002k"), ("00000005k120", "00000005k-20")];
    for (new, old) in old {
        fs::rename(run.checkpoints().join(new), run.checkpoints().join(old)).unwrap();
    }
    fs::write(run.checkpoints().join("latest"), "00000005k-20\n").unwrap();
    fs::rename(run.previews().join("00000005k120.png"), run.previews().join("00000005k.png")).unwrap();
    assert_eq!(run.checkpoint(Some("00000002k")).unwrap().unwrap().step(), 10);
    let from = run.checkpoint(None).unwrap().unwrap();
    assert_eq!((from.step(), from.name().as_str()), (20, "00000005k-20"));
    go(&run, &config.with("train.steps=21").unwrap(), Some(&from)).unwrap();
    // Two are kept by default: the oldest, by an old name, is gone.
    assert_eq!(names(&run.checkpoints()), ["00000005k-20", "00000005k376", "latest"]);
    assert_eq!(names(&run.previews()), ["00000000k000.png", "00000005k.png", "00000005k376.png"]);
}

#[test]
fn a_stop_writes_a_checkpoint_and_the_run_goes_on_as_if_it_had_not_been() {
    let folder = tempfile::tempdir().unwrap();
    let (config, whole) = twenty_steps(folder.path());
    let run = RunDir::create(folder.path(), "ring", &config).unwrap();
    let stop_at = |step| {
        move |progress: &ganvas::Progress| match progress.step {
            at if at == step => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    };
    assert_eq!(
        train(&run, &run.lock().unwrap(), &config, open(&config), None, &Device::flex(), &mut stop_at(8)).unwrap(),
        Outcome::Stopped
    );
    let from = run.checkpoint(None).unwrap().unwrap();
    assert_eq!((from.step(), from.name().as_str()), (8, "00000002k048"));
    // A second stop within the same thousand images has a name of its own.
    assert_eq!(
        train(&run, &run.lock().unwrap(), &config, open(&config), Some(&from), &Device::flex(), &mut stop_at(9))
            .unwrap(),
        Outcome::Stopped
    );
    let from = run.checkpoint(None).unwrap().unwrap();
    assert_eq!((from.step(), from.name().as_str()), (9, "00000002k304"));
    assert_eq!(go(&run, &config, Some(&from)).unwrap(), Outcome::Done);
    let parts = |run: &RunDir| run.checkpoint(None).unwrap().unwrap().parts().unwrap();
    assert!(parts(&run) == parts(&whole));
    let outcomes = read_events(&run.events()).unwrap().into_iter().filter_map(|record| match record.event {
        Event::Finished { outcome } => Some(outcome),
        _ => None,
    });
    assert_eq!(outcomes.collect::<Vec<_>>(), ["stopped", "stopped", "done"]);
}

#[test]
fn a_stop_before_at_or_after_the_end_of_a_first_stage_changes_nothing() {
    made_up::use_cache();
    for name in ["srgan", "esrgan"] {
        let folder = tempfile::tempdir().unwrap();
        let entry = recipe(name).unwrap();
        let config = |steps: u64| {
            let own = ["psnr_kimg=0.016".to_owned(), format!("train.steps={steps}")]; // four steps of the first stage
            let of_data = made_up::settings(entry.info.dataset, &Resolved::new(entry, None, &[]).unwrap().keys());
            let small = entry.info.small.iter().map(|set| set.to_string());
            Resolved::new(entry, None, &small.chain(of_data).chain(own).collect::<Vec<_>>()).unwrap()
        };
        let run_to = |steps: u64| {
            let run = RunDir::create(folder.path(), name, &config(steps)).unwrap();
            go(&run, &config(steps), None).unwrap();
            run
        };
        let parts = |run: &RunDir| run.checkpoint(None).unwrap().unwrap().parts().unwrap();
        let whole = parts(&run_to(7));
        for stop in [3, 4, 5] {
            let run = run_to(stop);
            let from = run.checkpoint(None).unwrap().unwrap();
            go(&run, &config(7), Some(&from)).unwrap();
            assert!(parts(&run) == whole, "{name} stopped after {stop} steps");
        }
    }
}

#[test]
fn not_a_number_stops_within_its_step_and_names_the_scalar_and_the_layers_gradient() {
    let folder = tempfile::tempdir().unwrap();
    let config = ring(&["learning_rate=1e30", "train.steps=9"]); // the first update overflows the second step
    let run = RunDir::create(folder.path(), "ring", &config).unwrap();
    let mut steps = 0;
    let result = train(&run, &run.lock().unwrap(), &config, open(&config), None, &Device::flex(), &mut |progress| {
        steps = progress.step;
        ControlFlow::Continue(())
    });
    let (code, said) = sentence(result);
    assert_eq!((code, steps), (1, 0), "{said}");
    assert!(said.starts_with("g_loss became NaN in step 1: "), "{said}");
    assert!(said.contains("the first layer whose gradient is not finite is generator net.layers.0.weight."), "{said}");
    assert!(said.ends_with("There is no checkpoint yet; start anew with a lower learning rate."), "{said}");
}

#[test]
fn an_overflow_in_the_last_update_is_never_saved() {
    let folder = tempfile::tempdir().unwrap();
    let config = ring(&["learning_rate=1e300", "train.steps=1"]); // the step's losses are fine, its updates are not
    let run = RunDir::create(folder.path(), "ring", &config).unwrap();
    let (code, said) = sentence(go(&run, &config, None));
    assert_eq!(code, 1);
    assert!(said.contains("not finite"), "{said}");
    assert!(run.checkpoint(None).unwrap().is_none());
}

#[test]
fn a_batch_changed_by_hand_is_refused_on_a_resume() {
    let folder = tempfile::tempdir().unwrap();
    let (_, run) = twenty_steps(folder.path());
    let from = run.checkpoint(None).unwrap();
    let (code, said) = sentence(go(&run, &ring(&["train.batch=64", "train.steps=30"]), from.as_ref()));
    assert_eq!(code, 2);
    assert!(said.contains("saw 5120 images in 20 steps, which is not train.batch = 64"), "{said}");
}

#[test]
fn not_a_number_in_a_weight_is_named_as_the_cause_and_the_last_good_checkpoint_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (_, run) = twenty_steps(folder.path());
    let good = run.checkpoint(None).unwrap().unwrap();
    // A checkpoint whose generator has one bad weight in its second layer.
    let mut parts = good.parts().unwrap();
    let weight = parts.get_mut("generator").unwrap().get_mut("net.layers.1.weight").unwrap();
    let mut values = weight.as_slice::<f32>().unwrap().to_vec();
    values[77] = f32::NAN;
    *weight = TensorData::new(values, weight.shape().clone());
    let mut writing = Writing::begin(&run.checkpoints()).unwrap();
    for (part, tensors) in parts {
        let tensors = tensors.into_iter().map(|(name, data)| (name, data.into())).collect();
        writing.part(&part, &tensors).unwrap();
    }
    let poisoned = writing.finish(21, 21 * 256, 5).unwrap();

    let longer = run.config(RECIPES).unwrap().with("train.steps=40").unwrap();
    let (code, said) = sentence(go(&run, &longer, Some(&poisoned)));
    assert_eq!(code, 1);
    assert!(said.starts_with("d_loss became NaN in step 22: "), "{said}");
    assert!(said.contains("the first layer whose value is not finite is generator net.layers.1.weight."), "{said}");
    assert!(
        said.contains(&format!("The checkpoint {} holds it already; go on from an older one", poisoned.name())),
        "{said}"
    );

    let events = read_events(&run.events()).unwrap();
    let [.., diagnosis, finished] = events.as_slice() else { panic!("two events at least") };
    assert!(
        matches!(&diagnosis.event, Event::Diagnosis(found) if found.name == "not_finite" && found.sentence == said)
    );
    assert!(matches!(&finished.event, Event::Finished { outcome } if outcome == "failed"));
    assert_eq!(run.checkpoint(None).unwrap().unwrap().step(), 21, "nothing was written over it");
    go(&run, &longer, Some(&good)).unwrap(); // the good one goes on
}

#[test]
#[cfg(target_os = "linux")]
fn a_read_only_directory_is_one_sentence() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    // For root no folder is read-only but the kernel's own.
    let is_root = fs::write(folder.path().join("probe"), "").is_ok();
    let place = if is_root { Path::new("/sys") } else { folder.path() };
    let (code, said) = sentence(RunDir::create(&place.join("runs"), "ring", &ring(&[])));
    assert_eq!(code, 2);
    assert!(said.starts_with("cannot make a run directory: ") && said.contains("choose another place"), "{said}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_one_sentence_with_the_way_on() {
    let folder = tempfile::tempdir().unwrap();
    let config = ring(&["train.steps=5"]);
    let run = RunDir::create(folder.path(), "ring", &config).unwrap();
    std::os::unix::fs::symlink("/dev/full", run.events()).unwrap(); // every write there finds the disk full
    let (code, said) = sentence(go(&run, &config, None));
    assert_eq!(code, 1);
    assert!(said.contains("no room") && said.contains("ganvas resume"), "{said}");
    fs::remove_file(run.events()).unwrap();
    assert_eq!(go(&run, &config, None).unwrap(), Outcome::Done);
}

#[test]
fn an_error_has_its_exit_code() {
    assert_eq!((Error::input("").exit_code(), Error::failed("").exit_code()), (2, 1));
}
