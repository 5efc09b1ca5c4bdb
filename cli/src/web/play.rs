//! Samples on demand: one thread holds the models that somebody plays with and draws one request after the other.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use ganvas::apply::{Need, Plan, apply};
use ganvas::field::{Field, Kind};
use ganvas::media::{Chord, Format, JOINT_NAMES, LIMBS, Media, Opened, marked, sheet};
use ganvas::memory::half_of_free;
use ganvas::model::{TRUNCATION, check, made_picture, taken_picture};
use ganvas::request::{PICTURE, SHOW};
use ganvas::run::Checkpoint;
use ganvas::swap::{SENTENCE, Swap, takes_faces};
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
/// Bars of music of one request, all samples together.
const MOST_BARS: usize = 2048;
/// Pixels of a picture that is given, before it is brought to a side.
pub const MOST_GIVEN: usize = 50_000_000;

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
        let asked = run.clone();
        match self.0.try_send(Job { run, checkpoint, ask, answer }) {
            Ok(()) => (),
            Err(TrySendError::Full(_)) => {
                return Err(Refusal::busy("too many samples are asked for at once; try again"));
            }
            Err(TrySendError::Disconnected(_)) => return Err(Refusal::broken("no samples can be drawn any more")),
        }
        let drawn = wait.await.map_err(|_| Refusal::broken("the samples could not be drawn"))?;
        drawn.map_err(|error| Refusal::of(&error, &asked))
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
            let picture = picture
                .map(|((_, side), tiling)| json!({ "side": side, "scale": tiling.scale, "face": takes_faces(model) }));
            let has_chance = takes.iter().any(Field::is_chance);
            let inputs = json!({ "fields": fields, "media": media, "picture": picture, "has_chance": has_chance });
            Ok(Answer::Inputs(inputs))
        }
        Ask::Picture { request, columns, zoom } => {
            let zoom = usize::from(*zoom);
            is_small(model, request, zoom)?;
            affordable(sample::working_bytes(model, request.samples.len()))?;
            let samples = sample::generate(model, request)?;
            let picture = match (samples.as_slice(), columns) {
                ([one], None) => one.picture()?,
                _ => sheet(&samples, columns.unwrap_or(1).min(samples.len()))?,
            };
            Ok(Answer::File(picture.enlarged(zoom).to_png()?))
        }
        Ask::Apply { picture, side, asked } => turned(model, picture, *side, asked).map(Answer::File),
        Ask::Music { request, music } => {
            is_small(model, request, 1)?;
            affordable(sample::working_bytes(model, request.samples.len()))?;
            let made = sample::generate(model, request)?;
            let [Media::Notes(notes)] = made.as_slice() else {
                return Err(Error::input("only one sample of a model that makes music can be heard"));
            };
            Ok(Answer::File(music.bytes(notes, job.run.config(RECIPES)?.entry.info.title)?))
        }
    }
}

/// An error for a request that would take long or make a large picture, from what the model takes and makes.
fn is_small(model: &dyn Model, request: &Request, zoom: usize) -> ganvas::Result<()> {
    let values = made_picture(model).map_or(0, |[width, height, channels]| width * height * channels);
    if values.saturating_mul(request.samples.len() * zoom * zoom) > MOST_PIXELS {
        return Err(Error::input("this picture would be too large; ask for fewer samples or a smaller zoom"));
    }
    let mut bars = 0;
    for Field { name, kind } in model.takes() {
        let Kind::Chords { usual } = kind else { continue };
        for sample in &request.samples {
            bars += Chord::sequence(sample.text(&name).unwrap_or(&usual))?.len();
        }
    }
    if bars > MOST_BARS {
        return Err(Error::input(format!(
            "these are {bars} bars of music, and one request may have {MOST_BARS}; ask for fewer samples or chords"
        )));
    }
    Ok(())
}

/// An error where drawing may take more than half of the memory that is free: a trainer in this process must not end for want
/// of it. One thread draws all requests, so no two share it.
fn affordable(needed: u64) -> ganvas::Result<()> {
    let had = half_of_free();
    if needed > had {
        let [needed, had] = [needed, had].map(|bytes| bytes as f64 / 1e9);
        return Err(Error::input(format!(
            "drawing with this model may need {needed:.1} GB of memory, and {had:.1} GB may be used now, which is half of \
             what is free; close other programs and try again"
        )));
    }
    Ok(())
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
    if takes_faces(model) {
        let (swapped, counts) = Swap::at_hand(model, asked.clone())?.picture(&picture)?;
        counts.hindrance().map_or(Ok(()), |why| Err(named(why)))?;
        return Ok(marked(swapped.encode(Format::Png, None)?, Format::Png, SENTENCE));
    }
    let plan = Plan::new(&tiling, &Need::of(&picture), half_of_free())
        .map_err(|_| Error::input("this machine has too little free memory for the picture; choose a smaller side"))?;
    apply(model, (asked, &[asked.text(SHOW)]), &picture, &plan, &mut |_| {})?.remove(0).encode(Format::Png, None)
}

/// A field that the page can ask for: its name, its kind, its values.
fn asked(field: &Field) -> Option<Json> {
    Some(match &field.kind {
        Kind::Choice { among } => json!({ "name": field.name, "kind": "choice", "among": among }),
        Kind::Class { names } => {
            let among = [""].into_iter().chain(names.iter().map(String::as_str)).collect::<Vec<_>>(); // any, by the seed
            json!({ "name": field.name, "kind": "choice", "among": among })
        }
        Kind::Number { low, high, usual } => {
            // Of styles, from their average to what was learned: beyond, pictures fall apart.
            let (low, high) = if field.name == TRUNCATION && *low < 0.0 { (&0.0, &1.0) } else { (low, high) };
            json!({ "name": field.name, "kind": "number", "low": low, "high": high, "usual": usual })
        }
        Kind::Chords { usual } => json!({ "name": field.name, "kind": "text", "usual": usual }),
        Kind::Pose { usual } => {
            json!({ "name": field.name, "kind": "pose", "usual": usual, "joints": JOINT_NAMES, "limbs": LIMBS })
        }
        Kind::Text { .. } | Kind::Bar { .. } => json!({ "name": field.name, "kind": "text", "usual": "" }),
        _ => return None,
    })
}

/// The model of a checkpoint, loaded unless it is one of the last few.
fn model<'a>(loaded: &'a mut VecDeque<Loaded>, run: &RunDir, checkpoint: &Checkpoint) -> ganvas::Result<&'a dyn Model> {
    let name = checkpoint.name();
    let at = loaded.iter().position(|one| one.run == run.path() && one.checkpoint == name);
    let one = match at.and_then(|at| loaded.remove(at)) {
        Some(one) => one,
        None => {
            loaded.truncate(MODELS - 1);
            affordable(sample::loading_bytes(checkpoint))?;
            let model = sample::model(&run.config(RECIPES)?, checkpoint, &device::cpu())?;
            Loaded { run: run.path().to_owned(), checkpoint: name, model }
        }
    };
    loaded.push_front(one);
    loaded.truncate(MODELS);
    Ok(loaded[0].model.as_ref())
}
