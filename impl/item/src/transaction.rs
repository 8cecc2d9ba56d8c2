//! Transactions: several operations that happen at once or not at all.

use crate::capacity::{ReturnCapacity, ReturnMetrics};
use crate::operation::{ConditionCheck, Delete, Get, Put, Update};
use crate::{Item, PackedItem, TableName};
use serde::{Deserialize, Serialize};

/// Writes all or nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactWrite {
    /// 1 to 100 operations, each on another item.
    pub parts: Vec<TransactPart>,
    /// Makes the same request, sent again within ten minutes, have no second effect: 1 to 36
    /// characters.
    pub token: Option<String>,
    /// Whether the answer tells what it cost.
    pub capacity: ReturnCapacity,
    /// Whether the answer tells the sizes of item collections.
    pub metrics: ReturnMetrics,
}

/// One operation of a [`TransactWrite`]. What it would tell on success is not asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransactPart {
    /// Demands a condition.
    Check(ConditionCheck),
    /// Stores an item.
    Put(Put),
    /// Removes an item.
    Delete(Delete),
    /// Changes an item.
    Update(Update),
}

impl TransactPart {
    /// The table it works on.
    #[must_use]
    pub fn table(&self) -> &TableName {
        match self {
            Self::Check(check) => &check.table,
            Self::Put(put) => &put.table,
            Self::Delete(delete) => &delete.table,
            Self::Update(update) => &update.table,
        }
    }

    /// The key attributes, unless it is a put, which has them in its item.
    #[must_use]
    pub fn key(&self) -> Option<&Item> {
        match self {
            Self::Check(check) => Some(&check.key),
            Self::Put(_) => None,
            Self::Delete(delete) => Some(&delete.key),
            Self::Update(update) => Some(&update.key),
        }
    }
}

/// Reads several items as they are at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactGet {
    /// 1 to 100 reads; what each says about consistency and capacity does not count.
    pub gets: Vec<Get>,
    /// Whether the answer tells what it cost.
    pub capacity: ReturnCapacity,
}

/// What one part of a cancelled transaction has to do with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CancellationReason {
    /// Nothing.
    None,
    /// Its condition does not hold.
    ConditionalCheckFailed {
        /// The stored item, if the part asked for it and there is one.
        item: Option<PackedItem>,
    },
    /// Its item collection would be too large.
    ItemCollectionSizeLimitExceeded,
    /// Another transaction works on its item.
    TransactionConflict,
    /// It cannot be done on this item or table; the text says why.
    ValidationError(String),
}

impl CancellationReason {
    /// The reason's name on the wire.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::ConditionalCheckFailed { .. } => "ConditionalCheckFailed",
            Self::ItemCollectionSizeLimitExceeded => "ItemCollectionSizeLimitExceeded",
            Self::TransactionConflict => "TransactionConflict",
            Self::ValidationError(_) => "ValidationError",
        }
    }
}
