//! Samples on demand: one thread holds the models that somebody plays with and draws one request after the other.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use ganvas::field::{Field, Kind};
use ganvas::media::{Media, sheet};
use ganvas::model::TRUNCATION;
use ganvas::run::Checkpoint;
use ganvas::{Error, Model, RECIPES, Request, RunDir, device, sample};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::answer::Refusal;
use crate::asked::Music;

/// Requests that may wait.
const WAITING: usize = 8;
/// Models kept in memory.
const MODELS: usize = 2;
/// Samples of one request.
pub const MOST_SAMPLES: usize = 256;
/// Pixels of one picture, all channels together.
const MOST_PIXELS: usize = 1 << 26;

/// The thread, as others see it.
#[derive(Clone)]
pub struct Player(SyncSender<Job>);

struct Job {
    run: RunDir,
    checkpoint: Option<String>,
    ask: Ask,
    answer: oneshot::Sender<ganvas::Result<Answer>>,
}

/// What to draw.
pub enum Ask {
    /// What the model takes and makes.
    Inputs,
    /// A picture of samples, `columns` a row, every pixel `zoom` wide; a single one alone is drawn without a border.
    Picture { request: Request, columns: Option<usize>, zoom: u8 },
    /// A file of the music that one sample is.
    Music { request: Request, music: Music },
}

pub enum Answer {
    Inputs(Value),
    File(Vec<u8>),
}

impl Player {
    /// Starts the thread; it ends with the last of its handles.
    pub fn start() -> Result<Self, rayon::ThreadPoolBuildError> {
        let (sender, jobs) = sync_channel(WAITING);
        // In a pool of its own: the trainer, where there is one in this process, may hold every thread of the global one.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).thread_name(|_| "samples".to_owned()).build()?;
        pool.spawn(move || serve(&jobs));
        Ok(Player(sender))
    }

    /// The answer, when its turn has come; refused at once where too many wait.
    pub async fn ask(&self, run: RunDir, checkpoint: Option<String>, ask: Ask) -> Result<Answer, Refusal> {
        let (answer, wait) = oneshot::channel();
        match self.0.try_send(Job { run, checkpoint, ask, answer }) {
            Ok(()) => (),
            Err(TrySendError::Full(_)) => {
                return Err(Refusal::busy("too many samples are asked for at once; try again"));
            }
            Err(TrySendError::Disconnected(_)) => return Err(Refusal::broken("no samples can be drawn any more")),
        }
        let drawn = wait.await.map_err(|_| Refusal::broken("the samples could not be drawn"))?;
        drawn.map_err(|error| Refusal::of(&error))
    }
}

struct Loaded {
    run: PathBuf,
    checkpoint: String,
    model: Box<dyn Model>,
}

fn serve(jobs: &Receiver<Job>) {
    let mut loaded = VecDeque::new();
    for job in jobs {
        if job.answer.is_closed() {
            continue; // the client went away while it waited
        }
        // A model that panics costs its own request alone.
        let drawn = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| draw(&mut loaded, &job)));
        let drawn = drawn.unwrap_or_else(|_| Err(Error::failed("the model cannot draw this")));
        _ = job.answer.send(drawn); // nobody waits any more
    }
}

fn draw(loaded: &mut VecDeque<Loaded>, job: &Job) -> ganvas::Result<Answer> {
    let checkpoint = sample::checkpoint(&job.run, job.checkpoint.as_deref())?;
    let model = model(loaded, &job.run, &checkpoint)?;
    match &job.ask {
        Ask::Inputs => {
            let takes = model.takes();
            let media = match model.makes()[0].kind {
                Kind::Point => "point",
                Kind::Notes => "notes",
                _ => "image",
            };
            let styles = model.style_space().map(|_| "styles".to_owned());
            let names = takes.iter().map(|field| field.name.clone()).chain(styles).collect::<Vec<_>>();
            let fields = takes.iter().filter_map(asked).collect::<Vec<_>>();
            Ok(Answer::Inputs(json!({ "inputs": names, "fields": fields, "media": media })))
        }
        Ask::Picture { request, columns, zoom } => {
            let samples = sample::generate(model, request)?;
            let zoom = usize::from(*zoom);
            let pixels = match samples.first() {
                Some(Media::Point(_)) | None => 0,
                Some(one) => one.picture()?.pixels.len() * samples.len() * zoom * zoom,
            };
            if pixels > MOST_PIXELS {
                return Err(Error::input("this picture would be too large; ask for fewer samples or a smaller zoom"));
            }
            let picture = match (samples.as_slice(), columns) {
                ([one], None) => one.picture()?,
                _ => sheet(&samples, columns.unwrap_or(1).min(samples.len()))?,
            };
            Ok(Answer::File(picture.enlarged(zoom).to_png()?))
        }
        Ask::Music { request, music } => match sample::generate(model, request)?.as_slice() {
            [Media::Notes(notes)] => Ok(Answer::File(music.bytes(notes, job.run.config(RECIPES)?.entry.info.title)?)),
            _ => Err(Error::input("only one sample of a model that makes music can be heard")),
        },
    }
}

/// A field that the page can ask for: its name, its kind, its values.
fn asked(field: &Field) -> Option<Value> {
    Some(match &field.kind {
        Kind::Choice { among } => json!({ "name": field.name, "kind": "choice", "among": among }),
        Kind::Number { low, high, usual } => {
            // Of styles, from their average to what was learned: beyond, pictures fall apart.
            let (low, high) = if field.name == TRUNCATION { (&0.0, &1.0) } else { (low, high) };
            json!({ "name": field.name, "kind": "number", "low": low, "high": high, "usual": usual })
        }
        Kind::Chords { usual } => json!({ "name": field.name, "kind": "text", "usual": usual }),
        Kind::Bar { .. } => json!({ "name": field.name, "kind": "text", "usual": "" }),
        _ => return None,
    })
}

/// The model of a checkpoint, loaded unless it is one of the last few.
fn model<'a>(loaded: &'a mut VecDeque<Loaded>, run: &RunDir, checkpoint: &Checkpoint) -> ganvas::Result<&'a dyn Model> {
    let name = checkpoint.name();
    let at = loaded.iter().position(|one| one.run == run.path() && one.checkpoint == name);
    let one = match at.and_then(|at| loaded.remove(at)) {
        Some(one) => one,
        None => Loaded {
            run: run.path().to_owned(),
            checkpoint: name,
            model: sample::model(&run.config(RECIPES)?, checkpoint, &device::cpu())?,
        },
    };
    loaded.push_front(one);
    loaded.truncate(MODELS);
    Ok(loaded[0].model.as_ref())
}
