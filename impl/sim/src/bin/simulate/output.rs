//! Verdicts as text and as JSON.

use crate::batch::Batch;
use anyhow::Result;
use ringleader_sim::{FaultKind, Plan, Report};
use serde_json::{Value, json};
use std::io::Write;

/// What happened in a run.
pub(crate) struct Story {
    /// What is left of the plan of a failing seed.
    pub(crate) plan: Option<Plan>,
    pub(crate) diagram: String,
}

/// The events of a second of one thread.
#[expect(clippy::cast_precision_loss, reason = "a rate needs no more digits than that")]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive rate")]
fn events_per_second(batch: &Batch) -> u64 {
    let seconds = batch.elapsed.as_secs_f64().max(1e-9) * batch.threads as f64;
    (batch.sum.events as f64 / seconds) as u64
}

pub(crate) fn text(
    batch: &Batch,
    missing: &[FaultKind],
    story: Option<&Story>,
    replay: &dyn Fn(u64) -> String,
) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let sum = &batch.sum;
    writeln!(
        out,
        "{} seeds, {} operations answered, {} unknown, {} without effect; {} terms; {} faults",
        sum.seeds,
        sum.done,
        sum.unknown,
        sum.failed,
        sum.terms,
        sum.faults.sum()
    )?;
    writeln!(
        out,
        "at least {} operations and {} faults in each; {} s of virtual time",
        sum.operations_least,
        sum.faults_least,
        sum.virtual_ms / 1000
    )?;
    writeln!(
        out,
        "{} events in {:.1} s on {} threads: {} a second and thread; digest {:016x}",
        sum.events,
        batch.elapsed.as_secs_f64(),
        batch.threads,
        events_per_second(batch),
        sum.digest
    )?;
    for kind in FaultKind::ALL {
        writeln!(out, "  {kind:<20} {:>10}", sum.faults[kind])?;
    }
    for kind in missing {
        writeln!(out, "void: {kind} never had an effect")?;
    }
    for report in &batch.undecided {
        writeln!(out, "seed {}: undecided; {}", report.seed, replay(report.seed))?;
    }
    for report in &batch.failed {
        if let Some(violation) = &report.violation {
            writeln!(out, "seed {}: {}: {}", report.seed, violation.check, violation.detail)?;
            writeln!(out, "  replay: {}", replay(report.seed))?;
        }
    }
    if let Some(Story { plan, diagram }) = story {
        if let Some(plan) = plan {
            writeln!(
                out,
                "\nit fails as well with {} nodes, {} operations and these faults:",
                plan.nodes,
                plan.operations.len()
            )?;
            for planned in &plan.faults {
                writeln!(out, "  {:>8} us  {:?}", planned.at, planned.fault)?;
            }
        }
        writeln!(out, "\n{diagram}")?;
    }
    Ok(())
}

pub(crate) fn json(
    batch: &Batch,
    missing: &[FaultKind],
    story: Option<&Story>,
    replay: &dyn Fn(u64) -> String,
) -> Result<()> {
    let sum = &batch.sum;
    let faults: serde_json::Map<String, Value> =
        FaultKind::ALL.iter().map(|&it| (it.name().to_owned(), json!(sum.faults[it]))).collect();
    let run = |report: &Report| {
        let violation = report.violation.as_ref();
        json!({
            "seed": report.seed,
            "check": violation.map(|it| it.check.as_str()),
            "detail": violation.map(|it| it.detail.as_str()),
            "replay": replay(report.seed),
        })
    };
    let verdict = match (batch.failed.is_empty(), batch.undecided.is_empty() && missing.is_empty())
    {
        (false, _) => "violated",
        (true, true) => "holds",
        (true, false) => "void",
    };
    let document = json!({
        "version": 1,
        "verdict": verdict,
        "seeds": sum.seeds,
        "events": sum.events,
        "replica_events": sum.steps,
        "virtual_ms": sum.virtual_ms,
        "done": sum.done,
        "failed_without_effect": sum.failed,
        "unknown": sum.unknown,
        "terms": sum.terms,
        "operations_least": sum.operations_least,
        "faults_least": sum.faults_least,
        "faults": faults,
        "faults_missing": missing.iter().map(|it| it.name()).collect::<Vec<_>>(),
        "digest": format!("{:016x}", sum.digest),
        "seconds": batch.elapsed.as_secs_f64(),
        "threads": batch.threads,
        "events_per_second_and_thread": events_per_second(batch),
        "violations": batch.failed.iter().map(run).collect::<Vec<_>>(),
        "undecided": batch.undecided.iter().map(run).collect::<Vec<_>>(),
        "diagram": story.map(|it| it.diagram.as_str()),
    });
    writeln!(std::io::stdout().lock(), "{document:#}")?;
    Ok(())
}
