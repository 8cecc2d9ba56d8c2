//! Names what is wrong when no serial order exists: the worst class of cycle, and a shortest cycle
//! of that class.
//!
//! Only what lies on a cycle, or between two, is looked at: what has no predecessor left was
//! executed already, what has no successor left is taken away here, and the rest falls apart into
//! strongly connected components (Tarjan 1972). Real time is a chain with one node for each return:
//! a transaction leads to its return, that to the next return, and each to the transactions that
//! were invoked before the next one. Within a component a breadth-first search for each class, with
//! the edges that the class allows, finds a shortest cycle (Elle, section 6).

use std::collections::VecDeque;

use super::anomaly::{Anomaly, AnomalyClass, Dependency, Reason};
use super::order::Clock;
use super::versions::{INNER, NOBODY, Versions, number};
use super::{Action, NEVER, RealTime, Transactions};

/// Edges that one class may look at. Beyond that the shortest cycle so far is taken: with so many
/// transactions in one component any cycle is evidence enough.
const EDGES_PER_CLASS: u64 = 1 << 22;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    WriteWrite,
    WriteRead,
    ReadWrite,
    /// From a transaction to its return, or on from a return.
    Time,
}

#[derive(Clone, Copy, Debug)]
struct Edge {
    to: u32,
    /// The version that the first of the two wrote or read.
    version: u32,
    kind: Kind,
}

