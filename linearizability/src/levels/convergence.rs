//! What holds of an eventually consistent store once all is quiet.
//!
//! Source: Terry et al., "Managing update conflicts in Bayou" (1995), section 4 (eventual
//! consistency), and Shapiro, Preguica, Baquero, Zawirski, "Conflict-free replicated data types"
//! (2011), definition 2.2; the accounting of siblings is that of `DeCandia` et al., "Dynamo" (2007),
//! section 4.4.
//!
//! The *final read* of a process is its last read of a key, if that was invoked after every
//! acknowledged write of the key had returned. For each key:
//!
//! 1. *agreement*: all final reads saw the same values;
//! 2. *nothing invented*: whatever any read saw, somebody had begun to write before it returned;
//! 3. *nothing lost*: a value that was acknowledged is there at the end, or something that may have
//!    happened may have replaced it;
//! 4. *nothing risen*: a value that is there at the end was not replaced for certain: *siblings
//!    accounted for*.
//!
//! A write to a cell replaces whatever it does not precede in real time. A put with siblings
//! replaces the values that its context names, and so does the removal from a set.
//!
//! # Limits
//! A key that was written and has no final read is undecided: nobody looked after the last write.
//! A final read that came too early for the store to be quiet looks like disagreement: let the
//! workload wait before it reads.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Instant;

use crate::checker::Cost;
use crate::explain::{Explanation, draw};
use crate::format::Document;
use crate::history::Operation;
use crate::judge::{Finding, Judgement};
use crate::models::cell::{CellAction, CellCall};
use crate::models::set::{SetAction, SetCall};
use crate::patience::Patience;
use crate::search::Shortage;
use crate::shrink::Counterexample;
use crate::token::{Names, Token};

/// What a write replaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replaces {
    /// All values written before it.
    Everything,
    /// These values.
    These(Vec<Token>),
}

/// What an operation means to convergence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Wrote a value, or none, in the place of others.
    Write {
        /// The value.
        value: Option<Token>,
        /// The others.
        replaces: Replaces,
    },
    /// Saw all values there were.
    Read(BTreeSet<Token>),
    /// Neither.
    Nothing,
}

/// An action of an object that converges.
pub trait Converge {
    /// The key.
    fn key(&self) -> Token;
    /// What it did; `known` if its answer came.
    fn deed(&self, known: bool) -> Deed;
}

/// One operation on a value with siblings.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SiblingAction {
    /// The key.
    pub key: Token,
    /// What was asked, and seen.
    pub call: SiblingCall,
}

/// What was asked of a value with siblings, and what came back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SiblingCall {
    /// Read all siblings.
    Get {
        /// What was read. Means nothing if the outcome is unknown.
        seen: BTreeSet<Token>,
    },
    /// Add a sibling, in the place of those that the client had read.
    Put {
        /// The value.
        value: Token,
        /// What it replaces.
        context: BTreeSet<Token>,
    },
}

impl Converge for SiblingAction {
    fn key(&self) -> Token {
        self.key
    }

    fn deed(&self, known: bool) -> Deed {
        match &self.call {
            SiblingCall::Get { seen } if known => Deed::Read(seen.clone()),
            SiblingCall::Get { .. } => Deed::Nothing,
            SiblingCall::Put { value, context } => Deed::Write {
                value: Some(*value),
                replaces: Replaces::These(context.iter().copied().collect()),
            },
        }
    }
}

impl Converge for CellAction {
    fn key(&self) -> Token {
        self.key
    }

    fn deed(&self, known: bool) -> Deed {
        match (self.call, self.wrote()) {
            (CellCall::Get { seen }, _) if known => Deed::Read(seen.into_iter().collect()),
            (_, Some(value)) => Deed::Write { value, replaces: Replaces::Everything },
            _ => Deed::Nothing,
        }
    }
}

impl Converge for SetAction {
    fn key(&self) -> Token {
        self.key
    }

