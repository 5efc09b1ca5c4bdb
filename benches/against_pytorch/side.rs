//! One side of a comparison: a process that runs steps when asked, and what it answered.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::workload::Numbers;

/// How long a turn should take: long beside the change of sides, short beside the machine's moods.
const TURN_SECS: f64 = 0.6;

/// A running process and its measurements.
pub struct Side {
    pub title: String,
    /// What it calls itself, with its version.
    pub version: String,
    pub numbers: Numbers,
    /// Median seconds of a step, one of each turn.
    pub secs: Vec<f64>,
    /// The fastest single step.
    pub fastest: f64,
    /// The most it had in memory so far, in 10⁶ bytes, where the system tells.
    pub peak_memory_mb: Option<f64>,
    /// The same before it had any tensor.
    pub start_memory_mb: Option<f64>,
    steps: usize,
    process: Child,
    ask: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Side {
    /// Starts the process and waits until it is ready.
    pub fn start(title: &str, command: &mut Command) -> Result<Self, String> {
        let mut process = command
            .env_remove("OPENBLAS_CORETYPE") // settings of some machines that slow numpy down
            .env_remove("OPENBLAS_L2_SIZE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{} does not start: {error}", command.get_program().display()))?;
        let ask = process.stdin.take().expect("stdin is piped");
        let answers = BufReader::new(process.stdout.take().expect("stdout is piped")).lines();
        let mut side = Side {
            title: title.to_owned(),
            version: String::new(),
            numbers: Vec::new(),
            secs: Vec::new(),
            fastest: f64::INFINITY,
            peak_memory_mb: None,
            start_memory_mb: None,
            steps: 1,
            process,
            ask,
            answers,
        };
        let ready = side.answer()?;
        side.version = ready["ready"].as_str().unwrap_or_default().to_owned();
        side.start_memory_mb = ready["start_memory_mb"].as_f64();
        let numbers = ready["numbers"].as_object().into_iter().flatten();
        side.numbers = numbers.map(|(name, value)| (name.clone(), value.as_f64().unwrap_or(f64::NAN))).collect();
        Ok(side)
    }

    /// Runs it warm, and finds out how many steps make a turn.
    pub fn warm_up(&mut self) -> Result<(), String> {
        for _ in 0..2 {
            self.turn()?;
            let secs = self.secs.pop().unwrap_or(TURN_SECS);
            self.steps = ((TURN_SECS / secs).round() as usize).max(1);
        }
        self.fastest = f64::INFINITY;
        Ok(())
    }

    /// Some steps, timed.
    pub fn turn(&mut self) -> Result<(), String> {
        writeln!(self.ask, "go {}", self.steps).map_err(|error| format!("{} listens no more: {error}", self.title))?;
        let answer = self.answer()?;
        let secs = answer["secs"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect::<Vec<f64>>();
        self.fastest = secs.iter().copied().fold(self.fastest, f64::min);
        self.secs.push(quantile(&secs, 0.5));
        Ok(())
    }

    fn answer(&mut self) -> Result<Value, String> {
        let line = match self.answers.next() {
            Some(Ok(line)) => line,
            Some(Err(error)) => return Err(format!("{}'s answer: {error}", self.title)),
            None => return Err(format!("{} ended; see its message above", self.title)),
        };
        let answer = serde_json::from_str::<Value>(&line);
        let answer = answer.map_err(|error| format!("{} says {line:?}, which is no answer: {error}", self.title))?;
        self.peak_memory_mb = answer["peak_memory_mb"].as_f64();
        Ok(answer)
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        let _ = self.process.kill(); // it has nothing to put away
        let _ = self.process.wait();
    }
}

/// The value below which this share of the values lies; the median for 0.5.
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let at = share * values.len().saturating_sub(1) as f64;
    let (low, high) = (at.floor() as usize, at.ceil() as usize);
    match (values.get(low), values.get(high)) {
        (Some(a), Some(b)) => a + (b - a) * (at - low as f64),
        _ => f64::NAN,
    }
}
