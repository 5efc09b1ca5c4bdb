//! `ganvas train`: a new run.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use ganvas::data::{Meant, SETS, meant};
use ganvas::run::{Checkpoint, Lock};
use ganvas::{Device, Entry, Error, LAPTOP, Outcome, RECIPES, Resolved, RunDir, Session, Trial, Unusable, shell};
use serde_json::json;

use super::Computing;
use super::tried::Short;
use crate::memory;
use crate::progress::{Training, Work, duration, fetch, say};
use crate::signals::{self, Signals};
use crate::web::{self, Serving};

/// Train a recipe. Prints the run directory when it ends.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  ganvas train mnist --serve
  ganvas train mnist --kimg 12000 --seed 7
  ganvas train stylegan2 --preset laptop --data pictures/
  ganvas train mine.toml --dry-run

Ctrl-C once writes a checkpoint and ends; `ganvas resume RUN` goes on from it. Twice ends now.")]
pub struct Args {
    /// A recipe of `ganvas list`, or a configuration file.
    #[arg(value_name = "RECIPE|FILE")]
    what: String,
    /// Begin with another configuration that comes with the recipe; `ganvas list --presets` shows them.
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Set a key of the configuration; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The data to learn from: a folder, a zip of pictures, or a set of `ganvas data list`; short for --set data.path=PATH.
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Where run directories are made.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    runs: PathBuf,
    /// The run's name, after its number; the recipe's name by default.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    short: Short,
    /// Seed of every random draw; short for --set train.seed=N.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// CPU threads; short for --set train.threads=N.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// What to do when the doctor finds what a run seldom recovers from: continue, stop, or rollback to the last good
    /// checkpoint and go on with half the learning rate, at most three times; short for --set train.on_trouble=X.
    #[arg(long, value_name = "X", value_parser = ["continue", "stop", "rollback"])]
    on_trouble: Option<String>,
    /// Print the configuration, the sizes, and the memory and the time that are expected after steps on few images; train nothing.
    #[arg(long)]
    dry_run: bool,
    /// Show it in a browser while it trains, and afterwards until Ctrl-C.
    #[arg(long, conflicts_with = "dry_run")]
    serve: bool,
    #[command(flatten)]
    device: Computing,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

/// What is said to the first Ctrl-C.
const STOPPING: &str = "Stopping after this step, with a checkpoint. Ctrl-C again ends now.";
/// A run of more seconds is worth a word.
const LONG: f64 = 24.0 * 3600.0;

pub fn run(args: Args) -> anyhow::Result<()> {
    let device = args.device.get()?;
    let config = resolve(&args)?;
    if args.runs.exists() && !args.runs.is_dir() {
        let runs = args.runs.display();
        return Err(Error::input(format!(
            "{runs} is a file, and runs are made in a folder; give a folder with --runs"
        ))
        .into());
    }
    config.data_path().map_or(Ok(()), |path| is_there(&path))?;
    prepare(&config)?;
    let (config, chosen) = config.settled()?;
    let given = config.clone();
    let suited = |error| skippable(error, &args, &given);
    chosen.iter().for_each(|line| say(line));
    if let Some(name) = &args.name {
        RunDir::check_name(name)?;
    }
    if config.data_path().is_some() {
        config.data().map_err(suited)?; // what the user can mend comes before what takes time
    }
    let mut work = Work::new("measuring time and memory".to_owned());
    let trial = ganvas::try_out(&config, &device, &mut |progress| {
        memory::give_back(); // or what the steps before freed counts for the next ones
        work.show(&progress);
    });
    work.end();
    let trial = trial.map_err(suited)?;
    if args.dry_run {
        return dry_run(&config, &trial, args.json);
    }
    trial.fits()?;
    say(&expected(&trial));
    if let (None, true) = (&args.preset, trial.secs() > LONG) {
        say(&shorter(&config));
    }
    let session = config.open(&device).map_err(suited)?; // before there is a directory that a mistake would leave behind
    session.data().remarks.iter().for_each(|remark| say(&format!("note: {remark}")));
    memory::keep_freed();
    let name = args.name.as_deref().unwrap_or(config.entry.info.name);
    let run = RunDir::create(&args.runs, name, &config)?;
    go(&run, run.lock()?, &config, (session, &device), None, args.serve, args.json)
}

/// A dashboard of the runs beside this one; says where.
fn served(run: &RunDir) -> anyhow::Result<Serving> {
    let runs = run.path().parent().filter(|parent| !parent.as_os_str().is_empty());
    let serving = web::serve(runs.unwrap_or(Path::new(".")), Ipv4Addr::LOCALHOST.into(), None)?;
    say(&format!("Watch it at {}", serving.address));
    Ok(serving)
}

/// Goes on showing what was trained, until somebody asks to stop.
fn stay(served: Option<Serving>, signals: &Signals) {
    let Some(serving) = served else { return };
    if signals.flow().is_continue() {
        say(&format!("Still shown at {} until Ctrl-C.", serving.address));
        signals.wait();
    }
}

fn resolve(args: &Args) -> ganvas::Result<Resolved> {
    let mut sets = args.set.clone();
    sets.extend(args.short.sets());
    sets.extend(args.seed.map(|seed| format!("train.seed={seed}")));
    sets.extend(args.threads.map(|threads| format!("train.threads={threads}")));
    sets.extend(args.on_trouble.as_ref().map(|way| format!("train.on_trouble={way}")));

    resolved(&args.what, args.preset.as_deref(), &sets, args.data.as_deref())
}

/// The configuration of a recipe or of a file, with a preset, `key=value` settings, and the data of another place.
pub fn resolved(what: &str, preset: Option<&str>, sets: &[String], data: Option<&Path>) -> ganvas::Result<Resolved> {
    let data = data.map(data_setting).transpose()?;
    let sets = data.into_iter().chain(sets.iter().cloned()).collect::<Vec<_>>();
    let path = Path::new(what);
    if !path.is_file() && path.extension().is_none() && path.components().count() == 1 {
        let entry = ganvas::recipe(what)?;
        let Some(name) = preset else { return Resolved::new(entry, None, &sets) };
        return Resolved::of_preset(entry, name, &sets);
    }
    if preset.is_some() {
        let sentence = format!("--preset is for a recipe, and {} is a file; leave one of them out", path.display());
        return Err(Error::input(sentence));
    }
    if !path.exists() {
        let path = path.display();
        return Err(Error::input(format!(
            "{path} does not exist; write a configuration with `ganvas init RECIPE -o FILE`, or name a recipe of `ganvas list`"
        )));
    }
    let text = std::fs::read_to_string(path).map_err(|error| Error::io("read the configuration", path, &error))?;
    let entry: Entry = Resolved::recipe_of(&text, path, RECIPES)?;
    Resolved::new(entry, Some((&text, path)), &sets)
}

/// An error of the data with the way out that this command offers.
fn skippable(error: Error, args: &Args, config: &Resolved) -> Error {
    let Error::Unusable(unusable) = error else { return error };
    let mut words = vec!["ganvas data check".to_owned()];
    words.extend(config.data_path().map(|path| shell::path(&path)));
    words.push(format!("--for {}", shell::word(&args.what)));
    words.extend(args.preset.iter().map(|preset| format!("--preset {}", shell::word(preset))));
    words.extend(args.set.iter().map(|set| format!("--set {}", shell::word(set))));
    let skip = match config.keys().iter().any(|key| key == "data.skip_broken") {
        true => "`--set data.skip_broken=true` goes on without them; ",
        false => "",
    };
    Error::Unusable(Unusable { way_out: format!("{skip}`{}` lists all", words.join(" ")), ..unusable })
}

/// An error where a place is neither there nor a data set.
pub fn is_there(place: &Path) -> ganvas::Result<()> {
    if place.exists() || meant(place)?.is_some() {
        return Ok(());
    }
    let (place, sets) = (place.display(), SETS.iter().map(|set| set.name).collect::<Vec<_>>().join(", "));
    Err(Error::input(format!("{place} does not exist, and no data set has this name; the sets are: {sets}")))
}

/// The folder of the data set that `path` names, or of a part of it, fetched, where it names one and no file.
pub fn named_set(path: &Path) -> ganvas::Result<Option<PathBuf>> {
    let Some(Meant { set, folder, place }) = meant(path)? else { return Ok(None) };
    fetch(&set, &folder)?;
    Ok(Some(place))
}

/// The setting that has a training learn from the pictures or music at a path. Errors where the configuration, which is text,
/// cannot hold the path.
pub fn data_setting(path: &Path) -> ganvas::Result<String> {
    let text = path.to_str().ok_or_else(|| {
        Error::input(format!(
            "{} has a name that is not UTF-8, and a configuration is; rename it, or give a link to it that has another name",
            path.display()
        ))
    })?;
    Ok(format!("data.path={}", json!(text))) // a string of JSON is one of TOML
}

/// What training needs of the process: its threads, and the data when the recipe's own has yet to be fetched.
pub fn prepare(config: &Resolved) -> anyhow::Result<()> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(config.train.threads).build_global();
    pool.map_err(|error| Error::input(format!("the threads cannot be started ({error}); give fewer with --threads")))?;
    if config.train.eval_every_kimg > 0.0 {
        config.train.eval_metrics.iter().try_for_each(|name| ganvas::eval::metric(name).map(drop))?;
    }
    fetch_own(config).map_err(|error| error.or("train on data of your own: --data FOLDER"))?;
    Ok(())
}

