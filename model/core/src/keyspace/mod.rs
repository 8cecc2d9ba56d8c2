//! Who owns which key, and how a request finds the owner while that changes.
//!
//! The hash of a partition key is a *token*; a *partition* owns a range of tokens, and lives in one
//! replication group. A partition may be split in two or move elsewhere, each time under a new
//! *epoch*. A request names the epoch that its router believes in; an owner of another epoch
//! refuses it, and says what it knows. So a stale map costs a redirect and never a wrong answer.
//!
//! Reading order: [`range`] is what a partition owns, [`partition_map`] who owns what, [`routing`]
//! finds the owner, [`split`] is the owner and how it changes; [`ring`] places tokens on nodes.

pub mod partition_map;
pub mod range;
pub mod ring;
pub mod routing;
pub mod split;
