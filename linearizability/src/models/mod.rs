//! Ready models.

pub mod cell;
pub mod counter;
pub mod key_value;
pub mod mutex;
pub mod nondeterministic;
pub mod queue;
pub mod set;
