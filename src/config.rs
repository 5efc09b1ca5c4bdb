//! Configuration: defaults < file < `--set`, where the struct is the file and its docs are the comments.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::data::gaussians::Mixture;
use crate::data::source::{Drawing, Split};
use crate::error::{Error, Result, nearest};

/// A recipe's configuration. Its `Default` holds the paper's values; its docs become the comments of the file.
pub trait Settings: Clone + Serialize + DeserializeOwned + Default + JsonSchema + Send + Sync + 'static {
    /// The settings every recipe has.
    fn train(&self) -> &Train;
    /// Chooses what the configuration leaves open, which may depend on the data, and says what it chose and why, a line for
    /// each. A second call chooses nothing.
    fn settle(&mut self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
    /// What is wrong with values that fit only each other, as one sentence with the way out. The range of one field stands in
    /// its schemars attribute.
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
    /// Length of the run in kimg, which is thousands of images seen.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub kimg: f64,
    /// Length of the run in steps; 0 means by `kimg`.
    pub steps: u64,
    /// Images per step.
    #[schemars(range(min = 1, max = MOST_IMAGES))]
    pub batch: usize,
    /// CPU threads; 0 means one per core.
    #[schemars(range(max = MOST_THREADS))]
    pub threads: usize,
    /// Thousands of images between two lines of scalars in events.jsonl.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub log_every_kimg: f64,
    /// Thousands of images between two previews.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub preview_every_kimg: f64,
    /// Thousands of images between two checkpoints.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub checkpoint_every_kimg: f64,
    /// How many checkpoints to keep, the newest ones.
    #[schemars(range(min = 1))]
    pub keep_checkpoints: usize,
    /// Thousands of images between two checkpoints whose samples are measured; 0 for none.
    #[schemars(range(min = 0.0))]
    pub eval_every_kimg: f64,
    /// How many samples are held against as many real ones.
    #[schemars(range(min = 20, max = MOST_IMAGES))]
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

    /// Thousands of images that so many steps learn from.
    pub fn kimg_after(&self, steps: u64) -> f64 {
        (steps * self.batch as u64) as f64 / 1000.0
    }

    /// The number of images of the whole run.
    pub fn total_images(&self) -> u64 {
        self.total_steps() * self.batch as u64
    }

    /// How the batches of a split are drawn.
    pub fn drawing(&self, split: Split) -> Drawing {
        Drawing { split, seed: self.seed, batch: self.batch }
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

/// Keys that once stood at the top of a configuration, and where they stand now.
const MOVED: &[(&str, &str)] = &[
    ("learning_rate", "adam.learning_rate"),
    ("beta1", "adam.beta1"),
    ("beta2", "adam.beta2"),
    ("constant_kimg", "decay.constant_kimg"),
    ("decay_kimg", "decay.decay_kimg"),
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

/// A configuration's text with one `key=value` put in, not looked at yet.
pub(crate) fn with_set(text: &str, set: &str, recipe: &str, keys: &Keys) -> Result<String> {
    let failed = |error: &dyn std::fmt::Display| Error::input(format!("--set {set}: {error}"));
    let Some((key, value)) = set.split_once('=') else {
        return Err(failed(&"write key=value, as in --set train.kimg=500"));
    };
    let (key, value) = (key.trim(), value.trim());
    if let Some(new) = keys.moved(key) {
        return Err(failed(&format!("{key} is now {new}; write --set {new}={value}")));
    }
    if keys.get(key).is_none() {
        let nearest = keys.nearest(key).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        return Err(failed(&format!("{recipe} has no key `{key}`{nearest}")));
    }
    if value.parse::<i64>().is_err() && !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(failed(&format!("the largest whole number that a configuration holds is {}", i64::MAX)));
    }
    let value = toml::from_str::<toml::Table>(&format!("v = {value}"))
        .ok()
        .and_then(|mut table| table.remove("v"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()));
    let mut table = toml::from_str::<toml::Table>(text).map_err(|error| failed(&error))?;
    put(&mut table, key, value);
    if key == "train.kimg" {
        put(&mut table, "train.steps", toml::Value::Integer(0)); // the length asked for last is the one meant
    }
    toml::to_string(&table).map_err(|error| failed(&error))
}

/// Half of each learning rate, in whatever table it stands.
pub(crate) fn halved_rates(table: toml::Table) -> Vec<Change> {
    let rates = by_key(table).into_iter().filter(|(key, _)| key.ends_with("learning_rate"));
    let change = |(key, rate): (String, toml::Value)| Change {
        key,
        value: halved(&rate).to_string(),
        default: Some(rate.to_string()),
    };
    rates.map(change).collect()
}

fn halved(rate: &toml::Value) -> toml::Value {
    match rate {
        toml::Value::Float(rate) => toml::Value::Float(rate / 2.0),
        toml::Value::Array(rates) => toml::Value::Array(rates.iter().map(halved).collect()),
        rate => rate.clone(),
    }
}

/// Every value that is no table, under its whole key, in the order of the file.
pub(crate) fn by_key(table: toml::Table) -> Vec<(String, toml::Value)> {
    let entries = table.into_iter().flat_map(|(key, value)| match value {
        toml::Value::Table(inner) => {
            by_key(inner).into_iter().map(|(name, value)| (format!("{key}.{name}"), value)).collect()
        }
        value => vec![(key, value)],
    });
    entries.collect()
}

/// Puts a value under a dotted key.
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
    let mut spanned = toml::de::DeTable::parse(text).map_err(|error| shown(&error, text, path))?;
    spanned.get_mut().remove("recipe");
    let fail = |error: &dyn std::fmt::Display| Error::input(format!("{}: {error}", path.display()));
    let mut given = toml::from_str::<toml::Table>(text).map_err(|error| fail(&error))?;
    given.remove("recipe");
    let keys = Keys::of::<C>();
    if let Some(sentence) = new_places(&given, &keys) {
        return Err(fail(&sentence));
    }
    C::deserialize(toml::Deserializer::from(spanned)).map_err(|error| shown(&error, text, path))?;

    let mut table = toml::Table::try_from(C::default()).map_err(|error| fail(&error))?;
    overlay(&mut table, given);
    let config = C::deserialize(table).map_err(|error| fail(&plainly(error.message())))?;
    match problem_of(&config) {
        None => Ok(config),
        Some(problem) => Err(fail(&problem)),
    }
}

/// What is wrong with a configuration's values, as one sentence with the way out.
pub fn problem_of<C: Settings>(config: &C) -> Option<String> {
    let out = |table| out_of_range(table, &Keys::of::<C>());
    toml::Table::try_from(config).map_or_else(|error| Some(error.to_string()), out).or_else(|| config.problem())
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

/// Where the keys stand now that have moved, as one sentence with the way out; none when none has.
fn new_places(table: &toml::Table, keys: &Keys) -> Option<String> {
    let moved = table.iter().filter_map(|(key, value)| Some((key, keys.moved(key)?, value)));
    let (places, lines): (Vec<_>, Vec<_>) =
        moved.map(|(key, new, value)| (format!("{key} is now {new}"), format!("{new} = {value}"))).unzip();
    let sentence = || format!("{}; write {} instead", listed(&places, "and"), listed(&lines, "and"));
    (!places.is_empty()).then(sentence)
}

/// A configuration's text with the keys that have moved where they stand now.
pub(crate) fn modernised(text: &str, keys: &Keys) -> String {
    let mut table = toml::from_str::<toml::Table>(text).unwrap_or_default();
    let moved = table.keys().filter_map(|key| Some((key.clone(), keys.moved(key)?))).collect::<Vec<_>>();
    if moved.is_empty() {
        return text.to_owned(); // whose lines errors can point at
    }
    for (key, new) in moved {
        if let Some(value) = table.remove(&key) {
            put(&mut table, new, value);
        }
    }
    table.to_string()
}

/// What is wrong with a number of a configuration, as one sentence with the way out.
fn out_of_range(table: toml::Table, keys: &Keys) -> Option<String> {
    by_key(table).into_iter().find_map(|(key, value)| {
        let free = Range::default();
        let range = keys.get(&key).map_or(&free, |key| &key.range);
        let numbers = numbers(&value);
        let is_finite = numbers.iter().all(|number| number.is_finite());
        let is_fine = is_finite && numbers.iter().all(|number| range.holds(*number));
        (!is_fine).then(|| format!("{key} is {}; give {}", plain(&value), range.words(is_finite)))
    })
}

/// The numbers of a value: itself, or those of an array.
fn numbers(value: &toml::Value) -> Vec<f64> {
    match value {
        toml::Value::Integer(number) => vec![*number as f64],
        toml::Value::Float(number) => vec![*number],
        toml::Value::Array(values) => values.iter().flat_map(numbers).collect(),
        _ => Vec::new(),
    }
}

/// A value in a sentence: as in TOML, but 0 for 0.0.
fn plain(value: &toml::Value) -> String {
    match value {
        toml::Value::Float(number) => plain_number(*number),
        toml::Value::Array(values) => format!("[{}]", values.iter().map(plain).collect::<Vec<_>>().join(", ")),
        value => value.to_string(),
    }
}

fn plain_number(number: f64) -> String {
    let text = format!("{number:?}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

/// Words in a row, such as "28, 32 or 64".
fn listed(words: &[String], last: &str) -> String {
    match words {
        [before @ .., end] if !before.is_empty() => format!("{} {last} {end}", before.join(", ")),
        words => words.concat(),
    }
}

/// An error in a file's text with its line, in plain words.
pub(crate) fn shown(error: &toml::de::Error, text: &str, path: &Path) -> Error {
    let at = error.span().map_or(0, |span| span.start.min(text.len()));
    let before = text.get(..at).unwrap_or_default();
    let number = before.matches('\n').count() + 1;
    let line = text.lines().nth(number - 1).unwrap_or_default().trim();
    Error::input(format!("{}, line {number}, `{line}`: {}", path.display(), plainly(error.message())))
}

/// What serde says of a value or a key, in plain words; what TOML itself says of a text that is none, as it is.
fn plainly(message: &str) -> String {
    let message = message.lines().next().unwrap_or_default();
    let quoted = message.split('`').skip(1).step_by(2).collect::<Vec<_>>();
    let choices = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if let (true, [unknown, known @ ..]) = (message.starts_with("unknown field"), quoted.as_slice()) {
        return match nearest(unknown, known.iter().copied()) {
            Some(near) => format!("there is no key `{unknown}`; did you mean `{near}`?"),
            None => format!("there is no key `{unknown}` in this table; there are: {}", choices(known)),
        };
    }
    if let (true, [unknown, known @ ..]) = (message.starts_with("unknown variant"), quoted.as_slice()) {
        return format!("`{unknown}` is none of the choices; give one of {}", choices(known));
    }
    let Some((found, wanted)) = message.split_once(", expected ").filter(|(found, _)| found.starts_with("invalid "))
    else {
        return message.to_owned();
    };
    let Some((_, found)) = found.split_once(": ") else {
        return format!("this is not TOML: {message}");
    };
    let wanted = match wanted {
        "usize" | "u64" | "u32" | "u8" => "a whole number of at least 0",
        "f64" | "f32" => "a number",
        "a boolean" | "bool" => "true or false",
        other => other,
    };
    format!("this is the {}; give {wanted}", found.replacen("string ", "text ", 1))
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
    range: Range,
}

/// The numbers that a key may have; in an array, each of them.
#[derive(Default)]
struct Range {
    is_whole: bool,
    is_array: bool,
    /// The least of them.
    least: Option<f64>,
    /// What they are above.
    above: Option<f64>,
    /// The most of them.
    most: Option<f64>,
    /// What they are below.
    below: Option<f64>,
    multiple_of: Option<f64>,
    /// The only ones, where they are few.
    among: Vec<f64>,
}

impl Range {
    /// What a field's schema says. An array has `extend(..)` at itself and `inner(range(..))` at its items. A number for which
    /// nothing is said is at least 0, as weights, rates and lengths are.
    fn of(schema: &serde_json::Value) -> Range {
        let levels = std::iter::successors(Some(schema), |level| level.get("items")).collect::<Vec<_>>();
        let keyword = |name: &str| levels.iter().find_map(|level| level.get(name));
        let number = |name: &str| keyword(name).and_then(|value| value.as_f64());
        let [most, below] = ["maximum", "exclusiveMaximum"].map(number);
        // schemars writes minimum = 0 for every unsigned type, which says nothing unless there is a maximum.
        let format = keyword("format").and_then(|format| format.as_str()).unwrap_or_default();
        let is_said = !format.starts_with("uint") || most.is_some() || below.is_some();
        let among = keyword("enum").and_then(|among| among.as_array()).into_iter().flatten();
        let is_of = |wanted: &str| levels.last().and_then(|level| level.get("type")).is_some_and(|name| name == wanted);
        let above = number("exclusiveMinimum");
        let is_free = above.is_none() && most.is_none() && below.is_none() && keyword("enum").is_none();
        let usual = (is_of("number") && is_free).then_some(0.0);
        Range {
            is_whole: is_of("integer"),
            is_array: levels.len() > 1,
            least: number("minimum").filter(|least| *least != 0.0 || is_said).or(usual),
            above,
            most,
            below,
            multiple_of: number("multipleOf"),
            among: among.filter_map(|number| number.as_f64()).collect(),
        }
    }

    fn holds(&self, number: f64) -> bool {
        (self.among.is_empty() || self.among.contains(&number))
            && self.least.is_none_or(|least| number >= least)
            && self.above.is_none_or(|above| number > above)
            && self.most.is_none_or(|most| number <= most)
            && self.below.is_none_or(|below| number < below)
            && self.multiple_of.is_none_or(|step| number % step == 0.0)
    }

    /// Whether some number is outside it.
    fn is_limited(&self) -> bool {
        let limits = [self.least, self.above, self.most, self.below, self.multiple_of];
        !self.among.is_empty() || limits.iter().any(Option::is_some)
    }

    /// In words, such as "a number above 0"; `is_finite` when nobody has to be told that the number must be finite.
    fn words(&self, is_finite: bool) -> String {
        let kind = match self.multiple_of {
            Some(step) => format!("a multiple of {}", plain_number(step)),
            None if self.is_whole => "a whole number".into(),
            None if is_finite => "a number".into(),
            None => "a finite number".into(),
        };
        let [least, above, most, below] =
            [self.least, self.above, self.most, self.below].map(|bound| bound.map(plain_number));
        let words = match (least, above, most, below) {
            _ if !self.among.is_empty() => {
                listed(&self.among.iter().map(|number| plain_number(*number)).collect::<Vec<_>>(), "or")
            }
            (_, Some(above), Some(most), _) => format!("{kind} above {above} and at most {most}"),
            (_, Some(above), None, Some(below)) => format!("{kind} above {above} and below {below}"),
            (_, Some(above), None, None) => format!("{kind} above {above}"),
            (Some(least), None, Some(most), _) => format!("{kind} from {least} to {most}"),
            (Some(least), None, None, Some(below)) => format!("{kind} from {least} to below {below}"),
            (Some(least), None, None, None) => format!("{kind} of at least {least}"),
            (None, None, Some(most), _) => format!("{kind} of at most {most}"),
            (None, None, None, Some(below)) => format!("{kind} below {below}"),
            (None, None, None, None) => kind,
        };
        if self.is_array { format!("{words} for each") } else { words }
    }
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

    /// Where a key stands now that has moved; none for a key that is still there, or never was.
    fn moved(&self, key: &str) -> Option<&'static str> {
        let (_, new) = MOVED.iter().find(|(old, _)| *old == key)?;
        (self.get(key).is_none() && self.get(new).is_some()).then_some(*new)
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
        keys.push(Key { path, doc, choices: choices.collect(), range: Range::of(property) });
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
            let range = if key.range.is_limited() { format!(" ({})", key.range.words(true)) } else { String::new() };
            text.push_str(&format!("\n# {}{range}\n", key.doc));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::degrade::ageing::Ageing;
    use crate::data::images::{Images, Pairs};
    use crate::data::music::Music;
    use crate::optim::{Adam, Decay};

    /// A configuration with ranges of every kind.
    #[derive(Clone, Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields, default)]
    struct Toy {
        /// Side of the pictures.
        #[schemars(extend("enum" = [28, 32, 64, 128]))]
        resolution: usize,
        /// Side of a patch.
        #[schemars(range(min = 16, max = 1024), extend("multipleOf" = 4))]
        patch: usize,
        /// Channels.
        #[schemars(range(min = 1, max = 512))]
        width: usize,
        /// Blocks; 0 for none.
        #[schemars(range(max = 64))]
        blocks: usize,
        /// Updates of D.
        #[schemars(range(min = 1))]
        steps: u64,
        /// Any whole number.
        seed: u64,
        /// Nothing is said of it.
        shift: f64,
        /// The step of a walk.
        #[schemars(extend("exclusiveMinimum" = 0.0))]
        rate: f64,
        /// D's target.
        #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
        label: f64,
        /// A part that is never all.
        #[schemars(extend("exclusiveMinimum" = 0.0, "exclusiveMaximum" = 1.0))]
        part: f64,
        /// What is dropped.
        #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
        dropout: f64,
        /// What a penalty weighs.
        #[schemars(range(min = 0.0))]
        weight: f64,
        /// Where it ends.
        #[schemars(range(max = -1.5))]
        end: f64,
        /// Before where it ends.
        #[schemars(extend("exclusiveMaximum" = 0.0))]
        before: f64,
        /// At the beginning and at the end.
        #[schemars(inner(range(min = 0.0)), extend("exclusiveMaximum" = 1.0))]
        betas: [f64; 2],
        /// Channels of each stage.
        #[schemars(inner(range(min = 1)))]
        widths: Vec<usize>,
        /// Likewise.
        shifts: Vec<f64>,
        /// The run.
        train: Train,
    }

    impl Default for Toy {
        fn default() -> Self {
            Toy {
                resolution: 64,
                patch: 16,
                width: 64,
                blocks: 0,
                steps: 1,
                seed: 0,
                shift: 0.0,
                rate: 0.1,
                label: 1.0,
                part: 0.5,
                dropout: 0.0,
                weight: 0.0,
                end: -2.0,
                before: -1.0,
                betas: [0.0, 0.9],
                widths: vec![4, 2],
                shifts: vec![1.0],
                train: Train::default(),
            }
        }
    }

    impl Settings for Toy {
        fn train(&self) -> &Train {
            &self.train
        }

        fn problem(&self) -> Option<String> {
            (self.width < self.blocks).then(|| "width is less than blocks; give more".into())
        }
    }

    /// Why `text` is refused; empty when it is not.
    fn refusal(text: &str) -> String {
        let Err(error) = parse::<Toy>(text, Path::new("toy.toml")) else { return String::new() };
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    }

    #[test]
    fn a_number_outside_its_range_is_refused_with_its_key_its_value_and_its_range() {
        for (text, sentence) in [
            ("resolution = 30", "resolution is 30; give 28, 32, 64 or 128"),
            ("patch = 30", "patch is 30; give a multiple of 4 from 16 to 1024"),
            ("patch = 12", "patch is 12; give a multiple of 4 from 16 to 1024"),
            ("width = 600", "width is 600; give a whole number from 1 to 512"),
            ("width = 0", "width is 0; give a whole number from 1 to 512"),
            ("blocks = 65", "blocks is 65; give a whole number from 0 to 64"),
            ("steps = 0", "steps is 0; give a whole number of at least 1"),
            ("rate = 0", "rate is 0; give a number above 0"),
            ("label = 0.0", "label is 0; give a number above 0 and at most 1"),
            ("label = 1.5", "label is 1.5; give a number above 0 and at most 1"),
            ("part = 1", "part is 1; give a number above 0 and below 1"),
            ("dropout = 1", "dropout is 1; give a number from 0 to below 1"),
            ("dropout = -1e-9", "dropout is -1e-9; give a number from 0 to below 1"),
            ("weight = -1", "weight is -1; give a number of at least 0"),
            ("end = 0", "end is 0; give a number of at most -1.5"),
            ("before = 0", "before is 0; give a number below 0"),
            ("[train]\nbatch = 0", "train.batch is 0; give a whole number from 1 to 10000000"),
            ("train.kimg = 0", "train.kimg is 0; give a number above 0"),
            ("train.threads = 5000", "train.threads is 5000; give a whole number from 0 to 1024"),
            ("train.keep_checkpoints = 0", "train.keep_checkpoints is 0; give a whole number of at least 1"),
            ("train.eval_samples = 19", "train.eval_samples is 19; give a whole number from 20 to 10000000"),
        ] {
            assert_eq!(refusal(text), format!("toy.toml: {sentence}"));
        }
    }

    #[test]
    fn numbers_at_the_ends_of_their_ranges_are_taken() {
        for text in [
            "resolution = 28",
            "resolution = 128",
            "patch = 16",
            "patch = 1024",
            "width = 1",
            "width = 512",
            "blocks = 64",
            "seed = 0",
            "shift = 1e300",
            "rate = 1e-300",
            "label = 1",
            "dropout = 0",
            "end = -1.5",
            "betas = [0, 0.99]",
            "widths = []",
            "train.threads = 0",
            "train.eval_every_kimg = 0",
        ] {
            assert_eq!(refusal(text), "", "{text}");
        }
    }

    #[test]
    fn every_number_of_an_array_is_in_the_arrays_range() {
        assert_eq!(
            refusal("betas = [0.5, 1]"),
            "toy.toml: betas is [0.5, 1]; give a number from 0 to below 1 for each"
        );
        assert_eq!(refusal("betas = [-1, 0]"), "toy.toml: betas is [-1, 0]; give a number from 0 to below 1 for each");
        assert_eq!(
            refusal("widths = [8, 0]"),
            "toy.toml: widths is [8, 0]; give a whole number of at least 1 for each"
        );
    }

    #[test]
    fn a_number_that_is_not_finite_is_refused_whatever_its_range() {
        assert_eq!(refusal("rate = inf"), "toy.toml: rate is inf; give a finite number above 0");
        assert_eq!(refusal("weight = nan"), "toy.toml: weight is NaN; give a finite number of at least 0");
        assert_eq!(refusal("shift = -inf"), "toy.toml: shift is -inf; give a finite number of at least 0");
        assert_eq!(
            refusal("shifts = [1, nan]"),
            "toy.toml: shifts is [1, NaN]; give a finite number of at least 0 for each"
        );
        assert_eq!(refusal("train.kimg = inf"), "toy.toml: train.kimg is inf; give a finite number above 0");
    }

    #[test]
    fn types_are_checked_before_ranges_and_ranges_before_what_fits_only_each_other() {
        let said = "toy.toml, line 2, `width = \"wide\"`: this is the text \"wide\"; give a whole number of at least 0";
        assert_eq!(refusal("rate = 0\nwidth = \"wide\""), said);
        assert!(refusal("width = -1").ends_with("this is the integer `-1`; give a whole number of at least 0"));
        assert_eq!(refusal("blocks = 60\nwidth = 0"), "toy.toml: width is 0; give a whole number from 1 to 512");
        assert_eq!(refusal("blocks = 60\nwidth = 50"), "toy.toml: width is less than blocks; give more");
    }

    #[test]
    fn the_comments_of_a_configuration_say_its_ranges() {
        let text = to_toml("toy", &Toy::default()).unwrap();
        for comment in [
            "# Side of the pictures. (28, 32, 64 or 128)\nresolution = 64\n",
            "# Side of a patch. (a multiple of 4 from 16 to 1024)\npatch = 16\n",
            "# Blocks; 0 for none. (a whole number from 0 to 64)\nblocks = 0\n",
            "# Any whole number.\nseed = 0\n",
            "# Nothing is said of it. (a number of at least 0)\nshift = 0.0\n",
            "# The step of a walk. (a number above 0)\nrate = 0.1\n",
            "# At the beginning and at the end. (a number from 0 to below 1 for each)\nbetas = [0.0, 0.9]\n",
            "# Likewise. (a number of at least 0 for each)\nshifts = [1.0]\n",
            "[train]\n\n# Seed of every random draw of the run: weights, order of the data, noise.\nseed = 0\n",
            "# Images per step. (a whole number from 1 to 10000000)\nbatch = 64\n",
        ] {
            assert!(text.contains(comment), "{comment} is not in {text}");
        }
    }

    /// A configuration with the settings that recipes share.
    #[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields, default)]
    struct Shared {
        /// A key that has not moved here.
        beta2: f64,
        adam: Adam,
        decay: Decay,
        data: Images,
        pairs: Pairs,
        music: Music,
        ageing: Ageing,
        train: Train,
    }

    impl Settings for Shared {
        fn train(&self) -> &Train {
            &self.train
        }
    }

    fn shared(text: &str) -> Result<Shared> {
        parse::<Shared>(text, Path::new("config.toml"))
    }

    #[test]
    fn the_settings_that_recipes_share_are_checked_by_their_ranges() {
        let share = "give a number from 0 to below 1";
        for (text, sentence) in [
            ("adam.learning_rate = 0", "adam.learning_rate is 0; give a number above 0"),
            ("adam.beta1 = 1", &format!("adam.beta1 is 1; {share}")),
            ("adam.beta2 = -0.1", &format!("adam.beta2 is -0.1; {share}")),
            ("decay.constant_kimg = -1", "decay.constant_kimg is -1; give a number of at least 0"),
            ("decay.decay_kimg = -1", "decay.decay_kimg is -1; give a number of at least 0"),
            ("ageing.folds = 0", "ageing.folds is 0; give a whole number from 1 to 1000"),
            ("ageing.dust_share = 1.5", "ageing.dust_share is 1.5; give a number from 0 to 1"),
            ("ageing.jpeg = [0, 95]", "ageing.jpeg is [0, 95]; give a whole number from 1 to 100 for each"),
            ("ageing.smaller = [0, 1]", "ageing.smaller is [0, 1]; give a number from 0.05 to 1 for each"),
            ("data.validation_share = 1", &format!("data.validation_share is 1; {share}")),
            ("pairs.validation_share = -1", &format!("pairs.validation_share is -1; {share}")),
            ("music.validation_share = 1", &format!("music.validation_share is 1; {share}")),
        ] {
            let refusal = shared(text).err().map(|error| error.to_string());
            assert_eq!(refusal, Some(format!("config.toml: {sentence}")));
        }
    }

    #[test]
    fn a_key_that_has_moved_is_refused_with_its_new_place() {
        let refusal = |text: &str| shared(text).err().map(|error| (error.exit_code(), error.to_string()));
        let sentence = "config.toml: beta1 is now adam.beta1; write adam.beta1 = 0.9 instead";
        assert_eq!(refusal("beta1 = 0.9\n[train]\nbatch = 2"), Some((2, sentence.into())));
        let sentence = "config.toml: learning_rate is now adam.learning_rate and decay_kimg is now decay.decay_kimg; \
                        write adam.learning_rate = 0.1 and decay.decay_kimg = 5 instead";
        assert_eq!(refusal("learning_rate = 0.1\ndecay_kimg = 5"), Some((2, sentence.into())));
        assert_eq!(refusal("beta2 = 0.5"), None, "a key that is still there has not moved");
        assert!(refusal("gamma = 1").unwrap().1.contains("there is no key `gamma`"));

        let set = |set: &str| with_set("", set, "toy", &Keys::of::<Shared>()).map_err(|error| error.to_string());
        let sentence = "--set beta1=0.9: beta1 is now adam.beta1; write --set adam.beta1=0.9";
        assert_eq!(set("beta1=0.9"), Err(sentence.into()));
        assert_eq!(set("adam.beta1=0.9").unwrap().trim(), "[adam]\nbeta1 = 0.9");
        assert!(set("beta2=0.9").is_ok());
        let without = with_set("", "beta1=0.9", "toy", &Keys::of::<Toy>()).unwrap_err().to_string();
        assert!(without.starts_with("--set beta1=0.9: toy has no key `beta1`"), "{without}");
    }

    #[test]
    fn a_run_from_before_keys_moved_has_its_values_where_they_stand_now() {
        let keys = Keys::of::<Shared>();
        let old =
            "recipe = \"toy\"\nlearning_rate = 0.01\nbeta1 = 0.9\nbeta2 = 0.5\ndecay_kimg = 5.0\n[train]\nbatch = 2";
        let config = shared(&modernised(old, &keys)).unwrap();
        assert_eq!(config.adam, Adam { learning_rate: 0.01, beta1: 0.9, ..Adam::default() });
        assert_eq!((config.beta2, config.decay.decay_kimg, config.train.batch), (0.5, 5.0, 2));
        for as_it_is in ["recipe = \"toy\" # new\nadam.beta1 = 0.9", "beta1 = "] {
            assert_eq!(modernised(as_it_is, &keys), as_it_is);
        }
    }

    #[test]
    fn every_learning_rate_is_halved_in_whatever_table_it_stands() {
        let text = "psnr_learning_rate = 0.5\nwidth = 4\n[adam]\nlearning_rate = [0.25, 0.125]\nbeta1 = 0.5";
        let change = |key: &str, value: &str, default: &str| Change {
            key: key.to_owned(),
            value: value.to_owned(),
            default: Some(default.to_owned()),
        };
        assert_eq!(
            halved_rates(toml::from_str(text).unwrap()),
            [
                change("psnr_learning_rate", "0.25", "0.5"),
                change("adam.learning_rate", "[0.125, 0.0625]", "[0.25, 0.125]")
            ]
        );
    }
}
