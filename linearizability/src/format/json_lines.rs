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

use serde_json::{Map, Value as Json};

use super::{Document, Fault, FormatError, Problem, Vocabulary};
use crate::history::{Builder, Event};
use crate::models::cell::{CellAction, CellCall, CellValue, Condition, PutIfOutcome};
use crate::token::{Names, Token};

/// Reads a history on cells.
///
/// # Errors
/// Names the first line that is wrong.
pub fn read_cells(text: &str, vocabulary: Vocabulary) -> Result<Document<CellAction>, FormatError> {
    let mut reader = Reader {
        vocabulary,
        names: Names::default(),
        builder: Builder::default(),
        faults: vec![],
        events: 0,
    };
    for (line, content) in text.lines().enumerate().map(|(at, line)| (at + 1, line.trim())) {
        if !content.is_empty() {
            reader.line(content, line).map_err(|problem| problem.at(line))?;
        }
    }
    // Faults alone say nothing about the system; operations that all failed do.
    if reader.events == 0 {
        return Err(Problem::Empty.at(1));
    }
    let operations = reader.builder.finish();
    Ok(Document { operations, names: reader.names, faults: reader.faults })
}

/// What has been read so far.
struct Reader {
    vocabulary: Vocabulary,
    names: Names,
    builder: Builder<CellAction>,
    faults: Vec<Fault>,
    /// How many lines were no annotations.
    events: usize,
}

/// One line, as an object.
struct Line(Map<String, Json>);

