//! The key-value text of Porcupine's test data: EDN maps, read by [`jepsen_edn`], with the
//! operations of [`Texts`].

use super::texts::Texts;
use super::{Document, FormatError, jepsen_edn, read_with};
use crate::models::key_value::KeyValueAction;

/// Reads a key-value history.
///
/// # Errors
/// Names the first line that is wrong.
pub fn read_key_values(text: &str) -> Result<Document<KeyValueAction>, FormatError> {
    read_with(&Texts, |each| jepsen_edn::read(text, each))
}
