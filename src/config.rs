//! Configuration: defaults < file < `--set`, where the struct is the file and its docs are the comments.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::data::gaussians::Mixture;
use crate::data::source::{Drawing, Split};
use crate::error::{Error, Result};

/// A recipe's configuration. Its `Default` holds the paper's values; its docs become the comments of the file.
pub trait Settings: Clone + Serialize + DeserializeOwned + Default + JsonSchema + Send + Sync + 'static {
    /// The settings every recipe has.
    fn train(&self) -> &Train;
    /// Chooses what the configuration leaves open, which may depend on the data, and says what it chose and why, a line for
    /// each. A second call chooses nothing.
    fn settle(&mut self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
    /// What is wrong with values that have the right types and ranges, as one sentence with the way out.
    fn problem(&self) -> Option<String> {
        None
    }
    /// What the points come from; none for a recipe of pictures or music.
    fn mixture(&self) -> Option<Mixture> {
        None
    }
}

/// The settings every recipe has.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Train {
    /// Seed of every random draw of the run: weights, order of the data, noise.
    pub seed: u64,
    /// Length of the run in thousands of images seen.
    pub kimg: f64,
    /// Length of the run in steps; 0 means by `kimg`.
    pub steps: u64,
    /// Images per step.
    pub batch: usize,
    /// CPU threads; 0 means one per core.
    pub threads: usize,
    /// Thousands of images between two lines of scalars in events.jsonl.
    pub log_every_kimg: f64,
    /// Thousands of images between two previews.
    pub preview_every_kimg: f64,
    /// Thousands of images between two checkpoints.
    pub checkpoint_every_kimg: f64,
    /// How many checkpoints to keep, the newest ones; at least 1.
    pub keep_checkpoints: usize,
    /// Thousands of images between two checkpoints whose samples are measured; 0 for none.
    pub eval_every_kimg: f64,
    /// How many samples are held against as many real ones.
    pub eval_samples: usize,
    /// What is measured, by the names of `ganvas eval`.
    pub eval_metrics: Vec<String>,
    /// What to do when the doctor finds what a run seldom recovers from: continue, stop, or rollback to the last good
    /// checkpoint and go on with half the learning_rate, at most three times.
    pub on_trouble: OnTrouble,
}

/// What the trainer does about a grave diagnosis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnTrouble {
    /// Goes on; the diagnosis is in the log.
    #[default]
    Continue,
    /// Writes a checkpoint and fails.
    Stop,
    /// Goes back to the last checkpoint from before it began, and on with half of each `learning_rate`.
    Rollback,
}

const MOST_IMAGES: usize = 10_000_000;
const MOST_THREADS: usize = 1024;

impl Default for Train {
    fn default() -> Self {
        Train {
            seed: 0,
            kimg: 1000.0,
            steps: 0,
            batch: 64,
            threads: 0,
            log_every_kimg: 5.0,
            preview_every_kimg: 50.0,
            checkpoint_every_kimg: 100.0,
            keep_checkpoints: 2,
            eval_every_kimg: 0.0,
            eval_samples: 2000,
            eval_metrics: vec!["fd".to_owned(), "kid".to_owned()],
            on_trouble: OnTrouble::Continue,
        }
    }
}

impl Train {
    /// The usual settings with so many thousands of images between two lines of scalars, two previews and two checkpoints.
    pub fn every([log_every_kimg, preview_every_kimg, checkpoint_every_kimg]: [f64; 3]) -> Self {
        Train { log_every_kimg, preview_every_kimg, checkpoint_every_kimg, ..Train::default() }
    }

    /// The number of steps of the whole run.
    pub fn total_steps(&self) -> u64 {
        match self.steps {
            0 => (self.kimg * 1000.0 / self.batch as f64).ceil() as u64,
            steps => steps,
        }
    }

    /// The number of images of the whole run.
    pub fn total_images(&self) -> u64 {
        self.total_steps() * self.batch as u64
    }

    /// How the batches of a split are drawn.
    pub fn drawing(&self, split: Split) -> Drawing {
        Drawing { split, seed: self.seed, batch: self.batch }
    }

