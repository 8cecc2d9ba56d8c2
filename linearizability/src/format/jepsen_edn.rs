//! The history of a Jepsen run, and Porcupine's key-value text: EDN maps, in one vector or one
//! after the other.
//!
//! ```text
//! {:process 0, :type :invoke, :f :txn, :value [[:append 5 1] [:r 3 nil]], :time 17, :index 1}
//! {:process 0, :type :invoke, :f :get, :key "0", :value nil}
//! ```
//!
//! Without `:time` the number of the event stands for it. With independent keys Jepsen writes the
//! key into the value, `[key value]`: it is taken apart for `read` and `write` whose value is a
//! vector of two, and for `cas` whose second member is a vector. A `cas` that fails without an
//! `:error` found another value there; whatever else fails had no effect. What the nemesis does
//! under names that begin with `start` and `stop` is a fault that begins and ends.

use super::datum::Datum;
use super::edn::{EdnError, Parser};
use super::record::{Entry, Fields, Kind, Record};
use super::{Fault, FormatError, Problem};

/// Calls `each` for every map.
///
/// # Errors
/// Names the first line that is wrong, or that `each` refuses.
pub fn read(
    text: &str,
    each: &mut dyn FnMut(usize, Entry) -> Result<(), Problem>,
) -> Result<(), FormatError> {
    let mut parser = Parser::new(text);
    let syntax = |error: EdnError| Problem::Syntax(error.message).at(error.lines_before + 1);
    parser.skip_space();
    let in_vector = parser.take('[') || parser.take('(');
    let mut nemesis = Nemesis::default();
    let mut number = 0;
    loop {
        parser.skip_space();
        if in_vector && (parser.take(']') || parser.take(')')) {
            parser.skip_space();
            if !parser.is_at_end() {
                return Err(syntax(parser.expected("nothing after the vector of events")));
            }
            return Ok(());
        }
        if parser.is_at_end() {
            if in_vector {
                return Err(syntax(parser.expected("a closing bracket")));
            }
            return Ok(());
        }
        let line = parser.lines_before() + 1;
        number += 1;
        let value = parser.value().map_err(syntax)?;
        let entry = entry(value, number, &mut nemesis);
        entry
            .and_then(|entry| entry.map_or(Ok(()), |entry| each(line, entry)))
            .map_err(|problem| problem.at(line))?;
    }
}

/// The faults that are on.
#[derive(Default)]
struct Nemesis {
    on: Vec<String>,
}

fn entry(value: Datum, number: u64, nemesis: &mut Nemesis) -> Result<Option<Entry>, Problem> {
    let Datum::Map(entries) = value else {
        return Err(Problem::Syntax("not a map; expected {:process ..}".to_owned()));
    };
    let mut fields = Fields::default();
    for (name, value) in entries {
        let name = name.word().map(str::to_owned);
        let name = name.ok_or_else(|| Problem::Syntax("a key that is no keyword".to_owned()))?;
        // The absence of a field and nil are the same, but for values.
        if value != Datum::Nil || name == "value" {
            fields.set(name, value);
        }
    }
    if fields.named_process().is_some() {
        let time = fields.time_or(Some(number))?;
        return Ok(nemesis.fault(fields.f(), time).map(Entry::Fault));
    }
    Ok(Some(match fields.entry(Some(number))? {
        Entry::Event(record) => Entry::Event(unfold(record)),
        fault @ Entry::Fault(_) => fault,
    }))
}

/// Says what Jepsen's notation means.
fn unfold(mut record: Record) -> Record {
    if record.key.is_none()
        && let Some(Datum::Vector(pair)) = &record.value
        && let [key, value] = pair.as_slice()
    {
        let independent = match record.f.as_deref() {
            Some("read" | "write") => true,
            Some("cas") => matches!(value, Datum::Vector(_)),
            _ => false,
        };
        if independent {
            let (key, value) = (key.clone(), value.clone());
            (record.key, record.value) = (Some(key), Some(value));
        }
    }
    let is_cas = record.f.as_deref() == Some("cas");
    if is_cas && record.kind == Kind::Fail && record.field("error").is_none() {
        record.kind = Kind::Ok;
        record.more.push(("failed".to_owned(), Datum::Bool(true)));
    }
    record
}

impl Nemesis {
    /// The fault that begins or ends with it; Jepsen tells each twice.
    fn fault(&mut self, f: Option<&str>, time: u64) -> Option<Fault> {
        let f = f?;
        let name = |rest: &str| {
            let rest = rest.trim_start_matches('-');
            if rest.is_empty() { "fault".to_owned() } else { rest.to_owned() }
        };
        let (kind, ended) = match (f.strip_prefix("start"), f.strip_prefix("stop")) {
            (Some(rest), _) => (name(rest), false),
            (_, Some(rest)) => (name(rest), true),
            (None, None) => return None,
        };
        let was_on = self.on.contains(&kind);
        if was_on != ended {
            return None;
        }
        if ended {
            self.on.retain(|other| *other != kind);
        } else {
            self.on.push(kind.clone());
        }
        Some(Fault { kind, node: None, ended, time })
    }
}
