//! What one log entry changes, collected until all of it is known: all or nothing.

use crate::counts::{Change as CountChange, Count, Counted};
use crate::layout;
use crate::task::Task;
use ringleader_item::{PackedItem, TableDescription, TableName};
use ringleader_storage::engine::Change;
use std::collections::BTreeMap;

/// The changes of one log entry.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    log_index: u64,
    pub(crate) changes: Vec<Change>,
    /// Tables that change, and `None` for those that go.
    pub(crate) catalogue: BTreeMap<TableName, Option<TableDescription>>,
    /// Tasks that begin or go on, and `None` for those that end.
    pub(crate) tasks: BTreeMap<Task, Option<Vec<u8>>>,
    /// Sizes of item collections that this entry has changed, by engine key.
    collections: BTreeMap<Vec<u8>, u64>,
    /// Entries of global indexes that this entry has changed, by engine key: the bytes that each
    /// counts now, or none if it is gone.
    entries: BTreeMap<Vec<u8>, Option<usize>>,
    /// How counts change.
    count_changes: Vec<(Counted, CountChange)>,
    /// Counts after this entry, and `None` for those of what is gone. Known when it is finished.
    pub(crate) counts: Vec<(Counted, Option<Count>)>,
    /// Writes that global indexes have to follow.
    pub(crate) followed: u32,
    /// Writes that global indexes have followed.
    pub(crate) caught_up: u64,
}

impl Draft {
    pub(crate) fn new(log_index: u64) -> Self {
        Self { log_index, ..Self::default() }
    }

    pub(crate) fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.changes.push(Change::Put { key, value });
    }

    pub(crate) fn delete(&mut self, key: Vec<u8>) {
        self.changes.push(Change::Delete { key });
    }

    /// Remembers that global indexes have to follow a write.
    pub(crate) fn follow(&mut self, write: &PackedItem) {
        let key = layout::followed_at(self.log_index, self.followed);
        self.followed += 1;
        self.put(key, write.as_bytes().to_vec());
    }

    /// The size of a collection as this entry has left it so far.
    pub(crate) fn collection(&self, key: &[u8]) -> Option<u64> {
        self.collections.get(key).copied()
    }

    pub(crate) fn set_collection(&mut self, key: Vec<u8>, bytes: u64) {
        self.collections.insert(key, bytes);
    }

    /// The bytes that an entry of a global index counts as this log entry has left it so far.
    pub(crate) fn entry(&self, key: &[u8]) -> Option<&Option<usize>> {
        self.entries.get(key)
    }

    pub(crate) fn set_entry(&mut self, key: Vec<u8>, size: Option<usize>) {
        self.entries.insert(key, size);
    }

    /// Remembers how a count changes.
    pub(crate) fn count(&mut self, counted: Counted, change: CountChange) {
        match self.count_changes.iter_mut().find(|(known, _)| *known == counted) {
            Some((_, sum)) => *sum = sum.then(change),
            None => self.count_changes.push((counted, change)),
        }
    }

    pub(crate) fn set_task(&mut self, task: Task, cursor: Option<Vec<u8>>) {
        match &cursor {
            Some(cursor) => self.put(task.engine_key(), cursor.clone()),
            None => self.delete(task.engine_key()),
        }
        self.tasks.insert(task, cursor);
    }

    /// Everything, with what several writes of this entry changed together. `count` tells counts
    /// before this entry.
    pub(crate) fn finish(&mut self, count: impl Fn(&Counted) -> Count) {
        for (key, bytes) in std::mem::take(&mut self.collections) {
            if bytes == 0 {
                self.delete(key);
            } else {
                self.put(key, bytes.to_be_bytes().to_vec());
            }
        }
        for (counted, change) in std::mem::take(&mut self.count_changes) {
            let key = layout::count(&counted);
            let count = count(&counted).changed(change);
            match count {
                Some(count) => self.put(key, count.encode()),
                None => self.delete(key),
            }
            self.counts.push((counted, count));
        }
    }
}
