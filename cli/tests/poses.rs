//! Persons in other poses: what a run is given as a pose, and what it says of one that cannot be read.

mod command;

use std::fs;
use std::path::{Path, PathBuf};

use ganvas_made_up as made_up;
use serde_json::{Value, json};

use command::{done, refused, trained};

const RUN: &str = "runs/0001-posegan";

/// A folder that holds poses.
fn find(place: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let has_pose = entries.iter().any(|path| path.extension().is_some_and(|ending| ending == "json"));
    if has_pose {
        Some(place.to_owned())
    } else {
        entries.iter().filter(|path| path.is_dir()).find_map(|path| find(path))
    }
}

#[test]
fn a_person_takes_the_pose_of_a_file_or_a_text_and_what_is_no_pose_is_answered_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    trained(folder, "posegan", &["--steps", "2"]);
    let person = find(&made_up::persons()).expect("a person has poses");
    let mut poses = fs::read_dir(&person).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    poses.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    poses.sort();
    let pose: Value = serde_json::from_slice(&fs::read(&poses[0]).unwrap()).unwrap();
    fs::copy(poses[0].with_extension("png"), folder.join("person.png")).unwrap();
    let apply = |with: &str, out: &str| {
        done(folder, &["apply", RUN, "person.png", "--with", with, "-o", out]);
        fs::read(folder.join(out)).unwrap()
    };
    let other = apply(&format!("pose={}", poses[1].display()), "other.png");
    assert_eq!(other, apply(&format!("pose={}", fs::read_to_string(&poses[1]).unwrap().trim()), "text.png"));
    assert_ne!(other, apply(&format!("pose={}", poses[0].display()), "same.png"), "the pose changes the picture");

    let spoilt = |change: &dyn Fn(&mut Value)| {
        let mut pose = pose.clone();
        change(&mut pose);
        pose.to_string().into_bytes()
    };
    let joints = |pose: &mut Value, change: &dyn Fn(&mut Vec<Value>)| change(pose["keypoints"].as_array_mut().unwrap());
    let wrong = [
        (spoilt(&|pose| joints(pose, &|all| _ = all.pop())), "has 16 joints; a pose has the 17 of COCO"),
        (spoilt(&|pose| joints(pose, &|all| all.push(json!([1, 1, 1])))), "has 18 joints"),
        (
            spoilt(&|pose| joints(pose, &|all| all[9] = json!([-3, 1, 1]))),
            "has the left wrist at (-3, 1), outside of its picture",
        ),
        (spoilt(&|pose| joints(pose, &|all| all[9] = json!([1, 1]))), "has no x, y and score for the left wrist"),
        (spoilt(&|pose| joints(pose, &|all| all.iter_mut().for_each(|joint| joint[2] = json!(0)))), "knows no joint"),
        (spoilt(&|pose| _ = pose.as_object_mut().unwrap().remove("width")), "does not say the width of its picture"),
        (b"a person who waves".to_vec(), "is not JSON"),
        (vec![0xff, 0xfe, 0], "is no text in UTF-8; give the JSON of a pose"),
        (
            fs::read(folder.join("person.png")).unwrap(),
            "is a picture, and nothing here finds the joints of a person in one",
        ),
    ];
    for (bytes, sentence) in wrong {
        fs::write(folder.join("wrong.json"), bytes).unwrap();
        let said = refused(folder, &["apply", RUN, "person.png", "--with", "pose=wrong.json", "-o", "none.png"]);
        assert!(said.contains(&format!("wrong.json {sentence}")), "{said}");
        assert!(said.lines().count() <= 2 && !folder.join("none.png").exists(), "{said}");
    }
    let said = refused(folder, &["apply", RUN, "person.png", "--with", "pose=gone.json", "-o", "none.png"]);
    assert!(said.contains("gone.json"), "{said}");
}
