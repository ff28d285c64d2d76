//! What processes use, as the system tells.

/// CPU time and memory of a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// CPU time in milliseconds.
    pub(crate) cpu_ms: u64,
    /// Resident memory in bytes.
    pub(crate) rss_bytes: u64,
}

/// This process; zeros where the system does not tell.
pub(crate) fn own_usage() -> Usage {
    usage_of(std::process::id()).unwrap_or_default()
}

/// Another process of this user; `None` where the system does not tell, or it is gone.
pub(crate) fn usage_of(pid: u32) -> Option<Usage> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let ticks_per_second = rustix::param::clock_ticks_per_second();
    let page_bytes = u64::try_from(rustix::param::page_size()).ok()?;
    parse(&stat, &statm, ticks_per_second, page_bytes)
}

/// Reads the two files of proc(5). The command's name stands in parentheses and may hold anything, so fields are
/// counted from its end.
fn parse(stat: &str, statm: &str, ticks_per_second: u64, page_bytes: u64) -> Option<Usage> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    let resident: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(Usage {
        cpu_ms: user
            .saturating_add(system)
            .saturating_mul(1_000)
            .checked_div(ticks_per_second)?,
        rss_bytes: resident.saturating_mul(page_bytes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_proc_are_counted_from_the_end_of_the_name() {
        let stat = "42 (a) b) c) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 1 0 1 1 1";
        let usage = parse(stat, "1000 25 10 1 0 30 0", 100, 4096);
        assert_eq!(
            usage,
            Some(Usage {
                cpu_ms: 3_000,
                rss_bytes: 25 * 4096
            })
        );
        assert_eq!(parse("no parenthesis", "", 100, 4096), None);
    }
}
