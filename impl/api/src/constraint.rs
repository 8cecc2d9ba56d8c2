//! Constraints on single parameters: presence, length, range, pattern, enumeration. All violations
//! of a request are told in one answer: `2 validation errors detected: Value 'x' at 'returnValues'
//! failed to satisfy constraint: ..; ..`.
//!
//! What is constrained how stands in [`crate::shape`] as data; this module walks a request along it.
//! A value of a wrong JSON type is passed over: whoever reads the request refuses it before its
//! violations are told.

use crate::ApiError;
use crate::json::Json;
use crate::shape::{Member, Shape};
use std::fmt::{self, Write as _};

/// The service reports so many violations and no more.
const REPORTED_MAX: usize = 10;
/// A value is shown up to about this many bytes.
const SHOWN_MAX: usize = 4_096;

/// Where in a request a value stands; written out only when something is wrong there.
#[derive(Clone, Copy)]
enum At<'a> {
    Root,
    Member(&'a At<'a>, &'a str),
    Element(&'a At<'a>, usize),
    Entry(&'a At<'a>, &'a str),
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Member(parent, name) => {
                if !matches!(parent, Self::Root) {
                    write!(f, "{parent}.")?;
                }
                // The services' common layer names members as Java does.
                let (first, rest) = name.split_at(1);
                write!(f, "{}{rest}", first.to_ascii_lowercase())
            }
            Self::Element(parent, index) => write!(f, "{parent}.{}.member", index + 1),
            Self::Entry(parent, name) => write!(f, "{parent}.{name}.member"),
        }
    }
}

/// The violations of a request.
#[derive(Debug, Default)]
pub(crate) struct Violations {
    found: Vec<String>,
}

impl Violations {
    /// The violations in the members of a structure.
    pub(crate) fn of(members: &[Member], json: &Json<'_>) -> Self {
        let mut violations = Self::default();
        violations.structure(members, json, &At::Root);
        violations
    }

    /// All violations as one error.
    pub(crate) fn check(&mut self) -> Result<(), ApiError> {
        let found = std::mem::take(&mut self.found);
        if found.is_empty() {
            return Ok(());
        }
        let (count, all) = (found.len(), found.join("; "));
        let errors = if count == 1 { "error" } else { "errors" };
        Err(ApiError::validation(format!("{count} validation {errors} detected: {all}")))
    }

    fn report(&mut self, value: &str, at: &At<'_>, rule: &str) {
        if self.found.len() < REPORTED_MAX {
            self.found
                .push(format!("Value {value} at '{at}' failed to satisfy constraint: {rule}"));
        }
    }

    fn structure(&mut self, members: &[Member], json: &Json<'_>, at: &At<'_>) {
        let Json::Object(given) = json else { return };
        for member in members {
            let at = At::Member(at, member.name);
            let value = given.iter().rfind(|(name, _)| name == member.name).map(|(_, value)| value);
            match value {
                None | Some(Json::Null) if member.required => {
                    self.report("null", &at, "Member must not be null");
                }
                None | Some(Json::Null) => {}
                Some(value) => self.value(member.shape, value, &at),
            }
        }
    }

    fn value(&mut self, shape: &Shape, json: &Json<'_>, at: &At<'_>) {
        let broken = broken_rules(shape, json);
        if !broken.is_empty() {
            let value = shown(json);
            for rule in &broken {
                self.report(&value, at, rule);
            }
        }
        match (shape, json) {
            (Shape::Structure(members), json) => self.structure(members, json, at),
            (Shape::List { element, .. }, Json::List(elements)) => {
                if is_scalar(element) {
                    let breaks = |json| !broken_rules(element, json).is_empty();
                    if elements.iter().any(breaks) {
                        let rule = format!("Member must satisfy constraint: {}", rules(element));
                        self.report(&shown(json), at, &rule);
                    }
                    return;
                }
                for (index, json) in elements.iter().enumerate() {
                    self.value(element, json, &At::Element(at, index));
                }
            }
            (Shape::Map { key, value, .. }, Json::Object(entries)) => {
                let breaks = |name: &str| !broken_text_rules(key, name).is_empty();
                if entries.iter().any(|(name, _)| breaks(name)) {
                    let rule = format!("Map keys must satisfy constraint: {}", rules(key));
                    self.report(&shown(json), at, &rule);
                }
                if matches!(value, Shape::Any) {
                    return;
                }
                // The bounds of a text or a list in a map are told of the map.
                let bounded = is_scalar(value) || matches!(value, Shape::List { .. });
                if bounded && entries.iter().any(|(_, json)| !broken_rules(value, json).is_empty())
                {
                    let rule = format!("Map value must satisfy constraint: {}", rules(value));
                    self.report(&shown(json), at, &rule);
                    return;
                }
                for (name, json) in entries {
                    self.value(value, json, &At::Entry(at, name));
                }
            }
            _ => {}
        }
    }
}

