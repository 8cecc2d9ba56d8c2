//! Sequential consistency: one copy of the data, in the order of each process.
//!
//! Source: Lamport, "How to make a multiprocessor computer that correctly executes multiprocess
//! programs" (1979). All answers must be those of *some* order of all operations that keeps the
//! order of each process; real time says nothing.
//!
//! Unlike linearizability this is not local: two keys can each be sequential and both together not.
//! So the search goes over all keys at once. A place of the search is how far each process got,
//! which unknown operations happened, and the state of every key; places are remembered, so none is
//! searched twice. A pure operation that is next in its process and legal is taken at once: moved
//! forward to here it is still legal, and nothing after it is changed.
//!
//! # Limits
//! Deciding this is NP-complete even for registers of distinct values (Gibbons and Korach 1997,
//! "Testing shared memories"). The search is exponential in the number of processes that are far
//! apart; a history that is linearizable is decided by that, quickly. Operations of one process
//! come in the order of their invocation; one of unknown outcome may take effect at any time after
//! those before it, also after later ones of its process, or never.

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;
use std::time::Instant;

use crate::checker::{self, Budget, Cost, since};
use crate::explain::{Explanation, Speech, draw, list};
use crate::format::Document;
use crate::history::Operation;
use crate::judge::{Finding, Judgement};
use crate::model::{Model, Nature};
use crate::replay::{Perform, replay_by_process};
use crate::shrink::Counterexample;

/// What became known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Positions of the operations in an order that explains all answers; it has been replayed.
    Legal(Vec<usize>),
    /// There is none. The search never got beyond this operation, in none of its places.
    Illegal(usize),
    /// The budget ran out.
    Undecided(&'static str),
}

/// The states of all keys that are not initial.
type States<M> = Rc<BTreeMap<<M as Model>::Key, <M as Model>::State>>;

/// How far a search got.
struct Place<M: Model> {
    /// For each process how many of its known operations took effect.
    done: Rc<[u32]>,
    /// The unknown operations that took effect, as a bit each.
    happened: Rc<[u64]>,
    states: States<M>,
    /// Operations taken on the way here, the last one first.
    path: Option<Rc<Step>>,
}

struct Step {
    operation: usize,
    before: Option<Rc<Self>>,
}

struct Search<'a, M: Model> {
    history: &'a [Operation<M::Action>],
    model: &'a M,
    /// The known operations of each process, in order.
    processes: Vec<Vec<usize>>,
    /// Each unknown operation that changes something, its process, and how many known operations
    /// of that process come before it.
    unknown: Vec<(usize, usize, u32)>,
}

/// Places are looked at until there are so many steps, however little memory they take.
const STEPS_BETWEEN_LOOKS: u64 = 1024;

/// What a remembered place takes beyond its own arrays, roughly.
const PLACE_BYTES: u64 = 160;

/// Decides whether a history is sequentially consistent.
///
/// # Panics
/// When the order found does not replay. That is a bug of this crate.
#[must_use]
pub fn check<M: Model>(history: &[Operation<M::Action>], model: &M, budget: &Budget) -> Verdict
where
    M::Action: Perform,
{
    // A quarter of the time for the easy way: what is linearizable is sequential.
    let start = Instant::now();
    let part = Budget { time: budget.time.map(|time| time / 4), steps: 1 << 22, ..*budget };
    if let checker::Verdict::Legal(legal) = checker::check(history, model, &part)
        && replay_by_process(history, &legal.order).is_ok()
    {
        return Verdict::Legal(legal.order);
    }
    let search = Search::new(history, model);
    let verdict = search.run(&since(budget, start));
    if let Verdict::Legal(order) = &verdict {
        let replayed = replay_by_process(history, order);
        assert!(replayed.is_ok(), "the sequential order does not replay: {replayed:?}");
    }
    verdict
}

impl<'a, M: Model> Search<'a, M> {
    fn new(history: &'a [Operation<M::Action>], model: &'a M) -> Self {
        let mut order: Vec<usize> = (0..history.len()).collect();
        order.sort_by_key(|at| history[*at].invoked);
        let mut numbers: BTreeMap<u64, usize> = BTreeMap::new();
        let mut search = Self { history, model, processes: Vec::new(), unknown: Vec::new() };
        for at in order {
            let operation = &history[at];
            let process = *numbers.entry(operation.process).or_insert_with(|| {
                search.processes.push(Vec::new());
                search.processes.len() - 1
            });
            if operation.is_known() {
                search.processes[process].push(at);
            } else if model.nature(&operation.action) != Nature::Pure {
                let before = u32::try_from(search.processes[process].len());
                let before = before.expect("2^32 operations do not fit in memory");
                search.unknown.push((at, process, before));
            }
        }
        search
    }

