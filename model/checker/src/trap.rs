//! Liveness as the absence of traps: from every state, with every message lost, a good state stays
//! reachable.
//!
//! Stateright's `eventually` misses violations that end in a cycle, so this is a search of its own:
//! explore forward, keep every edge, then walk backward from the good states. A bound is not a
//! trap: the world has a term and a command in *reserve*, and only states that have not touched the
//! reserve are judged. Each is judged with all messages in flight removed, or a network that never
//! forgets would forgive a protocol that never repeats itself.
//!
//! Source: AG EF of CTL (Clarke & Emerson 1981), by reverse reachability.

use crate::narrate::narrate;
use crate::protocol::Protocol;
use crate::search::{Progress, Report, Verdict};
use crate::world::{Action, State, World};
use rustc_hash::FxHashMap;
use stateright::Model;
use std::time::{Duration, Instant};

/// What to look for.
pub struct Goal<P: Protocol> {
    /// The property, by name.
    pub name: &'static str,
    /// Whether a state is good.
    pub reached: fn(&World<P>, &State) -> bool,
    /// Whether a state is within the bounds proper, and so must be able to reach a good one.
    pub judged: fn(&World<P>, &State) -> bool,
}

/// How often progress is reported.
const REPORT_EVERY: Duration = Duration::from_millis(500);

/// The explored graph.
struct Graph {
    states: Vec<State>,
    /// Where each state was first reached from.
    parents: Vec<Option<(u32, Action)>>,
    /// `(to, from)`.
    edges: Vec<(u32, u32)>,
    good: Vec<u32>,
    judged: Vec<u32>,
    depth: usize,
}

/// Looks for a trap.
pub fn check<P: Protocol>(
    name: &str,
    world: &World<P>,
    goal: &Goal<P>,
    time_limit: Option<Duration>,
    progress: &mut dyn FnMut(Progress),
) -> Report {
    let started = Instant::now();
    let (graph, complete) = explore(world, goal, time_limit, progress);
    let verdict = if complete { judge(name, world, goal, &graph) } else { Verdict::Incomplete };
    Report {
        states: graph.states.len(),
        transitions: graph.edges.len(),
        depth: graph.depth,
        elapsed: started.elapsed(),
        verdict,
        coverage: vec![
            ("states judged with every message lost", graph.judged.len() as u64),
            ("states that touch the reserve, not judged", untouched(world, goal, &graph)),
            ("good states", graph.good.len() as u64),
        ],
    }
}

fn untouched<P: Protocol>(world: &World<P>, goal: &Goal<P>, graph: &Graph) -> u64 {
    graph.states.iter().filter(|state| !(goal.judged)(world, state)).count() as u64
}

/// Explores breadth first, one state of each that differ only in names.
fn explore<P: Protocol>(
    world: &World<P>,
    goal: &Goal<P>,
    time_limit: Option<Duration>,
    progress: &mut dyn FnMut(Progress),
) -> (Graph, bool) {
    let mut graph = Graph {
        states: world.init_states(),
        parents: vec![None],
        edges: Vec::new(),
        good: Vec::new(),
        judged: Vec::new(),
        depth: 0,
    };
    let mut numbers: FxHashMap<State, u32> = FxHashMap::default();
    numbers.insert(graph.states[0].clone(), 0);
    let (started, mut reported) = (Instant::now(), Instant::now());
    let mut level_end = 1;
    let mut actions = Vec::new();
    let mut from = 0;
    while from < graph.states.len() {
        if from == level_end {
            graph.depth += 1;
            level_end = graph.states.len();
        }
        if reported.elapsed() > REPORT_EVERY {
            reported = Instant::now();
            progress(Progress { states: graph.states.len(), depth: graph.depth });
        }
        if time_limit.is_some_and(|limit| started.elapsed() > limit) {
            return (graph, false);
        }
        let state = graph.states[from].clone();
        let number = u32::try_from(from).expect("fewer than 2^32 states");
        if (goal.reached)(world, &state) {
            graph.good.push(number);
        }
        actions.clear();
        world.actions(&state, &mut actions);
        if (goal.judged)(world, &state) {
            if world.network_of(&state).next().is_none() {
                graph.judged.push(number);
            } else {
                actions.push(Action::LoseAll);
            }
        }
        for action in actions.drain(..) {
            let Some(next) = world.next_state(&state, action.clone()) else { continue };
            let fresh = u32::try_from(graph.states.len()).expect("fewer than 2^32 states");
            let to = *numbers.entry(next.clone()).or_insert(fresh);
            if to == fresh {
                graph.states.push(next);
                graph.parents.push(Some((number, action)));
            }
            graph.edges.push((to, number));
        }
        from += 1;
    }
    (graph, true)
}

/// Walks backward from the good states: what is not met is a trap.
fn judge<P: Protocol>(name: &str, world: &World<P>, goal: &Goal<P>, graph: &Graph) -> Verdict {
    let mut edges = graph.edges.clone();
    edges.sort_unstable();
    let into = |to: u32| {
        let first = edges.partition_point(|edge| edge.0 < to);
        edges[first..].iter().take_while(move |edge| edge.0 == to).map(|edge| edge.1)
    };
    let mut can_reach = vec![false; graph.states.len()];
    let mut open = graph.good.clone();
    for &state in &open {
        can_reach[state as usize] = true;
    }
    while let Some(to) = open.pop() {
        for from in into(to) {
            if !std::mem::replace(&mut can_reach[from as usize], true) {
                open.push(from);
            }
        }
    }
    if graph.good.is_empty() {
        return Verdict::Vacuous { missing: vec![goal.name] };
    }
    // States are numbered in the order of their distance: the first trap is a nearest one.
    match graph.judged.iter().find(|&&state| !can_reach[state as usize]) {
        None => Verdict::Holds,
        Some(&trap) => {
            let trace = narrate(world, name, goal.name, &path_to(graph, trap));
            Verdict::Violated { property: goal.name, trace }
        }
    }
}

fn path_to(graph: &Graph, mut state: u32) -> Vec<Action> {
    let mut actions = Vec::new();
    while let Some((parent, action)) = &graph.parents[state as usize] {
        actions.push(action.clone());
        state = *parent;
    }
    actions.reverse();
    actions
}
