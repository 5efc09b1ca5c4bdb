//! `ganvas runs`: the runs of a folder, listed, renamed and removed.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use ganvas::apply::size;
use ganvas::data::cache::bytes_below;
use ganvas::{Error, RunDir};
use serde::Deserialize;

use super::{RUNS, open_run, told_path};
use crate::web;

/// List the runs of a folder, rename or remove them.
#[derive(clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  ganvas runs
  ganvas runs rename runs/0003-mnist slow-critic
  ganvas runs remove runs/0001-mnist runs/0002-mnist

`latest` stands for the newest run of the folder runs: `ganvas resume latest`, `ganvas sample latest -o grid.png`."
)]
pub struct Args {
    /// The folder of the runs; runs by default.
    runs: Option<PathBuf>,
    /// Print an array of objects, as /api/runs of `ganvas serve` has them, with path and bytes.
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Give a run another name; its number stays. Prints where it is then.
    #[command(after_help = "Example: ganvas runs rename runs/0003-mnist slow-critic")]
    Rename {
        /// The run directory, or latest.
        run: PathBuf,
        /// The new name, after the number.
        name: String,
    },
    /// Delete runs with all they hold, but none in training.
    #[command(after_help = "Example: ganvas runs remove runs/0001-mnist runs/0002-mnist --yes")]
    Remove {
        /// The run directories, or latest.
        #[arg(required = true, value_name = "RUN")]
        runs: Vec<PathBuf>,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

pub fn run(args: Args) -> anyhow::Result<()> {
    match args.verb {
        None => list(args.runs.as_deref(), args.json),
        Some(Verb::Rename { run, name }) => {
            let run = open_run(&run)?.renamed(&name)?;
            super::print(&format!("{}\n", run.path().display()))
        }
        Some(Verb::Remove { runs, yes }) => remove(&runs, yes),
    }
}

/// What the list shows of a run, as the page has it.
#[derive(Deserialize)]
struct Summary {
    id: String,
    recipe: Option<String>,
    state: String,
    step: u64,
    total_steps: Option<u64>,
    total_kimg: Option<f64>,
    started: Option<f64>,
    metric: Option<Measured>,
}

#[derive(Deserialize)]
struct Measured {
    title: String,
    value: f64,
    low: f64,
    high: f64,
}

fn list(given: Option<&Path>, as_json: bool) -> anyhow::Result<()> {
    let folder = given.unwrap_or(Path::new(RUNS));
    if given.is_some() && !folder.exists() {
        return Err(Error::input(format!("{} does not exist; give the folder of the runs", folder.display())).into());
    }
    let summaries = web::summaries(folder)?;
    let mut rows = Vec::new();
    let mut objects = Vec::new();
    for summary in summaries {
        let Summary { id, recipe, state, step, total_steps, total_kimg, started, metric } =
            Summary::deserialize(&summary)?;
        let path = folder.join(&id);
        let bytes = bytes_below(&path);
        let mut summary = told_path(summary, "path", &path);
        summary["bytes"] = bytes.into();
        objects.push(summary);
        let begun = total_steps.filter(|_| started.is_some());
        let progress = begun.map_or("-".to_owned(), |total| progress([step, total], total_kimg));
        let metric = metric.map(|one| format!("{} {:.4} [{:.4}, {:.4}]", one.title, one.value, one.low, one.high));
        let recipe = recipe.unwrap_or_else(|| "-".to_owned());
        rows.push([id, recipe, state, progress, size(bytes), metric.unwrap_or_default()]);
    }
    if as_json {
        return super::print_json(&objects);
    }
    if rows.is_empty() {
        return super::print(&format!("No run is in {} yet. Begin one with: ganvas train mnist\n", folder.display()));
    }
    super::print(&table(["RUN", "RECIPE", "STATE", "PROGRESS", "SIZE", "LAST METRIC"].map(str::to_owned), rows))
}

/// "43% of 2400 kimg", with as many digits as a short run needs.
fn progress([step, total]: [u64; 2], total_kimg: Option<f64>) -> String {
    let percent = 100 * step.min(total) / total.max(1);
    match total_kimg {
        Some(kimg) if kimg >= 10.0 => format!("{percent}% of {kimg:.0} kimg"),
        Some(kimg) => format!("{percent}% of {} kimg", (kimg * 1000.0).round() / 1000.0),
        None => format!("{percent}%"),
    }
}

/// Columns as wide as their widest cell.
fn table<const N: usize>(head: [String; N], rows: Vec<[String; N]>) -> String {
    let rows = [head].into_iter().chain(rows).collect::<Vec<_>>();
    let widths: [usize; N] = std::array::from_fn(|i| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0));
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

fn remove(given: &[PathBuf], yes: bool) -> anyhow::Result<()> {
    let mut runs = Vec::<RunDir>::new();
    for path in given {
        let run = open_run(path)?;
        if runs.iter().all(|known| known.path() != run.path()) {
            drop(run.lock()?); // none is removed when one cannot be
            runs.push(run);
        }
    }
    if !yes && !is_wanted(&runs)? {
        return super::print("Nothing is removed.\n");
    }
    for run in runs {
        let path = run.path().display().to_string();
        run.remove()?;
        super::print(&format!("removed {path}\n"))?;
    }
    Ok(())
}

/// Asks whoever is at the terminal.
fn is_wanted(runs: &[RunDir]) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(
            Error::input("nobody is there to be asked; give --yes to remove the runs without a question").into()
        );
    }
    for run in runs {
        eprintln!("{}  {}", run.path().display(), size(bytes_below(run.path())));
    }
    eprint!("Remove {}? There is no way back. [y/N] ", if runs.len() == 1 { "it" } else { "them" });
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}
