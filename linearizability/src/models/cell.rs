//! One cell per key: registers, compare-and-set registers and conditional items.
//!
//! Every operation on a cell is a *guard* on the value before and an *effect* on it. A read of 7 is
//! "is 7, keep"; a compare-and-set that succeeded "is 7, set 8"; one that was refused without
//! telling the old value "is not 7, keep"; a put "any, set 8"; a delete "any, set absent".
//! Absence is a value like any other. All rules below are stated on guards and effects.
//!
//! # What [`Model::narrow`] does, and why it keeps the verdict
//!
//! 1. *Observed means happened.* If exactly one operation of the partition can write `v` and an
//!    operation that surely happened has the guard "is `v`" (`v` not being the initial absence),
//!    then that write happened, and before the observer: in every linearization the observer
//!    stands after the write and, as intervals are closed, no later than its own return. An
//!    unknown write therefore may be given the earliest return of its observers as its own
//!    return. A write that thereby surely happened is itself an observer through its guard.
//! 2. *Unobserved need not have happened.* Let U be a set of unknown operations such that no guard
//!    outside U names a value that U writes, and no operation of U has a guard that admits `v` if
//!    one outside U demands "is not `v`". Then U may be dropped. Take a legal linearization and
//!    delete U from it. Claim: at each place the state without U is the same, or the state with U
//!    is a value that U wrote and the state without U satisfies all "is not" outside U. It holds
//!    at first. An operation of U keeps it: its guard admitted the state, so that one satisfies
//!    every "is not" outside; or the states differed already, and the one without U stays. An
//!    operation outside U on differing states does not demand "is", since it was legal on a value
//!    that no guard outside names; so it demands nothing or "is not", is legal without U too, and
//!    if it has an effect the states are the same again.
//! 3. *Indistinguishable values are one value.* Values that no guard names are bisimilar: no
//!    operation is legal on one and illegal on the other. They are replaced by
//!    [`Token::Unobserved`], so that unknown writes of them are interchangeable.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::BuildHasherDefault;

use crate::history::Operation;
use crate::model::{Access, Model, Nature};
use crate::token::Token;
use crate::zone::Mixer;

/// The value of a cell; nothing when the item is absent.
pub type CellValue = Option<Token>;

/// Registers, compare-and-set registers and conditional items; see the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct Cell;

/// One operation on one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CellAction {
    /// The item.
    pub key: Token,
    /// What was asked, and seen.
    pub call: CellCall,
}

/// What was asked of a cell, and what came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CellCall {
    /// Read the value.
    Get {
        /// What the read returned. Means nothing if the outcome is unknown.
        seen: CellValue,
    },
    /// Set the value.
    Put {
        /// The new value.
        value: Token,
    },
    /// Make the item absent.
    Delete,
    /// Set the value if a condition holds.
    PutIf {
        /// The condition.
        condition: Condition,
        /// The new value.
        value: Token,
        /// What came back. [`PutIfOutcome::Applied`] if the outcome is unknown.
        outcome: PutIfOutcome,
    },
}

/// The condition of a conditional put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// The item does not exist.
    Absent,
    /// The item exists.
    Exists,
    /// The item exists and has this value.
    Equals(Token),
    /// The cell holds this value, which may be absence: a compare-and-set from nil.
    EqualsNil,
}

/// The answer to a conditional put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PutIfOutcome {
    /// The condition held and the value was set.
    Applied,
    /// The condition did not hold.
    Refused {
        /// The value found instead, if it was told.
        old: Option<CellValue>,
    },
}

impl CellAction {
    /// A read that returned `seen`.
    #[must_use]
    pub const fn get(key: Token, seen: CellValue) -> Self {
        Self { key, call: CellCall::Get { seen } }
    }

    /// A write.
    #[must_use]
    pub const fn put(key: Token, value: Token) -> Self {
        Self { key, call: CellCall::Put { value } }
    }

    /// A delete.
    #[must_use]
    pub const fn delete(key: Token) -> Self {
        Self { key, call: CellCall::Delete }
    }

    /// A conditional put.
    #[must_use]
    pub const fn put_if(
        key: Token,
        condition: Condition,
        value: Token,
        outcome: PutIfOutcome,
    ) -> Self {
        Self { key, call: CellCall::PutIf { condition, value, outcome } }
    }

