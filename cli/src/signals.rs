//! Ctrl-C: once asks for a checkpoint and the end, twice ends now.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::progress::say;

/// The exit code of a process ended by Ctrl-C, as shells have it.
const INTERRUPTED: i32 = 130;

/// Whether somebody asked to stop, and what is said to it.
pub struct Signals {
    asked: Arc<AtomicBool>,
    sentence: Arc<Mutex<&'static str>>,
}

/// Listens for Ctrl-C and for a request to terminate, from now on; says this when the first comes.
pub fn listen(sentence: &'static str) -> anyhow::Result<Signals> {
    let signals = Signals { asked: Arc::default(), sentence: Arc::new(Mutex::new(sentence)) };
    let (asked, sentence) = (signals.asked.clone(), signals.sentence.clone());
    ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::SeqCst) {
            std::process::exit(INTERRUPTED);
        }
        say(&format!("\n{}", sentence.lock().unwrap_or_else(PoisonError::into_inner)));
    })?;
    Ok(signals)
}

impl Signals {
    /// From now on, the first Ctrl-C is told this.
    pub fn now_say(&self, sentence: &'static str) {
        *self.sentence.lock().unwrap_or_else(PoisonError::into_inner) = sentence;
    }

    /// Waits until somebody asks to stop.
    pub fn wait(&self) {
        while self.flow().is_continue() {
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Break as soon as somebody asked to stop.
    pub fn flow(&self) -> ControlFlow<()> {
        if self.asked.load(Ordering::SeqCst) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
