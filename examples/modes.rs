//! Trains the recipe `grid` with every loss, with and without penalties, and prints how many modes each finds.
//!
//!     cargo run --release --example modes [-- --seeds 3 --kimg 300.032]
//!
//! A mode is found when at least 20 of 2,500 samples lie within 4 spreads of it; a sample is good when it lies within 4
//! spreads of any. The table is docs/modes.md.

use std::ops::ControlFlow;

use ganvas::media::Media;
use ganvas::{Device, Request, Resolved, Result, RunDir, recipe, sample, train};

const LOSSES: [&str; 6] = ["minimax", "non_saturating", "least_squares", "hinge", "wasserstein", "relativistic"];
const SAMPLES: u64 = 2500;
const SPREAD: f32 = 0.05;

fn main() -> Result<()> {
    let arguments = std::env::args().collect::<Vec<_>>();
    let given = |name: &str, default: &str| {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1)).map_or(default, String::as_str).to_owned()
    };
    let seeds = given("--seeds", "3").parse::<u64>().map_err(|_| ganvas::Error::input("--seeds takes a number"))?;
    let kimg = given("--kimg", "300.032"); // 4,688 whole steps of 64

    println!("| loss | penalty | modes of 25, by seed | good samples, by seed |\n|---|---|---|---|");
    for loss in LOSSES {
        for penalty in ["none", "r1r2", "wgan_gp"] {
            if penalty == "wgan_gp" && loss != "wasserstein" {
                continue;
            }
            let gamma = if penalty == "wgan_gp" { "gamma=10" } else { "" }; // the paper's lambda; else grid's default
            let runs = (0..seeds).map(|seed| {
                let sets = [
                    format!("loss={loss}"),
                    format!("penalty={penalty}"),
                    format!("train.kimg={kimg}"),
                    format!("decay_kimg={kimg}"),
                    format!("train.seed={seed}"),
                    gamma.to_owned(),
                ];
                judged(&sets.into_iter().filter(|set| !set.is_empty()).collect::<Vec<_>>())
            });
            let runs = runs.collect::<Result<Vec<_>>>()?;
            let modes = runs.iter().map(|(modes, _)| modes.to_string()).collect::<Vec<_>>().join(", ");
            let good = runs.iter().map(|(_, good)| format!("{:.0} %", 100.0 * good)).collect::<Vec<_>>().join(", ");
            println!("| {loss} | {penalty} | {modes} | {good} |");
        }
    }
    Ok(())
}

/// Modes found and the share of good samples of one run. A run that failed, its numbers no longer finite, has neither.
fn judged(sets: &[String]) -> Result<(usize, f64)> {
    let folder = tempfile::tempdir().map_err(|error| ganvas::Error::failed(error.to_string()))?;
    let config = Resolved::new(recipe("grid")?, None, sets)?;
    let device = Device::flex();
    let session = config.open(&device)?;
    let run = RunDir::create(folder.path(), "grid", &config)?;
    if train(&run, &run.lock()?, &config, session, None, &device, &mut |_| ControlFlow::Continue(())).is_err() {
        return Ok((0, 0.0));
    }
    let model = sample::model(&config, &sample::checkpoint(&run, None)?, &device)?;
    let mut near = [0; 25];
    for sample in sample::generate(model.as_ref(), &Request::seeds(0..SAMPLES))? {
        let Media::Point([x, y]) = sample else { continue };
        let [column, row] = [x, y].map(|at| at.round().clamp(-2.0, 2.0));
        if (x - column).hypot(y - row) < 4.0 * SPREAD {
            near[((row + 2.0) * 5.0 + column + 2.0) as usize] += 1;
        }
    }
    Ok((near.iter().filter(|&&count| count >= 20).count(), f64::from(near.iter().sum::<u32>()) / SAMPLES as f64))
}
