//! Small made-up data of every kind, drawn by code: what the tests learn from where no real set is needed.
//!
//! A test asks for a kind, such as [`digits`], and gets a folder, or for all that a recipe needs by the name of its data
//! set, with [`settings`]. The folders lie beside the compiled tests, in `target`, and are drawn once; the same code draws
//! the same bytes. [`cache`] is the cache of the tests: none of them writes into the user's own.

mod draw;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use draw::{Chances, Picture};

/// What [`digits`] holds out for previews, in the settings of a recipe that counts them.
const HELD_OUT_DIGITS: usize = 300;

/// The folder of a kind, and what draws it.
type Kind = (&'static str, fn(&Path));

const KINDS: &[Kind] = &[
    ("digits", draw::digits),
    ("faces", draw::faces),
    ("classes", draw::classes),
    ("pairs", draw::pairs),
    ("domains", draw::domains),
    ("photographs", draw::photographs),
    ("tunes", draw::tunes),
    ("persons", draw::persons),
    ("portraits", draw::portraits),
];

/// 1,500 digits to learn from and 500 to test with, 28x28 grey, in MNIST's four files.
pub fn digits() -> PathBuf {
    of_kind("digits")
}

/// Coloured faces of 64x64 with two captions each, in `captions.csv`, and their hair and skin in `labels.csv`: `train` with 240,
/// `held-out` with 64.
pub fn faces() -> PathBuf {
    of_kind("faces")
}

/// Coloured shapes of 32x32 in three classes: `train` with 40 of each, `validation` with 24 of each.
pub fn classes() -> PathBuf {
    of_kind("classes")
}

/// Outlines of 64x64, each beside the same in colour, as pictures of 128x64: `train` with 80, `val` with 64, `test` with 32.
pub fn pairs() -> PathBuf {
    of_kind("pairs")
}

/// Discs and squares of 32x32: `trainA` and `trainB` with 60 each, `testA` and `testB` with 64 of the same names.
pub fn domains() -> PathBuf {
    of_kind("domains")
}

/// Photographs that differ in size, 48 to 96 pixels a side: `train` with 32, `validation` with 64, `test` with 24.
pub fn photographs() -> PathBuf {
    of_kind("photographs")
}

/// Tunes in 4/4 of eight bars and more: `train` with 30 in ABC and 2 as MIDI files, `held-out` with 24 in ABC.
pub fn tunes() -> PathBuf {
    of_kind("tunes")
}

/// Persons of 32x32 in eight poses each, with their joints: `train` with 12 of them, `held-out` with 8.
pub fn persons() -> PathBuf {
    of_kind("persons")
}

/// Faces of 32x32 of two persons, ann and bob: `train` with 40 of each, `held-out` with 32 of each.
pub fn portraits() -> PathBuf {
    of_kind("portraits")
}

/// The made-up data that stand for a data set of the command's list. Panics for a set that has no kind here yet: draw one.
pub fn instead_of(set: &str) -> PathBuf {
    match set {
        "mnist" => digits(),
        "avatars" | "anime" => faces(),
        "openmoji" => pairs(),
        "emoji" => domains(),
        "food" => classes(),
        "photos" => photographs(),
        "folk" => tunes(),
        "sprites" => persons(),
        _ => panic!("no made-up data stand for the set `{set}`; draw some in tests/made-up"),
    }
}

/// What a recipe learns from, made up: by the name of its own data set, or by the `keys` of its configuration where it has none and is
/// given faces of persons. None for a recipe that learns from no files.
pub fn data(set: Option<&str>, keys: &[String]) -> Option<PathBuf> {
    set.map(instead_of).or_else(|| keys.iter().any(|key| key == "persons").then(portraits))
}

/// Settings that have a recipe learn from made-up data alone, as for `--set`: `set` is the name of its own data set, if it
/// has one, and `keys` are those of its configuration. What a network that others trained would judge is left out.
pub fn settings(set: Option<&str>, keys: &[String]) -> Vec<String> {
    let mut settings = Vec::new();
    if let Some(path) = data(set, keys) {
        settings.push(format!("data.path=\"{}\"", path.display()));
    }
    let digits = HELD_OUT_DIGITS.to_string();
    let known = [("data.validation_images", digits.as_str()), ("perceptual_weight", "0"), ("encoder", "words")];
    let known = known.iter().filter(|(key, _)| keys.iter().any(|own| own == key));
    settings.extend(known.map(|(key, value)| format!("{key}={value}")));
    settings
}

/// The cache of the tests, beside the compiled ones. A command that a test starts gets it as `GANVAS_CACHE`. The
/// variable's own value comes first: whoever sets it says where the tests may write. Tests with real packages
/// (`--ignored`) have a cache of their own, so that no other test finds what they fetched.
pub fn cache() -> &'static Path {
    static CACHE: OnceLock<PathBuf> = OnceLock::new();
    CACHE.get_or_init(|| {
        let own = std::env::var_os("GANVAS_CACHE").filter(|own| !own.is_empty());
        let name = if with_packages() { "test-cache-packages" } else { "test-cache" };
        own.map_or_else(|| beside_the_tests().join(name), PathBuf::from)
    })
}

