//! What the server says when it cannot do what was asked.

use std::path::MAIN_SEPARATOR;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ganvas::RunDir;
use serde_json::json;

/// A status and one sentence with the way out.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    sentence: String,
}

impl Refusal {
    pub fn new(status: StatusCode, sentence: impl Into<String>) -> Self {
        Refusal { status, sentence: sentence.into() }
    }

    pub fn wrong(sentence: impl Into<String>) -> Self {
        Refusal::new(StatusCode::BAD_REQUEST, sentence)
    }

    pub fn absent(sentence: impl Into<String>) -> Self {
        Refusal::new(StatusCode::NOT_FOUND, sentence)
    }

    /// Try again in a second.
    pub fn busy(sentence: impl Into<String>) -> Self {
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, sentence)
    }

    pub fn broken(sentence: impl Into<String>) -> Self {
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, sentence)
    }

    /// What it says.
    pub fn sentence(&self) -> &str {
        &self.sentence
    }

    /// An error of the library about a run: the asker's fault, or not.
    pub fn of(error: &ganvas::Error, run: &RunDir) -> Self {
        match error.exit_code() {
            2 => Refusal::wrong(without_place(error, run)),
            _ => Refusal::broken(without_place(error, run)),
        }
    }
}

/// The sentence of an error, with the run's files named from the folder of the runs on: whoever sees the page need not learn
/// where that lies.
pub fn without_place(error: &ganvas::Error, run: &RunDir) -> String {
    let above = run.path().parent().map(|above| format!("{}{MAIN_SEPARATOR}", above.display()));
    above.map_or_else(|| error.to_string(), |above| error.to_string().replace(&above, ""))
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, axum::Json(json!({ "error": self.sentence }))).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