/// What a class of cycle is made of.
#[derive(Clone, Copy)]
struct Pattern {
    reads: bool,
    anti_dependencies: AntiDependencies,
    time: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum AntiDependencies {
    None,
    One,
    Any,
}

/// The worst first.
const PATTERNS: [Pattern; 8] = {
    use AntiDependencies::{Any, None, One};
    const fn pattern(reads: bool, anti_dependencies: AntiDependencies, time: bool) -> Pattern {
        Pattern { reads, anti_dependencies, time }
    }
    [
        pattern(false, None, false),
        pattern(true, None, false),
        pattern(true, One, false),
        pattern(true, Any, false),
        pattern(false, None, true),
        pattern(true, None, true),
        pattern(true, One, true),
        pattern(true, Any, true),
    ]
};

/// The worst anomaly among those that were not executed.
pub(super) fn worst(
    transactions: &Transactions,
    versions: &Versions,
    done: &[bool],
    real_time: RealTime,
) -> Anomaly {
    let core = core(transactions, versions, done, real_time);
    let graph = Graph::of(transactions, versions, core, real_time);
    let components = graph.components();
    let patterns = PATTERNS.iter().filter(|it| !it.time || real_time == RealTime::Respected);
    let mut search = Search::new(&graph, &components);
    let cycle = patterns
        .into_iter()
        .find_map(|pattern| search.shortest(*pattern))
        .expect("what cannot be executed lies behind a cycle");
    classify(transactions, versions, &graph, &cycle)
}

/// Calls `visit` for each edge that leads away from a transaction.
fn successors(
    transactions: &Transactions,
    versions: &Versions,
    owner: u32,
    mut visit: impl FnMut(u32, Kind, u32),
) {
    // What follows a marker was written after what stands before it.
    let is_marker = transactions.is_marker(owner);
    let to_reader = if is_marker { Kind::WriteWrite } else { Kind::WriteRead };
    for position in transactions.range(owner as usize) {
        let place = versions.place[position];
        if place == INNER {
            continue;
        }
        let next = versions.next_installer(place, owner);
        match transactions.accesses[position].action {
            Action::Read => {
                if let Some(next) = next {
                    visit(next, Kind::ReadWrite, place);
                }
            }
            Action::Write => {
                if let Some(next) = next {
                    visit(next, Kind::WriteWrite, place);
                }
                let readers = versions.readers(place).iter().filter(|it| **it != owner);
                readers.for_each(|reader| visit(*reader, to_reader, place));
            }
        }
    }
}

/// Calls `visit` for each transaction from which an edge leads here, once for each edge.
fn predecessors(
    transactions: &Transactions,
    versions: &Versions,
    owner: u32,
    mut visit: impl FnMut(u32),
) {
    for position in transactions.range(owner as usize) {
        let place = versions.place[position];
        if place == INNER {
            continue;
        }
        let installer = |version: u32| versions.installer[version as usize];
        let other = |it: &u32| *it != NOBODY && *it != owner;
        match transactions.accesses[position].action {
            Action::Read => Some(installer(place)).filter(other).into_iter().for_each(&mut visit),
            Action::Write if installer(place - 1) == owner => {}
            Action::Write => {
                Some(installer(place - 1)).filter(other).into_iter().for_each(&mut visit);
                let readers = versions.readers(place - 1).iter().copied().filter(other);
                readers.for_each(&mut visit);
            }
        }
    }
}

/// Those not executed from which a cycle can be reached: takes away, again and again, whatever has
/// no successor left.
fn core(
    transactions: &Transactions,
    versions: &Versions,
    done: &[bool],
    real_time: RealTime,
) -> Vec<u32> {
    let list = transactions.list();
    let mut gone: Vec<bool> = done.to_vec();
    let mut waits = vec![0_u32; done.len()];
    let mut ready = Vec::new();
    for at in (0..number(done.len())).filter(|at| !done[*at as usize]) {
        successors(transactions, versions, at, |to, _, _| {
            waits[at as usize] += u32::from(!done[to as usize]);
        });
        if real_time == RealTime::Respected && list[at as usize].returned != NEVER {
            waits[at as usize] += 1; // for all that were invoked after it
        }
        if waits[at as usize] == 0 {
            ready.push(at);
        }
    }
    let clock = match real_time {
        RealTime::Ignored => Clock { by_invocation: Vec::new(), by_return: Vec::new() },
        RealTime::Respected => Clock::of(transactions, |at| !done[at as usize]),
    };
    let (mut by_invocation, mut by_return) = (clock.by_invocation, clock.by_return);
    loop {
        while by_invocation.last().is_some_and(|at| gone[*at as usize]) {
            by_invocation.pop();
        }
        let horizon = by_invocation.last().map_or(0, |at| list[*at as usize].invoked);
        while let Some(at) = by_return.pop_if(|at| list[*at as usize].returned >= horizon) {
            waits[at as usize] -= 1;
            if waits[at as usize] == 0 {
                ready.push(at);
            }
        }
        let Some(at) = ready.pop() else { break };
        gone[at as usize] = true;
        predecessors(transactions, versions, at, |from| {
            if !gone[from as usize] {
                waits[from as usize] -= 1;
                if waits[from as usize] == 0 {
                    ready.push(from);
                }
            }
        });
    }
    (0..number(gone.len())).filter(|at| !gone[*at as usize]).collect()
}

/// The edges among few transactions. Nodes below `members.len()` are these, the others returns.
struct Graph {
    members: Vec<u32>,
    starts: Vec<u32>,
    edges: Vec<Edge>,
}

impl Graph {
    fn of(
        transactions: &Transactions,
        versions: &Versions,
        members: Vec<u32>,
        real_time: RealTime,
    ) -> Self {
        let node = |at: u32| members.binary_search(&at).ok().map(number);
        let list = transactions.list();
        let mut out: Vec<(u32, Edge)> = Vec::new();
        for (from, at) in members.iter().enumerate() {
            successors(transactions, versions, *at, |to, kind, version| {
                out.extend(node(to).map(|to| (number(from), Edge { to, version, kind })));
            });
        }
        let mut nodes = members.len();
        if real_time == RealTime::Respected {
            let clock = Clock::of(transactions, |at| node(at).is_some());
            let time = |to| Edge { to, version: 0, kind: Kind::Time };
            let first_return = number(nodes);
            nodes += clock.by_return.len();
            for (rank, at) in clock.by_return.iter().enumerate() {
                let barrier = first_return + number(rank);
                out.extend(node(*at).map(|from| (from, time(barrier))));
                if rank > 0 {
                    out.push((barrier - 1, time(barrier)));
                }
            }
            for at in &clock.by_invocation {
                let invoked = list[*at as usize].invoked;
                let before = clock
                    .by_return
                    .partition_point(|earlier| list[*earlier as usize].returned < invoked);
                if before > 0 {
                    let barrier = first_return + number(before) - 1;
                    out.extend(node(*at).map(|to| (barrier, time(to))));
                }
            }
        }
        out.sort_by_key(|(from, _)| *from);
        let mut starts = vec![0_u32; nodes + 1];
        for (from, _) in &out {
            starts[*from as usize + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        Self { members, starts, edges: out.into_iter().map(|(_, edge)| edge).collect() }
    }

    fn nodes(&self) -> usize {
        self.starts.len() - 1
    }

    fn is_return(&self, node: u32) -> bool {
        node as usize >= self.members.len()
    }

    /// The edges from a node, with their positions.
    fn from(&self, node: u32) -> std::ops::Range<usize> {
        self.starts[node as usize] as usize..self.starts[node as usize + 1] as usize
    }

    /// The number of each node's component (Tarjan 1972, without recursion).
    fn components(&self) -> Vec<u32> {
        const UNSEEN: u32 = u32::MAX;
        let count = self.nodes();
        let mut component = vec![UNSEEN; count];
        let mut index = vec![UNSEEN; count];
        let mut low = vec![0_u32; count];
        let mut next_edge: Vec<usize> = vec![0; count];
        let (mut open, mut path): (Vec<u32>, Vec<u32>) = (Vec::new(), Vec::new());
        let (mut seen, mut found) = (0, 0);
        for root in 0..number(count) {
            if index[root as usize] != UNSEEN {
                continue;
            }
            path.push(root);
            while let Some(node) = path.last().copied() {
                let at = node as usize;
                if index[at] == UNSEEN {
                    index[at] = seen;
                    low[at] = seen;
                    seen += 1;
                    open.push(node);
                    next_edge[at] = self.from(node).start;
                }
                if let Some(edge) = self.edges[..self.from(node).end].get(next_edge[at]) {
                    let to = edge.to as usize;
                    if index[to] == UNSEEN {
                        path.push(edge.to);
                        continue; // comes back to this edge
                    }
                    if component[to] == UNSEEN {
                        low[at] = low[at].min(low[to]);
                    }
                    next_edge[at] += 1;
                    continue;
                }
                path.pop();
                if low[at] == index[at] {
                    while let Some(member) = open.pop() {
                        component[member as usize] = found;
                        if member == node {
                            break;
                        }
                    }
                    found += 1;
                }
            }
        }
        component
    }
}

/// A step of a cycle: the position of the edge, and the node that it leaves.
type Step = (u32, usize);

/// Looks for shortest cycles.
struct Search<'a> {
    graph: &'a Graph,
    components: &'a [u32],
    /// In which round a node was reached.
    reached: Vec<u32>,
    /// How.
    through: Vec<Step>,
    round: u32,
}

impl<'a> Search<'a> {
    fn new(graph: &'a Graph, components: &'a [u32]) -> Self {
        let nodes = graph.nodes();
        Self { graph, components, reached: vec![0; nodes], through: vec![(0, 0); nodes], round: 0 }
    }

