//! What lies in the cache: how large it is, what goes first when there is too much of it, and what can be removed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::data::{SETS, fetch};
use crate::error::{Error, Result, nearest};
use crate::memory;

/// The variable of the environment that says how much may be packed, such as `500MB`.
pub const LIMIT: &str = "GANVAS_CACHE_LIMIT";

const USUAL_LIMIT: u64 = 2_000_000_000; // bytes
/// The folder of pictures that were decoded and packed once, so that they need not be again.
const PACKED: &str = "packed";
const PACK: &str = "pack"; // the ending of such a file
/// One thing in the cache.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its name there, by which it can be removed.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Where it is.
    pub path: PathBuf,
    /// Bytes on the disk.
    pub bytes: u64,
}

/// What something in the cache is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A data set of [`SETS`].
    Set,
    /// Pictures that were decoded and packed: they are made again when they are needed.
    Packed,
    /// Anything else: a package that was fetched, or what was learned from one.
    Other,
}

/// How many bytes of packed pictures are kept: what [`LIMIT`] says, or 2 GB. An error when that is no size.
pub fn limit() -> Result<u64> {
    limit_from(&std::env::var(LIMIT).unwrap_or_default())
}

fn limit_from(text: &str) -> Result<u64> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(USUAL_LIMIT);
    }
    let units = [&memory::UNITS[..], &[("tb", 1e12)]].concat();
    let size = memory::bytes_of(text, &units).filter(|size| size.is_finite());
    size.map(|size| size as u64).ok_or_else(|| {
        Error::input(format!("{LIMIT} is `{text}`, which is no size; give a number and a unit, as in 500MB or 2GB"))
    })
}

/// The folder of packed pictures; none where there is no cache. An error when [`LIMIT`] is no size.
pub(crate) fn packed() -> Result<Option<PathBuf>> {
    limit()?;
    Ok(fetch::cache_dir().ok().map(|cache| cache.join(PACKED)))
}

/// Removes the packs of a folder that were not used for longest, until the others are at most so many bytes. One that somebody
/// holds stays, however old it is.
pub(crate) fn trim(folder: &Path, limit: u64) -> u64 {
    let mut packs = packs(folder);
    packs.sort_by_key(|(used, ..)| *used);
    let (mut left, mut freed) = (packs.iter().map(|(_, bytes, _)| bytes).sum::<u64>(), 0);
    for (_, bytes, path) in packs {
        if left <= limit {
            break;
        }
        if removed_unless_held(&path) {
            (left, freed) = (left - bytes, freed + bytes);
        }
    }
    freed
}

/// The packs of a folder: when each was last used, its bytes, its path.
fn packs(folder: &Path) -> Vec<(SystemTime, u64, PathBuf)> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let packs = files.filter(|path| path.extension().is_some_and(|ending| ending == PACK));
    packs
        .filter_map(|path| path.metadata().ok().and_then(|data| Some((data.modified().ok()?, data.len(), path))))
        .collect()
}

/// Whoever reads a pack holds a shared lock on it until it needs it no more.
fn removed_unless_held(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    file.try_lock().is_ok() && fs::remove_file(path).is_ok()
}

/// A pack that is in use as long as the file is open.
pub(crate) fn hold(file: File) -> File {
    let _ = file.try_lock_shared(); // a system without locks may remove it, and it is packed again
    let _ = file.set_modified(SystemTime::now());
    file
}

/// What lies in a cache, by name, without what a fetch that goes on has begun.
pub fn entries(cache: &Path) -> Vec<Entry> {
    let found = fs::read_dir(cache).into_iter().flatten().flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok().filter(|name| !name.starts_with('.'))?;
        let kind = match name.as_str() {
            PACKED => Kind::Packed,
            name if SETS.iter().any(|set| set.name == name) => Kind::Set,
            _ => Kind::Other,
        };
        Some(Entry { name, kind, bytes: bytes_below(&entry.path()), path: entry.path() })
    });
    let mut found = found.collect::<Vec<_>>();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// What a cache holds under a name. An error that names the nearest when it holds nothing of that name.
pub fn find(cache: &Path, name: &str) -> Result<Entry> {
    let mut all = entries(cache);
    if let Some(at) = all.iter().position(|entry| entry.name == name) {
        return Ok(all.swap_remove(at));
    }
    if let Some(set) = SETS.iter().find(|set| set.name == name) {
        return Err(Error::input(format!("`{}` is not in the cache, so there is nothing to remove", set.name)));
    }
    let near = nearest(name, all.iter().map(|entry| entry.name.as_str()));
    let near = near.map(|near| format!(" Did you mean `{near}`?")).unwrap_or_default();
    Err(Error::input(format!(
        "the cache {} holds no `{name}`.{near} `ganvas data list` says what it holds",
        cache.display()
    )))
}

/// The bytes of a file, or of all files below a folder; links are not followed.
pub fn bytes_below(path: &Path) -> u64 {
    let Ok(data) = path.symlink_metadata() else { return 0 };
    if !data.is_dir() {
        return data.len();
    }
    fs::read_dir(path).into_iter().flatten().flatten().map(|entry| bytes_below(&entry.path())).sum()
}

