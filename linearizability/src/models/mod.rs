//! Ready models.

pub mod cell;
