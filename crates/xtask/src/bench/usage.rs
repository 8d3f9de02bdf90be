//! What a process has used, from /proc.

use anyhow::{Context, Result};

/// `USER_HZ`, which Linux has fixed at 100 for everything that it shows in /proc.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time and peak memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage {
    /// User and system time, of the process and of the children that it has waited for.
    pub(super) cpu_seconds: f64,
    /// The most memory that it ever had resident.
    pub(super) peak_rss_mib: f64,
}

/// Asks the kernel about a process that is still there.
pub(super) fn of(process: u32) -> Result<Usage> {
    let read = |file: &str| {
        let path = format!("/proc/{process}/{file}");
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
    };
    let stat = read("stat")?;
    // The second field is the program's name, which may hold spaces; after it, utime is field 14 of proc(5).
    let after_name = stat.rsplit_once(')').context("/proc/PID/stat has no name")?.1;
    let ticks: f64 = after_name.split_whitespace().skip(11).take(4).filter_map(|field| field.parse::<f64>().ok()).sum();
    let status = read("status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("/proc/PID/status has no VmHWM")?;
    let kib: f64 = peak.trim().trim_end_matches(" kB").trim().parse()?;
    Ok(Usage { cpu_seconds: ticks / TICKS_PER_SECOND, peak_rss_mib: kib / 1024.0 })
}
