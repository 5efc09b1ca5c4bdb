//! Real-ESRGAN's network for photographs with its published weights, as `ganvas apply` runs it: on one tile in memory, and on
//! a photograph from file to file. PyPI's ncnn, for which it was published, runs beside PyTorch.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use ganvas::apply::{Need, Plan, apply};
use ganvas::import::{Found, import};
use ganvas::media::Picture;
use ganvas::{Device, Model, RECIPES, RunDir, Sample, sample};

use crate::rrdb;
use crate::workload::{Opened, Rival, Workload, numbers};

pub const TILE: Workload = Workload {
    name: "enlarge",
    title: "Real-ESRGAN x4, one 64x64 tile",
    gflop: || rrdb::gflop(64),
    prepare,
    rivals: &TORCH,
    ncnn: &[
        Rival { title: "as it comes", arguments: &["--folder", FOLDER] },
        Rival { title: "stored in f32", arguments: &SINGLE },
        Rival { title: "no packing", arguments: &["--folder", FOLDER, "--set", "use_packing_layout=0"] },
        Rival { title: "Winograd 2x2", arguments: &SMALL_WINOGRAD },
        Rival { title: "no Winograd", arguments: &["--folder", FOLDER, "--set", "use_winograd_convolution=0"] },
    ],
    wanted: Vec::new,
    tolerance: 0.0,
    open: tile,
};

pub const PHOTOGRAPH: Workload = Workload {
    name: "photograph",
    title: "Real-ESRGAN x4, a 512x512 photograph from PNG to PNG",
    gflop: || rrdb::gflop(512),
    prepare,
    rivals: &[CHANNELS_LAST], // the other takes 1.5 times as long
    // No more of its ways: between its turns, too, each would keep the 12 GB that the photograph takes.
    ncnn: &[Rival { title: "as it comes", arguments: &["--folder", FOLDER] }],
    wanted: Vec::new,
    tolerance: 0.0,
    open: photograph,
};

const CHANNELS_LAST: Rival = Rival { title: "channels last", arguments: &["--folder", FOLDER, "--channels-last"] };
const TORCH: [Rival; 2] = [Rival { title: "contiguous", arguments: &["--folder", FOLDER] }, CHANNELS_LAST];
// `use_bf16_storage=1` is no such way: it makes 123 levels of the tile 3 to 5 off.
const SINGLE: [&str; 8] =
    ["--folder", FOLDER, "--set", "use_fp16_packed=0", "--set", "use_fp16_storage=0", "--set", "use_fp16_arithmetic=0"];
const SMALL_WINOGRAD: [&str; 6] =
    ["--folder", FOLDER, "--set", "use_winograd63_convolution=0", "--set", "use_winograd43_convolution=0"];

/// The network, the pictures and all results; what a run leaves there is for `--serve`.
const FOLDER: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/enlarge");
const NETWORK: &str = "realesrgan-x4plus";
const PICTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/against_pytorch/pictures.py");
/// What `apply --memory` is given, in bytes: room for the photograph as a whole, as the others take it.
const MEMORY: u64 = 8_000_000_000;
/// What is missing where our side is started by hand before any run.
const PREPARED: &str = "the folder that a run of this workload leaves for --serve";

fn at(name: &str) -> PathBuf {
    Path::new(FOLDER).join(name)
}

/// The published network as a run directory and in ncnn's own files, and the pictures.
fn prepare(python: &str) -> Result<(), String> {
    let unmade = |error: io::Error| format!("{FOLDER} cannot be filled: {error}");
    if Path::new(FOLDER).exists() {
        fs::remove_dir_all(FOLDER).map_err(unmade)?;
    }
    fs::create_dir_all(FOLDER).map_err(unmade)?;
    let found = Found::find(NETWORK, &mut |_| {}).map_err(|error| error.to_string())?;
    import(&found, RECIPES, &at("run")).map_err(|error| error.to_string())?;
    for (name, bytes) in &found.files {
        fs::write(at(name), bytes).map_err(unmade)?;
    }
    let made = Command::new(python).args([PICTURES, FOLDER]).status();
    let made = made.map_err(|error| format!("{python} does not start: {error}"))?;
    match made.success() {
        true => Ok(()),
        false => {
            Err(format!("{python} made no pictures; it needs ncnn, Pillow and scikit-image (see its message above)"))
        }
    }
}

/// What `apply` has ready before its first picture.
struct Enlarger {
    model: Box<dyn Model>,
    asked: Sample,
}

impl Enlarger {
    fn open() -> Self {
        let run = RunDir::open(&at("run")).expect(PREPARED);
        let config = run.config(RECIPES).expect(PREPARED);
        let checkpoint = sample::checkpoint(&run, None).expect(PREPARED);
        Enlarger {
            model: sample::model(&config, &checkpoint, &Device::flex()).expect(PREPARED),
            asked: Sample::seed(0),
        }
    }

    fn enlarged(&self, picture: &Picture) -> Picture {
        let tiling = self.model.tiling().expect("a network that enlarges");
        let plan = Plan::new(&tiling, &Need::of(picture), MEMORY);
        let plan = plan.expect("memory for the smallest tiles");
        let made = apply(self.model.as_ref(), (&self.asked, &[None]), picture, &plan, &mut |_| {});
        made.expect("the picture that was asked for").remove(0)
    }
}

/// The other sides hold their results against ours.
fn opened(step: impl FnMut() + 'static) -> Opened {
    Opened { numbers: numbers([("levels more than 2 apart", 0.0)]), step: Box::new(step) }
}

fn tile() -> Opened {
    let (enlarger, tile) = (Enlarger::open(), Picture::read(&at("tile.png")).expect(PREPARED));
    enlarger.enlarged(&tile).write(&at("enlarge-ganvas.png")).expect("room for the result");
    opened(move || drop(enlarger.enlarged(&tile)))
}

fn photograph() -> Opened {
    let enlarger = Enlarger::open();
    let step = move || {
        let photograph = Picture::read(&at("photograph.png")).expect(PREPARED);
        enlarger.enlarged(&photograph).write(&at("photograph-ganvas.png")).expect("room for the result");
    };
    step();
    opened(step)
}