/// Fetches the set that the configuration names, or the recipe's own, where no other data are named.
pub fn fetch_own(config: &Resolved) -> ganvas::Result<()> {
    match (config.data_path(), config.entry.info.dataset) {
        (Some(path), _) => drop(named_set(&path)?),
        (None, Some(name)) => {
            let set = ganvas::data::set(name)?;
            fetch(&set, &(set.folder)()?)?;
        }
        (None, None) => {}
    }
    Ok(())
}

/// Trains a run to its end or to Ctrl-C, showing its progress and, to `serve`, a dashboard, and says where it is.
pub fn go(
    run: &RunDir,
    lock: Lock,
    config: &Resolved,
    (mut session, device): (Box<dyn Session>, &Device),
    from: Option<&Checkpoint>,
    serve: bool,
    json: bool,
) -> anyhow::Result<()> {
    let served = serve.then(|| served(run)).transpose()?;
    let signals = signals::listen(STOPPING)?;
    let path = run.path().display().to_string();
    say(&format!("{} in {path}", config.entry.info.title));
    let next = super::first_use(run, session.model().as_ref());
    let mut training = Training::new(config, from.map_or(0, Checkpoint::step));
    let outcome = ganvas::train(run, &lock, config, session, from, device, &mut |progress| {
        training.show(progress);
        signals.flow()
    });
    signals.now_say("Stopping."); // there is no step any more to wait for, and no checkpoint to write
    training.end();
    drop(lock); // it is not in training while it is still shown
    let outcome = outcome?;
    if json {
        let state = if outcome == Outcome::Done { "done" } else { "stopped" };
        super::print_json(&super::told_path(json!({ "state": state }), "run", run.path()))?;
    } else {
        match outcome {
            Outcome::Done => say(&format!("Done. See {path}/previews, or try: {next}")),
            Outcome::Stopped => {
                say(&format!("Stopped, with a checkpoint. Go on with: ganvas resume {}", shell::path(run.path())))
            }
        }
        super::print(&format!("{path}\n"))?;
    }
    stay(served, &signals);
    Ok(())
}

