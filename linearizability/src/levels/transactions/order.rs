//! A serial order, by executing each transaction as soon as everything that must come before it
//! has been executed (Kahn 1962, "Topological sorting of large networks").
//!
//! What must come before is never stored as edges. A read waits for its version to be *installed*;
//! a write waits for the version before to be *done with*: installed, and all its readers executed.
//! So each access waits for one thing at most, and each transaction has one small counter.

use super::versions::{INNER, NOBODY, Versions, number};
use super::{Action, NEVER, RealTime, Transactions};
use crate::patience::Patience;
use crate::search::Shortage;

/// What came out.
#[derive(Debug)]
pub(super) enum Ordered {
    /// A serial order of all.
    All(Vec<u32>),
    /// The rest waits for itself: whether each transaction was executed.
    Stuck(Vec<bool>),
}

/// Transactions by time.
pub(super) struct Clock {
    /// In the order of invocation.
    pub(super) by_invocation: Vec<u32>,
    /// Those that returned, in that order.
    pub(super) by_return: Vec<u32>,
}

impl Clock {
    /// Sorts the transactions that `keep` admits.
    pub(super) fn of(transactions: &Transactions, keep: impl Fn(u32) -> bool) -> Self {
        let list = transactions.list();
        let mut by_invocation: Vec<u32> = (0..number(list.len())).filter(|at| keep(*at)).collect();
        let mut by_return = by_invocation.clone();
        by_return.retain(|at| list[*at as usize].returned != NEVER);
        if !by_invocation.is_sorted_by_key(|at| list[*at as usize].invoked) {
            by_invocation.sort_by_key(|at| list[*at as usize].invoked);
        }
        by_return.sort_by_key(|at| list[*at as usize].returned);
        Self { by_invocation, by_return }
    }
}

struct Execution<'a> {
    transactions: &'a Transactions,
    versions: &'a Versions,
    /// What each transaction still waits for.
    waits: Vec<u32>,
    /// The readers of each version that were not executed, without the next installer.
    open_readers: Vec<u32>,
    /// What can be executed, or was: also the result.
    order: Vec<u32>,
}

/// Finds a serial order.
pub(super) fn order(
    transactions: &Transactions,
    versions: &Versions,
    real_time: RealTime,
    patience: &Patience,
) -> Result<Ordered, Shortage> {
    let mut execution = Execution::new(transactions, versions, real_time);
    let clock = match real_time {
        RealTime::Ignored => None,
        RealTime::Respected => Some(Clock::of(transactions, |_| true)),
    };
    let list = transactions.list();
    let mut done = vec![false; list.len()];
    let (mut returned, mut invoked, mut executed) = (0, 0, 0);
    loop {
        if let Some(clock) = &clock {
            // Who was invoked by the earliest return that is still open need not wait for time.
            while clock.by_return.get(returned).is_some_and(|at| done[*at as usize]) {
                returned += 1;
            }
            let horizon = clock.by_return.get(returned).map(|at| list[*at as usize].returned);
            while let Some(at) = clock.by_invocation.get(invoked)
                && horizon.is_none_or(|horizon| list[*at as usize].invoked <= horizon)
            {
                execution.grant(*at);
                invoked += 1;
            }
        }
        let Some(next) = execution.order.get(executed).copied() else { break };
        executed += 1;
        patience.look_at(executed)?;
        done[next as usize] = true;
        execution.execute(next);
    }
    Ok(if executed == list.len() { Ordered::All(execution.order) } else { Ordered::Stuck(done) })
}

impl<'a> Execution<'a> {
    fn new(transactions: &'a Transactions, versions: &'a Versions, real_time: RealTime) -> Self {
        let gate = u32::from(real_time == RealTime::Respected);
        let mut execution = Self {
            transactions,
            versions,
            waits: vec![gate; transactions.len()],
            open_readers: vec![0; versions.len()],
            order: Vec::with_capacity(transactions.len()),
        };
        for at in 0..transactions.len() {
            let owner = number(at);
            for position in transactions.range(at) {
                let place = versions.place[position];
                if place == INNER {
                    continue;
                }
                let waits = match transactions.accesses[position].action {
                    Action::Read => {
                        if next_of(versions, place) != owner {
                            execution.open_readers[place as usize] += 1;
                        }
                        let installer = versions.installer[place as usize];
                        installer != NOBODY && installer != owner
                    }
                    Action::Write => versions.installer[place as usize - 1] != owner,
                };
                execution.waits[at] += u32::from(waits);
            }
        }
        for at in 0..transactions.len() {
            if execution.waits[at] == 0 {
                execution.order.push(number(at));
            }
        }
        for version in 0..versions.len() {
            if versions.installer[version] == NOBODY && execution.open_readers[version] == 0 {
                execution.done_with(number(version), NOBODY);
            }
        }
        execution
    }

    /// One thing less to wait for.
    fn grant(&mut self, to: u32) {
        let waits = &mut self.waits[to as usize];
        *waits -= 1;
        if *waits == 0 {
            self.order.push(to);
        }
    }

    /// The version is installed and nobody has to read it any more, save `owner` of the next one.
    fn done_with(&mut self, version: u32, owner: u32) {
        if let Some(next) = self.versions.next_installer(version, owner) {
            self.grant(next);
        }
    }

    fn execute(&mut self, owner: u32) {
        let (transactions, versions) = (self.transactions, self.versions);
        for position in transactions.range(owner as usize) {
            let place = versions.place[position];
            if place == INNER {
                continue;
            }
            match transactions.accesses[position].action {
                Action::Read => {
                    if next_of(versions, place) != owner {
                        let open = &mut self.open_readers[place as usize];
                        *open -= 1;
                        if *open == 0 {
                            // A next installer that waited for its own earlier version does not.
                            self.done_with(place, versions.installer[place as usize]);
                        }
                    }
                }
                Action::Write => {
                    for reader in versions.readers(place) {
                        if *reader != owner {
                            self.grant(*reader);
                        }
                    }
                    if self.open_readers[place as usize] == 0 {
                        self.done_with(place, owner);
                    }
                }
            }
        }
    }
}

/// The installer of the next version, or nobody.
fn next_of(versions: &Versions, version: u32) -> u32 {
    versions.installer.get(version as usize + 1).copied().unwrap_or(NOBODY)
}
