//! `ringleader members`: changes who takes part in the group, one replica at a time.

use crate::exit::Failure;
use crate::status::exchange;
use ringleader_core::quorum::ReplicaSet;
use serde_json::Value;
use std::time::Duration;

/// Longer than a node waits for a change before it answers that it was begun.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Add a replica to the group, or take one out of it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ringleader members --remove 2 --endpoint http://127.0.0.1:8000 --endpoint http://127.0.0.1:8001
  ringleader members --add 3 --endpoint http://127.0.0.1:8000 --endpoint http://127.0.0.1:8001

To replace a replica whose disk is lost: give the new one an id that was never used, name it in the
`replicas` of every node's configuration (and the group's first `members`, which stay), restart the
nodes one after another, start the new one with --bootstrap, add it, then remove the lost one.
Only the leader changes the group, and a node takes this request only from its own machine: name all
endpoints that are here. A new replica first catches up; `ringleader status` shows the members.
Exit codes: 0 done, 2 refused or arguments, 3 begun and not done, unknown, or no leader answered.")]
pub(crate) struct Arguments {
    /// The replica that is to take part.
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(u8).range(..i64::from(ReplicaSet::IDS)))]
    #[arg(required_unless_present = "remove", conflicts_with = "remove")]
    add: Option<u8>,
    /// The replica that is to take part no longer.
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(u8).range(..i64::from(ReplicaSet::IDS)))]
    remove: Option<u8>,
    /// A node's API address; may be given several times.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000")]
    endpoint: Vec<String>,
    /// Print the leader's answer as one JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let query = match (arguments.add, arguments.remove) {
        (Some(id), _) => format!("add={id}"),
        (None, Some(id)) => format!("remove={id}"),
        (None, None) => {
            return Err(Failure::Configuration("neither --add nor --remove".to_owned()));
        }
    };
    let mut silent = Vec::new();
    for endpoint in &arguments.endpoint {
        let line = format!("POST /ringleader/members?{query}");
        match exchange(endpoint, &line, TIMEOUT) {
            Ok(answer) if answer.document["outcome"] == "not leader" => {
                silent.push(format!("{endpoint} does not lead"));
            }
            Ok(answer) => return report(&answer.document, arguments.json),
            Err(error) => silent.push(format!("{endpoint}: {error}")),
        }
    }
    Err(Failure::NoAnswer(format!("no leader answered: {}", silent.join(", "))))
}

fn report(answer: &Value, json: bool) -> Result<(), Failure> {
    if json {
        println!("{answer}");
    }
    let text = |name: &str| answer[name].as_str().unwrap_or("unknown").to_owned();
    match text("outcome").as_str() {
        "done" => {
            if !json {
                println!("done");
            }
            Ok(())
        }
        "begun" => {
            let what = "begun: the new replica catches up, `ringleader status` shows the members";
            Err(Failure::NoAnswer(what.to_owned()))
        }
        "refused" | "not understood" => Err(Failure::Configuration(text("reason"))),
        other => Err(Failure::NoAnswer(format!("the leader answered: {other}"))),
    }
}
