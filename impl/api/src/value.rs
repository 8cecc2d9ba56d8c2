//! Attribute values from and to `DynamoDB` JSON.
//!
//! A wrong JSON type anywhere in a request comes before a wrong value anywhere in it, so the
//! reader answers the former at once and remembers only the first of the latter.

use crate::ApiError;
use crate::fields::{boolean, list, map, text};
use crate::json::Json;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringleader_item::limits::NESTING_MAX;
use ringleader_item::number::NumberError;
use ringleader_item::packed::{Container, PackedSink, Scalar};
use ringleader_item::{AttributeValue, Item, Number, PackedItem};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

const VALUE_TYPE: &str = "com.amazonaws.dynamodb.v20120810.AttributeValue";
const EMPTY: &str =
    "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes";
const AMBIGUOUS: &str = "Supplied AttributeValue has more than one datatypes set, must contain \
                         exactly one of the supported datatypes";
const INVALID: &str = "One or more parameter values were invalid: ";

/// Reads attribute values and remembers the first invalid one.
#[derive(Default)]
pub(crate) struct ValueReader {
    invalid: Option<String>,
}

impl ValueReader {
    /// The values of a map-typed member such as `Item` or `Key`.
    pub(crate) fn attributes(
        &mut self,
        fields: &mut crate::fields::Fields<'_>,
        name: &str,
    ) -> Result<Option<Item>, ApiError> {
        fields.take(name).map(|json| self.entries(json)).transpose()
    }

    /// The values of a map.
    pub(crate) fn entries(&mut self, json: Json<'_>) -> Result<Item, ApiError> {
        let mut attributes = BTreeMap::new();
        for (name, json) in map(json, VALUE_TYPE)? {
            attributes.insert(name.into_owned(), self.value(json, 0)?);
        }
        Ok(attributes.into())
    }

    /// What was wrong with a value, once nothing is wrong with the request's form.
    pub(crate) fn check(self) -> Result<(), ApiError> {
        self.invalid.map_or(Ok(()), |message| Err(ApiError::validation(message)))
    }

    /// The first invalid value's message.
    pub(crate) fn into_invalid(self) -> Option<String> {
        self.invalid
    }

    /// Remembers an invalid value; the null stands in for it until the request is refused.
    fn invalid(&mut self, message: impl Into<String>) -> AttributeValue {
        self.invalid.get_or_insert_with(|| message.into());
        AttributeValue::Null
    }

    pub(crate) fn value(
        &mut self,
        json: Json<'_>,
        depth: usize,
    ) -> Result<AttributeValue, ApiError> {
        let members = match json {
            Json::Object(members) => members,
            Json::List(_) => {
                return Err(ApiError::serialization(format!(
                    "Unrecognized collection type class {VALUE_TYPE}"
                )));
            }
            Json::Null => return Ok(self.invalid(EMPTY)),
            Json::Bool(_) | Json::Integer(_) | Json::Decimal(_) | Json::Text(_) => {
                return Err(ApiError::serialization("Unexpected value type in payload"));
            }
        };
        let mut found = None;
        for (type_name, content) in members {
            if content == Json::Null {
                continue;
            }
            let Some(value) = self.content(&type_name, content, depth)? else { continue };
            if found.replace(value).is_some() {
                self.invalid(AMBIGUOUS);
            }
        }
        Ok(found.unwrap_or_else(|| self.invalid(EMPTY)))
    }

    /// The value under one type name; `None` for a name that is no type, which the service skips.
    fn content(
        &mut self,
        type_name: &str,
        json: Json<'_>,
        depth: usize,
    ) -> Result<Option<AttributeValue>, ApiError> {
        Ok(Some(match type_name {
            "S" => AttributeValue::S(text(json)?.into_owned()),
            "N" => {
                let number = text(json)?;
                self.number(&number).map_or(AttributeValue::Null, AttributeValue::N)
            }
            "B" => AttributeValue::B(bytes(json)?),
            "BOOL" => AttributeValue::Bool(boolean(&json)?),
            "NULL" => {
                if !boolean(&json)? {
                    self.invalid(format!(
                        "{INVALID}Null attribute value types must have the value of true"
                    ));
                }
                AttributeValue::Null
            }
            "M" => {
                let members = map(json, VALUE_TYPE)?;
                let Some(depth) = self.deeper(depth) else { return Ok(Some(AttributeValue::Null)) };
                let mut entries = BTreeMap::new();
                for (name, json) in members {
                    entries.insert(name.into_owned(), self.value(json, depth)?);
                }
                AttributeValue::M(entries)
            }
            "L" => {
                let elements = list(json, "java.util.List")?;
                let Some(depth) = self.deeper(depth) else { return Ok(Some(AttributeValue::Null)) };
                let values = elements.into_iter().map(|json| self.value(json, depth));
                AttributeValue::L(values.collect::<Result<_, _>>()?)
            }
            "SS" => self.text_set(json)?,
            "NS" => self.number_set(json)?,
            "BS" => self.byte_set(json)?,
            _ => return Ok(None),
        }))
    }

