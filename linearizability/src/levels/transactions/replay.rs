//! Replays a serial order: the evidence for *legal*, checked by code that shares nothing with what
//! found it. Executes the transactions one after the other on a table of current versions.

use super::{Action, NEVER, RealTime, Transactions, UNPLACED};

/// Why an order is no serial order of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// Not each transaction stands in the order exactly once.
    #[error("{found} transactions in the order, {expected} in the history, or one of them twice")]
    NotAll {
        /// How many stand in the order.
        found: usize,
        /// How many there are.
        expected: usize,
    },
    /// Real time is violated.
    #[error("transaction {later} returned before transaction {earlier} was invoked")]
    Disorder {
        /// The position of the one that stands first.
        earlier: u32,
        /// The position of the one that stands behind it.
        later: u32,
    },
    /// A read sees another version, or a write does not come after all earlier versions.
    #[error("transaction {transaction} contradicts the versions of key {key} at its place")]
    Contradiction {
        /// The position of the transaction.
        transaction: u32,
        /// The key.
        key: u32,
    },
}

/// Checks that `order` is a serial order of `transactions`.
///
/// # Errors
/// Names the first rule that it breaks.
pub fn replay(
    transactions: &Transactions,
    order: &[u32],
    real_time: RealTime,
) -> Result<(), ReplayError> {
    let all = transactions.len();
    let not_all = ReplayError::NotAll { found: order.len(), expected: all };
    let mut executed = vec![false; all];
    let keys = transactions.accesses.iter().map(|it| it.key as usize + 1).max().unwrap_or(0);
    // The current version of each key, and the greatest so far: a write of unknown version hides
    // the current one, and does not change which ones may follow.
    let mut current = vec![0_u64; keys];
    let mut greatest = vec![0_u64; keys];
    let mut last_invoked: Option<u32> = None;
    for at in order.iter().copied() {
        let once = executed.get_mut(at as usize).is_some_and(|done| !std::mem::replace(done, true));
        if !once {
            return Err(not_all);
        }
        let list = transactions.list();
        if real_time == RealTime::Respected {
            if let Some(earlier) = last_invoked
                && list[at as usize].returned != NEVER
                && transactions.precedes(at, earlier)
            {
                return Err(ReplayError::Disorder { earlier, later: at });
            }
            let is_last = |last: u32| list[last as usize].invoked < list[at as usize].invoked;
            if last_invoked.is_none_or(is_last) {
                last_invoked = Some(at);
            }
        }
        for access in transactions.accesses(at as usize) {
            let key = access.key as usize;
            let fits = match access.action {
                Action::Read => current[key] == access.version,
                Action::Write if access.version == UNPLACED => true,
                Action::Write => greatest[key] < access.version,
            };
            if !fits {
                return Err(ReplayError::Contradiction { transaction: at, key: access.key });
            }
            if access.action == Action::Write {
                current[key] = access.version;
                if access.version != UNPLACED {
                    greatest[key] = access.version;
                }
            }
        }
    }
    if order.len() == all { Ok(()) } else { Err(not_all) }
}
