//! A node: threads, sockets and timers around one replica.
//!
//! ```text
//!  HTTP connections ──▶ Handle ─┐                        ┌─▶ log thread ──▶ write-ahead log
//!                               ├─▶ inputs ─▶ core task ─┤        │ (group commit)
//!  peers ──▶ inbound listener ──┘             (Replica)  ├─▶ link ─┼─▶ peer
//!                                                ▲       └─▶ link ─┼─▶ peer
//!                                                └─────────────────┘ durable
//! ```
//!
//! Everything but the log thread lives on one single-threaded runtime: a request meets the replica
//! without a thread hop. Whatever is ready is one batch at every hop: the core task drains its
//! inputs, steps the replica for each, then hands each peer one buffer and the log one group of
//! records. What arrives while a write is in flight is the next group.
//!
//! **A write is never repeated once a leader may have seen it.** A node that does not lead hands a
//! request to the leader over its link. As long as nothing was sent, or the leader's node said that
//! it does not lead, the request may be sent again or refused for good; after that its outcome is
//! what the leader's node answers, or *unknown*.
//!
//! Modules: [`limits`], [`Handle`] (what a server holds), `driver` (the core task), `requests` (what
//! is open), `link` and `inbound` (peers), `log_thread`, `log_tasks`, `clock`.

#![forbid(unsafe_code)]

mod clock;
mod driver;
mod handle;
mod inbound;
pub mod limits;
mod link;
mod log_tasks;
mod log_thread;
mod requests;
mod start;

pub use clock::Skew;
pub use handle::{ChangeOutcome, Handle, Outcome, RefusedBecause};
pub use start::{NodeError, Options, Running, start};
