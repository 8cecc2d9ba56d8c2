//! From a history that was read to a verdict with its evidence: check, then replay what is called
//! legal, or shrink and explain what is called illegal.

use std::time::{Duration, Instant};

use crate::checker::{Budget, Cost, Verdict, check_and_count};
use crate::explain::{Explanation, Speech, explain, list};
use crate::format::Document;
use crate::history::Operation;
use crate::model::Model;
use crate::replay::{Perform, replay};
use crate::search::Shortage;
use crate::shrink::{Counterexample, shrink};

/// Looking for a smaller counterexample is worth this much.
const SHRINK_TIME: Duration = Duration::from_secs(5);

/// A verdict, and what supports it.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// Legal, illegal or undecided.
    pub finding: Finding,
    /// How many operations there are.
    pub operations: usize,
    /// How many of them have an unknown outcome.
    pub unknown: usize,
    /// Time for the verdict, without the shrinking of a counterexample.
    pub elapsed: Duration,
    /// What the verdict cost.
    pub cost: Cost,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Positions of the operations in an order that explains all answers; it has been replayed.
    Legal(Vec<usize>),
    /// A counterexample.
    Illegal {
        /// The key.
        key: String,
        /// The line of the first operation whose return nothing survives, in the whole history.
        first_line: usize,
        /// Few operations that are illegal by themselves.
        counterexample: Counterexample,
        /// The same, one per line.
        listing: String,
        /// Why they are.
        explanation: Explanation,
    },
    /// The budget ran out.
    Undecided {
        /// Where, and what ran out.
        reason: String,
    },
}

impl Finding {
    /// `legal`, `illegal` or `undecided`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Legal(_) => "legal",
            Self::Illegal { .. } => "illegal",
            Self::Undecided { .. } => "undecided",
        }
    }
}

impl Judgement {
    /// Undecided after that time, since something ran out.
    #[must_use]
    pub fn given_up<A>(history: &[Operation<A>], elapsed: Duration, shortage: Shortage) -> Self {
        let unknown = history.iter().filter(|operation| !operation.is_known()).count();
        let finding = Finding::Undecided { reason: format!("{shortage} ran out") };
        Self { finding, operations: history.len(), unknown, elapsed, cost: Cost::default() }
    }
}

/// Decides a history and collects the evidence.
///
/// # Panics
/// When the evidence does not hold: the linearization does not replay, or the counterexample is
/// legal. That is a bug of this crate, never of the history.
#[must_use]
pub fn judge<M: Model>(
    document: &Document<M::Action>,
    model: &M,
    speech: &impl Speech<M>,
    budget: &Budget,
) -> Judgement
where
    M::Action: Perform,
{
    let history = &document.operations;
    let start = Instant::now();
    let (verdict, cost) = check_and_count(history, model, budget);
    let elapsed = start.elapsed();
    let line = |position: usize| history[position].index;
    let finding = match verdict {
        Verdict::Legal(legal) => {
            let replayed = replay(history, &legal.order);
            assert!(replayed.is_ok(), "the linearization does not replay: {replayed:?}");
            Finding::Legal(legal.order)
        }
        Verdict::Illegal(illegal) => {
            let left = budget.time.map(|time| time.saturating_sub(start.elapsed()));
            let time = left.map_or(SHRINK_TIME, |left| left.min(SHRINK_TIME));
            let counterexample = shrink(history, &illegal.partition, model, time);
            let part = counterexample.operations(history);
            let explanation = explain(&part, &document.faults, model, speech)
                .expect("shrinking keeps the history illegal");
            let listing = list(&part, speech);
            Finding::Illegal {
                key: speech.key(&illegal.key),
                first_line: line(illegal.position),
                counterexample,
                listing,
                explanation,
            }
        }
        Verdict::Undecided(undecided) => Finding::Undecided {
            reason: format!(
                "{} ran out at the return of line {} (key {})",
                undecided.reason,
                line(undecided.position),
                speech.key(&undecided.key)
            ),
        },
    };
    let unknown = history.iter().filter(|operation| !operation.is_known()).count();
    Judgement { finding, operations: history.len(), unknown, elapsed, cost }
}
