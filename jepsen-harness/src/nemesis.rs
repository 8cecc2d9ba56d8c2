//! Does to the cluster what the schedule says, and measures that it was really done.
//!
//! A fault that did nothing proves nothing: each one ends in an [`Effect`], and a run with a fault
//! without effect is void. After each fault the cluster must come back by itself; how long that
//! takes is measured too, and never coming back is a violation.

pub mod catalogue;
mod files;
mod inject;
mod strike;

use anyhow::{Context, Result};
use serde::Serialize;
use tokio::time::Instant;

use crate::cluster::{Cluster, RECOVERY_MAX};
use crate::history::Phase;
use crate::recorder::Histories;
use crate::schedule::PlannedFault;
pub use catalogue::{Fault, Nemesis};

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
        title(&self.kind, self.node)
    }
}

fn title(kind: &str, node: Option<usize>) -> String {
    node.map_or(kind.to_owned(), |node| format!("{kind} {node}"))
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

    /// Both together: without effect if one of them was.
    fn and(&self, other: &Self) -> Self {
        let (one, two) = (self.text(), other.text());
        let text = if one.is_empty() { two.to_owned() } else { format!("{one}; {two}") };
        let measured = matches!((self, other), (Self::Measured(_), Self::Measured(_)));
        Self::of(measured, text)
    }

    fn text(&self) -> &str {
        match self {
            Self::Measured(text) | Self::None(text) => text,
        }
    }
}

/// Strikes as planned, from `start` on, telling `progress` what it does.
///
/// # Errors
///
/// If the cluster does not survive: a node does not come back, or no leader appears after a heal.
pub async fn torment(
    cluster: &mut Cluster,
    histories: &Histories,
    plan: &[PlannedFault],
    start: Instant,
    progress: &dyn Fn(&str),
    reports: &mut Vec<FaultReport>,
) -> Result<()> {
    for planned in plan {
        // Later than planned if the last recovery took long; never while still recovering.
        tokio::time::sleep_until(start + planned.at).await;
        let kind = planned.fault.to_string();
        let start_ns = histories.now();
        let (effect, node) = strike(cluster, histories, planned, progress)
            .await
            .with_context(|| format!("fault {kind}"))?;
        let end_ns = histories.now();

        let title = title(&kind, node);
        cluster.settled(RECOVERY_MAX).await.with_context(|| format!("after the fault {title}"))?;
        let recovered_ns = histories.now();
        let took_ms = (recovered_ns - end_ns) / 1_000_000;
        progress(&format!("healed: {title}; all nodes follow one leader {took_ms} ms later"));
        reports.push(FaultReport { kind, node, start_ns, end_ns, recovered_ns, effect });
    }
    Ok(())
}

/// Lets every part of a fault strike, holds them, and heals them in the opposite order. Returns
/// what they did together, and whom the first of them hit.
async fn strike(
    cluster: &mut Cluster,
    histories: &Histories,
    planned: &PlannedFault,
    progress: &dyn Fn(&str),
) -> Result<(Effect, Option<usize>)> {
    let mut held = Vec::new();
    let mut hit = Vec::new();
    let mut until = Instant::now() + planned.hold;
    for nemesis in planned.fault.parts() {
        let victim = strike::victim(nemesis, cluster, planned.node, &hit).await?;
        hit.extend(victim);
        progress(&format!("fault: {}", title(nemesis.name, victim)));
        histories.fault(nemesis.name, victim, Phase::Start);
        let began = strike::begin(nemesis, cluster, victim).await?;
        if matches!(began, strike::Held::Done(_)) && planned.fault.parts().len() == 1 {
            until = Instant::now();
        }
        held.push((nemesis.name, victim, began));
    }
    tokio::time::sleep_until(until).await;
    let first = held.first().and_then(|(_, victim, _)| *victim);
    let mut effect = Effect::Measured(String::new());
    for (name, victim, held) in held.into_iter().rev() {
        effect = effect.and(&strike::end(held, cluster).await?);
        histories.fault(name, victim, Phase::End);
    }
    Ok((effect, first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_fault_have_an_effect_together_or_not_at_all() {
        let done = || Effect::Measured("done".into());
        let both = Effect::Measured(String::new()).and(&done()).and(&done());
        assert_eq!(both, Effect::Measured("done; done".into()));
        let idle = done().and(&Effect::None("idle".into())).and(&done());
        assert_eq!(idle, Effect::None("done; idle; done".into()));
    }
}
