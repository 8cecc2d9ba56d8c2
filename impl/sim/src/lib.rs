//! A deterministic simulator: the replication group of the core with everything that runs below and
//! above it in production, on a simulated network, simulated disks and clocks of its own, from a seed.
//!
//! What is real: the machine (`ringleader-core`), the effect interpreter, its timers and its way to
//! write the log (`ringleader-replica`), the write-ahead log and the tree (`ringleader-storage`), the
//! tables (`ringleader-table`), the encoding of commands, records and some of the messages
//! (`ringleader-wire`). What is simulated: delays, losses, cuts, pauses, crashes, power, disks, clocks
//! and clients. Sockets, threads and the forwarding of requests between nodes are not in it.
//!
//! ```
//! use ringleader_sim::{Size, run_seed};
//!
//! let size = Size { operations: 40, faults: 3 };
//! let report = run_seed(7, size);
//! assert_eq!(report.violation, None);
//! assert_eq!(report, run_seed(7, size)); // the same seed, the same run
//! ```
//!
//! Modules in reading order: [`plan`] is what will happen, [`fault`] what can go wrong, `queue`, `clock`
//! and `network` the world, `node` and `turn` a replica with its storage, `happen` the faults as they
//! come, `client` and `state` those who ask, `world` the run in three phases, `oracle` and `check` what
//! must hold, [`mod@run`] runs and shrinks, [`report`] sums up, `story` tells.
//!
//! Architecture invariant: nothing here reads a clock, starts a thread or draws a number that does not
//! come from the seed.

#![forbid(unsafe_code)]

pub mod random;

pub mod plan;

pub mod fault;

mod clock;
mod digest;
mod network;
mod queue;

mod node;
mod turn;

mod happen;

mod client;
mod state;

mod world;

mod check;
mod oracle;

pub mod run;

pub mod report;
mod story;

pub use fault::{FaultCounts, FaultKind};
pub use oracle::Violation;
pub use plan::{Plan, Size};
pub use report::{Report, Sum};
pub use run::{is_violated, run, run_and_tell, run_seed, shrink};
