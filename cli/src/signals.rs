//! Ctrl-C: once asks for a checkpoint and the end, twice ends now.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::progress::say;

/// The exit code of a process ended by Ctrl-C, as shells have it.
const INTERRUPTED: i32 = 130;

/// Whether somebody asked to stop.
pub struct Signals(Arc<AtomicBool>);

/// Listens for Ctrl-C and for a request to terminate, from now on; says this when the first comes.
pub fn listen(sentence: &'static str) -> anyhow::Result<Signals> {
    let asked = Arc::new(AtomicBool::new(false));
    let seen = asked.clone();
    ctrlc::set_handler(move || {
        if seen.swap(true, Ordering::SeqCst) {
            std::process::exit(INTERRUPTED);
        }
        say(&format!("\n{sentence}"));
    })?;
    Ok(Signals(asked))
}

impl Signals {
    /// Waits until somebody asks to stop.
    pub fn wait(&self) {
        while self.flow().is_continue() {
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Break as soon as somebody asked to stop.
    pub fn flow(&self) -> ControlFlow<()> {
        if self.0.load(Ordering::SeqCst) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
