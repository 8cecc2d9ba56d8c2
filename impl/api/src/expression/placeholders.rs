//! `ExpressionAttributeNames` and `ExpressionAttributeValues`: what `#name` and `:value` stand for,
//! and which of them an expression used. Undefined ones and unused ones are errors.

use crate::ApiError;
use crate::fields::{Fields, text};
use crate::value::ValueReader;
use ringleader_item::AttributeValue;
use ringleader_item::limits::SUBSTITUTIONS_SIZE_MAX;
use std::borrow::Cow;
use std::collections::BTreeMap;

const NAMES: &str = "ExpressionAttributeNames";
const VALUES: &str = "ExpressionAttributeValues";

/// A definition and whether an expression used it.
struct Entry<T> {
    content: T,
    used: bool,
}

type Entries<'a, T> = BTreeMap<Cow<'a, str>, Entry<T>>;

/// The placeholders that a request defines. `None` is a request without the member.
pub(crate) struct Placeholders<'a> {
    names: Option<Entries<'a, Cow<'a, str>>>,
    values: Option<Entries<'a, Result<AttributeValue, String>>>,
}

impl<'a> Placeholders<'a> {
    /// Takes the names from a request whose expressions know no values.
    pub(crate) fn take_names(fields: &mut Fields<'a>) -> Result<Self, ApiError> {
        let names = fields.map(NAMES, "java.lang.String")?;
        let names = names.map(|names| {
            let entries = names
                .into_iter()
                .map(|(name, json)| Ok((name, Entry { content: text(json)?, used: false })));
            entries.collect::<Result<_, ApiError>>()
        });
        Ok(Self { names: names.transpose()?, values: None })
    }

    /// Takes names and values from a request.
    pub(crate) fn take(fields: &mut Fields<'a>) -> Result<Self, ApiError> {
        let values = fields.map(VALUES, "com.amazonaws.dynamodb.v20120810.AttributeValue")?;
        let values = values.map(|values| {
            let entries = values.into_iter().map(|(name, json)| {
                let mut reader = ValueReader::default();
                let value = reader.value(json, 0)?;
                let content = reader.into_invalid().map_or(Ok(value), Err);
                Ok((name, Entry { content, used: false }))
            });
            entries.collect::<Result<_, ApiError>>()
        });
        Ok(Self { values: values.transpose()?, ..Self::take_names(fields)? })
    }

    /// Placeholders without an expression that could use them are an error: `names` says whether
    /// there is one for names, `values` which expressions know values and whether they are there.
    pub(crate) fn check_needed(
        &self,
        names: bool,
        values: &[(&str, bool)],
    ) -> Result<(), ApiError> {
        const UNNEEDED: &str = "can only be specified when using expressions";
        let empty = |member| ApiError::validation(format!("{member} must not be empty"));
        if let Some(given) = &self.names {
            if !names {
                return Err(ApiError::validation(format!("{NAMES} {UNNEEDED}")));
            }
            if given.is_empty() {
                return Err(empty(NAMES));
            }
        }
        if let Some(given) = &self.values {
            if !values.iter().any(|(_, present)| *present) {
                let missing: Vec<&str> = values.iter().map(|(name, _)| *name).collect();
                let verb = if missing.len() == 1 { "is" } else { "are" };
                let missing = missing.join(" and ");
                let message = format!("{VALUES} {UNNEEDED}: {missing} {verb} null");
                return Err(ApiError::validation(message));
            }
            if given.is_empty() {
                return Err(empty(VALUES));
            }
        }
        Ok(())
    }

    /// Every key must be a placeholder, every name a name, every value a value.
    pub(crate) fn check_contents(&self) -> Result<(), ApiError> {
        for (key, name) in self.names.iter().flatten() {
            check_key(NAMES, key, '#')?;
            if name.content.is_empty() || name.content.len() > 65_535 {
                return Err(ApiError::validation(format!(
                    "{NAMES} contains invalid value: Name must have a length of 1 to 65535 bytes \
                     for key {key}"
                )));
            }
        }
        self.check_size()?;
        for (key, value) in self.values.iter().flatten() {
            check_key(VALUES, key, ':')?;
            if let Err(message) = &value.content {
                return Err(ApiError::validation(format!(
                    "{VALUES} contains invalid value: {message} for key {key}"
                )));
            }
        }
        Ok(())
    }

    /// All placeholders together, with what they stand for, are bounded.
    fn check_size(&self) -> Result<(), ApiError> {
        let names = self.names.iter().flatten();
        let names = names.map(|(key, name)| key.len() + name.content.len());
        let values =
            self.values.iter().flatten().map(|(key, value)| {
                key.len() + value.content.as_ref().map_or(0, AttributeValue::size)
            });
        let size: usize = names.chain(values).sum();
        if size <= SUBSTITUTIONS_SIZE_MAX {
            return Ok(());
        }
        Err(ApiError::validation(format!(
            "{NAMES} and {VALUES} exceed the maximum size of {SUBSTITUTIONS_SIZE_MAX} bytes: {size}"
        )))
    }

    /// What `#name` stands for.
    pub(crate) fn name(&mut self, placeholder: &str) -> Option<&str> {
        let entry = self.names.as_mut()?.get_mut(placeholder)?;
        entry.used = true;
        Some(&entry.content)
    }

    /// What `:value` stands for.
    pub(crate) fn value(&mut self, placeholder: &str) -> Option<&AttributeValue> {
        let entry = self.values.as_mut()?.get_mut(placeholder)?;
        entry.used = true;
        entry.content.as_ref().ok()
    }

    /// What all names stand for, once nothing more is parsed.
    pub(crate) fn into_names(self) -> BTreeMap<String, String> {
        let names = self.names.into_iter().flatten();
        names.map(|(key, name)| (key.into_owned(), name.content.into_owned())).collect()
    }

    /// After all expressions: whatever is defined must have been used.
    pub(crate) fn check_used(&self) -> Result<(), ApiError> {
        check_all_used(NAMES, self.names.as_ref())?;
        check_all_used(VALUES, self.values.as_ref())
    }
}

fn check_key(member: &str, key: &str, mark: char) -> Result<(), ApiError> {
    let word = key.strip_prefix(mark).unwrap_or_default();
    let word_bytes = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if !word.is_empty() && word.len() < 255 && word.bytes().all(word_bytes) {
        return Ok(());
    }
    Err(ApiError::validation(format!(
        "{member} contains invalid key: Syntax error; key: \"{key}\""
    )))
}

fn check_all_used<T>(member: &str, entries: Option<&Entries<'_, T>>) -> Result<(), ApiError> {
    let unused: Vec<&str> = entries
        .into_iter()
        .flatten()
        .filter(|(_, entry)| !entry.used)
        .map(|(key, _)| &**key)
        .collect();
    if unused.is_empty() {
        return Ok(());
    }
    let keys = unused.join(", ");
    Err(ApiError::validation(format!(
        "Value provided in {member} unused in expressions: keys: {{{keys}}}"
    )))
}
