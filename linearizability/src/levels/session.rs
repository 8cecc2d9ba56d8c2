//! What one process may expect of a replicated store: the four session guarantees.
//!
//! Source: Terry, Demers, Petersen, Spreitzer, Theimer, Welch, "Session guarantees for weakly
//! consistent replicated data" (1994), section 3; the form by an order of versions follows Viotti
//! and Vukolic, "Consistency in non-transactional distributed storage systems" (2016), section 3.4.
//!
//! A cell passes through versions in *some* order, the same for all processes; nobody tells which,
//! and real time says nothing. Values are distinct, so a value names its version, and each
//! guarantee asks something of that order, for each process and key:
//!
//! | guarantee | a process | then the order has |
//! |---|---|---|
//! | read your writes | wrote `a`, then reads `b` | `b` is `a` or later |
//! | monotonic reads | read `a`, then reads `b` | `b` is `a` or later |
//! | monotonic writes | wrote `a`, then writes `b` | `b` is later |
//! | writes follow reads | read `a`, then writes `b` | `b` is later |
//!
//! A guarantee holds if some order has all that it asks, that is if there is no cycle; a cycle is
//! the counterexample. Nothing read may be invented: a read of what nobody had begun to write is a
//! violation at every level.
//!
//! # Limits
//! Each key by itself: what a write to one key says of another (causality) is not judged. Writes of
//! unknown outcome can be read, but ask nothing. Reads of absence are left out where a key is ever
//! deleted, and refused conditions where no old value was told. A value that is written twice makes
//! the key's order ambiguous: undecided.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::Write as _;
use std::time::Instant;

use crate::checker::Cost;
use crate::explain::{CellSpeech, Explanation, Speech, draw, list};
use crate::format::Document;
use crate::history::Operation;
use crate::judge::{Finding, Judgement};
use crate::models::cell::{CellAction, CellValue};
use crate::patience::Patience;
use crate::search::Shortage;
use crate::shrink::Counterexample;
use crate::token::Token;

/// A session guarantee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Guarantee {
    /// A process reads what it wrote, or something newer.
    ReadYourWrites,
    /// A process reads what it read before, or something newer.
    MonotonicReads,
    /// Writes of a process take effect in its order.
    MonotonicWrites,
    /// A write takes effect after what its process had read.
    WritesFollowReads,
}

impl Guarantee {
    /// All four.
    pub const ALL: [Self; 4] = [
        Self::ReadYourWrites,
        Self::MonotonicReads,
        Self::MonotonicWrites,
        Self::WritesFollowReads,
    ];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReadYourWrites => "read-your-writes",
            Self::MonotonicReads => "monotonic-reads",
            Self::MonotonicWrites => "monotonic-writes",
            Self::WritesFollowReads => "writes-follow-reads",
        }
    }
}

/// What became known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every key has an order of versions with all that was asked.
    Legal,
    /// A read of what nobody had begun to write before it returned: its position.
    Invented(usize),
    /// What was asked goes round in a circle.
    Cycle(Vec<Demand>),
    /// Two writes of one value, by position: the order of versions is ambiguous.
    Ambiguous(usize, usize),
}

/// One thing that the order of a key's versions must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Who asks.
    pub guarantee: Guarantee,
    /// The position of the earlier operation of the process.
    pub first: usize,
    /// The position of its later one.
    pub second: usize,
    /// The version that is earlier.
    pub earlier: CellValue,
    /// The version that is later.
    pub later: CellValue,
}

/// An edge of a key's graph; nodes that are no versions stand for "all that the process had read,
/// or written, by then".
#[derive(Clone, Copy)]
struct Edge {
    from: usize,
    to: usize,
    guarantee: Guarantee,
    /// The operation that the edge begins or ends with, if it is one with a version.
    operation: Option<usize>,
}

/// Judges one key.
struct OneKey<'a> {
    history: &'a [Operation<CellAction>],
    /// The version of each value; 0 is absence.
    versions: HashMap<Token, usize>,
    /// What each version is called; nothing for other nodes.
    values: Vec<Option<CellValue>>,
    edges: Vec<Edge>,
    /// Whether absence is the version before all, and nothing else.
    absence_is_first: bool,
}

/// Decides whether a history has the guarantees.
///
/// # Panics
/// Never: its patience is endless.
#[must_use]
pub fn check(history: &[Operation<CellAction>], guarantees: &[Guarantee]) -> Verdict {
    check_within(history, guarantees, &Patience::ENDLESS).expect("it had all the time")
}

