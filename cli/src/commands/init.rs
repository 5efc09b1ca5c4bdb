//! `ganvas init`: a recipe's configuration as a commented file.

use std::path::PathBuf;

use ganvas::{Error, Resolved, write_aside};

/// Write a recipe's complete configuration, commented, to be changed and trained.
#[derive(clap::Args)]
#[command(after_help = "Example: ganvas init mnist -o mine.toml && ganvas train mine.toml")]
pub struct Args {
    /// A recipe of `ganvas list`.
    recipe: String,
    /// Another configuration that comes with the recipe; `ganvas list --presets` shows them.
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Write to this file instead of standard output; an existing file is not overwritten.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let entry = ganvas::recipe(&args.recipe)?;
    let config = match &args.preset {
        Some(name) => Resolved::of_preset(entry, name, &[])?,
        None => Resolved::new(entry, None, &[])?,
    };
    let text = config.text;
    let Some(path) = args.output else { return super::print(&text) };
    if path.exists() {
        let sentence = format!("{} exists already; choose another name or remove it", path.display());
        return Err(Error::input(sentence).into());
    }
    Ok(write_aside(&path, text.as_bytes(), "write the configuration")?)
}
