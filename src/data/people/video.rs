//! The frames of a video, which ffmpeg reads as a program of its own.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::thread::JoinHandle;

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

/// How many characters of what ffmpeg says are shown.
const LONGEST_REASON: usize = 300;

/// ffmpeg as a program: the one that pip brings, where there is one for this machine, else the system's own. It is verified once.
fn program(report: Report<'_>) -> Result<OsString> {
    static FOUND: OnceLock<OsString> = OnceLock::new();
    match FOUND.get() {
        Some(program) => Ok(program.clone()),
        None => found(report).inspect(|program| drop(FOUND.set(program.clone()))),
    }
}

fn found(report: Report<'_>) -> Result<OsString> {
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

/// Hands the frames of a video over, one after the other, with their numbers from 0 on. What comes back is a sentence about what ffmpeg
/// could not read, as of a video that is cut off. An error when ffmpeg is not there, or reads no frame.
pub fn frames(
    path: &Path,
    report: Report<'_>,
    each: impl FnMut(usize, RgbImage) -> Result<()>,
) -> Result<Option<String>> {
    frames_by(&program(report)?, path, each)
}

/// The same by this program.
fn frames_by(
    ffmpeg: &OsStr,
    path: &Path,
    mut each: impl FnMut(usize, RgbImage) -> Result<()>,
) -> Result<Option<String>> {
    let mut command = Command::new(ffmpeg);
    command.args(["-v", "error", "-nostdin", "-i"]).arg(named(path));
    command.args(["-an", "-f", "image2pipe", "-c:v", "ppm", "-pix_fmt", "rgb24", "-"]);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(not_started)?;
    let (Some(out), Some(said)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(Error::failed("ffmpeg did not start: it has no output"));
    };
    let said = heard(said);
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
    let is_said = said.lines().any(|line| !line.trim().is_empty());
    Ok(is_said.then(|| format!("{} was read as far as possible; ffmpeg says: {}", path.display(), reason(&said))))
}

/// Writes pictures of one size as a video, so many a second, with H.264 in an MP4. An error when ffmpeg is not there, or cannot.
pub fn write(path: &Path, frames: &[Image], per_second: u32, report: Report<'_>) -> Result<()> {
    let Some(first) = frames.first() else { return Err(cannot(path, "there are no frames")) };
    let of = Of { per_second: per_second.to_string(), ..Of::default() };
    let mut writer = Writer::begin(&program(report)?, path, first, &of)?;
    frames.iter().try_for_each(|frame| writer.add(frame))?;
    writer.end()
}

/// What is made of a video beside its frames.
#[derive(Debug, Default)]
pub struct Rewritten {
    /// How many frames it has.
    pub frames: usize,
    /// Whether its sound was kept.
    pub has_sound: bool,
    /// What could not be read of the other, a sentence.
    pub problem: Option<String>,
}

/// Writes a video of what `each` makes of another one's frames, as many in a second, with its sound and with a comment in the file. One
/// frame at a time is in memory. Errors as of [`frames`] and [`write()`].
pub fn rewritten(
    from: &Path,
    to: &Path,
    comment: &str,
    report: Report<'_>,
    mut each: impl FnMut(usize, Image) -> Result<Image>,
) -> Result<Rewritten> {
    let ffmpeg = program(report)?;
    let of = Of { comment: Some(comment.to_owned()), ..told(&ffmpeg, from)? };
    let (mut writer, mut count) = (None::<Writer>, 0);
    let problem = frames_by(&ffmpeg, from, |number, frame| {
        let (width, height) = (frame.width() as usize, frame.height() as usize);
        let made = each(number, Image::new(width, height, 3, frame.into_raw()))?;
        let writer = match &mut writer {
            Some(writer) => writer,
            None => writer.insert(Writer::begin(&ffmpeg, to, &made, &of)?),
        };
        count += 1;
        writer.add(&made)
    })?;
    writer.ok_or_else(|| cannot(to, "there are no frames"))?.end()?;
    Ok(Rewritten { frames: count, has_sound: of.sound.is_some(), problem })
}

/// What a video has beside its frames.
#[derive(Debug, Default, PartialEq)]
struct Of {
    /// Frames in a second, as ffmpeg takes it.
    per_second: String,
    /// The file with the sound, and whether an MP4 can hold it as it is.
    sound: Option<(PathBuf, bool)>,
    comment: Option<String>,
}

/// What ffmpeg tells of a video.
fn told(ffmpeg: &OsStr, path: &Path) -> Result<Of> {
    let mut command = Command::new(ffmpeg);
    command.args(["-hide_banner", "-nostdin", "-i"]).arg(named(path)).stdin(Stdio::null());
    let ended = command.output().map_err(not_started)?; // it fails, because nothing is to be written
    Ok(of_words(&String::from_utf8_lossy(&ended.stderr), path))
}

fn of_words(said: &str, path: &Path) -> Of {
    let stream =
        |kind: &str| said.lines().find(|line| line.trim_start().starts_with("Stream #") && line.contains(kind));
    let per_second = stream("Video:").and_then(|line| {
        let rate =
            |unit: &str| line.split(',').find_map(|part| part.trim().strip_suffix(unit)?.trim().parse::<f64>().ok());
        rate(" fps").or_else(|| rate(" tbr")).filter(|rate| (0.1..=1000.0).contains(rate))
    });
    let per_second = per_second.map_or_else(
        || "25".to_owned(),
        |rate| match (rate * 1.001).round() {
            // Television's rates are told rounded.
            whole if whole != rate && (rate - whole / 1.001).abs() < 0.006 => format!("{whole}000/1001"),
            _ => rate.to_string(),
        },
    );
    let sound = stream("Audio:");
    let sound = sound.map(|line| (path.to_owned(), [" aac", " mp3", " ac3"].iter().any(|kind| line.contains(kind))));
    Of { per_second, sound, comment: None }
}

/// Pixels of a frame from which on the encoder looks ahead less: as it does by itself, it keeps some 50 frames, 1.5 GB at 3840x2880.
const LARGE: usize = 4_000_000;

/// A video that is written frame by frame.
struct Writer {
    path: PathBuf,
    child: Child,
    into: Option<ChildStdin>,
    said: Option<JoinHandle<String>>,
    aside: Aside,
    bytes: usize,
}

fn cannot(path: &Path, why: &str) -> Error {
    Error::failed(format!("ffmpeg cannot write {}: {why}", path.display()))
}

impl Writer {
    /// A video with frames of the first one's size.
    fn begin(ffmpeg: &OsStr, path: &Path, first: &Image, of: &Of) -> Result<Self> {
        let mut command = Command::new(ffmpeg);
        let pixels = if first.channels == 1 { "gray" } else { "rgb24" };
        let sides = format!("{}x{}", first.width, first.height);
        command.args(["-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", pixels, "-s", &sides]);
        command.args(["-r", &of.per_second, "-i", "-"]);
        if let Some((sound, is_kept)) = &of.sound {
            command.arg("-i").arg(named(sound)).args(["-map", "0:v:0", "-map", "1:a:0"]);
            command.args(["-c:a", if *is_kept { "copy" } else { "aac" }]);
        }
        if let Some(comment) = &of.comment {
            command.args(["-metadata", &format!("comment={comment}")]);
        }
        // This kind of colour needs even sides.
        command.args(["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-c:v", "libx264", "-crf", "16", "-pix_fmt", "yuv420p"]);
        if first.width * first.height > LARGE {
            command.args(["-preset", "veryfast", "-rc-lookahead", "4", "-bf", "0", "-threads", "2"]);
        }
        let (folder, name) =
            (path.parent().unwrap_or(Path::new("")), path.file_name().unwrap_or_default().to_string_lossy());
        let (aside, _) = Aside::new(folder, &name, |path| File::create_new(path))
            .map_err(|error| Error::io("write the video", path, &error))?;
        command.args(["-movflags", "+faststart", "-f", "mp4"]).arg(named(aside.path()));
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(not_started)?;
        let (into, said) = (child.stdin.take(), child.stderr.take());
        Ok(Writer { path: path.to_owned(), child, into, said: said.map(heard), aside, bytes: first.pixels.len() })
    }

    fn add(&mut self, frame: &Image) -> Result<()> {
        assert_eq!(frame.pixels.len(), self.bytes, "all frames have one size");
        match self.into.as_mut().map(|into| into.write_all(&frame.pixels)) {
            Some(Ok(())) => Ok(()),
            _ => Err(self.ended().1),
        }
    }

    /// Whether it ended well, and what it said if not.
    fn ended(&mut self) -> (bool, Error) {
        self.into = None; // the end of what it takes
        let is_well = self.child.wait().is_ok_and(|status| status.success());
        let said = self.said.take().and_then(|said| said.join().ok()).unwrap_or_default();
        (is_well, cannot(&self.path, &reason(&said)))
    }

    fn end(mut self) -> Result<()> {
        match self.ended() {
            (true, _) => {
                let path = self.path.clone();
                self.aside.rename(&path).map_err(|error| Error::io("write the video", &path, &error))
            }
            (false, error) => Err(error),
        }
    }
}

/// What a program says, read beside what it does, so that neither waits for the other.
fn heard(mut said: ChildStderr) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = said.read_to_end(&mut text); // what cannot be read is not shown
        String::from_utf8_lossy(&text).into_owned()
    })
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

