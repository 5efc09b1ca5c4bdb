//! Whether a folder can be learned from: what it is by its layout, what it holds, and every problem at once.

use std::path::Path;

use super::images::{self, Images, domains, paired, posed};
use super::music::{self, Music};
use super::{holds_digits, mnist};
use crate::error::{Error, Result};

/// So many of a folder's pictures are twice as wide as high where they are pairs side by side.
const MOST: f64 = 0.9;

/// What a folder holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// What there is, a sentence each.
    pub facts: Vec<String>,
    /// What one should know before a training, a sentence each.
    pub remarks: Vec<String>,
    /// What is read and not learned from, or read in part, a sentence for each piece of music.
    pub lost: Vec<String>,
    /// What cannot be used, a sentence for each file.
    pub problems: Vec<String>,
    /// Whether a training can go on without what cannot be used.
    pub can_skip: bool,
}

/// Decodes everything in a folder or zip. It is held to be what its layout says: MNIST's files, music, persons with their poses, two sets without
/// pairs, pairs in two folders, pairs side by side, single pictures. An error when there is no music at all in a folder of music.
///
/// ```
/// # let folder = std::env::temp_dir().join(format!("ganvas-doc-check-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).unwrap();
/// std::fs::write(folder.join("cat.png"), "not a picture").unwrap();
/// let found = ganvas::data::check::check(&folder).unwrap();
/// assert_eq!(found.problems, ["cat.png is not a picture, whatever its name says"]);
/// # std::fs::remove_dir_all(&folder).ok();
/// ```
pub fn check(path: &Path) -> Result<Checked> {
    if holds_digits(path) {
        let report = mnist::check(path);
        return Ok(Checked { facts: report.facts, problems: report.problems, ..Checked::default() });
    }
    if music::holds(path) {
        return of_music(path, &Music::default());
    }
    if posed::is_place(path) {
        return Ok(of_persons(path));
    }
    if domains::is_place(path) {
        return Ok(of_layout("two sets without pairs, for recipes such as cyclegan", domains::examine(path)));
    }
    if paired::two_folders(path).is_some() {
        return Ok(of_layout("pairs in the folders A and B, for recipes such as pix2pix", paired::examine(path)));
    }
    of_pictures(path)
}

/// The same of a folder of music.
pub fn of_music(path: &Path, settings: &Music) -> Result<Checked> {
    let music::Survey { facts, lost, problems, is_of_use } = music::survey(path, settings)?;
    Ok(Checked { facts, lost, problems, can_skip: is_of_use, ..Checked::default() })
}

fn of_pictures(path: &Path) -> Result<Checked> {
    let survey = match images::survey(&Images { path: path.to_owned(), ..Images::default() }, "") {
        Ok(survey) => survey,
        Err(error) => return Ok(Checked { problems: vec![error.to_string()], ..Checked::default() }),
    };
    let mut checked = Checked {
        facts: survey.facts(),
        remarks: survey.remarks.clone(),
        can_skip: survey.pictures > 0,
        problems: survey.problems.clone(),
        ..Checked::default()
    };
    if survey.wide < MOST {
        return Ok(checked);
    }
    const PAIRS: &str = "pairs side by side, for recipes such as pix2pix";
    match paired::examine(path) {
        Ok(_) => checked.facts.push(format!("the pictures are twice as wide as high: they can be {PAIRS}")),
        Err(Error::Unusable(unusable)) => {
            checked.facts.push(format!("the pictures are about twice as wide as high: they are checked as {PAIRS}"));
            checked.problems = unusable.problems; // those of single pictures among them
        }
        Err(_) => (), // they are single pictures that are wide
    }
    Ok(checked)
}

/// The same of a folder of persons with their poses.
fn of_persons(path: &Path) -> Checked {
    let layout = "laid out as persons with their poses, for recipes such as posegan".to_owned();
    match posed::examine(path) {
        Ok((facts, remarks)) => Checked { facts: [vec![layout], facts].concat(), remarks, ..Checked::default() },
        Err(error) => of_error(Checked { facts: vec![layout], ..Checked::default() }, error),
    }
}

/// With what cannot be used.
fn of_error(checked: Checked, error: Error) -> Checked {
    match error {
        Error::Unusable(unusable) => Checked { can_skip: true, problems: unusable.problems, ..checked },
        error => Checked { problems: vec![error.to_string()], ..checked },
    }
}

/// What a place of a layout holds.
fn of_layout(layout: &str, found: Result<images::Examined>) -> Checked {
    let mut checked = Checked { facts: vec![format!("laid out as {layout}")], ..Checked::default() };
    match found {
        Ok(images::Examined { learned, held_out, remarks }) => {
            checked.facts.push(format!("to learn from: {learned}; held out: {held_out}"));
            checked.remarks = remarks;
        }
        Err(error) => return of_error(checked, error),
    }
    checked
}
