//! Progress on long work: a bar on a terminal, a plain line every ten seconds elsewhere.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use ganvas::data::DataSet;
use ganvas::report::Progress as WorkProgress;
use ganvas::{Progress, Resolved};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const LINE_EVERY: Duration = Duration::from_secs(10);
/// Scalars shown beside the bar; the rest is in events.jsonl.
const SHOWN: usize = 4;

/// Says something on standard error; a reader that has gone away must not end a training.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// "1 h 04 min", "12 min 30 s" or "8 s".
pub fn duration(secs: f64) -> String {
    let secs = secs.round().max(0.0) as u64;
    match (secs / 3600, secs / 60 % 60, secs % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s:02} s"),
        (h, m, _) => format!("{h} h {m:02} min"),
    }
}

/// A bar, hidden where standard error is no terminal.
fn bar(total: u64, template: &str) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr_with_hz(8)
    } else {
        ProgressDrawTarget::hidden()
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(total), target).with_style(style.progress_chars("=> "))
}

/// The progress of a training.
pub struct Training {
    bar: ProgressBar,
    first_step: u64,
    begun: Instant,
    last_line: Option<Instant>,
    kimg_per_step: f64,
}

impl Training {
    /// A training that goes on after `first_step` steps.
    pub fn new(config: &Resolved, first_step: u64) -> Self {
        let total = config.train.total_steps();
        let bar = bar(total, "[{bar:30}] {msg}");
        bar.set_position(first_step);
        let kimg_per_step = config.train.batch as f64 / 1000.0;
        Training { bar, first_step, begun: Instant::now(), last_line: None, kimg_per_step }
    }

    /// Shows a step.
    pub fn show(&mut self, progress: &Progress) {
        if let Some(changes) = progress.rolled_back {
            let changed = changes.iter().map(|change| format!("{} = {}", change.key, change.value)).collect::<Vec<_>>();
            let text = format!("Went back to step {}, and on with {}.", progress.step - 1, changed.join(", "));
            self.bar.suspend(|| say(&text));
        }
        for found in progress.diagnoses {
            let text = match found.ended {
                true => format!("Doctor: {} has passed.", found.name),
                false => format!("Doctor: {}: {} {} {}", found.name, found.sentence, found.leads_to, found.remedy),
            };
            self.bar.suspend(|| say(&text));
        }
        let line_is_due = self.last_line.is_none_or(|last| last.elapsed() >= LINE_EVERY);
        if self.bar.is_hidden() && !line_is_due && progress.step < progress.total_steps {
            return;
        }
        let elapsed = self.begun.elapsed().as_secs_f64();
        let steps = progress.step.saturating_sub(self.first_step).max(1) as f64; // it may have gone back
        let left = elapsed / steps * (progress.total_steps - progress.step) as f64;
        let speed = steps * self.kimg_per_step * 1000.0 / elapsed.max(1e-9);
        let scalars = progress.scalars.read().into_iter().take(SHOWN).map(|(name, value)| format!("{name} {value:.3}"));
        let message = format!(
            "{:.1}/{:.0} kimg  {}  {speed:.0} img/s  {} left",
            progress.images as f64 / 1000.0,
            progress.total_steps as f64 * self.kimg_per_step,
            scalars.collect::<Vec<_>>().join("  "),
            duration(left),
        );
        if self.bar.is_hidden() {
            self.last_line = Some(Instant::now());
            say(&message);
        } else {
            self.bar.set_message(message);
            self.bar.set_position(progress.step);
        }
    }

    /// Leaves the last state on the screen.
    pub fn end(&self) {
        self.bar.abandon();
    }
}

/// Fetches a data set into a folder and shows how far it is.
pub fn fetch(set: &DataSet, folder: &Path) -> ganvas::Result<()> {
    let mut work = Work::new(format!("getting {}", set.name));
    let fetched = (set.fetch)(folder, &mut |progress| work.show(&progress));
    work.end();
    fetched
}

/// Work whose end is known, or whose beginning at least.
pub struct Work {
    bar: Option<ProgressBar>,
    name: String,
    last_line: Option<Instant>,
    begun: (Instant, u64), // the part of it that goes on, and how much was done
    done: u64,
}

impl Work {
    /// Work called `name`. Nothing is shown before the first progress.
    pub fn new(name: String) -> Self {
        Work { bar: None, name, last_line: None, begun: (Instant::now(), 0), done: 0 }
    }

    /// "34%, 2 min 05 s left", where the end is known; the time, where enough is done to tell.
    fn left(&mut self, WorkProgress { done, total, .. }: &WorkProgress) -> Option<String> {
        let (done, total) = (*done, (*total)?.max(1));
        if done < self.done {
            self.begun = (Instant::now(), done); // another part
        }
        self.done = done;
        let (elapsed, some) = (self.begun.0.elapsed().as_secs_f64(), done.saturating_sub(self.begun.1));
        let percent = 100 * done / total;
        if some == 0 || done >= total {
            return Some(format!("{percent}%"));
        }
        let left = elapsed / some as f64 * (total - done) as f64;
        Some(format!("{percent}%, {} left", duration(left)))
    }

    /// Shows how far it is.
    pub fn show(&mut self, progress: &WorkProgress) {
        let left = self.left(progress);
        let bar = self.bar.get_or_insert_with(|| bar(0, "[{bar:30}] {msg}"));
        if bar.is_hidden() {
            if self.last_line.is_none_or(|last| last.elapsed() >= LINE_EVERY) {
                self.last_line = Some(Instant::now());
                let left = left.map(|left| format!(", {left}"));
                say(&format!("{}: {}{}", self.name, progress.what, left.unwrap_or_default()));
            }
            return;
        }
        match progress.total {
            Some(total) => bar.set_length(total),
            None => bar.tick(),
        }
        bar.set_position(progress.done);
        bar.set_message([progress.what, left.as_deref().unwrap_or_default()].join("  "));
    }

    /// Says something beside the bar.
    pub fn suspend(&self, say: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(say),
            None => say(),
        }
    }

    /// Clears the bar.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
