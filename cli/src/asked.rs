//! What is asked of a model, as people write it on the command line and the page in its addresses.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use ganvas::data::people::poses;
use ganvas::field::Kind;
use ganvas::media::{Notes, Opened, Pose};
use ganvas::model::TRUNCATION;
use ganvas::report::Progress;
use ganvas::{Error, Model, Request, Value};

use crate::progress::{Work, say};

/// How the names of videos end.
const VIDEOS: [&str; 6] = ["mp4", "mov", "avi", "mkv", "webm", "m4v"];

/// Samples of one request on the command line.
pub const MOST_SAMPLES: u64 = 100_000;

/// Seeds in the order in which they are written: numbers and ranges A-B with both ends, with commas between them.
#[derive(Clone)]
pub struct Seeds(pub Vec<u64>);

impl FromStr for Seeds {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let mut seeds = Vec::new();
        for part in text.split(',') {
            let (from, to) = ends(part)?;
            if from > to {
                return Err(format!("write seeds from low to high, as in {to}-{from}"));
            }
            if to - from >= MOST_SAMPLES || seeds.len() as u64 + (to - from) >= MOST_SAMPLES {
                return Err(format!(
                    "these are more than {MOST_SAMPLES} seeds, the most at once; ask for some after the others"
                ));
            }
            seeds.extend(from..=to);
        }
        Ok(Seeds(seeds))
    }
}

/// The two ends of a way between seeds, A-B.
#[derive(Clone, Copy)]
pub struct Ends {
    pub from: u64,
    pub to: u64,
}

impl FromStr for Ends {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        ends(text).map(|(from, to)| Ends { from, to })
    }
}

/// The numbers of `A-B`; of one number, that number twice.
fn ends(text: &str) -> Result<(u64, u64), String> {
    let number = |text: &str| {
        let text = text.trim();
        text.parse::<u64>().map_err(|_| match !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            true => format!("a seed is a whole number from 0 to {}, and {text} is larger", u64::MAX),
            false => {
                "write whole numbers, ranges, or both with commas between them, as in 7, 0-63 or 85,265,300-320".into()
            }
        })
    };
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    Ok((number(from)?, number(to)?))
}

pub fn truncation(text: &str) -> Result<f64, String> {
    let value = text.parse::<f64>().ok().filter(|value| (-4.0..=4.0).contains(value));
    value.ok_or_else(|| "write a number, such as 0.7".into())
}

/// NAME=VALUE, taken apart.
pub fn named(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write the input's name, =, and what to give it")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// What is given by name, where a pose is given as a file or as the text of one.
pub fn with_poses(with: &[(String, String)], model: &dyn Model) -> ganvas::Result<Vec<(String, String)>> {
    let takes = model.takes();
    let is_pose = |name: &str| takes.iter().any(|field| field.name == name && matches!(field.kind, Kind::Pose { .. }));
    let read = |(name, value): &(String, String)| {
        let is_file = is_pose(name) && !value.starts_with('{');
        Ok((name.clone(), if is_file { pose(Path::new(value))? } else { value.clone() }))
    };
    with.iter().map(read).collect()
}

/// The pose field for which a place of several poses is given, and that place: a folder or a video. None where there is no such.
pub fn place_of_poses(with: &[(String, String)], model: &dyn Model) -> Option<(String, PathBuf)> {
    let takes = model.takes();
    let poses = takes.iter().filter(|field| matches!(field.kind, Kind::Pose { .. })).map(|field| field.name.as_str());
    let (name, place) = poses.flat_map(|name| with.iter().find(|(other, _)| other == name)).next()?;
    let place = Path::new(place);
    (place.is_dir() || place.is_file() && is_video(place)).then(|| (name.clone(), place.to_owned()))
}

/// Whether a file is a video by its name.
pub fn is_video(file: &Path) -> bool {
    file.extension().is_some_and(|ending| VIDEOS.iter().any(|one| ending.eq_ignore_ascii_case(one)))
}

/// The texts of the poses of such a place.
pub fn poses_at(place: &Path) -> ganvas::Result<Vec<String>> {
    let mut work = Work::new("reading poses".to_owned());
    let report = &mut |progress: Progress<'_>| work.show(&progress);
    let found = match place.is_dir() {
        true => poses::of_folder(place, report).map(|poses| (poses, None)),
        false => poses::of_video(place, report),
    };
    work.end();
    let (poses, problem) = found?;
    problem.iter().for_each(|problem| say(problem));
    Ok(poses.iter().map(Pose::text).collect())
}

/// The text of a pose's file.
fn pose(file: &Path) -> ganvas::Result<String> {
    let bytes = std::fs::read(file).map_err(|error| Error::io("read the pose", file, &error))?;
    let name = file.display();
    if Opened::new(&bytes, 1).is_ok() {
        let mut work = Work::new("reading poses".to_owned());
        let pose = poses::of_picture(&bytes, &name.to_string(), &mut |progress| work.show(&progress));
        work.end();
        return pose.map(|pose| pose.text());
    }
    Ok(poses::of_file(bytes, &name.to_string())?.text())
}

/// The request with what is given to all of its samples, by name.
pub fn given<'a>(request: Request, with: impl Iterator<Item = (&'a str, String)>, truncation: Option<f64>) -> Request {
    let truncation = truncation.map(|truncation| (TRUNCATION, truncation.to_string()));
    with.chain(truncation).fold(request, |request, (name, value)| request.with(name, &Value::Text(value)))
}

/// A kind of file that one piece of music becomes.
#[derive(Clone, Copy)]
pub enum Music {
    Midi,
    Wav,
}

impl Music {
    /// Each with the ending of its files.
    pub const ALL: [(Music, &str); 2] = [(Music::Midi, "mid"), (Music::Wav, "wav")];

    /// What files with this ending are.
    pub fn of(ending: &str) -> Option<Self> {
        Music::ALL.into_iter().find(|(_, own)| *own == ending).map(|(music, _)| music)
    }

    pub fn bytes(self, notes: &Notes, title: &str) -> ganvas::Result<Vec<u8>> {
        match self {
            Music::Midi => notes.to_midi(title),
            Music::Wav => notes.to_wav(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_written_as_other_tools_write_them() {
        let seeds = |text: &str| text.parse::<Seeds>().map(|Seeds(seeds)| seeds);
        assert_eq!(seeds("85,265,297").unwrap(), [85, 265, 297]);
        assert_eq!(seeds("85, 300-302,7").unwrap(), [85, 300, 301, 302, 7]);
        assert_eq!(seeds("18446744073709551615").unwrap(), [u64::MAX]);
        assert!(seeds("18446744073709551616").unwrap_err().contains("from 0 to 18446744073709551615"));
        assert!(seeds("9-3").unwrap_err().contains("as in 3-9"));
        for wrong in ["", "a", "1,", "1-2-3", "-1", "0.5"] {
            assert!(seeds(wrong).unwrap_err().contains("85,265,300-320"), "{wrong}");
        }
        for many in ["0-100000", "0-18446744073709551615", "0-50000,0-50000"] {
            assert!(seeds(many).unwrap_err().contains("more than 100000"), "{many}");
        }
        assert_eq!(seeds("0-99999").unwrap().len(), 100_000);
    }
}
