//! What a history says about speed: latencies and rates over time, in buckets of 100 ms.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{Function, Line, Process, Stage};

/// The length of a bucket.
pub const BUCKET_NS: u64 = 100_000_000;

/// What ended in one bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Latencies of the acknowledged operations, sorted, in nanoseconds.
    pub latencies_ns: Vec<u64>,
    /// Operations that failed.
    pub failed: u64,
    /// Operations that are unknown.
    pub unknown: u64,
}

impl Bucket {
    /// Operations that were acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.latencies_ns.len() as u64
    }
}

/// Buckets from the start of the run to its last operation.
#[must_use]
pub fn buckets(lines: &[Line]) -> Vec<Bucket> {
    let mut invoked: BTreeMap<Process, u64> = BTreeMap::new();
    let mut buckets: Vec<Bucket> = Vec::new();
    for line in lines {
        let Line::Operation(line) = line else { continue };
        if line.stage == Stage::Invoke {
            invoked.insert(line.process, line.time);
            continue;
        }
        let index = usize::try_from(line.time / BUCKET_NS).unwrap_or(usize::MAX);
        // Times are sorted, so this grows by what the run really lasted.
        while buckets.len() <= index {
            buckets.push(Bucket::default());
        }
        let bucket = &mut buckets[index];
        match line.stage {
            Stage::Invoke => {}
            Stage::Ok => {
                let since = invoked.get(&line.process).copied().unwrap_or(line.time);
                bucket.latencies_ns.push(line.time - since);
            }
            Stage::Fail => bucket.failed += 1,
            Stage::Info => bucket.unknown += 1,
        }
    }
    for bucket in &mut buckets {
        bucket.latencies_ns.sort_unstable();
    }
    buckets
}

/// The smallest value that at least `percent` of a sorted slice do not exceed.
#[must_use]
pub fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied()
}

/// A count as a number to draw or divide with.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "drawings need no more than 52 bits")]
pub fn float(count: u64) -> f64 {
    count as f64
}

/// All latencies of a run together, sorted.
#[must_use]
pub fn latencies_ns(buckets: &[Bucket]) -> Vec<u64> {
    let mut all: Vec<u64> =
        buckets.iter().flat_map(|bucket| bucket.latencies_ns.iter().copied()).collect();
    all.sort_unstable();
    all
}

/// The longest time within `from..to` in which nothing was acknowledged.
#[must_use]
pub fn longest_silence_ns(lines: &[Line], from: u64, to: u64) -> u64 {
    let mut longest = 0;
    let mut last = from;
    for line in lines {
        let Line::Operation(line) = line else { continue };
        if line.stage == Stage::Ok && (from..to).contains(&line.time) {
            longest = longest.max(line.time - last);
            last = line.time;
        }
    }
    longest.max(to.saturating_sub(last))
}

/// The length of a window of availability.
pub const WINDOW_NS: u64 = 5_000_000_000;

/// What ended in one window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Operations that were acknowledged.
    pub acknowledged: u64,
    /// All that ended.
    pub ended: u64,
}

/// Windows of 5 s from the start of the run to its last operation.
#[must_use]
pub fn windows(lines: &[Line]) -> Vec<Window> {
    let mut windows: Vec<Window> = Vec::new();
    for line in lines {
        let Line::Operation(line) = line else { continue };
        if line.stage == Stage::Invoke {
            continue;
        }
        let index = usize::try_from(line.time / WINDOW_NS).unwrap_or(usize::MAX);
        while windows.len() <= index {
            windows.push(Window::default());
        }
        windows[index].ended += 1;
        windows[index].acknowledged += u64::from(line.stage == Stage::Ok);
    }
    windows
}

/// How long after this moment the first write was acknowledged that began after it.
#[must_use]
pub fn writes_again_ns(lines: &[Line], from: u64) -> Option<u64> {
    let mut begun: BTreeSet<Process> = BTreeSet::new();
    for line in lines {
        let Line::Operation(line) = line else { continue };
        if line.time < from || matches!(line.f, Function::Get | Function::Read) {
            continue;
        }
        match line.stage {
            Stage::Invoke => {
                begun.insert(line.process);
            }
            Stage::Ok if begun.contains(&line.process) => return Some(line.time - from),
            Stage::Ok | Stage::Fail | Stage::Info => {
                begun.remove(&line.process);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Fields, OperationLine};

    const MS: u64 = 1_000_000;

    fn line(process: Process, stage: Stage, time_ms: u64) -> Line {
        Line::Operation(OperationLine {
            process,
            stage,
            f: Function::Get,
            key: Some("k1".into()),
            fields: Fields::new(),
            time: time_ms * MS,
            node: 0,
            error: None,
        })
    }

    #[test]
    fn operations_fall_into_the_bucket_of_their_end() {
        let lines = [
            line(0, Stage::Invoke, 10),
            line(1, Stage::Invoke, 20),
            line(0, Stage::Ok, 60),
            line(0, Stage::Invoke, 90),
            line(0, Stage::Fail, 110),
            line(1, Stage::Info, 250),
        ];
        let buckets = buckets(&lines);
        assert_eq!(buckets.len(), 3);
        assert_eq!(buckets[0].latencies_ns, [50 * MS]);
        assert_eq!((buckets[1].failed, buckets[1].unknown), (1, 0));
        assert_eq!((buckets[2].failed, buckets[2].unknown), (0, 1));
        assert_eq!(longest_silence_ns(&lines, 0, 300 * MS), 240 * MS);
    }

    #[test]
    fn windows_count_and_recovery_is_the_first_write() {
        let write = |process, stage, time_ms| {
            let Line::Operation(read) = line(process, stage, time_ms) else { unreachable!() };
            Line::Operation(OperationLine { f: Function::Put, ..read })
        };
        let lines = [
            write(0, Stage::Invoke, 10),
            line(1, Stage::Invoke, 4_000),
            line(1, Stage::Ok, 4_100),
            write(0, Stage::Ok, 4_200),
            write(0, Stage::Invoke, 4_900),
            write(0, Stage::Ok, 5_300),
            line(1, Stage::Invoke, 5_400),
            line(1, Stage::Fail, 5_500),
        ];
        assert_eq!(
            windows(&lines),
            [Window { acknowledged: 2, ended: 2 }, Window { acknowledged: 1, ended: 2 }]
        );
        // The one that was under way since before does not show that new ones work.
        assert_eq!(writes_again_ns(&lines, 4_000 * MS), Some(1_300 * MS));
        assert_eq!(writes_again_ns(&lines, 5_000 * MS), None);
    }

    #[test]
    fn percentiles_are_ranks() {
        let values: Vec<u64> = (1..=100).collect();
        for (percent, expected) in [(50, 50), (99, 99), (100, 100), (1, 1)] {
            assert_eq!(percentile(&values, percent), Some(expected));
        }
        assert_eq!(percentile(&[7], 99), Some(7));
        assert_eq!(percentile(&[], 50), None);
    }
}
