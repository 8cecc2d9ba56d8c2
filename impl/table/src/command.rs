//! What the log carries and what applying it yields; what can be read and what that yields.

use ringleader_item::{
    BatchGet, BatchWrite, Consumed, Delete, Get, ItemCollection, KeysAndAttributes, ListTables,
    PackedItem, Page, Put, Query, Refusal, Scan, TableDescription, TableId, TableName, TableReport,
    TagTable, TransactGet, TransactWrite, UntagTable, Update, UpdateTable, UpdateTimeToLive,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A committed command. New ones are added at the end: the order is the wire form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Create a table. Whoever proposes it chooses id and creation time.
    CreateTable(TableDescription),
    /// Store an item.
    Put(Put),
    /// Remove an item.
    Delete(Delete),
    /// Change an item.
    Update(Update),
    /// Store and remove items, each on its own.
    WriteBatch(BatchWrite),
    /// Write items, all or nothing.
    Transact {
        /// What to write.
        write: TransactWrite,
        /// A digest of the request, compared with that of an earlier request with the same token.
        fingerprint: u128,
        /// The time of the proposal, in milliseconds since 1970.
        now_unix_ms: u64,
    },
    /// Change a table.
    UpdateTable(UpdateTable),
    /// Remove a table with all that is in it.
    DeleteTable(TableName),
    /// Label a table.
    Tag(TagTable),
    /// Remove labels of a table.
    Untag(UntagTable),
    /// Have items expire, or no longer.
    UpdateTimeToLive(UpdateTimeToLive),
    /// Have global indexes follow the oldest writes that they have not followed yet.
    Follow {
        /// How many writes, at most.
        limit: u32,
    },
    /// Do a part of the first long task: fill or empty an index, empty a removed table.
    Task {
        /// How many keys to look at, at most.
        limit: u32,
    },
    /// Remove items that have expired, unless they have changed meanwhile.
    Expire {
        /// Their table.
        table: TableId,
        /// Since when, in seconds since 1970, and the key inside the table.
        items: Vec<(u64, Vec<u8>)>,
    },
}

/// What applying a command yields, on every replica the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The table now exists.
    Created(TableDescription),
    /// The item is stored, changed or removed.
    Written(Written),
    /// The command had no effect.
    Refused(Refusal),
    /// The entry had been applied before this replica restarted; its answer is no longer known.
    /// Nobody waits for it: whoever asked lost the connection with the restart.
    Repeated,
    /// All items of a batch or a transaction are written.
    AllWritten {
        /// What it cost, a table each, if asked for.
        consumed: Vec<Consumed>,
        /// The item collections, if asked for.
        collections: BTreeMap<TableName, Vec<ItemCollection>>,
    },
    /// The table was changed, or is removed.
    Changed(Box<TableReport>),
    /// It is done, and there is nothing to tell.
    Done,
}

/// What is told of a write.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The item or its parts, before or after, if asked for and there is something.
    pub attributes: Option<PackedItem>,
    /// What it cost, if asked for.
    pub consumed: Option<Consumed>,
    /// The item collection, if asked for and the table has a local secondary index.
    pub collection: Option<ItemCollection>,
}

/// What can be read. New ones are added at the end: the order is the wire form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Read {
    /// One item.
    Item(Get),
    /// A table's description.
    Table(TableName),
    /// The names of tables.
    Tables(ListTables),
    /// Items with one partition key.
    Query(Query),
    /// All items.
    Scan(Scan),
    /// Several items.
    Items {
        /// Which.
        batch: BatchGet,
        /// Bytes of items to tell, at most; at least one item is told.
        size_max: usize,
    },
    /// Several items as they are at one moment.
    Moment(TransactGet),
    /// What a leader should propose next of its own accord.
    Upkeep {
        /// The time, in seconds since 1970.
        now_unix_s: u64,
    },
}

/// What a read yields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Found {
    /// The wanted parts of the item, if there is one.
    Item {
        /// They.
        item: Option<PackedItem>,
        /// What it cost, if asked for.
        consumed: Option<Consumed>,
    },
    /// The table.
    Table(Box<TableReport>),
    /// Tables.
    Tables {
        /// Their names in order.
        names: Vec<TableName>,
        /// The last of these names, unless there is none after it.
        last: Option<TableName>,
    },
    /// A page.
    Page {
        /// The page.
        page: Page,
        /// What it cost, if asked for.
        consumed: Option<Consumed>,
    },
    /// Several items.
    Items {
        /// The items found, for each table that was asked for.
        found: BTreeMap<TableName, Vec<PackedItem>>,
        /// What was not read.
        unprocessed: BTreeMap<TableName, KeysAndAttributes>,
        /// What it cost, a table each, if asked for.
        consumed: Vec<Consumed>,
    },
    /// Several items at one moment.
    Moment {
        /// For each read its item, if there is one.
        items: Vec<Option<PackedItem>>,
        /// What it cost, a table each, if asked for.
        consumed: Vec<Consumed>,
    },
    /// What to propose, if anything.
    Upkeep(Option<Command>),
    /// It cannot be read.
    Refused(Refusal),
}
