//! What the log carries, and what applying it yields.

use ringleader_item::{Delete, PackedItem, Put, Refusal, TableDescription};
use serde::{Deserialize, Serialize};

/// A committed command. New ones are added at the end: the order is the wire form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Create a table. Whoever proposes it chooses id and creation time.
    CreateTable(TableDescription),
    /// Store an item.
    Put(Put),
    /// Remove an item.
    Delete(Delete),
}

/// What applying a command yields, on every replica the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The table now exists.
    Created(TableDescription),
    /// The item is stored or removed.
    Written {
        /// What was there before, if the command asked for it.
        old: Option<PackedItem>,
    },
    /// The command had no effect.
    Refused(Refusal),
    /// The entry had been applied before this replica restarted; its answer is no longer known.
    /// Nobody waits for it: whoever asked lost the connection with the restart.
    Repeated,
}
