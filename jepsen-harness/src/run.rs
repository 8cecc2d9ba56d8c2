//! One fault-injection run from start to verdict.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::cluster::{Access, Cluster, Injection, NODES, RECOVERY_MAX, Reads, Setup};
use crate::generator::Random;
use crate::history::Line;
use crate::judge::{Judgement, judge};
use crate::nemesis::{Effect, Fault, FaultReport, torment};
use crate::recorder::Histories;
use crate::schedule::{self, PlannedFault};
use crate::verdict::{Row, Verdict, grouped, overall};
use crate::workload::{Counts, Job, Kind, Load, Size, Target, Workload};

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
    /// What the clients do: several workloads share the cluster, the clients and the rate.
    pub workloads: Vec<Kind>,
    /// Whose API is spoken.
    pub target: Target,
    /// How many objects a workload uses.
    pub size: Size,
    /// Servers that somebody else started; empty: three nodes of ours are.
    pub endpoints: Vec<SocketAddr>,
    /// Fewer faults void the run.
    pub faults_min: usize,
}

/// What a run left behind.
pub struct Outcome {
    /// The verdict of each part.
    pub rows: Vec<Row>,
    /// Every line of all histories, in the order of time.
    pub lines: Vec<Line>,
    /// What each fault did.
    pub faults: Vec<FaultReport>,
    /// How many operations ended in which way.
    pub counts: Counts,
    /// What became of each workload.
    pub played: Vec<Played>,
}

/// What became of one workload.
#[derive(Clone, Debug)]
pub struct Played {
    /// What the clients did.
    pub kind: Kind,
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

    /// The illegal parts of the histories, each with a headline.
    #[must_use]
    pub fn counterexamples(&self) -> Vec<(String, String)> {
        let one = |played: &Played| {
            let headline = format!("The illegal part of the history ({})", played.kind);
            played.counterexample.clone().map(|drawing| (headline, drawing))
        };
        self.played.iter().filter_map(one).collect()
    }
}

impl Outcome {
    /// What became of each workload, for machines.
    #[must_use]
    pub fn documents(&self) -> Value {
        let one = |played: &Played| {
            let Played { kind, counts, counterexample, history } = played;
            json!({
                "workload": kind.name(), "operations": counts, "history": history,
                "counterexample": counterexample, "check": kind.question().arguments(),
            })
        };
        self.played.iter().map(one).collect()
    }
}

/// Processes of one workload are numbered apart from those of another.
const PROCESSES_PER_WORKLOAD: u64 = 10_000_000;

/// Runs a plan. What goes wrong with the *cluster* is a row of the outcome.
///
/// # Errors
///
/// If the run cannot be set up: no directory, no port, a server that does not start.
pub async fn run(plan: &Plan, progress: &dyn Fn(&str)) -> Result<Outcome> {
    prepare(&plan.directory)?;
    let paths: Vec<PathBuf> = plan.workloads.iter().map(|kind| history_path(plan, *kind)).collect();
    let histories = Histories::create(&paths)
        .with_context(|| format!("cannot write histories to {}", plan.directory.display()))?;

    let mut cluster = if plan.endpoints.is_empty() {
        progress("starting three nodes");
        Cluster::start(&setup(plan)).await?
    } else {
        Cluster::attach(&plan.endpoints, setup(plan).access).await?
    };
    let prefix = prefix(plan);
    let apis = cluster.apis();
    let leader = cluster.leader(RECOVERY_MAX).await?;
    for kind in &plan.workloads {
        plan.target.prepare(*kind, apis[leader], &prefix).await?;
    }
    progress(&format!("node {leader} leads; load begins"));

    let mut random = Random::new(plan.seed);
    let strikes = schedule::plan(&plan.faults, plan.load_time, apis.len(), &mut random);
    let mut workloads = start(plan, &prefix, &apis, &histories, &mut random);

    let mut faults = Vec::new();
    let mut findings = Vec::new();
    let tell = || progress(&progress_of(&workloads));
    let loaded = load(&mut cluster, &tell, &histories, &strikes, plan, progress, &mut faults);
    let survived = loaded.await;
    for workload in &mut workloads {
        workload.stop().await?;
    }
    match survived {
        Ok(()) => findings.extend(heal(&cluster, &mut workloads, progress).await),
        Err(error) => findings.push(violated("cluster survives the faults", &error)),
    }
    let surprises: Vec<String> = workloads.iter().flat_map(Workload::surprises).collect();
    findings.extend(nodes_row(cluster, &surprises).await);

    progress("checking the history");
    let mut rows: Vec<Row> = workloads.iter().map(|one| operations_row(plan, one)).collect();
    rows.push(faults_row(plan, &strikes, &faults));
    rows.extend(findings);
    let mut outcome =
        Outcome { rows, lines: Vec::new(), faults, counts: Counts::default(), played: Vec::new() };
    for (place, (workload, history)) in workloads.iter().zip(paths).enumerate() {
        let lines = histories.of(place).finish();
        let lines = lines.with_context(|| format!("cannot write {}", history.display()))?;
        outcome.rows.extend(complaints_row(plan, workload));
        let judgement = judge(&history, workload.kind().question())?;
        outcome.rows.push(history_row(plan, workload.kind(), &judgement));
        let counterexample = match judgement {
            Judgement::Illegal { explanation, .. } => Some(explanation),
            Judgement::Legal { .. } | Judgement::Undecided { .. } => None,
        };
        let (kind, counts) = (workload.kind(), workload.counts());
        outcome.counts = outcome.counts + counts;
        outcome.played.push(Played { kind, counts, counterexample, history });
        outcome.lines.extend(lines);
    }
    outcome.lines.sort_by_key(Line::time);
    Ok(outcome)
}

