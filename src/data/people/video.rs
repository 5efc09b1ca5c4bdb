//! The frames of a video, which ffmpeg reads as a program of its own.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use image::RgbImage;

use crate::aside::Aside;
use crate::data::fetch::{Archive, Client, Kept, member};
use crate::error::{Error, Result};
use crate::media::Image;
use crate::report::Report;

const WHEEL: Archive = Archive {
    client: Client::Pip,
    package: "imageio-ffmpeg==0.6.0",
    file: "imageio_ffmpeg-0.6.0-py3-none-manylinux2014_x86_64.whl",
    sha256: "c7e46fcec401dd990405049d2e2f475e2b397779df2519b544b8aab515195282",
    purpose: "which holds ffmpeg, a program that reads videos",
};
const MEMBER: &str = "imageio_ffmpeg/binaries/ffmpeg-linux-x86_64-v7.0.2";
const PROGRAM: Kept =
    Kept { name: "ffmpeg-7.0.2", sha256: "e7e7fb30477f717e6f55f9180a70386c62677ef8a4d4d1a5d948f4098aa3eb99" };
/// The longest side a frame may have, in pixels.
const LONGEST: usize = 1 << 14;

/// ffmpeg as a program: the one that pip brings, where there is one for this machine, else the system's own.
fn program(report: Report<'_>) -> Result<OsString> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Ok("ffmpeg".into());
    }
    let fetched = WHEEL.kept([PROGRAM], report, |wheel, _| Ok(vec![member(wheel, WHEEL.file, MEMBER)?]));
    match fetched.and_then(|[path]| runnable(path)) {
        Ok(path) => Ok(path.into()),
        Err(_) if is_installed() => Ok("ffmpeg".into()),
        Err(error) => Err(error),
    }
}

fn is_installed() -> bool {
    let mut asked = Command::new("ffmpeg");
    asked.arg("-version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    asked.status().is_ok_and(|status| status.success())
}

#[cfg(unix)]
fn runnable(path: PathBuf) -> Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))
        .map_err(|error| Error::io("make a program of", &path, &error))?;
    Ok(path)
}

#[cfg(not(unix))]
fn runnable(path: PathBuf) -> Result<PathBuf> {
    Ok(path)
}

/// Sees to it that videos can be read and written; ffmpeg may have to be fetched.
pub fn ready(report: Report<'_>) -> Result<()> {
    program(report).map(|_| ())
}

/// Hands the frames of a video over, one after the other, with their numbers from 0 on. An error when ffmpeg is not there, or reads
/// no frame.
pub fn frames(path: &Path, report: Report<'_>, mut each: impl FnMut(usize, RgbImage) -> Result<()>) -> Result<()> {
    let mut command = Command::new(program(report)?);
    command.args(["-v", "error", "-nostdin", "-i"]).arg(named(path));
    command.args(["-an", "-f", "image2pipe", "-c:v", "ppm", "-pix_fmt", "rgb24", "-"]);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(not_started)?;
    let (Some(out), Some(mut said)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(Error::failed("ffmpeg did not start: it has no output"));
    };
    // What it says is read beside its frames, so that neither waits for the other.
    let said = std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = said.read_to_end(&mut text); // what cannot be read is not shown
        String::from_utf8_lossy(&text).into_owned()
    });
    let (mut out, mut count) = (BufReader::with_capacity(1 << 20, out), 0);
    let read = loop {
        match frame(&mut out) {
            Ok(Some(frame)) => match each(count, frame) {
                Ok(()) => count += 1,
                Err(error) => break Err(error),
            },
            Ok(None) => break Ok(()),
            Err(error) => break Err(Error::failed(format!("ffmpeg's frames cannot be read: {error}"))),
        }
    };
    if read.is_err() {
        let _ = child.kill(); // it may have ended
    }
    drop(out);
    let status = child.wait();
    let said = said.join().unwrap_or_default();
    read?;
    if count == 0 || !status.is_ok_and(|status| status.success()) {
        let why = reason(&said);
        return Err(Error::input(format!("{} is no video that ffmpeg can read: {why}", path.display())));
    }
    Ok(())
}