    /// The value that the action proves to have been there: read, expected, or told by a refusal.
    #[must_use]
    pub fn saw(&self) -> Option<CellValue> {
        match self.guard() {
            Guard::Is(value) => Some(value),
            Guard::Any | Guard::IsNot(_) | Guard::Never => None,
        }
    }

    /// The value that the action leaves there, if it changes it.
    #[must_use]
    pub fn wrote(&self) -> Option<CellValue> {
        self.effect()
    }

    /// What must hold of the value before.
    fn guard(&self) -> Guard {
        match self.call {
            CellCall::Get { seen } => Guard::Is(seen),
            CellCall::Put { .. } | CellCall::Delete => Guard::Any,
            CellCall::PutIf { condition, outcome, .. } => match outcome {
                PutIfOutcome::Applied => condition.guard(),
                PutIfOutcome::Refused { old: None } => condition.guard().negated(),
                // A refusal that reports a value on which the condition holds is a lie in itself.
                PutIfOutcome::Refused { old: Some(old) } if condition.guard().admits(old) => {
                    Guard::Never
                }
                PutIfOutcome::Refused { old: Some(old) } => Guard::Is(old),
            },
        }
    }

    /// The value afterwards; nothing when it stays.
    fn effect(&self) -> Option<CellValue> {
        match self.call {
            CellCall::Put { value }
            | CellCall::PutIf { value, outcome: PutIfOutcome::Applied, .. } => Some(Some(value)),
            CellCall::Delete => Some(None),
            CellCall::Get { .. }
            | CellCall::PutIf { outcome: PutIfOutcome::Refused { .. }, .. } => None,
        }
    }
}

impl Condition {
    /// The guard of a put whose condition held.
    fn guard(self) -> Guard {
        match self {
            Self::Absent | Self::EqualsNil => Guard::Is(None),
            Self::Exists => Guard::IsNot(None),
            Self::Equals(value) => Guard::Is(Some(value)),
        }
    }
}

/// What an operation demands of the value before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guard {
    /// Nothing.
    Any,
    /// Exactly this value.
    Is(CellValue),
    /// Any other value.
    IsNot(CellValue),
    /// The impossible: the answer contradicts itself.
    Never,
}

impl Guard {
    fn admits(self, value: CellValue) -> bool {
        match self {
            Self::Any => true,
            Self::Is(wanted) => wanted == value,
            Self::IsNot(unwanted) => unwanted != value,
            Self::Never => false,
        }
    }

    fn admits_any_of(self, values: &BTreeSet<CellValue>) -> bool {
        match self {
            Self::Any => !values.is_empty(),
            Self::Is(wanted) => values.contains(&wanted),
            Self::IsNot(unwanted) => values.len() > usize::from(values.contains(&unwanted)),
            Self::Never => false,
        }
    }

    fn negated(self) -> Self {
        match self {
            Self::Any => Self::Never,
            Self::Is(value) => Self::IsNot(value),
            Self::IsNot(value) => Self::Is(value),
            Self::Never => Self::Any,
        }
    }

    /// The value that the guard mentions.
    fn named(self) -> Option<CellValue> {
        match self {
            Self::Is(value) | Self::IsNot(value) => Some(value),
            Self::Any | Self::Never => None,
        }
    }
}

impl Model for Cell {
    type Action = CellAction;
    type State = CellValue;
    type Key = Token;

    fn key(&self, action: &CellAction) -> Token {
        action.key
    }

    fn initial(&self) -> CellValue {
        None
    }

    fn step(&self, state: &CellValue, action: &CellAction) -> Option<CellValue> {
        action.guard().admits(*state).then(|| action.effect().unwrap_or(*state))
    }

    fn nature(&self, action: &CellAction) -> Nature {
        match (action.guard(), action.effect()) {
            (_, None) => Nature::Pure,
            (Guard::Any, Some(_)) => Nature::Constant,
            (guard, Some(after)) if guard == Guard::Is(after) => Nature::Pure,
            (_, Some(_)) => Nature::Partial,
        }
    }

