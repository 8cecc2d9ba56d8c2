//! One fault-injection run from start to verdict.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::cluster::{Access, Cluster, Injection, NODES, RECOVERY_MAX, Reads, Setup};
use crate::generator::{Generator, Random};
use crate::history::Line;
use crate::judge::{Judgement, judge};
use crate::nemesis::{Effect, Fault, FaultReport, torment};
use crate::recorder::Recorder;
use crate::schedule::{self, PlannedFault};
use crate::verdict::{Row, Verdict, grouped, overall};
use crate::workload::{Counts, Load, Workload, create_table};

/// Everything that decides a run; the same plan with the same seed does the same.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program of the node.
    pub server: PathBuf,
    /// Where history, logs and data go.
    pub directory: PathBuf,
    /// How long the load lasts.
    pub load_time: Duration,
    /// How a leader makes sure of itself before a strong read.
    pub reads: Reads,
    /// Which faults strike.
    pub faults: Vec<Fault>,
    /// What everything random follows from.
    pub seed: u64,
    /// How the clients behave.
    pub load: Load,
    /// How many keys are in use at a time.
    pub keys: usize,
    /// After how many operations a key is replaced.
    pub operations_per_key: u64,
    /// Fewer acknowledged operations void the run.
    pub acknowledged_min: u64,
    /// Fewer faults void the run.
    pub faults_min: usize,
}

/// What a run left behind.
pub struct Outcome {
    /// The verdict of each part.
    pub rows: Vec<Row>,
    /// Every line of the history.
    pub lines: Vec<Line>,
    /// What each fault did.
    pub faults: Vec<FaultReport>,
    /// How many operations ended in which way.
    pub counts: Counts,
    /// The illegal part of the history, if it has one.
    pub counterexample: Option<String>,
    /// The file with the history.
    pub history: PathBuf,
}

impl Outcome {
    /// The verdict of the run.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        overall(&self.rows)
    }
}

/// Runs a plan. What goes wrong with the *cluster* is a row of the outcome.
///
/// # Errors
///
/// If the run cannot be set up: no directory, no port, a server that does not start.
pub async fn run(plan: &Plan, progress: &dyn Fn(&str)) -> Result<Outcome> {
    prepare(&plan.directory)?;
    let history = plan.directory.join("history.jsonl");
    let recorder = Recorder::create(&history)
        .with_context(|| format!("cannot write {}", history.display()))?;
    let recorder = Arc::new(recorder);

    progress("starting three nodes");
    let mut cluster = Cluster::start(&setup(plan)).await?;
    let apis = cluster.apis();
    let leader = cluster.leader(RECOVERY_MAX).await?;
    create_table(apis[leader]).await?;
    progress(&format!("node {leader} leads; load begins"));

    let mut random = Random::new(plan.seed);
    let strikes = schedule::plan(&plan.faults, plan.load_time, apis.len(), &mut random);
    let generator = Generator::new(Random::new(random.draw()), plan.keys, plan.operations_per_key);
    let mut workload =
        Workload::start(&plan.load, &apis, generator, Arc::clone(&recorder), &mut random);

    let mut faults = Vec::new();
    let mut findings = Vec::new();
    let loaded =
        load(&mut cluster, &workload, &recorder, &strikes, plan.load_time, progress, &mut faults);
    let survived = loaded.await;
    workload.stop().await?;
    match survived {
        Ok(()) => findings.extend(heal(&cluster, &mut workload, progress).await),
        Err(error) => findings.push(violated("cluster survives the faults", &error)),
    }
    let counts = workload.counts();
    findings.extend(nodes_row(cluster, &workload.surprises()).await);

    progress("checking the history");
    let lines = recorder.finish().with_context(|| format!("cannot write {}", history.display()))?;
    let judgement = judge(&history)?;
    let mut rows = vec![operations_row(plan, counts), faults_row(plan, &strikes, &faults)];
    rows.extend(findings);
    rows.push(history_row(&judgement));
    let counterexample = match judgement {
        Judgement::Illegal { explanation, .. } => Some(explanation),
        Judgement::Legal { .. } | Judgement::Undecided { .. } => None,
    };
    Ok(Outcome { rows, lines, faults, counts, counterexample, history })
}

