//! Progress on long work: a bar on a terminal, a plain line every ten seconds elsewhere.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use console::Term;
use ganvas::data::DataSet;
use ganvas::report::Progress as WorkProgress;
use ganvas::{Progress, Resolved};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const LINE_EVERY: Duration = Duration::from_secs(10);
const DRAWN_EVERY: Duration = Duration::from_millis(125);
/// The columns of a line where nobody tells how many there are.
const COLUMNS: usize = 80;
/// The columns of a training's bar, with its brackets and the space after it.
const BAR: usize = 15;
/// A run of fewer images is counted in steps: it would read as 0 kimg.
const COUNTED_IN_STEPS: u64 = 10_000;
/// Scalars shown beside the bar; the rest is in events.jsonl.
const SHOWN: usize = 4;

/// Says something on standard error; a reader that has gone away must not end a training. What would steer a terminal, as the name
/// of a file may, is written out.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", plain(text));
}

/// A text without characters that steer a terminal, but for the ends of lines.
fn plain(text: &str) -> String {
    let steers = |c: char| c.is_control() && c != '\n';
    text.chars().map(|c| if steers(c) { c.escape_default().to_string() } else { c.to_string() }).collect()
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

/// The progress of a training: the time left first, then how far it is, how fast, and scalars.
pub struct Training {
    bar: ProgressBar,
    begun: Instant,
    every: Duration,
    drawn: Option<Instant>,
    steps: u64, // that this process did, also those that were given up by going back
    batch: u64,
    in_steps: bool,
}

impl Training {
    /// A training that goes on after `first_step` steps.
    pub fn new(config: &Resolved, first_step: u64) -> Self {
        let train = &config.train;
        let bar = bar(train.total_steps(), "[{bar:12}] {msg}");
        bar.set_position(first_step);
        let every = if bar.is_hidden() { LINE_EVERY } else { DRAWN_EVERY };
        let in_steps = train.steps > 0 || train.total_images() < COUNTED_IN_STEPS;
        Training { bar, begun: Instant::now(), every, drawn: None, steps: 0, batch: train.batch as u64, in_steps }
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
                false => format!(
                    "Doctor: {} since step {}: {} {} {}",
                    found.name, found.since_step, found.sentence, found.leads_to, found.remedy
                ),
            };
            self.bar.suspend(|| say(&text));
        }
        let Some(parts) = self.parts(progress) else { return };
        if self.bar.is_hidden() {
            say(&fitted(parts, COLUMNS - 1));
        } else {
            let columns = usize::from(Term::stderr().size().1);
            self.bar.set_position(progress.step);
            self.bar.set_message(fitted(parts, columns.saturating_sub(BAR + 1)));
        }
    }

    /// What is to be shown of a step, the most important first; none while it is too early to draw again. The scalars are
    /// read for it, which waits for the step, and so not at every one.
    fn parts(&mut self, progress: &Progress) -> Option<Vec<String>> {
        self.steps += 1;
        let is_due = self.drawn.is_none_or(|drawn| drawn.elapsed() >= self.every);
        if !is_due && progress.step < progress.total_steps {
            return None;
        }
        self.drawn = Some(Instant::now());
        let left =
            self.begun.elapsed().as_secs_f64() / self.steps as f64 * (progress.total_steps - progress.step) as f64;
        let (done, total) = (self.amount(progress.step), self.amount(progress.total_steps));
        let parts = [
            format!("{} left", duration(left)),
            format!("{done}/{total} {}", self.unit()),
            format!("{} img/s", self.images_per_sec()),
        ];
        let scalars = progress.scalars.read().into_iter().take(SHOWN).map(|(name, value)| format!("{name} {value:.3}"));
        Some(parts.into_iter().chain(scalars).collect())
    }

    /// A short run counts its steps, and so does one whose length was given in steps.
    fn unit(&self) -> &'static str {
        if self.in_steps { "steps" } else { "kimg" }
    }

    /// So many steps, in the unit.
    fn amount(&self, steps: u64) -> String {
        if self.in_steps {
            return steps.to_string();
        }
        let kimg = format!("{:.1}", (steps * self.batch) as f64 / 1000.0);
        kimg.strip_suffix(".0").map_or(kimg.clone(), str::to_owned)
    }

    fn images_per_sec(&self) -> String {
        let speed = (self.steps * self.batch) as f64 / self.begun.elapsed().as_secs_f64().max(1e-9);
        if speed < 10.0 { format!("{speed:.1}") } else { format!("{speed:.0}") }
    }

    /// Leaves the last state on the screen, and says what all of it took.
    pub fn end(&self) {
        self.bar.abandon();
        if self.steps > 0 {
            let (done, took) = (self.amount(self.steps), duration(self.begun.elapsed().as_secs_f64()));
            say(&format!("Trained {done} {} in {took}, {} images a second.", self.unit(), self.images_per_sec()));
        }
    }
}

