//! Samples on demand: one thread holds the models that somebody plays with and draws one request after the other.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use ganvas::apply::{Need, Plan, apply};
use ganvas::field::{Field, Kind};
use ganvas::media::{Format, Media, Opened, sheet};
use ganvas::memory::half_of_free;
use ganvas::model::{TRUNCATION, check, taken_picture};
use ganvas::request::{PICTURE, SHOW};
use ganvas::run::Checkpoint;
use ganvas::{Error, Model, RECIPES, Request, RunDir, Sample, Value, device, sample};
use serde_json::{Value as Json, json};
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
/// Pixels of a picture that is given, before it is brought to a side.
const MOST_GIVEN: usize = 50_000_000;

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
    /// What the model turns a picture's file into, brought to `side` pixels at its longer side first where it has more.
    Apply { picture: Vec<u8>, side: usize, asked: Sample },
    /// A file of the music that one sample is.
    Music { request: Request, music: Music },
}

pub enum Answer {
    Inputs(Json),
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
            let (takes, makes) = (model.takes(), model.makes());
            let media = match makes[0].kind {
                Kind::Point => "point",
                Kind::Notes => "notes",
                _ => "image",
            };
            let names = makes.iter().map(|field| field.name.as_str()).collect::<Vec<_>>();
            let shown = (names.len() > 1).then(|| Field::choice(SHOW, &names));
            let fields = takes.iter().chain(&shown).filter_map(asked).collect::<Vec<_>>();
            let picture = taken_picture(model).zip(model.tiling());
            let picture = picture.map(|((_, side), tiling)| json!({ "side": side, "scale": tiling.scale }));
            let has_chance = takes.iter().any(Field::is_chance);
            let inputs = json!({ "fields": fields, "media": media, "picture": picture, "has_chance": has_chance });
            Ok(Answer::Inputs(inputs))
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
        Ask::Apply { picture, side, asked } => turned(model, picture, *side, asked).map(Answer::File),
        Ask::Music { request, music } => match sample::generate(model, request)?.as_slice() {
            [Media::Notes(notes)] => Ok(Answer::File(music.bytes(notes, job.run.config(RECIPES)?.entry.info.title)?)),
            _ => Err(Error::input("only one sample of a model that makes music can be heard")),
        },
    }
}

/// The PNG of what a model turns a picture's file into.
fn turned(model: &dyn Model, file: &[u8], side: usize, asked: &Sample) -> ganvas::Result<Vec<u8>> {
    let Some(tiling) = model.tiling().filter(|_| taken_picture(model).is_some()) else {
        return Err(Error::input("this model makes samples out of seeds and takes no pictures"));
    };
    let named = |why: String| Error::input(format!("the file {why}"));
    let opened = Opened::new(file, 1).map_err(named)?;
    if opened.sides[0] * opened.sides[1] > MOST_GIVEN {
        return Err(Error::input(
            "the picture has more than 50 million pixels; make it smaller, or use `ganvas apply`",
        ));
    }
    let side = Some(side).filter(|side| opened.sides.iter().any(|given| given > side));
    let picture = opened.picture_with(side).map_err(named)?;
    let whole = asked.clone().with(PICTURE, Value::Media(Media::Image(picture.raster.clone().into_image())));
    check(model, &Request { samples: vec![whole] })?;
    let plan = Plan::new(&tiling, &Need::of(&picture), half_of_free())
        .map_err(|_| Error::input("this machine has too little free memory for the picture; choose a smaller side"))?;
    apply(model, (asked, &[asked.text(SHOW)]), &picture, &plan, &mut |_| {})?.remove(0).encode(Format::Png, None)
}

/// A field that the page can ask for: its name, its kind, its values.
fn asked(field: &Field) -> Option<Json> {
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
