//! Long tasks: filling a new index, emptying a removed one, emptying a removed table, finding or
//! forgetting the expiries of a whole table. Each is done in parts, a command each, so that none keeps
//! a replica busy; where it stands is a record like any other. Tasks are done one after the other.
//!
//! Writes go on meanwhile. A task that fills looks at each item once, in the order of keys; what is
//! written in front of it, it will meet; what is written behind it, the write itself has shown to the
//! index (by a note) or to the expiries.

use crate::draft::Draft;
use crate::follow::COMMAND_BYTES_MAX;
use crate::stop::Stop;
use crate::{TableError, Tables, expiry, layout};
use ringleader_item::{IndexName, PackedItem, TableDescription, TableId};
use ringleader_storage::engine::Engine;
use std::ops::Bound;

/// What is done to which table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Task {
    pub(crate) table: TableId,
    pub(crate) kind: TaskKind,
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TaskKind {
    /// The table is removed: so is all that it held.
    EmptyTable,
    /// The index is new: it is to show every item.
    FillIndex(IndexName),
    /// The index is removed: so is all that it held.
    EmptyIndex(IndexName),
    /// Items are to expire: find those that do.
    FillExpiries,
    /// Items are no longer to expire.
    EmptyExpiries,
}

impl Task {
    pub(crate) fn engine_key(&self) -> Vec<u8> {
        let (kind, name) = match &self.kind {
            TaskKind::EmptyTable => (0, ""),
            TaskKind::FillIndex(name) => (1, name.as_str()),
            TaskKind::EmptyIndex(name) => (2, name.as_str()),
            TaskKind::FillExpiries => (3, ""),
            TaskKind::EmptyExpiries => (4, ""),
        };
        let mut bytes = layout::tasks();
        bytes.extend_from_slice(&self.table.0.to_be_bytes());
        bytes.push(kind);
        bytes.extend_from_slice(name.as_bytes());
        bytes
    }

    pub(crate) fn decode(engine_key: &[u8]) -> Option<Self> {
        let (table, rest) = engine_key.get(1..)?.split_first_chunk::<16>()?;
        let (kind, name) = rest.split_first()?;
        let name = || IndexName::new(core::str::from_utf8(name).ok()?).ok();
        let kind = match kind {
            0 => TaskKind::EmptyTable,
            1 => TaskKind::FillIndex(name()?),
            2 => TaskKind::EmptyIndex(name()?),
            3 => TaskKind::FillExpiries,
            4 => TaskKind::EmptyExpiries,
            _ => return None,
        };
        Some(Self { table: TableId(u128::from_be_bytes(*table)), kind })
    }
}

/// Items that a task met, and where it goes on; nowhere if it met the last one.
struct Met {
    items: Vec<(Vec<u8>, PackedItem)>,
    next: Option<Vec<u8>>,
}

impl<E: Engine> Tables<E> {
    /// Does a part of the first task.
    pub(crate) fn advance(&self, draft: &mut Draft, limit: u32) -> Result<(), Stop<E::Error>> {
        let Some((task, cursor)) = self.first_task() else { return Ok(()) };
        let limit = limit as usize;
        let next = match (&task.kind, self.by_id(task.table)) {
            (TaskKind::EmptyTable, _) => {
                self.empty(draft, &layout::everything(task.table), limit)?
            }
            (TaskKind::EmptyIndex(name), _) => {
                self.empty(draft, &[layout::index(task.table, name)], limit)?
            }
            (TaskKind::EmptyExpiries, _) => {
                self.empty(draft, &[layout::expiries(task.table)], limit)?
            }
            (TaskKind::FillIndex(name), Some(table)) => {
                let met = self.meet(table.id, cursor, limit)?;
                for (_, packed) in &met.items {
                    self.put_entry(draft, table, name, packed, &packed.unpack())?;
                }
                met.next
            }
            (TaskKind::FillExpiries, Some(table)) => {
                let met = self.meet(table.id, cursor, limit)?;
                find_expiries(draft, table, &met.items);
                met.next
            }
            // The table was removed, and its tasks with it.
            (TaskKind::FillIndex(_) | TaskKind::FillExpiries, None) => None,
        };
        draft.set_task(task.clone(), next);
        Ok(())
    }

    /// Removes keys under these prefixes; somewhere to go on if that was not all.
    fn empty(
        &self,
        draft: &mut Draft,
        prefixes: &[Vec<u8>],
        limit: usize,
    ) -> Result<Option<Vec<u8>>, Stop<E::Error>> {
        let mut left = limit;
        for prefix in prefixes {
            self.visit(&layout::under(prefix), &mut |key, _| {
                if left > 0 {
                    draft.delete(key.to_vec());
                }
                left = left.saturating_sub(1);
                Ok(left > 0)
            })?;
            if left == 0 {
                return Ok(Some(Vec::new()));
            }
        }
        Ok(None)
    }

    /// The items after a cursor.
    fn meet(&self, table: TableId, cursor: &[u8], limit: usize) -> Result<Met, Stop<E::Error>> {
        let prefix = layout::items(table);
        let low = if cursor.is_empty() {
            Bound::Included(prefix.clone())
        } else {
            Bound::Excluded(cursor.to_vec())
        };
        let (mut items, mut bytes, mut damaged) = (Vec::new(), 0, None);
        self.visit(&(low, layout::after(&prefix)), &mut |key, value| {
            bytes += value.len();
            match PackedItem::from_bytes(value.to_vec()) {
                Ok(item) => items.push((key.to_vec(), item)),
                Err(_) => damaged = Some(key.to_vec()),
            }
            Ok(damaged.is_none() && items.len() < limit && bytes < COMMAND_BYTES_MAX)
        })?;
        if let Some(key) = damaged {
            return Err(TableError::Damaged { what: "item", key }.into());
        }
        let stopped = items.len() >= limit || bytes >= COMMAND_BYTES_MAX;
        let next = items.last().map(|(key, _)| key.clone()).filter(|_| stopped);
        Ok(Met { items, next })
    }
}

fn find_expiries(draft: &mut Draft, table: &TableDescription, items: &[(Vec<u8>, PackedItem)]) {
    let Some(attribute) = &table.expiry_attribute else { return };
    for (engine_key, packed) in items {
        if let Some(seconds) = expiry::seconds(&packed.unpack(), attribute) {
            let key = layout::expiry(table.id, seconds, layout::key_of(engine_key));
            draft.put(key, Vec::new());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_its_key() {
        let name = IndexName::new("by-day").unwrap();
        let kinds = [
            TaskKind::EmptyTable,
            TaskKind::FillIndex(name.clone()),
            TaskKind::EmptyIndex(name),
            TaskKind::FillExpiries,
            TaskKind::EmptyExpiries,
        ];
        for kind in kinds {
            let task = Task { table: TableId(5), kind };
            assert_eq!(Task::decode(&task.engine_key()), Some(task));
        }
        assert_eq!(Task::decode(b"\x04short"), None);
    }
}
