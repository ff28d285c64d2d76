//! What the system tells of a process, from proc(5).

use anyhow::{Context as _, Result};

/// What the system tells of a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watched {
    /// Resident memory.
    pub(crate) rss_mib: f64,
    /// Resident memory, shared pages divided among those who share them.
    pub(crate) pss_mib: f64,
    /// Memory that it shares with nobody.
    pub(crate) private_mib: f64,
    /// CPU time so far.
    pub(crate) cpu_seconds: f64,
    /// Voluntary context switches so far.
    pub(crate) switches: f64,
}

impl Watched {
    /// Of the process with this id.
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let read = |name: &str| {
            let path = format!("/proc/{pid}/{name}");
            std::fs::read_to_string(&path).with_context(|| format!("{path} (this case needs Linux)"))
        };
        let memory = read("smaps_rollup")?;
        let kib = |field: &str| value(&memory, field).unwrap_or(0.0);
        let stat = read("stat")?;
        let fields: Vec<&str> = stat
            .rsplit_once(')')
            .context("stat")?
            .1
            .split_ascii_whitespace()
            .collect();
        let ticks = |n: usize| {
            fields
                .get(n)
                .and_then(|field| field.parse::<f64>().ok())
                .unwrap_or(0.0)
        };
        let per_second = f64::from(u32::try_from(rustix::param::clock_ticks_per_second())?);
        let mut switches = 0.0;
        for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
            let status = std::fs::read_to_string(task?.path().join("status"))?;
            switches += value(&status, "voluntary_ctxt_switches").unwrap_or(0.0);
        }
        Ok(Self {
            rss_mib: kib("Rss") / 1024.0,
            pss_mib: kib("Pss") / 1024.0,
            private_mib: (kib("Private_Clean") + kib("Private_Dirty")) / 1024.0,
            cpu_seconds: (ticks(11) + ticks(12)) / per_second,
            switches,
        })
    }
}

/// The number behind `field:` in one of the files of proc(5).
fn value(text: &str, field: &str) -> Option<f64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}
