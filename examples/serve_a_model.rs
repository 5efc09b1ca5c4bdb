//! A program of one's own that answers with pictures: GET /7 is the sample of seed 7 as a PNG.
//!
//!     cargo run --release --example serve_a_model -- RUN [REQUESTS]
//!
//! It prints its address, and ends after so many requests where a number is given.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use ganvas::media::sheet;
use ganvas::{Device, Error, Model, RECIPES, Request, Result, RunDir, sample};

/// The picture that a request asks for.
fn answer(model: &dyn Model, request: &str) -> Result<Vec<u8>> {
    let path = request.split_whitespace().nth(1).unwrap_or_default();
    let seed = path.trim_start_matches('/').parse::<u64>();
    let seed = seed.map_err(|_| Error::input("ask for a seed, as in /7"))?;
    let samples = sample::generate(model, &Request::seeds([seed]))?;
    sheet(&samples, 1)?.to_png()
}

fn reply(model: &dyn Model, mut stream: &TcpStream) -> std::io::Result<()> {
    let mut request = String::new();
    BufReader::new(stream).read_line(&mut request)?;
    let (status, kind, body) = match answer(model, &request) {
        Ok(png) => ("200 OK", "image/png", png),
        Err(error) => ("400 Bad Request", "text/plain", error.to_string().into_bytes()),
    };
    write!(stream, "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", body.len())?;
    stream.write_all(&body)
}

fn main() -> Result<()> {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>();
    let run = arguments.first().ok_or_else(|| Error::input("give a run"))?;
    let most = arguments.get(1).and_then(|number| number.parse::<usize>().ok()).unwrap_or(usize::MAX);
    let run = RunDir::open(Path::new(run))?;
    let (config, device) = (run.config(RECIPES)?, Device::flex());
    let model = sample::model(&config, &sample::checkpoint(&run, None)?, &device)?;

    let failed = |error: std::io::Error| Error::failed(format!("the server: {error}"));
    let listener = TcpListener::bind("127.0.0.1:0").map_err(failed)?;
    println!("http://{}/7", listener.local_addr().map_err(failed)?);
    for stream in listener.incoming().take(most) {
        if let Err(error) = stream.and_then(|stream| reply(model.as_ref(), &stream)) {
            eprintln!("a request: {error}");
        }
    }
    Ok(())
}
