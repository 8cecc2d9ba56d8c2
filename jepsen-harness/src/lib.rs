//! Starts a cluster, loads it, breaks it, records and judges.
