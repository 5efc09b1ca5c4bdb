//! What files hold beside plain colours comes through `ganvas apply`: frames, grey, depth, density, kinds of files.

mod command;

use std::fs;
use std::path::Path;

use ganvas::media::{Delay, Density, Film, Format, Levels, Opened, Picture, Raster};

use command::{done, ganvas, refused, trained};

const RUN: &str = "runs/0001-upscaler";

/// A small network that makes pictures larger, as it is after one step.
fn upscaler() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    trained(folder.path(), "esrgan", &["--steps", "1", "--name", "upscaler"]);
    folder
}

/// A slope of so many channels and bits.
fn slope([width, height]: [usize; 2], channels: usize, is_deep: bool) -> Raster {
    let value = |at: usize| (at / channels % width + at % channels) as f32 / (width + 3) as f32;
    Raster::of_unit([width, height], channels, is_deep, (0..width * height * channels).map(value))
}

fn picture(raster: Raster) -> Picture {
    Picture { raster, ..Picture::from(ganvas::media::Image::new(1, 1, 1, vec![0])) }
}

fn read(path: &Path) -> Picture {
    Picture::read(path).unwrap()
}

fn film(format: Format) -> Vec<u8> {
    let mut film = Film::new(format, Some(3), false, false).unwrap();
    for (level, millis) in [(10, 70), (100, 130), (200, 400)] {
        let raster = Raster::new([6, 5], 3, Levels::Eight(vec![level; 6 * 5 * 3]));
        film.add(&picture(raster), Delay::new(millis, 1000)).unwrap();
    }
    film.end().unwrap()
}

#[test]
fn an_animation_came_out_as_its_first_frame_and_comes_out_whole_in_any_kind_that_moves() {
    let folder = upscaler();
    let folder = folder.path();
    fs::create_dir(folder.join("in")).unwrap();
    for format in [Format::Gif, Format::WebP, Format::Png] {
        let name = format!("{}.{}", format.ending(), format.ending());
        fs::write(folder.join("in").join(name), film(format)).unwrap();
    }
    picture(slope([6, 5], 3, false)).write(&folder.join("in/still.gif")).unwrap();
    let whole = |path: &Path| {
        let bytes = fs::read(path).unwrap();
        let opened = Opened::new(&bytes, 1).unwrap();
        let (sides, frames, plays) = (opened.sides, opened.frames, opened.plays);
        let delays = opened.frames().unwrap().map(|frame| frame.unwrap().1).collect::<Vec<_>>();
        (sides, frames, plays, delays)
    };
    let wanted = ([24, 20], 3, Some(3), [70, 130, 400].map(|millis| Delay::new(millis, 1000)).to_vec());
    let said = done(folder, &["apply", RUN, "in", "-o", "out"]);
    assert!(said.contains("gif.gif: 3 frames of 6x5"), "{said}");
    for name in ["gif.gif", "webp.webp", "png.png"] {
        assert_eq!(whole(&folder.join("out").join(name)), wanted, "{name}");
    }
    assert_eq!(whole(&folder.join("out/still.png")).1, 1, "a still is a .png as ever");
    for name in ["one.webp", "one.png", "one.gif"] {
        done(folder, &["apply", RUN, "in/gif.gif", "-o", name]);
        assert_eq!(whole(&folder.join(name)), wanted, "{name}");
    }
    let mut grey = Film::new(Format::Gif, None, false, true).unwrap();
    for level in [10, 100] {
        let raster = Raster::new([6, 5], 1, Levels::Eight((0..30).map(|at| level + at).collect()));
        grey.add(&picture(raster), Delay::new(1, 10)).unwrap();
    }
    fs::write(folder.join("grey.gif"), grey.end().unwrap()).unwrap();
    done(folder, &["apply", RUN, "grey.gif", "-o", "grey.png"]);
    let bytes = fs::read(folder.join("grey.png")).unwrap();
    let opened = Opened::new(&bytes, 1).unwrap();
    assert_eq!((opened.frames, opened.is_grey(), opened.has_alpha()), (2, true, false), "a GIF's head does not say so");
    for name in ["one.jpg", "one.tiff"] {
        let said = refused(folder, &["apply", RUN, "in/gif.gif", "-o", name]);
        assert!(
            said.contains("gif.gif is an animation of 3 frames") && said.contains("take .gif, .png or .webp"),
            "{said}"
        );
        assert!(!folder.join(name).exists());
    }
    let told = ganvas(folder, &["apply", RUN, "in/gif.gif", "-o", "two.gif", "--json", "--side", "3", "--scale", "2"]);
    let told = serde_json::from_slice::<serde_json::Value>(&told.stdout).unwrap();
    assert_eq!((&told[0]["frames"], &told[0]["width"], &told[0]["height"]), (&3.into(), &6.into(), &6.into()));
}