    fn run(&self, budget: &Budget) -> Verdict {
        let deadline = budget.time.and_then(|time| Instant::now().checked_add(time));
        let known: usize = self.processes.iter().map(Vec::len).sum();
        let words = self.unknown.len().div_ceil(64);
        let place_bytes = PLACE_BYTES
            + 4 * self.processes.len() as u64
            + 8 * words as u64
            + size_of::<(M::Key, M::State)>() as u64;
        let start = Place::<M> {
            done: vec![0; self.processes.len()].into(),
            happened: vec![0; words].into(),
            states: Rc::default(),
            path: None,
        };
        let mut seen = HashSet::new();
        let mut open = vec![start];
        let (mut steps, mut furthest) = (0_u64, (0, 0));
        while let Some(place) = open.pop() {
            steps += 1;
            if steps > budget.steps {
                return Verdict::Undecided("steps");
            }
            if steps % STEPS_BETWEEN_LOOKS == 0 {
                if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                    return Verdict::Undecided("time");
                }
                let held = (seen.len() + open.len()) as u64 * place_bytes;
                if budget.memory.is_some_and(|memory| held > memory) {
                    return Verdict::Undecided("memory");
                }
            }
            let place = self.take_pure(place);
            let total: usize = place.done.iter().map(|done| *done as usize).sum();
            if total == known {
                return Verdict::Legal(order_of(&place));
            }
            if total >= furthest.0 {
                furthest = (total, self.next_of(&place).unwrap_or(0));
            }
            let key = (place.done.clone(), place.happened.clone(), place.states.clone());
            if seen.insert(key) {
                self.expand(&place, &mut open);
            }
        }
        Verdict::Illegal(furthest.1)
    }

    /// The next operation that was invoked first.
    fn next_of(&self, place: &Place<M>) -> Option<usize> {
        let next = self.processes.iter().zip(place.done.iter());
        next.filter_map(|(operations, done)| operations.get(*done as usize).copied())
            .min_by_key(|at| self.history[*at].invoked)
    }

    /// The states after an operation; nothing if its answer contradicts them.
    fn step(&self, states: &States<M>, at: usize) -> Option<States<M>> {
        let action = &self.history[at].action;
        let key = self.model.key(action);
        let initial = self.model.initial();
        let before = states.get(&key).unwrap_or(&initial);
        let after = self.model.step(before, action)?;
        if after == *before {
            return Some(states.clone());
        }
        let mut states = BTreeMap::clone(states);
        if after == initial {
            states.remove(&key);
        } else {
            states.insert(key, after);
        }
        Some(Rc::new(states))
    }

    /// Takes pure operations that are next and legal, as long as there is one.
    fn take_pure(&self, mut place: Place<M>) -> Place<M> {
        let mut process = 0;
        let mut idle = 0;
        while idle < self.processes.len() {
            let next = self.processes[process].get(place.done[process] as usize).copied();
            let pure = next.filter(|at| {
                self.model.nature(&self.history[*at].action) == Nature::Pure
                    && self.step(&place.states, *at).is_some()
            });
            if let Some(at) = pure {
                place = Self::after(&place, process, at, place.states.clone());
                idle = 0;
            } else {
                idle += 1;
                process = (process + 1) % self.processes.len();
            }
        }
        place
    }

    fn after(place: &Place<M>, process: usize, at: usize, states: States<M>) -> Place<M> {
        let mut done: Vec<u32> = place.done.to_vec();
        done[process] += 1;
        let path = Some(Rc::new(Step { operation: at, before: place.path.clone() }));
        Place { done: done.into(), happened: place.happened.clone(), states, path }
    }

    /// Adds what can come next; what was invoked first is looked at first.
    fn expand(&self, place: &Place<M>, open: &mut Vec<Place<M>>) {
        let mut next: Vec<(bool, u64, Place<M>)> = Vec::new();
        for (process, operations) in self.processes.iter().enumerate() {
            let Some(at) = operations.get(place.done[process] as usize).copied() else { continue };
            if let Some(states) = self.step(&place.states, at) {
                let after = Self::after(place, process, at, states);
                next.push((true, self.history[at].invoked, after));
            }
        }
        for (number, (at, process, before)) in self.unknown.iter().copied().enumerate() {
            let (word, bit) = (number / 64, 1 << (number % 64));
            if place.happened[word] & bit != 0 || place.done[process] < before {
                continue;
            }
            let states = self.step(&place.states, at);
            // Without an effect it need not have happened.
            let Some(states) = states.filter(|states| *states != place.states) else { continue };
            let mut happened: Vec<u64> = place.happened.to_vec();
            happened[word] |= bit;
            let path = Some(Rc::new(Step { operation: at, before: place.path.clone() }));
            let after = Place { done: place.done.clone(), happened: happened.into(), states, path };
            next.push((false, self.history[at].invoked, after));
        }
        // The last one is popped first: known ones before unknown ones, early ones before late.
        next.sort_by_key(|(known, invoked, _)| (*known, std::cmp::Reverse(*invoked)));
        open.extend(next.into_iter().map(|(_, _, place)| place));
    }
}

