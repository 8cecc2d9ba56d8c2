//! Runs one exploration to its end: progress, verdict, shortest counterexample.
//!
//! By our own engine, or by stateright's: the same models, and the same counts.

use crate::engine::fingerprint::{Width, collision_odds};
use crate::engine::{self, Checkpoint, Ending, Explore, Limits, Settings};
use crate::narrate::narrate;
use crate::protocol::{Kind, Protocol};
use crate::world::{Action, World};
use ringleader_trace::Trace;
use stateright::{Checker, HasDiscoveries, Model};
use std::time::{Duration, Instant};

/// How a search is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who searches.
    pub engine: Engine,
    /// How many threads explore.
    pub threads: usize,
    /// Give up after this long.
    pub time_limit: Option<Duration>,
    /// Give up with so many bytes resident. Our engine alone looks at it, and at what follows.
    pub memory_bytes_max: Option<usize>,
    /// How long fingerprints are.
    pub width: Width,
    /// Whether states that differ only in names are one, where the model says that they are.
    pub symmetry: bool,
    /// A file to go on from, and to write what is needed for that.
    pub checkpoint: Option<Checkpoint>,
}

/// Who searches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// [`crate::engine`]: the first counterexample is a shortest one.
    Own,
    /// Stateright's breadth-first search: the arbiter of counts.
    Stateright,
}

impl Default for Options {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            engine: Engine::Own,
            threads,
            time_limit: None,
            memory_bytes_max: None,
            width: Width::Narrow,
            symmetry: true,
            checkpoint: None,
        }
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
    /// CPU time of the whole process meanwhile, on all threads, where the system tells.
    pub cpu: Option<Duration>,
    /// The outcome.
    pub verdict: Verdict,
    /// How often each kind of action was taken and each mark hit.
    pub coverage: Vec<(&'static str, u64)>,
    /// Most bytes of visited set and waiting states at one time, where that is known.
    pub bytes_max: Option<usize>,
    /// The odds that two states shared a fingerprint, so that one was missed; nothing where whole
    /// states are compared.
    pub collision_odds: Option<f64>,
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
    /// The time or the memory ran out first.
    Incomplete,
    /// The search could not begin or not go on.
    Unusable {
        /// What is wrong with its checkpoint.
        why: String,
    },
}

/// How often progress is reported.
const REPORT_EVERY: Duration = Duration::from_millis(500);
/// How often the end of a search is looked for.
const POLL_EVERY: Duration = Duration::from_millis(2);

/// Explores a world. `make` makes it, anew for each search that is needed.
///
/// A time limit binds stateright only if it searches on several threads.
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
    let before = cpu_time();
    let mut report = match options.engine {
        Engine::Own => by_own_engine(name, &make(), unreachable_marks, options, progress),
        Engine::Stateright => by_stateright(name, make, unreachable_marks, &options, progress),
    };
    report.cpu = cpu_since(before);
    report
}

/// CPU time since `before`.
pub(crate) fn cpu_since(before: Option<Duration>) -> Option<Duration> {
    Some(cpu_time()?.saturating_sub(before?))
}

/// CPU time of this process, all threads, in user mode and in the kernel; where the system tells.
pub(crate) fn cpu_time() -> Option<Duration> {
    /// How Linux counts here, whatever its clock does.
    const TICK: Duration = Duration::from_millis(10);
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is a name in parentheses, and may hold anything. The times are the 14th and
    // the 15th.
    let (_, fields) = text.rsplit_once(')')?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u32>);
    Some(TICK * ticks.sum::<Result<u32, _>>().ok()?)
}

fn by_own_engine<P: Protocol>(
    name: &str,
    world: &World<P>,
    unreachable_marks: &[&str],
    options: Options,
    progress: &mut dyn FnMut(Progress),
) -> Report {
    let Options { threads, time_limit, memory_bytes_max, width, checkpoint, .. } = options;
    let limits = Limits { time: time_limit, memory_bytes: memory_bytes_max };
    let settings = Settings { threads, width, limits, checkpoint };
    let mut show = |it: engine::Progress| {
        progress(Progress { states: whole(it.states), depth: it.depth });
    };
    let outcome = match engine::explore(world, &settings, &mut show) {
        Ok(outcome) => outcome,
        Err(error) => return unusable(&error.to_string()),
    };
    let coverage = Explore::coverage(world, &outcome.coverage);
    let verdict = match outcome.ending {
        Ending::Exhausted => {
            let seen = |bit: usize| outcome.seen & 1 << bit != 0;
            judge_vacuity(world, &seen, &coverage, unreachable_marks)
        }
        Ending::Violated { property, path } => {
            let property = world.property_names()[property].0;
            let actions: Vec<Action> = path.iter().map(|step| world.action_of(step)).collect();
            Verdict::Violated { property, trace: narrate(world, name, property, &actions) }
        }
        Ending::OutOfTime | Ending::OutOfMemory => Verdict::Incomplete,
    };
    Report {
        states: whole(outcome.states),
        transitions: whole(outcome.transitions),
        depth: outcome.depth,
        elapsed: outcome.elapsed,
        cpu: None,
        verdict,
        coverage,
        bytes_max: Some(outcome.bytes_max),
        collision_odds: Some(collision_odds(outcome.states, outcome.width)),
    }
}

/// Counts are kept in 64 bits; nobody visits more states than there are addresses.
fn whole(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn unusable(why: &str) -> Report {
    Report {
        states: 0,
        transitions: 0,
        depth: 0,
        elapsed: Duration::ZERO,
        cpu: None,
        verdict: Verdict::Unusable { why: why.to_owned() },
        coverage: Vec::new(),
        bytes_max: None,
        collision_odds: None,
    }
}

fn by_stateright<P: Protocol>(
    name: &str,
    make: &dyn Fn() -> World<P>,
    unreachable_marks: &[&str],
    options: &Options,
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
        None => {
            let names = world.property_names();
            let seen = |bit: usize| checker.discovery(names[bit].0).is_some();
            judge_vacuity(world, &seen, &world.coverage(), unreachable_marks)
        }
    };
    let states = checker.unique_state_count();
    Report {
        states,
        // It counts the initial states among what it generated.
        transitions: checker.state_count() - world.init_states().len(),
        depth: checker.max_depth(),
        elapsed: started.elapsed(),
        cpu: None,
        verdict,
        coverage: world.coverage(),
        bytes_max: None,
        collision_odds: Some(collision_odds(states as u64, Width::Narrow)),
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
    world: &World<P>,
    seen: &dyn Fn(usize) -> bool,
    coverage: &[(&'static str, u64)],
    unreachable_marks: &[&str],
) -> Verdict {
    let names = world.property_names().iter().enumerate();
    let unseen = names
        .filter(|(bit, (_, kind))| *kind == Kind::Sometimes && !seen(*bit))
        .map(|(_, (name, _))| *name);
    let untaken = coverage.iter().filter(|(_, count)| *count == 0).map(|(name, _)| *name);
    let untaken = untaken.filter(|name| !unreachable_marks.contains(name));
    let missing: Vec<_> = unseen.chain(untaken).collect();
    if missing.is_empty() { Verdict::Holds } else { Verdict::Vacuous { missing } }
}
