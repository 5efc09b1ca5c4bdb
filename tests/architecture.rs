//! The house rules that a reader should not have to check: which module may use which, and what no source holds.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs")
                && !path.ends_with("src/golden.rs")
                && !path.ends_with("tests.rs")
            {
                // What is under #[cfg(test)] at the end of a file is not the library, and neither are golden.rs and tests.rs.
                let text = fs::read_to_string(&path).unwrap();
                let library = text.split("#[cfg(test)]\nmod tests").next().unwrap();
                let library = library.split("#[cfg(test)]\npub(crate) mod tests").next().unwrap();
                found.push((path, library.to_owned()));
            }
        }
    }
    assert!(!found.is_empty(), "no sources under {folder}");
    found
}

/// The top-level module of a file under a folder: `nn` for src/nn/linear.rs, `recipe` for src/recipe.rs.
fn module(folder: &str, path: &Path) -> String {
    let relative = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap();
    let first = relative.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// The modules that stand after `crate::`, one or several in braces.
fn used_modules(after: &str) -> impl Iterator<Item = &str> {
    let group = after.strip_prefix('{').and_then(|group| group.split('}').next());
    let paths = group.map_or(vec![after], |group| group.split(", ").collect());
    paths.into_iter().map(|path| path.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap())
}

/// The library's modules: each uses earlier ones only. `lib` sees everything.
const LIBRARY: &[&str] = &[
    "error",
    "aside",
    "hash",
    "shell",
    "report",
    "memory",
    "device",
    "random",
    "parts",
    "step",
    "media",
    "request",
    "augment",
    "nn",
    "optim",
    "ncnn",
    "graph",
    "tfjs",
    "tflite",
    "safetensors",
    "pickle",
    "foreign",
    "data",
    "looks",
    "field",
    "loss",
    "config",
    "model",
    "apply",
    "swap",
    "project",
    "recipe",
    "session",
    "prelude",
    "entry",
    "recipes",
    "passport",
    "run",
    "import",
    "sample",
    "doctor",
    "eval",
    "train",
];

/// The command's, likewise. `main` sees everything.
const COMMAND: &[&str] = &["memory", "progress", "signals", "asked", "web", "commands"];

#[test]
fn modules_use_earlier_ones_only() {
    for (folder, order) in [("src", LIBRARY), ("cli/src", COMMAND)] {
        let place = |name: &str| order.iter().position(|known| *known == name);
        for (path, text) in sources(folder) {
            let own = module(folder, &path);
            if ["lib", "main"].contains(&own.as_str()) {
                continue; // sees everything
            }
            let here = place(&own);
            assert!(
                here.is_some(),
                "{folder}/{own} has no place in the order; give it one here and in docs/ARCHITECTURE.md"
            );
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            for used in code.flat_map(|line| line.split("crate::").skip(1)).flat_map(used_modules) {
                let fine = used == own || place(used).is_some_and(|used| Some(used) < here);
                assert!(fine, "{}: `{own}` may not use `{used}`, which comes after it", path.display());
            }
        }
        let there = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(name).exists();
        let gone = order.iter().find(|name| !there(name) && !there(&format!("{name}.rs")));
        assert!(gone.is_none(), "{gone:?} is in the order and not in {folder}");
    }
}

#[test]
fn recipes_compute_where_they_are_told_and_nothing_else_sees_them() {
    for (path, text) in sources("src") {
        let own = module("src", &path);
        if own == "recipes" {
            for word in ["from_data", "from_signed", "Device::flex"] {
                assert!(
                    !text.contains(word),
                    "{}: {word}; one place brings data to the device and back",
                    path.display()
                );
            }
        } else if own != "lib" {
            assert!(!text.contains("crate::recipes"), "{}: only lib.rs sees the recipes", path.display());
        }
        if own != "device" {
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let names = code.filter(|line| line.contains("Device::flex")).count();
            assert!(names == 0, "{}: only device.rs names a device", path.display());
        }
    }
}

#[test]
fn the_library_prints_nothing_and_unwraps_nothing() {
    let forbidden =
        ["println!", "eprintln!", "print!(", "dbg!", "todo!", "unimplemented!", ".unwrap()", "process::exit"];
    for (path, text) in sources("src") {
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            for word in forbidden {
                assert!(!line.contains(word), "{}: {word} in `{}`", path.display(), line.trim());
            }
        }
    }
    for (path, text) in sources("cli/src") {
        assert!(!text.contains(".unwrap()"), "{}: unwrap", path.display());
    }
}

#[test]
fn files_are_named_for_what_they_hold_and_open_with_a_sentence() {
    for (path, text) in sources("src").into_iter().chain(sources("cli/src")) {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(!["utils", "util", "common", "helpers", "misc"].contains(&name.as_str()), "{}", path.display());
        let first = text.lines().next().unwrap_or_default();
        assert!(first.starts_with("//! "), "{} does not open with what it is for", path.display());
    }
}

#[test]
fn nothing_but_the_registry_chooses_by_a_recipes_name() {
    for (path, text) in sources("src").into_iter().chain(sources("cli/src")) {
        for entry in ganvas::RECIPES {
            let arm = format!("\"{}\" =>", entry.info.name);
            let test = format!("== \"{}\"", entry.info.name);
            assert!(!text.contains(&arm) && !text.contains(&test), "{}: {arm}", path.display());
        }
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("cli/src/web/assets");
    for path in std::fs::read_dir(page).unwrap().map(|entry| entry.unwrap().path()) {
        let text = std::fs::read_to_string(&path).unwrap();
        let names = ganvas::RECIPES.iter().map(|entry| entry.info.name).filter(|name| *name != "grid"); // a class, too
        for name in names {
            assert!(!text.contains(&format!("\"{name}\"")), "{}: {name}", path.display());
        }
    }
}
