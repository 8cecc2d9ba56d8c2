//! Explores the machines of [`ringleader_core`] exhaustively, within stated bounds.
//!
//! Reading order: [`protocol`] is what an adapter tells about a machine, [`node`] one machine with
//! its disk, [`world`] all of them with a network; [`engine`] explores them; [`group`] adapts the
//! replication group, [`quorum`] the register with N copies, [`keyspace`] routers and the owners of
//! partitions.
#![forbid(unsafe_code)]

mod cache;
mod intern;
mod permutation;

pub mod protocol;

pub mod node;

pub mod packed;

pub mod engine;

pub mod world;

pub mod history;

pub mod group;

pub mod quorum_history;

pub mod quorum;

pub mod narrate;

pub mod walk;

pub mod search;

pub mod trap;

pub mod catalog;

pub mod clock;
pub mod ladder;

pub mod several;

pub mod keyspace;

pub mod quorum_table;

pub mod quorum_catalog;

pub mod keyspace_catalog;

pub mod models;

pub mod mutant;
