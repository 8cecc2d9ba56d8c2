//! Attribute values and items, and how many bytes an item counts.

use crate::Number;
use std::collections::{BTreeMap, BTreeSet};

/// One value of an item, in `DynamoDB`'s ten types.
///
/// Sets are kept ordered, so that equal sets are equal values and every replica stores equal bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AttributeValue {
    /// Text, ordered by its UTF-8 bytes.
    S(String),
    /// An exact number.
    N(Number),
    /// Bytes, ordered unsigned.
    B(Vec<u8>),
    /// True or false.
    Bool(bool),
    /// The null value, which is not the same as an absent attribute.
    Null,
    /// Names to values.
    M(BTreeMap<String, AttributeValue>),
    /// A sequence of values of any types.
    L(Vec<AttributeValue>),
    /// A set of texts, never empty.
    Ss(BTreeSet<String>),
    /// A set of numbers, never empty.
    Ns(BTreeSet<Number>),
    /// A set of bytes, never empty.
    Bs(BTreeSet<Vec<u8>>),
}

impl AttributeValue {
    /// The name of the value's type on the wire and in error texts.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::S(_) => "S",
            Self::N(_) => "N",
            Self::B(_) => "B",
            Self::Bool(_) => "BOOL",
            Self::Null => "NULL",
            Self::M(_) => "M",
            Self::L(_) => "L",
            Self::Ss(_) => "SS",
            Self::Ns(_) => "NS",
            Self::Bs(_) => "BS",
        }
    }

    /// Bytes this value counts in an item's size: lists and maps cost 3 and one per element.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::S(text) => text.len(),
            Self::N(number) => number.size(),
            Self::B(bytes) => bytes.len(),
            Self::Bool(_) | Self::Null => 1,
            Self::M(map) => 3 + map.len() + attributes_size(map),
            Self::L(list) => 3 + list.len() + list.iter().map(Self::size).sum::<usize>(),
            Self::Ss(set) => set.iter().map(String::len).sum(),
            Self::Ns(set) => set.iter().map(Number::size).sum(),
            Self::Bs(set) => set.iter().map(Vec::len).sum(),
        }
    }
}

fn attributes_size(attributes: &BTreeMap<String, AttributeValue>) -> usize {
    attributes.iter().map(|(name, value)| name.len() + value.size()).sum()
}

/// An item: attribute names to values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Item {
    attributes: BTreeMap<String, AttributeValue>,
}

impl Item {
    /// An item with no attribute.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a top-level attribute.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&AttributeValue> {
        self.attributes.get(name)
    }

    /// Sets a top-level attribute and returns what it replaced.
    pub fn insert(&mut self, name: String, value: AttributeValue) -> Option<AttributeValue> {
        self.attributes.insert(name, value)
    }

    pub(crate) fn attributes_mut(&mut self) -> &mut BTreeMap<String, AttributeValue> {
        &mut self.attributes
    }

    /// How many top-level attributes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.attributes.len()
    }

    /// Whether there is no attribute at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty()
    }

    /// Top-level attributes in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &AttributeValue)> {
        self.attributes.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Bytes of names and values, which the limit of 409,600 bytes counts.
    #[must_use]
    pub fn size(&self) -> usize {
        attributes_size(&self.attributes)
    }
}

impl<const N: usize> From<[(&str, AttributeValue); N]> for Item {
    fn from(attributes: [(&str, AttributeValue); N]) -> Self {
        attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

impl FromIterator<(String, AttributeValue)> for Item {
    fn from_iter<I: IntoIterator<Item = (String, AttributeValue)>>(attributes: I) -> Self {
        Self { attributes: attributes.into_iter().collect() }
    }
}

impl From<BTreeMap<String, AttributeValue>> for Item {
    fn from(attributes: BTreeMap<String, AttributeValue>) -> Self {
        Self { attributes }
    }
}

impl From<Item> for BTreeMap<String, AttributeValue> {
    fn from(item: Item) -> Self {
        item.attributes
    }
}

impl From<&str> for AttributeValue {
    fn from(text: &str) -> Self {
        Self::S(text.to_owned())
    }
}

impl From<u64> for AttributeValue {
    fn from(number: u64) -> Self {
        Self::N(number.into())
    }
}

impl From<bool> for AttributeValue {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn item_size_is_names_and_values_to_the_byte() {
        let item = Item::from([
            ("id", "user-123".into()),                                 // 2 + 8
            ("n", 123_u64.into()),                                     // 1 + 3
            ("ok", true.into()),                                       // 2 + 1
            ("l", AttributeValue::L(vec!["ab".into(), 1_u64.into()])), // 1 + 3 + 2 + 2 + 2
            ("m", AttributeValue::M([("k".into(), AttributeValue::Null)].into())), // 1 + 3 + 1 + 1 + 1
        ]);
        assert_eq!(item.size(), 10 + 4 + 3 + 10 + 7);
    }
}
