//! `verify`: the main job. Models, a real cluster under faults, its history, one verdict.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use jepsen_harness::binaries::{MODEL, results_directory};
use jepsen_harness::cluster::Reads;
use jepsen_harness::command::{self, Failure, UNUSABLE, VOID};
use jepsen_harness::models::{self, CheckedModel, CheckedMutant, MutantFile};
use jepsen_harness::nemesis::Fault;
use jepsen_harness::nemesis::catalogue;
use jepsen_harness::output;
use jepsen_harness::progress::Progress;
use jepsen_harness::report::{self, Report};
use jepsen_harness::run::{Outcome, Plan, run};
use jepsen_harness::verdict::{Row, Verdict, junit, overall, table};
use jepsen_harness::workload::{Kind, Load, Size, Target};
use serde_json::{Value, json};

/// Check the models, run a three-node cluster under faults, judge its history.
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:
  cargo verify
  cargo verify --mutant ack-before-fsync
  cargo verify --json --junit verify.xml

Exit codes: 0 everything holds, 1 violated (with --mutant: caught), 2 unusable arguments,
3 void or undecided (with --mutant: not caught), 101 did not build."
)]
struct Arguments {
    /// Plant this bug first (a file of model/mutants), and expect it to be caught.
    #[arg(long)]
    mutant: Option<String>,
    /// How long the load lasts.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(4..=86_400))]
    seconds: u64,
    /// What everything random follows from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where history, logs and report go [default: target/verify].
    #[arg(long)]
    out: Option<PathBuf>,
    /// A node to run instead of this workspace's.
    #[arg(long)]
    server: Option<PathBuf>,
    /// Print one JSON document on standard output.
    #[arg(long)]
    json: bool,
    /// Also write the verdicts as JUnit XML.
    #[arg(long)]
    junit: Option<PathBuf>,
}

/// What the clients do, all at once: items, transactions, indexes, and eventual reads.
const WORKLOADS: [Kind; 4] = [Kind::Item, Kind::Bank, Kind::Index, Kind::Sessions];
/// What strikes, each within 30 s: processes, network, clock and disk, alone and mixed.
const FAULTS: &str = "kill-leader,pause-leader+delay,isolate-leader,bridge+lose,power-loss,\
    slow-clock+slow-disk-leader,ring+repeat";
/// A fault each 4 s of load at least: 5 in 20 s.
const SECONDS_PER_FAULT: u64 = 4;
/// How often a mutant's cluster is run until its history is illegal.
const MUTANT_ATTEMPTS: u64 = 5;

/// What has been found so far.
#[derive(Default)]
struct Findings {
    rows: Vec<Row>,
    diagrams: Vec<(String, String)>,
    models: Vec<CheckedModel>,
    mutant: Option<CheckedMutant>,
    outcome: Option<Outcome>,
}

impl Findings {
    /// A part that came to no verdict must not hide what the others came to.
    fn void(&mut self, part: &str, error: &anyhow::Error) {
        self.rows.push(Row::new(part, Verdict::Void, format!("{error:#}")));
    }
}

fn main() -> ExitCode {
    command::main(verify(Arguments::parse()))
}

async fn verify(arguments: Arguments) -> Result<u8, Failure> {
    let mutant = match &arguments.mutant {
        Some(name) => Some((name, models::mutant_file(name).map_err(Failure::with(UNUSABLE))?)),
        None => None,
    };
    if mutant.is_some() {
        // Refused now and not after the build.
        command::last_seed(arguments.seed, MUTANT_ATTEMPTS)?;
    }
    let out = arguments.out.clone().unwrap_or_else(|| results_directory("verify"));
    command::writable(&out, arguments.junit.as_deref())?;
    let mut findings = Findings::default();
    let mut progress = Progress::start();
    let exit_code = match mutant {
        None => {
            let (server, found) = command::programs(arguments.server.as_ref(), &[MODEL])?;
            // Building is not verifying: the clock starts here.
            progress = Progress::start();
            clean(&arguments, &found[0], &server, &out, progress, &mut findings).await;
            overall(&findings.rows).exit_code()
        }
        Some((name, file)) => {
            let model = command::program(MODEL)?;
            mutated(&arguments, name, &file, &model, &out, progress, &mut findings).await?;
            caught(name, &findings)
        }
    };
    let text = conclude(&arguments, &out, progress, &findings)?;
    command::print(&text, exit_code)?;
    Ok(exit_code)
}

