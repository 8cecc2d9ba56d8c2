//! What a run leaves behind: operations as they were invoked and returned, and faults.
//!
//! One line of JSON per event, the format `lincheck check` reads. Times are nanoseconds on one
//! monotonic clock since the start of the run.

use serde::Serialize;
use serde_json::{Map, Value, json};

/// Names one logical process of the history. A process has at most one operation open; a process
/// whose operation is unknown never speaks again.
pub type Process = u64;

/// One line of a history.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Line {
    /// An operation is invoked or returns.
    Operation(OperationLine),
    /// A fault begins or ends; ignored for the verdict, drawn in the report.
    Fault(FaultLine),
}

impl Line {
    /// Nanoseconds since the start of the run.
    #[must_use]
    pub fn time(&self) -> u64 {
        match self {
            Self::Operation(line) => line.time,
            Self::Fault(line) => line.time,
        }
    }
}

/// An operation is invoked or returns.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OperationLine {
    /// Who asks.
    pub process: Process,
    /// Invoked, or how it ended.
    #[serde(rename = "type")]
    pub stage: Stage,
    /// What was asked.
    pub f: Function,
    /// The object it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What belongs to it: the value, the condition, what was found; as the checker names them.
    #[serde(flatten)]
    pub fields: Fields,
    /// Nanoseconds since the start of the run.
    pub time: u64,
    /// The node that was asked.
    pub node: usize,
    /// Why the operation failed or is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What belongs to an operation or to its answer, by name.
pub type Fields = Map<String, Value>;

/// Where an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// About to be sent.
    Invoke,
    /// Answered.
    Ok,
    /// Certainly without effect.
    Fail,
    /// Unknown: perhaps done, perhaps not, perhaps later.
    Info,
}

/// What an operation does, as the checker names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Function {
    /// Reads an item.
    Get,
    /// Writes an item.
    Put,
    /// Writes an item if a condition holds.
    PutIf,
    /// Deletes an item.
    Delete,
    /// Reads a register, a counter or a set.
    Read,
    /// Writes a register.
    Write,
    /// Writes a register if it has a value.
    Cas,
    /// Adds to a counter or to a set.
    Add,
    /// Takes out of a set.
    Remove,
    /// Several reads and writes at once.
    Txn,
}

/// The condition of a `put_if`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// There is no item.
    Absent,
    /// There is an item.
    Exists,
    /// There is an item with this value.
    Equals(i64),
}

impl From<Condition> for Value {
    fn from(condition: Condition) -> Self {
        match condition {
            Condition::Absent => json!({"absent": true}),
            Condition::Exists => json!({"exists": true}),
            Condition::Equals(value) => json!({"equals": value}),
        }
    }
}

/// A fault begins or ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FaultLine {
    /// Always `fault`; tells these lines from operations.
    #[serde(rename = "type")]
    pub tag: FaultTag,
    /// The kind of fault, as on the command line.
    pub kind: String,
    /// The node it hits; `None` if it hits all.
    pub node: Option<usize>,
    /// Whether it begins or ends.
    pub phase: Phase,
    /// Nanoseconds since the start of the run.
    pub time: u64,
}

/// The constant `fault`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FaultTag {
    /// The only value.
    Fault,
}

/// Whether a fault begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It takes effect.
    Start,
    /// It is healed.
    End,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(line: &Line) -> String {
        serde_json::to_string(line).unwrap()
    }

    fn line(f: Function, stage: Stage, fields: &Value) -> Line {
        Line::Operation(OperationLine {
            process: 3,
            stage,
            f,
            key: Some("k1".into()),
            fields: fields.as_object().cloned().unwrap_or_default(),
            time: 123,
            node: 0,
            error: None,
        })
    }

    #[test]
    fn lines_are_written_in_the_agreed_format() {
        assert_eq!(
            json(&line(Function::Put, Stage::Invoke, &json!({"value": 17}))),
            r#"{"process":3,"type":"invoke","f":"put","key":"k1","value":17,"time":123,"node":0}"#
        );
        let failed = json!({
            "value": 18, "if": Value::from(Condition::Equals(7)), "failed": true, "old": null,
        });
        assert_eq!(
            json(&line(Function::PutIf, Stage::Ok, &failed)),
            r#"{"process":3,"type":"ok","f":"put_if","key":"k1","failed":true,"if":{"equals":7},"old":null,"value":18,"time":123,"node":0}"#
        );
        let fault = FaultLine {
            tag: FaultTag::Fault,
            kind: "kill".into(),
            node: Some(1),
            phase: Phase::Start,
            time: 9,
        };
        assert_eq!(
            json(&Line::Fault(fault)),
            r#"{"type":"fault","kind":"kill","node":1,"phase":"start","time":9}"#
        );
    }
}
