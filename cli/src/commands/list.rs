//! `ganvas list`: the recipes.

use ganvas::{LAPTOP, RECIPES};
use serde_json::json;

/// List the recipes, one line each.
#[derive(clap::Args)]
#[command(
    after_help = "The times are those of two cores: of the paper's training, which are the defaults, and of the preset laptop.

Examples:
  ganvas list
  ganvas list --presets"
)]
pub struct Args {
    /// List the other configurations that come with the recipes, for `ganvas train RECIPE --preset NAME`.
    #[arg(long)]
    presets: bool,
    /// Print an array of objects with name, title, paper, sentence, dataset, time and presets.
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
                "time": info.time,
                "presets": info.presets.iter().map(|preset| {
                    json!({ "name": preset.name, "time": preset.time, "sentence": preset.sentence() })
                }).collect::<Vec<_>>(),
            })
        });
        return super::print_json(&objects.collect::<Vec<_>>());
    }
    if args.presets {
        let presets = infos.flat_map(|info| info.presets.iter().map(move |preset| (info.name, preset)));
        let lines = presets.map(|(recipe, preset)| {
            let name = format!("{recipe} --preset {}", preset.name);
            format!("{name:27} {:>9}  {}\n", preset.time, preset.sentence())
        });
        return super::print(&lines.collect::<String>());
    }
    let lines = infos.map(|info| {
        let laptop = info.preset(LAPTOP).map_or("", |preset| preset.time);
        format!("{:11} {:>9} {laptop:>8}  {}\n", info.name, info.time, info.sentence)
    });
    super::print(&format!("{:11} {:>9} {LAPTOP:>8}\n{}", "recipe", "paper", lines.collect::<String>()))
}
