//! Expressions: from text and placeholders to conditions, key conditions, projections and updates.

pub(crate) mod condition;
mod cursor;
pub(crate) mod key_condition;
pub(crate) mod placeholders;
pub(crate) mod projection;
mod reserved;
mod token;
pub(crate) mod update;
mod wording;
