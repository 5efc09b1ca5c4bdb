//! What is asked of a model, as people write it on the command line and the page in its addresses.

use std::str::FromStr;

use ganvas::media::Notes;
use ganvas::model::TRUNCATION;
use ganvas::{Request, Value};

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
