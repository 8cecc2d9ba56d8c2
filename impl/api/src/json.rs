//! The JSON of a request as a tree that borrows its texts from the body.
//!
//! Between the parser and the typed request there is this tree, and not a derived decoder, because
//! the API answers wrong JSON types in words that depend on what was expected and what was found.
//! The parser's own depth limit (128) is far above what an accepted request can reach (see
//! [`ringleader_item::limits::NESTING_MAX`]) and bounds the recursion on this tree.

use crate::ApiError;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

/// Values in one body, at most. An accepted item has at most 409,600 values, for each counts a byte;
/// each is two JSON values, and the other parameters are small. Two bytes of body can make a value
/// of 32 bytes, so without this bound 16 MB of body would take 256 MB.
const NODES_MAX: usize = 1_000_000;
const _: () = assert!(NODES_MAX > 2 * ringleader_item::limits::ITEM_SIZE_MAX);

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json<'a> {
    Null,
    Bool(bool),
    Integer(i64),
    /// A number with a fraction or beyond 64 bits.
    Decimal(f64),
    Text(Cow<'a, str>),
    List(Vec<Json<'a>>),
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

impl<'a> Json<'a> {
    /// Reads a whole body.
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, ApiError> {
        let budget = Cell::new(NODES_MAX);
        let mut parser = serde_json::Deserializer::from_slice(body);
        Tree(&budget)
            .deserialize(&mut parser)
            .and_then(|tree| parser.end().map(|()| tree))
            .map_err(|error| ApiError::serialization(format!("the body is not JSON: {error}")))
    }

    /// The parser's name for a scalar, as it stands in the API's texts.
    pub(crate) fn token_name(&self) -> &'static str {
        match self {
            Self::Null => "NULL_VALUE",
            Self::Bool(true) => "TRUE_VALUE",
            Self::Bool(false) => "FALSE_VALUE",
            Self::Integer(_) => "NUMBER_VALUE",
            Self::Decimal(_) => "DECIMAL_VALUE",
            Self::Text(_) => "STRING_VALUE",
            Self::List(_) => "START_ARRAY",
            Self::Object(_) => "START_OBJECT",
        }
    }
}

/// Reads one value while the budget lasts.
#[derive(Clone, Copy)]
struct Tree<'c>(&'c Cell<usize>);

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Json<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json<'de>, D::Error> {
        let Some(rest) = self.0.get().checked_sub(1) else {
            return Err(D::Error::custom(format_args!("it has more than {NODES_MAX} values")));
        };
        self.0.set(rest);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json<'de>, E> {
        Ok(Json::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json<'de>, E> {
        // Beyond i64 it is out of every range that the API has; which one it is does not matter.
        Ok(i64::try_from(value).map_or(Json::Decimal(f64::INFINITY), Json::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json<'de>, E> {
        Ok(Json::Decimal(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json<'de>, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = list.next_element_seed(self)? {
            elements.push(element);
        }
        Ok(Json::List(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Json<'de>, A::Error> {
        // Most objects are attribute values, which have one member.
        let mut members = Vec::with_capacity(1);
        while let Some(Name(name)) = object.next_key()? {
            members.push((name, object.next_value_seed(self)?));
        }
        Ok(Json::Object(members))
    }
}

/// A member's name, borrowed if it has no escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member's name")
            }

            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}
