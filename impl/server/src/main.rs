//! The `ringleader` binary: configuration, storage, the HTTP listener, and their wiring.
//!
//! Exit codes: 0 asked to stop; 2 configuration or arguments; 3 no answer (`status`, `members`); 4 storage
//! failed; 101 a bug of ours.

#![forbid(unsafe_code)]

mod config;
mod dev;
mod exit;
mod faults;
mod http;
mod limits;
mod members;
mod random;
mod serve;
mod service;
mod state;
mod status;
mod store;
mod upkeep;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// A replicated key-value database that speaks the `DynamoDB` API.
#[derive(Debug, Parser)]
#[command(name = "ringleader", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run one node of a group.
    Serve(serve::Arguments),
    /// Run a whole cluster on this machine, each node a process.
    Dev(dev::Arguments),
    /// Check a node's configuration and print it as it is in effect.
    Config(config::Arguments),
    /// Say where the replica of a node stands.
    Status(status::Arguments),
    /// Add a replica to the group, or take one out of it.
    Members(members::Arguments),
}

fn main() -> ExitCode {
    let ended = match Arguments::parse().command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Dev(arguments) => dev::run(&arguments),
        Command::Config(arguments) => config::run(&arguments),
        Command::Status(arguments) => status::run(&arguments),
        Command::Members(arguments) => members::run(&arguments),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("ringleader: {failure}");
            failure.code()
        }
    }
}
