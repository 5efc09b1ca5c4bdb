//! The runs of a folder, watched: what each is and how far, and news for whoever listens.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use ganvas::eval::Passport;
use ganvas::import::Card;
use ganvas::run::Checkpoint;
use ganvas::{Error, RECIPES, Resolved, RunDir};
use serde_json::{Value, json};
use tokio::sync::broadcast;

use super::answer::without_place;
use super::log::{Log, News, SPEED};

/// How often the folder is looked at.
const EVERY: Duration = Duration::from_millis(500);
/// How long scalars are kept after somebody last looked at them.
const KEPT: Duration = Duration::from_secs(300);
/// News that a slow listener may be behind.
const BEHIND: usize = 512;
/// How long a log that nobody on this machine writes may stand still before the doctor forgets its looks.
const QUIET: Duration = Duration::from_secs(60);
/// How often a run that ended is asked whether somebody trains it again.
const LOCK_EVERY: Duration = Duration::from_secs(2);

/// The folder and everything known of it.
pub struct Runs {
    /// As a shell in any folder finds it.
    pub folder: PathBuf,
    root: OnceLock<PathBuf>, // the same without links, once it is there
    all: Mutex<BTreeMap<String, Arc<Mutex<Run>>>>,
    news: broadcast::Sender<Told>,
}

/// One piece of news.
#[derive(Clone)]
pub struct Told {
    /// The run's id.
    pub run: Arc<str>,
    /// `runs`, `record`, `scalars` or `illnesses`.
    pub kind: &'static str,
    /// JSON.
    pub data: Arc<str>,
}

/// One run.
pub struct Run {
    pub id: String,
    pub dir: RunDir,
    path: PathBuf, // as a shell in any folder finds it
    /// The error says why this Ganvas cannot read it.
    config: Result<Resolved, String>,
    written: Option<Written>, // what `config` was read from
    /// Where an imported network comes from; none of a run that was trained.
    card: Option<Card>,
    pub log: Log,
    /// What the model takes and makes, once somebody asked: it follows from the configuration.
    pub model: Option<Value>,
    wanted: Instant,
    training: bool,
    asked: Option<Instant>, // when `training` was found out
    grew: Option<Instant>,  // when the log last did, while this server looked
}

/// When a file was written, and its length: of what was written twice within the clock's tick, the length still tells.
type Written = (SystemTime, u64);

