//! Who may ask: this machine's own pages, or whoever has the token. Everything else is refused before it is looked at.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;

use super::answer::Refusal;
use super::pages::MOST_UPLOADED;

const COOKIE: &str = "ganvas_token";
const CONTENT_SECURITY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
                                connect-src 'self'; media-src 'self'; base-uri 'none'; form-action 'none'; \
                                frame-ancestors 'none'";

/// What a request is held against.
pub struct Guard {
    /// Demanded of everybody where others can reach the server; none on this machine alone.
    token: Option<String>,
}

impl Guard {
    /// For a server that listens at this address.
    pub fn of(address: SocketAddr) -> anyhow::Result<Self> {
        Ok(Guard { token: if address.ip().is_loopback() { None } else { Some(token()?) } })
    }

    /// What the address printed must end in.
    pub fn query(&self) -> String {
        self.token.as_ref().map(|token| format!("?token={token}")).unwrap_or_default()
    }

    fn refusal(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Refusal> {
        let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        let posts = method == Method::POST && takes_a_picture(uri);
        if method != Method::GET && method != Method::HEAD && !posts {
            let sentence = "this page shows runs and turns pictures into others; training is begun on the command line";
            return Some(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, sentence));
        }
        let most = if posts { MOST_UPLOADED } else { 0 };
        let length = text(header::CONTENT_LENGTH).map_or(Some(0), |length| length.parse::<usize>().ok());
        if text(header::TRANSFER_ENCODING).is_some() || length.is_none_or(|length| length > most) {
            let sentence = match posts {
                true => format!("a picture's file may have {} MiB, and must say how long it is", MOST_UPLOADED >> 20),
                false => "nothing is taken in here".to_owned(),
            };
            return Some(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, sentence));
        }
        if self.token.is_none() && !text(header::HOST).is_some_and(is_own_name) {
            // A page elsewhere may have its name point here (DNS rebinding).
            return Some(Refusal::new(StatusCode::MISDIRECTED_REQUEST, "ask for localhost or 127.0.0.1"));
        }
        let own = |origin: &str| {
            let host = text(header::HOST).unwrap_or_default();
            origin.split_once("://").is_some_and(|(_, origin)| origin == host)
        };
        if text(header::ORIGIN).is_some_and(|origin| !own(origin)) {
            return Some(Refusal::new(StatusCode::FORBIDDEN, "pages of other origins may not ask"));
        }
        let fetch = |name: &'static str| text(HeaderName::from_static(name));
        let elsewhere = fetch("sec-fetch-site").is_some_and(|site| !["same-origin", "none"].contains(&site));
        // A link to the page itself may stand anywhere, but nothing else: a frame, an object or a link on another site could
        // have this machine draw samples again and again.
        let follows_a_link = fetch("sec-fetch-mode") == Some("navigate")
            && fetch("sec-fetch-dest") == Some("document")
            && uri.path() == "/"
            && !posts;
        if elsewhere && !follows_a_link {
            return Some(Refusal::new(StatusCode::FORBIDDEN, "pages of other sites may not ask"));
        }
        percent_decode_str(uri.path())
            .decode_utf8()
            .is_err()
            .then(|| Refusal::wrong("the address is not written in UTF-8"))
    }

    /// Whether a request has the token: in its address, its cookie or as a bearer.
    fn admits(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let cookies = text(header::COOKIE).split(';').filter_map(|cookie| cookie.trim().split_once('='));
        let cookie = cookies.filter(|(name, _)| *name == COOKIE).map(|(_, value)| value);
        let bearer = text(header::AUTHORIZATION).strip_prefix("Bearer ");
        in_address(uri).into_iter().chain(cookie).chain(bearer).any(|given| same(given, token))
    }
}

/// The middleware.
pub async fn guarded(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let (uri, headers) = (request.uri().clone(), request.headers());
    let mut response = match guard.refusal(request.method(), &uri, headers) {
        Some(refusal) => refusal.into_response(),
        None if !guard.admits(&uri, headers) => {
            let sentence = "open the address that `ganvas serve` printed; it holds the token";
            Refusal::new(StatusCode::UNAUTHORIZED, sentence).into_response()
        }
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    if let (Some(token), true) = (&guard.token, in_address(&uri).is_some())
        && guard.admits(&uri, &HeaderMap::new())
        && let Ok(cookie) = HeaderValue::from_str(&format!("{COOKIE}={token}; HttpOnly; SameSite=Strict; Path=/"))
    {
        headers.insert(header::SET_COOKIE, cookie);
    }
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Whether this is one of the two addresses that something may be sent to.
fn takes_a_picture(uri: &Uri) -> bool {
    let path = uri.path().split('/').collect::<Vec<_>>();
    matches!(path.as_slice(), ["", "api", "runs", _, "apply"] | ["", "api", "pose"])
}

/// Said where a picture is asked for in place of being sent.
pub fn only_posts() -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "send a picture here, by POST")
}

/// The token in a request's address.
fn in_address(uri: &Uri) -> Option<&str> {
    uri.query()?.split('&').find_map(|pair| pair.strip_prefix("token="))
}

/// Whether a Host header names this machine itself, with any port.
fn is_own_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// Compares in a time that does not tell where two texts differ.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

/// 128 bits that nobody can guess, from the system's source of randomness.
fn token() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("the system gives no random token: {error}"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
