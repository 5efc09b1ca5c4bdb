//! The answers about runs: lists, one run, its scalars, events, files and samples.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ganvas::data::people::poses;
use ganvas::media::Opened;
use ganvas::{Latent, Request, Sample};
use serde_json::{Value, json};
use tokio_util::io::ReaderStream;

use super::Shared;
use super::answer::Refusal;
use super::files::readable;
use super::parts::in_parts;
use super::play::{Answer, Ask, MOST_GIVEN, MOST_SAMPLES};
use super::runs::{Run, lock};
use crate::asked::{self, Music, Seeds};

/// Buckets of a chart, when nobody says how many.
const POINTS: usize = 600;
const MOST_POINTS: usize = 2000;
/// Events of one answer.
const EVENTS: usize = 500;
/// Steps of a latent's walk.
const MOST_WALKED: usize = 100;
/// Where the neighbours of the explorer lie: towards seeds that nobody else asks for.
const STRIDE: u64 = 1_000_003;
/// Bytes of a picture's file, and how long it may take to come.
pub const MOST_UPLOADED: usize = 32 << 20;
const UPLOAD: Duration = Duration::from_secs(60);
/// What a picture's longer side is brought to, when nobody says, and at most: one thread makes all pictures.
const SIDE: usize = 512;
const MOST_SIDE: usize = 1024;
const MIDI: &str = "audio/midi";

type Answered = Result<Response, Refusal>;

pub async fn about(State(shared): State<Shared>) -> Json<Value> {
    Json(json!({ "version": env!("CARGO_PKG_VERSION"), "folder": shared.runs.folder.to_string_lossy() }))
}

pub async fn runs(State(shared): State<Shared>) -> Json<Value> {
    Json(shared.runs.summaries().into())
}

pub async fn run(State(shared): State<Shared>, Path(id): Path<String>) -> Answered {
    let run = found(&shared, &id)?;
    let unknown = {
        let run = lock(&run);
        let has_checkpoint = matches!(run.dir.checkpoint(None), Ok(Some(_)));
        (run.model.is_none() && has_checkpoint).then(|| run.dir.clone())
    };
    let mut trouble = Value::Null;
    if let Some(dir) = unknown {
        match shared.player.ask(dir, None, Ask::Inputs).await {
            Ok(Answer::Inputs(model)) => lock(&run).model = Some(model),
            Ok(Answer::File(_)) => (),
            Err(refusal) => trouble = refusal.sentence().into(),
        }
    }
    let mut detail = lock(&run).detail();
    detail["trouble"] = trouble;
    Ok(Json(detail).into_response())
}