/// A lock that a panic elsewhere does not take away.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Runs {
    /// The runs in a folder, read once; `keep_watching` reads on. The folder may come later, with its first run.
    pub fn of(given: &Path) -> ganvas::Result<Arc<Self>> {
        match fs::metadata(given) {
            Ok(there) if !there.is_dir() => {
                return Err(Error::input(format!("{} is a file; give the folder of the runs", given.display())));
            }
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(Error::io("read the runs", given, &error)),
            _ => (),
        }
        let (all, news) = (Mutex::default(), broadcast::channel(BEHIND).0);
        let folder = std::path::absolute(given).unwrap_or_else(|_| given.to_owned());
        let runs = Runs { folder, root: OnceLock::new(), all, news };
        runs.look();
        Ok(Arc::new(runs))
    }

    /// The folder, once it is there.
    fn root(&self) -> Option<&Path> {
        if self.root.get().is_none() {
            _ = self.root.set(fs::canonicalize(&self.folder).ok()?);
        }
        self.root.get().map(PathBuf::as_path)
    }

    /// Looks at the folder again and again, on a thread of its own, until nobody else has it.
    pub fn keep_watching(self: &Arc<Self>) -> std::io::Result<()> {
        let runs = Arc::downgrade(self);
        let watch = move || {
            while let Some(runs) = runs.upgrade() {
                runs.look();
                drop(runs);
                std::thread::sleep(EVERY);
            }
        };
        std::thread::Builder::new().name("runs".to_owned()).spawn(watch).map(drop)
    }

    /// News from now on.
    pub fn listen(&self) -> broadcast::Receiver<Told> {
        self.news.subscribe()
    }

    /// The run with this id.
    pub fn run(&self, id: &str) -> Option<Arc<Mutex<Run>>> {
        lock(&self.all).get(id).cloned()
    }

    /// Every run's summary, the newest first.
    pub fn summaries(&self) -> Vec<Value> {
        let all = lock(&self.all).values().cloned().collect::<Vec<_>>();
        all.iter().rev().map(|run| lock(run).summary()).collect()
    }

    /// The run's folder, where it lies in the root itself and not somewhere that a link leads to.
    fn folder(&self, name: &str) -> Option<PathBuf> {
        let path = self.root()?.join(name);
        let real = fs::canonicalize(&path).ok()?;
        (real == path && path.join("config.toml").is_file()).then_some(path)
    }

    fn look(&self) {
        let entries = self.root().and_then(|root| fs::read_dir(root).ok()).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let names = names.filter(|name| !name.starts_with('.')).collect::<Vec<_>>(); // not those that are being made
        let mut present = BTreeMap::new();
        for name in names {
            let known = self.run(&name);
            let Some(folder) = self.folder(&name) else { continue };
            let open = || Some(Arc::new(Mutex::new(Run::open(&name, &folder, self.folder.join(&name))?)));
            let run = known.or_else(open);
            present.extend(run.map(|run| (name, run)));
        }
        *lock(&self.all) = present.clone();
        for (name, run) in present {
            let (mut run, id) = (lock(&run), Arc::<str>::from(name));
            let tell = |kind, value: &Value| {
                _ = self.news.send(Told { run: id.clone(), kind, data: value.to_string().into() }); // nobody listens
            };
            let (news, turned) = run.look();
            let scalars = news.iter().rev().find(|news| matches!(news, News::Scalars(_)));
            for one in &news {
                if let News::Record(record) = one {
                    tell("record", record);
                }
            }
            if let Some(News::Scalars(scalars)) = scalars {
                tell("scalars", scalars);
            }
            if news.iter().any(|news| matches!(news, News::Illnesses)) {
                tell("illnesses", &json!(run.log.illnesses));
            }
            if !news.is_empty() || turned {
                tell("runs", &run.summary());
            }
        }
    }
}

impl Run {
    fn open(id: &str, folder: &Path, path: PathBuf) -> Option<Self> {
        let dir = RunDir::open(folder).ok()?;
        let (written, config, card) = (written(&dir), config(&dir), Card::of(&dir));
        let (log, wanted, id) = (Log::default(), Instant::now(), id.to_owned());
        Some(Run {
            id,
            dir,
            path,
            config,
            written,
            card,
            log,
            model: None,
            wanted,
            training: false,
            asked: None,
            grew: None,
        })
    }

    /// What was logged since the last look, and whether a trainer came or went, or the configuration is another.
    fn look(&mut self) -> (Vec<News>, bool) {
        let is_first = self.asked.is_none();
        let news = self.log.follow(&self.dir.events()).unwrap_or_default();
        if self.wanted.elapsed() > KEPT {
            self.log.columns = None;
        }
        let written = written(&self.dir);
        let is_another = written != self.written; // by its owner's hand, or by `resume` with another length
        let before = (self.training, self.config.is_ok());
        if is_another || self.config.is_err() {
            (self.written, self.config, self.model) = (written, config(&self.dir), None); // another right mends it, too
        }
        if self.asked.is_none_or(|asked| asked.elapsed() > LOCK_EVERY) || !news.is_empty() {
            self.training = self.dir.is_training();
            self.asked = Some(Instant::now());
        }
        if !is_first && !news.is_empty() {
            self.grew = Some(Instant::now());
        }
        if !self.training && self.grew.is_none_or(|grew| grew.elapsed() > QUIET) {
            self.log.rest();
        }
        (news, is_another || before != (self.training, self.config.is_ok()))
    }

    /// The scalars of all steps.
    pub fn scalars(&mut self, names: &[String], points: usize, between: [u64; 2]) -> std::io::Result<Value> {
        self.wanted = Instant::now();
        let events = self.dir.events();
        if !events.exists() {
            return Ok(json!({ "step": [], "kimg": [], "time": [], "series": {} }));
        }
        Ok(self.log.with_columns(&events)?.thinned(names, points, between))
    }

