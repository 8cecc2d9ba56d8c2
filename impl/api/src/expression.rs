//! Condition expressions: from text and placeholders to a [`ringleader_item::Condition`].

pub(crate) mod condition;
pub(crate) mod placeholders;
mod token;
