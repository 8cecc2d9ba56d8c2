//! The core: one pure state machine per protocol, no I/O, no clock, no randomness, no thread.
//! `no_std` makes that a fact the compiler checks, and the lack of dependencies one that a
//! reader can check.
//!
//! Everything else in the workspace is a *driver* of these machines: the model checker explores
//! every order of what may happen to them, the server lets it happen. Both call the same
//! [`machine::Machine::step`].
//!
//! Reading order: [`ids`] names things, [`quorum`] counts them, [`machine`] is the contract
//! between a machine and its driver, [`group`] is the first machine: a replication group,
//! [`keyspace`] says who owns which key, [`leaderless`] holds protocols that have no leader.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod ids;
pub mod quorum;

pub mod machine;

pub mod group;

pub mod keyspace;

pub mod leaderless;
