//! The whole of `ganvas import`: a file, the recipe whose network it is, a run directory. What is refused leaves nothing behind
//! and is a sentence that can be printed; what is taken can be loaded. The first byte says what the rest is: ncnn's two files, a
//! file as it is, or names and shapes of a state dict.
#![no_main]

use std::path::Path;

use ganvas::import::{import, Card, Found};
use ganvas::{device, sample, RECIPES};
use ganvas_fuzz::{file, ncnn, state_dict};
use libfuzzer_sys::fuzz_target;

/// Characters that a refusal may have.
const SENTENCE: usize = 1000;

fuzz_target!(|bytes: &[u8]| {
    let Some((way, rest)) = bytes.split_first() else { return };
    let files = match way % 3 {
        0 => match ncnn(rest) {
            Some(files) => files,
            None => return,
        },
        1 => file("network.pth", rest),
        _ => file("network.safetensors", &state_dict(rest)),
    };
    let card = Card { name: "network".to_owned(), source: "network".to_owned(), ..Card::default() };
    let root = std::env::temp_dir().join(format!("ganvas-fuzz-{}", std::process::id()));
    match import(&Found { card, files }, RECIPES, &root) {
        Ok(imported) => {
            let loaded = load(&root);
            std::fs::remove_dir_all(imported.run.path()).expect("the run can be removed");
            loaded.expect("what was imported can be loaded");
        }
        Err(error) => {
            assert!(!root.exists(), "a refusal leaves {} behind", root.display());
            let said = error.to_string();
            assert!(said.chars().count() < SENTENCE, "{} characters are no sentence", said.chars().count());
            assert!(!said.chars().any(|c| c.is_control() && c != '\n'), "{said:?} is not fit for a terminal");
        }
    }
});

fn load(root: &Path) -> ganvas::Result<()> {
    let run = ganvas::RunDir::open(root)?;
    sample::model(&run.config(RECIPES)?, &sample::checkpoint(&run, None)?, &device::cpu()).map(drop)
}
