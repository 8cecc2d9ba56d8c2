//! Decides a whole history: splits it by key, narrows each part, searches all with fair budgets,
//! and puts the linearizations together.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::history::Operation;
use crate::meter::Meter;
use crate::model::Model;
use crate::search::{Limits, Outcome, Rules, Shortage, search, tiny};
use crate::zone::{Finding, Zones};

/// How much work a check may do.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Model steps for each key.
    pub steps: u64,
    /// Wall time.
    pub time: Option<Duration>,
    /// Bytes that the searches may hold at once, beyond the history itself.
    pub memory: Option<u64>,
    /// How many keys are searched at the same time.
    pub threads: NonZeroUsize,
    /// The rules of the search.
    pub rules: Rules,
}

impl Budget {
    /// As long as it takes, on one thread; the memory for witnesses stays bounded.
    #[must_use]
    pub const fn unlimited() -> Self {
        Self {
            steps: u64::MAX,
            time: None,
            memory: None,
            threads: NonZeroUsize::MIN,
            rules: Rules::ALL,
        }
    }

    /// At most that many model steps for each key.
    #[must_use]
    pub const fn steps(steps: u64) -> Self {
        Self { steps, ..Self::unlimited() }
    }

    /// At most that long.
    #[must_use]
    pub const fn time(time: Duration) -> Self {
        Self { time: Some(time), ..Self::unlimited() }
    }

    /// The same with at most that many bytes held by the searches.
    #[must_use]
    pub const fn with_memory(self, bytes: u64) -> Self {
        Self { memory: Some(bytes), ..self }
    }

    /// The same with these rules only.
    #[must_use]
    pub const fn with_rules(self, rules: Rules) -> Self {
        Self { rules, ..self }
    }

    /// The same on that many threads.
    #[must_use]
    pub const fn with_threads(self, threads: NonZeroUsize) -> Self {
        Self { threads, ..self }
    }
}

/// The same budget with what is left of its time.
pub(crate) fn since(budget: &Budget, start: Instant) -> Budget {
    Budget { time: budget.time.map(|time| time.saturating_sub(start.elapsed())), ..*budget }
}

/// What a check cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Model steps, over all keys and rounds.
    pub steps: u64,
    /// The most bytes that the searches held at once, as far as they count them.
    pub peak_bytes: u64,
}

/// What became known about a history.
#[derive(Clone, Debug)]
pub enum Verdict<M: Model> {
    /// It is linearizable.
    Legal(Legal),
    /// It is not.
    Illegal(Illegal<M>),
    /// The budget ran out.
    Undecided(Undecided<M>),
}

/// The evidence for *legal*.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Legal {
    /// Positions in the history: every operation that surely happened, and those unknown ones that
    /// are taken to have happened, in the order in which they took effect.
    pub order: Vec<usize>,
}

/// Where a history stops being legal.
#[derive(Clone, Debug)]
pub struct Illegal<M: Model> {
    /// The key.
    pub key: M::Key,
    /// Positions in the history of the operations on that key.
    pub partition: Vec<usize>,
    /// The position of the operation whose return no order of the operations before it survives.
    pub position: usize,
    /// The states possible just before that return; none if it was decided without a search.
    pub states: Vec<M::State>,
}

/// Where a check gave up.
#[derive(Clone, Debug)]
pub struct Undecided<M: Model> {
    /// The key.
    pub key: M::Key,
    /// The position of the operation whose return could not be decided.
    pub position: usize,
    /// What ran out.
    pub reason: Shortage,
}

/// Model steps for each partition in the first round; each later round gives more.
const FIRST_ROUND_STEPS: u64 = 1 << 16;

/// What is kept of each operation besides its copy: its position, and its place in the order.
const BYTES_PLACED: usize = 32;

/// By how much: restarting costs a seventh of the whole, at most.
const ROUND_GROWTH: u64 = 8;

/// One key of a history.
struct Partition<M: Model> {
    key: M::Key,
    /// Positions in the history.
    positions: Vec<usize>,
    /// Narrowed; each index is the position in the history.
    operations: Vec<Operation<M::Action>>,
}

/// Decides whether `history` is linearizable.
///
/// The order of the slice means nothing, the indexes of its operations neither; positions in the
/// verdict are positions in the slice. An interval that ends before it starts is nobody's
/// operation and panics in debug builds; a [`Builder`](crate::history::Builder) never makes one.
#[must_use]
pub fn check<M: Model>(history: &[Operation<M::Action>], model: &M, budget: &Budget) -> Verdict<M> {
    check_and_count(history, model, budget).0
}

