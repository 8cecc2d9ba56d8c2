//! Ready models.

pub mod cell;
pub mod key_value;
