//! JSON lines: one event per line.
//!
//! ```text
//! {"process":3,"type":"invoke","f":"put","key":"k1","value":17,"time":123}
//! {"process":3,"type":"ok","f":"put","key":"k1","value":17,"time":150}
//! ```
//!
//! The package's README documents all fields. `type` is `invoke`, `ok` (it happened, and this came
//! back), `fail` (it certainly had no effect) or `info` (nobody knows); lines of type `fault` are
//! annotations.

use serde_json::Value as Json;

use super::cells::Vocabulary;
use super::dialect::read_with;
use super::record::{Entry, Fields, Record};
use super::{Document, Fault, FormatError, Problem};
use crate::models::cell::CellAction;

/// Calls `each` for every line.
///
/// # Errors
/// Names the first line that is wrong, or that `each` refuses.
pub fn read(
    text: &str,
    each: &mut dyn FnMut(usize, Entry) -> Result<(), Problem>,
) -> Result<(), FormatError> {
    for (line, content) in text.lines().enumerate().map(|(at, line)| (at + 1, line.trim())) {
        if !content.is_empty() {
            let entry = entry(content);
            entry.and_then(|entry| each(line, entry)).map_err(|problem| problem.at(line))?;
        }
    }
    Ok(())
}

/// Reads one line.
///
/// # Errors
/// What is wrong with it.
pub fn entry(content: &str) -> Result<Entry, Problem> {
    let object = match serde_json::from_str(content) {
        Ok(Json::Object(object)) => object,
        Ok(_) => return Err(Problem::Syntax("not a JSON object".to_owned())),
        Err(error) if error.is_eof() => {
            return Err(Problem::Syntax(format!(
                "JSON ends in the middle, after {} bytes; the file may be truncated",
                content.len()
            )));
        }
        Err(error) => {
            return Err(Problem::Syntax(format!(
                "malformed JSON at column {}; expected one object per line",
                error.column()
            )));
        }
    };
    let mut fields = Fields::default();
    for (name, value) in object {
        fields.set(name, value.into());
    }
    fields.entry(None)
}

/// The line of an event.
#[must_use]
pub fn line_of(record: &Record) -> String {
    let mut object = serde_json::Map::new();
    object.insert("process".to_owned(), record.process.into());
    object.insert("type".to_owned(), record.kind.name().into());
    if let Some(f) = &record.f {
        object.insert("f".to_owned(), f.as_str().into());
    }
    let named = [("key", &record.key), ("value", &record.value)];
    for (name, value) in named.into_iter().filter_map(|(name, it)| Some((name, it.as_ref()?))) {
        object.insert(name.to_owned(), value.into());
    }
    for (name, value) in &record.more {
        object.insert(name.clone(), value.into());
    }
    object.insert("time".to_owned(), record.time.into());
    Json::Object(object).to_string()
}

/// The line of a fault.
#[must_use]
pub fn line_of_fault(fault: &Fault) -> String {
    let phase = if fault.ended { "end" } else { "start" };
    let (kind, node, time) = (&fault.kind, fault.node, fault.time);
    serde_json::json!({"type": "fault", "kind": kind, "node": node, "phase": phase, "time": time})
        .to_string()
}

/// Reads a history on cells.
///
/// # Errors
/// Names the first line that is wrong.
pub fn read_cells(text: &str, vocabulary: Vocabulary) -> Result<Document<CellAction>, FormatError> {
    read_with(&vocabulary, |each| read(text, each))
}