/// Writes pictures of one size as a video, so many a second, with H.264 in an MP4. An error when ffmpeg is not there, or cannot.
pub fn write(path: &Path, frames: &[Image], per_second: u32, report: Report<'_>) -> Result<()> {
    let failed = |why: &str| Error::failed(format!("ffmpeg cannot write {}: {why}", path.display()));
    let Some(first) = frames.first() else { return Err(failed("there are no frames")) };
    let mut command = Command::new(program(report)?);
    command.args([
        "-v",
        "error",
        "-y",
        "-f",
        "rawvideo",
        "-pix_fmt",
        if first.channels == 1 { "gray" } else { "rgb24" },
    ]);
    command.args(["-s", &format!("{}x{}", first.width, first.height), "-r", &per_second.to_string(), "-i", "-"]);
    // This kind of colour needs even sides.
    command.args(["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-c:v", "libx264", "-crf", "16", "-pix_fmt", "yuv420p"]);
    let (folder, name) =
        (path.parent().unwrap_or(Path::new("")), path.file_name().unwrap_or_default().to_string_lossy());
    let (aside, _) = Aside::new(folder, &name, |path| File::create_new(path))
        .map_err(|error| Error::io("write the video", path, &error))?;
    command.args(["-movflags", "+faststart", "-f", "mp4"]).arg(named(aside.path()));
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(not_started)?;
    let Some(mut into) = child.stdin.take() else { return Err(failed("it takes nothing")) };
    let written = frames.iter().try_for_each(|frame| into.write_all(&frame.pixels));
    drop(into); // the end of what it takes
    let ended = child.wait_with_output().map_err(|error| failed(&error.to_string()))?;
    if written.is_err() || !ended.status.success() {
        let said = String::from_utf8_lossy(&ended.stderr);
        return Err(failed(reason(&said)));
    }
    aside.rename(path).map_err(|error| Error::io("write the video", path, &error))
}

/// A file as ffmpeg takes it for one, whatever its name begins with.
fn named(path: &Path) -> OsString {
    let mut named = OsString::from("file:");
    named.push(path);
    named
}

fn not_started(error: std::io::Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => {
            Error::input("videos are read and written by ffmpeg, which is not installed; install it")
        }
        _ => Error::failed(format!("ffmpeg did not start: {error}")),
    }
}

/// The line in which ffmpeg says why.
fn reason(said: &str) -> &str {
    said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it gave no reason").trim()
}

/// The next picture of a stream of netpbm's binary colour pictures; none at its end.
fn frame(stream: &mut impl BufRead) -> std::io::Result<Option<RgbImage>> {
    if stream.fill_buf()?.is_empty() {
        return Ok(None);
    }
    let broken = || std::io::Error::new(ErrorKind::InvalidData, "this is no picture");
    let mut word = || {
        let mut word = String::new();
        loop {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            match byte[0] {
                white if white.is_ascii_whitespace() => return Ok::<_, std::io::Error>(word),
                _ if word.len() > 8 => return Err(broken()),
                other => word.push(char::from(other)),
            }
        }
    };
    let [magic, width, height, levels] = [word()?, word()?, word()?, word()?];
    let side = |word: &str| word.parse::<usize>().ok().filter(|side| (1..=LONGEST).contains(side)).ok_or_else(broken);
    let (width, height) = (side(&width)?, side(&height)?);
    if magic != "P6" || levels != "255" {
        return Err(broken());
    }
    let mut pixels = vec![0; 3 * width * height];
    stream.read_exact(&mut pixels)?;
    Ok(RgbImage::from_raw(width as u32, height as u32, pixels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_come_one_after_the_other_until_the_stream_ends() {
        let stream = b"P6\n2 1\n255\n\x01\x02\x03\x04\x05\x06P6\n1 1\n255\n\x0a \n".to_vec();
        let mut left = stream.as_slice();
        let first = frame(&mut left).unwrap().unwrap();
        assert_eq!((first.dimensions(), first.into_raw()), ((2, 1), vec![1, 2, 3, 4, 5, 6]));
        assert_eq!(
            frame(&mut left).unwrap().unwrap().into_raw(),
            [10, 32, 10],
            "levels that are white space are levels"
        );
        assert!(frame(&mut left).unwrap().is_none());
        for broken in [
            &b"P5\n1 1\n255\n1"[..],
            b"P6\n1 1\n255\n12",
            b"P6\n99999999999 1\n",
            b"P6\n0 1\n255\n",
            b"P6\n1 1\n65535\n",
        ] {
            assert!(frame(&mut &*broken).is_err(), "{broken:?}");
        }
    }
}