/// What a foreign server may hold from an earlier run is told apart by the moment of this one; ours
/// start empty.
fn prefix(plan: &Plan) -> String {
    if plan.endpoints.is_empty() {
        return String::new();
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}-", since.as_millis())
}

/// Where the history of a workload goes.
fn history_path(plan: &Plan, kind: Kind) -> PathBuf {
    if plan.workloads.len() == 1 {
        return plan.directory.join("history.jsonl");
    }
    plan.directory.join(format!("history-{kind}.jsonl"))
}

/// The name of a part of the verdict that concerns one workload.
fn part(plan: &Plan, kind: Kind, name: &str) -> String {
    if plan.workloads.len() == 1 { name.to_owned() } else { format!("{kind}: {name}") }
}

/// Starts every workload with its share of the clients and of the rate.
fn start(
    plan: &Plan,
    prefix: &str,
    apis: &[SocketAddr],
    histories: &Histories,
    random: &mut Random,
) -> Vec<Workload> {
    let share = plan.workloads.len().max(1);
    let load = Load {
        clients: (plan.load.clients / share).max(1),
        rate: (plan.load.rate / share as u64).max(1),
        ..plan.load.clone()
    };
    let mut workloads = Vec::new();
    for (place, kind) in plan.workloads.iter().enumerate() {
        let job = Job {
            kind: *kind,
            target: plan.target,
            size: plan.size,
            process_first: place as u64 * PROCESSES_PER_WORKLOAD,
            prefix: prefix.to_owned(),
        };
        workloads.push(Workload::start(job, &load, apis, histories.of(place), random));
    }
    workloads
}

fn progress_of(workloads: &[Workload]) -> String {
    let counts = workloads.iter().map(Workload::counts).fold(Counts::default(), |a, b| a + b);
    let Counts { acknowledged, failed, unknown } = counts;
    format!("{} operations acknowledged, {failed} failed, {unknown} unknown", grouped(acknowledged))
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
    tell: &dyn Fn(),
    histories: &Histories,
    strikes: &[PlannedFault],
    plan: &Plan,
    progress: &dyn Fn(&str),
    faults: &mut Vec<FaultReport>,
) -> Result<()> {
    let start = Instant::now();
    let strike = async {
        torment(cluster, histories, strikes, start, progress, faults).await?;
        tokio::time::sleep_until(start + plan.load_time).await;
        Ok(())
    };
    let telling = async {
        let mut second = interval(Duration::from_secs(2));
        second.set_missed_tick_behavior(MissedTickBehavior::Skip);
        second.tick().await;
        loop {
            second.tick().await;
            tell();
        }
    };
    tokio::select! {
        result = strike => result,
        () = telling => Ok(()),
    }
}

/// With everything healed: all nodes follow one leader, and everything can be read.
async fn heal(
    cluster: &Cluster,
    workloads: &mut [Workload],
    progress: &dyn Fn(&str),
) -> Option<Row> {
    const PART: &str = "final reads after the heal";
    cluster.heal_links();
    let settled = Instant::now();
    if let Err(error) = cluster.settled(RECOVERY_MAX).await {
        return Some(violated(PART, &error));
    }
    let settled_ms = settled.elapsed().as_millis();
    progress("load over, everything healed; reading everything once more");
    let mut keys = 0;
    for workload in workloads {
        match workload.read_all(&cluster.apis()).await {
            Ok(count) => keys += count as u64,
            Err(error) => {
                let error = error.context(format!("workload {}", workload.kind()));
                return Some(violated(PART, &error));
            }
        }
    }
    let detail = format!("{} reads, leader after {settled_ms} ms", grouped(keys));
    Some(Row::new(PART, Verdict::Holds, detail))
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

fn operations_row(plan: &Plan, workload: &Workload) -> Row {
    let (kind, counts) = (workload.kind(), workload.counts());
    let Counts { acknowledged, failed, unknown } = counts;
    let least = kind.rate_min() * plan.load_time.as_secs();
    let enough = acknowledged >= least;
    let mut detail = format!(
        "{} acknowledged, {} failed, {} unknown",
        grouped(acknowledged),
        grouped(failed),
        grouped(unknown)
    );
    if !enough {
        detail = format!("{detail}; at least {} wanted", grouped(least));
    }
    let verdict = if enough { Verdict::Holds } else { Verdict::Void };
    Row::new(part(plan, kind, "operations"), verdict, detail)
}

/// What needs no checker.
fn complaints_row(plan: &Plan, workload: &Workload) -> Option<Row> {
    let complaints = workload.complaints();
    if complaints.is_empty() {
        return None;
    }
    let part = part(plan, workload.kind(), "what is read adds up");
    Some(Row::new(part, Verdict::Violated, complaints.join("; ")))
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

fn history_row(plan: &Plan, kind: Kind, judgement: &Judgement) -> Row {
    let part = part(plan, kind, kind.question().promise());
    match judgement {
        Judgement::Legal { operations, took } => {
            let operations = grouped(*operations as u64);
            let detail = format!("{operations} operations checked in {} ms", took.as_millis());
            Row::new(part, Verdict::Holds, detail)
        }
        Judgement::Illegal { summary, .. } => Row::new(part, Verdict::Violated, summary.clone()),
        Judgement::Undecided { reason } => {
            Row::new(part, Verdict::Void, format!("undecided: {reason}"))
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
            workloads: vec![Kind::Item],
            target: Target::Dynamo,
            size: Size { keys: 1, operations_per_key: 1 },
            endpoints: Vec::new(),
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