/// Like [`check`], as long as there is patience.
///
/// # Errors
/// What ran out.
pub fn check_within(
    history: &[Operation<CellAction>],
    guarantees: &[Guarantee],
    patience: &Patience,
) -> Result<Verdict, Shortage> {
    let mut keys: BTreeMap<Token, Vec<usize>> = BTreeMap::new();
    for (at, operation) in history.iter().enumerate() {
        patience.look_at(at)?;
        keys.entry(operation.action.key).or_default().push(at);
    }
    let mut ambiguous = None;
    for positions in keys.values() {
        match OneKey::check(history, positions, guarantees, patience)? {
            Verdict::Legal => {}
            Verdict::Ambiguous(first, second) => {
                ambiguous = ambiguous.or(Some(Verdict::Ambiguous(first, second)));
            }
            illegal @ (Verdict::Invented(_) | Verdict::Cycle(_)) => return Ok(illegal),
        }
    }
    Ok(ambiguous.unwrap_or(Verdict::Legal))
}

impl<'a> OneKey<'a> {
    fn check(
        history: &'a [Operation<CellAction>],
        positions: &[usize],
        guarantees: &[Guarantee],
        patience: &Patience,
    ) -> Result<Verdict, Shortage> {
        let deleted = positions.iter().any(|at| history[*at].action.wrote() == Some(None));
        let mut key = OneKey {
            history,
            versions: HashMap::new(),
            values: vec![Some(None)],
            edges: Vec::new(),
            absence_is_first: !deleted,
        };
        let mut writers: Vec<usize> = vec![usize::MAX];
        for (step, at) in positions.iter().enumerate() {
            patience.look_at(step)?;
            if let Some(Some(value)) = history[*at].action.wrote() {
                if let Some(version) = key.versions.insert(value, writers.len()) {
                    return Ok(Verdict::Ambiguous(writers[version], *at));
                }
                writers.push(*at);
                key.values.push(Some(Some(value)));
            }
        }
        if let Some(invented) = positions.iter().find(|at| key.is_invented(**at, &writers)) {
            return Ok(Verdict::Invented(*invented));
        }
        let mut sessions: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for at in positions.iter().filter(|at| history[**at].is_known()) {
            sessions.entry(history[*at].process).or_default().push(*at);
        }
        for session in sessions.values_mut() {
            patience.look()?;
            session.sort_by_key(|at| history[*at].invoked);
            key.demand(session, guarantees);
        }
        if key.absence_is_first {
            for version in 1..writers.len() {
                key.edge(0, version, Guarantee::MonotonicWrites, None);
            }
        }
        patience.look()?;
        Ok(key.cycle().map_or(Verdict::Legal, Verdict::Cycle))
    }

    /// The version that an operation saw, if that says anything.
    fn seen(&self, at: usize) -> Option<usize> {
        match self.history[at].action.saw()? {
            None => self.absence_is_first.then_some(0),
            Some(value) => self.versions.get(&value).copied(),
        }
    }

    fn written(&self, at: usize) -> Option<usize> {
        self.versions.get(&self.history[at].action.wrote()??).copied()
    }

    fn is_invented(&self, at: usize, writers: &[usize]) -> bool {
        let operation = &self.history[at];
        let (Some(Some(value)), Some(returned)) = (operation.action.saw(), operation.returned)
        else {
            return false;
        };
        match self.versions.get(&value) {
            None => true,
            Some(version) => self.history[writers[*version]].invoked > returned,
        }
    }

    fn edge(&mut self, from: usize, to: usize, guarantee: Guarantee, operation: Option<usize>) {
        self.edges.push(Edge { from, to, guarantee, operation });
    }

    /// A node that comes after `before` and, through `operation`, after `version`.
    fn collect(
        &mut self,
        before: Option<usize>,
        version: usize,
        guarantee: Guarantee,
        operation: usize,
    ) -> usize {
        let node = self.values.len();
        self.values.push(None);
        if let Some(before) = before {
            self.edge(before, node, guarantee, None);
        }
        self.edge(version, node, guarantee, Some(operation));
        node
    }