    fn deed(&self, known: bool) -> Deed {
        match &self.call {
            SetCall::Add { value } => {
                Deed::Write { value: Some(*value), replaces: Replaces::These(Vec::new()) }
            }
            SetCall::Remove { value } => {
                Deed::Write { value: None, replaces: Replaces::These(vec![*value]) }
            }
            SetCall::Read { seen } if known => Deed::Read(seen.clone()),
            SetCall::Read { .. } | SetCall::Contains { .. } => Deed::Nothing,
        }
    }
}

/// What is wrong at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Two final reads saw different values: their positions.
    Disagreement(usize, usize),
    /// A read saw a value that nobody had begun to write: its position, and the value.
    Invented(usize, Token),
    /// An acknowledged write is gone, and nothing can have replaced it: the positions of the write
    /// and of a final read.
    Lost(usize, usize),
    /// A value is there that was certainly replaced: the positions of its write, of what replaced
    /// it, and of a final read.
    Risen(usize, usize, usize),
}

/// What became known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All keys converged.
    Legal,
    /// One did not.
    Illegal(Violation),
    /// A key was written, by the operation at that position among others, and never read at the
    /// end.
    NoFinalRead(usize),
}

/// The operations of one key.
#[derive(Default)]
struct OneKey {
    /// Position, value, and what it replaces.
    writes: Vec<(usize, Option<Token>, Replaces)>,
    reads: Vec<(usize, BTreeSet<Token>)>,
}

/// Decides whether a history converged.
///
/// # Panics
/// Never: its patience is endless.
#[must_use]
pub fn check<A: Converge>(history: &[Operation<A>]) -> Verdict {
    check_within(history, &Patience::ENDLESS).expect("it had all the time")
}

/// Like [`check`], as long as there is patience.
///
/// # Errors
/// What ran out.
pub fn check_within<A: Converge>(
    history: &[Operation<A>],
    patience: &Patience,
) -> Result<Verdict, Shortage> {
    let mut keys: BTreeMap<Token, OneKey> = BTreeMap::new();
    for (at, operation) in history.iter().enumerate() {
        patience.look_at(at)?;
        let key = keys.entry(operation.action.key()).or_default();
        match operation.action.deed(operation.is_known()) {
            Deed::Write { value, replaces } => key.writes.push((at, value, replaces)),
            Deed::Read(seen) => key.reads.push((at, seen)),
            Deed::Nothing => {}
        }
    }
    let mut missing = None;
    for key in keys.values() {
        match key.check(history, patience)? {
            Verdict::Legal => {}
            Verdict::NoFinalRead(at) => missing = missing.or(Some(at)),
            illegal @ Verdict::Illegal(_) => return Ok(illegal),
        }
    }
    Ok(missing.map_or(Verdict::Legal, Verdict::NoFinalRead))
}

