//! What a request asks of the items of a table, and why a table refuses: the words the API and the
//! table share.

use crate::capacity::{ReturnCapacity, ReturnMetrics};
use crate::key::KeyError;
use crate::read::ReadError;
use crate::transaction::CancellationReason;
use crate::update::UpdateError;
use crate::{Condition, IndexName, Item, PackedItem, Projection, TableName, UpdateProgram};
use serde::{Deserialize, Serialize};

/// Whether an answer carries the item as it was before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ReturnOld {
    /// It does not.
    #[default]
    None,
    /// It carries the whole item, if there was one.
    AllOld,
}

/// What the answer to an update carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ReturnValues {
    /// Nothing.
    #[default]
    None,
    /// The item as it was.
    AllOld,
    /// The updated parts as they were.
    UpdatedOld,
    /// The item as it is now.
    AllNew,
    /// The updated parts as they are now.
    UpdatedNew,
}

/// Reads one item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Get {
    /// The table.
    pub table: TableName,
    /// The key attributes.
    pub key: Item,
    /// Whether the read must see every write that was acknowledged before it.
    pub consistent_read: bool,
    /// Which parts of the item are wanted; all of it without one.
    pub projection: Option<Projection>,
    /// Whether the answer tells what it cost.
    pub capacity: ReturnCapacity,
}

impl Get {
    /// The wanted parts of what is stored under the key.
    #[must_use]
    pub fn project(&self, stored: Option<PackedItem>) -> Option<PackedItem> {
        match &self.projection {
            Some(projection) => {
                stored.map(|item| PackedItem::pack(&projection.apply(&item.unpack())))
            }
            None => stored,
        }
    }
}

/// Stores an item, replacing the one with its key, if the condition holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Put {
    /// The table.
    pub table: TableName,
    /// The new item.
    pub item: PackedItem,
    /// What must hold for the stored item.
    pub condition: Option<Condition>,
    /// Whether success tells the replaced item.
    pub return_values: ReturnOld,
    /// Whether a failed condition tells the stored item.
    pub return_values_on_failure: ReturnOld,
    /// Whether the answer tells what it cost.
    pub capacity: ReturnCapacity,
    /// Whether the answer tells the size of the item collection.
    pub metrics: ReturnMetrics,
}

/// Removes the item with a key, if there is one and the condition holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delete {
    /// The table.
    pub table: TableName,
    /// The key attributes.
    pub key: Item,
    /// What must hold for the stored item.
    pub condition: Option<Condition>,
    /// Whether success tells the removed item.
    pub return_values: ReturnOld,
    /// Whether a failed condition tells the stored item.
    pub return_values_on_failure: ReturnOld,
    /// Whether the answer tells what it cost.
    pub capacity: ReturnCapacity,
    /// Whether the answer tells the size of the item collection.
    pub metrics: ReturnMetrics,
}

/// Changes the item with a key, or makes it, if the condition holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// The table.
    pub table: TableName,
    /// The key attributes.
    pub key: Item,
    /// What to change. Without any action the item is made if it is not there.
    pub update: UpdateProgram,
    /// What must hold for the stored item.
    pub condition: Option<Condition>,
    /// What success tells.
    pub return_values: ReturnValues,
    /// Whether a failed condition tells the stored item.
    pub return_values_on_failure: ReturnOld,
    /// Whether the answer tells what it cost.
    pub capacity: ReturnCapacity,
    /// Whether the answer tells the size of the item collection.
    pub metrics: ReturnMetrics,
}

/// Demands a condition on an item and changes nothing: a part of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConditionCheck {
    /// The table.
    pub table: TableName,
    /// The key attributes.
    pub key: Item,
    /// What must hold for the stored item.
    pub condition: Condition,
    /// Whether a failed condition tells the stored item.
    pub return_values_on_failure: ReturnOld,
}

impl Put {
    /// A put without condition that tells nothing.
    #[must_use]
    pub fn new(table: TableName, item: PackedItem) -> Self {
        Self {
            table,
            item,
            condition: None,
            return_values: ReturnOld::None,
            return_values_on_failure: ReturnOld::None,
            capacity: ReturnCapacity::None,
            metrics: ReturnMetrics::None,
        }
    }
}

impl Delete {
    /// A delete without condition that tells nothing.
    #[must_use]
    pub fn new(table: TableName, key: Item) -> Self {
        Self {
            table,
            key,
            condition: None,
            return_values: ReturnOld::None,
            return_values_on_failure: ReturnOld::None,
            capacity: ReturnCapacity::None,
            metrics: ReturnMetrics::None,
        }
    }
}