    /// What one process asks of the order.
    fn demand(&mut self, session: &[usize], guarantees: &[Guarantee]) {
        let asks = |guarantee| guarantees.contains(&guarantee);
        // All that was read or written so far, as one node each.
        let (mut all_read, mut all_written) = (None, None);
        // Own writes, and what was all written before each.
        let mut own: Vec<(usize, usize, Option<usize>)> = Vec::new();
        // A version, and the operation that read or wrote it.
        let mut last_read: Option<(usize, usize)> = None;
        let mut last_written: Option<(usize, usize)> = None;
        for at in session.iter().copied() {
            if let Some(seen) = self.seen(at) {
                if asks(Guarantee::ReadYourWrites) {
                    self.read_your_writes(at, seen, all_written, &own);
                }
                if asks(Guarantee::MonotonicReads)
                    && let Some((version, operation)) = last_read.filter(|(last, _)| *last != seen)
                {
                    // Through a node of its own, so that both operations are known.
                    let node = self.collect(None, version, Guarantee::MonotonicReads, operation);
                    self.edge(node, seen, Guarantee::MonotonicReads, Some(at));
                }
                last_read = Some((seen, at));
            }
            let written = self.written(at);
            if let Some(written) = written {
                if asks(Guarantee::WritesFollowReads) {
                    let own_read = self.seen(at);
                    let read = match own_read {
                        Some(seen) => {
                            Some(self.collect(all_read, seen, Guarantee::WritesFollowReads, at))
                        }
                        None => all_read,
                    };
                    if let Some(read) = read {
                        self.edge(read, written, Guarantee::WritesFollowReads, Some(at));
                    }
                }
                if asks(Guarantee::MonotonicWrites)
                    && let Some((version, operation)) = last_written
                {
                    let node = self.collect(None, version, Guarantee::MonotonicWrites, operation);
                    self.edge(node, written, Guarantee::MonotonicWrites, Some(at));
                }
                last_written = Some((written, at));
                if asks(Guarantee::ReadYourWrites) {
                    own.push((written, at, all_written));
                    let node = self.collect(all_written, written, Guarantee::ReadYourWrites, at);
                    all_written = Some(node);
                }
            }
            if let Some(seen) = self.seen(at)
                && asks(Guarantee::WritesFollowReads)
            {
                all_read = Some(self.collect(all_read, seen, Guarantee::WritesFollowReads, at));
            }
        }
    }

    /// A read of an own write needs the others before it, but not itself.
    fn read_your_writes(
        &mut self,
        at: usize,
        seen: usize,
        all_written: Option<usize>,
        own: &[(usize, usize, Option<usize>)],
    ) {
        let guarantee = Guarantee::ReadYourWrites;
        let Some(rank) = own.iter().rposition(|(written, ..)| *written == seen) else {
            if let Some(all) = all_written {
                self.edge(all, seen, guarantee, Some(at));
            }
            return;
        };
        if let Some(before) = own[rank].2 {
            self.edge(before, seen, guarantee, Some(at));
        }
        for (written, operation, _) in &own[rank + 1..] {
            let node = self.collect(None, *written, guarantee, *operation);
            self.edge(node, seen, guarantee, Some(at));
        }
    }

    /// A cycle among the demands, as short as one through its first node can be.
    fn cycle(&self) -> Option<Vec<Demand>> {
        let mut out: Vec<Vec<usize>> = vec![Vec::new(); self.values.len()];
        for (at, edge) in self.edges.iter().enumerate() {
            out[edge.from].push(at);
        }
        let start = self.on_a_cycle(&out)?;
        let mut through: Vec<Option<usize>> = vec![None; self.values.len()];
        let mut queue = VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            for at in &out[node] {
                let to = self.edges[*at].to;
                if through[to].is_none() {
                    through[to] = Some(*at);
                    queue.push_back(to);
                }
            }
        }
        let mut steps = Vec::new();
        let mut node = start;
        while steps.is_empty() || node != start {
            let at = through[node]?;
            steps.push(self.edges[at]);
            node = self.edges[at].from;
        }
        steps.reverse();
        Some(self.demands(&steps))
    }

    /// A version on a cycle, if there is one: takes away whatever has no predecessor left.
    fn on_a_cycle(&self, out: &[Vec<usize>]) -> Option<usize> {
        let count = self.values.len();
        let mut waits = vec![0_u32; count];
        for edge in &self.edges {
            waits[edge.to] += 1;
        }
        let mut ready: Vec<usize> = (0..count).filter(|node| waits[*node] == 0).collect();
        let mut left = count;
        while let Some(node) = ready.pop() {
            left -= 1;
            for at in &out[node] {
                let to = self.edges[*at].to;
                waits[to] -= 1;
                if waits[to] == 0 {
                    ready.push(to);
                }
            }
        }
        if left == 0 {
            return None;
        }
        // Walking back among the rest must come round.
        let mut back: Vec<Option<usize>> = vec![None; count];
        for edge in self.edges.iter().filter(|it| waits[it.from] > 0 && waits[it.to] > 0) {
            back[edge.to] = Some(edge.from);
        }
        let mut seen = vec![false; count];
        let mut node = (0..count).find(|node| waits[*node] > 0)?;
        while !std::mem::replace(&mut seen[node], true) {
            node = back[node]?;
        }
        while self.values[node].is_none() {
            node = back[node]?;
        }
        Some(node)
    }

    /// The edges between one version and the next as one demand.
    fn demands(&self, steps: &[Edge]) -> Vec<Demand> {
        let mut demands = Vec::new();
        let (mut first, mut earlier) = (None, None);
        for edge in steps {
            first = first.or(edge.operation);
            earlier = earlier.or(self.values[edge.from]);
            let Some(later) = self.values[edge.to] else { continue };
            if edge.operation.is_none() {
                (first, earlier) = (None, None); // absence comes before all: nobody asks that
            } else if let Some(second) = edge.operation {
                let first = first.take().unwrap_or(second);
                let earlier = earlier.take().unwrap_or(later);
                let guarantee = edge.guarantee;
                demands.push(Demand { guarantee, first, second, earlier, later });
            }
        }
        demands
    }
}