/// Like [`check`], and says what it cost.
#[must_use]
pub fn check_and_count<M: Model>(
    history: &[Operation<M::Action>],
    model: &M,
    budget: &Budget,
) -> (Verdict<M>, Cost) {
    if history.len() <= tiny::OPERATIONS_MAX
        && let Some(order) = tiny::legal_order(history, model)
    {
        return (Verdict::Legal(Legal { order }), Cost::default());
    }
    let start = Instant::now();
    let meter = Meter::new(budget.memory);
    let mut share = meter.share();
    let zones = Zones::decide(history, model, true, &mut share);
    let Some(mut zones) = zones.filter(|zones| !zones.is_of_no_use()) else {
        drop(share);
        return search_and_count(history, model, &since(budget, start));
    };
    let peak_bytes = meter.peak();
    let zone_cost = Cost { steps: 0, peak_bytes };
    if let Some(key) = zones.illegal() {
        return (Verdict::Illegal(illegal_by_zones(history, model, key.clone())), zone_cost);
    }
    let placed = zones.linearize();
    let mut placed: Vec<(u64, usize)> =
        placed.into_iter().map(|(point, at)| (point, at as usize)).collect();
    let open = partitions(history, model, budget.rules.narrow, |key| {
        zones.finding(key) == Finding::Unsuitable
    });
    drop((zones, share));
    let (verdict, cost) = search_partitions(open, model, &since(budget, start), &mut placed);
    let cost = Cost { peak_bytes: cost.peak_bytes.max(peak_bytes), ..cost };
    (verdict.unwrap_or_else(|| in_order(placed)), cost)
}

/// A verdict without its evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// The history is linearizable.
    Legal,
    /// It is not.
    Illegal,
    /// The budget ran out; this was short.
    Undecided(Shortage),
}

/// Like [`check_and_count`], but collects no evidence where that takes extra work.
#[must_use]
pub fn decide<M: Model>(
    history: &[Operation<M::Action>],
    model: &M,
    budget: &Budget,
) -> (Ruling, Cost) {
    let start = Instant::now();
    let only_search = if history.len() > tiny::OPERATIONS_MAX {
        let meter = Meter::new(budget.memory);
        let mut share = meter.share();
        if let Some(zones) = Zones::decide(history, model, false, &mut share) {
            let cost = Cost { steps: 0, peak_bytes: meter.peak() };
            if zones.illegal().is_some() {
                return (Ruling::Illegal, cost);
            }
            if zones.is_legal() {
                return (Ruling::Legal, cost);
            }
            zones.is_of_no_use()
        } else {
            true
        }
    } else {
        false
    };
    let (verdict, cost) = if only_search {
        search_and_count(history, model, &since(budget, start))
    } else {
        check_and_count(history, model, &since(budget, start))
    };
    let ruling = match verdict {
        Verdict::Legal(_) => Ruling::Legal,
        Verdict::Illegal(_) => Ruling::Illegal,
        Verdict::Undecided(undecided) => Ruling::Undecided(undecided.reason),
    };
    (ruling, cost)
}

/// Like [`check`], without its shortcuts for small histories and for distinct values.
#[must_use]
pub fn check_by_search<M: Model>(
    history: &[Operation<M::Action>],
    model: &M,
    budget: &Budget,
) -> Verdict<M> {
    search_and_count(history, model, budget).0
}

/// The position of the first operation of `part`, all of one key, whose return nothing survives,
/// and the states that were possible just before, all in the model's own terms; nothing if `part`
/// is legal or `steps` model steps are too few.
#[must_use]
pub fn states_before_failure<M: Model>(
    part: &[Operation<M::Action>],
    model: &M,
    steps: u64,
) -> Option<(usize, Vec<M::State>)> {
    let limits = Limits { steps, deadline: None, stop: None };
    let rules = Rules { quotient: false, ..Rules::ALL };
    match search(part, model, rules, &limits, Meter::new(None).share()).0 {
        Outcome::Illegal { position, states } => Some((position, states)),
        Outcome::Legal(_) | Outcome::Undecided { .. } => None,
    }
}

