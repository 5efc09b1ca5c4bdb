//! The MNIST GAN's step at batch 128 against PyTorch's, alternating in one run so that a noisy machine hits both alike.
//!
//! `cargo bench --bench mnist_step -p ganvas -- PYTHON` where PYTHON is an interpreter that has torch; without one only Ganvas
//! is timed. It prints the median of each side and of the ratios of neighbours (above 1: Ganvas is faster).

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use ganvas::random::Draws;
use ganvas::{Device, Resolved, Session, StepCx, peak_memory, recipe};
use mimalloc::MiMalloc;

/// The command's allocator.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const PAIRS: usize = 15;
const STEPS: usize = 20;
const THREADS: usize = 2;

/// PyTorch in a process of its own, which runs steps when asked.
struct PyTorch {
    process: Child,
    ask: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    name: &'static str,
}

impl PyTorch {
    fn start(python: &str, fused: &str, name: &'static str) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/mnist_step.py");
        let mut process = Command::new(python)
            .args([script, "--threads", &THREADS.to_string(), "--fused", fused])
            .env_remove("OPENBLAS_CORETYPE") // settings of some machines that slow numpy down
            .env_remove("OPENBLAS_L2_SIZE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{python} does not start: {error}"));
        let ask = process.stdin.take().expect("stdin is piped");
        let answers = BufReader::new(process.stdout.take().expect("stdout is piped")).lines();
        let mut torch = PyTorch { process, ask, answers, name };
        println!("{name}: torch {}", torch.answer()["ready"]);
        torch
    }

    fn answer(&mut self) -> serde_json::Value {
        let line = self.answers.next().expect("PyTorch ended; see its message above").expect("PyTorch's answer");
        serde_json::from_str(&line).expect("PyTorch answers in JSON")
    }

    /// Median milliseconds a step, and the process's peak memory in MB.
    fn run(&mut self) -> (f64, f64) {
        writeln!(self.ask, "go {STEPS}").expect("PyTorch listens");
        let answer = self.answer();
        let secs = answer["secs_per_step"].as_array().expect("a list").iter().filter_map(serde_json::Value::as_f64);
        (1000.0 * median(secs.collect()), answer["peak_memory_mb"].as_f64().unwrap_or(f64::NAN))
    }
}

impl Drop for PyTorch {
    fn drop(&mut self) {
        let _ = writeln!(self.ask, "quit");
        let _ = self.process.wait();
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Median milliseconds of the next steps.
fn ours(session: &mut dyn Session, step: &mut u64, device: &Device) -> f64 {
    let timed = (0..STEPS).map(|_| {
        let begun = Instant::now();
        let cx = StepCx { step: *step, images: *step * 128, draws: Draws::new(0, *step), device };
        session.step(&cx).expect("a step").read();
        *step += 1;
        begun.elapsed().as_secs_f64() * 1000.0
    });
    median(rayon::scope(|_| timed.collect())) // on the pool, as `train` does
}

fn main() {
    let python = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    rayon::ThreadPoolBuilder::new().num_threads(THREADS).build_global().expect("the first pool");
    let device = Device::flex();
    let config = Resolved::new(recipe("mnist").expect("a recipe"), None, &[]).expect("the defaults");
    let mut session = config.open(&device).expect("MNIST");
    let mut step = 0;
    ours(session.as_mut(), &mut step, &device); // warm

    let mut torches = match &python {
        Some(python) => {
            vec![PyTorch::start(python, "0", "PyTorch, Adam"), PyTorch::start(python, "1", "PyTorch, fused Adam")]
        }
        None => Vec::new(),
    };
    let mut mine = Vec::new();
    let mut theirs = vec![Vec::new(); torches.len()];
    let mut memory = vec![f64::NAN; torches.len()];
    for _ in 0..PAIRS {
        mine.push(ours(session.as_mut(), &mut step, &device));
        for (i, torch) in torches.iter_mut().enumerate() {
            let (millis, megabytes) = torch.run();
            theirs[i].push(millis);
            memory[i] = megabytes;
        }
    }
    let peak = peak_memory().map_or("unknown".into(), |bytes| format!("{:.0} MB", bytes as f64 / 1e6));
    println!("MNIST GAN step, batch 128, {THREADS} threads, median of {PAIRS} x {STEPS} steps");
    println!("  Ganvas: {:.1} ms; peak memory {peak}", median(mine.clone()));
    for ((torch, millis), megabytes) in torches.iter().zip(&theirs).zip(&memory) {
        let ratios = millis.iter().zip(&mine).map(|(theirs, mine)| theirs / mine).collect();
        println!(
            "  {}: {:.1} ms; peak memory {megabytes:.0} MB; PyTorch / Ganvas {:.2}",
            torch.name,
            median(millis.clone()),
            median(ratios)
        );
    }
    if python.is_none() {
        println!(
            "  Give a Python that has torch for the comparison: cargo bench --bench mnist_step -p ganvas -- PYTHON"
        );
    }
}
