//! What this process has cost so far.

use rustix::time::{ClockId, clock_gettime};

/// Whose time on a processor counts.
#[derive(Clone, Copy)]
pub(crate) enum Whose {
    AllThreads,
    ThisThread,
}

/// Time on processors so far.
pub(crate) fn cpu_seconds(whose: Whose) -> f64 {
    let now = clock_gettime(match whose {
        Whose::AllThreads => ClockId::ProcessCPUTime,
        Whose::ThisThread => ClockId::ThreadCPUTime,
    });
    #[expect(clippy::cast_precision_loss, reason = "a process lives less than 2^52 seconds")]
    let seconds = now.tv_sec as f64 + now.tv_nsec as f64 / 1e9;
    seconds
}

/// The most memory it ever held; 0 where the kernel does not say.
pub(crate) fn peak_bytes() -> u64 {
    status("VmHWM:")
}

/// The memory it holds; 0 where the kernel does not say.
pub(crate) fn resident_bytes() -> u64 {
    status("VmRSS:")
}

fn status(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
