//! A `BTreeMap`: the engine of the simulator, and the oracle of every other one.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::{Change, Engine};

/// An engine that keeps everything in memory and nothing across a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryEngine {
    items: BTreeMap<Vec<u8>, Vec<u8>>,
    applied: u64,
}

/// Why a [`MemoryEngine`] refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {index} is not above the last applied entry {applied}")]
pub struct MemoryError {
    index: u64,
    applied: u64,
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
            return Err(MemoryError { index, applied: self.applied });
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

    fn checkpoint(&mut self) -> Result<u64, MemoryError> {
        Ok(self.applied)
    }
}
