//! Runs one exploration to its end: progress, verdict, shortest counterexample.

use crate::narrate::narrate;
use crate::protocol::{Kind, Protocol};
use crate::world::{Action, World};
use ringleader_trace::Trace;
use stateright::{Checker, HasDiscoveries, Model};
use std::time::{Duration, Instant};

/// How a search is run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many threads explore.
    pub threads: usize,
    /// Give up after this long.
    pub time_limit: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { threads, time_limit: None }
    }
}

/// Where a search is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Different states so far.
    pub states: usize,
    /// The longest path so far.
    pub depth: usize,
}

/// What a search found.
#[derive(Debug)]
pub struct Report {
    /// Different states, one of each that differ only in names.
    pub states: usize,
    /// Steps between them.
    pub transitions: usize,
    /// The length of the longest shortest path.
    pub depth: usize,
    /// Wall time.
    pub elapsed: Duration,
    /// The outcome.
    pub verdict: Verdict,
    /// How often each kind of action was taken and each mark hit.
    pub coverage: Vec<(&'static str, u64)>,
}

/// How a search ended.
#[derive(Debug)]
pub enum Verdict {
    /// Every state within the bounds was visited; every property holds.
    Holds,
    /// A property fails.
    Violated {
        /// Its name.
        property: &'static str,
        /// A shortest way there.
        trace: Trace,
    },
    /// Every state was visited and nothing fails, but something that should happen never did: the
    /// model does not test what it claims to.
    Vacuous {
        /// What never happened.
        missing: Vec<&'static str>,
    },
    /// The time ran out first.
    Incomplete,
}

/// How often progress is reported.
const REPORT_EVERY: Duration = Duration::from_millis(500);
/// How often the end of a search is looked for.
const POLL_EVERY: Duration = Duration::from_millis(2);

/// Explores a world. `make` makes it, anew for each search that is needed.
///
/// # Panics
///
/// If a step of the machine or a property panics: a bug of ours.
pub fn check<P: Protocol>(
    name: &str,
    make: &dyn Fn() -> World<P>,
    unreachable_marks: &[&str],
    options: Options,
    progress: &mut dyn FnMut(Progress),
) -> Report {
    let started = Instant::now();
    let mut builder =
        make().checker().threads(options.threads).finish_when(HasDiscoveries::AnyFailures);
    if let Some(limit) = options.time_limit {
        builder = builder.timeout(limit);
    }
    let mut checker = builder.spawn_bfs();
    let handles = checker.handles();
    let mut reported = Instant::now();
    while !handles.iter().all(std::thread::JoinHandle::is_finished) {
        std::thread::sleep(POLL_EVERY);
        if reported.elapsed() > REPORT_EVERY {
            reported = Instant::now();
            let (states, depth) = (checker.unique_state_count(), checker.max_depth());
            progress(Progress { states, depth });
        }
    }
    for handle in handles {
        handle.join().expect("no property panics");
    }
    let out_of_time = options.time_limit.is_some_and(|limit| started.elapsed() > limit);
    let world = checker.model();
    let verdict = match first_failure(&checker) {
        Some((property, actions)) => {
            Verdict::Violated { property, trace: shortest(name, make, property, world, &actions) }
        }
        None if out_of_time => Verdict::Incomplete,
        None => judge_vacuity(&checker, unreachable_marks),
    };
    Report {
        states: checker.unique_state_count(),
        transitions: checker.state_count(),
        depth: checker.max_depth(),
        elapsed: started.elapsed(),
        verdict,
        coverage: world.coverage(),
    }
}

/// The shortest counterexample among those that were found.
fn first_failure<P: Protocol>(
    checker: &impl Checker<World<P>>,
) -> Option<(&'static str, Vec<Action>)> {
    let names = checker.model().property_names().iter();
    let always = names.filter(|(_, kind)| *kind == Kind::Always);
    let found = always.filter_map(|&(name, _)| Some((name, checker.discovery(name)?)));
    let paths = found.map(|(name, path)| (name, path.into_actions()));
    paths.min_by_key(|(_, actions)| actions.len())
}

/// Looks for shorter and shorter ways to violate `property`, on one thread with a bound on the
/// length, until there is none: stateright's first counterexample need not be the shortest.
fn shortest<P: Protocol>(
    name: &str,
    make: &dyn Fn() -> World<P>,
    property: &'static str,
    world: &World<P>,
    actions: &[Action],
) -> Trace {
    let mut trace = narrate(world, name, property, actions);
    loop {
        let mut world = make();
        world.retain_property(property);
        // A path of n actions ends at depth n + 1, and states at the target depth are not judged.
        let target = trace.steps.len() + 1;
        let options = world.checker().threads(1).target_max_depth(target);
        let checker = options.finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
        let Some((_, actions)) = first_failure(&checker) else { return trace };
        trace = narrate(checker.model(), name, property, &actions);
    }
}

/// A run in which something that should happen never did has tested nothing about it.
fn judge_vacuity<P: Protocol>(
    checker: &impl Checker<World<P>>,
    unreachable_marks: &[&str],
) -> Verdict {
    let world = checker.model();
    let names = world.property_names().iter();
    let unseen = names
        .filter(|(name, kind)| *kind == Kind::Sometimes && checker.discovery(name).is_none())
        .map(|(name, _)| *name);
    let coverage = world.coverage();
    let untaken = coverage.iter().filter(|(_, count)| *count == 0).map(|(name, _)| *name);
    let untaken = untaken.filter(|name| !unreachable_marks.contains(name));
    let missing: Vec<_> = unseen.chain(untaken).collect();
    if missing.is_empty() { Verdict::Holds } else { Verdict::Vacuous { missing } }
}
