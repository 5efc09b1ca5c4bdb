//! News of the runs as they come, by server-sent events.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::broadcast::error::RecvError;

use super::Shared;
use super::answer::Refusal;

/// Pages that may listen at once.
pub const LISTENERS: usize = 200;
const ALIVE_EVERY: Duration = Duration::from_secs(15);

/// `GET /api/live[?run=RUN]`.
pub async fn live(State(shared): State<Shared>, Query(query): Query<HashMap<String, String>>) -> Response {
    let Ok(place) = shared.listeners.clone().try_acquire_owned() else {
        return Refusal::busy("too many pages listen already; close one").into_response();
    };
    let (news, run) = (shared.runs.listen(), query.get("run").cloned());
    let events = stream::unfold((news, run, place), async |(mut news, run, place)| {
        let event = loop {
            match news.recv().await {
                Ok(told) if told.kind == "runs" || run.as_deref() == Some(&*told.run) => {
                    break Event::default().event(told.kind).data(&*told.data);
                }
                Ok(_) => (),
                Err(RecvError::Lagged(_)) => break Event::default().event("lost").data("{}"),
                Err(RecvError::Closed) => return None,
            }
        };
        Some((Ok::<_, Infallible>(event), (news, run, place)))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE_EVERY)).into_response()
}
