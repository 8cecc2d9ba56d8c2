//! What a legal step is: the trait that every model of an object implements.

use std::fmt::Debug;
use std::hash::Hash;

use crate::history::Operation;
use crate::token::Token;

/// How an action treats the state, as far as the search can use it.
///
/// Saying [`Nature::Partial`] is always right; the others are promises that make the search fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// Never changes the state: a read, a refused condition.
    Pure,
    /// Legal in every state, and the state afterwards is always the same one: a plain write.
    Constant,
    /// Legal in every state: an append.
    Total,
    /// Anything else: a compare-and-set that succeeded.
    Partial,
}

/// An action as one on a register, as far as that says it all.
///
/// Histories of registers whose values are all distinct are decided without a search. Absence is
/// the value before the first write, and may be written again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Not an action on a register.
    Other,
    /// The answer contradicts itself: legal in no state.
    Never,
    /// Legal only on this value; changes nothing.
    Read(Option<Token>),
    /// Changes nothing, and has a condition that none of the others expresses.
    Check,
    /// Legal on any value; writes this one.
    Write(Option<Token>),
    /// Legal only on one value; writes another.
    Swap {
        /// The value before.
        from: Option<Token>,
        /// The value afterwards.
        to: Token,
    },
    /// Writes this value, and has a condition that none of the others expresses.
    Overwrite(Token),
}

/// A map of states; see [`Model::quotient`].
pub type Quotient<S> = Box<dyn Fn(S) -> S>;

/// The object that a history claims to have used.
///
/// Keys are independent objects: a history is linearizable exactly when its part for each key is
/// (Herlihy and Wing 1990, section 3.1, locality).
pub trait Model: Sync {
    /// What was asked and what was seen. For an operation of unknown outcome: what was asked, as
    /// if it had taken effect.
    type Action: Clone + Eq + Hash + Debug + Send + Sync;
    /// The state of one key; small, because the search keeps many.
    type State: Clone + Eq + Hash + Debug + Send;
    /// What splits a history into independent parts.
    type Key: Clone + Ord + Hash + Debug + Send + Sync;

    /// The key of an action.
    fn key(&self, action: &Self::Action) -> Self::Key;

    /// The state of every key before the first operation.
    fn initial(&self) -> Self::State;

    /// The state after `action` in `state`, or nothing when its answer contradicts `state`.
    fn step(&self, state: &Self::State, action: &Self::Action) -> Option<Self::State>;

    /// What the search may rely on; see [`Nature`].
    fn nature(&self, _action: &Self::Action) -> Nature {
        Nature::Partial
    }

    /// The action as one on a register. Saying [`Access::Other`] is always right; everything else
    /// promises that the state of a key is a value, absent at first, and that the action treats it
    /// as said.
    fn access(&self, _action: &Self::Action) -> Access {
        Access::Other
    }

    /// Replaces the operations of one key by easier ones: may drop unknown operations, give them
    /// a return, or replace actions.
    ///
    /// Promise: the result is legal exactly when the input is, and what linearizes the result
    /// linearizes the input (operations are recognised by [`Operation::index`]).
    fn narrow(&self, _partition: &mut Vec<Operation<Self::Action>>) {}

    /// A map that sends states to others which no operation of this partition, now or later, can tell
    /// from them; the search then meets fewer.
    ///
    /// Promise: a state and its image allow the same actions of the partition, and after each of those
    /// the images of what comes of them are the same (the map is a bisimulation).
    fn quotient(&self, _partition: &[Operation<Self::Action>]) -> Option<Quotient<Self::State>> {
        None
    }

    /// Whether `dependent` could owe its legality to `writer`: if it never could, a legal order
    /// stays legal when `writer` is taken out. Used to shrink counterexamples; `true` is always
    /// right.
    fn depends(&self, _dependent: &Self::Action, writer: &Self::Action) -> bool {
        self.nature(writer) != Nature::Pure
    }
}
