//! `ganvas data`: the data sets Ganvas can fetch, and whether a folder can be used.

use std::path::{Path, PathBuf};

use ganvas::Error;
use ganvas::data::images::{self, Images};
use ganvas::data::{self, SETS, mnist, music};
use serde_json::json;

use crate::progress::fetch;

/// List, fetch and check data sets.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  ganvas data list
  ganvas data get mnist
  ganvas data check my-pictures/")]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// List the data sets that can be fetched, and where they are or would be.
    #[command(after_help = "Example: ganvas data list --json")]
    List {
        /// Print an array of objects.
        #[arg(long)]
        json: bool,
    },
    /// Fetch a data set into the cache, or into a folder, and verify it.
    #[command(after_help = "Example: ganvas data get mnist -o mnist/")]
    Get {
        /// A data set of `ganvas data list`.
        name: String,
        /// A folder instead of the cache.
        #[arg(short, long, value_name = "DIR")]
        output: Option<PathBuf>,
    },
    /// Decode everything in a folder, tell what it holds and list every problem at once.
    #[command(after_help = "Examples:
  ganvas data check my-pictures/
  ganvas data check my-pictures.zip --json")]
    Check {
        /// A folder or .zip of pictures, a folder of the four idx files of MNIST or others in that format, or a folder of
        /// music (MIDI, ABC, MusicXML).
        path: PathBuf,
        /// Print the facts and problems as JSON.
        #[arg(long)]
        json: bool,
    },
}

/// What is said below problems that training can do without.
const SKIP: &str = "\n`--set data.skip_broken=true` trains without these";

pub fn run(args: Args) -> anyhow::Result<()> {
    match args.verb {
        Verb::List { json } => list(json),
        Verb::Get { name, output } => {
            let set = data::set(&name)?;
            let folder = output.map_or_else(set.folder, Ok)?;
            fetch(&set, &folder)?;
            super::print(&format!("{}\n", folder.display()))
        }
        Verb::Check { path, json } => check(&path, json),
    }
}

fn list(as_json: bool) -> anyhow::Result<()> {
    if as_json {
        let objects = SETS.iter().map(|set| {
            Ok(json!({
                "name": set.name,
                "sentence": set.sentence,
                "bytes": set.bytes,
                "licence": set.licence,
                "folder": (set.folder)()?,
            }))
        });
        return super::print_json(&objects.collect::<ganvas::Result<Vec<_>>>()?);
    }
    let lines = SETS.iter().map(|set| {
        let megabytes = set.bytes as f64 / 1e6;
        Ok(format!(
            "{}  {} ({megabytes:.0} MB)\n  licence: {}\n  folder:  {}\n",
            set.name,
            set.sentence,
            set.licence,
            (set.folder)()?.display()
        ))
    });
    super::print(&lines.collect::<ganvas::Result<String>>()?)
}

fn check(path: &Path, as_json: bool) -> anyhow::Result<()> {
    let (facts, problems, way_out) = if data::holds_digits(path) {
        let report = mnist::check(path);
        (report.facts, report.problems, "")
    } else if music::holds(path) {
        let survey = music::survey(path)?;
        (survey.facts, survey.problems, SKIP)
    } else {
        match images::survey(&Images { path: path.to_owned(), ..Images::default() }, "") {
            Ok(survey) if survey.pictures == 0 => (survey.facts(), survey.problems, ""),
            Ok(survey) => (survey.facts(), survey.problems, SKIP),
            Err(error) => (Vec::new(), vec![error.to_string()], ""),
        }
    };
    if as_json {
        super::print_json(&json!({ "facts": facts, "problems": problems }))?;
    } else {
        super::print(&facts.iter().map(|fact| format!("{fact}\n")).collect::<String>())?;
    }
    if problems.is_empty() {
        return Ok(());
    }
    let problems = problems.iter().map(|problem| format!("\n  {problem}")).collect::<String>();
    Err(Error::input(format!("{} cannot be used as it is:{problems}{way_out}", path.display())).into())
}
