//! `ganvas eval` on folders and files as people have them.

mod command;

use std::fs;
use std::path::Path;

use image::RgbImage;

use command::{ganvas, refused};

/// The numbers that are printed as JSON.
fn measured(folder: &Path, args: &[&str]) -> Vec<serde_json::Value> {
    let output = ganvas(folder, &[args, &["--json"]].concat());
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Pictures of this side in a folder: all the same, or each of its own.
fn pictures(folder: &Path, count: u32, side: u32, are_the_same: bool) {
    fs::create_dir_all(folder).unwrap();
    for i in 0..count {
        let seed = if are_the_same { 7 } else { i };
        let level = |x: u32, y: u32, c: u32| {
            (f64::from(x * 31 + y * 17 + c * 7 + 1) * f64::from(seed + 1) * 0.37).sin() * 127.0 + 128.0
        };
        let pixel = |x, y| image::Rgb([0, 1, 2].map(|c| level(x, y, c) as u8));
        RgbImage::from_fn(side, side, pixel).save(folder.join(format!("{i:03}.png"))).unwrap();
    }
}

#[test]
fn the_advice_about_a_broken_picture_is_what_eval_takes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    pictures(&folder.join("good"), 30, 16, false);
    pictures(&folder.join("broken"), 29, 16, false);
    fs::write(folder.join("broken/029.png"), "no picture").unwrap();
    let args = ["eval", "broken", "--against", "good", "--metric", "fd", "--features", "pixels"];
    let said = refused(folder, &args);
    assert!(
        said.contains("029.png") && said.contains("`--skip-broken` goes on without") && !said.contains("--set"),
        "{said}"
    );
    let found = measured(folder, &[args.as_slice(), &["--skip-broken"]].concat());
    assert_eq!(found[0]["generated"]["samples"], 29);
}

/// One picture many times had no distance, or took minutes.
#[test]
fn one_picture_many_times_has_a_distance_at_once_at_every_size() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for side in [10, 40] {
        let [same, own] = ["same", "own"].map(|name| format!("{name}{side}"));
        pictures(&folder.join(&same), 40, side, true);
        pictures(&folder.join(&own), 40, side, false);
        let began = std::time::Instant::now();
        let of = |generated: &str, real: &str| {
            let real = format!("{real}:all");
            let args = ["eval", generated, "--against", &real, "--features", "pixels", "--metric", "fd"];
            measured(folder, &args)[0]["value"].as_f64().unwrap()
        };
        let (there, back) = (of(&same, &own), of(&own, &same));
        assert!(there > 0.0 && (there / back - 1.0).abs() < 1e-9, "{there} and {back}");
        assert_eq!(of(&same, &same), 0.0);
        assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
    }
}
