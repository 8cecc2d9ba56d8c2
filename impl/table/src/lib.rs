//! The state machine that every replica runs over the same log: one committed command in, changes
//! to an engine and an answer out.
//!
//! Everything a command does depends on the command and on what the engine holds, on nothing else:
//! no clock, no randomness, no configuration (a table's id and creation time come in the command).
//! Conditions are evaluated here, at apply, by every replica (DEC-30), so a condition sees exactly
//! the writes before it in the log.
//!
//! * `TABLE-1` replicas that applied the same commands hold the same bytes and gave the same answers;
//! * `TABLE-2` applying an entry a second time has no effect;
//! * `TABLE-3` a refused command has no effect.
//!
//! Modules in reading order:
//!
//! | module | holds |
//! |---|---|
//! | [`command`] | what the log carries and what comes back, what can be read |
//! | [`catalogue`] | tables as records in the engine |
//! | `layout` | where everything else is in the engine |
//! | [`tables`] | the state machine |
//! | `draft` | what one log entry changes |
//! | `write` | writing an item, and what follows at once |
//! | `several` | batches and transactions |
//! | `follow` | global indexes, which follow later |
//! | `expiry` | items that expire |
//! | `counts` | how much tables and indexes hold |
//! | `task` | what takes many commands |
//! | `admin` | creating, changing and removing tables |
//! | `read` | items, queries, scans |

#![forbid(unsafe_code)]

mod admin;
pub mod catalogue;
pub mod command;
mod counts;
mod draft;
mod expiry;
mod follow;
mod layout;
mod read;
mod several;
mod stop;
pub mod tables;
mod task;
mod write;

pub use command::{Answer, Command, Found, Read, Written};
pub use several::check_batch;
pub use tables::{TableError, Tables};
