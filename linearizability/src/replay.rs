//! Replays a linearization: the evidence for *legal*, checked by code that shares nothing with the
//! search and states each model's semantics a second time, as plainly as possible.

mod objects;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::history::Operation;
use crate::models::cell::{CellAction, CellCall, Condition, PutIfOutcome};
use crate::models::key_value::{KeyValueAction, KeyValueCall};
use crate::token::Token;

/// An action that can be performed on all keys at once.
pub trait Perform {
    /// The whole object, empty by default.
    type Whole: Default;

    /// Performs the action; false if what the client saw is not what this object answers.
    fn perform(&self, whole: &mut Self::Whole) -> bool;
}

/// Why an order is no linearization of a history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The order names an operation that is not in the history.
    #[error("position {0} is beyond the history")]
    Beyond(usize),
    /// An operation takes effect twice.
    #[error("operation {0} stands twice in the order")]
    Twice(usize),
    /// An operation that surely happened is not in the order.
    #[error("operation {0} surely happened but is not in the order")]
    Missing(usize),
    /// Real time is violated.
    #[error("operation {later} had returned before operation {earlier} was invoked")]
    Disorder {
        /// The operation that stands first.
        earlier: usize,
        /// The operation that stands behind it.
        later: usize,
    },
    /// An answer is wrong in that order.
    #[error("operation {0} would have got another answer at its place")]
    Contradiction(usize),
}

/// Checks that `order` is a linearization of `history`.
///
/// # Errors
/// Names the first rule that it breaks.
pub fn replay<A: Perform>(history: &[Operation<A>], order: &[usize]) -> Result<(), ReplayError> {
    let mut placed = vec![false; history.len()];
    let mut whole = A::Whole::default();
    let mut last_invoked: Option<usize> = None;
    for at in order.iter().copied() {
        let operation = history.get(at).ok_or(ReplayError::Beyond(at))?;
        if std::mem::replace(&mut placed[at], true) {
            return Err(ReplayError::Twice(at));
        }
        // Whoever was invoked last among the earlier ones is violated first.
        if let Some(earlier) = last_invoked
            && operation.precedes(&history[earlier])
        {
            return Err(ReplayError::Disorder { earlier, later: at });
        }
        if last_invoked.is_none_or(|last| history[last].invoked < operation.invoked) {
            last_invoked = Some(at);
        }
        if !operation.action.perform(&mut whole) {
            return Err(ReplayError::Contradiction(at));
        }
    }
    match (0..history.len()).find(|at| history[*at].is_known() && !placed[*at]) {
        Some(missing) => Err(ReplayError::Missing(missing)),
        None => Ok(()),
    }
}

/// Checks that `order` is a sequential order of `history`: as [`replay`], but with the order of
/// each process in the place of real time.
///
/// # Errors
/// Names the first rule that it breaks.
pub fn replay_by_process<A: Perform>(
    history: &[Operation<A>],
    order: &[usize],
) -> Result<(), ReplayError> {
    let mut placed = vec![false; history.len()];
    let mut whole = A::Whole::default();
    // The known operation of each process that was invoked last among those placed.
    let mut last: BTreeMap<u64, usize> = BTreeMap::new();
    for at in order.iter().copied() {
        let operation = history.get(at).ok_or(ReplayError::Beyond(at))?;
        if std::mem::replace(&mut placed[at], true) {
            return Err(ReplayError::Twice(at));
        }
        if operation.is_known()
            && let Some(earlier) = last.insert(operation.process, at)
            && history[earlier].invoked > operation.invoked
        {
            return Err(ReplayError::Disorder { earlier, later: at });
        }
        if !operation.action.perform(&mut whole) {
            return Err(ReplayError::Contradiction(at));
        }
    }
    let missing = |at: &usize| history[*at].is_known() && !placed[*at];
    (0..history.len()).find(missing).map_or(Ok(()), |missing| Err(ReplayError::Missing(missing)))
}

impl Perform for CellAction {
    type Whole = BTreeMap<Token, Token>;

    fn perform(&self, cells: &mut Self::Whole) -> bool {
        let found = cells.get(&self.key).copied();
        match self.call {
            CellCall::Get { seen } => seen == found,
            CellCall::Put { value } => {
                cells.insert(self.key, value);
                true
            }
            CellCall::Delete => {
                cells.remove(&self.key);
                true
            }
            CellCall::PutIf { condition, value, outcome } => {
                let holds = match condition {
                    Condition::Absent | Condition::EqualsNil => found.is_none(),
                    Condition::Exists => found.is_some(),
                    Condition::Equals(wanted) => found == Some(wanted),
                };
                match outcome {
                    PutIfOutcome::Applied => {
                        cells.insert(self.key, value);
                        holds
                    }
                    PutIfOutcome::Refused { old } => !holds && old.is_none_or(|old| old == found),
                }
            }
        }
    }
}

impl Perform for KeyValueAction {
    type Whole = BTreeMap<Token, String>;

    fn perform(&self, texts: &mut Self::Whole) -> bool {
        let text = texts.entry(self.key).or_default();
        match &self.call {
            KeyValueCall::Get { seen } => Arc::as_ref(seen) == text,
            KeyValueCall::Put { value } => {
                value.as_ref().clone_into(text);
                true
            }
            KeyValueCall::Append { value } => {
                text.push_str(value);
                true
            }
            KeyValueCall::Delete => {
                text.clear();
                true
            }
            KeyValueCall::Cas { from, to, applied } => {
                let holds = Arc::as_ref(from) == text;
                if *applied {
                    to.as_ref().clone_into(text);
                }
                holds == *applied
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history() -> Vec<Operation<CellAction>> {
        let (key, seven) = (Token::from(1), Token::from(7));
        vec![
            Operation::new(0, CellAction::put(key, seven), 10, Some(20)),
            Operation::new(1, CellAction::get(key, Some(seven)), 30, Some(40)),
            Operation::new(2, CellAction::delete(key), 15, None),
        ]
    }

    #[test]
    fn each_broken_rule_is_named() {
        let cases = [
            (vec![0, 1], Ok(())),
            (vec![0, 1, 2], Ok(())),
            (vec![2, 0, 1], Ok(())),
            (vec![0, 2, 1], Err(ReplayError::Contradiction(1))),
            (vec![1, 0], Err(ReplayError::Contradiction(1))),
            (vec![0, 1, 1], Err(ReplayError::Twice(1))),
            (vec![0], Err(ReplayError::Missing(1))),
            (vec![0, 7], Err(ReplayError::Beyond(7))),
        ];
        for (order, expected) in cases {
            assert_eq!(replay(&history(), &order), expected, "{order:?}");
        }
    }

    #[test]
    fn real_time_is_kept_to_the_strict_bound() {
        let key = Token::from(1);
        let put = |value: i64, invoked, returned| {
            Operation::new(0, CellAction::put(key, Token::from(value)), invoked, Some(returned))
        };
        let apart = [put(1, 10, 20), put(2, 21, 30)];
        let disorder = ReplayError::Disorder { earlier: 1, later: 0 };
        assert_eq!(replay(&apart, &[1, 0]), Err(disorder));
        let touching = [put(1, 10, 20), put(2, 20, 30)];
        assert_eq!(replay(&touching, &[1, 0]), Ok(()));
    }
}
