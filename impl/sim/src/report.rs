//! What a run came to, and what many did.

use crate::fault::FaultCounts;
use crate::oracle::Violation;

/// One run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// A digest of everything that happened: equal for equal runs.
    pub digest: u64,
    /// Entries taken from the event queue.
    pub events: u64,
    /// Events that replicas were given: messages, requests, timers, completed writes.
    pub steps: u64,
    /// How long it took, in virtual time.
    pub virtual_ms: u64,
    /// Operations of clients that got an answer.
    pub done: u64,
    /// Operations that surely had no effect.
    pub failed: u64,
    /// Operations of unknown outcome.
    pub unknown: u64,
    /// Terms that had a leader.
    pub terms: u64,
    /// Faults that had an effect.
    pub faults: FaultCounts,
    /// The promise that was broken first.
    pub violation: Option<Violation>,
}

impl Report {
    /// Operations whose answer, or the lack of one, was judged.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.done + self.unknown
    }
}

/// Many runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many.
    pub seeds: u64,
    /// The sum of [`Report::events`].
    pub events: u64,
    /// The sum of [`Report::steps`].
    pub steps: u64,
    /// The sum of [`Report::virtual_ms`].
    pub virtual_ms: u64,
    /// The sum of [`Report::done`].
    pub done: u64,
    /// The sum of [`Report::failed`].
    pub failed: u64,
    /// The sum of [`Report::unknown`].
    pub unknown: u64,
    /// The sum of [`Report::terms`].
    pub terms: u64,
    /// The sum of [`Report::faults`].
    pub faults: FaultCounts,
    /// The fewest judged operations of a run.
    pub operations_least: u64,
    /// The fewest faults of a run.
    pub faults_least: u64,
    /// A digest of the digests, in the order of seeds.
    pub digest: u64,
}

impl Sum {
    /// Adds the next run.
    pub fn add(&mut self, report: &Report) {
        let first = self.seeds == 0;
        let least = |known: u64, new: u64| if first { new } else { known.min(new) };
        self.operations_least = least(self.operations_least, report.operations());
        self.faults_least = least(self.faults_least, report.faults.sum());
        self.seeds += 1;
        self.events += report.events;
        self.steps += report.steps;
        self.virtual_ms += report.virtual_ms;
        self.done += report.done;
        self.failed += report.failed;
        self.unknown += report.unknown;
        self.terms += report.terms;
        self.faults += report.faults;
        self.digest = self.digest.rotate_left(7) ^ report.digest;
    }
}
