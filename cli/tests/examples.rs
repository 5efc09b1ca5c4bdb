//! The examples run as their first lines say.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An example, which cargo builds with the tests, in a folder.
fn example(folder: &Path, name: &str, args: &[&str]) -> Command {
    let tests = std::env::current_exe().unwrap(); // target/PROFILE/deps/examples-HASH
    let built = tests.ancestors().nth(2).unwrap().join("examples").join(name);
    let mut command = Command::new(built.with_extension(std::env::consts::EXE_EXTENSION));
    command.current_dir(folder).args(args);
    command
}

fn said(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn only_run(folder: &Path) -> PathBuf {
    let mut runs = fs::read_dir(folder.join("runs")).unwrap().map(|entry| entry.unwrap().path());
    runs.next().unwrap()
}

#[test]
fn a_recipe_outside_of_the_crate_learns_its_circle() {
    let folder = tempfile::tempdir().unwrap();
    let told = said(example(folder.path(), "own_recipe", &[]));
    let mean = told.trim().rsplit(' ').next().unwrap().parse::<f64>().unwrap();
    assert!(told.contains("1000 samples") && (0.8..1.2).contains(&mean), "{told}");
    let config = fs::read_to_string(only_run(folder.path()).join("config.toml")).unwrap();
    assert!(config.contains("# The radius of the circle."), "{config}");
}

#[test]
fn pictures_that_a_program_draws_are_learned_from_and_samples_written_and_served() {
    let folder = tempfile::tempdir().unwrap();
    let told = said(example(folder.path(), "own_data", &["."]));
    assert!(told.contains("16 samples") && folder.path().join("pictures/199.png").exists(), "{told}");
    let run = only_run(folder.path());
    let run = run.to_str().unwrap();

    said(example(folder.path(), "sample", &[run, "grid.png"]));
    let grid = image::open(folder.path().join("grid.png")).unwrap();
    assert!(grid.width() >= 8 * 32 && grid.width() == grid.height());

    let mut server = example(folder.path(), "serve_a_model", &[run, "2"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut address = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut address).unwrap();
    let host = address.trim().trim_start_matches("http://").trim_end_matches("/7");
    let asked = |path: &str| {
        let mut stream = TcpStream::connect(host).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    };
    let answer = asked("/7");
    let at = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&answer[..at]).into_owned();
    assert!(head.starts_with("HTTP/1.1 200 OK") && head.contains("image/png"), "{head}");
    assert_eq!(image::load_from_memory(&answer[at + 4..]).unwrap().color(), image::ColorType::Rgb8);
    let refused = String::from_utf8_lossy(&asked("/seven")).into_owned();
    assert!(refused.starts_with("HTTP/1.1 400") && refused.ends_with("ask for a seed, as in /7"), "{refused}");
    assert!(server.wait().unwrap().success());
}
