//! Whole runs: the same seed is the same run, a batch holds and has seen faults, a plan that cannot
//! hold is found out and becomes a short story.

use ringleader_sim::plan::{Fault, MS, Planned, Target};
use ringleader_sim::{FaultKind, Plan, Size, Sum, run, run_and_tell, run_seed, shrink};
use ringleader_trace::{Trace, diagram};

const SMALL: Size = Size { operations: 120, faults: 6 };

/// Two logs of three damaged: nobody can be healed, and the run says so.
fn hopeless(seed: u64) -> Plan {
    let mut plan = Plan::of_seed(seed, SMALL);
    plan.nodes = 3;
    plan.faults.retain(|planned| !matches!(planned.fault, Fault::LogDamage { .. }));
    for planned in &mut plan.faults {
        if let Fault::Cut { nodes, .. } = &mut planned.fault {
            *nodes = 1;
        }
        if let Fault::OneWayCut { from, to, .. } = &mut planned.fault {
            (*from, *to) = (0, 1);
        }
    }
    let at = plan.operations.last().map_or(0, |last| last.at);
    for node in [0, 1] {
        plan.faults
            .push(Planned { at: at + u64::from(node) * MS, fault: Fault::LogDamage { node } });
    }
    plan
}

#[test]
fn the_same_seed_is_the_same_run_whether_or_not_it_is_told() {
    for seed in [1, 2, 3, 11] {
        let (first, second) = (run_seed(seed, SMALL), run_seed(seed, SMALL));
        assert_eq!(first, second, "cargo sim --seed {seed} --seeds 1 --operations 120 --faults 6");
        let (told, trace) = run_and_tell(&Plan::of_seed(seed, SMALL), 100);
        assert_eq!(told.digest, first.digest);
        assert_eq!(trace.steps.len(), 100);
        assert_eq!(Trace::from_json(&trace.to_json()).ok(), Some(trace));
        assert_ne!(run_seed(seed + 100, SMALL).digest, first.digest);
    }
}

#[test]
fn a_batch_of_seeds_holds_and_most_faults_came() {
    let mut sum = Sum::default();
    for seed in 0..150 {
        let report = run_seed(seed, SMALL);
        let replay = format!("cargo sim --seed {seed} --seeds 1 --operations 120 --faults 6");
        assert_eq!(report.violation, None, "{replay}");
        sum.add(&report);
    }
    assert!(sum.operations_least >= 120 && sum.terms > 300, "{sum:?}");
    // `cargo sim --seeds 500` demands every kind.
    let missing: Vec<FaultKind> = sum.faults.missing().collect();
    assert!(missing.is_empty(), "{missing:?} never had an effect");
}

#[test]
fn a_plan_that_cannot_hold_becomes_a_short_story() {
    let plan = hopeless(5);
    let report = run(&plan);
    let check = report.violation.map(|it| it.check);
    assert_eq!(check.as_deref(), Some("PANIC"), "two of three logs are damaged");
    let (small, report) = shrink(&plan, 300);
    assert_eq!(report.violation.map(|it| it.check), check);
    assert!(small.operations.len() <= plan.operations.len() / 4, "{}", small.operations.len());
    let damages = |it: &Planned| matches!(it.fault, Fault::LogDamage { .. });
    assert_eq!(small.faults.iter().filter(|it| damages(it)).count(), 2);
    assert_eq!(small.faults.len(), 2, "{:?}", small.faults);
    let (_, trace) = run_and_tell(&small, 40);
    let story = diagram::text(&trace);
    assert!(story.contains("refuses to start"), "{story}");
    assert!(story.ends_with("a plan damages one log at most\n"), "{story}");
}

#[test]
fn a_target_that_leads_is_hit() {
    let mut plan = Plan::of_seed(9, SMALL);
    let kill = |at| Planned { at, fault: Fault::Kill { node: Target::Leader, span: 400 * MS } };
    for operation in &mut plan.operations {
        operation.at *= 10;
    }
    plan.faults = (0..4_u64).map(|number| kill((1000 + number * 2500) * MS)).collect();
    let report = run(&plan);
    assert_eq!(report.violation, None);
    assert!(report.faults[FaultKind::Kill] >= 3 && report.terms >= 4, "{report:?}");
}