    /// A shortest cycle of that pattern.
    fn shortest(&mut self, pattern: Pattern) -> Option<Vec<Step>> {
        let mut best: Option<Vec<Step>> = None;
        let mut looked = 0;
        for start in 0..number(self.graph.members.len()) {
            let shorter_than = best.as_ref().map_or(usize::MAX, |cycle| self.length(cycle));
            if shorter_than <= 2 || (looked > EDGES_PER_CLASS && best.is_some()) {
                break;
            }
            if let Some(cycle) = self.shortest_at(start, pattern, &mut looked)
                && self.length(&cycle) < shorter_than
            {
                best = Some(cycle);
            }
        }
        best
    }

    /// How many transactions are on the cycle.
    fn length(&self, cycle: &[Step]) -> usize {
        cycle.iter().filter(|(from, _)| !self.graph.is_return(*from)).count()
    }

    /// A shortest one that begins at `start`, with its anti-dependency if it has to have one.
    fn shortest_at(&mut self, start: u32, pattern: Pattern, looked: &mut u64) -> Option<Vec<Step>> {
        self.round += 1;
        // Steps to a return or from return to return cost nothing: near ones go to the front.
        let mut queue = VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            for at in self.graph.from(node) {
                let edge = self.graph.edges[at];
                *looked += 1;
                let first = node == start;
                let allowed = match edge.kind {
                    Kind::Time => pattern.time,
                    Kind::WriteWrite => true,
                    Kind::WriteRead => pattern.reads,
                    Kind::ReadWrite if first => true,
                    Kind::ReadWrite => pattern.anti_dependencies == AntiDependencies::Any,
                };
                let begins_right = !first
                    || (edge.kind == Kind::ReadWrite)
                        == (pattern.anti_dependencies != AntiDependencies::None);
                let together = self.components[edge.to as usize] == self.components[node as usize];
                if !allowed || !begins_right || !together {
                    continue;
                }
                if edge.to == start {
                    return Some(self.path(start, (node, at)));
                }
                if self.reached[edge.to as usize] != self.round {
                    self.reached[edge.to as usize] = self.round;
                    self.through[edge.to as usize] = (node, at);
                    if self.graph.is_return(edge.to) {
                        queue.push_front(edge.to);
                    } else {
                        queue.push_back(edge.to);
                    }
                }
            }
        }
        None
    }

