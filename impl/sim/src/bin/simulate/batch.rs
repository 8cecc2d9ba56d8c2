//! Many seeds, on one thread or several. What is reported does not depend on how many.

use ringleader_sim::{Report, Size, Sum, is_violated, run_seed};
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What many seeds came to.
pub(crate) struct Batch {
    pub(crate) sum: Sum,
    pub(crate) failed: Vec<Report>,
    pub(crate) undecided: Vec<Report>,
    pub(crate) elapsed: Duration,
    pub(crate) threads: usize,
}

/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

impl Batch {
    pub(crate) fn run(
        first: u64,
        seeds: u64,
        size: Size,
        threads: NonZeroUsize,
        keep_going: bool,
    ) -> Self {
        let start = Instant::now();
        let next = AtomicU64::new(0);
        let stop = AtomicBool::new(false);
        let told = Mutex::new(start);
        let work = || {
            let mut reports = Vec::new();
            loop {
                // Numbers are handed out in order, and whoever has one runs it: what was run when one
                // fails is a prefix, and the first failure of it is the same for any threads.
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= seeds || stop.load(Ordering::Relaxed) {
                    return reports;
                }
                let report = run_seed(first + number, size);
                if is_violated(&report) && !keep_going {
                    stop.store(true, Ordering::Relaxed);
                }
                reports.push(report);
                tell(&told, number + 1, seeds, start);
            }
        };
        let mut reports: Vec<Report> = std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads.get()).map(|_| scope.spawn(work)).collect();
            let mut reports = work();
            for other in others {
                reports.extend(other.join().expect("a run catches what panics in it"));
            }
            reports
        });
        reports.sort_by_key(|report| report.seed);
        if let Some(end) = reports.iter().position(is_violated).filter(|_| !keep_going) {
            reports.truncate(end + 1);
        }
        let mut sum = Sum::default();
        for report in &reports {
            sum.add(report);
        }
        let (failed, rest): (Vec<_>, Vec<_>) =
            reports.into_iter().filter(|it| it.violation.is_some()).partition(is_violated);
        let (elapsed, threads) = (start.elapsed(), threads.get());
        Self { sum, failed, undecided: rest, elapsed, threads }
    }
}

fn tell(told: &Mutex<Instant>, done: u64, seeds: u64, start: Instant) {
    let Ok(mut last) = told.try_lock() else { return };
    if last.elapsed() >= PROGRESS_EVERY {
        *last = Instant::now();
        eprintln!("{done} of {seeds} seeds after {} s", start.elapsed().as_secs());
    }
}
