//! Tells a person why a history is illegal: the few operations that show it, in words and as a
//! picture with a lane for each process.

use std::fmt::Write as _;

use crate::checker::states_before_failure;
use crate::format::{Fault, Vocabulary};
use crate::history::Operation;
use crate::model::{Model, Nature};
use crate::models::cell::{Cell, CellAction, CellCall, CellValue, Condition, PutIfOutcome};
use crate::models::key_value::{KeyValue, KeyValueAction, KeyValueCall};
use crate::token::Names;
use crate::{Budget, Verdict, check};

mod because;
mod lanes;
mod objects;

pub(crate) use lanes::draw;
pub use objects::ObjectSpeech;

/// Puts a model's things into words.
pub trait Speech<M: Model> {
    /// `put 7`, `get -> 7`.
    fn action(&self, operation: &Operation<M::Action>) -> String;
    /// `7`, `absent`.
    fn state(&self, state: &M::State) -> String;
    /// `k1`.
    fn key(&self, key: &M::Key) -> String;
    /// Whether what `reader` saw is what `writer` wrote. For models where what is seen has many
    /// writers nothing is.
    fn is_source(&self, _reader: &M::Action, _writer: &M::Action) -> bool {
        false
    }
}

/// Words for cells.
#[derive(Clone, Copy, Debug)]
pub struct CellSpeech<'a> {
    /// What operations are called.
    pub vocabulary: Vocabulary,
    /// What tokens are called.
    pub names: &'a Names,
}

impl CellSpeech<'_> {
    fn value(&self, value: CellValue) -> String {
        match (value, self.vocabulary) {
            (Some(token), _) => self.names.show(token).to_string(),
            (None, Vocabulary::Item) => "absent".to_owned(),
            (None, Vocabulary::Register | Vocabulary::CasRegister) => "nil".to_owned(),
        }
    }
}

impl Speech<Cell> for CellSpeech<'_> {
    fn action(&self, operation: &Operation<CellAction>) -> String {
        let name = self.vocabulary.name(operation.action.call);
        let show = |token| self.names.show(token);
        match operation.action.call {
            CellCall::Get { .. } if !operation.is_known() => format!("{name} -> ?"),
            CellCall::Get { seen } => format!("{name} -> {}", self.value(seen)),
            CellCall::Put { value } => format!("{name} {}", show(value)),
            CellCall::Delete => name.to_owned(),
            CellCall::PutIf { condition, value, outcome } => {
                let value = show(value);
                let asked = match (condition, self.vocabulary) {
                    (Condition::Equals(from), Vocabulary::Item) => {
                        format!("{name} {} then {value}", show(from))
                    }
                    (Condition::Equals(from), _) => format!("{name} {} to {value}", show(from)),
                    (Condition::EqualsNil, _) => format!("{name} nil to {value}"),
                    (Condition::Absent, _) => format!("{name} absent then {value}"),
                    (Condition::Exists, _) => format!("{name} exists then {value}"),
                };
                match outcome {
                    PutIfOutcome::Applied => asked,
                    PutIfOutcome::Refused { old: None } => format!("{asked} -> refused"),
                    PutIfOutcome::Refused { old: Some(old) } => {
                        format!("{asked} -> refused, was {}", self.value(old))
                    }
                }
            }
        }
    }

    fn state(&self, state: &CellValue) -> String {
        self.value(*state)
    }

    fn key(&self, key: &crate::Token) -> String {
        self.names.show(*key).to_string()
    }

    fn is_source(&self, reader: &CellAction, writer: &CellAction) -> bool {
        reader.saw().is_some() && reader.saw() == writer.wrote()
    }
}

/// Words for key-value pairs.
#[derive(Clone, Copy, Debug)]
pub struct KeyValueSpeech<'a> {
    /// What keys are called.
    pub names: &'a Names,
}

impl Speech<KeyValue> for KeyValueSpeech<'_> {
    fn action(&self, operation: &Operation<KeyValueAction>) -> String {
        match &operation.action.call {
            KeyValueCall::Get { .. } if !operation.is_known() => "get -> ?".to_owned(),
            KeyValueCall::Get { seen } => format!("get -> {seen:?}"),
            KeyValueCall::Put { value } => format!("put {value:?}"),
            KeyValueCall::Append { value } => format!("append {value:?}"),
            KeyValueCall::Delete => "delete".to_owned(),
            KeyValueCall::Cas { from, to, applied } => {
                let refused = if *applied { "" } else { " -> refused" };
                format!("cas {from:?} to {to:?}{refused}")
            }
        }
    }

    fn state(&self, state: &std::sync::Arc<str>) -> String {
        format!("{state:?}")
    }

    fn key(&self, key: &crate::Token) -> String {
        self.names.show(*key).to_string()
    }
}

/// A counterexample for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// One sentence: what is impossible.
    pub summary: String,
    /// The whole story, several lines.
    pub prose: String,
    /// Lanes per process, several lines.
    pub picture: String,
}

/// How many states a sentence lists.
const STATES_LISTED_MAX: usize = 6;

/// Enough for any part that a person would read.
const STEPS_FOR_STATES: u64 = 1 << 18;

