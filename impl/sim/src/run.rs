//! Running a plan, and making one that fails smaller.

use crate::check::UNDECIDED;
use crate::oracle::Violation;
use crate::plan::{Latency, Network, Plan, Size};
use crate::report::Report;
use crate::story::Recorder;
use crate::world::World;
use ringleader_storage::engine::caught;
use ringleader_trace::Trace;

/// Runs the plan of a seed.
#[must_use]
pub fn run_seed(seed: u64, size: Size) -> Report {
    run(&Plan::of_seed(seed, size))
}

/// Runs a plan to its end or to the first broken promise. A panic of what runs in it is one.
#[must_use]
pub fn run(plan: &Plan) -> Report {
    run_world(plan, None).0
}

/// Runs a plan and tells the last steps of it.
#[must_use]
pub fn run_and_tell(plan: &Plan, steps_max: usize) -> (Report, Trace) {
    let (report, world) = run_world(plan, Some(Recorder::default()));
    let property = match &report.violation {
        Some(Violation { check, detail }) => format!("{check} is violated: {detail}"),
        None => "nothing is violated".to_owned(),
    };
    let recorder = world.recorder.unwrap_or_default();
    let trace = recorder.trace(plan.seed, plan.nodes, &property, steps_max);
    (report, trace)
}

fn run_world(plan: &Plan, recorder: Option<Recorder>) -> (Report, World) {
    let mut world = World::new(plan, recorder);
    let ended = caught(|| world.run());
    let violation = match ended {
        Ok(Ok(())) => None,
        Ok(Err(violation)) => Some(violation),
        Err(said) => Some(Violation::new("PANIC", said)),
    };
    (world.report(violation), world)
}

/// Whether a report says that something is wrong, and not only that the checker gave up.
#[must_use]
pub fn is_violated(report: &Report) -> bool {
    report.violation.as_ref().is_some_and(|it| it.check != UNDECIDED)
}

/// Takes out of a failing plan whatever it fails without, in at most so many runs. What remains
/// breaks the same promise.
#[must_use]
pub fn shrink(plan: &Plan, runs_max: u32) -> (Plan, Report) {
    let first = run(plan);
    let Some(check) = first.violation.as_ref().map(|it| it.check.clone()) else {
        return (plan.clone(), first);
    };
    let mut shrinker = Shrinker { check, best: plan.clone(), report: first, runs_left: runs_max };
    shrinker.simplify_network();
    loop {
        let before = (shrinker.best.faults.len(), shrinker.best.operations.len());
        shrinker.drop_parts(|plan| &mut plan.faults);
        shrinker.drop_parts(|plan| &mut plan.operations);
        let after = (shrinker.best.faults.len(), shrinker.best.operations.len());
        if before == after || shrinker.runs_left == 0 {
            return (shrinker.best, shrinker.report);
        }
    }
}

struct Shrinker {
    check: String,
    best: Plan,
    report: Report,
    runs_left: u32,
}

impl Shrinker {
    /// Takes a plan for the better one if it breaks the same promise.
    fn accepts(&mut self, plan: Plan) -> bool {
        if self.runs_left == 0 {
            return false;
        }
        self.runs_left -= 1;
        let report = run(&plan);
        let same = report.violation.as_ref().is_some_and(|it| it.check == self.check);
        if same {
            (self.best, self.report) = (plan, report);
        }
        same
    }

    fn simplify_network(&mut self) {
        let change: [fn(&mut Network); 5] = [
            |network| network.corrupt = 0,
            |network| network.duplicate = 0,
            |network| network.reorder = 0,
            |network| network.loss = 0,
            |network| network.delay = Latency { least: 100, jitter: 0 },
        ];
        for simpler in change {
            let mut plan = self.best.clone();
            simpler(&mut plan.network);
            if plan != self.best {
                self.accepts(plan);
            }
        }
    }

    /// Delta debugging (Zeller and Hildebrandt 2002): takes out runs of things, half of them first.
    fn drop_parts<T: Clone>(&mut self, parts: impl Fn(&mut Plan) -> &mut Vec<T>) {
        let mut plan = self.best.clone();
        let mut length = parts(&mut plan).len().div_ceil(2);
        while length > 0 {
            let mut at = 0;
            loop {
                let mut plan = self.best.clone();
                let list = parts(&mut plan);
                if at >= list.len() {
                    break;
                }
                let end = (at + length).min(list.len());
                list.drain(at..end);
                if !self.accepts(plan) {
                    at += length;
                }
                if self.runs_left == 0 {
                    return;
                }
            }
            length /= 2;
        }
    }
}
