//! Draws samples of a run: the model is loaded once, and what is asked of it is a value.
//!
//!     cargo run --release --example sample -- RUN OUT.png

use std::path::Path;

use ganvas::media::sheet;
use ganvas::{Device, Error, RECIPES, Request, Result, RunDir, sample, write_aside};

fn main() -> Result<()> {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>();
    let [run, out] = &arguments[..] else { return Err(Error::input("give a run and the picture to write")) };
    let run = RunDir::open(Path::new(run))?;
    let (config, device) = (run.config(RECIPES)?, Device::flex());
    let model = sample::model(&config, &sample::checkpoint(&run, None)?, &device)?;
    let samples = sample::generate(model.as_ref(), &Request::seeds(0..64))?;
    let picture = sheet(&samples, 8)?;
    write_aside(Path::new(out), &picture.to_png()?, "write the samples")
}
