//! The ordered map that a table lives in, with the index of the last applied log entry beside it.
//!
//! What is applied is visible at once and durable at the next checkpoint. After a restart the host
//! applies again every log entry above [`Engine::applied`].
//!
//! Invariants: `ENGINE-1` a scan, either way, yields what a `BTreeMap` given the same changes
//! yields;
//! `ENGINE-2` after a crash an engine holds exactly the state of its last checkpointed index, never a
//! part of a later one;
//! `ENGINE-4` a state that was set aside and installed is that of the snapshot it came from; a crash
//! before the installation leaves the old state, one after it the new one.
//! The host keeps `ENGINE-3`: it applies only entries that are durable in its
//! own log, so that a checkpoint never holds an entry that the log could lose.
//!
//! ```
//! use std::ops::Bound;
//! use ringleader_storage::engine::{Change, Engine, MemoryEngine};
//!
//! let mut engine = MemoryEngine::new();
//! let put = |key: &str| Change::Put { key: key.into(), value: b"1".to_vec() };
//! engine.apply(1, &[put("a"), put("b"), put("c")])?;
//! engine.apply(2, &[Change::Delete { key: b"b".to_vec() }])?;
//! let mut keys = Vec::new();
//! engine.scan((Bound::Unbounded, Bound::Excluded(b"d")), &mut |key, _value| {
//!     keys.push(key.to_vec());
//!     true // go on
//! })?;
//! assert_eq!(keys, [b"a", b"c"]);
//! assert_eq!(engine.applied(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod caught;
mod memory;
mod on_disk;
mod snapshot;
mod tree;

use std::ops::Bound;

pub use caught::caught;
pub use memory::{MemoryEngine, MemoryError, MemorySnapshot};
pub use snapshot::{Part, PartError};
pub use tree::{Folding, TreeEngine, TreeError, TreeOptions, TreeSnapshot};

/// One change to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The key now has this value.
    Put {
        /// The key.
        key: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
    },
    /// The key is absent.
    Delete {
        /// The key.
        key: Vec<u8>,
    },
}

impl Change {
    /// The key that changes.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }
}

/// An ordered map of bytes that applies log entries.
///
/// An implementation may fold, flush or compact inside `apply` and `checkpoint` or on a thread of its
/// own; a reader cannot tell. After an error it is unusable: the host stops, it does not retry.
pub trait Engine {
    /// What the engine reports when it fails.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The state of one checkpoint.
    type Snapshot: Snapshot<Error = Self::Error> + 'static;

    /// The value of a key.
    ///
    /// # Errors
    /// When the storage below fails.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Self::Error>;

    /// Visits keys and values in ascending order of keys until `visit` returns false.
    ///
    /// # Errors
    /// When the storage below fails.
    fn scan(
        &self,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), Self::Error>;

    /// Visits keys and values in descending order of keys until `visit` returns false.
    ///
    /// # Errors
    /// When the storage below fails.
    fn scan_back(
        &self,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), Self::Error>;

    /// Applies the changes of the log entry `index`, in order, all or nothing. Indexes ascend; those
    /// of entries without changes may be left out.
    ///
    /// # Errors
    /// When `index` is not above [`Engine::applied`], or the storage below fails.
    fn apply(&mut self, index: u64, changes: &[Change]) -> Result<(), Self::Error>;

    /// The index of the last applied entry, 0 for none.
    fn applied(&self) -> u64;

    /// Begins to make everything applied so far durable. [`Engine::checkpointed`] says when it is.
    ///
    /// # Errors
    /// When the storage below fails.
    fn begin_checkpoint(&mut self) -> Result<(), Self::Error>;

    /// The index whose state a crash now would leave, or a later one. An engine may make checkpoints
    /// of its own accord.
    ///
    /// # Errors
    /// When the storage below has failed.
    fn checkpointed(&mut self) -> Result<u64, Self::Error>;

    /// Makes everything applied so far durable, and returns its index.
    ///
    /// # Errors
    /// When the storage below fails.
    fn checkpoint(&mut self) -> Result<u64, Self::Error>;

    /// The state of the last checkpoint, which stays as it is whatever is applied meanwhile.
    ///
    /// # Errors
    /// When the storage below has failed.
    fn snapshot(&self) -> Result<Self::Snapshot, Self::Error>;

    /// Sets a part of another engine's snapshot aside, after those before it; part 0 begins anew. The
    /// state in use stays as it is.
    ///
    /// # Errors
    /// When the bytes are no part of a snapshot or do not follow the one before, the engine has no
    /// place for a second state, or the storage below fails.
    fn stage(&mut self, part: u32, bytes: &[u8]) -> Result<(), StageError<Self::Error>>;

    /// What is set aside is the whole state of `index`: makes it durable, still aside.
    ///
    /// # Errors
    /// When nothing is set aside, or the storage below fails.
    fn finish_staging(&mut self, index: u64) -> Result<(), Self::Error>;

    /// Lets what is set aside, by this process or the one before, be the state, durably and in one
    /// step.
    ///
    /// # Errors
    /// When the state of `index` is not set aside, or the storage below fails.
    fn install(&mut self, index: u64) -> Result<(), Self::Error>;
}

/// The state of an engine at one index, to be sent elsewhere part by part.
pub trait Snapshot {
    /// What it reports when it fails.
    type Error;

    /// The index.
    fn index(&self) -> u64;

    /// The entries that follow this key, or all, as many as fit into `bytes_max` bytes and at least
    /// one.
    ///
    /// # Errors
    /// When the storage below fails.
    fn part(&self, after: Option<&[u8]>, bytes_max: usize) -> Result<Part, Self::Error>;
}

/// Why a part of a snapshot was not set aside.
#[derive(Debug, thiserror::Error)]
pub enum StageError<E> {
    /// It is none, or does not follow the one before.
    #[error(transparent)]
    Part(#[from] PartError),
    /// The engine failed.
    #[error(transparent)]
    Engine(E),
}

/// Whether no key can lie in a range; the ordered maps below panic on some of these.
fn is_empty(range: (Bound<&[u8]>, Bound<&[u8]>)) -> bool {
    match range {
        (Bound::Included(start), Bound::Included(end)) => start > end,
        (
            Bound::Included(start) | Bound::Excluded(start),
            Bound::Included(end) | Bound::Excluded(end),
        ) => start >= end,
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
    }
}
