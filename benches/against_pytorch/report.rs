//! What came out, as Markdown and as JSON.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::side::{Side, quantile};
use crate::workload::Workload;

/// One workload measured. The sides are gone; their measurements are here.
pub struct Measured {
    workload: &'static Workload,
    ours: Timed,
    rivals: Vec<Timed>,
}

/// One side's measurements.
struct Timed {
    title: String,
    version: String,
    secs: Vec<f64>,
    fastest: f64,
    peak_memory_mb: Option<f64>,
    start_memory_mb: Option<f64>,
}

impl Timed {
    fn of(side: &Side) -> Self {
        Timed {
            title: side.title.clone(),
            version: side.version.clone(),
            secs: side.secs.clone(),
            fastest: side.fastest,
            peak_memory_mb: side.peak_memory_mb,
            start_memory_mb: side.start_memory_mb,
        }
    }

    /// Its version's first word.
    fn tool(&self) -> &str {
        self.version.split(' ').next().unwrap_or_default()
    }

    fn median(&self) -> f64 {
        quantile(&self.secs, 0.5)
    }

    /// Its time over that of `ours`, round by round.
    fn ratios(&self, ours: &Timed) -> Vec<f64> {
        self.secs.iter().zip(&ours.secs).map(|(theirs, ours)| theirs / ours).collect()
    }

    fn memory_ratio(&self, ours: &Timed) -> Option<f64> {
        Some(self.peak_memory_mb? / ours.peak_memory_mb?)
    }
}

impl Measured {
    /// Of our side and the others, after their last round.
    pub fn new(workload: &'static Workload, sides: &[Side]) -> Self {
        let mut sides = sides.iter().map(Timed::of);
        let ours = sides.next().expect("our side is the first");
        Measured { workload, ours, rivals: sides.collect() }
    }

    /// The way with the lowest median of those that `are` asked for.
    fn best(&self, are: impl Fn(&Timed) -> bool) -> Option<&Timed> {
        self.rivals.iter().filter(|rival| are(rival)).min_by(|a, b| a.median().total_cmp(&b.median()))
    }

    /// The most GFLOP/s of any single step, and whose.
    pub fn fastest(&self) -> (f64, &str) {
        let sides = self.rivals.iter().chain([&self.ours]);
        let fastest = sides.min_by(|a, b| a.fastest.total_cmp(&b.fastest)).unwrap_or(&self.ours);
        ((self.workload.gflop)() / fastest.fastest, &fastest.version)
    }

    fn rows(&self, limit: f64) -> String {
        let gflop = (self.workload.gflop)();
        let mut rows = String::new();
        let mut row = |first: &str, side: &Timed, rival: bool| {
            let best = self.best(|other| other.tool() == side.tool()).is_some_and(|best| std::ptr::eq(best, side));
            let mark = if best { "**" } else { "" };
            let (secs, title) = (side.median(), &side.title);
            let ratio = if rival {
                let ratios = side.ratios(&self.ours);
                let [low, middle, high] = [0.25, 0.5, 0.75].map(|share| quantile(&ratios, share));
                format!("{mark}{middle:.2}{mark} ({low:.2} to {high:.2})")
            } else {
                String::new()
            };
            let memory = side.peak_memory_mb.map_or(String::new(), |mb| format!("{mb:.0} MB"));
            let memories = side.memory_ratio(&self.ours).filter(|_| rival);
            let memories = memories.map_or(String::new(), |ratio| format!("{mark}{ratio:.1}{mark}"));
            let (millis, speed) = (1000.0 * secs, gflop / secs);
            let share = 100.0 * speed / limit;
            let _ = writeln!(
                rows,
                "| {first} | {mark}{title}{mark} | {millis:.1} ms | {speed:.0} ({share:.0} %) | {ratio} | {memory} | {memories} |"
            );
        };
        row(&format!("{}: {gflop:.1} GFLOP", self.workload.title), &self.ours, false);
        self.rivals.iter().for_each(|rival| row("", rival, true));
        rows
    }

    fn json(&self) -> Value {
        let gflop = (self.workload.gflop)();
        let side = |side: &Timed| {
            json!({
                "title": side.title,
                "version": side.version,
                "millis_per_step": 1000.0 * side.median(),
                "gflop_per_sec": gflop / side.median(),
                "peak_memory_mb": side.peak_memory_mb,
                "start_memory_mb": side.start_memory_mb,
                "secs_per_step_by_round": side.secs,
            })
        };
        let rival = |rival: &Timed| {
            let mut value = side(rival);
            value["ratio"] = json!(quantile(&rival.ratios(&self.ours), 0.5));
            value["ratio_by_round"] = json!(rival.ratios(&self.ours));
            value["memory_ratio"] = json!(rival.memory_ratio(&self.ours));
            value
        };
        json!({
            "workload": self.workload.name,
            "title": self.workload.title,
            "gflop_per_step": gflop,
            "ours": side(&self.ours),
            "rivals": self.rivals.iter().map(rival).collect::<Vec<Value>>(),
            "best": self.best(|_| true).map(rival),
        })
    }
}

/// A table for docs/performance.md, with what one must know to read it.
pub fn markdown(all: &[Measured], limit: (f64, &str), [rounds, threads]: [usize; 2]) -> String {
    let rivals = || all.iter().flat_map(|measured| &measured.rivals);
    let mut versions = Vec::new();
    for side in rivals().filter(|side| !side.version.is_empty()) {
        if !versions.contains(&side.version.as_str()) {
            versions.push(side.version.as_str());
        }
    }
    let import = rivals().next().and_then(|torch| torch.start_memory_mb);
    let import = import.map_or(String::new(), |mb| format!(", {mb:.0} MB of PyTorch's by `import torch`"));
    let (speed, whose) = limit;
    let mut text = format!(
        "{threads} threads of {}, {}, eager, f32; each side is a process of its own, and they take turns.\n\
         Times are medians of {rounds} rounds; theirs / Ganvas is the median of the rounds' ratios, with its quartiles. \
         Above 1, Ganvas\nis faster. The fastest of a tool's ways is bold.\n\
         GFLOP/s are the operations that a step needs by the definition over its time, and their share of the {speed:.0} that \
         a product of\n2048x2048 matrices reached at most (by {whose}); an algorithm with fewer multiplications can pass it. Memory is the process's peak{import}.\n\n",
        processor(),
        versions.join(", ")
    );
    text += "| step | | time | GFLOP/s | theirs / Ganvas | peak memory | theirs / Ganvas |\n|---|---|---|---|---|---|---|\n";
    all.iter().for_each(|measured| text += &measured.rows(speed));
    text
}

/// The same for scripts, with every round.
pub fn json(all: &[Measured], limit: (f64, &str), [rounds, threads]: [usize; 2]) -> Value {
    json!({
        "processor": processor(),
        "threads": threads,
        "rounds": rounds,
        "limit": { "gflop_per_sec": limit.0, "by": limit.1 },
        "workloads": all.iter().map(Measured::json).collect::<Vec<Value>>(),
    })
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(':'));
    name.map_or("an unknown processor".into(), |(_, name)| name.trim().to_owned())
}
