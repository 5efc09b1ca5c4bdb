//! A recipe behind function pointers, and a configuration of one, read once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;

use crate::config::{Change, Keys, Settings, Train, by_key, halved_rates, modernised, parse, shown, to_toml, with_set};
use crate::data::gaussians::Mixture;
use crate::data::images::Images;
use crate::data::source::Split;
use crate::error::{Error, Result, nearest};
use crate::foreign::Foreign;
use crate::model::Model;
use crate::recipe::{Game, Info, Recipe, Setup};
use crate::request::Example;
use crate::session::{Held, Learned, Session, Training};

/// A resolved config and the model that goes with it.
pub type Configured = (Resolved, Box<dyn Model>);
/// What [`Entry::adopt`] makes of a network, or why it cannot.
pub type AdoptedBy = std::result::Result<Configured, String>;

/// What [`Recipe::adopt`] makes of a network, with the types erased.
type Adopting = std::result::Result<(Arc<dyn Parsed>, Box<dyn Model>), String>;

/// One line of the list of recipes: a [`Recipe`] behind function pointers.
#[derive(Clone, Copy)]
pub struct Entry {
    /// What a list shows.
    pub info: Info,
    keys: fn() -> Keys,
    parse: fn(&str, &Path) -> Result<Arc<dyn Parsed>>,
    adopt: fn(&Foreign, &Device) -> Option<Adopting>,
}

/// A configuration that was read, its type erased.
trait Parsed: Send + Sync {
    fn text(&self) -> Result<String>;
    fn train(&self) -> &Train;
    fn settled(&self) -> Result<(Arc<dyn Parsed>, Vec<String>)>;
    fn open(&self, device: &Device) -> Result<Box<dyn Session>>;
    fn data(&self) -> Result<Learned>;
    fn model(&self, device: &Device) -> Result<Box<dyn Model>>;
    fn asked(&self) -> Result<Vec<Example>>;
    fn mixture(&self) -> Option<Mixture>;
    fn game(&self) -> Option<Game>;
}

struct Of<R: Recipe>(R::Config);

impl<R: Recipe> Of<R> {
    /// The configuration with everything chosen that it leaves open.
    fn chosen(&self) -> Result<R::Config> {
        let mut config = self.0.clone();
        config.settle()?;
        Ok(config)
    }
}

impl<R: Recipe> Parsed for Of<R> {
    fn text(&self) -> Result<String> {
        to_toml(R::INFO.name, &self.0)
    }

    fn train(&self) -> &Train {
        self.0.train()
    }

    fn settled(&self) -> Result<(Arc<dyn Parsed>, Vec<String>)> {
        let mut config = self.0.clone();
        let said = config.settle()?;
        Ok((Arc::new(Of::<R>(config)), said))
    }

    fn open(&self, device: &Device) -> Result<Box<dyn Session>> {
        let config = self.chosen()?;
        let held = R::data(&config, Split::Validation)?; // first, so that both splits are never in memory at once
        let held = (held.items() > 0).then(|| Held::of(held.as_ref(), true)).transpose()?;
        let source = R::data(&config, Split::Train)?;
        let held = held.map_or_else(|| Held::of(source.as_ref(), false), Ok)?;
        let setup = Setup { device, data: source.as_ref() };
        let recipe = R::new(&config, R::model(&config, &setup.autodiff()), &setup)?;
        Ok(Box::new(Training::new(recipe, source, held)))
    }

    fn data(&self) -> Result<Learned> {
        let config = self.chosen()?;
        let held_out = R::data(&config, Split::Validation)?.items();
        Ok(Learned::of(R::data(&config, Split::Train)?.as_ref(), held_out))
    }

    fn model(&self, device: &Device) -> Result<Box<dyn Model>> {
        Ok(Box::new(R::model(&self.chosen()?, device)))
    }

    fn asked(&self) -> Result<Vec<Example>> {
        Ok(R::data(&self.chosen()?, Split::Test)?.asked())
    }

    fn mixture(&self) -> Option<Mixture> {
        self.0.mixture()
    }

    fn game(&self) -> Option<Game> {
        R::game(&self.0)
    }
}

