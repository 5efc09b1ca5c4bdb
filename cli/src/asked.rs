//! What is asked of a model, as people write it on the command line and the page in its addresses.

use std::ops::RangeInclusive;
use std::str::FromStr;

use ganvas::media::Notes;
use ganvas::model::TRUNCATION;
use ganvas::{Request, Value};

const MOST_SAMPLES: u64 = 100_000;

/// Seeds A-B, both included, or one.
#[derive(Clone)]
pub struct Seeds(pub RangeInclusive<u64>);

impl FromStr for Seeds {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        match (from.trim().parse(), to.trim().parse()) {
            (Ok(from), Ok(to)) if to > from && to - from >= MOST_SAMPLES => {
                Err(format!("at most {MOST_SAMPLES} seeds at once"))
            }
            (Ok(from), Ok(to)) => Ok(Seeds(from..=to)),
            _ => Err("write one whole number or two, as in 7 or 0-63".into()),
        }
    }
}

pub fn truncation(text: &str) -> Result<f64, String> {
    let value = text.parse::<f64>().ok().filter(|value| (-2.0..=2.0).contains(value));
    value.ok_or_else(|| "write a number from -2 to 2, as in 0.7".into())
}

/// NAME=VALUE, taken apart.
pub fn named(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write the input's name, =, and what to give it")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// The request with what is given to all of its samples, by name. A truncation of 1 is that of every model, and not said.
pub fn given<'a>(request: Request, with: impl Iterator<Item = (&'a str, String)>, truncation: f64) -> Request {
    let truncation = (truncation != 1.0).then(|| (TRUNCATION, truncation.to_string()));
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
