//! Decides whether a recorded history is legal.
//!
//! A *history* is what clients saw: operations with the moment they were invoked and the moment
//! they returned. It is *linearizable* when every operation can be given one moment inside its
//! interval at which it took effect, such that all answers are those of one copy of the data
//! (Herlihy and Wing 1990). Intervals are closed: only an operation that returned strictly before
//! another was invoked must come first.
//!
//! ```
//! use lincheck::{Budget, Cell, CellAction, Operation, Token, Verdict, check};
//!
//! let key = Token::from(1);
//! let history = [
//!     Operation::new(0, CellAction::put(key, Token::from(7)), 10, Some(20)),
//!     Operation::new(1, CellAction::get(key, None), 30, Some(40)), // reads absence: too late
//! ];
//! assert!(matches!(check(&history, &Cell, &Budget::unlimited()), Verdict::Illegal(_)));
//! ```
//!
//! Modules in reading order: [`token`] and [`history`] are the nouns, [`model`] says what a legal
//! step is and [`models`] has ready ones, [`search`] decides one partition, [`checker`] a whole
//! history, [`replay`] checks the evidence for *legal*, [`levels`] decides others than linearizability within its [`patience`], [`format`](mod@format) reads files, [`shrink`]
//! and [`explain`] make the evidence for *illegal* readable;
//! [`judge`](mod@judge) does all of it, [`ambiguity`] says what a legal verdict may hide, [`page`] draws it.
//! [`generate`](mod@generate) makes histories.
//!
//! Architecture invariant: this crate knows no database, no network and no other crate of this
//! workspace; an oracle that shares code with the accused proves little.

#![forbid(unsafe_code)]

pub mod token;

pub mod history;

pub mod model;

pub mod models;

mod meter;

mod zone;

pub mod search;

pub mod checker;

pub mod patience;

pub mod stream;

pub mod replay;

pub mod levels;

pub mod format;

pub mod shrink;

pub mod explain;

pub mod judge;

pub mod ambiguity;

pub mod generate;

pub mod page;

pub use checker::{
    Budget, Cost, Illegal, Legal, Ruling, Undecided, Verdict, check, check_and_count,
    check_by_search, check_by_zones, decide,
};
pub use history::Operation;
pub use model::{Access, Model, Nature, Quotient};
pub use models::cell::{Cell, CellAction, CellCall, Condition, PutIfOutcome};
pub use models::key_value::{KeyValue, KeyValueAction, KeyValueCall};
pub use patience::{MemoryLimit, Patience};
pub use search::{Rules, Shortage};
pub use stream::{Stream, StreamLoad, StreamVerdict};
pub use token::{Names, Token};
