//! Trains a recipe on pictures that a program draws: it writes them into a folder, and the run learns from that.
//!
//!     cargo run --release --example own_data [-- DIR]

use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;

use ganvas::media::Image;
use ganvas::{Device, Error, Request, Resolved, Result, RunDir, recipe, sample, train, write_aside};

const SIDE: usize = 32;
const PICTURES: usize = 200;

/// A disc on a white ground; its place, size and colour are its number's.
fn disc(number: usize) -> Image {
    let part = |factor: usize, most: usize| number * factor % most;
    let (x, y, radius) = (10 + part(7, 13), 10 + part(11, 13), 4 + part(5, 6));
    let colour = [40 + part(17, 180), 40 + part(29, 180), 40 + part(43, 180)].map(|value| value as u8);
    let pixels = (0..SIDE * SIDE).flat_map(|at| {
        let (dx, dy) = ((at % SIDE).abs_diff(x), (at / SIDE).abs_diff(y));
        if dx * dx + dy * dy <= radius * radius { colour } else { [255; 3] }
    });
    Image::new(SIDE, SIDE, 3, pixels.collect())
}

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).map_or_else(|| PathBuf::from("discs"), PathBuf::from);
    let pictures = folder.join("pictures");
    fs::create_dir_all(&pictures).map_err(|error| Error::io("make a folder", &pictures, &error))?;
    for number in 0..PICTURES {
        write_aside(&pictures.join(format!("{number}.png")), &disc(number).to_png()?, "write a picture")?;
    }

    let path = format!("data.path={:?}", pictures.to_string_lossy()); // in quotes, as TOML has it
    let small = ["resolution=32", "width=8", "train.batch=16", "train.steps=30"].map(str::to_owned);
    let config = Resolved::new(recipe("dcgan")?, None, &[vec![path], small.to_vec()].concat())?;
    let device = Device::flex();
    let session = config.open(&device)?;
    let run = RunDir::create(&folder.join("runs"), "discs", &config)?;
    train(&run, &run.lock()?, &config, session, None, &device, &mut |progress| {
        assert!(progress.step <= progress.total_steps);
        ControlFlow::Continue(())
    })?;

    let model = sample::model(&config, &sample::checkpoint(&run, None)?, &device)?;
    let samples = sample::generate(model.as_ref(), &Request::seeds(0..16))?;
    println!("{}: {} samples", run.path().display(), samples.len());
    Ok(())
}