/// The cluster that these faults need.
fn setup(plan: &Plan) -> Setup {
    let any = |test: fn(&Fault) -> bool| plan.faults.iter().any(test);
    Setup {
        server: plan.server.clone(),
        directory: plan.directory.clone(),
        access: if any(Fault::concerns_clients) { Access::Links } else { Access::Direct },
        injection: if any(Fault::is_injected) { Injection::On } else { Injection::Off },
        reads: plan.reads,
    }
}

/// Makes the directory, and removes what an earlier run left in it: only what a run makes, because
/// the directory may be anybody's.
fn prepare(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    for id in 0..NODES {
        let removed = [
            fs::remove_dir_all(directory.join(format!("data-{id}"))),
            fs::remove_file(directory.join(format!("node-{id}.log"))),
        ];
        for error in removed.into_iter().filter_map(Result::err) {
            if error.kind() != io::ErrorKind::NotFound {
                let name = directory.display();
                return Err(error).with_context(|| format!("cannot clear {name} of node {id}"));
            }
        }
    }
    Ok(())
}

/// Strikes while the clients work, for at least the planned time.
async fn load(
    cluster: &mut Cluster,
    workload: &Workload,
    recorder: &Recorder,
    strikes: &[PlannedFault],
    load_time: Duration,
    progress: &dyn Fn(&str),
    faults: &mut Vec<FaultReport>,
) -> Result<()> {
    let start = Instant::now();
    let strike = async {
        torment(cluster, recorder, strikes, start, progress, faults).await?;
        tokio::time::sleep_until(start + load_time).await;
        Ok(())
    };
    let tell = async {
        let mut second = interval(Duration::from_secs(2));
        second.set_missed_tick_behavior(MissedTickBehavior::Skip);
        second.tick().await;
        loop {
            second.tick().await;
            let Counts { acknowledged, failed, unknown } = workload.counts();
            progress(&format!(
                "{} operations acknowledged, {failed} failed, {unknown} unknown",
                grouped(acknowledged)
            ));
        }
    };
    tokio::select! {
        result = strike => result,
        () = tell => Ok(()),
    }
}

/// With everything healed: all nodes follow one leader, and every key can be read.
async fn heal(cluster: &Cluster, workload: &mut Workload, progress: &dyn Fn(&str)) -> Option<Row> {
    const PART: &str = "final reads after the heal";
    cluster.heal_links();
    let settled = Instant::now();
    if let Err(error) = cluster.settled(RECOVERY_MAX).await {
        return Some(violated(PART, &error));
    }
    let settled_ms = settled.elapsed().as_millis();
    progress("load over, everything healed; reading every key once more");
    Some(match workload.read_all(&cluster.apis()).await {
        Ok(keys) => {
            let keys = grouped(keys as u64);
            Row::new(
                PART,
                Verdict::Holds,
                format!("{keys} keys read, leader after {settled_ms} ms"),
            )
        }
        Err(error) => violated(PART, &error),
    })
}

/// The nodes did nothing odd, and stop when asked.
async fn nodes_row(mut cluster: Cluster, surprises: &[String]) -> Option<Row> {
    const PART: &str = "nodes behave";
    let mut oddities = cluster.deserters();
    oddities.extend_from_slice(surprises);
    if let Err(error) = cluster.stop().await {
        oddities.push(format!("{error:#}"));
    }
    Some(if oddities.is_empty() {
        Row::new(PART, Verdict::Holds, "none ended by itself, all stopped when asked")
    } else {
        Row::new(PART, Verdict::Violated, oddities.join("; "))
    })
}

fn violated(part: &str, error: &anyhow::Error) -> Row {
    Row::new(part, Verdict::Violated, format!("{error:#}"))
}

