//! `ganvas init`: a recipe's configuration as a commented file.

use std::path::PathBuf;

use ganvas::{Error, Resolved, write_aside};

/// Write a recipe's complete configuration, commented, to be changed and trained.
#[derive(clap::Args)]
#[command(after_help = "Example: ganvas init mnist -o mine.toml && ganvas train mine.toml")]
pub struct Args {
    /// A recipe of `ganvas list`.
    recipe: String,
    /// Write to this file instead of standard output; an existing file is not overwritten.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let text = Resolved::new(ganvas::recipe(&args.recipe)?, None, &[])?.text;
    let Some(path) = args.output else { return super::print(&text) };
    if path.exists() {
        let sentence = format!("{} exists already; choose another name or remove it", path.display());
        return Err(Error::input(sentence).into());
    }
    Ok(write_aside(&path, text.as_bytes(), "write the configuration")?)
}
