//! `model`: explores the protocols, replays what it finds, and breaks them on purpose.

mod check;
mod explore;
mod mutants;
mod output;
mod quorum;
mod replay;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Explores the protocol machines exhaustively within stated bounds: the same machines that the
/// server runs.
#[derive(Parser)]
#[command(
    name = "model",
    version,
    after_help = "Examples:
  cargo model list
  cargo model check
  cargo model check replication reads --json
  cargo model check r3-t3-c2-x1 --checkpoint target/search --max-memory 8G
  cargo model replay target/model/replication.trace --html trace.html
  cargo model explore even
  cargo model mutants ack-before-fsync
  cargo model quorum --copies 2

Exit codes: 0 as expected, 1 violated (for mutants: a survivor), 2 unusable arguments or input,
3 undecided (out of time), 101 did not build."
)]
struct Arguments {
    #[command(subcommand)]
    command: Subcommands,
}

#[derive(Subcommand)]
enum Subcommands {
    /// List the models: what each asks, its bounds, its states.
    List,
    /// Explore models to the end, and draw the shortest counterexample if there is one.
    Check(check::Check),
    /// Walk through a model in the browser, step by step.
    Explore(explore::Explore),
    /// Take the steps of a recorded trace again, and draw them.
    Replay(replay::Replay),
    /// Break one rule after another, and see the model notice.
    Mutants(mutants::Mutants),
    /// Print the strongest guarantee of every (N, R, W), strict and sloppy, with and without repair.
    Quorum(quorum::QuorumTable),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Subcommands::List => check::list(),
        Subcommands::Check(command) => command.run(),
        Subcommands::Explore(command) => command.run(),
        Subcommands::Replay(command) => command.run(),
        Subcommands::Mutants(command) => command.run(),
        Subcommands::Quorum(command) => command.run(),
    };
    result.unwrap_or_else(|error| {
        eprintln!("model: {error:#}");
        ExitCode::from(output::UNUSABLE)
    })
}
