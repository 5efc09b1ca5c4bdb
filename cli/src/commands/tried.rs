//! Flags that people try first: those that are short for a key of the configuration, and answers to the others.

use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use ganvas::{RECIPES, Resolved};

/// Flags of a run's length that are short for a key.
#[derive(clap::Args)]
pub struct Length {
    /// Length of the run in kimg, which is thousands of images seen; short for --set train.kimg=N.
    #[arg(long, value_name = "N", conflicts_with = "steps")]
    kimg: Option<f64>,
    /// Length of the run in steps; short for --set train.steps=N.
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
}

/// Flags of `train` that are short for a key.
#[derive(clap::Args)]
pub struct Short {
    #[command(flatten)]
    length: Length,
    /// Images per step; short for --set train.batch=N.
    #[arg(long, value_name = "N", alias = "batch-size")]
    batch: Option<usize>,
}

impl Length {
    /// The same as KEY=VALUE.
    pub fn set(&self) -> Option<String> {
        let kimg = self.kimg.map(|kimg| format!("train.kimg={kimg}"));
        kimg.or(self.steps.map(|steps| format!("train.steps={steps}")))
    }
}

impl Short {
    /// The same as KEY=VALUE.
    pub fn sets(&self) -> impl Iterator<Item = String> {
        self.length.set().into_iter().chain(self.batch.map(|batch| format!("train.batch={batch}")))
    }
}

/// Flags of other tools whose key has another name here.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("lr", "learning_rate"),
    ("size", "resolution"),
    ("image_size", "resolution"),
    ("img_size", "resolution"),
    ("res", "resolution"),
    ("workers", "threads"),
    ("num_workers", "threads"),
];

/// What clap says with a word of Rust's, or with no way out, in one sentence that has one; none where only clap knows what to say.
/// `verbs` are the commands with their help.
pub fn answer(error: &clap::Error, args: &[String], verbs: &clap::Command) -> Option<String> {
    match error.kind() {
        ErrorKind::ValueValidation => no_number(error),
        ErrorKind::MissingRequiredArgument => missing(error, verbs.find_subcommand(args.get(1)?)?),
        _ => unknown(error, args),
    }
}

/// A word where a number should be.
fn no_number(error: &clap::Error) -> Option<String> {
    let example = match std::error::Error::source(error)?.to_string().as_str() {
        "invalid float literal" => "1.5",
        "invalid digit found in string" => "12",
        _ => return None,
    };
    let (Some(ContextValue::String(flag)), Some(ContextValue::String(value))) =
        (error.get(ContextKind::InvalidArg), error.get(ContextKind::InvalidValue))
    else {
        return None;
    };
    Some(format!("`{value}` is no number for {flag}; write one such as {example}"))
}

/// What a command lacks, with the first of its examples.
fn missing(error: &clap::Error, verb: &clap::Command) -> Option<String> {
    let Some(ContextValue::Strings(missing)) = error.get(ContextKind::InvalidArg) else { return None };
    let help = verb.get_after_help()?.to_string();
    let example = help.lines().map(|line| line.trim().trim_start_matches("Example: "));
    let example = example.map(str::trim).find(|line| line.starts_with("ganvas "))?;
    let missing = missing.iter().map(|one| one.trim_end_matches("...")).collect::<Vec<_>>().join(" and ");
    Some(format!("`ganvas {}` needs {missing}, as in: {example}", verb.get_name()))
}

/// What to write instead of a flag that `train` does not know.
fn unknown(error: &clap::Error, args: &[String]) -> Option<String> {
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else { return None };
    if error.kind() != ErrorKind::UnknownArgument || args.get(1).map(String::as_str) != Some("train") {
        return None;
    }
    let plain = flag.trim_start_matches('-').replace('-', "_");
    let instead = match plain.as_str() {
        "epochs" => {
            "give --kimg N, the length of the run in thousands of images seen; one pass over 60,000 is --kimg 60".into()
        }
        "o" | "output" | "out" | "outdir" | "output_dir" => {
            "give --runs DIR, the folder where run directories are made, or --name NAME, what this one is called".into()
        }
        plain => {
            let name = OTHER_NAMES.iter().find(|(other, _)| *other == plain).map_or(plain, |(_, name)| name);
            let config = args[2..].iter().find_map(|arg| configured(arg))?;
            let keys = config.keys().into_iter().filter(|key| key.rsplit('.').next() == Some(name));
            let value = value(flag, args).unwrap_or("VALUE");
            let sets = keys.map(|key| format!("--set {key}={value}")).collect::<Vec<_>>();
            if sets.is_empty() {
                if name == plain {
                    return None;
                }
                let recipe = config.entry.info.name;
                format!("{recipe} has no key `{name}`; `ganvas init {recipe}` shows those it has")
            } else {
                format!("did you mean {}?", sets.join(" "))
            }
        }
    };
    Some(format!("there is no flag {flag}; {instead}"))
}

/// The configuration that is meant by the name of a recipe or a file.
fn configured(arg: &str) -> Option<Resolved> {
    if let Ok(entry) = ganvas::recipe(arg) {
        return Resolved::new(entry, None, &[]).ok();
    }
    let path = Path::new(arg);
    let text = std::fs::read_to_string(path).ok()?;
    Resolved::new(Resolved::recipe_of(&text, path, RECIPES).ok()?, Some((&text, path)), &[]).ok()
}

/// What is given to a flag.
fn value<'a>(flag: &str, args: &'a [String]) -> Option<&'a str> {
    let at = args.iter().position(|arg| arg.split('=').next() == Some(flag))?;
    let next = || args.get(at + 1).map(String::as_str).filter(|next| !next.starts_with("--"));
    args[at].split_once('=').map(|(_, value)| value).or_else(next)
}