    fn state(&self) -> &'static str {
        let story = &self.log.story;
        match story.outcome.as_deref() {
            _ if self.training => "running",
            _ if self.config.is_err() => "broken",
            _ if self.card.is_some() => "imported",
            Some("done") => "finished",
            Some("stopped") => "stopped",
            Some(_) => "failed",
            None if story.times.is_none() => "waiting",
            None => "killed",
        }
    }

    /// What a list of runs shows.
    pub fn summary(&self) -> Value {
        let (story, config) = (&self.log.story, self.config.as_ref().ok());
        let trained = config.filter(|_| self.card.is_none());
        let total_steps = trained.map(|config| config.train.total_steps()).or(story.total_steps);
        let batch = trained.map(|config| config.train.batch);
        let total_kimg = total_steps.zip(batch).map(|(steps, batch)| steps as f64 * batch as f64 / 1000.0);
        let speed = story.latest.get(SPEED).copied();
        let left = total_kimg.zip(speed.filter(|speed| *speed > 0.0));
        let eta = left.map(|(total, speed)| (total - story.kimg).max(0.0) * 1000.0 / speed);
        let passport = story.metrics.as_ref().map(|metrics| &metrics["passports"][0]);
        let metric = passport.and_then(|one| serde_json::from_value::<Passport>(one.clone()).ok());
        let illness = self.log.illnesses.iter().max_by_key(|one| (!one.diagnosis.ended, one.diagnosis.since_step));
        json!({
            "id": self.id,
            "recipe": config.map(|config| config.entry.info.name),
            "title": config.map(|config| config.entry.info.title),
            "state": self.state(),
            "broken": self.config.as_ref().err(),
            "card": self.card,
            "step": story.step,
            "total_steps": total_steps,
            "kimg": story.kimg,
            "total_kimg": total_kimg,
            "images_per_sec": speed,
            "eta_secs": eta.filter(|_| self.training),
            "started": story.times.map(|times| times.0),
            "changed": story.times.map(|times| times.1),
            "preview": story.previews.last().map(|preview| &preview["path"]),
            "metric": metric.map(|passport| json!({
                "title": passport.title(), "value": passport.value, "low": passport.low, "high": passport.high,
            })),
            "illness": illness,
        })
    }

    /// What its own page shows.
    pub fn detail(&self) -> Value {
        let (story, config) = (&self.log.story, self.config.as_ref().ok());
        let checkpoints = Checkpoint::all(&self.dir.checkpoints());
        let mut detail = self.summary();
        let more = json!({
            "paper": config.map(|config| config.entry.info.paper),
            "game": config.and_then(ganvas::Resolved::game),
            "batch": config.map(|config| config.train.batch),
            "sentence": config.map(|config| config.entry.info.sentence),
            "parameters": story.parameters,
            "threads": story.threads,
            "version": story.version,
            "config": ganvas::read_text(&self.dir.path().join("config.toml")).unwrap_or_default(),
            "changes": config.and_then(|config| config.changes().ok()).unwrap_or_default(),
            "path": self.path.to_string_lossy(),
            "fields": [],
            "illnesses": self.log.illnesses,
            "scalars": story.latest.keys().collect::<Vec<_>>(),
            "latest": story.latest,
            "previews": story.previews,
            "checkpoints": checkpoints.iter().rev().map(Checkpoint::name).collect::<Vec<_>>(),
            "last_event_number": self.log.records.len().checked_sub(1),
        });
        if let (Value::Object(detail), Value::Object(more)) = (&mut detail, more) {
            detail.extend(more);
            if let Some(Value::Object(model)) = &self.model {
                detail.extend(model.clone());
            }
        }
        detail
    }
}

/// Of a run's configuration; none where it cannot be asked.
fn written(run: &RunDir) -> Option<Written> {
    let file = fs::metadata(run.path().join("config.toml")).ok()?;
    Some((file.modified().ok()?, file.len()))
}

/// The configuration of a run, or why this Ganvas cannot read it.
fn config(run: &RunDir) -> Result<Resolved, String> {
    run.config(RECIPES).map_err(|error| without_place(&error, run))
}
