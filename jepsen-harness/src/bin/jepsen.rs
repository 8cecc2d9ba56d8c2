//! `jepsen`: fault-injection runs against a cluster of real processes.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jepsen_harness::binaries::results_directory;
use jepsen_harness::cluster::{NotANode, Reads};
use jepsen_harness::command::{self, Failure, UNUSABLE, VOID};
use jepsen_harness::nemesis::{Fault, catalogue};
use jepsen_harness::output;
use jepsen_harness::progress::Progress;
use jepsen_harness::report::{self, Report};
use jepsen_harness::run::{Outcome, Plan, run};
use jepsen_harness::schedule::seconds_min;
use jepsen_harness::verdict::{Row, Verdict, junit, overall, table};
use jepsen_harness::workload::{EtcdReads, Kind, Load, Size, Target};
use serde_json::json;

/// Start three nodes, load them, break them, and judge what the clients saw.
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:
  jepsen list
  jepsen run --faults kill,isolate-leader --seconds 30 --seed 7
  jepsen run --faults kill-all --seconds 10 --repeat 20
  jepsen run --faults pause-leader+delay,bridge+lose --seconds 30

Exit codes: 0 holds, 1 violated, 2 unusable arguments, 3 void or undecided, 101 did not build."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists workloads and faults.
    List,
    /// Runs one workload under faults; writes history, logs and report.html.
    Run(Box<RunArguments>),
}

/// Whose API is spoken.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TargetName {
    /// Three nodes of this workspace, started and stopped.
    Ringleader,
    /// Any server of the DynamoDB API, at `--endpoint`.
    Dynamodb,
    /// etcd 3.4 or later, by the HTTP gateway of the members at `--endpoint`.
    Etcd,
}

/// What a run is to come to.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Expected {
    /// Every promise holds.
    Holds,
    /// The history is convicted: exit code 0 then, and 1 if it is not.
    Violation,
}

#[derive(Args)]
struct RunArguments {
    /// What the clients do, comma-separated; see `jepsen list`. Several share the cluster, the clients
    /// and the rate; `all` is every one.
    #[arg(long, default_value = "item")]
    workload: String,
    /// Whose API is spoken.
    #[arg(long, value_enum, default_value_t = TargetName::Ringleader)]
    target: TargetName,
    /// A server that somebody else started, HOST:PORT; may be given several times. It can only be
    /// hurt on the way to it: cut-clients.
    #[arg(long, value_name = "HOST:PORT")]
    endpoint: Vec<String>,
    /// etcd: reads are answered by the member that was asked, however old.
    #[arg(long)]
    serializable: bool,
    /// Which faults take turns, comma-separated; see `jepsen list`. `a+b` strikes with both at once;
    /// `none` for none, `all` for each alone.
    #[arg(long, default_value = "kill,pause,isolate,isolate-leader,kill-all")]
    faults: String,
    /// How long the load lasts.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// What everything random follows from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many runs, with seeds counting up.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    repeat: u64,
    /// Where history, logs and report go [default: target/jepsen].
    #[arg(long)]
    out: Option<PathBuf>,
    /// How many clients, spread over the nodes.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    clients: u16,
    /// How many keys are in use at a time.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    keys: u16,
    /// After how many operations a key is replaced by a fresh one.
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u64).range(1..))]
    operations_per_key: u64,
    /// How many operations the clients start per second, all together, at most.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..))]
    rate: u64,
    /// How long a client waits for an answer.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    timeout_ms: u64,
    /// Strong reads ask a majority each time, and rest on no clock.
    #[arg(long)]
    read_index: bool,
    /// What the run is to come to; a violation is expected where faults go beyond what is promised.
    #[arg(long, value_enum, default_value_t = Expected::Holds)]
    expect: Expected,
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

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::List => command::main(async { command::print(&list(), 0).map(|()| 0) }),
        Command::Run(arguments) => command::main(run_all(*arguments)),
    }
}

fn list() -> String {
    let mut text = "workloads:\n".to_owned();
    for kind in Kind::ALL {
        let (name, question) = (kind.name(), kind.question());
        let (promise, arguments) = (question.promise(), question.arguments());
        text.extend([format!("  {name:21}  {}\n{:25}{promise}: {arguments}\n", kind.does(), "")]);
    }
    text += "faults:\n";
    for nemesis in &catalogue::ALL {
        let catalogue::Nemesis { name, does, measured, .. } = nemesis;
        text.extend([format!("  {name:21}  {does}\n{:25}effect: {measured}\n", "")]);
    }
    text += "Faults compose: kill-leader+delay strikes with both at once. `all` is every one in turn\nthat stays within what is promised; beyond it, with leases, are: stopping-clock-leader, clock-jump.\n";
    text
}

