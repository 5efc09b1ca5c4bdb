//! Tells the command which commit it is built from, and with which features, for `ganvas --version`.

use std::path::Path;
use std::process::Command;

/// What the command is made of, from the root. The script runs again when one of these changes, and then the command is built
/// again anyway; a commit that changes nothing here builds nothing.
const SOURCES: [&str; 6] = ["src", "cli/src", "cli/build.rs", "kernels/src", "Cargo.toml", "Cargo.lock"];

fn main() {
    for source in SOURCES {
        println!("cargo:rerun-if-changed=../{source}");
    }
    println!("cargo:rustc-env=GANVAS_COMMIT={}", commit().unwrap_or_else(|| "none".to_owned()));
    let features = std::env::vars().filter_map(|(name, _)| Some(name.strip_prefix("CARGO_FEATURE_")?.to_lowercase()));
    let mut features = features.filter(|feature| feature != "default").collect::<Vec<_>>();
    features.sort();
    let features = if features.is_empty() { "none".to_owned() } else { features.join(", ") };
    println!("cargo:rustc-env=GANVAS_FEATURES={features}");
}

/// The commit, and whether the sources have changed since; none without git, or where this is no clone.
fn commit() -> Option<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    if !root.join(".git").exists() {
        return None; // it may lie in somebody else's repository
    }
    let git = |args: &[&str]| {
        let output = Command::new("git").arg("--no-optional-locks").arg("-C").arg(&root).args(args).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = git(&[&["status", "--porcelain", "--"], &SOURCES[..]].concat())?;
    Some(if changed.is_empty() { commit } else { format!("{commit}, with changes") })
}
