//! Objects that may do one of several things: a bag that gives any of its elements, a read that
//! may be served by an old replica.
//!
//! A [`Model`] has one step for each state and action. An object with several is turned into one
//! that remembers all states in which it can be (the subset construction, Rabin and Scott 1959,
//! section 3): an order of operations is legal for the object exactly if at its end that set is
//! not empty, so the verdict is exact and the search needs to know nothing of it.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::hash::Hash;

use crate::model::Model;

/// An object with several possible steps.
pub trait Choices: Sync {
    /// As [`Model::Action`].
    type Action: Clone + Eq + Hash + Debug + Send + Sync;
    /// As [`Model::State`].
    type State: Clone + Ord + Hash + Debug + Send;
    /// As [`Model::Key`].
    type Key: Clone + Ord + Hash + Debug + Send + Sync;

    /// As [`Model::key`].
    fn key(&self, action: &Self::Action) -> Self::Key;

    /// The states in which every key may be before the first operation.
    fn initial(&self) -> Vec<Self::State>;

    /// The states in which it may be after `action` in `state`; none when its answer contradicts
    /// `state`.
    fn steps(&self, state: &Self::State, action: &Self::Action) -> Vec<Self::State>;
}

/// A [`Model`] of an object with [`Choices`].
#[derive(Clone, Copy, Debug, Default)]
pub struct AnyOf<C>(pub C);

impl<C: Choices> Model for AnyOf<C> {
    type Action = C::Action;
    /// All states in which the object can be.
    type State = BTreeSet<C::State>;
    type Key = C::Key;

    fn key(&self, action: &C::Action) -> C::Key {
        self.0.key(action)
    }

    fn initial(&self) -> Self::State {
        self.0.initial().into_iter().collect()
    }

    fn step(&self, states: &Self::State, action: &C::Action) -> Option<Self::State> {
        let after: Self::State =
            states.iter().flat_map(|state| self.0.steps(state, action)).collect();
        (!after.is_empty()).then_some(after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Operation;
    use crate::{Budget, Verdict, check};

    /// A bag: takes give any element; a take of unknown outcome took any, or none.
    struct Bag;

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    enum BagAction {
        Put(u8),
        Take(Option<u8>),
    }

    impl Choices for Bag {
        type Action = BagAction;
        type State = BTreeSet<u8>;
        type Key = ();

        fn key(&self, _: &BagAction) {}

        fn initial(&self) -> Vec<BTreeSet<u8>> {
            vec![BTreeSet::new()]
        }

        fn steps(&self, state: &BTreeSet<u8>, action: &BagAction) -> Vec<BTreeSet<u8>> {
            let without = |element: u8| state.iter().copied().filter(|it| *it != element).collect();
            match *action {
                BagAction::Put(element) => {
                    vec![state.iter().copied().chain([element]).collect()]
                }
                BagAction::Take(Some(element)) if state.contains(&element) => {
                    vec![without(element)]
                }
                BagAction::Take(Some(_)) => vec![],
                BagAction::Take(None) => state.iter().map(|element| without(*element)).collect(),
            }
        }
    }

    #[test]
    fn an_unknown_take_may_have_taken_any_element_but_only_one() {
        let at = |action, invoked, returned| Operation::new(invoked, action, invoked, returned);
        let put = [at(BagAction::Put(1), 1, Some(2)), at(BagAction::Put(2), 3, Some(4))];
        let lost = at(BagAction::Take(None), 5, Some(6)); // its answer was lost, its effect not
        for (taken, legal) in [(vec![1], true), (vec![2], true), (vec![1, 2], false)] {
            let takes = (0..).zip(&taken).map(|(later, element)| {
                at(BagAction::Take(Some(*element)), 7 + 2 * later, Some(8 + 2 * later))
            });
            let history: Vec<_> = put.iter().cloned().chain([lost.clone()]).chain(takes).collect();
            let verdict = check(&history, &AnyOf(Bag), &Budget::unlimited());
            assert_eq!(matches!(verdict, Verdict::Legal(_)), legal, "{taken:?}");
        }
    }
}