fn order_of<M: Model>(place: &Place<M>) -> Vec<usize> {
    let mut order = Vec::new();
    let mut step = place.path.as_deref();
    while let Some(Step { operation, before }) = step {
        order.push(*operation);
        step = before.as_deref();
    }
    order.reverse();
    order
}

/// Long chains are taken apart one by one: dropping them link by link would recurse.
impl Drop for Step {
    fn drop(&mut self) {
        let mut next = self.before.take();
        while let Some(step) = next {
            next = Rc::into_inner(step).and_then(|mut step| step.before.take());
        }
    }
}

/// Steps to confirm that a part is still illegal; a part that needs more is not taken.
const STEPS_PER_ATTEMPT: u64 = 1 << 14;

/// Takes out operations while the rest stays illegal. With an operation goes what may owe its
/// legality to it, so that the rest would be legal if the whole were: see [`crate::shrink`], where
/// real time is one more thing that the rest keeps.
fn shrink<M: Model>(
    history: &[Operation<M::Action>],
    model: &M,
    deadline: Option<Instant>,
) -> Vec<usize> {
    let in_time = || deadline.is_none_or(|deadline| Instant::now() < deadline);
    let mut kept: Vec<usize> = (0..history.len()).collect();
    let mut chunk = kept.len().div_ceil(2);
    while chunk >= 1 && in_time() {
        let mut shrunk = false;
        let mut end = kept.len();
        while end > 0 && in_time() {
            let start = end.saturating_sub(chunk);
            let rest = without(history, &kept, start..end, model);
            let part: Vec<_> = rest.iter().map(|at| history[*at].clone()).collect();
            let budget = Budget::steps(STEPS_PER_ATTEMPT);
            let verdict = Search::new(&part, model).run(&budget);
            if !rest.is_empty() && matches!(verdict, Verdict::Illegal(_)) {
                kept = rest;
                shrunk = true;
            }
            end = start.min(kept.len());
        }
        if chunk > 1 {
            chunk = (chunk / 2).min(kept.len()).max(1);
        } else if !shrunk {
            break;
        }
    }
    kept
}

fn without<M: Model>(
    history: &[Operation<M::Action>],
    kept: &[usize],
    gone: std::ops::Range<usize>,
    model: &M,
) -> Vec<usize> {
    let mut open: Vec<usize> = kept[gone.clone()].to_vec();
    let mut rest: Vec<usize> = kept.to_vec();
    rest.drain(gone);
    while let Some(writer) = open.pop() {
        let writer = &history[writer].action;
        if model.nature(writer) == Nature::Pure {
            continue;
        }
        rest.retain(|at| {
            let other = &history[*at].action;
            let follows = model.key(other) == model.key(writer) && model.depends(other, writer);
            if follows {
                open.push(*at);
            }
            !follows
        });
    }
    rest
}

/// Looking for a smaller counterexample is worth this much.
const SHRINK_TIME: std::time::Duration = std::time::Duration::from_secs(5);

/// Decides a history and tells the evidence.
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
    let verdict = check(history, model, budget);
    let elapsed = start.elapsed();
    let finding = match verdict {
        Verdict::Legal(order) => Finding::Legal(order),
        Verdict::Undecided(reason) => Finding::Undecided {
            reason: format!("{reason} ran out among the orders of all keys together"),
        },
        Verdict::Illegal(furthest) => {
            let left = budget.time.map(|time| time.saturating_sub(start.elapsed()));
            let time = left.map_or(SHRINK_TIME, |left| left.min(SHRINK_TIME));
            let positions = shrink(history, model, Instant::now().checked_add(time));
            let part: Vec<_> = positions.iter().map(|at| history[*at].clone()).collect();
            let stuck = match Search::new(&part, model).run(&Budget::unlimited()) {
                Verdict::Illegal(stuck) => stuck,
                Verdict::Legal(_) | Verdict::Undecided(_) => 0,
            };
            let labels: Vec<String> = part.iter().map(|it| speech.action(it)).collect();
            let keys: std::collections::BTreeSet<String> =
                part.iter().map(|it| speech.key(&model.key(&it.action))).collect();
            let keys: Vec<String> = keys.into_iter().collect();
            let summary = format!(
                "keys {}: no order of {} operations keeps the order of each process",
                keys.join(", "),
                part.len()
            );
            let prose = format!(
                "{summary} and explains all answers.\nNo order that does so for the others gets \
                 beyond {} by process {} (line {}).\n",
                labels[stuck], part[stuck].process, part[stuck].index
            );
            let picture = draw(&part, &labels, stuck, &document.faults);
            Finding::Illegal {
                key: keys.join(", "),
                first_line: history[furthest].index,
                counterexample: Counterexample { positions, cut: u64::MAX },
                listing: list(&part, speech),
                explanation: Explanation { summary, prose, picture },
            }
        }
    };
    let unknown = history.iter().filter(|operation| !operation.is_known()).count();
    Judgement { finding, operations: history.len(), unknown, elapsed, cost: Cost::default() }
}
