//! The harness is pointed at a cluster that is known to break, and must say so: nodes that never
//! replicate (`examples/lonely.rs`).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::time::Duration;

use jepsen_harness::cluster::Reads;
use jepsen_harness::nemesis::catalogue;
use jepsen_harness::run::{Plan, run};
use jepsen_harness::verdict::Verdict;
use jepsen_harness::workload::{Kind, Load, Size, Target};
use tempfile::TempDir;

/// The example that cargo built beside this test: `target/debug/examples/lonely`.
fn lonely() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let profile = this.parent().unwrap().parent().unwrap();
    profile.join("examples").join("lonely")
}

fn plan(directory: PathBuf, faults: &str, seconds: u64) -> Plan {
    let faults = catalogue::faults(faults).unwrap();
    Plan {
        server: lonely(),
        directory,
        load_time: Duration::from_secs(seconds),
        reads: Reads::Lease,
        faults_min: faults.len(),
        faults,
        seed: 1,
        load: Load { clients: 12, rate: 500, timeout: Duration::from_millis(500) },
        workloads: vec![Kind::Item],
        target: Target::Dynamo,
        size: Size { keys: 4, operations_per_key: 200 },
        endpoints: Vec::new(),
    }
}

#[tokio::test]
async fn nodes_that_never_replicate_are_convicted() {
    let directory = TempDir::new().unwrap();
    // One slot of the schedule: an undisturbed start, all nodes killed, a recovery.
    let plan = plan(directory.path().to_owned(), "kill-all", 4);
    let outcome = run(&plan, &|_| {}).await.unwrap();

    let verdict_of = |part: &str| {
        let row = outcome.rows.iter().find(|row| row.part == part);
        row.unwrap_or_else(|| panic!("no row {part} in {:?}", outcome.rows)).verdict
    };
    assert_eq!(verdict_of("history is linearizable"), Verdict::Violated);
    assert_eq!(verdict_of("operations"), Verdict::Holds);
    assert_eq!(verdict_of("faults had an effect"), Verdict::Holds);
    assert_eq!(verdict_of("final reads after the heal"), Verdict::Holds);
    assert!(outcome.counterexamples()[0].1.contains("process"));
    assert_eq!(outcome.faults.len(), 1);
    assert!(outcome.counts.acknowledged >= 100, "{:?}", outcome.counts);
    // Every node was killed and wrote a log of two lives.
    for node in 0..3 {
        let log = std::fs::read_to_string(directory.path().join(format!("node-{node}.log")));
        assert_eq!(log.unwrap().matches("starts").count(), 2);
    }
}