pub async fn scalars(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Answered {
    let run = found(&shared, &id)?;
    let names = query.get("names").map(|names| names.split(',').map(str::to_owned).collect()).unwrap_or_default();
    let points = number(&query, "points")?.unwrap_or(POINTS).clamp(10, MOST_POINTS);
    let between = [number(&query, "from")?.unwrap_or(0), number(&query, "to")?.unwrap_or(u64::MAX)];
    let read = tokio::task::spawn_blocking(move || {
        let names: Vec<String> = names;
        lock(&run).scalars(&names, points, between).map(|found| found.to_string())
    });
    let text = read.await.map_err(|_| Refusal::broken("the scalars cannot be read"))?;
    let text = text.map_err(|error| Refusal::broken(format!("the scalars cannot be read: {error}")))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}

pub async fn events(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Answered {
    let first = number::<usize>(&query, "after")?.map_or(0, |after| after.saturating_add(1));
    let run = found(&shared, &id)?;
    let run = lock(&run);
    let events = run.log.records.iter().skip(first).take(EVENTS).collect::<Vec<_>>();
    let next = first.min(run.log.records.len()) + events.len();
    Ok(Json(json!({ "events": events, "next": next })).into_response())
}

pub async fn file(
    State(shared): State<Shared>,
    Path((id, name)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
) -> Answered {
    let folder = lock(&*found(&shared, &id)?).dir.path().to_owned();
    let readable = readable(&folder, &name)?;
    let gone = |_| Refusal::absent("there is no such file of this run any more");
    let file = tokio::fs::File::open(&readable.path).await.map_err(gone)?;
    let length = file.metadata().await.map_err(gone)?.len();
    // A log that grows meanwhile is sent as long as it was.
    let body = Body::from_stream(ReaderStream::new(tokio::io::AsyncReadExt::take(file, length)));
    let mut response = ([(header::CONTENT_TYPE, readable.kind)], body).into_response();
    let mut put = |name: HeaderName, value: String| {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    };
    put(header::CONTENT_LENGTH, length.to_string());
    if query.contains_key("download") {
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
        let saved = format!("{id}-{}", name.rsplit('/').next().unwrap_or_default());
        let saved = saved.chars().map(plain).collect::<String>();
        put(header::CONTENT_DISPOSITION, format!("attachment; filename=\"{saved}\""));
    }
    Ok(response)
}

pub async fn sample(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Answered {
    let dir = lock(&*found(&shared, &id)?).dir.clone();
    let latents = latents(&query)?;
    let truncation = query.get("truncation").filter(|text| !text.is_empty());
    let truncation = truncation.map(|text| asked::truncation(text)).transpose().map_err(Refusal::wrong)?;
    let zoom = number::<u8>(&query, "zoom")?.unwrap_or(1);
    if !(1..=32).contains(&zoom) {
        return Err(Refusal::wrong("zoom is a number from 1 to 32"));
    }
    let columns = number::<usize>(&query, "columns")?;
    if columns == Some(0) {
        return Err(Refusal::wrong("columns is a number from 1 on"));
    }
    let columns = columns.or((latents.len() > 1).then_some(8));
    let with = with(&query).map(|(name, value)| (name, value.to_owned()));
    let request = asked::given(Request::of(latents), with, truncation);
    let (ask, kind) = match query.get("as").map(String::as_str) {
        None | Some("png") => (Ask::Picture { request, columns, zoom }, "image/png"),
        Some("mid") => (Ask::Music { request, music: Music::Midi }, MIDI),
        Some("wav") => (Ask::Music { request, music: Music::Wav }, "audio/wav"),
        Some(_) => return Err(Refusal::wrong("samples are given as png, mid or wav")),
    };
    let Answer::File(bytes) = shared.player.ask(dir, query.get("checkpoint").cloned(), ask).await? else {
        return Err(Refusal::broken("the samples cannot be drawn"));
    };
    let mut response = in_parts(bytes, kind, &headers);
    if kind == MIDI {
        let saved = HeaderValue::from_static("attachment; filename=\"sample.mid\"");
        response.headers_mut().insert(header::CONTENT_DISPOSITION, saved);
    }
    Ok(response)
}

/// `POST`: what the model turns one picture into.
pub async fn apply(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    body: Body,
) -> Answered {
    let dir = lock(&*found(&shared, &id)?).dir.clone();
    let side = number::<usize>(&query, "side")?.unwrap_or(SIDE);
    if !(1..=MOST_SIDE).contains(&side) {
        return Err(Refusal::wrong(format!("side is a number from 1 to {MOST_SIDE}")));
    }
    let asked = Sample::seed(number(&query, "seed")?.unwrap_or(0));
    let asked = with(&query).fold(asked, |asked, (name, value)| asked.with(name, value));
    let _place = place_for_picture(&shared)?; // kept until the answer is there
    let ask = Ask::Apply { picture: sent(body).await?.into(), side, asked };
    let Answer::File(bytes) = shared.player.ask(dir, query.get("checkpoint").cloned(), ask).await? else {
        return Err(Refusal::broken("the picture cannot be turned into another"));
    };
    Ok(([(header::CONTENT_TYPE, "image/png")], bytes).into_response())
}

/// `POST`: where the joints are of the person in a picture, as the text of a pose's file.
pub async fn pose(State(shared): State<Shared>, body: Body) -> Answered {
    let _place = place_for_picture(&shared)?;
    let picture = sent(body).await?;
    let found = tokio::task::spawn_blocking(move || {
        if Opened::pixels(&picture).is_some_and(|pixels| pixels > MOST_GIVEN as u64) {
            return Err(ganvas::Error::input("the picture has more than 50 million pixels; make it smaller"));
        }
        poses::of_picture_at_hand(&picture, "the picture")
    });
    let found = found.await.map_err(|_| Refusal::broken("the joints could not be looked for"))?;
    let pose = found.map_err(|error| match error.exit_code() {
        2 => Refusal::wrong(error.to_string()),
        _ => Refusal::broken(error.to_string()),
    })?;
    Ok(([(header::CONTENT_TYPE, "application/json")], pose.text()).into_response())
}

/// Room for one picture more: so many are in memory at once.
fn place_for_picture(shared: &Shared) -> Result<tokio::sync::SemaphorePermit<'_>, Refusal> {
    shared.pictures.try_acquire().map_err(|_| Refusal::busy("too many pictures are sent at once; try again"))
}

/// A picture's file that is sent.
async fn sent(body: Body) -> Result<axum::body::Bytes, Refusal> {
    let read = tokio::time::timeout(UPLOAD, axum::body::to_bytes(body, MOST_UPLOADED)).await;
    let slow = |_| Refusal::new(StatusCode::REQUEST_TIMEOUT, "the picture took too long to come; give a smaller file");
    read.map_err(slow)?.map_err(|_| Refusal::wrong("the picture did not come whole; send it again"))
}

/// What a query gives the model beside latents, by `with.NAME`.
fn with(query: &HashMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    query.iter().filter_map(|(name, value)| Some((name.strip_prefix("with.")?, value.as_str())))
}

/// The latents that a query asks for.
fn latents(query: &HashMap<String, String>) -> Result<Vec<Latent>, Refusal> {
    let share = |name: &str| match number::<f32>(query, name)? {
        Some(t) if !(0.0..=1.0).contains(&t) => Err(Refusal::wrong(format!("{name} is a number from 0 to 1"))),
        t => Ok(t),
    };
    if let Some(seeds) = query.get("seeds") {
        let Seeds(seeds) = seeds.parse().map_err(Refusal::wrong)?;
        if seeds.len() > MOST_SAMPLES {
            return Err(Refusal::wrong(format!("write at most {MOST_SAMPLES} seeds, as in 0-63")));
        }
        return Ok(seeds.into_iter().map(Latent::Seed).collect());
    }
    if let (Some(from), Some(to)) = (number(query, "from")?, number(query, "to")?) {
        return Ok(vec![Latent::Walk { from, steps: vec![(to, share("t")?.unwrap_or(0.5))] }]);
    }
    let start = match query.get("chain") {
        Some(chain) => walk(chain)?,
        None => {
            let seed = number(query, "near")?.or(number(query, "seed")?);
            Latent::Seed(seed.ok_or_else(|| Refusal::wrong("say which: seed, seeds, from and to, near or chain"))?)
        }
    };
    let breeds = query.contains_key("near") || query.contains_key("count");
    let count = number::<usize>(query, "count")?.unwrap_or(if breeds { 64 } else { 1 });
    if !(1..=MOST_SAMPLES).contains(&count) {
        return Err(Refusal::wrong(format!("count is a number from 1 to {MOST_SAMPLES}")));
    }
    let width = share("width")?.unwrap_or(0.3);
    let round = number::<u32>(query, "round")?.unwrap_or(0);
    let towards = |i: usize| STRIDE * (u64::from(round) + 1) + i as u64;
    let bred = (1..count).map(|i| match start.clone() {
        Latent::Walk { from, mut steps } => {
            steps.push((towards(i), width));
            Latent::Walk { from, steps }
        }
        Latent::Seed(from) => Latent::Walk { from, steps: vec![(towards(i), width)] },
        mixed => mixed,
    });
    Ok([start.clone()].into_iter().chain(bred).collect())
}

/// `7,1000010@0.3,…`: from seed 7 three tenths of the way to seed 1000010, and on.
fn walk(text: &str) -> Result<Latent, Refusal> {
    let wrong = || Refusal::wrong("write a chain as in 7,1000010@0.3");
    let mut parts = text.split(',');
    let from = parts.next().and_then(|seed| seed.parse().ok()).ok_or_else(wrong)?;
    let step = |part: &str| {
        let (seed, t) = part.split_once('@')?;
        let t = t.parse::<f32>().ok().filter(|t| (0.0..=1.0).contains(t))?;
        Some((seed.parse().ok()?, t))
    };
    let steps = parts.map(|part| step(part).ok_or_else(wrong)).collect::<Result<Vec<_>, _>>()?;
    if steps.len() > MOST_WALKED {
        return Err(Refusal::wrong(format!("a chain has at most {MOST_WALKED} steps")));
    }
    Ok(if steps.is_empty() { Latent::Seed(from) } else { Latent::Walk { from, steps } })
}

fn found(shared: &Shared, id: &str) -> Result<Arc<Mutex<Run>>, Refusal> {
    shared.runs.run(id).ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "there is no such run in this folder"))
}

/// A number of the query; none when it is not given.
fn number<T: FromStr>(query: &HashMap<String, String>, name: &str) -> Result<Option<T>, Refusal> {
    let Some(text) = query.get(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    text.parse()
        .map(Some)
        .map_err(|_| Refusal::wrong(format!("{name} is no number that fits: write one, as in {name}=1")))
}
