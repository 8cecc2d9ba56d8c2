//! Items as `DynamoDB` knows them: values, exact numbers, keys, conditions, and the vocabulary in
//! which the API tells the table what to do. Pure: no JSON, no clock, no I/O.
//!
//! Modules in reading order:
//!
//! | module | holds |
//! |---|---|
//! | [`limits`] | every bound, with its source |
//! | [`number`] | 38-digit decimals: parse, print, order |
//! | [`value`] | [`AttributeValue`], [`Item`], the item size rule |
//! | [`packed`] | the one stored form of an item: canonical, versioned, decoded without trust |
//! | [`key`] | key schemas and the order-preserving key encoding |
//! | [`condition`] | condition expressions as programs, and their evaluation |
//! | [`projection`] | which parts of an item a reader wants |
//! | [`update`] | update expressions as programs, and the changing of items |
//! | [`table`] | tables: names, keys, indexes, labels, expiry |
//! | [`capacity`] | what requests cost |
//! | [`operation`] | what a request asks of items and why a table refuses |
//! | [`read`] | queries and scans, and where in the key space they read |
//! | [`batch`] | several reads or writes in one request |
//! | [`transaction`] | several operations at once or not at all |

#![forbid(unsafe_code)]

pub mod batch;
pub mod capacity;
pub mod condition;
pub mod key;
pub mod limits;
pub mod number;
pub mod operation;
pub mod packed;
pub mod projection;
pub mod read;
pub mod table;
pub mod transaction;
pub mod update;
pub mod value;

pub use batch::{BatchGet, BatchWrite, BatchedWrite, KeysAndAttributes, WrittenProjection};
pub use capacity::{Consumed, ConsumedKind, ItemCollection, ReturnCapacity, ReturnMetrics, Units};
pub use condition::{Comparator, Condition, Operand, Path, PathElement, Predicate, Step};
pub use key::{Key, KeyAttribute, KeyKind, KeySchema};
pub use number::Number;
pub use operation::{
    ConditionCheck, Delete, Get, Put, Refusal, ReturnOld, ReturnValues, TableChangeError, Update,
};
pub use packed::PackedItem;
pub use projection::Projection;
pub use read::{KeyCondition, KeyRange, KeyTest, Page, Query, ReadError, Scan, Segment, Select};
pub use table::{
    BillingMode, Extent, GlobalIndex, IndexName, IndexProjection, IndexUpdate, ListTables,
    LocalIndex, Source, SourceKind, TableClass, TableDefinition, TableDescription, TableId,
    TableName, TableReport, TableStatus, TagTable, Throughput, UntagTable, UpdateTable,
    UpdateTimeToLive,
};
pub use transaction::{CancellationReason, TransactGet, TransactPart, TransactWrite};
pub use update::{Action, UpdateError, UpdateProgram, ValueStep};
pub use value::{AttributeValue, Item};
