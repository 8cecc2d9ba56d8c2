//! Liveness as the absence of traps: from every state, with every message lost, a good state stays
//! reachable.
//!
//! Stateright's `eventually` misses violations that end in a cycle, so this is a search of its own:
//! explore forward, keep every edge, then walk backward from the good states. A bound is not a
//! trap: the world has a term and a command in *reserve*, and only states that have not touched the
//! reserve are judged. Each is judged with all messages in flight removed, or a network that never
//! forgets would forgive a protocol that never repeats itself.
//!
//! That a good state *can* be reached needs one way to reach it. Most judged states are settled by
//! trying a few fair schedules; only those that no schedule saves are explored exhaustively, and
//! only that search may call one a trap.
//!
//! Source: AG EF of CTL (Clarke & Emerson 1981), by reverse reachability.

use crate::narrate::narrate;
use crate::protocol::Protocol;
use crate::search::{Progress, Report, Verdict, cpu_since, cpu_time};
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

/// An explored graph.
#[derive(Default)]
struct Graph {
    states: Vec<State>,
    /// Where each state was first reached from.
    parents: Vec<Option<(u32, Action)>>,
    /// `(to, from)`.
    edges: Vec<(u32, u32)>,
    depth: usize,
    /// Whether the time sufficed.
    complete: bool,
}

/// Looks for a trap.
pub fn check<P: Protocol>(
    name: &str,
    world: &World<P>,
    goal: &Goal<P>,
    time_limit: Option<Duration>,
    progress: &mut dyn FnMut(Progress),
) -> Report {
    let (started, before) = (Instant::now(), cpu_time());
    let deadline = time_limit.and_then(|limit| started.checked_add(limit));
    // First what the bounds proper reach, then what follows once every message was lost.
    let within = |state: &State| (goal.judged)(world, state);
    let bounded = explore(world, world.init_states(), &within, deadline, progress);
    let mut cleared: FxHashMap<State, u32> = FxHashMap::default();
    for (number, state) in (0..).zip(&bounded.states) {
        let silent = world.without_messages(state).unwrap_or_else(|| state.clone());
        cleared.entry(world.representative(&silent).0).or_insert(number);
    }
    let mut judged: Vec<(u32, State)> =
        cleared.into_iter().map(|(state, number)| (number, state)).collect();
    judged.sort_unstable_by_key(|(number, _)| *number);
    let count = judged.len();
    judged.retain(|(_, state)| !is_saved_by_a_schedule(world, goal, state));
    let starts = judged.iter().map(|(_, state)| state.clone()).collect();
    let future = explore(world, starts, &|_| true, deadline, progress);
    let verdict = if bounded.complete && future.complete {
        judge(name, world, goal, &bounded, &judged, &future)
    } else {
        Verdict::Incomplete
    };
    let reserve = future.states.iter().filter(|state| !within(state)).count();
    let good = future.states.iter().filter(|state| (goal.reached)(world, state)).count();
    Report {
        states: bounded.states.len() + future.states.len(),
        transitions: bounded.edges.len() + future.edges.len(),
        depth: bounded.depth.max(future.depth),
        elapsed: started.elapsed(),
        cpu: cpu_since(before),
        verdict,
        coverage: vec![
            ("states within the bounds", bounded.states.len() as u64),
            ("of these judged, every message lost", count as u64),
            ("judged states that no fair schedule saves", judged.len() as u64),
            ("states explored from those", future.states.len() as u64),
            ("of these reached by the reserve alone, not judged", reserve as u64),
            ("of these good", good as u64),
        ],
        bytes_max: None,
        collision_odds: None,
    }
}

/// Rounds of a schedule, and deliveries in a round: ample for an election and a few appends among
/// five nodes, and a schedule that needs more only costs time.
const ROUNDS_MAX: usize = 16;
const DELIVERIES_MAX: usize = 400;