fn search_and_count<M: Model>(
    history: &[Operation<M::Action>],
    model: &M,
    budget: &Budget,
) -> (Verdict<M>, Cost) {
    // Told before it is taken: copies of the operations and what is placed of them.
    let copies = history.len() * (size_of::<Operation<M::Action>>() + BYTES_PLACED);
    if let Some(first) = history.first()
        && budget.memory.is_some_and(|limit| limit < copies as u64)
    {
        let key = model.key(&first.action);
        let undecided = Undecided { key, position: 0, reason: Shortage::Memory };
        return (Verdict::Undecided(undecided), Cost::default());
    }
    let start = Instant::now();
    let open = partitions(history, model, budget.rules.narrow, |_| true);
    let mut placed: Vec<(u64, usize)> = Vec::with_capacity(history.len());
    let (verdict, cost) = search_partitions(open, model, &since(budget, start), &mut placed);
    (verdict.unwrap_or_else(|| in_order(placed)), cost)
}

/// The verdict on a history whose operations all have their moment.
///
/// Each lies in its operation's interval, so sorting by it (stably: within a key the order is
/// already right) respects real time across keys.
fn in_order<M: Model>(mut placed: Vec<(u64, usize)>) -> Verdict<M> {
    placed.sort_by_key(|(point, _)| *point);
    Verdict::Legal(Legal { order: placed.into_iter().map(|(_, position)| position).collect() })
}

/// The evidence against a key that zones found illegal: the first return that nothing survives.
///
/// Histories that end earlier are legal for longer: what is possible with all operations up to a
/// moment is possible with fewer.
fn illegal_by_zones<M: Model>(
    history: &[Operation<M::Action>],
    model: &M,
    key: M::Key,
) -> Illegal<M> {
    let of_key = |at: &usize| model.key(&history[*at].action) == key;
    let partition: Vec<usize> = (0..history.len()).filter(of_key).collect();
    let mut returns: Vec<(u64, usize)> =
        partition.iter().filter_map(|at| Some((history[*at].returned?, *at))).collect();
    returns.sort_unstable();
    let survives = |(cut, _): &(u64, usize)| {
        let upto = |at: &&usize| history[**at].invoked <= *cut;
        let copy = |at: &usize| {
            let operation = history[*at].clone();
            let returned = operation.returned.filter(|returned| returned <= cut);
            Operation { returned, ..operation }
        };
        let part: Vec<_> = partition.iter().filter(upto).map(copy).collect();
        let meter = Meter::new(None);
        let zones = Zones::decide(&part, model, false, &mut meter.share());
        zones.is_some_and(|zones| zones.illegal().is_none())
    };
    let first = returns.partition_point(survives).min(returns.len().saturating_sub(1));
    let position = returns.get(first).map_or(0, |(_, at)| *at);
    Illegal { key, partition, position, states: Vec::new() }
}

/// Searches key by key, in rounds of growing budgets: one key that is hard to decide must not keep
/// the others waiting, of which one may be illegal. Adds to `placed` what is legal; nothing if all
/// is.
fn search_partitions<M: Model>(
    mut open: Vec<Partition<M>>,
    model: &M,
    budget: &Budget,
    placed: &mut Vec<(u64, usize)>,
) -> (Option<Verdict<M>>, Cost) {
    let deadline = budget.time.and_then(|time| Instant::now().checked_add(time));
    let meter = Meter::new(budget.memory);
    open.sort_by_key(|partition| partition.operations.len());
    let mut cost = Cost::default();
    // One key alone keeps nobody waiting.
    let first_round = if open.len() > 1 { FIRST_ROUND_STEPS } else { u64::MAX };
    let mut steps = first_round.min(budget.steps);
    let verdict = loop {
        let round = Round {
            steps,
            deadline,
            threads: budget.threads.get(),
            rules: budget.rules,
            meter: &meter,
        };
        let outcomes = round.search_all(&open, model);
        let mut undecided = None;
        let mut left = Vec::new();
        let mut illegal: Option<Illegal<M>> = None;
        // Some may not have been searched, once one was found illegal.
        for (partition, found) in open.into_iter().zip(outcomes) {
            let Some((outcome, spent)) = found else { continue };
            cost.steps += spent;
            match outcome {
                Outcome::Legal(order) => placed.extend(
                    order
                        .iter()
                        .map(|placed| (placed.point, partition.operations[placed.position].index)),
                ),
                Outcome::Illegal { position, states } => {
                    let position = partition.operations[position].index;
                    let Partition { key, positions, .. } = partition;
                    if illegal.as_ref().is_none_or(|other| key < other.key) {
                        illegal = Some(Illegal { key, partition: positions, position, states });
                    }
                }
                Outcome::Undecided { position, reason } => {
                    undecided = undecided.or(Some(Undecided {
                        key: partition.key.clone(),
                        position: partition.operations[position].index,
                        reason,
                    }));
                    left.push(partition);
                }
            }
        }
        if let Some(illegal) = illegal {
            break Some(Verdict::Illegal(illegal));
        }
        match undecided {
            Some(undecided) if undecided.reason != Shortage::Steps || steps == budget.steps => {
                break Some(Verdict::Undecided(undecided));
            }
            Some(_) => steps = steps.saturating_mul(ROUND_GROWTH).min(budget.steps),
            None => break None,
        }
        open = left;
    };
    cost.peak_bytes = meter.peak();
    (verdict, cost)
}

