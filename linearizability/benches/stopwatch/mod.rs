//! CPU time of the calling thread.

use std::time::Duration;

/// CPU time that this thread has used.
pub(crate) fn cpu() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(now.tv_sec).expect("no time before the start");
    let nanoseconds = u32::try_from(now.tv_nsec).expect("less than a second");
    Duration::new(seconds, nanoseconds)
}

/// The least CPU time of so many runs.
#[allow(dead_code, reason = "not every bench repeats its runs")]
pub(crate) fn least_of(runs: u32, mut run: impl FnMut()) -> Duration {
    let once = |_| {
        let start = cpu();
        run();
        cpu().saturating_sub(start)
    };
    (0..runs).map(once).min().expect("at least one run")
}

/// As a person reads it.
#[allow(dead_code, reason = "not every bench prints times")]
pub(crate) fn milliseconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64() * 1e3)
}
