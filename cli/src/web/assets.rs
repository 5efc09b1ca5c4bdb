//! The page's own files, in the binary.

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::answer::Refusal;

macro_rules! files {
    ($($name:literal),* $(,)?) => { &[$(($name, include_str!(concat!("assets/", $name)))),*] };
}

const INDEX: &str = include_str!("assets/index.html");
/// Name and contents of each file.
#[rustfmt::skip]
const ASSETS: &[(&str, &str)] = files![
    "app.js", "chart.js", "charts.js", "compare.js", "doctor.js", "dom.js", "figures.js", "film.js",
    "learn.js", "live.js", "metrics.js", "numbers.js", "overview.js", "picture.js", "play.js", "pose.js",
    "run.js", "runs.js", "server.js", "story.js", "style.css", "words.js",
];

pub async fn index() -> Response {
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], INDEX).into_response()
}

pub async fn asset(Path(name): Path<String>) -> Response {
    let Some((_, text)) = ASSETS.iter().find(|(own, _)| *own == name) else {
        return Refusal::absent("the page has no such file").into_response();
    };
    let kind = if name.ends_with(".css") { "text/css" } else { "text/javascript" };
    ([(header::CONTENT_TYPE, format!("{kind}; charset=utf-8"))], *text).into_response()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn every_file_of_the_page_is_served_and_all_are_small() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/web/assets");
        let mut bytes = 0;
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
            let name = entry.file_name().into_string().unwrap();
            let known = name == "index.html" || ASSETS.iter().any(|(own, _)| *own == name);
            assert!(known, "{name} is in the folder and not in the list");
            bytes += entry.metadata().unwrap().len();
        }
        // 150,000 until it took in pictures, and said in two languages what the doctor finds and what the curves are called; 163,000
        // until a person's joints were dragged, 170,000 until they were taken from a photograph.
        assert!(bytes < 171_000, "the page has {bytes} bytes");
    }
}
