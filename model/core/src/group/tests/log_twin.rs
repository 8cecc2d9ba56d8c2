//! The log, with its runs of terms and released payloads, against a dumb twin: a vector of
//! entries and a number.

use crate::group::{Entry, Log, Membership, Payload};
use crate::ids::{LogEnd, LogIndex, Term};
use crate::quorum::ReplicaSet;
use alloc::vec::Vec;
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Operation {
    /// Append an entry whose term is so much later than the last one's.
    Append(u64),
    /// Truncate so many entries, of those that are held.
    Truncate(u64),
    /// Release so many payloads.
    Release(u64),
    /// Trim so many entries, of those that are released.
    Trim(u64),
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => prop_oneof![3 => Just(0), 1 => 1_u64..3].prop_map(Operation::Append),
        1 => (0_u64..5).prop_map(Operation::Truncate),
        1 => (0_u64..4).prop_map(Operation::Release),
        1 => (0_u64..4).prop_map(Operation::Trim),
    ]
}

/// What a [`Log`] is, without any cleverness.
#[derive(Default)]
struct Twin {
    entries: Vec<Entry<u64>>,
    released: usize,
    trimmed: usize,
}

impl Twin {
    fn last_term(&self) -> Term {
        self.entries.last().map_or(Term(0), |entry| entry.term)
    }

    fn apply(&mut self, operation: Operation, log: &mut Log<u64>, payload: u64) {
        let held = (self.entries.len() - self.released) as u64;
        match operation {
            Operation::Append(later) => {
                let term = Term(self.last_term().0.max(1) + later);
                let entry = Entry { term, payload: Payload::Command(payload) };
                self.entries.push(entry.clone());
                log.append(entry);
            }
            Operation::Truncate(count) => {
                let keep = self.entries.len() - usize::try_from(count.min(held)).unwrap();
                self.entries.truncate(keep);
                log.truncate(LogIndex(keep as u64));
            }
            Operation::Release(count) => {
                self.released += usize::try_from(count.min(held)).unwrap();
                log.release(LogIndex(self.released as u64));
            }
            Operation::Trim(count) => {
                let known = self.released - self.trimmed;
                self.trimmed += usize::try_from(count).unwrap().min(known);
                log.trim(LogIndex(self.trimmed as u64));
            }
        }
    }

    fn compare(&self, log: &Log<u64>) {
        let (last, released) = (self.entries.len(), self.released);
        let end = LogEnd { term: self.last_term(), index: LogIndex(last as u64) };
        assert_eq!((log.last(), log.end()), (end.index, end));
        assert_eq!(log.released(), LogIndex(released as u64));
        let term_before = |index: usize| match index {
            0 => Term(0),
            _ => self.entries[index - 1].term,
        };
        let start =
            LogEnd { term: term_before(self.trimmed), index: LogIndex(self.trimmed as u64) };
        assert_eq!((log.start(), log.term_at(start.index)), (start, Some(start.term)));
        for trimmed in 0..self.trimmed {
            assert_eq!(log.term_at(LogIndex(trimmed as u64)), None);
        }
        for (offset, entry) in self.entries.iter().enumerate().skip(self.trimmed) {
            let index = LogIndex(offset as u64 + 1);
            assert_eq!(log.term_at(index), Some(entry.term));
            let before = self.entries[..offset].iter().rposition(|it| it.term != entry.term);
            let start = before.map_or(1, |other| other + 2).max(self.trimmed + 1);
            assert_eq!(log.run_start(index), LogIndex(start as u64));
            let held = (offset >= released).then_some(entry);
            assert_eq!(log.entry(index).as_ref(), held);
            assert_eq!(log.payload(index), held.map(|it| &it.payload));
        }
        for beyond in [end.index.next(), LogIndex(u64::MAX)] {
            assert_eq!(log.term_at(beyond), None);
            assert_eq!(log.entry(beyond), None);
        }
        for after in released..=last {
            for count in [0, 1, 3, u64::MAX] {
                let count_of = usize::try_from(count).unwrap().min(last - after);
                let expected = &self.entries[after..after + count_of];
                assert_eq!(log.entries_after(LogIndex(after as u64), count), expected);
            }
        }
    }
}

proptest! {
    #[test]
    fn log_is_a_vector_of_entries(operations in vec(operation(), 0..40)) {
        let (mut log, mut twin) = (Log::default(), Twin::default());
        for (payload, &operation) in operations.iter().enumerate() {
            twin.apply(operation, &mut log, payload as u64);
            twin.compare(&log);
        }
    }

    /// Equal logs are equal however they came about: what was truncated leaves no trace.
    #[test]
    fn truncation_leaves_no_trace(terms in vec(0_u64..2, 1..12), keep in 0_usize..12) {
        let build = |terms: &[u64]| {
            let (mut log, mut twin) = (Log::default(), Twin::default());
            for &later in terms {
                twin.apply(Operation::Append(later), &mut log, 7);
            }
            log
        };
        let keep = keep.min(terms.len());
        let mut longer = build(&terms);
        longer.truncate(LogIndex(keep as u64));
        assert_eq!(longer, build(&terms[..keep]));
    }
}

fn log_of(terms: &[u64]) -> Log<u64> {
    let mut log = Log::default();
    for &term in terms {
        log.append(Entry { term: Term(term), payload: Payload::NoOp });
    }
    log
}

#[test]
#[should_panic(expected = "LOG-1: term 2 after 3")]
fn terms_never_decrease() {
    log_of(&[1, 3, 2]);
}

#[test]
#[should_panic(expected = "LOG-3: entry 2 is applied")]
fn applied_entries_are_not_truncated() {
    let mut log = log_of(&[1, 1, 1]);
    log.release(LogIndex(2));
    log.truncate(LogIndex(1));
}

#[test]
#[should_panic(expected = "LOG-3: releasing 4 of 3")]
fn what_is_not_there_is_not_released() {
    log_of(&[1, 1, 1]).release(LogIndex(4));
}

#[test]
#[should_panic(expected = "LOG-2: no entry at 0")]
fn before_the_first_entry_there_is_no_run() {
    let _ = log_of(&[1]).run_start(LogIndex::ZERO);
}

/// Configurations are found by index; the one in effect where a log begins stays when it is trimmed.
#[test]
fn configurations_are_found_by_index() {
    let of = |voters| Membership { voters: ReplicaSet::first(voters), ..Membership::default() };
    let mut log = log_of(&[1, 1]);
    for voters in [2, 3] {
        log.append(Entry { term: Term(2), payload: Payload::Members(of(voters)) });
        log.append(Entry { term: Term(2), payload: Payload::NoOp });
    }
    let counts = (0..7).map(|index| log.configurations_after(LogIndex(index)));
    assert_eq!(counts.collect::<Vec<_>>(), [2, 2, 2, 1, 1, 0, 0]);
    let at = |log: &Log<u64>, index| log.members_at(LogIndex(index)).map(|(at, _)| at.0);
    assert_eq!(
        [2, 3, 4, 5, 6].map(|index| at(&log, index)),
        [None, Some(3), Some(3), Some(5), Some(5)]
    );
    log.release(LogIndex(6));
    log.trim(LogIndex(4));
    assert_eq!([4, 5].map(|index| at(&log, index)), [Some(3), Some(5)]);
    log.trim(LogIndex(5));
    assert_eq!([4, 5].map(|index| at(&log, index)), [None, Some(5)]);
    assert_eq!(log.members(), Some((LogIndex(5), of(3))));
}
