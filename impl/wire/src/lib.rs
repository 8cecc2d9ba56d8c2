//! The bytes of the system: what nodes say to each other, and what a replica's log records hold.
//!
//! This is the only crate that serializes messages and writes of the core, and the only one that
//! knows `bincode`. Whatever it decodes is treated as hostile: every length is checked against a
//! limit before anything is allocated, and no input panics.
//!
//! Modules in reading order:
//!
//! | module | holds |
//! |---|---|
//! | [`limits`] | every bound, with the sum that justifies it |
//! | [`Command`] | an encoded command of a state machine, as the log carries it |
//! | [`codec`] | values to bytes and back |
//! | [`record`] | the log record of one write of a replication group |
//! | [`frame`] | what travels between nodes, and how a stream of bytes is cut into it |

#![forbid(unsafe_code)]

pub mod codec;
mod command;
pub mod frame;
pub mod limits;
pub mod record;

pub use codec::{DecodeError, EncodeError};
pub use command::Command;
