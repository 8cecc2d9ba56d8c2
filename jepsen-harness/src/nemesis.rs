//! Does to the cluster what the schedule says, and measures that it was really done.
//!
//! A fault that did nothing proves nothing: each one ends in an [`Effect`], and a run with a fault
//! without effect is void. After each fault the cluster must come back by itself; how long that
//! takes is measured too, and never coming back is a violation.

use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use tokio::time::Instant;

use crate::cluster::{Cluster, NODES, RECOVERY_MAX};
use crate::history::Phase;
use crate::proxy::Condition;
use crate::recorder::Recorder;
use crate::schedule::{FaultKind, PlannedFault};

/// What a fault was and did.
#[derive(Clone, Debug, Serialize)]
pub struct FaultReport {
    /// The kind, as on the command line.
    pub kind: String,
    /// Whom it hit; `None`: all nodes.
    pub node: Option<usize>,
    /// When it began, in nanoseconds since the start of the run.
    pub start_ns: u64,
    /// When it was healed.
    pub end_ns: u64,
    /// When all nodes agreed on a leader again.
    pub recovered_ns: u64,
    /// What was measured while it held.
    pub effect: Effect,
}

impl FaultReport {
    /// Kind and node, for people.
    #[must_use]
    pub fn title(&self) -> String {
        match self.node {
            Some(node) => format!("{} {node}", self.kind),
            None => self.kind.clone(),
        }
    }
}

/// What was measured while a fault held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// The cluster was really hurt, in this way.
    Measured(String),
    /// Nothing that the fault should have prevented was prevented.
    None(String),
}

impl Effect {
    fn of(measured: bool, text: String) -> Self {
        if measured { Self::Measured(text) } else { Self::None(text) }
    }
}

/// Strikes as planned, from `start` on, telling `progress` what it does.
///
/// # Errors
///
/// If the cluster does not survive: a node does not come back, or no leader appears after a heal.
pub async fn torment(
    cluster: &mut Cluster,
    recorder: &Recorder,
    plan: &[PlannedFault],
    start: Instant,
    progress: &dyn Fn(&str),
    reports: &mut Vec<FaultReport>,
) -> Result<()> {
    for fault in plan {
        // Later than planned if the last recovery took long; never while still recovering.
        tokio::time::sleep_until(start + fault.at).await;
        let target = target(cluster, fault).await?;
        let title = target.map_or(fault.kind.to_string(), |node| format!("{} {node}", fault.kind));
        progress(&format!("fault: {title}"));

        recorder.fault(fault.kind.name(), target, Phase::Start);
        let start_ns = recorder.now();
        let effect = strike(cluster, fault.kind, target, fault.hold)
            .await
            .with_context(|| format!("fault {title}"))?;
        recorder.fault(fault.kind.name(), target, Phase::End);
        let end_ns = recorder.now();

        cluster.settled(RECOVERY_MAX).await.with_context(|| format!("after the fault {title}"))?;
        let recovered_ns = recorder.now();
        let took_ms = (recovered_ns - end_ns) / 1_000_000;
        progress(&format!("healed: {title}; all nodes follow one leader {took_ms} ms later"));
        let kind = fault.kind.name().to_owned();
        reports.push(FaultReport { kind, node: target, start_ns, end_ns, recovered_ns, effect });
    }
    Ok(())
}

/// Whom a fault hits: chosen by the schedule or by role.
async fn target(cluster: &Cluster, fault: &PlannedFault) -> Result<Option<usize>> {
    match fault.kind {
        FaultKind::Kill
        | FaultKind::Pause
        | FaultKind::Isolate
        | FaultKind::Mute
        | FaultKind::Stall => Ok(Some(fault.node)),
        FaultKind::KillLeader | FaultKind::PauseLeader | FaultKind::IsolateLeader => {
            let leader = cluster.leader(RECOVERY_MAX).await;
            Ok(Some(leader.context("there is no leader to hit although nothing is broken")?))
        }
        FaultKind::KillAll => Ok(None),
    }
}

async fn strike(
    cluster: &mut Cluster,
    kind: FaultKind,
    target: Option<usize>,
    hold: Duration,
) -> Result<Effect> {
    let targets: Vec<usize> = target.map_or((0..NODES).collect(), |node| vec![node]);
    match kind {
        FaultKind::Kill | FaultKind::KillLeader | FaultKind::KillAll => {
            kill(cluster, &targets, hold).await
        }
        FaultKind::Pause | FaultKind::PauseLeader => pause(cluster, &targets, hold).await,
        FaultKind::Isolate | FaultKind::IsolateLeader => {
            let touches = |from, to| targets.contains(&from) || targets.contains(&to);
            Ok(sever(cluster, Condition::Cut, touches, hold).await)
        }
        FaultKind::Mute => {
            let leaves = |from, _to| targets.contains(&from);
            Ok(sever(cluster, Condition::Cut, leaves, hold).await)
        }
        FaultKind::Stall => {
            let touches = |from, to| targets.contains(&from) || targets.contains(&to);
            Ok(sever(cluster, Condition::Stalled, touches, hold).await)
        }
    }
}

async fn kill(cluster: &mut Cluster, targets: &[usize], hold: Duration) -> Result<Effect> {
    let healed = Instant::now() + hold;
    // All signals leave before any death is awaited: nobody outlives the others by much.
    for node in targets {
        cluster.node(*node).kill()?;
    }
    for node in targets {
        cluster.node(*node).killed().await?;
    }
    let mut answering = 0;
    for node in targets {
        answering += usize::from(cluster.node(*node).status().await.is_some());
    }
    tokio::time::sleep_until(healed).await;
    cluster.start_stopped().await?;
    let count = targets.len();
    let text = format!("{count} died of signal 9, {answering} answered afterwards");
    Ok(Effect::of(answering == 0, text))
}

async fn pause(cluster: &mut Cluster, targets: &[usize], hold: Duration) -> Result<Effect> {
    let healed = Instant::now() + hold;
    for node in targets {
        cluster.node(*node).pause()?;
    }
    let mut answering = 0;
    for node in targets {
        answering += usize::from(cluster.node(*node).status().await.is_some());
    }
    tokio::time::sleep_until(healed).await;
    for node in targets {
        cluster.node(*node).resume()?;
    }
    let text = format!("{} stopped, {answering} answered meanwhile", targets.len());
    Ok(Effect::of(answering == 0, text))
}

async fn sever(
    cluster: &Cluster,
    condition: Condition,
    chosen: impl Fn(usize, usize) -> bool,
    hold: Duration,
) -> Effect {
    let broken = cluster.links().set(condition, chosen);
    tokio::time::sleep(hold).await;
    let traffic = cluster.links().since(&broken);
    cluster.links().heal();
    let (hindered, text) = match condition {
        Condition::Stalled => {
            (traffic.held_back > 0, format!("{} bytes held back", traffic.held_back))
        }
        Condition::Cut | Condition::Whole => (
            traffic.dropped + traffic.refused > 0,
            format!("{} connections closed, {} refused", traffic.dropped, traffic.refused),
        ),
    };
    let text = format!("{text}, {} bytes carried meanwhile", traffic.carried);
    Effect::of(hindered && traffic.carried == 0, text)
}
