//! The effect interpreter: carries out what the replication group of the core asks for, without
//! doing any I/O itself. Events in, actions out; whoever drives it owns disk, network and clock.
//!
//! ```text
//!  driver                        Replica                            core
//!  Event ───────────────▶ one input ─────────────────▶ Group::step
//!                         effects, held back until the I/O
//!                         they wait for is durable     ◀──────────────┘
//!  Action ◀────────────── merged over all events of a batch
//! ```
//!
//! Everything that is ready is one batch: [`Replica::step`] takes any number of events, then
//! [`Replica::take_actions`] yields at most one growing append per peer and the fewest log records.
//! Merging is sound: two appends where the second continues the first say the same as one, a later
//! acknowledgement says what an earlier one said, and two writes of which the second continues the
//! first leave the same on the disk as one.
//!
//! Modules: [`state`] is what the log is for, [`action`] the vocabulary, [`Replica`] the interpreter,
//! [`stored`] how entries are read back from the log for a peer that lags, `snapshots` how the state is
//! sent and received instead, `base` what of the log may go, [`recovery`] the start.
//! Drivers share [`timers`] and [`group_commit`].

#![forbid(unsafe_code)]

pub mod action;
mod base;
pub mod group_commit;
pub mod limits;
mod log_batch;
mod outbox;
pub mod recovery;
mod replica;
mod snapshots;
pub mod state;
pub mod stored;
pub mod timers;

pub use action::{Action, Event, LogRecord, Outcome, Refusal, Role, Status};
pub use recovery::{FoundLog, RecoverError};
pub use replica::{Replica, Tuning};
pub use state::{ReplicatedState, SentState, Staging, StateError, StateSnapshot};
pub use stored::{StoredError, StoredRange, StoredReader};
pub use timers::Timers;
