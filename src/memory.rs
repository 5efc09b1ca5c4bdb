//! How much memory there is and how much this process took, where the system tells.

/// What is assumed to be free where the system does not tell.
const UNKNOWN: u64 = 2 << 30;

/// The process's peak resident memory in bytes, on Linux.
pub fn peak() -> Option<u64> {
    field("/proc/self/status", "VmHWM:")
}

/// Half of the memory that is free, in bytes, where the system tells; else 1 GiB.
pub fn half_of_free() -> u64 {
    field("/proc/meminfo", "MemAvailable:").unwrap_or(UNKNOWN) / 2
}

/// The bytes that a file of the system's says in kB after a name.
fn field(file: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}
