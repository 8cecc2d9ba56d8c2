//! Starts a cluster, loads it, breaks it, records what happened and judges it.
//!
//! ```text
//!   schedule --> nemesis ----kill, pause, cut----> cluster (three processes, links by proxy)
//!                   |                                 ^
//!                   v                                 | one connection per client
//!                recorder <------- workload (generator)
//!                   |
//!                   v
//!              history.jsonl --> judge (lincheck) --> verdict table, report.html
//! ```
//!
//! Each box is a value of its own. The harness sees the cluster only from outside: processes,
//! signals, sockets. It shares no code with the node it judges.
//!
//! Modules in reading order.

pub mod generator;
pub mod history;
pub mod schedule;

pub mod recorder;

pub mod binaries;
pub mod cluster;
pub mod proxy;

pub mod nemesis;
pub mod workload;

pub mod judge;
pub mod verdict;

pub mod run;

pub mod models;

pub mod output;
pub mod progress;
pub mod report;

pub mod command;
