//! Our own search: breadth first, level by level, on several threads, in few bytes a state.
//!
//! Stateright's checker stays the arbiter of counts ([`crate::search`] runs either). This one adds
//! what it lacks: the first counterexample is a shortest one; a state costs a fingerprint and, while
//! it waits to be expanded, a few packed bytes; a search can be stopped, written to a file and
//! resumed; and it says how much memory it took and what the odds of a collision were.
//!
//! ```text
//!   level n           expand             visited set           finish, level n + 1
//!   ┌───────┐   ┌────────────────┐   ┌─────────────────┐   ┌────────────────────┐
//!   │packed │──▶│ fingerprint,   │──▶│ known? dropped  │──▶│ packed, judged     │
//!   │states │   │ raw successor  │   │ new? kept       │   │                    │
//!   └───────┘   └────────────────┘   └─────────────────┘   └────────────────────┘
//! ```
//!
//! No parents are kept. When a property fails, a second search, this time with parents, goes as far
//! as the failing state.
//!
//! Properties are `always` and `sometimes`. An `eventually` is refused: [`crate::trap`] answers
//! that question, and answers it for cycles too.

pub mod fingerprint;

mod checkpoint;
mod found;
mod level;
mod path;
mod plain;
mod run;
mod table;
mod window;

pub use checkpoint::CheckpointError;
pub use found::Found;
pub use plain::{Plain, RefusedEventually};
pub use run::{Checkpoint, Ending, Limits, Outcome, Progress, Settings, Step, explore};

use crate::protocol::Kind;
use fingerprint::Width;

/// Something that can be explored: a [`crate::world::World`], or any stateright model as a
/// [`Plain`].
pub trait Explore: Sync {
    /// What one thread keeps between two states.
    type Worker<'w>: Send
    where
        Self: 'w;

    /// What a thread starts with.
    fn worker(&self, width: Width) -> Self::Worker<'_>;

    /// Reports the initial states.
    fn start<'w>(&'w self, worker: &mut Self::Worker<'w>, found: &mut Found);

    /// Reports the successors of a packed state, in the same order whenever it is asked.
    fn expand<'w>(&'w self, worker: &mut Self::Worker<'w>, packed: &[u8], found: &mut Found);

    /// Packs a state that was reported and is new, and judges it: bit `n` says whether the
    /// predicate of property `n` holds there.
    fn finish<'w>(&'w self, worker: &mut Self::Worker<'w>, raw: &[u8], packed: &mut Vec<u8>)
    -> u32;

    /// The properties, in the order of their bits; at most 32.
    fn properties(&self) -> &[(&'static str, Kind)];

    /// What [`Found::taken`] counted, by name.
    fn coverage(&self, counts: &[u64]) -> Vec<(&'static str, u64)>;

    /// Whether these bytes are a packed state of this model: what a file says need not be.
    fn accepts(&self, packed: &[u8]) -> bool;

    /// What has to be repeated before packed states of an earlier process mean anything; nothing if
    /// that is not known.
    fn journal(&self) -> Option<Vec<u8>>;

    /// Repeats what another process wrote down, before anything else was explored.
    ///
    /// # Errors
    ///
    /// If it was another model that wrote this.
    fn repeat(&self, journal: &[u8]) -> Result<(), JournalError>;
}

/// A journal that does not belong to this model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalError;

impl std::fmt::Display for JournalError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the journal is of another model, or of another version of its protocol")
    }
}

impl std::error::Error for JournalError {}
