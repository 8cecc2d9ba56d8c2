//! Primary keys: which attributes form a table's key, and the bytes under which an item is stored.
//!
//! Items are ordered by token, partition key, sort key (DEC-1), byte by byte:
//!
//! | bytes | content |
//! |---|---|
//! | 16 | token: MD5 of the partition key's form |
//! | .. | partition key: its form with `00` written as `00 FF`, ended by `00 00` |
//! | .. | sort key's form, if the table has one |
//!
//! The form of S is its UTF-8 bytes, of B its bytes, of N the order-preserving form of [`Number`].

use crate::limits::{PARTITION_KEY_SIZE_MAX, SORT_KEY_SIZE_MAX};
use crate::{AttributeValue, IndexName, Item, Number, PackedItem};
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

/// The type of a key attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum KeyKind {
    /// Text.
    S,
    /// Number.
    N,
    /// Bytes.
    B,
}

impl KeyKind {
    /// The type's name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::S => "S",
            Self::N => "N",
            Self::B => "B",
        }
    }
}

/// A key attribute's name and type.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KeyAttribute {
    /// The attribute's name.
    pub name: String,
    /// The attribute's type.
    pub kind: KeyKind,
}

/// Which attributes form the primary key of a table.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KeySchema {
    /// The HASH attribute: it decides the token.
    pub partition: KeyAttribute,
    /// The RANGE attribute: it orders the items of one partition key.
    pub sort: Option<KeyAttribute>,
}

/// The 128 bits that place a partition key in token space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub [u8; 16]);

impl Token {
    /// The token of a partition key's form (DEC-1, DEC-27).
    #[must_use]
    pub fn of(partition_key_form: &[u8]) -> Self {
        Self(Md5::digest(partition_key_form).into())
    }
}

/// An item's place inside its table, in the order-preserving encoding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    bytes: Vec<u8>,
}

/// Why attributes do not form a key under a schema. Display is the text `DynamoDB` answers with,
/// hence the capital letters; they are part of its API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum KeyError {
    /// An item to put lacks a key attribute.
    #[error("One or more parameter values were invalid: Missing the key {0} in the item")]
    Missing(String),
    /// An item to put has a key attribute of another type.
    #[error(
        "One or more parameter values were invalid: Type mismatch for key {name} \
         expected: {expected} actual: {actual}"
    )]
    Mismatch {
        /// The attribute.
        name: String,
        /// The type in the schema.
        expected: String,
        /// The type in the item.
        actual: String,
    },
    /// A key to get or delete has other attributes than the schema, or of other types.
    #[error("The provided key element does not match the schema")]
    Schema,
    /// A key attribute is an empty text or empty bytes.
    #[error(
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot \
         contain an empty {kind} value. Key: {name}"
    )]
    Empty {
        /// The attribute.
        name: String,
        /// `string` or `binary`.
        kind: String,
    },
    /// The partition key's value is too long.
    #[error(
        "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size \
         limit of{PARTITION_KEY_SIZE_MAX} bytes"
    )]
    PartitionKeyTooLong,
    /// An attribute that is a key of an index has another type.
    #[error(
        "One or more parameter values were invalid: Type mismatch for Index Key {name} \
         Expected: {expected} Actual: {actual} IndexName: {index}"
    )]
    IndexMismatch {
        /// The attribute.
        name: String,
        /// The type in the index's schema.
        expected: String,
        /// The type in the item.
        actual: String,
        /// The index.
        index: IndexName,
    },
    /// An attribute that is a key of an index is an empty text or empty bytes.
    #[error(
        "One or more parameter values are not valid. A value specified for a secondary index key \
         is not supported. The AttributeValue for a key attribute cannot contain an empty {kind} \
         value. IndexName: {index}, IndexKey: {name}"
    )]
    IndexEmpty {
        /// The attribute.
        name: String,
        /// `string` or `binary`.
        kind: String,
        /// The index.
        index: IndexName,
    },
    /// The sort key's value is too long.
    #[error(
        "One or more parameter values were invalid: Aggregated size of all range keys has exceeded \
         the size limit of {SORT_KEY_SIZE_MAX} bytes"
    )]
    SortKeyTooLong,
}

impl KeySchema {
    /// The key of an item that is to be stored.
    ///
    /// # Errors
    /// When a key attribute is missing, has another type, is empty or too long.
    pub fn key_of_item(&self, item: &PackedItem) -> Result<Key, KeyError> {
        self.key(&|attribute| {
            let name = || attribute.name.clone();
            let value = item.get(&attribute.name).ok_or_else(|| KeyError::Missing(name()))?;
            let actual = value.type_name();
            KeyValue::new(value, attribute.kind).ok_or_else(|| KeyError::Mismatch {
                name: name(),
                expected: attribute.kind.name().into(),
                actual: actual.into(),
            })
        })
    }