/// Why a table refuses a request. Each is certain to have had no effect. New ones are added at the
/// end: the order is the wire form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// No table has this name.
    #[error("no table {0}")]
    TableNotFound(TableName),
    /// A table with this name exists already.
    #[error("table {0} exists")]
    TableExists(TableName),
    /// The attributes do not form a key of this table.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The condition does not hold.
    #[error("the condition does not hold")]
    ConditionFailed {
        /// The stored item, if the request asked for it and there is one.
        old: Option<PackedItem>,
    },
    /// The update cannot be done on the stored item.
    #[error(transparent)]
    Update(#[from] UpdateError),
    /// The table cannot be read like that.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The table is being made, changed or removed.
    #[error("table {0} is being made, changed or removed")]
    TableBusy(TableName),
    /// The table must not be removed.
    #[error("table {0} is protected against deletion")]
    DeletionProtected(TableName),
    /// A table's definition cannot be changed like that.
    #[error(transparent)]
    Change(#[from] TableChangeError),
    /// A part of a transaction failed, so nothing was done: a reason for each part, in order.
    #[error("the transaction is cancelled")]
    TransactionCancelled(Vec<CancellationReason>),
    /// A transaction with the same token is not finished.
    #[error("a transaction with this token is in progress")]
    TransactionInProgress,
    /// A transaction with the same token asked for something else.
    #[error("another transaction used this token")]
    TokenReused,
    /// The items of one partition key, indexes included, exceed what a table with local secondary
    /// indexes may hold.
    #[error("the item collection is too large")]
    ItemCollectionTooLarge,
    /// The API has it and this server has not.
    #[error("{0} is not supported yet")]
    NotSupported(String),
    /// A batch names an item twice.
    #[error("a batch names an item twice")]
    DuplicateKeys,
    /// Two parts of a transaction work on one item.
    #[error("two parts of a transaction work on one item")]
    DuplicateParts,
    /// The items of a transaction are too large together.
    #[error("the items of the transaction are too large together")]
    TransactionTooLarge,
}

/// Why a table's definition cannot be changed. Display is the text `DynamoDB` answers with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum TableChangeError {
    /// The table has an index of that name.
    #[error("One or more parameter values were invalid: Duplicate index name: {0}")]
    IndexExists(IndexName),
    /// The table has no index of that name.
    #[error("Requested resource not found")]
    IndexNotFound(IndexName),
    /// The table has as many global secondary indexes as a table can have.
    #[error(
        "One or more parameter values were invalid: GlobalSecondaryIndex count exceeds the per-table \
         limit of {}",
        crate::limits::GLOBAL_INDEXES_MAX
    )]
    TooManyIndexes,
    /// An attribute has one type in the table and another in the new index.
    #[error(
        "One or more parameter values were invalid: AttributeDefinition for {0} conflicts with the \
         table's"
    )]
    AttributeType(String),
    /// The throughput asked for is the present one.
    #[error(
        "The provisioned throughput for the table will not change. The requested value equals the \
         current value. Current ReadCapacityUnits provisioned for the table: {read_units}. Requested \
         ReadCapacityUnits: {read_units}. Current WriteCapacityUnits provisioned for the table: \
         {write_units}. Requested WriteCapacityUnits: {write_units}. Refer to the Amazon DynamoDB \
         Developer Guide for current limits and how to request higher limits."
    )]
    SameThroughput {
        /// Present and asked for.
        read_units: u64,
        /// Present and asked for.
        write_units: u64,
    },
    /// Throughput for what is billed on demand.
    #[error(
        "One or more parameter values were invalid: Neither ReadCapacityUnits nor WriteCapacityUnits \
         can be specified when BillingMode is PAY_PER_REQUEST"
    )]
    ThroughputOnDemand,
    /// No throughput for a new index of a table with provisioned throughput.
    #[error(
        "One or more parameter values were invalid: ReadCapacityUnits and WriteCapacityUnits must \
         both be specified for index: {0}"
    )]
    IndexThroughputMissing(IndexName),
    /// Expiry is on, or on with this attribute, already.
    #[error("TimeToLive is already enabled")]
    TimeToLiveEnabled,
    /// Expiry is off already.
    #[error("TimeToLive is already disabled")]
    TimeToLiveDisabled,
    /// Expiry is on with another attribute.
    #[error("TimeToLive is active on a different AttributeName: current AttributeName is {0}")]
    TimeToLiveAttribute(String),
    /// A table would have more labels than it can have.
    #[error("Too many tags: a resource has {} at most", crate::limits::TAGS_MAX)]
    TooManyTags,
    /// One request is to make or remove several global secondary indexes.
    #[error(
        "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per \
         table"
    )]
    OneIndexAtATime,
}
