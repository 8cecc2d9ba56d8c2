//! Hands a recorded history to the checker: is it what the workload promises?
//!
//! The checker reads the file and not our memory of the run: what is judged is what is kept, and
//! `lincheck check` with the arguments of [`Question::arguments`] must come to the same verdict.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use lincheck::explain::{CellSpeech, ObjectSpeech};
use lincheck::format::{
    Dialect, Document, FormatError, Problem, Vocabulary, json_lines, objects, read_with,
    transactions,
};
use lincheck::judge::Finding;
use lincheck::levels::session::{self, Guarantee};
use lincheck::levels::transactions::{RealTime, VersionedOperation, judgement};
use lincheck::models::counter::Counter;
use lincheck::models::set::Set;
use lincheck::{Budget, Cell, Patience};

use crate::workload::Question;

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
        /// What is impossible, in one sentence.
        summary: String,
        /// The illegal part of the history, in words and drawn.
        explanation: String,
    },
    /// The search gave up.
    Undecided {
        /// Why.
        reason: String,
    },
}

/// Judges the history in a file.
///
/// # Errors
///
/// If the file cannot be read or is not a history at all.
pub fn judge(history: &Path, question: Question) -> Result<Judgement> {
    let name = || format!("history {}", history.display());
    let text = fs::read_to_string(history).with_context(name)?;
    match judged(&text, question) {
        // Nobody got as far as asking anything: nothing to judge, and no broken file.
        Err(error) if error.problem == Problem::Empty => {
            Ok(Judgement::Undecided { reason: error.problem.to_string() })
        }
        judged => judged.with_context(name),
    }
}

fn judged(text: &str, question: Question) -> Result<Judgement, FormatError> {
    let budget = Budget::time(SEARCH_MAX);
    let patience = Patience::new(Some(SEARCH_MAX), None);
    Ok(match question {
        Question::Items => cells(text, Vocabulary::Item, &budget)?,
        Question::Registers => cells(text, Vocabulary::CasRegister, &budget)?,
        Question::Counters => {
            let document = read(&objects::Counters, text)?;
            let speech = ObjectSpeech { names: &document.names };
            told(lincheck::judge::judge(&document, &Counter, &speech, &budget))
        }
        Question::Sets => {
            let document = read(&objects::Sets, text)?;
            let speech = ObjectSpeech { names: &document.names };
            told(lincheck::judge::judge(&document, &Set, &speech, &budget))
        }
        Question::Transactions => {
            let document =
                transactions::read_with::<VersionedOperation>(|each| json_lines::read(text, each))?;
            match judgement::judge(&document, RealTime::Respected, &patience) {
                Ok(judgement) => told(judgement),
                Err(ambiguous) => Judgement::Undecided { reason: ambiguous.to_string() },
            }
        }
        Question::Sessions => {
            let vocabulary = Vocabulary::Item;
            let document = read(&vocabulary, text)?;
            let speech = CellSpeech { vocabulary, names: &document.names };
            let reads = [Guarantee::MonotonicReads];
            told(session::judge(&document, &reads, &speech, &patience))
        }
    })
}

fn cells(text: &str, vocabulary: Vocabulary, budget: &Budget) -> Result<Judgement, FormatError> {
    let document = read(&vocabulary, text)?;
    let speech = CellSpeech { vocabulary, names: &document.names };
    Ok(told(lincheck::judge::judge(&document, &Cell, &speech, budget)))
}

fn read<D: Dialect>(dialect: &D, text: &str) -> Result<Document<D::Action>, FormatError> {
    read_with(dialect, |each| json_lines::read(text, each))
}

fn told(judged: lincheck::judge::Judgement) -> Judgement {
    match judged.finding {
        Finding::Legal(_) => {
            Judgement::Legal { operations: judged.operations, took: judged.elapsed }
        }
        Finding::Illegal { explanation, .. } => Judgement::Illegal {
            explanation: format!("{}\n{}", explanation.picture, explanation.prose),
            summary: explanation.summary,
        },
        Finding::Undecided { reason } => Judgement::Undecided { reason },
    }
}
