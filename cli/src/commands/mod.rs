//! One file per verb.

pub mod apply;
pub mod data;
pub mod doctor;
pub mod eval;
pub mod import;
pub mod init;
pub mod list;
pub mod resume;
pub mod sample;
pub mod serve;
pub mod train;
pub mod tried;

use std::io::{ErrorKind, Write};

/// Writes to standard output; a reader that has gone away (`ganvas list | head -1`) is no error.
pub fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Prints a value as JSON.
pub fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print(&format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// Where to compute.
#[derive(clap::Args)]
pub struct Computing {
    /// Where to compute: cpu.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: String,
}

impl Computing {
    /// The device. The error says which there are.
    pub fn get(&self) -> ganvas::Result<ganvas::Device> {
        ganvas::device::named(&self.device)
    }
}
