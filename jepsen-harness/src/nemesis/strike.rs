//! One nemesis from its strike to its heal, and what was measured between.

use anyhow::{Context, Result};

use super::Effect;
use super::catalogue::{Harm, Nemesis, Reach, Victim};
use super::files::{self, Damaged};
use super::inject::{self, Injected};
use crate::cluster::{Cluster, RECOVERY_MAX};
use crate::proxy::{Condition, Imposed, Traffic};

/// A nemesis that has struck and is not healed yet.
pub(super) enum Held {
    /// These do not run.
    Down { victims: Vec<usize>, how: &'static str, answering: usize },
    /// These are stopped where they stand.
    Paused { victims: Vec<usize>, answering: usize },
    /// A condition holds between nodes.
    Links(Imposed, Condition),
    /// A condition holds between clients and nodes.
    Clients(Imposed, Condition),
    /// Nodes do what they were told to do wrong.
    Injected(Injected),
    /// A node is down, and its disk is not what it was.
    Files(Damaged),
    /// It was over at once.
    Done(Effect),
}

/// Whom it hits: by the seed, or by role. `None`: all nodes.
pub(super) async fn victim(
    nemesis: &Nemesis,
    cluster: &mut Cluster,
    drawn: usize,
    hit: &[usize],
) -> Result<Option<usize>> {
    let nodes = cluster.size();
    // Two faults that strike together hit different nodes where the seed has the choice.
    let from_drawn = || (0..nodes).map(|step| (drawn + step) % nodes);
    let fresh = |node: &usize| !hit.contains(node);
    let one = |except: Option<usize>| {
        let free = from_drawn().filter(|node| Some(*node) != except).find(fresh);
        free.or(Some(drawn % nodes))
    };
    match nemesis.victim {
        Victim::All => Ok(None),
        Victim::One => Ok(one(None)),
        Victim::Leader | Victim::Follower => {
            let leader = cluster.leader(RECOVERY_MAX).await;
            let leader =
                leader.context("there is no leader although a majority should have one")?;
            Ok(if nemesis.victim == Victim::Leader { Some(leader) } else { one(Some(leader)) })
        }
    }
}

/// Strikes.
pub(super) async fn begin(
    nemesis: &Nemesis,
    cluster: &mut Cluster,
    victim: Option<usize>,
) -> Result<Held> {
    let nodes = cluster.size();
    let victims: Vec<usize> = victim.map_or((0..nodes).collect(), |node| vec![node]);
    match nemesis.harm {
        Harm::Kill => {
            // All signals leave before any death is awaited: nobody outlives the others by much.
            for node in &victims {
                cluster.node(*node).kill()?;
            }
            for node in &victims {
                cluster.node(*node).killed().await?;
            }
            let answering = answering(cluster, &victims).await;
            Ok(Held::Down { victims, how: "died of signal 9", answering })
        }
        Harm::Restart => {
            for node in &victims {
                cluster.node(*node).stop().await?;
            }
            let answering = answering(cluster, &victims).await;
            Ok(Held::Down { victims, how: "ended with exit code 0", answering })
        }
        Harm::RestartEach => restart_each(cluster).await.map(Held::Done),
        Harm::Pause => {
            for node in &victims {
                cluster.node(*node).pause()?;
            }
            let answering = answering(cluster, &victims).await;
            Ok(Held::Paused { victims, answering })
        }
        Harm::Links(reach, condition) => {
            let chosen = |from, to| reach.hits(victim, from, to, nodes);
            Ok(Held::Links(cluster.links().impose(condition, chosen), condition))
        }
        Harm::Clients(condition) => {
            let links = cluster.client_links().context("the clients do not go through links")?;
            let chosen = |_from, to| Reach::To.hits(victim, to, to, nodes);
            Ok(Held::Clients(links.impose(condition, chosen), condition))
        }
        Harm::Injected(order) => inject::begin(order, cluster, victims).await.map(Held::Injected),
        Harm::Files(damage) => {
            let victim = victim.context("a disk is damaged on one node only")?;
            files::begin(damage, cluster.node(victim), victim).await.map(Held::Files)
        }
    }
}

/// Heals it and says what was measured. What it stopped is started; [`Cluster::settled`] is for
/// the caller, once everything is healed.
pub(super) async fn end(held: Held, cluster: &mut Cluster) -> Result<Effect> {
    match held {
        Held::Down { victims, how, answering } => {
            cluster.start_stopped().await?;
            let text = format!("{} {how}, {answering} answered afterwards", victims.len());
            Ok(Effect::of(answering == 0, text))
        }
        Held::Paused { victims, answering } => {
            for node in &victims {
                cluster.node(*node).resume()?;
            }
            let text = format!("{} stopped, {answering} answered meanwhile", victims.len());
            Ok(Effect::of(answering == 0, text))
        }
        Held::Links(imposed, condition) => {
            let traffic = cluster.links().since(&imposed);
            cluster.links().lift(&imposed);
            Ok(effect_of(condition, traffic))
        }
        Held::Clients(imposed, condition) => {
            let links = cluster.client_links().context("the clients do not go through links")?;
            let traffic = links.since(&imposed);
            links.lift(&imposed);
            Ok(effect_of(condition, traffic))
        }
        Held::Injected(injected) => inject::end(injected, cluster).await,
        Held::Files(damaged) => files::end(damaged, cluster).await,
        Held::Done(effect) => Ok(effect),
    }
}

async fn answering(cluster: &mut Cluster, victims: &[usize]) -> usize {
    let mut answering = 0;
    for node in victims {
        answering += usize::from(cluster.node(*node).status().await.is_some());
    }
    answering
}

/// Stops and starts every node, the one that leads now last.
async fn restart_each(cluster: &mut Cluster) -> Result<Effect> {
    let leader = cluster.leader(RECOVERY_MAX).await?;
    let nodes = cluster.size();
    let mut stopped = 0;
    for node in (1..=nodes).map(|step| (leader + step) % nodes) {
        cluster.node(node).stop().await?;
        stopped += usize::from(cluster.node(node).status().await.is_none());
        cluster.start_stopped().await?;
        cluster.settled(RECOVERY_MAX).await?;
    }
    let text = format!("{stopped} of {nodes} ended with exit code 0 and came back");
    Ok(Effect::of(stopped == nodes, text))
}

/// What a condition on links did.
fn effect_of(condition: Condition, traffic: Traffic) -> Effect {
    let Traffic { dropped, refused, carried, held_back, .. } = traffic;
    if condition.cut {
        let text =
            format!("{dropped} connections closed, {refused} refused, {carried} bytes carried");
        return Effect::of(dropped + refused > 0 && carried == 0, text);
    }
    if condition.stalled {
        let text = format!("{held_back} bytes held back, {carried} carried meanwhile");
        return Effect::of(held_back > 0 && carried == 0, text);
    }
    let counts = [
        (!condition.delay.is_zero(), traffic.delayed, "frames delayed"),
        (condition.lost > 0, traffic.lost, "frames lost"),
        (condition.doubled > 0, traffic.doubled, "messages repeated"),
        (condition.swapped > 0, traffic.swapped, "messages overtaken"),
        (condition.bytes_per_second.is_some(), traffic.slowed, "frames waited for the line"),
    ];
    let wanted: Vec<_> = counts.into_iter().filter(|(wanted, ..)| *wanted).collect();
    let each = |(_, count, what): &(bool, u64, &str)| format!("{count} {what}");
    let text = wanted.iter().map(each).collect::<Vec<_>>().join(", ");
    Effect::of(
        wanted.iter().all(|(_, count, _)| *count > 0),
        format!("{text}, {carried} bytes carried"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_without_trace_has_no_effect() {
        let none = Traffic::default();
        let late = Condition { delay: std::time::Duration::from_millis(1), ..Condition::WHOLE };
        for condition in [Condition::CUT, Condition::STALLED, late] {
            assert!(matches!(effect_of(condition, none), Effect::None(_)), "{condition:?}");
        }
        let closed = Traffic { dropped: 1, ..none };
        assert!(matches!(effect_of(Condition::CUT, closed), Effect::Measured(_)));
        let leaky = Traffic { carried: 1, ..closed };
        assert!(matches!(effect_of(Condition::CUT, leaky), Effect::None(_)));
        assert!(matches!(effect_of(late, Traffic { delayed: 1, ..none }), Effect::Measured(_)));
    }
}
