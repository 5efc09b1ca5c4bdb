//! `ganvas serve`: the dashboard.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::progress::say;
use crate::{signals, web};

/// Show runs in a browser: their curves, their previews as a film, and their models to play with.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  ganvas serve
  ganvas serve elsewhere/runs --port 8000 --open
  ganvas serve --host 0.0.0.0

On this machine alone unless --host says otherwise; then a token is part of the address, and whoever has it can look.")]
pub struct Args {
    /// The folder of the runs.
    #[arg(default_value = "runs")]
    runs: PathBuf,
    /// The port; by default the first free one from 7878 on.
    #[arg(long, value_name = "N")]
    port: Option<u16>,
    /// The address to listen at; 0.0.0.0 for all of this machine's.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    host: IpAddr,
    /// Open it in the browser.
    #[arg(long)]
    open: bool,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let signals = signals::listen("Stopping.")?;
    let serving = web::serve(&args.runs, args.host, args.port)?;
    super::print(&format!("{}\n", serving.address))?;
    say("Open this address in a browser. Ctrl-C stops.");
    if !args.runs.exists() {
        say(&format!("No run is in {} yet; the page shows the first as soon as it begins.", args.runs.display()));
    }
    if args.open {
        open(&serving.address);
    }
    signals.wait();
    Ok(())
}

/// Opens an address in the user's browser.
fn open(address: &str) {
    let (program, first): (_, &[&str]) = match std::env::consts::OS {
        "macos" => ("open", &[]),
        "windows" => ("cmd", &["/C", "start", ""]),
        _ => ("xdg-open", &[]),
    };
    let begun = Command::new(program).args(first).arg(address).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    if begun.is_err() {
        say("No browser could be opened; open the address yourself.");
    }
}
