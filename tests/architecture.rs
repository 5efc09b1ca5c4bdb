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
            } else if path.extension().is_some_and(|e| e == "rs") {
                // What is under #[cfg(test)] at the end of a file is not the library.
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

/// The top-level module of a file under src: `nn` for src/nn/linear.rs, `recipe` for src/recipe.rs.
fn module(path: &Path) -> String {
    let relative = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let first = relative.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// What each module may use of the others. `lib` and the command see everything.
fn may_use(module: &str) -> &'static [&'static str] {
    match module {
        "error" => &[],
        "aside" => &["error"],
        "random" | "parts" => &["error"],
        "safetensors" | "pickle" => &["parts"],
        "ncnn" => &[],
        "foreign" => &["error", "parts", "safetensors", "pickle", "ncnn"],
        "augment" => &["random", "parts"],
        "loss" => &["error", "aside", "random", "parts", "foreign", "nn", "loss", "optim", "data", "media"],
        "nn" | "optim" | "data" | "media" => {
            &["error", "aside", "random", "parts", "nn", "loss", "optim", "data", "media"]
        }
        "recipe" | "config" => &[
            "error", "aside", "random", "parts", "foreign", "nn", "loss", "optim", "data", "media", "recipe", "config",
        ],
        "recipes" => &[
            "error", "random", "parts", "ncnn", "foreign", "augment", "nn", "loss", "optim", "data", "media", "recipe",
            "config",
        ],
        "eval" => &[
            "error",
            "aside",
            "random",
            "parts",
            "safetensors",
            "pickle",
            "nn",
            "loss",
            "optim",
            "data",
            "media",
            "recipe",
        ],
        "import" => &["error", "aside", "parts", "foreign", "data", "recipe", "config", "run"],
        "apply" => &["error", "data", "media", "recipe"],
        "project" => &["error", "random", "loss", "optim", "data", "media", "recipe"],
        "doctor" => &["error", "random", "data", "media", "run", "doctor"],
        "run" | "train" | "sample" => &[
            "error",
            "aside",
            "random",
            "parts",
            "safetensors",
            "data",
            "media",
            "recipe",
            "config",
            "eval",
            "doctor",
            "run",
            "train",
            "sample",
        ],
        unknown => {
            panic!("src/{unknown} has no place in the import rule; give it one here and in docs/ARCHITECTURE.md")
        }
    }
}

#[test]
fn modules_use_each_other_in_one_direction() {
    for (path, text) in sources("src") {
        let own = module(&path);
        if own == "lib" {
            continue; // sees everything
        }
        let allowed = may_use(&own);
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for used in code.flat_map(|line| line.split("crate::").skip(1)) {
            let used = used.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
            let fine = used == own || allowed.contains(&used);
            assert!(fine, "{}: `{own}` may not use `{used}`", path.display());
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