/// The clean tree: models, cluster, history.
async fn clean(
    arguments: &Arguments,
    model: &Path,
    server: &Path,
    out: &Path,
    progress: Progress,
    findings: &mut Findings,
) {
    progress.say("checking the models at quick bounds");
    match models::check(model).await {
        Ok(checked) => findings.models = checked,
        Err(error) => findings.void("models", &error),
    }
    for checked in &findings.models {
        findings.rows.push(checked.row());
        if let Some(trace) = checked.trace.as_ref().filter(|_| checked.verdict == "violated") {
            let drawing = models::draw(model, trace).await;
            let drawing = drawing.unwrap_or_else(|error| format!("{error:#}"));
            let headline = format!("Counterexample of the model {}", checked.name);
            findings.diagrams.push((headline, drawing));
        }
    }
    let plan = plan(arguments, arguments.seed, server, out, (&WORKLOADS, &faults(FAULTS)));
    match run(&plan, &|text| progress.say(text)).await {
        Ok(outcome) => {
            findings.rows.extend(outcome.rows.iter().cloned());
            findings.diagrams.extend(outcome.counterexamples());
            findings.outcome = Some(outcome);
        }
        Err(error) => findings.void("cluster", &error),
    }
}

/// A tree with a planted bug: its model, and its cluster if the bug shows there.
async fn mutated(
    arguments: &Arguments,
    name: &str,
    file: &MutantFile,
    model: &Path,
    out: &Path,
    progress: Progress,
    findings: &mut Findings,
) -> Result<(), Failure> {
    progress.say(&format!("planting the mutant {name} in a copy, building and checking its model"));
    let mutant = models::check_mutant(model, name).await.map_err(Failure::with(VOID))?;
    findings.rows.push(mutant.row());
    if let Some(diagram) = &mutant.diagram {
        findings.diagrams.push(("Counterexample of the model".into(), diagram.clone()));
    }
    findings.mutant = Some(mutant);
    if !file.cluster {
        return Ok(());
    }
    progress.say("building the node with the mutant planted");
    let server = models::build_mutant(model, name).await.map_err(Failure::with(VOID))?;
    // A leader that does not know that it is none is where such bugs show.
    let faults = faults("isolate-leader,pause-leader");
    for seed in arguments.seed..=command::last_seed(arguments.seed, MUTANT_ATTEMPTS)? {
        let plan = plan(arguments, seed, &server, out, (&[Kind::Item], &faults));
        let outcome = run(&plan, &|text| progress.say(text)).await.map_err(Failure::with(VOID))?;
        let counterexamples = outcome.counterexamples();
        // Of a broken node only the history is judged; whatever else it does is its own affair.
        let history = outcome.rows.last().cloned();
        findings.outcome = Some(outcome);
        if !counterexamples.is_empty() {
            findings.rows.extend(history);
            findings.diagrams.extend(counterexamples);
            return Ok(());
        }
        progress.say(&format!("seed {seed}: the history shows nothing"));
    }
    let detail = format!("legal in {MUTANT_ATTEMPTS} runs");
    findings.rows.push(Row::new("history is linearizable", Verdict::Holds, detail));
    Ok(())
}

/// Faults of the catalogue.
fn faults(names: &str) -> Vec<Fault> {
    catalogue::faults(names).expect("these are in the catalogue")
}

/// The exit code for a mutant, and a clear line about it.
fn caught(name: &str, findings: &Findings) -> u8 {
    let missed: Vec<&str> = findings
        .rows
        .iter()
        .filter(|row| row.verdict != Verdict::Violated)
        .map(|row| row.part.as_str())
        .collect();
    if missed.is_empty() {
        output::tell(&format!("the mutant {name} is caught"));
        return Verdict::Violated.exit_code();
    }
    output::tell(&format!("the mutant {name} is NOT caught by: {}", missed.join(", ")));
    Verdict::Void.exit_code()
}

