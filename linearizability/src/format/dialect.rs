//! From events to operations: what the names and values of a file mean to a model.

use super::record::{Entry, Kind, Record};
use super::{Document, FormatError, Problem};
use crate::history::{Builder, Event};
use crate::token::{Names, Token};

/// What a model calls its operations, and how their values are written.
pub trait Dialect {
    /// The operations of the model.
    type Action: Clone;

    /// The names of the operations, as an error message lists them.
    fn expected(&self) -> &'static str;

    /// The name of an operation.
    fn name(&self, action: &Self::Action) -> &'static str;

    /// The key of an operation.
    fn key_of(&self, action: &Self::Action) -> Token;

    /// The key that an event names.
    ///
    /// # Errors
    /// If it has to name one and does not.
    fn key(&self, record: &Record, names: &mut Names) -> Result<Token, Problem> {
        key(record, names)
    }

    /// What the client asked: as if it took effect, since the answer may never come.
    ///
    /// # Errors
    /// If the model has no such operation, or a value has the wrong form.
    fn invoked(&self, record: &Record, names: &mut Names) -> Result<Self::Action, Problem>;

    /// What it asked and was answered; `line` invoked it.
    ///
    /// # Errors
    /// If a value has the wrong form, or is not what was asked.
    fn returned(
        &self,
        record: &Record,
        asked: &Self::Action,
        line: usize,
        names: &mut Names,
    ) -> Result<Self::Action, Problem>;
}

/// A key that must be there.
pub(super) fn key(record: &Record, names: &mut Names) -> Result<Token, Problem> {
    let key = record.key.as_ref().and_then(|key| key.token(names));
    key.ok_or_else(|| record.wrong("key", "a text or a whole number"))
}

/// A key that may be left out: then there is only one.
pub(super) fn key_or_only(record: &Record, names: &mut Names) -> Result<Token, Problem> {
    if record.key.is_none() { Ok(Token::from(0)) } else { key(record, names) }
}

/// The value of a field that must be there.
pub(super) fn token(
    record: &Record,
    field: &'static str,
    names: &mut Names,
) -> Result<Token, Problem> {
    let value = record.field(field).and_then(|value| value.token(names));
    value.ok_or_else(|| record.wrong(field, "a whole number or a text"))
}

/// The value of a field that must be there, and may be null.
pub(super) fn optional_token(
    record: &Record,
    field: &'static str,
    names: &mut Names,
) -> Result<Option<Token>, Problem> {
    let value = record.field(field).and_then(|value| value.optional_token(names));
    value.ok_or_else(|| record.wrong(field, "a whole number, a text or null"))
}

/// Whether the answer says that a condition was refused.
pub(super) fn failed(record: &Record) -> Result<bool, Problem> {
    use super::datum::Datum;
    match record.field("failed") {
        None | Some(Datum::Bool(false)) => Ok(false),
        Some(Datum::Bool(true)) => Ok(true),
        Some(_) => Err(record.wrong("failed", "true or false")),
    }
}

/// An answer that repeats the value that was asked with must repeat that one.
pub(super) fn same_value(
    record: &Record,
    asked: Token,
    line: usize,
    names: &mut Names,
) -> Result<(), Problem> {
    use super::datum::Datum;
    match record.value.as_ref().filter(|again| **again != Datum::Nil) {
        Some(again) if again.token(names) != Some(asked) => Err(Problem::Mismatch {
            field: "value",
            found: again.to_string(),
            line,
            invoked: names.show(asked).to_string(),
        }),
        _ => Ok(()),
    }
}

/// The source of entries: calls back for each, with its line.
pub type Each<'a> = &'a mut dyn FnMut(usize, Entry) -> Result<(), Problem>;

/// Reads a history in some dialect from some source of entries.
///
/// # Errors
/// Names the first line that is wrong.
pub fn read_with<D: Dialect>(
    dialect: &D,
    source: impl FnOnce(Each<'_>) -> Result<(), FormatError>,
) -> Result<Document<D::Action>, FormatError> {
    let mut names = Names::default();
    let mut builder = Builder::default();
    let mut faults = Vec::new();
    let mut events = 0;
    source(&mut |line, entry| match entry {
        Entry::Fault(fault) => {
            faults.push(fault);
            Ok(())
        }
        Entry::Event(record) => {
            events += 1;
            let open = builder.open(record.process).map(|open| (&open.action, open.index));
            let event = event(dialect, &record, &mut names, open)?;
            Ok(builder.event(record.process, record.time, line, event)?)
        }
    })?;
    // Faults alone say nothing about the system; operations that all failed do.
    if events == 0 {
        return Err(Problem::Empty.at(1));
    }
    Ok(Document { operations: builder.finish(), names, faults })
}

/// What an event means to a model; `open` is what its process asked and has no answer to, and the
/// line that invoked it.
///
/// # Errors
/// If the model has no such operation, or a value is wrong.
pub fn event<D: Dialect>(
    dialect: &D,
    record: &Record,
    names: &mut Names,
    open: Option<(&D::Action, usize)>,
) -> Result<Event<D::Action>, Problem> {
    if record.kind == Kind::Invoke {
        return Ok(Event::Invoke(dialect.invoked(record, names)?));
    }
    // Whoever takes the events refuses what ends nothing.
    let Some((asked, line)) = open else { return Ok(Event::Unknown) };
    let mismatch = |field, found: String, invoked: String| {
        Err(Problem::Mismatch { field, found, line, invoked })
    };
    if let Some(f) = &record.f
        && f != dialect.name(asked)
    {
        return mismatch("f", f.clone(), dialect.name(asked).to_owned());
    }
    if record.key.is_some() {
        let key = dialect.key(record, names)?;
        let invoked = dialect.key_of(asked);
        if key != invoked {
            return mismatch("key", names.show(key).to_string(), names.show(invoked).to_string());
        }
    }
    Ok(match record.kind {
        Kind::Ok => Event::Return(dialect.returned(record, asked, line, names)?),
        Kind::Fail => Event::Fail,
        Kind::Info | Kind::Invoke => Event::Unknown,
    })
}

/// The error of an operation that the model does not have.
pub(super) fn unknown_f(record: &Record, expected: &'static str) -> Problem {
    match &record.f {
        Some(f) => Problem::UnknownF { found: f.clone(), expected },
        None => record.wrong("f", expected),
    }
}
