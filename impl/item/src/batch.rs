//! Batches: several reads or several writes in one request, each on its own.

use crate::capacity::{ReturnCapacity, ReturnMetrics};
use crate::{Item, PackedItem, Projection, TableName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Reads 1 to 100 items of any tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchGet {
    /// What to read of each table.
    pub tables: BTreeMap<TableName, KeysAndAttributes>,
    /// Whether the answer tells what it cost.
    pub capacity: ReturnCapacity,
}

/// Which items of a table to read, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeysAndAttributes {
    /// The key attributes of each item, each once.
    pub keys: Vec<Item>,
    /// Whether the reads must see every write that was acknowledged before them.
    pub consistent_read: bool,
    /// Which parts of the items are wanted; all without one.
    pub projection: Option<Projection>,
    /// The projection as the request wrote it, to repeat it for the keys that were not read.
    pub written: WrittenProjection,
}

/// A projection as a request wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenProjection {
    /// `ProjectionExpression`
    pub expression: Option<String>,
    /// `ExpressionAttributeNames`; empty if the request has none.
    pub names: BTreeMap<String, String>,
    /// `AttributesToGet`; empty if the request has none.
    pub attributes: Vec<String>,
}

/// Puts and deletes 1 to 25 items of any tables, without conditions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchWrite {
    /// What to write to each table.
    pub tables: BTreeMap<TableName, Vec<BatchedWrite>>,
    /// Whether the answer tells what it cost.
    pub capacity: ReturnCapacity,
    /// Whether the answer tells the sizes of item collections.
    pub metrics: ReturnMetrics,
}

/// One write of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BatchedWrite {
    /// Stores an item.
    Put(PackedItem),
    /// Removes the item with these key attributes.
    Delete(Item),
}
