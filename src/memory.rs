//! How much memory there is and how much this process took, where the system tells.

/// What is assumed to be free where the system does not tell.
const UNKNOWN: u64 = 2 << 30;

/// The units of a size and their bytes.
pub const UNITS: [(&str, f64); 7] = [
    ("b", 1.0),
    ("kb", 1e3),
    ("mb", 1e6),
    ("gb", 1e9),
    ("kib", 1024.0),
    ("mib", 1_048_576.0),
    ("gib", 1_073_741_824.0),
];

/// Bytes of a number with one of these units in letters of any case, as in `1.5 GB`; none of anything else.
pub fn bytes_of(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let (_, bytes) = units.iter().find(|(name, _)| *name == unit)?;
    Some(number.parse::<f64>().ok()? * bytes)
}

/// The process's peak resident memory in bytes, on Linux.
pub fn peak() -> Option<u64> {
    field("/proc/self/status", "VmHWM:")
}

/// What the process has in memory now, in bytes, on Linux.
pub fn resident() -> Option<u64> {
    field("/proc/self/status", "VmRSS:")
}

/// Lets [`peak`] begin anew at what is in memory now; without effect where the system has no such thing.
pub fn forget_peak() {
    _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The memory that is free, in bytes, where the system tells: the machine's, or what a container's limit leaves.
pub fn free() -> Option<u64> {
    let machine = field("/proc/meminfo", "MemAvailable:")?;
    Some(left_by_the_limit().map_or(machine, |left| left.min(machine)))
}

/// What the limit of the process's control group leaves, in bytes, if it has one. Files that the system keeps in memory and
/// can let go of do not count as taken.
fn left_by_the_limit() -> Option<u64> {
    let number = |text: String| text.trim().parse::<u64>().ok();
    let of_group = |file: &str| std::fs::read_to_string(format!("/sys/fs/cgroup/memory.{file}")).ok();
    let (limit, taken) = (of_group("max").and_then(number)?, of_group("current").and_then(number)?);
    let files = of_group("stat")?.lines().find_map(|line| number(line.strip_prefix("inactive_file ")?.to_owned()));
    Some(limit.saturating_sub(taken.saturating_sub(files.unwrap_or(0))))
}

/// Half of the memory that is free, in bytes, where the system tells; else 1 GiB.
pub fn half_of_free() -> u64 {
    free().unwrap_or(UNKNOWN) / 2
}

/// The bytes that a file of the system's says in kB after a name.
fn field(file: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}
