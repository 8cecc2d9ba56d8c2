//! Hand-offs between threads, tested with loom.
