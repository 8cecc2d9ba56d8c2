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
//! | [`operation`] | what a request asks of a table and why a table refuses |

#![forbid(unsafe_code)]

pub mod condition;
pub mod key;
pub mod limits;
pub mod number;
pub mod operation;
pub mod packed;
pub mod projection;
pub mod value;

pub use condition::{Comparator, Condition, Operand, Path, PathElement, Predicate, Step};
pub use key::{Key, KeyAttribute, KeyKind, KeySchema};
pub use number::Number;
pub use operation::{
    BillingMode, Delete, Put, Refusal, ReturnOld, TableDefinition, TableDescription, TableId,
    TableName,
};
pub use packed::PackedItem;
pub use projection::Projection;
pub use value::{AttributeValue, Item};