    fn access(&self, action: &CellAction) -> Access {
        match (action.guard(), action.effect()) {
            (Guard::Never, _) => Access::Never,
            (Guard::Is(value), None) => Access::Read(value),
            (Guard::Is(value), Some(after)) if value == after => Access::Read(value),
            (Guard::IsNot(_), None) => Access::Check,
            (Guard::Any, Some(after)) => Access::Write(after),
            (Guard::Is(from), Some(Some(to))) => Access::Swap { from, to },
            (Guard::IsNot(_), Some(Some(to))) => Access::Overwrite(to),
            (Guard::Any, None) | (Guard::Is(_) | Guard::IsNot(_), Some(None)) => Access::Other,
        }
    }

    fn narrow(&self, partition: &mut Vec<Operation<CellAction>>) {
        if partition.iter().any(|operation| operation.returned.is_none()) {
            observed_means_happened(partition);
            drop_unobserved(partition);
            merge_indistinguishable(partition);
        }
    }

    fn depends(&self, dependent: &CellAction, writer: &CellAction) -> bool {
        let Some(written) = writer.effect() else { return false };
        match dependent.guard() {
            Guard::Any | Guard::Never => false,
            Guard::Is(value) => value == written,
            Guard::IsNot(value) => value != written,
        }
    }
}

/// Few different ones, looked up often.
type Values = HashSet<CellValue, BuildHasherDefault<Mixer>>;

/// Rule 1 of the [module](self).
fn observed_means_happened(partition: &mut [Operation<CellAction>]) {
    let unknown: Vec<bool> = partition.iter().map(|operation| !operation.is_known()).collect();
    // The only writer of a value; nothing where there are more.
    let mut writers: BTreeMap<Token, Option<usize>> = BTreeMap::new();
    for (at, operation) in partition.iter().enumerate() {
        if let Some(Some(value)) = operation.action.effect() {
            writers.entry(value).and_modify(|writer| *writer = None).or_insert(Some(at));
        }
    }
    let mut observers: Vec<usize> =
        (0..partition.len()).filter(|at| partition[*at].returned.is_some()).collect();
    while let Some(observer) = observers.pop() {
        let Guard::Is(Some(value)) = partition[observer].action.guard() else { continue };
        let Some(Some(writer)) = writers.get(&value) else { continue };
        let deadline = partition[observer].returned;
        let write = &mut partition[*writer];
        // An observer that returned before the write was invoked makes the history illegal in
        // any case; the search shall find that, not a return before an invocation.
        if unknown[*writer] && deadline.is_some_and(|deadline| deadline >= write.invoked) {
            let earlier = write.returned.is_none_or(|returned| deadline < Some(returned));
            if earlier {
                write.returned = deadline;
                observers.push(*writer);
            }
        }
    }
}

/// Rule 2 of the [module](self): starts with all unknown operations in U and takes those out that
/// break its conditions, until none does.
fn drop_unobserved(partition: &mut Vec<Operation<CellAction>>) {
    let mut named: Values = Values::default();
    let mut unwanted: BTreeSet<CellValue> = BTreeSet::new();
    let mut in_u: Vec<usize> = Vec::new();
    let mut outside: Vec<usize> = Vec::new();
    for (at, operation) in partition.iter().enumerate() {
        if operation.is_known() { outside.push(at) } else { in_u.push(at) }
    }
    let mut keep = vec![false; partition.len()];
    while !outside.is_empty() {
        for at in outside.drain(..) {
            keep[at] = true;
            let guard = partition[at].action.guard();
            named.extend(guard.named());
            if let Guard::IsNot(value) = guard {
                unwanted.insert(value);
            }
        }
        in_u.retain(|at| {
            let action = &partition[*at].action;
            let Some(value) = action.effect() else { return true }; // an unknown read
            let stays = !named.contains(&value) && !action.guard().admits_any_of(&unwanted);
            if !stays {
                outside.push(*at);
            }
            stays
        });
    }
    let mut keep = keep.into_iter();
    partition.retain(|_| keep.next().unwrap_or(true));
}

/// Rule 3 of the [module](self).
fn merge_indistinguishable(partition: &mut [Operation<CellAction>]) {
    let named: Values =
        partition.iter().filter_map(|operation| operation.action.guard().named()).collect();
    for operation in partition {
        match &mut operation.action.call {
            CellCall::Put { value } | CellCall::PutIf { value, .. } => {
                if !named.contains(&Some(*value)) {
                    *value = Token::Unobserved;
                }
            }
            CellCall::Get { .. } | CellCall::Delete => {}
        }
    }
}