/// Whether one of a few schedules leads from `state` to a good state: deliver all there is, let
/// clients ask, and let time pass for one chosen node.
fn is_saved_by_a_schedule<P: Protocol>(world: &World<P>, goal: &Goal<P>, state: &State) -> bool {
    (0..world.protocol().nodes()).any(|chosen| {
        let mut state = state.clone();
        (0..ROUNDS_MAX).any(|_| {
            let asks = |action: &Action| matches!(action, Action::Ask(..));
            let passes = |action: &Action| matches!(action, Action::Fire(id, _) if *id == chosen);
            deliver_all(world, &mut state);
            let _ = take_one(world, &mut state, &asks)
                || take_one(world, &mut state, &passes)
                || take_one(world, &mut state, &|action| matches!(action, Action::Pass(_)));
            deliver_all(world, &mut state);
            (goal.reached)(world, &state)
        })
    })
}

fn deliver_all<P: Protocol>(world: &World<P>, state: &mut State) {
    let arrives = |action: &Action| {
        matches!(action, Action::Deliver { .. } | Action::Hear { .. } | Action::Persist(_))
    };
    for _ in 0..DELIVERIES_MAX {
        if !take_one(world, state, &arrives) {
            return;
        }
    }
}

/// Takes the first action of a kind that changes the state.
fn take_one<P: Protocol>(
    world: &World<P>,
    state: &mut State,
    kind: &dyn Fn(&Action) -> bool,
) -> bool {
    let mut actions = Vec::new();
    world.actions(state, &mut actions);
    let mut next = actions.iter().filter(|it| kind(it)).map(|it| world.successor(state, it));
    let Some(next) = next.find_map(|next| next) else { return false };
    *state = next;
    true
}

/// Explores breadth first, one state of each that differ only in names.
fn explore<P: Protocol>(
    world: &World<P>,
    starts: Vec<State>,
    within: &dyn Fn(&State) -> bool,
    deadline: Option<Instant>,
    progress: &mut dyn FnMut(Progress),
) -> Graph {
    let mut numbers: FxHashMap<State, u32> = FxHashMap::default();
    let mut graph = Graph { parents: vec![None; starts.len()], ..Graph::default() };
    numbers.extend(starts.iter().cloned().zip(0..));
    graph.states = starts;
    let mut reported = Instant::now();
    let mut level_end = graph.states.len();
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
        if deadline.is_some_and(|deadline| Instant::now() > deadline) {
            return graph;
        }
        let state = graph.states[from].clone();
        let number = u32::try_from(from).expect("fewer than 2^32 states");
        world.actions(&state, &mut actions);
        for action in actions.drain(..) {
            let next = world.next_state(&state, action.clone());
            let Some(next) = next.filter(|it| within(it)) else { continue };
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
    graph.complete = true;
    graph
}

/// Walks backward from the good states: a judged state that is not met is a trap.
fn judge<P: Protocol>(
    name: &str,
    world: &World<P>,
    goal: &Goal<P>,
    bounded: &Graph,
    judged: &[(u32, State)],
    future: &Graph,
) -> Verdict {
    let mut edges = future.edges.clone();
    edges.sort_unstable();
    let into = |to: u32| {
        let first = edges.partition_point(|edge| edge.0 < to);
        edges[first..].iter().take_while(move |edge| edge.0 == to).map(|edge| edge.1)
    };
    let numbered = (0..).zip(&future.states);
    let good = numbered.filter(|(_, state)| (goal.reached)(world, state));
    let mut open: Vec<u32> = good.map(|(number, _)| number).collect();
    let mut can_reach = vec![false; future.states.len()];
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
    // The judged states come first in `future`, and in the order of their distance.
    let trap = judged.iter().zip(&can_reach).find(|(_, can_reach)| !**can_reach);
    match trap {
        None => Verdict::Holds,
        Some(((before, _), _)) => {
            let mut actions = path_to(bounded, *before);
            actions.push(Action::LoseAll);
            let trace = narrate(world, name, goal.name, &actions);
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