/// Removes one thing from the cache; how many bytes that freed. Of packed pictures those that somebody uses stay.
pub fn remove(entry: &Entry) -> Result<u64> {
    if entry.kind == Kind::Packed {
        return Ok(trim(&entry.path, 0));
    }
    let removed = if entry.path.is_dir() { fs::remove_dir_all(&entry.path) } else { fs::remove_file(&entry.path) };
    removed.map_err(|error| Error::io(&format!("remove {}", entry.name), &entry.path, &error))?;
    Ok(entry.bytes)
}

/// What a cache holds that nothing needs now: packed pictures that nobody uses, and the packages that a set which is there was
/// made of. Data sets stay, and so do networks.
pub fn unused(cache: &Path) -> Vec<Entry> {
    let all = entries(cache);
    let sets = SETS.iter().filter(|set| all.iter().any(|entry| entry.name == set.name && entry.kind == Kind::Set));
    let spent = sets.flat_map(|set| set.made_of).collect::<Vec<_>>();
    let is_unused = |entry: &Entry| entry.kind == Kind::Packed || spent.contains(&&entry.name.as_str());
    all.iter().filter(|entry| is_unused(entry)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// A folder of packs of a hundred bytes each, the first the oldest.
    fn with_packs(count: u64) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for i in 0..count {
            let path = folder.path().join(format!("{i}.pack"));
            fs::write(&path, [0; 100]).unwrap();
            let used = SystemTime::now() - Duration::from_secs(1000 - i);
            File::options().write(true).open(&path).unwrap().set_modified(used).unwrap();
        }
        folder
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names = entries(folder).into_iter().map(|entry| entry.name).collect::<Vec<_>>();
        names.sort();
        names
    }

    #[test]
    fn the_packs_that_were_not_used_for_longest_go_first_and_one_in_use_stays() {
        let folder = with_packs(5);
        assert_eq!(trim(folder.path(), 500), 0, "as much as may be");
        let in_use = hold(File::open(folder.path().join("0.pack")).unwrap()); // and so it is the youngest
        drop(hold(File::open(folder.path().join("1.pack")).unwrap()));
        assert_eq!(trim(folder.path(), 350), 200);
        assert_eq!(names(folder.path()), ["0.pack", "1.pack", "4.pack"], "2 and 3 were not used for longest");
        assert_eq!(trim(folder.path(), 0), 200);
        assert_eq!(names(folder.path()), ["0.pack"], "somebody uses it");
        drop(in_use);
        assert_eq!(trim(folder.path(), 0), 100);
    }

    #[test]
    fn a_limit_is_a_number_with_a_unit_and_anything_else_is_one_sentence() {
        for (text, bytes) in
            [("", USUAL_LIMIT), ("500MB", 500_000_000), ("1.5 gb", 1_500_000_000), ("1GiB", 1 << 30), ("0B", 0)]
        {
            assert_eq!(limit_from(text).unwrap(), bytes, "{text}");
        }
        for text in ["much", "500", "-1GB", "NaNMB"] {
            let error = limit_from(text).unwrap_err();
            assert!(error.exit_code() == 2 && error.to_string().contains("GANVAS_CACHE_LIMIT is `"), "{error}");
        }
    }

    #[test]
    fn a_cache_tells_what_is_in_it_and_what_of_it_nothing_needs() {
        let cache = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: usize| {
            let path = cache.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, vec![0; bytes]).unwrap();
        };
        let set = SETS.iter().find(|set| set.name == "folk").unwrap();
        write("folk/train/a.mid", 30);
        write("packed/a.pack", 50);
        write(set.made_of[0], 70);
        write("network.tgz", 90);
        write(".folk.1.0.part", 11);
        let found = entries(cache.path());
        let told = |name: &str| found.iter().find(|entry| entry.name == name).map(|entry| (entry.kind, entry.bytes));
        assert_eq!((told("folk"), told("packed")), (Some((Kind::Set, 30)), Some((Kind::Packed, 50))));
        assert_eq!((told("network.tgz"), found.len()), (Some((Kind::Other, 90)), 4));
        let error = |name: &str| find(cache.path(), name).unwrap_err().to_string();
        assert!(error("netwrok.tgz").contains("Did you mean `network.tgz`?"), "{}", error("netwrok.tgz"));
        assert!(!error("xyz").contains("Did you mean") && error("mnist").contains("`mnist` is not in the cache"));
        assert_eq!(find(cache.path(), "folk").unwrap().bytes, 30);
        let unused = unused(cache.path());
        assert_eq!(unused.iter().map(|entry| remove(entry).unwrap()).sum::<u64>(), 120);
        assert_eq!(names(cache.path()), ["folk", "network.tgz", "packed"]);
        assert_eq!(remove(&entries(cache.path())[0]).unwrap(), 30);
        assert!(!cache.path().join("folk").exists());
    }
}
