//! Decides one partition: just-in-time linearization over an antichain of configurations.
//!
//! Source: Lowe, "Testing for linearizability" (2017), section 4 (just-in-time linearization), with
//! the conditions of pending operations refined. Events are taken in the order of time; a
//! *configuration* is what one way of linearizing the past leaves for the future: the state, and
//! which pending operations still owe or still offer something. Nothing is linearized before a
//! return forces it. When no configuration survives a return, the history is illegal and that
//! return is the first event at which it is.
//!
//! A pending operation that surely happened is in one of three conditions:
//!
//! | condition | obligation (`unmet`) | resource (`available`) |
//! |---|---|---|
//! | unmet | yes | yes, unless it is pure |
//! | free | met: there is a place where it has no effect | yes |
//! | used | met | no |
//!
//! Unknown operations oblige to nothing and have no deadline, so equal ones are interchangeable:
//! they are counted by kind (`used`), not listed.
//!
//! # Why *legal* is right
//! Invariant: each configuration has a legal sequence of invoked operations that ends in its state
//! and contains all used and all met pure ones, and each free one has a place in it where it can
//! be inserted without effect: at a state that it does not change (rule 1), or just before a
//! constant write, which forgets what came before (rule 2; only total operations, which are legal
//! anywhere). Insertions do not disturb each other. At the end all free ones are inserted; the
//! result is handed out and can be replayed.
//!
//! # Why *illegal* is right
//! Say that C is *at least* D if they have the same state, what is unmet in C is unmet in D, what
//! is available in D is available in C, and no kind is used more in C than in D. Whatever D can do
//! C can do, and stays at least D. Fix a legal linearization; let J be its prefix up to the last
//! operation that a return has forced so far. Some configuration is always at least the one that
//! J leaves: each step of J can be copied; meeting an obligation early (rules 1, 2) only makes a
//! configuration greater; the antichain (rule 3) only drops what something kept is at least; and
//! a step is *idle* (rule 4) if it used no partial operation that surely happened, and nothing but
//! total operations was met by it: before a constant write it can be left out, for that write hides
//! whatever the idle step met or used, and what the step would have used is still available. So no
//! constant write is tried after an idle step; it is tried in the configuration before.

mod antichain;
mod engine;
mod schedule;
mod slots;
pub(crate) mod tiny;
mod witness;

pub use engine::{Limits, Outcome, Placed, Shortage};

pub(crate) use engine::search;
