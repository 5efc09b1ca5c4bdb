//! `ganvas import`: a network that others trained, as a run directory.

use std::path::PathBuf;

use ganvas::import::{Found, Imported, PUBLISHED, import, import_mixed};
use ganvas::{Error, RECIPES, RunDir};
use serde_json::json;

use crate::progress::{Work, say};

/// Make a run directory of a network that others trained, for apply, sample, eval and serve.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  ganvas import realesrgan-x4plus -o runs/upscaler
  ganvas apply runs/upscaler photo.jpg -o large.png
  ganvas import RealESRGAN_x4plus.pth -o runs/upscaler
  ganvas import old.pth new.pth --mix 0.3 -o runs/between
  ganvas import --list

Files: ncnn's .param with its .bin of Real-ESRGAN's kind and SPAN; .pth and .safetensors of RRDBNet (ESRGAN, Real-ESRGAN, ESRGAN+; x1 to x8),
SRVGGNetCompact (x1 to x4), MSRResNet, SRResNet and the generator of PyTorch's DCGAN tutorial, whatever their tensors are called:
alone, or in what a training saved beside its optimizer and other networks. Of several that fit, an average of weights is taken. A
pickle is read, never run.")]
pub struct Args {
    /// A network of --list, or a file; with --mix two of one shape.
    #[arg(required_unless_present = "list", value_name = "NAME|FILE", num_args = 1..=2)]
    networks: Vec<String>,
    /// How much of the second network's weights there is in the mixture, from 0 to 1; the rest is the first's.
    #[arg(long, value_name = "F", value_parser = share)]
    mix: Option<f64>,
    /// The run directory to make.
    #[arg(short, long, value_name = "RUN", required_unless_present = "list")]
    output: Option<PathBuf>,
    /// List the networks that can be had by name.
    #[arg(long, conflicts_with_all = ["networks", "output", "mix"])]
    list: bool,
    /// Print what was made, or the list, as JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let Some(output) = args.output else { return list(args.json) };
    RunDir::is_free(&output)?; // before anything is fetched
    let found = |network: &String| {
        let mut work = Work::new(format!("importing {network}"));
        let found = Found::find(network, &mut |progress| work.show(&progress));
        work.end();
        found
    };
    let imported = match (args.networks.as_slice(), args.mix) {
        ([one], None) => import(&found(one)?, RECIPES, &output)?,
        ([one, other], Some(share)) => import_mixed(&[found(one)?, found(other)?], share, RECIPES, &output)?,
        ([_], Some(_)) => return Err(Error::input("--mix needs two networks; name another of the same shape").into()),
        _ => {
            return Err(
                Error::input("two networks become one by --mix F, the share of the second; or import one").into()
            );
        }
    };
    let Imported { run, card, like } = imported;
    if args.json {
        return super::print_json(&super::told_path(json!({ "card": card, "like": like }), "run", run.path()));
    }
    say(&card.line());
    let is_alone = like.is_empty() && card.left.is_empty();
    if !card.part.is_empty() && !is_alone {
        say(&format!("Taken: {}.", card.part));
    }
    if !like.is_empty() {
        say(&format!("A network of the same kind in the file, not taken: {}.", like.join(", ")));
    }
    if !card.left.is_empty() {
        say(&format!("Left in the file, as no part of the network: {}.", card.left.join(", ")));
    }
    if card.licence.is_empty() {
        say("Nobody said under which licence this network is; see where it came from before you pass it on.");
    }
    let (config, device) = (run.config(RECIPES)?, ganvas::device::named("cpu")?);
    say(&format!("Try: {}", super::first_use(&run, config.model(&device)?.as_ref())));
    super::print(&format!("{}\n", run.path().display()))
}

/// A share, of which both ends are one of the two networks.
fn share(text: &str) -> Result<f64, String> {
    let value = text.parse::<f64>().ok().filter(|value| (0.0..=1.0).contains(value));
    value.ok_or_else(|| "write a number from 0 to 1, such as 0.3".into())
}

fn list(as_json: bool) -> anyhow::Result<()> {
    if as_json {
        let objects = PUBLISHED.iter().map(|published| {
            json!({
                "name": published.name,
                "sentence": published.sentence,
                "scale": published.scale,
                "bytes": published.download(),
                "licence": published.licence,
                "source": published.source(),
                "origin": published.origin,
            })
        });
        return super::print_json(&objects.collect::<Vec<_>>());
    }
    let widest = PUBLISHED.iter().map(|published| published.name.len()).max().unwrap_or(0);
    let lines = PUBLISHED.iter().map(|published| {
        let scale = published.scale.map_or("  ".to_owned(), |scale| format!("x{scale}"));
        let (name, megabytes) = (published.name, published.download() as f64 / 1e6);
        format!(
            "{name:widest$}  {scale}  {megabytes:4.1} MB  {}\n  from {}, which says: {}\n  licence: {}\n",
            published.sentence,
            published.source(),
            published.origin,
            published.licence
        )
    });
    super::print(&lines.collect::<String>())
}
