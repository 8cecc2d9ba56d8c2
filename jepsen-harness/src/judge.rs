//! Hands a recorded history to the checker: is it linearizable, key by key?
//!
//! The checker reads the file and not our memory of the run: what is judged is what is kept, and
//! `lincheck check --model item history.jsonl` must come to the same verdict.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use lincheck::explain::CellSpeech;
use lincheck::format::json_lines::read_cells;
use lincheck::format::{Problem, Vocabulary};
use lincheck::judge::Finding;
use lincheck::{Budget, Cell};

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
pub fn judge(history: &Path) -> Result<Judgement> {
    let name = || format!("history {}", history.display());
    let text = fs::read_to_string(history).with_context(name)?;
    let document = match read_cells(&text, Vocabulary::Item) {
        // Nobody got as far as asking anything: nothing to judge, and no broken file.
        Err(error) if error.problem == Problem::Empty => {
            return Ok(Judgement::Undecided { reason: error.problem.to_string() });
        }
        read => read.with_context(name)?,
    };
    let speech = CellSpeech { vocabulary: Vocabulary::Item, names: &document.names };
    let judged = lincheck::judge::judge(&document, &Cell, &speech, &Budget::time(SEARCH_MAX));
    Ok(match judged.finding {
        Finding::Legal(_) => {
            Judgement::Legal { operations: judged.operations, took: judged.elapsed }
        }
        Finding::Illegal { explanation, .. } => Judgement::Illegal {
            explanation: format!("{}\n{}", explanation.picture, explanation.prose),
            summary: explanation.summary,
        },
        Finding::Undecided { reason } => Judgement::Undecided { reason },
    })
}
