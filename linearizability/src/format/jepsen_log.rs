//! The log text of a Jepsen run on one register.
//!
//! ```text
//! INFO  jepsen.util - 4   :invoke   :cas   [1 0]
//! INFO  jepsen.util - 4   :fail     :cas   [1 0]
//! ```
//!
//! There is no time in it; the number of the line stands for it. A `cas` that fails with its
//! arguments found another value there; whatever else fails had no effect. Lines of other loggers
//! and of the nemesis are not events.

use super::edn::{Edn, parse};
use super::{Document, FormatError, Problem, Vocabulary};
use crate::history::{Builder, Event};
use crate::models::cell::{CellAction, CellCall, CellValue, Condition, PutIfOutcome};
use crate::token::{Names, Token};

/// What stands before an event.
const MARK: &str = "jepsen.util - ";

/// Reads a history on one register.
///
/// # Errors
/// Names the first line that is wrong.
pub fn read_register(
    text: &str,
    vocabulary: Vocabulary,
) -> Result<Document<CellAction>, FormatError> {
    let mut names = Names::default();
    let mut builder = Builder::default();
    for (line, content) in text.lines().enumerate().map(|(at, line)| (at + 1, line)) {
        let Some((_, event)) = content.split_once(MARK) else { continue };
        if event.trim_start().starts_with(':') {
            continue; // the nemesis speaks
        }
        read_line(event, line, vocabulary, &mut names, &mut builder)
            .map_err(|problem| problem.at(line))?;
    }
    let operations = builder.finish();
    if operations.is_empty() {
        return Err(Problem::Empty.at(1));
    }
    Ok(Document { operations, names, faults: Vec::new() })
}

fn read_line(
    event: &str,
    line: usize,
    vocabulary: Vocabulary,
    names: &mut Names,
    builder: &mut Builder<CellAction>,
) -> Result<(), Problem> {
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
    let value = words.collect::<Vec<_>>().join(" ");
    if value.is_empty() {
        return Err(field(None, "value", "nil, a number, [from to] or a reason"));
    }
    let value = parse(&value).map_err(Problem::Syntax)?;
    let f =
        f.and_then(|f| f.strip_prefix(':')).ok_or_else(|| field(f, "f", ":read, :write, :cas"))?;
    let event = match kind {
        Some(":invoke") => Event::Invoke(action(f, &value, vocabulary, names)?),
        Some(":ok") => Event::Return(action(f, &value, vocabulary, names)?),
        Some(":fail") => match (f, &value) {
            ("cas", Edn::Vector(_)) => {
                Event::Return(refused(action(f, &value, vocabulary, names)?))
            }
            _ => Event::Fail,
        },
        Some(":info") => Event::Unknown,
        kind => return Err(field(kind, "type", ":invoke, :ok, :fail or :info")),
    };
    Ok(builder.event(process, line as u64, line, event)?)
}

fn action(
    f: &str,
    value: &Edn,
    vocabulary: Vocabulary,
    names: &mut Names,
) -> Result<CellAction, Problem> {
    let wrong = |expected| Problem::Field { field: "value", found: format!("{value:?}"), expected };
    let call = match (f, vocabulary) {
        ("read", Vocabulary::Register | Vocabulary::CasRegister) => {
            let seen = token(value, names).ok_or_else(|| wrong("nil or a number"))?;
            CellCall::Get { seen }
        }
        ("write", Vocabulary::Register | Vocabulary::CasRegister) => {
            let value = token(value, names).flatten().ok_or_else(|| wrong("a number"))?;
            CellCall::Put { value }
        }
        ("cas", Vocabulary::CasRegister) => {
            let Edn::Vector(pair) = value else { return Err(wrong("[from to]")) };
            let [from, to] = pair.as_slice() else { return Err(wrong("[from to]")) };
            let from = token(from, names).ok_or_else(|| wrong("[from to]"))?;
            let value = token(to, names).flatten().ok_or_else(|| wrong("[from to]"))?;
            let condition = from.map_or(Condition::EqualsNil, Condition::Equals);
            CellCall::PutIf { condition, value, outcome: PutIfOutcome::Applied }
        }
        _ => {
            let expected = match vocabulary {
                Vocabulary::Item => "a register; this format has no items",
                Vocabulary::Register | Vocabulary::CasRegister => vocabulary.expected(),
            };
            return Err(Problem::UnknownF { found: f.to_owned(), expected });
        }
    };
    Ok(CellAction { key: Token::from(0), call })
}

fn refused(action: CellAction) -> CellAction {
    match action.call {
        CellCall::PutIf { condition, value, .. } => {
            CellAction::put_if(action.key, condition, value, PutIfOutcome::Refused { old: None })
        }
        CellCall::Get { .. } | CellCall::Put { .. } | CellCall::Delete => action,
    }
}

fn token(value: &Edn, names: &mut Names) -> Option<CellValue> {
    match value {
        Edn::Nil => Some(None),
        Edn::Number(number) => Some(Some(Token::from(*number))),
        Edn::Text(text) => Some(Some(names.token(text))),
        Edn::Keyword(_) | Edn::Vector(_) | Edn::Map(_) => None,
    }
}