/// The time and the memory that a run is expected to take.
fn expected(trial: &Trial) -> String {
    let memory = trial.peak_bytes.map(|bytes| format!(", and at most {} of memory", megabytes(bytes)));
    format!("It will take about {}{}.", duration(trial.secs()), memory.unwrap_or_default())
}

/// How a run becomes shorter.
fn shorter(config: &Resolved) -> String {
    let info = config.entry.info;
    let lower = "lower train.kimg, as in --set train.kimg=100";
    match info.preset(LAPTOP) {
        Ok(preset) => format!(
            "This is the paper's size. For a smaller one ({} on two cores) begin with: ganvas train {} --preset {LAPTOP}; or {lower}.",
            preset.time, info.name
        ),
        Err(_) => format!("This is the paper's size. For a shorter run {lower}."),
    }
}

fn dry_run(config: &Resolved, trial: &Trial, json: bool) -> anyhow::Result<()> {
    if json {
        super::print_json(&json!({
            "config": config.text,
            "parameters": trial.parameters.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
            "state_bytes": trial.state_bytes,
            "peak_bytes": trial.peak_bytes,
            "free_bytes": trial.free_bytes,
            "secs_per_step": trial.secs_per_step,
            "total_steps": trial.total_steps,
            "expected_secs": trial.secs(),
        }))?;
        return Ok(trial.fits()?);
    }
    let parameters = trial.parameters.iter().map(|(part, count)| format!("{part} {count}")).collect::<Vec<_>>();
    let of = |bytes: Option<u64>, of: &str| bytes.map(|bytes| format!("{} {of}", megabytes(bytes)));
    let memory = [
        of(Some(trial.state_bytes as u64), "of weights, moments and averages"),
        of(trial.peak_bytes, "in all"),
        of(trial.free_bytes, "free"),
    ];
    super::print(&format!(
        "{}\n# parameters: {}\n# memory: {}\n# time: {:.1} ms a step, {} steps: {}\n",
        config.text,
        parameters.join(", "),
        memory.into_iter().flatten().collect::<Vec<_>>().join("; "),
        trial.secs_per_step * 1000.0,
        trial.total_steps,
        duration(trial.secs()),
    ))?;
    Ok(trial.fits()?)
}

fn megabytes(bytes: u64) -> String {
    format!("{:.0} MB", bytes as f64 / 1e6)
}
