//! Expressions: from text and placeholders to conditions and projections.

pub(crate) mod condition;
mod cursor;
pub(crate) mod placeholders;
pub(crate) mod projection;
mod token;