impl Entry {
    /// The entry of a recipe.
    pub const fn of<R: Recipe>() -> Self {
        Entry {
            info: R::INFO,
            keys: Keys::of::<R::Config>,
            parse: |text, path| Ok(Arc::new(Of::<R>(parse::<R::Config>(text, path)?))),
            adopt: |foreign, device| {
                let adopted = R::adopt(foreign, device)?;
                Some(adopted.map(|(config, model)| {
                    (Arc::new(Of::<R>(config)) as Arc<dyn Parsed>, Box::new(model) as Box<dyn Model>)
                }))
            },
        }
    }

    /// The configuration and the model of a network that others trained; see [`Recipe::adopt`].
    pub fn adopt(self, foreign: &Foreign, device: &Device) -> Option<AdoptedBy> {
        let adopted = (self.adopt)(foreign, device)?;
        Some(adopted.and_then(|(parsed, model)| {
            let config = Resolved::of(self, parsed).map_err(|error| error.to_string())?;
            Ok((config, model))
        }))
    }
}

/// A complete configuration, read once: as text, as the part the trainer reads, and as what it opens.
#[derive(Clone)]
pub struct Resolved {
    /// The recipe it configures.
    pub entry: Entry,
    /// The complete file, commented.
    pub text: String,
    /// The settings every recipe has.
    pub train: Train,
    parsed: Arc<dyn Parsed>,
}

impl Resolved {
    /// The recipe's defaults, overlaid with a file (its text and its path for messages) and `key=value` settings.
    ///
    /// Errors point at the line, or at the setting, and name the nearest right key.
    pub fn new(entry: Entry, file: Option<(&str, &Path)>, sets: &[String]) -> Result<Self> {
        let (text, path) = file.unwrap_or(("", Path::new("defaults")));
        let resolved = Resolved::of(entry, (entry.parse)(text, path)?)?;
        // Together, because two settings may fit only each other; one after the other to say which is wrong.
        let together = sets.iter().try_fold(resolved.text.clone(), |text, set| resolved.put(&text, set));
        match together.and_then(|text| (entry.parse)(&text, Path::new("config"))) {
            Ok(parsed) => Resolved::of(entry, parsed),
            Err(_) => sets.iter().try_fold(resolved, |resolved, set| resolved.with(set)),
        }
    }

    /// The recipe's preset of this name, overlaid with `key=value` settings. Errors as in [`Resolved::new`].
    pub fn of_preset(entry: Entry, name: &str, sets: &[String]) -> Result<Self> {
        let preset = entry.info.preset(name)?;
        let path = format!("preset {name} of {}", entry.info.name);
        Resolved::new(entry, Some((preset.text, Path::new(&path))), sets)
    }

    fn of(entry: Entry, parsed: Arc<dyn Parsed>) -> Result<Self> {
        Ok(Resolved { entry, text: parsed.text()?, train: parsed.train().clone(), parsed })
    }

    /// The configuration of a run, by its own file. Keys that have moved since the run was made are taken to where they stand
    /// now. Errors as in [`Resolved::new`].
    pub fn of_run(entry: Entry, text: &str, path: &Path) -> Result<Self> {
        Resolved::new(entry, Some((&modernised(text, &(entry.keys)()), path)), &[])
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
        let (parsed, said) = self.parsed.settled()?;
        Ok((Resolved::of(self.entry, parsed)?, said))
    }

    /// Opens the data and builds the state of step 0.
    pub fn open(&self, device: &Device) -> Result<Box<dyn Session>> {
        self.parsed.open(device)
    }

    /// Opens the data alone, as [`Resolved::open`] does, and tells what they are. Errors as there.
    pub fn data(&self) -> Result<Learned> {
        self.parsed.data()
    }

    /// The model with its initial weights.
    pub fn model(&self, device: &Device) -> Result<Box<dyn Model>> {
        self.parsed.model(device)
    }

    /// What a measurement asks of the model, always the same, out of what no training sees; empty for a model that makes something
    /// of seeds alone.
    pub fn asked(&self) -> Result<Vec<Example>> {
        self.parsed.asked()
    }

    /// What the points come from; none for a recipe of pictures or music.
    pub fn mixture(&self) -> Option<Mixture> {
        self.parsed.mixture()
    }