/// Decides a history and tells the evidence.
#[must_use]
pub fn judge(
    document: &Document<CellAction>,
    guarantees: &[Guarantee],
    speech: &CellSpeech<'_>,
    patience: &Patience,
) -> Judgement {
    let history = &document.operations;
    let start = Instant::now();
    let verdict = match check_within(history, guarantees, patience) {
        Ok(verdict) => verdict,
        Err(shortage) => return Judgement::given_up(history, start.elapsed(), shortage),
    };
    let elapsed = start.elapsed();
    let name = |at: usize| {
        let operation = &history[at];
        let action = speech.action(operation);
        format!("{action} by process {} (line {})", operation.process, operation.index)
    };
    let finding = match verdict {
        Verdict::Legal => Finding::Legal(Vec::new()),
        Verdict::Ambiguous(first, second) => Finding::Undecided {
            reason: format!(
                "{} and {} write the same value; this level needs distinct values",
                name(first),
                name(second)
            ),
        },
        Verdict::Invented(at) => {
            let summary = format!("{} saw what nobody had begun to write", name(at));
            illegal(document, speech, vec![at], summary.clone() + ".\n", summary)
        }
        Verdict::Cycle(demands) => {
            let mut prose = String::new();
            for demand in &demands {
                let show = |value: CellValue| speech.state(&value);
                let (earlier, later) = (show(demand.earlier), show(demand.later));
                let guarantee = demand.guarantee.name();
                let second = name(demand.second);
                let _ = if demand.first == demand.second {
                    writeln!(
                        prose,
                        "{second} saw {earlier} first, so {later} is later ({guarantee})."
                    )
                } else {
                    let first = name(demand.first);
                    writeln!(
                        prose,
                        "{first} came before {second}, so {later} is not older than {earlier} \
                         ({guarantee})."
                    )
                };
            }
            prose.push_str("No order of the values has all of that.\n");
            let mut positions: Vec<usize> =
                demands.iter().flat_map(|demand| [demand.first, demand.second]).collect();
            positions.sort_by_key(|at| history[*at].invoked);
            positions.dedup();
            let mut names: Vec<&str> = demands.iter().map(|it| it.guarantee.name()).collect();
            names.sort_unstable();
            names.dedup();
            let key = speech.key(&history[positions[0]].action.key);
            let summary = format!("key {key}: no order of the values has {}", names.join(" and "));
            illegal(document, speech, positions, prose, summary)
        }
    };
    let unknown = history.iter().filter(|operation| !operation.is_known()).count();
    Judgement { finding, operations: history.len(), unknown, elapsed, cost: Cost::default() }
}

fn illegal(
    document: &Document<CellAction>,
    speech: &CellSpeech<'_>,
    positions: Vec<usize>,
    prose: String,
    summary: String,
) -> Finding {
    let part: Vec<_> = positions.iter().map(|at| document.operations[*at].clone()).collect();
    let labels: Vec<String> = part.iter().map(|operation| speech.action(operation)).collect();
    let failing = part.len() - 1;
    let picture = draw(&part, &labels, failing, &document.faults);
    Finding::Illegal {
        key: speech.key(&part[failing].action.key),
        first_line: part[failing].index,
        counterexample: Counterexample { positions, cut: u64::MAX },
        listing: list(&part, speech),
        explanation: Explanation { summary, prose, picture },
    }
}
