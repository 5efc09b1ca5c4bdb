//! Bytes of which a client may ask for a part, as players of sound do to begin anywhere.

use std::ops::Range;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// All of the bytes, or the one part that the request's `Range` asks for.
pub fn in_parts(bytes: Vec<u8>, kind: &'static str, asked: &HeaderMap) -> Response {
    let length = bytes.len();
    let range = asked.get(header::RANGE).and_then(|range| part(range.to_str().ok()?, length));
    let head = [(header::CONTENT_TYPE, kind), (header::ACCEPT_RANGES, "bytes")];
    let Some(Range { start, end }) = range else { return (head, bytes).into_response() };
    let shown = format!("bytes {start}-{}/{length}", end - 1);
    (StatusCode::PARTIAL_CONTENT, head, [(header::CONTENT_RANGE, shown)], bytes[start..end].to_vec()).into_response()
}

/// None where there is no such part, or more than one; then the whole is an answer, too (RFC 9110, section 14.2).
fn part(range: &str, length: usize) -> Option<Range<usize>> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (start, end) = match (first, last) {
        ("", last) => (length.saturating_sub(last.parse().ok()?), length),
        (first, "") => (first.parse().ok()?, length),
        (first, last) => (first.parse().ok()?, last.parse::<usize>().ok()?.saturating_add(1).min(length)),
    };
    (start < end).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_what_was_asked_for_and_never_more_than_there_is() {
        assert_eq!(part("bytes=0-", 10), Some(0..10));
        assert_eq!(part("bytes=2-4", 10), Some(2..5));
        assert_eq!(part("bytes=8-99", 10), Some(8..10));
        assert_eq!(part("bytes=-3", 10), Some(7..10));
        assert_eq!(part(&format!("bytes=3-{}", usize::MAX), 10), Some(3..10));
        for no_part in ["bytes=10-", "bytes=4-2", "bytes=-0", "bytes=", "bytes=0-1,3-4", "lines=0-1", "bytes=-", "0-4"]
        {
            assert_eq!(part(no_part, 10), None, "{no_part}");
        }
    }
}