    /// The steps from `start` round to `last`.
    fn path(&self, start: u32, last: Step) -> Vec<Step> {
        let mut steps = vec![last];
        let mut node = last.0;
        while node != start {
            let step = self.through[node as usize];
            steps.push(step);
            node = step.0;
        }
        steps.reverse();
        steps
    }
}

/// The cycle in terms of transactions, and its class.
fn classify(
    transactions: &Transactions,
    versions: &Versions,
    graph: &Graph,
    cycle: &[Step],
) -> Anomaly {
    let mut evidence: Vec<Dependency> = Vec::new();
    let mut kinds = Vec::new();
    let is_start = |(node, _): &Step| {
        !graph.is_return(*node) && !transactions.is_marker(graph.members[*node as usize])
    };
    let start = cycle.iter().position(is_start).expect("markers do not follow each other");
    let mut from = graph.members[cycle[start].0 as usize];
    for (_, at) in cycle[start..].iter().chain(&cycle[..start]) {
        let Edge { to, version, kind } = graph.edges[*at];
        if graph.is_return(to) {
            continue;
        }
        let to = graph.members[to as usize];
        if transactions.is_marker(from) {
            // The edge to the marker said it all; it leads on to here.
            let to_marker = evidence.last_mut().expect("a cycle does not start at a marker");
            to_marker.to = to;
            from = to;
            continue;
        }
        let known = |number| (versions.key_of(version, transactions, from), number);
        let reason = match kind {
            Kind::Time => Reason::RealTime,
            Kind::WriteWrite => {
                let (key, version) = known(versions.number(version));
                Reason::WriteWrite { key, version }
            }
            Kind::WriteRead => {
                let (key, version) = known(versions.number(version));
                Reason::WriteRead { key, version }
            }
            Kind::ReadWrite => {
                let (key, version) = known(versions.number(version));
                Reason::ReadWrite { key, version }
            }
        };
        kinds.push(kind);
        evidence.push(Dependency { from, to, reason });
        from = to;
    }
    let count = |wanted| kinds.iter().filter(|kind| **kind == wanted).count();
    let class = match (count(Kind::ReadWrite), count(Kind::WriteRead), count(Kind::Time)) {
        (0, 0, 0) => AnomalyClass::G0,
        (0, 1.., 0) => AnomalyClass::G1c,
        (1, _, 0) if is_lost_update(transactions, &evidence) => AnomalyClass::LostUpdate,
        (1, _, 0) => AnomalyClass::GSingle,
        (2.., _, 0) => AnomalyClass::G2,
        (0, 0, 1..) => AnomalyClass::G0RealTime,
        (0, 1.., 1..) => AnomalyClass::G1cRealTime,
        (1, _, 1..) => AnomalyClass::GSingleRealTime,
        (2.., _, 1..) => AnomalyClass::G2RealTime,
    };
    Anomaly { class, evidence }
}

/// Whether two transactions read one version of a key and both wrote the key afterwards.
fn is_lost_update(transactions: &Transactions, evidence: &[Dependency]) -> bool {
    let [first, second] = evidence else { return false };
    let (Reason::ReadWrite { key, version }, Reason::WriteWrite { key: again, .. }) =
        (first.reason, second.reason)
    else {
        return false;
    };
    let reads = |at: u32| {
        let mut accesses = transactions.accesses(at as usize).iter();
        accesses.any(|it| it.action == Action::Read && (it.key, it.version) == (key, version))
    };
    key == again && reads(first.to)
}