    /// See [`Recipe::game`].
    pub fn game(&self) -> Option<Game> {
        self.parsed.game()
    }

    /// The folder of the user's own data that the key `data.path` names, if any.
    pub fn data_path(&self) -> Option<PathBuf> {
        let table = toml::from_str::<toml::Table>(&self.text).ok()?;
        let path = table.get("data")?.get("path")?.as_str()?;
        (!path.is_empty()).then(|| PathBuf::from(path))
    }

    /// The settings of the data, where they are of this kind.
    pub fn data_settings<T: serde::de::DeserializeOwned>(&self) -> Option<T> {
        let mut table = toml::from_str::<toml::Table>(&self.text).ok()?;
        table.remove("data")?.try_into::<T>().ok()
    }

    /// Every key, with its table, such as `train.batch`.
    pub fn keys(&self) -> Vec<String> {
        (self.entry.keys)().0.into_iter().map(|key| key.path).collect()
    }

    /// The keys that are not as the recipe's defaults have them.
    pub fn changes(&self) -> Result<Vec<Change>> {
        let default = Resolved::new(self.entry, None, &[])?;
        let [ours, defaults] = [self, &default].map(|config| {
            let table = toml::from_str::<toml::Table>(&config.text).unwrap_or_default();
            by_key(table).into_iter().map(|(key, value)| (key, value.to_string())).collect::<BTreeMap<_, _>>()
        });
        let changed = ours.into_iter().filter(|(key, value)| defaults.get(key) != Some(value));
        let change = |(key, value): (String, String)| Change { default: defaults.get(&key).cloned(), key, value };
        Ok(changed.map(change).collect())
    }

    /// The same with half of each learning rate, and what that changed; an error for a recipe without one.
    pub fn slower(&self) -> Result<(Self, Vec<Change>)> {
        let changes = halved_rates(toml::from_str(&self.text).unwrap_or_default());
        if changes.is_empty() {
            return Err(Error::failed(format!("{} has no learning_rate to lower", self.entry.info.name)));
        }
        let set = |config: Self, change: &Change| config.with(&format!("{}={}", change.key, change.value));
        Ok((changes.iter().try_fold(self.clone(), set)?, changes))
    }

    /// The pictures a run learns from, and what to call them; none for a recipe that needs none. A set of its own must have
    /// been fetched.
    pub fn pictures(&self) -> Result<Option<(Images, String)>> {
        let (path, name) = match (self.data_path(), self.entry.info.dataset) {
            (Some(path), _) => {
                let name = path.display().to_string();
                (crate::data::meant(&path)?.map_or(path, |meant| meant.place), name)
            }
            (None, Some(name)) => {
                let set = crate::data::set(name)?;
                (set.usual((set.folder)()?), name.to_owned())
            }
            (None, None) => return Ok(None),
        };
        let data = self.data_settings::<Images>();
        let data = data.unwrap_or_else(|| Images::at(&path)); // of a recipe with settings of its own
        Ok(Some((Images { path, ..data }, name)))
    }

    /// The same with one `key=value` set.
    pub fn with(&self, set: &str) -> Result<Self> {
        let text = self.put(&self.text, set)?;
        match (self.entry.parse)(&text, Path::new("config")) {
            Ok(parsed) => Resolved::of(self.entry, parsed),
            Err(error) => {
                let sentence = error.to_string();
                let reason = sentence.lines().rfind(|line| !line.contains('|')).unwrap_or(&sentence);
                Err(Error::input(format!("--set {set}: {}", reason.trim_start_matches("config: "))))
            }
        }
    }

    fn put(&self, text: &str, set: &str) -> Result<String> {
        with_set(text, set, self.entry.info.name, &(self.entry.keys)())
    }
}

/// The error for a name that is no recipe.
pub fn unknown_recipe<'a>(name: &str, names: impl Iterator<Item = &'a str> + Clone) -> Error {
    let nearest = nearest(name, names.clone()).map(|near| format!(" Did you mean `{near}`?")).unwrap_or_default();
    let all = names.collect::<Vec<_>>().join(", ");
    Error::input(format!("there is no recipe `{name}`.{nearest} There are: {all}"))
}
