//! How much each table and each of its indexes holds, as `DescribeTable` tells it: counted with every
//! write, in the same log entry.
//!
//! * `COUNT-1` the counts of a table are those of a scan of it, at every index of the log; so are those
//!   of an index, whatever it has yet to follow.
//!
//! Source: `ItemCount` and `TableSizeBytes` of the API. Differences: Amazon counts every six hours or
//! so. What an index holds beside the attributes that it projects counts nothing.

use crate::{TableError, Tables, layout};
use ringleader_item::{Extent, IndexName, PackedItem, TableDescription, TableId, TableReport};
use ringleader_storage::engine::Engine;

/// What is counted: a table, or an index of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Counted {
    pub(crate) table: TableId,
    pub(crate) index: Option<IndexName>,
}

impl Counted {
    pub(crate) fn table(table: TableId) -> Self {
        Self { table, index: None }
    }

    pub(crate) fn index(table: TableId, index: &IndexName) -> Self {
        Self { table, index: Some(index.clone()) }
    }

    /// A table and its indexes.
    pub(crate) fn all(table: &TableDescription) -> impl Iterator<Item = Self> {
        let indexes = table.definition.index_names().map(|name| Self::index(table.id, name));
        std::iter::once(Self::table(table.id)).chain(indexes)
    }

    /// What is counted under a key of the engine.
    pub(crate) fn decode(engine_key: &[u8]) -> Option<Self> {
        let (table, name) = engine_key.get(1..)?.split_first_chunk::<16>()?;
        let table = TableId(u128::from_be_bytes(*table));
        if name.is_empty() {
            return Some(Self::table(table));
        }
        let name = IndexName::new(core::str::from_utf8(name).ok()?).ok()?;
        Some(Self { table, index: Some(name) })
    }
}

/// Items and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    items: u64,
    bytes: u64,
}

impl Count {
    fn add(&mut self, item: &PackedItem) {
        self.items += 1;
        self.bytes += item.size() as u64;
    }

    /// The record in the engine: both numbers, big-endian.
    pub(crate) fn encode(self) -> Vec<u8> {
        [self.items.to_be_bytes(), self.bytes.to_be_bytes()].concat()
    }

    pub(crate) fn decode(record: &[u8]) -> Option<Self> {
        let (items, bytes) = record.split_first_chunk::<8>()?;
        let bytes = u64::from_be_bytes(bytes.try_into().ok()?);
        Some(Self { items: u64::from_be_bytes(*items), bytes })
    }

    /// The count after a change.
    pub(crate) fn changed(self, change: Change) -> Option<Self> {
        match change {
            Change::Begin => Some(Self::default()),
            Change::Add { items, bytes } => {
                let sum = |count: u64, add| count.checked_add_signed(add);
                let (items, bytes) = (sum(self.items, items), sum(self.bytes, bytes));
                debug_assert!(items.is_some() && bytes.is_some(), "COUNT-1: fewer than none");
                // A wrong count is a wrong figure; that a replica stops would be worse.
                Some(Self { items: items.unwrap_or(0), bytes: bytes.unwrap_or(0) })
            }
            Change::End => None,
        }
    }

    fn extent(self) -> Extent {
        Extent { items: self.items, bytes: self.bytes, ..Extent::default() }
    }
}

/// What a log entry does to a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The table or the index is new, and empty.
    Begin,
    /// There are so many more items and bytes.
    Add { items: i64, bytes: i64 },
    /// The table or the index is no more.
    End,
}

impl Change {
    /// That of an item which counted so many bytes before, if it was there, and counts so many now,
    /// if it is there.
    pub(crate) fn of_item(before: Option<usize>, after: Option<usize>) -> Self {
        let bytes = |size: Option<usize>| i64::try_from(size.unwrap_or(0)).unwrap_or(i64::MAX);
        Self::Add {
            items: i64::from(after.is_some()) - i64::from(before.is_some()),
            bytes: bytes(after) - bytes(before),
        }
    }

    /// Both, one after the other.
    pub(crate) fn then(self, next: Self) -> Self {
        match (self, next) {
            (Self::Add { items, bytes }, Self::Add { items: more, bytes: longer }) => {
                Self::Add { items: items + more, bytes: bytes + longer }
            }
            (_, Self::Begin | Self::End) => next,
            (Self::Begin | Self::End, Self::Add { .. }) => {
                debug_assert!(false, "what begins or ends with an entry is not written by it");
                self
            }
        }
    }
}

impl<E: Engine> Tables<E> {
    /// Takes what a table holds into its report.
    pub(crate) fn count_into(&self, report: &mut TableReport) {
        for counted in Counted::all(&report.description) {
            let Extent { items, bytes, .. } = self.count(&counted).extent();
            let extent = match counted.index {
                Some(name) => report.indexes.entry(name).or_default(),
                None => &mut report.extent,
            };
            (extent.items, extent.bytes) = (items, bytes);
        }
    }

    /// Counts by looking at everything what has no record: a table that a version of this program
    /// made which did not count.
    pub(crate) fn count_what_was_not(&mut self) -> Result<(), TableError<E::Error>> {
        let all: Vec<Counted> = self.descriptions().flat_map(Counted::all).collect();
        for counted in all {
            if !self.is_counted(&counted) {
                let count = self.scanned_count(&counted)?;
                self.set_count(counted, Some(count));
            }
        }
        Ok(())
    }

    fn scanned_count(&self, counted: &Counted) -> Result<Count, TableError<E::Error>> {
        let prefix = match &counted.index {
            Some(name) => layout::index(counted.table, name),
            None => layout::items(counted.table),
        };
        let (mut count, mut damaged) = (Count::default(), None);
        let mut look = |key: &[u8], value: &[u8]| {
            match PackedItem::from_bytes(value.to_vec()) {
                Ok(item) => count.add(&item),
                Err(_) => damaged = Some(key.to_vec()),
            }
            damaged.is_none()
        };
        let range = layout::under(&prefix);
        self.engine().scan(layout::borrowed(&range), &mut look).map_err(TableError::Engine)?;
        match damaged {
            Some(key) => Err(TableError::Damaged { what: "item", key }),
            None => Ok(count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_its_record() {
        let count = Count { items: 3, bytes: u64::MAX };
        assert_eq!(Count::decode(&count.encode()), Some(count));
        assert_eq!(Count::decode(b"short"), None);
        let index = IndexName::new("by-day").unwrap();
        for counted in [Counted::table(TableId(7)), Counted::index(TableId(7), &index)] {
            assert_eq!(Counted::decode(&layout::count(&counted)), Some(counted));
        }
        assert_eq!(Counted::decode(b"\x09short"), None);
    }

    #[test]
    fn changes_add_up() {
        let put = Change::of_item(None, Some(10));
        let replace = Change::of_item(Some(10), Some(4));
        let remove = Change::of_item(Some(4), None);
        let all = Count::default().changed(put.then(replace)).unwrap();
        assert_eq!(all, Count { items: 1, bytes: 4 });
        assert_eq!(all.changed(remove), Some(Count::default()));
        assert_eq!(all.changed(Change::End), None);
    }
}