impl OneKey {
    fn check<A>(&self, history: &[Operation<A>], patience: &Patience) -> Result<Verdict, Shortage> {
        patience.look()?;
        let mut writers: BTreeMap<Token, Vec<usize>> = BTreeMap::new();
        for (step, (at, value, _)) in self.writes.iter().enumerate() {
            patience.look_at(step)?;
            if let Some(value) = value {
                writers.entry(*value).or_default().push(*at);
            }
        }
        for (step, (read, seen)) in self.reads.iter().enumerate() {
            patience.look_at(step)?;
            let returned = history[*read].returned.unwrap_or(u64::MAX);
            let begun = |value: &&Token| {
                writers.get(value).is_some_and(|writers| {
                    writers.iter().any(|at| history[*at].invoked <= returned)
                })
            };
            if let Some(value) = seen.iter().find(|value| !begun(value)) {
                return Ok(Verdict::Illegal(Violation::Invented(*read, *value)));
            }
        }
        let quiet = self.writes.iter().filter_map(|(at, ..)| history[*at].returned).max();
        let mut last: BTreeMap<u64, &(usize, BTreeSet<Token>)> = BTreeMap::new();
        for read in &self.reads {
            let operation = &history[read.0];
            if quiet.is_none_or(|quiet| quiet < operation.invoked) {
                let slot = last.entry(operation.process).or_insert(read);
                if history[slot.0].invoked < operation.invoked {
                    *slot = read;
                }
            }
        }
        let mut finals = last.into_values();
        let Some((read, end)) = finals.next() else {
            let acknowledged = self.writes.iter().find(|(at, ..)| history[*at].is_known());
            return Ok(acknowledged.map_or(Verdict::Legal, |(at, ..)| Verdict::NoFinalRead(*at)));
        };
        if let Some((other, _)) = finals.find(|(_, seen)| seen != end) {
            return Ok(Verdict::Illegal(Violation::Disagreement(*read, *other)));
        }
        let violation = self.lost(history, *read, end);
        let violation = violation.or_else(|| self.risen(history, *read, end, &writers));
        Ok(violation.map_or(Verdict::Legal, Verdict::Illegal))
    }

    /// Writes that replace everything, sorted out once: the one invoked last, and the one that
    /// could take effect last.
    fn lost<A>(
        &self,
        history: &[Operation<A>],
        read: usize,
        end: &BTreeSet<Token>,
    ) -> Option<Violation> {
        // Whether something else may have replaced what returned then: it was not over before.
        let over = |at: usize| history[at].returned.unwrap_or(u64::MAX);
        let mut latest: Vec<usize> = self
            .writes
            .iter()
            .filter(|(_, _, replaces)| *replaces == Replaces::Everything)
            .map(|(at, ..)| *at)
            .collect();
        latest.sort_by_key(|at| std::cmp::Reverse(over(*at)));
        latest.truncate(2);
        let named: BTreeSet<Token> = self
            .writes
            .iter()
            .filter_map(|(_, _, replaces)| match replaces {
                Replaces::These(values) => Some(values),
                Replaces::Everything => None,
            })
            .flatten()
            .copied()
            .collect();
        let lost = self.writes.iter().find(|(at, value, _)| {
            let Some(value) = value else { return false };
            let invoked = history[*at].invoked;
            let replaced = named.contains(value)
                || latest.iter().any(|other| other != at && over(*other) >= invoked);
            history[*at].is_known() && !end.contains(value) && !replaced
        });
        lost.map(|(at, ..)| Violation::Lost(*at, read))
    }

    fn risen<A>(
        &self,
        history: &[Operation<A>],
        read: usize,
        end: &BTreeSet<Token>,
        writers: &BTreeMap<Token, Vec<usize>>,
    ) -> Option<Violation> {
        let acknowledged = || self.writes.iter().filter(|(at, ..)| history[*at].is_known());
        let last_of_all = acknowledged()
            .filter(|(_, _, replaces)| *replaces == Replaces::Everything)
            .map(|(at, ..)| *at)
            .max_by_key(|at| history[*at].invoked);
        let mut removers: BTreeMap<Token, Vec<usize>> = BTreeMap::new();
        for (at, _, replaces) in acknowledged() {
            if let Replaces::These(values) = replaces {
                for value in values.iter().filter(|value| end.contains(value)) {
                    removers.entry(*value).or_default().push(*at);
                }
            }
        }
        // Absence at the end, although somebody certainly wrote last, counts as lost.
        for value in end {
            let writers = writers.get(value).map_or(&[][..], Vec::as_slice);
            let removers = removers.get(value).map_or(&[][..], Vec::as_slice);
            let replaced_by = |writer: usize| {
                let all = last_of_all
                    .filter(|last| *last != writer && history[writer].precedes(&history[*last]));
                let mut some = removers.iter().copied().filter(|other| {
                    writers.len() == 1 || history[writer].precedes(&history[*other])
                });
                all.or_else(|| some.find(|other| *other != writer))
            };
            let mut gone = writers.iter().map(|writer| (*writer, replaced_by(*writer)));
            let (Some((writer, Some(by))), true) =
                (gone.next(), gone.all(|(_, replaced)| replaced.is_some()))
            else {
                continue;
            };
            return Some(Violation::Risen(writer, by, read));
        }
        None
    }
}

