//! Configuration: defaults < file < `--set`, where the struct is the file and its docs are the comments.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::data::images::Images;
use crate::error::{Error, Result};
use crate::recipe::{Entry, Session};

/// A recipe's configuration. Its `Default` holds the paper's values; its docs become the comments of the file.
pub trait Settings: Serialize + DeserializeOwned + Default + JsonSchema + 'static {
    /// The settings every recipe has.
    fn train(&self) -> &Train;
    /// Chooses what the configuration leaves open, which may depend on the data, and says what it chose and why, a line for
    /// each. A second call chooses nothing.
    fn settle(&mut self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
    /// What is wrong with values that have the right types, as one sentence with the way out.
    fn problem(&self) -> Option<String> {
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
    /// The number of steps of the whole run.
    pub fn total_steps(&self) -> u64 {
        match self.steps {
            0 => (self.kimg * 1000.0 / self.batch as f64).ceil() as u64,
            steps => steps,
        }
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

/// A complete configuration, as text and as the part the trainer reads.
#[derive(Clone)]
pub struct Resolved {
    /// The recipe it configures.
    pub entry: Entry,
    /// The complete file, commented.
    pub text: String,
    /// The settings every recipe has.
    pub train: Train,
}

impl Resolved {
    /// The recipe's defaults, overlaid with a file (its text and its path for messages) and `key=value` settings.
    ///
    /// Errors point at the line, or at the setting, and name the nearest right key.
    pub fn new(entry: Entry, file: Option<(&str, &Path)>, sets: &[String]) -> Result<Self> {
        let (text, path) = file.unwrap_or(("", Path::new("defaults")));
        let (text, train) = (entry.resolve)(text, path)?;
        let resolved = Resolved { entry, text, train };
        // Together, because two settings may fit only each other; one after the other to say which is wrong.
        let together = sets.iter().try_fold(resolved.text.clone(), |text, set| resolved.put(&text, set));
        match together.and_then(|text| (entry.resolve)(&text, Path::new("config"))) {
            Ok((text, train)) => Ok(Resolved { entry, text, train }),
            Err(_) => sets.iter().try_fold(resolved, |resolved, set| resolved.with(set)),
        }
    }

    /// The recipe a configuration file names by its key `recipe`, out of those given.
    pub fn recipe_of(text: &str, path: &Path, recipes: &[Entry]) -> Result<Entry> {
        let table = toml::from_str::<toml::Table>(text).map_err(|error| shown(&error, path))?;
        let names = || recipes.iter().map(|entry| entry.info.name);
        let Some(name) = table.get("recipe").and_then(toml::Value::as_str) else {
            return Err(Error::input(format!(
                "{} names no recipe; begin it with a line like recipe = \"{}\"",
                path.display(),
                names().next().unwrap_or_default()
            )));
        };
        let found = recipes.iter().find(|entry| entry.info.name == name).copied();
        found.ok_or_else(|| Error::input(format!("{}: {}", path.display(), unknown_recipe(name, names()))))
    }

    /// The same with everything chosen that it leaves open, and what was chosen and why, a line for each.
    pub fn settled(&self) -> Result<(Self, Vec<String>)> {
        let (text, said) = (self.entry.settle)(&self.text)?;
        Ok((Resolved { text, ..self.clone() }, said))
    }

    /// Opens the data and builds the state of step 0.
    pub fn open(&self, device: &Device) -> Result<Box<dyn Session>> {
        self.entry.open(&self.text, device)
    }

    /// The folder of the user's own data that the key `data.path` names, if any.
    pub fn data_path(&self) -> Option<PathBuf> {
        let table = toml::from_str::<toml::Table>(&self.text).ok()?;
        let path = table.get("data")?.get("path")?.as_str()?;
        (!path.is_empty()).then(|| PathBuf::from(path))
    }

    /// The keys that are not as the recipe's defaults have them.
    pub fn changes(&self) -> Result<Vec<Change>> {
        let default = Resolved::new(self.entry, None, &[])?;
        let [ours, defaults] = [self, &default].map(|config| {
            let mut found = BTreeMap::new();
            let table = toml::from_str::<toml::Table>(&config.text).unwrap_or_default();
            by_key("", &toml::Value::Table(table), &mut found);
            found
        });
        let changed = ours.into_iter().filter(|(key, value)| defaults.get(key) != Some(value));
        let change = |(key, value): (String, String)| Change { default: defaults.get(&key).cloned(), key, value };
        Ok(changed.map(change).collect())
    }

    /// The same with half of each learning rate, and what that changed; an error for a recipe without one.
    pub fn slower(&self) -> Result<(Self, Vec<Change>)> {
        let mut table = toml::from_str::<toml::Table>(&self.text).unwrap_or_default();
        let mut changes = Vec::new();
        let mut config = self.clone();
        for (key, value) in table.iter_mut().filter(|(key, _)| key.ends_with("learning_rate")) {
            let before = value.to_string();
            match value {
                toml::Value::Array(rates) => rates.iter_mut().for_each(halve),
                _ => halve(value),
            }
            config = config.with(&format!("{key}={value}"))?;
            changes.push(Change { key: key.clone(), value: value.to_string(), default: Some(before) });
        }
        match changes.is_empty() {
            true => Err(Error::failed(format!("{} has no learning_rate to lower", self.entry.info.name))),
            false => Ok((config, changes)),
        }
    }

    /// The pictures a run learns from, and what to call them; none for a recipe that needs none. A set of its own must have
    /// been fetched.
    pub fn pictures(&self) -> Result<Option<(Images, String)>> {
        let (path, name) = match (self.data_path(), self.entry.info.dataset) {
            (Some(path), _) => (path.clone(), path.display().to_string()),
            (None, Some(name)) => {
                let set = crate::data::set(name)?;
                (set.usual((set.folder)()?), name.to_owned())
            }
            (None, None) => return Ok(None),
        };
        let table = toml::from_str::<toml::Table>(&self.text).ok();
        let data = table.and_then(|mut table| table.remove("data")?.try_into::<Images>().ok());
        let data = data.unwrap_or_else(|| Images::at(&path)); // of a recipe with settings of its own
        Ok(Some((Images { path, ..data }, name)))
    }

    /// The same with one `key=value` set.
    pub fn with(&self, set: &str) -> Result<Self> {
        let text = self.put(&self.text, set)?;
        match (self.entry.resolve)(&text, Path::new("config")) {
            Ok((text, train)) => Ok(Resolved { entry: self.entry, text, train }),
            Err(error) => {
                let sentence = error.to_string();
                let reason = sentence.lines().rfind(|line| !line.contains('|')).unwrap_or(&sentence);
                Err(Error::input(format!("--set {set}: {}", reason.trim_start_matches("config: "))))
            }
        }
    }

    /// A configuration's text with one `key=value` put in, not looked at yet.
    fn put(&self, text: &str, set: &str) -> Result<String> {
        let Some((key, value)) = set.split_once('=') else {
            return Err(Error::input(format!("--set {set}: write key=value, as in --set train.kimg=500")));
        };
        let (key, value) = (key.trim(), value.trim());
        let keys = (self.entry.keys)();
        if !keys.0.iter().any(|known| known.path == key) {
            let nearest = keys.nearest(key).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            return Err(Error::input(format!("--set {set}: {} has no key `{key}`{nearest}", self.entry.info.name)));
        }
        let value = toml::from_str::<toml::Table>(&format!("v = {value}"))
            .ok()
            .and_then(|mut table| table.remove("v"))
            .unwrap_or_else(|| toml::Value::String(value.to_owned()));
        let failed = |error: &dyn std::fmt::Display| Error::input(format!("--set {set}: {error}"));
        let mut table = toml::from_str::<toml::Table>(text).map_err(|error| failed(&error))?;
        put(&mut table, key, value);
        if key == "train.kimg" {
            put(&mut table, "train.steps", toml::Value::Integer(0)); // the length asked for last is the one meant
        }
        toml::to_string(&table).map_err(|error| failed(&error))
    }
}

/// The error for a name that is no recipe.
pub fn unknown_recipe<'a>(name: &str, names: impl Iterator<Item = &'a str> + Clone) -> Error {
    let nearest = nearest(name, names.clone()).map(|near| format!(" Did you mean `{near}`?")).unwrap_or_default();
    let all = names.collect::<Vec<_>>().join(", ");
    Error::input(format!("there is no recipe `{name}`.{nearest} There are: {all}"))
}

fn halve(rate: &mut toml::Value) {
    if let Some(value) = rate.as_float() {
        *rate = toml::Value::Float(value / 2.0);
    }
}

/// Every value that is no table, by its whole key.
fn by_key(key: &str, value: &toml::Value, found: &mut BTreeMap<String, String>) {
    match value {
        toml::Value::Table(table) => table.iter().for_each(|(name, value)| {
            by_key(&if key.is_empty() { name.clone() } else { format!("{key}.{name}") }, value, found);
        }),
        value => _ = found.insert(key.to_owned(), value.to_string()),
    }
}

fn put(table: &mut toml::Table, key: &str, value: toml::Value) {
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
    match config.train().problem().or_else(|| config.problem()) {
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
fn shown(error: &toml::de::Error, path: &Path) -> Error {
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
fn nearest<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .map(|name| (strsim::jaro_winkler(given, name), name))
        .filter(|(similarity, _)| *similarity > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// The keys of a configuration with their docs, read off the struct.
pub struct Keys(Vec<Key>);

struct Key {
    /// Dotted, such as `train.kimg`.
    path: String,
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

    fn nearest(&self, given: &str) -> Option<&str> {
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
