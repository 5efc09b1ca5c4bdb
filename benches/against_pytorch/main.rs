//! Ganvas against PyTorch, and ncnn on two, on nine workloads, in turns, so that a noisy machine hits all sides alike.
//!
//! `cargo bench --workspace --bench against_pytorch -- PYTHON [WORKLOAD ...] [--pairs N] [--json]` where PYTHON is an
//! interpreter that has torch; without a workload it measures all but `frechet`, which needs torch-fidelity and scipy, and
//! `enlarge` and `photograph`, which need ncnn, Pillow and scikit-image.
//! It checks that the sides compute the same, then prints a table for docs/performance.md; with `--json` stdout is a report with every round, and all else goes to stderr.
//!
//! Every side is a process of its own, ours too: `--serve WORKLOAD` is how this program starts itself, and, with
//! "go 20" on stdin, how one runs our side under a profiler.

mod count;
mod dcgan;
mod enlarge;
mod frechet;
mod mlp;
mod modulated;
mod product;
mod r1;
mod report;
mod rrdb;
mod serve;
mod side;
mod tensors;
mod workload;

use std::env;
use std::process::{Command, ExitCode};

use mimalloc::MiMalloc;

use crate::report::Measured;
use crate::side::Side;
use crate::workload::{Numbers, WHEN_NAMED, WORKLOADS, Workload};

/// The command's allocator, which keeps freed memory. PyTorch keeps the system's, as it does for whoever installs it.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const THREADS: usize = 2;
/// A step of more operations is a turn of its own, and the one that gave the numbers has run it warm.
const LONG_GFLOP: f64 = 1000.0;
const TORCH_SIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/against_pytorch/torch_side.py");
const NCNN_SIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/against_pytorch/ncnn_side.py");
const USAGE: &str = "cargo bench --workspace --bench against_pytorch -- PYTHON [WORKLOAD ...] [--pairs N] [--json]";

struct Arguments {
    python: String,
    workloads: Vec<&'static Workload>,
    rounds: usize,
    json: bool,
}

fn main() -> ExitCode {
    let arguments = env::args().skip(1).filter(|argument| argument != "--bench").collect::<Vec<String>>(); // cargo's own
    if let [serve, name] = &arguments[..]
        && serve == "--serve"
    {
        return match workload(name) {
            Ok(workload) => {
                serve::serve(workload, THREADS);
                ExitCode::SUCCESS
            }
            Err(message) => failed(&message, 2),
        };
    }
    let arguments = match parsed(&arguments) {
        Ok(arguments) => arguments,
        Err(message) => return failed(&format!("{message}\n{USAGE}"), 2),
    };
    match compared(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => failed(&message, 1),
    }
}

fn failed(message: &str, code: u8) -> ExitCode {
    eprintln!("{message}");
    ExitCode::from(code)
}

fn parsed(arguments: &[String]) -> Result<Arguments, String> {
    let (mut python, mut workloads, mut rounds, mut json) = (None, Vec::new(), 9, false);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--json" => json = true,
            "--pairs" => {
                let number = arguments.next().and_then(|number| number.parse().ok()).filter(|rounds| *rounds > 0);
                rounds = number.ok_or("--pairs wants a number of rounds above 0.")?;
            }
            option if option.starts_with('-') => return Err(format!("There is no option {option}.")),
            word if python.is_none() => python = Some(word.to_owned()),
            name => workloads.push(workload(name)?),
        }
    }
    let python = python.ok_or("Give a Python that has torch.")?;
    let of_torch_alone = || WORKLOADS.iter().filter(|workload| !WHEN_NAMED.contains(&workload.name));
    let workloads = if workloads.is_empty() { of_torch_alone().collect() } else { workloads };
    Ok(Arguments { python, workloads, rounds, json })
}

fn workload(name: &str) -> Result<&'static Workload, String> {
    let names = || WORKLOADS.iter().map(|workload| workload.name).collect::<Vec<_>>().join(", ");
    let found = WORKLOADS.iter().find(|workload| workload.name == name);
    found.ok_or_else(|| format!("There is no workload {name}; there are {}.", names()))
}

/// Measures, and prints the report.
fn compared(arguments: &Arguments) -> Result<(), String> {
    // The product before and after the others, because a machine that others use, too, is not as fast at every moment.
    let mut limiting = measured(&product::WORKLOAD, arguments)?;
    let mut all = Vec::new();
    for workload in arguments.workloads.iter().filter(|workload| workload.name != product::WORKLOAD.name) {
        all.push(measured(workload, arguments)?);
    }
    if !all.is_empty() {
        let again = measured(&product::WORKLOAD, arguments)?;
        limiting = if again.fastest().0 > limiting.fastest().0 { again } else { limiting };
    }
    all.push(limiting);
    let (limit, length) = (all[all.len() - 1].fastest(), [arguments.rounds, THREADS]);
    let table = report::markdown(&all, limit, length);
    if arguments.json {
        eprintln!("\n{table}");
        println!("{:#}", report::json(&all, limit, length));
    } else {
        println!("\n{table}");
    }
    Ok(())
}

/// One workload: the sides start, agree, run warm and take their turns, of which each round begins with another.
fn measured(workload: &'static Workload, arguments: &Arguments) -> Result<Measured, String> {
    (workload.prepare)(&arguments.python)?;
    let own = env::current_exe().map_err(|error| format!("this program's own path: {error}"))?;
    let mut sides = vec![Side::start("Ganvas", Command::new(own).args(["--serve", workload.name]))?];
    for (tool, script, rivals) in [("PyTorch", TORCH_SIDE, workload.rivals), ("ncnn", NCNN_SIDE, workload.ncnn)] {
        for rival in rivals {
            let mut command = Command::new(&arguments.python);
            command.args(["-B", script, workload.name, "--threads", &THREADS.to_string()]).args(rival.arguments);
            sides.push(Side::start(&format!("{tool}, {}", rival.title), &mut command)?);
        }
    }

    let wanted = (workload.wanted)();
    let wanted = if wanted.is_empty() { sides[0].numbers.clone() } else { wanted };
    for side in &sides {
        agreed(workload, side, &wanted)?;
    }
    eprintln!("{}: {} sides agree on {} numbers", workload.name, sides.len(), wanted.len());

    if (workload.gflop)() < LONG_GFLOP {
        sides.iter_mut().try_for_each(Side::warm_up)?;
    }
    for round in 0..arguments.rounds {
        for turn in 0..sides.len() {
            let at = (round + turn) % sides.len();
            sides[at].turn()?;
        }
        let millis = |side: &Side| format!("{:.1} ms", 1000.0 * side.secs[round]);
        eprintln!("  round {}: {}", round + 1, sides.iter().map(millis).collect::<Vec<_>>().join(", "));
    }
    Ok(Measured::new(workload, &sides))
}

/// An error where a side computes something else.
fn agreed(workload: &Workload, side: &Side, wanted: &Numbers) -> Result<(), String> {
    let wrong = wanted.iter().filter_map(|(name, wanted)| {
        let found = side.numbers.iter().find(|(other, _)| other == name).map_or(f64::NAN, |(_, value)| *value);
        let near = (found - wanted).abs() <= workload.tolerance * wanted.abs();
        (!near).then(|| format!("  {name} is {found:e}, not {wanted:e}"))
    });
    let wrong = wrong.collect::<Vec<String>>();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!("{}: {} computes something else:\n{}", workload.name, side.title, wrong.join("\n")))
}