async fn run_all(arguments: RunArguments) -> Result<u8, Failure> {
    let faults = catalogue::faults(&arguments.faults).map_err(Failure::unusable)?;
    let workloads = parse_workloads(&arguments.workload)?;
    let target = target(&arguments, &workloads, &faults)?;
    let seconds_min = seconds_min(faults.len());
    if arguments.seconds < seconds_min {
        return Err(Failure::unusable(format!(
            "--seconds {} is too short for {} faults; at least {seconds_min}, or fewer in --faults",
            arguments.seconds,
            faults.len()
        )));
    }
    let last_seed = command::last_seed(arguments.seed, arguments.repeat)?;
    let out = arguments.out.clone().unwrap_or_else(|| results_directory("jepsen"));
    command::writable(&out, arguments.junit.as_deref())?;
    let progress = Progress::start();
    let server = match arguments.target {
        TargetName::Ringleader => command::programs(arguments.server.as_ref(), &[])?.0,
        TargetName::Dynamodb | TargetName::Etcd => PathBuf::new(),
    };
    let mut runs = Vec::new();
    let mut rows: Vec<Row> = Vec::new();
    for seed in arguments.seed..=last_seed {
        let directory =
            if arguments.repeat == 1 { out.clone() } else { out.join(format!("seed-{seed}")) };
        let plan =
            plan(&arguments, (&workloads, &faults), &target, seed, server.clone(), directory);
        let outcome = run(&plan, &|text| progress.say(text)).await;
        let outcome = outcome.map_err(|error| {
            let foreign = arguments.server.is_some() && error.is::<NotANode>();
            Failure { code: if foreign { UNUSABLE } else { VOID }, error }
        })?;
        let verdict = outcome.verdict();
        progress.say(&format!("seed {seed}: {verdict}"));
        write_report(&arguments, &plan, &outcome).map_err(Failure::with(VOID))?;
        if !arguments.json {
            command::print(&text(seed, &plan, &outcome), verdict.exit_code())?;
        }
        runs.push(document(seed, &outcome));
        let seeded = |row: Row| Row { part: format!("seed {seed}: {}", row.part), ..row };
        rows.extend(outcome.rows.into_iter().map(seeded));
    }
    if let Some(file) = &arguments.junit {
        command::write_junit(file, &junit("jepsen", &rows))?;
    }
    let verdict = overall(&rows);
    if arguments.json {
        let count = |wanted: &str| runs.iter().filter(|run| run["verdict"] == wanted).count();
        let held = count(Verdict::Holds.word());
        let document = json!({"version": 1, "verdict": verdict, "held": held, "runs": runs});
        command::print(&format!("{document}\n"), verdict.exit_code())?;
    } else if arguments.repeat > 1 {
        let sum = format!("{} runs: {verdict}\n", arguments.repeat);
        command::print(&sum, verdict.exit_code())?;
    }
    Ok(match arguments.expect {
        Expected::Holds => verdict.exit_code(),
        Expected::Violation => match verdict {
            Verdict::Violated => Verdict::Holds.exit_code(),
            Verdict::Holds => {
                output::tell("the faults were expected to break a promise, and none was broken");
                Verdict::Violated.exit_code()
            }
            Verdict::Void => Verdict::Void.exit_code(),
        },
    })
}

/// What one run came to, for people.
fn text(seed: u64, plan: &Plan, outcome: &Outcome) -> String {
    let mut drawings = String::new();
    for (headline, drawing) in outcome.counterexamples() {
        drawings.extend([headline, ":\n\n".into(), drawing, "\n".into()]);
    }
    format!(
        "seed {seed}: {}\n{}\n{}  report: {}\n",
        outcome.verdict(),
        table(&outcome.rows),
        drawings,
        plan.directory.join("report.html").display()
    )
}

