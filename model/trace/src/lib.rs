//! Traces: what happened to a few nodes, step by step, in words that both a person and a program
//! can read back.
//!
//! A trace is a JSON document. A checker writes one when it finds a counterexample; replaying it
//! means looking up, at each step, the action with that name among those that are possible.
//! [`diagram`] draws it as a sequence diagram in text, [`html`] as a page.
#![forbid(unsafe_code)]

pub mod diagram;
pub mod html;

use serde::{Deserialize, Serialize};

/// The version of the format that this crate writes. Later versions only add fields.
pub const VERSION: u32 = 1;

/// Most steps that a trace may have: far more than any shortest counterexample, and a bound on what
/// a corrupt file can make us allocate.
pub const STEPS_MAX: usize = 100_000;

/// A recorded run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The version of the format.
    pub version: u32,
    /// The model that made it.
    pub model: String,
    /// How many nodes it has.
    pub nodes: u8,
    /// The property that the last state violates, or shows.
    pub property: String,
    /// What happened, in order.
    pub steps: Vec<Step>,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The node to which it happened.
    pub node: u8,
    /// The node whose message arrived, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u8>,
    /// What happened. Among the possible actions this names exactly one.
    pub what: String,
    /// What followed at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Why a text is not a trace.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// Not the JSON document of a trace.
    #[error("not a trace: {0}")]
    Format(serde_json::Error),
    /// Written by a later version.
    #[error("trace version {found}, this program reads up to {VERSION}")]
    Version {
        /// The version in the document.
        found: u32,
    },
    /// Too long to be one of ours.
    #[error("trace of {found} steps, at most {STEPS_MAX} are read")]
    TooLong {
        /// How many steps the document has.
        found: usize,
    },
    /// A step names a node that the trace does not have.
    #[error("step {step}: node {node} of {nodes}")]
    NoSuchNode {
        /// Counted from 1.
        step: usize,
        /// The node it names.
        node: u8,
        /// How many there are.
        nodes: u8,
    },
}

impl Trace {
    /// Reads a trace.
    ///
    /// # Errors
    ///
    /// When the text is not a trace of a known version, is too long, or names a node that it does
    /// not have.
    pub fn from_json(text: &str) -> Result<Self, TraceError> {
        let trace: Self = serde_json::from_str(text).map_err(TraceError::Format)?;
        if trace.version != VERSION {
            return Err(TraceError::Version { found: trace.version });
        }
        if trace.steps.len() > STEPS_MAX {
            return Err(TraceError::TooLong { found: trace.steps.len() });
        }
        let nodes = trace.nodes;
        for (number, step) in trace.steps.iter().enumerate() {
            let named = [Some(step.node), step.from];
            if let Some(node) = named.into_iter().flatten().find(|&node| node >= nodes) {
                return Err(TraceError::NoSuchNode { step: number + 1, node, nodes });
            }
        }
        Ok(trace)
    }

    /// Writes it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let text = serde_json::to_string_pretty(self);
        // A trace holds only text and numbers, which always have a JSON form.
        text.unwrap_or_default() + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace() -> Trace {
        let campaign =
            Step { node: 0, from: None, what: "campaigns".into(), notes: vec!["t1".into()] };
        let vote = Step { node: 1, from: Some(0), what: "RequestVote t1".into(), notes: vec![] };
        let steps = vec![campaign, vote];
        Trace { version: 1, model: "m".into(), nodes: 3, property: "P".into(), steps }
    }

    #[test]
    fn a_trace_survives_its_own_format() {
        assert_eq!(Trace::from_json(&trace().to_json()).unwrap(), trace());
    }

    #[test]
    fn what_is_not_a_trace_is_refused_with_a_reason() {
        let check = |text: &str, reason: &str| {
            let error = Trace::from_json(text).unwrap_err().to_string();
            assert!(error.starts_with(reason), "{error}");
        };
        check("", "not a trace: EOF");
        check("{\"version\":1}", "not a trace: missing field `model`");
        let json = trace().to_json();
        check(&json[..json.len() / 2], "not a trace");
        check(&json.replace("\"version\": 1", "\"version\": 9"), "trace version 9");
        check(&json.replace("\"node\": 1", "\"node\": 7"), "step 2: node 7 of 3");
    }
}
