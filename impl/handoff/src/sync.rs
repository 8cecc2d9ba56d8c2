//! The only place that names a mutex: the standard one, or loom's under `--cfg loom`, which runs a
//! test once for every order in which threads can meet at it.

#[cfg(loom)]
pub(crate) use loom::sync::{Arc, Condvar, Mutex, MutexGuard};
#[cfg(not(loom))]
pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard};