/// Prepares a command that a test starts: it has the cache of the tests, and it finds no npm, pip or apt unless the
/// test is one of those with real packages.
pub fn prepare(command: &mut Command) -> &mut Command {
    if !with_packages() {
        command.env("PATH", "");
    }
    command.env("GANVAS_CACHE", cache())
}

/// Whether this process runs the tests with real packages.
fn with_packages() -> bool {
    std::env::args().any(|arg| arg == "--ignored")
}

/// Has this process use the cache of the tests, and every command it starts.
pub fn use_cache() {
    static USED: OnceLock<()> = OnceLock::new();
    USED.get_or_init(|| {
        let cache = cache();
        // SAFETY: the standard library locks the environment, and the tests call nothing that reads it past that lock.
        unsafe { std::env::set_var("GANVAS_CACHE", cache) }
    });
}

/// The folder of the profile that this test is compiled for, such as `target/release`.
fn beside_the_tests() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own file");
    test.ancestors().nth(2).expect("a test lies in target/PROFILE/deps").to_owned()
}

/// The folder of a kind, drawn the first time.
fn of_kind(name: &str) -> PathBuf {
    let all = all();
    let (kind, draw) = KINDS.iter().find(|(kind, _)| *kind == name).expect("it stands in the list");
    let folder = all.join(kind);
    if folder.exists() {
        return folder;
    }
    // Aside first: several tests may draw it at once, and the first is as good as the others.
    let (process, thread) = (std::process::id(), format!("{:?}", std::thread::current().id()));
    let thread = thread.chars().filter(char::is_ascii_digit).collect::<String>();
    let aside = all.join(format!(".{kind}.{process}.{thread}"));
    fs::create_dir_all(&aside).expect("target can be written");
    draw(&aside);
    if fs::rename(&aside, &folder).is_err() {
        assert!(folder.exists(), "{} cannot be put in its place", folder.display());
        let _ = fs::remove_dir_all(&aside);
    }
    folder
}

/// Where all kinds are: another folder whenever the code that draws them changes.
fn all() -> PathBuf {
    let code = include_bytes!("draw.rs").iter();
    let hash =
        code.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    beside_the_tests().join(format!("made-up-{hash:016x}"))
}

/// A picture of [`photographs`], for a test that wants one of its own: a PNG of so many pixels.
pub fn photograph(file: &Path, [width, height]: [usize; 2], seed: u64) {
    draw::photograph([width, height], &mut Chances::new(seed)).write(file);
}

/// A picture of one colour, 0 to 255 a channel, as a PNG.
pub fn plain(file: &Path, [width, height]: [usize; 2], colour: [u8; 3]) {
    Picture::plain([width, height], colour).write(file);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_below(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match path.is_dir() {
                true => found.extend(bytes_below(&path)),
                false => found.push((path.clone(), fs::read(&path).unwrap())),
            }
        }
        found.sort();
        found
    }

    #[test]
    fn every_kind_is_small_and_drawn_alike_each_time() {
        for (kind, draw) in KINDS {
            let once = of_kind(kind);
            let again = all().join(format!(".again.{kind}.{}", std::process::id()));
            fs::create_dir_all(&again).unwrap();
            draw(&again);
            let [once, twice] = [&once, &again].map(|folder| {
                let files = bytes_below(folder).into_iter();
                files.map(|(path, bytes)| (path.strip_prefix(folder).unwrap().to_owned(), bytes)).collect::<Vec<_>>()
            });
            fs::remove_dir_all(&again).unwrap();
            assert!(once == twice, "{kind} is not drawn alike each time");
            let size = once.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
            assert!(!once.is_empty() && size < 2_000_000, "{kind} has {} files of {size} bytes", once.len());
        }
    }
}