/// What is spoken, and to whom; nobody of ours is started if there is anybody.
fn target(
    arguments: &RunArguments,
    workloads: &[Kind],
    faults: &[Fault],
) -> Result<(Target, Vec<SocketAddr>), Failure> {
    let reads =
        if arguments.serializable { EtcdReads::Serializable } else { EtcdReads::Linearizable };
    let target = match arguments.target {
        TargetName::Ringleader | TargetName::Dynamodb => Target::Dynamo,
        TargetName::Etcd => Target::Etcd(reads),
    };
    if arguments.serializable && arguments.target != TargetName::Etcd {
        return Err(Failure::unusable("--serializable is for --target etcd".into()));
    }
    if (arguments.target == TargetName::Ringleader) != arguments.endpoint.is_empty() {
        let text = "--endpoint is for the targets dynamodb and etcd, and they need it";
        return Err(Failure::unusable(text.into()));
    }
    if let Some(kind) = workloads.iter().find(|kind| !target.supports(**kind)) {
        return Err(Failure::unusable(format!("etcd has no operations for --workload {kind}")));
    }
    let inside = faults.iter().find(|fault| !fault.is_outside());
    if let (false, Some(fault)) = (arguments.endpoint.is_empty(), inside) {
        return Err(Failure::unusable(format!(
            "the fault {fault} cannot be done to a server that somebody else started; \
             cut-clients can, and none"
        )));
    }
    let address = |text: &String| {
        let authority = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
        let found = authority.to_socket_addrs().ok().and_then(|mut all| all.next());
        found.ok_or_else(|| Failure::unusable(format!("--endpoint {text} is no HOST:PORT")))
    };
    let endpoints: Result<Vec<SocketAddr>, Failure> =
        arguments.endpoint.iter().map(address).collect();
    Ok((target, endpoints?))
}

fn parse_workloads(text: &str) -> Result<Vec<Kind>, Failure> {
    if text == "all" {
        return Ok(Kind::ALL.to_vec());
    }
    let mut kinds: Vec<Kind> = Vec::new();
    for name in text.split(',') {
        let kind = name.trim().parse().map_err(Failure::unusable)?;
        if kinds.contains(&kind) {
            return Err(Failure::unusable(format!("--workload {text} names {kind} twice")));
        }
        kinds.push(kind);
    }
    Ok(kinds)
}

fn plan(
    arguments: &RunArguments,
    (workloads, faults): (&[Kind], &[Fault]),
    (target, endpoints): &(Target, Vec<SocketAddr>),
    seed: u64,
    server: PathBuf,
    directory: PathBuf,
) -> Plan {
    Plan {
        server,
        directory,
        load_time: Duration::from_secs(arguments.seconds),
        reads: if arguments.read_index { Reads::ReadIndex } else { Reads::Lease },
        faults: faults.to_vec(),
        seed,
        load: Load {
            clients: usize::from(arguments.clients),
            rate: arguments.rate,
            timeout: Duration::from_millis(arguments.timeout_ms),
        },
        workloads: workloads.to_vec(),
        target: *target,
        endpoints: endpoints.clone(),
        size: Size {
            keys: usize::from(arguments.keys),
            operations_per_key: arguments.operations_per_key,
        },
        faults_min: faults.len(),
    }
}

fn write_report(arguments: &RunArguments, plan: &Plan, outcome: &Outcome) -> anyhow::Result<()> {
    let command = format!(
        "cargo jepsen run --workload {} --faults {} --seconds {} --seed {} --clients {} --keys {} \
         --rate {} --operations-per-key {} --timeout-ms {}{}",
        arguments.workload,
        arguments.faults,
        arguments.seconds,
        plan.seed,
        arguments.clients,
        arguments.keys,
        arguments.rate,
        arguments.operations_per_key,
        arguments.timeout_ms,
        endpoint_arguments(arguments)
    );
    let diagrams = outcome.counterexamples();
    let report = Report {
        title: "jepsen run",
        command: &command,
        seed: plan.seed,
        rows: &outcome.rows,
        diagrams: &diagrams,
        outcome: Some(outcome),
    };
    report::write(&plan.directory.join("report.html"), &report)?;
    Ok(())
}

/// The arguments that most runs do not have.
fn endpoint_arguments(arguments: &RunArguments) -> String {
    let mut text = String::new();
    match arguments.target {
        TargetName::Ringleader => {}
        TargetName::Dynamodb => text += " --target dynamodb",
        TargetName::Etcd => text += " --target etcd",
    }
    for endpoint in &arguments.endpoint {
        text.extend([" --endpoint ", endpoint]);
    }
    let flags =
        [(arguments.serializable, " --serializable"), (arguments.read_index, " --read-index")];
    text.extend(flags.iter().filter(|(given, _)| *given).map(|(_, flag)| *flag));
    text
}

fn document(seed: u64, outcome: &Outcome) -> serde_json::Value {
    json!({
        "seed": seed,
        "verdict": outcome.verdict(),
        "parts": outcome.rows,
        "operations": outcome.counts,
        "faults": outcome.faults,
        "counterexample": outcome.played.iter().find_map(|played| played.counterexample.as_ref()),
        "history": outcome.played.first().map(|played| &played.history),
        "histories": outcome.documents(),
    })
}
