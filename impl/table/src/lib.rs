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
//! Modules in reading order: [`command`] what the log carries and what comes back, [`catalogue`]
//! tables as records in the engine, [`tables`] the state machine.

#![forbid(unsafe_code)]

pub mod catalogue;
pub mod command;
pub mod tables;

pub use command::{Answer, Command};
pub use tables::{TableError, Tables};