/// Decides a history and tells the evidence; `say` puts an operation into words.
#[must_use]
pub fn judge<A: Converge>(
    document: &Document<A>,
    say: &impl Fn(&Operation<A>) -> String,
    patience: &Patience,
) -> Judgement {
    let history = &document.operations;
    let start = Instant::now();
    let verdict = match check_within(history, patience) {
        Ok(verdict) => verdict,
        Err(shortage) => return Judgement::given_up(history, start.elapsed(), shortage),
    };
    let elapsed = start.elapsed();
    let finding = match verdict {
        Verdict::Legal => Finding::Legal(Vec::new()),
        Verdict::NoFinalRead(at) => Finding::Undecided {
            reason: format!(
                "key {} has no read that was invoked after all its writes had returned, such as \
                 line {}",
                document.names.show(history[at].action.key()),
                history[at].index
            ),
        },
        Verdict::Illegal(violation) => illegal(document, say, &violation),
    };
    let unknown = history.iter().filter(|operation| !operation.is_known()).count();
    Judgement { finding, operations: history.len(), unknown, elapsed, cost: Cost::default() }
}

fn illegal<A: Converge>(
    document: &Document<A>,
    say: &impl Fn(&Operation<A>) -> String,
    violation: &Violation,
) -> Finding {
    let history = &document.operations;
    let names: &Names = &document.names;
    let name = |at: usize| {
        let operation = &history[at];
        format!("{} by process {} (line {})", say(operation), operation.process, operation.index)
    };
    let (positions, prose) = match *violation {
        Violation::Disagreement(one, other) => (
            vec![one, other],
            format!("{} and {} disagree, after all writes had returned.", name(one), name(other)),
        ),
        Violation::Invented(read, value) => (
            vec![read],
            format!("{} saw {}, which nobody had begun to write.", name(read), names.show(value)),
        ),
        Violation::Lost(write, read) => (
            vec![write, read],
            format!(
                "{} was acknowledged, nothing can have replaced it, and {} does not see it.",
                name(write),
                name(read)
            ),
        ),
        Violation::Risen(write, by, read) => (
            vec![write, by, read],
            format!("{} was replaced by {}, but {} sees it.", name(write), name(by), name(read)),
        ),
    };
    let part: Vec<(u64, u64, Option<u64>, String, usize)> = positions
        .iter()
        .map(|at| &history[*at])
        .map(|it| (it.process, it.invoked, it.returned, say(it), it.index))
        .collect();
    let mut listing = String::new();
    for (process, invoked, returned, action, line) in &part {
        let returned = returned.map_or("?".to_owned(), |returned| returned.to_string());
        let _ = writeln!(
            listing,
            "line {line:<6} process {process:<4} {invoked} .. {returned}  {action}"
        );
    }
    let labels: Vec<String> = part.iter().map(|it| it.3.clone()).collect();
    let operations: Vec<Operation<()>> = part
        .iter()
        .map(|it| Operation {
            process: it.0,
            action: (),
            invoked: it.1,
            returned: it.2,
            index: it.4,
        })
        .collect();
    let failing = operations.len() - 1;
    let key = names.show(history[positions[failing]].action.key()).to_string();
    let summary = format!("key {key}: {}", prose.trim_end_matches('.'));
    let picture = draw(&operations, &labels, failing, &document.faults);
    Finding::Illegal {
        first_line: operations[failing].index,
        key,
        counterexample: Counterexample { positions, cut: u64::MAX },
        listing,
        explanation: Explanation { summary, prose: prose + "\n", picture },
    }
}
