//! What a node does wrong because it was told to: its clock, its disk.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use ringleader_client::InjectedFaults;
use tokio::time::Instant;

use super::Effect;
use super::catalogue::Order;
use crate::cluster::Cluster;

/// A node notices a new order within some milliseconds; the rest is for a loaded machine.
const NOTICED_MAX: Duration = Duration::from_secs(5);
/// A node whose disk fails ends at its next write: heartbeats and clients see to that.
const FAILS_MAX: Duration = Duration::from_secs(3);
/// The error of a rate that is measured over a second through requests of a millisecond or two.
const RATE_ERROR_PPM: f64 = 20_000.0;

/// An order that is in force.
pub(super) struct Injected {
    order: Order,
    victims: Vec<usize>,
    /// What each victim said when the order came into force, and when it said so.
    before: Vec<(InjectedFaults, Instant)>,
}

/// Gives the order, and waits until it is in force.
pub(super) async fn begin(
    order: Order,
    cluster: &mut Cluster,
    victims: Vec<usize>,
) -> Result<Injected> {
    let mut before = Vec::new();
    for node in &victims {
        // A jump is over as soon as it is in force: what the clock showed before counts.
        let earlier = told(cluster, *node).await.context("does not tell about its faults")?;
        let (key, value) = entry(order);
        let number = cluster.node(*node).give_order(key, value)?;
        // A node whose disk fails may be gone before it says so.
        let now = if fails(order) { None } else { Some(in_force(cluster, *node, number).await?) };
        before.push(if matches!(order, Order::ClockJump(_)) {
            earlier
        } else {
            now.unwrap_or(earlier)
        });
    }
    Ok(Injected { order, victims, before })
}

/// Measures, takes the order back, and starts what ended.
pub(super) async fn end(injected: Injected, cluster: &mut Cluster) -> Result<Effect> {
    let Injected { order, victims, before } = injected;
    let mut effect = Effect::Measured(String::new());
    for (node, before) in victims.iter().zip(&before) {
        effect = effect.and(&measured(order, cluster, *node, before).await?);
    }
    for node in &victims {
        cluster.node(*node).take_back_order(entry(order).0)?;
    }
    cluster.start_stopped().await?;
    Ok(effect)
}

/// Whether the node ends by itself when it is told this.
fn fails(order: Order) -> bool {
    matches!(order, Order::FullDisk | Order::FailingSync)
}

/// The key of an order in the node's file, and its value.
fn entry(order: Order) -> (&'static str, String) {
    match order {
        Order::ClockRate(ppm) => ("clock.rate_ppm", ppm.to_string()),
        Order::ClockJump(ms) => ("clock.jumped_ms", ms.to_string()),
        Order::WallOffset(ms) => ("clock.wall_offset_ms", ms.to_string()),
        Order::SlowDisk(ms) => ("disk.sync_delay_ms", ms.to_string()),
        Order::FullDisk => ("disk.full", true.to_string()),
        Order::FailingSync => ("disk.sync_fails", true.to_string()),
        Order::PowerLoss => ("disk.forgetful", true.to_string()),
    }
}

/// What a node says of its faults, and when.
async fn told(cluster: &mut Cluster, node: usize) -> Option<(InjectedFaults, Instant)> {
    let asked = Instant::now();
    let faults = cluster.node(node).status().await?.faults?;
    // Half way between question and answer: the best guess when it looked at its clock.
    Some((faults, asked + asked.elapsed() / 2))
}

async fn in_force(
    cluster: &mut Cluster,
    node: usize,
    number: u64,
) -> Result<(InjectedFaults, Instant)> {
    let deadline = Instant::now() + NOTICED_MAX;
    loop {
        if let Some((faults, at)) = told(cluster, node).await
            && faults.number >= number
        {
            return Ok((faults, at));
        }
        if Instant::now() >= deadline {
            bail!("node {node} did not notice its orders within {} s", NOTICED_MAX.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// What the order did to a node since it was in force.
async fn measured(
    order: Order,
    cluster: &mut Cluster,
    node: usize,
    (before, since): &(InjectedFaults, Instant),
) -> Result<Effect> {
    if fails(order) {
        let failed = cluster.node(node).storage_failed(FAILS_MAX).await?;
        let text = if failed { "ended with exit code 4" } else { "did not notice" };
        return Ok(Effect::of(failed, text.into()));
    }
    let Some((now, at)) = told(cluster, node).await else {
        // Another fault has stopped it meanwhile: what it did cannot be told.
        return Ok(Effect::None(format!("node {node} does not answer")));
    };
    let shown_us = float(now.clock_us.saturating_sub(before.clock_us));
    let passed_us = at.duration_since(*since).as_secs_f64() * 1e6;
    Ok(match order {
        Order::ClockRate(ppm) => {
            let rate_ppm = (shown_us / passed_us.max(1.0) - 1.0) * 1e6;
            let text = format!("the clock ran at {:+.1} %", rate_ppm / 1e4);
            Effect::of((rate_ppm - f64::from(ppm)).abs() < RATE_ERROR_PPM, text)
        }
        Order::ClockJump(ms) => {
            let ahead_ms = (shown_us - passed_us) / 1e3;
            let text = format!("the clock came {ahead_ms:.0} ms ahead");
            Effect::of((ahead_ms - float(ms)).abs() < 100.0, text)
        }
        Order::WallOffset(ms) => {
            let text = format!("the time of day was {} ms off", now.wall_offset_ms);
            Effect::of(now.wall_offset_ms == ms, text)
        }
        Order::SlowDisk(_) => {
            let slowed = now.syncs_slowed - before.syncs_slowed;
            Effect::of(slowed > 0, format!("{slowed} syncs delayed"))
        }
        Order::PowerLoss => {
            cluster.node(node).kill()?;
            cluster.node(node).killed().await?;
            let text =
                format!("node {node} died of signal 9 with {} unsynced bytes", now.unsynced_bytes);
            Effect::of(true, text)
        }
        Order::FullDisk | Order::FailingSync => Effect::None("it should have ended".into()),
    })
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of a run are far below 2^52")]
fn float(number: u64) -> f64 {
    number as f64
}