    fn problem(&self) -> Option<String> {
        let positive = [
            ("kimg", self.kimg),
            ("log_every_kimg", self.log_every_kimg),
            ("preview_every_kimg", self.preview_every_kimg),
            ("checkpoint_every_kimg", self.checkpoint_every_kimg),
        ];
        let not_positive = positive.into_iter().find(|(_, value)| !(*value > 0.0 && value.is_finite()));
        if let Some((name, value)) = not_positive {
            return Some(format!("train.{name} is {value}; give a number above 0"));
        }
        if !(1..=MOST_IMAGES).contains(&self.batch) {
            return Some(format!("train.batch is {}; give 1 to {MOST_IMAGES}", self.batch));
        }
        if self.threads > MOST_THREADS {
            return Some(format!("train.threads is {}; give 0 (one per core) to {MOST_THREADS}", self.threads));
        }
        if !(self.eval_every_kimg >= 0.0 && self.eval_every_kimg.is_finite()) {
            return Some(format!("train.eval_every_kimg is {}; give 0 for never, or more", self.eval_every_kimg));
        }
        if !(20..=MOST_IMAGES).contains(&self.eval_samples) {
            return Some(format!("train.eval_samples is {}; give 20 to {MOST_IMAGES}", self.eval_samples));
        }
        (self.keep_checkpoints == 0)
            .then(|| "train.keep_checkpoints is 0; the newest one must stay, give at least 1".into())
    }
}

/// Keys that may change when a run goes on: they do not touch what was already computed.
pub const RESUMABLE: &[&str] = &[
    "train.kimg",
    "train.steps",
    "train.threads",
    "train.log_every_kimg",
    "train.preview_every_kimg",
    "train.checkpoint_every_kimg",
    "train.keep_checkpoints",
    "train.eval_every_kimg",
    "train.eval_samples",
    "train.eval_metrics",
    "train.on_trouble",
];

/// A key of a configuration whose value is not the default. Values are as TOML writes them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// With its table, such as `train.batch`.
    pub key: String,
    /// What it is.
    pub value: String,
    /// What the recipe has; none where the recipe leaves it out.
    pub default: Option<String>,
}

/// Puts a value under a dotted key.
pub(crate) fn put(table: &mut toml::Table, key: &str, value: toml::Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((outer, inner)) => {
            let entry = table.entry(outer).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            if let toml::Value::Table(table) = entry {
                put(table, inner, value);
            }
        }
    }
}

/// What is wrong with a configuration's values, as one sentence with the way out.
pub fn problem_of<C: Settings>(config: &C) -> Option<String> {
    config.train().problem().or_else(|| config.problem())
}

/// Reads a configuration: the struct's defaults overlaid with `text`. `path` is for the messages.
pub fn parse<C: Settings>(text: &str, path: &Path) -> Result<C> {
    // First the text alone, because only it knows the lines; then over the defaults of the whole struct, because a
    // table that is only partly given must keep the recipe's own defaults for the rest.
    let mut spanned = toml::de::DeTable::parse(text).map_err(|error| shown(&error, path))?;
    spanned.get_mut().remove("recipe");
    C::deserialize(toml::Deserializer::from(spanned)).map_err(|mut error| {
        error.set_input(Some(text));
        shown(&error, path)
    })?;

    let fail = |error: &dyn std::fmt::Display| Error::input(format!("{}: {error}", path.display()));
    let mut table = toml::Table::try_from(C::default()).map_err(|error| fail(&error))?;
    let mut given = toml::from_str::<toml::Table>(text).map_err(|error| fail(&error))?;
    given.remove("recipe");
    overlay(&mut table, given);
    let config = C::deserialize(table).map_err(|error| fail(&error))?;
    match problem_of(&config) {
        None => Ok(config),
        Some(problem) => Err(fail(&problem)),
    }
}

fn overlay(base: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(toml::Value::Table(base)), toml::Value::Table(over)) => overlay(base, over),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

const WHOLE: &str = "expected a whole number";

/// A TOML error with its line, a caret, and the nearest right name when a key is unknown.
pub(crate) fn shown(error: &toml::de::Error, path: &Path) -> Error {
    let error_text = error.to_string().replace("expected usize", WHOLE).replace("expected u64", WHOLE);
    let error_text = error_text.replace("expected u32", WHOLE).replace("expected f64", "expected a number");
    let mut sentence = format!("{}: {}", path.display(), error_text.trim_end());
    let quoted = error.message().split('`').skip(1).step_by(2).collect::<Vec<_>>();
    if error.message().starts_with("unknown field")
        && let Some((unknown, known)) = quoted.split_first()
        && let Some(near) = nearest(unknown, known.iter().copied())
    {
        sentence.push_str(&format!("\ndid you mean `{near}`?"));
    }
    Error::input(sentence)
}

