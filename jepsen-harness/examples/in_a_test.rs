//! The harness in a test of somebody else's crate: one function that starts a cluster, loads it,
//! breaks it, and comes back with a verdict.
//!
//! ```sh
//! cargo test -p jepsen-harness --examples
//! ```
//!
//! Here it is pointed at a node that is broken on purpose (`lonely.rs`); a test of a real one
//! demands [`Verdict::Holds`].

use std::path::{Path, PathBuf};
use std::time::Duration;

use jepsen_harness::cluster::Reads;
use jepsen_harness::nemesis::catalogue::faults;
use jepsen_harness::run::{Plan, run};
use jepsen_harness::verdict::{Verdict, table};
use jepsen_harness::workload::{Kind, Load, Size, Target};

/// Runs a node's program as a cluster of three: two workloads, all nodes killed in the middle.
fn verdict_on(server: PathBuf, directory: &Path) -> anyhow::Result<(Verdict, String)> {
    let faults = faults("kill-all").map_err(anyhow::Error::msg)?;
    let plan = Plan {
        server,
        directory: directory.to_owned(),
        load_time: Duration::from_secs(4),
        reads: Reads::Lease,
        faults_min: faults.len(),
        faults,
        seed: 1,
        load: Load { clients: 12, rate: 500, timeout: Duration::from_millis(500) },
        workloads: vec![Kind::Item, Kind::Sessions],
        target: Target::Dynamo,
        size: Size { keys: 4, operations_per_key: 200 },
        endpoints: Vec::new(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(run(&plan, &|text| eprintln!("{text}")))?;
    Ok((outcome.verdict(), table(&outcome.rows)))
}

fn main() -> anyhow::Result<()> {
    let Some(server) = std::env::args_os().nth(1) else {
        anyhow::bail!("which program is the node?");
    };
    let directory = std::env::temp_dir().join(format!("in-a-test-{}", std::process::id()));
    let (verdict, table) = verdict_on(server.into(), &directory)?;
    std::fs::remove_dir_all(&directory)?;
    println!("{verdict}\n{table}");
    Ok(())
}

#[test]
fn my_database_survives_the_death_of_all_its_nodes() {
    let lonely = std::env::current_exe().expect("a test is a program");
    let lonely = lonely.with_file_name("lonely");
    let directory = tempfile::tempdir().expect("there is room");
    let (verdict, table) = verdict_on(lonely, directory.path()).expect("it runs");
    // It does not: these nodes never replicate.
    assert_eq!(verdict, Verdict::Violated, "{table}");
}
