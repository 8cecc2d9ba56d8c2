//! Three real processes of the release binary, real disks, real sockets.
//!
//! The long version: `cargo jepsen run --faults kill-all --seconds 6 --repeat 20`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use jepsen_harness::binaries::{SERVER, find};
use jepsen_harness::cluster::Reads;
use jepsen_harness::nemesis::catalogue;
use jepsen_harness::run::{Plan, run};
use jepsen_harness::verdict::{Verdict, table};
use jepsen_harness::workload::{Kind, Load, Size, Target};
use tempfile::TempDir;

/// Built once by the cargo that runs this test.
static NODE: LazyLock<PathBuf> = LazyLock::new(|| find(&[SERVER]).unwrap().remove(0));

/// Runs these faults, one per slot of 3.5 s, and demands that everything holds.
async fn survives(names: &str, seed: u64) {
    let faults = catalogue::faults(names).unwrap();
    let directory = TempDir::new().unwrap();
    let seconds = 4 * faults.len() as u64;
    let plan = Plan {
        server: NODE.clone(),
        directory: directory.path().to_owned(),
        load_time: Duration::from_secs(seconds),
        reads: Reads::Lease,
        faults_min: faults.len(),
        faults,
        seed,
        load: Load { clients: 12, rate: 1_000, timeout: Duration::from_secs(1) },
        workloads: vec![Kind::Item],
        target: Target::Dynamo,
        size: Size { keys: 8, operations_per_key: 200 },
        endpoints: Vec::new(),
    };
    let outcome = run(&plan, &|text| eprintln!("{text}")).await.unwrap();
    assert_eq!(
        outcome.verdict(),
        Verdict::Holds,
        "once more: cargo jepsen run --faults {names} --seconds {seconds} --seed {seed} --rate 1000 \
         --operations-per-key 200\n{}\n{}",
        table(&outcome.rows),
        outcome.counterexamples().into_iter().map(|one| one.1).collect::<String>(),
    );
}

#[tokio::test]
async fn all_three_killed_at_once_under_load_lose_nothing_acknowledged() {
    for seed in [1, 2] {
        survives("kill-all", seed).await;
    }
}

#[tokio::test]
async fn a_killed_node_comes_back_and_a_leader_that_is_cut_off_serves_nothing_stale() {
    survives("kill,isolate-leader", 1).await;
}