    fn deeper(&mut self, depth: usize) -> Option<usize> {
        if depth < NESTING_MAX {
            return Some(depth + 1);
        }
        self.invalid("Nesting Levels have exceeded supported limits");
        None
    }

    fn number(&mut self, text: &str) -> Option<Number> {
        let error = match Number::parse(text) {
            Ok(number) => return Some(number),
            Err(error) => error,
        };
        self.invalid(match error {
            NumberError::Empty => "The parameter cannot be converted to a numeric value".into(),
            NumberError::Overflow => {
                "Number overflow. Attempting to store a number with magnitude \
                                      larger than supported range"
                    .into()
            }
            NumberError::Underflow => "Number underflow. Attempting to store a number with \
                                       magnitude smaller than supported range"
                .into(),
            NumberError::TooPrecise(_) => {
                "Attempting to store more than 38 significant digits in a Number".into()
            }
            NumberError::Malformed(_) => {
                format!("The parameter cannot be converted to a numeric value: {text}")
            }
        });
        None
    }

    fn text_set(&mut self, json: Json<'_>) -> Result<AttributeValue, ApiError> {
        let elements = list(json, "java.util.List")?;
        let texts = elements.into_iter().map(|json| text(json).map(String::from));
        let texts = texts.collect::<Result<Vec<_>, _>>()?;
        if texts.is_empty() {
            return Ok(self.invalid(format!("{INVALID}An string set  may not be empty")));
        }
        let set: BTreeSet<String> = texts.iter().cloned().collect();
        if set.len() < texts.len() {
            let all = texts.join(", ");
            return Ok(
                self.invalid(format!("{INVALID}Input collection [{all}] contains duplicates."))
            );
        }
        Ok(AttributeValue::Ss(set))
    }

    fn number_set(&mut self, json: Json<'_>) -> Result<AttributeValue, ApiError> {
        let elements = list(json, "java.util.List")?;
        let mut set = BTreeSet::new();
        let count = elements.len();
        for element in elements {
            let element = text(element)?;
            if let Some(number) = self.number(&element)
                && !set.insert(number)
            {
                self.invalid("Input collection contains duplicates");
            }
        }
        if count == 0 {
            return Ok(self.invalid(format!("{INVALID}An number set  may not be empty")));
        }
        Ok(AttributeValue::Ns(set))
    }

    fn byte_set(&mut self, json: Json<'_>) -> Result<AttributeValue, ApiError> {
        let elements = list(json, "java.util.List")?;
        let elements = elements.into_iter().map(bytes).collect::<Result<Vec<_>, _>>()?;
        if elements.is_empty() {
            return Ok(self.invalid(format!("{INVALID}Binary sets should not be empty")));
        }
        let count = elements.len();
        let set: BTreeSet<Vec<u8>> = elements.into_iter().collect();
        if set.len() < count {
            return Ok(
                self.invalid(format!("{INVALID}Input collection of type BS contains duplicates."))
            );
        }
        Ok(AttributeValue::Bs(set))
    }
}

/// Strict base64: padded, no other character, no stray bits at the end.
fn bytes(json: Json<'_>) -> Result<Vec<u8>, ApiError> {
    let text = match json {
        Json::Text(text) => text,
        Json::List(_) => {
            return Err(ApiError::serialization(
                "Unrecognized collection type class java.nio.ByteBuffer",
            ));
        }
        Json::Object(_) => {
            return Err(ApiError::serialization(
                "Start of structure or map found where not expected",
            ));
        }
        Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Decimal(_) => {
            return Err(ApiError::serialization(
                "only base-64-encoded strings are convertible to bytes",
            ));
        }
    };
    if !text.len().is_multiple_of(4) {
        return Err(ApiError::serialization(format!(
            "Base64 encoded length is expected a multiple of 4 bytes but found: {}",
            text.len()
        )));
    }
    STANDARD.decode(text.as_bytes()).map_err(|error| match error {
        base64::DecodeError::InvalidByte(_, byte) => ApiError::serialization(format!(
            "Invalid Base64 character: '{}'",
            char::from(byte).escape_default()
        )),
        base64::DecodeError::InvalidLength(_)
        | base64::DecodeError::InvalidLastSymbol(..)
        | base64::DecodeError::InvalidPadding => {
            ApiError::serialization("Invalid last non-pad Base64 character dectected")
        }
    })
}

/// Appends an item as JSON.
pub(crate) fn push_item(out: &mut String, item: &PackedItem) {
    // Quotes, type names and braces are a good part of an item of short values.
    out.reserve(item.as_bytes().len() + 128);
    out.push('{');
    item.tell(&mut Printer { out });
    out.push('}');
}

