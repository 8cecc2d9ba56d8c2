//! One line of a history, whatever the format, before a model has looked at it.

use super::datum::Datum;
use super::{Fault, Problem};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A client asked.
    Invoke,
    /// It got an answer.
    Ok,
    /// It knows that nothing happened.
    Fail,
    /// It gave up waiting.
    Info,
}

impl Kind {
    /// Its name in all formats.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invoke => "invoke",
            Self::Ok => "ok",
            Self::Fail => "fail",
            Self::Info => "info",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        [Self::Invoke, Self::Ok, Self::Fail, Self::Info].into_iter().find(|it| it.name() == name)
    }
}

/// An event of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The client.
    pub process: u64,
    /// What happened.
    pub kind: Kind,
    /// When, on one clock.
    pub time: u64,
    /// The operation, if the line names it.
    pub f: Option<String>,
    /// The object, if the line names it.
    pub key: Option<Datum>,
    /// What was asked or answered, if the line says.
    pub value: Option<Datum>,
    /// Whatever else the line says.
    pub more: Vec<(String, Datum)>,
}

impl Record {
    /// Another field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Datum> {
        match name {
            "key" => self.key.as_ref(),
            "value" => self.value.as_ref(),
            _ => self.more.iter().find(|(field, _)| field == name).map(|(_, value)| value),
        }
    }

    /// The error of a field that is missing or has the wrong form.
    #[must_use]
    pub fn wrong(&self, field: &'static str, expected: &'static str) -> Problem {
        let found = match (field, &self.f) {
            ("f", Some(f)) => Some(format!("{f:?}")),
            _ => self.field(field).map(Datum::to_string),
        };
        Problem::Field { field, found: found.unwrap_or("missing".to_owned()), expected }
    }
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// What a client did or learned.
    Event(Record),
    /// What was done to the system.
    Fault(Fault),
}

/// The fields of a line that is a set of named values, on the way to an [`Entry`].
#[derive(Debug, Default)]
pub(super) struct Fields {
    process: Option<Datum>,
    kind: Option<Datum>,
    time: Option<Datum>,
    f: Option<Datum>,
    key: Option<Datum>,
    value: Option<Datum>,
    more: Vec<(String, Datum)>,
}

const WHOLE: &str = "a whole number from 0";
const KINDS: &str = "invoke, ok, fail, info or fault";

impl Fields {
    pub(super) fn set(&mut self, name: String, value: Datum) {
        let slot = match name.as_str() {
            "process" => &mut self.process,
            "type" => &mut self.kind,
            "time" => &mut self.time,
            "f" => &mut self.f,
            "key" => &mut self.key,
            "value" => &mut self.value,
            _ => {
                self.more.push((name, value));
                return;
            }
        };
        *slot = Some(value);
    }

    /// Whether a field that is no client's number names who acts: Jepsen's nemesis.
    pub(super) fn named_process(&self) -> Option<&str> {
        self.process.as_ref().and_then(Datum::word)
    }

    pub(super) fn f(&self) -> Option<&str> {
        self.f.as_ref().and_then(Datum::word)
    }

    /// The time, or `other` if there is none.
    pub(super) fn time_or(&self, other: Option<u64>) -> Result<u64, Problem> {
        match (&self.time, other) {
            (None, Some(other)) => Ok(other),
            (time, _) => whole("time", time.as_ref()),
        }
    }

    /// The entry; `time` stands for a missing time.
    pub(super) fn entry(self, time: Option<u64>) -> Result<Entry, Problem> {
        let kind = self.kind.as_ref().and_then(Datum::word);
        let kind = kind.ok_or_else(|| wrong("type", self.kind.as_ref(), KINDS))?;
        let time = self.time_or(time)?;
        if kind == "fault" {
            return Ok(Entry::Fault(self.fault(time)?));
        }
        let process = whole("process", self.process.as_ref())?;
        let kind = Kind::of(kind).ok_or_else(|| wrong("type", self.kind.as_ref(), KINDS))?;
        let f = match self.f {
            None => None,
            Some(Datum::Text(f) | Datum::Keyword(f)) => Some(f),
            Some(other) => return Err(wrong("f", Some(&other), "the name of an operation")),
        };
        let Self { key, value, more, .. } = self;
        Ok(Entry::Event(Record { process, kind, time, f, key, value, more }))
    }

    fn fault(&self, time: u64) -> Result<Fault, Problem> {
        let field = |name| self.more.iter().find(|(field, _)| field == name).map(|(_, it)| it);
        let word = |name, expected| {
            field(name).and_then(Datum::word).ok_or_else(|| wrong(name, field(name), expected))
        };
        let kind = word("kind", "the name of the fault")?.to_owned();
        let node = match field("node") {
            None | Some(Datum::Nil) => None,
            node => Some(whole("node", node)?),
        };
        let ended = match word("phase", "start or end")? {
            "start" => false,
            "end" => true,
            _ => return Err(wrong("phase", field("phase"), "start or end")),
        };
        Ok(Fault { kind, node, ended, time })
    }
}

fn whole(field: &'static str, value: Option<&Datum>) -> Result<u64, Problem> {
    value.and_then(Datum::whole).ok_or_else(|| wrong(field, value, WHOLE))
}

fn wrong(field: &'static str, found: Option<&Datum>, expected: &'static str) -> Problem {
    Problem::Field { field, found: found.map_or("missing".to_owned(), Datum::to_string), expected }
}
