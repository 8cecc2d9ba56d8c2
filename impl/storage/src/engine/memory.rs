//! A `BTreeMap`: the engine of the simulator, and the oracle of every other one.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::snapshot::{self, Part, PartWriter};
use super::{Change, Engine, Snapshot, StageError};

type Items = BTreeMap<Vec<u8>, Vec<u8>>;

/// An engine that keeps everything in memory and nothing across a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryEngine {
    items: Items,
    applied: u64,
    checkpoint: MemorySnapshot,
    /// What is set aside, and of which index it is the whole state.
    staged: Option<(Items, Option<u64>)>,
}

/// Why a [`MemoryEngine`] refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// Entries must be applied in order.
    #[error("entry {index} is not above the last applied entry {applied}")]
    Order {
        /// The entry that was to be applied.
        index: u64,
        /// The last applied one.
        applied: u64,
    },
    /// The state that is to be installed is not there.
    #[error("no state up to entry {index} is set aside")]
    NotStaged {
        /// The last entry that it should hold.
        index: u64,
    },
}

/// The state of a checkpoint of a [`MemoryEngine`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemorySnapshot {
    items: Arc<Items>,
    index: u64,
}

impl Snapshot for MemorySnapshot {
    type Error = MemoryError;

    fn index(&self) -> u64 {
        self.index
    }

    fn part(&self, after: Option<&[u8]>, bytes_max: usize) -> Result<Part, MemoryError> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut part = PartWriter::new(bytes_max);
        for (key, value) in self.items.range::<[u8], _>((start, Bound::Unbounded)) {
            if !part.push(key, value) {
                break;
            }
        }
        Ok(part.finish())
    }
}

impl MemoryEngine {
    /// An empty engine.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Engine for MemoryEngine {
    type Error = MemoryError;
    type Snapshot = MemorySnapshot;

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, MemoryError> {
        Ok(self.items.get(key).cloned())
    }

    fn scan(
        &self,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), MemoryError> {
        if !super::is_empty(range) {
            for (key, value) in self.items.range::<[u8], _>(range) {
                if !visit(key, value) {
                    break;
                }
            }
        }
        Ok(())
    }

    fn scan_back(
        &self,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), MemoryError> {
        if !super::is_empty(range) {
            for (key, value) in self.items.range::<[u8], _>(range).rev() {
                if !visit(key, value) {
                    break;
                }
            }
        }
        Ok(())
    }

    fn apply(&mut self, index: u64, changes: &[Change]) -> Result<(), MemoryError> {
        if index <= self.applied {
            return Err(MemoryError::Order { index, applied: self.applied });
        }
        for change in changes {
            match change {
                Change::Put { key, value } => {
                    self.items.insert(key.clone(), value.clone());
                }
                Change::Delete { key } => {
                    self.items.remove(key);
                }
            }
        }
        self.applied = index;
        Ok(())
    }

    fn applied(&self) -> u64 {
        self.applied
    }

    fn begin_checkpoint(&mut self) -> Result<(), MemoryError> {
        if self.checkpoint.index < self.applied {
            let items = Arc::new(self.items.clone());
            self.checkpoint = MemorySnapshot { items, index: self.applied };
        }
        Ok(())
    }

    fn checkpointed(&mut self) -> Result<u64, MemoryError> {
        Ok(self.checkpoint.index)
    }

    fn checkpoint(&mut self) -> Result<u64, MemoryError> {
        self.begin_checkpoint()?;
        Ok(self.applied)
    }

    fn snapshot(&self) -> Result<MemorySnapshot, MemoryError> {
        Ok(self.checkpoint.clone())
    }

    fn stage(&mut self, part: u32, bytes: &[u8]) -> Result<(), StageError<MemoryError>> {
        if part == 0 {
            self.staged = Some((Items::new(), None));
        }
        let nothing = StageError::Engine(MemoryError::NotStaged { index: 0 });
        let (items, _) = self.staged.as_mut().ok_or(nothing)?;
        let last = items.last_key_value().map(|(key, _)| key.as_slice());
        let entries = snapshot::entries(bytes, last)?;
        items.extend(entries.into_iter().map(|(key, value)| (key.to_vec(), value.to_vec())));
        Ok(())
    }

    fn finish_staging(&mut self, index: u64) -> Result<(), MemoryError> {
        let (_, whole) = self.staged.as_mut().ok_or(MemoryError::NotStaged { index })?;
        *whole = Some(index);
        Ok(())
    }

    fn install(&mut self, index: u64) -> Result<(), MemoryError> {
        match self.staged.take() {
            Some((items, Some(of))) if of == index => {
                let checkpoint = MemorySnapshot { items: Arc::new(items.clone()), index };
                *self = Self { items, applied: index, checkpoint, staged: None };
                Ok(())
            }
            _ => Err(MemoryError::NotStaged { index }),
        }
    }
}