/// Explains why `part`, all of one key, is illegal; nothing if it is not.
#[must_use]
pub fn explain<M: Model>(
    part: &[Operation<M::Action>],
    faults: &[Fault],
    model: &M,
    speech: &impl Speech<M>,
) -> Option<Explanation> {
    let Verdict::Illegal(illegal) = check(part, model, &Budget::unlimited()) else { return None };
    // Searched once more as it is, without the model's narrowing, for states that mean something.
    let (position, states) = states_before_failure(part, model, STEPS_FOR_STATES)
        .unwrap_or((illegal.position, illegal.states));
    let failing = &part[position];
    let key = speech.key(&illegal.key);
    let name = |operation: &Operation<M::Action>| {
        let action = speech.action(operation);
        format!("{action} by process {} (line {})", operation.process, operation.index)
    };
    let failing_name = name(failing);
    let summary = format!("key {key}: no order of {} operations allows {failing_name}", part.len());

    let mut values: Vec<String> =
        states.iter().take(STATES_LISTED_MAX).map(|state| speech.state(state)).collect();
    if states.len() > STATES_LISTED_MAX {
        values.push("..".to_owned());
    }
    let mut prose = format!(
        "{failing_name}, which returned at {}.\nWhatever order the operations before took effect \
         in, key {key} could just before that only hold {}.\n",
        failing.returned.unwrap_or(failing.invoked),
        values.join(" or ")
    );
    let mut sources = String::new();
    let told = source_sentences(part, failing, model, speech, &name, &mut sources);
    order_sentences(part, failing, &told, &name, &mut prose);
    prose.push_str(&sources);
    let labels: Vec<String> = part.iter().map(|operation| speech.action(operation)).collect();
    let picture = draw(part, &labels, position, faults);
    Some(Explanation { summary, prose, picture })
}

/// What must come before the failing operation, except for what is told already, and what need
/// not.
fn order_sentences<A>(
    part: &[Operation<A>],
    failing: &Operation<A>,
    told: &[&Operation<A>],
    name: &impl Fn(&Operation<A>) -> String,
    prose: &mut String,
) {
    for other in part.iter().filter(|other| other.precedes(failing)) {
        // The last ones say it for those that had to come before them.
        let is_told = told.iter().any(|it| std::ptr::eq(*it, other));
        if is_told
            || part.iter().any(|between| other.precedes(between) && between.precedes(failing))
        {
            continue;
        }
        let _ = writeln!(
            prose,
            "It must come after {}, which returned at {}, before it was invoked at {}.",
            name(other),
            other.returned.unwrap_or(other.invoked),
            failing.invoked
        );
    }
    for other in part {
        if !other.precedes(failing) && !std::ptr::eq(other, failing) {
            let when = match other.returned {
                Some(_) => "was running at the same time",
                None => "had no known outcome by then",
            };
            let _ = writeln!(prose, "{} {when}.", name(other));
        }
    }
}

/// Where what the failing operation saw can come from, and why it is too late for that: because of
/// the operations that are returned.
fn source_sentences<'a, M: Model>(
    part: &'a [Operation<M::Action>],
    reader: &Operation<M::Action>,
    model: &M,
    speech: &impl Speech<M>,
    name: &impl Fn(&Operation<M::Action>) -> String,
    prose: &mut String,
) -> Vec<&'a Operation<M::Action>> {
    let mut told = Vec::new();
    let wrote_it = |other: &Operation<M::Action>| speech.is_source(&reader.action, &other.action);
    for source in part.iter().filter(|other| wrote_it(other)) {
        let overwriting = part.iter().filter(|other| {
            model.nature(&other.action) != Nature::Pure
                && !wrote_it(other)
                && other.precedes(reader)
        });
        let after_source =
            overwriting.map(|other| (other, source.precedes(other))).find(|(other, in_time)| {
                *in_time || because::always_before(part, source, other, reader, model)
            });
        let Some((other, in_time)) = after_source else {
            let _ = writeln!(prose, "What it saw can come from {}.", name(source));
            continue;
        };
        let [source_name, other_name] = [source, other].map(name);
        let why = match source.returned {
            Some(returned) if in_time => {
                format!(
                    "that returned at {returned}, before the other was invoked at {}",
                    other.invoked
                )
            }
            Some(_) | None => "that comes first in every order that explains the others".to_owned(),
        };
        let _ = writeln!(
            prose,
            "It must come after {other_name}, because that returned at {}, before it was invoked \
             at {}; but before {other_name}, because it saw what {source_name} wrote, and {why}.",
            other.returned.unwrap_or(other.invoked),
            reader.invoked
        );
        told.push(other);
    }
    told
}

/// Lists the operations of a counterexample, one per line.
#[must_use]
pub fn list<M: Model>(part: &[Operation<M::Action>], speech: &impl Speech<M>) -> String {
    let mut text = String::new();
    for operation in part {
        let returned = operation.returned.map_or("?".to_owned(), |returned| returned.to_string());
        let _ = writeln!(
            text,
            "line {:<6} process {:<4} {} .. {returned}  {}",
            operation.index,
            operation.process,
            operation.invoked,
            speech.action(operation)
        );
    }
    text
}

/// Whether a fault touched the time from `start` to `end`.
fn overlaps(fault_start: u64, fault_end: u64, start: u64, end: u64) -> bool {
    fault_start <= end && fault_end >= start
}

/// A fault from its start to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Band {
    pub(crate) label: String,
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// Pairs the starts and ends of faults; what never ended lasts.
pub(crate) fn bands(faults: &[Fault]) -> Vec<Band> {
    let mut bands: Vec<Band> = Vec::new();
    for fault in faults {
        let node = fault.node.map_or(String::new(), |node| format!(" node {node}"));
        let label = format!("{}{node}", fault.kind);
        let open = bands.iter_mut().rev().find(|band| band.label == label && band.end == u64::MAX);
        match open {
            Some(band) if fault.ended => band.end = fault.time,
            _ if fault.ended => bands.push(Band { label, start: 0, end: fault.time }),
            _ => bands.push(Band { label, start: fault.time, end: u64::MAX }),
        }
    }
    bands
}
