//! What a request costs: the arithmetic of capacity units, and the account that an answer shows.
//!
//! A write costs a unit per begun KB of the larger of the old and the new item, a strongly
//! consistent read a unit per begun 4 KB, an eventually consistent read half of that, an operation
//! of a transaction twice that of a plain one. Units are counted in halves, so that sums are exact.
//! Source: developer guide, "`DynamoDB` read and write operations".

use crate::{IndexName, TableName};
use core::ops::{Add, AddAssign};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Bytes of an item that one write unit pays for.
pub const WRITE_UNIT_BYTES: usize = 1_024;
/// Bytes of items that one read unit pays for.
pub const READ_UNIT_BYTES: usize = 4_096;

/// Capacity units, exact to the half.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Units {
    halves: u64,
}

/// Which guarantee a request pays for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Price {
    /// An eventually consistent read.
    Eventual,
    /// A strongly consistent read, or a write.
    Plain,
    /// A part of a transaction.
    Transaction,
}

impl Units {
    /// Nothing.
    pub const ZERO: Self = Self { halves: 0 };

    /// So many halves of a unit.
    #[must_use]
    pub fn halves(halves: u64) -> Self {
        Self { halves }
    }

    /// The number of halves.
    #[must_use]
    pub fn in_halves(self) -> u64 {
        self.halves
    }

    fn of(bytes: usize, unit_bytes: usize, price: Price) -> Self {
        let whole = bytes.div_ceil(unit_bytes).max(1) as u64;
        Self {
            halves: match price {
                Price::Eventual => whole,
                Price::Plain => 2 * whole,
                Price::Transaction => 4 * whole,
            },
        }
    }

    /// What reading costs. `bytes` is the size of one item, or of all items that a page of a query
    /// or scan looked at together; looking at nothing costs as much as at one byte.
    #[must_use]
    pub fn read(bytes: usize, price: Price) -> Self {
        Self::of(bytes, READ_UNIT_BYTES, price)
    }

    /// What writing costs, for the larger of the item before and the item after; a write that finds
    /// and leaves nothing costs as much as one byte.
    #[must_use]
    pub fn write(before: Option<usize>, after: Option<usize>, price: Price) -> Self {
        Self::of(before.max(after).unwrap_or(0), WRITE_UNIT_BYTES, price)
    }

    /// What a change of an index entry costs: nothing if the entry stays as it is or does not
    /// exist, one write for a new, a removed or a changed entry, two if its key changed (the old
    /// entry is removed and the new one is put).
    #[must_use]
    pub fn index_write(
        before: Option<usize>,
        after: Option<usize>,
        change: IndexChange,
        price: Price,
    ) -> Self {
        match change {
            IndexChange::None => Self::ZERO,
            IndexChange::InPlace => Self::write(before, after, price),
            IndexChange::Moved => {
                Self::write(before, None, price) + Self::write(None, after, price)
            }
        }
    }
}

/// What a write does to an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IndexChange {
    /// Nothing: no entry before and after, or the same.
    None,
    /// The entry is new, gone, or has other content under the same key.
    InPlace,
    /// The entry is now under another key.
    Moved,
}

impl Add for Units {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { halves: self.halves + other.halves }
    }
}

impl AddAssign for Units {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// How much of the account a request wants to see.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum ReturnCapacity {
    /// Nothing.
    #[default]
    None,
    /// The sum.
    Total,
    /// The sum, the table's part and each index's part.
    Indexes,
}

/// Whether a write wants to know how large the item collection is that it wrote to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ReturnMetrics {
    /// It does not.
    #[default]
    None,
    /// It does. Only tables with a local secondary index have an answer.
    Size,
}

/// What a request consumed of one table and its indexes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consumed {
    /// The table.
    pub table: TableName,
    /// Read or written.
    pub kind: ConsumedKind,
    /// The table's own part.
    pub units: Units,
    /// The part of each local secondary index that had one.
    pub local: BTreeMap<IndexName, Units>,
    /// The part of each global secondary index that had one.
    pub global: BTreeMap<IndexName, Units>,
    /// Whether the answer tells these parts, and not only their sum.
    pub by_index: bool,
}

/// Whether units are for reading or writing; only transactions tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ConsumedKind {
    /// Not told.
    Plain,
    /// Read in a transaction.
    TransactionRead,
    /// Written in a transaction.
    TransactionWrite,
}

impl Consumed {
    /// An account of the table alone, if the request wants one.
    #[must_use]
    pub fn new(
        table: &TableName,
        kind: ConsumedKind,
        units: Units,
        wanted: ReturnCapacity,
    ) -> Option<Self> {
        (wanted != ReturnCapacity::None).then(|| Self {
            table: table.clone(),
            kind,
            units,
            local: BTreeMap::new(),
            global: BTreeMap::new(),
            by_index: wanted == ReturnCapacity::Indexes,
        })
    }

    /// The sum over table and indexes.
    #[must_use]
    pub fn total(&self) -> Units {
        let parts = self.local.values().chain(self.global.values());
        parts.fold(self.units, |sum, part| sum + *part)
    }

    /// Adds what another request consumed of the same table.
    pub fn add(&mut self, other: &Self) {
        self.units += other.units;
        for (into, from) in [(&mut self.local, &other.local), (&mut self.global, &other.global)] {
            for (name, units) in from {
                *into.entry(name.clone()).or_default() += *units;
            }
        }
    }
}

/// The item collection that a write went to: all items of table and local secondary indexes with
/// one partition key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemCollection {
    /// The partition key attribute and its value.
    pub key: crate::Item,
    /// Its bytes, estimated.
    pub bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_counted_as_the_developer_guide_counts_them() {
        let halves = |units: Units| units.in_halves();
        let read = [(0, 1, 2, 4), (4_096, 1, 2, 4), (4_097, 2, 4, 8), (409_600, 100, 200, 400)];
        for (bytes, eventual, plain, transaction) in read {
            assert_eq!(halves(Units::read(bytes, Price::Eventual)), eventual, "{bytes}");
            assert_eq!(halves(Units::read(bytes, Price::Plain)), plain, "{bytes}");
            assert_eq!(halves(Units::read(bytes, Price::Transaction)), transaction, "{bytes}");
        }
        let write = [
            (None, None, 2),
            (None, Some(1_024), 2),
            (Some(1_025), Some(10), 4),
            (Some(1), Some(3_000), 6),
        ];
        for (before, after, expected) in write {
            assert_eq!(halves(Units::write(before, after, Price::Plain)), expected);
            assert_eq!(halves(Units::write(before, after, Price::Transaction)), 2 * expected);
        }
        let index =
            |change| halves(Units::index_write(Some(2_000), Some(10), change, Price::Plain));
        assert_eq!(
            [IndexChange::None, IndexChange::InPlace, IndexChange::Moved].map(index),
            [0, 4, 6]
        );
    }

    #[test]
    fn accounts_of_one_table_add_up() {
        let name = |text| IndexName::new(text).unwrap();
        let table = TableName::new("orders").unwrap();
        let account = |wanted| Consumed::new(&table, ConsumedKind::Plain, Units::halves(1), wanted);
        assert_eq!(account(ReturnCapacity::None), None);
        let mut sum = account(ReturnCapacity::Indexes).unwrap();
        sum.global.insert(name("by-day"), Units::halves(2));
        let mut other = sum.clone();
        other.local.insert(name("by-age"), Units::halves(3));
        sum.add(&other);
        assert_eq!(sum.total(), Units::halves(1 + 2 + 1 + 2 + 3));
        assert_eq!(sum.global[&name("by-day")], Units::halves(4));
    }
}