fn operations_row(plan: &Plan, counts: Counts) -> Row {
    let Counts { acknowledged, failed, unknown } = counts;
    let enough = acknowledged >= plan.acknowledged_min;
    let mut detail = format!(
        "{} acknowledged, {} failed, {} unknown",
        grouped(acknowledged),
        grouped(failed),
        grouped(unknown)
    );
    if !enough {
        detail = format!("{detail}; at least {} wanted", grouped(plan.acknowledged_min));
    }
    Row::new("operations", if enough { Verdict::Holds } else { Verdict::Void }, detail)
}

fn faults_row(plan: &Plan, strikes: &[PlannedFault], faults: &[FaultReport]) -> Row {
    const PART: &str = "faults had an effect";
    if plan.faults.is_empty() {
        return Row::new(PART, Verdict::Holds, "none was asked for");
    }
    let idle: Vec<String> = faults
        .iter()
        .filter_map(|fault| match &fault.effect {
            Effect::None(text) => Some(format!("{}: {text}", fault.title())),
            Effect::Measured(_) => None,
        })
        .collect();
    if !idle.is_empty() {
        return Row::new(PART, Verdict::Void, format!("without effect: {}", idle.join("; ")));
    }
    let titles: Vec<String> = faults.iter().map(FaultReport::title).collect();
    let mut detail = format!("{} of {}: {}", faults.len(), strikes.len(), titles.join(", "));
    let spared: Vec<String> = plan
        .faults
        .iter()
        .map(Fault::to_string)
        .filter(|name| faults.iter().all(|fault| fault.kind != *name))
        .collect();
    if !spared.is_empty() {
        detail = format!("{detail}; never: {}", spared.join(", "));
    }
    if faults.len() < plan.faults_min {
        let detail = format!("{detail}; at least {} wanted", plan.faults_min);
        return Row::new(PART, Verdict::Void, detail);
    }
    Row::new(PART, Verdict::Holds, detail)
}

fn history_row(judgement: &Judgement) -> Row {
    const PART: &str = "history is linearizable";
    match judgement {
        Judgement::Legal { operations, took } => {
            let operations = grouped(*operations as u64);
            let detail = format!("{operations} operations checked in {} ms", took.as_millis());
            Row::new(PART, Verdict::Holds, detail)
        }
        Judgement::Illegal { summary, .. } => Row::new(PART, Verdict::Violated, summary.clone()),
        Judgement::Undecided { reason } => {
            Row::new(PART, Verdict::Void, format!("undecided: {reason}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(wanted: &str, struck: &[&str]) -> Row {
        let faults = crate::nemesis::catalogue::faults(wanted).unwrap();
        let plan = Plan {
            server: "ringleader".into(),
            directory: "out".into(),
            load_time: Duration::from_secs(8),
            reads: Reads::Lease,
            faults_min: faults.len(),
            faults,
            seed: 1,
            load: Load { clients: 1, rate: 1, timeout: Duration::from_secs(1) },
            keys: 1,
            operations_per_key: 1,
            acknowledged_min: 0,
        };
        let report = |kind: &&str| FaultReport {
            kind: (*kind).into(),
            node: None,
            start_ns: 0,
            end_ns: 1,
            recovered_ns: 2,
            effect: Effect::Measured("it hurt".into()),
        };
        faults_row(&plan, &[], &struck.iter().map(report).collect::<Vec<_>>())
    }

    #[test]
    fn a_fault_that_never_struck_voids_the_run_and_is_named() {
        let struck = ["kill", "pause+delay", "mute"];
        assert_eq!(row("kill,pause+delay,mute", &struck).verdict, Verdict::Holds);
        let void = row("kill,pause+delay,mute", &struck[..1]);
        assert_eq!(void.verdict, Verdict::Void);
        let told = "never: pause+delay, mute; at least 3 wanted";
        assert!(void.detail.ends_with(told), "{}", void.detail);
        assert_eq!(row("kill", &[]).verdict, Verdict::Void);
        assert_eq!(row("none", &[]).verdict, Verdict::Holds);
    }
}