#[test]
fn a_folder_s_results_were_png_alone_and_are_of_the_kind_and_quality_that_is_asked() {
    let folder = upscaler();
    let folder = folder.path();
    fs::create_dir(folder.join("in")).unwrap();
    for name in ["a.bmp", "b.tif", "c.jpg"] {
        let bytes = picture(slope([12, 9], 3, false));
        match name {
            "a.bmp" => image::RgbImage::new(12, 9).save(folder.join("in/a.bmp")).unwrap(),
            _ => bytes.write(&folder.join("in").join(name)).unwrap(),
        }
    }
    for (kind, ending, begins) in [
        ("png", "png", &b"\x89PNG"[..]),
        ("JPEG", "jpg", b"\xff\xd8"),
        ("webp", "webp", b"RIFF"),
        ("tiff", "tiff", b"II*\0"),
    ] {
        done(folder, &["apply", RUN, "in", "-o", kind, "--format", kind]);
        for name in ["a", "b", "c"] {
            let bytes = fs::read(folder.join(kind).join(format!("{name}.{ending}"))).unwrap();
            assert!(bytes.starts_with(begins) && Opened::new(&bytes, 1).unwrap().sides == [48, 36], "{kind} {name}");
        }
    }
    let size = |quality: &str| {
        done(folder, &["apply", RUN, "in/b.tif", "-o", "q.jpg", "--quality", quality]);
        fs::metadata(folder.join("q.jpg")).unwrap().len()
    };
    assert!(size("30") < size("95") && size("95") < size("100"));
    picture(slope([4097, 2], 1, false)).write(&folder.join("long.png")).unwrap();
    for (args, part) in [
        (&["long.png", "-o", "long.webp"][..], "becomes 16388x8 pixels, and the sides of a .webp end at 16384"),
        (&["in", "-o", "out", "--format", "bmp"], "give one of png, jpg, webp, tiff, gif"),
        (&["in", "-o", "out", "--quality", "80"], "--quality is for JPEG alone"),
        (&["in/a.bmp", "-o", "out.png", "--format", "jpg"], "is to be a .jpg by --format"),
        (&["in", "-o", "out", "--format", "jpg", "--quality", "101"], "101"),
    ] {
        let said = refused(folder, &[&["apply", RUN][..], args].concat());
        assert!(said.contains(part), "{args:?}: {said}");
    }
}

#[test]
fn grey_depth_and_density_come_out_as_they_went_in() {
    let folder = upscaler();
    let folder = folder.path();
    for (channels, is_deep) in [(1, false), (1, true), (3, true)] {
        let given = Picture { density: Some(Density([300.0; 2])), ..picture(slope([9, 7], channels, is_deep)) };
        given.write(&folder.join("in.png")).unwrap();
        for name in ["out.png", "out.tiff", "out.jpg", "out.webp"] {
            let said = done(folder, &["apply", RUN, "in.png", "-o", name]);
            let made = read(&folder.join(name));
            let format = Format::of(Path::new(name)).unwrap();
            assert_eq!(made.raster.is_deep(), is_deep && format.is_deep(), "{name}");
            assert_eq!(said.contains("16 bits a channel"), is_deep && !format.is_deep(), "{name}: {said}");
            let channels = if format == Format::WebP { 3 } else { channels }; // a WebP has no grey of its own
            assert_eq!((made.raster.channels, made.sides()), (channels, [36, 28]), "{name}");
            // The network has hardly learned: its colours are so faint that a JPEG may lose them.
            let may_be_grey = given.raster.is_grey() || format == Format::Jpeg;
            assert!(may_be_grey || !made.raster.is_grey(), "{name}");
            assert!(!given.raster.is_grey() || made.raster.is_grey(), "{name}");
            let density = made.density.map(|Density(both)| both.map(|to_inch| to_inch.round()));
            assert_eq!(density, format.has_density().then_some([300.0; 2]), "{name}");
            assert_eq!(said.contains("density"), !format.has_density(), "{name}: {said}");
        }
    }
}
