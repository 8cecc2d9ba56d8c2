//! Consistency levels besides linearizability.

pub mod transactions;
