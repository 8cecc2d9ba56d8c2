//! The log text of a Jepsen run.
//!
//! ```text
//! INFO  jepsen.util - 4   :invoke   :cas   [1 0]
//! INFO  jepsen.util - 4   :fail     :cas   [1 0]
//! ```
//!
//! There is no time in it; the number of the line stands for it. A `cas` that fails with its
//! arguments found another value there; whatever else fails had no effect. Lines of other loggers
//! and of the nemesis are not events.

use super::datum::Datum;
use super::edn;
use super::record::{Entry, Kind, Record};
use super::{Document, FormatError, Problem, Vocabulary, read_with};
use crate::models::cell::CellAction;

/// What stands before an event.
pub(super) const MARK: &str = "jepsen.util - ";

/// Calls `each` for every event.
///
/// # Errors
/// Names the first line that is wrong, or that `each` refuses.
pub fn read(
    text: &str,
    each: &mut dyn FnMut(usize, Entry) -> Result<(), Problem>,
) -> Result<(), FormatError> {
    for (line, content) in text.lines().enumerate().map(|(at, line)| (at + 1, line)) {
        let Some((_, event)) = content.split_once(MARK) else { continue };
        if event.trim_start().starts_with(':') {
            continue; // the nemesis speaks
        }
        let record = record(event, line as u64);
        let entry = record.map(Entry::Event);
        entry.and_then(|entry| each(line, entry)).map_err(|problem| problem.at(line))?;
    }
    Ok(())
}

/// Reads a history on one register.
///
/// # Errors
/// Names the first line that is wrong.
pub fn read_register(
    text: &str,
    vocabulary: Vocabulary,
) -> Result<Document<CellAction>, FormatError> {
    read_with(&vocabulary, |each| read(text, each))
}

fn record(event: &str, line: u64) -> Result<Record, Problem> {
    let mut words = event.split_whitespace();
    let field = |found: Option<&str>, field, expected| Problem::Field {
        field,
        found: found.map_or("missing".to_owned(), str::to_owned),
        expected,
    };
    let process = words.next().unwrap_or_default();
    let process: u64 =
        process.parse().map_err(|_| field(Some(process), "process", "a whole number from 0"))?;
    let (kind, f) = (words.next(), words.next());
    let f = f
        .and_then(|f| f.strip_prefix(':'))
        .ok_or_else(|| field(f, "f", "the name of an operation, such as :read"))?;
    let kind = kind
        .and_then(|kind| Kind::of(kind.strip_prefix(':')?))
        .ok_or_else(|| field(kind, "type", ":invoke, :ok, :fail or :info"))?;
    let value = words.collect::<Vec<_>>().join(" ");
    if value.is_empty() {
        return Err(field(None, "value", "nil, a number, [from to] or a reason"));
    }
    let value = edn::parse(&value).map_err(|error| Problem::Syntax(error.message))?;
    let refused = kind == Kind::Fail && f == "cas" && matches!(value, Datum::Vector(_));
    let (kind, more) = if refused {
        (Kind::Ok, vec![("failed".to_owned(), Datum::Bool(true))])
    } else {
        (kind, Vec::new())
    };
    let (f, value) = (Some(f.to_owned()), Some(value));
    Ok(Record { process, kind, time: line, f, key: None, value, more })
}