/// The likeliest of `names` to be meant by `given`, if any is near.
pub(crate) fn nearest<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .map(|name| (strsim::jaro_winkler(given, name), name))
        .filter(|(similarity, _)| *similarity > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// The keys of a configuration with their docs, read off the struct.
pub struct Keys(pub(crate) Vec<Key>);

/// One key.
pub(crate) struct Key {
    /// Dotted, such as `train.kimg`.
    pub path: String,
    doc: String,
    /// The names a choice may take, with their docs.
    choices: Vec<(String, String)>,
}

impl Keys {
    /// The keys of `C`.
    pub fn of<C: Settings>() -> Keys {
        let schema = schemars::schema_for!(C).to_value();
        let mut keys = Vec::new();
        collect(&schema, &schema, "", &mut keys);
        Keys(keys)
    }

    fn get(&self, path: &str) -> Option<&Key> {
        self.0.iter().find(|key| key.path == path)
    }

    pub(crate) fn nearest(&self, given: &str) -> Option<&str> {
        let by_leaf = self.0.iter().find(|key| key.path.rsplit('.').next() == Some(given));
        by_leaf.map(|key| key.path.as_str()).or_else(|| nearest(given, self.0.iter().map(|key| key.path.as_str())))
    }
}

/// Follows a `$ref` into the schema's definitions.
fn target<'a>(root: &'a serde_json::Value, schema: &'a serde_json::Value) -> &'a serde_json::Value {
    let reference = schema.get("$ref").and_then(|r| r.as_str()).and_then(|r| r.strip_prefix('#'));
    reference.and_then(|pointer| root.pointer(pointer)).unwrap_or(schema)
}

fn description(schema: &serde_json::Value) -> String {
    let text = schema.get("description").and_then(|text| text.as_str()).unwrap_or_default();
    text.replace('\n', " ")
}

fn collect(root: &serde_json::Value, schema: &serde_json::Value, prefix: &str, keys: &mut Vec<Key>) {
    let Some(properties) = target(root, schema).get("properties").and_then(|p| p.as_object()) else { return };
    for (name, property) in properties {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        let resolved = target(root, property);
        if resolved.get("properties").is_some() {
            collect(root, resolved, &path, keys);
            continue;
        }
        let listed = resolved.get("oneOf").and_then(|one| one.as_array()).into_iter().flatten();
        let choices =
            listed.filter_map(|choice| Some((choice.get("const")?.as_str()?.to_owned(), description(choice))));
        let doc = Some(description(property)).filter(|doc| !doc.is_empty()).unwrap_or_else(|| description(resolved));
        keys.push(Key { path, doc, choices: choices.collect() });
    }
}

/// The complete, commented file of a configuration.
pub fn to_toml<C: Settings>(recipe: &str, config: &C) -> Result<String> {
    let table = toml::Table::try_from(config)
        .map_err(|error| Error::failed(format!("the configuration cannot be written as TOML: {error}")))?;
    let keys = Keys::of::<C>();
    let mut text = format!("recipe = \"{recipe}\"\n");
    write(&table, "", &keys, &mut text);
    Ok(text)
}

fn write(table: &toml::Table, prefix: &str, keys: &Keys, text: &mut String) {
    let path = |name: &str| if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
    let (tables, values): (Vec<_>, Vec<_>) = table.iter().partition(|(_, value)| value.is_table());
    for (name, value) in values {
        if let Some(key) = keys.get(&path(name)) {
            text.push_str(&format!("\n# {}\n", key.doc));
            for (choice, doc) in &key.choices {
                text.push_str(&format!("#   \"{choice}\": {doc}\n"));
            }
        }
        text.push_str(&format!("{name} = {value}\n"));
    }
    for (name, value) in tables {
        if let toml::Value::Table(inner) = value {
            text.push_str(&format!("\n[{}]\n", path(name)));
            write(inner, &path(name), keys, text);
        }
    }
}
