//! `ganvas eval`: how near generated samples come to real ones.

use std::path::{Path, PathBuf};

use anyhow::Context;
use ganvas::data::holds_digits;
use ganvas::data::images::Shape;
use ganvas::eval::{By, Extractor, Features, Like, METRICS, Network, Part, Passport, Pictures, Seen, metric};
use ganvas::{Error, RECIPES, RunDir, sample};

use crate::progress::Work;

const MOST_SAMPLES: usize = 10_000;

/// Measure generated samples against real ones, with intervals.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  ganvas eval runs/0002-stylegan2 --against avatars
  ganvas eval pictures/ --against my-photos/ --metric kid --json
  ganvas eval generated.npz --against real.npz --metric fd --metric kid --like torch-fidelity")]
pub struct Args {
    /// A run, a folder or zip of pictures, or features: a .npz or .npy file with one array, a row for each sample.
    generated: PathBuf,
    /// Real pictures, as a folder, a zip or a data set of `ganvas data list`; or features, likewise.
    #[arg(long, value_name = "DATA")]
    against: PathBuf,
    /// What to measure, again for more; all that suits by default.
    #[arg(long, value_name = "NAME")]
    metric: Vec<String>,
    /// How many samples on either side; 10,000, or as many as there are, by default.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    samples: Option<u32>,
    /// Which of the real pictures.
    #[arg(long, value_enum, default_value_t = Split::Train)]
    split: Split,
    /// Whose features; digits for grey pictures of 28 pixels against digits, else squeezenet, by default.
    #[arg(long, value_name = "NETWORK")]
    features: Option<Of>,
    /// How far a run's styles go from their average.
    #[arg(long, default_value_t = 1.0, value_name = "F", value_parser = super::sample::truncation)]
    truncation: f64,
    /// Round and draw as another tool does.
    #[arg(long, value_name = "TOOL")]
    like: Option<Tool>,
    /// Print the passports as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Split {
    Train,
    HeldOut,
    All,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Of {
    Digits,
    #[value(name = "squeezenet")]
    SqueezeNet,
    Pixels,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Tool {
    TorchFidelity,
    CleanFid,
    Nvidia,
    #[value(name = "studiogan")]
    StudioGan,
}

impl From<Tool> for Like {
    fn from(tool: Tool) -> Self {
        match tool {
            Tool::TorchFidelity => Like::TorchFidelity,
            Tool::CleanFid => Like::CleanFid,
            Tool::Nvidia => Like::Nvidia,
            Tool::StudioGan => Like::StudioGan,
        }
    }
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let named = args.metric.iter().map(|name| metric(name)).collect::<ganvas::Result<Vec<_>>>()?;
    let (generated, real, by) = match (is_array(&args.generated), is_array(&args.against)) {
        (true, true) => {
            let read = |path: &Path| Ok::<_, Error>(Seen { features: Features::read(path)?, logits: None });
            let by = By { features: "given".to_owned(), sha256: None, resize: None, quantisation: None };
            (read(&args.generated)?, read(&args.against)?, by)
        }
        (false, false) => of_pictures(&args)?,
        _ => {
            let sentence = "features compare with features; give two .npz files, or pictures on both sides";
            return Err(Error::input(sentence).into());
        }
    };
    let metrics = match named.is_empty() {
        true => METRICS.iter().filter(|metric| !metric.of_logits || generated.logits.is_some()).copied().collect(),
        false => named,
    };
    let mut passports = Vec::new();
    for metric in metrics {
        passports.extend(metric.passports(&generated, &real, &by, args.like.map(Like::from))?);
    }
    if args.json {
        return super::print_json(&passports);
    }
    super::print(&passports.iter().map(line).collect::<String>())
}

fn is_array(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("npz") || extension.eq_ignore_ascii_case("npy"))
}

/// What a network sees in the pictures of both sides.
fn of_pictures(args: &Args) -> anyhow::Result<(Seen, Seen, By)> {
    let place = super::train::named_set(&args.against)?.unwrap_or_else(|| args.against.clone());
    let mut work = Work::new("measuring".to_owned());
    let mut report = |progress: ganvas::data::fetch::Progress<'_>| work.show(&progress);
    let most = args.samples.map(|samples| samples as usize);
    let part = match args.split {
        Split::Train => Part::Train,
        Split::HeldOut => Part::HeldOut,
        Split::All => Part::All,
    };
    let real = |shape: Shape| Pictures::of_data(&place, shape, part, Some(most.unwrap_or(MOST_SAMPLES)));

    let (generated, real) = if args.generated.join("config.toml").is_file() {
        let run = RunDir::open(&args.generated)?;
        let config = run.config(RECIPES)?;
        let model = sample::model(&config, &sample::checkpoint(&run, None)?)?;
        let name = args.generated.display().to_string();
        let one = Pictures::of_model(&name, model.as_ref(), 1, 1.0, &mut report)?;
        let real = real(one.shape())?;
        let n = most.unwrap_or(real.images.len());
        (Pictures::of_model(&name, model.as_ref(), n, args.truncation, &mut report)?, real)
    } else {
        let shape = Pictures::shape_of(&args.generated)?;
        let generated = Pictures::of_data(&args.generated, shape, Part::All, most)?;
        (generated, real(shape)?)
    };
    for side in [&generated, &real] {
        if let Some(most) = most.filter(|most| side.images.len() < *most) {
            let (name, n) = (&side.name, side.images.len());
            return Err(Error::input(format!("{name} has {n} pictures, not {most}; lower --samples")).into());
        }
    }
    let network = match args.features {
        Some(Of::Digits) => Network::Digits,
        Some(Of::SqueezeNet) => Network::SqueezeNet,
        Some(Of::Pixels) => Network::Pixels,
        None if generated.shape() == Shape { channels: 1, side: 28 } && holds_digits(&place) => Network::Digits,
        None => Network::SqueezeNet,
    };
    let extractor = Extractor::load(network, &mut report).context("the features cannot be had")?;
    let by = By {
        features: network.name().to_owned(),
        sha256: extractor.sha256().map(str::to_owned),
        resize: Some(extractor.resize().to_owned()),
        quantisation: Some("8 bits, rounded".to_owned()),
    };
    let seen = (extractor.see(&generated, &mut report)?, extractor.see(&real, &mut report)?, by);
    work.end();
    Ok(seen)
}

fn line(passport: &Passport) -> String {
    let Passport { metric, quantity, value, low, high, by, .. } = passport;
    let of = if by.features == "given" { String::new() } else { format!("{}-", by.features) };
    format!("{:<28} {value:.6}  [{low:.6}, {high:.6}]\n", format!("{of}{metric} {quantity}"))
}
