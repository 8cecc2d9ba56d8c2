//! What a run leaves behind: operations as they were invoked and returned, and faults.
//!
//! One line of JSON per event, the format `lincheck check` reads. Times are nanoseconds on one
//! monotonic clock since the start of the run.

use std::fmt;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// Names one logical process of the history. A process has at most one operation open; a process
/// whose operation is unknown never speaks again.
pub type Process = u64;

/// One line of a history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Line {
    /// An operation is invoked or returns.
    Operation(OperationLine),
    /// A fault begins or ends; ignored for the verdict, drawn in the report.
    Fault(FaultLine),
}

/// An operation is invoked or returns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OperationLine {
    /// Who asks.
    pub process: Process,
    /// Invoked, or how it ended.
    #[serde(rename = "type")]
    pub stage: Stage,
    /// What was asked.
    pub f: Function,
    /// The item it is about.
    pub key: String,
    /// The value written, or read (`None`: no item).
    pub value: Option<i64>,
    /// The condition of a `put_if`.
    #[serde(rename = "if", skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
    /// Whether the condition did not hold.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
    /// What a failed condition found: `Some(None)` is "no item", `None` is "not reported".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Option<i64>>,
    /// Nanoseconds since the start of the run.
    pub time: u64,
    /// The node that was asked.
    pub node: usize,
    /// Why the operation failed or is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

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

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Function {
    /// Reads the item.
    Get,
    /// Writes the item.
    Put,
    /// Writes the item if a condition holds.
    PutIf,
    /// Deletes the item.
    Delete,
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Get => "get",
            Self::Put => "put",
            Self::PutIf => "put_if",
            Self::Delete => "delete",
        })
    }
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

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::Absent => map.serialize_entry("absent", &true)?,
            Self::Exists => map.serialize_entry("exists", &true)?,
            Self::Equals(value) => map.serialize_entry("equals", value)?,
        }
        map.end()
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

    fn line(f: Function, stage: Stage) -> OperationLine {
        OperationLine {
            process: 3,
            stage,
            f,
            key: "k1".into(),
            value: None,
            condition: None,
            failed: false,
            old: None,
            time: 123,
            node: 0,
            error: None,
        }
    }

    #[test]
    fn lines_are_written_in_the_agreed_format() {
        let put = OperationLine { value: Some(17), ..line(Function::Put, Stage::Invoke) };
        assert_eq!(
            json(&Line::Operation(put)),
            r#"{"process":3,"type":"invoke","f":"put","key":"k1","value":17,"time":123,"node":0}"#
        );
        let failed = OperationLine {
            value: Some(18),
            condition: Some(Condition::Equals(7)),
            failed: true,
            old: Some(None),
            ..line(Function::PutIf, Stage::Ok)
        };
        assert_eq!(
            json(&Line::Operation(failed)),
            r#"{"process":3,"type":"ok","f":"put_if","key":"k1","value":18,"if":{"equals":7},"failed":true,"old":null,"time":123,"node":0}"#
        );
        let get = OperationLine { error: Some("e".into()), ..line(Function::Get, Stage::Fail) };
        assert_eq!(
            json(&Line::Operation(get)),
            r#"{"process":3,"type":"fail","f":"get","key":"k1","value":null,"time":123,"node":0,"error":"e"}"#
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
