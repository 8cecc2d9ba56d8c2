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
//! J leaves: each step of J can be copied. At a return of x, nothing is to be done if x is met and
//! pure, or used. If x is free, J has it already, and one copy without it is at least what J leaves;
//! or J goes on up to x, and steps that end by using x copy that. If x is unmet, only the latter, or
//! until it is met if it is pure. Each rule only replaces a configuration by one that is at least
//! that, or can do as much:
//!
//! 1. *Eager.* A pure operation or a write that does not change the state is met at once. If the
//!    linearization has it later, it stays legal when a pure one is moved here; a write is only
//!    marked as free.
//! 2. *Hiding.* When a constant write takes effect, all pending total operations are free.
//! 3. *Antichain.* A configuration is dropped when a kept one is at least that.
//! 4. *Earliest first.* Of two equal available operations c1 and c2, of which c1 returns first, c2 need
//!    not be used: who used c1 instead can copy a later use of c1 by c2, which is invoked already
//!    and returns later. But if c1 is free and c2 unmet, using c2 meets an obligation that using c1
//!    does not, unless both are the same constant write, after which c2 changes nothing and is met.
//!    An unknown operation need not be used while an equal known one is available.
//! 5. *Idle steps.* A step is idle if it used no partial operation that surely happened, and nothing
//!    but total operations was met by it. Before a constant write it can be left out, for that write hides
//!    whatever the idle step met or used, and what the step would have used is still available. So no
//!    constant write is tried after an idle step; it is tried in the configuration before.
//! 6. *Weakest first.* When no total operation is unmet, an unknown compare-and-set is preferred to an
//!    unknown constant write with the same result: the write, still unused, can copy any later
//!    use of the other. (Not an append, nor any partial operation whose result depends on the state:
//!    [`Access`](crate::Access) must say that it does not.)
//! 7. *No loops.* A step that does not change the state is left out, unless it uses the operation
//!    that returns, or is a constant write that hides something.
//!
//! 8. *Indistinguishable states.* Where the [model](crate::Model::quotient) maps states to others that
//!    no operation of the partition can tell from them, the image stands for the state. The same sequences are legal
//!    from both, and lead to states with the same image; so every step of J can be copied, and every
//!    witness is one of the object itself.
//!
//! Each of them is a switch in [`Rules`], and the others are right without it. Rules 5 and 7 need
//! rules 2 and 1. The module `portfolio` says what is done when the configurations are too many.

mod antichain;
mod automaton;
mod engine;
mod front;
mod portfolio;
mod rules;
mod schedule;
mod slots;
pub(crate) mod tiny;
mod witness;

pub use engine::{Limits, Outcome, Placed, Shortage};
pub use rules::Rules;

pub(crate) use portfolio::search;

/// What a check needs that sees the events one by one.
pub(crate) mod streaming {
    pub(crate) use super::automaton::{Automaton, Living};
    pub(crate) use super::engine::Search;
    pub(crate) use super::front::{Front, Pending, Width};
}
