//! A client of one node's DynamoDB endpoint that never guesses what became of a request.
//!
//! An SDK retries and reports the last error; a history needs to know for *each* attempt whether
//! it took effect. So this client sends every request once, over one keep-alive connection, and
//! sorts what comes back into four cases ([`Outcome`]): done, condition failed, certainly without
//! effect, and unknown. Items and keys are in DynamoDB's own JSON (`{"k": {"S": "k1"}}`), as an
//! SDK puts them on the wire.
//!
//! Modules in reading order: what can come back, what can be asked, how it travels.

mod outcome;
mod request;

mod connection;

pub use connection::Client;
pub use outcome::{Outcome, Reason};
pub use request::{Condition, InjectedFaults, Item, Status};