    /// The key that a request names: exactly the key attributes.
    ///
    /// # Errors
    /// When there are other attributes, or one has another type, is empty or too long.
    pub fn key_of_attributes(&self, attributes: &Item) -> Result<Key, KeyError> {
        if attributes.len() != 1 + usize::from(self.sort.is_some()) {
            return Err(KeyError::Schema);
        }
        self.key(&|attribute| {
            let value = attributes.get(&attribute.name).cloned();
            value.and_then(|value| KeyValue::new(value, attribute.kind)).ok_or(KeyError::Schema)
        })
    }

    fn key(
        &self,
        value_of: &dyn Fn(&KeyAttribute) -> Result<KeyValue, KeyError>,
    ) -> Result<Key, KeyError> {
        let partition = value_of(&self.partition)?;
        let sort = self.sort.as_ref().map(value_of).transpose()?;
        let partition = partition.form(&self.partition)?;
        if partition.len() > PARTITION_KEY_SIZE_MAX {
            return Err(KeyError::PartitionKeyTooLong);
        }
        let sort = match (sort, &self.sort) {
            (Some(value), Some(attribute)) => Some(value.form(attribute)?),
            _ => None,
        };
        if sort.as_ref().is_some_and(|sort| sort.len() > SORT_KEY_SIZE_MAX) {
            return Err(KeyError::SortKeyTooLong);
        }
        Ok(Key::encode(&partition, sort.as_deref()))
    }
}

impl KeyAttribute {
    /// The order-preserving form of a value of this attribute; `None` if the value has another type
    /// or is empty.
    #[must_use]
    pub fn form(&self, value: &AttributeValue) -> Option<Vec<u8>> {
        KeyValue::new(value.clone(), self.kind)?.form(self).ok()
    }
}

/// A value whose type is allowed in a key.
pub(crate) enum KeyValue {
    Text(String),
    Number(Number),
    Bytes(Vec<u8>),
}

impl KeyValue {
    fn new(value: AttributeValue, kind: KeyKind) -> Option<Self> {
        match (value, kind) {
            (AttributeValue::S(text), KeyKind::S) => Some(Self::Text(text)),
            (AttributeValue::N(number), KeyKind::N) => Some(Self::Number(number)),
            (AttributeValue::B(bytes), KeyKind::B) => Some(Self::Bytes(bytes)),
            _ => None,
        }
    }

    /// Checks the value of an attribute that is a key of an index.
    pub(crate) fn of_index(
        value: AttributeValue,
        attribute: &KeyAttribute,
        schema: &KeySchema,
        index: &IndexName,
    ) -> Result<(), KeyError> {
        let actual = value.type_name();
        let name = || attribute.name.clone();
        let value = Self::new(value, attribute.kind).ok_or_else(|| KeyError::IndexMismatch {
            name: name(),
            expected: attribute.kind.name().into(),
            actual: actual.into(),
            index: index.clone(),
        })?;
        let form = value.form(attribute).map_err(|error| {
            if let KeyError::Empty { name, kind } = error {
                return KeyError::IndexEmpty { name, kind, index: index.clone() };
            }
            error
        })?;
        if attribute.name == schema.partition.name {
            if form.len() > PARTITION_KEY_SIZE_MAX {
                return Err(KeyError::PartitionKeyTooLong);
            }
        } else if form.len() > SORT_KEY_SIZE_MAX {
            return Err(KeyError::SortKeyTooLong);
        }
        Ok(())
    }

    fn form(self, attribute: &KeyAttribute) -> Result<Vec<u8>, KeyError> {
        let empty =
            |kind: &str| KeyError::Empty { name: attribute.name.clone(), kind: kind.into() };
        match self {
            Self::Text(text) if text.is_empty() => Err(empty("string")),
            Self::Bytes(bytes) if bytes.is_empty() => Err(empty("binary")),
            Self::Text(text) => Ok(text.into_bytes()),
            Self::Bytes(bytes) => Ok(bytes),
            Self::Number(number) => {
                let mut form = Vec::with_capacity(22);
                number.push_key(&mut form);
                Ok(form)
            }
        }
    }
}

/// Appends token and partition key: what all keys of one partition key begin with.
pub(crate) fn push_partition(out: &mut Vec<u8>, form: &[u8]) {
    out.extend_from_slice(&Token::of(form).0);
    push_terminated(out, form);
}

/// Appends bytes so that whatever follows does not disturb their order.
pub(crate) fn push_terminated(out: &mut Vec<u8>, form: &[u8]) {
    for &byte in form {
        out.push(byte);
        if byte == 0 {
            out.push(0xFF);
        }
    }
    out.extend_from_slice(&[0, 0]);
}

impl Key {
    /// Encodes a key from the forms of its parts.
    fn encode(partition: &[u8], sort: Option<&[u8]>) -> Self {
        let sort = sort.unwrap_or_default();
        let mut bytes = Vec::with_capacity(16 + partition.len() + 2 + sort.len());
        push_partition(&mut bytes, partition);
        bytes.extend_from_slice(sort);
        Self { bytes }
    }

    /// The encoding.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The token that places the key in token space.
    #[must_use]
    pub fn token(&self) -> Token {
        let mut token = [0; 16];
        token.copy_from_slice(&self.bytes[..16]);
        Token(token)
    }
}