/// The line in which ffmpeg says why, as far as it suits a terminal.
fn reason(said: &str) -> String {
    let line = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it gave no reason").trim();
    line.chars().filter(|c| !c.is_control()).take(LONGEST_REASON).collect()
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
    fn a_videos_rate_and_its_sound_are_read_from_what_ffmpeg_says() {
        let of = |video: &str, audio: &str| {
            let said = format!(
                "Input #0, mov, from 'a, 60 fps.mp4':\n  Stream #0:0: Video: h264, yuv420p, {video}, 12800 tbn\n{audio}"
            );
            let Of { per_second, sound, .. } = of_words(&said, Path::new("a.mp4"));
            (per_second, sound.map(|(_, is_kept)| is_kept))
        };
        assert_eq!(of("360x288, 24 fps, 24 tbr", ""), ("24".into(), None));
        assert_eq!(of("12.5 fps", "  Stream #0:1(und): Audio: aac (LC), 48000 Hz\n"), ("12.5".into(), Some(true)));
        assert_eq!(of("29.97 fps, 30 tbr", "  Stream #0:1: Audio: pcm_s16le"), ("30000/1001".into(), Some(false)));
        assert_eq!(
            [of("23.98 fps", "").0, of("59.94 fps", "").0, of("15 tbr", "").0],
            ["24000/1001", "60000/1001", "15"]
        );
        assert_eq!(of("no rate", "").0, "25");
    }

    #[test]
    fn a_reason_is_the_last_line_that_says_something_and_suits_a_terminal() {
        assert_eq!(reason("first\n  the \u{1b}[31mlast\x07 \n \n"), "the [31mlast");
        assert_eq!(reason("\n"), "it gave no reason");
        assert_eq!(reason(&"a".repeat(9_999)).len(), LONGEST_REASON);
    }

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