/// As many of the parts, from the first on, as a line has room for.
fn fitted(parts: Vec<String>, columns: usize) -> String {
    let mut line = String::new();
    for part in parts {
        let gap = if line.is_empty() { "" } else { "  " };
        if line.chars().count() + gap.len() + part.chars().count() > columns {
            break;
        }
        line = line + gap + &part;
    }
    line
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
        let bar = self.bar.get_or_insert_with(|| bar(0, "[{bar:12}] {wide_msg}")); // cut off where the line ends
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
        bar.set_message(left.as_deref().into_iter().chain([progress.what]).collect::<Vec<_>>().join("  "));
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

#[cfg(test)]
mod tests {
    use ganvas::Scalars;

    use super::*;

    #[test]
    fn what_is_said_does_not_steer_the_terminal() {
        assert_eq!(plain("a\u{1b}[31m.png\r is\nred\t\u{9b}"), "a\\u{1b}[31m.png\\r is\nred\\t\\u{9b}");
    }

    fn training(sets: &[&str]) -> Training {
        let sets = sets.iter().map(|set| set.to_string()).collect::<Vec<_>>();
        Training::new(&Resolved::new(ganvas::recipe("ring").unwrap(), None, &sets).unwrap(), 0)
    }

    fn parts(training: &mut Training, step: u64, total_steps: u64) -> Option<Vec<String>> {
        let (images, scalars) = (step * training.batch, &Scalars::default());
        training.parts(&Progress { step, total_steps, images, scalars, diagnoses: &[], rolled_back: None })
    }

    #[test]
    fn a_step_is_read_when_a_line_is_drawn_and_not_every_time() {
        let mut training = training(&["train.steps=100"]);
        training.every = Duration::from_secs(3600);
        let drawn = (1..=100).filter(|step| parts(&mut training, *step, 100).is_some());
        assert_eq!(drawn.collect::<Vec<_>>(), [1, 100], "the first and the last");
    }

    #[test]
    fn a_short_run_does_not_read_as_0_kimg() {
        let words = |sets: &[&str], step| {
            let mut training = training(sets);
            let total = 40; // steps of 256 images
            parts(&mut training, step, total).unwrap()[1].clone()
        };
        assert_eq!(words(&["train.kimg=9"], 3), "3/40 steps");
        assert_eq!(words(&["train.steps=40"], 3), "3/40 steps");
        assert_eq!(words(&["train.kimg=10.24"], 3), "0.8/10.2 kimg");
        assert_eq!(words(&["train.kimg=10.24", "train.batch=1000"], 40), "40/40 kimg");
    }

    #[test]
    fn a_line_has_as_many_parts_as_fit_and_the_time_left_first() {
        let mut training = training(&["train.kimg=100000000"]);
        let mut parts = parts(&mut training, 1, 390_625_000).unwrap();
        assert!(parts[0].ends_with(" left"), "{parts:?}");
        parts.extend((1..SHOWN).map(|i| format!("discriminator_loss_{i} -1234.567")));
        parts.push("g 1.000".to_owned()); // has room again, but comes after what has none
        let line = fitted(parts.clone(), COLUMNS - 1 - BAR);
        assert!(line.len() <= 64 && parts.join("  ").starts_with(&line) && line.ends_with("img/s"), "{line}");
        assert_eq!(fitted(parts.clone(), 1000), parts.join("  "));
    }
}
