//! The `ganvas` command: a table of contents of what it can do.

mod asked;
mod commands;
mod memory;
mod progress;
mod signals;
mod web;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// Train, watch and use generative adversarial networks, offline.
#[derive(Parser)]
#[command(name = "ganvas", version, long_version = version(), max_term_width = 100, after_help = "Begin with: ganvas train mnist")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    List(commands::list::Args),
    Init(commands::init::Args),
    Train(commands::train::Args),
    Resume(commands::resume::Args),
    Sample(commands::sample::Args),
    Apply(commands::apply::Args),
    Eval(commands::eval::Args),
    Runs(commands::runs::Args),
    Serve(commands::serve::Args),
    Import(commands::import::Args),
    Doctor(commands::doctor::Args),
    Data(commands::data::Args),
    Completions(commands::completions::Args),
}

/// What `--version` prints, beside the version alone of `-V`. It lives as long as the process, as clap asks.
fn version() -> &'static str {
    let (version, commit, features) = (env!("CARGO_PKG_VERSION"), env!("GANVAS_COMMIT"), env!("GANVAS_FEATURES"));
    let bits = ganvas::device::vector_bits();
    format!("{version}\ncommit: {commit}\nfeatures: {features}\nprocessor: vectors of {bits} bits").leak()
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let args = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect::<Vec<_>>();
            let Some(sentence) = commands::tried::answer(&error, &args, &Cli::command()) else { error.exit() };
            progress::say(&format!("ganvas: {sentence}"));
            return ExitCode::from(2);
        }
    };
    let result = match cli.command {
        Command::List(args) => commands::list::run(args),
        Command::Init(args) => commands::init::run(args),
        Command::Train(args) => commands::train::run(args),
        Command::Resume(args) => commands::resume::run(args),
        Command::Sample(args) => commands::sample::run(args),
        Command::Apply(args) => commands::apply::run(args),
        Command::Eval(args) => commands::eval::run(args),
        Command::Runs(args) => commands::runs::run(args),
        Command::Serve(args) => commands::serve::run(args),
        Command::Import(args) => commands::import::run(args),
        Command::Doctor(args) => commands::doctor::run(args),
        Command::Data(args) => commands::data::run(args),
        Command::Completions(args) => commands::completions::run(args, Cli::command()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress::say(&format!("ganvas: {error:#}"));
            ExitCode::from(error.downcast_ref::<ganvas::Error>().map_or(1, ganvas::Error::exit_code))
        }
    }
}
