//! Our side of a workload in a process of its own, which runs steps when asked: side.py's protocol.

use std::io::stdin;
use std::time::Instant;

use ganvas::memory::peak;
use serde_json::{Value, json};

use crate::workload::Workload;

/// Answers on stdout until stdin ends. All work begins on the pool, as `train`'s does: operations need not wake it then.
pub fn serve(workload: &Workload, threads: usize) {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().expect("the first pool");
    let start_memory = peak_memory_mb();
    // One scope for all, as a training has: a thread of the pool keeps working memory, and another would need its own.
    rayon::scope(|_| {
        let mut opened = (workload.open)();
        keep_freed();
        let numbers = opened.numbers.iter().map(|(name, value)| (name.clone(), json!(value)));
        say(json!({
            "ready": concat!("ganvas ", env!("CARGO_PKG_VERSION")),
            "numbers": numbers.collect::<serde_json::Map<_, _>>(),
            "start_memory_mb": start_memory,
        }));
        for line in stdin().lines() {
            let line = line.expect("requests in UTF-8");
            let Some(count) = line.strip_prefix("go ").and_then(|count| count.parse::<usize>().ok()) else { break };
            let timed = (0..count).map(|_| {
                let begun = Instant::now();
                (opened.step)();
                begun.elapsed().as_secs_f64()
            });
            say(json!({ "secs": timed.collect::<Vec<f64>>() }));
        }
    });
}

/// Gives back what opening freed, and from now on keeps what is freed, as the command does.
fn keep_freed() {
    // SAFETY: the first may be called at any time; the second sets one aligned number in a table, mimalloc's purge delay, which
    // other threads at most read.
    unsafe {
        libmimalloc_sys::mi_collect(true);
        libmimalloc_sys::mi_option_set(15, -1);
    }
}

fn say(mut line: Value) {
    line["peak_memory_mb"] = peak_memory_mb();
    println!("{line}");
}

/// In 10⁶ bytes; null where the system does not tell.
fn peak_memory_mb() -> Value {
    json!(peak().map(|bytes| (bytes as f64 / 1e5).round() / 10.0))
}
