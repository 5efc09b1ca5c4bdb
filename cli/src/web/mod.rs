//! The dashboard: a server of one page and of what the runs of a folder have logged. It writes nothing on the disk.

mod answer;
mod assets;
mod files;
mod guard;
mod live;
mod log;
mod pages;
mod parts;
mod play;
mod runs;

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener as StdListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::{get, post};
use ganvas::Error;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tower_service::Service;

use self::guard::Guard;
use self::play::Player;
use self::runs::Runs;

/// Where the dashboard is found unless that is taken.
pub const PORT: u16 = 7878;
/// Ports tried after it.
const PORTS: u16 = 20;
/// Threads that answer: each answer is small, and the processor is the trainer's.
const THREADS: usize = 2;
/// Connections at once; more wait.
const CONNECTIONS: usize = 512;
/// Pictures that are taken in or wait for their answer at once.
const PICTURES: usize = 4;
/// How long a client may take to ask, and to take in a piece of the answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it may take to ask where half of the connections are taken, so that who opens many holds nobody up.
const SHORT_PATIENCE: Duration = Duration::from_millis(500);

/// What every handler sees.
#[derive(Clone)]
pub struct Shared {
    runs: Arc<Runs>,
    player: Player,
    listeners: Arc<Semaphore>,
    pictures: Arc<Semaphore>,
}

/// A server that listens; it answers as long as it is kept.
pub struct Serving {
    /// Where, for a browser.
    pub address: String,
    _runtime: tokio::runtime::Runtime,
}

/// Serves the runs of a folder at a host, at this port or, where none is given, at the first free one from [`PORT`] on.
pub fn serve(runs: &Path, host: IpAddr, port: Option<u16>) -> anyhow::Result<Serving> {
    let listener = listener(host, port)?;
    let address = listener.local_addr()?;
    let guard = Guard::of(address)?;
    let shown =
        if address.ip().is_unspecified() { SocketAddr::from(([127, 0, 0, 1], address.port())) } else { address };
    let address = format!("http://{shown}/{}", guard.query());
    let runs = Runs::of(runs)?;
    runs.keep_watching()?;
    let [listeners, pictures] = [live::LISTENERS, PICTURES].map(|places| Arc::new(Semaphore::new(places)));
    let shared = Shared { runs, player: Player::start()?, listeners, pictures };
    let app = app(shared, guard);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    // Every thread keeps memory of its own, so few may thin curves and read files at a time.
    let runtime = runtime.worker_threads(THREADS).max_blocking_threads(THREADS).enable_all().build()?;
    listener.set_nonblocking(true)?;
    let listener = runtime.block_on(async { TcpListener::from_std(listener) })?;
    runtime.spawn(accept(listener, app));
    Ok(Serving { address, _runtime: runtime })
}

/// What the page's list says of each run of a folder, the newest first, for a list on the terminal.
pub fn summaries(runs: &Path) -> ganvas::Result<Vec<serde_json::Value>> {
    Ok(Runs::of(runs)?.summaries())
}

fn listener(host: IpAddr, port: Option<u16>) -> ganvas::Result<StdListener> {
    let ports = match port {
        Some(port) => port..=port,
        None => PORT..=PORT + PORTS,
    };
    let mut last = None;
    for port in ports {
        match StdListener::bind((host, port)) {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == ErrorKind::AddrInUse => last = Some((port, error)),
            Err(error) => {
                return Err(Error::input(format!(
                    "cannot listen at {host}:{port}: {error}; give another --host or --port"
                )));
            }
        }
    }
    let (port, error) = last.unwrap_or((PORT, ErrorKind::AddrInUse.into()));
    Err(Error::input(format!("cannot listen at {host}:{port}: {error}; give another --port")))
}

fn app(shared: Shared, guard: Guard) -> Router {
    Router::new()
        .route("/", get(assets::index))
        .route("/assets/{name}", get(assets::asset))
        .route("/api/about", get(pages::about))
        .route("/api/runs", get(pages::runs))
        .route("/api/runs/{run}", get(pages::run))
        .route("/api/runs/{run}/scalars", get(pages::scalars))
        .route("/api/runs/{run}/events", get(pages::events))
        .route("/api/runs/{run}/sample", get(pages::sample))
        .route("/api/runs/{run}/apply", post(pages::apply).fallback(async || guard::only_posts()))
        .route("/api/runs/{run}/files/{*path}", get(pages::file))
        .route("/api/pose", post(pages::pose).fallback(async || guard::only_posts()))
        .route("/api/live", get(live::live))
        .fallback(async || answer::Refusal::absent("there is no such page"))
        .layer(axum::middleware::from_fn_with_state(Arc::new(guard), guard::guarded))
        .with_state(shared)
}

/// Answers every connection in a task of its own. A client that is too slow is let go, so that it holds nobody up.
async fn accept(listener: TcpListener, app: Router) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = connections.clone().acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await; // as when there are too many open files
            continue;
        };
        let app = app.clone();
        let is_crowded = connections.available_permits() < CONNECTIONS / 2;
        let to_ask = if is_crowded { SHORT_PATIENCE } else { PATIENCE };
        tokio::spawn(async move {
            let mut stream = TimeoutStream::new(stream);
            stream.set_write_timeout(Some(PATIENCE));
            let service = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
                let answer = app.clone().call(request.map(Body::new));
                async move { Ok::<_, Infallible>(answer.await.unwrap_or_else(|never| match never {})) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(to_ask)
                .max_buf_size(64 << 10)
                .serve_connection(TokioIo::new(Box::pin(stream)), service);
            _ = connection.await; // a client that went away
            drop(place);
        });
    }
}
