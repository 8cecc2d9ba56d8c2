//! Hands a recorded history to the checker: is it linearizable, key by key?

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use lincheck::history::{Builder, Event};
use lincheck::{Budget, Cell, CellAction, PutIfOutcome, Token, check};

use crate::history::{Condition, Function, Line, OperationLine, Stage};

/// How long the search may take. Histories of unique values take milliseconds; this is for those
/// that a broken cluster tangled.
const SEARCH_MAX: Duration = Duration::from_mins(1);

/// What the checker found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// There is an order that explains everything.
    Legal {
        /// Operations that were not certainly without effect.
        operations: usize,
        /// How long the search took.
        took: Duration,
    },
    /// There is none.
    Illegal {
        /// The item that shows it.
        key: String,
        /// The illegal part of the history, for people.
        explanation: String,
    },
    /// The search gave up.
    Undecided {
        /// Why.
        reason: String,
    },
}

/// Judges the lines of a run.
///
/// # Errors
///
/// If the lines are not a history at all: that is a bug of the recorder.
pub fn judge(lines: &[Line]) -> Result<Judgement> {
    let mut builder = Builder::default();
    for (position, line) in lines.iter().enumerate() {
        let Line::Operation(line) = line else { continue };
        let event = event(line).with_context(|| format!("line {}", position + 1))?;
        builder
            .event(line.process, line.time, position, event)
            .with_context(|| format!("line {}", position + 1))?;
    }
    let operations = builder.finish();
    let started = Instant::now();
    Ok(match check(&operations, &Cell, &Budget::time(SEARCH_MAX)) {
        lincheck::Verdict::Legal(_) => {
            Judgement::Legal { operations: operations.len(), took: started.elapsed() }
        }
        lincheck::Verdict::Illegal(illegal) => {
            let Some(Line::Operation(last)) = lines.get(operations[illegal.position].index) else {
                bail!("the checker blames line {}, which is no operation", illegal.position);
            };
            Judgement::Illegal { key: last.key.clone(), explanation: format!("{last:?}") }
        }
        lincheck::Verdict::Undecided(undecided) => {
            Judgement::Undecided { reason: undecided.reason.to_owned() }
        }
    })
}

/// Keys are `k1`, `k2`, ..: their numbers name them.
fn key(name: &str) -> Result<Token> {
    let number = name.strip_prefix('k').and_then(|digits| digits.parse::<i64>().ok());
    Ok(Token::from(number.with_context(|| format!("{name:?} is not a key of the load"))?))
}

fn event(line: &OperationLine) -> Result<Event<CellAction>> {
    match line.stage {
        Stage::Fail => return Ok(Event::Fail),
        Stage::Info => return Ok(Event::Unknown),
        Stage::Invoke | Stage::Ok => {}
    }
    let key = key(&line.key)?;
    let value = line.value.map(Token::from);
    let action = match line.f {
        Function::Get => CellAction::get(key, value),
        Function::Delete => CellAction::delete(key),
        Function::Put => CellAction::put(key, value.context("a put without a value")?),
        Function::PutIf => {
            let condition = match line.condition.context("a put_if without a condition")? {
                Condition::Absent => lincheck::Condition::Absent,
                Condition::Exists => lincheck::Condition::Exists,
                Condition::Equals(value) => lincheck::Condition::Equals(Token::from(value)),
            };
            let outcome = if line.failed {
                PutIfOutcome::Refused { old: line.old.map(|old| old.map(Token::from)) }
            } else {
                PutIfOutcome::Applied
            };
            let value = value.context("a put_if without a value")?;
            CellAction::put_if(key, condition, value, outcome)
        }
    };
    Ok(if line.stage == Stage::Ok { Event::Return(action) } else { Event::Invoke(action) })
}