/// One pass over all keys that are not decided yet.
struct Round<'a> {
    /// For each key.
    steps: u64,
    deadline: Option<Instant>,
    threads: usize,
    rules: Rules,
    meter: &'a Meter,
}

/// What became of a key, and the model steps that took; nothing if it was not looked at.
type Found<M> = Option<(Outcome<<M as Model>::State>, u64)>;

impl Round<'_> {
    /// Searches all keys, until one is found illegal.
    fn search_all<M: Model>(&self, open: &[Partition<M>], model: &M) -> Vec<Found<M>> {
        let stop = AtomicBool::new(false);
        let next = AtomicUsize::new(0);
        let work = || {
            let mut done = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(partition) = open.get(at) else { break };
                let limits =
                    Limits { steps: self.steps, deadline: self.deadline, stop: Some(&stop) };
                let share = self.meter.share();
                let found = search(&partition.operations, model, self.rules, &limits, share);
                if matches!(found.0, Outcome::Illegal { .. }) {
                    stop.store(true, Ordering::Relaxed);
                }
                done.push((at, found));
            }
            done
        };
        let mut found: Vec<Found<M>> = open.iter().map(|_| None).collect();
        let helpers = self.threads.min(open.len()).saturating_sub(1);
        let done = if helpers == 0 {
            work()
        } else {
            std::thread::scope(|scope| {
                let spawned: Vec<_> = (0..helpers).map(|_| scope.spawn(work)).collect();
                let mut done = work();
                for helper in spawned {
                    done.extend(helper.join().expect("a search does not panic"));
                }
                done
            })
        };
        for (at, one) in done {
            found[at] = Some(one);
        }
        found
    }
}

/// Splits a history by key, narrows the parts of the keys that are wanted and leaves out the others.
fn partitions<M: Model>(
    history: &[Operation<M::Action>],
    model: &M,
    narrow: bool,
    mut is_wanted: impl FnMut(&M::Key) -> bool,
) -> Vec<Partition<M>> {
    let mut numbers: BTreeMap<M::Key, usize> = BTreeMap::new();
    let mut parts: Vec<(M::Key, Vec<usize>)> = Vec::new();
    let mut current = 0;
    for (position, operation) in history.iter().enumerate() {
        debug_assert!(
            operation.returned.is_none_or(|returned| returned >= operation.invoked),
            "operation {position} returned before it was invoked",
        );
        let key = model.key(&operation.action);
        if parts.get(current).is_none_or(|(same, _)| *same != key) {
            current = *numbers.entry(key.clone()).or_insert(parts.len());
            if current == parts.len() {
                parts.push((key, Vec::new()));
            }
        }
        parts[current].1.push(position);
    }
    parts.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    let narrowed = |(key, positions): (M::Key, Vec<usize>)| {
        let copy = |position: &usize| Operation { index: *position, ..history[*position].clone() };
        let mut operations: Vec<_> = positions.iter().map(copy).collect();
        if narrow {
            model.narrow(&mut operations);
        }
        Partition { key, positions, operations }
    };
    parts.into_iter().filter(|(key, _)| is_wanted(key)).map(narrowed).collect()
}

/// Decides by zones alone; nothing if the history does not belong to their class, or not enough.
/// For tests of the zones: [`check`] uses them where it can.
#[must_use]
pub fn check_by_zones<M: Model>(history: &[Operation<M::Action>], model: &M) -> Option<Verdict<M>> {
    let meter = Meter::new(None);
    let mut zones = Zones::decide(history, model, true, &mut meter.share())?;
    if let Some(key) = zones.illegal() {
        return Some(Verdict::Illegal(illegal_by_zones(history, model, key.clone())));
    }
    let placed = zones.linearize();
    let placed = placed.into_iter().map(|(point, at)| (point, at as usize)).collect();
    zones.all_fit().then(|| in_order(placed))
}
