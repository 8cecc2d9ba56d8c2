//! Hand-offs between a replica core and the thread that writes its log.
//!
//! ```text
//!            push ─▶ [ BatchQueue ] ─▶ take: all that arrived while the last write was in flight
//!   core                                                          log thread: append, sync
//!            drain ◀─ [ Mailbox ] ◀─ post, and wake the core when it was empty
//! ```
//!
//! Both are a mutex around a vector that is swapped out whole, so a wake-up moves a batch and the lock
//! is held for a push or a swap. The lock is taken once per batch on the busy side; a lock-free
//! queue would save tens of nanoseconds of a write that takes at least 60 microseconds, and is worth
//! writing when a measurement says so.
//!
//! Invariants, shown by `tests/loom.rs` over every interleaving of two or three threads:
//!
//! * `HANDOFF-1` every accepted item is taken exactly once, and items of one thread in their order;
//! * `HANDOFF-2` no lost wake-up: who waits while there is an item, or after the close, goes on;
//! * `HANDOFF-3` after a close, what was accepted before is still taken, and nothing is accepted.
//!
//! ```no_run
//! use ringleader_handoff::{BatchQueue, mailbox};
//!
//! let queue = BatchQueue::new(1024);
//! let (poster, completions) = mailbox(|| { /* wake the core: an eventfd, tokio's Notify */ });
//! let log_thread = std::thread::spawn({
//!     let queue = queue.clone();
//!     move || {
//!         let mut batch = Vec::new();
//!         while queue.take(&mut batch) {
//!             // Write the batch with one sync; then everything up to its last item is durable.
//!             poster.post(batch.drain(..).last());
//!         }
//!     }
//! });
//! queue.push("first").unwrap();
//! queue.push("second").unwrap();
//! queue.close();
//! log_thread.join().unwrap();
//! let mut durable = Vec::new();
//! assert!(!completions.drain(&mut durable), "the log thread has ended");
//! assert_eq!(durable.last(), Some(&Some("second")));
//! ```

mod mailbox;
mod queue;
mod sync;

pub use mailbox::{Mailbox, Poster, mailbox};
pub use queue::{BatchQueue, PushError};
