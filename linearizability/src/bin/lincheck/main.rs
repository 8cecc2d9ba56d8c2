//! The command line of the history checker: arguments here, one module for each command.

mod check;
mod convert;
mod generate;
mod names;
mod output;
mod process;
mod report;
mod subject;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Decides whether recorded histories are legal.
#[derive(Parser)]
#[command(name = "lincheck", version, after_help = AFTER_HELP)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Exit codes: 0 all legal, 1 a history is illegal, 2 unusable input or arguments, 3 undecided.";

const CHECK_EXAMPLES: &str = "\
Examples:
  lincheck check history.jsonl
  lincheck check --model cas-register --timeout 10 logs/*.log
  lincheck check --model list-append --level serializable history.edn
  lincheck check --json --junit verdicts.xml --html pages runs/*.jsonl > verdicts.json
  zcat history.jsonl.gz | lincheck check --model item -

Exit codes: 0 all legal, 1 a history is illegal, 2 unusable input or arguments, 3 undecided.";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  lincheck explain history.jsonl
  lincheck explain --html page.html history.jsonl

Exit codes: as for check.";

const CONVERT_EXAMPLES: &str = "\
Examples:
  lincheck convert --to binary history.jsonl history.lch
  lincheck convert --to json-lines history.edn - | head

Exit codes: 0 written, 2 unusable input or arguments.";

const GENERATE_EXAMPLES: &str = "\
Examples:
  lincheck generate --operations 10000 --clients 20 --unknown 0.05 history.jsonl
  lincheck generate --model register --values 5 --seed 7 - | lincheck check -
  lincheck generate --violation stale-read illegal.jsonl

Exit codes: 0 written, 2 unusable arguments, or no place for the violation.";

const WATCH_EXAMPLES: &str = "\
Examples:
  your-workload --print-events | lincheck watch --model item --unknown-expires 60
  tail -f history.jsonl | lincheck watch --model register

Stops at the first operation that no order allows. Exit codes: as for check.";

#[derive(Subcommand)]
enum Command {
    /// Decide histories and print one line for each, with a counterexample for the illegal ones
    #[command(after_help = CHECK_EXAMPLES)]
    Check(check::Check),
    /// Decide histories and print the evidence for either verdict
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(check::Explain),
    /// Decide a history while it is being recorded, in memory that does not grow with it
    #[command(after_help = WATCH_EXAMPLES)]
    Watch(watch::Watch),
    /// Write a history in another format
    #[command(after_help = CONVERT_EXAMPLES)]
    Convert(convert::Convert),
    /// Write a random history that is legal, or illegal by one planted violation
    #[command(after_help = GENERATE_EXAMPLES)]
    Generate(generate::Generate),
}

fn main() -> ExitCode {
    ExitCode::from(match CommandLine::parse().command {
        Command::Check(arguments) => check::run(&arguments),
        Command::Explain(arguments) => check::explain(&arguments),
        Command::Watch(arguments) => watch::run(&arguments),
        Command::Convert(arguments) => convert::run(&arguments),
        Command::Generate(arguments) => generate::run(&arguments),
    })
}
