//! `ganvas resume`: a run goes on exactly where it stopped.

use std::path::PathBuf;

use ganvas::config::RESUMABLE;
use ganvas::import::Card;
use ganvas::model::taken_picture;
use ganvas::run::Checkpoint;
use ganvas::{Error, RECIPES};

use super::tried::Length;
use super::{Computing, train};
use crate::progress::say;

/// Go on with a run, exactly where its last checkpoint stopped.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  ganvas resume runs/0001-mnist
  ganvas resume latest
  ganvas resume runs/0001-mnist --kimg 12000
  ganvas resume runs/0002-stylegan2 --data pictures/")]
pub struct Args {
    /// The run directory, or latest for the newest in the folder runs.
    run: PathBuf,
    /// Set the length or the intervals anew: a key of the table train but for seed and batch; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    length: Length,
    /// Where its data are now, or others to go on with; the run's log says so.
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// CPU threads; short for --set train.threads=N.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// What to do when the doctor finds what a run seldom recovers from; short for --set train.on_trouble=X.
    #[arg(long, value_name = "X", value_parser = ["continue", "stop", "rollback"])]
    on_trouble: Option<String>,
    /// A checkpoint other than the latest, by its folder's name.
    #[arg(long, value_name = "NAME")]
    checkpoint: Option<String>,
    /// Show it in a browser while it trains, and afterwards until Ctrl-C.
    #[arg(long)]
    serve: bool,
    #[command(flatten)]
    device: Computing,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let device = args.device.get()?;
    let run = super::open_run(&args.run)?;
    let mut config = run.config(RECIPES)?;
    if Card::of(&run).is_some() {
        let model = config.model(&device)?; // its weights do not matter
        let verb = if taken_picture(model.as_ref()).is_some() { "apply" } else { "sample" };
        let (run, recipe) = (args.run.display(), config.entry.info.name);
        return Err(Error::input(format!(
            "{run} was imported and has no training to go on with; use it with `ganvas {verb}`, or train a network of your \
             own with `ganvas train {recipe}`"
        ))
        .into());
    }
    let mut sets = args.set;
    sets.extend(args.length.set());
    sets.extend(args.threads.map(|threads| format!("train.threads={threads}")));
    sets.extend(args.on_trouble.map(|way| format!("train.on_trouble={way}")));
    for set in &sets {
        let key = set.split('=').next().unwrap_or_default().trim();
        let changed = config.with(set)?;
        if key == "data.path" {
            return Err(Error::input(format!(
                "--set {set}: give the data with --data instead, as in --data pictures/"
            ))
            .into());
        }
        if !RESUMABLE.contains(&key) {
            let sentence = format!(
                "--set {set}: {key} cannot change in a run that has begun; train a new run, or change one of {}",
                RESUMABLE.join(", ")
            );
            return Err(Error::input(sentence).into());
        }
        config = changed;
    }
    let lock = run.lock()?; // before anything of the run is chosen or written
    let from = run.checkpoint(args.checkpoint.as_deref())?;
    let (done, total) = (from.as_ref().map_or(0, Checkpoint::step), config.train.total_steps());
    if total < done {
        return Err(Error::input(format!(
            "{} has learned from {:.1} kimg ({done} steps) already, and the length asked for is {:.1} kimg; ask for more, \
             or go back to an earlier checkpoint with --checkpoint",
            args.run.display(),
            config.train.kimg_after(done),
            config.train.kimg_after(total)
        ))
        .into());
    }
    if from.is_none() {
        say("There is no checkpoint yet, so the training begins anew.");
    }
    match &args.data {
        Some(path) => config = config.with(&train::data_setting(path)?)?,
        None => super::its_data_are_there(&config, &args.run)?,
    }
    train::prepare(&config)?;
    let session = config.open(&device).map_err(mended)?;
    crate::memory::keep_freed();
    if args.data.is_some() {
        let step = from.as_ref().map_or(0, Checkpoint::step);
        if let Some([before, now]) = run.accept_data(&config, session.data(), step)? {
            say(&format!(
                "Going on with other data: {} items in {}, after {} in {}.",
                now.items, now.path, before.items, before.path
            ));
        }
    }
    if !sets.is_empty() || args.data.is_some() {
        run.reconfigure(&config)?;
    }
    train::go(&run, lock, &config, (session, &device), from.as_ref(), args.serve, args.json)
}

/// The error with a way out that suits a run that has begun: it cannot be told to skip more files than before.
fn mended(error: Error) -> Error {
    match error {
        Error::Unusable(unusable) => {
            let way_out = "Mend these files, or put back those that the run began with.".to_owned();
            Error::Unusable(ganvas::Unusable { way_out, ..unusable })
        }
        error => error,
    }
}
