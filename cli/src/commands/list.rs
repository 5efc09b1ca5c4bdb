//! `ganvas list`: the recipes.

use ganvas::RECIPES;
use serde_json::json;

/// List the recipes, one line each.
#[derive(clap::Args)]
#[command(after_help = "Example: ganvas list --json")]
pub struct Args {
    /// Print an array of objects with name, title, paper, sentence and dataset.
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let infos = RECIPES.iter().map(|entry| entry.info);
    if args.json {
        let objects = infos.map(|info| {
            json!({
                "name": info.name,
                "title": info.title,
                "paper": info.paper,
                "sentence": info.sentence,
                "dataset": info.dataset,
            })
        });
        return super::print_json(&objects.collect::<Vec<_>>());
    }
    let width = infos.clone().map(|info| info.name.len()).max().unwrap_or(0);
    let lines = infos.map(|info| format!("{:width$}  {}\n", info.name, info.sentence));
    super::print(&lines.collect::<String>())
}
