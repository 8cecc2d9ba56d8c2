//! Replication without a leader: any node takes a request, asks the copies, and counts answers.
//!
//! Source: `DeCandia` et al., "Dynamo: Amazon's Highly Available Key-value Store", SOSP 2007.

pub mod quorum;
