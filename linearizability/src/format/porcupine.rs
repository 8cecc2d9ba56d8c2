//! The key-value text of Porcupine's test data: one map per line, in the order of time.

use std::collections::BTreeMap;

use super::edn::{Edn, parse};
use super::{Document, FormatError, Problem};
use crate::history::{Builder, Event};
use crate::models::key_value::{KeyValueAction, KeyValueCall};
use crate::token::Names;

/// The operations of the model.
const EXPECTED: &str = "get, put or append";

/// Reads a key-value history.
///
/// # Errors
/// Names the first line that is wrong.
pub fn read_key_values(text: &str) -> Result<Document<KeyValueAction>, FormatError> {
    let mut names = Names::default();
    let mut builder = Builder::default();
    for (line, content) in text.lines().enumerate().map(|(at, line)| (at + 1, line.trim())) {
        if !content.is_empty() {
            read_line(content, line, &mut names, &mut builder)
                .map_err(|problem| problem.at(line))?;
        }
    }
    let operations = builder.finish();
    if operations.is_empty() {
        return Err(Problem::Empty.at(1));
    }
    Ok(Document { operations, names, faults: Vec::new() })
}

fn read_line(
    content: &str,
    line: usize,
    names: &mut Names,
    builder: &mut Builder<KeyValueAction>,
) -> Result<(), Problem> {
    let Edn::Map(map) = parse(content).map_err(Problem::Syntax)? else {
        return Err(Problem::Syntax("not a map; expected {:process ..}".to_owned()));
    };
    let process = match map.get("process") {
        Some(Edn::Number(number)) => u64::try_from(*number).ok(),
        _ => None,
    };
    let process = process.ok_or_else(|| wrong(&map, "process", "a whole number from 0"))?;
    let event = match keyword(&map, "type", ":invoke, :ok, :fail or :info")? {
        "invoke" => Event::Invoke(action(&map, names)?),
        "ok" => Event::Return(action(&map, names)?),
        "fail" => Event::Fail,
        "info" => Event::Unknown,
        _ => return Err(wrong(&map, "type", ":invoke, :ok, :fail or :info")),
    };
    Ok(builder.event(process, line as u64, line, event)?)
}

fn action(map: &BTreeMap<String, Edn>, names: &mut Names) -> Result<KeyValueAction, Problem> {
    let Some(Edn::Text(key)) = map.get("key") else { return Err(wrong(map, "key", "a text")) };
    let text = || match map.get("value") {
        Some(Edn::Text(text)) => Ok(text.as_str().into()),
        _ => Err(wrong(map, "value", "a text")),
    };
    let call = match keyword(map, "f", EXPECTED)? {
        "get" => match map.get("value") {
            Some(Edn::Nil) | None => KeyValueCall::Get { seen: "".into() },
            Some(_) => KeyValueCall::Get { seen: text()? },
        },
        "put" => KeyValueCall::Put { value: text()? },
        "append" => KeyValueCall::Append { value: text()? },
        found => {
            return Err(Problem::UnknownF { found: found.to_owned(), expected: EXPECTED });
        }
    };
    Ok(KeyValueAction { key: names.token(key), call })
}

fn keyword<'a>(
    map: &'a BTreeMap<String, Edn>,
    field: &'static str,
    expected: &'static str,
) -> Result<&'a str, Problem> {
    match map.get(field) {
        Some(Edn::Keyword(word)) => Ok(word),
        _ => Err(wrong(map, field, expected)),
    }
}

fn wrong(map: &BTreeMap<String, Edn>, field: &'static str, expected: &'static str) -> Problem {
    let found = map.get(field).map_or("missing".to_owned(), |value| format!("{value:?}"));
    Problem::Field { field, found, expected }
}