impl Reader {
    fn line(&mut self, content: &str, line: usize) -> Result<(), Problem> {
        let object = match serde_json::from_str(content) {
            Ok(Json::Object(object)) => Line(object),
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
        let kind = object.text("type", "invoke, ok, fail, info or fault")?;
        let time = object.whole("time")?;
        if kind == "fault" {
            self.faults.push(object.fault(time)?);
            return Ok(());
        }
        self.events += 1;
        let process = object.whole("process")?;
        let event = match kind {
            "invoke" => Event::Invoke(self.invoked(&object)?),
            "ok" => match self.builder.open(process) {
                Some(open) => {
                    let (asked, asked_line) = (open.action, open.index);
                    self.same_f(&object, asked, asked_line)?;
                    Event::Return(self.returned(&object, asked, asked_line)?)
                }
                None => Event::Unknown, // the builder refuses it
            },
            "fail" | "info" => {
                if let Some(open) = self.builder.open(process) {
                    let (asked, asked_line) = (open.action, open.index);
                    self.same_f(&object, asked, asked_line)?;
                }
                if kind == "fail" { Event::Fail } else { Event::Unknown }
            }
            _ => {
                return Err(object.wrong("type", "invoke, ok, fail, info or fault"));
            }
        };
        Ok(self.builder.event(process, time, line, event)?)
    }

    /// The action of an invoke line.
    fn invoked(&mut self, object: &Line) -> Result<CellAction, Problem> {
        let f = object.text("f", self.vocabulary.expected())?;
        let key = self.key(object)?;
        let call = match (self.vocabulary, f) {
            (Vocabulary::Item, "get")
            | (Vocabulary::Register | Vocabulary::CasRegister, "read") => {
                CellCall::Get { seen: None }
            }
            (Vocabulary::Item, "put")
            | (Vocabulary::Register | Vocabulary::CasRegister, "write") => {
                CellCall::Put { value: self.value(object, "value")? }
            }
            (Vocabulary::Item, "delete") => CellCall::Delete,
            (Vocabulary::Item, "put_if") => CellCall::PutIf {
                condition: self.condition(object)?,
                value: self.value(object, "value")?,
                outcome: PutIfOutcome::Applied,
            },
            (Vocabulary::CasRegister, "cas") => self.cas(object)?,
            (vocabulary, _) => {
                let expected = vocabulary.expected();
                return Err(Problem::UnknownF { found: f.to_owned(), expected });
            }
        };
        Ok(CellAction { key, call })
    }

    /// The action of an ok line.
    fn returned(
        &mut self,
        object: &Line,
        asked: CellAction,
        asked_line: usize,
    ) -> Result<CellAction, Problem> {
        let failed = match object.0.get("failed") {
            None | Some(Json::Bool(false)) => false,
            Some(Json::Bool(true)) => true,
            Some(_) => return Err(object.wrong("failed", "true or false")),
        };
        let call = match asked.call {
            CellCall::Get { .. } => CellCall::Get { seen: self.optional_value(object, "value")? },
            CellCall::PutIf { condition, value, .. } if failed => {
                let old = match object.0.get("old") {
                    None => None,
                    Some(_) => Some(self.optional_value(object, "old")?),
                };
                CellCall::PutIf { condition, value, outcome: PutIfOutcome::Refused { old } }
            }
            CellCall::Put { value } => {
                if let Some(again) = object.0.get("value").filter(|again| !again.is_null())
                    && self.token(again) != Some(value)
                {
                    return Err(Problem::Mismatch {
                        field: "value",
                        found: again.to_string(),
                        line: asked_line,
                        invoked: self.names.show(value).to_string(),
                    });
                }
                asked.call
            }
            CellCall::Delete | CellCall::PutIf { .. } => asked.call,
        };
        if failed && !matches!(call, CellCall::PutIf { .. }) {
            return Err(object.wrong("failed", "it only on conditional writes"));
        }
        Ok(CellAction { key: asked.key, call })
    }

    /// A line that closes an operation may repeat its f and key, but not change them.
    fn same_f(
        &mut self,
        object: &Line,
        asked: CellAction,
        asked_line: usize,
    ) -> Result<(), Problem> {
        let expected = self.vocabulary.expected();
        if object.0.contains_key("f") {
            let f = object.text("f", expected)?;
            let invoked = self.vocabulary.name(asked.call);
            if f != invoked {
                return Err(Problem::Mismatch {
                    field: "f",
                    found: f.to_owned(),
                    line: asked_line,
                    invoked: invoked.to_owned(),
                });
            }
        }
        if object.0.contains_key("key") {
            let key = self.key(object)?;
            if key != asked.key {
                return Err(Problem::Mismatch {
                    field: "key",
                    found: self.names.show(key).to_string(),
                    line: asked_line,
                    invoked: self.names.show(asked.key).to_string(),
                });
            }
        }
        Ok(())
    }

    fn key(&mut self, object: &Line) -> Result<Token, Problem> {
        match (object.0.get("key"), self.vocabulary) {
            // A register may be the only one there is.
            (None, Vocabulary::Register | Vocabulary::CasRegister) => Ok(Token::from(0)),
            (key, _) => key
                .and_then(|key| self.token(key))
                .ok_or_else(|| object.wrong("key", "a text or a whole number")),
        }
    }

    fn value(&mut self, object: &Line, field: &'static str) -> Result<Token, Problem> {
        let value = object.0.get(field).and_then(|value| self.token(value));
        value.ok_or_else(|| object.wrong(field, "a whole number or a text"))
    }

    fn optional_value(&mut self, object: &Line, field: &'static str) -> Result<CellValue, Problem> {
        match object.0.get(field) {
            Some(Json::Null) => Ok(None),
            value => value
                .and_then(|value| self.token(value))
                .map(Some)
                .ok_or_else(|| object.wrong(field, "a whole number, a text or null")),
        }
    }

    fn condition(&mut self, object: &Line) -> Result<Condition, Problem> {
        let expected = "{\"absent\":true}, {\"exists\":true} or {\"equals\":VALUE}";
        let wrong = || object.wrong("if", expected);
        let condition = object.0.get("if").and_then(Json::as_object).ok_or_else(wrong)?;
        let mut entries = condition.iter();
        let (Some((name, value)), None) = (entries.next(), entries.next()) else {
            return Err(wrong());
        };
        match (name.as_str(), value) {
            ("absent", Json::Bool(true)) => Ok(Condition::Absent),
            ("exists", Json::Bool(true)) => Ok(Condition::Exists),
            ("equals", value) => self.token(value).map(Condition::Equals).ok_or_else(wrong),
            _ => Err(wrong()),
        }
    }

    /// `"value":[from,to]`; null as `from` is the cell never written.
    fn cas(&mut self, object: &Line) -> Result<CellCall, Problem> {
        let wrong = || object.wrong("value", "[from, to]");
        let pair = object.0.get("value").and_then(Json::as_array).ok_or_else(wrong)?;
        let [from, to] = pair.as_slice() else { return Err(wrong()) };
        let condition = if from.is_null() {
            Condition::EqualsNil
        } else {
            Condition::Equals(self.token(from).ok_or_else(wrong)?)
        };
        let value = self.token(to).ok_or_else(wrong)?;
        Ok(CellCall::PutIf { condition, value, outcome: PutIfOutcome::Applied })
    }

    fn token(&mut self, value: &Json) -> Option<Token> {
        match value.as_str() {
            Some(text) => Some(self.names.token(text)),
            None => value.as_i64().map(Token::from),
        }
    }
}

impl Line {
    fn text(&self, field: &'static str, expected: &'static str) -> Result<&str, Problem> {
        let text = self.0.get(field).and_then(Json::as_str);
        text.ok_or_else(|| self.wrong(field, expected))
    }

    fn whole(&self, field: &'static str) -> Result<u64, Problem> {
        let number = self.0.get(field).and_then(Json::as_u64);
        number.ok_or_else(|| self.wrong(field, "a whole number from 0"))
    }

    fn fault(&self, time: u64) -> Result<Fault, Problem> {
        let kind = self.text("kind", "the name of the fault")?.to_owned();
        let node = match self.0.get("node") {
            None | Some(Json::Null) => None,
            Some(_) => Some(self.whole("node")?),
        };
        let ended = match self.text("phase", "start or end")? {
            "start" => false,
            "end" => true,
            _ => return Err(self.wrong("phase", "start or end")),
        };
        Ok(Fault { kind, node, ended, time })
    }

    fn wrong(&self, field: &'static str, expected: &'static str) -> Problem {
        let found = self.0.get(field).map_or("missing".to_owned(), Json::to_string);
        Problem::Field { field, found, expected }
    }
}