fn plan(
    arguments: &Arguments,
    seed: u64,
    server: &Path,
    out: &Path,
    (workloads, faults): (&[Kind], &[Fault]),
) -> Plan {
    let faults_min = arguments.seconds / SECONDS_PER_FAULT;
    Plan {
        server: server.to_owned(),
        directory: out.to_owned(),
        load_time: Duration::from_secs(arguments.seconds),
        reads: Reads::Lease,
        faults: faults.to_vec(),
        seed,
        load: Load { clients: 16, rate: 2_000, timeout: Duration::from_secs(1) },
        workloads: workloads.to_vec(),
        target: Target::Dynamo,
        size: Size { keys: 8, operations_per_key: 400 },
        endpoints: Vec::new(),
        faults_min: usize::try_from(faults_min).unwrap_or(usize::MAX),
    }
}

/// Writes everything that was found, and returns what to print.
fn conclude(
    arguments: &Arguments,
    out: &Path,
    progress: Progress,
    findings: &Findings,
) -> Result<String, Failure> {
    let seconds = progress.seconds();
    let file = out.join("report.html");
    let mut command =
        format!("cargo verify --seconds {} --seed {}", arguments.seconds, arguments.seed);
    let mut title = "cargo verify".to_owned();
    if let Some(name) = &arguments.mutant {
        command = format!("{command} --mutant {name}");
        title = format!("mutant {name}");
    }
    let report = Report {
        title: &title,
        command: &command,
        seed: arguments.seed,
        rows: &findings.rows,
        diagrams: &findings.diagrams,
        outcome: findings.outcome.as_ref(),
    };
    report::write(&file, &report)
        .with_context(|| format!("cannot write {}", file.display()))
        .map_err(Failure::with(VOID))?;
    if let Some(file) = &arguments.junit {
        command::write_junit(file, &junit("verify", &findings.rows))?;
    }
    if arguments.json {
        return Ok(format!("{}\n", document(arguments, findings, &file, seconds)));
    }
    let mut text = String::new();
    for (headline, drawing) in &findings.diagrams {
        text.extend([headline, ":\n\n", drawing, "\n"]);
    }
    let verdict = overall(&findings.rows);
    let sum = format!("{title}: {verdict} ({seconds:.0} s)\n{}", table(&findings.rows));
    text += &sum;
    if arguments.mutant.is_none() {
        for skipped in SKIPPED {
            text.extend(["  skipped: ", skipped, "\n"]);
        }
    }
    Ok(text + &format!("  report: {}\n", file.display()))
}

/// What this check does not look at, so that nobody believes it did.
const SKIPPED: [&str; 3] = [
    "the other nemeses and workloads: `cargo jepsen list`; damaged files: `cargo jepsen run --faults flip-log,tear-log,flip-tree`",
    "names of files that a power loss takes: the simulated disk of the storage tests",
    "models beyond quick bounds: `cargo model check --bounds standard`",
];

fn document(arguments: &Arguments, findings: &Findings, report: &Path, seconds: f64) -> Value {
    let outcome = findings.outcome.as_ref();
    let diagram = |(headline, drawing): &(String, String)| json!({"of": headline, "text": drawing});
    json!({
        "version": 1,
        "verdict": overall(&findings.rows),
        "mutant": findings.mutant,
        "seed": arguments.seed,
        "seconds": seconds,
        "parts": findings.rows,
        "models": findings.models,
        "operations": outcome.map(|outcome| outcome.counts),
        "faults": outcome.map(|outcome| &outcome.faults),
        "diagrams": findings.diagrams.iter().map(diagram).collect::<Vec<_>>(),
        "history": outcome.and_then(|outcome| outcome.played.first()).map(|played| &played.history),
        "histories": outcome.map(Outcome::documents),
        "skipped": SKIPPED,
        "report": report,
    })
}