/// Prints what it is told as JSON.
struct Printer<'o> {
    out: &'o mut String,
}

impl Printer<'_> {
    fn comma(&mut self, first: bool) {
        if !first {
            self.out.push(',');
        }
    }

    fn content(&mut self, scalar: Scalar<'_>) {
        match scalar {
            Scalar::S(text) => push_text(self.out, text),
            Scalar::N(number) => push_number(self.out, &number),
            Scalar::B(bytes) => push_bytes(self.out, bytes),
            Scalar::Bool(value) => self.out.push_str(if value { "true" } else { "false" }),
            Scalar::Null => self.out.push_str("true"),
        }
    }
}

impl PackedSink for Printer<'_> {
    fn name(&mut self, name: &str, first: bool) {
        self.comma(first);
        push_text(self.out, name);
        self.out.push(':');
    }

    fn element(&mut self, first: bool) {
        self.comma(first);
    }

    fn scalar(&mut self, scalar: Scalar<'_>) {
        self.out.push_str(match scalar {
            Scalar::S(_) => "{\"S\":",
            Scalar::N(_) => "{\"N\":",
            Scalar::B(_) => "{\"B\":",
            Scalar::Bool(_) => "{\"BOOL\":",
            Scalar::Null => "{\"NULL\":",
        });
        self.content(scalar);
        self.out.push('}');
    }

    fn member(&mut self, scalar: Scalar<'_>, first: bool) {
        self.comma(first);
        self.content(scalar);
    }

    fn begin(&mut self, container: Container) {
        self.out.push_str(match container {
            Container::M => "{\"M\":{",
            Container::L => "{\"L\":[",
            Container::Ss => "{\"SS\":[",
            Container::Ns => "{\"NS\":[",
            Container::Bs => "{\"BS\":[",
        });
    }

    fn end(&mut self, container: Container) {
        self.out.push_str(if container == Container::M { "}}" } else { "]}" });
    }
}

/// Appends attributes as JSON.
pub(crate) fn push_attributes(out: &mut String, attributes: &Item) {
    push_members(out, attributes.iter());
}

fn push_members<'v>(
    out: &mut String,
    members: impl Iterator<Item = (&'v str, &'v AttributeValue)>,
) {
    out.push('{');
    for (at, (name, value)) in members.enumerate() {
        if at > 0 {
            out.push(',');
        }
        push_text(out, name);
        out.push(':');
        push_value(out, value);
    }
    out.push('}');
}

pub(crate) fn push_value(out: &mut String, value: &AttributeValue) {
    out.push_str("{\"");
    out.push_str(value.type_name());
    out.push_str("\":");
    match value {
        AttributeValue::S(text) => push_text(out, text),
        AttributeValue::N(number) => push_number(out, number),
        AttributeValue::B(bytes) => push_bytes(out, bytes),
        AttributeValue::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        AttributeValue::Null => out.push_str("true"),
        AttributeValue::M(map) => {
            push_members(out, map.iter().map(|(name, value)| (name.as_str(), value)));
        }
        AttributeValue::L(list) => push_list(out, list, push_value),
        AttributeValue::Ss(set) => push_list(out, set, |out, text| push_text(out, text)),
        AttributeValue::Ns(set) => push_list(out, set, push_number),
        AttributeValue::Bs(set) => push_list(out, set, |out, bytes| push_bytes(out, bytes)),
    }
    out.push('}');
}

/// Appends a JSON list.
pub(crate) fn push_list<T>(
    out: &mut String,
    elements: impl IntoIterator<Item = T>,
    push: impl Fn(&mut String, T),
) {
    out.push('[');
    for (at, element) in elements.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        push(out, element);
    }
    out.push(']');
}

fn push_number(out: &mut String, number: &Number) {
    write!(out, "\"{number}\"").expect("a String takes every text");
}

fn push_bytes(out: &mut String, bytes: &[u8]) {
    out.push('"');
    STANDARD.encode_string(bytes, out);
    out.push('"');
}

/// Appends a JSON string: quotes, backslashes and control characters escaped, the rest as it is.
pub(crate) fn push_text(out: &mut String, text: &str) {
    out.push('"');
    // Most texts are plain, and blocks without a branch in them are looked at many bytes at once.
    let is_plain = |byte: &u8| *byte >= 0x20 && *byte != b'"' && *byte != b'\\';
    let mut blocks = text.as_bytes().chunks(64);
    if blocks.all(|block| block.iter().fold(true, |plain, byte| plain & is_plain(byte))) {
        out.push_str(text);
        out.push('"');
        return;
    }
    let mut plain_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if is_plain(&byte) {
            continue;
        }
        out.push_str(&text[plain_from..at]);
        plain_from = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            control => {
                write!(out, "\\u{control:04x}").expect("a String takes every text");
            }
        }
    }
    out.push_str(&text[plain_from..]);
    out.push('"');
}
