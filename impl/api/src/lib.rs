//! The `DynamoDB` API as pure translation: bytes of a request in, a typed [`Request`] out; a typed
//! [`Answer`] or [`ApiError`] in, bytes out. No I/O, no table, no clock.
//!
//! The order of checks is the API's: the operation's name, the JSON and its types
//! (`SerializationException`), enumerations and ranges (`N validation errors detected: ..`), rules
//! between parameters, expressions. What needs a table (its existence, its key, the condition) is
//! the table's business and comes back as a [`ringleader_item::Refusal`].
//!
//! Modules in reading order:
//!
//! | module | holds |
//! |---|---|
//! | [`error`] | every error answer, with type, status and text |
//! | `json` | the JSON tree of a request, borrowed from its bytes |
//! | `fields` | typed access to a request's members |
//! | `shape` | the constraints of every operation's input, as data |
//! | `constraint` | the violations of a request, collected into one answer |
//! | `value` | attribute values from and to JSON |
//! | `expression` | conditions, key conditions, projections, updates: words, placeholders, parsers |
//! | [`request`] | one file per operation |
//! | [`answer`] | what is said in return |
//! | [`header`] | request id and checksum of an answer |

#![forbid(unsafe_code)]

pub mod answer;
mod constraint;
pub mod error;
mod expression;
mod fields;
pub mod header;
mod json;
pub mod request;
mod shape;
mod value;

pub use answer::{Answer, Place, Written};
pub use error::{ApiError, ErrorKind};
pub use request::{Request, parse};