fn is_scalar(shape: &Shape) -> bool {
    matches!(shape, Shape::Text { .. } | Shape::Number { .. } | Shape::Word(_))
}

/// The rules of a shape that a value breaks, members and elements aside.
fn broken_rules(shape: &Shape, json: &Json<'_>) -> Vec<String> {
    match (shape, json) {
        (_, Json::Text(text)) => broken_text_rules(shape, text),
        (Shape::Number { min, max }, Json::Integer(value)) => {
            let mut broken = Vec::new();
            if value > max {
                broken.push(at_most("value", *max));
            }
            if value < min {
                broken.push(at_least("value", *min));
            }
            broken
        }
        (Shape::List { min, max, .. }, Json::List(elements)) => {
            broken_lengths(elements.len(), *min, *max)
        }
        (Shape::Map { min, max, .. }, Json::Object(entries)) => {
            broken_lengths(entries.len(), *min, *max)
        }
        _ => Vec::new(),
    }
}

fn broken_text_rules(shape: &Shape, text: &str) -> Vec<String> {
    match shape {
        Shape::Text { min, max, name } => {
            let mut broken = Vec::new();
            let allowed = |byte: u8| ringleader_item::TableName::allows(byte);
            if *name && (text.is_empty() || !text.bytes().all(allowed)) {
                broken.push(pattern());
            }
            // Java counts the code units of UTF-16.
            broken.extend(broken_lengths(text.encode_utf16().count(), *min, *max));
            broken
        }
        Shape::Word(words) if !words.contains(&text) => vec![word(words)],
        Shape::Word(_)
        | Shape::Number { .. }
        | Shape::List { .. }
        | Shape::Map { .. }
        | Shape::Structure(_)
        | Shape::Any => Vec::new(),
    }
}

fn broken_lengths(length: usize, min: usize, max: usize) -> Vec<String> {
    let mut broken = Vec::new();
    if length > max {
        broken.push(at_most("length", max));
    }
    if length < min {
        broken.push(at_least("length", min));
    }
    broken
}

fn at_most(what: &str, max: impl std::fmt::Display) -> String {
    format!("Member must have {what} less than or equal to {max}")
}

fn at_least(what: &str, min: impl std::fmt::Display) -> String {
    format!("Member must have {what} greater than or equal to {min}")
}

fn pattern() -> String {
    "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+".into()
}

fn word(words: &[&str]) -> String {
    format!("Member must satisfy enum value set: [{}]", words.join(", "))
}

/// All rules of a shape, as they are listed for elements, keys and values.
fn rules(shape: &Shape) -> String {
    let mut rules = Vec::new();
    match shape {
        Shape::Text { min, max, name } => {
            if *max < usize::MAX {
                rules.push(at_most("length", max));
            }
            if *min > 0 {
                rules.push(at_least("length", min));
            }
            if *name {
                rules.push(pattern());
            }
        }
        Shape::List { min, max, .. } => {
            rules.push(at_most("length", max));
            rules.push(at_least("length", min));
        }
        Shape::Word(words) => rules.push(word(words)),
        Shape::Number { .. } | Shape::Map { .. } | Shape::Structure(_) | Shape::Any => {}
    }
    format!("[{}]", rules.join(", "))
}

/// A value between quotes, as Java would print it.
fn shown(json: &Json<'_>) -> String {
    let mut out = String::from("'");
    push_shown(&mut out, json);
    out.push('\'');
    out
}

fn push_shown(out: &mut String, json: &Json<'_>) {
    if out.len() > SHOWN_MAX {
        return;
    }
    match json {
        Json::Null => out.push_str("null"),
        Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Json::Integer(value) => write!(out, "{value}").expect("a String takes every text"),
        Json::Decimal(value) => write!(out, "{value}").expect("a String takes every text"),
        Json::Text(text) => {
            let end = text.floor_char_boundary(SHOWN_MAX);
            out.push_str(&text[..end]);
        }
        Json::List(elements) => {
            push_shown_list(out, ['[', ']'], elements, push_shown);
        }
        Json::Object(members) => push_shown_list(out, ['{', '}'], members, |out, member| {
            out.push_str(&member.0[..member.0.floor_char_boundary(SHOWN_MAX)]);
            out.push('=');
            push_shown(out, &member.1);
        }),
    }
}

fn push_shown_list<T>(
    out: &mut String,
    [open, close]: [char; 2],
    elements: &[T],
    push: impl Fn(&mut String, &T),
) {
    out.push(open);
    for (at, element) in elements.iter().enumerate() {
        if out.len() > SHOWN_MAX {
            break;
        }
        if at > 0 {
            out.push_str(", ");
        }
        push(out, element);
    }
    out.push(close);
}
