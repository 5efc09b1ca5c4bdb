//! The folders of the sets whose items, pictures or music, are made here: each is whole or absent.

use std::fs;
use std::path::{Path, PathBuf};

use crate::aside::{Aside, remove_leftovers};
use crate::data::fetch;
use crate::error::{Error, Result};

const STAMP: &str = "complete"; // the last file of a set to be written

/// A set, and how its folder is known to be whole.
pub struct Drawn<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it holds, as people call several of them.
    pub items: &'a str,
    /// The folders within its own that hold the items.
    pub parts: &'a [&'a str],
    /// One line that says what they are made from and by which release of the making: another one makes the set anew.
    pub release: String,
}

impl Drawn<'_> {
    /// Whether the set is there with all its items.
    pub fn whole(&self, dir: &Path) -> bool {
        let count = |part: &&str| fs::read_dir(dir.join(part)).map_or(0, Iterator::count);
        let items = self.parts.iter().map(count).sum();
        fs::read(dir.join(STAMP)).is_ok_and(|old| old == self.stamp(items).as_bytes())
    }

    /// What the last file says.
    fn stamp(&self, count: usize) -> String {
        format!("{}\n{count} {}\n", self.release, self.items)
    }

    /// Has `fill` write the set into a folder beside `dir`, which then takes its name. An error when something else is there.
    pub fn make(&self, dir: &Path, fill: impl FnOnce(&mut Folder) -> Result<()>) -> Result<()> {
        let vacant = fs::read_dir(dir).map_or(!dir.exists(), |mut entries| entries.next().is_none());
        if !vacant && !dir.join(STAMP).exists() {
            let dir = dir.display();
            return Err(Error::input(format!(
                "{dir} holds something else; give a folder that is empty or not there yet"
            )));
        }
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(|error| Error::io("make the data folder", parent, &error))?;
        remove_leftovers(parent);
        let make = |path: &Path| {
            fs::create_dir(path)?;
            self.parts.iter().try_for_each(|part| fs::create_dir_all(path.join(part)))
        };
        let (aside, ()) = Aside::new(parent, self.name, make)
            .map_err(|error| Error::io("write into the data folder", parent, &error))?;
        let mut folder = Folder { path: aside.path().to_owned(), items: 0 };
        fill(&mut folder)?;
        folder.write(STAMP, self.stamp(folder.items).as_bytes())?;
        if self.whole(dir) {
            return Ok(()); // another process was faster
        }
        // An old set goes aside first: no system renames a folder onto one that holds files.
        let old = Aside::new(parent, "old", |path| if dir.exists() { fs::rename(dir, path) } else { Ok(()) });
        old.and_then(|_old| aside.rename(dir))
            .map_err(|error| Error::io("put the data folder in its place", dir, &error))
    }
}

/// A set's folder while it is written.
pub struct Folder {
    path: PathBuf,
    items: usize,
}

impl Folder {
    /// Writes an item into one of the parts.
    pub fn item(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.items += 1;
        self.write(name, bytes)
    }

    /// Writes what is told about the set.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path.join(name);
        fs::write(&path, bytes).map_err(|error| Error::io(fetch::WRITING, &path, &error))
    }
}

/// Lines of comma-separated values, where what holds a comma or a quotation mark is quoted as RFC 4180 says.
pub fn csv<'a>(rows: impl IntoIterator<Item = Vec<&'a str>>) -> String {
    let cell = |text: &str| match text.contains([',', '"', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    };
    let line = |row: Vec<&str>| row.into_iter().map(cell).collect::<Vec<_>>().join(",") + "\n";
    rows.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_within_a_value_ends_no_cell() {
        let rows = [vec!["code", "name"], vec!["1F465", "busts, two"], vec!["E000", r#"an "x""#]];
        assert_eq!(csv(rows), "code,name\n1F465,\"busts, two\"\nE000,\"an \"\"x\"\"\"\n");
    }
}
