//! What a process uses, as its kernel says.

use anyhow::{Context, Result};

/// Its memory that is not shared with files, in bytes.
pub(crate) fn resident_bytes(pid: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("/proc/PID/status")?;
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).context("RssAnon")?;
    let kib: u64 = line.split_whitespace().nth(1).context("RssAnon")?.parse()?;
    Ok(kib * 1024)
}

/// How long its threads have been on a processor, in nanoseconds.
pub(crate) fn processor_nanos(pid: &str) -> Result<u64> {
    let mut nanos = 0;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task")).context("/proc/PID/task")? {
        let schedstat = std::fs::read_to_string(thread?.path().join("schedstat")).context("schedstat")?;
        nanos += schedstat.split(' ').next().context("schedstat")?.parse::<u64>()?;
    }
    Ok(nanos)
}
