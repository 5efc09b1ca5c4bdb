//! A folder that is written aside, whole or not at all, and put in its place with a contact sheet beside it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::aside::Aside;
use crate::data::fetch::WRITING;
use crate::error::{Error, Result};
use crate::media::Image;

/// How the contact sheet's name ends. It lies beside the folder, for what is within it is learned from.
const SHEET: &str = "-sheet.png";

/// Whether there is room for a folder: nothing is there, or an empty one. To be asked before anything is fetched.
pub(super) fn check(to: &Path) -> Result<()> {
    match fs::read_dir(to).map_or(to.exists(), |mut entries| entries.next().is_some()) {
        true => Err(Error::input(format!("{} is there already; give a folder that does not exist yet", to.display()))),
        false => Ok(()),
    }
}

pub(super) struct NewFolder {
    aside: Aside,
    to: PathBuf,
}

impl NewFolder {
    /// The folder that is to be at this place, and those above it; `name` is what it is called while it is written.
    pub fn begin(to: &Path, name: &str) -> Result<Self> {
        let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(|error| Error::io("make the folder", parent, &error))?;
        let (aside, ()) = Aside::new(parent, name, |path| fs::create_dir(path))
            .map_err(|error| Error::io(WRITING, parent, &error))?;
        Ok(NewFolder { aside, to: to.to_owned() })
    }

    /// Where it is while it is written.
    pub fn path(&self) -> &Path {
        self.aside.path()
    }

    /// Puts it in its place and the sheet beside it, and returns where that is.
    pub fn finish(self, sheet: &Image) -> Result<PathBuf> {
        let NewFolder { aside, to } = self;
        let mut name = to.file_name().unwrap_or_default().to_owned();
        name.push(SHEET);
        let place = to.with_file_name(name);
        sheet.write_png(&place)?;
        if to.exists() {
            fs::remove_dir(&to).map_err(|error| Error::io(WRITING, &to, &error))?; // it is empty
        }
        aside.rename(&to).map_err(|error| Error::io("put the folder in its place", &to, &error))?;
        Ok(place)
    }
}
