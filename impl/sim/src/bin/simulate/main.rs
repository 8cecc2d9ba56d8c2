//! `simulate`: runs seeds, and tells the story of the first one that breaks a promise.

mod batch;
mod output;

use anyhow::{Result, ensure};
use batch::Batch;
use clap::Parser;
use ringleader_sim::{Plan, Size, is_violated, run_and_tell, shrink};
use ringleader_trace::diagram;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

/// As expected.
const HOLDS: u8 = 0;
/// A promise is broken.
const VIOLATED: u8 = 1;
/// Arguments that cannot be used.
const UNUSABLE: u8 = 2;
/// Nothing broken, but not everything decided, or a fault that never came.
const VOID: u8 = 3;

/// A batch this large must have seen every kind of fault.
const EVERY_FAULT_SEEDS: u64 = 500;

/// Runs replicas with their real storage on a simulated network, simulated disks and clocks, from
/// seeds: under every fault, then with a quorum healed; and judges what clients were told.
#[derive(Parser)]
#[command(
    name = "simulate",
    version,
    after_help = "Examples:
  cargo sim                                     100 seeds
  cargo sim --seeds 10000 --threads 2
  cargo sim --seed 4711 --seeds 1               one seed; a failing seed prints this line
  cargo sim --seed 4711 --seeds 1 --story       and what happened in it, although it holds
  cargo sim --seeds 1000 --operations 200 --json

Exit codes: 0 nothing broken, 1 a promise broken, 2 unusable arguments, 3 undecided, or a kind of
fault that never came in 500 seeds or more, 101 our bug."
)]
struct Arguments {
    /// The first seed.
    #[arg(long, default_value_t = 0, value_name = "S")]
    seed: u64,
    /// How many seeds, one after another from the first.
    #[arg(long, default_value_t = 100, value_name = "N")]
    seeds: u64,
    /// Operations of clients in each run.
    #[arg(long, default_value_t = Size::default().operations, value_name = "N")]
    operations: u32,
    /// Planned faults in each run, at least.
    #[arg(long, default_value_t = Size::default().faults, value_name = "N")]
    faults: u32,
    /// Threads, each with seeds of its own. The result does not depend on them.
    #[arg(long, default_value = "1", value_name = "N")]
    threads: NonZeroUsize,
    /// Go on after a failing seed, and count how many fail.
    #[arg(long)]
    keep_going: bool,
    /// Tell the last steps of the first seed, also if it holds.
    #[arg(long)]
    story: bool,
    /// Steps that a story shows.
    #[arg(long, default_value_t = 60, value_name = "N")]
    story_steps: usize,
    /// Runs that making a failing plan smaller may take.
    #[arg(long, default_value_t = 300, value_name = "N")]
    shrink_runs: u32,
    /// Write the whole story of the failing seed there, as a trace.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Print one JSON document on standard output.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    match Arguments::parse().run() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("simulate: {error:#}");
            ExitCode::from(UNUSABLE)
        }
    }
}

impl Arguments {
    fn run(&self) -> Result<u8> {
        ensure!(self.seeds > 0, "--seeds 0: at least one seed is needed");
        ensure!(self.operations > 0, "--operations 0: at least one operation is needed");
        let last = self.seed.checked_add(self.seeds);
        ensure!(
            last.is_some(),
            "--seed {} --seeds {}: beyond the last seed",
            self.seed,
            self.seeds
        );
        let size = Size { operations: self.operations, faults: self.faults };
        let batch = Batch::run(self.seed, self.seeds, size, self.threads, self.keep_going);
        let story = match batch.failed.first() {
            Some(report) => Some(self.story_of(report.seed, size)?),
            None if self.story => {
                let (_, trace) = run_and_tell(&Plan::of_seed(self.seed, size), self.story_steps);
                Some(output::Story { plan: None, diagram: diagram::text(&trace) })
            }
            None => None,
        };
        let missing: Vec<_> = if batch.sum.seeds >= EVERY_FAULT_SEEDS {
            batch.sum.faults.missing().collect()
        } else {
            Vec::new()
        };
        let code = if !batch.failed.is_empty() {
            VIOLATED
        } else if !missing.is_empty() || !batch.undecided.is_empty() {
            VOID
        } else {
            HOLDS
        };
        let replay = |seed| self.replay(seed);
        if self.json {
            output::json(&batch, &missing, story.as_ref(), &replay)?;
        } else {
            output::text(&batch, &missing, story.as_ref(), &replay)?;
        }
        Ok(code)
    }

    /// The command that runs one seed again.
    fn replay(&self, seed: u64) -> String {
        let usual = Size::default();
        let unless = |name: &str, value: u32, usual: u32| {
            if value == usual { String::new() } else { format!(" --{name} {value}") }
        };
        let operations = unless("operations", self.operations, usual.operations);
        let faults = unless("faults", self.faults, usual.faults);
        format!("cargo sim --seed {seed} --seeds 1{operations}{faults}")
    }

    /// Makes a failing run smaller and tells it.
    fn story_of(&self, seed: u64, size: Size) -> Result<output::Story> {
        eprintln!("seed {seed} fails; looking for a shorter story");
        let (plan, report) = shrink(&Plan::of_seed(seed, size), self.shrink_runs);
        debug_assert!(is_violated(&report), "a shrunk plan fails as the whole one did");
        let (_, trace) = run_and_tell(&plan, self.story_steps);
        if let Some(path) = &self.trace {
            let (_, whole) = run_and_tell(&plan, usize::MAX);
            std::fs::write(path, whole.to_json())?;
        }
        Ok(output::Story { plan: Some(plan), diagram: diagram::text(&trace) })
    }
}
